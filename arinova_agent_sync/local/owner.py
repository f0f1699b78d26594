"""What the agents' owner has and allows: notebooks, boards, skills, memories, files. Thread-safe."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .hub import Hub
from .records import AgentAccount, new_id
from .rest import past
from .rest.kanban import COLUMNS_OF_ALWAYS, add_board
from .rest.notes import add_notebook, default_notebook
from .rest.store import now


@dataclass(frozen=True)
class LocalNote:
    """Show one note.

    Attributes:
        id: its UUID.
        notebook_id: where it stands.
        title: its title.
        content: its text.
        tags: its tags.
        agent_id: the agent that wrote it.
        archived: whether it was put away.
    """

    id: str
    notebook_id: str
    title: str
    content: str
    tags: tuple[str, ...]
    agent_id: str
    archived: bool


@dataclass(frozen=True)
class LocalCard:
    """Show one card of a board.

    Attributes:
        id: its UUID.
        board_id: its board.
        column: the name of its column.
        title: its title.
        description: its text, None if it has none.
        priority: such as "medium".
        archived: whether it was put away.
    """

    id: str
    board_id: str
    column: str
    title: str
    description: str | None
    priority: str
    archived: bool


@dataclass(frozen=True)
class LocalMemory:
    """Show one thing that an agent remembers.

    Attributes:
        id: its UUID.
        agent_id: the agent.
        category: such as "preference".
        tier: "hot", "warm" or "cold".
        summary: in one line.
        detail: more of it, None if there is no more.
    """

    id: str
    agent_id: str
    category: str
    tier: str
    summary: str
    detail: str | None


@dataclass(frozen=True)
class LocalFile:
    """Show one file that was uploaded.

    Attributes:
        id: its UUID.
        conversation_id: what it was uploaded for.
        agent_id: who uploaded it.
        name: its name.
        mime_type: its type, as it was told.
        url: its path on the server.
        content: what is in it.
    """

    id: str
    conversation_id: str
    agent_id: str
    name: str
    mime_type: str
    url: str
    content: bytes = field(repr=False)


class Owner:
    """Play the agents' owner outside of conversations; ``LocalServer.owner``.

    The server must not have been stopped if it keeps its data in a file.

    Example::

        plans = server.owner.create_notebook("Plans")
        ...  # the agent writes a note
        assert [note.title for note in server.owner.notes(plans)] == ["Shopping"]
    """

    def __init__(self, hub: Hub, agent: AgentAccount) -> None:
        self._store = hub.store
        self._hub = hub
        self._agent = agent

    # Notebooks

    def create_notebook(self, name: str, agents: Sequence[AgentAccount] | None = None) -> str:
        """Make a notebook and return its id.

        Args:
            name: what it is called.
            agents: who may use it; the first agent by default, none with ``()``.
        """
        with self._store.transaction():
            notebook_id = add_notebook(self._store, self._id, name)
            for agent in [self._agent] if agents is None else agents:
                self._grant("notebook", notebook_id, agent)
        return notebook_id

    @property
    def default_notebook(self) -> str:
        """The id of the notebook that gets the notes of deleted ones; no agent is granted it at first."""
        return default_notebook(self._store, self._id)

    def grant_notebook(self, notebook_id: str, agent: AgentAccount | None = None) -> None:
        """Let an agent, the first by default, use a notebook; raise ValueError if there is none of that id."""
        self._grant("notebook", notebook_id, agent)

    def revoke_notebook(self, notebook_id: str, agent: AgentAccount | None = None) -> None:
        """Let an agent, the first by default, use a notebook no longer."""
        self._revoke("notebook", notebook_id, agent)

    def notes(self, notebook_id: str | None = None) -> list[LocalNote]:
        """Return the notes of a notebook, of all by default, oldest first."""
        rows = self._store.rows(
            "SELECT id, notebook_id, title, content, tags, agent_id, archived_at IS NOT NULL AS archived FROM notes"
            " WHERE ? IN (notebook_id, '') ORDER BY rowid",
            notebook_id or "",
        )
        return [
            LocalNote(**{**row, "tags": tuple(json.loads(row["tags"])), "archived": bool(row["archived"])})
            for row in rows
        ]

    # Boards

    def create_board(
        self,
        name: str,
        columns: Sequence[str] = COLUMNS_OF_ALWAYS,
        agents: Sequence[AgentAccount] | None = None,
    ) -> str:
        """Make a board and return its id.

        Args:
            name: what it is called.
            columns: their names, from left to right.
            agents: who may use it; the first agent by default, none with ``()``.

        Raises ValueError if two columns have one name.
        """
        if len(set(columns)) < len(columns):
            raise ValueError(f"the columns of a board have different names, not {', '.join(columns)}")
        with self._store.transaction():
            board_id = add_board(self._store, name, columns)
            for agent in [self._agent] if agents is None else agents:
                self._grant("board", board_id, agent)
        return board_id

    def grant_board(self, board_id: str, agent: AgentAccount | None = None) -> None:
        """Let an agent, the first by default, use a board; raise ValueError if there is none of that id."""
        self._grant("board", board_id, agent)

    def revoke_board(self, board_id: str, agent: AgentAccount | None = None) -> None:
        """Let an agent, the first by default, use a board no longer."""
        self._revoke("board", board_id, agent)

    def cards(self, board_id: str | None = None) -> list[LocalCard]:
        """Return the cards of a board, of all by default, by column and place, also those put away."""
        rows = self._store.rows(
            "SELECT cards.id, board_id, name AS column, title, description, priority, archived"
            " FROM cards JOIN columns ON columns.id = column_id WHERE ? IN (board_id, '')"
            " ORDER BY columns.rowid, cards.sort_order, cards.rowid",
            board_id or "",
        )
        return [LocalCard(**{**row, "archived": bool(row["archived"])}) for row in rows]

    # Skills

    def install_skill(
        self,
        slug: str,
        prompt: str,
        *,
        name: str | None = None,
        description: str = "",
        slash_command: str | None = None,
        template: str | None = None,
        parameters: Sequence[Mapping[str, Any]] = (),
        agent: AgentAccount | None = None,
    ) -> None:
        """Install a skill on an agent, in the place of one with the same slug.

        Args:
            slug: its short name, by which the agent asks for the prompt.
            prompt: what the agent is to do.
            name: what users read; the slug by default.
            description: what it is good for.
            slash_command: what users type, such as "/translate".
            template: the prompt with places for the parameters.
            parameters: what these are.
            agent: on whom; the first agent by default.
        """
        with self._store.transaction():
            self.uninstall_skill(slug, agent)
            self._store.insert(
                "skills",
                id=new_id(),
                agent_id=(agent or self._agent).agent_id,
                slug=slug,
                name=name or slug,
                description=description,
                slash_command=slash_command,
                prompt_content=prompt,
                prompt_template=template or "",
                parameters=json.dumps(list(parameters)),
                installed_at=now(),
            )
            self._tell_chat(agent)

    def uninstall_skill(self, slug: str, agent: AgentAccount | None = None) -> None:
        """Take a skill from an agent, the first by default, if it is there."""
        agent_id = (agent or self._agent).agent_id
        with self._store.transaction():
            self._store.run("DELETE FROM skills WHERE agent_id = ? AND slug = ?", agent_id, slug)
            self._tell_chat(agent)

    # Memories and files

    def memories(self, agent: AgentAccount | None = None) -> list[LocalMemory]:
        """Return what an agent, the first by default, remembers, oldest first."""
        rows = self._store.rows(
            "SELECT id, agent_id, category, tier, summary, detail FROM memories"
            " WHERE agent_id = ? AND NOT deleted ORDER BY rowid",
            (agent or self._agent).agent_id,
        )
        return [LocalMemory(**row) for row in rows]

    def files(self) -> list[LocalFile]:
        """Return what agents uploaded, oldest first."""
        rows = self._store.rows(
            "SELECT id, conversation_id, agent_id, file_name AS name, file_type AS mime_type, url,"
            " data AS content FROM files JOIN contents ON file_id = id WHERE agent_id IS NOT NULL"
            " ORDER BY files.rowid"
        )
        return [LocalFile(**row) for row in rows]

    @property
    def _id(self) -> str:
        with self._hub.lock:
            return self._hub.chat.owner.user_id

    def _grant(self, kind: str, thing_id: str, agent: AgentAccount | None) -> None:
        try:
            self._store.run(
                f"INSERT OR IGNORE INTO {kind}_grants VALUES (?, ?)",
                thing_id,
                (agent or self._agent).agent_id,
            )
        except sqlite3.IntegrityError as error:
            raise ValueError(f"there is no {kind} {thing_id!r}") from error

    def _revoke(self, kind: str, thing_id: str, agent: AgentAccount | None) -> None:
        self._store.run(
            f"DELETE FROM {kind}_grants WHERE {kind}_id = ? AND agent_id = ?",
            thing_id,
            (agent or self._agent).agent_id,
        )

    def _tell_chat(self, agent: AgentAccount | None) -> None:
        agent_id = (agent or self._agent).agent_id
        skills = past.skills_of(self._store, agent_id)
        with self._hub.turn() as chat:
            chat.installed[agent_id] = skills
