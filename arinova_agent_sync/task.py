"""Task: what a handler holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import payload
from .action_results import ActionCallResult, TaskActionOptions
from .argument_checks import check_keywords
from .argument_checks import seconds as check_seconds
from .argument_checks import text as check_text
from .chat_messages import chat_messages, check_given, checked_mentions, command_in, member_named, mentions_in
from .earlier_messages import AskedMessage, brings_own_files, with_earlier
from .errors import ArinovaError, TaskCancelled
from .image_parts import ImageForm, with_attachments
from .payload import PayloadText, PayloadValue, ReadOnlyDict
from .protocol.frames import text
from .tool_calls import TaskReporter, TimedToolCall, ToolCallOutcome, Usage

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .api import Page
    from .api.multipart import Progress, Source
    from .api.records import Message, UploadedFile
    from .attachments import Attachment
    from .runtime.task_context import Cancelled, TaskContext

JSONObject = Mapping[str, object]
T = TypeVar("T")


class Task:
    """One message that a user wants answered.

    Read-only. Its methods may be called from any thread; after the first terminal call (``send_complete``,
    ``send_error``, ``dismiss``) every other send does nothing. ``raw`` is the whole payload as the server sent it.
    """

    # What the payload holds is made when it is asked for: most handlers ask for little of it.
    __slots__ = ("__weakref__", "_context", "_made", "_payload")

    def __init__(self, payload: JSONObject, context: TaskContext) -> None:
        self._payload = payload
        self._context = context
        self._made: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Task(task_id={self.task_id!r}, conversation_id={self.conversation_id!r})"

    @property
    def task_id(self) -> str:
        """The task's id, which is also the id of the message that the answer becomes."""
        return text(self._payload, "taskId") or ""

    @property
    def conversation_id(self) -> str | None:
        """Where the task belongs; None for a wakeup."""
        return text(self._payload, "conversationId") or None

    @property
    def content(self) -> str:
        """What to answer. The server decorates it, and it may be empty."""
        return text(self._payload, "content") or ""

    task_kind = PayloadText("taskKind", 'None for a chat message, "cron_wakeup" or "trigger" for a wakeup.')
    user_message_id = PayloadText("userMessageId", "The id of the message that started the task.")
    conversation_type = PayloadText("conversationType", '"h2a", "group", "community" and others.')
    sender_user_id = PayloadText("senderUserId", "The user, or the human at the root of a chain of agents.")
    sender_username = PayloadText("senderUsername", "The user's name, None where the server keeps it secret.")
    sender_agent_id = PayloadText("senderAgentId", "The author, if it is another agent.")
    sender_agent_name = PayloadText("senderAgentName", "The author's name, if it is another agent.")

    members = PayloadValue(payload.members, "The agents of a group, this one included.")
    reply_to = PayloadValue(payload.reply_to, "The message that was replied to.")
    history = PayloadValue(
        payload.history,
        "Messages of the conversation, oldest first; on the March 2026 server this task's is among them. "
        "What came while it waited in the server's queue stands behind it.",
    )
    available_skills = PayloadValue(payload.available_skills, "Skills that are installed on the agent.")
    raw = PayloadValue[Mapping[str, object]](
        ReadOnlyDict, "The whole payload as the server sent it: a dict that refuses writes."
    )

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Files of the conversation's latest user message."""
        return self._once(
            "attachments", lambda values: payload.attachments(values, lambda: self._context.api)
        )

    @property
    def command(self) -> str | None:
        """Of "/draw a cat" the word "draw"; None without a command.

        "/Draw a cat", "／draw a cat" with a full-width slash and "/draw@Name a cat" with this agent's name are the
        same command.
        """
        return self._command[0]

    @property
    def arguments(self) -> str:
        """Of "/draw a cat" the words "a cat"; empty without a command."""
        return self._command[1]

    @property
    def _command(self) -> tuple[str | None, str]:
        return self._once("command", lambda _: command_in(self._asked, self._context.agent_name))

    @property
    def _asked(self) -> AskedMessage:
        known = self.task_id, self.conversation_id, self.content, self.conversation_type, self.history
        return AskedMessage(*known, self.reply_to, self.user_message_id, self._context.asked_before)

    def _once(self, name: str, make: Callable[[JSONObject], T]) -> T:
        if name not in self._made:
            self._made.setdefault(name, make(self._payload))  # of two threads the first one's
        made: T = self._made[name]
        return made

    @property
    def context(self) -> dict[str, Any]:
        """A dict of the task's own, for what ``around_task`` functions and the handler pass on."""
        return self._once("context", lambda _: {})

    @property
    def cancelled(self) -> Cancelled:
        """Whether the user stopped the task: ``is_set()``, ``wait(timeout)``."""
        return self._context.cancelled

    @property
    def is_cancelled(self) -> bool:
        """Whether the user stopped the task: short for ``cancelled.is_set()``."""
        return self._context.is_cancelled

    def send_chunk(self, text: str) -> None:
        """Stream a piece of the answer.

        Args:
            text: what to append to the text so far; an empty one is not sent.

        Raises TypeError if it is no str; TaskCancelled in the handler's thread, when the user stopped it.
        """
        if type(text) is not str:  # Markup, say, which the encoder refuses
            if not isinstance(text, str):
                raise TypeError(f"a chunk must be a str, not {type(text).__name__}")
            text = str.__str__(text)
        self._context.chunk(text)

    def send_complete(self, content: str | None = None, mentions: Sequence[str] | None = None) -> None:
        """Complete the task.

        Args:
            content: the whole answer; None for what was streamed. A part that was not streamed yet is
                streamed first, since the server keeps what was streamed and drops a content that differs.
            mentions: ids of the agents that the answer addresses, see ``mentions_in``.

        Raises TypeError or ValueError for other values; TaskCancelled as ``send_chunk``.
        """
        if content is not None:
            check_text("content", content, empty=True)
        self._context.complete(content, checked_mentions(mentions))

    def send_error(self, message: str, keep_partial: bool = False) -> None:
        """Fail the task with a text that the user is shown.

        Args:
            message: the text. On the server it takes the place of everything that was streamed.
            keep_partial: append the text to what was streamed and complete the task instead.

        Raises TypeError or ValueError for other values; TaskCancelled as ``send_chunk``.
        """
        check_text("message", message)
        self._context.error(message, bool(keep_partial))

    def dismiss(self) -> None:
        """Answer nothing: the server removes the empty message."""
        self._context.complete("", ())

    def stream(self, iterable: Iterable[str | None], mentions: Sequence[str] | None = None) -> str:
        """Send each piece, complete the task and return the whole text.

        Args:
            iterable: pieces of text, such as a model's text stream, of which None is an empty one; it is closed
                if it can be.
            mentions: as in ``send_complete``.
        """
        checked = checked_mentions(mentions)
        parts: list[str] = []
        try:
            for part in iterable:
                part = "" if part is None else part
                self.send_chunk(part)
                parts.append(part)
        finally:
            close = getattr(iterable, "close", None)
            if callable(close):
                close()
        self._context.complete(None, checked)
        return "".join(parts)

    def detach(self) -> None:
        """Let the task live on after its handler returned: another thread will finish it."""
        self._context.detach()

    def on_cancel(self, function: Callable[[], object]) -> Callable[[], object]:
        """Call a function, which may block, at once when the user stops the task, on another thread; return it."""
        if not callable(function):
            raise TypeError(f"on_cancel needs a function, not {type(function).__name__}")
        self._context.on_cancel(function)
        return function

    def raise_if_cancelled(self) -> None:
        """Raise TaskCancelled if the user stopped the task."""
        if self.cancelled.is_set():
            raise TaskCancelled(f"task {self.task_id} was cancelled")

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds, as ``time.sleep`` does; raise TaskCancelled at once on the user's stop."""
        if self.cancelled.wait(check_seconds("seconds", seconds, least=True)):
            self.raise_if_cancelled()

    def messages(
        self,
        system: str | None = None,
        limit: int | None = None,
        first: Literal["user"] | None = "user",
        attachments: ImageForm | None = None,
    ) -> list[dict[str, Any]]:
        """Return history and content for a chat-completion client: ``[{"role": ..., "content": ...}]``.

        The message that is to be answered stands last and once, whatever came after it. A task brings 5 messages
        along, that one included, unless the agent's page says otherwise.

        Args:
            system: a system prompt to begin with.
            limit: how many messages at most, the system prompt aside; the latest are kept. Those that the task did
                not bring are fetched over HTTP.
            first: "user" leaves out what the agent said before the first message of a user, such as a greeting,
                which strict clients refuse; None keeps it.
            attachments: "openai" or "anthropic": images of the message as parts of its content in that provider's
                form, other files by their names. None leaves both out; so does a March 2026 server if the user has
                said more since: it sends the files of the latest message with every task.

        Raises TypeError or ValueError for other values, ApiError if messages or images cannot be fetched.
        """
        check_given(system, limit, first, attachments)
        asked, agent_name = self._asked, self._context.agent_name
        told = with_earlier(asked, self._context, limit)
        messages = chat_messages(told, agent_name, system, limit, first)
        if attachments is None or not brings_own_files(asked, agent_name):
            return messages
        return with_attachments(messages, self.attachments, attachments)

    def mention(self, name: str) -> str:
        """Return the id of the member with that name, with or without an @ before it, in any case.

        Raises LookupError if the conversation has no such agent.
        """
        return member_named(check_text("name", name), self.members).agent_id

    def mentions_in(self, text: str) -> list[str]:
        """Return the ids of the members that a text addresses with @name, the longest name first."""
        return mentions_in(check_text("text", text, empty=True), self.members)

    def call_action(
        self, action: str, arguments: Mapping[str, object] | None = None, **options: Unpack[TaskActionOptions]
    ) -> ActionCallResult:
        """Run an action on the platform on behalf of this task; see ``ArinovaAgent.call_action``.

        The task's ids are filled in. Raises TaskCancelled at once when the user stops the task meanwhile.
        """
        check_keywords("call_action", options, TaskActionOptions)
        return self._context.call_action(action, {} if arguments is None else arguments, options)

    def tool_call(self, tool_name: str, input: object = None) -> TimedToolCall:
        """Time a call of a tool that a model made, and report it at the end of ``with``; see ``report_tool_call``.

        What is raised in it is reported as the call's error, and passes on.

        with task.tool_call("search", {"query": query}) as call:
            call.output = search(query)
        """
        return TimedToolCall(self._reporter, check_text("tool_name", tool_name), input)

    def report_tool_call(
        self, tool_name: str, input: object = None, **report: Unpack[ToolCallOutcome]
    ) -> None:
        """Report a call of a tool that a model made; session, turn, message and sequence are filled in.

        Args:
            tool_name: the tool's name.
            input: what it was given, a JSON value.
            report: output (a JSON value), duration_ms (milliseconds), error (a text), and success, which is
                by default whether there is no error.

        The March 2026 server keeps name, duration, success and error. Raises TypeError or ValueError.
        """
        check_keywords("report_tool_call", report, ToolCallOutcome)
        self._reporter.tool_call(tool_name, input, **report)

    def send_usage(
        self, model: str | None = None, provider: str | None = None, **tokens: Unpack[Usage]
    ) -> None:
        """Report what an answer of a model used; the session is filled in.

        Args:
            model, provider: their names.
            tokens: input, output, cache_read, cache_write and total: how many, each a whole number.

        task.send_usage("gpt-4o-mini", "openai", input=usage.prompt_tokens, output=usage.completion_tokens)
        """
        check_keywords("send_usage", tokens, Usage)
        self._reporter.usage(model, provider, tokens)

    @property
    def _reporter(self) -> TaskReporter:
        return self._once(
            "reporter", lambda _: TaskReporter(self.task_id, self.conversation_id, self._context)
        )

    def fetch_history(
        self,
        *,
        before: str | None = None,
        after: str | None = None,
        around: str | None = None,
        limit: int | None = None,
    ) -> Page[Message]:
        """Return one page of the conversation's messages, oldest first: the newest ones by default.

        Args:
            before, after, around: the id of the message that the page is to lie before, after or around.
            limit: messages; 50 by default and 100 at most on the March 2026 server.

        ``agent.api.messages.history()`` goes through all pages. Raises ArinovaError for a task without a
        conversation, ApiError if the call fails.
        """
        conversation_id = self._conversation("fetch_history")
        messages = self._context.api.messages
        if around is None:
            return messages.history(conversation_id, before=before, after=after, limit=limit).page
        if before is not None or after is not None:
            raise ValueError("give one of before, after and around")
        return messages.around(conversation_id, around, limit=limit)

    def upload_file(
        self,
        file: Source,
        *,
        file_name: str | None = None,
        mime_type: str | None = None,
        progress: Progress | bool | None = None,
        timeout: float | None = None,
    ) -> UploadedFile:
        """Upload a file into the task's conversation; put the url of the result into the answer.

        Args:
            file: bytes (with a file_name), a path, or an open binary file.
            file_name, mime_type, progress, timeout: as in ``agent.api.files.upload()``.

        Raises ArinovaError for a task without a conversation, ApiError if the call fails.
        """
        conversation_id = self._conversation("upload_file")
        return self._context.api.files.upload(
            conversation_id,
            file,
            file_name=file_name,
            mime_type=mime_type,
            progress=progress,
            timeout=timeout,
        )

    def _conversation(self, what: str) -> str:
        if self.conversation_id is None:
            kind = f" (taskKind={self.task_kind})" if self.task_kind else ""
            raise ArinovaError(f"{what} is unavailable: this task{kind} is not bound to a conversation")
        return self.conversation_id
