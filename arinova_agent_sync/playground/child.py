"""An agent in a process of its own, so that it can be started anew with changed code. Thread-safe."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from io import FileIO
from typing import IO, Any

from .agents import AgentStatus, Changed, Json
from .logtail import LogTail

_STOPS_WITHIN = 5.0  # seconds
_KILLED_WITHIN = 2.0  # seconds
_STATES = {"connected": "connected", "disconnected": "disconnected", "failed": "failed", "error": None}


class InChild:
    """Run the agent of a file or a module in a child process.

    Args:
        target: which one, such as ``my_agent.py``, ``package.module`` or one of them with ``:attribute``.
        server_url: where it connects.
        bot_token: with which token.
        changed: called when its state changes.
    """

    def __init__(self, target: str, *, server_url: str, bot_token: str, changed: Changed) -> None:
        self._order = {"target": target, "server_url": server_url, "bot_token": bot_token}
        self._lock = threading.Lock()  # guards the exchange of the child
        self._state = AgentStatus(changed)
        self._child: _AgentProcess | None = None
        self._log = LogTail()

    def start(self) -> None:
        self._exchange(0)

    def restart(self) -> None:
        self._exchange(1)

    def stop(self, timeout: float) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.stop(timeout)
            self._state.set("stopped")

    def stats(self, timeout: float) -> Json | None:
        with self._lock:
            child = self._child
        return child.stats(timeout) if child is not None else None

    def log(self) -> list[str]:
        return self._log.texts()

    def state(self) -> Json:
        return self._state.get()

    def _exchange(self, restarts: int) -> None:
        # Of two exchanges at a time the later one stops the earlier one's child, started or not.
        child = _AgentProcess(hear=lambda event: self._hear(child, event))
        with self._lock:
            before, self._child = self._child, child
        if before is not None:
            before.stop(_STOPS_WITHIN)
        self._state.set("starting", restarts=restarts)
        child.start(self._order)

    def _hear(self, child: _AgentProcess, event: Json) -> None:
        with self._lock:
            if child is not self._child:
                return
        kind, text = event["event"], event.get("text")
        if kind == "log":
            self._log.add(str(text))
        elif kind == "exited":
            # A failure that was told before is why it ended; the error of a handler is not.
            before = self._state.get()
            told = before["problem"] if before["state"] == "failed" else None
            self._state.set("failed", told or _end_of(event["code"]))
        else:
            self._state.set(_STATES.get(kind), text)


def _end_of(code: int) -> str:
    if code >= 0:
        return f"The agent's process ended with exit code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"The agent's process was killed by {name}."


class _AgentProcess:
    """One process. It is started at most once, and stopped for good.

    Args:
        hear: called with every event of the process, on a thread of its own; the last one is "exited".
    """

    def __init__(self, *, hear: Callable[[Json], None]) -> None:
        self._hear = hear
        self._lock = threading.Lock()  # guards the start against the stop, and the order of what is asked
        self._over = False
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: FileIO | None = None
        self._reader: threading.Thread | None = None
        self._stats: queue.SimpleQueue[Json] = queue.SimpleQueue()

    def start(self, order: Json) -> None:
        with self._lock:
            if self._over:
                return
            their_orders, our_orders = os.pipe()
            our_news, their_news = os.pipe()
            command = [sys.executable, "-m", "arinova_agent_sync.playground.child_main"]
            try:
                self._process = subprocess.Popen(
                    [*command, str(their_orders), str(their_news)], pass_fds=(their_orders, their_news)
                )
            except BaseException:
                os.close(our_orders)
                os.close(our_news)
                raise
            finally:
                os.close(their_orders)
                os.close(their_news)
            os.set_blocking(our_orders, False)  # a process that hangs reads nothing
            self._orders = open(our_orders, "wb", buffering=0)  # noqa: SIM115 - stop() closes it
            news = open(our_news, encoding="utf-8")  # noqa: SIM115 - the thread closes it
            self._reader = threading.Thread(
                target=self._read, args=(self._process, news), name="arinova-playground-child", daemon=True
            )
            self._reader.start()
            self._ask(order)

    def stop(self, timeout: float) -> None:
        with self._lock:
            self._over = True
            if self._orders is not None:
                self._orders.close()
        if self._process is None or self._reader is None:
            return
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(_KILLED_WITHIN)

    def stats(self, timeout: float) -> Json | None:
        with self._lock:
            if self._over or self._orders is None:
                return None
            self._ask({"ask": "stats"})
        try:
            stats = self._stats.get(timeout=timeout)
            while not self._stats.empty():  # an answer that came too late for who asked
                stats = self._stats.get_nowait()
        except queue.Empty:
            return None
        return stats

    def _ask(self, question: Json) -> None:
        if self._orders is None:
            return
        try:
            self._orders.write(json.dumps(question).encode() + b"\n")
        except OSError:
            pass  # it has ended, which the reader tells

    def _read(self, process: subprocess.Popen[bytes], news: IO[str]) -> None:
        with news:
            for line in news:
                event: dict[str, Any] = json.loads(line)
                if event["event"] == "stats":
                    self._stats.put(event["stats"])
                else:
                    self._hear(event)
        self._hear({"event": "exited", "code": process.wait()})
