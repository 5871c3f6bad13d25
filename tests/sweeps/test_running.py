"""A sweep that is stopped and goes on finds what an unstopped one finds: nothing lost, nothing twice."""

import itertools
import os
import signal
import subprocess
import sys
import threading

import pandas as pd
import pytest

from archscope.errors import UsageError
from archscope.figures import Column
from archscope.report.writers import CsvWriter, ParquetWriter
from archscope.sweeps.executors import executor
from archscope.sweeps.journal import Journal
from archscope.sweeps.running import run
from archscope.sweeps.space import Axis
from tests.sweeps import parts
from tests.sweeps.parts import AXES, content, evaluate

FINGERPRINT = {"part size": 10}
AXIS = [Axis("width", tuple(range(AXES[0]))), Axis("depth", tuple(range(AXES[1])))]
COLUMNS = [
    Column("params", "params", "elements", "", "count", additive=True),
    Column("seconds", "time", "s", "", "seconds", additive=False),
]
KINDS = {"x.csv": (CsvWriter, pd.read_csv), "x.parquet": (ParquetWriter, pd.read_parquet)}


class Merged(list):
    add = list.append


def sweep(target, plan, count=200, **options):
    """As the command does it; whether it is complete, and its parts."""
    resume = options.pop("resume", False)
    merged, (writer, _) = Merged(), KINDS[os.path.basename(target)]
    with Journal(target, FINGERPRINT, resume=resume) as journal:
        out = writer(target, AXIS, COLUMNS, scratch=journal.folder)
        complete = run(evaluate, plan, count, 10, merged, journal=journal, writer=out, **options)
    return complete, [content(part) for part in merged]


HERE = [content(evaluate({}, start, start + 10)) for start in range(0, 200, 10)]
DESIGNS = [number for number in range(200) if number % 3]


def designs(target):
    return KINDS[os.path.basename(target)][1](target)["design"].tolist()


@pytest.fixture(params=KINDS)
def target(request, tmp_path):
    return str(tmp_path / request.param)


@pytest.mark.parametrize("workers", [1, 2])
def test_all_designs_are_evaluated_written_and_merged_once(target, tmp_path, workers):
    told = []
    assert sweep(target, {}, executor=executor(workers), on_progress=lambda *now: told.append(now)) == (True, HERE)
    assert designs(target) == DESIGNS
    assert told == [(done, 0) for done in range(10, 201, 10)]
    assert os.listdir(tmp_path) == [os.path.basename(target)]


def test_without_journal_and_file():
    merged = Merged()
    assert run(evaluate, {}, 195, 10, merged)
    assert [(part.start, part.stop) for part in merged] == [*((n, n + 10) for n in range(0, 190, 10)), (190, 195)]


def test_an_error_keeps_what_was_done_and_resume_goes_on(target, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        sweep(target, {"fail_at": 70})
    assert designs(target) == [number for number in DESIGNS if number < 70]
    evaluated = []
    whole = parts.evaluate
    monkeypatch.setitem(globals(), "evaluate", lambda plan, *span: evaluated.append(span) or whole(plan, *span))
    told = []
    assert sweep(target, {}, resume=True, on_progress=lambda *now: told.append(now)) == (True, HERE)
    assert evaluated == [(start, start + 10) for start in range(70, 200, 10)]
    assert told[-1] == (200, 70)
    assert designs(target) == DESIGNS


def test_an_error_that_users_see_says_how_to_go_on(tmp_path):
    def lost(evaluate, plan, spans):
        yield from (evaluate(plan, *span) for span in itertools.islice(spans, 3))
        raise UsageError("the workers died")

    with pytest.raises(UsageError, match="the workers died\nthe first 30 designs are kept: --resume goes on with them"):
        sweep(str(tmp_path / "x.csv"), {}, executor=lost)
    assert sweep(str(tmp_path / "x.csv"), {}, resume=True) == (True, HERE)


def test_a_file_that_cannot_be_written_keeps_the_parts(tmp_path):
    def hindered(done, stored):
        if done == 200:
            (tmp_path / "x.csv").mkdir()

    with pytest.raises(UsageError, match=r"x.csv cannot be written: Is a directory\nthe first 200 designs are kept"):
        sweep(str(tmp_path / "x.csv"), {}, on_progress=hindered)
    (tmp_path / "x.csv").rmdir()
    assert sweep(str(tmp_path / "x.csv"), {"fail_at": 0}, resume=True) == (True, HERE)


def test_ctrl_c_waits_for_what_must_not_be_cut(tmp_path):
    class Interrupting(Merged):
        def add(self, part):
            os.kill(os.getpid(), signal.SIGINT)
            self.append(part)

    before = signal.getsignal(signal.SIGINT)
    merged = Interrupting()
    with Journal(str(tmp_path / "x.csv"), FINGERPRINT) as journal:
        assert not run(evaluate, {}, 200, 10, merged, journal=journal)
        assert [content(part) for part in journal.parts()] == [content(part) for part in merged] == HERE[:1]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_thread_may_sweep():
    found = []
    thread = threading.Thread(target=lambda: found.append(run(evaluate, {}, 200, 10, Merged())))
    thread.start()
    thread.join()
    assert found == [True]


PROGRAM = """
import sys
from tests.sweeps.test_running import *
if __name__ == "__main__":
    print(sweep(sys.argv[1], {"seconds": 0.05}, executor=executor(int(sys.argv[2])), on_progress=print)[0])
"""


def stopped(target, workers, how):
    """Begin a sweep in another process and stop it in the midst."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM, target, workers],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as program:  # fmt: skip
        while int(program.stdout.readline().split()[0]) < 50:
            pass
        os.killpg(program.pid, how) if how == signal.SIGINT else program.send_signal(how)
        return program.communicate(timeout=20)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_leaves_a_valid_file_and_resume_goes_on(target, workers):
    out, err = stopped(target, workers, signal.SIGINT)
    assert err == ""
    assert out.endswith("False\n")
    done = designs(target)
    assert 32 <= len(done) < len(DESIGNS)
    assert done == DESIGNS[: len(done)]
    assert sweep(target, {}, resume=True) == (True, HERE)
    assert designs(target) == DESIGNS


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_a_killed_sweep_goes_on(target, tmp_path, workers):
    stopped(target, workers, signal.SIGKILL)
    assert os.listdir(tmp_path) == [f"{os.path.basename(target)}.parts"]
    assert sweep(target, {}, resume=True) == (True, HERE)
    assert designs(target) == DESIGNS
    assert os.listdir(tmp_path) == [os.path.basename(target)]
