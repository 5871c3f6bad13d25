"""The built site in a browser: search finds, pages fit, and nothing is asked of other servers.

    mkdocs build --strict --site-dir SITE && ARCHSCOPE_SITE=SITE pytest tests/test_site.py

Without a built site these are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.browser import DARK, DESKTOP, LIGHT, PHONE

SITE = os.environ.get("ARCHSCOPE_SITE")
pytestmark = pytest.mark.skipif(SITE is None, reason="no built site: ARCHSCOPE_SITE names one")
#: pages of ours; the kept reports have tests of their own
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in Path(SITE or os.devnull).rglob("*.html")
    if '<meta name="generator"' in path.read_text(encoding="utf-8") and path.name != "404.html"
)  # fmt: skip


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the site is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=SITE))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("FLOPs", "counting.html"),
        ("receptive field", "receptive-fields.html"),
        ("saved tensors", "memory.html"),
        ("out of memory", "memory.html"),
    ],
)
def test_search_finds(words, page, address, browser):
    tab = browser.new_page(**DESKTOP)
    tab.goto(address)
    tab.locator("input.md-search__input").click()
    tab.get_by_text("Type to start searching").wait_for()  # the index has come
    tab.locator("input.md-search__input").press_sequentially(words)
    tab.locator("a.md-search-result__link").first.wait_for()
    links = [one.get_attribute("href") or "" for one in tab.locator("a.md-search-result__link").all()[:6]]
    tab.close()
    assert any(page in link for link in links), links


@pytest.mark.parametrize("view", [{**DESKTOP, **LIGHT}, {**DESKTOP, **DARK}, {**PHONE, **LIGHT}, {**PHONE, **DARK}])
def test_every_page_fits_and_asks_nobody(view, address, browser):
    context = browser.new_context(**view)
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("request", lambda request: None if request.url.startswith((address, "data:")) else wrong.append(request.url))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    for page in PAGES:
        tab.goto(address + page)
        beyond = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wrong += [f"{page} is {beyond} pixels too wide"] * (beyond > 0)
    context.close()
    assert wrong == []


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("page", ["index", "language", "contributing/op", "reference/python", "commands/memory"])
def test_text_has_contrast_and_links_are_seen(page, scheme, address, browser):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = browser.new_page(**DESKTOP, **scheme)
    tab.goto(f"{address}{page}.html")
    rules = {"runOnly": ["color-contrast", "link-in-text-block"]}
    violations = axe.run(tab, options=rules).response["violations"]
    tab.close()
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
