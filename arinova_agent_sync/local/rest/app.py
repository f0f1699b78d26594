"""The table of all routes, and the ASGI application that has them. Belongs to the event loop's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from ..hub import Hub
from . import actions, cards, files, hud, kanban, memories, messages, notes, search, skills, wiki
from .cards import CARDS, COMMENTS, COMMITS, LINKED_NOTES
from .endpoint import Endpoint, Handler
from .files import FILES
from .kanban import COLUMNS, LABELS
from .memories import MEMORIES
from .notes import NOTEBOOKS, NOTES, THREAD, TITLES

Drop = Callable[[Scope], None]


def application(hub: Hub, routes: Sequence[BaseRoute], drop: Drop) -> ASGIApp:
    """Return what answers the bots' routes, and before those the user's own; ``drop`` ends a request's TCP."""
    made = Starlette(routes=[*routes, *routes_of(hub.chat.rules.august)])
    made.router.default = _nothing
    made.state.hub, made.state.drop = hub, drop
    return made


def _route(path: str, etag: bool = False, public: bool = False, **handlers: Handler) -> Route:
    by_method = {method.upper(): handler for method, handler in handlers.items()}
    return Route(path, Endpoint(by_method, etag, public))


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    response = WebSocketClose() if scope["type"] == "websocket" else Response(status_code=404)
    await response(scope, receive, send)


def _mount(path: str, routes: Sequence[Route | WebSocketRoute | Mount]) -> Mount:
    by_names = sorted(routes, key=lambda route: "{" in route.path)  # like axum, exact paths before patterns
    return Mount(path, Router(by_names, redirect_slashes=False, default=_nothing))


@cache
def routes_of(august: bool) -> Sequence[BaseRoute]:
    """Return all routes of a generation."""
    kanban_routes = _mount("/kanban", [*_KANBAN, *(_KANBAN_AUGUST if august else ())])
    return (
        _mount("/api/v1", [kanban_routes, *_ROUTES, *(_AUGUST if august else _MARCH)]),
        _mount("/api/agent", [kanban_routes, _CAPSULES, *(() if august else [_WIKI])]),
        _route("/uploads/attachments/{place}/{name}", public=True, get=files.serve),
    )


_CAPSULES = _route("/capsules", get=memories.search_capsules)
_WIKI = _route("/wiki", get=wiki.list_pages, post=wiki.fail)
_ROUTES = (
    _route("/conversations", get=messages.list_conversations),
    _route("/messages/send", post=messages.send_message),
    _route("/messages/search", get=messages.search_messages),
    _route("/messages/{id}", etag=True, get=messages.history),
    _route("/files/upload", post=files.upload),
    _route("/notes", etag=True, get=notes.list_notes, post=notes.create_note),
    _route("/notes/{id}", get=notes.get_note, patch=notes.update_note, delete=NOTES.deletes),
    _route("/notes/{id}/thread", get=THREAD.lists, post=notes.add_to_thread),
    _route("/notebooks", get=NOTEBOOKS.lists, post=notes.create_notebook),
    _route("/notebooks/{id}", get=NOTEBOOKS.shows, patch=NOTEBOOKS.updates, delete=NOTEBOOKS.deletes),
    _route("/notebooks/{id}/notes", get=TITLES.lists),
    _route("/memories", get=memories.list_memories, post=memories.remember),
    _route("/memories/{id}", get=MEMORIES.shows, patch=MEMORIES.updates, delete=memories.forget),
    _CAPSULES,
    _route("/skills/installed", get=skills.list_installed),
    _route("/skills/{slug:path}/prompt", get=skills.get_prompt),
    _route("/search", get=search.search_all),
    _route("/hud", get=hud.refuse),
    WebSocketRoute("/hud", hud.serve),
)
_KANBAN = (
    _route("/boards", get=kanban.list_boards, post=kanban.create_board),
    _route("/boards/{id}", patch=kanban.update_board, delete=kanban.delete_board),
    _route("/boards/{id}/archive", post=kanban.archive_board),
    _route("/boards/{id}/archived-cards", get=cards.list_archived),
    _route("/boards/{id}/columns", get=COLUMNS.lists, post=COLUMNS.creates),
    _route("/boards/{id}/columns/reorder", post=kanban.reorder_columns),
    _route("/boards/{id}/labels", get=LABELS.lists, post=LABELS.creates),
    _route("/columns/{id}", patch=COLUMNS.updates, delete=COLUMNS.deletes),
    _route("/labels/{id}", patch=LABELS.updates, delete=LABELS.deletes),
    _route("/cards", get=cards.list_cards, post=cards.create_card),
    _route("/cards/{id}", patch=CARDS.updates, delete=CARDS.deletes),
    _route("/cards/{id}/complete", post=cards.complete_card),
    _route("/cards/{id}/commits", get=COMMITS.lists, post=cards.add_commit),
    _route("/cards/{id}/notes", get=LINKED_NOTES.lists, post=cards.link),
    _route("/cards/{id}/notes/{other}", delete=cards.unlink),
    _route("/cards/{id}/labels", post=cards.link),
    _route("/cards/{id}/labels/{other}", delete=cards.unlink),
)
_KANBAN_AUGUST = (
    _route("/boards/{id}/unarchive", post=kanban.archive_board),
    _route("/cards/bulk-move", post=cards.move_cards),
    _route("/cards/{id}/comments", get=COMMENTS.lists, post=COMMENTS.creates),
    _route("/comments/{id}", get=COMMENTS.shows),
)
_MARCH = (_WIKI, _route("/memories/extract", post=wiki.fail))
_AUGUST = (
    _route("/agents/{id}/conversations", post=messages.open_conversation),
    _route("/messages/{id}/feedback", get=messages.get_feedback, post=messages.set_feedback),
    _route("/files", get=files.list_files),
    _route("/files/usage", get=files.usage),
    _route("/files/{id}", get=FILES.shows, patch=FILES.updates, delete=FILES.deletes),
    _route("/files/{id}/content", get=files.download),
    _route("/files/{id}/url", post=files.make_url),
    _route("/notes/{id}/linked-cards", get=notes.list_linked_cards),
    _route("/notebooks/{id}/archive", post=notes.archive_notebook),
    _route("/notebooks/{id}/unarchive", post=notes.archive_notebook),
    _route("/memories/search", get=memories.search),
    _route("/memories/export", get=memories.export),
    _route("/memories/cleanup", post=memories.clean_up),
    _route("/memories/{id}/restore", post=memories.restore),
    _route("/search/content", get=search.search_content),
    _route("/resolve/{id}", get=search.resolve),
    _route("/resolve-identifiers", post=search.resolve_identifiers),
    _route("/actions/agent-manifest", etag=True, get=actions.manifest),
    _route("/actions/manifest", get=actions.manifest),
    _route("/actions/call", post=actions.call_action),
    _route("/actions/pending", get=actions.list_pending),
    _route("/actions/history/{id}", get=actions.history),
    _route("/actions/confirm/{id:path}/reject", post=actions.reject),
    _route("/actions/confirm/{id:path}", post=actions.confirm),
    _route("/actions/by-id/{id}/cancel", post=actions.cancel_row),
    _route("/actions/{id:path}/cancel", post=actions.cancel),
)
