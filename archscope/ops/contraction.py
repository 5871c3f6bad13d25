"""Sums of products, written as an equation of letters (Einstein's notation)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from archscope.arith import prod, where
from archscope.autograd.einsum import einsum
from archscope.ops.base import (
    Arity,
    Check,
    Contraction,
    NoWeights,
    Reads,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import Equation
from archscope.ops.windows import ALL, SAME, Along


@register
class Einsum(NoWeights):
    """One or two tensors summed over the letters that the result has not: ``bij,bjk->bik`` (torch.einsum).

    Each of the result's elements sums as many products as the letters that both tensors have, and it has not, can
    take values. A letter that one tensor alone has, and the result has not, is summed before.
    """

    arity = Arity(1, 2)
    copies = disorders = True  # of one tensor whose letters are all in the result it is a view
    elementwise_rule = (
        "one addition an element of a tensor that is summed before; one multiplication an output element where "
        "nothing is left to be summed"
    )

    equation: str = argument(Equation())

    def _terms(self) -> tuple[tuple[str, ...], str]:
        """The letters of each tensor, and those of the result."""
        terms, _, out = self.equation.partition("->")
        return tuple(terms.split(",")), out

    def _sizes(self, *x: Tensor) -> dict[str, int]:
        """The size of each letter, where it stands first."""
        sizes: dict[str, int] = {}
        for term, tensor in zip(self._terms()[0], x, strict=True):
            for letter, size in zip(term, tensor.shape, strict=True):
                sizes.setdefault(letter, size)
        return sizes

    def _shared(self) -> list[str]:
        """The letters that the product sums: both tensors have them, and the result has not."""
        terms, out = self._terms()
        return [letter for letter in terms[0] if letter in terms[-1] and letter not in out] if len(terms) > 1 else []

    def checks(self, *x: Tensor) -> Iterator[Check]:
        terms, _ = self._terms()
        fits = len(terms) == len(x)
        yield Check(
            fits,
            "{e} is for inputs of {m} tensors, not {n}",
            field="equation",
            e=self.equation,
            m=len(terms),
            n=len(x),
        )
        first: dict[str, int] = {}
        for number, (term, tensor) in enumerate(zip(terms, x, strict=False), 1):
            yield Check(
                len(term) == len(tensor.shape),
                "{t} of {e} is for {m} dimensions, and input {i} has {n}",
                field="equation",
                t=term,
                e=self.equation,
                m=len(term),
                i=number,
                n=len(tensor.shape),
            )
            for letter, size in zip(term, tensor.shape, strict=False):
                before = first.setdefault(letter, size)
                yield Check(
                    before == size,
                    "{c} of {e} is {a} in input 1 and {b} in input 2",
                    field="equation",
                    c=letter,
                    e=self.equation,
                    a=before,
                    b=size,
                )

    def outputs(self, *x: Tensor) -> Tensors:
        sizes = self._sizes(*x)
        return (x[0].with_shape(*(sizes[letter] for letter in self._terms()[1])),)

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        shared, sizes = self._shared(), self._sizes(*x)
        if shared:
            products = prod(sizes[letter] for letter in shared)
            # of single products torch makes no sum, and its counter counts none
            yield Contraction(where(products == 1, 0, y[0].numel * products), (0, 1))

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        terms, out = self._terms()
        if len(x) == 1:
            return x[0].numel if len(out) < len(terms[0]) else 0
        sizes, work = self._sizes(*x), 0
        for tensor, term, other in zip(x, terms, reversed(terms), strict=True):
            if {*term} - {*other} - {*out}:
                work = work + tensor.numel
        products = prod(sizes[letter] for letter in self._shared())
        return work + where(products == 1, y[0].numel, 0)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        terms, out = self._terms()
        return tuple(
            Along(tuple((out.index(letter), SAME) if letter in out else ALL for letter in term)) for term in terms
        )

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return einsum(t, x, *self._terms())

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        equation = self.equation
        return lambda *tensors: torch.einsum(equation, *tensors)
