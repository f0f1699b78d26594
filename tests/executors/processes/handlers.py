"""Handlers for processes: each is found by its name in this file."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from arinova_agent_sync import ActionError

log = logging.getLogger("shop")


def who(task):
    return str(os.getpid())


def sleeps(task):
    try:
        yield f"{os.getpid()} "
        time.sleep(60)
    finally:
        Path(task.arguments).write_text(repr(time.monotonic()))


def sleeps_in_a_plain_function(task):
    try:
        task.send_chunk(f"{os.getpid()} ")  # may be what the cancel meets
        time.sleep(60)
    finally:
        Path(task.arguments).write_text(repr(time.monotonic()))


def sleeps_before_it(task):
    """Runs around a handler."""
    if task.command == "never_called":
        try:
            task.send_chunk(f"{os.getpid()} ")
            time.sleep(60)
        finally:
            Path(task.arguments).write_text(repr(time.monotonic()))
    yield


def never_called(task):
    raise AssertionError("what runs around it does not end")


def receives(task):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            yield f"{os.getpid()} "
            ours.recv(1)
        finally:
            Path(task.arguments).write_text(repr(time.monotonic()))


def loops(task):
    try:
        yield f"{os.getpid()} "
        while True:
            pass
    finally:
        Path(task.arguments).write_text(repr(time.monotonic()))


def streams_what_blocks(task):
    def pieces():
        yield f"{os.getpid()} "
        time.sleep(60)

    try:
        task.stream(pieces())
    finally:
        Path(task.arguments).write_text(repr(time.monotonic()))


def cleans_up_slowly(task):
    try:
        yield f"{os.getpid()} "
        time.sleep(60)
    finally:
        time.sleep(0.3)  # a second interrupt would end it
        Path(task.arguments).write_text(repr(time.monotonic()))


def computes_in_c(task):
    # Told from the midst of it: before it begins, a cancel would interrupt the handler.
    threading.Timer(0.05, task.send_chunk, [f"{os.getpid()} "]).start()
    hashlib.pbkdf2_hmac("sha256", b"x" * 64, b"y", 2**31 - 1)


def dies(task):
    if task.arguments:
        yield task.arguments
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def dies_once(task):
    mark = Path(task.arguments)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "the second time"


def waits_for_file(task):
    yield f"{os.getpid()} "
    while not Path(task.arguments).exists():
        time.sleep(0.005)
    yield "seen"


def finishes_alone(task):
    yield f"{os.getpid()} "
    while not Path(task.arguments).exists():
        time.sleep(0.005)
    try:
        task.call_action("note.create", {})
    except ActionError as error:
        yield str(error)


def prints_and_logs(task):
    print("printed ünï")
    print("to standard error", file=sys.stderr)
    log.info("too quiet")
    try:
        raise KeyError("inside")
    except KeyError:
        log.exception("logged %s", "so")
    return "said"


def floods(task):
    for _ in range(20_000):
        yield "x" * 100


def runs_a_program(task):
    """A program that a handler starts is ended by a signal, as anywhere."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    program.terminate()
    return str(program.wait(10))


def raises(task):
    yield "so far "
    raise ValueError("bad")


def sorry(error):
    return f"sorry: {error}"
