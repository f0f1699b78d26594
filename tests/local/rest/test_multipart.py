"""Forms: what browsers and HTTP libraries send, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from arinova_agent_sync.local.rest.multipart import MalformedForm, Part, parts

TYPE = "multipart/form-data; boundary=b"


def test_texts_and_files_are_told_apart() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="place"\r\n\r\nhere\r\n'
        b'--b\r\ncontent-disposition:form-data;name=file;filename="x.txt"\r\nCONTENT-TYPE: text/plain\r\n\r\n'
        b"a\r\n\r\nb\r\n--b--\r\n"
    )
    assert parts(TYPE, body) == {
        "place": Part(b"here", None, "application/octet-stream"),
        "file": Part(b"a\r\n\r\nb", "x.txt", "text/plain"),
    }


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"a b.txt"', "a b.txt"),
        ('"a;name=b.txt"', "a;name=b.txt"),
        (r'"a\"b.txt"', 'a"b.txt'),
        (r'"C:\new.txt"', r"C:\new.txt"),
        ('"Größe.txt"', "Größe.txt"),
        ('""', ""),
        ("plain.txt", "plain.txt"),
    ],
)
def test_names_of_files(written: str, name: str) -> None:
    head = f'Content-Disposition: form-data; filename={written}; name="file"'
    body = f"--b\r\n{head}\r\n\r\nx\r\n--b--".encode()
    assert parts(TYPE, body)["file"].file_name == name


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(), min_size=1))
def test_what_a_library_sends_arrives(fields: dict[str, bytes]) -> None:
    sent = []
    for name, data in fields.items():
        sent.append(RequestField(name, data, filename=f"{name}.bin"))
        sent[-1].make_multipart(content_type="image/png")
    body, content_type = encode_multipart_formdata(sent)
    assert parts(content_type, body) == {
        name: Part(data, f"{name}.bin", "image/png") for name, data in fields.items()
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b"--b--"),
        ("multipart/form-data", b"--b--"),
        ("multipart/mixed; boundary=b", b"--b--"),
        ("application/json", b"{}"),
        (TYPE, b""),
        (TYPE, b"no boundary"),
        (TYPE, b"--b\r\n"),
        (TYPE, b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ncut off'),
        (TYPE, b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--"),
        (TYPE, b"--b\r\nno head\r\n--b--"),
    ],
)
def test_what_is_no_form(content_type: str, body: bytes) -> None:
    with pytest.raises(MalformedForm):
        parts(content_type, body)


@given(st.binary())
def test_nothing_else_is_raised(body: bytes) -> None:
    try:
        parts(TYPE, b"--b\r\n" + body + b"\r\n--b--")
    except MalformedForm:
        pass
