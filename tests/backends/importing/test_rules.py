"""Tables of rules."""

import pytest

from archscope.backends.importing.rules import Rules


def test_a_rule_serves_each_of_its_names():
    rules = Rules()

    @rules.rule("add", "sub")
    def joined():
        return "Add"

    assert rules == {"add": joined, "sub": joined}
    assert Rules.of(rules, {"mul": joined}).keys() == {"add", "sub", "mul"}


def test_no_name_has_two_rules():
    rules = Rules(add=min)
    with pytest.raises(AssertionError, match="two rules for add"):
        rules.rule("sub", "add")(max)
    with pytest.raises(AssertionError, match="two rules for add"):
        Rules.of(rules, {"add": max})
