"""The programs in examples/ and the code in README.md and docs/ do what they say."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

import pytest
from _pytest.mark import ParameterSet

import arinova_agent_sync
from arinova_agent_sync import ArinovaAgent
from arinova_agent_sync.local import LocalServer

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PATIENCE = 20.0  # seconds


@contextmanager
def running(
    program: Path, server: LocalServer, *, fails: bool = False, **environment: str
) -> Iterator[IO[str]]:
    """Run a program as a user would, press Ctrl-C at the end and look how it takes it; give what it prints.

    Args:
        program: its file.
        server: that it connects to.
        fails: whether a handler raises, whose traceback is seen.
        environment: variables of its own.
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(program)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ARINOVA_SERVER_URL": server.url,
            "ARINOVA_BOT_TOKEN": server.bot_token,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            server.wait_for_agent()
            yield process.stdout
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0
    # What run() says; one example has a main loop of its own.
    assert fails or re.fullmatch(
        r"((connected as .+\n)+(stopping|finishing \d+ answers?); Ctrl-C again to leave.*\n)?", errors
    )
    server.wait_for_disconnect()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    # The page about HTTP tells of routes that the March server lacks.
    generation = "august" if "[http.md" in request.node.name else "march"
    with LocalServer(agent_name="Ann", duplicate_window=0, generation=generation) as server:
        yield server


def ask(server: LocalServer, text: str) -> str:
    reply = server.conversation().say(text)
    assert reply.wait() == "completed"
    return reply.text


def test_echo(server: LocalServer) -> None:
    with running(EXAMPLES / "echo.py", server) as printed:
        assert printed.readline() == "Ann is connected. Ctrl-C ends it.\n"
        assert ask(server, "good morning") == "You said: good morning"


def test_streaming(server: LocalServer) -> None:
    with running(EXAMPLES / "streaming.py", server):
        reply = server.conversation().say("primes, please")
        assert ask(server, "all up to 30, please") == "2 3 5 7 11 13 17 19 23 29 "
        assert reply.wait() == "completed"
        assert reply.text == "Send me a number and I list the primes up to it."


def test_commands(server: LocalServer) -> None:
    with running(EXAMPLES / "commands.py", server):
        assert [skill["id"] for skill in server.skills()] == ["roll", "flip"]
        assert re.fullmatch(r"[1-6] \+ [1-6] = \d+", ask(server, "/roll 2d6"))
        assert ask(server, "/roll a stone").startswith("'a stone' are no dice.")
        assert ask(server, "/flip") in ("Heads", "Tails")
        assert ask(server, "hello") == "'hello' is new to me. I know /roll 2d6 and /flip."


def test_cancelling(server: LocalServer) -> None:
    with running(EXAMPLES / "cancelling.py", server) as printed:
        reply = server.conversation().say("go")
        reply.wait_for_text("step 0")
        assert reply.cancel()
        assert reply.wait() == "cancelled"
        assert printed.readline() == "stopped by the user\n"


@pytest.mark.slow
def test_group(server: LocalServer, make_agent: Callable[..., ArinovaAgent]) -> None:
    bob = server.add_agent("Bob", listen_mode="muted")  # still hears who mentions him
    his = make_agent(server, bot_token=bob.token)
    his.on_task(lambda task: f"Soup, for a {task.content!r}")
    his.connect()
    with running(EXAMPLES / "group.py", server):
        group = server.conversation(type="group")
        assert ask_in(group, "hello") == "Here are Ann, Bob. Say: ask NAME QUESTION"
        assert ask_in(group, "ask Zoe why") == "no agent is called 'Zoe' here; the members are: Ann, Bob"
        reply = group.say("ask Bob what is for lunch")
        assert reply.wait() == "completed"
        assert (reply.text, reply.mentions) == ("@Bob what is for lunch?", (bob.agent_id,))
        answer = group.wait_for_message(sender_agent_id=bob.agent_id)
        assert answer.content == "Soup, for a '@Bob what is for lunch?'"


def ask_in(group: object, text: str) -> str:
    reply = group.say(text)  # type: ignore[attr-defined]
    assert reply.wait() == "completed"
    return str(reply.text)


def test_async_handler(server: LocalServer) -> None:
    with running(EXAMPLES / "async_handler.py", server):
        reply = server.conversation().say("one two")
        assert list(reply) == ["Echo: ", "one ", "two "]
        assert reply.wait() == "completed"


def test_several_agents(server: LocalServer) -> None:
    second = server.add_agent("Quiet")
    with running(EXAMPLES / "several_agents.py", server, ARINOVA_SECOND_BOT_TOKEN=second.token):
        assert ask(server, "Hello") == "HELLO"
        reply = server.conversation(second).say("Hello")
        assert (reply.wait(), reply.text) == ("completed", "hello")


def test_background(server: LocalServer) -> None:
    with running(EXAMPLES / "background.py", server) as printed:
        assert printed.readline() == "connected\n"  # Ctrl-C before that is not the example's to take
        assert re.fullmatch(r"The main thread has counted to \d+\.", ask(server, "how far?"))


def test_a_database_session_around_each_task(server: LocalServer, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/notes.db"
    with running(EXAMPLES / "around/database_session.py", server, fails=True, DATABASE_URL=url):
        assert ask(server, "what is there?") == "Nothing yet: /note something"
        assert ask(server, "/note buy milk") == "Noted."
        reply = server.conversation().say("/note a secret")
        assert (reply.wait(), reply.text) == ("error", "Secrets are not written down.")
        assert ask(server, "and now?") == "buy milk"  # the other one was rolled back


@pytest.mark.parametrize(
    ("allowed", "said"), [("bob", "Ask Ann to let you in."), ("owner", "Come in, owner!")]
)
def test_an_allow_list(server: LocalServer, allowed: str, said: str) -> None:
    with running(EXAMPLES / "around/allow_list.py", server, ALLOWED=allowed):
        assert fnmatchcase(ask(server, "hello"), said)


def test_a_span_around_each_task(server: LocalServer) -> None:
    with running(EXAMPLES / "around/tracing.py", server) as printed:
        assert ask(server, "hello") == "HELLO"
        span = json.loads(printed.readline())
        assert (span["name"], [event["name"] for event in span["events"]]) == ("task", ["thinking"])
        assert list(span["attributes"]) == ["arinova.task_id"]


def test_every_example_is_tested() -> None:
    tested = set(re.findall(r'EXAMPLES / "([\w/]+\.py)"', Path(__file__).read_text(encoding="utf-8")))
    here = [*EXAMPLES.glob("*.py"), *(EXAMPLES / "around").glob("*.py")]
    assert tested == {str(path.relative_to(EXAMPLES)) for path in here}


# The code in the documentation

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(<!-- compiled only: .* -->\n)?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What is said to the agent of a section's code, and what it answers, where * stands for anything; the code of
# other sections just runs.
TALKS = {
    "README.md: arinova_agent_sync": ("good morning", "You said: good morning "),
    "README.md: Writing by itself": ("where?", "I will write to *."),
    "index.md: arinova_agent_sync": ("good morning", "You said: good morning "),
    "first-answer.md: Write an agent": ("good morning", "You said: good morning "),
    "handlers.md: Handlers": ("a poem", "Roses are red\nViolets are blue\n"),
    "commands.md: Slash commands": ("/draw a cat", "Imagine a cat."),
    "groups.md: Groups": ("why?", "Good question. @Bob, do you know?"),
    "life.md: Starting and ending": ("where?", "I am here."),
    "life.md: Several agents": ("hello", "HELLO"),
    "files.md: Files and images": ("a table", "Here is your table: {url}/uploads/*.csv"),
    "logging.md: Logging": ("where?", "Found."),
    "models.md: Tools, and what was used": ("cats", "a page about cats"),
    "notebooks.md: Notebooks": ("hello", "olleh"),
    "migration.md: Coming from the asyncio SDK": ("hello you", "hello you "),
}


def blocks() -> list[ParameterSet]:
    """Return each block of Python code: source, section, and whether it can only be compiled."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            section = re.findall(r"^#+ (.*)$", text[: block.start()], re.MULTILINE)[-1]
            line = text.count("\n", 0, block.start(2))
            source = "\n" * line + block[2]  # so that a traceback tells the document's lines
            name = f"{document.name}: {section}"
            found.append(pytest.param(source, name, block[1] is not None, id=f"{document.name}:{line + 1}"))
    return found


@pytest.fixture
def made(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ArinovaAgent]]:
    """Collect the agents that a block makes; they meet our server, and ``run`` does not block."""
    made: list[ArinovaAgent] = []
    make = ArinovaAgent.__init__

    def remember(agent: ArinovaAgent, **options: object) -> None:
        if "127.0.0.1" not in str(options.get("server_url")):
            options["server_url"] = server.url
        if options.get("bot_token") == "your-bot-token":
            options["bot_token"] = server.bot_token
        make(agent, **options)  # type: ignore[arg-type]
        made.append(agent)

    def connect(*agents: ArinovaAgent) -> None:
        for agent in agents:
            agent.connect(timeout=PATIENCE)

    monkeypatch.setenv("ARINOVA_SERVER_URL", server.url)
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", server.bot_token)
    monkeypatch.setattr(ArinovaAgent, "__init__", remember)
    monkeypatch.setattr(ArinovaAgent, "run", connect)
    monkeypatch.setattr(arinova_agent_sync, "run", connect)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    level = logging.getLogger("arinova_agent_sync").level
    yield made
    logging.getLogger("arinova_agent_sync").setLevel(level)
    for agent in made:
        agent.disconnect(timeout=2.0)
        agent.api.close()


@pytest.mark.slow
@pytest.mark.parametrize(("source", "section", "compiled_only"), blocks())
def test_documented_code(
    source: str,
    section: str,
    compiled_only: bool,
    server: LocalServer,
    made: list[ArinovaAgent],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = compile(source, section, "exec")
    if compiled_only:
        return
    bob = server.add_agent("Bob", "ari_second", listen_mode="muted")
    first = server.add_agent("First", "ari_first")
    group = server.conversation(type="group", members=[server.agent, bob])
    # What the text around the code speaks of.
    server.owner.create_notebook("Minutes")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plot.png").write_bytes(b"a picture")
    agent = ArinovaAgent()
    names: dict[str, object] = {
        "ArinovaAgent": ArinovaAgent,
        "agent": agent,
        "client": agent.api,
        "conversation_id": group.id,
    }
    exec(code, names)
    for name, function in names.items():
        if name.startswith("test_") and callable(function):
            function()
    if section not in TALKS or "on_task" not in source:
        return
    agent = names.get("first", names["agent"])
    assert isinstance(agent, ArinovaAgent)
    agent.connect(timeout=PATIENCE)
    grouped = section.endswith("Groups")
    conversation = group if grouped else server.conversation(first if "first" in names else None)
    said, answer = TALKS[section]
    reply = conversation.say(said, wait_for_agent=0)
    assert reply.wait() == "completed"
    assert fnmatchcase(reply.text, answer.format(url=server.url))
    assert reply.mentions == ((bob.agent_id,) if grouped else ())


def test_every_talk_has_its_section() -> None:
    assert TALKS.keys() <= {str(block.values[1]) for block in blocks()}


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
