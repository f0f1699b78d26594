"""Files over HTTP: upload, list, rename, download, delete."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer

from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])

FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def form(*parts: tuple[str, str]) -> bytes:
    """Return a form of headers and contents."""
    return "".join(f"--b\r\n{head}\r\n\r\n{data}\r\n" for head, data in parts).encode() + b"--b--\r\n"


def field(name: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"'


def read(url: str) -> tuple[bytes, dict[str, str]]:
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read(), dict(response.headers)


class TestUpload:
    def test_what_was_uploaded_is_there(
        self, server: LocalServer, client: ArinovaClient, tmp_path: Path
    ) -> None:
        path = tmp_path / "Größe 1.csv"
        path.write_bytes(bytes(range(256)))
        conversation = server.conversation()
        uploaded = client.files.upload(conversation.id, path)
        assert (uploaded.file_name, uploaded.file_type, uploaded.file_size) == (path.name, "text/csv", 256)
        content, headers = read(uploaded.url)
        assert (content, headers["content-type"]) == (path.read_bytes(), "text/csv")
        assert client.files.fetch(uploaded.url) == content
        [kept] = server.owner.files()
        assert (kept.name, kept.mime_type, kept.content) == (path.name, "text/csv", content)
        assert (kept.conversation_id, kept.agent_id) == (conversation.id, server.agent.agent_id)
        assert conversation.messages == []  # an upload is no message

    @pytest.mark.parametrize("name", ["a\\b.txt", "no-ending", "archive.tar.gz", "💾.bin", "a;b=c.txt"])
    def test_names_arrive_as_they_are(self, server: LocalServer, client: ArinovaClient, name: str) -> None:
        uploaded = client.files.upload(server.conversation().id, b"x", file_name=name)
        assert uploaded.file_name == name
        assert read(uploaded.url)[0] == b"x"

    @pytest.mark.parametrize(
        ("name", "ending"),
        [("README", "README"), ("a.tar.gz", "gz"), ("a b", "a%20b"), ("x.", ""), ("../..", "")],
    )
    def test_urls_end_with_what_follows_the_last_dot(
        self, server: LocalServer, client: ArinovaClient, name: str, ending: str
    ) -> None:
        place = server.conversation().id
        url = client.files.upload(place, b"x", file_name=name).url
        assert re.fullmatch(
            rf"{server.url}/uploads/attachments/{place}/[0-9a-f-]{{36}}_[0-9]+\.{ending}", url
        )
        assert read(url)[0] == b"x"

    def test_empty_files_are_files(self, server: LocalServer, client: ArinovaClient) -> None:
        uploaded = client.files.upload(server.conversation().id, b"", file_name="x.txt")
        assert uploaded.file_size == 0
        assert read(uploaded.url)[0] == b""

    @pytest.mark.parametrize("mime_type", ["application/x-sh", "APPLICATION/x-msdownload"])
    def test_programs_are_refused(self, server: LocalServer, client: ArinovaClient, mime_type: str) -> None:
        with pytest.raises(errors.BadRequestError, match="File type not allowed"):
            client.files.upload(server.conversation().id, b"x", file_name="x", mime_type=mime_type)

    def test_only_members_upload(self, server: LocalServer, client: ArinovaClient) -> None:
        other = server.conversation(server.add_agent("Bob"))
        with pytest.raises(errors.PermissionDeniedError):
            client.files.upload(other.id, b"x", file_name="x.txt")
        assert server.owner.files() == []

    def test_no_browser_runs_what_was_uploaded(self, server: LocalServer, client: ArinovaClient) -> None:
        uploaded = client.files.upload(server.conversation().id, b"<script>", file_name="x.html")
        assert read(uploaded.url)[1]["x-content-type-options"] == "nosniff"

    @march
    def test_a_type_of_odd_letters_is_told_as_bytes(self, server: LocalServer, ask: Ask) -> None:
        place = server.conversation().id
        file = (f'{field("file")}; filename="x"\r\nContent-Type: tëxt/plain', "x")
        sent = ask("POST", "/files/upload", form((field("conversationId"), place), file), FORM)
        assert sent.status == 201
        assert ask("GET", sent.json["url"]).headers["content-type"] == "application/octet-stream"

    @march
    @pytest.mark.parametrize(
        ("body", "headers", "status", "told"),
        [
            (b"", {"Content-Type": "text/plain"}, 400, "Invalid `boundary`"),
            (b"", {}, 400, "Invalid `boundary`"),
            (b"--b\r\n", FORM, 400, "conversationId is required"),
            (b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--", FORM, 400, "Error parsing"),
            (form((field("x"), "")), FORM, 400, "conversationId is required"),
            (form((field("conversationId"), "c1")), FORM, 400, "No file provided"),
            (form((field("conversationId"), "c1"), (field("file"), "")), FORM, 400, "Invalid conversationId"),
        ],
    )
    def test_forms_that_are_none(
        self, ask: Ask, body: bytes, headers: dict[str, str], status: int, told: str
    ) -> None:
        refused = ask("POST", "/files/upload", body, headers)
        assert refused.status == status
        assert told in refused.text

    def test_the_whole_body_obeys_the_limit(self, client_of, generation) -> None:
        with LocalServer(generation=generation, max_file_size=1000) as server:
            client, place = client_of(server), server.conversation().id
            assert client.files.upload(place, b"x" * 500, file_name="x.txt").file_size == 500
            with pytest.raises(errors.BadRequestError, match=r"\(400\): Failed to read file data"):
                client.files.upload(place, b"x" * 1000, file_name="x.txt")
            # The connection is in order all the same.
            client.messages.send(place, "hi")

    @pytest.mark.parametrize(("size", "error"), [(0, ValueError), (1.5, TypeError), (1 << 40, ValueError)])
    def test_limits_that_are_none(self, size, error) -> None:
        with pytest.raises(error, match="max_file_size"):
            LocalServer(max_file_size=size)


@march
def test_march_only_uploads(server: LocalServer, client: ArinovaClient) -> None:
    client.files.upload(server.conversation().id, b"x", file_name="x.txt")
    with pytest.raises(errors.NotFoundError):
        client.files.list().page  # noqa: B018 - it asks


def test_unknown_urls_lead_nowhere(ask: Ask) -> None:
    assert ask("GET", "/uploads/attachments/x/y.txt", token="").status == 404


@august
class TestFiles:
    @pytest.fixture
    def three(self, server: LocalServer, client: ArinovaClient) -> list[str]:
        """The ids of three files, oldest first."""
        place = server.conversation().id
        for name, content in (("b.txt", b"1"), ("a.png", b"333"), ("c.txt", b"22")):
            client.files.upload(place, content, file_name=name)
        return [file.id for file in server.owner.files()]

    def test_are_listed_newest_first_or_as_asked(self, client: ArinovaClient, three: list[str]) -> None:
        def names(**how: object) -> list[object]:
            return [file["fileName"] for file in client.files.list(**how)]  # type: ignore[arg-type]

        assert names(limit=2) == ["c.txt", "a.png", "b.txt"]
        assert names(sort="name") == ["a.png", "b.txt", "c.txt"]
        assert names(sort="size") == ["a.png", "c.txt", "b.txt"]
        assert names(search="A.P") == ["a.png"]
        assert names(content_type_prefix="text/") == ["c.txt", "b.txt"]
        assert names(source_type="attachment", source_type_prefix="att", search="b") == ["b.txt"]
        assert names(folder_id="f1") == []

    def test_belong_to_their_conversation(
        self, server: LocalServer, client: ArinovaClient, client_of, three: list[str]
    ) -> None:
        place = server.conversations[0].id
        assert len(list(client.files.list(conversation_id=place))) == 3
        assert list(client.files.list(conversation_id=server.conversation().id)) == []
        bobs = client_of(server, server.add_agent("Bob"))
        assert list(bobs.files.list()) == []
        with pytest.raises(errors.PermissionDeniedError):
            bobs.files.get(three[0])

    def test_are_changed_by_who_uploaded_them_only(self, server: LocalServer, client_of) -> None:
        bob = server.add_agent("Bob")
        group = server.conversation(type="group")
        client_of(server).files.upload(group.id, b"x", file_name="x.txt")
        [file] = server.owner.files()
        bobs = client_of(server, bob)
        assert bobs.files.get(file.id)["fileName"] == "x.txt"
        with pytest.raises(errors.PermissionDeniedError):
            bobs.files.rename(file.id, "y.txt")
        with pytest.raises(errors.PermissionDeniedError):
            bobs.files.delete(file.id)

    def test_are_renamed(self, client: ArinovaClient, three: list[str]) -> None:
        assert client.files.rename(three[0], "new.txt")["fileName"] == "new.txt"
        assert client.files.get(three[0])["fileName"] == "new.txt"

    def test_are_downloaded(self, client: ArinovaClient, three: list[str], tmp_path: Path) -> None:
        assert client.files.download(three[1]) == b"333"
        assert client.files.download(three[1], tmp_path / "x").read_bytes() == b"333"
        assert read(str(client.files.url(three[1])["url"]))[0] == b"333"

    def test_are_deleted(self, server: LocalServer, client: ArinovaClient, three: list[str]) -> None:
        url = str(client.files.url(three[0])["url"])
        client.files.delete(three[0])
        for call in (client.files.get, client.files.delete, client.files.download, client.files.url):
            with pytest.raises(errors.NotFoundError, match="File not found"):
                call(three[0])
        with pytest.raises(urllib.error.HTTPError):
            read(url)
        assert len(server.owner.files()) == 2

    def test_count_as_used(self, client: ArinovaClient, three: list[str]) -> None:
        usage = client.files.usage()
        assert (usage["fileCount"], usage["usedBytes"]) == (3, 6)
