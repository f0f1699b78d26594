"""What runs in an agent's process: load the target, connect it, answer questions. Started by ``child``.

It is told what to run by a JSON line on one pipe and tells what happens by JSON lines on another, so that the
agent keeps its standard input and output. The end of the first pipe ends it.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any

from ..agent import ArinovaAgent
from ..cli.target import TargetError, with_agents
from .agents import LOGGER, described
from .logtail import LogTap

_STOPS_WITHIN = 2.0  # seconds


def main() -> int:
    """Run until the pipe ends; return the exit code."""
    # Ctrl-C in the terminal reaches this process too, and it is the playground's to end it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asks, tells = (int(number) for number in sys.argv[1:3])
    with open(asks, encoding="utf-8") as orders, open(tells, "w", encoding="utf-8") as news:
        tell = _teller(news)
        order = json.loads(orders.readline())
        logging.getLogger(LOGGER).addHandler(LogTap(lambda text: tell(event="log", text=text)))
        try:
            with_agents(
                order["target"],
                lambda agents: _serve(agents[0], orders, tell),
                server_url=order["server_url"],
                bot_token=order["bot_token"],
                embedded=True,
            )
        except TargetError as problem:
            tell(event="failed", text=str(problem))
            return 5
    return 0


def _serve(agent: ArinovaAgent, orders: IO[str], tell: Callable[..., None]) -> None:
    _listen(agent, tell)
    if agent.connected:  # by the target itself
        tell(event="connected")
    threading.Thread(target=_connect, args=(agent, tell), name="connect", daemon=True).start()
    for line in orders:
        if json.loads(line).get("ask") == "stats":
            tell(event="stats", stats=asdict(agent.stats()))
    agent.disconnect(_STOPS_WITHIN)
    with suppress(Exception):  # what stopped it has been told
        agent.wait(_STOPS_WITHIN)  # inside the target's run(), disconnect() does not


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
    agent.on("auth_failed", lambda error: tell(event="failed", text=described(error)))
    agent.on("error", lambda error: tell(event="error", text=described(error)))


def _connect(agent: ArinovaAgent, tell: Callable[..., None]) -> None:
    try:
        agent.connect()
    except Exception as error:  # noqa: BLE001 - whatever it is, its text is for the page
        tell(event="failed", text=described(error))


if __name__ == "__main__":
    sys.exit(main())
