"""Every method: the request it makes, and what it makes of the answers of both server generations."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient

from .fake_server import Answer, Asked, FakeServer

Call = Callable[[ArinovaClient], Any]

# What is called; the request line below /api/v1; the body; an answer; what one sees of it.
ROUTES: list[tuple[Call, str, Any, Any, Callable[[Any], Any], Any]] = [
    (
        lambda c: c.messages.send("c1", "hi", reply_to="m0"),
        "POST /messages/send",
        {"conversationId": "c1", "content": "hi", "replyTo": "m0"},
        {"messageId": "m1", "seq": 4},
        lambda sent: (sent.message_id, sent.seq),
        ("m1", 4),
    ),
    (
        lambda c: c.messages.reply("c1", "m0", "hi"),
        "POST /messages/send",
        {"conversationId": "c1", "content": "hi", "replyTo": "m0"},
        None,
        lambda sent: (sent.message_id, sent.seq),
        (None, None),
    ),
    (
        lambda c: c.messages.around("c1", "m5", limit=10),
        "GET /messages/c1?around=m5&limit=10",
        None,
        {"messages": [{"id": "m5"}], "hasMore": True},
        lambda page: ([message.id for message in page.items], page.has_more),
        (["m5"], True),
    ),
    (
        lambda c: c.messages.search("needle", conversation_id="c1").page.items,
        "GET /messages/search?q=needle&conversationId=c1",
        None,
        {"results": [{"messageId": "m1", "content": "a needle"}]},
        lambda found: (found[0].message_id, found[0].content),
        ("m1", "a needle"),
    ),
    (
        lambda c: c.messages.feedback("m1"),
        "GET /messages/m1/feedback",
        None,
        {"helpful": True},
        dict,
        {"helpful": True},
    ),
    (
        lambda c: c.messages.rate("m1", False),
        "POST /messages/m1/feedback",
        {"helpful": False},
        None,
        dict,
        {},
    ),
    (lambda c: c.files.get("f1"), "GET /files/f1", None, {"id": "f1"}, dict, {"id": "f1"}),
    (
        lambda c: c.files.rename("f1", "b"),
        "PATCH /files/f1",
        {"fileName": "b"},
        {"id": "f1"},
        dict,
        {"id": "f1"},
    ),
    (lambda c: c.files.delete("f1"), "DELETE /files/f1", None, None, repr, "None"),
    (lambda c: c.files.usage(), "GET /files/usage", None, {"used": 5}, dict, {"used": 5}),
    (
        lambda c: c.files.list(folder_id="d", sort="name", limit=5).page.items,
        "GET /files?folder_id=d&sort=name&limit=5",
        None,
        {"files": [{"id": "f1"}]},
        list,
        [{"id": "f1"}],
    ),
    (
        lambda c: c.notes.get("n1"),
        "GET /notes/n1",
        None,
        {"id": "n1", "title": "t"},
        lambda note: note.title,
        "t",
    ),
    (
        lambda c: c.notes.create("t", content="", tags=["a"], notebook_id="b"),
        "POST /notes",
        {"title": "t", "content": "", "tags": ["a"], "notebookId": "b"},
        {"id": "n1", "agentName": "me"},
        lambda note: (note.id, note.agent_name),
        ("n1", "me"),
    ),
    (
        lambda c: c.notes.update("n1", tags=[]),
        "PATCH /notes/n1",
        {"tags": []},
        {"id": "n1"},
        lambda note: note.id,
        "n1",
    ),
    (lambda c: c.notes.delete("n1"), "DELETE /notes/n1", None, None, repr, "None"),
    (
        lambda c: c.notes.linked_cards("n1"),
        "GET /notes/n1/linked-cards",
        None,
        [{"id": "k"}],
        list,
        [{"id": "k"}],
    ),
    (
        lambda c: c.notes.thread("n1"),
        "GET /notes/n1/thread",
        None,
        {"messages": [{"id": 1}]},
        list,
        [{"id": 1}],
    ),
    (
        lambda c: c.notes.comment("n1", "x"),
        "POST /notes/n1/thread",
        {"content": "x"},
        {"id": 1},
        dict,
        {"id": 1},
    ),
    (
        lambda c: c.notebooks.list(),
        "GET /notebooks",
        None,
        {"notebooks": [{"id": "b", "name": "B"}]},
        lambda books: books[0].name,
        "B",
    ),
    (lambda c: c.notebooks.get("b"), "GET /notebooks/b", None, {"id": "b"}, lambda book: book.id, "b"),
    (
        lambda c: c.notebooks.create("B"),
        "POST /notebooks",
        {"name": "B"},
        {"id": "b"},
        lambda book: book.id,
        "b",
    ),
    (
        lambda c: c.notebooks.update("b", "C"),
        "PATCH /notebooks/b",
        {"name": "C"},
        {"id": "b"},
        lambda b: b.id,
        "b",
    ),
    (lambda c: c.notebooks.delete("b"), "DELETE /notebooks/b", None, None, repr, "None"),
    (lambda c: c.notebooks.notes("b"), "GET /notebooks/b/notes", None, [{"id": "n"}], lambda n: n[0].id, "n"),
    (lambda c: c.notebooks.archive("b"), "POST /notebooks/b/archive", None, None, repr, "None"),
    (lambda c: c.notebooks.unarchive("b"), "POST /notebooks/b/unarchive", None, None, repr, "None"),
    (
        lambda c: c.boards.create("B", columns=["Todo", "Done"]),
        "POST /kanban/boards",
        {"name": "B", "columns": [{"name": "Todo"}, {"name": "Done"}]},
        {"id": "b", "archived": False, "ownerUsername": "o"},
        lambda board: (board.id, board.archived, board.owner_username),
        ("b", False, "o"),
    ),
    (
        lambda c: c.boards.update("b", auto_archive_days=3),
        "PATCH /kanban/boards/b",
        {"autoArchiveDays": 3},
        {"id": "b"},
        lambda board: board.id,
        "b",
    ),
    (lambda c: c.boards.delete("b"), "DELETE /kanban/boards/b", None, None, repr, "None"),
    (lambda c: c.boards.archive("b"), "POST /kanban/boards/b/archive", None, None, repr, "None"),
    (lambda c: c.boards.unarchive("b"), "POST /kanban/boards/b/unarchive", None, None, repr, "None"),
    (
        lambda c: c.columns.list("b"),
        "GET /kanban/boards/b/columns",
        None,
        [{"id": "l", "boardId": "b", "name": "L", "sortOrder": 1}],
        lambda columns: (columns[0].board_id, columns[0].sort_order),
        ("b", 1),
    ),
    (
        lambda c: c.columns.create("b", "L", sort_order=2),
        "POST /kanban/boards/b/columns",
        {"name": "L", "sortOrder": 2},
        {"id": "l"},
        lambda column: column.id,
        "l",
    ),
    (
        lambda c: c.columns.update("l", wip_limit=3, column_type="done"),
        "PATCH /kanban/columns/l",
        {"wipLimit": 3, "columnType": "done"},
        {"id": "l", "wipLimit": 3},
        lambda column: column.wip_limit,
        3,
    ),
    (lambda c: c.columns.delete("l"), "DELETE /kanban/columns/l", None, None, repr, "None"),
    (
        lambda c: c.columns.reorder("b", ("x", "y")),
        "POST /kanban/boards/b/columns/reorder",
        {"columnIds": ["x", "y"]},
        {"ok": True},
        repr,
        "None",
    ),
    (
        lambda c: c.cards.list(search="s").page.items,
        "GET /kanban/cards?search=s",
        None,
        [{"id": "k", "columnName": "L", "labels": [{"id": "x", "name": "red"}]}],
        lambda cards: (cards[0].column_name, cards[0].labels[0].name),
        ("L", "red"),
    ),
    (
        lambda c: c.cards.create("t", priority="high", board_id="b", column_name="L", description=""),
        "POST /kanban/cards",
        {"title": "t", "description": "", "priority": "high", "boardId": "b", "columnName": "L"},
        {"id": "k"},
        lambda card: card.id,
        "k",
    ),
    (
        lambda c: c.cards.update("k", title="u", column_name="L", sort_order=0),
        "PATCH /kanban/cards/k",
        {"title": "u", "columnName": "L", "sortOrder": 0},
        {"id": "k", "title": "u"},
        lambda card: card.title,
        "u",
    ),
    (
        lambda c: c.cards.complete("k"),
        "POST /kanban/cards/k/complete",
        None,
        {"id": "k"},
        lambda card: card.id,
        "k",
    ),
    (lambda c: c.cards.delete("k"), "DELETE /kanban/cards/k", None, None, repr, "None"),
    (
        lambda c: c.cards.bulk_move({"k": "l"}),
        "POST /kanban/cards/bulk-move",
        {"moves": [{"cardId": "k", "toColumnId": "l"}]},
        {"moved": 1},
        dict,
        {"moved": 1},
    ),
    (
        lambda c: c.cards.archived("b", page=2, limit=5).page.items,
        "GET /kanban/boards/b/archived-cards?page=2&limit=5",
        None,
        {"cards": [], "total": 0, "page": 2, "limit": 5},
        list,
        [],
    ),
    (
        lambda c: c.cards.commits("k"),
        "GET /kanban/cards/k/commits",
        None,
        [{"cardId": "k", "commitHash": "abc", "message": "m"}],
        lambda commits: (commits[0].card_id, commits[0].commit_hash),
        ("k", "abc"),
    ),
    (
        lambda c: c.cards.add_commit("k", "abc", message="m", url="u"),
        "POST /kanban/cards/k/commits",
        {"commitHash": "abc", "message": "m", "url": "u"},
        {"commitHash": "abc"},
        lambda commit: commit.commit_hash,
        "abc",
    ),
    (
        lambda c: c.cards.notes("k"),
        "GET /kanban/cards/k/notes",
        None,
        [{"id": "n"}],
        lambda notes: notes[0].id,
        "n",
    ),
    (
        lambda c: c.cards.link_note("k", "n"),
        "POST /kanban/cards/k/notes",
        {"noteId": "n"},
        {"linked": True},
        repr,
        "None",
    ),
    (lambda c: c.cards.unlink_note("k", "n"), "DELETE /kanban/cards/k/notes/n", None, None, repr, "None"),
    (
        lambda c: c.cards.add_label("k", "x"),
        "POST /kanban/cards/k/labels",
        {"labelId": "x"},
        {"linked": True},
        repr,
        "None",
    ),
    (lambda c: c.cards.remove_label("k", "x"), "DELETE /kanban/cards/k/labels/x", None, None, repr, "None"),
    (
        lambda c: c.cards.comments("k"),
        "GET /kanban/cards/k/comments",
        None,
        [{"id": "o"}],
        list,
        [{"id": "o"}],
    ),
    (
        lambda c: c.cards.comment("k", "x"),
        "POST /kanban/cards/k/comments",
        {"content": "x"},
        {"id": "o"},
        dict,
        {"id": "o"},
    ),
    (lambda c: c.cards.get_comment("o"), "GET /kanban/comments/o", None, {"id": "o"}, dict, {"id": "o"}),
    (
        lambda c: c.labels.list("b"),
        "GET /kanban/boards/b/labels",
        None,
        [{"id": "x", "boardId": "b", "name": "red", "color": "#f00"}],
        lambda labels: labels[0].color,
        "#f00",
    ),
    (
        lambda c: c.labels.create("b", "red", color="#f00"),
        "POST /kanban/boards/b/labels",
        {"name": "red", "color": "#f00"},
        {"id": "x"},
        lambda label: label.id,
        "x",
    ),
    (
        lambda c: c.labels.update("x", name="r"),
        "PATCH /kanban/labels/x",
        {"name": "r"},
        {"id": "x"},
        lambda x: x.id,
        "x",
    ),
    (lambda c: c.labels.delete("x"), "DELETE /kanban/labels/x", None, None, repr, "None"),
    (
        lambda c: c.memories.search("q", limit=5),
        "GET /memories/search?q=q&limit=5",
        None,
        [{"id": "y", "category": "error", "summary": "s", "detail": "d", "score": 0.5, "source": "user"}],
        lambda found: (found[0].content, found[0].category, found[0].score, found[0].origin, found[0].extra),
        ("s\nd", "error", 0.5, "self", {"summary": "s", "detail": "d"}),
    ),
    (
        lambda c: c.memories.list("a", tier="hot", exclude_system=True).page.items,
        "GET /memories?agent_id=a&tier=hot&exclude_system=true",
        None,
        {"memories": [{"id": "y", "patternKey": "p"}]},
        lambda memories: memories[0].pattern_key,
        "p",
    ),
    (lambda c: c.memories.get("y"), "GET /memories/y", None, {"id": "y"}, lambda memory: memory.id, "y"),
    (
        lambda c: c.memories.remember("a", "error", "s", detail="d", pattern_key="p"),
        "POST /memories",
        {"agent_id": "a", "category": "error", "summary": "s", "detail": "d", "pattern_key": "p"},
        {"id": "y"},
        dict,
        {"id": "y"},
    ),
    (
        lambda c: c.memories.update("y", tier="cold"),
        "PATCH /memories/y",
        {"tier": "cold"},
        {"id": "y"},
        lambda m: m.id,
        "y",
    ),
    (lambda c: c.memories.forget("y"), "DELETE /memories/y", None, None, repr, "None"),
    (lambda c: c.memories.export("a"), "GET /memories/export?agent_id=a", None, [1, 2], list, [1, 2]),
    (
        lambda c: c.skills.installed(),
        "GET /skills/installed",
        None,
        [{"slug": "draw"}],
        list,
        [{"slug": "draw"}],
    ),
    (
        lambda c: c.skills.prompt("draw"),
        "GET /skills/draw/prompt",
        None,
        {"promptContent": "p", "promptTemplate": None, "parameters": [{"name": "x"}]},
        lambda prompt: (prompt.prompt_content, prompt.prompt_template, prompt.parameters),
        ("p", None, ({"name": "x"},)),
    ),
    (
        lambda c: c.conversations.open("a", "alert"),
        "POST /agents/a/conversations",
        {"type": "alert"},
        {"id": "c"},
        dict,
        {"id": "c"},
    ),
    (
        lambda c: c.search.all("q", limit=3),
        "GET /search?q=q&limit=3",
        None,
        {"notes": []},
        dict,
        {"notes": []},
    ),
    (
        lambda c: c.search.content("q", entity_types=["note", "card"], has_attachment=False),
        "GET /search/content?q=q&entity_types=note%2Ccard&has_attachment=false",
        None,
        {"hits": []},
        dict,
        {"hits": []},
    ),
    (
        lambda c: c.search.resolve("abcdef1"),
        "GET /resolve/abcdef1",
        None,
        {"type": "note"},
        dict,
        {"type": "note"},
    ),
    (
        lambda c: c.search.resolve_identifiers("c", "see abcdef1", max_tokens=5),
        "POST /resolve-identifiers",
        {"conversationId": "c", "content": "see abcdef1", "maxTokens": 5},
        {"found": []},
        dict,
        {"found": []},
    ),
    (
        lambda c: c.actions.manifest(),
        "GET /actions/agent-manifest",
        None,
        {"manifestVersion": "3", "actions": [{"name": "note.create", "inputSchema": {"type": "object"}}]},
        lambda manifest: (manifest.manifest_version, manifest.actions[0].input_schema),
        ("3", {"type": "object"}),
    ),
    (
        lambda c: c.actions.full_manifest(),
        "GET /actions/manifest",
        None,
        {"actions": []},
        dict,
        {"actions": []},
    ),
    (
        lambda c: c.actions.call("note.create", {"title": "t"}, call_id="call_1", task_id="t1", dry_run=True),
        "POST /actions/call",
        {
            "type": "action_call",
            "id": "call_1",
            "action": "note.create",
            "arguments": {"title": "t"},
            "taskId": "t1",
            "dryRun": True,
        },
        {"id": "call_1", "action": "note.create", "status": "error", "error": {"code": "E", "message": "m"}},
        lambda result: (result.status, result.error.code),
        ("error", "E"),
    ),
    (lambda c: c.actions.history("c"), "GET /actions/history/c", None, [], list, []),
    (lambda c: c.actions.confirm("x"), "POST /actions/confirm/x", None, {"ok": True}, dict, {"ok": True}),
    (
        lambda c: c.actions.reject("x"),
        "POST /actions/confirm/x/reject",
        None,
        {"ok": True},
        dict,
        {"ok": True},
    ),
    (
        lambda c: c.actions.cancel("call_1"),
        "POST /actions/call_1/cancel",
        None,
        {"ok": True},
        dict,
        {"ok": True},
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "line", "body", "answer", "view", "seen"), ROUTES, ids=[row[1] for row in ROUTES]
)
def test_a_route(
    server: FakeServer,
    client: ArinovaClient,
    call: Call,
    line: str,
    body: Any,
    answer: Any,
    view: Callable[[Any], Any],
    seen: Any,
) -> None:
    server.script = lambda _: Answer(json=answer) if answer is not None else Answer(200)
    assert view(call(client)) == seen
    (asked,) = server.requests
    assert f"{asked.method} {asked.target.removeprefix('/api/v1')}" == line
    assert (asked.json if asked.body else None) == body


def missing_route(_: Asked) -> Answer:
    """Answer like the March 2026 server to a route that it does not have."""
    return Answer(404)


AUGUST_ONLY = [
    "feedback", "/files/", "/files?", "/linked-cards", "/notebooks/b/archive", "/notebooks/b/unarchive",
    "bulk-move", "/comments", "/memories/export", "/agents/a/conversations", "/search/content", "/resolve",
    "/actions/",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("call", "line"), [row[:2] for row in ROUTES], ids=[row[1] for row in ROUTES])
def test_a_missing_route_names_the_generation_that_has_it(
    server: FakeServer, client: ArinovaClient, call: Call, line: str
) -> None:
    server.script = missing_route
    with pytest.raises(errors.NotFoundError, match=r"failed \(404\)") as caught:
        call(client)
    expected = (
        any(part in line for part in AUGUST_ONLY)
        or "memories/search" in line
        or "/kanban/boards/b/unarchive" in line
    )
    assert ("August 2026" in str(caught.value)) == expected


# The March 2026 server ------------------------------------------------------------------------------------


class March:
    """Answers to a few routes as the March 2026 server gives them."""

    def __init__(self) -> None:
        self.boards = {"b1": False, "b2": True}
        self.routes: list[tuple[str, Callable[[re.Match[str], Asked], Answer]]] = [
            (r"GET /kanban/boards$", self.list_boards),
            (r"(PATCH|DELETE) /kanban/.*", lambda match, asked: Answer(json={"ok": True})),
            (r"POST /kanban/cards/\w+/complete", lambda match, asked: Answer(json={"ok": True})),
            (r"POST /kanban/boards/(\w+)/archive", self.switch),
            (r"GET /kanban/cards$", lambda match, asked: Answer(json=[{"id": "k1", "title": "T"}])),
            (r"POST /kanban/cards/k1/commits", lambda match, asked: Answer(201)),
            (r"GET /kanban/cards/k1/commits", lambda match, asked: Answer(json=[{"commitHash": "abc"}])),
            (
                r"GET /memories/.*",
                lambda match, asked: Answer(400, body=b"Invalid URL: Cannot parse `id` to a `Uuid`"),
            ),
            (r"GET /api/agent/capsules", self.capsules),
        ]

    def __call__(self, asked: Asked) -> Answer:
        line = f"{asked.method} {asked.path.removeprefix('/api/v1')}"
        for pattern, answer in self.routes:
            if match := re.fullmatch(pattern.removesuffix("$"), line):
                return answer(match, asked)
        return Answer(404)

    def list_boards(self, match: re.Match[str], asked: Asked) -> Answer:
        everything = asked.query.get("includeArchived") == "true"
        return Answer(
            json=[
                {"id": id, "name": id, "archived": archived, "columns": [{"id": f"l-{id}", "name": "Done"}]}
                for id, archived in self.boards.items()
                if everything or not archived
            ]
        )

    def switch(self, match: re.Match[str], asked: Asked) -> Answer:
        if match[1] not in self.boards:
            return Answer(404, json={"error": "Board not found"})
        self.boards[match[1]] = not self.boards[match[1]]
        return Answer(json={"ok": True, "archived": self.boards[match[1]]})

    def capsules(self, match: re.Match[str], asked: Asked) -> Answer:
        assert asked.query == {"query": "q", "limit": "3"}
        return Answer(
            json=[{"content": "x", "capsule_name": "n", "capsule_id": "i", "score": 0.5, "importance": 2}]
        )


@pytest.fixture
def march(server: FakeServer) -> March:
    server.script = march = March()
    return march


def test_updates_are_read_again_where_the_server_sends_nothing(client: ArinovaClient, march: March) -> None:
    assert client.boards.update("b2", name="x").name == "b2"
    assert client.columns.update("l-b1", name="x").name == "Done"
    assert client.cards.update("k1", title="x").title == "T"
    assert client.cards.complete("k1").title == "T"
    assert client.cards.add_commit("k1", "abc").commit_hash == "abc"


def test_a_change_without_anything_to_show_says_so(client: ArinovaClient, march: March) -> None:
    for call in (
        lambda: client.boards.update("zz", name="x"),
        lambda: client.columns.update("zz", name="x"),
        lambda: client.cards.update("zz", title="x"),
        lambda: client.cards.complete("zz"),
        lambda: client.cards.add_commit("k1", "def"),
    ):
        with pytest.raises(errors.ApiError, match="was done, but the server sent no") as caught:
            call()
        assert caught.value.status in (200, 201)


CREATIONS: list[Callable[[Any], Any]] = [
    lambda c: c.notes.create("t"),
    lambda c: c.notebooks.create("n"),
    lambda c: c.boards.create("B"),
    lambda c: c.columns.create("b", "C"),
    lambda c: c.cards.create("T"),
    lambda c: c.labels.create("b", "red"),
    lambda c: c.labels.update("x", name="r"),
]


@pytest.mark.parametrize("answer", [Answer(201), Answer(200, json={"ok": True})])
def test_what_was_made_unseen_is_said_to_be_made(
    server: FakeServer, client: ArinovaClient, answer: Answer
) -> None:
    """Or else the caller would make it again."""
    server.script = lambda _: answer
    for call in CREATIONS:
        with pytest.raises(errors.ApiError, match=r"was done, but the server sent no [a-z]+ back") as caught:
            call(client)
        assert caught.value.status == answer.status
    assert len(server.requests) == len(CREATIONS)


@pytest.mark.parametrize("status", [404, 405])
def test_a_missing_thing_is_no_missing_route(server: FakeServer, client: ArinovaClient, status: int) -> None:
    server.script = lambda _: Answer(status, json={"error": "File not found"})
    with pytest.raises(errors.NotFoundError, match=r"File not found$"):
        client.files.get("f1")


def test_one_deadline_for_a_change_and_its_reading(
    client: ArinovaClient, march: March, server: FakeServer
) -> None:
    session = client._transport.session
    now = [0.0]

    def slow(asked: Asked) -> Answer:
        now[0] += 6
        return march(asked)

    session.clock = lambda: now[0]
    server.script = slow
    with pytest.raises(errors.ApiTimeoutError):
        client.boards.update("b1", name="x", timeout=5)


def test_get_by_list(client: ArinovaClient, march: March) -> None:
    assert client.boards.get("b2").archived is True
    assert client.cards.get("k1").title == "T"
    with pytest.raises(errors.NotFoundError, match="lists no board zz"):
        client.boards.get("zz")
    with pytest.raises(errors.NotFoundError, match="lists no card zz"):
        client.cards.get("zz")


def test_archive_means_archived(client: ArinovaClient, march: March, server: FakeServer) -> None:
    for id in ("b1", "b2"):
        client.boards.archive(id)
    assert march.boards == {"b1": True, "b2": True}
    assert [asked.path.split("/")[5] for asked in server.requests] == ["b1", "b2", "b2"]


def test_unarchive_means_not_archived(client: ArinovaClient, march: March) -> None:
    for id in ("b1", "b2"):
        client.boards.unarchive(id)
    assert march.boards == {"b1": False, "b2": False}
    with pytest.raises(errors.NotFoundError, match="August 2026"):
        client.boards.unarchive("zz")


def test_memories_are_searched_by_the_older_route(client: ArinovaClient, march: March) -> None:
    (found,) = client.memories.search("q", limit=3)
    assert (found.content, found.category, found.id, found.score) == ("x", "n", "i", 0.5)
    assert found.extra == {"importance": 2}
    with pytest.raises(errors.NotFoundError, match="August 2026") as caught:
        client.memories.export("a")
    assert caught.value.status == 400


def test_a_refused_search_is_not_taken_for_a_missing_route(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(400, json={"error": "q is too long"})
    with pytest.raises(errors.BadRequestError, match="q is too long"):
        client.memories.search("q")
    with pytest.raises(errors.BadRequestError, match="q is too long"):
        client.memories.export("a")
    assert len(server.requests) == 2


# What is never sent ---------------------------------------------------------------------------------------

WRONG: list[Callable[[Any], Any]] = [
    lambda c: c.messages.send("", "hi"),
    lambda c: c.messages.send("c1", "  "),
    lambda c: c.messages.send("c1", 5),
    lambda c: c.messages.send("c1", "hi", idempotency_key=" "),
    lambda c: c.messages.reply("c1", "", "hi"),
    lambda c: c.messages.rate("m1", None),
    lambda c: c.messages.rate("m1", "yes"),
    lambda c: c.messages.search(""),
    lambda c: c.notes.get(".."),
    lambda c: c.notes.create("t", tags="abc"),
    lambda c: c.notes.update("n1"),
    lambda c: c.notes.list(archived="yes"),
    lambda c: c.boards.create("B", columns="Todo"),
    lambda c: c.boards.update("b"),
    lambda c: c.boards.get(" "),
    lambda c: c.columns.reorder("b", "xyz"),
    lambda c: c.columns.list(""),
    lambda c: c.cards.get(""),
    lambda c: c.cards.update("k", sort_order="1"),
    lambda c: c.cards.bulk_move({}),
    lambda c: c.cards.bulk_move([("k", "l")]),
    lambda c: c.cards.bulk_move({"k": ""}),
    lambda c: c.conversations.open("a", "party"),
    lambda c: c.actions.call("x", "arguments"),
    lambda c: c.actions.call("x", {"a": {1}}),
    lambda c: c.actions.call("x", {"a": float("nan")}),
    lambda c: c.memories.remember("a", "", "s"),
]


@pytest.mark.parametrize("call", WRONG)
def test_wrong_arguments_raise_before_anything_is_sent(
    server: FakeServer, client: ArinovaClient, call: Call
) -> None:
    with pytest.raises((TypeError, ValueError)):
        call(client)
    assert server.requests == []


def test_every_message_has_a_key_of_its_own(server: FakeServer, client: ArinovaClient) -> None:
    client._transport.session.pause = lambda _: None
    server.play(Answer(503), Answer(json={}), Answer(json={}))
    client.messages.send("c1", "a")
    client.messages.send("c1", "b")
    keys = [asked.headers["Idempotency-Key"] for asked in server.requests]
    assert keys[0] == keys[1] != keys[2]
    client.messages.send("c1", "a", idempotency_key="mine")
    assert server.requests[-1].headers["Idempotency-Key"] == "mine"


def test_a_temporary_url_is_absolute(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(json={"url": "/tmp/x", "expiresAt": "soon"})
    assert client.files.url("f1") == {"url": f"{server.url}/tmp/x", "expiresAt": "soon"}
    server.script = lambda _: Answer(json={"url": "http://[nonsense"})
    assert client.files.url("f1") == {"url": "http://[nonsense"}
    assert client.files.upload("c1", b"x", file_name="x").url == "http://[nonsense"
