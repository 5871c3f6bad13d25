"""Sweeps as text, CSV, Markdown, data, frames and in notebooks."""

import csv
import io
import json
import re
from dataclasses import replace

import click
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from archscope.comparison import FIGURES
from archscope.report.formats import FORMATS
from archscope.report.formats.terminal import printed
from archscope.report.results.sweep import SweepReport, axis_titles, points, setting_text, size_text, structure_text
from archscope.sweeps.merging import Merger
from archscope.sweeps.model import Reason
from archscope.sweeps.space import Axis, Sample, Space
from tests.report.formats.test_html import NASTY, Page
from tests.sweeps.grids import AXES, COLUMNS, QUESTION, swept

#: the five with the fewest MACs, by hand: width, depth, kind, input, params, MACs = params x (input / 4)² x depth
BEST = [
    (16, 1, "ReLU", 8, 2304, 9216),
    (16, 1, "GELU", 8, 2304, 9216),
    (16, 2, "ReLU", 8, 2304, 18432),
    (16, 2, "GELU", 8, 2304, 18432),
    (16, 1, "ReLU", 16, 2304, 36864),
]


def sweep_text(found, width):
    return printed(SweepReport(found), width)


def sweep_csv(found):
    return FORMATS["csv"].text(SweepReport(found))


def sweep_markdown(found):
    return FORMATS["markdown"].text(SweepReport(found))


def sweep_data(found):
    return SweepReport(found).data()


@pytest.fixture(scope="module")
def found():
    return swept()


def asked(**changes):
    return swept(question=replace(QUESTION, **changes))


def lines(found, width=100):
    return click.unstyle(sweep_text(found, width)).splitlines()


def row(found, start, width=100):
    return re.split("  +", next(line for line in lines(found, width) if line.startswith(start)).strip())


# -- for people --


def test_text_says_what_became_of_the_designs(found):
    head, _, *steps = lines(found)[:6]
    assert head == "net   batch 4"  # all that MACs depend on
    assert steps == [
        "36  designs in 250 ms, 144 a second",
        "32  legal",
        "30  with macs < 3e6, params < 1e5",
        " 3  on the frontier: small params, large field",
    ]
    assert row(found, "macs <") == ["macs < 3e6", "2", "6.2%"]  # of 32
    assert row(found, "params <") == ["params < 1e5", "0", "0.0%"]


def test_text_says_what_is_wrong_with_the_first_of_those_that_are_none(found):
    text = lines(found)
    at = text.index("4 are no designs")
    assert text[at + 2 : at + 4] == [
        "  4  kernel 3 does not fit: 2 < 3",
        "     the first: width=64, depths[0]=1, kind=ReLU, input=8",
    ]
    excerpt = "net.yaml:3:5: error: no\n  3 | - Conv2d\n    |   ^"
    reasons = {str(at): Reason(10 - at, 0, excerpt) for at in range(8)}
    text = lines(replace(found, tally=replace(found.tally, invalid=reasons)))
    at = text.index("  10  net.yaml:3:5: error: no")
    assert text[at + 2] == "          |   ^"  # below the same letter as in the line above
    assert "  and 3 more reasons; JSON has all" in text
    assert not any(line.startswith("   5") for line in text)


def test_text_shows_the_best_and_marks_the_frontier(found):
    text = lines(found)
    at = text.index("The best 5: small MACs")
    rows = [re.split(" +", line.strip()) for line in text[at + 4 : at + 9]]
    assert [line[0] for line in rows] == ["1", "2", "3*", "4", "5"]
    assert [tuple(line[1:7]) for line in rows] == [
        (str(w), str(d), kind, str(size), f"{params:,}", f"{macs:,}") for w, d, kind, size, params, macs in BEST
    ]
    assert "* on the frontier" in text
    assert rows[1][7:] == ["3"]  # a field, and no ratio


def test_text_says_what_moves_what(found):
    text = lines(found)
    table = text[next(at for at, line in enumerate(text) if line.startswith("What moves what")) :]
    shares = {line.split()[0]: re.split("  +", line) for line in table[4:8]}
    assert shares["width"][1] == "100% ↑"  # params are 9 w²
    assert shares["kind"][1].strip() == "0%"
    assert "where combinations are left out, axes depend on each other and their shares overlap" in text


def test_without_an_order_the_frontier_is_shown():
    found = asked(sort=None)
    text = lines(found)
    at = text.index("The frontier: small params, large field")
    assert [line.split()[1] for line in text[at + 4 : at + 7]] == ["16", "32", "64"]
    assert "* on the frontier" not in text


def test_without_any_question_the_first_are_shown():
    found = asked(sort=None, pareto=(), where=())
    assert "The first 5 designs" in lines(found)
    assert not any("frontier" in line for line in lines(found))
    assert [point.number for point in points(found)] == [0, 1, 2, 3, 4]


def test_axes_say_what_they_change(found):
    assert row(found, "depths[0]") == ["depths[0]", "2", "1, 2", "the graph"]
    assert row(found, "input ") == ["input", "3", "8, 16, 32", "numbers"]
    assert structure_text(found) == "depths[0] changes the graph; the others change numbers only"
    assert structure_text(replace(found, structural=())).startswith("all axes change numbers only")
    every = tuple(axis.name for axis in AXES)
    assert structure_text(replace(found, structural=every)) == f"{', '.join(every)} change the graph"


def test_many_values_are_shown_by_the_first_and_the_last():
    found = swept(axes=(Axis("width", tuple(range(16, 400, 8))), *AXES[1:]))
    assert row(found, "width")[1:3] == ["48", "16, 24, 32, …, 392"]


@pytest.mark.parametrize("width", [50, 60, 80, 100, 160])
@pytest.mark.parametrize("sort", [QUESTION.sort, None])
def test_text_is_as_wide_as_the_terminal(width, sort):
    text = lines(asked(sort=sort), width)
    assert max(map(len, text)) <= width
    for title in ("width", "ratio", "MACs"):
        assert any(title in line for line in text)


def large(found):
    """The best with 10^13 times the MACs, and one."""
    columns = {**found.top.columns, "macs": found.top.columns["macs"] * 10**13 + 1}
    return replace(found, top=replace(found.top, columns=columns))


def test_numbers_are_shortened_where_more_fits(found):
    wide, narrow = lines(large(found), 120), lines(large(found), 88)
    note = "numbers to four digits, so that more fit; files have them exactly"
    assert any("92,160,000,000,000,001" in line for line in wide)
    assert note not in wide
    assert any("92.16 P" in line for line in narrow)
    assert note in narrow
    assert note not in lines(found, 50)  # there it would not help


def test_titles_of_several_words_are_stacked_where_that_makes_them_fit(found):
    columns = (replace(COLUMNS[0], title="params of all layers"), *COLUMNS[1:])
    worded = replace(found, columns=columns)
    assert any("params of all layers" in line for line in lines(worded, 120))
    stacked = lines(worded, 80)
    at = stacked.index("The best 5: small MACs")
    assert "params" in stacked[at + 2]
    assert [line.split() for line in stacked[at + 3 : at + 6]] == [["of"], ["all"], ["layers"]]


def test_a_sweep_that_was_stopped_and_one_of_a_sample_say_so():
    assert lines(swept(stop=20))[2] == "20  designs in 250 ms, 80 a second, stopped; there are 36"
    found = swept()
    for method, words in (("random", "a random"), ("sobol", "a Sobol")):
        sampled = replace(found, space=Space(AXES, Sample(35, 7, method)))
        assert lines(sampled)[2] == f"36  designs in 250 ms, 144 a second, {words} sample of 36, seed 7"
    whole = replace(found, space=Space(AXES, Sample(36, seed=7)))
    assert lines(whole)[2] == "36  designs in 250 ms, 144 a second"
    nothing = replace(QUESTION, where=())
    assert lines(Merger(Space(AXES), nothing, COLUMNS).sweep("net", "", 0.0))[2].startswith(
        "0  designs in 0 µs, stopped"
    )


def test_what_nobody_counts_is_told_by_its_power_of_ten():
    axes = tuple(Axis(f"v{i}", tuple(range(1000))) for i in range(7))
    assert size_text(Space(axes[:4])) == "1,000,000,000,000"
    assert size_text(Space(axes, Sample(9))) == "about 10^21"


def test_one_is_singular():
    alone = swept(
        axes=tuple(Axis(axis.name, axis.values[:1]) for axis in AXES), question=replace(QUESTION, sort=None, pareto=())
    )
    text = lines(alone)
    assert text[2].startswith("1  design in ")
    assert "The first design" in text
    invalid = {"wrong": Reason(1, 0, "wrong")}
    assert "1 is no design" in lines(replace(alone, tally=replace(alone.tally, invalid=invalid)))


def test_what_an_axis_changes_is_told_where_it_is_known(found):
    assert row(found, "width")[-1] == "numbers"
    single = swept(axes=(Axis("width", (16,)), *AXES[1:]))
    assert row(single, "width") == ["width", "1", "16"]
    none = replace(found, tally=replace(found.tally, invalid={"wrong": Reason(36, 0, "wrong")}))
    assert row(none, "width")[-1] == "16, 32, 64"
    assert structure_text(none) == "no design is legal, so that no graph is known"


def test_numbers_that_are_no_counts_have_the_digits_that_they_need(found):
    columns = (*COLUMNS[:3], replace(COLUMNS[3], style="number"))
    tiny = replace(found.top, columns={**found.top.columns, "ratio": np.full(5, 3.25e-5)})
    assert row(replace(found, columns=columns, top=tiny), "1 ")[-1] == "3.25e-05"


def test_a_frame_without_designs_has_its_columns():
    frame = Merger(Space(AXES), QUESTION, COLUMNS).sweep("net", "", 0.0).frame
    assert frame.index.name == "design"
    assert list(frame.columns) == [
        *(axis.name for axis in AXES),
        "params",
        "macs",
        "field",
        "ratio",
        "rank",
        "frontier",
        "batch",
    ]


def test_a_batch_that_varies_is_not_told_as_one(found):
    varied = replace(found, space=Space((*AXES[:3], Axis("batch", (1, 2, 4)))))
    assert setting_text(varied) == ""
    timed = replace(varied, columns=(*COLUMNS[:3], replace(FIGURES["train_seconds"], name="ratio")))
    assert setting_text(timed) == "float32, training with sgd, torch 2.13 on NVIDIA H200"


def test_times_say_what_they_are(found):
    timed = replace(found, columns=(*COLUMNS[:3], replace(FIGURES["train_seconds"], name="ratio")))
    told = " ".join(lines(timed))
    assert "times on NVIDIA H200 are bounds: no step is faster, granted a cache of 60 MiB, Winograd's" in told
    assert "float32: convolutions in TF32, torch's default" in told


def test_markdown_has_the_same_tables(found):
    text = sweep_markdown(found)
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<table>") == 4
    assert '<td style="text-align:right">3*</td>' in html
    assert "<h4>The best 5: small MACs</h4>" in html
    assert "macs &lt; 3e6" in html
    assert "depths[0]" in html


# -- for machines --


def test_csv_has_the_best_and_then_the_rest_of_the_frontier(found):
    (head, *rows) = csv.reader(io.StringIO(sweep_csv(found)))
    assert head == [
        "design", "width", "depths[0]", "kind", "input",
        "params [elements]", "macs [MACs]", "field [places]", "ratio", "rank", "frontier", "batch [samples]",
    ]  # fmt: skip
    assert [tuple(cells[1:7]) for cells in rows[:5]] == [tuple(map(str, one)) for one in BEST]
    assert [cells[9] for cells in rows] == ["1", "2", "3", "4", "5", "", ""]
    assert [cells[0] for cells in rows if cells[10] == "true"] == ["6", "18", "31"]
    assert rows[1][8] == ""  # GELU has no ratio


def test_csv_holds_no_formula_and_writes_lists_as_specs_do():
    kinds = ("=cmd()", (3, 4, (6, True)))
    found = swept(axes=(*AXES[:2], Axis("kind", kinds), AXES[3]))
    cells = [line[3] for line in csv.reader(io.StringIO(sweep_csv(found)))]
    assert cells[1:3] == ["'=cmd()", "[3, 4, [6, true]]"]


def test_frames_have_the_figures(found):
    frame = found.frame
    assert frame.index.tolist() == [0, 3, 6, 9, 1, 18, 31]
    assert (frame["params"] == 9 * frame["width"] ** 2).all()
    assert (frame["macs"] == frame["params"] * (frame["input"] // 4) ** 2 * frame["depths[0]"]).all()
    assert frame["ratio"].isna().tolist() == [kind == "GELU" for kind in frame["kind"]]
    assert frame["rank"].dropna().tolist() == [1, 2, 3, 4, 5]
    assert frame.index[frame["frontier"]].tolist() == found.frontier.numbers.tolist()


def test_an_axis_that_is_called_as_a_figure_is_told_apart():
    found = swept(axes=(AXES[0], AXES[1], AXES[2], Axis("macs", (8, 16, 32))))
    assert axis_titles(found) == ["width", "depths[0]", "kind", "macs (axis)"]
    assert {"macs", "vars.macs"} < set(found.frame.columns)
    assert (found.frame["vars.macs"] <= 32).all()
    assert sweep_data(found)["points"][0]["values"]["macs"] == 8
    assert sweep_data(found)["points"][0]["figures"]["macs"] == 9216


def sampled():
    found = swept()
    return replace(found, space=Space(AXES, Sample(36, seed=7)))


CASES = {
    "all": swept,
    "stopped": lambda: swept(stop=3),
    "sample": sampled,
    "no question": lambda: asked(sort=None, pareto=(), where=(), derived=()),
    "lists": lambda: swept(axes=(*AXES[:2], Axis("kind", (None, (1, (2,)))), AXES[3])),
    "nothing": lambda: Merger(Space(AXES), QUESTION, COLUMNS).sweep("net", "", 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_data_are_as_the_schema_says(case):
    content = json.loads(json.dumps(sweep_data(CASES[case]()), allow_nan=False))
    Draft202012Validator.check_schema(SweepReport.schema())
    check = Draft202012Validator(SweepReport.schema())
    assert [f"{error.json_path}: {error.message}" for error in check.iter_errors(content)] == []
    for key in content:
        assert not check.is_valid({name: value for name, value in content.items() if name != key})
    for point in content["points"][:1]:
        content["points"] = [{**point, "undocumented": 1}]
        assert not check.is_valid(content)


def test_data_say_what_was_found(found):
    content = sweep_data(found)
    assert (content["designs"], content["legal"], content["passed"], content["size"]) == (36, 32, 30, 36)
    assert content["invalid"][0] == {
        "what": "kernel 3 does not fit",
        "designs": 4,
        "first": 24,
        "values": {"width": 64, "depths[0]": 1, "kind": "ReLU", "input": 8},
        "message": "kernel 3 does not fit: 2 < 3",
    }
    assert content["where"] == [
        {"constraint": "macs < 3e6", "missed": 2, "undefined": 0},
        {"constraint": "params < 1e5", "missed": 0, "undefined": 0},
    ]
    assert [axis["structural"] for axis in content["axes"]] == [False, True, False, False]
    assert [column["derived"] for column in content["columns"]] == [None, None, None, "macs / params"]
    assert content["columns"][0]["least"] == 9 * 16**2
    assert content["columns"][3]["count"] == 16  # half of the legal ones
    assert content["pareto"][1] == {"column": "field", "largest": True}
    assert content["influence"][0] == {
        "axis": "width", "column": "params", "share": pytest.approx(1), "direction": "rises",
        "means": (9 * 16**2, 9 * 32**2, 9 * 64**2),
    }  # fmt: skip
    assert [tuple(point["values"].values()) for point in content["points"][:5]] == [one[:4] for one in BEST]


def test_whole_numbers_stay_exact(found):
    (first, *_) = sweep_data(large(found))["points"]
    assert first["figures"]["macs"] == 9216 * 10**13 + 1  # which no float is


# -- in a notebook --


def test_a_notebook_shows_the_tables(found):
    page = Page(found)
    rows = [row for row in page.rows if row and row[0] == "3*"]
    assert rows == [["3*", "16", "2", "ReLU", "8", "2,304", "18,432", "5", "8.00"]]
    assert "The best 5: small MACs" in page.text
    assert page.elements <= {"div", "p", "b", "br", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_notebook_shows_a_part_of_a_long_list():
    page = Page(asked(top=25))
    assert sum(row[0].rstrip("* ").isdigit() and len(row) == 9 for row in page.rows) == 20
    assert "and 5 more; .frame has all" in page.text


def test_words_of_others_are_escaped():
    found = replace(swept(axes=(*AXES[:2], Axis("kind", (NASTY, "b")), AXES[3])), name=NASTY)
    page = Page(found)
    assert page.text.count(NASTY) > 2
    assert "script" not in page.elements
    assert "<script>" not in MarkdownIt("commonmark").enable("table").render(sweep_markdown(found))


def test_a_sweep_of_nothing_is_shown():
    nothing = CASES["nothing"]()
    assert "0" in Page(nothing).rows[0]
    assert len(nothing.frame) == 0
    assert sweep_csv(nothing).count("\n") == 1
    assert "The best" not in "\n".join(lines(nothing))


def test_constraints_say_where_they_have_no_value(found):
    assert "no value in" not in sweep_text(found, 100)
    told = sweep_text(replace(found, tally=replace(found.tally, undefined={"macs < 3e6": 1})), 100)
    assert re.search(r"no value in\n.*\nmacs < 3e6 +2 +6\.2% +1\n", click.unstyle(told))
