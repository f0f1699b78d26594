"""Task: what a handler holds, with a door that writes down what comes through."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from arinova_agent_sync import ArinovaError, Task, TaskCancelled
from arinova_agent_sync.action_results import ActionCallResult
from arinova_agent_sync.payload import AvailableSkill, HistoryMessage, Member, ReplyTo

MARCH = {
    "type": "task",
    "taskId": "t1",
    "conversationId": "c1",
    "content": "/draw a cat",
    "conversationType": "group",
    "senderUserId": "u1",
    "senderUsername": None,
    "members": [{"agentId": "a1", "agentName": "Ann"}, {"agentId": "a2", "agentName": "Ann Lee"}],
    "replyTo": {"role": "user", "content": "Can you?", "senderAgentName": None},
    "history": [
        {"role": "agent", "content": "Hello", "createdAt": "2026-03-01 09:00:00", "senderAgentName": "Ann"},
        {"role": "user", "content": "/draw a cat", "createdAt": "2026-03-01 09:00:01.5"},
    ],
    "attachments": [
        {"id": "f1", "fileName": "a.png", "fileType": "image/png", "fileSize": 17, "url": "/uploads/a.png"}
    ],
    "availableSkills": [{"slug": "draw", "name": "Draw", "slashCommand": "/draw", "description": "Draws"}],
    "memoryContext": [{"content": "likes cats", "capsuleName": "c", "relevance": 0.9}],
}
AUGUST = {
    "type": "task",
    "taskId": "t2",
    "conversationId": "c2",
    "content": "hello",
    "conversationType": "h2a",
    "senderUserId": "u2",
    "senderUsername": "bob",
    "userMessageId": "m2",
    "surface": "web",
    "billingOwnerUserId": "u2",
    "eventOrigin": {"kind": "user"},
    "ownerAuthored": True,
    "senderAgentId": "a3",
    "senderAgentName": "Cat",
    "replyTo": {
        "role": "agent",
        "content": "Hi",
        "id": "m1",
        "senderAgentId": "a1",
        "senderAgentName": "Ann",
        "senderUsername": "owner",
    },
    "messageMetadata": {"card": 1},
}
WAKEUP = {"type": "task", "taskId": "t3", "taskKind": "cron_wakeup"}


class FakeDoor:
    """Writes down what comes through; after ``cancel()`` it answers as the agent's own does in a handler."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.cancelled = threading.Event()
        self.agent_name: str | None = "Ann"
        self.asked_before: str | None = None
        self.api: Any = None
        self.mute = False  # after disconnect(): cancelled, but nothing raises
        self.functions: list[Callable[[], object]] = []

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled.is_set()

    @property
    def has_ended(self) -> bool:
        return self.is_cancelled or any(call[0] in ("complete", "error", "detach") for call in self.calls)

    def cancel(self) -> None:
        self.cancelled.set()
        for function in self.functions:
            function()

    def note(self, *call: object) -> None:
        if self.cancelled.is_set() and not self.mute:
            raise TaskCancelled("task t1 was cancelled")
        self.calls.append(call)

    def chunk(self, text: str) -> None:
        self.note("chunk", text)

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        self.note("complete", content, mentions)

    def error(self, message: str, keep_partial: bool) -> None:
        self.note("error", message, keep_partial)

    def detach(self) -> None:
        self.calls.append(("detach",))

    def on_cancel(self, function: Callable[[], object]) -> None:
        if self.cancelled.is_set():
            function()
        else:
            self.functions.append(function)

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: Mapping[str, object]
    ) -> ActionCallResult:
        self.note("action", action, arguments, options)
        return ActionCallResult("call_1", action, "success")


@pytest.fixture
def door() -> FakeDoor:
    return FakeDoor()


@pytest.fixture
def task(door: FakeDoor) -> Task:
    return Task(dict(MARCH), door)


class TestData:
    def test_of_the_march_server(self, door: FakeDoor) -> None:
        task = Task(MARCH, door)
        assert (task.task_id, task.conversation_id, task.content) == ("t1", "c1", "/draw a cat")
        assert (task.task_kind, task.user_message_id, task.conversation_type) == (None, None, "group")
        assert (task.sender_user_id, task.sender_username) == ("u1", None)
        assert (task.sender_agent_id, task.sender_agent_name) == (None, None)
        assert task.members == (Member("a1", "Ann"), Member("a2", "Ann Lee"))
        assert task.reply_to == ReplyTo("user", "Can you?")
        assert task.history == (
            HistoryMessage("agent", "Hello", "2026-03-01 09:00:00", "Ann"),
            HistoryMessage("user", "/draw a cat", "2026-03-01 09:00:01.5"),
        )
        (attachment,) = task.attachments
        assert (attachment.id, attachment.file_name, attachment.file_type) == ("f1", "a.png", "image/png")
        assert (attachment.file_size, attachment.url) == (17, "/uploads/a.png")
        assert task.available_skills == (AvailableSkill("draw", "Draw", "Draws", "/draw"),)
        assert (task.command, task.arguments) == ("draw", "a cat")
        assert task.raw == MARCH

    def test_of_the_august_server(self, door: FakeDoor) -> None:
        task = Task(AUGUST, door)
        assert (task.task_id, task.conversation_id, task.user_message_id) == ("t2", "c2", "m2")
        assert (task.sender_user_id, task.sender_username) == ("u2", "bob")
        assert (task.sender_agent_id, task.sender_agent_name) == ("a3", "Cat")
        assert task.reply_to == ReplyTo("agent", "Hi", "Ann", "m1", "a1", "owner")
        assert (task.members, task.history, task.attachments, task.available_skills) == ((), (), (), ())
        assert (task.command, task.arguments) == (None, "")
        assert task.raw["messageMetadata"] == {"card": 1}
        assert task.raw["ownerAuthored"] is True

    def test_of_a_wakeup(self, door: FakeDoor) -> None:
        task = Task(WAKEUP, door)
        assert (task.task_id, task.task_kind) == ("t3", "cron_wakeup")
        assert (task.content, task.conversation_id, task.reply_to) == ("", None, None)
        assert task.messages() == []

    @pytest.mark.parametrize("value", [None, True, 5, -1.5, [], ["a"], {}, {"a": 1}, 10**400], ids=repr)
    def test_odd_values_count_as_absent(self, door: FakeDoor, value: object) -> None:
        task = Task({**dict.fromkeys(MARCH, value), **dict.fromkeys(AUGUST, value)}, door)
        assert (task.task_id, task.content, task.arguments) == ("", "", "")
        assert (task.members, task.history, task.attachments, task.available_skills) == ((), (), (), ())
        assert (task.conversation_id, task.task_kind, task.user_message_id) == (None, None, None)
        assert (task.conversation_type, task.sender_user_id, task.sender_username) == (None, None, None)
        assert (task.sender_agent_id, task.sender_agent_name, task.command) == (None, None, None)
        if not isinstance(value, dict):
            assert task.reply_to is None

    def test_an_empty_conversation_is_none(self, door: FakeDoor) -> None:
        assert Task({"taskId": "t1", "conversationId": ""}, door).conversation_id is None

    def test_it_is_read_only(self, task: Task) -> None:
        for name in (*(name for name in dir(Task) if not name.startswith("_")), "new"):
            with pytest.raises(AttributeError):
                setattr(task, name, "x")
            with pytest.raises(AttributeError):
                delattr(task, name)
        with pytest.raises(TypeError):
            task.raw["content"] = "x"  # type: ignore[index]
        with pytest.raises(AttributeError):
            task.members.append(None)  # type: ignore[attr-defined]
        assert task.content == "/draw a cat"

    def test_what_it_holds_is_made_once(self, task: Task) -> None:
        for name in ("members", "reply_to", "history", "attachments", "available_skills", "command"):
            assert getattr(task, name) is getattr(task, name)

    def test_its_repr_shows_no_text(self, task: Task) -> None:
        assert repr(task) == "Task(task_id='t1', conversation_id='c1')"

    def test_it_can_be_watched_and_is_not_kept(self, door: FakeDoor) -> None:
        task = Task(MARCH, door)
        gone = weakref.ref(task)
        del task
        gc.collect()
        assert gone() is None


class TestSends:
    @pytest.mark.parametrize(
        ("send", "call"),
        [
            (lambda task: task.send_chunk("a"), ("chunk", "a")),
            (lambda task: task.send_complete(), ("complete", None, ())),
            (lambda task: task.send_complete("a"), ("complete", "a", ())),
            (lambda task: task.send_complete(""), ("complete", "", ())),
            (lambda task: task.send_complete("a", ["x", "y", "x"]), ("complete", "a", ("x", "y"))),
            (lambda task: task.send_complete(mentions=iter(["x"])), ("complete", None, ("x",))),
            (lambda task: task.send_complete("a", mentions=()), ("complete", "a", ())),
            (lambda task: task.send_error("no"), ("error", "no", False)),
            (lambda task: task.send_error("no", keep_partial=True), ("error", "no", True)),
            (lambda task: task.dismiss(), ("complete", "", ())),
            (lambda task: task.detach(), ("detach",)),
        ],
    )
    def test_table(
        self, task: Task, door: FakeDoor, send: Callable[[Task], None], call: tuple[object, ...]
    ) -> None:
        send(task)
        assert door.calls == [call]

    @pytest.mark.parametrize(
        ("send", "kind", "says"),
        [
            (lambda task: task.send_chunk(None), TypeError, "^a chunk must be a str, not NoneType$"),
            (lambda task: task.send_chunk(b"a"), TypeError, "^a chunk must be a str, not bytes$"),
            (lambda task: task.send_chunk(["a"]), TypeError, "^a chunk must be a str, not list$"),
            (lambda task: task.send_complete(5), TypeError, "^content must be a str, not int$"),
            (lambda task: task.send_complete("a", "x"), TypeError, "^mentions must be a list .* not str$"),
            (lambda task: task.send_complete("a", b"x"), TypeError, "^mentions must be a list .* not bytes$"),
            (lambda task: task.send_complete("a", 5), TypeError, "^mentions must be a list .* not int$"),
            (lambda task: task.send_complete("a", [5]), TypeError, "^each of mentions must be a str, not int$"),
            (lambda task: task.send_complete("a", [None]), TypeError, "^each of mentions must be a str"),
            (lambda task: task.send_complete("a", [""]), ValueError, "^each of mentions must not be empty$"),
            (lambda task: task.send_error(""), ValueError, "^message must not be empty$"),
            (lambda task: task.send_error(ValueError("no")), TypeError, "^message must be a str, not ValueError$"),
            (lambda task: task.stream(["a"], "x"), TypeError, "^mentions must be a list of agent ids, not str$"),
            (lambda task: task.on_cancel("print"), TypeError, "^on_cancel needs a function, not str$"),
        ],
    )  # fmt: skip
    def test_wrong_values_send_nothing(
        self, task: Task, door: FakeDoor, send: Callable[[Task], None], kind: type[Exception], says: str
    ) -> None:
        with pytest.raises(kind, match=says):
            send(task)
        assert door.calls == []

    def test_mentions_are_cleaned(self, task: Task, door: FakeDoor) -> None:
        task.send_complete("a", ["x\0", "\ud800"])
        assert door.calls == [("complete", "a", ("x", "\ufffd"))]


class Pieces:
    """An iterator that is closed, like a model's response."""

    def __init__(self, *pieces: object) -> None:
        self.pieces = iter(pieces)
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> object:
        piece = next(self.pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


class TestStream:
    def test_sends_each_piece_and_completes(self, task: Task, door: FakeDoor) -> None:
        pieces = Pieces("a", "", "b")
        assert task.stream(pieces, ["x"]) == "ab"
        assert door.calls == [("chunk", "a"), ("chunk", ""), ("chunk", "b"), ("complete", None, ("x",))]
        assert pieces.closed == 1

    @pytest.mark.parametrize("pieces", [[], (), iter(()), (piece for piece in ())])
    def test_nothing(self, task: Task, door: FakeDoor, pieces: Any) -> None:
        assert task.stream(pieces) == ""
        assert door.calls == [("complete", None, ())]

    def test_a_failing_iterable(self, task: Task, door: FakeDoor) -> None:
        pieces = Pieces("a", RuntimeError("broke"))
        with pytest.raises(RuntimeError, match=r"broke"):
            task.stream(pieces)
        assert door.calls == [("chunk", "a")]
        assert pieces.closed == 1

    def test_a_piece_that_is_no_text(self, task: Task, door: FakeDoor) -> None:
        pieces = Pieces("a", 5)
        with pytest.raises(TypeError, match=r"^a chunk must be a str, not int$"):
            task.stream(pieces)
        assert door.calls == [("chunk", "a")]
        assert pieces.closed == 1

    def test_a_cancel_closes_the_generator(self, task: Task, door: FakeDoor) -> None:
        ended = []

        def pieces() -> Iterator[str]:
            try:
                yield "a"
                door.cancel()
                yield "b"
                yield "c"
            finally:
                ended.append(True)

        with pytest.raises(TaskCancelled):
            task.stream(pieces())
        assert door.calls == [("chunk", "a")]
        assert ended == [True]


class TestCancel:
    def test_it_is_seen_and_raised(self, task: Task, door: FakeDoor) -> None:
        assert not task.cancelled.is_set()
        assert not task.is_cancelled
        assert not task.cancelled.wait(0)
        task.raise_if_cancelled()
        door.cancel()
        assert task.cancelled.is_set()
        assert task.is_cancelled
        assert task.cancelled.wait(0)
        with pytest.raises(TaskCancelled, match=r"^task t1 was cancelled$"):
            task.raise_if_cancelled()

    def test_functions_are_called(self, task: Task, door: FakeDoor) -> None:
        called: list[str] = []

        @task.on_cancel
        def first() -> None:
            called.append("first")

        assert callable(first)
        door.cancel()
        task.on_cancel(lambda: called.append("late"))
        assert called == ["first", "late"]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "id"),
        [("Ann", "a1"), ("@Ann", "a1"), ("ann lee", "a2"), ("@ANN LEE", "a2")],
    )
    def test_mention(self, task: Task, name: str, id: str) -> None:
        assert task.mention(name) == id

    @pytest.mark.parametrize("name", ["An", "Bob", "@", "Ann ", "@@Ann"])
    def test_nobody_of_that_name(self, task: Task, name: str) -> None:
        with pytest.raises(LookupError, match=r"^no agent is called .* here; the members are: Ann, Ann Lee$"):
            task.mention(name)

    def test_nobody_at_all(self, door: FakeDoor) -> None:
        with pytest.raises(LookupError, match=r"the members are: none$"):
            Task(AUGUST, door).mention("Ann")

    @pytest.mark.parametrize(("name", "kind"), [("", ValueError), (None, TypeError), (5, TypeError)])
    def test_no_name(self, task: Task, name: Any, kind: type[Exception]) -> None:
        with pytest.raises(kind, match=r"^name must"):
            task.mention(name)

    def test_mentions_in(self, task: Task) -> None:
        assert task.mentions_in("@Ann Lee and @ann, not @Bob") == ["a2", "a1"]
        assert task.mentions_in("") == []
        with pytest.raises(TypeError, match=r"^text must be a str"):
            task.mentions_in(None)  # type: ignore[arg-type]

    def test_of_two_with_one_name_the_first_is_meant(self, door: FakeDoor) -> None:
        members = [{"agentId": id, "agentName": "Ann"} for id in ("a1", "a2")]
        task = Task({**MARCH, "members": members}, door)
        assert task.mention("Ann") == "a1"
        assert task.mentions_in("@Ann") == ["a1"]


class TestMessages:
    def test_history_and_content(self, task: Task, door: FakeDoor) -> None:
        assert task.messages() == [{"role": "user", "content": "/draw a cat"}]
        assert task.messages(first=None) == [
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "/draw a cat"},
        ]
        assert task.messages("Be kind", limit=1) == [
            {"role": "system", "content": "Be kind"},
            {"role": "user", "content": "/draw a cat"},
        ]
        door.agent_name = "Cat"
        assert task.messages()[0] == {"role": "user", "content": "Ann: Hello"}

    @pytest.mark.parametrize("wrong", [{"system": 5}, {"first": "x"}, {"attachments": "x"}])
    def test_wrong_options_are_refused_before_anything_is_fetched(self, task: Task, wrong: Any) -> None:
        with pytest.raises((TypeError, ValueError), match=f"^{next(iter(wrong))} must be "):
            task.messages(limit=50, **wrong)  # which the door's api, None, could not fetch


class TestSleep:
    def test_it_lasts(self, task: Task) -> None:
        began = time.monotonic()
        task.sleep(0.01)
        assert time.monotonic() - began >= 0.01

    def test_a_cancelled_task_does_not_sleep(self, task: Task, door: FakeDoor) -> None:
        door.cancel()
        with pytest.raises(TaskCancelled):
            task.sleep(60)

    @pytest.mark.parametrize(
        ("seconds", "error"),
        [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (None, TypeError)],
    )
    def test_wrong_values_are_refused(self, task: Task, seconds: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match=r"^seconds must be"):
            task.sleep(seconds)


class TestActions:
    def test_everything_is_handed_on(self, task: Task, door: FakeDoor) -> None:
        result = task.call_action(
            "notes.create",
            {"title": "a"},
            call_id="call_9",
            parent_call_id="call_8",
            reason="asked",
            metadata={"a": 1},
            dry_run=True,
            timeout=5.0,
        )
        assert result.status == "success"
        options = {
            "call_id": "call_9",
            "parent_call_id": "call_8",
            "reason": "asked",
            "metadata": {"a": 1},
            "dry_run": True,
            "timeout": 5.0,
        }
        assert door.calls == [("action", "notes.create", {"title": "a"}, options)]

    def test_arguments_may_be_absent(self, task: Task, door: FakeDoor) -> None:
        task.call_action("notes.list")
        assert door.calls[0][:3] == ("action", "notes.list", {})
        assert door.calls[0][3] == {}

    def test_ids_of_the_task_cannot_be_others(self, task: Task, door: FakeDoor) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'task_id'"):
            task.call_action("notes.list", task_id="t2")  # type: ignore[call-arg]
        assert door.calls == []


class TestWithoutAConversation:
    @pytest.mark.parametrize(
        ("payload", "kind"),
        [(WAKEUP, " (taskKind=cron_wakeup)"), ({"taskId": "t4", "content": "hi"}, "")],
    )
    @pytest.mark.parametrize(
        ("call", "what"),
        [
            (lambda task: task.fetch_history(), "fetch_history"),
            (lambda task: task.upload_file(b"a", file_name="a.txt"), "upload_file"),
        ],
    )
    def test_what_needs_one_says_so(
        self, door: FakeDoor, payload: dict[str, object], kind: str, call: Callable[[Task], object], what: str
    ) -> None:
        with pytest.raises(ArinovaError) as caught:
            call(Task(payload, door))
        assert str(caught.value) == f"{what} is unavailable: this task{kind} is not bound to a conversation"


class TestCopies:
    """What a task brings along can be logged, kept in a queue and sent to another process."""

    def test_raw_is_a_dict_that_refuses_writes(self, task: Task) -> None:
        raw = task.raw
        assert json.loads(json.dumps(raw)) == pickle.loads(pickle.dumps(raw)) == copy.deepcopy(raw) == MARCH
        assert isinstance(copy.copy(raw), dict) and raw | {"a": 1} == {**MARCH, "a": 1}
        for write in (
            lambda: raw.update(a=1),
            lambda: raw.pop("content"),
            lambda: raw.popitem(),
            lambda: raw.clear(),
            lambda: raw.setdefault("a", 1),
            lambda: raw.__delitem__("content"),
            lambda: raw.__ior__({"a": 1}),
            lambda: copy.copy(raw).update(a=1),
        ):
            with pytest.raises(TypeError, match="read-only"):
                write()
        assert raw == MARCH

    @pytest.mark.parametrize("name", ["history", "members", "reply_to", "attachments", "available_skills"])
    def test_the_rest_can_be_copied_and_pickled(self, door: FakeDoor, name: str) -> None:
        payload = {**MARCH, "attachments": [{"id": "f", "fileName": "a.txt", "fileSize": 1, "url": "/a"}]}
        value = getattr(Task(payload, door), name)
        assert value
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(value, protocol)) == value
        assert copy.deepcopy(value) == copy.copy(value) == value

    def test_the_copy_of_an_attachment_can_be_read(self, door: FakeDoor) -> None:
        (file,) = Task(MARCH, door).attachments
        assert copy.copy(file) is copy.deepcopy(file) is file

    def test_an_attachment_that_was_pickled_says_what_to_do(self, door: FakeDoor) -> None:
        task = Task({**MARCH, "attachments": [{"id": "f", "url": "/a"}]}, door)
        with pytest.raises(ValueError, match="pickled; fetch its url"):
            pickle.loads(pickle.dumps(task.attachments))[0].read()
