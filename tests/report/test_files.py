"""A result file is whole or not there."""

import os

import pytest

from archscope.errors import UsageError
from archscope.report.files import write


def test_a_file_is_written_and_replaced(tmp_path):
    target = tmp_path / "out.csv"
    write("one", str(target))
    write("two\n", str(target))
    assert target.read_text() == "two\n"
    assert os.listdir(tmp_path) == ["out.csv"]


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        write("one", str(tmp_path / "nowhere" / "out.csv"))


def test_a_folder_in_the_way_leaves_nothing_behind(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write("one", str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["out"]


def test_standard_output(capsys):
    write("text\n", "-")
    assert capsys.readouterr().out == "text\n"
