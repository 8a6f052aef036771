// Plays a video (a cut of a file), or moments of it. Times are seconds from the start of the cut.
import { address, ask, seconds } from "./net.js";

let current = null; // the one player that plays, or will once it has loaded

/** source: {video: id in the gallery} or {clip: number, film: whether it can be played}. closed: called by its button. */
export class Player {
  constructor(source, label, closed) {
    const part = document.getElementById("player").content.cloneNode(true);
    this.element = part.firstElementChild;
    this.video = this.element.querySelector("video");
    this.video.setAttribute("aria-label", label);
    this.trouble = this.element.querySelector(".trouble");
    this.source = source;
    this.start = 0;
    this.end = null;
    this.stopAt = null;
    this.listeners = new Set();
    const slow = this.element.querySelector(".slow");
    slow.addEventListener("click", () => {
      const now = slow.getAttribute("aria-pressed") !== "true";
      slow.setAttribute("aria-pressed", String(now));
      this.video.playbackRate = this.video.defaultPlaybackRate = now ? 0.5 : 1;
    });
    const close = this.element.querySelector(".close");
    if (closed) close.addEventListener("click", closed);
    else close.remove();
    this.video.addEventListener("play", () => {
      if (this.video.paused) return; // another player took over before this event arrived
      this.take();
      if (this.end !== null && this.video.currentTime >= this.end - 0.05) this.video.currentTime = this.start;
      this.watch();
    });
    this.video.addEventListener("seeked", () => this.tell());
    this.video.addEventListener("error", () => this.failed());
    this.ready = this.load();
  }

  async load() {
    if (this.source.clip) {
      if (this.source.film) this.video.src = address("/media", { clip: this.source.clip });
      else this.say("This clip cannot be played, but its results are shown.");
      return;
    }
    try {
      // A video that browsers cannot play is transcoded now, which may take a while.
      const { body } = await ask("/api/film", { video: this.source.video });
      this.start = body.start;
      this.end = body.end;
      const fragment = body.end === null ? (body.start ? `#t=${body.start}` : "") : `#t=${body.start},${body.end}`;
      this.video.src = address("/media", { video: this.source.video }) + fragment;
    } catch (error) {
      this.say(error.message);
    }
  }

  failed() {
    if (this.video.src) this.say("This browser cannot play the video.");
  }

  say(message) {
    this.trouble.textContent = message;
    this.trouble.hidden = false;
  }

  /** Becomes the one that plays. */
  take() {
    if (current && current !== this) current.video.pause();
    current = this;
  }

  play() {
    return this.moment(0, null);
  }

  /** Plays from one time to another, or to the end; unless another moment is asked for while this one loads. */
  async moment(start, end) {
    this.take();
    const request = (this.request = {});
    await this.ready;
    if (!this.video.src) return;
    if (this.video.readyState < 1) {
      await new Promise((resolve) => {
        this.video.addEventListener("loadedmetadata", resolve, { once: true });
        this.video.addEventListener("error", resolve, { once: true });
      });
    }
    if (current !== this || this.request !== request) return;
    this.stopAt = end;
    this.video.currentTime = this.start + start;
    await this.video.play().catch(() => {}); // it was closed, or cannot be played, which `error` reports
  }

  /** `listener` is called with the time, for each frame while it plays. */
  follow(listener) {
    this.listeners.add(listener);
  }

  watch() {
    this.tell();
    const last = this.stopAt === null ? this.end : this.start + this.stopAt;
    if (last !== null && this.video.currentTime >= last) {
      this.video.pause();
      this.stopAt = null;
    }
    if (!this.video.paused && !this.video.ended) requestAnimationFrame(() => this.watch());
  }

  tell() {
    for (const listener of this.listeners) listener(this.video.currentTime - this.start);
  }

  stop() {
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    if (current === this) current = null;
    this.element.remove();
  }
}

/** A picture of a video, as a button. */
export function thumbnail(button, video, label) {
  const image = button.querySelector("img");
  image.addEventListener("error", () => image.classList.add("lost"));
  image.src = address("/poster", { video: video.video });
  button.querySelector(".length").textContent = seconds(video.seconds);
  button.setAttribute("aria-label", label);
}
