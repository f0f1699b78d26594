"""What the truth server knows, without sockets: the instrument must be right before it judges."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .truth import Mood, Refusal, Row, Truth, conversation_id, task_id

HERE = conversation_id(0, 1)


def truth(mood: Mood = "outlive") -> Truth:
    return Truth(mood, lambda: 0.0)


def begin(known: Truth) -> Row:
    """Give agent 0 its first task."""
    known.connected(0, 1)
    return known.rows[known.new_task(0, 1)["taskId"]]


def chunk(known: Truth, text: str, task: str = task_id(0, 1), agent: int = 0) -> None:
    known.received(agent, 1, {"type": "agent_chunk", "taskId": task, "chunk": text})


def complete(known: Truth, content: str = "", task: str = task_id(0, 1)) -> None:
    known.received(0, 1, {"type": "agent_complete", "taskId": task, "content": content})


class TestChunks:
    @pytest.mark.parametrize(
        ("chunks", "march", "deltas"),
        [
            (["one ", "two"], "one two", "one two"),
            (["="] * 10 + ["\nend"], "=\nend", "==========\nend"),
            (["1", "10"], "10", "110"),
            (["ha", "ha", "!"], "ha!", "haha!"),
            (["`", "`", "`", "py"], "`py", "```py"),
            (["#", "# Title"], "# Title", "## Title"),
            (["no", "no no"], "no no", "nono no"),
            # Repair: a chunk that begins with everything so far takes its place.
            (["one ", "one two ", "three"], "one two three", "one one two three"),
            (["one ", "one two three"], "one two three", "one one two three"),
            (["one two three", "one two three"], "one two three", "one two threeone two three"),
            # It fails for good if the server has something else.
            (["one ", "three", "one two three"], "one threeone two three", "one threeone two three"),
        ],
    )
    def test_march_takes_what_begins_with_all_for_all(
        self, chunks: Sequence[str], march: str, deltas: str
    ) -> None:
        for mood, wanted in (("outlive", march), ("given-up", march), ("deltas", deltas)):
            known = truth(mood)
            row = begin(known)
            for text in chunks:
                chunk(known, text)
            complete(known, "other")
            assert (row.status, row.content, row.end) == ("completed", wanted, "complete")

    def test_content_counts_without_chunks_only(self) -> None:
        known = truth()
        row = begin(known)
        complete(known, "the whole")
        assert row.content == "the whole"

    def test_a_blank_answer_deletes_the_row(self) -> None:
        known = truth()
        row = begin(known)
        complete(known, " \n")
        assert (row.status, row.end) == ("deleted", "complete")

    def test_an_error_takes_the_place_of_the_text(self) -> None:
        known = truth()
        row = begin(known)
        chunk(known, "half")
        known.received(0, 1, {"type": "agent_error", "taskId": row.id, "error": "no"})
        assert (row.status, row.content, row.end) == ("error", "no", "error")

    def test_the_first_end_counts(self) -> None:
        known = truth()
        row = begin(known)
        complete(known, "first")
        complete(known, "second")
        chunk(known, "late")
        assert (row.content, row.streamed) == ("first", "")
        assert [seen.taken for seen in known.seen if seen.what.startswith("agent_")] == [True, False, False]

    def test_tasks_of_other_agents_and_unknown_ones_are_nobodys(self) -> None:
        known = truth()
        row = begin(known)
        chunk(known, "foreign", agent=1)
        chunk(known, "unknown", task="no such task")
        assert row.streamed == ""
        assert [seen.taken for seen in known.seen if seen.what == "agent_chunk"] == [False, False]

    def test_a_gap_is_counted_after_the_end_too(self) -> None:
        known = truth()
        row = begin(known)
        complete(known, "text")
        known.received(0, 1, {"type": "agent_stream_gap", "taskId": row.id, "reason": "r"})
        assert row.gaps == 1


class TestMoods:
    def test_tasks_outlive_a_reconnect(self) -> None:
        known = truth("outlive")
        row = begin(known)
        chunk(known, "one ")
        known.connected(0, 2)
        assert (row.status, row.content, row.end) == ("error", "Agent reconnected", None)
        known.disconnected(0, 1, current=False)
        chunk(known, "two")  # late, from the old connection
        complete(known)
        assert (row.status, row.content) == ("completed", "one two")

    def test_tasks_outlive_the_end_of_the_last_connection(self) -> None:
        known = truth("outlive")
        row = begin(known)
        known.disconnected(0, 1, current=True)
        complete(known, "text")
        assert row.content == "text"

    def test_a_dismissal_after_a_reconnect_leaves_the_mark(self) -> None:
        known = truth("outlive")
        row = begin(known)
        known.connected(0, 2)
        complete(known)
        assert (row.status, row.content, row.end) == ("error", "Agent reconnected", "complete")

    @pytest.mark.parametrize("how", ["the current connection ends", "the next one is there first"])
    def test_tasks_are_given_up(self, how: str) -> None:
        known = truth("given-up")
        row, other = begin(known), known.rows[known.new_task(1, 9)["taskId"]]
        chunk(known, "one ")
        if how == "the current connection ends":
            known.disconnected(0, 1, current=True)
        else:
            known.connected(0, 2)
        assert (row.status, row.content, row.end) == ("error", "Agent disconnected", "given-up")
        assert other.end is None
        complete(known, "text")
        assert row.content == "Agent disconnected"

    def test_the_end_of_an_old_connection_gives_nothing_up(self) -> None:
        known = truth("given-up")
        begin(known)
        known.connected(0, 2)
        row = known.rows[known.new_task(0, 2)["taskId"]]
        known.disconnected(0, 1, current=False)
        assert row.end is None

    def test_what_has_ended_stays(self) -> None:
        for mood in ("outlive", "given-up"):
            known = truth(mood)
            row = begin(known)
            complete(known, "text")
            known.disconnected(0, 1, current=True)
            known.connected(0, 2)
            assert (row.status, row.content, row.end) == ("completed", "text", "complete")


class TestMessages:
    def test_on_the_socket(self) -> None:
        known = truth()
        known.received(0, 1, {"type": "agent_send", "conversationId": HERE, "content": "hi"})
        [row] = known.rows.values()
        assert (row.content, row.way, row.status, row.conversation) == ("hi", "socket", "completed", HERE)

    def test_over_http_once_for_each_key(self) -> None:
        known = truth()
        first = known.post(0, HERE, " text ", "key")
        assert known.post(0, HERE, "text", "key") is first
        assert first.content == "text"
        others = [known.post(0, HERE, "text", "other"), known.post(1, conversation_id(1, 1), "text", "key")]
        others += [known.post(0, HERE, "text", None), known.post(0, HERE, "text", None)]
        assert len({row.id for row in (first, *others)}) == len(known.rows) == 5

    def test_a_key_of_another_request_is_refused(self) -> None:
        known = truth()
        known.post(0, HERE, "text", "key")
        with pytest.raises(Refusal) as refusal:
            known.post(0, HERE, "another", "key")
        assert refusal.value.status == 409

    def test_a_blank_one_is_refused(self) -> None:
        with pytest.raises(Refusal):
            truth().post(0, HERE, " ", None)

    def test_history(self) -> None:
        known = truth()
        known.post(0, conversation_id(0, 2), "elsewhere", None)
        rows = [known.post(0, HERE, str(number), None) for number in range(8)]

        def texts(**query: str) -> list[str]:
            return [row.content for row in known.history(0, HERE, query)]

        assert texts(limit="3") == ["5", "6", "7"]
        assert texts(around=rows[4].id, limit="3") == ["3", "4", "5"]
        assert texts(before=rows[2].id) == ["0", "1"]
        assert texts(after=rows[5].id) == ["6", "7"]
        with pytest.raises(Refusal) as unknown:
            texts(around="no such message")
        assert unknown.value.status == 404
        with pytest.raises(Refusal) as foreign:
            known.history(1, HERE, {})
        assert foreign.value.status == 403


def test_tasks_are_numbered_and_some_belong_to_no_conversation() -> None:
    known = truth()
    frames = [known.new_task(0, 1) for _ in range(24)]
    assert [frame["taskId"] for frame in frames] == [task_id(0, number) for number in range(1, 25)]
    wakeups = [number for number, frame in enumerate(frames, 1) if "conversationId" not in frame]
    assert wakeups == [12, 24]
    assert all(("taskKind" in frame) == ("content" not in frame) for frame in frames)
