"""A sweep gives the same, to the bit, whoever does the work and however often it is interrupted."""

import logging
import os
import signal
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

import archscope
from archscope.errors import UsageError
from archscope.sweeps import sweeping
from archscope.sweeps.model import Moments, Rows
from tests.sweeps.spaces import RESNET

VARY = {"depths[0]": [1, 2], "width": [4, 8, 12, 16], "stem": [16, 32], "groups": [1, 2, 3], "input": range(32, 97, 4)}
ASKED = {"where": "params < 1e5", "pareto": "params,-macs,-receptive_field", "sort": "-macs", "top": 7}
COUNT = 2 * 4 * 2 * 3 * 17


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(sweeping, "SMALL", 50)  # also in workers: the plan of parts is made here


def swept(**options):
    return archscope.sweep(RESNET.text, VARY, **ASKED, **options)


def content(found):
    """All of a result but its time, arrays to the bit."""
    plain = [found.tally, found.structural, found.structures, found.complete, found.columns, found.question]
    rows: list[Rows] = [found.top, found.frontier, found.sample]
    arrays = [array for one in rows for array in (one.numbers, one.choices, *one.columns.values())]
    for field in fields(Moments):
        value = getattr(found.moments, field.name)
        if field.name != "columns":
            arrays += list(value) if isinstance(value, tuple) else [value]
    return plain, [(array.dtype, array.shape, array.tobytes()) for array in arrays]


@pytest.fixture(scope="module")
def expected():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeping, "SMALL", 50)
        found = swept()
    assert found.tally.designs == COUNT
    assert found.tally.invalid
    assert len(found.frontier) > 3
    return content(found)


def test_several_processes_give_the_same(expected):
    assert content(swept(workers=2)) == expected


def test_a_cluster_gives_the_same_where_a_worker_is_killed_in_mid_sweep(expected):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        killed = []

        def kill_one(done, stored):
            if not killed:
                with distributed.Client(cluster, set_as_default=False) as client:
                    killed.extend(client.run(os.getpid).values())
                os.kill(killed[0], signal.SIGKILL)

        found = swept(scheduler=cluster.scheduler_address, on_progress=kill_one)
    assert killed
    assert content(found) == expected


def test_threads_of_one_worker_do_not_share_what_they_learn(expected):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=4, processes=False, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        assert content(swept(scheduler=cluster.scheduler_address)) == expected


class Stopped(Exception):
    pass


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path, expected, suffix):
    pytest.importorskip("pyarrow")
    out, whole = tmp_path / f"all{suffix}", tmp_path / f"whole{suffix}"
    swept(out=whole)
    stops = [120, 330, 600, None]
    for stop in stops:
        begun = []

        def on_progress(done, stored, stop=stop, begun=begun):
            begun.append(stored)
            if stop is not None and done >= stop:
                raise KeyboardInterrupt

        found = swept(out=out, resume=True, on_progress=on_progress)
        assert found.complete == (stop is None)
    assert content(found) == expected
    assert 600 <= found.stored == begun[-1] < COUNT
    assert sorted(os.listdir(tmp_path)) == sorted([out.name, whole.name])
    read = pd.read_parquet if suffix == ".parquet" else pd.read_csv
    pd.testing.assert_frame_equal(read(out), read(whole))
    assert len(read(out)) == found.tally.passed


def test_a_sweep_of_another_question_is_not_gone_on_with(tmp_path):
    def stop(done, stored):
        raise KeyboardInterrupt

    out = tmp_path / "all.csv"
    swept(out=out, on_progress=stop)
    with pytest.raises(UsageError, match="an interrupted sweep lies in"):
        swept(out=out)
    with pytest.raises(UsageError, match=r"is another one: where \(there .*params < 1e5.*, here \[\]\)"):
        archscope.sweep(RESNET.text, VARY, **{**ASKED, "where": ""}, out=out, resume=True)
    for other in (RESNET.text.replace("kernel: 7", "kernel: 5"), RESNET.text + "\nfreeze: ['*']\n"):
        with pytest.raises(UsageError, match="is another one: spec "):
            archscope.sweep(other, VARY, **ASKED, out=out, resume=True)
    assert swept(out=out, restart=True).complete


def test_rows_are_those_of_the_single_designs(tmp_path):
    out = tmp_path / "all.csv"
    found = swept(out=out)
    frame = pd.read_csv(out)
    assert len(frame) == found.tally.passed
    for _, row in frame.sample(20, random_state=1).iterrows():
        design = archscope.load(
            RESNET.text,
            set={
                "depths": [int(row["depths[0]"]), 2, 1],
                **{name: int(row[name]) for name in ("width", "stem", "groups")},
            },
            input=(3, int(row["input"]), int(row["input"])),
        )
        assert archscope.analyze(design).total.macs == row["macs [MACs]"]


def test_parts_follow_from_the_space_alone():
    assert sweeping.part_size(10) == sweeping.SMALL
    sizes = [sweeping.part_size(count) for count in (10**4, 10**6, 10**8)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == sweeping.LARGE


def test_a_design_is_swept_with_what_it_was_loaded_with():
    design = archscope.load(RESNET.text, set={"width": 8}, input=(3, 32, 32))
    found = archscope.sweep(design, {"stem": [16, 32]})
    alone = [
        archscope.analyze(archscope.load(RESNET.text, set={"width": 8, "stem": stem}, input=(3, 32, 32)))
        for stem in (16, 32)
    ]
    assert found.top.columns["macs"].tolist() == [account.total.macs for account in alone]
    np.testing.assert_array_equal(found.top.columns["params"], [account.total.params for account in alone])
    again = archscope.sweep(design, {"width": [8, 16], "input": [32, 64]})  # what varies wins
    assert [again.space.values(number)["width"] for number in again.top.numbers.tolist()] == [8, 8, 16, 16]
    assert again.top.columns["macs"].tolist()[0] == archscope.analyze(design).total.macs
