"""Which parts are alike: of designs in which it can be counted."""

from __future__ import annotations

import pytest

import archscope
from archscope.structure.likeness import Families, Rounds, clusters
from archscope.structure.overlay import fit
from archscope.structure.parts import tensors, tree
from archscope.structure.regions import join_single

TEXT = """
input: [8, 16, 16]
blocks:
  unit(out, relu=true):
    - Conv2d: {out_channels: out, kernel_size: 3, padding: 1}
    - {ReLU, when: relu}
layers:
  - {unit: 8, name: stage0}
  - {unit: 16, name: stage1}
  - {unit: {out: 16, relu: false}, name: stage2}
  - {name: head, layers: [AdaptiveAvgPool2d: 1, Flatten, Linear: 10]}
"""


@pytest.fixture
def design():
    return archscope.load(TEXT)


def blocks(root):
    return [part for part in root.every() if part.step is None and part.path]


def test_parts_are_nested_as_their_names_are(design):
    root = tree(design)
    assert [part.name for part in blocks(root)] == ["stage0", "stage1", "stage2", "head"]
    assert [part.kind for part in root.parts[0].parts] == ["Conv2d", "ReLU"]
    assert root.parts[1].inputs == root.parts[0].outputs


def test_every_tensor_flows_with_the_shape_that_torch_gives_it(design):
    torch = pytest.importorskip("torch")
    network = archscope.build(design)
    shapes = {}
    for layer in design.layers:
        network.layer(layer.name).register_forward_hook(
            lambda _, __, y, name=layer.name: shapes.__setitem__(name, tuple(y.shape))
        )
    network(torch.zeros(1, 8, 16, 16))
    flows = {ref.node: tensor.shape for ref, tensor in tensors(design).items()}
    assert shapes.items() <= flows.items()
    assert len(shapes) > 5


def test_the_same_layers_with_other_numbers_are_one_family(design):
    root = tree(design)
    join_single(root)
    families = Families(root, {}, set(), runs=False)
    one, two, three, head = root.parts
    assert families.of(one) == families.of(two)
    assert families.of(head) != families.of(one)
    assert fit([one, two])
    assert three.kind == "Conv2d"  # what is left of a block of one layer takes its place


def test_parts_that_follow_each_other_are_a_run(design):
    root = tree(design)
    Families(root, {}, set())
    run = root.parts[0]
    assert isinstance(run, Rounds)
    assert [part.name for part in run.parts][:2] == ["stage0", "stage1"]


def test_a_group_joins_the_first_that_it_fits_with():
    together = clusters([["a"], ["b"], ["aa"], ["bb"], ["c"]], lambda parts: len({part[0] for part in parts}) == 1)
    assert together == [[0, 2], [1, 3], [4]]
