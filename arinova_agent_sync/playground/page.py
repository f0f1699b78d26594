"""One open page: what it has to hear, as soon as it can take it, and what its user does there.

A page is sent the difference between what it knows and what is, whenever something changes and it has taken
what came before. So a slow page gets fewer and larger updates, and nothing piles up for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from .changes import FRAMES
from .room import Json, Told

if TYPE_CHECKING:
    from .playground import Playground

logger = logging.getLogger("arinova_agent_sync.playground")

_PACE = 0.03  # seconds between two updates
_STATS_EVERY = 1.0  # seconds, while a page shows them
_STATS_WITHIN = 2.0  # seconds
_MOST = 200  # messages of a conversation that a page gets at first
_LONGEST_NAME = 40

TABS = ("frames", "timeline", "agent", "faults")
_ALL = object()


class LivePage:
    """Keep one browser tab up to date; everything but ``_hear`` runs on the event loop's thread.

    Args:
        playground: what is shown.
        websocket: accepted already.
    """

    def __init__(self, playground: Playground, websocket: WebSocket) -> None:
        self._playground = playground
        self._room = playground.room
        self._websocket = websocket
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._lock = threading.Lock()  # guards what other threads note, innermost of all locks
        self._changed: dict[str, None] = {}  # conversations, in order
        self._people = self._tasks = self._frames = True
        self._said: dict[str, Json] = {}  # the last value of every section that is sent as a whole
        self._told: Told | None = None
        self._tab = ""
        self._last_frame = 0
        self._stats: list[Json] | None = None
        self._next_stats = 0.0

    async def serve(self) -> None:
        """Serve the page until it goes."""
        self._changed = dict.fromkeys(self._room.conversation_ids())
        self._playground.changes.listen(self._hear)
        self._wake.set()
        teller = asyncio.create_task(self._tell())
        try:
            await self._listen()
        finally:
            self._playground.changes.leave(self._hear)
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
            self._say(update, "agents", self._playground.agents())
            self._say(update, "users", self._room.users())
            self._say(update, "faults", self._playground.faults.lasting())
            self._say(update, "about", self._playground.about())
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
            stats = await asyncio.to_thread(self._playground.stats, _STATS_WITHIN)
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
        room, playground = self._room, self._playground
        match asked.get("do"):
            case "open":
                conversation_id = _text(asked, "conversation")
                most = asked.get("most", _MOST)
                told = Told(conversation_id, most if isinstance(most, int) and most > 0 else _MOST)
                news = room.news(told)
                if news is None:
                    raise ValueError("there is no such conversation")
                self._told = told
                return news
            case "say":
                await asyncio.to_thread(
                    playground.say,
                    _text(asked, "conversation"),
                    _text(asked, "text", empty=True),
                    sender=_text(asked, "sender") if asked.get("sender") else None,
                    reply_to=asked.get("replyTo") or None,
                    uploads=_texts(asked, "attachments"),
                    mentions=_texts(asked, "mentions"),
                )
            case "stop":
                room.stop(_text(asked, "conversation"), asked.get("message"))
            case "new":
                opened = room.open_conversation(_texts(asked, "agents"), asked.get("group") is True)
                playground.changes.tell(opened)
                return opened
            case "user":
                name = _text(asked, "name").strip()
                if len(name) > _LONGEST_NAME or not name.isprintable() or not name:
                    raise ValueError(f"a name has 1 to {_LONGEST_NAME} characters, all of which can be seen")
                room.add_user(name)
                playground.changes.tell(None)
            case "tab":
                self._open_tab(asked.get("name"))
            case "frame":
                number = asked.get("number")
                return room.frame(number) if isinstance(number, int) else None
            case "inject":
                parameters = asked.get("parameters")
                await asyncio.to_thread(
                    playground.inject,
                    _text(asked, "name"),
                    asked.get("agent") or None,
                    parameters if isinstance(parameters, Mapping) else {},
                )
            case "heal":
                await asyncio.to_thread(playground.heal, asked.get("name") or None)
            case "restart":
                await asyncio.to_thread(playground.restart_agents)
            case other:
                raise ValueError(f"a page cannot ask for {other!r}")
        return None

    def _open_tab(self, name: object) -> None:
        self._tab = name if isinstance(name, str) and name in TABS else ""
        with self._lock:
            self._tasks = self._frames = True
        self._next_stats = 0.0
        self._said.pop("stats", None)


def _text(asked: Json, name: str, empty: bool = False) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{name} is missing")
    return value


def _texts(asked: Json, name: str) -> list[str]:
    value = asked.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} must be a list of texts")
    return value
