"""The arithmetic of layers; its records are equations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archscope.analysis.explain import Explanation, Explanations
from archscope.figures import COSTS, FIELDS, SAVED, SIZES, Figure
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Equations, Headline, Room
from archscope.report.results.account import setting
from archscope.setting import Setting

_FIELDS = tuple(map(Field, ("layer", "figure", "formula", "worked", "result", "note")))


def _explained(setting: Setting) -> tuple[Figure, ...]:
    """The figures that are explained, as far as they are known of such a run."""
    return (*COSTS.values(), *SIZES.values(), *FIELDS.values(), *(SAVED.values() if setting.runs else ()))


@dataclass(frozen=True)
class ExplanationReport(Report):
    """The equations of one layer, or of several."""

    VERSION = 2
    result: Explanation | Explanations

    @property
    def layers(self) -> tuple[Explanation, ...]:
        """One or several."""
        return (self.result,) if isinstance(self.result, Explanation) else self.result.layers

    @property
    def _run(self) -> Setting:
        return self.result.setting if isinstance(self.result, Explanation) else self.result.account.setting

    @property
    def said(self) -> Said:
        explanation = self.result
        return (
            Said(explanation.incomplete)
            if isinstance(explanation, Explanation)
            else Said.of(explanation.account.design)
        )

    def headline(self) -> Headline:
        if isinstance(self.result, Explanation):
            return Headline(self.result.layer, self.result.title, self.said.lines)
        account = self.result.account
        return Headline(account.design.title, setting(account, _explained(account.setting)), self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        if isinstance(self.result, Explanation):
            yield Equations(self.result.lines)
        else:
            yield from (Equations(one.lines, one.layer, one.title) for one in self.layers)

    def records(self) -> Records:
        rows = (
            (one.layer, line.figure, line.formula, line.worked, line.result, line.note)
            for one in self.layers
            for line in one.lines
        )
        key = "figure" if isinstance(self.result, Explanation) else "layer"
        return Records(_FIELDS, rows, key, self.said.lacking, run_of(self._run, _explained(self._run)))

    def data(self) -> dict[str, Any]:
        explanation = self.result
        of = explanation if isinstance(explanation, Explanation) else explanation.account
        name = of.design if isinstance(of.design, str) else of.design.name
        layers = [one.as_dict() for one in self.layers]
        return self.headed({"design": name, "setting": of.setting.data(), "layers": layers})

    @classmethod
    def schema(cls) -> js.Schema:
        line = {
            "figure": js.text("what is computed"),
            "formula": js.text("in symbols; empty for a bare fact"),
            "worked": js.text("the formula with its numbers"),
            "result": js.number("the value"),
            "note": js.text("a word on the convention or the reason; may be empty"),
        }
        layer = {
            "layer": js.text("its full name"),
            "title": js.text("the op with the arguments that were given"),
            "lines": js.many(js.record(line), "the equations, in the order of computation"),
            "incomplete": js.lacking(),
        }
        fields = {"design": js.text("its name"), "setting": js.setting(), "layers": js.many(js.record(layer))}
        return js.document("explain", cls.VERSION, fields)
