"""What people ask of a sweep, and what is said of questions that cannot be asked."""

import json

import jsonschema
import numpy as np
import pytest

import archscope
from archscope.errors import SpecError, UsageError
from archscope.load import read_document
from archscope.report.results.sweep import SweepReport
from archscope.setting import Setting
from archscope.spec.axes import Axis, Sample
from archscope.sweeps.planning import planned

#: params: (27 + 1) x width of the convolution and 10 x (36 x width + 1) of the last layer
SPEC = """
name: little
input: [3, 8, 8]
vars: {width: 4, depths: [1, 2], act: ReLU, groups: 1, wide: false, depth: 3}
layers:
  - {name: conv, Conv2d: {out_channels: width, kernel_size: 3, groups: groups}}
  - {name: again, repeat: "depths[0]", layers: [act]}
  - {when: wide, name: extra, layers: [{Conv2d: {out_channels: width, kernel_size: 1}}]}
  - Flatten
  - {name: fc, Linear: 10}
"""
SWEEP = """
sweep:
  vary: {width: [4, 8]}
  derive: {density: macs / params, size: width}
  where: [params < 5e6, density > 1]
  pareto: params, -size
  sort: -density
  top: 4
  sample: {count: 3, seed: 5, method: sobol}
  batch: 4
  dtype: bf16
  optimizer: adam
  device: h200
"""


def plan(vary="width=4,8", **asked):
    return planned(SPEC, vary=vary, **asked)


def stated(old="", new="", **asked):
    return planned(SPEC + SWEEP.replace(old, new, 1), **asked)


def says(what, make=plan, error=UsageError, **asked):
    with pytest.raises(error) as caught:
        make(**asked)
    assert what in str(caught.value)
    return str(caught.value)


# -- what is understood --


@pytest.mark.parametrize(
    "vary",
    [
        "width=4,8",
        ["width=4,8"],
        [Axis("width", (4, 8))],
        {"width": [4, 8]},
        {"width": "4:8:4"},
        {"width": range(4, 9, 4)},
        {"width": np.array([4, 8])},
    ],
)
def test_an_axis_has_many_forms(vary):
    assert plan(vary).space.axes == (Axis("width", (4, 8)),)


def test_what_is_not_asked_is_what_the_spec_says():
    question = stated().question
    assert question.derived == (("density", "macs / params"), ("size", "width"))
    assert question.where == ("params < 5e6", "density > 1")
    assert [str(one) for one in question.pareto] == ["params", "-size"]
    assert (str(question.sort), question.top) == ("-density", 4)
    assert question.setting == Setting(4, "bfloat16", optimizer="adam", device="h200")
    assert stated().space.sample == Sample(3, 5, "sobol")


def test_what_is_asked_replaces_what_the_spec_says():
    changed = stated(
        where="macs > 1", pareto="macs", sort="params", top=7, sample=2, setting={"batch": 2}, vary="groups=1"
    )
    question = changed.question
    assert (question.where, [str(one) for one in question.pareto], str(question.sort)) == (
        ("macs > 1",), ["macs"], "params",
    )  # fmt: skip
    assert (question.top, question.setting) == (7, Setting(2, "bfloat16", optimizer="adam", device="h200"))
    assert (changed.space.sample, changed.space.axes) == (Sample(2), (Axis("groups", (1,)),))


def test_derived_columns_are_added_to_those_of_the_spec():
    """Else the spec's order and frontier would name columns that are gone."""
    question = stated(derive={"half": "params / 2", "size": "2 * width"}).question
    assert question.derived == (("density", "macs / params"), ("size", "2 * width"), ("half", "params / 2"))


def test_numbers_of_designs_may_be_written_as_people_write_them():
    assert plan(top=1e1, sample=np.int64(7)).question.top == 10
    assert plan(sample=1e6).space.sample == Sample(1_000_000)


def test_columns_are_those_asked_for_and_those_that_the_question_needs():
    assert plan(where="layers > 3", sort="-activations").question.figures == ("params", "macs", "layers", "activations")
    assert plan(columns="buffers, conv.params", pareto="macs").question.figures == ("buffers", "conv.params", "macs")


def test_an_axis_hides_the_figure_of_its_name_in_expressions_only():
    found = archscope.sweep(SPEC, "depth=1,2", where="depth > 1", columns="depth")
    assert found.tally.passed == 1
    assert found.top.columns["depth"].tolist() == [2]  # the convolution and the last layer


def test_the_spec_itself_need_not_be_legal():
    """4 channels cannot be 3 groups; those that vary can."""
    found = archscope.sweep(SPEC, {"width": [6, 9], "depths[0]": [0, 1]}, set={"groups": 3})
    assert found.tally.legal == 4
    assert found.top.columns["params"].tolist()[::2] == [width * 10 + 10 * (36 * width + 1) for width in (6, 9)]


def test_a_design_keeps_what_it_was_made_with():
    design = archscope.load(SPEC, set={"groups": 3, "width": 6}, input=(3, 4, 4))
    found = archscope.sweep(design, {"act": ["ReLU", "SiLU"]})
    assert found.top.columns["params"].tolist() == [6 * 10 + 10 * (4 * 6 + 1)] * 2  # maps of 2 x 2
    again = archscope.sweep(design, {"width": [3], "input": [6]})  # what varies takes its place
    assert again.top.columns["params"].tolist() == [3 * 10 + 10 * (16 * 3 + 1)]


# -- what is wrong --


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"vary": {}}, "nothing varies: give --vary width=16:128:8"),
        ({"vary": "widht=4,8"}, "no variable `widht`; did you mean `width`?"),
        ({"vary": "width[0]=4,8"}, "`width` is no list; vary `width` itself"),
        ({"vary": "depths[2]=4,8"}, "`depths` has 2 elements, numbered from 0"),
        ({"vary": "input.mask=4,8"}, "no input `mask`; inputs: input"),
        ({"set": {"width": 3}}, "`width` is varied and set"),
        ({"set": {"width[0]": 3}}, "`width` is varied and set"),
        ({"vary": "input=8,16", "input": (3, 9, 9)}, "`input` is varied and given"),
        ({"vary": "batch=1,2", "setting": {"batch": 3}}, "`batch` is varied and given"),
        ({"vary": "batch=1,2", "setting": Setting(), "batch": 3}, "`batch` is varied and given"),
        ({"where": "params"}, "`params` is no condition; one such as `params < 5e6`"),
        ({"where": "params < "}, "`params < `: not an expression"),
        ({"where": 3}, "`where` is a text, or several, not 3"),
        ({"where": "parms < 3"}, "unknown name `parms`; did you mean `params`?"),
        ({"where": "log(params) < 3"}, "`log(...)` is not a function of this arithmetic"),
        ({"where": "1 / 0 < params"}, "division by zero"),
        ({"vary": "act=ReLU,SiLU", "where": "act == SiLU"}, "unknown name `SiLU`; a word stands in quotes: 'SiLU'"),
        ({"derive": {"x": 3}}, "`derive` is a text, or several, not 3"),
        ({"derive": {"x": "macs <"}}, "`macs <`: not an expression"),
        ({"derive": {"x": "act"}}, "`act` is no number"),
        ({"derive": {"x": "macs < 3"}}, "`macs < 3` is no number"),
        ({"derive": {"x": "y", "y": "macs"}}, "unknown name `y`"),
        ({"derive": {"params": "macs"}}, "cannot be called `params`; choose another name"),
        ({"derive": {"width": "macs"}}, "cannot be called `width`; choose another name"),
        ({"columns": "parms"}, "no figure `parms`; did you mean `params`?"),
        ({"columns": "output_shape"}, "no figure `output_shape`; figures: params"),
        ({"columns": "fcc.macs"}, "no layer or block `fcc`; did you mean `fc`?"),
        ({"columns": "conv.foo"}, "`conv` has no figure `foo`"),
        ({"columns": "receptive_field.t"}, "sees no axis `t`; it sees h, w"),
        ({"columns": "params,"}, "a figure is missing in `columns`"),
        ({"pareto": "params,-params"}, "`params` stands twice"),
        ({"pareto": "width,macs"}, "no figure `width`; derive a column from it: size=width"),
        ({"pareto": ","}, "a figure is missing in `pareto`"),
        ({"sort": "-"}, "a figure is missing in `sort`"),
        ({"sort": "params,macs"}, "sorted by one figure"),
        ({"sort": ["params", 3]}, "`sort` is a text, or several, not 3"),
        ({"columns": "infer_seconds"}, "times are those of a device"),
        ({"setting": Setting(precision="bf16", device="t4")}, "no peak of bfloat16 is known of NVIDIA T4"),
        ({"setting": 3}, "a setting is an archscope.Setting, not 3"),
        ({"top": 0}, "`top` is a whole number of at least 1, not 0"),
        ({"top": 2.5}, "`top` is a whole number of at least 1, not 2.5"),
        ({"sample": True}, "`sample` is a whole number of at least 1, not True"),
        ({"sample": float("inf")}, "`sample` is a whole number of at least 1, not inf"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(asked, words):
    says(words, **asked)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("width: [4", "widht: [4", "vary: {widht", "no variable `widht`"),
        ("macs / params", "macs / parms", "derive: {density", "unknown name `parms`"),
        ("density: macs", "params: macs", "derive: {params", "cannot be called `params`"),
        ("where: [params < 5e6", "where: [params", "where: [params,", "`params` is no condition"),
        ("-size", "-sice", "pareto:", "no figure `sice`"),
        ("params, -size", "size, -size", "pareto:", "`size` stands twice"),
        ("-density", "-dnsity", "sort:", "no figure `dnsity`"),
    ],
)
def test_a_mistake_of_the_spec_is_told_with_its_place(old, new, line, words):
    message = says(words, stated, SpecError, old=old, new=new)
    assert f"|   {line}" in message


def test_mistakes_of_options_are_no_mistakes_of_the_spec():
    says("no figure `parms`", stated, pareto="parms")
    assert stated("-size", "-sice", pareto="params").question.pareto[0].column == "params"


def test_designs_without_a_figure_do_not_forbid_to_ask_for_it():
    found = archscope.sweep(
        SPEC, "wide=false,true", columns="extra.params", sort="extra.params", where="extra.macs > 0"
    )
    assert found.tally.passed == 1
    assert found.top.columns["extra.params"].tolist() == [4 * 4 + 4]


def test_a_sweep_that_writes_no_file_has_nothing_to_resume():
    for again in ({"resume": True}, {"restart": True}):
        says("nothing to resume or restart", lambda again=again: archscope.sweep(SPEC, "width=4,8", **again))


def test_a_document_can_be_swept():
    assert planned(read_document(SPEC), vary="width=4,8").space.count == 2


def test_a_setting_stands_where_every_function_has_it_and_a_batch_that_varies_wins():
    design, setting = archscope.load("lenet5"), archscope.Setting(batch=4, precision="bf16")
    found = archscope.sweep(design, {"batch": [1, 2]}, setting, columns="activation_bytes")
    assert found.setting == setting
    sizes = [archscope.analyze(design, setting, batch=batch).total.activation_bytes for batch in (1, 2)]
    assert sorted(found.top.columns["activation_bytes"].tolist()) == sizes
    assert sizes[1] == 2 * sizes[0]
    with pytest.raises(UsageError, match="`batch` is varied and given"):
        archscope.sweep(design, {"batch": [1, 2]}, setting, batch=8)


@pytest.mark.parametrize(("axis", "batch"), [("batch=1,2", None), ("input=32,64", 1)])
def test_a_batch_that_varies_is_null_in_json(axis, batch):
    data = SweepReport(archscope.sweep("lenet5", axis)).data()
    assert data["setting"]["batch"] == batch
    jsonschema.validate(json.loads(json.dumps(data)), SweepReport.schema())


HIDING = "vars: {params: 3, width: 4}\ninput: [width, 8]\nlayers: [{Conv1d: {out_channels: params, kernel_size: 3}}]\n"


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ("width=1:4", "`params` is the figure in conditions and formulas, and not the variable of that name"),
        ("params=1:4", "`params` is the variable that varies in conditions and formulas, and not the figure"),
    ],
)
def test_a_name_that_means_two_things_is_a_warning(vary, words):
    (warning,) = planned(HIDING, vary=[vary], where="params < 40").warnings
    assert warning.severity == "warning"
    assert warning.message.startswith(words)
    assert planned(HIDING, vary=[vary], where="macs < 40").warnings == ()


def test_the_batch_of_the_run_may_stand_in_a_condition():
    """Whether it varies or not: 8 designs of batch 64, of which none has less than 40."""
    spec = "vars: {width: 4}\ninput: [width, 8]\nlayers: [{Conv1d: {out_channels: width, kernel_size: 3}}]\n"
    for batch, passed in ((64, 0), (8, 8)):
        swept = archscope.sweep(spec, vary={"width": range(1, 9)}, where="batch < 40", batch=batch)
        assert (swept.tally.legal, swept.tally.passed) == (8, passed)
    varied = archscope.sweep(spec, vary={"batch": [8, 64]}, where="batch < 40")
    assert varied.tally.passed == 1
