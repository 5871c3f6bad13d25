"""Random designs for receptive fields, in 1-D, 2-D and 3-D.

Branches, dilation, transposed and grouped convolution, uneven windows, padding of every kind, resampling, slices,
unequal strides.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

import archscope
from archscope.errors import SpecError

Design = dict[str, Any]


def _per_axis(draw: Any, low: int, high: int, rank: int) -> list[int]:
    return [draw(st.integers(low, high)) for _ in range(rank)]


def _convolution(draw: Any, rank: int, shape: tuple[int, ...]) -> Design:
    groups = draw(st.sampled_from([1, 1, 2, shape[0]])) if shape[0] % 2 == 0 else 1
    arguments: Design = {
        "out_channels": 4,
        "kernel_size": _per_axis(draw, 1, 4, rank),
        "stride": _per_axis(draw, 1, 3, rank),
        "padding": _per_axis(draw, 0, 2, rank),
        "dilation": _per_axis(draw, 1, 3, rank),
        "groups": groups,
        "padding_mode": draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"])),
    }
    if draw(st.integers(0, 3)) == 0:
        arguments |= {"padding": "same", "stride": 1}
    return {f"Conv{rank}d": arguments}


def _transposed(draw: Any, rank: int, shape: tuple[int, ...]) -> Design:
    return {
        f"ConvTranspose{rank}d": {
            "out_channels": 4,
            "kernel_size": _per_axis(draw, 1, 4, rank),
            "stride": _per_axis(draw, 1, 3, rank),
            "padding": _per_axis(draw, 0, 2, rank),
            "dilation": _per_axis(draw, 1, 3, rank),
            "groups": draw(st.sampled_from([1, 2])) if shape[0] % 2 == 0 else 1,
        }
    }


def _pool(draw: Any, rank: int, shape: tuple[int, ...]) -> Design:
    kernel = _per_axis(draw, 1, 3, rank)
    arguments: Design = {
        "kernel_size": kernel,
        "stride": _per_axis(draw, 1, 3, rank),
        "padding": [draw(st.integers(0, k // 2)) for k in kernel],
        "ceil_mode": draw(st.booleans()),
    }
    kind = draw(st.sampled_from(["MaxPool", "AvgPool"]))
    if kind == "MaxPool":
        arguments["dilation"] = _per_axis(draw, 1, 2, rank)
    return {f"{kind}{rank}d": arguments}


def _padding(draw: Any, rank: int, shape: tuple[int, ...]) -> Design:
    kind = draw(st.sampled_from(["ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"]))
    low = -2 if kind == "ZeroPad" else 0
    return {f"{kind}{rank}d": _per_axis(draw, low, 2, 2 * rank)}


def _resampling(draw: Any, rank: int, shape: tuple[int, ...]) -> Design:
    interpolating = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[rank]
    mode = draw(st.sampled_from(["nearest", *interpolating]))
    arguments: Design = {"mode": mode}
    if draw(st.booleans()):
        arguments["size"] = [draw(st.integers(1, 12)) for _ in range(rank)]
    else:
        arguments["scale_factor"] = draw(st.sampled_from([2, 3, 0.5, 1.5]))
    if mode != "nearest" and "size" in arguments and draw(st.booleans()):
        arguments["align_corners"] = True
    return {"Upsample": arguments}


def _adaptive(draw: Any, rank: int, shape: tuple[int, ...]) -> Design:
    kind = draw(st.sampled_from(["AdaptiveAvgPool", "AdaptiveMaxPool"]))
    return {f"{kind}{rank}d": _per_axis(draw, 1, 7, rank)}


def _slice(draw: Any, rank: int, shape: tuple[int, ...]) -> Design:
    return {
        "Slice": {
            "dim": draw(st.integers(2, rank + 1)),
            "start": draw(st.integers(-4, 3)),
            "step": draw(st.integers(1, 3)),
        }
    }


def _other(draw: Any, rank: int, shape: tuple[int, ...]) -> Design | str:
    two_dimensional = ["PixelShuffle", "PixelUnshuffle"] if rank == 2 else []
    lrn = ["lrn"] if rank < 3 else []  # torch's refuses a transposed map in 3-D: it joins axes by a view
    kinds = ["ReLU", "norm", *lrn, "Sigmoid", "shuffle", "transpose", "flat", *two_dimensional]
    kind = draw(st.sampled_from(kinds))
    if kind == "PixelShuffle":
        return {"PixelShuffle": 2}
    if kind == "PixelUnshuffle":
        return {"PixelUnshuffle": 2}
    if kind == "norm":
        return f"BatchNorm{rank}d"
    if kind == "lrn":
        return {"LocalResponseNorm": {"size": 2, "alpha": 0.5}}
    if kind == "shuffle":
        return {"ChannelShuffle": 2}
    if kind == "transpose":
        return {"Transpose": {"dim0": 2, "dim1": rank + 1}}
    return kind if kind != "flat" else {"Reshape": [shape[0], *reversed(shape[1:])]}


_KINDS = (_convolution, _convolution, _transposed, _pool, _padding, _resampling, _adaptive, _slice, _other)


def _chain(draw: Any, rank: int, shape: tuple[int, ...], length: int) -> tuple[list[Any], tuple[int, ...]]:
    """Layers that fit behind a shape, and the shape they give; what does not fit is left out."""
    layers: list[Any] = []
    for _ in range(length):
        entry = draw(st.sampled_from(_KINDS))(draw, rank, shape)
        after = _shape_behind(shape, entry)
        if after is not None and max(after) <= 24 and len(after) == rank + 1:
            layers.append(entry)
            shape = after
    return layers, shape


def _shape_behind(shape: tuple[int, ...], entry: Any) -> tuple[int, ...] | None:
    text = json.dumps({"input": list(shape), "layers": [entry]}, indent=1)
    try:
        return archscope.analyze(archscope.load(text)).output_shape
    except SpecError:
        return None


@st.composite
def mapped_designs(draw: Any) -> str:
    """The text of a random design whose last layer still has a map."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    most = {1: 24, 2: 12, 3: 6}[rank]
    shape = (draw(st.sampled_from([2, 4])), *(draw(st.integers(3, most)) for _ in range(rank)))
    layers, after = _chain(draw, rank, shape, draw(st.integers(0, 3)))
    if draw(st.booleans()):
        first, one = _chain(draw, rank, after, draw(st.integers(0, 2)))
        second, two = _chain(draw, rank, after, draw(st.integers(1, 2)))
        fit = [] if one[1:] == two[1:] else [{"Upsample": {"size": list(one[1:])}}]
        layers.append({"Concat": [first, [*second, *fit]]})
        after = (one[0] + two[0], *one[1:])
        if draw(st.booleans()):
            parts = draw(st.sampled_from([0, 1]))
            layers.append({"Split": {"split_size_or_sections": [one[0], two[0]], "dim": 1}, "name": "parts"})
            layers.append({"Identity": None, "from": f"parts[{parts}]"})
            after = ((one, two)[parts][0], *one[1:])
    rest, _ = _chain(draw, rank, after, draw(st.integers(0, 2)))
    layers += [*rest, "Identity"]
    return json.dumps({"name": "fields", "input": list(shape), "layers": layers}, indent=1)


@st.composite
def line_designs(draw: Any) -> str:
    """The text of a random design on a long line, in whose middle no border shows."""
    layers: list[Any] = []
    for _ in range(draw(st.integers(1, 5))):
        layers.append(_line_layer(draw))
        if draw(st.integers(0, 2)) == 0:
            branch = [_line_layer(draw, grows=False) for _ in range(draw(st.integers(0, 2)))]
            kernel = draw(st.sampled_from([1, 3, 5]))
            around = {"Conv1d": {"out_channels": 2, "kernel_size": kernel, "padding": kernel // 2}}
            layers.append({"Add": [[*branch, around], []]})
    return json.dumps({"name": "line", "input": [2, 600], "layers": [*layers, "Identity"]}, indent=1)


def _line_layer(draw: Any, *, grows: bool = True) -> Any:
    kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    if not grows:
        left, right = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        total = left + right
        pad: Design = {"ZeroPad1d": [left, right]}
        return {"layers": [pad, {"Conv1d": {"out_channels": 2, "kernel_size": total + 1}}]}
    window: Design = {"kernel_size": kernel, "stride": draw(st.integers(1, 3))}
    kind = draw(st.sampled_from(["conv", "pool", "pad", "transposed", "nearest", "linear", "slice"]))
    return {
        "conv": {"Conv1d": {"out_channels": 2, "dilation": dilation, "padding": draw(st.integers(0, 3)), **window}},
        "pool": {"MaxPool1d": {**window, "padding": kernel // 2}},
        "pad": {"ZeroPad1d": [draw(st.integers(0, 3)), draw(st.integers(0, 3))]},
        "transposed": {"ConvTranspose1d": {"out_channels": 2, "dilation": dilation, **window}},
        "nearest": {"Upsample": {"scale_factor": draw(st.sampled_from([2, 3]))}},
        "linear": {"Upsample": {"scale_factor": draw(st.sampled_from([2, 1.5])), "mode": "linear"}},
        "slice": {"Slice": {"dim": 2, "start": draw(st.integers(0, 3)), "step": draw(st.integers(1, 2))}},
    }[kind]
