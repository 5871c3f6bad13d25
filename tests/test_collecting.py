"""Where garbage collection is held off, and that it is on again behind it."""

import gc

import pytest

import archscope
from archscope.collecting import uncollected
from archscope.report.page import design_page


@pytest.fixture
def collections():
    """The collections that begin while a test runs."""
    seen = []

    def note(phase, _):
        if phase == "start":
            seen.append(phase)

    gc.collect()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def _ours(thing: object) -> bool:
    """Whether it is a value or a closure of archscope; what browsers and event loops of other tests leave is not."""
    return str(getattr(thing if callable(thing) else type(thing), "__module__", "")).startswith("archscope")


def test_neither_a_design_nor_its_page_is_left_to_the_collector():
    design_page(archscope.analyze(archscope.load("resnet50")))  # what is made once
    gc.collect()
    gc.disable()
    try:
        design_page(archscope.analyze(archscope.load("resnet50")))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert sum(map(_ours, gc.garbage)) < 20  # of thousands; a word of a spec may hold the names around it
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@uncollected()
def _fail():
    assert not gc.isenabled()
    raise ZeroDivisionError


def test_it_is_on_again_after_a_mistake():
    with pytest.raises(ZeroDivisionError):
        _fail()
    assert gc.isenabled()


def test_what_was_off_stays_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_page_is_written_without_a_search_for_cycles(collections):
    account = archscope.analyze(archscope.load("resnet50"))
    collections.clear()
    assert design_page(account)
    assert len(collections) <= 1  # behind it; some fifty if each thousand new values asked for one
