"""How parameters begin: what ``init:`` says of the layers inside an entry, or of a design."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from archscope.errors import suggestion
from archscope.errors.diagnostics import Diagnostic, Mark
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.contents import MATRICES, Beginning, called, dimensions
from archscope.ops.fields import FieldError, FieldInfo
from archscope.spec.freezing import within
from archscope.spec.reader import ListNode, MapNode, Node
from archscope.spec.scope import UNKNOWN, Begin, Context, Flow, Problems, ScopeNames

_FORM = "as in `init: {weight: kaiming_normal, bias: 0}` or `init: {Linear: {weight: normal(std=0.01)}}`"
_VALUE = FieldInfo("init", Beginning(), None, "")


class Objection(NamedTuple):
    """What is wrong with a beginning, and a hint."""

    message: str
    hint: str


class Beginnings:
    """Reads what ``init:`` says, and finds what holds of a layer."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._fitted: dict[Begin, bool] = {}

    def inside(self, node: Node | None, flow: Flow, context: Context, place: tuple[str, ...]) -> tuple[Begin, ...]:
        """What holds inside an entry: what is said around it, and behind that what it says itself."""
        if node is None:
            return context.begins
        if not isinstance(node, MapNode):
            self._problems.add("`init:` says of parameters, by name, how they begin", node.mark, _FORM, context)
            return context.begins
        own = tuple(self._rules(node, flow, context, place))
        for rule in own:
            self._fitted.setdefault(rule, False)
        return (*context.begins, *own)

    def _rules(self, node: MapNode, flow: Flow, context: Context, place: tuple[str, ...]) -> Iterator[Begin]:
        for key, item in node.entries.items():
            if not isinstance(item, MapNode):
                yield from self._rule(None, key, item, node.keys[key], flow, context, place)
            elif key in REGISTRY:
                for name, value in item.entries.items():
                    yield from self._rule(key, name, value, item.keys[name], flow, context, place)
            else:
                hint = suggestion(key, REGISTRY) or _FORM
                self._problems.add(f"there is no layer `{key}`", node.keys[key], hint, context)

    def _rule(
        self,
        kind: str | None,
        pattern: str,
        node: Node,
        mark: Mark,
        flow: Flow,
        context: Context,
        place: tuple[str, ...],
    ) -> Iterator[Begin]:
        if isinstance(node, (ListNode, MapNode)):
            message = "a parameter begins as a number, or by a function of torch.nn.init"
            self._problems.add(message, node.mark, _FORM, context)
            return
        value = self._problems.value(node, ScopeNames(context.variables, flow), context, _VALUE)
        if value is UNKNOWN:
            return
        try:
            yield Begin(place, kind, pattern, _VALUE.kind.read(value, None), mark)
        except FieldError as error:
            self._problems.add(f"`init:` of `{pattern}`: {error.message}", node.mark, error.hint, context)

    def of(
        self, context: Context, path: tuple[str, ...], op: Op, parameters: Mapping[str, Tensor]
    ) -> tuple[tuple[str, float | str], ...]:
        """How the parameters of a layer begin, those of which something is said; what is said last holds."""
        stated: dict[str, Begin] = {}
        for rule in context.begins:
            for name in parameters:
                if self._fits(rule, path, op, name):
                    self._fitted[rule] = True
                    stated[name] = rule
        for name, rule in stated.items():
            wrong = _unfit(rule, name, op, parameters[name])
            if wrong is not None:
                self._problems.add(wrong.message, rule.mark, wrong.hint, context)
        return tuple((name, stated[name].value) for name in parameters if name in stated)

    @staticmethod
    def _fits(rule: Begin, path: tuple[str, ...], op: Op, name: str) -> bool:
        if rule.kind is not None:
            return rule.kind == type(op).__name__ and fnmatchcase(name, rule.pattern)
        return fnmatchcase(within(rule.place, path, name), rule.pattern)

    def unfit(self) -> Iterable[Diagnostic]:
        """A warning for each that says nothing of any parameter."""
        for rule, fitted in self._fitted.items():
            if not fitted:
                what = f"{rule.kind}: {{{rule.pattern}: ...}}" if rule.kind else f"{rule.pattern}: ..."
                yield Diagnostic(f"`init: {{{what}}}` fits no parameter", rule.mark, severity="warning")


def _unfit(rule: Begin, name: str, op: Op, tensor: Tensor) -> Objection | None:
    """Why a parameter cannot begin so; nothing if it can."""
    word, dims = called(rule.value), len(tensor.shape)
    if word is None or word.word not in MATRICES:
        return None
    least, most = MATRICES[word.word]
    if least <= dims <= most:
        return None
    hint = "say which parameters are meant: `{weight: ...}`, or of which layers: `{Conv2d: {weight: ...}}`"
    title = type(op).__name__
    return Objection(
        f"{word.word} begins a tensor of {dimensions(word.word)} dimensions, and `{name}` of {title} has {dims}",
        hint,
    )
