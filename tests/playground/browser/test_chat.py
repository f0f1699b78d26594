"""Talking to agents: what is said, streamed, stopped, attached, and still there after a break."""

from __future__ import annotations

import threading
import webbrowser
from contextlib import closing

import pytest

from arinova_agent_sync.playground.browser import BrowserLink
from arinova_agent_sync.playground.uploads import shrink

from ..conftest import PATIENCE
from .pages import DOT, answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_send_stream_and_read(make_playground, visit, picture):
    go_on = threading.Event()

    def handler(task):
        yield "# Title\n\nFirst **bold** para"
        assert go_on.wait(PATIENCE)
        yield "graph.\n\n```python\nprint(1)\n```\n\n- one\n- two\n"

    page = visit(make_playground(handler))
    say(page, "hello <b>there</b>")
    streaming = answers(page, "streaming")
    expect(streaming.locator("h1")).to_have_text("Title")
    expect(streaming.locator("strong")).to_have_text("bold")
    expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    go_on.set()
    expect(answers(page).locator("p").first).to_have_text("First bold paragraph.")
    expect(answers(page).locator("pre code .hljs-built_in")).to_have_text("print")
    expect(answers(page).locator("li")).to_have_text(["one", "two"])
    expect(page.locator(".message.user .bubble")).to_have_text("hello <b>there</b>")
    expect(page.get_by_role("button", name="Stop the answer")).to_be_hidden()
    expect(page.locator("#announcer")).to_contain_text("Title")
    expect(page.locator(".frame .type").last).to_have_text("agent_complete")
    assert page.evaluate("location.search") == ""  # the token is not left in the address bar
    picture(page, "answer")


def test_the_file_that_a_browser_is_opened_with_leads_to_the_page(make_playground, visit, monkeypatch):
    playground = make_playground()
    given = []
    monkeypatch.setattr(webbrowser, "open", lambda address: given.append(address) or True)
    with closing(BrowserLink(playground.url)) as invitation:
        assert invitation.send()
        page = visit(playground, given[0])
        say(page, "hello")
        expect(answers(page)).to_contain_text("echo: hello")


def test_escape_stops_the_answer_and_keeps_what_there_is(make_playground, visit):
    def handler(task):
        yield "begun"
        task.cancelled.wait(PATIENCE)

    page = visit(make_playground(handler))
    say(page, "go")
    expect(answers(page, "streaming")).to_contain_text("begun")
    page.keyboard.press("Escape")
    expect(answers(page, "cancelled")).to_contain_text("begun")
    expect(answers(page, "cancelled").locator(".state")).to_have_text("Stopped")
    say(page, "and again")
    expect(answers(page, "streaming")).to_contain_text("begun")
    page.get_by_role("button", name="Stop the answer").click()
    expect(answers(page, "cancelled")).to_have_count(2)


def test_reloading_the_page_keeps_the_conversation_and_goes_on_streaming(make_playground, visit):
    go_on = threading.Event()

    def handler(task):
        yield "before "
        assert go_on.wait(PATIENCE)
        yield "after"

    page = visit(make_playground(handler))
    say(page, "go")
    expect(answers(page, "streaming")).to_contain_text("before")
    say(page, "go once more")
    waiting = page.locator(".message.user .note")
    expect(waiting).to_have_text("Waiting: Ada answers another message first")
    page.reload()
    expect(answers(page, "streaming")).to_contain_text("before")
    expect(waiting).to_have_count(1)
    go_on.set()
    expect(answers(page).locator(".markdown")).to_have_text(["before after", "before after"])
    expect(waiting).to_have_count(0)


def test_the_page_comes_back_after_the_server_was_away(make_playground, visit):
    playground = make_playground()
    page = visit(playground)
    say(page, "one")
    expect(answers(page)).to_have_count(1)
    playground.server.stop()
    expect(page.locator("#banner")).to_contain_text("Trying again")
    playground.server.start()
    expect(page.locator("#banner")).to_be_hidden()
    playground.server.wait_for_agent(PATIENCE)
    say(page, "two")
    expect(answers(page)).to_have_count(2)


def test_conversations_are_there_again_in_the_next_run(make_playground, visit, tmp_path):
    kept = tmp_path / "kept.db"
    first = make_playground(data=kept)
    page = visit(first)
    page.locator("#picker").set_input_files({"name": "dot.png", "mimeType": "image/png", "buffer": DOT})
    expect(page.locator("#files .file small")).to_have_text(f"{len(DOT)} B")
    say(page, "keep **this**")
    expect(page.locator(".message.user .picture img")).to_be_visible()
    expect(answers(page)).to_contain_text("echo: keep this")
    page.close()
    first.stop()
    second = make_playground(data=kept)
    page = visit(second)
    expect(page.locator(".message.user .bubble")).to_have_text("keep **this**")
    expect(answers(page)).to_contain_text("echo: keep this")
    expect(page.locator(".message.user .picture img")).to_be_visible()
    assert page.evaluate("document.querySelector('.picture img').naturalWidth") == 1
    expect(page.locator("#about")).to_contain_text("kept in kept.db")
    expect(page.locator("#conversations button")).to_have_count(1)
    say(page, "and this")
    expect(answers(page)).to_have_count(2)
    shrink(second.server.store, 0)
    page = visit(second)
    expect(page.locator(".message.user span.file .name")).to_have_text("dot.png")  # it gave way to others


def test_an_agent_that_answers_nothing_is_told(make_playground, visit):
    page = visit(make_playground(lambda task: task.dismiss()))
    say(page, "hello?")
    expect(page.locator(".message.user .note")).to_have_text("Ada answered nothing")


def test_files_are_attached_by_choice_and_by_drop_and_pictures_are_shown(make_playground, visit, picture):
    page = visit(
        make_playground(lambda task: ", ".join(f"{a.file_name}={len(a.read())}" for a in task.attachments))
    )
    page.locator("#picker").set_input_files({"name": "dot.png", "mimeType": "image/png", "buffer": DOT})
    expect(page.locator("#files .file small")).to_have_text(f"{len(DOT)} B")
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        " data.items.add(new File(['hello'], 'note.txt', {type: 'text/plain'})); return data; }"
    )
    page.dispatch_event("#chat", "drop", {"dataTransfer": dropped})
    expect(page.locator("#files .file small")).to_have_text([f"{len(DOT)} B", "5 B"])
    say(page, "two files")
    expect(answers(page)).to_contain_text(f"dot.png={len(DOT)}, note.txt=5")
    image = page.locator(".message.user .picture img")
    expect(image).to_be_visible()
    assert page.evaluate("document.querySelector('.picture img').naturalWidth") == 1
    expect(page.locator(".message.user a.file")).to_have_attribute("download", "note.txt")
    thumbnail, card = image.bounding_box(), page.locator(".message.user a.file").bounding_box()
    assert (thumbnail["width"], thumbnail["height"]) == (260, 180)  # whatever the picture is
    assert card["height"] < 60  # not stretched by what stands beside it
    note = page.locator(".message.user .note")
    expect(note).to_contain_text("Ada got this with more around it")
    note.get_by_role("button", name="Show").click()
    dialog = page.get_by_role("dialog", name="What Ada got")
    expect(dialog.locator("pre")).to_contain_text("two files\n\n[Attachment: dot.png")
    dialog.get_by_role("button", name="Close").click()
    picture(page, "files")


def test_a_picture_that_the_agent_uploaded_is_shown_and_a_page_of_it_can_do_nothing(make_playground, visit):
    def handler(task):
        picture = task.upload_file(DOT, file_name="dot.png", mime_type="image/png")
        harm = b"<script>document.title = 'harmed'</script><p>shown</p>"
        page = task.upload_file(harm, file_name="page.html", mime_type="text/html")
        return f"![a dot]({picture.url}) and [a page]({page.url}) and ![gone]({picture.url}.old)"

    page = visit(make_playground(handler))
    say(page, "draw")
    image = answers(page).get_by_role("img", name="a dot")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 1
    with page.context.expect_page() as opened:
        answers(page).get_by_role("link", name="a page").click()
    expect(opened.value.get_by_text("shown")).to_be_visible()
    assert opened.value.title() == ""
    expect(answers(page).locator(".picture").last).to_have_text("gone")
    assert page.evaluate("violations") == []


def test_reply_several_users_and_a_group(sample, visit, picture):
    page = visit(sample)
    page.get_by_role("button", name="New conversation", exact=True).click()
    for box in page.get_by_role("dialog").get_by_role("checkbox").all()[:2]:
        box.check()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#subtitle")).to_have_text("Group of 2")
    say(page, "@Iris please ask Otto")
    expect(answers(page).nth(1)).to_be_visible()
    page.get_by_label("Speak as", exact=True).select_option("+")
    page.get_by_label("Name", exact=True).fill("turned \u202e round")
    page.keyboard.press("Enter")
    expect(page.locator("#banner")).to_contain_text("A name has 1 to 40 characters")
    expect(page.get_by_label("Speak as", exact=True)).to_have_value("owner")
    page.get_by_label("Speak as", exact=True).select_option("+")
    page.get_by_label("Name", exact=True).fill("Mallory")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Speak as", exact=True)).to_have_value("Mallory")
    answers(page).first.hover()
    answers(page).first.get_by_role("button", name="Reply").click()
    expect(page.locator("#replying")).to_be_visible()
    say(page, "@Otto is that so?")
    mallory = page.locator(".message.user").last
    expect(mallory.locator(".by")).to_have_text("Mallory")
    expect(mallory.locator(".quote")).to_contain_text("Iris")
    expect(answers(page).last).to_contain_text("is that so?")
    picture(page, "group")


def test_files_in_a_group_do_not_make_agents_talk_for_ever(sample, visit):
    page = visit(sample)
    page.get_by_role("button", name="Iris, Otto").click()
    page.locator("#picker").set_input_files(
        {"name": "note.txt", "mimeType": "text/plain", "buffer": b"hello"}
    )
    expect(page.locator("#files .file small")).to_have_text("5 B")
    say(page, "read this")
    expect(answers(page)).to_have_count(2)
    page.get_by_role("tab", name="Timeline").click()
    # Each answer makes a task for the other agent, who has nothing to say to it. That makes another one, which the
    # duplicate guard drops, as on the real server.
    statuses = page.locator("#timeline .status")
    expect(statuses).to_have_count(6)
    expect(page.locator("#timeline")).not_to_contain_text("streaming")
    assert sorted(statuses.all_inner_texts()) == ["done"] * 2 + ["dropped"] * 2 + ["no answer"] * 2


def test_completion_and_mentions_know_names_of_any_script_and_where_they_end(make_playground, visit):
    names = ("Ann", "Anna", "小明", "C++", "Ann-(x)")
    page = visit(make_playground(names=names))
    page.get_by_role("button", name=", ".join(names)).click()
    expect(page.locator("#subtitle")).to_have_text(f"Group of {len(names)}")
    page.get_by_label("Speak as", exact=True).select_option("+")
    page.get_by_label("Name", exact=True).fill("Mallory")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Speak as", exact=True)).to_have_value("Mallory")
    box = page.get_by_label("Message", exact=True)
    box.press_sequentially("@小")
    expect(page.locator("#popup [role=option]")).to_have_text(["@小明"])
    box.press("Tab")
    expect(box).to_have_value("@小明 ")
    box.press_sequentially("and @Anna, @c++!")
    box.press("Enter")
    # Of others than their owner, agents hear what mentions them.
    page.get_by_role("tab", name="Timeline").click()
    expect(page.locator("#timeline header strong")).to_have_count(3)
    assert sorted(page.locator("#timeline header strong").all_inner_texts()) == ["Anna", "C++", "小明"]
