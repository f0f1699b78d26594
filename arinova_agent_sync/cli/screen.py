"""A chat in a terminal: a prompt below what is said, which goes on while one types.

The screen belongs to the thread that runs it; methods that another thread may call say so.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from io import TextIOBase
from typing import Protocol, TextIO, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.patch_stdout import StdoutProxy

from .chatlog import ChatLog
from .markdown_text import Painter

__all__ = ["ChatScreen", "Words"]

_PAUSE = 0.04  # seconds between two looks at a chat that changes all the time
_ROOM = 6  # lines of the terminal that what is live leaves free
_MENU = 6  # lines for completions


class Talk(Protocol):
    """What can be done in a chat. Nothing of it waits."""

    def say(self, text: str) -> bool:
        """Say something, or do what a command of the chat says; return False if the chat is over."""
        ...

    def stop(self) -> bool:
        """Stop what is being answered; return False if nothing is."""
        ...

    def stop_all(self) -> None:
        """Stop what is being answered and what waits."""
        ...


class Words(Completer):
    """Complete slash commands and mentions.

    Args:
        commands: return all commands now, without the slash, with what they are good for.
        names: return all names that can be mentioned.
    """

    def __init__(
        self, commands: Callable[[], Iterable[tuple[str, str]]], names: Callable[[], Iterable[str]]
    ) -> None:
        self._commands = commands
        self._names = names

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Iterator[Completion]:
        """Yield what the word before the cursor may become."""
        begun = _begun(document)
        if begun is None:
            return
        if begun.startswith("/"):
            words = [(f"/{name}", meaning) for name, meaning in self._commands()]
        else:
            words = [(f"@{name}", "") for name in self._names()]
        for word, meaning in words:
            if word.casefold().startswith(begun.casefold()) and word != begun:
                yield Completion(f"{word} ", -len(begun), display=word, display_meta=meaning)


def _begun(document: Document) -> str | None:
    """Return the beginning of a command or a mention before the cursor, None if there is none."""
    found = re.search(r"^\s*(/\S*)$|(?:^|\s)(@\S*)$", document.text_before_cursor)
    return found and (found[1] or found[2])


class ChatScreen:
    """Let a person chat.

    Args:
        log: what there is to see.
        talk: what is done when the person says something.
        words: completes what is typed.
        history: what was said before, oldest first.
        keyboard: where keys come from.
    """

    def __init__(
        self,
        *,
        log: ChatLog,
        talk: Talk,
        words: Words,
        history: Sequence[str],
        keyboard: TextIO,
    ) -> None:
        self._log = log
        self._talk = talk
        self._keyboard = keyboard
        self._output = create_output()
        if isinstance(self._output, Vt100_Output):
            self._output.enable_cpr = (
                False  # not needed, and the answers would come after the prompt has moved on
            )
        self._live = ""
        self._width = 0
        self._painter = Painter(1)
        self._loop: asyncio.AbstractEventLoop | None = None  # while it runs
        self._signalled = False  # before it ran
        self._noted = False  # whether a look is planned that sees all that has happened so far
        self._last_look = 0.0
        self._session: PromptSession[str] = PromptSession(
            self._message,
            completer=words,
            complete_while_typing=Condition(lambda: _begun(self._buffer.document) is not None),
            history=InMemoryHistory(list(history)),
            key_bindings=self._keys(),
            prompt_continuation=lambda width, _line, _wraps: " " * width,
            reserve_space_for_menu=_MENU,
            enable_suspend=True,
            input=create_input(keyboard),
            output=self._output,
        )
        self._app = self._session.app
        self._app.erase_when_done = True
        self._buffer = self._session.default_buffer
        self._buffer.accept_handler = self._accept

    def run(self) -> None:
        """Show the chat until its end."""
        with ExitStack() as patches:
            _patch_streams(patches, self._keyboard)
            try:
                self._session.prompt(handle_sigint=False, pre_run=self._begin)
            except (EOFError, OSError):  # the terminal is gone
                self._talk.stop_all()
                return
            finally:
                self._loop = None
        self._print_rest()

    def wake(self, _key: object = None) -> None:
        """Look at what is new, soon; for any thread, also one that holds a lock."""
        loop = self._loop
        if loop is not None and not self._noted:
            self._noted = True
            try:
                loop.call_soon_threadsafe(self._plan)
            except RuntimeError:
                pass  # it has just ended

    def on_signal(self, number: int) -> None:
        """Do what Ctrl-C does, or end the chat for any other signal; for signal handlers."""
        loop = self._loop
        if loop is None:
            self._signalled = True
        else:
            loop.call_soon_threadsafe(self._interrupt if number == signal.SIGINT else self._leave)

    # What the person does

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        empty = Condition(lambda: not self._buffer.text)

        @keys.add("c-c")
        def interrupt(event: KeyPressEvent) -> None:  # noqa: ARG001
            self._interrupt()

        @keys.add("c-d", filter=empty)
        def leave(event: KeyPressEvent) -> None:  # noqa: ARG001
            self._leave()

        @keys.add("escape", "enter")
        def break_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        return keys

    def _accept(self, buffer: Buffer) -> bool:
        """Take what was typed; False lets the prompt be empty again."""
        text = buffer.text.strip()
        if text and not self._talk.say(text):
            self._leave()
        self._look()
        return False

    def _interrupt(self) -> None:
        if self._talk.stop():
            self._look()
        elif self._buffer.text:
            self._buffer.reset()
        else:
            self._log.note("[Ctrl-C, and no answer to stop: the chat ends]")
            self._leave()

    def _leave(self) -> None:
        self._talk.stop_all()
        if self._app.is_running and not self._app.is_done:
            self._app.exit(result="")

    # What there is to see

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._look()
        if self._signalled:
            self._loop.call_soon(self._leave)

    def _plan(self) -> None:
        delay = max(0.0, self._last_look + _PAUSE - time.monotonic())
        asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._noted = False
        self._last_look = time.monotonic()
        if not self._app.is_running or self._app.is_done:
            return  # the rest is printed when it has ended
        shown = self._log.update(self._fitting_painter())
        self._live = shown.live
        if shown.printed:
            # In one go, and without leaving raw mode as run_in_terminal() does: keys that are pressed then would
            # appear on the screen, and Ctrl-C would reach the program that started this one.
            self._app.renderer.erase()
            self._output.write_raw(shown.printed)
            self._output.flush()
        self._app.invalidate()
        if shown.more:
            self.wake()

    def _print_rest(self) -> None:
        more = True
        while more:
            shown = self._log.update(self._fitting_painter())
            self._output.write_raw(shown.printed)
            more = shown.more
        self._output.flush()

    def _fitting_painter(self) -> Painter:
        width = self._output.get_size().columns
        if width != self._width:
            self._width, self._painter = width, Painter(width)
        return self._painter

    def _message(self) -> ANSI:
        """Return what stands before the cursor: what is live, and the prompt."""
        size = self._output.get_size()
        if size.columns != self._width:
            self.wake()
        lines = self._live.splitlines()[-max(1, size.rows - _ROOM) :]
        live = "".join(f"{line}\n" for line in [*lines, ""]) if lines else ""
        return ANSI(f"{live}\x1b[1;32m{self._log.prompt}\x1b[0m")


class _TakenKeyboard(TextIOBase):
    """Standard input while a chat has the keyboard: a handler that read from it would take every other key."""

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]  # noqa: ARG002
        raise RuntimeError(
            "what is typed goes to the chat, so a handler cannot read it: let it ask in an answer"
        )

    read = readline


def _patch_streams(patches: ExitStack, keyboard: TextIO) -> None:
    """Let what a program prints meanwhile, and its log, appear above the prompt, and let nobody else read keys."""
    if sys.stdin is keyboard:
        patches.callback(setattr, sys, "stdin", keyboard)
        sys.stdin = cast(TextIO, _TakenKeyboard())
    proxy = cast(TextIO, patches.enter_context(StdoutProxy(raw=True)))
    patches.enter_context(redirect_stdout(proxy))
    if sys.stderr is not None and sys.stderr.isatty():
        patches.enter_context(redirect_stderr(proxy))
