"""Standing by: of a machine's processes that use one token, one is connected, and another takes its place.

Who holds the lock on a file has the turn, and loses it with its process, however that ends. The system tells nobody
that a lock is free, so whoever has the turn also keeps a named pipe open: its end is the end of the pipe, and that
wakes those who read from it. Where there are no such pipes, as on Windows, they have to ask from time to time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ..log import logger
from ..net.abortable_wait import AbortableWait
from ..net.forks import importing
from ..net.guarded_socket import Aborted
from ..settings import STANDBY_FOLDER_VARIABLE
from ..shadows import naming_shadows
from .state import LinkState

if TYPE_CHECKING:
    from .state import State

__all__ = ["LockFileError", "Standby"]

# Seconds, where nobody keeps the pipe open: the turn is being taken or left this moment, or there is no pipe.
_ASK_SOON, _ASK_AGAIN = 0.005, 0.25
_SHARED_FOLDER = "/run/lock"  # systemd gives a service a /tmp of its own, but no /run/lock
_MODE = 0o600


class LockFileError(OSError):
    """The file that the processes of one token share cannot be made or locked; ``filename`` says which one."""


class Standby:
    """The turn to be connected, among the processes of this machine. Thread-safe.

    Args:
        state: the agent's state; without ``standby`` in its settings it is always this process's turn.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._path: Path | None = None
        self._lock_descriptor: Callable[..., bool] | None = None
        self._lock = self._pipe = self._end_of_pipe = -1  # descriptors; the last one is for waiting
        self._has_turn = False
        self._wait: AbortableWait | None = None

    def open(self, server_url: str, token: str) -> None:
        """Make the files, whose names follow from the server and the token, and take the turn if it is free.

        Raises LockFileError.
        """
        if not self._state.settings.standby:
            return
        with importing():
            from filelock import lock_descriptor

        self._lock_descriptor = lock_descriptor
        name = sha256(f"{server_url}\0{token}".encode()).hexdigest()[:32]
        self._path = path = _folder() / f"arinova-agent-{name}.lock"
        with _naming(path):
            with importing():  # a fork would leave the child a descriptor that nobody knows of
                self._lock = _opened(path)
            if hasattr(os, "mkfifo") and not self._pipe_path.exists():
                _make_pipe(self._pipe_path)
        self._take()

    def wait_turn(self) -> bool:
        """Block until it is this process's turn; return False if the agent stops first.

        Raises LockFileError.
        """
        if self._take():
            return True
        try:
            with AbortableWait() as wait:
                self._wait = wait
                if not self._stand_by():
                    return False
                pause = _ASK_SOON
                while not self._take():
                    pause = self._wait_for_end(wait, pause)
        except Aborted:
            with self._state.lock:
                self._state.link_state = LinkState.DOWN
            return False
        with self._state.lock:
            self._state.link_state = LinkState.DOWN
            self._state.waiting_since = self._state.clock()
        logger.notice("the process that was connected has ended; this one takes its place")
        return True

    def wake(self) -> None:
        """Have ``wait_turn`` return, since the agent stops."""
        if self._wait is not None:
            self._wait.abort()

    def release(self) -> None:
        """Let the next process have its turn, and close everything."""
        if self._has_turn:
            from filelock import unlock_descriptor

            # Closing is not enough where a child has a copy that it does not know of.
            unlock_descriptor(self._lock)
        self.abandon()

    def abandon(self) -> None:
        """Close everything, in a forked child too, whose copy of the lock is the parent's and is not unlocked."""
        self._has_turn = False
        # The lock goes first, so that whoever the end of the pipe wakes finds it free.
        descriptors = self._lock, self._pipe, self._end_of_pipe
        self._lock = self._pipe = self._end_of_pipe = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    @property
    def _pipe_path(self) -> Path:
        assert self._path is not None
        return self._path.with_suffix(".pipe")

    def _take(self) -> bool:
        """Take the turn, unless another process has it; tell whether it is this one's."""
        if self._path is None or self._lock_descriptor is None or self._has_turn:
            return True
        with _naming(self._path), importing():
            while self._lock_descriptor(self._lock, blocking=False):
                if _is_at(self._path, self._lock):
                    self._has_turn = True
                    self._pipe = _kept_open(self._pipe_path)
                    return True
                # Somebody has removed the file, and others may have locked another one in its place.
                removed, self._lock = self._lock, -1
                os.close(removed)
                self._lock = _opened(self._path)
        return False

    def _stand_by(self) -> bool:
        """Say that this process waits; return False if it is not to."""
        with self._state.lock:
            if self._state.stopping:
                return False
            self._state.link_state = LinkState.STANDBY
            self._state.waiting_since = None
            self._state.changes.notify_all()
        logger.notice("standing by: another process of this machine is connected with this token")
        return True

    def _wait_for_end(self, wait: AbortableWait, pause: float) -> float:
        """Block until the process that has the turn ends; raise Aborted if the agent stops first.

        Args:
            wait: what the agent's end wakes.
            pause: seconds to wait where the end cannot be seen.

        Returns the seconds for the next time.
        """
        with importing():
            self._end_of_pipe = pipe = _opened_for_reading(self._pipe_path)
        if pipe < 0 or not _is_kept_open(pipe):
            wait.wait(pause)
            pause = min(2 * pause, _ASK_AGAIN)
        else:
            wait.watch_pipe(pipe)
            wait.wait(None)
            wait.release(pipe)
            pause = _ASK_SOON
        self._end_of_pipe = -1
        if pipe >= 0:
            os.close(pipe)
        return pause


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have errors say what is wanted of the file."""
    try:
        yield
    except OSError as error:
        raise LockFileError(
            error.errno,
            f"standby=True needs a lock file ({error.strerror}); {STANDBY_FOLDER_VARIABLE} may name a folder "
            "for it that all processes with this token can write to",
            str(path),
        ) from error


def _folder() -> Path:
    if named := os.environ.get(STANDBY_FOLDER_VARIABLE):
        return Path(named)
    if os.access(_SHARED_FOLDER, os.W_OK | os.X_OK):
        return Path(_SHARED_FOLDER)
    with importing(), naming_shadows():
        import tempfile  # here: it imports random, which a program may have a file of its own for

    return Path(tempfile.gettempdir())


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), _MODE)


def _make_pipe(path: Path) -> None:
    try:
        os.mkfifo(path, _MODE)
    except OSError as error:  # another process was quicker, or the file system has no pipes
        logger.debug("there is no pipe at %s: %s", path, error)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _kept_open(path: Path) -> int:
    try:
        # For reading as well, or it waits for somebody who reads.
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except (AttributeError, OSError):  # there is none: the others ask from time to time
        return -1


def _opened_for_reading(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (AttributeError, OSError):
        return -1


def _is_kept_open(pipe: int) -> bool:
    """Tell whether somebody could write to a pipe; nobody ever does."""
    try:
        return os.read(pipe, 1) != b""
    except BlockingIOError:
        return True
