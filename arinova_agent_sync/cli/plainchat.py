"""A chat line by line: through a pipe, or on a terminal that can show nothing but lines."""

from __future__ import annotations

import signal
import sys
from typing import TextIO

from ..agent import ArinovaAgent
from ..local import LocalConversation, LocalReply
from .lines import CANCEL, QUIT, Lines
from .terminal import Interrupts, visible

__all__ = ["CONNECTS_WITHIN", "DONE", "FAILED", "OVER", "PlainChat"]

CONNECTS_WITHIN = 10.0  # seconds
OVER = ("stopped", "failed")  # lives of an agent that answers no more
_PATIENCE = 86_400.0  # seconds between two pieces of an answer; whoever has less presses Ctrl-C

DONE = 0  # exit codes
FAILED = 1


class PlainChat:
    """Say each line of standard input, and write the answers to standard output, all else to standard error.

    Args:
        agent: what answers.
        conversation: where.
        name: the agent's.
        keyboard: standard input, None if there is none.
        interrupts: told what is to be stopped by Ctrl-C while an answer streams.

    Attributes:
        code: the exit code.
    """

    def __init__(
        self,
        *,
        agent: ArinovaAgent,
        conversation: LocalConversation,
        name: str,
        keyboard: TextIO | None,
        interrupts: Interrupts,
    ) -> None:
        self.code = DONE
        self._agent = agent
        self._conversation = conversation
        self._interrupts = interrupts
        width = max(len(name), len("you"))
        self._answers = f"{name:<{width}} > "
        self._lines = Lines(keyboard, f"{'you':<{width}} > ")
        self._shows = sys.stdout.isatty()

    def run(self) -> None:
        """Chat until the end of the input, /quit or Ctrl-C; in a pipe, Ctrl-C raises KeyboardInterrupt."""
        interrupts, lines = self._interrupts, self._lines
        while not (interrupts.last == signal.SIGTERM and lines.typed):
            try:
                said = lines.next()
            except KeyboardInterrupt:
                if not lines.typed:
                    raise
                said = None
            if said is None:
                if lines.typed:
                    _note("\n")
                break
            if said == QUIT:
                break
            if said == CANCEL:
                _note("There is no answer to stop.\n")
            elif said and self._agent.stats().life in OVER:
                _note("The agent is stopped.\n")
                self._fail()
                break
            elif said:
                self._ask(said)
                if interrupts.last is not None and not lines.typed:
                    raise KeyboardInterrupt

    def _ask(self, said: str) -> None:
        try:
            reply = self._conversation.say(said, wait_for_agent=CONNECTS_WITHIN)
        except TimeoutError:
            _note("The agent is not connected.\n")
            self._fail()
            return
        with self._interrupts.stopping(reply), self._lines.watched(reply.cancel):
            self._show(reply)

    def _show(self, reply: LocalReply) -> None:
        out, last = sys.stdout, "\n"
        if self._shows:
            out.write(self._answers)
            last = ""
        out.flush()
        for piece in reply.pieces(_PATIENCE):
            out.write(visible(piece) if self._shows else piece)
            out.flush()
            last = piece or last
        note = _about(reply)
        if note and self._shows:
            _note(f" {note}" if last else note)
        if not last.endswith("\n"):
            out.write("\n")
        if self._shows:
            out.write("\n")
        out.flush()
        if note and not self._shows:
            _note(f"{note}\n")
        if reply.status not in ("completed", "cancelled", "deleted"):
            self._fail()

    def _fail(self) -> None:
        if not self._lines.typed:
            self.code = FAILED


def _about(reply: LocalReply) -> str:
    """Return what is to be said about an answer beside its text."""
    if reply.status == "completed":
        return ""
    if reply.status == "cancelled":
        return "[stopped]"
    return f"[error: {visible(reply.error)}]" if reply.error else "[no answer]"


def _note(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
