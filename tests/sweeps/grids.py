"""Sweeps made by hand: designs of a grid whose figures are arithmetic, and parts of it, without any engine."""

from itertools import pairwise

import numpy as np

from archscope.comparison import FIGURES
from archscope.figures import Column
from archscope.setting import Setting
from archscope.sweeps.merging import Merger, moments
from archscope.sweeps.model import Decision, Objective, Part, Question, Reason, Rows, Tally
from archscope.sweeps.space import Axis, Space

AXES = (
    Axis("width", (16, 32, 64)),
    Axis("depths[0]", (1, 2)),
    Axis("kind", ("ReLU", "GELU")),
    Axis("input", (8, 16, 32)),
)
COLUMNS = (
    FIGURES["params"],
    FIGURES["macs"],
    Column("field", "field", "places", "seen by a unit", "count", additive=False),
    Column("ratio", "ratio", "", "macs / params", "ratio", additive=False),
)
QUESTION = Question(
    figures=("params", "macs"),
    derived=(("ratio", "macs / params"),),
    where=("macs < 3e6", "params < 1e5"),
    pareto=(Objective("params"), Objective("field", largest=True)),
    sort=Objective("macs"),
    top=5,
    setting=Setting(batch=4, device="h200"),
)
MISFIT = "kernel 3 does not fit"


def part(space, start, stop):
    """Some designs of the grid: params = 9 w², macs = params x (input / 4)² x depth, field = w / 16 + 2 x depth.

    Of width 64 at input 8 there are none; GELU has no ratio.
    """
    choices = space.choices(start, stop)
    width, depth, _, size = (
        np.array([v if isinstance(v, int) else 0 for v in axis.values])[at]
        for axis, at in zip(space.axes, choices, strict=True)
    )
    params = 9 * width**2
    macs = params * (size // 4) ** 2 * depth
    ratio = np.where(choices[2] == 0, macs / params, np.nan)
    numbers = np.arange(start, stop)
    everyone = Rows(
        numbers, choices, {"params": params, "macs": macs, "field": width // 16 + 2 * depth, "ratio": ratio}
    )
    illegal = (width == 64) & (size == 8)
    legal = everyone.take(~illegal)
    cheap, light = legal.columns["macs"] < 3e6, legal.columns["params"] < 1e5
    invalid = {MISFIT: Reason(int(illegal.sum()), int(numbers[illegal][0]), f"{MISFIT}: 2 < 3")} if any(illegal) else {}
    missed = {"macs < 3e6": int((~cheap).sum()), "params < 1e5": int((~light).sum())}
    passed = legal.take(cheap & light)
    sizes = [len(axis.values) for axis in space.axes]
    found = moments(legal.choices, legal.columns, sizes)
    tally = Tally(stop - start, invalid, missed, len(passed))
    return Part(
        start,
        stop,
        passed,
        tally,
        found,
        decisions={Decision(7, 1, (1,)): frozenset([10]), Decision(7, 2, (1,)): frozenset([11])},
    )


def swept(cuts=(), *, axes=AXES, question=QUESTION, stop=None, seconds=0.25):
    """The sweep of the grid, cut into parts."""
    space = Space(axes)
    merger = Merger(space, question, COLUMNS)
    ends = [0, *sorted(cuts), space.count if stop is None else stop]
    for start, end in pairwise(ends):
        merger.add(part(space, start, end))
    return merger.sweep("net", "net.yaml", seconds)
