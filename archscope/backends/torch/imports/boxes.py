"""Parts of a model that no layer can represent, as black boxes with the totals that the original has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch._ops import HigherOrderOperator

from archscope.backends.importing.draft import Unfit
from archscope.backends.importing.refusals import Refusal, Unsupported
from archscope.backends.importing.sizes import BATCH
from archscope.backends.torch.imports.calls import Call, ModelTensor, TraceTensor
from archscope.backends.torch.imports.entities import DTYPES, word
from archscope.backends.torch.imports.foreign import line_of
from archscope.backends.torch.imports.lifting import Lifting
from archscope.backends.torch.imports.measure import measured
from archscope.errors import UsageError


def box(lifting: Lifting, calls: Sequence[Call], refusal: Refusal) -> None:
    """Calls as a declared black box with the totals that the original has.

    Raises:
        UsageError: what it gives has no batch.
    """
    read, results = lifting.uses.around(calls)
    own = lifting.uses.only_in(calls)
    held = [lifting.program.held[value.name] for value in read if value.name in own]
    inputs = [value for value in read if value.name not in own]
    inputs.sort(key=lambda value: value.shape[:1] != (BATCH,))  # the first one lends the batch
    path = refusal.place
    if any(isinstance(call.function, HigherOrderOperator) for call in calls):
        raise UsageError(_no_box(refusal, f"what it does cannot be measured; needed: {refusal.needed}"))
    _refuse_closed(lifting, refusal, inputs, held, results)
    named = {one.name.removeprefix(f"{path}.") if path else one.name: one for one in held}
    try:
        totals = measured(lifting, calls, inputs, held, results)
    except Exception as error:
        why = str(error) if type(error) is ValueError else line_of(error)
        raise UsageError(_no_box(refusal, f"what it does cannot be measured: {why}")) from None
    totals["saved_bytes"] = _of_float32(totals["saved_bytes"], inputs, held)
    if "output_bytes" in totals:
        totals["output_bytes"] = [_of_float32(size, inputs, held) for size in totals["output_bytes"]]
    try:
        mark = lifting.mark(held)
    except Unsupported as error:
        raise UsageError(_no_box(refusal, str(error))) from None
    own_type = lifting.floating if mark is None else next(kind for kind, name in DTYPES.items() if name == mark)
    op = lifting.op(
        "Opaque",
        of=calls[0].frames[-1].kind if path else calls[0].target,
        reason=refusal.what,
        output_shapes=[list(lifting.shape(value)[1:]) for value in results],
        output_dtypes=[word(value.dtype, own_type) for value in results],
        parameter_shapes={name: list(lifting.shape(one.value)) for name, one in named.items() if one.learnt},
        buffer_shapes={name: list(lifting.shape(one.value)) for name, one in named.items() if not one.learnt},
        buffer_dtypes={name: word(one.value.dtype, own_type) for name, one in named.items() if not one.learnt},
        **totals,
    )
    refs = [lifting.ref(value, calls[0]) for value in inputs]
    try:
        made = lifting.draft.layer(
            lifting.instances.name(calls[0]) or calls[0].target.replace(".", "_"), op, refs, dtype=mark
        )
    except Unfit as error:
        raise UsageError(_no_box(refusal, str(error))) from None
    lifting.sources.state[made[0]] = {name: one.name for name, one in named.items()}
    for value, ref in zip(results, made, strict=True):
        lifting.enter(value, ref)


def _of_float32(size: int, inputs: Sequence[TraceTensor], held: Sequence[ModelTensor]) -> int:
    """Bytes that are kept, as an Opaque layer tells them: at 4 bytes a float, whatever type it was measured in."""
    read = [*(value.dtype for value in inputs), *(one.value.dtype for one in held)]
    floats = [dtype for dtype in read if dtype.is_floating_point]
    if not floats:
        return size
    item = reduce(torch.promote_types, floats).itemsize
    return size * torch.float32.itemsize // item


def _refuse_closed(
    lifting: Lifting,
    refusal: Refusal,
    inputs: Sequence[TraceTensor],
    held: Sequence[ModelTensor],
    results: Sequence[TraceTensor],
) -> None:
    """Hold that calls can be a black box: it reads a tensor with the batch, and gives such.

    Raises:
        UsageError: it does not.
    """
    for value in [*results, *(one.value for one in held)]:
        if value.dtype not in DTYPES:
            raise UsageError(_no_box(refusal, f"it has a tensor of {value.dtype}, which designs do not know"))
    for value in results:
        if not value.shape or value.shape[0] != BATCH:
            why = f"it gives a tensor of {lifting.shape(value)} whose first dimension is not the batch"
            raise UsageError(_no_box(refusal, why))
    if not results:
        raise UsageError(_no_box(refusal, "nothing reads what it gives"))
    if not any(value.shape and value.shape[0] == BATCH for value in inputs):
        raise UsageError(_no_box(refusal, "it reads no tensor whose first dimension is the batch"))


def _no_box(refusal: Refusal, why: str) -> str:
    place = refusal.place or "the model itself"
    return f"{place}: {refusal.what}; it cannot be kept as a black box either, for {why}"
