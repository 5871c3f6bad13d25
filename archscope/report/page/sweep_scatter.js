"use strict";
// Designs as points: two variables that the reader chooses.
(() => {
  const { byId, element } = page;
  const { data, count, places, variables, onFrontier, tick, around, shown, state } = sweep;
  const chart = byId("scatter");
  if (!chart) return;
  const [WIDTH, HEIGHT] = [1000, 100];
  const REACH = 32; // pixels

  const plot = chart.querySelector(".plot");
  const path = (name) => plot.querySelector(`path.${name}`);
  const [grid, across] = [plot.querySelector(".grid"), plot.querySelector(".across")];
  const ring = element("span", { className: "ring", hidden: true });
  const halo = element("span", { className: "ring under", hidden: true });
  const tip = element("div", { className: "tip", hidden: true });
  tip.setAttribute("aria-hidden", "true");
  plot.append(ring, halo, tip);
  const best = new Set(data.best);

  // -- what is drawn --

  const sides = ["x", "y"].map((name, side) => {
    const [select, log] = [byId(`scatter-${name}`), byId(`scatter-${name}-log`)];
    for (const [label, axis] of [["figures", false], ["variables", true]]) {
      const group = element("optgroup", { label });
      for (const variable of variables) {
        if (variable.axis === axis && variable.numeric) group.append(element("option", { value: variable.index, textContent: variable.title }));
      }
      if (group.children.length) select.append(group);
    }
    select.value = data.axes[side];
    return { select, log, shares: new Float64Array(count), variable: null, scale: null };
  });
  const spread = (variable) => {
    const [low, high] = sweep.extent(places.map(variable.number), false);
    return low > 0 && high > 12 * low;
  };
  const measure = (side) => {
    const variable = variables[side.select.value];
    const numbers = places.map(variable.number);
    if (side.variable !== variable) side.log.checked = spread(variable);
    side.variable = variable;
    side.scale = around(numbers, side.log.checked);
    numbers.forEach((number, place) => {
      side.shares[place] = side.scale.at(number);
    });
  };

  const [x, y] = sides;
  const visible = (place) => !Number.isNaN(x.shares[place]) && !Number.isNaN(y.shares[place]);
  const point = (place) => `${(WIDTH * x.shares[place]).toFixed(2)} ${(HEIGHT * (1 - y.shares[place])).toFixed(2)}`;
  const dots = (some) => some.filter(visible).map((place) => `M${point(place)}h0`).join("");
  const stairs = () => {
    const wanted = data.objectives;
    if (wanted.length !== 2) return "";
    const asked = [x.variable.index, y.variable.index];
    if (![0, 1].every((at) => wanted.some(([index]) => index === asked[at])) || asked[0] === asked[1]) return "";
    const largest = wanted.find(([index]) => index === asked[0])[1];
    const sorted = data.frontier.filter((place) => shown[place] && visible(place)).sort((a, b) => x.shares[a] - x.shares[b]);
    return sorted.map((place, at) => {
      const [left, top] = point(place).split(" ");
      return at ? (largest ? `V${top}H${left}` : `H${left}V${top}`) : `M${left} ${top}`;
    }).join("");
  };
  const marks = (side, name) => side.scale.marks().map((mark) => {
    const line = element("span", {}, element("b", { textContent: tick(side.variable, mark) }));
    line.style[name] = `${100 * side.scale.at(mark)}%`;
    return line;
  });
  const better = (variable) => {
    const wish = data.objectives.find(([index]) => index === variable.index);
    return wish ? (wish[1] ? ", more is better" : ", less is better") : "";
  };

  let steps = []; // what the arrow keys go through
  const draw = () => {
    const kept = places.filter((place) => shown[place]);
    path("excluded").setAttribute("d", dots(places.filter((place) => !shown[place])));
    path("sample").setAttribute("d", dots(kept.filter((place) => !onFrontier.has(place) && !best.has(place))));
    path("best").setAttribute("d", dots(kept.filter((place) => best.has(place))));
    path("frontier").setAttribute("d", dots(kept.filter((place) => onFrontier.has(place))));
    path("stairs").setAttribute("d", stairs());
    const some = kept.filter((place) => visible(place) && (onFrontier.has(place) || !onFrontier.size));
    steps = some.sort((a, b) => x.shares[a] - x.shares[b] || y.shares[a] - y.shares[b]);
    plot.setAttribute("aria-valuemax", Math.max(1, steps.length));
    mark();
  };
  const redraw = () => {
    sides.forEach(measure);
    grid.replaceChildren(...marks(y, "bottom"));
    across.replaceChildren(...marks(x, "left"));
    byId("scatter-up").textContent = `↑ ${y.variable.full}${better(y.variable)}`;
    byId("scatter-across").textContent = `${x.variable.full}${better(x.variable)} →`;
    plot.setAttribute("aria-label", `Designs by ${x.variable.title} and ${y.variable.title}${onFrontier.size ? "; arrow keys follow the frontier" : ""}, Enter chooses`);
    draw();
  };

  // -- marks on designs, and what lies under the pointer --

  const put = (span, place) => {
    span.hidden = place < 0 || !visible(place);
    if (span.hidden) return;
    span.style.left = `${100 * x.shares[place]}%`;
    span.style.bottom = `${100 * y.shares[place]}%`;
  };
  const mark = () => {
    put(ring, state.chosen);
    put(halo, state.under);
    tip.hidden = halo.hidden;
    if (tip.hidden) return;
    const lines = variables.filter((variable) => variable.axis || variable === x.variable || variable === y.variable);
    tip.replaceChildren(element("b", { textContent: sweep.nameOf(state.under) }), ...lines.map((variable) => element("span", { textContent: `${variable.title} ${variable.text(state.under)}` })));
    const [left, bottom] = [x.shares[state.under], y.shares[state.under]];
    Object.assign(tip.style, {
      left: left <= 0.5 ? `calc(${100 * left}% + 12px)` : "auto",
      right: left > 0.5 ? `calc(${100 * (1 - left)}% + 12px)` : "auto",
      bottom: bottom <= 0.5 ? `calc(${100 * bottom}% + 8px)` : "auto",
      top: bottom > 0.5 ? `calc(${100 * (1 - bottom)}% + 8px)` : "auto",
    });
  };
  const nearest = (event) => {
    const box = plot.getBoundingClientRect();
    const [left, bottom] = [event.clientX - box.left, box.bottom - event.clientY];
    let [found, least] = [-1, REACH ** 2];
    for (const place of places) {
      if (!shown[place]) continue;
      const distance = (x.shares[place] * box.width - left) ** 2 + (y.shares[place] * box.height - bottom) ** 2;
      // the frontier wins over what lies around it
      const weighed = onFrontier.has(place) || best.has(place) ? distance / 4 : distance;
      if (weighed < least) [found, least] = [place, weighed];
    }
    return found;
  };
  plot.addEventListener("pointermove", (event) => sweep.pass(nearest(event)));
  plot.addEventListener("pointerleave", () => sweep.pass(-1));
  plot.addEventListener("click", (event) => {
    const place = nearest(event);
    sweep.pass(place);
    if (place >= 0) sweep.choose(place);
  });

  let at = -1;
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (state.under >= 0) sweep.choose(state.under);
      return;
    }
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -steps.length, End: steps.length }[event.key];
    if (step === undefined || !steps.length) return;
    event.preventDefault();
    at = Math.min(steps.length - 1, Math.max(0, at + step));
    sweep.pass(steps[at]);
    plot.setAttribute("aria-valuenow", at + 1);
    plot.setAttribute("aria-valuetext", sweep.words(steps[at]));
  });
  plot.addEventListener("blur", () => sweep.pass(-1));
  Object.entries({ role: "slider", tabindex: 0, "aria-valuemin": 1, "aria-valuenow": 1, "aria-valuetext": "no design" }).forEach(([name, value]) => plot.setAttribute(name, value));
  plot.querySelector("svg").setAttribute("aria-hidden", "true");

  byId("scatter-controls").addEventListener("change", redraw);
  sweep.on("limits", draw);
  sweep.on("chosen", mark);
  sweep.on("under", mark);
  redraw();
})();
