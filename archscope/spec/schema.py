"""The JSON schema of the spec language, made from the op registry: completion and red underlines in an editor."""

from __future__ import annotations

import inspect
from typing import Any

from archscope.figures import DESIGN, LAYER, known_of
from archscope.ops import REGISTRY, Op
from archscope.ops.contents import Beginning
from archscope.ops.fields import DTYPES, MARKS, Maybe, SameAs, Size, TypeName, value_schema
from archscope.setting import PLACES
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import WORDS
from archscope.spec import language
from archscope.spec.axes import METHODS
from archscope.spec.document import CONVENTIONS
from archscope.spec.values import FORMS

_BLOCK = "^[a-z_][A-Za-z0-9_]*$"


def schema() -> dict[str, Any]:
    """The schema of a spec file (JSON schema, draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archscope spec",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            language.KEY: {"const": language.LANGUAGE, "description": "version of the spec language"},
            "name": _described("string", "what the design is called"),
            "source": _described("string", "the paper or document that it follows"),
            "description": _described("string", "anything else a reader should know"),
            "include": {"description": "files whose blocks and vars are shared", "anyOf": [_STRING, _list_of(_STRING)]},
            "extends": _described("string", "the spec that this one varies"),
            "input": {"$ref": "#/$defs/input"},
            "inputs": {"type": "object", "additionalProperties": {"$ref": "#/$defs/input"}},
            "vars": {"type": "object", "description": "numbers and words, for expressions and --set"},
            "blocks": {
                "type": "object",
                "description": "named lists of layers: `conv_bn(out, kernel=1)`",
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/layers"}, _body()]},
            },
            "layers": {"$ref": "#/$defs/layers"},
            "freeze": _freezing(),
            "init": _beginnings(),
            "outputs": _outputs(),
            "expect": _expect(),
            "budget": {
                "type": "object",
                "description": "limits, one or a list: `params: <= 5e6`, or of growth, `params: grows <= 1%`",
                "properties": dict.fromkeys(known_of(DESIGN), _LIMITS),
                "additionalProperties": _LIMITS,
            },
            "accuracy": {"type": "object", "description": "recorded facts: `top1: {value: 76.1, source: ...}`"},
            "sweep": _sweep(),
        },
        "$defs": {
            "expression": {"type": "string", "description": "arithmetic over variables: `64 * 2**stage`"},
            "value": {"anyOf": [{"type": ["number", "boolean", "string", "null"]}, {"type": "array"}]},
            "input": _input(),
            "layers": _list_of({"$ref": "#/$defs/layer"}),
            "layer": _layer(),
            "branches": _list_of(
                {"anyOf": [_STRING, {"$ref": "#/$defs/layers"}, {"type": "array", "maxItems": 0}, _operand()]}
            ),
            "reference": _reference(),
            "figure": _figure(),
        },
    }


_STRING: dict[str, Any] = {"type": "string"}
_LIMITS: dict[str, Any] = {"anyOf": [_STRING, {"type": "array", "items": _STRING}]}
_FLAG: dict[str, Any] = {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/expression"}]}
_OUTPUT: dict[str, Any] = {
    "anyOf": [
        _STRING,
        {
            "type": "object",
            "properties": {
                "from": _STRING,
                "when": _FLAG | {"description": "left out unless this holds"},
                "repeat": {"description": "as many outputs, counted by `index:`", "type": ["integer", "string"]},
                "index": _STRING,
            },
            "required": ["from"],
            "additionalProperties": False,
        },
    ]
}


def _outputs() -> dict[str, Any]:
    """Results by name: of a design, or of a block."""
    return {"anyOf": [_list_of(_OUTPUT), {"type": "object", "additionalProperties": _OUTPUT}]}


def _body() -> dict[str, Any]:
    """A block of several outputs."""
    parts = {"layers": {"$ref": "#/$defs/layers"}, "outputs": _outputs() | {"description": "read as `neck.p3`"}}
    return {"type": "object", "properties": parts, "required": ["layers"], "additionalProperties": False}


def _described(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "description": text}


def _list_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _input() -> dict[str, Any]:
    shape = _list_of({"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/expression"}]})
    parts = {"shape": shape, "dtype": TypeName(DTYPES).schema()}
    mapping = {"type": "object", "properties": parts, "required": ["shape"], "additionalProperties": False}
    return {"description": "sizes without the batch: [3, 224, 224]", "anyOf": [shape, mapping]}


def _figure() -> dict[str, Any]:
    value = {"anyOf": [{"type": "number"}, _STRING, _list_of({"type": "integer"})]}
    parts = {
        "value": value,
        "within": {"description": "1% or a number", "anyOf": [{"type": "number"}, _STRING]},
        "convention": {"enum": list(CONVENTIONS)},
        "source": _STRING,
        "stated": {"description": "what was published, where that is wrong", "anyOf": [{"type": "number"}, _STRING]},
    }
    mapping = {"type": "object", "properties": parts, "required": ["value"], "additionalProperties": False}
    return {"anyOf": [value, mapping, _list_of(mapping)]}


def _expect() -> dict[str, Any]:
    figure = {"$ref": "#/$defs/figure"}
    figure_forms = [form for form in _figure()["anyOf"] if form.get("type") != "object"]
    whole, layer = (
        {name: figure | {"description": one.convention} for name, one in known_of(scope).items()}
        for scope in (DESIGN, LAYER)
    )
    by_layer = {
        "type": "object",
        "additionalProperties": {"type": "object", "properties": layer, "additionalProperties": figure},
    }
    return {
        "type": "object",
        "description": "published figures, checked by `archscope verify`",
        "properties": {**whole, "layers": {"anyOf": [by_layer, *figure_forms]}},  # the figures by layer, or the count
        "additionalProperties": figure,
    }


def _sweep() -> dict[str, Any]:
    expressions = {"anyOf": [_STRING, _list_of(_STRING)]}
    whole: dict[str, Any] = {"type": "integer", "minimum": 1}
    sample = {
        "count": whole,
        "seed": {"type": "integer", "minimum": 0, "description": "another one draws other designs"},
        "method": {"enum": list(METHODS)},
    }
    drawn = {"type": "object", "properties": sample, "required": ["count"], "additionalProperties": False}
    properties = {
        "vary": {
            "type": "object",
            "description": "a variable, `depths[0]`, `input`, `input.NAME` or `batch`, and its values",
            "additionalProperties": {"$ref": "#/$defs/value"} | {"description": FORMS},
            "minProperties": 1,
        },
        "derive": {
            "type": "object",
            "description": "columns that follow from others: `density: macs / params`",
            "additionalProperties": {"type": ["string", "number"]},
        },
        "where": expressions | {"description": "what must hold of a design: `params < 5e6`"},
        "pareto": expressions | {"description": "columns of the frontier; those that begin with - are to be large"},
        "sort": _described("string", "what the best designs are best in; with - in front the largest are"),
        "top": whole | {"description": "how many of the best are shown"},
        "sample": {"description": "some designs of a space that is too large", "anyOf": [whole, drawn]},
        "batch": whole | {"description": "samples at once"},
        "precision": {"enum": list(WORDS)},
        "dtype": {"enum": list(WORDS), "description": "another word for precision"},
        "optimizer": {"enum": [name for name in OPTIMIZERS if name != "none"]},
        "device": {"enum": list(PLACES)},
    }
    return {
        "type": ["object", "null"],
        "description": "what `archscope sweep` varies, and what it asks of every design",
        "properties": properties,
        "required": ["vary"],
        "additionalProperties": False,
    }


def _freezing() -> dict[str, Any]:
    """What may stand behind ``freeze:``."""
    about = "the parameters that are not trained: true is all, or those whose names fit patterns such as `*.bias`"
    return {"description": about, "anyOf": [*_FLAG["anyOf"], _list_of(_STRING)]}


def _beginnings() -> dict[str, Any]:
    """What may stand behind ``init:``."""
    one = Beginning().schema()
    each = {"type": "object", "additionalProperties": one}
    return {
        "description": "how parameters begin, by patterns of their names, or by layer: `{Linear: {weight: normal}}`",
        "type": "object",
        "properties": dict.fromkeys(REGISTRY, each),
        "additionalProperties": one,
    }


def _dtype() -> dict[str, Any]:
    """What may stand behind ``dtype:`` beside a layer."""
    about = "the floating type of its parameters and buffers, whatever the precision of the run; float is that one"
    return {"description": about, "anyOf": [TypeName(MARKS).schema(), {"$ref": "#/$defs/expression"}]}


def _operand() -> dict[str, Any]:
    """An input of a layer with a condition, or several in a repeat: branches, or what is named."""
    properties = {**_modifiers(), **_compound()}
    return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}


def _reference() -> dict[str, Any]:
    """What may stand behind ``from:``, or in a list there: a name, several in a repeat, or one with a condition."""
    parts = {name: part for name, part in {**_modifiers(), **_compound()}.items() if name in _NAMING}
    several = {"type": "object", "properties": parts, "required": ["from"], "additionalProperties": False}
    return {"anyOf": [_STRING, several]}


#: what counts and names inputs, and lays no layers
_NAMING = ("from", "when", "repeat", "index")


def _compound() -> dict[str, Any]:
    count = {"anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/$defs/expression"}]}
    return {
        "repeat": count | {"description": "how often the layers below are laid"},
        "index": _described("string", "the variable that counts a repeat, from 0"),
        "layers": {"$ref": "#/$defs/layers"},
    }


def _modifiers() -> dict[str, Any]:
    reference = {"anyOf": [{"$ref": "#/$defs/reference"}, _list_of({"$ref": "#/$defs/reference"})]}
    return {
        "name": {"description": "its name; {expressions} in it are evaluated", "type": ["string", "integer"]},
        "from": reference | {"description": "the earlier layers that it reads"},
        "when": _FLAG | {"description": "left out unless this holds"},
        "freeze": _freezing(),
        "init": _beginnings(),
        "checkpoint": _FLAG | {"description": "recomputed in the backward pass"},
        "no_grad": _FLAG | {"description": "run without gradients: nothing is kept of it, and no gradient passes it"},
        "dtype": _dtype(),
    }


def _layer() -> dict[str, Any]:
    """An entry of a list of layers: a name alone, or a mapping of one op or block with its modifiers."""
    ops = {name: _op(op) for name, op in REGISTRY.items()}
    words = {"type": "string", "anyOf": [{"enum": list(REGISTRY)}, {"pattern": _BLOCK}]}
    compound = {
        **_compound(),
        "reuse": _described("string", "an earlier layer or block, applied again with the same weights"),
    }
    mapping = {
        "type": "object",
        "properties": {**_modifiers(), **compound, **ops},
        "patternProperties": {_BLOCK: True},
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {"anyOf": [words, mapping]}


def _op(op: type[Op]) -> dict[str, Any]:
    """What may stand behind an op's name: nothing, the argument that a bare value is, a mapping, or branches."""
    properties: dict[str, Any] = {}
    for info in op.fields:
        described = value_schema(info.kind) | {"description": info.kind.describe()}
        if not info.required:
            described["default"] = default_text(info.default)
        properties[info.name] = described
    following = {"description": "follows from what arrives", "deprecated": True}
    properties |= {name: value_schema(Maybe(Size())) | following for name in op.follows}
    merging = op.arity.most != 1
    if merging:
        properties["inputs"] = {"$ref": "#/$defs/branches"}
    mapping: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = list(op.required)
    if required:
        mapping["required"] = required
    forms: list[dict[str, Any]] = [mapping]
    if not required:
        forms.append({"type": "null"})
    bare = op.bare()
    if bare is not None and set(required) <= {bare}:
        named = op.field(bare)
        forms.append(properties[bare] if named is None else value_schema(named.kind))
    if op.arity.most is None or op.arity.least > 1:
        forms.append({"$ref": "#/$defs/branches"})
    return {"description": inspect.getdoc(op) or "", "anyOf": forms}


def default_text(default: Any) -> Any:
    """A default as help texts print it."""
    return f"the value of {default.field}" if isinstance(default, SameAs) else default
