"""Test records of the ops that change the resolution of a map."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, maps, per_axis, record

_MODES = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}
#: 0.29 x 100 is below 29 as a double, 0.7 x 10 is 7 although the double 0.7 is below it
_FACTORS = st.sampled_from([0.29, 0.3, 0.5, 0.7, 1, 1.1, 1.5, 2, 2.2, 3]) | st.floats(0.25, 3)


@st.composite
def _upsample(draw: st.DrawFn) -> Case:
    rank = draw(st.integers(1, 3))
    tensor = draw(maps(rank, sizes=st.integers(4, 12) if rank > 1 else st.integers(4, 300)))
    mode = draw(default_or(st.sampled_from(["nearest", *_MODES[rank]])))
    if draw(st.booleans()):
        given = {"size": draw(per_axis(rank, 1, 20))}
    else:
        given = {"scale_factor": draw(_FACTORS | st.lists(_FACTORS, min_size=rank, max_size=rank))}
    align = draw(st.sampled_from([..., None] if mode in (..., "nearest") else [..., None, True, False]))
    arguments = given | {"mode": mode, "align_corners": align}
    op = REGISTRY["Upsample"](**{key: value for key, value in arguments.items() if value is not ...})
    return Case(op, (tensor,))


record(
    "Upsample",
    _upsample(),
    ErrorCase({}, ((1, 3, 4, 4),), "either size or scale_factor must be given"),
    ErrorCase({"size": 8, "scale_factor": 2}, ((1, 3, 4, 4),), "either size or scale_factor must be given"),
    ErrorCase({"scale_factor": [2, 2, 2]}, ((1, 3, 4, 4),), "scale_factor has 3 numbers for 2 axes"),
    ErrorCase({"size": [8, 8]}, ((1, 3, 4),), "size has 2 numbers for 1 axis"),
    ErrorCase({"size": 8, "align_corners": True}, ((1, 3, 4, 4),), "align_corners is for the modes that interpolate"),
    ErrorCase({"size": 8, "mode": "linear"}, ((1, 3, 4, 4),), "mode linear is for inputs of 3 dimensions, not 4"),
    ErrorCase({"scale_factor": 0.2}, ((1, 3, 4, 4),), "nothing is left of a map of 4"),
)


@st.composite
def _shuffled(draw: st.DrawFn, name: str, argument: str, ranks: list[int]) -> Case:
    factor, rank = draw(st.integers(1, 4)), draw(st.sampled_from(ranks))
    batch, channels, *sizes = draw(maps(rank, sizes=st.integers(1, 6))).shape
    if name == "PixelShuffle":
        channels *= factor * factor
    elif name == "PixelUnshuffle":
        sizes = [size * factor for size in sizes]
    else:
        channels *= factor
    return Case(REGISTRY[name](**{argument: factor}), (Tensor((batch, channels, *sizes)),))


record(
    "PixelShuffle",
    _shuffled("PixelShuffle", "upscale_factor", [2]),
    ErrorCase({"upscale_factor": 2}, ((1, 6, 3, 3),), "the channels (6) must be divisible by the square"),
)
record(
    "PixelUnshuffle",
    _shuffled("PixelUnshuffle", "downscale_factor", [2]),
    ErrorCase({"downscale_factor": 2}, ((1, 6, 4, 3),), "a map of 3 is not divisible by downscale_factor (2)"),
)
record(
    "ChannelShuffle",
    _shuffled("ChannelShuffle", "groups", [1, 2, 3]),
    ErrorCase({"groups": 4}, ((1, 6, 4, 3),), "the channels (6) must be divisible by groups (4)"),
)
