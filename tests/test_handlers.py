"""Every handler shape, run with a task whose door writes down what comes through."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from arinova_agent_sync import Reply, Task, TaskCancelled
from arinova_agent_sync.handlers import answer, check_handler

from .test_task import MARCH, FakeDoor, Pieces

ROOT = Path(__file__).parent.parent


@pytest.fixture
def door() -> FakeDoor:
    return FakeDoor()


@pytest.fixture
def task(door: FakeDoor) -> Task:
    return Task(MARCH, door)


# Shapes. Each answers with the task's id, "t1".


def sends(task: Task) -> None:
    task.send_chunk(task.task_id)
    task.send_complete()


def returns_text(task: Task) -> str:
    return task.task_id


def returns_reply(task: Task) -> Reply:
    return Reply(task.task_id, mentions=["a1", "a1"])


def returns_mentions(task: Task) -> Reply:
    task.send_chunk(task.task_id)
    return Reply(mentions=["a1"])


def yields(task: Task) -> Iterator[str]:
    yield task.task_id
    yield "!"


def yields_and_returns_text(task: Task) -> Iterator[str]:
    yield task.task_id
    return f"{task.task_id}!"


def yields_and_returns_mentions(task: Task) -> Iterator[str]:
    yield task.task_id
    return Reply(mentions=["a1"])


def yields_nothing_and_returns_text(task: Task) -> Iterator[str]:
    yield from ()
    return task.task_id


def delegates(task: Task) -> Iterator[str]:
    return (yield from yields_and_returns_mentions(task))


def returns_iterator(task: Task) -> Iterator[str]:
    return map(str.strip, [" t1 ", " ! "])


async def awaits_and_returns_text(task: Task) -> str:
    await asyncio.sleep(0)
    return task.task_id


async def awaits_and_returns_reply(task: Task) -> Reply:
    return Reply(task.task_id, ["a1"])


async def awaits_and_sends(task: Task) -> None:
    task.send_chunk(task.task_id)
    await asyncio.sleep(0)
    task.send_complete()


async def yields_async(task: Task) -> AsyncIterator[str]:
    yield task.task_id
    await asyncio.sleep(0)
    yield "!"


class Callable_:
    def __call__(self, task: Task) -> str:
        return task.task_id

    def method(self, task: Task) -> Iterator[str]:
        yield task.task_id

    async def async_method(self, task: Task) -> str:
        return task.task_id

    @staticmethod
    def static(task: Task) -> str:
        return task.task_id

    @classmethod
    def of_class(cls, task: Task) -> str:
        return task.task_id


class AsyncCallable:
    async def __call__(self, task: Task) -> str:
        return task.task_id


def with_prefix(prefix: str, task: Task) -> str:
    return prefix + task.task_id


async def async_with_suffix(task: Task, suffix: str = "") -> AsyncIterator[str]:
    yield task.task_id
    yield suffix


def with_defaults(task: Task, other: int = 5, *more: int, **options: int) -> str:
    return task.task_id


def wrap(handler: Any) -> Any:
    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return handler(*args, **kwargs)

    return wrapped


T1 = ("complete", "t1", ())
CHUNK = ("chunk", "t1")
END = ("chunk", "!")
MENTIONS = ("complete", None, ("a1",))

SHAPES = [
    (sends, [CHUNK, ("complete", None, ())]),
    (returns_text, [T1]),
    (returns_reply, [("complete", "t1", ("a1",))]),
    (returns_mentions, [CHUNK, MENTIONS]),
    (yields, [CHUNK, END]),
    (yields_and_returns_text, [CHUNK, ("complete", "t1!", ())]),
    (yields_and_returns_mentions, [CHUNK, MENTIONS]),
    (yields_nothing_and_returns_text, [T1]),
    (delegates, [CHUNK, MENTIONS]),
    (returns_iterator, [CHUNK, END]),
    (awaits_and_returns_text, [T1]),
    (awaits_and_returns_reply, [("complete", "t1", ("a1",))]),
    (awaits_and_sends, [CHUNK, ("complete", None, ())]),
    (yields_async, [CHUNK, END]),
    (Callable_(), [T1]),
    (Callable_().method, [CHUNK]),
    (Callable_().async_method, [T1]),
    (Callable_.static, [T1]),
    (Callable_.of_class, [T1]),
    (AsyncCallable(), [T1]),
    (functools.partial(with_prefix, "> "), [("complete", "> t1", ())]),
    (functools.partial(async_with_suffix, suffix="!"), [CHUNK, END]),
    (functools.partial(yields), [CHUNK, END]),
    (with_defaults, [T1]),
    (wrap(yields), [CHUNK, END]),
    (wrap(yields_async), [CHUNK, END]),
    (lambda task: task.task_id, [T1]),
    (lambda task: yields(task), [CHUNK, END]),
    (lambda task: awaits_and_returns_text(task), [T1]),
    (lambda task: (piece for piece in (task.task_id, "!")), [CHUNK, END]),
    (lambda task: "", [("complete", "", ())]),
    (lambda task: task.send_chunk(task.task_id), [CHUNK]),
]


class TestShapes:
    @pytest.mark.parametrize(("handler", "calls"), SHAPES)
    def test_table(self, task: Task, door: FakeDoor, handler: Any, calls: list[tuple[object, ...]]) -> None:
        check_handler(handler, "on_task")
        answer(handler, task)
        assert door.calls == calls

    def test_every_async_handler_has_a_loop_of_its_own_that_is_closed(self, task: Task) -> None:
        loops = []

        async def handler(task: Task) -> None:
            loops.append(asyncio.get_running_loop())

        answer(handler, task)
        answer(handler, task)
        assert loops[0] is not loops[1]
        assert all(loop.is_closed() for loop in loops)

    def test_a_model_response_is_closed(self, task: Task, door: FakeDoor) -> None:
        pieces = Pieces("t1", "!")
        answer(lambda _: pieces, task)
        assert door.calls == [CHUNK, END]
        assert pieces.closed == 1


class TestRegistration:
    @pytest.mark.parametrize("handler", [None, "handle", 5, ["handle"], object(), Reply("a")])
    def test_what_cannot_be_called(self, handler: object) -> None:
        with pytest.raises(TypeError, match=r"^on_task needs a function that takes a task, not \w+$"):
            check_handler(handler, "on_task")

    @pytest.mark.parametrize(
        "handler",
        [
            lambda: None,
            lambda a, b: None,
            lambda *, task: None,
            lambda task, *, option: None,
            functools.partial(with_prefix, "a", "b"),
            Callable_.__call__,  # without an object
        ],
    )
    def test_what_does_not_take_one_task(self, handler: object) -> None:
        with pytest.raises(
            TypeError, match=r"^on_command needs a function that takes one argument, the task: "
        ):
            check_handler(handler, "on_command")

    @pytest.mark.parametrize("handler", [print, max, functools.partial(print, "a"), str, lambda *args: None])
    def test_functions_that_tell_nothing_are_taken(self, handler: object) -> None:
        check_handler(handler, "on_task")

    def test_nothing_is_called(self) -> None:
        check_handler(lambda task: 1 / 0, "on_task")


class TestReply:
    def test_values(self) -> None:
        assert (Reply().text, Reply().mentions) == (None, ())
        assert Reply("a", ["x", "y", "x"]) == Reply(text="a", mentions=("x", "y"))
        assert Reply("").text == ""

    @pytest.mark.parametrize(
        ("make", "kind", "says"),
        [
            (lambda: Reply(5), TypeError, "^text must be a str, not int$"),
            (lambda: Reply(b"a"), TypeError, "^text must be a str, not bytes$"),
            (lambda: Reply("a", "x"), TypeError, "^mentions must be a list of agent ids, not str$"),
            (lambda: Reply("a", mentions=5), TypeError, "^mentions must be a list of agent ids, not int$"),
            (lambda: Reply("a", mentions=[5]), TypeError, "^each of mentions must be a str, not int$"),
            (lambda: Reply("a", mentions=[""]), ValueError, "^each of mentions must not be empty$"),
        ],
    )
    def test_wrong_values(self, make: Any, kind: type[Exception], says: str) -> None:
        with pytest.raises(kind, match=says):
            make()

    def test_it_is_frozen(self) -> None:
        with pytest.raises(AttributeError):
            Reply("a").text = "b"  # type: ignore[misc]


async def returns_later(value: object) -> object:
    return value


class TestWrongAnswers:
    @pytest.mark.parametrize("value", [5, True, b"a", ["a"], {"text": "a"}, object(), ("a",)])
    def test_returned(self, task: Task, door: FakeDoor, value: object) -> None:
        says = (
            rf"^the handler returned {type(value).__name__}; it may return a str, a Reply or None, or yield"
        )
        with pytest.raises(TypeError, match=says):
            answer(lambda _: value, task)  # type: ignore[arg-type, return-value]
        with pytest.raises(TypeError, match=says):
            answer(lambda _: returns_later(value), task)  # type: ignore[arg-type, return-value]
        assert door.calls == []

    @pytest.mark.parametrize("value", [5, b"a", ["a"], Reply("a")], ids=repr)
    @pytest.mark.parametrize("shape", ["generator", "async generator"])
    def test_yielded(self, task: Task, door: FakeDoor, value: object, shape: str) -> None:
        ended = []

        def generator(task: Task) -> Iterator[Any]:
            try:
                yield "t1"
                yield value
                yield "never"
            finally:
                ended.append(True)

        async def async_generator(task: Task) -> AsyncIterator[Any]:
            try:
                yield "t1"
                yield value
                yield "never"
            finally:
                ended.append(True)

        handler: Any = generator if shape == "generator" else async_generator
        says = rf"^the handler yielded {type(value).__name__}; each yield must be a str$"
        with pytest.raises(TypeError, match=says):
            answer(handler, task)
        assert door.calls == [CHUNK]
        assert ended == [True]

    def test_none_is_an_empty_piece(self, task: Task, door: FakeDoor) -> None:
        def generator(task: Task) -> Iterator[str | None]:
            yield "t1"
            yield None

        async def async_generator(task: Task) -> AsyncIterator[str | None]:
            yield "t1"
            yield None

        for handler in (generator, async_generator):
            door.calls.clear()
            answer(handler, task)  # type: ignore[arg-type]
            assert door.calls == [CHUNK, ("chunk", "")]
        assert task.stream(iter(["a", None])) == "a"

    def test_returned_by_a_generator(self, task: Task, door: FakeDoor) -> None:
        def handler(task: Task) -> Any:
            yield "t1"
            return 5

        with pytest.raises(TypeError, match=r"^the handler returned int;"):
            answer(handler, task)
        assert door.calls == [CHUNK]


def raises(task: Task) -> str:
    raise LookupError("broke")


def yields_and_raises(task: Task) -> Iterator[str]:
    yield "t1"
    raise LookupError("broke")


async def awaits_and_raises(task: Task) -> str:
    raise LookupError("broke")


async def yields_async_and_raises(task: Task) -> AsyncIterator[str]:
    yield "t1"
    raise LookupError("broke")


@pytest.mark.parametrize("handler", [raises, yields_and_raises, awaits_and_raises, yields_async_and_raises])
def test_errors_pass(task: Task, handler: Any) -> None:
    with pytest.raises(LookupError, match=r"^'broke'$|^broke$"):
        answer(handler, task)


class Cancels:
    """Handlers whose task is cancelled between their first and their second piece, and how they ended."""

    def __init__(self, door: FakeDoor) -> None:
        self.door = door
        self.ended: list[str] = []

    def sending(self, task: Task) -> None:
        try:
            task.send_chunk("t1")
            self.door.cancel()
            task.send_chunk("never")
        finally:
            self.ended.append("sending")

    def generator(self, task: Task) -> Iterator[str]:
        try:
            yield "t1"
            self.door.cancel()
            yield "never"
            self.ended.append("never")
        except GeneratorExit:
            self.ended.append("closed")
            raise
        finally:
            self.ended.append("generator")

    async def coroutine(self, task: Task) -> str:
        try:
            task.send_chunk("t1")
            self.door.cancel()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        finally:
            self.ended.append("coroutine")
        return "never"

    async def async_generator(self, task: Task) -> AsyncIterator[str]:
        try:
            yield "t1"
            self.door.cancel()
            await asyncio.sleep(60)
            yield "never"
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        finally:
            self.ended.append("async_generator")

    async def async_generator_without_a_wait(self, task: Task) -> AsyncIterator[str]:
        try:
            yield "t1"
            self.door.cancel()
            yield "never"
        finally:
            self.ended.append("async_generator_without_a_wait")


class TestCancel:
    @pytest.mark.parametrize(
        ("name", "first"),
        [
            ("sending", None),
            ("generator", "closed"),
            ("coroutine", "cancelled"),
            ("async_generator", "cancelled"),
            ("async_generator_without_a_wait", None),
        ],
    )
    def test_the_handler_is_ended(self, task: Task, door: FakeDoor, name: str, first: str | None) -> None:
        cancels = Cancels(door)
        with pytest.raises(TaskCancelled, match=r"^task t1 was cancelled$"):
            answer(getattr(cancels, name), task)
        assert door.calls == [CHUNK]
        assert cancels.ended == ([first, name] if first else [name])

    def test_from_another_thread_while_it_awaits(self, task: Task, door: FakeDoor) -> None:
        waiting = threading.Event()

        async def handler(task: Task) -> str:
            waiting.set()
            await asyncio.Event().wait()
            return "never"

        def cancel() -> None:
            waiting.wait()
            door.cancel()

        user = threading.Thread(target=cancel)
        user.start()
        with pytest.raises(TaskCancelled):
            answer(handler, task)
        user.join()
        assert door.calls == []

    def test_before_it_began(self, task: Task, door: FakeDoor) -> None:
        async def handler(task: Task) -> str:
            await asyncio.sleep(60)
            return "never"

        door.cancel()
        with pytest.raises(TaskCancelled):
            answer(handler, task)

    def test_after_it_ended(self, task: Task, door: FakeDoor) -> None:
        answer(awaits_and_returns_text, task)
        door.cancel()  # its loop is closed by now
        assert door.calls == [T1]

    def test_an_async_handler_that_cancels_itself_was_not_cancelled(self, task: Task) -> None:
        async def handler(task: Task) -> str:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            answer(handler, task)

    @pytest.mark.parametrize("name", ["generator", "async_generator_without_a_wait"])
    def test_a_generator_ends_even_where_sends_do_nothing(
        self, task: Task, door: FakeDoor, name: str
    ) -> None:
        door.mute = True  # as after disconnect()
        cancels = Cancels(door)
        with pytest.raises(TaskCancelled):
            answer(getattr(cancels, name), task)
        assert cancels.ended[-1] == name

    def test_a_model_response_is_closed(self, task: Task, door: FakeDoor) -> None:
        pieces = Pieces("t1", "never")
        door.cancel()
        with pytest.raises(TaskCancelled):
            answer(lambda _: pieces, task)
        assert pieces.closed == 1


SYNC = """
import sys
import arinova_agent_sync as package
from arinova_agent_sync.handlers import answer

heavy = ["asyncio", "urllib3", "http.server", "http.client", "starlette", "uvicorn", "websockets", "concurrent"]
assert not [name for name in heavy if name in sys.modules], [name for name in heavy if name in sys.modules]

class Door:
    is_cancelled = False
    agent_name = None
    asked_before = None
    has_ended = False
    on_cancel = chunk = complete = error = lambda self, *args: None

def generator(task):
    yield "a"
    return package.Reply("a", ["x"])

task = package.Task({"taskId": "t1", "content": "hi"}, Door())
agent = package.ArinovaAgent(server_url="http://localhost", bot_token="t")
agent.on_task(generator)
for handler in (generator, lambda task: "a", lambda task: package.Reply("a"), lambda task: task.stream(["a"])):
    answer(handler, task)
assert not [name for name in heavy if name in sys.modules], [name for name in heavy if name in sys.modules]

async def late(task):
    return "a"

answer(late, task)
assert "asyncio" in sys.modules
"""


def test_a_program_without_async_handlers_loads_no_asyncio() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SYNC], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
