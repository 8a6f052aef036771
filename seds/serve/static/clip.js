// An uploaded clip on its way: sent, waiting, processed.
import { ask, seconds, send } from "./net.js";

const box = document.getElementById("upload");
const text = document.getElementById("upload-text");
const bar = document.getElementById("upload-bar");
const POLL_MS = 400;

/** Upload a file and wait until it is processed. Returns the clip's number. Throws the server's error, or AbortError. */
export async function submit(file) {
  const limit = Number(document.body.dataset.clipMb);
  if (file.size > limit * 2 ** 20) throw new Error(`This file is larger than the limit of ${limit} MB.`);
  if (file.size === 0) throw new Error("This file is empty.");
  const controller = new AbortController();
  const cancel = () => controller.abort();
  document.getElementById("upload-stop").addEventListener("click", cancel);
  box.hidden = false;
  try {
    show("Uploading…", 0);
    const { clip } = await send("/api/clips", file, (share) => show(share < 1 ? "Uploading…" : "Checking the clip…", share), controller.signal);
    const began = Date.now();
    for (;;) {
      const { status, body } = await ask(`/api/clips/${clip}`, {}, controller.signal);
      if (status === 200) return clip;
      const waited = seconds(Math.round((Date.now() - began) / 1000));
      if (body.state === "waiting") {
        show(body.before ? `Waiting for ${body.before} other ${body.before === 1 ? "clip" : "clips"}…` : "Starting…", null);
      } else {
        show(`${stage(body.done)}… (${waited.replace(".0", "")})`, body.done || null);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      controller.signal.throwIfAborted();
    }
  } finally {
    document.getElementById("upload-stop").removeEventListener("click", cancel);
    box.hidden = true;
  }
}

function stage(done) {
  if (!done) return "Starting the extraction";
  return done < 0.7 ? "Finding body and hands" : "Computing RGB features";
}

function show(message, share) {
  if (text.textContent !== message) text.textContent = message;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}
