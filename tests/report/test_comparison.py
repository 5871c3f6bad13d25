"""Comparisons and differences as text, CSV, Markdown and data."""

import csv
import io
import itertools
import json
import re

import click
import pytest

import archscope
from archscope.comparison import compare
from archscope.difference import diff
from archscope.report.comparison import (
    MOST_ROWS,
    comparison_csv,
    comparison_data,
    comparison_markdown,
    comparison_text,
    difference_csv,
    difference_data,
    difference_lines,
    difference_markdown,
    difference_text,
)

EIGHT = ("alexnet", "vgg16", "vgg19", "resnet18", "resnet50", "resnet101", "googlenet", "lenet5")


@pytest.fixture(scope="module")
def two():
    return compare([archscope.load("alexnet"), archscope.load("vgg16")], device="h200")


@pytest.fixture(scope="module")
def wider():
    return diff(archscope.load("resnet50"), archscope.load("wide_resnet50_2"))


def plain(text):
    return click.unstyle(text)


def row(text, title):
    return next(line for line in plain(text).splitlines() if line.startswith(title))


# -- side by side --


def test_text_has_exact_figures_and_ratios(two):
    text = comparison_text(two, 160)
    assert "2 designs   batch 1, float32, sgd on NVIDIA H200, ratios to AlexNet" in plain(text)
    assert re.split("  +", row(text, "params")) == ["params", "62,378,344", "138,357,544", "2.22x"]
    assert "baseline" in plain(text).splitlines()[3]
    assert "at least" in row(text, "training step time")
    assert row(text, "receptive field").endswith("212 x 212")  # nothing beside it
    assert "accuracy of VGG-16: torchvision IMAGENET1K_V1" in text
    assert "times on NVIDIA H200 are bounds" in text


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_text_is_as_wide_as_the_terminal(width):
    found = compare([archscope.load(name) for name in EIGHT], baseline=3)
    lines = plain(comparison_text(found, width, depth=1)).splitlines()
    assert max(map(len, lines)) <= width
    for label in found.labels:
        assert any(label in line for line in lines)
    heads = [line for line in lines if "baseline" in line]
    assert len(heads) == len([line for line in lines if set(line) == {"-", " "}])  # the baseline stands in each part


def test_numbers_are_shortened_where_that_makes_them_fit():
    found = compare([archscope.load("alexnet"), archscope.load("vgg16")], figures=["params", "macs", "training_bytes"])
    narrow = comparison_text(found, 60)
    assert re.split(" +", row(narrow, "MACs")) == ["MACs", "1,135,256,096", "15,470,264,320", "13.63x"]
    narrower = comparison_text(found, 50)
    assert re.split(" +", row(narrower, "MACs")) == ["MACs", "1.135", "G", "15.47", "G", "13.63x"]
    assert row(narrower, "training bytes").endswith("1.09 GiB  2.29x")  # 1,169,562,704 / 2**30
    assert "numbers to four digits" in narrower
    assert "numbers to four digits" not in narrow


def test_stages_with_their_shares():
    found = compare([archscope.load("resnet18"), archscope.load("resnet50")], figures=["params"])
    text = plain(comparison_text(found, 160, depth=1))
    fc = next(line for line in text.split("params by block")[1].splitlines() if line.startswith("fc"))
    assert re.split("  +", fc) == ["fc", "513,000", "4.4%", "2,049,000", "8.0%"]  # of 11,689,512 and 25,557,032
    assert "maxpool" not in text.split("MACs by block")[1].split("activations by block")[0]
    assert "by block" not in comparison_text(found, 160)


def test_csv_has_units_and_plain_numbers(two):
    (head, *rows) = csv.reader(io.StringIO(comparison_csv(two)))
    assert head[:2] == ["design", "params [elements]"]
    assert {"macs [MACs]", "training_bytes [bytes]", "train_seconds [s]", "top1 [%]", "accuracy_source"} <= set(head)
    found = [dict(zip(head, cells, strict=True)) for cells in rows]
    assert [one["design"] for one in found] == ["AlexNet", "VGG-16"]
    assert int(found[1]["params [elements]"]) == 138_357_544
    assert (found[0]["top1 [%]"], found[1]["top1 [%]"]) == ("", "71.592")
    assert float(found[0]["train_seconds [s]"]) == pytest.approx(two.sides[0].figure("train_seconds"))


def test_markdown(two):
    lines = comparison_markdown(two, depth=1).splitlines()
    assert "|  | AlexNet | VGG-16 |" in lines
    assert "| params | 62,378,344 | 138,357,544 (2.22x) |" in lines
    assert "#### MACs by block" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_data_is_json_and_says_what_it_is(two):
    data = json.loads(json.dumps(comparison_data(two)))
    assert (data["format"], data["batch"], data["dtype"], data["device"]) == (1, 1, "float32", "h200")
    assert (data["baseline"], data["times"], data["optimizer"]) == ("AlexNet", "at least", "sgd")
    first, second = data["designs"]
    assert first["figures"]["params"] == 62_378_344
    assert second["ratios"]["params"] == 138_357_544 / 62_378_344
    assert second["accuracy"][0] == {"name": "top1", "value": 71.592, "source": "torchvision IMAGENET1K_V1"}
    assert {one["name"] for one in data["figures"]} == set(first["figures"]) == set(second["figures"])
    assert all(one["convention"] for one in data["figures"])
    for design in data["designs"]:
        stages = [stage["designs"].get(design["label"], {}) for stage in data["stages"]]
        for name in ("params", "macs", "activations", "kept_bytes"):
            assert sum(stage.get(name, 0) for stage in stages) == design["figures"][name]


# -- the difference --


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
    assert sum(int(one["kept_bytes [bytes]"]) for one in rows) == wider.total.kept_bytes
    assert rows[0]["change"] == "changed"
    assert (rows[0]["before"], rows[0]["what"]) == ("layer1.0.conv1", "out_channels 64 -> 128")


def test_the_difference_as_markdown():
    text = difference_markdown(diff(archscope.load("alexnet"), archscope.load("alexnet_two_tower")))
    assert "- towers 1 -> 2" in text
    assert "| conv2 | changed | Conv2d, groups 1 -> 2 | -307,200 | -223,948,800 | 0 |" in text
    assert "| **total** |  | 3 layers | **-1,413,120** |" in text


def test_the_difference_as_data(wider):
    data = json.loads(json.dumps(difference_data(wider)))

    def adds_up(part, children):
        for name in ("params", "macs", "kept_bytes", "elementwise"):
            assert part[name] == sum(child[name] for child in children)
        for child in children:
            if child["children"]:
                adds_up(child, child["children"])

    adds_up(data["total"], data["changes"])
    assert data["format"] == 1
    assert (data["before"], data["after"]) == ("ResNet-50", "Wide ResNet-50-2")
    assert {"name": "vars.groups", "before": None, "after": 1} in data["edits"]
    assert data["total"]["params"] == 68_883_240 - 25_557_032
