"""Each kind of node, made a layer: the module with the file's weights gives what onnx's reference evaluator gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archscope.backends.onnx.reading import read_onnx
from archscope.backends.torch.onnx_proof import prove_onnx
from archscope.errors import UsageError
from tests.backends.onnx.graphs import ints, node, save, weight

LINE, PLANE, VOLUME = {"x": ("N", 4, 9)}, {"x": ("N", 4, 8, 8)}, {"x": ("N", 4, 5, 6, 6)}
ROWS, TWO = {"x": ("N", 5, 6)}, {"x": ("N", 5, 6), "z": ("N", 5, 6)}
WORDS = {"x": (("N", 7), "int64")}
KERNEL = {"w": weight(6, 4, 3, 3), "b": weight(6, seed=1)}
NORM = {name: np.abs(weight(4, seed=seed)) + 0.5 for seed, name in enumerate(("s", "b", "m", "v"))}


def _gates(name: str) -> list[Any]:
    """A weight with its gates in ONNX's order, input, output, forget, cell: torch's are the first, the last, ..."""
    cut = [node("Slice", f"{name} at{gate} at{gate + 1} axis", f"{name}{gate}") for gate in range(4)]
    return [*cut, node("Concat", f"{name}0 {name}3 {name}1 {name}2", f"{name}o", axis=0)]


#: as torch's exporter writes a layer's weights
GATES = [
    *(one for name in ("wi", "wh", "bi", "bh") for one in _gates(name)),
    node("Concat", "bio bho", "bo", axis=0),
    *(node("Unsqueeze", f"{name} axis", f"{name}u") for name in ("wio", "who", "bo")),
    node("LSTM", "x wiou whou bou", "y", hidden_size=3),
]
#: op of the design, nodes, stored tensors, inputs
LAYERS = {
    "convolution": ("Conv2d", [node("Conv", "x w b", pads=[1, 1, 1, 1], strides=[2, 2])], KERNEL, PLANE),
    "one of lines": ("Conv1d", [node("Conv", "x w", dilations=[2])], {"w": weight(6, 4, 3)}, LINE),
    "one of volumes": ("Conv3d", [node("Conv", "x w")], {"w": weight(2, 4, 3, 1, 2)}, VOLUME),
    "depthwise": ("Conv2d", [node("Conv", "x w", group=4)], {"w": weight(8, 1, 3, 3)}, PLANE),
    "uneven pads": ("ZeroPad2d Conv2d", [node("Conv", "x w b", pads=[0, 1, 1, 2])], KERNEL, PLANE),
    "same, upper": ("ZeroPad2d Conv2d", [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])],
                    {"w": weight(6, 4, 3, 3)}, PLANE),
    "same, lower": ("Conv2d", [node("Conv", "x w", auto_pad="SAME_LOWER")], {"w": weight(6, 4, 3, 3)}, PLANE),
    "transposed": ("ConvTranspose2d", [node("ConvTranspose", "x w b", strides=[2, 2], pads=[1, 1, 1, 1],
                                            output_padding=[1, 1])],
                   {"w": weight(4, 3, 3, 3), "b": weight(3)}, PLANE),
    "transposed, uneven": ("ConvTranspose2d ZeroPad2d", [node("ConvTranspose", "x w", strides=[2, 2],
                                                              pads=[0, 1, 1, 1])], {"w": weight(4, 3, 3, 3)}, PLANE),
    "transposed, in groups": ("ConvTranspose1d", [node("ConvTranspose", "x w", group=2)], {"w": weight(4, 3, 3)}, LINE),
    "batch norm": ("BatchNorm2d", [node("BatchNormalization", "x s b m v", epsilon=1e-3)], NORM, PLANE),
    "batch norm of lines": ("BatchNorm1d", [node("BatchNormalization", "x s b m v")], NORM, LINE),
    "instance norm": ("InstanceNorm2d", [node("InstanceNormalization", "x s b")], NORM, PLANE),
    "plain instance norm": ("InstanceNorm2d", [node("InstanceNormalization", "x s b")],
                            {"s": np.ones(4, np.float32), "b": np.zeros(4, np.float32)}, PLANE),
    "layer norm": ("LayerNorm", [node("LayerNormalization", "x s b")], {"s": weight(6), "b": weight(6, seed=1)}, ROWS),
    "layer norm, no shift": ("LayerNorm", [node("LayerNormalization", "x s", axis=1)], {"s": weight(5, 6)}, ROWS),
    "local response": ("LocalResponseNorm", [node("LRN", "x", size=3, alpha=0.1, beta=0.7, bias=2.0)], {},
                       {"x": (4, 4, 8, 8)}),
    "slopes": ("PReLU", [node("PRelu", "x w")], {"w": weight(4, 1, 1)}, PLANE),
    "one slope": ("PReLU", [node("PRelu", "x w")], {"w": weight(1)}, PLANE),
    "embedding": ("Embedding", [node("Gather", "w x")], {"w": weight(9, 3)}, WORDS),
    "dense": ("Linear", [node("Gemm", "x w b", transB=1)], {"w": weight(3, 6), "b": weight(3)}, {"x": ("N", 6)}),
    "dense, turned": ("Linear", [node("Gemm", "x w")], {"w": weight(6, 3)}, {"x": ("N", 6)}),
    "a product and its bias": ("Linear", [node("MatMul", "x w", "p"), node("Add", "b p")],
                               {"w": weight(6, 3), "b": weight(3)}, ROWS),
    "a product alone": ("Linear", [node("MatMul", "x w")], {"w": weight(6, 3)}, ROWS),
    "a weight turned before": ("Linear", [node("Transpose", "w", "t", perm=[1, 0]), node("MatMul", "x t")],
                               {"w": weight(3, 6)}, ROWS),
    "a batch of matrices": ("Parameter MatMul", [node("MatMul", "x w")], {"w": weight(1, 6, 3)}, ROWS),
    "a learnt tensor": ("Parameter Add", [node("Add", "x w")], {"w": weight(1, 5, 6)}, ROWS),
    "lstm": ("LSTM Unflatten Transpose", [node("LSTM", "x w r b", "y", hidden_size=3, direction="bidirectional")],
             {"w": weight(2, 12, 6), "r": weight(2, 12, 3, seed=1), "b": weight(2, 24, seed=2)}, ROWS),
    "lstm, its gates put together": ("LSTM Unsqueeze", GATES, {
        "wi": weight(12, 6), "wh": weight(12, 3, seed=1), "bi": weight(12, seed=2), "bh": weight(12, seed=3),
        "axis": ints(0), **{f"at{place}": ints(3 * place) for place in range(5)},
    }, ROWS),
    "gru": ("GRU", [node("GRU", "x w r b", "s", hidden_size=3, linear_before_reset=1),
                    node("Squeeze", "s axes")],
            {"w": weight(1, 9, 6), "r": weight(1, 9, 3, seed=1), "b": weight(1, 18, seed=2), "axes": ints(1)}, ROWS),
    "rnn": ("RNN Unsqueeze", [node("RNN", "x w r", "y", hidden_size=3)],
            {"w": weight(1, 3, 6), "r": weight(1, 3, 3, seed=1)}, ROWS),
    "rnn with relu": ("RNN Unsqueeze", [node("RNN", "x w r", "y", hidden_size=3, activations=["Relu"])],
                      {"w": weight(1, 3, 6), "r": weight(1, 3, 3, seed=1)}, ROWS),
}  # fmt: skip
POOLS = {
    "max": ("MaxPool2d", [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], {}, PLANE),
    "max, uneven": ("ConstantPad2d MaxPool2d", [node("MaxPool", "x", kernel_shape=[2, 2], pads=[0, 0, 1, 1])], {},
                    PLANE),
    "max, ceil": ("MaxPool2d", [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], {}, PLANE),
    "max of lines": ("MaxPool1d", [node("MaxPool", "x", kernel_shape=[2])], {}, LINE),
    "average": ("AvgPool2d", [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], {}, PLANE),
    "average with the padding": ("AvgPool2d", [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                                                    count_include_pad=1)], {}, PLANE),
    "average, uneven": ("ZeroPad2d AvgPool2d", [node("AveragePool", "x", kernel_shape=[2, 2], pads=[0, 0, 1, 1],
                                                     count_include_pad=1)], {}, PLANE),
    "all": ("AdaptiveAvgPool2d", [node("GlobalAveragePool", "x")], {}, PLANE),
    "the largest of all": ("AdaptiveMaxPool2d", [node("GlobalMaxPool", "x")], {}, PLANE),
    "resize by a factor": ("Upsample", [node("Resize", "x - s", mode="nearest", nearest_mode="floor",
                                             coordinate_transformation_mode="asymmetric")],
                           {"s": np.asarray([1, 1, 2, 3], np.float32)}, PLANE),
    "resize to a size": ("Upsample", [node("Resize", "x - - s", mode="linear")], {"s": ints(1, 4, 16, 16)},
                         {"x": (1, 4, 8, 8)}),
    "depth to space": ("PixelShuffle", [node("DepthToSpace", "x", blocksize=2, mode="CRD")], {}, PLANE),
    "depth to space, tf": ("Reshape Permute Reshape", [node("DepthToSpace", "x", blocksize=2)], {}, PLANE),
    "space to depth": ("Reshape Permute Reshape", [node("SpaceToDepth", "x", blocksize=2)], {}, PLANE),
}  # fmt: skip
SHAPES = {
    "flatten": ("Flatten", [node("Flatten", "x")], {}, PLANE),
    "reshape": ("Unflatten", [node("Reshape", "x s")], {"s": ints(0, 2, 2, 8, 8)}, PLANE),
    "reshape of a shape": ("Flatten", [node("Shape", "x", "s"), node("Gather", "s zero", "n"),
                                       node("Unsqueeze", "n zero1", "n1"), node("Concat", "n1 rest", "t", axis=0),
                                       node("Reshape", "x t")],
                           {"zero": np.asarray(0), "zero1": ints(0), "rest": ints(-1)}, PLANE),
    "windows": ("Reshape Permute Flatten Flatten",
                [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Mul", "n four", "m"),
                 node("Reshape", "x split", "a"), node("Transpose", "a", "b", perm=[0, 2, 4, 1, 3, 5]),
                 node("Concat", "m rest", "t", axis=0), node("Reshape", "b t")],
                {"zero": ints(0), "four": ints(4), "split": ints(0, 4, 2, 4, 2, 4), "rest": ints(64)}, PLANE),
    "windows, a batch of 1": ("Reshape Permute Flatten",
                              [node("Reshape", "x split", "a"), node("Transpose", "a", "b", perm=[0, 2, 4, 3, 5, 1]),
                               node("Reshape", "b t")],
                              {"split": ints(1, 4, 2, 4, 2, 4), "t": ints(4, 4, 4, 4)}, {"x": (1, 4, 8, 8)}),
    "a batch of 3": ("Reshape", [node("Reshape", "x s")], {"s": ints(3, -1, 4, 4)}, {"x": (3, 4, 8, 8)}),
    "transpose": ("Permute", [node("Transpose", "x", perm=[0, 2, 3, 1])], {}, PLANE),
    "exchange": ("Transpose", [node("Transpose", "x", perm=[0, 2, 1])], {}, ROWS),
    "there and back": ("Tanh", [node("Transpose", "x", "a", perm=[0, 2, 1]),
                                node("Transpose", "a", "b", perm=[0, 2, 1]), node("Tanh", "b")], {}, ROWS),
    "squeeze": ("Squeeze", [node("Squeeze", "x a")], {"a": ints(2)}, {"x": ("N", 4, 1)}),
    "unsqueeze": ("Unsqueeze", [node("Unsqueeze", "x a")], {"a": ints(1)}, ROWS),
    "slice": ("Slice Slice", [node("Slice", "x s e a t")],
              {"s": ints(1, 0), "e": ints(2**62, -1), "a": ints(1, 2), "t": ints(2, 1)}, ROWS),
    "flip": ("Flip", [node("Slice", "x s e a t")],
             {"s": ints(-1), "e": ints(-(2**62)), "a": ints(2), "t": ints(-1)}, ROWS),
    "split": ("Split Concat Add", [node("Split", "x s", "a b c", axis=2), node("Concat", "a c", "d", axis=2),
                            node("Add", "d b")], {"s": ints(1, 3, 2)}, ROWS),
    "split evenly": ("Chunk Multiply", [node("Split", "x", "a b", axis=2, num_outputs=2), node("Mul", "a b")], {},
                     ROWS),
    "a sequence": ("Chunk Subtract", [node("SplitToSequence", "x n", "q", axis=2), node("SequenceAt", "q i", "a"),
                                      node("SequenceAt", "q j", "b"), node("Sub", "a b")],
                   {"n": np.asarray(2), "i": np.asarray(0), "j": np.asarray(-1)}, ROWS),
    "concat": ("Concat", [node("Concat", "x z", axis=-1)], {}, TWO),
    "a class token": ("Parameter Concat", [node("Shape", "x", "s", start=0, end=1), node("Concat", "s r", "t", axis=0),
                                           node("Expand", "w t", "e"), node("Concat", "e x", axis=1)],
                      {"r": ints(1, 6), "w": weight(1, 1, 6)}, ROWS),
    "a class token, a batch of 1": ("Parameter Concat", [node("Concat", "w x", axis=1)], {"w": weight(1, 1, 6)},
                                    {"x": (1, 5, 6)}),
    "zeros for each sample": ("Constant Concat", [node("Shape", "x", "s", start=0, end=1),
                                                  node("Concat", "s r", "t", axis=0),
                                                  node("ConstantOfShape", "t", "e"), node("Concat", "e x", axis=1)],
                              {"r": ints(1, 6)}, ROWS),
    "pad": ("ZeroPad2d", [node("Pad", "x p")], {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}, PLANE),
    "pad by a number": ("ConstantPad1d", [node("Pad", "x p v")],
                        {"p": ints(0, 0, 1, 0, 0, 2), "v": np.float32(2)}, LINE),
    "mirror": ("ReflectionPad2d", [node("Pad", "x p", mode="reflect")], {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}, PLANE),
    "pad channels": ("Pad", [node("Pad", "x p")], {"p": ints(0, 1, 0, 0, 0, 2, 0, 0)}, PLANE),
    "expand": ("Expand", [node("Expand", "x s")], {"s": ints(1, 5, 6)}, {"x": ("N", 1, 6)}),
    "tile": ("Tile", [node("Tile", "x s")], {"s": ints(1, 2, 3)}, ROWS),
    "one place": ("Select", [node("Gather", "x i", axis=1)], {"i": np.asarray(-1)}, ROWS),
    "some places": ("Slice", [node("Gather", "x i", axis=1)], {"i": ints(1, 2)}, ROWS),
    "places": ("Constant Index", [node("Gather", "x i", axis=2)], {"i": ints(4, 0, 4)}, ROWS),
    "mean": ("Mean", [node("ReduceMean", "x a", keepdims=0)], {"a": ints(2, 3)}, PLANE),
    "sum": ("Sum", [node("ReduceSum", "x a")], {"a": ints(-1)}, ROWS),
    "maximum": ("Max", [node("ReduceMax", "x a")], {"a": ints(1)}, ROWS),
    "softmax": ("Softmax", [node("Softmax", "x")], {}, ROWS),
    "log softmax": ("LogSoftmax", [node("LogSoftmax", "x", axis=1)], {}, ROWS),
}  # fmt: skip
HALF, ROOT = np.float32(0.5), np.float32(2**0.5)
POINTWISE = {
    **{kind: (op, [node(kind, "x")], {}, ROWS) for kind, op in {
        "Relu": "ReLU", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "HardSwish": "Hardswish", "Softplus": "Softplus",
        "Softsign": "Softsign", "Selu": "SELU", "Elu": "ELU", "Abs": "Abs", "Neg": "Negative", "Exp": "Exp",
        "Sin": "Sin", "Cos": "Cos", "Floor": "Floor", "Erf": "Erf", "Mish": "Mish", "Reciprocal": "Reciprocal",
        "Sqrt": "Sqrt", "Log": "Log", "Gelu": "GELU", "Celu": "CELU"}.items()},
    "leaky": ("LeakyReLU", [node("LeakyRelu", "x", alpha=0.3)], {}, ROWS),
    "hard sigmoid": ("Hardsigmoid", [node("HardSigmoid", "x", alpha=1 / 6)], {}, ROWS),
    "another hard sigmoid": ("Scale Shift Hardtanh", [node("HardSigmoid", "x")], {}, ROWS),
    "relu6": ("ReLU6", [node("Clip", "x a b")], {"a": np.float32(0), "b": np.float32(6)}, ROWS),
    "clip": ("Hardtanh", [node("Clip", "x a b")], {"a": np.float32(0.2), "b": np.float32(0.7)}, ROWS),
    "clip below": ("Clamp", [node("Clip", "x a")], {"a": np.float32(0.2)}, ROWS),
    "add": ("Add", [node("Add", "x z")], {}, TWO),
    "subtract": ("Subtract", [node("Sub", "x z")], {}, TWO),
    "divide": ("Divide", [node("Div", "x z")], {}, TWO),
    "add several": ("Add", [node("Sum", "x z x")], {}, TWO),
    "mean of several": ("Add Scale", [node("Mean", "x z")], {}, TWO),
    "larger": ("Maximum", [node("Max", "x z")], {}, TWO),
    "at least": ("Clamp", [node("Max", "x a")], {"a": HALF}, ROWS),
    "add a number": ("Shift", [node("Add", "x a")], {"a": HALF}, ROWS),
    "take a number": ("Shift", [node("Sub", "x a")], {"a": HALF}, ROWS),
    "from a number": ("Negative Shift", [node("Sub", "a x")], {"a": HALF}, ROWS),
    "times a number": ("Scale", [node("Mul", "a x")], {"a": ROOT}, ROWS),
    "by a number": ("Scale", [node("Div", "x a")], {"a": ROOT}, ROWS),
    "one by it": ("Shift Reciprocal", [node("Add", "x a", "p"), node("Div", "a p")], {"a": np.float32(1)}, ROWS),
    "power": ("Power", [node("Pow", "x a")], {"a": np.float32(3)}, ROWS),
    "where": ("Compare Where", [node("Greater", "x z", "c"), node("Where", "c x z")], {}, TWO),
    "masked": ("Compare MaskedFill", [node("Less", "x a", "c"), node("Where", "c a x")], {"a": HALF}, ROWS),
    "logic": ("Compare Compare Logical LogicalNot Where",
              [node("Less", "x a", "c"), node("Greater", "a z", "d"), node("And", "c d", "e"), node("Not", "e", "f"),
               node("Where", "f x z")], {"a": HALF}, TWO),
    "cast": ("Cast Cast", [node("Cast", "x", "c", to=7), node("Cast", "c", to=1)], {}, ROWS),
    "silu": ("SiLU", [node("Sigmoid", "x", "g"), node("Mul", "x g")], {}, ROWS),
    "mish": ("Mish", [node("Softplus", "x", "p"), node("Tanh", "p", "t"), node("Mul", "x t")], {}, ROWS),
    "glu": ("GLU", [node("Split", "x", "a b", axis=2, num_outputs=2), node("Sigmoid", "b", "g"), node("Mul", "a g")],
            {}, ROWS),
    "gelu": ("GELU", [node("Div", "x r", "d"), node("Erf", "d", "e"), node("Add", "e o", "s"), node("Mul", "x s", "m"),
                      node("Mul", "m h")], {"r": ROOT, "o": np.float32(1), "h": HALF}, ROWS),
    "gelu, the half first": ("GELU", [node("Mul", "x h", "m"), node("Div", "x r", "d"), node("Erf", "d", "e"),
                                      node("Add", "e o", "s"), node("Mul", "m s")],
                             {"r": ROOT, "o": np.float32(1), "h": HALF}, ROWS),
    "layer norm": ("LayerNorm", [node("ReduceMean", "x a", "m"), node("Sub", "x m", "c"), node("Pow", "c two", "p"),
                                 node("ReduceMean", "p a", "v"), node("Add", "v eps", "w"), node("Sqrt", "w", "r"),
                                 node("Div", "c r", "n"), node("Mul", "n g", "k"), node("Add", "k b")],
                   {"a": ints(-1), "two": np.float32(2), "eps": np.float32(1e-5), "g": weight(6),
                    "b": weight(6, seed=1)}, ROWS),
    "group norm": ("GroupNorm", [node("Reshape", "x s", "a"), node("InstanceNormalization", "a one zero", "i"),
                                 node("Shape", "x", "t"), node("Reshape", "i t", "n"), node("Mul", "n g", "k"),
                                 node("Add", "k b")],
                   {"s": ints(0, 2, -1), "one": np.ones(2, np.float32), "zero": np.zeros(2, np.float32),
                    "g": weight(4, 1, 1), "b": weight(4, 1, 1, seed=1)}, PLANE),
}  # fmt: skip
CASES = [
    pytest.param(*case, id=title)
    for table in (LAYERS, POOLS, SHAPES, POINTWISE) for title, case in table.items()
]  # fmt: skip


@pytest.mark.parametrize(("ops", "nodes", "stored", "inputs"), CASES)
def test_the_layers_compute_what_the_nodes_do(ops, nodes, stored, inputs, tmp_path):
    path = save(tmp_path / "model.onnx", nodes, stored, inputs=inputs)
    model = read_onnx(path)
    assert " ".join(layer.kind for layer in model.design.layers) == ops
    *checks, outputs = prove_onnx(model)
    assert [check for check in checks if not check.ok] == []
    assert outputs.measured == "those of the file", outputs.note


def test_gates_that_are_put_together_are_the_stored_weights(tmp_path):
    """Of each weight of torch's layer the stored tensor, element by element."""
    _, nodes, stored, inputs = LAYERS["lstm, its gates put together"]
    model = read_onnx(save(tmp_path / "model.onnx", nodes, stored, inputs=inputs))
    weights = next(parts for parts in model.weights.values() if len(parts) == 4)
    names = {"weight_ih_l0": "wi", "weight_hh_l0": "wh", "bias_ih_l0": "bi", "bias_hh_l0": "bh"}
    assert {name: one.source for name, one in weights.items()} == names
    assert all((one.array == stored[one.source]).all() for one in weights.values())


def test_a_weight_of_parts_of_several_is_refused(tmp_path):
    _, nodes, stored, inputs = LAYERS["lstm, its gates put together"]
    mixed = [one for one in nodes if "who" not in one.output]
    mixed.insert(-5, node("Concat", "wh0 wh3 wh1 wh1", "who", axis=0))
    with pytest.raises(
        UsageError, match="its weight is put together of parts of others; needed: weights that are stored whole"
    ):
        read_onnx(save(tmp_path / "model.onnx", mixed, stored, inputs=inputs))
