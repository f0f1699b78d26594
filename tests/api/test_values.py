"""JSON out and in, and the checks of arguments."""

from __future__ import annotations

import datetime
import decimal
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.api import values

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@settings(max_examples=60, deadline=None)
@given(json_values)
def test_a_json_value_survives(value: values.JSON) -> None:
    text = json.dumps(value)
    if "\\u0000" not in text:
        assert values.decode(values.encode(value)) == json.loads(text)


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        bytearray(b"x"),
        {1, 2},
        frozenset(),
        datetime.date(2026, 3, 1),
        decimal.Decimal(1),
        object(),
        {1: 2},
    ],
)
def test_what_json_has_no_word_for_is_a_type_error(value: object) -> None:
    for nested in (value, [value], {"key": value}, {"a": [{"b": (value,)}]}):
        with pytest.raises(TypeError, match=r"must be a JSON value|must have str keys"):
            values.encode(nested)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**309])
def test_numbers_that_are_not_json_are_a_value_error(value: float) -> None:
    with pytest.raises(ValueError, match="json"):
        values.encode({"key": [value]})


def test_outgoing_text_is_cleaned() -> None:
    assert values.encode({"a\0b": "x\ud83d\0y"}) == '{"ab":"x�y"}'.encode()
    assert values.encode("\ud83d\ude00") == '"😀"'.encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"id":1,"id":2}', "JSON object contains duplicate key: id"),
        (b'[{"a":{"b":1,"c":2,"b":3}}]', "JSON object contains duplicate key: b"),
        (b'{"a":NaN}', "NaN is not valid JSON"),
        (b"-Infinity", "-Infinity is not valid JSON"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        ('"a"'.encode("utf-16"), "not UTF-8"),
        (b'{"a":', "Expecting value"),
        (b'{"a":1} x', "Extra data"),
        (b"[" * 100_000, "RecursionError"),
        (b"<html>", "Expecting value"),
    ],
)
def test_malformed_json(text: bytes, why: str) -> None:
    with pytest.raises(values.MalformedJSON, match=why):
        values.decode(text)


def test_a_bare_string_is_no_list() -> None:
    for wrong in ("abc", b"abc", {"a": 1}, 5):
        with pytest.raises(TypeError, match="tags must be a list of str"):
            values.strings("tags", wrong)
    with pytest.raises(TypeError, match=r"tags\[1\] must be a str"):
        values.strings("tags", ["a", 1])
    assert values.strings("tags", (word for word in "ab")) == ["a", "b"]


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_blank_words_are_refused(blank: str) -> None:
    with pytest.raises(ValueError, match="note_id must not be blank"):
        values.identifier("note_id", blank)


def test_counts() -> None:
    assert values.limit_of(None) is None
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="limit must be from 1"):
            values.limit_of(wrong)
    for odd in (True, 1.5, "3"):
        with pytest.raises(TypeError):
            values.limit_of(odd)


def test_a_change_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to change"):
        values.changes(title=None)
