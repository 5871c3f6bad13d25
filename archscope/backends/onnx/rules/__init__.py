"""What each kind of node becomes, a file a family."""

from __future__ import annotations

from archscope.backends.importing.rules import Rules
from archscope.backends.onnx.lifting import Rule
from archscope.backends.onnx.rules import layers, pointwise, recurrent, shaping

#: by the node's op type
RULES: Rules[Rule] = Rules.of(layers.RULES, pointwise.RULES, recurrent.RULES, shaping.RULES)
