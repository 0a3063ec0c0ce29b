"use strict";
(() => {
  const root = document.documentElement;

  // Light, dark, or as the system says.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { button.textContent = isDark() ? "Light page" : "Dark page"; };
  button.hidden = false;
  name();
  dark.addEventListener("change", name);
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
  });

  // The section being read, marked in the contents.
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const sections = [...document.querySelectorAll("main > section")];
  const mark = () => {
    const middle = innerHeight / 3;
    const past = sections.filter((section) => section.getBoundingClientRect().top <= middle);
    const here = past.length ? past[past.length - 1].id : null;
    links.forEach((link, id) => {
      if (id !== here) { link.removeAttribute("aria-current"); return; }
      if (link.hasAttribute("aria-current")) return;
      link.setAttribute("aria-current", "true");
      const list = link.closest("ol");
      list.scrollLeft = link.offsetLeft - list.offsetLeft - 24;
    });
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mark(); });
  }, { passive: true });
  mark();
})();
