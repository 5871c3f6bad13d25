"""What an entry says of all layers inside it: frozen, recomputed, without gradients, of a type, how weights begin."""

from __future__ import annotations

from archscope.errors.diagnostics import Mark
from archscope.ops.fields import MARKS, FieldError, FieldInfo, TypeName
from archscope.spec.beginning import Beginnings
from archscope.spec.entries import Entry
from archscope.spec.expressions import ExpressionError, Word, fill, in_words
from archscope.spec.freezing import Freeze, Freezing, as_patterns
from archscope.spec.limits import LONGEST_NAME
from archscope.spec.reader import ListNode, Node, ScalarNode
from archscope.spec.scope import UNKNOWN, Context, Flow, Problems, ScopeNames, Unknown

#: modifiers that hold of all layers inside an entry
_FLAGS = frozenset(("freeze", "checkpoint", "no_grad", "dtype", "init"))
#: what stands behind ``dtype:``
_MARK = FieldInfo("dtype", TypeName(MARKS), None, "")


class Flags:
    """Reads the flags of entries.

    Attributes:
        freezing: which parameters patterns freeze.
        beginnings: how parameters begin.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._regions = 0
        self.freezing = Freezing()
        self.beginnings = Beginnings(problems)

    def inside(self, entry: Entry, flow: Flow, context: Context, place: tuple[str, ...]) -> Context:
        """The context inside an entry that may say ``freeze:``, ``checkpoint:``, ``no_grad:``, ``dtype:`` or ``init:``.

        Args:
            place: the full name of the entry, or of the list that its own entries have their names in.
        """
        said = entry.modifiers
        if not said or _FLAGS.isdisjoint(said):
            return context
        freeze, checkpoint, no_grad, dtype = map(said.get, ("freeze", "checkpoint", "no_grad", "dtype"))
        truth = self._problems.truth
        region = context.checkpoint
        if region is None and truth(checkpoint, flow, context, default=False):
            region = ".".join(place) if place != context.path else self._region(context)
        return context._replace(
            freezes=self.freezes(freeze, flow, context, place),
            begins=self.beginnings.inside(said.get("init"), flow, context, place),
            checkpoint=region,
            no_grad=context.no_grad or truth(no_grad, flow, context, default=False),
            dtype=self._marked_type(dtype, flow, context),
        )

    def _marked_type(self, node: Node | None, flow: Flow, context: Context) -> str | None:
        """The floating type in which the layers inside an entry are held; ``None`` is that of the run."""
        if node is None:
            return context.dtype
        value = self._problems.value(node, ScopeNames(context.variables, flow), context, _MARK)
        if value is UNKNOWN:
            return context.dtype
        try:
            dtype: str = _MARK.kind.read(value, None)
        except FieldError as error:
            hint = error.hint or f"one of {', '.join(MARKS)}"
            self._problems.add(f"{in_words(value)} is no floating type to hold a layer in", node.mark, hint, context)
            return context.dtype
        return None if dtype == "float" else dtype

    def freezes(self, node: Node | None, flow: Flow, context: Context, place: tuple[str, ...]) -> tuple[Freeze, ...]:
        """What is frozen inside an entry: what is around it, and what it says itself."""
        if node is None:
            return context.freezes
        if isinstance(node, ListNode):
            pairs = tuple(self._pattern(item, flow, context) for item in node.items)
            return (*context.freezes, self.freezing.declare(Freeze(place, tuple(pair for pair in pairs if pair))))
        value = self._problems.value(node, ScopeNames(context.variables, flow), context)
        words = as_patterns(value)
        if words is not None:
            patterns = tuple((word, node.mark) for word in words)
            return (*context.freezes, self.freezing.declare(Freeze(place, patterns)))
        words_of_yaml = ("yes", "no", "on", "off")
        if (
            isinstance(value, Word)
            and isinstance(node, ScalarNode)
            and value == node.text
            and value.lower() not in words_of_yaml
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

    def _region(self, context: Context) -> str:
        """A name for some layers that have none together."""
        self._regions += 1
        return ".".join((*context.path, f"group_{self._regions}"))
