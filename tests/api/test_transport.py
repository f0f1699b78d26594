"""The manners of every call: retries, deadlines, redirects, bodies, unchanged answers."""

from __future__ import annotations

import gzip
import logging
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient

from .conftest import TOKEN
from .fake_server import Answer, Asked, FakeServer


@pytest.fixture
def waits(client: ArinovaClient) -> list[float]:
    """Replace time: each wait between tries passes at once and is written down here."""
    session = client._transport.session
    waited: list[float] = []
    session.clock = lambda: 1_000.0 + sum(waited)
    session.pause = waited.append
    session.jitter = lambda: 0.5
    return waited


def get(client: ArinovaClient) -> Any:
    return client.request("GET", "/things")


def test_what_every_request_carries(server: FakeServer, client: ArinovaClient) -> None:
    server.play(Answer(json={"a": 1}))
    assert client.request("GET", "/things", params={"q": "ä b", "n": 1}) == {"a": 1}
    asked = server.requests[0]
    assert (asked.method, asked.target) == ("GET", "/api/v1/things?q=%C3%A4%20b&n=1")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["Host"] == server.url.removeprefix("http://")
    assert asked.headers["User-Agent"].startswith("arinova-agent-sync/")
    assert asked.headers.get_all("Accept-Encoding") == ["gzip"]


def test_a_base_path_is_kept(server: FakeServer) -> None:
    with ArinovaClient(server_url=f"{server.url}/base/", bot_token=TOKEN) as client:
        client.request("GET", "/things")
    assert server.requests[0].path == "/base/api/v1/things"
    with ArinovaClient(server_url=f"{server.url}/bä%20se", bot_token=TOKEN) as client:
        client.request("GET", "/things")
    assert server.requests[1].path == "/b%C3%A4%20se/api/v1/things"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_gets_are_tried_three_times(
    server: FakeServer, client: ArinovaClient, waits: list[float], status: int
) -> None:
    server.play(*[Answer(status, json={"error": "later"})] * 3)
    with pytest.raises(errors.ApiError, match=rf"failed \({status}\): later"):
        get(client)
    assert len(server.requests) == 3
    assert waits == pytest.approx([0.125, 0.225])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422])
def test_other_refusals_are_final(
    server: FakeServer, client: ArinovaClient, waits: list[float], status: int
) -> None:
    server.script = lambda _: Answer(status, json={"error": "no"})
    with pytest.raises(errors.ApiError):
        get(client)
    assert len(server.requests) == 1
    assert waits == []


def test_a_second_try_may_succeed(server: FakeServer, client: ArinovaClient, waits: list[float]) -> None:
    server.play(Answer(503, headers={"Retry-After": "1.25"}), Answer(json={"ok": True}))
    assert get(client) == {"ok": True}
    assert waits == [1.25]


def test_a_log_handler_that_fails_harms_no_call(
    server: FakeServer, client: ArinovaClient, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("no space left on device")

    caplog.set_level(logging.DEBUG, "arinova_agent_sync")
    package, failing = logging.getLogger("arinova_agent_sync"), Failing()
    package.addHandler(failing)
    try:
        server.play(Answer(503), Answer(json={}))
        assert get(client) == {}
    finally:
        package.removeHandler(failing)
    assert len(waits) == 1


def test_a_wait_past_the_deadline_raises_at_once(
    server: FakeServer, client: ArinovaClient, waits: list[float]
) -> None:
    server.script = lambda _: Answer(429, headers={"Retry-After": "31"}, json={"error": "slow down"})
    with pytest.raises(errors.RateLimitError, match="slow down") as caught:
        get(client)
    assert caught.value.retry_after == 31
    assert len(server.requests) == 1
    assert waits == []


def test_the_waits_together_stay_within_the_deadline(
    server: FakeServer, client: ArinovaClient, waits: list[float]
) -> None:
    server.script = lambda _: Answer(503, headers={"Retry-After": "20"})
    with pytest.raises(errors.ServerError):
        get(client)
    assert waits == [20]
    assert len(server.requests) == 2


BROKEN = {
    "no answer": Answer(raw=b""),
    "no http": Answer(raw=b"SSH-2.0-OpenSSH\r\n"),
    "a torn head": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-"),
    "a short body": Answer(body=b'{"a":', length=100),
    "a torn chunk": Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}"),
    "no chunk": Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    "torn gzip": Answer(body=gzip.compress(b'{"a":1}' * 50)[:-12], headers={"Content-Encoding": "gzip"}),
    "no gzip": Answer(body=b'{"a":1}', headers={"Content-Encoding": "gzip"}),
    "another encoding": Answer(body=b'{"a":1}', headers={"Content-Encoding": "br"}),
    "endless heads": Answer(raw=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers(server: FakeServer, client: ArinovaClient, waits: list[float], name: str) -> None:
    server.play(BROKEN[name], BROKEN[name], Answer(json={"fine": True}))
    assert get(client) == {"fine": True}
    server.play(*[BROKEN[name]] * 3)
    with pytest.raises(errors.ApiConnectionError, match=r"^GET /api/v1/things failed: ") as caught:
        get(client)
    assert caught.value.__cause__ is not None
    assert caught.value.status == (200 if "200" in str(BROKEN[name].status) and _has_head(name) else 0)
    assert len(server.requests) == 6


def _has_head(name: str) -> bool:
    return name not in ("no answer", "no http", "a torn head", "endless heads")


def test_nothing_listens(client: ArinovaClient, waits: list[float], server: FakeServer) -> None:
    with (
        ArinovaClient(server_url="http://127.0.0.1:9", bot_token=TOKEN, max_retries=0) as lost,
        pytest.raises(errors.ApiConnectionError, match="ConnectionRefusedError") as caught,
    ):
        get(lost)
    assert caught.value.status == 0
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("broken", [Answer(503), Answer(429), Answer(raw=b""), Answer(length=10)])
def test_mutations_are_sent_once(
    server: FakeServer, client: ArinovaClient, waits: list[float], method: str, broken: Answer
) -> None:
    server.script = lambda _: broken
    with pytest.raises(errors.ApiError):
        client.request(method, "/things", json={"a": 1})
    assert len(server.requests) == 1
    assert waits == []


def test_an_idempotency_key_is_the_same_on_each_try(
    server: FakeServer, client: ArinovaClient, waits: list[float]
) -> None:
    server.play(Answer(503), Answer(raw=b""), Answer(json={}))
    client.request("POST", "/things", json={"a": 1}, idempotency_key="k-1")
    assert [asked.headers["Idempotency-Key"] for asked in server.requests] == ["k-1"] * 3
    assert [asked.json for asked in server.requests] == [{"a": 1}] * 3
    server.play(Answer(503), Answer(json={}))
    client.request("POST", "/things", headers={"idempotency-key": "k-2"})
    assert [asked.headers["Idempotency-Key"] for asked in server.requests[3:]] == ["k-2"] * 2


def test_options(server: FakeServer, client: ArinovaClient, waits: list[float]) -> None:
    server.script = lambda _: Answer(503)
    for retries in (0, 1, 4):
        server.requests.clear()
        with pytest.raises(errors.ServerError):
            get(client.with_options(max_retries=retries))
        assert len(server.requests) == 1 + retries
    with pytest.raises(errors.ServerError):
        get(client)
    for wrong in ({"timeout": 0}, {"timeout": -1}, {"max_retries": -1}, {"max_response_bytes": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            client.with_options(**wrong)
    with pytest.raises(TypeError, match="timeout"):
        client.request("GET", "/things", timeout="5")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["silence", "dripped body", "dripped head"])
def test_one_deadline_over_everything(server: FakeServer, client: ArinovaClient, shape: str) -> None:
    never = threading.Event()
    server.script = lambda _: {
        "silence": Answer(hold=never),
        "dripped body": Answer(drip=True, length=1_000_000),
        "dripped head": Answer(hold=never),
    }[shape]
    began = time.monotonic()
    with pytest.raises(errors.ApiTimeoutError, match=r"not finished within 0\.3 s") as caught:
        client.request("GET", "/things", timeout=0.3)
    assert 0.25 < time.monotonic() - began < 5
    assert isinstance(caught.value, TimeoutError)
    assert len(server.requests) == 1
    never.set()


def test_a_body_may_have_as_many_bytes_as_allowed(server: FakeServer, client: ArinovaClient) -> None:
    body = b'"' + b"x" * 998 + b'"'
    server.script = lambda _: Answer(body=body)
    assert client.with_options(max_response_bytes=1_000).request("GET", "/things") == "x" * 998
    with pytest.raises(errors.ApiError, match=r"exceeds configured limit \(999 bytes\)") as caught:
        client.with_options(max_response_bytes=999).request("GET", "/things")
    assert caught.value.status == 200
    assert len(server.requests) == 2


def test_head_has_no_body_to_be_too_large(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(body=b"x" * 5_000)
    small = client.with_options(max_response_bytes=1_000)
    assert small.request("HEAD", "/things") is None
    assert small.request_bytes("HEAD", "/things") == b""
    assert server.open_sockets == 1


def test_a_body_is_counted_while_it_arrives(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n"
    )
    with pytest.raises(errors.ApiError, match="exceeds configured limit"):
        client.with_options(max_response_bytes=1_000).request("GET", "/things")


@pytest.mark.parametrize("packing", ["gzip", "deflate", "two members"])
def test_compressed_bodies(server: FakeServer, client: ArinovaClient, packing: str) -> None:
    text = b'{"a":"' + b"x" * 300_000 + b'"}'
    packed = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "two members": gzip.compress(text[:10]) + gzip.compress(text[10:]),
    }[packing]
    encoding = "deflate" if packing == "deflate" else "gzip"
    server.script = lambda _: Answer(body=packed, headers={"Content-Encoding": encoding})
    assert client.request("GET", "/things") == {"a": "x" * 300_000}
    with pytest.raises(errors.ApiError, match="exceeds configured limit"):
        client.with_options(max_response_bytes=300_000).request("GET", "/things")


def test_a_compression_bomb_costs_no_memory(server: FakeServer, client: ArinovaClient) -> None:
    import tracemalloc

    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(60)) + packer.flush()
    server.script = lambda _: Answer(body=bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(errors.ApiError, match="exceeds configured limit"):
        client.with_options(max_response_bytes=1_000_000).request("GET", "/things")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"id":1,"id":2}', "returned malformed JSON: JSON object contains duplicate key: id"),
        (b'{"a":NaN}', "returned malformed JSON: NaN is not valid JSON"),
        (b'"\xff"', "returned malformed JSON: not UTF-8"),
        (b"<html>Please log in</html>", "returned malformed JSON"),
    ],
)
def test_malformed_json_is_an_error_with_the_status(
    server: FakeServer, client: ArinovaClient, body: bytes, why: str
) -> None:
    server.script = lambda _: Answer(201, body=body)
    with pytest.raises(errors.ApiError, match=why) as caught:
        get(client)
    assert type(caught.value) is errors.ApiError
    assert caught.value.status == 201
    assert caught.value.__cause__ is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_answer_is_none(server: FakeServer, client: ArinovaClient, body: bytes) -> None:
    server.play(Answer(201, body=body), Answer(204), Answer(200, body=b"null"))
    assert [get(client), get(client), get(client)] == [None, None, None]
    assert client.request("HEAD", "/things") is None
    assert server.open_sockets == 1


def test_a_torn_error_page_still_tells_the_status(
    server: FakeServer, client: ArinovaClient, waits: list[float]
) -> None:
    server.script = lambda _: Answer(403, body=b"Forbidden by", length=500)
    with pytest.raises(errors.PermissionDeniedError, match=r"failed \(403\)"):
        get(client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_get_follows_redirects_on_its_origin(
    server: FakeServer, client: ArinovaClient, status: int
) -> None:
    server.play(
        Answer(status, headers={"Location": "/elsewhere?x=1"}),
        Answer(status, headers={"Location": f"{server.url}/end"}),
        Answer(json="here"),
    )
    assert get(client) == "here"
    assert [asked.target for asked in server.requests] == ["/api/v1/things", "/elsewhere?x=1", "/end"]
    assert {asked.headers["Authorization"] for asked in server.requests} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_never_becomes_a_get(server: FakeServer, client: ArinovaClient, status: int) -> None:
    server.play(Answer(status, headers={"Location": "/elsewhere"}))
    with pytest.raises(errors.ApiError, match="would turn the POST into a GET"):
        client.request("POST", "/things", json={"a": 1})
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_post_may_move_as_it_is(server: FakeServer, client: ArinovaClient, status: int) -> None:
    server.play(Answer(status, headers={"Location": "/elsewhere"}), Answer(json={}))
    client.request("POST", "/things", json={"a": 1})
    assert [(asked.method, asked.json) for asked in server.requests] == [("POST", {"a": 1})] * 2


@pytest.mark.parametrize("where", ["another port", "another scheme", "another host", "no http", "nonsense"])
def test_no_redirect_leads_elsewhere(server: FakeServer, client: ArinovaClient, where: str) -> None:
    with FakeServer() as other:
        server.script = lambda _: Answer(
            302,
            headers={
                "Location": {
                    "another port": f"{other.url}/x",
                    "another scheme": f"https://127.0.0.1:{server.port}/x",
                    "another host": f"http://localhost:{server.port}/x",
                    "no http": "ftp://127.0.0.1/x",
                    "nonsense": "http://[::1",
                }[where]
            },
        )
        with pytest.raises(errors.ApiError, match=r"failed \(302\): the server redirects to"):
            get(client)
        assert other.requests == []
    assert len(server.requests) == 1


def test_redirects_end(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(302, headers={"Location": "/again"})
    with pytest.raises(errors.ApiError, match="more than 5 redirects"):
        get(client)
    assert len(server.requests) == 6


def history(client: ArinovaClient) -> list[str]:
    return [message.id for message in client.messages.history("c1").page.items]


def unchanged(body: dict[str, object]) -> Callable[[Asked], Answer]:
    def script(asked: Asked) -> Answer:
        if asked.headers["If-None-Match"] == '"v1"':
            return Answer(304, headers={"ETag": '"v1"'})
        return Answer(json=body, headers={"ETag": '"v1"'})

    return script


def test_unchanged_answers_are_not_sent_again(server: FakeServer, client: ArinovaClient) -> None:
    server.script = unchanged({"messages": [{"id": "m1"}], "hasMore": False})
    assert [history(client), history(client)] == [["m1"], ["m1"]]
    assert [asked.headers["If-None-Match"] for asked in server.requests] == [None, '"v1"']
    assert client.notes is not None


def test_another_token_sees_nothing_of_the_first(server: FakeServer, client: ArinovaClient) -> None:
    server.script = unchanged({"messages": [{"id": "m1"}], "hasMore": False})
    history(client)
    client.replace_token("ari_other")
    history(client)
    assert [asked.headers["If-None-Match"] for asked in server.requests] == [None, None]
    assert server.requests[1].headers["Authorization"] == "Bearer ari_other"
    assert history(client) == ["m1"]
    assert server.requests[2].headers["If-None-Match"] == '"v1"'


def test_remembered_answers_are_bounded(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(json={"messages": []}, headers={"ETag": '"v"'})
    for number in range(200):
        assert list(client.messages.history(f"c{number}").page.items) == []
    assert len(client._transport.session.etags._entries) == 128
    server.script = lambda _: Answer(
        json={"messages": [{"id": "m", "content": "x" * 300_000}]}, headers={"ETag": '"v"'}
    )
    history(client)
    assert client._transport.session.etags.get(TOKEN, "/api/v1/messages/c1") is None


def test_the_token_is_nowhere(
    server: FakeServer, client: ArinovaClient, caplog: pytest.LogCaptureFixture, waits: list[float]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = lambda asked: Answer(500, json={"error": f"bad {asked.headers['Authorization']}"})
    with pytest.raises(errors.ServerError) as caught:
        client.request("GET", "/things", headers={"X-Agent": "me"})
    assert "bad Bearer [redacted]" in str(caught.value)
    server.script = lambda asked: Answer(body=TOKEN.encode())
    with pytest.raises(errors.ApiError) as malformed:
        get(client)
    request = client._transport.prepare("GET", "/api/v1/things")
    for text in (
        repr(client),
        repr(request),
        repr(malformed.value.body),
        repr(caught.value.body),
        caplog.text,
    ):
        assert TOKEN not in text


def test_bad_arguments_are_refused_before_anything_is_sent(server: FakeServer, client: ArinovaClient) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: client.request("GET", "/things", json={"a": {1}}),  # type: ignore[dict-item]
        lambda: client.request("GET", "/things", params={"a": b"x"}),
        lambda: client.request("GET", "things"),
        lambda: client.request("G T", "/things"),
        lambda: client.request("POST", "/things", json={}, form={"a": "b"}),
        lambda: client.request("POST", "/things", idempotency_key="a\nb"),
        lambda: client.request("POST", "/things", headers={"authorization": "x"}),
        lambda: client.request("GET", "/things", timeout=0),
    ]
    for call in wrong:
        with pytest.raises((TypeError, ValueError)):
            call()
    assert server.requests == []
