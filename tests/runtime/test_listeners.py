"""Who listens to what."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from arinova_agent_sync.runtime.callbacks import EVENTS, Listeners


@dataclass
class Recorder:
    """A listener that cannot be hashed."""

    called: list[object] = field(default_factory=list)

    def __call__(self, value: object) -> None:
        self.called.append(value)

    def method(self, value: object) -> None:
        self.called.append(value)


def define(called: list[str], name: str) -> Callable[[], None]:
    """Run a notebook's cell: each time it makes a new function of the same name."""

    def cell() -> None:
        called.append(name)

    return cell


class TestListeners:
    def test_they_are_called_in_the_order_in_which_they_came(self) -> None:
        listeners = Listeners()
        functions = [functools.partial(print, number) for number in range(5)]
        for function in functions:
            listeners.add("connected", function)
        assert [function for function, _ in listeners.to("connected")] == functions
        assert listeners.to("error") == []

    def test_a_function_listens_once(self) -> None:
        listeners = Listeners()
        called: list[str] = []
        recorder = Recorder()
        first, second = define(called, "first"), define(called, "second")
        for function in (first, recorder.method, recorder, second, recorder.method, recorder):
            listeners.add("error", function)
        assert [function for function, _ in listeners.to("error")] == [second, recorder.method, recorder]

    def test_lambdas_and_objects_are_told_apart(self) -> None:
        listeners = Listeners()
        functions: list[Any] = [lambda: 1, lambda: 2, Recorder(), Recorder()]
        functions += [
            Recorder().method,
            Recorder().method,
            functools.partial(print),
            functools.partial(print),
        ]
        for function in functions:
            listeners.add("error", function)
        assert len(listeners.to("error")) == len(functions)

    def test_functions_of_different_names_listen_both(self) -> None:
        listeners = Listeners()
        called: list[object] = []

        def first(error: object) -> None:
            called.append(error)

        def second(error: object) -> None:
            called.append(error)

        listeners.add("error", first)
        listeners.add("error", second)
        assert listeners.to("error") == [(first, 1), (second, 1)]

    def test_one_function_may_listen_to_several_events(self) -> None:
        listeners = Listeners()
        for event in EVENTS:
            listeners.add(event, print)
            assert listeners.to(event) == [(print, EVENTS[event])]

    @pytest.mark.parametrize("again", [lambda: print, lambda: functools.partial(print)])
    def test_remove(self, again: Callable[[], Callable[..., object]]) -> None:
        listeners = Listeners()
        recorder, other = Recorder(), define([], "")
        for function in (recorder.method, recorder, other):
            listeners.add("error", function)
        listeners.remove("error", recorder.method)
        listeners.remove("error", recorder)
        listeners.remove("error", again())  # which never listened
        assert listeners.to("error") == [(other, 0)]
        listeners.remove("error", define([], "of the same name"))
        assert listeners.to("error") == []

    @pytest.mark.parametrize("event", ["connect", "Connected", "", None, 5, ["connected"]], ids=repr)
    def test_an_unknown_event(self, event: Any) -> None:
        with pytest.raises((ValueError, TypeError)) as caught:
            Listeners().add(event, print)
        with pytest.raises(type(caught.value)):
            Listeners().remove(event, print)
        if not isinstance(event, list):
            assert str(caught.value) == (
                f"there is no event {event!r}; there are connected, disconnected, error, auth_failed, "
                "token_claimed, undelivered"
            )

    @pytest.mark.parametrize(
        ("event", "function", "accepted"),
        [
            ("connected", lambda: None, 0),
            ("connected", lambda value=1: None, 0),
            ("connected", lambda *values: None, 0),
            ("error", lambda: None, 0),
            ("error", lambda error: None, 1),
            ("error", lambda error=None: None, 1),
            ("error", lambda error, other=1: None, 1),
            ("error", lambda *values: None, 1),
            ("error", lambda *, option=1: None, 0),
            ("error", Recorder(), 1),
            ("error", Recorder().method, 1),
            ("error", functools.partial(lambda a, b: None, 1), 1),
            ("error", functools.partial(lambda a: None, 1), 0),
            ("error", print, 1),
            ("error", dict, 1),
        ],
    )
    def test_a_function_may_take_the_value_or_not(
        self, event: str, function: Callable[..., object], accepted: int
    ) -> None:
        listeners = Listeners()
        listeners.add(event, function)
        assert listeners.to(event) == [(function, accepted)]

    @pytest.mark.parametrize(
        ("event", "function", "says"),
        [
            ("connected", lambda value: None, r"^on_connected hands over 0 value\(s\); "),
            ("error", lambda one, two: None, r"^on_error hands over 1 value\(s\); "),
            ("error", lambda *, option: None, r"^on_error hands over 1 value\(s\); "),
            ("error", None, "^on_error needs a function, not NoneType$"),
            ("error", "print", "^on_error needs a function, not str$"),
        ],
    )
    def test_one_that_cannot_be_called_so_is_refused(self, event: str, function: Any, says: str) -> None:
        listeners = Listeners()
        with pytest.raises(TypeError, match=says):
            listeners.add(event, function)
        assert listeners.to(event) == []
