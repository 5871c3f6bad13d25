"""Arguments and options that several commands share."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from archscope.design import Design
from archscope.errors import MissingLibrary
from archscope.errors.diagnostics import Diagnostic, numberless
from archscope.files import check_place, check_target
from archscope.load import load
from archscope.report.formats import FORMATS
from archscope.report.formats.terminal import printed
from archscope.spec import library
from archscope.spec.values import Target as Element

if TYPE_CHECKING:
    from archscope.figures import Column
    from archscope.report.base import Report
    from archscope.spec.document import Document

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Target(click.ParamType):
    """A file to write, or ``-``, which is standard output: what cannot be one is told before the work."""

    name = "file"

    def __init__(self, check: Callable[[str], object] = check_place) -> None:
        self._check = check

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name.

        Raises:
            UsageError: nothing can be written there.
        """
        if value != "-":
            self._check(value)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Files."""
        return [CompletionItem(incomplete, type="file")]


def target(*names: str, picture: bool = False, **attributes: Any) -> Callable[[_Command], _Command]:
    """An option that names a file to write; a ``picture`` has one of the endings of pictures."""
    return click.option(*names, type=Target(check_target if picture else check_place), metavar="FILE", **attributes)


class Spec(click.ParamType):
    """A spec: a path, a shipped design's name, or ``-``."""

    name = "spec"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        named = [CompletionItem(name) for name in library.names() if name.startswith(incomplete)]
        return [*named, CompletionItem(incomplete, type="file")]


class Assignment(click.ParamType):
    """``name=value``."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, sign, text = (part.strip() for part in str(value).partition("="))
        target = Element.read(name)
        if not sign or target is None or "." in name or not text:
            self.fail(f"{value!r} is not of the form name=value, as in width=96 or depths[0]=6", param, ctx)
        return name, text


class InputShape(click.ParamType):
    """``3x224x224``, or ``name=3x224x224`` for one of several inputs."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        if isinstance(value, tuple):
            return value
        name, _, sizes = str(value).rpartition("=")
        if not re.fullmatch(r"\d{1,18}([x,]\d{1,18})*", sizes):
            self.fail(f"{value!r} is not a shape without the batch, as in 3x224x224", param, ctx)
        return name, tuple(int(size) for size in re.split("[x,]", sizes))


class Depth(click.ParamType):
    """A number of names, or ``all``."""

    name = "depth"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "all" or re.fullmatch("0*[1-9][0-9]{0,8}", str(value)):
            return "all" if value == "all" else int(value)
        return self.fail(f"{value!r} is neither a number of at least 1 nor `all`", param, ctx)


class Names(click.ParamType):
    """Names of columns, separated by commas; a ``-`` may stand before one."""

    name = "columns"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        done, comma, begun = incomplete.rpartition(",")
        sign = "-" if begun.startswith("-") else ""
        names = (f"{sign}{name}" for name in self.names)
        return [CompletionItem(f"{done}{comma}{name}") for name in names if name.startswith(begun)]


def many_specs(function: _Command) -> _Command:
    """One spec or more."""
    return click.argument("specs", nargs=-1, required=True, type=Spec(), metavar="SPEC...")(function)


def one_spec(function: _Command) -> _Command:
    """One spec."""
    return click.argument("spec", type=Spec(), metavar="SPEC")(function)


def variant(function: _Command) -> _Command:
    """``--set`` and ``--input``: another variant of the design."""
    function = click.option(
        "--input", "inputs", multiple=True, type=InputShape(), help="Another input size, without the batch: 3x299x299."
    )(function)
    return click.option(
        "--set",
        "sets",
        multiple=True,
        type=Assignment(),
        help="Set a variable, or an element of a list: width=96, depths=[3,4,23,3], depths[2]=23.",
    )(function)


def manners(function: _Command) -> _Command:
    """``-q`` and ``--no-color``."""

    def no_color(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.color = False

    function = click.option(
        "--no-color", is_flag=True, expose_value=False, callback=no_color, help="Plain text, also in a terminal."
    )(function)
    return click.option("-q", "--quiet", is_flag=True, help="Print results only: no warnings, no remarks.")(function)


def columns(table: Mapping[str, Column], text: str) -> Callable[[_Command], _Command]:
    """``--columns``: the names of some, or nothing; ``help`` prints what there is to choose from, and that is all."""

    def chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
        if value == "help":
            width = max(len(column.name) for column in table.values())
            for column in table.values():
                click.echo(f"{column.name:{width}}  {column.convention}" + (f" [{column.unit}]" if column.unit else ""))
            ctx.exit()
        return None if value is None else [name.strip() for name in value.split(",")]

    help = f"{text}, separated by commas; `help` lists them."  # noqa: A001  # as click has it
    return click.option("--columns", type=Names(table), callback=chosen, help=help)


def device(function: _Command) -> _Command:
    """``--device`` of what runs here."""
    kinds = click.Choice(["auto", "cpu", "cuda"])
    text = "auto is a GPU where there is one."
    return click.option("--device", type=kinds, default="auto", show_default=True, help=text)(function)


def layer_rows(function: _Command) -> _Command:
    """``--top`` and ``--layers``."""
    for option in (
        click.option("--layers", is_flag=True, help="Every layer in order, not only the slowest."),
        click.option(
            "--top", type=click.IntRange(min=1), default=10, show_default=True, help="How many of the slowest layers."
        ),
    ):
        function = option(function)
    return function


def to_stdout(*targets: str | None) -> bool:
    """Whether a file goes to standard output, so that nothing else may be printed there.

    Raises:
        UsageError: several do.
    """
    if targets.count("-") > 1:
        raise click.UsageError("only one file can go to standard output, and here several are -: name the others")
    return "-" in targets


def torch_side(module: str) -> Any:
    """A module of the torch side.

    Raises:
        MissingLibrary: torch is not installed.
    """
    try:
        return import_module(f"archscope.backends.torch.{module}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingLibrary("this needs PyTorch: `pip install 'archscope[torch]'`") from None


class Outputs:
    """The files that a result goes to, by format."""

    def __init__(self, targets: Mapping[str, str | None]) -> None:
        """Hold what ``--csv`` and the others say.

        Raises:
            UsageError: several go to standard output.
        """
        self._targets = {name: target for name, target in targets.items() if target is not None}
        self.piped = to_stdout(*self._targets.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """All files."""
        return tuple(self._targets.values())

    def __getitem__(self, name: str) -> str | None:
        """Where a format goes to, if it is asked for."""
        return self._targets.get(name)

    def write(self, report: Report, *, quiet: bool = False, err: bool = False, **views: Callable[[], str]) -> None:
        """Write a report to the files, and print it, unless a file goes to standard output.

        Args:
            quiet: do not print it.
            err: print it on standard error.
            views: what makes a format's file in its stead: an interactive page.
        """
        for name, target in self._targets.items():
            text = views[name]() if name in views else FORMATS[name].text(report)
            FORMATS[name].write(text, target)
        if not quiet and (err or not self.piped) and (text := printed(report, terminal_width())):
            click.echo(text, err=err)


def formats(report: type[Report]) -> Callable[[_Command], _Command]:
    """``--csv``, ``--json`` and an option for every other format of a report; the command is given ``outputs``."""

    def decorated(function: _Command) -> _Command:
        @wraps(function)
        def command(**values: Any) -> Any:
            targets = {name: values.pop(f"{name}_file") for name in FORMATS}
            return function(outputs=Outputs(targets), **values)

        for name, format_ in reversed(FORMATS.items()):
            option = target(f"--{name}", f"{name}_file", is_flag=False, flag_value="-", help=format_.HELP)
            command = option(command)
        command.report = report  # type: ignore[attr-defined]  # whose schema `archscope schema` prints
        return command  # type: ignore[return-value]

    return decorated


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error, moved by the share that is done; hidden where nobody would see it."""
    steps = 1000
    with click.progressbar(length=steps, label=label, file=sys.stderr, hidden=quiet or not sys.stderr.isatty()) as bar:
        yield lambda share: bar.update(max(0, round(share * steps) - bar.pos))


def shapes(inputs: Sequence[tuple[str, tuple[int, ...]]]) -> Any:
    """The shapes that ``--input`` gives, as :func:`archscope.load` takes them.

    Raises:
        UsageError: several, and not all of them named.
    """
    named = {name: shape for name, shape in inputs if name}
    unnamed = [shape for name, shape in inputs if not name]
    if len(unnamed) > 1 or (unnamed and named):
        raise click.UsageError("several --input need names: --input image=3x224x224 --input mask=1x224x224")
    return unnamed[0] if unnamed else named or None


def load_design(
    spec: str | Document,
    sets: Sequence[tuple[str, str]] = (),
    inputs: Sequence[tuple[str, tuple[int, ...]]] = (),
    *,
    quiet: bool = False,
) -> Design:
    """Load the variant of a design that a command line asks for; its warnings go to standard error."""
    design = load(spec, set=dict(sets), input=shapes(inputs))
    if not quiet:
        warn(design.warnings)
    return design


def warn(warnings: Iterable[Diagnostic]) -> None:
    """Tell of warnings on standard error, of each once in a command, whatever its numbers in other variants."""
    marks: set[object] = click.get_current_context().meta.setdefault("archscope.warnings", set())
    for warning in warnings:
        key = numberless(warning.message), warning.mark
        if key not in marks:
            marks.add(key)
            click.echo(warning.render(), err=True)


def terminal_width() -> int:
    """Columns of the terminal; wide where the output goes to a file or a pipe."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 160
