import { ask, byId, onSubmit } from "/static/app.js";

const choice = byId("reader");
if (choice) {
  const guard = () => {
    const guarded = "guarded" in choice.selectedOptions[0].dataset;
    const place = document.querySelector(".guarded");
    place.hidden = !guarded;
    place.querySelector("input").required = guarded;
  };
  choice.addEventListener("change", guard);
  guard();
}
onSubmit(byId("known"), async (form) => {
  await ask("POST", "/api/reader", { reader: Number(form.reader.value), passphrase: form.passphrase.value });
  location.assign("/");
});
onSubmit(byId("new"), async (form) => {
  await ask("POST", "/api/reader", { name: form.elements.name.value, passphrase: form.passphrase.value });
  location.assign("/");
});
onSubmit(byId("leave"), async () => {
  await ask("DELETE", "/api/door");
  location.assign("/door");
});
