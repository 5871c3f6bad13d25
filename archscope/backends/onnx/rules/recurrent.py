"""Recurrent layers: one node is one layer, in one direction or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.rules import Rules
from archscope.backends.onnx.file import OnnxNode
from archscope.backends.onnx.lifting import GraphLifting, Rule
from archscope.backends.onnx.values import Constant
from archscope.design.graph import Ref

RULES: Rules[Rule] = Rules()

#: the order of the gates in ONNX, and that in torch
_GATES: Mapping[str, tuple[str, str]] = {"LSTM": ("iofc", "ifco"), "GRU": ("zrh", "rzh"), "RNN": ("h", "h")}


def _rule(kind: str) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> list[Ref]:
        return _recurrent(lift, node, kind)

    return rule


def _recurrent(lift: GraphLifting, node: OnnxNode, kind: str) -> list[Ref]:
    x, attributes = lift.ref(lift.value(node.inputs[0])), node.attributes
    direction = attributes.get("direction", "forward")
    if direction == "reverse":
        raise Unsupported("it runs backwards alone", "a recurrent layer in the reverse direction")
    for place, name in ((4, "lengths"), (5, "first hidden state"), (6, "first cell state"), (7, "peepholes")):
        state = lift.constant(node.inputs[place]) if lift.has(node, place) else None
        if lift.has(node, place) and (place == 4 or state is None or state.number != 0):
            raise Unsupported(f"it is given {name}", "a recurrent layer that starts with zeros")
    if kind == "GRU" and not attributes.get("linear_before_reset", 0):
        raise Unsupported("its reset gate comes before the product", "a GRU with linear_before_reset = 0")
    if attributes.get("layout", 0):
        raise Unsupported("its layout is batch first", "layout = 0")
    hidden, directions = int(attributes["hidden_size"]), 2 if direction == "bidirectional" else 1
    weights = {"ih": lift.weight(node, 1, "weight"), "hh": lift.weight(node, 2, "recurrent weight")}
    bias = lift.weight(node, 3, "bias") if lift.has(node, 3) else None
    options: dict[str, Any] = {} if directions == 1 else {"bidirectional": True}
    if kind == "RNN":
        names = {name.decode() if isinstance(name, bytes) else name for name in attributes.get("activations", ["Tanh"])}
        if names not in ({"Tanh"}, {"Relu"}):
            raise Unsupported(f"its activations are {', '.join(sorted(names))}", "Tanh or Relu")
        options["nonlinearity"] = names.pop().lower()
    elif attributes.get("activations"):
        raise Unsupported("its activations are not the usual ones", "those of the paper")
    parts = _weights(kind, weights, bias, hidden, directions)
    own = {name: lift.stored(part) for name, part in parts.items()}
    refs = lift.layer(kind, x, hidden_size=hidden, bias=bias is not None, weights=own, **options)
    length, batch = lift.sizes(x)[:2]
    if directions == 1:  # ONNX has a dimension of the directions before that of the samples
        return [lift.reshaped(refs[0], [length, 1, batch, hidden]), *refs[1:]]
    whole = lift.reshaped(refs[0], [length, batch, 2, hidden])
    return [lift.emit("Transpose", whole, dim0=1, dim1=2), *refs[1:]]


def _weights(
    kind: str, weights: Mapping[str, Constant], bias: Constant | None, hidden: int, directions: int
) -> dict[str, Constant]:
    """The weights by torch's names, the gates in its order."""
    here, there = _GATES[kind]
    order = [here.index(gate) for gate in there]
    parts: dict[str, Constant] = {}
    for number in range(directions):
        suffix = "l0" + ("_reverse" if number else "")
        for name, value in weights.items():
            parts[f"weight_{name}_{suffix}"] = _part(value, number, order)
        if bias is not None:
            rows = len(order) * hidden
            for which, name in enumerate(("ih", "hh")):
                part = bias.arrays[0][:, which * rows : (which + 1) * rows]
                parts[f"bias_{name}_{suffix}"] = _part(bias.rearranged((part, part)), number, order)
    return parts


def _part(value: Constant, direction: int, order: list[int]) -> Constant:
    gates = np.split(value.arrays[0][direction], len(order))
    ordered = np.concatenate([gates[place] for place in order]) if value.is_known else value.arrays[0][direction]
    return value.rearranged((ordered, ordered))


RULES.enter({kind: _rule(kind) for kind in _GATES})
