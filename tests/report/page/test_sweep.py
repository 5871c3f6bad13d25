"""The page of a sweep."""

from __future__ import annotations

import csv
import io
import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from archscope.comparison import Setting
from archscope.report.page import sweep_page
from archscope.sweeps.model import Moments, Objective, Question, Reason, Rows, Sweep, Tally
from archscope.sweeps.space import Axis, Space
from archscope.table import COLUMNS, Column
from tests.browser import DARK, LIGHT, NO_JAVASCRIPT, PHONE, NewPage, inaccessible

if TYPE_CHECKING:
    from playwright.sync_api import Page

NASTY = "<img src=x onerror=alert(1)></script><!--"


class Grid(Space):
    """All combinations, as itertools has them."""

    def choices(self, start: int, stop: int) -> Any:
        places = itertools.product(*(range(len(axis.values)) for axis in self.axes))
        return np.array(list(itertools.islice(places, start, stop)), dtype=np.int32).T


AXES = (
    Axis("alpha", tuple(float(at) for at in np.arange(1, 17) / 8)),
    Axis("input", (96, 128, 160, 192, 224, 256)),
    Axis("depths", ((2, 2), (3, 4), (3, 8))),
    Axis("norm", ("batch", "none")),
)
FIGURES = (
    COLUMNS["params"],
    COLUMNS["macs"],
    COLUMNS["activations"],
    COLUMNS["receptive_field"],
    Column("density", "density", "", "macs / params", "ratio", additive=False),
)


def made(  # noqa: PLR0914
    axes: tuple[Axis, ...] = AXES,
    *,
    pareto: tuple[Objective, ...] = (Objective("params"), Objective("macs", largest=True)),
    where: tuple[str, ...] = ("params < 12e6", "macs < 1.5e9"),
    **changes: Any,
) -> Sweep:
    """A sweep whose figures are smooth formulas of its axes; every thirteenth design is none."""
    space = Grid(axes)
    choices = space.choices(0, space.size)
    alpha, size = (np.array(axes[at].values, dtype=float)[choices[at]] for at in (0, 1))
    depth, norm = (choices[at] for at in (2, 3))
    columns = {
        "params": np.round(3.2e6 * alpha**2 + 1e6 * alpha + 2e5 * depth * alpha + 2000 * (1 - norm)).astype(np.int64),
        "macs": np.round(5.4e8 * alpha**1.8 * (size / 224) ** 2 * (1 + 0.1 * depth)).astype(np.int64),
        "activations": np.round(5e6 * alpha * (size / 224) ** 2 * (1 + 0.2 * depth)).astype(np.int64),
        "receptive_field": (315 + 64 * depth).astype(np.int64),
    }
    columns["density"] = columns["macs"] / columns["params"]
    columns["density"][5] = np.nan
    numbers = np.arange(space.size)
    legal = numbers % 13 != 12
    passing = legal & (columns["params"] < 12e6) & (columns["macs"] < 1.5e9)
    missed = {"params < 12e6": int((legal & (columns["params"] >= 12e6)).sum()),
              "macs < 1.5e9": int((legal & (columns["macs"] >= 1.5e9)).sum())}  # fmt: skip
    rows = Rows(numbers, choices, columns)
    kept = rows.take(passing)
    order = np.argsort(kept.columns["macs"], kind="stable")
    better = [-kept.columns[name] if largest else kept.columns[name] for name, largest in pareto]
    front = [
        at
        for at in range(len(kept))
        if not any(all(one[b] <= one[at] for one in better) and any(one[b] < one[at] for one in better) for b in range(len(kept)))
    ] if pareto else []  # fmt: skip
    front.sort(key=lambda at: kept.columns[pareto[0].column][at])
    values = np.array([columns[column.name][legal] for column in FIGURES]).T
    chosen = choices[:, legal]
    by_axis = [[values[chosen[at] == place] for place in range(len(axis.values))] for at, axis in enumerate(axes)]
    mean = np.nanmean(values, axis=0)
    moments = Moments(
        tuple(column.name for column in FIGURES),
        (~np.isnan(values)).sum(axis=0),
        mean,
        np.nansum((values - mean) ** 2, axis=0),
        np.nanmin(values, axis=0),
        np.nanmax(values, axis=0),
        tuple(np.array([(~np.isnan(part)).sum(axis=0) for part in parts]) for parts in by_axis),
        tuple(np.array([np.nanmean(part, axis=0) for part in parts]) for parts in by_axis),
    )
    invalid = {"groups do not divide the channels": Reason(int((~legal).sum()), 12, "`groups` (=3) does not divide 32")}
    found = Sweep(
        name="MobileNet", file="mobilenet.yaml", space=space,
        question=Question(tuple(columns)[:4], (("density", "macs / params"),), where, pareto, Objective("macs"), 10, Setting()),
        columns=FIGURES, tally=Tally(space.size, invalid, missed, int(passing.sum())), moments=moments,
        top=kept.take(order[:10]), frontier=kept.take(np.array(front, dtype=int)), sample=kept.take(np.arange(0, len(kept), 2)),
        structural=("depths",), structures=3, seconds=0.25, complete=True,
    )  # fmt: skip
    return replace(found, **changes)
