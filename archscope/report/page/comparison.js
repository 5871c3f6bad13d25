"use strict";
// The page of a comparison: its figures to the clipboard, and the difference's blocks folded.
(() => {
  const { byId } = page;

  byId("copy").addEventListener("click", async () => {
    await clipboard.copy(JSON.parse(byId("csv").textContent));
    byId("status").textContent = "copied";
  });

  const table = byId("change-table");
  if (!table) return;
  const rows = Array.from(table.tBodies[0].rows);
  const levels = rows.map((row) => Number(row.dataset.level));
  const blocks = rows.map((_, at) => levels[at + 1] > levels[at]);
  const open = new Set(rows.keys());
  const arrange = () => {
    let hidden = Infinity; // below this level nothing is seen
    rows.forEach((row, at) => {
      if (levels[at] <= hidden) hidden = Infinity;
      row.hidden = levels[at] > hidden;
      if (!row.hidden && blocks[at] && !open.has(at)) hidden = levels[at];
      if (blocks[at]) row.cells[0].firstChild.setAttribute("aria-expanded", String(open.has(at)));
    });
  };
  rows.forEach((row, at) => {
    if (!blocks[at]) return;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: row.cells[0].textContent });
    row.cells[0].replaceChildren(button);
    button.addEventListener("click", () => {
      if (!open.delete(at)) open.add(at);
      arrange();
    });
  });
  byId("fold-all").addEventListener("click", () => {
    open.clear();
    arrange();
  });
  byId("unfold-all").addEventListener("click", () => {
    for (const at of rows.keys()) open.add(at);
    arrange();
  });
  if (rows.length > 60) open.clear();
  arrange();
})();
