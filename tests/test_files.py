"""A result file is whole or not there."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archscope.errors import UsageError
from archscope.files import check_place, files_replaced, write
from archscope.report import figures


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


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_replaced_file_keeps_its_mode_and_a_new_one_has_that_of_open(tmp_path):
    target, new, opened = tmp_path / "out.csv", tmp_path / "new.csv", tmp_path / "opened"
    target.write_text("old")
    target.chmod(0o640)
    opened.touch()
    write("text", str(target))
    write("text", str(new))
    assert (mode(target), mode(new)) == (0o640, mode(opened))


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    (tmp_path / "dangling.csv").symlink_to("made.csv")
    for name in ("link.csv", "dangling.csv"):
        write("new", str(tmp_path / name))
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "real.csv").read_text() == (tmp_path / "made.csv").read_text() == "new"


def test_a_pipe_is_written_through(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        write("text", str(pipe))
        assert read.result(10) == "text"
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_a_device_stays_a_device(tmp_path):
    """As root a rename would turn /dev/null into a file; here one of the same numbers that nobody else uses."""
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_text("")
    except PermissionError:
        device = Path("/dev/null")
        if os.access("/dev", os.W_OK):
            pytest.skip("neither a device of our own nor a /dev that is safe from us")
    write("text", str(device))
    assert stat.S_ISCHR(os.stat(device).st_mode)


def test_what_the_shell_has_opened_goes_on_where_it_is(tmp_path):
    out = tmp_path / "out"
    with out.open("w") as opened:
        opened.write("before\n")
        opened.flush()
        write("text\n", f"/dev/fd/{opened.fileno()}")
        opened.seek(0, os.SEEK_END)
        opened.write("behind\n")
    assert out.read_text() == "before\ntext\nbehind\n"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "file/below"])
def test_names_that_cannot_be(name, tmp_path):
    (tmp_path / "file").write_text("")
    for check in (check_place, lambda target: write("text", target)):
        with pytest.raises(UsageError, match="cannot be written"):
            check(str(tmp_path / name))


def test_a_file_that_may_not_be_written(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.write_text("old")
    monkeypatch.setattr(os, "access", lambda path, kind: False)  # root may write all
    with pytest.raises(UsageError, match="out cannot be written: Permission denied"):
        write("new", str(target))
    assert target.read_text() == "old"


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "x.svg"
    target.write_text("old")
    monkeypatch.setattr(os, "replace", full)
    for save in (lambda: write("new", str(target)), lambda: figures.save(figures.blank(1, 1), str(target))):
        with pytest.raises(UsageError, match="cannot be written: No space left on device"):
            save()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.svg"]


def test_text_is_printable(tmp_path):
    write("\ufeffa\x1b[31m\u202eb\n", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text("utf-8") == "\ufeffa\ufffd[31m\ufffdb\n"  # Excel asks for the mark


def test_files_that_others_write_by_name(tmp_path):
    (tmp_path / "m.onnx").write_text("old")
    with files_replaced(tmp_path / "m.onnx") as scratch:
        scratch.write_text("new")
        Path(f"{scratch}.data").write_text("weights")
        assert (tmp_path / "m.onnx").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"m.onnx": "new", "m.onnx.data": "weights"}
