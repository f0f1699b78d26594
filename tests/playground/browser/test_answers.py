"""How answers are shown: untrusted Markdown, in any direction, of any length, followed while they grow."""

from __future__ import annotations

import re
import threading

import pytest

from ..conftest import PATIENCE
from .pages import Page, answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LONGEST_TASK = 200  # milliseconds that the page may be busy at a stretch


def test_what_an_answer_injects_stays_text(sample, visit, picture):
    page = visit(sample)
    remote = []
    page.on("request", lambda request: "127.0.0.1" in request.url or remote.append(request.url))
    say(page, "/unsafe")
    answer = answers(page)
    expect(answer).to_contain_text('<script>document.title = "broken into"</script>')
    expect(answer).to_contain_text("<img src=x onerror=")
    assert answer.locator("script, img, iframe, [onerror], [style]").count() == 0
    links = answer.locator("a")
    expect(links).to_have_count(2)  # the remote picture and the link that is none of a script
    for place in range(2):
        expect(links.nth(place)).to_have_attribute("href", re.compile("^https://example.com"))
        expect(links.nth(place)).to_have_attribute("rel", "noopener noreferrer")
        expect(links.nth(place)).to_have_attribute("target", "_blank")
    assert "broken" not in page.title()
    assert remote == []
    assert page.evaluate("violations") == []
    picture(page, "unsafe")


HOSTILE = [
    "<svg/onload=alert(1)>",
    "[x](javascript&#58;alert(1)) [y](data:text/html,<script>alert(1)</script>) [z](//evil.example)",
    "![x](javascript:alert(1)) ![y](data:image/svg+xml,<svg/onload=alert(1)>)",
    '```"><img src=x onerror=alert(1)>\n<b>x</b>\n```',
    '[a](https://a.example/"onmouseover="alert(1)) ![b](https://b.example/" onerror="alert(1))',
    "<a href='javascript:alert(1)'>x</a> <form action=/x><input name=y></form> <base href=//evil.example>",
    "| a |\n|---|\n| <iframe srcdoc='<script>1</script>'></iframe> |",
    "<!-- --><style>*{display:none}</style><math><mtext></mtext></math>",
    "[ref]\n\n[ref]: javascript:alert(1) 'title\"><script>'",
]


def test_no_markdown_makes_anything_that_acts(make_playground, visit):
    page = visit(make_playground(lambda task: HOSTILE[int(task.content)]))
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    for number, text in enumerate(HOSTILE):
        say(page, str(number))
        expect(answers(page)).to_have_count(number + 1)
        inside = answers(page).last.locator(".markdown")
        expect(inside).not_to_have_text("")
        acting = "script, style, img, svg:not(.i), iframe, form, base, math, input, object, embed"
        assert inside.locator(acting).count() == 0, text
        attributes = inside.evaluate(
            "node => [...node.querySelectorAll('*')].flatMap((each) =>"
            " [...each.attributes].map(({name, value}) => `${name}=${value}`))"
        )
        for attribute in attributes:
            assert not attribute.startswith(("on", "style=")), text
            assert not re.match(r"href=(?!https?:|mailto:)", attribute), text
    assert page.evaluate("violations") == []


def test_what_cannot_be_rendered_stays_plain_and_the_next_answer_is_rendered(make_playground, visit):
    odd = {
        "quotations": ">" * 3000 + " deep",
        "list": "- " * 2000 + "deep",
        "grammar": "```markdown\n" + "[a](" * 4000 + "\n```\n\nbehind it",  # takes a highlighter for ever
        "fine": "**fine**\n\n```python\nreturn 1\n```",
    }
    page = visit(make_playground(lambda task: odd[task.content]))
    for number, kind in enumerate(odd):
        say(page, kind)
        expect(answers(page)).to_have_count(number + 1)
    expect(answers(page).nth(0)).to_contain_text(">>>>>> deep")
    expect(answers(page).nth(1)).to_contain_text("- - - deep")
    expect(answers(page).nth(2)).to_contain_text("behind it")
    expect(answers(page).nth(3).locator("strong")).to_have_text("fine")
    expect(answers(page).nth(3).locator(".hljs-keyword")).to_have_text("return")
    assert answers(page).nth(2).locator("[class^=hljs-]").count() == 0
    assert page.evaluate("violations") == []


def test_the_view_follows_the_answer_until_the_user_scrolls_up(make_playground, visit):
    go_on = threading.Event()

    def handler(task):
        for number in range(200):
            yield f"## Part {number}\n\nSome words.\n\n```python\nreturn {number}\n```\n\n"
        assert go_on.wait(PATIENCE)
        for number in range(200, 400):
            yield f"## Part {number}\n\nSome words.\n\n"

    page = visit(make_playground(handler))
    log = page.locator("#log")
    say(page, "go")
    expect(page.get_by_role("heading", name="Part 199")).to_be_in_viewport()
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -500)
    expect(page.get_by_role("button", name="Newest message")).to_be_visible()
    before = log.evaluate("log => log.scrollTop")
    go_on.set()
    expect(answers(page)).to_have_count(1)
    expect(answers(page)).to_contain_text("Part 399")
    assert log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") > 400
    assert abs(log.evaluate("log => log.scrollTop") - before) < 200
    page.get_by_role("button", name="Newest message").click()
    expect(page.get_by_role("heading", name="Part 399")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Newest message")).to_be_hidden()


def test_each_paragraph_runs_in_its_own_direction_and_columns_keep_theirs(make_playground, visit, picture):
    text = "Left to right.\n\nשלום עולם\n\n- עולם\n- שלום\n\n| a | b |\n|---|--:|\n| c | d |\n"
    page = visit(make_playground(lambda task: text))
    say(page, "שלום")
    expect(answers(page)).to_have_count(1)
    ends = (
        answers(page)
        .locator("p")
        .evaluate_all(
            "nodes => nodes.map((node) => {"
            " const range = document.createRange(); range.selectNodeContents(node);"
            " const text = range.getBoundingClientRect(), box = node.getBoundingClientRect();"
            " return text.left - box.left < 2 ? 'left' : box.right - text.right < 2 ? 'right' : 'middle'; })"
        )
    )
    assert ends[:2] == ["left", "right"]
    directions = "nodes => nodes.map((node) => getComputedStyle(node).direction)"
    assert answers(page).locator("ul").evaluate_all(directions) == ["rtl"]
    assert page.locator(".message.user .bubble").evaluate_all(directions) == ["rtl"]
    aligned = "nodes => nodes.map((node) => getComputedStyle(node).textAlign)"
    assert answers(page).locator("td").evaluate_all(aligned)[1] in ("right", "-webkit-right")
    picture(page, "directions")


def test_lists_keep_their_numbers_and_boxes(make_playground, visit):
    page = visit(make_playground(lambda task: "7. seven\n8. eight\n\n- [x] done\n- [ ] to do\n"))
    say(page, "go")
    expect(answers(page).locator("ol")).to_have_attribute("start", "7")
    boxes = answers(page).get_by_role("checkbox")
    expect(boxes).to_have_count(2)
    expect(boxes.nth(0)).to_be_checked()
    expect(boxes.nth(1)).not_to_be_checked()
    expect(boxes.nth(0)).to_be_disabled()


def longest_task(page: Page, text: str, last: str) -> float:
    """Let the agent answer; return how long the page was busy at most, in milliseconds."""
    before = answers(page).count()
    page.evaluate("tasks.length = 0")
    say(page, text)
    expect(answers(page)).to_have_count(before + 1)
    # Not text that has to be laid out, which would be work of the test's own.
    for _ in range(100):
        if last in (answers(page).last.text_content() or ""):
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail(f"{last!r} was not shown")
    return float(page.evaluate("Math.max(0, ...tasks)"))


def slowness(page: Page) -> float:
    """Return how much slower this machine is now than one on which the loop takes 300 ms; at least 1."""
    took = page.evaluate(
        "() => { const begin = performance.now(); let sum = 0;"
        " for (let i = 0; i < 2e7; i++) sum += Math.sqrt(i) % 3; return sum > 0 ? performance.now() - begin : 0; }"
    )
    return max(1.0, float(took) / 300)


@pytest.mark.parametrize("kind", ["rich", "paragraph", "code"])
def test_ten_thousand_chunks_in_one_message_leave_the_page_usable(make_playground, visit, picture, kind):
    chunks = {
        "rich": [
            f"**{n}** word{', and so on' if n % 7 else ''}" + (" " if n % 60 else "\n\n")
            for n in range(10_000)
        ],
        "paragraph": [f"word{n} " for n in range(10_000)],
        "code": ["```python\n", *(f"v{n} = {n}\n" for n in range(10_000))],
    }[kind]
    page = visit(make_playground(lambda task: iter([*chunks, "the end"])))
    longest = []
    for _ in range(3):  # the machine may have been busy elsewhere
        factor = slowness(page)
        longest.append(longest_task(page, "go", "the end") / factor)
        if longest[-1] < LONGEST_TASK:
            break
    print(f"longest task, {kind}: {longest} ms")
    assert longest[-1] < LONGEST_TASK
    if kind == "rich":
        assert answers(page).last.locator("strong").count() == 10_000
    picture(page, f"ten-thousand-chunks-{kind}")
