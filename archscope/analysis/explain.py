"""The arithmetic of every figure, as a textbook writes it: symbols, then numbers, then the result.

There is no explain method on any op: the op's own formulas are run on traced numbers, which remember them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from archscope.analysis.counts.account import Account, analyze
from archscope.analysis.counts.cost import COST_FIELDS, Cost, cost_of, dense_params, elements
from archscope.analysis.field.axis import Field, apart_words, channel_words, hull_words, less_words
from archscope.analysis.step.run import steps_under
from archscope.arith import plain, whole_number
from archscope.arith.traced import Traced, number
from archscope.collecting import uncollected
from archscope.design import Design, incomplete
from archscope.design.graph import Ref
from archscope.design.steps import Step
from archscope.errors import UsageError, suggestion
from archscope.ops import Op, Tensor
from archscope.ops.base import AXES, NoWork, Tensors
from archscope.ops.legal import dim_names
from archscope.ops.readings import Reads
from archscope.ops.spans import Span
from archscope.ops.windows import SAME, Along, Slide
from archscope.setting import Setting
from archscope.shown import Shown

if TYPE_CHECKING:
    from archscope.analysis.field.receptive_field import ReceptiveFields
    from archscope.analysis.step.memory import Saved

#: the cost figures that are explained by their own formula; the others follow from these
_COUNTED = ("macs", "elementwise", "input_grad_macs", "weight_grad_macs", "activations", "bytes_moved")
_DERIVED = {"flops": "", "backward_macs": "", "reuse": "MACs/param", "intensity": "FLOPs/byte"}


class Line(NamedTuple):
    """One equation.

    Attributes:
        figure: what is computed.
        formula: in symbols; empty for a bare fact.
        worked: the formula with its numbers.
        result: the value.
        note: a word on the convention or the reason; may be empty.
    """

    figure: str
    formula: str
    worked: str
    result: int | float
    note: str = ""

    def __str__(self) -> str:
        printed = number(self.result)
        parts = [part for part in (self.figure, self.formula, self.worked) if part]
        if parts[-1] != printed:
            parts.append(printed)
        return " = ".join(parts) + (f"    ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Explanation(Shown, report="explanation"):
    """The arithmetic of one layer.

    Attributes:
        layer: its full name.
        title: the op with the arguments that were given.
        lines: the equations, in the order of computation.
        incomplete: what the figures of the design lack (:func:`archscope.design.incomplete`).
        design: its name.
        setting: how it is run.
    """

    layer: str
    title: str
    lines: tuple[Line, ...]
    incomplete: str | None = None
    design: str = ""
    setting: Setting = Setting()

    def __str__(self) -> str:
        last = [] if self.incomplete is None else [f"  {self.incomplete}"]
        return "\n".join([f"{self.layer}: {self.title}", *(f"  {line}" for line in self.lines), *last])

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, without the design and how it is run."""
        lines = [line._asdict() for line in self.lines]
        return {"layer": self.layer, "title": self.title, "lines": lines, "incomplete": self.incomplete}


@dataclass(frozen=True)
class Explanations(Shown, Sequence[Explanation], report="explanation"):
    """The arithmetic of some layers of a design, in the order of execution.

    Attributes:
        account: what is explained.
    """

    account: Account
    layers: tuple[Explanation, ...]

    @overload
    def __getitem__(self, at: int) -> Explanation: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Explanation, ...]: ...

    def __getitem__(self, at: int | slice) -> Explanation | tuple[Explanation, ...]:
        return self.layers[at]

    def __len__(self) -> int:
        return len(self.layers)


def explain(design: Design, layer: str | None = None, setting: Setting | None = None, **changes: Any) -> Explanations:
    """Explain a layer, all layers of a block, or all layers of a design.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`).
        changes: fields of a setting that differ from it: ``batch=32``.

    Raises:
        UsageError: there is no layer or block of that name, or an impossible setting.
    """
    if not isinstance(layer, (str, type(None))):
        what = "the setting stands behind it, as in explain(design, setting=...)" if isinstance(layer, Setting) else ""
        raise UsageError(f"a layer or block is a name, not a {type(layer).__name__}{'; ' * bool(what)}{what}")
    return explain_account(analyze(design, setting, **changes), layer)


@uncollected()
def explain_account(account: Account, layer: str | None = None) -> Explanations:
    """The same of an account, with the memory and the receptive fields that it has found already.

    Raises:
        UsageError: there is no layer or block of that name.
    """
    design, setting = account.design, account.setting
    steps = steps_under(design, setting)
    chosen = [s for s in steps if layer is None or s.layer.name == layer or s.layer.name.startswith(f"{layer}.")]
    if layer is not None and not chosen:
        hint = suggestion(layer, (s.layer.name for s in steps))
        raise UsageError(f"{design.name} has no layer or block `{layer}`{'; ' + hint if hint else ''}")
    saved: dict[str, list[Saved]] = {}
    for piece in account.memory.saved if account.setting.runs else ():
        for name in (piece.layer, *piece.shared):
            saved.setdefault(name, []).append(piece)
    memo = _Memo({}, {}, {}, {}, {}, incomplete(design))
    layers = tuple([_explain(step, account, saved.get(step.layer.name, []), memo) for step in chosen])
    return Explanations(account, layers)


class _Memo(NamedTuple):
    """What was worked out for the layers before, since repeated blocks are alike.

    Attributes:
        titles: of ops.
        lines: those of a layer but for its fields.
        passed: the lines of fields that pass through layers, by field.
        traced: ops with what they read and write, in symbols.
        windows: as they are traced.
        lacking: what the figures of the design lack.
    """

    titles: dict[int, str]
    lines: dict[Any, tuple[Line, ...]]
    passed: dict[tuple[int, str], tuple[Line, ...]]
    traced: dict[Any, _Symbols]
    windows: dict[Any, Reads]
    lacking: str | None


class _Symbols(NamedTuple):
    """A layer in symbols: its op, what it reads and what it writes."""

    op: Op
    x: Tensors
    y: Tensors


def _symbols_of(step: Step, memo: _Memo) -> _Symbols:
    op, x, y = step.layer.op, step.x, step.y
    key = (id(op), x)
    if key not in memo.traced:
        memo.traced[key] = _Symbols(
            traced_op(op),
            tuple(_symbols(op, tensor, "in", i, len(x)) for i, tensor in enumerate(x)),
            tuple(_symbols(op, tensor, "out", i, len(y)) for i, tensor in enumerate(y)),
        )
    return memo.traced[key]


def _explain(step: Step, account: Account, saved: list[Saved], memo: _Memo) -> Explanation:
    layer, x, _, needs, learns, *_ = step
    key = (id(layer.op), x, needs, learns, layer.frozen, layer.shares, layer.dtype, step.copied)
    if key not in memo.lines:
        memo.lines[key] = tuple(_lines(step, _symbols_of(step, memo), account.setting))
    if id(layer.op) not in memo.titles:
        arguments = ", ".join(f"{name}={_shown(value)}" for name, value in layer.op.non_default().items())
        memo.titles[id(layer.op)] = f"{layer.kind}({arguments})"
    seen = _field_lines(step, account.fields, memo)
    precision = "" if account.design.graph.typed else account.setting.precision  # pieces have types of their own then
    lines = (*memo.lines[key], *seen, *_saved_lines(layer.name, saved, precision))
    title = memo.titles[id(layer.op)]
    return Explanation(layer.name, title, lines, memo.lacking, account.design.name, account.setting)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return str(value[0]) if len(set(value)) == 1 else str(list(value))
    return str(value)


def _lines(step: Step, symbols: _Symbols, setting: Setting) -> Iterator[Line]:
    layer, x, y, needs, learns, *_ = step
    dtype = setting.numbers.floating
    op, tx, ty = symbols
    yield from _shape_lines(op, tx, y)
    for name, tensor in op.parameters(*tx).items():
        words = ["shared with " + layer.shares] if layer.shares else []
        words += ["frozen"] if name in layer.frozen else []
        words += [layer.dtype] if layer.dtype else []
        yield _line(name, elements(tensor.shape), ", ".join(words))
    for name, tensor in op.buffers(*tx).items():
        yield _line(name, elements(tensor.shape), f"buffer, {layer.dtype}" if layer.dtype else "buffer")
    shared = layer.shares is not None
    cost = cost_of(
        op, tx, ty, needs=needs, learns=learns, frozen=layer.frozen, shared=shared, dtype=dtype, mark=layer.dtype,
        training=setting.trains, copied=step.copied,
    )  # fmt: skip
    if plain(cost.params):
        trained = plain(cost.trainable_params)
        note = "frozen" if not trained else f"{trained:,} of them are trained" if layer.frozen else ""
        yield _line("params", cost.params, note)
    notes = {
        "elementwise": op.elementwise_rule if plain(cost.elementwise) else "",
        "input_grad_macs": "" if any(needs) else "nothing upstream is trained" if learns else "no gradient is wanted",
        "activations": _unmade(layer.op, layer.op.written(x, y, dtype, training=setting.trains, copied=step.copied)),
        "bytes_moved": f"inputs, parameters, buffers and outputs, {_types_told(step, dtype)}",
    }
    for figure in _COUNTED:
        if plain(cost.macs) or not figure.endswith("macs"):
            yield _line(figure, getattr(cost, figure), notes.get(figure, ""))
    if plain(cost.macs):
        named: dict[str, Any] = {name: Traced.symbol(name, plain(getattr(cost, name))) for name in COST_FIELDS}
        counted = Cost(**named)
        for figure, unit in _DERIVED.items():
            value = getattr(counted, figure)
            if plain(value) is not None:
                yield _line(figure, value, unit)
        if plain(cost.weight_layers):
            yield _line("dense_params", dense_params(tx, ty), "the dense layer that would join the same maps")


def _unmade(op: Op, written: Tensors) -> str:
    """Why a layer makes nothing, if it does not."""
    if op.in_place and written:
        return "none new: in place"
    if written:
        return "a copy, for what arrives does not lie in order" if op.copies and isinstance(op, NoWork) else ""
    return "a view of its input" if op.view else "none new: it gives what is there already"


def _types_told(step: Step, dtype: str) -> str:
    """The floating types that a layer reads, holds and gives; that of the run first."""
    own = [*step.layer.parameters(*step.x).values(), *step.layer.buffers(*step.x).values()]
    kinds = {tensor.dtype or dtype for tensor in (*step.x, *own, *step.y) if tensor.floating}
    return " and ".join(sorted(kinds, key=lambda kind: (kind != dtype, kind))) or dtype


def _line(figure: str, value: Any, note: str = "") -> Line:
    if isinstance(value, Traced):
        formula, worked = value.texts()
        return Line(figure, formula, "" if worked == number(value.value) else worked, value.value, note)
    return Line(figure, "", "", value, note)


# -- receptive fields --------------------------------------------------------------------------------------------------


def _field_lines(step: Step, fields: ReceptiveFields, memo: _Memo) -> Iterator[Line]:
    """The recurrence of the receptive field, axis by axis, where the layer has one path and a window that slides."""
    seen = fields.tensors[Ref(step.layer.name)]
    single = len(step.layer.inputs) == 1
    for key, field in seen.items():
        suffix = f"_{field.axis}" if len(seen) > 1 else ""
        before = fields.tensors[step.layer.inputs[0]].get(key) if single else None
        if before is not field:
            moved = _recurrence(step, before, suffix, memo) if before is not None else None
            yield from _axis_lines(field, suffix, moved, _paths(step, key, fields))
            continue
        place = (id(field), suffix)  # it passes through
        if place not in memo.passed:
            memo.passed[place] = tuple(_axis_lines(field, suffix, None, ""))
        yield from memo.passed[place]


def _axis_lines(field: Field, suffix: str, moved: Span | None, paths: str) -> Iterator[Line]:
    """The lines of one axis.

    Args:
        moved: the field in symbols, where a window has slid.
        paths: what the inputs of a merge see.
    """
    if field.whole:
        places = f"all {field.extent}" if field.sees == "all" else "{} to {}".format(*field.reach)
        note = f"sees {places}: {field.mixed_by} mixes everything, each part of which sees so many"
        yield _line(f"receptive_field{suffix}", field.size, _words(note, _less(field)))
    elif field.untold_from:
        why = f"{field.untold_why}; {field.crowded}" if field.crowded else field.untold_why
        note = f"not told: {field.untold_from} {why}; each place that it reads sees so many"
        yield _line(f"receptive_field{suffix}", field.size, note)
    elif moved is not None:
        yield _line(f"receptive_field{suffix}", moved.size[0], _channels(field))
        yield _line(f"jump{suffix}", moved.jump)
        yield _line(f"field_start{suffix}", moved.first[0])
    else:
        hull = "" if field.table is not None else paths
        yield _line(f"receptive_field{suffix}", field.size, _words(hull, _ends(field), _channels(field), _less(field)))
        yield Line(f"jump{suffix}", "", "", whole_number(field.jump))
        yield _line(f"field_start{suffix}", field.start)


def _saved_lines(name: str, saved: list[Saved], precision: str) -> Iterator[Line]:
    """What the layer keeps for the backward pass, in bytes, and who keeps it, too; a figure counts each piece once.

    Pieces that are alike, those of a recurrent layer's steps, stand together.
    """
    run = f", {precision}" if precision else ""
    alike: dict[tuple[int, str, str], int] = {}
    for piece in saved:
        key = piece.bytes, piece.what, _keepers(name, piece)
        alike[key] = alike.get(key, 0) + 1
    for (size, what, shared), many in alike.items():
        worked = f"{many:,} x {size:,}" if many > 1 else ""
        yield Line("saves", "", worked, many * size, f"{what}{run}{shared}")


def _keepers(name: str, piece: Saved) -> str:
    """Who else keeps a piece."""
    others = [layer for layer in (piece.layer, *piece.shared) if layer != name]
    return f"; {', '.join(others)} keep{'s' * (len(others) == 1)} it, too" if others else ""


def _recurrence(step: Step, before: Field, suffix: str, memo: _Memo) -> Span | None:
    """The field behind a sliding window, in symbols."""
    if before.whole or before.untold_from or before.table is not None or before.dim is None or len(before.spans) > 1:
        return None
    (span,) = before.spans
    key = (id(step.layer.op), step.x)
    if key not in memo.windows:
        op, tx, ty = _symbols_of(step, memo)
        (memo.windows[key],) = op.reads(tx, ty)
    reads = memo.windows[key]
    entry = reads.axes[before.dim] if isinstance(reads, Along) else None
    if entry is None or type(entry[1]) is not Slide or entry[1] is SAME or span.period > 1 or not span.even:
        return None
    names = (f"{name}{suffix}_in" for name in ("jump", "field_start", "receptive_field"))
    values = (span.jump, span.first[0], span.size[0])
    jump, first, size = (Traced.symbol(name, value) for name, value in zip(names, values, strict=True))
    arriving = Span(jump, (first,), (size,))  # type: ignore[arg-type]  # the traced reading enters here
    return entry[1].seen(arriving, step.x[0].shape[before.dim], step.y[0].shape[entry[0]])


def _paths(step: Step, key: tuple[str, int], fields: ReceptiveFields) -> str:
    """What the inputs of a merge see, and whether their fields lie on each other."""
    if len(step.layer.inputs) < 2:
        return ""
    parts = []
    for ref in step.layer.inputs:
        field = fields.tensors[ref].get(key)
        if field is not None:
            parts.append(f"{ref} {'all' if field.whole else field.size}")
    apart = fields.tensors[Ref(step.layer.name)][key].apart
    text = "the hull of " + ", ".join(parts)
    if apart is None:
        return text
    words = apart_words(apart.layer, str(apart.first), str(apart.second), str(whole_number(apart.by)))
    return f"{text}; {words}"


def _words(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _channels(field: Field) -> str:
    """What parts of the channels see, where they see otherwise."""
    if field.hull_from:
        return hull_words(field.hull_from)
    return channel_words(field.channels) if field.channels else ""


def _ends(field: Field) -> str:
    """What each unit sees, where units differ: from which place to which, for unit u."""
    if field.table is not None:
        return f"the most; the fewest are {field.smallest}: unit by unit, borders taken in"
    if all(span.even for span in field.spans):
        return ""
    if len(field.spans) > 1 or field.spans[0].period > 1:
        return f"the most; the fewest are {field.smallest}"
    (span,) = field.spans
    first, last = span.first[0], span.first[0] + span.size[0] - 1
    between = f"unit u sees {_moving(first, span.jump)} to {_moving(last, span.jump + span.grow)}"
    return between if field.smallest == field.size else f"{between}: {field.smallest} to {field.size}"


def _less(field: Field) -> str:
    """Where less may be seen."""
    return less_words(field.at_most, field.crowded) if field.at_most else ""


def _moving(start: int, step: int) -> str:
    if not step:
        return str(start)
    moved = "u" if abs(step) == 1 else f"{abs(step)} u"
    return f"{start} {'-' if step < 0 else '+'} {moved}" if start else f"{'-' if step < 0 else ''}{moved}"


def _shape_lines(op: Op, x: Tensors, y: Tensors) -> Iterator[Line]:
    outputs = op.outputs(*x)
    for i, (formulas, tensor) in enumerate(zip(outputs, y, strict=True)):
        names = _names(op, tensor, "out", i, len(y))
        for axis, name in enumerate(names):
            size = formulas.shape[axis]
            if axis == tensor.batch and isinstance(size, Traced) and size.source == "N":
                continue  # the batch passes through
            if isinstance(size, Traced) and size.source == name:
                yield Line(name, "", "", size.value)
            else:
                yield _line(name, size)


# -- symbols -----------------------------------------------------------------------------------------------------------


def traced_op(op: Op) -> Op:
    """The op with its numeric arguments as symbols."""
    replaced: dict[str, Any] = {}
    for info in op.fields:
        value = getattr(op, info.name)
        if not info.kind.numeric or isinstance(value, str) or value is None:
            continue
        if isinstance(value, tuple):
            axes = AXES.get(len(value)) if len(value) == op.rank else None
            suffixes = axes or tuple(f"_{i}" for i in range(len(value)))
            pairs = zip(value, suffixes, strict=True)
            replaced[info.name] = tuple(v if v is None else Traced.symbol(info.symbol + s, v) for v, s in pairs)
        else:
            replaced[info.name] = Traced.symbol(info.symbol, value)
    return op.replace(**replaced)


def _symbols(op: Op, tensor: Tensor, side: str, index: int, count: int) -> Tensor:
    names = _names(op, tensor, side, index, count)
    return tensor.with_shape(*(Traced.symbol(n, s) for n, s in zip(names, tensor.shape, strict=True)))  # type: ignore[arg-type]  # the traced reading enters here


def _names(op: Op, tensor: Tensor, side: str, index: int, count: int) -> tuple[str, ...]:
    """Names of dimensions: ``N, C_in, H_in, W_in``; numbered where there are several tensors."""
    number_ = str(index + 1) if count > 1 else ""
    names = dim_names(type(op), len(tensor.shape)) if tensor.shape else ()
    side_output = side == "out" and op.main_output is not None and index != op.main_output
    if side_output or tensor.batch != 0:  # a state, or what has no batch, has dimensions of its own
        names = tuple("N" if axis == tensor.batch else f"d{axis}" for axis in range(len(tensor.shape)))
    return tuple(name if name == "N" else f"{name}_{side}{number_}" for name in names)
