"""The scenarios' driver for the embedded server, by plain function calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arinova_agent_sync.local import AgentAccount, LocalConversation, LocalServer

from .chat import Event


class EmbeddedUser:
    """The owner, played by the server's own methods."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server

    def _place(self, conversation_id: str) -> LocalConversation:
        return next(each for each in self._server.conversations if each.id == conversation_id)

    def send(
        self,
        conversation_id: str,
        text: str,
        *,
        reply_to: str | None = None,
        mentions: Sequence[str] = (),
        hurry: bool = False,
    ) -> None:
        place = self._place(conversation_id)
        place.say(text, reply_to=reply_to, mentions=mentions, wait_for_agent=0)

    def cancel(self, conversation_id: str, message_id: str) -> None:
        replies = self._place(conversation_id).replies
        next(reply for reply in replies if reply.message_id == message_id).cancel()

    def cancel_queued(self, conversation_id: str, message_id: str) -> None:
        with self._server.hub.turn() as chat:
            for task in chat.conversations[conversation_id].tasks:
                if task.status == "pending" and task.prompt.message and task.prompt.message.id == message_id:
                    chat.cancel(task)

    def count(self, conversation_id: str) -> int:
        return len(self._place(conversation_id).events)

    def find(
        self, conversation_id: str, fits: Callable[[Event], bool], after: int, timeout: float
    ) -> tuple[int, Event]:
        place = self._place(conversation_id)

        def look() -> tuple[int, Event] | None:
            events = enumerate(place.events[after:], after + 1)
            return next(((number, event) for number, event in events if fits(event)), None)

        return self._server.hub.waiting.wait(
            conversation_id, look, timeout, lambda: f"no such event; there were {place.events[after:]}"
        )


class EmbeddedDriver:
    """A fresh server for each scenario, with the real one's settings."""

    def __init__(self) -> None:
        self.server = LocalServer(agent_name="Ann").start()
        self.url = self.server.url
        self.user: Any = EmbeddedUser(self.server)
        self._accounts: list[AgentAccount] = [self.server.agent]

    def token(self, number: int) -> str:
        return self._account(number).token

    def name(self, number: int) -> str:
        return self._account(number).name

    def _account(self, number: int) -> AgentAccount:
        while len(self._accounts) <= number:
            self._accounts.append(self.server.add_agent(f"Agent{len(self._accounts)}"))
        return self._accounts[number]

    def conversation(self) -> str:
        return self.server.conversation().id

    def group(self, modes: Sequence[str | None]) -> str:
        # The first agent has the default mode.
        assert modes[0] is None and len(self._accounts) == 1
        for number, mode in enumerate(modes[1:], 1):
            options: dict[str, Any] = {} if mode is None else {"listen_mode": mode}
            self._accounts.append(self.server.add_agent(f"Agent{number}", **options))
        return self.server.conversation(type="group", members=self._accounts).id

    def special(self, what: str) -> Any:
        return self.server

    def close(self) -> None:
        self.server.stop()
