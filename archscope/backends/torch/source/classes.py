"""One class for the parts that are alike: the same block in other places, with other numbers.

Parts of one block are laid over each other, layer by layer. What they have in common is the class; numbers that differ
become its parameters or arithmetic over them, layers that only some of them have become optional.
"""

from __future__ import annotations

import re
from typing import Any

from archscope.backends.torch.source.calls import HELD, constructor
from archscope.backends.torch.source.express import RESERVED, Inexpressible, Name, Parameters
from archscope.backends.torch.source.modules import Modules, arguments_of, called, is_series, joint, op_of
from archscope.backends.torch.source.overlay import Class
from archscope.design.graph import Ref
from archscope.ops import REGISTRY, Tensor
from archscope.ops.base import TorchLayer
from archscope.structure.arithmetic import ABSENT
from archscope.structure.likeness import clusters
from archscope.structure.names import free, pattern
from archscope.structure.overlay import Child, Unlike, fit, overlaid, trim
from archscope.structure.parts import Part


class Classes:
    """The classes of a design.

    Args:
        root: its parts.
        tensors: what flows between them.
        name: of the outermost class.

    Attributes:
        ordered: each class behind those that it uses.
    """

    def __init__(self, root: Part, tensors: dict[Ref, Tensor], name: str) -> None:
        self._tensors = tensors
        self._names = {*HELD, *RESERVED}
        self._keys: dict[Part, tuple[Any, ...]] = {}
        self._around: dict[Part, Part] = {}
        self._groups: dict[tuple[Any, ...], list[Part]] = {}
        self._settled: set[tuple[Any, ...]] = set()
        self._in_line: set[Part] = set()
        self.of: dict[Part, Class] = {}
        self.ordered: list[Class] = []
        self._modules = Modules(self.of, self._in_line, self._around)
        self._key(root, ())
        self._root_name = f"{name}Net" if name in self._names else name
        self._settle(self._keys[root])

    # -- which parts are alike -------------------------------------------------------------------------------------

    def _key(self, part: Part, around: tuple[Any, ...]) -> None:
        block = part.scope.block if part.scope is not None else None
        label = part.label if part.scope is None else pattern(part.label)
        key = ("block", block) if block is not None else (*around, label)
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
        trim(parts)
        for cluster in self._clusters(parts, key):
            self.ordered.append(cluster)

    def _clusters(self, parts: list[Part], key: tuple[Any, ...]) -> list[Class]:
        """As few classes as fit: a part joins the first one that it fits into."""
        try:
            return [self._made(parts, key)]
        except (Unlike, Inexpressible):
            if any(self._keys.get(child) == key for part in parts for child in part.parts):
                return self._by_height(parts, key)
        together = clusters([[part] for part in parts], fit)
        return [self._made([parts[at] for at in some], (*key, number)) for number, some in enumerate(together)]

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
        vectors: dict[str, list[Any]] = {}
        scopes = [self._variables(part) for part in parts]
        for name in dict.fromkeys(name for scope in scopes for name in scope):
            if all(name in scope for scope in scopes) and name.isidentifier() and name not in RESERVED:
                vectors[name] = [scope[name] for scope in scopes]
        for number in range(len(parts[0].inputs)):
            shapes = [self._tensors[part.inputs[number]].shape for part in parts]
            stem = "in_{}" if number == 0 else f"x{number + 1}_{{}}"
            if all(len(shape) > 2 for shape in shapes):
                vectors.setdefault(stem.format("channels"), [shape[1] for shape in shapes])
            if all(len(shape) in (2, 3) for shape in shapes):
                vectors.setdefault(stem.format("features"), [shape[-1] for shape in shapes])
        return Parameters(vectors, {*RESERVED})

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
        if inside or applied_again(child.some):
            return
        if step is None or constructor(step.layer.op, step.x) is not None:
            parts = [ABSENT if part is None else part for part in child.parts]
            child.module = self._modules.source(parts, parameters, child.label)
            return
        if len({type(op_of(part)) for part in child.parts if part is not None}) > 1:
            raise Unlike
        arguments = [ABSENT if part is None else arguments_of(part) for part in child.parts]
        child.values = {
            name: parameters.express(_picked(arguments, name), name, fallback=joint(child.label, name))
            for name in step.layer.op.arguments()
        }

    def _inner(self, child: Child, made: Class, name: str) -> str:
        values = [ABSENT if part is None else made.argument(part, name) for part in child.parts]
        return made.parameters.express(values, name, new=False)

    def _serial(self, parts: list[Part]) -> bool:
        """Whether each can be written where it stands."""
        try:
            for part in parts:
                self._modules.series([part], self._parameters([part]), part.label)
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
            source = self._modules.series([*parts], parameters, parts[0].label)
        except (Unlike, Inexpressible):
            return
        made = Class(self._name(parts[0]), parts, parameters, series=source)
        self.ordered.append(made)
        self.of |= dict.fromkeys(parts, made)
        self._in_line.difference_update(parts)

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
        name = free(name, {*self._names, self._root_name}, joint="")
        self._names.add(name)
        return name


def _picked(arguments: list[Any], name: str) -> list[Any]:
    return [one if one is ABSENT else one[name] for one in arguments]


def _layer_class(value: Any) -> Any:
    """A value; a word that names a layer of torch stands for its class."""
    if not isinstance(value, str):
        return value
    op = REGISTRY.get(value)
    return Name(f"nn.{value}") if op is not None and issubclass(op, TorchLayer) else str(value)


def _camel(word: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", word))


def applied_again(part: Part) -> bool:
    """Whether a part applies another's module again; a function has none, and is written out with its arguments."""
    return part.again is not None and (part.step is None or constructor(part.step.layer.op, part.step.x) is not None)
