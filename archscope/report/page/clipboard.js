"use strict";
// Tables to the clipboard, as CSV that opens right in a spreadsheet.
const clipboard = (() => {
  const cell = (content) => {
    let text = content === null ? "" : String(content);
    // no spreadsheet shall run it; numbers, also several as in -3x-3, stay as they are
    if (/^[=+\-@\t\r\n＝＋－＠]/.test(text) && !/^[-+]?\d+(\.\d+)?(x[-+]?\d+(\.\d+)?)*$/.test(text)) text = "'" + text;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  // what the figures lack, in every row, as the files have it
  const lacking = (rows, words) => (words ? rows.map((row, i) => [...row, i ? words : "incomplete"]) : rows);
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
  return { csv, copy, lacking };
})();
