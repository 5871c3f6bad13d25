"""Fit estimates of times on published tables, leave families out to see how good they are, and try the bounds on them.

    git clone https://github.com/huggingface/pytorch-image-models timm
    python -m benchmarks.estimates timm/results --out reports/estimates.md

reads the benchmark tables of that folder (nothing of it is kept here), works out what every network that it can
express computes and moves, and writes ``archscope/analysis/time/estimates.json`` (the factors) and the report. Networks
are designs of ``specs/``, variants of them by their variables, and, where timm is installed, what
``archscope.from_torch`` makes of its models (a slow part: ``--cache`` keeps it in a folder; ``--networks`` limits it;
the kept factors are of some 240 networks, with timm 1.0.31). NumPy and SciPy are needed.

The factors minimise the relative errors (iteratively reweighted towards the least absolute ones), are not negative, and
are drawn a little towards what the data sheet says, so that a kind of work that few networks have gets no wild factor.
Every error that is told is of a network whose whole family was left out of the fit.
"""

from __future__ import annotations

import csv
import json
import math
import pickle
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from scipy.optimize import nnls

import archscope
from archscope.analysis.time.estimates import FITTED, work
from archscope.analysis.time.roofline import bounded
from archscope.analysis.time.traffic import Moved, Part, traffic
from archscope.errors import ArchscopeError
from archscope.setting import Setting
from archscope.setting.devices import DEVICES, Ceilings
from archscope.setting.precision import Precision

SOURCE = "huggingface/pytorch-image-models, results"
#: of a setting, in the report
SHOWN = ("precision", "mode", "channels_last", "compile", "device")
#: tables of timm by what their names say: device, precision, mode, channels last, compiled; the newest of each
TABLES = {
    "benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv": Setting(device="rtx3090", precision="fp16-mixed", mode="infer"),
    "benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv": Setting(
        device="rtx3090", precision="fp16-mixed", mode="infer", channels_last=True
    ),
    "benchmark-train-amp-nchw-pt112-cu113-rtx3090.csv": Setting(device="rtx3090", precision="fp16-mixed", mode="train"),
    "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv": Setting(
        device="rtx3090", precision="fp16-mixed", mode="train", channels_last=True
    ),
    "benchmark-infer-amp-nchw-pt291-cu128-4090.csv": Setting(device="rtx4090", precision="fp16-mixed", mode="infer"),
    "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv": Setting(
        device="rtx4090", precision="fp16-mixed", mode="infer", channels_last=True
    ),
    "benchmark-infer-amp-nchw-pt291-cu128-4090-dynamo.csv": Setting(
        device="rtx4090", precision="fp16-mixed", mode="infer", compile=True
    ),
    "benchmark-infer-amp-nchw-pt291-cu130-5090.csv": Setting(device="rtx5090", precision="fp16-mixed", mode="infer"),
    "benchmark-infer-amp-nchw-pt291-cu130-5090-dynamo.csv": Setting(
        device="rtx5090", precision="fp16-mixed", mode="infer", compile=True
    ),
    "benchmark-infer-amp-nchw-pt291-cu130-pro6000maxq.csv": Setting(
        device="rtxpro6000-maxq", precision="fp16-mixed", mode="infer"
    ),
    "benchmark-infer-amp-nchw-pt291-cu130-pro6000maxq-dynamo.csv": Setting(
        device="rtxpro6000-maxq", precision="fp16-mixed", mode="infer", compile=True
    ),
    "benchmark-infer-bf16-nchw-pt291-cu130-pro6000maxq-dynamo.csv": Setting(
        device="rtxpro6000-maxq", precision="bfloat16", mode="infer", compile=True
    ),
}
#: torch 1.12, which timed the training, had no fused attention: what such a network did then is not what it does now
UNFUSED = ("ScaledDotProductAttention", "MultiheadAttention")
#: never fitted on: tests hold the shipped factors against what was published of these
HELD_OUT = (
    "vgg16", "densenet169", "efficientnet_b2", "mobilenetv3_large_100", "vit_base_patch16_224", "deit_base_patch16_224",
    "resnext101_64x4d", "gluon_resnext101_64x4d", "nasnetalarge", "resnet101", "tv_resnet101",
    "gluon_resnet101_v1b",
)  # fmt: skip
#: what autocast makes of their norms is decided in their source, and is not what an import sees
SKIPPED = ("mobilenetv5",)
BATCH = 256  # of which work is told; it grows in proportion
_NEAR = 0.006  # millions of parameters: a network of the same name, and another, is told by them
_RIDGE, _ROUNDS, _LEAST = 0.1, 12, 0.04


class Network(NamedTuple):
    """A network of a table, as a design.

    Attributes:
        params: millions.
        parts: by ``infer``, ``train`` and ``compiled``; none where it is not in a table of that kind.
    """

    family: str
    name: str
    size: int
    params: float
    parts: Mapping[str, Sequence[Part]]


class Timed(NamedTuple):
    """A row of a table."""

    name: str
    size: int
    batch: int
    seconds: float
    params: float


def designs() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Networks of timm that designs here are: family, spec, and values of its variables, by timm's name."""
    found: dict[str, tuple[str, str, dict[str, Any]]] = {}
    for depth in (11, 13, 16, 19):
        found[f"vgg{depth}"] = ("vgg", f"vgg{depth}", {})
        found[f"vgg{depth}_bn"] = ("vgg", f"vgg{depth}_bn", {})
    for depth in (18, 34, 50, 101, 152):
        for name in ("resnet{}", "tv_resnet{}", "gluon_resnet{}_v1b"):
            found[name.format(depth)] = ("resnet", f"resnet{depth}", {})
    found |= {f"{kind}_resnet18": ("resnet", "resnet18", {}) for kind in ("ssl", "swsl")}
    found |= {f"{kind}_resnet50": ("resnet", "resnet50", {}) for kind in ("ssl", "swsl")}
    found["resnet26"] = ("resnet", "resnet50", {"depths": [2, 2, 2, 2]})
    found["resnet200"] = ("resnet", "resnet50", {"depths": [3, 24, 36, 3]})
    found["wide_resnet50_2"] = ("resnet", "wide_resnet50_2", {})
    found["wide_resnet101_2"] = ("resnet", "wide_resnet50_2", {"depths": [3, 4, 23, 3]})
    for before in ("", "tv_", "gluon_", "ig_", "ssl_", "swsl_"):
        found[f"{before}resnext50_32x4d"] = ("resnet", "resnext50_32x4d", {})
        for groups, width in ((32, 4), (32, 8), (64, 4), (32, 16), (32, 32)):
            values = {"depths": [3, 4, 23, 3], "groups": groups, "width_per_group": width}
            found[f"{before}resnext101_{groups}x{width}d"] = ("resnet", "resnext50_32x4d", values)
    found |= {f"densenet{depth}": ("densenet", f"densenet{depth}", {}) for depth in (121, 161, 169, 201)}
    found["tv_densenet121"] = ("densenet", "densenet121", {})
    found |= {f"efficientnet_b{size}": ("efficientnet", f"efficientnet_b{size}", {}) for size in range(8)}
    found["efficientnet_b8"] = ("efficientnet", "efficientnet_b7", {"width": 2.2, "depth": 3.6})
    for family, name, spec in (
        ("efficientnet", "mnasnet_100", "mnasnet1_0"),
        ("efficientnet", "mobilenetv1_100", "mobilenet_v1"),
        ("efficientnet", "mobilenetv2_100", "mobilenet_v2"),
        ("mobilenetv3", "mobilenetv3_large_100", "mobilenet_v3_large"),
        ("mobilenetv3", "mobilenetv3_small_100", "mobilenet_v3_small"),
        ("nasnet", "nasnetalarge", "nasnet_large"),
        ("xception", "xception", "xception"),
        ("xception", "legacy_xception", "xception"),
    ):
        found[name] = (family, spec, {})
    for name, width, depth, heads in (("tiny", 192, 12, 3), ("small", 384, 12, 6), ("base", 768, 12, 12)):
        found |= _transformers(name, {"width": width, "depth": depth, "heads": heads})
    found |= _transformers("large", {"width": 1024, "depth": 24, "heads": 16})
    return found


def _transformers(name: str, sizes: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        f"{kind}_{name}_patch{patch}_{size}": (family, "vit_b_16", {**sizes, "patch": patch})
        for kind, family in (("vit", "vision_transformer"), ("deit", "vision_transformer"))
        for patch in (8, 14, 16, 32)
        for size in (224, 384)
    }


def rows(file: Path) -> Iterator[Timed]:
    """The rows of a table of timm."""
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            mode = "infer" if "infer_step_time" in row else "train"
            speed, batch = row[f"{mode}_samples_per_sec"], row[f"{mode}_batch_size"]
            if speed and batch:
                size, many = int(row[f"{mode}_img_size"]), int(float(batch))
                name = row["model"].partition(".")[0]
                yield Timed(name, size, many, many / float(speed), float(row["param_count"]))


def networks(folder: Path, cache: Path | None, most: int) -> dict[tuple[str, int], Network]:
    """All networks of the tables that can be expressed, by name and size."""
    wanted: dict[tuple[str, int], set[str]] = defaultdict(set)
    for table, setting in TABLES.items():
        for row in rows(folder / table):
            wanted[row.name, row.size].add("compiled" if setting.compile else setting.mode)
    found = dict(_kept(cache)) if cache is not None else {}
    known = designs()
    for (name, size), kinds in wanted.items():
        if name in known and (name, size) not in found:
            family, spec, values = known[name]
            found[name, size] = _network(family, name, size, _load(spec, values, size), kinds)
            _keep(cache, found[name, size])
    for name, size in list(wanted)[: most if "timm" in sys.modules or _there("timm") else 0]:
        if (name, size) not in found:
            imported = _imported(name, size)
            if imported is not None:
                found[name, size] = _network(*imported, kinds=wanted[name, size])
                _keep(cache, found[name, size])
    return found


def _there(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def _load(spec: str, values: dict[str, Any], size: int) -> archscope.Design:
    return archscope.load(spec, set=values, input=(3, size, size))


def _imported(name: str, size: int) -> tuple[str, str, int, archscope.Design] | None:
    """A model of timm as a design; none where it is not to be had."""
    import timm
    import torch

    try:
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False).eval()
        found = archscope.from_torch(model, torch.zeros(2, 3, size, size, device="meta"), flat=True)
    except (ArchscopeError, RuntimeError, AssertionError) as error:
        click.echo(f"{name} at {size}: {str(error).partition(chr(10))[0]}", err=True)
        return None
    return timm.models.model_entrypoint(name).__module__.rpartition(".")[2], name, size, found.design


def _network(family: str, name: str, size: int, design: archscope.Design, kinds: set[str]) -> Network:
    ways = {"infer": {"mode": "infer"}, "train": {"mode": "train"}, "compiled": {"mode": "infer", "compile": True}}
    told = {
        kind: traffic(design, batch=BATCH, precision="fp16-mixed", device="cuda", **ways[kind])
        for kind in {*kinds, "infer"}
    }
    return Network(family, name, size, archscope.analyze(design).total.params / 1e6, told)


def _kept(cache: Path) -> Iterator[tuple[tuple[str, int], Network]]:
    for file in sorted(cache.glob("*.pkl")):
        one: Network = pickle.loads(file.read_bytes())  # our own
        yield (one.name, one.size), one


def _keep(cache: Path | None, one: Network) -> None:
    if cache is not None:
        cache.mkdir(exist_ok=True, parents=True)
        (cache / f"{one.name}@{one.size}.pkl").write_bytes(pickle.dumps(one))


class Sample(NamedTuple):
    """A measurement with its network's work."""

    network: Network
    row: Timed
    work: Mapping[str, float]


def samples(table: str, folder: Path, found: Mapping[tuple[str, int], Network]) -> Iterator[Sample]:
    """What a table has of the networks."""
    setting = TABLES[table]
    ceilings = DEVICES[setting.device].ceilings
    for row in rows(folder / table):
        one = found.get((row.name, row.size))
        if one is None or row.name in HELD_OUT or row.name.startswith(SKIPPED) or abs(one.params - row.params) > _NEAR:
            continue
        parts = one.parts.get("compiled" if setting.compile else setting.mode)
        if parts is None or (setting.mode == "train" and any(part.op in UNFUSED for part in parts)):
            continue
        told = work(parts, ceilings, setting.numbers, moving=one.parts["infer"] if setting.compile else None)
        yield Sample(one, row, {kind: value * row.batch / BATCH for kind, value in told.items()})


def _matrix(found: Sequence[Sample]) -> tuple[list[str], Any, Any]:
    """Work by kind and network, relative to the time that was measured; each network weighs less in a large family."""
    kinds = sorted({kind for one in found for kind in one.work})
    relative = np.array([[one.work.get(kind, 0.0) / one.row.seconds for kind in kinds] for one in found])
    many: dict[str, int] = defaultdict(int)
    for one in found:
        many[one.network.family] += 1
    weights = np.array([1 / math.sqrt(many[one.network.family]) for one in found])
    return kinds, relative, weights / weights.mean()


def _prior(kind: str) -> float:
    if kind == "calls":
        return 3.0
    return 0.15 if kind.endswith((" products", " filling", " bytes")) else 1.2


def fitted(found: Sequence[Sample]) -> dict[str, float]:
    """Factors by kind of work."""
    kinds, relative, own = _matrix(found)
    drawn = _RIDGE * np.diag(np.sqrt((relative**2).mean(axis=0)) + 0.01) * math.sqrt(len(found))
    towards = drawn @ np.array([_prior(kind) for kind in kinds])
    weights = own
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        factors, _ = nnls(np.vstack([relative * root[:, None], drawn]), np.concatenate([root, towards]), maxiter=20_000)
        off = np.abs(np.log(np.maximum(relative @ factors, 1e-6)))
        weights = own / np.maximum(off, _LEAST)
        weights = weights / weights.mean()
    return {kind: float(f"{factor:.4g}") for kind, factor in zip(kinds, factors, strict=True)}


def left_out(found: Sequence[Sample]) -> list[float]:
    """By how much each network is off, by the fit without its family."""
    errors = dict.fromkeys(range(len(found)), 0.0)
    for family in {one.network.family for one in found}:
        factors = fitted([one for one in found if one.network.family != family])
        for place, one in enumerate(found):
            if one.network.family == family:
                guess = sum(factors.get(kind, _prior(kind)) * value for kind, value in one.work.items())
                errors[place] = guess / one.row.seconds - 1
    return list(errors.values())


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile([abs(value) for value in values], share))


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/estimates.md"), show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), help="Keep what networks compute and move in this folder.")
@click.option("--networks", "most", type=int, default=10_000, help="Of timm's models that are imported.")
def main(folder: Path, out: Path, cache: Path | None, most: int) -> None:
    """Fit on the tables in a folder, and report."""
    found = networks(folder, cache, most)
    stored, lines, by_family = [], [], {}
    for table, setting in TABLES.items():
        told = list(samples(table, folder, found))
        errors = left_out(told)
        families: dict[str, list[float]] = defaultdict(list)
        for one, error in zip(told, errors, strict=True):
            families[one.network.family].append(error)
        by_family[table] = families
        median, ninetieth = _quantile(errors, 0.5), _quantile(errors, 0.9)
        beyond, closest = _bounds(setting, told)
        batches = [one.row.batch for one in told]
        stored.append(
            {
                "setting": {name: getattr(setting, name) for name in FITTED}, "source": f"{SOURCE}/{table}",
                "networks": len(told), "families": len(families), "batches": [min(batches), max(batches)],
                "median": round(median, 4), "ninetieth": round(ninetieth, 4), "factors": fitted(told),
            }
        )  # fmt: skip
        lines.append(
            f"| {setting.words(*SHOWN)} | {len(told)} | {len(families)} | {_percent(median)} | {_percent(ninetieth)} |"
            f" {_percent(statistics.median(closest))} | {_percent(max(closest))} | {', '.join(beyond) or 'none'} |"
        )
        click.echo(lines[-1])
    Path("archscope/analysis/time/estimates.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    out.write_text(_report(lines, by_family), encoding="utf-8")


def _bounds(setting: Setting, told: Sequence[Sample]) -> tuple[list[str], list[float]]:
    """Networks that were faster than their bound; and the share of its time that the bound of each is."""
    beyond, shares = [], []
    ceilings = DEVICES[setting.device].ceilings
    for one in told:
        parts = one.network.parts["compiled" if setting.compile else setting.mode]
        seconds = _bound(parts, one.row.batch, ceilings, setting.numbers)
        shares.append(seconds / one.row.seconds)
        if shares[-1] > 1:
            beyond.append(one.row.name)
    return beyond, shares


def _bound(parts: Sequence[Part], batch: int, ceilings: Ceilings, precision: Precision) -> float:
    timed, times = bounded(ceilings, precision), batch / BATCH
    return sum(timed(_scaled(part, times), phase).seconds for part in parts for phase in ("forward", "backward"))


def _scaled(part: Part, times: float) -> Part:
    return replace(
        part,
        forward=_more(part.forward, times),
        backward=_more(part.backward, times),
        skipped=int(part.skipped * times),
    )


def _more(moved: Moved, times: float) -> Moved:
    return Moved(int(moved.flops * times), int(moved.read * times), int(moved.written * times), moved.calls)


_HEAD = """# Estimates and bounds of times, compared with published timings

Made by `python -m benchmarks.estimates FOLDER`, only from the tables in huggingface/pytorch-image-models, results/.
Errors are relative, of networks whose whole family was left out of the fit. A bound is shown as a share of the measured
time: none may be above 100%.

| setting | networks | families | median error | 90% within | bound, median | bound, highest | faster than the bound |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
_FAMILIES = """
## By family and table

Median of the errors, with its sign (positive: estimated slower than measured), the largest one, and how many networks.
A family is a file of timm's models; networks of `specs/` are counted with theirs.

"""
_MISSES = """
## What is estimated badly, or not at all

Training was timed with torch 1.12, which had no fused attention: networks that have it were left out of those tables,
and estimates of their training use factors fitted on other networks. There is no estimate for other devices,
precisions and modes, for which nobody has published timings of as many networks. Batches outside the range of a table
are marked. The errors are largest for networks with few similar ones: large depthwise kernels (ConvMixer), grouped
convolutions as wide as dense ones (ResNeXt-101 32x32d) in training, attention that timm has changed since
(EfficientFormer v2). That a mean used as a gate after a SiLU, GELU or Hardswish is a separate kind of work in
compiled steps was found by looking at these errors, so they are a little too optimistic there. Networks that no fit
has seen (`HELD_OUT`) are off by at most 13% in the four compiled tables (VGG-16), EfficientNet-B2, which has such
means, by at most 3%. Compiled networks with two gates over channels (SKNet) are estimated 1.5 times as slow as they
are. Networks that timm has changed since (another number of parameters), and MobileNet v5, whose norms run
differently under autocast than in the import, were left out of fits and bounds.
"""


def _report(lines: Sequence[str], by_family: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    names = sorted({family for families in by_family.values() for family in families})
    short = [
        str(TABLES[table]).replace(DEVICES[TABLES[table].device].name, TABLES[table].device) for table in by_family
    ]
    head = f"| family | {' | '.join(short)} |\n| --- |{' --- |' * len(short)}\n"
    cells = [
        f"| {name} | " + " | ".join(_cell(families.get(name, ())) for families in by_family.values()) + " |"
        for name in names
    ]
    return _HEAD + "\n".join(lines) + "\n" + _FAMILIES + head + "\n".join(cells) + "\n" + _MISSES


def _cell(errors: Sequence[float]) -> str:
    if not errors:
        return ""
    return f"{100 * statistics.median(errors):+.0f}%, {100 * max(errors, key=abs):+.0f}%, {len(errors)}"


if __name__ == "__main__":
    main()
