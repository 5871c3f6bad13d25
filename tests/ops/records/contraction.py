"""Test records of the sums of products."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, record

_LETTERS = "abcXY"


@st.composite
def _einsum(draw: st.DrawFn) -> Case:
    sizes = {letter: draw(st.sampled_from([1, 2, 3, 4, 5])) for letter in _LETTERS}
    some = st.lists(st.sampled_from(_LETTERS), min_size=1, max_size=4, unique=True)
    terms = draw(st.lists(some, min_size=1, max_size=2))
    known = sorted({letter for term in terms for letter in term})
    out = draw(st.lists(st.sampled_from(known), max_size=4, unique=True))
    equation = ",".join("".join(term) for term in terms) + "->" + "".join(out)
    inputs = tuple(Tensor(tuple(sizes[letter] for letter in term)) for term in terms)
    return Case(REGISTRY["Einsum"](equation=equation), inputs)


record(
    "Einsum",
    _einsum(),
    ErrorCase({"equation": "bij,bjk->bik"}, ((2, 3, 4),), "bij,bjk->bik is for inputs of 2 tensors, not 1"),
    ErrorCase({"equation": "bij->bji"}, ((2, 3),), "bij of bij->bji is for 3 dimensions, and input 1 has 2"),
    ErrorCase(
        {"equation": "bij,bjk->bik"}, ((2, 3, 4), (2, 5, 6)), "j of bij,bjk->bik is 4 in input 1 and 5 in input 2"
    ),
)
