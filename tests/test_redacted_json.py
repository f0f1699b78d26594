"""Tokens are nowhere in the JSON that people read."""

import pytest

from arinova_agent_sync.redacted_json import redact_frame, redact_json
from arinova_agent_sync.redaction import REDACTED

TOKEN = "ari_0123456789abcdef"


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "agent_auth", "botToken": TOKEN},
        {"type": "agent_auth", "botToken": "ari_of-someone-unknown", "skills": []},
        {"type": "claim_ok", "permanentToken": "ari_new", "agentId": "a"},
        {"type": "claim", "bootstrapToken": "obt_secret"},
    ],
)
def test_no_frame_of_the_authentication_shows_its_token(frame):
    text = redact_frame(frame, [TOKEN])
    assert REDACTED in text
    assert not any(secret in text for secret in (TOKEN, "someone-unknown", "ari_new", "obt_secret"))
    assert f'"type":"{frame["type"]}"' in text


@pytest.mark.parametrize("frame", [{"type": "agent_chunk", "chunk": f"it is {TOKEN}!"}, f"not json {TOKEN}"])
def test_a_known_token_is_masked_wherever_it_stands(frame):
    assert redact_frame(frame, [TOKEN]).count(REDACTED) == 1
    assert TOKEN not in redact_frame(frame, [TOKEN])


def test_everything_else_is_shown_as_it_is():
    assert redact_frame({"type": "task", "content": "a “token” für dich"}, [TOKEN]) == (
        '{"type":"task","content":"a “token” für dich"}'
    )
    assert redact_frame("not json", []) == "not json"
    assert redact_frame(b"\x03\xe9", []) == "03 e9"
    assert redact_frame(b"", []) == ""


def test_a_value_is_shown_without_the_token():
    assert redact_json({"a": [TOKEN]}, TOKEN) == {"a": [REDACTED]}
    assert redact_json({TOKEN: 1}, TOKEN) == {REDACTED: 1}


def test_a_value_that_is_too_deep_to_look_through_is_not_shown():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert redact_json(deep, TOKEN) is None
