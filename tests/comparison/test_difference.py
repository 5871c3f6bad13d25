"""Two designs laid over each other: what is matched, and that all costs add up to the difference of the totals."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archscope
from archscope.analysis.counts.cost import COST_FIELDS
from archscope.comparison.difference import ADDED, AFFECTED, CHANGED, REMOVED, Edit, diff
from tests.designs import designs
from tests.examples import examples

CONV = "Conv2d: {out_channels: 4, kernel_size: 1}"


def net(*layers, head="input: [3, 8, 8]", tail=""):
    body = "".join(f"  - {layer if layer.startswith('{') else '{' + layer + '}'}\n" for layer in layers)
    return archscope.load(f"name: net\n{head}\nlayers:\n{body}{tail}")


def changes(before, after):
    """Kind, name and edits of every outermost layer or block that differs."""
    return [(change.kind, change.name, change.edits) for change in diff(before, after).changes]


def holds(before, after, batch=1):
    """A difference whose costs are known to add up, in total and inside of every block."""
    found = diff(before, after, batch=batch)
    first, second = (archscope.analyze(design, batch=batch).total.cost for design in (before, after))
    kept = [archscope.memory(design, batch=batch).saved_bytes for design in (before, after)]
    for name in COST_FIELDS:
        whole = getattr(second, name) - getattr(first, name)
        assert sum(getattr(change.cost, name) for change in found.changes) == whole
        assert sum(getattr(part.cost, name) for part in found.parts) == whole
        assert getattr(found.total.cost, name) == whole
    assert sum(part.saved_bytes for part in found.parts) == found.total.saved_bytes == kept[1] - kept[0]
    for change in found.changes:
        _adds_up(change)
    for names in ([part.before for part in found.parts], [part.after for part in found.parts]):
        there = [name for name in names if name]
        assert len(there) == len(set(there))  # no layer stands in two lines
    return found


def _adds_up(change):
    if change.children:
        for name in COST_FIELDS:
            assert getattr(change.cost, name) == sum(getattr(child.cost, name) for child in change.children)
        assert change.saved_bytes == sum(child.saved_bytes for child in change.children)
        assert change.layers == sum(child.layers for child in change.children)
    for child in change.children:
        _adds_up(child)


# -- designs that ship --


def test_resnet101_is_resnet50_with_17_more_blocks():
    """A bottleneck of layer3: 1x1 from 1024 to 256, 3x3, 1x1 back, each with a norm of two numbers a channel."""
    found = holds(archscope.load("resnet50"), archscope.load("resnet101"))
    (layer3,) = found.changes
    (blocks,) = layer3.children
    assert (layer3.kind, layer3.name) == (CHANGED, "layer3")
    assert (blocks.kind, blocks.blocks, blocks.layers) == (ADDED, 17, 170)
    assert [child.after for child in blocks.children] == [f"layer3.{i}" for i in range(6, 23)]
    bottleneck = 1024 * 256 + 256 * 256 * 9 + 256 * 1024 + 2 * (256 + 256 + 1024)
    assert found.total.params == 17 * bottleneck == 44_549_160 - 25_557_032
    assert found.edits == (Edit("vars.depths", (3, 4, 6, 3), (3, 4, 23, 3)),)


def test_vgg19_is_vgg16_with_three_more_layers():
    found = holds(archscope.load("vgg16"), archscope.load("vgg19"))
    assert [(change.kind, change.after) for change in found.changes] == [
        (ADDED, "conv3_4"), (ADDED, "conv4_4"), (ADDED, "conv5_4")
    ]  # fmt: skip
    assert found.total.params == 256 * (256 * 9 + 1) + 2 * 512 * (512 * 9 + 1) == 143_667_240 - 138_357_544


def test_two_towers_halve_the_kernels_of_three_layers():
    found = holds(archscope.load("alexnet"), archscope.load("alexnet_two_tower"))
    assert [(change.kind, change.name, change.edits) for change in found.changes] == [
        (CHANGED, name, (Edit("groups", 1, 2),)) for name in ("conv2", "conv4", "conv5")
    ]
    assert [-change.params for change in found.changes] == [
        96 * 25 * 256 // 2, 384 * 9 * 384 // 2, 384 * 9 * 256 // 2
    ]  # fmt: skip


def test_a_dense_layer_is_affected_when_the_input_shrinks():
    found = holds(archscope.load("vgg16"), archscope.load("vgg16", input=(3, 160, 160)))
    assert {change.kind for change in found.changes} == {AFFECTED}
    fc1 = found.changes[-1]
    assert (fc1.name, fc1.op) == ("fc1", "Linear")
    assert fc1.edits == (Edit("input_shape", ((512 * 7 * 7,),), ((512 * 5 * 5,),)),)
    assert found.total.params == fc1.params == -(49 - 25) * 512 * 4096


def test_a_wider_net_changes_block_by_block():
    found = holds(archscope.load("resnet50"), archscope.load("wide_resnet50_2"))
    assert [(change.kind, change.name) for change in found.changes] == [(CHANGED, f"layer{i}") for i in (1, 2, 3, 4)]
    first, others = found.changes[2].children  # the first block of a stage has another stride
    assert (first.name, first.blocks, others.blocks) == ("layer3.0", 1, 5)
    conv = others.children[0].children[0]
    assert (conv.name, conv.kind, conv.edits) == ("layer3.1.conv1", CHANGED, (Edit("out_channels", 256, 512),))
    assert others.children[0].children[1].kind == AFFECTED  # its norm says the same


@pytest.mark.parametrize(
    ("first", "second"),
    [("resnet18", "resnet50"), ("alexnet", "vgg16"), ("googlenet", "inception_v3"), ("vgg16", "vgg16_bn"),
     ("mobilenet_v2", "efficientnet_b0"), ("lenet5", "vit_b_16"), ("densenet121", "densenet169")],
)  # fmt: skip
def test_costs_add_up_whatever_the_designs(first, second):
    holds(archscope.load(first), archscope.load(second), batch=2)


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "vit_b_16", "unet", "shufflenet_v2_x1_0"])
def test_nothing_differs_from_itself(name):
    found = diff(archscope.load(name), archscope.load(name))
    assert found.changes == found.edits == ()


# -- what is matched --


def test_a_layer_put_between_numbered_ones():
    before = net("name: '0', " + CONV, "name: '1', ReLU: null", "name: '2', " + CONV)
    after = net("name: '0', " + CONV, "name: '1', BatchNorm2d: null", "name: '2', ReLU: null", "name: '3', " + CONV)
    assert changes(before, after) == [(ADDED, "1", ())]
    assert changes(after, before) == [(REMOVED, "1", ())]


def numbered(*layers):
    return net(*(f"name: '{at}', {layer}" for at, layer in enumerate(layers)))


def test_several_layers_put_between_numbered_ones():
    """Half of the numbers still stand for the same op, by chance."""
    pair = [CONV, "ReLU: null"]
    before, after = numbered(*pair * 3), numbered(pair[0], "BatchNorm2d: null", "Dropout: 0.5", pair[1], *pair * 2)
    found = holds(before, after)
    assert [part.name for part in found.parts if part.kind == ADDED] == ["1", "2"]
    assert not any(part.kind in (REMOVED, CHANGED) for part in found.parts)


def test_numbered_layers_that_were_changed_as_well():
    wide = CONV.replace("4", "8")
    found = holds(numbered(CONV, "ReLU: null", CONV), numbered(wide, "BatchNorm2d: null", "ReLU: null", wide))
    assert [(part.kind, part.before, part.after) for part in found.parts] == [
        (CHANGED, "0", "0"), (ADDED, None, "1"), (AFFECTED, "1", "2"), (CHANGED, "2", "3")
    ]  # fmt: skip


def test_numbered_blocks_that_were_rebuilt():
    found = diff(archscope.load("resnet18"), archscope.load("resnet50"))
    assert [(block.kind, block.name) for block in found.changes[0].children] == [
        (CHANGED, "layer1.0"), (CHANGED, "layer1.1"), (ADDED, "layer1.2")
    ]  # fmt: skip


def test_numbers_win_where_they_still_fit():
    """Every stage is twice as wide; the second of the first design says what the first of the other one says."""
    text = """
name: net
input: [3, 8, 8]
vars: {width: 4}
layers:
  - repeat: 3
    index: i
    name: stage
    layers: [{Conv2d: {out_channels: width * 2**i, kernel_size: 3, padding: 1}}, ReLU]
"""
    found = holds(archscope.load(text), archscope.load(text, set={"width": 8}))
    convs = [part for part in found.parts if part.op == "Conv2d"]
    assert [part.edits[0] for part in convs] == [Edit("out_channels", 4 * 2**i, 8 * 2**i) for i in range(3)]
    assert {part.kind for part in found.parts} == {CHANGED, AFFECTED}


def test_another_name():
    before, after = net("name: first, " + CONV, "ReLU: null"), net("name: stem, " + CONV, "ReLU: null")
    assert changes(before, after) == [(CHANGED, "stem", (Edit("name", "first", "stem"),))]
    assert diff(before, after).total.params == 0


def test_of_two_layers_the_one_that_says_the_same_has_another_name():
    before = net("name: first, " + CONV)
    after = net("name: extra, Conv2d: {out_channels: 3, kernel_size: 3}", "name: stem, " + CONV)
    found = [(kind, name) for kind, name, _ in changes(before, after)]
    assert found == [(ADDED, "extra"), (CHANGED, "stem")]


def test_a_block_of_another_name():
    def made(name):
        return net(f"name: {name}, layers: [{{{CONV}}}, BatchNorm2d, ReLU]")

    (change,) = diff(made("layer1"), made("stage")).changes
    assert (change.before, change.after, change.edits) == ("layer1", "stage", (Edit("name", "layer1", "stage"),))
    assert not any(getattr(change.cost, name) for name in COST_FIELDS)


def test_another_op():
    assert changes(net(CONV, "ReLU: null"), net(CONV, "GELU: null")) == [
        (CHANGED, "GELU", (Edit("op", "ReLU", "GELU"),))  # nobody gave it a name, so it has no other one
    ]
    act = "name: act, {}: null"
    assert changes(net(act.format("ReLU")), net(act.format("Tanh"))) == [
        (CHANGED, "act", (Edit("op", "ReLU", "Tanh"),))
    ]


def test_blocks_of_one_name_that_have_nothing_in_common():
    before, after = net("name: a, layers: [ReLU]"), net(f"name: a, layers: [{{name: conv, {CONV}}}]")
    assert [(kind, name) for kind, name, _ in changes(before, after)] == [(REMOVED, "a"), (ADDED, "a")]


def test_what_moves_is_removed_and_added():
    conv, norm, act = "name: conv, " + CONV, "name: norm, BatchNorm2d: null", "name: act, ReLU: null"
    found = holds(net(conv, norm, act), net(conv, act, norm))
    assert sorted(change.kind for change in found.changes if change.kind in (ADDED, REMOVED)) == [ADDED, REMOVED]
    assert found.total.params == 0


def test_a_layer_reads_another_tensor():
    layers = ["name: a, " + CONV, "name: b, " + CONV, "name: c, " + CONV]
    before, after = net(*layers, "name: sum, Add: [a, c]"), net(*layers, "name: sum, Add: [b, c]")
    assert changes(before, after) == [(CHANGED, "sum", (Edit("reads", ("a", "c"), ("b", "c")),))]


def test_what_stands_behind_a_new_layer_reads_the_same():
    before = net("name: a, " + CONV, "name: b, " + CONV)
    after = net("name: a, " + CONV, "Add: [[ReLU], []]", "name: b, " + CONV)
    assert {kind for kind, _, _ in changes(before, after)} <= {ADDED, AFFECTED}
    assert not any(edit.name == "reads" for _, _, edits in changes(before, after) for edit in edits)


def test_flags_and_shared_weights():
    conv = "Conv2d: {out_channels: 3, kernel_size: 1}"
    plain = net("name: a, " + conv, "name: b, " + conv)
    frozen = holds(plain, net("name: a, freeze: true, " + conv, "name: b, " + conv))
    assert frozen.changes[0].edits == (Edit("frozen", (), ("weight", "bias")),)
    assert frozen.total.trainable_params == -(3 * 3 + 3)
    other = frozen.changes[1]  # nothing upstream of it is trained any more
    assert (other.name, other.kind, other.edits, other.input_grad_macs) == ("b", AFFECTED, (), -9 * 8 * 8)
    shared = holds(plain, net("name: a, " + conv, "name: b, reuse: a"))
    assert shared.changes[0].edits == (Edit("reuse", None, "a"),)
    assert shared.total.params == -(3 * 3 + 3)
    called = net("name: z, " + conv, "name: b, reuse: z")
    (other,) = diff(net("name: a, " + conv, "name: b, reuse: a"), called).changes
    assert other.edits == (Edit("name", "a", "z"),)  # b shares the weights of the same layer
    again = holds(plain, net("name: a, checkpoint: true, " + conv, "name: b, " + conv))
    assert Edit("checkpoint", False, True) in again.changes[0].edits


def test_inputs_and_outputs():
    before = net("name: a, " + CONV, "ReLU: null", tail="outputs: {x: a}\n")
    after = net("name: a, " + CONV, "ReLU: null", head="inputs: {image: [3, 9, 9]}", tail="outputs: {x: ReLU, y: a}\n")
    found = diff(before, after)
    assert Edit("input.input", (3, 8, 8), None) in found.edits
    assert Edit("input.image", None, (3, 9, 9)) in found.edits
    assert Edit("output.x", "a", "ReLU") in found.edits
    assert Edit("output.y", None, "a") in found.edits
    assert not any(edit.name == "reads" for part in found.parts for edit in part.edits)


def test_many_layers_in_one_list():
    layers = [CONV, "BatchNorm2d: null", "ReLU: null"] * 200
    longer = [*layers[:150], "GELU: null", *layers[150:450], "Dropout: 0.5", *layers[450:]]
    found = holds(net(*layers), net(*longer))
    assert [part.op for part in found.parts if part.kind == ADDED] == ["GELU", "Dropout"]
    assert not any(part.kind in (REMOVED, CHANGED) for part in found.parts)


# -- any designs --


@given(designs(), designs(), st.integers(1, 3))
@settings(max_examples=examples(60))
def test_costs_of_random_designs_add_up(first, second, batch):
    before, after = archscope.load(first), archscope.load(second)
    found = holds(before, after, batch)
    back = holds(after, before, batch)
    for name in COST_FIELDS:
        assert getattr(found.total.cost, name) == -getattr(back.total.cost, name)


@given(designs())
@settings(max_examples=40)
def test_a_random_design_does_not_differ_from_itself(text):
    found = diff(archscope.load(text), archscope.load(text))
    assert found.changes == found.edits == ()


@given(designs(), st.data())
@settings(max_examples=examples(60))
def test_a_removed_layer_is_all_that_is_found(text, data):
    """What stands behind it says the same, and reads the same."""
    spec = json.loads(text)
    at = data.draw(st.integers(0, len(spec["layers"])))
    layers = [*spec["layers"][:at], {"Identity": None, "name": "mark"}, *spec["layers"][at:]]
    before, after = archscope.load(json.dumps(spec | {"layers": layers}, indent=1)), archscope.load(text)
    found = holds(before, after)
    assert [part.before for part in found.parts if part.kind != AFFECTED] == ["mark"]
