"""A design as a flat spec: every layer by its full name and with its arguments in numbers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import yaml

from archscope.design import Design
from archscope.design.graph import Layer, Ref
from archscope.ops import Op
from archscope.ops.legal import apply
from archscope.spec import language


def to_yaml(design: Design) -> str:
    """The spec of a design without blocks, repeats and variables. Loading it gives the same layers.

    Published figures, budgets and facts are left out: they are about the spec that states them.
    """
    content: dict[str, Any] = {"name": design.name}
    if design.source:
        content["source"] = design.source
    content["inputs"] = {
        node.name: {"shape": list(node.shape), "dtype": node.dtype or "float"} for node in design.inputs
    }
    several = {layer.name for layer in design.layers if layer.op.main_output is None}
    previous: Ref | None = Ref(design.inputs[0].name)
    layers: list[dict[str, Any]] = []
    open_region: str | None = None
    for step in design.steps():
        layer = step.layer
        entry = _entry(layer, previous, several, layer.op.parameters(*step.x))
        if layer.checkpoint is None:
            layers.append(entry)
        elif layer.checkpoint == open_region:
            layers[-1]["layers"].append(entry)
        else:
            layers.append({"layers": [entry], "checkpoint": True})
        open_region = layer.checkpoint
        previous = None if layer.op.main_output is None else Ref(layer.name, layer.op.main_output)
    content["layers"] = layers
    content["outputs"] = {name: _reference(ref, several) for name, ref in design.outputs}
    return dumped(content)


def reads_nothing_unasked(op: Op) -> bool:
    """Whether an op reads what arrives only if its ``from:`` says so, because it needs no input."""
    return op.arity.least == 0 and bool(apply(op, ())[0])


def dumped(content: dict[str, Any]) -> str:
    """The text of a spec from its parts, in their order: plain values, lists and mappings of such.

    It says which version of the language it is written in: a written file may outlive the program.
    """
    whole = {language.KEY: language.LANGUAGE} | content
    return yaml.dump(whole, Dumper=_Dumper, sort_keys=False, width=120, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Safe YAML without aliases: equal values are written out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _reference(ref: Ref, several: set[str]) -> str:
    return f"{ref.node}[{ref.output}]" if ref.node in several else str(ref)


def _entry(layer: Layer, previous: Ref | None, several: set[str], parameters: Collection[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if layer.shares is not None:
        entry["reuse"] = layer.shares
    else:
        kinds = {info.name: info.kind for info in layer.op.fields}
        entry[layer.kind] = {name: kinds[name].written(value) for name, value in layer.op.non_default().items()} or None
    entry["name"] = layer.name
    if layer.inputs and (layer.inputs != (previous,) or reads_nothing_unasked(layer.op)):
        references = [_reference(ref, several) for ref in layer.inputs]
        entry["from"] = references if len(references) > 1 else references[0]
    if layer.frozen and layer.shares is None:
        entry["freeze"] = frozen_as(layer, parameters)
    if layer.begins:
        entry["init"] = dict(layer.begins)
    if layer.no_grad:
        entry["no_grad"] = True
    if layer.dtype is not None and layer.shares is None:
        entry["dtype"] = layer.dtype
    return entry


def frozen_as(layer: Layer, parameters: Collection[str]) -> bool | list[str]:
    """What stands behind ``freeze:`` of a layer that is frozen, in part at least.

    Args:
        parameters: the names of all its parameters.
    """
    return True if set(layer.frozen) == set(parameters) else list(layer.frozen)
