"""Every op in memory, forward and backward, against torch on the CPU: every allocation, every storage that is kept."""

from __future__ import annotations

import warnings
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tests.ops.records
from archscope.backends.torch.check import plain
from tests.examples import examples
from tests.ops.measuring import NOT_STATED, REFUSED, Placed, frozen_of, in_passing, measured, stated
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records
RELAXED = settings(
    max_examples=examples(45),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

needs = pytest.mark.parametrize("needs", [True, False], ids=["inputs need gradients", "only weights do"])
#: what a stand-in does says nothing; tests/ops/test_opaque.py holds the memory of one against the module behind it
every_op = pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))


@needs
@every_op
def test_memory_is_what_torch_takes(name: str, needs: bool) -> None:
    @RELAXED
    @given(RECORDS[name].cases, st.randoms(use_true_random=False), st.booleans())
    def holds(case: Case, draw: Random, some: bool) -> None:
        frozen = frozen_of(case, draw) if some else frozenset()
        assume(name not in NOT_STATED or not NOT_STATED[name](case))
        placed = Placed.plain(case)
        with plain() if name == "LSTM" else warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = measured(case, needs, frozen, placed)
            except (ValueError, RuntimeError) as error:
                assert any(words in str(error) for words in REFUSED)
                return
        found = stated(case, needs, frozen, placed)
        assert found.kept == expected.kept
        assert in_passing(case, frozen) or found.events == expected.events

    holds()
