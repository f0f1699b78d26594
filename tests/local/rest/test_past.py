"""LocalServer(data=...): what the next server with the file knows again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.local import LocalServer

from ..conftest import Connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


def make(path: Path, **options: object) -> LocalServer:
    return LocalServer(data=path, duplicate_window=0, **options)  # type: ignore[arg-type]


class TestAgents:
    def test_are_taken_up_again_by_their_names(self, path: Path) -> None:
        with make(path) as first:
            bobs = [first.add_agent("Bob"), first.add_agent("Bob", token="ari_bob")]
        with make(path) as second:
            assert second.agent == first.agent
            assert second.agents == [first.agent]
            assert [second.add_agent("Bob", token="ari_bob"), second.add_agent("Bob")] == bobs[::-1]
            assert second.agents == [first.agent, *bobs[::-1]]
            assert second.add_agent("Bob") not in bobs

    def test_may_be_others_the_next_time(self, path: Path) -> None:
        with make(path, agent_name="Ada") as first:
            pass
        with make(path, agent_name="Bob") as second:
            assert second.agents == [second.agent]
            assert second.agent.token != first.agent.token
            with pytest.raises(ValueError, match="another agent already: 'Ada'"):
                second.add_agent("Cyd", token=first.agent.token)

    def test_may_listen_differently_the_next_time(self, path: Path, connect: Connect) -> None:
        with make(path) as first:
            first.add_agent("Bob", listen_mode="muted")
            first.conversation(type="group")
        for _ in range(2):  # the third server knows what the second was told
            with make(path) as later:
                bob = later.add_agent("Bob", listen_mode="allowed_users", allowed_users=["ann"])
                assert (bob.listen_mode, bob.allowed_users) == ("allowed_users", ("ann",))
                listening = connect(bob, to=later)
                [group] = later.conversations
                group.say("hello Bob", sender="ann", wait_for_agent=0)
                assert listening.task()["content"] == "hello Bob"

    def test_are_kept_from_before_the_start(self, path: Path) -> None:
        first = make(path)
        bob = first.add_agent("Bob")
        first.start().stop()
        with make(path) as second:
            assert second.add_agent("Bob") == bob


class TestConversations:
    def test_are_there_with_their_messages(self, path: Path, connect: Connect) -> None:
        with make(path) as first:
            raw = connect(to=first)
            place = first.conversation()
            attached = [
                {"id": "a1", "fileName": "x.txt", "fileType": "text/plain", "fileSize": 1, "url": "/x"}
            ]
            reply = place.say("hi", sender="ann", attachments=attached)
            raw.complete(raw.task(), "hello")
            assert reply.wait(5) == "completed"
            place.say("again", reply_to=reply)
            raw.complete(raw.task(), " ")  # a blank answer is none
            raw.synchronise()
            group = first.conversation(type="group")
        with make(path) as second:
            assert [(each.id, each.type) for each in second.conversations] == [
                (place.id, "h2a"),
                (group.id, "group"),
            ]
            assert second.conversations[0].members == (second.agent,)
            assert second.conversations[0].messages == place.messages
            assert [row.content for row in place.messages] == ["hi", "hello", "again"]

    def test_go_on(self, path: Path, connect: Connect, client_of) -> None:
        with make(path) as first:
            place = first.conversation().id
            client_of(first).messages.send(place, "one")
        with make(path) as second:
            raw = connect(to=second)
            [conversation] = second.conversations
            conversation.say("two")
            assert [past["content"] for past in raw.task()["history"]] == ["one", "two"]
            assert [row.seq for row in conversation.messages] == [1, 2, 3]
            history = client_of(second).messages.history(place).page.items
            assert [message.content for message in history] == ["one", "two", ""]

    def test_have_the_same_people(self, path: Path) -> None:
        def senders(server: LocalServer) -> list[str | None]:
            place = server.conversation()
            for who in (None, "ann"):
                place.say("hi", sender=who, wait_for_agent=0)
            return [row.sender_user_id for row in place.messages if row.role == "user"]

        with make(path) as first:
            before = senders(first)
        with make(path) as second:
            assert senders(second) == before

    def test_an_answer_that_was_cut_off_is_an_error(self, path: Path, connect: Connect) -> None:
        with make(path) as first:
            raw = connect(to=first)
            reply = first.conversation().say("hi")
            raw.chunk(raw.task(), "half")
            assert reply.wait_for_text("half")
        with make(path) as second:
            row = second.conversations[0].messages[-1]
            assert (row.status, row.content) == ("error", "Stream interrupted by server restart")

    def test_odd_texts_cost_nothing_but_themselves(self, path: Path) -> None:
        with make(path, agent_name="A\ud800") as first:
            place = first.conversation()
            place.say("\0 \udfff", sender="x\ud800", wait_for_agent=0)
            place.say("\udfff", wait_for_agent=0)
        with make(path) as second:
            # As on a real server, no row is made of a text with NUL, but everybody hears of it.
            assert [row.content for row in second.conversations[0].messages] == [
                "**A?** is not connected yet. Start the agent and try again.",
                "?",
                "**A?** is not connected yet. Start the agent and try again.",
            ]

    def test_what_is_forgotten_is_gone_from_the_file(self, path: Path) -> None:
        with make(path) as first:
            first.conversation().say("hi", wait_for_agent=0)
            first.forget()
        with make(path) as second:
            assert second.conversations[0].messages == []


@pytest.mark.slow
def test_a_server_that_ends_without_a_stop_loses_nothing(path: Path, client_of) -> None:
    program = """
import os, sys
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer
server = LocalServer(data=sys.argv[1]).start()
place = server.conversation()
with ArinovaClient(server_url=server.url, bot_token=server.bot_token) as client:
    client.messages.send(place.id, "still here?")
    client.files.upload(place.id, b"content", file_name="x.txt")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=30)
    with make(path) as server:
        [place] = server.conversations
        assert [row.content for row in place.messages] == ["still here?"]
        assert [file.content for file in server.owner.files()] == [b"content"]


class TestTheFile:
    def test_is_held_while_a_server_has_it(self, path: Path) -> None:
        with make(path), pytest.raises(OSError, match="in use by another server"):
            make(path)
        with make(path):
            pass

    def test_is_let_go_by_a_server_that_never_started(self, path: Path) -> None:
        make(path).stop()
        with make(path):
            pass

    @pytest.mark.parametrize("generation", ["march"])
    def test_is_let_go_by_a_server_that_could_not_start(self, path: Path, server: LocalServer) -> None:
        with pytest.raises(OSError, match="in use"), make(path, port=server.port):
            pass
        with make(path):
            pass

    def test_is_opened_again_by_the_next_start(self, path: Path, client_of) -> None:
        server = make(path)
        for number in range(2):
            with server:
                place = server.conversation()
                client_of(server).messages.send(place.id, f"number {number}")
        with make(path) as later:
            texts = [row.content for each in later.conversations for row in each.messages]
            assert texts == ["number 0", "number 1"]

    def test_of_another_server_meanwhile_is_refused(self, path: Path) -> None:
        first = make(path)
        first.start().stop()
        with make(path):
            pass
        with pytest.raises(ValueError, match="make a new LocalServer"):
            first.start()

    def test_that_is_none_is_refused(self, path: Path) -> None:
        path.write_text("x" * 10_000)
        with pytest.raises(ValueError, match="choose another file"):
            make(path)

    def test_is_closed_when_the_server_has_stopped(self, path: Path) -> None:
        with make(path) as server:
            notebook = server.owner.create_notebook("Plans")
        with pytest.raises(RuntimeError, match="start"):
            server.owner.notes(notebook)


def test_what_cannot_be_written_now_is_written_later(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with make(path) as server:
        place = server.conversation()
        server.hub.loop.call(lambda: server.store.run("PRAGMA query_only = ON"))  # such as a full disk
        place.say("one", wait_for_agent=0)
        server.hub.loop.call(lambda: None)
        assert f"Cannot write to {path}, and try again later" in caplog.text
        server.hub.loop.call(lambda: server.store.run("PRAGMA query_only = OFF"))
        place.say("two", wait_for_agent=0)
    with make(path) as later:
        texts = [row.content for row in later.conversations[0].messages if row.role == "user"]
        assert texts == ["one", "two"]


def test_memory_lasts_as_long_as_the_server_object(client_of, generation) -> None:
    server = LocalServer(generation=generation)
    with server:
        place = server.conversation()
        client_of(server).files.upload(place.id, b"x", file_name="x.txt")
    with server:
        assert len(server.owner.files()) == 1
        with pytest.raises(errors.NotFoundError):
            client_of(server).messages.around(place.id, server.owner.files()[0].id)
