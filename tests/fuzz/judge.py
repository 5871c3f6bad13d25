"""What counts as a failure: a traceback, a wrong exit code, code or markup that came through, control characters."""

from __future__ import annotations

import ast
import re
import traceback
from contextlib import suppress
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import archscope
from archscope.errors import ArchscopeError
from archscope.ops import Op
from tests.fuzz.inputs import CANARY, Input

#: seconds of CPU that a refusal may take, and an answer about a small design
PATIENCE = 1.0
#: seconds a layer that a large one may take besides: in tables, where every layer is drawn or written, and where what
#: fits is looked for
PER_LAYER, PER_LAYER_DRAWN, PER_LAYER_FITTED = 0.001, 0.005, 0.01
_DRAWN, _FITTED = {"--html", "--to", "--diff"}, {"--device", "--limit"}
LONGEST_SWEEP = 8.0
#: bytes of memory that it may take beside what the process had before
ROOM = 300e6
#: what torch's own exporter takes is torch's
LONGEST_EXPORT, ROOM_OF_EXPORT = 60.0, 2e9

_POSITION = re.compile(r":\d+:\d+: error: ")
_PACKAGE = str(Path(archscope.__file__).parent)
#: what no terminal is sent: controls (but for tabs and line ends), halves of pairs, marks that turn the writing
_RAW = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Outcome(NamedTuple):
    """What an input came to.

    Attributes:
        kind: ``answered``, ``refused``, ``failed a check``, or the kind of failure, the same for the same fault.
        detail: more on a failure.
        cpu, memory: seconds and bytes that it took.
    """

    kind: str
    detail: str = ""
    cpu: float = 0.0
    memory: float = 0.0

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.kind in FINE.values()


FINE = {0: "answered", 1: "failed a check", 2: "refused"}


def allowed(given: Input) -> float:
    """Seconds that an answer may take: docs/limits.md states them by the number of layers."""
    if "--vary" in given.arguments:  # a command line may give a million values
        return LONGEST_SWEEP
    if exports_onnx(given):
        return LONGEST_EXPORT
    words, layers = {*given.arguments}, 0
    for spec in given.arguments[1:]:
        with suppress(ArchscopeError, OSError, ValueError):
            layers += sum(_stacked(layer.op) for layer in archscope.load(spec).layers) if spec[:1] != "-" else 0
    each = PER_LAYER_FITTED if _FITTED & words else PER_LAYER_DRAWN if _DRAWN & words else PER_LAYER
    return PATIENCE + layers * each


def _stacked(op: Op) -> int:
    """A recurrent layer counts as as many as it stacks, in both directions."""
    return getattr(op, "num_layers", 1) * (1 + getattr(op, "bidirectional", False))


def exports_onnx(given: Input) -> bool:
    """Whether torch's exporter is run."""
    return _forms(given)[-1:] == ["onnx"]


def _forms(given: Input) -> list[str]:
    return [form for option, form in pairwise(given.arguments) if option == "--to"]


def traceback_kind(error: BaseException) -> str:
    """The error and the innermost place of ours that it went through."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_PACKAGE)]
    place = f"{Path(ours[-1].filename).relative_to(_PACKAGE)}:{ours[-1].name}" if ours else "outside"
    return f"traceback: {type(error).__name__} in {place}"


def judge(given: Input, code: int, out: str, err: str) -> tuple[str, str]:
    """The kind of outcome of a command that ended by itself, and its detail."""
    if code not in (0, 1, 2):
        return f"exit code {code}", err[-2000:]
    problem = _wrong_text(given, out, err) if code != 2 else _wrong_text(given, "", err) or _wrong_refusal(given, err)
    return problem or FINE[code], (out[-500:] + err[-1500:] if problem else "")


#: whose mistakes are mistakes of a command line, which has no lines
_OPTIONS = {"--vary", "--set", "--input", "--device", "--batch"}


def _wrong_refusal(given: Input, err: str) -> str:
    if not err.strip():
        return "a refusal without a word"
    if _POSITION.search(err) or "Usage: " in err or given.kind in ("plain", "files") or _OPTIONS & {*given.arguments}:
        return ""
    first = next((line for line in err.splitlines() if "error: " in line), err.splitlines()[0])
    first = re.sub(r"`[^`]*`|[\d,]+|'[^']*'", "…", first)
    return "" if any(words in first for words in _ABOUT_ALL) else f"a refusal without a position: {first[:100]}"


#: refusals that are about no place of a text: of a setting, of a command, of a design as a whole
_ABOUT_ALL = (
    "there is no file",
    "a group that is recomputed",
    "no peaks are published",
    "is not known",
    "holds at most",
    "cannot be written as source",
)


def _wrong_text(given: Input, out: str, err: str) -> str:
    raw = _RAW.search(out) or _RAW.search(err)
    form = " ".join(arg for arg in given.arguments if arg.startswith("-") or arg in ("torch", "dot", "mermaid", "json"))
    command = f"{given.arguments[0]} {form}"
    if raw is not None:
        return f"raw U+{ord(raw[0]):04X} in {command}"
    if out.startswith("<!doctype html>"):
        return _wrong_page(out)
    if given.arguments[0] == "export" and _forms(given)[-1:] == ["torch"] and "-o" not in given.arguments:
        return _wrong_source(out)
    return ""


class _Tags(HTMLParser):
    wrong = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.script = tag == "script" and dict(attrs).get("type") != "application/json"
        if CANARY in tag or any(CANARY in name for name, _ in attrs):
            self.wrong = f"markup of a text came into a page: <{tag}>"

    script = False

    def handle_endtag(self, tag: str) -> None:
        self.script = False

    def handle_data(self, data: str) -> None:
        if self.script and CANARY in data and re.search(rf"{CANARY}\(\)(?![^\n]*[\"'`])", data):
            self.wrong = "code of a text came into a script"


def _wrong_page(page: str) -> str:
    tags = _Tags()
    tags.feed(page)
    return tags.wrong


_CALLED = ("eval", "exec", "open", "compile", "__import__", CANARY)


def _wrong_source(source: str) -> str:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        return f"exported source is no Python: {error.__class__.__name__} {str(error)[:60]}"
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if any(name.split(".")[0] not in _IMPORTED for name in names):
                return f"exported source imports {names}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLED:
            return f"exported source calls {node.func.id}"
    return ""


_IMPORTED = ("torch", "math", "__future__", "functools", "collections", "typing", "operator", "torchvision", "pathlib")
