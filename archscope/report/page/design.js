"use strict";
// The page of a design: the layer table, the arithmetic, the charts, and the graph beside them. All texts of the design
// reach the page through textContent.
(() => {
  const { byId, parsed, element, whole, ratio, written, follow } = page;
  const data = parsed("data");
  const columns = new Map(data.columns.map((column) => [column.name, column]));
  const count = data.labels.length;

  // -- figures --

  const raw = (column, line) => {
    if (column.style === "share") {
      const of = columns.get(column.name.replace(/_share$/, ""));
      const [part, total] = [raw(of, line), Number(of.total)];
      return total && part !== null ? Number(part) / total : null;
    }
    return column.values[column.at[line]];
  };
  const isText = (column) => column.style === "text" || column.style === "shape";
  const isNumber = (column) => ["count", "ratio", "share"].includes(column.style);
  const names = columns.get("name").values;
  const nameOf = (line) => names[columns.get("name").at[line]];
  const lineOf = new Map(Array.from({ length: count }, (_, line) => [nameOf(line), line]));

  const parents = [];
  {
    const open = [];
    for (let line = 0; line < count; line++) {
      open.length = data.levels[line];
      parents.push(open.length ? open[open.length - 1] : -1);
      open.push(line);
    }
  }

  // -- the layer table --

  const table = byId("layer-table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const state = {
    shown: [...data.shown],
    open: new Set(),
    sort: null,
    down: true,
    words: "",
    op: "",
  };
  for (let line = 0; line < count; line++) if (data.blocks[line] && data.levels[line] + 1 < data.opened) state.open.add(line);

  rows.forEach((row, line) => {
    row.dataset.line = line;
    const label = row.cells[0].textContent;
    const button = element("button", { type: "button", title: nameOf(line), textContent: label });
    if (data.blocks[line]) button.setAttribute("aria-expanded", "false");
    row.cells[0].replaceChildren(button);
  });

  const fillRow = (row, line) => {
    row.replaceChildren(row.cells[0], ...state.shown.map((name) => {
      const column = columns.get(name);
      const cell = element("td", { textContent: written(column, raw(column, line)) });
      cell.className = isText(column) ? "t" : "";
      if (!data.blocks[line] && figureLines(line, name).length) cell.classList.add("worked");
      return cell;
    }));
  };
  const fillHead = (buttons = true) => {
    const head = table.tHead.rows[0];
    const cells = ["name", ...state.shown].map((name) => {
      const column = columns.get(name);
      const cell = element("th", { scope: "col", title: column.convention + (column.unit ? ` [${column.unit}]` : "") });
      if (!isText(column)) cell.className = "n";
      const title = name === "name" ? "layer" : column.title === "%" ? `% of ${columns.get(name.replace(/_share$/, "")).title}` : column.title;
      if (buttons && (isNumber(column) || column.style === "text")) {
        cell.append(element("button", { type: "button", textContent: title }));
        cell.firstChild.dataset.sort = name;
      } else cell.textContent = title;
      if (state.sort === name) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      return cell;
    });
    head.replaceChildren(...cells);
    const foot = table.tFoot.rows[0];
    foot.replaceChildren(foot.cells[0], ...state.shown.map((name) => {
      const column = columns.get(name);
      const total = column.style === "share" ? (Number(columns.get(name.replace(/_share$/, "")).total) ? 1 : null) : column.total;
      return element("td", { textContent: name === "kind" ? byKind() : written(column, total) });
    }));
    table.classList.add("chosen");
    for (const [place, name] of state.shown.entries()) foot.cells[place + 1].className = isText(columns.get(name)) ? "t" : "";
  };
  const layersAt = Array.from({ length: count }, (_, line) => line).filter((line) => !data.blocks[line]);
  const byKind = () => `${whole.format(layersAt.length)} layer${layersAt.length === 1 ? "" : "s"}`;

  const searchable = (line) => [nameOf(line), ...["kind", "output_shape"].map((name) => raw(columns.get(name), line) ?? "")].join(" ").toLowerCase();
  const texts = Array.from({ length: count }, (_, line) => searchable(line));

  const arrange = () => {
    const filtering = state.words !== "" || state.op !== "";
    const kinds = columns.get("kind");
    const wanted = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = layersAt.filter((line) => (!state.op || raw(kinds, line) === state.op) && wanted.every((word) => texts[line].includes(word)));
    const visible = new Set();
    let order = Array.from(rows.keys());
    if (state.sort !== null) {
      const column = columns.get(state.sort);
      const number = (content) => (content === null ? null : Number(content));
      const key = new Map(matches.map((line) => [line, isNumber(column) ? number(raw(column, line)) : raw(column, line)]));
      const sign = state.down ? -1 : 1;
      const compare = (a, b) => {
        const [x, y] = [key.get(a), key.get(b)];
        if (x === y) return a - b;
        if (x === null) return 1;
        if (y === null) return -1;
        return sign * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
      };
      order = [...matches].sort(compare);
      for (const line of matches) visible.add(line);
    } else if (filtering) {
      for (const line of matches) for (let at = line; at >= 0; at = parents[at]) visible.add(at);
    } else {
      for (let line = 0; line < count; line++) {
        const parent = parents[line];
        if (parent < 0 || (visible.has(parent) && state.open.has(parent))) visible.add(line);
      }
    }
    const flat = state.sort !== null;
    body.replaceChildren(...order.map((line) => rows[line]));
    for (const [line, row] of rows.entries()) {
      row.hidden = !visible.has(line);
      const button = row.cells[0].firstChild;
      const label = flat ? nameOf(line) : data.labels[line];
      if (button.textContent !== label) button.textContent = label;
      row.cells[0].style.setProperty("--level", flat ? 0 : data.levels[line]);
      if (data.blocks[line]) button.setAttribute("aria-expanded", String(filtering || state.open.has(line)));
    }
    byId("in-order").hidden = !flat;
    byId("status").textContent = filtering ? `${whole.format(matches.length)} of ${byKind()}` : "";
  };

  const refill = () => {
    fillHead();
    rows.forEach(fillRow);
  };
  const toggle = (line) => {
    if (!state.open.delete(line)) state.open.add(line);
    arrange();
  };

  table.addEventListener("click", (event) => {
    const sorter = event.target.closest("[data-sort]");
    if (sorter) {
      const name = sorter.dataset.sort;
      const text = !isNumber(columns.get(name));
      state.down = state.sort === name ? !state.down : !text;
      state.sort = name;
      fillHead();
      arrange();
      table.tHead.querySelector(`[data-sort="${CSS.escape(name)}"]`).focus();
      return;
    }
    const row = event.target.closest("tbody tr");
    if (!row) return;
    const line = Number(row.dataset.line);
    const cell = event.target.closest("td");
    if (event.target.closest("button")) data.blocks[line] ? toggle(line) : explain(line);
    else if (cell && cell.classList.contains("worked")) explain(line, state.shown[cell.cellIndex - 1]);
    else if (data.blocks[line]) toggle(line);
  });

  byId("in-order").addEventListener("click", () => {
    state.sort = null;
    fillHead();
    arrange();
  });
  byId("fold-all").addEventListener("click", () => {
    state.open.clear();
    arrange();
  });
  byId("unfold-all").addEventListener("click", () => {
    data.blocks.forEach((block, line) => block && state.open.add(line));
    arrange();
  });
  byId("filter").addEventListener("input", (event) => {
    state.words = event.target.value;
    arrange();
  });
  const ops = byId("ops");
  for (const kind of [...new Set(layersAt.map((line) => raw(columns.get("kind"), line)))].sort()) ops.append(element("option", { value: kind, textContent: kind }));
  ops.addEventListener("change", () => {
    state.op = ops.value;
    arrange();
  });

  const menu = byId("columns");
  for (const column of data.columns) {
    if (column.name === "name") continue;
    const box = element("input", { type: "checkbox", value: column.name, checked: state.shown.includes(column.name) });
    menu.querySelector("fieldset").append(element("label", { title: column.convention }, box, " " + column.name));
  }
  menu.addEventListener("change", (event) => {
    const name = event.target.value;
    state.shown = event.target.checked ? data.columns.map((c) => c.name).filter((one) => one === name || state.shown.includes(one)) : state.shown.filter((one) => one !== name);
    if (!event.target.checked && state.sort === name) state.sort = null;
    refill();
    arrange();
  });
  document.addEventListener("click", (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // -- copying --

  const csvRows = () => {
    const chosen = ["name", ...state.shown].map((name) => columns.get(name));
    const head = chosen.map((column) => (column.unit ? `${column.name} [${column.unit}]` : column.name));
    const lines = Array.from(body.rows)
      .map((row) => Number(row.dataset.line))
      .filter((line) => !data.blocks[line] && (state.sort === null && state.words === "" && state.op === "" ? true : !rows[line].hidden))
      .map((line) => chosen.map((column) => {
        const content = raw(column, line);
        return ["shape", "axes"].includes(column.style) && content !== null ? content.replaceAll(" x ", "x").replaceAll(", ", ";") : content;
      }));
    return clipboard.lacking([head, ...lines], data.incomplete);
  };
  byId("copy").addEventListener("click", async () => {
    const lines = csvRows();
    await clipboard.copy(clipboard.csv(lines));
    byId("status").textContent = `${whole.format(lines.length - 1)} layers copied`;
  });

  // -- the arithmetic --

  const dialog = byId("arithmetic");
  // figures in the table whose lines bear the names of other figures, or of their axes
  const spelled = { saved_bytes: ["saved_bytes"], output_shape: ["C_out", "H_out", "W_out", "D_out", "L_out", "F_out"], weights: ["weight"], biases: ["bias"], param_bytes: ["params"], output_elements: ["activations"], activation_bytes: ["activations"], effective_padding: ["field_start"] };
  const figureOf = (text) => text.slice(0, text.indexOf(" = ") < 0 ? undefined : text.indexOf(" = "));
  const figures = data.arithmetic.map(figureOf);
  const figureLines = (line, name) => {
    const figure = name.replace(/_share$/, "");
    const wanted = spelled[figure] ?? [figure];
    return data.worked[line].filter((at) => wanted.some((one) => figures[at] === one || figures[at].startsWith(one + "_")));
  };
  let explained = -1;
  const explain = (line, name) => {
    explained = line;
    byId("arithmetic-title").textContent = nameOf(line);
    byId("arithmetic-op").textContent = data.titles[line] ?? "";
    const asked = new Set(name ? figureLines(line, name) : []);
    byId("arithmetic-lines").replaceChildren(...data.worked[line].map((at) => {
      const [equation, note] = data.arithmetic[at].split(/ {4}(?=\()/);
      const figure = figures[at];
      const item = element("li", {}, element("b", { textContent: figure }), equation.slice(figure.length).replaceAll(" x ", " × "));
      if (note) item.append(" ", element("span", { textContent: note }));
      if (asked.has(at)) item.className = "asked";
      return item;
    }));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    dialog.querySelector(".asked")?.scrollIntoView({ block: "center" });
  };
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  byId("show-in-table").addEventListener("click", () => {
    dialog.close();
    showInTable(explained);
  });
  byId("show-in-graph").addEventListener("click", () => {
    dialog.close();
    byId("graph").scrollIntoView();
    graph().reveal(nameOf(explained));
  });
  const showInTable = (line) => {
    for (let at = parents[line]; at >= 0; at = parents[at]) state.open.add(at);
    if (data.blocks[line]) state.open.add(line);
    state.sort = null;
    state.words = state.op = byId("filter").value = ops.value = "";
    fillHead();
    arrange();
    body.querySelector(".marked")?.classList.remove("marked");
    rows[line].classList.add("marked");
    rows[line].scrollIntoView({ block: "center" });
    rows[line].cells[0].firstChild.focus({ preventScroll: true });
  };
  for (const cell of document.querySelectorAll("[data-reveal]")) {
    const line = lineOf.get(cell.dataset.reveal) ?? layersAt.find((one) => nameOf(one).startsWith(cell.dataset.reveal + "."));
    if (line === undefined) continue;
    const link = element("a", { href: "#layers", textContent: cell.textContent });
    link.addEventListener("click", (event) => {
      event.preventDefault();
      showInTable(line);
    });
    cell.replaceChildren(link);
  }

  fillHead();
  rows.forEach((row, line) => {
    if (data.blocks[line]) return;
    for (const [place, name] of state.shown.entries()) if (figureLines(line, name).length) row.cells[place + 1].classList.add("worked");
  });
  rows.forEach((row) => state.shown.forEach((name, place) => isText(columns.get(name)) && row.cells[place + 1].classList.add("t")));
  arrange();

  // browsers repeat the head of a table on every page, but no button in it
  window.addEventListener("beforeprint", () => fillHead(false));
  window.addEventListener("afterprint", () => fillHead());

  // -- charts: what lies under the pointer, or where the arrow keys lead --

  const mebibytes = (bytes) => {
    let power = 0;
    for (; bytes >= 1024 && power < 4; power++) bytes /= 1024;
    return power ? `${ratio.format(bytes)} ${["", "KiB", "MiB", "GiB", "TiB"][power]}` : `${bytes} B`;
  };
  const growth = parsed("growth-data");
  for (const chart of document.querySelectorAll('[data-chart="growth"]')) follow(chart, growth.names.length, "Receptive field by layer", (at) => `${growth.names[at]}: ${growth.texts[at]}`);
  const { phases, layers, live } = data.timeline;
  const phase = ["forward", "loss", "backward", "update"];
  for (const chart of document.querySelectorAll('[data-chart="timeline"]')) {
    follow(chart, live.length, "Memory by allocation", (at) => {
      const layer = typeof layers[at] === "number" ? nameOf(layers[at]) : layers[at];
      return `${mebibytes(Number(live[at]))} live (${whole.format(BigInt(live[at]))} bytes): ${[phase[phases[at]], layer].filter(Boolean).join(", ")}`;
    });
  }

  // -- the graph: drawn when it comes into sight, or is asked for --

  let drawn = null;
  const graph = () => {
    drawn ??= archscopeGraph(byId("layer-graph"), parsed("graph-data"), {
      onSelect: (name) => lineOf.has(name) && !data.blocks[lineOf.get(name)] && explain(lineOf.get(name)),
    });
    return drawn;
  };
  const sight = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    sight.disconnect();
    graph();
  }, { rootMargin: "300px" });
  sight.observe(byId("layer-graph"));
  window.addEventListener("beforeprint", () => {
    if (drawn) return;
    graph();
    window.dispatchEvent(new Event("beforeprint")); // for the graph, which has just begun to listen
  });
})();
