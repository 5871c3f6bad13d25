"use strict";
// Parallel coordinates: an upright axis for each variable and figure, a line for each design, and limits on any axis.
(() => {
  const { byId, element } = page;
  const { data, count, places, variables, onFrontier, tick, scale, extent, shown, state, limits } = sweep;
  const host = byId("parallel");
  if (!host) return;
  const PAD = { side: 40, right: 74, top: 62, bottom: 30 };
  const LEAST_GAP = 92; // pixels between axes
  const NEAR = 9;
  const GRIP = 7; // pixels at an end of a range that take hold of it
  const MOST_LABELS = 14;
  const FRAME = 30; // milliseconds that a frame may take

  const [faint, lines, fronts, marked] = host.querySelectorAll("canvas");
  const best = new Set(data.best);
  // in an order of which every piece shows the whole
  const mix = (place) => (place * 0.618034) % 1;
  const mixed = [...places].sort((a, b) => mix(a) - mix(b));
  const logs = byId("parallel-log");
  logs.checked = false;

  // -- where designs stand: a share of the height for each axis --

  const axes = variables.map((variable) => ({ variable, shares: new Float32Array(count), scale: null, left: 0 }));
  const measure = (axis) => {
    const { variable } = axis;
    const labels = variable.labels;
    const log = logs.checked && !labels && extent(variable.at, false)[0] > 0;
    let [low, high] = labels ? [0, labels.length - 1] : extent(variable.at, log);
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 1, high + 1];
    axis.scale = scale(low, high, log);
    // designs of one value lie side by side, the same ones everywhere
    const spread = labels ? Math.min(0.3 / labels.length, 0.02) : 0;
    for (const place of places) axis.shares[place] = axis.scale.at(variable.at[place]) + spread * (((data.numbers[place] * 0.618034) % 1) - 0.5);
  };

  // -- drawing --

  const size = { width: 0, height: 0 };
  const y = (share) => PAD.top + (1 - share) * (size.height - PAD.top - PAD.bottom);
  const pen = (canvas) => {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    context.lineJoin = "round";
    return context;
  };
  const trace = (context, place) => {
    context.beginPath();
    let drawn = false;
    for (const axis of axes) {
      const share = axis.shares[place];
      if (Number.isNaN(share)) drawn = false;
      else if (drawn) context.lineTo(axis.left, y(share));
      else context.moveTo(axis.left, y(share));
      drawn = !Number.isNaN(share);
    }
    context.stroke();
  };
  // Each canvas has its own queue, of which a piece is drawn a frame: as many lines as the browser keeps up with.
  const queues = new Map();
  let piece = 400;
  let since = 0;
  const work = (now) => {
    if (now - since > FRAME) piece = Math.max(50, piece / 2);
    else piece = Math.min(4000, piece * 1.5);
    since = now;
    for (const [canvas, queue] of queues) if (queue.next(Math.round(piece / queues.size)).done) queues.delete(canvas);
    if (queues.size) requestAnimationFrame(work);
  };
  function* strokes(context, parts) {
    let left = yield;
    for (const [some, colour, strength, width] of parts) {
      const alpha = Math.min(0.9, Math.max(0.05, strength / Math.sqrt(some.length || 1)));
      for (const place of some) {
        if (left-- <= 0) left = yield;
        Object.assign(context, { strokeStyle: colour, globalAlpha: alpha, lineWidth: width });
        trace(context, place);
      }
    }
  }
  const start = (canvas, ...parts) => {
    const queue = strokes(pen(canvas), parts);
    queue.next();
    if (!queues.size) requestAnimationFrame((now) => {
      since = now;
      work(now);
    });
    queues.set(canvas, queue);
  };
  const colour = (kind) => {
    const key = document.querySelector(`#kinds i.${kind}`);
    return key ? getComputedStyle(key).backgroundColor : "";
  };
  const ink = () => getComputedStyle(host).color;

  const drawFaint = () => start(faint, [mixed, ink(), 1, 1]);
  const layers = () => {
    const kept = mixed.filter((place) => shown[place]);
    return [
      [[kept.filter((place) => !onFrontier.has(place) && !best.has(place)), colour("sample"), 7, 1]],
      [
        [kept.filter((place) => best.has(place) && !onFrontier.has(place)), colour("best"), 4, 1.3],
        [kept.filter((place) => onFrontier.has(place)), colour("frontier"), 5, 1.4],
      ],
    ];
  };
  const drawLines = () => {
    faint.hidden = limits.size === 0;
    const [under, over] = layers();
    start(lines, ...under);
    start(fronts, ...over);
  };
  const drawMarked = (context = pen(marked)) => {
    Object.assign(context, { lineWidth: 3, strokeStyle: ink(), globalAlpha: 1 });
    for (const [place, dashes] of [[state.under, [6, 4]], [state.chosen, []]]) {
      if (place < 0) continue;
      context.setLineDash(dashes);
      trace(context, place);
    }
  };
  const drawPaper = () => {
    // at once, and into one canvas: on paper the upper ones hide what is below
    const context = pen(marked);
    context.setLineDash([]);
    const queue = strokes(context, layers().flat());
    queue.next();
    queue.next(Infinity);
    drawMarked(context);
  };
  let printing = false;
  const draw = () => {
    if (printing) {
      drawPaper();
      return;
    }
    drawFaint();
    drawLines();
    drawMarked();
  };

  // -- axes with their labels and ranges --

  const said = (axis, coordinate) => {
    const { labels } = axis.variable;
    return labels ? labels[Math.min(labels.length - 1, Math.max(0, Math.round(coordinate)))] : tick(axis.variable, coordinate);
  };
  const ticksOf = (axis) => {
    const { labels } = axis.variable;
    if (!labels) {
      const { low, high } = axis.scale;
      const inner = axis.scale.marks().filter((mark) => axis.scale.at(mark) > 0.06 && axis.scale.at(mark) < 0.94);
      return [low, ...inner, high];
    }
    const every = Math.ceil(labels.length / MOST_LABELS);
    return labels.map((_, place) => place).filter((place) => place % every === 0);
  };
  const build = () => {
    for (const axis of axes) {
      axis.range = element("div", { className: "range", hidden: true });
      axis.rail = element("div", { className: "rail" }, axis.range);
      axis.ticks = element("div", { className: "ticks" });
      const objective = data.objectives.find(([index]) => index === axis.variable.index);
      axis.name = element("b", { textContent: axis.variable.title, title: axis.variable.convention ?? "" });
      if (objective) axis.name.append(element("i", { textContent: objective[1] ? "more is better" : "less is better" }));
      axis.host = element("div", { className: "upright" }, axis.name, axis.rail, axis.ticks);
      axis.host.setAttribute("aria-hidden", "true"); // the limits below say it in words
      axis.rail.addEventListener("pointerdown", (event) => drag(axis, event));
      host.append(axis.host);
    }
  };
  const lay = () => {
    const least = PAD.side + PAD.right + LEAST_GAP * (axes.length - 1);
    host.style.minWidth = `${least}px`;
    size.width = Math.max(host.clientWidth, least);
    size.height = host.clientHeight;
    const gap = axes.length > 1 ? (size.width - PAD.side - PAD.right) / (axes.length - 1) : 0;
    axes.forEach((axis, at) => {
      axis.left = axes.length > 1 ? PAD.side + at * gap : size.width / 2;
      axis.host.style.left = `${(100 * axis.left) / size.width}%`; // paper may be narrower
      axis.host.style.setProperty("--gap", `${Math.min(gap || 200, 200)}px`);
      axis.ticks.replaceChildren(...ticksOf(axis).map((mark) => {
        const label = element("span", { textContent: said(axis, mark) });
        label.style.top = `${y(axis.scale.at(mark))}px`;
        return label;
      }));
    });
    showRanges();
    draw();
  };
  const showRanges = () => {
    for (const axis of axes) {
      const range = limits.get(axis.variable.index);
      axis.range.hidden = !range;
      if (!range) continue;
      const step = axis.variable.labels ? 0.5 : 0; // around its values
      const [low, high] = [axis.scale.at(range[0] - step), axis.scale.at(range[1] + step)].map((share) => Math.min(1.02, Math.max(-0.02, share)));
      axis.range.style.top = `${y(high) - PAD.top}px`;
      axis.range.style.height = `${Math.max(4, y(low) - y(high))}px`;
    }
  };

  // -- limits by dragging --

  const within = (axis, one, other) => {
    let [low, high] = one < other ? [one, other] : [other, one];
    if (axis.variable.labels) {
      [low, high] = [Math.ceil(low - 0.5), Math.floor(high + 0.5)];
      if (low > high) low = high = Math.round((one + other) / 2);
    }
    sweep.limit(axis.variable, low, high);
  };
  const drag = (axis, event) => {
    if (event.button > 0) return;
    event.preventDefault();
    const box = axis.rail.getBoundingClientRect();
    const height = size.height - PAD.top - PAD.bottom;
    const share = (moved) => 1 - (moved.clientY - box.top) / height;
    const at = (part) => axis.scale.from(Math.min(1.02, Math.max(-0.02, part)));
    const begin = share(event);
    const before = limits.get(axis.variable.index);
    const ends = before && before.map((end) => axis.scale.at(end));
    const grip = GRIP / height;
    let anchor = begin;
    let inside = false;
    if (ends) {
      if (Math.abs(begin - ends[0]) < grip) anchor = ends[1];
      else if (Math.abs(begin - ends[1]) < grip) anchor = ends[0];
      else inside = begin > ends[0] && begin < ends[1];
    }
    let moved = false;
    axis.rail.setPointerCapture(event.pointerId);
    const move = (next) => {
      const to = share(next);
      moved ||= Math.abs(to - begin) * height > 3;
      if (!moved) return;
      if (inside) {
        const by = Math.min(1 - ends[1], Math.max(-ends[0], to - begin));
        within(axis, at(ends[0] + by), at(ends[1] + by));
      } else within(axis, at(anchor), at(to));
    };
    const end = () => {
      axis.rail.removeEventListener("pointermove", move);
      if (!moved) sweep.limit(axis.variable);
    };
    axis.rail.addEventListener("pointermove", move);
    axis.rail.addEventListener("pointerup", end, { once: true });
    axis.rail.addEventListener("pointercancel", end, { once: true });
  };

  // -- limits in words: two fields a variable --

  const fields = variables.map((variable) => {
    const [low, high] = variable.labels ? [0, variable.labels.length - 1] : extent(variable.at, false);
    const field = (word, unset) => {
      const made = variable.labels
        ? element("select", {}, ...variable.labels.map((label, value) => element("option", { value, textContent: label })))
        : element("input", { type: "number", step: "any", placeholder: String(unset) });
      if (variable.labels) made.value = unset;
      made.addEventListener("change", read);
      return [element("label", {}, element("span", { textContent: word }), made), made];
    };
    const read = () => {
      const [one, other] = [least, most].map((input, at) => (input.value === "" || Number.isNaN(Number(input.value)) ? [low, high][at] : Number(input.value)));
      if (one <= low && other >= high) sweep.limit(variable);
      else sweep.limit(variable, one, other);
    };
    const [from, least] = field("from", low);
    const [to, most] = field("to", high);
    byId("limits").lastElementChild.append(element("fieldset", {}, element("legend", { textContent: variable.full }), from, to));
    const write = () => {
      const range = limits.get(variable.index);
      [least, most].forEach((input, at) => {
        if (variable.labels) input.value = range ? Math.min(high, Math.max(low, range[at])) : [low, high][at];
        else input.value = range ? Number(range[at].toPrecision(6)) : "";
      });
    };
    return { least, most, write };
  });

  const tally = () => {
    const kept = places.reduce((sum, place) => sum + shown[place], 0);
    const kinds = [["frontier", "on the frontier"], ["best", "of the best"], ["sample", "of the sample"]].filter(([name]) => data[name].length);
    const parts = kinds.map(([name, words]) => `${data[name].filter((place) => shown[place]).length.toLocaleString("en-US")} of ${data[name].length.toLocaleString("en-US")} ${words}`);
    byId("shown").textContent = `${kept.toLocaleString("en-US")} of ${count.toLocaleString("en-US")} shown: ${parts.join(", ")}`;
    byId("free").disabled = limits.size === 0;
  };

  // -- lines under the pointer --

  const nearest = (event) => {
    const box = host.getBoundingClientRect();
    const [across, down] = [event.clientX - box.left, event.clientY - box.top];
    const at = axes.findIndex((axis) => axis.left > across);
    if (at <= 0) return -1;
    const [left, right] = [axes[at - 1], axes[at]];
    const part = (across - left.left) / (right.left - left.left);
    let [found, least] = [-1, NEAR];
    for (const place of places) {
      if (!shown[place]) continue;
      const distance = Math.abs(y(left.shares[place] + part * (right.shares[place] - left.shares[place])) - down);
      const weighed = onFrontier.has(place) ? distance / 2 : distance;
      if (weighed < least) [found, least] = [place, weighed];
    }
    return found;
  };
  host.addEventListener("pointermove", (event) => {
    if (!event.buttons) sweep.pass(event.target.closest(".rail") ? -1 : nearest(event));
  });
  host.addEventListener("pointerleave", () => sweep.pass(-1));
  host.addEventListener("click", (event) => {
    if (event.target.closest(".rail")) return;
    const place = nearest(event);
    if (place >= 0) sweep.choose(place);
  });

  const change = () => {
    showRanges();
    tally();
    for (const field of fields) field.write();
    drawLines();
  };
  byId("free").addEventListener("click", sweep.free);
  logs.addEventListener("change", () => {
    axes.forEach(measure);
    lay();
  });
  sweep.on("limits", change);
  sweep.on("chosen", () => drawMarked());
  sweep.on("under", () => {
    drawMarked();
    byId("under").textContent = state.under >= 0 ? sweep.words(state.under) : "";
  });
  axes.forEach(measure);
  build();
  tally();
  new ResizeObserver(lay).observe(host.parentElement);

  // colours are drawn into the canvases: again whenever they change, and on paper always the light ones
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const print = (begins) => {
    printing = begins;
    for (const part of [host, byId("kinds")]) part.style.colorScheme = begins ? "light" : "";
    draw();
  };
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => setTimeout(print, 500, false)); // browsers say so before they are done
})();
