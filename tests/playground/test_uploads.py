"""Files from their upload to their end: sent, never sent, kept for the next run, too many."""

from urllib.parse import urlsplit

import pytest

from arinova_agent_sync import Task
from arinova_agent_sync.playground import uploads

from .conftest import PATIENCE


def contents(task: Task) -> str:
    return " ".join(each.read().decode() for each in task.attachments) or "nothing"


def status(playground, fetch, attachment):
    return fetch(playground, urlsplit(attachment["url"]).path).status


def test_files_are_there_the_next_time_at_whatever_port(make_playground, fetch, tmp_path):
    first = make_playground(contents, data=tmp_path / "kept.db")
    upload = first.uploads.add("note.txt", "text/plain", b"what is in it")
    (conversation,) = first.server.conversations
    first.server.wait_for_agent(PATIENCE)
    first.say(conversation.id, "read this", uploads=[upload.id])
    (reply,) = conversation.replies
    assert reply.wait() == "completed"
    first.stop()
    second = make_playground(contents, data=tmp_path / "kept.db")
    assert second.server.port != first.server.port
    (conversation,) = second.server.conversations
    (attachment,) = conversation.messages[0].attachments
    assert attachment["fileName"] == "note.txt"
    assert attachment["url"].startswith(f"{second.server.url}/")
    served = fetch(second, urlsplit(attachment["url"]).path)
    assert (served.status, served.body) == (200, b"what is in it")
    assert [row.content for row in conversation.messages] == ["read this", "what is in it"]


def test_a_link_to_somewhere_else_stays_as_it_was(make_playground, tmp_path):
    first = make_playground(data=tmp_path / "kept.db")
    elsewhere = {
        "id": "f1",
        "fileName": "a",
        "fileType": "text/plain",
        "fileSize": 1,
        "url": "https://a.test/uploads/b",
    }
    first.server.wait_for_agent(PATIENCE)
    first.server.conversations[0].say("look", attachments=[elsewhere]).wait()
    first.stop()
    second = make_playground(data=tmp_path / "kept.db")
    assert second.server.conversations[0].messages[0].attachments == (elsewhere,)


def test_the_oldest_files_that_were_never_sent_give_way(make_playground, monkeypatch):
    playground = make_playground()
    monkeypatch.setattr(uploads, "MAX_UNSENT", 10)
    first, second, third = (playground.uploads.add("a", "text/plain", b"12345") for _ in range(3))
    (conversation,) = playground.server.conversations
    with pytest.raises(ValueError, match="attach it again"):
        playground.say(conversation.id, "look", uploads=[second.id, first.id])
    assert conversation.messages == []
    playground.say(conversation.id, "look", uploads=[second.id, third.id])
    assert len(conversation.messages[0].attachments) == 2
    playground.uploads.add("a", "text/plain", b"1234567890")  # the room of those that were sent is free again
    with pytest.raises(ValueError, match="attach it again"):
        playground.say(conversation.id, "look", uploads=[second.id])


def test_the_oldest_files_of_users_give_way_and_their_messages_stay(make_playground, fetch, monkeypatch):
    def handler(task: Task) -> str:
        return task.upload_file(b"12345678901", file_name="a.txt", mime_type="text/plain").url

    playground = make_playground(handler)
    (conversation,) = playground.server.conversations
    playground.server.wait_for_agent(PATIENCE)
    monkeypatch.setattr(uploads, "MAX_SENT", 10)
    for number in range(3):
        upload = playground.uploads.add("a", "text/plain", b"12345")
        playground.say(conversation.id, f"number {number}", uploads=[upload.id])
        assert conversation.replies[-1].wait() == "completed"
    sent = [row.attachments[0] for row in conversation.messages if row.role == "user"]
    assert [status(playground, fetch, each) for each in sent] == [404, 200, 200]
    for row in conversation.messages:
        if row.role == "agent":
            assert status(playground, fetch, {"url": row.content}) == 200


def test_the_files_of_a_message_that_cannot_be_sent_are_the_users_again(make_playground):
    playground = make_playground()
    (conversation,) = playground.server.conversations
    upload = playground.uploads.add("a", "text/plain", b"12345")
    for place, reply_to in ((conversation.id, "no-such-message"), ("no-such-conversation", None)):
        with pytest.raises(ValueError, match=r"no-such-message|unknown conversation"):
            playground.say(place, "look", uploads=[upload.id], reply_to=reply_to)
        assert playground.server.store.value("SELECT count(*) FROM files") == 0
        assert playground.server.store.value("SELECT count(*) FROM contents") == 0
    playground.say(conversation.id, "look", uploads=[upload.id])
    assert playground.server.store.value("SELECT count(*) FROM contents") == 1


def test_a_file_that_cannot_be_kept_is_told_and_may_be_sent_later(make_playground):
    playground = make_playground()
    (conversation,) = playground.server.conversations
    upload = playground.uploads.add("a", "text/plain", b"12345")
    playground.server.store.run("PRAGMA query_only = ON")  # such as a full disk
    with pytest.raises(ValueError, match="cannot be kept"):
        playground.say(conversation.id, "look", uploads=[upload.id])
    playground.server.store.run("PRAGMA query_only = OFF")
    playground.say(conversation.id, "look", uploads=[upload.id])
    assert conversation.messages[0].attachments[0]["fileSize"] == 5
