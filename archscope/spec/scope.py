"""What the parts of the compiler share: where an entry stands, what arrives there, and the mistakes found so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from archscope.diagnostics import Diagnostic, Mark
from archscope.graph import Ref
from archscope.ops import Tensor
from archscope.ops.fields import FieldInfo
from archscope.spec.expressions import ExpressionError, Word, evaluate, name_hint
from archscope.spec.reader import ListNode, MapNode, Node

MOST_PROBLEMS = 50


class Unknown(Exception):
    """A value depends on a tensor that an earlier mistake left unknown."""


class Stop(Exception):
    """A limit is exceeded, or too many mistakes were found: nothing more can be said."""


class Flow(NamedTuple):
    """The tensor that the next layer reads; unknown (no tensor) behind a mistake.

    Attributes:
        choices: how many outputs there are to choose from, where a spec has to say which one it means.
    """

    ref: Ref | None = None
    tensor: Tensor | None = None
    choices: int = 0


UNKNOWN = Flow()


class BlockCall(NamedTuple):
    """A block at work: told with every mistake inside it, and put into words only then."""

    name: str
    parameters: tuple[str, ...]
    variables: Mapping[str, Any]
    mark: Mark

    def __str__(self) -> str:
        given = ", ".join(f"{name}={self.variables[name]}" for name in self.parameters)
        return f"block `{self.name}({given})`, called at {self.mark}"


class ReuseCall(NamedTuple):
    """A layer or block applied again."""

    name: str
    mark: Mark

    def __str__(self) -> str:
        return f"`reuse: {self.name}` at {self.mark}"


class Context(NamedTuple):
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
    trail: tuple[BlockCall | ReuseCall, ...] = ()


class ScopeNames:
    """The names that an expression may use: variables, and what arrives at the layer."""

    __slots__ = ("_flow", "_variables")
    ARRIVING = ("in_channels", "in_features", "in_size")

    def __init__(self, variables: Mapping[str, Any], flow: Flow | None = None) -> None:
        self._variables, self._flow = variables, flow

    def lookup(self, name: str) -> Any:
        """The value of a name.

        Raises:
            KeyError: there is none.
            Unknown: it asks for a tensor that a mistake left unknown.
        """
        if name in self._variables:
            return self._variables[name]
        if self._flow is None or name not in self.ARRIVING:
            raise KeyError(name)
        if self._flow.tensor is None:
            raise Unknown
        shape = self._flow.tensor.shape
        if name == "in_size":
            return shape[2:]
        return shape[1] if name == "in_channels" and len(shape) > 1 else shape[-1]

    def known(self) -> Sequence[str]:
        """All names."""
        return [*self._variables, *(self.ARRIVING if self._flow else ())]


class Problems:
    """The mistakes found so far; one that occurs in every call of a block counts once."""

    def __init__(self, found: Sequence[Diagnostic] = ()) -> None:
        self._found = {(d.message, d.mark): d for d in found}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self._found.values())

    def add(self, message: str, mark: Mark | None, hint: str = "", context: Context | None = None) -> None:
        """Note a mistake.

        Raises:
            Stop: it is one too many.
        """
        trail = tuple(map(str, context.trail)) if context else ()
        self._found.setdefault((message, mark), Diagnostic(message, mark, hint, trail))
        if len(self._found) >= MOST_PROBLEMS:
            raise Stop

    def fatal(self, message: str, mark: Mark | None, hint: str = "", context: Context | None = None) -> Stop:
        """Note a mistake after which nothing more can be said; the caller raises what this returns."""
        self.add(message, mark, hint, context)
        return Stop()

    def value(self, node: Node, names: ScopeNames, context: Context | None, info: FieldInfo | None = None) -> Any:
        """The value of a node, expressions evaluated; ``UNKNOWN`` after a mistake or behind one.

        A name that is not known is a :class:`~archscope.spec.expressions.Word`: whoever needs a number will say so.
        """
        if isinstance(node, ListNode):
            values = [self.value(item, names, context, info) for item in node.items]
            return UNKNOWN if any(value is UNKNOWN for value in values) else tuple(values)
        if isinstance(node, MapNode):
            self.add("expected a value, not a mapping", node.mark, "", context)
            return UNKNOWN
        if not isinstance(node.value, str) or (info is not None and info.kind.takes_word(node.value)):
            return node.value
        try:
            return evaluate(node.value, names)
        except Unknown:
            return UNKNOWN
        except ExpressionError as error:
            if node.value.isidentifier():
                return Word(node.value, name_hint(node.value, names))
            mark = node.mark.shifted(error.offset, error.length) if node.plain and error.length else node.mark
            self.add(error.message, mark, error.hint, context)
            return UNKNOWN

    def truth(self, node: Node | None, flow: Flow, context: Context, *, default: bool) -> bool:
        """The condition that a node states."""
        if node is None:
            return default
        value = self.value(node, ScopeNames(context.variables, flow), context)
        if value is UNKNOWN:
            return default
        if isinstance(value, Word):
            self.add(f"unknown name `{value}`", node.mark, value.hint, context)
        elif not isinstance(value, (bool, int)):
            self.add(f"expected a condition, got {value!r}", node.mark, "", context)
        return bool(value)


def words_in(value: Any) -> Iterator[Word]:
    """The unresolved words in a value."""
    if isinstance(value, Word):
        yield value
    elif isinstance(value, tuple) and not isinstance(value, Flow):
        for item in value:
            yield from words_in(item)
