"""Totals by layer, block, kind and category; the frame; impossible requests."""

from dataclasses import is_dataclass
from importlib import import_module
from pkgutil import iter_modules

import pytest

import archscope
import archscope.analysis
import archscope.ops
from archscope.analysis.cost import COST_FIELDS
from archscope.errors import UsageError
from archscope.figures import COSTS, FIELDS, SAVED, SIZES, figure

TEXT = """
name: small
input: [3, 16, 16]
blocks:
  unit(out):
    - Conv2d: {out_channels: out, kernel_size: 3, padding: 1}
    - BatchNorm2d
    - ReLU
layers:
  - name: stage
    layers:
      - repeat: 2
        name: unit
        layers:
          - unit: 8
  - Add:
      - - unit: 8
      - []
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: 10
"""


@pytest.fixture(scope="module")
def account():
    return archscope.analyze(archscope.load(TEXT))


@pytest.mark.parametrize("group", ["by_block", "by_kind", "by_category"])
def test_every_grouping_sums_to_the_total(account, group):
    parts = getattr(account, group)()
    for field in COST_FIELDS:
        assert sum(getattr(part.cost, field) for part in parts) == getattr(account.total.cost, field)
    assert sum(part.layers for part in parts) == account.total.layers == len(account.rows)


def test_blocks_at_any_depth(account):
    assert [part.name for part in account.by_block(1)] == [
        "stage",
        "unit",
        "Add",
        "AdaptiveAvgPool2d",
        "Flatten",
        "Linear",
    ]
    assert [part.name for part in account.by_block(3)][:2] == ["stage.unit.0", "stage.unit.1"]
    assert [part.name for part in account.by_block(99)] == [row.name for row in account.rows]
    first = 3 * 8 * 9 + 8 + 16
    assert account["stage.unit.0"].params == first
    assert account["stage"].params == first + 8 * 8 * 9 + 8 + 16
    assert account["stage"].output_shape == (8, 16, 16)


def test_the_split(account):
    conv, fc, other = account.by_category()
    assert conv.params == (3 * 8 * 9 + 8) + 2 * (8 * 8 * 9 + 8)
    assert fc.params == 8 * 10 + 10
    assert other.params == 3 * 16
    assert figure(account, "conv_params") == conv.params
    assert figure(account, "fc_macs") == 80


def test_depth_is_the_longest_path_of_weight_layers(account):
    assert account.depth == 4
    assert account.total.weight_layers == 4
    parallel = archscope.load(
        "input: [3, 8, 8]\nlayers:\n  - Concat:\n"
        "    - [Conv2d: {out_channels: 2, kernel_size: 1}, Conv2d: {out_channels: 2, kernel_size: 1}]\n"
        "    - [Conv2d: {out_channels: 2, kernel_size: 1}]\n"
    )
    assert archscope.analyze(parallel).depth == 2
    assert archscope.analyze(parallel).total.weight_layers == 3


def test_the_frame_has_a_row_a_layer_and_every_figure(account):
    frame = account.frame
    assert list(frame.index) == [row.name for row in account.rows]
    assert set(frame.columns) == {
        "kind",
        "category",
        "input_shape",
        "dtype",
        *SIZES,
        *FIELDS,
        *SAVED,
        *COSTS,
    }
    assert frame["params"].sum() == account.total.params
    assert frame.loc["Linear", "output_shape"] == (10,)
    assert frame.loc["Linear", "macs"] == 80


def test_results_are_frozen(account):
    with pytest.raises(AttributeError):
        account.total.cost.params = 3
    with pytest.raises(AttributeError):
        account.setting.batch = 3


@pytest.mark.parametrize("package", [archscope.analysis, archscope.ops], ids=lambda package: package.__name__)
def test_what_is_declared_is_frozen(package):
    """Results, settings and kinds are values: safe to cache, to share, to send to a worker."""
    modules = [import_module(f"{package.__name__}.{one.name}") for one in iter_modules(package.__path__)]
    declared = {
        one for module in modules for one in vars(module).values() if isinstance(one, type) and is_dataclass(one)
    }
    assert len(declared) > 10
    assert not [one for one in declared if not one.__dataclass_params__.frozen]


def test_the_work_of_the_backward_pass(account):
    """Of each convolution and product both gradients, but of the first no gradient of the input."""
    first, inner, last = 16 * 16 * 8 * 3 * 9, 16 * 16 * 8 * 8 * 9, 8 * 10
    assert account.total.input_grad_macs == 2 * inner + last
    assert account.total.weight_grad_macs == first + 2 * inner + last
    assert account.total.backward_macs == first + 4 * inner + 2 * last
    assert account.total.backward_flops == 2 * (first + 4 * inner + 2 * last)


def test_what_adds_is_the_sum_of_the_layers_and_nothing_else_is(account):
    for name, metric in COSTS.items():
        parts = [getattr(row, name) for row in account.rows]
        total = getattr(account.total, name)
        assert (sum(part or 0 for part in parts) == total) == metric.additive, name


def test_unknown_names_are_refused_with_a_suggestion(account):
    with pytest.raises(UsageError, match="small has no layer or block `Liner`; did you mean `Linear`"):
        account["Liner"]
    with pytest.raises(AttributeError, match="has no figure 'parms'"):
        _ = account.total.parms


def test_impossible_batches_and_dtypes_are_refused(account):
    with pytest.raises(UsageError, match="batch must be at least 1, not 0"):
        archscope.analyze(account.design, batch=0)
    with pytest.raises(UsageError, match="unknown precision float31; did you mean `float32`"):
        archscope.analyze(account.design, precision="float31")
    for dtype in ("bool", "int64", "int32", "uint8", "int8"):
        with pytest.raises(UsageError, match=f"{dtype} is no floating type, .*one of float32, tf32"):
            archscope.analyze(account.design, precision=dtype)


def test_a_layer_that_does_not_allow_a_batch_says_so():
    design = archscope.load("input: [4]\nlayers:\n  - Add: [[], [{Parameter: {shape: [1, 4]}}]]\n  - Squeeze: 0\n")
    with pytest.raises(UsageError, match="Squeeze does not allow batch 2"):
        archscope.analyze(design, batch=2)
