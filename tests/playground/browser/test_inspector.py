"""What stands beside the chat: frames, faults, agents. And the page by keyboard, on a phone, in the dark."""

from __future__ import annotations

import re

import pytest

from .pages import PHONE, answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_frames_are_filtered_read_and_copied(make_playground, visit, picture):
    playground = make_playground()
    page = visit(playground, permissions=["clipboard-read", "clipboard-write"])
    say(page, "find me")
    expect(answers(page)).to_have_count(1)
    page.get_by_label("Filter frames").fill("find me")
    expect(page.locator(".frame .type")).to_have_text(["task", "agent_complete"])
    page.get_by_label("Direction").select_option("out")
    expect(page.locator(".frame .type")).to_have_text(["task"])
    page.locator(".frame").click()
    expect(page.locator("#frame-text")).to_contain_text('"content": "find me"')
    page.get_by_role("button", name="Copy", exact=True).last.click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert '"find me"' in page.evaluate("navigator.clipboard.readText()")
    page.get_by_label("Direction").select_option("")
    page.get_by_label("Filter frames").fill("agent_auth")
    expect(page.locator(".frame .type")).to_have_text(["agent_auth"])
    page.locator(".frame").click()
    expect(page.locator("#frame-text")).to_contain_text("[redacted]")
    assert playground.server.bot_token not in page.content()
    picture(page, "frames")


def test_the_timeline_of_a_long_message_fits_its_panel(make_playground, visit):
    page = visit(make_playground())
    said = "What is the meaning of all this, and where does it end?"
    say(page, said)
    expect(answers(page)).to_have_count(1)
    page.get_by_role("tab", name="Timeline").click()
    expect(page.locator(".task .said")).to_have_text(said)
    panel = page.locator("#view-timeline").bounding_box()
    for part in (".task", ".task .status", ".task dl"):
        box = page.locator(part).last.bounding_box()
        assert box["x"] >= panel["x"], part
        assert box["x"] + box["width"] <= panel["x"] + panel["width"], part


def test_a_drop_shows_and_heals_and_the_next_answer_comes(make_playground, visit, picture):
    page = visit(make_playground())
    page.get_by_role("tab", name="Faults").click()
    page.get_by_role("button", name=re.compile("^Refuse auth")).click()
    expect(page.locator("#fault-count")).to_have_text("1")
    picture(page, "faults")
    expect(page.get_by_role("button", name=re.compile("^Refuse auth"))).to_contain_text("on")
    page.get_by_role("button", name=re.compile("^Drop The TCP")).click()
    expect(page.locator(".fault.done")).to_contain_text("Drop")
    expect(page.locator("#announcer")).to_have_text("Drop: done")
    expect(page.locator("#subtitle")).to_have_text("not connected")
    page.get_by_role("button", name="Heal all").click()
    page.get_by_role("tab", name="Agent").click()
    page.get_by_role("button", name="Restart").click()
    expect(page.locator("#subtitle")).to_have_text("connected")
    page.get_by_role("tab", name="Faults").click()
    page.get_by_role("button", name=re.compile("^Drop The TCP")).click()
    page.get_by_role("tab", name="Agent").click()
    expect(page.locator("#agents")).to_contain_text("connections so far, 1 restart")
    expect(page.locator("#subtitle")).to_have_text("connected")
    say(page, "still there?")
    expect(answers(page)).to_contain_text("echo: still there?")


def test_an_agent_that_does_not_run_says_why_where_it_is_seen(visit, picture):
    from arinova_agent_sync.playground.agents import AgentStatus
    from arinova_agent_sync.playground.playground import Playground

    class Broken:
        """An agent whose file cannot be loaded."""

        def __init__(self, url, token, changed):
            self._state = AgentStatus(changed)

        def start(self):
            self._state.set(
                "failed", "Traceback:\n  File 'mine.py', line 2\nSyntaxError: '(' was never closed"
            )

        def stop(self, timeout):
            pass

        def restart(self):
            self._state.set("starting")

        def stats(self, timeout):
            return None

        def log(self):
            return []

        def state(self):
            return self._state.get()

    with Playground({"Ada": Broken}) as playground:
        page = visit(playground)
        trouble = page.locator("#trouble")
        expect(trouble).to_contain_text("Ada: SyntaxError: '(' was never closed")
        picture(page, "trouble")
        trouble.get_by_role("button", name="Details").click()
        expect(page.get_by_role("tabpanel", name="Agent")).to_contain_text("File 'mine.py', line 2")
        page.get_by_role("button", name="Restart").click()
        expect(trouble).to_be_hidden()
        expect(page.locator("#subtitle")).to_have_text("starting…")
        page.get_by_role("button", name="Hello!").click()  # it offers no commands
        expect(page.get_by_label("Message", exact=True)).to_have_value("Hello!")


def test_the_keyboard_alone_is_enough(sample, visit):
    page = visit(sample)
    keys = page.keyboard
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    keys.type("/co")
    expect(page.get_by_role("option", name="/code")).to_have_attribute("aria-selected", "true")
    keys.press("ArrowDown")
    keys.press("Tab")
    expect(page.get_by_label("Message", exact=True)).to_have_value("/count ")
    keys.type("3")
    keys.press("Enter")
    expect(answers(page)).to_contain_text("1 2 3")
    keys.press("Alt+n")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    keys.press("Escape")
    expect(dialog).to_be_hidden()
    keys.press("Alt+2")
    expect(page.get_by_role("tab", name="Timeline")).to_be_focused()
    expect(page.locator("#timeline .task")).to_have_count(1)
    keys.press("ArrowRight")
    expect(page.get_by_role("tab", name="Agent")).to_have_attribute("aria-selected", "true")
    keys.press("Alt+i")
    expect(page.locator("#panel")).to_be_hidden()
    keys.press("Alt+ArrowDown")
    expect(page.get_by_role("heading", level=1)).to_have_text("Iris, Otto")
    keys.press("/")
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    keys.type("@ot")
    keys.press("Enter")
    keys.type("hello")
    keys.press("Enter")
    expect(page.locator(".message.user .bubble")).to_have_text("@Otto hello")
    expect(answers(page).first).to_be_visible()
    current = page.locator("#conversations button[tabindex='0']")
    expect(current).to_have_count(1)  # one stop for the Tab key, and the arrows from there
    current.focus()
    keys.press("Home")
    expect(page.locator("#conversations button").first).to_be_focused()
    keys.press("ArrowDown")
    expect(page.locator("#conversations button").nth(1)).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_one_thing_at_a_time_in_light_and_dark(sample, visit, picture, scheme):
    page = visit(
        sample, viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    say(page, "/tour")
    expect(answers(page)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    picture(page, f"phone-{scheme}")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert red > 200 if scheme == "light" else red < 60
    page.get_by_role("button", name="Conversations").tap()
    expect(page.locator("#conversations")).to_be_visible()
    assert page.evaluate("document.getElementById('chat').inert")
    picture(page, f"phone-{scheme}-conversations")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Inspector").tap()
    expect(page.locator(".frame").first).to_be_visible()
    picture(page, f"phone-{scheme}-frames")
    page.get_by_role("tab", name="Timeline").tap()
    expect(page.locator("#timeline .task")).to_have_count(1)
    page.get_by_role("button", name="Close the inspector").tap()
    expect(page.locator("#panel")).to_be_hidden()


def test_dark_mode_on_a_desktop(sample, visit, picture):
    page = visit(sample, color_scheme="dark")
    say(page, "/tour")
    expect(answers(page)).to_have_count(1)
    for name in ("Timeline", "Agent", "Faults", "Frames"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        picture(page, f"dark-{name.lower()}")
