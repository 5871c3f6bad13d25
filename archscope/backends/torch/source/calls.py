"""How each op is written in PyTorch: the constructor of its layer, or an expression of tensors.

An op that has a layer of its name in ``torch.nn`` needs no line here; any other op without one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from archscope.backends.torch.source.express import literal
from archscope.errors import UsageError
from archscope.ops import REGISTRY, Op
from archscope.ops.base import InfersArguments, Tensors, TorchLayer
from archscope.ops.contents import BEGINNINGS, called, stored_in
from archscope.ops.fields import MARKS
from archscope.ops.functions import Function
from archscope.ops.tensors import bounds

Sources = Mapping[str, str]

#: the classes that stand for tensors of their own, and for layers that torch has not, by name, in a file that uses them
HELD = {
    "Learned": '''
class Learned(nn.Module):
    """A tensor that is learnt, for every sample the same."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, *x: Tensor) -> Tensor:
        return self.weight.expand(x[0].shape[0], *self.weight.shape[1:]) if x else self.weight
''',
    "Fixed": '''
class Fixed(nn.Module):
    """A tensor that is not learnt, for every sample the same."""

    def __init__(self, value: Tensor, persistent: bool = True) -> None:
        super().__init__()
        self.register_buffer("value", value, persistent)

    def forward(self, *x: Tensor) -> Tensor:
        return self.value.expand(x[0].shape[0], *self.value.shape[1:]) if x else self.value
''',
    "Floating": '''
class Floating(nn.Module):
    """A tensor in the floating type that the model is in."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.like.dtype)
''',
    "LayerNorm2d": '''
class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a map, at each place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
''',
    "stored": '''
def stored(file: str, name: str) -> Tensor:
    """A tensor from a file beside this one."""
    with np.load(Path(__file__).with_name(file)) as arrays:
        return torch.from_numpy(arrays[name])
''',
}


def constructor(op: Op, x: Tensors) -> tuple[str, dict[str, Any]] | None:
    """The class of an op's layer and its arguments; ``None`` where the op is a function.

    Raises:
        UsageError: nobody has said how the op is written.
    """
    name = type(op).__name__
    if isinstance(op, TorchLayer):
        return f"nn.{name}", {**op.non_default(), **op.inferred(*x)}
    if name in _LAYERS:
        return _LAYERS[name](op, x)
    if name == "Cast" and op.arguments()["dtype"] == "float":
        return "Floating", {}
    if name not in FUNCTIONS:
        raise UsageError(f"there is no source for the op {name}")
    return None


def _inferring(op: Op, x: Tensors) -> tuple[str, dict[str, Any]]:
    assert isinstance(op, InfersArguments)
    arguments = {**op.inferred(*x), **op.non_default()}
    for name in ("kdim", "vdim"):  # torch takes embed_dim for them
        if arguments.get(name) == arguments.get("embed_dim"):
            arguments.pop(name, None)
    return f"nn.{type(op).__name__}", arguments


def _upsample(op: Any, x: Tensors) -> tuple[str, dict[str, Any]]:
    axes = len(x[0].shape) - 2
    sizes = {name: getattr(op, name) for name in ("size", "scale_factor") if getattr(op, name) is not None}
    each = {name: values * axes if len(values) == 1 else values for name, values in sizes.items()}
    return "nn.Upsample", {**op.non_default(), **each}


_LAYERS: dict[str, Callable[[Any, Tensors], tuple[str, dict[str, Any]]]] = {
    "MultiheadAttention": _inferring,
    "RNN": _inferring,
    "LSTM": _inferring,
    "GRU": _inferring,
    "RNNCell": _inferring,
    "LSTMCell": _inferring,
    "GRUCell": _inferring,
    "Upsample": _upsample,
    "LayerNorm2d": lambda op, x: ("LayerNorm2d", {**op.non_default(), **op.inferred(*x)}),
    "Parameter": lambda op, x: _learned(op),
    "Buffer": lambda op, x: _fixed(op, persistent=op.persistent),
    "Constant": lambda op, x: _fixed(op, persistent=False),
}


# -- tensors of their own ----------------------------------------------------------------------------------------------


def _learned(op: Any) -> tuple[str, dict[str, Any]]:
    """A parameter: ``Learned``, and behind a point how it begins."""
    word = called(op.init)
    if word is not None and word.word in ("zeros", "ones"):
        return f"Learned.{word.word}", {"shape": op.shape}
    if word is not None:
        arguments = {name: value for name, value in word.arguments.items() if value != BEGINNINGS[word.word][name]}
        return f"Learned.{word.word}_", {"shape": op.shape, **arguments}
    if op.init in (0, 1):
        return f"Learned.{'ones' if op.init else 'zeros'}", {"shape": op.shape}
    return "Learned.full", {"shape": op.shape, "fill": float(op.init)}


def begun(value: float | str) -> str:
    """A call that fills a parameter as ``init:`` says; in ``{}`` the parameter."""
    word = called(value)
    if word is None:
        return f"nn.init.constant_({{}}, {value})"
    usual = BEGINNINGS[word.word]
    more = "".join(f", {name}={literal(one)}" for name, one in word.arguments.items() if one != usual[name])
    return f"nn.init.{word.word}_({{}}{more})"


def draws(value: float | str) -> bool:
    """Whether a parameter that begins so is drawn."""
    word = called(value)
    return word is not None and word.word not in ("zeros", "ones", "eye", "dirac")


def _fixed(op: Any, *, persistent: bool) -> tuple[str, dict[str, Any]]:
    """A buffer or a constant: ``Fixed``, and behind a point what it holds."""
    word, stored, shape = called(op.value), stored_in(op.value), op.shape
    more = {"dtype": op.dtype, "persistent": persistent}
    if stored is not None:
        return "Fixed.stored", {"file": PurePath(stored.file).name, "key": stored.key, **more}
    if isinstance(op.value, tuple):
        return "Fixed.tensor", {"values": tuple(typed(one, op.dtype) for one in op.value), "shape": shape, **more}
    if word is None or word.word != "arange":
        fill = op.value if word is None else word.arguments["value"]
        how = "zeros" if fill == 0 else "ones" if fill == 1 else "full"
        arguments = {"shape": shape} | ({"fill": typed(fill, op.dtype)} if how == "full" else {}) | more
        return f"Fixed.{how}", arguments | ({} if word is None else {word.word: word.arguments["diagonal"]})
    dim = int(word.arguments["dim"]) % len(shape)
    start, end, step = bounds(word.arguments, shape[dim])
    line = {"line": tuple(-1 if at == dim else 1 for at in range(len(shape)))} if len(shape) > 1 else {}
    times = tuple(1 if at == dim else size for at, size in enumerate(shape))
    spread = {"times": times} if set(times) > {1} else {}
    return "Fixed.arange", {"start": start, "end": end, "step": step, **line, **spread, **more}


def typed(number: float, dtype: str) -> float:
    """A number as one of a type."""
    return float(number) if dtype in MARKS else bool(number) if dtype == "bool" else number


def held(kind: str, a: Sources) -> str:
    """Source of a tensor of its own, from what :func:`constructor` says of it."""
    around, _, how = kind.partition(".")
    if not how:
        return f"{around}({', '.join(f'{name}={value}' if n else value for n, (name, value) in enumerate(a.items()))})"
    shape = _several(a.get("shape", ""))
    dtype = f", dtype={_dtype(a['dtype'])}" if a.get("dtype", '"float"') != '"float"' else ""
    if how.endswith("_"):
        arguments = "".join(f", {name}={value}" for name, value in a.items() if name != "shape")
        return f"Learned(nn.init.{how}(torch.empty({shape}){arguments}))"
    if how == "stored":
        tensor = f"stored({a['file']}, {a['key']})" + (".float()" if not dtype else f".to({dtype[8:]})")
    elif how == "tensor":
        reshaped = "" if re.fullmatch(r"\(\d+,\)", a["shape"]) else f".reshape({shape})"
        tensor = f"torch.tensor({_listed(a['values'])}{dtype}){reshaped}"
    elif how == "arange":
        start, step = (a[name] for name in ("start", "step"))
        ends = f"{start}, {a['end']}, {step}" if step != "1" else f"{start}, {a['end']}" if start != "0" else a["end"]
        tensor = f"torch.arange({ends}, dtype={_dtype(a['dtype'])})"
        tensor += f".reshape({_several(a['line'])})" if "line" in a else ""
        tensor += f".repeat({_several(a['times'])})" if "times" in a else ""
    else:
        tensor = (
            f"torch.{how}({a['shape'] if how == 'full' else shape}{', ' + a['fill'] if how == 'full' else ''}{dtype})"
        )
    for triangle in ("tril", "triu"):
        tensor += f".{triangle}({'' if a[triangle] == '0' else a[triangle]})" if triangle in a else ""
    persistent = "" if a.get("persistent", "True") == "True" else f", persistent={a['persistent']}"
    return f"{around}({tensor}{persistent})"


def _several(sizes: str) -> str:
    """The elements of a tuple, as arguments; a variable as it is."""
    inner = sizes.strip("()").rstrip(",")
    return inner if sizes.startswith("(") and inner else sizes


def _listed(values: str) -> str:
    return f"[{values[1:-1].rstrip(',')}]" if values.startswith("(") else values


# -- calls -------------------------------------------------------------------------------------------------------------


def applied(kind: str, layer: str, x: Sequence[str], op: Op) -> str:
    """A layer at work on tensors."""
    if kind == "MultiheadAttention":
        return f"{layer}({', '.join(x if len(x) == 3 else [*x] * 3)}, need_weights=False)[0]"
    if kind == "LSTMCell" and len(x) > 1:
        return f"{layer}({x[0]}, ({', '.join(x[1:])}))"
    if kind in ("Parameter", "Buffer", "Constant"):
        return f"{layer}({x[0] if getattr(op, 'expand', False) else ''})"
    return f"{layer}({', '.join(x)})"


def targets(kind: str, names: Sequence[str]) -> str:
    """What the results of a call are assigned to."""
    if kind == "LSTM":
        return f"{names[0]}, ({', '.join(names[1:])})"
    return ", ".join(names) + ("," if kind in ("Chunk", "Split") and len(names) == 1 else "")


def _folded(symbol: str) -> Callable[[Sequence[str], Sources, int], str]:
    return lambda x, a, ndim: f" {symbol} ".join(x)


def _nested(function: str) -> Callable[[Sequence[str], Sources, int], str]:
    def source(x: Sequence[str], a: Sources, ndim: int) -> str:
        so_far = x[0]
        for other in x[1:]:
            so_far = f"torch.{function}({so_far}, {other})"
        return so_far

    return source


def _reduction(function: str) -> Callable[[Sequence[str], Sources, int], str]:
    return lambda x, a, ndim: f"torch.{function}({x[0]}, dim={a['dim']}, keepdim={a['keepdim']})"


def _spread_of(function: str) -> Callable[[Sequence[str], Sources, int], str]:
    def source(x: Sequence[str], a: Sources, ndim: int) -> str:
        options = ", ".join(f"{name}={a[name]}" for name in ("dim", "correction", "keepdim"))
        return f"torch.{function}({x[0]}, {options})"

    return source


def _joined(function: str) -> Callable[[Sequence[str], Sources, int], str]:
    return lambda x, a, ndim: f"torch.{function}([{', '.join(x)}], dim={a['dim']})"


def _method(name: str, *arguments: str) -> Callable[[Sequence[str], Sources, int], str]:
    return lambda x, a, ndim: f"{x[0]}.{name}({', '.join(a[argument] for argument in arguments)})"


def _function(name: str) -> Callable[[Sequence[str], Sources, int], str]:
    return lambda x, a, ndim: f"torch.{name}({', '.join(x)})"


def _dtype(source: str) -> str:
    """A type of torch, from the word for it or a variable that holds one."""
    return f"torch.{source[1:-1]}" if source.startswith('"') else f"getattr(torch, {source})"


def _clamp(x: Sequence[str], a: Sources, ndim: int) -> str:
    limits = ", ".join(f"{name}={a[name]}" for name in ("min", "max") if a[name] != "None")
    return f"{x[0]}.clamp({limits})"


_SIGNS = {'"eq"': "==", '"ne"': "!=", '"lt"': "<", '"le"': "<=", '"gt"': ">", '"ge"': ">=",
          '"and"': "&", '"or"': "|", '"xor"': "^"}  # fmt: skip


def _operator(function: str) -> Callable[[Sequence[str], Sources, int], str]:
    """Two tensors, or one and ``other``, by a sign; by a function of torch where the operator is a variable."""

    def source(x: Sequence[str], a: Sources, ndim: int) -> str:
        first, second = x if len(x) == 2 else (x[0], a["other"])
        if a["operator"] in _SIGNS:
            return f"{first} {_SIGNS[a['operator']]} {second}"
        return f"getattr(torch, {function.format(a['operator'])})({first}, {second})"

    return source


def written(op: Op, x: Tensors) -> dict[str, Any]:
    """The arguments of a function as Python takes them: beside whole numbers a whole number has no point."""
    arguments = op.arguments()
    if x and not x[0].floating:
        whole = {key: int(one) for key, one in arguments.items() if isinstance(one, float) and one.is_integer()}
        return {**arguments, **whole}
    return arguments


def _slice(x: Sequence[str], a: Sources, ndim: int) -> str:
    start, end = (a[name] if a[name] not in ("None", "0") else "" for name in ("start", "end"))
    end = "0" if a["end"] == "0" else end
    step = "" if a["step"] == "1" else f":{a['step']}"
    at = int(a["dim"]) % ndim
    return f"{x[0]}[{':, ' * at}{start}:{end}{step}]"


def _pad(x: Sequence[str], a: Sources, ndim: int) -> str:
    options = {"mode": "'constant'", "value": "None"}
    more = "".join(f", {name}={a[name]}" for name, usual in options.items() if a[name].replace('"', "'") != usual)
    return f"F.pad({x[0]}, {a['pad']}{more})"


def _expand(x: Sequence[str], a: Sources, ndim: int) -> str:
    sizes = a["sizes"]
    if len(x) == 1:
        return f"{x[0]}.expand({sizes})"
    rest = sizes.strip("()").partition(",")[2].strip() if sizes.startswith("(") else f"*{sizes}[1:]"
    return f"{x[0]}.expand({x[1]}.shape[0]{rest and ', '}{rest})"


def _attention(x: Sequence[str], a: Sources, ndim: int) -> str:
    dropped = "" if a["dropout_p"] == "0.0" else f", dropout_p={a['dropout_p']} if self.training else 0.0"
    options = {"is_causal": "False", "scale": "None", "enable_gqa": "False"}
    more = "".join(f", {name}={a[name]}" for name, usual in options.items() if a[name] != usual)
    return f"F.scaled_dot_product_attention({', '.join(x)}{dropped}{more})"


def _thinned(x: Sequence[str], a: Sources, ndim: int) -> str:
    mode = a["mode"]
    samples = f"{x[0]}.shape[0]"
    first = {'"row"': samples, '"batch"': "1"}.get(mode, f'{samples} if {mode} == "row" else 1')
    ones = f"{x[0]}.new_ones({', '.join([first, *['1'] * (ndim - 1)])})"
    return f"({x[0]} * F.dropout({ones}, {a['p']}) if self.training else {x[0]})"


#: expressions of ops without a layer: of the tensors, of the arguments as source, of the number of dimensions
FUNCTIONS: dict[str, Callable[[Sequence[str], Sources, int], str]] = {
    "Add": _folded("+"),
    "Subtract": _folded("-"),
    "Multiply": _folded("*"),
    "Divide": _folded("/"),
    "Maximum": _nested("maximum"),
    "Minimum": _nested("minimum"),
    "MatMul": _folded("@"),
    "Einsum": lambda x, a, ndim: f"torch.einsum({', '.join([a['equation'], *x])})",
    "Concat": _joined("cat"),
    "Stack": _joined("stack"),
    "Mean": _reduction("mean"),
    "Sum": _reduction("sum"),
    "Max": _reduction("amax"),
    "Min": _reduction("amin"),
    "LogSumExp": _reduction("logsumexp"),
    "Norm": lambda x, a, ndim: f"torch.linalg.vector_norm({x[0]}, {a['p']}, dim={a['dim']}, keepdim={a['keepdim']})",
    "Var": _spread_of("var"),
    "Std": _spread_of("std"),
    "Reshape": lambda x, a, ndim: f"{x[0]}.reshape({x[0]}.shape[0], {_spread(a['shape'])})",
    "Permute": _method("permute", "dims"),
    "Transpose": _method("transpose", "dim0", "dim1"),
    "Expand": _expand,
    "Squeeze": _method("squeeze", "dim"),
    "Unsqueeze": _method("unsqueeze", "dim"),
    "Chunk": _method("chunk", "chunks", "dim"),
    "Split": _method("split", "split_size_or_sections", "dim"),
    "Slice": _slice,
    "Select": _method("select", "dim", "index"),
    "Index": lambda x, a, ndim: f"{x[0]}[{':, ' * (int(a['dim']) % ndim)}{x[1]}]",
    "Gather": lambda x, a, ndim: f"torch.gather({x[0]}, {a['dim']}, {x[1]})",
    "Pad": _pad,
    "Roll": _method("roll", "shifts", "dims"),
    "Flip": _method("flip", "dims"),
    "Contiguous": _method("contiguous"),
    "Detach": _method("detach"),
    "Tile": _method("tile", "dims"),
    "Scale": lambda x, a, ndim: f"{x[0]} * {a['factor']}",
    "Shift": lambda x, a, ndim: f"{x[0]} + {a['value']}",
    "Power": lambda x, a, ndim: f"{x[0]} ** {a['exponent']}",
    "Clamp": _clamp,
    **{name: _function(op.function) for name, op in REGISTRY.items() if issubclass(op, Function)},
    "Compare": _operator("{}"),
    "Logical": _operator('f"logical_{{{}}}"'),
    "LogicalNot": _function("logical_not"),
    "Where": _function("where"),
    "MaskedFill": lambda x, a, ndim: f"{x[0]}.masked_fill({x[1]}, {a['value']})",
    "CumSum": _method("cumsum", "dim"),
    "ArgMax": _method("argmax", "dim", "keepdim"),
    "TopK": _method("topk", "k", "dim"),
    "Cast": lambda x, a, ndim: f"{x[0]}.to({_dtype(a['dtype'])})",
    "StochasticDepth": _thinned,
    "ScaledDotProductAttention": _attention,
}


def _spread(sizes: str) -> str:
    """A tuple's elements as arguments."""
    return sizes.strip("()").rstrip(",") if sizes.startswith("(") else f"*{sizes}"
