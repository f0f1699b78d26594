"""The database: what is kept, what is refused, and that threads do not mix their transactions."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arinova_agent_sync.local.rest.store import VERSION, Store, now


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.close()


def add(store: Store, name: str) -> None:
    store.insert("boards", id=name, name=name, created_at=now())


def names(store: Store) -> list[str]:
    return [row["name"] for row in store.rows("SELECT name FROM boards ORDER BY rowid")]


class TestUse:
    def test_what_was_added_is_found(self, store: Store) -> None:
        add(store, "one")
        assert store.row("SELECT id, archived FROM boards") == {"id": "one", "archived": 0}
        assert store.value("SELECT count(*) FROM boards") == 1
        assert store.row("SELECT * FROM boards WHERE id = ?", "two") is None
        assert store.value("SELECT name FROM boards WHERE id = ?", "two") is None

    def test_what_was_changed_is_counted(self, store: Store) -> None:
        store.run_all("INSERT INTO boards (id, name, created_at) VALUES (?, ?, '')", [("a", "a"), ("b", "b")])
        store.update("boards", "a", name="A", archived=1)
        assert names(store) == ["A", "b"]
        assert store.run("DELETE FROM boards") == 2

    def test_what_belongs_to_a_thing_goes_with_it(self, store: Store) -> None:
        add(store, "one")
        store.insert("board_grants", board_id="one", agent_id="a")
        store.run("DELETE FROM boards")
        assert store.value("SELECT count(*) FROM board_grants") == 0

    def test_a_transaction_is_all_or_nothing(self, store: Store) -> None:
        def fail() -> None:
            with store.transaction():
                add(store, "one")
                with store.transaction():
                    add(store, "two")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert names(store) == []
        with store.transaction():
            add(store, "one")
        assert names(store) == ["one"]

    def test_the_transactions_of_two_threads_do_not_mix(self, store: Store) -> None:
        inside, failed = threading.Event(), []

        def undo() -> None:
            try:
                with store.transaction():
                    add(store, "undone")
                    inside.set()
                    threading.Event().wait(0.1)  # time in which the other thread could get in
                    raise ZeroDivisionError
            except ZeroDivisionError:
                failed.append(True)

        thread = threading.Thread(target=undo)
        thread.start()
        assert inside.wait(5)
        add(store, "kept")
        thread.join(5)
        assert failed
        assert names(store) == ["kept"]

    def test_times_sort_as_texts(self) -> None:
        first, second = now(), now()
        assert first <= second
        assert len(first) == len("2026-11-28T02:00:00.000000+00:00")


class TestFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "data.sqlite"

    def test_a_file_keeps_what_memory_forgets(self, path: Path) -> None:
        for _ in range(2):
            store = Store(path)
            add(store, f"board {len(names(store))}")
            store.rest()
        store = Store(path)
        assert names(store) == ["board 0", "board 1"]
        store.close()

    def test_memory_stays_over_a_rest(self, store: Store) -> None:
        add(store, "one")
        store.rest()
        store.open()
        assert names(store) == ["one"]

    def test_a_closed_one_says_so(self, path: Path) -> None:
        store = Store(path)
        store.close()
        store.close()
        with pytest.raises(RuntimeError, match="start"):
            names(store)

    def test_it_holds_tokens_so_others_cannot_read_it(self, path: Path) -> None:
        Store(path).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_one_that_is_in_use_is_refused(self, path: Path) -> None:
        store = Store(path)
        with pytest.raises(OSError, match=r"data\.sqlite is in use by another server"):
            Store(path)
        store.close()
        Store(path).close()

    def test_one_that_another_server_used_meanwhile_is_refused(self, path: Path) -> None:
        store = Store(path)
        store.rest()
        Store(path).close()
        with pytest.raises(ValueError, match="changed or replaced meanwhile"):
            store.open()

    def test_what_is_no_database_is_refused_and_left_alone(self, path: Path) -> None:
        path.write_text("my diary, page one\n" * 100)
        with pytest.raises(ValueError, match="no data of an embedded server"):
            Store(path)
        assert path.read_text().startswith("my diary")

    def test_a_database_of_another_program_is_refused(self, path: Path) -> None:
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE notes (x)")
        other.commit()
        other.close()
        with pytest.raises(ValueError, match="database of another program"):
            Store(path)

    def test_one_of_another_version_is_refused(self, path: Path) -> None:
        Store(path).close()
        other = sqlite3.connect(path)
        other.execute(f"PRAGMA user_version = {VERSION + 1}")
        other.close()
        with pytest.raises(ValueError, match="another version"):
            Store(path)

    def test_a_path_that_leads_nowhere_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            Store(tmp_path / "missing" / "data.sqlite")
        with pytest.raises(IsADirectoryError):
            Store(tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_file_that_must_not_be_written_is_refused(self, path: Path) -> None:
        path.touch(0o400)
        with pytest.raises(PermissionError):
            Store(path)
