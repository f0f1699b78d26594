"""Which function answers a request: routes by method and path. Filled at import, only read afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .exchange import Answer, Request

if TYPE_CHECKING:
    from .desk import Desk

Handler = Callable[["Desk", Request], "Answer | Awaitable[Answer]"]


@dataclass(frozen=True)
class Route:
    """Describe one route.

    Attributes:
        handler: answers it.
        august: the March 2026 server does not have it.
        etag: the August 2026 server marks its answers, and sends none that the client has.
        public: it asks for no token.
        legacy: it takes tokens of any form.
        upload: its body may be as large as a file.
    """

    handler: Handler
    august: bool = False
    etag: bool = False
    public: bool = False
    legacy: bool = False
    upload: bool = False


@dataclass
class _Step:
    """What may follow a part of a path."""

    named: dict[str, _Step] = field(default_factory=dict)
    any: _Step | None = None
    routes: dict[str, Route] = field(default_factory=dict)  # by method


class Router:
    """Find routes.

    Args:
        august: whether the routes of August 2026 are there.
    """

    def __init__(self, august: bool) -> None:
        self._august = august
        self._root = _Step()

    def add(self, method: str, path: str, route: Route) -> None:
        """Add a route; ``{...}`` stands for any one part of the path."""
        if route.august and not self._august:
            return
        step = self._root
        for part in path.strip("/").split("/"):
            if part.startswith("{"):
                step.any = step.any or _Step()
                step = step.any
            else:
                step = step.named.setdefault(part, _Step())
        step.routes[method] = route

    def find(self, method: str, raw_path: bytes) -> tuple[Route | None, Sequence[str], Sequence[str]]:
        """Return the route, what stood in its braces, and, if only the method is wrong, the right methods."""
        parts = raw_path.decode("latin-1").removeprefix("/").split("/")
        found: list[str] = []
        step = self._walk(self._root, parts, 0, found)
        if step is None:
            return None, (), ()
        route = step.routes.get("GET" if method == "HEAD" else method)
        return (route, found, ()) if route is not None else (None, (), sorted(step.routes))

    def _walk(self, step: _Step, parts: Sequence[str], place: int, found: list[str]) -> _Step | None:
        if place == len(parts):
            return step if step.routes else None
        part = parts[place]
        following = step.named.get(part)
        if following is not None and (end := self._walk(following, parts, place + 1, found)) is not None:
            return end
        if step.any is None or not part:
            return None
        found.append(unquote(part))
        end = self._walk(step.any, parts, place + 1, found)
        if end is None:
            found.pop()
        return end


class Routes:
    """Collect the routes of one file, as decorators above their handlers.

    Args:
        prefixes: what the paths begin with; each route is there under all of them.
        legacy: whether tokens of any form are taken.
    """

    def __init__(self, *prefixes: str, legacy: bool = False) -> None:
        self._prefixes = prefixes or ("/api/v1",)
        self._legacy = legacy
        self._collected: list[tuple[str, str, Route]] = []

    def __call__(
        self,
        line: str,
        *,
        august: bool = False,
        etag: bool = False,
        public: bool = False,
        upload: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Let a function answer a route, such as ``"GET /notes/{note_id}"``."""
        method, path = line.split()

        def collect(handler: Handler) -> Handler:
            for prefix in self._prefixes:
                legacy = self._legacy or prefix.startswith("/api/agent")
                route = Route(handler, august, etag, public, legacy, upload)
                self._collected.append((method, prefix + path, route))
            return handler

        return collect

    def enter(self, router: Router) -> None:
        """Add what was collected to a router."""
        for method, path, route in self._collected:
            router.add(method, path, route)
