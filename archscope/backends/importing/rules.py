"""Tables of what each kind of call or node becomes, a file a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Rules(dict[str, R]):
    """Rules by the names of what they represent; each name has one."""

    def rule(self, *names: str) -> Callable[[F], F]:
        """Enter the function below as the rule of these names."""

        def enter(rule: F) -> F:
            self.enter(dict.fromkeys(names, cast(R, rule)))
            return rule

        return enter

    def enter(self, rules: Mapping[str, R]) -> None:
        """Enter more of them."""
        twice = self.keys() & rules.keys()
        assert not twice, f"two rules for {', '.join(sorted(twice))}"
        self.update(rules)

    @classmethod
    def of(cls, *tables: Mapping[str, R]) -> Rules[R]:
        """Several tables as one."""
        whole: Rules[R] = cls()
        for table in tables:
            whole.enter(table)
        return whole
