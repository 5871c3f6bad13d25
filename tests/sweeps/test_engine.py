"""What a block of designs gives is, design by design and to the bit, what each gives alone."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archscope
from archscope.errors import SpecError, UsageError
from archscope.figures import figure
from archscope.setting import Setting
from archscope.sweeps import engine as engine_module
from archscope.sweeps.engine import Engine
from archscope.sweeps.planning import planned
from tests.sweeps.spaces import FAMILIES, RESNET, axes

#: figures, each as the rest of archscope tells it of one design
TOTALS = (
    "params",
    "macs",
    "activations",
    "elementwise",
    "buffers",
    "backward_macs",
    "bytes_moved",
    "conv_params",
    "depth",
)
ALONE = {name: lambda account, name=name: figure(account, name) for name in TOTALS} | {
    "intensity": lambda account: account.total.intensity,
    "receptive_field": lambda account: min(figure(account, "receptive_field")),
    "training_bytes": lambda account: archscope.memory(account.design, batch=account.setting.batch).training,
    "inference_bytes": lambda account: archscope.memory(account.design, batch=account.setting.batch).inference,
    "saved_bytes": lambda account: archscope.memory(account.design, batch=account.setting.batch).saved_bytes,
}
#: the attention of a transformer sees everything; without layers each token sees itself
WITHOUT_FIELDS = {"transformer"}


def alone(text, values, figures):
    """The figures of one design, or ``None`` where it is none."""
    values = dict(values)
    batch = values.pop("batch", 1)
    shape = values.pop("input", None)
    if isinstance(shape, int):
        base = archscope.load(text).inputs[0].shape
        shape = (shape,) if len(base) == 1 else (base[0], *(shape for _ in base[1:]))
    lists = {}
    for name in [name for name in values if "[" in name]:
        variable, place = name[:-1].split("[")
        elements = lists.setdefault(variable, list(dict(archscope.load(text).vars)[variable]))
        elements[int(place)] = values.pop(name)
    try:
        design = archscope.load(text, set={**values, **lists}, input=shape)
        account = archscope.analyze(design, batch=batch)
    except (SpecError, UsageError):
        return None
    return [ALONE[name](account) for name in figures]


def holds(family, vary, figures, most, size=None):
    """Compare a space, or as many of its designs, with each of them alone."""
    text = FAMILIES[family].text
    sample = most if math.prod(map(len, vary.values())) > most else None
    plan = planned(text, vary=vary, columns=figures, sample=sample)
    engine, count = Engine(plan), plan.space.count
    parts = [engine.part(start, min(start + (size or count), count)) for start in range(0, count, size or count)]
    found = {}
    for part in parts:
        for place, number in enumerate(part.rows.numbers.tolist()):
            found[number] = [part.rows.columns[name][place].item() for name in figures]
    for number in range(count):
        values = plan.space.values(number)
        assert found.get(number) == alone(text, values, figures), values
    assert sum(part.tally.legal for part in parts) == len(found)
    assert sum(reason.designs for part in parts for reason in part.tally.invalid.values()) == count - len(found)
    return found


RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("family", FAMILIES)
@settings(RELAXED, max_examples=2)
@given(data=st.data())
def test_totals_of_random_spaces(family, data):
    holds(family, data.draw(axes(FAMILIES[family])), TOTALS, 20, data.draw(st.sampled_from([None, 7])))


@pytest.mark.parametrize("family", FAMILIES)
@settings(RELAXED, max_examples=1)
@given(data=st.data())
def test_every_other_figure_of_random_spaces(family, data):
    figures = [name for name in ALONE if name not in TOTALS]
    if family in WITHOUT_FIELDS:
        figures.remove("receptive_field")
    holds(family, data.draw(axes(FAMILIES[family])), figures, 8)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@settings(RELAXED, max_examples=60)
@given(data=st.data())
def test_all_figures_of_many_random_spaces(family, data):
    figures = [name for name in ALONE if name != "receptive_field" or family not in WITHOUT_FIELDS]
    holds(family, data.draw(axes(FAMILIES[family])), figures, 60, data.draw(st.sampled_from([None, 13])))


def test_mobilenets_tables_come_out_of_one_sweep():
    """Howard et al. 2017, Tables 6 and 7: millions of multiply-adds and of parameters."""
    found = archscope.sweep("mobilenet_v1", {"alpha": [1.0, 0.75, 0.5, 0.25], "input": [224, 192, 160, 128]})
    assert found.tally.designs == len(found.top) == 16
    rows = {
        (v["alpha"], v["input"]): place for place, v in enumerate(map(found.space.values, found.top.numbers.tolist()))
    }
    macs, params = found.top.columns["macs"] / 1e6, found.top.columns["params"] / 1e6
    for alpha, millions, weights in ((1.0, 569, 4.2), (0.75, 325, 2.6), (0.5, 149, 1.3), (0.25, 41, 0.5)):
        assert abs(macs[rows[alpha, 224]] - millions) < 1
        assert abs(params[rows[alpha, 224]] - weights) < 0.05
    for size, millions in ((224, 569), (192, 418), (160, 290), (128, 186)):
        assert abs(macs[rows[1.0, size]] - millions) < 1
        assert abs(params[rows[1.0, size]] - 4.2) < 0.05


def swept(text, vary, **asked):
    return archscope.sweep(text, vary, **asked)


def test_what_changes_the_graph_is_found():
    found = swept(RESNET.text, {"depths[0]": [1, 2], "width": [8, 16], "input": [64, 96], "act": ["ReLU", "SiLU"]})
    assert (found.structural, found.structures) == (("depths[0]", "act"), 4)
    assert swept(RESNET.text, {"width": [8, 16], "input": [64, 96]}).structural == ()
    # a shortcut is projected where the channels differ: in_channels != expand * width
    mixed = swept(RESNET.text, {"stem": [32, 64], "width": [8, 16]})
    assert (mixed.structural, mixed.structures) == (("stem", "width"), 2)


def test_integers_and_real_numbers_of_one_axis_are_kept_apart():
    text = "input: [8]\nvars: {a: 1}\nlayers: [Linear: a * 3]"
    found = swept(text, {"a": [1, 2.0, 2, 4.0]})
    assert found.top.columns["params"].tolist() == [9 * 3, 9 * 6, 9 * 6, 9 * 12]
    assert (found.structural, found.structures) == ((), 1)
    text = text.replace("a * 3", "7 // a + 1")
    assert swept(text, {"a": [2, 2.0, 0.5]}).top.columns["params"].tolist() == [9 * 4, 9 * 4, 9 * 15]


def test_wrong_designs_are_counted_with_their_reasons():
    text = "input: [4, 8, 8]\nvars: {k: 3, g: 1}\nlayers:\n  - Conv2d: {out_channels: 8, kernel_size: k, groups: g}"
    found = swept(text, {"k": range(1, 12), "g": [1, 2, 3, 4, 0]})
    legal = [(k, g) for k, g in itertools.product(range(1, 12), (1, 2, 3, 4, 0)) if k <= 8 and g in (1, 2, 4)]
    assert (found.tally.designs, found.tally.legal) == (55, len(legal))
    reasons = {
        reason.message: (reason.designs, found.space.values(reason.first)) for reason in found.tally.invalid.values()
    }
    assert reasons == {
        "<text>:4:55: in_channels (4) must be divisible by groups (3)": (11, {"k": 1, "g": 3}),
        "<text>:4:55: `groups` of Conv2d: expected an integer of at least 1, got 0": (11, {"k": 1, "g": 0}),
        "<text>:4:44: kernel 9 (dilation 1) does not fit into a map of 8 with padding 0": (9, {"k": 9, "g": 1}),
    }


def test_figures_beyond_int64_are_refused_and_the_others_stay():
    text = "input: [1000000]\nvars: {w: 1}\nlayers:\n  - Linear: {out_features: w, bias: false}\n  - Linear: w"
    found = swept(text, {"w": [10, 2**31, 2**32, 3]})
    assert found.top.columns["params"].tolist() == [10**7 + 110, 10**6 * 2**31 + 2**62 + 2**31, 3 * 10**6 + 12]
    (reason,) = found.tally.invalid.values()
    assert reason.message.startswith("params is 18,451,039,045,300,518,912")
    assert reason.message.endswith("and larger than 2^63 - 1")


def test_an_element_of_a_list_leaves_the_others_to_the_variables_they_follow_from():
    text = "input: [2]\nvars: {w: 4, sizes: [w, 2 * w]}\nlayers: [Linear: 'sizes[0]', Linear: 'sizes[1]']"
    found = swept(text, {"w": [4, 5], "sizes[1]": [3, 7]}, columns="params")
    assert found.top.columns["params"].tolist() == [3 * w + (w + 1) * s for w in (4, 5) for s in (3, 7)]


def test_constraints_are_told_apart_and_what_has_no_value_is_missed():
    text = "input: [2]\nvars: {w: 4}\nlayers: [Linear: w]"
    found = swept(text, {"w": range(1, 7)}, where="params > 3 and macs / (w - 3) > 0 and not w == 6")
    assert found.tally.missed == {"params > 3": 1, "macs / (w - 3) > 0": 3, "not w == 6": 1}
    assert found.tally.undefined == {"macs / (w - 3) > 0": 1}
    assert [found.space.values(n)["w"] for n in found.top.numbers.tolist()] == [4, 5]


def test_predicted_times():
    found = swept(
        RESNET.text, {"width": [8, 16], "input": [64, 96]}, columns="train_seconds,infer_seconds",
        setting=Setting(batch=4, precision="bf16", device="h200"),
    )  # fmt: skip
    for place, number in enumerate(found.top.numbers.tolist()):
        v = found.space.values(number)
        design = archscope.load(RESNET.text, set={"width": v["width"]}, input=(3, v["input"], v["input"]))
        for mode in ("train", "infer"):
            alone = archscope.predict(design, device="h200", batch=4, precision="bf16", mode=mode).seconds
            assert found.top.columns[f"{mode}_seconds"][place] == alone


def test_structures_that_were_forgotten_are_read_again(monkeypatch):
    plan = planned(RESNET.text, vary={"depths[0]": [0, 1, 2], "width": [8, 16], "act": ["ReLU", "SiLU"]})
    engine = Engine(plan)
    whole = engine.part(0, 12)
    monkeypatch.setattr(engine_module, "MOST_OPERATIONS", 1)
    again = [engine.part(start, start + 3) for start in range(0, 12, 3)]
    for name, column in whole.rows.columns.items():
        np.testing.assert_array_equal(column, np.concatenate([part.rows.columns[name] for part in again]))


def test_a_column_that_is_whole_in_most_designs_is_refused_in_the_others():
    text = "input: [2]\nvars: {w: 4}\nlayers: [Linear: w]"
    found = swept(text, {"w": [1, 2, 3, 4, 5, 6, 7, 8]}, derive={"odd": "params if w != 4 else 0.5"})
    assert (found.tally.legal, found.top.columns["odd"].dtype) == (7, np.int64)
    assert [reason.message for reason in found.tally.invalid.values()] == [
        "odd is a whole number in other designs, and none here; write 1.0 * ..."
    ]
