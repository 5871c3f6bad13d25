"""The report of a comparison, and of what makes one design of another."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import archscope
from archscope.report.page import comparison_page
from tests.browser import DARK, LIGHT, NO_JAVASCRIPT, PHONE, NewPage, inaccessible

if TYPE_CHECKING:
    from playwright.sync_api import Page

WINNERS = ("alexnet", "vgg16", "googlenet", "resnet50")
NASTY = "<img src=x onerror=alert(1)></script>"


@pytest.fixture
def opened(tmp_path: Path, new_page: NewPage) -> Any:
    """Opens the comparison of some designs."""

    def open_(*names: str, difference: bool = False, device: str | None = None, **options: Any) -> Page:
        designs = [archscope.load(name) for name in names]
        found = archscope.compare(designs, device=device)
        text = comparison_page(found, archscope.diff(*designs) if difference else None)
        file = tmp_path / "comparison.html"
        file.write_text(text, encoding="utf-8")
        page = new_page(**options)
        page.goto(file.as_uri())
        return page

    return open_


def row(page: Page, title: str) -> list[str]:
    found = page.locator("#figure-table tbody tr", has=page.get_by_role("rowheader", name=title, exact=True))
    return [re.sub(r"\s+", " ", text).strip() for text in found.locator("td").all_text_contents()]


@pytest.mark.parametrize(
    "options", [LIGHT, pytest.param(PHONE | DARK, marks=pytest.mark.slow)], ids=["desktop-light", "phone-dark"]
)
def test_opens_well(opened: Any, options: dict[str, Any]) -> None:
    page = opened(*WINNERS, device="h200", **options)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    assert inaccessible(page) == []


def test_figures_stand_side_by_side(opened: Any) -> None:
    page = opened(*WINNERS)
    assert row(page, "params") == ["62,378,344", "138,357,544 2.22x", "6,624,904 0.11x", "25,557,032 0.41x"]
    assert row(page, "top1") == ["", "71.592%", "69.778%", "76.13%"]
    assert page.get_by_text("fewest parameters").locator("..").text_content().split() == [
        "fewest", "parametersGoogLeNet6,624,904",
    ]  # fmt: skip


def test_times_are_there_with_a_device(opened: Any) -> None:
    assert row(opened("alexnet", "vgg16", device="h200"), "training step time, at least")[0].endswith("µs")


def test_bubbles_are_the_designs(opened: Any) -> None:
    page = opened(*WINNERS)
    bubbles = page.locator(".bubble")
    assert bubbles.count() == 3  # no accuracy is recorded of the first
    assert "Not drawn" in page.inner_text("#bubbles")
    boxes = {bubbles.nth(i).get_attribute("title").split(":")[0]: bubbles.nth(i).bounding_box() for i in range(3)}
    area = {name: box["width"] ** 2 for name, box in boxes.items()}
    assert area["VGG-16"] / area["ResNet-50"] == pytest.approx(138_357_544 / 25_557_032, rel=0.05)
    assert boxes["ResNet-50"]["y"] < boxes["VGG-16"]["y"], "the more accurate is higher"
    assert boxes["GoogLeNet"]["x"] < boxes["ResNet-50"]["x"] < boxes["VGG-16"]["x"], "more work is further right"


def test_without_accuracies_parameters_are_drawn(opened: Any) -> None:
    page = opened("lenet5", "alexnet")
    assert page.inner_text("#bubbles-title") == "At a glance: parameters against MACs"
    assert page.locator(".bubble").count() == 2


def test_strips_have_the_shares_of_blocks(opened: Any) -> None:
    page = opened("alexnet", "resnet50")
    titles = page.locator(".strip span").evaluate_all("pieces => pieces.map(piece => piece.title)")
    assert "fc1: 37,752,832, 60.5%" in titles
    assert "layer4: 14,964,736, 58.6%" in titles


def test_the_difference_folds(opened: Any) -> None:
    page = opened("resnet50", "resnet101", difference=True)
    text = re.sub(r"\s+", " ", page.inner_text("#change-table tfoot"))
    assert f"+{44_549_160 - 25_557_032:,}" in text  # torchvision's
    rows = page.locator("#change-table tbody tr")
    assert rows.locator("visible=true").count() == rows.count() > 1
    page.get_by_role("button", name="layer3", exact=True).click()
    assert rows.locator("visible=true").count() == 1
    page.click("#unfold-all")
    assert rows.locator("visible=true").count() == rows.count()
    assert inaccessible(page) == []


def test_a_design_is_like_itself(opened: Any) -> None:
    page = opened("lenet5", "lenet5", difference=True)
    assert "No layer differs." in page.inner_text("#difference")


def test_copies_as_csv(opened: Any) -> None:
    page = opened(*WINNERS, permissions=["clipboard-read", "clipboard-write"])
    page.click("#copy")
    page.get_by_text("copied").wait_for()
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert [int(one["params [elements]"]) for one in rows] == [62_378_344, 138_357_544, 6_624_904, 25_557_032]


def test_the_tables_are_there_without_javascript(opened: Any) -> None:
    page = opened("vgg16", "vgg19", difference=True, **NO_JAVASCRIPT)
    assert row(page, "params") == ["138,357,544", "143,667,240 1.04x"]
    assert page.locator("#change-table tbody tr:visible").count() > 2
    assert page.locator("button:visible").count() == 0


def test_of_an_inference_nothing_is_told_that_is_of_training_alone() -> None:
    designs = [archscope.load("lenet5"), archscope.load("lenet5", set={"classes": 11})]
    for mode, there in (("train", True), ("infer", False)):
        text = comparison_page(archscope.compare(designs, mode=mode), archscope.diff(*designs, mode=mode))
        shown = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.S)
        assert ("saved bytes" in shown) is there
        assert ("training step" in shown) is there


def test_html_in_specs_is_text(tmp_path: Path, new_page: NewPage) -> None:
    spec = (
        "name: '{}'\ninput: [3, 8, 8]\nvars: {{word: '\"{}\"'}}\nlayers: [Flatten, Linear: 3]\n"
        "accuracy: {{top1: {{value: 3, source: '{}'}}}}\n"
    )
    designs = [archscope.load(spec.format(f"{i}{NASTY}", f"{i}{NASTY}", NASTY)) for i in range(2)]
    file = tmp_path / "nasty.html"
    file.write_text(comparison_page(archscope.compare(designs), archscope.diff(*designs)), encoding="utf-8")
    page = new_page()
    page.goto(file.as_uri())
    assert page.locator("img").count() == 0
    for place in ("h1", "#figures", "#bubbles", "#stages", "#memory", "#difference"):
        assert NASTY in page.inner_text(place), place
