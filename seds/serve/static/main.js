// The page shows what its address says: /?q=SENTENCE, /?video=ID or /?clip=NUMBER, with &stream=; the last two give
// sentences or, with &find=videos, videos that sign alike.
import { submit } from "./clip.js";
import { address, ask } from "./net.js";
import { Player } from "./player.js";
import { record } from "./record.js";
import { about, clear, key, showSentences, showVideos } from "./results.js";

const find = (id) => document.getElementById(id);
const [form, box, status, warning, failure, queryVideo, start, rest] = ["search", "q", "status", "warning", "error", "query-video", "start", "rest"].map(find);
const [save, saveTable, savePlaces] = ["save", "save-table", "save-places"].map(find);
const MOST = Number(document.body.dataset.resultsMost);
const PAGE = Math.min(10, MOST);
let current = null; // aborts the request that is running
let player = null; // of the video searched with
let shown = PAGE;

async function show(count = PAGE) {
  current?.abort();
  const controller = (current = new AbortController());
  const query = Object.fromEntries(new URLSearchParams(location.search));
  const stream = query.stream ?? "";
  shown = count;
  failure.hidden = true;
  warning.hidden = true;
  rest.hidden = true;
  save.hidden = true;
  start.hidden = true;
  for (const radio of form.querySelectorAll("[name=stream]")) radio.checked = radio.value === stream;
  box.value = query.q ?? "";
  const wanted = query.clip ? "clip" : query.video ? "video" : query.q ? "q" : null;
  document.title = query.q ? `${query.q}: sign search` : "Sign search";
  if (wanted === null) {
    forget();
    clear();
    status.textContent = "";
    start.hidden = false;
    return;
  }
  status.textContent = "Searching…";
  try {
    const began = performance.now();
    const alike = wanted !== "q" && query.find === "videos";
    const asked = wanted === "clip" ? { clip: query.clip } : { video: query.video };
    const path = alike ? "/api/like" : wanted === "clip" ? `/api/clips/${encodeURIComponent(query.clip)}` : wanted === "video" ? "/api/video" : "/api/search";
    const { status: code, body } = await ask(path, { q: wanted === "q" ? query.q : null, ...(alike ? asked : { video: wanted === "video" ? query.video : null }), k: count, stream }, controller.signal);
    if (code === 202) throw new Error("This clip is still being processed; reload the page in a moment.");
    const took = `${((performance.now() - began) / 1000).toFixed(2)} s`;
    const results = body.results;
    if (wanted === "q") {
      forget();
      showVideos(results, stream, (result) => ["/api/why", { q: query.q, video: result.video, stream }]);
      warning.textContent = body.warning;
      warning.hidden = !body.warning;
      status.textContent = results.length ? `${best(results.length, "video")} (${took})` : "No results: the index has no videos.";
    } else if (alike) {
      present(wanted === "clip" ? { clip: query.clip, film: body.film } : body.video, alike, stream);
      showVideos(results, stream, (result) => ["/api/like/why", { found: result.video, ...asked, stream }]);
      status.textContent = results.length ? `${best(results.length, "video")} (${took})` : "No results: the index has no other videos.";
    } else {
      present(wanted === "clip" ? { clip: query.clip, film: body.film } : body.video, alike, stream);
      showSentences(results, asked, stream, player);
      status.textContent = results.length ? `${best(results.length, "sentence")} (${took})` : "No results: the index has no sentences.";
    }
    rest.hidden = results.length < count || count >= MOST;
    offer(alike, { q: wanted === "q" ? query.q : null, clip: query.clip, video: wanted === "video" ? query.video : null, k: results.length, stream });
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
}

const best = (count, noun) => (count === 1 ? `Best ${noun}` : `Best ${count} ${noun}s`);

/** Links to what is shown, as files. */
function offer(alike, query) {
  save.hidden = !query.k;
  saveTable.href = address(`/download/${alike ? "like" : query.q ? "videos" : "sentences"}.csv`, query);
  saveTable.download = alike || query.q ? "videos.csv" : "sentences.csv";
  savePlaces.href = address("/download/videos.zip", query);
  savePlaces.download = "videos.zip";
  savePlaces.hidden = !query.q;
}

/** Shows the video searched with, on top. alike: it was asked for videos, not for sentences. */
function present(video, alike, stream) {
  const id = video.clip ?? video.video;
  const what = alike ? "Videos that sign like" : "Sentences for";
  const title = video.clip ? `${what} your clip` : `${what} the video `;
  const other = alike ? "Sentences for it" : "Videos that sign like it";
  const target = address("/", { video: video.video, clip: video.clip, find: alike ? null : "videos", stream });
  queryVideo.classList.toggle("alike", alike);
  if (player?.id === id) {
    queryVideo.querySelector("h2").firstChild.data = title;
    const link = queryVideo.querySelector(".other");
    link.textContent = other;
    link.href = target;
    return;
  }
  forget();
  const head = document.createElement("h2");
  const name = document.createElement("bdi");
  head.append(title, name);
  queryVideo.append(head);
  if (video.clip) {
    player = new Player({ clip: video.clip, film: video.film }, "Your clip", null);
  } else {
    name.textContent = video.name;
    document.title = `${video.name}: sign search`;
    const meta = document.createElement("p");
    meta.className = "meta";
    meta.textContent = about(video);
    queryVideo.append(meta);
    player = new Player({ video: video.video }, `The video searched with: ${video.text}`, null);
  }
  player.id = id;
  queryVideo.append(player.element);
  const link = document.createElement("a");
  link.className = "other";
  link.textContent = other;
  link.href = target;
  link.dataset.go = "";
  queryVideo.append(link);
  queryVideo.hidden = false;
  find("pair").classList.remove("alone");
}

function forget() {
  player?.stop();
  player = null;
  queryVideo.replaceChildren();
  queryVideo.hidden = true;
  find("pair").classList.add("alone");
}

function fail(message) {
  clear();
  forget();
  status.textContent = "";
  failure.textContent = message;
  failure.hidden = false;
}

function go(query) {
  const target = address("/", query);
  if (target !== location.pathname + location.search) history.pushState(null, "", target);
  show();
}

const stream = () => new FormData(form).get("stream") ?? "";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = box.value.trim();
  if (text) go({ q: text, stream: stream() });
  else box.focus();
});
form.addEventListener("change", (event) => {
  if (event.target.name !== "stream") return;
  const { q, video, clip, find: kind } = Object.fromEntries(new URLSearchParams(location.search));
  if (q || video || clip) go({ q, video, clip, find: kind, stream: stream() });
});
find("more").addEventListener("click", () => show(Math.min(MOST, shown + PAGE)));
addEventListener("popstate", () => show());
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-go], .examples a, #home");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
  scrollTo(0, 0);
  if (link.id === "home") box.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && event.target.tagName !== "INPUT") {
    event.preventDefault();
    box.focus();
    box.select();
  } else if (key(event, box)) {
    event.preventDefault();
  }
});

/** Searches with a file. kind: "videos" for videos that sign alike; otherwise sentences. */
async function search(file, kind = null) {
  if (!find("upload").hidden) return; // one at a time
  failure.hidden = true;
  status.textContent = "";
  try {
    const clip = await submit(file);
    go({ clip, find: kind, stream: stream() });
    find("results").focus({ preventScroll: true });
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
}

find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same file can be chosen again
  if (file) search(file);
});
find("record").addEventListener("click", async () => {
  if (!find("upload").hidden || !find("camera").hidden) return;
  failure.hidden = true;
  try {
    const file = await record();
    if (file) await search(file, "videos");
  } catch (error) {
    fail(error.message);
  }
});
let depth = 0; // entering a child element also leaves its parent
const drops = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => {
  if (!drops(event)) return;
  depth += 1;
  find("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (drops(event)) depth -= 1;
  find("drop").hidden = depth <= 0;
});
addEventListener("dragover", (event) => drops(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!drops(event)) return;
  event.preventDefault();
  depth = 0;
  find("drop").hidden = true;
  if (event.dataTransfer.files.length) search(event.dataTransfer.files[0]);
});

show().then(() => location.search || box.focus());
