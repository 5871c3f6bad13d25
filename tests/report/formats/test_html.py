"""What notebooks show: tables with the figures of the results, whatever the names are."""

import functools
from html.parser import HTMLParser

import pytest

import archscope
from archscope.backends.torch.profile import profile
from archscope.report.base import report_of
from archscope.report.formats import FORMATS
from tests.browser import DARK, LIGHT, NO_JAVASCRIPT, PHONE, inaccessible

NASTY = "<script>alert(1)</script> & \"quotes\" 'too'"
SPEC = """
name: NAME
input: [3, 8, 8]
blocks:
  pair(out):
    - Conv2d: {out_channels: out, kernel_size: 3, padding: 1}
    - ReLU
layers:
  - {repeat: 40, layers: [pair: 4]}
  - Flatten
  - {Linear: 2, name: end}
"""


class Page(HTMLParser):
    """The rows of all tables, the elements, and all text."""

    def __init__(self, result):
        super().__init__()
        self.rows, self.open, self.elements, self.text = [], [], set(), ""
        self.feed(result._repr_html_())
        assert self.open == [], "an element is left open"

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        if tag != "br":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@functools.cache
def design(name="plain"):
    return archscope.load(SPEC.replace("NAME", repr(name).replace("\\'", "''")))


@functools.cache
def small():
    return archscope.load("lenet5")


RESULTS = {
    "design": design,
    "account": lambda: archscope.analyze(design(), batch=3, precision="float16"),
    "memory": lambda: archscope.memory(small(), device="h100"),
    "fields": lambda: archscope.receptive_fields(small()),
    "prediction": lambda: archscope.predict(small(), device="l4"),
    "profile": lambda: profile(small(), device="cpu", seconds=0),
    "reconciliation": lambda: archscope.reconcile(small()),
    "explanation": lambda: archscope.explain(small(), "c1")[0],
}


@pytest.mark.parametrize("result", RESULTS)
def test_every_result_is_a_table(result):
    page = Page(RESULTS[result]())
    assert len(page.rows) > 3
    assert page.elements <= {"div", "p", "b", "br", "table", "thead", "tbody", "tr", "th", "td"}
    assert "color" not in RESULTS[result]()._repr_html_()  # those of the notebook, light or dark


def test_a_design_shows_its_folded_layers_and_totals():
    page = Page(design())
    first, others, end = 3 * 4 * 9 + 4, 39 * (4 * 4 * 9 + 4), 256 * 2 + 2
    assert page.rows[0] == ["layer", "op", "output", "params", "%", "MACs", "%"]
    rows = {row[0]: row for row in page.rows}
    assert len(page.rows) == 1 + 42 + 4
    assert rows["total"][3] == f"{first + others + end:,}"
    assert rows["end"][1:4] == ["Linear", "2", str(end)]
    assert sum(int(row[3].replace(",", "")) for row in page.rows[1:-4]) == first + others + end
    assert ".frame has all 82 layers" in page.text


def test_an_account_says_its_batch_and_dtype():
    assert "input 3 x 8 x 8, batch 3, float16" in Page(RESULTS["account"]()).text


def test_names_are_escaped():
    page = Page(design(NASTY))
    assert NASTY in page.text
    assert "script" not in page.elements


def test_a_prediction_and_its_parts():
    prediction = RESULTS["prediction"]()
    page = Page(prediction)
    assert {one.part.name for one in prediction.parts} <= {row[0] for row in page.rows}
    assert "batch 1, float32, training with sgd, torch 2.13 on NVIDIA L4" in page.text


def test_the_arithmetic_of_a_layer():
    rows = {row[0]: row for row in Page(RESULTS["explanation"]()).rows}
    assert rows["params"][3] == str(6 * 25 + 6)
    assert rows["macs"][2].startswith("1 x 6 x 28 x 28")


def test_memory_shows_the_ledger_and_the_largest_that_is_kept():
    memory = RESULTS["memory"]()
    rows = {row[0]: row for row in Page(memory).rows}
    assert rows["training step"][2] == f"{memory.training:,} B"
    largest = max(memory.saved, key=lambda piece: piece.bytes)
    assert rows[largest.layer][1] == largest.what


@pytest.mark.parametrize("way", [LIGHT, DARK, NO_JAVASCRIPT], ids=["light", "dark", "no scripts"])
def test_a_page_stands_alone(new_page, tmp_path, way):
    target = tmp_path / "step.html"
    memory = archscope.memory(small(), batch=2)
    target.write_text(FORMATS["html"].text(report_of(memory)))
    page = new_page(**way)
    page.goto(target.as_uri())
    assert page.title() == "LeNet-5"
    row = page.locator("tr", has_text="training step").first
    assert f"{memory.training:,} B" in row.inner_text()
    assert page.locator("figure.chart path.area").count() == len({one.phase for one in memory.timeline})
    assert page.get_by_label(f"{len(memory.timeline):,} allocations").count() == 1
    assert way is NO_JAVASCRIPT or inaccessible(page) == []


def test_a_page_escapes_names(page, tmp_path):
    target = tmp_path / "page.html"
    target.write_text(FORMATS["html"].text(report_of(archscope.explain(design(NASTY), "end"))))
    page.goto(target.as_uri())
    assert NASTY in page.locator("main").inner_text()


@pytest.mark.parametrize("make", [
    lambda: archscope.explain(archscope.load("alexnet"), "conv1"), lambda: archscope.memory(archscope.load("alexnet")),
])  # fmt: skip
def test_nothing_is_beside_the_screen_of_a_phone(make, new_page, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(FORMATS["html"].text(report_of(make())), encoding="utf-8")
    page = new_page(**PHONE)
    page.goto(file.as_uri())
    beside = (
        "[...document.querySelectorAll('.report *')].filter((one) => one.getBoundingClientRect().right > 391).length"
    )
    assert page.evaluate(beside) == 0


def test_a_wide_table_is_scrolled_on_a_phone_and_its_numbers_stay_whole(new_page, tmp_path):
    """Six columns: numbers of eight digits would be broken letter by letter."""
    change = archscope.diff(archscope.load("alexnet"), archscope.load("vgg16"))
    file = tmp_path / "report.html"
    file.write_text(FORMATS["html"].text(report_of(change)), encoding="utf-8")
    page = new_page(**PHONE)
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
    total = page.locator(".grid tr", has_text="total").last.locator("td").nth(4)
    lines = "(one) => one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight)"
    assert total.evaluate(lines) < 2
    assert page.evaluate("(box => box.scrollWidth > box.clientWidth)(document.querySelector('.grid.wide'))")
    assert inaccessible(page) == []
