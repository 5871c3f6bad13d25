"""What holds of every op in the registry: an op is tested on the day it is entered."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from torch import nn

import tests.ops.records
from archscope.ops import REGISTRY, Op, Tensor, failed
from archscope.ops.activation import ReLU
from archscope.ops.fields import REQUIRED, FieldInfo, SameAs
from tests.ops.records.base import RECORDS, Case, ErrorCase

assert tests.ops.records
RELAXED = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
each_op = pytest.mark.parametrize("name", sorted(RECORDS))
each_error = pytest.mark.parametrize(
    ("name", "error"),
    [pytest.param(name, error, id=f"{name}-{i}") for name in RECORDS for i, error in enumerate(RECORDS[name].errors)],
)

_DIM = "torch's implicit dim is deprecated: it must be given"
_LAST = "left out, it is the last dimension"
#: arguments whose defaults differ from torch's, each with the reason
DEFAULTS_DIFFER = {
    ("Softmax", "dim"): _DIM,
    ("Softmin", "dim"): _DIM,
    ("LogSoftmax", "dim"): _DIM,
    ("LayerNorm", "normalized_shape"): _LAST,
    ("RMSNorm", "normalized_shape"): _LAST,
}

#: arguments of torch's layer that are neither fields nor refused nor inferred by ``inferred``, each with the reason
ELSEWHERE: dict[tuple[str, str], str] = {
    **{(name, "mode"): "torch's base class takes it; the layer's own name says it" for name in ("RNN", "LSTM", "GRU")},
    ("Embedding", "_weight"): "private: for Embedding.from_pretrained",
    ("Embedding", "_freeze"): "private: for Embedding.from_pretrained",
    ("EmbeddingBag", "_weight"): "private: for EmbeddingBag.from_pretrained",
}


def a_case(name: str) -> Case:
    """The simplest case of an op."""
    return find(RECORDS[name].cases, lambda case: True, settings=settings(RELAXED, phases=[Phase.generate]))


def test_every_op_has_a_record_and_every_record_an_op() -> None:
    assert set(RECORDS) == set(REGISTRY)


@each_op
def test_an_op_is_documented_and_final(name: str) -> None:
    op = REGISTRY[name]
    assert op.__name__ == name
    assert not inspect.isabstract(op)
    assert op.__doc__ in {vars(op).get("__doc__")}
    assert len((op.__doc__ or "").strip()) > 5
    assert not [other for other in REGISTRY.values() if op in other.__mro__[1:]], "an op is final"


@each_op
def test_elementwise_work_is_stated(name: str) -> None:
    rule = REGISTRY[name].elementwise_rule
    assert rule

    @RELAXED
    @given(RECORDS[name].cases)
    def holds(case: Case) -> None:
        op, x = case
        work = op.elementwise(x, op.outputs(*x))
        assert work >= 0
        assert work == 0 or rule != "none"

    holds()


def _concrete(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        special = name.startswith("__") and name.endswith("__")
        abstract = getattr(function, "__isabstractmethod__", False)
        if inspect.isfunction(function) and not special and not abstract:
            yield name


def overridden(cls: type) -> set[str]:
    """Methods that more than one class of the hierarchy implements."""
    names = [name for base in cls.__mro__ for name in _concrete(base)]
    return {name for name in names if names.count(name) > 1}


@each_op
def test_no_class_overrides_a_concrete_method(name: str) -> None:
    assert not overridden(REGISTRY[name])


def test_an_override_would_be_seen() -> None:
    class Careless(ReLU):
        def outputs(self, *x: Tensor) -> tuple[Tensor, ...]:
            return x

        @classmethod
        def field(cls, name: str) -> FieldInfo | None:
            return None

    assert overridden(Careless) == {"outputs", "field"}


def torch_parameters(layer: type) -> dict[str, inspect.Parameter]:
    """The arguments of a torch layer; those of its base where it passes on all it gets (LSTM)."""
    for cls in layer.__mro__:
        found = inspect.signature(cls).parameters if "__init__" in vars(cls) else {}
        if found and not any(p.kind is p.VAR_POSITIONAL for p in found.values()):
            return {key: value for key, value in found.items() if key not in ("device", "dtype")}
    return {}


@pytest.mark.parametrize("name", sorted(name for name in RECORDS if hasattr(nn, name)))
def test_the_arguments_are_those_of_torch(name: str) -> None:
    layer = getattr(nn, name)
    op, x = a_case(name)
    infer = getattr(op, "inferred", None)  # recurrent layers and attention infer too, and are no TorchLayer
    inferred = set(infer(*x)) if infer else set()
    theirs = torch_parameters(layer)
    ours = {info.name: info for info in op.fields}
    elsewhere = {argument for owner, argument in ELSEWHERE if owner == name}
    assert set(theirs) <= {*ours, *op.refuses, *inferred, *elsewhere}
    assert not set(ours) & set(op.refuses)
    assert [key for key in theirs if key in ours] == [key for key in ours if key in theirs], "another order"
    for key, info in ours.items():
        if key in theirs and (name, key) not in DEFAULTS_DIFFER:
            default = theirs[key].default
            if default is inspect.Parameter.empty:
                assert info.default is REQUIRED, key
            elif isinstance(info.default, SameAs):
                assert default is None, key
            else:
                assert not info.required, key
                assert info.kind.read(default, op.rank) == info.kind.read(info.default, op.rank), key


@pytest.mark.parametrize(("name", "argument"), [*DEFAULTS_DIFFER, *ELSEWHERE])
def test_declared_exceptions_exist(name: str, argument: str) -> None:
    assert argument in torch_parameters(getattr(nn, name))
    assert (REGISTRY[name].field(argument) is None) == ((name, argument) in ELSEWHERE)


@each_error
def test_an_error_case_is_refused_in_its_words(name: str, error: ErrorCase) -> None:
    op, x = wrong(name, error)
    checks = failed(op, x)
    assert [check for check in checks if error.says in check.message], [check.message for check in checks]
    for check in checks:
        assert check.field == "" or op.field(check.field) is not None
        assert "{" not in check.message + check.hint


def wrong(name: str, error: ErrorCase) -> Case:
    op = REGISTRY[name]
    dtypes = error.dtypes or (None if op.takes in ("any", "number") else op.takes,) * len(error.shapes)
    return Case(op(**error.arguments), tuple(map(Tensor, error.shapes, dtypes)))


@each_op
def test_every_rule_has_an_error_case(name: str) -> None:
    covered = set()
    for error in RECORDS[name].errors:
        op, x = wrong(name, error)
        covered |= {check._message for check in failed(op, x)}

    @RELAXED
    @given(RECORDS[name].cases)
    def holds(case: Case) -> None:
        assert {check._message for check in case.op.checks(*case.inputs)} <= covered

    holds()


@each_op
def test_an_op_is_made_of_values_that_json_can_hold(name: str) -> None:
    @RELAXED
    @given(RECORDS[name].cases)
    def holds(case: Case) -> None:
        op: Op = case.op
        for arguments in (op.arguments(), op.non_default()):
            values: dict[str, Any] = json.loads(json.dumps(arguments))
            again = type(op)(**values)
            assert again == op
            assert hash(again) == hash(op)

    holds()
