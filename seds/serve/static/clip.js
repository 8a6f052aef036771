// A clip of one's own on its way: sent, waiting, worked on.
import { ask, seconds, send } from "./net.js";

const box = document.getElementById("work");
const text = document.getElementById("work-text");
const bar = document.getElementById("work-bar");
const WAIT_MS = 400;

/** Send a file and follow the work on it; gives the clip's number. Throws what the server says, or AbortError. */
export async function submit(file) {
  const most = Number(document.body.dataset.clipMb);
  if (file.size > most * 2 ** 20) throw new Error(`This file is larger than the ${most} MB that are taken.`);
  if (file.size === 0) throw new Error("This file is empty.");
  const stop = new AbortController();
  const cancel = () => stop.abort();
  document.getElementById("work-stop").addEventListener("click", cancel);
  box.hidden = false;
  try {
    say("Sending the clip…", 0);
    const { clip } = await send("/api/clips", file, (share) => say(share < 1 ? "Sending the clip…" : "Looking at the clip…", share), stop.signal);
    const began = Date.now();
    for (;;) {
      const { status, body } = await ask(`/api/clips/${clip}`, {}, stop.signal);
      if (status === 200) return clip;
      const waited = seconds(Math.round((Date.now() - began) / 1000));
      if (body.state === "waiting") {
        say(body.before ? `Waiting: ${body.before} ${body.before === 1 ? "clip" : "clips"} before yours…` : "Starting…", null);
      } else {
        say(`${stage(body.done)}… (${waited.replace(".0", "")})`, body.done || null);
      }
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      stop.signal.throwIfAborted();
    }
  } finally {
    document.getElementById("work-stop").removeEventListener("click", cancel);
    box.hidden = true;
  }
}

function stage(done) {
  if (!done) return "Starting the extraction";
  return done < 0.7 ? "Finding body and hands" : "Computing RGB features";
}

function say(words, share) {
  if (text.textContent !== words) text.textContent = words;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}
