"""What becomes of answers when the connection does not hold, and who is let in."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync import AuthenticationError

from .chat import SECONDS, Chat

SHORT = {"ping_interval": 0.2, "ping_timeout": 0.6}


class Paused:
    """A handler that streams, waits to be let go, and streams on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, task):
        yield "before "
        self.go_on.wait(SECONDS)
        yield "after"


def waiting_agent(chat: Chat, handler, **options):
    """Return an agent behind a way that can be cut, and an event for each new connection of it."""
    connected = threading.Semaphore(0)
    agent = chat.offline_agent(handler, server_url=chat.proxy.url, **options)
    agent.on_connected(connected.release)
    agent.connect(SECONDS)
    assert connected.acquire(timeout=SECONDS)
    return agent, connected


@pytest.mark.slow
def test_a_closed_connection_fails_the_answer_and_it_comes_as_a_message(chat: Chat) -> None:
    handler = Paused()
    _, connected = waiting_agent(chat, handler)
    talk = chat.talk()
    answer = talk.say("question").started().wait_for("before")
    chat.proxy.cut()
    assert answer.end().ended == ("error", "Agent disconnected")
    assert connected.acquire(timeout=SECONDS)
    handler.go_on.set()
    assert talk.answer().ended == ("agent_send", "before after")


def test_it_does_not_if_that_is_not_wanted(chat: Chat) -> None:
    handler = Paused()
    _, connected = waiting_agent(chat, handler, rescue_results=False)
    talk = chat.talk()
    answer = talk.say("question").started().wait_for("before")
    chat.proxy.cut()
    assert answer.end().status == "error"
    assert connected.acquire(timeout=SECONDS)
    handler.go_on.set()
    assert talk.ask("another question").ended == ("completed", "before after")


@pytest.mark.slow
def test_a_finished_answer_of_an_outage_is_not_lost(chat: Chat) -> None:
    handler = Paused()
    agent, connected = waiting_agent(chat, handler, reconnect_interval=0.5)
    down = threading.Event()
    agent.on_disconnected(down.set)
    talk = chat.talk()
    answer = talk.say("question").started().wait_for("before")
    chat.proxy.cut()
    assert down.wait(SECONDS)
    handler.go_on.set()  # it finishes while there is no connection
    assert answer.end().status == "error"
    assert talk.answer().ended == ("agent_send", "before after")
    assert connected.acquire(timeout=SECONDS)


@pytest.mark.slow
def test_a_half_open_connection_loses_nothing(chat: Chat) -> None:
    handler = Paused()
    _, connected = waiting_agent(chat, handler, **SHORT)
    talk = chat.talk()
    answer = talk.say("question").started().wait_for("before")
    chat.proxy.freeze()
    assert connected.acquire(timeout=SECONDS)  # the server has not noticed the end of the old one
    handler.go_on.set()
    assert answer.end().ended == ("completed", "before after")
    assert chat.rows(talk, 1) == [("completed", "before after")]


@pytest.mark.slow
def test_after_a_reconnect_messages_are_answered(chat: Chat) -> None:
    _, connected = waiting_agent(chat, lambda task: f"you said {task.content}")
    talk = chat.talk()
    assert talk.ask("one").text == "you said one"
    for text in ("two", "three"):
        chat.proxy.cut()
        assert connected.acquire(timeout=SECONDS)
        assert talk.ask(text).text == f"you said {text}"


def test_a_proactive_message_comes_during_an_outage(chat: Chat) -> None:
    agent, connected = waiting_agent(chat, None, reconnect_interval=0.3)
    down = threading.Event()
    agent.on_disconnected(down.set)
    talk = chat.talk()
    chat.proxy.cut()
    assert down.wait(SECONDS)
    agent.send_message(talk.id, "still there")
    assert talk.answer().ended == ("agent_send", "still there")
    assert connected.acquire(timeout=SECONDS)


@pytest.mark.slow
def test_the_newer_of_two_connections_gets_the_messages(chat: Chat) -> None:
    handler = Paused()
    _, connected = waiting_agent(chat, handler, **SHORT)
    talk = chat.talk()
    answer = talk.say("for the old one").started().wait_for("before")
    chat.proxy.freeze()
    assert connected.acquire(timeout=SECONDS)
    handler.go_on.set()
    assert answer.end().status == "completed"
    assert talk.ask("for the new one").ended == ("completed", "before after")


def test_nobody_is_there(chat: Chat) -> None:
    chat.offline_agent()
    talk = chat.talk()
    answer = talk.ask("hello")
    assert answer.status == "error"
    ((status, text),) = chat.rows(talk, 1)
    # What members are told at once and what the message says are two texts.
    assert status == "error" and text != answer.text
    assert text.startswith(f"**{chat.driver.name(0)}** is not connected yet")


def test_what_nobody_heard_counts_as_said(chat: Chat) -> None:
    agent = chat.offline_agent()
    talk = chat.talk()
    assert talk.ask("hello").status == "error"
    agent.connect(SECONDS)
    talk.say("hello", hurry=True)
    assert talk.ask("hello again").text == "you said hello again"


def test_a_message_before_the_welcome_is_answered(chat: Chat) -> None:
    server = chat.driver.special("a task before auth_ok")
    early = server.inject("early-task", content="early")
    chat.agent()
    (reply,) = early.replies
    assert (reply.wait(SECONDS), reply.text) == ("completed", "you said early")


@pytest.mark.parametrize("token", ["ari_" + "0" * 48, "nonsense"])
def test_a_wrong_token_is_refused(chat: Chat, token: str) -> None:
    agent = chat.offline_agent(bot_token=token)
    with pytest.raises(AuthenticationError, match="Invalid bot token"):
        agent.connect(SECONDS)
    assert not agent.connected


def test_an_agent_that_leaves_is_away(chat: Chat) -> None:
    agent = chat.agent()
    talk = chat.talk()
    assert talk.ask("one").text == "you said one"
    agent.disconnect()
    assert talk.ask("two").status == "error"
    agent.connect(SECONDS)
    assert talk.ask("three").text == "you said three"


def test_what_runs_when_the_agent_leaves_is_finished(chat: Chat) -> None:
    handler = Paused()
    agent = chat.agent(handler)
    talk = chat.talk()
    answer = talk.say("question").started().wait_for("before")
    leaving = threading.Thread(target=agent.disconnect)
    leaving.start()
    handler.go_on.set()
    assert answer.end().ended == ("completed", "before after")
    leaving.join(SECONDS)


def test_a_message_of_nothing_is_refused_at_the_call(chat: Chat) -> None:
    agent = chat.agent()
    talk = chat.talk()
    with pytest.raises((ValueError, TypeError)):
        agent.send_message(talk.id, "")
    assert talk.ask("still there?").text == "you said still there?"


def test_a_server_that_died_has_left_its_answers_unfinished(chat: Chat) -> None:
    server = chat.driver.special("the end of its process")
    handler = Paused()
    chat.agent(handler)
    talk = chat.talk()
    talk.say("question").started().wait_for("before")
    place = next(each for each in server.conversations if each.id == talk.id)
    server.stop()
    assert place.messages[-1].status == "streaming"
    server.start()
    assert (place.messages[-1].status, place.messages[-1].content) == (
        "error",
        "Stream interrupted by server restart",
    )
    handler.go_on.set()
