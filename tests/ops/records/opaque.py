"""Test record of the declared black box."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, record

_SHAPES = st.lists(st.integers(1, 5), max_size=3)
_NAMES = st.sampled_from(["weight", "bias", "dense.weight", "dense.bias", "0.running_mean"])
_DTYPES = st.sampled_from(["float", "int64", "bool"])


@st.composite
def _opaque(draw: st.DrawFn) -> Case:
    batch = draw(st.integers(1, 3))
    arriving = draw(st.lists(_SHAPES, min_size=1, max_size=3))
    outputs = draw(st.lists(_SHAPES, min_size=1, max_size=3))
    parameters = draw(st.dictionaries(_NAMES, _SHAPES, max_size=3))
    buffers = {f"{name}_seen": shape for name, shape in draw(st.dictionaries(_NAMES, _SHAPES, max_size=2)).items()}
    given: dict[str, Any] = {
        "of": draw(st.sampled_from(["", "torch.fft.fft2", "a 'word' of: {yours}"])),
        "output_shapes": outputs,
        "output_dtypes": draw(st.sampled_from([[], [draw(_DTYPES) for _ in outputs]])),
        "input_shapes": draw(st.sampled_from([None, arriving])),
        "parameter_shapes": parameters,
        "buffer_shapes": buffers,
        "buffer_dtypes": {name: draw(_DTYPES) for name in buffers if draw(st.booleans())},
        "macs": draw(st.integers(0, 10**6)),
        "backward_macs": draw(st.none() | st.integers(0, 10**6)),
        "saved_bytes": draw(st.none() | st.integers(0, 10**4)),
        "saved_inputs": draw(st.none() | st.lists(st.integers(0, len(arriving) - 1), unique=True)),
        "saved_outputs": draw(st.lists(st.integers(0, len(outputs) - 1), unique=True)),
        "output_bytes": draw(st.just([]) | st.just([10**5, *[0 for _ in outputs[1:]]])),
    }
    dtypes = [draw(st.sampled_from([None, None, "int64", "bool"])) for _ in arriving]
    inputs = (Tensor((batch, *shape), dtype) for shape, dtype in zip(arriving, dtypes, strict=True))
    return Case(REGISTRY["Opaque"](**given), tuple(inputs))


_BOX: dict[str, Any] = {"output_shapes": [[4]], "macs": 12}
record(
    "Opaque",
    _opaque(),
    ErrorCase(_BOX | {"output_shapes": []}, ((2, 3),), "an Opaque layer has at least one output"),
    ErrorCase(_BOX | {"output_dtypes": ["float"] * 2}, ((2, 3),), "output_dtypes (2) must be as many as output_shapes"),
    ErrorCase(_BOX | {"buffer_dtypes": {"ids": "int64"}}, ((2, 3),), "there is no buffer ids in buffer_shapes"),
    ErrorCase(_BOX | {"saved_inputs": [1]}, ((2, 3),), "saved_inputs names input 1, counted from 0, and 1 arrive"),
    ErrorCase(_BOX | {"saved_outputs": [1]}, ((2, 3),), "saved_outputs names output 1, counted from 0, and there"),
    ErrorCase(
        _BOX | {"output_bytes": [0]}, ((2, 3),), "output_bytes (1) must be as many as output_shapes (1), the first"
    ),
    ErrorCase(_BOX, ((),), "the first input lends the batch, and a scalar has none"),
    ErrorCase(_BOX | {"input_shapes": [[3], [3]]}, ((2, 3),), "it was measured on 2 inputs, and 1 arrive"),
    ErrorCase(_BOX | {"input_shapes": [[3]]}, ((2, 5),), "were measured on [3] (input 0), and [5] arrives"),
)
