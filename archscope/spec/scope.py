"""What the parts of the compiler share: where an entry stands, what arrives there, and the mistakes found so far."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from archscope.arith import fixed, plain
from archscope.arith.recorded import Truth
from archscope.design.graph import Ref
from archscope.errors import counted
from archscope.errors.diagnostics import MOST_REPORTED, Diagnostic, Mark, numberless
from archscope.ops import Tensor
from archscope.ops.fields import FieldError, FieldInfo, Named, Size
from archscope.spec.document import ARRIVING
from archscope.spec.expressions import FUNCTIONS, ExpressionError, Word, doubt, evaluate, extent, in_words, shown
from archscope.spec.freezing import Freeze
from archscope.spec.limits import LONGEST_LIST, MOST_WORK
from archscope.spec.reader import ListNode, MapNode, Node


class Unknown(Exception):
    """A value depends on a tensor that an earlier mistake left unknown."""


class Stop(Exception):
    """A limit is exceeded, or too many mistakes were found: nothing more can be said."""


class Flow(NamedTuple):
    """The tensor that the next layer reads; unknown (no tensor) behind a mistake.

    Attributes:
        choices: how many outputs there are to choose from, where a spec has to say which one it means.
        parts: the outputs of a block by name, where it names them.
        name: of that block.
    """

    ref: Ref | None = None
    tensor: Tensor | None = None
    choices: int = 0
    parts: Mapping[str, Flow] | None = None
    name: str = ""


UNKNOWN = Flow()
#: the first of ``in_shape``
_BATCH = Word("N", why="dimension 0 is the batch, whose size a spec leaves open; the others count from 1, as in torch")

#: values of lists that are looked through in the time of a step
_VALUES_A_STEP = 50
#: of all steps, those that may be spent when mistakes have been found: what lies behind them is cut short
_MOST_BEHIND_MISTAKES = MOST_WORK // 4


class BlockCall(NamedTuple):
    """A block at work: told with every mistake inside it, and put into words only then."""

    name: str
    parameters: tuple[str, ...]
    variables: Mapping[str, Any]
    mark: Mark

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={shown(self.variables[name])}" for name in self.parameters)
        return f"block `{self.name}({arguments})`, called at {self.mark}"


class ReuseCall(NamedTuple):
    """A layer or block applied again."""

    name: str
    mark: Mark

    def __str__(self) -> str:
        return f"`reuse: {self.name}` at {self.mark}"


class Begin(NamedTuple):
    """How some parameters begin.

    Attributes:
        place: the full name of the entry that says so; patterns are of names within it.
        kind: the op whose parameters are meant, by their own names; ``None`` is any.
        pattern: of names, as of files.
        value: as :class:`~archscope.ops.contents.Beginning` holds it.
    """

    place: tuple[str, ...]
    kind: str | None
    pattern: str
    value: float | str
    mark: Mark


class Context(NamedTuple):
    """Where an entry stands.

    Attributes:
        variables: what expressions may use.
        path: the full name of the list that the entry stands in.
        border: how many parts of the path lie outside the block; its entries see no names out there.
        labels: names of the entries of this list, by ``id`` of their nodes.
        freezes: what the entries around it freeze.
        begins: how parameters begin, by what the entries around it say, the outermost first.
        checkpoint: the region around it that is recomputed.
        no_grad: whether it runs without gradients.
        dtype: the floating type in which the layers are held, if that is not the one of the run.
        reuse: path of the entry that is applied again, and of its first application.
        operands: the tensors that the block around it was given: `input`, or `input[0]`, `input[1]`, ...
        trail: the block calls around it, innermost first.
    """

    variables: Mapping[str, Any]
    path: tuple[str, ...] = ()
    border: int = 0
    labels: Mapping[int, str] | None = None
    freezes: tuple[Freeze, ...] = ()
    begins: tuple[Begin, ...] = ()
    checkpoint: str | None = None
    no_grad: bool = False
    dtype: str | None = None
    reuse: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    operands: tuple[Flow, ...] = ()
    trail: tuple[BlockCall | ReuseCall, ...] = ()

    def beside(self, index: str | None) -> Context:
        """What holds where a repeat is described: its index has no value yet."""
        if index is None or index in self.variables:
            return self
        why = "counts inside the repeat: its `from:`, `when:` and count are read before the first round"
        return self._replace(variables={**self.variables, index: Word(index, why=f"`{index}` {why}")})

    def counting(self, index: str, number: int, mark: Mark, problems: Problems) -> Context:
        """What holds in a round of a repeat; its index hides a variable of that name, which is warned of."""
        if number == 0 and index in self.variables:
            hint = "give the index another name"
            problems.warn(f"`{index}` is the index of this repeat, and hides a variable of that name", mark, hint, self)
        return self._replace(variables={**self.variables, index: number})


class ScopeNames:
    """The names that an expression may use: variables, and what arrives at the layer.

    Args:
        later: variables that are declared further down; an expression that uses one is told so.
    """

    __slots__ = ("_flow", "_later", "_variables", "looked_through")

    def __init__(self, variables: Mapping[str, Any], flow: Flow | None = None, later: Container[str] = ()) -> None:
        self._variables, self._flow, self._later = variables, flow, later
        self.looked_through = 0

    def lookup(self, name: str) -> Any:
        """The value of a name.

        Raises:
            KeyError: there is none.
            Unknown: it follows from something that a mistake left unknown.
            ExpressionError: it is a variable that is declared later.
        """
        if name in self._variables:
            value = self._variables[name]
            if value is UNKNOWN:
                raise Unknown
            return value
        if self.waits_for(name):
            raise ExpressionError(f"the variable `{name}` has no value yet", "a variable may use those above it")
        if self._flow is None or name not in ARRIVING:
            raise KeyError(name)
        return _arriving(name, self._flow)

    def waits_for(self, name: str) -> bool:
        """Whether it is a variable that is declared later."""
        return name in self._later

    def spend(self, values: int) -> None:
        """Count values of lists that were looked through."""
        self.looked_through += values

    def vocabulary(self) -> Sequence[str]:
        """All names."""
        return [*self._variables, *(ARRIVING if self._flow else ())]


def _arriving(name: str, flow: Flow) -> Any:
    """What a name says of the tensor that arrives."""
    if flow.choices:
        hint = "a `from:` says which one is meant"
        raise ExpressionError(f"`{name}` has no value: {counted(flow.choices, 'tensor')} arrive", hint, undefined=True)
    if flow.tensor is None:
        raise Unknown
    shape = flow.tensor.shape
    if name == "in_size":
        return shape[2:]
    if name == "in_shape":
        return (_BATCH, *shape[1:]) if shape else ()
    if not shape:
        raise ExpressionError(f"`{name}` has no value: what arrives has no dimensions", undefined=True)
    if name == "in_channels":
        return shape[min(1, len(shape) - 1)]
    return shape[-2] if name == "in_length" and len(shape) > 2 else shape[-1]


#: a mistake at a place, its numbers left out
_Key = tuple[str, Mark | None]


def _key(message: str, mark: Mark | None) -> _Key:
    return (message if mark is None else numberless(message)), mark


class Problems:
    """The mistakes found so far, and the work done so far.

    One that occurs at one place again and again, in calls of a block or in rounds of a repeat, counts once, whatever
    its numbers are there.
    """

    def __init__(self, mistakes: Sequence[Diagnostic] = (), most: int = MOST_REPORTED) -> None:
        self._mistakes = {_key(d.message, d.mark): d for d in mistakes}
        self._again: dict[_Key, set[str]] = {}  # the same with other numbers
        self._warned: dict[_Key, Diagnostic] = {}
        self._work, self._most = 0, most

    def __bool__(self) -> bool:
        return bool(self._mistakes)

    def __iter__(self) -> Iterator[Diagnostic]:
        return (
            replace(one, again=len(self._again[key])) if key in self._again else one
            for key, one in self._mistakes.items()
        )

    def has(self, message: str, mark: Mark | None) -> bool:
        """Whether this mistake has been found before, in another call of the same block."""
        return _key(message, mark) in self._mistakes

    def add(self, message: str, mark: Mark | None, hint: str = "", context: Context | None = None) -> None:
        """Note a mistake.

        Raises:
            Stop: it is one too many.
        """
        key = _key(message, mark)
        if key not in self._mistakes:
            trail = tuple(map(str, context.trail)) if context else ()
            self._mistakes[key] = Diagnostic(message, mark, hint, trail)
        elif message != self._mistakes[key].message:
            self._again.setdefault(key, set()).add(message)
        if len(self._mistakes) >= self._most:
            raise Stop

    @property
    def warnings(self) -> list[Diagnostic]:
        """What was warned of: each place once."""
        return list(self._warned.values())

    def warn(self, message: str, mark: Mark | None, hint: str = "", context: Context | None = None) -> None:
        """Note what has a meaning, and perhaps not the one that was meant."""
        key = _key(message, mark)
        if len(self._warned) < self._most and key not in self._warned:
            trail = tuple(map(str, context.trail)) if context else ()
            self._warned[key] = Diagnostic(message, mark, hint, trail, "warning")

    def fatal(self, message: str, mark: Mark | None, hint: str = "", context: Context | None = None) -> Stop:
        """Note a mistake after which nothing more can be said; the caller raises what this returns."""
        self.add(message, mark, hint, context)
        return Stop()

    def spend(self, work: int, mark: Mark) -> None:
        """Count what is done, so that no spec keeps anybody waiting.

        Raises:
            Stop: it is too much.
        """
        self._work += work
        if self._work > _MOST_BEHIND_MISTAKES and self:
            raise Stop  # the mistakes found so far say more
        if self._work > MOST_WORK:
            hint = "blocks that call themselves twice, or repeats in repeats, soon are too many"
            raise self.fatal(f"the design takes more than {MOST_WORK:,} steps to lay out", mark, hint)

    def value(self, node: Node, names: ScopeNames, context: Context | None, info: FieldInfo | None = None) -> Any:
        """The value of a node, expressions evaluated; ``UNKNOWN`` after a mistake or behind one.

        A name that is not known is a :class:`~archscope.spec.expressions.Word`: whoever needs a number will say so.
        """
        self.spend(1, node.mark)
        if isinstance(node, ListNode):
            values = tuple(self.value(item, names, context, info) for item in node.items)
            if extent(values) > LONGEST_LIST:
                self.add(f"a list of more than {LONGEST_LIST:,} values", node.mark, "", context)
                return UNKNOWN
            return UNKNOWN if any(value is UNKNOWN for value in values) else values
        if isinstance(node, MapNode):
            if info is None or not isinstance(info.kind, Named):
                self.add("expected a value, not a mapping", node.mark, "", context)
                return UNKNOWN
            pairs = tuple((name, self.value(item, names, context, info)) for name, item in node.entries.items())
            return UNKNOWN if any(value is UNKNOWN for _, value in pairs) else pairs
        if not isinstance(node.value, str) or (info is not None and info.kind.takes_word(node.value)):
            return node.value
        self.spend(len(node.value) // 8, node.mark)
        before = names.looked_through
        try:
            value = evaluate(node.value, names)
            self.spend((names.looked_through - before) // _VALUES_A_STEP, node.mark)
            return fixed(value) if isinstance(value, Truth) else value  # what holds is structure
        except Unknown:
            return UNKNOWN
        except ExpressionError as error:
            arithmetic = node.value.partition("(")[0].strip() in FUNCTIONS
            if info is not None and info.kind.tells_of(node.value) and not arithmetic:
                return node.value
            if node.value.isidentifier() and not error.undefined and not names.waits_for(node.value):
                return Word(node.value, names)
            exact = node.inset is not None and error.length
            mark = node.mark.shifted((node.inset or 0) + error.offset, error.length) if exact else node.mark
            self.add(error.message, mark, error.hint, context)
            return UNKNOWN

    def whole(self, node: Node, names: ScopeNames, minimum: int, context: Context) -> int | None:
        """The whole number that a node states; ``None`` after a mistake or behind one."""
        value = self.value(node, names, context)
        if value is UNKNOWN:
            return None
        try:
            return Size(minimum).read(value, None)
        except FieldError as error:
            hint = error.hint or next((word.hint for word in words_in(value)), "")
            self.add(error.message, node.mark, hint, context)
            return None

    def truth(self, node: Node | None, flow: Flow, context: Context, *, default: bool) -> bool:
        """The condition that a node states."""
        if node is None:
            return default
        value = self.value(node, ScopeNames(context.variables, flow), context)
        if value is UNKNOWN:
            return default
        if isinstance(value, Word) and not value.why:
            self.add(f"unknown name `{value}`", node.mark, doubt(value) or value.hint, context)
        elif not isinstance(plain(value), (bool, int)):
            self.add(f"expected a condition, got {in_words(value)}", node.mark, doubt(value), context)
        return bool(value)


def words_in(value: Any) -> Iterator[Word]:
    """The unresolved words in a value."""
    if isinstance(value, Word):
        yield value
    elif isinstance(value, tuple) and not isinstance(value, Flow):
        for item in value:
            yield from words_in(item)
