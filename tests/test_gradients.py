"""Where gradients flow: tensors that are frozen one by one, what stops gradients, what nobody reads; against torch."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.torch.build import build
from archscope.backends.torch.check import saving
from archscope.backends.torch.source import torch_source
from archscope.verify import verify
from tests.backends.torch.test_source import module_of


def counted(module, *shape, run=None):
    """Parameters that are trained, and MACs of the backward pass by torch's counter."""
    trained = sum(one.numel() for one in module.parameters() if one.requires_grad)
    result = (run or module)(torch.rand(*shape))
    with FlopCounterMode(display=False) as counter:
        result.sum().backward()
    return trained, counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # 25 + 12 parameters less 5 biases and 10 weights; 2 x 4 x 5 of the first weight, 2 x 5 x 2 of the second input
        (["bias"], ["weight"], (22, 40 + 20)),
        # the biases alone: 5 + 2; the gradient of the second input reaches the first bias
        (["weight"], ["weight"], (7, 20)),
        (["weight", "bias"], ["weight"], (2, 0)),
        ([], ["bias"], (25 + 10, 40 + 20 + 20)),
    ],
)
def test_tensors_are_frozen_one_by_one(first, second, expected):
    module = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 2))
    for layer, names in zip(module, (first, second), strict=True):
        for name in names:
            layer.get_parameter(name).requires_grad_(False)
    assert counted(module, 2, 4) == expected
    text = f"input: [4]\nlayers:\n  - {{Linear: 5, freeze: {first}}}\n  - {{Linear: 2, freeze: {second}}}\n"
    design = archscope.load(text)
    total = archscope.analyze(design, batch=2).total
    assert (total.trainable_params, total.backward_macs) == expected
    assert counted(build(design), 2, 4) == expected
    assert counted(module_of(torch_source(design)), 2, 4) == expected
    found = memory(design, batch=2, optimizer="adam")
    assert found.gradients == 4 * expected[0]


def test_biases_alone_carry_a_gradient_through_a_recurrent_layer():
    """With all weights frozen the states still learn from the biases: a step's product goes back through time."""
    with torch.device("meta"):  # the fused kernel of the CPU hides its products from the counter
        module = nn.LSTM(3, 4, 2, batch_first=True)
        for name, one in module.named_parameters():
            one.requires_grad_("bias" in name)
        trained, macs = counted(module, 2, 5, 3, run=lambda x: module(x)[0])
    design = archscope.load(
        "input: [5, 3]\nfreeze: ['*weight*']\nlayers:\n"
        "  - {name: a, LSTM: {hidden_size: 4, num_layers: 2, batch_first: true}}\noutputs: {y: a}\n"
    )
    total = archscope.analyze(design, batch=2).total
    assert (total.trainable_params, total.backward_macs) == (trained, macs)
    assert macs > 0


def linear(name, features=4):
    return f"{{Linear: {{out_features: {features}, bias: false}}, name: {name}}}"


class Detached(nn.Module):
    """b(a(x).detach()), or under no_grad."""

    def __init__(self, how):
        super().__init__()
        self.a, self.b, self.how = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), how

    def forward(self, x):
        if self.how == "detach":
            return self.b(self.a(x).detach())
        with torch.no_grad():
            x = self.a(x)
        return self.b(x)


def kept(module, x):
    with saving() as held:
        result = module(x)
        found = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in held()}
    del result
    own = {one.untyped_storage().data_ptr() for one in module.parameters()}
    return sum(size for place, size in found.items() if place not in own)


@pytest.mark.parametrize("how", ["detach", "no_grad"])
def test_what_stops_gradients_does(how):
    module = Detached(how)
    layers = f"  - {linear('a')}\n  - Detach\n  - {linear('b')}\n"
    if how == "no_grad":
        layers = f"  - {linear('a')[:-1]}, no_grad: true}}\n  - {linear('b')}\n"
    design = archscope.load(f"input: [4]\nlayers:\n{layers}")
    total = archscope.analyze(design, batch=2).total
    assert counted(module, 2, 4) == (32, 2 * 4 * 4)  # both are trainable, and b alone learns
    assert (total.trainable_params, total.backward_macs) == (32, 32)
    for built in (build(design), module_of(torch_source(design))):
        assert counted(built, 2, 4) == (32, 32)
        grads = [one.grad is not None for one in built.parameters()]
        assert grads == [False, True]
    x = torch.rand(2, 4)
    assert memory(design, batch=2).saved_bytes == kept(module, x) == 4 * 2 * 4  # the input of b
    assert memory(design, batch=2, optimizer="adam").gradients == 4 * 16


def test_a_straight_through_function():
    """x + (round(x) - x).detach(): the gradient passes as if there were no rounding."""

    class Rounded(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)

        def forward(self, x):
            x = self.a(x)
            return self.b(x + (x.floor() - x).detach())

    design = archscope.load(
        f"input: [4]\nlayers:\n  - {linear('a')}\n  - {{Floor: , name: f}}\n"
        "  - {Subtract: [f, a], name: d}\n  - {Detach: , name: s}\n  - {Add: [a, s]}\n"
        f"  - {linear('b')}\n"
    )
    total = archscope.analyze(design, batch=2).total
    assert counted(Rounded(), 2, 4) == (32, 3 * 32)
    assert (total.trainable_params, total.backward_macs) == (32, 96)
    assert memory(design, batch=2).saved_bytes == kept(Rounded(), torch.rand(2, 4))


@pytest.mark.parametrize("layer", ["Identity", "Flatten: {start_dim: 1}", "Dropout: 0.0", "Contiguous"])
def test_a_layer_without_gradients_may_hand_on_its_input(layer):
    """torch.no_grad does not cut a tensor that a layer gives back as it is."""
    word = layer if ":" in layer else f"{layer}: "
    text = f"input: [4]\nlayers:\n  - {linear('a')}\n  - {{{word}, no_grad: true}}\n  - {linear('b')}\n"
    design = archscope.load(text)
    assert archscope.analyze(design, batch=2).total.backward_macs == 32
    for built in (build(design), module_of(torch_source(design))):
        assert counted(built.eval(), 2, 4) == (32, 32)
        assert built.a.weight.grad is None


# -- what nobody reads -------------------------------------------------------------------------------------------------


def test_what_nobody_reads_is_counted_and_learns_nothing():
    """A module with Parameter(7) and Buffer(3) beside Linear(2, 2): 13 parameters, 6 of which learn."""
    text = (
        "input: [2]\nlayers:\n  - {Parameter: [7], name: spare}\n  - {Buffer: [3], name: table}\n"
        "  - {Linear: 2, name: fc, from: input}\n"
    )
    design = archscope.load(text)
    total = archscope.analyze(design).total
    assert (total.params, total.trainable_params, total.buffers) == (13, 13, 3)
    assert (total.unused_params, total.unused_buffers) == (7, 3)
    assert [note.message for note in design.warnings] == [
        "`spare` contributes to no output", "`table` contributes to no output",
    ]  # fmt: skip
    network = build(design)
    assert {name: tuple(one.shape) for name, one in network.state_dict().items()} == {
        "spare.weight": (7,), "table.value": (3,), "fc.weight": (2, 2), "fc.bias": (2,),
    }  # fmt: skip
    network(torch.rand(3, 2)).sum().backward()
    assert network.spare.weight.grad is None
    found = memory(design, batch=3, optimizer="adam")
    optimizer = torch.optim.Adam(network.parameters())
    optimizer.step()
    states = [one for state in optimizer.state.values() for one in state.values()]
    assert found.gradients == sum(4 * one.numel() for one in network.parameters() if one.grad is not None) == 24
    assert found.optimizer_state == sum(4 * one.numel() for one in states)
    assert found.parameters == 4 * 13


def test_layers_that_contribute_to_no_output_have_no_backward_pass():
    text = f"input: [4]\nlayers:\n  - {linear('a')}\n  - {linear('b')}\n  - {linear('c')[:-1]}, from: a}}\n"
    design = archscope.load(text)
    total = archscope.analyze(design, batch=2).total
    assert total.macs == 3 * 32
    assert counted(build(design), 2, 4) == (48, 3 * 32)
    assert total.backward_macs == 3 * 32  # the weights of a and c, and the input of c


def test_unused_state_is_a_figure_of_layers_blocks_and_designs():
    """What is read once more under another name is used: 4 + 5 of 18 parameters are not."""
    text = (
        "input: [2]\nblocks:\n  part(size):\n    - {Parameter: [size], name: spare}\n    - {Linear: 2, from: input}\n"
        "layers:\n  - {part: 4, name: one}\n  - {part: 5, name: other}\n  - {Parameter: [3], name: late, from: other}\n"
        "  - {reuse: late, name: again}\n  - {Multiply: [again, [{Linear: 3, from: other}]]}\n"
        "expect: {unused_params: 9, layers: {one: {unused_params: 4}, late: {unused_params: 0}}}\n"
    )
    design = archscope.load(text)
    assert verify(design).ok
    network = build(design)
    network(torch.rand(3, 2)).sum().backward()
    assert sum(one.numel() for one in network.parameters() if one.grad is None) == 4 + 5
