"""Checks of what users pass: options of an agent, and arguments of its methods and of the HTTP client's.

Each takes the name of the argument and its value, returns the value to use, and raises TypeError or ValueError that
names the argument and says what it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    import ssl

    from .executors.protocol import Executor

LONGEST_SECONDS = 86_400.0
_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


def seconds(
    name: str, value: object, low: float = 0.0, high: float = LONGEST_SECONDS, *, least: bool = False
) -> float:
    """Return a finite number of seconds above low, or from it on if it is the least, and up to high."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not low <= value <= high or (value == low and not least):  # NaN is neither
        bound = "at least" if least else "more than"
        raise ValueError(f"{name} must be {bound} {low:g} and at most {high:g} seconds, not {_shown(value)}")
    return float(value)


def count(name: str, value: object, least: int, most: int) -> int:
    """Return a whole number from least to most."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {_shown(value)}")
    return value


def _shown(value: float) -> str:
    # Python refuses to write out an int of more than 4,300 digits.
    return (
        repr(value) if isinstance(value, float) or abs(value) < 10**20 else "a number of more than 20 digits"
    )


def text(name: str, value: object, *, empty: bool = False) -> str:
    """Return a string, filled in unless it may be empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value and not empty:
        raise ValueError(f"{name} must not be empty")
    return value


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """Return one of several texts."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return value


def flag(name: str, value: object) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def standby(name: str, value: object) -> bool:
    """Return True or False; raise ImportError if the library is missing that locks files."""
    if not flag(name, value):
        return False
    from importlib.util import find_spec  # here: most agents need neither

    from .extras import install_command

    if find_spec("filelock") is None:
        needs = f"{name} needs filelock, which is not installed: {install_command('standby')}"
        raise ImportError(needs, name="filelock")
    return True


def server_url(name: str, value: object) -> str:
    """Return the server's URL as http or https without a slash at the end."""
    parts = _split(name, text(name, value, empty=True))
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None:
        raise ValueError(f"{name} must start with https://, http://, wss:// or ws://")
    if not parts.hostname:
        raise ValueError(f"{name} has no host, such as https://chat.arinova.ai")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} must not contain a user or a password; the bot token is all that is needed")
    if parts.query or parts.fragment:
        raise ValueError(f"{name} must not have a query or a fragment")
    # The colon of an empty port goes too.
    return f"{scheme}://{parts.netloc.rstrip(':')}{parts.path.rstrip('/')}"


def _split(name: str, url: str) -> SplitResult:
    if any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in url):
        raise ValueError(f"{name} must not contain spaces or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{name} is not a URL: {error}") from None
    if port == 0:
        raise ValueError(f"{name} has port 0, on which no server listens")
    return parts


def bot_token(name: str, value: object) -> str:
    """Return the bot token; what is wrong with it is said without showing it."""
    token = text(name, value)
    if not all("!" <= letter <= "~" for letter in token):
        raise ValueError(f"{name} may contain printable ASCII characters only, and no spaces")
    return str.__str__(token)  # the encoder takes an exact str


_PROXY_SCHEMES = ("http", "socks5", "socks5h", "socks4", "socks4a")


def proxy(name: str, value: object) -> str:
    """Return the URL of a proxy, or an empty text for none."""
    url = text(name, value, empty=True)
    if not url:
        return url
    try:
        parts = urlsplit(url)
        supported = parts.scheme.lower() in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        supported = False
    if not supported:
        # The value itself stays out of the text: it may contain a password.
        raise ValueError(
            f"{name} must be http://[user:password@]host:port; socks5:// and socks4:// work, too, https:// does not"
        )
    return url


def ssl_context(name: str, value: object) -> ssl.SSLContext:
    """Return a TLS context."""
    import ssl  # here: it takes a while, and whoever has a context has loaded it

    if not isinstance(value, ssl.SSLContext):
        raise TypeError(f"{name} must be an ssl.SSLContext, not {type(value).__name__}")
    return value


def executor(name: str, value: object) -> Executor:
    """Return an executor."""
    if isinstance(value, type) or not (callable(getattr(value, "open", None)) and hasattr(value, "capacity")):
        shown = value.__name__ if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name} needs an executor, such as ProcessExecutor(4), not {shown}")
    return cast("Executor", value)


def takes_one_argument(name: str, function: Callable[..., object]) -> None:
    """Raise TypeError unless a function can be called with one task."""
    import inspect  # here: it is slow to load, and only some programs register a handler

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C tell nothing
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(f"{name} needs a function that takes one argument, the task: {error}") from None


def error_text(name: str, value: object) -> object:
    """Return a text, or a function that makes one of an exception."""
    if isinstance(value, str):
        return text(name, value)
    if not callable(value):
        raise TypeError(f"{name} must be a str or a function of the exception, not {type(value).__name__}")
    return value


def check_keywords(function: str, given: Mapping[str, object], known: type) -> None:
    """Raise TypeError as Python does, for a keyword that a TypedDict does not have, or lacks.

    Args:
        function: whose keywords they are.
        given: the keywords.
        known: the TypedDict.
    """
    names: dict[str, object] = known.__annotations__
    for name in given:
        if name not in names:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    required: frozenset[str] = getattr(known, "__required_keys__", frozenset())
    for name in names:
        if name in required and name not in given:
            raise TypeError(f"{function}() missing a required keyword argument: {name!r}")
