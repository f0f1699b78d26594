"""Handlers of every shape, at the top level of a module, and what each of them must come to wherever it runs."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field

from arinova_agent_sync import ActionError, Reply, Task, current_task


@dataclass(frozen=True)
class Came:
    """What the server has of an answer."""

    status: str
    text: str = ""
    error: str | None = None
    mentions: tuple[str, ...] = ()


@dataclass
class Shape:
    """A handler, and what must come of it.

    Attributes:
        came: what must have come.
        cancel: the text at which the user presses stop, None for never.
        words: what the user says behind the command.
    """

    handler: object
    came: Came
    cancel: str | None = None
    words: str = ""
    options: dict[str, object] = field(default_factory=dict)


SHAPES: dict[str, Shape] = {}


def shape(came, cancel=None, words="", **options):
    def add(function):
        SHAPES[function.__name__] = Shape(function, came, cancel, words, options)
        return function

    return add


@shape(Came("completed", "You said: this"), words="this")
def text(task: Task):
    return f"You said: {task.arguments}"


@shape(Came("completed", "Hello Bob", mentions=("id-of-bob",)))
def reply(task):
    return Reply("Hello Bob", mentions=["id-of-bob"])


@shape(Came("completed", "one two three"))
def generator(task):
    yield "one "
    yield None
    yield "two "
    yield "three"


@shape(Came("completed", "so so", mentions=("somebody",)))
def generator_with_reply(task):
    yield "so "
    yield "so"
    return Reply(mentions=["somebody"])


@shape(Came("completed", "ünï \U0001f600 \ufffd"))
def characters(task):
    yield "ünï \ud83d"
    yield "\ude00 "
    yield "\ud83d"


@shape(Came("completed", "ab" * 2000))
def many_pieces(task):
    for _ in range(2000):
        yield "ab"


@shape(Came("completed", "x" * 300_000))
def one_long_piece(task):
    yield "x" * 300_000


@shape(Came("completed", "first and the rest"))
def calls(task):
    task.send_chunk("first ")
    task.send_complete("first and the rest")
    task.send_chunk("too late")
    task.send_error("too late")


@shape(Came("completed", "abc"))
def stream(task):
    assert task.stream(["a", "b", "c"]) == "abc"


@shape(Came("completed", "awaited"))
async def coroutine(task):
    await asyncio.sleep(0.001)
    return "awaited"


@shape(Came("completed", "a b"))
async def async_generator(task):
    yield "a "
    await asyncio.sleep(0.001)
    yield "b"


@shape(Came("deleted"))
def nothing(task):
    pass


@shape(Came("deleted"))
def dismissed(task):
    task.dismiss()


@shape(Came("error", "not today", "not today"))
def error(task):
    task.send_chunk("so far ")
    task.send_error("not today")


@shape(Came("completed", "so far\n\nnot today"))
def error_kept(task):
    task.send_chunk("so far")
    task.send_error("not today", keep_partial=True)


@shape(Came("error", "ValueError: bad thing", "ValueError: bad thing"))
def raised(task):
    yield "so far "
    raise ValueError("bad thing")


@shape(Came("error", "SystemExit: 3", "SystemExit: 3"))
def exited(task):
    raise SystemExit(3)


@shape(
    Came(
        "error",
        *["TypeError: the handler returned int; it may return a str, a Reply or None, or yield strings"] * 2,
    )
)
def wrong_type(task):
    return 3


@shape(Came("completed", "from elsewhere"))
def detached(task):
    task.detach()

    def later():
        time.sleep(0.02)
        task.send_chunk("from ")
        task.send_complete("from elsewhere")

    threading.Thread(target=later).start()


@shape(Came("completed", "note 7 of success"))
def action(task):
    result = task.call_action("note.create", {"title": "t"}, reason="a test", metadata={"a": [1]})
    assert result.raw
    return f"note {result.result['id']} of {result.status}"


@shape(Came("completed", "error: BROKEN it broke"))
def action_that_fails(task):
    result = task.call_action("note.break", {})
    return f"{result.status}: {result.error.code} {result.error.message}"


@shape(Came("completed", "TypeError, ValueError, ActionTimeout"))
def action_refused(task):
    kinds = []
    for arguments, options in (({"a": {1}}, {}), ({"a": float("nan")}, {}), ({}, {"timeout": 0.05})):
        try:
            task.call_action("note.sleep", arguments, **options)
        except (TypeError, ValueError, ActionError) as problem:
            kinds.append(type(problem).__name__)
    return ", ".join(kinds)


@shape(Came("completed", "/text before | You said: before | /history now"), words="now")
def history(task):
    assert task.history
    return " | ".join(message["content"] for message in task.messages(limit=3))


@shape(Came("completed", "up.txt holds 5 bytes"))
def uploaded(task):
    file = task.upload_file(b"hello", file_name="up.txt")
    return f"{file.file_name} holds {file.file_size} bytes"


@shape(Came("completed", "content of a file"))
def attachment(task):
    (attached,) = task.attachments
    return attached.read().decode()


@shape(Came("completed", "sent"))
def fetched(task):
    page = task.fetch_history(limit=5)
    return "sent" if page.items else "nothing"


@shape(Came("completed", "the same: True, read-only: True"))
def payload(task):
    same = task.raw["taskId"] == task.task_id and task.raw["big"] == 1 << 70
    try:
        task.raw["content"] = "x"
    except TypeError:
        return f"the same: {same}, read-only: True"


@shape(Came("completed", "reported"))
def reports(task):
    with task.tool_call("search", {"q": "x"}):
        pass
    return "reported"


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_sleep(task):
    yield "begun "
    task.sleep(10)


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_wait(task):
    yield "begun "
    assert task.cancelled.wait(10)
    yield "never seen"


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_and_goes_on(task):
    yield "begun "
    assert task.cancelled.wait(10)
    task.send_complete("never seen")


@shape(Came("cancelled", "begun "), cancel="begun ")
async def cancelled_async(task):
    yield "begun "
    await asyncio.sleep(10)


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_action(task):
    yield "begun "
    task.call_action("note.sleep", {}, timeout=10)


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_detached(task):
    task.send_chunk("begun ")
    task.detach()


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_by_function(task):
    stop = threading.Event()
    task.on_cancel(stop.set)
    yield "begun "
    assert stop.wait(10)


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_and_fails(task):
    yield "begun "
    assert task.cancelled.wait(10)
    raise ValueError("never seen")


@shape(Came("completed", "[outer inner handler inner outer]"))
def surrounded(task):
    said = task.context["said"]
    said.append("handler")
    task.send_chunk(f"[{' '.join(said)}")


@shape(Came("completed", "not for you"))
def refused_outside(task):
    raise AssertionError("the surrounding has answered")


@shape(Came("deleted"))
def returned_outside(task):
    raise AssertionError("the surrounding has returned")


@shape(Came("error", "LookupError: it was: ValueError: inside", "LookupError: it was: ValueError: inside"))
def fails_inside(task):
    raise ValueError("inside")


@shape(Came("completed", "caught outside"))
def caught_outside(task):
    raise KeyError("inside")


@shape(Came("cancelled", "begun "), cancel="begun ")
def cancelled_outside(task):
    raise AssertionError("the user has pressed stop before")


def outer(task: Task):
    """Runs around every handler, the first."""
    if task.command == "surrounded":
        task.context["said"] = ["outer"]
        yield
        task.send_chunk(" outer]")
    elif task.command == "refused_outside":
        task.send_complete("not for you")
        yield
    elif task.command == "returned_outside":
        return
    elif task.command == "fails_inside":
        try:
            yield
        except ValueError as error:
            raise LookupError(f"it was: ValueError: {error}") from error
    elif task.command == "caught_outside":
        try:
            yield
        except KeyError:
            task.send_complete("caught outside")
    else:
        yield


def inner(task: Task):
    """Runs around every handler, inside of the other."""
    assert current_task() is task
    if task.command == "surrounded":
        task.context["said"].append("inner")
        yield
        task.send_chunk(" inner")
    elif task.command == "cancelled_outside":
        task.send_chunk("begun ")
        assert task.cancelled.wait(10)
        yield
    else:
        yield


AROUND = (outer, inner)


def shown(error: BaseException) -> str:
    """What users are shown: a function, so that it has to be found wherever handlers run."""
    return f"{type(error).__name__}: {error}"
