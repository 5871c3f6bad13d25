"""What every unit of random designs with ordered layers sees, against the gradients of the module that is built.

Prefixes and suffixes (causal attention, running sums, recurrent layers in one direction and in both), reversals, rolls,
permutations, slices, windows that slide, joined and split axes, gathers and masks by constants. The gradients are taken
here, of ``archscope.build``'s module as it is: no part of archscope says what a layer reads.
"""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archscope
from archscope.analysis.field.influence import seen_by, sees
from archscope.analysis.field.receptive_field import receptive_fields
from archscope.backends.torch.influence import Measurement
from tests.examples import examples
from tests.reached import truth

relaxed = settings(max_examples=examples(45), deadline=None, suppress_health_check=list(HealthCheck))

# -- the false certificates of old ------------------------------------------------------------------------------------

ATTENTION = "{ScaledDotProductAttention: {is_causal: true}, from: [input, input, input], name: last}"


@pytest.mark.parametrize(
    ("layers", "unit", "places"),
    [
        (ATTENTION, 0, [0]),
        (ATTENTION, 5, range(6)),
        ("{CumSum: {dim: 1}, name: last}", 2, range(3)),
        ("{LSTM: {hidden_size: 3, batch_first: true}, name: last}", 2, range(3)),
        ("{GRU: {hidden_size: 3, batch_first: true}, name: last}", 2, range(3)),
        ("{Flip: {dims: 1}, name: last}", 2, [5]),
        ("{Roll: {shifts: 3, dims: 1}, name: last}", 1, [6]),
    ],
)
def test_a_unit_of_an_ordered_layer_sees_what_came_before(layers, unit, places):
    """Of a sequence of 8, by the definition of each layer, and by the gradients of torch's."""
    text = f"input: [8, 4]\nlayers: [{{Linear: 4, name: to}}, {layers.replace('input', 'to')}]"
    design = archscope.load(text)
    expected = [place in places for place in range(8)]
    assert sees(design, "last", [unit]).mask.tolist() == expected
    assert Measurement(design, "last").of([unit]).reached.tolist() == expected
    assert truth(design, "last").any((1, 3))[unit].tolist() == expected


# -- random designs --------------------------------------------------------------------------------------------------

#: layers over (N, L, 4), and the length behind them; ``None`` where they do not fit
Part = tuple[list[Any], int] | None
WIDTH = 4
_ACROSS = {"Transpose": {"dim0": 1, "dim1": 2}}


def _attention(arguments: dict[str, Any], *more: Any, mask: list[str] | None = None) -> Any:
    """The current tensor attends to itself."""
    entry = {"ScaledDotProductAttention": arguments or None, "from": ["at@", "at@", "at@", *(mask or [])]}
    return {"layers": [{"Identity": None, "name": "at@"}, *more, entry]}


def _heads(draw: Any, length: int) -> Part:
    apart = [{"Unflatten": {"dim": 2, "unflattened_size": [2, -1]}}, _ACROSS]
    together = [_ACROSS, {"Flatten": {"start_dim": 2}}]
    return [*apart, _attention({"is_causal": draw(st.booleans())}), *together], length


def _recurrent(draw: Any, length: int) -> Part:
    kind, both = draw(st.sampled_from(["LSTM", "GRU", "RNN"])), draw(st.booleans())
    given = {"hidden_size": 2, "batch_first": True, "bidirectional": both, "num_layers": draw(st.integers(1, 2))}
    way = [{"Slice": {"dim": 2, "start": draw(st.sampled_from([0, 2])), "end": 4}}] if both else []
    return [{kind: given, "name": "r@"}, {"Identity": None, "from": "r@[0]"}, *way, {"Linear": WIDTH}], length


def _sliced(draw: Any, length: int) -> Part:
    start, step = draw(st.integers(0, length - 1)), draw(st.integers(1, 2))
    return [{"Slice": {"dim": 1, "start": start, "step": step}}], -(-(length - start) // step)


def _chunked(draw: Any, length: int) -> Part:
    half = {"Identity": None, "from": f"c@[{draw(st.integers(0, 1))}]"}
    return None if length % 2 else ([{"Chunk": {"chunks": 2, "dim": 1}, "name": "c@"}, half], length // 2)


def _convolved(draw: Any, length: int) -> Part:
    kernel, stride, pad = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 2))
    layer = {"Conv1d": {"out_channels": WIDTH, "kernel_size": kernel, "stride": stride, "padding": pad}}
    after = (length + 2 * pad - kernel) // stride + 1
    return None if after < 1 else ([_ACROSS, layer, _ACROSS], after)


def _pooled(draw: Any, length: int) -> Part:
    size = draw(st.integers(1, length))
    return [_ACROSS, {"AdaptiveAvgPool1d": size}, _ACROSS], size


def _spread(draw: Any, length: int) -> Part:
    layer = {"ConvTranspose1d": {"out_channels": WIDTH, "kernel_size": draw(st.integers(1, 3)), "stride": 2}}
    after = (length - 1) * 2 + layer["ConvTranspose1d"]["kernel_size"]
    return None if after > 10 else ([_ACROSS, layer, _ACROSS], after)


def _residual(draw: Any, length: int) -> Part:
    inner = _part(draw, length)
    return None if inner is None or inner[1] != length else ([{"Add": [inner[0], []]}], length)


def _joined(draw: Any, length: int) -> Part:
    inner = _part(draw, length)
    if inner is None or length + inner[1] > 10:
        return None
    return [{"Concat": {"inputs": [inner[0], []], "dim": 1}}], length + inner[1]


def _windows(draw: Any, length: int) -> Part:
    """Cut in two, and worked on along one of the dimensions; no softmax, since sums of one are 1 whatever arrives."""
    whole = [{"Sum": {"dim": 2, "keepdim": True}}, {"Expand": {"sizes": [-1, -1, length // 2, -1]}}]
    inside = [whole, [{"CumSum": {"dim": 2}}], [{"Flip": {"dims": 1}}], [{"Flip": {"dims": 2}}], [_ACROSS]]
    apart = {"Unflatten": {"dim": 1, "unflattened_size": [2, -1]}}
    layers = [apart, *draw(st.sampled_from(inside)), {"Flatten": {"start_dim": 1, "end_dim": 2}}]
    return None if length % 2 else (layers, length)


def _plain(*entries: Any) -> Any:
    return lambda draw, length: (list(entries), length)


def _rolled(draw: Any, length: int) -> Part:
    return [{"Roll": {"shifts": draw(st.integers(-3, 3)), "dims": 1}}], length


def _looked_up(draw: Any, length: int) -> Part:
    """Places that a constant tells: a ramp forth or back, or a list, some again and some never."""
    places = draw(st.sampled_from(["forth", "back", "steps"]) | st.lists(st.integers(-length, length - 1), min_size=1))
    start = draw(st.integers(0, length - 1))
    value, count = {
        "forth": (f"arange(start={start})", length - start),
        "back": (f"arange(start={start}, step=-1)", start + 1),
        "steps": ("arange(step=2)", -(-length // 2)),
    }.get(str(places), (places, len(places)))
    if count > 10:
        return None
    table = {"Constant": {"shape": [count], "dtype": "int64", "value": value}, "name": "to@"}
    arrives = {"Identity": None, "name": "at@"}
    return [{"layers": [arrives, table, {"Index": {"dim": 1}, "from": ["at@", "to@"]}]}], count


def _masked(draw: Any, length: int) -> Part:
    """Queries that meet keys in a triangle; each meets one at least."""
    triangle = draw(st.sampled_from(["tril", "triu", "tril(diagonal=2)", "triu(diagonal=-1)"]))
    other = {"tril": "triu(diagonal=1, value=-inf)", "triu": "tril(diagonal=-1, value=-inf)"}
    floating = triangle in other and draw(st.booleans())
    value = {"value": other[triangle]} if floating else {"value": triangle, "dtype": "bool"}
    table = {"Constant": {"shape": [length, length], **value}, "name": "mask@"}
    return [_attention({}, table, mask=["mask@"])], length


def _table(draw: Any, sizes: list[int], values: Any) -> dict[str, Any]:
    """A constant of values that are drawn."""
    count = int(np.prod(sizes))
    return {"shape": sizes, "value": draw(st.lists(values, min_size=count, max_size=count))}


def _looked_up_twice(draw: Any, length: int) -> Part:
    """Places in rows and columns, which are then laid in one."""
    sizes = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    table = {"Constant": {**_table(draw, sizes, st.integers(-length, length - 1)), "dtype": "int64"}, "name": "to@"}
    taken = {"Index": {"dim": 1}, "from": ["at@", "to@"]}
    flat = {"Flatten": {"start_dim": 1, "end_dim": 2}}
    return [{"layers": [{"Identity": None, "name": "at@"}, table, taken, flat]}], sizes[0] * sizes[1]


def _gathered(draw: Any, length: int) -> Part:
    """Other places for each feature, the same for all, or a word."""
    count = draw(st.integers(1, length))
    value = draw(st.sampled_from(["listed", "ramp", "one"]))
    table = {"shape": [1, count, WIDTH], "value": "arange(dim=1)" if value == "ramp" else length - 1}
    if value == "listed":
        table = _table(draw, [1, count, WIDTH], st.integers(0, length - 1))
    constant = {"Constant": {**table, "dtype": "int64"}, "name": "to@"}
    return [
        {"layers": [{"Identity": None, "name": "at@"}, constant, {"Gather": {"dim": 1}, "from": ["at@", "to@"]}]}
    ], count


def _told_by(draw: Any, length: int) -> list[Any]:
    """Truth values that are known: listed, computed of a ramp, turned over."""
    if draw(st.booleans()):
        return [{"Constant": {**_table(draw, [1, length, 1], st.sampled_from([0, 1])), "dtype": "bool"}, "name": "if@"}]
    ramp = {"Constant": {"shape": [length], "dtype": "int64", "value": "arange"}}
    compared = {"Compare": {"operator": draw(st.sampled_from(["lt", "ge", "ne"])), "other": draw(st.integers(0, 8))}}
    turned = ["LogicalNot"] if draw(st.booleans()) else []
    return [ramp, compared, *turned, {"Unsqueeze": {"dim": 1}, "name": "if@"}]  # (L, 1)


def _filled(draw: Any, length: int) -> Part:
    fill = {"MaskedFill": {"value": 0.5}, "from": ["at@", "if@"]}
    return [{"layers": [{"Identity": None, "name": "at@"}, *_told_by(draw, length), fill]}], length


def _chosen(draw: Any, length: int) -> Part:
    inner = _part(draw, length)
    if inner is None or inner[1] != length:
        return None
    layers = [{"Identity": None, "name": "at@"}, *inner[0], {"Identity": None, "name": "other@"}]
    choice = {"Where": None, "from": ["if@", *draw(st.permutations(["at@", "other@"]))]}
    return [{"layers": [*layers, *_told_by(draw, length), choice]}], length


def _met(draw: Any, length: int) -> Part:
    """Queries that meet two keys at least (the softmax of one is 1, whatever arrives), and others as is drawn."""
    table = _table(draw, [length, length], st.sampled_from([0, 1]))
    for key in range(min(length, 2)):
        table["value"][key::length] = [1] * length
    return [_attention({}, {"Constant": {**table, "dtype": "bool"}, "name": "mask@"}, mask=["mask@"])], length


def _by_hand(draw: Any, length: int) -> Part:
    """Attention as it is written out, each query meeting two keys at least, under a mask of one of its many forms."""
    meets = draw(st.lists(st.booleans(), min_size=length * length, max_size=length * length))
    for key in range(min(length, 2)):
        meets[key::length] = [True] * length
    low = draw(st.sampled_from([-math.inf, -1e9, -1e4]))
    kind, shape = draw(st.sampled_from(["Constant", "Buffer"])), [*draw(st.sampled_from([[], [1]])), length, length]

    def table(values: list[Any], **more: Any) -> Any:
        return {kind: {"shape": shape, "value": values, **more}, "name": "m@"}

    truth, ones = table(meets, dtype="bool"), table([int(met) for met in meets])
    turned = [{"Scale": -1}, {"Shift": 1}, {"Scale": 1e9, "name": "large@"}]
    masks: dict[str, list[Any]] = {
        "added": [
            table([0 if met else low for met in meets]),
            {"Add": None, "from": draw(st.permutations(["s@", "m@"]))},
        ],
        "filled": [
            table([not met for met in meets], dtype="bool"),
            {"MaskedFill": {"value": low}, "from": ["s@", "m@"]},
        ],
        "chosen": [
            truth,
            {"Constant": {"shape": [1], "value": low}, "name": "low@"},
            {"Where": None, "from": ["m@", "s@", "low@"]},
        ],
        "subtracted": [ones, *turned, {"Subtract": None, "from": ["s@", "large@"]}],
        "none": [],
    }
    softmax = [{"Scale": 0.5}, *draw(st.sampled_from([[], ["Dropout"], ["Contiguous"]])), {"Softmax": -1}]
    weights: list[Any] = [*masks[draw(st.sampled_from(sorted(masks)))], *softmax]
    if draw(st.integers(0, 3)) == 0:  # as linear attention has it
        weights = [ones, {"Multiply": None, "from": ["s@", "m@"]}]
    layers = [
        {"Identity": None, "name": "at@"},
        {"Linear": WIDTH, "from": "at@", "name": "q@"},
        {"Linear": WIDTH, "from": "at@"},
        {**_ACROSS, "name": "k@"},
        {"MatMul": None, "from": ["q@", "k@"], "name": "s@"},
    ]
    last = [{"Identity": None, "name": "w@"}, {"MatMul": None, "from": ["w@", "at@"]}]
    if draw(st.booleans()):  # the same with all matrices turned
        across = {"Transpose": {"dim0": -2, "dim1": -1}}
        last = [
            {**across, "name": "w@"},
            {**across, "from": "at@", "name": "v@"},
            {"MatMul": None, "from": ["v@", "w@"]},
            across,
        ]
    return [{"layers": [*layers, *weights, *last]}], length


def _swapped(draw: Any, length: int) -> Part:
    """Windows laid beside each other as in a shifted window transformer, and back."""
    if length % 2:
        return None
    apart = {"Unflatten": {"dim": 1, "unflattened_size": draw(st.sampled_from([[2, -1], [-1, 2]]))}}
    inside = [{"CumSum": {"dim": draw(st.integers(1, 2))}}, *_plain({"Flip": {"dims": 1}})(draw, length)[0]]
    shift = draw(st.integers(-2, 2))
    rolled, back = ({"Roll": {"shifts": by, "dims": 1}} for by in (shift, -shift))
    return [rolled, apart, _ACROSS, *inside, _ACROSS, {"Flatten": {"start_dim": 1, "end_dim": 2}}, back], length


_NUMBERS = itertools.count()
_KINDS: list[Any] = [
    _plain(_attention({"is_causal": True})), _plain({"MultiheadAttention": {"num_heads": 2, "batch_first": True}}),
    _plain({"CumSum": {"dim": 1}}), _plain({"CumSum": {"dim": 1}}, {"Flip": {"dims": 1}}),
    _plain({"Flip": {"dims": 1}}),
    _plain({"Flip": {"dims": 2}}), _plain("LayerNorm"), _plain({"Linear": WIDTH}), _heads, _recurrent, _recurrent,
    _sliced, _chunked, _convolved, _pooled, _spread, _residual, _joined, _windows, _rolled, _looked_up, _masked,
    _looked_up_twice, _gathered, _filled, _chosen, _met, _by_hand, _by_hand, _swapped,
]  # fmt: skip


def _part(draw: Any, length: int) -> Part:
    """One of them, its names its own."""
    part = draw(st.sampled_from(_KINDS))(draw, length)
    return None if part is None else (json.loads(json.dumps(part[0]).replace("@", f"_{next(_NUMBERS)}")), part[1])


@st.composite
def sequences(draw: Any) -> str:
    """The text of a random design over a sequence; every part is a block of its own, for the names."""
    start = length = draw(st.integers(2, 8))
    layers: list[Any] = [{"Linear": WIDTH}]
    for _ in range(draw(st.integers(1, 4))):
        part = _part(draw, length)
        if part is not None:
            layers, length = [*layers, *part[0]], part[1]
    spec = {"name": "ordered", "input": [start, 3], "layers": [*layers, {"Identity": None, "name": "last"}]}
    return json.dumps(spec, indent=1).replace("-Infinity", "-.inf")


def check(text: str) -> None:
    """Every unit, and every place."""
    design = archscope.load(text)
    last = design.layers[-1].name
    elements = truth(design, last)
    asked = Measurement(design, last)
    found = elements.any((1, 3))  # of (L, E) by (L, E)
    fields = receptive_fields(design).of(last)
    for unit in range(found.shape[0]):
        sight = sees(design, last, [unit])
        assert np.array_equal(sight.mask, found[unit]), f"unit {unit}"
        measured = asked.of([unit])
        assert not measured.hidden
        assert np.array_equal(measured.reached, found[unit]), f"unit {unit}, measured"
        for field in fields:
            _field_holds(field, unit, np.flatnonzero(found[unit]))
    for field in fields:
        _told_one_by_one(field, [np.flatnonzero(places) for places in found])
    for place in range(found.shape[1]):
        units = np.flatnonzero(found[:, place])
        region = seen_by(design, last, [place])
        assert region.count == len(units)
        if len(units):
            assert (region.first, region.last) == ((units[0],), (units[-1],))


def _told_one_by_one(field: Any, seen: list[np.ndarray]) -> None:
    """Nothing is left untold; what is told unit by unit is what is seen: from where to where, the least, the most."""
    assert field.sees in ("all", "a part")
    if field.table is not None:
        ends = [(int(places[0]), int(places[-1])) if len(places) else (0, -1) for places in seen]
        assert [field.region(unit) for unit in range(len(seen))] == ends
        sizes = [last - first + 1 for first, last in ends]
        assert (field.smallest, field.size) == (min(sizes), max(sizes))


def _field_holds(field: Any, unit: int, places: np.ndarray) -> None:
    """What is said without borders holds all that is seen; a claim to see all is true."""
    if field.sees == "all":  # but for units that see nothing, between the taps of a transposed convolution
        assert not len(places) or (places[0], places[-1]) == (0, field.extent - 1)
        return
    if field.whole:
        assert not len(places) or (field.reach[0] <= places[0] and places[-1] <= field.reach[1])
    elif field.dim is not None and len(places):
        first, last = field.region(unit)
        assert first <= places[0]
        assert places[-1] <= last
        assert field.smallest <= last - first + 1 <= field.size


@given(sequences())
@relaxed
def test_every_unit_of_an_ordered_design_sees_what_gradients_reach(text):
    check(text)


@pytest.mark.slow
@given(sequences())
@settings(relaxed, max_examples=2000)
def test_every_unit_of_many_ordered_designs_sees_what_gradients_reach(text):
    check(text)


# -- maps of which parts lie beside each other -------------------------------------------------------------------------

#: layers over (N, 2, H, W), and its height and width behind them
Map = tuple[list[Any], tuple[int, int]]
MOST_SIDE = 6


def _cut(dim: int, start: int, size: int) -> Any:
    return {"Slice": {"dim": dim, "start": start, "end": start + size}}


def _map(draw: Any, sides: tuple[int, int], depth: int) -> Map:
    """A few layers over a map; some join two such along an axis, cut to the same size along the other."""
    layers: list[Any] = []
    for _ in range(draw(st.integers(0 if depth else 1, 2))):
        dim = draw(st.integers(2, 3))
        size = sides[dim - 2]
        kind = draw(st.sampled_from(["conv", "roll", "flip", "slice", "sum", "mean", *(["join"] * 4 * (depth < 2))]))
        if kind == "conv":
            layers.append({"Conv2d": {"out_channels": 2, "kernel_size": 3, "padding": 1}})
        elif kind == "roll":
            layers.append({"Roll": {"shifts": draw(st.integers(1, 3)), "dims": dim}})
        elif kind == "flip":
            layers.append({"Flip": {"dims": dim}})
        elif kind == "sum":
            layers.append({"CumSum": {"dim": dim}})
        elif kind == "mean":
            layers += [{"Mean": {"dim": dim, "keepdim": True}}, {"Expand": {"sizes": [-1, -1, *sides]}}]
        elif kind == "slice":
            start = draw(st.integers(0, size - 1))
            layers.append(_cut(dim, start, size - start))
            sides = (size - start, sides[1]) if dim == 2 else (sides[0], size - start)
        else:
            layers, sides = _maps_joined(draw, layers, sides, dim, depth)
    return layers, sides


def _maps_joined(draw: Any, layers: list[Any], sides: tuple[int, int], dim: int, depth: int) -> Map:
    along, over = dim - 2, 3 - dim
    parts = [_map(draw, sides, depth + 1) for _ in range(2)]
    fits = min(part[1][over] for part in parts)
    fits = draw(st.integers(1, fits))
    cut = [
        (of, draw(st.integers(0, size[over] - fits)), min(size[along], MOST_SIDE // 2)) for of, size in parts
    ]  # each from another place on
    inputs: list[Any] = [[*of, _cut(over + 2, at, fits), _cut(dim, 0, long)] for of, at, long in cut]
    length = sum(long for *_, long in cut)
    if draw(st.integers(0, 4)) == 0 and length < MOST_SIDE:
        shape = [1, 2, fits, 1] if along else [1, 2, 1, fits]
        inputs.append([{"Constant": {"shape": shape, "value": 1.0}}])
        length += 1
    joined = {"Concat": {"dim": dim, "inputs": inputs}}
    return [*layers, joined], (fits, length) if along else (length, fits)


@st.composite
def maps(draw: Any) -> str:
    """The text of a random design over a map."""
    sides = (draw(st.integers(2, 5)), draw(st.integers(2, 5)))
    layers, _ = _map(draw, sides, 0)
    first = {"Conv2d": {"out_channels": 2, "kernel_size": draw(st.sampled_from([1, 3])), "padding": "same"}}
    return json.dumps(
        {"name": "maps", "input": [1, *sides], "layers": [first, *layers, {"Identity": None, "name": "last"}]}, indent=1
    )


def check_map(text: str) -> None:
    """What each unit sees along both axes, and of all units the least and the most."""
    design = archscope.load(text)
    found = truth(design, "last").any((0, 3))  # of (C, H, W) by (C, H, W)
    fields = receptive_fields(design).of("last")
    for number, field in enumerate(fields):
        seen = found.any(3 - number)  # (H, W) by the places along the axis
        ends = [
            [(int(at[0]), int(at[-1])) if len(at := np.flatnonzero(places)) else (0, -1) for places in row]
            for row in seen
        ]
        sizes = [last - first + 1 for row in ends for first, last in row]
        assert field.sees in ("all", "a part")
        if field.table is not None:
            assert (field.smallest, field.size) == (min(sizes), max(sizes)), field.axis
            dims = {*field.dims, *field.across}
            rows = ends if 2 in dims else ends[:1]  # along the others all are alike
            told = [of for row in rows for of in (row if 3 in dims else row[:1])]
            assert [field.region(unit) for unit in range(field.table.units)] == told
        else:
            assert field.whole or min(sizes) <= field.smallest  # at the borders units see less
            for unit in itertools.product(*map(range, seen.shape[:2])):
                _field_holds(field, unit[number], np.flatnonzero(seen[unit]))
    for unit in itertools.product(*map(range, found.shape[:2])):
        along = [place for place, dim in zip(unit, (2, 3), strict=True) if _has_places(fields, dim)]
        sight = sees(design, "last", along)
        if len(along) == 2:
            assert np.array_equal(sight.mask, found[unit])


def _has_places(fields: Any, dim: int) -> bool:
    return any(dim in (*field.dims, *field.across) for field in fields)


MAPS = [
    """input: [3, 4, 4]
layers:
  - {Conv2d: {out_channels: 2, kernel_size: 3, padding: 1}}
  - {Concat: {dim: -1, inputs: [[Slice: {dim: 2, end: 2}], [Slice: {dim: 2, start: 2}]]}, name: last}
""",
    """input: [3, 6, 5]
layers:
  - {Conv2d: {out_channels: 2, kernel_size: 3, padding: 1}}
  - Roll: {shifts: [1, 2], dims: [2, 3]}
  - {Concat: {inputs: [[Slice: {dim: 2, end: 3}], [Slice: {dim: 2, start: 2, end: 5}]], dim: 3}, name: last}
""",
]


@pytest.mark.parametrize("text", MAPS)
def test_parts_of_one_axis_beside_each_other_along_another_keep_their_own_fields(text):
    """A 3x3 convolution and copies: no unit sees more than 3 rows, nor, at a border, fewer than 2."""
    check_map(text)
    assert [(field.smallest, field.size) for field in receptive_fields(archscope.load(text))["last"]] == [(2, 3)] * 2


@given(maps())
@settings(relaxed, max_examples=examples(40))
def test_every_unit_of_maps_joined_along_axes_sees_what_gradients_reach(text):
    check_map(text)


@pytest.mark.slow
@given(maps())
@settings(relaxed, max_examples=1000)
def test_every_unit_of_many_maps_joined_along_axes_sees_what_gradients_reach(text):
    check_map(text)
