"""The models of the peers against the peers themselves, each really run: equal to the unit."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError

import pytest
import torch
from hypothesis import HealthCheck, given, settings

import archscope
import tests.ops.records
from archscope.analysis.peers import PEERS, Measured, reconcile
from archscope.backends.torch import peers as running
from archscope.backends.torch.peers import measure
from archscope.backends.torch.timing import torch_type
from archscope.design import Design
from archscope.design.graph import Input, Layer, Ref
from archscope.errors import SpecError
from archscope.ops import Tensor
from archscope.setting import Setting
from archscope.spec import library
from tests.designs import designs
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records
PACKAGES = {
    "fvcore": "fvcore", "torch": "torch", "torchinfo": "torchinfo", "ptflops": "ptflops", "ptflops aten": "ptflops",
    "thop": "thop",
}  # fmt: skip
SMALL = (3, 64, 64)
DESIGNS = {
    "alexnet": None,
    "resnet50": None,
    "mobilenet_v2": None,
    "lenet5": None,
    "vgg11": SMALL,
    "squeezenet1_1": SMALL,
    "mobilenet_v3_small": SMALL,
    "shufflenet_v2_x1_0": SMALL,
    "vit_b_16": (3, 32, 32),
    "dcgan_generator": None,
    "text_cnn": None,
    "tcn": None,
}
RELAXED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small layers are quicker so, and tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def differences(
    design: Design, batch: int = 1, measured: dict[str, Measured] | None = None, precision: str = "float32"
) -> dict[str, object]:
    """What is not equal to the unit, by peer; a peer that is not installed is left out."""
    found: dict[str, object] = {}
    run = Setting(batch=batch, precision=precision)
    modelled = reconcile(design, run).readings
    for name, one in (measured or measure(design, run)).items():
        work, params = modelled[name].work, modelled[name].params
        if one.failure != "not installed" and (one.work, one.params) != (work.total, params.total):
            found[name] = {"measured": one, "work": work, "params": params}
    return found


@lru_cache
def run(name: str, batch: int) -> tuple[Design, dict[str, Measured]]:
    design = archscope.load(name, input=DESIGNS[name])
    return design, measure(design, batch=batch)


#: seconds each
LONG = {"resnet50", "vit_b_16", "mobilenet_v2", "shufflenet_v2_x1_0"}
MEASURED = [*((name, 1) for name in DESIGNS), ("lenet5", 3), ("squeezenet1_1", 2)]


@pytest.mark.parametrize("peer", PACKAGES)
@pytest.mark.parametrize(
    ("name", "batch"), [pytest.param(*one, marks=[pytest.mark.slow] if one[0] in LONG else []) for one in MEASURED]
)
def test_a_design_is_modelled_to_the_unit(peer, name, batch):
    installed(PACKAGES[peer])
    design, measured = run(name, batch)
    assert measured[peer].failure == ""
    assert differences(design, batch, {peer: measured[peer]}) == {}


def installed(package):
    """Skip where a package is not; pytest.importorskip would import it with its warnings, which are errors here."""
    try:
        running.version(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names())
def test_every_design_is_modelled_to_the_unit(name):
    assert differences(archscope.load(name)) == {}


TIED = """inputs: {ids: {shape: [8], dtype: int64}}
layers:
  - {Parameter: {shape: [100, 16]}, name: wte}
  - {Index: {dim: 0}, from: [wte, ids], name: emb}
  - {Linear: 16, name: fc}
  - {Transpose: {dim0: 0, dim1: 1}, from: wte, name: turned}
  - {MatMul: , from: [fc, turned], name: head}
"""
SCALAR = "input: [3, 4]\nlayers:\n  - {Parameter: {shape: []}, name: p}\n  - {Multiply: [p, input]}\n  - Linear: 3\n"


@pytest.mark.parametrize("batch", [1, 3])
def test_a_design_whose_first_layer_reads_no_input(batch):
    assert differences(archscope.load(TIED), batch) == {}


@pytest.mark.parametrize("batch", [1, 3])
def test_a_weight_without_dimensions(batch):
    design = archscope.load(SCALAR)
    measured = measure(design, batch=batch)
    if measured["torchinfo"].version is not None:
        assert measured["torchinfo"].work is None  # it fails, and is not modelled there
    assert differences(design, batch, {name: one for name, one in measured.items() if name != "torchinfo"}) == {}
    work = reconcile(design, batch=batch).readings["torchinfo"].work
    assert (work.total, work.refused) == (None, ("Parameter of a tensor without dimensions",))


DEAD = """input: [4, 8, 8]
layers:
  - {name: a, Conv2d: {out_channels: 6, kernel_size: 3}}
  - {name: aux, Conv2d: {out_channels: 5, kernel_size: 3}, from: a}
  - {name: bn, BatchNorm2d: , from: aux}
  - {name: pool, AdaptiveAvgPool2d: 2, from: bn}
  - {name: rows, Flatten: {start_dim: 2}, from: a}
  - {name: mixed, MultiheadAttention: {num_heads: 2, batch_first: true}, from: rows}
  - {name: turns, GRU: {hidden_size: 4, batch_first: true}, from: rows}
  - {name: flat, Flatten: , from: a}
  - {name: fc, Linear: 3, from: flat}
outputs: {y: fc}
"""


@pytest.mark.parametrize("batch", [1, 3])
def test_layers_that_reach_no_output_are_a_reason_of_their_own(batch):
    """TorchScript's tracer leaves them out: 6 x 6 x 6 x 4 x 3^2 and 216 x 3 products are left of them all."""
    design = archscope.load(DEAD)
    assert differences(design, batch) == {}
    work = reconcile(design, batch=batch).readings["fvcore"].work
    (term,) = work.terms
    assert (term.name, term.why) == ("not counted", "reaches no output: the tracer leaves it out")
    assert set(term.layers) == {"aux", "mixed", "turns"}
    assert work.total == batch * (6 * 6 * 6 * 4 * 9 + 216 * 3) == work.start + term.count


#: attention, a norm, a layer of a type of its own, a recurrent layer
SEVERAL = """input: [6, 8]
layers:
  - {MultiheadAttention: {num_heads: 2, batch_first: true}}
  - LayerNorm
  - {GRU: {hidden_size: 4, batch_first: true}}
  - {Cast: float64}
  - {Linear: 5, dtype: float64}
"""


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float64"])
def test_peers_are_run_in_the_precision_that_is_asked_for(precision):
    design = archscope.load(SEVERAL)
    assert differences(design, precision=precision) == {}
    held = {
        str(one.dtype).removeprefix("torch.") for one in running._module(design, torch_type(precision)).parameters()
    }
    assert held == {precision, "float64"}


def test_a_peer_that_cannot_run_in_a_precision_says_why(monkeypatch):
    design, seen = archscope.load("input: [4]\nlayers: [{Linear: 3}]\n"), []

    def peer(network, x):
        (y,) = y.values() if isinstance(y := network(*x), dict) else (y,)
        seen.append(y.dtype)
        return (0, 0) if y.dtype != torch.float16 else torch.linalg.qr(x[0])

    monkeypatch.setitem(running._RUNS, "torch", ("torch", peer))
    assert measure(design, None, ["torch"], precision="bf16-mixed")["torch"].failure == ""
    failure = measure(design, None, ["torch"], precision="float16")["torch"].failure
    assert "not implemented for 'Half'" in failure
    assert seen == [torch.bfloat16, torch.float16]  # autocast gives its lower type


def test_types_that_do_not_go_together_are_no_failure_of_a_peer():
    with pytest.raises(SpecError, match="what arrives is float32; torch does not mix them"):
        reconcile(archscope.load("input: [4]\nlayers: [{Linear: 3, dtype: bfloat16}]\n"))


# -- every op ----------------------------------------------------------------------------------------------------------


def alone(case: Case) -> tuple[Design, int] | None:
    """A design of one layer, and its batch; nothing where the inputs have none in common, or one alone is illegal."""
    batches = {tensor.shape[0] for tensor in case.inputs if tensor.shape}
    if len(batches) != 1 or not all(tensor.shape for tensor in case.inputs):
        return None
    names = [f"x{number}" for number in range(len(case.inputs))]
    inputs = (Input(name, tensor.shape[1:], tensor.dtype) for name, tensor in zip(names, case.inputs, strict=True))
    layer = Layer("layer", case.op, tuple(map(Ref, names)))
    design = Design("alone", tuple(inputs), (layer,), (("y", Ref("layer")),))
    try:
        archscope.analyze(design)
    except archscope.UsageError:
        return None
    return design, batches.pop()


def holds(name: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=RELAXED)
    @given(RECORDS[name].cases)
    def modelled(case: Case) -> None:
        one = alone(case)
        if one is not None:
            assert differences(*one) == {}

    modelled()


@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))
def test_an_op_is_modelled_to_the_unit(name):
    holds(name, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))
def test_an_op_is_modelled_to_the_unit_on_many_cases(name):
    holds(name, 100)


@given(designs())
@settings(max_examples=8, deadline=None, suppress_health_check=RELAXED)
def test_a_random_design_is_modelled_to_the_unit(text):
    assert differences(archscope.load(text), batch=2) == {}


STRIDED = """
input: [6, 4, 4]
layers:
  - {Flatten: 2}
  - {Transpose: {dim0: 1, dim1: 2}}
  - {Linear: 8, name: strided}
  - {Linear: 6, name: dense}
  - {MultiheadAttention: {num_heads: 2, batch_first: true}}
  - {GRU: {hidden_size: 5, batch_first: true}}
"""


@pytest.mark.parametrize("batch", [1, 2])
def test_how_an_input_lies_decides_what_aten_sees(batch):
    """A bias is part of the product where rows lie in order: of the first layer it is not, of the second it is."""
    assert differences(archscope.load(STRIDED), batch) == {}
    bridge = reconcile(archscope.load(STRIDED), batch=batch).readings["ptflops aten"].work
    biased = {layer for term in bridge.terms if term.name == "bias" for layer in term.layers}
    assert "dense" in biased
    assert "strided" not in biased


SHARED = """
input: [3, 8, 8]
layers:
  - {Conv2d: {out_channels: 3, kernel_size: 3, padding: 1}, name: first}
  - repeat: 2
    layers: [{Conv2d: {out_channels: 3, kernel_size: 3, padding: 1}}, {reuse: first}, ReLU]
  - {Conv2d: {out_channels: 4, kernel_size: 1}, freeze: true}
"""


def test_layers_that_are_used_again_or_frozen():
    assert differences(archscope.load(SHARED), batch=2) == {}


@pytest.mark.parametrize(
    ("before", "arguments", "one_kernel"),
    [
        ("", "2, batch_first: true", True),
        ("{Linear: 6}, ", "2, batch_first: true", False),  # whose weights have a gradient
        ("", "3, batch_first: true", False),
        ("", "2", False),
    ],
)
def test_an_attention_that_is_wholly_frozen_may_be_one_kernel(before, arguments, one_kernel):
    """torch's counter knows no formula for that kernel, and counts nothing of it."""
    layer = f"{{MultiheadAttention: {{num_heads: {arguments}}}, freeze: true}}"
    design = archscope.load(f"input: [4, 6]\nlayers: [{before}{layer}]")
    assert differences(design, batch=2) == {}
    readings = reconcile(design, archscope.Setting(batch=2)).readings
    assert not any(one.work.refused for one in readings.values() if one.work)
    assert (readings["torch"].work.total == 0) == one_kernel


# -- running them ------------------------------------------------------------------------------------------------------


def test_a_difference_is_found(monkeypatch):
    design, other = archscope.load("lenet5"), archscope.load("lenet5", set={"classes": 11})
    monkeypatch.setattr(running, "build", lambda _, **options: archscope.build(other, **options))
    assert set(differences(design)) >= {"torch", "fvcore"}


def test_all_peers_but_keras_are_run():
    assert set(measure(archscope.load("lenet5"))) == set(PACKAGES) == set(PEERS) - {"keras"}


def test_a_peer_that_is_not_installed_says_so(monkeypatch):
    def version(package):
        if package == "thop":
            raise PackageNotFoundError
        return "1.0+cpu"

    monkeypatch.setattr(running, "version", version)
    measured = measure(archscope.load("lenet5"))
    assert measured["thop"] == Measured(failure="not installed")
    assert measured["torch"].version == "1.0"


def test_what_a_peer_stumbles_over_is_one_line():
    """fvcore asserts that a norm has at most 5 dimensions; ptflops prints its exception and gives None."""
    deep = archscope.load("input: [1, 2, 1, 2, 3]\nlayers: [LayerNorm]")
    assert measure(deep)["fvcore"].failure.startswith("AssertionError: ")
    broken = torch.nn.Identity()
    broken.design = archscope.load("lenet5")
    broken.forward = lambda x: 1 / 0
    for backend in ("pytorch", "aten"):
        with pytest.raises(RuntimeError, match=r"^ZeroDivisionError: division by zero$"):
            running._ptflops(backend)(broken, (torch.zeros(1, 1),))


def test_nothing_is_printed_and_nothing_left_behind(capfd):
    before = torch.nn.functional.relu, torch.matmul
    measure(archscope.load("lenet5"))
    assert (torch.nn.functional.relu, torch.matmul) == before
    assert capfd.readouterr() == ("", "")


def test_tensors_of_a_case_are_what_it_says():
    """That the test of an op can fail: a case of another width is not modelled by the first."""
    case = Case(tests.ops.records.base.REGISTRY["Linear"](out_features=3), (Tensor((2, 5)),))
    design, batch = alone(case)
    wider, _ = alone(Case(case.op, (Tensor((2, 6)),)))
    assert differences(design, batch) == {}
    assert set(differences(design, batch, measure(wider, batch=batch))) >= {"torch", "fvcore", "ptflops aten"}


def test_a_black_box_is_refused_by_every_rule_and_run_by_no_peer():
    design = archscope.load("input: [3]\nlayers: [{Linear: 4}, {Opaque: {output_shapes: [[2]], macs: 8}}]")
    assert {one.failure for one in measure(design).values()} == {"not run: incomplete: 1 opaque layer (Opaque)"}
    works = [one.work for one in archscope.reconcile(design).readings.values() if one.work is not None]
    assert {(work.refused, work.total) for work in works} == {(("Opaque",), None)}
