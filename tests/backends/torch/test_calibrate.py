"""Calibrations: every kind of layer is measured, and its share of a ceiling is work over time."""

import math

import pytest

from archscope.analysis.time.traffic import Moved, kind_of
from archscope.backends.torch import calibrate as module
from archscope.backends.torch.calibrate import _shares, _Timing, calibrate, typical
from archscope.errors import UsageError
from archscope.setting.calibration import from_data
from archscope.setting.devices import CONTRACTING, MOVING, Ceilings
from archscope.setting.precision import precision_of

CEILINGS = Ceilings("a device", {"float32": 1e12}, 1e11, "a test")


def test_the_typical_layers_are_of_all_kinds():
    kinds = {kind_of(design.steps()[-1]) for design in typical()}
    assert kinds == {*CONTRACTING, *MOVING} - {"update"}


def test_a_share_is_work_over_peak_in_the_time_that_calls_leave():
    found = [
        _Timing("forward", "convolution", Moved(10**9, 10**6, 0, 1), 0.011),
        _Timing("forward", "convolution", Moved(3 * 10**9, 10**6, 0, 1), 0.011),
        _Timing("forward", "pooling", Moved(0, 10**8, 0, 2), 0.006),
        _Timing("backward", "pooling", Moved(0, 10**8, 0, 2), 1.0),
    ]
    shares = _shares(found, "forward", precision_of("float32"), CEILINGS, 0.001)
    assert math.isclose(shares["convolution"], (4e9 / 1e12) / (0.01 + 0.01))
    assert math.isclose(shares["pooling"], (1e8 / 1e11) / 0.004)


def test_a_product_that_waits_for_memory_says_nothing_of_the_peak():
    few_rows = _Timing("forward", "product", Moved(10**6, 10**9, 0, 1), 0.02)
    many = _Timing("forward", "product", Moved(10**10, 10**6, 0, 1), 0.02)
    assert _shares([few_rows, many], "forward", precision_of("float32"), CEILINGS, 0.0) == {
        "product": (1e10 / 1e12) / 0.02
    }


@pytest.fixture(scope="module")
def quick():
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BATCH", {"cpu": 1})
        patch.setattr(module, "_LEAST", 1)
        patch.setattr(module, "_WARM", 1)
        patch.setattr(module, "measure_peaks", lambda *_, **__: CEILINGS)
        yield calibrate(device="cpu", seconds=0, tick=told.append), told


@pytest.mark.slow
def test_all_kinds_are_measured_both_ways(quick):
    found, told = quick
    assert set(found.efficiency["float32"]["forward"]) == {*CONTRACTING, *MOVING}
    assert set(found.efficiency["float32"]["backward"]) == {*CONTRACTING, *MOVING} - {"update"}
    assert all(share > 0 for kinds in found.efficiency["float32"].values() for share in kinds.values())
    assert set(found.launch) == {"forward", "backward"}
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.slow
def test_it_can_be_stored(quick):
    found, _ = quick
    assert from_data(found.as_data(), "x") == found


def test_another_device_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="there is no CUDA device"):
        calibrate(device="cuda")
