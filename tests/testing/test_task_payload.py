"""What run_task is given becomes a task like the server's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from arinova_agent_sync import ArinovaError, HistoryMessage, Member, Reply, ReplyTo, Task
from arinova_agent_sync.testing import run_task


def task_of(**given: Any) -> Task:
    """Return the task that a handler gets."""
    tasks: list[Task] = []
    assert run_task(lambda task: tasks.append(task) or "done", **given).status == "completed"
    return tasks[0]


def test_a_plain_message() -> None:
    task = task_of(content="hello", sender_username="ann")
    assert (task.content, task.conversation_type, task.sender_username) == ("hello", "h2a", "ann")
    assert task.conversation_id is not None
    assert task.user_message_id is not None
    assert task.task_kind is task.reply_to is None
    assert (task.members, task.attachments, task.available_skills) == ((), (), ())
    assert [message.content for message in task.history] == ["hello"]  # as on the server
    assert task_of().task_id != task_of().task_id


@pytest.mark.parametrize(
    "message",
    [
        HistoryMessage("agent", "earlier", sender_agent_name="Bob"),
        {"role": "agent", "content": "earlier", "sender_agent_name": "Bob"},
        {"role": "agent", "content": "earlier", "senderAgentName": "Bob"},
    ],
)
def test_each_form_of_a_history(message: HistoryMessage | Mapping[str, str]) -> None:
    first, second, last = task_of(content="now", history=[("user", "first"), message]).history
    assert (first.role, first.content) == ("user", "first")
    assert (second.role, second.content, second.sender_agent_name) == ("agent", "earlier", "Bob")
    assert last.content == "now"
    assert first.created_at is not None and last.created_at is not None
    assert first.created_at < last.created_at


def test_a_group() -> None:
    def handler(task: Task) -> Reply:
        return Reply("@Bob, you?", mentions=task.mentions_in("@Bob and @Zoe"))

    transcript = run_task(handler, members=["Bob", Member("z-1", "Zoe")], agent_name="Ann")
    assert transcript.mentions == ("id-of-Bob", "z-1")
    task = task_of(members=["Bob"], agent_name="Ann")
    assert task.conversation_type == "group"
    assert [member.agent_name for member in task.members] == ["Ann", "Bob"]
    assert task_of(conversation_type="community", agent_name="Ann").members[0].agent_name == "Ann"
    assert [member.agent_name for member in task_of(members=["Bob", "Agent"]).members] == ["Bob", "Agent"]


@pytest.mark.parametrize(
    "reply_to", ["what?", ReplyTo("agent", "what?"), {"role": "agent", "content": "what?"}]
)
def test_a_reply(reply_to: Any) -> None:
    assert task_of(reply_to=reply_to).reply_to == ReplyTo("agent", "what?")


def test_a_wakeup_has_no_conversation() -> None:
    task = task_of(task_kind="cron_wakeup", extra={"jobId": "j1"})
    assert (task.task_kind, task.conversation_id, task.history) == ("cron_wakeup", None, ())
    assert task.raw["jobId"] == "j1"
    transcript = run_task(lambda task: str(task.fetch_history()), task_kind="trigger")
    assert isinstance(transcript.exception, ArinovaError)
    assert "not bound to a conversation" in transcript.text


def test_what_extra_holds_wins() -> None:
    skills = [{"slug": "draw", "name": "Draw", "slashCommand": "draw", "description": "draws"}]
    task = task_of(content="hi", extra={"availableSkills": skills, "senderUserId": "u-7"})
    assert task.available_skills[0].slug == "draw"
    assert task.sender_user_id == "u-7"


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"history": "hello"}, TypeError, "history must be a list of messages, not str"),
        ({"history": ["hello"]}, TypeError, r"history\[0\] must be a HistoryMessage"),
        ({"history": [("user", 7)]}, TypeError, r"history\[0\]\['content'\] must be a str"),
        ({"history": [{"role": "user"}]}, ValueError, r"history\[0\] has no 'content'"),
        (
            {"history": [{"role": "user", "text": "hi"}]},
            ValueError,
            r"history\[0\] has the unknown key 'text'",
        ),
        ({"members": "Bob"}, TypeError, "members must be a list of names or Members, not str"),
        ({"members": [7]}, TypeError, r"members\[0\] must be a name or a Member, not int"),
        ({"reply_to": 7}, TypeError, "reply_to must be a str, a ReplyTo or a dict"),
        ({"task_kind": "cron"}, ValueError, "task_kind must be one of 'cron_wakeup', 'trigger'"),
        ({"sender_username": ""}, ValueError, "sender_username must not be empty"),
        ({"agent_name": None}, TypeError, "agent_name must be a str"),
        ({"conversation_type": 7}, TypeError, "conversation_type must be a str"),
        ({"extra": {"taskId": "t"}}, ValueError, "extra must not contain 'taskId'"),
        ({"extra": {"when": {1}}}, TypeError, r"extra\['when'\] must be a JSON value, not set"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        run_task(lambda task: "never", "hi", **wrong)
