"""Handlers that are cancelled while they wait."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait

import pytest

from arinova_agent_sync import TaskCancelled
from arinova_agent_sync.interrupts.scope import Scope

from .clients import KINDS, close, installed
from .stub import AUTHORITY, stub

AT_ONCE = 0.5  # seconds: what a busy machine may make of the 50 ms that it takes at most


class Handler:
    """Runs a function as a task's handler, on a thread of its own.

    Args:
        function: the handler.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self.scope = Scope("t1")
        self.error: BaseException | None = None
        self.ended = 0.0
        self.cancelled = 0.0
        self._function = function
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._run,), daemon=True)
        self._thread.start()

    def cancel(self) -> Handler:
        """Cancel the task."""
        self.cancelled = time.monotonic()
        self.scope.cancel()
        return self

    def join(self) -> BaseException | None:
        """Wait for the handler's end, return what it raised."""
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.error

    def was_cancelled_at_once(self) -> None:
        """Check that the cancel ended it."""
        assert type(self.join()) is TaskCancelled, repr(self.error)
        assert self.ended - self.cancelled < AT_ONCE

    def _run(self) -> None:
        self.scope.enter()
        try:
            self._function()
        except BaseException as error:
            self.error = error.with_traceback(None)
        finally:
            self.ended = time.monotonic()
            self.scope.close()


@pytest.fixture(scope="session", autouse=True)
def _litellm_has_run() -> None:
    """Let litellm start the threads and the event loop that it keeps, before a test counts what is left behind."""
    if installed("litellm"):
        from litellm.litellm_core_utils.thread_pool_executor import executor

        wait([executor.submit(time.sleep, 0.1) for _ in range(20)])
        with stub() as provider, pytest.MonkeyPatch.context() as monkeypatch:
            without_proxy(monkeypatch)
            client, ask = KINDS["litellm"].make(f"{provider.url}/quick")
            list(ask())
            close(client)
        wait([executor.submit(time.sleep, 0.1) for _ in range(20)])


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path) -> str:
    """Let clients trust the stub; return the file with the authority's certificate."""
    path = str(tmp_path / "authority.pem")
    AUTHORITY.cert_pem.write_to_path(path)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, path)
    return path


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxy(monkeypatch)


def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meet no proxy of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
