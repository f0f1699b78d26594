"""What the March 2026 server has routes for, and tables that do not fit them: nothing is ever kept."""

from __future__ import annotations

from starlette.responses import Response

from .exchange import ApiRequest, answer, body, refuse, refuse_plainly

_ANYTHING = body()


def list_pages(request: ApiRequest) -> Response:
    """Answer with the pages of a conversation's wiki, of which there are none."""
    place = request.query_params.get("conversationId")
    if place is None:
        refuse_plainly(400, "Failed to deserialize query string: missing field `conversationId`")
    request.conversation(place)
    return answer([])


def fail(request: ApiRequest) -> Response:
    """Take an object and fail, as the query does that names what is not in the schema."""
    request.read(_ANYTHING)
    refuse(500, "Database error")
