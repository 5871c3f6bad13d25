"""The arithmetic of layers as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archscope.analysis.explain import Explanation
from archscope.design import Design, incomplete
from archscope.report import schema as js
from archscope.setting import Setting

#: version of the JSON format; it changes when a reader of the old one would break
JSON_VERSION = 2


def to_data(design: Design, setting: Setting, explanations: Sequence[Explanation]) -> dict[str, Any]:
    """The explanations of some layers of a design."""
    layers = [one.as_dict() for one in explanations]
    return js.headed(
        JSON_VERSION,
        incomplete(design),
        {"design": design.name, "setting": setting.data(), "layers": layers},
        design.warnings,
    )


def schema() -> js.Schema:
    """The schema of :func:`to_data`."""
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
    return js.document(
        "explain",
        JSON_VERSION,
        {"design": js.text("its name"), "setting": js.setting(), "layers": js.many(js.record(layer))},
    )
