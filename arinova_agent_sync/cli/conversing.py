"""A chat with an agent on an embedded server: on a screen where there is one, else line by line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from ..agent import ArinovaAgent
from ..local import LocalConversation, LocalServer
from .lines import CANCEL, QUIT
from .plainchat import DONE, OVER, PlainChat
from .terminal import Interrupts

if TYPE_CHECKING:
    from .chatlog import ChatLog

__all__ = ["converse", "is_screen"]

_OF_THE_CHAT = ((CANCEL[1:], "Stop the answer"), (QUIT[1:], "End the chat"))


def is_screen(keyboard: TextIO | None) -> bool:
    """Return whether the keyboard and standard output are a terminal that can move its cursor."""
    streams = (keyboard, sys.stdout)
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return not dumb and all(stream is not None and stream.isatty() for stream in streams)


def converse(
    *,
    server: LocalServer,
    conversation: LocalConversation,
    agent: ArinovaAgent,
    name: str,
    keyboard: TextIO | None,
    interrupts: Interrupts,
) -> int:
    """Let a person, or a pipe, talk with an agent that is connected; return the exit code.

    Args:
        server: where it is connected.
        conversation: where they talk.
        agent: what answers.
        name: the agent's.
        keyboard: standard input, None if there is none.
        interrupts: told what signals do meanwhile.
    """
    if keyboard is None or not is_screen(keyboard):
        chat = PlainChat(
            agent=agent, conversation=conversation, name=name, keyboard=keyboard, interrupts=interrupts
        )
        chat.run()
        return chat.code
    _on_screen(server, conversation, agent, keyboard, interrupts)
    return DONE


def _on_screen(
    server: LocalServer,
    conversation: LocalConversation,
    agent: ArinovaAgent,
    keyboard: TextIO,
    interrupts: Interrupts,
) -> None:
    from .chatlog import ChatLog  # here: a pipe needs none of it, and it takes a while
    from .screen import ChatScreen, Words

    def commands() -> list[tuple[str, str]]:
        skills = [(str(each["id"]), str(each["description"])) for each in server.skills()]
        return [*skills, *_OF_THE_CHAT]

    log = ChatLog(server, conversation)
    screen = ChatScreen(
        log=log,
        talk=_Talking(log=log, conversation=conversation, agent=agent),
        words=Words(commands, lambda: [each.name for each in conversation.members]),
        history=[row.content for row in conversation.messages if row.role == "user"],
        keyboard=keyboard,
    )
    server.hub.waiting.listen(screen.wake)
    interrupts.taker = screen.on_signal
    try:
        screen.run()
    finally:
        interrupts.taker = None


class _Talking:
    """What a person does in a conversation.

    Args:
        log: told what there is to remark.
        conversation: where.
        agent: what answers.
    """

    def __init__(self, *, log: ChatLog, conversation: LocalConversation, agent: ArinovaAgent) -> None:
        self._log = log
        self._conversation = conversation
        self._agent = agent

    def say(self, text: str) -> bool:
        if text == QUIT:
            return False
        if text == CANCEL:
            if not self.stop():
                self._log.note("There is no answer to stop.")
        elif self._agent.stats().life in OVER:
            self._log.note("The agent is stopped.")
            return False
        else:
            # For an agent that connects anew just now the server answers by itself, as the real one does.
            reply = self._conversation.say(text, wait_for_agent=0.0)
            self._log.typed(text, reply.question)
        return True

    def stop(self) -> bool:
        streaming = [reply for reply in self._conversation.replies if reply.status == "streaming"]
        for reply in streaming:
            reply.cancel()
        return bool(streaming)

    def stop_all(self) -> None:
        # The last one first: else each would begin as the one before it ends.
        for reply in reversed(self._conversation.replies):
            reply.cancel()
