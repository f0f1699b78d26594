"""The server's semantics, without a socket: calls in, rows and effects out, with a clock of the test's own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from arinova_agent_sync.local.chat import Chat
from arinova_agent_sync.local.listening import hears, mentioned_agents
from arinova_agent_sync.local.payloads import history, shortened, written
from arinova_agent_sync.local.records import (
    AgentAccount,
    Conversation,
    ConversationType,
    Deliver,
    ListenMode,
    Message,
    Task,
    User,
)
from arinova_agent_sync.local.rules import Rules


class World:
    """A chat, its clock, and agents whose connection is just their name."""

    def __init__(self, **rules: Any) -> None:
        self.time = 1_000.0
        self.chat = Chat(Rules(**{"duplicate_window": 0, **rules}), clock=lambda: self.time)

    def agent(self, name: str, listen_mode: ListenMode = "all", connected: bool = True) -> AgentAccount:
        account = self.chat.roster.add(AgentAccount("", name, "", listen_mode))
        if connected:
            self.chat.connect(name, account, None)
        return account

    def open(self, *agents: AgentAccount, type: ConversationType = "h2a") -> Conversation:
        return self.chat.open_conversation(type, agents)

    def ask(self, conversation: Conversation, content: str = "hi", **options: Any) -> Task:
        tasks = self.chat.say(conversation, content, **options)
        assert tasks
        return tasks[0]

    def sent(self) -> list[tuple[object, str, Any]]:
        """Return the frames since the last call as (connection, type, task id)."""
        return [
            (effect.connection, effect.frame["type"], effect.frame.get("taskId"))
            for effect in self.chat.take()
            if isinstance(effect, Deliver)
        ]

    def payloads(self) -> list[dict[str, Any]]:
        return [effect.frame for effect in self.chat.take() if isinstance(effect, Deliver)]


def row(conversation: Conversation, task: Task) -> Message:
    return conversation.rows[task.id]


def events(conversation: Conversation) -> list[str]:
    return [event["type"] for event in conversation.events]


class TestCompletion:
    def test_streamed_text_beats_the_content(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        task = world.ask(place)
        world.chat.chunk(task, "streamed")
        assert row(place, task).content == ""  # the row is empty while the answer streams
        world.chat.complete(task, "another text")
        assert (task.status, task.text) == ("completed", "streamed")
        assert (row(place, task).status, row(place, task).content) == ("completed", "streamed")
        assert events(place) == ["stream_start", "stream_chunk", "stream_end"]
        assert place.events[-1]["reason"] == "completed"

    def test_the_content_counts_if_nothing_was_streamed(self) -> None:
        world = World()
        task = world.ask(world.open(world.agent("a")))
        world.chat.complete(task, " text ")
        assert task.text == " text "

    @pytest.mark.parametrize(("chunks", "content"), [([], ""), ([], " \n"), ([" ", "\n"], "text")])
    def test_a_blank_answer_deletes_the_message(self, chunks: list[str], content: str) -> None:
        world = World()
        place = world.open(world.agent("a"))
        task = world.ask(place)
        for chunk in chunks:
            world.chat.chunk(task, chunk)
        world.chat.complete(task, content)
        assert task.status == "deleted"
        assert [message.role for message in place.rows.values()] == ["user"]
        assert (place.events[-1]["type"], place.events[-1]["content"]) == (
            "stream_end",
            "".join(chunks) or content,
        )

    def test_an_error_takes_the_place_of_the_text(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        task = world.ask(place)
        world.chat.chunk(task, "half an answer")
        world.chat.fail(task, "broken")
        assert (task.status, task.text, task.error) == ("error", "broken", "broken")
        assert task.streamed.text == "half an answer"
        assert (row(place, task).status, row(place, task).content) == ("error", "broken")
        assert events(place)[-1] == "stream_error"

    def test_pure_deltas_are_appended_as_they_are(self) -> None:
        world = World(pure_delta=True)
        task = world.ask(world.open(world.agent("a")))
        for chunk in ("=", "=", "=="):
            world.chat.chunk(task, chunk)
        assert task.streamed.text == "===="

    def test_nul_leaves_the_row_streaming(self) -> None:
        world = World()
        agent = world.agent("a")
        place = world.open(agent)
        task = world.ask(place)
        world.chat.complete(task, "a\0b")
        assert task.status == "completed"
        assert (row(place, task).status, row(place, task).content) == ("streaming", "")
        world.chat.connect("later", agent, None)
        assert (row(place, task).status, row(place, task).content) == ("error", "Agent reconnected")


class TestIdleLimit:
    def test_only_chunks_and_heartbeats_push_it_back(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        task = world.ask(place)
        world.time += 599
        world.chat.chunk(task, "x")
        world.time += 599
        world.chat.heartbeat(task)
        world.time += 599
        world.sent()
        assert world.chat.expire() == world.time + 1
        world.time += 1
        assert world.chat.expire() is None
        assert row(place, task).content == "Task timed out (idle for 600s)"
        assert world.sent() == []  # the agent is not told

    def test_a_stale_task_makes_nobody_wait(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        first = world.ask(place, "one")
        world.time += 599
        world.chat.heartbeat(first)
        second = world.ask(place, "two")
        world.time += 1
        third = world.ask(place, "three")
        assert [task.status for task in (first, second, third)] == ["streaming", "pending", "streaming"]


class TestQueue:
    def test_one_waits_per_conversation_and_agent(self) -> None:
        world = World()
        agent = world.agent("a")
        place, other = world.open(agent), world.open(agent)
        first, second, third = (world.ask(place, text) for text in ("one", "two", "three"))
        elsewhere = world.ask(other, "four")
        assert [task.status for task in (first, second, third, elsewhere)] == [
            "streaming",
            "pending",
            "pending",
            "streaming",
        ]
        assert events(place) == ["stream_start", "stream_queued", "stream_queued"]
        world.sent()
        world.chat.complete(first, "x")
        assert world.sent() == [("a", "task", second.id)]  # exactly one is started
        assert third.status == "pending"

    def test_cancelling_a_queued_message_is_not_told_to_the_agent(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        first, second, third = (world.ask(place, text) for text in ("one", "two", "three"))
        world.sent()
        assert world.chat.cancel(second)
        assert second.status == "cancelled"
        world.chat.complete(first, "x")
        assert world.sent() == [("a", "task", third.id)]

    def test_the_same_text_within_five_seconds_makes_no_second_task(self) -> None:
        world = World(duplicate_window=5.0)
        place = world.open(world.agent("a"))
        first = world.ask(place, "hi")
        world.chat.complete(first, "x")
        world.time += 4.9
        assert world.ask(place, "hi").status == "ignored"
        assert world.ask(place, "ho").status == "streaming"
        assert len([message for message in place.rows.values() if message.role == "user"]) == 3

    def test_other_texts_in_between_do_not_end_the_guard(self) -> None:
        world = World(duplicate_window=5.0)
        place = world.open(world.agent("a"))
        for text in ("a", "b"):
            world.chat.complete(world.ask(place, text), "x")
        assert world.ask(place, "a").status == "ignored"

    def test_a_dispatch_that_was_refused_counts(self) -> None:
        world = World(duplicate_window=5.0)
        agent = world.agent("a", connected=False)
        place = world.open(agent)
        assert world.ask(place, "hi").status == "error"
        world.chat.connect("a", agent, None)
        assert world.ask(place, "hi").status == "ignored"
        world.time += 5
        assert world.ask(place, "hi").status == "streaming"

    def test_the_guard_counts_from_the_last_dispatch_and_hits_queued_repeats(self) -> None:
        world = World(duplicate_window=5.0)
        place = world.open(world.agent("a"))
        first, repeated, behind = (world.ask(place, text) for text in ("hi", "hi", "ho"))
        world.chat.complete(first, "x")
        # One was taken out of the queue, so the third waits for the next end.
        assert (repeated.status, behind.status) == ("ignored", "pending")
        world.time += 5
        again = world.ask(place, "hi")
        assert again.status == "streaming"
        world.chat.complete(again, "x")
        assert behind.status == "streaming"


class TestCancel:
    def test_the_row_is_settled_and_the_next_task_starts_behind_the_notice(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        first, second = world.ask(place, "one"), world.ask(place, "two")
        world.chat.chunk(first, "half")
        world.sent()
        assert world.chat.cancel(first)
        assert (row(place, first).status, row(place, first).content) == ("cancelled", "half")
        stopped = next(event for event in place.events if event["type"] == "stream_end")
        assert (stopped["reason"], "content" in stopped) == ("cancelled", False)
        assert world.sent() == [("a", "cancel_task", first.id), ("a", "task", second.id)]
        assert first.id not in world.chat.pending
        assert not world.chat.cancel(first)

    def test_it_is_lost_on_an_agent_that_is_away(self) -> None:
        world = World(generation="august")
        place = world.open(world.agent("a"))
        task = world.ask(place)
        world.chat.disconnect("a")
        world.sent()
        assert world.chat.cancel(task)
        assert world.sent() == []


class TestConnections:
    def test_without_a_connection_the_server_answers_itself(self) -> None:
        world = World()
        place = world.open(world.agent("Bot", connected=False))
        task = world.ask(place)
        assert task.status == "error"
        assert row(place, task).status == "error"
        assert row(place, task).content.startswith("**Bot** is not connected yet")
        assert events(place) == ["stream_start", "stream_error"]
        assert place.events[-1]["error"] not in ("", row(place, task).content)

    def test_the_end_of_the_current_connection_fails_everything(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        first, second = world.ask(place, "one"), world.ask(place, "two")
        world.chat.chunk(first, "half")
        world.chat.disconnect("a")
        assert (first.text, row(place, first).content) == ("Agent disconnected", "Agent disconnected")
        assert "not connected" in second.text
        assert not world.chat.pending

    def test_tasks_survive_the_end_of_a_replaced_connection(self) -> None:
        world = World()
        agent = world.agent("a")
        place = world.open(agent)
        task = world.ask(place)
        world.chat.connect("newer", agent, None)
        assert row(place, task).content == "Agent reconnected"  # while the task lives on
        world.chat.disconnect("a")
        assert task.status == "streaming"
        world.chat.complete(task, "late")
        assert (row(place, task).status, row(place, task).content) == ("completed", "late")

    def test_the_older_connection_is_a_zombie_after_the_newer_has_ended(self) -> None:
        world = World()
        agent = world.agent("a")
        task = world.ask(world.open(agent))
        world.chat.connect("newer", agent, None)
        world.chat.disconnect("newer")
        assert task.status == "error"
        assert world.ask(world.open(agent)).status == "error"

    def test_august_keeps_tasks_over_a_reconnect(self) -> None:
        world = World(generation="august")
        agent = world.agent("a")
        place = world.open(agent)
        task = world.ask(place)
        world.chat.disconnect("a")
        world.chat.connect("b", agent, None)
        assert (task.status, row(place, task).status) == ("streaming", "streaming")

    def test_a_restart_makes_errors_of_everything_open(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        first, second = world.ask(place, "one"), world.ask(place, "two")
        world.chat.halt()
        assert {task.text for task in (first, second)} == {"Stream interrupted by server restart"}
        assert row(place, first).status == "streaming"  # until the next start
        world.chat.recover()
        assert (row(place, first).status, row(place, first).content) == ("error", first.text)

    def test_forgetting_keeps_what_is_open(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        world.chat.complete(world.ask(place, "one"), "x")
        task = world.ask(place, "two")
        world.chat.forget()
        assert list(world.chat.tasks) == list(place.rows) == [task.id]
        world.chat.complete(task, "y")
        assert row(place, task).content == "y"


class TestGroups:
    def test_the_others_hear_an_answer_with_empty_content(self) -> None:
        world = World()
        a, b = world.agent("a"), world.agent("b", "owner_only")
        place = world.open(a, b, type="group")
        task, _ = world.chat.say(place, "hello")
        world.chat.take()
        world.chat.complete(task, "the answer " + "é" * 500)
        assert [item.status for item in place.tasks] == ["completed"] + ["streaming"] * 2  # b is busy
        assert place.tasks[2].prompt.content == ""
        (for_b,) = world.payloads()
        assert for_b["content"] == ""
        assert for_b["replyTo"]["senderAgentName"] == "a"
        assert len(for_b["replyTo"]["content"].encode()) <= 500
        assert for_b["history"][-1] == {
            "role": "agent",
            "content": task.text,
            "createdAt": for_b["history"][-1]["createdAt"],
            "senderAgentName": "a",
        }
        world.chat.complete(place.tasks[1], "b's answer")
        (for_a,) = world.payloads()
        assert for_a["replyTo"]["content"] == "b's answer"
        assert for_a["members"] == [
            {"agentId": a.agent_id, "agentName": "a"},
            {"agentId": b.agent_id, "agentName": "b"},
        ]
        assert for_a["senderUserId"] == world.chat.owner.user_id  # the human at the root of the chain

    @pytest.mark.parametrize("end", ["error", "cancel"])
    def test_they_hear_errors_and_cancels_too(self, end: str) -> None:
        world = World()
        a, b = world.agent("a"), world.agent("b", "owner_only")
        place = world.open(a, b, type="group")
        task, for_b = world.chat.say(place, "hello")
        world.chat.complete(for_b, "")
        if end == "error":
            world.chat.fail(task, "broken")
        else:
            world.chat.cancel(task)
        assert place.tasks[-1].agent is b
        assert place.tasks[-1].status == "streaming"

    def test_a_mention_carries_the_text_to_anyone_even_twice_at_once(self) -> None:
        world = World()
        a, muted, stranger = world.agent("a"), world.agent("m", "muted"), world.agent("s")
        place = world.open(a, muted, type="group")
        (task,) = world.chat.say(place, "hello")
        ids = [muted.agent_id, stranger.agent_id, a.agent_id, "unknown"]
        world.chat.complete(task, "ask them", ids)
        assert [(item.agent, item.prompt.content, item.status) for item in place.tasks[1:]] == [
            (muted, "ask them", "streaming"),
            (stranger, "ask them", "streaming"),
        ]
        (again,) = world.chat.say(place, "more")
        world.chat.complete(again, "ask again", [muted.agent_id])
        assert [item.status for item in place.tasks if item.agent is muted] == ["streaming", "streaming"]

    def test_outside_groups_mentions_do_nothing(self) -> None:
        world = World()
        a, b = world.agent("a"), world.agent("b")
        place = world.open(a)
        world.chat.complete(world.ask(place), "ask b", [b.agent_id])
        assert len(place.tasks) == 1

    @pytest.mark.parametrize("mentions", [(), ("b",)])
    def test_of_a_dismissed_answer_the_others_hear_nothing_but_that(self, mentions: tuple[str, ...]) -> None:
        world = World()
        a, b = world.agent("a"), world.agent("b")
        place = world.open(a, b, type="group")
        world.chat.complete(world.chat.say(place, "hello")[0], "", mentions=mentions)
        heard = place.tasks[-1].prompt
        assert (len(place.tasks), heard.content, heard.reply_to) == (3, "", None)

    def test_a_message_that_answers_nothing_reaches_the_others_whole_and_waits_for_them(self) -> None:
        world = World()
        a, b = world.agent("a"), world.agent("b")
        place = world.open(a, b, type="group")
        busy = world.chat.say(place, "hello")[1]
        world.chat.send(a, place, "by the way", None)
        heard = place.tasks[-1]
        assert (heard.agent, heard.status, heard.prompt.content) == (b, "pending", "by the way")
        assert heard.prompt.reply_to is None
        world.chat.complete(busy, "hi")
        assert heard.status == "streaming"

    @pytest.mark.parametrize(("by_name", "heard"), [(True, ["b"]), (False, [])])
    def test_names_in_it_count_if_it_came_over_http(self, by_name: bool, heard: list[str]) -> None:
        world = World()
        a, b = world.agent("a"), world.agent("b", "all_mentions")
        place = world.open(a, b, type="group")
        world.chat.send(a, place, "hello @B", None, by_name)
        assert [task.agent.name for task in place.tasks] == heard

    def test_a_community_hides_its_members(self) -> None:
        world = World()
        place = world.open(world.agent("a"), type="community")
        world.ask(place)
        (frame,) = world.payloads()
        assert frame["senderUserId"].startswith("anon-")
        assert len(frame["senderUserId"]) == len("anon-") + 16
        assert frame["senderUsername"] is None


OWNER, LISTED, OTHER = User("1", "owner", owner=True), User("2", "listed"), User("3", "other")


@pytest.mark.parametrize(
    ("mode", "unmentioned", "mentioned"),
    [
        ("all", "owner listed other", "owner listed other"),
        ("all_mentions", "", "owner listed other"),
        ("owner_unmention_others_mention", "owner", "owner listed other"),
        ("owner_and_allowlist", "owner listed", "owner listed"),
        ("allowlist_mentions", "", "owner listed"),
        ("owner_only", "owner", "owner"),
        ("muted", "", ""),
        ("allowed_users", "owner listed", "owner listed"),
    ],
)
def test_listen_modes(mode: ListenMode, unmentioned: str, mentioned: str) -> None:
    account = AgentAccount("id", "a", "t", mode, ("listed",))
    for is_mentioned, expected in ((False, unmentioned), (True, mentioned)):
        heard = [user.username for user in (OWNER, LISTED, OTHER) if hears(account, user, is_mentioned)]
        assert heard == expected.split()


def test_names_are_matched_as_whole_words_whatever_their_case() -> None:
    ann, annabel = AgentAccount("1", "Ann", "t"), AgentAccount("2", "Annabel", "u")
    place = Conversation("c", "group", (ann, annabel))
    assert mentioned_agents(place, "@ANN?", []) == {"1"}
    assert mentioned_agents(place, "ask @annabel", ["9"]) == {"2", "9"}
    assert mentioned_agents(place, "Ann", ["__all__"]) == {"1", "2"}
    assert mentioned_agents(place, "@Annab", []) == set()


class TestPayload:
    def test_a_plain_task(self) -> None:
        world = World()
        agent = world.agent("a")
        place = world.open(agent)
        earlier = world.ask(place, "earlier")
        world.chat.fail(earlier, "broken")
        world.payloads()
        file = {"id": "f", "fileName": "plot.png", "url": "/uploads/1"}
        task = world.ask(place, "now", attachments=[file], extra={"messageMetadata": {"a": 1}})
        (frame,) = world.payloads()
        times = [item.pop("createdAt") for item in frame["history"]]
        assert frame == {
            "type": "task",
            "taskId": task.id,
            "conversationId": place.id,
            "content": "now\n\n[Attachment: plot.png](/uploads/1)",
            "conversationType": "h2a",
            "senderUserId": world.chat.owner.user_id,
            "senderUsername": "owner",
            "history": [
                {"role": "user", "content": "earlier"},
                {"role": "agent", "content": "broken", "senderAgentName": "a"},
                {"role": "user", "content": "now"},
            ],
            "attachments": [file],
            "messageMetadata": {"a": 1},
        }
        assert all("T" not in moment and "+" not in moment for moment in times)

    def test_the_history_is_the_last_five_settled_messages(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        for number in range(4):
            world.chat.complete(world.ask(place, f"q{number}"), f"a{number}")
        world.ask(place, "open")
        assert [item["content"] for item in history(place, 5)] == ["q2", "a2", "q3", "a3", "open"]
        assert history(place, 0) == []

    def test_a_reply_quotes_500_bytes(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        task = world.ask(place, "one")
        world.chat.complete(task, "é" * 300)
        world.chat.take()
        world.ask(place, "two", reply_to=row(place, task))
        (frame,) = world.payloads()
        assert frame["replyTo"] == {"role": "agent", "content": "é" * 250, "senderAgentName": "a"}

    def test_text_is_cut_between_characters(self) -> None:
        assert shortened("x" + "é" * 300) == "x" + "é" * 249

    def test_times_have_no_needless_fraction(self) -> None:
        world = World()
        message = world.open(world.agent("a")).write("id", OTHER, "", datetime(2026, 3, 1, 12))
        assert len(written(message.created_at)) == len("2026-03-01 12:00:00")

    def test_skills_of_the_platform_are_told(self) -> None:
        skill = {"slug": "s", "name": "S", "slashCommand": None, "description": "d"}
        chat = Chat(skills=[skill])
        account = chat.roster.add(AgentAccount("", "a", "", "all"))
        chat.connect("a", account, None)
        chat.say(chat.open_conversation("h2a", [account]), "hi")
        frames = [effect.frame for effect in chat.take() if isinstance(effect, Deliver)]
        assert frames[0]["availableSkills"] == [skill]

    def test_august_names_the_message_and_the_asking_agent(self) -> None:
        world = World(generation="august")
        a, b = world.agent("a"), world.agent("b", "muted")
        place = world.open(a, b, type="group")
        (task,) = world.chat.say(place, "hello")
        (first,) = world.payloads()
        assert first["userMessageId"] == next(iter(place.rows))
        world.chat.complete(task, "ask b", [b.agent_id])
        (second,) = world.payloads()
        assert (second["senderAgentId"], second["senderAgentName"]) == (a.agent_id, "a")
        assert second["userMessageId"] == task.id

    def test_a_wakeup_has_what_it_was_given_and_nothing_else(self) -> None:
        world = World(generation="august")
        task = world.chat.ask(world.agent("a"), {"taskKind": "cron_wakeup"})
        assert world.payloads() == [{"type": "task", "taskId": task.id, "taskKind": "cron_wakeup"}]
        world.chat.complete(task, "done")
        assert (task.status, task.text) == ("completed", "done")


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ({"generation": "may"}, ValueError),
        ({"idle_limit": 0}, ValueError),
        ({"auth_timeout": float("inf")}, ValueError),
        ({"duplicate_window": -1}, ValueError),
        ({"history_limit": "5"}, TypeError),
        ({"history_limit": True}, TypeError),
    ],
)
def test_wrong_rules_are_refused(rules: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(rules))):
        Rules(**rules)


class TestRows:
    def test_an_empty_text_is_no_message_and_blanks_are_one(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        assert world.chat.say(place, "") == []
        assert world.ask(place, "  ").prompt.content == "  "
        assert [message.content for message in place.rows.values()] == ["  ", ""]

    def test_a_text_with_nul_reaches_the_agent_and_leaves_no_row(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        task = world.ask(place, "a\0b")
        (frame,) = world.payloads()
        assert (frame["content"], frame["history"]) == ("a\0b", [])
        assert list(place.rows) == [task.id]

    def test_an_agents_message_with_nul_is_told_and_leaves_no_row(self) -> None:
        world = World()
        a, b = world.agent("a"), world.agent("b")
        place = world.open(a, b, type="group")
        world.chat.send(a, place, "a\0b", None)
        assert events(place)[:2] == ["stream_start", "stream_end"]
        assert place.tasks[0].prompt.content == "a\0b"
        assert [row.sender_name for row in place.rows.values()] == ["b"]

    def test_what_waited_has_what_came_behind_it_in_its_history(self) -> None:
        world = World()
        place = world.open(world.agent("a"))
        one, a, b = (world.ask(place, text) for text in ("one", "a", "b"))
        world.payloads()
        world.chat.complete(one, "1")
        (for_a,) = world.payloads()
        world.chat.complete(a, "A")
        (for_b,) = world.payloads()
        assert [item["content"] for item in for_a["history"]] == ["one", "1", "a", "b"]
        assert [item["content"] for item in for_b["history"]] == ["one", "1", "a", "b", "A"]
        assert b.status == "streaming"

    def test_a_blank_answer_after_another_authentication_leaves_the_error(self) -> None:
        world = World()
        agent = world.agent("a")
        place = world.open(agent)
        task = world.ask(place)
        world.chat.connect("newer", agent, None)
        world.chat.complete(task, "")
        assert (row(place, task).status, row(place, task).content) == ("error", "Agent reconnected")


class TestEvents:
    def test_every_event_of_an_answer_says_whose_it_is_and_where_it_stands(self) -> None:
        world = World()
        agent = world.agent("a")
        place = world.open(agent)
        task = world.ask(place)
        world.chat.chunk(task, "x")
        world.chat.complete(task, "")
        common = {
            "conversationId": place.id,
            "messageId": task.id,
            "seq": 2,
            "senderAgentId": agent.agent_id,
            "senderAgentName": "a",
            "threadId": None,
        }
        assert list(place.events) == [
            {"type": "stream_start", **common},
            {"type": "stream_chunk", "chunk": "x", **common},
            {"type": "stream_end", "content": "x", "reason": "completed", **common},
        ]

    def test_one_that_waits_is_named_by_the_users_message(self) -> None:
        world = World()
        agent = world.agent("a")
        place = world.open(agent)
        world.ask(place, "one")
        waiting = world.ask(place, "two")
        assert waiting.prompt.message is not None
        assert place.events[-1] == {
            "type": "stream_queued",
            "conversationId": place.id,
            "agentId": agent.agent_id,
            "agentName": "a",
            "messageId": waiting.prompt.message.id,
        }

    def test_a_message_that_answers_nothing_begins_and_ends(self) -> None:
        world = World()
        agent = world.agent("a")
        place = world.open(agent)
        world.chat.send(agent, place, "hello", None)
        assert events(place) == ["stream_start", "stream_end"]
        assert all("threadId" not in event for event in place.events)
        assert (place.events[-1]["reason"], place.events[-1]["content"]) == ("agent_send", "hello")
