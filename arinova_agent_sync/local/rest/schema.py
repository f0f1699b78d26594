"""The tables. Times are RFC 3339 texts, lists are JSON texts; the order of rows is that of their making."""

from __future__ import annotations

VERSION = 3

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
