"""Texts are cleaned and JSON values checked before anything is sent."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict, UserDict, deque
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.protocol.json_values import checked, checked_object, clean

GRIN = "\U0001f600"
HIGH, LOW = "\ud83d", "\ude00"  # the two halves of GRIN in UTF-16


class Colour(str, enum.Enum):
    RED = "red\0"


class Size(enum.IntEnum):
    LARGE = 3


class TestClean:
    @pytest.mark.parametrize(
        ("given", "cleaned"),
        [
            ("", ""),
            ("plain", "plain"),
            ("grüße 你好 " + GRIN, "grüße 你好 " + GRIN),
            ("\t\r\n\x01\x7f\x85\u2028\ufeff\uffff", "\t\r\n\x01\x7f\x85\u2028\ufeff\uffff"),
            ("a\0b", "ab"),
            ("\0", ""),
            ("ü\0ü", "üü"),
            (HIGH, "\ufffd"),
            (LOW, "\ufffd"),
            (HIGH + "a", "\ufffda"),
            (HIGH + "ü" + LOW, "\ufffdü\ufffd"),
            (LOW + HIGH, "\ufffd\ufffd"),
            (HIGH + HIGH + LOW, "\ufffd" + GRIN),
            (HIGH + LOW, GRIN),
            (HIGH + "\0" + LOW, GRIN),
            ("\udcff", "\ufffd"),  # how Python keeps a byte that is no UTF-8
        ],
        ids=ascii,
    )
    def test_table(self, given: str, cleaned: str) -> None:
        assert clean(given) == cleaned

    @settings(deadline=None)
    @given(st.text(alphabet=st.sampled_from(["a", "ü", "\0", GRIN, HIGH, LOW, "\ufffd"])))
    def test_only_nul_and_lone_surrogates_change(self, text: str) -> None:
        # Python reads JSON as JavaScript does: escapes of two halves are one character.
        joined = json.loads(json.dumps(text.replace("\0", "")))
        cleaned = clean(text)
        assert cleaned.encode().decode() == cleaned
        assert clean(cleaned) == cleaned
        assert cleaned == "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in joined)


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            False,
            0,
            -(2**63),
            2**64,
            0.5,
            -0.0,
            1e308,
            "",
            "text",
            [],
            {},
            [1, [2, [3]]],
            {"a": {"b": [None, True, "c"]}},
            {"": "an empty key is a key"},
        ],
    )
    def test_what_json_can_say_stays(self, value: object) -> None:
        result = checked(value, "value")
        assert result == value
        assert type(result) is type(value)

    @pytest.mark.parametrize(
        ("value", "result"),
        [
            ((1, (2,)), [1, [2]]),
            (MappingProxyType({"a": 1}), {"a": 1}),
            (OrderedDict(a=(1,)), {"a": [1]}),
            (UserDict(a=1), {"a": 1}),
            ("a\0" + HIGH, "a\ufffd"),
            ({"k\0": ["v\0"]}, {"k": ["v"]}),
            (Size.LARGE, 3),
            (Colour.RED, "red"),
            ({Colour.RED: 1}, {"red": 1}),
        ],
        ids=ascii,
    )
    def test_what_is_like_it_becomes_it(self, value: object, result: object) -> None:
        made = checked(value, "value")
        assert made == result
        assert type(made) is type(result)

    def test_the_copy_shares_nothing(self) -> None:
        inner: list[object] = [1]
        given = {"a": inner}
        copy = checked_object(given, "value")
        inner.append(2)
        given["b"] = []
        assert copy == {"a": [1]}

    @pytest.mark.parametrize(
        ("value", "kind", "place"),
        [
            (b"bytes", TypeError, r"arguments must be a JSON value, not bytes"),
            (bytearray(), TypeError, r"arguments must be a JSON value, not bytearray"),
            ({1, 2}, TypeError, r"arguments must be a JSON value, not set"),
            (date(2026, 3, 1), TypeError, r"arguments must be a JSON value, not date"),
            (
                {"at": datetime(2026, 3, 1)},
                TypeError,
                r"arguments\['at'\] must be a JSON value, not datetime",
            ),
            ({"price": Decimal(1)}, TypeError, r"arguments\['price'\] must be a JSON value, not Decimal"),
            ([0, {"a": b""}], TypeError, r"arguments\[1\]\['a'\] must be a JSON value, not bytes"),
            (
                ({"a": ({"b": object()},)},),
                TypeError,
                r"arguments\[0\]\['a'\]\[0\]\['b'\] must be a JSON value, not object",
            ),
            (deque([1]), TypeError, r"arguments must be a JSON value, not deque"),
            (range(3), TypeError, r"arguments must be a JSON value, not range"),
            (1j, TypeError, r"arguments must be a JSON value, not complex"),
            (len, TypeError, r"arguments must be a JSON value, not builtin_function_or_method"),
            ({1: "a"}, TypeError, r"arguments must have str keys, not 1"),
            ({"a": {None: "a"}}, TypeError, r"arguments\['a'\] must have str keys, not None"),
            ({"a": {b"k": "a"}}, TypeError, r"arguments\['a'\] must have str keys, not b'k'"),
            (math.nan, ValueError, r"arguments must be a finite number, not nan"),
            ([math.inf], ValueError, r"arguments\[0\] must be a finite number, not inf"),
            ({"a": -math.inf}, ValueError, r"arguments\['a'\] must be a finite number, not -inf"),
            ({"a": 10**309}, ValueError, r"arguments\['a'\] must be an int below"),
            ({"a": -(10**5_000)}, ValueError, r"arguments\['a'\] must be an int below"),
        ],
    )
    def test_anything_else_is_refused_by_its_place(
        self, value: object, kind: type[Exception], place: str
    ) -> None:
        with pytest.raises(kind, match=rf"^{place}"):
            checked(value, "arguments")

    def test_cycles_are_refused(self) -> None:
        own: list[object] = []
        own.append(own)
        with pytest.raises(ValueError, match=r"^metadata\[0\].* must not be nested deeper than 100 levels$"):
            checked(own, "metadata")
        loop: dict[str, object] = {}
        loop["self"] = {"again": loop}
        with pytest.raises(ValueError, match=r"^metadata\['self'\]\['again'\].* nested deeper"):
            checked_object(loop, "metadata")

    def test_depth(self) -> None:
        deep: object = "bottom"
        for _ in range(100):
            deep = [deep]
        assert checked(deep, "value") == deep
        with pytest.raises(ValueError, match="nested deeper than 100 levels"):
            checked([deep], "value")
        with pytest.raises(ValueError, match="nested deeper than 100 levels"):
            checked_object({"a": deep}, "value")

    @pytest.mark.parametrize("value", [None, [], "text", 5, [("a", 1)], object()])
    def test_an_object_must_be_a_mapping(self, value: object) -> None:
        with pytest.raises(TypeError, match=rf"^data must be a mapping, not {type(value).__name__}$"):
            checked_object(value, "data")

    @pytest.mark.slow
    @settings(deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
            max_leaves=10,
        )
    )
    def test_what_passes_is_json(self, value: object) -> None:
        try:
            result = checked(value, "value")
        except (TypeError, ValueError):
            result = None
        text = json.dumps(result, allow_nan=False, ensure_ascii=False)
        assert json.loads(text.encode()) == result
