// Film and skeleton on one clock. A frame is a picture of the constant-rate copy: k is on show from
// k / fps to (k + 1) / fps, and the joints of picture k lie at row k.

const FAINT = 0.3 * 255; // confidence below which a joint is hollow and a bone is not drawn
const MISSING = -32768;

export class Player extends EventTarget {
  /**
   * @param {HTMLElement} stage with a canvas and, if there is a film, a video
   * @param {object} content what /api/cases/ID/player says
   * @param {ArrayBuffer} buffer joints.bin
   */
  constructor(stage, content, buffer) {
    super();
    this.content = content;
    this.fps = content.fps[0] / content.fps[1];
    this.count = content.pictures;
    const values = this.count * content.joints.length;
    this.xy = new Int16Array(buffer, 0, values * 2);
    this.confidence = new Uint8Array(buffer, values * 4, values);
    this.stage = stage;
    this.canvas = stage.querySelector("canvas");
    this.video = content.views.length ? stage.querySelector("video") : null;
    this.frame = 0;
    this.loop = null;
    this.rate = 1;
    this.view = "skeleton";
    this.weights = new Array(content.joints.length).fill(null);
    this.colours = content.joints.map(() => "#e6d35a");
    this.wanted = null; // a wish that waits until the film has done seeking
    this.aim = null; // the picture it was sent to, until it plays on from there
    this.ticking = null;
    new ResizeObserver(() => this.resize()).observe(stage);
    if (this.video) {
      this.watch();
      this.video.addEventListener("play", () => { this.aim = null; });
      for (const name of ["play", "pause", "ended"]) {
        this.video.addEventListener(name, () => this.dispatchEvent(new Event("state")));
      }
      this.video.addEventListener("seeked", () => this.seeked());
      this.video.addEventListener("loadeddata", () => this.draw());
    }
    this.resize();
  }

  get playing() { return this.video ? !this.video.paused && !this.video.ended : this.ticking !== null; }
  get time() { return this.frame / this.fps; }
  get duration() { return this.count / this.fps; }

  show(view) {
    this.view = view;
    this.stage.dataset.view = view;
    if (this.video) {
      const wanted = view === "skeleton" ? this.video.dataset.view || this.content.views[0] : view;
      if (this.video.dataset.view !== wanted) {
        const at = this.frame;
        const playing = this.playing;
        this.video.dataset.view = wanted;
        this.video.src = `/api/cases/${this.stage.closest("[data-case]").dataset.case}/film/${wanted}`;
        this.video.addEventListener("loadedmetadata", () => {
          this.video.playbackRate = this.rate;
          this.seek(at);
          if (playing) this.video.play();
        }, { once: true });
      }
      this.video.classList.toggle("is-hidden", view === "skeleton");
    }
    this.draw();
  }

  /** Joint weights in the order of the layout, null for none; colours for them. */
  colour(weights, colours) {
    this.weights = weights;
    this.colours = colours;
    this.draw();
  }

  play() {
    if (this.frame >= this.count - 1) this.seek(this.loop ? this.loop[0] : 0);
    if (this.video) { this.video.play(); return; }
    let last = performance.now();
    let [place, shown] = [this.frame, this.frame];
    const tick = (moment) => {
      if (this.frame !== shown) place = this.frame; // looped or sought
      place += ((moment - last) / 1000) * this.fps * this.rate;
      last = moment;
      shown = Math.min(Math.floor(place), this.count - 1);
      if (shown !== this.frame) this.reached(shown);
      if (this.frame >= this.count - 1) { this.pause(); return; }
      this.ticking = requestAnimationFrame(tick);
    };
    this.ticking = requestAnimationFrame(tick);
    this.dispatchEvent(new Event("state"));
  }

  pause() {
    if (this.video) { this.video.pause(); return; }
    cancelAnimationFrame(this.ticking);
    this.ticking = null;
    this.dispatchEvent(new Event("state"));
  }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  speed(rate) {
    this.rate = rate;
    if (this.video) this.video.playbackRate = rate;
  }

  /** Go to a picture. While the film still seeks only the latest wish is kept. */
  seek(frame) {
    const aim = Math.max(0, Math.min(this.count - 1, Math.round(frame)));
    if (!this.video) { this.reached(aim); return; }
    if (this.video.seeking || this.video.readyState < 1) { this.wanted = aim; return; }
    this.aim = aim;
    this.video.currentTime = (aim + 0.5) / this.fps; // its middle: rounding cannot miss it
  }

  /** The picture that is on show when a clip begins: it may have come a moment sooner. */
  firstOf(clip) { return this.pictureAt(clip.start_s); }

  seekTime(seconds) { this.seek(this.pictureAt(seconds)); }

  pictureAt(seconds) { return Math.floor(seconds * this.fps + 1e-6); }

  step(frames) {
    if (this.playing) this.aim = null;
    this.pause();
    // While it stands still, where it was sent counts: its picture may not have been presented yet.
    this.seek((this.wanted ?? this.aim ?? this.frame) + frames);
  }

  seeked() {
    if (this.wanted !== null) {
      const next = this.wanted;
      this.wanted = null;
      this.seek(next);
      return;
    }
    if (!("requestVideoFrameCallback" in this.video)) this.reached(this.frameAt(this.video.currentTime));
    // A seek within the picture on show presents none anew.
    else if (this.video.paused) setTimeout(() => { if (this.video.paused && !this.video.seeking && this.aim !== null && this.frame !== this.aim) this.reached(this.aim); }, 120);
  }

  frameAt(seconds) { return Math.max(0, Math.min(this.count - 1, Math.floor(seconds * this.fps + 1e-3))); }

  /** Draw with each picture the browser presents, by the time that it says this picture has. */
  watch() {
    if ("requestVideoFrameCallback" in this.video) {
      const presented = (_now, about) => {
        this.reached(Math.max(0, Math.min(this.count - 1, Math.round(about.mediaTime * this.fps))));
        this.video.requestVideoFrameCallback(presented);
      };
      this.video.requestVideoFrameCallback(presented);
      return;
    }
    const look = () => {
      if (this.playing) this.reached(this.frameAt(this.video.currentTime));
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  reached(frame) {
    this.frame = frame;
    if (this.playing) this.aim = null;
    this.stage.dataset.frame = String(frame);
    this.draw();
    this.dispatchEvent(new Event("frame"));
    if (this.loop && this.playing && (frame >= this.loop[1] || frame < this.loop[0] - 2)) this.seek(this.loop[0]);
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    const { width, height } = this.stage.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.draw();
  }

  /** Where the picture lies on the canvas: its origin and pixels per unit of joints.bin. */
  placed() {
    const [width, height] = this.content.size;
    const scale = Math.min(this.canvas.width / width, this.canvas.height / height);
    return {
      left: (this.canvas.width - width * scale) / 2,
      top: (this.canvas.height - height * scale) / 2,
      unit: (Math.max(width, height) / this.content.units) * scale,
      size: Math.min(width, height) * scale,
    };
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const { left, top, unit, size } = this.placed();
    const joints = this.content.joints.length;
    const row = this.frame * joints;
    const at = [];
    for (let joint = 0; joint < joints; joint += 1) {
      const x = this.xy[2 * (row + joint)];
      at.push(x === MISSING ? null : [left + x * unit, top + this.xy[2 * (row + joint) + 1] * unit]);
    }
    const sure = (joint) => this.confidence[row + joint] >= FAINT;
    const thick = Math.max(2, size / 130);
    context.lineCap = "round";
    for (const [width, under] of [[thick + 2.5, true], [thick, false]]) {
      for (const [a, b] of this.content.bones) {
        if (!at[a] || !at[b] || !sure(a) || !sure(b)) continue;
        context.lineWidth = width;
        if (under) context.strokeStyle = "rgb(10 14 20 / 60%)";
        else {
          const blend = context.createLinearGradient(...at[a], ...at[b]);
          blend.addColorStop(0, this.colours[a]);
          blend.addColorStop(1, this.colours[b]);
          context.strokeStyle = blend;
        }
        context.beginPath();
        context.moveTo(...at[a]);
        context.lineTo(...at[b]);
        context.stroke();
      }
    }
    for (let joint = 0; joint < joints; joint += 1) {
      if (!at[joint]) continue;
      const share = this.weights[joint];
      const radius = thick * (share === null ? 1.1 : 0.9 + 1.7 * Math.sqrt(share));
      context.beginPath();
      context.arc(...at[joint], radius, 0, 2 * Math.PI);
      context.lineWidth = sure(joint) ? 1.5 : 2;
      context.fillStyle = this.colours[joint];
      context.strokeStyle = sure(joint) ? "rgb(10 14 20 / 85%)" : this.colours[joint];
      if (sure(joint)) context.fill();
      context.stroke();
    }
  }
}
