// Choosing and sending recordings. Names of files stay in the browser; what is sent is the content.
import { ask, byId, onSubmit, showJobs, tell, watchJobs } from "/static/app.js";

const FILMS = [".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".3gp", ".mts", ".m2ts", ".mpg",
  ".mpeg", ".wmv", ".gif"];
const POSES = [".parquet", ".json", ".csv", ".h5"];
const PIECE = 8 * 2 ** 20;

const ending = (name) => (name.includes(".") ? name.slice(name.lastIndexOf(".")).toLowerCase() : "");
let chosen = [];

/** Recordings among files: films and pose files one by one, a folder of JSON frames as one. */
function recordings(files) {
  const found = [];
  const folders = new Map();
  for (const { file, path } of files) {
    if (file.name.startsWith(".")) continue;
    const suffix = ending(file.name);
    if (FILMS.includes(suffix)) found.push({ kind: "film", suffix, name: file.name, blob: file });
    else if (suffix === ".json" && path.includes("/")) {
      const folder = path.slice(0, path.lastIndexOf("/"));
      if (!folders.has(folder)) folders.set(folder, []);
      folders.get(folder).push(file);
    } else if (POSES.includes(suffix)) found.push({ kind: "pose", suffix, name: file.name, blob: file });
  }
  for (const [folder, frames] of folders) {
    if (frames.length > 5) {
      frames.sort((a, b) => (a.name < b.name ? -1 : 1));
      found.push({ kind: "frames", suffix: ".jsonl", name: `${folder} (${frames.length} frames)`, frames });
    } else {
      for (const file of frames) found.push({ kind: "pose", suffix: ".json", name: file.name, blob: file });
    }
  }
  return found;
}

function show() {
  byId("chosen").replaceChildren(...chosen.map((item) => {
    const row = document.createElement("li");
    const name = Object.assign(document.createElement("span"), { textContent: item.name });
    const state = Object.assign(document.createElement("span"), { textContent: item.state || "", className: "soft" });
    row.append(name, state);
    item.row = state;
    return row;
  }));
  byId("intake").querySelector(".primary").disabled = !chosen.length;
}

function choose(files) {
  const found = recordings(files);
  chosen = [...chosen.filter((item) => !item.done), ...found];
  if (!found.length) tell("No film or pose file is among these.");
  show();
}

async function walk(entry, path, into) {
  if (entry.isFile) {
    const file = await new Promise((give, fail) => entry.file(give, fail));
    into.push({ file, path: path + entry.name });
  } else if (entry.isDirectory) {
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((give, fail) => reader.readEntries(give, fail));
      if (!some.length) break;
      for (const inner of some) await walk(inner, `${path}${entry.name}/`, into);
    }
  }
}

/** Frames as one document a line: thousands of files become one upload. */
async function bundle(frames) {
  const lines = [];
  for (const file of frames) lines.push(`${JSON.stringify(JSON.parse(await file.text()))}\n`);
  return new Blob(lines);
}

async function send(item, about) {
  const blob = item.frames ? await bundle(item.frames) : item.blob;
  const upload = await ask("POST", "/api/uploads", { ...about, kind: item.kind, suffix: item.suffix, size: blob.size });
  let offset = 0;
  let misses = 0;
  while (offset < blob.size) {
    try {
      const got = await ask("PATCH", `/api/uploads/${upload.id}?offset=${offset}`, blob.slice(offset, offset + PIECE));
      offset = got.offset;
      misses = 0;
      item.row.textContent = `${Math.floor((100 * offset) / blob.size)} %`;
    } catch (error) {
      // The line broke, or the app was restarted: ask how far it came, and go on from there.
      if ((error.status && error.code !== "E813") || misses >= 20) throw error;
      misses += 1;
      await new Promise((then) => setTimeout(then, 500 * misses));
      offset = await ask("GET", `/api/uploads/${upload.id}`).then((got) => got.offset, () => offset);
    }
  }
  await ask("POST", `/api/uploads/${upload.id}/finish`);
}

const drop = byId("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("is-over"); });
}
drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("is-over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = [];
  for (const entry of entries) await walk(entry, "", files);
  choose(files);
});
byId("files").addEventListener("change", (event) => {
  choose([...event.target.files].map((file) => ({ file, path: file.name })));
  event.target.value = "";
});
byId("folder").addEventListener("change", (event) => {
  choose([...event.target.files].map((file) => ({ file, path: file.webkitRelativePath })));
  event.target.value = "";
});
for (const input of [byId("files"), byId("folder")]) { // chosen before this script was there
  if (input.files.length) input.dispatchEvent(new Event("change"));
}

onSubmit(byId("intake"), async (form) => {
  const age = form.age.value === "" ? null : Number(form.age.value);
  const about = { infant: form.infant.value, age_weeks: age };
  const said = {
    skeleton: byId("skeleton").value || null,
    fps: byId("fps").value ? Number(byId("fps").value) : null,
  };
  const problems = [];
  for (const item of chosen.filter((other) => !other.done)) {
    try {
      item.row.textContent = "sending";
      await send(item, item.kind === "film" ? about : { ...about, ...said });
      item.done = true;
      item.row.textContent = "added";
    } catch (error) {
      item.row.textContent = "not added";
      problems.push(error.message);
    }
  }
  const added = chosen.filter((item) => item.done).length;
  chosen = chosen.filter((item) => !item.done);
  if (added) tell(added === 1 ? "Added" : `${added} recordings added`);
  if (problems.length) throw new Error([...new Set(problems)].join(" "));
  form.reset();
  show();
});

document.addEventListener("submit", async (event) => {
  if (event.target.id !== "find") return; // the list around it is renewed now and then
  event.preventDefault();
  const place = byId("found");
  try {
    const cases = await ask("POST", "/api/find", { infant: byId("wanted").value });
    place.replaceChildren(...cases.map((item) => {
      const row = document.createElement("li");
      row.append(Object.assign(document.createElement("a"), { href: `/cases/${item.id}`, textContent: item.infant }), ` ${item.created.slice(0, 10)}`);
      return row;
    }));
    if (!cases.length) place.append(Object.assign(document.createElement("li"), { textContent: "No such case" }));
  } catch (error) { tell(error.message); }
});

let before = null;
watchJobs((jobs) => {
  showJobs(byId("jobs"), jobs.filter((job) => job.state !== "done"));
  byId("idle").hidden = byId("jobs").children.length > 0;
  for (const job of jobs) {
    const place = document.querySelector(`tr[data-case="${job.case}"] .state`);
    if (place && job.state === "running") place.textContent = `${Math.round(job.share * 100)} %`;
  }
  // The list itself is made by the app: fetch it anew when a case came or was finished.
  const now = jobs.map((job) => `${job.id}:${job.state}`).join();
  if (before !== null && now !== before) refresh();
  before = now;
});

async function refresh() {
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (byId("find").contains(document.activeElement) || byId("found").children.length) return; // in use
  const focused = document.activeElement && document.activeElement.getAttribute("href");
  document.querySelector(".cases-side").replaceWith(page.querySelector(".cases-side"));
  if (focused) {
    const again = [...document.querySelectorAll(".cases-side a")].find((a) => a.getAttribute("href") === focused);
    if (again) again.focus();
  }
}
