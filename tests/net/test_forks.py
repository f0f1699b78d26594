"""What a forked child makes anew, and that it never meets a half-done import."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

from arinova_agent_sync.net.forks import importing, renew_after_fork

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Thing:
    def __init__(self, name: str, renewed: list[str], error: BaseException | None = None) -> None:
        self.name, self.renewed, self.error = name, renewed, error
        renew_after_fork(self.after_fork)

    def after_fork(self) -> None:
        self.renewed.append(self.name)
        if self.error is not None:
            raise self.error


def in_child(check: object) -> int:
    """Fork, and return what the check returns in the child."""
    assert callable(check)
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = check()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_latest_is_renewed_first_and_one_that_fails_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    renewed: list[str] = []
    things = [Thing("first", renewed), Thing("second", renewed, ValueError("odd")), Thing("third", renewed)]

    def check() -> int:
        logged = [record for record in caplog.records if record.levelno == logging.ERROR]
        told = len(logged) == 1 and "failed after a fork" in logged[0].getMessage()
        return 0 if renewed == ["third", "second", "first"] and told else 1

    assert in_child(check) == 0
    assert renewed == []  # here
    assert len(things) == 3


def test_what_is_gone_is_forgotten() -> None:
    renewed: list[str] = []
    thing = Thing("gone", renewed)
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is None
    assert in_child(lambda: len(renewed)) == 0


def test_a_fork_waits_for_an_import() -> None:
    inside, done = threading.Event(), threading.Event()

    def bring() -> None:
        with importing():
            inside.set()
            time.sleep(0.2)
            done.set()

    thread = threading.Thread(target=bring)
    thread.start()
    inside.wait(5)
    assert in_child(lambda: 0 if done.is_set() else 1) == 0
    thread.join()


def test_a_fork_in_an_import_works() -> None:
    def check() -> int:
        with importing():
            return 0

    with importing():
        assert in_child(check) == 0
    assert in_child(check) == 0


@pytest.mark.slow
def test_a_child_makes_http_calls_though_its_parent_was_importing() -> None:
    """Each module that the first call imports is slow, and the fork comes in its middle."""
    code = textwrap.dedent(
        """
        import importlib.abc, os, signal, sys, threading, time
        from arinova_agent_sync.api import ArinovaClient
        from arinova_agent_sync.errors import ApiConnectionError

        begun = threading.Event()

        class Slow(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name in ("urllib3", "urllib3.connection"):
                    begun.set()
                    time.sleep(0.3)
                return None

        sys.meta_path.insert(0, Slow())
        client = ArinovaClient(server_url="http://127.0.0.1:9", bot_token="ari_0", max_retries=0)

        def call():
            try:
                client.conversations.list(timeout=3).page
            except ApiConnectionError:
                return

        threading.Thread(target=call).start()
        begun.wait(5)
        child = os.fork()
        if child == 0:
            signal.alarm(5)  # without a handler it ends the process
            call()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "0", done.stderr
