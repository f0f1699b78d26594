"""Several agents in one conversation: who hears what."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync import Reply, Task

from .chat import SECONDS, Chat


class Ear:
    """A handler that keeps what it heard and answers nothing, unless it has a text."""

    def __init__(self, text: str | None = None, mentions: tuple[str, ...] = ()) -> None:
        self.text = text
        self.mentions = mentions
        self.heard: list[Task] = []
        self._taken = 0
        self._came = threading.Condition()

    def note(self, task: Task) -> None:
        """Keep a task."""
        with self._came:
            self.heard.append(task)
            self._came.notify_all()

    def __call__(self, task: Task) -> Reply | None:
        self.note(task)
        # Only people are answered, or two agents would talk for ever.
        if self.text is None or task.content == "" or task.reply_to is not None:
            task.dismiss()
            return None
        return Reply(self.text, mentions=[task.mention(name) for name in self.mentions])

    def wait(self) -> Task:
        """Return the next task."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.heard) > self._taken, SECONDS)
            self._taken += 1
            return self.heard[self._taken - 1]

    def wait_for(self, content: str) -> Task:
        """Return the first task with that content."""
        with self._came:
            assert self._came.wait_for(lambda: any(task.content == content for task in self.heard), SECONDS)
            return next(task for task in self.heard if task.content == content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "plain", "named"),
    [
        (None, True, True),
        ("all", True, True),
        ("all_mentions", False, True),
        ("owner_unmention_others_mention", True, True),
        ("owner_and_allowlist", True, True),
        ("allowlist_mentions", False, True),
        ("owner_only", True, True),
        ("muted", False, False),
        ("allowed_users", True, True),
    ],
)
def test_whom_the_owner_reaches(chat: Chat, mode: str | None, plain: bool, named: bool) -> None:
    talk = chat.group(None, mode)
    first, second = Ear("heard"), Ear()
    chat.agent(first)
    chat.agent(second, 1)
    for text, reached in (("hello all", plain), (f"hello @{chat.driver.name(1)}", named)):
        talk.say(text)
        first.wait_for(text)
        if reached:
            second.wait_for(text)
        else:
            assert text not in [task.content for task in second.heard]


def test_members_are_named_oneself_included(chat: Chat) -> None:
    talk = chat.group(None, None)
    ear = Ear()
    chat.agent(ear)
    talk.say("who is here?")
    task = ear.wait()
    names = [chat.driver.name(0), chat.driver.name(1)]
    assert sorted(member.agent_name for member in task.members) == sorted(names)
    assert task.conversation_type == "group"


def test_an_answer_is_heard_by_the_others_as_a_quotation(chat: Chat) -> None:
    talk = chat.group(None, None)
    chat.agent(Ear("my answer"))
    second = Ear()
    chat.agent(second, 1)
    talk.say("question")
    assert second.wait().content == "question"
    heard = second.wait()
    assert (heard.content, heard.reply_to and heard.reply_to.content) == ("", "my answer")
    assert heard.messages()[-1]["content"] == f"{chat.driver.name(0)}: my answer"


@pytest.mark.slow
def test_with_a_mention_the_text_itself_comes(chat: Chat) -> None:
    talk = chat.group(None, None)
    chat.agent(Ear("ask somebody else", mentions=(chat.driver.name(1),)))
    second = Ear()
    chat.agent(second, 1)
    talk.say("question")
    second.wait()
    heard = second.wait()
    assert heard.content == "ask somebody else"
    assert [message["content"] for message in heard.messages()].count("ask somebody else") == 1


@pytest.mark.slow
def test_a_mention_reaches_the_muted(chat: Chat) -> None:
    talk = chat.group(None, "muted")
    chat.agent(Ear("over to you", mentions=(chat.driver.name(1),)))
    second = Ear()
    chat.agent(second, 1)
    talk.say("question")
    assert second.wait().content == "over to you"


def test_a_dismissed_answer_is_heard_as_nothing(chat: Chat) -> None:
    talk = chat.group(None, None)
    chat.agent(Ear())
    second = Ear("I know")
    chat.agent(second, 1)
    talk.say("question")
    first, then = second.wait(), second.wait()
    assert (first.content, then.content, then.reply_to) == ("question", "", None)


def test_a_message_that_answers_nothing_is_heard_whole(chat: Chat) -> None:
    talk = chat.group(None, None)
    agent = chat.agent(Ear())
    second = Ear()
    chat.agent(second, 1)
    agent.send_message(talk.id, "by the way")
    heard = second.wait()
    assert (heard.content, heard.reply_to) == ("by the way", None)
    assert talk.answer().ended == ("agent_send", "by the way")


def test_names_count_in_one_that_came_over_http(chat: Chat) -> None:
    talk = chat.group(None, "all_mentions")
    agent = chat.agent(Ear())
    second = Ear()
    chat.agent(second, 1)
    agent.api.messages.send(talk.id, "nobody in particular")
    agent.api.messages.send(talk.id, f"hello @{chat.driver.name(1)}")
    assert second.wait().content == f"hello @{chat.driver.name(1)}"


@pytest.mark.slow
def test_a_busy_listener_is_asked_at_once(chat: Chat) -> None:
    talk = chat.group(None, None)
    chat.agent(Ear("my answer"))
    release, second = threading.Event(), Ear()

    def slow(task: Task) -> None:
        second.note(task)
        release.wait(SECONDS)

    chat.agent(slow, 1, concurrency_mode="unbounded")
    talk.say("question")
    try:
        second.wait_for("question")
        heard = second.wait_for("")  # although the first one is not answered
        assert heard.reply_to is not None and heard.reply_to.content == "my answer"
    finally:
        release.set()
