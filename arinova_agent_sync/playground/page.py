"""One open page: what it has to hear, as soon as it can take it, and what its user does there.

A page is sent the difference between what it knows and what is, whenever something changes and it has taken
what came before. So a slow page gets fewer and larger updates, and nothing piles up for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ..local.framelog import FRAMES
from .changes import Changes
from .room import Room, Told
from .timings import Json

logger = logging.getLogger("arinova_agent_sync.playground")

_PACE = 0.03  # seconds between two updates
_STATS_EVERY = 1.0  # seconds, while a page shows them
_STATS_WITHIN = 2.0  # seconds
_MOST = 200  # messages of a conversation that a page gets at first

TABS = ("frames", "timeline", "agent", "faults")
_ALL = object()


class LivePage:
    """Keep one browser tab up to date; everything but ``_hear`` runs on the event loop's thread.

    Args:
        websocket: accepted already.
        room: the chat that is shown.
        changes: tells when something is different.
        overview: returns the sections that are sent as a whole: agents, users, faults.
        stats: returns the counters of every agent, asked for within so many seconds; called on another thread.
        perform: does what the page asks for on behalf of its user and returns the answer; called on another thread.
            A ValueError, TypeError, RuntimeError or TimeoutError is told to the page.
    """

    def __init__(
        self,
        websocket: WebSocket,
        *,
        room: Room,
        changes: Changes,
        overview: Callable[[], Mapping[str, Any]],
        stats: Callable[[float], list[Json]],
        perform: Callable[[Json], Any],
    ) -> None:
        self._websocket = websocket
        self._room = room
        self._changes = changes
        self._overview = overview
        self._ask_stats = stats
        self._perform = perform
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._lock = threading.Lock()  # guards what other threads note, innermost of all locks
        self._changed: dict[str, None] = {}  # conversations, in order
        self._people = self._tasks = self._frames = True
        self._said: dict[str, Json] = {}  # the last value of every section that is sent as a whole
        self._told: Told | None = None
        self._tab = ""
        self._last_frame = 0
        self._next_stats = 0.0

    async def serve(self) -> None:
        """Serve the page until it goes."""
        self._changed = dict.fromkeys(self._room.conversation_ids())
        self._changes.listen(self._hear)
        self._wake.set()
        teller = asyncio.create_task(self._tell())
        try:
            await self._listen()
        finally:
            self._changes.leave(self._hear)
            teller.cancel()
            await asyncio.wait([teller])

    # What changed

    def _hear(self, key: object) -> None:
        # On any thread. What is noted between a look at the notes and the look at the chat is told once more,
        # which does no harm.
        conversation_id = self._room.conversation_of(key)
        with self._lock:
            if key is FRAMES:
                self._frames = True
            elif conversation_id is None:
                self._people = True
            else:
                self._tasks = True
                self._changed[conversation_id] = None
        if not self._wake.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _tell(self) -> None:
        try:
            while True:
                await self._next_change()
                self._wake.clear()
                update = await self._update()
                if update:
                    await self._send({"type": "update", **update})
                    await asyncio.sleep(_PACE)
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass  # the page has gone
        except Exception:
            logger.exception("A page of the playground could not be updated")
            await self._websocket.close(1011)

    async def _next_change(self) -> None:
        if self._tab != "agent":
            await self._wake.wait()
            return
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, self._next_stats - self._loop.time()))
        except (TimeoutError, asyncio.TimeoutError):
            pass  # it is time to ask for the stats

    async def _update(self) -> Json:
        update: Json = {}
        with self._lock:
            changed, self._changed = self._changed, {}
            people, self._people = self._people, False
            tasks, frames = self._tasks and self._tab == "timeline", self._frames and self._tab == "frames"
            self._tasks, self._frames = self._tasks and not tasks, self._frames and not frames
        if people:
            for section, value in self._overview().items():
                self._say(update, section, value)
        if changed:
            summaries = [self._room.summary(each) for each in changed]
            update["conversations"] = [each for each in summaries if each is not None]
        if self._told is not None and self._told.conversation_id in changed:
            update["conversation"] = self._room.news(self._told)
        if tasks:
            update["timeline"] = self._room.timeline()
        if frames:
            items, skipped, more = self._room.frames(self._last_frame)
            if items:
                self._last_frame = items[-1]["n"]
                update["frames"] = {"items": items, "skipped": skipped}
            if more:
                with self._lock:
                    self._frames = True
                self._wake.set()
        if self._tab == "agent" and self._loop.time() >= self._next_stats:
            stats = await asyncio.to_thread(self._ask_stats, _STATS_WITHIN)
            self._next_stats = self._loop.time() + _STATS_EVERY
            self._say(update, "stats", stats)
        return update

    def _say(self, update: Json, section: str, value: Any) -> None:
        if self._said.get(section, _ALL) != value:
            self._said[section] = update[section] = value

    async def _send(self, message: Json) -> None:
        try:
            text = msgspec.json.encode(message).decode()
        except UnicodeEncodeError:  # half a surrogate pair, which a text may hold
            text = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace").decode()
        await self._websocket.send_text(text)

    # What the user does

    async def _listen(self) -> None:
        try:
            while True:
                request = await self._websocket.receive_text()
                try:
                    asked = json.loads(request)
                    if not isinstance(asked, dict):
                        raise ValueError("an object is expected")
                except (ValueError, RecursionError):
                    await self._websocket.close(1003)
                    return
                await self._answer(asked)
        except (WebSocketDisconnect, KeyError):  # KeyError: a binary message has no text
            if self._websocket.client_state is WebSocketState.CONNECTED:
                await self._websocket.close(1003)

    async def _answer(self, asked: Json) -> None:
        answer: Json = {"type": "answer", "id": asked.get("id")}
        try:
            answer["value"] = await self._do(asked)
        except (ValueError, TypeError, RuntimeError, TimeoutError) as problem:
            answer["error"] = str(problem)
        self._wake.set()
        try:
            await self._send(answer)
        except RuntimeError:
            pass  # the page has gone

    async def _do(self, asked: Json) -> Any:
        match asked.get("do"):
            case "open":
                return self._open(text_in(asked, "conversation"), asked.get("most", _MOST))
            case "tab":
                return self._open_tab(asked.get("name"))
            case "frame":
                number = asked.get("number")
                return self._room.frame(number) if isinstance(number, int) else None
            case _:
                return await asyncio.to_thread(self._perform, asked)

    def _open(self, conversation_id: str, most: object) -> Json:
        told = Told(conversation_id, most if isinstance(most, int) and most > 0 else _MOST)
        news = self._room.news(told)
        if news is None:
            raise ValueError("unknown conversation")
        self._told = told
        return news

    def _open_tab(self, name: object) -> None:
        self._tab = name if isinstance(name, str) and name in TABS else ""
        with self._lock:
            self._tasks = self._frames = True
        self._next_stats = 0.0
        self._said.pop("stats", None)


def text_in(asked: Json, name: str, empty: bool = False) -> str:
    """Return a text that a page sent along; raise ValueError if it is missing."""
    value = asked.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{name} is missing")
    return value


def texts_in(asked: Json, name: str) -> list[str]:
    """Return a list of texts that a page sent along, empty by default; raise ValueError for anything else."""
    value = asked.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} must be a list of texts")
    return value
