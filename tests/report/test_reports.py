"""Every result has every format, and every command that prints a result offers them all."""

import ast
import csv
import io
import json
import sys
import types
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest
from jsonschema import Draft202012Validator

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.torch.imports import from_torch
from archscope.backends.torch.machine import machine
from archscope.backends.torch.profile import profile
from archscope.cli import main, options
from archscope.report import base
from archscope.report.base import Field, Records, Report, Said, report_of
from archscope.report.blocks import Grid, Head, Headline, Row
from archscope.report.formats import FORMATS, Format
from archscope.report.formats.terminal import printed
from archscope.report.results.account import AccountReport
from archscope.shown import Shown
from archscope.verify import verify
from tests.analysis.time.test_roofline import calibration
from tests.repository import Repository

#: commands that print no result: they write a spec, a drawing, a model, or tell of the program itself
SILENT = {"expand", "export", "graph", "plot", "schema"}
#: LeNet-5 with full connections (LeCun et al., 1998): 5 x 5 windows on 1, 6 and 16 maps, then 120, 84 and 10 units
C1 = 6 * 25 + 6
PARAMS = C1 + 16 * 6 * 25 + 16 + 120 * 16 * 25 + 120 + 84 * 120 + 84 + 10 * 84 + 10


@cache
def lenet():
    return archscope.load("lenet5")


@cache
def imported():
    import torch

    return from_torch(torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU()), torch.zeros(2, 6))


@cache
def changed():
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        one = Repository(Path(folder))
        one.commit(net="name: Net\ninput: [6]\nlayers: [Linear: 5]\n")
        one.write(net="name: Net\ninput: [6]\nlayers: [Linear: 6]\n")
        patch.chdir(folder)
        return archscope.changes(["models"], "HEAD")


#: each result of the library, and a figure that people are told of it
RESULTS = {
    "Account": (lambda: archscope.analyze(lenet()), f"{PARAMS:,}"),
    "Calibration": (lambda: replace(calibration(), machine=machine("cpu").as_data()), "1 TFLOP/s"),
    "Changes": (changed, "+7"),  # a unit more of 6 weights and a bias
    "Comparison": (lambda: archscope.compare([lenet(), archscope.load("alexnet")]), f"{PARAMS:,}"),
    "Design": (lenet, f"{PARAMS:,}"),
    "Difference": (
        lambda: archscope.diff(lenet(), archscope.load("lenet5", set={"classes": 11})), "+85",
    ),  # 84 weights and a bias
    "Explanation": (lambda: archscope.explain(lenet(), "c1")[0], str(C1)),
    "Explanations": (lambda: archscope.explain(lenet()), str(C1)),
    "Imported": (imported, str(6 * 5 + 5)),
    "Memory": (lambda: memory(lenet()), f"{4 * PARAMS:,} B"),
    "Prediction": (lambda: archscope.predict(lenet(), device="l4"), "NVIDIA L4"),
    "Profile": (lambda: profile(lenet(), device="cpu", seconds=0), "samples/s"),
    "ReceptiveFields": (lambda: archscope.receptive_fields(lenet()), "5 x 5"),
    "Reconciliation": (lambda: archscope.reconcile(lenet()), f"{PARAMS:,}"),
    "Summary": (lambda: archscope.Summary(imported(), archscope.Setting()), str(6 * 5 + 5)),
    "Sweep": (lambda: archscope.sweep("lenet5", {"classes": [10, 11]}), f"{PARAMS + 85:,}"),
    "Verification": (lambda: verify(lenet()), f"{PARAMS:,}"),
}  # fmt: skip


@cache
def result(name):
    return RESULTS[name][0]()


def test_these_are_all_results_of_the_library():
    kinds = {type(result(name)).__name__: type(result(name)) for name in RESULTS}
    assert set(kinds) == set(RESULTS)
    shown = {one for one in Shown.__subclasses__() if one.__module__.startswith("archscope.")}
    assert shown == set(kinds.values())
    public = (getattr(archscope, name) for name in archscope.__all__)
    assert {one for one in public if isinstance(one, type) and issubclass(one, Shown)} <= shown


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_told_in_every_format_for_people(name):
    told = RESULTS[name][1]
    report = report_of(result(name))
    texts = {form: FORMATS[form].text(report) for form in ("markdown", "latex", "html")}
    texts |= {"terminal": click.unstyle(printed(report, 160)), "notebook": result(name)._repr_html_()}
    texts["str"] = str(result(name))
    for form, text in texts.items():
        assert told in text, form
        assert report.headline().name.partition(" (")[0].split(" -> ")[0] in text or name == "Verification", form


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_data_as_its_schema_says(name):
    report = report_of(result(name))
    data = json.loads(FORMATS["json"].text(report))
    schema = type(report).schema()
    Draft202012Validator.check_schema(schema)
    assert [f"{one.json_path}: {one.message[:200]}" for one in Draft202012Validator(schema).iter_errors(data)] == []


@pytest.mark.parametrize("name", RESULTS)
def test_records_are_the_same_in_csv_and_in_a_frame(name):
    report = report_of(result(name))
    (head, *rows) = csv.reader(io.StringIO(FORMATS["csv"].text(report)))
    frame = result(name).frame
    assert len(rows) == len(frame) > 0
    names = [one.partition(" [")[0] for one in head]
    assert {*frame.columns, frame.index.name} == set(names)
    at = names.index(frame.index.name)
    assert [row[at] for row in rows] == list(map(str, frame.index))


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_short_where_it_is_a_value(name):
    assert repr(result(name)).startswith(f"<{name}: ")
    assert len(repr(result(name))) < 200
    assert "\n" not in repr(result(name))


def test_explanations_are_a_sequence():
    found = result("Explanations")
    assert len(found) == len(lenet().layers)
    assert [one.layer for one in found] == [layer.name for layer in lenet().layers]
    assert found[0] == found[:1][0] == result("Explanation")
    assert found[-1] in found


# -- the command line --


def commands():
    for name in main.list_commands(None):
        yield name, main.get_command(click.Context(main), name)


def test_every_command_that_prints_a_result_offers_every_format():
    for name, command in commands():
        offered = {option for param in command.params for option in param.opts}
        wanted = {f"--{form}" for form in FORMATS}
        assert (wanted <= offered) == (name not in SILENT), name


def test_a_format_without_a_file_goes_to_standard_output():
    from click.testing import CliRunner

    short = CliRunner().invoke(main, ["memory", "lenet5", "--markdown"])
    assert short.stdout == CliRunner().invoke(main, ["memory", "lenet5", "--markdown", "-"]).stdout
    assert short.stdout.startswith("### LeNet-5\n")
    two = CliRunner().invoke(main, ["memory", "lenet5", "--markdown", "--csv"])
    assert two.exit_code == 2
    assert "only one file can go to standard output" in two.stderr


# -- one more --


@pytest.fixture
def shouted():
    """A format of this test."""

    class Shouted(Format):
        NAME, HELP = "shouted", "In capitals."

        def text(self, report):
            return printed(report, 80).upper()

    yield Shouted
    del FORMATS["shouted"]


def test_a_new_format_serves_every_result_and_command(shouted):
    for name, (_, told) in RESULTS.items():
        assert told.upper() in click.unstyle(FORMATS["shouted"].text(report_of(result(name))).lower()).upper()

    @click.command()
    @options.formats(AccountReport)
    def command(outputs):
        outputs.write(AccountReport(archscope.analyze(lenet())))

    assert "--shouted" in {option for param in command.params for option in param.opts}


def test_a_new_result_has_every_format(monkeypatch):
    """A class that names its report, and the module of the report."""
    module = types.ModuleType("archscope.report.results.colours")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    @dataclass(frozen=True)
    class ColoursReport(Report):
        __module__ = module.__name__
        found: object

        @property
        def said(self):
            return Said(None)

        def headline(self):
            return Headline("colours", "of the flag")

        def blocks(self, room):
            yield self.headline()
            yield Grid((Head("colour"), Head("stripes", "count")), (Row(("red", 7)), Row(("white", 6))))

        def records(self):
            return Records((Field("colour"), Field("stripes", "stripes")), [("red", 7), ("white", 6)], "colour", None)

        def data(self):
            return self.headed({"stripes": 13})

        @classmethod
        def schema(cls):
            raise NotImplementedError

    @dataclass(frozen=True)
    class Colours(Shown, report="colours"):
        pass

    found = Colours()
    assert found.frame["stripes"].sum() == 13
    assert repr(found) == "<Colours: colours, of the flag>"
    assert str(found).splitlines()[-1].split() == ["white", "6"]
    assert FORMATS["csv"].text(report_of(found)) == "colour,stripes [stripes]\nred,7\nwhite,6\n"
    assert json.loads(FORMATS["json"].text(report_of(found)))["stripes"] == 13
    assert "| white | 6 |" in FORMATS["markdown"].text(report_of(found))
    assert "white & 6 \\\\" in FORMATS["latex"].text(report_of(found))
    assert ">white<" in found._repr_html_()
    assert ">white<" in FORMATS["html"].text(report_of(found))
    with pytest.raises(AssertionError, match="colours has two reports"):
        type("Other", (Report,), {"__module__": module.__name__})
    del base.REPORTS["colours"]


def test_nothing_is_found_by_the_name_of_its_class():
    """No ``TABLE[type(x).__name__]``, and no comparison with a name."""
    package = Path(archscope.__file__).parent
    for path in [package / "shown.py", *(package / "report").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            field = {ast.Subscript: "slice", ast.Compare: "left"}.get(type(node))
            by = getattr(node, field) if field else None
            assert not (isinstance(by, ast.Attribute) and by.attr == "__name__"), f"{path.name}:{node.lineno}"
