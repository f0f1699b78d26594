"""Uploads and downloads."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.api.resources.files import progress_bar

from .fake_server import Answer, FakeServer

UPLOADED = {"url": "/uploads/a.png", "fileName": "a.png", "fileType": "image/png", "fileSize": 3}


def test_upload(server: FakeServer, client: ArinovaClient, tmp_path: Path) -> None:
    server.script = lambda _: Answer(201, json=UPLOADED)
    path = tmp_path / 'ä "b".png'
    path.write_bytes(b"PNG")
    uploaded = client.files.upload("c1", path)
    assert uploaded.url == f"{server.url}/uploads/a.png"
    assert (uploaded.file_name, uploaded.file_type, uploaded.file_size) == ("a.png", "image/png", 3)
    asked = server.requests[0]
    assert (asked.method, asked.path) == ("POST", "/api/v1/files/upload")
    assert int(asked.headers["Content-Length"]) == len(asked.body)
    assert (
        'name="file"; filename="ä %22b%22.png"\r\nContent-Type: image/png\r\n\r\nPNG\r\n'.encode()
        in asked.body
    )
    assert b'name="conversationId"\r\n\r\nc1\r\n' in asked.body


def test_an_upload_is_sent_once(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(503)
    with pytest.raises(errors.ServerError):
        client.files.upload("c1", b"x", file_name="x")
    assert len(server.requests) == 1


def test_upload_progress(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(201, json=UPLOADED)
    told: list[tuple[int, int]] = []
    client.files.upload("c1", bytes(100_000), file_name="x", progress=lambda *both: told.append(both))
    assert told == [(65_536, 100_000), (100_000, 100_000)]


def test_what_a_callback_raises_passes(server: FakeServer, client: ArinovaClient) -> None:
    def stop(sent: int, total: int) -> None:
        raise OSError("enough")

    with pytest.raises(OSError, match=r"^enough$"):
        client.files.upload("c1", bytes(100_000), file_name="x", progress=stop)


def test_a_file_that_cannot_be_read_is_no_network_error(server: FakeServer, client: ArinovaClient) -> None:
    class Bad(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise PermissionError("disk on fire")

    with pytest.raises(PermissionError, match="disk on fire"):
        client.files.upload("c1", Bad(b"content"), file_name="x")


def test_wrong_uploads_are_never_sent(server: FakeServer, client: ArinovaClient) -> None:
    with pytest.raises(ValueError, match="conversation_id"):
        client.files.upload(" ", b"x", file_name="x")
    with pytest.raises(ValueError, match="file_name"):
        client.files.upload("c1", b"x")
    with pytest.raises(TypeError, match="progress"):
        client.files.upload("c1", b"x", file_name="x", progress=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="open in text mode"):
        client.files.upload("c1", io.StringIO("a"), file_name="u.csv")  # type: ignore[arg-type]
    assert server.requests == []


def test_a_file_that_returns_text(server: FakeServer, client: ArinovaClient) -> None:
    """A wrapper of a text file does not look like one."""
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("text")
        file.seek(0)
        with pytest.raises(TypeError, match="open it in binary mode"):
            client.files.upload("c1", file, file_name="u.csv")  # type: ignore[arg-type]


def test_a_bar_only_where_somebody_sees_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar(True, "x") as tell:
        assert tell is None
    with progress_bar(None, "x") as tell:
        assert tell is None
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        with progress_bar(True, "x") as tell:
            assert tell is None
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bar(True, "a [b] c") as tell:
        assert tell is not None
        tell(50, 100)
        tell(100, 100)
    assert "a [b] c" in capsys.readouterr().err


def test_download_into_memory(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(body=bytes(200_000))
    told: list[tuple[int, int]] = []
    assert client.files.download("f.1", progress=lambda *both: told.append(both)) == bytes(200_000)
    assert told[-1] == (200_000, 200_000)
    asked = server.requests[0]
    assert asked.path == "/api/v1/files/f%2E1/content"
    assert asked.headers["Accept-Encoding"] == "identity"
    with pytest.raises(errors.ApiError, match="exceeds configured limit"):
        client.files.download("f1", max_bytes=199_999)
    with pytest.raises(errors.ApiError, match="exceeds configured limit"):
        client.with_options(max_response_bytes=199_999).files.download("f1")


def test_download_into_a_file(server: FakeServer, client: ArinovaClient, tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    server.play(Answer(body=b"half", length=100), Answer(body=b"whole"))
    client._transport.session.pause = lambda _: None
    assert client.files.download("f1", path) == path
    assert path.read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["out.bin"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_failed_download_leaves_the_old_file(
    server: FakeServer, client: ArinovaClient, tmp_path: Path
) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    client._transport.session.pause = lambda _: None
    for broken in (Answer(body=b"half", length=100), Answer(404), Answer(body=bytes(1_000))):
        server.script = lambda _, broken=broken: broken  # type: ignore[misc]
        with pytest.raises(errors.ApiError):
            client.files.download("f1", path, max_bytes=100)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["out.bin"]
    with pytest.raises(FileNotFoundError):
        client.files.download("f1", tmp_path / "missing" / "x")


def test_a_name_may_be_as_long_as_the_system_allows(
    server: FakeServer, client: ArinovaClient, tmp_path: Path
) -> None:
    server.script = lambda _: Answer(body=b"content")
    path = tmp_path / ("報" * 85)
    assert client.files.download("f1", path).read_bytes() == b"content"


def test_a_storage_elsewhere_gets_no_token(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with FakeServer() as storage:
        storage.script = lambda _: Answer(body=b"content")
        server.script = lambda _: Answer(302, headers={"Location": f"{storage.url}/bucket/f1?signature=s"})
        with pytest.raises(errors.ApiError, match="not public"):
            client.files.download("f1")
        monkeypatch.setattr("arinova_agent_sync.api.fetch.is_public", lambda _: True)
        assert client.files.download("f1") == b"content"
        client._transport.session.pause = lambda _: None
        server.play(Answer(body=b"half of it", length=100))
        told: list[tuple[int, int]] = []
        client.files.download("f1", tmp_path / "f1", progress=lambda *both: told.append(both))
    assert (tmp_path / "f1").read_bytes() == b"content"
    assert told == [(10, 100), (7, 0)]
    for asked in storage.requests:
        assert asked.target == "/bucket/f1?signature=s"
        assert asked.headers["Authorization"] is None


def test_fetch_into_a_file(server: FakeServer, client: ArinovaClient, tmp_path: Path) -> None:
    server.script = lambda _: Answer(body=b"content")
    assert client.files.fetch("/uploads/a.txt") == b"content"
    assert client.files.fetch("/uploads/a.txt", tmp_path / "a.txt") == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_bytes() == b"content"
    server.script = lambda _: Answer(404)
    with pytest.raises(errors.NotFoundError):
        client.files.fetch("/uploads/a.txt", tmp_path / "b.txt")
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, makes a sparse file")
def test_500_mb_take_no_memory(tmp_path: Path) -> None:
    """Upload and download 500 MB in a process of its own, of which the peak is measured."""
    path = tmp_path / "large.bin"
    with open(path, "wb") as file:
        file.truncate(500_000_000)
    script = f"""
        import socket, threading
        from arinova_agent_sync.api import ArinovaClient

        listener = socket.create_server(("127.0.0.1", 0))

        def head(reader):
            length = 0
            while line := reader.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            return length

        def serve():
            sock, _ = listener.accept()
            with sock, sock.makefile("rb") as reader:
                left = head(reader)
                while left:
                    left -= len(reader.read1(min(left, 65536)))
                answer = b'{{"url": "/uploads/x"}}'
                sock.sendall(b"HTTP/1.1 201 Created\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(answer), answer))
                head(reader)
                sock.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 500000000\\r\\n\\r\\n")
                block = bytes(100_000)
                for _ in range(5_000):
                    sock.sendall(block)

        threading.Thread(target=serve, daemon=True).start()
        with ArinovaClient(server_url="http://127.0.0.1:%d" % listener.getsockname()[1], bot_token="t") as client:
            client.files.upload("c1", {str(path)!r}, timeout=100)
            client.files.download("f1", {str(tmp_path / "back.bin")!r}, timeout=100)
        # Not ru_maxrss, which begins with the size of the parent.
        print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert (tmp_path / "back.bin").stat().st_size == 500_000_000
    peak = int(done.stdout) * 1024
    print(f"peak {peak:,} bytes")
    assert peak < 60_000_000
