// One case: player, timeline and keys on one cursor; then the reading.
import { ask, byId, clock, onSubmit, showJobs, tell, watchJobs } from "/static/app.js";
import { cividis } from "/static/cividis.js";
import { Player } from "/static/player.js";
import { Timeline } from "/static/timeline.js";

const page = byId("case");
const id = page.dataset.case;
const VIEWS = { film: "Film", blurred: "Face blurred", skeleton: "Skeleton only" };
const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];

async function watch() {
  const [content, buffer] = await Promise.all([
    ask("GET", `/api/cases/${id}/player`),
    fetch(`/api/cases/${id}/joints`, { credentials: "same-origin" }).then((answer) => answer.arrayBuffer()),
  ]);
  const player = new Player(byId("stage"), content, buffer);
  const timeline = new Timeline(byId("strip"), byId("timeline-tip"), content, cividis);
  const clips = timeline.salient();
  colourJoints(player, content);
  views(player, content);
  transport(player, timeline, clips);
  keys(player);
  player.addEventListener("frame", () => follow(player, timeline));
  timeline.addEventListener("wish", (event) => player.seekTime(event.detail));
  notes(player, timeline);
  const asked = /^#t=([\d.]+)$/.exec(location.hash);
  if (asked) player.seekTime(Number(asked[1]));
  follow(player, timeline);
  page.dataset.loaded = "1";
  return player;
}

function colourJoints(player, content) {
  const known = new Map((content.assessed || []).map((joint) => [joint.name, joint.attention]));
  const found = content.joints.map((name) => known.get(name) ?? null);
  const most = Math.max(...found.map((value) => value ?? 0));
  if (!(most > 0)) return;
  const shares = found.map((value) => (value === null ? 0 : value / most));
  player.colour(shares, shares.map(cividis));
}

function views(player, content) {
  const choice = byId("view");
  const names = [...content.views, "skeleton"];
  choice.replaceChildren(...names.map((name) => new Option(VIEWS[name], name)));
  const wanted = names.includes(page.dataset.view) ? page.dataset.view : names[0];
  const show = (view) => {
    choice.value = view;
    player.show(view);
    const note = byId("stage-note");
    note.hidden = content.views.length > 0;
    note.textContent = "No film is kept; the pose is shown.";
  };
  choice.addEventListener("change", () => show(choice.value));
  player.next = () => show(names[(names.indexOf(choice.value) + 1) % names.length]);
  show(wanted);
}

function transport(player, timeline, clips) {
  const play = byId("play");
  const state = () => { play.textContent = player.playing ? "Pause" : "Play"; };
  player.addEventListener("state", state);
  play.addEventListener("click", () => player.toggle());
  byId("back").addEventListener("click", () => player.step(-1));
  byId("forth").addEventListener("click", () => player.step(1));
  const rate = byId("rate");
  rate.addEventListener("change", () => player.speed(Number(rate.value)));
  player.faster = (step) => {
    const next = RATES[Math.max(0, Math.min(RATES.length - 1, RATES.indexOf(player.rate) + step))];
    rate.value = String(next);
    player.speed(next);
    tell(`${next} ×`);
  };
  const jump = (forward) => {
    const target = forward
      ? clips.find((clip) => player.firstOf(clip) > player.frame) || clips[0]
      : [...clips].reverse().find((clip) => clip.start_s < player.time - 0.4) || clips.at(-1);
    if (!target) return;
    if (player.loop) repeat(target);
    player.seekTime(target.start_s);
    tell(`Clip at ${clock(target.start_s, 1)}, ${(target.attention / timeline.even).toFixed(1)} times the even share`);
  };
  for (const [name, forward] of [["salient", true], ["salient-back", false]]) {
    byId(name).disabled = !clips.length;
    byId(name).addEventListener("click", () => jump(forward));
  }
  player.jump = jump;
  const loop = byId("loop");
  const repeat = (clip) => {
    player.loop = clip ? [player.firstOf(clip), Math.ceil(clip.end_s * player.fps)] : null;
    timeline.repeat(clip ? [clip.start_s, clip.end_s] : null);
    loop.setAttribute("aria-pressed", String(Boolean(clip)));
  };
  player.repeat = () => {
    if (player.loop) { repeat(null); return; }
    const here = player.time;
    const of = (player.content.clips || []).filter((clip) => player.firstOf(clip) <= player.frame && here < clip.end_s);
    const clip = of.sort((a, b) => b.attention - a.attention)[0] || { start_s: Math.max(0, here - 1), end_s: Math.min(player.duration, here + 1) };
    repeat(clip);
    tell(`Looping ${clock(clip.start_s, 1)} to ${clock(clip.end_s, 1)}`);
  };
  loop.addEventListener("click", () => player.repeat());
  byId("help").addEventListener("click", () => byId("help-dialog").showModal());
}

function follow(player, timeline) {
  const place = byId("place");
  const time = document.createElement("b");
  time.textContent = clock(player.time, 1);
  place.replaceChildren(time, ` / ${clock(player.duration)} · frame ${player.frame + 1} of ${player.count}`);
  timeline.move(player.time);
  const clip = timeline.even && (player.content.clips || []).find((item) => player.firstOf(item) <= player.frame && player.time < item.end_s);
  const marks = timeline.marksAt(player.time).map((mark) => mark.code);
  byId("stage-cue").textContent = [
    clip && clip.attention !== null ? `${(clip.attention / timeline.even).toFixed(1)} × even` : "",
    ...marks,
  ].filter(Boolean).join(" · ");
}

function keys(player) {
  const on = byId("keys-on");
  try { on.checked = localStorage.getItem("keys") !== "off"; } catch { /* as set */ }
  on.addEventListener("change", () => {
    try { localStorage.setItem("keys", on.checked ? "on" : "off"); } catch { /* for this page only */ }
  });
  const second = Math.round(player.fps);
  const acts = {
    " ": () => player.toggle(),
    ArrowLeft: (event) => player.step(event.shiftKey ? -second : -1),
    ArrowRight: (event) => player.step(event.shiftKey ? second : 1),
    Home: () => player.step(-player.count),
    End: () => player.step(player.count),
    "[": () => player.faster(-1),
    "]": () => player.faster(1),
    n: () => player.jump(true),
    p: () => player.jump(false),
    l: () => player.repeat(),
    v: () => { player.next(); tell(VIEWS[byId("view").value]); },
    m: () => { player.pause(); byId("note-text").focus(); },
    r: () => { const panel = byId("reading"); (panel.querySelector("input:checked, input[type=radio], button") || panel).focus(); },
    "?": () => byId("help-dialog").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const slider = target.id === "strip";
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (!on.checked && !slider) return;
    if (target.closest("input, select, textarea, [contenteditable]")) return;
    // A focused button, link or summary keeps Space for itself.
    if (event.key === " " && target.closest("button, a, summary")) return;
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
}

function notes(player, timeline) {
  const list = byId("notes");
  const mark = () => timeline.mark([...list.children].map((item) => Number(item.dataset.time)));
  list.addEventListener("click", async (event) => {
    const at = event.target.closest("[data-seek]");
    if (at) { player.pause(); player.seekTime(Number(at.dataset.seek)); }
    if (event.target.closest(".withdraw")) {
      const item = event.target.closest("li");
      try {
        await ask("DELETE", `/api/cases/${id}/notes/${item.dataset.note}`);
        item.remove();
        mark();
        byId("note-text").focus();
        tell("Withdrawn; the log keeps it");
      } catch (error) { tell(error.message); }
    }
  });
  onSubmit(byId("note-form"), async () => {
    const text = byId("note-text");
    const note = await ask("POST", `/api/cases/${id}/notes`, { time_s: player.time, text: text.value });
    const item = document.createElement("li");
    Object.assign(item.dataset, { note: note.id, time: note.time_s });
    const at = Object.assign(document.createElement("button"), { type: "button", className: "at", textContent: clock(note.time_s, 1) });
    at.dataset.seek = note.time_s;
    const words = Object.assign(document.createElement("span"), { textContent: note.text });
    const drop = Object.assign(document.createElement("button"), { type: "button", className: "quiet withdraw", textContent: "×" });
    drop.setAttribute("aria-label", `Withdraw the note at ${clock(note.time_s, 1)}`);
    item.append(at, " ", words, " ", drop);
    const later = [...list.children].find((other) => Number(other.dataset.time) > note.time_s);
    list.insertBefore(item, later || null);
    text.value = "";
    mark();
    tell(`Noted at ${clock(note.time_s, 1)}`);
  });
  mark();
}

/** Reload at the same moment, with the keyboard where the reader goes on. */
function again(player, hash) {
  try {
    sessionStorage.setItem("moment", JSON.stringify({ id, frame: player ? player.frame : 0, hash }));
  } catch { /* from the beginning, then */ }
  location.reload();
}

function reading(player) {
  const kept = (form) => ({
    score: (form.querySelector('[name="score"]:checked') || {}).value ?? null,
    agreement: (form.querySelector('[name="agreement"]:checked') || {}).value ?? null,
    comment: form.elements.comment ? form.elements.comment.value : "",
  });
  for (const form of [byId("rate-form"), byId("sign")]) {
    let saving = 0;
    if (form && !form.closest("details")) {
      form.addEventListener("input", () => {
        clearTimeout(saving);
        saving = setTimeout(() => ask("PUT", `/api/cases/${id}/draft`, kept(form)).catch(() => {}), 400);
      });
      form.addEventListener("submit", () => clearTimeout(saving));
    }
  }
  onSubmit(byId("rate-form"), async (form) => {
    await ask("POST", `/api/cases/${id}/rating`, { score: kept(form).score });
    again(player, "rated");
  });
  onSubmit(byId("sign"), async (form) => {
    const passphrase = form.elements.passphrase ? form.elements.passphrase.value : "";
    const reason = form.elements.reason ? form.elements.reason.value : "";
    await ask("POST", `/api/cases/${id}/signature`, { ...kept(form), reason, passphrase, assessment: page.dataset.assessment || null });
    again(player, "signed");
  });
}

function resume(player) {
  let before = null;
  try {
    before = JSON.parse(sessionStorage.getItem("moment"));
    sessionStorage.removeItem("moment");
  } catch { /* nothing kept */ }
  if (!before || before.id !== id) return;
  if (player) player.seek(before.frame);
  const panel = byId("reading");
  panel.focus({ preventScroll: true });
  tell(before.hash === "signed" ? "Signed" : "Rated; the model's result is shown below");
}

onSubmit(byId("correct"), async () => {
  const age = byId("correct-age").value;
  await ask("POST", `/api/cases/${id}/correct`, {
    infant: byId("correct-infant").value, age_weeks: age === "" ? null : Number(age),
  });
  location.reload();
});
const removal = byId("delete-film");
if (removal) {
  removal.addEventListener("click", async () => {
    try {
      await ask("DELETE", `/api/cases/${id}/film`);
      location.reload();
    } catch (error) { byId("delete-dialog").querySelector(".problem").textContent = error.message; }
  });
}
const repeated = byId("again");
if (repeated) {
  repeated.addEventListener("click", async () => {
    try {
      await ask("POST", `/api/cases/${id}/assess`);
      tell("In the queue");
      if (page.dataset.ready !== "1") location.reload();
    } catch (error) { tell(error.message); }
  });
}

if (page.dataset.ready === "1") {
  const player = await watch();
  reading(player);
  resume(player);
} else if (["queued", "running"].includes(page.dataset.state)) {
  watchJobs((jobs) => {
    const own = jobs.filter((job) => job.case === id);
    if (own.some((job) => !["queued", "running"].includes(job.state)) || !own.length) location.reload();
    else showJobs(byId("jobs"), own);
  });
}
