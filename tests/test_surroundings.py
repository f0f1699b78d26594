"""What runs around handlers."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from typing import Any

import pytest

from arinova_agent_sync import ArinovaAgent, current_task
from arinova_agent_sync.errors import TaskCancelled
from arinova_agent_sync.surroundings import check_surrounding
from arinova_agent_sync.testing import run_task


@pytest.fixture
def agent() -> ArinovaAgent:
    return ArinovaAgent(server_url="http://127.0.0.1:9", bot_token="ari_none")


class TestOrder:
    def test_they_nest_in_the_order_of_their_calls(self, agent: ArinovaAgent) -> None:
        seen = []

        @agent.around_task
        def outer(task):
            seen.append("outer begins")
            task.context["thread"] = threading.get_ident()
            yield
            seen.append("outer ends")

        @agent.around_task
        def inner(task):
            seen.append("inner begins")
            yield "whatever is yielded is ignored"
            seen.append("inner ends")

        @agent.on_task
        def handle(task):
            assert task.context["thread"] == threading.get_ident()
            assert current_task() is task
            yield "an "
            seen.append("handler")
            yield "answer"

        assert run_task(agent, "hi").text == "an answer"
        assert seen == ["outer begins", "inner begins", "handler", "inner ends", "outer ends"]

    def test_one_of_a_cell_that_is_run_again_takes_the_old_ones_place(self, agent: ArinovaAgent) -> None:
        seen: list[str] = []
        cell = "def around(task):\n    seen.append(text)\n    yield"
        for text in ("old", "new"):
            names: dict[str, Any] = {"__name__": "__main__", "seen": seen, "text": text}
            exec(cell, names)
            agent.around_task(names["around"])
        agent.on_task(lambda task: "x")
        run_task(agent, "hi")
        assert seen == ["new"]

    def test_those_that_one_function_makes_stand_side_by_side(self, agent: ArinovaAgent) -> None:
        seen = []

        def made(text):
            def around(task):
                seen.append(text)
                yield

            return around

        agent.around_task(made("outer"))
        agent.around_task(made("inner"))
        agent.on_task(lambda task: "x")
        run_task(agent, "hi")
        assert seen == ["outer", "inner"]

    def test_the_same_one_twice_runs_once(self, agent: ArinovaAgent) -> None:
        seen = []

        def around(task):
            seen.append(task.content)
            yield

        assert agent.around_task(around) is around
        agent.around_task(around)
        agent.on_task(lambda task: "ok")
        run_task(agent, "hi")
        assert seen == ["hi"]

    def test_an_async_handler_runs_inside(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def around(task):
            task.context["said"] = "before"
            yield
            task.send_chunk(", after")

        @agent.on_task
        async def handle(task):
            assert current_task() is task
            task.send_chunk(task.context["said"])

        assert run_task(agent, "hi").text == "before, after"

    def test_commands_are_surrounded_too(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def around(task):
            task.context["user"] = task.sender_username
            yield

        agent.on_command("who", lambda task: f"{task.context['user']}")
        assert run_task(agent, "/who", sender_username="bob").text == "bob"


class TestEnd:
    @pytest.mark.parametrize("then", ["yield", "return"])
    def test_who_ends_the_task_keeps_the_handler_from_running(self, agent: ArinovaAgent, then: str) -> None:
        seen = []

        @agent.around_task
        def allow(task):
            if task.sender_username != "ann":
                task.send_complete("not for you")
                if then == "return":
                    return
            yield
            seen.append("over")

        @agent.around_task
        def inner(task):
            seen.append("inner")
            yield

        agent.on_task(lambda task: "for you")
        assert run_task(agent, "hi", sender_username="bob").text == "not for you"
        assert seen == (["over"] if then == "yield" else [])
        assert run_task(agent, "hi", sender_username="ann").text == "for you"

    def test_who_detaches_the_task_will_finish_it(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def later(task):
            task.detach()
            threading.Timer(0.01, task.send_complete, ["later"]).start()
            yield

        agent.on_task(lambda task: "now")
        assert run_task(agent, "hi").text == "later"

    def test_nothing_said_and_returned(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def nothing(task):
            if task.content:
                return
            yield

        agent.on_task(lambda task: "never")
        assert run_task(agent, "hi").status == "dismissed"


class TestErrors:
    @pytest.mark.parametrize("error", [ValueError("x"), StopIteration("x"), TaskCancelled("x")])
    def test_what_the_handler_raises_is_raised_at_the_yield(
        self, agent: ArinovaAgent, error: BaseException
    ) -> None:
        seen = []

        @agent.around_task
        def around(task):
            try:
                yield
            except BaseException as raised:
                seen.append(raised)
                raise

        @agent.on_task
        def handle(task):
            raise error

        transcript = run_task(agent, "hi")
        assert seen == [error]
        assert (transcript.status, transcript.error) == ("error", "x")

    def test_an_error_that_is_not_looked_at_passes(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def around(task):
            yield

        @agent.on_task
        def handle(task):
            raise StopIteration("passed")

        assert run_task(agent, "hi").error == "passed"

    def test_one_that_is_caught_is_gone(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def around(task):
            with contextlib.suppress(ValueError):
                yield
            task.send_complete("sorry")

        @agent.on_task
        def handle(task):
            raise ValueError("gone")

        transcript = run_task(agent, "hi")
        assert (transcript.text, transcript.error) == ("sorry", None)

    def test_before_and_behind(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def around(task):
            if task.content == "before":
                raise ValueError("before")
            yield
            raise ValueError("behind")

        agent.on_task(lambda task: None)
        assert run_task(agent, "before").error == "before"
        assert run_task(agent, "x").error == "behind"

    def test_two_yields(self, agent: ArinovaAgent) -> None:
        seen = []

        @agent.around_task
        def twice(task):
            try:
                yield
                yield
            finally:
                seen.append("closed")

        agent.on_task(lambda task: task.send_chunk("x"))
        error = run_task(agent, "hi").error
        assert error is not None
        assert error.endswith("twice yielded twice; what runs around a task yields once")
        assert seen == ["closed"]

    def test_one_that_catches_everything_in_a_loop(self, agent: ArinovaAgent) -> None:
        @agent.around_task
        def again(task):
            for _ in range(3):  # and no more, or the interpreter complains of it, too
                try:
                    yield
                except BaseException:
                    pass

        @agent.on_task
        def handle(task):
            raise ValueError("no")

        error = run_task(agent, "hi").error
        assert error is not None
        assert error.endswith("again yielded again and again; what runs around a task yields once")

    def test_the_stop_button_reaches_what_stands_before_the_yield(self, agent: ArinovaAgent) -> None:
        seen = []

        @agent.around_task
        def around(task):
            task.send_chunk("begun")
            try:
                task.sleep(10)
            finally:
                seen.append("over")
            yield

        agent.on_task(lambda task: "never")
        assert run_task(agent, "hi", cancel_after=1).status == "cancelled"
        assert seen == ["over"]


class TestCurrentTask:
    def test_elsewhere_there_is_none(self, agent: ArinovaAgent) -> None:
        found: list[Any] = []

        @agent.on_task
        def handle(task):
            thread = threading.Thread(target=lambda: found.append(current_task()))
            thread.start()
            thread.join()
            found.append(current_task())

        run_task(agent, "hi")
        assert found[0] is None
        assert found[1].content == "hi"
        assert contextvars.Context().run(current_task) is None

    def test_the_context_is_each_tasks_own(self, agent: ArinovaAgent) -> None:
        contexts = []

        @agent.on_task
        def handle(task):
            assert task.context == {}
            task.context["mine"] = task.content
            assert task.context is task.context
            contexts.append(task.context)

        run_task(agent, "a")
        run_task(agent, "b")
        assert contexts == [{"mine": "a"}, {"mine": "b"}]


def no_yield(task):
    return None


async def asynchronous(task):
    yield


def two_arguments(task, session):
    yield


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (no_yield, "needs a function with a yield, around which it runs: no_yield has none"),
        (asynchronous, "asynchronous has none, is async"),
        (contextlib.contextmanager(two_arguments), "is decorated with contextmanager already"),
        (two_arguments, "around_task needs a function that takes one argument, the task"),
        (None, "NoneType has none"),
        (5, "int has none"),
    ],
)
def test_wrong_functions(function: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        check_surrounding(function)
