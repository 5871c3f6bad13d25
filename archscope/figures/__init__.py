"""The registry of figures: what each is called, counts, and how it is got from an account.

A figure is asked of an account, which is of a design under a setting; of the whole design, of a block, of a layer, or
of a sum that cuts across (a category, a kind of op). Columns of tables, ``expect:``, ``budget:``, the conditions of a
sweep, comparisons, frames, JSON and the schemas of it are filters over :data:`FIGURES`. Of what a figure is not known
of it is refused; none is answered by another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from archscope.analysis.counts.account import Account, Row, Total
from archscope.analysis.counts.cost import CATEGORIES, FOLLOWING, Cost
from archscope.errors import UsageError, suggestion
from archscope.setting import FIELDS as SETTING
from archscope.setting import Setting
from archscope.setting.devices import DEVICES

Part = Row | Total

DESIGN, BLOCK, LAYER, SUM = SCOPES = ("design", "block", "layer", "sum")
_SAID = {DESIGN: "a design", BLOCK: "a block", LAYER: "a layer", SUM: "a sum over layers of a kind"}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as in Python, JSON, CSV and ``--columns``.
        title: as a terminal prints it.
        unit: of its numbers; empty for text.
        convention: how it is counted.
        style: ``text``, ``shape``, ``axes`` (a number an axis), ``count``, ``number`` (of any size), ``ratio``,
            ``share``, ``seconds`` or ``percent``.
        additive: whether block rows and totals show sums.
        depends: the fields of a setting that it depends on.
        lowered: those that it depends on, too, where autocast says what is lowered.
    """

    name: str
    title: str
    unit: str
    convention: str
    style: str
    additive: bool
    depends: tuple[str, ...] = field(default=(), kw_only=True)
    lowered: tuple[str, ...] = field(default=(), kw_only=True)

    def fields(self, setting: Setting) -> tuple[str, ...]:
        """What of a setting it depends on, under that setting."""
        return (*self.depends, *self.lowered) if setting.numbers.lower else self.depends


@dataclass(frozen=True)
class Figure(Column):
    """A figure.

    Attributes:
        kind: what it follows from: ``cost``, ``size`` (of shapes), ``graph``, ``field``, ``saved``, ``memory``,
            ``allocator``, ``time``, or ``recorded`` (a fact that the spec states).
        scopes: of what it is known: of :data:`SCOPES`.
        of: it, of an account and a part of it, which is the account's total where the whole design is meant.
        training: whether it is one of a training step alone.
    """

    kind: str
    scopes: tuple[str, ...]
    of: Callable[[Account, Any], Any] = field(repr=False, compare=False)
    training: bool = field(default=False, kw_only=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return _registered, (self.name,)  # how it is got cannot be sent; it is registered wherever it arrives

    @property
    def column(self) -> Column:
        """It as a plain column, whose style and words may be changed."""
        return Column(self.name, self.title, self.unit, self.convention, self.style, self.additive, **dependence(self))

    def known_of(self, account: Account, part: Part | None = None) -> bool:
        """Whether it is known of a part of an account; of none, of the whole design."""
        return scope_of(account, part) in self.scopes

    def value(self, account: Account, part: Part | None = None) -> Any:
        """It, of a part of an account; of none, of the whole design. ``None`` where there is none.

        Raises:
            UsageError: it is no figure of such a part, or not known under such a setting.
        """
        if not self.known_of(account, part):
            scopes = " or ".join(_SAID[scope] for scope in self.scopes)
            raise UsageError(f"{self.name} is no figure of {_SAID[scope_of(account, part)]}; it is one of {scopes}")
        return self.of(account, account.total if part is None else part)


def _registered(name: str) -> Figure:
    return FIGURES[name]


def scope_of(account: Account, part: Part | None = None) -> str:
    """What a part of an account is, one of :data:`SCOPES`."""
    if part is None or part is account.total:
        return DESIGN
    if isinstance(part, Row):
        return LAYER
    return SUM if part.output_shape is None else BLOCK


def figure(account: Account, name: str, part: str | None = None) -> Any:
    """A figure by name, of a design, or of a layer or block of it.

    Raises:
        UsageError: there is none of that name, no such part, or the figure is none of such a part or setting.
    """
    if name not in FIGURES:
        raise UsageError(
            f"there is no figure `{name}`; {suggestion(name, FIGURES) or 'figures: ' + ', '.join(FIGURES)}"
        )
    return FIGURES[name].value(account, None if part is None else account[part])


def dependence(*columns: Column) -> dict[str, Any]:
    """What a column declares that follows from others."""
    return {
        "depends": tuple(dict.fromkeys(name for one in columns for name in one.depends)),
        "lowered": tuple(dict.fromkeys(name for one in columns for name in one.lowered)),
    }


def fields_of(setting: Setting, columns: Iterable[Column]) -> tuple[str, ...]:
    """What of a setting some columns depend on, in the order in which it is told."""
    fields = {name for one in columns for name in one.fields(setting)}
    return tuple(name for name in SETTING if name in fields)


def words_of(setting: Setting, columns: Iterable[Column]) -> str:
    """What the head of a result says of a setting: all that its figures depend on."""
    shown = fields_of(setting, columns)
    return setting.words(*shown) if shown else ""


def figures_in(names: Iterable[str]) -> Iterator[Figure]:
    """The figures among the names of an expression: of the design, of a part (``fc.params``), along an axis."""
    for name in names:
        part, _, last = name.rpartition(".")
        figure = FIGURES.get(name) or FIGURES.get(last) or FIGURES.get(part)
        if figure is not None:
            yield figure


def of_mode(setting: Setting, names: Iterable[str]) -> tuple[str, ...]:
    """The columns among some that say something of a run: an inference has none of what is one of training alone."""
    apart = {name for name, one in FIGURES.items() if one.training} if not setting.trains else set()
    return tuple(name for name in names if name not in apart)


def options_of(*names: str) -> tuple[str, ...]:
    """The fields that figures depend on under some setting or other: the options of a command that tells them."""
    options = {one for name in names for one in (*FIGURES[name].depends, *FIGURES[name].lowered)}
    return tuple(name for name in SETTING if name in options)


# -- how they are got ---


def _shape(account: Account, part: Part) -> Any:
    return account.output_shape if part is account.total else part.output_shape


def _saved(account: Account, part: Part) -> int:
    """What a part keeps; of a sum that cuts across, what the layers of its category or kind keep."""
    scope = scope_of(account, part)
    if scope != SUM:
        return account.saved_bytes(None if scope == DESIGN else part.name)
    saved = account.memory.by_layer
    return sum(saved[row.name] for row in account.rows if part.name in (row.category, row.kind))


def _field(name: str) -> Callable[[Account, Part], Any]:
    def of(account: Account, part: Part) -> Any:
        layer = account.design.outputs[0][1].node if part is account.total else part.name
        return account.field_figure(layer, name) or None  # what sees no input has no axes

    return of


def _trained(account: Account, name: str) -> None:
    if not account.setting.trains:
        raise UsageError(f"{name} is a figure of training, and the setting is an inference")


def _training(account: Account, _: Part) -> int:
    _trained(account, "training_bytes")
    return account.memory.training


def _seconds(name: str, mode: str) -> Callable[[Account, Part], float]:
    def of(account: Account, _: Part) -> float:
        from archscope.analysis.time.roofline import predict

        if mode == "train":
            _trained(account, name)
        return predict(account.design, account.setting, mode=mode).seconds

    return of


def _on_cuda(name: str, got: Callable[[Account], Any]) -> Callable[[Account, Part], Any]:
    def of(account: Account, _: Part) -> Any:
        if account.setting.kind != "cuda" or (name == "largest_batch" and account.setting.device not in DEVICES):
            raise UsageError(f"{name} is a figure of training on a CUDA device: name one, such as h200")
        _trained(account, name)
        return got(account)

    return of


def _cuda(name: str) -> Callable[[Account], int]:
    def of(account: Account) -> int:
        cuda = account.memory.cuda
        if cuda is None:
            raise UsageError(f"{name} is a figure of training, and {account.design.name} trains nothing")
        size: int = getattr(cuda, name.removesuffix("_bytes"))
        return size

    return of


def _largest_batch(account: Account) -> int | None:
    from archscope.analysis.step.fit import largest_batch

    return largest_batch(account.design, account.setting)


def _source(account: Account, _: Part) -> str | None:
    return "; ".join(dict.fromkeys(fact.source for fact in account.design.accuracy if fact.source)) or None


# -- the registry ---

_BATCH, _BACKWARD, _HELD = ("batch",), ("batch", "mode"), ("precision",)
#: what is written in a run, and in which type: a dropout rests at inference, a map in channels last may be copied
_WRITTEN, _AUTOCAST = ("batch", "precision", "mode", "channels_last"), ("torch", "device")
_INFERENCE = ("batch", "precision", "channels_last", "torch", "device")
_SAVED = (*_INFERENCE, "mode")
_STEP = (*_SAVED, "optimizer", "accumulate")
_FITS = tuple(name for name in _STEP if name != "batch")
_TIME = ("batch", "precision", "channels_last", "compile", "launch", "device", "calibration")

_TITLES = {"macs": "MACs", "flops": "FLOPs", "backward_macs": "backward MACs", "backward_flops": "backward FLOPs"}


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def _cost(
    name: str,
    unit: str,
    convention: str,
    depends: tuple[str, ...] = (),
    *,
    lowered: tuple[str, ...] = (),
    style: str = "count",
    by: Callable[[Cost], Any] | None = None,
) -> Figure:
    """A figure of a layer's cost: a field or property of a :class:`Cost`, or what follows from it ``by`` a formula."""
    if by is not None:
        FOLLOWING[name] = by
    get = by or attrgetter(name)

    def of(_: Account, part: Part) -> Any:
        return get(part.cost)

    return Figure(
        name, _title(name), unit, convention, style, style == "count", "cost", SCOPES, of,
        depends=depends, lowered=lowered, training=depends == _BACKWARD,
    )  # fmt: skip


_COSTS = (
    _cost("params", "elements", "learnable elements; a reused layer's are counted once"),
    _cost("trainable_params", "elements", "learnable elements that are not frozen"),
    _cost("unused_params", "elements", "learnable elements that no computation reads: they have no gradient"),
    _cost("unused_buffers", "elements", "elements of buffers that no computation reads"),
    _cost("weights", "elements", "learnable elements that are not in bias vectors"),
    _cost("biases", "elements", "learnable elements in bias vectors"),
    _cost("buffers", "elements", "state that is not learnt, batch counters included"),
    _cost(
        "keras_params",
        "elements",
        "parameters as Keras counts them: running mean and variance included, one bias in RNN and LSTM",
    ),
    _cost("macs", "MACs", "forward multiply-accumulates of contractions; bias excluded", _BATCH),
    _cost("flops", "FLOPs", "2 x MACs", _BATCH),
    _cost(
        "elementwise",
        "operations",
        "forward elementwise and reduction operations, as `archscope ops` states by op",
        _BATCH,
    ),
    _cost(
        "input_grad_macs", "MACs", "backward: gradients of inputs; none where nothing upstream is trained", _BACKWARD
    ),
    _cost("weight_grad_macs", "MACs", "backward: gradients of weights; none where frozen", _BACKWARD),
    _cost("backward_macs", "MACs", "gradients of inputs and weights, each contraction counted as it is", _BACKWARD),
    _cost("backward_flops", "FLOPs", "2 x backward MACs", _BACKWARD),
    _cost(
        "activations",
        "elements",
        "elements of outputs that are new in memory, for the whole batch: no views, nothing in place or handed on",
        _WRITTEN,
        lowered=_AUTOCAST,
    ),
    _cost("param_bytes", "bytes", "parameters in the chosen dtype", _HELD),
    _cost("buffer_bytes", "bytes", "buffers in their dtypes", _HELD),
    _cost(
        "activation_bytes", "bytes", "activations, each in the type that it has in the run", _WRITTEN, lowered=_AUTOCAST
    ),
    _cost(
        "bytes_moved",
        "bytes",
        "inputs as they arrive, parameters and buffers as they are held, outputs as they are written, each once",
        _WRITTEN,
        lowered=_AUTOCAST,
    ),
    _cost("weight_layers", "layers", "convolutions and fully connected layers"),
    _cost("reuse", "MACs/param", "forward MACs a parameter", _BATCH, style="ratio"),
    _cost(
        "intensity",
        "FLOPs/byte",
        "arithmetic intensity: forward FLOPs a byte moved",
        _WRITTEN,
        lowered=_AUTOCAST,
        style="ratio",
    ),
)


def _of_category(category: str, words: str) -> Iterator[Figure]:
    costs = {one.name: one for one in _COSTS}
    for metric in ("params", "weights", "macs", "activations", "activation_bytes"):

        def of(account: Account, _: Part, metric: str = metric) -> Any:
            return getattr(account.by_category()[CATEGORIES.index(category)], metric)

        name = f"{category}_{metric}"
        title = name.replace("_", " ").replace("macs", "MACs")
        yield Figure(
            name, title, costs[metric].unit, f"{metric} of the {words}", "count", False, "graph", (DESIGN,), of,
            **dependence(costs[metric]),
        )  # fmt: skip


def _whole(
    name: str,
    unit: str,
    convention: str,
    kind: str,
    of: Callable[[Account, Any], Any],
    depends: tuple[str, ...] = (),
    *,
    training: bool = False,
) -> Figure:
    return Figure(
        name, _title(name), unit, convention, "count", False, kind, (DESIGN,), of, depends=depends, training=training
    )


def _layer(name: str, convention: str, depends: tuple[str, ...] = ()) -> Figure:
    def of(_: Account, part: Row) -> Any:
        return getattr(part, name)

    return Figure(name, _title(name), "elements", convention, "count", False, "size", (LAYER,), of, depends=depends)


def _of_field(name: str, convention: str) -> Figure:
    scopes = (LAYER, BLOCK, DESIGN)
    return Figure(name, _title(name), "places", convention, "axes", False, "field", scopes, _field(name))


def _fact(name: str, title: str, unit: str, convention: str, style: str, of: Callable[[Account, Any], Any]) -> Figure:
    return Figure(name, title, unit, convention, style, False, "recorded", (DESIGN,), of)


_RECORDED = "accuracy that the design records, not measured here"

_REGISTERED = (
    *_COSTS,
    Figure(
        "layers", "layers", "layers", "layers of any kind", "count", False, "graph", (DESIGN, BLOCK, SUM),
        lambda _, part: part.layers,
    ),
    _whole(
        "depth", "layers", "weight layers on the longest path from an input to an output", "graph",
        lambda account, _: account.depth,
    ),
    Figure(
        "output_shape", "output", "", "shape of the (first) output, without the batch", "shape", False, "size",
        (LAYER, BLOCK, DESIGN), _shape,
    ),
    _layer("input_elements", "elements of the inputs, for the whole batch", _BATCH),
    _layer("output_elements", "elements of the outputs, for the whole batch", _BATCH),
    _layer("dense_params", "parameters of the dense layer (with bias) that would join the same maps"),
    _whole(
        "inference_bytes", "bytes", "peak memory of an inference: parameters, buffers, and what else lives at once",
        "memory", lambda account, _: account.memory.inference, _INFERENCE,
    ),
    _whole("training_bytes", "bytes", "peak memory of a training step", "memory", _training, _STEP, training=True),
    *_of_category("conv", "convolutions"),
    *_of_category("fc", "fully connected layers"),
    *_of_category("other", "other layers"),
    Figure(
        "saved_bytes", "saved bytes", "bytes",
        "what autograd keeps of the forward pass, by the layer that keeps it first", "count", True, "saved", SCOPES,
        _saved, depends=_SAVED, training=True,
    ),
    _whole(
        "allocated_bytes", "bytes",
        "torch.cuda.max_memory_allocated() of a training step on the device, cuDNN's workspaces apart", "allocator",
        _on_cuda("allocated_bytes", _cuda("allocated_bytes")), _STEP, training=True,
    ),
    _whole(
        "reserved_bytes", "bytes",
        "torch.cuda.max_memory_reserved() of a training step on the device, where nothing is short", "allocator",
        _on_cuda("reserved_bytes", _cuda("reserved_bytes")), _STEP, training=True,
    ),
    _whole(
        "needed_bytes", "bytes", "the least memory in which torch's allocator gets through training on the device",
        "allocator", _on_cuda("needed_bytes", lambda account: account.memory.needed), _STEP, training=True,
    ),
    _whole(
        "largest_batch", "samples",
        "samples of the largest training step that fits into the device's memory less its context", "allocator",
        _on_cuda("largest_batch", _largest_batch), _FITS, training=True,
    ),
    _of_field(
        "receptive_field", "places of the input that a unit sees, an axis; where it sees all, those of what was mixed"
    ),
    _of_field("smallest_field", "the same of the unit that sees the fewest, where units differ"),
    _of_field("jump", "effective stride: places of the input between neighbouring units"),
    _of_field("field_start", "first place that the first unit sees, counted from 0; negative in the padding"),
    _of_field("field_center", "centre of the first unit's field; the first place of the input is centred at 0.5"),
    _of_field("effective_padding", "how far the first unit's field hangs over the border of the input"),
    *(
        Figure(
            name, title, "s", f"time of a {what} on the device: at least, or an estimate if calibrated", "seconds",
            False, "time", (DESIGN,), _seconds(name, mode), depends=depends, lowered=lowered,
            training=mode == "train",
        )
        for name, title, what, mode, depends, lowered in (
            ("infer_seconds", "inference time", "forward pass", "infer", _TIME, ("torch",)),
            ("train_seconds", "training step time", "training step", "train",
             (*_TIME, "mode", "optimizer", "torch"), ()),
        )
    ),
    _fact("top1", "top1", "%", _RECORDED, "percent", lambda account, _: account.design.recorded("top1")),
    _fact("top5", "top5", "%", _RECORDED, "percent", lambda account, _: account.design.recorded("top5")),
    _fact("accuracy_source", "accuracy", "", "who says so", "text", _source),
)  # fmt: skip

#: every figure by name
FIGURES: Mapping[str, Figure] = {one.name: one for one in _REGISTERED}


def of_kind(*kinds: str) -> dict[str, Figure]:
    """The figures of some kinds."""
    return {name: one for name, one in FIGURES.items() if one.kind in kinds}


def known_of(*scopes: str) -> dict[str, Figure]:
    """The figures that are known of all of some scopes, facts that a spec states left out."""
    return {
        name: one
        for name, one in FIGURES.items()
        if one.kind != "recorded" and all(scope in one.scopes for scope in scopes)
    }


#: those of a layer's cost, of its shapes, of its receptive field, and of what autograd keeps of it
COSTS, SIZES, FIELDS, SAVED = of_kind("cost"), of_kind("size"), of_kind("field"), of_kind("saved")
