"""The front of the HTTP routes: who may ask, which route answers, what goes wrong on purpose."""

from __future__ import annotations

import http.client
import socket
import time
from email.utils import parsedate_to_datetime

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer

from ..conftest import Connect
from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


class TestWhoAsks:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": ""},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer ari_unknown"},
            {"Authorization": "Basic {token}"},
            {"Authorization": "{token}"},
            {"Authorization": "Bearer ari_cli_x"},
            {"X-Agent-Token": "unknown"},
        ],
    )
    def test_nobody_is_answered_without_a_token(
        self, server: LocalServer, ask: Ask, headers: dict[str, str]
    ) -> None:
        given = {name: value.format(token=server.bot_token) for name, value in headers.items()}
        refused = ask("GET", "/conversations", headers={"Authorization": "", **given})
        assert (refused.status, refused.json) == (401, {"error": "Unauthorized"})

    @pytest.mark.parametrize(
        "headers", [{"Authorization": "bearer  {token} "}, {"Authorization": "", "X-Agent-Token": "{token}"}]
    )
    def test_an_agent_is_known_by_its_token(
        self, server: LocalServer, ask: Ask, headers: dict[str, str]
    ) -> None:
        given = {name: value.format(token=server.bot_token) for name, value in headers.items()}
        assert ask("GET", "/conversations", headers=given).status == 200

    def test_a_token_of_another_form_works_on_the_socket_only(
        self, server: LocalServer, connect: Connect, ask: Ask
    ) -> None:
        odd = server.add_agent("Odd", token="odd-token")
        connect(odd, to=server)
        assert ask("GET", "/conversations", token="odd-token").status == 401
        assert ask("GET", "/conversations", headers={"X-Agent-Token": "odd-token"}).status == 200

    @pytest.mark.parametrize(
        ("path", "headers", "status"),
        [
            ("/conversations", {"Cookie": "better-auth.session_token=x", "X-Agent-Token": "{token}"}, 400),
            ("/conversations", {"Cookie": "theme=dark", "X-Agent-Token": "{token}"}, 200),
            ("/conversations", {"Cookie": "session=x", "Authorization": "Bearer {token}"}, 200),
            ("/conversations", {"Cookie": "session=x"}, 401),
            ("/api/agent/kanban/boards", {"Cookie": "session=x", "X-Agent-Token": "{token}"}, 200),
        ],
    )
    def test_nobody_is_a_user_and_an_agent_at_once(
        self, server: LocalServer, ask: Ask, path: str, headers: dict[str, str], status: int
    ) -> None:
        given = {name: value.format(token=server.bot_token) for name, value in headers.items()}
        assert ask("GET", path, headers={"Authorization": "", **given}).status == status

    def test_the_client_says_what_is_wrong(self, server: LocalServer) -> None:
        with (
            ArinovaClient(server_url=server.url, bot_token="ari_unknown") as client,
            pytest.raises(errors.PermissionDeniedError, match="Unauthorized"),
        ):
            client.messages.send("c1", "hi")


@march
class TestWhichRoute:
    def test_a_wrong_method_is_told_the_right_ones(self, ask: Ask) -> None:
        refused = ask("DELETE", "/conversations")
        assert (refused.status, refused.headers["allow"], refused.body) == (405, "GET,HEAD", b"")

    def test_a_head_is_a_get_without_its_body(self, ask: Ask) -> None:
        assert ask("HEAD", "/conversations")[::2] == (200, b"")

    @pytest.mark.parametrize(
        "path",
        [
            "/nothing",
            "/conversations/x/y",
            "/conversations/",
            "/notes//thread",
            "/kanban",
            "/api/nothing",
            "/api/agent/skills/installed",
            "/uploads/attachments",
        ],
    )
    def test_unknown_paths(self, ask: Ask, path: str) -> None:
        refused = ask("GET", path)
        assert (refused.status, refused.body) == (404, b"")

    def test_what_is_named_exactly_comes_before_what_stands_for_anything(self, ask: Ask) -> None:
        assert ask("GET", "/messages/search?q=x").json == {"results": []}

    def test_a_socket_that_nobody_serves_is_closed(self, server: LocalServer) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(
                b"GET /ws/nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert b" 403 " in connection.recv(1000)

    def test_the_users_own_routes_come_first(self, client_of, generation) -> None:
        async def own(request: Request) -> PlainTextResponse:
            return PlainTextResponse(f"own {request.url.path}")

        routes = [Route("/api/v1/conversations", own), Route("/hello", own)]
        with LocalServer(generation=generation, routes=routes) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            for path in ("/api/v1/conversations", "/hello"):
                connection.request("GET", path)
                assert connection.getresponse().read() == f"own {path}".encode()
            connection.close()
            client_of(server).messages.send(server.conversation().id, "hi")

    @pytest.mark.parametrize("path", ["/conversations", "/api/v1/nothing", "/api/health-of-mine"])
    def test_every_answer_tells_when_it_was_made(self, server: LocalServer, ask: Ask, path: str) -> None:
        date = parsedate_to_datetime(ask("GET", path).headers["date"])
        assert abs(date.timestamp() - time.time()) < 30.0


@march
class TestWhatIsNoRequest:
    """axum's extractors refuse with plain texts."""

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b"{}", None, 415),
            (b"{}", "text/plain", 415),
            (b"{}", "application/json; charset=utf-8", 422),
            (b"{}", "application/vnd.api+json", 422),
            (b'{"conversationId": 7, "content": "x"}', "application/json", 422),
            (b"[]", "application/json", 422),
            (b"null", "application/json", 422),
            (b"", "application/json", 400),
            (b"{", "application/json", 400),
            (b"\xff\xfe", "application/json", 400),
            (b'{"content": "\xff"}', "application/json", 400),
            (b'{"x": ' + b"[" * 100_000, "application/json", 400),
            (b" " * (10 * 1024 * 1024), "application/json", 400),
            (b" " * (10 * 1024 * 1024 + 1), "application/json", 413),
        ],
    )
    def test_bodies(self, ask: Ask, body: bytes, content_type: str | None, status: int) -> None:
        headers = {} if content_type is None else {"Content-Type": content_type}
        refused = ask("POST", "/messages/send", body, headers)
        assert (refused.status, refused.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert refused.text

    @pytest.mark.parametrize("path", ["/messages/c1", "/messages/%E2%98%83", "/messages/%00?limit=1"])
    def test_paths(self, ask: Ask, path: str) -> None:
        refused = ask("GET", path)
        assert (refused.status, refused.headers["content-type"]) == (400, "text/plain; charset=utf-8")
        assert "Invalid URL" in refused.text

    def test_half_a_request_is_not_carried_out(self, server: LocalServer, ask: Ask) -> None:
        place = server.conversation()
        body = f'{{"conversationId": "{place.id}", "content": "hi"}}'.encode()
        head = (
            "POST /api/v1/messages/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {server.bot_token}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(head.encode() + body)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000) == b""
        assert ask("GET", f"/messages/{place.id}").json["messages"] == []


@march
class TestFaults:
    def test_an_error_is_answered_and_nothing_done(self, server: LocalServer, ask: Ask) -> None:
        place = server.conversation()
        with server.inject("http-error", status=429, error="Slow down", retry_after=0.5):
            refused = ask("POST", "/messages/send", {"conversationId": place.id, "content": "hi"})
        assert (refused.status, refused.json) == (429, {"error": "Slow down"})
        assert refused.headers["retry-after"] == "0.5"
        assert place.messages == []
        assert ask("GET", "/conversations").status == 200

    def test_a_client_gets_over_as_many_as_it_repeats(self, server: LocalServer, client_of) -> None:
        place = server.conversation()
        server.inject("http-error", status=503, count=2)
        client_of(server, max_retries=2).messages.send(place.id, "hi")
        assert len(place.messages) == 1
        server.inject("http-error", status=503, error="Closed", count=1)
        with pytest.raises(errors.ServerError, match="Closed"):
            client_of(server).messages.send(place.id, "hi")

    def test_a_fault_hits_one_agent_and_one_path(self, server: LocalServer, client_of) -> None:
        bob = server.add_agent("Bob")
        place = server.conversation()
        client, bobs = client_of(server), client_of(server, bob)
        with server.inject("http-error", agent=bob):
            client.conversations.list().page  # noqa: B018 - it asks
            with pytest.raises(errors.ServerError):
                bobs.conversations.list().page  # noqa: B018 - it asks
        with server.inject("http-error", path="/api/v1/messages"):
            client.conversations.list().page  # noqa: B018 - it asks
            with pytest.raises(errors.ServerError):
                client.messages.send(place.id, "hi")

    def test_a_slow_answer_comes_late(self, server: LocalServer, client_of) -> None:
        server.inject("http-slow", seconds=0.2, count=1)
        began = time.monotonic()
        list(client_of(server).conversations.list())
        assert time.monotonic() - began >= 0.2

    def test_a_client_does_not_wait_longer_than_it_was_told(self, server: LocalServer, client_of) -> None:
        place = server.conversation()
        with server.inject("http-slow", seconds=30), pytest.raises(errors.ApiTimeoutError):
            client_of(server, timeout=0.2).messages.send(place.id, "hi")
        assert place.messages == []

    def test_a_server_stops_in_the_middle_of_a_slow_answer(self, client_of, generation) -> None:
        with LocalServer(generation=generation) as server:
            server.inject("http-slow", seconds=30)
            with pytest.raises(errors.ApiTimeoutError):
                client_of(server, timeout=0.2).conversations.list().page  # noqa: B018 - it asks
            began = time.monotonic()
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize(
        ("how", "messages"),
        [({}, 0), ({"done": True}, 1), ({"half": True}, 1), ({"done": True, "count": 1}, 1)],
    )
    def test_a_connection_ends_instead_of_the_answer(
        self, server: LocalServer, client_of, how: dict[str, object], messages: int
    ) -> None:
        place = server.conversation()
        with server.inject("http-drop", **how), pytest.raises(errors.ApiConnectionError):
            client_of(server).messages.send(place.id, "hi")
        assert len(place.messages) == messages

    def test_march_posts_twice_what_is_repeated(self, server: LocalServer, client_of) -> None:
        place = server.conversation()
        server.inject("http-drop", done=True, count=1)
        client_of(server, max_retries=1).messages.send(place.id, "hi")
        assert [row.content for row in place.messages] == ["hi", "hi"]

    def test_the_files_of_an_upload_are_hit_too(self, server: LocalServer, client_of, ask: Ask) -> None:
        uploaded = client_of(server).files.upload(server.conversation().id, b"x", file_name="x")
        path = uploaded.url.removeprefix(server.url)
        with server.inject("http-error", path="/uploads"):
            assert ask("GET", path).status == 503
        assert ask("GET", path).status == 200

    @pytest.mark.parametrize(
        ("name", "parameters", "error"),
        [
            ("http-error", {"status": 200}, ValueError),
            ("http-error", {"count": 0}, ValueError),
            ("http-error", {"code": 503}, TypeError),
            ("http-slow", {"seconds": -1.0}, ValueError),
            ("http-slow", {"path": "notes"}, ValueError),
        ],
    )
    def test_parameters_that_are_none(self, server: LocalServer, name, parameters, error) -> None:
        with pytest.raises(error):
            server.inject(name, **parameters)


@august
def test_august_sends_once_what_is_repeated(server: LocalServer, client_of) -> None:
    place = server.conversation()
    server.inject("http-drop", done=True, count=1)
    sent = client_of(server, max_retries=1).messages.send(place.id, "hi")
    assert [row.id for row in place.messages] == [sent.message_id]
