"""What came of one task, as a test looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import ArinovaError

Status = Literal["completed", "dismissed", "cancelled", "error"]


@dataclass(frozen=True)
class ActionCall:
    """One action that the handler called.

    Attributes:
        id: the call's id.
        action: the action's name.
        arguments: what it was called with.
        frame: the whole frame that would have left, with ``taskId``, ``dryRun`` and the rest.
    """

    id: str
    action: str
    arguments: Mapping[str, object]
    frame: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class Upload:
    """One file that the handler uploaded."""

    file_name: str
    mime_type: str
    content: bytes = field(repr=False)
    url: str


@dataclass(frozen=True)
class Timings:
    """When things happened: seconds since the handler was given the task.

    Attributes:
        first_chunk: until the first piece was sent; None if none was.
        done: until the task ended.
    """

    first_chunk: float | None
    done: float


@dataclass(frozen=True)
class Transcript:
    """What a handler made of a task, as the server would keep it.

    Attributes:
        status: "completed"; "dismissed" (it answered nothing, or blanks: the message disappears); "cancelled";
            or "error".
        text: what the message shows in the end: what was streamed, else the completion's text, or the error's.
        chunks: the pieces that were streamed, in order. A completion that goes on where they end adds one.
        error: the text of the error that the user is shown; None if there is none.
        exception: what the handler raised; None if it raised nothing.
        mentions: ids of the agents that the answer addresses.
        actions: the actions that were called.
        uploads: the files that were uploaded.
        reports: what was told besides, of tools' calls, of what a model used, and as the agent's telemetry: each
            the frame that would have left.
        warnings: what the package logged meanwhile, warnings and worse.
        timings: when the first piece was sent and when the task ended.
    """

    status: Status
    text: str
    chunks: tuple[str, ...]
    error: str | None
    exception: BaseException | None
    mentions: tuple[str, ...]
    actions: tuple[ActionCall, ...]
    uploads: tuple[Upload, ...]
    reports: tuple[Mapping[str, object], ...]
    warnings: tuple[str, ...]
    timings: Timings

    @property
    def streamed(self) -> str:
        """Everything that was streamed, also if an error took its place."""
        return "".join(self.chunks)

    def raise_for_error(self) -> Transcript:
        """Raise what the handler raised, or an ArinovaError for a ``task.send_error``; else return the transcript.

        run_task(handle, "hi").raise_for_error().text
        """
        if self.exception is not None:
            raise self.exception
        if self.error is not None:
            raise ArinovaError(f"the handler answered with an error: {self.error}")
        return self
