"""A summary of a model that is there already: its layers, memory, receptive field and proof; its records are layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archscope.figures import words_of
from archscope.report import schema as js
from archscope.report.base import Records, Report, Said
from archscope.report.blocks import Block, Headline, Notes, Room
from archscope.report.checks import verdict
from archscope.report.results.account import AccountReport
from archscope.report.results.imported import remarks
from archscope.report.results.memory import TOLD
from archscope.report.text import binary, value

if TYPE_CHECKING:
    from archscope.analysis.field.receptive_field import ReceptiveFields
    from archscope.backends.torch.imports.summary import Summary


@dataclass(frozen=True)
class SummaryReport(Report):
    """The layer table of a model, its memory, its receptive field, and the proof."""

    result: Summary

    @cached_property
    def _account(self) -> AccountReport:
        return AccountReport(self.result.account)

    @property
    def said(self) -> Said:
        return Said.of(self.result.design)

    def headline(self) -> Headline:
        return self._account.headline()

    def blocks(self, room: Room) -> Iterator[Block]:
        yield from self._account.blocks(room)
        yield Notes(tuple(_lines(self.result)), faint=False)

    def records(self) -> Records:
        return self._account.records()

    def data(self) -> dict[str, Any]:
        return self._account.data()

    @classmethod
    def schema(cls) -> js.Schema:
        return AccountReport.schema()


def _lines(summary: Summary) -> Iterator[str]:
    """What stands below the table, a line each."""
    memory = summary.memory
    yield (
        f"memory: training {binary(memory.training)}, of this {binary(memory.saved_bytes)} saved for backward; "
        f"inference {binary(memory.inference)} ({words_of(memory.setting, TOLD)})"
    )
    yield from _field(summary.fields)
    yield from remarks(summary.imported)
    yield verdict(summary.imported.proof)


def _field(fields: ReceptiveFields) -> Iterator[str]:
    """The receptive field of the last layer that has a bounded one, if any has."""
    for layer in reversed(fields.design.layers):
        axes = fields[layer.name]
        if axes and not any(axis.whole or axis.untold_from or axis.sees == "all" for axis in axes):
            sizes, extents = value([axis.size for axis in axes], "axes"), value([axis.extent for axis in axes], "axes")
            yield f"receptive field: {sizes} of {extents} at {layer.name}, the last layer that does not see everything"
            return
