"""Parts come in order and alike from whoever evaluates them, whatever happens to the workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archscope.errors import UsageError
from archscope.sweeps.executors import executor, in_process, in_processes, spans
from tests.sweeps.parts import content, evaluate

HERE = [content(evaluate({}, start, start + 10)) for start in range(0, 200, 10)]


def contents(parts):
    return [content(part) for part in parts]


def test_spans_cover_what_is_left_once():
    assert list(spans(25, 10)) == [(0, 10), (10, 20), (20, 25)]
    assert list(spans(25, 10, 20)) == [(20, 25)]
    assert not list(spans(20, 10, 20))


def test_in_this_process():
    assert contents(executor()(evaluate, {}, spans(200, 10))) == HERE


def test_in_processes():
    assert contents(executor(workers=2)(evaluate, {}, spans(200, 10))) == HERE


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"workers": 0}, "needs a worker at least, not 0"),
        ({"workers": 2, "scheduler": "tcp://a:1"}, "workers of its own"),
    ],
)
def test_what_cannot_be_is_said(asked, said):
    with pytest.raises(UsageError, match=said):
        executor(**asked)


def test_few_parts_are_under_way_at_once():
    taken = []
    parts = in_processes(evaluate, {}, (taken.append(span) or span for span in spans(10**9, 10)), workers=1)
    for count in range(1, 6):
        next(parts)
        assert len(taken) <= count + 2
    parts.close()


def test_a_killed_worker_loses_nothing(tmp_path):
    plan = {"die_at": 70, "mark": str(tmp_path / "mark")}
    assert contents(in_processes(evaluate, plan, spans(200, 10), workers=2)) == HERE
    assert os.listdir(tmp_path) == ["mark"]


def test_a_worker_cannot_be_killed_in_the_midst_of_an_answer():
    """The pool would wait for the rest of it forever."""
    assert contents(in_processes(evaluate, {"die_in_long_answers": True}, spans(200, 10), workers=2)) == HERE


def test_a_part_that_kills_every_worker_ends_the_sweep():
    found = []
    with pytest.raises(
        UsageError, match="died 3 times at the designs 20 to 29: was one killed, or was there too little"
    ):
        found.extend(in_processes(evaluate, {"always_die_at": 20}, spans(200, 10), workers=1))
    assert contents(found) == HERE[:2]


@pytest.mark.parametrize("run", [in_process, lambda *args: in_processes(*args, workers=1)])
def test_an_error_comes_back_as_itself(run):
    found = []
    with pytest.raises(ZeroDivisionError, match="at 20"):
        found.extend(run(evaluate, {"fail_at": 20}, spans(200, 10)))
    assert contents(found) == HERE[:2]


def running(code):
    """A program that leads a process group of its own, whose children can be found by it."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


SLOW = """
from tests.sweeps.test_executors import *
if __name__ == "__main__":
    try:
        for part in in_processes(evaluate, {"seconds": 0.2 if "%s" == "soon" else 60}, spans(10**6, 10), workers=2):
            print(part.start)
    except KeyboardInterrupt:
        print("stopped")
"""


def of_group(group):
    """Processes of a group that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its) == group and state != "Z":
            found.append(stat.parent.name)
    return found


def gone(group, seconds=5):
    end = time.monotonic() + seconds
    while of_group(group) and time.monotonic() < end:
        time.sleep(0.05)
    return not of_group(group)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
@pytest.mark.parametrize("when", [pytest.param("starting", marks=pytest.mark.slow), "working"])
def test_ctrl_c_ends_the_workers_quietly_and_at_once(when):
    with running(SLOW % ("soon" if when == "working" else "later")) as program:
        if when == "working":
            program.stdout.readline()
        else:
            while len(of_group(program.pid)) < 3:  # itself, the tracker of its semaphores, and a worker that starts
                time.sleep(0.005)
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        begin = time.monotonic()
        out, err = program.communicate(timeout=20)
        assert time.monotonic() - begin < 5
    assert err == ""
    assert out.endswith("stopped\n")
    assert gone(program.pid)


@needs_proc
def test_workers_do_not_outlive_a_killed_program():
    with running(SLOW % "soon") as program:
        program.stdout.readline()
        program.kill()
        program.wait()
        assert gone(program.pid)
