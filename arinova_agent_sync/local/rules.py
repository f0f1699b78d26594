"""The numbers and switches that decide how the embedded server behaves. Immutable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..argument_checks import count, flag, one_of, seconds

Generation = Literal["march", "august"]

_LONGEST = 1e9  # seconds


@dataclass(frozen=True)
class Rules:
    """Hold the server's limits; the defaults are those of the March 2026 server.

    Args:
        max_frame_bytes: longest WebSocket frame that an agent may send.
        max_message_bytes: longest message, which may consist of several frames.

    The others are those of ``LocalServer``.

    Raises ValueError for a value out of its range, TypeError for one of another type.
    """

    generation: Generation = "march"
    pure_delta: bool = False
    auth_timeout: float = 10.0
    idle_limit: float = 600.0
    stale_after: float = 600.0
    duplicate_window: float = 5.0
    history_limit: int = 5
    max_frame_bytes: int = 16 * 1024 * 1024
    max_message_bytes: int = 64 * 1024 * 1024
    max_file_size: int = 10 * 1024 * 1024

    def __post_init__(self) -> None:
        one_of("generation", self.generation, get_args(Generation))
        flag("pure_delta", self.pure_delta)
        for name in ("auth_timeout", "idle_limit", "stale_after"):
            seconds(name, getattr(self, name), high=_LONGEST)
        seconds("duplicate_window", self.duplicate_window, high=_LONGEST, least=True)
        count("history_limit", self.history_limit, 0, 2**31)
        # A request's body is in memory, and SQLite takes no more than 1 GB.
        count("max_file_size", self.max_file_size, 1, 512 * 1024 * 1024)
        for name in ("max_frame_bytes", "max_message_bytes"):
            count(name, getattr(self, name), 1, 2**40)

    @property
    def august(self) -> bool:
        """Whether the frames and manners of August 2026 are on."""
        return self.generation == "august"
