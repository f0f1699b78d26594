"""run_task: one task through a handler, in a test or a script."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .. import _internals, argument_checks, settings
from ..agent import ArinovaAgent
from ..handlers import HandlerTable, TaskHandler, check_handler
from ..payload import Member, ReplyTo
from ..runtime.callbacks import Listeners
from ..settings import ErrorText, Settings
from .fakes import ActionAnswer
from .handler_stack import stack_of_handler
from .harness import Harness
from .offline import SERVER_URL, TOKEN, OfflineClient
from .task_files import Attachments, TaskFiles
from .task_payload import Message, Payload, make_payload
from .transcript import Transcript

if TYPE_CHECKING:
    from ..executors.protocol import Executor

_LONGEST = 3_600.0  # seconds
_MOST_CHUNKS = 1_000_000_000

logger = logging.getLogger("arinova_agent_sync")


def run_task(
    handler: TaskHandler | ArinovaAgent,
    content: str = "",
    *,
    history: Sequence[Message] = (),
    attachments: Attachments = (),
    members: Sequence[str | Member] = (),
    reply_to: str | ReplyTo | Mapping[str, str] | None = None,
    conversation_type: str | None = None,
    task_kind: str | None = None,
    sender_username: str | None = "user",
    agent_name: str = "Agent",
    actions: Mapping[str, ActionAnswer] | None = None,
    error_text: ErrorText | None = None,
    extra: Mapping[str, object] | None = None,
    executor: Executor | None = None,
    cancel_after: int | None = None,
    timeout: float = 10.0,
) -> Transcript:
    """Give a handler one task, as an agent does, and return what came of it.

    It runs on a worker thread, with the agent's own rules and without a socket. What it raises becomes an error
    in the transcript, as users would see it; but an AssertionError, or what ``pytest.fail`` raises, is meant for
    the test and comes out of here.

        transcript = run_task(handle, "hi", history=[("user", "I am Ann."), ("agent", "Hello Ann!")])
        assert transcript.text == "Hi again, Ann."

    Args:
        handler: a function of any shape that ``ArinovaAgent.on_task`` takes; or an agent, connected or not, of
            which the handler for the content is taken.
        content: what the user says.
        history: earlier messages, oldest first: HistoryMessages, dicts with role and content, or pairs of them.
            The message itself is put behind them, as the server does.
        attachments: paths, bytes, or pairs of a name and one of these; a dict of such pairs will do. Their
            ``read`` and ``save`` work.
        members: the agents of a group, names or Members; a name's id is "id-of-" and the name. The agent itself
            is put before them.
        reply_to: the message that the user replies to.
        conversation_type: by default "h2a", or "group" with members.
        task_kind: "cron_wakeup" or "trigger" for a wakeup, which has no conversation.
        sender_username: who says it.
        agent_name: what the server calls the agent.
        actions: by name what ``call_action`` gets: the result as a dict, an ActionCallResult, an exception to
            raise, or a function of the ActionCall that returns one of these.
        error_text: as for the agent; by default the agent's own.
        extra: further keys of the payload, as ``task.raw`` shows them.
        executor: where the handler runs; by default where the agent runs it. In another process there are no files
            and no earlier messages to fetch, and pieces of an answer that come within a millisecond are one chunk.
        cancel_after: after how many chunks the user presses stop; 0: while the handler is on its first lines.
        timeout: seconds until the handler must have returned and the task have ended.

    Raises TypeError or ValueError for wrong arguments, ExecutorError for a handler that its executor cannot run,
    TimeoutError that says where a handler stands that does
    not come to its end.
    """
    argument_checks.seconds("timeout", timeout, high=_LONGEST)
    if cancel_after is not None:
        argument_checks.count("cancel_after", cancel_after, 0, _MOST_CHUNKS)
    if actions is not None and not isinstance(actions, Mapping):
        raise TypeError(f"actions must be a dict of results by name, not {type(actions).__name__}")
    files = TaskFiles(attachments)
    payload = make_payload(
        content,
        history=history,
        members=members,
        reply_to=reply_to,
        conversation_type=conversation_type,
        task_kind=task_kind,
        sender_username=sender_username,
        agent_name=agent_name,
        extra={**({"attachments": files.listed} if files.listed else {}), **(extra or {})},
    )
    own, listeners, handlers, made_at = _agent(handler, error_text, executor)
    harness = Harness(
        settings=own,
        listeners=listeners,
        handlers=handlers,
        made_at=made_at,
        payload=payload,
        agent_name=agent_name,
        actions=actions or {},
        client=lambda: OfflineClient(files, _told_over_http(payload, agent_name)),
        files=files,
        cancel_after=cancel_after,
    )
    log = _Log(harness)
    logger.addHandler(log)
    where: str | None = None
    try:
        over = harness.play(timeout)
        if not over and harness.handler_runs:
            where = stack_of_handler(harness.thread, harness.started)
    finally:
        harness.close()
        logger.removeHandler(log)
    if not over:
        raise _too_late(harness, timeout, where)
    raised = harness.record.exception
    if raised is not None and _is_for_the_test(raised):
        raise raised
    return harness.transcript(tuple(log.lines))


def _agent(
    handler: TaskHandler | ArinovaAgent, error_text: ErrorText | None, executor: Executor | None
) -> tuple[Settings, Listeners, HandlerTable, tuple[str, int, int] | None]:
    nobodys = settings.check(
        {"server_url": SERVER_URL, "bot_token": TOKEN, "error_text": error_text, "executor": executor}
    )
    if isinstance(handler, ArinovaAgent):
        own = _internals.settings_of(handler)
        if error_text is not None:
            own = replace(own, error_text=nobodys.error_text)
        if executor is not None:
            own = replace(own, executor=executor)
        return (
            own,
            _internals.listeners_of(handler),
            _internals.handlers_of(handler),
            _internals.made_at(handler),
        )
    check_handler(handler, "run_task")
    table = HandlerTable()
    table.set(None, handler)
    return nobodys, Listeners(), table, None


def _told_over_http(payload: Payload, agent_name: str) -> list[dict[str, object]]:
    """Return the history as the server's HTTP API tells it: with ids."""
    history = payload.get("history")
    messages = [dict(message) for message in history] if isinstance(history, list) else []
    for number, message in enumerate(messages, 1):
        message.update(id=f"message-{number}", seq=number, status="completed")
        message["createdAt"] = f"{message['createdAt']}Z".replace(" ", "T")
        if message["role"] == "agent":
            message.setdefault("senderAgentName", agent_name)
    if messages and messages[-1]["content"] == payload["content"]:
        messages[-1]["id"] = payload["userMessageId"]
    return messages


def _too_late(harness: Harness, timeout: float, where: str | None) -> TimeoutError:
    sent = "".join(harness.record.chunks)
    said = f"It had sent {sent[-80:]!r}." if sent else "It had sent nothing."
    if harness.is_remote:
        return TimeoutError(
            f"the handler did not return within {timeout:g} s (timeout=); its executor was told to end it. {said}"
        )
    if where is None:
        return TimeoutError(
            f"the handler returned after task.detach(), but nothing ended the task within {timeout:g} s: call "
            f"task.send_complete() where the answer is finished. {said}"
        )
    left = (
        "its thread is left behind, since Python cannot interrupt it"
        if harness.handler_runs
        else "it was stopped then, as by a user"
    )
    return TimeoutError(
        f"the handler did not return within {timeout:g} s (timeout=); {left}. {said} Its stack:\n{where}"
    )


def _is_for_the_test(error: BaseException) -> bool:
    if isinstance(error, AssertionError):
        return True
    outcomes = sys.modules.get("_pytest.outcomes")
    return outcomes is not None and isinstance(error, outcomes.OutcomeException)


class _Log(logging.Handler):
    """Collect what the package logs about one task."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(logging.WARNING)
        self._harness = harness
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if self._harness.task_id in message or threading.get_ident() in self._harness.threads:
            self.lines.append(message)
