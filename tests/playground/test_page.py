"""What an open page is told, and what its user may do."""

import threading
import time

import pytest

from arinova_agent_sync.playground import page, room
from arinova_agent_sync.redaction import REDACTED
from arinova_agent_sync.task import TaskCancelled

from .conftest import PATIENCE


@pytest.fixture
def tab(make_playground, open_tab):
    """The page of a playground whose agent echoes."""
    tab = open_tab(make_playground())
    tab.open()
    return tab


def test_a_page_is_told_what_is_there(make_playground, open_tab):
    playground = make_playground(names=("Ada", "Ben"), source="mine.py")
    tab = open_tab(playground)
    tab.until(lambda: "about" in tab.sections and len(tab.conversations) == 2)
    assert [agent["name"] for agent in tab.sections["agents"]] == ["Ada", "Ben"]
    tab.until(lambda: all(agent["connected"] for agent in tab.sections["agents"]))
    assert [skill["id"] for skill in tab.sections["agents"][0]["skills"]] == ["shout", "sing"]
    assert tab.sections["users"] == ["owner"]
    assert tab.sections["about"] == {"source": "mine.py", "generation": "march", "data": None}
    assert [each["type"] for each in tab.conversations.values()] == ["group", "h2a"]


def test_an_answer_arrives_piece_by_piece_and_whole(make_playground, open_tab):
    go_on = threading.Event()

    def handler(task):
        yield "one "
        assert go_on.wait(PATIENCE)
        yield "two"

    tab = open_tab(make_playground(handler))
    tab.open()
    tab.say("hi")
    tab.until(lambda: [each["text"] for each in tab.answers("streaming")] == ["one "])
    tab.until(lambda: tab.conversations[tab.current]["streaming"])
    go_on.set()
    tab.until(lambda: [each["text"] for each in tab.answers("completed")] == ["one two"])
    said = next(each for each in tab.messages.values() if each["role"] == "user")
    assert (said["text"], said["by"]) == ("hi", "owner")
    tab.until(lambda: not tab.conversations[tab.current]["streaming"])
    assert tab.conversations[tab.current]["title"] == "hi"


def test_a_page_that_comes_late_or_again_sees_the_same(make_playground, open_tab):
    playground = make_playground(lambda task: iter(["a", "b", "c"]))
    first = open_tab(playground)
    first.open()
    for text in ("one", "two"):
        first.say(text)
    first.until(lambda: len(first.answers("completed")) == 2)
    second = open_tab(playground)
    second.open()
    assert second.messages == {key: {**first.messages[key], "op": "message"} for key in first.messages}


def test_a_burst_of_chunks_reaches_the_page_in_few_updates(make_playground, open_tab):
    chunks = [f"{number} " for number in range(5_000)]
    tab = open_tab(make_playground(lambda task: iter(chunks)))
    tab.open()
    tab.ask("tab", name="frames")
    tab.say("go")
    tab.until(lambda: tab.answers("completed"))
    assert tab.answers()[0]["text"] == "".join(chunks)
    assert len(tab.updates) < 1_000


@pytest.mark.slow
def test_a_slow_page_gets_the_state_and_not_the_backlog(make_playground, open_tab):
    chunks = ["x" * 1_000] * 3_000
    playground = make_playground(lambda task: iter(chunks))
    slow, other = open_tab(playground), open_tab(playground)
    for tab in (slow, other):
        tab.open()
    slow.ask("tab", name="frames")
    other.say("go")
    other.until(lambda: other.answers("completed"))  # meanwhile nobody reads the slow page's socket
    before = len(slow.updates)
    slow.until(lambda: slow.answers("completed"))
    assert slow.answers()[0]["text"] == other.answers()[0]["text"] == "".join(chunks)
    # What the kernel's buffers took, and then the rest at once.
    assert len(slow.updates) - before < 500
    slow.until(lambda: any(frame["type"] == "agent_complete" for frame in slow.frames))


def test_stop_cancels_the_answer_and_keeps_what_was_streamed(make_playground, open_tab):
    stopped = threading.Event()

    def handler(task):
        try:
            yield "begun"
            task.cancelled.wait(PATIENCE)
            yield "never"
        except (TaskCancelled, GeneratorExit):
            stopped.set()
            raise

    tab = open_tab(make_playground(handler))
    tab.open()
    tab.say("go")
    tab.until(lambda: [each["text"] for each in tab.answers("streaming")] == ["begun"])
    tab.ask("stop", conversation=tab.current)
    tab.until(lambda: [each["text"] for each in tab.answers("cancelled")] == ["begun"])
    assert stopped.wait(PATIENCE)


def test_what_waits_is_told_and_stop_empties_the_queue(make_playground, open_tab):
    tab = open_tab(make_playground(lambda task: task.cancelled.wait(PATIENCE) and "late"))
    tab.open()
    tab.say("first")
    tab.say("second")
    tab.until(lambda: tab.sections["news"]["queued"])
    second = next(each["id"] for each in tab.messages.values() if each["text"] == "second")
    assert [(each["agent"], each["message"]) for each in tab.sections["news"]["queued"]] == [("Ada", second)]
    tab.ask("stop", conversation=tab.current)
    tab.until(lambda: not tab.sections["news"]["queued"])


def test_a_message_that_the_duplicate_guard_keeps_back_is_told(make_playground, open_tab):
    tab = open_tab(make_playground(duplicate_window=600))
    tab.open()
    tab.say("again")
    tab.until(lambda: tab.answers("completed"))
    tab.say("again")
    tab.until(lambda: tab.sections["news"]["ignored"])
    assert tab.messages[tab.sections["news"]["ignored"][0]]["text"] == "again"
    assert len(tab.answers()) == 1


def test_an_error_takes_the_place_of_what_was_streamed(make_playground, open_tab):
    def handler(task):
        yield "half an ans"
        raise RuntimeError("no luck")

    tab = open_tab(make_playground(handler))
    tab.open()
    tab.say("go")
    assert "no luck" in tab.until(lambda: tab.answers("error"))[0]["text"]


def test_an_answer_of_nothing_disappears(make_playground, open_tab):
    tab = open_tab(make_playground(lambda task: task.dismiss() if task.content == "quiet" else "done"))
    tab.open()
    tab.say("quiet")
    tab.say("loud")
    tab.until(lambda: tab.answers("completed"))
    assert len(tab.messages) == 3


def test_only_the_latest_messages_come_unless_more_are_asked_for(tab):
    for number in range(4):
        tab.say(str(number))
        tab.until(lambda number=number: len(tab.answers("completed")) == number + 1)
    tab.messages.clear()
    few = tab.ask("open", conversation=tab.current, most=2)
    assert [op["text"] for op in few["ops"]] == ["3", "echo: 3"]
    assert few["more"]
    every = tab.ask("open", conversation=tab.current, most=8)
    assert len(every["ops"]) == 8
    assert not every["more"]


def test_reply_mention_sender_and_attachments_reach_the_agent(make_playground, open_tab, fetch):
    tasks = []

    def handler(task):
        tasks.append(task)
        return "".join(each.read().decode() for each in task.attachments) or "nothing attached"

    playground = make_playground(handler, names=("Ada", "Ben"))
    upload = playground.uploads.add("a note.txt", "text/plain", b"what is in it")
    tab = open_tab(playground)
    tab.open("group")
    tab.ask("user", name="Mallory")
    tab.until(lambda: tab.sections["users"] == ["owner", "Mallory"])
    tab.say("@Ben look", sender="Mallory", attachments=[upload.id])
    answer = tab.until(lambda: tab.answers("completed"))[0]
    assert (answer["by"], answer["text"]) == ("Ben", "what is in it")
    assert [task.sender_username for task in tasks] == ["Mallory"]
    assert tasks[0].content.startswith("@Ben look\n\n[Attachment: a note.txt](http")
    tab.open()
    tab.say("first")
    first = tab.until(lambda: tab.answers("completed"))[0]
    tab.say("and this?", replyTo=first["id"])
    tab.until(lambda: len(tab.answers("completed")) == 2)
    assert tasks[-1].reply_to.content == "nothing attached"
    shown = next(each for each in tab.messages.values() if each["text"] == "and this?")
    assert shown["replyTo"] == first["id"]


def test_new_conversations_alone_and_as_a_group(make_playground, open_tab):
    tab = open_tab(make_playground(names=("Ada", "Ben")))
    tab.open()
    ids = [agent["id"] for agent in tab.sections["agents"]]
    alone = tab.ask("new", agents=ids[1:], group=False)
    group = tab.ask("new", agents=ids, group=True)
    tab.until(lambda: {alone, group} <= set(tab.conversations))
    assert tab.conversations[alone]["agents"] == ids[1:]
    assert (tab.conversations[group]["type"], tab.conversations[group]["agents"]) == ("group", ids)


def test_frames_are_told_as_they_happen_without_tokens(make_playground, open_tab):
    playground = make_playground()
    tab = open_tab(playground)
    tab.open()
    tab.ask("tab", name="frames")
    tab.say("hi")
    tab.until(lambda: any(frame["type"] == "agent_complete" for frame in tab.frames))
    types = [frame["type"] for frame in tab.frames]
    assert types[:2] == ["agent_auth", "auth_ok"]
    assert "task" in types
    auth = tab.frames[0]
    assert auth["in"]
    assert REDACTED in auth["text"]
    assert REDACTED in tab.ask("frame", number=auth["n"])
    assert playground.server.bot_token not in repr(tab.updates)
    assert [frame["n"] for frame in tab.frames] == sorted({frame["n"] for frame in tab.frames})


def test_no_frame_is_left_out_on_its_way_but_old_ones_for_a_page_that_comes_late(
    make_playground, open_tab, monkeypatch
):
    monkeypatch.setattr(room, "_FRAMES", 10)
    playground = make_playground()
    tab = open_tab(playground)
    tab.open()
    for _ in range(30):
        tab.say("hi")
    tab.until(lambda: len(tab.answers("completed")) == 30)
    tab.ask("tab", name="frames")
    last = playground.server.frames[-1].number
    tab.until(lambda: tab.frames and tab.frames[-1]["n"] == last)
    assert [frame["n"] for frame in tab.frames] == list(range(1, last + 1))
    assert tab.left_out == 0
    monkeypatch.setattr(room, "_LATEST_FRAMES", 50)
    late = open_tab(playground)
    late.ask("tab", name="frames")
    late.until(lambda: late.frames and late.frames[-1]["n"] == last)
    assert [frame["n"] for frame in late.frames] == list(range(last - 49, last + 1))
    assert late.left_out == last - 50


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "Ada\u202eevil", "line\nbreak"])
def test_a_user_has_a_name_that_can_be_seen(tab, name):
    with pytest.raises(ValueError, match=r"a name has 1 to 40 characters|name is missing"):
        tab.ask("user", name=name)
    assert tab.sections["users"] == ["owner"]


def test_a_long_frame_is_cut_in_the_list_and_whole_on_demand(tab):
    tab.ask("tab", name="frames")
    tab.say("x" * 5_000)
    task = tab.until(lambda: next((frame for frame in tab.frames if frame["type"] == "task"), None))
    assert len(task["text"]) < 1_000
    assert "x" * 5_000 in tab.ask("frame", number=task["n"])
    assert tab.ask("frame", number=10**9) is None


def test_frames_are_not_sent_to_a_page_that_does_not_show_them(tab):
    tab.say("hi")
    tab.until(lambda: tab.answers("completed"))
    assert tab.frames == []


def test_the_timeline_tells_when_each_task_was_started_and_done(make_playground, open_tab):
    tab = open_tab(make_playground(lambda task: iter(["a", "b"])))
    tab.open()
    tab.ask("tab", name="timeline")
    tab.say("how long?")
    task = tab.until(
        lambda: next(
            (task for task in tab.sections.get("timeline", ()) if task["status"] == "completed"), None
        )
    )
    assert (task["agent"], task["text"], task["characters"]) == ("Ada", "how long?", 2)
    assert task["chunks"] in (1, 2)  # the agent puts together what piles up
    assert 0 <= task["started"] <= task["first"] <= task["done"] < PATIENCE * 1000


@pytest.mark.slow
def test_stats_are_asked_for_while_they_are_shown(tab):
    tab.ask("tab", name="agent")
    tab.until(lambda: "stats" in tab.sections)
    assert tab.sections["stats"][0]["stats"]["link"] == "online"
    tab.say("hi")  # the next stats come by themselves
    tab.until(lambda: tab.sections["stats"][0]["stats"]["tasks_completed"] == 1)


def test_a_dropped_connection_is_seen_and_comes_back(make_playground, open_tab):
    tab = open_tab(make_playground())
    tab.open()
    tab.until(lambda: tab.sections["agents"][0]["state"] == "connected")
    tab.ask("inject", name="drop")
    tab.until(
        lambda: tab.sections["agents"][0]["connections"] == 2 and tab.sections["agents"][0]["connected"]
    )
    tab.say("still there?")
    tab.until(lambda: tab.answers("completed"))


def test_a_refused_agent_stops_says_why_and_is_restarted(make_playground, open_tab):
    playground = make_playground()
    tab = open_tab(playground)
    tab.open()
    tab.ask("inject", name="refuse-auth", parameters={"error": "not today"})
    tab.until(lambda: [fault["name"] for fault in tab.sections["faults"]] == ["refuse-auth"])
    tab.ask("inject", name="drop")
    tab.until(lambda: tab.sections["agents"][0]["state"] == "failed")
    assert "not today" in tab.sections["agents"][0]["problem"]
    tab.ask("heal")
    tab.ask("restart")
    tab.until(lambda: tab.sections["agents"][0]["connected"])
    assert tab.sections["faults"] == []
    tab.until(lambda: tab.sections["agents"][0]["restarts"] == 1)
    tab.say("and now?")
    tab.until(lambda: tab.answers("completed"))


def test_a_fault_hits_one_agent_and_heals_by_name(make_playground, open_tab):
    tab = open_tab(make_playground(names=("Ada", "Ben")))
    tab.open()
    ben = tab.sections["agents"][1]["id"]
    tab.ask("inject", name="no-pongs", agent=ben)
    tab.ask("inject", name="slow-reads", parameters={"bytes_per_second": 10_000})
    tab.until(lambda: len(tab.sections["faults"]) == 2)
    assert {"name": "no-pongs", "agent": ben} in tab.sections["faults"]
    tab.ask("heal", name="slow-reads")
    tab.until(lambda: len(tab.sections["faults"]) == 1)


@pytest.mark.parametrize(
    ("what", "parameters", "problem"),
    [
        ("say", {"conversation": "no-such", "text": "hi"}, "unknown conversation"),
        ("say", {"text": "hi"}, "conversation is missing"),
        ("open", {"conversation": "no-such"}, "unknown conversation"),
        ("new", {"agents": ["no-such"]}, "unknown agent"),
        ("new", {"agents": []}, "choose an agent"),
        ("new", {"agents": "all"}, "list of texts"),
        ("user", {"name": " "}, "1 to 40"),
        ("inject", {"name": "earthquake"}, "earthquake"),
        ("inject", {"name": "drop", "parameters": {"force": 9}}, "force"),
        ("inject", {"name": "drop", "agent": "no-such"}, "unknown agent"),
        ("fly", {}, "fly"),
        (None, {}, "None"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_reason(tab, what, parameters, problem):
    with pytest.raises(ValueError, match=problem):
        tab.ask(what, **parameters)
    tab.say("and it goes on")
    tab.until(lambda: tab.answers("completed"))


def test_a_message_may_not_answer_one_that_is_not_there_nor_carry_a_file_that_is_not(tab):
    for more in ({"replyTo": "no-such"}, {"attachments": ["no-such"]}):
        with pytest.raises(ValueError):
            tab.say("hi", **more)
    assert not tab.messages


@pytest.mark.parametrize("odd", ["not json", "[]", "[" * 100_000, b"\x00binary"])
def test_a_page_that_sends_nonsense_is_closed_and_others_live_on(make_playground, open_tab, odd):
    playground = make_playground()
    bad, good = open_tab(playground), open_tab(playground)
    good.open()
    bad.socket.send(odd, 2 if isinstance(odd, bytes) else 1)
    while bad.socket.connected and bad.socket.recv() != "":
        pass
    good.say("hi")
    good.until(lambda: good.answers("completed"))


def test_half_a_surrogate_pair_does_no_harm(tab):
    tab.say("\ud83d")
    tab.until(lambda: tab.answers("completed"))


def test_scripts_in_a_text_pass_as_text(tab):
    # The server cuts what could run out of what users say, as the real one does, and leaves the rest as text.
    tab.say("<script>alert(1)</script><img src=x onerror=alert(1)>")
    answer = tab.until(lambda: tab.answers("completed"))[0]
    assert answer["text"] == "echo: <img src=x onerror=alert(1)>"


def test_open_pages_do_not_hold_the_end_up(make_playground, open_tab):
    playground = make_playground()
    tabs = [open_tab(playground) for _ in range(5)]
    for tab in tabs:
        tab.open()
        tab.ask("tab", name="agent")
    began = time.monotonic()
    playground.stop()
    assert time.monotonic() - began < 4
    assert playground.changes._listeners == ()


def test_the_pace_leaves_a_page_some_frames_between_updates():
    assert 0.01 <= page._PACE <= 0.1


def test_what_the_server_put_around_a_text_is_told(tab):
    tab.say("as typed")
    tab.until(lambda: tab.answers("completed"))
    tab.say("not the owner", sender="Mallory")
    tab.until(lambda: len(tab.answers("completed")) == 2)
    (told,) = tab.until(lambda: tab.sections["news"]["decorated"])
    assert tab.messages[told["message"]]["text"] == "not the owner"
    asked = {"agent": "Ada", "conversation": tab.current, "message": told["message"]}
    assert "Mallory" in tab.ask("read", **asked)
    for wrong in ({"message": "none"}, {"agent": "Bob"}):
        with pytest.raises(ValueError, match="the message is gone"):
            tab.ask("read", **{**asked, **wrong})


def test_a_conversation_is_cleared_said_again_and_deleted(tab):
    tab.say("one")
    tab.until(lambda: tab.answers("completed"))
    first = next(each for each in tab.messages.values() if each["role"] == "user")
    tab.ask("again", conversation=tab.current, message=first["id"], text="two")
    tab.until(lambda: [each["text"] for each in tab.answers("completed")] == ["echo: two"])
    assert first["id"] not in tab.messages
    assert "two" in tab.ask("export", conversation=tab.current, form="markdown")
    with pytest.raises(ValueError, match="the message is gone"):
        tab.ask("again", conversation=tab.current, message=first["id"], text="two")
    tab.ask("clear", conversation=tab.current)
    tab.until(lambda: not tab.messages)
    tab.ask("delete", conversation=tab.current)
    tab.until(lambda: tab.current not in tab.sections["ids"])
    with pytest.raises(ValueError, match="unknown conversation"):
        tab.ask("clear", conversation=tab.current)
