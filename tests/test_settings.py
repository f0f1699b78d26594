"""Every option: its default, its environment variable, its check."""

from __future__ import annotations

import inspect
import re
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_type_hints

import pytest

from arinova_agent_sync import ArinovaAgent, Skill
from arinova_agent_sync.executors.protocol import Executor
from arinova_agent_sync.settings import OPTIONS, Settings, check, default_in_words, server_url

URL = "https://chat.arinova.ai"
TOKEN = "ari_0123456789abcdef"
DRAW = Skill("draw", "Draw", "Draws a picture")
CONTEXT = ssl.create_default_context()
HUGE = 10**400  # no float is as large


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARINOVA_SERVER_URL", raising=False)
    monkeypatch.delenv("ARINOVA_BOT_TOKEN", raising=False)


def made(**given: object) -> Settings:
    return check({"server_url": URL, "bot_token": TOKEN, **given})


class TestDefaults:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("reconnect_interval", 5.0),
            ("ping_interval", 30.0),
            ("ping_timeout", 60.0),
            ("connect_timeout", 10.0),
            ("send_timeout", 20.0),
            ("skills", ()),
            ("concurrency_mode", "per-conversation"),
            ("max_workers", 32),
            ("max_queued_tasks", 100),
            ("max_consecutive_per_conversation", 2),
            ("max_frame_bytes", 16 * 1024 * 1024),
            ("shutdown_timeout", 30.0),
            ("auth_attempts", 5),
            ("rescue_results", True),
            ("keep_partial", False),
            ("standby", False),
            ("proxy", None),
            ("ssl_context", None),
            ("max_buffered_bytes", 8 * 1024 * 1024),
            ("error_text", str),
        ],
    )
    def test_table(self, name: str, value: object) -> None:
        assert getattr(made(), name) == value
        assert getattr(made(**{name: None}), name) == value

    @pytest.mark.parametrize(("interval", "timeout"), [(1, 2.0), (0.5, 1.0), (45.0, 90.0), (3600, 7200.0)])
    def test_ping_timeout_is_twice_the_interval(self, interval: float, timeout: float) -> None:
        assert made(ping_interval=interval).ping_timeout == timeout

    def test_they_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError):
            made().max_workers = 3  # type: ignore[misc]


class TestGoodValues:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("reconnect_interval", 0.01),
            ("reconnect_interval", 3600),
            ("ping_timeout", 30.5),
            ("connect_timeout", 600.0),
            ("send_timeout", 1),
            ("skills", (DRAW,)),
            ("concurrency_mode", "agent-wide"),
            ("concurrency_mode", "unbounded"),
            ("max_workers", 1),
            ("max_workers", 10_000),
            ("max_queued_tasks", 0),
            ("max_consecutive_per_conversation", 1),
            ("max_frame_bytes", 1_024),
            ("max_frame_bytes", 1 << 30),
            ("shutdown_timeout", 0),
            ("shutdown_timeout", 86_400.0),
            ("auth_attempts", 1),
            ("rescue_results", False),
            ("keep_partial", True),
            ("standby", True),
            ("proxy", ""),
            ("proxy", "http://proxy:3128"),
            ("proxy", "HTTP://user:password@[::1]:3128"),
            ("proxy", "http://proxy"),
            ("ssl_context", CONTEXT),
            ("max_buffered_bytes", 0),
            ("error_text", "Something went wrong."),
            ("error_text", repr),
        ],
    )
    def test_table(self, name: str, value: object) -> None:
        assert getattr(made(**{name: value}), name) == value

    @pytest.mark.parametrize("name", ["reconnect_interval", "connect_timeout", "shutdown_timeout"])
    def test_seconds_become_floats(self, name: str) -> None:
        assert type(getattr(made(**{name: 7}), name)) is float

    @pytest.mark.parametrize("skills", [[DRAW], (DRAW,), iter([DRAW]), {DRAW}])
    def test_skills_become_a_tuple(self, skills: object) -> None:
        assert made(skills=skills).skills == (DRAW,)


SECONDS = [
    "reconnect_interval",
    "ping_interval",
    "ping_timeout",
    "connect_timeout",
    "send_timeout",
    "shutdown_timeout",
]
COUNTS = {
    "max_workers": (0, 10_001),
    "max_queued_tasks": (-1, 1_000_001),
    "max_consecutive_per_conversation": (0, 1_000_001),
    "max_frame_bytes": (1_023, (1 << 30) + 1),
    "auth_attempts": (0, 1_001),
    "max_buffered_bytes": (-1, (1 << 40) + 1),
}


class TestWrongValues:
    @pytest.mark.parametrize("name", SECONDS)
    @pytest.mark.parametrize("value", ["5", True, [5], b"5", 5j, object()])
    def test_seconds_of_the_wrong_type(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"^{name} must be a number of seconds, not \w+$"):
            made(**{name: value})

    @pytest.mark.parametrize("name", SECONDS)
    @pytest.mark.parametrize("value", [-1, -0.001, 86_400.1, HUGE, float("inf"), float("nan")], ids=ascii)
    def test_seconds_out_of_range(self, name: str, value: object) -> None:
        with pytest.raises(ValueError, match=rf"^{name} must be .* seconds, not "):
            made(**{name: value})

    @pytest.mark.parametrize("name", [name for name in SECONDS if name != "shutdown_timeout"])
    def test_no_seconds_at_all(self, name: str) -> None:
        with pytest.raises(ValueError, match=rf"^{name} must be more than 0 "):
            made(**{name: 0})

    def test_no_shutdown_time_at_all_is_one(self) -> None:
        assert made(shutdown_timeout=0).shutdown_timeout == 0
        with pytest.raises(ValueError, match=r"^shutdown_timeout must be at least 0 .* seconds, not -1$"):
            made(shutdown_timeout=-1)

    @pytest.mark.parametrize("name", [*SECONDS, *COUNTS])
    def test_a_number_that_python_will_not_write_out(self, name: str) -> None:
        with pytest.raises(ValueError, match=rf"^{name} must be .*, not a number of more than 20 digits$"):
            made(**{name: 10**5_000})

    @pytest.mark.parametrize("name", COUNTS)
    @pytest.mark.parametrize("value", ["5", True, 5.0, [5], object()])
    def test_counts_of_the_wrong_type(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"^{name} must be an int, not \w+$"):
            made(**{name: value})

    @pytest.mark.parametrize("name", COUNTS)
    @pytest.mark.parametrize("end", [0, 1])
    def test_counts_out_of_range(self, name: str, end: int) -> None:
        value = COUNTS[name][end]
        with pytest.raises(ValueError, match=rf"^{name} must be from \d+ to \d+, not {value}$"):
            made(**{name: value})
        assert getattr(made(**{name: value + (1 if end == 0 else -1)}), name) is not None
        with pytest.raises(ValueError, match=rf"^{name} must be from "):
            made(**{name: HUGE})

    @pytest.mark.parametrize("value", ["Agent-Wide", "", "parallel", 1, ["unbounded"], {}], ids=repr)
    def test_concurrency_mode(self, value: object) -> None:
        with pytest.raises(
            ValueError,
            match=r"^concurrency_mode must be one of 'per-conversation', 'agent-wide', 'unbounded', not ",
        ):
            made(concurrency_mode=value)

    @pytest.mark.parametrize("value", [0, 1, "yes", [], object()])
    @pytest.mark.parametrize("name", ["rescue_results", "keep_partial", "standby"])
    def test_flags(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"^{name} must be True or False, not "):
            made(**{name: value})

    @pytest.mark.parametrize("value", ["context", True, ssl, ssl.SSLContext], ids=repr)
    def test_ssl_context(self, value: object) -> None:
        with pytest.raises(TypeError, match=r"^ssl_context must be an ssl.SSLContext, not "):
            made(ssl_context=value)

    @pytest.mark.parametrize(
        ("value", "kind", "says"),
        [
            ("", ValueError, "^error_text must not be empty$"),
            (5, TypeError, "^error_text must be a str or a function of the exception, not int$"),
            (b"text", TypeError, "^error_text must be a str or a function of the exception, not bytes$"),
        ],
    )
    def test_error_text(self, value: object, kind: type[Exception], says: str) -> None:
        with pytest.raises(kind, match=says):
            made(error_text=value)

    @pytest.mark.parametrize(
        "value",
        [
            "proxy:3128",
            "https://proxy:3128",
            "socks6://proxy:1080",
            "http://",
            "http://:3128",
            "http://proxy:0",
            "http://proxy:99999",
            "http://user:hunter2@proxy:port",
            "http://[::1",
        ],
    )
    def test_proxy(self, value: str) -> None:
        with pytest.raises(ValueError, match=r"^proxy must be http://\[user:password@\]host:port;") as caught:
            made(proxy=value)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize("value", [5, True, b"http://proxy:3128", ["http://proxy:3128"]], ids=repr)
    def test_proxy_of_the_wrong_type(self, value: object) -> None:
        with pytest.raises(TypeError, match=r"^proxy must be a str, not "):
            made(proxy=value)

    @pytest.mark.parametrize("given", [{"ping_timeout": 30.0}, {"ping_interval": 60.0, "ping_timeout": 1.0}])
    def test_ping_timeout_must_exceed_the_interval(self, given: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=r"^ping_timeout \(\S+ s\) must be longer than ping_interval"):
            made(**given)

    def test_an_unknown_keyword(self) -> None:
        with pytest.raises(TypeError, match="max_worker"):
            ArinovaAgent(server_url=URL, bot_token=TOKEN, max_worker=3)  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            ArinovaAgent(URL, TOKEN)  # type: ignore[misc]
        with pytest.raises(TypeError, match="heartbeat_interval"):
            ArinovaAgent(server_url=URL, bot_token=TOKEN, heartbeat_interval=3)  # type: ignore[call-arg]

    def test_the_agent_checks_at_once(self) -> None:
        with pytest.raises(ValueError, match=r"^max_workers must be"):
            ArinovaAgent(server_url=URL, bot_token=TOKEN, max_workers=0)


class TestSkills:
    @pytest.mark.parametrize("name", ["id", "name", "description"])
    @pytest.mark.parametrize("value", [None, 5, b"draw", ["draw"]], ids=repr)
    def test_not_a_text(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"^Skill {name} must be a str, not "):
            Skill(**{"id": "draw", "name": "Draw", "description": "", name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["id", "name"])
    @pytest.mark.parametrize("value", ["", " ", "\n"], ids=repr)
    def test_empty(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=rf"^Skill {name} must not be empty$"):
            Skill(**{"id": "draw", "name": "Draw", "description": "", name: value})

    @pytest.mark.parametrize("name", ["id", "name", "description"])
    @pytest.mark.parametrize("value", ["a\0", "\ud83d", "a\udcff"], ids=ascii)
    def test_what_no_frame_can_hold(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=rf"^Skill {name} must not contain NUL or lone surrogates"):
            Skill(**{"id": "draw", "name": "Draw", "description": "", name: value})

    def test_a_skill_may_lack_a_description(self) -> None:
        assert Skill("draw", "Zeichnen \U0001f58d", "").description == ""

    @pytest.mark.parametrize(
        ("skills", "says"),
        [
            ("draw", "^skills must be a sequence of Skill, not str$"),
            (b"draw", "^skills must be a sequence of Skill, not bytes$"),
            (DRAW, "^skills must be a sequence of Skill, not Skill$"),
            ({"id": "draw"}, "^skills must be a sequence of Skill, not dict$"),
            (5, "^skills must be a sequence of Skill, not int$"),
            (["draw"], r"^skills must contain Skill\(id, name, description\), not str$"),
            (
                [DRAW, {"id": "draw", "name": "Draw", "description": ""}],
                r"^skills must contain Skill.*, not dict$",
            ),
        ],
    )
    def test_not_skills(self, skills: object, says: str) -> None:
        with pytest.raises(TypeError, match=says):
            made(skills=skills)

    def test_one_id_twice(self) -> None:
        with pytest.raises(ValueError, match=r"^skills has the id 'draw' twice$"):
            made(skills=[DRAW, Skill("say", "Say", ""), Skill("draw", "Other", "")])


class TestServerUrl:
    @pytest.mark.parametrize(
        ("given", "url", "socket"),
        [
            ("https://chat.arinova.ai", "https://chat.arinova.ai", "wss://chat.arinova.ai/ws/agent"),
            ("wss://chat.arinova.ai", "https://chat.arinova.ai", "wss://chat.arinova.ai/ws/agent"),
            ("http://localhost:21001", "http://localhost:21001", "ws://localhost:21001/ws/agent"),
            ("ws://localhost:21001", "http://localhost:21001", "ws://localhost:21001/ws/agent"),
            ("HTTPS://chat.arinova.ai", "https://chat.arinova.ai", "wss://chat.arinova.ai/ws/agent"),
            ("Wss://chat.arinova.ai", "https://chat.arinova.ai", "wss://chat.arinova.ai/ws/agent"),
            ("https://host/", "https://host", "wss://host/ws/agent"),
            ("https://host///", "https://host", "wss://host/ws/agent"),
            ("https://host/base", "https://host/base", "wss://host/base/ws/agent"),
            ("https://host/base/path/", "https://host/base/path", "wss://host/base/path/ws/agent"),
            ("https://host:8443/base", "https://host:8443/base", "wss://host:8443/base/ws/agent"),
            ("https://host:", "https://host", "wss://host/ws/agent"),
            ("https://host:65535", "https://host:65535", "wss://host:65535/ws/agent"),
            ("http://127.0.0.1", "http://127.0.0.1", "ws://127.0.0.1/ws/agent"),
            ("http://[::1]", "http://[::1]", "ws://[::1]/ws/agent"),
            ("ws://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080", "ws://[2001:db8::1]:8080/ws/agent"),
        ],
    )
    def test_normalisation(self, given: str, url: str, socket: str) -> None:
        settings = made(server_url=given)
        assert settings.server_url == url
        assert settings.socket_url == socket
        assert server_url(url) == url

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("ftp://host", "must start with https://, http://, wss:// or ws://"),
            ("file:///etc/passwd", "must start with"),
            ("chat.arinova.ai", "must start with"),
            ("localhost:21001", "must start with"),
            ("//host", "must start with"),
            ("://host", "must start with"),
            ("https", "must start with"),
            ("https:host", "has no host"),
            ("https://", "has no host"),
            ("https:///path", "has no host"),
            ("https://:443", "has no host"),
            ("https://user@host", "must not contain a user or a password"),
            ("https://user:hunter2@host", "must not contain a user or a password"),
            ("https://:hunter2@host", "must not contain a user or a password"),
            ("https://@host", "must not contain a user or a password"),
            ("https://host?token=hunter2", "must not have a query or a fragment"),
            ("https://host/#top", "must not have a query or a fragment"),
            (" https://host", "must not contain spaces or control characters"),
            ("https://host ", "must not contain spaces or control characters"),
            ("https://ho st", "must not contain spaces or control characters"),
            ("https://host\n", "must not contain spaces or control characters"),
            ("https://ho\tst", "must not contain spaces or control characters"),
            ("https://host/\x7f", "must not contain spaces or control characters"),
            ("https://host/\0", "must not contain spaces or control characters"),
            ("https://host:0", "has port 0"),
            ("https://host:99999", "is not a URL: Port out of range"),
            ("https://host:-1", "is not a URL"),
            ("https://host:port", "is not a URL"),
            ("https://[::1", "is not a URL"),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, url: str, says: str) -> None:
        with pytest.raises(ValueError, match=rf"^server_url {says}") as caught:
            made(server_url=url)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("url", [5, True, b"https://host", ["https://host"]], ids=repr)
    def test_wrong_type(self, url: object) -> None:
        with pytest.raises(TypeError, match=r"^server_url must be a str, not "):
            made(server_url=url)

    @pytest.mark.parametrize(
        ("url", "exposes"),
        [
            ("https://chat.arinova.ai", False),
            ("http://chat.arinova.ai", True),
            ("ws://10.0.0.1", True),
            ("http://localhost", False),
            ("ws://LOCALHOST:21001", False),
            ("http://agent.localhost:1", False),
            ("http://127.0.0.1", False),
            ("http://127.8.9.1:80", False),
            ("http://[::1]:80", False),
            ("http://[::1234]:80", True),
            ("http://localhost.example.org", True),
            ("http://127.example.org", True),
            ("wss://10.0.0.1", False),
        ],
    )
    def test_whether_the_token_would_travel_in_clear(self, url: str, exposes: bool) -> None:
        assert made(server_url=url).exposes_token is exposes


class TestToken:
    @pytest.mark.parametrize("token", [TOKEN, "obt_1", "x", "!~"])
    def test_any_printable_text(self, token: str) -> None:
        assert made(bot_token=token).bot_token == token

    @pytest.mark.parametrize(
        "token", ["ari_hunter2 ", " ari_hunter2", "ari_hunter2\n", "ari_hunter2\0", "ari_hunter2ü", "a\ud800"],
        ids=ascii,
    )  # fmt: skip
    def test_anything_else_is_refused_without_being_shown(self, token: str) -> None:
        with pytest.raises(ValueError, match=r"^bot_token may contain printable ASCII characters") as caught:
            made(bot_token=token)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "token", [5, b"ari_hunter2", ["ari_hunter2"]], ids=lambda token: type(token).__name__
    )
    def test_wrong_type(self, token: object) -> None:
        with pytest.raises(TypeError, match=r"^bot_token must be a str, not ") as caught:
            made(bot_token=token)
        assert "hunter2" not in str(caught.value)

    def test_it_is_never_shown(self) -> None:
        settings = made(proxy="http://user:hunter2@proxy:3128")
        agent = ArinovaAgent(server_url=URL, bot_token=TOKEN)
        for text in (repr(settings), str(settings), repr(agent), str(agent)):
            assert TOKEN not in text
            assert "hunter2" not in text
            assert URL in text

    @pytest.mark.parametrize(
        "wrong", [{"max_workers": 0}, {"server_url": "ftp://host"}, {"skills": ["x"]}, {"ping_timeout": 1.0}]
    )
    def test_it_is_in_no_error(self, wrong: dict[str, object]) -> None:
        with pytest.raises((TypeError, ValueError)) as caught:
            made(**wrong)
        assert TOKEN not in str(caught.value)


class TestEnvironment:
    @pytest.mark.parametrize(
        ("variable", "value", "read"),
        [
            ("ARINOVA_SERVER_URL", "wss://other.example/base/", lambda made: made.server_url),
            ("ARINOVA_BOT_TOKEN", "ari_other", lambda made: made.bot_token),
        ],
    )
    @pytest.mark.parametrize("given", [None, "given"])
    def test_stands_in_for_what_is_not_given(
        self,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
        value: str,
        read: Callable[[Settings], str],
        given: str | None,
    ) -> None:
        monkeypatch.setenv("ARINOVA_SERVER_URL", URL)
        monkeypatch.setenv("ARINOVA_BOT_TOKEN", TOKEN)
        monkeypatch.setenv(variable, value)
        if given is None:
            expected = {"ARINOVA_SERVER_URL": "https://other.example/base", "ARINOVA_BOT_TOKEN": "ari_other"}
            assert read(check({"server_url": None, "bot_token": None})) == expected[variable]
        else:
            assert read(check({"server_url": "http://given", "bot_token": "ari_given"})).endswith("given")

    @pytest.mark.parametrize("value", [None, ""])
    @pytest.mark.parametrize("name", ["server_url", "bot_token"])
    def test_missing(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None) -> None:
        variable = f"ARINOVA_{name.upper()}"
        if value is not None:
            monkeypatch.setenv(variable, value)
        with pytest.raises(ValueError, match=rf"^{name} is missing: pass {name}= or set {variable}$"):
            made(**{name: None})

    @pytest.mark.parametrize("name", ["server_url", "bot_token"])
    def test_an_empty_text_is_not_made_up_for(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(f"ARINOVA_{name.upper()}", "https://host")
        with pytest.raises(ValueError, match=rf"^{name} is missing"):
            made(**{name: ""})

    def test_what_it_says_is_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ARINOVA_SERVER_URL", "ftp://host")
        with pytest.raises(ValueError, match=r"^server_url \(ARINOVA_SERVER_URL\) must start with"):
            check({"bot_token": TOKEN})
        monkeypatch.setenv("ARINOVA_BOT_TOKEN", "ari_hunter2\n")
        with pytest.raises(ValueError, match=r"^bot_token \(ARINOVA_BOT_TOKEN\) may contain") as caught:
            check({"server_url": URL})
        assert "hunter2" not in str(caught.value)


class TestDocumentation:
    """The constructor and the documentation say what the table says."""

    def test_the_constructor_takes_every_option(self) -> None:
        given = inspect.signature(ArinovaAgent).parameters
        assert list(given) == list(OPTIONS)
        for parameter in given.values():
            assert parameter.kind is parameter.KEYWORD_ONLY
            assert parameter.default is None
        types = get_type_hints(ArinovaAgent.__init__, localns={"ssl": ssl, "Executor": Executor})
        for name, expected in get_type_hints(Settings, localns={"ssl": ssl, "Executor": Executor}).items():
            if name in OPTIONS:
                taken = Sequence[Skill] if name == "skills" else expected
                assert types[name] == taken | None, name

    def test_the_docstring(self) -> None:
        arguments = (inspect.getdoc(ArinovaAgent) or "").partition("Args:\n")[2].partition("\n\n")[0]
        entries = re.split(r"(?m)^ {4}(?=\w)", arguments)[1:]
        said = [" ".join(entry.split()) for entry in entries]
        assert said == [
            f"{name}: {option.meaning}; by default {default_in_words(name)}."
            for name, option in OPTIONS.items()
        ]

    def test_the_options_page(self) -> None:
        page = (Path(__file__).parents[1] / "docs" / "options.md").read_text("utf-8")
        rows = [line for line in page.splitlines() if line.startswith("| `")]
        expected = [
            f"| ``{name}`` | {default_in_words(name)} | {option.meaning} |"
            for name, option in OPTIONS.items()
        ]
        assert rows == [row.replace("``", "`") for row in expected]


def test_what_standby_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"standby needs filelock.* pip install") as caught:
        made(standby=True)
    assert caught.value.name == "filelock"
    assert not made(standby=False).standby
