"""A design: what a spec says once everything in it is resolved. A value, equal to another that says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

from archscope.autograd.dtypes import HELD, Types
from archscope.design.graph import Input, Layer, LayerGraph, Ref
from archscope.design.steps import Step, steps_of
from archscope.errors import LONGEST_WORD, UsageError, counted
from archscope.errors.diagnostics import Diagnostic, Mark
from archscope.ops.base import Op, Tensors
from archscope.ops.opaque import Opaque
from archscope.shown import Shown


@dataclass(frozen=True)
class Expectation:
    """A published figure.

    Attributes:
        figure: a metric, or arithmetic over metrics (``fc_params / params``).
        value: what it should be: a number, or a shape without the batch.
        layer: the layer or block it is about; ``None`` is the whole design.
        within: the largest difference allowed; relative to ``value`` where ``relative`` is set.
        convention: ``torch``, or ``keras`` (running statistics count as parameters).
        source: who published it.
        stated: what was published, where that is wrong and ``value`` is the true figure.
    """

    figure: str
    value: float | tuple[int, ...]
    layer: str | None = None
    within: float = 0.0
    relative: bool = False
    convention: str = "torch"
    source: str = ""
    stated: str | None = None
    mark: Mark | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Budget:
    """A limit on a figure, ``params <= 5e6``, or on how much it grows, ``params grows <= 1%``.

    Attributes:
        grows: whether it is one of growth: how much more the figure may be than that of the design's base.
        relative: whether such a limit is a share of the base's figure.
        source: who states it.
    """

    figure: str
    comparison: str
    limit: float
    mark: Mark | None = field(default=None, compare=False, repr=False)
    grows: bool = False
    relative: bool = False
    source: str = field(default="budget", kw_only=True)

    def __str__(self) -> str:
        number = f"{100 * self.limit:,.10g}%" if self.relative else f"{self.limit:,.10g}"
        return f"{'grows ' * self.grows}{self.comparison} {number}"


@dataclass(frozen=True)
class Condition:
    """What must hold of figures, as a sweep's conditions say it: ``macs / params < 200``."""

    text: str


@dataclass(frozen=True)
class Accuracy:
    """A recorded fact about a trained network: ``top1``, in percent."""

    name: str
    value: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """A block at work, or one round of a repeat: what code that is written from a design calls a class.

    Attributes:
        name: its full name; its layers are those whose names begin so.
        block: the block that is called; ``None`` is a round of a repeat.
        variables: the parameters of the block, or of the one around the round, that are numbers or words.
        reads: the tensors that the block is given; empty for a round.
        repeats: of a round of a repeat that has no name of its own, the one block or layer that it lays, if it is one.
    """

    name: str
    block: str | None
    variables: tuple[tuple[str, Any], ...]
    reads: tuple[Ref, ...] = ()
    repeats: str = ""


class Origin(NamedTuple):
    """What a design was made of.

    Attributes:
        document: the spec (:class:`archscope.spec.document.Document`).
        sets: values that replace those under ``vars:``.
        shapes: shapes that replace the declared ones, by input.
    """

    document: Any
    sets: Mapping[str, Any]
    shapes: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Design(Shown, report="design"):
    """A resolved design.

    Attributes:
        name: as the spec gives it.
        source: the paper or document that it follows.
        vars: the variables in force, ``--set`` included.
        layers: in order of execution.
        outputs: named results.
        accuracy: recorded facts about the design as its file states it; a variant of it has none.
        scopes: the blocks and rounds of repeats that the layers came from; how a design is written, not what it is.
        warnings: what is valid but looks like a mistake.
        origin: what it was made of, so that variants can be made of it; a pickle has none.
    """

    name: str
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[tuple[str, Ref], ...]
    source: str = ""
    description: str = ""
    vars: tuple[tuple[str, Any], ...] = ()
    expectations: tuple[Expectation, ...] = ()
    budgets: tuple[Budget, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()
    file: str = field(default="", compare=False)
    scopes: tuple[Scope, ...] = field(default=(), compare=False, repr=False)
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False, repr=False)
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @cached_property
    def graph(self) -> LayerGraph:
        """The layer graph."""
        return LayerGraph(self.inputs, self.layers, self.outputs)

    def steps(self, batch: int = 1, types: Types | None = None) -> tuple[Step, ...]:
        """All layers with their tensors at a batch size; inferred once.

        Args:
            types: those of a run, which say what may stand beside types that the design names, and what autocast makes
                of them; without any nothing is refused.

        Raises:
            SpecError: types do not go together in this run.
            UsageError: a layer does not allow this batch (it reshapes or broadcasts over it), or it is not known what
                torch.autocast does in it.
        """
        types = self.graph.relevant(types)
        if type(batch) is not int:  # a sweep may vary it
            return steps_of(self.graph, batch, types)
        return self._steps(batch, types)

    @cached_property
    def _steps(self) -> Callable[[int, Types | None], tuple[Step, ...]]:
        return lru_cache(_MOST_BATCHES)(partial(steps_of, self.graph))

    @cached_property
    def opaque(self) -> tuple[str, ...]:
        """The layers that are declared black boxes, by name, in order of execution."""
        return tuple(layer.name for layer in self.layers if isinstance(layer.op, Opaque))

    @property
    def reserve(self) -> str:
        """What stands behind its name and its totals where they are incomplete: `` (incomplete: 2 opaque layers)``."""
        return f" (incomplete: {_opaque_layers(self)})" if self.opaque else ""

    @property
    def title(self) -> str:
        """Its name, for the head of a report."""
        return self.name + self.reserve

    def recorded(self, name: str) -> float | None:
        """An accuracy that the spec records, such as ``top1``, in percent."""
        return next((fact.value for fact in self.accuracy if fact.name == name), None)

    def inferred(self, tensors: Mapping[str, Tensors]) -> Design:
        """This design, told the tensors that every node gives at a batch of 1, so that nobody infers them again."""
        self.__dict__["graph"] = LayerGraph(self.inputs, self.layers, self.outputs, tensors)
        return self

    def with_warnings(self, warnings: Iterable[Diagnostic]) -> Design:
        """The same design with other warnings; what it has found out of itself stays."""
        other = replace(self, warnings=tuple(warnings))
        other.__dict__.update({name: value for name, value in self.__dict__.items() if name in _DERIVED})
        return other

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in _DERIVED}
        return state | {"origin": None}


#: what a design holds of itself once it has been asked
_DERIVED = {name for name, value in vars(Design).items() if isinstance(value, cached_property)}
#: batches of which a design holds its steps
_MOST_BATCHES = 4


def hold_designs(*things: Any) -> None:
    """Hold that these are designs, and not what one is loaded from, or something else.

    Raises:
        UsageError: one is none.
    """
    for one in things:
        if isinstance(one, Design):
            continue
        if isinstance(one, str) and len(one) <= LONGEST_WORD and one.isprintable():
            raise UsageError(f"a design is expected, not {one!r}: say archscope.load({one!r})")
        raise UsageError(f"a design is expected, not a {type(one).__name__}: archscope.load() makes one")


def of_one_type(design: Design) -> Design:
    """The same design where no floating type is named: all its numbers are those of the run, casts do nothing."""
    if not design.graph.typed:
        return design
    inputs = tuple(replace(node, dtype=None) if node.floating else node for node in design.inputs)
    layers = tuple(
        replace(
            layer, dtype=None, op=layer.op.replace(dtype="float") if vars(layer.op).get("dtype") in HELD else layer.op
        )
        for layer in design.layers
    )
    return replace(design, inputs=inputs, layers=layers)


def _of_the_run(op: Op) -> Op:
    """An op whose own numbers are those of the run."""
    return op.replace(dtype="float") if vars(op).get("dtype") in HELD else op


#: black boxes that are called by name
_MOST_NAMED = 4


#: layers of a page, of a difference, of source that is written out, and of designs of which is looked for what fits
MOST_DRAWN = 5_000


def hold_drawn(what: str, *designs: Design) -> None:
    """Hold that designs can be looked at layer by layer, in a page or as source: nobody reads more, or waits for it.

    Raises:
        UsageError: one has more layers.
    """
    for design in designs:
        if len(design.layers) > MOST_DRAWN:
            has = f"{design.name} has {len(design.layers):,}"
            raise UsageError(
                f"{what} holds at most {MOST_DRAWN:,} layers, and {has}; figures of larger ones: --json, --csv"
            )


def incomplete(*designs: Design) -> str | None:
    """What the figures of designs lack: ``incomplete: 2 opaque layers (encoder.0.fourier, encoder.1.fourier)``.

    Of several designs, which of them.

    Returns:
        ``None`` where they lack nothing.
    """
    parts = []
    for design in designs:
        if design.opaque:
            more = ", ..." if len(design.opaque) > _MOST_NAMED else ""
            words = f"{_opaque_layers(design)} ({', '.join(design.opaque[:_MOST_NAMED])}{more})"
            parts.append(words if len(designs) == 1 else f"{design.name} has {words}")
    return f"incomplete: {'; '.join(dict.fromkeys(parts))}" if parts else None


def _opaque_layers(design: Design) -> str:
    return counted(len(design.opaque), "opaque layer")
