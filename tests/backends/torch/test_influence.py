"""Receptive fields by gradients: ties and zeros hide nothing, and the effective field is what Luo et al. describe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import archscope
from archscope.analysis.field.influence import sees
from archscope.analysis.field.receptive_field import receptive_fields
from archscope.backends.torch import monotonous
from archscope.backends.torch.influence import Measurement, effective_field, influence, measure
from archscope.errors import UsageError


@pytest.mark.parametrize(
    ("name", "layer", "unit", "size"),
    [
        ("alexnet", "pool3", (1, 1), None),
        ("resnet18", "layer2", (3, 27), (3, 224, 224)),
        pytest.param("googlenet", "inception3b", (0, 14), None, marks=pytest.mark.slow),
        ("densenet121", "pool0", (5, 5), (3, 96, 96)),
        ("mobilenet_v1", "separable_5", (0, 9), (3, 160, 160)),
        pytest.param("unet", "level.below", (9, 7), (1, 204, 204), marks=pytest.mark.slow),
        ("tcn", "block3", (40,), (1, 200)),
        ("wavenet_stack", "post2", (700,), (256, 1100)),
        pytest.param("nasnet_mobile", "normal1_0", (2, 2), (3, 96, 96), marks=pytest.mark.slow),
        pytest.param("c3d", "pool3", (1, 2, 3), (3, 16, 48, 48), marks=pytest.mark.slow),
    ],
)
def test_units_of_known_networks_see_what_gradients_reach(name, layer, unit, size):
    design = archscope.load(name, input=size)
    assert np.array_equal(influence(design, layer, unit), sees(design, layer, unit).mask)


def test_what_mixes_everything_is_reached_by_everything():
    design = archscope.load("lenet5")
    last = design.layers[-1].name
    assert influence(design, last, ()).all()
    assert sees(design, last, ()).mask.all()


def test_maxima_and_dead_units_hide_nothing():
    text = """
input: [1, 12]
layers:
  - {Conv1d: {out_channels: 1, kernel_size: 1}, name: conv}
  - ReLU
  - {MaxPool1d: {kernel_size: 4, stride: 3, padding: 1, ceil_mode: true}, name: pool}
  - {Hardsigmoid: , name: last}
"""
    design = archscope.load(text)
    assert influence(design, "last", (1,)).tolist() == [2 <= place <= 5 for place in range(12)]
    assert influence(design, "last", (3,)).tolist() == [place >= 8 for place in range(12)]


@pytest.mark.parametrize(
    ("entries", "unit"),
    [
        ("[{Roll: {shifts: [3, -1], dims: [2, 3]}}]", (1, 5)),
        ("[{Flip: {dims: 3}}]", (1, 5)),
        ("[{Tile: {dims: [2, 1]}}]", (7, 2)),
        ("[{Pad: {pad: [1, -1, 2, 0]}}]", (3, 2)),
        ("[{Pad: {pad: [2, 1, 0, 2], mode: reflect}}]", (1, 0)),
        ("[{Pad: {pad: [2, 1, 0, 2], mode: circular}}]", (5, 0)),
        ("[{Select: {dim: 2, index: -2}}]", (3,)),
        ("[{Select: {dim: 2, index: 1}}, {Select: {dim: 2, index: 4}}]", ()),
        ("[{Norm: {dim: 3, keepdim: true}}, {Expand: {sizes: [-1, -1, -1, 4]}}]", (2, 3)),
        ('[{Einsum: "bchw->bcwh"}]', (4, 1)),
        ('[{Einsum: "bchw->bcw"}]', (4,)),
    ],
)
def test_a_place_is_seen_where_it_is_laid(entries, unit):
    """Behind a convolution, which tells of the places around."""
    text = f"""
input: [2, 6, 6]
layers:
  - {{Conv2d: {{out_channels: 2, kernel_size: 3, padding: 1}}}}
  - {{repeat: 1, layers: {entries}}}
  - {{Identity: , name: last}}
"""
    design = archscope.load(text)
    seen = sees(design, "last", unit)
    assert np.array_equal(influence(design, "last", unit), seen.mask)
    assert seen.mask.any()


@pytest.mark.parametrize(
    ("border", "places"),
    [
        ("{ReplicationPad1d: [4, 4]}, {Conv1d: {out_channels: 1, kernel_size: 3}}", [0]),  # -4 to -2: the border alone
        ("{Conv1d: {out_channels: 1, kernel_size: 2, padding: 5, padding_mode: replicate}}", [0]),
        ("{ReflectionPad1d: [4, 4]}, {Conv1d: {out_channels: 1, kernel_size: 2}}", [3, 4]),
        ("{CircularPad1d: [4, 4]}, {Conv1d: {out_channels: 1, kernel_size: 2}}", [4, 5]),
        ("{ZeroPad1d: [4, 4]}, {Conv1d: {out_channels: 1, kernel_size: 2}}", []),
    ],
)
def test_a_window_wholly_in_the_padding_sees_what_stands_there(border, places):
    design = archscope.load(f"input: [1, 8]\nlayers: [{border}, {{Identity: , name: last}}]")
    for mask in (sees(design, "last", (0,)).mask, influence(design, "last", (0,))):
        assert np.flatnonzero(mask).tolist() == places


@pytest.mark.parametrize("output", [1, 2])
def test_the_last_states_have_seen_every_step_and_each_its_own_sample(output):
    design = archscope.load("input: [6, 4]\nlayers: [{LSTM: {hidden_size: 3, batch_first: true}, name: r}]")
    seen = sees(design, "r", (), output=output).mask
    assert seen.all()
    assert np.array_equal(seen, Measurement(design, "r", output=output).of(()).reached)


def test_a_selected_place_has_the_field_that_it_had():
    text = "input: [1, 9]\nlayers: [{Conv1d: {out_channels: 1, kernel_size: 3}}, {Select: {dim: 2, index: 4}}]"
    design = archscope.load(text)
    assert receptive_fields(design).of("Select")[0].size == 3
    assert sees(design, "Select", ()).unclipped == ((4, 6),)
    assert sees(design, "Select", ()).seen.first == (4,)


def test_the_effective_field_is_denser_in_the_middle():
    """Luo et al.: after many layers of equal windows the weights fall off like a bell curve around the centre."""
    text = "input: [1, 61]\nlayers:\n" + "  - Conv1d: {out_channels: 4, kernel_size: 5, padding: 2}\n" * 10
    design = archscope.load(text)
    weights = effective_field(design, design.layers[-1].name, (30,), samples=30)
    assert weights.sum() == pytest.approx(1)
    assert sees(design, design.layers[-1].name, (30,)).seen.size == (41,)
    assert weights[25:36].sum() > 0.6  # a quarter of the field
    assert weights[:10].sum() == weights[51:].sum() == 0


def test_seeds_repeat_and_leave_torchs_own_generator_alone():
    design = archscope.load("lenet5")
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one = effective_field(design, "c1", (5, 5), samples=2, seed=1)
    assert torch.rand(1) == expected
    assert np.array_equal(one, effective_field(design, "c1", (5, 5), samples=2, seed=1))
    assert not np.array_equal(one, effective_field(design, "c1", (5, 5), samples=2, seed=2))


def test_whole_numbers_are_followed_through_a_table():
    text = "inputs: {ids: {shape: [7], dtype: int64}}\nlayers:\n"
    text += "  - {Embedding: {num_embeddings: 9, embedding_dim: 4}, name: e}\n"
    text += "  - {CumSum: {dim: 1}, name: sums}\n"
    assert influence(archscope.load(text), "e", (3,)).tolist() == [place == 3 for place in range(7)]
    assert influence(archscope.load(text), "sums", (3,)).tolist() == [place <= 3 for place in range(7)]


@pytest.mark.parametrize(
    ("layers", "unit", "message"),
    [
        ("{ArgMax: {dim: 1}, name: at}, {Cast: float}", (4,), "at gives whole numbers, which have no gradient"),
        (
            "{TopK: {k: 3, dim: 2}, name: best}, {Identity: , from: 'best[0]'}",
            (2,),
            "best takes elements by their values",
        ),
        ("{Compare: {operator: gt, other: 0.5}, name: above}, {Cast: float}", (4,), "above gives truth values"),
        ("{Index: {dim: 2}, from: [input, ids], name: taken}", (), "taken reads what the values of ids tell"),
        ("{Opaque: {output_shapes: [[2, 9]], macs: 0}, name: box}", (), "box cannot be run: an Opaque layer stands in"),
        ("{Exp: }, {Exp: }, {Exp: }, {Exp: }, {Exp: , name: fifth}", (4,), "fifth gives numbers that are not finite"),
    ],
)
def test_what_gradients_do_not_show_is_said_by_name(layers, unit, message):
    text = f"""
inputs: {{input: [2, 9], ids: {{shape: [9], dtype: int64}}}}
layers: [{{Identity: , from: input}}, {layers}, {{Identity: , name: last}}]
"""
    design = archscope.load(text)
    found = measure(design, "last", unit, input="input")
    assert message in "; ".join(map(str, found.hidden))
    with pytest.raises(UsageError, match="not measured: "):
        influence(design, "last", unit, input="input")


def test_what_is_not_asked_for_hides_nothing():
    text = """
inputs: {input: [2, 9], ids: {shape: [9], dtype: int64}}
layers:
  - {Cast: float, from: ids, name: whole}
  - {Add: [input, whole], name: last}
"""
    assert not measure(archscope.load(text), "last", (4,), input="input").hidden


@pytest.mark.parametrize("name", sorted(monotonous.POINTWISE - {"prelu", "clamp_max", "clamp_min", "threshold"}))
def test_what_becomes_another_function_works_element_by_element(name):
    """What is said of torch's functions, of torch: no element of the output has a gradient of another one."""
    function = getattr(functional, name, None) or getattr(torch, name)
    arguments = {"clamp": (-2.0, 2.0)}.get(name, ())
    for seed in range(3):
        x = torch.randn(9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        rows = torch.autograd.functional.jacobian(lambda tensor: function(tensor, *arguments), x)
        assert not (rows - torch.diag(rows.diagonal())).any()


@pytest.mark.parametrize("arguments", [(2,), (3, 2, 1), (3, 1, 0, 2), (2, 3, 1, 1, True), ((3, 1), (2, 1))])
def test_in_a_max_pool_each_place_wins_in_turn(arguments):
    """The places that reach an output are those whose rise torch's own pool passes on."""
    x = torch.rand(1, 2, 6, 7, dtype=torch.float64)
    with monotonous.Monotonous():
        reached = torch.autograd.functional.jacobian(lambda tensor: functional.max_pool2d(tensor, *arguments), x) != 0
    raised = torch.stack(
        [
            functional.max_pool2d(x + 9 * torch.eye(x.numel(), dtype=x.dtype)[place].view_as(x), *arguments)
            for place in range(x.numel())
        ]
    )
    changed = (raised != functional.max_pool2d(x, *arguments)).movedim(0, -1).unflatten(-1, x.shape)
    assert torch.equal(reached, changed)


def test_a_place_outside_the_map_is_refused():
    with pytest.raises(UsageError, match="6 x 6 places, counted from 0; 6,0 is none of them"):
        influence(archscope.load("alexnet"), "pool3", (6, 0))


def test_what_stops_gradients_stops_no_influence():
    text = """
input: [1, 9]
layers:
  - {Conv1d: {out_channels: 1, kernel_size: 3, padding: 1}, no_grad: true}
  - Detach
  - {Conv1d: {out_channels: 1, kernel_size: 3, padding: 1}, name: last}
"""
    assert influence(archscope.load(text), "last", (4,)).tolist() == [2 <= place <= 6 for place in range(9)]
