"""Tokens are nowhere in what people read."""

from arinova_agent_sync.redaction import REDACTED, redact, redact_bytes

TOKEN = "ari_0123456789abcdef"


def test_a_text_of_the_server_is_shown_without_the_token():
    assert redact(f"bad {TOKEN}, {TOKEN}", TOKEN) == f"bad {REDACTED}, {REDACTED}"
    assert redact_bytes(f"bad {TOKEN}".encode(), TOKEN) == f"bad {REDACTED}".encode()


def test_a_short_token_may_be_part_of_any_word():
    assert redact("a tested test", "test") == "a tested test"
