"""The fixtures of browser tests catch what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import DARK, LIGHT, NO_JAVASCRIPT, PHONE, NewPage, inaccessible, watched_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_START = "<!doctype html><html lang=en><title>t</title><main><h1>t</h1>"


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("<script>console.error('alas')</script>", "console: alas"),
        ("<script>throw new Error('alas')</script>", "error: alas"),
        ("<script>Promise.reject(new Error('alas'))</script>", "error: alas"),
        ("<img src=https://example.org/x.png alt=x>", "asked the network for https://example.org/x.png"),
        ("<script>fetch('http://example.org/x').catch(() => 0)</script>", "asked the network for http://example.org/x"),
    ],
)
def test_a_page_that_goes_wrong_fails_its_test(html: str, message: str, browser: Browser) -> None:
    with pytest.raises(pytest.fail.Exception, match="went wrong") as failure, watched_pages(browser) as make:
        make().set_content(_START + html)
    assert message in str(failure.value)


def test_a_good_page_passes(page: Page) -> None:
    page.set_content(
        f"{_START}<img alt=x src=data:image/gif;base64,R0lGODlhAQABAAAAACw=><script>console.log(1)</script>"
    )
    assert inaccessible(page) == []


def test_what_axe_finds_is_told(page: Page) -> None:
    page.set_content(f"{_START}<button></button>")
    (found,) = inaccessible(page)
    assert found.startswith("button-name (critical)")


@pytest.mark.parametrize(
    ("options", "question", "answer"),
    [
        (DARK, "matchMedia('(prefers-color-scheme: dark)').matches", True),
        (LIGHT, "matchMedia('(prefers-color-scheme: dark)').matches", False),
        (PHONE, "[innerWidth, navigator.maxTouchPoints > 0]", [390, True]),
        ({}, "innerWidth", 1440),
    ],
)
def test_options_reach_the_page(options: dict[str, Any], question: str, answer: object, new_page: NewPage) -> None:
    page = new_page(**options)
    page.set_content(f"{_START}<meta name=viewport content='width=device-width'>")
    assert page.evaluate(question) == answer


def test_a_page_without_javascript(new_page: NewPage) -> None:
    page = new_page(**NO_JAVASCRIPT)
    page.set_content(f"{_START}<script>document.querySelector('h1').textContent = 'run'</script>")
    assert page.text_content("h1") == "t"
