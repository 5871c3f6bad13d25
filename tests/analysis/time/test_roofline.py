"""Predicted times, worked out by hand from FLOPs, bytes and ceilings."""

import math

import pytest

import archscope
from archscope.analysis.time.roofline import Bound, peak_of, predict
from archscope.errors import UsageError
from archscope.setting.calibration import Calibration, file_name, from_data
from archscope.setting.devices import CONTRACTING, DEVICES, MOVING, Ceilings
from archscope.setting.precision import precision_of

#: 16 x 512 x 512: 4,194,304 elements; a 3 x 3 convolution has 9 x 16 x 16 weights and 2 x 2304 x 262,144 FLOPs
SPEC = """
input: [16, 512, 512]
layers:
  - {name: conv, Conv2d: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}}
  - {name: relu, ReLU}
"""
SIZE, WEIGHTS, FLOPS = 16 * 512 * 512, 9 * 16 * 16, 2 * 9 * 16 * 16 * 512 * 512
CEILINGS = Ceilings("a device", {"float32": 1e12, "bfloat16": 1e15}, 1e11, "a test")


def calibration(**changes):
    efficiency = {
        phase: dict.fromkeys(CONTRACTING, 0.5) | dict.fromkeys(MOVING, 0.25) for phase in ("forward", "backward")
    }
    del efficiency["backward"]["update"]
    launch = {"forward": 1e-6, "backward": 2e-6}
    return Calibration("a device", CEILINGS, {"float32": efficiency}, launch, {"cpu": "a test"})


def by_name(**options):
    found = predict(archscope.load(SPEC), ceilings=CEILINGS, **options)
    return found, {one.part.name: one for one in found.parts}


def test_the_bound_is_the_larger_of_work_and_bytes():
    found, parts = by_name()
    conv, relu = parts["conv"], parts["relu"]
    compute = FLOPS / 4 / 1e12  # F(4 x 4, 3 x 3): 36 products in place of 144
    assert conv.forward == (compute, 4 * (2 * SIZE + WEIGHTS) / 1e11, 0)
    assert (conv.forward.seconds, conv.forward.limit) == (conv.forward.memory, "memory")  # 0.34 ms against 0.30 ms
    assert (conv.backward.seconds, conv.backward.limit) == (conv.backward.memory, "memory")
    assert (relu.forward.seconds, relu.forward.limit) == (4 * 2 * SIZE / 1e11, "memory")
    assert (found.calibrated, found.label) == (False, "at least")


def test_a_peak_of_another_number_type_and_narrower_bytes():
    _, parts = by_name(precision="bf16")
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


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", ["lenet5", "resnet18", "mobilenet_v3_small"])
def test_the_passes_and_the_update_add_up(name, mode):
    """To the last bit; what is not done takes no time at all, not what a difference of sums leaves."""
    found = predict(archscope.load(name), ceilings=CEILINGS, mode=mode)
    assert found.seconds == found.forward + found.backward + found.update
    assert min(found.forward, found.backward, found.update) >= 0
    assert (found.update > 0) == (found.backward > 0) == (mode == "train")
    assert predict(archscope.load("input: [4]\nlayers: [ReLU]\n"), ceilings=CEILINGS).update == 0  # nothing to train


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
    found = predict(archscope.load(SPEC), device="h200", batch=32, precision="bf16", mode="infer")
    cache = 60 * 2**20  # of 256 MiB that are read, and of 256 MiB that are written
    assert found.parts[1].forward.seconds == 2 * (32 * 2 * SIZE - cache) / 4.8e12
    assert found.backward == 0


def test_what_fits_into_the_cache_need_not_pass_through_memory():
    ceilings = CEILINGS._replace(cache=2 * SIZE)  # half of what is read, and half of what is written
    found = predict(archscope.load(SPEC), ceilings=ceilings)
    conv, relu, *_, update = found.parts
    assert relu.forward.memory == 2 * (4 * SIZE - 2 * SIZE) / 1e11
    assert conv.forward.memory == (4 * (SIZE + WEIGHTS) - 2 * SIZE + 4 * SIZE - 2 * SIZE) / 1e11
    assert relu.backward.memory == (2 * 4 * SIZE - 2 * SIZE + 4 * SIZE - 2 * SIZE) / 1e11
    assert update.forward.memory == 0
    assert "a cache of 8 MiB" in found.granted


def test_a_clock_above_the_data_sheet():
    found, parts = by_name(precision="bf16")
    faster = predict(archscope.load(SPEC), ceilings=CEILINGS._replace(clock=1.25), precision="bf16")
    assert faster.parts[0].forward.compute == parts["conv"].forward.compute / 1.25
    assert faster.parts[0].forward.memory == parts["conv"].forward.memory
    assert (found.granted, faster.granted) == ((), ("a clock of 1.25 x the data sheet's",))


#: two kinds of what multiplies
BOTH = "input: [64, 8, 8]\nlayers: [{Conv2d: {out_channels: 64, kernel_size: 1}}, Flatten, {Linear: 4096}]\n"


@pytest.mark.parametrize(
    ("dtype", "convolution", "product"),
    [("float32", 156e12, 19.5e12), ("tf32", 156e12, 156e12), ("ieee", 19.5e12, 19.5e12), ("bf16", 312e12, 312e12)],
)
def test_float32_is_what_torch_makes_of_it(dtype, convolution, product):
    """torch.backends.cudnn.allow_tf32 is True by default, torch.get_float32_matmul_precision() "highest"."""
    found = predict(archscope.load(BOTH), device="a100-40gb", precision=dtype, mode="infer")
    conv, _, linear = found.parts
    assert math.isclose(conv.forward.compute, 2 * 64 * 64 * 64 / convolution)
    assert math.isclose(linear.forward.compute, 2 * 4096 * 4096 / product)
    assert found.mixed == ("convolutions in TF32, torch's default" if dtype == "float32" else "")


def test_devices_before_ampere_have_no_tf32():
    found = predict(archscope.load(BOTH), device="t4", mode="infer")
    assert math.isclose(found.parts[0].forward.compute, 2 * 64 * 64 * 64 / 8.1e12)
    assert found.mixed == ""


NVIDIA = "NVIDIA/DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5, pytorch-21.03"
TIMM = "huggingface/pytorch-image-models, results/benchmark-infer-amp-"
FOUND = [  # design, device, batch, options, samples/s, source
    ("resnet50", "a100-80gb", 256, {}, 938, NVIDIA),
    ("resnet50", "a100-80gb", 256, {"precision": "amp"}, 2470, NVIDIA),
    ("resnet50", "v100", 256, {}, 367, NVIDIA),
    ("resnet50", "v100", 256, {"precision": "amp"}, 1200, NVIDIA),
    ("resnet50", "v100", 256, {"mode": "infer"}, 1261, NVIDIA),
    ("resnet50", "v100", 256, {"mode": "infer", "precision": "amp"}, 3382, NVIDIA),
    ("resnet50", "t4", 64, {"mode": "infer"}, 428, NVIDIA),
    ("resnet50", "t4", 256, {"mode": "infer", "precision": "amp"}, 1198, NVIDIA),
    ("vgg16", "rtx3090", 1024, {"mode": "infer", "precision": "amp"}, 1730.88, TIMM + "nhwc-pt210-cu121-rtx3090.csv"),
    ("mobilenet_v3_small", "rtx3090", 1024, {"mode": "infer", "precision": "amp"}, 39045.83, TIMM + "nhwc-pt240"),
    ("mobilenet_v3_small", "rtx4090", 512, {"mode": "infer", "precision": "amp"}, 58931.45, TIMM + "nhwc-pt240"),
]
COMPILED = [
    ("mobilenet_v3_small", "rtx4090", 256, 79752.52, TIMM + "nchw-pt240-cu124-rtx4090-dynamo.csv"),
    ("resnet50", "rtx4090", 256, 8237.46, TIMM + "nchw-pt240-cu124-rtx4090-dynamo.csv"),
    ("vgg16", "rtx4090", 256, 3839.88, TIMM + "nchw-pt240-cu124-rtx4090-dynamo.csv"),
    ("efficientnet_b0", "rtx4090", 256, 11670.69, TIMM + "nchw-pt240-cu124-rtx4090-dynamo.csv"),
    ("resnet50", "rtx5090", 1024, 12400.78, TIMM + "nchw-pt291-cu130-5090-dynamo.csv"),
    ("vgg16", "rtxpro6000-maxq", 2048, 5719.04, TIMM + "nchw-pt291-cu130-pro6000maxq-dynamo.csv"),
]


@pytest.mark.parametrize(("name", "device", "batch", "options", "measured", "source"), FOUND)
def test_nothing_published_is_faster(name, device, batch, options, measured, source):
    found = predict(archscope.load(name), device=device, batch=batch, **options)
    assert found.label == "at least"
    assert batch / found.seconds > measured, source


@pytest.mark.parametrize(("name", "device", "batch", "measured", "source"), COMPILED)
def test_nothing_compiled_is_faster_than_its_own_bound(name, device, batch, measured, source):
    options = {"device": device, "batch": batch, "precision": "amp", "mode": "infer"}
    found = predict(archscope.load(name), compile=True, **options)
    assert batch / found.seconds > measured, source
    assert found.seconds < predict(archscope.load(name), **options).seconds
    assert "all fused that can be" in found.granted


#: a GeForce GTX TITAN X of 2015: 3072 units at a boost clock of 1075 MHz, 384 bits at 7 Gbit/s, 3 MiB of L2
TITAN = Ceilings("TITAN X", {"float32": 3072 * 2 * 1.075e9}, 384 / 8 * 7e9, "", 3 * 2**20, kind="cuda")


def test_winograd_on_a_titan_x():
    """VGG-A (our vgg11), 64 images: 103 ms forward, 320 ms in all, by neon's kernels (soumith/convnet-benchmarks)."""
    design = archscope.load("vgg11")
    found = predict(design, ceilings=TITAN, device="cuda", batch=64)
    work = sum(one.part.forward.flops for one in found.parts)
    assert work / TITAN.flops["float32"] > 0.103  # faster than its products, one by one, could be
    assert found.forward < 0.103
    assert found.seconds < 0.320


def test_fourier_on_a_titan_x():
    """Five convolutions of fbfft (soumith/convnet-benchmarks, layer-wise): 101 ms forward for 128 images."""
    layers = [(3, 128, 96, 11), (64, 64, 128, 9), (128, 32, 128, 9), (128, 16, 128, 7), (384, 13, 384, 3)]
    work = seconds = 0.0
    for channels, size, out, kernel in layers:
        spec = (
            f"input: [{channels}, {size}, {size}]\nlayers: [Conv2d: {{out_channels: {out}, kernel_size: {kernel}}}]\n"
        )
        found = predict(archscope.load(spec), ceilings=TITAN, device="cuda", batch=128, mode="infer")
        work, seconds = work + found.work.flops, seconds + found.seconds
    assert work / TITAN.flops["float32"] > 0.101
    assert seconds < 0.101


def test_amp_takes_what_the_device_has():
    assert peak_of(Ceilings("t4", {"float32": 8e12, "float16": 65e12}, 3e11, ""), precision_of("amp")) == 65e12
    assert peak_of(CEILINGS, precision_of("amp")) == 1e15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "h201"}, "unknown device h201; did you mean `h200`"),
        ({"device": "t4", "precision": "bf16"}, "no peak of bfloat16 is known of NVIDIA T4; of float32, float16"),
        (
            {"calibration": calibration(), "precision": "bf16"},
            "is of float32, not of bfloat16; `archscope calibrate --precision bf",
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


#: as a Llama has it: a norm without means, queries in groups, a gated unit
LLAMA = """
input: [16, 32]
blocks:
  layer():
    - Add: [[], [RMSNorm, {Linear: 32}]]
    - Add: [[], [RMSNorm, {Linear: 64}, SiLU, {Linear: 32}]]
layers:
  - Linear: 32
  - layer
  - layer
  - {LSTM: {hidden_size: 8, batch_first: true}}
  - RMSNorm
  - Linear: 11
"""


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("dtype", ["float32", "tf32", "ieee", "bf16", "fp16", "amp"])
def test_norms_and_recurrent_layers_are_counted_in_every_precision(dtype, mode):
    found = predict(archscope.load(LLAMA), device="a100-40gb", batch=2, precision=dtype, mode=mode)
    norm = next(one.part for one in found.parts if one.part.op == "RMSNorm")
    numbers, roots = 2 * 16 * 32, 2 * 16
    narrow = 4 if dtype in ("float32", "tf32", "ieee") else 2
    wide, cast = (4, 4 * numbers) if dtype == "amp" else (narrow, 0)  # autocast normalises in float32
    assert norm.forward.read == numbers * narrow + 32 * wide
    assert norm.forward.written == cast + numbers * wide + 4 * roots


@pytest.mark.parametrize("device", [key for key in DEVICES if key not in ("t4", "v100")])
def test_on_every_device(device):
    assert predict(archscope.load(LLAMA), device=device, batch=4096, precision="bf16").seconds > 0
