"""Forms with files: the parts of a multipart/form-data body that is in memory. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

# Browsers leave the backslashes of a name as they are, and some clients put one in front of a quotation mark.
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:\\"|[^"])*)"|([^\s;"]*))')


class MalformedForm(ValueError):
    """A body is no form."""


@dataclass(frozen=True)
class Part:
    """One field of a form; file_name is None for a plain text."""

    data: bytes
    file_name: str | None
    content_type: str


def parts(content_type: str, body: bytes) -> Mapping[str, Part]:
    """Return the fields of a form by name, of several with one name the last.

    Args:
        content_type: the request's header, which names the boundary.
        body: all of it.

    Raises MalformedForm.
    """
    kind = Message()
    kind["content-type"] = content_type
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/form-data" or not boundary:
        raise MalformedForm("Invalid `boundary` for `multipart/form-data` request")
    # The line end in front of a boundary belongs to it, and the first boundary may do without.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise MalformedForm("Error parsing `multipart/form-data` request")
    return dict(_part(piece) for piece in pieces[1:-1])


def _part(piece: bytes) -> tuple[str, Part]:
    head, separator, data = piece.lstrip(b" \t").partition(b"\r\n\r\n")
    if not separator:
        raise MalformedForm("Error parsing `multipart/form-data` request")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
    }
    parameters = {
        name.lower(): quoted.replace('\\"', '"') if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(headers.get("content-disposition", ""))
    }
    if "name" not in parameters:
        raise MalformedForm("Error parsing `multipart/form-data` request")
    content_type = headers.get("content-type", "application/octet-stream")
    return parameters["name"], Part(data, parameters.get("filename"), content_type)
