"""Lists that come in pages: an iterator over the items that fetches as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .values import Parameter

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Position = Mapping[str, Parameter]  # the parameters that lead to a page; empty for the first one


@dataclass(frozen=True)
class Page(Generic[T_co]):
    """One page.

    Attributes:
        items: the items, in the server's order.
        has_more: whether there are more pages; None if the server does not say.
        next_cursor: the server's name for the next page, if it gave one.
        total: how many items there are in all, if the server said so.
    """

    items: Sequence[T_co]
    has_more: bool | None = None
    next_cursor: str | None = None
    total: int | None = None


class Pages(Generic[T]):
    """All items of a list, fetched page by page while you iterate; nothing is asked before.

    An item that the server sends twice is given once. Each loop starts with the first page again.

        for note in client.notes.list():
            print(note.title)
    """

    def __init__(
        self,
        fetch: Callable[[Position], Page[T]],
        following: Callable[[Page[T], Position], Position | None],
        *,
        newest_first: bool = False,
    ) -> None:
        self._fetch = fetch
        self._following = following
        self._newest_first = newest_first
        self._first: Page[T] | None = None

    @property
    def page(self) -> Page[T]:
        """The first page alone; it is kept until a loop has begun with it."""
        if self._first is None:
            self._first = self._fetch({})
        return self._first

    def pages(self) -> Iterator[Page[T]]:
        """Yield page after page, each as the server sent it."""
        position: Position | None = {}
        page, self._first = self._first, None
        while position is not None:
            if page is None:
                page = self._fetch(position)
            yield page
            position = self._following(page, position)
            page = None

    def __iter__(self) -> Iterator[T]:
        seen: set[object] = set()
        for page in self.pages():
            known = len(seen)
            for item in reversed(page.items) if self._newest_first else page.items:
                mark = identity(item)
                if mark not in seen:
                    seen.add(mark)
                    yield item
            if len(seen) == known:
                return  # the end, or a server that knows no pages and sends everything each time


def identity(item: object) -> object:
    """Return what tells an item from the others."""
    for name in ("id", "message_id"):
        if (value := getattr(item, name, None)) is not None:
            return value
    if isinstance(item, dict) and isinstance(item.get("id"), str):
        return item["id"]
    return repr(item)


def by_cursor(
    name: str, last: Callable[[Page[T]], str | None]
) -> Callable[[Page[T], Position], Position | None]:
    """Follow cursors under a parameter's name: the server's own, else the id that ``last`` finds in the page."""

    def following(page: Page[T], _: Position) -> Position | None:
        if page.has_more is False or not page.items:
            return None
        if page.has_more is None and page.next_cursor is None:
            return None
        cursor = page.next_cursor or last(page)
        return None if cursor is None else {name: cursor}

    return following


def by_offset(start: int | None, limit: int | None) -> Callable[[Page[object], Position], Position | None]:
    """Follow offsets. A server that does not say where its list ends is asked until a page brings nothing new."""

    def following(page: Page[object], position: Position) -> Position | None:
        size = len(page.items)
        if not size or page.has_more is False:
            return None
        offset = position.get("offset", start or 0)
        assert isinstance(offset, int)
        reached = offset + size
        if page.total is not None and reached >= page.total:
            return None
        # More than was asked for: the March 2026 server knows neither limit nor offset on some lists. Less
        # proves nothing, since servers cut the limit to one of their own.
        if limit is not None and size > limit:
            return None
        return {"offset": reached}

    return following


def by_number(start: int | None) -> Callable[[Page[object], Position], Position | None]:
    """Follow page numbers, of which the first is 1."""

    def following(page: Page[object], position: Position) -> Position | None:
        number = position.get("page", start or 1)
        assert isinstance(number, int)
        if not page.items or page.has_more is False:
            return None
        return {"page": number + 1}

    return following
