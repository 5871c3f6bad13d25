"""Reports of large designs: written from a cold start, and painted by a browser.

``python -m pytest benchmarks/test_page.py --benchmark-only``; a Chromium is needed for the second.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import archscope
from archscope.report.page import design_page
from tests.browser import NewPage

LARGE = ("resnet152", "nasnet_large")


@pytest.mark.parametrize("name", LARGE)
def test_written_from_a_cold_start(name: str, benchmark: Any, tmp_path: Path) -> None:
    """The whole process, start-up included."""
    command = [sys.executable, "-m", "archscope", "analyze", name, "--html", str(tmp_path / "page.html")]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=5, warmup_rounds=1)
    benchmark.extra_info["bytes"] = (tmp_path / "page.html").stat().st_size


@pytest.mark.parametrize("name", LARGE)
def test_painted(name: str, benchmark: Any, tmp_path: Path, new_page: NewPage) -> None:
    """From navigation to the end of the scripts; the first paint stands in extra_info, in milliseconds."""
    file = tmp_path / "page.html"
    file.write_text(design_page(archscope.analyze(archscope.load(name))), encoding="utf-8")
    page = new_page()

    def load() -> None:
        page.goto(file.as_uri())

    benchmark.pedantic(load, rounds=5, warmup_rounds=1)
    page.wait_for_timeout(300)
    benchmark.extra_info["first paint"] = page.evaluate("performance.getEntriesByType('paint')[0].startTime")
