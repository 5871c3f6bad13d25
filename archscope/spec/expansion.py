"""From a document to a design: blocks, repeats and branches resolved, every layer bound to what arrives at it.

Shapes are inferred while layers are laid, because an argument may ask for them (``groups: in_channels``). A layer that
is wrong is reported and replaced by an unknown tensor, which silences whatever depends on it, so that one run reports
as many mistakes as can be found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from archscope.arith import fixed
from archscope.design import Design, Scope
from archscope.diagnostics import MOST_REPORTED, Diagnostic, Mark
from archscope.errors import SpecError, closest, suggestion
from archscope.graph import Input, Layer, LayerGraph, Ref
from archscope.ops import REGISTRY, Op
from archscope.ops.base import Tensors
from archscope.ops.legal import Inference, apply
from archscope.spec import frame, words
from archscope.spec.binding import Arguments, construct, followed, read_arguments, report
from archscope.spec.document import Block, Document
from archscope.spec.entries import Entry, labels, read_entry
from archscope.spec.expressions import TEMPLATE, ExpressionError, Word, fill, in_words, shown
from archscope.spec.freezing import Freeze, Freezing, as_patterns
from archscope.spec.limits import DEEPEST_CALLS, LONGEST_NAME, LONGEST_PATH, MOST_LAYERS
from archscope.spec.reader import ListNode, MapNode, Node, ScalarNode
from archscope.spec.references import GIVEN, References
from archscope.spec.scope import (
    UNKNOWN,
    BlockCall,
    Context,
    Flow,
    Problems,
    ReuseCall,
    ScopeNames,
    Stop,
    Unknown,
)

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class _Call(NamedTuple):
    """An entry about to be carried out.

    Attributes:
        flow: the tensor that arrives.
        sources: the tensors of its ``from:``, if it has one.
        path, name: the full name that it gets.
    """

    entry: Entry
    flow: Flow
    sources: list[Flow] | None
    context: Context
    path: tuple[str, ...]
    name: str


def expand(
    document: Document,
    overrides: Mapping[str, Node],
    inputs: Mapping[str, ListNode],
    most_problems: int = MOST_REPORTED,
) -> Design:
    """The design that a document declares.

    Args:
        overrides: values that replace those under ``vars:``.
        inputs: shapes that replace the declared ones, by name.
        most_problems: after so many mistakes it looks for no more.

    Raises:
        SpecError: with every mistake that was found.
    """
    return _Expander(document, most_problems).expand(overrides, inputs)


class _Expander:
    def __init__(self, document: Document, most_problems: int) -> None:
        self._document = document
        self._problems = Problems(document.problems, most_problems)
        self._references = References(self._problems)
        self._variables: dict[str, Any] = {}
        self._inputs: list[Input] = []
        self._layers: dict[str, Layer] = {}
        self._recipes: dict[str, _Call] = {}  # how every named entry was carried out, for `reuse`
        self._entries: dict[int, Entry | None] = {}
        self._labels: dict[int, dict[int, str]] = {}
        self._plain_names: set[str] = set()  # given names that are the same wherever they stand
        self._scopes: list[Scope] = []
        self._ops: dict[Op, Op] = {}
        self._bare: dict[type[Op], Op] = {}  # those without arguments
        self._inference = Inference()
        self._place = Mark(document.source, 1, 1)  # of the entry that was read last
        self._freezing = Freezing()
        self._regions = 0

    def expand(self, overrides: Mapping[str, Node], inputs: Mapping[str, ListNode]) -> Design:
        document = self._document
        outputs: list[tuple[str, Ref]] = []
        try:
            self._variables = frame.variables(document, overrides, self._problems)
            context = Context(self._variables)
            self._inputs, flow = frame.inputs(document, inputs, context, self._references, self._problems)
            if document.layers is None:
                if "layers:" in document.broken:
                    raise Stop
                hint = "a file of blocks is for `include:`"
                raise self._problems.fatal("a design has no `layers:`", self._place, hint)
            freezes = self._freezes(document.freeze, flow, context, ())
            flow = self._run_list(document.layers, flow, context._replace(freezes=freezes))
            outputs = list(frame.outputs(document, flow, self._place, context, self._references, self._problems))
        except Stop:
            pass
        except RecursionError:
            deep = Diagnostic("the layers are nested too deeply", self._place)
            self._problems = Problems([*self._problems, deep])
        if self._problems:
            raise SpecError(list(self._problems))
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
            () if overrides or inputs else tuple(document.accuracy),  # nobody trained the variant
            document.source.name,
            tuple(self._scopes),
        ).inferred(self._references.outputs)
        unread = (
            Diagnostic(f"`{layer.name}` contributes to no output", layer.mark, severity="warning")
            for layer in design.graph.unread()
        )
        return design.with_warnings([*self._problems.warnings, *self._freezing.unfit(), *unread])

    # -- lists and entries -----------------------------------------------------------------------------------------

    def _read(self, node: Node) -> Entry | None:
        if id(node) not in self._entries:
            self._entries[id(node)] = read_entry(node, self._problems.add)
        return self._entries[id(node)]

    def _run_list(self, items: ListNode, flow: Flow, context: Context) -> Flow:
        """A list with names of its own: the body of a design, a block, an iteration, a named group."""
        if id(items) not in self._labels:
            self._labels[id(items)] = labels(items, self._read)
        return self._run_items(items, flow, context._replace(labels=self._labels[id(items)]))

    def _run_items(self, items: ListNode, flow: Flow, context: Context) -> Flow:
        for node in items.items:
            entry = self._read(node)
            if entry is None:
                flow = UNKNOWN
                continue
            self._place = entry.mark
            self._problems.spend(1, entry.mark)
            when = entry.modifier("when")
            if when is None or self._problems.truth(when, flow, context, default=True):
                flow = self._run_entry(node, entry, flow, context)
        return flow

    def _run_entry(self, node: Node, entry: Entry, flow: Flow, context: Context) -> Flow:
        sources = self._sources(entry, context)
        if sources is not None and len(sources) == 1:
            flow = sources[0]
        if entry.form == "group" and entry.modifier("name") is None:
            assert entry.body is not None
            if not self._one_source("group", entry, sources, context):
                return UNKNOWN
            return self._run_items(entry.body, flow, self._flagged(entry, flow, context, context.path))
        assert context.labels is not None
        label = context.labels.get(id(node))
        if entry.form == "repeat":
            alone = self._one_source("repeat", entry, sources, context)
            return self._repeat(entry, flow, context, label) if alone else UNKNOWN
        assert label is not None
        own = self._label(entry, label, flow, context)
        if own is None:
            return UNKNOWN
        path = (*context.path, own)
        name = ".".join(path)
        if not self._free(name, entry, context):
            return UNKNOWN
        call = _Call(entry, flow, sources, self._flagged(entry, flow, context, path), path, name)
        self._recipes[name] = call
        flow = self._perform(call)
        return self._named(name, flow) if self._free(name, entry, context) else UNKNOWN  # a branch may have taken it

    def _region(self, context: Context) -> str:
        """A name for some layers that have none together."""
        self._regions += 1
        return ".".join((*context.path, f"group_{self._regions}"))

    def _one_source(self, what: str, entry: Entry, sources: list[Flow] | None, context: Context) -> bool:
        if sources is None or len(sources) == 1:
            return True
        self._problems.add(f"a {what} starts from one tensor, not {len(sources)}", entry.mark, "", context)
        return False

    def _free(self, name: str, entry: Entry, context: Context) -> bool:
        """Whether nothing has this name yet; a mistake if something has, or if it is too long with all around it."""
        if len(name) > LONGEST_PATH:
            message = f"a full name of {len(name):,} characters; the most is {LONGEST_PATH:,}"
            self._problems.add(message, entry.mark, "shorter names of the blocks around it", context)
            return False
        if name not in self._references:
            return True
        first = self._recipes[name].entry.mark if name in self._recipes else None
        where = f" (the first on line {first.line})" if first not in (None, entry.mark) else ""
        again = entry.form == "repeat" or first == entry.mark
        hint = "put the index into it: `name: block{i}`" if again else "give one of them another `name:`"
        self._problems.add(f"two parts of the design are called `{name}`{where}", entry.mark, hint, context)
        return False

    def _named(self, name: str, flow: Flow) -> Flow:
        """Give what was just laid its name."""
        self._references.declare(name, flow)
        return flow

    def _label(self, entry: Entry, label: str, flow: Flow, context: Context) -> str | None:
        """The name of an entry, ``{...}`` in it evaluated; ``None`` after a mistake or behind one."""
        node = entry.modifier("name")
        if node is None or label in self._plain_names:
            return label
        problem, hint, written = "", "", label
        try:
            if len(label) > LONGEST_NAME:
                raise ExpressionError(f"a name of {len(label):,} characters; the most is {LONGEST_NAME}")
            label = fill(label, ScopeNames(context.variables, flow))
        except Unknown:
            return None
        except ExpressionError as error:
            problem, hint = error.message, error.hint
        if context.given and label == GIVEN:
            problem, hint = f"inside a block `{GIVEN}` is what the block was given", "choose another name"
        if not problem and not _NAME.fullmatch(label):
            problem = f"`{shown(label)}` is not a name" if label else "a name is one word"
            hint = "letters, digits, _ and -; dots between parts"
        if problem:
            self._problems.add(problem, node.mark, hint, context)
            return None
        if label == written != GIVEN:
            self._plain_names.add(label)
        return label

    def _flagged(self, entry: Entry, flow: Flow, context: Context, place: tuple[str, ...]) -> Context:
        """The context inside an entry that may say ``freeze:``, ``checkpoint:`` or ``no_grad:``.

        Args:
            place: the full name of the entry, or of the list that its own entries have their names in.
        """
        said = entry.modifiers
        if not said or ("freeze" not in said and "checkpoint" not in said and "no_grad" not in said):
            return context
        freeze, checkpoint, no_grad = map(said.get, ("freeze", "checkpoint", "no_grad"))
        truth = self._problems.truth
        region = context.checkpoint
        if region is None and truth(checkpoint, flow, context, default=False):
            region = ".".join(place) if place != context.path else self._region(context)
        return context._replace(
            freezes=self._freezes(freeze, flow, context, place),
            checkpoint=region,
            no_grad=context.no_grad or truth(no_grad, flow, context, default=False),
        )

    def _freezes(self, node: Node | None, flow: Flow, context: Context, place: tuple[str, ...]) -> tuple[Freeze, ...]:
        """What is frozen inside an entry: what is around it, and what it says itself."""
        if node is None:
            return context.freezes
        if isinstance(node, ListNode):
            pairs = tuple(self._pattern(item, flow, context) for item in node.items)
            return (*context.freezes, self._freezing.declare(Freeze(place, tuple(pair for pair in pairs if pair))))
        value = self._problems.value(node, ScopeNames(context.variables, flow), context)
        words = as_patterns(value)
        if words is not None:
            patterns = tuple((word, node.mark) for word in words)
            return (*context.freezes, self._freezing.declare(Freeze(place, patterns)))
        told = ("yes", "no", "on", "off")
        if (
            isinstance(value, Word)
            and isinstance(node, ScalarNode)
            and value == node.text
            and value.lower() not in told
        ):
            hint = f"`freeze: [{value}]` freezes the parameters of that name"
            self._problems.add(f"unknown name `{value}`", node.mark, hint, context)
            return context.freezes
        stated = self._problems.truth(node, flow, context, default=False)
        return (*context.freezes, Freeze(place, None)) if stated else context.freezes

    def _pattern(self, node: Node, flow: Flow, context: Context) -> tuple[str, Mark] | None:
        """A pattern of names, ``{...}`` in it evaluated; ``None`` after a mistake or behind one."""
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not node.value:
            hint = 'as in `freeze: [bias]` or `freeze: ["*.bias", "layer1.*"]`'
            self._problems.add("a pattern of parameter names is expected here", node.mark, hint, context)
            return None
        try:
            if len(node.value) > LONGEST_NAME:
                raise ExpressionError(f"a name of {len(node.value):,} characters; the most is {LONGEST_NAME}")
            return fill(node.value, ScopeNames(context.variables, flow)), node.mark
        except Unknown:
            return None
        except ExpressionError as error:
            self._problems.add(error.message, node.mark, error.hint, context)
            return None

    def _sources(self, entry: Entry, context: Context) -> list[Flow] | None:
        node = entry.modifier("from")
        if node is None:
            return None
        nodes = node.items if isinstance(node, ListNode) else [node]
        return [self._references.refer(item, context) for item in nodes]

    def _perform(self, call: _Call) -> Flow:
        """Carry out an entry under a name."""
        entry, context = call.entry, call.context
        if entry.form == "reuse":
            return self._reuse(call)
        if entry.form == "group":
            assert entry.body is not None
            if not self._one_source("group", entry, call.sources, context):
                return UNKNOWN
            return self._run_list(entry.body, call.flow, context._replace(path=call.path))
        found = self._resolve(entry, context)
        if isinstance(found, Block):
            return self._call(found, call)
        if found is not None:
            return self._lay(found, call)
        if isinstance(entry.argument, MapNode):  # the layer is unknown; its arguments may be wrong besides
            for value in entry.argument.entries.values():
                if isinstance(value, ScalarNode):
                    self._problems.value(value, ScopeNames(context.variables, call.flow), context)
        return UNKNOWN

    def _resolve(self, entry: Entry, context: Context) -> type[Op] | Block | None:
        word = entry.word
        for _ in range(2):  # a word, or a variable that holds one
            if word in REGISTRY:
                return REGISTRY[word]
            if word in self._document.blocks:
                return self._document.blocks[word]
            held = context.variables.get(word)
            if held is UNKNOWN or word in self._document.broken:
                return None
            if word in context.variables and not isinstance(held, str):
                message = f"the variable `{word}` is {in_words(held)}, not the name of a layer or block"
                self._problems.add(message, entry.mark, "", context)
                return None
            if held is None:
                break
            word = str(held)
        blocks = self._document.blocks
        hint = words.layer_hint(word, {name: [p for p, _ in block.parameters] for name, block in blocks.items()})
        if not hint:
            hint = f"`archscope ops` lists the layers; blocks of this spec: {', '.join(blocks) or 'none'}"
        self._problems.add(f"there is no layer or block `{word}`", entry.mark, hint, context)
        return None

    # -- repeats, blocks, reuse ------------------------------------------------------------------------------------

    def _repeat(self, entry: Entry, flow: Flow, context: Context, label: str | None) -> Flow:
        """Lay the body so many times; without a label its entries stand in the list around it."""
        assert entry.body is not None
        assert entry.argument is not None
        stated = self._problems.whole(entry.argument, ScopeNames(context.variables, flow), 0, context)
        if stated is None:
            return UNKNOWN
        count: int = fixed(stated)
        if count > MOST_LAYERS:
            message = f"{count:,} repetitions; the most is {MOST_LAYERS:,}"
            raise self._problems.fatal(message, entry.argument.mark, "", context)
        templated = label is not None and TEMPLATE.search(label) is not None
        for i in range(count):
            self._problems.spend(1, entry.mark)
            inner = context
            if entry.index is not None:
                inner = context._replace(variables={**context.variables, entry.index: i})
            if label is None:
                flow = self._run_items(entry.body, flow, self._flagged(entry, flow, inner, context.path))
                continue
            own = self._label(entry, label, flow, inner)
            if own is None:
                return UNKNOWN
            path = (*context.path, own) if templated else (*context.path, own, str(i))
            name = ".".join(path)
            if not self._free(name, entry, context):
                return UNKNOWN
            inner = self._flagged(entry, flow, inner, path)._replace(path=path)
            self._scopes.append(Scope(name, None, self._own(inner)))
            flow = self._named(name, self._run_list(entry.body, flow, inner))
        if label is None or templated or count == 0:
            return flow
        name = ".".join((*context.path, label))
        return self._named(name, flow) if self._free(name, entry, context) else flow

    def _call(self, block: Block, call: _Call) -> Flow:
        entry, context = call.entry, call.context
        given = (call.flow,) if call.sources is None else tuple(call.sources)
        if block.takes is not None and len(given) > block.takes:
            most = "one tensor" if block.takes == 1 else f"{block.takes} tensors"
            hint = f"the second of several is `{GIVEN}[1]` inside it" if block.takes == 1 else ""
            self._problems.add(f"the block `{block.name}` reads {most}, not {len(given)}", entry.mark, hint, context)
            return UNKNOWN
        if not given:
            self._problems.add(f"the block `{block.name}` is given no tensor", entry.mark, "", context)
            return UNKNOWN
        if len(context.trail) >= DEEPEST_CALLS:
            hint = "a recursive block needs a `when:` that ends it"
            raise self._problems.fatal(
                f"blocks call blocks {DEEPEST_CALLS} levels deep, `{block.name}` among them", entry.mark, hint, context
            )
        variables = self._bind(block, call._replace(flow=given[0]))
        if variables is None:
            return UNKNOWN
        here = BlockCall(block.name, tuple(name for name, _ in block.parameters), variables, entry.mark)
        trail = (here, *context.trail)
        inner = context._replace(variables=variables, path=call.path, border=len(call.path), given=given, trail=trail)
        known = tuple(flow.ref for flow in given if flow.ref is not None)
        self._scopes.append(Scope(call.name, block.name, self._own(inner), known))
        return self._run_list(block.body, given[0], inner)

    def _own(self, context: Context) -> tuple[tuple[str, Any], ...]:
        """The parameters of the block around, those that are numbers or words."""
        call = context.trail[0] if context.trail else None
        if not isinstance(call, BlockCall):
            return ()
        values = ((name, call.variables[name]) for name in call.parameters)
        return tuple((name, value) for name, value in values if isinstance(value, (int, float, str)))

    def _bind(self, block: Block, call: _Call) -> dict[str, Any] | None:
        """The variables inside a block: the design's, and the parameters of the call."""
        context = call.context
        given = self._given(block, call.entry, context)
        if given is None:
            return None
        variables = dict(self._variables)
        complete = True
        stray = set() if not isinstance(call.entry.argument, MapNode) else set(call.entry.argument.entries) - set(given)
        meant = {closest(word, [name for name, _ in block.parameters]) for word in stray}  # told as misspellings
        for name, default in block.parameters:
            if name in given:
                value = self._problems.value(given[name], ScopeNames(context.variables, call.flow), context)
            elif default is not None:
                node = ScalarNode(default, block.mark, inset=None)
                value = self._problems.value(node, ScopeNames(variables, call.flow), context)
            else:
                value = UNKNOWN
                if name not in meant:
                    message = f"the block `{block.name}` needs `{name}`"
                    self._problems.add(message, call.entry.mark, f"its signature is {block.signature}", context)
            complete = complete and value is not UNKNOWN
            variables[name] = value
        return variables if complete else None

    def _given(self, block: Block, entry: Entry, context: Context) -> dict[str, Node] | None:
        """The arguments of a call by name; a bare value is the first."""
        node, names = entry.argument, [name for name, _ in block.parameters]
        if node is None or (isinstance(node, ScalarNode) and node.value is None):
            return {}
        if not isinstance(node, MapNode):
            if names:
                return {names[0]: node}
            self._problems.add(f"the block `{block.name}` takes no arguments", node.mark, "", context)
            return None
        for name in node.entries:
            if name not in names:
                hint = suggestion(name, names) or f"its signature is {block.signature}"
                message = f"the block `{block.name}` has no parameter `{name}`"
                self._problems.add(message, node.keys[name], hint, context)
        return {name: value for name, value in node.entries.items() if name in names}

    def _reuse(self, call: _Call) -> Flow:
        entry, context = call.entry, call.context
        word = self._references.filled(entry.word, entry.mark, context)
        full = None if word is None else self._references.find(word, entry.mark, context)
        if full is None:
            return UNKNOWN
        first = self._recipes.get(full)
        if first is None:
            message = f"`{entry.word}` cannot be applied again"
            self._problems.add(message, entry.mark, "name a layer or a block", context)
            return UNKNOWN
        if entry.modifier("freeze") is not None:
            hint = f"put `freeze:` beside `{full}`"
            message = f"`freeze:` says nothing here: the weights are those of `{full}`"
            self._problems.warn(message, entry.mark, hint, context)
        again = first.context._replace(
            freezes=(),  # the weights are those of the first use
            checkpoint=context.checkpoint,
            no_grad=context.no_grad,
            reuse=(call.path, first.path),
            path=call.path[:-1],
            border=context.border,
            trail=(ReuseCall(entry.word, entry.mark), *context.trail),
        )
        return self._perform(call._replace(entry=replace(first.entry, mark=entry.mark), context=again))

    # -- layers ----------------------------------------------------------------------------------------------------

    def _lay(self, op_class: type[Op], call: _Call) -> Flow:
        """Bind an op to its inputs and add the layer."""
        entry, context, problems = call.entry, call.context, self._problems
        arguments = read_arguments(op_class, entry, context, problems)
        if arguments is None:
            return UNKNOWN
        flows = self._gather(op_class, call, arguments)
        made = self._made(op_class, call, arguments, flows)
        x = tuple([flow.tensor for flow in flows if flow.tensor is not None])
        if made is None or len(x) < len(flows):
            return UNKNOWN
        op, stated = made
        if op.arity.least == 0 and call.sources is None and not arguments.inputs and apply(op, ())[0]:
            flows, x = [], ()  # it needs no input, so the chain's tensor is not one
        problems.spend(len(flows), entry.mark)
        outputs, violations = self._inference.apply(op, x)
        if violations:
            x = self._marked(flows)
            violations = apply(op, x)[1]
        for violation in violations:
            first = self._inputs[0].shape if self._inputs else ()
            declared = len(next(iter(self._document.inputs.values())).shape.items)
            report(violation, op_class, entry, arguments, x, first, declared, context, problems)
        if violations or not followed(op, stated, x, arguments, context, problems):
            return UNKNOWN
        return self._add(op, x, outputs, tuple([flow.ref for flow in flows if flow.ref is not None]), call)

    def _made(
        self, op_class: type[Op], call: _Call, arguments: Arguments, flows: list[Flow]
    ) -> tuple[Op, dict[str, Any]] | None:
        """As :func:`construct`; equal ops are one, so that what is known of one is known of all."""
        if not arguments.values and not op_class.required:
            if op_class not in self._bare:
                op = op_class.bound({})
                self._bare[op_class] = self._ops.setdefault(op, op)
            return self._bare[op_class], {}
        arriving = flows[0] if flows else call.flow
        made = construct(op_class, call.entry, arguments, arriving, call.context, self._problems)
        return made and (self._ops.setdefault(made[0], made[0]), made[1])

    def _marked(self, flows: list[Flow]) -> Tensors:
        """The tensors of flows, each with its batch dimension, so that a message shows their shapes without it."""
        marked = LayerGraph(self._inputs, self._layers.values(), (), self._references.outputs).marked(1)
        return tuple(marked[ref.node][ref.output] for ref, _, _ in flows if ref is not None)

    def _gather(self, op_class: type[Op], call: _Call, arguments: Arguments) -> list[Flow]:
        """The tensors that an op reads: of its branches, of its ``from:``, or the one that arrives."""
        context, references = call.context, self._references
        if arguments.inputs is None:
            if call.sources is None and call.flow.choices and op_class.arity.least == 0:
                return []  # it asks for none of the several that arrive
            flows = [call.flow] if call.sources is None else call.sources
            return [references.chosen(flow, call.entry.mark, context) for flow in flows]
        flows = []
        for item in arguments.inputs.items:
            if isinstance(item, ListNode):
                result = self._run_items(item, call.flow, context)
            elif isinstance(item, MapNode):
                hint = "begin it with `- - ` or put it in [...]"
                self._problems.add("a branch is a list of layers", item.mark, hint, context)
                result = UNKNOWN
            else:
                result = references.refer(item, context)
            flows.append(references.chosen(result, item.mark, context))
        return flows

    def _add(self, op: Op, x: Tensors, outputs: Tensors, refs: tuple[Ref, ...], call: _Call) -> Flow:
        entry, context, name = call.entry, call.context, call.name
        if len(self._layers) >= MOST_LAYERS:
            raise self._problems.fatal(f"more than {MOST_LAYERS:,} layers", entry.mark, "", context)
        shares = self._shared(op, x, call) if context.reuse is not None else None
        named = entry.modifier("name") is not None
        frozen = self._layers[shares].frozen if shares else self._frozen(op, x, call)
        layer = Layer(name, op, refs, shares, frozen, context.checkpoint, entry.mark, named, context.no_grad)
        self._layers[name] = layer
        self._references.outputs[name] = outputs
        if op.main_output is None and len(outputs) > 1:
            return Flow(Ref(name), None, len(outputs))
        return Flow(Ref(name, op.main_output or 0), outputs[op.main_output or 0])

    def _frozen(self, op: Op, x: Tensors, call: _Call) -> tuple[str, ...]:
        """The parameters of a layer that are frozen."""
        freezes = call.context.freezes
        if not freezes:
            return ()
        self._problems.spend(sum(len(freeze.patterns or ()) for freeze in freezes) // 8, call.entry.mark)
        return self._freezing.frozen(freezes, call.path, op.parameters(*x))

    def _shared(self, op: Op, x: Tensors, call: _Call) -> str | None:
        """The layer whose weights a reused layer shares; ``None`` (and a mistake) if they do not fit."""
        entry, context = call.entry, call.context
        assert context.reuse is not None
        again, first = context.reuse
        name = ".".join((*first, *call.path[len(again) :]))
        original = self._layers.get(name)
        if original is None:
            self._problems.add(f"the first use has no layer `{name}`", entry.mark, "", context)
            return None
        tensors = tuple(self._references.outputs[ref.node][ref.output] for ref in original.inputs)
        before, now = original.op.parameters(*tensors), op.parameters(*x)
        for parameter, tensor in now.items():
            if before.get(parameter) != tensor:
                was = list(before[parameter].shape) if parameter in before else "absent"
                would = f"{parameter} is {was} there and would be {list(tensor.shape)}"
                hint = "the same weights need the same channels"
                self._problems.add(f"`{name}` cannot be reused here: {would}", entry.mark, hint, context)
                break  # the other parameters differ for the same reason
        return original.shares or name
