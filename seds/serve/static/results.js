// The list of results. Opening one closes the one that was open.
import { address, ask, seconds } from "./net.js";
import { Player, thumbnail } from "./player.js";
import { heatMap } from "./why.js";

const list = document.getElementById("results");
let open = null;

/** Videos for a sentence, or that sign like a video. why: the address and the query that explain a result. */
export function showVideos(results, stream, why) {
  clear();
  const scale = scaleOf(results);
  for (const result of results) {
    const item = fresh("video-result", result, scale);
    item.querySelector(".meta").textContent = about(result);
    const thumb = item.querySelector(".thumb");
    thumbnail(thumb, result, `Play result ${result.rank}: ${result.text}`);
    const card = new Card(item, thumb, { video: result.video }, result.text, () => why(result));
    thumb.addEventListener("click", () => card.play());
    const like = item.querySelector(".like");
    like.href = address("/", { video: result.video, stream });
    like.dataset.go = "";
    const alike = item.querySelector(".alike");
    alike.href = address("/", { video: result.video, find: "videos", stream });
    alike.setAttribute("aria-label", `Videos that sign like result ${result.rank}`);
    alike.dataset.go = "";
    list.append(item);
  }
}

/** Sentences for a video; `player` is the player of that video, above the list. */
export function showSentences(results, query, stream, player) {
  clear();
  const scale = scaleOf(results);
  for (const result of results) {
    const item = fresh("sentence-result", result, scale);
    const meta = item.querySelector(".meta");
    if (result.own) {
      meta.textContent = "this video's own sentence";
      meta.classList.add("own-sentence");
    }
    const card = new Card(item, null, null, result.text, () => ["/api/why", { q: result.text, ...query, stream }], player);
    const videos = item.querySelector(".videos");
    result.videos.forEach((video, i) => {
      const thumb = document.getElementById("small-video").content.cloneNode(true).firstElementChild;
      thumbnail(thumb, video, `Play a video of result ${result.rank}: ${video.text} (${about(video)})`);
      thumb.addEventListener("click", () => card.play({ video: video.video }, video.text, thumb));
      videos.append(thumb);
      if (i === 0) card.thumb = thumb;
    });
    if (result.more > 0) videos.append(`and ${result.more} more`);
    const like = item.querySelector(".like");
    like.href = address("/", { q: result.text, stream });
    like.dataset.go = "";
    list.append(item);
  }
}

export function clear() {
  if (open) open.close(false);
  list.replaceChildren();
}

export const about = (video) =>
  [video.signer && (/^signer/i.test(video.signer) ? video.signer : `signer ${video.signer}`), video.split, seconds(video.seconds)].filter(Boolean).join(" · ");

/** Maps a score to its place on a bar, in [0, 100]. The ends are the lowest and the highest score of the list, or 0. */
function scaleOf(results) {
  const scores = results.map((r) => r.score);
  const low = Math.min(0, ...scores);
  const span = Math.max(0, ...scores) - low || 1;
  return (score) => (100 * (score - low)) / span;
}

function fresh(template, result, scale) {
  const item = document.getElementById(template).content.cloneNode(true).firstElementChild;
  item.querySelector(".rank").textContent = `${result.rank}.`;
  item.querySelector(".text").textContent = result.text;
  const fill = item.querySelector(".fill");
  fill.setAttribute("x", scale(Math.min(0, result.score)));
  fill.setAttribute("width", Math.abs(scale(result.score) - scale(0)));
  fill.classList.toggle("below", result.score < 0);
  const number = item.querySelector(".number");
  number.textContent = result.score.toFixed(2);
  number.title = "similarity";
  return item;
}

/** A result that can be opened, with its player and its heat map. queryPlayer: plays the heat map's moments instead. */
class Card {
  constructor(item, thumb, source, label, question, queryPlayer = null) {
    Object.assign(this, { item, thumb, source, label, question, queryPlayer });
    item.card = this;
    this.stage = item.querySelector(".stage");
    this.whyButton = item.querySelector(".ask-why");
    this.whyButton.addEventListener("click", () => this.why());
    this.player = null;
    this.map = null;
  }

  focus() {
    (this.thumb ?? this.whyButton).focus();
  }

  raise() {
    if (open && open !== this) open.close(false);
    open = this;
    this.item.classList.add("open");
    this.stage.hidden = false;
  }

  prepare(source, label) {
    this.raise();
    if (this.player && this.player.source.video !== source.video) this.drop();
    if (!this.player) {
      this.player = new Player(source, label, () => this.close(true));
      this.stage.prepend(this.player.element);
    }
    return this.player;
  }

  play(source = this.source ?? null, label = this.label, thumb = this.thumb) {
    if (!source) return this.thumb?.click();
    this.thumb = thumb;
    const player = this.prepare(source, label);
    this.item.scrollIntoView({ block: "nearest" });
    return player.play();
  }

  async why() {
    if (this.map) {
      this.dropMap();
      if (!this.player) this.close(false);
      return;
    }
    const player = this.queryPlayer ?? this.prepare(this.source, this.label);
    this.raise();
    this.whyButton.setAttribute("aria-expanded", "true");
    const map = document.createElement("div");
    this.map = map;
    this.stage.append(map);
    try {
      const { body } = await ask(...this.question());
      if (this.map !== map) return;
      map.append(heatMap(body, player));
      this.stage.classList.toggle("with-why", !this.queryPlayer);
    } catch (error) {
      const trouble = document.createElement("p");
      trouble.className = "trouble";
      trouble.setAttribute("role", "alert");
      trouble.textContent = error.message;
      map.append(trouble);
    }
    this.item.scrollIntoView({ block: "nearest" });
  }

  dropMap() {
    this.map?.remove();
    this.map = null;
    this.stage.classList.remove("with-why");
    this.whyButton.setAttribute("aria-expanded", "false");
  }

  drop() {
    this.player?.stop();
    this.player = null;
    this.dropMap();
  }

  close(focus) {
    this.drop();
    this.stage.hidden = true;
    this.item.classList.remove("open");
    if (open === this) open = null;
    if (focus) this.focus();
  }
}

/** Handles the list's keyboard shortcuts; true if the key was one. `box` is the search box. */
export function key(event, box) {
  const items = [...list.children];
  const at = items.indexOf(document.activeElement.closest?.(".result"));
  const current = items[at]?.card ?? open;
  const inVideo = event.target.tagName === "VIDEO";
  if (event.key === "Escape" && open) {
    open.close(true);
    return true;
  }
  if (!items.length || inVideo) return false;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const step = event.key === "ArrowDown" ? 1 : -1;
    if (at < 0 && (step < 0 || event.target !== box)) return false;
    if (at + step < 0) box.focus();
    else items[Math.min(items.length - 1, at + step)].card.focus();
    return true;
  }
  if (event.target.tagName === "INPUT") return false;
  if (event.key === "n" || event.key === "p") {
    const from = current ? items.indexOf(current.item) : -1;
    const next = items[from + (event.key === "n" ? 1 : -1)]?.card;
    if (next) {
      next.focus();
      next.play();
    }
    return true;
  }
  if (event.key === "w" && current) {
    current.why();
    return true;
  }
  return false;
}
