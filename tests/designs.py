"""Random designs: spec texts whose layers fit by construction, with branches, blocks, repeats and shared weights."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import strategies as st

Entry = Any
#: the beginning of specs that are made of such units
UNITS = """
name: small
input: [3, 16, 16]
blocks:
  unit(out):
    - Conv2d: {out_channels: out, kernel_size: 3, padding: 1}
    - BatchNorm2d
    - ReLU
"""
_WIDTHS = st.sampled_from([1, 2, 3, 4, 6, 8])
_ACTIVATIONS = st.sampled_from(["ReLU", "GELU", "SiLU", "Sigmoid", "Tanh", "Hardswish", "PReLU", "Identity", "ELU"])
_NORMS = st.sampled_from(["BatchNorm2d", {"InstanceNorm2d": {"track_running_stats": True}}, {"LocalResponseNorm": 3}])
_QUIET = st.sampled_from([{"Dropout": 0.5}, "Dropout2d", {"Scale": 0.5}, {"Shift": 0.5}])
_FUNCTIONS = st.sampled_from(
    ["Abs", "Sin", "Erf", "Exp", {"Power": 2}, {"Clamp": {"min": -1, "max": 1}}, {"CumSum": 2}]
)


@st.composite
def _shrinking(draw: st.DrawFn) -> Entry:
    """A layer that may change the size of the map; padded so that it always fits."""
    kernel = draw(st.integers(1, 3))
    window = {"kernel_size": kernel, "stride": draw(st.integers(1, 2)), "padding": kernel // 2}
    kind = draw(st.sampled_from(["conv", "conv", "pool", "transposed", "up", "pad", "adaptive"]))
    if kind == "conv":
        flags = {"bias": draw(st.booleans()), "dilation": draw(st.integers(1, 2))}
        return {"Conv2d": {"out_channels": draw(_WIDTHS), **window, "padding": kernel, **flags}}
    if kind == "pool":
        return {draw(st.sampled_from(["MaxPool2d", "AvgPool2d"])): {**window, "ceil_mode": draw(st.booleans())}}
    if kind == "transposed":
        return {"ConvTranspose2d": {"out_channels": draw(_WIDTHS), "kernel_size": kernel, "stride": window["stride"]}}
    if kind == "up":
        return {"Upsample": {"scale_factor": 2, "mode": draw(st.sampled_from(["nearest", "bilinear"]))}}
    if kind == "pad":
        return {"ZeroPad2d": draw(st.integers(0, 2))}
    return {draw(st.sampled_from(["AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])): draw(st.integers(1, 5))}


@st.composite
def _keeping(draw: st.DrawFn) -> list[Entry]:
    """Layers that keep the size of the map and its channels."""
    layers = [draw(st.one_of(_ACTIVATIONS, _NORMS, _QUIET, _FUNCTIONS))]
    if draw(st.booleans()):
        conv = {"out_channels": "in_channels", "kernel_size": 3, "padding": "same", "bias": draw(st.booleans())}
        layers.append({"Conv2d": conv})
    if draw(st.booleans()):
        layers.append({"Conv2d": {"out_channels": "in_channels", "kernel_size": 1, "groups": "in_channels"}})
    return layers


@st.composite
def _entries(draw: st.DrawFn) -> list[Entry]:
    kind = draw(st.sampled_from(["shrink", "keep", "add", "multiply", "concat", "block", "repeat", "reuse"]))
    if kind == "shrink":
        return [draw(_shrinking())]
    if kind == "keep":
        return draw(_keeping())
    if kind == "add":
        return [{"Add": [draw(_keeping()), []]}]
    if kind == "multiply":
        gate = [{"AdaptiveAvgPool2d": 1}, {"Conv2d": {"out_channels": "in_channels", "kernel_size": 1}}, "Sigmoid"]
        return [{"Multiply": [[], gate]}]
    if kind == "concat":
        conv = {"Conv2d": {"out_channels": draw(_WIDTHS), "kernel_size": 1}}
        return [{"Concat": [[conv], draw(_keeping()), []]}]
    if kind == "block":
        return [{"residual": {"expand": draw(st.integers(1, 3)), "act": draw(_ACTIVATIONS)}}]
    if kind == "repeat":
        return [{"repeat": draw(st.integers(0, 3)), "index": "i", "layers": draw(_keeping())}]
    name = f"shared{draw(st.integers(0, 10**9))}"
    conv = {"Conv2d": {"out_channels": "in_channels", "kernel_size": 3, "padding": 1}, "name": name}
    return [conv, "ReLU", {"reuse": name}]


@st.composite
def designs(draw: st.DrawFn) -> str:
    """The text of a valid spec (JSON, which is YAML)."""
    body = [entry for entries in draw(st.lists(_entries(), min_size=1, max_size=6)) for entry in entries]
    names = [entry["name"] for entry in body if isinstance(entry, dict) and "name" in entry]
    if len(set(names)) < len(names):
        body = body[:1]
    head: list[Entry] = draw(st.sampled_from([[], [{"AdaptiveAvgPool2d": 2}, "Flatten", {"Linear": 5}]]))
    shape = [draw(_WIDTHS), draw(st.integers(4, 12)), draw(st.integers(4, 12))]
    widen = {"Conv2d": {"out_channels": "expand * in_channels", "kernel_size": 1}}
    narrow = {"Conv2d": {"out_channels": "in_channels // expand", "kernel_size": 1}}
    residual = [{"Add": [[widen, "act", narrow], []]}]
    spec = {
        "name": "random",
        "input": shape,
        "blocks": {"residual(expand, act)": residual},
        "layers": body + head,
    }
    return json.dumps(spec, indent=1)


@st.composite
def gradients(draw: st.DrawFn) -> str:
    """A random design some of whose parameters are frozen, and through some of whose layers no gradient passes."""
    spec = json.loads(draw(designs()))
    chance = draw(st.randoms(use_true_random=False))
    spec["layers"] = _marked(spec["layers"], chance)
    if chance.random() < 0.3:
        spec["freeze"] = [chance.choice(["*.bias", "*.weight", "*", "*1*"])]
    return json.dumps(spec, indent=1)


def _marked(layers: list[Entry], chance: Random) -> list[Entry]:
    found: list[Entry] = []
    for layer in layers:
        entry = {layer: None} if isinstance(layer, str) else dict(layer)
        body = entry.get("layers")
        if body is not None:
            entry["layers"] = _marked(body, chance)
        for word in ("Add", "Multiply", "Concat"):
            if word in entry:
                entry[word] = [_marked(branch, chance) for branch in entry[word]]
        if chance.random() < 0.3 and "reuse" not in entry:
            entry["freeze"] = chance.choice([True, ["bias"], ["weight"], ["*.bias"], ["*"], ["*.weight", "bias"]])
        if chance.random() < 0.08:
            entry["no_grad"] = True
        found.append(entry)
        if chance.random() < 0.08:
            found.append("Detach")
    return found


#: floating types of mixed designs, and how an entry says that of the run
_TYPES = ("float", "bfloat16", "float64")


@st.composite
def mixed(draw: st.DrawFn) -> str:
    """The text of a valid spec whose layers are held in several floating types (JSON, which is YAML)."""
    first = draw(st.sampled_from(_TYPES))
    layers: list[Entry] = []
    kind = first
    for _ in range(draw(st.integers(1, 6))):
        entries, kind = draw(_typed(kind))
        layers += entries
    layers.append({"Linear": 3, "dtype": kind})
    return json.dumps({"inputs": {"input": {"shape": [4, 6], "dtype": first}}, "layers": layers}, indent=1)


@st.composite
def _typed(draw: st.DrawFn, kind: str) -> tuple[list[Entry], str]:
    """Layers behind a tensor of a type, and the type that they give."""
    held, other = {"dtype": kind}, draw(st.sampled_from(_TYPES))
    choice = draw(st.sampled_from(["cast", "linear", "plain", "norm", "rms", "join", "gate", "attention", "block"]))
    if choice == "cast":
        return [{"Cast": other}], other
    if choice == "linear":
        return [{"Linear": {"out_features": 6, "bias": draw(st.booleans())}, **held}], kind
    if choice == "plain":
        plain = draw(
            st.sampled_from(["ReLU", "GELU", "Softsign", {"Softmax": -1}, {"Scale": 2}, {"Clamp": {"min": 0}}])
        )
        return [plain], kind
    if choice == "norm":
        norm = draw(st.sampled_from(["LayerNorm", "BatchNorm1d", {"GroupNorm": 2}]))
        wide = kind == "bfloat16" and draw(st.booleans())
        entry = {norm: None} if isinstance(norm, str) else dict(norm)
        return [{**entry, "dtype": "float32" if wide else kind}], kind
    if choice == "rms":
        return [{"RMSNorm": None, "dtype": other}], kind
    if choice == "block":
        inner = [{"Cast": other}, {"Linear": 6}, "ReLU", {"LayerNorm": None}]
        return [{"layers": [*inner], "dtype": other}], other
    if choice == "attention":
        return [{"ScaledDotProductAttention": {"inputs": [[], [], []]}}], kind
    branch = [{"Cast": other}, {"Linear": 6, "dtype": other}]
    if choice == "join":
        op = draw(st.sampled_from(["Add", "Multiply", "Maximum", "Concat", "Stack"]))
        pair = draw(st.permutations([branch, []]))
        conv = {"Conv1d": {"out_channels": 4, "kernel_size": 1}, "dtype": _joined(kind, other)}
        behind = {"Concat": [conv], "Stack": [{"Mean": {"dim": 0}}]}.get(op, [])
        arguments = {"inputs": list(pair), "dim": {"Concat": 1, "Stack": 0}[op]} if behind else list(pair)
        return [{op: arguments}, *behind], _joined(kind, other)
    shape: list[int] = draw(st.sampled_from([[6], [1, 6], []]))
    gate = [{"Parameter": {"shape": shape, "init": 0.5}, "dtype": other}]
    return [{"Multiply": [[], gate]}], _joined(kind, other) if shape else kind


def _joined(one: str, other: str) -> str:
    """The type to which torch promotes two, in a run of float32."""
    order = {"bfloat16": 0, "float": 1, "float64": 2}
    return max(one, other, key=order.__getitem__)
