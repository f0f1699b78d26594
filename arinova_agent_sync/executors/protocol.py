"""The seam between the agent and what runs its handlers elsewhere: messages, and who calls what. No thread, no I/O.

The gateway is the process that holds the connection; it decides everything. A worker runs one handler at a time and
tells what comes of it. A *job* is a task as an executor sees it. Messages are msgpack arrays, never pickles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, Union

import msgspec

from ..errors import RemoteHandlerError
from ..measures import counter, documented, gauge

if TYPE_CHECKING:
    import ssl

    from ..net.deadline import Deadline

VERSION = 2  # of the messages; a worker of another one says so instead of guessing


class SeamMessage(msgspec.Struct, array_like=True, frozen=True, tag=True):
    """What passes between a gateway and a worker."""


# Worker to gateway. Of one attempt at a job the numbers count from 1 without a gap.


class JobStarted(SeamMessage, frozen=True):
    """The handler is about to be called."""

    job: str
    attempt: int
    number: int


class JobText(SeamMessage, frozen=True):
    """A piece of the answer; one that stands for several has the number of the last, too."""

    job: str
    attempt: int
    number: int
    text: str
    last: int = 0


class JobCompleted(SeamMessage, frozen=True):
    """The task is completed, with what was streamed if there is no content."""

    job: str
    attempt: int
    number: int
    content: str | None
    mentions: tuple[str, ...]


class JobFailed(SeamMessage, frozen=True):
    """The handler called ``send_error``."""

    job: str
    attempt: int
    number: int
    message: str
    keep_partial: bool


class JobRaised(SeamMessage, frozen=True):
    """The handler raised: what the user is shown, the exception's class and its traceback."""

    job: str
    attempt: int
    number: int
    shown: str
    kind: str
    text: str
    traceback: str


class JobAsked(SeamMessage, frozen=True):
    """The handler wants an action run, and waits for its result."""

    job: str
    attempt: int
    number: int
    call: int
    action: str
    arguments: dict[str, object]
    options: dict[str, object]


class JobReported(SeamMessage, frozen=True):
    """The handler sent a report: the frame, and the one for a server of March 2026."""

    job: str
    attempt: int
    number: int
    frame: bytes
    older: bytes | None


class JobEnded(SeamMessage, frozen=True):
    """The handler is over, and its worker free; without a terminal the task ends with what was streamed.

    Attributes:
        cancelled: whether the handler was; unless the gateway has cancelled the task, the worker itself gave it up.
    """

    job: str
    attempt: int
    number: int
    cancelled: bool = False


class JobsBeat(SeamMessage, frozen=True):
    """The worker that runs these jobs is alive, where nothing else tells when it is not."""

    jobs: tuple[str, ...]


class JobLost(SeamMessage, frozen=True):
    """The worker of a job has ended without a word; told by who watched it."""

    job: str
    attempt: int
    how: str


JobEvent = Union[JobStarted, JobText, JobCompleted, JobFailed, JobRaised, JobAsked, JobReported, JobEnded]

# Gateway to worker.


class StartJob(SeamMessage, frozen=True):
    """Call a handler: that of a command of an agent, None for its other tasks. The payload is ``packed``."""

    job: str
    attempt: int
    agent: int
    command: str | None
    payload: bytes
    agent_name: str | None
    asked_before: str | None
    token: str


class CancelJob(SeamMessage, frozen=True):
    """The user stopped the task."""

    job: str


class SettleCall(SeamMessage, frozen=True):
    """What came of an action: its result, ``packed``, or the class and the text of an error."""

    job: str
    call: int
    result: bytes | None
    kind: str
    text: str


encode = msgspec.msgpack.Encoder().encode
unpack = msgspec.json.decode


def packed(values: Mapping[str, object]) -> bytes:
    """Return a JSON object in a form that any worker reads: msgpack has no integers beyond 64 bits."""
    try:
        return msgspec.json.encode(values)
    except OverflowError:
        return json.dumps(values).encode()


class Job(NamedTuple):
    """A task that is to be run.

    Attributes:
        command: which handler: that of a slash command, None for that of other tasks.
        payload: as the server sent it.
        agent_name: the agent's name, if the server told it.
        asked_before: when the message was written that the agent was asked before, as TaskContext has it.
    """

    task_id: str
    command: str | None
    payload: Mapping[str, object]
    agent_name: str | None
    asked_before: str | None = None


class JobReport(Protocol):
    """What an executor tells of one job, in order, and on any thread. A task that has ended ignores it."""

    @property
    def is_open(self) -> bool:
        """Whether the task has not ended."""
        ...

    def chunk(self, text: str) -> None:
        """Tell a piece of the answer; blocks while the connection is choked."""
        ...

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        """Tell that the task is completed."""
        ...

    def error(self, message: str, keep_partial: bool) -> None:
        """Tell that the handler called ``send_error``."""
        ...

    def raised(self, shown: str, error: RemoteHandlerError) -> None:
        """Tell what the handler raised, and what the user is to see of it."""
        ...

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Run an action for the handler; blocks until there is a result, an ActionCallResult as JSON."""
        ...

    def report(self, frame: bytes, older: bytes | None) -> None:
        """Send a report of the handler's."""
        ...

    def ended(self, error: BaseException | None = None) -> None:
        """Tell, once, that the handler is over, or what kept it from its end."""
        ...


class RemoteAgent(Protocol):
    """What an executor may ask about an agent whose handlers it runs."""

    @property
    def server_url(self) -> str:
        """The server's."""
        ...

    @property
    def proxy(self) -> str | None:
        """The way there: None for the environment's, empty for none."""
        ...

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """What is trusted, None for what the system trusts."""
        ...

    @property
    def error_text(self) -> str | Callable[[BaseException], str]:
        """What the user is shown when a handler raises."""
        ...

    @property
    def token(self) -> str:
        """The token in use."""
        ...

    @property
    def handlers(self) -> Mapping[str | None, Callable[..., object]]:
        """The handlers that the executor is to run, by command."""
        ...

    @property
    def around(self) -> Sequence[Callable[..., object]]:
        """What runs around each of them."""
        ...

    @property
    def made_at(self) -> tuple[str, int, int] | None:
        """The module and line that made the agent, and how often before; None outside of a module's loading."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the server now."""
        ...

    def deliver(self, task_id: str, conversation_id: str, text: str) -> None:
        """See to it, in the background, that the answer to a task of an earlier run of the agent's arrives."""
        ...

    def ready(self, failure: BaseException | None) -> None:
        """Tell, once, that jobs can be submitted, or why they never can."""
        ...

    def in_background(self, work: Callable[[], None]) -> None:
        """Do something that may block, on a thread of the agent's."""
        ...


@dataclass(frozen=True)
class ExecutorStats:
    """A moment's numbers of one executor.

    Attributes:
        name: the executor's.
        {numbers}
    """

    name: str
    running: int = field(default=0, metadata=gauge("jobs that run"))
    waiting: int = field(default=0, metadata=gauge("jobs that wait for a worker"))
    restarted: int = field(default=0, metadata=counter("workers that took the place of others"))
    killed: int = field(
        default=0,
        metadata=counter(
            "workers that were killed, since a handler did not end in time after its task was cancelled"
        ),
    )
    lost: int = field(
        default=0,
        metadata=counter(
            "workers that ended by themselves while they ran a handler, or could not be reached any more"
        ),
    )


ExecutorStats.__doc__ = documented(ExecutorStats.__doc__, ExecutorStats)


class ExecutorSession(Protocol):
    """An executor at the service of one agent, from ``connect`` to the end. No call of it blocks but ``close``."""

    def submit(self, job: Job, report: JobReport) -> str:
        """Run a job, or let it wait; return its id."""
        ...

    def cancel(self, job_id: str) -> None:
        """Interrupt the handler; ``ended`` is reported once it is over."""
        ...

    def close(self, deadline: Deadline, grace: float) -> None:
        """End what still runs, and what serves no other agent; what does not end within the grace is killed."""
        ...


class Executor(Protocol):
    """Where handlers run, if not on threads of this process. Provisional: it may change in any version."""

    @property
    def capacity(self) -> int:
        """How many handlers can run at a time."""
        ...

    def open(self, agent: RemoteAgent) -> ExecutorSession:
        """Begin to serve an agent; raise ExecutorError if that cannot work."""
        ...

    def stats(self) -> ExecutorStats:
        """Return what it has done and does."""
        ...
