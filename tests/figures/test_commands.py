"""No figure that a command tells under a name differs between commands under one setting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from archscope import figures
from archscope.cli.main import main
from archscope.figures import FIGURES
from archscope.report.text import binary, short
from archscope.setting import Setting
from archscope.sweeps.names import SWEPT
from tests.figures.test_figures import ATTENTION, SETTINGS, SMALL
from tests.repository import Repository

#: what each command says of one design: the name of a figure, what it is of (nothing: the design), and the number
Told = Iterator[tuple[str, str, Any]]
#: as `receptive-field --json` calls the figures of an axis
AXIS = ("receptive_field", "smallest_field", "jump", "field_start", "field_center")
OTHER = """
name: other
input: [3, 12, 12]
layers: [{Conv2d: {out_channels: 2, kernel_size: 3}}, Flatten]
"""
#: what the specs state, so that `verify` computes it; whatever it is held against
STATED = "".join(
    f"  {name}: 1\n" for name, one in FIGURES.items()
    if figures.DESIGN in one.scopes and one.style in ("count", "ratio") and one.kind not in ("allocator", "recorded")
)  # fmt: skip


class Asked(NamedTuple):
    """A design and a setting, as command lines ask for them."""

    spec: str
    setting: Setting
    folder: Path

    def run(self, *arguments: str, fields: tuple[str, ...] = (), codes: tuple[int, ...] = (0,)) -> Any:
        """The JSON of a command, which is given the options of some fields of the setting."""
        command = [*arguments, *self.options(*fields), "--json", "-", "--quiet"]
        result = CliRunner(env={"XDG_DATA_HOME": str(self.folder)}).invoke(main, command)
        assert result.exit_code in codes, result.output
        return json.loads(result.stdout)

    def options(self, *fields: str) -> Iterator[str]:
        for field in fields:
            value = getattr(self.setting, field)
            if value != getattr(Setting(), field):
                yield from [f"--{field.replace('_', '-')}"] + ([] if value is True else [str(value)])

    def analyzed(self, spec: str) -> Any:
        (design,) = self.run("analyze", spec, fields=STEP)["designs"]
        return design


STEP = ("batch", "precision", "optimizer", "device", "channels_last")
SAVED = ("batch", "precision", "device", "channels_last")


def analyze(asked: Asked) -> Told:
    design = asked.analyzed(asked.spec)
    yield from _of_account(design)
    yield "depth", "", design["depth"]
    yield "saved_bytes", "", sum(layer["saved_bytes"] for layer in design["layers"])


def _of_account(design: Any) -> Told:
    for name, value in design["totals"]["all"].items():
        yield name, "", value
    for layer in design["layers"]:
        yield from ((name, layer["name"], layer[name]) for name in FIGURES if name in layer)


def compare(asked: Asked) -> Told:
    bound = ("--bound",) if asked.setting.timed else ()
    (compared,) = asked.run("compare", asked.spec, *bound, fields=STEP)["designs"]
    yield from ((name, "", value) for name, value in compared["figures"].items())


def diff(asked: Asked) -> Told:
    """From another design to this one: the other's figures and the difference are this one's."""
    other = str(asked.folder / "other.yaml")
    before = asked.analyzed(other)
    found = asked.run("compare", other, asked.spec, "--diff", fields=STEP)["difference"]
    saved = sum(layer["saved_bytes"] for layer in before["layers"])
    for name, value in found["total"].items():
        yield name, "", value + {**before["totals"]["all"], "saved_bytes": saved}[name]
    for change in _leaves(found["changes"]):
        if change["change"] == "added" and change["op"]:
            yield from ((name, change["after"], change[name]) for name in found["total"])


def changed(asked: Asked) -> Told:
    """From another design to this one, in a file of one name: what it is after."""
    repository = Repository(asked.folder / "repository")
    repository.commit(one=OTHER)
    repository.write(one=CliRunner().invoke(main, ["expand", asked.spec, "--quiet"]).stdout)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository.folder)
        bound = ("--bound",) if asked.setting.timed else ()
        (design,) = asked.run("diff", "--base", "HEAD", "models", *bound, fields=STEP)["designs"]
    yield from ((figure["name"], "", figure["after"]) for figure in design["figures"])


def _leaves(changes: list[Any]) -> Iterator[Any]:
    for change in changes:
        yield from _leaves(change["children"]) if change["children"] else [change]


def memory(asked: Asked) -> Told:
    ledger = asked.run("memory", asked.spec, fields=STEP)
    yield "saved_bytes", "", ledger["saved_bytes"]
    yield "training_bytes", "", ledger["training"]
    yield "inference_bytes", "", ledger["inference"]
    if ledger["cuda"]:
        yield "reserved_bytes", "", ledger["cuda"]["reserved"]
        yield "allocated_bytes", "", ledger["cuda"]["allocated"]
    for layer in {one["layer"] for one in ledger["saved"]}:
        yield "saved_bytes", layer, sum(one["bytes"] for one in ledger["saved"] if one["layer"] == layer)


def predict(asked: Asked) -> Told:
    for mode in ("train", "infer") if asked.setting.timed else ():
        found = asked.run("predict", asked.spec, "--bound", "--mode", mode, fields=STEP)
        yield f"{mode}_seconds", "", found["seconds"]
        yield "flops", "", sum(part["forward_flops"] for part in found["parts"])
        if mode == "train":
            yield "backward_flops", "", sum(part["backward_flops"] for part in found["parts"])


def profile(asked: Asked) -> Told:
    """Of a real run, what is modelled: work and memory."""
    if asked.setting.device == "cpu":
        found = asked.run("profile", asked.spec, "--device", "cpu", "--seconds", "0", fields=STEP)
        yield "training_bytes", "", found["memory"]["predicted"]
        for part in found["parts"]:
            yield "flops", part["name"], part["forward_flops"]
            yield "backward_flops", part["name"], part["backward_flops"]


def explain(asked: Asked) -> Told:
    for layer in asked.run("explain", asked.spec, fields=SAVED)["layers"]:
        for line in layer["lines"]:
            if line["figure"] in FIGURES and line["figure"] not in figures.FIELDS:
                yield line["figure"], layer["layer"], line["result"]


def receptive_field(asked: Asked) -> Told:
    for layer in asked.run("receptive-field", asked.spec)["layers"]:
        for name in AXIS:
            yield name, layer["layer"], [axis[name] for axis in layer["axes"]] or None
        yield "effective_padding", layer["layer"], [axis["effective_padding"][0] for axis in layer["axes"]] or None


def reconcile(asked: Asked) -> Told:
    modelled = asked.run("reconcile", asked.spec, "--no-run", fields=("batch",))
    yield from ((name, "", modelled[name]) for name in ("macs", "params"))


def sweep(asked: Asked) -> Told:
    names = [name for name, _, _ in compare(asked) if name in SWEPT]
    bound = ("--bound",) if asked.setting.timed else ()
    found = asked.run("sweep", asked.spec, "--vary", f"batch={asked.setting.batch}", "--columns", ",".join(names),
                      *bound, fields=STEP[1:])  # fmt: skip
    yield from ((name, "", value) for name, value in found["points"][0]["figures"].items())


def verify(asked: Asked) -> Told:
    """Computed as published: one sample in float32, by SGD on a CPU."""
    if asked.setting == Setting():
        (spec,) = asked.run("verify", asked.spec, codes=(0, 1))["specs"]
        for verdict in spec["verdicts"]:
            part, _, name = verdict["figure"].rpartition(".")
            if name in FIGURES and re.fullmatch(r"[\w.]+", verdict["figure"]):
                yield name, part, verdict["computed"]


def listed(asked: Asked) -> Told:
    if asked.setting == Setting() and asked.spec == "lenet5":
        (entry,) = [one for one in asked.run("list")["designs"] if one["name"] == asked.spec]
        yield from ((name, "", value) for name, value in entry.items() if name in FIGURES)


def export(asked: Asked) -> Told:
    """The graph for other tools, which is of one sample."""
    if asked.setting.batch == 1:
        result = CliRunner().invoke(main, ["export", asked.spec, "--to", "json", "--quiet"])
        for node in json.loads(result.stdout)["nodes"]:
            yield from ((name, node["id"], node[name]) for name in ("params", "macs") if name in node)


def expand(asked: Asked) -> Told:
    """A spec again, whose account is that of the design."""
    path = asked.folder / "expanded.yaml"
    path.write_text(CliRunner().invoke(main, ["expand", asked.spec, "--quiet"]).stdout)
    yield from _of_account(asked.analyzed(str(path)))


COMMANDS = (analyze, compare, diff, changed, memory, predict, profile, explain, receptive_field, reconcile, sweep,
            verify, listed, export, expand)  # fmt: skip


@pytest.mark.needs("torch")
@pytest.mark.filterwarnings("ignore")  # torch's, of a run
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("text", [SMALL, ATTENTION, None], ids=["small", "attention", "lenet5"])
def test_no_figure_differs_between_commands_under_one_setting(text, setting, tmp_path):
    spec = "lenet5" if text is None else str(tmp_path / "spec.yaml")
    if text is not None:
        (tmp_path / "spec.yaml").write_text(f"{text}expect:\n{STATED}")
    (tmp_path / "other.yaml").write_text(OTHER)
    told: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    for command in COMMANDS:
        for name, of, value in command(Asked(spec, setting, tmp_path)):
            told.setdefault((name, of), []).append((command.__name__, value))
    assert {"macs", "saved_bytes", "training_bytes", "param_bytes"} <= {name for name, _ in told}
    assert {command for answers in told.values() for command, _ in answers} >= {
        "analyze", "compare", "diff", "changed", "memory", "explain", "receptive_field", "reconcile", "sweep", "expand",
    }  # fmt: skip
    for (name, of), answers in told.items():
        if name in FIGURES and (of or name not in figures.FIELDS):
            numbers = {json.dumps(value) for _, value in answers}
            assert len(numbers) == 1, (name, of, answers)


def test_pictures_say_the_same_numbers(tmp_path):
    """What `plot totals` writes beside its bars is what `analyze` says, to four digits."""
    asked = Asked("lenet5", SETTINGS[2], tmp_path)
    picture = str(tmp_path / "totals.svg")
    result = CliRunner().invoke(main, ["plot", "totals", "lenet5", "alexnet", *asked.options(*STEP), "-o", picture])
    assert result.exit_code == 0, result.output
    text, design = Path(picture).read_text(encoding="utf-8"), asked.analyzed("lenet5")
    total, saved = design["totals"]["all"], sum(layer["saved_bytes"] for layer in design["layers"])
    assert {short(total["params"]), short(total["macs"]), binary(saved)} <= set(re.findall(">([^<>]+)</text>", text))
