"""Whose turn it is to be connected, between two agents as two processes would have them: with a lock file each."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arinova_agent_sync import settings
from arinova_agent_sync.protocol.life import Life
from arinova_agent_sync.runtime.standby import LockFileError, Standby
from arinova_agent_sync.runtime.state import LinkState, State

URL, TOKEN = "https://chat.example", "ari_secret"
AT_ONCE = 0.2  # seconds
PATIENCE = 5.0  # seconds


class Process:
    """One process's part."""

    def __init__(self) -> None:
        self.state = State(settings.check({"server_url": URL, "bot_token": TOKEN, "standby": True}))
        self.state.life = Life.RUNNING
        self.standby = Standby(self.state)
        self.turn: bool | None = None
        self._waiting = threading.Thread(target=self._wait)

    def open(self, url: str = URL, token: str = TOKEN) -> Process:
        self.standby.open(url, token)
        return self

    def wait(self) -> Process:
        """Wait on a thread of its own."""
        self._waiting.start()
        return self

    def _wait(self) -> None:
        self.turn = self.standby.wait_turn()

    def stands_by(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.state.link_state is not LinkState.STANDBY:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def ended(self, within: float = PATIENCE) -> bool | None:
        """Return what the wait returned."""
        self._waiting.join(within)
        assert not self._waiting.is_alive()
        return self.turn

    def stop(self) -> None:
        with self.state.lock:
            self.state.life = Life.DRAINING
        self.standby.wake()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARINOVA_STANDBY_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def process() -> Iterator[Callable[[], Process]]:
    made: list[Process] = []

    def make() -> Process:
        made.append(Process())
        return made[-1]

    yield make
    for each in made:
        each.stop()
        if each._waiting.ident is not None:
            each.ended()
        each.standby.release()


def test_a_free_turn_is_taken_at_once(process: Callable[[], Process]) -> None:
    alone = process().open()
    assert alone.standby.wait_turn()
    assert alone.state.link_state is LinkState.DOWN


def test_the_next_one_is_woken_when_the_turn_is_free(process: Callable[[], Process]) -> None:
    first, second = process().open(), process().open().wait()
    second.stands_by()
    second._waiting.join(AT_ONCE)
    assert second._waiting.is_alive()
    first.standby.release()
    assert second.ended(AT_ONCE)
    assert second.state.link_state is LinkState.DOWN


def test_of_several_that_wait_one_gets_the_turn(process: Callable[[], Process]) -> None:
    first, others = process().open(), [process().open().wait() for _ in range(3)]
    for each in others:
        each.stands_by()
    for left in (2, 1, 0):
        first.standby.release()
        deadline = time.monotonic() + PATIENCE
        while not (served := [each for each in others if each.turn]):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(0.02)  # for a second one, if there is a fault
        served = [each for each in others if each.turn]
        assert len(served) == 1
        others.remove(first := served[0])
        assert len(others) == left


def test_one_that_waits_ends_at_once(process: Callable[[], Process]) -> None:
    process().open()
    waiting = process().open().wait()
    waiting.stands_by()
    waiting.stop()
    assert waiting.ended(AT_ONCE) is False
    assert waiting.state.link_state is LinkState.DOWN


def test_one_that_was_told_to_stop_before_does_not_wait(process: Callable[[], Process]) -> None:
    process().open()
    stopped = process().open()
    stopped.stop()
    assert stopped.standby.wait_turn() is False


@pytest.mark.parametrize(
    "other", [("https://other.example", TOKEN), (URL, "ari_other")], ids=["server", "token"]
)
def test_each_server_and_token_has_a_turn_of_its_own(
    process: Callable[[], Process], other: tuple[str, str]
) -> None:
    process().open()
    assert process().open(*other).standby.wait_turn()


def test_the_names_of_the_files_tell_no_token(process: Callable[[], Process], folder: Path) -> None:
    process().open()
    names = sorted(path.name for path in folder.iterdir())
    assert re.fullmatch(r"arinova-agent-([0-9a-f]{32})\.lock arinova-agent-\1\.pipe", " ".join(names))
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("instead", [None, "file"], ids=["no pipe", "a file in its place"])
def test_without_pipes_the_turn_is_asked_for(
    process: Callable[[], Process], folder: Path, monkeypatch: pytest.MonkeyPatch, instead: str | None
) -> None:
    def mkfifo(path: Path, mode: int) -> None:
        if instead is not None:
            path.touch()
        raise PermissionError("no pipes here")

    monkeypatch.setattr(os, "mkfifo", mkfifo)
    first, second = process().open(), process().open().wait()
    second.stands_by()
    first.standby.release()
    assert second.ended(2.0)


def test_a_lock_file_that_was_removed_is_made_anew(process: Callable[[], Process], folder: Path) -> None:
    first, second = process().open(), process().open().wait()
    second.stands_by()
    (lock,) = folder.glob("*.lock")
    lock.unlink()
    third = process().open()  # locks another file: nobody can know of the first one's
    first.standby.release()
    second._waiting.join(AT_ONCE)
    assert second._waiting.is_alive()  # one has the turn still
    third.standby.release()
    assert second.ended()


@pytest.mark.parametrize(("make", "code"), [("touch", "Not a directory"), ("exists", "No such file")])
def test_a_file_that_cannot_be_made_is_named(
    process: Callable[[], Process], folder: Path, monkeypatch: pytest.MonkeyPatch, make: str, code: str
) -> None:
    getattr(folder / "inside", make)()
    monkeypatch.setenv("ARINOVA_STANDBY_DIR", str(folder / "inside"))
    with pytest.raises(LockFileError, match=code) as caught:
        process().open()
    assert str(caught.value.filename).startswith(str(folder / "inside" / "arinova-agent-"))
    assert "ARINOVA_STANDBY_DIR" in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_childs_copies_do_not_keep_the_turn(process: Callable[[], Process]) -> None:
    first = process().open()
    gate, opened = os.pipe()
    child = os.fork()
    if child == 0:
        first.standby.abandon()  # as the engine does
        os.close(opened)
        os.read(gate, 1)
        os._exit(0)
    try:
        second = process().open().wait()
        second.stands_by()
        first.standby.abandon()  # as with the process's end: nothing is unlocked, copies are closed
        assert second.ended(AT_ONCE)
    finally:
        os.close(opened)
        os.close(gate)
        os.waitpid(child, 0)
