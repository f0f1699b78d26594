"""The news of a server for those who show it: something about this task, conversation or agent is different."""

from __future__ import annotations

from collections.abc import Callable

from ..local import LocalServer

Listener = Callable[[object], None]


class Changes:
    """Tell listeners what changed on a server. Thread-safe.

    Args:
        server: it must not be started yet.

    A listener is called with the id of a task, a conversation or an agent, or with ``framelog.FRAMES``, on whatever
    thread made the change and while the server's lock is held: it may only note what it hears.
    """

    def __init__(self, server: LocalServer) -> None:
        self._listeners: tuple[Listener, ...] = ()
        server.hub.waiting.listen(self.tell)

    def tell(self, key: object) -> None:
        """Let every listener know that something changed."""
        for listener in self._listeners:
            listener(key)

    def listen(self, listener: Listener) -> None:
        """Call a function at every change from now on; only from the event loop's thread."""
        self._listeners = (*self._listeners, listener)

    def leave(self, listener: Listener) -> None:
        """Call a function no more; only from the event loop's thread."""
        self._listeners = tuple(each for each in self._listeners if each != listener)
