// A recording made with the camera, for those who would rather sign than type. It is not sent before it has been stopped.
const [box, screen, text, act, cancel, button] = ["camera", "camera-screen", "camera-text", "camera-act", "camera-cancel", "record"].map((id) =>
  document.getElementById(id),
);
const TYPES = ["video/webm;codecs=vp8", "video/webm", "video/mp4"]; // browsers record VP8 without effort; Safari has MP4 alone
const COUNT = 3; // s to get the hands from the keyboard
const PX = 640; // wide; bodies and hands are found in it, and a slow machine still records every frame

/** The recording as a file, or null if it was cancelled. Throws an Error that says why there is no camera. */
export async function record() {
  const stream = await open();
  const stop = new AbortController(); // ends every listener and timer of this recording
  box.hidden = false;
  const picture = document.createElement("video");
  picture.muted = picture.playsInline = true;
  picture.setAttribute("aria-label", "What the camera sees");
  picture.srcObject = stream;
  screen.append(picture);
  box.scrollIntoView({ block: "nearest" });
  try {
    await picture.play().catch(() => {}); // without a picture one can still record
    text.textContent = "The camera is on. Nothing is recorded yet.";
    act.textContent = "Start recording";
    act.focus();
    if (!(await pressed(stop.signal))) return null;
    act.textContent = "Stop and search";
    act.disabled = true;
    for (let left = COUNT; left > 0; left -= 1) {
      text.textContent = `Recording begins in ${left}…`;
      if ((await pressed(stop.signal, 1000)) === false) return null;
    }
    return await film(stream, stop.signal);
  } finally {
    stop.abort();
    for (const track of stream.getTracks()) track.stop();
    screen.replaceChildren();
    act.disabled = false;
    box.hidden = true;
    button.focus();
  }
}

async function open() {
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    throw new Error(
      isSecureContext
        ? "This browser cannot record. Choose a video file instead."
        : "Browsers give the camera only to pages of this machine (http://127.0.0.1) or over https: start seds serve with --certificate and --key, or choose a video file.",
    );
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video: { width: { ideal: PX }, frameRate: { ideal: 25 }, facingMode: "user" } });
  } catch (error) {
    throw new Error(
      {
        NotAllowedError: "The browser did not let this page use the camera. Allow it in the address bar, or choose a video file.",
        NotFoundError: "No camera was found. Connect one, or choose a video file.",
        NotReadableError: "The camera is in use by another program. Close it, or choose a video file.",
      }[error.name] ?? `The camera cannot be used (${error.message || error.name}). Choose a video file instead.`,
    );
  }
}

async function film(stream, signal) {
  const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each));
  const recorder = new MediaRecorder(stream, { ...(type && { mimeType: type }), videoBitsPerSecond: 2_500_000 });
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => event.data.size && parts.push(event.data));
  const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
  recorder.start();
  act.disabled = false;
  act.focus();
  const most = Number(document.body.dataset.clipS) - 1; // what the server takes, and a second for the browser's rounding
  text.textContent = `Recording. It ends by itself after ${Math.floor(most)} seconds.`;
  // A camera that is pulled out ends the recording too.
  const kept = await Promise.race([pressed(signal, 1000 * most), ended.then(() => null)]);
  if (recorder.state !== "inactive") recorder.stop();
  await ended;
  return kept === false ? null : new File(parts, "recording", { type: recorder.mimeType });
}

/** true when the button is pressed, false when it is cancelled, null when the time (ms) is over. */
function pressed(signal, time = null) {
  const done = new AbortController();
  const until = { signal: AbortSignal.any([signal, done.signal]) };
  return new Promise((resolve) => {
    act.addEventListener("click", () => resolve(true), until);
    cancel.addEventListener("click", () => resolve(false), until);
    box.addEventListener("keydown", (event) => event.key === "Escape" && resolve(false), until);
    if (time !== null) setTimeout(() => resolve(null), time);
  }).finally(() => done.abort());
}
