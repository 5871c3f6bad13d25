"""Every figure is registered once, and every reader answers with it or refuses: one name, one number."""

import json
import pickle
from dataclasses import replace
from fractions import Fraction
from math import isnan

import pytest
from click.testing import CliRunner

import archscope
from archscope import figures
from archscope.analysis.counts.account import Row
from archscope.cli.main import main
from archscope.comparison import FIGURES as COMPARED
from archscope.comparison import Side
from archscope.errors import UsageError
from archscope.figures import FIGURES, Figure, figure, scope_of
from archscope.figures.table import COLUMNS, cell
from archscope.report.formats import FORMATS
from archscope.report.results.account import AccountReport
from archscope.setting import Setting
from archscope.spec.expressions import ExpressionError
from archscope.sweeps.names import SWEPT, DesignNames
from archscope.verify import FigureNames
from tests.designs import UNITS

SMALL = (
    UNITS
    + """layers:
  - unit: 4
  - Add: [[], [unit: 4]]
  - MaxPool2d: 2
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: 10
accuracy: {top1: {value: 70.5, source: nobody}}
"""
)
ATTENTION = """
name: attention
input: [6, 8]
layers:
  - LayerNorm: 8
  - Add: [[], [MultiheadAttention: {num_heads: 2, batch_first: true}]]
  - Dropout: 0.1
  - Linear: 5
"""
SETTINGS = (
    Setting(),
    Setting(batch=2, precision="bfloat16", optimizer="adam"),
    Setting(batch=3, precision="bf16-mixed", optimizer="adamw", device="h200"),
    Setting(batch=2, precision="float16", optimizer="momentum", device="a100-40gb", channels_last=True),
)
REFUSED = object()


def account(setting=SETTINGS[2]):
    return archscope.analyze(archscope.load(SMALL), setting)


def parts(found):
    """The design, a block, each layer, and sums that cut across."""
    yield None
    yield found["unit_1"] if any(row.name.startswith("unit_1.") for row in found.rows) else found.by_block()[0]
    yield from found.rows
    yield from (part for part in (*found.by_category(), *found.by_kind()) if part.layers)


@pytest.fixture(scope="module")
def found():
    return account()


def _asked(question, *arguments):
    try:
        return question(*arguments)
    except (UsageError, ExpressionError, KeyError, AttributeError):
        return REFUSED


def _by_table(found, part, name):
    column = COLUMNS.get(name)
    value = REFUSED if column is None else cell(found, found.total if part is None else part, column)
    return REFUSED if value is None else value


def _by_expect(found, part, name):
    if scope_of(found, part) == figures.SUM:
        return REFUSED
    return _asked(FigureNames(found, None if part is None else part.name).lookup, name)


def _by_comparison(found, part, name):
    return REFUSED if part is not None or name not in COMPARED else _asked(Side("one", found).figure, name)


def _by_sweep(found, part, name):
    names = DesignNames(Side("one", found), {}, lambda: Side("one", found))
    if part is None:
        return REFUSED if name not in SWEPT else _asked(names.column, name)
    return REFUSED if scope_of(found, part) == figures.SUM else _asked(names.column, f"{part.name}.{name}")


def _by_json(found, part, name):
    (design,) = json.loads(FORMATS["json"].text(AccountReport(found)))["designs"]
    if part is None:
        return design["totals"]["all"].get(name, design.get(name, REFUSED))
    if isinstance(part, Row):
        return next(layer for layer in design["layers"] if layer["name"] == part.name).get(name, REFUSED)
    return {**design["by_kind"], **design["totals"]}.get(part.name, {}).get(name, REFUSED)


def _by_frame(found, part, name):
    frame = found.frame
    value = frame.loc[part.name, name] if isinstance(part, Row) and name in frame else REFUSED
    return REFUSED if isinstance(value, float) and isnan(value) else value


def _by_attribute(found, part, name):
    return _asked(getattr, found.total if part is None else part, name)


READERS = (_by_table, _by_expect, _by_comparison, _by_sweep, _by_json, _by_frame, _by_attribute)


def _same(value, told):
    """Whether a reader's answer is the figure; a sweep tells the smallest of several axes."""
    if isinstance(value, tuple) and not isinstance(told, (tuple, list)):
        return told == min(value)
    if isinstance(value, (float, Fraction)):
        return told == pytest.approx(value, rel=1e-12)
    return (tuple(told) if isinstance(told, list) else told) == value


def disagreements(found, one, readers=READERS):
    """Readers that answer a figure with something else."""
    for part in parts(found):
        value = _asked(one.value, found, part)
        for reader in readers:
            told = reader(found, part, one.name)
            if told is REFUSED or told is None:
                continue
            if value is REFUSED or not _same(value, told):
                yield reader.__name__, part and part.name, value, told


@pytest.mark.parametrize("name", FIGURES)
def test_every_reader_answers_with_the_figure_or_refuses(name, found):
    assert list(disagreements(found, FIGURES[name])) == []
    answers = [reader(found, part, name) for part in parts(found) for reader in READERS]
    assert any(one is not REFUSED for one in answers)


def _peak():
    """A figure that no reader was told of: the memory of a training step."""
    return replace(
        FIGURES["saved_bytes"], name="peak_bytes", scopes=("design",), of=lambda found, _: found.memory.training
    )


def test_one_more_figure_is_answered_by_itself(monkeypatch):
    monkeypatch.setitem(FIGURES, "peak_bytes", _peak())  # type: ignore[arg-type]
    found = account()
    assert found.memory.training != found.memory.saved_bytes
    assert figure(found, "peak_bytes") == found.memory.training
    assert FigureNames(found, None).lookup("peak_bytes") == found.memory.training
    assert list(disagreements(found, FIGURES["peak_bytes"])) == []
    with pytest.raises(UsageError, match="peak_bytes is no figure of a layer; it is one of a design"):
        figure(found, "peak_bytes", "Linear")


def test_a_reader_with_a_default_is_found_out(monkeypatch):
    """As the layer table was: what stood among the figures of memory was answered by what is kept."""
    monkeypatch.setitem(FIGURES, "peak_bytes", _peak())  # type: ignore[arg-type]

    def by_default(found, part, name):
        return found.saved_bytes() if part is None and FIGURES[name].kind == "saved" else REFUSED

    found = account()
    assert list(disagreements(found, FIGURES["saved_bytes"], (by_default,))) == []
    assert list(disagreements(found, FIGURES["peak_bytes"], (by_default,))) == [
        ("by_default", None, found.memory.training, found.memory.saved_bytes)
    ]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("analyze", "lenet5", "--columns", "peak_bytes"), "there is no column `peak_bytes`"),
        (("compare", "lenet5", "--columns", "peak_bytes"), "designs have no figure `peak_bytes`"),
        (("analyze", "lenet5", "--sort", "peak_bytes"), "there is no column `peak_bytes`"),
        (("sweep", "lenet5", "--vary", "batch=1,2", "--columns", "peak_bytes"), "there is no figure `peak_bytes`"),
        (("sweep", "lenet5", "--vary", "batch=1,2", "--where", "peak_bytes < 3"), "unknown name `peak_bytes`"),
    ],
)
def test_an_unknown_figure_is_refused(command, words):
    result = CliRunner().invoke(main, list(command))
    assert result.exit_code == 2
    assert words in result.output
    with pytest.raises(UsageError, match="there is no figure `peak_bytes`"):
        figure(account(), "peak_bytes")


def test_an_expectation_of_an_unknown_figure_is_refused():
    with pytest.raises(archscope.SpecError, match="peak_bytes"):
        archscope.verify.verify(archscope.load(SMALL + "expect: {peak_bytes: 1}\n"))


def test_what_needs_a_device_is_refused_without_one():
    found = account(Setting())
    for name in ("allocated_bytes", "reserved_bytes", "needed_bytes", "largest_batch"):
        with pytest.raises(UsageError, match=f"{name} is a figure of training on a CUDA device"):
            figure(found, name)
    with pytest.raises(UsageError, match="times are those of a device: name one, such as h200"):
        figure(found, "train_seconds")
    with pytest.raises(UsageError, match="train_seconds is a figure of training, and the setting is an inference"):
        figure(account(Setting(mode="infer", device="h200")), "train_seconds")


def test_figures_are_of_known_kinds_and_say_what_they_are():
    for one in FIGURES.values():
        assert isinstance(one, Figure)
        assert one.convention
        assert set(one.scopes) <= set(figures.SCOPES)
        assert one.additive <= ("sum" in one.scopes)


def test_a_figure_that_is_sent_is_the_registered_one():
    assert all(pickle.loads(pickle.dumps(one)) is one for one in FIGURES.values())
