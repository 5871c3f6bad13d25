"""Profiles: what is timed, what is refused, what is left behind. No clock of the machine is held to anything."""

import gc
import json

import pytest
import torch

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.torch import profile as module
from archscope.backends.torch.profile import profile
from archscope.backends.torch.step import MeasuredStep
from archscope.backends.torch.timing import CpuClock, CudaClock, arithmetic, rounds, timing
from archscope.errors import UsageError
from archscope.setting import Setting
from archscope.setting.devices import Ceilings
from archscope.setting.precision import precision_of
from tests.analysis.time.test_roofline import calibration

SPEC = """
name: Small
input: [3, 8, 8]
layers:
  - {name: conv, Conv2d: {out_channels: 4, kernel_size: 3}}
  - {name: bn, BatchNorm2d}
  - {name: relu, ReLU}
  - {name: flat, Flatten}
  - {name: fc, Linear: 10}
"""
NAMES = ["conv", "bn", "relu", "flat", "fc", "the loss", "the update"]
CEILINGS = Ceilings("a device", {"float32": 1e12, "bfloat16": 1e12}, 1e11, "a test")


class Ticks:
    """A clock that moves on by one second whenever it is read."""

    def __init__(self):
        self.now = 0

    def mark(self):
        self.now += 1
        return self.now

    def wait(self):
        pass

    def seconds(self, begin, end):
        return float(end - begin)


class FakeCuda:
    """Events that are reached only by synchronize()."""

    def __init__(self):
        self.now = self.reached = 0
        cuda = self

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing

            def record(self):
                cuda.now += 1
                self.at = cuda.now

            def elapsed_time(self, other):
                assert other.at <= cuda.reached, "read before the device came to it"
                return 1000.0 * (other.at - self.at)

        self.Event = Event

    def synchronize(self):
        self.reached = self.now


def small(**options):
    return profile(archscope.load(SPEC), **{"device": "cpu", "batch": 2, "seconds": 0, "clock": Ticks(), **options})


def test_a_training_step_is_timed_whole_and_by_layer():
    found = small(ceilings=CEILINGS)
    assert {phase: one.median for phase, one in found.whole.items()} == {
        "forward": 1, "backward": 1, "update": 1, "step": 3,
    }  # fmt: skip
    assert [part.part.name for part in found.parts] == NAMES
    assert all(part.forward.median == 1 for part in found.parts)
    assert [part.backward is not None for part in found.parts] == [True] * 6 + [False]
    assert found.sum_of_parts == 7 + 6
    assert found.whole["step"].runs == 5
    assert found.throughput == 2 / 3
    assert found.flops == found.work.flops / 3
    assert found.peak == 1e12
    assert found.prediction is not None
    assert found.error is None  # a bound


def test_an_inference():
    found = small(mode="infer")
    assert set(found.whole) == {"forward", "step"}
    assert [part.part.name for part in found.parts] == NAMES[:5]
    assert all(part.backward is None for part in found.parts)
    assert (found.ceilings, found.prediction, found.peak) == (None, None, None)


def test_an_estimate_has_an_error():
    found = small(calibration=calibration())
    assert found.error == found.prediction.seconds / 3 - 1


def test_what_is_recomputed_takes_its_forward_time_again():
    spec = "input: [4, 8, 8]\nblocks:\n  b: [{Conv2d: {out_channels: 4, kernel_size: 1}}, Sigmoid]\n"
    found = profile(
        archscope.load(spec + "layers: [PReLU, {b: , checkpoint: true}]\n"), device="cpu", seconds=0, clock=Ticks()
    )
    assert [part.backward and part.backward.median for part in found.parts] == [1, 2, 2, 1, None]


def test_cuda_events_are_read_behind_a_synchronisation():
    found = small(clock=CudaClock(FakeCuda()))
    assert found.whole["step"].median == 3


def test_the_measured_memory_is_what_was_predicted():
    """Products and elementwise layers take nothing for themselves."""
    design = archscope.load("fashion_mnist_mlp")
    found = profile(design, device="cpu", batch=64, seconds=0)
    assert abs(found.measured_memory / memory(design, batch=64).training - 1) < 0.01
    found = profile(design, device="cpu", batch=64, seconds=0, mode="infer")
    assert abs(found.measured_memory / memory(design, batch=64).inference - 1) < 0.01


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN")
@pytest.mark.parametrize("dtype", ["bf16", "amp"])
def test_narrow_numbers_are_predicted_as_such(dtype):
    """To the byte without oneDNN, which lays narrow weights out anew, and has copies of them besides."""
    design = archscope.load("fashion_mnist_mlp")
    found = profile(design, device="cpu", batch=8, seconds=0, precision=dtype, clock=Ticks())
    with torch.backends.mkldnn.flags(enabled=False):
        native = profile(design, device="cpu", batch=8, seconds=0, precision=dtype, clock=Ticks())
    assert found.predicted_memory == native.measured_memory <= found.measured_memory


def _flags():
    cudnn = torch.backends.cudnn
    return (
        torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark, torch.is_grad_enabled(),
        torch.get_num_threads(), torch.is_autocast_enabled("cpu"), gc.isenabled(),
    )  # fmt: skip


@pytest.mark.parametrize("setting", ["high", "highest"])
def test_flags_are_as_they_were(setting):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(setting)
    try:
        flags = _flags()
        state = torch.get_rng_state()
        small(precision="amp")
        small(mode="infer")
        assert _flags() == flags
        assert state.shape == torch.get_rng_state().shape
    finally:
        torch.set_float32_matmul_precision(before)


def test_flags_are_as_they_were_behind_an_error():
    flags = _flags()
    with pytest.raises(ZeroDivisionError), arithmetic(precision_of("float32"), "cpu"):
        1 / 0  # noqa: B018
    assert _flags() == flags


def test_the_share_that_is_done_is_told():
    told = []
    small(tick=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_what_does_not_fit_is_refused_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda _: 1000)
    monkeypatch.setattr(module, "MeasuredStep", None)
    with pytest.raises(UsageError, match=r"Small does not fit: it needs 0.00 GiB, and 0.00 GiB are free; a smaller"):
        small()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "there is no CUDA device here; --device cpu works"),
        ({"precision": "tf32"}, "tf32 is a format of CUDA devices from Ampere on"),
        ({"precision": "int8"}, "int8 is no floating type"),
        ({"mode": "test"}, "unknown mode test"),
        ({"precision": "fp16", "ceilings": CEILINGS}, "no peak of float16 is known of a device"),
    ],
)
def test_refusals(options, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=message):
        small(**options)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("\"conv\" not implemented for 'Half'\nmore"), 'Small does not run in float32 on cpu: "conv" not'),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), "Small does not fit in float32 on cpu; a smaller"),
    ],
)
def test_what_torch_cannot_do_is_told_in_a_line(error, message, monkeypatch):
    def fails(*_):
        raise error

    monkeypatch.setattr(MeasuredStep, "run", fails)
    with pytest.raises(UsageError, match=message) as caught:
        small()
    assert "\n" not in str(caught.value)


def test_other_errors_are_not_hidden(monkeypatch):
    monkeypatch.setattr(MeasuredStep, "run", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        small()


def test_the_compiled_whole_is_called_and_the_layers_are_not(monkeypatch):
    called = []

    def compiled(network):
        return lambda *inputs: called.append(1) or network(*inputs)

    monkeypatch.setattr(torch, "compile", compiled)
    found = small(compile=True)
    assert found.setting.compile
    assert len(called) == 2 + 5 + 1  # warm-up, rounds, memory


def test_without_a_compiler_it_says_so(monkeypatch):
    error = type("InvalidCxxCompiler", (RuntimeError,), {"__module__": "torch._inductor.exc"})

    def fails(*_):
        raise error("No working C++ compiler found\nand so on")

    monkeypatch.setattr(torch, "compile", lambda _: fails)
    with pytest.raises(UsageError, match=r"torch.compile does not work here: No working C\+\+ compiler found$"):
        small(compile=True)


def test_medians_and_quartiles():
    one = timing([5.0, 1.0, 2.0, 3.0, 4.0])
    assert (one.median, one.spread, one.runs) == (3.0, 4.0 - 2.0, 5)
    assert timing([7.0]).spread == 0


def test_rounds_stop_behind_the_time_and_the_least():
    done = []
    rounds(lambda: done.append(1), 0, least=3)
    assert len(done) == 3
    rounds(lambda: done.append(1), 1000, least=1, most=4)
    assert len(done) == 7


def test_the_clock_of_the_host_goes_forward():
    clock = CpuClock()
    assert clock.seconds(clock.mark(), clock.mark()) >= 0


def test_a_profile_is_a_value_that_can_be_written():
    from archscope.report.results.profile import ProfileReport

    data = json.loads(json.dumps(ProfileReport(small(ceilings=CEILINGS)).data()))
    assert data["whole"]["step"] == {"median": 3.0, "spread": 0.0, "runs": 5}
    assert data["machine"]["torch"] == torch.__version__


def test_a_network_at_batch_one_of_a_shipped_design():
    profile(archscope.load("text_cnn"), device="cpu", batch=2, seconds=0, clock=Ticks())


def test_what_torch_has_not_is_not_timed():
    with pytest.raises(UsageError, match="torch has no optimizer lamb, so no step with it is timed; one of sgd"):
        small(optimizer="lamb")
    with pytest.raises(UsageError, match="leave accumulate out"):
        small(accumulate=True)


def test_the_update_is_that_of_the_optimizer():
    """torch.optim.AdamW keeps two moments of every parameter."""
    step = MeasuredStep(archscope.load(SPEC), Setting(2, optimizer="adamw"), CpuClock())
    step.run()
    assert type(step._optimizer) is torch.optim.AdamW
    assert all({"exp_avg", "exp_avg_sq"} <= set(state) for state in step._optimizer.state.values())
