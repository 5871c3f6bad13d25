"""Whatever is written, it is a design or a list of mistakes: never a traceback, never a long wait.

``ARCHSCOPE_FUZZ=20000 pytest tests/spec/test_fuzz.py`` looks further than the 300 examples of an everyday run.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any
from unicodedata import category

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archscope
from archscope.errors import SpecError
from archscope.errors.diagnostics import Diagnostic
from archscope.ops import REGISTRY
from archscope.spec.document import _READERS, ENTRY_KEYS
from archscope.spec.expressions import FUNCTIONS
from archscope.spec.library import specs_folder
from archscope.spec.section import KEYS
from tests.spec.test_expansion import UNET
from tests.spec.test_schema import FULL
from tests.spec.test_writer import TEXTS

PATIENCE = 30.0  # seconds: a guard against hanging, not a measurement
MORE = settings(
    max_examples=int(os.environ.get("ARCHSCOPE_FUZZ", "100")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

CORPUS = [
    UNET,
    FULL,
    *TEXTS.values(),
    *((specs_folder() / f"{name}.yaml").read_text() for name in ("alexnet", "resnet50", "mobilenet_v1", "lenet5")),
]
WORDS = [
    *KEYS, *_READERS, *ENTRY_KEYS, *FUNCTIONS, *sorted(REGISTRY), "in_channels", "in_size", "in_features", "true",
    "null", "1:9:2", "1:9:*2", "1:9:log3", "1:1e9",
    "i", "n", "f", "f(n)", "f(n=1)", "'{i}'", "c[0]", "0", "1", "-1", "2", "3", "0.5", "1e3", "10**9", "9**9**9",
    "1/0", "a.b", "[]", "{}", "- ", ": ", ", ", "[", "]", "{", "}", "(", ")", "&a ", "*a", "!!x ", "<<", "'", '"',
    "#", "|", ">", "%", "@", "`", "\t", "\n", "\r", "  ", "\0", "\x1b", "\ufeff", "\u2028", "é", "🎉", "---\n",
    "...\n", "9" * 200, "x" * 700,
]  # fmt: skip


def told_in_its_place(diagnostic: Diagnostic) -> None:
    mark = diagnostic.mark
    assert diagnostic.message
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")  # of Unicode: controls, marks of direction, separators of lines
    assert all(category(char) not in unseen or char in "\n\u200c\u200d" for char in diagnostic.render())
    if mark is not None:
        assert 1 <= mark.line <= len(mark.source.lines)
        assert 1 <= mark.column <= len(mark.source.lines[mark.line - 1]) + 1


def try_to_load(text: str, **options: Any) -> None:
    start = time.perf_counter()
    try:
        design = archscope.load(text + "\n", **options)
        assert len(design.graph) == len(design.layers)
    except SpecError as error:
        assert error.diagnostics
        assert str(error)
        for diagnostic in error.diagnostics:
            told_in_its_place(diagnostic)
    assert time.perf_counter() - start < PATIENCE


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid text with some lines, words or characters deleted, doubled, moved or replaced."""
    text = draw(st.sampled_from(CORPUS))
    pattern = draw(st.sampled_from([r".*\n", r"\w+|[^\w\s]|\s+", r".|\n"]))
    parts = re.findall(pattern, text)
    for _ in range(draw(st.integers(1, 6))):
        if not parts:
            break
        place = draw(st.integers(0, len(parts) - 1))
        other = draw(st.integers(0, len(parts) - 1))
        match draw(st.sampled_from(["delete", "double", "swap", "move", "replace", "insert"])):
            case "delete":
                del parts[place]
            case "double":
                parts.insert(place, parts[place])
            case "swap":
                parts[place], parts[other] = parts[other], parts[place]
            case "move":
                parts.insert(other, parts.pop(place))
            case "replace":
                parts[place] = draw(st.sampled_from(WORDS))
            case _:
                parts.insert(place, draw(st.sampled_from(WORDS)))
    return "".join(parts)


@given(mutated())
@MORE
def test_broken_specs(text: str) -> None:
    try_to_load(text)


words = st.sampled_from(
    [word for word in WORDS if len(word) < 20] + ["2 * n", "n > 0", "i // 2", "f", "input", "[ReLU]"]
)
scalars = st.one_of(words, st.integers(-3, 2**70), st.booleans(), st.none(), st.floats(), st.text(max_size=5))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)
arguments = st.fixed_dictionaries(
    {}, optional={info.name: st.one_of(st.integers(0, 4), scalars) for op in REGISTRY.values() for info in op.fields}
)


def entries(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Entries that are nearly right, and some that are not."""
    body = st.lists(inner, max_size=3)
    modifiers = st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["a", "b{i}", "g", 3]),
            "from": st.sampled_from(["a", "input", ["a", "input"], "c[1]", []]),
            "when": st.sampled_from([True, "i > 0", "n", "in_size[0] > 2"]),
            "freeze": st.booleans(),
            "checkpoint": st.booleans(),
        },
    )
    call = st.tuples(
        st.sampled_from([*sorted(REGISTRY), "f", "g"]),
        st.one_of(st.none(), scalars, arguments, st.lists(body, max_size=3)),
    )
    form = st.one_of(
        call.map(lambda pair: {pair[0]: pair[1]}),
        body.map(lambda layers: {"layers": layers}),
        st.tuples(st.sampled_from([0, 2, "n", 10**9]), body).map(
            lambda p: {"repeat": p[0], "index": "i", "layers": p[1]}
        ),
        st.sampled_from([{"reuse": "a"}, {"reuse": "f"}, "ReLU", "f", "g", "Flatten", None, 3]),
        values,
    )
    return st.tuples(form, modifiers).map(lambda pair: {**pair[0], **pair[1]} if isinstance(pair[0], dict) else pair[0])


trees = st.fixed_dictionaries(
    {
        "input": st.sampled_from([[3, 8, 8], [5], [4, 6], {"shape": [5], "dtype": "int64"}, "x"]),
        "layers": st.lists(st.recursive(st.just("ReLU"), entries, max_leaves=6), max_size=6),
    },
    optional={
        "vars": st.dictionaries(st.sampled_from(["n", "i", "act", "a b"]), values, max_size=3),
        "blocks": st.fixed_dictionaries(
            {"f(n=2, act=ReLU)": st.lists(st.recursive(st.just("act"), entries, max_leaves=4), max_size=3)},
            optional={"g": st.lists(st.sampled_from(["f", "g", {"f": "n - 1"}, {"g": None, "when": "i"}]), max_size=3)},
        ),
        "outputs": st.one_of(st.sampled_from([["a"], {"x": "a"}, ["input"]]), values),
        "expect": values,
        "budget": st.dictionaries(words, st.sampled_from(["<= 3", "> 1e6", "3"]), max_size=2),
        "accuracy": values,
        "include": st.sampled_from(["resnet50", "nothing", ["blocks/mobile.yaml"], 3]),
        "extends": st.sampled_from(["lenet5", "nothing", None]),
    },
)


class _Dumper(yaml.SafeDumper):
    """Aliases where values are the same object, as YAML writers make them."""


@given(trees, st.sampled_from([True, False, None]))
@MORE
def test_trees_that_are_nearly_specs(tree: dict[str, Any], flow: bool | None) -> None:
    try_to_load(yaml.dump(tree, Dumper=_Dumper, sort_keys=False, default_flow_style=flow))


@given(st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
@MORE
def test_words_in_any_order(text: str) -> None:
    try_to_load(text)


@given(
    st.dictionaries(
        st.sampled_from(["depths", "classes", "xyz"]),
        st.one_of(values, st.complex_numbers(), st.binary(max_size=3)),
        max_size=2,
    )
)
@MORE
def test_anything_set(changes: dict[str, Any]) -> None:
    try_to_load(CORPUS[-3], set=changes)


@pytest.mark.parametrize("text", CORPUS)
def test_the_corpus_is_right(text: str) -> None:
    archscope.load(text)
