"""The SQLite database behind the HTTP routes. Thread-safe: its lock is held over a call or a transaction.

A file is held exclusively from the moment it is opened, since what the server knows of it is also in memory.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import msgspec

from ..records import new_id

Row = dict[str, Any]

VERSION = 3

# Times are RFC 3339 texts, lists are JSON texts; the order of rows is that of their making.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

-- What the chat holds in memory and leaves here for the next run, as JSON.
CREATE TABLE past (kind TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, id));

CREATE TABLE feedback (message_id TEXT NOT NULL, agent_id TEXT NOT NULL, helpful INTEGER NOT NULL,
    PRIMARY KEY (message_id, agent_id));

CREATE TABLE notebooks (id TEXT PRIMARY KEY, owner_id TEXT NOT NULL, name TEXT NOT NULL,
    is_default INTEGER NOT NULL, sort_order INTEGER NOT NULL, archived INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE notebook_grants (notebook_id TEXT NOT NULL REFERENCES notebooks ON DELETE CASCADE,
    agent_id TEXT NOT NULL, PRIMARY KEY (notebook_id, agent_id));
CREATE TABLE notes (id TEXT PRIMARY KEY, notebook_id TEXT NOT NULL REFERENCES notebooks ON DELETE CASCADE,
    title TEXT NOT NULL, content TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]',
    creator_id TEXT NOT NULL, creator_type TEXT NOT NULL DEFAULT 'agent', creator_name TEXT NOT NULL,
    agent_id TEXT NOT NULL, agent_name TEXT NOT NULL, archived_at TEXT, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL);
CREATE INDEX notes_by_time ON notes (notebook_id, created_at);
CREATE TABLE note_links (note_id TEXT NOT NULL REFERENCES notes ON DELETE CASCADE,
    target_id TEXT NOT NULL REFERENCES notes ON DELETE CASCADE, PRIMARY KEY (note_id, target_id));
CREATE TABLE note_thread (id TEXT PRIMARY KEY, note_id TEXT NOT NULL REFERENCES notes ON DELETE CASCADE,
    content TEXT NOT NULL, created_at TEXT NOT NULL);

CREATE TABLE boards (id TEXT PRIMARY KEY, name TEXT NOT NULL, archived INTEGER NOT NULL DEFAULT 0,
    auto_archive_days INTEGER NOT NULL DEFAULT 7, created_at TEXT NOT NULL);
CREATE TABLE board_grants (board_id TEXT NOT NULL REFERENCES boards ON DELETE CASCADE, agent_id TEXT NOT NULL,
    PRIMARY KEY (board_id, agent_id));
CREATE TABLE columns (id TEXT PRIMARY KEY, board_id TEXT NOT NULL REFERENCES boards ON DELETE CASCADE,
    name TEXT NOT NULL, sort_order INTEGER NOT NULL, wip_limit INTEGER, column_type TEXT,
    UNIQUE (board_id, name));
CREATE TABLE cards (id TEXT PRIMARY KEY, column_id TEXT NOT NULL REFERENCES columns ON DELETE CASCADE,
    title TEXT NOT NULL, description TEXT, priority TEXT NOT NULL DEFAULT 'medium',
    sort_order INTEGER NOT NULL, created_by TEXT NOT NULL, archived INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE INDEX cards_of_column ON cards (column_id);
CREATE TABLE commits (card_id TEXT NOT NULL REFERENCES cards ON DELETE CASCADE, commit_hash TEXT NOT NULL,
    message TEXT, url TEXT, created_at TEXT NOT NULL, PRIMARY KEY (card_id, commit_hash));
CREATE TABLE card_notes (card_id TEXT NOT NULL REFERENCES cards ON DELETE CASCADE,
    note_id TEXT NOT NULL REFERENCES notes ON DELETE CASCADE, PRIMARY KEY (card_id, note_id));
CREATE TABLE labels (id TEXT PRIMARY KEY, board_id TEXT NOT NULL REFERENCES boards ON DELETE CASCADE,
    name TEXT NOT NULL, color TEXT NOT NULL DEFAULT '#6366f1');
CREATE TABLE card_labels (card_id TEXT NOT NULL REFERENCES cards ON DELETE CASCADE,
    label_id TEXT NOT NULL REFERENCES labels ON DELETE CASCADE, PRIMARY KEY (card_id, label_id));
CREATE TABLE comments (id TEXT PRIMARY KEY, card_id TEXT NOT NULL REFERENCES cards ON DELETE CASCADE,
    content TEXT NOT NULL, agent_id TEXT NOT NULL, agent_name TEXT NOT NULL, created_at TEXT NOT NULL);

CREATE TABLE memories (id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, category TEXT NOT NULL,
    tier TEXT NOT NULL DEFAULT 'hot', summary TEXT NOT NULL, detail TEXT, pattern_key TEXT,
    hit_count INTEGER NOT NULL DEFAULT 1, deleted INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL, UNIQUE (agent_id, pattern_key));

-- What is installed on one agent; what all agents have is the chat's.
CREATE TABLE skills (id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, slug TEXT NOT NULL, name TEXT NOT NULL,
    description TEXT NOT NULL, category TEXT NOT NULL DEFAULT 'general', slash_command TEXT,
    prompt_content TEXT NOT NULL, prompt_template TEXT NOT NULL DEFAULT '',
    parameters TEXT NOT NULL DEFAULT '[]', is_enabled INTEGER NOT NULL DEFAULT 1,
    config TEXT NOT NULL DEFAULT '{}', installed_at TEXT NOT NULL, UNIQUE (agent_id, slug));

CREATE TABLE files (id TEXT PRIMARY KEY, conversation_id TEXT, agent_id TEXT, file_name TEXT NOT NULL,
    file_type TEXT NOT NULL, file_size INTEGER NOT NULL, url TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL);
CREATE TABLE contents (file_id TEXT PRIMARY KEY REFERENCES files ON DELETE CASCADE, data BLOB NOT NULL);

CREATE TABLE idempotency (agent_id TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL,
    status INTEGER NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (agent_id, key));
"""


class Store:
    """Hold the database.

    Args:
        path: its file, None for memory.

    Raises OSError if the file cannot be opened, ValueError if it is no database of this server.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else os.path.abspath(path)
        self._run = new_id()  # by which a database is recognised that another server has used since
        self._claimed = False
        self._lock = threading.RLock()  # taken before the hub's lock
        self._connection: sqlite3.Connection | None = None
        self.open()

    # Life

    def open(self) -> None:
        """Open the database, unless it is open."""
        with self._lock:
            if self._connection is None:
                self._connection = self._opened()

    def _opened(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            # A path that cannot be opened is noticed here, with the errno that sqlite3 keeps for itself.
            if self.path is not None:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # it will hold tokens
            target = self.path or ":memory:"
            connection = sqlite3.connect(target, timeout=0.0, isolation_level=None, check_same_thread=False)
            self._prepare(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.OperationalError):
                used = " by another server; stop that one or choose another file"
                told = f"is in use{used}" if "locked" in str(error) else f"cannot be used: {error}"
                raise OSError(f"{self.path} {told}") from error
            if isinstance(error, sqlite3.DatabaseError):
                told = f"is no data of an embedded server ({error}); choose another file"
                raise ValueError(f"{self.path} {told}") from error
            raise
        return connection

    def rest(self) -> None:
        """Close a file; memory stays, since it would be lost."""
        if self.path is not None:
            self.close()

    def close(self) -> None:
        """Close the database. Idempotent."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def __del__(self) -> None:
        # Memory stays over the stops of its server, so nobody but the end of it all can close it.
        if getattr(self, "_connection", None) is not None:
            self.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # SQLite's own lower() knows no letters but those of ASCII.
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise ValueError(f"{self.path} is a database of another program; choose another file")
        if version not in (0, VERSION):
            raise ValueError(
                f"{self.path} was made by another version of the embedded server; choose another file"
            )
        # A write-ahead log needs no fsync per change, and survives the end of this process all the same.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        last = connection.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()
        if self._claimed and last != (self._run,):
            raise ValueError(f"{self.path} was changed or replaced meanwhile; make a new LocalServer")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('run', ?)", (self._run,))
        self._claimed = True

    # Use

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection."""
        if self._connection is None:
            raise RuntimeError("the server's database is closed; start() opens it")
        return self._connection

    def rows(self, sql: str, *values: object, most: int = -1) -> list[Row]:
        """Return what a query finds, or so many rows of it at most, each by its columns' names."""
        with self._lock:
            cursor = self.connection.execute(sql, values)
            found = cursor.fetchall() if most < 0 else cursor.fetchmany(most)
            names = [column[0] for column in cursor.description]
            cursor.close()
        return [dict(zip(names, row, strict=True)) for row in found]

    def row(self, sql: str, *values: object) -> Row | None:
        """Return the first row that a query finds."""
        return next(iter(self.rows(sql, *values, most=1)), None)

    def value(self, sql: str, *values: object) -> Any:
        """Return the first column of the first row, None if there is no row."""
        return next(iter((self.row(sql, *values) or {}).values()), None)

    def run(self, sql: str, *values: object) -> int:
        """Change something; return how many rows it was."""
        with self._lock:
            return self.connection.execute(sql, values).rowcount

    def run_all(self, sql: str, values: Iterable[tuple[object, ...]]) -> None:
        """Change something for each tuple of values."""
        with self.transaction():
            self.connection.executemany(sql, values)

    def insert(self, table: str, **values: object) -> None:
        """Add a row."""
        marks = ", ".join("?" * len(values))
        self.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *values.values())

    def update(self, table: str, row_id: str, **values: object) -> None:
        """Change columns of the row with an id."""
        names = ", ".join(f"{name} = ?" for name in values)
        self.run(f"UPDATE {table} SET {names} WHERE id = ?", *values.values(), row_id)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes inside all or none; a transaction in another one of the thread belongs to it."""
        with self._lock:
            connection = self.connection
            if connection.in_transaction:
                yield
                return
            connection.execute("BEGIN")
            with connection:
                yield


def encoded(value: object) -> bytes:
    """Return JSON, with a question mark for half of a surrogate pair, which a text from Python may hold."""
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, enc_hook=str)
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")


def now() -> str:
    """Return the time as it is kept and sent: RFC 3339, UTC, always of one length, so that it sorts."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
