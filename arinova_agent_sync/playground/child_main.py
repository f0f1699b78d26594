"""What runs in an agent's process: load the target, connect it, answer questions. Started by ``child``.

It is told what to run by a JSON line on one pipe and tells what happens by JSON lines on another, so that the
agent keeps its standard input and output. The end of the first pipe ends it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from msgspec.structs import replace

from ..account import Account
from ..agent import ArinovaAgent

_STOPS_WITHIN = 2.0  # seconds
_MODULE = "arinova_playground_target"


class TargetError(Exception):
    """Say why a target names no agent."""


def main() -> int:
    """Run until the pipe ends; return the exit code."""
    # Ctrl-C in the terminal reaches this process too, and it is the playground's to end it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asks, tells = (int(number) for number in sys.argv[1:3])
    with open(asks, encoding="utf-8") as orders, open(tells, "w", encoding="utf-8") as news:
        tell = _teller(news)
        order = json.loads(orders.readline())
        try:
            agent = load(order["target"], order["server_url"], order["bot_token"])
        except TargetError as problem:
            tell(event="error", text=str(problem))
            return 5
        _listen(agent, tell)
        threading.Thread(target=_connect, args=(agent, tell), name="connect", daemon=True).start()
        for line in orders:
            if json.loads(line).get("ask") == "stats":
                tell(event="stats", stats=asdict(agent.stats()))
        agent.disconnect(_STOPS_WITHIN)
    return 0


def load(target: str, server_url: str, bot_token: str) -> ArinovaAgent:
    """Return the agent of a target, pointed at a server.

    Args:
        target: a file, a module, or one of them with ``:attribute``; the attribute is an agent or makes one.
        server_url, bot_token: what the agent uses, whatever it was made with.

    Raises TargetError that says what to do.
    """
    os.environ["ARINOVA_SERVER_URL"], os.environ["ARINOVA_BOT_TOKEN"] = server_url, bot_token
    name, attribute = split(target)
    # A file that runs its agent at module level declares it by that; it is run here.
    ran: list[ArinovaAgent] = []
    before = ArinovaAgent.run
    ArinovaAgent.run = lambda self: ran.append(self)  # type: ignore[method-assign]
    try:
        module = _module(name)
    except TargetError:
        raise
    except BaseException as error:
        raise TargetError(_users_traceback(error)) from error
    finally:
        ArinovaAgent.run = before  # type: ignore[method-assign]
    try:
        agent = _agent(module, attribute, ran, target)
    except TargetError:
        raise
    except Exception as error:
        raise TargetError(_users_traceback(error)) from error
    agent._settings = replace(agent._settings, server_url=server_url, bot_token=bot_token)
    agent._account = Account(agent._settings)
    return agent


def split(target: str) -> tuple[str, str]:
    """Return a target's file or module, and its attribute or an empty text."""
    name, colon, attribute = target.rpartition(":")
    if colon and name and attribute.isidentifier():
        return name, attribute
    return target, ""


def _module(name: str) -> ModuleType:
    path = Path(name)
    if path.suffix != ".py" and not path.exists():
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(name)
    if not path.is_file():
        raise TargetError(f"There is no file {name}.")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(_MODULE, path.resolve())
    if spec is None or spec.loader is None:
        raise TargetError(f"{name} is no Python file.")
    module = sys.modules[_MODULE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _agent(module: ModuleType, attribute: str, ran: list[ArinovaAgent], target: str) -> ArinovaAgent:
    if attribute:
        found = getattr(module, attribute, None)
        if callable(found) and not isinstance(found, ArinovaAgent):
            found = found()
        if not isinstance(found, ArinovaAgent):
            raise TargetError(f"{attribute} of {split(target)[0]} is no ArinovaAgent and returns none.")
        return found
    agents = {id(each): (name, each) for name, each in vars(module).items() if isinstance(each, ArinovaAgent)}
    for each in ran:
        agents.setdefault(id(each), ("", each))
    if not agents:
        raise TargetError(
            f"{target} has no ArinovaAgent at its module level. Make one there: agent = ArinovaAgent()"
        )
    if len(agents) > 1:
        names = " or ".join(f"{target}:{name}" for name, _ in agents.values() if name)
        raise TargetError(f"{target} has several agents. Say which: {names}")
    return next(iter(agents.values()))[1]


def _users_traceback(error: BaseException) -> str:
    """Return a traceback without the frames of this loader and of importlib."""
    lines = traceback.TracebackException.from_exception(error)
    lines.stack = traceback.StackSummary.from_list(
        [frame for frame in lines.stack if frame.filename != __file__ and "importlib" not in frame.filename]
    )
    return "".join(lines.format()).rstrip()


def _teller(news: IO[str]) -> Callable[..., None]:
    lock = threading.Lock()

    def tell(**event: Any) -> None:
        try:
            with lock:
                news.write(json.dumps(event) + "\n")
                news.flush()
        except (OSError, ValueError):
            pass  # the playground has gone, and so does this process

    return tell


def _listen(agent: ArinovaAgent, tell: Callable[..., None]) -> None:
    agent.on("connected", lambda: tell(event="connected"))
    agent.on("disconnected", lambda: tell(event="disconnected"))
    agent.on("auth_failed", lambda error: tell(event="failed", text=str(error)))
    agent.on("error", lambda error: tell(event="error", text=str(error)))


def _connect(agent: ArinovaAgent, tell: Callable[..., None]) -> None:
    try:
        agent.connect()
    except Exception as error:  # noqa: BLE001 - whatever it is, its text is for the page
        tell(event="failed", text=str(error))


if __name__ == "__main__":
    sys.exit(main())
