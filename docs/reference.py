"""The reference, made of the registries while the site is built: it cannot say anything else than the program.

``pages()`` has whole pages by their place below docs/; ``filled`` puts tables where a page has a marker such as
``<!-- made: zoo -->``. Nothing here needs MkDocs.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import click
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

import archscope
import tests.ops.records
from archscope import errors
from archscope.cli import main
from archscope.design import Design
from archscope.design.graph import Input, Layer, Ref
from archscope.figures import FIGURES
from archscope.figures.table import COLUMNS
from archscope.ops import REGISTRY, Op, Tensor, failed
from archscope.report import zoo as shipped
from archscope.report.formats.markdown import Markdown
from archscope.report.results.catalogue import CatalogueReport
from archscope.report.results.ops import OpsReport
from archscope.setting.devices import DEVICES, Device
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import PRECISIONS
from archscope.spec import library
from tests.documents import slug
from tests.ops.records.base import RECORDS, Case
from tests.spec.asking import Mistake

assert tests.ops.records  # which enters them

ROOT = Path(__file__).parent.parent
#: the pages of ops stand below it
OPS = "reference/ops"
_MARKER = re.compile(r"<!-- made: (\S+)(?: (\S+))? -->\n")
#: what Markdown would take for its own
_MARKUP = re.compile(r"([\\*_\[\]<>|])")


def pages() -> dict[str, str]:
    """Every page that is made, by its place below docs/."""
    return {
        f"{OPS}/index.md": _index_of_ops(),
        **{f"{OPS}/{family}.md": _family(family) for family in families()},
        "reference/figures.md": _figures(),
        "reference/columns.md": _columns(),
        "reference/settings.md": _settings(),
        "reference/errors.md": _errors(),
        "reference/python.md": _python(),
    }


def filled(text: str) -> str:
    """A page with a table in place of each marker."""
    return _MARKER.sub(lambda match: _MADE[match[1]](*filter(None, match.groups()[1:])), text)


def markers(text: str) -> list[str]:
    """What a page wants made."""
    return [match[1] for match in _MARKER.finditer(text)]


# -- ops ---


def families() -> dict[str, list[type[Op]]]:
    """Ops by the file that they are in, which is the page that they are on."""
    return {
        family: [op for op in REGISTRY.values() if op.__module__.rpartition(".")[2] == family]
        for family in sorted({op.__module__.rpartition(".")[2] for op in REGISTRY.values()})
    }


@cache
def _of_ops() -> dict[str, dict[str, Any]]:
    return {one["op"]: one for one in OpsReport(tuple(REGISTRY.values()), whole=True).data()["ops"]}


def _index_of_ops() -> str:
    rows = (
        (
            f"[{title(family)}]({family}.md)",
            ", ".join(f"[`{op.__name__}`]({family}.md#{slug(op.__name__)})" for op in ops),
        )
        for family, ops in families().items()
    )
    return (
        f"# Ops\n\nThe {len(REGISTRY)} layers that a spec can use, by family. Arguments have torch's names and "
        "defaults; `archscope ops NAME` prints the same in a terminal.\n\n" + table(("family", "ops"), rows)
    )  # fmt: skip


def _family(family: str) -> str:
    about = inspect.getdoc(import_module(f"archscope.ops.{family}")) or ""
    return f"# {title(family)}\n\n{about}\n\n" + "\n".join(_op(_of_ops()[op.__name__]) for op in families()[family])


def _op(one: Mapping[str, Any]) -> str:
    rows = (
        (f"`{field['argument']}`", code(field["default"]), escaped(field["values"]), code(field["symbol"]))
        for field in one["arguments"]
    )
    facts = {
        "inputs": escaped(one["inputs"]),
        "counted as": one["category"],
        "elementwise work": escaped(one["elementwise"]),
        "follows from what arrives": ", ".join(map(code, one["follows"])),
        "view": "its output is a view of its input" if one["view"] else "",
    }
    refused = "".join(f"- `{name}` is not supported: {escaped(why)}\n" for name, why in one["refuses"].items())
    return "\n".join(
        (
            f"## {one['op']}\n",
            escaped(one["summary"]) + "\n",
            escaped(one["about"]) + "\n",
            table(("argument", "default", "values", "symbol"), rows) if one["arguments"] else "No arguments.\n",
            "".join(f"- {name}: {said}\n" for name, said in facts.items() if said) + refused,
            f"<!-- made: formulas {one['op']} -->\n",
        )
    )


def formulas(name: str) -> str:
    """An op's shapes, parameters and work in symbols: its own formulas, traced on a case of its test record."""
    lines = {line.figure: line.formula for line in archscope.explain(_alone(name), mode="infer")[0].lines}
    told = {key: formula for key, formula in lines.items() if key.endswith("_out") or key in _FORMULAS}
    rows = [f"{key} = {formula}" for key, formula in told.items() if formula and formula != key.replace("_out", "_in")]
    return "```text\n" + "\n".join(rows) + "\n```\n" if rows else ""


_FORMULAS = ("params", "macs", "elementwise")


def _alone(name: str) -> Design:
    """A design of one layer, with as few arguments and dimensions as there may be."""
    op, x = _case(name)
    stated = {key: getattr(op, key) for key in op.required}
    first = {"batch_first": True} if op.field("batch_first") else {}  # so that N is the batch
    plain = REGISTRY[name](**stated, **first)
    op = op if failed(plain, x) else plain
    inputs = tuple(Input(f"x{i}", one.shape[1:], one.dtype) for i, one in enumerate(x))
    layer = Layer(name, op, tuple(Ref(one.name) for one in inputs))
    return Design(name, inputs, (layer,), (("y", Ref(name)),))


def _case(name: str) -> Case:
    op = REGISTRY[name]
    ranks = op.ndims or (2,)

    def usual(case: Case) -> bool:
        shapes = [tensor.shape for tensor in case.inputs]
        return all(len(shape) == min(ranks) and min(shape[1:], default=0) > 1 for shape in shapes) and legal(case)

    def legal(case: Case) -> bool:
        batch = {tensor.shape[:1] for tensor in case.inputs}
        return len(batch) == 1 and () not in batch and not failed(case.op, [_single(one) for one in case.inputs])

    for wanted in (usual, legal, lambda case: True):
        with suppress(NoSuchExample):
            case = find(RECORDS[name].cases, wanted, settings=_DRAWN)
            return Case(case.op, tuple(map(_single, case.inputs)))
    raise AssertionError(f"no case of {name}")


def _single(tensor: Tensor) -> Tensor:
    """A tensor of one sample."""
    return tensor._replace(shape=(1, *tensor.shape[1:]))


_DRAWN = settings(
    max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip


# -- figures, columns, settings ---


def _figures() -> str:
    rows = ((f"`{one.name}`", one.unit, escaped(one.convention), ", ".join(one.scopes)) for one in FIGURES.values())
    return (
        "# Figures\n\nA figure has one name everywhere: in Python, columns, JSON, `expect:`, `budget:`, `--where` and "
        "`--sort`. The last column says for what it is available: a design, a block, a layer, or a sum over a kind of "
        "layer.\n\n" + table(("figure", "unit", "counted as", "available for"), rows)
    )


def _columns() -> str:
    rows = ((f"`{one.name}`", one.unit, escaped(one.convention)) for one in COLUMNS.values())
    return (
        "# Columns\n\nThe columns of layer tables, for `--columns`, CSV, JSON and frames. "
        "`archscope analyze SPEC --columns help` prints them.\n\n" + table(("column", "unit", "what it holds"), rows)
    )


def _settings() -> str:
    precisions = (
        (code(one.name), ", ".join(map(code, one.aliases)), escaped(one.about)) for one in PRECISIONS.values()
    )
    optimizers = ((code(name), str(one.states), code(one.torch)) for name, one in OPTIMIZERS.items())
    about = (
        "How a design is run. Every result states the fields on which its figures depend. In Python it is one value:"
    )
    heads = ("device", "name", "memory, GiB", "GB/s", *_NUMBERS.values(), "peaks from")
    return "\n".join(
        (
            f"# Settings\n\n{about}\n", _SETTING,
            "## Precisions\n", table(("precision", "also", "what it means"), precisions),
            "## Optimizers\n", table(("optimizer", "state tensors per parameter", "torch.optim"), optimizers),
            "## Devices\n",
            "Peaks are TFLOP/s of dense products, as the makers publish them; GB/s is the memory bandwidth.\n",
            table(heads, map(_device, DEVICES, DEVICES.values())),
        )
    )  # fmt: skip


#: its fields alone; the Python API has its methods
_SETTING = "::: archscope.setting.Setting\n    options: {members: false, show_root_heading: false}\n"
#: types in which devices multiply, with their heading
_NUMBERS = {"float32": "float32", "tf32": "TF32", "float16": "float16", "bfloat16": "bfloat16"}


def _device(name: str, one: Device) -> tuple[str, ...]:
    peaks = (f"{one.teraflops[number]:g}" if number in one.teraflops else "" for number in _NUMBERS)
    return code(name), escaped(one.name), f"{one.memory / 2**30:.0f}", f"{one.bandwidth:g}", *peaks, escaped(one.source)


# -- errors ---

#: where the tests list mistakes with all that is said of them
_MISTAKES = {
    "In the file": "test_reader",
    "At the top of a spec": "test_document",
    "In layers, blocks and graphs": "test_errors",
    "In sweep, expect, budget": "test_section",
}


def _errors() -> str:
    heads = ("mistake", "message", "hint")
    tree = (inspect.getdoc(errors) or "").partition("\n\n")[2].partition("\n\n")[0]
    return "\n".join(
        (
            "# Errors\n",
            "Every error in a spec shows its place, the numbers involved and, if there is one, a hint. "
            "These are the mistakes that the tests make, each with its message; "
            "[exit codes](../limits.md#exit-codes) are on another page.\n",
            "## Exceptions\n", "```text\n" + inspect.cleandoc(tree) + "\n```\n",
            *chain.from_iterable((f"## {name}\n", table(heads, rows)) for name, rows in _mistakes()),
        )
    )  # fmt: skip


def _mistakes() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """What the tests of the spec language hold of messages, by the part of the language."""
    for heading, module in _MISTAKES.items():
        values = vars(import_module(f"tests.spec.{module}")).values()
        told = [one for value in values if isinstance(value, list) for one in value if isinstance(one, Mistake)]
        yield heading, [(escaped(one.title), escaped(one.message), escaped(one.hint)) for one in told]


# -- Python, the command line ---


def _python() -> str:
    functions = [name for name in archscope.__all__ if name[0].islower()]
    classes = [name for name in archscope.__all__ if name[0].isupper()]
    return (
        "# Python API\n\nWhat the package `archscope` offers. Sizes are bytes, counts elements, MACs or FLOPs, times "
        "seconds. [From Python](../python.md) shows it in use.\n\n## Functions\n\n"
        + "\n".join(f"::: {_defined(name)}\n" for name in sorted(functions))
        + "\n## Values and errors\n\n"
        + "\n".join(f"::: {_defined(name)}\n" for name in sorted(classes))
    )


def _defined(name: str) -> str:
    """Where a name of the package is defined, without loading what is loaded when it is first asked for."""
    later = archscope._LATER.get(name)
    return f"{later}.{name}" if later else f"{getattr(archscope, name).__module__}.{name}"


def options(name: str) -> str:
    """A command's usage and options, as its parser knows them."""
    group = click.Context(main, info_name="archscope")
    command = main.get_command(group, name)
    assert command is not None
    context = click.Context(command, info_name=f"archscope {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [row for option in command.params for row in _option(option, context)]
    heads = ("option", "value", "what it does")
    return f"```text\narchscope {name} {usage}\n```\n\n{_help(command)}\n{table(heads, rows)}"


def _option(option: click.Parameter, context: click.Context) -> Iterator[tuple[str, str, str]]:
    record = option.get_help_record(context)
    if record is not None and record[1]:
        names, _, value = re.sub(r", (?=-)", "/", record[0]).partition(" ")
        values = value.strip("[]").replace("|", ", ") if "|" in value else value.removesuffix(" RANGE")
        yield ", ".join(map(code, names.split("/"))), escaped(values), escaped(record[1])


def _help(command: click.Command) -> str:
    """What ``--help`` says behind the first sentence: its examples, and its paragraphs."""
    _, *paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "".join(
        f"```sh\n{text[2:]}\n```\n\n" if text.startswith("\b\n") else f"{escaped(text)}\n\n" for text in paragraphs
    )


def commands() -> str:
    """A line a command."""
    rows = ((f"[`{name}`]({name}.md)", escaped(line)) for name, (_, line) in main.COMMANDS.items())
    return table(("command", "what it does"), rows)


def rooms() -> str:
    """Each package's one sentence, from its docstring."""
    rows = []
    for path in sorted((ROOT / "archscope").rglob("__init__.py")):
        text = inspect.cleandoc(_docstring(path))
        name = path.parent.relative_to(ROOT).as_posix()
        rows.append((f"`{name}/`", escaped(re.split(r"(?<=[.:])\s", text, maxsplit=1)[0].rstrip(":"))))
    return table(("package", "what it is"), rows)


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def zoo() -> str:
    """The designs that ship with archscope, with their figures."""
    return Markdown().text(CatalogueReport(shipped.table() or list(shipped.counted(library.names()))))


_MADE: Mapping[str, Callable[..., str]] = {
    "commands": commands, "formulas": formulas, "options": options, "rooms": rooms, "zoo": zoo,
}  # fmt: skip


# -- Markdown ---


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [list(heads), *([cell.replace("\n", " ") for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def escaped(text: str) -> str:
    """Plain text; what stands between backticks is left as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    marked = (part if i % 2 else _MARKUP.sub(r"\\\1", part) for i, part in enumerate(parts))
    return "".join(marked).replace("\\<", "&lt;")  # which Python-Markdown does not take for an escape


def code(text: str) -> str:
    """Text as code; nothing for nothing."""
    return f"`{text}`" if text else ""


def title(name: str) -> str:
    """A heading for a module's name."""
    return name.replace("_", " ").capitalize()
