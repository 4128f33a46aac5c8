// Talks to the server about files: its limits, and one upload to POST /convert. Knows nothing of the page.

import { authorization } from "./token.js";
import { capitalised } from "./words.js";

/** What went wrong, in words for people. */
export class Refusal extends Error {
  constructor(title, detail, { status = 0, requestId = "", retryAfter = null } = {}) {
    super(detail);
    this.title = title;
    this.status = status;
    this.requestId = requestId;
    /** Seconds after which the same may work, if the server told them. */
    this.retryAfter = retryAfter;
  }
}

const titles = {
  400: "This upload cannot be read",
  401: "This server asks for a token",
  403: "This server does not let this page in",
  408: "The upload took too long",
  413: "This file is too large",
  415: "This file cannot be converted",
  422: "This file contradicts itself",
  429: "The server has its hands full",
  503: "The server is busy",
};

/** The limits that /status tells, or null. */
export async function limits() {
  try {
    const answer = await fetch("status", { headers: authorization() });
    return answer.ok ? (await answer.json()).limits : null;
  } catch {
    return null; // The server tells its limits again when one is broken.
  }
}

/**
 * Sends a file and gives back { blob, name, warnings }. `progress(done, total, phase)` is called on the way, with phase
 * "sending", "encoding" or "receiving". XMLHttpRequest, because fetch does not tell how much of a body has been sent.
 */
export function convert(file, { options = {}, progress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const query = new URLSearchParams({ filename: file.name, ...options });
    request.open("POST", `convert?${query}`);
    request.responseType = "blob";
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);

    request.upload.onprogress = (event) => progress(event.loaded, event.total, "sending");
    request.upload.onload = () => progress(file.size, file.size, "encoding");
    request.onprogress = (event) => {
      if (request.status === 200) progress(event.loaded, event.total, "receiving");
    };
    request.onload = async () => {
      if (request.status === 200) {
        resolve({
          blob: request.response,
          name: nameFrom(request.getResponseHeader("content-disposition")),
          warnings: warningsFrom(request.getResponseHeader("flacship-warning")),
        });
      } else {
        reject(await refusal(request));
      }
    };
    request.onerror = () =>
      reject(new Refusal("The connection broke", "The server cannot be reached, or it ended the connection. Try again."));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

/** The problem (RFC 9457) in an answer, in words. */
async function refusal(request) {
  const { status } = request;
  const seconds = Number.parseInt(request.getResponseHeader("retry-after") ?? "", 10);
  const about = {
    status,
    requestId: request.getResponseHeader("x-request-id") ?? "",
    retryAfter: Number.isFinite(seconds) ? seconds : null,
  };
  const title = titles[status] ?? "The server could not convert this file";
  try {
    const problem = JSON.parse(await request.response.text());
    return new Refusal(title, capitalised(String(problem.detail)), { ...about, requestId: problem.request_id ?? about.requestId });
  } catch {
    return new Refusal(title, `The server answered with status ${status}.`, about);
  }
}

/** The UTF-8 name in a Content-Disposition header (RFC 8187). */
function nameFrom(disposition) {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "");
  return encoded ? decodeURIComponent(encoded[1]) : "audio.flac";
}

/** The browser joins headers of one name by commas; each begins with its code and a colon. */
function warningsFrom(header) {
  return (header ?? "")
    .split(/, (?=[a-z_]+: )/)
    .filter((warning) => warning !== "")
    .map((warning) => `${capitalised(warning.replace(/^[a-z_]+: /, ""))}.`);
}
