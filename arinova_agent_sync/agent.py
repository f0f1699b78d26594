"""ArinovaAgent: what users touch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeVar, overload

from . import hooks, reports
from . import settings as options
from .action_results import ActionCallResult, ActionOptions
from .argument_checks import seconds
from .credentials import Credentials
from .handlers import HandlerTable, TaskHandler, calling_module, command_word
from .log import logger
from .net.deadline import Deadline
from .net.forks import importing
from .runtime.callbacks import Listeners
from .runtime.lives import Lives
from .settings import ConcurrencyMode, ErrorText, Skill
from .shadows import naming_shadows
from .surroundings import Surrounding

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Self, Unpack

    from .api import ArinovaClient
    from .executors.protocol import Executor
    from .protocol.session import OnboardingSeed
    from .runtime.engine import Engine
    from .runtime.stats import Stats

Function = TypeVar("Function", bound=Callable[..., object])
Handler = TypeVar("Handler", bound=TaskHandler)
Around = TypeVar("Around", bound=Surrounding)


class ArinovaAgent:
    """An agent on Arinova Chat. Nothing connects before ``connect``, ``run`` or ``with``.

    Args:
        {options}

    Raises TypeError or ValueError that names the option which is wrong.
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
        standby: bool | None = None,
        executor: Executor | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        self._settings = options.check(given)
        self._credentials = Credentials(self._settings)
        self._handlers = HandlerTable()
        self._listeners = Listeners()
        self._lives = Lives(self._new_engine, stopped=self._credentials.close)
        self._made_at = calling_module()
        hooks.tell(hooks.when_made, self)

    # Handlers

    @overload
    def on_task(self, handler: Handler, *, executor: Executor | None = None) -> Handler: ...
    @overload
    def on_task(self, *, executor: Executor | None) -> Callable[[Handler], Handler]: ...
    def on_task(
        self, handler: Handler | None = None, *, executor: Executor | None = None
    ) -> Handler | Callable[[Handler], Handler]:
        """Set the handler of tasks, as a decorator or a plain call; return it.

        A handler takes the task and calls ``task.send_*``, returns a ``str`` or a ``Reply``, or yields strings;
        ``async def`` and async generators work too. It may block: a thread, or the executor, runs it.

        @agent.on_task
        def handle(task):
            yield from model.stream(task.messages())
        """
        return self._handlers.setting(None, handler, executor)

    @overload
    def on_command(
        self, command: str, *, executor: Executor | None = None
    ) -> Callable[[Handler], Handler]: ...
    @overload
    def on_command(self, command: str, handler: Handler, *, executor: Executor | None = None) -> Handler: ...
    def on_command(
        self, command: str, handler: Handler | None = None, *, executor: Executor | None = None
    ) -> Handler | Callable[[Handler], Handler]:
        """Set the handler of one slash command or skill id; other tasks go to ``on_task``.

        Case and width of the letters make no difference. The executor is as for ``on_task``.

        @agent.on_command("draw")
        def draw(task):
            return picture_of(task.arguments)
        """
        return self._handlers.setting(command_word(command), handler, executor)

    def around_task(self, function: Around) -> Around:
        """Run a generator function around every handler, on its thread; return it.

        What stands before its ``yield`` comes first, and may end the task: then no handler is called, nor if it
        returns there. What the handler raises is raised at the ``yield``. Several nest in the order of their calls.

        @agent.around_task
        def session(task):
            with Session() as task.context["session"]:
                yield
        """
        self._handlers.surround(function)
        return function

    # Lifecycle events

    def on_connected(self, function: Function) -> Function:
        """Call a function after each successful authentication."""
        return self.on("connected", function)

    def on_disconnected(self, function: Function) -> Function:
        """Call a function when a connection ended; it may take the cause, None after ``disconnect``."""
        return self.on("disconnected", function)

    def on_error(self, function: Function) -> Function:
        """Call a function with each error: of a handler, a failed attempt to connect, or a dropped message."""
        return self.on("error", function)

    def on_auth_failed(self, function: Function) -> Function:
        """Call a function with the AuthenticationError that stopped the agent for good."""
        return self.on("auth_failed", function)

    def on_token_claimed(self, function: Function) -> Function:
        """Call a function with the TokenClaim when a bootstrap token was exchanged: store its permanent_token."""
        return self.on("token_claimed", function)

    def on_undelivered(self, function: Function) -> Function:
        """Call a function with each end of a task and each message (Undelivered) that did not arrive, perhaps."""
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

    def connect(self, timeout: float | None = None) -> None:
        """Start the agent's threads and return after the first successful authentication.

        Args:
            timeout: seconds; None waits until it succeeds or fails for good.

        Raises AuthenticationError, ConnectTimeout (the agent goes on trying until ``disconnect``), ConnectionLost
        if ``disconnect`` calls the start off, OSError for ``standby``'s lock file, or what stopped it. Returns at
        once if it is connected already; may be called from several threads. While the agent ends it waits for the
        end first; in the agent's own handlers and callbacks that is a RuntimeError.
        """
        if timeout is not None:
            seconds("timeout", timeout)
        deadline = Deadline(timeout)
        self._start(deadline).shutdown.wait_connected(deadline)

    def disconnect(self, timeout: float | None = None) -> None:
        """Stop for good: tasks that wait are answered, running handlers finish, the rest is cancelled.

        Args:
            timeout: seconds for all of it; by default shutdown_timeout. Of several calls the earliest end holds.

        May be called from anywhere and again. From a handler or a callback, and from a signal handler that came
        in the middle of another call of this package, it returns at once.
        """
        timeout = self._settings.shutdown_timeout if timeout is None else timeout
        seconds("timeout", timeout, least=True)
        self._lives.stop(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the agent has stopped, and raise what stopped it if it failed.

        Args:
            timeout: seconds; None for no limit.

        Returns True once it has stopped, False if the time is up. Ctrl-C interrupts the wait, not the agent.
        """
        if timeout is not None:
            seconds("timeout", timeout)
        return self._lives.wait(timeout)

    def run(self) -> None:
        """Connect and block until the agent has stopped; raise what stopped it if it failed.

        In the main thread the first SIGINT (Ctrl-C) or SIGTERM lets running handlers finish for
        shutdown_timeout seconds, the second leaves at once, even past a handler that never returns.
        """
        run(self)

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:  # Ctrl-C, say: nobody would call __exit__
            self.disconnect()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._lives.tell_interrupted(exc_info[1])
        self.disconnect()

    @property
    def api(self) -> ArinovaClient:
        """The HTTP client: usable from anywhere, before ``connect`` and after ``disconnect`` too."""
        return self._credentials.api

    def send_message(self, conversation_id: str, content: str, reply_to: str | None = None) -> None:
        """Send a message that answers no task: over the socket, else over HTTP.

        Args:
            conversation_id: where to; on the socket the server drops the message in silence if the agent is no
                member there.
            content: the text.
            reply_to: id of the message to reply to; the March 2026 server ignores it.

        Raises TypeError or ValueError for blank or other values; ApiError if it went over HTTP and failed.
        """
        message = reports.message(conversation_id, content, reply_to)
        engine = self._engine
        if engine is None or not engine.send_now(message):
            self.api.messages.send(message.conversation_id, message.text, reply_to=message.reply_to)

    def call_action(
        self, action: str, arguments: Mapping[str, object] | None = None, **options: Unpack[ActionOptions]
    ) -> ActionCallResult:
        """Run an action on the platform and wait for its result (August 2026 servers).

        Args:
            action: its name, such as "note.create".
            arguments: a JSON object.
            options: call_id, task_id, conversation_id, message_id, parent_call_id, reason, metadata, dry_run (only
                check) and timeout (seconds to wait for the result, 60 by default).

        Returns the result, whose status may be "error" or "requires_confirmation" too. Raises ActionTimeout,
        ActionError without a connection or when it is lost meanwhile, TypeError or ValueError for other values.
        """
        return self._lives.running().actions.call(action, {} if arguments is None else arguments, options)

    def report_action_progress(
        self, call_id: str, action: str, progress: Mapping[str, object], **ids: Unpack[reports.TaskIds]
    ) -> None:
        """Report how far an action call is; ids: task_id, conversation_id. Raises ConnectionLost if offline."""
        self._lives.running().actions.progress(reports.action_progress(call_id, action, progress, ids))

    def send_telemetry(self, event: str, data: Mapping[str, object] | None = None) -> None:
        """Send a telemetry event; it waits for a connection if there is none.

        Args:
            event: such as "session_start", "llm_output", "tool_call".
            data: a JSON object, such as ``{"sessionId": "s1", "usage": {"input": 10, "output": 20}}``. Numbers
                must be numbers: the March 2026 server takes others for missing.
        """
        self._lives.running().send(reports.telemetry(event, data))

    def send_hud(self, data: Mapping[str, object], conversation_id: str | None = None) -> None:
        """Show a JSON object in the conversation's head-up display (August 2026 servers)."""
        self._lives.running().send(reports.hud_update(data, conversation_id))

    def send_task_update(self, status: str, **update: Unpack[reports.TaskUpdate]) -> None:
        """Report on a piece of work of the agent's own (August 2026 servers).

        Args:
            status: "started" (with task, what it is) or "completed" (with duration_ms, cost_usd, num_turns).
            update: these, and agent_name: by default the name that the server knows the agent by.
        """
        engine = self._lives.running()
        engine.send(reports.task_update(engine.state.agent_name or "agent", status, update))

    def report_tool_call(self, **report: Unpack[reports.ToolCall]) -> None:
        """Report a call of a tool that a model made (August 2026 servers).

        Args:
            report: session_id, turn_id, seq_order, tool_name, input and success; output, duration_ms, error and
                message_id may be left out. Input and output are JSON values.
        """
        self._lives.running().send(reports.tool_call_report(report))

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
        """Return the counters and gauges since ``connect``; ``Stats`` says what each of them means."""
        from .runtime.stats import Stats

        return self._engine.stats() if self._engine else Stats(life="new", link="down")

    def __repr__(self) -> str:
        stats = self.stats()
        return f"ArinovaAgent({self._settings.server_url!r}, {stats.life}, {stats.link})"

    def _repr_html_(self) -> str:
        name = self.agent_name or self.agent_id or "agent"
        return self.stats().html(name, self._settings.server_url)

    def __reduce__(self) -> NoReturn:  # copy asks for it too
        raise TypeError(
            "an agent cannot be copied or pickled: it holds a connection; make another ArinovaAgent"
        )

    @property
    def _engine(self) -> Engine | None:
        return self._lives.engine

    def _start(self, deadline: Deadline | None = None) -> Engine:
        hooks.tell(hooks.before_start, self)
        engine = self._lives.start(deadline or Deadline(None))
        if not self._handlers.serves_all:
            logger.warning("there is no on_task handler: tasks are answered with the error no_task_handler")
        return engine

    def _new_engine(self) -> Engine:
        with importing(), naming_shadows():  # websocket-client comes with it: a program may never connect
            from .runtime.engine import Engine

        return Engine(
            self._settings,
            credentials=self._credentials,
            listeners=self._listeners,
            handlers=self._handlers,
            made_at=self._made_at,
        )


ArinovaAgent.__doc__ = options.documented(ArinovaAgent.__doc__)


def run(*agents: ArinovaAgent) -> None:
    """Run several agents in this process until all have stopped; see ``ArinovaAgent.run``.

    If one fails the others are stopped, and its error is raised. Raises ValueError for no agents, or for two with
    one token: the server would give their tasks to the latest alone.
    """
    with importing(), naming_shadows():  # here for the same reason as the engine
        from .runtime import foreground

    if not agents:
        raise ValueError("run() needs at least one agent")
    for agent in agents:
        if not isinstance(agent, ArinovaAgent):
            raise TypeError(f"run() takes agents, not {type(agent).__name__}")
    if any(take_over(agents) for take_over in tuple(reversed(hooks.instead_of_run))):
        return
    identities = {(agent._settings.server_url, agent._credentials.token) for agent in agents}
    if len(identities) < len(agents):
        raise ValueError("two of the agents have the same token; the server would serve the latest alone")
    timeout = max(agent._settings.shutdown_timeout for agent in agents)
    foreground.run([agent._start for agent in agents], timeout)
