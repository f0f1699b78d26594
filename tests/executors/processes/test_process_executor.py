"""Handlers in processes: stopped, killed, replaced, and what they leave."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from arinova_agent_sync import ProcessExecutor, RemoteHandlerError, WorkerLost

from . import handlers


def wait_until(condition, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.002)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def connected(server, make_agent):
    """Connect an agent whose commands are handlers of this folder's module."""

    def connect(*names, executor=None, around=None, **options):
        agent = make_agent(server, executor=executor or ProcessExecutor(1), **options)
        if around is not None:
            agent.around_task(around)
        for name in names:
            agent.on_command(name, getattr(handlers, name))
        agent.connect(15)
        return agent

    return connect


def numbers(agent):
    return agent.stats().executors[0]


class TestCancel:
    @pytest.mark.parametrize(
        "name",
        ["sleeps", "sleeps_in_a_plain_function", "receives", "loops", "streams_what_blocks", "never_called"],
    )
    def test_a_blocked_handler_is_interrupted(self, server, connected, tmp_path, name):
        agent = connected(name, around=handlers.sleeps_before_it)
        mark = tmp_path / "mark"
        reply = server.conversation().say(f"/{name} {mark}")
        pid = int(reply.wait_for_text(" "))
        began = time.monotonic()
        assert reply.cancel()
        wait_until(mark.exists)
        assert float(wait_until(mark.read_text)) - began < 1.0
        wait_until(lambda: numbers(agent).running == 0)
        assert is_alive(pid)
        assert numbers(agent).killed == 0

    def test_cleaning_up_is_not_interrupted(self, server, connected, tmp_path):
        connected("cleans_up_slowly")
        mark = tmp_path / "mark"
        reply = server.conversation().say(f"/cleans_up_slowly {mark}")
        reply.wait_for_text(" ")
        reply.cancel()
        wait_until(mark.exists)

    def test_one_that_does_not_end_is_killed_and_no_other(self, server, connected, tmp_path):
        agent = connected("computes_in_c", "waits_for_file", executor=ProcessExecutor(2, kill_after=0.2))
        go = tmp_path / "go"
        neighbour = server.conversation().say(f"/waits_for_file {go}")
        neighbour.wait_for_text(" ")
        stuck = server.conversation().say("/computes_in_c")
        pid = int(stuck.wait_for_text(" "))
        began = time.monotonic()
        assert stuck.cancel()
        wait_until(lambda: not is_alive(pid))
        assert 0.2 <= time.monotonic() - began < 1.0
        go.touch()
        assert neighbour.wait(5) == "completed"
        wait_until(lambda: numbers(agent).restarted == 1)
        assert (numbers(agent).killed, numbers(agent).lost) == (1, 0)

    def test_the_next_job_of_the_process_is_not_killed(self, server, connected, tmp_path):
        agent = connected("sleeps", "waits_for_file", executor=ProcessExecutor(1, kill_after=0.15))
        mark, go = tmp_path / "mark", tmp_path / "go"
        first = server.conversation().say(f"/sleeps {mark}")
        first.wait_for_text(" ")
        second = server.conversation().say(f"/waits_for_file {go}")
        first.cancel()
        second.wait_for_text(" ")
        threading.Timer(0.3, go.touch).start()
        assert second.wait(5) == "completed"
        assert numbers(agent).killed == 0

    def test_a_job_that_waits_for_a_process(self, server, connected, tmp_path):
        agent = connected("waits_for_file", max_workers=4)
        go = tmp_path / "go"
        first = server.conversation().say(f"/waits_for_file {go}")
        first.wait_for_text(" ")
        second = server.conversation().say(f"/waits_for_file {go}")
        wait_until(lambda: numbers(agent).waiting == 1)
        assert second.cancel()
        wait_until(lambda: numbers(agent).waiting == 0)
        go.touch()
        assert first.wait(5) == "completed"


class TestDeath:
    def test_a_killed_process_is_an_answer(self, server, connected):
        errors = []
        agent = connected("dies", "who", error_text=handlers.sorry)
        agent.on_error(errors.append)
        silent = server.conversation().say("/dies")
        assert silent.wait(5) == "error"
        assert silent.text == "sorry: The process that was answering ended unexpectedly (signal 9)."
        streamed = server.conversation().say("/dies with words")
        assert streamed.wait(5) == "completed"
        assert streamed.text == f"with words\n\n{silent.text}"
        assert server.conversation().say("/who").wait(5) == "completed"
        assert [type(error) for error in errors] == [WorkerLost, WorkerLost]
        assert (numbers(agent).lost, numbers(agent).restarted) == (2, 2)

    def test_it_is_run_again_where_nothing_was_said(self, server, connected, tmp_path):
        agent = connected("dies_once", "dies", executor=ProcessExecutor(1, retries=1))
        reply = server.conversation().say(f"/dies_once {tmp_path / 'mark'}")
        assert (reply.wait(5), reply.text) == ("completed", "the second time")
        reply = server.conversation().say("/dies with words")
        assert reply.wait(5) == "completed"
        assert numbers(agent).lost == 2

    def test_processes_are_replaced_after_so_many_tasks(self, server, connected):
        connected("who", executor=ProcessExecutor(1, max_tasks_per_process=2))
        pids = []
        for _ in range(5):
            reply = server.conversation().say("/who")
            assert reply.wait(5) == "completed"
            pids.append(reply.text)
        assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]

    def test_a_program_that_a_handler_starts_can_be_ended(self, server, connected):
        connected("runs_a_program")
        reply = server.conversation().say("/runs_a_program")
        assert (reply.wait(10), reply.text) == ("completed", str(-signal.SIGTERM))


class TestEnd:
    def test_nothing_is_left_of_a_handler_that_goes_on(self, server, connected):
        agent = connected("computes_in_c")
        reply = server.conversation().say("/computes_in_c")
        pid = int(reply.wait_for_text(" "))
        began = time.monotonic()
        agent.disconnect(timeout=0.5)
        assert time.monotonic() - began < 2.0
        assert not is_alive(pid)

    def test_it_serves_again_after_a_stop(self, server, connected):
        agent = connected("who")
        agent.disconnect()
        agent.connect(15)
        assert server.conversation().say("/who").wait(5) == "completed"

    def test_one_executor_serves_two_agents(self, server, make_agent):
        executor = ProcessExecutor(1)
        bob = server.add_agent("Bob")
        agents = [
            make_agent(server, executor=executor),
            make_agent(server, executor=executor, bot_token=bob.token),
        ]
        for agent in agents:
            agent.on_task(handlers.who)
            agent.connect(15)
        conversations = server.conversation(), server.conversation(bob)
        replies = [conversation.say("hi") for conversation in conversations]
        assert [reply.wait(5) for reply in replies] == ["completed"] * 2
        assert replies[0].text == replies[1].text
        agents[0].disconnect()
        assert conversations[1].say("hi").wait(5) == "completed"

    def test_a_forked_child_lets_go_of_the_processes(self, server, connected):
        agent = connected("who")
        pid = os.fork()
        if pid == 0:
            os._exit(0 if agent.stats().life == "new" else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert server.conversation().say("/who").wait(5) == "completed"


class TestOutput:
    def test_prints_and_logs_appear_here(self, server, connected, capsys, caplog):
        connected("prints_and_logs")
        assert server.conversation().say("/prints_and_logs").wait(5) == "completed"
        wait_until(lambda: any(record.name == "shop" for record in caplog.records))
        (record,) = [record for record in caplog.records if record.name == "shop"]
        assert (record.getMessage(), record.levelname) == ("logged so", "ERROR")
        assert record.funcName == "prints_and_logs"
        assert "KeyError: 'inside'" in record.exc_text
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("printed ünï\n", "to standard error\n")

    def test_what_a_handler_raised_is_told_with_its_traceback(self, server, connected, caplog):
        errors = []
        agent = connected("raises")
        agent.on_error(errors.append)
        assert server.conversation().say("/raises").wait(5) == "error"
        (error,) = wait_until(lambda: errors)
        assert isinstance(error, RemoteHandlerError)
        assert (error.kind, str(error)) == ("ValueError", "bad")
        assert error.traceback.endswith('    raise ValueError("bad")\nValueError: bad\n')
        assert error.traceback in caplog.text

    def test_a_choked_connection_holds_up_the_handler_and_not_the_others(self, server, connected, make_agent):
        agent = connected("floods", "who", executor=ProcessExecutor(2))
        reply = server.conversation().say("/floods")
        assert reply.wait(30) == "completed"
        assert len(reply.text) == 2_000_000
        assert agent.connected


class TestPlaces:
    def test_a_command_may_run_elsewhere_than_the_rest(self, server, make_agent):
        agent = make_agent(server)
        agent.on_command("who", executor=ProcessExecutor(1))(handlers.who)
        agent.on_task(handlers.who)
        agent.connect(15)
        elsewhere, here = server.conversation().say("/who"), server.conversation().say("who?")
        assert (elsewhere.wait(5), here.wait(5)) == ("completed", "completed")
        assert here.text == str(os.getpid()) != elsewhere.text

    def test_a_task_that_waited_for_one_on_a_thread_runs_elsewhere_all_the_same(self, server, make_agent):
        agent, began, go_on = make_agent(server, max_workers=1), threading.Event(), threading.Event()

        @agent.on_task
        def blocks(task):
            began.set()
            assert go_on.wait(5)
            return "done"

        agent.on_command("who", executor=ProcessExecutor(1))(handlers.who)
        agent.connect(15)
        here = server.conversation().say("wait")
        assert began.wait(5)
        elsewhere = server.conversation().say("/who")
        server.wait_for_frame("task_queued", 5, taskId=elsewhere.message_id)
        go_on.set()
        assert (here.wait(5), elsewhere.wait(5)) == ("completed", "completed")
        assert elsewhere.text != str(os.getpid())

    def test_max_workers_is_the_capacity(self, server, make_agent):
        agent = make_agent(server, executor=ProcessExecutor(3))
        assert agent._settings.max_workers == 3
        assert make_agent(server, executor=ProcessExecutor(3), max_workers=7)._settings.max_workers == 7

    def test_a_handler_that_was_set_too_late(self, server, connected):
        agent = connected("who")
        agent.on_command("raises", handlers.raises)
        reply = server.conversation().say("/raises")
        assert reply.wait(5) == "error"
        assert "was set after connect()" in reply.text

    def test_hundreds_of_waiting_tasks_whose_handler_was_set_too_late(self, server, make_agent):
        agent = make_agent(server, max_workers=1, max_queued_tasks=300)
        began, go_on = threading.Event(), threading.Event()

        @agent.on_task
        def blocks(task):
            began.set()
            assert go_on.wait(5)
            return "done"

        agent.connect(5)
        agent.on_command("who", executor=ProcessExecutor(1))(handlers.who)
        server.conversation().say("wait")
        assert began.wait(5)
        replies = [server.conversation().say("/who") for _ in range(300)]
        server.wait_for_frame("task_queued", 5, taskId=replies[-1].message_id)
        go_on.set()
        assert {reply.wait(10) for reply in replies} == {"error"}
        assert "was set after connect()" in replies[-1].text

    def test_what_runs_around_handlers_was_set_too_late(self, server, connected):
        agent = connected("who")

        @agent.around_task
        def allow(task):
            task.send_complete("no")
            yield

        reply = server.conversation().say("/who")
        assert reply.wait(5) == "error"  # and no answer past it
        assert "was set after connect()" in reply.text

    def test_wrong_arguments(self, server, make_agent):
        for arguments in (
            {"processes": 0},
            {"kill_after": -1},
            {"retries": -1},
            {"max_tasks_per_process": 0},
        ):
            with pytest.raises(ValueError, match=next(iter(arguments))):
                ProcessExecutor(**arguments)
        with pytest.raises(TypeError, match="executor needs an executor, such as"):
            make_agent(server, executor=ProcessExecutor)
        with pytest.raises(TypeError, match="on_task needs an executor"):
            make_agent(server).on_task(handlers.who, executor=4)
