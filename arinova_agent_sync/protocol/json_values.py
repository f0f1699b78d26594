"""JSON values and outgoing text: checked and cleaned before anything is sent, by the socket or over HTTP."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Union

from ..argument_checks import text

# Spelled with Union: the alias is evaluated, and Python 3.10 knows no `|` for strings.
JSONValue = Union[None, bool, int, float, str, Sequence["JSONValue"], Mapping[str, "JSONValue"]]

_DEEPEST = 100
_LARGEST = sys.float_info.max  # what the server's parser refuses a whole frame above


def clean(text: str) -> str:
    """Return the text as an exact str, without NUL and with U+FFFD for each lone surrogate.

    The March 2026 server drops a frame with a lone surrogate in silence, and its database refuses NUL, which
    leaves the message unfinished for ever.
    """
    if type(text) is not str:
        text = str.__str__(text)  # str() of a member of an enumeration is its name
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # By way of UTF-16, so that the two halves of one character become that character.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def whole(text: str) -> tuple[str, str]:
    """Return a piece of a text, clean, and apart from it the half of a character whose other half is to come."""
    half = ""
    if "\ud800" <= text[-1:] <= "\udbff":
        text, half = text[:-1], text[-1]
    return clean(text), half


def clean_text(name: str, value: object) -> str:
    """Return a string, cleaned; raise TypeError for anything else, ValueError for an empty one."""
    cleaned = clean(text(name, value))
    if not cleaned:
        raise ValueError(f"{name} must not consist of NUL characters alone")
    return cleaned


def checked(value: object, name: str) -> JSONValue:
    """Return a cleaned copy of a JSON value.

    Args:
        value: None, bool, int, float, str, lists or tuples and mappings of them.
        name: what the value is called in errors, such as "arguments".

    Raises TypeError for anything that is not a JSON value (bytes, sets, dates, Decimal, keys that are no
    strings), ValueError for NaN, infinities, integers beyond them, and nesting deeper than 100 levels.
    """
    return _checked(value, name, 0)


def checked_object(value: object, name: str) -> dict[str, JSONValue]:
    """Return a cleaned copy of a JSON object; raise TypeError for anything else, and see ``checked``."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, not {type(value).__name__}")
    return _object(value, name, 0)


def _checked(value: object, name: str, depth: int) -> JSONValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ValueError(f"{name} must be an int below {_LARGEST:.2g}, as other JSON parsers want it")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value!r}")
        return float(value)
    if depth >= _DEEPEST:
        raise ValueError(f"{name} must not be nested deeper than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        return _object(value, name, depth)
    if isinstance(value, (list, tuple)):
        return [_checked(item, f"{name}[{index}]", depth + 1) for index, item in enumerate(value)]
    raise TypeError(f"{name} must be a JSON value, not {type(value).__name__}")


def _object(value: Mapping[object, object], name: str, depth: int) -> dict[str, JSONValue]:
    result: dict[str, JSONValue] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{name} must have str keys, not {key!r}")
        result[clean(key)] = _checked(item, f"{name}[{key!r}]", depth + 1)
    return result
