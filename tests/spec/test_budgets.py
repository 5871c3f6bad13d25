"""Limits as people write them."""

import pytest

import archscope
from archscope.errors import SpecError
from archscope.spec.budgets import read_limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("<= 5e6", 5_000_000), ("<= 4.1G", 4_100_000_000), ("<4.1 G", 4_100_000_000), ("<= 10k", 10_000),
        ("<= 512MiB", 512 * 2**20), ("<= 2GB", 2_000_000_000), (">= 3Ki", 3072), ("== 1_000", 1000), ("<= 5 B", 5),
        ("<= 50%", 0.5), ("grows <= 1%", 0.01), ("grows < 20k", 20_000), ("grows  <=0", 0),
    ],
)  # fmt: skip
def test_numbers(text, limit):
    budget = read_limit("params", text)
    assert budget.limit == pytest.approx(limit, rel=1e-12)
    assert budget.grows == text.startswith("grows")
    assert budget.relative == (text == "grows <= 1%")


@pytest.mark.parametrize(
    "text", ["5e6", "<= i", "<= 4.1g", "<= 3ki", "grows >= 1%", "grows 1%", "<= 5 k M", "=< 3", ""]
)
def test_what_is_no_limit(text):
    assert read_limit("params", text) is None


def test_a_limit_reads_as_it_is_written():
    assert str(read_limit("params", "grows <= 1%")) == "grows <= 1%"
    assert str(read_limit("params", "<= 4.1M")) == "<= 4,100,000"


def test_a_spec_may_state_several_of_a_figure():
    design = archscope.load("input: [3]\nlayers: [Linear: 2]\nbudget: {params: ['<= 8', 'grows <= 1%']}\n")
    assert [str(one) for one in design.budgets] == ["<= 8", "grows <= 1%"]
    with pytest.raises(SpecError, match="3:27: error: `params` has no limit"):
        archscope.load("input: [3]\nlayers: [Linear: 2]\nbudget: {params: ['<= 8', grow <= 1%]}\n")
