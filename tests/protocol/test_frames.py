"""Frames on the wire: exact keys going out, anything at all coming in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.settings import Skill

RUNTIME = {"name": "arinova-agent-sync", "version": "1.2.3", "language": "python", "platform": "linux"}
CAPABILITIES = {
    "actionCall": {
        "supported": True,
        "protocolVersion": "2026-05-05",
        "canEmitFrames": True,
        "supportsActionResultContinuation": True,
        "supportsGetSchema": True,
        "schemaCache": False,
    }
}
DRAW = Skill("draw", "Draw", "Draws a picture")
AUTH = {"type": "agent_auth", "botToken": "ari_1", "runtime": RUNTIME, "capabilities": CAPABILITIES}


class TestOutgoing:
    @pytest.mark.parametrize(
        ("frame", "says"),
        [
            (frames.PING, {"type": "ping"}),
            (frames.agent_auth("ari_1", (), "1.2.3", "linux"), AUTH),
            (
                frames.agent_auth("ari_1", [DRAW, Skill("say", "Say", "")], "1.2.3", "linux"),
                AUTH
                | {
                    "skills": [
                        {"id": "draw", "name": "Draw", "description": "Draws a picture"},
                        {"id": "say", "name": "Say", "description": ""},
                    ]
                },
            ),
            (
                frames.agent_complete("t1", "done", ()),
                {"type": "agent_complete", "taskId": "t1", "content": "done"},
            ),
            (
                frames.agent_complete("t1", "", None),
                {"type": "agent_complete", "taskId": "t1", "content": ""},
            ),
            (
                frames.agent_complete("t1", "done", ("a1", "a2")),
                {"type": "agent_complete", "taskId": "t1", "content": "done", "mentions": ["a1", "a2"]},
            ),
            (
                frames.agent_error("t1", "it broke"),
                {"type": "agent_error", "taskId": "t1", "error": "it broke"},
            ),
            (
                frames.agent_error("t1", "cancelled", "cancelled"),
                {"type": "agent_error", "taskId": "t1", "error": "cancelled", "reason": "cancelled"},
            ),
            (
                frames.agent_error(None, "missing_task_id"),
                {"type": "agent_error", "error": "missing_task_id"},
            ),
            (frames.agent_heartbeat("t1"), {"type": "agent_heartbeat", "taskId": "t1"}),
            (
                frames.agent_stream_gap("t1"),
                {"type": "agent_stream_gap", "taskId": "t1", "reason": "offline_chunk_buffer_expired"},
            ),
            (
                frames.task_queued("t1", "c1", 0, 7),
                {
                    "type": "task_queued",
                    "taskId": "t1",
                    "conversationId": "c1",
                    "queuePosition": 0,
                    "globalQueueSize": 7,
                },
            ),
            (
                frames.task_queued("t1", None, 2, 3),
                {"type": "task_queued", "taskId": "t1", "queuePosition": 2, "globalQueueSize": 3},
            ),
            (
                frames.agent_send("c1", "hello", None),
                {"type": "agent_send", "conversationId": "c1", "content": "hello"},
            ),
            (
                frames.agent_send("c1", "hello", "m1"),
                {"type": "agent_send", "conversationId": "c1", "content": "hello", "replyTo": "m1"},
            ),
            (
                frames.register_commands("a1", [DRAW]),
                {
                    "type": "register_commands",
                    "agentId": "a1",
                    "commands": [{"name": "draw", "description": "Draws a picture"}],
                },
            ),
            (
                frames.register_commands("a1", []),
                {"type": "register_commands", "agentId": "a1", "commands": []},
            ),
            (frames.heartbeat_commands("a1"), {"type": "heartbeat_commands", "agentId": "a1"}),
            (
                frames.action_call("call_1", "notes.create", {}),
                {"type": "action_call", "id": "call_1", "action": "notes.create", "arguments": {}},
            ),
            (
                frames.action_call(
                    "call_1", "notes.create", {"title": None}, taskId="t1", dryRun=False, reason=None
                ),
                {
                    "type": "action_call",
                    "id": "call_1",
                    "action": "notes.create",
                    "arguments": {"title": None},  # what the user gave stays
                    "taskId": "t1",
                    "dryRun": False,  # false is a value, only None is absent
                },
            ),
            (
                frames.frame("hud_update", data={"a": 0}, conversationId=""),
                {"type": "hud_update", "data": {"a": 0}, "conversationId": ""},
            ),
        ],
    )
    def test_exact_keys(self, frame: bytes, says: dict[str, object]) -> None:
        assert json.loads(frame) == says

    def test_the_type_comes_first(self) -> None:
        assert frames.agent_heartbeat("t1") == b'{"type":"agent_heartbeat","taskId":"t1"}'

    @pytest.mark.parametrize("task_id", ["t1", 'a"b\\c', "ü", "\n", ""])
    @pytest.mark.parametrize("text", ["hello", "", 'say "ü"\n\\ \u2028 \U0001f600'])
    def test_a_chunk_is_its_prefix_its_text_and_a_brace(self, task_id: str, text: str) -> None:
        frame = frames.chunk_prefix(task_id) + frames.encode_text(text) + b"}"
        assert json.loads(frame) == {"type": "agent_chunk", "taskId": task_id, "chunk": text}

    def test_text_leaves_as_utf_8(self) -> None:
        assert frames.agent_send("c", "ü你", None).endswith('"content":"ü你"}'.encode())


class TestDecode:
    @pytest.mark.parametrize(
        ("data", "object"),
        [
            (b"{}", {}),
            (b' {"type" : "pong"}\r\n', {"type": "pong"}),
            (b'{"type":null}', {"type": None}),
            ('{"content":"ü\\u0000\\ud83d\\ude00"}'.encode(), {"content": "ü\0\U0001f600"}),
            (b'{"a":1,"a":2}', {"a": 2}),
            (b'{"a":18446744073709551616}', {"a": 2**64}),
            (b'{"a":-1e3}', {"a": -1000.0}),
            (b'{"a":[{"b":[true,false]}]}', {"a": [{"b": [True, False]}]}),
        ],
    )
    def test_objects(self, data: bytes, object: dict[str, object]) -> None:
        assert frames.decode(data) == object
        assert frames.decode(bytearray(data)) == object

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b" ",
            b"null",
            b"5",
            b'"text"',
            b"[]",
            b'[{"type":"pong"}]',
            b"not json",
            b"{",
            b'{"type":"pong"',
            b'{"type":"pong"}}',
            b'{"type":"pong"} {"type":"pong"}',
            b"{'type':'pong'}",
            b'{"type":"pong",}',
            b'{"a":NaN}',
            b'{"a":Infinity}',
            b'{"a":01}',
            b'{"a":1e999}',
            b'{"a":' + b"9" * 100_000 + b"}",
            b'{1:"a"}',
            b'{"a":"\n"}',
            b'{"a":"\\x"}',
            b'{"a":"\xff"}',
            b'{"a":"\xed\xa0\xbd"}',
            b"\xef\xbb\xbf{}",
            b"\x00\x01\x02",
            b"[" * 1_000_000,
            b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
            b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        ],
        ids=lambda data: repr(data[:30]),
    )
    def test_anything_else_is_none(self, data: bytes) -> None:
        assert frames.decode(data) is None

    @settings(deadline=None)
    @given(
        st.binary() | st.text().map(str.encode) | st.text(alphabet='{}[]":,\\u0dDtrue1e9-.').map(str.encode)
    )
    def test_never_an_exception(self, data: bytes) -> None:
        assert isinstance(frames.decode(data), (dict, type(None)))

    @pytest.mark.slow
    @settings(deadline=None, max_examples=50)
    @given(
        st.dictionaries(
            st.text(),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=10,
            ),
        )
    )
    def test_reads_what_python_writes(self, object: dict[str, object]) -> None:
        assert frames.decode(json.dumps(object).encode()) == object


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud800", "\ufffd"),
        (r"a\uDFFFb", "a\ufffdb"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ud83d\n\ude00", "\ufffd\n\ufffd"),
        (r"\\ud800\ud800", "\\ud800\ufffd"),
    ],
)
def test_half_a_surrogate_pair_is_replaced(escaped: str, text: str) -> None:
    assert frames.decode(f'{{"type": "task", "content": "{escaped}"}}'.encode()) == {
        "type": "task",
        "content": text,
    }


@pytest.mark.parametrize(
    "data", [rb'{"a": "\ud800"', rb'{"a": \ud800}', rb'{"a": "\ud80"}', b'{"a": NaN, "b": "\\ud800"}']
)
def test_what_is_no_json_for_another_reason_stays_none(data: bytes) -> None:
    assert frames.decode(data) is None
    assert frames.decode(bytearray(data)) is None
