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

  // The same result where abnormal movements are rarer or commoner: only the odds before it change.
  const odds = document.getElementById("odds");
  if (!odds || !odds.dataset.base) return;
  const base = Number(odds.dataset.base);
  const risk = Number(odds.dataset.risk);
  const interval = odds.dataset.low ? [Number(odds.dataset.low), Number(odds.dataset.high)] : null;
  const input = document.getElementById("prevalence");

  const shift = (value, here) => {
    if (value <= 0 || value >= 1) return value;
    const o = (value / (1 - value)) * (here / (1 - here)) / (base / (1 - base));
    return o / (1 + o);
  };
  const frequency = (p) => {
    for (const of of [100, 1000, 10000]) {
      if (of === 10000 || (p * of >= 1 && (1 - p) * of >= 1)) return [Math.floor(p * of + 0.5), of];
    }
  };
  const say = (p) => frequency(p).map((n) => n.toLocaleString("en")).join(" of ");
  const put = (key, text) => {
    odds.querySelectorAll(`[data-say="${key}"]`).forEach((node) => { node.textContent = text; });
  };

  const update = (here) => {
    const after = shift(risk, here);
    const [low, high] = (interval || [risk, risk]).map((end) => shift(end, here));
    put("before", say(here));
    put("after", say(after));
    put("low", say(low));
    put("high", say(high));
    const [filled, from, to] = [after, low, high].map((p) => Math.round(100 * p));
    odds.querySelectorAll(".hundred circle").forEach((dot, index) => {
      dot.classList.toggle("is-filled", index < filled);
      dot.classList.toggle("is-unsure", index >= from && index < to);
    });
    const told = odds.querySelector(".hundred desc");
    told.textContent = `${filled} of 100 dots are filled; the interval runs from ${from} to ${to}.`;
    odds.querySelectorAll("button[data-prevalence]").forEach((choice) => {
      const chosen = Math.abs(Number(choice.dataset.prevalence) - here) < 1e-9;
      choice.setAttribute("aria-pressed", String(chosen));
    });
  };
  const read = () => {
    const here = Number(input.value) / 100;
    const valid = here > 0 && here < 1;
    input.setAttribute("aria-invalid", String(!valid));
    if (valid) update(here);
  };

  odds.querySelectorAll("[data-script]").forEach((node) => { node.hidden = false; });
  input.addEventListener("input", read);
  odds.querySelectorAll("button[data-prevalence]").forEach((choice) => {
    choice.addEventListener("click", () => {
      const here = Number(choice.dataset.prevalence);
      input.value = String(Math.round(here * 1e5) / 1e3);
      input.setAttribute("aria-invalid", "false");
      update(here);
    });
  });
  update(base);
})();
