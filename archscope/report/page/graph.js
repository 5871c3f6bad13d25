/* The interactive layer graph of a design.

   archscopeGraph(element, data, options) draws the data of graph.py into an empty element and returns
   {reveal(name), foldAll(), unfold(depth)}. Options: `open`, names of the blocks that are open at first (without it as
   many levels as the eye takes in at once), and `onSelect(name)`, called with the layer that was chosen.

   Every open block lays out its own children, from the inside out: an open child is a box as large as its layout. A
   chain is stacked, anything else goes through dagre. An edge is drawn between the two siblings that hold its ends
   under the innermost block around both; below that it ends at the blocks' ports: the strip with the name at the top,
   the line at the bottom. So a layout depends on nothing outside its block, layouts are kept, and folding a block lays
   out anew only the blocks around it.

   Keys, as in a tree: up and down go through the boxes in order of execution, right opens a block or goes into it,
   left folds it or goes to the block around, Home and End go to the ends, Enter and Space fold, unfold or choose,
   Escape closes the tooltip. With the focus on the canvas arrows move the picture, + and - scale it, 0 fits it. */
"use strict";

globalThis.archscopeGraph = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const GAP = { node: 22, edge: 14, rank: 28, side: 14, strip: 24 };
  const TEXT = { longest: 190, name: "600 12px", more: "11px", line: 14, pad: 10 };
  const TAKEN_IN = 36; // boxes, at first
  const PIECE = { some: 80, most: 400 }; // boxes that are laid out together
  const SCALE = { least: 0.02, most: 4, readable: 0.7 };
  const DRAG = 5; // pixels that make a press a drag
  let graphs = 0;

  const make = (name, attributes, ...children) => {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    element.append(...children);
    return element;
  };
  const html = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    element.append(...children);
    return element;
  };
  const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ","); // figures beyond 2**53 come as text
  const share = (part, whole) => (Number(whole) ? Number(part) / Number(whole) : 0);
  const percent = (part) => (part && part < 0.0001 ? "< 0.01%" : `${(100 * part).toFixed(2)}%`);
  const plural = (number) => `${count(number)} layer${number === 1 ? "" : "s"}`;

  // -- the model: a tree of items; leaves are inputs, layers and outputs --------------------------------------------

  function model(data) {
    const column = (coded) => coded.at.map((code) => coded.of[code]);
    const figures = (columns, i) => data.figures.map((figure) => columns[figure.name][i]);
    const { blocks, nodes } = data;
    const blockShapes = column(blocks.shape);
    const [kinds, args, families, shapes, fields] = ["kind", "arguments", "family", "shape", "field"].map((name) =>
      column(nodes[name]),
    );
    const trees = blocks.part.map((part, i) => ({
      type: "block", part, layers: blocks.layers[i], shape: blockShapes[i], figures: figures(blocks, i),
      children: [], open: false, edges: new Map(), entering: new Map(), leaving: new Map(),
    }));
    trees.forEach((tree, i) => {
      tree.parent = i ? trees[blocks.parent[i]] : null;
      tree.name = tree.parent ? (tree.parent.name ? `${tree.parent.name}.` : "") + tree.part : "";
    });
    const leaves = nodes.part.map((part, i) => {
      const parent = trees[nodes.block[i]];
      return {
        type: i < data.inputs ? "input" : "layer", part, parent, name: (parent.name ? `${parent.name}.` : "") + part,
        kind: kinds[i], args: args[i], family: families[i], shape: shapes[i], field: fields[i],
        figures: figures(nodes, i),
      };
    });
    for (const [layer, owner] of data.shares) leaves[layer].shares = leaves[owner].name;
    const root = trees[0];
    const outputs = data.outputs.map(([name, node]) => ({
      type: "output", part: name, name, parent: root, of: leaves[node], shape: "", figures: [],
    }));
    for (const leaf of leaves) {
      // a block comes where its first layer does
      let item = leaf;
      while (item !== root && !item.placed) {
        item.placed = true;
        item.parent.children.push(item);
        item = item.parent;
      }
    }
    root.children.push(...outputs);
    const found = new Map(trees.map((tree) => [tree.name, tree]));
    const merged = (block) => {
      // a block around a single thing is that thing
      block.children = block.children.map((child) => {
        if (child.type !== "block") return child;
        merged(child);
        if (child.children.length > 1) return child;
        const only = child.children[0];
        only.part = `${child.part}.${only.part}`;
        only.parent = block;
        found.set(child.name, only);
        return only;
      });
    };
    merged(root);
    for (const leaf of leaves) found.set(leaf.name, leaf);
    const items = [];
    const visit = (item, depth) => {
      item.depth = depth;
      item.number = items.push(item) - 1;
      item.children?.forEach((child) => visit(child, depth + 1));
    };
    visit(root, 0);
    data.edges.source.forEach((source, i) => connect(leaves[source], leaves[data.edges.target[i]]));
    for (const output of outputs) connect(output.of, output);
    return { root, items, found };
  }

  const more = (map, key, entry) => {
    const known = map.get(key);
    if (known) known.count += 1;
    else map.set(key, { ...entry, count: 1 });
  };

  function connect(source, target) {
    while (source.parent !== target.parent) {
      const [up, down] = [source.depth, target.depth];
      if (up >= down) {
        more(source.parent.leaving, source, { from: source });
        source = source.parent;
      }
      if (down >= up) {
        more(target.parent.entering, target, { to: target });
        target = target.parent;
      }
    }
    more(source.parent.edges, `${source.number},${target.number}`, { from: source, to: target });
  }

  // -- layout -------------------------------------------------------------------------------------------------------

  /* Positions of the children of a block and the ways of its edges, in numbers only, so that blocks which are alike
     share them. `sizes` are widths, heights, and how far right of the middle an edge leaves; `links` are pairs of
     places among the children, -1 the port above, -2 the port below. */
  function arrange(sizes, links) {
    const nodes = new Map(sizes.map(([width, height, out], i) => [i, { width, height, out }]));
    for (const port of [-1, -2]) {
      if (links.some((link) => link.includes(port))) nodes.set(port, { width: 1, height: 0, out: 0 });
    }
    const known = paths(sizes.length, links);
    const one = known.back || nodes.size <= PIECE.some ? layer : pieces;
    const { stops, height } = (known.spine.length === nodes.size && !known.back ? stack : one)(nodes, links, known);
    const ways = links.map(([from, to], i) => way(nodes.get(from), nodes.get(to), stops[i]));
    const boxes = sizes.map(([width, height], i) => [nodes.get(i).x - width / 2, nodes.get(i).y - height / 2]);
    const xs = [...boxes.flatMap(([x], i) => [x, x + sizes[i][0]]), ...ways.flat().map(([x]) => x)];
    const [left, right] = xs.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
    return {
      width: right - left, height, boxes: boxes.map(([x, y]) => [x - left, y]),
      ways: ways.map((points) => points.map(([x, y]) => [x - left, y])), skips: known.skips,
      out: nodes.has(-2) ? nodes.get(-2).x - left : 0,
    };
  }

  /* A chain, one box under the other; each edge that passes by some of it on the side with more room, short ones
     first. */
  function stack(nodes, links, { spine }) {
    let height = -GAP.rank;
    const rows = spine.map((id) => {
      const node = nodes.get(id);
      node.x = -node.out;
      node.y = height + GAP.rank + node.height / 2;
      height += GAP.rank + node.height;
      node.row = { y: node.y, half: node.height / 2, left: node.x - node.width / 2, right: node.x + node.width / 2 };
      return node.row;
    });
    const turn = new Map(spine.map((id, i) => [id, i]));
    const passed = links.map(([from, to]) => rows.slice(turn.get(from) + 1, turn.get(to)));
    const stops = links.map(() => []);
    for (const i of [...links.keys()].sort((a, b) => passed[a].length - passed[b].length)) {
      const reach = (some) => [Math.min(...some.map((row) => row.left)), Math.max(...some.map((row) => row.right))];
      const [from, to] = links[i].map((id) => turn.get(id));
      const around = reach(rows.slice(from, to + 1)); // its ends too: two edges in a row take two sides
      const [left, right] = reach(passed[i]);
      const x = -around[0] <= around[1] ? left - GAP.edge : right + GAP.edge;
      for (const row of passed[i]) {
        row.left = Math.min(row.left, x);
        row.right = Math.max(row.right, x);
      }
      stops[i] = passed[i].map((row) => ({ x, row }));
    }
    return { stops, height };
  }

  /* A long graph piece by piece, cut where all of it passes through one box: dagre takes seconds for thousands of boxes
     at once. What cannot be cut and is too much for it stands box under box. */
  function pieces(nodes, links, { skips, spine }) {
    const order = [-1, ...[...nodes.keys()].filter((id) => id >= 0), -2].filter((id) => nodes.has(id));
    const turn = new Map(order.map((id, i) => [id, i]));
    const last = order.length - 1;
    const ends = links.map(([from, to]) => [turn.get(from), turn.get(to)]);
    const [read, fed] = [new Set(ends.map(([from]) => from)), new Set(ends.map(([, to]) => to))];
    const passing = new Int32Array(order.length + 1); // edges that begin to pass by a box, less those that end
    const loose = order.flatMap((_, i) => [...(fed.has(i) ? [] : [[0, i]]), ...(read.has(i) ? [] : [[i, last]])]);
    for (const [from, to] of [...ends, ...loose]) {
      if (to > from + 1) {
        passing[from + 1] += 1;
        passing[to] -= 1;
      }
    }
    const cuts = [0];
    let now = 0;
    for (let i = 1; i < last; i += 1) {
      now += passing[i];
      if (now === 0 && i - cuts.at(-1) >= PIECE.some) cuts.push(i);
    }
    cuts.push(last);
    const inside = cuts.slice(1).map(() => []);
    let piece = 0;
    for (const i of [...links.keys()].sort((a, b) => ends[a][0] - ends[b][0])) {
      while (ends[i][0] >= cuts[piece + 1]) piece += 1;
      inside[piece].push(i);
    }
    const stops = links.map(() => []);
    let bottom = 0;
    inside.forEach((own, at) => {
      const ids = order.slice(cuts[at], cuts[at + 1] + 1);
      const some = new Map(ids.map((id, i) => [id, at && !i ? { ...nodes.get(id) } : nodes.get(id)]));
      const known = { skips: own.map((i) => skips[i]), spine: ids.length > PIECE.most ? ids : spine.filter((id) => some.has(id)) };
      const found = (ids.length > PIECE.most ? stack : layer)(some, own.map((i) => links[i]), known);
      own.forEach((i, k) => (stops[i] = found.stops[k]));
      // the box at the cut is where the piece above has it
      const [above, here] = [nodes.get(ids[0]), some.get(ids[0])];
      const [right, down] = at ? [above.x - here.x, above.y - here.y] : [0, 0];
      const rows = new Set([...some.values()].map((node) => node.row).concat(found.stops.flat().map((stop) => stop.row)));
      for (const row of rows) row.y += down;
      for (const stop of found.stops.flat()) stop.x += right;
      for (const node of some.values()) {
        node.x += right;
        node.y += down;
      }
      bottom = found.height + down;
    });
    return { stops, height: bottom };
  }

  /* Any other graph, by dagre. */
  function layer(nodes, links, { skips, spine }) {
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ nodesep: GAP.node, edgesep: GAP.edge, ranksep: GAP.rank });
    for (const [id, node] of nodes) graph.setNode(id, node);
    links.forEach(([from, to], i) => graph.setEdge(from, to, { weight: skips[i] ? 1 : 8 }));
    const children = [...nodes.keys()].filter((id) => id >= 0);
    const [read, fed] = [new Set(links.map(([from]) => from)), new Set(links.map(([, to]) => to))];
    for (const id of children) {
      // nothing stands above the port above, nor below the one below
      if (nodes.has(-1) && !fed.has(id)) graph.setEdge(-1, id, { weight: 0 });
      if (nodes.has(-2) && !read.has(id)) graph.setEdge(id, -2, { weight: 0 });
    }
    dagre.layout(graph);
    const rows = new Map();
    const rowAt = (y) => rows.get(Math.round(y)); // none: a gap between rows
    for (const node of nodes.values()) {
      node.row = rowAt(node.y) ?? { y: node.y, half: 0, all: [], by: 0 };
      node.row.half = Math.max(node.row.half, node.height / 2);
      rows.set(Math.round(node.y), node.row);
    }
    const stops = links.map(([from, to]) =>
      graph.edge(from, to).points.slice(1, -1).map(({ x, y }) => ({ x, row: rowAt(y) })).filter(({ row }) => row));
    mirror(children.map((id) => nodes.get(id)), [...nodes.values()], stops);
    const main = spine.filter((id) => id >= 0).length > 0.75 * children.length;
    align([...rows.values()], [...nodes.values()], stops, main ? spine.map((id) => nodes.get(id)) : null);
    return { stops, height: graph.graph().height };
  }

  /* Of two layouts that are as good, that in which the first of several branches stands on the left. */
  function mirror(children, nodes, stops) {
    let turns = 0;
    for (let i = 1; i < children.length; i += 1) {
      const [a, b] = [children[i - 1], children[i]];
      if (a.rank === b.rank) turns += a.x > b.x ? 1 : -1;
    }
    if (turns > 0) for (const each of [...nodes, ...stops.flat()]) each.x = -each.x;
  }

  /* Move rows, each as a whole: until the main path is a straight line; where there is none, until what is alone in
     its row stands in the middle. Then edges that run outside of all else are made straight, close to it. */
  function align(rows, nodes, stops, main) {
    for (const each of [...nodes, ...stops.flat()]) each.row.all.push(each);
    if (main) {
      const by = new Map(main.map((node) => [node.row, -node.x - node.out]));
      let last = 0; // a row without a part of the main path goes with the one above
      for (const row of rows.sort((a, b) => a.y - b.y)) row.by = last = by.get(row) ?? last;
    } else {
      const ends = nodes.flatMap((node) => [node.x - node.width / 2, node.x + node.width / 2]);
      const middle = (Math.min(...ends) + Math.max(...ends)) / 2;
      for (const node of nodes) if (node.row.all.length === 1) node.row.by = middle - node.x - node.out;
    }
    for (const each of [...nodes, ...stops.flat()]) each.x += each.row.by;
    for (const row of rows) row.all.sort((a, b) => a.x - b.x);
    for (const line of stops) {
      for (const side of [-1, 1]) {
        if (!line.length || !line.every((stop) => stop.row.all.at(side < 0 ? 0 : -1) === stop)) continue;
        const beside = line.map(({ row }) => row.all.at(side < 0 ? 1 : -2)).filter(Boolean);
        const reach = beside.map((next) => side * next.x + (next.width ?? 0) / 2 + GAP.edge);
        if (reach.length) for (const stop of line) stop.x = side * Math.max(...reach);
      }
    }
  }

  /* The points of an edge: straight down beside the boxes of every row that it passes, free between rows. */
  function way(from, to, stops) {
    const start = from.x + from.out;
    if (from.y > to.y) return [[start, from.y - from.height / 2], [to.x, to.y + to.height / 2]]; // against the stream
    const path = [[start, from.y + from.height / 2]];
    if (from.row.half > from.height / 2) path.push([start, from.y + from.row.half]);
    for (const { x, row } of stops) path.push([x, row.y - row.half], [x, row.y + row.half]);
    if (to.row.half > to.height / 2) path.push([to.x, to.y - to.row.half]);
    path.push([to.x, to.y - to.height / 2]);
    return path;
  }

  /* Which links pass by others (there is a longer way between their ends), the longest path, from its beginning, and
     whether any link leads back. */
  function paths(size, links) {
    const next = new Map();
    const level = new Map();
    const before = new Map();
    for (const [from, to] of links) {
      if (next.has(from)) next.get(from).push(to);
      else next.set(from, [to]);
    }
    const order = [-1, ...Array(size).keys(), -2];
    const turn = new Map(order.map((id, i) => [id, i]));
    const levelOf = (id) => level.get(id) ?? 0;
    for (const id of order) {
      for (const to of next.get(id) ?? []) {
        if (turn.get(to) > turn.get(id) && levelOf(to) <= levelOf(id)) {
          level.set(to, levelOf(id) + 1);
          before.set(to, id);
        }
      }
    }
    const spine = [];
    let last = order.reduce((a, b) => (levelOf(b) > levelOf(a) ? b : a), order[0]);
    for (; last !== undefined; last = before.get(last)) spine.push(last);
    const skips = links.map(([from, to]) => {
      if (levelOf(to) - levelOf(from) < 2) return false;
      const seen = new Set([from]);
      const open = next.get(from).filter((id) => id !== to);
      while (open.length) {
        const id = open.pop();
        if (id === to) return true;
        if (seen.has(id) || levelOf(id) >= levelOf(to)) continue;
        seen.add(id);
        open.push(...(next.get(id) ?? []));
      }
      return false;
    });
    const back = links.some(([from, to]) => turn.get(from) > turn.get(to));
    return { skips, spine: spine.reverse().filter((id) => id !== -1 || next.has(-1)), back };
  }

  function pathOf(points, arrow) {
    const at = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;
    let path = `M${at(...points[0])}`;
    for (let i = 1; i < points.length; i += 1) {
      const [[a, b], [x, y]] = [points[i - 1], points[i]];
      const middle = (b + y) / 2;
      path += Math.abs(a - x) < 0.5 ? `L${at(x, y)}` : `C${at(a, middle)} ${at(x, middle)} ${at(x, y)}`;
    }
    if (!arrow) return path;
    const [x, y] = points[points.length - 1];
    const back = y >= points[points.length - 2][1] ? -5 : 5;
    return `${path}M${at(x - 3.5, y + back)}L${at(x, y)}L${at(x + 3.5, y + back)}`;
  }

  // -- the component --------------------------------------------------------------------------------------------------

  return (element, data, options = {}) => {
    const { root, items, found } = model(data);
    const id = `graph-${(graphs += 1)}`;
    const arranged = new Map();
    const itemOf = new Map(); // box -> item
    let shown = data.figures.findIndex((figure) => figure.name === "macs"); // the figure of the bars
    let current = null; // the box that Tab goes to
    let view = { x: 0, y: 0, k: 1 };

    // the frame around the picture
    const button = (text, label, act) => {
      const made = html("button", { type: "button", "aria-label": label, title: label }, text);
      made.addEventListener("click", act);
      return made;
    };
    const select = html("select", {}, ...data.figures.map((figure, i) => {
      const option = html("option", { value: i }, figure.title);
      option.selected = i === shown;
      return option;
    }));
    const tools = html("div", { class: "graph-tools" },
      button("Fold all", "Fold all blocks", () => foldAll()),
      button("Unfold", "Unfold one more level", () => unfold(shallowest())),
      html("span", { class: "graph-zoom" },
        button("−", "Zoom out", () => zoom(1 / 1.4)),
        button("+", "Zoom in", () => zoom(1.4)),
        button("Fit", "Fit the whole graph into the picture", () => fit())),
      html("label", {}, "Bars: share of ", select));
    const scene = make("g", { class: "scene" });
    const canvas = make("svg", {
      class: "graph-canvas", role: "group", tabindex: "0", "aria-label": `Layer graph of ${data.name}`,
      "aria-describedby": `${id}-help`,
    }, scene);
    const tip = html("div", { class: "graph-tip", role: "tooltip", id: `${id}-tip`, hidden: "" });
    const stage = html("div", { class: "graph-stage" }, canvas, tip);
    const convention = html("span", {});
    const legend = html("ul", { class: "graph-legend", "aria-label": "Families of layers" });
    const help = html("p", { class: "graph-help", id: `${id}-help` },
      "Click a block to unfold it, a layer to see its account. Drag to move; Ctrl and the wheel, or two fingers, " +
      "zoom. Keys: up and down go from box to box, right unfolds, left folds, Enter chooses.");
    element.replaceChildren(tools, stage, html("div", { class: "graph-foot" }, legend, convention, help));

    // -- boxes

    const brush = document.createElement("canvas").getContext("2d");
    const face = getComputedStyle(element).fontFamily || "sans-serif";
    const widths = new Map();
    const widthOf = (text, font) => {
      const key = font + text;
      if (!widths.has(key)) {
        brush.font = `${font} ${face}`;
        widths.set(key, brush.measureText(text).width);
      }
      return widths.get(key);
    };
    const cut = (text, font, room = TEXT.longest) => {
      if (widthOf(text, font) <= room) return text;
      let [least, most] = [1, text.length];
      while (most - least > 1) {
        const middle = (least + most) >> 1;
        if (widthOf(`${text.slice(0, middle)}…`, font) <= room) least = middle;
        else most = middle;
      }
      return `${text.slice(0, least)}…`;
    };
    const linesOf = (item) => {
      if (item.type === "block") return [plural(item.layers), item.shape];
      if (item.type !== "layer") return item.shape ? [item.shape] : [];
      const plain = item.part.split(".").pop().replace(/_\d+$/, "") === item.kind; // `ReLU_1` says that it is a ReLU
      const told = plain ? item.args : `${item.kind} ${item.args}`.trim();
      return told ? [told, item.shape] : [item.shape];
    };
    const sizeOf = (item) => {
      if (item.open) return layoutOf(item).size;
      if (!item.size) {
        item.label = cut(item.part, TEXT.name);
        item.lines = linesOf(item).map((line) => cut(line, TEXT.more));
        const mark = item.type === "block" ? 16 : 0;
        const lines = item.lines.map((line) => widthOf(line, TEXT.more));
        const widest = Math.max(widthOf(item.label, TEXT.name) + mark, ...lines);
        item.size = [Math.max(64, Math.ceil(widest) + 2 * TEXT.pad), 16 + 10 + TEXT.line * item.lines.length];
      }
      return item.size;
    };

    function layoutOf(block) {
      if (block.layout) return block.layout;
      const place = new Map(block.children.map((child, i) => [child, i]));
      const edges = [...block.edges.values(), ...block.entering.values(), ...block.leaving.values()];
      const links = edges.map(({ from, to }) => [from ? place.get(from) : -1, to ? place.get(to) : -2]);
      const sizes = block.children.map((child) => [...sizeOf(child), child.open ? child.layout.out : 0]);
      const key = JSON.stringify([sizes, links]);
      if (!arranged.has(key)) arranged.set(key, arrange(sizes, links));
      const inside = arranged.get(key);
      if (block === root) {
        block.layout = { ...inside, edges, left: 0, top: 0, size: [inside.width, inside.height], out: 0 };
        return block.layout;
      }
      const strip = widthOf(`${block.part} · ${plural(block.layers)}`, TEXT.name) + 34;
      const width = Math.max(inside.width + 2 * GAP.side, Math.min(strip, TEXT.longest + 120));
      const left = (width - inside.width) / 2;
      const foot = block.leaving.size ? 0 : GAP.side;
      const head = GAP.strip + (block.entering.size ? 0 : GAP.side);
      const out = block.leaving.size ? left + inside.out - width / 2 : 0;
      block.layout = { ...inside, edges, left, top: head, size: [width, head + inside.height + foot], out };
      return block.layout;
    }

    function paint(item) {
      const { box, open } = item;
      const [width, height] = [sizeOf(item)[0], open ? GAP.strip : sizeOf(item)[1]];
      const part = share(item.figures[shown] ?? 0, root.figures[shown]);
      const radius = item.type === "input" || item.type === "output" ? height / 2 : 5;
      const parts = [];
      if (item.type === "block" && !open) {
        parts.push(make("rect", { class: "behind", x: 4, y: 4, width, height, rx: radius }));
      }
      parts.push(make("rect", { class: "face", width, height, rx: radius }));
      if (item.figures.length && item.type !== "input") {
        const y = height - 4;
        parts.push(make("rect", { class: "track", x: 3, y, width: width - 6, height: 3 }));
        parts.push(make("rect", { class: "bar", x: 3, y, width: (width - 6) * part, height: 3 }));
      }
      if (open) {
        parts.push(make("path", { class: "sign", d: "M8 11h8" }));
        const name = make("tspan", { class: "name" }, cut(item.part, TEXT.name, width - 34));
        const label = make("text", { class: "head", x: 22, y: 15 }, name);
        const layers = ` · ${plural(item.layers)}`;
        if (widthOf(item.part + layers, TEXT.name) < width - 30) label.append(make("tspan", { class: "more" }, layers));
        parts.push(label);
      } else {
        const mark = item.type === "block" ? 8 : 0;
        if (mark) parts.push(make("path", { class: "sign", d: `M8 13h8M12 9v8` }));
        parts.push(make("text", { class: "name", x: width / 2 + mark, y: 17 }, item.label));
        item.lines.forEach((line, i) =>
          parts.push(make("text", { class: "more", x: width / 2, y: 17 + TEXT.line * (i + 1) }, line)));
      }
      box.replaceChildren(...parts);
      box.setAttribute("aria-label", labelOf(item));
      if (item.type === "block") box.setAttribute("aria-expanded", open);
    }

    function labelOf(item) {
      if (item.type === "input" || item.type === "output") {
        return [item.type, item.name, item.shape].filter(Boolean).join(" ");
      }
      const [params] = item.figures;
      const counted = `${count(params)} parameters`;
      if (item.type === "block") {
        return `${item.name}, block of ${plural(item.layers)}, ${counted}, ${item.open ? "unfolded" : "folded"}`;
      }
      return [item.name, `${item.kind} ${item.args}`.trim(), `output ${item.shape}`, counted].join(", ");
    }

    // -- drawing: what is drawn of an item is kept, and drawn anew only where its layout changed

    function elementOf(item) {
      if (!item.group) {
        const kind = item.type === "layer" ? `layer family-${item.family}` : item.type;
        item.box = make("g", {
          class: `box ${kind}`, role: "button", tabindex: "-1", "data-item": item.number, "data-name": item.name,
        });
        item.group = make("g", {}, item.box);
        itemOf.set(item.box, item);
        if (item.type !== "block") paint(item);
      }
      return item.group;
    }

    function draw(block) {
      const group = block === root ? scene : elementOf(block);
      if (block.drawn) return group;
      block.drawn = true;
      if (block !== root) paint(block);
      if (!block.open) {
        group.replaceChildren(block.box);
        return group;
      }
      const layout = layoutOf(block);
      const [width, height] = layout.size;
      block.children.forEach((child, i) => {
        const inner = child.type === "block" ? draw(child) : elementOf(child);
        const [x, y] = layout.boxes[i];
        [child.x, child.y] = [layout.left + x, layout.top + y];
        inner.setAttribute("transform", `translate(${child.x.toFixed(1)} ${child.y.toFixed(1)})`);
      });
      block.lines = layout.edges.map(({ from, to, count: carried }, i) => {
        const points = layout.ways[i].map(([x, y]) => [layout.left + x, layout.top + y]);
        if (to?.open) arrive(points, to);
        const path = make("path", {
          class: layout.skips[i] ? "edge skip" : "edge", d: pathOf(points, Boolean(to)), "data-edges": carried,
          "data-from": from ? from.number : `${block.number}-in`, "data-to": to ? to.number : `${block.number}-out`,
        });
        return { path, from, to };
      });
      const edges = make("g", { class: "edges" }, ...block.lines.map(({ path }) => path));
      const children = block.children.map((child) => child.group);
      if (block === root) group.replaceChildren(edges, ...children);
      else {
        const frame = make("rect", { class: `frame ${block.depth % 2 ? "odd" : "even"}`, width, height, rx: 6 });
        group.replaceChildren(frame, edges, block.box, ...children);
      }
      return group;
    }

    /* An edge reaches the strip of an open block anywhere along it, as straight as can be. */
    function arrive(points, block) {
      const room = layoutOf(block).size[0] / 2 - 10;
      const last = points.length - 1;
      const [x, y] = points[last];
      const from = last > 1 && points[last - 1][0] === x ? last - 2 : last - 1;
      const aside = points[from][0] - x;
      const to = x + (Math.abs(aside) <= room ? aside : (Math.sign(aside) * room) / 2);
      for (let i = from + 1; i < last; i += 1) points[i] = [to, points[i][1]];
      points[last] = [to, y];
    }

    /* Draw after blocks were folded or unfolded; `anchor` stays on the screen where it was `before`. */
    function redraw(changed, anchor, before) {
      for (let block of changed) {
        block.drawn = false;
        block.layout = null;
        for (block = block.parent; block && block.drawn; block = block.parent) {
          block.drawn = false;
          block.layout = null;
        }
      }
      const focused = itemOf.get(document.activeElement);
      draw(root);
      if (!current || !visible(current)) choose(surrounding(current) ?? root.children[0]);
      if (focused && visible(focused)) focused.box.focus({ preventScroll: true });
      else if (focused) current.box.focus({ preventScroll: true });
      if (before) {
        const after = place(anchor);
        view.x += (before.x + before.width / 2 - after.x - after.width / 2) * view.k;
        view.y += (before.y - after.y) * view.k;
      }
      apply();
    }

    const visible = (item) => {
      for (let block = item.parent; block; block = block.parent) if (!block.open) return false;
      return true;
    };
    const surrounding = (item) => {
      while (item && !visible(item)) item = item.parent;
      return item;
    };
    const place = (item) => {
      const [width, height] = sizeOf(item);
      let [x, y] = [0, 0];
      for (let inner = item; inner !== root; inner = inner.parent) [x, y] = [x + inner.x, y + inner.y];
      return { x, y, width, height: item.open ? GAP.strip : height };
    };
    const inOrder = () => {
      const order = [];
      const visit = (item) => {
        if (item !== root) order.push(item);
        if (item.open) item.children.forEach(visit);
      };
      visit(root);
      return order;
    };

    // -- folding

    const blocks = items.filter((item) => item.type === "block" && item !== root);

    function setOpen(wanted, anchor) {
      const before = anchor && place(anchor);
      const changed = blocks.filter((block) => block.open !== wanted(block));
      for (const block of changed) block.open = !block.open;
      redraw(changed, anchor, before);
    }
    function toggle(block) {
      setOpen((other) => (other === block ? !block.open : other.open), block);
      if (document.activeElement !== block.box) hideTip();
    }
    function foldAll() {
      setOpen(() => false);
      home();
    }
    function unfold(depth) {
      setOpen((block) => block.depth <= depth || (block.open && visible(block)));
      home();
    }
    const shallowest = () =>
      Math.min(...blocks.filter((block) => !block.open && visible(block)).map((block) => block.depth));

    function reveal(name) {
      const item = found.get(name);
      if (!item || item === root) return false;
      const around = new Set();
      for (let block = item.parent; block; block = block.parent) around.add(block);
      setOpen((block) => block.open || around.has(block));
      scene.querySelectorAll(".found").forEach((box) => box.classList.remove("found"));
      item.box.classList.add("found");
      choose(item);
      view.k = Math.min(Math.max(view.k, SCALE.readable), 1.5);
      const { x, y, width, height } = place(item);
      view.x = canvas.clientWidth / 2 - (x + width / 2) * view.k;
      view.y = canvas.clientHeight / 2 - (y + height / 2) * view.k;
      glide();
      return true;
    }

    // -- the view

    function apply() {
      if (canvas.hasAttribute("viewBox")) return; // in print
      const [width, height] = root.layout.size;
      const edge = 60; // pixels of the picture that stay in sight
      view.x = Math.min(canvas.clientWidth - edge, Math.max(edge - width * view.k, view.x));
      view.y = Math.min(canvas.clientHeight - edge, Math.max(edge - height * view.k, view.y));
      scene.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.k})`;
      canvas.classList.toggle("far", view.k < 0.3);
      placeTip();
    }
    function glide() {
      scene.classList.add("gliding");
      apply();
      setTimeout(() => scene.classList.remove("gliding"), 300);
    }
    const margin = 20;
    const fitting = () => {
      const [width, height] = root.layout.size;
      return Math.min(1.2, (canvas.clientWidth - 2 * margin) / width, (canvas.clientHeight - 2 * margin) / height);
    };
    function fit() {
      const [width, height] = root.layout.size;
      const k = Math.max(SCALE.least, fitting());
      view = { k, x: (canvas.clientWidth - width * k) / 2, y: (canvas.clientHeight - height * k) / 2 };
      glide();
    }
    /* All of it where that can be read, else its beginning. */
    function home() {
      if (fitting() >= SCALE.readable) return fit();
      const [width] = root.layout.size;
      const k = Math.min(1, Math.max(SCALE.readable, (canvas.clientWidth - 2 * margin) / width));
      const first = place(root.children[0]);
      const middle = canvas.clientWidth / 2 - (first.x + first.width / 2) * k;
      const free = canvas.clientWidth - margin - width * k;
      const x = free > margin ? Math.max(margin, Math.min(free, middle)) : middle;
      view = { k, x, y: margin };
      return glide();
    }
    function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
      const k = Math.min(SCALE.most, Math.max(SCALE.least, view.k * factor));
      view = { k, x: x - ((x - view.x) * k) / view.k, y: y - ((y - view.y) * k) / view.k };
      apply();
    }
    function intoSight(item) {
      const { x, y, width, height } = place(item);
      const moved = (at, size, room, pad = 24) =>
        at < pad ? pad - at : at + size > room - pad ? Math.max(room - pad - at - size, pad - at) : 0;
      const by = [
        moved(view.x + x * view.k, width * view.k, canvas.clientWidth),
        moved(view.y + y * view.k, height * view.k, canvas.clientHeight),
      ];
      if (!by[0] && !by[1]) return;
      view.x += by[0];
      view.y += by[1];
      glide();
    }

    // -- the tooltip

    let told = null;
    let closing = 0;

    function showTip(item) {
      clearTimeout(closing);
      if (told === item) return;
      hideTip();
      if (item.type === "output") return;
      told = item;
      const rows = [];
      if (item.type === "block") rows.push(["block of", plural(item.layers)]);
      if (item.type === "layer") rows.push(["op", `${item.kind} ${item.args}`.trim()]);
      rows.push([item.type === "input" ? "input" : "output", item.shape]);
      if (item.type !== "input") {
        data.figures.forEach((figure, i) => {
          const part = share(item.figures[i], root.figures[i]);
          const counted = `${count(item.figures[i])}${figure.unit === "bytes" ? " B" : ""}`;
          rows.push([figure.title, counted, item.figures[i] ? percent(part) : ""]);
        });
      }
      if (item.field) rows.push(["sees", item.field]);
      if (item.shares) rows.push(["weights of", item.shares]);
      const cells = ([name, content, part]) => [
        html("th", { scope: "row" }, name),
        html("td", part === undefined ? { colspan: 2 } : {}, content),
        ...(part === undefined ? [] : [html("td", {}, part)]),
      ];
      const table = html("table", {}, html("tbody", {}, ...rows.map((row) => html("tr", {}, ...cells(row)))));
      tip.replaceChildren(html("strong", {}, item.name), table);
      tip.hidden = false;
      item.box.setAttribute("aria-describedby", tip.id);
      light(item, true);
      placeTip();
    }
    function hideTip() {
      clearTimeout(closing);
      if (!told) return;
      told.box.removeAttribute("aria-describedby");
      light(told, false);
      told = null;
      tip.hidden = true;
    }
    const hideSoon = () => {
      clearTimeout(closing);
      closing = setTimeout(() => {
        const focused = itemOf.get(document.activeElement);
        if (focused && focused.box.matches(":focus-visible")) showTip(focused);
        else hideTip();
      }, 150);
    };
    function placeTip() {
      if (!told) return;
      const { x, y, width, height } = place(told);
      const [left, top] = [view.x + x * view.k, view.y + y * view.k];
      const [right, bottom] = [left + width * view.k, top + height * view.k];
      const [room, depth] = [stage.clientWidth, stage.clientHeight];
      const [wide, high] = [tip.offsetWidth, tip.offsetHeight];
      const within = (at, size, most) => Math.max(4, Math.min(at, most - size - 4));
      let at;
      if (right + 8 + wide < room) at = [right + 6, within(top, high, depth)];
      else if (left - 8 - wide > 0) at = [left - 6 - wide, within(top, high, depth)];
      else if (bottom + 8 + high < depth) at = [within(left, wide, room), bottom + 6];
      else at = [within(left, wide, room), within(top - 6 - high, high, depth)];
      tip.style.left = `${at[0]}px`;
      tip.style.top = `${at[1]}px`;
    }
    function light(item, on) {
      for (const { path, from, to } of item.parent?.lines ?? []) {
        if (from === item || to === item) path.classList.toggle("lit", on);
      }
    }

    // -- input

    const boxAt = (event) => itemOf.get(event.target.closest?.(".box"));

    function choose(item) {
      current?.box?.setAttribute("tabindex", "-1");
      current = item;
      current.box.setAttribute("tabindex", "0");
    }
    function act(item) {
      if (item.type === "block") toggle(item);
      else if (item.type === "layer") options.onSelect?.(item.name);
    }
    function goTo(item) {
      choose(item);
      intoSight(item);
      item.box.focus({ preventScroll: true });
      showTip(item);
    }

    canvas.addEventListener("focusin", (event) => {
      const item = boxAt(event);
      if (!item) return;
      choose(item);
      if (item.box.matches(":focus-visible")) {
        intoSight(item);
        showTip(item);
      }
    });
    canvas.addEventListener("focusout", hideSoon);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip()); // wherever the focus is
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const item = boxAt(event);
      if (item ? walk(item, event.key) : move(event.key)) event.preventDefault();
    });
    function walk(item, key) {
      const order = inOrder();
      const at = order.indexOf(item);
      const steps = {
        ArrowDown: () => order[at + 1],
        ArrowUp: () => order[at - 1],
        ArrowRight: () => (item.type === "block" ? (item.open ? item.children[0] : toggle(item)) : null),
        ArrowLeft: () => (item.open ? toggle(item) : item.parent !== root ? item.parent : null),
        Home: () => order[0],
        End: () => order[order.length - 1],
        Enter: () => act(item),
        " ": () => act(item),
      };
      if (!(key in steps)) return false;
      const to = steps[key]();
      if (to) goTo(to);
      return true;
    }
    function move(key) {
      const by = { ArrowDown: [0, -60], ArrowUp: [0, 60], ArrowRight: [-60, 0], ArrowLeft: [60, 0] }[key];
      if (by) {
        view.x += by[0];
        view.y += by[1];
        apply();
      } else if (key === "+" || key === "=") zoom(1.4);
      else if (key === "-") zoom(1 / 1.4);
      else if (key === "0") fit();
      else return false;
      return true;
    }

    const pointers = new Map();
    let dragged = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      if (!pointers.size) dragged = false;
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, from: [event.clientX, event.clientY] });
    });
    canvas.addEventListener("pointermove", (event) => {
      const pointer = pointers.get(event.pointerId);
      if (!pointer) return;
      if (!dragged) {
        if (Math.hypot(event.clientX - pointer.from[0], event.clientY - pointer.from[1]) < DRAG) return;
        dragged = true;
        hideTip();
        canvas.setPointerCapture(event.pointerId); // from here on it is no click
      }
      const old = spread();
      [pointer.x, pointer.y] = [event.clientX, event.clientY];
      const now = spread();
      view.x += now.x - old.x;
      view.y += now.y - old.y;
      const { left, top } = canvas.getBoundingClientRect();
      if (old.apart && now.apart) zoom(now.apart / old.apart, now.x - left, now.y - top);
      else apply();
    });
    /* The middle of the fingers, and how far apart they are. */
    function spread() {
      const [a, b = a] = pointers.values();
      return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) };
    }
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    canvas.addEventListener("click", (event) => {
      const item = boxAt(event);
      if (!item || dragged) return;
      choose(item);
      act(item);
    });
    canvas.addEventListener("pointerover", (event) => {
      if (event.pointerType !== "mouse" || pointers.size) return;
      const item = boxAt(event);
      if (item) showTip(item);
      else hideSoon();
    });
    canvas.addEventListener("pointerout", (event) => {
      if (event.pointerType === "mouse") hideSoon();
    });
    tip.addEventListener("pointerenter", () => clearTimeout(closing));
    tip.addEventListener("pointerleave", hideSoon);
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page's
      event.preventDefault();
      const { left, top } = canvas.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 300), event.clientX - left, event.clientY - top);
    }, { passive: false });

    function describe() {
      const { title, convention: counted } = data.figures[shown];
      convention.textContent = `Bars: share of ${title} (${counted}; batch ${data.batch})`;
    }
    select.addEventListener("change", () => {
      shown = Number(select.value);
      describe();
      for (const item of itemOf.values()) paint(item);
    });

    // in print all of what is unfolded is fitted onto the page
    addEventListener("beforeprint", () => {
      const [width, height] = root.layout.size;
      canvas.setAttribute("viewBox", `-10 -10 ${width + 20} ${height + 20}`);
      scene.style.transform = "";
      canvas.classList.remove("far");
    });
    addEventListener("afterprint", () => {
      canvas.removeAttribute("viewBox");
      apply();
    });

    // -- the first picture

    const takenIn = () => {
      const level = (depth) =>
        items.filter((item) => item.depth === depth + 1 || (item.depth <= depth && item.type !== "block")).length;
      let depth = 0;
      while (depth < 8 && level(depth + 1) <= TAKEN_IN && level(depth + 1) > level(depth)) depth += 1;
      return depth;
    };
    root.open = true;
    if (options.open) {
      for (const item of options.open.map((name) => found.get(name))) if (item?.type === "block") item.open = true;
    } else {
      const depth = takenIn();
      for (const block of blocks) block.open = block.depth <= depth;
    }
    const families = new Set(items.filter((item) => item.type === "layer").map((item) => item.family));
    const known = [
      "convolution", "linear", "normalization", "activation", "pooling", "resampling", "merging", "splitting",
      "attention", "recurrent",
    ];
    const named = known.filter((family) => families.has(family));
    if (named.length < families.size) named.push("other");
    legend.append(...named.map((family) => html("li", { class: `family-${family}` }, family)));
    describe();
    redraw([]);
    let size = "";
    new ResizeObserver(() => {
      const now = `${canvas.clientWidth}x${canvas.clientHeight}`;
      if (now === size || !canvas.clientWidth || !canvas.clientHeight) return;
      if (size) apply();
      else home();
      size = now;
    }).observe(canvas);
    return { reveal, foldAll, unfold };
  };
})();
