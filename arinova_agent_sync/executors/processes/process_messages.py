"""What passes between a gateway and its processes besides jobs, and how it is framed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Union

import msgspec

from ..protocol import (
    CancelJob,
    JobEvent,
    SeamMessage,
    SettleCall,
    StartJob,
    encode,
)

_LENGTH = struct.Struct("<I")


class Named(msgspec.Struct, array_like=True, frozen=True):
    """A function at the top of a module."""

    module: str
    name: str


class Source(msgspec.Struct, array_like=True, frozen=True):
    """A module of the user's.

    Attributes:
        module: its name, "__main__" for the main script.
        path: its file, if it has one.
        run_as: the name by which ``python -m`` was given it, if it was.
    """

    module: str
    path: str | None
    run_as: str | None = None


class LoadAgent(SeamMessage, frozen=True):
    """Load what answers the tasks of an agent.

    Attributes:
        agent: its number.
        sources: what to load.
        handlers: by command where each of them is; None to take those of the agent that is made at that place.
        around: what runs around each handler.
        error_text: a text, a function, or None for ``str``.
        made_at: where the agent is made: a module and a line.
        log_level: of the root logger.
        log_levels: of those loggers that have a level of their own.
    """

    agent: int
    server_url: str
    token: str
    proxy: str | None
    sources: tuple[Source, ...]
    handlers: list[tuple[str | None, Named]] | None
    commands: tuple[str | None, ...]
    around: tuple[Named, ...]
    error_text: Named | str | None
    made_at: tuple[str, int, int] | None
    log_level: int
    log_levels: dict[str, int]


class StopWorker(SeamMessage, frozen=True):
    """End, once no handler runs."""


class AgentLoaded(SeamMessage, frozen=True):
    """The agent's handlers are there, or why they are not."""

    agent: int
    failure: str | None


class Printed(SeamMessage, frozen=True):
    """Something was written to standard output or standard error."""

    stream: str
    text: str


class Logged(SeamMessage, frozen=True):
    """A log record, its text complete."""

    name: str
    level: int
    text: str
    path: str
    line: int
    function: str
    created: float
    thread: str
    traceback: str | None


ToWorker = Union[LoadAgent, StartJob, CancelJob, SettleCall, StopWorker]
FromWorker = Union[AgentLoaded, Printed, Logged, JobEvent]

decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode


def framed(message: SeamMessage) -> bytes:
    """Return a message as it goes through a pipe."""
    data = encode(message)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Finds the messages in what comes out of a pipe. Not thread-safe."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """Take what came; yield each whole message, which is valid until the next."""
        buffer = self._buffer
        buffer += data
        at = 0
        view = memoryview(buffer)
        try:
            while len(buffer) - at >= _LENGTH.size:
                end = at + _LENGTH.size + _LENGTH.unpack_from(buffer, at)[0]
                if end > len(buffer):
                    break
                with view[at + _LENGTH.size : end] as message:
                    yield message
                at = end
        finally:
            view.release()
            del buffer[:at]
