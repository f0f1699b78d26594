"""ArinovaAgent: what users touch.

Threads, and what each owns:

    arinova-reader      the link: makes it, reads it, closes it; runs no user code
    arinova-pinger      timers, the reader's small replies, late batches, the end; runs no user code
    arinova-worker-N    one running handler; writes its own chunks
    arinova-callbacks   lifecycle and on_cancel callbacks, in order

All are daemons and start in connect(). The locks and their order stand in runtime/state.py.
"""

from __future__ import annotations

import _thread
import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, overload

from . import settings as options
from .account import Account
from .handlers import TaskHandler
from .registry import HandlerTable
from .runtime.listeners import Listeners
from .settings import ConcurrencyMode, ErrorText, Skill
from .settings import text as check_text
from .speaker import Speaker

if TYPE_CHECKING:
    import ssl

    from .protocol.session import OnboardingSeed
    from .runtime.engine import Engine
    from .runtime.stats import Stats

Function = TypeVar("Function", bound=Callable[..., object])
Handler = TypeVar("Handler", bound=TaskHandler)

logger = logging.getLogger("arinova_agent_sync")


class ArinovaAgent(Speaker):
    """An agent on Arinova Chat. Nothing connects before ``connect``, ``run`` or ``with``.

    Args:
        server_url: http(s) or ws(s) URL; by default the environment variable ARINOVA_SERVER_URL.
        bot_token: by default ARINOVA_BOT_TOKEN. Never shown in repr, logs or errors.
        reconnect_interval: seconds before the first reconnect; doubled each time, at most 60, with jitter.
        ping_interval: seconds between application pings.
        ping_timeout: seconds without a byte from the server after which the connection counts as dead; by
            default twice ping_interval.
        connect_timeout: seconds for TCP, TLS and upgrade, and again for the authentication.
        send_timeout: seconds that one write may make no progress before the connection counts as dead.
        skills: slash commands offered to users.
        concurrency_mode: "per-conversation" (one task at a time in each), "agent-wide" (one at a time) or
            "unbounded".
        max_workers: handlers at a time.
        max_queued_tasks: tasks that may wait, over all conversations; 0: a task that cannot start is refused.
        max_consecutive_per_conversation: agent-wide, tasks of one conversation in a row while others wait.
        max_frame_bytes: bytes of the longest inbound message.
        shutdown_timeout: seconds that ``run`` lets handlers finish after a signal, and ``disconnect`` by default.
        auth_attempts: refused authentications in a row, after a first successful one, before the agent gives
            up. A first one that is refused for good fails at once.
        rescue_results: deliver a finished answer as a message when the server gave its task up in an outage.
        proxy: ``http://[user:password@]host:port``; by default the environment's, "" for none.
        ssl_context: by default what the system trusts.
        max_buffered_bytes: bytes of text kept while there is no connection.
        error_text: what the user is shown when a handler raises: a text, or a function of the exception.
        keep_partial: when a handler raises after it streamed, keep what was streamed and put the error's text
            behind it; by default the error takes its place.

    Raises TypeError or ValueError that names the setting which is wrong.
    """

    def __init__(
        self,
        *,
        server_url: str | None = None,
        bot_token: str | None = None,
        reconnect_interval: float | None = None,
        ping_interval: float | None = None,
        ping_timeout: float | None = None,
        connect_timeout: float | None = None,
        send_timeout: float | None = None,
        skills: Sequence[Skill] | None = None,
        concurrency_mode: ConcurrencyMode | None = None,
        max_workers: int | None = None,
        max_queued_tasks: int | None = None,
        max_consecutive_per_conversation: int | None = None,
        max_frame_bytes: int | None = None,
        shutdown_timeout: float | None = None,
        auth_attempts: int | None = None,
        rescue_results: bool | None = None,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_buffered_bytes: int | None = None,
        error_text: ErrorText | None = None,
        keep_partial: bool | None = None,
    ) -> None:
        given = dict(locals())
        del given["self"]
        self._settings = options.check(given)
        self._account = Account(self._settings)
        self._handlers = HandlerTable()
        self._listeners = Listeners()
        self._lock = threading.Lock()  # guards the engine's exchange for a new one
        self._engine: Engine | None = None
        _agents.add(self)

    # Handlers

    def on_task(self, handler: Handler) -> Handler:
        """Set the handler of tasks, as a decorator or a plain call; return it.

        A handler takes the task and calls ``task.send_*``, returns a ``str`` or a ``Reply``, or yields strings;
        ``async def`` and async generators work too. It runs on a worker thread and may block.

            @agent.on_task
            def handle(task):
                yield from model.stream(task.messages())
        """
        self._handlers.set(None, handler)
        return handler

    @overload
    def on_command(self, command: str) -> Callable[[Handler], Handler]: ...
    @overload
    def on_command(self, command: str, handler: Handler) -> Handler: ...
    def on_command(
        self, command: str, handler: Handler | None = None
    ) -> Handler | Callable[[Handler], Handler]:
        """Set the handler of one slash command or skill id; other tasks go to ``on_task``.

        Case and width of the letters make no difference.

        @agent.on_command("draw")
        def draw(task):
            return picture_of(task.arguments)
        """
        word = check_text("command", command).removeprefix("/")
        if not word or any(letter.isspace() or letter in "/@／＠" for letter in word):
            raise ValueError(f"command must be one word, such as 'draw', not {command!r}")

        def register(handler: Handler) -> Handler:
            self._handlers.set(word, handler)
            return handler

        return register if handler is None else register(handler)

    # Lifecycle events

    def on_connected(self, function: Function) -> Function:
        """Call a function after each successful authentication."""
        return self.on("connected", function)

    def on_disconnected(self, function: Function) -> Function:
        """Call a function when a connection ended; it may take the cause, None after ``disconnect``."""
        return self.on("disconnected", function)

    def on_error(self, function: Function) -> Function:
        """Call a function with an exception: a handler raised, or a message had to be dropped."""
        return self.on("error", function)

    def on_auth_failed(self, function: Function) -> Function:
        """Call a function with the AuthenticationError that stopped the agent for good."""
        return self.on("auth_failed", function)

    def on_token_claimed(self, function: Function) -> Function:
        """Call a function with the TokenClaim when a bootstrap token was exchanged: store its permanent_token."""
        return self.on("token_claimed", function)

    def on_undelivered(self, function: Function) -> Function:
        """Call a function with each answer (Undelivered) that could not be delivered."""
        return self.on("undelivered", function)

    def on(self, event: str, function: Function) -> Function:
        """Listen to an event by name, such as "connected"; return the function.

        Several functions may listen; the same one, or one of the same module and qualified name, takes the old
        one's place. They run one after another on a thread of their own: they may block and call the agent.
        """
        self._listeners.add(event, function)
        return function

    def off(self, event: str, function: Callable[..., object]) -> None:
        """Listen no more."""
        self._listeners.remove(event, function)

    # Life

    def connect(self, timeout: float | None = None) -> None:
        """Start the agent's threads and return after the first successful authentication.

        Args:
            timeout: seconds; None waits until it succeeds or fails for good.

        Raises AuthenticationError, ConnectTimeout (the agent goes on trying until ``disconnect``), or what
        stopped it. Returns at once if it is connected already; may be called from several threads.
        """
        if timeout is not None:
            options.seconds("timeout", timeout)
        self._start().wait_connected(timeout)

    def disconnect(self, timeout: float | None = None) -> None:
        """Stop for good: tasks that wait are answered, running handlers finish, the rest is cancelled.

        Args:
            timeout: seconds for all of it; by default shutdown_timeout.

        May be called from anywhere and again; from a handler or a callback it returns at once.
        """
        if timeout is None:
            timeout = self._settings.shutdown_timeout
        options.seconds("timeout", timeout, least=True)
        engine = self._engine
        if engine is not None:
            engine.stop_and_wait(timeout)
        if engine is None or engine.state.over:  # the client may have been used before, or since
            self._account.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the agent has stopped, and raise what stopped it if it failed.

        Args:
            timeout: seconds; None for no limit.

        Returns True once it has stopped, False if the time is up. Ctrl-C interrupts the wait, not the agent.
        """
        if timeout is not None:
            options.seconds("timeout", timeout)
        engine = self._engine
        return engine is None or engine.wait(timeout)

    def run(self) -> None:
        """Connect and block until the agent has stopped; raise what stopped it if it failed.

        In the main thread the first SIGINT (Ctrl-C) or SIGTERM lets running handlers finish for
        shutdown_timeout seconds, the second leaves at once, even past a handler that never returns.
        """
        run(self)

    def __enter__(self: Agent) -> Agent:
        self.connect()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.disconnect()

    # What is known

    @property
    def connected(self) -> bool:
        """Whether there is an authenticated connection now."""
        engine = self._engine
        return engine is not None and engine.state.link is not None

    @property
    def agent_id(self) -> str | None:
        """The agent's id, if the server told it; the March 2026 server does not."""
        return self._engine.state.agent_id if self._engine else None

    @property
    def agent_name(self) -> str | None:
        """The agent's name, if the server told it."""
        return self._engine.state.agent_name if self._engine else None

    @property
    def onboarding_seed(self) -> OnboardingSeed | None:
        """What a newly claimed agent should open its first conversation with."""
        return self._engine.state.onboarding_seed if self._engine else None

    def stats(self) -> Stats:
        """Return the counters and gauges since ``connect``."""
        from .runtime.stats import Stats

        return self._engine.stats() if self._engine else Stats(life="new", link="down")

    def __repr__(self) -> str:
        stats = self.stats()
        return f"ArinovaAgent({self._settings.server_url!r}, {stats.life}, {stats.link})"

    def _repr_html_(self) -> str:
        import html  # here: notebooks alone need its table of characters

        stats = self.stats()
        name = self.agent_name or self.agent_id or "agent"
        rows = "".join(
            f"<tr><td>{html.escape(key.replace('_', ' '))}</td><td>{html.escape(str(value))}</td></tr>"
            for key, value in {"server": self._settings.server_url, **vars(stats)}.items()
        )
        return f"<table><caption>{html.escape(name)}</caption>{rows}</table>"

    # Engines

    def _start(self) -> Engine:
        while True:
            with self._lock:
                engine = self._engine
                if engine is None or engine.state.over:
                    self._engine = engine = self._new_engine()
                    break
            if not engine.state.stopping:
                return engine
            engine.stop_and_wait(self._settings.shutdown_timeout)
        if not self._handlers.serves_all():
            logger.warning("there is no on_task handler: tasks are answered with the error no_task_handler")
        try:
            engine.replace_others()
            engine.start()
        except BaseException:
            engine.abort()  # or other threads would wait for its connection for ever
            raise
        # Nobody can use or stop an agent that is not referred to any more, so it ends. A thread of its own does
        # it, since the garbage collector may come in a thread that holds one of the agent's locks.
        finalizer = weakref.finalize(
            self, _thread.start_new_thread, engine.stop, (self._settings.exit_timeout,)
        )
        finalizer.atexit = False
        engine.on_stopped(finalizer.detach)  # or each life of the agent would be kept till the agent goes
        return engine

    def _new_engine(self) -> Engine:
        # Imported here, websocket-client with it: a program may import this package and never connect.
        from .runtime.engine import Engine

        return Engine(self._settings, self._account, self._listeners, self._handlers.find)

    def _start_anew(self) -> None:
        """Be as new in a forked child, where the threads are gone and the connection is the parent's."""
        self._lock = threading.Lock()
        self._engine = None
        self._account.make_lock()
        self._handlers.make_lock()
        self._listeners.make_lock()


Agent = TypeVar("Agent", bound=ArinovaAgent)

_agents: weakref.WeakSet[ArinovaAgent] = weakref.WeakSet()


def _start_all_anew() -> None:
    for agent in list(_agents):
        agent._start_anew()


if hasattr(os, "register_at_fork"):  # not on Windows; the engines' own hook runs before this one
    os.register_at_fork(after_in_child=_start_all_anew)


def run(*agents: ArinovaAgent) -> None:
    """Run several agents in this process until all have stopped; see ``ArinovaAgent.run``.

    If one fails the others are stopped, and its error is raised. Raises ValueError for no agents, or for two with
    one token: the server would give their tasks to the latest alone.
    """
    from .runtime import running  # here for the same reason as the engine

    if not agents:
        raise ValueError("run() needs at least one agent")
    for agent in agents:
        if not isinstance(agent, ArinovaAgent):
            raise TypeError(f"run() takes agents, not {type(agent).__name__}")
    identities = {(agent._settings.server_url, agent._account.token) for agent in agents}
    if len(identities) < len(agents):
        raise ValueError("two of the agents have the same token; the server would serve the latest alone")
    running.run([agent._start for agent in agents], max(agent._settings.shutdown_timeout for agent in agents))
