"""What several paths to a layer see together: the hull of their fields, or each unit by one of them."""

from __future__ import annotations

from collections.abc import Sequence

from archscope.analysis.field.axis import Apart, Field, half
from archscope.design.graph import Ref
from archscope.ops.spans import Span, hull


def joined(layer: str, paths: list[tuple[Ref, Field]], *, beside: bool = False) -> Field:
    """What several paths see together; where they lie beside each other, each unit by one of them."""
    if len(paths) == 1:
        return paths[0][1]
    joined = _hulled(layer, paths, beside=beside)
    at_most = next((field.at_most for _, field in paths if field.at_most), "")
    return joined if joined.at_most == at_most else joined.changed(at_most=at_most)


def _hulled(layer: str, paths: list[tuple[Ref, Field]], *, beside: bool) -> Field:
    fields = [field for _, field in paths]
    dims = tuple(sorted({dim for field in fields for dim in field.dims}))
    of = next((field for field in fields if field.dims), fields[0])
    settled = next((field for field in fields if field.whole), None) or next(
        (field for field in fields if field.untold_from), None
    )
    if settled is not None and settled.whole and beside and not all(field.whole for field in fields):
        part = next(field for field in fields if not field.whole)
        why = "lays units that see all beside others"
        settled = part.changed(located=False, untold_from=part.untold_from or layer, untold_why=part.untold_why or why)
    if settled is not None:
        blended = any(field.blended for field in fields)
        return settled.changed(dims=dims, units=of.units, blended=blended)
    first = of
    if all(field == first for field in fields):
        return first
    units = first.units
    early_ref, early = min(paths, key=lambda path: _twice_center(path[1].early))
    late_ref, late = max(paths, key=lambda path: _twice_center(path[1].late))
    apart = next((field.apart for field in fields if field.apart is not None), None)
    crossed = len({field.dims for field in fields if field.dims}) > 1  # paths lay the axis along several dimensions
    located = len(dims) <= 1 and all(field.located for field in fields)
    gap = _twice_center(late.late) - _twice_center(early.early)
    if not all(span.even for field in fields for span in field.spans):  # paths part from unit to unit
        last = units - 1
        early_ref, early = min(paths, key=lambda path: _twice_center(path[1].early, last))
        late_ref, late = max(paths, key=lambda path: _twice_center(path[1].late, last))
        gap = max(gap, _twice_center(late.late, last) - _twice_center(early.early, last))
    if apart is None and located and gap and not beside:
        apart = Apart(layer, early_ref, late_ref, half(gap))
    return first.changed(
        dims=dims,
        blended=any(field.blended for field in fields),
        spans=hull([span for field in fields for span in field.spans]),
        small=min((field.small for field in fields), key=lambda span: span.extremes(units)[1]),
        large=max((field.large for field in fields), key=lambda span: span.extremes(units)[1]),
        early=early.early,
        late=late.late,
        located=located,
        apart=apart,
        untold_from=layer if crossed else "",
        untold_why="pairs places of the axis with others of it" if crossed else "",
        pace=first.jump if crossed else first.pace,
    )


def _twice_center(span: Span, unit: int = 0) -> int:
    first, size = span.of(unit)
    return 2 * first + size


def differ(paths: Sequence[tuple[Ref, Field]], count: int) -> bool:
    """Whether so many inputs see an axis otherwise, or some of them not at all."""
    first, *others = (field for _, field in paths)
    return len(paths) < count or not all(field == first for field in others)


def laid_across(layer: str, paths: Sequence[tuple[Ref, Field]]) -> Field:
    """Of inputs that lie beside each other along another axis, each with fields of its own: no one form tells them."""
    fields = [field for _, field in paths]
    part = next((field for field in fields if not field.whole), fields[0])
    return part.changed(
        dims=tuple(sorted({dim for field in fields for dim in field.dims})),
        blended=any(field.blended for field in fields),
        whole=False,
        mixed_by="",
        located=False,
        untold_from=part.untold_from or layer,
        untold_why=part.untold_why or "lays units beside others that see otherwise",
        at_most=next((field.at_most for field in fields if field.at_most), ""),
        pace=part.pace if part.untold_from else part.jump,
    )
