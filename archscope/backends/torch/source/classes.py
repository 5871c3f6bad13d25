"""One class for the parts that are alike: the same block in other places, with other numbers.

Parts of one block are laid over each other, layer by layer. What they have in common is the class; numbers that differ
become its parameters or arithmetic over them, layers that only some of them have become optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from archscope.backends.torch.source.calls import constructor
from archscope.backends.torch.source.express import ABSENT, Inexpressible, Name, Parameters, literal
from archscope.backends.torch.source.tree import Part, Path
from archscope.graph import Ref
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.base import TorchLayer

#: where a value comes from within a class: an input (its number), or a part (its label) and which of its outputs
Local = tuple[int, Path]
RESULT: Path = ("return",)

_SCALARS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size", "normalized_shape")
_USUAL: dict[str, Any] = {"stride": 1, "groups": 1, "dilation": 1, "padding": 0}


class Unlike(Exception):
    """Parts that no class of one forward pass fits."""


@dataclass(eq=False)
class Child:
    """A part of a class.

    Attributes:
        parts: in every place where the class is used; ``None`` where it is left out.
        reads: where its inputs come from.
        otherwise: what stands for its output where it is left out, if anything reads that.
        module: source of the module; empty for a function, and for one that is applied again.
        values: source of a function's arguments.
        condition: source of when it is there; empty if always.
    """

    label: Path
    parts: list[Part | None]
    reads: list[Local] = field(default_factory=list)
    otherwise: Local | None = None
    module: str = ""
    values: dict[str, str] = field(default_factory=dict)
    condition: str = ""

    @property
    def some(self) -> Part:
        """It, in a place where it is."""
        return next(part for part in self.parts if part is not None)

    @property
    def optional(self) -> bool:
        """Whether it is left out somewhere."""
        return None in self.parts

    @property
    def op(self) -> Op | None:
        """Its op, if it is a layer."""
        return None if self.some.step is None else self.some.step.layer.op

    @property
    def kind(self) -> str:
        """The name of its op; empty for a block."""
        return "" if self.op is None else type(self.op).__name__

    @property
    def stateless(self) -> bool:
        """Whether it is a layer with nothing to remember, so that one module may serve in several places."""
        steps = [part.step for part in self.parts if part is not None]
        return all(
            step is not None and not step.layer.op.parameters(*step.x) and not step.layer.op.buffers(*step.x)
            for step in steps
        )


@dataclass(eq=False)
class Class:
    """What parts that are alike have in common.

    Attributes:
        parts: the places where it is used.
        children: in the order of execution; none for a series.
        result: where its outputs come from.
        series: source of its modules, for one that is an ``nn.Sequential``.
    """

    name: str
    parts: list[Part]
    parameters: Parameters
    children: list[Child] = field(default_factory=list)
    result: list[Local] = field(default_factory=list)
    series: str = ""

    def argument(self, part: Part, parameter: str) -> Any:
        """The value of a parameter in one place."""
        return self.parameters.used[parameter][self.parts.index(part)]

    def some(self, parameter: str, values: list[Any]) -> list[Any]:
        """The values, or, where none of them matters, any that the parameter has elsewhere."""
        if any(value is not ABSENT for value in values):
            return values
        return [next(value for value in self.parameters.used[parameter] if value is not ABSENT)] * len(values)

    def default(self, parameter: str) -> Any:
        """The usual value of a parameter, where it has one; else ``ABSENT``."""
        values = self.parameters.used[parameter]
        if False in [value for value in values if isinstance(value, bool)]:
            return False
        usual = _USUAL.get(parameter, ABSENT)
        return usual if usual is not ABSENT and any(value == usual for value in values) else ABSENT

    def signature(self) -> list[str]:
        """The parameters, those with a default last."""
        first = {"in_channels": 0, "in_features": 0}
        return sorted(self.parameters.used, key=lambda name: (self.default(name) is not ABSENT, first.get(name, 1)))


class Classes:
    """The classes of a design.

    Args:
        root: its parts.
        tensors: what flows between them.
    """

    def __init__(self, root: Part, tensors: dict[Ref, Tensor], name: str, taken: Iterable[str] = ()) -> None:
        self._tensors = tensors
        self._names = {"Tensor", "Learned", "OrderedDict", "F", "nn", "torch", *taken}
        self._keys: dict[Part, tuple[Any, ...]] = {}
        self._around: dict[Part, Part] = {}
        self._groups: dict[tuple[Any, ...], list[Part]] = {}
        self._settled: set[tuple[Any, ...]] = set()
        self._in_line: set[Part] = set()
        self.of: dict[Part, Class] = {}
        self.ordered: list[Class] = []
        self._key(root, ())
        self._names.discard(name)
        self._root_name = name
        self._settle(self._keys[root])

    # -- which parts are alike -------------------------------------------------------------------------------------

    def _key(self, part: Part, around: tuple[Any, ...]) -> None:
        block = part.scope.block if part.scope is not None else None
        pattern = part.label if part.scope is None else tuple(re.sub(r"\d+", "#", label) for label in part.label)
        key = ("block", block) if block is not None else (*around, pattern)
        self._keys[part] = key
        self._groups.setdefault(key, []).append(part)
        for child in part.parts:
            if child.step is None:
                self._around[child] = part
                self._key(child, key)

    def _settle(self, key: tuple[Any, ...]) -> None:
        """Make the classes of parts that are alike, those within them first."""
        if key in self._settled:
            return
        self._settled.add(key)
        parts = self._groups[key]
        for part in parts:
            for child in part.parts:
                if child.step is None and self._keys[child] != key:
                    self._settle(self._keys[child])
        if parts[0].path and all(is_series(part) for part in parts) and self._serial(parts):
            self._settle_series(parts)
            return
        _trim(parts)
        for cluster in self._clusters(parts, key):
            self.ordered.append(cluster)

    def _clusters(self, parts: list[Part], key: tuple[Any, ...]) -> list[Class]:
        """As few classes as fit: a part joins the first one that it fits into."""
        try:
            return [self._made(parts, key)]
        except (Unlike, Inexpressible):
            if any(self._keys.get(child) == key for part in parts for child in part.parts):
                return self._by_height(parts, key)
        clusters: list[list[Part]] = []
        for part in parts:
            for cluster in clusters:
                if _fit([*cluster, part]):
                    cluster.append(part)
                    break
            else:
                clusters.append([part])
        return [self._made(cluster, (*key, number)) for number, cluster in enumerate(clusters)]

    def _by_height(self, parts: list[Part], key: tuple[Any, ...]) -> list[Class]:
        """A block within itself that no one class fits: a class for each number of levels below."""
        levels: dict[int, list[Part]] = {}
        for part in parts:
            levels.setdefault(self._height(part, key), []).append(part)
        for height, level in levels.items():
            for part in level:
                self._keys[part] = (*key, "level", height)
        return [one for height in sorted(levels) for one in self._clusters(levels[height], (*key, "level", height))]

    def _height(self, part: Part, key: tuple[Any, ...]) -> int:
        return max((1 + self._height(child, key) for child in part.parts if self._keys.get(child) == key), default=0)

    def _made(self, parts: list[Part], key: tuple[Any, ...]) -> Class:
        children, result = overlaid(parts)
        made = Class("", parts, self._parameters(parts), children, result)
        inner = [child for child in children if child.op is None and self._keys.get(child.some) == key]
        for child in children:
            self._value(child, made.parameters, inside=child in inner)
        if inner:
            before: list[str] = []
            while before != [*made.parameters.used]:
                before = [*made.parameters.used]
                sources = [{name: self._inner(child, made, name) for name in before} for child in inner]
        made.name = self._name(parts[0])
        for number, child in enumerate(inner):
            child.module = called(made, sources[number])
        self.of |= dict.fromkeys(parts, made)
        return made

    def _parameters(self, parts: list[Part]) -> Parameters:
        known: dict[str, list[Any]] = {}
        scopes = [self._variables(part) for part in parts]
        for name in dict.fromkeys(name for scope in scopes for name in scope):
            if all(name in scope for scope in scopes) and name.isidentifier():
                known[name] = [scope[name] for scope in scopes]
        for number in range(len(parts[0].inputs)):
            shapes = [self._tensors[part.inputs[number]].shape for part in parts]
            stem = "in_{}" if number == 0 else f"x{number + 1}_{{}}"
            if all(len(shape) > 2 for shape in shapes):
                known.setdefault(stem.format("channels"), [shape[1] for shape in shapes])
            if all(len(shape) in (2, 3) for shape in shapes):
                known.setdefault(stem.format("features"), [shape[-1] for shape in shapes])
        return Parameters(known, {"self", "x"})

    def _variables(self, part: Part) -> dict[str, Any]:
        """The parameters of the block around a part; words that name a layer stand for its class."""
        while part.scope is None and part in self._around:
            part = self._around[part]
        if part.scope is None:
            return {}
        return {name: _layer_class(value) for name, value in part.scope.variables}

    # -- values ----------------------------------------------------------------------------------------------------

    def _value(self, child: Child, parameters: Parameters, *, inside: bool) -> None:
        """Express the module of a child, or the arguments of a function.

        Args:
            inside: it is of the class that is being made, and has to wait for that.
        """
        if child.optional:
            child.condition = parameters.holds([part is not None for part in child.parts], f"with_{child.label[-1]}")
        step = child.some.step
        if child.some.again is not None or inside:
            return
        if step is None or constructor(step.layer.op, step.x) is not None:
            parts = [ABSENT if part is None else part for part in child.parts]
            child.module = self._source(parts, parameters, child.label)
            return
        if len({type(_op(part)) for part in child.parts if part is not None}) > 1:
            raise Unlike
        arguments = [ABSENT if part is None else _op(part).arguments() for part in child.parts]
        child.values = {
            name: parameters.express(_picked(arguments, name), name, fallback=_joint(child.label, name))
            for name in step.layer.op.arguments()
        }

    def _inner(self, child: Child, made: Class, name: str) -> str:
        values = [ABSENT if part is None else made.argument(part, name) for part in child.parts]
        return made.parameters.express(values, name, new=False)

    def _source(self, parts: list[Any], parameters: Parameters, label: Path) -> str:
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
            made = None if part is ABSENT else constructor(_op(part), part.step.x)
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
        return "series" if part in self._in_line else self.of[part]

    def _one(self, kind: Any, parts: list[Any], parameters: Parameters, label: Path) -> str:
        if kind == "series":
            return self._series(parts, parameters, label)
        if isinstance(kind, Class):
            sources = {}
            for name in kind.parameters.used:
                values = [ABSENT if part is ABSENT else kind.argument(part, name) for part in parts]
                sources[name] = parameters.express(kind.some(name, values), name, fallback=_joint(label, name))
            return called(kind, sources)
        if kind is None:
            raise Unlike
        return self._layer(kind, parts, parameters, label)

    def _layer(self, kind: str, parts: list[Any], parameters: Parameters, label: Path) -> str:
        made = [ABSENT if part is ABSENT else (constructor(_op(part), part.step.x) or ("", {}))[1] for part in parts]
        given = {name for one in made if one is not ABSENT for name in one}
        declared = [info.name for part in parts if part is not ABSENT for info in _op(part).fields]
        names = dict.fromkeys([*sorted(given - set(declared)), *(name for name in declared if name in given)])
        sources = {}
        for name in names:
            values = []
            for part, one in zip(parts, made, strict=True):
                values.append(ABSENT if part is ABSENT else _plain(name, one.get(name, _default(_op(part), name))))
            sources[name] = parameters.express(values, name, fallback=_joint(label, name))
        return _call(kind, sources, _op(next(part for part in parts if part is not ABSENT)))

    # -- series ----------------------------------------------------------------------------------------------------

    def _serial(self, parts: list[Part]) -> bool:
        """Whether each can be written where it stands."""
        try:
            for part in parts:
                self._series([part], self._parameters([part]), part.label)
        except (Unlike, Inexpressible):
            return False
        self._in_line.update(parts)
        return True

    def _settle_series(self, parts: list[Part]) -> None:
        """A series is written where it stands, unless it is a block of its own in several places."""
        block = parts[0].scope.block if parts[0].scope is not None else None
        inner = parts[0].parts[0]
        rounds = inner.scope is not None and inner.scope.block is None and inner.label[0].isdigit()
        if block is None or len(parts) < 2 or inner.step is not None or rounds:
            return
        parameters = self._parameters(parts)
        try:
            source = self._series([*parts], parameters, parts[0].label)
        except (Unlike, Inexpressible):
            return
        made = Class(self._name(parts[0]), parts, parameters, series=source)
        self.ordered.append(made)
        self.of |= dict.fromkeys(parts, made)
        self._in_line.difference_update(parts)

    def _series(self, parts: list[Any], parameters: Parameters, label: Path) -> str:
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
        counts = [ABSENT if run is ABSENT else len(run) for run in column]
        firsts = [ABSENT if not run or run is ABSENT else run[0] for run in column]
        steps = [ABSENT if not run or run is ABSENT else self._progress(run) for run in column]
        if _single(column):
            return self._source(firsts, parameters, label)
        kinds = {self._kind(part) for part in firsts if part is not ABSENT}
        if len(kinds) > 1:
            raise Unlike
        kind = next(iter(kinds))
        progress = any(any(step.values()) for step in steps if step is not ABSENT)
        count = parameters.express(counts, "count")
        if progress:
            element = called(kind, self._progression(kind, firsts, steps, parameters, label))
        else:
            element = self._one(kind, firsts, parameters, label)
        loop = f"for {'i' if progress or named else '_'} in range({count})"
        return f"*(({named}, {element}) {loop})" if named else f"*[{element} {loop}]"

    def _progression(
        self, kind: Any, firsts: list[Any], steps: list[Any], parameters: Parameters, label: Path
    ) -> dict[str, str]:
        sources = {}
        for name in kind.parameters.used:
            start = [ABSENT if part is ABSENT else kind.argument(part, name) for part in firsts]
            step = [ABSENT if step is ABSENT else step.get(name, 0) for step in steps]
            source = parameters.express(kind.some(name, start), name, fallback=_joint(label, name))
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
        """How much a parameter grows; ``None`` where it changes and is no number."""
        first, second = kind.argument(a, name), kind.argument(b, name)
        if first is ABSENT or second is ABSENT or (type(first) is type(second) and first == second):
            return 0
        return second - first if type(first) is int and type(second) is int else None

    def _progress(self, run: list[Part]) -> dict[str, Any]:
        kind = self._kind(run[0])
        if len(run) < 2 or not isinstance(kind, Class):
            return {}
        return {name: self._difference(kind, run[0], run[1], name) for name in kind.parameters.used}

    # -- names -----------------------------------------------------------------------------------------------------

    def _name(self, part: Part) -> str:
        if not part.path:
            return self._root_name
        block = part.scope.block if part.scope is not None else None
        word = block or re.sub(r"(?<=\D)_?\d+$", "", part.label[-1])
        if re.fullmatch(r"\d+", word):
            around = self._around[part]
            block = around.scope.block if around.scope is not None else None
            word = block or re.sub(r"s$", "", around.label[-1] if around.label else self._root_name)
        name = _camel(word) or "Part"
        stem, number = name, 2
        while name in self._names or name == self._root_name:
            name, number = f"{stem}{number}", number + 1
        self._names.add(name)
        return name


# -- how parts lie over each other -------------------------------------------------------------------------------------


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
        if child.kind_of_call in ("MultiheadAttention", "Parameter") or child.recomputed:
            return False
        flow = child.outputs
    return flow == part.outputs and _numbered(part)


def _numbered(part: Part) -> bool:
    matches = [re.fullmatch(r"(\D*)(\d+)", child.label[0]) for child in part.parts]
    found = [match for match in matches if match is not None]
    if len(found) != len(matches) or len({match[1] for match in found}) != 1:
        return False
    numbers, prefix = [int(match[2]) for match in found], found[0][1]
    if any(str(number) != match[2] for number, match in zip(numbers, found, strict=True)) or numbers != sorted(numbers):
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


def _trim(parts: list[Part]) -> None:
    """Forget inputs that no part reads."""
    counts = {len(part.inputs) for part in parts}
    if len(counts) > 1 or not parts[0].path:
        return
    for number in reversed(range(counts.pop())):
        if all(part.inputs[number] not in {ref for child in part.parts for ref in child.inputs} for part in parts):
            for part in parts:
                part.inputs = part.inputs[:number] + part.inputs[number + 1 :]


def _fit(parts: list[Part]) -> bool:
    try:
        overlaid(parts)
    except Unlike:
        return False
    return True


def overlaid(parts: list[Part]) -> tuple[list[Child], list[Local]]:
    """The children of parts that are alike, and where their outputs come from.

    Raises:
        Unlike: they are not.
    """
    if len({(len(part.inputs), len(part.outputs)) for part in parts}) > 1:
        raise Unlike
    order = _merged([[child.label for child in part.parts] for part in parts])
    lookup = [{child.label: child for child in part.parts} for part in parts]
    children = [Child(label, [found.get(label) for found in lookup]) for label in order]
    wiring = _Wiring(parts, children)
    for child in children:
        present = [part for part in child.parts if part is not None]
        if len({(len(part.inputs), len(part.outputs), part.again is None, part.recomputed) for part in present}) > 1:
            raise Unlike
        if len({_target(part, whole) for part, whole in zip(child.parts, parts, strict=True) if part is not None}) > 1:
            raise Unlike
        reads = [None if part is None else part.inputs for part in child.parts]
        child.reads = [wiring.resolve(reads, number) for number in range(len(present[0].inputs))]
    results = [part.outputs for part in parts]
    result = [wiring.resolve(results, number) for number in range(len(parts[0].outputs))]
    wiring.check()
    return children, result


def _target(part: Part, whole: Part) -> Path | None:
    """The part that is applied again, as seen from the part around it."""
    return None if part.again is None else part.again[len(whole.path) :]


def _merged(sequences: list[list[Path]]) -> list[Path]:
    """An order that all sequences follow.

    Raises:
        Unlike: there is none.
    """
    order: list[Path] = []
    for sequence in sorted(sequences, key=len, reverse=True):
        at = 0
        for label in sequence:
            if label in order:
                if order.index(label) < at:
                    raise Unlike
                at = order.index(label) + 1
            else:
                order.insert(at, label)
                at += 1
    return order


class _Wiring:
    """Where the inputs of children come from, in all parts at once."""

    def __init__(self, parts: list[Part], children: list[Child]) -> None:
        self._children = {child.label: child for child in children}
        self._order = {child.label: number for number, child in enumerate(children)}
        self._places: list[dict[Ref, set[Local]]] = []
        for number, part in enumerate(parts):
            places: dict[Ref, set[Local]] = {}
            for position, ref in enumerate(part.inputs):
                places.setdefault(ref, set()).add((position, ()))
            for child in children:
                here = child.parts[number]
                for position, ref in enumerate(here.outputs if here is not None else ()):
                    places.setdefault(ref, set()).add((position, child.label))
            self._places.append(places)

    def resolve(self, refs: Sequence[tuple[Ref, ...] | None], position: int) -> Local:
        """The one place that an input comes from.

        Raises:
            Unlike: there is none.
        """
        candidates: dict[int, set[Local]] = {}
        for number, found in enumerate(refs):
            if found is not None:
                candidates[number] = self._places[number].get(found[position], set())
        return self._common(candidates)

    def check(self) -> None:
        """See that what stands for a part that is left out is always there then.

        Raises:
            Unlike: it is not.
        """
        for child in self._children.values():
            instead = self._children.get(child.otherwise[1]) if child.otherwise is not None else None
            if instead is None or instead.otherwise is not None:
                continue
            if any(one is None and other is None for one, other in zip(child.parts, instead.parts, strict=True)):
                raise Unlike

    def _common(self, candidates: dict[int, set[Local]]) -> Local:
        shared = set.intersection(*candidates.values())
        if shared:
            return min(shared)
        for label in reversed(list(self._order)):
            child = self._children[label]
            there = {n: found for n, found in candidates.items() if child.parts[n] is not None}
            elsewhere = {n: found for n, found in candidates.items() if child.parts[n] is None}
            if there and elsewhere and all((0, label) in found for found in there.values()):
                otherwise = self._common(elsewhere)
                early = not otherwise[1] or self._order[otherwise[1]] < self._order[label]
                if not early or child.otherwise not in (None, otherwise):
                    raise Unlike
                child.otherwise = otherwise
                return (0, label)
        raise Unlike


# -- source ------------------------------------------------------------------------------------------------------------


def called(kind: Class, sources: dict[str, str]) -> str:
    """A class called with its arguments; those that have their usual value are left out."""
    given = []
    for number, name in enumerate(kind.signature()):
        usual = kind.default(name)
        if usual is not ABSENT and sources[name] == literal(usual):
            continue
        given.append(sources[name] if number < 2 and usual is ABSENT else f"{name}={sources[name]}")
    return f"{kind.name}({', '.join(given)})"


def _call(kind: str, sources: dict[str, str], op: Op) -> str:
    """A layer of torch with its arguments: the first ones by place, the others by name."""
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
    **dict.fromkeys(("RNN", "LSTM", "GRU"), ("input_size", "hidden_size")),
    "Linear": ("in_features", "out_features"),
    "Bilinear": ("in1_features", "in2_features", "out_features"),
    "GroupNorm": ("num_groups", "num_channels"),
    "LayerNorm": ("normalized_shape",),
    "RMSNorm": ("normalized_shape",),
    "Embedding": ("num_embeddings", "embedding_dim"),
    "MultiheadAttention": ("embed_dim", "num_heads"),
    "Learned": ("shape",),
}


def _op(part: Any) -> Op:
    op: Op = part.step.layer.op
    return op


def _picked(arguments: list[Any], name: str) -> list[Any]:
    return [one if one is ABSENT else one[name] for one in arguments]


def _default(op: Op, name: str) -> Any:
    return op.arguments().get(name)


def _plain(name: str, value: Any) -> Any:
    """One number where torch takes one for all axes."""
    if name in _SCALARS and isinstance(value, tuple) and len(set(value)) == 1 and value[0] is not None:
        return value[0] if name != "normalized_shape" or len(value) == 1 else value
    return value


def _layer_class(value: Any) -> Any:
    """A value; a word that names a layer of torch stands for its class."""
    if not isinstance(value, str):
        return value
    op = REGISTRY.get(value)
    return Name(f"nn.{value}") if op is not None and issubclass(op, TorchLayer) else str(value)


def _camel(word: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", word))


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower().replace(".", "_")


def _identifier(word: str) -> str:
    word = re.sub(r"\W", "_", word)
    return word if word[:1].isalpha() else f"part_{word}"


def _joint(label: Path, name: str) -> str:
    """The name of a parameter that belongs to one part of a class."""
    return f"{_identifier(label[-1])}_{name}"


def _kind_name(kind: Any) -> str:
    return kind.name if isinstance(kind, Class) else str(kind).removeprefix("nn.")
