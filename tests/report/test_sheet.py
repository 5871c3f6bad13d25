"""CSV that spreadsheets and pandas read as it was meant."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.report.formats import FORMATS
from archscope.report.sheet import to_csv

COLUMNS = (("name", ""), ("macs", "MACs"))


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_units_stand_in_the_head():
    assert to_csv(COLUMNS, [], lacking=None) == "name,macs [MACs]\n"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])  # noqa: RUF001
def test_no_text_runs_as_a_formula(first):
    text = first + 'cmd|" /C calc"!A0'
    assert read(to_csv(COLUMNS, [(text, 1)], lacking=None)) == [["name", "macs [MACs]"], ["'" + text, "1"]]
    assert read(to_csv([(text, "")], [], lacking=None)) == [["'" + text]]


@pytest.mark.parametrize("cell", [-3, -3.5, "-3x-3", "-1.5x2", "11x11", "a-b", " =1", "1e5"])
def test_what_is_no_formula_stays_as_it_is(cell):
    assert read(to_csv(COLUMNS, [("a", cell)], lacking=None))[1] == ["a", str(cell)]


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.integers())))
def test_it_reads_back(rows):
    found = read(to_csv(COLUMNS, rows, lacking=None))[1:]
    assert [(name.removeprefix("'"), int(count)) for name, count in found] == [
        (name.removeprefix("'"), count) for name, count in rows
    ]


def test_pandas_reads_numbers_as_numbers():
    rows = [('a "quoted", name\nof two lines', 2**53, 0.25, None, True), ("=b", 1, 1e-300, 7, False)]
    columns = (("name", ""), ("macs", "MACs"), ("share", "share"), ("dense_params", "elements"), ("frozen", ""))
    frame = pd.read_csv(io.StringIO(to_csv(columns, rows, lacking=None)))
    assert list(frame.columns) == ["name", "macs [MACs]", "share [share]", "dense_params [elements]", "frozen"]
    assert frame["name"].tolist() == ['a "quoted", name\nof two lines', "'=b"]
    assert [kind.kind for kind in frame.dtypes[1:]] == ["i", "f", "f", "b"]
    assert frame["macs [MACs]"].tolist() == [2**53, 1]
    assert frame["dense_params [elements]"].isna().tolist() == [True, False]


@pytest.mark.parametrize(("text", "begins"), [("name\nπ\n", b"\xef\xbb\xbfname\n"), ("name\nb\n", b"name\nb")])
def test_a_file_with_other_letters_begins_with_a_byte_order_mark(tmp_path, text, begins):
    path = tmp_path / "out.csv"
    FORMATS["csv"].write(text, str(path))
    assert path.read_bytes().startswith(begins)
    assert pd.read_csv(path)["name"].tolist() == [text.split("\n")[1]]


def test_standard_output_has_none(capsys):
    FORMATS["csv"].write("name\nπ\n", "-")
    assert capsys.readouterr().out == "name\nπ\n"
