// Attention, movement of each limb, confidence and marks of quality over one axis, with one cursor.
import { clock } from "/static/app.js";

const GUTTER = 92;
const END = 8;
const ROWS = { marks: 15, attention: 46, part: 15, confidence: 20, axis: 18, gap: 3 };
const PARTS = ["head", "trunk", "right_arm", "left_arm", "right_leg", "left_leg"];

export class Timeline extends EventTarget {
  /**
   * @param {HTMLElement} strip role=slider with a canvas in it
   * @param {HTMLElement} tip
   * @param {object} content what /api/cases/ID/player says
   * @param {(share: number) => string} colour of the map
   */
  constructor(strip, tip, content, colour) {
    super();
    Object.assign(this, { strip, tip, content, colour });
    this.canvas = strip.querySelector("canvas");
    this.end = Math.max(content.duration_s || 0, 0.1);
    this.notes = [];
    this.loop = null;
    this.time = 0;
    this.parts = Object.entries((content.movement && content.movement.parts) || {})
      .sort(([a], [b]) => PARTS.indexOf(a) - PARTS.indexOf(b));
    const clips = (content.clips || []).filter((clip) => clip.attention !== null && clip.usable !== false);
    const total = clips.reduce((sum, clip) => sum + clip.attention, 0);
    this.even = clips.length && total > 0 ? total / clips.length : null;
    this.most = Math.max(...clips.map((clip) => clip.attention), 0);
    this.height = ROWS.marks + (this.even ? ROWS.attention + ROWS.gap : 0)
      + this.parts.length * (ROWS.part + ROWS.gap) + ROWS.confidence + ROWS.axis + 4;
    this.canvas.style.height = `${this.height}px`;
    this.still = document.createElement("canvas");
    new ResizeObserver(() => this.paint()).observe(strip);
    addEventListener("themechange", () => this.paint());
    let dragging = false;
    strip.addEventListener("pointerdown", (event) => {
      dragging = true;
      strip.setPointerCapture(event.pointerId);
      strip.focus();
      this.wish(event);
    });
    strip.addEventListener("pointermove", (event) => {
      this.hover(event);
      if (dragging) this.wish(event);
    });
    strip.addEventListener("pointerup", () => { dragging = false; });
    strip.addEventListener("pointerleave", () => { this.tip.hidden = true; });
  }

  /** Clips worth a look, by time: above the even share, each 3 s or more from a stronger one. */
  salient() {
    if (!this.even) return [];
    const strong = this.content.clips
      .filter((clip) => clip.usable !== false && clip.attention > 1.15 * this.even)
      .sort((a, b) => b.attention - a.attention);
    const kept = [];
    for (const clip of strong) {
      if (kept.length >= 12) break;
      if (kept.every((other) => Math.abs(other.start_s - clip.start_s) >= 3)) kept.push(clip);
    }
    return kept.sort((a, b) => a.start_s - b.start_s);
  }

  x(seconds) { return GUTTER + (this.width - GUTTER - END) * Math.min(Math.max(seconds / this.end, 0), 1); }

  timeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - GUTTER) / (box.width - GUTTER - END);
    return Math.min(Math.max(share, 0), 1) * this.end;
  }

  wish(event) { this.dispatchEvent(new CustomEvent("wish", { detail: this.timeAt(event) })); }

  hover(event) {
    const time = this.timeAt(event);
    const clip = (this.content.clips || []).find((item) => item.start_s <= time && time < item.end_s);
    const times = clip && this.even && clip.attention !== null ? ` · ${(clip.attention / this.even).toFixed(1)} ×` : "";
    const marks = this.marksAt(time).map((mark) => mark.code).join(" ");
    this.tip.textContent = clock(time, 1) + times + (marks ? ` · ${marks}` : "");
    this.tip.hidden = false;
    this.tip.style.left = `${event.clientX - this.strip.parentElement.getBoundingClientRect().left}px`;
  }

  /** What the quality check says of parts of the recording; what holds throughout marks nothing. */
  reasons() {
    return ((this.content.quality || {}).reasons || [])
      .map((reason) => ({ ...reason, ranges: (reason.ranges || []).filter(([a, b]) => b - a < 0.95 * this.end) }))
      .filter((reason) => reason.ranges.length);
  }

  marksAt(time) { return this.reasons().filter((r) => r.ranges.some(([a, b]) => a <= time && time <= b)); }

  /** Move the cursor. */
  move(time) {
    this.time = time;
    this.strip.setAttribute("aria-valuenow", time.toFixed(2));
    this.strip.setAttribute("aria-valuetext", `${clock(time, 1)} of ${clock(this.end)}`);
    this.compose();
  }

  mark(notes) { this.notes = notes; this.paint(); }

  repeat(range) { this.loop = range; this.paint(); }

  /** Paint all but the cursor. */
  paint() {
    const ratio = devicePixelRatio || 1;
    this.width = this.strip.clientWidth;
    if (!this.width) return;
    for (const canvas of [this.canvas, this.still]) {
      canvas.width = Math.round(this.width * ratio);
      canvas.height = Math.round(this.height * ratio);
    }
    const style = getComputedStyle(document.documentElement);
    const token = (name) => style.getPropertyValue(name).trim();
    this.tokens = Object.fromEntries(["ink", "soft", "rule", "edge", "accent", "energy", "panel", "tint"]
      .map((name) => [name, token(`--${name}`)]));
    const context = this.still.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "middle";
    let top = ROWS.marks;
    if (this.loop) {
      context.fillStyle = this.tokens.tint;
      context.fillRect(this.x(this.loop[0]), ROWS.marks, this.x(this.loop[1]) - this.x(this.loop[0]), this.height - ROWS.marks - ROWS.axis);
    }
    if (this.even) { this.attention(context, top); top += ROWS.attention + ROWS.gap; }
    top = this.movement(context, top);
    this.confidence(context, top);
    this.quality(context, top + ROWS.confidence);
    this.axis(context, top + ROWS.confidence + 3);
    this.compose();
  }

  label(context, text, y) {
    context.fillStyle = this.tokens.soft;
    context.textAlign = "left";
    context.fillText(text, 0, y);
  }

  attention(context, top) {
    this.label(context, "attention", top + ROWS.attention / 2);
    const clips = this.content.clips;
    const starts = clips.map((clip) => clip.start_s);
    const stride = starts.length > 1 ? (starts.at(-1) - starts[0]) / (starts.length - 1) : clips[0].end_s - clips[0].start_s;
    for (const clip of clips) {
      const middle = (clip.start_s + clip.end_s) / 2;
      const [from, to] = [this.x(middle - stride / 2), this.x(middle + stride / 2)];
      if (clip.usable === false || clip.attention === null) {
        this.hatch(context, from, top + ROWS.attention - 9, to - from, 9);
        continue;
      }
      const share = clip.attention / this.most;
      context.fillStyle = this.colour(share);
      context.fillRect(from, top + ROWS.attention * (1 - share), Math.max(to - from - 0.5, 0.7), ROWS.attention * share);
      context.strokeStyle = this.tokens.edge;
      context.lineWidth = 0.5;
      context.strokeRect(from, top + ROWS.attention * (1 - share), Math.max(to - from - 0.5, 0.7), ROWS.attention * share);
    }
    const even = top + ROWS.attention * (1 - this.even / this.most);
    context.strokeStyle = this.tokens.ink;
    context.lineWidth = 1;
    context.setLineDash([4, 4]);
    context.beginPath();
    context.moveTo(GUTTER, even);
    context.lineTo(this.width - END, even);
    context.stroke();
    context.setLineDash([]);
  }

  movement(context, start) {
    let top = start;
    const times = (this.content.movement && this.content.movement.time_s) || [];
    const most = Math.max(...this.parts.flatMap(([, row]) => row.filter((v) => v !== null)), 1e-6);
    for (const [part, row] of this.parts) {
      const floor = top + ROWS.part;
      this.label(context, part.replace("_", " "), top + ROWS.part / 2 + 1);
      context.strokeStyle = this.tokens.rule;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(GUTTER, floor + 0.5);
      context.lineTo(this.width - END, floor + 0.5);
      context.stroke();
      context.fillStyle = this.tokens.energy;
      const step = times.length > 1 ? (times.at(-1) - times[0]) / (times.length - 1) : this.end;
      row.forEach((value, index) => {
        if (value === null) return;
        const tall = ROWS.part * Math.min(value / most, 1);
        const [from, to] = [this.x(times[index] - step / 2), this.x(times[index] + step / 2)];
        context.fillRect(from, floor - tall, Math.max(to - from - 0.4, 0.6), tall);
      });
      top += ROWS.part + ROWS.gap;
    }
    return top;
  }

  confidence(context, top) {
    const { step_s: step, mean, seen } = this.content.confidence;
    this.label(context, "confidence", top + ROWS.confidence / 2);
    const floor = top + ROWS.confidence - 2;
    context.strokeStyle = this.tokens.accent;
    context.lineWidth = 1.4;
    context.beginPath();
    mean.forEach((value, index) => {
      const [x, y] = [this.x((index + 0.5) * step), floor - (ROWS.confidence - 4) * value];
      if (index) context.lineTo(x, y); else context.moveTo(x, y);
    });
    context.stroke();
    seen.forEach((share, index) => {
      if (share < 0.6) {
        this.hatch(context, this.x(index * step), top, this.x((index + 1) * step) - this.x(index * step) + 0.5, ROWS.confidence - 1);
      }
    });
  }

  quality(context, bottom) {
    let free = 0;
    for (const reason of this.reasons()) {
      const { ranges } = reason;
      for (const [from, to] of ranges) {
        context.globalAlpha = 0.45;
        this.hatch(context, this.x(from), ROWS.marks, Math.max(this.x(to) - this.x(from), 2), bottom - ROWS.marks);
        context.globalAlpha = 1;
        context.fillStyle = this.tokens.edge;
        context.fillRect(this.x(from), ROWS.marks - 2, Math.max(this.x(to) - this.x(from), 2), 2);
      }
      if (ranges.length && this.x(ranges[0][0]) >= free) {
        context.fillStyle = this.tokens.soft;
        context.textAlign = "left";
        context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
        context.fillText(reason.code || "", Math.min(this.x(ranges[0][0]), this.width - 40), 6);
        free = this.x(ranges[0][0]) + 40;
      }
    }
    context.fillStyle = this.tokens.accent;
    for (const note of this.notes) {
      const x = this.x(note);
      context.beginPath();
      context.moveTo(x, 3); context.lineTo(x + 5, 8); context.lineTo(x, 13); context.lineTo(x - 5, 8);
      context.fill();
    }
  }

  axis(context, top) {
    const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((s) => this.end / s <= 9) || this.end / 9;
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = this.tokens.soft;
    context.strokeStyle = this.tokens.edge;
    context.lineWidth = 1;
    for (let second = 0; second <= this.end + 1e-6; second += step) {
      const x = this.x(second);
      context.beginPath();
      context.moveTo(x + 0.5, top - 3);
      context.lineTo(x + 0.5, top + 1);
      context.stroke();
      context.textAlign = second === 0 ? "left" : x > this.width - 24 ? "right" : "center";
      context.fillText(clock(second), x, top + 9);
    }
  }

  hatch(context, x, y, width, height) {
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.strokeStyle = this.tokens.edge;
    context.lineWidth = 1.2;
    context.beginPath();
    for (let at = Math.floor((x - height) / 5) * 5; at < x + width; at += 5) {
      context.moveTo(at, y + height);
      context.lineTo(at + height, y);
    }
    context.stroke();
    context.restore();
  }

  /** Still picture and cursor. */
  compose() {
    if (!this.tokens) return;
    const context = this.canvas.getContext("2d");
    const ratio = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.still, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const x = this.x(this.time);
    context.fillStyle = this.tokens.panel;
    context.fillRect(x - 1.75, ROWS.marks - 3, 3.5, this.height - ROWS.marks - ROWS.axis + 6);
    context.fillStyle = this.tokens.ink;
    context.fillRect(x - 0.75, ROWS.marks - 3, 1.5, this.height - ROWS.marks - ROWS.axis + 6);
  }
}
