"""Where warnings go: to the program's logging, else to standard error, never to both, and without tokens."""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import pty
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.log import StandardError, logger

PACKAGE = logging.getLogger("arinova_agent_sync")
BEGIN = """
import logging, sys, threading
from arinova_agent_sync import ArinovaAgent
from arinova_agent_sync.local import LocalServer

server = LocalServer(duplicate_window=0).start()
agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token)

@agent.on_task
def handle(task):
    if task.content == "log":
        logging.info("the program begins to log")
    return {}["missing"]

def ask(text="fail"):
    server.wait_for_agent(5)
    assert server.conversation().say(text).wait(5) == "error"
"""
WAYS = {
    "connect": "agent.connect(5); ask(); agent.disconnect(); server.stop()",
    "with": """
        with agent:
            ask()
        server.stop()
    """,
    "run": """
        def drive():
            ask()
            agent.disconnect()
        threading.Thread(target=drive).start()
        agent.run()
        server.stop()
    """,
}


def program(body: str) -> str:
    """Run a program without logging set up; return what it wrote to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(body)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@contextmanager
def unheard() -> Iterator[io.StringIO]:
    """Be a program that set up no logging; its standard error is handed over.

    No fixture: pytest listens at the root, and anew to each logger that does not propagate when a test begins.
    """
    error = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PACKAGE, "handlers", [])
        patch.setattr(PACKAGE, "propagate", False)
        patch.setattr(sys, "stderr", error)
        StandardError().install()
        yield error


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_traceback_of_a_handler_is_seen_without_logging(way: str) -> None:
    error = program(WAYS[way])
    assert error.count("KeyError: 'missing'") == 1
    assert 'return {}["missing"]' in error or "in handle" in error


@pytest.mark.slow
def test_a_program_that_begins_to_log_under_run_reads_each_line_once() -> None:
    error = program("""
        def drive():
            ask("log")
            ask("fail")
            agent.disconnect()
        threading.Thread(target=drive).start()
        agent.run()
        server.stop()
    """)
    assert error.count("KeyError: 'missing'") == 2


class TestWithoutLogging:
    def test_a_warning_is_seen(self) -> None:
        with unheard() as error:
            logger.warning("it %s", "rains")
            logger.info("the sun shines")
        assert error.getvalue() == "it rains\n"

    def test_so_is_one_of_a_logger_below(self) -> None:
        with unheard() as error:
            logging.getLogger("arinova_agent_sync.local").warning("it rains")
        assert error.getvalue() == "it rains\n"

    def test_each_record_is_decided_on_anew(self) -> None:
        handler = logging.handlers.BufferingHandler(10)
        with unheard() as error:
            PACKAGE.addHandler(handler)
            logger.warning("heard")
            PACKAGE.removeHandler(handler)
            logger.warning("unheard")
        assert error.getvalue() == "unheard\n"
        assert [record.getMessage() for record in handler.buffer] == ["heard"]

    def test_a_program_may_want_silence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logging, "lastResort", None)
        with unheard() as error:
            logger.warning("it rains")
        assert error.getvalue() == ""

    def test_importing_anew_leaves_one(self) -> None:
        with unheard() as error:
            StandardError().install()
            logger.warning("it rains")
        assert error.getvalue() == "it rains\n"


def test_a_hidden_token_is_in_no_record(caplog: pytest.LogCaptureFixture) -> None:
    logger.hide("ari_hidden_token")
    logger.warning("%s at %d: %s", "has ari_hidden_token", 7, ValueError("ari_hidden_token!"))
    assert caplog.messages == ["has [redacted] at 7: [redacted]!"]
    assert "ari_hidden_token" not in repr(caplog.records[0].args)


def test_an_exception_that_cannot_say_what_happened(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    logger.warning("it failed: %s", Mute())
    assert caplog.messages == ["it failed: Mute, whose text cannot be shown"]
    assert capsys.readouterr().err == ""


class TestTheTerminal:
    SCRIPT = """
        import sys, time
        from arinova_agent_sync import ArinovaAgent

        agent = ArinovaAgent(server_url=sys.argv[1], bot_token=sys.argv[2], shutdown_timeout=10)

        @agent.on_task
        def handle(task):
            print("started", flush=True)
            time.sleep(0.5)
            return "done"

        {setup}
        agent.run()
    """

    def begin(self, server: LocalServer, error: int, setup: str = "") -> subprocess.Popen[str]:
        script = textwrap.dedent(self.SCRIPT).replace("{setup}", setup)
        return subprocess.Popen(
            [sys.executable, "-c", script, server.url, server.bot_token],
            stdout=subprocess.PIPE,
            stderr=error,
            text=True,
        )

    def interrupt(self, server: LocalServer, process: subprocess.Popen[str]) -> None:
        """Send Ctrl-C while an answer is under way."""
        assert process.stdout is not None
        server.wait_for_agent(10)
        server.conversation().say("hi")
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)

    @pytest.mark.slow
    def test_without_logging_it_is_told_what_goes_on(self, server: LocalServer) -> None:
        process = self.begin(server, subprocess.PIPE)
        self.interrupt(server, process)
        _, error = process.communicate(timeout=10)
        assert error.splitlines() == [
            "connected as Agent",
            "finishing 1 answer; Ctrl-C again to leave",
        ]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "logging",
        ["level='WARNING'", "level='INFO'", "level='INFO', filename=os.devnull"],
        ids=["warnings only", "all that is told", "in a file"],
    )
    def test_on_a_terminal_it_is_told_once(self, server: LocalServer, logging: str) -> None:
        ours, theirs = pty.openpty()
        setup = f"import logging, os; logging.basicConfig({logging})"
        process = self.begin(server, theirs, setup)
        os.close(theirs)
        self.interrupt(server, process)
        process.communicate(timeout=10)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:
            pass  # the end of a terminal whose other side is closed
        os.close(ours)
        assert shown.count(b"connected as") == 1
        assert shown.count(b"finishing 1 answer; Ctrl-C again to leave") == 1

    @pytest.mark.slow
    def test_with_logging_and_no_terminal_it_is_silent(self, server: LocalServer) -> None:
        process = self.begin(server, subprocess.PIPE, "import logging; logging.basicConfig()")
        self.interrupt(server, process)
        assert process.communicate(timeout=10)[1] == ""
