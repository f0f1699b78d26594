"""No view of the page breaks a rule of axe-core."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

AXE = Path(__file__).parent / "vendor" / "axe.js"
RULES = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .map(({id, nodes}) => id + nodes.map(({html, failureSummary}) => html.slice(0, 200) + failureSummary))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_breaks_a_rule_of_accessibility(sample, visit, picture, scheme):
    page = visit(sample, color_scheme=scheme, bypass_csp=True)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    broken = {"empty": page.evaluate(RULES)}
    say(page, "/tour")
    expect(answers(page)).to_have_count(1)
    expect(page.locator(".formula .katex").first).to_be_visible()
    say(page, "/fail")
    expect(answers(page, "error")).to_have_count(1)
    for name in ("Frames", "Timeline", "Agent", "Faults"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        broken[name] = page.evaluate(RULES)
        picture(page, f"axe-{scheme}-{name.lower()}")
    page.keyboard.press("Alt+n")
    expect(page.get_by_role("dialog")).to_be_visible()
    broken["dialog"] = page.evaluate(RULES)
    assert {view: rules for view, rules in broken.items() if rules} == {}
