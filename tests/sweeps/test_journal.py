"""What a sweep has found lies on the disk, whole or not at all, and only its own process and its own resume use it."""

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archscope.errors import UsageError
from archscope.sweeps.journal import Journal
from archscope.sweeps.model import Decision, Moments, Part, Reason, Rows, Tally
from tests.sweeps.parts import content, evaluate

SWEEP = {"design": "a1b2", "axes": {"width": [16, 32]}, "part size": 10}


@pytest.fixture
def target(tmp_path):
    return str(tmp_path / "best.parquet")


def stored(target, count=3, **options):
    with Journal(target, SWEEP, **options) as journal:
        for start in range(0, 10 * count, 10):
            journal.add(evaluate({}, start, start + 10))


def files(target):
    return sorted(name for name in os.listdir(f"{target}.parts") if name.endswith(".npz"))


def starts(target, **options):
    with Journal(target, SWEEP, resume=True, **options) as journal:
        return [part.start for part in journal.parts()]


def test_parts_come_back_in_order_and_to_the_bit(target):
    stored(target, 12)
    with Journal(target, SWEEP, resume=True) as journal:
        parts = [content(part) for part in journal.parts()]
    assert parts == [content(evaluate({}, start, start + 10)) for start in range(0, 120, 10)]


counts = st.integers(0, 2**40)
whole, real = arrays.arrays(np.int64, 3), arrays.arrays(np.float64, 3)
names = st.text(max_size=5)
values = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.booleans()
decisions = st.builds(Decision, st.integers(0, 2**63 - 1), values, st.lists(st.integers(0, 9)).map(tuple))


@settings(max_examples=30)
@given(
    figures=st.dictionaries(names, st.one_of(whole, real), max_size=3),
    choices=arrays.arrays(np.int32, (2, 3), elements=st.integers(0, 2**31 - 1)),
    reasons=st.dictionaries(names, st.builds(Reason, counts, counts, names), max_size=3),
    moments=st.tuples(whole, real, real, real, real),
    axes=st.lists(st.tuples(whole, real), max_size=2),
    decisions=st.dictionaries(decisions, st.frozensets(counts, min_size=1), max_size=3),
    start=st.sampled_from([0, 10**6, 10**12]),
)
def test_any_part_comes_back_to_the_bit(tmp_path_factory, figures, choices, reasons, moments, axes, decisions, start):
    rows = Rows(np.array([0, 7, 10**6]) + start, choices, figures)
    found = Moments(tuple(figures), *moments, tuple(a for a, _ in axes), tuple(b for _, b in axes))
    part = Part(start, start + 10**7, rows, Tally(4, reasons, {"größer": 2}, 3, {"größer": 1}), found, decisions)
    with Journal(str(tmp_path_factory.mktemp("journal") / "x.csv"), {}) as journal:
        journal.add(replace(part, start=0))
        (again,) = journal.parts()
    assert content(replace(again, start=start)) == content(part)


def test_a_finished_sweep_leaves_nothing(target, tmp_path):
    with Journal(target, SWEEP) as journal:
        journal.add(evaluate({}, 0, 10))
        journal.done()
    assert not os.listdir(tmp_path)


def test_a_sweep_that_found_nothing_leaves_nothing(target, tmp_path):
    with Journal(target, SWEEP):
        assert os.listdir(tmp_path) == ["best.parquet.parts"]
    assert not os.listdir(tmp_path)


def test_an_interrupted_sweep_is_not_overwritten_unasked(target):
    stored(target)
    with pytest.raises(
        UsageError, match=r"lies in .*best.parquet.parts: --resume goes on with it, --restart begins anew"
    ):
        Journal(target, SWEEP)
    assert starts(target) == [0, 10, 20]


def test_restart_begins_anew(target):
    stored(target)
    with Journal(target, SWEEP, restart=True) as journal:
        assert not list(journal.parts())


def test_resume_without_a_journal_begins_one(target):
    stored(target, resume=True)
    assert starts(target) == [0, 10, 20]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"part size": 20}, r"another one: part size \(there 10, here 20\); --restart"),
        ({"axes": {"width": [16]}}, r'axes \(there {"width": \[16, 32\]}, here {"width": \[16\]}\)'),
        ({"seed": None}, r"seed \(there nothing, here null\)"),
    ],
)
def test_the_journal_of_another_sweep_is_refused_and_kept(target, change, said):
    stored(target)
    with pytest.raises(UsageError, match=said):
        Journal(target, {**SWEEP, **change}, resume=True)
    assert starts(target) == [0, 10, 20]


def test_an_unreadable_manifest_is_that_of_another_sweep(target):
    stored(target)
    with open(f"{target}.parts/sweep.json", "w") as manifest:
        manifest.write('{"form')
    with pytest.raises(UsageError, match="another one: format"):
        Journal(target, SWEEP, resume=True)


@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: c[:-9] + bytes([c[-9] ^ 1]) + c[-8:], lambda c: b""]
)
def test_a_damaged_part_is_not_trusted(target, damage):
    stored(target)
    path = f"{target}.parts/{files(target)[1]}"
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(damage(whole))
    said = []
    assert starts(target, say=said.append) == [0]
    assert len(said) == 1
    assert f"{path} is not whole" in said[0]
    with Journal(target, SWEEP, resume=True) as journal:
        journal.add(evaluate({}, 10, 20))
    assert starts(target) == [0, 10, 20]
    assert len(files(target)) == 3


def test_what_comes_after_a_gap_is_left_out(target):
    stored(target)
    os.unlink(f"{target}.parts/{files(target)[1]}")
    assert starts(target) == [0]


def test_files_of_others_stay(target):
    os.mkdir(f"{target}.parts")
    with open(f"{target}.parts/notes.txt", "w") as notes:
        notes.write("mine")
    with Journal(target, SWEEP) as journal:
        journal.add(evaluate({}, 0, 10))
        journal.done()
    assert os.listdir(f"{target}.parts") == ["notes.txt"]


def test_two_processes_do_not_write_one_journal(target):
    with Journal(target, SWEEP), pytest.raises(UsageError, match=r"another process is at work on the sweep in .*parts"):
        Journal(target, SWEEP, resume=True)


def test_the_journal_of_a_killed_process_goes_on(target):
    code = (
        "import os, signal; from tests.sweeps.test_journal import *;"
        f"journal = Journal({target!r}, SWEEP); journal.add(evaluate({{}}, 0, 10));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert starts(target) == [0]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"x.csv.parts cannot be written: No such file or directory"):
        Journal(str(tmp_path / "nowhere" / "x.csv"), SWEEP)


def renamed(content, name):
    """A name as the journal would give it to a content."""
    return f"{name}.{blake2b(content, digest_size=16).hexdigest()}.npz"


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x05\x06" + 18 * b"\0", pickle.dumps({"start": 10}), b"[" * 10_000, 100 * b"\0"],
    ids=["nothing", "an empty archive", "a pickle", "brackets", "zeros"],
)
def test_a_part_of_right_digest_and_wrong_content_is_not_trusted(target, content):
    stored(target)
    folder = Path(f"{target}.parts")
    (folder / files(target)[1]).unlink()
    (folder / renamed(content, "000000000000010-000000000000020")).write_bytes(content)
    said = []
    assert starts(target, say=said.append) == [0]
    assert "is not whole" in said[0]


def test_parts_swapped_by_name_are_not_trusted(target):
    """The content of 0 to 10 under the name of 10 to 20, its digest right: it would be counted twice."""
    stored(target)
    folder = Path(f"{target}.parts")
    first, second, _ = ((folder / name) for name in files(target))
    content = first.read_bytes()
    second.unlink()
    (folder / renamed(content, "000000000000010-000000000000020")).write_bytes(content)
    assert starts(target) == [0]


def test_a_folder_that_is_called_like_a_part(target):
    stored(target)
    folder = Path(f"{target}.parts")
    (folder / files(target)[1]).unlink()
    inner = folder / f"000000000000010-000000000000020.{'0' * 32}.npz"
    inner.mkdir()
    assert starts(target) == [0]
    stored(target, 1, restart=True)
    assert inner.is_dir()


def test_a_manifest_of_brackets_is_that_of_another_sweep(target):
    stored(target)
    Path(f"{target}.parts/sweep.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is another one"):
        starts(target)
