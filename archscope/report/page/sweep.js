"use strict";
// The page of a sweep: its designs, which of them the limits leave, and which one is chosen; the views listen.
const sweep = (() => {
  const { byId, parsed, element, written } = page;
  const data = parsed("data");
  const count = data.numbers.length;
  const places = Array.from({ length: count }, (_, place) => place);

  // -- variables: `at` is where a design stands along one, `number` what a plot can draw, `text` what is read --

  const asNumber = (content) => (content === null ? NaN : Number(content));
  const variables = data.variables.map((variable, index) => {
    const { labels, numbers, values, style } = variable;
    const at = labels ? variable.at : values.map(asNumber);
    return {
      ...variable,
      index,
      at,
      numeric: !labels || numbers !== null,
      number: labels ? (place) => (numbers ? numbers[at[place]] : NaN) : (place) => at[place],
      text: labels ? (place) => labels[at[place]] : (place) => (style === "plain" ? String(values[place]) : written(variable, values[place])),
      plain: labels ? (place) => labels[at[place]] : (place) => values[place],
      full: variable.unit && variable.unit !== variable.title ? `${variable.title} [${variable.unit}]` : variable.title,
    };
  });
  const onFrontier = new Set(data.frontier);
  const nameOf = (place) => `design ${data.numbers[place].toLocaleString("en-US")}`;

  // -- scales and ticks --

  const PREFIXES = ["", "k", "M", "G", "T", "P", "E"];
  const short = (number) => {
    let power = 0;
    for (; Math.abs(number) >= 999.95 && power < PREFIXES.length - 1; power++) number /= 1000;
    return `${Number(Number.isInteger(number) ? number : number.toPrecision(4))} ${PREFIXES[power]}`.trim();
  };
  const tick = (variable, number) => (["share", "seconds"].includes(variable.style) ? written(variable, number) : short(number));
  const roundNumbers = (low, high, most = 6) => {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => rough <= factor * power) * power;
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => (first + i) * step);
  };
  const scale = (low, high, log) => {
    const span = log ? Math.log(high / low) : high - low;
    const marks = () => {
      if (!log) return roundNumbers(low, high);
      const factors = high > 300 * low ? [1] : [1, 2, 5];
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) found.push(...factors.map((factor) => factor * 10 ** power));
      return found.filter((mark) => low <= mark && mark <= high);
    };
    return {
      low,
      high,
      log,
      at: (number) => (log ? (number > 0 ? Math.log(number / low) / span : NaN) : (number - low) / span),
      from: (share) => (log ? low * Math.exp(share * span) : low + share * span),
      marks,
    };
  };
  const extent = (numbers, log) => {
    let [low, high] = [Infinity, -Infinity];
    for (const number of numbers) {
      if (Number.isNaN(number) || (log && number <= 0)) continue;
      if (number < low) low = number;
      if (number > high) high = number;
    }
    return low <= high ? [low, high] : [1, 1];
  };
  const around = (numbers, log) => {
    const [low, high] = extent(numbers, log);
    const room = log ? (high / low) ** 0.04 || 1 : 0.04 * (high - low) || 0.04 * Math.abs(high) || 1;
    return log ? scale(low / (room > 1 ? room : 1.1), high * (room > 1 ? room : 1.1), true) : scale(low - room, high + room, false);
  };

  // -- what is shown, and chosen --

  const listeners = { limits: [], chosen: [], under: [] };
  const on = (what, listener) => listeners[what].push(listener);
  const waiting = new Set();
  const tell = (what) => {
    if (waiting.has(what)) return;
    waiting.add(what);
    requestAnimationFrame(() => {
      waiting.delete(what);
      for (const listener of listeners[what]) listener();
    });
  };
  const limits = new Map();
  const shown = new Uint8Array(count).fill(1);
  const state = { chosen: -1, under: -1 };
  const limit = (variable, low, high) => {
    if (low === undefined) limits.delete(variable.index);
    else limits.set(variable.index, [low, high]);
    const held = [...limits].map(([index, [least, most]]) => [variables[index].at, least, most]);
    for (const place of places) shown[place] = held.every(([at, least, most]) => at[place] >= least && at[place] <= most) ? 1 : 0;
    tell("limits");
  };
  const free = () => {
    limits.clear();
    shown.fill(1);
    tell("limits");
  };
  const choose = (place) => {
    state.chosen = place;
    tell("chosen");
  };
  const pass = (place) => {
    if (state.under === place) return;
    state.under = place;
    tell("under");
  };

  // -- specs --

  const specOf = (place) => data.specs?.of[place]?.map((line) => data.specs.lines[line] + "\n").join("");
  const showSpec = async (place) => {
    const text = specOf(place);
    byId("spec-title").textContent = `${data.design}, ${nameOf(place)}`;
    byId("spec-text").textContent = text;
    byId("spec-status").textContent = "";
    if (!byId("spec").open) byId("spec").showModal();
    await clipboard.copy(text);
    byId("spec-status").textContent = "Copied to the clipboard: save it as a file, and give it to any command.";
  };
  byId("spec").addEventListener("click", (event) => {
    if (event.target === byId("spec")) byId("spec").close();
  });
  const specButton = (place) => {
    const button = element("button", { type: "button", textContent: "Copy spec" });
    button.setAttribute("aria-label", `Copy the spec of ${nameOf(place)}`);
    button.addEventListener("click", () => showSpec(place));
    return button;
  };

  // -- the chosen design in words --

  on("chosen", () => {
    const place = state.chosen;
    if (!byId("chosen") || place < 0) return;
    const marks = [];
    if (onFrontier.has(place)) marks.push("on the frontier");
    const rank = data.best.indexOf(place);
    if (rank >= 0 && data.sort !== null) marks.push(`number ${rank + 1} by ${variables[data.sort].title}`);
    const pairs = (kind) => variables.filter((variable) => variable.axis === kind).flatMap((variable) => [
      element("dt", { textContent: variable.full, title: variable.convention ?? "" }),
      element("dd", { textContent: variable.text(place) || "none" }),
    ]);
    const parts = [element("h3", { textContent: nameOf(place) })];
    if (marks.length) parts.push(element("p", { className: "lead", textContent: marks.join(", ") }));
    parts.push(element("dl", {}, ...pairs(true)), element("dl", {}, ...pairs(false)));
    if (specOf(place)) parts.push(specButton(place));
    byId("chosen").replaceChildren(...parts);
  });

  const words = (place) => `${nameOf(place)}: ${variables.map((variable) => `${variable.title} ${variable.text(place)}`).join(", ")}`;
  return { data, count, places, variables, onFrontier, nameOf, words, tick, scale, extent, around, on, limits, shown, state, limit, free, choose, pass, specOf, specButton };
})();
