"""Settings and fixtures that all tests share."""

import gc
from importlib.util import find_spec

import pytest
from hypothesis import settings

from tests.browser import browser, new_page, page
from tests.examples import examples
from tests.repository import repository, template

__all__ = ["browser", "new_page", "page", "repository", "template"]

# The same examples every time, so that a change is blamed for what it broke; `--hypothesis-profile explore` draws
# new ones. Time is measured in benchmarks/, not here.
settings.register_profile("archscope", deadline=None, print_blob=True, derandomize=True, max_examples=examples(100))
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("archscope")


def pytest_addoption(parser):
    parser.addoption("--static", action="store_true", help="leave out what needs torch where it is not installed")


class ModuleOfTheStaticSide(pytest.Module):
    """A file of tests; one that imports what is not installed is skipped."""

    def collect(self):
        try:
            return super().collect()
        except self.CollectError as error:
            if isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name in TORCH_SIDE:
                pytest.skip(f"needs {error.__cause__.name}", allow_module_level=True)
            raise


#: libraries that only the torch side needs
TORCH_SIDE = ("torch", "fvcore", "ptflops", "thop", "torchinfo", "transformers", "onnxruntime", "onnxscript")


def pytest_pycollect_makemodule(module_path, parent):
    return ModuleOfTheStaticSide.from_parent(parent, path=module_path) if parent.config.getoption("static") else None


def pytest_runtest_setup(item):
    """A test that needs a library is skipped under ``--static`` where it is not installed, and fails elsewhere."""
    if item.config.getoption("static"):
        for library in (name for mark in item.iter_markers("needs") for name in mark.args):
            if find_spec(library) is None:
                pytest.skip(f"needs {library}")


def pytest_collection_finish():
    """What is there before the first test stays: torch alone has half a million objects, which no collection frees."""
    gc.collect()
    gc.freeze()
