"""The way from a task to the server, which the agent's own runtime and a test's stand-in can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from .action_results import ActionCallResult, ActionOptions

if TYPE_CHECKING:
    from .api import ArinovaClient


class Cancelled(Protocol):
    """Whether the user stopped the task."""

    def is_set(self) -> bool:
        """Tell whether the task was cancelled."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the task is cancelled or the seconds are over; tell which."""
        ...


class Door(Protocol):
    """The way from a task to the server. The agent's own and the testing kit's stand behind it."""

    @property
    def cancelled(self) -> Cancelled:
        """Whether the user stopped the task."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """The same in short, for the hot path."""
        ...

    @property
    def agent_name(self) -> str | None:
        """The answering agent's name, if the server told it."""
        ...

    @property
    def api(self) -> ArinovaClient:
        """The agent's HTTP client."""
        ...

    def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        ...

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        """End the task with a text, None for what was streamed."""
        ...

    def error(self, message: str, keep_partial: bool) -> None:
        """End the task with an error."""
        ...

    def detach(self) -> None:
        """Let the task live on after its handler."""
        ...

    def on_cancel(self, function: Callable[[], object]) -> None:
        """Call the function when the task is cancelled, or now if it was."""
        ...

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: ActionOptions
    ) -> ActionCallResult:
        """Run an action on the platform on behalf of the task."""
        ...
