"""What a spec's words were meant to be: names of other libraries, calls as Python writes them, what torch infers not.

Everything here is a hint: it says how the thing is written, and changes nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from archscope.errors import suggestion
from archscope.ops import REGISTRY, Op
from archscope.spec.expressions import shown

#: words for a layer in papers and other libraries, in small letters and without a rank, and how it is written (in 2-D)
LAYERS: Mapping[str, str] = {
    "swish": "SiLU",
    "droppath": "StochasticDepth: {p: 0.1, mode: row}",
    "dense": "Linear: ...",
    "fc": "Linear: ...",
    "fullyconnected": "Linear: ...",
    "batchnorm": "BatchNorm2d",
    "batchnormalization": "BatchNorm2d",
    "syncbatchnorm": "BatchNorm2d",
    "frozenbatchnorm": "{BatchNorm2d: , freeze: true}",
    "instancenorm": "InstanceNorm2d",
    "instancenormalization": "InstanceNorm2d",
    "groupnormalization": "GroupNorm: ...",
    "layernormalization": "LayerNorm",
    "lrn": "LocalResponseNorm: ...",
    "conv": "Conv2d: {out_channels: ..., kernel_size: ...}",
    "convolution": "Conv2d: {out_channels: ..., kernel_size: ...}",
    "deconv": "ConvTranspose2d: {out_channels: ..., kernel_size: ...}",
    "deconvolution": "ConvTranspose2d: {out_channels: ..., kernel_size: ...}",
    "convtranspose": "ConvTranspose2d: {out_channels: ..., kernel_size: ...}",
    "conv2dtranspose": "ConvTranspose2d: {out_channels: ..., kernel_size: ...}",
    "depthwiseconv": "Conv2d: {out_channels: in_channels, kernel_size: ..., groups: in_channels}",
    "maxpool": "MaxPool2d: ...",
    "maxpooling": "MaxPool2d: ...",
    "avgpool": "AvgPool2d: ...",
    "averagepool": "AvgPool2d: ...",
    "averagepooling": "AvgPool2d: ...",
    "globalavgpool": "AdaptiveAvgPool2d: 1",
    "globalaveragepool": "AdaptiveAvgPool2d: 1",
    "globalaveragepooling": "AdaptiveAvgPool2d: 1",
    "globalmaxpool": "AdaptiveMaxPool2d: 1",
    "globalmaxpooling": "AdaptiveMaxPool2d: 1",
    "zeropadding": "ZeroPad2d: ...",
    "upsampling": "Upsample: {scale_factor: ...}",
    "upsamplingnearest": "Upsample: {scale_factor: ...}",
    "upsamplingbilinear": "Upsample: {scale_factor: ..., mode: bilinear, align_corners: true}",
    "interpolate": "Upsample: {scale_factor: ...}",
    "resize": "Upsample: {size: ...}",
    "cat": "Concat: [...]",
    "concatenate": "Concat: [...]",
    "sub": "Subtract: [...]",
    "mul": "Multiply: [...]",
    "div": "Divide: [...]",
    "residual": "Add: [[...], []]",
    "shortcut": "Add: [[...], []]",
    "view": "Reshape: [...]",
    "noop": "Identity",
    "attention": "MultiheadAttention: {num_heads: ..., batch_first: true}",
    "selfattention": "MultiheadAttention: {num_heads: ..., batch_first: true}",
    "mha": "MultiheadAttention: {num_heads: ..., batch_first: true}",
    "sdpa": "ScaledDotProductAttention: [...]",
}

#: words that stand for no single layer, and what is written in their place
OTHERWISE: Mapping[str, str] = {
    "sequential": "a list of layers under `layers:` is a sequence",
    "modulelist": "a list of layers under `layers:` is a sequence, `repeat:` lays one several times",
    "activation": "each activation is a layer by its name, as in `- ReLU`",
    "transformerencoderlayer": "write it as a block of LayerNorm, MultiheadAttention and Linear, as in vit_b_16",
    "transformerencoder": "write its layer as a block of LayerNorm, MultiheadAttention and Linear, as in vit_b_16",
    "separableconv": "write it as a block: a Conv2d with `groups: in_channels`, then one of kernel 1",
    "squeezeexcite": "write it as a block: Multiply of [] and AdaptiveAvgPool2d, Conv2d, ReLU, Conv2d, Sigmoid",
    "layerscale": "it is a product with a weight: Multiply of a branch and a Parameter",
    "minpool": "there is none: Negative, MaxPool2d, Negative",
    "dropblock": "there is none: Dropout2d leaves out whole maps",
    "weightnorm": "it changes how a weight is stored, and is no layer",
    "spectralnorm": "it changes how a weight is stored, and is no layer",
    "crossentropyloss": "a design ends with its outputs; `archscope memory` adds the loss of a training step",
}

#: names of arguments in other libraries, and torch's
ARGUMENTS: Mapping[str, str] = {
    "filters": "out_channels",
    "units": "out_features",
    "strides": "stride",
    "pool_size": "kernel_size",
    "dilation_rate": "dilation",
    "use_bias": "bias",
    "rate": "p",
    "epsilon": "eps",
    "channels": "out_channels",
    "features": "out_features",
    "heads": "num_heads",
    "axis": "dim",
}

#: arguments of layers of other libraries that are layers of their own here
OWN_LAYERS: Mapping[str, str] = {
    "activation": "an activation is a layer of its own: `- {act}` after it",
    "norm": "a normalisation is a layer of its own, after it",
    "norm_layer": "a normalisation is a layer of its own, after it",
    "activation_layer": "an activation is a layer of its own, after it",
}


def other_argument(name: str) -> str:
    """What torch calls an argument of another library; empty for a name that is none."""
    return ARGUMENTS.get(name, "")


def argument_hint(op: type[Op], name: str, value: Any = None) -> str:
    """What to do about an argument that an op has not."""
    names = op.order()
    if name in OWN_LAYERS:
        return OWN_LAYERS[name].format(act=_layer_called(value) or "ReLU")
    if any(name in other.follows for other in REGISTRY.values()):
        return "what arrives is inferred: leave it out"
    if other_argument(name) in names:
        return f"did you mean `{other_argument(name)}`?"
    return suggestion(name, names) or (f"arguments: {', '.join(_argument_names(op))}" if op.fields else "it takes none")


def layer_hint(word: str, blocks: Mapping[str, Sequence[str]]) -> str:
    """What to do about a word that is no layer and no block; empty where nothing comes to mind.

    Args:
        blocks: the blocks of the spec, each with its parameters.
    """
    bare = word.removeprefix("torch.").removeprefix("nn.")
    called = _call(bare, blocks)
    if called:
        return called
    same = _layer_called(bare)
    if same:
        return f"did you mean `{same}`?"
    base, rank = _parted(bare.lower().replace("_", ""))
    if base in LAYERS:
        return f"it is written `{LAYERS[base].replace('2d', f'{rank}d')}`"
    return OTHERWISE.get(base) or suggestion(bare, [*REGISTRY, *blocks])


def _parted(word: str) -> tuple[str, str]:
    """A word without its rank, and the rank, 2 where it has none: ``deconv3d``."""
    if word in LAYERS:
        return word, "2"
    match = re.fullmatch(r"(.*?)([123])d", word)
    return (match[1], match[2]) if match else (word, "2")


def in_order(title: str, values: Sequence[Any], named: Iterable[tuple[str, Any]] = ()) -> str:
    """How arguments without names are written: ``arguments go by name: `Conv2d: {out_channels: 64, ...}```.

    They are taken in torch's order; where they are fewer than torch needs, what follows from what arrives is left out.
    Empty where there are more than the op has.
    """
    op = REGISTRY[title]
    names, own = op.order(), _argument_names(op)
    needed = max((names.index(name) + 1 for name in op.required), default=0)
    order = names if len(values) >= needed else own
    if len(values) > len(order):
        return ""
    pairs = [pair for pair in (*zip(order, values, strict=False), *named) if pair[0] not in op.follows]
    return f"{'arguments go by name:' if pairs else 'it is written'} `{_written(title, pairs)}`"


def _argument_names(op: type[Op]) -> list[str]:
    return [info.name for info in op.fields]


def _written(word: str, pairs: Sequence[tuple[str, Any]]) -> str:
    inner = ", ".join(f"{name}: {shown(value)}" for name, value in pairs)
    return f"{word}: {{{inner}}}" if pairs else word


def _call(text: str, blocks: Mapping[str, Sequence[str]]) -> str:
    """How a layer is written that stands there as a call: ``Conv2d(32, 3)``."""
    word, bracket, rest = text.partition("(")
    word = word.strip()
    if not bracket:
        return "arguments stand behind a colon, in {...}" if rest == "" and text.endswith(")") else ""
    if word not in REGISTRY and word not in blocks:
        return layer_hint(word, blocks)
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        call = None
    if not isinstance(call, ast.Call):  # YAML parts it at its commas
        names = list(REGISTRY[word].required) if word in REGISTRY else blocks[word]
        inner = ", ".join(f"{name}: ..." for name in names)
        return f"arguments stand behind a colon: `{word}: {{{inner or '...'}}}`"
    values = [_literal(one) for one in call.args]
    named = [(one.arg or "", _literal(one.value)) for one in call.keywords]
    if word in REGISTRY:
        return in_order(word, values, named) or f"arguments go by name; `archscope ops {word}` lists them"
    return f"arguments go by name: `{_written(word, [*zip(blocks[word], values, strict=False), *named])}`"


def _literal(node: ast.expr) -> str:
    text = ast.unparse(node)
    return {"True": "true", "False": "false", "None": "null"}.get(text, text)


def _layer_called(value: Any) -> str:
    """The layer of the name of an activation: ``relu``, ``leaky_relu``."""
    folded = str(value).lower().replace("_", "")
    return next((name for name in REGISTRY if name.lower() == folded), "")
