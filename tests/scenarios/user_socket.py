"""As much of the users' WebSocket as the scenarios need, so that the driver for real servers can be tried.

It is not part of the embedded server, whose users are played by function calls.
"""

from __future__ import annotations

import asyncio

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from arinova_agent_sync.local import LocalServer

from .chat import Event
from .embedded import EmbeddedUser

SESSION = "session=of-the-owner"


class UserSocket:
    """Serve ``/ws`` on a server of its own, ``server``, which is started by whoever wants it."""

    def __init__(self) -> None:
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.server = LocalServer(agent_name="Ann", routes=[WebSocketRoute("/ws", self._serve)])
        self.server.hub.waiting.listen(self._wake)

    async def _serve(self, socket: WebSocket) -> None:
        if socket.headers.get("cookie") != SESSION:
            await socket.close()
            return
        # Nobody is told what happened before.
        told = {place.id: place.events[-1:] for place in self.server.conversations}
        await socket.accept()
        news = asyncio.Event()
        waiting = (asyncio.get_running_loop(), news)
        self._waiting.add(waiting)
        teller = asyncio.create_task(self._tell(socket, news, told))
        try:
            while True:
                self._take(await socket.receive_json())
        except WebSocketDisconnect:
            pass
        finally:
            self._waiting.discard(waiting)
            teller.cancel()

    def _wake(self, _: object) -> None:
        for loop, news in list(self._waiting):
            if self.server.running:
                loop.call_soon_threadsafe(news.set)

    def _take(self, frame: dict[str, str]) -> None:
        user, place = EmbeddedUser(self.server), frame.get("conversationId", "")
        if frame["type"] == "send_message":
            mentions = frame.get("mentions") or ()
            user.send(place, frame["content"], reply_to=frame.get("replyToId"), mentions=mentions)
        elif frame["type"] == "cancel_stream":
            user.cancel(place, frame["messageId"])
        elif frame["type"] == "cancel_queued":
            user.cancel_queued(place, frame["messageId"])

    async def _tell(self, socket: WebSocket, news: asyncio.Event, told: dict[str, list[Event]]) -> None:
        while True:
            await news.wait()
            news.clear()
            for place in self.server.conversations:
                # The events are the newest of many, so that their numbers tell nothing.
                events, fresh = place.events, []
                for event in reversed(events):
                    if any(event is last for last in told.get(place.id, ())):
                        break
                    fresh.append(event)
                told[place.id] = events[-1:]
                for event in reversed(fresh):
                    await socket.send_json(event)
