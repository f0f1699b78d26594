"""What all threads of a server share: one lock, the chat behind it, and the way from its wishes to the wires.

The lock guards the chat, the faults and the set of connections, and is held for memory operations only.
Methods take it themselves, so any thread may call them, unless their first line says otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from .agent_frames import Incoming
from .agent_socket import AgentSocket
from .calls import Calls
from .chat import Chat
from .fault_board import FaultBoard, Injection
from .faults import EarlyTask, HalfOpen, SlowReads
from .framelog import FrameLog
from .records import ActionCalled, AgentAccount, Change, Deliver, Frame, Task, Told, Touched
from .replies import LocalReply
from .rest import past
from .rest.store import Store
from .rules import Rules
from .wire import Wire

logger = logging.getLogger("arinova_agent_sync.local")

R = TypeVar("R")

_LOOP_ANSWERS_WITHIN = 10.0  # seconds; far more than a turn of the event loop takes


class Hub:
    """Connect users' threads, the chat and the agents' sockets.

    Args:
        rules: how the server behaves.
        skills: what is installed for every agent.
        log: where frames are kept.
        store: where the chat is kept for the next run, None for nowhere; what an earlier run left there is
            taken over.
    """

    def __init__(
        self,
        rules: Rules,
        skills: Sequence[Mapping[str, Any]],
        log: FrameLog,
        store: Store | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self._store = store
        self._journal: list[Change] = []
        self._keeping = False  # whether the event loop will write the journal down anyway
        self.chat = Chat(rules, skills=skills, journal=None if store is None else self._journal)
        if store is not None:
            past.recall(store, self.chat)
        self.incoming = Incoming(self.chat)
        self.board = FaultBoard(self)
        self.log = log
        self.sockets: dict[int, AgentSocket] = {}
        self.calls = Calls(self.lock)
        self.running = False
        self._replies: dict[str, LocalReply] = {}
        self._bells: dict[object, threading.Condition] = {}  # those that someone waits for
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._last_number = 0
        self._expiry: asyncio.TimerHandle | None = None

    # Life

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take over the event loop; called on its thread."""
        with self.lock:
            self._loop, self._loop_thread = loop, threading.get_ident()
            self.running = True
            self.log.open()
        self.keep()

    def leave_loop(self) -> None:
        """Let go of the event loop before it closes; called on its thread."""
        with self.lock:
            self._loop = None

    def end(self, timeout: float) -> list[str]:
        """Fail what is open and wake everyone who waits, once the event loop is gone.

        Args:
            timeout: seconds for the functions of actions that still run.

        Returns the names of the threads that did not end.
        """
        with self.turn() as chat:
            chat.restart()
            self._expiry, self._keeping, self.running = None, False, False
            self.log.close()
            for bell in self._bells.values():
                bell.notify_all()
        self.keep()
        return self.calls.join(timeout)

    def keep(self) -> None:
        """Write down what has happened in the chat since the last time.

        For one thread at a time, which does not hold the lock: the event loop's while there is one.
        """
        with self.lock:
            self._keeping = False
            changes = list(self._journal)
        if self._store is None or not changes:
            return
        try:
            past.keep(self._store, changes)
        except (sqlite3.Error, RuntimeError) as error:
            logger.error("Cannot write to %s, and try again later: %s", self._store.path, error)
            return
        with self.lock:
            del self._journal[: len(changes)]

    # The chat

    @contextmanager
    def turn(self) -> Iterator[Chat]:
        """Hold the lock over changes of the chat, then do what it wants."""
        with self.lock:
            try:
                yield self.chat
            finally:
                self._carry_out()

    def reply(self, task: Task) -> LocalReply:
        """Return what users hold of a task; always the same object for one task."""
        with self.lock:
            found = self._replies.get(task.id)
            if found is None:
                found = self._replies[task.id] = LocalReply(self, task)
            return found

    def forget(self) -> None:
        """Drop every answer that has ended, with its messages and frames."""
        with self.turn() as chat:
            chat.forget()
            self._replies = {
                task_id: self._replies[task_id] for task_id in chat.tasks if task_id in self._replies
            }
            self.calls.forget()
            self.log.clear()

    def ask_early(self, account: AgentAccount, fault: EarlyTask, injection: Injection) -> None:
        """Let the owner say something to an agent that is not welcomed yet."""
        with self.turn() as chat:
            conversation = chat.open_conversation("h2a", [account])
            injection.replies += [self.reply(task) for task in chat.say(conversation, fault.content)]

    def _carry_out(self) -> None:
        for effect in self.chat.take():
            match effect:
                case Deliver(connection=connection, frame=frame):
                    self.post(cast(AgentSocket, connection).deliver, frame)
                case Touched(task=task):
                    self.ring(task.id)
                case Told(conversation=conversation):
                    self.ring(conversation.id)
                case ActionCalled(connection=connection, agent=agent, frame=frame):
                    self.calls.perform(agent.agent_id, frame, self._sender(cast(AgentSocket, connection)))
        if self._expiry is None and self.chat.pending:
            self.post(self._expire)
        if self._journal and not self._keeping:
            self._keeping = self.post(self.keep)

    def _expire(self) -> None:
        # Limits only ever move back, so one timer for the earliest is enough: it finds out itself what is
        # due.
        if self._expiry is not None and self._expiry.when() > asyncio.get_running_loop().time():
            return
        with self.turn() as chat:
            due = chat.expire()
            if due is None:
                self._expiry = None
                return
            delay = max(0.0, due - time.monotonic())
            self._expiry = asyncio.get_running_loop().call_later(delay, self._expire)

    def _sender(self, agent_socket: AgentSocket) -> Callable[[Frame], bool]:
        return lambda frame: self.post(agent_socket.deliver, frame)

    # Waiting

    def ring(self, key: object) -> None:
        """Wake those who wait for something about a task, a conversation or an agent, named by its id."""
        with self.lock:
            if (bell := self._bells.get(key)) is not None:
                bell.notify_all()

    def wait(self, key: object, look: Callable[[], R | None], timeout: float, what: Callable[[], str]) -> R:
        """Return the first thing that ``look`` finds; it looks again whenever the key rings.

        Args:
            key: the id of what is looked at.
            look: called under the lock; None means not yet.
            timeout: seconds.
            what: describes what was missed.

        Raises TimeoutError if the time is up, RuntimeError if the server stops meanwhile.
        """
        deadline = time.monotonic() + timeout
        with self.lock:
            bell = self._bells.setdefault(key, threading.Condition(self.lock))
            while (found := look()) is None:
                left = deadline - time.monotonic()
                if not self.running:
                    raise RuntimeError(f"the server is not running: {what()}")
                if left <= 0:
                    raise TimeoutError(f"{what()} within {timeout:g} s")
                bell.wait(left)
            return found

    def wait_connected(self, agent: AgentAccount, timeout: float, times: int = 1) -> None:
        """Wait until an agent is connected and has authenticated so often; raise TimeoutError if it does not."""
        roster = self.chat.roster

        def look() -> bool | None:
            often = roster.authentications.get(agent.agent_id, 0) >= times
            return (often and agent.agent_id in roster.connections) or None

        often = "" if times == 1 else f" {times} times"
        self.wait(agent.agent_id, look, timeout, lambda: f"the agent {agent.name!r} did not connect{often}")

    # The event loop

    def post(self, function: Callable[..., object], *arguments: object) -> bool:
        """Let the event loop call a function, after all that was posted before; return False if there is none."""
        with self.lock:
            if self._loop is None:
                return False
            if threading.get_ident() == self._loop_thread:
                self._loop.call_soon(function, *arguments)
            else:
                self._loop.call_soon_threadsafe(function, *arguments)
            return True

    def call(self, function: Callable[[], R]) -> R:
        """Let the event loop call a function and return what it returns; not for the loop's own thread.

        Raises RuntimeError if the server is not running.
        """
        done: Future[R] = Future()

        def run() -> None:
            try:
                done.set_result(function())
            except Exception as error:  # noqa: BLE001 - it belongs to the thread that asked
                done.set_exception(error)

        if not self.post(run):
            raise RuntimeError("the server is not running; call start() or use it as a context manager")
        return done.result(_LOOP_ANSWERS_WITHIN)

    # Connections; called on the event loop's thread

    def new_socket(self) -> AgentSocket:
        """Make the socket of a connection that asks for the agents' path."""
        with self.lock:
            self._last_number += 1
            agent_socket = self.sockets[self._last_number] = AgentSocket(self, self._last_number)
            return agent_socket

    def settle(self, wire: Wire) -> None:
        """Put a new connection under the faults that are on."""
        slow, frozen = self.board.find(SlowReads, None), self.board.find(HalfOpen, None)
        if slow is not None:
            wire.pace(slow.bytes_per_second)
        if frozen is not None and frozen.new:
            wire.freeze()

    def drop_all(self) -> None:
        """End every connection."""
        for agent_socket in list(self.sockets.values()):
            agent_socket.wire.drop()

    def gone(self, agent_socket: AgentSocket) -> None:
        """Forget a connection that ended."""
        with self.turn() as chat:
            del self.sockets[agent_socket.number]
            chat.disconnect(agent_socket)
            if agent_socket.agent_id is not None:
                self.ring(agent_socket.agent_id)
