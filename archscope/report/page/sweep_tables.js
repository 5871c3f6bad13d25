"use strict";
// The tables of the best designs and of the frontier: sorted, limited, copied.
(() => {
  const { byId, element } = page;
  const { data, variables, shown, state, nameOf, specOf, specButton } = sweep;

  const table = (id) => {
    const shell = byId(`${id}-table`);
    if (!shell) return;
    const head = shell.tHead.rows[0];
    const body = shell.tBodies[0];
    const [more, status] = [byId(`${id}-more`), byId(`${id}-status`)];
    const all = data[id];
    const view = { sort: null, down: false, rows: data.rows };
    const rows = new Map(); // made when first seen

    const title = (cell, text, key) => {
      const button = element("button", { type: "button", textContent: text });
      button.addEventListener("click", () => {
        view.down = view.sort === key ? !view.down : false;
        view.sort = key;
        arrange();
      });
      cell.replaceChildren(button);
      return cell;
    };
    const heads = [["number", title(head.cells[0], "design", "number")], ...variables.map((variable, at) => [variable.index, title(head.cells[at + 1], variable.title, variable.index)])];
    const withMarks = id === "best" && data.frontier.length > 0;
    if (withMarks) head.append(element("th", { scope: "col", textContent: "frontier" }));
    if (data.specs) head.append(element("th", { scope: "col", className: "spec", textContent: "spec" }));

    const made = (place) => {
      const button = element("button", { type: "button", textContent: data.numbers[place].toLocaleString("en-US") });
      button.setAttribute("aria-label", nameOf(place));
      const row = element("tr", {}, element("th", { scope: "row" }, button), ...variables.map((variable) => element("td", { className: "n", textContent: variable.text(place) })));
      if (withMarks) row.append(element("td", { textContent: sweep.onFrontier.has(place) ? "✓" : "" }));
      if (data.specs) row.append(element("td", { className: "spec" }, specOf(place) ? specButton(place) : ""));
      row.dataset.place = place;
      rows.set(place, row);
      return row;
    };
    const key = (place) => (view.sort === "number" ? data.numbers[place] : variables[view.sort].at[place]);
    const ordered = () => {
      const kept = all.filter((place) => shown[place]);
      if (view.sort === null) return kept;
      const keys = new Map(kept.map((place) => [place, key(place)]));
      const sign = view.down ? -1 : 1;
      return kept.sort((a, b) => {
        const [one, other] = [keys.get(a), keys.get(b)];
        if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other);
        return sign * (one - other) || a - b;
      });
    };
    const arrange = () => {
      const found = ordered();
      body.replaceChildren(...found.slice(0, view.rows).map((place) => rows.get(place) ?? made(place)));
      const left = found.length - view.rows;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(left, 5 * data.rows).toLocaleString("en-US")} more`;
      const seen = Math.min(found.length, view.rows);
      status.textContent = seen < all.length ? `${seen.toLocaleString("en-US")} of ${all.length.toLocaleString("en-US")}` : "";
      for (const [name, cell] of heads) {
        if (name === view.sort) cell.setAttribute("aria-sort", view.down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      }
      mark();
    };
    const mark = () => {
      body.querySelector(".marked")?.classList.remove("marked");
      rows.get(state.chosen)?.classList.add("marked");
    };
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      const button = event.target.closest("button");
      if (row && !(button && button.closest("td"))) sweep.choose(Number(row.dataset.place));
    });
    more.addEventListener("click", () => {
      view.rows += 5 * data.rows;
      arrange();
    });
    byId(`${id}-copy`).addEventListener("click", async () => {
      const found = ordered();
      const lines = found.map((place) => [data.numbers[place], ...variables.map((variable) => variable.plain(place))]);
      const names = variables.map((variable) => (variable.unit ? `${variable.name} [${variable.unit}]` : variable.name));
      await clipboard.copy(clipboard.csv(clipboard.lacking([["design", ...names], ...lines], data.incomplete)));
      status.textContent = `${found.length.toLocaleString("en-US")} designs copied`;
    });
    sweep.on("limits", arrange);
    sweep.on("chosen", mark);
    arrange();
  };
  table("best");
  table("frontier");
})();
