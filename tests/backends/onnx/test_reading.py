"""ONNX files as designs: names, sizes, shared weights, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest

import archscope
from archscope.backends.onnx.reading import read_onnx
from archscope.backends.torch.onnx_proof import prove_onnx
from archscope.errors import MissingLibrary, UsageError
from archscope.spec.writer import to_yaml
from tests.backends.onnx.graphs import ints, node, save, weight

CONV = {"layer1.0.conv1.weight": weight(4, 4, 3, 3), "layer1.0.conv1.bias": weight(4)}


def test_a_design_is_that_of_its_own_text(tmp_path):
    nodes = [node("Conv", "x layer1.0.conv1.weight layer1.0.conv1.bias", "c"), node("Relu", "c", "r"),
             node("Flatten", "r", "f"), node("Gemm", "f fc.weight", "y", transB=1)]  # fmt: skip
    stored = CONV | {"fc.weight": weight(5, 4 * 6 * 6)}
    design = read_onnx(save(tmp_path / "net.onnx", nodes, stored)).design
    assert archscope.load(to_yaml(design)) == design
    assert design.name == "net"
    assert [layer.name for layer in design.layers] == ["layer1.0.conv1", "r", "f", "fc"]
    # 4 maps of 6 x 6, each of 4 x 3 x 3 products; 5 outputs of 144 products
    assert archscope.analyze(design).total.macs == 4 * 6 * 6 * 4 * 3 * 3 + 5 * 144


def test_names_follow_the_scopes_of_torchs_older_exporter(tmp_path):
    nodes = [
        onnx.helper.make_node("Relu", ["x"], ["a"], name="/layer1/layer1.0/act/Relu"),
        onnx.helper.make_node("Tanh", ["a"], ["b"], name="/layer1/layer1.0/Tanh"),
        onnx.helper.make_node("Exp", ["b"], ["y"], name="/layer1/layer1.0/act/Exp"),
    ]
    design = read_onnx(save(tmp_path / "net.onnx", nodes)).design
    assert [layer.name for layer in design.layers] == ["layer1.0.act.ReLU", "layer1.0.Tanh", "layer1.0.act.Exp"]


def test_a_weight_that_two_layers_use_counts_once(tmp_path):
    stored = {"conv.weight": weight(4, 4, 3, 3)}
    nodes = [node("Conv", "x conv.weight", "a"), node("Relu", "a", "b"), node("Conv", "b conv.weight", "y")]
    design = read_onnx(save(tmp_path / "net.onnx", nodes, stored)).design
    assert [layer.shares for layer in design.layers] == [None, None, "conv"]
    total = archscope.analyze(design).total
    assert (total.params, total.macs) == (4 * 4 * 3 * 3, 4 * 4 * 9 * (6 * 6 + 4 * 4))


def test_a_table_that_is_the_last_weight_too_counts_once(tmp_path):
    nodes = [node("Gather", "wte.weight x", "e"), node("Transpose", "wte.weight", "t", perm=[1, 0]),
             node("MatMul", "e t", "y")]  # fmt: skip
    path = save(tmp_path / "net.onnx", nodes, {"wte.weight": weight(9, 6)}, inputs={"x": (("N", 7), "int64")})
    total = archscope.analyze(read_onnx(path).design).total
    assert (total.params, total.macs) == (9 * 6, 7 * 9 * 6)


def test_one_kernel_in_two_roles_is_refused(tmp_path):
    nodes = [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Conv", "a w", "y", strides=[2, 2])]
    with pytest.raises(UsageError, match="its weight w is also that of a, which is another kind of layer"):
        read_onnx(save(tmp_path / "net.onnx", nodes, {"w": weight(4, 4, 3, 3)}))


def test_what_contributes_to_no_output_is_left_out_and_told(tmp_path):
    nodes = [node("Relu", "x", "y"), node("Tanh", "x", "z")]
    model = read_onnx(save(tmp_path / "net.onnx", nodes, {"old.weight": weight(3)}))
    assert [layer.kind for layer in model.design.layers] == ["ReLU"]
    assert model.notes == ("1 stored tensors are read by no node: old.weight",)


# -- sizes -------------------------------------------------------------------------------------------------------------


def test_open_sizes_are_given(tmp_path):
    path = save(tmp_path / "net.onnx", [node("Relu", "x")], inputs={"x": ("N", 3, "H", "W")})
    with pytest.raises(UsageError, match=r"input x: the file leaves some of its sizes open: 3xHxW; needed: --input x="):
        read_onnx(path)
    assert read_onnx(path, input=(3, 5, 7)).design.inputs[0].shape == (3, 5, 7)
    assert read_onnx(path, input={"x": (3, 5, 7)}).design.inputs[0].shape == (3, 5, 7)
    with pytest.raises(UsageError, match=r"input x: 4x5x7 does not fit its sizes 3x\(H\)x\(W\)"):
        read_onnx(path, input=(4, 5, 7))
    with pytest.raises(UsageError, match="the model has no input image; its inputs: x"):
        read_onnx(path, input={"image": (3, 5, 7)})


def test_a_name_of_a_size_is_one_size(tmp_path):
    inputs = {"x": ("N", "L", 4), "z": ("N", "L", 4)}
    path = save(tmp_path / "net.onnx", [node("Add", "x z")], inputs=inputs)
    assert [one.shape for one in read_onnx(path, input={"x": (7, 4)}).design.inputs] == [(7, 4), (7, 4)]
    with pytest.raises(UsageError, match=r"the model has 2 inputs \(x, z\): say which one the sizes are for"):
        read_onnx(path, input=(7, 4))


def test_a_number_in_dimension_0_is_taken_as_the_batch(tmp_path):
    path = save(tmp_path / "net.onnx", [node("Reshape", "x s")], {"s": ints(5, 64)}, inputs={"x": (5, 4, 4, 4)})
    model = read_onnx(path)
    assert archscope.analyze(model.design, batch=7).rows[-1].y[0].shape == (7, 64)
    assert model.notes == ("the file is written for a batch of 5; the design takes any",)


# -- weights beside the file -------------------------------------------------------------------------------------------


def test_weights_in_another_file_are_not_opened(tmp_path):
    nodes = [node("Reshape", "x s", "f"), node("Gemm", "f fc.weight", "y", transB=1)]
    path = save(tmp_path / "a.onnx", nodes, {"s": ints(0, -1), "fc.weight": weight(100, 256)})
    model = onnx.load(path)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights", size_threshold=1024)
    (tmp_path / "weights").unlink()
    found = read_onnx(tmp_path / "net.onnx")
    assert archscope.analyze(found.design).total.params == 100 * 256
    assert found.weights["fc"]["weight"].array is None


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_all_nodes_that_have_no_op_are_told_at_once(tmp_path):
    nodes = [node("Hardmax", "x", "a"), node("Relu", "a", "b"), node("Det", "b", "c"), node("IsNaN", "x", "d"),
             node("Add", "c b", "y")]  # fmt: skip
    path = save(tmp_path / "net.onnx", nodes)
    with pytest.raises(UsageError) as caught:
        read_onnx(path)
    assert str(caught.value).splitlines() == [
        f"{path} cannot be said as a design:",
        "  node /a/Hardmax (op Hardmax): no op; needed: an op that does what Hardmax does",
        "  node /c/Det (op Det): no op; needed: an op that does what Det does",
        "  node /d/IsNaN (op IsNaN): no op; needed: an op that does what IsNaN does",
    ]
    assert caught.value.exit_code == 2


REFUSED = {
    "a kernel that is computed": ([node("Conv", "x x")], {}, "its kernel is computed in the graph"),
    "an average of uneven padding": ([node("AveragePool", "x", kernel_shape=[2, 2], pads=[0, 0, 1, 1])], {},
                                     "an average that leaves out uneven padding"),
    "samples that are joined": ([node("ReduceMean", "x a")], {"a": ints(0)}, "it joins the samples of a batch"),
    "a shape that does not fit": ([node("Reshape", "x s")], {"s": ints(0, 7, 7)}, "does not become"),
    "too few inputs": ([node("Add", "x")], {}, "it is malformed: not enough values to unpack"),
    "a tensor that nothing gives": ([node("Relu", "q")], {}, "it reads q, which nothing gives"),
    "an op of another domain": ([node("Thing", "x", domain="com.example")], {}, "com.example.Thing"),
    "another type": ([node("Cast", "x", to=onnx.TensorProto.UINT8)], {}, "it makes uint8 numbers"),
    "a layer that does not fit": ([node("Conv", "x w")], {"w": weight(4, 3, 3, 3)},
                                 r"its weight has the shape \(4, 3, 3, 3\), where \(4, 4, 3, 3\) would suit"),
    "a constant that is too large": (
        [node("ConstantOfShape", "s", "c"), node("Add", "x c")], {"s": ints(2**20, 2**20)}, "no op"),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "stored", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_said_is_refused_by_place(nodes, stored, words, tmp_path):
    with pytest.raises(UsageError, match=f"(?s)cannot be said as a design:.*node /.*({words})"):
        read_onnx(save(tmp_path / "net.onnx", nodes, stored))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "it has no graph with an output"), (b"\xff" * 40, "its bytes are no protobuf message"),
     (b"name: net\ninput: [3]\n", "its bytes are no protobuf message")],
    ids=["empty", "noise", "text"],
)  # fmt: skip
def test_what_is_no_model_is_told(content, words, tmp_path):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(UsageError, match=f"net.onnx is no ONNX model: {words}"):
        read_onnx(tmp_path / "net.onnx")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"net.onnx cannot be read: No such file or directory"):
        read_onnx(tmp_path / "net.onnx")


def test_a_damaged_weight_is_told(tmp_path):
    path = save(tmp_path / "net.onnx", [node("Relu", "x")], {"w": weight(4)})
    model = onnx.load(path)
    model.graph.initializer[0].dims[0] = 5
    onnx.save(model, path)
    with pytest.raises(UsageError, match=r"net.onnx is no sound ONNX model: a stored tensor is damaged"):
        read_onnx(path)


def test_nodes_in_any_order_are_ordered_and_rings_are_told(tmp_path):
    path = save(tmp_path / "net.onnx", [node("Tanh", "a", "y"), node("Relu", "x", "a")])
    assert [layer.kind for layer in read_onnx(path).design.layers] == ["ReLU", "Tanh"]
    path = save(tmp_path / "net.onnx", [node("Add", "x y", "a"), node("Relu", "a", "y")])
    with pytest.raises(UsageError, match="reads what comes of it"):
        read_onnx(path)


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingLibrary, match=r"ONNX files need onnx: `pip install 'archscope\[onnx\]'`"):
        read_onnx(tmp_path / "net.onnx")


def test_a_constant_takes_no_memory_before_it_is_refused(tmp_path):
    nodes = [node("ConstantOfShape", "s", "c"), node("Expand", "c t", "d"), node("Add", "x d")]
    path = save(tmp_path / "net.onnx", nodes, {"s": ints(1000), "t": ints(10**6, 1000), "one": np.float32(1)})
    with pytest.raises(UsageError, match=r"cannot be said as a design"):
        read_onnx(path)


# -- several floating types --------------------------------------------------------------------------------------------


def test_a_file_of_two_floating_types_holds_each_weight_in_its_own(tmp_path):
    """24 + 4 numbers of 2 bytes, 20 + 5 of 4; the file's own arrays say so."""
    stored = {
        "narrow.weight": weight(4, 6).astype(np.float16), "narrow.bias": weight(4).astype(np.float16),
        "wide.weight": weight(5, 4), "wide.bias": weight(5),
    }  # fmt: skip
    nodes = [
        node("Cast", "x", "half", to=onnx.TensorProto.FLOAT16),
        node("Gemm", "half narrow.weight narrow.bias", "a", transB=1),
        node("Cast", "a", "full", to=onnx.TensorProto.FLOAT),
        node("Gemm", "full wide.weight wide.bias", "y", transB=1),
    ]
    model = read_onnx(save(tmp_path / "net.onnx", nodes, stored, inputs={"x": ("N", 6)}, outputs={"y": ("N", 5)}))
    assert {layer.name: layer.dtype for layer in model.design.layers if layer.kind == "Linear"} == {
        "narrow": "float16", "wide": None,
    }  # fmt: skip
    total = archscope.analyze(model.design).total
    assert total.param_bytes == sum(array.nbytes for array in stored.values()) == 28 * 2 + 25 * 4
    assert archscope.load(to_yaml(model.design)) == model.design
    *_, outputs = prove_onnx(model)
    assert all(check.ok for check in prove_onnx(model))
    assert (outputs.measured, "how float16 rounds is not compared" in outputs.note) == ("those of the file", True)


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16"])
def test_outputs_of_a_narrow_file_are_compared_in_float32(kind, tmp_path):
    """Stored numbers, a constant inside a node, and a cast: as wide as onnx's evaluator is right in."""
    narrow = getattr(onnx.TensorProto, kind)
    held = onnx.helper.tensor_dtype_to_np_dtype(narrow)
    stored = {"fc.weight": weight(5, 6).astype(held), "fc.bias": weight(5).astype(held)}
    constant = onnx.numpy_helper.from_array(weight(1, 5).astype(held), "shift")
    nodes = [
        node("Cast", "x", "narrow", to=narrow),
        node("Gemm", "narrow fc.weight fc.bias", "a", transB=1),
        node("Constant", "", "shift", value=constant),
        node("Add", "a shift", "b"),
        node("Tanh", "b", "y"),
    ]
    path = save(tmp_path / "net.onnx", nodes, stored, inputs={"x": ("N", 6)}, outputs={"y": ("N", 5)})
    model = read_onnx(path)
    *_, outputs = prove_onnx(model)
    assert outputs.measured == outputs.stated == "those of the file", outputs.note
    assert f"how {kind.lower()} rounds is not compared" in outputs.note
    (layer,) = (name for name, parts in model.weights.items() if "bias" in parts)
    bias = model.weights[layer]["bias"]
    model.weights[layer]["bias"] = replace(bias, array=bias.array + held.type(0.25))
    *_, outputs = prove_onnx(model)
    assert not outputs.ok


def test_weights_that_are_stored_narrow_and_cast_before_use_are_of_the_type_that_is_used(tmp_path):
    nodes = [node("Cast", "fc.weight", "w", to=onnx.TensorProto.FLOAT), node("Gemm", "x w", "y", transB=1)]
    stored = {"fc.weight": weight(5, 6).astype(np.float16)}
    model = read_onnx(save(tmp_path / "net.onnx", nodes, stored, inputs={"x": ("N", 6)}, outputs={"y": ("N", 5)}))
    assert [(layer.kind, layer.dtype) for layer in model.design.layers] == [("Linear", None)]


def test_a_doubled_file_is_read_and_proved_in_float64(tmp_path):
    stored = {"fc.weight": weight(5, 6).astype(np.float64), "fc.bias": weight(5).astype(np.float64)}
    nodes = [node("Gemm", "x fc.weight fc.bias", "a", transB=1), node("Tanh", "a", "y")]
    path = save(
        tmp_path / "net.onnx",
        nodes,
        stored,
        inputs={"x": (("N", 6), "float64")},
        outputs={"y": ("N", 5)},
        given="float64",
    )
    model = read_onnx(path)
    assert (model.floating, {layer.dtype for layer in model.design.layers}) == ("float64", {None})
    assert all(check.ok and check.measured is not None for check in prove_onnx(model))
    assert [check.measured for check in prove_onnx(model) if check.what == "shape of y"] == ["batch x 5 float64"]
