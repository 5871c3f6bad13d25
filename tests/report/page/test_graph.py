"""The layer graph of the HTML report: its data, and what it does in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings

import archscope
from archscope.analysis.counts.account import Account
from archscope.design import Design
from archscope.design.graph import Input, Layer, Ref
from archscope.ops import REGISTRY
from archscope.report.page.graph import graph_data
from tests.browser import DARK, DESKTOP, LIGHT, PHONE, NewPage, inaccessible
from tests.designs import designs

if TYPE_CHECKING:
    from playwright.sync_api import Page

_FILES = files("archscope.report.page")
Show = Callable[..., "Page"]
_HOSTILE = "<img src=x onerror=alert(1)>"


def _account(name: str) -> Account:
    return archscope.analyze(archscope.load(name))


def _chain(*names: str, skip: tuple[str, str] | None = None) -> Account:
    """Identities one after the other, and perhaps an edge that passes by some of them."""
    layers = []
    for before, name in zip(("input", *names), names, strict=False):
        if skip and skip[1] == name:
            layers.append(Layer(name, REGISTRY["Add"](), (Ref(before), Ref(skip[0]))))
        else:
            layers.append(Layer(name, REGISTRY["Identity"](), (Ref(before),)))
    design = Design("chain", (Input("input", (4, 4)),), tuple(layers), (("output", Ref(names[-1])),))
    return archscope.analyze(design)


# -- the data ----------------------------------------------------------------------------------------------------------


def _names(data: dict[str, Any]) -> list[str]:
    """Full names of the nodes, put together again from the blocks."""
    blocks, nodes = data["blocks"], data["nodes"]

    def prefix(block: int) -> str:
        return "" if block == 0 else f"{prefix(blocks['parent'][block])}{blocks['part'][block]}."

    return [prefix(block) + part for block, part in zip(nodes["block"], nodes["part"], strict=True)]


@pytest.mark.parametrize("name", ["resnet50", "googlenet_aux", "unet"])
def test_data_is_the_whole_graph(name: str) -> None:
    account = _account(name)
    data = json.loads(json.dumps(graph_data(account)))
    names = _names(data)
    assert names == list(account.design.graph.digraph)
    edges = {(names[s], names[t]) for s, t in zip(data["edges"]["source"], data["edges"]["target"], strict=True)}
    assert edges == set(account.design.graph.digraph.edges)
    assert [(output, names[node]) for output, node in data["outputs"]] == [
        (output, ref.node) for output, ref in account.design.outputs
    ]
    for row, macs in zip(account.rows, data["nodes"]["macs"][data["inputs"] :], strict=True):
        assert macs == row.macs


def test_blocks_have_the_sums_of_their_layers() -> None:
    account = _account("resnet50")
    data = graph_data(account)
    blocks = data["blocks"]
    at = blocks["part"].index("layer1")
    assert blocks["params"][at] == account["layer1"].params == 215_808  # as torchvision's layer1
    assert blocks["macs"][at] == account["layer1"].macs
    assert blocks["saved_bytes"][at] == account.saved_bytes("layer1")
    assert blocks["layers"][at] == 32
    assert blocks["shape"]["of"][blocks["shape"]["at"][at]] == "256 x 56 x 56"
    assert blocks["params"][0] == 25_557_032


def test_a_large_design_stays_small() -> None:
    assert len(json.dumps(graph_data(_account("nasnet_large")), separators=(",", ":"))) < 120_000


def test_figures_that_javascript_cannot_read_are_text() -> None:
    account = archscope.analyze(archscope.load("vgg16"), batch=10**7)
    assert graph_data(account)["blocks"]["macs"][0] == str(15_470_264_320 * 10**7)


def test_layers_that_share_weights_are_told() -> None:
    layers = "layers: [{Linear: 4, name: a}, {reuse: a, name: b}]"
    data = graph_data(archscope.analyze(archscope.load(f"name: t\ninput: [4]\n{layers}\n")))
    assert data["shares"] == [[2, 1]]


# -- the picture -------------------------------------------------------------------------------------------------------


@pytest.fixture
def show(page: Page, tmp_path: Path) -> Show:
    """Show the graph of an account in the page; ``chosen`` and ``graph`` are there for the test."""

    def shown(account: Account, options: str = "", on: Page = page) -> Page:
        data = json.dumps(graph_data(account)).replace("<", "\\u003c")
        css, dagre, js = (
            (_FILES / name).read_text(encoding="utf-8") for name in ("graph.css", "vendor/dagre.min.js", "graph.js")
        )
        file = tmp_path / "graph.html"
        file.write_text(
            f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <style>{css}{_PALETTES}</style><main><h1>t</h1><div class="graph"></div></main>
            <script>{dagre}</script><script>{js}</script><script>
            var chosen = [];
            var graph = archscopeGraph(document.querySelector(".graph"), {data},
              {{onSelect: (name) => chosen.push(name), {options}}});
            </script><p style="height: 3000px">below</p></html>""",
            encoding="utf-8",
        )
        on.goto(file.as_uri())
        return on

    return shown


_PALETTES = """
body { background: var(--paper); color: var(--ink); font-family: sans-serif; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --panel: #1c2127; --ink: #e8ecf1; --ink-2: #b3bdc9; --line: #363e48; --line-strong: #8491a0;
  --accent: #6cb2ff; --family-convolution: #1f3c5c; --family-linear: #3a3370; --family-normalization: #2e353e;
  --family-activation: #553b17; --family-pooling: #1c4a32; --family-merging: #5d2632; --family-attention: #55264c;
  --family-recurrent: #17474b; --family-other: #3a3831;
} }
"""


def _box(page: Page, name: str) -> Any:
    return page.locator(f'.box[data-name="{name}"]')


def _unfold_all(page: Page) -> None:
    while page.locator('.box[aria-expanded="false"]').count():
        page.get_by_role("button", name="Unfold one more level").click()


def _shown(page: Page) -> list[str]:
    return page.eval_on_selector_all(".box", "boxes => boxes.map((box) => box.dataset.name)")


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "unet"])
def test_unfolding_shows_every_layer_and_every_edge(name: str, show: Show) -> None:
    account = _account(name)
    page = show(account)
    _unfold_all(page)
    shown = set(_shown(page))
    graph = account.design.graph.digraph
    assert set(graph) <= shown
    drawn = page.eval_on_selector_all(".edge", "edges => edges.map(({dataset: d}) => [d.from, d.to, Number(d.edges)])")
    outputs = len(account.design.outputs)
    # an edge is counted once under the innermost block around both of its ends
    inner = [(a, b, n) for a, b, n in drawn if not a.endswith("-in") and not b.endswith("-out")]
    assert sum(n for _, _, n in inner) == graph.number_of_edges() + outputs
    # and from its source a way leads through ports alone to its target
    items = dict(
        page.eval_on_selector_all(".box:not(.output)", "boxes => boxes.map(({dataset: d}) => [d.item, d.name])")
    )
    blocks = set(page.eval_on_selector_all(".box[aria-expanded]", "boxes => boxes.map((box) => box.dataset.item)"))
    ways = nx.DiGraph()
    for a, b, _ in drawn:
        ways.add_edge(f"{a}-out" if a in blocks else a, f"{b}-in" if b in blocks else b)
    layers = {items[item]: item for item in items if item not in blocks}
    for source, target in graph.edges:
        ports = [node for node in ways if node.endswith(("-in", "-out"))]
        assert nx.has_path(ways.subgraph([*ports, layers[source], layers[target]]), layers[source], layers[target])


@pytest.mark.parametrize(("name", "depth"), [("unet", 5), ("shufflenet_v2_x1_0", 2), ("nasnet_mobile", 1)])
def test_no_box_covers_another_and_no_edge_runs_through_one(name: str, depth: int, show: Show) -> None:
    page = show(_account(name))
    page.evaluate(f"graph.unfold({depth})")
    found = page.evaluate("""() => {
      const matrix = document.querySelector(".scene").getScreenCTM().inverse();
      const rect = (element) => {
        const box = element.getBBox();
        const m = matrix.multiply(element.getScreenCTM());
        return {x: box.x * m.a + m.e, y: box.y * m.d + m.f, w: box.width * m.a, h: box.height * m.d};
      };
      const boxes = [...document.querySelectorAll(".box > .face")].map(rect);
      let covered = 0, crossed = 0;
      boxes.forEach((a, i) => boxes.slice(0, i).forEach((b) => {
        if (a.x < b.x + b.w - 1 && b.x < a.x + a.w - 1 && a.y < b.y + b.h - 1 && b.y < a.y + a.h - 1) covered += 1;
      }));
      for (const edge of document.querySelectorAll(".edge")) {
        const m = matrix.multiply(edge.getScreenCTM());
        const length = edge.getTotalLength();
        for (let at = 0; at < length; at += 10) {
          const point = edge.getPointAtLength(at).matrixTransform(m);
          crossed += boxes.some((b) =>
            point.x > b.x + 1 && point.x < b.x + b.w - 1 && point.y > b.y + 1 && point.y < b.y + b.h - 1);
        }
      }
      return [boxes.length, covered, crossed];
    }""")
    assert found[0] > 40
    assert found[1:] == [0, 0]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=designs())
def test_random_designs_are_drawn_whole(text: str, show: Show, page: Page) -> None:
    account = archscope.analyze(archscope.load(text))
    if page.url == "about:blank":
        show(account)
    page.evaluate(
        """(data) => {
          const element = document.createElement("div");
          document.querySelector(".graph").replaceWith(element);
          element.className = "graph";
          archscopeGraph(element, data).unfold(99);
        }""",
        graph_data(account),
    )
    graph = account.design.graph.digraph
    assert set(graph) <= set(_shown(page))
    inner = page.eval_on_selector_all(
        ".edge:not([data-from$=in]):not([data-to$=out])", "edges => edges.map((edge) => Number(edge.dataset.edges))"
    )
    assert sum(inner) == graph.number_of_edges() + len(account.design.outputs)


def test_blocks_that_take_turns_are_drawn(show: Show) -> None:
    page = show(_chain("a.one", "b.one", "a.two", "b.two", skip=("a.one", "b.two")))
    assert _shown(page) == ["input", "a", "a.one", "a.two", "b", "b.one", "b.two", "output"]
    page.evaluate("graph.foldAll()")
    pairs = page.eval_on_selector_all(".edge", "edges => edges.map((edge) => Number(edge.dataset.edges))")
    assert sorted(pairs) == [1, 1, 1, 3]  # input to a, b to a, b to output; a to b carries three


def test_a_block_of_one_layer_is_that_layer(show: Show) -> None:
    page = show(_chain("a.b.c", "d"), "open: []")
    assert _shown(page) == ["input", "a.b.c", "d", "output"]
    assert page.evaluate("graph.reveal('a.b')") is True


def test_mouse_folds_and_unfolds(show: Show) -> None:
    page = show(_account("resnet50"), "open: []")
    block = _box(page, "layer1")
    assert block.get_attribute("aria-label") == "layer1, block of 32 layers, 215,808 parameters, folded"
    assert block.get_attribute("aria-expanded") == "false"
    before, stood = len(_shown(page)), block.bounding_box()
    block.click()
    assert block.get_attribute("aria-expanded") == "true"
    stands = block.bounding_box()
    assert stood is not None
    assert stands is not None
    assert stands["y"] == pytest.approx(stood["y"], abs=2)  # under the pointer, as it was
    assert stands["x"] + stands["width"] / 2 == pytest.approx(stood["x"] + stood["width"] / 2, abs=4)
    assert len(_shown(page)) == before + 3  # its three bottlenecks
    block.click()
    assert len(_shown(page)) == before
    _unfold_all(page)
    page.get_by_role("button", name="Fold all blocks").click()
    assert len(_shown(page)) == before


def test_keys_walk_fold_and_unfold(show: Show) -> None:
    page = show(_account("resnet50"), "open: []")
    page.locator(".graph-canvas").focus()
    page.keyboard.press("Tab")
    focused = "document.activeElement.dataset.name"
    assert page.evaluate(focused) == "input"
    walked = []
    for key in ("ArrowDown", "End", "Home", *["ArrowDown"] * 5, "Enter", "ArrowRight", "ArrowDown", " ", "ArrowLeft"):
        page.keyboard.press(key)
        walked.append(page.evaluate(focused))
    assert walked == [
        "conv1", "output", "input", "conv1", "bn1", "relu", "maxpool", "layer1",
        "layer1", "layer1.0", "layer1.1", "layer1.1", "layer1.1",
    ]  # fmt: skip
    assert _box(page, "layer1.1").get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == "layer1"
    assert _box(page, "layer1").get_attribute("aria-expanded") == "false"


def test_every_box_is_one_tab_stop_away(show: Show) -> None:
    page = show(_account("unet"))
    assert page.locator('.box[tabindex="0"]').count() == 1
    page.evaluate("graph.reveal('level.pool')")
    page.evaluate("graph.foldAll()")  # what had the stop is gone
    assert page.locator('.box[tabindex="0"]').get_attribute("data-name") == "level"


@pytest.mark.parametrize("by", ["hover", "focus"])
def test_tooltip_has_the_figures_of_the_account(by: str, show: Show) -> None:
    account = _account("resnet50")
    row = account["layer1.0.conv2"]
    page = show(account)
    page.evaluate("graph.reveal('layer1.0.conv2')")
    tip = page.get_by_role("tooltip")
    assert tip.is_hidden()
    if by == "hover":
        _box(page, "layer1.0.conv2").hover()
    else:
        page.locator(".graph-canvas").focus()
        page.keyboard.press("Tab")
    text = tip.inner_text().split()
    assert text[0] == "layer1.0.conv2"
    assert f"{64 * 64 * 9:,}" in text  # params
    assert f"{64 * 64 * 9 * 56 * 56:,}" in text  # MACs
    assert f"{64 * 56 * 56:,}" in text  # activations
    assert f"{account.saved_bytes(row.name):,}" in text
    assert f"{row.macs / account.total.macs:.2%}" in text
    assert " ".join(text).endswith("sees 19 x 19")  # 7, /2, pool 3, /2: 11; then 3 at jump 4
    assert _box(page, "layer1.0.conv2").get_attribute("aria-describedby") == tip.get_attribute("id")
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_choosing_a_layer_calls_back(show: Show) -> None:
    page = show(_account("resnet50"))
    _box(page, "conv1").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("chosen") == ["conv1", "bn1"]


def test_names_are_text(show: Show) -> None:
    page = show(_chain("first", f"{_HOSTILE}.{_HOSTILE}", f"{_HOSTILE}.b", "last"))
    page.on("dialog", lambda dialog: pytest.fail(f"a name ran: {dialog.message}"))
    _unfold_all(page)
    assert page.locator(".graph img").count() == 0
    assert f"{_HOSTILE}.{_HOSTILE}" in _shown(page)
    page.evaluate("name => graph.reveal(name)", f"{_HOSTILE}.b")
    page.locator(".found").hover()
    assert page.get_by_role("tooltip").inner_text().startswith(f"{_HOSTILE}.b")


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
@pytest.mark.parametrize("device", [{}, PHONE])
def test_axe_finds_nothing_serious(
    scheme: dict[str, Any], device: dict[str, Any], show: Show, new_page: NewPage
) -> None:
    page = show(_account("googlenet"), on=new_page(**scheme, **device))
    page.evaluate("graph.reveal('inception3b.branch2.0.bn')")
    page.locator(".graph-canvas").focus()
    page.keyboard.press("Tab")
    assert page.get_by_role("tooltip").is_visible()
    assert inaccessible(page) == []


def test_reveal_unfolds_centres_and_marks(show: Show) -> None:
    page = show(_account("resnet50"), "open: []")
    assert page.evaluate("graph.reveal('layer3.4.conv2')") is True
    assert {"layer3", "layer3.4"} <= set(_shown(page))
    assert "layer1.0" not in _shown(page)
    marked = page.locator(".found")
    assert marked.get_attribute("data-name") == "layer3.4.conv2"
    box, canvas = marked.bounding_box(), page.locator(".graph-canvas").bounding_box()
    assert box is not None
    assert canvas is not None
    assert abs(box["x"] + box["width"] / 2 - canvas["x"] - canvas["width"] / 2) < 3
    assert abs(box["y"] + box["height"] / 2 - canvas["y"] - canvas["height"] / 2) < 3
    assert page.evaluate("graph.reveal('fc')") is True
    assert marked.get_attribute("data-name") == "fc"  # it alone
    assert page.evaluate("graph.reveal('no_such_layer')") is False


def _view(page: Page) -> list[float]:
    """Where the picture stands, and its scale."""
    return page.evaluate("(({a, e, f}) => [e, f, a])(new DOMMatrix(document.querySelector('.scene').style.transform))")


def test_the_wheel_scrolls_the_page_and_with_control_zooms(show: Show) -> None:
    page = show(_account("resnet50"))
    before = _view(page)
    page.mouse.move(700, 400)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.wait_for_function(
        "scale => new DOMMatrix(document.querySelector('.scene').style.transform).a > scale", arg=before[2]
    )
    assert page.evaluate("scrollY") == 0
    page.keyboard.up("Control")
    zoomed = _view(page)
    page.mouse.wheel(0, 200)
    page.wait_for_function("scrollY > 0")
    assert _view(page) == zoomed


def test_dragging_moves_the_picture_and_chooses_nothing(show: Show) -> None:
    page = show(_account("resnet50"))
    before = _view(page)
    _box(page, "conv1").hover()
    page.mouse.down()
    box = _box(page, "conv1").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + 20, y + 10, steps=4)
    page.mouse.move(x + 60, y + 30, steps=4)
    page.mouse.up()
    after = _view(page)
    assert after[0] - before[0] == pytest.approx(60, abs=6)  # a press is a drag from 5 pixels on
    assert after[1] - before[1] == pytest.approx(30, abs=6)
    assert page.evaluate("chosen") == []


def test_arrows_move_the_picture_when_the_canvas_has_the_focus(show: Show) -> None:
    page = show(_account("resnet50"))
    x, y, scale = _view(page)
    page.locator(".graph-canvas").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert _view(page) == pytest.approx([x - 60, y - 60, scale])
    page.keyboard.press("+")
    assert _view(page)[2] == pytest.approx(1.4 * scale)


def test_bars_are_shares_of_the_chosen_figure(show: Show) -> None:
    account = _account("resnet50")
    page = show(account, "open: []")

    def part(name: str) -> float:
        bar, track = (_box(page, name).locator(kind).get_attribute("width") for kind in (".bar", ".track"))
        return float(bar) / float(track)

    assert part("layer1") == pytest.approx(account["layer1"].macs / account.total.macs)
    page.get_by_role("combobox").select_option(label="params")
    assert part("layer1") == pytest.approx(215_808 / 25_557_032)
    assert "learnable elements" in page.locator(".graph-foot").inner_text()


def test_a_phone(show: Show, new_page: NewPage) -> None:
    page = show(_account("resnet50"), "open: []", on=new_page(**PHONE))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in page.locator(".graph-tools button, .graph-tools select").all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    page.evaluate("graph.reveal('layer1')")
    _box(page, "layer1").tap()
    assert "layer1.0" in _shown(page)


def test_print_shows_the_whole_graph_and_no_buttons(show: Show) -> None:
    page = show(_account("resnet50"))
    before = _view(page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    scene, canvas = (page.locator(name).bounding_box() for name in (".scene", ".graph-canvas"))
    assert scene is not None
    assert canvas is not None
    assert scene["y"] >= canvas["y"]
    assert scene["y"] + scene["height"] <= canvas["y"] + canvas["height"]
    assert page.locator(".graph-tools").is_hidden()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert _view(page) == before


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_graph_begins_at_its_input_in_the_middle(show: Show, new_page: NewPage, size: dict[str, Any]) -> None:
    page = show(_account("densenet121"), on=new_page(**size))
    canvas, first = (page.locator(one).first.bounding_box() for one in (".graph-canvas", ".graph .box.input"))
    assert canvas is not None
    assert first is not None
    assert abs(first["x"] + first["width"] / 2 - canvas["x"] - canvas["width"] / 2) < 2
    assert canvas["y"] < first["y"] < canvas["y"] + 100


def _residual(count: int) -> Account:
    """Units of two layers around which an edge passes, none in a block."""
    layers, before = [], "input"
    for i in range(count):
        layers.append(Layer(f"a{i}", REGISTRY["Identity"](), (Ref(before),)))
        layers.append(Layer(f"b{i}", REGISTRY["Identity"](), (Ref(f"a{i}"),)))
        layers.append(Layer(f"s{i}", REGISTRY["Add"](), (Ref(f"b{i}"), Ref(before))))
        before = f"s{i}"
    design = Design("residual", (Input("input", (4, 4)),), tuple(layers), (("output", Ref(before)),))
    return archscope.analyze(design)


def _tangled(count: int) -> Account:
    """Layers that no cut divides: each reads the one before and one of those before that."""
    layers = [Layer("l0", REGISTRY["Identity"](), (Ref("input"),)), Layer("l1", REGISTRY["Identity"](), (Ref("l0"),))]
    layers += [Layer(f"l{i}", REGISTRY["Add"](), (Ref(f"l{i - 1}"), Ref(f"l{i - 2}"))) for i in range(2, count)]
    design = Design("tangled", (Input("input", (4, 4)),), tuple(layers), (("output", Ref(f"l{count - 1}")),))
    return archscope.analyze(design)


@pytest.mark.parametrize("account", [_residual(70), _tangled(120), _tangled(450)], ids=["cut", "whole", "too much"])
def test_a_long_graph_without_blocks_is_drawn_piece_by_piece(show: Show, account: Account) -> None:
    page = show(account)
    boxes = page.locator(".graph .box")
    assert boxes.count() == len(account.rows) + 2
    middles = page.evaluate(
        """() => Array.from(document.querySelectorAll('.graph .box'), (box) => {
            const {x, y, width, height} = box.getBoundingClientRect();
            return [box.dataset.name, x, y, width, height];
        })"""
    )
    places = {name: (x, y, width, height) for name, x, y, width, height in middles}
    for before, after in account.design.graph.digraph.edges:
        assert places[before][1] + places[before][3] <= places[after][1] + 0.01, "edges go down"
    spots = sorted(places.values(), key=lambda spot: spot[1])
    for i, (x, y, width, height) in enumerate(spots):
        for other in spots[i + 1 : i + 6]:
            apart = other[1] >= y + height - 0.01 or other[0] >= x + width - 0.01 or x >= other[0] + other[2] - 0.01
            assert apart, "boxes cover each other"
