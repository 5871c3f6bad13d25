"""LaTeX, read as TeX reads it: tables of the right cells, whatever the names are."""

import re

import pytest

import archscope
from archscope.report.base import report_of
from archscope.report.formats import FORMATS
from archscope.report.formats.latex import escaped
from archscope.report.results.account import AccountReport

#: each letter that has a meaning in TeX, and how it is typed as itself (Lamport, LaTeX, section 3.2; textcomp)
TYPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip
NASTY = r"a & b % c $d$ #e _f_ {g} ~h ^i \end{longtable}"
SPEC = """
name: NAME
input: [3, 8, 8]
layers:
  - {Conv2d: {out_channels: 4, kernel_size: 3}, name: first_one}
  - Flatten
  - Linear: 2
"""


def tables(text):
    """The cells of each table as they show, its columns, and how often it draws a rule."""
    for one, body in re.findall(r"\\begin\{longtable\}\{([^\n]+)\}\n(.*?)\\end\{longtable\}", text, re.S):
        columns = re.sub(r">\{\\raggedright\\arraybackslash\}p\{[\d.]+\\linewidth\}", "p", one)
        lines = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r"\\")]
        rows = [re.split(r"(?<!\\)&", line) for line in lines]
        yield columns, [[read(cell) for cell in row] for row in rows], body.count("rule\n")


def read(cell):
    cell = re.sub(r"\\textbf\{(.*)\}", r"\1", cell.strip())
    for letter, typed in TYPED.items():
        cell = cell.replace(typed, letter)
    return cell


@pytest.mark.parametrize("letter", TYPED)
def test_what_has_a_meaning_is_typed_as_itself(letter):
    assert escaped(f"x{letter}y") == f"x{TYPED[letter]}y"


def test_no_letter_of_a_name_is_left_with_its_meaning():
    text = escaped(NASTY)
    for typed in TYPED.values():
        text = text.replace(typed, "")
    assert not set(text) & set(TYPED)


def test_a_design_is_a_table_with_its_totals_in_bold():
    account = archscope.analyze(archscope.load(SPEC.replace("NAME", f"'{NASTY}'")))
    text = FORMATS["latex"].text(AccountReport(account))
    assert rf"\paragraph{{{escaped(NASTY)}}} input 3 x 8 x 8, batch 1, float32" in text
    ((columns, rows, rules),) = tables(text)
    assert columns == "lllrrrr"
    assert {len(row) for row in rows} == {7}
    assert [row[0] for row in rows] == ["layer", "first_one", "Flatten", "Linear", "conv", "fc", "other", "total"]
    conv, linear = 4 * 27 + 4, 2 * 4 * 36 + 2
    assert [row[3] for row in rows[1:]] == [str(one) for one in (conv, 0, linear, conv, linear, 0, conv + linear)]
    assert rows[1][4] == f"{100 * conv / (conv + linear):.2f}%"
    assert rules == 4  # at the top, below the heads, above the totals, at the bottom
    assert text.count(r"\textbf{") == sum(map(bool, (cell for row in rows[-4:] for cell in row)))


def test_parts_of_a_fact_stand_below_it():
    text = FORMATS["latex"].text(report_of(archscope.memory(archscope.load("lenet5"))))
    facts, saved = tables(text)
    assert [row[0] for row in facts[1][:2]] == ["training step", "\\quad parameters"]
    assert facts[1][1][2] == f"{4 * 61706:,} B"
    assert saved[1][0] == ["saved by", "what", "size", "%", "and by"]


@pytest.mark.parametrize("make", [
    lambda: archscope.explain(archscope.load("alexnet"), "conv1"), lambda: archscope.memory(archscope.load("alexnet")),
])  # fmt: skip
def test_a_table_is_no_wider_than_a_line(make):
    """A line of an article in 10 points has some 70 letters, of smaller ones as many more as they are smaller."""
    text = FORMATS["latex"].text(report_of(make()))
    room = {"": 70, "small": 70 * 10 / 9, "footnotesize": 70 * 10 / 8, "scriptsize": 70 * 10 / 7}
    widths = re.findall(r"(?:\{\\(\w+)\n)?\\begin\{longtable\}\{([^\n]+)\}\n", text)
    assert any("p{" in one for _, one in widths)
    for (columns, rows, _), (size, one) in zip(tables(text), widths, strict=True):
        wide = [70 * float(share) for share in re.findall(r"p\{([\d.]+)", one)]  # of the line, whatever the letters
        set_so = [
            max(len(row[at].replace(r"\quad ", "")) for row in rows) for at, kind in enumerate(columns) if kind != "p"
        ]
        assert sum(wide) + sum(set_so) + 2 * (len(columns) - 1) <= room[size] + 2
        assert {len(row) for row in rows} == {len(columns)}


def test_letters_that_latex_does_not_know_are_told_by_their_number():
    """What pdflatex of TeX Live 2022 takes in T1 stays; of others it says `not set up for use with LaTeX`."""
    for letter in "äößçéñøÅłŒșž\u2013—„“€№™→":
        assert escaped(letter) == letter
    assert escaped("网 \u03b1 😀 \u0338") == "[U+7F51] [U+03B1] [U+1F600] [U+0338]"
    assert escaped("a \u2212 b ≤ ∞") == r"a $-$ b $\leq$ $\infty$"


def test_what_is_written_can_be_set(tmp_path):
    """Every letter that reaches TeX is ASCII, or one that T1 has (which it was set with, once, for all commands)."""
    name = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0x2FF), 0x3B1, 0x7F51, 0x1F600])).replace('"', "")
    account = archscope.analyze(archscope.load(SPEC.replace("NAME", repr(name.replace("'", "")))))
    text = FORMATS["latex"].text(AccountReport(account))
    latin = {*map(chr, [*range(0xA1, 0xAD), *range(0xAE, 0x17F), *range(0x218, 0x21C)])}
    assert {letter for letter in text if ord(letter) > 0x7E} <= latin
