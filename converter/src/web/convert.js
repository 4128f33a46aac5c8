// One upload to POST /convert, and the words for sizes and times. Knows nothing of the page.

/** Bytes for people: 1234567 → "1.2 MB". */
export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${count} bytes` : `${value.toPrecision(3)} ${units[unit]}`;
}

/** A limit as the server words it: 2147483648 → "2 GiB". */
export function limitText(count) {
  for (const [unit, size] of [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (count >= size && count % size === 0) return `${count / size} ${unit}`;
  }
  return bytes(count);
}

/** Seconds for people: 3725 → "1:02:05". */
export function clock(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** What went wrong, in words for the page. */
export class Refusal extends Error {
  constructor(title, detail, requestId = "") {
    super(detail);
    this.title = title;
    this.requestId = requestId;
  }
}

const titles = {
  400: "This upload cannot be read",
  408: "The upload took too long",
  413: "This file is too large",
  415: "This file cannot be converted",
  422: "This file contradicts itself",
  503: "The server is busy",
};

/**
 * Sends a file and gives back { blob, name, warnings }. `progress(sent, total, phase)` is called on the way, with phase
 * "sending", "encoding" or "receiving". XMLHttpRequest, because fetch does not tell how much of a body has been sent.
 */
export function convert(file, { level = "", progress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const query = new URLSearchParams({ filename: file.name });
    if (level !== "") query.set("level", level);
    request.open("POST", `convert?${query}`);
    request.responseType = "blob";

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

async function refusal(request) {
  const title = titles[request.status] ?? "The server could not convert this file";
  const id = request.getResponseHeader("x-request-id") ?? "";
  try {
    const problem = JSON.parse(await request.response.text());
    const text = String(problem.detail ?? "");
    return new Refusal(title, text.charAt(0).toUpperCase() + text.slice(1), id);
  } catch {
    return new Refusal(title, `The server answered with status ${request.status}.`, id);
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
    .map((warning) => warning.replace(/^[a-z_]+: /, ""))
    .map((text) => text.charAt(0).toUpperCase() + text.slice(1) + ".");
}
