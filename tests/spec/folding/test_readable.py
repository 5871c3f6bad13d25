"""A folded design is read again as the design that it was, and looks as if a person had written it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import archscope
from archscope.design import Design
from archscope.spec.folding import readable
from archscope.spec.writer import to_yaml
from tests.designs import designs
from tests.spec.test_writer import TEXTS, plain, regions

SPECS = sorted(path.stem for path in (Path(__file__).parents[3] / "specs").glob("*.yaml"))


def flat(text: str) -> Design:
    """A design as its list of layers, with no memory of what it was made of."""
    return archscope.load(to_yaml(archscope.load(text)))


def same(again: Design, design: Design) -> bool:
    return plain(again) == plain(design) and regions(again) == regions(design) and again.name == design.name


@pytest.mark.parametrize("name", SPECS)
def test_every_design_comes_back(name: str) -> None:
    design = flat(name)
    text = readable(design)
    assert same(archscope.load(text), design)
    assert text != to_yaml(design)


@pytest.mark.parametrize("text", [pytest.param(text, id=title) for title, text in TEXTS.items()])
def test_special_designs_come_back(text: str) -> None:
    design = flat(text)
    assert same(archscope.load(readable(design)), design)


@given(designs())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_designs_come_back(text: str) -> None:
    design = flat(text)
    again = readable(design)
    assert same(archscope.load(again), design)
    assert again != to_yaml(design)
