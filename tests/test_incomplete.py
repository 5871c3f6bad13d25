"""A design with declared black boxes is never shown as a complete one, whatever shows it."""

import json
import re
import shlex
from itertools import chain

import click
import jsonschema
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import archscope
from archscope import shown as showing
from archscope.backends.importing.imported import Imported
from archscope.backends.torch.imports.summary import Summary
from archscope.backends.torch.profile import Profile
from archscope.cli import main
from archscope.design import incomplete
from archscope.report.formats import FORMATS
from archscope.spec import library
from archscope.verify import verify
from tests.repository import Repository

SPEC = """
name: box
input: [3, 8, 8]
vars: {width: 4}
layers:
  - {name: conv, Conv2d: {out_channels: width, kernel_size: 3, padding: 1}}
  - {name: part.one, ONE}
  - {name: part.two, TWO}
  - {AdaptiveAvgPool2d: 1}
  - Flatten
  - {name: head, Linear: 10}
expect:
  depth: {value: 2, stated: 3, source: nobody}
accuracy: {top1: {value: 70, source: nobody}}
"""
OPAQUE = "Opaque: {of: torch.fft.fft2, output_shapes: [[4, 8, 8]], parameter_shapes: {weight: [4]}, macs: 1000}"
BOX = SPEC.replace("ONE", OPAQUE).replace("TWO", OPAQUE)
PLAIN = SPEC.replace("ONE", "Identity: null").replace("TWO", "Identity: null").replace("name: box", "name: plain")
#: in full; or, where it stands beside the name of a design, short
TOLD = re.compile(r"incomplete: (box has )?2 opaque layers|box \(incomplete\)")

#: command lines on a design with black boxes (`BOX`), one without (`PLAIN`), and the files that they write; `ALL` is a
#: file of every format
SHOWN = {
    "analyze": ["BOX ALL", "BOX --by-kind", "PLAIN BOX --csv -"],
    "compare": [
        "PLAIN BOX ALL",
        "PLAIN BOX --diff ALL",
        "BOX --with width=4 --diff",
    ],
    "diff": ["BOX --base HEAD ALL"],
    "explain": ["BOX ALL", "BOX head", "BOX --json"],
    "sweep": ["BOX --vary width=4 -o a.csv", "BOX --vary width=4 -o a.parquet",
              "BOX --vary width=4 -o a.html", "BOX --vary width=4 ALL"],
    "graph": ["BOX -o a.svg"],
    "plot stages": ["BOX -o a.svg"],
    "plot layers": ["BOX -o a.svg"],
    "plot field": ["BOX -o a.svg"],
    "plot memory": ["BOX -o a.svg"],
    "plot roofline": ["BOX --device h200 -o a.svg"],
    "plot bubbles": ["PLAIN BOX -o a.svg"],
    "plot totals": ["PLAIN BOX -o a.svg"],
    "receptive-field": ["BOX ALL", "BOX head", "BOX conv --json",
                        "BOX conv ALL", "BOX --plot a.svg",
                        "BOX conv --unit 1,1 --draw a.svg --heat b.svg"],
    "memory": ["BOX ALL --plot a.svg", "BOX --optimizer none"],
    "predict": ["BOX --device h200 ALL"],
    "verify": ["BOX --errata a.md", "BOX ALL"],
    "export": ["BOX -o a.dot", "BOX -o a.mmd", "BOX -o a.json"],
    "reconcile": ["BOX --no-run ALL"],
    "list": ["ALL"],
}  # fmt: skip
#: command lines that would have to run what nobody knows
REFUSED = {
    "profile": ["BOX --device cpu --seconds 0"],
    "verify": ["BOX --torch"],
    "export": ["BOX --to torch", "BOX -o a.onnx"],
}
#: commands that show no figure of a design
SILENT = {"calibrate", "expand", "import", "ops", "schema"}
#: options whose file is read, or is a spec
OTHER_FILES = {"--calibration", "--profile", "--image", "--emit"}

SHOWN = {
    name: [one.replace("ALL", " ".join(f"--{form} a.{form}" for form in FORMATS)) for one in some]
    for name, some in SHOWN.items()
}

lines = pytest.mark.parametrize(("command", "line"), [(name, one) for name, some in SHOWN.items() for one in some])


def commands(group=main, before=()):
    for name in group.list_commands(None):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


def test_every_command_and_every_file_that_it_writes_is_held_here():
    found = dict(commands())
    assert set(found) == {*SHOWN, *REFUSED, *SILENT}
    for name, some in SHOWN.items():
        words = set(chain.from_iterable(map(shlex.split, some)))
        for option in found[name].params:
            if option.metavar == "FILE" and not OTHER_FILES & set(option.opts):
                assert words & set(option.opts), f"{name} {option.opts}"


def committed(folder, name, text):
    repository = Repository(folder)
    repository.write_file(name, text)
    repository.git("add", name)
    repository.git("commit", "-qm", name)


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What a command prints and writes, by file, white space as one blank."""
    specs, out = tmp_path / "specs", tmp_path / "out"
    specs.mkdir()
    out.mkdir()
    monkeypatch.chdir(out)
    monkeypatch.setattr(library, "specs_folder", lambda: specs)

    def run(command, line, box=BOX, code=0):
        if command == "diff":  # of a design that has changed since
            committed(tmp_path, "specs/box.yaml", box.replace("width: 4", "width: 5"))
        (specs / "box.yaml").write_text(box)
        (specs / "plain.yaml").write_text(PLAIN)
        line = line.replace("BOX", str(specs / "box.yaml")).replace("PLAIN", str(specs / "plain.yaml"))
        result = CliRunner(env={"COLUMNS": "400"}).invoke(main, [*command.split(), *shlex.split(line)])
        assert result.exit_code == code, result.output
        texts = {"": result.stdout, "errors": result.stderr}
        for path in out.iterdir():
            texts[path.name] = pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else path.read_text()
        return {name: re.sub(r"\s+", " ", text) for name, text in texts.items()}

    return run


@lines
def test_what_is_shown_says_that_it_is_incomplete(shown, command, line):
    found = shown(command, line)
    texts = {name: text for name, text in found.items() if name != "errors" and text.strip()}
    assert texts
    assert not [name for name, text in texts.items() if not TOLD.search(text)]


@lines
def test_what_is_complete_does_not(shown, command, line):
    plain = PLAIN.replace("name: plain", "name: box")
    for name, text in shown(command, line, box=plain).items():
        assert not re.search(r"incomplete: |\(incomplete|opaque layer", text), name
        assert not (name.endswith(".csv") and "incomplete" in text), "a column of nothing"


@pytest.mark.parametrize(("command", "line"), [(name, one) for name, some in REFUSED.items() for one in some])
def test_what_would_run_it_names_the_layers(shown, command, line):
    found = shown(command, line, code=2)
    assert set(found) == {"", "errors"}, "it leaves a file"
    assert "incomplete: 2 opaque layers (part.one, part.two)" in found["errors"]
    assert "Traceback" not in found["errors"]


@pytest.mark.parametrize(
    ("command", "line", "of"),
    [
        ("analyze", "BOX PLAIN --json a.json", "analyze"),
        ("compare", "PLAIN BOX --diff --json a.json", "compare"),
        ("sweep", "BOX --vary width=4 --json a.json", "sweep"),
        ("memory", "BOX --json a.json", "memory"),
        ("predict", "BOX --device h200 --json a.json", "predict"),
        ("reconcile", "BOX --no-run --json a.json", "reconcile"),
        ("export", "BOX -o a.json", "export"),
        ("explain", "BOX --json", "explain"),
        ("receptive-field", "BOX conv --json", "receptive-field"),
    ],
)
def test_json_says_it_as_its_schema_describes(shown, command, line, of):
    found = shown(command, line)
    content = json.loads(found.get("a.json") or found[""])
    jsonschema.validate(content, json.loads(CliRunner().invoke(main, ["schema", of]).stdout))
    told = content["graph"]["incomplete"] if of == "export" else content["incomplete"]
    assert told.removeprefix("incomplete: box has ").removeprefix("incomplete: ") == (
        "2 opaque layers (part.one, part.two)"
    )


def test_every_row_of_a_csv_says_it(shown):
    for command, line in (("analyze", "BOX --csv a.csv"), ("sweep", "BOX --vary width=4,4.0 -o a.csv")):
        shown(command, line)
        assert set(pd.read_csv("a.csv")["incomplete"]) == {"incomplete: 2 opaque layers (part.one, part.two)"}
    shown("compare", "PLAIN BOX --csv a.csv")
    assert list(pd.read_csv("a.csv")["incomplete"].fillna("")) == [
        "", "incomplete: 2 opaque layers (part.one, part.two)",
    ]  # fmt: skip
    shown("analyze", "PLAIN --csv a.csv")
    assert "incomplete" not in pd.read_csv("a.csv")


# -- in Python --


def changes_of(text, folder):
    committed(folder, "box.yaml", text.replace("width: 4", "width: 5"))
    (folder / "box.yaml").write_text(text)
    return archscope.changes([folder / "box.yaml"], "HEAD")


def results(text, folder):
    design = archscope.load(text)
    imported = Imported(design, text, flat=False, proof=(), opaque=design.opaque)
    return {
        "Design": design,
        "Account": archscope.analyze(design),
        "Comparison": archscope.compare([design]),
        "Difference": archscope.diff(design, archscope.load(text.replace("width: 4", "width: 5"))),
        "Explanation": archscope.explain(design, "head")[0],
        "Explanations": archscope.explain(design),
        "Memory": archscope.memory(design),
        "Prediction": archscope.predict(design, device="h200"),
        "ReceptiveFields": archscope.receptive_fields(design),
        "Reconciliation": archscope.reconcile(design),
        "Changes": changes_of(text, folder),
        "Sweep": archscope.sweep(text, {"width": [4]}),
        "Imported": imported,
        "Summary": Summary(imported, archscope.Setting()),
        "Verification": verify(design),
    }


def test_every_result_that_shows_itself_says_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = "incomplete: 2 opaque layers (part.one, part.two)"
    found, complete = results(BOX, tmp_path), results(PLAIN, tmp_path)
    kinds = {one.__name__ for one in showing.Shown.__subclasses__()}
    assert {
        *found,
        Profile.__name__,
        "Calibration",
    } == kinds  # a profile would have to run it, a calibration is of no design
    two = found.pop("Difference")
    assert TOLD.search(two._repr_html_())
    assert TOLD.match(two.frame.attrs["incomplete"])
    for name, one in found.items():
        assert told in one._repr_html_(), name
        assert one.frame.attrs == {"incomplete": told}, name
        assert "incomplete" not in complete[name]._repr_html_(), name
        assert complete[name].frame.attrs == {}, name


def test_a_profile_is_refused():
    with pytest.raises(archscope.UsageError, match=r"box cannot be profiled; incomplete: 2 opaque layers \(part.one"):
        archscope.profile(archscope.load(BOX), device="cpu")


def test_an_account_names_its_black_boxes():
    account = archscope.analyze(archscope.load(BOX))
    assert account.opaque == account.design.opaque == ("part.one", "part.two")
    assert archscope.analyze(archscope.load(PLAIN)).opaque == ()


def test_how_it_is_said():
    box, plain = archscope.load(BOX), archscope.load(PLAIN)
    one = archscope.load(SPEC.replace("ONE", OPAQUE).replace("TWO", "Identity: null"))
    layers = [{"name": f"a{i}", **yaml.safe_load(OPAQUE)} for i in range(5)]
    many = archscope.load(json.dumps({"name": "many", "input": [4, 8, 8], "layers": layers}, indent=1))
    assert incomplete(plain) is None
    assert incomplete(one) == "incomplete: 1 opaque layer (part.one)"
    assert incomplete(many) == "incomplete: 5 opaque layers (a0, a1, a2, a3, ...)"
    assert incomplete(plain, box, many) == (
        "incomplete: box has 2 opaque layers (part.one, part.two); many has 5 opaque layers (a0, a1, a2, a3, ...)"
    )
    assert (plain.title, one.title) == ("plain", "box (incomplete: 1 opaque layer)")


def test_weights_that_are_used_again_count_as_another_black_box():
    again = BOX.replace("  - {AdaptiveAvgPool2d: 1}", "  - {reuse: part.one, name: again}\n  - {AdaptiveAvgPool2d: 1}")
    assert archscope.load(again).opaque == ("part.one", "part.two", "again")


def test_a_baseline_goes_by_the_name_of_the_design():
    found = archscope.compare([archscope.load(PLAIN), archscope.load(BOX)], baseline="box")
    assert found.labels == ("plain", "box (incomplete: 2 opaque layers)")
    assert found.baseline == 1
