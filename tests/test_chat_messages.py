"""A task's history in the words of chat-completion clients, commands, and names as mentions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from arinova_agent_sync.chat_messages import chat_messages, check_given, command_in, mentions_in
from arinova_agent_sync.payload import HistoryMessage, Member, ReplyTo


def user(content: str) -> HistoryMessage:
    return HistoryMessage("user", content)


def agent(content: str, name: str | None = "Me") -> HistoryMessage:
    return HistoryMessage("agent", content, sender_agent_name=name)


@dataclass(frozen=True)
class Asked:
    content: str
    history: tuple[HistoryMessage, ...] = ()
    reply_to: ReplyTo | None = None
    conversation_type: str | None = "h2a"
    asked_before: str | None = None
    place: int | None = None


def short(task: Asked, name: str | None = "Me", first: str | None = None, **options: object) -> list[str]:
    """Return the messages as "role: content"."""
    messages = chat_messages(task, name, options.get("system"), options.get("limit"), first)  # type: ignore[arg-type]
    assert all(message.keys() == {"role", "content"} for message in messages)
    return [f"{message['role']}: {message['content']}" for message in messages]


class TestMessages:
    @pytest.mark.parametrize(
        ("task", "messages"),
        [
            (Asked("hi"), ["user: hi"]),
            (Asked(""), []),
            (Asked(" \n"), []),
            (
                Asked("and now?", (user("hi"), agent("hello"))),
                ["user: hi", "assistant: hello", "user: and now?"],
            ),
            # The March 2026 server sends the triggering message twice.
            (Asked("and now?", (agent("hello"), user("and now?"))), ["assistant: hello", "user: and now?"]),
            (Asked("[System Prompt]\nBe kind\n\n[User Message]\nhi", (user("hi"),)),
             ["user: [System Prompt]\nBe kind\n\n[User Message]\nhi"]),
            (Asked("hi", (user(" hi\n"),)), ["user: hi"]),
            (Asked("Paint a cat in oil", (user("//paint a cat"),)), ["user: Paint a cat in oil"]),
            (Asked("bye", (user("hi"),)), ["user: hi", "user: bye"]),
            (Asked("hi", (user("hi"), agent("hello"))), ["user: hi", "assistant: hello", "user: hi"]),
            # Other agents are on the user's side, by name.
            (Asked("go", (agent("I am Ann", "Ann"), agent("I am me"))),
             ["user: Ann: I am Ann", "assistant: I am me", "user: go"]),
            (Asked("go", (agent("somebody", None),)), ["assistant: somebody", "user: go"]),
            (Asked("go", (HistoryMessage("assistant", "a"), HistoryMessage("system", "s"),
                          HistoryMessage("tool", "t"))),
             ["assistant: a", "system: s", "user: t", "user: go"]),
            # Blank ones are of no use to any model.
            (Asked("go", (user(""), agent(" "), agent("a"))), ["assistant: a", "user: go"]),
            # To an agent that another agent's answer triggered the content is empty.
            (Asked("", (user("hi"), agent("I say", "Ann")), ReplyTo("agent", "I say", "Ann")),
             ["user: hi", "user: Ann: I say"]),
            (Asked("", (), ReplyTo("agent", "I say", "Ann")), ["user: Ann: I say"]),
            (Asked("", (agent("mine"),), ReplyTo("agent", "I say", "Ann")),
             ["assistant: mine", "user: Ann: I say"]),
            # It stands last and once, whatever came after it, and whole.
            (Asked("", (user("hi"), agent("I say", "Ann"), agent("mine")), ReplyTo("agent", "I say", "Ann")),
             ["user: hi", "assistant: mine", "user: Ann: I say"]),
            (Asked("", (agent("I say", "Ann"), agent("I say", "Bob"), agent("I say more", "Ann")),
                   ReplyTo("agent", "I say", "Ann")),
             ["user: Bob: I say", "user: Ann: I say more", "user: Ann: I say"]),
            (Asked("", (agent("ß" * 251, "Ann"), agent("mine")), ReplyTo("agent", "ß" * 250, "Ann")),
             ["assistant: mine", f"user: Ann: {'ß' * 251}"]),
            (Asked("", (user("hi"), agent("mine")), ReplyTo("agent", "mine", "Me")),
             ["user: hi", "assistant: mine", "user: mine"]),
            (Asked("go", (), ReplyTo("agent", "I say", "Ann")), ["user: go"]),
        ],
    )  # fmt: skip
    def test_table(self, task: Asked, messages: list[str]) -> None:
        assert short(task) == messages

    @pytest.mark.parametrize(
        ("task", "messages"),
        [
            # What waited in the queue has later messages and earlier answers behind it.
            (Asked("two", (user("one"), agent("1"), user("two"), user("three"))),
             ["user: one", "assistant: 1", "user: two"]),
            (Asked("three", (user("one"), agent("1"), user("two"), user("three"), agent("2"))),
             ["user: one", "assistant: 1", "user: two", "assistant: 2", "user: three"]),
            # A later text that is part of the one that is answered is no repetition of it.
            (Asked("is it ok?", (agent("1"), user("is it ok?"), user("ok"))),
             ["assistant: 1", "user: is it ok?"]),
            (Asked("ok", (agent("1"), user("is it ok?"), user("ok"), agent("yes"))),
             ["assistant: 1", "user: is it ok?", "assistant: yes", "user: ok"]),
            (Asked("is it ok?", (user("ok"), agent("1"), user("it is"))),
             ["user: ok", "assistant: 1", "user: it is", "user: is it ok?"]),
            # The same text twice: the first that no answer of ours follows; in a group the last there is.
            (Asked("go", (user("go"), agent("1"), user("go"), user("go"))),
             ["user: go", "assistant: 1", "user: go"]),
            (Asked("go", (user("go"), agent("1"), user("go"), user("x"), user("go")), None, "group"),
             ["user: go", "assistant: 1", "user: go", "user: x", "user: go"]),
            (Asked("go", (user("x"), user("go"), agent("X"))), ["user: x", "assistant: X", "user: go"]),
            (Asked("go", (user("x"), user("go"), agent("X"), user("go"))), ["user: x", "assistant: X", "user: go"]),
            (Asked("go", (user("go"), agent("1"), user("x"), agent("X"))),
             ["user: go", "assistant: 1", "user: x", "assistant: X", "user: go"]),
            # Another agent's message, which has no replyTo if it answered nothing.
            (Asked("by the way", (user("hi"), agent("by the way", "Ann")), None, "group"),
             ["user: hi", "user: by the way"]),
            (Asked("mine", (user("hi"), agent("mine")), None, "group"),
             ["user: hi", "assistant: mine", "user: mine"]),
            # A text with NUL leaves no row.
            (Asked("hi\0", (user("hi"),)), ["user: hi", "user: hi\0"]),
            # What the server puts around it.
            (Asked("look\n\n[Attachment: a](/a)", (user("look"), user("a"))),
             ["user: look\n\n[Attachment: a](/a)"]),
            (Asked("[Attachment: a](/a)", (user("x"), agent("X"), user(""), user("a"))),
             ["user: x", "assistant: X", "user: [Attachment: a](/a)"]),
            (Asked('[UNTRUSTED_USER_MESSAGE sender="b" senderId="1"]\nhi\n[/UNTRUSTED_USER_MESSAGE]',
                   (user("hi"), user("more"))),
             ['user: [UNTRUSTED_USER_MESSAGE sender="b" senderId="1"]\nhi\n[/UNTRUSTED_USER_MESSAGE]']),
            (Asked("[Agent Memory Context]\nlikes cats\n\nis it ok?", (user("is it ok?"), user("ok?"))),
             ["user: [Agent Memory Context]\nlikes cats\n\nis it ok?"]),
            (Asked("Paint a cat", (user("//paint a dog"), agent("dog"), user("//paint a cat"), user("a"))),
             ["user: //paint a dog", "assistant: dog", "user: Paint a cat"]),
        ],
    )  # fmt: skip
    def test_what_is_answered_stands_last_and_once(self, task: Asked, messages: list[str]) -> None:
        assert short(task, first=None) == messages

    @pytest.mark.parametrize(
        ("content", "before", "texts", "messages"),
        [
            ("ok", 1, ["ok", "x", "ok"], ["ok", "x", "ok"]),  # of which the first two were dismissed
            ("ok", None, ["ok", "x", "ok"], ["ok"]),
            ("bye", 0, ["same", "bye", "same", "=S", "=S"], ["same", "=S", "=S", "bye"]),
            ("same", 0, ["=H", "same", "same", "bye"], ["=H", "same"]),  # it was asked before, and again
            (
                "go",
                5,
                ["go", "=1", "go"],
                ["go", "=1", "go"],
            ),  # that was not asked before: what is known is wrong
            ("lost", 1, ["a", "b", "=B"], ["a", "b", "=B", "lost"]),
            # Too much was said behind it, so that it is not there any more; all of that came later.
            ("lost", 0, ["a", "c", "d", "=A", "e"], ["a", "=A", "lost"]),
        ],
    )
    @pytest.mark.parametrize("known", ["2026-03-01 10:00:0{}.25", "2026-03-01T10:00:0{}.250Z"])
    def test_what_was_asked_before_tells_which_of_several_it_is(
        self, content: str, before: int | None, texts: list[str], messages: list[str], known: str
    ) -> None:
        history = tuple(
            HistoryMessage(
                "agent" if text.startswith("=") else "user", text, f"2026-03-01 10:00:0{place}.250"
            )
            for place, text in enumerate(texts)
        )
        asked = Asked(content, history, None, "h2a", None if before is None else known.format(before))
        assert [each.partition(": ")[2] for each in short(asked)] == messages

    def test_the_server_may_say_where_it_stands(self) -> None:
        history = (user("a"), user("go"), user("b"), agent("B"), user("go"))
        assert short(Asked("go", history, place=1)) == ["user: a", "assistant: B", "user: go"]

    def test_without_a_name_every_agent_is_the_assistant(self) -> None:
        assert short(Asked("go", (agent("a", "Ann"),)), None) == ["assistant: a", "user: go"]

    @pytest.mark.parametrize(
        ("options", "messages"),
        [
            ({"limit": 1}, ["user: d"]),
            ({"limit": 2}, ["assistant: c", "user: d"]),
            ({"limit": 4}, ["user: a", "user: b", "assistant: c", "user: d"]),
            ({"limit": 1_000_000}, ["user: a", "user: b", "assistant: c", "user: d"]),
            ({"system": "S"}, ["system: S", "user: a", "user: b", "assistant: c", "user: d"]),
            ({"system": "S", "limit": 2}, ["system: S", "assistant: c", "user: d"]),
            ({"system": "", "limit": 1}, ["system: ", "user: d"]),
        ],
    )
    def test_system_and_limit(self, options: dict[str, object], messages: list[str]) -> None:
        task = Asked("d", (user("a"), user("b"), agent("c")))
        assert short(task, **options) == messages

    @pytest.mark.parametrize(
        ("history", "limit", "messages"),
        [
            ((agent("welcome"), user("a"), agent("b")), None, ["user: a", "assistant: b", "user: d"]),
            ((agent("welcome"),), None, ["user: d"]),
            ((HistoryMessage("system", "s"), agent("welcome")), None, ["system: s", "user: d"]),
            ((agent("welcome", "Ann"), agent("b")), None, ["user: Ann: welcome", "assistant: b", "user: d"]),
            ((user("a"), agent("b")), 2, ["user: d"]),
        ],
    )
    def test_the_user_comes_first_unless_that_is_not_wanted(
        self, history: tuple[HistoryMessage, ...], limit: int | None, messages: list[str]
    ) -> None:
        asked = Asked("d", history)
        assert short(asked, first="user", limit=limit) == messages
        kept = chat_messages(asked, "Me", None, limit, None)
        assert len(kept) == min(len(history) + 1, limit or 9)
        assert chat_messages(asked, "Me", None, limit) == chat_messages(asked, "Me", None, limit, "user")

    @pytest.mark.parametrize(
        ("options", "kind", "says"),
        [
            ({"first": "assistant"}, ValueError, '^first must be "user" or None'),
            ({"limit": 0}, ValueError, "^limit must be from 1 "),
            ({"limit": -1}, ValueError, "^limit must be from 1 "),
            ({"limit": 1.5}, TypeError, "^limit must be an int, not float$"),
            ({"limit": True}, TypeError, "^limit must be an int, not bool$"),
            ({"system": 5}, TypeError, "^system must be a str, not int$"),
            ({"system": ["S"]}, TypeError, "^system must be a str, not list$"),
            ({"attachments": "gemini"}, ValueError, "^attachments must be "),
        ],
    )
    def test_wrong_options(self, options: dict[str, object], kind: type[Exception], says: str) -> None:
        with pytest.raises(kind, match=says):
            check_given(**{"system": None, "limit": None, "first": None, "attachments": None, **options})  # type: ignore[arg-type]


class TestCommands:
    @pytest.mark.parametrize(
        ("content", "found"),
        [
            ("/draw a cat", ("draw", "a cat")),
            ("/draw", ("draw", "")),
            ("/draw ", ("draw", "")),
            ("/draw\n\n a\ncat \n", ("draw", "a\ncat")),
            ("/Draw-It_2 x", ("draw-it_2", "x")),
            ("／draw a cat", ("draw", "a cat")),
            ("/ｄｒａｗ a cat", ("draw", "a cat")),
            ("/STRASSE x", ("strasse", "x")),
            ("/straße x", ("strasse", "x")),
            ("/draw@Me a cat", ("draw", "a cat")),
            ("/draw@ＭＥ", ("draw", "")),
            ("/draw＠me\na cat", ("draw", "a cat")),
            ("/draw@Other a cat", (None, "")),
            ("/draw@Mel a cat", (None, "")),
            ("／／draw a cat", (None, "")),
            ("/zeichne 猫", ("zeichne", "猫")),
            ("/draw /other", ("draw", "/other")),
            ("draw a cat", (None, "")),
            (" \n/draw a cat", ("draw", "a cat")),
            ("say /draw", (None, "")),
            ("/", (None, "")),
            ("/ draw", (None, "")),
            ("//draw a cat", (None, "")),
            ("/usr/bin/python", (None, "")),
            ("", (None, "")),
        ],
    )
    def test_table(self, content: str, found: tuple[str | None, str]) -> None:
        assert command_in(Asked(content), "Me") == found
        assert command_in(Asked(content, (user(content),)), "Me") == found

    @pytest.mark.parametrize(
        ("content", "last", "found"),
        [
            ("[System Prompt]\nBe kind\n\n[User Message]\n/draw a cat", user("/draw a cat"), ("draw", "a cat")),
            ('[UNTRUSTED_USER_MESSAGE sender="bob" senderId="1"]\n/draw it\n[/UNTRUSTED_USER_MESSAGE]',
             user("/draw it"), ("draw", "it")),
            ("hello", user("/draw a cat"), (None, "")),  # an earlier message
            ("", user("/draw a cat"), (None, "")),
            ("as /draw a cat says", agent("/draw a cat"), (None, "")),
            ("/say hi", user("/draw /say hi"), ("say", "hi")),
        ],
    )  # fmt: skip
    def test_in_what_was_typed_before_the_server_decorated_it(
        self, content: str, last: HistoryMessage, found: tuple[str | None, str]
    ) -> None:
        assert command_in(Asked(content, (user("/first"), last)), "Me") == found

    @pytest.mark.parametrize(("name", "arguments"), [("Draw Bot", "a cat"), (None, "bot a cat")])
    def test_the_name_may_have_blanks_if_it_is_known(self, name: str | None, arguments: str) -> None:
        assert command_in(Asked("/draw@draw bot a cat"), name) == ("draw", arguments)

    def test_of_two_that_waited_each_has_its_own_arguments(self) -> None:
        history = (user("one"), agent("1"), user("/draw a cat"), user("/draw"))
        head = "[System Prompt]\nBe kind\n\n[User Message]\n"
        assert command_in(Asked(f"{head}/draw a cat", history), "Me") == ("draw", "a cat")
        assert command_in(Asked(f"{head}/draw", (*history, agent("a cat!"))), "Me") == ("draw", "")

    def test_a_long_text_takes_no_time(self) -> None:
        assert command_in(Asked("/" + "a" * 1_000_000 + "/"), "Me") == (None, "")
        assert command_in(Asked("/a" + " " * 1_000_000), "Me") == ("a", "")


MEMBERS = [
    Member("1", "Ann"),
    Member("2", "Ann Lee"),
    Member("3", "C++"),
    Member("4", "ÖTZI"),
    Member("5", "Bob.Jr"),
    Member("6", "ann"),  # whom nobody can name, since Ann came first
]


class TestMentions:
    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("", []),
            ("Ann", []),
            ("@Ann", ["1"]),
            ("hello @Ann!", ["1"]),
            ("@ann and @ANN", ["1"]),
            ("@Ann Lee", ["2"]),
            ("@ann lee, @Ann", ["2", "1"]),
            ("@Ann Leeds", ["1"]),
            ("@Anna", []),
            ("@Ann_", []),
            ("@Ann's", ["1"]),
            ("mail@Ann", []),
            ("(@Ann)", ["1"]),
            ("@@Ann", ["1"]),
            ("@C++", ["3"]),
            ("@C", []),
            ("@ötzi", ["4"]),
            ("@O\u0308TZI", ["4"]),
            ("＠Ａｎｎ", ["1"]),
            ("@Bob.Jr.", ["5"]),
            ("@BobxJr", []),
            ("@Nobody @Ann\n@C++ @Ann Lee", ["1", "3", "2"]),
            ("@", []),
        ],
    )
    def test_table(self, text: str, ids: list[str]) -> None:
        assert mentions_in(text, MEMBERS) == ids

    def test_nobody_is_there(self) -> None:
        assert mentions_in("@Ann", []) == []
