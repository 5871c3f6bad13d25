"""Variables of a spec: their names, and values as expressions have them."""

from __future__ import annotations

import re
from typing import Any

from archscope.spec.document import ENTRY_KEYS, is_variable
from archscope.spec.expressions import FUNCTIONS
from archscope.structure.names import free

RESERVED_NAMES = {*FUNCTIONS, *ENTRY_KEYS, "i", "j", "k", "stage", "input"}


class Variables:
    """The lists that become variables of the design."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> str:
        """A variable with a value; one that there is already, if it has that value and that name."""
        for other, held in self.values.items():
            if held == value and other.rstrip("_0123456789") == name:
                return other
        name = variable(name, {*self.values, *RESERVED_NAMES})
        self.values[name] = value
        return name


def variable(name: str, taken: set[str]) -> str:
    """The name of a variable, with a number if something else has it."""
    return free(name, lambda one: one in taken or not is_variable(one))


def identifier(label: str) -> str:
    """A label as the name of a variable."""
    word = re.sub(r"\W+", "_", label).strip("_").lower()
    return word if word[:1].isalpha() else f"with_{word}"


def written(value: Any) -> str:
    """A value inside an expression."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, str):
        return str(value)
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )
