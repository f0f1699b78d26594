"""What hangs on a task and goes over HTTP: attachments, history, uploads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arinova_agent_sync import ArinovaAgent, ArinovaClient, Attachment, errors
from arinova_agent_sync.api import Budget
from arinova_agent_sync.attachments import AttachmentSource
from arinova_agent_sync.local import LocalServer

from .api.fake_server import Answer, FakeServer

TOKEN = "ari_secret-token"


@pytest.fixture
def files() -> Iterator[FakeServer]:
    """A server that has nothing but files."""
    with FakeServer() as fake:
        fake.script = lambda asked: Answer(body=f"content of {asked.path}".encode())
        yield fake


@pytest.fixture
def attach(files: FakeServer) -> Iterator[Callable[..., tuple[Attachment, ...]]]:
    """Make attachments of one task."""
    with ArinovaClient(server_url=files.url, bot_token=TOKEN) as client:

        def make(*urls: str) -> tuple[Attachment, ...]:
            source = AttachmentSource(lambda: client)
            return tuple(Attachment("f1", "a.txt", "text/plain", 7, url, source) for url in urls)

        yield make


def test_read_and_save(
    files: FakeServer, attach: Callable[..., tuple[Attachment, ...]], tmp_path: Path
) -> None:
    whole, relative = attach(f"{files.url}/uploads/a.txt", "/uploads/b.txt")
    assert whole.read() == b"content of /uploads/a.txt"
    path = tmp_path / "b.txt"
    assert relative.save(path) == relative.save(str(path)) == path
    assert path.read_bytes() == b"content of /uploads/b.txt"
    assert {asked.headers["Authorization"] for asked in files.requests} == {f"Bearer {TOKEN}"}


def test_no_other_private_address_is_asked(attach: Callable[..., tuple[Attachment, ...]]) -> None:
    with FakeServer() as other:
        for url in (
            other.url,
            f"http://localhost:{other.port}/",
            "http://169.254.169.254/latest",
            "http://[::1]/",
        ):
            (attachment,) = attach(url)
            with pytest.raises(errors.ApiError, match="refused: its host has an address that is not public"):
                attachment.read()
        assert other.requests == []
    for url in ("file:///etc/passwd", "ftp://example.com/x", "data:text/plain,x"):
        (attachment,) = attach(url)
        with pytest.raises(errors.ApiError, match="refused"):
            attachment.read()


def test_a_redirect_to_a_private_address_is_not_followed(
    files: FakeServer, attach: Callable[..., tuple[Attachment, ...]]
) -> None:
    with FakeServer() as other:
        files.script = lambda _: Answer(302, headers={"Location": f"{other.url}/x"})
        with pytest.raises(errors.ApiError, match="not public"):
            attach("/uploads/a.txt")[0].read()
        assert other.requests == []


def test_an_attachment_has_limits_of_its_own(
    files: FakeServer, attach: Callable[..., tuple[Attachment, ...]], tmp_path: Path
) -> None:
    (attachment,) = attach("/uploads/a.txt")
    with pytest.raises(errors.ApiError, match=r"exceeds configured limit \(5 bytes\)"):
        attachment.save(tmp_path / "a.txt", max_bytes=5)
    assert os.listdir(tmp_path) == []
    files.script = lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 52428801\r\n\r\n")
    with pytest.raises(errors.ApiError, match=r"exceeds configured limit \(52428800 bytes\)"):
        attachment.read()
    files.script = lambda _: Answer(drip=True, length=1_000)
    with pytest.raises(errors.ApiTimeoutError, match=r"not finished within 0\.2 s"):
        attachment.read(timeout=0.2)


def test_the_attachments_of_a_task_share_a_budget(
    files: FakeServer, attach: Callable[..., tuple[Attachment, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (Budget().max_bytes, Budget().max_seconds) == (64 * 1024 * 1024, 30.0)
    monkeypatch.setattr("arinova_agent_sync.api.Budget", lambda: Budget(max_bytes=60))
    first, second, third = attach("/uploads/1", "/uploads/2", "/uploads/3")
    assert len(first.read() + second.read()) == 42
    with pytest.raises(errors.ApiError, match=r"\(60 bytes for attachments in all; files.fetch\(url\)"):
        third.read()
    with pytest.raises(errors.ApiError, match="the budget for attachments is used up"):
        first.read()
    (another,) = attach("/uploads/1")  # of another task
    assert another.read() == b"content of /uploads/1"


def test_an_attachment_without_a_task_says_what_to_do() -> None:
    attachment = Attachment("f1", "a.txt", "text/plain", 7, "/uploads/a.txt")
    with pytest.raises(ValueError, match=r"ArinovaClient\.files\.fetch\(\)"):
        attachment.read()


def run(server: LocalServer, make_agent: Callable[..., ArinovaAgent], work: Any, **more: Any) -> Any:
    """Return what a handler makes of a task."""
    outcome: list[Any] = []
    agent = make_agent(server)

    @agent.on_task
    def handle(task: Any) -> None:
        outcome.append(work(task))
        task.send_complete("done")

    with agent:
        reply = server.conversation().say("hello", **more)
        assert (reply.wait(), reply.text) == ("completed", "done")
    agent.api.close()
    return outcome[0]


def test_attachments_from_a_handler(files: FakeServer, make_agent: Callable[..., ArinovaAgent]) -> None:
    """The server's own origin is allowed, and what is behind a redirect elsewhere is not."""
    with LocalServer(duplicate_window=0) as server:

        def work(task: Any) -> str:
            with pytest.raises(errors.ApiError, match="not public"):
                task.attachments[0].read()
            with pytest.raises(errors.NotFoundError):
                task.attachments[1].read()
            return str(task.attachments[1].file_name)

        row = {"id": "f1", "fileName": "a.txt", "fileType": "text/plain", "fileSize": 3}
        attachments = [{**row, "url": f"{files.url}/x"}, {**row, "url": "/nothing/here"}]
        assert run(server, make_agent, work, attachments=attachments) == "a.txt"
    assert files.requests == []


def test_history_and_uploads_from_a_handler(make_agent: Callable[..., ArinovaAgent]) -> None:
    with LocalServer(duplicate_window=0) as server:

        def work(task: Any) -> Any:
            sent = task.fetch_history(limit=5).items[0]
            around = task.fetch_history(around=sent.id)
            with pytest.raises(ValueError, match="one of before, after and around"):
                task.fetch_history(around=sent.id, before=sent.id)
            assert task.fetch_history(before=sent.id).items == []
            return (
                sent.content,
                [item.id == sent.id for item in around.items],
                task.upload_file(b"a", file_name="報.csv"),
            )

        content, found, uploaded = run(server, make_agent, work)
        assert content == "hello"
        assert True in found
        assert uploaded.url.startswith(server.url)
        assert (uploaded.file_name, uploaded.file_type, uploaded.file_size) == ("報.csv", "text/csv", 1)
