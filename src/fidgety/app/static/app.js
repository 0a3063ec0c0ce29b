// What every page's script uses: asking the app, telling the reader, times in words.

export const byId = (id) => document.getElementById(id);
const csrf = document.querySelector('meta[name="csrf"]').content;

export class Refusal extends Error {
  constructor(status, content) {
    super((content && content.message) || "The app does not answer. Is it still running?");
    this.status = status;
    this.code = content && content.code;
  }
}

/** Ask the app; throws a Refusal with words for the reader. */
export async function ask(method, path, content, options = {}) {
  const raw = content instanceof Blob;
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: {
        "X-CSRF-Token": csrf,
        ...(content === undefined || raw ? {} : { "Content-Type": "application/json" }),
      },
      body: content === undefined ? undefined : raw ? content : JSON.stringify(content),
      credentials: "same-origin",
      ...options,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, null);
  }
  const type = answer.headers.get("Content-Type") || "";
  const said = type.includes("json") ? await answer.json() : null;
  if (!answer.ok) throw new Refusal(answer.status, said);
  return said;
}

let quieting = 0;
/** Say something in passing, for eyes and screen readers. */
export function tell(text) {
  const place = byId("told");
  place.textContent = text;
  clearTimeout(quieting);
  quieting = setTimeout(() => { place.textContent = ""; }, 4000);
}

/** Send a form in the background: `send` gets it; a refusal is shown in the form. */
export function onSubmit(form, send) {
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".problem");
    const button = form.querySelector('button[type="submit"]');
    if (problem) problem.textContent = "";
    button.disabled = true;
    try {
      await send(form);
    } catch (error) {
      if (problem) problem.textContent = error.message;
      else tell(error.message);
    } finally {
      button.disabled = false;
    }
  });
}

export const clock = (seconds, digits = 0) => {
  const scale = 10 ** digits;
  const whole = Math.floor(seconds * scale + 1e-6);
  const rest = (whole % (60 * scale)) / scale;
  return `${Math.floor(whole / (60 * scale))}:${rest.toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
};

/** About how long something still takes, in words. */
export const left = (seconds) => {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `about ${Math.max(1, Math.round(seconds / 5) * 5)} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
};

/** The list of jobs, kept up to date by the app; `then` is called with each list. */
export function watchJobs(then) {
  const source = new EventSource("/api/events");
  source.addEventListener("jobs", (event) => then(JSON.parse(event.data)));
  addEventListener("pagehide", () => source.close());
  return source;
}

/** One job as a list item, updated in place so that focus stays where it is. */
export function showJobs(list, jobs) {
  const known = new Map([...list.children].map((item) => [item.dataset.job, item]));
  for (const job of jobs) {
    const item = known.get(job.id) || newJob(list, job);
    known.delete(job.id);
    const runs = job.state === "running" || job.state === "queued";
    const words = {
      queued: "waiting",
      running: `${job.stage || "starting"} · ${Math.round(job.share * 100)} %${job.left_s ? ` · ${left(job.left_s)}` : ""}`,
      done: "ready",
      failed: job.message || "failed",
      cancelled: "cancelled",
    };
    item.dataset.state = job.state;
    item.querySelector("progress").hidden = !runs;
    item.querySelector("progress").value = job.state === "running" ? job.share : 0;
    item.querySelector(".job-text").textContent = words[job.state];
    item.querySelector("button").hidden = !runs;
  }
  for (const gone of known.values()) gone.remove();
}

function newJob(list, job) {
  const item = document.createElement("li");
  item.dataset.job = job.id;
  const link = Object.assign(document.createElement("a"), { href: `/cases/${job.case}`, textContent: job.infant });
  const cancel = Object.assign(document.createElement("button"), { type: "button", textContent: "Cancel" });
  cancel.setAttribute("aria-label", `Cancel ${job.infant}`);
  cancel.addEventListener("click", async () => {
    try { await ask("POST", `/api/jobs/${job.id}/cancel`); } catch (error) { tell(error.message); }
  });
  const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
  bar.setAttribute("aria-label", `Progress of ${job.infant}`);
  const text = Object.assign(document.createElement("p"), { className: "job-text" });
  item.append(link, cancel, bar, text);
  list.append(item);
  return item;
}

// Dialogs: any button that names one opens it; any button marked so closes its own.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) {
    const menu = opener.closest("details");
    if (menu) menu.open = false;
    byId(opener.dataset.open).showModal();
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
