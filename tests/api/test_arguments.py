"""Whatever is given to any method: it is sent as one well-formed request, or refused before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient, FilePart, Pages
from arinova_agent_sync.api.resources.resource import Resource
from arinova_agent_sync.api.transport import Request, Transport

from .conftest import TOKEN

GOOD: dict[str, Any] = {
    "str": "x",
    "Source": b"x",
    "Iterable[str]": ["x"],
    "Iterable[str] | None": ["x"],
    "Mapping[str, str]": {"x": "y"},
    "Opening": "alert",
    "bool": True,
}
WRONG: dict[str, tuple[object, ...]] = {
    "str": (None, 5, b"x", ["x"], "", " \n"),
    "str | None": (5, b"x", ["x"]),
    "int | None": ("1", 1.5, True, -1, [1], float("nan")),
    "float | None": ("1", True, 0, -1, float("nan"), float("inf"), [1]),
    "bool": (None, 1, "yes"),
    "bool | None": (1, "yes"),
    "Iterable[str]": (None, "abc", b"abc", 5, [5], [""], {"a": 1}),
    "Iterable[str] | None": ("abc", b"abc", 5, [5], [""], {"a": 1}),
    "Mapping[str, str]": (None, {}, {"": "x"}, {"x": ""}, {"x": 5}, {5: "x"}, [("x", "y")]),
    "Mapping[str, JSONValue] | None": ("x", [1], {"a": {1}}, {"a": float("nan")}, {5: 1}),
    "Opening": (None, 5, "", "party"),
    "Source": (None, 5, ["x"]),
    "Progress | bool | None": (5, "x"),
}


class Sent(Exception):
    """A request would have left."""


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> ArinovaClient:
    """A client whose requests go no further than the door."""

    def perform(transport: Transport, request: Request, consume: object, timeout: Any = None) -> None:
        transport.deadline(timeout)
        if request.body is not None:
            assert sum(map(len, request.body())) == int(request.headers["Content-Length"])
        raise Sent(request)

    monkeypatch.setattr(Transport, "perform", perform)
    return ArinovaClient(server_url="https://chat.example", bot_token=TOKEN)


def methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every method of every resource, by its name."""
    client = ArinovaClient(server_url="https://chat.example", bot_token=TOKEN)
    for resource, value in vars(client).items():
        if isinstance(value, Resource):
            for name, method in inspect.getmembers(type(value), inspect.isfunction):
                if not name.startswith("_") and name not in ("fetch", "download"):
                    yield f"{resource}.{name}", method


def call(client: ArinovaClient, name: str, arguments: dict[str, Any]) -> Any:
    resource, _, method = name.partition(".")
    result = getattr(getattr(client, resource), method)(**arguments)
    if not isinstance(result, Pages):
        return result
    try:
        return result.page
    except (TypeError, ValueError) as late:
        raise AssertionError("an argument was refused only when the pages were read") from late


def good(name: str, method: Callable[..., Any]) -> dict[str, Any]:
    """Return arguments that are right."""
    arguments = {
        parameter.name: GOOD[str(parameter.annotation)]
        for parameter in list(inspect.signature(method).parameters.values())[1:]
        if parameter.default is parameter.empty
    }
    if name == "files.upload":
        arguments["file_name"] = "x"
    if name.endswith(".update") and "name" not in arguments:
        arguments |= {"category": "x"} if name.startswith("memories") else {}
        arguments |= {"title": "x"} if name.startswith(("notes", "cards")) else {}
        arguments |= {"name": "x"} if name.startswith(("boards", "columns", "labels")) else {}
    return arguments


METHODS = dict(methods())


@pytest.mark.parametrize("name", METHODS)
def test_right_arguments_make_a_request(offline: ArinovaClient, name: str) -> None:
    arguments = good(name, METHODS[name])
    if name in ("boards.get", "cards.get"):
        arguments = dict.fromkeys(arguments, "x")
    with pytest.raises(Sent):
        call(offline, name, arguments)


@pytest.mark.parametrize("name", METHODS)
def test_each_wrong_argument_is_refused(offline: ArinovaClient, name: str) -> None:
    method = METHODS[name]
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        for wrong in WRONG[str(parameter.annotation)]:
            if (name, parameter.name) == ("files.upload", "file"):
                arguments = {**good(name, method), "file_name": None}
            else:
                arguments = good(name, method)
            try:
                call(offline, name, {**arguments, parameter.name: wrong})
            except (TypeError, ValueError):
                continue
            except Sent:
                pass
            pytest.fail(f"{name}({parameter.name}={wrong!r}) was not refused")


words = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(), max_size=3),  # lone surrogates as well
    st.sampled_from(
        [".", "..", "/", "a/../b", "\0", "a\r\nb: c", "?", "#", "%2e%2e", "\ud800", "報告", "'\""]
    ),
)
odd = st.one_of(
    words,
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**5_000),
    st.floats(),
    st.binary(max_size=3),
    st.lists(words, max_size=2),
    st.dictionaries(words, words, max_size=2),
    st.just(object()),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(METHODS)), st.data())
def test_any_argument_at_all(offline: ArinovaClient, name: str, data: st.DataObject) -> None:
    method = METHODS[name]
    arguments = good(name, method)
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.name != "file" and (parameter.name in arguments or data.draw(st.booleans())):
            likely = words if "str" in str(parameter.annotation) else odd
            arguments[parameter.name] = data.draw(st.one_of(likely, odd), label=parameter.name)
    try:
        call(offline, name, arguments)
    except Sent as sent:
        check(sent.args[0])
    except (TypeError, ValueError):
        pass


def check(request: Request) -> None:
    """A request line and headers that hold what they should and nothing else."""
    path, _, query = request.target.partition("?")
    for part in (path, query, *request.headers, *request.headers.values()):
        assert all("!" <= letter <= "~" or letter == " " for letter in part)
    assert " " not in request.target
    assert "#" not in request.target
    assert path.startswith("/api/")
    assert not {"", ".", ".."} & set(path.split("/")[1:])
    assert "." not in path.removeprefix("/api/v1")


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_route_with_anything(offline: ArinovaClient, data: st.DataObject) -> None:
    arguments = {
        name: data.draw(st.one_of(words, odd), label=name)
        for name in ("params", "json", "form", "headers", "idempotency_key", "timeout")
        if data.draw(st.booleans())
    }
    method = data.draw(st.one_of(st.sampled_from(["GET", "post", "G T"]), odd), label="method")
    path = data.draw(
        st.one_of(st.sampled_from(["/things", "/api/x"]), words.map("/".__add__), odd), label="path"
    )
    try:
        offline.request(method, path, **arguments)
    except Sent as sent:
        request = sent.args[0]
        for part in (request.method, request.target.partition("?")[0], *request.headers.values()):
            assert all(" " <= letter <= "~" for letter in part)
        assert " " not in request.method + request.target
    except (TypeError, ValueError):
        pass


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_url_to_fetch(monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    def resolve(*_: object) -> list[object]:
        raise OSError("no network here")

    monkeypatch.setattr("arinova_agent_sync.api.fetch.resolve", resolve)
    client = ArinovaClient(server_url="https://chat.example", bot_token=TOKEN)
    url = data.draw(
        st.one_of(
            odd, words.map("http://".__add__), words.map("http://h".__add__), words.map("//[::1]:".__add__)
        )
    )
    with pytest.raises((TypeError, ValueError, errors.ApiError)):
        client.files.fetch(url)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(name=st.one_of(words, odd), mime_type=st.one_of(st.just("a/b"), odd))
def test_any_name_of_a_file(name: Any, mime_type: Any) -> None:
    try:
        part = FilePart(b"x", name, mime_type)
    except (TypeError, ValueError):
        return
    assert part.name == name
    assert part.mime_type.isprintable()
