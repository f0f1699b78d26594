"""What the tests in a browser share: Chromium, driven by Playwright, and how a page is used.

They are skipped without both, unless ARINOVA_TEST_BROWSER=1 demands them.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    missing = "playwright is not installed"
else:
    missing = "" if CHROMIUM else "there is no Chromium"
if missing and os.environ.get("ARINOVA_TEST_BROWSER") == "1":
    raise RuntimeError(f"ARINOVA_TEST_BROWSER=1 demands the tests in a browser, and {missing}")
if missing:
    pytest.skip(missing, allow_module_level=True)

__all__ = [
    "CHROMIUM",
    "DESKTOP",
    "DOT",
    "OBSERVE",
    "PHONE",
    "Browser",
    "Page",
    "answers",
    "expect",
    "say",
    "sync_playwright",
]

DESKTOP = {"width": 1440, "height": 900}
# A picture of one pixel.
DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763a8a9"
    "a900000304018187ff6e540000000049454e44ae426082"
)
PHONE = {"width": 390, "height": 844}
# Collects how long the page was busy, and everything that the policy kept from happening.
OBSERVE = """
window.tasks = [];
window.violations = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({type: "longtask", buffered: true});
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + event.blockedURI));
"""


def say(page: Page, text: str) -> None:
    box = page.get_by_label("Message", exact=True)
    box.fill(text)
    box.press("Enter")


def answers(page: Page, status: str = "completed") -> Any:
    return page.locator(f".message.agent.{status}")
