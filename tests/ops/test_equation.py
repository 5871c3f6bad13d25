"""The equations of sums of products: what is one, and what is said of what is none."""

from __future__ import annotations

import re

import pytest

from archscope.ops import REGISTRY
from archscope.ops.fields import Equation, FieldError


@pytest.mark.parametrize("text", ["bij,bjk->bik", "bij -> bji", "bi, bi ->", "aB,Bc->ca"])
def test_an_equation_is_read_without_its_blanks(text: str) -> None:
    equation = REGISTRY["Einsum"](equation=text).arguments()["equation"]
    assert equation == text.replace(" ", "")
    assert re.search(Equation().schema()["pattern"], equation)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("bij,bjk", "expected an equation of one or two tensors, such as bij,bjk->bik, got 'bij,bjk'"),
        ("a,b,c->abc", "expected an equation of one or two tensors"),
        ("...ij->...ji", "expected an equation of one or two tensors"),
        (3, "got 3"),
        ("bii->bi", "a letter stands twice in one tensor of bii->bi"),
        ("bi->bb", "a letter stands twice in one tensor of bi->bb"),
        ("bij->bk", "no tensor of bij->bk has the letter k"),
    ],
)
def test_what_is_no_equation_is_refused(value: object, says: str) -> None:
    with pytest.raises(FieldError, match=re.escape(says)):
        Equation().read(value, None)
