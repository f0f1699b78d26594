"""No view of the page breaks a rule of axe-core."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import PHONE, answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

AXE = Path(__file__).parent / "vendor" / "axe.js"
RULES = """async (where) => (await axe.run(where, {resultTypes: ["violations"]})).violations
    .map(({id, nodes}) => id + nodes.map(({html, failureSummary}) => html.slice(0, 200) + failureSummary))"""


DIALOGS = ("New conversation", "This conversation", "Keyboard shortcuts")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_breaks_a_rule_of_accessibility(sample, visit, scheme):
    page = visit(sample, color_scheme=scheme, bypass_csp=True)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    broken = {}

    def check(view: str, where: str = "html") -> None:
        broken[view] = page.evaluate(RULES, where)

    check("empty")
    page.keyboard.type("/")
    expect(page.locator("#popup [role=option]").first).to_be_visible()
    check("suggestions", "#composer")
    page.keyboard.press("Escape")
    say(page, "/tour")
    expect(answers(page)).to_have_count(1)
    expect(page.locator(".formula .katex").first).to_be_visible()
    say(page, "/fail")
    expect(answers(page, "error")).to_have_count(1)
    page.locator(".frame").last.click()
    expect(page.locator("#frame-detail")).to_be_visible()
    check("Frames")
    page.get_by_role("tab", name="Timeline").click()
    check("Timeline", "#panel")
    page.get_by_role("tab", name="Agent").click()
    page.get_by_text("Log, 1 line").click()  # of the one that failed
    page.locator("#agents summary").last.click()
    check("Agent", "#panel")
    page.get_by_role("tab", name="Faults").click()
    page.get_by_role("button", name="No pongs").click()
    expect(page.locator("#fault-count")).to_be_visible()
    check("Faults", "#panel")
    for name in DIALOGS:
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        check(name, "dialog[open]")
        page.keyboard.press("Escape")
    page.get_by_label("Speak as", exact=True).select_option("+")
    expect(page.get_by_role("dialog")).to_be_visible()
    check("Speak as someone else", "dialog[open]")
    page.keyboard.press("Escape")
    page.locator("#picker").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"})
    expect(page.locator("#files small")).to_have_text("1 B")
    say(page, "read it")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("dialog", name="What Iris got")).to_be_visible()
    check("What Iris got", "dialog[open]")
    page.set_viewport_size(PHONE)
    check("phone, dialog", "dialog[open]")
    page.keyboard.press("Escape")
    check("phone")
    page.get_by_role("button", name="Conversations").click()
    expect(page.locator("#conversations")).to_be_visible()
    check("phone, conversations", "#sidebar")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Inspector").click()
    expect(page.get_by_role("tabpanel", name="Faults")).to_be_visible()
    check("phone, inspector", "#panel")
    assert {view: rules for view, rules in broken.items() if rules} == {}
