"""Inputs of the fuzzer: files and a command line each, all of them from a seed and a number.

Nothing here knows what is right: the zoo is broken, arguments of valid layers are driven to extremes, expressions hold
code of Python, files include each other. What comes of it is judged elsewhere.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tests.ops.records  # noqa: F401  # enters the records
from archscope.design import Design
from archscope.design.graph import Input as GraphInput
from archscope.design.graph import Layer, Ref
from archscope.errors import UsageError
from archscope.ops import REGISTRY
from archscope.spec.expressions import FUNCTIONS
from archscope.spec.library import specs_folder
from archscope.spec.section import KEYS
from archscope.spec.writer import to_yaml
from tests.ops.records.base import RECORDS, Case
from tests.spec.test_expansion import UNET
from tests.spec.test_schema import FULL
from tests.spec.test_writer import TEXTS

#: a word that may stand in texts, but never as a tag, an attribute, a call or a name of code
CANARY = "canary"


@dataclass(frozen=True)
class Input:
    """What is tried: files of a folder by name, and a command line that runs there."""

    kind: str
    files: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]

    @property
    def size(self) -> int:
        """How much there is to read."""
        return sum(len(name) + len(text) for name, text in self.files) + sum(map(len, self.arguments))


def generate(seed: int, number: int) -> Input:
    """The input of a number under a seed; always the same."""
    rng = random.Random(f"{seed}:{number}")
    (make,) = rng.choices(list(_KINDS), weights=list(_KINDS.values()))
    files = make(rng)
    name = make.__name__.removeprefix("_")
    return Input(name, tuple(files.items()), tuple(_command(rng, name, files)))


# -- words ------------------------------------------------------------------------------------------------------------

_PAYLOADS = [
    f"__import__('os').system('{CANARY}')", f"{CANARY}()", f"<{CANARY}>", f"</script><{CANARY} on{CANARY}=1>",
    f"\"><{CANARY} on{CANARY}='1'", f'"); {CANARY}() #', f"'''; {CANARY}(); '''", f"{{{{{CANARY}()}}}}", "${7*7}", "\\",
    f'"""\n{CANARY}()\n"""', "a\nb", "None", "True", "self", "class", "__init__", "super", "é", "汉字", "🎉", "\u202e", "\u2066",
    "\x1b[31m", "\x07", "\x9b", "\r", "\u2028", "a|b", "*a*", "=1+1", "../../etc", "%s", "{}", "{0}", "a" * 300, "-", "--",
    "]]>", "<!--", "`", "$(id)", ";", "|", "a.b.c", ".", "..", "forward", "torch", "F", "nn",
]  # fmt: skip
_NUMBERS = [
    "0", "1", "2", "3", "7", "64", "1000", "-1", "-2", "10**6", "1000000", "2**20", "2**31", "2**32", "2**40", "2**62",
    "2**63", "2**64", "10**18", "10**30", "2**255", "10**100", "1e308", "1e-308", "5e-324", ".inf", "-.inf", ".nan", "0.5",
    "1.5", "-0.0", "1e3", "1e18", "1_", "1__0", "1_000", "0x10", "0o7", "1e", "9" * 90, "9" * 5000, "true", "false", "null",
    "~", '""', "[]", "{}", "[1]", "[1, 2]", "[0, 0]", "[-1, -1]", "[[1], 2]", "[1, 2, 3, 4, 5]", "[null]", "{a: 1}", "¹", "٣",
]  # fmt: skip
_FITTING = ["1", "2", "3", "4", "7", "12", "64", "512", "1000", "65536", "10**6", "2**31", "2**40", "0", "-1", "0.5"]
_ATOMS = [
    "1", "2", "0", "-1", "3.5", "1e308", "10**9", "2**200", "n", "w", "xs", "s", "x", "in_channels", "in_size", "in_features", "in_shape", "in_length", "in_shape[1]",
    "true", "null", "'a'", "[]", "[1,2]", "[[0], 10**9]", "[n] ", "-10**8", "1j", "...", "b'1'", "0.1", "1e-300", "[w,w,w]",
]  # fmt: skip
_CODE = [
    "().__class__.__bases__[0].__subclasses__()", f"__import__('os').system('{CANARY}')", "lambda: 1", "[x for x in xs]",
    f"eval('{CANARY}()')", "open('/etc/passwd')", "(yield)", "a:=1", "f'{n}'", "n.bit_length()", "xs.append(1)", "*xs", "**n",
    "print(1)", "exec('1')", "'a'*10**9", "[1]*10**9", "xs*10**9", "'%999999999d'%1", "n if", "1 if 1", "a[999999999999]",
    "xs[:10**9]", "xs[::0]", "xs[-10**30:2**200:-1]", "in_shape[0]", "int(n > 1)", "int(xs)", "sum(xs[:n])", "xs[:][:][::-1]", "xs[0:1:2:3]",
    "a[" + "9" * 4400 + "]", "xs[-1]", "xs[10**10]", "xs[n][n]", "len(xs[0])", "((((((((((1))))))))))", "(" * 90 + "1" + ")" * 90,
    "-" * 200 + "1", "not " * 90 + "1", "1" + "+1" * 200, "min()", "max([])", "sum([[1],[2]])", "divisible(n, 0)", "1/0", "0**-1",
    "(-8)**0.5", "round(5, -10**8)", "round(1e308, 400)", "round(2**255, -80)", "prod([[0], 10**9])", "prod([2**200,2**200])",
    "sqrt(-1)", "int(1e308)", "ceil(.5)", "abs(-2**255)", "len([n])" + "+len([xs,xs])" * 9, "1 in 2", "1 in xs", "'a'<1", "1<n<3",
    "2**n**n", "9**9**9", "10**10**10", "1%0", "1e308*10", "xs==xs", "xs<xs", "[[1]]<[['a']]", "n//0.0", "5%-3", "7//-0.5", "~n",
]  # fmt: skip


def _expression(rng: random.Random, depth: int = 3) -> str:
    """A text of the arithmetic, or nearly."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(_ATOMS) if rng.random() < 0.8 else rng.choice(_CODE)
    inner = [_expression(rng, depth - 1) for _ in range(3)]
    form = rng.randrange(10)
    if form == 0:
        return f"{rng.choice(list(FUNCTIONS))}({', '.join(inner[: rng.randrange(4)])})"
    if form == 1:
        return f"{inner[0]} if {inner[1]} else {inner[2]}"
    if form == 2:
        return f"{inner[0]}[{inner[1]}]"
    if form == 3:
        return f"[{', '.join(inner)}]"
    if form == 4:
        return f"{rng.choice(['not ', '-', '+', '~'])}{inner[0]}"
    if form == 5:
        return rng.choice(_CODE)
    if form == 6:
        ends = [rng.choice(["", end, rng.choice(_ATOMS)]) for end in inner]
        return f"{rng.choice(['xs', 'in_shape', 'in_size', inner[0]])}[{':'.join(ends[: rng.choice([2, 2, 3])])}]"
    sign = rng.choice(
        [
            "+",
            "-",
            "*",
            "/",
            "//",
            "%",
            "**",
            "<",
            "<=",
            "==",
            "!=",
            ">",
            ">=",
            "and",
            "or",
            "in",
            "not in",
            "is",
            "@",
            "<<",
        ]
    )
    return f"({inner[0]}) {sign} ({inner[1]})"


def _word(rng: random.Random) -> str:
    return rng.choice([rng.choice(_NUMBERS), rng.choice(_PAYLOADS), _expression(rng, 2), rng.choice(sorted(REGISTRY))])


def _quoted(text: str) -> str:
    return json.dumps(text)


# -- specs ------------------------------------------------------------------------------------------------------------


@cache
def _zoo() -> tuple[str, ...]:
    designs = sorted(specs_folder().glob("*.yaml"))
    return (UNET, FULL, *TEXTS.values(), *(path.read_text("utf-8") for path in designs))


_PARTS = {"lines": r".*\n", "words": r"\w+|[^\w\s]|\s+", "characters": r".|\n"}
_KEYWORDS = [
    *KEYS, *FUNCTIONS, "name", "from", "when", "freeze", "checkpoint", "dtype", "init", "repeat", "index", "layers", "reuse", "inputs", "outputs",
    "expect", "budget", "accuracy", "include", "extends", "blocks", "vars", "sweep",
    "- ", ": ", ", ", "[", "]", "{", "}", "&a ", "*a", "!!x ", "<<", "'", '"', "#", "|", ">", "%", "\t", "\n", "  ", "---\n",
]  # fmt: skip


def _mutated(rng: random.Random) -> dict[str, str]:
    """A design of the zoo with some lines, words, characters or numbers changed."""
    text = rng.choice(_zoo())
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        text = _changed(rng, text)
    return {"spec.yaml": text}


def _changed(rng: random.Random, text: str) -> str:
    if rng.random() < 0.6:
        numbers = list(re.finditer(r"(?<![\w.])\d+(?![\w.])", text))
        if numbers:
            found = rng.choice(numbers)
            return text[: found.start()] + _number(rng) + text[found.end() :]
    parts = re.findall(_PARTS[rng.choice(list(_PARTS))], text)
    if not parts:
        return text
    place, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(6):
        case 0:
            del parts[place]
        case 1:
            parts.insert(place, parts[place])
        case 2:
            parts[place], parts[other] = parts[other], parts[place]
        case 3:
            parts.insert(other, parts.pop(place))
        case 4:
            parts[place] = rng.choice([rng.choice(_KEYWORDS), _word(rng)])
        case _:
            parts.insert(place, rng.choice([rng.choice(_KEYWORDS), _word(rng)]))
    return "".join(parts)


def _drawn(cases: st.SearchStrategy[Case], count: int = 4) -> tuple[Case, ...]:
    """Some valid cases of an op, always the same."""
    found: list[Case] = []
    quiet = list(HealthCheck)

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=quiet)
    @given(cases)
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return tuple(found)


@cache
def _case_texts() -> dict[str, tuple[str, ...]]:
    found = {name: tuple(filter(None, map(case_text, _drawn(record.cases)))) for name, record in RECORDS.items()}
    return {name: texts for name, texts in found.items() if texts}


def case_text(case: Case) -> str:
    """A case as a spec; nothing where the op does not allow the batch of a spec."""
    inputs = tuple(GraphInput(f"x{i}", one.shape[1:] or (1,), one.dtype) for i, one in enumerate(case.inputs))
    inputs = inputs or (GraphInput("x0", (1,)),)
    refs = tuple(Ref(one.name) for one in inputs[: len(case.inputs)])
    layer = Layer("a", case.op, refs, named=True)
    try:
        return to_yaml(Design("case", inputs, (layer,), (("output", Ref("a")),)))
    except UsageError:
        return ""


def _case(rng: random.Random) -> dict[str, str]:
    """A valid layer whose arguments and inputs are driven to extremes, and perhaps another behind it."""
    names = sorted(_case_texts())
    text = rng.choice(_case_texts()[rng.choice(names)])
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        text = _driven(rng, text)
    while rng.random() < 0.35:
        text = _followed(rng, text)
    return {"spec.yaml": text}


def _driven(rng: random.Random, text: str) -> str:
    form = r"[\d.]+" if rng.random() < 0.8 else r"[\w.]+"  # numbers, or words besides
    found = list(re.finditer(rf"(?<=[:\[,] )-?{form}(?=[,\]}}\n])|(?<=\[)-?[\d.]+", text))
    if not found:
        return text
    one = rng.choice(found)
    return text[: one.start()] + _number(rng) + text[one.end() :]


def _number(rng: random.Random) -> str:
    """A number: often one that may fit, else of any form."""
    return rng.choice(_FITTING) if rng.random() < 0.6 else rng.choice(_NUMBERS)


_BEHIND = [
    "Flatten", "ReLU", "{ReLU: {inplace: true}}", "{Linear: 3}", "{Sum: {dim: [0, 1]}}", "{Sum: {dim: 1}}", "{LayerNorm: 1}",
    "{GroupNorm: {num_groups: 1}}", "BatchNorm2d", "{Unsqueeze: 1}", "{Flip: {dims: [1]}}", "{CumSum: 1}", "{Add: [[], []]}",
    "{Concat: [[], []]}", "{Concat: {dim: 1, inputs: [[ReLU], []]}}", "PReLU", "Softmax", "{Reshape: [-1]}", "{LSTM: 2}",
    "{repeat: 3, layers: [ReLU]}", "{repeat: 20, layers: [{Unsqueeze: 1}]}", "{reuse: a}", "{Conv2d: [2, 1]}", "Squeeze",
    "{MultiheadAttention: 1}", "{Dropout: 0.5}", "{Upsample: {scale_factor: 2}}", "{Index: 0}", "{Constant: [2, 2]}", "Abs",
    "{Transpose: {dim0: 1, dim1: 2}}", "{AdaptiveAvgPool2d: 1}", "{Parameter: [3]}", "{Buffer: [3]}", "{Cast: int64}",
    "{Add: [{repeat: 2, layers: [ReLU]}, []]}", "{Add: [{layers: [], when: false}, [ReLU]]}", "{Concat: [{repeat: 9, from: a}]}",
    "{Concat: , from: [a, {repeat: 10**6, from: a}]}", "{Add: [{repeat: 3, index: i, layers: [{repeat: i, layers: [Abs]}]}]}",
    "{Concat: [{from: a, when: in_shape[1] > 2}, {when: true}, {repeat: 2, layers: []}]}", "{Linear: in_length}", "{Linear: 3, init: {weight: normal, bias: 0}}", "{Linear: 3, init: {'*': eye, Linear: {weight: 1e308}}}",
    "{Conv2d: [2, 1], init: {weight: kaiming_normal(mode=fan_out)}}",
    "{Cast: bfloat16}", "{Cast: float}", "{Cast: half}", "{layers: [{Cast: bfloat16}, {Linear: 3, dtype: bfloat16}, {Cast: float}]}",
]  # fmt: skip


_TYPES = ["bfloat16", "half", "float", "double", "tf32", "amp", "int64", "3", "null", "[half]"]


def _followed(rng: random.Random, text: str) -> str:
    entry = rng.choice(_BEHIND)
    if rng.random() < 0.3:
        marks = ["checkpoint: true", "freeze: true", f"dtype: {rng.choice(_TYPES)}"]
        flag = rng.choice([*marks, f"name: {_quoted(rng.choice(_PAYLOADS))}", "name: 'h{in_channels}'"])
        entry = f"{{layers: [{entry}], {flag}}}"
    if rng.random() < 0.2:
        entry += f"\n- {rng.choice(_BEHIND)}"
    head, found, tail = text.partition("\noutputs:")
    return f"{head}\n- {entry}{found}{tail}" if found and rng.random() < 0.2 else f"{head}\n- {entry}\n"


def _named(rng: random.Random) -> dict[str, str]:
    """A small design with strange words wherever text may stand."""
    word = lambda: _quoted(rng.choice(_PAYLOADS))  # noqa: E731
    lines = [f"name: {word()}", f"source: {word()}", f"description: {word()}", "input: [3, 8, 8]"]
    lines += [f"vars: {{w: 4, {word()}: 3}}"] if rng.random() < 0.2 else ["vars: {w: 4}"]
    block = rng.choice(["blk", "none", "true", "class", "forward", "None", "torch", "print", "self"])
    lines += ["blocks:", f"  {block}(k={rng.choice(['1', _quoted(rng.choice(_PAYLOADS))])}):"]
    body = ["- {Conv2d: [w, 1]}", f"- {{ReLU: , name: {word()}}}" if rng.random() < 0.5 else "- ReLU"]
    if rng.random() < 0.3:
        outputs = (
            f"    outputs: {{{word()}: ReLU, b: Conv2d}}"
            if rng.random() < 0.5
            else "    outputs: [ReLU, {repeat: w, index: i, from: Conv2d}]"
        )
        lines += ["    layers:", *(f"      {entry}" for entry in body), outputs]
    else:
        lines += [f"    {entry}" for entry in body]
    lines += ["layers:", f"- {block}", f"- {{{block}: , name: {word() if rng.random() < 0.3 else 'again'}}}"]
    lines += [
        f"- {{Add: [[ReLU], [Tanh]], name: {word() if rng.random() < 0.3 else 'sum'}}}",
        "- Flatten",
        "- {Linear: 2, name: fc}",
    ]
    if rng.random() < 0.5:
        lines += [f"outputs: {{{word() if rng.random() < 0.5 else 'y'}: fc}}"]
    if rng.random() < 0.5:
        lines += [f"expect: {{params: {{value: 1, source: {word()}, stated: {word()}}}}}", f"accuracy: {{{word()}: 1}}"]
    return {"spec.yaml": "\n".join(lines) + "\n"}


def _tree(rng: random.Random) -> dict[str, str]:
    """Keys of a spec with values of any form."""
    keys = [
        "name",
        "source",
        "input",
        "inputs",
        "vars",
        "blocks",
        "layers",
        "outputs",
        "expect",
        "budget",
        "accuracy",
        "sweep",
    ]
    lines = ["input: [3, 8, 8]", "layers: [{Conv2d: [4, 3], name: a}, Flatten, {Linear: 5}]"]
    for key in rng.sample(keys, rng.randrange(1, 5)):
        lines = [line for line in lines if not line.startswith(f"{key}:")] + [f"{key}: {_value(rng, 3)}"]
    return {"spec.yaml": "\n".join(lines) + "\n"}


_SLOTS = [
    "params", "macs", "output_shape", "layers", "a", "value", "within", "source", "convention", "x", "n", "f(n=1)", "f", "shape",
    "dtype", "vary", "where", "top", "sample", "count", "seed", "device", "derive", "sort", "batch", "receptive_field", "peak_bytes",
]  # fmt: skip


def _value(rng: random.Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.4:
        return rng.choice(
            [rng.choice(_NUMBERS), _quoted(_expression(rng, 1)), _quoted(rng.choice(_PAYLOADS)), "a", "<= 5", "5%"]
        )
    inner = [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if rng.random() < 0.5:
        return f"[{', '.join(inner)}]"
    return (
        f"{{{', '.join(f'{key}: {value}' for key, value in zip(rng.sample(_SLOTS, len(inner)), inner, strict=True))}}}"
    )


def _expressions(rng: random.Random) -> dict[str, str]:
    """Arithmetic, right and wrong, wherever a spec evaluates it."""
    e = lambda: _quoted(_expression(rng))  # noqa: E731
    where = rng.randrange(9)
    lines = ["input: [3, 8, 8]", f"vars: {{n: 3, w: 4, xs: [1, 2, 3], s: relu, x: {e() if where == 0 else 1}}}"]
    lines += ["blocks:", f"  f(k={_quoted(_expression(rng, 1)) if where == 1 else 1}):", "    - ReLU", "layers:"]
    lines += [f"- {{Conv2d: [{e() if where == 2 else 4}, 1]}}", f"- {{f: {e() if where == 3 else 1}}}"]
    lines += [
        f"- {{ReLU: , when: {e() if where == 4 else 'true'}}}",
        f"- {{repeat: {e() if where == 5 else 2}, index: i, layers: [ReLU]}}",
    ]
    name = f"a{{{_expression(rng)}}}" if where == 6 else "a"
    lines += [f"- {{Tanh: , name: {_quoted(name)}}}", "- Flatten", f"- {{Linear: {e() if where == 7 else 2}}}"]
    if where == 8:
        lines += [f"expect: {{params: {e()}}}", f"sweep: {{vary: {{n: 1:3}}, where: {e()}, derive: {{d: {e()}}}}}"]
    return {"spec.yaml": "\n".join(lines) + "\n"}


_RANGES = [
    "1:9:2", "1:9:*2", "1:9:log3", "0:1:lin5", "0:1:lin1000000", "1:1e9:log1000000", "1:1e9", "1:2:1e-9", "1:1e308:*1.0000001", "1:1:0",
    "9:1", "1:0:-1", "1:2:log1", "1e-300:1e300:*10", "0.1:0.3:0.1", "1:999999", "::", "1:", "a:b", "1:9:", "1_:9", "1__0:3", "8,16:64:16",
    "1:1000000:1", "1:9:lin1_", "-1:-9:-1", "1:2:*0", "1:2:*1", "1:2:*-1", "1:2:lin1e3",
]  # fmt: skip


def _sweep(rng: random.Random) -> dict[str, str]:
    """A ``sweep:`` section with something strange in it."""
    value = lambda: rng.choice(  # noqa: E731
        [rng.choice(_RANGES), f"[{rng.choice(_RANGES)}]", rng.choice(_NUMBERS), _value(rng, 2), "1:4", "[2, 3]"]
    )
    names = [
        "w",
        "w",
        "w",
        "n",
        "xs",
        "'xs[1]'",
        "'xs[9]'",
        "input",
        "input.input",
        "batch",
        "nosuch",
        "'a b'",
        f"'xs[{'9' * 9}]'",
    ]
    vary = ", ".join(f"{name}: {value()}" for name in rng.sample(names, rng.choice([1, 1, 2])) for name in [name])
    asked = {
        "where": _quoted(rng.choice(["params < 5e6", "fc.macs > 1", "macs / params < 2", _expression(rng), "w.params"])),
        "derive": f"{{d: {_quoted(rng.choice(['macs / params', _expression(rng)]))}}}",
        "pareto": _quoted(rng.choice(["params, -macs", "-", "params,,", "params, params", "nosuch", _word(rng)])),
        "sort": _quoted(rng.choice(["macs", "-params", "params, macs", "peak_bytes", _word(rng)])),
        "top": rng.choice([*_NUMBERS, "3"]),
        "sample": rng.choice([*_NUMBERS, "{count: 3}", "{count: 3, seed: .inf}", "{count: 5, method: sobol}", "{seed: 1}"]),
        "batch": rng.choice(_NUMBERS), "dtype": rng.choice(["bf16", "x", "3"]), "device": rng.choice(["cpu", "a100", "h200", "3"]),
        "optimizer": rng.choice(["adam", "none", "x"]),
    }  # fmt: skip
    chosen = rng.sample(sorted(asked), rng.randrange(4))
    section = ", ".join([f"vary: {{{vary}}}", *(f"{key}: {asked[key]}" for key in chosen)])
    lines = [
        "input: [3, 8, 8]",
        "vars: {w: 4, n: 2, xs: [1, 2]}",
        "layers: [{Conv2d: [w, 1]}, {repeat: n, layers: [ReLU]}, Flatten, {Linear: 2, name: fc}]",
    ]
    return {"spec.yaml": "\n".join([*lines, f"sweep: {{{section}}}"]) + "\n"}


def _files(rng: random.Random) -> dict[str, str]:
    """Files that include and extend each other."""
    names = ["spec.yaml", "a.yaml", "b.yaml", "sub/c.yaml"]
    found = {}
    for name in names:
        lines = []
        targets = [
            *names,
            "../spec.yaml",
            "c.yaml",
            "nosuch.yaml",
            "resnet50",
            ".",
            "sub",
            "/dev/null",
            "a" * 300,
            "\\x",
            "3",
            "a.yaml/b",
        ]
        if rng.random() < 0.7:
            lines.append(
                f"include: {rng.choice([rng.choice(targets), f'[{rng.choice(targets)}, {rng.choice(targets)}]'])}"
            )
        if rng.random() < 0.5:
            lines.append(f"extends: {rng.choice(targets)}")
        lines += [f"vars: {{w: {rng.choice(_NUMBERS)}}}"] if rng.random() < 0.5 else []
        lines += [f"blocks: {{f(k=1): [ReLU, {rng.choice(['f', 'g', 'Tanh'])}]}}"] if rng.random() < 0.5 else []
        lines += ["input: [3, 4, 4]", "layers: [f]"] if rng.random() < 0.7 else []
        found[name] = "\n".join(lines) + rng.choice(["\n", "\n", "", "\n\x00", "\n- x"])
    return found


def _many(rng: random.Random) -> dict[str, str]:
    """Much of one thing."""
    n = rng.choice([10, 100, 1000, 5000, 20_000, 40_000])
    kind = rng.choice(sorted(_MANY))
    return {"spec.yaml": _MANY[kind](n) + "\n"}


_HEAD = "input: [3, 8, 8]\n"
_LONG = "a" * 190
_MANY: dict[str, Callable[[int], str]] = {
    "layers": lambda n: f"{_HEAD}layers: [{{repeat: {n}, layers: [ReLU]}}]",
    "written layers": lambda n: f"{_HEAD}layers: [{', '.join(['ReLU'] * n)}]",
    "outputs": lambda n: f"{_HEAD}layers: [{{repeat: {n}, index: i, layers: [{{ReLU: , name: 'r{{i}}'}}]}}]\noutputs: "
    f"[{', '.join(f'r{i}' for i in range(n))}]",
    "inputs": lambda n: f"inputs: {{{', '.join(f'x{i}: [2]' for i in range(n))}}}\nlayers: [ReLU]",
    "expectations": lambda n: f"{_HEAD}layers: [ReLU]\nexpect: {{params: [{', '.join(['{value: 0}'] * n)}]}}",
    "variables": lambda n: f"{_HEAD}vars: {{{', '.join(f'v{i}: 1' for i in range(n))}}}\nlayers: [{{repeat: {min(n, 20_000)}, index: i, "
    "layers: [ReLU]}]",
    "misspelt": lambda n: f"{_HEAD}vars: {{{', '.join(f'v{i}: 1' for i in range(n))}}}\nlayers: [{', '.join(f'{{Linear: w{i}}}' for i in range(60))}]",
    "blocks": lambda n: f"{_HEAD}blocks: {{{', '.join(f'b{i}: [ReLU]' for i in range(n))}}}\nlayers: [{', '.join(f'c{i}' for i in range(60))}]",
    "ranks": lambda n: f"{_HEAD}layers: [{{repeat: {n}, layers: [{{Unsqueeze: 1}}]}}]",
    "additions": lambda n: f"{_HEAD}layers: [{{repeat: {n}, layers: [{{Add: [[], []]}}]}}]",
    "joined": lambda n: f"{_HEAD}layers: [{{Concat: [{', '.join(['[]'] * n)}]}}]",
    "conditions": lambda n: f"{_HEAD}vars: {{xs: [{', '.join(['1'] * 900)}]}}\nlayers: [{{repeat: {n}, layers: [{{ReLU: , when: "
    f"'{' + '.join(['len([xs])'] * 20)} > 0'}}]}}]",
    "chunks": lambda n: f"input: [{n}, 2]\nlayers: [{{Chunk: {{chunks: {n}, dim: 1}}}}]\noutputs: ['Chunk[0]']",
    "nested": lambda n: f"{_HEAD}blocks: {{f(n): [{{f: n - 1, when: n > 0, name: {_LONG}}}, {{repeat: {n}, layers: [ReLU], name: {_LONG}}}]}}\n"
    "layers: [{f: 40}]",
    "words": lambda n: f"name: {'n' * n}\nsource: {'s' * n}\n{_HEAD}layers: [ReLU]",
    "steps": lambda n: f"input: [{n}, 4]\nlayers: [{{LSTM: {{hidden_size: 4}}}}]",
    "wide": lambda n: f"input: [2, {n}, {n}]\nlayers: [{{AdaptiveAvgPool2d: {n}}}, {{Upsample: {{scale_factor: 3}}}}, {{ConvTranspose2d: [2, 3]}}]",
    "shape": lambda n: f"input: [{', '.join(['1'] * n)}]\nlayers: [ReLU]",
    "recursion": lambda n: f"{_HEAD}blocks: {{f(n): [ReLU, {{f: n - 1, when: n > 0}}, {{f: n - 1, when: n > 0}}]}}\nlayers: [{{f: {n}}}]",
    "anchors": lambda n: "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c]\n" + _HEAD,
    "axes": lambda n: f"{_HEAD}vars: {{{', '.join(f'v{i}: 1' for i in range(n))}}}\nlayers: [ReLU]\nsweep: {{vary: "
    f"{{{', '.join(f'v{i}: 1:9' for i in range(n))}}}}}",
    "values": lambda n: f"{_HEAD}vars: {{w: 1}}\nlayers: [{{Conv2d: [w, 1]}}]\nsweep: {{vary: {{w: 1:{n}}}, sort: macs}}",
    "accuracy": lambda n: f"{_HEAD}layers: [ReLU]\naccuracy: {{{', '.join(f'top{i}: 1' for i in range(n))}}}",
    "budgets": lambda n: f"{_HEAD}layers: [{{Linear: {{out_features: 2}}, name: fc}}]\nbudget: {{params: <= {n}}}\nexpect: {{layers: "
    f"{{{', '.join(f'fc{i}: {{params: 1}}' for i in range(n))}}}}}",
}  # fmt: skip


def _plain(rng: random.Random) -> dict[str, str]:
    """A design of the zoo as it is; its command line is strange."""
    return {"spec.yaml": rng.choice(_zoo()), "other.yaml": rng.choice(_zoo())}


_KINDS: dict[Callable[[random.Random], dict[str, str]], int] = {
    _mutated: 30, _case: 30, _named: 8, _tree: 8, _expressions: 8, _sweep: 6, _files: 3, _many: 2, _plain: 5,
}  # fmt: skip


# -- command lines ----------------------------------------------------------------------------------------------------

_COMMANDS = {
    ("analyze",): 6, ("analyze", "--json", "-"): 2, ("analyze", "--html", "-"): 4, ("analyze", "--csv", "-"): 1,
    ("analyze", "--markdown", "-"): 2, ("memory",): 5, ("memory", "--device", "a100-40gb"): 2, ("memory", "--json", "-"): 2,
    ("memory", "--dtype", "bf16-mixed", "--layers"): 2, ("receptive-field",): 4, ("explain",): 5, ("explain", "--json"): 1,
    ("expand",): 3, ("export", "--to", "torch"): 6, ("export", "--to", "dot"): 2, ("export", "--to", "mermaid"): 2,
    ("export", "--to", "json"): 2, ("reconcile", "--no-run"): 3, ("verify",): 2, ("predict",): 2, ("sweep",): 1,
    ("compare", "lenet5"): 2, ("compare", "lenet5", "--diff"): 2, ("compare", "lenet5", "--html", "-"): 1,
    ("compare", "lenet5", "--csv", "-"): 1,
}  # fmt: skip
_DEVICES = ["h200", "t4", "cpu"]


def _command(rng: random.Random, kind: str, files: dict[str, str]) -> Iterator[str]:
    if kind == "sweep" and rng.random() < 0.6:
        yield from ("sweep", "spec.yaml", "--top", "3")
        return
    (command,) = rng.choices(list(_COMMANDS), weights=list(_COMMANDS.values()))
    yield command[0]
    yield "spec.yaml"
    yield from command[1:]
    if command[0] == "predict":
        yield from ("--device", rng.choice(_DEVICES))
    if command[0] == "sweep":
        yield from ("--vary", rng.choice(["batch=1:4", "input=8,16", "w=1:5", f"n={rng.choice(_RANGES)}"]))
    if kind == "plain":
        yield from _strange(rng, command[0])
    elif rng.random() < 0.1:
        yield from rng.choice([("--batch", "1000000000000"), ("--input", "3x9x9"), ("--set", "n=5"), ("--batch", "7")])


def _strange(rng: random.Random, command: str) -> Iterator[str]:
    """Options of a command with values that nobody means."""
    import click

    from archscope.cli import main

    found = main.get_command(click.Context(main), command)
    assert found is not None
    skipped = (
        "--workers",
        "--scheduler",
        "--plot",
        "--draw",
        "--heat",
        "--image",
        "--measure",
        "--torch",
        "--open",
        "--help",
        "-h",
    )
    params = [
        one
        for one in found.params
        if not set(one.opts) & {*skipped} and (isinstance(one, click.Option) or command != "compare")
    ]
    for param in rng.sample(params, min(len(params), rng.choice([1, 1, 2, 3]))):
        option = param.opts[0]
        if not isinstance(param, click.Option):
            yield rng.choice([_word(rng), "conv1", "layer1.0", "x[" + "9" * 5000 + "]"])
            continue
        yield option
        if param.is_flag:
            continue
        if isinstance(param.type, click.Choice) and rng.random() < 0.8:
            yield rng.choice(list(param.type.choices))
        elif option.lstrip("-") in _FILE_OPTIONS:
            yield rng.choice(
                [
                    "-",
                    "out.html",
                    "out.csv",
                    "out.json",
                    "/dev/null",
                    "nosuch/x",
                    "a" * 300,
                    "",
                    ".",
                    "spec.yaml/x",
                    "\x00",
                ]
            )
        else:
            yield rng.choice(_OPTION_VALUES)() if rng.random() < 0.3 else _fitting(rng, option)


_FILE_OPTIONS = ("csv", "json", "html", "markdown", "output", "o", "out", "emit", "errata", "profile", "calibration")
_OPTION_VALUES: list[Callable[[], str]] = [lambda text=text: text for text in (*_NUMBERS, *_PAYLOADS, *_RANGES, *_CODE)]  # type: ignore[misc]


def _fitting(rng: random.Random, option: str) -> str:
    number = rng.choice(_NUMBERS)
    forms = {
        "--set": [f"classes={number}", f"width={number}", f"n={rng.choice(_CODE)}", f"depths=[{number}]", "a" * 300 + "=1"],
        "--with": [f"classes={number}", f"input={number}", "input=3x9x9,classes=2", ",", "=", "classes=[1,2"],
        "--vary": [f"classes={rng.choice(_RANGES)}", f"input={rng.choice(_RANGES)}", f"batch={number}", "depths[0]=1:3"],
        "--input": ["3x9x9", f"3x{number}x3", "1x1x1", "x=3x3", "999999999999999999x9", "0x0", "1"],
        "--unit": ["1,1", "0", f"{number},{number}", "1,1,1", "-1,-1", "999999999,999999999"],
        "--pixel": ["1,1", "0", f"{number},{number}", "1,1,1"],
        "--limit": ["24GiB", "1B", f"{number}GiB", "1e99TiB", "-1GB", "GiB", "nan"],
        "--depth": ["1", "all", number, "²"], "--columns": ["params", "params,macs", "help", ",,", "-params", "x" * 99],
        "--where": ["params < 5e6", rng.choice(_CODE)], "--derive": ["d=macs / params", f"d={rng.choice(_CODE)}"],
        "--baseline": ["1", "2", "9", "lenet5", "²", number], "--layers": ["conv1", "a,b", ","],
    }  # fmt: skip
    return rng.choice(forms.get(option, [number]))
