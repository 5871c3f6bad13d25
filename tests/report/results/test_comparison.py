"""Comparisons as text, CSV, Markdown and data."""

import csv
import io
import json
import re

import click
import pytest

import archscope
from archscope.comparison import compare
from archscope.report.formats import FORMATS
from archscope.report.formats.terminal import printed
from archscope.report.results.comparison import ComparisonReport

EIGHT = ("alexnet", "vgg16", "vgg19", "resnet18", "resnet50", "resnet101", "googlenet", "lenet5")


def comparison_text(found, width, **view):
    return printed(ComparisonReport(found, **view), width)


def comparison_markdown(found, **view):
    return FORMATS["markdown"].text(ComparisonReport(found, **view))


def comparison_csv(found):
    return FORMATS["csv"].text(ComparisonReport(found))


def comparison_data(found):
    return ComparisonReport(found).data()


@pytest.fixture(scope="module")
def two():
    return compare([archscope.load("alexnet"), archscope.load("vgg16")], device="h200")


def plain(text):
    return click.unstyle(text)


def row(text, title):
    return next(line for line in plain(text).splitlines() if line.startswith(title))


def test_text_has_exact_figures_and_ratios(two):
    text = comparison_text(two, 160)
    assert "2 designs   batch 1, float32, training with sgd, torch 2.13 on NVIDIA H200, ratios to AlexNet" in plain(
        text
    )
    assert re.split("  +", row(text, "params")) == ["params", "62,378,344", "138,357,544", "2.22x"]
    assert "baseline" in plain(text).splitlines()[3]
    assert "at least" in row(text, "training step time")
    assert row(text, "receptive field").endswith("212 x 212")  # nothing beside it
    assert "accuracy of VGG-16: torchvision IMAGENET1K_V1" in text
    assert "times on NVIDIA H200 are bounds" in text


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_text_is_as_wide_as_the_terminal(width):
    found = compare([archscope.load(name) for name in EIGHT], baseline=3)
    lines = plain(comparison_text(found, width, stages=1)).splitlines()
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
    text = plain(comparison_text(found, 160, stages=1))
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
    lines = comparison_markdown(two, stages=1).splitlines()
    assert "|  | AlexNet | VGG-16 |" in lines
    assert "| params | 62,378,344 | 138,357,544 (2.22x) |" in lines
    assert "#### MACs by block, and their share of the total" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_data_is_json_and_says_what_it_is(two):
    data = json.loads(json.dumps(comparison_data(two)))
    run = data["setting"]
    assert (data["format"], run["batch"], run["precision"], run["device"]) == (2, 1, "float32", "h200")
    assert (data["baseline"], data["times"], run["optimizer"]) == ("AlexNet", "at least", "sgd")
    first, second = data["designs"]
    assert first["figures"]["params"] == 62_378_344
    assert second["ratios"]["params"] == 138_357_544 / 62_378_344
    assert second["accuracy"][0] == {"name": "top1", "value": 71.592, "source": "torchvision IMAGENET1K_V1"}
    assert {one["name"] for one in data["figures"]} == set(first["figures"]) == set(second["figures"])
    assert all(one["convention"] for one in data["figures"])
    for design in data["designs"]:
        stages = [stage["designs"].get(design["label"], {}) for stage in data["stages"]]
        for name in ("params", "macs", "activations", "saved_bytes"):
            assert sum(stage.get(name, 0) for stage in stages) == design["figures"][name]
