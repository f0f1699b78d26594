"""What waits, what is stopped, and what the agent knows of the conversation by then."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync import TaskCancelled

from .chat import SECONDS, Chat, Talk


class Gate:
    """A handler that streams and then waits until it is let go; it keeps what it was asked."""

    def __init__(self, pieces: tuple[str, ...] = ("half ",)) -> None:
        self.pieces = pieces
        self.begun = threading.Event()
        self.opened = threading.Event()
        self.cancelled = threading.Event()
        self.asked: list[list[str]] = []

    def __call__(self, task):
        self.asked.append([message["content"] for message in task.messages(first=None)])
        self.begun.set()
        yield from self.pieces
        try:
            while not self.opened.wait(0.01):
                yield ""
        except (TaskCancelled, GeneratorExit):
            self.cancelled.set()
            raise
        yield f"answer to {task.content}"


class TestCancel:
    def test_before_any_text(self, chat: Chat) -> None:
        gate = Gate(())
        chat.agent(gate)
        talk = chat.talk()
        answer = talk.say("never mind").started()
        assert gate.begun.wait(SECONDS)
        answer.cancel().end()
        assert answer.ended == ("cancelled", "")
        assert gate.cancelled.wait(SECONDS)

    def test_in_the_middle_what_was_streamed_stays(self, chat: Chat) -> None:
        gate = Gate()
        chat.agent(gate)
        talk = chat.talk()
        answer = talk.say("count").started().wait_for("half").cancel().end()
        assert answer.ended == ("cancelled", "half ")
        assert gate.cancelled.wait(SECONDS)
        assert chat.rows(talk, 1) == [("cancelled", "half ")]

    def test_after_the_end_it_changes_nothing(self, chat: Chat) -> None:
        chat.agent()
        talk = chat.talk()
        answer = talk.ask("one")
        answer.cancel()
        assert talk.ask("two").ended == ("completed", "you said two")
        assert chat.rows(talk, 3)[0] == ("completed", "you said one")

    def test_the_next_one_starts_although_the_handler_hangs(self, chat: Chat) -> None:
        release = threading.Event()

        def handle(task):
            if task.content == "hang":
                task.send_chunk("hanging")
                release.wait(SECONDS)  # blind and deaf, as a call of a model's client is
                return None
            return "next"

        chat.agent(handle)
        talk = chat.talk()
        answer = talk.say("hang").started().wait_for("hanging")
        talk.say("go on").queued()
        assert answer.cancel().end().status == "cancelled"
        assert talk.answer().ended == ("completed", "next")
        release.set()

    def test_late_text_of_a_cancelled_task_is_not_shown(self, chat: Chat) -> None:
        stopped, done = threading.Event(), threading.Event()

        def handle(task):
            if task.content != "first":
                return "second answer"
            task.send_chunk("early")
            task.on_cancel(stopped.set)
            assert stopped.wait(SECONDS)
            with pytest.raises(TaskCancelled):
                task.send_chunk("late")
            done.set()
            return None

        chat.agent(handle)
        talk = chat.talk()
        answer = talk.say("first").started().wait_for("early").cancel().end()
        assert done.wait(SECONDS)
        assert talk.ask("second").ended == ("completed", "second answer")
        assert (answer.text, chat.rows(talk, 3)[0]) == ("early", ("cancelled", "early"))

    def test_one_that_waits_is_taken_back(self, chat: Chat) -> None:
        gate = Gate()
        chat.agent(gate)
        talk = chat.talk()
        first = talk.say("one").started()
        waiting = talk.say("two").queued()
        talk.say("three").queued()
        talk.user.cancel_queued(talk.id, waiting)
        talk.say("four").queued()  # nothing tells that the server has taken it back, but this comes behind it
        gate.opened.set()
        assert first.end().text == "half answer to one"
        assert [talk.answer().text, talk.answer().text] == ["half answer to three", "half answer to four"]


class TestQueue:
    def test_messages_are_answered_in_their_order(self, chat: Chat) -> None:
        gate = Gate()
        chat.agent(gate)
        talk = chat.talk()
        first = talk.say("one").started()
        talk.say("two").queued()
        talk.say("three").queued()
        gate.opened.set()
        texts = [first.end().text, talk.answer().text, talk.answer().text]
        assert texts == [f"half answer to {text}" for text in ("one", "two", "three")]
        # Each knows what came before it, and nothing of what waits behind it.
        assert [asked[-5:] for asked in gate.asked[1:]] == [
            [*gate.asked[0], "half answer to one", "two"][-len(gate.asked[1]) :][-5:],
            gate.asked[2][-5:],
        ]
        assert gate.asked[2][-3:] == ["two", "half answer to two", "three"]

    def test_a_shorter_text_behind_it_is_no_repetition(self, chat: Chat) -> None:
        gate = Gate()
        chat.agent(gate)
        talk = chat.talk()
        first = talk.say("wait").started()
        talk.say("is it ok?").queued()
        talk.say("ok").queued()
        gate.opened.set()
        first.end()
        assert [talk.answer().text, talk.answer().text] == ["half answer to is it ok?", "half answer to ok"]
        assert gate.asked[1][-1] == "is it ok?" and gate.asked[1].count("is it ok?") == 1
        assert gate.asked[2][-3:] == ["is it ok?", "half answer to is it ok?", "ok"]

    def test_commands_that_wait_keep_their_arguments(self, chat: Chat) -> None:
        gate = Gate()
        agent = chat.agent(gate)
        agent.on_command("draw", lambda task: f"drew {task.arguments or 'nothing'}")
        talk = chat.talk()
        first = talk.say("wait").started()
        talk.say("/draw a cat").queued()
        talk.say("/Draw").queued()
        gate.opened.set()
        first.end()
        assert [talk.answer().text, talk.answer().text] == ["drew a cat", "drew nothing"]

    def test_commands_that_wait_behind_a_system_prompt_keep_theirs(self, chat: Chat) -> None:
        server = chat.driver.special("an agent with a system prompt")
        account = server.add_agent("Kind", system_prompt="Be kind.")
        gate = Gate()
        agent = chat.agent(gate, bot_token=account.token)
        agent.on_command("draw", lambda task: f"drew {task.arguments or 'nothing'}")
        talk = Talk(chat.driver.user, server.conversation(account).id)
        first = talk.say("wait").started()
        talk.say("/draw a cat").queued()
        talk.say("/draw").queued()
        gate.opened.set()
        assert first.end().text == "half answer to [System Prompt]\nBe kind.\n\n[User Message]\nwait"
        assert [talk.answer().text, talk.answer().text] == ["drew a cat", "drew nothing"]

    def test_two_conversations_are_answered_at_once(self, chat: Chat) -> None:
        server = chat.driver.special("a second conversation")
        meeting = threading.Barrier(2)

        def handle(task):
            meeting.wait(SECONDS)
            return "met"

        chat.agent(handle)
        one, two = (Talk(chat.driver.user, server.conversation().id) for _ in range(2))
        one.say("hello")
        two.say("hello")
        assert [one.answer().text, two.answer().text] == ["met", "met"]

    def test_one_that_may_not_wait_is_refused(self, chat: Chat) -> None:
        server = chat.driver.special("a second conversation")
        gate = Gate()
        chat.agent(gate, max_queued_tasks=0, concurrency_mode="agent-wide")
        one, two = (Talk(chat.driver.user, server.conversation().id) for _ in range(2))
        first = one.say("hello").started()
        assert two.ask("hello").ended == ("error", "queue_overflow")
        gate.opened.set()
        assert first.end().status == "completed"


class TestDuplicates:
    def test_the_same_text_at_once_is_answered_once(self, chat: Chat) -> None:
        chat.agent()
        talk = chat.talk()
        assert talk.ask("twice").text == "you said twice"
        talk.say("twice", hurry=True)
        assert talk.ask("another").text == "you said another"

    def test_another_text_in_between_makes_no_difference(self, chat: Chat) -> None:
        chat.agent()
        talk = chat.talk()
        assert [talk.ask(text).text for text in ("a", "b")] == ["you said a", "you said b"]
        talk.say("a", hurry=True)
        assert talk.ask("c").text == "you said c"
