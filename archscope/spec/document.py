"""A spec as its author wrote it: the parts of the file, each with its place; ``include`` and ``extends`` resolved."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from keyword import iskeyword
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from archscope.autograd.dtypes import full_name, misnamed
from archscope.design import Accuracy, Budget, Expectation
from archscope.errors import SpecError, closest, suggestion
from archscope.errors.diagnostics import MOST_REPORTED, Diagnostic, Mark, Source
from archscope.ops.fields import DTYPES
from archscope.spec import language, library
from archscope.spec.budgets import read_limit
from archscope.spec.expressions import ExpressionError, NoNames, evaluate
from archscope.spec.limits import LONGEST_EXPRESSION, LONGEST_NAME, MOST_DECLARED, MOST_FILES
from archscope.spec.reader import MODIFIERS, ListNode, MapNode, Node, ScalarNode, read, read_file

if TYPE_CHECKING:
    from archscope.spec.section import SweepSection

CONVENTIONS = ("torch", "keras")
BLOCK_NAME = re.compile(r"[a-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Block:
    """A named list of layers with a signature.

    Attributes:
        parameters: names, each with the text of its default (``None`` where it must be given).
        outputs: which of its tensors it gives, by name; what its last layer gives where it does not say.
    """

    name: str
    parameters: tuple[tuple[str, str | None], ...]
    body: ListNode
    mark: Mark
    outputs: Node | None = None

    @property
    def parts(self) -> tuple[Node, ...]:
        """All that is written of it."""
        return (self.body,) if self.outputs is None else (self.body, self.outputs)

    @property
    def signature(self) -> str:
        """As the spec writes it: ``conv_bn(out, kernel=1)``."""
        inner = ", ".join(name if default is None else f"{name}={default}" for name, default in self.parameters)
        return f"{self.name}({inner})"

    @cached_property
    def takes(self) -> int | None:
        """How many tensors it can be given: as many as its body names by ``input[1]``; ``None`` is any number."""
        places = [match[1] for part in self.parts for text in _texts(part) if (match := _GIVEN.match(text))]
        return None if not all(map(_PLACE.fullmatch, places)) else 1 + max(map(int, places), default=0)


_GIVEN = re.compile(r"input\[([^\]]*)\]")
_PLACE = re.compile("[0-9]{1,9}")


def _texts(node: Node) -> Iterator[str]:
    """All words in a part of a spec."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ScalarNode):
            yield one.text
        else:
            waiting.extend(one.items if isinstance(one, ListNode) else one.entries.values())


@dataclass(frozen=True)
class InputDeclaration:
    """A graph input as it stands in a spec; its sizes may be expressions."""

    shape: ListNode
    dtype: str | None
    mark: Mark


@dataclass
class Document:
    """The parts of a spec.

    Attributes:
        texts: all that it was made of: its own, and those that it includes and extends.
        broken: blocks (``conv_bn``) and keys (``layers:``) that a mistake has left out.
    """

    source: Source
    texts: tuple[str, ...] = ()
    name: str = ""
    citation: str = ""
    description: str = ""
    inputs: dict[str, InputDeclaration] = field(default_factory=dict)
    vars: dict[str, Node] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    layers: ListNode | None = None
    freeze: Node | None = None
    init: Node | None = None
    outputs: Node | None = None
    expectations: list[Expectation] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    accuracy: list[Accuracy] = field(default_factory=list)
    sweep: SweepSection | None = None
    problems: list[Diagnostic] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    @property
    def is_library(self) -> bool:
        """Whether it only offers blocks and variables to others."""
        return self.layers is None and not self.inputs and not self.problems and bool(self.blocks or self.vars)


def load_document(source: Source, folder: Path | None) -> Document:
    """Read a spec and everything that it includes and extends.

    Args:
        folder: where relative paths in it start.

    Raises:
        SpecError: a file that cannot be read; smaller mistakes are collected in ``problems``.
    """
    loader = _Loader()
    document = loader.load(source, folder, ())
    document.texts = tuple(loader.texts)
    _hold_sizes(document)
    if document.sweep is not None:
        from archscope.spec.section import unknown_axes

        document.problems.extend(unknown_axes(document, document.sweep))
    return document


def _hold_sizes(document: Document) -> None:
    """Hold that nothing is declared by the thousand.

    Raises:
        SpecError: something is; what is wrong besides is told, too.
    """
    declared: dict[str, list[Mark | None]] = {
        "variables": [one.mark for one in document.vars.values()],
        "blocks": [block.mark for block in document.blocks.values()],
        "inputs": [one.mark for one in document.inputs.values()],
        "outputs": _marks(document.outputs),
        "figures": [*(one.mark for one in document.expectations), *(one.mark for one in document.budgets)],
        "recorded facts": [None] * len(document.accuracy),
    }
    for what, marks in declared.items():
        if len(marks) > MOST_DECLARED:
            place = marks[MOST_DECLARED] or Mark(document.source, 1, 1)
            many = Diagnostic(f"{len(marks):,} {what}; the most is {MOST_DECLARED:,}", place)
            raise SpecError([*document.problems, many])


def _marks(node: Node | None) -> list[Mark | None]:
    """The places of the entries of a list or a mapping."""
    if isinstance(node, ListNode):
        return [item.mark for item in node.items]
    return list(node.keys.values()) if isinstance(node, MapNode) else []


class _Loader:
    """One loading: counts files and sees cycles."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def load(self, source: Source, folder: Path | None, chain: tuple[Path, ...]) -> Document:
        self.texts.append(source.text)
        root = read(source)
        if isinstance(root, ScalarNode) and root.value is None:
            hint = "a spec has at least `input:` and `layers:`"
            mark = None if chain else root.mark  # of one that another wants, the place where it does
            raise SpecError([Diagnostic(f"{source.name} is empty", mark, hint)])
        if not isinstance(root, MapNode):
            hint = "it has keys such as `name:`, `input:` and `layers:`"
            raise SpecError([Diagnostic("a spec is a mapping", root.mark, hint)])
        parts = _Parts(source, root)
        document = parts.document
        base = root.entries.get("extends")
        included = root.entries.get("include")
        unread: list[Diagnostic] = []
        for node in included.items if isinstance(included, ListNode) else [included] if included else []:
            library_document = self._other(node, folder, chain, document, unread)
            document.vars = library_document.vars | document.vars
            document.blocks = library_document.blocks | document.blocks
        if base is not None:
            document = _extended(self._other(base, folder, chain, document, unread), document)
        if unread:  # what they would have declared would be missed everywhere
            raise SpecError([*unread, *document.problems])
        return document

    def _other(
        self, node: Node, folder: Path | None, chain: tuple[Path, ...], document: Document, unread: list[Diagnostic]
    ) -> Document:
        """The document that another includes or extends; an empty one, and a mistake, if it cannot be read."""
        try:
            if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
                raise SpecError([Diagnostic("expected the path or the name of a spec", node.mark)])
            path = library.find(node.value, folder or Path())
            if path.resolve() in chain:
                raise SpecError([Diagnostic(f"{node.value} includes or extends itself", node.mark)])
            if len(self.texts) >= MOST_FILES:
                raise SpecError([Diagnostic(f"more than {MOST_FILES} files", node.mark)])
            other = self.load(read_file(path), path.parent, (*chain, path.resolve()))
        except SpecError as error:  # of a file that cannot be read, say who asked for it
            unread.extend(replace(d, mark=d.mark or node.mark) for d in error.diagnostics)
            return Document(document.source)
        document.problems.extend(other.problems)
        document.broken |= other.broken
        other.problems = []
        return other


def _extended(base: Document, child: Document) -> Document:
    """The child with what it leaves out taken from its base; figures about the base stay with the base.

    A sweep is asked of whatever design stands there, so the child has that of its base if it has none itself.
    """
    return replace(
        child,
        name=child.name or base.name,
        citation=child.citation or base.citation,
        description=child.description,
        inputs=child.inputs or base.inputs,
        vars=base.vars | child.vars,
        blocks=base.blocks | child.blocks,
        layers=base.layers if child.layers is None else child.layers,
        freeze=base.freeze if child.freeze is None else child.freeze,
        init=base.init if child.init is None else child.init,
        outputs=child.outputs or base.outputs,
        sweep=child.sweep or base.sweep,
    )


class _Parts:
    """Reads the top level of one file."""

    def __init__(self, source: Source, root: MapNode) -> None:
        self.document = Document(source)
        for key, node in sorted(root.entries.items(), key=lambda entry: entry[0] != language.KEY):
            reader = _READERS.get(key)
            if reader is None:
                self.document.broken.add(f"{closest(key, _READERS)}:")
                hint = suggestion(key, _READERS) or f"a spec has the keys {', '.join(_READERS)}"
                self.error(f"unknown key `{key}`", root.keys[key], hint)
            else:
                reader(self, node)

    def error(self, message: str, mark: Mark | None, hint: str = "") -> None:
        self.document.problems.append(Diagnostic(message, mark, hint))
        if len(self.document.problems) >= MOST_REPORTED:
            raise SpecError(self.document.problems)

    def text(self, node: Node) -> str:
        if isinstance(node, ScalarNode):
            return "" if node.value is None else node.text
        self.error("expected text", node.mark)
        return ""

    def mapping(self, node: Node, what: str, keys: Iterable[str] | None = None) -> Iterable[tuple[str, Node, Mark]]:
        """The entries of a mapping; wrong ones are reported and left out."""
        if isinstance(node, ScalarNode) and node.value is None:
            return
        if not isinstance(node, MapNode):
            self.error(f"expected {what}", node.mark)
            return
        for key, value in node.entries.items():
            if keys is not None and key not in keys:
                self.error(f"unknown key `{key}`", node.keys[key], suggestion(key, keys) or f"keys: {', '.join(keys)}")
            else:
                yield key, value, node.keys[key]

    def read_language(self, node: Node) -> None:
        """The version of the spec language.

        Raises:
            SpecError: a newer one, by whose rules nothing else in the file can be judged.
        """
        number = node.value if isinstance(node, ScalarNode) and type(node.value) is int else 0
        if number > language.LANGUAGE:
            message = f"version {number} of the spec language; this archscope reads version {language.LANGUAGE}"
            raise SpecError([Diagnostic(message, node.mark, "`pip install --upgrade archscope`")])
        if number < 1:
            hint = f"as in `{language.KEY}: {language.LANGUAGE}`"
            self.error("the version of the spec language is a whole number", node.mark, hint)

    def read_name(self, node: Node) -> None:
        self.document.name = self.text(node)

    def read_source(self, node: Node) -> None:
        self.document.citation = self.text(node)

    def read_description(self, node: Node) -> None:
        self.document.description = self.text(node)

    def read_elsewhere(self, node: Node) -> None:
        """``include`` and ``extends`` are read by the loader."""

    def read_input(self, node: Node) -> None:
        self._declare_input("input", node)

    def read_inputs(self, node: Node) -> None:
        for name, value, mark in self.mapping(node, "named inputs: `image: [3, 224, 224]`"):
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                self.error(f"`{name}` is not a name", mark, "letters, digits, _ and -")
            self._declare_input(name, value)

    def _declare_input(self, name: str, node: Node) -> None:
        shape: Node | None = node
        entries: dict[str, Node] = {}
        dtype = None
        if isinstance(node, MapNode):
            entries = {k: v for k, v, _ in self.mapping(node, "shape and dtype", ("shape", "dtype"))}
            shape = entries.get("shape")
            if "dtype" in entries:
                dtype = full_name(self.text(entries["dtype"]))
                if dtype not in DTYPES:
                    self.error(f"unknown dtype `{dtype}`", entries["dtype"].mark, _of_types(dtype))
                    dtype = (
                        closest(dtype, DTYPES) or "float"
                    )  # what was likely meant, so that nothing follows from the mistake
        if not isinstance(shape, ListNode):
            self.document.broken.add("input:")
            if not isinstance(node, MapNode) or len(node.entries) == len(entries):  # else a misspelt key has been told
                self.error("an input is a list of sizes without the batch", node.mark, "as in `input: [3, 224, 224]`")
            return
        if name in self.document.inputs:
            self.error(f"the input `{name}` is declared twice", node.mark)
        self.document.inputs[name] = InputDeclaration(shape, None if dtype == "float" else dtype, node.mark)

    def read_vars(self, node: Node) -> None:
        for name, value, mark in self.mapping(node, "variables: `width: 64`"):
            if self._variable(name, mark):
                self.document.vars[name] = value

    def _variable(self, name: str, mark: Mark) -> bool:
        """Whether a name can be a variable's; a mistake if it cannot."""
        if is_variable(name):
            return True
        taken = name.isidentifier()
        message = f"`{name}` has a meaning of its own" if taken else f"`{name}` is not a variable name"
        self.error(message, mark, "choose another name" if taken else "letters, digits and _")
        return False

    def read_blocks(self, node: Node) -> None:
        for key, body, mark in self.mapping(node, "blocks: `conv_bn(out, kernel=1): [...]`"):
            block = self._block(key, body, mark)
            if block is not None:
                if block.name in self.document.blocks:
                    self.error(f"the block `{block.name}` is defined twice", mark)
                self.document.blocks[block.name] = block

    def _block(self, key: str, body: Node, mark: Mark) -> Block | None:
        name = key.partition("(")[0].strip()
        if not BLOCK_NAME.fullmatch(name) or name in ENTRY_KEYS or len(name) > LONGEST_NAME:
            form = "a small letter, then letters, digits and _: ops are capitalised, blocks are not"
            hint = "it means something else in a layer" if name in ENTRY_KEYS else form
            self.error(f"`{name}` cannot be the name of a block", mark, hint)
            return None
        layers, outputs = self._body(body)
        if layers is None:
            form = "of several outputs it is `{layers: [...], outputs: [...]}`"
            hint = form if isinstance(body, MapNode) else "begin each layer with `- `"
            self.error(f"the body of block `{name}` is a list of layers", body.mark, hint)
            self.document.broken.add(name)
            return None
        few = len(self.document.blocks) <= MOST_DECLARED  # more are refused together, their signatures unread
        parameters = self._signature(key, mark) if few else ()
        if parameters is None:
            self.document.broken.add(name)
            return None
        return Block(name, parameters, layers, mark, outputs)

    def _body(self, node: Node) -> tuple[ListNode | None, Node | None]:
        """The layers of a block, and its outputs if it names them; no layers where they are no list."""
        if not isinstance(node, MapNode) or not {"layers", "outputs"} & node.entries.keys():
            return node if isinstance(node, ListNode) else None, None
        parts = {key: value for key, value, _ in self.mapping(node, "layers and outputs", ("layers", "outputs"))}
        layers = parts.get("layers")
        return layers if isinstance(layers, ListNode) else None, parts.get("outputs")

    def _signature(self, key: str, mark: Mark) -> tuple[tuple[str, str | None], ...] | None:
        parameters = signature(key if "(" in key else f"{key}()")
        if parameters is None:
            self.error(f"`{key}` is not a block's signature", mark, "write it like `conv_bn(out, kernel=1):`")
            return None
        allowed = [self._variable(parameter, mark) for parameter, _ in parameters]
        return parameters if all(allowed) else None

    def read_freeze(self, node: Node) -> None:
        self.document.freeze = node

    def read_init(self, node: Node) -> None:
        self.document.init = node

    def read_layers(self, node: Node) -> None:
        if isinstance(node, ListNode):
            self.document.layers = node
        else:
            self.error("`layers:` is a list of layers", node.mark, "begin each with `- `")
            self.document.broken.add("layers:")

    def read_outputs(self, node: Node) -> None:
        self.document.outputs = node

    # -- published figures and limits --

    def read_expect(self, node: Node) -> None:
        for key, value, mark in self.mapping(node, "published figures: `params: 61100840`"):
            if key == "layers" and not _is_count(value):
                for layer, figures, _ in self.mapping(value, "figures by layer"):
                    for figure, one, place in self.mapping(figures, "figures: `{params: 34944}`"):
                        self._expectations(figure, one, place, layer)
            else:
                self._expectations(key, value, mark, None)

    def _expectations(self, figure: str, node: Node, mark: Mark, layer: str | None) -> None:
        """One statement on a figure, or a list of them."""
        several = isinstance(node, ListNode) and any(isinstance(item, MapNode) for item in node.items)
        for one in node.items if several and isinstance(node, ListNode) else [node]:
            self._expectation(figure, one, mark, layer)

    def _expectation(self, figure: str, node: Node, mark: Mark, layer: str | None) -> None:
        entries: dict[str, Node] = {"value": node}
        if isinstance(node, MapNode):
            keys = ("value", "within", "convention", "source", "stated")
            entries = {k: v for k, v, _ in self.mapping(node, "a figure", keys)}
            if "value" not in entries:
                self.error(f"`{figure}` has no `value:`", mark)
                return
        value = self._value(entries["value"])
        if value is None:
            return
        within, relative = self._tolerance(entries.get("within"))
        convention = self.text(entries["convention"]) if "convention" in entries else "torch"
        if convention not in CONVENTIONS:
            self.error(f"unknown convention `{convention}`", entries["convention"].mark, " or ".join(CONVENTIONS))
        self.document.expectations.append(
            Expectation(
                figure,
                value,
                layer,
                within,
                relative,
                convention,
                self.text(entries["source"]) if "source" in entries else "",
                self.text(entries["stated"]) if "stated" in entries else None,
                mark,
            )
        )

    def _value(self, node: Node) -> float | tuple[int, ...] | None:
        if isinstance(node, ListNode):
            sizes = [item.value for item in node.items if isinstance(item, ScalarNode) and type(item.value) is int]
            if len(sizes) == len(node.items):
                return tuple(sizes)
        elif isinstance(node, ScalarNode):
            if _is_number(node.value):
                return node.value
            percent = _percentage(node.text)
            if percent is not None:
                return percent
            try:
                value = evaluate(node.text, NoNames()) if node.text else None
            except ExpressionError:
                value = None
            if _is_number(value):
                return value
        self.error("expected a number, a percentage or a shape", node.mark, "as in `34944`, `94.6%` or `[96, 55, 55]`")
        return None

    def _tolerance(self, node: Node | None) -> tuple[float, bool]:
        if node is None:
            return 0.0, False
        if isinstance(node, ScalarNode):
            percent = _percentage(node.text)
            if percent is not None:
                return percent, True
            if _is_number(node.value) and node.value >= 0:
                return float(node.value), False
        self.error("`within:` is a share such as 1%, or a number", node.mark)
        return 0.0, False

    def read_budget(self, node: Node) -> None:
        for figure, value, mark in self.mapping(node, "limits: `params: <= 5e6`"):
            for one in value.items if isinstance(value, ListNode) else [value]:
                limit = read_limit(figure, self.text(one), mark)
                if limit is None:
                    hint = "write `<= 5e6`; `'>= 1e6'` needs quotes in YAML"
                    self.error(f"`{figure}` has no limit", one.mark, hint)
                else:
                    self.document.budgets.append(limit)

    def read_accuracy(self, node: Node) -> None:
        for name, value, mark in self.mapping(node, "recorded facts: `top1: {value: 76.1, source: ...}`"):
            entries: dict[str, Node] = {"value": value}
            if isinstance(value, MapNode):
                entries = {k: v for k, v, _ in self.mapping(value, "a fact", ("value", "source"))}
            stated = entries.get("value")
            number = self._value(stated) if isinstance(stated, ScalarNode) else None
            if isinstance(number, (int, float)):
                source = self.text(entries["source"]) if "source" in entries else ""
                self.document.accuracy.append(Accuracy(name, float(number), source))
            elif not isinstance(stated, ScalarNode):
                self.error(f"`{name}` needs a number", mark, "as in `top1: 76.1` or `top1: {value: 76.1, source: ...}`")

    def read_sweep(self, node: Node) -> None:
        if not isinstance(node, ScalarNode) or node.text:
            from archscope.spec.section import read_section  # most specs have no sweep

            self.document.sweep = read_section(node, self)


def _is_count(node: Node) -> bool:
    """Whether what stands under ``expect: layers:`` is about the number of layers, not figures by layer."""
    several = isinstance(node, ListNode) and bool(node.items) and all(isinstance(item, MapNode) for item in node.items)
    return several or (isinstance(node, ScalarNode) and isinstance(node.value, int))


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < inf


def _percentage(text: str) -> float | None:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*%", text) if len(text) < 50 else None
    return float(match[1]) / 100 if match else None


def signature(text: str) -> tuple[tuple[str, str | None], ...] | None:
    """The parameters of a block, each with the text of its default; ``None`` if it is not ``name(a, b=1)``."""
    try:
        if len(text) > LONGEST_EXPRESSION:
            return None
        function, *others = ast.parse(f"def {text}: pass").body
        assert isinstance(function, ast.FunctionDef)
        assert isinstance(function.body[0], ast.Pass)
        arguments = function.args
        odd = others or function.body[1:] or function.returns or any(a.annotation for a in arguments.args)
        if odd or arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
            return None
        names = [argument.arg for argument in arguments.args]
        defaults = [None] * (len(names) - len(arguments.defaults)) + [ast.unparse(d) for d in arguments.defaults]
    except (SyntaxError, ValueError, AssertionError, MemoryError, RecursionError):
        return None
    return tuple(zip(names, defaults, strict=True)) if len(set(names)) == len(names) else None


def is_variable(name: str) -> bool:
    """Whether a name can be a variable's: an identifier that means nothing else in an expression."""
    fits = name.isidentifier() and len(name) <= LONGEST_NAME
    return fits and name not in RESERVED and not iskeyword(name)


_READERS: dict[str, Callable[[_Parts, Any], None]] = {
    language.KEY: _Parts.read_language,
    "name": _Parts.read_name,
    "source": _Parts.read_source,
    "description": _Parts.read_description,
    "include": _Parts.read_elsewhere,
    "extends": _Parts.read_elsewhere,
    "input": _Parts.read_input,
    "inputs": _Parts.read_inputs,
    "vars": _Parts.read_vars,
    "blocks": _Parts.read_blocks,
    "layers": _Parts.read_layers,
    "freeze": _Parts.read_freeze,
    "init": _Parts.read_init,
    "outputs": _Parts.read_outputs,
    "expect": _Parts.read_expect,
    "budget": _Parts.read_budget,
    "accuracy": _Parts.read_accuracy,
    "sweep": _Parts.read_sweep,
}

#: the keys of a list entry that are neither an op nor a block
ENTRY_KEYS = (*MODIFIERS, "repeat", "index", "layers", "reuse")
#: what arrives at a layer: its channels, its features, its map, the length of its sequence, its whole shape
ARRIVING = ("in_channels", "in_features", "in_size", "in_length", "in_shape")
#: names with a meaning of their own inside a layer
RESERVED = (*ARRIVING, "true", "false", "null")


def _of_types(word: str) -> str:
    """A hint for what is no type of an input."""
    return misnamed(word, DTYPES) or f"one of {', '.join(DTYPES)}"
