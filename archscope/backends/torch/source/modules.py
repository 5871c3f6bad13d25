"""The source that makes the modules of a class: layers, other classes, and series of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archscope.backends.torch.source.calls import HELD, constructor, held, written
from archscope.backends.torch.source.express import Inexpressible, Name, Parameters, literal
from archscope.backends.torch.source.overlay import Class
from archscope.ops import Op
from archscope.structure.arithmetic import ABSENT
from archscope.structure.overlay import Unlike
from archscope.structure.parts import Part, Path

_SCALARS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size", "normalized_shape")


class Modules:
    """Writes modules.

    Args:
        of: the classes of parts, so far.
        in_line: series that are written where they stand.
        around: the part around each.
    """

    def __init__(self, of: Mapping[Part, Class], in_line: set[Part], around: Mapping[Part, Part]) -> None:
        self._of, self._in_line, self._around = of, in_line, around

    def source(self, parts: list[Any], parameters: Parameters, label: Path) -> str:
        """Source that makes the modules of a part."""
        kinds: dict[Any, list[Any]] = {}
        for number, part in enumerate(parts):
            if part is not ABSENT:
                kinds.setdefault(self._kind(part), [ABSENT] * len(parts))[number] = part
        if len(kinds) > 1 and all(isinstance(kind, str) for kind in kinds):
            passed = self._passed(parts, parameters)
            if passed is not None:
                return passed
        (kind, first), *others = kinds.items()
        source = self._one(kind, first, parameters, label)
        for other, some in others:
            holds = [ABSENT if part is ABSENT else part in some for part in parts]
            condition = parameters.holds(holds, f"{label[-1]}_{_snake(_kind_name(other))}")
            source = f"({self._one(other, some, parameters, label)} if {condition} else {source})"
        return source

    def _passed(self, parts: list[Any], parameters: Parameters) -> str | None:
        """Layers without arguments whose class is a parameter of the block."""
        names: list[Any] = []
        for part in parts:
            made = None if part is ABSENT else constructor(op_of(part), part.step.x)
            if made is not None and made[1]:
                return None
            names.append(ABSENT if made is None else Name(made[0]))
        try:
            return f"{parameters.express(names, '', new=False)}()"
        except Inexpressible:
            return None

    def _kind(self, part: Part) -> Any:
        if part.step is not None:
            made = constructor(part.step.layer.op, part.step.x)
            return None if made is None else made[0]
        return "series" if part in self._in_line else self._of[part]

    def _one(self, kind: Any, parts: list[Any], parameters: Parameters, label: Path) -> str:
        if kind == "series":
            return self.series(parts, parameters, label)
        if isinstance(kind, Class):
            sources = {}
            for name in kind.parameters.used:
                values = [ABSENT if part is ABSENT else kind.argument(part, name) for part in parts]
                sources[name] = parameters.express(kind.some(name, values), name, fallback=joint(label, name))
            return called(kind, sources)
        if kind is None:
            raise Unlike
        return self._layer(kind, parts, parameters, label)

    def _layer(self, kind: str, parts: list[Any], parameters: Parameters, label: Path) -> str:
        made = [ABSENT if part is ABSENT else (constructor(op_of(part), part.step.x) or ("", {}))[1] for part in parts]
        used = {name for one in made if one is not ABSENT for name in one}
        declared = [info.name for part in parts if part is not ABSENT for info in op_of(part).fields]
        names = dict.fromkeys([*sorted(used - set(declared)), *(name for name in declared if name in used)])
        sources = {}
        for name in names:
            values = []
            for part, one in zip(parts, made, strict=True):
                values.append(ABSENT if part is ABSENT else _plain(name, one.get(name, _default(op_of(part), name))))
            sources[name] = parameters.express(values, name, fallback=joint(label, name))
        return _call(kind, sources, op_of(next(part for part in parts if part is not ABSENT)))

    def series(self, parts: list[Any], parameters: Parameters, label: Path) -> str:
        """Source of an ``nn.Sequential``: by place where its parts are numbered from 0 on, else by name."""
        columns = self._columns(parts)
        present = [part for part in parts if part is not ABSENT]
        names = [[child.label[0] for child in part.parts] for part in present]
        longest = max(names, key=len)
        if any(some != longest[: len(some)] for some in names):
            raise Unlike
        if longest == [str(number) for number in range(len(longest))]:
            return f"nn.Sequential({', '.join(self._run(column, parameters, label) for column in columns)})"
        elements: list[str] = []
        for column in columns:
            behind = {sum(len(run) for run in before) for before in zip(*columns[: len(elements)], strict=True)} or {0}
            if len(behind) > 1:
                raise Unlike
            elements.append(self._named_run(column, parameters, label, longest[behind.pop() :]))
        if len(elements) == 1 and elements[0].startswith("*"):
            return f"nn.Sequential(OrderedDict({elements[0][2:-1]}))"
        return f"nn.Sequential(OrderedDict([{', '.join(elements)}]))"

    def _columns(self, parts: list[Any]) -> list[tuple[Any, ...]]:
        """The runs of all series, the first ones together, then the second ones, ..."""
        runs = [None if part is ABSENT else self._runs(part) for part in parts]
        most = max(len(run) for run in runs if run is not None)
        return list(zip(*([ABSENT] * most if run is None else _split(run, most) for run in runs), strict=True))

    def _named_run(self, column: Sequence[Any], parameters: Parameters, label: Path, names: list[str]) -> str:
        """Source of names with modules, for an ``OrderedDict``."""
        if _single(column):
            return f'("{names[0]}", {self._run(column, parameters, label)})'
        prefix, first = re.sub(r"\d+$", "", names[0]), int(re.sub(r"^\D*", "", names[0]))
        number = f"i + {first}" if first else "i"
        return self._run(column, parameters, label, named=f'f"{prefix}{{{number}}}"')

    def _run(self, column: Sequence[Any], parameters: Parameters, label: Path, *, named: str = "") -> str:
        """Source of equal modules, one after another."""
        firsts = [ABSENT if not run or run is ABSENT else run[0] for run in column]
        if _single(column):
            return self.source(firsts, parameters, label)
        kinds = {self._kind(part) for part in firsts if part is not ABSENT}
        if len(kinds) > 1:
            raise Unlike
        kind = next(iter(kinds))
        steps = [ABSENT if not run or run is ABSENT else self._progress(run) for run in column]
        progress = any(any(step.values()) for step in steps if step is not ABSENT)
        listed = self._listed(kind, column)
        if progress or listed:
            each = {name: "each" if len(listed) == 1 else f"each_{name}" for name in listed}
            sources = self._progression(kind, firsts, steps, parameters, label, each)
            element = called(kind, sources)
        else:
            element = self._one(kind, firsts, parameters, label)
        if listed:
            loop = self._over(kind, listed, each, parameters, label, counted=bool(progress or named))
        else:
            count = parameters.express([ABSENT if run is ABSENT else len(run) for run in column], "count")
            loop = f"for {'i' if progress or named else '_'} in range({count})"
        return f"*(({named}, {element}) {loop})" if named else f"*[{element} {loop}]"

    def _over(
        self,
        kind: Any,
        listed: Mapping[str, list[Any]],
        each: Mapping[str, str],
        parameters: Parameters,
        label: Path,
        *,
        counted: bool,
    ) -> str:
        """A loop over arguments that differ from part to part."""
        values = [
            parameters.express(kind.some(name, values_of), name, fallback=joint(label, name))
            for name, values_of in listed.items()
        ]
        one, over = ", ".join(each.values()), ", ".join(values)
        if len(values) > 1:
            one, over = (f"({one})" if counted else one), f"zip({over}, strict=True)"
        return f"for i, {one} in enumerate({over})" if counted else f"for {one} in {over}"

    def _listed(self, kind: Any, column: Sequence[Any]) -> dict[str, list[Any]]:
        """The arguments that differ along a run as no progression does: what they are, one after another."""
        if not isinstance(kind, Class):
            return {}
        rows_of: dict[str, list[Any]] = {}
        for name in kind.parameters.used:
            rows = [ABSENT if run is ABSENT else _filled([kind.argument(part, name) for part in run]) for run in column]
            if any(row is not ABSENT and len(set(row)) > 1 and type(row[0]) is float for row in rows):
                rows_of[name] = rows
        return rows_of

    def _progression(
        self,
        kind: Any,
        firsts: list[Any],
        steps: list[Any],
        parameters: Parameters,
        label: Path,
        each: Mapping[str, str],
    ) -> dict[str, str]:
        sources = {}
        for name in kind.parameters.used:
            if name in each:
                sources[name] = each[name]
                continue
            start = [ABSENT if part is ABSENT else kind.argument(part, name) for part in firsts]
            step = [ABSENT if step is ABSENT else step.get(name, 0) for step in steps]
            source = parameters.express(kind.some(name, start), name, fallback=joint(label, name))
            if any(one for one in step if one is not ABSENT):
                times = parameters.express(step, f"{name}_step")
                source = f"{source} + i" if times == "1" else f"{source} + {times} * i"
            sources[name] = source
        return sources

    def _runs(self, part: Part) -> list[list[Part]]:
        """The parts of a series, those together that one loop makes."""
        runs: list[list[Part]] = []
        for child in part.parts:
            if runs and self._continues(runs[-1], child):
                runs[-1].append(child)
            else:
                runs.append([child])
        return runs

    def _continues(self, run: list[Part], child: Part) -> bool:
        kind = self._kind(child)
        if not isinstance(kind, Class) or self._kind(run[0]) is not kind:
            return False
        step = {name: self._difference(kind, run[-1], child, name) for name in kind.parameters.used}
        if None in step.values():
            return False
        if len(run) == 1:
            return not any(step.values()) or self._goes_on(kind, child, step)
        return step == self._progress(run)

    def _goes_on(self, kind: Class, child: Part, step: dict[str, Any]) -> bool:
        """Whether the part behind differs as much again, so that the difference is a progression."""
        around = self._around[child].parts
        after = around[around.index(child) + 1 :][:1]
        return bool(after) and self._kind(after[0]) is kind and all(
            self._difference(kind, child, after[0], name) == step[name] for name in step
        )  # fmt: skip

    def _difference(self, kind: Class, a: Part, b: Part, name: str) -> Any:
        """How much a parameter grows; ``None`` where it changes and is no number. Real numbers are listed."""
        first, second = kind.argument(a, name), kind.argument(b, name)
        if first is ABSENT or second is ABSENT or (type(first) is type(second) and first == second):
            return 0
        if type(first) is type(second) is float:
            return 0
        return second - first if type(first) is int and type(second) is int else None

    def _progress(self, run: list[Part]) -> dict[str, Any]:
        kind = self._kind(run[0])
        if len(run) < 2 or not isinstance(kind, Class):
            return {}
        return {name: self._difference(kind, run[0], run[1], name) for name in kind.parameters.used}


# -- series ------------------------------------------------------------------------------------------------------------


def is_series(part: Part) -> bool:
    """Whether a block runs its parts one after another, and they are numbered: an ``nn.Sequential``."""
    if len(part.inputs) != 1 or not part.parts or part.again is not None:
        return False
    flow = part.inputs
    for child in part.parts:
        if child.inputs != flow or len(child.outputs) != 1 or len(child.label) != 1 or child.again is not None:
            return False
        if child.step is not None and constructor(child.step.layer.op, child.step.x) is None:
            return False
        if child.kind in ("MultiheadAttention", "Parameter", "Buffer", "Constant") or child.recomputed or child.no_grad:
            return False
        flow = child.outputs
    return flow == part.outputs and _numbered(part)


def _numbered(part: Part) -> bool:
    matches = [re.fullmatch(r"(\D*)(\d+)", child.label[0]) for child in part.parts]
    numbered = [match for match in matches if match is not None]
    if len(numbered) != len(matches) or len({match[1] for match in numbered}) != 1:
        return False
    numbers, prefix = [int(match[2]) for match in numbered], numbered[0][1]
    if any(str(number) != match[2] for number, match in zip(numbers, numbered, strict=True)) or numbers != sorted(
        numbers
    ):
        return False
    if not prefix:
        return True
    consecutive = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return consecutive and len(numbers) > 1 and all(child.step is None for child in part.parts)


def _single(column: Sequence[Any]) -> bool:
    """Whether nothing is repeated."""
    return all(run is ABSENT or len(run) == 1 for run in column)


def _split(run: list[list[Part]], length: int) -> list[list[Part]]:
    """As many runs as elsewhere: the first one without those behind it, none at the end."""
    run = [*run]
    while len(run) < length and len(run[0]) > 1 and len(run) == 1:
        run = [run[0][:1], run[0][1:]]
    return [*run, *([[]] * (length - len(run)))]


def _filled(values: list[Any]) -> tuple[Any, ...]:
    """Values one after another; those that do not matter are as another one is."""
    some = next((value for value in values if value is not ABSENT), ABSENT)
    return tuple(some if value is ABSENT else value for value in values)


# -- source ------------------------------------------------------------------------------------------------------------


def called(kind: Class, sources: dict[str, str]) -> str:
    """A class called with its arguments; those that have their usual value are left out."""
    texts = []
    for number, name in enumerate(kind.signature()):
        usual = kind.default(name)
        if usual is not ABSENT and sources[name] == literal(usual):
            continue
        texts.append(sources[name] if number < 2 and usual is ABSENT else f"{name}={sources[name]}")
    return f"{kind.name}({', '.join(texts)})"


def _call(kind: str, sources: dict[str, str], op: Op) -> str:
    """A layer of torch with its arguments: the first ones by place, the others by name."""
    if kind.partition(".")[0] in HELD:
        return held(kind, sources)
    order = _POSITIONAL.get(kind.removeprefix("nn."), ())
    leading = [name for name in order if name in sources]
    leading = leading if tuple(leading) == order[: len(leading)] else []
    if not order and len(sources) == 1 and op.fields:
        leading = [name for name in sources if name == op.fields[0].name]
    if not order and op.fields and op.fields[0].name in sources and op.fields[0].required:
        leading = [op.fields[0].name]
    rest = [f"{name}={source}" for name, source in sources.items() if name not in leading]
    return f"{kind}({', '.join([*(sources[name] for name in leading), *rest])})"


_CONVOLUTION = ("in_channels", "out_channels")
_POSITIONAL: dict[str, tuple[str, ...]] = {
    **{f"Conv{n}d": _CONVOLUTION for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _CONVOLUTION for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": ("num_features",) for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": ("num_features",) for n in (1, 2, 3)},
    **dict.fromkeys(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"), ("input_size", "hidden_size")),
    "Linear": ("in_features", "out_features"),
    "Bilinear": ("in1_features", "in2_features", "out_features"),
    "GroupNorm": ("num_groups", "num_channels"),
    "LayerNorm": ("normalized_shape",),
    "RMSNorm": ("normalized_shape",),
    "Embedding": ("num_embeddings", "embedding_dim"),
    "EmbeddingBag": ("num_embeddings", "embedding_dim"),
    "MultiheadAttention": ("embed_dim", "num_heads"),
}


def op_of(part: Any) -> Op:
    """The op of a part that is a layer."""
    op: Op = part.step.layer.op
    return op


def arguments_of(part: Any) -> dict[str, Any]:
    """The arguments of a part that is a function, as Python takes them."""
    return written(op_of(part), part.step.x)


def _default(op: Op, name: str) -> Any:
    return op.arguments().get(name)


def _plain(name: str, value: Any) -> Any:
    """One number where torch takes one for all axes."""
    if name in _SCALARS and isinstance(value, tuple) and len(set(value)) == 1 and value[0] is not None:
        return value[0] if name != "normalized_shape" or len(value) == 1 else value
    return value


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower().replace(".", "_")


def _identifier(word: str) -> str:
    word = re.sub(r"\W", "_", word)
    return word if word[:1].isalpha() else f"part_{word}"


def joint(label: Path, name: str) -> str:
    """The name of a parameter that belongs to one part of a class."""
    return f"{_identifier(label[-1])}_{name}"


def _kind_name(kind: Any) -> str:
    return kind.name if isinstance(kind, Class) else str(kind).removeprefix("nn.")
