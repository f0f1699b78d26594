"""What a chat's log makes of a conversation: what is printed for good, and what still changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from arinova_agent_sync import ArinovaAgent, Task
from arinova_agent_sync.cli.chatlog import ChatLog
from arinova_agent_sync.cli.markdown_text import Painter
from arinova_agent_sync.local import AgentAccount, LocalConversation, LocalServer


class Reader:
    """One who looks at a log now and then."""

    def __init__(self, server: LocalServer, conversation: LocalConversation) -> None:
        self.log = ChatLog(server, conversation)
        self.printed = ""
        self.live = ""
        self._painter = Painter(60, None)

    def look(self) -> str:
        """Return what is printed since the last time."""
        shown = self.log.update(self._painter)
        self.printed += shown.printed
        self.live = shown.live
        return shown.printed


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(agent_name="Iris", duplicate_window=0) as server:
        yield server


def answering(
    server: LocalServer, handle: Callable[[Task], object], account: AgentAccount | None = None
) -> ArinovaAgent:
    """Return an agent, to be connected."""
    agent = ArinovaAgent(server_url=server.url, bot_token=(account or server.agent).token)
    agent.on_task(handle)  # type: ignore[call-overload]
    return agent


def test_blocks_are_printed_when_they_are_done_and_the_rest_is_live(server: LocalServer) -> None:
    pieces = {name: Event() for name in ("a", "b", "end")}

    def handle(task: Task) -> Iterator[str]:
        yield "# One\n\ntwo **"
        pieces["a"].wait(5)
        yield "bold**\n\n- x\n"
        pieces["b"].wait(5)
        yield "- y"
        pieces["end"].wait(5)

    with answering(server, handle):
        conversation = server.conversation()
        reader = Reader(server, conversation)
        reply = conversation.say("hi")
        reply.wait_for_text("two")
        assert reader.look().startswith("you  > hi\nIris >\n")
        assert "One" in reader.printed
        assert reader.live == "two **\n"
        pieces["a"].set()
        reply.wait_for_text("- x")
        assert reader.look() == "two bold\n\n"
        assert reader.live == " • x\n"
        assert (reader.look(), reader.live) == ("", " • x\n")
        pieces["b"].set()
        pieces["end"].set()
        reply.wait()
        assert (reader.look(), reader.live) == (" • x\n • y\n\n", "")
        assert reader.look() == ""


def test_a_message_in_the_servers_queue_waits_below_the_answer(server: LocalServer) -> None:
    goes_on = Event()

    def handle(task: Task) -> Iterator[str]:
        yield task.content
        goes_on.wait(5)

    with answering(server, handle):
        conversation = server.conversation()
        reader = Reader(server, conversation)
        first = conversation.say("one")
        first.wait_for_text("one")
        conversation.say("two\nlines")
        third = conversation.say("three")
        reader.look()
        assert reader.printed == "you  > one\n"
        assert reader.live == "Iris > one\n\nyou  > two lines [waiting]\nyou  > three [waiting]\n"
        third.cancel()
        goes_on.set()
        conversation.replies[1].wait()
        reader.look()
        assert reader.live == ""
        assert reader.printed == (
            "you  > one\nIris > one\n\n"
            "you  > two\n       lines\nyou  > three\n[stopped before Iris got it]\nIris > two\nlines\n\n"
        )


def test_how_answers_end(server: LocalServer) -> None:
    def handle(task: Task) -> Iterator[str]:
        if task.content != "say nothing":
            yield "begun"
        if task.content == "fail":
            raise ValueError("oh\x1b[2J\nno")
        if task.content == "stop":
            task.cancelled.wait(5)
        task.dismiss()

    with answering(server, handle):
        conversation = server.conversation()
        reader = Reader(server, conversation)
        told = {}
        for said in ("fail", "stop", "say nothing"):
            reply = conversation.say(said)
            if said == "stop":
                reply.wait_for_text("begun")
                reply.cancel()
            reply.wait()
            told[said] = reader.look().removeprefix(f"you  > {said}\n")
    assert told == {
        "fail": "Iris > begun\n[error: oh␛[2J\nno]\n\n",
        "stop": "Iris > begun\n[stopped]\n\n",
        "say nothing": "[Iris answered nothing]\n\n",
    }


def test_an_agent_that_is_not_connected(server: LocalServer) -> None:
    conversation = server.conversation()
    reader = Reader(server, conversation)
    conversation.say("hi", wait_for_agent=0)
    assert reader.look() == (
        "you  > hi\nIris > [error: **Iris** is not connected yet. Start the agent and try again.]\n\n"
    )


def test_what_the_server_puts_around_a_message_is_marked(server: LocalServer) -> None:
    account = server.add_agent("Otto", system_prompt="Be brief.")
    with answering(server, lambda task: task.content, account):
        conversation = server.conversation(account)
        reader = Reader(server, conversation)
        reply = conversation.say("a <script>x</script> b")
        reader.log.typed("a <script>x</script> b", reply.question)
        reply.wait()
        reader.look()
    assert reply.decorated
    assert reader.printed.startswith(
        "you  > a  b\n[the server left out what a browser would run]\n"
        "[Otto got this with more around it than you typed]\nOtto > [System Prompt]\nBe brief.\n"
    )


def test_messages_and_remarks_between_the_blocks_of_an_answer(server: LocalServer) -> None:
    goes_on = Event()

    def handle(task: Task) -> Iterator[str]:
        yield "one\n\ntwo"
        goes_on.wait(5)

    with answering(server, handle) as agent:
        conversation = server.conversation()
        reader = Reader(server, conversation)
        reply = conversation.say("hi")
        reply.wait_for_text("two")
        reader.look()
        agent.send_message(conversation.id, "by the way")
        conversation.wait_for_message(content="by the way")
        reader.log.note("a remark")
        reader.look()
        assert reader.live == "Iris > two\n"
        goes_on.set()
        reply.wait()
        reader.look()
    assert reader.printed == ("you  > hi\nIris > one\n\na remark\nIris > by the way\n\nIris > two\n\n")


def test_the_last_messages_of_an_earlier_run_are_shown_again(tmp_path: Path) -> None:
    for run in range(2):
        with LocalServer(agent_name="Iris", duplicate_window=0, data=tmp_path / "chat.db") as server:
            conversation = server.conversations[0] if run else server.conversation()
            reader = Reader(server, conversation)
            if run:
                reader.look()
                break
            with answering(server, lambda task: f"*{task.content}*"):
                for number in range(8):
                    conversation.say(str(number)).wait()
    assert reader.printed == "".join(f"you  > {number}\nIris > {number}\n\n" for number in range(3, 8))
    assert reader.live == ""


@pytest.mark.slow
@pytest.mark.parametrize("text", ["word " * 50_000, "```python\n" + "x = 1\n" * 5_000, "one\n\n" * 5_000])
def test_a_long_text_holds_the_keyboard_up_for_moments_only(server: LocalServer, text: str) -> None:
    with answering(server, lambda task: text):
        conversation = server.conversation()
        log, painter = ChatLog(server, conversation), Painter(80, None)
        conversation.say("hi").wait()
        longest, printed, more = 0.0, "", True
        while more:
            began = time.thread_time()
            shown = log.update(painter)
            longest = max(longest, time.thread_time() - began)
            printed, more = printed + shown.printed, shown.more
    assert longest < 0.5
    words = text.replace("```python\n", "").split()
    assert printed.replace("Iris >", "").replace("you  > hi", "").split() == words
