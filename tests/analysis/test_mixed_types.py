"""Designs whose layers are held in several floating types, against torch."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from torch import nn

import archscope
from archscope.analysis.step.memory import memory
from archscope.analysis.time.traffic import traffic
from archscope.backends.torch.build import build, inputs
from archscope.backends.torch.check import kept_by, plain
from archscope.backends.torch.influence import influence
from archscope.cli import main
from archscope.errors import SpecError
from archscope.spec.schema import schema
from archscope.spec.writer import to_yaml
from tests.analysis.step.test_memory import timeline, watched_inference
from tests.designs import mixed
from tests.examples import examples
from tests.oracle import inference, step

pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # of RMSNorm: it is slower
MANY = settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))


@given(mixed(), st.sampled_from(["sgd", "adam"]), st.booleans())
@MANY
def test_a_step_of_mixed_designs_takes_what_torch_takes(text, optimizer, autocast):
    design = archscope.load(text)
    assume(archscope.analyze(design).total.params)
    assert timeline(design, 2, optimizer, autocast=autocast) == step(
        design, 2, optimizer, autocast=autocast, fake=False
    )


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_autocast_remembers_casts_of_float32_weights_alone(op):
    """Weights in half it casts at each of 20 steps (at::autocast::cached_cast)."""
    text = f"input: [20, 8]\nlayers: [{{Cast: half}}, {{{op}: {{hidden_size: 8, batch_first: true}}, dtype: half}}]"
    design = archscope.load(text)
    assert timeline(design, 2, "sgd", autocast=True) == step(design, 2, "sgd", autocast=True, fake=False)


@given(mixed())
@MANY
def test_mixed_designs_weigh_what_torch_holds(text):
    design = archscope.load(text)
    network = build(design)
    made: dict[str, list[torch.Tensor]] = {}
    for name, path in network.names.items():
        network.get_submodule(path).register_forward_hook(partial(_note, made, name))
    network.eval()(*inputs(design, 2))
    account, used = archscope.analyze(design, batch=2), memory(design, batch=2)
    for row in account.rows:
        assert [one.dtype or "float32" for one in row.y] == [_type(one) for one in made[row.name]], row.name
        module = network.layer(row.name)
        assert row.cost.param_bytes == sum(one.nbytes for one in module.parameters())
        assert row.cost.buffer_bytes == sum(one.nbytes for one in module.buffers())
        assert row.cost.activation_bytes in (0, sum(one.nbytes for one in made[row.name]))
    assert used.parameters == sum(one.nbytes for one in network.parameters())
    assert used.buffers == sum(one.nbytes for one in network.buffers())
    assert watched_inference(design, 2)[1] == inference(design, 2, fake=False)


def _note(made, name, module, x, y):
    made[name] = list(y) if isinstance(y, (tuple, list)) else [y]


def _type(tensor):
    return str(tensor.dtype).removeprefix("torch.")


class Llamalike(nn.Module):
    """Weights in bfloat16, a router and a norm's arithmetic in float32, as such models are written."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 16, dtype=torch.bfloat16)
        self.scale = nn.Parameter(torch.ones(16, dtype=torch.bfloat16))
        self.router = nn.Linear(16, 3)
        self.head = nn.Linear(16, 5, dtype=torch.bfloat16)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.inner(x)
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        x = self.scale * wide.to(torch.bfloat16)
        return self.router(x.float()), self.head(x)


SAID = """
inputs: {input: {shape: [4, 8], dtype: bfloat16}}
layers:
  - {name: inner, Linear: 16, dtype: bfloat16}
  - {name: wide, Cast: float32}
  - {name: square, Power: 2}
  - {name: mean, Mean: {dim: -1, keepdim: true}}
  - {name: shifted, Shift: 1e-6}
  - Rsqrt
  - {name: normal, Multiply: [wide, Rsqrt]}
  - {name: narrow, Cast: bfloat16}
  - {name: scale, Parameter: [16], dtype: bfloat16}
  - {name: x, Multiply: [scale, narrow]}
  - {name: for_router, Cast: float, from: x}
  - {name: router, Linear: 3, from: for_router}
  - {name: head, Linear: 5, from: x, dtype: bfloat16}
outputs: {routes: router, logits: head}
"""


def test_a_model_of_two_types_is_accounted_as_torch_holds_it():
    model = Llamalike()
    x = torch.rand(2, 4, 8).bfloat16()
    account = archscope.analyze(archscope.load(SAID), batch=2)
    assert account.total.param_bytes == sum(one.nbytes for one in model.parameters()) == 2 * (144 + 16 + 85) + 4 * 51
    assert [(row.output_shape, row.y[0].dtype) for row in account.rows[-2:]] == [((4, 3), None), ((4, 5), "bfloat16")]
    assert [one.dtype for one in model(x)] == [torch.float32, torch.bfloat16]
    assert memory(account.design, batch=2).saved_bytes == kept_by(model, lambda: model(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_mark_is_stronger_than_the_precision_of_the_run(dtype):
    design = archscope.load(SAID)
    network = build(design, dtype=dtype)
    held = {name: _type(one) for name, one in network.named_parameters()}
    run = _type(torch.empty(0, dtype=dtype))
    assert {held["inner.weight"], held["inner.bias"], held["scale.weight"], held["head.weight"]} == {"bfloat16"}
    assert held["router.weight"] == run
    routes, logits = network(*inputs(design, 2, dtype=dtype)).values()
    assert (_type(routes), _type(logits)) == (run, "bfloat16")
    account = archscope.analyze(design, batch=2, precision=run)
    assert account.total.param_bytes == sum(one.nbytes for one in network.parameters())
    assert memory(design, batch=2, precision=run).parameters == account.total.param_bytes


CLASH = "input: [8]\nlayers:\n  - {name: a, Linear: 4}\n  - {Cast: float32}\n  - {name: b, Linear: 4, dtype: float32}\n"


def test_a_run_in_a_type_that_does_not_go_with_a_mark_is_refused_as_torch_does():
    design = archscope.load(CLASH + "  - {name: c, Linear: 2}\n")
    with pytest.raises(RuntimeError, match="same dtype"):
        build(design, dtype=torch.bfloat16)(torch.rand(2, 8).bfloat16())
    with pytest.raises(SpecError) as caught:
        archscope.analyze(design, precision="bfloat16")
    (found,) = caught.value.diagnostics
    assert str(found.mark) == "<text>:6:15"
    assert found.message == (
        "Linear: its weights are bfloat16, and what arrives is float32; in a run in bfloat16 torch does not mix them"
    )
    assert found.hint == "`Cast: float` before it, or `dtype: float32` beside the layer"


RUNS = {
    "float32": (torch.float32, None), "bfloat16": (torch.bfloat16, None), "float16": (torch.float16, None),
    "bf16-mixed": (torch.float32, torch.bfloat16),
}  # fmt: skip
BESIDE = [
    "- {Linear: 5, dtype: bfloat16}",
    "- {Linear: 5, dtype: float32}",
    "- {Linear: 5, dtype: float64}",
    "- Linear: 4\n  - {LayerNorm: , dtype: bfloat16}",
    "- Linear: 4\n  - {LayerNorm: , dtype: float32}",
    "- Linear: 4\n  - {LayerNorm: , dtype: float64}",
    "- Cast: bfloat16\n  - Linear: 4",
    "- Cast: float\n  - {Linear: 4, dtype: float32}",
    "- MatMul: [[Cast: float16], [Transpose: {dim0: 1, dim1: 2}]]",
    "- {Embedding: {num_embeddings: 3, embedding_dim: 4}, dtype: bfloat16, from: ids}\n  - Linear: 3",
    "- {name: a, Linear: 4}\n  - {Linear: 4, dtype: bfloat16}\n  - {Concat: {inputs: [[], a], dim: 1}}",
    "- {name: a, Linear: 4}\n  - Bilinear: {inputs: [a, input], out_features: 3}",
]
QUESTIONS = [
    lambda design, run: archscope.analyze(design, run).total.macs,
    memory,
    traffic,
    lambda design, run: archscope.explain(design, None, run),
    lambda design, run: archscope.compare([design, design], setting=run).frame,
]


@pytest.mark.parametrize("layers", BESIDE)
@pytest.mark.parametrize("word", RUNS)
def test_types_go_together_in_a_run_as_torch_runs_it(layers, word):
    """The same design is one in a precision, and none in another; every question is answered alike."""
    text = f"inputs: {{input: [3, 4], ids: {{shape: [3], dtype: int64}}}}\nlayers:\n  {layers}\n"
    design, (held, lower) = archscope.load(text), RUNS[word]
    network = build(design, dtype=held)
    with torch.autocast("cpu", lower or torch.bfloat16, enabled=lower is not None), torch.no_grad():
        try:
            network(*inputs(design, 2, dtype=held))
        except (RuntimeError, ValueError):
            legal = False
        else:
            legal = True
    for question in QUESTIONS:
        run = archscope.Setting(batch=2, precision=word)
        if legal:
            question(design, run)
            continue
        with pytest.raises(SpecError) as caught:
            question(design, run)
        assert all(one.mark and one.mark.line >= 3 and one.hint for one in caught.value.diagnostics)
        assert "batch" not in str(caught.value)


@given(mixed(), st.sampled_from(sorted({*RUNS} - {"float32"})))
@MANY
def test_mixed_designs_are_legal_in_a_run_where_torch_runs_them_and_give_its_types(text, word):
    design, (held, lower) = archscope.load(text), RUNS[word]
    network = build(design, dtype=held)
    with plain(), torch.autocast("cpu", lower or torch.bfloat16, enabled=lower is not None), torch.no_grad():
        try:
            expected = _type(network(*inputs(design, 2, dtype=held)))
        except RuntimeError as error:
            assume("not implemented for" not in str(error))
            expected = None
    try:
        row = archscope.analyze(design, batch=2, precision=word).rows[-1]
    except SpecError:
        assert expected is None
    else:
        assert (row.y[0].dtype or _type(torch.empty(0, dtype=held))) == expected


def test_what_no_precision_takes_is_refused_where_it_is_loaded():
    """float16 beside float64: no run makes them one, for both are named, and autocast leaves float64 as it is."""
    with pytest.raises(SpecError, match="float16, and input 2 is float64; torch does not mix them"):
        archscope.load(
            "input: [3, 4]\nlayers:\n  - MatMul: [[Cast: float16], [Cast: float64, Transpose: {dim0: 1, dim1: 2}]]\n"
        )


def test_autocast_leaves_float64_as_it_is():
    """A layer in float64 keeps its input in it; one in float32 keeps 2 x 4 numbers of 2 bytes."""
    text = "inputs: {input: {shape: [4], dtype: float64}}\nlayers:\n  - {name: a, Linear: 4, dtype: float64}\n"
    text += "  - {Cast: float}\n  - Linear: 4\n"
    design = archscope.load(text)
    network, x = build(design), inputs(design, 2)
    with torch.autocast("cpu", torch.bfloat16):
        expected = kept_by(network, lambda: network(*x))
    assert memory(design, batch=2, precision="bf16-mixed").saved_bytes == expected == 2 * 4 * 8 + 2 * 4 * 2 + 4 * 4 * 2


def test_fields_are_measured_whatever_the_types():
    design = archscope.load(SAID)
    assert influence(design, "head", (2,)).tolist() == [False, False, True, False]


def test_a_layer_is_multiplied_by_the_units_of_its_own_type():
    """1024^2 x 2 x 64 operations each: float32 in products on the A100 at 19.5 TFLOP/s, bfloat16 at 312 (NVIDIA)."""
    linear = "  - {{name: {0}, Linear: {{out_features: 1024, bias: false}}{1}}}\n"
    text = "input: [1024]\nlayers:\n" + linear.format("wide", "") + "  - {Cast: bfloat16}\n"
    design = archscope.load(text + linear.format("narrow", ", dtype: bfloat16"))
    found = archscope.predict(design, batch=64, device="a100-40gb", mode="infer")
    compute = {one.part.name: one.forward.compute for one in found.parts}
    assert compute["wide"] == pytest.approx(2 * 64 * 1024**2 / 19.5e12, rel=0.1)
    assert compute["wide"] / compute["narrow"] == pytest.approx(312 / 19.5)
    lowered = archscope.predict(design, batch=64, device="a100-40gb", mode="infer", precision="bf16-mixed")
    assert len({one.forward.compute for one in lowered.parts if one.part.op == "Linear"}) == 1


def test_weights_alone_are_counted_in_elements_whatever_their_types():
    found = memory(archscope.load(SAID))
    assert (found.weights_as("float32"), found.weights_as("int8")) == (4 * 296, 296)
    assert found.types == ("float32", "bfloat16")


def test_types_are_told_where_they_differ(tmp_path):
    spec = tmp_path / "said.yaml"
    spec.write_text("name: said" + SAID)
    shown = CliRunner().invoke(main, ["analyze", str(spec)]).stdout.splitlines()
    assert shown[2].split()[:4] == ["layer", "op", "output", "type"]
    lines = {line.split()[0]: line.split() for line in shown[4:] if line}
    assert (lines["head"][5], lines["router"][5]) == ("bfloat16", "float32")
    found = json.loads(CliRunner().invoke(main, ["analyze", str(spec), "--json", "-"]).stdout)
    layers = {layer["name"]: layer for layer in found["designs"][0]["layers"]}
    assert (layers["head"]["output_dtypes"], layers["router"]["output_dtypes"]) == (["bfloat16"], ["float32"])
    assert "type" not in CliRunner().invoke(main, ["analyze", "lenet5"]).stdout.splitlines()[2].split()


def test_an_explanation_says_what_a_layer_is_held_in():
    lines = {line.figure: line for line in archscope.explain(archscope.load(SAID), "head")[0].lines}
    assert (lines["weight"].note, lines["bias"].note) == ("bfloat16", "bfloat16")
    # 64 inputs, 85 parameters and 20 outputs of 2 bytes
    assert (lines["bytes_moved"].result, lines["bytes_moved"].note.rpartition(", ")[2]) == (
        2 * (64 + 85 + 20),
        "bfloat16",
    )
    assert (lines["saves"].result, lines["saves"].note) == (64 * 2, "the output of x")


@given(mixed())
@MANY
def test_mixed_designs_come_back_from_their_text(text):
    design = archscope.load(text)
    again = archscope.load(to_yaml(design))
    assert (again.layers, again.inputs) == (design.layers, design.inputs)
    assert not list(Draft202012Validator(schema()).iter_errors(yaml.safe_load(text)))
