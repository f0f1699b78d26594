"""Every option and bound of an agent in one table: its type, default, check, meaning and environment variable."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, cast, get_args
from urllib.parse import urlsplit

import msgspec

from . import argument_checks
from .argument_checks import LONGEST_SECONDS, count, flag, seconds

if TYPE_CHECKING:
    import ssl

    from .executors.protocol import Executor

SERVER_URL_VARIABLE = "ARINOVA_SERVER_URL"
BOT_TOKEN_VARIABLE = "ARINOVA_BOT_TOKEN"
STANDBY_FOLDER_VARIABLE = "ARINOVA_STANDBY_DIR"  # where standby's lock files are

AGENT_PATH = "/ws/agent"

ConcurrencyMode = Literal["per-conversation", "agent-wide", "unbounded"]
ErrorText = str | Callable[[BaseException], str]

LARGEST_FRAME = 8 * 1024 * 1024  # bytes that leave; the March 2026 server takes 16 MiB


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
                raise ValueError(f"Skill {name} must not contain NUL or lone surrogates: {value!r}")
            msgspec.structs.force_setattr(self, name, str.__str__(value))  # the encoder takes an exact str


def _skills(name: str, value: object) -> tuple[Skill, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a sequence of Skill, not {type(value).__name__}")
    skills = tuple(value)
    for skill in skills:
        if not isinstance(skill, Skill):
            raise TypeError(f"{name} must contain Skill(id, name, description), not {type(skill).__name__}")
    ids = [skill.id for skill in skills]
    if twice := {id for id in ids if ids.count(id) > 1}:
        raise ValueError(f"{name} has the id {sorted(twice)[0]!r} twice")
    return skills


class Option(NamedTuple):
    """What is to be known of one option, beside its type and its default.

    Attributes:
        check: takes the option's name and what was passed, and returns the value to use; raises TypeError or
            ValueError that names the option.
        meaning: one line for the documentation, with the unit.
        default: the default in words, where it is not a value.
        variable: the environment variable that is used if the option is not passed; it is missing without both.
    """

    check: Callable[[str, object], object]
    meaning: str
    default: str = ""
    variable: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent was told, checked. Made by ``check``.

    A new option is a new row here, and an argument of ArinovaAgent; a test compares them with the documentation.
    """

    server_url: Annotated[  # http or https, without a slash at the end
        str,
        Option(
            argument_checks.server_url,
            "http(s) or ws(s) URL of the server; a path in it is kept",
            variable=SERVER_URL_VARIABLE,
        ),
    ]
    bot_token: Annotated[
        str,
        Option(
            argument_checks.bot_token,
            "the bot's token; never shown in repr, logs or errors",
            variable=BOT_TOKEN_VARIABLE,
        ),
    ]
    reconnect_interval: Annotated[
        float,
        Option(
            partial(seconds, high=3_600.0),
            "seconds before the first reconnect; doubled each time, at most 60, with jitter",
        ),
    ] = 5.0
    ping_interval: Annotated[
        float, Option(partial(seconds, high=3_600.0), "seconds between application pings")
    ] = 30.0
    ping_timeout: Annotated[
        float,
        Option(
            partial(seconds, high=7_200.0),
            "seconds without a byte from the server after which the connection counts as dead",
            default="twice ``ping_interval``",
        ),
    ] = 60.0
    connect_timeout: Annotated[
        float,
        Option(
            partial(seconds, high=600.0), "seconds for TCP, TLS and upgrade, and again for the authentication"
        ),
    ] = 10.0
    send_timeout: Annotated[
        float,
        Option(
            partial(seconds, high=600.0),
            "seconds that one write may make no progress before the connection counts as dead",
        ),
    ] = 20.0
    skills: Annotated[
        tuple[Skill, ...],
        Option(_skills, "``Skill(id, name, description)``: slash commands offered to users", default="none"),
    ] = ()
    concurrency_mode: Annotated[
        ConcurrencyMode,
        Option(
            partial(argument_checks.one_of, choices=get_args(ConcurrencyMode)),
            '``"per-conversation"`` (one task at a time in each), ``"agent-wide"`` (one at all) or ``"unbounded"``',
        ),
    ] = "per-conversation"
    max_workers: Annotated[
        int, Option(partial(count, least=1, most=10_000), "handlers that run at a time")
    ] = 32
    max_queued_tasks: Annotated[
        int,
        Option(
            partial(count, least=0, most=1_000_000),
            "tasks that may wait, over all conversations; with 0 a task that cannot start is refused",
        ),
    ] = 100
    max_consecutive_per_conversation: Annotated[
        int,
        Option(
            partial(count, least=1, most=1_000_000),
            'tasks of one conversation in a row while others wait, in the mode ``"agent-wide"``',
        ),
    ] = 2
    max_frame_bytes: Annotated[
        int, Option(partial(count, least=1_024, most=1 << 30), "bytes of the longest inbound message")
    ] = 16 * 1024 * 1024
    shutdown_timeout: Annotated[
        float,
        Option(
            partial(seconds, high=LONGEST_SECONDS, least=True),
            "seconds that handlers may finish in after a signal to ``run``, and in ``disconnect``",
        ),
    ] = 30.0
    auth_attempts: Annotated[
        int,
        Option(
            partial(count, least=1, most=1_000),
            "refused authentications in a row, after a first successful one, before the agent gives up; a first "
            "one that is refused for good fails at once",
        ),
    ] = 5
    rescue_results: Annotated[
        bool,
        Option(
            flag,
            "whether a finished answer is delivered as a message when the server gave its task up in an outage",
        ),
    ] = True
    proxy: Annotated[  # "": none
        str | None,
        Option(
            argument_checks.proxy,
            '``http://`` or ``socks5://[user:password@]host:port``; ``""`` for none',
            default="the environment's or the system's",
        ),
    ] = None
    ssl_context: Annotated[
        "ssl.SSLContext | None",
        Option(
            argument_checks.ssl_context,
            "an ``ssl.SSLContext``",
            default="one that trusts what the system trusts",
        ),
    ] = None
    max_buffered_bytes: Annotated[
        int,
        Option(partial(count, least=0, most=1 << 40), "bytes of text kept while there is no connection"),
    ] = 8 * 1024 * 1024
    error_text: Annotated[
        ErrorText,
        Option(
            argument_checks.error_text,
            "what the user is shown when a handler raises: a text, or a function of the exception",
        ),
    ] = str
    keep_partial: Annotated[
        bool,
        Option(
            flag,
            "whether what a handler streamed before it raised stays, with the error's text behind it; otherwise "
            "the error takes its place",
        ),
    ] = False

    standby: Annotated[
        bool,
        Option(
            argument_checks.standby,
            "whether one alone of this machine's processes with the same token connects, while the others wait and "
            "take its place when it ends",
        ),
    ] = False
    executor: Annotated[
        "Executor | None",
        Option(
            argument_checks.executor,
            "a ``ProcessExecutor`` or ``CeleryExecutor``; its capacity is the default of ``max_workers``",
            default="threads of this process",
        ),
    ] = None

    # Not for users to set: bounds and rhythms that the server's rules decide.
    max_reconnect_delay: float = 60.0  # seconds
    stable_after: float = 30.0  # seconds online after which a connection has proved itself
    rescue_ready_after: float = 10.0  # seconds from the first task on: loading HTTP slows a burst down
    heartbeat_interval: float = 60.0  # seconds; the March 2026 server gives a silent task up after 600
    action_timeout: float = 60.0  # seconds
    exit_timeout: float = 5.0  # seconds, for disconnect() at the interpreter's exit
    max_buffered_terminals: int = 1_000
    max_queued_bytes: int = 64 * 1024 * 1024  # bytes of payload of all tasks that wait
    max_outgoing_bytes: int = LARGEST_FRAME
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


_DEFAULTS = dict(zip(Settings.__struct_fields__[2:], Settings.__struct_defaults__, strict=True))
OPTIONS: Mapping[str, Option] = {
    name: annotation.__metadata__[0]
    for name, annotation in Settings.__annotations__.items()
    if hasattr(annotation, "__metadata__")
}


def default_in_words(name: str) -> str:
    """Return what is used where an option is not passed, code between double backticks."""
    option = OPTIONS[name]
    if option.default or option.variable:
        return option.default or f"the environment variable ``{option.variable}``"
    value = _DEFAULTS[name]
    if isinstance(value, float):
        return f"{value:g} s"
    if isinstance(value, int) and name.endswith("_bytes"):
        return f"{value // 2**20} MiB"
    if isinstance(value, str):
        return f'``"{value}"``'
    return f"``{value.__name__}``" if isinstance(value, type) else str(value)


def documented(docstring: str | None) -> str:
    """Return a docstring with what the options mean in the place of ``{options}``."""
    before, mark, behind = (docstring or "").partition("{options}")
    if not mark:  # Python was told to keep none
        return before
    indent = before.rpartition("\n")[2]
    meanings = (
        f"{name}: {option.meaning}; by default {default_in_words(name)}." for name, option in OPTIONS.items()
    )
    return before + f"\n{indent}".join(meanings) + behind


def check(given: Mapping[str, object]) -> Settings:
    """Turn the constructor's arguments into Settings.

    Args:
        given: the arguments by name; None stands for the environment variable or the default.

    Raises TypeError or ValueError that names the argument and what it must be.
    """
    values = {name: value for name, value in given.items() if value is not None}
    for name, option in OPTIONS.items():
        if name in values or option.variable:
            values[name] = checked(name, given.get(name))
    settings = Settings(**values)  # type: ignore[arg-type]
    if "ping_timeout" not in values:
        settings = msgspec.structs.replace(settings, ping_timeout=2 * settings.ping_interval)
    if settings.executor is not None and "max_workers" not in values:
        settings = msgspec.structs.replace(settings, max_workers=settings.executor.capacity)
    if settings.ping_timeout <= settings.ping_interval:
        raise ValueError(
            f"ping_timeout ({settings.ping_timeout:g} s) must be longer than ping_interval "
            f"({settings.ping_interval:g} s), or every quiet connection would count as dead"
        )
    return settings


def checked(name: str, given: object) -> object:
    """Return the value of one option, from its environment variable if it is not given; raise as ``check`` does."""
    option = OPTIONS[name]
    value = os.environ.get(option.variable) if given is None and option.variable else given
    if option.variable and (value is None or value == ""):
        raise ValueError(f"{name} is missing: pass {name}= or set {option.variable}")
    return option.check(name if given is not None else f"{name} ({option.variable})", value)


def server_url(given: object = None) -> str:
    """Return the server's URL, by default the environment's, as http or https without a slash at the end."""
    return cast(str, checked("server_url", given))


def bot_token(given: object = None) -> str:
    """Return the bot token, by default the environment's; an error about it does not show it."""
    return cast(str, checked("bot_token", given))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return False
