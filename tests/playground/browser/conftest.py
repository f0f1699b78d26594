"""A browser, and playgrounds in it. Screenshots are kept in the folder that ARINOVA_SCREENSHOTS names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..conftest import PATIENCE

if TYPE_CHECKING:
    from .pages import Browser, Page


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests here; it starts before the leaks of a test are counted."""
    from .pages import CHROMIUM, expect, sync_playwright

    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a playground's page; at the end nothing may have failed in it."""
    from .pages import DESKTOP, OBSERVE, expect

    contexts, failures = [], []

    def visit(playground: Any, address: str | None = None, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        context.add_init_script(OBSERVE)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(address or playground.url)
        expect(page.locator("body.ready")).to_be_attached()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not failures


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Page, str], None]:
    """Keep a screenshot."""
    folder = Path(os.environ.get("ARINOVA_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        (folder / f"{name}.png").write_bytes(page.screenshot())

    return take


@pytest.fixture
def sample(make_playground: Callable[..., Any]) -> Any:
    """A playground of two sample agents that make no pauses."""
    from arinova_agent_sync.playground.agents import InProcess
    from arinova_agent_sync.playground.playground import Playground
    from arinova_agent_sync.playground.sample import make_agent

    def runner(url: str, token: str, changed: Callable[[], None]) -> InProcess:
        return InProcess(lambda: make_agent(url, token, pause=0.0), changed)

    with Playground({"Iris": runner, "Otto": runner}, duplicate_window=0) as playground:
        yield playground
