"""What docs/stopping.md says of task.on_cancel: each line ends what it says it ends."""

from __future__ import annotations

import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time

import pytest

from .stub import server_context

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def waits_for_process(task, blocked) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        task.on_cancel(process.kill)
        blocked.set()
        process.wait()


def waits_for_socket(task, blocked) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        task.on_cancel(lambda: socket.socket.shutdown(ours, socket.SHUT_RDWR))
        blocked.set()
        ours.recv(10)


def waits_for_tls_socket(task, blocked) -> None:
    ours, theirs = socket.socketpair()
    accepted: list[ssl.SSLSocket] = []
    server = threading.Thread(
        target=lambda: accepted.append(server_context().wrap_socket(theirs, server_side=True))
    )
    server.start()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(ours) as sock:
        server.join()
        task.on_cancel(lambda: socket.socket.shutdown(sock, socket.SHUT_RDWR))
        blocked.set()
        try:
            sock.recv(10)
        finally:
            accepted[0].close()


def waits_for_sqlite(task, blocked) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        task.on_cancel(connection.interrupt)
        blocked.set()
        connection.execute(ENDLESS).fetchone()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "wait",
    [waits_for_process, waits_for_socket, waits_for_tls_socket, waits_for_sqlite],
    ids=lambda wait: wait.__name__,
)
def test_the_line_ends_the_wait(server, make_agent, wait) -> None:
    agent, blocked, ended = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        try:
            wait(task, blocked)
        except (OSError, sqlite3.OperationalError):
            pass
        finally:
            ended.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert blocked.wait(5)
    time.sleep(0.05)
    assert reply.cancel()
    assert ended.wait(2)
    assert reply.wait(5) == "cancelled"
