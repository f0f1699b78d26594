"""Paths and queries: what a caller gives becomes one percent-encoded part, whatever it holds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlencode

from ..protocol.json_values import clean
from .values import Parameter, identifier

PREFIX = "/api/v1"

_SAFE = "/%:@!$&'()*+,;=~"  # what may stand in a path as it is
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOOSE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def segment(name: str, value: object) -> str:
    """Return a value as one part of a path; raise for a blank one, "." and ".."."""
    text = identifier(name, value)
    if text in (".", ".."):
        raise ValueError(f"{name} must not be {text!r}, which stands for another path")
    # quote() leaves dots alone; encoded, no proxy on the way can take them for steps.
    return quote(text, safe="").replace(".", "%2E")


def route(template: str, /, **parts: object) -> str:
    """Return the path of a route under /api/v1, such as ``route("/notes/{note_id}", note_id=id)``."""
    return PREFIX + template.format_map({name: segment(name, value) for name, value in parts.items()})


def any_path(path: object) -> str:
    """Return the path of any route: as it stands if it begins with /api/, else under /api/v1."""
    text = identifier("path", path)
    if not text.startswith("/") or text.startswith("//"):
        raise ValueError("path must begin with one slash, such as /notes or /api/v1/notes")
    if "?" in text or "#" in text or "\\" in text:
        raise ValueError("path must not hold '?', '#' or '\\': pass params=, and percent-encode parts")
    if _LOOSE_PERCENT.search(text):
        raise ValueError("path has a '%' that begins no percent-encoded byte")
    parts = [unquote(part) for part in text.split("/")[1:]]
    if not all(part.strip() for part in parts):
        raise ValueError("path must not have an empty part: was the id empty that was to stand there?")
    if "." in parts or ".." in parts:
        raise ValueError("path must not have '.' or '..' as a part")
    text = quote(text, safe=_SAFE)
    return text if text.startswith("/api/") else PREFIX + text


def target(url: SplitResult) -> str:
    """Return path and query of somebody else's URL, with what no request line can carry percent-encoded."""
    found = quote(url.path or "/", safe=_SAFE)
    return f"{found}?{quote(url.query, safe=_SAFE + '?')}" if url.query else found


def query(params: Mapping[str, Parameter] | None) -> str:
    """Return parameters as a query with its question mark, without those that are None."""
    if params is None:
        return ""
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a mapping, not {type(params).__name__}")
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        identifier("a name in params", name)
        values = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
        pairs += ((name, _word(name, item)) for item in values)
    return "?" + urlencode(pairs, quote_via=quote, safe="") if pairs else ""


def _word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the parameter {name} must be a finite number, not {value!r}")
    if isinstance(value, (int, float)):
        return str(value)
    raise TypeError(
        f"the parameter {name} must be str, int, float, bool or a list, not {type(value).__name__}"
    )


def method_name(method: object) -> str:
    """Return an HTTP method in capitals; raise TypeError or ValueError for another word."""
    text = identifier("method", method)
    if not _TOKEN.fullmatch(text) or text.upper() in ("CONNECT", "TRACE"):
        raise ValueError(f"method must be an HTTP method such as GET, not {text!r}")
    return text.upper()


def header_fields(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return a caller's own headers; raise for those that the client has to set itself."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping, not {type(headers).__name__}")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(identifier("a name in headers", name)):
            raise ValueError(f"{name!r} is not a valid header name")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"the header {name} is the client's own to set")
        header_value(f"the header {name}", value)
    return {name.title(): value for name, value in headers.items()}


def header_value(name: str, value: object) -> str:
    """Return a header's value; raise for characters that no header can carry."""
    text = identifier(name, value)
    if not all(" " <= letter <= "~" for letter in text):
        raise ValueError(f"{name} must hold printable ASCII characters only")
    return text


_OWN_HEADERS = frozenset(
    ("authorization", "host", "content-length", "transfer-encoding", "connection", "accept-encoding")
)
