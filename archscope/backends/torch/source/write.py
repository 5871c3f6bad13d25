"""The text of the classes: constructors and forward passes."""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from archscope.analysis.counts.account import analyze, runnable
from archscope.backends.torch.build import Network, build, free_name, refuse_opaque
from archscope.backends.torch.source.calls import FUNCTIONS, HELD, applied, begun, constructor, draws, targets
from archscope.backends.torch.source.classes import Classes, applied_again
from archscope.backends.torch.source.express import Name, literal
from archscope.backends.torch.source.overlay import Class
from archscope.design import Design, hold_drawn
from archscope.design.steps import Step
from archscope.errors import UsageError, counted
from archscope.ops.legal import has_type
from archscope.structure.arithmetic import ABSENT
from archscope.structure.names import free, numbered
from archscope.structure.overlay import Child, Local
from archscope.structure.parts import Part, tensors, tree


def unformatted(design: Design) -> str:
    """The source of a design, its lines not yet broken.

    Raises:
        UsageError: a recomputed group has no name, or the design has declared black boxes.
    """
    refuse_opaque(design, "written as source")
    hold_drawn("source", design)
    root = tree(design)
    _check_recomputed(design, root)
    classes = Classes(root, tensors(design), _class_name(design.name))
    network = build(design, device="meta")
    texts = [_ClassText(one, design, network).text() for one in classes.ordered]
    body = "\n\n".join(texts)
    held = [text for name, text in HELD.items() if re.search(rf"\b{name}\(", body)]
    return "\n".join([*_head(design, body, *held), "", *held, "", body])


def _check_recomputed(design: Design, root: Part) -> None:
    regions = {layer.checkpoint for layer in design.layers} - {None}
    missing = regions - {part.name for part in root.every() if part.recomputed}
    if missing:
        raise UsageError(
            "a group that is recomputed (`checkpoint: true`) has no name, and so no module that could be recomputed; "
            "give it a `name:`"
        )


def _class_name(name: str) -> str:
    words = re.split(r"[^A-Za-z0-9]+", name)
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return joined if joined[:1].isalpha() else f"Net{joined}"


def _head(design: Design, *texts: str) -> Iterator[str]:
    total = analyze(design, runnable(design)).total
    sizes = "; ".join(f"{node.name} {' x '.join(map(str, node.shape))}" for node in design.inputs)
    figures = f"{counted(total.params, 'parameter')}, {total.macs:,} MACs"
    body = "".join(texts)
    about = [f"{design.name}.", *([f"Source: {design.source}."] if design.source else [])]
    about += [
        f"Input {sizes.removeprefix('input ')} (without the batch): {figures}.",
        "Written by `archscope export --to torch`.",
    ]
    safe = [_documented(line) for text in about for line in textwrap.wrap(text, 85)]
    yield f'"""{safe[0]}'
    yield from ["", *safe[1:], '"""']
    yield ""
    if "OrderedDict(" in body:
        yield "from collections import OrderedDict"
    if "Path(__file__)" in body:
        yield "from pathlib import Path"
    if "OrderedDict(" in body or "Path(__file__)" in body:
        yield ""
    if "np.load(" in body:
        yield "import numpy as np"
    if re.search(r"\btorch\.|\(torch,", body):
        yield "import torch"
    if "F." in body:
        yield "import torch.nn.functional as F"
    yield "from torch import Tensor, nn"
    if "checkpoint(" in body:
        yield "from torch.utils.checkpoint import checkpoint"


def _overwritten(design: Design) -> set[str]:
    """The constants that a layer in place would change, for every later pass, too."""
    makers = {layer.name: layer for layer in design.layers}
    names = set()
    for layer in design.layers:
        if layer.op.arguments().get("inplace"):
            ref = layer.inputs[0]
            while ref.node in makers and makers[ref.node].op.view:
                ref = makers[ref.node].inputs[0]
            if ref.node in makers and makers[ref.node].kind == "Constant":
                names.add(ref.node)
    return names


def _documented(text: str) -> str:
    """Words as they may stand in a docstring: nothing ends it, and nothing in it cannot be printed."""
    printed = "".join(c if c.isprintable() else " " for c in text)
    return printed.replace("\\", "\\\\").replace('"', "'")


class _ClassText:
    """The text of one class."""

    def __init__(self, one: Class, design: Design, network: Network) -> None:
        self._class, self._design, self._network = one, design, network
        self._root = not one.parts[0].path
        self._overwritten = _overwritten(design)
        self._around = network if self._root else nn.Module()
        self._init: list[str] = []
        self._forward: list[str] = []
        self._attributes: dict[tuple[str, str], str] = {}
        self._taken = {self._own(child.label)[0] for child in one.children if not _shared(child)}
        self._stored: dict[str, str] = {}
        self._placed: set[tuple[str, ...]] = set()
        self._modules: dict[tuple[str, ...], str] = {}
        for child in one.children:
            if child.stateless and child.module and not child.condition and not _automatic(child):
                self._attributes.setdefault((child.label[-1], child.module), child.label[-1])

    def text(self) -> str:
        one = self._class
        base = "nn.Sequential" if one.series else "nn.Module"
        lines = [f"class {one.name}({base}):", f'    """{self._doc()}"""', ""]
        signature = ", ".join(["self", *(self._parameter(name) for name in one.signature())])
        if one.series:
            call = one.series.removeprefix("nn.Sequential")
            return "\n".join([*lines, f"    def __init__({signature}) -> None:", f"        super().__init__{call}", ""])
        self._write()
        lines += [f"    def __init__({signature}) -> None:", "        super().__init__()"]
        lines += [f"        {line}" for line in self._init]
        lines += ["", *(f"    {line}" for line in self._forward), ""]
        return "\n".join(lines)

    def _doc(self) -> str:
        part = self._class.parts[0]
        if self._root:
            return _documented(f"{self._design.name}.")
        others = len(self._class.parts) - 1
        return f"``{part.name}``" + (f" and {others} more." if others else ".")

    def _parameter(self, name: str) -> str:
        values = [value for value in self._class.parameters.used[name] if value is not ABSENT]
        several = len({len(value) for value in values if isinstance(value, tuple)}) > 1
        kinds = sorted({_annotation(value, several=several) for value in values})
        usual = self._class.default(name)
        return f"{name}: {' | '.join(kinds)}" + ("" if usual is ABSENT else f" = {literal(usual)}")

    # -- modules ---------------------------------------------------------------------------------------------------

    def _own(self, label: tuple[str, ...]) -> list[str]:
        """The names of a part's module, as the built module has them."""
        return [free_name(self._around if not depth else nn.Module(), word) for depth, word in enumerate(label)]

    def _module(self, child: Child) -> str:
        """The module of a child; what makes it is added to the constructor, once."""
        if child.label not in self._modules:
            self._modules[child.label] = self._made(child)
        return self._modules[child.label]

    def _made(self, child: Child) -> str:
        if child.some.again is not None:
            return _reached(self._own(child.some.again[len(self._class.parts[0].path) :]))
        own = self._own(child.label)
        made = child.module
        stem = _snake(re.sub(r"_\d+$", "", child.label[-1]))
        if _shared(child) and stem.isidentifier() and not keyword.iskeyword(stem):
            if (stem, made) in self._attributes:
                return f"self.{self._attributes[stem, made]}"
            own = [self._unused(stem)]
            self._attributes[stem, made] = own[0]
        elif child.condition:
            made = f"{made} if {child.condition} else None"
        self._place(own, made)
        return _reached(own)

    def _unused(self, name: str) -> str:
        name = free(name, lambda one: one in self._taken or free_name(self._around, one) != one)
        self._taken.add(name)
        return name

    def _place(self, names: list[str], made: str) -> None:
        for depth in range(1, len(names)):
            if tuple(names[:depth]) not in self._placed:
                self._place(names[:depth], "nn.Module()")
        self._placed.add(tuple(names))
        self._init.append(_assigned(names, made))

    # -- the forward pass ------------------------------------------------------------------------------------------

    def _write(self) -> None:
        one = self._class
        self._last = self._last_reads()
        self._names: dict[Local, str] = {}
        inputs = self._input_names()
        for number, name in enumerate(inputs):
            self._names[number, ()] = name
        lines: list[str] = []
        at = 0
        while at < len(one.children):
            run = self._run(at)
            if run is not None:
                lines += self._loop(run, at)
                at += len(run.children)
                continue
            group = self._group(at)
            lines += self._statements(group, at)
            at += len(group)
        names = [self._names[local] for local in one.result]
        if self._root and len(self._design.outputs) > 1:
            pairs = zip(self._design.outputs, names, strict=True)
            result = "{" + ", ".join(f"{literal(name)}: {value}" for (name, _), value in pairs) + "}"
            kind = "dict[str, Tensor]"
        else:
            result, kind = ", ".join(names), "Tensor" if len(names) == 1 else "tuple[Tensor, ...]"
        if len(names) == 1 and lines and lines[-1].startswith(f"{result} = "):
            result = lines.pop().removeprefix(f"{result} = ")
        signature = ", ".join(["self", *(f"{name}: Tensor" for name in inputs)])
        self._forward = [f"def forward({signature}) -> {kind}:", *(f"    {line}" for line in lines)]
        self._forward.append(f"    return {result}")
        if self._root:
            self._init += [*self._types(), *self._begins(), *self._frozen()]

    def _input_names(self) -> list[str]:
        count = len(self._class.parts[0].inputs)
        if count == 1:
            return ["x"]
        if self._root:
            return [_variable(node.name) for node in self._design.inputs]
        return [f"x{number + 1}" for number in range(count)]

    def _last_reads(self) -> dict[Local, int]:
        """The last child that reads each value; a result is read behind all of them."""
        last: dict[Local, int] = {}
        for number, child in enumerate(self._class.children):
            for local in (*child.reads, *((child.otherwise,) if child.otherwise is not None else ())):
                last[local] = number
        return last | dict.fromkeys(self._class.result, len(self._class.children))

    def _group(self, at: int) -> list[Child]:
        """Children that are there or left out together; one that is always there stands alone."""
        children = self._class.children
        first = children[at]
        group = [first]
        for child in children[at + 1 :]:
            if not first.optional or child.condition != first.condition or group[-1].otherwise is not None:
                break
            group.append(child)
        return group

    def _statements(self, group: list[Child], at: int) -> list[str]:
        if not group[0].optional:
            return self._guarded(group[0], self._statement(group[0], at))
        modules = [self._module(child) if child.module or applied_again(child.some) else "" for child in group]
        condition = next(
            (f"{module} is not None" for module, child in zip(modules, group, strict=True)
             if module and child.some.again is None and not (child.stateless and _automatic(child))),
            "",
        )  # fmt: skip
        condition = condition or self._flag(group[0])
        before = {child.label: self._names.get(child.otherwise) for child in group if child.otherwise is not None}
        guarded = [self._guarded(child, self._statement(child, at + number)) for number, child in enumerate(group)]
        lines = [line for part in guarded for line in part]
        otherwise = [
            f"{self._names[0, child.label]} = {before[child.label]}"
            for child in group
            if child.otherwise is not None and before[child.label] != self._names[0, child.label]
        ]
        if len(lines) == len(otherwise) == 1:
            target, expression = lines[0].split(" = ", 1)
            return [f"{target} = {expression} if {condition} else {otherwise[0].split(' = ', 1)[1]}"]
        text = [f"if {condition}:", *(f"    {line}" for line in lines)]
        return text + (["else:", *(f"    {line}" for line in otherwise)] if otherwise else [])

    @staticmethod
    def _guarded(child: Child, statement: str) -> list[str]:
        """A statement, under torch.no_grad where its layer is."""
        return ["with torch.no_grad():", f"    {statement}"] if child.some.no_grad else [statement]

    def _run(self, at: int) -> _Run | None:
        """Equal parts from here on that a loop may run, each on what the ones before it gave."""
        run = _equal(self._class.children[at:])
        if len(run) < _LEAST_LOOP:
            return None
        labels = [child.label for child in run]
        distances: list[int | None] = []
        for position in range(len(run[0].reads)):
            steps = {number - labels.index(child.reads[position][1])
                     for number, child in enumerate(run) if child.reads[position][1] in labels}  # fmt: skip
            distances.append(steps.pop() if len(steps) == 1 else None)
        before = {0 - distance: run[0].reads[position] for position, distance in enumerate(distances) if distance}
        if sorted(before) not in ([-1], [-2, -1]) or None in distances:
            return None
        expected = [before[number] for number in sorted(before)] + [(0, label) for label in labels]
        for number, child in enumerate(run):
            if child.reads != [expected[number - distance + len(before)] for distance in distances if distance]:
                return None
        inner = range(at, at + len(run))
        if any(self._last[local] not in inner for local in before.values()) or len({*before.values()}) < len(before):
            return None
        if any(self._last.get((0, label), at) not in inner for label in labels[: -len(before)]):
            return None
        return _Run(run, [distance for distance in distances if distance], list(before.values()))

    def _loop(self, run: _Run, at: int) -> list[str]:
        prefix, first = re.sub(r"\d+$", "", run.children[0].label[0]), run.numbers[0]
        bounds = f"{first}, {run.numbers[-1] + 1}" if first else f"{run.numbers[-1] + 1}"
        names = {distance: self._names[local] for distance, local in zip(run.distances, run.before, strict=True)}
        self._init.append(f"for i in range({bounds}):")
        self._init.append(f'    self.add_module(f"{prefix}{{i}}", {run.children[0].module})')
        call = f'self.get_submodule(f"{prefix}{{i}}")({", ".join(names[distance] for distance in run.distances)})'
        target = names[1] if len(names) == 1 else f"{names[1]}, {names[2]}"
        for distance, name in names.items():
            self._names[0, run.children[-distance].label] = name
        return [f"for i in range({bounds}):", f"    {target} = {call}" + (f", {names[1]}" if len(names) > 1 else "")]

    def _flag(self, child: Child) -> str:
        name = self._unused(f"use_{_variable(child.label[-1])}")
        self._init.append(f"self.{name} = {child.condition}")
        return f"self.{name}"

    def _statement(self, child: Child, at: int) -> str:
        reads = [self._names[local] for local in child.reads]
        outputs = len(child.some.outputs)
        call = self._call(child, reads)
        names = self._targets(child, at, outputs)
        if outputs > 1 or child.kind in ("Chunk", "Split"):
            return f"{targets(child.kind, names)} = {call}"
        return f"{names[0]} = {call}"

    def _call(self, child: Child, reads: list[str]) -> str:
        op, step = child.op, child.some.step
        if op is not None and step is not None and constructor(op, step.x) is None:
            sources = {name: self._argument(child, name, value) for name, value in child.values.items()}
            return _cut(child, FUNCTIONS[child.kind](reads, sources, len(step.x[0].shape) if step.x else 0))
        module = self._module(child)
        if child.some.recomputed:
            return f"checkpoint({', '.join([module, *reads])}, use_reentrant=False)"
        call = f"{module}({', '.join(reads)})" if op is None else _cut(child, applied(child.kind, module, reads, op))
        overwritten = any(part is not None and part.name in self._overwritten for part in child.parts)
        return f"{call}.clone()" if overwritten else call

    def _argument(self, child: Child, name: str, value: str) -> str:
        """An argument of a function in the forward pass: a number, or what the constructor has kept."""
        if not set(re.findall(r"[A-Za-z_]\w*", value)) & set(self._class.parameters.used):
            return value
        if value not in self._stored:
            attribute = self._unused(name)
            self._stored[value] = attribute
            self._init.append(f"self.{attribute} = {value}")
        return f"self.{self._stored[value]}"

    def _targets(self, child: Child, at: int, outputs: int) -> list[str]:
        alone = len(child.reads) == 1 and not child.optional
        dying = [
            self._names[local]
            for local in child.reads
            if self._dies(local, at) and not (alone and self._forks(local) and self._names[local] != "out")
        ]
        if child.otherwise is not None and self._dies(child.otherwise, at):
            dying = [self._names[child.otherwise], *dying]
        dying = dying if outputs == 1 else []
        names = []
        for number in range(max(outputs, 1)):
            local = (number, child.label)
            if local not in self._last:
                names.append("_")
            else:
                if number == 0 and dying:
                    self._names[local] = min(dying, key=lambda name: name != "x")
                else:
                    self._names[local] = self._new(child, number, at)
                names.append(self._names[local])
        return names

    def _dies(self, local: Local, at: int) -> bool:
        if self._last.get(local, -1) != at:
            return False
        name = self._names[local]
        return not any(
            other != local and self._names[other] == name and self._last.get(other, -1) > at for other in self._names
        )

    def _forks(self, local: Local) -> bool:
        """Whether several read a value; the last of them then gets a name of its own, as the others have."""
        return sum(local in child.reads for child in self._class.children) > 1

    def _new(self, child: Child, number: int, at: int) -> str:
        stem = _variable(child.label[-1] if not child.label[-1].isdigit() else "_".join(child.label))
        name, count = stem, 2
        alive = {name for local, name in self._names.items() if self._last.get(local, -1) >= at}
        if (child.op is not None or child.optional) and "out" not in alive and not number:
            return "out"
        while name in alive or (number and name == stem):
            name, count = f"{stem}_{count}", count + 1
        return name

    def _begins(self) -> Iterator[str]:
        """How parameters begin of which the spec says it, in the order of the layers; alike ones by one loop.

        Those that are drawn follow each other as the built module draws them.
        """
        loops: list[tuple[str, list[str]]] = []
        drawn: tuple[str, list[str]] | None = None
        for step in self._network.layer_steps:
            for name, value in step.layer.begins:
                call = begun(value)
                loop = next((one for one in reversed(loops) if one[0] == call), None)
                if loop is None or (draws(value) and loop is not drawn):
                    loop = (call, [])
                    loops.append(loop)
                drawn = loop if draws(value) else drawn
                loop[1].append(f'"{self._network.names[step.layer.name]}.{name}"')
        for call, names in loops:
            if len(names) == 1:
                yield call.format(f"self.get_parameter({names[0]})")
            else:
                yield f"for name in ({', '.join(names)}):"
                yield f"    {call.format('self.get_parameter(name)')}"

    def _types(self) -> Iterator[str]:
        """What is held in a floating type of its own, as few parts as say it."""
        waiting = [self._class.parts[0]]
        while waiting:
            part = waiting.pop(0)
            made = [step for step in _leaves(part) if constructor(step.layer.op, step.x) is not None]
            held = {step.layer.held for step in made if step.layer.held or has_type(step.layer.op, step.x)}
            if part.again is not None or held <= {None}:
                continue
            if len(held) == 1:
                place = _reached(self._own(part.path)) if part.path else "self"
                yield f"{place}.to(torch.{held.pop()})"
            else:
                waiting += part.parts

    def _frozen(self) -> Iterator[str]:
        """What is not trained, as few parts as say it."""

        def frozen(part: Part) -> bool:
            steps = _leaves(part)
            whole = all(len(step.layer.frozen) == len(step.layer.op.parameters(*step.x)) for step in steps)
            return whole and any(step.layer.frozen for step in steps)

        waiting = [self._class.parts[0]]
        while waiting:
            part = waiting.pop(0)
            if part.again is not None:
                continue
            place = _reached(self._own(part.path)) if part.path else "self"
            if frozen(part):
                yield f"{place}.requires_grad_(False)"
            elif part.step is not None:
                for name in part.step.layer.frozen:
                    yield f"{place}.{name}.requires_grad_(False)"
            else:
                waiting += part.parts


def _leaves(part: Part) -> list[Step]:
    """The layers of a part that have weights of their own, if any."""
    return [leaf.step for leaf in part.every() if leaf.step is not None and leaf.step.layer.shares is None]


def _cut(child: Child, call: str) -> str:
    """A call cut from what is behind it, where torch.no_grad does not: a layer may give its input itself."""
    step = child.some.step
    if not child.some.no_grad or step is None or step.layer.op.parameters(*step.x):
        return call
    return call if len(step.y) > 1 or child.kind in ("Chunk", "Split") else f"{call}.detach()"


#: as many equal parts are written as a loop
_LEAST_LOOP = 3


@dataclass
class _Run:
    """Equal parts, one after another.

    Attributes:
        distances: for each input, how many parts before it is made.
        before: what the first part reads for each.
    """

    children: list[Child]
    distances: list[int]
    before: list[Local]

    @property
    def numbers(self) -> list[int]:
        """The numbers in their names."""
        return [label[1] for child in self.children if (label := numbered(child.label[0])) is not None]


def _equal(children: list[Child]) -> list[Child]:
    """The first children that are made alike and are numbered."""
    run: list[Child] = []
    stem, number = "", 0
    for child in children:
        here = numbered(child.label[0])
        if len(child.label) > 1 or here is None or child.op is not None or not child.module or child.optional:
            break
        if child.some.recomputed or child.some.again is not None or len(child.some.outputs) != 1:
            break
        if run and (child.module != run[0].module or child.label[0] != f"{stem}{number + 1}"):
            break
        stem, number = here
        run.append(child)
    return run


def _automatic(child: Child) -> bool:
    """Whether a layer has no name of its own: it is called after its word, or as it would be without a name."""
    step = child.some.step
    return step is not None and (not step.layer.named or re.sub(r"_\d+$", "", child.label[-1]) == child.kind)


def _shared(child: Child) -> bool:
    """Whether its module may serve others that are alike, under a name after its kind."""
    return child.stateless and len(child.label) == 1 and _automatic(child)


def _reached(names: list[str]) -> str:
    if all(name.isidentifier() and not keyword.iskeyword(name) for name in names):
        return ".".join(["self", *names])
    if len(names) == 1:
        return f'getattr(self, "{names[0]}")'
    return f'self.get_submodule("{".".join(names)}")'


def _holder(names: list[str]) -> str:
    return _reached(names[:-1]) if len(names) > 1 else "self"


def _assigned(names: list[str], made: str) -> str:
    if names[-1].isidentifier() and not keyword.iskeyword(names[-1]):
        return f"{_holder(names)}.{names[-1]} = {made}"
    return f'{_holder(names)}.add_module("{names[-1]}", {made})'


def _annotation(value: Any, *, several: bool = False) -> str:
    """The type of an argument.

    Args:
        several: whether it is a tuple of one length here and of another there.
    """
    if isinstance(value, Name):
        return "type[nn.Module]"
    if isinstance(value, tuple) and several:
        return f"tuple[{' | '.join(sorted({_annotation(one) for one in value})) or 'float'}, ...]"
    if isinstance(value, tuple):
        return "tuple[" + ", ".join(_annotation(one) for one in value) + "]"
    return "None" if value is None else type(value).__name__


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", word).lower()


def _variable(word: str) -> str:
    name = re.sub(r"\W", "_", _snake(word))
    name = name if name[:1].isalpha() or name[:1] == "_" else f"y_{name}"
    taken = keyword.iskeyword(name) or hasattr(builtins, name) or name in ("torch", "nn", "self", "checkpoint", "_")
    return f"{name}_" if taken else name
