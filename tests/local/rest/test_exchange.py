"""How requests are read, over HTTP: ids in paths, numbers and flags in queries, JSON, forms."""

from __future__ import annotations

import uuid

import pytest

from arinova_agent_sync.local import LocalServer

from .conftest import Ask

PLAIN = "text/plain; charset=utf-8"

march = pytest.mark.parametrize("generation", ["march"])


@pytest.fixture
def notes(server: LocalServer, ask: Ask) -> list[str]:
    """The ids of 60 notes of the first notebook, newest first."""
    book = server.owner.create_notebook("Plans")
    made = [ask("POST", "/notes", {"title": f"note {n}", "notebookId": book}).json["id"] for n in range(60)]
    return made[::-1]


@march
@pytest.mark.parametrize(
    "write", [str, str.upper, lambda text: text.replace("-", "")], ids=["as usual", "capitals", "no hyphens"]
)
def test_an_id_may_be_written_in_several_ways(server: LocalServer, ask: Ask, write) -> None:
    book = server.owner.create_notebook("Plans")
    assert ask("GET", f"/notebooks/{write(book)}").json["id"] == book
    made = ask("POST", "/notes", {"title": "x", "notebookId": write(book)})
    assert (made.status, made.json["notebookId"]) == (201, book)


@march
@pytest.mark.parametrize("write", ["{}x", "%7B{}%7D", "{}%09", "%20{}"])
def test_what_only_resembles_an_id_is_none(ask: Ask, write: str) -> None:
    refused = ask("GET", "/notebooks/" + write.format(uuid.uuid4()))
    assert (refused.status, refused.headers["content-type"]) == (400, PLAIN)


@march
def test_numbers_are_cut_to_their_bounds(ask: Ask, notes: list[str]) -> None:
    for query, count in (
        ("", 20),
        ("limit=7", 7),
        ("limit=0", 1),
        ("limit=-3", 1),
        ("limit=99", 50),
        ("limit=%2B5", 5),
    ):
        assert [note["id"] for note in ask("GET", f"/notes?{query}").json["notes"]] == notes[:count]


@march
@pytest.mark.parametrize("value", ["", "x", "1.5", "%D9%A1", "9" * 19])
def test_numbers_that_are_none(server: LocalServer, ask: Ask, value: str) -> None:
    server.owner.create_notebook("Plans")
    refused = ask("GET", f"/notes?limit={value}")
    assert (refused.status, refused.headers["content-type"]) == (400, PLAIN)


@march
def test_of_several_parameters_with_one_name_the_last_counts(ask: Ask, notes: list[str]) -> None:
    assert len(ask("GET", "/notes?limit=2&limit=3").json["notes"]) == 3
    found = ask("GET", "/notes?search=x&search=note+7").json["notes"]
    assert [note["title"] for note in found] == ["note 7"]


@march
@pytest.mark.parametrize(
    "body", [b'{"name": "\\ud83d"}', b'{"name": "\\ude00 \\ud83d"}', b'{"name": "\xff"}']
)
def test_half_a_surrogate_pair_is_no_json(ask: Ask, body: bytes) -> None:
    refused = ask("POST", "/notebooks", body, {"Content-Type": "application/json"})
    assert (refused.status, refused.headers["content-type"]) == (400, PLAIN)


@march
def test_a_nul_is_in_no_text(ask: Ask) -> None:
    for name, status in (("a\0b", 400), (r"a\u0000b", 201), ("\\\0", 400)):
        assert ask("POST", "/notebooks", {"name": name}).status == status


@march
@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"a b.txt"', "a b.txt"),
        ('"a;name=b.txt"', "a;name=b.txt"),
        (r'"a\"b.txt"', 'a"b.txt'),
        ('"Größe.txt"', "Größe.txt"),
        ('""', "file"),
        ("plain.txt", "plain.txt"),
    ],
)
def test_names_of_files_in_a_form(server: LocalServer, ask: Ask, written: str, name: str) -> None:
    place = server.conversation().id
    body = (
        f"--b\r\ncontent-disposition:form-data;name=conversationId\r\n\r\n{place}\r\n"
        f'--b\r\nContent-Disposition: form-data; filename={written}; name="file"\r\n'
        "CONTENT-TYPE: text/plain\r\n\r\na\r\n\r\nb\r\n--b--\r\n"
    )
    sent = ask("POST", "/files/upload", body.encode(), {"Content-Type": 'multipart/form-data; boundary="b"'})
    assert (sent.status, sent.json["fileName"], sent.json["fileType"]) == (201, name, "text/plain")
    assert ask("GET", sent.json["url"]).body == b"a\r\n\r\nb"


@march
def test_a_file_of_several_megabytes_arrives_whole(server: LocalServer, ask: Ask) -> None:
    place, data = server.conversation().id, bytes(range(256)) * (40 * 1024 - 8)  # a little less than 10 MiB
    head = f'--b\r\nContent-Disposition: form-data; name="conversationId"\r\n\r\n{place}\r\n--b\r\n'
    file = 'Content-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    body = (head + file).encode() + data + b"\r\n--b--\r\n"
    sent = ask("POST", "/files/upload", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert (sent.status, sent.json["fileSize"]) == (201, len(data))
    assert ask("GET", sent.json["url"]).body == data
