"""What tensors hold whatever arrives: constants, and what is computed from them alone.

Some ops read elsewhere by the values of an input (places to look up, a mask). Where these are known the reading is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from archscope.analysis.field.masks import masked_behind, masked_in, settled
from archscope.design.graph import Ref
from archscope.design.steps import Step
from archscope.ops import Op
from archscope.ops.base import ReadsByValues
from archscope.ops.contents import Content, Masked, called, elements, held
from archscope.ops.functions import Negative
from archscope.ops.indexing import Flip, Roll
from archscope.ops.logic import Compare, Logical, LogicalNot
from archscope.ops.readings import Reads, besides
from archscope.ops.tensors import Buffer, Cast, Constant, Scale, Shift

if TYPE_CHECKING:
    from archscope.ops.contents import Elements

#: what is computed of known elements; those of a view are laid anew, as these lay them
_COMPUTED = (Compare, Logical, LogicalNot, Cast, Flip, Roll, Scale, Shift, Negative)
#: a larger array is not asked for what it holds
MOST_ELEMENTS = 1 << 22


class Values:
    """What is known of the tensors of a graph, and the elements that count for nothing.

    Args:
        arrays: whether elements are told; else only the words and lists of constants are.
    """

    def __init__(self, steps: Sequence[Step], *, arrays: bool = False) -> None:
        self._contents: dict[Ref, Content] = {}
        self._arrays = arrays
        if not any(_constant(step.layer.op) for step in steps):
            return
        wanted = _wanted(steps)
        for step in steps:
            ref, op = Ref(step.layer.name), step.layer.op
            if ref not in wanted:
                continue
            read = [self._contents.get(one) for one in step.layer.inputs]
            whole = [one for one in read if one is not None and one.whole]
            if isinstance(op, (Constant, Buffer)) and _constant(op):
                self._note(ref, self._of_constant(op))
            elif (op.view or isinstance(op, _COMPUTED)) and len(whole) == len(read):
                array = _array(step, whole) if arrays else None
                self._note(ref, Content(None, array, masked_in(None, array)))
            elif any(read):
                masked = _rearranged(step, read[0]) if op.view else masked_behind(op, read)
                self._note(ref, Content(None, None, masked, whole=False))

    def _note(self, ref: Ref, one: Content) -> None:
        one = one._replace(masked=settled(one.masked, arrays=self._arrays))
        if one.whole or any(of is not False for of in one.masked):
            self._contents[ref] = one

    def _of_constant(self, op: Constant | Buffer) -> Content:
        asked = self._arrays or (held(op.value) and prod(op.shape) <= MOST_ELEMENTS)
        array = elements(op.value, op.shape, op.dtype) if asked and prod(op.shape) <= MOST_ELEMENTS else None
        masked = masked_in(op.value, array)
        if not self._arrays and array is not None:  # a table that is multiplied with is a mask if it is one all over
            masked = masked._replace(zero=bool(((array == 0) | (array == 1)).all()) and masked.zero)
        return Content(op.value, array if self._arrays else None, masked)

    def of(self, step: Step) -> dict[int, Content]:
        """What is known of the inputs of a layer, by number."""
        contents = self._contents
        return {number: contents[ref] for number, ref in enumerate(step.layer.inputs) if ref in contents}

    def readings(self, step: Step, output: int) -> tuple[Reads, ...]:
        """What an output of a layer reads of each of its inputs, constants among them."""
        op = step.layer.op
        readings = op.reads(step.x, step.y, output)
        if not self._contents:
            return readings
        if isinstance(op, ReadsByValues) and (contents := self.of(step)):
            readings = op.reads_knowing(step.x, step.y, output, contents)
        own = self._contents.get(Ref(step.layer.name, output))
        if own is not None and not own.whole and not op.view:
            zero = own.masked.zero
            readings = tuple(None if one is None else besides(one, zero, step.y[output].shape) for one in readings)
        return readings


def _constant(op: Op) -> bool:
    """Whether an op holds what is stated; a buffer of a single number is filled by whoever loads it."""
    return type(op) is Constant or (type(op) is Buffer and (held(op.value) or called(op.value) is not None))


def _wanted(steps: Sequence[Step]) -> set[Ref]:
    """What ops read whose readings its values tell, and all that this is computed from."""
    wanted = {ref for step in steps if isinstance(step.layer.op, ReadsByValues) for ref in step.layer.inputs}
    for step in reversed(steps):
        if Ref(step.layer.name) in wanted:
            wanted |= set(step.layer.inputs)
    return wanted


def _array(step: Step, read: Sequence[Content]) -> Elements | None:
    """The elements that a layer gives, if they are not too many (held once where they are alike)."""
    arrays = [one.array for one in read if one.array is not None]
    if prod(step.y[0].shape) > MOST_ELEMENTS or len(arrays) < len(step.layer.inputs):
        return None
    return _computed(step.layer.op, step, arrays)


def _rearranged(step: Step, one: Content | None) -> Masked:
    """What a view gives that counts for nothing."""
    if one is None:
        return Masked()
    return Masked(
        *(of if isinstance(of, bool) else _moved(step, _in_full(of, len(step.x[0].shape))) for of in one.masked)
    )


def _in_full(array: Elements, ndim: int) -> Elements:
    """An array of as many dimensions, aligned at the end."""
    return array.reshape((1,) * (ndim - array.ndim) + array.shape)


def _moved(step: Step, array: Elements) -> Elements:
    """The elements behind a layer of which each place reads one place: the least of what is there is what is there."""
    from archscope.analysis.field.carrying import LEAST, Carrier

    (reads, *_) = step.layer.op.reads(step.x, step.y)
    moved: Elements = Carrier(LEAST).forth(array, reads, step.x[0].shape, step.y[0].shape)
    return moved


def _computed(op: Any, step: Step, arrays: Sequence[Any]) -> Elements:
    import numpy as np

    if isinstance(op, Compare):
        compared = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
                    "gt": np.greater, "ge": np.greater_equal}[op.operator]  # fmt: skip
        result: Elements = compared(arrays[0], arrays[1] if op.other is None else op.other)
        return result
    if isinstance(op, Logical):
        joined: Elements = getattr(np, f"logical_{op.operator}")(*arrays)
        return joined
    if isinstance(op, LogicalNot):
        turned: Elements = np.logical_not(arrays[0])
        return turned
    if isinstance(op, Cast):
        cast: Elements = arrays[0].astype({"float": "float64"}.get(op.dtype, op.dtype))
        return cast
    if isinstance(op, (Scale, Shift, Negative)):
        with np.errstate(all="ignore"):
            number = -1 if isinstance(op, Negative) else op.factor if isinstance(op, Scale) else op.value
            changed: Elements = arrays[0] + number if isinstance(op, Shift) else arrays[0] * number
        return changed
    return _moved(step, arrays[0])
