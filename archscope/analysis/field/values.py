"""What tensors hold whatever arrives: constants, and what is computed from them alone.

Some ops read elsewhere by the values of an input (places to look up, a mask). Where these are known the reading is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from archscope.design.graph import Ref
from archscope.design.steps import Step
from archscope.ops.base import ReadsByValues
from archscope.ops.contents import Known, elements
from archscope.ops.indexing import Flip, Roll
from archscope.ops.logic import Compare, Logical, LogicalNot
from archscope.ops.readings import Reads
from archscope.ops.tensors import Cast, Constant

if TYPE_CHECKING:
    from archscope.ops.contents import Elements

#: what is computed of known elements; those of a view are laid anew, as these lay them
_COMPUTED = (Compare, Logical, LogicalNot, Cast, Flip, Roll)
#: a larger array is not asked for what it holds
MOST_ELEMENTS = 1 << 22


class Values:
    """What is known of the tensors of a graph.

    Args:
        arrays: whether elements are told; else only the words and lists of constants are.
    """

    def __init__(self, steps: Sequence[Step], *, arrays: bool = False) -> None:
        self._known: dict[Ref, Known] = {}
        wanted = {ref for step in steps if isinstance(step.layer.op, ReadsByValues) for ref in step.layer.inputs}
        if not wanted:
            return
        for step in reversed(steps):
            if Ref(step.layer.name) in wanted:
                wanted |= set(step.layer.inputs)
        for step in steps:
            ref, op = Ref(step.layer.name), step.layer.op
            if ref in wanted and (type(op) is Constant or self._follows(step)):
                array = self._array(step) if arrays else None
                self._known[ref] = Known(op.value if type(op) is Constant else None, array)

    def of(self, step: Step) -> dict[int, Known]:
        """What is known of the inputs of a layer, by number."""
        known = self._known
        return {number: known[ref] for number, ref in enumerate(step.layer.inputs) if ref in known}

    def readings(self, step: Step, output: int) -> tuple[Reads, ...]:
        """What an output of a layer reads of each of its inputs, constants among them."""
        op = step.layer.op
        if self._known and isinstance(op, ReadsByValues):
            known = self.of(step)
            if known:
                return op.reads_knowing(step.x, step.y, output, known)
        return op.reads(step.x, step.y, output)

    def _follows(self, step: Step) -> bool:
        """Whether what a layer gives is computed here from what is known."""
        op = step.layer.op
        return (op.view or isinstance(op, _COMPUTED)) and all(ref in self._known for ref in step.layer.inputs)

    def _array(self, step: Step) -> Elements | None:
        """The elements that a layer gives, if they are not too many (held once where they are alike)."""
        op = step.layer.op
        if prod(step.y[0].shape) > MOST_ELEMENTS:
            return None
        if type(op) is Constant:
            return elements(op.value, op.shape, op.dtype)
        arrays = [known.array for known in self.of(step).values() if known.array is not None]
        return _computed(op, step, arrays) if len(arrays) == len(step.layer.inputs) else None


def _computed(op: Any, step: Step, arrays: Sequence[Any]) -> Elements:
    import numpy as np

    if isinstance(op, Compare):
        compared = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
                    "gt": np.greater, "ge": np.greater_equal}[op.operator]  # fmt: skip
        found: Elements = compared(arrays[0], arrays[1] if op.other is None else op.other)
        return found
    if isinstance(op, Logical):
        joined: Elements = getattr(np, f"logical_{op.operator}")(*arrays)
        return joined
    if isinstance(op, LogicalNot):
        turned: Elements = np.logical_not(arrays[0])
        return turned
    if isinstance(op, Cast):
        cast: Elements = arrays[0].astype({"float": "float64"}.get(op.dtype, op.dtype))
        return cast
    from archscope.analysis.field.carrying import LEAST, Carrier

    # each place reads one place: the least of what is there is what is there
    (reads, *_) = op.reads(step.x, step.y)
    moved: Elements = Carrier(LEAST).forth(arrays[0], reads, step.x[0].shape, step.y[0].shape)
    return moved
