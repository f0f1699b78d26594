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
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from .actions import Calls
from .agent_frames import Incoming
from .chat import Chat
from .faults import FaultBoard, Injection, Peer
from .framelog import FrameLog
from .records import ActionCalled, AgentAccount, Change, Changed, Deliver, Task, to_nobody
from .replies import LocalReply
from .rest import past
from .rest.store import Store
from .rules import Rules
from .threads import EventLoop, Waiting

logger = logging.getLogger("arinova_agent_sync.local")


class Hub:
    """Connect users' threads, the chat and the agents' sockets.

    Args:
        rules: how the server behaves.
        skills: what is installed for every agent.
        max_frames: how many frames are kept.
        store: the database. If it is a file, the chat is kept there for the next run, and what an earlier run
            left there is taken over.
    """

    def __init__(
        self, rules: Rules, skills: Sequence[Mapping[str, Any]], max_frames: int, store: Store
    ) -> None:
        self.lock = threading.RLock()
        self.store = store
        self._journal: list[Change] = []
        self._keeping = False  # whether the event loop will write the journal down anyway
        write_down = to_nobody if store.path is None else self._journal.append
        self.chat = Chat(rules, skills=skills, write_down=write_down)
        past.recall(store, self.chat)
        self.incoming = Incoming(self.chat)
        self.calls = Calls(self.lock)
        self.waiting = Waiting(self.lock)
        self.log = FrameLog(self.waiting, max_frames)
        self.loop = EventLoop(self.lock)
        self.sockets: dict[int, Peer] = {}
        self.board = FaultBoard(self.lock, self.loop, self.sockets)
        self._replies: dict[str, LocalReply] = {}
        self._last_number = 0
        self._expiry: asyncio.TimerHandle | None = None

    # Life

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take over the event loop; called on its thread."""
        with self.lock:
            self.loop.attach(loop)
            self.chat.recover()
            self.waiting.open()
        self.keep()

    def end(self, timeout: float) -> list[str]:
        """Fail what is open and wake everyone who waits, once the event loop is gone.

        Returns the names of the actions' threads that did not end in so many seconds.
        """
        with self.turn() as chat:
            chat.halt()
            self._expiry, self._keeping = None, False
            self.waiting.close()
        self.keep()
        return self.calls.join(timeout)

    def keep(self) -> None:
        """Write down what has happened in the chat since the last time.

        For one thread at a time, which does not hold the lock: the event loop's while there is one.
        """
        with self.lock:
            self._keeping = False
            changes = list(self._journal)
        if not changes:
            return
        try:
            past.keep(self.store, changes)
        except (sqlite3.Error, RuntimeError) as error:
            logger.error("Cannot write to %s, and try again later: %s", self.store.path, error)
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
            if task.id not in self._replies:
                self._replies[task.id] = LocalReply(task, self.waiting, self._cancel)
            return self._replies[task.id]

    def forget(self) -> None:
        """Drop every answer that has ended, with its messages and frames."""
        with self.turn() as chat:
            chat.forget()
            self._replies = {
                task_id: self._replies[task_id] for task_id in chat.tasks if task_id in self._replies
            }
            self.calls.forget()
            self.log.clear()

    def ask(self, account: AgentAccount, payload: Mapping[str, Any]) -> LocalReply:
        """Give an agent a task with keys of one's own.

        Raises TypeError for a ``taskId`` that is no text, ValueError for one that was used.
        """
        task_id = payload.get("taskId")
        if task_id is not None and not isinstance(task_id, str):
            raise TypeError(f"taskId must be a str, not {type(task_id).__name__}; see send_frame()")
        with self.turn() as chat:
            if task_id in chat.tasks:
                raise ValueError(f"the taskId {task_id!r} was used before; see send_frame()")
            return self.reply(chat.ask(account, payload, task_id))

    def ask_early(self, account: AgentAccount, early: Injection) -> None:
        """Let the owner say something to an agent that is not welcomed yet."""
        with self.turn() as chat:
            conversation = chat.open_conversation("h2a", [account])
            tasks = chat.say(conversation, early.parameters["content"])
            early.replies += [self.reply(task) for task in tasks]

    def _carry_out(self) -> None:
        for effect in self.chat.take():
            match effect:
                case Deliver(connection=connection, frame=frame):
                    self.post(cast(Peer, connection).deliver, frame)
                case Changed(key=key):
                    self.waiting.ring(key)
                case ActionCalled(connection=connection, agent=agent, frame=frame):
                    send = partial(self.post, cast(Peer, connection).deliver)
                    self.calls.perform(agent.agent_id, frame, send)
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

    def _cancel(self, task: Task) -> bool:
        with self.turn() as chat:
            return chat.cancel(task)

    # Waiting, and the event loop

    @property
    def running(self) -> bool:
        """Whether the server serves."""
        return self.waiting.running

    def post(self, function: Callable[..., object], *arguments: object) -> bool:
        """Let the event loop call a function; return False if there is none."""
        return self.loop.post(function, *arguments)

    def wait_connected(self, agent: AgentAccount, timeout: float, times: int = 1) -> None:
        """Wait until an agent is connected and has authenticated so often; raise TimeoutError if it does not."""
        roster = self.chat.roster

        def look() -> bool | None:
            often = roster.authentications.get(agent.agent_id, 0) >= times
            return (often and agent.agent_id in roster.connections) or None

        often = "" if times == 1 else f" {times} times"
        self.waiting.wait(
            agent.agent_id, look, timeout, lambda: f"the agent {agent.name!r} did not connect{often}"
        )

    def wait_disconnected(self, agent: AgentAccount, timeout: float) -> None:
        """Wait until an agent is not connected; raise TimeoutError if it still is."""
        connections = self.chat.roster.connections
        self.waiting.wait(
            agent.agent_id,
            lambda: agent.agent_id not in connections or None,
            timeout,
            lambda: f"the agent {agent.name!r} did not disconnect",
        )

    # Connections; called on the event loop's thread

    def entered(self, peer: Peer) -> int:
        """Keep a connection that asks for the agents' path; return its number."""
        with self.lock:
            self._last_number += 1
            self.sockets[self._last_number] = peer
            return self._last_number

    def drop_all(self) -> None:
        """End every connection."""
        for peer in list(self.sockets.values()):
            peer.drop()

    def gone(self, peer: Peer) -> None:
        """Forget a connection that ended."""
        with self.turn() as chat:
            del self.sockets[peer.number]
            chat.disconnect(peer)
            if peer.agent_id is not None:
                self.waiting.ring(peer.agent_id)
