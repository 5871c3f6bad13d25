"use strict";
// The means of a figure by the values of a variable: what a share of the heat table is made of.
(() => {
  const { byId, element, follow, written } = page;
  const { data, variables, tick, around } = sweep;
  const SVG = "http://www.w3.org/2000/svg";
  const MOST_TICKS = 12;
  const shell = byId("influence-table");
  const figures = variables.filter((variable) => !variable.axis);

  const drawn = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    return made;
  };
  const chart = (axis, column) => {
    const { labels, line, designs, means } = data.means[axis];
    const figure = figures[column];
    const numbers = means.map((row) => row[column] ?? NaN);
    const scale = around([...numbers, data.overall[column] ?? NaN], false);
    const points = numbers.map((number, at) => [(1000 * (at + 0.5)) / labels.length, 100 * (1 - scale.at(number))]).filter(([, y]) => !Number.isNaN(y));
    const grid = element("div", { className: "grid" }, ...scale.marks().map((mark) => {
      const span = element("span", {}, element("b", { textContent: tick(figure, mark) }));
      span.style.bottom = `${100 * scale.at(mark)}%`;
      return span;
    }));
    const every = Math.ceil(labels.length / MOST_TICKS);
    const across = element("div", { className: "across" }, ...labels.flatMap((label, at) => {
      if (at % every) return [];
      const span = element("span", {}, element("b", { textContent: label }));
      span.style.left = `${(100 * (at + 0.5)) / labels.length}%`;
      return [span];
    }));
    for (const part of [grid, across]) part.setAttribute("aria-hidden", "true");
    const svg = drawn("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    const overall = 100 * (1 - scale.at(data.overall[column]));
    svg.append(
      drawn("line", { class: "standing", x1: 0, x2: 1000, y1: overall, y2: overall }),
      ...(line ? [drawn("path", { class: "line", d: `M${points.map((point) => point.join(" ")).join("L")}` })] : []),
      drawn("path", { class: "dots frontier", d: points.map(([x, y]) => `M${x} ${y}h0`).join("") }),
    );
    const plot = element("div", { className: "plot" }, grid, across, svg);
    const made = element("figure", { className: "chart" }, plot);
    const name = shell.tBodies[0].rows[axis].cells[0].textContent;
    const text = (at) => `${name} ${labels[at]}: ${designs[at][column] ? `mean ${figure.full} ${written(figure, numbers[at])} of ${designs[at][column].toLocaleString("en-US")} designs` : "no legal design"}`;
    follow(made, labels.length, `Mean ${figure.title} by ${name}`, text);
    return made;
  };

  const choose = (axis, column, button) => {
    shell.querySelector('[aria-pressed="true"]')?.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    const name = shell.tBodies[0].rows[axis].cells[0].textContent;
    const heading = element("h3", { textContent: `The mean of ${figures[column].title} by ${name}` });
    const note = element("span", { className: "aside", textContent: ` dashed: the mean of all, ${written(figures[column], data.overall[column])}` });
    heading.append(note);
    byId("means").replaceChildren(heading, chart(axis, column));
  };
  let [strongest, most] = [null, -1];
  Array.from(shell.tBodies[0].rows).forEach((row, axis) => {
    Array.from(row.cells).slice(1).forEach((cell, column) => {
      if (!cell.textContent) return;
      const button = element("button", { type: "button", textContent: cell.textContent });
      button.setAttribute("aria-pressed", "false");
      cell.replaceChildren(button);
      button.addEventListener("click", () => choose(axis, column, button));
      const share = parseFloat(cell.style.getPropertyValue("--share"));
      if (share > most) [strongest, most] = [[axis, column, button], share];
    });
  });
  if (strongest) choose(...strongest);
})();
