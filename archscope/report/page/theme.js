"use strict";
// Colours: as the system has them, or as the reader chooses.
(() => {
  const button = document.getElementById("theme");
  const names = ["auto", "light", "dark"];
  let at = 0;
  button.addEventListener("click", () => {
    at = (at + 1) % names.length;
    const name = names[at];
    if (at) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    button.lastElementChild.textContent = name;
    button.setAttribute("aria-label", `Colours: ${at ? name : "as the system"}`);
  });
})();
