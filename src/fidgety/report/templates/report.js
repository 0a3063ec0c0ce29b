"use strict";
(() => {
  // Wakes the fragments of a report found in `scope`; call it again for a fragment put in later.
  const start = (scope) => {
    // One clip of the timeline at a time, read from the table below it.
    const timeline = scope.querySelector("#timeline");
    if (timeline) {
      const rows = [...scope.querySelectorAll("#clips-table tbody tr")];
      const heads = [...scope.querySelectorAll("#clips-table thead th")].map((h) => h.textContent);
      const svg = timeline.querySelector(".drawing");
      const cursor = svg.querySelector(".cursor");
      const [left, right, end] = ["left", "right", "end"].map((key) => Number(cursor.dataset[key]));
      const slider = timeline.querySelector("#moment");
      const output = timeline.querySelector("output");
      const second = (cell) => Number((cell.querySelector("data") || {}).value);
      const middles = rows.map((row) => (second(row.cells[0]) + second(row.cells[1])) / 2);
      const read = (index) => {
        const cells = [...rows[index].cells].map((cell) => cell.textContent);
        const said = cells.slice(2).map((text, at) => `${heads[at + 2]} ${text}`).join(" · ");
        output.replaceChildren(Object.assign(document.createElement("b"), {
          textContent: `${cells[0]} to ${cells[1]}`,
        }), ` · ${said}`);
        slider.value = String(index);
        slider.setAttribute("aria-valuetext", `${cells[0]} to ${cells[1]}, ${said}`);
        if (!Number.isFinite(middles[index])) return;
        const x = String(left + (right - left) * middles[index] / end);
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
        timeline.classList.add("is-reading");
      };
      svg.addEventListener("pointermove", (event) => {
        const point = new DOMPoint(event.clientX, event.clientY);
        const at = point.matrixTransform(svg.getScreenCTM().inverse()).x;
        const time = (at - left) / (right - left) * end;
        let nearest = 0;
        middles.forEach((middle, index) => {
          if (Math.abs(middle - time) < Math.abs(middles[nearest] - time)) nearest = index;
        });
        read(nearest);
      });
      slider.addEventListener("input", () => read(Number(slider.value)));
      timeline.querySelector(".scrub").hidden = false;
    }

    // The same result where abnormal movements are rarer or commoner: only the odds before it change.
    const odds = scope.querySelector("#odds");
    if (!odds || !odds.dataset.base) return;
    const base = Number(odds.dataset.base);
    const risk = Number(odds.dataset.risk);
    const interval = odds.dataset.low ? [Number(odds.dataset.low), Number(odds.dataset.high)] : null;
    const input = odds.querySelector("#prevalence");

    const shift = (value, here) => {
      if (value <= 0 || value >= 1) return value;
      const o = (value / (1 - value)) * (here / (1 - here)) / (base / (1 - base));
      return o / (1 + o);
    };
    const sampleSize = (...all) => {
      const rarest = Math.min(...all.map((p) => Math.min(p, 1 - p)));
      return [100, 1000].find((size) => rarest * size >= 5) || 10000;
    };
    const put = (key, text) => {
      odds.querySelectorAll(`[data-say="${key}"]`).forEach((node) => { node.textContent = text; });
    };

    const update = (here) => {
      const after = shift(risk, here);
      const [low, high] = (interval || [risk, risk]).map((end) => shift(end, here));
      const size = sampleSize(after, here);
      const say = (p) => [Math.floor(p * size + 0.5), size].map((n) => n.toLocaleString("en")).join(" of ");
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
  };
  window.fidgetyReport = { start };
  start(document);
})();
