"""Functions that move, join, pick, pad and resample."""

from __future__ import annotations

from typing import Any

import torch

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.reshaping import reshaping
from archscope.backends.importing.rules import Rules
from archscope.backends.importing.sizes import BATCH, LinearSize
from archscope.backends.torch.imports.calls import Arguments, Call, TraceTensor
from archscope.backends.torch.imports.entities import Constant, LooseWeight
from archscope.backends.torch.imports.lifting import Lifting, Rule
from archscope.backends.torch.imports.rules.weights import sizes_of
from archscope.design.graph import Ref
from archscope.errors import counted

RULES: Rules[Rule] = Rules()

# -- shapes ------------------------------------------------------------------------------------------------------------


@RULES.rule(
    "view", "reshape", "_unsafe_view", "reshape_as", "view_as", "flatten",
    "unflatten", "squeeze", "unsqueeze", "ravel",
)  # fmt: skip
def view(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Another shape of the same elements."""
    value, made = a["self"], call.outputs[0]
    assert made is not None
    if isinstance(lifting.entity(value), LooseWeight) and tuple(value.shape) == tuple(made.shape):
        return lifting.entity(value)
    ref = lifting.ref(value, call)
    for kind, arguments in reshaping(value.shape, made.shape, squeezes=call.functional == "squeeze"):
        ref = lifting.emit(call, kind, [ref], **arguments)
    return ref


@RULES.rule("expand", "expand_as", "broadcast_to")
def expand(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A tensor repeated along dimensions of size 1, without a copy."""
    value, made = a["self"], call.outputs[0]
    assert made is not None
    if value.shape == made.shape:
        return lifting.entity(value)
    entity = lifting.entity(value)
    extra = len(made.shape) - len(value.shape)
    before = [1] * extra + list(value.shape)
    grown = [at for at, (one, other) in enumerate(zip(before, made.shape, strict=True)) if one != other]
    over_batch = grown[:1] == [0] and made.shape[0] == BATCH
    if isinstance(entity, LooseWeight) and grown == [0] and over_batch and not extra and lifting.only_use(entity.held):
        return lifting.sources.expanded(entity)
    ref = lifting.ref(value, call)
    for at in range(extra):
        if len(lifting.draft.tensor(ref).shape) < len(made.shape):
            ref = lifting.emit(call, "Unsqueeze", [ref], dim=at)
    rows = (
        made.shape[0].rate if grown == [0] and isinstance(made.shape[0], LinearSize) and not made.shape[0].rest else 0
    )
    if rows > 1:
        ref = lifting.emit(call, "Unsqueeze", [ref], dim=1)
        ref = lifting.emit(
            call, "Expand", [ref, lifting.sources.lender()], sizes=[-1, rows, *[-1] * (len(made.shape) - 1)]
        )
        return lifting.emit(call, "Flatten", [ref], start_dim=0, end_dim=1)
    if any(isinstance(made.shape[at], LinearSize) for at in grown[1 if over_batch else 0 :]):
        raise Unsupported(f"{call.target} of another dimension than the first to the batch", "the batch first")
    sizes = [lifting.size(size) if at in grown and at else -1 for at, size in enumerate(made.shape)]
    if 0 in grown and not over_batch:
        raise Unsupported(
            f"{call.target} of the first dimension to {made.shape[0]}", "a first dimension that is the batch"
        )
    return lifting.emit(call, "Expand", [ref, lifting.sources.lender()] if over_batch else [ref], sizes=sizes)


@RULES.rule(
    "permute",
    "numpy_T",
    "transpose",
    "t",
    "swapaxes",
    "movedim",
    "adjoint",
    "mT",
)
def permute(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Dimensions in another order."""
    value, dims = a["self"], len(a["self"].shape)
    name = call.functional
    if name == "permute":
        order = [dim % dims for dim in a["dims"]]
    elif name in ("transpose", "swapaxes"):
        one, other = (a.get("dim0", a.get("axis0")), a.get("dim1", a.get("axis1")))
        order = list(range(dims))
        order[one], order[other] = order[other], order[one]
    elif name in ("adjoint", "mT"):
        order = [*range(dims - 2), dims - 1, dims - 2]
    elif name == "movedim":
        source, target = (([one] if isinstance(one, int) else list(one)) for one in (a["source"], a["destination"]))
        order = torch.empty([*range(dims)], device="meta").movedim(source, target).shape  # type: ignore[assignment]
        order = list(order)
    else:
        order = list(reversed(range(dims)))
    if order == list(range(dims)):
        return lifting.entity(value)
    moved = [at for at, dim in enumerate(order) if at != dim]
    if len(moved) == 2:
        return lifting.emit(call, "Transpose", [value], dim0=moved[0], dim1=moved[1])
    return lifting.emit(call, "Permute", [value], dims=order)


# -- joining and picking -----------------------------------------------------------------------------------------------


@RULES.rule("cat", "concat", "concatenate")
def concat(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Tensors one after another."""
    tensors = [value for value in a["tensors"] if 0 not in value.shape]
    if len(tensors) == 1 and not lifting.instances.alone(call):
        return lifting.entity(tensors[0])
    dim = a["dim"]
    return lifting.emit(call, "Concat", tensors, **({} if dim == 1 else {"dim": dim}))


@RULES.rule("stack")
def stack(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Tensors along a new dimension."""
    return lifting.emit(call, "Stack", list(a["tensors"]), dim=a["dim"])


@RULES.rule("split", "split_with_sizes", "chunk", "tensor_split")
def split(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Parts along a dimension."""
    dim = a["dim"]
    parts = [value.shape[dim] for value in call.outputs if value is not None]
    if len(parts) == 1:
        return [lifting.entity(a["self"])]
    sizes = [size for size in parts if not isinstance(size, LinearSize)]
    if len(sizes) < len(parts):
        raise Unsupported(f"{call.target} of the batch", "a split of another dimension")
    if call.functional == "chunk" and len(sizes) == a["chunks"]:
        return lifting.emit(call, "Chunk", [a["self"]], chunks=a["chunks"], dim=dim)
    each = sizes[0] if all(size == sizes[0] for size in sizes[:-1]) and 0 < sizes[-1] <= sizes[0] else sizes
    return lifting.emit(call, "Split", [a["self"]], split_size_or_sections=each, dim=dim)


@RULES.rule("unbind")
def unbind(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The parts of size 1, without their dimension."""
    if isinstance(a["self"].shape[a["dim"]], LinearSize):
        raise Unsupported(f"{call.target} of the batch", "another dimension")
    return [
        lifting.emit(call, "Select", [a["self"]], dim=a["dim"], index=number) for number in range(len(call.outputs))
    ]


@RULES.rule("select")
def select(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """One place of a dimension, without it."""
    if isinstance(a["self"].shape[a["dim"]], LinearSize) or isinstance(a["index"], (LinearSize, TraceTensor)):
        raise Unsupported(f"{call.target} of one sample", "what is the same for all samples")
    return lifting.emit(call, "Select", [a["self"]], dim=a["dim"], index=a["index"])


@RULES.rule("slice")
def sliced(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Some places of a dimension."""
    value, made = a["self"], call.outputs[0]
    assert made is not None
    if value.shape == made.shape:
        return lifting.entity(value)
    if isinstance(value.shape[a["dim"]], LinearSize):
        raise Unsupported(f"{call.target} of the batch", "what is the same for all samples")
    if 0 in made.shape:
        return Constant(torch.empty(lifting.shape(made), dtype=made.dtype), made)
    size = value.shape[a["dim"]]
    bounds = {"start": a["start"] or 0, "end": a["end"], "step": a["step"]}
    bounds = {
        name: bounds[name]
        for name, usual in (("start", 0), ("end", None), ("step", 1))
        if bounds[name] != usual and not (name == "end" and bounds[name] >= size)
    }
    return lifting.emit(call, "Slice", [value], dim=a["dim"], **bounds)


@RULES.rule("index")
def index(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Rows at places that a tensor tells."""
    places = [(dim, value) for dim, value in enumerate(a["indices"]) if value is not None]
    if any(value.dtype == torch.bool for _, value in places):
        raise Unsupported(f"{call.target} by a mask", "shapes that do not depend on values")
    if len(places) == 1:
        dim, value = places[0]
        return lifting.emit(call, "Index", [a["self"], value], dim=dim)
    if len(places) == 2 and places[0][0] == 0 and places[1][0] == 1 and _is_range(lifting, places[0][1]):
        return _row_of_each(lifting, call, a["self"], places[1][1])
    raise Unsupported(f"{call.target} by {counted(len(places), 'tensor')}", "an op for places in several dimensions")


def _is_range(lifting: Lifting, value: TraceTensor) -> bool:
    """Whether a tensor counts the samples."""
    entity = lifting.entity(value)
    return (
        isinstance(entity, Constant)
        and entity.value.shape == (BATCH,)
        and entity.tensor.tolist() == list(range(entity.tensor.numel()))
    )


def _row_of_each(lifting: Lifting, call: Call, value: TraceTensor, places: TraceTensor) -> Ref:
    """x[arange(N), places] of (N, L, ...): a row of each sample."""
    if places.shape != (BATCH,):
        raise Unsupported(f"{call.target} by tensors of {len(places.shape)} dimensions", "one place a sample")
    ref = lifting.ref(places, call)
    behind = len(value.shape) - 2
    for _ in range(behind + 1):
        ref = lifting.emit(call, "Unsqueeze", [ref], dim=len(lifting.draft.tensor(ref).shape))
    if behind:
        ref = lifting.emit(call, "Expand", [ref], sizes=[-1, -1, *(lifting.size(size) for size in value.shape[2:])])
    picked = lifting.emit(call, "Gather", [value, ref], dim=1)
    row: Ref = lifting.emit(call, "Squeeze", [picked], dim=1)
    return row


@RULES.rule("index_select")
def index_select(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Rows at places that a tensor tells."""
    return lifting.emit(call, "Index", [a["self"], a["index"]], dim=a["dim"])


@RULES.rule("gather")
def gather(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Elements at places that a tensor of as many dimensions tells."""
    return lifting.emit(call, "Gather", [a["self"], a["index"]], dim=a["dim"])


@RULES.rule("roll")
def roll(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Elements moved round."""
    return lifting.emit(call, "Roll", [a["self"]], shifts=list(a["shifts"]), dims=list(a["dims"]))


@RULES.rule("flip")
def flip(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Elements in the opposite order."""
    return lifting.emit(call, "Flip", [a["self"]], dims=list(a["dims"]))


@RULES.rule("repeat", "tile")
def repeat(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A tensor several times over."""
    times = list(a.get("repeats", a.get("dims")))
    value = a["self"]
    times = [1] * (len(value.shape) - len(times)) + times
    if all(one == 1 for one in times) and len(times) == len(value.shape) and not lifting.instances.alone(call):
        return lifting.entity(value)
    ref: TraceTensor | Ref = value
    for _ in range(len(times) - len(value.shape)):
        ref = lifting.emit(call, "Unsqueeze", [ref], dim=0)
    if isinstance(times[0], LinearSize):
        if times[0] != BATCH or any(one != 1 for one in times[1:]):
            raise Unsupported(f"{call.target} by the batch", "expand")
        expanded = lifting.emit(call, "Expand", [ref, lifting.sources.lender()], sizes=[-1] * len(times))
        return lifting.emit(call, "Contiguous", [expanded])
    return lifting.emit(call, "Tile", [ref], dims=times) if any(one != 1 for one in times) or ref is value else ref


@RULES.rule("repeat_interleave")
def repeat_interleave(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Each element several times: a dimension more, expanded, and joined with the one before."""
    times, value = a["repeats"], a["self"]
    if not isinstance(times, int) or a["dim"] is None:
        raise Unsupported(f"{call.target} by a tensor", "a number")
    dim = a["dim"] % len(value.shape)
    if isinstance(value.shape[dim], LinearSize):
        raise Unsupported(f"{call.target} of the batch", "another dimension")
    ref = lifting.emit(call, "Unsqueeze", [value], dim=dim + 1)
    sizes = [-1] * (len(value.shape) + 1)
    sizes[dim + 1] = times
    ref = lifting.emit(call, "Expand", [ref], sizes=sizes)
    return lifting.emit(call, "Flatten", [ref], start_dim=dim, end_dim=dim + 1)


# -- windows -----------------------------------------------------------------------------------------------------------


@RULES.rule(*(f"max_pool{rank}d" for rank in (1, 2, 3)), *(f"max_pool{r}d_with_indices" for r in (1, 2, 3)))
def max_pool(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The largest element of each window."""
    sizes = {name: sizes_of(a[name]) for name in ("kernel_size", "padding", "dilation")}
    if a["stride"]:
        sizes["stride"] = sizes_of(a["stride"])
    if a["ceil_mode"]:
        sizes["ceil_mode"] = True
    name = f"MaxPool{_rank(call)}d"
    if len(call.outputs) > 1 and call.outputs[1] is not None and lifting.uses.reads(call.outputs[1]):
        raise Unsupported(f"{call.target} whose places are read", "an op that gives them")
    made = lifting.emit(call, name, [a["self"]], **sizes)
    return [made, None][: len(call.outputs)]


def _rank(call: Call) -> str:
    return next(letter for letter in call.functional if letter.isdigit())


@RULES.rule(*(f"avg_pool{rank}d" for rank in (1, 2, 3)))
def avg_pool(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The mean of each window."""
    sizes = {name: sizes_of(a[name]) for name in ("kernel_size", "padding")}
    if a["stride"]:
        sizes["stride"] = sizes_of(a["stride"])
    if a["ceil_mode"]:
        sizes["ceil_mode"] = True
    if not a["count_include_pad"]:
        sizes["count_include_pad"] = False
    if a.get("divisor_override") is not None:
        sizes["divisor_override"] = a["divisor_override"]
    return lifting.emit(call, f"AvgPool{_rank(call)}d", [a["self"]], **sizes)


@RULES.rule(*(f"adaptive_avg_pool{rank}d" for rank in (1, 2, 3)), *(f"adaptive_max_pool{rank}d" for rank in (1, 2, 3)))
def adaptive_pool(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Windows that give a wanted size."""
    kind = "Avg" if "avg" in call.functional else "Max"
    made = lifting.emit(call, f"Adaptive{kind}Pool{_rank(call)}d", [a["self"]], output_size=sizes_of(a["output_size"]))
    return [made, None][: len(call.outputs)]


_PADDINGS = {"reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}


@RULES.rule(
    "pad",
    "constant_pad_nd",
    *(f"{kind}_pad{rank}d" for kind in ("reflection", "replication") for rank in (1, 2, 3)),
)
def pad(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """More elements around a tensor, or fewer."""
    value = a["self"]
    widths = list(a.get("pad", a.get("padding")))
    name = call.functional
    mode = "reflect" if "reflection" in name else "replicate" if "replication" in name else a.get("mode", "constant")
    number = a.get("value") or 0
    if not any(widths) and not lifting.instances.alone(call):
        return lifting.entity(value)
    axes = len(value.shape) - 2
    shown = sizes_of(widths)
    if axes in (1, 2, 3) and len(widths) <= 2 * axes:
        padded = [*widths, *[0] * (2 * axes - len(widths))]
        shown = sizes_of(padded)
        if mode in _PADDINGS:
            return lifting.emit(call, f"{_PADDINGS[mode]}{axes}d", [value], padding=shown)
        if number == 0 and len(widths) == 2 * axes and value.dtype.is_floating_point:
            return lifting.emit(call, f"ZeroPad{axes}d", [value], padding=shown)
    mode_of = {} if mode == "constant" else {"mode": mode}
    return lifting.emit(call, "Pad", [value], pad=widths, **mode_of, **({"value": float(number)} if number else {}))


@RULES.rule(
    *(f"upsample_nearest{rank}d" for rank in (1, 2, 3)),
    "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d",
)  # fmt: skip
def upsample(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A map in another resolution."""
    mode = call.functional.removeprefix("upsample_")[:-2]
    value = a.get("input", a.get("self"))
    arguments: dict[str, Any] = {"mode": mode}
    if a.get("align_corners"):
        arguments["align_corners"] = True
    factors = a.get("scale_factors")
    if factors:
        arguments["scale_factor"] = sizes_of(list(factors))
    else:
        arguments["size"] = list(a["output_size"])
    return lifting.emit(call, "Upsample", [value], **arguments)
