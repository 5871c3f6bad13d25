"""The module of a design that was read from ONNX, held against the file by their outputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from archscope.analysis.account import analyze
from archscope.backends.onnx.prove import prove_shapes
from archscope.backends.onnx.reading import OnnxModel
from archscope.backends.onnx.values import BATCHES
from archscope.backends.proof import Check
from archscope.backends.torch.build import DTYPES, Network, build

#: what the reference evaluator, which is written in NumPy, does in some seconds
MOST_MACS = 200_000_000
MOST_ELEMENTS = 20_000_000

_WHAT = "outputs on random inputs"
_SAME = "those of the file"


def prove_onnx(model: OnnxModel, *, most_macs: int = MOST_MACS) -> Iterator[Check]:
    """Hold a design against the file that it was read from.

    Parameters, buffers and output shapes as the file has them; and, where the weights are in the file and the model is
    small, the outputs of the built module with those weights against onnx's reference evaluator.

    Args:
        most_macs: a larger model's outputs are not compared.
    """
    yield from prove_shapes(model)
    yield _outputs(model, most_macs)


def _outputs(model: OnnxModel, most_macs: int) -> Check:
    reason = _unmeasured(model, most_macs)
    if reason:
        return Check(_WHAT, _SAME, None, reason)
    batch = model.batch or BATCHES[0]
    given = list(_inputs(model, batch))
    try:
        expected = _run_file(model.path, dict(zip(model.inputs, given, strict=True)))
    except Exception as error:  # the evaluator tells what it does not know by every kind of exception
        told = (str(error).strip() or type(error).__name__).splitlines()[0][:150]
        return Check(_WHAT, _SAME, None, f"onnx's reference evaluator stops: {told}")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = filled(model)(*map(torch.from_numpy, given))
    results = list(found.values()) if isinstance(found, dict) else [found]
    return _compared([result.numpy() for result in results], expected, batch)


def _unmeasured(model: OnnxModel, most_macs: int) -> str:
    if any(weight.array is None for parts in model.weights.values() for weight in parts.values()):
        return "the weights are in another file"
    if any(value is None for value in model.constants.values()):
        return "some of its constants depend on the batch, which the file fixes"
    total = analyze(model.design, batch=model.batch or BATCHES[0]).total
    if total.macs > most_macs or total.params > MOST_ELEMENTS:
        return f"{total.macs:,} MACs and {total.params:,} parameters are too many for onnx's reference evaluator"
    return ""


def _inputs(model: OnnxModel, batch: int) -> Iterator[Any]:
    generator = np.random.default_rng(0)
    for node in model.design.inputs:
        shape = (batch, *node.shape)
        if node.dtype is None:
            yield generator.random(shape, dtype=np.float32)
        else:
            yield generator.integers(0, 2, shape).astype(str(DTYPES[node.dtype]).removeprefix("torch."))


def _run_file(path: str, given: dict[str, Any]) -> list[Any]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return list(ReferenceEvaluator(onnx.load(path)).run(None, given))


def filled(model: OnnxModel) -> Network:
    """The module of the design, with the weights of the file, ready for inference."""
    network = build(model.design).eval()
    state = network.state_dict()
    for layer, parts in model.weights.items():
        for name, weight in parts.items():
            assert weight.array is not None
            state[f"{network.names[layer]}.{name}"].copy_(torch.from_numpy(np.array(weight.array)))
    for layer, value in model.constants.items():
        assert value is not None
        around, _, name = network.names[layer].rpartition(".")
        network.get_submodule(around)._modules[name] = _Value(torch.from_numpy(np.array(value)))
    return network


class _Value(nn.Module):
    """A constant that has its value, whatever arrives."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value if value.ndim else value.reshape(1)

    def forward(self, *_: torch.Tensor) -> torch.Tensor:
        return self.value


def _compared(found: list[Any], expected: list[Any], batch: int) -> Check:
    note = f"onnx's reference evaluator, batch {batch}, float32"
    largest = 0.0
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            return Check(_WHAT, _SAME, f"of the shape {one.shape}, not {other.shape}", note)
        scale = max(float(np.abs(other).max(initial=0)), 1e-6)
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
        largest = max(largest, float(apart.max(initial=0)) / scale)
    note += f"; they differ by {largest:.1e} of the largest"
    return Check(_WHAT, _SAME, _SAME if largest < 1e-4 else "others", note)
