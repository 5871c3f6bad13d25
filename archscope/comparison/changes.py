"""What a branch does to designs: each as it is, beside what it was at a revision of git, and the limits it breaks.

Designs of which every text is as it was, those that they include and extend among them, are left out unread. What is
held is what changed: a limit that an untouched design breaks is a matter of ``archscope verify``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from archscope.analysis.counts.account import Account, analyze
from archscope.comparison import choose_figures, timeable
from archscope.comparison.difference import Difference, diff
from archscope.design import MOST_DRAWN, Budget, Condition, Design
from archscope.design.graph import Layer
from archscope.errors import ArchscopeError, SpecError, UsageError
from archscope.figures import FIGURES, Column, of_mode
from archscope.load import load, read_document
from archscope.ops.contents import files_of, regular, stored_in
from archscope.revisions import Revision, is_file, read, revision
from archscope.setting import Setting
from archscope.shown import Shown
from archscope.spec import library
from archscope.spec.document import Document
from archscope.spec.expressions import ExpressionError, names_in
from archscope.verify import Verdict, judged, verify

CHANGED, NEW, DELETED, RESTATED, WRONG = KINDS = ("changed", "new", "deleted", "restated", "wrong")
_SAME = "same"
#: the figures that are told unasked
DEFAULT = ("params", "macs", "inference_bytes", "training_bytes", "infer_seconds", "train_seconds")


class Figure(NamedTuple):
    """A figure before and after; ``None`` where there is none."""

    column: Column
    before: Any
    after: Any

    @property
    def change(self) -> float | None:
        """After less before; of numbers only."""
        numbers = (self.before, self.after)
        return self.after - self.before if all(isinstance(one, (int, float)) for one in numbers) else None


@dataclass(frozen=True)
class Change:
    """A design that is not as it was.

    Attributes:
        spec: its file as it is called now; of one that is gone, as it was.
        kind: of :data:`KINDS`; of one that is restated the layers and figures are the same, and what it says besides is
            not: its name, a source, ``expect:``, ``budget:``.
        before, after: its accounts; ``None`` where there is no design.
        was: what its file was called, where that is something else.
        difference: its layers laid over those that it had; of one that changed, if these are not too many.
        figures: before and after.
        verdicts: what is stated about it, by itself and by whoever asks, held against it.
        unread: why there is no design: of a wrong one, now; else, before.
    """

    spec: str
    kind: str
    before: Account | None = None
    after: Account | None = None
    was: str = ""
    difference: Difference | None = None
    figures: tuple[Figure, ...] = field(default=(), repr=False)
    verdicts: tuple[Verdict, ...] = ()
    unread: SpecError | None = None

    @property
    def design(self) -> Design | None:
        """As it is, or else as it was."""
        account = self.after or self.before
        return None if account is None else account.design

    @property
    def broken(self) -> tuple[Verdict, ...]:
        """What is stated about it and does not hold."""
        return tuple(verdict for verdict in self.verdicts if not verdict.ok)


@dataclass(frozen=True)
class Changes(Shown, report="changes"):
    """What has changed in designs since a revision.

    Attributes:
        base: the revision.
        changes: the designs that have changed, in the order in which they were asked for.
        same: how many have not changed.
        columns: the figures that are shown.
    """

    base: Revision
    setting: Setting
    changes: tuple[Change, ...]
    same: int
    columns: tuple[Column, ...]

    @cached_property
    def designs(self) -> tuple[Design, ...]:
        """The designs that are not as they were, each as it is, or was."""
        return tuple(change.design for change in self.changes if change.design is not None)

    @property
    def broken(self) -> int:
        """How many statements do not hold."""
        return sum(len(change.broken) for change in self.changes)

    @property
    def wrong(self) -> tuple[Change, ...]:
        """The specs that are no designs any more."""
        return tuple(change for change in self.changes if change.kind == WRONG)


class Asked(NamedTuple):
    """What is asked of every design: figures, another variant, and what must hold of it."""

    setting: Setting
    columns: tuple[Column, ...]
    limits: Sequence[Budget | Condition]
    sets: Mapping[str, Any]
    shapes: Any


def changes(
    specs: Sequence[str | os.PathLike[str]],
    base: str,
    setting: Setting | None = None,
    *,
    tip: bool = False,
    figures: Sequence[str] | None = None,
    limits: Sequence[Budget | Condition] = (),
    set: Mapping[str, Any] | None = None,  # noqa: A002  # the option is called so everywhere
    input: Any = None,  # noqa: A002
    **more: Any,
) -> Changes:
    """Compare designs with what they were at a revision.

    Args:
        specs: files, and folders, of which every design is meant; such as are gone by now, too.
        base: a branch, a tag or a commit: designs are compared with the commit where the present branch left it.
        setting: how they are run (:class:`~archscope.setting.Setting`).
        more: fields of a setting that differ from it: ``batch=32``.
        tip: compare with ``base`` itself.
        figures: names of figures of designs.
        limits: what must hold of each, besides what it states itself.
        set: another variant of each, as :func:`archscope.load` takes it.
        input: another variant of each, as :func:`archscope.load` takes it.

    Raises:
        SpecError: no repository, no such revision, or a file that is neither here nor there.
        UsageError: an unknown figure, a limit of one or of none, or an impossible setting.
    """
    setting = timeable(Setting.of(setting, **more))
    names = of_mode(setting, (name for name in DEFAULT if setting.timed or FIGURES[name].kind != "time"))
    _hold_limits(limits)
    question = Asked(setting, choose_figures(names if figures is None else figures), limits, set or {}, input)
    at = revision(base, tip=tip)
    renamed = at.renamed()
    paths = _paths(specs, at, renamed)
    outcomes = [_change(path, renamed.get(os.path.normpath(path), path), at, question) for path in paths]
    other = tuple(one for one in outcomes if one is not None and one.kind != _SAME)
    same = sum(one is not None and one.kind == _SAME for one in outcomes)
    return Changes(at, setting, other, same, question.columns)


def _hold_limits(limits: Iterable[Budget | Condition]) -> None:
    """Hold that limits are of figures of a design, before any work."""
    for limit in limits:
        text = limit.text if isinstance(limit, Condition) else limit.figure
        try:
            names = [name for name in names_in(text) if "." not in name]
        except ExpressionError as error:
            raise UsageError(f"`{text}`: {error.message}") from None
        choose_figures(names)
        if not names:
            raise UsageError(f"`{text}` names no figure; one such as params is needed")


# -- which ---


def _paths(specs: Iterable[str | os.PathLike[str]], base: Revision, renamed: Mapping[str, str]) -> list[str]:
    """The files that are meant, each once; of folders those that are or were designs."""
    moved = set(renamed.values())
    paths: dict[str, None] = {}
    for spec in (os.fspath(one) for one in specs):
        if any(base.files(spec)) or os.path.isdir(spec):
            left = (path for path in _gone(spec, base) if path not in moved)
            paths |= dict.fromkeys(sorted([*library.files_in(spec), *left]))
            continue
        path = spec if is_file(base.place(spec)) else str(library.find(spec))
        base.place(path)
        paths[path] = None
    return list(paths)


def _gone(folder: str, base: Revision) -> Iterator[str]:
    """The spec files that were in a folder."""
    for path in base.files(folder):
        hidden = library.hidden(Path(os.path.relpath(path, folder)))
        if path.endswith(library.SUFFIXES) and not hidden and not os.path.isfile(path):
            yield os.path.normpath(path)


def _documents(path: str, was: str, base: Revision) -> tuple[Document | SpecError | None, Document | SpecError | None]:
    """The spec before and now: what is wrong with it, where it cannot be read, and nothing where there is none."""
    place = base.place(was)
    before = _read(place) if is_file(place) else None
    return before, _read(path) if os.path.isfile(path) else None


def _read(path: str | os.PathLike[str]) -> Document | SpecError | None:
    """A spec; nothing where it is one that only offers blocks to others."""
    try:
        document = read_document(path)
    except SpecError as error:
        return error
    return None if document.is_library else document


# -- what became of each ---


def _change(path: str, was: str, base: Revision, asked: Asked) -> Change | None:
    """What became of a spec; ``None`` of a file that is no design, and was none."""
    before, after = _documents(path, was, base)
    if isinstance(before, Document) and isinstance(after, Document) and before.texts == after.texts:
        return None if after.layers is None else Change(path, _SAME)
    if isinstance(before, SpecError) and isinstance(after, SpecError) and _untouched(path, was, base):
        return None  # no spec, or nothing that this branch is to blame for
    first, second = _design(before, asked), _design(after, asked)
    if isinstance(second, SpecError):
        return Change(path, WRONG, unread=second)
    if (first is None or isinstance(first, SpecError)) and second is None:
        return None  # blocks for others, now and then
    if isinstance(first, Design) and second is not None:
        first = _called_as_now(first, second)
    if first == second:
        return Change(path, _SAME)
    return _held(path, was, first, second, asked)


def _untouched(path: str, was: str, base: Revision) -> bool:
    try:
        return Path(path).read_bytes() == read(base.place(was))
    except OSError:
        return False


def _design(document: Document | SpecError | None, asked: Asked) -> Design | SpecError | None:
    if not isinstance(document, Document):
        return document
    try:
        return load(document, set=asked.sets, input=asked.shapes)
    except SpecError as error:
        return error


def _called_as_now(first: Design, second: Design) -> Design:
    """A design as it was; its files of values that hold what they held are called as they are now."""
    contents = {_content(file): file for file in files_of(layer.op for layer in second.layers)}
    names = {file: contents.get(_content(file), file) for file in files_of(layer.op for layer in first.layers)}
    if not names:
        return first

    def named(layer: Layer) -> Layer:
        stored = stored_in(getattr(layer.op, "value", None))
        if stored is None:
            return layer
        return replace(layer, op=layer.op.replace(value=str(stored._replace(file=names[stored.file]))))

    return replace(first, layers=tuple(map(named, first.layers)))


def _content(file: str) -> bytes | str:
    """What a file holds; of one that cannot be read its name."""
    try:
        return regular(file)
    except ArchscopeError:
        return file


def _held(path: str, was: str, first: Design | SpecError | None, second: Design | None, asked: Asked) -> Change:
    unread = first if isinstance(first, SpecError) else None
    try:
        before = analyze(first, asked.setting) if isinstance(first, Design) else None
        after = None if second is None else analyze(second, asked.setting)
        figures = tuple(_figures(before, after, asked.columns))
        kind = _kind(before, after, figures)
        return Change(
            path,
            kind,
            before,
            after,
            was if was != path and before is not None else "",
            _laid_over(before, after, asked.setting) if kind == CHANGED else None,
            figures,
            () if after is None else tuple(_verdicts(before, after, asked)),
            unread,
        )
    except SpecError as error:
        return Change(path, WRONG, unread=error)


def _kind(before: Account | None, after: Account | None, figures: Sequence[Figure]) -> str:
    if before is None or after is None:
        return DELETED if after is None else NEW
    first, second = ((one.inputs, one.layers, one.outputs, one.vars) for one in (before.design, after.design))
    return RESTATED if first == second and all(one.before == one.after for one in figures) else CHANGED


def _laid_over(before: Account | None, after: Account | None, setting: Setting) -> Difference | None:
    if before is None or after is None or max(len(one.design.layers) for one in (before, after)) > MOST_DRAWN:
        return None
    return diff(before.design, after.design, setting)


def _figures(before: Account | None, after: Account | None, columns: Iterable[Column]) -> Iterator[Figure]:
    for column in columns:
        values = [None if account is None else FIGURES[column.name].value(account) for account in (before, after)]
        if values != [None, None]:
            yield Figure(column, *values)


def _verdicts(before: Account | None, after: Account, asked: Asked) -> Iterator[Verdict]:
    """What the spec states is of a run as ``verify`` has it; what is asked for is of the run that is asked for."""
    usual = Setting(precision=asked.setting.precision)
    account, base = (_under(one, usual) for one in (after, before))
    yield from verify(after.design, usual, account=account, base=base).verdicts
    yield from judged(after, asked.limits, before)


def _under(account: Account | None, setting: Setting) -> Account | None:
    if account is None or account.setting == setting:
        return account
    return analyze(account.design, setting)
