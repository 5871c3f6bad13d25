"""Pictures of graphs, read back by an XML parser."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archscope
from archscope.errors import MissingLibrary, UsageError
from archscope.report.graphs import INK, OTHER, TINTS, draw, graph_svg
from archscope.report.outline import outline
from tests.designs import designs

SVG = "{http://www.w3.org/2000/svg}"


def account(text):
    return archscope.analyze(archscope.load(text))


def groups(root, kind):
    return [group for group in root.iter(f"{SVG}g") if kind in group.get("class", "").split()]


def titles(root, kind):
    return [group.find(f"{SVG}title").text for group in groups(root, kind)]


def words(element):
    return [text.text for text in element.iter(f"{SVG}text")]


@pytest.mark.parametrize("depth", [1, 2, None])
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "unet"])
def test_every_box_and_edge_is_drawn_once(name, depth):
    found = account(name)
    root = ElementTree.fromstring(graph_svg(found, depth, most=None))
    folded = outline(found, depth)
    drawn = {
        title.split(": ")[0]: group for group, title in zip(groups(root, "node"), titles(root, "node"), strict=True)
    }
    assert len(groups(root, "node")) == len(drawn)
    assert sorted(drawn) == sorted(
        [*(box.name for box in folded.boxes), *(f"output {name}" for name, _ in found.design.outputs)]
    )
    assert len(titles(root, "edge")) == len(folded.edges) + len(found.design.outputs)
    for box in folded.boxes:
        assert words(drawn[box.name])[0] == box.label
        assert " x ".join(map(str, box.shape)) in words(drawn[box.name])


@settings(max_examples=20)
@given(designs(), st.sampled_from([1, None]))
def test_random_designs(text, depth):
    found = account(text)
    root = ElementTree.fromstring(graph_svg(found, depth, most=None))
    folded = outline(found, depth)
    assert len(groups(root, "node")) == len(folded.boxes) + len(found.design.outputs)
    assert len(groups(root, "edge")) == len(folded.edges) + len(found.design.outputs)


def test_a_box_tells_its_op_shape_figures_and_share():
    root = ElementTree.fromstring(graph_svg(account("lenet5")))
    group = next(group for group in groups(root, "convolution") if group.find(f"{SVG}title").text.startswith("c1:"))
    # 6 x (5 x 5 + 1) parameters; 28 x 28 x 6 x 25 MACs, 28% of 416,520
    assert words(group) == ["c1", "Conv2d 5x5, 6", "6 x 28 x 28", "156 params, 117.6 k MACs"]
    widths = [
        max(xs) - min(xs)
        for polygon in group.findall(f"{SVG}polygon")[1:]
        for xs in [[float(point.split(",")[0]) for point in polygon.get("points").split()]]
    ]
    assert widths == pytest.approx([28, 72])


def test_shapes_on_edges_are_written_only_if_asked():
    plain, asked = (ElementTree.fromstring(graph_svg(account("lenet5"), shapes=shapes)) for shapes in (False, True))
    assert not [text for edge in groups(plain, "edge") for text in words(edge)]
    assert [text.strip() for text in words(groups(asked, "edge")[0])] == ["1 x 28 x 28"]


def test_left_to_right_is_wide():
    def size(text):
        _, _, width, height = map(float, re.search(r'viewBox="([^"]*)"', text)[1].split())
        return width / height

    assert size(graph_svg(account("lenet5"))) < 1 < size(graph_svg(account("lenet5"), horizontal=True))


def test_names_show_as_text(tmp_path):
    strange = 'a<b> & "c"\n{d|e} \\N é 中 &amp; --> <B>'
    shown = " ".join(strange.split())
    design = archscope.load("input: [1, 8, 8]\nlayers: [{name: conv, Conv2d: {out_channels: 2, kernel_size: 3}}]\n")
    layer = replace(design.layers[0], name=strange)
    design = replace(
        design,
        name=strange + "\x00",
        layers=(layer,),
        inputs=(replace(design.inputs[0], name=strange + "in"),),
        outputs=((strange, design.outputs[0][1]._replace(node=strange)),),
    )
    layer = replace(layer, inputs=(design.outputs[0][1]._replace(node=strange + "in"),))
    found = archscope.analyze(replace(design, layers=(layer,)))
    target = tmp_path / "x.svg"
    draw(found, str(target))
    root = ElementTree.fromstring(target.read_text(encoding="utf-8"))
    assert [words(group)[0] for group in groups(root, "node")] == [shown + "in", shown, shown]
    assert root.find(f"{SVG}title").text == shown + "\ufffd"
    assert shown + "\ufffd" in words(root)
    assert ElementTree.fromstring(graph_svg(found, shapes=True)) is not None


def test_a_page_may_set_every_colour_and_the_size():
    text = graph_svg(account("googlenet"), 1, ["inception3a"])
    assert text.startswith("<svg")
    root = ElementTree.fromstring(text)
    assert root.get("viewBox")
    assert root.get("width") is None
    assert not re.findall(r'(?:fill|stroke)="(?!none|transparent|var\(--[a-z-]+, #[0-9a-f]{6}\))[^"]*"', text)
    assert f"var(--family-convolution, {TINTS['convolution']})" not in text  # all convolutions are folded
    assert f"var(--family-pooling, {TINTS['pooling']})" in text
    assert " id=" not in text  # two graphs may stand in one page


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("tint", [*TINTS.values(), OTHER])
def test_text_can_be_read_on_every_tint(tint):
    assert (luminance(tint) + 0.05) / (luminance(INK) + 0.05) >= 4.5


def test_tints_differ_so_that_a_page_can_tell_them():
    assert len({*TINTS.values(), OTHER}) == len(TINTS) + 1


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_formats_follow_the_suffix(tmp_path, suffix, start):
    target = tmp_path / f"graph.{suffix}"
    draw(account("lenet5"), str(target))
    assert target.read_bytes().startswith(start)


def test_the_same_graph_is_the_same_file_without_a_path_of_this_machine(tmp_path):
    texts = []
    for name in ("a.svg", "b.svg"):
        draw(account("resnet18"), str(tmp_path / name))
        texts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]
    assert "<title>ResNet-18</title>" in texts[0]


@pytest.mark.parametrize(
    ("target", "message"), [("x.gif", r"a picture ends with"), ("no/such/x.svg", "there is no folder")]
)
def test_targets_that_cannot_be_written(target, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        draw(account("lenet5"), target)


def test_the_library_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'archscope\[graph\]'"):
        graph_svg(account("lenet5"))


def test_only_fontconfig_is_silenced():
    code = """
import os, sys
from archscope.report.graphs import _without_fontconfig
with _without_fontconfig():
    os.write(2, b"Fontconfig warning: of no use\\nWarning: some real one\\n")
os.write(2, b"Fontconfig warning: after\\n")
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert said == "Warning: some real one\nFontconfig warning: after\n"
