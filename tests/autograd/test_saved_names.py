"""Every tensor that a layer keeps for the backward pass has a name, whatever the op."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, given, settings

import archscope
import tests.ops.records
from archscope.analysis.step.memory import memory
from archscope.design import Design
from archscope.design.graph import Input, Layer, Ref
from archscope.errors import UsageError
from archscope.ops import REGISTRY
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records


def trained(case: Case) -> Design:
    """The op behind layers that are trained, so that it keeps all that it would."""
    op, x = case
    inputs = tuple(Input(f"x{i}", tensor.shape[1:], tensor.dtype) for i, tensor in enumerate(x))
    before = [Layer(f"p{i}", REGISTRY["PReLU"](), (Ref(f"x{i}"),)) for i, one in enumerate(x) if one.dtype is None]
    made = {layer.name for layer in before}
    reads = tuple(Ref(f"p{i}" if f"p{i}" in made else f"x{i}") for i in range(len(x)))
    outputs = tuple((f"y{i}", Ref("L", i)) for i in range(len(op.outputs(*x))))
    return Design("case", inputs, (*before, Layer("L", op, reads)), outputs)


def words(design: Design, batch: int) -> Iterator[str]:
    """What is kept, on both kinds of device."""
    for device, precision in (("cpu", "float32"), ("cuda", "bf16-mixed")):
        try:
            yield from (piece.what for piece in memory(design, batch=batch, device=device, precision=precision).saved)
        except UsageError:  # what torch does there is not known, or this batch is not allowed
            continue


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_what_is_kept_has_a_name(name: str) -> None:
    @settings(max_examples=examples(9), deadline=None, suppress_health_check=list(HealthCheck))
    @given(RECORDS[name].cases)
    def holds(case: Case) -> None:
        assume(all(tensor.shape for tensor in case.inputs))
        found = list(words(trained(case), case.inputs[0].shape[0] if case.inputs else 1))
        assert [what for what in found if not what.partition(",")[0].strip()] == []

    holds()


@pytest.mark.parametrize(
    ("layer", "kept"),
    [
        ("Softsign", ["the output of p", "1 + |x|"]),  # x / (1 + |x|): |x| keeps x, the quotient both sides
        ("Tanhshrink", ["tanh(x)"]),  # x - tanh(x)
        ("{Multiply: [p, p, p]}", ["the output of p", "inputs 1 to 2 together"]),
    ],
)
def test_names_of_what_is_made_on_the_way(layer: str, kept: list[str]) -> None:
    design = archscope.load(f"input: [4]\nlayers:\n  - {{PReLU: , name: p}}\n  - {layer}\n")
    assert set(kept) <= {piece.what for piece in memory(design).saved} <= {"the input", *kept}
