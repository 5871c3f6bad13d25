"""Markdown, read as GitHub reads it: a table of the right cells, whatever the names are."""

from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import archscope
from archscope.cli import main
from archscope.report.formats import FORMATS
from archscope.report.formats.markdown import escaped, grid
from archscope.report.results.account import AccountReport

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = "a | b \\| `c` *d* **e** _f_ g_h <b>i</b> [j](k) ~~l~~ &amp; # m \\"
SPEC = """
name: "{name}"
input: [3, 8, 8]
blocks:
  pair(out):
    - Conv2d: {{out_channels: out, kernel_size: 3, padding: 1}}
    - ReLU
layers:
  - repeat: {pairs}
    layers: [pair: 4]
  - Flatten
  - Linear: 2
"""


class Cells(HTMLParser):
    """The texts and the alignments of a table, and the names of all elements."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.elements, self.right, self.title = [], [], [], ""
        self.feed(READER.render(text))

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "th":
            self.right.append(("style", "text-align:right") in attributes)

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")
        elif self.elements[-1] == "h3":
            self.title += data


def account(name="plain", pairs=2):
    return archscope.analyze(archscope.load(SPEC.format(name=name.replace("\\", "\\\\"), pairs=pairs)))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1))
@example(NASTY)
@example("a\\|b")
@example("__init__")
@example("snake_case")
@example("$x$ and $y$!")
@example("> quote")
@example("![i](j) # and #")
def test_names_show_as_they_are(text):
    found = Cells(grid(["one", "two"], [[escaped(text), "1"]], [True, False]))
    assert found.rows == [["one", "two"], [" ".join(text.split()), "1"]]
    assert Cells(f"### {escaped(text)}").title.strip() == " ".join(text.split())
    assert set(found.elements) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert found.right == [False, True]


def test_lines_within_a_name_are_blanks():
    assert escaped("two\r\nlines\tof  it") == "two lines of it"


def test_words_stay_readable():
    assert escaped("layer1.0.conv_bn (3 x 3)") == "layer1.0.conv_bn (3 x 3)"


def test_a_design_is_a_table_with_its_totals_in_bold():
    one = account(NASTY)
    found = Cells(FORMATS["markdown"].text(AccountReport(one)))
    assert found.title.strip() == NASTY
    assert found.right == [False, False, False, True, True, True, True]
    names = [row[0] for row in found.rows]
    assert names == ["layer", *(row.name for row in one.rows), "conv", "fc", "other", "total"]
    assert {len(row) for row in found.rows} == {7}
    figures = [int(row[3].replace(",", "")) for row in found.rows[1:]]
    params = [3 * 4 * 9 + 4, 0, 4 * 4 * 9 + 4, 0, 0, 256 * 2 + 2]
    assert figures == [*params, params[0] + params[2], params[5], 0, sum(params)]
    assert found.elements.count("strong") == sum(map(bool, (cell for row in found.rows[-4:] for cell in row)))


def test_it_says_how_figures_are_counted():
    text = FORMATS["markdown"].text(AccountReport(account(), ["macs", "macs_share", "reuse"]))
    assert text.splitlines()[-2:] == [
        "- MACs: forward multiply-accumulates of contractions; bias excluded",
        "- reuse: forward MACs a parameter",
    ]
    assert "input 3 x 8 x 8, batch 1, float32" in text


@pytest.mark.parametrize(("options", "rows", "note"), [((), 26, True), (("--depth", "all"), 50, False)])
def test_a_long_table_is_folded_unless_all_is_asked_for(tmp_path, options, rows, note):
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.format(name="long", pairs=24))
    result = CliRunner().invoke(main, ["analyze", str(spec), "--markdown", "-", *options])
    found = Cells(result.stdout)
    assert len(found.rows) == 1 + rows + 4
    assert ("`--depth all` shows all 50 layers" in result.stdout) == note
