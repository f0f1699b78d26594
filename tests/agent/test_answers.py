"""What a handler does, and what the user ends up with."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arinova_agent_sync import ArinovaAgent, Reply, Task, TaskCancelled
from arinova_agent_sync.local import LocalServer

from ..conftest import holding


def returned(task: Task) -> str:
    return "hello"


def replied(task: Task) -> Reply:
    return Reply("hello")


def sent(task: Task) -> None:
    task.send_chunk("hel")
    task.send_chunk("lo")


def completed(task: Task) -> None:
    task.send_chunk("hel")
    task.send_complete("hello")


def generated(task: Task):
    yield "hel"
    yield "lo"


def streamed(task: Task) -> None:
    assert task.stream(iter(["hel", "lo"])) == "hello"


async def coroutine(task: Task) -> str:
    return "hello"


async def async_generated(task: Task):
    yield "hel"
    yield "lo"


@pytest.mark.parametrize(
    "handler",
    [returned, replied, sent, completed, generated, streamed, coroutine, async_generated],
    ids=lambda handler: handler.__name__,
)
def test_every_handler_shape_answers(server, make_agent, handler):
    agent = make_agent(server)
    agent.on_task(handler)
    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "hello")


@pytest.mark.slow
@pytest.mark.parametrize("pure_delta", [False, True], ids=["auto-detection", "pure delta"])
def test_the_user_gets_what_was_streamed_however_it_was_split(make_agent, pure_delta):
    pieces = st.lists(st.text("ha=", min_size=1, max_size=6), min_size=1, max_size=12)
    with LocalServer(pure_delta=pure_delta, duplicate_window=0) as server:
        agent = make_agent(server)
        wanted: list[str] = []

        @agent.on_task
        def handle(task):
            yield from wanted

        agent.connect(5)
        conversation = server.conversation()

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(pieces)
        def check(parts):
            wanted[:] = parts
            reply = conversation.say("again")
            assert (reply.wait(5), reply.text) == ("completed", "".join(parts))

        check()


def test_chunks_leave_while_the_handler_still_blocks(server, make_agent):
    agent, go_on = make_agent(server), threading.Event()

    @agent.on_task
    def handle(task):
        yield "first"
        assert go_on.wait(5)
        yield " second"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert reply.wait_for_text("first", 5) == "first"
    go_on.set()
    assert (reply.wait(5), reply.text) == ("completed", "first second")


@pytest.mark.parametrize(
    ("pieces", "content", "text"),
    [
        (["Hello"], "Hello, world", "Hello, world"),
        (["H"], "Hello", "Hello"),
        ([], "Hello", "Hello"),
        (["Hello"], None, "Hello"),
        (["Hello"], "Bye", "Hello"),  # the server keeps what was streamed
        (["x"], None, "x"),
        (["nul\0 and \ud83d", "\ude00 surrogates"], None, "nul and \U0001f600 surrogates"),
        (["\ud83d", "\ude00"], None, "\U0001f600"),
        (["a\ud83d", "", "\ude00\ud83d"], "a\U0001f600\U0001f600!", "a\U0001f600\U0001f600!"),
        (["a\ud83d", "b\ud83d"], None, "a\ufffdb\ufffd"),
        (["\ude00", "\ud83d"], None, "\ufffd\ufffd"),
        (["\ud83d\ude00"], None, "\U0001f600"),
    ],
)
def test_what_complete_leaves_behind(server, make_agent, pieces, content, text):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        for piece in pieces:
            task.send_chunk(piece)
        task.send_complete(content)

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", text)


@pytest.mark.parametrize(
    ("pieces", "keep_partial", "status", "text"),
    [
        (["word "] * 2_000, True, "completed", "word " * 2_000 + "\n\nno more"),
        (["word "], False, "error", "no more"),
        ([], True, "error", "no more"),
    ],
)
def test_what_was_streamed_may_outlive_an_error(server, make_agent, pieces, keep_partial, status, text):
    agent = make_agent(server, keep_partial=keep_partial)

    @agent.on_task
    def handle(task):
        yield from pieces
        raise ValueError("no more")

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == (status, text)


@pytest.mark.parametrize("kind", [list, iter])
def test_a_character_that_two_pieces_split_arrives_whole(server, make_agent, kind):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        if kind is list:
            task.send_chunk("\ud83d")
            task.send_chunk("\ude00\ud83d")
        else:
            yield from ("\ud83d", "\ude00\ud83d")

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "\U0001f600\ufffd")


def test_a_contradicting_completion_is_logged(server, make_agent, package_log):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        task.send_chunk("Hello")
        task.send_complete("Bye")

    agent.connect(5)
    server.conversation().say("hi").wait(5)
    package_log.wait_for("the server keeps what was streamed", 5)


def test_only_the_first_terminal_counts(server, make_agent):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        task.send_complete("one")
        task.send_error("two")
        task.send_chunk("three")
        task.dismiss()
        return "four"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "one")
    agent.disconnect()
    kinds = [frame.type for frame in server.frames if frame.direction == "in"]
    assert kinds == ["agent_auth", "agent_complete", "ping", "websocket.close"]


@pytest.mark.parametrize(
    "racers", [("complete", "error"), ("complete", "cancel"), ("complete", "disconnect")]
)
def test_one_terminal_in_a_race(make_agent, racers):
    for _ in range(15):
        with LocalServer(duplicate_window=0) as server:
            agent = make_agent(server)
            tasks: list[Task] = []
            arrived, start = threading.Event(), threading.Barrier(2)

            @agent.on_task
            def handle(task, tasks=tasks, arrived=arrived):
                task.detach()
                tasks.append(task)
                arrived.set()

            agent.connect(5)
            reply = server.conversation().say("hi")
            assert arrived.wait(5)
            moves = {
                "complete": lambda: tasks[0].send_complete("done"),  # noqa: B023
                "error": lambda: tasks[0].send_error("broken"),  # noqa: B023
                "cancel": reply.cancel,
                "disconnect": lambda: agent.disconnect(1.0),  # noqa: B023
            }

            def race(move, start=start):
                start.wait(5)
                move()

            threads = [threading.Thread(target=race, args=(moves[name],)) for name in racers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(5)
            reply.wait(5)
            agent.disconnect(2.0)
            terminals = [f.type for f in server.frames if f.type in ("agent_complete", "agent_error")]
            assert len(terminals) == 1


def test_nothing_is_a_dismissal_with_a_warning(server, make_agent, package_log):
    agent = make_agent(server)
    agent.on_task(lambda task: None)
    agent.connect(5)
    assert server.conversation().say("hi").wait(5) == "deleted"
    package_log.wait_for("was dismissed", 5)


def test_dismiss_is_quiet(server, make_agent, caplog):
    agent = make_agent(server)
    agent.on_task(lambda task: task.dismiss())
    agent.connect(5)
    assert server.conversation().say("hi").wait(5) == "deleted"
    assert "dismissed" not in caplog.text


@pytest.mark.parametrize(
    ("error_text", "shown"),
    [(None, "boom"), ("Sorry.", "Sorry."), (lambda error: type(error).__name__, "RuntimeError")],
)
def test_a_handler_that_raises(server, make_agent, caplog, error_text, shown):
    agent = make_agent(server, error_text=error_text)
    heard: list[BaseException] = []
    done = threading.Event()

    @agent.on_error
    def on_error(error):
        heard.append(error)
        done.set()

    @agent.on_task
    def handle(task):
        yield "half an answer"
        raise RuntimeError("boom")

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("error", shown)
    assert done.wait(5)
    assert str(heard[0]) == "boom"
    assert reply.message_id in caplog.text
    assert agent.stats().tasks_failed == 1


def test_an_error_may_keep_what_was_streamed(server, make_agent):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        task.send_chunk("half an answer")
        task.send_error("the model stopped", keep_partial=True)

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "half an answer\n\nthe model stopped")


@pytest.mark.parametrize("exception", [SystemExit(3), KeyboardInterrupt(), BaseException("base")])
def test_a_worker_survives_whatever_a_handler_raises(server, make_agent, exception):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        if task.content == "fail":
            raise exception
        return "fine"

    agent.connect(5)
    conversation = server.conversation()
    assert conversation.say("fail").wait(5) == "error"
    assert conversation.say("go on").wait(5) == "completed"


def test_a_detached_task_is_finished_by_another_thread(server, make_agent):
    agent = make_agent(server)
    threads: list[threading.Thread] = []

    @agent.on_task
    def handle(task):
        task.detach()
        thread = threading.Thread(target=lambda: task.stream(["late", " answer"]))
        threads.append(thread)
        thread.start()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "late answer")
    threads[0].join(5)


def test_commands_go_to_their_handler(server, make_agent):
    agent = make_agent(server)
    agent.on_task(lambda task: "chat")

    @agent.on_command("Draw")
    def draw(task):
        return f"drawing {task.arguments}"

    agent.connect(5)
    conversation = server.conversation()
    texts = []
    for said in ("/draw a cat", "／DRAW a dog", " /draw@Agent it", "/draw@Other it", "/paint a cat", "draw"):
        reply = conversation.say(said)
        reply.wait(5)
        texts.append(reply.text)
    assert texts == ["drawing a cat", "drawing a dog", "drawing it", "chat", "chat", "chat"]


def test_mentions_reach_the_other_agent(server, make_agent):
    other = server.add_agent("Second Agent")
    first, second = make_agent(server), make_agent(server, bot_token=other.token)
    heard = threading.Event()

    @first.on_task
    def handle(task):
        text = "Ask @Second Agent."
        return Reply(text, mentions=task.mentions_in(text))

    @second.on_task
    def listen(task):
        if "Ask" in task.content:
            heard.set()
        task.dismiss()

    first.connect(5)
    second.connect(5)
    reply = server.conversation(type="group").say("@Agent hello")
    reply.wait(5)
    assert reply.mentions == (other.agent_id,)
    assert heard.wait(5)


@pytest.mark.parametrize("failure", [ValueError("worse"), SystemExit("worse"), TaskCancelled("worse")])
def test_a_failing_error_text_does_not_lose_the_task(server, make_agent, failure):
    def error_text(error: BaseException) -> str:
        raise failure

    agent: ArinovaAgent = make_agent(server, error_text=error_text)

    @agent.on_task
    def handle(task):
        raise RuntimeError

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("error", "worse")


def test_without_another_thread_tasks_are_answered(server, make_agent, monkeypatch):
    agent = make_agent(server, max_workers=1)
    agent.on_task(lambda task: "fine")
    agent.connect(5)
    start = threading.Thread.start

    def refuse_workers(thread: threading.Thread) -> None:
        if thread.name.startswith("arinova-worker-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_workers)
        replies = [server.conversation().say("hi") for _ in range(5)]
        for reply in replies:
            assert (reply.wait(5), reply.text) == ("error", "The agent cannot run more tasks at the moment.")
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "fine")
    assert agent.stats().connections == 1


def test_a_chunk_behind_the_end_is_refused_while_another_thread_writes(server, make_agent):
    agent, done = make_agent(server), threading.Event()

    @agent.on_task
    def handle(task):
        with holding(agent._engine.writer):  # everything waits now
            task.send_chunk("the whole answer")
            task.send_complete()
            for _ in range(3):
                task.send_chunk("late")
        done.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert done.wait(5)
    agent.send_telemetry("push", {})
    assert (reply.wait(5), reply.text) == ("completed", "the whole answer")
    agent.disconnect()
    types = [frame.type for frame in server.frames if frame.direction == "in"]
    assert types[1:4] == ["agent_chunk", "agent_complete", "agent_telemetry"]


def test_of_a_failed_task_nothing_else_leaves_any_more(server, make_agent):
    agent, done = make_agent(server), threading.Event()

    @agent.on_task
    def handle(task):
        with holding(agent._engine.writer):  # everything waits now
            task.send_chunk("which the error takes the place of")
            task.send_error("that failed")
        done.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert done.wait(5)
    agent.send_telemetry("push", {})
    assert (reply.wait(5), reply.text) == ("error", "that failed")
    assert "agent_chunk" not in [frame.type for frame in server.frames]
