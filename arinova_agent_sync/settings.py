"""Every option and bound of an agent: its default, its environment variable, its check."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import SplitResult, urlsplit

import msgspec

if TYPE_CHECKING:
    import ssl

SERVER_URL_VARIABLE = "ARINOVA_SERVER_URL"
BOT_TOKEN_VARIABLE = "ARINOVA_BOT_TOKEN"

AGENT_PATH = "/ws/agent"

ConcurrencyMode = Literal["per-conversation", "agent-wide", "unbounded"]
ErrorText = str | Callable[[BaseException], str]

_LONGEST_SECONDS = 86_400.0
_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


class Skill(msgspec.Struct, frozen=True):
    """Describe one slash command that the agent offers to users.

    Args:
        id: the command's word, as in ``/draw``.
        name: what users read.
        description: one line about what it does.

    Raises TypeError or ValueError for a value that is not a filled-in string: the March 2026 server drops all
    skills of an agent without a word when one of them is malformed.
    """

    id: str
    name: str
    description: str

    def __post_init__(self) -> None:
        for name in ("id", "name", "description"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(f"Skill {name} must be a str, not {type(value).__name__}")
            if not value.strip() and name != "description":
                raise ValueError(f"Skill {name} must not be empty")
            if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
                raise ValueError(f"Skill {name} must not hold NUL or lone surrogates: {value!r}")
            msgspec.structs.force_setattr(self, name, str.__str__(value))  # the encoder takes an exact str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent was told, checked. Made by ``check``; every default stands here, once."""

    server_url: str  # http or https, without a slash at the end
    bot_token: str
    reconnect_interval: float = 5.0  # seconds
    ping_interval: float = 30.0  # seconds
    ping_timeout: float = 60.0  # seconds without a byte from the server; by default 2 x ping_interval
    connect_timeout: float = 10.0  # seconds, once for the connection and once for the authentication
    send_timeout: float = 20.0  # seconds a write may make no progress
    skills: tuple[Skill, ...] = ()
    concurrency_mode: ConcurrencyMode = "per-conversation"
    max_workers: int = 32  # handlers at a time
    max_queued_tasks: int = 100  # over all conversations
    max_consecutive_per_conversation: int = 2  # tasks
    max_frame_bytes: int = 16 * 1024 * 1024  # bytes of one inbound message
    shutdown_timeout: float = 30.0  # seconds
    auth_attempts: int = 5
    rescue_results: bool = True
    proxy: str | None = None  # None: from the environment; "": none
    ssl_context: ssl.SSLContext | None = None
    max_buffered_bytes: int = 8 * 1024 * 1024  # bytes of text kept while there is no connection
    error_text: ErrorText = str
    keep_partial: bool = False

    # Not for users to set: bounds and rhythms that the server's rules decide.
    max_reconnect_delay: float = 60.0  # seconds
    stable_after: float = 30.0  # seconds online after which a connection has proved itself
    heartbeat_interval: float = 60.0  # seconds; the March 2026 server gives a silent task up after 600
    action_timeout: float = 60.0  # seconds
    exit_timeout: float = 5.0  # seconds, for disconnect() at the interpreter's exit
    max_buffered_terminals: int = 1_000
    max_finished_ids: int = 1_024
    leftover_factor: int = 4  # x max_workers handlers of cancelled tasks that still run

    def __repr__(self) -> str:
        # The token and a proxy's password are for nobody's eyes.
        hidden = ("bot_token", "proxy", "ssl_context")
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in hidden)
        return f"Settings({', '.join(shown)})"

    @property
    def socket_url(self) -> str:
        """The URL of the agent's WebSocket."""
        return "ws" + self.server_url.removeprefix("http") + AGENT_PATH

    @property
    def exposes_token(self) -> bool:
        """Whether the token would travel in clear over a network."""
        return self.server_url.startswith("http:") and not _is_loopback(
            urlsplit(self.server_url).hostname or ""
        )


def check(given: Mapping[str, object]) -> Settings:
    """Turn the constructor's arguments into Settings.

    Args:
        given: the arguments by name; None stands for the environment variable or the default.

    Raises TypeError or ValueError that names the argument and what it must be.
    """
    values: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    values["server_url"] = server_url(values.get("server_url"))
    values["bot_token"] = bot_token(values.get("bot_token"))
    for name, (high, zero) in _SECONDS.items():
        if name in values:
            values[name] = seconds(name, values[name], high=high, least=zero)
    for name, (least, most) in _COUNTS.items():
        if name in values:
            values[name] = count(name, values[name], least, most)
    for name, check_one in _OTHERS.items():
        if name in values:
            values[name] = check_one(name, values[name])
    settings = Settings(**values)  # type: ignore[arg-type]
    if "ping_timeout" not in values:
        settings = msgspec.structs.replace(settings, ping_timeout=2 * settings.ping_interval)
    if settings.ping_timeout <= settings.ping_interval:
        raise ValueError(
            f"ping_timeout ({settings.ping_timeout:g} s) must be longer than ping_interval "
            f"({settings.ping_interval:g} s), or every quiet connection would count as dead"
        )
    return settings


def server_url(given: object) -> str:
    """Return the server's URL as http or https without a slash at the end; raise if it is none."""
    url = given if given is not None else os.environ.get(SERVER_URL_VARIABLE)
    if url is None or url == "":
        raise ValueError(f"server_url is missing: pass server_url= or set {SERVER_URL_VARIABLE}")
    if not isinstance(url, str):
        raise TypeError(f"server_url must be a str, not {type(url).__name__}")
    parts = _split(url)
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None:
        raise ValueError("server_url must start with https://, http://, wss:// or ws://")
    if not parts.hostname:
        raise ValueError("server_url has no host, such as https://chat.arinova.ai")
    if parts.username is not None or parts.password is not None:
        raise ValueError("server_url must not hold a user or a password; the bot token is all that is needed")
    if parts.query or parts.fragment:
        raise ValueError("server_url must not have a query or a fragment")
    # The colon of an empty port goes too.
    return f"{scheme}://{parts.netloc.rstrip(':')}{parts.path.rstrip('/')}"


def _split(url: str) -> SplitResult:
    if any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in url):
        raise ValueError("server_url must not hold blanks or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"server_url is not a URL: {error}") from None
    if port == 0:
        raise ValueError("server_url has port 0, on which no server listens")
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def bot_token(given: object) -> str:
    """Return the bot token; raise, without showing it, if it is none."""
    token = given if given is not None else os.environ.get(BOT_TOKEN_VARIABLE)
    if token is None or token == "":
        raise ValueError(f"bot_token is missing: pass bot_token= or set {BOT_TOKEN_VARIABLE}")
    if not isinstance(token, str):
        raise TypeError(f"bot_token must be a str, not {type(token).__name__}")
    if not all("!" <= letter <= "~" for letter in token):
        raise ValueError("bot_token must hold printable ASCII characters only, and no blanks")
    return str.__str__(token)  # the encoder takes an exact str


def seconds(
    name: str, value: object, low: float = 0.0, high: float = _LONGEST_SECONDS, *, least: bool = False
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
    return repr(value) if isinstance(value, float) or abs(value) < 10**20 else "one of more than 20 digits"


def text(name: str, value: object, *, empty: bool = False) -> str:
    """Return a string, filled in unless it may be empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value and not empty:
        raise ValueError(f"{name} must not be empty")
    return value


def _mode(name: str, value: object) -> object:
    if value not in get_args(ConcurrencyMode):
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, get_args(ConcurrencyMode)))}, not {value!r}"
        )
    return value


def _skills(name: str, value: object) -> tuple[Skill, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a sequence of Skill, not {type(value).__name__}")
    skills = tuple(value)
    for skill in skills:
        if not isinstance(skill, Skill):
            raise TypeError(f"{name} must hold Skill(id, name, description), not {type(skill).__name__}")
    ids = [skill.id for skill in skills]
    if twice := {id for id in ids if ids.count(id) > 1}:
        raise ValueError(f"{name} has the id {sorted(twice)[0]!r} twice")
    return skills


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def _proxy(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if value == "":
        return value
    try:
        parts = urlsplit(value)
        known = parts.scheme.lower() == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        # The value itself stays out of the text: it may hold a password.
        raise ValueError(
            f"{name} must be http://[user:password@]host:port; https and SOCKS proxies are not supported"
        )
    return value


def _ssl_context(name: str, value: object) -> ssl.SSLContext:
    import ssl  # here: it takes a while, and whoever has a context has loaded it

    if not isinstance(value, ssl.SSLContext):
        raise TypeError(f"{name} must be an ssl.SSLContext, not {type(value).__name__}")
    return value


def _error_text(name: str, value: object) -> object:
    if isinstance(value, str):
        return text(name, value)
    if not callable(value):
        raise TypeError(f"{name} must be a str or a function of the exception, not {type(value).__name__}")
    return value


_SECONDS = {  # the most, and whether 0 is allowed
    "reconnect_interval": (3_600.0, False),
    "ping_interval": (3_600.0, False),
    "ping_timeout": (7_200.0, False),
    "connect_timeout": (600.0, False),
    "send_timeout": (600.0, False),
    "shutdown_timeout": (_LONGEST_SECONDS, True),
}
_COUNTS = {
    "max_workers": (1, 10_000),
    "max_queued_tasks": (0, 1_000_000),
    "max_consecutive_per_conversation": (1, 1_000_000),
    "max_frame_bytes": (1_024, 1 << 30),
    "auth_attempts": (1, 1_000),
    "max_buffered_bytes": (0, 1 << 40),
}
_OTHERS: dict[str, Callable[[str, object], object]] = {
    "skills": _skills,
    "concurrency_mode": _mode,
    "rescue_results": _flag,
    "keep_partial": _flag,
    "proxy": _proxy,
    "ssl_context": _ssl_context,
    "error_text": _error_text,
}
