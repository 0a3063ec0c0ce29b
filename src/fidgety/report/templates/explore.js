"use strict";
(() => {
  // Charts to zoom into: the plot library is unpacked when the first is asked for.
  const packed = document.getElementById("plotly");
  if (!packed || !("DecompressionStream" in window)) return;
  const root = document.documentElement;
  let loading;
  const load = () => {
    loading = loading || (async () => {
      const bytes = Uint8Array.from(atob(packed.textContent.trim()), (c) => c.charCodeAt(0));
      const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      const script = document.createElement("script");
      script.textContent = await new Response(whole).text();
      document.head.append(script);
      return window.Plotly;
    })();
    return loading;
  };

  // "var(--ink)" anywhere in a figure becomes the colour it has on the page now.
  const coloured = (value) => {
    if (Array.isArray(value)) return value.map(coloured);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
    }
    const named = typeof value === "string" && /^var\((--[a-z-]+)\)$/.exec(value);
    return named ? getComputedStyle(root).getPropertyValue(named[1]).trim() : value;
  };

  const settings = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
  };
  const shown = new Map();
  const draw = (plotly, place, figure) => {
    const { data, layout } = coloured(figure);
    return plotly.react(place, data, layout, settings);
  };

  document.querySelectorAll("[data-explore]").forEach((button) => {
    const figure = JSON.parse(document.getElementById(button.dataset.explore).textContent);
    const home = button.closest("figure") || button.parentElement;
    const still = home.querySelector(".still");
    const place = document.createElement("div");
    place.className = "explored";
    place.setAttribute("role", "region");
    place.setAttribute("aria-label", `${button.dataset.name}, to zoom into; the table has the same values`);
    const open = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const opened = place.isConnected;
      if (opened) {
        place.remove();
        shown.delete(place);
      } else {
        button.disabled = true;
        still.after(place);
        const plotly = await load();
        await draw(plotly, place, figure);
        shown.set(place, figure);
        button.disabled = false;
      }
      still.classList.toggle("is-replaced", !opened);
      button.textContent = opened ? open : "Back to the still chart";
      button.setAttribute("aria-expanded", String(!opened));
    });
  });
  const again = () => shown.forEach((figure, place) => draw(window.Plotly, place, figure));
  new MutationObserver(again).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
})();
