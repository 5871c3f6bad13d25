"""Blocks of designs: something read on recorded numbers, worked out for many designs, and told design by design."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from archscope.arith.recorded import Recorder
from archscope.sweeps.structures import Leaf, Tree


class Refused(Exception):
    """What is read is wrong."""


def worked_out(columns: Mapping[str, Sequence[Any]], read: Callable[[dict[str, Any]], Sequence[Any]]) -> list[Any]:
    """Of each design what ``read`` gives of its numbers, or ``None`` where it raises :class:`Refused`.

    Args:
        columns: the values of each variable, one a design; integers, or real numbers.
        read: gives numbers, recorded or plain.
    """
    designs = len(next(iter(columns.values())))
    tables = {name: np.array(values) for name, values in columns.items()}

    def leaf(place: int) -> Leaf:
        recorder = Recorder()
        values = {
            name: recorder.variable(name, column[place], (min(column), max(column))) for name, column in columns.items()
        }
        try:
            outputs, reason = tuple(read(values)), ""
        except Refused:
            outputs, reason = (), "refused"
        return Leaf(tuple(recorder.decisions.items()), outputs, reason=reason)

    found: list[Any] = [...] * designs
    for one, places, outputs in Tree().sort(tables, designs, leaf):
        for at, place in enumerate(places.tolist()):
            assert found[place] is ..., "a design has one leaf"
            found[place] = None if one.reason else [_at(output, at) for output in outputs]
    assert ... not in found
    return found


def _at(output: Any, place: int) -> Any:
    return output[place].item() if isinstance(output, np.ndarray) else output
