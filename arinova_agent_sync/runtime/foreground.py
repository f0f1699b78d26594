"""run(): agents in the foreground until a signal or their end."""

from __future__ import annotations

import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

from ..log import logger
from ..net.deadline import Deadline
from .engine import Engine
from .systemd import Systemd

_LEAVING = 1.0  # seconds after a second signal


class Events:
    """Signals and other events, such as ended engines, for a thread that waits for them.

    A signal that comes just before a wait on a lock begins would not end that wait, and on Windows no signal
    does. A socket that the interpreter itself writes to when there is a signal has neither fault.
    """

    def __init__(self) -> None:
        # A signal handler may run between any two steps of the main thread, so it must take no lock: putting
        # something into a SimpleQueue is documented as safe there.
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._ear, self.bell = socket.socketpair()
        self.bell.setblocking(False)

    def put(self, event: object) -> None:
        self._queue.put(event)
        try:
            self.bell.send(b"!")
        except OSError:
            pass  # it rings already, or run() is over

    def get(self, timeout: float | None) -> object:
        self._ear.settimeout(timeout)
        while True:
            try:
                return self._queue.get_nowait()
            except queue.Empty:
                pass
            try:
                self._ear.recv(4096)
            except TimeoutError:
                return None

    def close(self) -> None:
        self._ear.close()
        self.bell.close()


def run(starts: Sequence[Callable[[], Engine]], shutdown_timeout: float) -> int:
    """Start agents and block until all have ended; raise what stopped the first that failed.

    In the main thread SIGINT and SIGTERM are taken: the first lets handlers finish for shutdown_timeout seconds,
    the second leaves now. The handlers of the signals are put back afterwards. systemd is told if it asks for it.

    Returns how many signals came.
    """
    engines: list[Engine] = []
    service = Systemd()
    with _speaking(), closing(service), closing(Events()) as events, signals_to(events):
        try:
            for start in starts:
                engine = start()
                engines.append(engine)
                engine.shutdown.on_ended(partial(events.put, engine))
            service.watch(engines)
            signals = _watch(events, engines, shutdown_timeout, service)
        finally:
            for engine in engines:
                engine.shutdown.stop(0.0)
            leaving = Deadline(_LEAVING)
            for engine in engines:
                engine.shutdown.wait(leaving.left())
                engine.join(leaving)
    for engine in engines:
        if engine.state.failure is not None:
            raise engine.state.failure
    return signals


def _watch(events: Events, engines: Sequence[Engine], shutdown_timeout: float, service: Systemd) -> int:
    alive = set(engines)
    signals = 0
    while alive:
        event = events.get(None if signals < 2 else _LEAVING)
        if event is None:
            break
        said = ""
        if isinstance(event, Engine):
            alive.discard(event)
            if event.state.failure is None:
                continue
            timeout = shutdown_timeout
        else:
            signals += 1
            timeout = shutdown_timeout if signals == 1 else 0.0
            said = _said_to_signal(alive, signals)
        for engine in alive:
            engine.shutdown.stop(timeout)
        service.stopping()
        if said:
            logger.notice(said)
    return signals


def _said_to_signal(engines: Iterable[Engine], signals: int) -> str:
    """Return what a signal does; to be asked before it does."""
    if signals > 1:
        return "leaving now"
    answers = sum(engine.state.open_tasks() for engine in engines)
    if answers:
        return f"finishing {answers} answer{'' if answers == 1 else 's'}; Ctrl-C again to leave"
    return "stopping; Ctrl-C again to leave now"


@contextmanager
def _speaking() -> Iterator[None]:
    """Have somebody who watches the terminal told that the agent is connected, and what Ctrl-C does."""
    before, logger.speaks = logger.speaks, True
    try:
        yield
    finally:
        logger.speaks = before


def _in_main_thread() -> bool:
    """Tell whether this is the main thread; not so in a green thread of gevent or eventlet that runs inside it."""
    here = threading.current_thread()
    # A program that eventlet patched has two objects for its main thread, of two classes of one name.
    return here is threading.main_thread() or type(here).__name__ == "_MainThread"


@contextmanager
def signals_to(events: Events) -> Iterator[None]:
    """Put SIGINT and SIGTERM to the events, in the main thread; elsewhere do nothing.

    One that is ignored stays so: whoever started the program in a background wants it to.
    """
    if not _in_main_thread():
        yield
        return
    previous = {}
    previous_bell = signal.set_wakeup_fd(events.bell.fileno(), warn_on_full_buffer=False)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, lambda number, _: events.put(number))
        yield
    finally:
        for number, handler in previous.items():
            # None stands for a handler that was not set by Python and cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(previous_bell)
