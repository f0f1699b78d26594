"""Messages over HTTP: send, history, search, feedback."""

from __future__ import annotations

import uuid

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer

from ..conftest import Connect
from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


class TestSend:
    def test_a_message_appears_in_the_conversation(self, server: LocalServer, client: ArinovaClient) -> None:
        conversation = server.conversation()
        sent = client.messages.send(conversation.id, "  Good morning!\n")
        row = conversation.wait_for_message(role="agent")
        assert (row.id, row.seq) == (sent.message_id, sent.seq)
        assert (row.content, row.sender_agent_id) == ("Good morning!", server.agent.agent_id)

    def test_other_agents_of_a_group_hear_of_it(
        self, server: LocalServer, client: ArinovaClient, connect: Connect
    ) -> None:
        bob = server.add_agent("Bob", listen_mode="all")
        listening = connect(bob, to=server)
        group = server.conversation(type="group")
        client.messages.send(group.id, "who is there?")
        task = listening.task()
        assert (task["content"], task.get("replyTo")) == ("who is there?", None)

    def test_its_names_are_mentions(
        self, server: LocalServer, client: ArinovaClient, connect: Connect
    ) -> None:
        bob = server.add_agent("Bob", listen_mode="all_mentions")
        listening = connect(bob, to=server)
        group = server.conversation(type="group")
        client.messages.send(group.id, "nobody")
        client.messages.send(group.id, " hello @bob ")
        assert listening.task()["content"] == "hello @bob"

    def test_march_ignores_what_is_replied_to(
        self, server: LocalServer, client: ArinovaClient, generation: str
    ) -> None:
        conversation = server.conversation()
        question = client.messages.send(conversation.id, "one")
        client.messages.reply(conversation.id, question.message_id or "", "two")
        expected = None if generation == "march" else question.message_id
        assert conversation.messages[-1].reply_to_id == expected

    def test_blank_texts_are_refused(self, server: LocalServer, ask: Ask) -> None:
        place = server.conversation().id
        refused = ask("POST", "/messages/send", {"conversationId": place, "content": " \n"})
        assert (refused.status, refused.json) == (400, {"error": "Content is required"})

    def test_only_members_may_send(self, server: LocalServer, client: ArinovaClient) -> None:
        other = server.conversation(server.add_agent("Bob"))
        for place in (other.id, str(uuid.uuid4())):
            with pytest.raises(errors.PermissionDeniedError):
                client.messages.send(place, "hi")
        assert other.messages == []

    def test_what_is_no_uuid_fails_in_marchs_database(self, client: ArinovaClient, generation: str) -> None:
        with pytest.raises(errors.ServerError if generation == "march" else errors.PermissionDeniedError):
            client.messages.send("c1", "hi")

    def test_a_nul_fails_in_marchs_database(self, server: LocalServer, ask: Ask, generation: str) -> None:
        conversation = server.conversation()
        refused = 500 if generation == "march" else 400
        for text, status in (("a\0b", refused), (r"a\u0000b", 200), ("\\\0", refused), (r"\\u0000", 200)):
            sent = ask("POST", "/messages/send", {"conversationId": conversation.id, "content": text})
            assert sent.status == status, text
        # What only looks like one is six characters.
        assert [row.content for row in conversation.messages] == [r"a\u0000b", r"\\u0000"]

    @august
    def test_august_does_what_has_one_key_once(self, server: LocalServer, client: ArinovaClient) -> None:
        conversation = server.conversation()
        first = client.messages.send(conversation.id, "hi", idempotency_key="k1")
        assert client.messages.send(conversation.id, "hi", idempotency_key="k1") == first
        assert len(conversation.messages) == 1
        with pytest.raises(errors.ConflictError):
            client.messages.send(conversation.id, "something else", idempotency_key="k1")

    @august
    def test_keys_of_two_agents_have_nothing_to_do_with_each_other(self, server, client_of) -> None:
        bob = server.add_agent("Bob")
        group = server.conversation(type="group")
        for agent in (server.agent, bob):
            client_of(server, agent).messages.send(group.id, "hi", idempotency_key="k1")
        assert [row.content for row in group.messages].count("hi") == 2

    @august
    def test_a_refused_request_does_not_use_its_key_up(
        self, server: LocalServer, client: ArinovaClient
    ) -> None:
        with pytest.raises(errors.PermissionDeniedError):
            client.messages.send(str(uuid.uuid4()), "hi", idempotency_key="k1")
        client.messages.send(server.conversation().id, "hi", idempotency_key="k1")

    @march
    def test_march_knows_no_keys(self, server: LocalServer, client: ArinovaClient) -> None:
        conversation = server.conversation()
        for _ in range(2):
            client.messages.send(conversation.id, "hi", idempotency_key="k1")
        assert len(conversation.messages) == 2


class TestHistory:
    @pytest.fixture
    def seven(self, server: LocalServer, client: ArinovaClient) -> tuple[str, list[str]]:
        """A conversation with seven messages: its id and theirs."""
        conversation = server.conversation()
        for number in range(7):
            client.messages.send(conversation.id, f"number {number}")
        return conversation.id, [row.id for row in conversation.messages]

    def test_a_whole_conversation_comes_in_pages(self, client: ArinovaClient, seven) -> None:
        place, ids = seven
        pages = client.messages.history(place, limit=3).pages()
        assert [[message.id for message in page.items] for page in pages] == [ids[4:], ids[1:4], ids[:1]]

    def test_what_is_newer_comes_forwards(self, client: ArinovaClient, seven) -> None:
        place, ids = seven
        found = [message.id for message in client.messages.history(place, after=ids[1], limit=2)]
        assert found == ids[2:]

    def test_what_is_around_is_half_on_each_side(self, client: ArinovaClient, seven) -> None:
        place, ids = seven
        page = client.messages.around(place, ids[3], limit=4)
        assert [message.id for message in page.items] == ids[1:6]
        assert page.has_more

    def test_cursors_that_are_none(self, ask: Ask, seven) -> None:
        place, ids = seven
        unknown = str(uuid.uuid4())
        for before in ("nonsense", unknown):
            newest = ask("GET", f"/messages/{place}?before={before}&limit=2").json["messages"]
            assert [message["id"] for message in newest] == ids[-2:]
        assert ask("GET", f"/messages/{place}?after={unknown}").json["messages"] == []
        assert ask("GET", f"/messages/{place}?around=nonsense").status == 400
        assert ask("GET", f"/messages/{place}?around={unknown}").status == 404

    def test_limits_are_cut_to_their_bounds(self, ask: Ask, seven) -> None:
        place, _ = seven
        nothing = ask("GET", f"/messages/{place}?limit=0").json
        assert nothing == {"messages": [], "hasMore": True, "nextCursor": None}
        assert len(ask("GET", f"/messages/{place}?limit=1000").json["messages"]) == 7
        assert len(ask("GET", f"/messages/{place}?limit=many").json["messages"]) == 7

    def test_a_message_tells_who_wrote_it_and_what_it_answers(
        self, server: LocalServer, client: ArinovaClient, connect: Connect
    ) -> None:
        raw = connect(to=server)
        conversation = server.conversation()
        question = conversation.say("hi", attachments=[{"id": "a1", "fileName": "x.txt", "url": "/x"}])
        task = raw.task()
        [asked, answering] = client.messages.history(conversation.id).page.items
        assert (asked.role, asked.content, asked.sender_username) == ("user", "hi", "owner")
        assert (asked.attachments[0].file_name, asked.attachments[0].message_id) == ("x.txt", asked.id)
        # While it is being streamed, it has no content here.
        raw.chunk(task, "hel")
        assert question.wait_for_text("hel")
        assert (answering.id, answering.status, answering.content) == (question.message_id, "streaming", "")
        raw.complete(task, "hello")
        question.wait(5)
        conversation.say("why?", reply_to=question)
        last = client.messages.history(conversation.id).page.items[-2]
        assert last.reply_to is not None
        assert (last.reply_to.content, last.reply_to.sender_agent_name) == ("hel", "Agent")

    def test_a_quoted_message_is_cut_between_characters(
        self, server: LocalServer, client: ArinovaClient
    ) -> None:
        conversation = server.conversation()
        conversation.say("é" * 150, wait_for_agent=0)
        conversation.say("hm", reply_to=conversation.messages[0], wait_for_agent=0)
        replying = client.messages.history(conversation.id).page.items[2]
        assert replying.reply_to is not None
        assert replying.reply_to.content == "é" * 100

    def test_half_a_surrogate_pair_costs_one_character(
        self, server: LocalServer, client: ArinovaClient
    ) -> None:
        conversation = server.conversation()
        conversation.say("a\ud83db", wait_for_agent=0)
        assert client.messages.history(conversation.id).page.items[0].content == "a?b"

    def test_only_members_may_read(self, server: LocalServer, client: ArinovaClient) -> None:
        other = server.conversation(server.add_agent("Bob"))
        with pytest.raises(errors.PermissionDeniedError):
            client.messages.history(other.id).page  # noqa: B018 - it asks

    @august
    def test_august_marks_it_and_sends_nothing_twice(self, ask: Ask, client: ArinovaClient, seven) -> None:
        place, _ = seven
        first = ask("GET", f"/messages/{place}")
        again = ask("GET", f"/messages/{place}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        client.messages.send(place, "news")
        changed = ask("GET", f"/messages/{place}", headers={"If-None-Match": first.headers["etag"]})
        assert (changed.status, len(changed.json["messages"])) == (200, 8)

    @march
    def test_march_marks_nothing(self, ask: Ask, seven) -> None:
        assert "etag" not in ask("GET", f"/messages/{seven[0]}").headers

    @august
    def test_the_client_shows_what_it_has_when_nothing_changed(self, client: ArinovaClient, seven) -> None:
        place, ids = seven
        for _ in range(2):
            assert [message.id for message in client.messages.history(place).page.items] == ids


class TestSearch:
    def test_finds_texts_in_any_case_newest_first(self, server: LocalServer, client: ArinovaClient) -> None:
        conversation = server.conversation()
        for text in ("A Needle", "hay", "another nEEdle"):
            client.messages.send(conversation.id, text)
        found = client.messages.search("needle").page.items
        assert [message.content for message in found] == ["another nEEdle", "A Needle"]
        assert {(message.conversation_id, message.sender_name) for message in found} == {
            (conversation.id, "Agent")
        }
        assert [each.content for each in client.messages.search("needle", offset=1).page.items] == [
            "A Needle"
        ]

    def test_blank_texts_are_refused(self, ask: Ask) -> None:
        blank = ask("GET", "/messages/search?q=%20")
        assert (blank.status, blank.json) == (400, {"error": "q is required"})
        missing = ask("GET", "/messages/search")
        assert (missing.status, missing.headers["content-type"]) == (400, "text/plain; charset=utf-8")

    def test_looks_into_the_agents_own_conversations(
        self, server: LocalServer, client: ArinovaClient, client_of
    ) -> None:
        bob = server.add_agent("Bob")
        client_of(server, bob).messages.send(server.conversation(bob).id, "needle")
        assert client.messages.search("needle").page.items == []

    def test_only_august_looks_whether_the_agent_is_in_a_named_one(
        self, server: LocalServer, client: ArinovaClient, client_of, generation: str
    ) -> None:
        bob = server.add_agent("Bob")
        secret = server.conversation(bob)
        client_of(server, bob).messages.send(secret.id, "needle")
        if generation == "march":
            assert client.messages.search("needle", conversation_id=secret.id).page.items
        else:
            with pytest.raises(errors.PermissionDeniedError):
                client.messages.search("needle", conversation_id=secret.id).page  # noqa: B018 - it asks


class TestFeedback:
    @august
    def test_a_message_is_rated(self, server: LocalServer, client: ArinovaClient) -> None:
        conversation = server.conversation()
        message_id = client.messages.send(conversation.id, "hi").message_id or ""
        assert client.messages.feedback(message_id)["helpful"] is None
        for helpful in (True, False):
            client.messages.rate(message_id, helpful)
            assert client.messages.feedback(message_id)["helpful"] is helpful

    @august
    def test_only_messages_of_agents_that_one_sees_are_rated(
        self, server: LocalServer, client: ArinovaClient
    ) -> None:
        conversation = server.conversation()
        conversation.say("hi", wait_for_agent=0)
        with pytest.raises(errors.BadRequestError, match="messages of agents"):
            client.messages.rate(conversation.messages[0].id, True)
        with pytest.raises(errors.NotFoundError):
            client.messages.rate(str(uuid.uuid4()), True)

    @march
    def test_march_has_no_such_route(self, server: LocalServer, client: ArinovaClient) -> None:
        message_id = client.messages.send(server.conversation().id, "hi").message_id or ""
        with pytest.raises(errors.NotFoundError):
            client.messages.feedback(message_id)


def test_the_answer_is_plain_json(server: LocalServer, ask: Ask) -> None:
    sent = ask("POST", "/messages/send", {"conversationId": server.conversation().id, "content": "hi"})
    assert (sent.status, sent.headers["content-type"]) == (200, "application/json")
    assert sent.json["seq"] == 1
