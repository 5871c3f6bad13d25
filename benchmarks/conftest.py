"""Fixtures that benchmarks share with the tests."""

from tests.browser import browser, new_page

__all__ = ["browser", "new_page"]
