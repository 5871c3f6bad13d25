"""About how long a step takes, on devices that others have timed networks on: no calibration is needed.

A step takes a sum: of each kind of work the time that the data sheet's peak, or its bandwidth, would take for it, times
a factor, and of each call so many microseconds. The factors are fitted on published timing tables, a table a device,
precision, layout and mode (``benchmarks/estimates.py`` does it); with them stands by how much they were off on networks
whose whole family was left out of the fit. Where a table has no work of a kind, there is no factor for it, and a design
that has much of it is not estimated.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from archscope.analysis.time.traffic import Moved, Part
from archscope.arith import total
from archscope.setting import Setting
from archscope.setting.devices import CONTRACTING, DEVICES, Ceilings
from archscope.setting.precision import Precision

#: what the work of a layer is called in a fit, where its kind does not say it
_GROUPS = {
    "BatchNorm1d": "batch norm", "BatchNorm2d": "batch norm", "BatchNorm3d": "batch norm", "Softmax": "norm",
    "AdaptiveAvgPool2d": "reduction", "Mean": "reduction", "Sum": "reduction", "Contiguous": "copy", "Reshape": "copy",
    "Roll": "copy", "Pad": "copy", "Concat": "copy", "Permute": "copy", "Flatten": "copy", "Upsample": "pooling",
    "Add": "merge", "Multiply": "merge",
}  # fmt: skip
_KINDS = {"normalization": "norm", "pooling": "pooling", "update": "update"}
#: a compiled step takes several times as long for a mean over places of what one of these makes as for another, as in
#: networks that gate their channels by it: a kind of its own in the fits of compiled steps
_GATING = ("SiLU", "GELU", "Hardswish")
#: what tensor cores multiply as fast, and autocast moves as many bytes of
_AS_FAST = {"bf16-mixed": "fp16-mixed", "fp16-mixed": "bf16-mixed"}
#: tensor cores multiply tiles: inner and columns are filled up to multiples of this, by at most that many times
_TILE, _MOST_FILLED = 32, 16
#: of the work of a design as much may be of kinds that a fit has not seen
_UNSEEN = 0.1


#: what of a setting a fit holds for; of the others it says for which batches
FITTED = ("device", "precision", "mode", "channels_last", "compile")


def fitted(setting: Setting) -> Setting:
    """What of a setting a fit holds for, all else as usual."""
    return Setting(**{name: getattr(setting, name) for name in FITTED})


@dataclass(frozen=True)
class Fit:
    """Factors of a device in a setting, and how good they are.

    Attributes:
        source: the table that was published.
        networks, families: how many it was fitted on.
        batches: the smallest and the largest of the batches there.
        median, ninetieth: of the relative errors of networks whose family was left out, half and nine tenths are below.
        factors: by kind of work; of ``calls`` microseconds.
    """

    setting: Setting
    source: str
    networks: int
    families: int
    batches: tuple[int, int]
    median: float
    ninetieth: float
    factors: Mapping[str, float]


@dataclass(frozen=True)
class Estimate:
    """The estimated time of a step.

    Attributes:
        seconds: of the step.
        outside: whether the batch is none of those that the fit has seen.
    """

    seconds: float
    fit: Fit
    outside: bool


@cache
def fits() -> Mapping[Setting, Fit]:
    """All that is fitted."""
    data = json.loads((files("archscope.analysis.time") / "estimates.json").read_text(encoding="utf-8"))
    all_fits = [from_data(one) for one in data]
    return {one.setting: one for one in all_fits}


def from_data(data: Mapping[str, Any]) -> Fit:
    """A fit as it is stored."""
    rest = {name: value for name, value in data.items() if name not in ("setting", "batches")}
    return Fit(Setting(**data["setting"]), batches=tuple(data["batches"]), **rest)


def fit_of(ceilings: Ceilings, setting: Setting) -> Fit | None:
    """The fit for a device in a setting; none where there is none, or its peaks are not the published ones."""
    key = next((key for key, device in DEVICES.items() if device.ceilings == ceilings), None)
    if key is None:
        return None
    asked = fitted(setting).but(device=key)
    return fits().get(asked) or fits().get(asked.but(precision=_AS_FAST.get(asked.precision, asked.precision)))


def work(
    parts: Iterable[Part], ceilings: Ceilings, precision: Precision, *, moving: Sequence[Part] | None = None
) -> dict[str, float]:
    """The work of a step by kind: seconds that its peak, or its bandwidth, takes for it; millions of calls.

    Args:
        moving: the parts whose elementwise work counts, where those of a compiled step have none.
    """
    seconds: dict[str, float] = defaultdict(float)
    counted = [(part, "") for part in parts if moving is None or part.kind in CONTRACTING]
    above = ""
    for part in moving or ():
        if part.kind not in CONTRACTING:
            counted.append((part, "gating " if above in _GATING and _kind(part) == "reduction" else ""))
        above = part.op
    for part, manner in counted:
        for phase, before in (("forward", ""), ("backward", "backward ")):
            moved: Moved = getattr(part, phase)
            if moved.calls or moved.flops:
                seconds["calls"] += moved.calls * 1e-6
                for kind, value in _work(part, moved, ceilings, precision):
                    seconds[before + manner + kind] += value
    return seconds


def _kind(part: Part) -> str:
    """What the work of a layer without products is called."""
    return _GROUPS.get(part.op, _KINDS.get(part.kind, "elementwise"))


def _work(part: Part, moved: Moved, ceilings: Ceilings, precision: Precision) -> Iterator[tuple[str, float]]:
    memory = moved.bytes / ceilings.bandwidth
    if part.kind not in CONTRACTING:
        yield _kind(part), memory
        return
    kind = "attention" if part.kind == "product" and part.op != "Linear" else part.kind
    compute = moved.flops / _peak(ceilings, part.numbers or precision, part.kind)
    yield f"{kind} roof", max(compute, memory)
    yield f"{kind} products", compute
    yield f"{kind} filling", compute * (_filled(part) - 1)
    yield f"{kind} bytes", memory


def _peak(ceilings: Ceilings, precision: Precision, kind: str) -> float:
    return max(ceilings.flops[number] for number in precision.of(kind) if number in ceilings.flops)


def _filled(part: Part) -> float:
    if part.product is None or part.kind == "depthwise":
        return 1.0
    inner, columns = (-(-size // _TILE) * _TILE / size for size in (part.product.inner, part.product.columns))
    return min(inner * columns, _MOST_FILLED)


def estimate(
    fit: Fit, parts: Sequence[Part], ceilings: Ceilings, batch: int, moving: Sequence[Part] | None = None
) -> Estimate | None:
    """The estimate of a step; none where much of its work is of kinds that the fit has not seen."""
    by_kind = work(parts, ceilings, fit.setting.numbers, moving=moving)
    in_kinds = total(by_kind[kind] for kind in by_kind if kind in fit.factors and kind != "calls")
    unseen = total(by_kind[kind] for kind in by_kind if kind not in fit.factors)
    if unseen > _UNSEEN * in_kinds:
        return None
    seconds = total(fit.factors[kind] * by_kind[kind] for kind in by_kind if kind in fit.factors)
    return Estimate(seconds, fit, not fit.batches[0] <= batch <= fit.batches[1])
