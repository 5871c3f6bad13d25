"""Designs side by side, in three formats."""

import csv
import io

import archscope
from archscope.report.formats import FORMATS
from archscope.report.formats.terminal import printed
from archscope.report.results.catalogue import CatalogueReport, entry

TEXT = """
name: pipes | here
source: a paper
inputs: {image: [3, 8, 8], other: [5]}
layers:
  - Conv2d: {out_channels: 4, kernel_size: 3}
  - BatchNorm2d
  - Flatten
  - {Concat: , from: [Flatten, other]}
  - Linear: 2
"""


def designs():
    return [entry(name, archscope.analyze(archscope.load(TEXT))) for name in ("one", "two")]


def test_csv_holds_plain_numbers():
    first, second = csv.DictReader(io.StringIO(FORMATS["csv"].text(CatalogueReport(designs()))))
    linear = (4 * 36 + 5) * 2 + 2
    assert first["params [elements]"] == str(3 * 4 * 9 + 4 + 8 + linear)
    assert first["keras_params [elements]"] == str(3 * 4 * 9 + 4 + 16 + linear)
    assert (first["input"], first["depth [layers]"], first["layers [layers]"]) == ("3x8x8;5", "2", "5")
    assert (first["design"], second["name"]) == ("pipes | here", "two")


def test_markdown_and_text_are_for_people():
    head, rule, first, _ = FORMATS["markdown"].text(CatalogueReport(designs())).splitlines()
    assert head.count("|") == rule.count("|") == first.replace("\\|", "").count("|")
    assert "pipes \\| here" in first
    assert "3 x 8 x 8, 5" in printed(CatalogueReport(designs()), 160)
