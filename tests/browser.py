"""Tests in a real browser: a Chromium of the machine, driven by Playwright.

One browser a session (with xdist: a worker), a fresh context a page. A page must say nothing on the console that is an
error, raise nothing, and ask the network for nothing: the test fails at its end otherwise.

    def test_of_a_page(page, tmp_path): ...                       # a desktop, light
    def test_of_a_phone(new_page): new_page(**PHONE, **DARK)      # any other
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, BrowserType, ConsoleMessage, Page, Request

NewPage = Callable[..., "Page"]

#: options of ``new_page``
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True,
}  # fmt: skip
LIGHT: dict[str, Any] = {"color_scheme": "light"}
DARK: dict[str, Any] = {"color_scheme": "dark"}
NO_JAVASCRIPT: dict[str, Any] = {"java_script_enabled": False}

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_LOCAL = ("file:", "data:", "blob:", "about:")
_HOW = "install one (`apt-get install chromium`, or `playwright install chromium`), or set CHROMIUM to its path"


def _launch(chromium: BrowserType) -> Browser:
    """The first browser that starts: of CHROMIUM alone if that is set, else of the path, else Playwright's own."""
    from playwright.sync_api import Error

    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return chromium.launch(executable_path=chosen)  # asked for: what is wrong with it is an error
    found = [path for path in map(shutil.which, _NAMES) if path]
    own = chromium.executable_path
    for path in [*found, *([own] if Path(own).exists() else [])]:
        with suppress(Error):  # `chromium-browser` may be a script that asks for a snap
            return chromium.launch(executable_path=path)
    pytest.skip(f"no Chromium on this machine {'starts' if found else 'was found'}: {_HOW}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'archscope[test]'")
    with playwright.sync_playwright() as driver:
        running = _launch(driver.chromium)
        yield running
        running.close()


@contextmanager
def watched_pages(browser: Browser) -> Iterator[NewPage]:
    """A function that makes pages; what goes wrong in any of them fails the test when the block ends."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(f"console: {message.text}")

    def request(asked: Request) -> None:
        if not asked.url.startswith(_LOCAL):
            wrong.append(f"asked the network for {asked.url}")

    def make(**options: Any) -> Page:
        # motion is reduced so that nothing is looked at half way
        context = browser.new_context(**{"reduced_motion": "reduce", "offline": True, **DESKTOP, **options})
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.on("console", console)
        context.on("weberror", lambda error: wrong.append(f"error: {error.error}"))
        context.on("request", request)
        return context.new_page()

    try:
        yield make
    finally:
        for context in contexts:
            for opened in context.pages:
                opened.evaluate("0")  # there and back: what the page has said until now has arrived
            context.close()
    if wrong:
        pytest.fail("\n".join(["the page went wrong:", *wrong]), pytrace=False)


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Makes pages, given options of Playwright's ``browser.new_context``."""
    with watched_pages(browser) as make:
        yield make


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """A page on a desktop, in light colours."""
    return new_page()


def inaccessible(page: Page, context: str | None = None) -> list[str]:
    """What axe-core finds serious or critical, a line each; empty is good.

    Args:
        context: a CSS selector of what to look at; the whole page without one.
    """
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=context).response["violations"]
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
