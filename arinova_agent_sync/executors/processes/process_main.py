"""A process that runs handlers, one at a time, on its main thread.

Threads: the main thread loads and runs what the gateway asks for; ``arinova-gateway`` listens to the gateway, and
ends the process when that is gone; ``arinova-events`` writes text that came fast.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from types import ModuleType
from typing import Any, TextIO, cast

from ... import _internals
from ...agent import ArinovaAgent
from ...credentials import Credentials
from ...handlers import TaskHandler
from ...settings import ErrorText, check
from ...surroundings import Surrounding
from ..event_writer import EventWriter
from ..interruption import Interruption
from ..job import run_job
from ..loading import Loader, told
from ..protocol import CancelJob, JobEvent, SeamMessage, SettleCall, StartJob
from ..remote import RemoteTaskContext
from .naming import resolve
from .output import ForwardingStream, forward_logs
from .process_messages import AgentLoaded, Frames, LoadAgent, Named, StopWorker, decode_to_worker, framed


class LoadedAgent:
    """What answers the tasks of one agent here.

    Args:
        handlers: by command.
        surroundings: what runs around each of them.
        error_text: what users are shown when one raises.
        credentials: what the tasks' HTTP client uses.
    """

    def __init__(
        self,
        handlers: Mapping[str | None, TaskHandler],
        surroundings: Sequence[Surrounding],
        error_text: ErrorText,
        credentials: Credentials,
    ) -> None:
        self.handlers = handlers
        self.surroundings = surroundings
        self.error_text = error_text
        self.credentials = credentials


class Child:
    """Do what the gateway at the other end of a socket asks for.

    Args:
        sock: the connection; blocking.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.RLock()  # logging takes it in the midst of whatever a thread does
        self._work: SimpleQueue[LoadAgent | StartJob | StopWorker] = SimpleQueue()
        self._writer = EventWriter(self._send_all, lambda _: os._exit(0))
        self._interruption = Interruption()
        self._loader = Loader()
        self._agents: dict[int, LoadedAgent] = {}
        self._lock = threading.Lock()  # guards the next two
        self._context: RemoteTaskContext | None = None
        self._cancelled: set[str] = set()  # jobs that have not begun

    def run(self) -> None:
        """Work until the gateway says stop; if it goes without a word the process ends at once."""
        # Ctrl-C reaches a whole terminal and a stop a whole service: what ends us is the gateway. No SIG_IGN, which
        # programs that a handler starts would inherit.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self._interruption.install()
        self._loader.install()
        sys.stdout = cast(TextIO, ForwardingStream("stdout", sys.stdout, self._send))
        sys.stderr = cast(TextIO, ForwardingStream("stderr", sys.stderr, self._send))
        threading.Thread(target=self._listen, name="arinova-gateway", daemon=True).start()
        while not isinstance(message := self._work.get(), StopWorker):
            if isinstance(message, StartJob):
                self._run_job(message)
            else:
                self._send(AgentLoaded(message.agent, self._load(message)))

    # On the main thread

    def _run_job(self, job: StartJob) -> None:
        agent = self._agents[job.agent]
        if job.token != agent.credentials.token:
            agent.credentials.replace_token(job.token)
        context = RemoteTaskContext(job, self._writer, agent.credentials)
        with self._lock:
            self._context = context
            cancelled = job.job in self._cancelled
            self._cancelled.clear()  # those of jobs that were over when their cancel came
        if cancelled:
            context.cancel()
        run_job(
            context,
            handler=agent.handlers[job.command],
            surroundings=agent.surroundings,
            error_text=agent.error_text,
            interruption=self._interruption,
            flush=_flush,
        )
        with self._lock:
            self._context = None

    def _load(self, message: LoadAgent) -> str | None:
        """Load an agent's handlers; return why that failed."""
        forward_logs(self._send, message)
        try:
            modules = {
                source.module: self._loader.load(source.module, source.path, source.run_as)
                for source in message.sources
            }
            self._agents[message.agent] = self._loaded(message, modules)
        except BaseException as error:  # noqa: BLE001 - the gateway is told, whatever it is
            return told(error)
        finally:
            forward_logs(self._send, message)  # the file may have set up logging of its own
            _flush()
        return None

    def _loaded(self, message: LoadAgent, modules: Mapping[str, ModuleType]) -> LoadedAgent:
        agent = None if message.made_at is None else self._loader.agent_made_at(*message.made_at)
        options = {"server_url": message.server_url, "bot_token": message.token, "proxy": message.proxy}
        if agent is not None:
            _internals.redirect(agent, **options)
        if message.handlers is None:
            return _of_agent(agent, message)
        credentials = Credentials(check(options)) if agent is None else _internals.credentials_of(agent)
        handlers = {command: _found(modules, name) for command, name in message.handlers}
        surroundings = [_found(modules, name) for name in message.around]
        error_text: ErrorText
        if isinstance(message.error_text, Named):
            error_text = _found(modules, message.error_text)
        else:
            error_text = str if message.error_text is None else message.error_text
        return LoadedAgent(handlers, surroundings, error_text, credentials)

    # On the thread that listens

    def _listen(self) -> None:
        frames = Frames()
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except OSError:
                data = b""
            if not data:
                os._exit(0)  # the gateway is gone, and nobody else wants what runs here
            for frame in frames.feed(data):
                message = decode_to_worker(frame)
                if isinstance(message, (CancelJob, SettleCall)):
                    self._control(message)
                else:
                    self._work.put(message)

    def _control(self, message: CancelJob | SettleCall) -> None:
        with self._lock:
            context = self._context
            if context is None or context.job.job != message.job:
                if isinstance(message, CancelJob):
                    self._cancelled.add(message.job)
                return
        if isinstance(message, SettleCall):
            context.settle(message)
        else:
            context.cancel()
            self._interruption.interrupt(context)

    # On any thread

    def _send(self, message: SeamMessage) -> None:
        self._send_bytes(framed(message))

    def _send_all(self, events: Sequence[JobEvent]) -> None:
        self._send_bytes(b"".join(map(framed, events)))

    def _send_bytes(self, data: bytes) -> None:
        with self._sending:
            try:
                self._socket.sendall(data)
            except OSError:
                os._exit(0)  # as in _listen


def _found(modules: Mapping[str, ModuleType], name: Named) -> Any:
    return resolve(modules[name.module], name.name)


def _of_agent(agent: ArinovaAgent | None, message: LoadAgent) -> LoadedAgent:
    """Return the handlers of an agent that the user's file has made here as it did in the gateway."""
    if agent is None:
        module, line, _ = message.made_at or ("", 0, 0)
        raise LookupError(
            f"loading {module} again made no agent at line {line}: the agent must be made at the top level of its "
            'file, and not under the guard if __name__ == "__main__":, which is for what starts it'
        )
    table = _internals.handlers_of(agent)
    handlers = table.all()
    if missing := [command or "on_task" for command in message.commands if command not in handlers]:
        raise LookupError(f"loading the file again set no handler of {', '.join(missing)}")
    error_text, credentials = _internals.settings_of(agent).error_text, _internals.credentials_of(agent)
    return LoadedAgent(handlers, table.surroundings, error_text, credentials)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the handler's code may have put anything there
            stream.flush()


def main(descriptor: int) -> None:
    """Run handlers for the process at the other end of a socket."""
    Child(socket.socket(fileno=descriptor)).run()
