"""Playing the user: saying, following answers, waiting, cancelling."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from arinova_agent_sync.local import LocalServer

from .conftest import Connect
from .raw_agent import RawAgent


class TestReply:
    def test_it_streams_to_whoever_iterates(self, agent: RawAgent, server: LocalServer) -> None:
        reply = server.conversation().say("hi")
        task = agent.task()
        assert (reply.status, reply.text, reply.done) == ("streaming", "", False)
        assert task["taskId"] == reply.message_id
        pieces = iter(reply)
        for text in ("one", " two"):
            agent.chunk(task, text)
            assert next(pieces) == text
        assert reply.text == "one two"
        agent.complete(task, mentions=["a"])
        assert list(pieces) == []
        assert (reply.wait(), reply.text, reply.mentions, reply.error) == (
            "completed",
            "one two",
            ("a",),
            None,
        )
        assert list(reply) == ["one", " two"]  # again from the beginning

    def test_a_text_that_was_not_streamed_is_one_piece(self, agent: RawAgent, server: LocalServer) -> None:
        reply = server.conversation().say("hi")
        agent.answer("all at once")
        assert list(reply) == ["all at once"]

    def test_an_error_shows_as_the_text(self, agent: RawAgent, server: LocalServer) -> None:
        reply = server.conversation().say("hi")
        task = agent.task()
        agent.chunk(task, "half")
        agent.error(task, "broken")
        assert (reply.wait(), reply.text, reply.error, reply.streamed) == (
            "error",
            "broken",
            "broken",
            "half",
        )
        assert list(reply) == ["half"]

    def test_an_answer_of_nothing_is_deleted(self, agent: RawAgent, server: LocalServer) -> None:
        place = server.conversation()
        reply = place.say("hi")
        agent.answer("")
        assert (reply.wait(), reply.text, list(reply)) == ("deleted", "", [])
        assert [message.role for message in place.messages] == ["user"]

    def test_timings_are_in_order(self, agent: RawAgent, server: LocalServer) -> None:
        reply = server.conversation().say("hi")
        task = agent.task()
        assert reply.timings.first_chunk is reply.timings.done is None
        agent.chunk(task, "x")
        agent.complete(task)
        reply.wait()
        dispatched, first, done = reply.timings.dispatched, reply.timings.first_chunk, reply.timings.done
        assert dispatched is not None
        assert first is not None
        assert done is not None
        assert 0 <= dispatched <= first <= done < 5

    def test_waits_have_deadlines(self, agent: RawAgent, server: LocalServer) -> None:
        reply = server.conversation().say("hi")
        agent.chunk(agent.task(), "half")
        assert reply.wait_for_text() == "half"
        with pytest.raises(TimeoutError, match=r"no end of the answer \(status 'streaming', 'half' streamed"):
            reply.wait(0.01)
        with pytest.raises(TimeoutError, match="no new piece"):
            list(reply.pieces(0.01))
        with pytest.raises(TimeoutError, match="no 'other'"):
            reply.wait_for_text("other", 0.01)

    def test_waiting_for_a_text_ends_with_the_answer(self, agent: RawAgent, server: LocalServer) -> None:
        reply = server.conversation().say("hi")
        agent.answer("this")
        assert reply.wait_for_text("is") == "this"
        with pytest.raises(RuntimeError, match="ended without 'that'"):
            reply.wait_for_text("that")

    def test_cancelling(self, agent: RawAgent, server: LocalServer) -> None:
        place = server.conversation()
        reply, waiting = place.say("one"), place.say("two")
        agent.chunk(agent.task(), "half")
        reply.wait_for_text("half")
        assert waiting.status == "pending"
        assert reply.cancel()
        assert (reply.status, reply.text) == ("cancelled", "half")
        assert agent.receive() == {"type": "cancel_task", "taskId": reply.message_id}
        assert agent.task()["taskId"] == waiting.message_id
        assert not reply.cancel()

    def test_its_repr_shows_the_essentials(self, agent: RawAgent, server: LocalServer) -> None:
        place = server.conversation()
        assert repr(place.say("hi")) == "<LocalReply streaming '' from Agent>"
        assert repr(place) == f"<LocalConversation h2a {place.id}>"


class TestSay:
    def test_it_waits_for_the_agent(self, connect: Connect, server: LocalServer) -> None:
        place = server.conversation()
        with ThreadPoolExecutor() as pool:
            saying = pool.submit(place.say, "hi")
            agent = connect()
            task = agent.answer("hello")
            assert saying.result(5).wait() == "completed"
        assert task["content"] == "hi"

    def test_or_fails_when_it_does_not_come(self, server: LocalServer) -> None:
        with pytest.raises(TimeoutError, match="'Agent' did not connect within"):
            server.conversation().say("hi", wait_for_agent=0.01)

    def test_or_lets_the_server_answer(self, server: LocalServer) -> None:
        reply = server.conversation().say("hi", wait_for_agent=0)
        assert (reply.wait(), reply.text[:9]) == ("error", "**Agent**")

    @pytest.mark.parametrize("how", ["reply", "message", "id"])
    def test_it_may_answer_a_message(self, agent: RawAgent, server: LocalServer, how: str) -> None:
        place = server.conversation()
        first = place.say("one")
        agent.answer("two")
        first.wait()
        message = place.messages[-1]
        place.say("three", reply_to={"reply": first, "message": message, "id": message.id}[how])
        assert agent.task()["replyTo"] == {"role": "agent", "content": "two", "senderAgentName": "Agent"}
        assert place.messages[-2].reply_to_id == first.message_id

    def test_it_may_not_answer_an_unknown_one(self, agent: RawAgent, server: LocalServer) -> None:
        with pytest.raises(ValueError, match="no message of this conversation"):
            server.conversation().say("hi", reply_to="unknown")

    def test_someone_else_may_say_it(self, agent: RawAgent, server: LocalServer) -> None:
        server.conversation().say("hi", sender="bob", attachments=[{"id": "f"}], extra={"surface": "web"})
        task = agent.task()
        assert (task["senderUsername"], task["attachments"], task["surface"]) == ("bob", [{"id": "f"}], "web")

    def test_the_duplicate_guard_is_on_by_default(self, connect: Connect) -> None:
        with LocalServer() as server:
            agent = connect(to=server)
            place = server.conversation()
            place.say("hi")
            agent.answer("x")
            assert place.replies[0].wait() == "completed"
            assert place.say("hi").wait() == "ignored"
            assert agent.synchronise() == []

    def test_in_a_group_the_first_that_hears_it_answers(self, connect: Connect, server: LocalServer) -> None:
        deaf = server.add_agent("Deaf", listen_mode="muted")
        keen = server.add_agent("Keen", listen_mode="owner_only")
        for account in (deaf, keen):
            connect(account)
        place = server.conversation(type="group", members=[deaf, keen])
        assert place.say("hi").agent is keen
        assert place.say("hi", sender="bob").status == "ignored"
        assert [reply.agent for reply in place.replies] == [keen]
        named = place.say("@deaf hello")
        assert named.agent is keen

    def test_agents_of_a_group_talk_to_each_other(self, connect: Connect, server: LocalServer) -> None:
        ann, bob = (server.add_agent(name, listen_mode="all_mentions") for name in ("Ann", "Bob"))
        first, second = connect(ann), connect(bob)
        place = server.conversation(type="group", members=[ann, bob])
        place.say("@ann hello")
        task = first.task()
        assert {member["agentName"] for member in task["members"]} == {"Ann", "Bob"}
        first.complete(task, "@Bob, please", mentions=[bob.agent_id])
        assert second.answer("fine")["content"] == "@Bob, please"
        assert place.wait_for_message(content="fine").sender_name == "Bob"
        assert len(place.replies) == 2

    @pytest.mark.parametrize(
        "options", [{"type": "group", "agent": True}, {"members": True}, {"type": "h2a", "members": True}]
    )
    def test_members_are_for_groups(self, server: LocalServer, options: dict[str, object]) -> None:
        given = {"agent": server.agent, "members": [server.agent]}
        options = {name: given[name] if value is True else value for name, value in options.items()}
        with pytest.raises(ValueError, match="members"):
            server.conversation(**options)  # type: ignore[arg-type]


class TestMessages:
    def test_a_message_of_the_agents_own(self, agent: RawAgent, server: LocalServer) -> None:
        place = server.conversation()
        agent.send("agent_send", conversationId=place.id, content="by the way")
        message = place.wait_for_message(role="agent")
        assert (message.content, message.status, message.sender_name) == ("by the way", "completed", "Agent")
        with pytest.raises(TimeoutError, match="no message"):
            place.wait_for_message(0.01, after=message)

    def test_rows_and_events_of_a_conversation(self, agent: RawAgent, server: LocalServer) -> None:
        place = server.conversation()
        reply = place.say("hi")
        assert [(row.role, row.content, row.status) for row in place.messages] == [
            ("user", "hi", "completed"),
            ("agent", "", "streaming"),
        ]
        agent.answer("hello")
        reply.wait()
        assert [row.seq for row in place.messages] == [1, 2]
        assert [event["type"] for event in place.events] == ["stream_start", "stream_end"]
        assert place.members == (server.agent,)
        assert place.type == "h2a"


class TestFrames:
    def test_every_frame_is_kept_in_order(self, agent: RawAgent, server: LocalServer) -> None:
        agent.text("garbage")
        agent.synchronise()
        seen = [(record.direction, record.type, record.agent_id) for record in server.frames]
        known = server.agent.agent_id
        assert seen == [
            ("in", "agent_auth", None),
            ("out", "auth_ok", known),
            ("in", None, known),
            ("in", "ping", known),
            ("out", "pong", known),
        ]
        assert [record.number for record in server.frames] == [1, 2, 3, 4, 5]
        assert server.frames[2].frame == "garbage"
        assert server.frames[0]["botToken"] == server.bot_token
        with pytest.raises(KeyError):
            server.frames[2]["type"]

    def test_one_may_wait_for_a_frame(self, agent: RawAgent, server: LocalServer) -> None:
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(server.wait_for_frame, "agent_chunk", 5, chunk="second")
            agent.send("agent_chunk", chunk="first")
            agent.send("agent_chunk", chunk="second")
            record = waiting.result(5)
        assert record["chunk"] == "second"
        assert server.wait_for_frame("agent_chunk")["chunk"] == "first"
        assert server.wait_for_frame("auth_ok", direction="out").type == "auth_ok"
        with pytest.raises(TimeoutError, match="no frame agent_chunk chunk='third' within"):
            server.wait_for_frame("agent_chunk", 0.01, chunk="third")
        with pytest.raises(TimeoutError, match="no frame at all"):
            server.wait_for_frame(timeout=0.01, after=record)

    def test_only_the_newest_are_kept(self, connect: Connect) -> None:
        with LocalServer(max_frames=3) as server:
            agent = connect(to=server)
            agent.synchronise()
            agent.synchronise()
            assert [record.type for record in server.frames] == ["pong", "ping", "pong"]

    def test_anything_may_be_sent(self, agent: RawAgent, server: LocalServer) -> None:
        server.send_frame({"type": "é"})
        server.send_frame('{"half": "\ud83d"}')
        server.send_frame(b"\x00\xff")
        assert agent.receive() == {"type": "é"}
        assert agent.receive() == {"half": "?"}
        assert agent.socket.recv() == b"\x00\xff"

    def test_a_raw_task_is_followed_like_any_other(self, agent: RawAgent, server: LocalServer) -> None:
        reply = server.send_task(content="hi", strange=[1])
        task = agent.task()
        assert task == {"type": "task", "taskId": reply.message_id, "content": "hi", "strange": [1]}
        agent.chunk(task, "a")
        agent.complete(task, mentions=[1, "b"])
        assert (reply.wait(), list(reply), reply.mentions) == ("completed", ["a"], ("b",))
        server.send_task(taskId="mine")
        assert agent.task() == {"type": "task", "taskId": "mine"}
        with pytest.raises(ValueError, match="'mine' was used"):
            server.send_task(taskId="mine")
        with pytest.raises(TypeError, match="taskId must be a str"):
            server.send_task(taskId=5)

    def test_a_frame_needs_a_connected_agent(self, server: LocalServer) -> None:
        with pytest.raises(RuntimeError, match="'Agent' is not connected"):
            server.send_frame({})

    def test_telemetry_is_stored(self, agent: RawAgent, server: LocalServer) -> None:
        agent.send("agent_telemetry", event="agent_end", data={"durationMs": 5})
        agent.synchronise()
        assert [(row.event, row.data) for row in server.telemetry] == [("agent_end", {"durationMs": 5})]


def test_the_idle_limit_ends_a_task(connect: Connect) -> None:
    with LocalServer(idle_limit=0.05) as server:
        agent = connect(to=server)
        reply = server.conversation().say("hi")
        task = agent.task()
        assert (reply.wait(), reply.error) == ("error", "Task timed out (idle for 0.05s)")
        agent.complete(task, "too late")
        assert agent.synchronise() == []
        again = server.conversation().say("and again")
        assert (again.wait(), again.error) == ("error", "Task timed out (idle for 0.05s)")


def test_the_past_may_be_forgotten(agent: RawAgent, server: LocalServer) -> None:
    place = server.conversation()
    old = place.say("one")
    agent.answer("two")
    old.wait()
    server.forget()
    assert (place.messages, place.replies, server.frames) == ([], [], [])
    assert old.text == "two"
    place.say("three")
    assert agent.task()["history"][0]["content"] == "three"


def test_many_users_and_agents_at_once(connect: Connect, server: LocalServer) -> None:
    accounts = [server.add_agent(f"agent {number}") for number in range(8)]
    raw = {account.agent_id: connect(account) for account in accounts}
    texts = [str(number) for number in range(5)]

    def serve(agent: RawAgent) -> None:
        for _ in texts:
            task = agent.task()
            for letter in "echo " + task["content"]:
                agent.chunk(task, letter)
            agent.complete(task)

    threads = [threading.Thread(target=serve, args=(agent,)) for agent in raw.values()]
    for thread in threads:
        thread.start()
    with ThreadPoolExecutor(len(accounts)) as pool:
        places = [server.conversation(account) for account in accounts]
        answers = pool.map(lambda place: ["".join(place.say(text)) for text in texts], places)
        assert list(answers) == [[f"echo {text}" for text in texts]] * len(accounts)
    for thread in threads:
        thread.join(5)
