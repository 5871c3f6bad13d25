"""An imported model: what was made of it, and the proof; its records are layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archscope.analysis.counts.account import analyze
from archscope.errors import counted
from archscope.report import schema as js
from archscope.report.base import Records, Report, Said
from archscope.report.blocks import Block, Checked, Checks, Headline, Room
from archscope.report.checks import checked, verdict
from archscope.report.results.account import AccountReport
from archscope.report.text import binary

if TYPE_CHECKING:
    from archscope.backends.importing.imported import Imported

_MOST_LISTED, _MOST_PLACES = 10, 3


@dataclass(frozen=True)
class ImportedReport(Report):
    """The proof of an import, and what a user should know, a line each."""

    result: Imported

    @property
    def said(self) -> Said:
        return Said.of(self.result.design)

    def headline(self) -> Headline:
        imported = self.result
        kind = "a flat list of layers" if imported.flat else "a readable spec"
        layers, lines = counted(len(imported.design.layers), "layer"), counted(len(imported.spec.splitlines()), "line")
        words = f"{layers}, {kind} of {lines}"
        return Headline(imported.design.name, words, self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        lines = (*map(checked, self.result.proof), *(Checked("", one) for one in remarks(self.result)))
        yield Checks(lines, (verdict(self.result.proof),))

    def records(self) -> Records:
        return AccountReport(analyze(self.result.design)).records()

    def data(self) -> dict[str, Any]:
        imported = self.result
        return self.headed(
            {
                "design": imported.design.name,
                "flat": imported.flat,
                "ok": imported.ok,
                "proof": [
                    {
                        "what": one.what,
                        "batch": one.batch,
                        "stated": one.stated,
                        "measured": one.measured,
                        "ok": one.ok,
                        "note": one.note,
                    }
                    for one in imported.proof
                ],
                "unused": [one._asdict() for one in imported.unused],
                "notes": list(imported.notes),
                "opaque": list(imported.opaque),
            }
        )

    @classmethod
    def schema(cls) -> js.Schema:
        figure = {"type": ["integer", "string"]}
        proof = {
            "what": js.text("the figure"),
            "batch": js.nullable(js.count("that it is of, where it stands beside figures of one sample", "samples")),
            "stated": {**figure, "description": "by the design"},
            "measured": {"type": ["integer", "string", "null"], "description": "of the original; null where not known"},
            "ok": js.flag("whether they do not differ"),
            "note": js.text("how it was measured, why it was not, or why it differs and is not wrong"),
        }
        unused = {"path": js.text(), "kind": js.text("its class"), "params": js.count("parameters in it", "elements")}
        fields = {
            "design": js.text("its name"),
            "flat": js.flag("whether the spec is a plain list of layers"),
            "ok": js.flag("whether no figure differs from the original's"),
            "proof": js.many(js.record(proof)),
            "unused": js.many(js.record(unused), "what never ran"),
            "notes": js.many(js.text(), "what a user should know"),
            "opaque": js.many(js.text(), "layers that are kept as black boxes"),
        }
        return js.document("import", cls.VERSION, fields)


def remarks(imported: Imported) -> Iterator[str]:
    """What never ran, and other notes."""
    listed = imported.unused[:_MOST_LISTED]
    for part in listed:
        params = counted(part.params, "parameter")
        yield f"unused: {part.path} ({part.kind}, {params}) never runs: no gradient reaches it"
    if len(imported.unused) > len(listed):
        yield f"unused: and {len(imported.unused) - len(listed)} more"
    yield from (f"note: {note}" for note in _grouped(imported.notes))
    if imported.value_file is not None and imported.value_file.arrays:
        arrays = imported.value_file.arrays.values()
        size = binary(sum(one.nbytes for one in arrays))
        count = f"{len(arrays)} constants" if len(arrays) > 1 else "a constant"
        yield f"note: the values of {count} ({size}) are in {imported.value_file.file}, which belongs beside the spec"


def _grouped(notes: Iterable[str]) -> Iterator[str]:
    """Notes, what is said of several places (``PLACE: NOTE``) once."""
    places: dict[str, list[str]] = {}
    for note in notes:
        place, colon, text = note.partition(": ")
        has_place = colon and " " not in place
        places.setdefault(text if has_place else note, []).extend([place] if has_place else [])
    for text, named in places.items():
        more = f", and {len(named) - _MOST_PLACES} more" if len(named) > _MOST_PLACES else ""
        yield f"{', '.join(named[:_MOST_PLACES])}{more}: {text}" if named else text
