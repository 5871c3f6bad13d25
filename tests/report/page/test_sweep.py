"""The page of a sweep."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from archscope.figures import Column
from archscope.figures.table import COLUMNS
from archscope.report.page import sweep_page
from archscope.setting import Setting
from archscope.sweeps.model import Moments, Objective, Question, Reason, Rows, Sweep, Tally
from archscope.sweeps.space import Axis, Space
from tests.browser import DARK, LIGHT, NO_JAVASCRIPT, PHONE, NewPage, inaccessible

if TYPE_CHECKING:
    from playwright.sync_api import Page

NASTY = "<img src=x onerror=alert(1)></script><!--"


AXES = (
    Axis("alpha", tuple(float(at) for at in np.arange(1, 17) / 8)),
    Axis("input", (96, 128, 160, 192, 224, 256)),
    Axis("depths", ((2, 2), (3, 4), (3, 8))),
    Axis("norm", ("batch", "none")),
)
FIGURES = (
    COLUMNS["params"],
    COLUMNS["macs"],
    COLUMNS["activations"],
    COLUMNS["receptive_field"],
    Column("density", "density", "", "macs / params", "ratio", additive=False),
)


def _beaten(scores: Any, at: int) -> bool:
    """Whether any design is as good in all scores and better in one."""
    as_good, better = (scores <= scores[:, [at]]).all(axis=0), (scores < scores[:, [at]]).any(axis=0)
    return bool((as_good & better).any())


def made(
    axes: tuple[Axis, ...] = AXES,
    *,
    pareto: tuple[Objective, ...] = (Objective("params"), Objective("macs", largest=True)),
    where: tuple[str, ...] = ("params < 12e6", "macs < 1.5e9"),
    **changes: Any,
) -> Sweep:
    """A sweep whose figures are smooth formulas of its axes; every thirteenth design is none."""
    space = Space(axes)
    choices = space.choices(0, space.size)
    alpha, size = (np.array(axes[at].values, dtype=float)[choices[at]] for at in (0, 1))
    depth, norm = (choices[at] for at in (2, 3))
    columns = {
        "params": np.round(3.2e6 * alpha**2 + 1e6 * alpha + 2e5 * depth * alpha + 2000 * (1 - norm)).astype(np.int64),
        "macs": np.round(5.4e8 * alpha**1.8 * (size / 224) ** 2 * (1 + 0.1 * depth)).astype(np.int64),
        "activations": np.round(5e6 * alpha * (size / 224) ** 2 * (1 + 0.2 * depth)).astype(np.int64),
        "receptive_field": (315 + 64 * depth).astype(np.int64),
    }
    columns["density"] = columns["macs"] / columns["params"]
    columns["density"][5] = np.nan
    numbers = np.arange(space.size)
    legal = numbers % 13 != 12
    passing = legal & (columns["params"] < 12e6) & (columns["macs"] < 1.5e9)
    missed = {"params < 12e6": int((legal & (columns["params"] >= 12e6)).sum()),
              "macs < 1.5e9": int((legal & (columns["macs"] >= 1.5e9)).sum())}  # fmt: skip
    rows = Rows(numbers, choices, columns)
    kept = rows.take(passing)
    order = np.argsort(kept.columns["macs"], kind="stable")
    better = [-kept.columns[name] if largest else kept.columns[name] for name, largest in pareto]
    front = [at for at in range(len(kept)) if pareto and not _beaten(np.array(better), at)]
    front.sort(key=lambda at: kept.columns[pareto[0].column][at])
    values = np.array([columns[column.name][legal] for column in FIGURES]).T
    chosen = choices[:, legal]
    by_axis = [[values[chosen[at] == place] for place in range(len(axis.values))] for at, axis in enumerate(axes)]
    mean = np.nanmean(values, axis=0)
    moments = Moments(
        tuple(column.name for column in FIGURES),
        (~np.isnan(values)).sum(axis=0),
        mean,
        np.nansum((values - mean) ** 2, axis=0),
        np.nanmin(values, axis=0),
        np.nanmax(values, axis=0),
        tuple(np.array([(~np.isnan(part)).sum(axis=0) for part in parts]) for parts in by_axis),
        tuple(np.array([np.nanmean(part, axis=0) for part in parts]) for parts in by_axis),
    )
    invalid = {"groups do not divide the channels": Reason(int((~legal).sum()), 12, "`groups` (=3) does not divide 32")}
    found = Sweep(
        name="MobileNet", file="mobilenet.yaml", space=space,
        question=Question(
            tuple(columns)[:4], (("density", "macs / params"),), where, pareto, Objective("macs"), 10, Setting()
        ),
        columns=FIGURES, tally=Tally(space.size, invalid, missed, int(passing.sum())), moments=moments,
        top=kept.take(order[:10]), frontier=kept.take(np.array(front, dtype=int)),
        sample=kept.take(np.arange(0, len(kept), 2)),
        structural=("depths",), structures=3, seconds=0.25, complete=True,
    )  # fmt: skip
    return replace(found, **changes)


def spec_of(number: int) -> str:
    return f"extends: mobilenet.yaml\nname: MobileNet {number}\nvars: {{alpha: {number % 7}}}\n"


@pytest.fixture
def opened(tmp_path: Path, new_page: NewPage) -> Any:
    """Opens the page of a sweep."""

    def open_(sweep: Sweep, *, specs: Any = spec_of, **options: Any) -> Page:
        file = tmp_path / "sweep.html"
        file.write_text(sweep_page(sweep, specs), encoding="utf-8")
        page = new_page(**options)
        page.goto(file.as_uri())
        return page

    return open_


def tiles(page: Page) -> dict[str, str]:
    return {
        tile.locator(".tile-title").inner_text(): tile.locator("strong").inner_text()
        for tile in page.locator("div.tile").all()
    }


def points(page: Page, kind: str) -> list[tuple[float, float]]:
    path = page.locator(f"#scatter path.dots.{kind}").get_attribute("d") or ""
    return [(float(x), float(y)) for x, y in re.findall(r"M(\S+) (\S+)h0", path)]


def stairs(page: Page) -> tuple[list[str], list[float]]:
    path = page.locator("#scatter path.stairs").get_attribute("d") or ""
    return re.findall("[A-Z]", path), [float(number) for number in re.findall(r"[\d.]+", path)]


def table(page: Page, name: str) -> list[list[str]]:
    return page.locator(f"#{name}-table tbody tr").evaluate_all(
        "rows => rows.map(row => Array.from(row.cells, cell => cell.textContent))"
    )


def shown(page: Page) -> int:
    return int(page.inner_text("#shown").split(" of ")[0].replace(",", ""))


def known(sweep: Sweep) -> dict[int, dict[str, float]]:
    """All designs of the page: their figures by number."""
    return {
        int(number): {name: values[at] for name, values in rows.columns.items()}
        for rows in (sweep.top, sweep.frontier, sweep.sample)
        for at, number in enumerate(rows.numbers)
    }


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(LIGHT, id="light"),
        pytest.param(DARK, id="dark", marks=pytest.mark.slow),
        pytest.param(PHONE | LIGHT, id="phone", marks=pytest.mark.slow),
        pytest.param(PHONE | DARK, id="phone-dark", marks=pytest.mark.slow),
    ],
)
def test_opens_well(opened: Any, options: dict[str, Any]) -> None:
    page = opened(made(), **options)
    page.locator("#limits summary").click()
    page.locator("#frontier-table tbody button").first.click()
    page.get_by_role("heading", name="design 31").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    assert inaccessible(page) == []


def test_says_what_became_of_the_designs(opened: Any) -> None:
    sweep = made()
    page = opened(sweep)
    invalid = len(range(12, 16 * 6 * 3 * 2, 13))
    found = tiles(page)
    assert found["designs in the space"] == f"{16 * 6 * 3 * 2}"
    assert found["legal"] == f"{16 * 6 * 3 * 2 - invalid}"
    assert found["on the frontier"] == str(len(sweep.frontier))
    assert "2.304 k designs a second" in page.inner_text("#overview")  # 576 in a quarter of a second
    reasons = page.inner_text(".reasons tbody")
    assert "`groups` (=3) does not divide 32" in reasons
    assert "design 12: alpha 0.125, input 160, depths [2, 2], norm batch" in reasons  # 12 = ((0*6 + 2)*3 + 0)*2 + 0
    assert page.locator("#overview tr", has_text="depths").first.inner_text().endswith("the graph")
    assert page.locator("#overview tr", has_text="alpha").first.inner_text().endswith("numbers only")
    refused = page.locator("#overview tr", has_text="params < 12e6")
    assert refused.locator("td").last.inner_text() == str(sweep.tally.missed["params < 12e6"])


def test_an_interrupted_sweep_says_so(opened: Any) -> None:
    sweep = made(complete=False, tally=Tally(100, {}, {}, 60), seconds=0.0)
    page = opened(sweep)
    assert "interrupted" in page.inner_text(".chips")
    assert tiles(page)["looked at"] == "100"
    assert "This sweep was interrupted" in page.inner_text("#overview")


def test_the_plot_stands_in_the_page_as_the_scripts_draw_it(opened: Any) -> None:
    sweep = made()
    static = opened(sweep, **NO_JAVASCRIPT)
    commands, corners = stairs(static)
    still = {kind: points(static, kind) for kind in ("frontier", "best", "sample")}
    ticks = static.locator("#scatter .across b, #scatter .grid b").all_text_contents()
    page = opened(sweep)
    assert len(still["frontier"]) == len(sweep.frontier)
    for kind, places in still.items():
        assert np.array(points(page, kind)) == pytest.approx(np.array(places), abs=0.02), kind
    assert stairs(page)[0] == commands
    assert stairs(page)[1] == pytest.approx(corners, abs=0.02)
    assert sorted(page.locator("#scatter .across b, #scatter .grid b").all_text_contents()) == sorted(ticks)


def test_stairs_join_the_frontier_of_two_objectives(opened: Any) -> None:
    sweep = made()
    page = opened(sweep)
    path = page.locator("#scatter path.stairs").get_attribute("d")
    corners = points(page, "frontier")
    assert path.startswith(f"M{corners[0][0]:.2f} {corners[0][1]:.2f}H{corners[1][0]:.2f}V{corners[1][1]:.2f}")
    page.select_option("#scatter-y", label="activations")
    assert page.locator("#scatter path.stairs").get_attribute("d") == ""


def test_axes_are_chosen(opened: Any) -> None:
    sweep = made()
    page = opened(sweep)
    page.select_option("#scatter-x", label="input")
    page.select_option("#scatter-y", label="density")
    assert page.inner_text("#scatter-across").startswith("input")
    assert "norm" not in page.locator("#scatter-x").inner_text()
    assert len({x for x, _ in points(page, "sample")}) == 6
    page.uncheck("#scatter-y-log")
    some = points(page, "frontier")
    values = dict(zip(sweep.frontier.numbers.tolist(), sweep.frontier.columns["density"].tolist(), strict=True))
    heights = sorted(-y for _, y in some)
    expected = sorted(values.values())
    # evenly on the axis: a straight line through all of them
    slope = (heights[-1] - heights[0]) / (expected[-1] - expected[0])
    assert [heights[0] + slope * (one - expected[0]) for one in expected] == pytest.approx(heights, abs=0.03)


def test_limits_by_keyboard_hold_in_all_views(opened: Any) -> None:
    sweep = made()
    page = opened(sweep)
    everything = known(sweep)
    assert shown(page) == len(everything)
    page.locator("#limits summary").press("Enter")
    field = page.get_by_role("group", name="params [elements]").get_by_label("to")
    field.focus()
    page.keyboard.type("2000000")
    page.keyboard.press("Tab")
    expected = {number for number, columns in everything.items() if columns["params"] <= 2_000_000}
    page.locator("#shown", has_text=f"{len(expected)} of {len(everything)} shown").wait_for()
    rows = table(page, "frontier")
    assert {int(row[0].replace(",", "")) for row in rows} == expected & set(sweep.frontier.numbers.tolist())
    drawn = sum(len(points(page, kind)) for kind in ("frontier", "sample"))
    assert len(points(page, "excluded")) == len(everything) - len(expected)
    assert len(expected) - len(sweep.top) <= drawn <= len(expected)
    page.get_by_role("group", name="norm").get_by_label("to").select_option("batch")
    fewer = {number for number in expected if sweep.space.values(number)["norm"] == "batch"}
    page.locator("#shown", has_text=f"{len(fewer)} of {len(everything)} shown").wait_for()
    assert {row[4] for row in table(page, "best")} == {"batch"}
    page.click("#free")
    page.locator("#shown", has_text=f"{len(everything)} of {len(everything)} shown").wait_for()
    assert field.input_value() == ""


def test_dragging_along_an_axis_keeps_what_lies_between(opened: Any) -> None:
    sweep = made()
    page = opened(sweep)
    page.locator("#parallel").scroll_into_view_if_needed()
    box = page.locator(".upright", has_text="input").locator(".rail").bounding_box()
    across = box["x"] + box["width"] / 2
    at = [box["y"] + box["height"] * share for share in (0.15, 0.55)]  # of 96 to 256, from above: 224, 192, 160
    page.mouse.move(across, at[0])
    page.mouse.down()
    page.mouse.move(across, at[1], steps=3)
    page.mouse.up()
    page.locator(".range:visible").wait_for()
    assert {row[2] for row in table(page, "best")} <= {"160", "192", "224"}
    kept = [n for n in known(sweep) if sweep.space.values(n)["input"] in (160, 192, 224)]
    assert shown(page) == len(kept)
    page.mouse.click(across, box["y"] + 2)
    page.locator(".range:visible").wait_for(state="detached")
    assert shown(page) == len(known(sweep))


def test_lines_are_drawn(opened: Any) -> None:
    page = opened(made())
    page.locator("#parallel").scroll_into_view_if_needed()
    drawn = """async () => {
      for (let frame = 0; frame < 100; frame++) {
        const canvases = Array.from(document.querySelectorAll("#parallel canvas")).slice(1, 3);
        const pixels = canvases.map((one) => one.getContext("2d").getImageData(0, 0, one.width, one.height).data);
        if (pixels.every((some) => some.some(Boolean))) return true;
        await new Promise(requestAnimationFrame);
      }
      return false;
    }"""
    assert page.evaluate(drawn)


def test_paper_has_all_lines_in_light_colours(opened: Any) -> None:
    page = opened(made(), **DARK)
    page.locator("#best-table tbody button").first.click()
    page.locator("#chosen h3").wait_for()
    drawn = """() => {
      window.dispatchEvent(new Event("beforeprint"));
      const canvas = Array.from(document.querySelectorAll("#parallel canvas")).at(-1); // the others are not printed
      const some = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const seen = new Set();
      for (let at = 0; at < some.length; at += 4) if (some[at + 3] > 200) seen.add(some.slice(at, at + 3).join(" "));
      return Array.from(seen);
    }"""
    seen = np.array([[int(part) for part in colour.split()] for colour in page.evaluate(drawn)])
    for colour in ((0x00, 0x72, 0xB2), (0x1B, 0x1F, 0x24)):  # --c1 and --ink, in the light
        assert np.abs(seen - colour).sum(axis=1).min() < 9


def test_a_row_chooses_a_design(opened: Any) -> None:
    page = opened(made())
    row = page.locator("#best-table tbody tr").nth(2)
    cells = row.locator("td").all_text_contents()
    row.locator("td").first.click()
    page.locator("#chosen h3").wait_for()
    assert page.locator("#chosen dd").all_text_contents() == cells[:9]
    assert "marked" in row.get_attribute("class")
    assert page.locator(".ring:not(.under)").is_visible()


def test_the_frontier_is_walked_by_keyboard(opened: Any) -> None:
    sweep = made()
    page = opened(sweep)
    plot = page.locator("#scatter .plot")
    plot.focus()
    for _ in range(3):
        plot.press("ArrowRight")
    plot.press("Enter")
    page.locator("#chosen h3").wait_for()
    number = sweep.frontier.numbers[2]
    assert page.inner_text("#chosen h3") == f"design {number}"
    assert plot.get_attribute("aria-valuetext").startswith(f"design {number}: alpha ")


def test_a_point_is_chosen_by_pointer(opened: Any) -> None:
    sweep = made()
    page = opened(sweep)
    page.locator("#scatter .plot").scroll_into_view_if_needed()
    box = page.locator("#scatter .plot").bounding_box()
    left, top = points(page, "frontier")[4]
    place = box["x"] + left / 1000 * box["width"] + 1, box["y"] + top / 100 * box["height"] - 1
    page.mouse.move(*place)
    page.locator(".tip:not([hidden])").wait_for()
    assert f"design {sweep.frontier.numbers[4]}" in page.inner_text(".tip")
    page.mouse.click(*place)
    page.get_by_role("heading", name=f"design {sweep.frontier.numbers[4]}").wait_for()
    assert "on the frontier" in page.inner_text("#chosen")


def test_tables_are_sorted_and_copied(opened: Any) -> None:
    sweep = made()
    page = opened(sweep, permissions=["clipboard-read", "clipboard-write"])
    head = page.locator("#frontier-table thead")
    head.get_by_role("button", name="density").click()
    head.get_by_role("button", name="density").click()
    assert head.locator("[aria-sort=descending]").inner_text().startswith("density")
    page.click("#frontier-copy")
    page.get_by_text(f"{len(sweep.frontier)} designs copied").wait_for()
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    order = sorted(sweep.frontier.numbers.tolist(), key=lambda number: -known(sweep)[number]["density"])
    assert [int(row["design"]) for row in rows] == order
    assert [int(row["params [elements]"]) for row in rows] == [known(sweep)[number]["params"] for number in order]
    assert rows[0]["depths"] == "[3, 8]"


def test_a_design_is_copied_as_a_spec(opened: Any) -> None:
    sweep = made()
    page = opened(sweep, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the spec of design 31", exact=True).first.click()
    page.get_by_text("Copied to the clipboard").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == spec_of(31)
    assert page.locator("#spec-text").text_content() == spec_of(31)
    assert inaccessible(page, "#spec") == []


def test_without_specs_there_are_no_buttons_for_them(opened: Any) -> None:
    page = opened(made(), specs=None)
    assert page.get_by_role("button", name="Copy the spec").count() == 0


def two_by_two(**changes: Any) -> Sweep:
    """Params are 1000 + a + 10 b: of the variance 1/4 (1 + 100), a explains 1/4 and b 100/4."""
    axes = (Axis("a", (0, 1)), Axis("b", (1, 0)))
    a, b = np.array([0, 0, 1, 1]), np.array([1, 0, 1, 0])
    params = 1000 + a + 10 * b
    rows = Rows(np.arange(4), np.array([a, 1 - b], dtype=np.int32), {"params": params})
    moments = Moments(
        ("params",), np.array([4]), np.array([1005.5]), np.array([4 * 101 / 4]), np.array([1000.0]), np.array([1011.0]),
        (np.full((2, 1), 2), np.full((2, 1), 2)), (np.array([[1005.0], [1006.0]]), np.array([[1010.5], [1000.5]])),
    )  # fmt: skip
    found = Sweep(
        name="small", file="", space=Space(axes), question=Question(("params",), setting=Setting()),
        columns=(COLUMNS["params"],), tally=Tally(4, {}, {}, 4), moments=moments,
        top=rows, frontier=rows.take(np.array([], dtype=int)),
        sample=rows, structural=(), structures=1, seconds=0.1, complete=True,
    )  # fmt: skip
    return replace(found, **changes)


def test_influence_is_the_share_of_the_variance(opened: Any) -> None:
    page = opened(two_by_two(), **NO_JAVASCRIPT)
    rows = [page.locator("#influence-table tr").nth(at).inner_text().split() for at in (1, 2, 3)]
    assert rows == [
        ["a", "↑", f"{100 / 101:.1f}%"],
        ["b", "↑", f"{100 * 100 / 101:.1f}%"],
        ["only", "together", "0.0%"],
    ]


def test_shares_show_the_means_behind_them(opened: Any) -> None:
    page = opened(made())
    page.locator("#influence-table tbody tr", has_text="input").get_by_role("button").nth(1).click()
    assert page.locator("#means h3").text_content().startswith("The mean of MACs by input")
    plot = page.locator("#means .plot")
    plot.press("End")
    text = plot.get_attribute("aria-valuetext")
    read = re.fullmatch(r"input 256: mean MACs ([\d,.]+) of (\d+) designs", text)
    numbers = [n for n in range(16 * 6 * 3 * 2) if n % 13 != 12 and n // 6 % 6 == 5]  # legal, of the last input
    assert int(read[2]) == len(numbers)
    alphas, depths = [(n // 36 + 1) / 8 for n in numbers], [n // 2 % 3 for n in numbers]
    macs = [5.4e8 * a**1.8 * (256 / 224) ** 2 * (1 + 0.1 * d) for a, d in zip(alphas, depths, strict=True)]
    assert float(read[1].replace(",", "")) == pytest.approx(sum(macs) / len(macs), rel=1e-5)


def test_a_sweep_without_objectives_or_order(opened: Any) -> None:
    page = opened(two_by_two())
    assert page.inner_text("#best-title") == "The first designs"
    assert page.locator("#frontier").count() == 0
    assert page.locator("#scatter-x").input_value() != page.locator("#scatter-y").input_value()


def test_nothing_may_be_left(opened: Any) -> None:
    none = made().sample.take(np.array([], dtype=int))
    page = opened(made(top=none, frontier=none, sample=none))
    assert "No design that was looked at is legal and satisfies the constraints." in page.inner_text("main")
    assert page.locator("#scatter").count() == 0
    assert page.locator("#influence-table button").count() > 0


def test_the_tables_are_there_without_javascript(opened: Any) -> None:
    sweep = made()
    page = opened(sweep, **NO_JAVASCRIPT)
    assert [row[0] for row in table(page, "frontier")] == [f"{number:,}" for number in sweep.frontier.numbers]
    assert table(page, "best")[0][5] == f"{sweep.top.columns['params'][0]:,}"
    assert page.locator("button:visible, select:visible, canvas:visible").count() == 0


def test_html_in_a_sweep_is_text(opened: Any) -> None:
    axes = (*AXES[:2], Axis("depths", ((2, 2), (3, 4), (3, 8))), Axis("norm", (NASTY, f"{NASTY}!")))
    columns = (*FIGURES[:4], Column("density", NASTY, "", NASTY, "ratio", additive=False))
    sweep = made(axes, name=NASTY, file=NASTY, columns=columns, structural=("depths",))
    sweep = replace(sweep, tally=replace(sweep.tally, invalid={NASTY: Reason(3, 12, NASTY)}))
    page = opened(sweep, specs=lambda _: NASTY)
    page.locator("#best-table tbody tr button").first.click()
    page.locator("#chosen h3").wait_for()
    page.locator("#chosen button").click()
    page.get_by_text("Copied to the clipboard").wait_for()
    assert page.locator("#spec-text").text_content() == NASTY + "\n"
    page.locator("#spec button").click()
    page.locator("#influence-table tbody tr").nth(3).get_by_role("button").first.click()
    page.locator("#scatter .plot").press("ArrowRight")
    assert page.locator("img").count() == 0
    for place in (
        "h1",
        "#overview",
        "#chosen",
        "#coordinates",
        "#influence",
        "#best",
        "#frontier",
        "#conventions",
        "#means",
        ".tip",
    ):
        assert NASTY in page.locator(place).first.text_content(), place


def many(count: int) -> Rows:
    numbers = np.arange(count)
    columns = {"params": numbers * 1001 + 10**9, "macs": 10**12 - numbers * 1001, "activations": numbers**2,
               "receptive_field": numbers % 99, "density": np.sqrt(numbers)}  # fmt: skip
    choices = np.array([numbers % len(axis.values) for axis in AXES], dtype=np.int32)
    return Rows(numbers, choices, columns)


def test_a_large_frontier_is_thinned_and_told(opened: Any) -> None:
    text = sweep_page(made(frontier=many(20_000), sample=many(60_000)), lambda number: f"{number}" * 200)
    assert len(text) < 3_000_000
    page = opened(made(frontier=many(20_000), sample=many(2_000)))
    assert "5,000 of 20,000" in page.inner_text("#frontier")
    dots = points(page, "frontier")
    assert len(dots) == 5_000
    numbers = np.array(page.evaluate("sweep.data.frontier.map((place) => sweep.data.numbers[place])"))
    assert (numbers[0], numbers[-1]) == (0, 19_999)
    assert set(np.diff(numbers)) <= {3, 4, 5}
    assert page.locator("#frontier-table tbody tr").count() == 100
    page.click("#frontier-more")
    assert page.locator("#frontier-table tbody tr").count() == 600


def test_an_axis_of_many_numbers_is_drawn_evenly(opened: Any) -> None:
    values = tuple(range(200, 0, -1))
    axes = (Axis("width", values), AXES[1])
    numbers = np.arange(200)
    rows = Rows(numbers, np.array([numbers, numbers % 6], dtype=np.int32), {"params": numbers**2 + 1})
    means = np.arange(200.0)[:, None]
    moments = Moments(
        ("params",), np.array([200]), np.array([1.0]), np.array([1e9]), np.array([0.0]), np.array([1.0]),
        (np.ones((200, 1), dtype=int), np.full((6, 1), 33)), (means, np.zeros((6, 1))),
    )  # fmt: skip
    page = opened(two_by_two(space=Space(axes), top=rows.take(numbers < 3), sample=rows, moments=moments))
    page.locator("#limits summary").click()
    assert page.get_by_role("group", name="width").locator("input").count() == 2
    assert [row[1] for row in table(page, "best")] == ["200", "199", "198"]
    bundles = page.evaluate("sweep.data.means[0]")
    assert len(bundles["labels"]) == 60
    assert sum(count for (count,) in bundles["designs"]) == 200
    # the first bundle is 1 to 4, whose means were given as 199, 198, 197, 196
    assert bundles["labels"][0] == "1 to 4"
    assert bundles["means"][0][0] == pytest.approx((199 + 198 + 197 + 196) / 4)
