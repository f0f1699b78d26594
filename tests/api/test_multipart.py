"""Forms with files."""

from __future__ import annotations

import io
import os
import threading
from email import message_from_bytes, policy
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.api.multipart import FilePart, Form, mime_type_of, quoted


def parsed(form: Form) -> list[tuple[str, str, bytes]]:
    """Return head, and content of each part, by a parser that is not ours."""
    body = b"".join(form.blocks())
    assert len(body) == form.size
    boundary = form.content_type.partition("boundary=")[2].encode()
    assert body.endswith(b"--" + boundary + b"--\r\n")
    parts = body.removesuffix(b"--" + boundary + b"--\r\n").split(b"--" + boundary + b"\r\n")[1:]
    heads = (part.partition(b"\r\n\r\n") for part in parts)
    return [
        (
            head.decode().partition("\r\n")[0],
            head.decode().partition("\r\n")[2],
            content.removesuffix(b"\r\n"),
        )
        for head, _, content in heads
    ]


def test_a_form() -> None:
    with Form({"conversationId": "c1", "file": FilePart(b"PNG", "plot.png")}) as form:
        assert parsed(form) == [
            ('Content-Disposition: form-data; name="conversationId"', "", b"c1"),
            (
                'Content-Disposition: form-data; name="file"; filename="plot.png"',
                "Content-Type: image/png",
                b"PNG",
            ),
        ]


def test_another_parser_agrees() -> None:
    with Form({"a": "1", "file": FilePart(b"\x00\r\n--x", "x.bin")}) as form:
        head = f"Content-Type: {form.content_type}\r\n\r\n".encode()
        message = message_from_bytes(head + b"".join(form.blocks()), policy=policy.HTTP)
    parts = list(message.iter_parts())
    assert [part.get_filename() for part in parts] == [None, "x.bin"]
    assert parts[1].get_payload(decode=True) == b"\x00\r\n--x"


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1).filter(lambda text: text.strip() != ""))
def test_no_name_breaks_out_of_its_quotes(name: str) -> None:
    with Form({"file": FilePart(b"x", name, "text/plain")}) as form:
        (part,) = parsed(form)
    head = part[0]
    assert head.startswith('Content-Disposition: form-data; name="file"; filename="')
    assert head.count('"') == 4
    assert not set("\r\n\0") & set(head)
    assert part[1:] == ("Content-Type: text/plain", b"x")


def test_names() -> None:
    assert quoted('a"b\r\nc.png') == "a%22b%0D%0Ac.png"
    assert quoted("報告書.pdf") == "報告書.pdf"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("A.JPG", "image/jpeg"),
        ("a.pdf", "application/pdf"),
        ("a.txt", "text/plain"),
        ("a.tar.gz", "application/gzip"),
        ("a.unheard-of", "application/octet-stream"),
        ("a", "application/octet-stream"),
        (".png", "application/octet-stream"),
        ("//[a.png", "image/png"),
        ("http://[a.png", "image/png"),
        ("data:text/html,a", "application/octet-stream"),
        ("報告書 1.2.pdf", "application/pdf"),
    ],
)
def test_mime_types(name: str, kind: str) -> None:
    assert mime_type_of(name) == kind


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "ä.txt"
    path.write_bytes(b"content")
    with open(path, "rb") as opened, open(path, "rb") as advanced:
        advanced.read(3)
        for source, expected in (
            (path, b"content"),
            (str(path), b"content"),
            (opened, b"content"),
            (advanced, b"tent"),
        ):
            with Form({"file": FilePart(source)}) as form:
                for _ in range(2):  # a second time for a redirect
                    (part,) = parsed(form)
                    assert 'filename="ä.txt"' in part[0]
                    assert part[2] == expected
    for data in (bytearray(b"abc"), memoryview(b"abc")):
        with Form({"file": FilePart(data, "a")}) as form:
            assert parsed(form)[0][2] == b"abc"


def test_a_pipe_is_copied_first() -> None:
    read_end, write_end = os.pipe()

    def write() -> None:
        with open(write_end, "wb") as pipe:
            pipe.write(b"x" * 300_000)

    thread = threading.Thread(target=write)
    thread.start()
    with open(read_end, "rb") as pipe, Form({"file": FilePart(pipe, "a")}) as form:
        assert parsed(form)[0][2] == b"x" * 300_000
    thread.join()


def test_wrong_sources(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with open(tmp_path / "a.txt") as text, pytest.raises(TypeError, match="binary"):
        FilePart(text)  # type: ignore[arg-type]
    for wrong in (None, 5, ["x"]):
        with pytest.raises(TypeError, match="a file must be bytes"):
            FilePart(wrong)  # type: ignore[arg-type]
    for nameless in (b"x", io.BytesIO(b"x")):
        with pytest.raises(ValueError, match="pass file_name="):
            FilePart(nameless)
    for odd in ("text", "a/b\r\nX: y", "/", ""):
        with pytest.raises(ValueError, match="mime_type"):
            FilePart(b"x", "a", odd)
    with pytest.raises(TypeError, match="progress"):
        FilePart(b"x", "a", progress=5)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        Form({"file": FilePart(tmp_path / "missing")})
    with pytest.raises(TypeError, match=r"form\['a'\] must be str or FilePart"):
        Form({"a": 5})  # type: ignore[dict-item]


def test_progress() -> None:
    told: list[tuple[int, int]] = []
    with Form({"file": FilePart(bytes(150_000), "a", progress=lambda *both: told.append(both))}) as form:
        list(form.blocks())
    assert told == [(65_536, 150_000), (131_072, 150_000), (150_000, 150_000)]
    told.clear()
    with Form({"file": FilePart(b"", "a", progress=lambda *both: told.append(both))}) as form:
        list(form.blocks())
    assert told == [(0, 0)]


class Shrinking(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        return b""


def test_a_file_that_shrinks() -> None:
    file: BinaryIO = Shrinking(b"content")
    with Form({"file": FilePart(file, "a")}) as form, pytest.raises(EOFError, match="ended after 0 of 7"):
        list(form.blocks())
