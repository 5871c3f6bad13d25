"use strict";
// What the scripts of the pages share: elements, how numbers are written, and a cursor on a chart.
const page = (() => {
  const byId = (id) => document.getElementById(id);
  const parsed = (id) => byId(id) && JSON.parse(byId(id).textContent);
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const real = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 });
  const ratio = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const duration = (seconds) => {
    const units = [["s", 1], ["ms", 1e-3], ["µs", 1e-6], ["ns", 1e-9]];
    const [unit, scale] = units.find(([, one]) => seconds >= one) ?? ["", 0];
    if (!unit) return seconds ? "under 1 ns" : "0 µs";
    const number = seconds / scale;
    return `${number >= 100 ? whole.format(number) : Number(number.toPrecision(3))} ${unit}`;
  };
  const written = (column, content) => {
    if (content === null || content === "") return "";
    if (column.style === "share") return (100 * content).toFixed(2) + "%";
    if (column.style === "ratio") return ratio.format(content);
    if (column.style === "percent") return `${content}%`;
    if (column.style === "seconds") return duration(content);
    if (column.style === "count") {
      if (typeof content === "string") return whole.format(BigInt(content)); // beyond 2**53
      return (Number.isInteger(content) ? whole : real).format(content);
    }
    return String(content);
  };

  // what lies under the pointer, or where the arrow keys lead
  const follow = (chart, length, label, text) => {
    const plot = chart.querySelector(".plot");
    const readout = element("p", { className: "readout" });
    const cursor = element("span", { className: "cursor", hidden: true });
    plot.append(cursor);
    plot.after(readout);
    Object.entries({ role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 1, "aria-valuemax": length, "aria-valuenow": 1, "aria-valuetext": text(0) }).forEach(([name, value]) => plot.setAttribute(name, value));
    let at = 0;
    const show = (place) => {
      at = Math.min(length - 1, Math.max(0, place));
      cursor.hidden = false;
      cursor.style.left = `${(100 * (at + 0.5)) / length}%`;
      readout.textContent = text(at);
      plot.setAttribute("aria-valuenow", at + 1);
      plot.setAttribute("aria-valuetext", text(at));
    };
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      show(Math.floor(((event.clientX - box.left) / box.width) * length));
    });
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -length, End: length }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(at + step);
    });
  };

  return { byId, parsed, element, whole, ratio, written, follow };
})();
