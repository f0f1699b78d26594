"""What an agent is told with a message, what it may say by itself, and what the server makes of texts."""

from __future__ import annotations

import pytest

from arinova_agent_sync import Skill, Task

from .chat import Answer, Chat, Talk


class Kept:
    """A handler that keeps its tasks."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def __call__(self, task: Task) -> str:
        self.tasks.append(task)
        return f"answer {len(self.tasks)}"


def ask(chat: Chat, *texts: str, **options: object) -> tuple[Talk, list[Task], list[Answer]]:
    """Say these one after the other; return the tasks that the agent got and its answers."""
    kept = Kept()
    chat.agent(kept, **options)
    talk = chat.talk()
    answers = [talk.ask(text) for text in texts]
    return talk, kept.tasks, answers


class TestHistory:
    def test_it_tells_what_was_said_before(self, chat: Chat) -> None:
        _, (_, second), _ = ask(chat, "first", "second")
        assert second.messages()[-3:] == [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "answer 1"},
            {"role": "user", "content": "second"},
        ]

    def test_it_ends_with_the_message_itself(self, chat: Chat) -> None:
        _, (first, second), _ = ask(chat, "first", "second")
        assert [task.history[-1].content for task in (first, second)] == ["first", "second"]
        assert [task.history[-1].role for task in (first, second)] == ["user", "user"]

    def test_it_is_short(self, chat: Chat) -> None:
        _, tasks, _ = ask(chat, "a", "b", "c", "d")
        assert [message.content for message in tasks[-1].history] == ["b", "answer 2", "c", "answer 3", "d"]

    def test_errors_are_in_it(self, chat: Chat) -> None:
        kept = Kept()

        def handle(task: Task) -> str:
            if task.content == "fail":
                raise ValueError("went wrong")
            return kept(task)

        chat.agent(handle)
        talk = chat.talk()
        assert [talk.ask("fail").status, talk.ask("and now?").status] == ["error", "completed"]
        assert kept.tasks[0].history[-2].content == "went wrong"

    def test_dismissed_answers_are_not(self, chat: Chat) -> None:
        kept = Kept()
        chat.agent(lambda task: task.dismiss() if task.content == "hush" else kept(task))
        talk = chat.talk()
        assert [talk.ask("hush").status, talk.ask("and now?").status] == ["dismissed", "completed"]
        assert [message.content for message in kept.tasks[0].history[-2:]] == ["hush", "and now?"]

    def test_the_rest_can_be_fetched(self, chat: Chat) -> None:
        fetched: list[str] = []

        def handle(task: Task) -> str:
            fetched[:] = [message.content or "" for message in task.fetch_history(limit=20).items]
            return "done"

        chat.agent(handle)
        talk = chat.talk()
        for text in ("a", "b", "c", "d", "e"):
            talk.ask(text)
        own = [text for text in fetched if text not in ("done", "")]  # the row of the answer is there already
        assert own[-5:] == ["a", "b", "c", "d", "e"]

    def test_a_model_can_be_given_more_of_it(self, chat: Chat) -> None:
        asked: list[list[str]] = []

        def handle(task: Task) -> str:
            asked.append([message["content"] for message in task.messages(limit=7)])
            return f"answer {task.content}"

        chat.agent(handle)
        talk = chat.talk()
        for text in ("a", "b", "c", "d", "e"):
            talk.ask(text)
        assert asked[-1] == ["b", "answer b", "c", "answer c", "d", "answer d", "e"]

    def test_no_more_of_it_than_there_is(self, chat: Chat) -> None:
        asked: list[list[str]] = []

        def handle(task: Task) -> str:
            asked.append([message["content"] for message in task.messages(limit=500)][-3:])
            return f"answer {task.content}"

        chat.agent(handle)
        talk = chat.talk()
        for text in ("a", "b"):
            talk.ask(text)
        assert asked == [asked[0], ["a", "answer a", "b"]] and asked[0][-1] == "a"

    def test_a_greeting_does_not_begin_the_messages(self, chat: Chat) -> None:
        chat.driver.special("a conversation that is empty")
        kept = Kept()
        agent = chat.agent(kept)
        talk = chat.talk()
        agent.send_message(talk.id, "Welcome!")
        assert talk.answer().ended == ("agent_send", "Welcome!")
        talk.ask("hi")
        assert kept.tasks[0].messages() == [{"role": "user", "content": "hi"}]
        assert kept.tasks[0].messages(first=None)[0] == {"role": "assistant", "content": "Welcome!"}


class TestTask:
    def test_it_says_where_and_by_whom(self, chat: Chat) -> None:
        talk, (task,), (answer,) = ask(chat, "hello")
        assert (task.conversation_id, task.task_id) == (talk.id, answer.message_id)
        assert task.conversation_type in ("h2a", "direct") and task.sender_user_id and task.sender_username
        assert (task.members, task.reply_to, task.task_kind) == ((), None, None)

    def test_it_quotes_what_is_replied_to(self, chat: Chat) -> None:
        kept = Kept()
        chat.agent(kept)
        talk = chat.talk()
        first = talk.ask("one")
        talk.ask("about that", reply_to=first.message_id)
        quoted = kept.tasks[1].reply_to
        assert quoted is not None and (quoted.role, quoted.content) == ("agent", "answer 1")
        assert quoted.sender_agent_name == chat.driver.name(0)

    def test_attachments_come_with_their_lines(self, chat: Chat) -> None:
        server = chat.driver.special("an upload by the user")
        kept = Kept()
        chat.agent(kept)
        talk = chat.talk()
        place = next(each for each in server.conversations if each.id == talk.id)
        file = {"id": "1", "fileName": "a.txt", "fileType": "text/plain", "fileSize": 3, "url": "/uploads/a"}
        for text in ("look", ""):
            place.say(text, attachments=[file])
            talk.answer()
        line = "[Attachment: a.txt](/uploads/a)"
        assert [task.content for task in kept.tasks] == [f"look\n\n{line}", line]
        assert [task.attachments[0].file_name for task in kept.tasks] == ["a.txt", "a.txt"]
        assert kept.tasks[0].messages()[-1:] == [{"role": "user", "content": f"look\n\n{line}"}]

    def test_a_file_of_the_agents_has_an_address(self, chat: Chat) -> None:
        def handle(task: Task) -> str:
            return task.upload_file(b"a,b\n", file_name="table.csv", mime_type="text/csv").url or ""

        chat.agent(handle)
        answer = chat.talk().ask("a table, please")
        assert answer.status == "completed" and "/" in answer.text and answer.text.endswith(".csv")


class TestTexts:
    @pytest.mark.parametrize(
        "text", ["  blanks around  ", "two\nlines", "😀 é 你好", "a < b & c", "x" * 5_000]
    )
    def test_they_arrive_as_typed(self, chat: Chat, text: str) -> None:
        _, (task,), _ = ask(chat, text)
        assert task.content == text

    def test_scripts_are_cut_out(self, chat: Chat) -> None:
        _, (task,), _ = ask(chat, "a<script>alert(1)</script>b")
        assert (task.content, task.history[-1].content) == ("ab", "ab")

    def test_an_empty_one_is_nothing(self, chat: Chat) -> None:
        kept = Kept()
        chat.agent(kept)
        talk = chat.talk()
        talk.say("")
        talk.ask("something")
        assert [task.content for task in kept.tasks] == ["something"]

    def test_one_with_nul_is_answered_and_not_kept(self, chat: Chat) -> None:
        _, (first, second), _ = ask(chat, "a\0b", "next")
        assert first.content == "a\0b"
        assert [message.content for message in second.history[-2:]] == ["answer 1", "next"]
        assert first.messages()[-1] == {"role": "user", "content": "a\0b"}


class TestCommands:
    @pytest.mark.parametrize("typed", ["/draw a cat", "/DRAW a cat", "／draw a cat", "  /draw a cat"])
    def test_they_reach_their_handler(self, chat: Chat, typed: str) -> None:
        agent = chat.offline_agent(skills=[Skill("draw", "Draw", "Draws something")])
        agent.on_command("draw", lambda task: f"drew {task.arguments}")
        agent.connect()
        assert chat.talk().ask(typed).text == "drew a cat"

    def test_others_are_texts(self, chat: Chat) -> None:
        agent = chat.agent()
        agent.on_command("draw", lambda task: "drawn")
        assert chat.talk().ask("/paint a cat").text == "you said /paint a cat"

    def test_an_installed_skill_becomes_its_prompt(self, chat: Chat) -> None:
        server = chat.driver.special("a skill of the platform")
        server.owner.install_skill("shout", "Say $ARGUMENTS loudly.")
        _, (task,), _ = ask(chat, "//shout hello")
        assert (task.content, task.history[-1].content) == ("Say hello loudly.", "//shout hello")
        assert task.messages() == [{"role": "user", "content": "Say hello loudly."}]
        assert [skill.slug for skill in task.available_skills] == ["shout"]


class TestUnasked:
    def test_a_message_over_the_socket(self, chat: Chat) -> None:
        agent = chat.agent()
        talk = chat.talk()
        agent.send_message(talk.id, "by the way ")
        assert talk.answer().ended == ("agent_send", "by the way ")

    def test_a_message_over_http(self, chat: Chat) -> None:
        agent = chat.offline_agent()
        talk = chat.talk()
        agent.api.messages.send(talk.id, " by the way ")
        assert talk.answer().ended == ("agent_send", "by the way")

    def test_it_may_come_in_the_middle_of_an_answer(self, chat: Chat) -> None:
        def handle(task: Task):
            yield "first "
            agent.send_message(task.conversation_id, "an aside")
            yield "second"

        agent = chat.agent(handle)
        talk = chat.talk().say("go")
        answer = talk.started()
        assert talk.answer().ended == ("agent_send", "an aside")
        assert answer.end().text == "first second"
