"""Requests as routes see them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.local.rest.exchange import Answer, Body, Refused, Request, answer, as_uuid, changed

ID = "0b5f4b9e-6f0a-4c47-9c62-3ab2b1b0f3d7"


class Thing(Body):
    the_name: str
    size: int | None = None


def request(query: str = "", body: bytes = b"", parts: tuple[str, ...] = ()) -> Request:
    headers = {b"content-type": b"application/json"}
    return Request("POST", "/api/v1/things", parts, query.encode(), headers, body)


def refusal(refused: pytest.ExceptionInfo[Refused]) -> Answer:
    return refused.value.answer


class TestJson:
    def test_names_are_those_of_javascript(self) -> None:
        assert request(body=b'{"theName": "x", "other": 1}').json(Thing) == Thing(the_name="x")

    @pytest.mark.parametrize("body", [b'{"theName": "\\ud83d"}', b'{"theName": "\\ude00 \\ud83d"}'])
    def test_half_a_surrogate_pair_is_no_json(self, body: bytes) -> None:
        with pytest.raises(Refused) as refused:
            request(body=body).json(Thing)
        assert refusal(refused).status == 400

    @given(
        st.binary() | st.text().map(str.encode) | st.binary().map(lambda raw: b'{"theName": "' + raw + b'"}')
    )
    def test_whatever_comes_is_read_or_refused(self, body: bytes) -> None:
        try:
            assert isinstance(request(body=body).json(Thing), Thing)
        except Refused as refused:
            status = refused.answer.status
        else:
            status = 200
        assert status in (200, 400, 422, 500)


class TestQuery:
    @pytest.mark.parametrize(
        ("query", "value"),
        [("", 20), ("limit=7", 7), ("limit=0", 1), ("limit=-3", 1), ("limit=99", 50), ("limit=%2B5", 5)],
    )
    def test_numbers_are_cut_to_their_bounds(self, query: str, value: int) -> None:
        assert request(query).number("limit", 20, most=50) == value

    @pytest.mark.parametrize("query", ["limit=", "limit=x", "limit=1.5", "limit=%D9%A1", "limit=" + "9" * 19])
    def test_numbers_that_are_none(self, query: str) -> None:
        with pytest.raises(Refused) as refused:
            request(query).number("limit", 20)
        assert (refusal(refused).status, refusal(refused).content_type) == (400, "text/plain; charset=utf-8")

    def test_flags(self) -> None:
        asked = request("yes=true&no=false&odd=1")
        assert (asked.flag("yes"), asked.flag("no"), asked.flag("absent")) == (True, False, None)
        with pytest.raises(Refused):
            asked.flag("odd")

    def test_of_several_the_last_counts(self) -> None:
        assert request("a=1&a=2&b=%C3%A9+").query == {"a": "2", "b": "é "}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ID, ID),
        (ID.upper(), ID),
        (ID.replace("-", ""), ID),
        (ID[:-1], None),
        (f"{{{ID}}}", None),
        (f"{ID}\n", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_uuids(text: object, found: str | None) -> None:
    assert as_uuid(text) == found


def test_a_part_of_the_path_that_has_to_be_a_uuid() -> None:
    assert request(parts=("x", ID)).uuid(1) == ID
    with pytest.raises(Refused) as refused:
        request(parts=("x", ID)).uuid()
    assert refusal(refused).status == 400


def test_a_change_that_changes_nothing_is_refused() -> None:
    assert changed(Thing(the_name="x")) == {"the_name": "x"}

    class Free(Body):
        name: str | None = None

    with pytest.raises(Refused) as refused:
        changed(Free())
    assert refusal(refused).status == 400


@pytest.mark.parametrize(("value", "body"), [({"a": "é"}, '{"a":"é"}'), ({"a": "x\ud83d"}, '{"a": "x?"}')])
def test_answers_are_utf8(value: Any, body: str) -> None:
    assert answer(value, 201)[:2] == (201, body.encode())
