"""Names of functional calls as a spec gives them by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from archscope.design import Design
from archscope.graph import Layer, Ref


def renumbered(design: Design) -> Design:
    """The design with its layers that are called after their op numbered as specs do: ``Add_1``, ``Add_2``.

    A draft numbers from the second on (``Add``, ``Add_2``), and a spec then has to write every name. Other names
    stay; all do where one of the new ones is taken.
    """
    blocks = {".".join(layer.path[:depth]) for layer in design.layers for depth in range(1, len(layer.path))}
    taken = {layer.name for layer in design.layers} | blocks | {node.name for node in design.inputs}
    new = dict(_numbers(design.layers))
    if set(new.values()) & (taken - set(new)):  # a module has such a name
        return design

    def moved(ref: Ref) -> Ref:
        return Ref(new.get(ref.node, ref.node), ref.output)

    layers = tuple(
        replace(
            layer,
            name=new.get(layer.name, layer.name),
            inputs=tuple(map(moved, layer.inputs)),
            shares=None if layer.shares is None else new.get(layer.shares, layer.shares),
        )
        for layer in design.layers
    )
    return replace(design, layers=layers, outputs=tuple((name, moved(ref)) for name, ref in design.outputs))


def _numbers(layers: tuple[Layer, ...]) -> Iterator[tuple[str, str]]:
    """Names called after ops, each with the one that a spec gives."""
    lists: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for layer in layers:
        if re.fullmatch(rf"{layer.kind}(_[0-9]+)?", layer.path[-1]):
            lists.setdefault((layer.path[:-1], layer.kind), []).append(layer.name)
    for (around, kind), names in lists.items():
        for number, name in enumerate(names, 1):
            yield name, ".".join((*around, kind if len(names) == 1 else f"{kind}_{number}"))
