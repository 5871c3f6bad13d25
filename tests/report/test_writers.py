"""Rows of a sweep reach a file as they come; it is whole or not there."""

import csv
import json
import os
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archscope.errors import MissingLibrary, UsageError
from archscope.figures import Column
from archscope.report import writers
from archscope.report.writers import CsvWriter, ParquetWriter
from archscope.sweeps.model import Rows
from archscope.sweeps.space import Axis

AXES = (
    Axis("width", (16, 32, 64)),
    Axis("scale", (0.25, 1, None)),
    Axis("bias", (True, False)),
    Axis("act", ("ReLU", '=cmd|" /C calc"!A0', None)),
    Axis("depths", ((3, 4, 6, 3), (3, 4, 23, 3))),
    Axis("mixed", (1, "größer", (2, (3,)))),
    Axis("params", (2**70, 1)),
)
COLUMNS = (
    Column("params", "params", "elements", "learnable", "count", additive=True),
    Column("receptive_field", "field", "places", "size", "axes", additive=False),
    Column("infer_seconds", "time", "s", "predicted", "seconds", additive=False),
)
#: what the rows of `rows(...)` say, design by design
SAID = [
    (0, 16, 0.25, True, "ReLU", "[3, 4, 6, 3]", "1", str(2**70), 2**62 + 1, 427.0, 1e-300),
    (7, 64, None, False, None, "[3, 4, 23, 3]", "größer", "1", None, 3.0, None),
    (9, 32, 1.0, True, '=cmd|" /C calc"!A0', "[3, 4, 6, 3]", "[2, [3]]", str(2**70), 5, 0.5, 0.1),
]


def rows(*which):
    """Designs of `SAID`; figures are whole where all of them are there."""
    places = np.array([[0, 2, 1], [0, 2, 1], [0, 1, 0], [0, 2, 1], [0, 1, 0], [0, 1, 2], [0, 1, 0]], np.int32)
    which = np.array(which, int)
    params = [(2**62 + 1, 0, 5)[design] if design != 1 else np.nan for design in which]
    params = np.array(params) if 1 in which else np.array(params, np.int64)
    columns = {
        "params": params,
        "receptive_field": np.array([427, 3, 0.5])[which],
        "infer_seconds": np.array([1e-300, np.nan, 0.1])[which],
    }
    return Rows(np.array([0, 7, 9])[which], places[:, which], columns)


def written(writer, target, *parts, **options):
    with writer(str(target), AXES, COLUMNS, {"design": "größer"}, **options) as out:
        for part in parts:
            out.write(part)
    return target


def test_parquet_has_every_value_with_its_type(tmp_path):
    table = pq.read_table(written(ParquetWriter, tmp_path / "x.parquet", rows(0), rows(1), rows(2)))
    word = pa.dictionary(pa.int32(), pa.string())
    assert table.schema.names == [
        "design", "width", "scale", "bias", "act", "depths", "mixed", "vars.params",
        "params", "receptive_field", "infer_seconds",
    ]  # fmt: skip
    assert table.schema.types == [
        pa.int64(), pa.int64(), pa.float64(), pa.bool_(), word, word, word, word,
        pa.int64(), pa.float64(), pa.float64(),
    ]  # fmt: skip
    assert list(zip(*table.to_pydict().values(), strict=True)) == SAID


def test_parquet_says_what_its_numbers_are(tmp_path):
    schema = pq.read_schema(written(ParquetWriter, tmp_path / "x.parquet"))
    assert schema.field("params").metadata == {b"unit": b"elements", b"convention": b"learnable"}
    assert json.loads(schema.metadata[b"archscope"]) == {"design": "größer"}


def test_small_parts_make_large_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "GROUP", 4)
    file = pq.ParquetFile(written(ParquetWriter, tmp_path / "x.parquet", *[rows(0)] * 9, rows(*[2] * 40), rows()))
    assert [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)] == [4, 4, 16, 16, 9]
    assert file.read()["width"].to_pylist() == [16] * 9 + [32] * 40


def test_pandas_reads_parquet(tmp_path):
    frame = pd.read_parquet(written(ParquetWriter, tmp_path / "x.parquet", rows(0, 2)))
    assert frame["act"].tolist() == ["ReLU", '=cmd|" /C calc"!A0']
    assert frame["params"].tolist() == [2**62 + 1, 5]


def test_csv_has_every_value_and_units_in_its_head(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "GROUP", 1)
    with open(written(CsvWriter, tmp_path / "x.csv", rows(0), rows(1, 2)), encoding="utf-8-sig", newline="") as file:
        head, *found = csv.reader(file)
    assert head == [
        "design", "width", "scale", "bias", "act", "depths", "mixed", "vars.params",
        "params [elements]", "receptive_field [places]", "infer_seconds [s]",
    ]  # fmt: skip
    said = [["" if value is None else str(value) for value in row] for row in SAID]
    said[2][2] = "1"  # as the user has written it
    said[2][4] = "'" + said[2][4]  # no spreadsheet runs it
    assert found == said


def test_a_csv_of_plain_letters_has_no_byte_order_mark(tmp_path):
    with CsvWriter(str(tmp_path / "x.csv"), AXES[:1], COLUMNS) as out:
        out.write(Rows(np.array([3]), np.array([[1]], np.int32), rows(0).columns))
    assert (tmp_path / "x.csv").read_bytes() == (
        b"design,width,params [elements],receptive_field [places],infer_seconds [s]\n"
        b"3,32,4611686018427387905,427.0,1e-300\n"
    )


both = pytest.mark.parametrize("writer", [ParquetWriter, CsvWriter])


@both
def test_a_file_has_its_name_when_it_is_closed(writer, tmp_path):
    (tmp_path / "x").write_text("before")
    out = writer(str(tmp_path / "x"), AXES, COLUMNS)
    out.write(rows(0))
    assert (tmp_path / "x").read_text() == "before"
    out.close()
    out.close()
    assert os.listdir(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text(errors="replace") != "before"


@both
def test_it_may_lie_elsewhere_until_then(writer, tmp_path):
    (tmp_path / "parts").mkdir()
    with writer(str(tmp_path / "x"), AXES, COLUMNS, scratch=tmp_path / "parts"):
        assert os.listdir(tmp_path) == ["parts"]
        assert len(os.listdir(tmp_path / "parts")) == 1
    assert sorted(os.listdir(tmp_path)) == ["parts", "x"]


@both
def test_a_stop_leaves_a_valid_file(writer, tmp_path):
    with suppress(KeyboardInterrupt), writer(str(tmp_path / "x"), AXES, COLUMNS) as out:
        out.write(rows(0, 1))
        raise KeyboardInterrupt
    read = pd.read_csv if writer is CsvWriter else pd.read_parquet
    assert read(tmp_path / "x")["width"].tolist() == [16, 64]


@both
def test_nothing_remains_of_a_file_that_could_not_be_written(writer, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    out = writer(str(tmp_path / "x"), AXES, COLUMNS)
    monkeypatch.setattr(writer, "_write", full)
    with pytest.raises(UsageError, match="x cannot be written: No space left on device"):
        out.write(rows(0))
    out.close()
    assert not os.listdir(tmp_path)


@both
def test_a_folder_that_is_not_there_is_said(writer, tmp_path):
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        writer(str(tmp_path / "nowhere" / "x"), AXES, COLUMNS)


def test_without_pyarrow_its_extra_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'archscope\[sweep\]'"):
        ParquetWriter(str(tmp_path / "x"), AXES, COLUMNS)
    assert not os.listdir(tmp_path)
