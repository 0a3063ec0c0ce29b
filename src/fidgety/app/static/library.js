import { ask, byId, onSubmit, tell } from "/static/app.js";

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", async () => {
    try {
      await ask("POST", `/api/models/${button.dataset.choose}/choose`);
      location.reload();
    } catch (error) { tell(error.message); }
  });
}
onSubmit(byId("settings"), async (form) => {
  await ask("PUT", "/api/settings", {
    reveal: form.reveal.value,
    attention_first: form.attention_first.value === "true",
    readings: Number(form.readings.value),
    view: form.view.value,
  });
  tell("Saved");
});
byId("verify").addEventListener("click", async () => {
  const place = byId("verified");
  place.textContent = "Checking ...";
  try {
    const found = await ask("GET", "/api/verify");
    place.textContent = found.faults.length
      ? `The log does not hold: ${found.faults.join("; ")}`
      : `All ${found.entries} entries hold, and so do the cases they tell of.`;
  } catch (error) { place.textContent = error.message; }
});
