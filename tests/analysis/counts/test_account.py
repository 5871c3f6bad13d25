"""Totals by layer, block, kind and category; the frame; impossible requests."""

from dataclasses import is_dataclass
from importlib import import_module
from pkgutil import walk_packages

import pytest
import torch
from torch import nn

import archscope
import archscope.analysis
import archscope.ops
from archscope.analysis.counts.cost import COST_FIELDS
from archscope.errors import UsageError
from archscope.figures import COSTS, FIELDS, SAVED, SIZES, figure
from archscope.figures.table import COLUMNS, cell
from tests.designs import UNITS

TEXT = (
    UNITS
    + """layers:
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
)


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
        *("batch", "precision", "mode", "channels_last", "torch", "device"),  # what of these depends on
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
    modules = [import_module(one.name) for one in walk_packages(package.__path__, f"{package.__name__}.")]
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


# -- under a setting ---

LOWERED = """
name: lowered
input: [3, 8, 8]
layers:
  - Conv2d: {out_channels: 4, kernel_size: 3}
  - ReLU
  - Flatten
  - Linear: 8
  - LayerNorm
  - Softmax: {dim: 1}
  - Cast: float
  - Cast: float
"""


def test_types_and_bytes_under_autocast_are_torchs():
    account = archscope.analyze(archscope.load(LOWERED), batch=2, precision="amp")
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.LayerNorm(8), nn.Softmax(1)]
    x = torch.zeros(2, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        for row, layer in zip(account.rows, [*layers, torch.Tensor.float, torch.Tensor.float], strict=True):
            y = layer(x)
            held = sum(one.nbytes for one in layer.parameters()) if isinstance(layer, nn.Module) else 0
            made = y.nbytes if y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr() else 0
            assert cell(account, row, COLUMNS["dtype"]) == str(y.dtype).removeprefix("torch."), row.name
            assert (row.activation_bytes, row.activations) == (made, y.numel() if made else 0), row.name
            assert row.bytes_moved == (x.nbytes + held + made if made else 0), row.name
            x = y


def test_what_autocast_makes_is_explained_as_it_is_counted():
    # 2 samples of 144 numbers of 2 bytes, 8 x 145 parameters of 4, 16 outputs of 2
    moved = 2 * 144 * 2 + 8 * 145 * 4 + 16 * 2
    found = archscope.explain(archscope.load(LOWERED), "Linear", batch=2, precision="amp")[0]
    assert {line.figure: line.result for line in found.lines}["bytes_moved"] == moved
    macs = 2 * 144 * 8
    assert archscope.analyze(archscope.load(LOWERED), batch=2, precision="amp")["Linear"].intensity == 2 * macs / moved


def test_types_under_autocast_are_those_of_the_device():
    """As torch's lists for CUDA have it: a softmax runs in float32, on the CPU in what arrives."""
    design = archscope.load("name: s\ninput: [4]\nlayers: [{Linear: 8}, {Softmax: {dim: 1}}]\n")
    accounts = {device: archscope.analyze(design, precision="amp", device=device) for device in ("cpu", "cuda")}
    types = {device: account["Softmax"].y for device, account in accounts.items()}
    assert (types["cpu"][0].dtype, types["cuda"][0].dtype or "float32") == ("bfloat16", "float32")


@pytest.mark.parametrize("changes", [{"mode": "infer"}, {"optimizer": "none"}])
def test_an_inference_has_no_backward_pass(changes):
    design = archscope.load(TEXT)
    infer, train = archscope.analyze(design, **changes), archscope.analyze(design)
    for row in (*infer.rows, infer.total):
        assert row.backward_macs == row.backward_flops == row.input_grad_macs == row.weight_grad_macs == 0
    assert (infer.total.macs, infer.total.trainable_params) == (train.total.macs, train.total.trainable_params)
    text = str(infer)
    assert "backward" not in text
    assert "inference" in text.splitlines()[0]
    assert "backward" in str(train)


def test_what_is_there_already_is_no_activation():
    design = archscope.load(
        """
        name: held
        input: [4, 6]
        layers:
          - Add: [[], [{name: position, Parameter: [1, 4, 6]}]]
          - Add: [[], [{name: table, Buffer: [1, 4, 6]}]]
          - Add: [[], [{name: fresh, Constant: [1, 4, 6]}]]
          - {name: same, Cast: float}
          - {name: same32, Cast: float32}
          - {name: narrow, Cast: bfloat16}
        """
    )
    account = archscope.analyze(design, batch=2)
    # a module gives its own tensor, and x.to(x.dtype) is x; torch.full makes 24 numbers, and .to() 48 others
    for name, made, moved in (("position", 0, 0), ("table", 0, 0), ("same", 0, 0), ("same32", 0, 0),
                              ("fresh", 24, 24 * 4), ("narrow", 48, 48 * 4 + 48 * 2)):  # fmt: skip
        assert (account[name].activations, account[name].bytes_moved) == (made, moved), name
    assert account["position"].params == account["table"].buffers == 24
    # under float64 the same cast to float32 makes what float32 takes
    assert archscope.analyze(design, precision="float64")["same32"].activation_bytes == 24 * 4


LAID = """
name: laid
input: [4, 6, 6]
layers:
  - Conv2d: {out_channels: 8, kernel_size: 3}
  - {name: overwritten, ReLU: {inplace: true}}
  - {name: same, Contiguous: }
  - {name: dropped, Dropout: 0.5}
  - {name: kept, Dropout: 0}
  - {name: rows, Flatten: 2}
  - {name: turned, Transpose: {dim0: 1, dim1: 2}}
  - {name: scaled, SELU: {inplace: true}}
  - {name: laid, Contiguous: }
  - {name: back, Transpose: {dim0: 1, dim1: 2}}
  - {name: copied, Reshape: [4, 8, 4]}
  - {name: summed, Einsum: "nchw->nhwc"}
  - {name: flat, Flatten: }
"""
TORCH = {
    "Conv2d": nn.Conv2d(4, 8, 3), "overwritten": nn.ReLU(inplace=True), "same": torch.Tensor.contiguous,
    "dropped": nn.Dropout(0.5), "kept": nn.Dropout(0.0), "rows": nn.Flatten(2),
    "turned": lambda x: x.transpose(1, 2), "scaled": nn.SELU(inplace=True), "laid": torch.Tensor.contiguous,
    "back": lambda x: x.transpose(1, 2), "copied": lambda x: x.reshape(len(x), 4, 8, 4),
    "summed": lambda x: torch.einsum("nchw->nhwc", x), "flat": nn.Flatten(),
}  # fmt: skip


@pytest.mark.parametrize("channels_last", [False, True], ids=["in order", "channels last"])
@pytest.mark.parametrize("mode", ["train", "infer"])
def test_an_activation_is_what_torch_lays_into_new_memory(mode, channels_last):
    account = archscope.analyze(archscope.load(LAID), batch=2, mode=mode, channels_last=channels_last)
    form = torch.channels_last if channels_last else torch.contiguous_format
    x, found = torch.zeros(2, 4, 6, 6).to(memory_format=form), {}
    for name, layer in TORCH.items():
        if isinstance(layer, nn.Module):
            layer.train(mode == "train").to(memory_format=form)
        before = x.untyped_storage().data_ptr()
        with torch.no_grad():
            x = layer(x)
        found[name] = 0 if x.untyped_storage().data_ptr() == before else x.numel()
    assert {row.name: row.activations for row in account.rows} == found
    assert {row.name: row.activation_bytes for row in account.rows} == {name: 4 * n for name, n in found.items()}
    # 256 numbers are read and written in place; what hands its input on moves nothing
    assert account["overwritten"].bytes_moved == 2 * 256 * 4
    assert account["kept"].bytes_moved == account["rows"].bytes_moved * (not channels_last) == 0


def test_why_nothing_is_made_is_said():
    notes = {
        one.layer: next(line.note for line in one.lines if line.figure == "activations")
        for one in archscope.explain(archscope.load(LAID), batch=2)
    }
    assert notes["overwritten"] == "none new: in place"
    assert notes["same"] == notes["kept"] == "none new: it gives what is there already"
    assert notes["turned"] == "a view of its input"
    assert notes["laid"] == notes["copied"] == "a copy, for what arrives does not lie in order"
    assert notes["Conv2d"] == ""


def test_how_tensors_lie_is_told_where_nothing_else_is_known_of_a_run():
    account = archscope.analyze(archscope.load(LAID), batch=2, precision="float8")
    assert account["copied"].activations == 2 * 8 * 4 * 4
    assert archscope.analyze(archscope.load(LAID), torch="1.12")["laid"].activations == 8 * 4 * 4
