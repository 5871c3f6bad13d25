"""A step layer by layer is the step: its gradients are those of the ordinary backward pass."""

import pytest
import torch

import archscope
from archscope.backends.torch.build import Network
from archscope.backends.torch.step import MeasuredStep
from archscope.backends.torch.timing import CpuClock
from archscope.setting import Setting

DESIGNS = {
    "residual": "input: [4, 8, 8]\nlayers:\n"
    "  - {Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}\n"
    "  - Add: [[BatchNorm2d, {ReLU: {inplace: true}}], []]\n  - Flatten\n  - Linear: 5\n",
    "gated": "input: [4, 8, 8]\nlayers:\n  - {name: a, Conv2d: {out_channels: 4, kernel_size: 1}}\n"
    "  - Multiply: [a, a]\n  - Concat: [[Sigmoid], [Tanh], []]\n  - {Dropout: 0.5}\n  - Flatten\n  - Linear: 5\n",
    "in place behind a view": "input: [4, 4, 4]\nlayers:\n  - {Conv2d: {out_channels: 4, kernel_size: 1}}\n"
    "  - Flatten\n  - {ReLU: {inplace: true}}\n  - Linear: 5\n",
    "in place behind nothing": "input: [4, 4, 4]\nlayers:\n  - PReLU\n  - Identity\n  - {ReLU: {inplace: true}}\n"
    "  - Flatten\n  - Linear: 5\n",
    "read again after it was overwritten": "input: [4, 4, 4]\nlayers:\n"
    "  - {name: a, Conv2d: {out_channels: 4, kernel_size: 1}}\n  - {name: b, BatchNorm2d}\n"
    "  - {name: c, ReLU: {inplace: true}}\n  - Add: [b, c]\n  - Flatten\n  - Linear: 5\n",
    "used again": "input: [8]\nlayers:\n  - {name: a, Linear: 8}\n  - ReLU\n  - reuse: a\n  - ReLU\n  - reuse: a\n",
    "recomputed": "input: [4, 8, 8]\nblocks:\n  b:\n    - {Conv2d: {out_channels: 4, kernel_size: 1}}\n    - Sigmoid\n"
    "layers: [PReLU, {b: , checkpoint: true}, Flatten, {Linear: 3}]\n",
    "frozen": "input: [4, 8, 8]\nlayers:\n  - {Conv2d: {out_channels: 4, kernel_size: 1}, freeze: true}\n  - ReLU\n"
    "  - Flatten\n  - {Linear: 8}\n  - {Linear: 8, freeze: true}\n  - {Linear: 3}\n",
    "split": "input: [6, 4, 4]\nlayers:\n  - {Conv2d: {out_channels: 6, kernel_size: 1}}\n"
    "  - {name: parts, Chunk: {chunks: 3, dim: 1}}\n  - Concat: ['parts[0]', 'parts[2]']\n  - Flatten\n  - Linear: 3\n",
    "several outputs": "input: [4, 4, 4]\nlayers:\n  - {name: a, Conv2d: {out_channels: 4, kernel_size: 1}}\n"
    "  - {name: b, ReLU}\n  - Flatten\n  - {name: c, Linear: 3}\noutputs: {main: c, map: b, again: c}\n",
    "recurrent": "input: [5, 8]\nlayers:\n  - LSTM: 4\n  - Linear: 3\n",
}
#: shipped ones: whole numbers in, several outputs, attention, shuffled channels
SHIPPED = ("text_cnn", "lenet5", "inception_module_reduced")


def design(name):
    return archscope.load(name if name in SHIPPED else DESIGNS[name])


def step(name, **options):
    setting = Setting(**{"batch": 2, **options})
    return MeasuredStep(design(name), setting, CpuClock())


def gradients(one, method):
    torch.manual_seed(0)
    getattr(one, method)()
    return {name: parameter.grad for name, parameter in one.network.named_parameters()}


@pytest.mark.parametrize("dtype", ["float32", "amp"])
@pytest.mark.parametrize("name", [*DESIGNS, *SHIPPED])
def test_gradients_layer_by_layer_are_those_of_the_whole(name, dtype):
    whole, layers = gradients(step(name, precision=dtype), "run"), gradients(step(name, precision=dtype), "run_layers")
    assert any(gradient is not None for gradient in whole.values())
    for key, gradient in whole.items():
        other = layers[key]
        assert (gradient is None) == (other is None), key
        assert gradient is None or _same(gradient, other, exact=(name, dtype) != ("used again", "amp")), key


def _same(one, other, *, exact):
    """Autocast casts weights that are used again once; in the whole, gradients are added before they are cast back."""
    return torch.equal(one, other) if exact else torch.allclose(one, other, rtol=2**-7, atol=2**-9)


def test_this_test_can_fail():
    one, other = step("residual"), step("residual")
    with torch.no_grad():
        next(iter(other.network.parameters())).mul_(2)
    pairs = zip(gradients(one, "run").values(), gradients(other, "run_layers").values(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_the_update_changes_weights_alike():
    one, other = step("residual"), step("residual")
    gradients(one, "run")
    gradients(other, "run_layers")
    for (name, a), b in zip(one.network.state_dict().items(), other.network.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_every_layer_has_its_spans():
    one = step("frozen")
    spans = [(span.name, span.phase) for span in one.run_layers()]
    layers = [layer.name for layer in one.network.design.layers]
    assert [name for name, phase in spans if phase == "forward"] == [*layers, "the loss", "the update"]
    trained = layers[layers.index("Linear_1") :] if "Linear_1" in layers else layers[3:]
    assert [name for name, phase in spans if phase == "backward"] == ["the loss", *reversed(trained)]
    assert all(span.end >= span.begin for span in one.run_layers())


def test_an_inference_has_no_backward_pass():
    one = step("residual", mode="infer")
    assert [span.phase for span in one.run()] == ["forward", "step"]
    assert {span.phase for span in one.run_layers()} == {"forward"}
    assert not any(module.training for module in one.network.modules())
    assert all(parameter.grad is None for parameter in one.network.parameters())


def test_a_parameter_that_is_a_value_is_inferred():
    table = archscope.load("input: [4]\nlayers:\n  - {name: beta, Parameter: {shape: [4]}}\n  - Add: [input, beta]\n")
    one = MeasuredStep(table, Setting(2, mode="infer"), CpuClock())
    assert [span.name for span in one.run_layers()] == ["beta", "Add"]


def test_what_trains_nothing_is_inferred():
    one = MeasuredStep(archscope.load("input: [8]\nlayers: [ReLU]\n"), Setting(2), CpuClock())
    assert not one.trains
    assert {span.phase for span in one.run_layers()} == {"forward"}


def test_no_hooks_are_left():
    one = step("residual")
    one.run()
    one.run_layers()
    assert isinstance(one.network, Network)
    for module in one.network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
    assert all(not parameter._backward_hooks for parameter in one.network.parameters())


def test_maps_lie_with_channels_last_where_that_is_asked():
    one = step("residual", channels_last=True)
    assert one.inputs[0].is_contiguous(memory_format=torch.channels_last)
    kernels = [weight for weight in one.network.parameters() if weight.ndim == 4]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    one.run_layers()


@pytest.mark.parametrize(
    ("dtype", "floating"), [("float32", torch.float32), ("bf16", torch.bfloat16), ("amp", torch.float32)]
)
def test_weights_have_the_type_that_was_asked_for(dtype, floating):
    one = step("residual", precision=dtype)
    assert {parameter.dtype for parameter in one.network.parameters()} == {floating}
    one.run()
