"""Settings and fixtures that all tests share."""

import gc

from hypothesis import settings

from tests.browser import browser, new_page, page
from tests.examples import examples

__all__ = ["browser", "new_page", "page"]

# The same examples every time, so that a change is blamed for what it broke; `--hypothesis-profile explore` draws
# new ones. Time is measured in benchmarks/, not here.
settings.register_profile("archscope", deadline=None, print_blob=True, derandomize=True, max_examples=examples(100))
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("archscope")


def pytest_collection_finish():
    """What is there before the first test stays: torch alone has half a million objects, which no collection frees."""
    gc.collect()
    gc.freeze()
