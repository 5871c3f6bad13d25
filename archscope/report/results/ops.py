"""The layers that specs know; its records are ops, or of one op its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archscope.ops import Op
from archscope.ops.legal import dim_names
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said
from archscope.report.blocks import Block, Grid, Head, Headline, Notes, Room, Row
from archscope.spec.schema import default_text

_HEADS = (Head("argument"), Head("default"), Head("values", wrapped=True), Head("symbol"))
_FIELDS = ("op", "family", "summary", "inputs", "category", "elementwise", "view")
_ARGUMENT = ("argument", "default", "values", "symbol")


@dataclass(frozen=True)
class OpsReport(Report):
    """A line an op, family by family; of one op, all of it."""

    result: Sequence[type[Op]]
    whole: bool = False

    @property
    def said(self) -> Said:
        return Said(None)

    def headline(self) -> Headline:
        return Headline(self.result[0].__name__ if self.whole else f"{len(self.result)} ops")

    def blocks(self, room: Room) -> Iterator[Block]:
        if self.whole:
            yield self.headline()
            yield from _description(self.result[0])
            return
        for family in dict.fromkeys(map(_family, self.result)):
            rows = tuple(Row((op.__name__, _summary(op))) for op in self.result if _family(op) == family)
            yield Grid((Head("op"), Head("what it does", wrapped=True)), rows, title=family, bare=True)

    def records(self) -> Records:
        if self.whole:
            arguments = ([one[name] for name in _ARGUMENT] for one in _arguments(self.result[0]))
            return Records([Field(name) for name in _ARGUMENT], arguments, "argument", None)
        rows = ([_data(op)[name] for name in _FIELDS] for op in self.result)
        fields = [Field(name, style="value" if name == "view" else "text") for name in _FIELDS]
        return Records(fields, rows, "op", None)

    def data(self) -> dict[str, Any]:
        return self.headed({"ops": list(map(_data, self.result))})

    @classmethod
    def schema(cls) -> js.Schema:
        argument = {
            "argument": js.text("named as in torch.nn"),
            "default": js.text("`required` where it must be given"),
            "values": js.text("that it takes"),
            "symbol": js.text("in formulas; empty where that is its name"),
        }
        op = {
            "op": js.text("its name in specs"),
            "family": js.text("the file that it is in"),
            "summary": js.text("what it does, in a line"),
            "about": js.text("the rest of it"),
            "inputs": js.text("how many, and their dimensions"),
            "arguments": js.many(js.record(argument)),
            "category": js.text("what it is counted as: conv, fc or other"),
            "elementwise": js.text("what is counted as elementwise work"),
            "view": js.flag("whether its output is a view of its input"),
            "follows": js.many(js.text(), "arguments of torch's layer that follow from what arrives"),
            "refuses": js.mapping(js.text("the reason"), "arguments of torch's layer that are not taken"),
        }
        return js.document("ops", cls.VERSION, {"ops": js.many(js.record(op))})


def _summary(op: type[Op]) -> str:
    return (inspect.getdoc(op) or "").partition("\n")[0]


def _family(op: type[Op]) -> str:
    return op.__module__.rpartition(".")[2]


def _inputs(op: type[Op]) -> str:
    ranks = "" if op.ndims is None else ", " + " or ".join(f"({', '.join(dim_names(op, n))})" for n in op.ndims)
    return f"{op.arity}{ranks}"


def _arguments(op: type[Op]) -> Iterator[dict[str, str]]:
    for info in op.fields:
        default = "required" if info.required else str(default_text(info.default)).replace("None", "null")
        yield {
            "argument": info.name,
            "default": default.replace("True", "true").replace("False", "false"),
            "values": info.kind.describe(),
            "symbol": info.symbol if info.symbol != info.name else "",
        }


def _data(op: type[Op]) -> dict[str, Any]:
    return {
        "op": op.__name__,
        "family": _family(op),
        "summary": _summary(op),
        "about": (inspect.getdoc(op) or "").partition("\n")[2].strip(),
        "inputs": _inputs(op),
        "arguments": list(_arguments(op)),
        "category": op.category,
        "elementwise": op.elementwise_rule,
        "view": op.view,
        "follows": list(op.follows),
        "refuses": dict(op.refuses),
    }


def _description(op: type[Op]) -> Iterator[Block]:
    yield Notes(tuple((inspect.getdoc(op) or "").splitlines()), faint=False)
    yield Notes((f"inputs: {_inputs(op)}",), faint=False)
    if op.fields:
        yield Grid(_HEADS, tuple(Row(tuple(one.values())) for one in _arguments(op)))
    lines = [f"counted as: {op.category}", f"elementwise work: {op.elementwise_rule}"]
    if op.view:
        lines.append("its output is a view of its input")
    if op.follows:
        lines.append(f"follows from what arrives: {', '.join(op.follows)}")
    lines += (f"not taken: {name} ({reason})" for name, reason in op.refuses.items())
    yield Notes(tuple(lines), faint=False)
