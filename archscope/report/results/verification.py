"""Published figures and limits held against what is computed; the records are the figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from archscope.design import Budget, Condition, incomplete
from archscope.errors import SpecError, counted
from archscope.figures import figures_in
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Checked, Checks, Headline, Room
from archscope.report.checks import checked
from archscope.report.text import figure
from archscope.report.text import value as written
from archscope.setting import OF_MODULES, Setting
from archscope.verify import Verdict, Verification

if TYPE_CHECKING:
    from archscope.backends.importing.proof import Check

#: names in the text of a figure, those of parts with their figure
_NAMES = re.compile(r"[\w.]+")
_FIELDS = tuple(
    Field(name, style="axes" if name in ("expected", "computed") else "text")
    for name in ("design", "figure", "expected", "computed", "ok", "note")
)


@dataclass(frozen=True)
class VerificationReport(Report):
    """A line a figure; of several designs the figures that fail, and a count of the others.

    Attributes:
        result: a verification, or what became of each spec by its path.
        proofs: of a design, by the path of its spec: its figures held against a module of torch.
        quiet: only what fails, and no summary.
    """

    result: Verification | Mapping[str, Verification | SpecError]
    proofs: Mapping[str, Sequence[Check]] = field(default_factory=dict)
    quiet: bool = False

    @property
    def specs(self) -> Mapping[str, Verification | SpecError]:
        """What became of each spec."""
        return {self.result.design.file: self.result} if isinstance(self.result, Verification) else self.result

    @property
    def verified(self) -> list[Verification]:
        """The designs among them."""
        return [one for one in self.specs.values() if isinstance(one, Verification)]

    @property
    def setting(self) -> Setting:
        """How they are run: all alike."""
        return self.verified[0].setting if self.verified else Setting()

    @property
    def failed(self) -> int:
        """Figures that are not as stated."""
        stated = sum(not one.ok for result in self.verified for one in result.verdicts)
        return stated + sum(not one.ok for proof in self.proofs.values() for one in proof)

    @property
    def wrong(self) -> int:
        """Specs that are no designs."""
        return len(self.specs) - len(self.verified)

    @property
    def said(self) -> Said:
        designs = [one.design for one in self.verified]
        lacking = incomplete(*designs) if len(designs) != 1 else incomplete(designs[0])
        return Said(lacking, Said.of(*designs).warnings)

    def headline(self) -> Headline:
        return replace(self._head(), about=(self._summary(), *(self.said.lines if self._one else ())))

    def _head(self) -> Headline:
        title = self._one.design.title if self._one else "Published figures and limits"
        return Headline(title, self.setting.words(*OF_MODULES))

    @property
    def _one(self) -> Verification | None:
        """The design that it is about, if it is a single one."""
        return self.verified[0] if len(self.specs) == len(self.verified) == 1 else None

    def blocks(self, room: Room) -> Iterator[Block]:
        if not self.quiet and self.verified:
            yield self._head()
        lines = [line for path, result in self.specs.items() for line in self._lines(path, result)]
        yield Checks(tuple(lines), () if self.quiet else (self._summary(),))

    def _lines(self, path: str, result: Verification | SpecError) -> Iterator[Checked]:
        if isinstance(result, SpecError):
            yield Checked("wrong", path)
            return
        name, lacking, every = result.design.title, incomplete(result.design), len(self.specs) == 1
        if lacking is not None and not self.quiet:
            yield Checked("", f"{result.design.name}: {lacking}; so are its figures")
        if not every and result.ok:
            if not self.quiet:
                count = counted(len(result.verdicts), "figure") if result.verdicts else "nothing to check"
                yield Checked("ok", f"{name}: {count}")
        else:
            for one in result.verdicts:
                if not one.ok or (every and not self.quiet):
                    yield verdict_line(name, one)
        for proved in self.proofs.get(path, ()):
            if not proved.ok or not self.quiet:
                yield checked(proved, f"{name}: torch: ")

    def _summary(self) -> str:
        figures = sum(len(one.verdicts) for one in self.verified) + sum(map(len, self.proofs.values()))
        text = f"{counted(len(self.specs), 'design')}, {counted(figures, 'figure')}: {figures - self.failed} ok"
        text += f", {self.failed} failed" if self.failed else ""
        return text + (f", {counted(self.wrong, 'spec')} wrong" if self.wrong else "")

    def records(self) -> Records:
        rows = [row for path, result in self.specs.items() for row in self._rows(path, result)]
        names = (name for row in rows for name in _NAMES.findall(row[1]))
        lacking = [row[-1] for row in rows]
        return Records(
            _FIELDS, [row[:-1] for row in rows], "design", lacking, run_of(self.setting, figures_in(names), OF_MODULES)
        )

    def _rows(self, path: str, result: Verification | SpecError) -> Iterator[tuple[Any, ...]]:
        """What is published, then what torch has; of a spec that is wrong its mistakes."""
        if isinstance(result, SpecError):
            yield path, "", None, None, False, str(result), None
            return
        name, lacking = result.design.name, incomplete(result.design)
        for one in result.verdicts:
            yield name, one.figure, one.expected, one.computed, one.ok, one.note, lacking
        for proved in self.proofs.get(path, ()):
            yield name, f"torch: {proved.label}", proved.measured, proved.stated, proved.ok, proved.note, lacking

    def data(self) -> dict[str, Any]:
        specs = [_of_spec(path, one, self.proofs.get(path)) for path, one in self.specs.items()]
        return self.headed({"setting": self.setting.data(), "specs": specs})

    @classmethod
    def schema(cls) -> js.Schema:
        proof = {
            "what": js.text("a figure held against a module of torch"),
            "stated": {"type": ["integer", "string"]},
            "measured": {"type": ["integer", "string", "null"]},
            "ok": js.flag(),
            "note": js.text(),
        }
        spec = {
            "spec": js.text("its path; empty where it was no file"),
            "design": js.nullable(js.text("its name; none where the spec is wrong")),
            "error": js.nullable(js.text("what is wrong with the spec")),
            "incomplete": js.lacking(),
            "verdicts": js.many(js.record(verdict_schema())),
            "torch": js.nullable(js.many(js.record(proof), "with --torch")),
        }
        return js.document("verify", cls.VERSION, {"setting": js.setting(), "specs": js.many(js.record(spec))})


def _of_spec(path: str, result: Verification | SpecError, proof: Sequence[Check] | None) -> dict[str, Any]:
    right = result if isinstance(result, Verification) else None
    return {
        "spec": path,
        "design": right.design.name if right else None,
        "error": None if right else str(result),
        "incomplete": incomplete(right.design) if right else None,
        "verdicts": [verdict_data(one) for one in (right.verdicts if right else ())],
        "torch": None
        if proof is None
        else [
            {"what": one.label, "stated": one.stated, "measured": one.measured, "ok": one.ok, "note": one.note}
            for one in proof
        ],
    }


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    """A verdict as data."""
    return {
        "figure": verdict.figure,
        "expected": verdict.expected,
        "computed": verdict.computed,
        "ok": verdict.ok,
        "note": verdict.note,
    }


def verdict_schema() -> dict[str, js.Schema]:
    """What each field of it is."""
    figure = {"type": ["number", "string", "array"], "items": {"type": "integer"}}
    return {
        "figure": js.text("with the layer in front"),
        "expected": {**figure, "description": "as published, or a limit as the spec writes it"},
        "computed": js.nullable({"anyOf": [js.number(), js.many(js.number()), js.text("of a growth or a condition")]}),
        "ok": js.flag("whether they agree within the allowed difference"),
        "note": js.text("the source, and what was published where that is wrong"),
    }


def verdict_line(name: str, verdict: Verdict) -> Checked:
    """A verdict in words.

    Args:
        name: of the design.
    """
    computed = figure(verdict.computed)
    if isinstance(verdict.about, Condition):
        return Checked("ok" if verdict.ok else "FAILED", f"{name}: {verdict.figure} ({computed})", verdict.note)
    if isinstance(verdict.about, Budget) and verdict.about.grows:
        words = f"{name}: {verdict.figure} {verdict.expected}: {computed}"
        return Checked("ok" if verdict.ok else "FAILED", words, verdict.note)
    if verdict.ok:
        return Checked("ok", f"{name}: {verdict.figure} = {computed}", verdict.note)
    differs = ""
    if verdict.difference is not None and isinstance(verdict.expected, (int, float)):
        share = f" ({100 * verdict.difference / verdict.expected:+.3g}%)" if verdict.expected else ""
        differs = f", {_signed(verdict.difference)}{share}"
    what = f"{name}: {verdict.figure}: expected {figure(verdict.expected)}, computed {computed}{differs}"
    return Checked("FAILED", what, verdict.note)


def _signed(difference: float) -> str:
    return f"{'+' if difference >= 0 else '-'}{written(abs(difference), 'count')}"
