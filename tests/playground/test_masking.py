import pytest

from arinova_agent_sync.playground import masking

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
    text = masking.shown(frame, [TOKEN])
    assert masking.MASK in text
    assert not any(secret in text for secret in (TOKEN, "someone-unknown", "ari_new", "obt_secret"))
    assert f'"type":"{frame["type"]}"' in text


@pytest.mark.parametrize("frame", [{"type": "agent_chunk", "chunk": f"it is {TOKEN}!"}, f"not json {TOKEN}"])
def test_a_known_token_is_masked_wherever_it_stands(frame):
    assert masking.shown(frame, [TOKEN]).count(masking.MASK) == 1
    assert TOKEN not in masking.shown(frame, [TOKEN])


def test_everything_else_is_shown_as_it_is():
    assert masking.shown({"type": "task", "content": "a “token” für dich"}, [TOKEN]) == (
        '{"type":"task","content":"a “token” für dich"}'
    )
    assert masking.shown("not json", []) == "not json"
    assert masking.shown(b"\x03\xe9", []) == "03 e9"
    assert masking.shown(b"", []) == ""
