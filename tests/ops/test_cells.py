"""Cells in a loop: their weights count once, and a loop of cells is the layer that torch unrolls."""

import pytest
import torch
from torch import nn

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.torch.build import build
from archscope.backends.torch.source import torch_source
from tests.backends.torch.test_source import module_of
from tests.oracle import kept

STATES = {"GRUCell": 1, "RNNCell": 1, "LSTMCell": 2}


def loop(kind: str, steps: int = 4, size: int = 3) -> str:
    """A cell that reads the places of a sequence one after another."""
    lines = [f"input: [{steps}, {size}]", "layers:"]
    for step in range(steps):
        lines.append(f"  - {{Select: {{dim: 1, index: {step}}}, name: x{step}, from: input}}")
        states = [f"'h{step - 1}[{number}]'" if STATES[kind] > 1 else f"h{step - 1}" for number in range(STATES[kind])]
        given = f"[{', '.join([f'x{step}', *states])}]" if step else f"x{step}"
        word = f"reuse: h{0}" if step else f"{kind}: {{hidden_size: {size}}}"
        lines.append(f"  - {{{word}, name: h{step}, from: {given}}}")
    last = f"h{steps - 1}"
    return "\n".join([*lines, f"outputs: {{y: '{last}[0]'}}" if STATES[kind] > 1 else f"outputs: {{y: {last}}}"]) + "\n"


@pytest.mark.parametrize("kind", STATES)
def test_a_cell_in_a_loop_counts_its_weights_once(kind):
    """A GRUCell of 3 on 3: 3 x 3 x (3 + 3) + 2 x 9 = 72 parameters, in a loop of four too; 4 x 54 MACs."""
    design = archscope.load(loop(kind))
    total = archscope.analyze(design).total
    cell = getattr(nn, kind)(3, 3)
    assert total.params == sum(one.numel() for one in cell.parameters())
    if kind == "GRUCell":
        assert total.params == 72
    gates = {"GRUCell": 3, "RNNCell": 1, "LSTMCell": 4}[kind]
    assert total.macs == 4 * gates * 3 * (3 + 3)
    assert memory(design, batch=2).saved_bytes == kept(design, 2)


@pytest.mark.parametrize("kind", STATES)
def test_a_loop_of_cells_is_the_layer(kind):
    """The same weights in torch.nn.GRU, LSTM or RNN give the same last state."""
    design = archscope.load(loop(kind))
    layer = getattr(nn, kind.removesuffix("Cell"))(3, 3, batch_first=True)
    x = torch.rand(2, 4, 3)
    for built in (build(design), module_of(torch_source(design))):
        weights = {name.rpartition(".")[2]: tensor for name, tensor in built.state_dict().items()}
        layer.load_state_dict({f"{name}_l0": tensor for name, tensor in weights.items()})
        torch.testing.assert_close(built(x), layer(x)[0][:, -1])


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("stated", [False, True], ids=["", "states"])
def test_a_cell_under_autocast_keeps_what_torch_keeps(kind, stated):
    """Its products are cast as those of any dense layer are."""
    states = (["h", "c"] if kind == "LSTMCell" else ["h"]) if stated else []
    inputs = ", ".join(["x: [3]", *(f"{name}: [4]" for name in states)])
    text = f"inputs: {{{inputs}}}\nlayers:\n  - {{Linear: 3, from: x, name: l}}\n"
    text += f"  - {{{kind}: 4, from: [{', '.join(['l', *states])}], name: cell}}\n"
    text += "  - {Add: ['cell[0]', 'cell[1]']}\n" if kind == "LSTMCell" else ""
    design = archscope.load(text + "  - {Linear: 2}\n")
    assert memory(design, batch=2, precision="bf16-mixed").saved_bytes == kept(design, 2, autocast=True)
