"""What each kind of node becomes, a file a family."""

from __future__ import annotations

from collections.abc import Mapping

from archscope.backends.onnx.lift import Rule
from archscope.backends.onnx.rules import layers, pointwise, recurrent, shaping

#: by the node's op type
RULES: Mapping[str, Rule] = {**layers.RULES, **pointwise.RULES, **recurrent.RULES, **shaping.RULES}
