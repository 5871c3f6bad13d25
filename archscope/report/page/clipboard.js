"use strict";
// Tables to the clipboard, as CSV that opens right in a spreadsheet.
const clipboard = (() => {
  const cell = (content) => {
    let text = content === null ? "" : String(content);
    if (typeof content === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text; // no spreadsheet shall run it
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (rows) => rows.map((row) => row.map(cell).join(",") + "\n").join("");
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy"); // where a browser gives no clipboard to files
      area.remove();
    }
  };
  return { csv, copy };
})();
