"""CSV and JSON: read back, they say what the account says."""

import csv
import io
import json

import pandas as pd
import pytest

import archscope
from archscope.figures import COSTS
from archscope.figures.table import COLUMNS
from archscope.report.formats import FORMATS
from archscope.report.results.account import AccountReport

TEXT = """
name: 'pipes | and <b>tags</b>'
source: a paper
input: [3, 8, 8]
vars: {width: 4}
layers:
  - Conv2d: {out_channels: width, kernel_size: 3}
    name: conv
  - LSTM: {hidden_size: 5, batch_first: true}
    from: flat
"""
TEXT = TEXT.replace("  - LSTM", "  - Flatten: {start_dim: 2}\n    name: flat\n  - LSTM")


@pytest.fixture(scope="module")
def account():
    return archscope.analyze(archscope.load(TEXT), batch=2)


def to_csv(found, *columns):
    return FORMATS["csv"].text(AccountReport(found, columns))


def test_csv_reads_back_in_pandas(account):
    text = to_csv(account, *COLUMNS)
    frame = pd.read_csv(io.StringIO(text), index_col="name")
    assert list(frame.index) == ["conv", "flat", "LSTM"]
    assert frame["params [elements]"].sum() == account.total.params
    assert frame["macs [MACs]"].tolist() == [row.macs for row in account.rows]
    assert frame.loc["conv", "output_shape"] == "4x6x6"
    assert frame.loc["conv", "receptive_field [places]"] == "3x3"
    assert frame["macs_share [share]"].sum() == pytest.approx(1)
    for name, column in COLUMNS.items():
        head = f"{name} [{column.unit}]" if column.unit else name
        number = column.style in ("count", "ratio", "share")
        assert (frame[head].dtype.kind in "if") == number if name != "name" else frame.index.name == name, name


def test_names_of_designs_and_layers_are_no_formulas():
    text = TEXT.replace("pipes | and <b>tags</b>", "=HYPERLINK(A1)")
    account = archscope.analyze(archscope.load(text))
    assert {row["design"] for row in csv.DictReader(io.StringIO(to_csv((account, account), "params")))} == {
        "'=HYPERLINK(A1)"
    }


def test_csv_of_several_designs_names_them(account):
    rows = list(csv.DictReader(io.StringIO(to_csv((account, account), "params"))))
    assert [row["design"] for row in rows] == ["pipes | and <b>tags</b>"] * 6


def test_json_holds_every_figure(account):
    content = json.loads(FORMATS["json"].text(AccountReport(account)))
    assert content["format"] == 2
    (design,) = content["designs"]
    assert design["vars"] == {"width": 4}
    assert design["setting"]["batch"] == 2
    assert design["totals"]["all"]["params"] == account.total.params
    assert design["totals"]["conv"]["layers"] == 1
    for row, layer in zip(account.rows, design["layers"], strict=True):
        for name in COSTS:
            assert layer[name] == getattr(row, name)
    assert design["layers"][0]["arguments"]["kernel_size"] == [3, 3]
    assert design["layers"][2]["output_shapes"][0] == [4, 5]
