"""What a proof of an ONNX file says, and what it may cost."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archscope.backends.onnx import file, lift
from archscope.backends.onnx.reading import read_onnx
from archscope.backends.torch import onnx_proof
from archscope.backends.torch.onnx_proof import prove_onnx
from archscope.errors import UsageError
from tests.backends.onnx.graphs import node, save, weight

ROWS = {"x": ("N", 4)}
NORM = {"s": weight(4), "b": weight(4, seed=1), "m": weight(4, seed=2), "v": np.abs(weight(4, seed=3)) + 1}


def outputs(path):
    *_, check = prove_onnx(read_onnx(path))
    return check


def named(nodes):
    """Nodes one after another, by names of their tensors."""
    return [helper.make_node(kind, x.split(), y.split(), name=f"{kind}{number}", **more)
            for number, (kind, x, y, more) in enumerate(nodes)]  # fmt: skip


@pytest.mark.parametrize("opset", [7, 9, 13, 14, 15])
def test_a_batch_norm_with_a_momentum_is_what_onnxruntime_makes_of_it(opset, tmp_path):
    norm = [node("BatchNormalization", "x s b m v", momentum=0.9, epsilon=1e-3)]
    path = save(tmp_path / "net.onnx", norm, NORM, inputs=ROWS, opset=opset)
    check = outputs(path)
    assert check.measured == "those of the file", check
    words = {7: "onnxruntime, for onnx's reference", 9: "a momentum of 1", 13: "a momentum of 1"}
    assert words.get(opset, "reference evaluator, batch") in check.note
    runtime = pytest.importorskip("onnxruntime")
    x = np.random.default_rng(0).random((2, 4), np.float32)
    (found,) = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    scale = NORM["s"] / np.sqrt(NORM["v"] + 1e-3)
    assert np.allclose(found, (x - NORM["m"]) * scale + NORM["b"], atol=1e-6)


def test_without_onnxruntime_what_the_evaluator_does_wrong_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    pool = [node("MaxPool", "x", kernel_shape=[2, 2], pads=[0, 0, 1, 1])]
    check = outputs(save(tmp_path / "net.onnx", pool, inputs={"x": ("N", 4, 8, 8)}))
    assert check.measured is None
    assert check.note.endswith("onnxruntime is not installed: `pip install onnxruntime`")


def test_a_thousand_sums_that_overflow_prove_nothing(tmp_path):
    nodes = [node("Add", f"{'x' if not k else f't{k}'} {'x' if not k else f't{k}'}", f"t{k + 1}") for k in range(999)]
    check = outputs(save(tmp_path / "net.onnx", [*nodes, node("Add", "t999 t999")], inputs=ROWS))
    assert check.measured is None  # 2^1000 is infinite in float32
    assert check.note.endswith("all are NaN or infinite, in the same places, which says little")


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("found", "expected", "verdict"),
    [
        ([1, INF, NAN], [1, INF, NAN], "those of the file"),
        ([1, INF], [1, -INF], "others"),
        ([1, NAN], [1, INF], "others"),
        ([1, 2], [1, NAN], "others"),
        ([1, NAN], [1, 2], "others"),
        ([1, INF], [1, 2], "others"),
        ([1, 2.1], [1, 2], "others"),
        ([NAN], [NAN], None),
    ],
)
def test_nan_and_infinity_are_equal_where_both_are(found, expected, verdict):
    arrays = ([np.array(values, np.float32)] for values in (found, expected))
    assert onnx_proof._compared(*arrays, "").measured == verdict


def test_what_a_pass_makes_is_looked_at_before_it_is_made(tmp_path):
    check = outputs(save(tmp_path / "net.onnx", [node("Relu", "x")], inputs={"x": ("N", 200_000, 200_000)}))
    assert check.measured is None
    # 2 samples x 200,000 x 200,000 x 4 bytes, going in and coming out
    assert check.note.startswith("inputs and results of 640,000,000,000 bytes are too many")


def test_a_file_that_is_longer_than_any_model_is_not_read(tmp_path):
    path = tmp_path / "net.onnx"
    path.touch()
    os.truncate(path, 20 * 2**30)
    with pytest.raises(UsageError, match=r"it has 21,474,836,480 bytes, and a protobuf message has at most"):
        read_onnx(path)


def test_a_pipe_is_no_model(tmp_path):
    os.mkfifo(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=r"net.onnx is a pipe, not a file"):
        read_onnx(tmp_path / "net.onnx")


def with_functions(path, bodies):
    """A model with functions of one input and one output: by name, the kinds of the nodes within."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = []
    for name, kinds in bodies.items():
        nodes = [
            helper.make_node(kind, [f"t{k}"], [f"t{k + 1}"], domain="own" if kind in bodies else "")
            for k, kind in enumerate(kinds)
        ]
        functions.append(helper.make_function("own", name, ["t0"], [f"t{len(kinds)}"], nodes, imports))
    graph = helper.make_graph(
        [helper.make_node(next(iter(bodies)), ["x"], ["y"], domain="own")], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, functions=functions, opset_imports=imports), path)
    return path


def test_functions_that_call_each_other_are_counted_before_they_are_written_out(tmp_path):
    doubling = {f"f{k}": [f"f{k + 1}"] * 2 for k in range(40)} | {"f40": ["Relu"]}
    with pytest.raises(UsageError, match=f"has {2**40:,} nodes; the most that are read are {file.MOST_NODES:,}"):
        read_onnx(with_functions(tmp_path / "net.onnx", doubling))
    few = with_functions(tmp_path / "net.onnx", {"a": ["b", "b"], "b": ["Relu", "Tanh"]})
    assert [layer.kind for layer in read_onnx(few).design.layers] == ["ReLU", "Tanh", "ReLU", "Tanh"]
    with pytest.raises(UsageError, match=r"its function (a|b) calls itself"):
        read_onnx(with_functions(tmp_path / "net.onnx", {"a": ["b"], "b": ["a"]}))


def test_a_graph_of_more_layers_than_a_design_has_is_refused_early(tmp_path, monkeypatch):
    nodes = [node("Relu", "x" if not k else f"t{k}", f"t{k + 1}") for k in range(20)]
    path = save(tmp_path / "net.onnx", [*nodes, node("Relu", "t20")], inputs=ROWS)
    monkeypatch.setattr(lift, "MOST_LAYERS", 10)
    with pytest.raises(UsageError, match="more than 10 layers, the most of a design"):
        read_onnx(path)
    monkeypatch.setattr(file, "MOST_NODES", 10)
    with pytest.raises(UsageError, match="has 21 nodes; the most that are read are 10"):
        read_onnx(path)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Conv", "x w", group=1.5)], "its attribute group is of the type float; needed: one of the type int"),
        ([node("Flatten", "x", axis="1")], "its attribute axis is of the type string; needed: one of the type int"),
        ([node("Elu", "x", alpha=[1.0])], "its attribute alpha is of the type floats; needed: one of the type float"),
    ],
)
def test_attributes_have_the_types_that_onnx_gives_them(nodes, words, tmp_path):
    path = save(tmp_path / "net.onnx", nodes, {"w": weight(4, 4, 1, 1)}, inputs={"x": ("N", 4, 8, 8)})
    with pytest.raises(UsageError) as caught:
        read_onnx(path)
    assert words in str(caught.value)
