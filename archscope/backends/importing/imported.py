"""What comes of an import, from whichever library: a design, its spec, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from archscope.backends.importing.constants import ValueFile
from archscope.backends.importing.proof import Check
from archscope.design import Design
from archscope.errors import ArchscopeError, UsageError
from archscope.load import load
from archscope.shown import Shown
from archscope.spec.folding import readable, said
from archscope.spec.writer import to_yaml


class Unused(NamedTuple):
    """A submodule, or a parameter of one, that never ran.

    Attributes:
        kind: its class.
        params: parameters in it.
    """

    path: str
    kind: str
    params: int


@dataclass(frozen=True)
class Imported(Shown, report="imported"):
    """An imported model: its design, as it loads from its spec, and the proof that it is the model.

    Attributes:
        spec: the text of the spec.
        flat: whether the spec is a plain list of layers.
        proof: every figure, as the design states it and as the original has it.
        unused: what never ran; of its parameters and buffers, layers that nothing reads.
        notes: what a user should know.
        opaque: layers that are kept as black boxes.
        names: of parameters and buffers of the design (``LAYER.NAME``) that are called otherwise in the original.
        value_file: values of constants, for a file beside the spec; while this is held the design needs none.
    """

    design: Design
    spec: str = field(repr=False)
    flat: bool
    proof: tuple[Check, ...]
    unused: tuple[Unused, ...] = ()
    notes: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    value_file: ValueFile | None = field(default=None, repr=False, compare=False)

    @property
    def files(self) -> Mapping[str, bytes]:
        """What belongs beside the spec, by name: a file of values, where it has constants that take one."""
        return (
            {self.value_file.file: self.value_file.packed()}
            if self.value_file is not None and self.value_file.arrays
            else {}
        )

    @property
    def ok(self) -> bool:
        """Whether no figure differs from the original's."""
        return all(one.ok for one in self.proof)


def written(design: Design, *, flat: bool = False) -> tuple[Design, str, bool, tuple[str, ...]]:
    """The spec of a design: as it loads again, its text, whether it is a flat one, and what is to be said about it.

    A readable spec that means something else is not taken; then it is a flat one.
    """
    notes: tuple[str, ...] = ()
    if not flat:
        text = readable(design)
        loaded = _loaded(text)
        if text == to_yaml(design):
            notes = ("written flat, for its names or edges fit into no blocks",)
        elif isinstance(loaded, Design) and same(loaded, design):
            return loaded, text, False, ()
        else:
            why = f"does not load: {loaded}" if isinstance(loaded, str) else "is another design"
            notes = (f"written flat, for the readable spec {why}; please report it",)
    text = to_yaml(design)
    loaded = _loaded(text)
    if not isinstance(loaded, Design) or not same(loaded, design):
        raise UsageError(f"{design.name} cannot be written as a spec{f': {loaded}' if isinstance(loaded, str) else ''}")
    return loaded, text, True, notes


def _loaded(text: str) -> Design | str:
    """The design of a text, or the first thing that is wrong with it."""
    try:
        return load(text)
    except ArchscopeError as error:
        return str(error).splitlines()[0]


def same(one: Design, other: Design) -> bool:
    """Whether two designs have the same inputs, layers, weights and outputs."""
    return bool(said(one) == said(other))
