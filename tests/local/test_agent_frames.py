"""What agents' frames mean, and which of them are dropped: values in, values out."""

from __future__ import annotations

from typing import Any

import pytest

from arinova_agent_sync.local.agent_frames import REPORTS, Incoming, parsed
from arinova_agent_sync.local.chat import Chat
from arinova_agent_sync.local.records import ActionCalled, AgentAccount, Conversation, Deliver, Task
from arinova_agent_sync.local.roster import parsed_skills
from arinova_agent_sync.local.rules import Generation, Rules
from arinova_agent_sync.local.telemetry import TelemetryRow, record


class Desk:
    """A chat with two agents, one conversation of the first, and one task in it."""

    def __init__(self, generation: Generation = "march") -> None:
        self.chat = Chat(Rules(generation=generation))
        self.incoming = Incoming(self.chat)
        self.agent, self.other = self._credentials("a"), self._credentials("b")
        self.place: Conversation = self.chat.open_conversation("h2a", [self.agent])
        (self.task,) = self.chat.say(self.place, "hi")
        self.chat.take()

    def _credentials(self, name: str) -> AgentAccount:
        account = self.chat.roster.add(AgentAccount("", name, "", "all"))
        self.chat.connect(name, account, None)
        return account

    def receive(self, type: object, *, agent: AgentAccount | None = None, **fields: Any) -> Task:
        frame = {"type": type, "taskId": self.task.id, **fields}
        self.incoming.receive("a", agent or self.agent, frame)
        return self.task


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "1",
        '"ping"',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"type": "agent_chunk", "chunk": "\\ud83d"}',
        '{"\\udc00": 1}',
        "[" * 100_000,
    ],
)
def test_what_is_no_json_object_is_dropped(text: str) -> None:
    assert parsed(text) is None


def test_whole_surrogate_pairs_are_fine() -> None:
    assert parsed('{"chunk": "\\ud83d\\ude00"}') == {"chunk": "😀"}


def test_a_ping_is_answered() -> None:
    desk = Desk()
    desk.receive("ping")
    assert desk.chat.take() == [Deliver("a", {"type": "pong"})]


@pytest.mark.parametrize(
    "fields",
    [
        {"chunk": "x", "taskId": "unknown"},
        {"chunk": "x", "taskId": ["unhashable"]},
        {"chunk": "x", "taskId": None},
        {"chunk": 1},
        {},
    ],
)
def test_a_chunk_for_nothing_is_ignored(fields: dict[str, Any]) -> None:
    assert Desk().receive("agent_chunk", **fields).streamed.text == ""


def test_an_empty_chunk_is_still_told_to_members() -> None:
    desk = Desk()
    desk.receive("agent_chunk", chunk="")
    assert (desk.place.events[-1]["type"], desk.place.events[-1]["chunk"]) == ("stream_chunk", "")


def test_only_the_first_terminal_counts() -> None:
    desk = Desk()
    desk.receive("agent_complete", content="first")
    desk.receive("agent_error", error="second")
    desk.receive("agent_complete", content="third")
    assert (desk.task.status, desk.task.text) == ("completed", "first")


@pytest.mark.parametrize(
    ("mentions", "kept"), [(["a", 1, None, "b"], ("a", "b")), ("a", ()), (None, ()), ({}, ())]
)
def test_only_texts_are_mentions(mentions: object, kept: tuple[str, ...]) -> None:
    assert Desk().receive("agent_complete", content="x", mentions=mentions).mentions == kept


@pytest.mark.parametrize(("fields", "text"), [({}, "Unknown error"), ({"error": 5}, "Unknown error")])
def test_an_error_without_a_text(fields: dict[str, Any], text: str) -> None:
    assert Desk().receive("agent_error", **fields).error == text


@pytest.mark.parametrize(("generation", "status"), [("march", "error"), ("august", "cancelled")])
def test_the_reason_cancelled_is_read_by_august_only(generation: Generation, status: str) -> None:
    desk = Desk(generation)
    desk.receive("agent_chunk", chunk="half")
    desk.receive("agent_error", error="cancelled", reason="cancelled")
    assert desk.task.status == status


class TestForeignTasks:
    def test_chunks_and_heartbeats_do_nothing(self) -> None:
        desk = Desk()
        desk.receive("agent_chunk", agent=desk.other, chunk="x")
        desk.receive("agent_heartbeat", agent=desk.other)
        assert (desk.task.status, desk.task.streamed.text) == ("streaming", "")

    @pytest.mark.parametrize("streamed", ["half an answer", ""])
    def test_a_terminal_kills_the_task(self, streamed: str) -> None:
        # The March 2026 server takes the entry out before it looks whose it is; what was streamed stays.
        desk = Desk()
        desk.receive("agent_chunk", chunk=streamed)
        desk.receive("agent_complete", agent=desk.other, content="foreign")
        expected = ("completed", streamed) if streamed else ("error", "Agent disconnected")
        assert (desk.task.status, desk.task.text) == expected


class TestSend:
    def send(self, desk: Desk, **fields: Any) -> list[str]:
        desk.receive("agent_send", **{"conversationId": desk.place.id, "content": "hello", **fields})
        return [row.content for row in desk.place.rows.values() if row.role == "agent" and row.content]

    def test_it_posts_the_text_untrimmed(self) -> None:
        desk = Desk()
        assert self.send(desk, content=" hello ") == [" hello "]
        assert (desk.place.events[-1]["type"], desk.place.events[-1]["reason"]) == (
            "stream_end",
            "agent_send",
        )

    @pytest.mark.parametrize(
        "fields",
        [
            {"content": ""},
            {"content": " \n"},
            {"content": None},
            {"conversationId": ""},
            {"conversationId": "no-uuid"},
            {"conversationId": 5},
            {"conversationId": "00000000-0000-0000-0000-000000000000"},
        ],
    )
    def test_what_cannot_be_posted_is_dropped_silently(self, fields: dict[str, Any]) -> None:
        desk = Desk()
        assert self.send(desk, **fields) == []
        assert desk.chat.take() == []

    def test_only_members_may_post(self) -> None:
        desk = Desk()
        assert self.send(desk, agent=desk.other) == []

    @pytest.mark.parametrize(("generation", "kept"), [("march", False), ("august", True)])
    def test_reply_to_is_read_by_august_only(self, generation: Generation, kept: bool) -> None:
        desk = Desk(generation)
        question = next(iter(desk.place.rows))
        self.send(desk, replyTo=question)
        assert list(desk.place.rows.values())[-1].reply_to_id == (question if kept else None)

    def test_other_agents_of_a_group_hear_it(self) -> None:
        desk = Desk()
        desk.place = desk.chat.open_conversation("group", [desk.agent, desk.other])
        assert self.send(desk) == ["hello"]
        (task,) = desk.place.tasks
        assert (task.agent, task.prompt.content) == (desk.other, "hello")
        assert task.prompt.reply_to is None


@pytest.mark.parametrize("kind", [*REPORTS, "action_call"])
def test_frames_of_august_are_ignored_in_march(kind: str) -> None:
    desk = Desk()
    desk.receive(kind)
    assert (desk.incoming.reports, desk.chat.take()) == ([], [])


@pytest.mark.parametrize("kind", REPORTS)
def test_august_keeps_what_agents_tell_about_themselves(kind: str) -> None:
    desk = Desk("august")
    desk.receive(kind, data={"a": 1})
    assert [(report.type, report.frame["data"]) for report in desk.incoming.reports] == [(kind, {"a": 1})]


def test_august_wants_action_calls_answered() -> None:
    desk = Desk("august")
    desk.receive("action_call", id="call_1")
    (effect,) = desk.chat.take()
    assert isinstance(effect, ActionCalled)
    assert effect.frame["id"] == "call_1"


@pytest.mark.parametrize("kind", ["no-such-type", 7, None, ["x"], {"x": 1}])
def test_unknown_types_are_ignored(kind: object) -> None:
    desk = Desk("august")
    desk.receive(kind)
    assert (desk.incoming.reports, desk.chat.take()) == ([], [])


SKILL = {"id": "draw", "name": "Draw", "description": "draws"}


@pytest.mark.parametrize(
    ("skills", "read"),
    [
        ([SKILL, {**SKILL, "id": "b", "extra": 1}], ["draw", "b"]),
        ([SKILL, {"id": "b", "name": "B"}], []),
        ([SKILL, {**SKILL, "name": 5}], []),
        ([SKILL, "b"], []),
        ({"id": "b"}, []),
        (None, []),
    ],
)
def test_skills_are_read_all_or_none(skills: object, read: list[str]) -> None:
    assert [skill["id"] for skill in parsed_skills(skills)] == read


class TestTelemetry:
    def rows(self, *events: tuple[object, object]) -> list[tuple[str, Any]]:
        rows: list[TelemetryRow] = []
        for event, data in events:
            record(rows, "agent", event, data)
        return [(row.event, row.data) for row in rows]

    def test_fields_of_another_type_are_missing(self) -> None:
        data = {"sessionId": "s", "toolName": 5, "durationMs": "12", "success": "no", "error": None, "x": 1}
        assert self.rows(("tool_call", data)) == [("tool_call", {"sessionId": "s", "success": True})]
        assert self.rows(("tool_call", {"durationMs": True, "success": False})) == [
            ("tool_call", {"success": False})
        ]

    def test_usage_is_completed_and_cut_to_32_bits(self) -> None:
        usage = {"input": 7, "output": 2**31, "cacheRead": "9", "total": 1.5}
        ((_, data),) = self.rows(("llm_output", {"usage": usage}))
        assert data["usage"] == {"input": 7, "output": -(2**31), "cacheRead": 0, "cacheWrite": 0, "total": 0}

    def test_the_end_of_a_session_completes_its_start(self) -> None:
        assert self.rows(
            ("session_start", {"sessionId": "s", "model": "m"}),
            ("session_start", {"sessionId": "t"}),
            ("session_end", {"sessionId": "s", "messageCount": 3}),
            ("session_end", {"sessionId": "s", "messageCount": 4}),
            ("session_end", {"sessionId": "unknown"}),
        ) == [
            ("session_start", {"sessionId": "s", "model": "m", "messageCount": 3, "ended": True}),
            ("session_start", {"sessionId": "t"}),
        ]

    @pytest.mark.parametrize("event", ["unknown", None, ["agent_end"]])
    def test_unknown_events_are_dropped(self, event: object) -> None:
        assert self.rows((event, {})) == []

    def test_data_may_be_missing(self) -> None:
        assert self.rows(("agent_end", None), ("compaction", "x")) == [("agent_end", {}), ("compaction", {})]

    def test_it_comes_by_frame(self) -> None:
        desk = Desk()
        desk.receive("agent_telemetry", event="agent_end", data={"durationMs": 5})
        assert desk.incoming.telemetry == [TelemetryRow(desk.agent.agent_id, "agent_end", {"durationMs": 5})]
