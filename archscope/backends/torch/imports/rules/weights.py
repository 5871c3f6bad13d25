"""Calls that read weights: convolutions, products, normalisations, recurrent layers, embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.rules import Rules
from archscope.backends.importing.sizes import LinearSize
from archscope.backends.torch.imports.calls import Arguments, Call, TraceTensor
from archscope.backends.torch.imports.entities import Constant, Entity, LooseWeight
from archscope.backends.torch.imports.lifting import Lifting, Rule
from archscope.design.graph import Ref
from archscope.errors import counted

RULES: Rules[Rule] = Rules()

_CONVOLUTIONS = {f"conv{rank}d": f"Conv{rank}d" for rank in (1, 2, 3)}
_TRANSPOSED = {f"conv_transpose{rank}d": f"ConvTranspose{rank}d" for rank in (1, 2, 3)}


def sizes_of(values: Any) -> Any:
    """One number where all are alike, as a person writes it."""
    if not isinstance(values, (list, tuple)):
        return values
    return values[0] if len(set(values)) == 1 else list(values)


def _weights(arguments: Arguments, *names: str) -> dict[str, TraceTensor | None]:
    return {name: arguments[name] for name in names}


@RULES.rule(*_CONVOLUTIONS)
def convolution(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A convolution."""
    out, _, *kernel = lifting.shape(a["weight"])
    padding = a["padding"]
    op = lifting.op(
        _CONVOLUTIONS[call.functional],
        out_channels=out,
        kernel_size=sizes_of(kernel),
        stride=sizes_of(a["stride"]),
        padding=padding if isinstance(padding, str) else sizes_of(padding),
        dilation=sizes_of(a["dilation"]),
        groups=a["groups"],
        bias=a["bias"] is not None,
    )
    return lifting.layer(call, op, [a["input"]], _weights(a, "weight", "bias"))


@RULES.rule(*_TRANSPOSED)
def transposed_convolution(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A transposed convolution."""
    _, out, *kernel = lifting.shape(a["weight"])
    op = lifting.op(
        _TRANSPOSED[call.functional],
        out_channels=out * a["groups"],
        kernel_size=sizes_of(kernel),
        stride=sizes_of(a["stride"]),
        padding=sizes_of(a["padding"]),
        output_padding=sizes_of(a["output_padding"]),
        groups=a["groups"],
        bias=a["bias"] is not None,
        dilation=sizes_of(a["dilation"]),
    )
    return lifting.layer(call, op, [a["input"]], _weights(a, "weight", "bias"))


@RULES.rule("linear")
def linear(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A dense layer, or, where its weight is not at home in one, a product and a sum.

    Both keep the same for the backward pass; while the sum is made, the product lives beside it, which is told.
    """
    op = lifting.op("Linear", out_features=lifting.shape(a["weight"])[0], bias=a["bias"] is not None)
    try:
        return lifting.layer(call, op, [a["input"]], _weights(a, "weight", "bias"))
    except Unsupported:
        turned = lifting.emit(call, "Transpose", [a["weight"]], dim0=0, dim1=1)
        product = lifting.emit(call, "MatMul", [a["input"], turned])
        if a["bias"] is None:
            return product
        if isinstance(lifting.entity(a["weight"]), Ref):
            where = lifting.instances.name(call) or "the model itself"
            lifting.notes.append(
                f"{where}: a linear layer whose weight is computed is a product and a sum: "
                "both live while the sum is made, where torch makes one"
            )
        return lifting.emit(call, "Add", [product, a["bias"]])


@RULES.rule("bilinear")
def bilinear(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A bilinear layer."""
    op = lifting.op("Bilinear", out_features=lifting.shape(a["weight"])[0], bias=a["bias"] is not None)
    return lifting.layer(call, op, [a["input1"], a["input2"]], _weights(a, "weight", "bias"))


@RULES.rule("embedding")
def embedding(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A table of rows, or, where others use it as well, an index into it."""
    rows, size = lifting.shape(a["weight"])
    padding = a["padding_idx"]
    op = lifting.op(
        "Embedding",
        num_embeddings=rows,
        embedding_dim=size,
        padding_idx=None if padding == -1 else padding,
        scale_grad_by_freq=a["scale_grad_by_freq"],
        sparse=a["sparse"],
    )
    try:
        return lifting.layer(call, op, [a["indices"]], _weights(a, "weight"))
    except Unsupported:
        return lifting.emit(call, "Index", [a["weight"], a["indices"]], dim=0)


@RULES.rule("batch_norm")
def batch_norm(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Batch normalisation."""
    dims = len(a["input"].shape)
    tracked = a["running_mean"] is not None
    if a["training"] is False and tracked:
        lifting.notes.append(
            f"{lifting.instances.name(call)}: a batch norm that stays in eval mode is accounted for as training"
        )
    op = lifting.op(
        f"BatchNorm{max(dims - 2, 1)}d",
        eps=a["eps"],
        momentum=a["momentum"],
        affine=a["weight"] is not None,
        track_running_stats=tracked,
        **_unshifted(a),
    )
    if a["weight"] is None and not tracked:
        return lifting.emit(call, type(op).__name__, [a["input"]], **op.non_default())
    return lifting.layer(call, op, [a["input"]], _weights(a, "weight", "bias", "running_mean", "running_var"))


def _unshifted(a: Arguments) -> dict[str, bool]:
    return {"bias": False} if a["weight"] is not None and a["bias"] is None else {}


@RULES.rule("instance_norm")
def instance_norm(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Instance normalisation."""
    options: dict[str, Any] = {
        "eps": a["eps"],
        "momentum": a["momentum"],
        "affine": a["weight"] is not None,
        "track_running_stats": a["running_mean"] is not None,
        **_unshifted(a),
    }
    name = f"InstanceNorm{len(a['input'].shape) - 2}d"
    if a["weight"] is None and a["running_mean"] is None:
        return lifting.emit(call, name, [a["input"]], **options)
    names = ("weight", "bias", "running_mean", "running_var")
    return lifting.layer(call, lifting.op(name, **options), [a["input"]], _weights(a, *names))


@RULES.rule("group_norm")
def group_norm(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Group normalisation."""
    options = {"num_groups": a["num_groups"], "eps": a["eps"], "affine": a["weight"] is not None}
    if a["weight"] is None:
        return lifting.emit(call, "GroupNorm", [a["input"]], **options)
    op = lifting.op("GroupNorm", **options, bias=a["bias"] is not None)
    return lifting.layer(call, op, [a["input"]], _weights(a, "weight", "bias"))


@RULES.rule("layer_norm")
def layer_norm(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Layer normalisation."""
    options = {"eps": a["eps"], "elementwise_affine": a["weight"] is not None}
    return _normalised(lifting, call, a, "LayerNorm", options, bias=a["bias"])


@RULES.rule("rms_norm")
def rms_norm(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Root mean square normalisation."""
    options = {"eps": a["eps"], "elementwise_affine": a["weight"] is not None}
    return _normalised(lifting, call, a, "RMSNorm", options, bias=None)


def _normalised(
    lifting: Lifting, call: Call, a: Arguments, name: str, options: dict[str, Any], bias: TraceTensor | None
) -> Any:
    """A normalisation over the last dimensions; with weights of another place, these apart.

    Raises:
        Unsupported: the weights are computed, such as cast: apart they would keep a map more than torch's kernel.
    """
    if len(a["normalized_shape"]) > 1:
        options["normalized_shape"] = list(a["normalized_shape"])
    if a["weight"] is None:
        return lifting.emit(call, name, [a["input"]], **options)
    if name == "LayerNorm" and bias is None:
        options["bias"] = False
    try:
        weights = {"weight": a["weight"], "bias": bias}
        return lifting.layer(call, lifting.op(name, **options), [a["input"]], weights)
    except Unsupported:
        if isinstance(lifting.entity(a["weight"]), Ref):
            raise
        options = {key: value for key, value in options.items() if key != "bias"}
        plain = lifting.emit(call, name, [a["input"]], **{**options, "elementwise_affine": False})
        scaled = lifting.emit(call, "Multiply", [plain, a["weight"]])
        return scaled if bias is None else lifting.emit(call, "Add", [scaled, bias])


@RULES.rule("prelu")
def prelu(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A ReLU with learnt slopes."""
    op = lifting.op("PReLU", num_parameters=lifting.shape(a["weight"])[0])
    return lifting.layer(call, op, [a["self"]], _weights(a, "weight"))


# -- recurrent layers --------------------------------------------------------------------------------------------------


@RULES.rule("lstm")
def lstm(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """An LSTM whose states begin at zero."""
    return _recurrent(lifting, call, a, "LSTM", a["hx"])


@RULES.rule("gru")
def gru(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A GRU whose state begins at zero."""
    return _recurrent(lifting, call, a, "GRU", [a["hx"]])


@RULES.rule("rnn_tanh")
def rnn_tanh(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """An Elman network."""
    return _recurrent(lifting, call, a, "RNN", [a["hx"]])


@RULES.rule("rnn_relu")
def rnn_relu(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """An Elman network with ReLU."""
    return _recurrent(lifting, call, a, "RNN", [a["hx"]], nonlinearity="relu")


def _recurrent(
    lifting: Lifting, call: Call, a: Arguments, name: str, states: Sequence[TraceTensor], **starts: Any
) -> Any:
    if "data" in a or "batchsizes_of" in a:
        raise Unsupported(f"{call.target} on packed sequences", "sequences of one length")
    if not isinstance(a["input"].shape[0 if a["batch_first"] else 1], LinearSize) or len(a["input"].shape) < 3:
        lifting.notes.append(
            f"{lifting.instances.name(call) or name}: {name} runs along the first dimension of its input "
            f"{lifting.shape(a['input'])}, which is taken for the batch: samples meet there (batch_first=True?)"
        )
    for state in states:
        if not _is_zero(lifting.entity(state)):
            raise Unsupported(f"{name} with a first state that is given", "a recurrent op that takes its first state")
    params: list[TraceTensor] = list(a["params"])
    first = lifting.entity(params[0])
    if not isinstance(first, LooseWeight):
        raise Unsupported(f"{name} with weights that are computed", "weights that are parameters")
    prefix = first.held.name.rpartition(".")[0]
    weights: dict[str, TraceTensor | None] = {}
    for value in params:
        entity = lifting.entity(value)
        if not isinstance(entity, LooseWeight):
            raise Unsupported(f"{name} with weights that are computed", "weights that are parameters")
        weights[entity.held.name[len(prefix) + 1 :] if prefix else entity.held.name] = value
    projected = weights.get("weight_hr_l0")
    recurrent = weights["weight_hh_l0"]
    assert recurrent is not None
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[name]
    if projected is not None:
        starts["proj_size"] = lifting.shape(projected)[0]
    op = lifting.op(
        name,
        hidden_size=lifting.shape(recurrent)[0] // gates,
        num_layers=a["num_layers"],
        bias=a["has_biases"],
        batch_first=a["batch_first"],
        dropout=a["dropout"],
        bidirectional=a["bidirectional"],
        **starts,
    )
    return lifting.layer(call, op, [a["input"]], weights)


_CELLS = {
    "lstm_cell": ("LSTMCell", 4), "gru_cell": ("GRUCell", 3), "rnn_tanh_cell": ("RNNCell", 1),
    "rnn_relu_cell": ("RNNCell", 1),
}  # fmt: skip


@RULES.rule(*_CELLS)
def cell(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """One step of a recurrent layer; states that are zero are those that it begins with."""
    name, gates = _CELLS[call.functional]
    if len(a["input"].shape) != 2:
        raise Unsupported(f"{call.target} on {counted(len(a['input'].shape), 'dimension')}", "samples and features")
    op = lifting.op(
        name,
        hidden_size=lifting.shape(a["w_hh"])[0] // gates,
        bias=a["b_ih"] is not None,
        **({"nonlinearity": "relu"} if "relu" in call.functional else {}),
    )
    states = [a["hx"]] if isinstance(a["hx"], TraceTensor) else list(a["hx"])
    taken = [] if all(_is_zero(lifting.entity(one)) for one in states) else states
    weights = {"weight_ih": a["w_ih"], "weight_hh": a["w_hh"], "bias_ih": a["b_ih"], "bias_hh": a["b_hh"]}
    return lifting.layer(call, op, [a["input"], *taken], weights)


def _is_zero(entity: Entity) -> bool:
    return isinstance(entity, Constant) and entity.zero


# -- products ----------------------------------------------------------------------------------------------------------


@RULES.rule("matmul", "bmm", "mm", "__matmul__")
def matmul(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A matrix product."""
    one, other = a["self"], a.get("other", a.get("mat2"))
    if len(one.shape) == 1 or len(other.shape) == 1:
        raise Unsupported(f"{call.target} with a vector", "a product of matrices")
    return lifting.emit(call, "MatMul", [one, other])


@RULES.rule("addmm", "baddbmm")
def added_product(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """beta times a tensor, plus alpha times a product."""
    first, second = (a["mat1"], a["mat2"]) if "mat1" in a else (a["batch1"], a["batch2"])
    product = _times(lifting, call, lifting.emit(call, "MatMul", [first, second]), a["alpha"])
    if a["beta"] == 0:
        return product
    return lifting.emit(call, "Add", [product, _times(lifting, call, lifting.ref(a["self"], call), a["beta"])])


def _times(lifting: Lifting, call: Call, ref: Ref, factor: float) -> Ref:
    scaled: Ref = ref if factor == 1 else lifting.emit(call, "Scale", [ref], factor=float(factor))
    return scaled


@RULES.rule("einsum")
def einsum(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A sum over products by an equation."""
    return lifting.emit(call, "Einsum", list(a["tensors"]), equation=a["equation"].replace(" ", ""))


@RULES.rule("scaled_dot_product_attention")
def attention(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Attention."""
    options: dict[str, Any] = {}
    if a["dropout_p"]:
        options["dropout_p"] = a["dropout_p"]
    for name in ("is_causal", "enable_gqa"):
        if a[name]:
            options[name] = True
    size = lifting.shape(a["query"])[-1]
    if a["scale"] is not None and a["scale"] != size**-0.5:
        options["scale"] = a["scale"]
    inputs: list[TraceTensor | Entity] = [a["query"]]
    for one in (a["key"], a["value"]):
        shared = len(one.shape) == len(a["query"].shape) == 4 and one.shape[1] == 1 != a["query"].shape[1]
        heads = lifting.shape(a["query"])[1]
        inputs.append(lifting.emit(call, "Expand", [one], sizes=[-1, heads, -1, -1]) if shared else one)
    mask = None if a["attn_mask"] is None else lifting.entity(a["attn_mask"])
    if mask is not None and not (
        isinstance(mask, Constant) and mask.idle
    ):  # models hide nothing where they are traced, and then mask nothing at all
        inputs.append(a["attn_mask"])
    return lifting.emit(call, "ScaledDotProductAttention", inputs, **options)
