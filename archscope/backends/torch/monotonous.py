"""A module's own calls of torch, in which nothing rests: every place that a call may depend on has a gradient.

Gradients through a network as it is miss influences: a maximum has one winner, an activation may lie in a flat part.
:class:`Monotonous` runs a module and changes only such calls, knowing of them what torch's documentation says, and
nothing of layers: an activation becomes softsign, which rises everywhere and keeps numbers near one; each place of a
window of a max pool wins in turn, as torch's own pool tells; a maximum over dimensions becomes their mean. What chooses
by values cannot be changed so, and is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

#: functions of one tensor that work element by element, and that have, or may have, flat parts
POINTWISE = frozenset(
    [
        "celu", "clamp", "clamp_max", "clamp_min", "elu", "floor", "gelu", "hardshrink", "hardsigmoid", "hardswish",
        "hardtanh", "leaky_relu", "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "sign",
        "silu", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
    ]
)  # fmt: skip
_REDUCTIONS = {"amax": torch.mean, "amin": torch.mean}
_OF_TWO = ("maximum", "minimum")
_MAX_POOLS: dict[str, Callable[..., Any]] = {
    f"max_pool{rank}d{suffix}": getattr(functional, f"max_pool{rank}d_with_indices")
    for rank in (1, 2, 3)
    for suffix in ("", "_with_indices")
}
_ADAPTIVE: dict[str, Callable[..., Any]] = {
    f"adaptive_max_pool{rank}d{suffix}": getattr(functional, f"adaptive_avg_pool{rank}d")
    for rank in (1, 2, 3)
    for suffix in ("", "_with_indices")
}
#: what takes elements by their order
_CHOOSING = {"topk": "takes elements by their values", "sort": "lays elements by their values"}
#: places of a window of a max pool that win in turn
_MOST_WINNERS = 20_000


class Monotonous(TorchFunctionMode):
    """Calls are changed so that each place they may depend on has a gradient.

    Attributes:
        noted: why a call cannot be changed so, in words, each once.
        looked_up: whether a marked tensor was looked up in a table.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []
        self.looked_up = False
        self._marks: dict[int, tuple[Any, Any]] = {}

    def mark(self, numbers: Any) -> Any:
        """What stands for whole numbers, which have no gradient: each is looked up in a table, and shifts its row.

        Returns:
            As many zeros, whose gradients tell what the rows influence.
        """
        zeros = torch.zeros(numbers.shape, dtype=torch.float64, requires_grad=True)
        self._marks[id(numbers)] = (numbers, zeros)
        return zeros

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "").removesuffix("_")
        if name in POINTWISE:
            return functional.softsign(args[0])
        if name == "detach":
            return args[0]
        if name in _OF_TWO:
            return (args[0] + args[1]) / 2
        if name in _REDUCTIONS:
            return _REDUCTIONS[name](*args, **kwargs)
        if name in _ADAPTIVE:
            kwargs.pop("return_indices", None)
            return _ADAPTIVE[name](*args, **kwargs)
        if name in _MAX_POOLS:
            return self._pooled(_MAX_POOLS[name], *args, **kwargs)
        if name in _CHOOSING:
            self._note(_CHOOSING[name])
        if name == "vector_norm" and args[1] in (0, float("inf"), -float("inf")):
            return func(args[0], 2, *args[2:], **kwargs)
        result = func(*args, **kwargs)
        if name == "embedding" and id(args[0]) in self._marks:
            self.looked_up = True
            return result + self._marks[id(args[0])][1].unsqueeze(-1)
        return result

    def _note(self, why: str) -> None:
        if why not in self.noted:
            self.noted.append(why)

    def _pooled(self, pool: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
        """The mean of the pools in which each place of a window wins in turn.

        The places win that are a period apart, and a period is as long as the longest window: so no window holds two.
        """
        kwargs.pop("return_indices", None)
        sizes = x.shape[2:]
        places = torch.meshgrid(*(torch.arange(size, dtype=torch.float64) for size in sizes), indexing="ij")

        def pooled(values: Any) -> Any:
            return pool(values[None, None], *args, **kwargs)

        periods = [int((pooled(place)[0] + pooled(-place)[0]).max()) + 1 for place in places]
        if prod(periods) > _MOST_WINNERS:
            self._note(f"pools windows of {prod(periods):,} places, and at most {_MOST_WINNERS:,} are tried")
            return pool(x, *args, **kwargs)[0]
        flat, taken = x.flatten(2), []
        for turn in product(*map(range, periods)):
            wins = torch.ones(sizes, dtype=torch.bool)
            for place, period, first in zip(places, periods, turn, strict=True):
                wins &= place % period == first
            winners = pooled(wins.double())[1]
            taken.append(flat[:, :, winners.flatten()].unflatten(2, winners.shape[2:]))
        return sum(taken) / len(taken)
