"""Predicted times, worked out by hand from FLOPs, bytes and ceilings."""

import math

import pytest

import archscope
from archscope.analysis.calibration import Calibration, file_name, from_data
from archscope.analysis.devices import Ceilings
from archscope.analysis.roofline import Bound, peak_of, predict
from archscope.analysis.traffic import CONTRACTING, MOVING
from archscope.errors import UsageError

#: 16 x 512 x 512: 4,194,304 elements; a 3 x 3 convolution has 9 x 16 x 16 weights and 2 x 2304 x 262,144 FLOPs
SPEC = """
input: [16, 512, 512]
layers:
  - {name: conv, Conv2d: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}}
  - {name: relu, ReLU}
"""
SIZE, WEIGHTS, FLOPS = 16 * 512 * 512, 9 * 16 * 16, 2 * 9 * 16 * 16 * 512 * 512
CEILINGS = Ceilings("a device", {"float32": 1e12, "bf16": 1e15}, 1e11, "a test")


def calibration(**changes):
    efficiency = {
        phase: dict.fromkeys(CONTRACTING, 0.5) | dict.fromkeys(MOVING, 0.25) for phase in ("forward", "backward")
    }
    del efficiency["backward"]["update"]
    launch = {"forward": 1e-6, "backward": 2e-6}
    return Calibration("a device", CEILINGS, {"float32": efficiency}, launch, {"cpu": "a test"})


def by_name(**options):
    found = predict(archscope.load(SPEC), device=CEILINGS, **options)
    return found, {one.part.name: one for one in found.parts}


def test_the_bound_is_the_larger_of_work_and_bytes():
    found, parts = by_name()
    conv, relu = parts["conv"], parts["relu"]
    assert conv.forward == (FLOPS / 1e12, 4 * (2 * SIZE + WEIGHTS) / 1e11, 0)
    assert (conv.forward.seconds, conv.forward.limit) == (FLOPS / 1e12, "compute")  # 1.2 ms against 0.3 ms
    assert (relu.forward.seconds, relu.forward.limit) == (4 * 2 * SIZE / 1e11, "memory")
    assert (found.calibrated, found.label) == (False, "at least")


def test_a_peak_of_another_number_type_and_narrower_bytes():
    _, parts = by_name(dtype="bf16")
    assert parts["conv"].forward == (FLOPS / 1e15, 2 * (2 * SIZE + WEIGHTS) / 1e11, 0)
    assert parts["conv"].forward.limit == "memory"


def test_the_step_is_the_sum():
    found, parts = by_name()
    assert math.isclose(found.seconds, sum(one.seconds for one in parts.values()))
    update = parts["the update"].seconds
    assert update == 3 * 4 * WEIGHTS / 1e11
    assert math.isclose(found.forward + found.backward + update, found.seconds)
    assert math.isclose(sum(found.limited().values()), found.seconds)
    assert found.work.flops == 2 * FLOPS  # forward, and the gradient of the weights


def test_an_estimate_takes_what_was_achieved_and_adds_the_calls():
    found, parts = by_name(calibration=calibration())
    assert parts["conv"].forward == (FLOPS / 0.5e12, 4 * (2 * SIZE + WEIGHTS) / 1e11, 1e-6)
    assert parts["relu"].forward == (0, 4 * 2 * SIZE / 0.25e11, 1e-6)
    assert parts["relu"].forward.seconds == 4 * 2 * SIZE / 0.25e11 + 1e-6
    assert parts["relu"].backward.launch == 2e-6
    assert (found.calibrated, found.label) == (True, "estimate")


def test_limits():
    assert Bound(2.0, 1.0, 0.5).limit == "compute"
    assert Bound(1.0, 1.5, 2.0).limit == "launch"
    assert Bound(0.0, 0.0, 0.0).limit == "none"


def test_a_device_by_name():
    found = predict(archscope.load(SPEC), device="h200", batch=4, dtype="bf16", mode="infer")
    assert found.parts[1].forward.seconds == 4 * 2 * 2 * SIZE / 4.8e12
    assert found.backward == 0


def test_amp_takes_what_the_device_has():
    assert peak_of(Ceilings("t4", {"float32": 8e12, "fp16": 65e12}, 3e11, ""), "amp") == 65e12
    assert peak_of(CEILINGS, "amp") == 1e15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "h201"}, "no peaks are known of the device h201; did you mean `h200`"),
        ({"device": "t4", "dtype": "bf16"}, "no peak of bf16 is known of NVIDIA T4; of float32, fp16"),
        (
            {"calibration": calibration(), "dtype": "bf16"},
            "is of float32, not of bf16; `archscope calibrate --dtype bf",
        ),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(UsageError, match=message):
        predict(archscope.load(SPEC), **options)


def test_a_calibration_is_stored_and_read():
    one = calibration()
    assert from_data(one.as_data(), "x.json") == one


def test_a_broken_calibration_is_refused():
    data = calibration().as_data()
    with pytest.raises(UsageError, match=r"x.json is no calibration of this version"):
        from_data(data | {"format": 0}, "x.json")
    with pytest.raises(UsageError, match=r"x.json is no whole calibration: KeyError: 'launch'"):
        from_data({key: value for key, value in data.items() if key != "launch"}, "x.json")
    data["efficiency"]["float32"]["forward"]["pooling"] = 0
    with pytest.raises(UsageError, match="a rate that is not positive"):
        from_data(data, "x.json")


def test_files_are_named_by_device():
    assert file_name("NVIDIA H200") == "h200.json"
    assert file_name("NVIDIA A100-SXM4-80GB") == "a100-80gb.json"
    assert file_name("AMD EPYC 9654 (96-Core)") == "amd-epyc-9654-96-core.json"
