// cividis (Nunez, Anderton, Renslow 2018, doi 10.1371/journal.pone.0199239) at 33 even steps, as in the
// report; a test keeps both alike.
const STEPS = [
  "#00224e", "#00285b", "#002e6a", "#053371", "#1a386f", "#273e6e", "#32436d", "#3b496c",
  "#434e6c", "#4b546c", "#535a6d", "#5a5f6e", "#61656f", "#686a71", "#6f7073", "#767676",
  "#7d7c78", "#848279", "#8c8878", "#938e78", "#9b9476", "#a39a74", "#aba072", "#b4a76f",
  "#bcae6c", "#c4b468", "#cdbb63", "#d5c25e", "#dec958", "#e7d150", "#f0d846", "#f9e03a",
  "#fee838",
];

/** Hex colour of a value in 0..1 (clipped). */
export function cividis(value) {
  const place = Math.min(Math.max(value, 0), 1) * (STEPS.length - 1);
  const step = Math.min(Math.floor(place), STEPS.length - 2);
  const channel = (hex, at) => parseInt(hex.slice(1 + 2 * at, 3 + 2 * at), 16);
  return `#${[0, 1, 2].map((at) => {
    const [a, b] = [channel(STEPS[step], at), channel(STEPS[step + 1], at)];
    return Math.round(a + (place - step) * (b - a)).toString(16).padStart(2, "0");
  }).join("")}`;
}
