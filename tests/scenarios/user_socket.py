"""As much of the users' WebSocket as the scenarios need, so that the driver for real servers can be tried.

It is not part of the embedded server, whose users are played by function calls.
"""

from __future__ import annotations

import asyncio

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from arinova_agent_sync.local import LocalServer

from .embedded import EmbeddedUser

SESSION = "session=of-the-owner"


class UserSocket:
    """Serve ``/ws``; ``server`` is set once there is one."""

    server: LocalServer

    @property
    def route(self) -> WebSocketRoute:
        return WebSocketRoute("/ws", self._serve)

    async def _serve(self, socket: WebSocket) -> None:
        if socket.headers.get("cookie") != SESSION:
            await socket.close()
            return
        await socket.accept()
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        self.server.hub.waiting.listen(
            lambda key: self.server.running and loop.call_soon_threadsafe(news.set)
        )
        teller = asyncio.create_task(self._tell(socket, news))
        try:
            while True:
                self._take(await socket.receive_json())
                news.set()
        except WebSocketDisconnect:
            pass
        finally:
            teller.cancel()

    def _take(self, frame: dict[str, str]) -> None:
        user, place = EmbeddedUser(self.server), frame.get("conversationId", "")
        if frame["type"] == "send_message":
            mentions = frame.get("mentions") or ()
            user.send(place, frame["content"], reply_to=frame.get("replyToId"), mentions=mentions)
        elif frame["type"] == "cancel_stream":
            user.cancel(place, frame["messageId"])
        elif frame["type"] == "cancel_queued":
            user.cancel_queued(place, frame["messageId"])

    async def _tell(self, socket: WebSocket, news: asyncio.Event) -> None:
        told: dict[str, int] = {}
        while True:
            await news.wait()
            news.clear()
            for place in self.server.conversations:
                fresh = place.events[told.get(place.id, 0) :]
                told[place.id] = told.get(place.id, 0) + len(fresh)
                for event in fresh:
                    await socket.send_json(event)
