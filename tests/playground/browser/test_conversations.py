"""What a user does with a conversation: say it again, edit, export, clear, delete. And the errors of an agent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ..conftest import QUICK
from .pages import answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_message_is_answered_again_edited_exported_cleared_and_deleted(make_playground, visit):
    playground = make_playground()
    page = visit(playground)
    page.get_by_role("button", name="/", exact=False).first.click()  # a starter
    say(page, "first")
    expect(answers(page)).to_have_text([echoed("first")])
    before = answers(page).get_attribute("data-id")
    answers(page).hover()
    page.get_by_role("button", name="Answer again").click()
    expect(page.locator(f"[data-id='{before}']")).to_have_count(0)
    expect(answers(page)).to_have_text([echoed("first")])
    page.locator(".message.user").hover()
    page.get_by_role("button", name="Edit and send again").click()
    say(page, "second")
    expect(answers(page)).to_have_text([echoed("second")])
    expect(page.locator(".message.user .bubble")).to_have_text(["second"])

    def exported(name: str) -> str:
        page.get_by_role("button", name="This conversation").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        return Path(download.value.path()).read_text(encoding="utf-8")

    assert "second" in exported("Export as Markdown")
    frames = exported("Export all frames as JSON")
    assert "task" in {frame["type"] for frame in json.loads(frames)}
    assert playground.server.bot_token not in frames
    page.get_by_role("button", name="This conversation").click()
    page.get_by_role("button", name="Clear: remove its messages").click()
    expect(page.get_by_role("heading", name="Say something")).to_be_visible()
    expect(page.locator(".message")).to_have_count(0)
    old = page.evaluate("sessionStorage.getItem('conversation')")
    page.get_by_role("button", name="This conversation").click()
    page.get_by_role("button", name="Delete the conversation").click()
    page.wait_for_function("(old) => sessionStorage.getItem('conversation') !== old", arg=old)
    expect(page.locator("#conversations button")).to_have_count(1)
    say(page, "third")
    expect(answers(page)).to_have_text([echoed("third")])


def echoed(said: str):
    return re.compile(f"echo: {said}")


def test_an_error_shows_its_traceback_and_the_log(make_playground, visit, picture):
    def broken(task):
        return {}["missing"]

    page = visit(make_playground(broken))
    say(page, "go")
    page.get_by_role("button", name="Why?").click()
    panel = page.get_by_role("tabpanel", name="Agent")
    problem = panel.locator(".problem pre")
    expect(problem).to_contain_text('return {}["missing"]')
    expect(problem).not_to_contain_text("task_runner.py")
    page.evaluate("window.read = document.querySelector('.problem pre')")
    panel.get_by_text("Log,").click()
    expect(panel.locator(".log pre")).to_contain_text("its handler raised")
    expect(panel.locator(".rates polyline")).to_have_count(4)
    expect(panel.locator(".rates polyline").first).to_have_attribute(
        "points", re.compile(" ")
    )  # a second later
    assert page.evaluate("read.isConnected")  # what is marked in it stays marked
    picture(page, "error")


def test_the_theme_is_chosen_and_pings_are_hidden_at_first(make_playground, visit):
    page = visit(make_playground(settings={**QUICK, "ping_interval": 0.1}))
    page.get_by_label("Theme").select_option("dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    page.reload()
    expect(page.get_by_label("Theme")).to_have_value("dark")
    group = page.get_by_role("group", name="Types that are shown")
    expect(group.get_by_role("button", name="ping")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".frame .type").filter(has_text="ping")).to_have_count(0)
    group.get_by_role("button", name="ping").click()
    expect(page.locator(".frame .type").filter(has_text="ping").first).to_be_visible()
