"""Which error an answer is."""

from __future__ import annotations

import json
import pickle

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import failures

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def refusal(status: int, raw: bytes = b"", kind: str = "application/json", **more: str) -> errors.ApiError:
    return failures.refusal("GET /api/v1/notes", status, "Reason", {"Content-Type": kind, **more}, raw)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.PermissionDeniedError),
        (402, errors.ApiError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.NotFoundError),
        (409, errors.ConflictError),
        (410, errors.NotFoundError),
        (413, errors.BadRequestError),
        (415, errors.BadRequestError),
        (418, errors.ApiError),
        (422, errors.BadRequestError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
        (599, errors.ServerError),
    ],
)
def test_statuses(status: int, kind: type[errors.ApiError]) -> None:
    error = refusal(status, b'{"error":"no"}')
    assert type(error) is kind
    assert (error.status, error.body, error.request) == (status, {"error": "no"}, "GET /api/v1/notes")
    assert str(error) == f"GET /api/v1/notes failed ({status}): no"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("raw", "kind", "text"),
    [
        (b'{"error":"Note not found"}', "application/json", "Note not found"),
        (
            b'{"error":{"code":"GONE","message":"No more","details":{"a":1}}}',
            "application/json",
            "No more (GONE)",
        ),
        (b'{"code":"GONE","message":"No more"}', "application/json", "No more (GONE)"),
        (b'{"error":{"code":"GONE"}}', "application/json", "GONE"),
        (b'{"message":"No more"}', "application/json", "No more"),
        (b"Invalid URL: Cannot parse `id`", "text/plain", "Invalid URL: Cannot parse `id`"),
        (b"<html><h1>Bad gateway</h1>", "text/html", "Reason"),
        (b"<!DOCTYPE html>", "", "Reason"),
        (b"", "", "Reason"),
        (b"{}", "application/json", "Reason"),
        (b"[1]", "application/json", "Reason"),
        (b'{"error":null}', "application/json", "Reason"),
        (b'{"error":"a","error":"b"}', "application/json", '{"error":"a","error":"b"}'),
        (b"\xff\xfe", "text/plain", "��"),
    ],
)
def test_texts(raw: bytes, kind: str, text: str) -> None:
    assert str(refusal(404, raw, kind)) == f"GET /api/v1/notes failed (404): {text}"


def test_a_long_text_is_cut() -> None:
    error = refusal(500, json.dumps({"error": "x" * 50_000}).encode())
    assert len(str(error)) == 2_000


def test_a_missing_route_names_the_server_that_has_it() -> None:
    error = failures.refusal("GET /x", 404, "Not Found", {}, b"", since="August 2026")
    assert "August 2026" in str(error)
    assert "August 2026" not in str(
        failures.refusal("GET /x", 400, "Bad Request", {}, b"", since="August 2026")
    )


def test_rate_limits_tell_how_long() -> None:
    error = refusal(429, b"", **{"Retry-After": "1.5"})
    assert isinstance(error, errors.RateLimitError)
    assert error.retry_after == 1.5
