"""What a task brings along: values of the wrong type count as absent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from arinova_agent_sync import payload
from arinova_agent_sync.action_results import ActionCallResult, ActionConfirmation, ActionFailure
from arinova_agent_sync.attachments import Attachment
from arinova_agent_sync.payload import AvailableSkill, HistoryMessage, Member, ReplyTo

ODD = [None, True, 0, 5, -1.5, 10**400, [], ["a"], {}, {"a": {}}]  # no string among them


def attachments(values: payload.Payload) -> tuple[Attachment, ...]:
    return payload.attachments(values, lambda: pytest.fail("nothing is fetched yet"))


class TestLists:
    @pytest.mark.parametrize(
        ("read", "key", "sent", "expected"),
        [
            (payload.members, "members", {"agentId": "a1", "agentName": "Ann"}, Member("a1", "Ann")),
            (payload.members, "members", {"agentId": "a1", "agentName": "Ann", "role": 1}, Member("a1", "Ann")),
            (
                payload.history,
                "history",
                {"role": "agent", "content": "hi", "createdAt": "2026-03-01 10:00:00.5", "senderAgentName": "Ann"},
                HistoryMessage("agent", "hi", "2026-03-01 10:00:00.5", "Ann"),
            ),
            (
                payload.history,
                "history",
                {"role": "user", "content": "", "senderUsername": "bob"},
                HistoryMessage("user", "", None, None, "bob"),
            ),
            (
                payload.history,
                "history",
                {"role": "user", "content": "hi", "createdAt": 5, "senderAgentName": None, "senderUsername": []},
                HistoryMessage("user", "hi"),
            ),
            (
                attachments,
                "attachments",
                {"id": "f1", "fileName": "a.png", "fileType": "image/png", "fileSize": 5, "url": "/uploads/a.png"},
                Attachment("f1", "a.png", "image/png", 5, "/uploads/a.png"),
            ),
            (
                attachments,
                "attachments",
                {"url": "https://files/a", "fileSize": "5", "id": 1, "fileType": None},
                Attachment("", "", "application/octet-stream", 0, "https://files/a"),
            ),
            (attachments, "attachments", {"url": "u", "fileSize": True},
             Attachment("", "", "application/octet-stream", 0, "u")),
            (
                payload.available_skills,
                "availableSkills",
                {"slug": "draw", "name": "Draw", "slashCommand": "/draw", "description": "Draws"},
                AvailableSkill("draw", "Draw", "Draws", "/draw"),
            ),
            (
                payload.available_skills,
                "availableSkills",
                {"slug": "draw", "name": None, "slashCommand": None, "description": 5},
                AvailableSkill("draw", "draw", "", None),
            ),
        ],
    )  # fmt: skip
    def test_items(
        self, read: Callable[[payload.Payload], object], key: str, sent: object, expected: object
    ) -> None:
        assert read({key: [sent]}) == (expected,)
        assert read({key: [None, sent, "text", [], 5, sent]}) == (expected, expected)

    @pytest.mark.parametrize(
        ("read", "key", "broken"),
        [
            (payload.members, "members", [{"agentName": "Ann"}, {"agentId": "a1"},
                                         {"agentId": "", "agentName": "A"},
                                         {"agentId": "a1", "agentName": 5}]),
            (payload.history, "history", [{"content": "hi"}, {"role": "user"}, {"role": 5, "content": "hi"},
                                         {"role": "user", "content": ["hi"]}]),
            (attachments, "attachments", [{"id": "f1"}, {"url": ""}, {"url": 5}]),
            (payload.available_skills, "availableSkills", [{"name": "Draw"}, {"slug": ""}, {"slug": ["draw"]}]),
        ],
    )  # fmt: skip
    def test_items_without_what_matters_are_left_out(
        self, read: Callable[[payload.Payload], object], key: str, broken: list[object]
    ) -> None:
        assert read({key: broken}) == ()

    @pytest.mark.parametrize("value", [*ODD, "text"], ids=repr)
    def test_no_list(self, value: object) -> None:
        assert payload.members({"members": value}) == payload.members({}) == ()
        assert payload.history({"history": value}) == payload.history({}) == ()
        assert attachments({"attachments": value}) == attachments({}) == ()
        assert payload.available_skills({"availableSkills": value}) == payload.available_skills({}) == ()


class TestReplyTo:
    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ({"role": "user", "content": "hi", "senderAgentName": None}, ReplyTo("user", "hi")),
            ({"role": "agent", "content": "hi", "senderAgentName": "Ann"}, ReplyTo("agent", "hi", "Ann")),
            (
                {
                    "role": "agent",
                    "content": "hi",
                    "id": "m1",
                    "senderAgentId": "a1",
                    "senderUsername": "bob",
                },
                ReplyTo("agent", "hi", None, "m1", "a1", "bob"),
            ),
            ({}, ReplyTo("", "")),
            (
                dict.fromkeys(["role", "content", "senderAgentName", "id", "senderAgentId"], 5),
                ReplyTo("", ""),
            ),
        ],
    )
    def test_table(self, sent: object, expected: ReplyTo) -> None:
        assert payload.reply_to({"replyTo": sent}) == expected

    @pytest.mark.parametrize("value", [None, True, 5, "text", [], [{"role": "user"}]], ids=repr)
    def test_none(self, value: object) -> None:
        assert payload.reply_to({"replyTo": value}) is None
        assert payload.reply_to({}) is None


@pytest.mark.parametrize(
    "value",
    [
        Member("a1", "Ann"),
        ReplyTo("user", "hi"),
        HistoryMessage("user", "hi"),
        AvailableSkill("draw", "Draw"),
        Attachment("f1", "a", "b", 5, "u"),
        ActionFailure("a", "b"),
        ActionConfirmation("a"),
        ActionCallResult("c", "a", "success"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_they_are_frozen(value: object) -> None:
    for name in ("id", "role", "agent_id", "slug", "code", "confirmation_id", "call_id", "new"):
        with pytest.raises(AttributeError):
            setattr(value, name, "x")
