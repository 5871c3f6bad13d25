"""An ONNX file as a design."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archscope.backends.importing.constants import ValueFile
from archscope.backends.importing.refusals import Refusal
from archscope.backends.onnx.file import Array, Graph, Port, opened
from archscope.backends.onnx.lift import Lifter
from archscope.backends.onnx.lifting import Made
from archscope.design import Design
from archscope.design.graph import Ref
from archscope.errors import UsageError, counted

#: a message lists so many refusals
_MOST_LISTED = 20


@dataclass(frozen=True)
class LayerTensor:
    """A parameter or a buffer of a layer.

    Attributes:
        source: the name of the stored tensor.
        shape: in the layout of the layer's.
        array: its values; ``None`` where they lie in another file.
    """

    source: str
    shape: tuple[int, ...]
    array: Array | None


@dataclass(frozen=True)
class OnnxModel:
    """What was read.

    Attributes:
        path: of the file.
        design: flat; its inputs have the file's names.
        inputs: names of the file's inputs, in the order of the design's.
        outputs: the file's, with the sizes that it declares.
        stored: shapes of the tensors of the file that are weights.
        weights: by layer, and by the name that a tensor has in the layer.
        constants: values of the ``Constant`` layers that do not hold them, at a batch of 2 where they depend on it;
            ``None`` of those that are not known at the batch of the file.
        batch: that the file is written for; ``None`` is any.
        notes: what was left out or evaluated, a line each.
        floating: the floating type that the file has, float32 where it has several.
        value_file: values of constants that go into a file beside the spec.
    """

    path: str
    design: Design
    inputs: tuple[str, ...]
    outputs: tuple[Port, ...]
    stored: Mapping[str, tuple[int, ...]]
    weights: Mapping[str, Mapping[str, LayerTensor]] = field(repr=False)
    constants: Mapping[str, Array | None] = field(repr=False)
    batch: int | None = None
    floating: str = "float32"
    notes: tuple[str, ...] = ()
    value_file: ValueFile | None = field(default=None, repr=False)


def read_onnx(
    path: str | os.PathLike[str],
    *,
    input: Sequence[int] | Mapping[str, Sequence[int]] | None = None,  # noqa: A002  # it is called so everywhere
    name: str | None = None,
) -> OnnxModel:
    """Read an ONNX file. Nothing in it is run, and weights beside it are not opened.

    Args:
        input: sizes of the inputs without the batch, which is dimension 0, where the file leaves them open.
        name: of the design; the file's name if left out.

    Raises:
        MissingLibrary: onnx is not installed.
        UsageError: the file cannot be read, or has nodes that cannot be said in ops; the message lists all of them.
    """
    graph = opened(path)
    name = name or Path(path).stem
    lifter = Lifter(graph, _by_input(graph, input), name)
    lifter.run()
    if lifter.lifting.refusals:
        raise UsageError(_listed(os.fspath(path), lifter.lifting.refusals))
    return _finished(lifter, os.fspath(path))


def _by_input(graph: Graph, sizes: Any) -> Mapping[str, Sequence[int]]:
    if sizes is None or isinstance(sizes, Mapping):
        return sizes or {}
    if len(graph.inputs) != 1:
        names = ", ".join(port.name for port in graph.inputs) or "none"
        raise UsageError(f"the model has {len(graph.inputs)} inputs ({names}): say which one the sizes are for")
    return {graph.inputs[0].name: sizes}


def _listed(path: str, refusals: Sequence[Refusal]) -> str:
    counts = Counter(f"{one.place}: {one.what}" + (f"; needed: {one.needed}" if one.needed else "") for one in refusals)
    lines = [f"  {line}" + (f" ({count} times)" if count > 1 else "") for line, count in counts.items()]
    if len(lines) > _MOST_LISTED:
        lines[_MOST_LISTED:] = [f"  ... and {len(lines) - _MOST_LISTED} more"]
    return "\n".join([f"{path} cannot be said as a design:", *lines])


def _finished(lifter: Lifter, path: str) -> OnnxModel:
    lift, graph = lifter.lifting, lifter.lifting.graph
    values = {port.name: lift.get(port.name) for port in graph.outputs}
    results = {output: ref for output, ref in values.items() if isinstance(ref, Ref)}
    lift.draft.prune(results.values())
    live = {key: lift.made[key] for key in lift.draft.keys}
    for key, (label, numbered) in zip(live, _names(live.values()), strict=True):
        lift.draft.call(key, label, numbered=numbered)
    for output, ref in results.items():
        lift.draft.output(output.replace("/", "_"), ref)
    design = lift.draft.design()
    weights: dict[str, Mapping[str, LayerTensor]] = {}
    constants: dict[str, Array | None] = {}
    for layer, made in zip(design.layers, live.values(), strict=True):
        if "" in made.weights:
            value = made.weights[""]
            certain = value.is_known and (value.steady or lift.batch is None)
            if "value" not in made.op.non_default():
                constants[layer.name] = value.arrays[0] if certain else None
        elif made.weights and layer.shares is None:
            weights[layer.name] = {
                part: LayerTensor(value.source, value.shape, value.arrays[0] if value.is_known else None)
                for part, value in made.weights.items()
            }
    used = {value.source for made in live.values() for part, value in made.weights.items() if part and value.source}
    return OnnxModel(
        path,
        design,
        tuple(port.name for port in graph.inputs),
        graph.outputs,
        {source: graph.initializers[source].array.shape for source in graph.initializers if source in used},
        weights,
        constants,
        lift.batch,
        lift.floating,
        tuple(_notes(lifter, used)),
        lift.value_file,
    )


def _notes(lifter: Lifter, used: set[str]) -> Iterable[str]:
    lift, doubled = lifter.lifting, lifter.lifting.owners.doubled
    if lift.batch is not None:
        yield f"the file is written for a batch of {lift.batch}; the design takes any"
    if lifter.folded:
        yield f"{counted(lifter.folded, 'node')} that no input decides were evaluated"
    if doubled:
        names = ", ".join(sorted(doubled)[:5])
        yield f"{len(doubled)} stored tensors are weights of several layers, each of which counts its own: {names}"
    read = {name for node in lift.graph.nodes for name in node.inputs}
    unused = [name for name in lift.graph.initializers if name not in read]
    if unused:
        yield f"{len(unused)} stored tensors are read by no node: {', '.join(unused[:5])}"
    idle = [
        name for name, stored in lift.graph.initializers.items()
        if name in read and name not in used and stored.array.ndim and stored.array.dtype.kind not in "iub"
    ]  # fmt: skip
    if idle:
        yield f"{len(idle)} stored tensors are constants, not weights: {', '.join(idle[:5])}"


def _names(live: Collection[Made]) -> Iterable[tuple[str, bool]]:
    """What each layer is called: after its weights; after its module, where it is the only one in it.

    Others are called after their ops, in the block of their module.
    """
    counts = Counter(layer.name for layer in live)
    paths = [layer.name.split(".") for layer in live]
    blocks = {".".join(parts[:depth]) for parts in paths for depth in range(1, len(parts))}
    for layer in live:
        if layer.stemmed:
            yield layer.longer if layer.name in blocks else layer.name, False
        else:
            yield layer.name, not layer.name or counts[layer.name] > 1 or layer.name in blocks
