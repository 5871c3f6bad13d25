"""The report of a design: whole in one file, safe, and used in a real browser."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import archscope
from archscope.figures import figure
from archscope.files import write
from archscope.report.page import design_page
from tests.browser import DARK, LIGHT, NO_JAVASCRIPT, PHONE, NewPage, inaccessible

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPORTS = Path(__file__).parents[3] / "reports"
NASTY = "<img src=x onerror=alert(1)>"
NASTY_SPEC = f"""
name: '{NASTY}</title></script><script>alert(2)</script>'
source: '"><script>alert(3)</script><!--'
description: '{NASTY}'
input: [3, 8, 8]
vars: {{word: '"{NASTY}"'}}
layers:
  - Conv2d: {{out_channels: 4, kernel_size: 3}}
expect:
  params: {{value: 1, stated: '{NASTY}', source: '{NASTY}'}}
accuracy:
  top1: {{value: 1, source: '{NASTY}'}}
"""


@cache
def html(name: str) -> str:
    return design_page(archscope.analyze(archscope.load(name)))


@pytest.fixture
def opened(tmp_path: Path, new_page: NewPage) -> Any:
    """Opens the report of a design."""

    def open_(name: str, drawn: bool = True, **options: Any) -> Page:
        file = tmp_path / "report.html"
        file.write_text(html(name), encoding="utf-8")
        page = new_page(**options)
        page.goto(file.as_uri())
        if options.get("java_script_enabled", True) and drawn:
            page.locator("#layer-graph").scroll_into_view_if_needed()
            page.locator("#layer-graph .box").first.wait_for()
            page.evaluate("scrollTo(0, 0)")
        return page

    return open_


def visible_rows(page: Page) -> list[str]:
    labels: list[str] = page.eval_on_selector_all(
        "#layer-table tbody tr:not([hidden]) th", "cells => cells.map(c => c.textContent)"
    )
    return labels


# -- the file ----------------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Tags with their attributes, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            kind, text = self.scripts.pop()
            self.scripts.append((kind, text + data))


def test_a_report_is_one_file() -> None:
    for tag, attributes in Reader(html("resnet50")).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    style = html("resnet50").split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_a_page_is_written_as_it_is(tmp_path: Path) -> None:
    """What writes files leaves no control character in them, and a browser runs no script that was changed so."""
    target = tmp_path / "page.html"
    write(html("alexnet"), str(target))
    assert target.read_text(encoding="utf-8") == html("alexnet")


@pytest.mark.parametrize("kept", sorted(REPORTS.glob("*.html")), ids=lambda page: page.stem)
def test_no_script_runs_but_those_of_the_page(kept: Path) -> None:
    found = Reader(kept.read_text(encoding="utf-8"))
    policy = next(tag["content"] for name, tag in found.tags if name == "meta" and "http-equiv" in tag)
    assert policy is not None
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    run = [text for kind, text in found.scripts if kind is None]
    assert {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run} == allowed
    assert policy.startswith("default-src 'none'")


def test_the_data_holds_every_figure() -> None:
    account = archscope.analyze(archscope.load("resnet50"))
    text = next(text for kind, text in Reader(html("resnet50")).scripts if kind and '"arithmetic"' in text)
    data = json.loads(text)
    columns = {column["name"]: column for column in data["columns"]}
    layers = [place for place, block in enumerate(data["blocks"]) if not block]
    for name in ("params", "macs", "saved_bytes", "backward_macs", "reuse"):
        column = columns[name]
        found = [column["values"][column["at"][place]] for place in layers]
        assert [value or 0 for value in found] == account.frame[name].fillna(0).tolist()
        assert column["total"] == figure(account, name)
    assert columns["params"]["total"] == 25_557_032  # torchvision


@pytest.mark.parametrize("name", ["resnet152", "nasnet_large"])
def test_a_large_report_is_below_two_megabytes(name: str) -> None:
    assert len(html(name).encode()) < 2_000_000


# -- in a browser ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("alexnet", LIGHT),
        pytest.param("resnet50", DARK, marks=pytest.mark.slow),
        pytest.param("vit_b_16", PHONE | LIGHT, marks=pytest.mark.slow),
        ("unet", PHONE | DARK),
    ],
)
def test_opens_well(opened: Any, name: str, options: dict[str, Any]) -> None:
    page = opened(name, **options)
    assert page.locator("h1").text_content() == archscope.load(name).name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    assert inaccessible(page) == []


def test_nothing_moves_when_the_graph_comes_into_sight(opened: Any) -> None:
    page = opened("resnet50", drawn=False)
    assert page.locator("#layer-graph .box").count() == 0
    before = page.evaluate("document.documentElement.scrollHeight")
    page.locator("#layer-graph").scroll_into_view_if_needed()
    page.locator("#layer-graph .box").first.wait_for()
    assert abs(page.evaluate("document.documentElement.scrollHeight") - before) < 40


def test_sorts(opened: Any) -> None:
    page = opened("alexnet")
    page.click("#layer-table [data-sort=params]")
    assert visible_rows(page)[:3] == ["fc1", "fc2", "fc3"]
    assert page.get_attribute("#layer-table th:has([data-sort=params])", "aria-sort") == "descending"
    page.click("#layer-table [data-sort=params]")
    assert visible_rows(page)[-1] == "fc1"
    page.click("#layer-table [data-sort=name]")
    assert visible_rows(page)[0] == "conv1"
    page.click("#in-order")
    assert visible_rows(page) == [row.name for row in archscope.analyze(archscope.load("alexnet")).rows]


def test_filters(opened: Any) -> None:
    page = opened("resnet50")
    page.fill("#filter", "layer3 .conv2")
    shown = visible_rows(page)
    assert shown == ["layer3", *(label for i in range(6) for label in (f"layer3.{i}", "conv2"))]
    assert page.text_content("#status") == "6 of 175 layers"
    page.select_option("#ops", "Linear")
    assert page.text_content("#status") == "0 of 175 layers"
    page.fill("#filter", "")
    assert visible_rows(page) == ["fc"]


def test_folds(opened: Any) -> None:
    page = opened("resnet50")
    assert "layer1.0" in visible_rows(page)
    page.click("#fold-all")
    assert visible_rows(page) == [
        "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "Flatten", "fc",
    ]  # fmt: skip
    page.get_by_role("button", name="layer2", exact=True).focus()
    page.keyboard.press("Enter")
    assert visible_rows(page)[5:8] == ["layer2", "layer2.0", "layer2.1"]
    page.click("#unfold-all")
    assert len(visible_rows(page)) == page.locator("#layer-table tbody tr").count() > 175


def test_blocks_have_the_sums_that_the_program_prints(opened: Any) -> None:
    page = opened("resnet50")
    row = page.locator("#layer-table tbody tr", has=page.get_by_role("button", name="layer4", exact=True))
    assert row.locator("td").all_text_contents()[:6] == [
        "32 layers", "2048 x 7 x 7", "14,964,736", "58.55%", "809,238,528", "19.79%",
    ]  # fmt: skip


def test_shows_the_arithmetic_of_a_figure(opened: Any) -> None:
    page = opened("alexnet")
    row = page.locator("#layer-table tbody tr", has=page.get_by_role("button", name="conv1", exact=True))
    row.locator("td", has_text="34,944").click()
    dialog = page.get_by_role("dialog", name="conv1")
    assert dialog.is_visible()
    assert dialog.locator("#arithmetic-op").text_content() == "Conv2d(out_channels=96, kernel_size=11, stride=4)"
    assert dialog.locator("li.asked").text_content().replace("\u00d7", "x") == (
        "params = K_h x K_w x C_in / groups x C_out + C_out = 11 x 11 x 3 / 1 x 96 + 96 = 34,944"
    )
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.get_by_role("button", name="fc2", exact=True).press("Enter")
    assert page.get_by_role("dialog", name="fc2").is_visible()
    assert inaccessible(page) == []


def test_the_graph_leads_to_the_arithmetic_and_back(opened: Any) -> None:
    page = opened("resnet50")
    page.fill("#filter", "layer3.4.conv1")
    page.get_by_role("button", name="conv1", exact=True).click()
    assert page.text_content("#arithmetic-title") == "layer3.4.conv1"
    page.click("#show-in-graph")
    box = page.locator("#layer-graph").get_by_role("button", name=re.compile("^layer3.4.conv1,"))
    assert box.is_visible()
    box.press("Enter")
    assert page.text_content("#arithmetic-title") == "layer3.4.conv1"
    page.click("#show-in-table")
    assert page.locator("#layer-table tr.marked").is_visible()
    assert visible_rows(page)[0] == "conv1"  # in the order of execution, and unfolded where it is
    assert page.input_value("#filter") == ""


def test_chooses_columns(opened: Any) -> None:
    page = opened("alexnet")
    page.click("#columns summary")
    page.check("#columns input[value=backward_macs]")
    page.uncheck("#columns input[value=activations]")
    page.keyboard.press("Escape")
    titles = page.locator("#layer-table thead th").all_text_contents()
    assert "backward MACs" in titles
    assert "activations" not in titles
    place = titles.index("backward MACs")
    cells = page.locator("#layer-table tbody tr").first.locator("th, td").all_text_contents()
    assert cells[place] == "105,415,200"  # the first layer has no gradient of its input


def test_copies_as_csv(opened: Any) -> None:
    page = opened("alexnet", permissions=["clipboard-read", "clipboard-write"])
    page.click("#columns summary")
    page.check("#columns input[value=field_start]")
    page.keyboard.press("Escape")
    page.click("#copy")
    page.get_by_text("23 layers copied").wait_for()
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert len(rows) == 23
    assert sum(int(row["params [elements]"]) for row in rows) == 62_378_344
    assert rows[2]["field_start [places]"] == "0x0"
    assert rows[4]["field_start [places]"] == "-16x-16"  # no formula; conv2 pads by 2 places of 8
    assert (rows[0]["output_shape"], rows[0]["receptive_field [places]"]) == ("96x55x55", "11x11")


def test_what_is_copied_says_what_it_lacks(opened: Any) -> None:
    box = "name: box\ninput: [3]\nlayers: [{Linear: 2}, {name: odd, Opaque: {output_shapes: [[2]], macs: 6}}]"
    page = opened(box, permissions=["clipboard-read", "clipboard-write"])
    assert page.locator("h1").text_content() == "box (incomplete: 1 opaque layer)"
    assert page.locator("#layer-table tfoot th").text_content() == "total (incomplete: 1 opaque layer)"
    page.click("#copy")
    page.get_by_text("2 layers copied").wait_for()
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert [row["incomplete"] for row in rows] == ["incomplete: 1 opaque layer (odd)"] * 2


def test_charts_tell_what_lies_under_the_pointer(opened: Any) -> None:
    page = opened("alexnet")
    plot = page.get_by_role("slider", name="Receptive field by layer")
    plot.press("Home")
    plot.press("ArrowRight")
    assert page.locator("[data-chart=growth] .readout").text_content() == "relu1: 11 x 11, jump 4 x 4"
    memory = archscope.analyze(archscope.load("alexnet")).memory
    place = memory.timeline.index(memory.top)
    slider = page.get_by_role("slider", name="Memory by allocation")
    slider.press("Home")
    for _ in range(place):
        slider.press("ArrowRight")
    text = page.locator("[data-chart=timeline] .readout").text_content()
    assert f"({memory.training:,} bytes): {memory.top.phase}, {memory.top.layer}" in text


def test_figures_that_javascript_cannot_hold_stay_exact(tmp_path: Path, new_page: NewPage) -> None:
    account = archscope.analyze(archscope.load("vgg16"), batch=10**9 + 7)
    file = tmp_path / "huge.html"
    file.write_text(design_page(account), encoding="utf-8")
    page = new_page()
    page.goto(file.as_uri())
    page.click("#columns summary")
    page.check("#columns input[value=flops]")  # drawn anew by the script
    page.keyboard.press("Escape")
    total = f"{2 * 15_470_264_320 * (10**9 + 7):,}"
    assert total in page.inner_text("#layer-table tfoot")
    page.click("#layer-table [data-sort=flops]")
    first = page.locator("#layer-table tbody tr").first.inner_text()
    assert f"{2 * 1_849_688_064 * (10**9 + 7):,}" in first  # 64 x 64 x 9 x 224 x 224 MACs, the most of a layer


def test_a_large_total_stands_on_one_line(tmp_path: Path, new_page: NewPage) -> None:
    file = tmp_path / "large.html"
    file.write_text(design_page(archscope.analyze(archscope.load("lenet5"), batch=10**6)), encoding="utf-8")
    page = new_page(viewport={"width": 1300, "height": 900})
    page.goto(file.as_uri())
    tile = page.locator(".tile[data-figure=flops] strong")
    assert tile.inner_text() == f"{2 * 416_520 * 10**6:,}"
    lines = "strong => strong.offsetHeight / parseFloat(getComputedStyle(strong).lineHeight)"
    assert {round(one.evaluate(lines)) for one in page.locator(".tile strong").all()} == {1}


def test_colours_can_be_chosen(opened: Any) -> None:
    page = opened("alexnet", **LIGHT)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#theme")
    page.click("#theme")
    assert page.text_content("#theme span") == "dark"
    assert page.evaluate(paper) != light
    assert inaccessible(page) == []


def test_the_tables_are_there_without_javascript(opened: Any) -> None:
    page = opened("resnet50", **NO_JAVASCRIPT)
    account = archscope.analyze(archscope.load("resnet50"))
    assert page.locator("#layer-table tbody tr:visible").count() > len(account.rows)
    text = page.inner_text("#layer-table")
    for row in account.rows:
        assert row.path[-1] in text
    assert "25,557,032" in page.inner_text("#totals")
    assert page.locator("button:visible").count() == 0, "buttons that do nothing"
    assert page.locator(".stages:visible").count() == 2
    assert page.locator(".chart path").count() > 3


@pytest.mark.parametrize("options", [{}, NO_JAVASCRIPT], ids=["scripts", "none"])
def test_html_in_a_spec_is_text(tmp_path: Path, new_page: NewPage, options: dict[str, Any]) -> None:
    design = archscope.load(NASTY_SPEC)
    file = tmp_path / "nasty.html"
    file.write_text(design_page(archscope.analyze(design)), encoding="utf-8")
    page = new_page(**options)
    page.on("dialog", lambda _: pytest.fail("a script of the spec ran"))
    page.goto(file.as_uri())
    assert page.text_content("h1") == design.name
    assert page.locator("img").count() == 0
    for place in ("header", "#published"):
        assert NASTY in page.inner_text(place)
    assert page.title().startswith(design.name)


def test_prints(opened: Any, tmp_path: Path) -> None:
    page = opened("resnet50", drawn=False, **DARK)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.is_visible("nav.contents")
    assert not page.is_visible("#layer-controls")
    page.emulate_media(media=None)
    assert page.locator("#layer-graph .box").count() == 0  # not yet in sight
    assert page.pdf(format="A4")[:5] == b"%PDF-"
    assert page.locator("#layer-graph .box").count() > 20


def section(text: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', text, re.S)
    return found[0] if found else ""


def test_what_fits_is_told_of_a_device_whose_memory_is_known() -> None:
    design = archscope.load("alexnet")
    text = section(design_page(archscope.analyze(design, batch=4096, device="t4", optimizer="adam")), "fits")
    largest = archscope.largest_batch(design, device="t4", optimizer="adam")
    assert "15.00 GiB of NVIDIA T4" in text
    assert "batch 4,096 does not fit" in text
    assert f"the largest batch is {largest}" in text
    for changes in ({}, {"device": "cuda"}, {"device": "t4", "mode": "infer"}):
        assert not section(design_page(archscope.analyze(archscope.load("lenet5"), **changes)), "fits")


def test_types_have_a_column_where_there_are_several() -> None:
    mixed = archscope.load("name: m\ninput: [4]\nlayers: [{Linear: 2}, {Cast: float16}, {Cast: float}]\n")
    assert ">type</th>" in section(design_page(archscope.analyze(mixed)), "layers")
    assert ">type</th>" not in section(html("lenet5"), "layers")


def test_an_inference_shows_nothing_of_a_training_step() -> None:
    text = design_page(archscope.analyze(archscope.load("lenet5"), mode="infer"))
    for figure_of_training in ("backward_flops", "training_bytes"):
        assert f'data-figure="{figure_of_training}"' in html("lenet5")
        assert f'data-figure="{figure_of_training}"' not in text
    assert "saved for backward" not in section(text, "stages")
    assert ">saved bytes</th>" not in section(text, "layers")
