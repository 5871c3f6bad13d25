"""How the functions of torch are represented, a family a file."""

from __future__ import annotations

from archscope.backends.importing.rules import Rules
from archscope.backends.torch.imports.lifting import Rule
from archscope.backends.torch.imports.rules import functions, shapes, weights

#: by the name of the function that works in no place: ``conv2d``
RULES: Rules[Rule] = Rules.of(functions.RULES, shapes.RULES, weights.RULES)
