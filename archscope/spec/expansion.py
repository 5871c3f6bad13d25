"""From a document to a design: blocks, repeats and branches resolved, every layer bound to what arrives at it.

Shapes are inferred while layers are laid, because an argument may ask for them (``groups: in_channels``). A layer that
is wrong is reported and replaced by an unknown tensor, which silences whatever depends on it, so that one run reports
as many mistakes as can be found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from archscope.design import Design
from archscope.diagnostics import Diagnostic, Mark
from archscope.errors import SpecError, suggestion
from archscope.graph import Input, Layer, Ref
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.base import Tensors, TorchLayer
from archscope.ops.fields import FieldError, FieldInfo, Size
from archscope.ops.legal import Violation, apply, shape_text
from archscope.spec.document import Block, Document
from archscope.spec.entries import Entry, labels, read_entry
from archscope.spec.expressions import ExpressionError, Word, evaluate, name_hint
from archscope.spec.reader import ListNode, MapNode, Node, ScalarNode

MOST_LAYERS = 200_000
MOST_STEPS = 1_000_000
DEEPEST_CALLS = 50
MOST_PROBLEMS = 50

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_REFERENCE = re.compile(r"([A-Za-z0-9_.-]+)(?:\[(\d+)\])?")
_TEMPLATE = re.compile(r"\{([^{}]*)\}")


class _Unknown(Exception):
    """A value depends on a tensor that an earlier mistake left unknown."""


class _Stop(Exception):
    """A limit is exceeded, or too many mistakes were found: nothing more can be said."""


class _Flow(NamedTuple):
    """The tensor that the next layer reads; unknown (no tensor) behind a mistake.

    Attributes:
        choices: how many outputs there are to choose from, where a spec has to say which one it means.
    """

    ref: Ref | None = None
    tensor: Tensor | None = None
    choices: int = 0


_UNKNOWN = _Flow()


@dataclass(frozen=True, slots=True)
class _Context:
    """Where an entry stands.

    Attributes:
        variables: what expressions may use.
        path: the full name of the list that the entry stands in.
        border: how many parts of the path lie outside the block; its entries see no names out there.
        labels: names of the entries of this list, by ``id`` of their nodes.
        reuse: path of the entry that is applied again, and of its first application.
        trail: the block calls around it, innermost first.
    """

    variables: Mapping[str, Any]
    path: tuple[str, ...] = ()
    border: int = 0
    labels: Mapping[int, str] | None = None
    frozen: bool = False
    checkpoint: str | None = None
    reuse: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    trail: tuple[str, ...] = ()


class _Names:
    """The names that an expression may use: variables, and what arrives at the layer."""

    __slots__ = ("_flow", "_variables")

    def __init__(self, variables: Mapping[str, Any], flow: _Flow | None = None) -> None:
        self._variables, self._flow = variables, flow

    def lookup(self, name: str) -> Any:
        if name in self._variables:
            return self._variables[name]
        if self._flow is None or name not in ("in_channels", "in_features", "in_size"):
            raise KeyError(name)
        if self._flow.tensor is None:
            raise _Unknown
        shape = self._flow.tensor.shape
        if name == "in_size":
            return shape[2:]
        return shape[1] if name == "in_channels" and len(shape) > 1 else shape[-1]

    def known(self) -> Sequence[str]:
        return [*self._variables, *(["in_channels", "in_features", "in_size"] if self._flow else [])]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How an entry was carried out, for ``reuse``."""

    entry: Entry
    context: _Context
    path: tuple[str, ...]


def expand(document: Document, overrides: Mapping[str, Node], inputs: Mapping[str, ListNode]) -> Design:
    """The design that a document declares.

    Args:
        overrides: values that replace those under ``vars:``.
        inputs: shapes that replace the declared ones, by name.

    Raises:
        SpecError: with every mistake that was found.
    """
    return _Expander(document).expand(overrides, inputs)


class _Expander:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: dict[tuple[str, Mark | None], Diagnostic] = {}
        self._warnings: list[Diagnostic] = []
        self._entries: dict[int, Entry | None] = {}
        self._labels: dict[int, dict[int, str]] = {}
        self._layers: dict[str, Layer] = {}
        self._outputs: dict[str, Tensors] = {}
        self._targets: dict[str, _Flow] = {}
        self._recipes: dict[str, _Recipe] = {}
        self._inputs: list[Input] = []
        self._variables: dict[str, Any] = {}
        self._steps = 0
        for diagnostic in document.problems:
            self._problems[diagnostic.message, diagnostic.mark] = diagnostic

    # -- mistakes ----------------------------------------------------------------------------------------------------

    def _error(self, message: str, mark: Mark | None, hint: str = "", context: _Context | None = None) -> None:
        trail = context.trail if context else ()
        self._problems.setdefault((message, mark), Diagnostic(message, mark, hint, trail))
        if len(self._problems) >= MOST_PROBLEMS:
            raise _Stop

    def _stop(self, message: str, mark: Mark, hint: str = "", context: _Context | None = None) -> _Stop:
        self._error(message, mark, hint, context)
        return _Stop()

    # -- the whole ---------------------------------------------------------------------------------------------------

    def expand(self, overrides: Mapping[str, Node], inputs: Mapping[str, ListNode]) -> Design:
        document = self._document
        outputs: list[tuple[str, Ref]] = []
        try:
            self._set_variables(overrides)
            context = _Context(self._variables)
            flow = self._declare_inputs(context, inputs)
            if document.layers is None:
                place = Mark(document.source, 1, 1)
                raise self._stop("a design has no `layers:`", place, "a file of blocks is used by `include:`")
            flow = self._run_list(document.layers, flow, context)
            outputs = list(self._results(flow, context))
        except _Stop:
            pass
        except RecursionError:
            self._problems[("nested", None)] = Diagnostic("the layers are nested too deeply")
        if self._problems:
            raise SpecError(list(self._problems.values()))
        design = Design(
            document.name or "design",
            tuple(self._inputs),
            tuple(self._layers.values()),
            tuple(outputs),
            document.citation,
            document.description,
            tuple(self._variables.items()),
            tuple(document.expectations),
            tuple(document.budgets),
            tuple(document.accuracy),
            document.source.name,
        )
        unread = (
            Diagnostic(f"`{layer.name}` contributes to no output", layer.mark, severity="warning")
            for layer in design.graph.unread()
        )
        return replace(design, warnings=(*self._warnings, *unread))

    def _set_variables(self, overrides: Mapping[str, Node]) -> None:
        for name, node in overrides.items():
            if name not in self._document.vars:
                known = self._document.vars
                hint = suggestion(name, known) or f"variables: {', '.join(known) or 'none'}"
                self._error(f"the design has no variable `{name}`", node.mark, hint)
        for name, node in {**self._document.vars, **overrides}.items():
            value = self._value(node, _Names(self._variables), None)
            if value is not _UNKNOWN:
                self._variables[name] = value

    def _declare_inputs(self, context: _Context, replaced: Mapping[str, ListNode]) -> _Flow:
        declared = self._document.inputs
        if not declared:
            place = Mark(self._document.source, 1, 1)
            raise self._stop("a design needs an `input:`", place, "the sizes without the batch: `input: [3, 224, 224]`")
        for name, node in replaced.items():
            if name not in declared:
                hint = suggestion(name, declared) or f"inputs: {', '.join(declared)}"
                self._error(f"the design has no input `{name}`", node.mark, hint)
        for name, declaration in declared.items():
            shape = replaced.get(name, declaration.shape)
            assert isinstance(shape, ListNode)
            sizes = [self._size(item, context) for item in shape.items]
            flow = _UNKNOWN
            if all(size is not None for size in sizes):
                declared_input = Input(name, tuple(size for size in sizes if size is not None), declaration.dtype)
                self._inputs.append(declared_input)
                tensor = declared_input.tensor(1)
                flow = _Flow(Ref(name), tensor)
                self._outputs[name] = (tensor,)
            self._targets[name] = flow
        return self._targets[next(iter(declared))]

    def _size(self, node: Node, context: _Context) -> int | None:
        value = self._value(node, _Names(context.variables), context)
        if value is _UNKNOWN:
            return None
        try:
            return Size().read(value, None)
        except FieldError as error:
            self._error(error.message, node.mark, error.hint)
            return None

    def _results(self, flow: _Flow, context: _Context) -> Iterator[tuple[str, Ref]]:
        node = self._document.outputs
        if node is None:
            flow = self._chosen(flow, self._document.layers.mark if self._document.layers else None, context)
            if flow.ref is not None:
                yield "output", flow.ref
            return
        named: list[tuple[str, Node]] = []
        if isinstance(node, MapNode):
            named = list(node.entries.items())
        elif isinstance(node, ListNode):
            named = [(item.text if isinstance(item, ScalarNode) else "", item) for item in node.items]
        if not named:
            self._error("`outputs:` is a list of layers, or a mapping of names to layers", node.mark)
        for name, item in named:
            flow = self._chosen(self._refer(item, context), item.mark, context)
            if flow.ref is not None:
                yield name, flow.ref

    # -- values ------------------------------------------------------------------------------------------------------

    def _value(self, node: Node, names: _Names, context: _Context | None, info: FieldInfo | None = None) -> Any:
        """The value of a node, expressions evaluated; ``_UNKNOWN`` after a mistake or behind one."""
        if isinstance(node, ListNode):
            values = [self._value(item, names, context, info) for item in node.items]
            return _UNKNOWN if any(value is _UNKNOWN for value in values) else tuple(values)
        if isinstance(node, MapNode):
            self._error("expected a value, not a mapping", node.mark, "", context)
            return _UNKNOWN
        if not isinstance(node.value, str) or (info is not None and info.kind.takes_word(node.value)):
            return node.value
        try:
            return evaluate(node.value, names)
        except _Unknown:
            return _UNKNOWN
        except ExpressionError as error:
            if node.value.isidentifier():
                return Word(node.value, name_hint(node.value, names))
            mark = node.mark.shifted(error.offset, error.length) if node.plain and error.length else node.mark
            self._error(error.message, mark, error.hint, context)
            return _UNKNOWN

    def _truth(self, node: Node | None, flow: _Flow, context: _Context, default: bool) -> bool:
        if node is None:
            return default
        value = self._value(node, _Names(context.variables, flow), context)
        if isinstance(value, Word):
            self._error(f"unknown name `{value}`", node.mark, value.hint, context)
            return default
        if value is _UNKNOWN:
            return default
        if not isinstance(value, (bool, int)):
            self._error(f"expected a condition, got {value!r}", node.mark, "", context)
        return bool(value)

    # -- lists and entries -------------------------------------------------------------------------------------------

    def _read(self, node: Node) -> Entry | None:
        if id(node) not in self._entries:
            self._entries[id(node)] = read_entry(node, self._error)
        return self._entries[id(node)]

    def _run_list(self, items: ListNode, flow: _Flow, context: _Context) -> _Flow:
        """A list with names of its own: the body of a design, a block, an iteration, a named group."""
        if id(items) not in self._labels:
            self._labels[id(items)] = labels(items, self._read)
        return self._run_items(items, flow, replace(context, labels=self._labels[id(items)]))

    def _run_items(self, items: ListNode, flow: _Flow, context: _Context) -> _Flow:
        for node in items.items:
            entry = self._read(node)
            if entry is None:
                flow = _UNKNOWN
                continue
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise self._stop(f"more than {MOST_STEPS:,} steps", entry.mark, "", context)
            if self._truth(entry.modifier("when"), flow, context, default=True):
                flow = self._run_entry(node, entry, flow, context)
        return flow

    def _run_entry(self, node: Node, entry: Entry, flow: _Flow, context: _Context) -> _Flow:
        sources = self._sources(entry, context)
        if sources is not None and len(sources) == 1:
            flow = sources[0]
        if entry.form == "group" and entry.modifier("name") is None:
            assert entry.body is not None
            return self._run_items(entry.body, flow, self._flags(entry, flow, context, f"group at {entry.mark}"))
        label = context.labels[id(node)] if context.labels else ""
        if entry.form == "repeat":
            return self._repeat(entry, flow, context, label)
        name = self._label(entry, label, flow, context)
        path = (*context.path, name)
        context = self._flags(entry, flow, context, ".".join(path))
        result = self._perform(entry, flow, sources, context, path)
        return self._enter(path, result, _Recipe(entry, context, path), entry.mark)

    def _enter(self, path: tuple[str, ...], flow: _Flow, recipe: _Recipe | None, mark: Mark) -> _Flow:
        name = ".".join(path)
        if name in self._targets and (flow.ref is None or flow.ref.node != name):
            self._error(f"two parts of the design are called `{name}`", mark, "give one of them another `name:`")
        self._targets[name] = flow
        if recipe is not None:
            self._recipes[name] = recipe
        return flow

    def _label(self, entry: Entry, label: str, flow: _Flow, context: _Context) -> str:
        """The name of an entry; ``{...}`` in it is evaluated."""
        node = entry.modifier("name")
        if node is None:
            return label

        def fill(match: re.Match[str]) -> str:
            try:
                return str(evaluate(match[1], _Names(context.variables, flow)))
            except _Unknown:
                return "unknown"
            except ExpressionError as error:
                self._error(error.message, node.mark, error.hint, context)
                return "unknown"

        name = _TEMPLATE.sub(fill, label)
        if not _NAME.fullmatch(name):
            self._error(f"`{name}` is not a name", node.mark, "letters, digits, _ and -; dots between parts", context)
        return name

    def _flags(self, entry: Entry, flow: _Flow, context: _Context, name: str) -> _Context:
        freeze, checkpoint = entry.modifier("freeze"), entry.modifier("checkpoint")
        if freeze is None and checkpoint is None:
            return context
        frozen = context.frozen or self._truth(freeze, flow, context, default=False)
        outer = context.checkpoint
        if outer is None and self._truth(checkpoint, flow, context, default=False):
            outer = name
        return replace(context, frozen=frozen, checkpoint=outer)

    def _perform(
        self, entry: Entry, flow: _Flow, sources: list[_Flow] | None, context: _Context, path: tuple[str, ...]
    ) -> _Flow:
        """Carry out an entry under a name."""
        if entry.form == "reuse":
            return self._reuse(entry, flow, sources, context, path)
        if entry.form == "group":
            assert entry.body is not None
            return self._run_list(entry.body, flow, replace(context, path=path))
        found = self._resolve(entry, context)
        if isinstance(found, Block):
            return self._call(found, entry, flow, sources, context, path)
        if found is None:
            self._complain_of_arguments(entry, flow, context)
            return _UNKNOWN
        return self._lay(found, entry, flow, sources, context, path)

    def _resolve(self, entry: Entry, context: _Context) -> type[Op] | Block | None:
        word = entry.word
        for _ in range(2):  # a word, or a variable that holds one
            if word in REGISTRY:
                return REGISTRY[word]
            if word in self._document.blocks:
                return self._document.blocks[word]
            held = context.variables.get(word)
            if not isinstance(held, str):
                break
            word = str(held)
        hint = suggestion(word, [*REGISTRY, *self._document.blocks])
        if not hint:
            blocks = ", ".join(self._document.blocks) or "none"
            hint = f"`archscope ops` lists the layers; blocks of this spec: {blocks}"
        self._error(f"there is no layer or block `{word}`", entry.mark, hint, context)
        return None

    def _complain_of_arguments(self, entry: Entry, flow: _Flow, context: _Context) -> None:
        """Report the mistakes in the arguments of a layer that is unknown itself."""
        node = entry.argument
        values = list(node.entries.values()) if isinstance(node, MapNode) else []
        for value in values:
            if isinstance(value, ScalarNode):
                self._value(value, _Names(context.variables, flow), context)

    # -- repeats, blocks, reuse --------------------------------------------------------------------------------------

    def _repeat(self, entry: Entry, flow: _Flow, context: _Context, label: str) -> _Flow:
        assert entry.body is not None
        count = 0
        if entry.argument is not None:
            value = self._value(entry.argument, _Names(context.variables, flow), context)
            try:
                count = 0 if value is _UNKNOWN else Size(0).read(value, None)
            except FieldError as error:
                hint = error.hint or (value.hint if isinstance(value, Word) else "")
                self._error(error.message, entry.argument.mark, hint, context)
            if value is _UNKNOWN or count == 0:
                return flow if value is not _UNKNOWN else _UNKNOWN
        if count > MOST_LAYERS:
            raise self._stop(f"{count:,} repetitions; the most is {MOST_LAYERS:,}", entry.mark, "", context)
        templated = _TEMPLATE.search(label) is not None
        path = (*context.path, label)
        for i in range(count):
            inner = context
            if entry.index is not None:
                inner = replace(context, variables={**context.variables, entry.index: i})
            name = self._label(entry, label, flow, inner)
            path = (*context.path, name) if templated else (*context.path, name, str(i))
            inner = replace(self._flags(entry, flow, inner, ".".join(path)), path=path)
            flow = self._enter(path, self._run_list(entry.body, flow, inner), None, entry.mark)
        return flow if templated else self._enter((*context.path, label), flow, None, entry.mark)

    def _call(
        self,
        block: Block,
        entry: Entry,
        flow: _Flow,
        sources: list[_Flow] | None,
        context: _Context,
        path: tuple[str, ...],
    ) -> _Flow:
        if sources is not None and len(sources) > 1:
            self._error(f"the block `{block.name}` starts from one tensor, not {len(sources)}", entry.mark, "", context)
            return _UNKNOWN
        if len(context.trail) >= DEEPEST_CALLS:
            hint = "a recursive block needs a `when:` that ends it"
            raise self._stop(f"`{block.name}` calls itself {DEEPEST_CALLS} levels deep", entry.mark, hint)
        variables = self._bind(block, entry, flow, context)
        if variables is None:
            return _UNKNOWN
        given = ", ".join(f"{name}={variables[name]}" for name, _ in block.parameters)
        step = f"block `{block.name}({given})`, called at {entry.mark}"
        inner = replace(context, variables=variables, path=path, border=len(path), trail=(step, *context.trail))
        return self._run_list(block.body, flow, inner)

    def _bind(self, block: Block, entry: Entry, flow: _Flow, context: _Context) -> dict[str, Any] | None:
        """The variables inside a block: the design's, and the parameters of the call."""
        given = self._arguments_by_name(block, entry, context)
        if given is None:
            return None
        variables = dict(self._variables)
        complete = True
        for name, default in block.parameters:
            if name in given:
                value = self._value(given[name], _Names(context.variables, flow), context)
            elif default is not None:
                value = self._value(ScalarNode(default, block.mark, plain=False), _Names(variables, flow), context)
            else:
                self._error(f"the block `{block.name}` needs `{name}`", entry.mark, block.signature, context)
                value = _UNKNOWN
            complete = complete and value is not _UNKNOWN
            variables[name] = value
        return variables if complete else None

    def _arguments_by_name(self, block: Block, entry: Entry, context: _Context) -> dict[str, Node] | None:
        node, names = entry.argument, [name for name, _ in block.parameters]
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return {}
        if not isinstance(node, MapNode):
            if names:
                return {names[0]: node}
            self._error(f"the block `{block.name}` takes no arguments", node.mark, "", context)
            return None
        for name in node.entries:
            if name not in names:
                hint = suggestion(name, names) or f"its signature is {block.signature}"
                self._error(f"the block `{block.name}` has no parameter `{name}`", node.keys[name], hint, context)
        return {name: value for name, value in node.entries.items() if name in names}

    def _reuse(
        self, entry: Entry, flow: _Flow, sources: list[_Flow] | None, context: _Context, path: tuple[str, ...]
    ) -> _Flow:
        full = self._find(entry.word, entry.mark, context)
        if full is None:
            return _UNKNOWN
        recipe = self._recipes.get(full)
        if recipe is None:
            self._error(f"`{entry.word}` cannot be applied again", entry.mark, "name a layer or a block", context)
            return _UNKNOWN
        again = replace(
            recipe.context,
            frozen=context.frozen or recipe.context.frozen,
            checkpoint=context.checkpoint,
            reuse=(path, recipe.path),
            path=path[:-1],
            border=context.border,
            trail=context.trail,
        )
        return self._perform(recipe.entry, flow, sources, again, path)

    # -- references --------------------------------------------------------------------------------------------------

    def _sources(self, entry: Entry, context: _Context) -> list[_Flow] | None:
        node = entry.modifier("from")
        if node is None:
            return None
        nodes = node.items if isinstance(node, ListNode) else [node]
        return [self._refer(item, context) for item in nodes]

    def _refer(self, node: Node, context: _Context) -> _Flow:
        """The tensor that a reference means: ``conv1``, ``stage.0.conv1``, ``lstm[1]``."""
        text = node.text if isinstance(node, ScalarNode) else ""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            hint = "a branch is a list: `[ReLU]`" if text or isinstance(node, MapNode) else ""
            self._error("expected the name of an earlier layer", node.mark, hint, context)
            return _UNKNOWN
        full = self._find(match[1], node.mark, context)
        if full is None:
            return _UNKNOWN
        flow = self._targets[full]
        if match[2] is None or flow.ref is None:
            return flow
        outputs, index = self._outputs[flow.ref.node], int(match[2])
        if index >= len(outputs):
            count = f"{len(outputs)} output{'s' * (len(outputs) > 1)}, numbered from 0"
            self._error(f"`{match[1]}` has {count}", node.mark, "", context)
            return _UNKNOWN
        return _Flow(Ref(flow.ref.node, index), outputs[index])

    def _find(self, name: str, mark: Mark, context: _Context) -> str | None:
        """The full name of an earlier part of the design that a name in a spec means, innermost first."""
        for depth in range(len(context.path), context.border - 1, -1):
            full = ".".join((*context.path[:depth], name))
            if full in self._targets:
                return full
        head = name.partition(".")[0]
        if context.labels is not None and head in context.labels.values():
            hint = "a layer can only read what comes before it: the graph has no cycles"
            self._error(f"`{name}` comes later, or contains this layer", mark, hint, context)
            return None
        prefix = ".".join(context.path[: context.border])
        visible = [t[len(prefix) + 1 if prefix else 0 :] for t in self._targets if t.startswith(prefix)]
        hint = suggestion(name, visible)
        if not hint and context.border:
            hint = "inside a block only the block's own layers have names"
        self._error(f"there is no layer `{name}` before this one", mark, hint, context)
        return None

    def _chosen(self, flow: _Flow, mark: Mark | None, context: _Context) -> _Flow:
        """The tensor that a layer reads; a mistake if several are meant."""
        if flow.choices and flow.ref is not None:
            name = flow.ref.node
            short = name.rpartition(".")[2]
            message = f"`{name}` has {flow.choices} outputs; say which one is meant"
            self._error(message, mark, f"`from: {short}[0]`", context)
            return _UNKNOWN
        return flow

    # -- layers ------------------------------------------------------------------------------------------------------

    def _lay(
        self,
        op_class: type[Op],
        entry: Entry,
        flow: _Flow,
        sources: list[_Flow] | None,
        context: _Context,
        path: tuple[str, ...],
    ) -> _Flow:
        """Bind an op to its inputs and add the layer."""
        arguments, merged = self._arguments(op_class, entry, context)
        flows = self._gather(op_class, entry, flow, sources, merged, context)
        op = self._construct(op_class, entry, arguments, flows[0] if flows else flow, context)
        if op is None or any(f.tensor is None for f in flows):
            return _UNKNOWN
        if op.arity.least == 0 and sources is None and not merged and apply(op, ())[0]:
            flows = []
        x = tuple(f.tensor for f in flows if f.tensor is not None)
        outputs, violations = apply(op, x)
        if violations:
            for violation in violations:
                self._violation(violation, entry, arguments, x, context)
            return _UNKNOWN
        return self._add(op, x, outputs, tuple(f.ref for f in flows if f.ref is not None), entry, context, path)

    def _arguments(
        self, op_class: type[Op], entry: Entry, context: _Context
    ) -> tuple[dict[str, tuple[Node, Mark]], ListNode | None]:
        """The arguments by name, each with the place of its key, and the list of a merging op's inputs."""
        node = entry.argument
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return {}, None
        if isinstance(node, MapNode):
            arguments = {name: (value, node.keys[name]) for name, value in node.entries.items()}
            merged = arguments.get("inputs")
            if merged is None or op_class.arity.most == 1 or op_class.field("inputs"):
                return arguments, None
            del arguments["inputs"]
            if isinstance(merged[0], ListNode):
                return arguments, merged[0]
            hint = "each a branch (a list of layers) or the name of an earlier layer"
            self._error("`inputs:` is a list", merged[0].mark, hint, context)
            return arguments, None
        if isinstance(node, ListNode) and (op_class.arity.most is None or op_class.arity.least > 1):
            return {}, node
        if op_class.fields:
            return {op_class.fields[0].name: (node, node.mark)}, None
        self._error(f"{op_class.__name__} takes no arguments", node.mark, "", context)
        return {}, None

    def _gather(
        self,
        op_class: type[Op],
        entry: Entry,
        flow: _Flow,
        sources: list[_Flow] | None,
        merged: ListNode | None,
        context: _Context,
    ) -> list[_Flow]:
        """The tensors that an op reads: of its branches, of its ``from:``, or the one that arrives."""
        if merged is None:
            flows = [flow] if sources is None else sources
            return [self._chosen(f, entry.mark, context) for f in flows]
        flows = []
        for item in merged.items:
            if isinstance(item, ListNode):
                result = self._run_items(item, flow, context)
            elif isinstance(item, MapNode):
                self._error(
                    "a branch is a list of layers", item.mark, "begin it with `- - ` or put it in [...]", context
                )
                result = _UNKNOWN
            else:
                result = self._refer(item, context)
            flows.append(self._chosen(result, item.mark, context))
        return flows

    def _construct(
        self,
        op_class: type[Op],
        entry: Entry,
        arguments: dict[str, tuple[Node, Mark]],
        flow: _Flow,
        context: _Context,
    ) -> Op | None:
        names = _Names(context.variables, flow)
        values: dict[str, Any] = {}
        complete = True
        unknown: list[tuple[str, Mark]] = []
        for name, (node, key) in arguments.items():
            info = op_class.field(name)
            if info is None:
                unknown.append((name, key))
                continue
            value = self._value(node, names, context, info)
            try:
                values[name] = value if value is _UNKNOWN else info.kind.read(value, op_class.rank)
            except FieldError as error:
                hint = error.hint or next((w.hint for w in _words(value)), "")
                self._error(f"`{name}` of {op_class.__name__}: {error.message}", node.mark, hint, context)
                value = _UNKNOWN
            complete = complete and value is not _UNKNOWN
        for info in op_class.fields:
            if info.required and info.name not in arguments:
                given = f"{op_class.__name__}: {{{', '.join(f'{i.name}: ...' for i in op_class.fields if i.required)}}}"
                self._error(f"{op_class.__name__} needs `{info.name}`", entry.mark, f"`{given}`", context)
                complete = False
        op = op_class(**values) if complete else None
        for name, key in unknown:
            self._unknown_argument(op_class, name, key, op, flow, context)
        return None if unknown else op

    def _unknown_argument(
        self, op_class: type[Op], name: str, key: Mark, op: Op | None, flow: _Flow, context: _Context
    ) -> None:
        title = op_class.__name__
        if name in op_class.refuses:
            self._error(f"`{name}` of {title} is not taken", key, op_class.refuses[name], context)
            return
        if isinstance(op, TorchLayer) and flow.tensor is not None and not apply(op, (flow.tensor,))[1]:
            inferred = op.inferred(flow.tensor)
            if name in inferred:
                hint = f"{inferred[name]} here: leave it out"
                self._error(f"`{name}` of {title} follows from what arrives", key, hint, context)
                return
        names = [info.name for info in op_class.fields]
        hint = suggestion(name, names) or (f"arguments: {', '.join(names)}" if names else "it takes none")
        self._error(f"{title} has no argument `{name}`", key, hint, context)

    def _violation(
        self,
        violation: Violation,
        entry: Entry,
        arguments: dict[str, tuple[Node, Mark]],
        x: Tensors,
        context: _Context,
    ) -> None:
        mark = arguments[violation.field][0].mark if violation.field in arguments else entry.mark
        hint = violation.hint
        if violation.fit and self._inputs:
            first, here = self._inputs[0].shape, x[0].shape[1:]
            if len(first) == len(here) and first[1:] != here[1:]:
                hint = f"the layers before it have reduced {_map(first[1:])} to {_map(here[1:])}"
        if not hint and entry.word in REGISTRY and len(x) == 1 and REGISTRY[entry.word].arity.least > 1:
            hint = "give it branches: a list whose entries are lists of layers or names of earlier ones"
        self._error(violation.message, mark, hint, context)

    def _add(
        self,
        op: Op,
        x: Tensors,
        outputs: Tensors,
        refs: tuple[Ref, ...],
        entry: Entry,
        context: _Context,
        path: tuple[str, ...],
    ) -> _Flow:
        name = ".".join(path)
        if name in self._targets:
            self._error(f"two layers are called `{name}`", entry.mark, "give one of them another `name:`", context)
            return _UNKNOWN
        if len(self._layers) >= MOST_LAYERS:
            raise self._stop(f"more than {MOST_LAYERS:,} layers", entry.mark, "", context)
        shares = None
        if context.reuse is not None:
            again, first = context.reuse
            shares = self._shared(op, x, ".".join((*first, *path[len(again) :])), entry, context)
        self._layers[name] = Layer(name, op, refs, shares, context.frozen, context.checkpoint, entry.mark)
        self._outputs[name] = outputs
        self._targets[name] = _UNKNOWN  # until _enter knows it; so that nothing else takes the name
        if op.main_output is None and len(outputs) > 1:
            return _Flow(Ref(name), None, len(outputs))
        return _Flow(Ref(name, op.main_output or 0), outputs[op.main_output or 0])

    def _shared(self, op: Op, x: Tensors, name: str, entry: Entry, context: _Context) -> str | None:
        """The layer whose weights a reused layer shares; ``None`` (and a mistake) if they do not fit."""
        original = self._layers.get(name)
        if original is None:
            self._error(f"the first use has no layer `{name}`", entry.mark, "", context)
            return None
        tensors = tuple(self._outputs[ref.node][ref.output] for ref in original.inputs)
        before, now = original.op.parameters(*tensors), op.parameters(*x)
        for parameter, tensor in now.items():
            if before.get(parameter) != tensor:
                was = before[parameter].shape if parameter in before else "none"
                message = f"`{name}` cannot be reused here: {parameter} is {was} there and would be {tensor.shape}"
                self._error(message, entry.mark, "the same weights need the same channels", context)
        return original.shares or name


def _map(sizes: tuple[int, ...]) -> str:
    return shape_text((1, *sizes))


def _words(value: Any) -> Iterator[Word]:
    if isinstance(value, Word):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _words(item)
