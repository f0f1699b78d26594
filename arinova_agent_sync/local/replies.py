"""What a user sees of one answer while an agent gives it. Thread-safe: it reads under the hub's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .records import AgentAccount, Message, ReplyStatus, Task
from .threads import Waiting


@dataclass(frozen=True)
class Timings:
    """Say when things happened to one answer.

    Attributes:
        sent_at: when the user said it, monotonic seconds.
        dispatched: seconds from there until the agent was given the task, None if it was not yet.
        first_chunk: seconds until the first chunk came, None if none has.
        done: seconds until the end, None before it.
    """

    sent_at: float
    dispatched: float | None
    first_chunk: float | None
    done: float | None


class LocalReply:
    """Follow one answer of one agent, as the members of the conversation see it.

    Its status is "pending" while it waits behind another answer, "streaming" from the moment the agent was
    given the task, then "completed", "cancelled", "error", "deleted" (the agent answered nothing) or
    "ignored" (the duplicate guard made no task of it, or nobody in a group listens).

    Args:
        task: what is followed.
        waiting: wakes those who wait for it.
        cancel: presses the stop button.
    """

    def __init__(self, task: Task, waiting: Waiting, cancel: Callable[[Task], bool]) -> None:
        self._task = task
        self._waiting = waiting
        self._cancel = cancel

    @property
    def message_id(self) -> str:
        """The id of the answer's message, which is the task's id."""
        return self._task.id

    @property
    def agent(self) -> AgentAccount:
        """Whose answer it is."""
        return self._task.agent

    @property
    def question(self) -> Message | None:
        """The message that it answers; None if no message asked, as with ``send_task()``."""
        return self._task.prompt.message

    @property
    def decorated(self) -> bool:
        """Whether the agent was given something else than the user typed, such as a system prompt before it."""
        return self._task.decorated is not None

    @property
    def status(self) -> ReplyStatus:
        """Where it stands."""
        return self._task.status

    @property
    def done(self) -> bool:
        """Whether it has come to its end."""
        return not self._task.open

    @property
    def text(self) -> str:
        """What the message shows: what was streamed so far, then the final text, which may be an error's."""
        with self._waiting.lock:
            return self._task.streamed.text if self._task.open else self._task.text

    @property
    def streamed(self) -> str:
        """What was streamed so far, also if an error took its place."""
        with self._waiting.lock:
            return self._task.streamed.text

    @property
    def error(self) -> str | None:
        """The error's text, None if there is no error."""
        return self._task.error

    @property
    def mentions(self) -> tuple[str, ...]:
        """The agent ids that the agent mentioned."""
        return self._task.mentions

    @property
    def timings(self) -> Timings:
        """When it was sent, dispatched, begun and done."""
        with self._waiting.lock:
            task = self._task
            moments = (task.dispatched_at, task.first_chunk_at, task.done_at)
            return Timings(task.sent_at, *(None if each is None else each - task.sent_at for each in moments))

    def cancel(self) -> bool:
        """Press the stop button; return False if there was nothing to stop any more."""
        return self._cancel(self._task)

    def wait(self, timeout: float = 30.0) -> ReplyStatus:
        """Return the final status.

        Args:
            timeout: seconds.

        Raises TimeoutError if it is still open then.
        """
        return self._waiting.wait(
            self._task.id,
            lambda: None if self._task.open else self._task.status,
            timeout,
            lambda: self._missed("no end of the answer"),
        )

    def wait_for_text(self, part: str = "", timeout: float = 30.0) -> str:
        """Return what was streamed, as soon as it is not empty and holds a part.

        Args:
            part: what to look for.
            timeout: seconds.

        Raises TimeoutError if it does not come in time, RuntimeError if the answer ends without it.
        """

        def look() -> str | None:
            text = (
                self._task.streamed.text if self._task.open else self._task.streamed.text or self._task.text
            )
            if text and part in text:
                return text
            if not self._task.open:
                raise RuntimeError(self._missed(f"the answer ended without {part!r}"))
            return None

        return self._waiting.wait(
            self._task.id, look, timeout, lambda: self._missed(f"no {part!r} in the answer")
        )

    def pieces(self, timeout: float = 30.0) -> Iterator[str]:
        """Yield the text piece by piece as members see it; a text that came only at the end is one piece.

        Args:
            timeout: seconds to wait for each piece.

        Raises TimeoutError if nothing comes for so long.
        """
        given = 0
        while True:

            def look(given: int = given) -> list[str] | None:
                fresh = self._task.streamed.pieces[given:]
                return fresh if fresh or not self._task.open else None

            fresh = self._waiting.wait(
                self._task.id, look, timeout, lambda: self._missed("no new piece of the answer")
            )
            if not fresh:
                break
            yield from fresh
            given += len(fresh)
        if not given and self._task.status == "completed":
            yield self._task.text

    def __iter__(self) -> Iterator[str]:
        """Yield the text piece by piece, as ``pieces()`` does."""
        return self.pieces()

    def _missed(self, what: str) -> str:
        return f"{what} (status {self._task.status!r}, {self._task.streamed.text[-80:]!r} streamed)"

    def __repr__(self) -> str:
        return f"<LocalReply {self.status} {self.text[:40]!r} from {self.agent.name}>"
