"""Differences as text, CSV, Markdown and data."""

import csv
import io
import itertools
import json
import re

import click
import pytest

import archscope
from archscope.comparison.difference import diff
from archscope.report.formats import FORMATS
from archscope.report.formats.terminal import printed
from archscope.report.results.difference import MOST_ROWS, DifferenceReport, difference_lines


def difference_text(found, width, **view):
    return printed(DifferenceReport(found, **view), width)


def difference_markdown(found, **view):
    return FORMATS["markdown"].text(DifferenceReport(found, **view))


def difference_csv(found):
    return FORMATS["csv"].text(DifferenceReport(found))


def difference_data(found):
    return DifferenceReport(found).data()


@pytest.fixture(scope="module")
def wider():
    return diff(archscope.load("resnet50"), archscope.load("wide_resnet50_2"))


def plain(text):
    return click.unstyle(text)


def test_a_run_of_blocks_is_one_line():
    text = plain(difference_text(diff(archscope.load("resnet50"), archscope.load("resnet101")), 160))
    assert "ResNet-50 -> ResNet-101   batch 1, float32" in text
    assert "depths [3,4,6,3] -> [3,4,23,3]" in text
    line = next(line for line in text.splitlines() if line.startswith("  6 to 22"))
    assert re.split("  +", line.strip())[:4] == ["6 to 22", "added", "17 blocks, 170 layers", "+18,992,128"]
    assert "affected:" not in text


def test_nothing_differs():
    found = diff(archscope.load("lenet5"), archscope.load("lenet5"))
    for form in (lambda one: difference_text(one, 80), difference_markdown):
        assert "no layer differs" in form(found)


@pytest.mark.parametrize("depth", [1, 2, 3, None])
def test_lines_add_up_level_by_level(wider, depth):
    """What is printed below a block adds up to it, alike blocks and folded layers included."""
    *lines, total = difference_lines(wider, depth)
    assert {line.level for line in lines} == set(range(depth or 3))
    for at, above in [(-1, total._replace(level=-1)), *enumerate(lines)]:
        below = list(itertools.takewhile(lambda line, level=above.level: line.level > level, lines[at + 1 :]))
        inside = [line.costs for line in below if line.level == above.level + 1]
        if inside:
            assert above.costs == tuple(map(sum, zip(*inside, strict=True)))


def test_at_most_so_many_rows_unasked():
    found = diff(archscope.load("nasnet_mobile"), archscope.load("nasnet_large"))
    assert len(difference_lines(found)) <= MOST_ROWS
    assert len(difference_lines(found, 99)) > MOST_ROWS
    assert len(difference_lines(found, 1)) == len(found.changes) + 1


def test_affected_layers_of_a_block_are_one_line(wider):
    text = plain(difference_text(wider, 160))
    assert re.search(r"15 layers +affected", text)  # five in each of three blocks
    assert "affected: says the same" in text


def test_a_narrow_terminal_wraps_what_changed(wider):
    lines = plain(difference_text(wider, 100)).splitlines()
    assert max(map(len, lines)) <= 100
    assert "out_channels 64 -> 128" in " ".join(" ".join(lines).split())


def test_the_difference_as_csv_adds_up(wider):
    rows = list(csv.DictReader(io.StringIO(difference_csv(wider))))
    assert sum(int(one["params [elements]"]) for one in rows) == 68_883_240 - 25_557_032
    assert sum(int(one["saved_bytes [bytes]"]) for one in rows) == wider.total.saved_bytes
    assert rows[0]["change"] == "changed"
    assert (rows[0]["before"], rows[0]["what"]) == ("layer1.0.conv1", "out_channels 64 -> 128")


def test_of_an_inference_no_saved_tensors_are_told():
    found = diff(archscope.load("vgg16"), archscope.load("vgg19"), mode="infer")
    text = plain(difference_text(found, 120))
    assert "saved bytes" not in text
    assert text.splitlines()[-1].split() == ["total", "6", "layers", "+5,309,696", "+4,161,798,144"]


def test_the_difference_as_markdown():
    text = difference_markdown(diff(archscope.load("alexnet"), archscope.load("alexnet_two_tower")))
    assert "- towers 1 -> 2" in text
    assert "| conv2 | changed | Conv2d, groups 1 -> 2 | -307,200 | -223,948,800 | 0 |" in text
    assert "| **total** |  | **3 layers** | **-1,413,120** |" in text


def test_the_difference_as_data(wider):
    data = json.loads(json.dumps(difference_data(wider)))

    def adds_up(part, children):
        for name in ("params", "macs", "saved_bytes", "elementwise"):
            assert part[name] == sum(child[name] for child in children)
        for child in children:
            if child["children"]:
                adds_up(child, child["children"])

    adds_up(data["total"], data["changes"])
    assert data["format"] == 2
    assert (data["before"], data["after"]) == ("ResNet-50", "Wide ResNet-50-2")
    assert {"name": "vars.groups", "before": None, "after": 1} in data["edits"]
    assert data["total"]["params"] == 68_883_240 - 25_557_032
