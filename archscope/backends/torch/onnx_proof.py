"""The module of a design that was read from ONNX, held against the file by their outputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from archscope.analysis.counts.account import analyze
from archscope.autograd.dtypes import HELD, NARROW
from archscope.backends.importing.proof import Check
from archscope.backends.onnx.prove import prove_shapes
from archscope.backends.onnx.reading import OnnxModel
from archscope.backends.onnx.values import BATCHES
from archscope.backends.onnx.widening import widen
from archscope.backends.torch.build import DTYPES, Network, build
from archscope.design import of_one_type
from archscope.errors import counted

#: what the reference evaluator, which is written in NumPy, does in some seconds
MOST_MACS = 200_000_000
MOST_ELEMENTS = 20_000_000
#: of all that a pass makes, which the evaluator holds until its end
MOST_BYTES = 2**30

_WHAT = "outputs on random inputs"
_SAME = "those of the file"
_REFERENCE = "onnx's reference evaluator"


def prove_onnx(model: OnnxModel, *, most_macs: int = MOST_MACS) -> Iterator[Check]:
    """Hold a design against the file that it was read from.

    Parameters, buffers and output shapes as the file has them; and, where the weights are in the file and the model is
    small, the outputs of the built module with those weights against onnx's reference evaluator; where that is known to
    be wrong, against onnxruntime.

    Args:
        most_macs: a larger model's outputs are not compared.
    """
    yield from prove_shapes(model)
    yield _outputs(model, most_macs)


def _outputs(model: OnnxModel, most_macs: int) -> Check:
    reason = _unmeasured(model, most_macs)
    if reason:
        return Check(_WHAT, _SAME, None, reason)
    batch, narrow = model.batch or BATCHES[0], _narrow(model)
    feeds = list(_inputs(model, batch))
    named = dict(zip(model.inputs, feeds, strict=True))
    runner = _REFERENCE
    try:
        import onnx

        proto = onnx.load(model.path)
        if narrow:
            widen(proto)
        mended, wrong = _mended(proto), _wrong(proto)
        if wrong:
            runner = f"onnxruntime, for {_REFERENCE} {wrong}"
            expected = _run_elsewhere(proto.SerializeToString() if narrow else model.path, named)
        else:
            runner += mended
            expected = _run_reference(proto, named)
    except ModuleNotFoundError:
        missing = "onnxruntime is not installed: `pip install onnxruntime`"
        return Check(_WHAT, _SAME, None, f"{_REFERENCE} {wrong}, and {missing}")
    except Exception as error:  # the evaluator tells what it does not know by every kind of exception
        message = (str(error).strip() or type(error).__name__).splitlines()[0][:150]
        return Check(_WHAT, _SAME, None, f"{runner.partition(',')[0]} stops: {message}")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = filled(model, wide=bool(narrow))(*map(torch.from_numpy, feeds))
    results = list(ours.values()) if isinstance(ours, dict) else [ours]
    note = f"{runner}, batch {batch}, {model.floating}"
    if narrow:
        note = f"{runner}, batch {batch}, in float32: how {' and '.join(sorted(narrow))} rounds is not compared"
    return _compared([result.numpy() for result in results], expected, note)


def _unmeasured(model: OnnxModel, most_macs: int) -> str:
    if any(weight.array is None for parts in model.weights.values() for weight in parts.values()):
        return "the weights are in another file"
    if any(value is None for value in model.constants.values()):
        return "some of its constants depend on the batch, which the file fixes"
    batch = model.batch or BATCHES[0]
    account = analyze(model.design, batch=batch, precision=model.floating)
    total = account.total
    if total.macs > most_macs or total.params > MOST_ELEMENTS:
        return f"{total.macs:,} MACs and {counted(total.params, 'parameter')} are too many for {_REFERENCE}"
    made = [tensor for row in account.rows for tensor in row.y] + [node.tensor(batch) for node in model.design.inputs]
    narrow, types = _narrow(model), _types(model)
    if narrow and "float64" in types:
        return f"its numbers are {' and '.join(sorted(types & {*HELD}))}; narrow ones are compared in float32"
    held = sum(4 * tensor.numel for tensor in made)
    if held > MOST_BYTES:
        return f"inputs and results of {held:,} bytes are too many for {_REFERENCE}, which holds all of them"
    return ""


def _types(model: OnnxModel) -> set[str]:
    """The types of all tensors of a design, and of what is cast."""
    rows = analyze(model.design, batch=model.batch or BATCHES[0], precision=model.floating).rows
    read = (node.dtype for node in model.design.inputs)
    return {one or model.floating for one in (None, *read, *(tensor.dtype for row in rows for tensor in row.y))}


def _narrow(model: OnnxModel) -> set[str]:
    """The types of 16 bits among them: the evaluator rounds those in its own way, so that both sides are widened."""
    return _types(model) & {*NARROW}


def _nodes(proto: Any) -> Iterator[Any]:
    yield from proto.graph.node
    for function in proto.functions:
        yield from function.node


def _version(proto: Any) -> int:
    return next((int(one.version) for one in proto.opset_import if one.domain in ("", "ai.onnx")), 0)


def _mended(proto: Any) -> str:
    """Turn the reference evaluator to what ONNX says, where it makes another thing of a model; how, in words.

    For batch norms of opsets 9 to 13 it reads ``momentum x stored + (1 - momentum) x batch`` statistics. ONNX says that
    an inference (one output) reads the stored ones: those are what a momentum of 1 leaves.
    """
    from onnx import helper

    norms = [node for node in _nodes(proto) if node.op_type == "BatchNormalization"]
    if not norms or not 9 <= _version(proto) < 14:
        return ""
    for node in norms:
        attributes = [one for one in node.attribute if one.name != "momentum"]
        del node.attribute[:]
        node.attribute.extend([*attributes, helper.make_attribute("momentum", 1.0)])
    return ", which reads the statistics of batch norms with a momentum of 1, so that it mixes in none of the batch"


def _wrong(proto: Any) -> str:
    """What onnx's reference evaluator is known to do wrong of a model, in words; empty where there is nothing."""
    version = _version(proto)
    for node in _nodes(proto):
        attributes = {one.name: one for one in node.attribute}
        if node.op_type == "BatchNormalization" and version < 9:
            return "takes a batch norm of an opset below 9 for one in training"
        if node.op_type == "MaxPool" and "pads" in attributes and len(set(attributes["pads"].ints)) > 1:
            return "takes the padding of an axis from another one"
        if node.op_type == "ConvTranspose" and "group" in attributes and attributes["group"].i > 1:
            return "mixes up the channels of groups"
        if node.op_type == "RNN" and "activations" in attributes and {*attributes["activations"].strings} != {b"Tanh"}:
            return "knows no other activation than Tanh in an RNN"
    return ""


def _inputs(model: OnnxModel, batch: int) -> Iterator[Any]:
    generator = np.random.default_rng(0)
    for node in model.design.inputs:
        shape = (batch, *node.shape)
        if node.floating:
            held = node.dtype or model.floating
            yield generator.random(shape, dtype=np.float32).astype("float32" if held in NARROW else held)
        else:
            yield generator.integers(0, 2, shape).astype(str(DTYPES[str(node.dtype)]).removeprefix("torch."))


def _run_reference(proto: Any, feeds: dict[str, Any]) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return list(ReferenceEvaluator(proto).run(None, feeds))


def _run_elsewhere(path: str | bytes, feeds: dict[str, Any]) -> list[Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it says comes back as an exception
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def filled(model: OnnxModel, *, wide: bool = False) -> Network:
    """The module of the design, with the weights of the file, ready for inference.

    Args:
        wide: in float32, whatever its types.
    """
    design, floating = (of_one_type(model.design), "float32") if wide else (model.design, model.floating)
    network = build(design, dtype=getattr(torch, floating)).eval()

    def array(values: Any) -> torch.Tensor:
        made = np.array(values)
        return torch.from_numpy(made.astype(np.float32) if wide and made.dtype.kind not in "iub" else made)

    state = network.state_dict()
    for layer, parts in model.weights.items():
        for name, weight in parts.items():
            assert weight.array is not None
            state[f"{network.names[layer]}.{name}"].copy_(array(weight.array))
    for layer, value in model.constants.items():
        assert value is not None
        around, _, name = network.names[layer].rpartition(".")
        network.get_submodule(around)._modules[name] = _Value(array(value))
    return network


class _Value(nn.Module):
    """A constant that has its value, whatever arrives."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value if value.ndim else value.reshape(1)

    def forward(self, *_: torch.Tensor) -> torch.Tensor:
        return self.value


def _compared(results: list[Any], expected: list[Any], note: str) -> Check:
    largest, compared = 0.0, 0
    for one, other in zip(results, expected, strict=True):
        if one.shape != other.shape:
            return Check(_WHAT, _SAME, f"of the shape {one.shape}, not {other.shape}", note)
        a, b = one.astype(np.float64), other.astype(np.float64)
        finite = np.isfinite(b)
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
            odd = "they are not NaN or infinite in the same places"
            return Check(_WHAT, _SAME, "others", f"{note}; {odd}")
        scale = max(float(np.abs(b[finite]).max(initial=0)), 1e-6)
        largest = max(largest, float(np.abs(a[finite] - b[finite]).max(initial=0)) / scale)
        compared += int(finite.sum())
    if not compared and any(one.size for one in expected):
        odd = "all are NaN or infinite, in the same places, which says little"
        return Check(_WHAT, _SAME, None, f"{note}; {odd}")
    note += f"; they differ by {largest:.1e} of the largest"
    return Check(_WHAT, _SAME, _SAME if largest < 1e-4 else "others", note)
