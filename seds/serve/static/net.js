// Requests to the server. A failed one throws a RequestError with the server's own message.

export class RequestError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The JSON of a response and its status. Parts of `query` that are null or empty are left out. */
export async function ask(path, query = {}, signal = undefined) {
  let response;
  try {
    response = await fetch(address(path, query), { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("The server is not responding. Is it still running?", 0);
  }
  return { status: response.status, body: await read(response.status, await response.text()) };
}

export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

/** Upload a file; `progress` is called with the share that has been sent. Returns the response's JSON. */
export function send(path, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report upload progress
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
    request.addEventListener("load", () => read(request.status, request.responseText).then(resolve, reject));
    request.addEventListener("error", () =>
      reject(new RequestError("The upload failed. The clip may be too large, or the server may have stopped.", 0)),
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
    // not from seds, such as a proxy's error page
  }
  if (status >= 200 && status < 300 && body !== null) return body;
  throw new RequestError(sentence(body?.error ?? `The server responded with status ${status}.`), status);
}

function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

export const seconds = (s) => `${s.toFixed(1)} s`;
