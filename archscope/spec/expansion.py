"""From a document to a design: blocks, repeats and branches resolved, every layer bound to what arrives at it.

Shapes are inferred while layers are laid, because an argument may ask for them (``groups: in_channels``). A layer that
is wrong is reported and replaced by an unknown tensor, which silences whatever depends on it, so that one run reports
as many mistakes as can be found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from archscope.arith import fixed
from archscope.design import Design, Scope
from archscope.design.graph import Ref
from archscope.errors import SpecError, counted
from archscope.errors.diagnostics import MOST_REPORTED, Diagnostic, Mark
from archscope.ops import REGISTRY, Op
from archscope.spec import frame, words
from archscope.spec.binding import Arguments, read_arguments
from archscope.spec.calls import EntryCall, bind
from archscope.spec.document import Block, Document
from archscope.spec.entries import Entry, branches, labels, read_entry, read_operand
from archscope.spec.expressions import TEMPLATE, ExpressionError, fill, in_words, shown
from archscope.spec.flags import Flags
from archscope.spec.laying import Laying
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
        self._flags = Flags(self._problems)
        self._laying = Laying(document, self._references, self._flags, self._problems)
        self._recipes: dict[str, EntryCall] = {}  # how every named entry was carried out, for `reuse`
        self._entries: dict[int, Entry | None] = {}
        self._arguments: dict[tuple[type[Op], int], Arguments] = {}
        self._labels: dict[int, dict[int, str]] = {}
        self._plain_names: set[str] = set()  # given names that are the same wherever they stand
        self._scopes: list[Scope] = []
        self._place = Mark(document.source, 1, 1)  # of the entry that was read last

    def expand(self, overrides: Mapping[str, Node], inputs: Mapping[str, ListNode]) -> Design:
        document = self._document
        outputs: list[tuple[str, Ref]] = []
        try:
            self._variables = frame.variables(document, overrides, self._problems)
            context = Context(self._variables)
            self._laying.inputs, flow = frame.inputs(document, inputs, context, self._references, self._problems)
            if document.layers is None:
                if "layers:" in document.broken:
                    raise Stop
                hint = "a file of blocks is for `include:`"
                raise self._problems.fatal("a design has no `layers:`", self._place, hint)
            freezes = self._flags.freezes(document.freeze, flow, context, ())
            begins = self._flags.beginnings.inside(document.init, flow, context, ())
            flow = self._run_list(document.layers, flow, context._replace(freezes=freezes, begins=begins))
            outputs = list(frame.outputs(document, flow, self._place, context, self._references, self._problems))
        except Stop:
            pass
        except RecursionError:
            deep = Diagnostic("the layers are nested too deeply", self._place)
            self._problems = Problems([*self._problems, deep])
        if self._problems:
            raise SpecError([*self._problems, *self._problems.warnings])
        design = Design(
            document.name or "design",
            tuple(self._laying.inputs),
            tuple(self._laying.layers.values()),
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
        if design.graph.typed:
            _ = design.graph.runs_in  # or it is none in any precision
        unread = (
            Diagnostic(f"`{layer.name}` contributes to no output", layer.mark, severity="warning")
            for layer in design.graph.unread()
        )
        return design.with_warnings(
            [*self._problems.warnings, *self._flags.freezing.unfit(), *self._flags.beginnings.unfit(), *unread]
        )

    # -- lists and entries -----------------------------------------------------------------------------------------

    def _read(self, node: Node) -> Entry | None:
        """The entry that a node is; of one among the inputs of a layer :meth:`_read_operand` was asked before."""
        if id(node) not in self._entries:
            self._entries[id(node)] = entry = read_entry(node, self._problems.add)
            for branch in () if entry is None else branches(entry):
                if isinstance(branch, MapNode):
                    self._read_operand(branch)
        return self._entries[id(node)]

    def _read_operand(self, node: MapNode) -> Entry | None:
        if id(node) not in self._entries:
            self._entries[id(node)] = read_operand(node, self._problems.add)
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
            if when is None or self._problems.truth(when, flow, context.beside(entry.index), default=True):
                flow = self._run_entry(node, entry, flow, context)
                self._place = entry.mark
        return flow

    def _run_entry(self, node: Node, entry: Entry, flow: Flow, context: Context) -> Flow:
        sources = self._sources(entry, context)
        if sources is not None and len(sources) == 1:
            flow = sources[0]
        if entry.form == "group" and entry.modifier("name") is None:
            assert entry.body is not None
            if not self._one_source("group", entry, sources, context):
                return UNKNOWN
            return self._run_items(entry.body, flow, self._flags.inside(entry, flow, context, context.path))
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
        call = EntryCall(entry, flow, sources, self._flags.inside(entry, flow, context, path), path, name)
        self._recipes[name] = call
        flow = self._perform(call)
        return self._named(name, flow) if self._free(name, entry, context) else UNKNOWN  # a branch may have taken it

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
        if context.operands and label == GIVEN:
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

    def _sources(self, entry: Entry, context: Context) -> list[Flow] | None:
        node = entry.modifier("from")
        if node is None:
            return None
        nodes, context = node.items if isinstance(node, ListNode) else [node], context.beside(entry.index)
        return [flow for item in nodes for flow in self._named_by(item, context)]

    def _named_by(self, node: Node, context: Context) -> Iterable[Flow]:
        """The tensors that an entry of ``from:`` means: one, or as many as a repeat counts or a condition leaves."""
        if not isinstance(node, MapNode) or not {"repeat", "from", "layers"} & node.entries.keys():
            return [self._references.refer(node, context)]
        entry = self._read_operand(node)
        if entry is not None and entry.body is None:
            return self._operand(node, entry, UNKNOWN, context)
        if entry is not None:
            hint = "a branch stands among the inputs of a merging op, as in `Add: [[ReLU], []]`"
            self._problems.add("`from:` names tensors, and lays no layers", entry.mark, hint, context)
        return [UNKNOWN]

    def _perform(self, call: EntryCall) -> Flow:
        """Carry out an entry under a name."""
        entry, context = call.entry, call.context
        if entry.form == "reuse":
            return self._reuse(call)
        if entry.form == "group":
            assert entry.body is not None
            if not self._one_source("group", entry, call.sources, context):
                return UNKNOWN
            return self._run_list(entry.body, call.flow, context._replace(path=call.path))
        meaning = self._resolve(entry, context)
        if isinstance(meaning, Block):
            return self._call(meaning, call)
        if meaning is not None:
            return self._lay(meaning, call)
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
        count = self._count(entry, flow, context)
        if count is None:
            return UNKNOWN
        for number in range(count):
            after = self._round(entry, number, flow, self._inside(entry, number, context), label)
            if after is None:
                return UNKNOWN
            flow = after
        if label is None or TEMPLATE.search(label) or count == 0:
            return flow
        name = ".".join((*context.path, label))
        return self._named(name, flow) if self._free(name, entry, context) else flow

    def _count(self, entry: Entry, flow: Flow, context: Context) -> int | None:
        """How often a repeat is carried out; ``None`` after a mistake or behind one."""
        assert entry.argument is not None
        names = ScopeNames(context.beside(entry.index).variables, flow)
        stated = self._problems.whole(entry.argument, names, 0, context)
        if stated is None:
            return None
        count: int = fixed(stated)
        if count > MOST_LAYERS:
            message = f"{count:,} repetitions; the most is {MOST_LAYERS:,}"
            raise self._problems.fatal(message, entry.argument.mark, "", context)
        return count

    def _inside(self, entry: Entry, number: int, context: Context) -> Context:
        """What holds in a round of a repeat."""
        self._problems.spend(1, entry.mark)
        if entry.index is None:
            return context
        return context.counting(entry.index, number, entry.mark, self._problems)

    def _round(self, entry: Entry, number: int, flow: Flow, context: Context, label: str | None) -> Flow | None:
        """Lay the body once; ``None`` where it cannot have a name."""
        assert entry.body is not None
        if label is None:
            return self._run_items(entry.body, flow, self._flags.inside(entry, flow, context, context.path))
        own = self._label(entry, label, flow, context)
        if own is None:
            return None
        path = (*context.path, own) if TEMPLATE.search(label) else (*context.path, own, str(number))
        name = ".".join(path)
        if not self._free(name, entry, context):
            return None
        inner = self._flags.inside(entry, flow, context, path)._replace(path=path)
        repeats = entry.repeats(self._read) if entry.modifier("name") is None else ""
        self._scopes.append(Scope(name, None, self._own(inner), repeats=repeats))
        return self._named(name, self._run_list(entry.body, flow, inner))

    def _operand(self, node: MapNode, entry: Entry, flow: Flow, context: Context) -> Iterator[Flow]:
        """The tensors that an input of a layer with a condition, or several in a repeat, come to."""
        when = entry.modifier("when")
        if when is not None and not self._problems.truth(when, flow, context.beside(entry.index), default=True):
            return
        if entry.form == "group":
            yield from (
                [self._run_entry(node, entry, flow, context)] if entry.body else self._sources(entry, context) or ()
            )
            return
        count = self._count(entry, flow, context)
        if count is None:
            yield UNKNOWN
        label = context.labels.get(id(node)) if context.labels is not None else None
        for number in range(count or 0):
            inner = self._inside(entry, number, context)
            sources = self._sources(entry, inner)
            if entry.body is None:
                yield from sources or ()
            elif not self._one_source("branch", entry, sources, inner):
                yield UNKNOWN
            else:
                start = sources[0] if sources else flow
                after = self._round(entry, number, start, inner, label)
                yield UNKNOWN if after is None else after

    def _call(self, block: Block, call: EntryCall) -> Flow:
        entry, context = call.entry, call.context
        operands = (call.flow,) if call.sources is None else tuple(call.sources)
        if block.takes is not None and len(operands) > block.takes:
            most = "one tensor" if block.takes == 1 else counted(block.takes, "tensor")
            hint = f"the second of several is `{GIVEN}[1]` inside it" if block.takes == 1 else ""
            self._problems.add(f"the block `{block.name}` reads {most}, not {len(operands)}", entry.mark, hint, context)
            return UNKNOWN
        if not operands:
            self._problems.add(f"the block `{block.name}` is given no tensor", entry.mark, "", context)
            return UNKNOWN
        if len(context.trail) >= DEEPEST_CALLS:
            hint = "a recursive block needs a `when:` that ends it"
            raise self._problems.fatal(
                f"blocks call blocks {DEEPEST_CALLS} levels deep, `{block.name}` among them", entry.mark, hint, context
            )
        variables = bind(block, call._replace(flow=operands[0]), self._variables, self._problems)
        if variables is None:
            return UNKNOWN
        here = BlockCall(block.name, tuple(name for name, _ in block.parameters), variables, entry.mark)
        trail = (here, *context.trail)
        inner = context._replace(
            variables=variables, path=call.path, border=len(call.path), operands=operands, trail=trail
        )
        refs = tuple(flow.ref for flow in operands if flow.ref is not None)
        self._scopes.append(Scope(call.name, block.name, self._own(inner), refs))
        flow = self._run_list(block.body, operands[0], inner)
        if block.outputs is None:
            return flow
        named = frame.named_outputs(block.outputs, inner, self._references, self._problems)
        parts = {name: one for name, one, _ in named}
        return self._references.named(call.name, parts, block.outputs.mark, context) if parts else UNKNOWN

    def _own(self, context: Context) -> tuple[tuple[str, Any], ...]:
        """The parameters of the block around, those that are numbers or words."""
        call = context.trail[0] if context.trail else None
        if not isinstance(call, BlockCall):
            return ()
        values = ((name, call.variables[name]) for name in call.parameters)
        return tuple((name, value) for name, value in values if isinstance(value, (int, float, str)))

    def _reuse(self, call: EntryCall) -> Flow:
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
        for word in ("freeze", "init"):
            if entry.modifier(word) is not None:
                message = f"`{word}:` says nothing here: the weights are those of `{full}`"
                self._problems.warn(message, entry.mark, f"put `{word}:` beside `{full}`", context)
        again = first.context._replace(
            freezes=(),  # the weights are those of the first use
            begins=(),
            checkpoint=context.checkpoint,
            no_grad=context.no_grad,
            dtype=None,
            reuse=(call.path, first.path),
            path=call.path[:-1],
            border=context.border,
            trail=(ReuseCall(entry.word, entry.mark), *context.trail),
        )
        return self._perform(call._replace(entry=replace(first.entry, mark=entry.mark), context=again))

    # -- layers ----------------------------------------------------------------------------------------------------

    def _lay(self, op_class: type[Op], call: EntryCall) -> Flow:
        """A layer behind those that there are."""
        key = op_class, id(call.entry.argument)
        arguments = self._arguments.get(key)  # of a block that is called again
        if arguments is None:
            arguments = read_arguments(op_class, call.entry, call.context, self._problems)
            if arguments is None:
                return UNKNOWN
            self._arguments[key] = arguments
        flows = self._gather(op_class, call, arguments)
        if len(flows) == 1 < op_class.arity.least and self._varying(call.entry, arguments):
            return flows[0]  # what is left of a merge by a condition, or by a count, needs none
        return self._laying.lay(op_class, call, arguments, flows)

    def _varying(self, entry: Entry, arguments: Arguments) -> bool:
        """Whether how many inputs a layer has follows from a condition or a count."""
        node = arguments.inputs if arguments.inputs is not None else entry.modifier("from")
        items = node.items if isinstance(node, ListNode) else [node]
        return any(isinstance(item, MapNode) for item in items)

    def _gather(self, op_class: type[Op], call: EntryCall, arguments: Arguments) -> list[Flow]:
        """The tensors that an op reads: of its branches, of its ``from:``, or the one that arrives."""
        context, references = call.context, self._references
        if arguments.inputs is None:
            if call.sources is None and call.flow.choices and op_class.arity.least == 0:
                return []  # it asks for none of the several that arrive
            flows = [call.flow] if call.sources is None else call.sources
            return [references.chosen(flow, call.entry.mark, context) for flow in flows]
        flows = []
        for item in arguments.inputs.items:
            results: Iterable[Flow]
            if isinstance(item, ListNode):
                results = [self._run_items(item, call.flow, context)]
            elif isinstance(item, MapNode):
                operand = self._read_operand(item)
                results = [UNKNOWN] if operand is None else self._operand(item, operand, call.flow, context)
            else:
                results = [references.refer(item, context)]
            flows += [references.chosen(result, item.mark, context) for result in results]
        return flows
