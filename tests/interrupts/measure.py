"""``python -m tests.interrupts.measure [repetitions] [client ...]``: how long a stop takes, client by situation.

Each cell is the longest of the repetitions, in milliseconds: from the cancel to the handler's end, and to when the
provider saw the connection end.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from .clients import KINDS, Ask, Kind, close, installed
from .conftest import Handler
from .stub import AUTHORITY, MuteHandler, Stub, black_hole, mute, proxy, stub

Measured = tuple[float, float | None]


def read_on(ask: Ask, pieces: int) -> tuple[Handler, Callable[[], None]]:
    """Start a handler that reads a stream; return what waits until so many pieces have come."""
    come = threading.Semaphore(0)

    def read() -> None:
        for _ in ask():
            come.release()

    def wait() -> None:
        for _ in range(pieces):
            assert come.acquire(timeout=20)

    return Handler(read), wait


def stop(handler: Handler, provider: Stub | None) -> Measured:
    handler.cancel().was_cancelled_at_once()
    end = None if provider is None else (provider.wait_for("end") - handler.cancelled) * 1e3
    return (handler.ended - handler.cancelled) * 1e3, end


def in_stream(kind: Kind, does: str, pieces: int, tls: bool, through: str = "") -> Measured:
    with ExitStack() as stack:
        provider = stack.enter_context(stub(tls))
        if through:
            os.environ["HTTPS_PROXY"] = stack.enter_context(proxy(tls=through == "tls")).url
            stack.callback(os.environ.pop, "HTTPS_PROXY")
        client, ask = kind.make(f"{provider.url}/{does}")
        stack.callback(close, client)
        handler, wait = read_on(ask, pieces)
        provider.wait_for("request", timeout=20)
        wait()
        time.sleep(0.03)
        measured = stop(handler, provider)
        assert provider.count("request") == 1
        return measured


def busy_between(kind: Kind, tls: bool) -> Measured:
    with stub(tls) as provider:
        client, ask = kind.make(f"{provider.url}/drip")
        busy, go_on = threading.Event(), threading.Event()

        def read() -> None:
            for _ in ask():
                busy.set()
                go_on.wait(5)

        handler = Handler(read)
        assert busy.wait(20)
        handler.cancel()
        end = (provider.wait_for("end") - handler.cancelled) * 1e3
        go_on.set()
        handler.join()
        close(client)
        return 0.0, end


def abandoned(kind: Kind, tls: bool) -> Measured:
    with stub(tls) as provider:
        client, ask = kind.make(f"{provider.url}/drip")
        kept = []
        handler = Handler(lambda: (kept.append(ask()), next(kept[0])))
        handler.join()
        end = (provider.wait_for("end") - handler.ended) * 1e3
        kept[0].close()
        close(client)
        return 0.0, end


def between_attempts(kind: Kind) -> Measured:
    with stub() as provider:
        client, ask = kind.make(f"{provider.url}/busy")
        handler = Handler(lambda: list(ask()))
        provider.wait_for("request", timeout=20)
        time.sleep(0.1)
        measured = stop(handler, None)
        close(client)
        return measured


def connecting(kind: Kind) -> Measured:
    with black_hole() as url:
        client, ask = kind.make(f"{url}/think")
        handler = Handler(lambda: list(ask()))
        time.sleep(0.2)
        measured = stop(handler, None)
        close(client)
        return measured


def looking_up(kind: Kind) -> Measured:
    asked, answer, look_up = threading.Event(), threading.Event(), socket.getaddrinfo

    def slow(*args: object, **kwargs: object) -> object:
        asked.set()
        answer.wait(10)
        raise socket.gaierror("no such host")

    # A new name each time: langchain keeps one HTTP client for each.
    client, ask = kind.make(f"http://provider-{time.monotonic_ns()}.invalid/think")
    socket.getaddrinfo = slow
    try:
        handler = Handler(lambda: list(ask()))
        assert asked.wait(20)
        return stop(handler, None)
    finally:
        answer.set()
        socket.getaddrinfo = look_up
        close(client)


def handshake(kind: Kind) -> Measured:
    with mute(MuteHandler) as provider:
        client, ask = kind.make(f"https://localhost:{provider.server_address[1]}/think")
        handler = Handler(lambda: list(ask()))
        provider.wait_for("request", timeout=20)
        measured = stop(handler, provider)
        close(client)
        return measured


SITUATIONS: dict[str, Callable[[Kind], Measured]] = {
    "look-up": looking_up,
    "black hole": connecting,
    "TLS handshake": handshake,
    "first byte": lambda kind: in_stream(kind, "think", 0, False),
    "first byte TLS": lambda kind: in_stream(kind, "think", 0, True),
    "stalled": lambda kind: in_stream(kind, "stall", 3, False),
    "stalled TLS": lambda kind: in_stream(kind, "stall", 3, True),
    "streaming": lambda kind: in_stream(kind, "drip", 3, False),
    "streaming TLS": lambda kind: in_stream(kind, "drip", 3, True),
    "busy": lambda kind: busy_between(kind, False),
    "busy TLS": lambda kind: busy_between(kind, True),
    "abandoned": lambda kind: abandoned(kind, False),
    "abandoned TLS": lambda kind: abandoned(kind, True),
    "proxy": lambda kind: in_stream(kind, "stall", 3, True, "plain"),
    "TLS in TLS": lambda kind: in_stream(kind, "stall", 3, True, "tls"),
    "retry": between_attempts,
}


def main() -> None:
    arguments = sys.argv[1:]
    count = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 10
    names = arguments or [name for name, kind in KINDS.items() if installed(kind.module)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "authority.pem")
        AUTHORITY.cert_pem.write_to_path(path)
        os.environ |= dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), path)
        print("| client |", " | ".join(SITUATIONS), "|")
        print("|---" * (len(SITUATIONS) + 1) + "|")
        for name in names:
            cells = []
            for situation, measure in SITUATIONS.items():
                if situation == "retry" and not KINDS[name].repeats:
                    cells.append("-")
                    continue
                measured = [measure(KINDS[name]) for _ in range(count)]
                ends = [end for _, end in measured if end is not None]
                handler = (
                    f"{max(took for took, _ in measured):.1f}"
                    if situation[:4] not in ("busy", "aban")
                    else ""
                )
                cells.append("\\|".join(filter(None, (handler, f"{max(ends):.1f}" if ends else ""))))
            print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
