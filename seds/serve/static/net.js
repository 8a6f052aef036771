// Asking the server. A refusal is an Error whose message is the server's own words.

export class Refusal extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

/** The JSON of an address and its status; `query` leaves out what is null or empty. */
export async function ask(path, query = {}, signal = undefined) {
  let answer;
  try {
    answer = await fetch(address(path, query), { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server does not answer. Is it still running?", 0);
  }
  return { status: answer.status, body: await read(answer.status, await answer.text()) };
}

export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

/** Send a file; `progress` is told the share that has arrived. Gives the answer's JSON. */
export function send(path, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much has been sent
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
    request.addEventListener("load", () => read(request.status, request.responseText).then(resolve, reject));
    request.addEventListener("error", () =>
      reject(new Refusal("The clip could not be sent. It may be larger than is taken, or the server has ended.", 0)),
    );
    signal.addEventListener("abort", () => {
      request.abort();
      reject(new DOMException("stopped", "AbortError"));
    });
    request.send(file);
  });
}

async function read(status, text) {
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // not ours, such as a proxy's page
  }
  if (status >= 200 && status < 300 && body !== null) return body;
  throw new Refusal(sentence(body?.error ?? `The server answered with status ${status}.`), status);
}

function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

export const seconds = (s) => `${s.toFixed(1)} s`;
