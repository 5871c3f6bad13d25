"""The layer graph as a picture, laid out by Graphviz through pygraphviz."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from html import escape
from pathlib import Path

from archscope.analysis.counts.account import Account
from archscope.design.graph import Ref
from archscope.errors import MissingLibrary
from archscope.files import check_target, write
from archscope.report.diagrams import dot, quoted
from archscope.report.outline import MOST_BOXES, Box, Cluster, Edge, Outline, outline
from archscope.report.text import line, shape, short

INK, LINE, FRAME, TRACK, PAPER, BLOCK = "#1b1f24", "#6b7280", "#c3c9d1", "#fefefe", "#ffffff", "#eef0f2"

#: tints of Okabe and Ito's colours, by the family of an op; each differs, since a page finds them by their value
TINTS = {
    "convolution": "#cfe3f1", "linear": "#fbe6bd", "attention": "#faf5c4", "recurrent": "#f9f4c0", "cells": "#f8f3bf",
    "normalization": "#f2dfea", "activation": "#cdece1", "pooling": "#f8ddcb", "resampling": "#f8decc",
    "merging": "#dcf0fb", "splitting": "#dbeffa",
}  # fmt: skip
OTHER = "#f3f4f6"

#: what a page may set, by the colour that stands where it does not
_VARIABLES = {
    INK: "--ink", LINE: "--line-strong", FRAME: "--line", TRACK: "--bar-track", BLOCK: "--family-block",
    OTHER: "--family-other", **{tint: f"--family-{family}" for family, tint in TINTS.items()},
}  # fmt: skip

_BAR = 100  # points that the bar of a whole design is long
_BAR_HEIGHT = 4
_FONT = "Helvetica,Arial,sans-serif"
_DOTS_PER_INCH = 144  # of a PNG


def draw(
    account: Account,
    target: str,
    *,
    depth: int | None = None,
    opened: Collection[str] = (),
    most: int | None = MOST_BOXES,
    shapes: bool = False,
    horizontal: bool = False,
) -> None:
    """Write the graph as a picture: SVG, PNG or PDF by the suffix.

    Args:
        depth, opened, most: what is folded, as :func:`archscope.report.outline.outline` takes it.
        shapes: write the shape of what an edge carries beside it.
        horizontal: from left to right.

    Raises:
        UsageError: the target cannot be written, or a block to open does not exist.
        MissingLibrary: pygraphviz is not installed.
    """
    check_target(target)
    form = Path(target).suffix.lower()[1:]
    folded = outline(account, depth, opened, most=most)
    drawn = _laid_out(_described(folded, form, shapes=shapes, horizontal=horizontal), form)
    write(_PROLOG + _tidy(drawn.decode(), folded) if form == "svg" else drawn, target)


def graph_svg(
    account: Account,
    depth: int | None = None,
    opened: Collection[str] = (),
    *,
    most: int | None = MOST_BOXES,
    shapes: bool = False,
    horizontal: bool = False,
) -> str:
    """The graph as an ``<svg>`` element for a page: no prolog, no size of its own, colours that the page may set.

    The page's variables: ``--ink`` (text, bars), ``--line-strong`` (edges), ``--line`` (frames of blocks),
    ``--bar-track``, ``--family-block``, ``--family-other`` and ``--family-<family>``, families as in :data:`TINTS`.
    Boxes, edges and frames are groups of the classes ``node``, ``edge`` and ``cluster``, each with its ``<title>``.

    Raises:
        UsageError: a block to open does not exist.
        MissingLibrary: pygraphviz is not installed.
    """
    folded = outline(account, depth, opened, most=most)
    text = _tidy(_laid_out(_described(folded, "page", shapes=shapes, horizontal=horizontal), "svg").decode(), folded)
    text = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg", text, count=1).replace('<g class="graph"', "<g", 1)
    return re.sub(r'(?<==")(#[0-9a-f]{6})(?=")', _as_variable, text)


def _as_variable(match: re.Match[str]) -> str:
    color = match[1]
    return f"var({_VARIABLES[color]}, {color})" if color in _VARIABLES else color


# -- what Graphviz is told ---


def _described(folded: Outline, form: str, *, shapes: bool, horizontal: bool) -> str:
    total = folded.account.total
    head = [
        f"rankdir={'LR' if horizontal else 'TB'} ranksep={'0.35' if horizontal else '0.28'} nodesep=0.22 pad=0.15",
        f'fontname="{_FONT}" fontcolor="{INK}" labelloc=t labeljust=l margin=0',
        f'bgcolor="{"transparent" if form == "page" else PAPER}"',
        f'node [shape=box style=filled penwidth=0.8 color="{LINE}" fontname="{_FONT}" fontcolor="{INK}"'
        ' margin="0.09,0.05" height=0.2 width=0.5]',
        f'edge [color="{LINE}" fontcolor="{INK}" fontname="{_FONT}" fontsize=8 arrowsize=0.55 penwidth=0.9]',
    ]
    if form == "png":
        head.append(f"dpi={_DOTS_PER_INCH}")
    if form != "page":
        head.append(f"label=<{_title(folded)}>")

    ranks = _ranks(folded)

    def edges(edge: Edge) -> Iterator[str]:
        along = ranks[edge.target] == ranks[edge.source] + 1
        yield _line(folded, edge.tensors, shapes=shapes, along=along)

    def cluster(block: Cluster) -> Iterator[str]:
        yield f'label=<<FONT POINT-SIZE="10"><B>{_label(block.label)}</B></FONT>> color="{FRAME}" penwidth=1'
        yield 'margin=7 style="rounded" labeljust=l'

    ends = []
    for number, (name, source, ref) in enumerate(folded.outputs):
        label = _table([_heading(name), _row(shape(folded.shape(ref)))])
        ends.append(f'o{number} [label=<{label}> style="rounded,filled" fillcolor="{OTHER}" class="output"]')
        ends.append(f"n{source} -> o{number} [{_line(folded, (ref,), shapes=shapes, along=True)}]")
    return dot(folded, head, lambda box: _node(box, total.macs), edges, cluster, ends)


def _ranks(folded: Outline) -> list[int]:
    """Edges on the longest path from an input to each box; what is on no such path is a skip."""
    ranks = [0] * len(folded.boxes)
    for source, target, _ in sorted(folded.edges, key=lambda edge: edge.source):
        ranks[target] = max(ranks[target], ranks[source] + 1)
    return ranks


def _title(folded: Outline) -> str:
    design, total = folded.account.design, folded.account.total
    figures = f"{short(total.params)} parameters, {short(total.macs)} MACs"
    bar = "; a bar is a share of the MACs" if total.macs else ""
    return _table([
        f'<TR><TD ALIGN="LEFT"><FONT POINT-SIZE="15"><B>{_label(design.title)}</B></FONT></TD></TR>',
        f'<TR><TD ALIGN="LEFT"><FONT POINT-SIZE="9">{_label(figures + bar)}</FONT></TD></TR>',
    ])  # fmt: skip


def _line(folded: Outline, tensors: Iterable[Ref], *, shapes: bool, along: bool) -> str:
    """Attributes of an edge; one along the main path is kept straight."""
    parts = ["weight=6"] if along else []
    if shapes:
        sizes = dict.fromkeys(shape(folded.shape(ref)) for ref in tensors)
        parts.append(f"label={quoted(' ' + ', '.join(sizes))}")
    return " ".join(parts)


def _node(box: Box, macs: int) -> str:
    rows = [_heading(box.label)]
    if box.role == "input":
        rows.append(_row(shape(box.shape)))
        return f'label=<{_table(rows)}> style="rounded,filled" fillcolor="{OTHER}" class="input"'
    if box.kind != box.label:
        rows.append(_row(box.kind))
    rows.append(_row(shape(box.shape)))
    figures = [f"{short(box.params)} params"] if box.params else []
    if box.macs:
        figures.append(f"{short(box.macs)} MACs")
    if figures:
        rows.append(_row(", ".join(figures)))
    if box.macs:
        rows.append(_bar(box.macs / macs))
    heavy = " penwidth=1.4" if box.role == "block" else ""
    fill = BLOCK if box.role == "block" else TINTS.get(box.family, OTHER)
    return f'label=<{_table(rows)}> fillcolor="{fill}" class="{box.role} {box.family}"{heavy}'


def _table(rows: Iterable[str]) -> str:
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{"".join(rows)}</TABLE>'


def _heading(text: str) -> str:
    return f'<TR><TD><FONT POINT-SIZE="11"><B>{_label(text)}</B></FONT></TD></TR>'


def _row(text: str) -> str:
    return f'<TR><TD><FONT POINT-SIZE="9">{_label(text)}</FONT></TD></TR>'


def _bar(share: float) -> str:
    """A bar as long as a share, so that bars compare from box to box."""
    done = min(_BAR, max(1, round(_BAR * share)))
    parts = [(done, INK), (_BAR - done, TRACK)]
    cells = "".join(
        f'<TD FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{_BAR_HEIGHT}" BGCOLOR="{color}"></TD>'
        for width, color in parts
        if width
    )
    table = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" FIXEDSIZE="TRUE"'
    return f'<TR><TD>{table} WIDTH="{_BAR}" HEIGHT="{_BAR_HEIGHT}"><TR>{cells}</TR></TABLE></TD></TR>'


def _label(text: str) -> str:
    r"""Text in a label, where Graphviz would put a name in place of ``\N``."""
    return _text(text).replace("\\", "\\\\")


def _text(text: str) -> str:
    """Text on one line as XML."""
    return escape(line(text)) or " "


# -- what Graphviz gives ---


def _laid_out(text: str, form: str) -> bytes:
    try:
        from pygraphviz import AGraph
    except ImportError:
        raise MissingLibrary("pictures of graphs need pygraphviz: `pip install 'archscope[graph]'`") from None
    # pygraphviz warns there of more than a thousand nodes, which take a second
    with redirect_stderr(io.StringIO()), _without_fontconfig():
        drawn: bytes = AGraph(string=text).draw(format=form, prog="dot")
    return drawn


@contextmanager
def _without_fontconfig() -> Iterator[None]:
    """Keep fontconfig's complaints about the system's files from standard error; all else is passed on.

    It writes to the descriptor itself, out of Python's sight. It complains where the files are newer than the copy of
    it in the wheel; the picture is drawn all the same.
    """
    try:
        saved = os.dup(2)
    except OSError:  # it is closed: nobody hears
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not line.startswith(b"Fontconfig ")))


_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'


def _tidy(text: str, folded: Outline) -> str:
    """Graphviz' SVG with a title for readers, and without the comments, numbers and fonts that it repeats."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S)
    text = re.sub(r' id="(graph|node|edge|clust)\d+"', "", text)
    text = text.replace(f' font-family="{_FONT}"', "").replace(' xml:space="preserve"', "")
    titles = _titles(folded)
    text = re.sub(r"<title>([^<]*)</title>", lambda match: f"<title>{_text(titles[match[1]])}</title>", text)
    # the graph's own title moves to the picture itself, where readers look for it
    title = f"<title>{_text(folded.account.design.title)}</title>"
    text = text.replace(f"{title}\n", "", 1)
    head, rest = text.split(">", 1)
    return f'{head} font-family="{_FONT}" role="img">\n{title}{rest}'


def _titles(folded: Outline) -> dict[str, str]:
    """What a pointer is told, by Graphviz' own titles."""
    arrow = "&#45;&gt;"
    boxes, design = folded.boxes, folded.account.design
    titles = {"%3": design.title}
    for number, box in enumerate(boxes):
        figures = f", {box.params:,} params, {box.macs:,} MACs" if box.role != "input" else ""
        titles[f"n{number}"] = f"{box.name}: {box.kind}, {shape(box.shape)}{figures}"
    for edge in folded.edges:
        sizes = dict.fromkeys(shape(folded.shape(ref)) for ref in edge.tensors)
        names = f"{boxes[edge.source].name} → {boxes[edge.target].name}"
        titles[f"n{edge.source}{arrow}n{edge.target}"] = f"{names}: {', '.join(sizes)}"
    for number, (name, source, ref) in enumerate(folded.outputs):
        titles[f"o{number}"] = f"output {name}: {shape(folded.shape(ref))}"
        titles[f"n{source}{arrow}o{number}"] = f"{boxes[source].name} → output {name}: {shape(folded.shape(ref))}"
    return titles | {f"cluster_{number}": name for number, name in enumerate(_frames(folded.root), 1)}


def _frames(block: Cluster) -> Iterator[str]:
    """Names of the clusters in the order in which they are written."""
    for inner in block.clusters:
        yield inner.name
        yield from _frames(inner)
