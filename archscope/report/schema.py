"""The words that the JSON schemas of the outputs are made of.

An output module says with them what its data hold. Nothing is allowed that is not described, and all that is described
is there, so that a reader may rely on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from math import isfinite, isnan
from typing import Any

from archscope import __version__
from archscope.errors.diagnostics import Diagnostic
from archscope.figures import FIGURES
from archscope.setting import MODES, PLACES
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import PRECISIONS

Schema = dict[str, Any]
_PIECES = 100_000


def headed(
    version: int, lacking: str | None, data: Mapping[str, Any], warned: Iterable[Diagnostic] = ()
) -> dict[str, Any]:
    """Data of an output behind the versions of its format and of the program, and what there is to say of its designs.

    Args:
        lacking: what their figures lack, as :func:`archscope.design.incomplete` says it.
        warned: the warnings of the designs; each is written once.
    """
    warnings = [
        {"message": one.message, "place": None if one.mark is None else str(one.mark), "hint": one.hint}
        for one in dict.fromkeys(warned)
    ]
    return {"format": version, "archscope": __version__, "incomplete": lacking, "warnings": warnings, **data}


def warned() -> Schema:
    """The schema of warnings."""
    fields = {
        "message": text("what looks like a mistake, and has a meaning"),
        "place": nullable(text("file, line and column")),
        "hint": text("what to do about it"),
    }
    return many(record(fields), "of the designs")


def dumped(content: Any, indent: int = 2) -> str:
    """Data as JSON, which has no infinity: it stands there as specs write it, ``".inf"``."""
    try:
        return _joined(content, indent)
    except ValueError:
        return _joined(_finite(content), indent)


def _joined(content: Any, indent: int) -> str:
    """As :func:`json.dumps`, which holds the millions of pieces of a large text all at once."""
    pieces = json.JSONEncoder(indent=indent, allow_nan=False).iterencode(content)
    parts = iter(lambda: "".join(islice(pieces, _PIECES)), "")
    return "".join([*parts, "\n"])


def _finite(content: Any) -> Any:
    if isinstance(content, float) and not isfinite(content):
        return ".nan" if isnan(content) else ".inf" if content > 0 else "-.inf"
    if isinstance(content, Mapping):
        return {name: _finite(value) for name, value in content.items()}
    return list(map(_finite, content)) if isinstance(content, (list, tuple)) else content


def setting(*, batch_varies: bool = False) -> Schema:
    """The schema of how a design is run (:meth:`archscope.setting.Setting.data`), the same in every output.

    Args:
        batch_varies: whether there may be no one batch.
    """
    batch = count("at once", "samples")
    which = record({"device": text("that was measured"), "date": text()})
    fields = {
        "batch": nullable(batch) if batch_varies else batch,
        "precision": chosen(PRECISIONS),
        "mode": chosen(MODES, "a training step, or a forward pass"),
        "optimizer": chosen(OPTIMIZERS),
        "device": chosen(PLACES, "whose kernels, allocator and peaks"),
        "accumulate": flag("whether gradients live from step to step"),
        "channels_last": flag("whether maps and kernels lie in torch's format of that name"),
        "compile": flag("whether the whole runs under torch.compile"),
        "launch": number("that each call costs at least, for bounds of times", "seconds"),
        "torch": text("the version of torch whose ways a step has"),
        "calibration": nullable(which),
    }
    return record(fields, about="how it is run")


def lacking() -> Schema:
    """The schema of what figures lack."""
    return nullable(text("what the figures lack: layers that are declared black boxes; null where nothing"))


def document(
    command: str,
    version: int,
    fields: Mapping[str, Schema],
    *,
    optional: Iterable[str] = (),
    defs: Mapping[str, Schema] | None = None,
) -> Schema:
    """The schema of a whole output (JSON schema, draft 2020-12) that begins as :func:`headed` says."""
    head = {"format": version_is(version), "archscope": text("version of archscope"), "incomplete": lacking()}
    head["warnings"] = warned()
    return titled(command, record({**head, **fields}, optional) | ({"$defs": dict(defs)} if defs else {}))


def titled(command: str, schema: Schema) -> Schema:
    """The schema of the JSON that a command writes."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"JSON of archscope {command}"}
    return {**head, **schema}


def either(command: str, *documents: Schema) -> Schema:
    """The schema of a command that writes one of several documents."""
    return titled(command, {"oneOf": [{key: one[key] for key in one if key != "$schema"} for one in documents]})


def version_is(version: int) -> Schema:
    """The version of a format."""
    return {"const": version, "description": "version of this format; another one if a reader would break"}


def record(fields: Mapping[str, Schema], optional: Iterable[str] = (), about: str = "") -> Schema:
    """An object with these fields and no others."""
    left_out = set(optional)
    required = [name for name in fields if name not in left_out]
    return _described(
        {"type": "object", "properties": dict(fields), "required": required, "additionalProperties": False}, about
    )


def mapping(value: Schema, about: str = "") -> Schema:
    """An object whose keys are names."""
    return _described({"type": "object", "additionalProperties": value}, about)


def many(item: Schema, about: str = "") -> Schema:
    """A list."""
    return _described({"type": "array", "items": item}, about)


def text(about: str = "") -> Schema:
    """A string."""
    return _described({"type": "string"}, about)


def flag(about: str = "") -> Schema:
    """True or false."""
    return _described({"type": "boolean"}, about)


def count(about: str = "", unit: str = "") -> Schema:
    """A whole number."""
    return _described({"type": "integer"}, about, unit)


def number(about: str = "", unit: str = "") -> Schema:
    """Any number."""
    return _described({"type": "number"}, about, unit)


def size(about: str = "") -> Schema:
    """Bytes."""
    return count(about, "bytes")


def chosen(names: Iterable[str], about: str = "") -> Schema:
    """One of some words."""
    return _described({"enum": list(names)}, about)


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def sizes(about: str = "sizes without the batch") -> Schema:
    """A shape."""
    return many(count(), about)


def figure(name: str) -> Schema:
    """A figure of a layer or a total by the name of its column, with its unit and convention."""
    column = FIGURES[name]
    if column.style == "axes":
        return nullable(many(number(), f"{column.convention} [{column.unit}]"))
    if column.style == "ratio":
        return nullable(number(column.convention, column.unit))
    return count(column.convention, column.unit)


def columns(units: Mapping[str, tuple[str, str]], types: Mapping[str, Schema]) -> dict[str, Schema]:
    """Fields from names with units and conventions; where ``types`` does not say more, what has no unit is text."""
    usual = {"": text(), "seconds": number()}
    return {
        name: _described(types.get(name, usual.get(unit, count())), about, unit)
        for name, (unit, about) in units.items()
    }


def _described(schema: Schema, about: str, unit: str = "") -> Schema:
    words = f"{about} [{unit}]".strip() if unit else about
    return {**schema, "description": words} if words else schema
