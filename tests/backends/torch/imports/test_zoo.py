"""Models that nobody here wrote become designs with their figures, or are refused for the reason that is told."""

from __future__ import annotations

import pytest

from archscope.backends.importing.imported import Imported
from tests.backends.torch.imports import zoo
from tests.backends.torch.imports.proofs import unproved


def hold(entry: zoo.Entry) -> None:
    """That an architecture becomes what the table says of it."""
    found = zoo.imported(entry)
    if entry.refused:
        assert isinstance(found, str)
        assert entry.refused in found
        return
    assert isinstance(found, Imported), found
    assert unproved(found) == [] or entry.keeps
    assert {one.what for one in found.proof if not one.ok} == ({"saved_bytes"} if entry.keeps else set())
    assert not found.flat


@pytest.mark.parametrize("entry", zoo.OWN, ids=str)
def test_small_models(entry):
    hold(entry)


@pytest.mark.slow
@pytest.mark.parametrize("entry", zoo.PUBLIC, ids=str)
def test_public_models(entry):
    pytest.importorskip("transformers")
    hold(entry)


def test_there_are_enough_and_each_has_a_name():
    names = [entry.name for entry in zoo.ALL]
    assert len(set(names)) == len(names) >= 60
    assert sum(not entry.refused for entry in zoo.PUBLIC) >= 40


@pytest.mark.slow
def test_the_table_is_current():
    pytest.importorskip("transformers")
    assert zoo.REPORT.read_text(encoding="utf-8") == zoo.report([zoo.row(entry) for entry in zoo.ALL])
