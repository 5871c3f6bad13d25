"""Draw what a command prints in a terminal as an SVG: ``python docs/img/picture.py OUT.svg analyze alexnet``."""

from __future__ import annotations

import io
import re
import sys

import click
from click.testing import CliRunner
from rich.console import Console
from rich.text import Text

from archscope.cli import main


def draw(target: str, arguments: list[str]) -> None:
    """Write the picture of ``archscope ARGUMENTS`` to ``target``; it loads nothing from the network."""
    output = CliRunner().invoke(main, arguments, color=True).output
    width = max(map(len, click.unstyle(output).splitlines()))
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(Text.from_ansi(output), end="")
    svg = console.export_svg(title=" ".join(["archscope", *arguments]), unique_id="archscope")
    with open(target, "w", encoding="utf-8") as out:
        out.write(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.S))


if __name__ == "__main__":
    draw(sys.argv[1], sys.argv[2:])
