import { ask, byId, onSubmit } from "/static/app.js";

const door = byId("door");
const enter = async (word) => {
  await ask("POST", "/api/door", { word });
  location.replace("/");
};

if ("link" in door.dataset) {
  // The word stands behind the # of the link, which browsers send to nobody.
  const word = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (word) {
    enter(word).catch((error) => { door.querySelector(".problem").textContent = error.message; });
  }
} else {
  onSubmit(door, (form) => enter(form.word.value));
  byId("word").focus();
}
