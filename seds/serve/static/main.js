// What the page shows follows its address: /?q=SENTENCE, /?video=ID or /?clip=NUMBER, with &stream=.
import { submit } from "./clip.js";
import { address, ask } from "./net.js";
import { Player } from "./player.js";
import { about, clear, key, showSentences, showVideos } from "./results.js";

const find = (id) => document.getElementById(id);
const [form, box, status, failure, asked, start, rest] = ["search", "q", "status", "error", "asked", "start", "rest"].map(find);
const MOST = Number(document.body.dataset.resultsMost);
const PAGE = Math.min(10, MOST);
let current = null; // the request on its way
let player = null; // of the video asked about
let shown = PAGE;

async function show(count = PAGE) {
  current?.abort();
  const mine = (current = new AbortController());
  const query = Object.fromEntries(new URLSearchParams(location.search));
  const stream = query.stream ?? "";
  shown = count;
  failure.hidden = true;
  rest.hidden = true;
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
    const path = wanted === "clip" ? `/api/clips/${encodeURIComponent(query.clip)}` : wanted === "video" ? "/api/video" : "/api/search";
    const { status: code, body } = await ask(path, { q: wanted === "q" ? query.q : null, video: wanted === "video" ? query.video : null, k: count, stream }, mine.signal);
    if (code === 202) throw new Error("This clip is still being worked on; look again in a moment.");
    const took = `${((performance.now() - began) / 1000).toFixed(2)} s`;
    const found = body.results;
    if (wanted === "q") {
      forget();
      showVideos(found, query.q, stream);
      status.textContent = found.length ? `The ${found.length} videos that fit best (${took})` : "Nothing was found: the index holds no video.";
    } else {
      present(wanted === "clip" ? { clip: query.clip, film: body.film } : body.video);
      showSentences(found, wanted === "clip" ? { clip: query.clip } : { video: query.video }, stream, player);
      status.textContent = found.length ? `The ${found.length} sentences that fit best (${took})` : "Nothing was found: the index holds no sentence.";
    }
    rest.hidden = found.length < count || count >= MOST;
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
}

/** The video asked about, on top. */
function present(video) {
  const id = video.clip ?? video.video;
  if (player?.id === id) return;
  forget();
  const head = document.createElement("h2");
  const name = document.createElement("bdi");
  head.append(video.clip ? "Sentences for your clip" : "Sentences for the video ", name);
  asked.append(head);
  if (video.clip) {
    player = new Player({ clip: video.clip, film: video.film }, "Your clip", null);
  } else {
    name.textContent = video.name;
    document.title = `${video.name}: sign search`;
    const meta = document.createElement("p");
    meta.className = "meta";
    meta.textContent = about(video);
    asked.append(meta);
    player = new Player({ video: video.video }, `The video asked about: ${video.text}`, null);
  }
  player.id = id;
  asked.append(player.element);
  asked.hidden = false;
  find("pair").classList.remove("alone");
}

function forget() {
  player?.stop();
  player = null;
  asked.replaceChildren();
  asked.hidden = true;
  find("pair").classList.add("alone");
}

function fail(words) {
  clear();
  forget();
  status.textContent = "";
  failure.textContent = words;
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
  const { q, video, clip } = Object.fromEntries(new URLSearchParams(location.search));
  if (q || video || clip) go({ q, video, clip, stream: stream() });
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

async function take(file) {
  if (!find("work").hidden) return; // one at a time
  failure.hidden = true;
  status.textContent = "";
  try {
    const clip = await submit(file);
    go({ clip, stream: stream() });
    find("results").focus({ preventScroll: true });
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
}

find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same file can be chosen again
  if (file) take(file);
});
let depth = 0; // dragging over a child leaves its parent
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
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
});

show().then(() => location.search || box.focus());
