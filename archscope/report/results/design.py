"""A design by itself: its account at batch 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archscope.analysis.counts.account import analyze, runnable
from archscope.design import Design
from archscope.errors import counted
from archscope.report import schema as js
from archscope.report.base import Records, Report, Said
from archscope.report.blocks import Block, Headline, Room
from archscope.report.results.account import AccountReport, inputs


@dataclass(frozen=True)
class DesignReport(Report):
    """What is told of its account."""

    result: Design

    @cached_property
    def _account(self) -> AccountReport:
        return AccountReport(analyze(self.result, runnable(self.result)))

    @property
    def said(self) -> Said:
        return Said.of(self.result)

    def headline(self) -> Headline:
        layers = len(self.result.layers)
        return Headline(self.result.title, f"input {inputs(self.result)}, {counted(layers, 'layer')}")

    def blocks(self, room: Room) -> Iterator[Block]:
        return self._account.blocks(room)

    def records(self) -> Records:
        return self._account.records()

    def data(self) -> dict[str, Any]:
        return self._account.data()

    @classmethod
    def schema(cls) -> js.Schema:
        return AccountReport.schema()
