"""What the groups of routes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from ..pages import Page, Pages, Position, by_offset
from ..responses import ApiResponse
from ..transport import Timeout, Transport
from ..values import JSONObject, Parameter

T = TypeVar("T")

AUGUST = "August 2026"
UNLISTED = " and lists none with this id"


class Resource:
    """A group of routes of one client. Thread-safe."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _offset_pages(
        self,
        path: str,
        items: Callable[[ApiResponse], list[T]],
        *,
        params: Mapping[str, Parameter],
        limit: int | None,
        offset: int | None,
        timeout: Timeout,
        since: str | None = None,
    ) -> Pages[T]:
        """Return a list that limit and offset lead through."""
        start = {**params, "limit": limit, "offset": offset}

        def fetch(position: Position) -> Page[T]:
            answer = self._transport.json(
                "GET", path, params={**start, **position}, since=since, timeout=timeout
            )
            return page_of(answer, items(answer))

        return self._pages(fetch, by_offset(offset, limit), timeout)

    def _pages(
        self,
        fetch: Callable[[Position], Page[T]],
        following: Callable[[Page[T], Position], Position | None],
        timeout: Timeout,
        *,
        newest_first: bool = False,
    ) -> Pages[T]:
        self._transport.deadline(timeout)  # a wrong timeout is told here, not in the caller's loop
        return Pages(fetch, following, newest_first=newest_first)


def page_of(answer: ApiResponse, items: list[T]) -> Page[T]:
    """Return the page that an answer is, with what it says about the others."""
    told: JSONObject = answer.value if isinstance(answer.value, dict) else {}
    has_more, cursor, total = told.get("hasMore"), told.get("nextCursor"), told.get("total")
    return Page(
        items,
        has_more if isinstance(has_more, bool) else None,
        cursor if isinstance(cursor, str) and cursor else None,
        total if isinstance(total, int) and not isinstance(total, bool) else None,
    )
