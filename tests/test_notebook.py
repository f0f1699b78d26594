"""Agents in notebooks: examples/notebook.ipynb, and what people do to one, in a real kernel."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from arinova_agent_sync import ArinovaAgent, Task
from arinova_agent_sync.local import LocalServer

ROOT = Path(__file__).parents[1]
PATIENCE = 20.0  # seconds

# Prints a line once the main thread stands in a function, so that an interrupt meets it there.
TELL_WHEN = """
import contextvars, gc, sys, threading, time

def tell_when_in(name, file):
    def watch():
        while True:
            frame = sys._current_frames()[threading.main_thread().ident]
            while frame is not None:
                code = frame.f_code
                if code.co_name == name and code.co_filename.endswith(file):
                    print("there", flush=True)
                    return
                frame = frame.f_back
            time.sleep(0.005)

    # In the cell's context: by the threads' ids alone, older kernels lose their way.
    threading.Thread(target=contextvars.copy_context().run, args=(watch,)).start()

def nap():
    time.sleep(60)

def threads():
    names = [thread.name for thread in threading.enumerate()]
    return sorted(name for name in names if name.startswith("arinova-") and "server" not in name)
"""
ASK = """
reply = server.conversation().say({!r})
print(reply.wait(), reply.text)
"""
FAIL = """
@agent.on_task
def fail(task):
    return {}["missing"]
"""


class Played:
    """What a notebook showed: the cells by name, and every text by the name of the cell that it stands under."""

    def __init__(self) -> None:
        self.cells: dict[str, Any] = {}
        self.texts: dict[str, str] = {}  # late ones too, of handlers that print
        self.process = 0

    def stdout(self, name: str) -> str:
        return "".join(
            output["text"] for output in self.cells[name].outputs if output.output_type == "stream"
        )

    def result(self, name: str, kind: str = "text/plain") -> str:
        (shown,) = (output for output in self.cells[name].outputs if output.output_type == "execute_result")
        return str(shown.data[kind])

    def error(self, name: str) -> str | None:
        errors = [output.ename for output in self.cells[name].outputs if output.output_type == "error"]
        return errors[0] if errors else None


class Player:
    """Executes cells in a kernel."""

    def __init__(self, client: NotebookClient, played: Played) -> None:
        self.client = client
        self.played = played
        self._names: dict[str, str] = {}  # source: cell

    async def watch(self) -> None:
        """Take down what is printed, also by threads when their cell is long over."""
        watcher = self.client.km.client()
        watcher.start_channels(shell=False, stdin=False, hb=False, control=False)
        executions: dict[str, str] = {}
        try:
            while True:
                message = await watcher.get_iopub_msg()
                self.watching.set()
                parent = message["parent_header"].get("msg_id", "")
                if message["msg_type"] == "execute_input":
                    executions[parent] = self._names.get(message["content"]["code"], "")
                elif message["msg_type"] == "stream":
                    name = executions.get(parent, "")
                    texts = self.played.texts
                    texts[name] = texts.get(name, "") + message["content"]["text"]
        finally:
            watcher.stop_channels()

    async def run(self, name: str, source: str) -> None:
        notebook = self.client.nb
        cell = nbformat.v4.new_code_cell(source)
        notebook.cells.append(cell)
        self.played.cells[name] = cell
        self._names[source] = name
        await self.client.async_execute_cell(cell, len(notebook.cells) - 1)

    async def interrupt(self, name: str, source: str) -> None:
        """Run a cell that says "there" and goes on for ever, and interrupt it."""
        running = asyncio.create_task(self.run(name, source))
        await self.until(lambda: name in self.played.cells and "there" in self.played.stdout(name))
        await self.client.km.interrupt_kernel()
        await running

    async def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, self.played.texts
            await asyncio.sleep(0.01)

    async def play(self) -> None:
        self.watching = asyncio.Event()
        watch = asyncio.create_task(self.watch())
        while not self.watching.is_set():  # what was published before it was connected, it never sees
            await self.run("nothing", "pass")
        example = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
        code = [cell.source for cell in example.cells if cell.cell_type == "code"]
        names = ["server", "agent", "asks", "changes", "shows", "ends"]
        steps = dict(zip(names, code, strict=True))
        for name in names[:5]:
            await self.run(name, steps[name])

        await self.run("tools", TELL_WHEN)
        await self.interrupt("waits", "tell_when_in('wait', 'shutdown.py'); agent.wait()")
        await self.run("asks after wait", ASK.format("abc"))
        await self.interrupt("naps", "tell_when_in('nap', ''); nap()")
        await self.run("asks after nap", ASK.format("def"))

        await self.run("agent again", steps["agent"] + "\nprint(threads())")
        await self.run("asks again", ASK.format("ghi"))
        await self.until(lambda: "asked: ghi" in "".join(self.played.texts.values()))
        await self.run("drops", "del agent; gc.collect()" + ASK.format("jkl"))

        await self.run("fails", steps["agent"] + FAIL)
        await self.run("asks the one that fails", ASK.format("mno"))
        await self.until(lambda: "KeyError" in "".join(self.played.texts.values()))

        await self.run("agent once more", steps["agent"] + "\nagent.disconnect()")
        await self.interrupt("runs", "tell_when_in('get', 'foreground.py'); agent.run()")
        await self.run("ends", steps["ends"] + "\n")
        await self.run("left", "print(threads())")
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A notebook in which everything was done once; the kernel is gone by now."""
    home = str(tmp_path_factory.mktemp("ipython"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": home}
    for name in ("ARINOVA_SERVER_URL", "ARINOVA_BOT_TOKEN"):
        environment.pop(name, None)
    client = NotebookClient(
        nbformat.v4.new_notebook(), kernel_name="python3", allow_errors=True, timeout=PATIENCE
    )
    played = Played()

    async def play() -> None:
        async with client.async_setup_kernel(env=environment, cwd=home):
            played.process = client.km.provisioner.process.pid
            await Player(client, played).play()

    asyncio.run(asyncio.wait_for(play(), 3 * PATIENCE))
    return played


@pytest.mark.slow
def test_the_example_does_what_it_says(played: Played) -> None:
    for name in ("server", "agent", "asks", "changes", "shows", "ends"):
        assert played.error(name) is None, played.cells[name].outputs
    assert played.result("asks") == "('completed', 'olleh')"
    assert played.result("changes") == "('completed', 'HELLO')"


def test_an_agent_shows_its_counters(played: Played) -> None:
    html = played.result("shows", "text/html")
    assert html.startswith("<table><caption>Agent</caption>")
    assert "<tr><td>life</td><td>running</td></tr><tr><td>link</td><td>online</td></tr>" in html
    assert "<tr><td>tasks received</td><td>2</td></tr>" in html
    assert ", running, online)" in played.result("shows")
    assert "ari_" not in html + played.result("shows")
    assert "<td>life</td><td>stopped</td>" in played.result("ends", "text/html")


def test_prints_of_handlers_appear_under_the_cell_that_connected(played: Played) -> None:
    assert played.texts["agent"] == "asked: hello\n"
    assert "asked: ghi\n" in played.texts["agent again"]
    assert "asked" not in played.texts["asks again"]


@pytest.mark.parametrize(("cell", "then", "answer"), [("waits", "wait", "ABC"), ("naps", "nap", "DEF")])
def test_an_interrupt_ends_the_cell_and_not_the_agent(
    played: Played, cell: str, then: str, answer: str
) -> None:
    assert played.error(cell) == "KeyboardInterrupt"
    assert played.stdout(f"asks after {then}") == f"completed {answer}\n"


def test_running_the_cell_again_replaces_the_agent(played: Played) -> None:
    assert played.error("agent again") is None
    assert played.stdout("agent again").count("arinova-reader") == 1
    assert played.stdout("asks again") == "completed ihg\n"


def test_an_agent_that_is_not_referred_to_any_more_goes_on(played: Played) -> None:
    assert (played.error("drops"), played.stdout("drops")) == (None, "completed lkj\n")


def test_the_traceback_of_a_handler_appears(played: Played) -> None:
    assert played.stdout("asks the one that fails") == "error 'missing'\n"
    assert "".join(played.texts.values()).count("KeyError: 'missing'") == 1


def test_an_interrupt_of_run_ends_the_agent(played: Played) -> None:
    assert played.error("runs") is None
    assert played.stdout("left") == "[]\n"


def test_the_kernel_is_gone(played: Played) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(played.process, 0)


def test_handlers_and_callbacks_see_the_context_of_connect(
    server: LocalServer, make_agent: Callable[..., ArinovaAgent]
) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell", default="none")
    seen: list[str] = []
    called = threading.Event()
    agent = make_agent(server)

    @agent.on_task
    def handle(task: Task) -> str:
        found = cell.get()
        cell.set("changed by a handler")
        return found

    @agent.on_connected
    def connected() -> None:
        seen.append(cell.get())
        called.set()

    cell.set("first")
    agent.connect()
    cell.set("second")
    for _ in range(2):
        reply = server.conversation().say("which?")
        assert (reply.wait(), reply.text) == ("completed", "first")
    assert called.wait(PATIENCE)
    assert seen == ["first"]
