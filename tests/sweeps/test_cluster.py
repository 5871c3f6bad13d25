"""A Dask cluster gives the same parts, also where a worker is killed while they are evaluated."""

import logging
import os
import signal
import sys

import pytest

from archscope.errors import MissingLibrary, UsageError
from archscope.sweeps import executors
from archscope.sweeps.executors import executor, spans
from tests.sweeps.parts import content, evaluate

distributed = pytest.importorskip("distributed")
HERE = [content(evaluate({}, start, start + 10)) for start in range(0, 200, 10)]


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster


def swept(cluster, plan, ask=evaluate):
    return executor(scheduler=cluster.scheduler_address)(ask, plan, spans(200, 10))


def test_a_cluster_gives_the_same(cluster):
    assert [content(part) for part in swept(cluster, {})] == HERE


def pids(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_a_killed_worker_loses_nothing(cluster):
    parts = swept(cluster, {"seconds": 0.1})
    found = [content(next(parts))]
    os.kill(pids(cluster)[0], signal.SIGKILL)
    found += [content(part) for part in parts]
    assert found == HERE


def test_a_part_that_kills_its_worker_loses_nothing(cluster, tmp_path):
    plan = {"die_at": 70, "mark": str(tmp_path / "mark")}
    assert [content(part) for part in swept(cluster, plan)] == HERE
    assert os.listdir(tmp_path) == ["mark"]


def test_an_error_comes_back_as_itself(cluster):
    found = []
    with pytest.raises(ZeroDivisionError, match="at 20"):
        found.extend(swept(cluster, {"fail_at": 20}))
    assert [content(part) for part in found] == HERE[:2]


def test_another_version_is_refused(cluster, monkeypatch):
    monkeypatch.setattr(executors.archscope, "__version__", "9.9")
    with pytest.raises(UsageError, match=r"the worker tcp://\S+ has archscope [\d.]+: install 9.9 there"):
        list(swept(cluster, {}))


def test_workers_that_do_not_know_the_program_are_said(cluster, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def evaluate(plan, start, stop): pass")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(UsageError, match=r"the worker tcp://\S+ does not know only_here.evaluate"):
        list(swept(cluster, {}, only_here.evaluate))
    del sys.modules["only_here"]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "tcp://127.0.0.1:abc", "tls://127.0.0.1:1"])
def test_a_scheduler_that_does_not_answer_is_said(address, monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", 0.5)
    with pytest.raises(UsageError, match=f"no Dask scheduler answers at {address}"):
        list(executor(scheduler=address)(evaluate, {}, spans(200, 10)))


def test_a_scheduler_without_workers_is_said(monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL) as empty,
        pytest.raises(UsageError, match="has no workers: start some"),
    ):
        list(swept(empty, {}))


def test_without_the_library_its_extra_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'archscope\[cluster\]'"):
        list(executor(scheduler="tcp://a:1")(evaluate, {}, spans(200, 10)))
