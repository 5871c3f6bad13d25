"""Imported models in words: what was made of them, the proof, and a summary of a model that is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from archscope.design import incomplete
from archscope.report import checks
from archscope.report.memory import setting as memory_setting
from archscope.report.terminal import render
from archscope.report.text import binary, value
from archscope.table import tabulate_account

if TYPE_CHECKING:
    from archscope.analysis.receptive_field import ReceptiveFields
    from archscope.backends.imported import Imported
    from archscope.backends.torch.imports.summary import Summary
    from archscope.shown import Told

#: of the table of a summary; blocks are folded where there would be more
MOST_ROWS = 120
_WIDTH = 120
_MOST_LISTED, _MOST_PLACES = 10, 3


def text(result: Told) -> str:
    """A result in words, without colours."""
    return click.unstyle(_TOLD[type(result).__name__](result))


def imported(found: Imported) -> str:
    """The proof of an import, and what a user should know, a line each."""
    lines = len(found.spec.splitlines())
    kind = "a flat list of layers" if found.flat else "a readable spec"
    head = f"{click.style(found.design.name, bold=True)}   {len(found.design.layers)} layers, {kind} of {lines} lines"
    return "\n".join([head, *(checks.line(one) for one in found.proof), *remarks(found), checks.verdict(found.proof)])


def remarks(found: Imported) -> Iterator[str]:
    """What never ran, what is a black box, and other notes."""
    missing = incomplete(found.design)
    if missing is not None:
        yield missing
    listed = found.unused[:_MOST_LISTED]
    for part in listed:
        yield f"unused: {part.path} ({part.kind}, {part.params:,} parameters) never runs: no gradient reaches it"
    if len(found.unused) > len(listed):
        yield f"unused: and {len(found.unused) - len(listed)} more"
    yield from (f"note: {note}" for note in _grouped(found.notes))
    if found.kept is not None and found.kept.arrays:
        arrays = found.kept.arrays.values()
        size = binary(sum(one.nbytes for one in arrays))
        count = f"{len(arrays)} constants" if len(arrays) > 1 else "a constant"
        yield f"note: the values of {count} ({size}) are in {found.kept.file}, which belongs beside the spec"


def summary(found: Summary) -> str:
    """The layer table of a model, its memory, its receptive field, and the proof."""
    table = render(tabulate_account(found.account, most=MOST_ROWS), _WIDTH)
    return "\n".join([table, *summary_notes(found)])


def summary_notes(found: Summary) -> Iterator[str]:
    """What stands below the table, a line each."""
    memory = found.memory
    yield (
        f"memory: training {binary(memory.training)}, of this {binary(memory.kept_bytes)} kept for backward; "
        f"inference {binary(memory.inference)} ({memory_setting(memory)})"
    )
    yield from field(found.fields)
    yield from remarks(found.imported)
    yield checks.verdict(found.imported.proof)


def field(fields: ReceptiveFields) -> Iterator[str]:
    """The receptive field of the last layer that has a bounded one, if any has."""
    for layer in reversed(fields.design.layers):
        axes = fields[layer.name]
        if axes and not any(axis.whole or axis.untold_from or axis.sees == "all" for axis in axes):
            sizes, extents = value([axis.size for axis in axes], "axes"), value([axis.extent for axis in axes], "axes")
            yield f"receptive field: {sizes} of {extents} at {layer.name}, the last layer that does not see everything"
            return


def _grouped(notes: Iterable[str]) -> Iterator[str]:
    """Notes, what is said of several places (``PLACE: NOTE``) once."""
    places: dict[str, list[str]] = {}
    for note in notes:
        place, colon, text = note.partition(": ")
        known = colon and " " not in place
        places.setdefault(text if known else note, []).extend([place] if known else [])
    for text, found in places.items():
        more = f", and {len(found) - _MOST_PLACES} more" if len(found) > _MOST_PLACES else ""
        yield f"{', '.join(found[:_MOST_PLACES])}{more}: {text}" if found else text


#: by name, for the results belong to the torch side
_TOLD: dict[str, Callable[[Any], str]] = {"Imported": imported, "Summary": summary}
