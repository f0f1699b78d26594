"""What hangs on a task works without a server: files, the conversation, actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arinova_agent_sync import ActionCallResult, ActionTimeout, ApiError, NotFoundError, Task
from arinova_agent_sync.testing import ActionCall, run_task


def read_all(task: Task) -> str:
    return " ".join(
        f"{attachment.file_name}:{attachment.file_type}:{attachment.file_size}:{attachment.read().decode()}"
        for attachment in task.attachments
    )


@pytest.mark.parametrize("form", ["dict", "pairs"])
def test_attachments_of_bytes_and_of_paths(form: str, tmp_path: Path) -> None:
    path = tmp_path / "other name.bin"
    path.write_bytes(b"file")
    given: dict[str, Any] = {"a.csv": b"1,2", "b": path, "c.txt": str(path)}
    attachments = given if form == "dict" else list(given.items())
    text = run_task(read_all, attachments=attachments).raise_for_error().text
    assert text == "a.csv:text/csv:3:1,2 b:application/octet-stream:4:file c.txt:text/plain:4:file"


def test_attachments_without_names(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(b"x")
    text = run_task(read_all, attachments=[path, b"y"]).raise_for_error().text
    assert text == "plot.png:image/png:1:x attachment-2:application/octet-stream:1:y"


def test_an_attachment_is_saved_and_keeps_to_its_limits(tmp_path: Path) -> None:
    def handler(task: Task) -> str:
        saved = task.attachments[0].save(tmp_path / "saved.txt")
        with pytest.raises(ApiError, match=r"exceeds configured limit"):
            task.attachments[0].read(max_bytes=3)
        return saved.read_text()

    assert run_task(handler, attachments={"a.txt": b"four"}).text == "four"


def test_an_attachment_from_elsewhere_is_not_fetched() -> None:
    listed = [{"id": "1", "fileName": "a", "fileType": "b", "fileSize": 1, "url": "https://example.com/a"}]
    transcript = run_task(lambda task: str(task.attachments[0].read()), extra={"attachments": listed})
    assert isinstance(transcript.exception, ApiError)
    assert "was not sent: run_task has no server; use LocalServer" in transcript.text


@pytest.mark.parametrize(
    ("attachments", "error", "text"),
    [
        ("a.txt", TypeError, "attachments must be a list or a dict of files, not str"),
        (b"content", TypeError, "attachments must be a list or a dict of files, not bytes"),
        ([7], TypeError, r"attachments\[0\] must be bytes or a path, not int"),
        ({"": b"x"}, ValueError, "the name of an attachment must not be empty"),
        (["no-such-file"], FileNotFoundError, r"attachments\[0\] is not a file: no-such-file"),
    ],
)
def test_wrong_attachments(attachments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        run_task(lambda task: "never", attachments=attachments)


def test_uploads_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(b"png")
    told: list[tuple[int, int]] = []

    def handler(task: Task) -> str:
        first = task.upload_file(b"a,b\n", file_name="t.csv", progress=lambda *counts: told.append(counts))
        with path.open("rb") as file:
            second = task.upload_file(file, mime_type="image/x-own")
        task.upload_file(path)
        return f"{first.url} {second.file_size}"

    transcript = run_task(handler).raise_for_error()
    table, opened, plot = transcript.uploads
    assert (table.file_name, table.mime_type, table.content) == ("t.csv", "text/csv", b"a,b\n")
    assert (opened.file_name, opened.mime_type, opened.content) == ("plot.png", "image/x-own", b"png")
    assert plot.content == b"png"
    assert transcript.text == f"{table.url} 3"
    assert len({table.url, opened.url, plot.url}) == 3
    assert told == [(4, 4)]


def test_an_upload_without_a_name() -> None:
    assert "bytes need a name" in run_task(lambda task: str(task.upload_file(b"x"))).text


def texts(page: Any) -> list[str]:
    return [message.content for message in page.items]


def test_the_history_can_be_fetched() -> None:
    def handler(task: Task) -> None:
        everything = task.fetch_history().items
        ids = [message.id for message in everything]
        assert texts(task.fetch_history()) == ["0", "1", "2", "3", "now"]
        assert ids[-1] == task.user_message_id
        assert texts(task.fetch_history(limit=2)) == ["3", "now"]
        assert texts(task.fetch_history(before=ids[2])) == ["0", "1"]
        assert texts(task.fetch_history(before=ids[2], limit=1)) == ["1"]
        assert task.fetch_history(before=ids[2], limit=1).has_more
        assert texts(task.fetch_history(after=ids[3])) == ["now"]
        assert texts(task.fetch_history(around=ids[2], limit=2)) == ["1", "2"]
        assert everything[1].sender_agent_name == "Agent"
        with pytest.raises(NotFoundError):
            task.fetch_history(around="nowhere")

    history = [("user", "0"), ("agent", "1"), ("user", "2"), ("agent", "3")]
    assert run_task(handler, "now", history=history).exception is None


# Actions


def create(task: Task) -> str:
    result = task.call_action("note.create", {"title": task.content}, reason="asked", dry_run=True)
    return f"{result.status} {result.result and result.result['noteId']}"


def test_an_action_answers_what_it_was_given() -> None:
    transcript = run_task(create, "Soup", actions={"note.create": {"noteId": "n1"}})
    assert transcript.text == "success n1"
    call = transcript.actions[0]
    assert (call.action, call.arguments) == ("note.create", {"title": "Soup"})
    assert (call.frame["reason"], call.frame["dryRun"]) == ("asked", True)
    assert call.frame["conversationId"] == "conversation-1"
    assert call.id.startswith("call_")


def test_an_action_answers_what_a_function_returns() -> None:
    def note(call: ActionCall) -> dict[str, object]:
        return {"noteId": f"note about {call.arguments['title']}"}

    assert run_task(create, "Soup", actions={"note.create": note}).text == "success note about Soup"


@pytest.mark.parametrize("as_function", [False, True])
def test_an_action_fails_or_wants_to_be_confirmed(as_function: bool) -> None:
    failure = ActionTimeout("too slow")
    waits = ActionCallResult("c", "note.create", "requires_confirmation")
    for outcome, text in ((failure, "too slow"), (waits, "requires_confirmation None")):
        answer: Any = (lambda call, outcome=outcome: outcome) if as_function else outcome
        transcript = run_task(create, actions={"note.create": answer})
        assert transcript.text == text
        assert transcript.exception is (failure if outcome is failure else None)


def test_what_the_function_of_an_action_raises_reaches_the_handler() -> None:
    def note(call: ActionCall) -> None:
        raise LookupError("no notebook")

    transcript = run_task(create, actions={"note.create": note})
    assert isinstance(transcript.exception, LookupError)


def test_an_action_that_the_test_did_not_give() -> None:
    def handler(task: Task) -> str:
        result = task.call_action("note.create")
        assert result.error is not None
        return f"{result.status} {result.error.code}: {result.error.message}"

    text = run_task(handler).text
    assert text == (
        "error UNKNOWN_ACTION: there is no action 'note.create'; give run_task actions={'note.create': {...}}"
    )
    assert "give run_task actions=" in run_task(handler, actions={"other": None}).text


def test_the_arguments_of_an_action_are_checked_as_by_an_agent() -> None:
    transcript = run_task(lambda task: str(task.call_action("x", {"when": {1}})), actions={"x": None})
    assert isinstance(transcript.exception, TypeError)
    assert transcript.actions == ()


def test_an_action_of_a_stopped_task_is_not_called() -> None:
    transcript = run_task(create, actions={"note.create": {"noteId": "n1"}}, cancel_after=0)
    assert (transcript.status, transcript.actions) == ("cancelled", ())
