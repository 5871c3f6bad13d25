"""What blocks are called."""

from __future__ import annotations

import re
from collections import Counter

from archscope.design import Design
from archscope.spec.document import BLOCK_NAME, ENTRY_KEYS
from archscope.structure.names import free
from archscope.structure.parts import Part


class BlockNames:
    """Names of blocks, each its own.

    Args:
        design: whose scopes tell the classes of parts.
    """

    def __init__(self, design: Design) -> None:
        self._hints = {scope.name: scope.block for scope in design.scopes if scope.block}
        self._taken: set[str] = set()

    def of(self, members: list[Part]) -> str:
        """A word for parts that are one block: their class, where that is known, their label, or what is in them."""
        hints = Counter(self._hints[one.name] for one in members if one.name in self._hints)
        stems = Counter(re.sub(r"[^A-Za-z]+$|^[^A-Za-z]+", "", one.label[-1]) for one in members)
        stem, count = stems.most_common(1)[0]
        if hints:
            word = hints.most_common(1)[0][0]
        elif stem and (count == len(members) or (2 * count > len(members) and len(_kinds(members[0])) > 3)):
            word = stem
        else:
            word = _content(members[0])
        word = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word).lower()
        word = re.sub(r"[^a-z0-9_]", "_", word).strip("_")
        if not BLOCK_NAME.fullmatch(word) or word in ENTRY_KEYS:
            word = "block"
        word = free(word, self._taken)
        self._taken.add(word)
        return word


def _kinds(part: Part) -> list[str]:
    """The ops of its layers."""
    return [one.kind for one in part.every() if one.step is not None]


def _content(part: Part) -> str:
    """A word for a part after the layers in it."""
    kinds = _kinds(part)
    short = {"Conv1d": "conv", "Conv2d": "conv", "Conv3d": "conv", "BatchNorm2d": "bn", "Linear": "linear"}
    separable = [kind.startswith("Conv") for kind in kinds].count(True) == 2 and _is_depthwise(part)
    if separable:
        return "separable"
    if len(kinds) <= 3:
        return "_".join(dict.fromkeys(short.get(kind, kind.lower()) for kind in kinds))
    if any(kind.endswith("Attention") for kind in kinds):
        return "transformer_layer"
    if "Add" in kinds:
        return "residual"
    return "module" if "Concat" in kinds else "unit"


def _is_depthwise(part: Part) -> bool:
    """Whether its first layer is a convolution of every channel by itself."""
    step = next(one.step for one in part.every() if one.step is not None)
    return step.layer.op.arguments().get("groups", 1) == step.x[0].shape[1] > 1 if step.x else False
