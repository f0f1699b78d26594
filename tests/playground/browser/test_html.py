"""HTML and formulas of an agent: what is on the list is drawn, everything else stays text."""

from __future__ import annotations

import pytest

from .pages import answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TEXT = r"""one<br>two, H<sub>2</sub>O, $a^2$ costs $5 or $6

$$\frac{1}{2}$$

<details>
<summary>More</summary>

**inside**

</details>

<details onclick="document.title='x'">stays</details>

<sub onclick="document.title='x'">odd</sub> <svg onload="document.title='x'"> <iframe src="javascript:1"></iframe>

An end</sub> without its beginning, a <kbd>beginning without its end, <sup>twice</sup></sup>

$\href{javascript:alert(1)}{x}$ and $\htmlStyle{color:red}{y}$ and $\undefinedmacro$
"""
HANDLERS = """[...document.querySelectorAll(".markdown *")].flatMap((node) => node.getAttributeNames())
    .filter((name) => name.startsWith("on"))"""


def test_listed_html_and_formulas_are_drawn_and_the_rest_stays_text(make_playground, visit, picture):
    page = visit(make_playground(lambda task: TEXT))
    say(page, "go")
    answer = answers(page)
    expect(answer).to_have_count(1)
    expect(answer.locator(".formula .katex")).not_to_have_count(0)
    expect(answer.locator("code.unreadable").last).to_have_text(r"\undefinedmacro")
    expect(answer.locator(".katex-display")).to_have_count(1)
    expect(answer.locator("br")).to_have_count(1)
    expect(answer.locator("sub").first).to_have_text("2")
    expect(answer.locator("details")).to_have_count(1)
    expect(answer.locator("details strong")).to_have_text("inside")
    expect(answer).to_contain_text("$5 or $6")
    stays = TEXT[TEXT.index("<details onclick") : TEXT.index("$\\href")]
    stays = stays.replace("<sup>twice</sup></sup>", "twice</sup>")
    shown = answer.locator(".plain, .plain ~ p").all_inner_texts()
    assert "\n\n".join(shown[:3]) == stays.strip()
    expect(answer.locator("code.unreadable").first).to_have_text(r"\href{javascript:alert(1)}{x}")
    picture(page, "html")
    assert page.evaluate(HANDLERS) == []
    assert answer.locator("a, iframe, svg[onload]").count() == 0
    assert page.title() != "x"
    assert page.evaluate("violations") == []
