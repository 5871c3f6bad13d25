"""What the peers report, as modelled: against numbers by another route, and that nothing unknown counts as zero."""

import pytest

import archscope
from archscope.analysis import peers
from archscope.analysis.peers import PEERS, TERMS, base, fvcore, ptflops, ptflops_aten, reconcile, thop, torch_counter
from archscope.analysis.peers import torchinfo as torchinfo_model
from archscope.ops import REGISTRY
from archscope.spec import library

CONV_PEERS = ("fvcore", "torch", "torchinfo", "ptflops", "ptflops aten", "thop")


def totals(spec, batch=1, **options):
    found = reconcile(archscope.load(spec, **options), batch=batch)
    return {name: reading.work and reading.work.total for name, reading in found.readings.items()}


def terms(spec, peer, batch=1):
    bridge = reconcile(archscope.load(spec), batch=batch).readings[peer].work
    return {(term.name, term.why): term.count for term in bridge.terms}


# -- the three designs of the issue ------------------------------------------------------------------------------------


def test_alexnet():
    """Maps of 96 x 55^2, 256 x 27^2, 384 x 13^2 twice, 256 x 13^2, then 4096, 4096 and 1000 features."""
    macs = 1_135_256_096
    maps = [96 * 55**2, 256 * 27**2, 384 * 13**2, 384 * 13**2, 256 * 13**2]
    biases = sum(maps) + 4096 + 4096 + 1000
    activations = biases - 1000  # none behind the last layer
    pooled = maps[0] + maps[1] + maps[4]
    responses = 3 * (maps[0] + maps[1]) + (96 + 4) * 55**2 + (256 + 4) * 27**2  # mul, mul, add; a pool over 5 channels
    assert totals("alexnet") == {
        "fvcore": macs,
        "torch": 2 * macs,
        "torchinfo": macs + biases,
        "ptflops": macs + biases + 2 * activations + 2 * pooled + responses,
        "ptflops aten": macs + biases,
        "thop": macs,
        "keras": None,
    }


def test_resnet50():
    """torchvision's: 53 batch norms over 11,113,984 elements, whose 26,560 channels have a scale and a shift."""
    macs, normed = 4_089_184_256, normed_elements("resnet50")
    assert normed == 11_113_984
    assert totals("resnet50") == {
        "fvcore": macs + 2 * normed + 2048 * 7**2,
        "torch": 2 * macs,
        "torchinfo": macs + 2 * 26_560 + 1000,
        "ptflops": macs + 2 * normed + 2 * 9_608_704 + 2 * 64 * 112**2 + 2 * 2048 * 7**2 + 1000,
        "ptflops aten": macs + 1000,
        "thop": macs + 4 * normed + (7 * 7 + 1) * 2048,
        "keras": None,
    }


def test_mobilenet_v2():
    """ReLU6 is hooked by ptflops, and does not call the function that it patches."""
    macs, normed = 300_774_272, normed_elements("mobilenet_v2")
    relu6 = normed - sum(linear_bottlenecks())
    assert totals("mobilenet_v2") == {
        "fvcore": macs + 2 * normed + 1280 * 7**2,
        "torch": 2 * macs,
        "torchinfo": macs + 2 * 17_056 + 1000,
        "ptflops": macs + 2 * normed + relu6 + 2 * 1280 * 7**2 + 1000,
        "ptflops aten": macs + 1000,
        "thop": macs + 4 * normed + (7 * 7 + 1) * 1280,
        "keras": None,
    }


def normed_elements(name):
    """Elements of the maps behind all convolutions, each of which a batch norm follows."""
    rows = archscope.analyze(archscope.load(name)).rows
    return sum(row.output_elements for row in rows if row.category == "conv")


def linear_bottlenecks():
    """Table 2 of Sandler et al., 2018: c channels, n blocks, at the size behind the stride."""
    for channels, blocks, size in (
        (16, 1, 112), (24, 2, 56), (32, 3, 28), (64, 4, 14), (96, 3, 14), (160, 3, 7), (320, 1, 7),
    ):  # fmt: skip
        yield blocks * channels * size**2


def test_what_the_peers_printed():
    """fvcore 0.1.5.post20221221, torch 2.13.0, torchinfo 1.8.0, ptflops 0.7.5, thop 0.1.1.post2209072238."""
    printed = {
        "alexnet": (1135256096, 2270512192, 1135915368, 1140195600, 1135915368, 1135256096),
        "resnet50": (4111512576, 8178368512, 4089238376, 4132436968, 4089185256, 4133742592),
        "mobilenet_v2": (314193216, 601548544, 300809384, 320362728, 300775272, 327550720),
        "vit_b_16": (16867412736, 33697001472, 173384680, 17606030584, 16864992232, 11286254592),
    }
    assert {name: tuple(totals(name)[peer] for peer in CONV_PEERS) for name in printed} == printed


def test_parameters():
    """Keras: running statistics; thop: known layers alone; ptflops: those that are trained."""
    params = {name: one.params.total for name, one in reconcile(archscope.load("resnet50")).readings.items()}
    assert params == dict.fromkeys(CONV_PEERS, 25_557_032) | {"keras": 25_557_032 + 2 * 26_560}
    text = "input: [4, 6, 6]\nlayers: [{GroupNorm: 2}, {Conv2d: {out_channels: 5, kernel_size: 3}, freeze: true}]"
    params = {name: one.params.total for name, one in reconcile(archscope.load(text)).readings.items()}
    conv, norm = 5 * 4 * 3 * 3 + 5, 2 * 4
    assert params == dict.fromkeys(PEERS, conv + norm) | {"thop": conv, "ptflops": norm, "ptflops aten": norm}


# -- quirks ------------------------------------------------------------------------------------------------------------


def test_ptflops_divides_by_the_batch_what_its_hooks_count():
    """At batch 4: a convolution of 8 x 6^2 with 3 x 3^2 products and a bias, once; F.relu for all four."""
    text = "input: [3, 8, 8]\nlayers: [{Conv2d: {out_channels: 8, kernel_size: 3}}, ReLU]"
    maps = 8 * 6 * 6
    assert totals(text, batch=4)["ptflops"] == maps * (3 * 3 * 3 + 1) + maps + 4 * maps


def test_a_sequence_of_any_length_is_counted_at_once():
    """A GRU cell of one unit on 7 features: 7 x 3 + 3 products, 6 biases, 7 operations a step."""
    text = "input: [1_000_000_000, 7]\nlayers: [{GRU: {hidden_size: 1, batch_first: true}}]"
    counted = totals(text)
    assert counted["ptflops"] == 1_000_000_000 * (7 * 3 + 3 + 6 + 7)


def test_torchinfo_counts_rows_once():
    """A dense layer on 7 rows: 5 x 4 weights and 4 biases, for each of 2 samples, and not for each row."""
    assert totals("input: [7, 5]\nlayers: [{Linear: 4}]", batch=2)["torchinfo"] == 2 * (5 * 4 + 4)


def test_fvcore_does_not_know_padding_by_a_word():
    text = "input: [3, 8, 8]\nlayers: [{Conv2d: {out_channels: 4, kernel_size: 3, padding: same}}]"
    assert terms(text, "fvcore") == {("not counted", "Conv2d: no handle for padding by a word"): -4 * 8 * 8 * 3 * 9}
    assert totals(text)["fvcore"] == 0


def test_thop_takes_a_transposed_convolution_for_a_convolution():
    """2 -> 3 channels, 4 x 4 to 8 x 8 by a 2 x 2 kernel: 4^2 x 2 x 3 x 4 MACs; thop takes 8^2 places."""
    text = "input: [2, 4, 4]\nlayers: [{ConvTranspose2d: {out_channels: 3, kernel_size: 2, stride: 2, bias: false}}]"
    assert totals(text)["fvcore"] == 4 * 4 * 2 * 3 * 4
    assert totals(text)["thop"] == 8 * 8 * 2 * 3 * 4


def test_work_of_a_reused_layer_counts_again():
    once = "input: [3, 8, 8]\nlayers: [{Conv2d: {out_channels: 3, kernel_size: 1}, name: c}]"
    twice = once.removesuffix("]") + ", {reuse: c}]"
    assert totals(twice) == {name: total and 2 * total for name, total in totals(once).items()}


# -- the bridges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["googlenet", "densenet121", "unet", "vit_b_16", "text_cnn", "mobilenet_v3_small"])
def test_bridges_add_up(name):
    holds(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names())
def test_bridges_of_every_design_add_up(name):
    holds(name)


def holds(name):
    design = archscope.load(name)
    account, found = archscope.analyze(design), reconcile(design)
    assert (found.macs, found.params) == (account.total.macs, account.total.params)
    layers = {layer.name for layer in design.layers}
    for reading in found.readings.values():
        assert reading.params.start == found.params
        for bridge in (reading.work, reading.params):
            if bridge is not None:
                assert bridge.total == bridge.start + sum(term.count for term in bridge.terms)
                assert {term.name for term in bridge.terms} <= set(TERMS)
                assert all(term.count and set(term.layers) <= layers for term in bridge.terms)


@pytest.mark.parametrize(
    ("layers", "shape", "count"),
    [  # keras/src/layers/rnn: G gates of n units on m features have G (n (n + m) + n) parameters, a GRU 3 n biases more
        (["LSTM: 9"], "[5, 1]", 4 * (9 * (9 + 1) + 9)),  # 396
        (["RNN: 5"], "[4, 3]", 5 * (5 + 3) + 5),  # 45
        (["GRU: 9"], "[5, 4]", 3 * (9 * (9 + 4) + 2 * 9)),  # reset_after=True
        (["LSTM: {hidden_size: 9, bidirectional: true}"], "[5, 4]", 2 * 4 * (9 * (9 + 4) + 9)),
        (["LSTM: {hidden_size: 9, bias: false}"], "[5, 4]", 4 * 9 * (9 + 4)),
        (["LSTM: {hidden_size: 512, num_layers: 2}"], "[7, 300]", 3_764_224),  # as model.summary() of two LSTM(512)
    ],
)
def test_keras_gives_recurrent_layers_one_bias(layers, shape, count):
    design = archscope.load(f"input: {shape}\nlayers:\n" + "".join(f"  - {{name: a, {layer}}}\n" for layer in layers)
                            + "outputs: {y: a}\n")  # fmt: skip
    assert reconcile(design).readings["keras"].params.total == count
    assert archscope.analyze(design).total.keras_params == count


def test_keras_params_are_the_figure_of_the_account():
    found = reconcile(archscope.load("resnet50"))
    assert found.readings["keras"].params.total == archscope.analyze(found.design).total.keras_params


# -- what is not known -------------------------------------------------------------------------------------------------

TABLES = {
    "fvcore": fvcore.RULES,
    "torch": torch_counter.RULES,
    "torchinfo": torchinfo_model.RULES,
    "ptflops hooks": ptflops.HOOKS,
    "ptflops functions": ptflops.FUNCTIONS,
    "ptflops aten": {**ptflops_aten.RULES, **ptflops_aten.BY_MEMORY},
    "thop": thop.RULES,
}


@pytest.mark.parametrize("peer", TABLES)
def test_every_op_has_a_rule_and_every_rule_an_op(peer):
    assert set(TABLES[peer]) == set(REGISTRY)


@pytest.mark.parametrize("rules", [fvcore.RULES, torch_counter.RULES, torchinfo_model.RULES, thop.RULES])
def test_an_unknown_op_refuses(rules):
    design = archscope.load("lenet5")
    known = {name: rule for name, rule in rules.items() if name != "Linear"}
    found = base.work_by(known)(design, design.steps())
    assert found.refused == ("Linear",)
    assert found.total is None


@pytest.mark.parametrize("which", ["HOOKS", "FUNCTIONS"])
def test_an_op_unknown_to_half_of_ptflops_refuses(monkeypatch, which):
    known = {name: rule for name, rule in getattr(ptflops, which).items() if name != "Tanh"}
    monkeypatch.setattr(ptflops, which, known)
    found = reconcile(archscope.load("lenet5")).readings["ptflops"].work
    assert (found.refused, found.total) == (("Tanh",), None)


def test_an_op_unknown_to_aten_refuses(monkeypatch):
    monkeypatch.setattr(ptflops_aten, "BY_MEMORY", {})
    found = reconcile(archscope.load("lenet5")).readings["ptflops aten"].work
    assert (found.refused, found.total) == (("Linear",), None)


def test_what_is_not_modelled_is_named():
    deep = reconcile(archscope.load("input: [1, 2, 1, 2, 3]\nlayers: [LayerNorm]")).readings["fvcore"].work
    assert deep.refused == ("LayerNorm of more than 5 dimensions",)


def test_two_rules_for_an_op_are_a_mistake():
    with pytest.raises(ValueError, match="two rules for Linear"):
        base.table((("Linear",), base.nothing), (("Linear",), base.nothing))


def test_an_impossible_batch():
    with pytest.raises(archscope.UsageError, match="the batch must be at least 1, not 0"):
        archscope.reconcile(archscope.load("lenet5"), batch=0)
    assert archscope.reconcile is peers.reconcile
