"""How a WebSocket fails or ends. These errors stay inside; what users meet stands in errors.py."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "dns",
    "refused",
    "unreachable",
    "proxy",
    "tls",
    "timeout",
    "upgrade",
    "closed",
    "reset",
    "aborted",
    "protocol",
    "utf8",
    "too_large",
    "binary",
    "json",
    "write",
]


class WebSocketError(Exception):
    """The connection could not be made, or ended.

    Attributes:
        kind: why, in a word.
        status: the HTTP status of the server or proxy that refused, 0 if there was none.
        retry_after: the seconds after which the server wants to be asked again, None if it did not say.
    """

    def __init__(self, kind: Kind, text: str, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class WebSocketClosed(WebSocketError):
    """The server sent a close frame.

    Attributes:
        code: its code; 1005 for none.
        reason: its text.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(
            "closed", f"the server closed the connection: {code}" + (f" {reason!r}" if reason else "")
        )
        self.code = code
        self.reason = reason


class MessageTooLarge(WebSocketError):
    """A message above the limit has passed by; ``receive`` may be called again.

    Attributes:
        size: its length in bytes.
        limit: the limit in bytes.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__("too_large", f"a message of {size} bytes was dropped; the limit is {limit} bytes")
        self.size = size
        self.limit = limit


class BinaryMessage(WebSocketError):
    """A binary message has passed by; ``receive`` may be called again."""

    def __init__(self, size: int) -> None:
        super().__init__("binary", f"a binary message of {size} bytes was dropped: the protocol has none")


class WriteFailed(WebSocketError):
    """A write did not finish, and nothing can be written after it.

    Attributes:
        sent: how many of its bytes the kernel took.
    """

    def __init__(self, text: str, sent: int = 0) -> None:
        super().__init__("write", text)
        self.sent = sent
