"""Test records of the ops that make one tensor of several."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record

_SIZES = st.integers(1, 6)
_SHAPES = st.lists(_SIZES, min_size=2, max_size=5)


_MIXED = (None, "int64", "int32", "bool")


def worn(draw: st.DrawFn, shape: list[int]) -> tuple[int, ...]:
    """A shape that broadcasts to the given one: its leading dimension left out, sizes replaced by 1."""
    kept = shape[draw(st.integers(0, 1)) :]
    return tuple(1 if draw(st.sampled_from([False, False, True])) else size for size in kept)


@st.composite
def _broadcasting(draw: st.DrawFn, name: str, most: int) -> Case:
    shape = draw(_SHAPES)
    count = draw(st.integers(2, most))
    dtypes = st.just(None) if draw(st.booleans()) else st.sampled_from(_MIXED[: 3 if name == "Subtract" else 4])
    return Case(REGISTRY[name](), tuple(Tensor(worn(draw, shape), draw(dtypes)) for _ in range(count)))


for _name, _most in (("Add", 4), ("Subtract", 2), ("Multiply", 4), ("Divide", 2), ("Maximum", 3), ("Minimum", 3)):
    record(
        _name,
        _broadcasting(_name, _most),
        ErrorCase(
            {},
            ((1, 64, 56, 56), (1, 128, 56, 56)),
            f"{_name}: input 1 is (64, 56, 56) and input 2 is (128, 56, 56): dimension C differs (64 and 128)",
        ),
        ErrorCase({}, ((2, 4, 3), (2, 1, 4)), "dimension L differs (3 and 4)"),
        ErrorCase({}, ((2, 4), (3, 4)), "dimension N differs (2 and 3)"),
        *(
            [ErrorCase({}, ((2, 4), (2, 1), (2, 3)), "inputs 1 to 2 are together (4,) and input 3 is (3,)")]
            if _most > 2
            else []
        ),
    )

_DTYPES = st.sampled_from([None, None, "int64", "bool"])


@st.composite
def _concat(draw: st.DrawFn) -> Case:
    shape, dtype = draw(st.lists(_SIZES, min_size=2, max_size=5)), draw(_DTYPES)
    dim = draw(default_or(st.integers(-len(shape), len(shape) - 1)))
    inputs = []
    for _ in range(draw(st.integers(1, 4))):
        shape[1 if dim is ... else dim] = draw(_SIZES)
        inputs.append(Tensor(tuple(shape), dtype))
    return Case(REGISTRY["Concat"](**({} if dim is ... else {"dim": dim})), tuple(inputs))


record(
    "Concat",
    _concat(),
    ErrorCase(
        {},
        ((1, 64, 56, 56), (1, 64, 56, 56), (1, 64, 28, 56)),
        "Concat: input 1 is (64, 56, 56) and input 3 is (64, 28, 56): dimension H differs (56 and 28)",
    ),
    ErrorCase({"dim": 2}, ((2, 3), (2, 3)), "dimension 2 is not one of -2 to 1"),
    ErrorCase({}, ((2, 3, 4), (2, 3)), "Concat: input 1 has 3 dimensions and input 2 has 2"),
    ErrorCase({}, ((2, 3), (2, 3)), "input 1 holds floating numbers and input 2 int64 numbers", (None, "int64")),
)


@st.composite
def _stack(draw: st.DrawFn) -> Case:
    tensor = Tensor(tuple(draw(_SHAPES)), draw(_DTYPES))
    dim = draw(default_or(st.integers(-len(tensor.shape) - 1, len(tensor.shape))))
    return Case(REGISTRY["Stack"](**({} if dim is ... else {"dim": dim})), (tensor,) * draw(st.integers(1, 4)))


record(
    "Stack",
    _stack(),
    ErrorCase({}, ((1, 64, 56), (1, 64, 28)), "input 1 is (64, 56) and input 2 is (64, 28): dimension L differs"),
    ErrorCase({"dim": 3}, ((2, 3), (2, 3)), "dimension 3 is not one of -3 to 2"),
    ErrorCase({}, ((2, 3, 4), (2, 3)), "Stack: input 1 has 3 dimensions and input 2 has 2"),
    ErrorCase({}, ((2, 3), (2, 3)), "input 1 holds int64 numbers and input 2 floating numbers", ("int64", None)),
)


@st.composite
def _matmul(draw: st.DrawFn) -> Case:
    batch = draw(st.lists(_SIZES, min_size=1, max_size=3))
    rows, inner, columns = draw(_SIZES), draw(_SIZES), draw(_SIZES)
    first, second = (worn(draw, batch) for _ in range(2))
    return Case(REGISTRY["MatMul"](), (Tensor((*first, rows, inner)), Tensor((*second, inner, columns))))


record(
    "MatMul",
    _matmul(),
    ErrorCase({}, ((2, 3), (3,)), "MatMul needs inputs of at least 2 dimensions, got 2 and 1"),
    ErrorCase({}, ((2, 4, 3), (2, 5, 4)), "input 1 is (4, 3) and input 2 is (5, 4): 3 columns cannot meet 5 rows"),
    ErrorCase({}, ((2, 3, 4, 3), (2, 2, 3, 4)), "dimension H differs (3 and 2)"),
)
