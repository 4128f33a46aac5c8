// The page: takes files, sends them one after another, shows what came of each.

import { Refusal, bytes, clock, convert, limitText } from "./convert.js";

const $ = (id) => document.getElementById(id);
const queue = [];
let current = null; // The AbortController of the upload under way.
let limit = Infinity;
let shown = null; // The result on show.
let failed = null; // The error on show.

$("curl").textContent = `curl -F file=@take.wav ${location.origin}/convert -o take.flac`;
learnLimits();

$("file").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = ""; // So that the same file can be chosen again.
});
$("form").addEventListener("submit", (event) => event.preventDefault());
$("cancel").addEventListener("click", () => {
  queue.length = 0;
  current?.abort();
});

// A file may be dropped anywhere: beside the field, the browser would leave the page for it.
let inside = 0;
addEventListener("dragenter", (event) => {
  event.preventDefault();
  inside += 1;
  $("drop").classList.add("over");
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("dragleave", () => {
  inside -= 1;
  if (inside <= 0) calm();
});
addEventListener("drop", (event) => {
  event.preventDefault();
  calm();
  add(event.dataTransfer.files);
});

function calm() {
  inside = 0;
  $("drop").classList.remove("over");
}

async function learnLimits() {
  try {
    const { limits } = await (await fetch("status")).json();
    limit = limits.max_upload_bytes;
    $("limit").textContent = `, up to ${limitText(limit)}`;
    $("level").options[0].textContent = `Standard (${limits.level})`;
  } catch {
    // The server tells its limits again when one is broken.
  }
}

function add(files) {
  queue.push(...files);
  showQueue();
  if (current === null) work();
}

async function work() {
  while (queue.length > 0) {
    const file = queue.shift();
    current = new AbortController();
    begin(file);
    try {
      if (file.size > limit) {
        throw new Refusal("This file is too large", `It has ${bytes(file.size)}; this server takes up to ${limitText(limit)}.`);
      }
      const started = performance.now();
      const answer = await convert(file, {
        level: $("level").value,
        signal: current.signal,
        progress: (done, total, phase) => showProgress(file, done, total, phase, started),
      });
      showResult(file, answer);
    } catch (error) {
      if (error.name === "AbortError") $("status").textContent = `${file.name} was cancelled`;
      else showError(file, error);
    }
  }
  $("progress").hidden = true;
  $("cancel").hidden = true;
  $("work").classList.add("idle");
  current = null;
}

function begin(file) {
  if (failed) remember(`${failed.name}: ${failed.text}`);
  failed = null;
  $("error").hidden = true;
  $("work").hidden = false;
  $("work").classList.remove("idle");
  $("progress").hidden = false;
  $("cancel").hidden = false;
  $("progress").value = 0;
  $("status").textContent = `Sending ${file.name}`;
  showQueue();
}

function showQueue() {
  $("queue").hidden = queue.length === 0;
  $("queue").textContent = queue.length === 1 ? "1 more file waits" : `${queue.length} more files wait`;
}

function showProgress(file, done, total, phase, started) {
  const share = total > 0 ? done / total : 0;
  if (phase === "sending") {
    const rate = done / Math.max(0.001, (performance.now() - started) / 1000);
    $("progress").value = share * 95;
    $("status").textContent = `Sending ${file.name}: ${Math.floor(share * 100)} %, ${bytes(Math.round(rate))}/s`;
  } else if (phase === "encoding") {
    $("progress").value = 95;
    $("status").textContent = `Encoding the rest of ${file.name}`;
  } else {
    $("progress").value = 95 + share * 5;
    $("status").textContent = `Receiving ${file.name} as FLAC`;
  }
}

function showResult(file, { blob, name, warnings }) {
  if (shown) {
    const link = element("a", { href: shown.url, download: shown.name, textContent: shown.name });
    remember(link, element("span", { className: "hint", textContent: `${bytes(shown.size)}, ${saved(shown.ratio)}` }));
  }
  const url = URL.createObjectURL(blob);
  const ratio = file.size > 0 ? blob.size / file.size : 1;
  shown = { name, url, size: blob.size, ratio };

  $("progress").value = 100;
  $("status").textContent = `${name} is ready`;
  $("result-name").textContent = name;
  $("result-saved").textContent = saved(ratio);
  $("size-wav").textContent = bytes(file.size);
  $("size-flac").textContent = bytes(blob.size);
  const largest = Math.max(file.size, blob.size, 1);
  $("bar-wav").style.setProperty("--share", file.size / largest);
  $("bar-flac").style.setProperty("--share", blob.size / largest);
  $("warnings").hidden = warnings.length === 0;
  $("warnings").replaceChildren(...warnings.map((text) => element("li", { textContent: text })));
  $("player").onloadedmetadata = () => {
    const length = $("player").duration;
    if (Number.isFinite(length)) $("size-wav").textContent = `${bytes(file.size)}, ${clock(length)}`;
  };
  $("player").src = url;
  $("download").href = url;
  $("download").download = name;
  $("download").textContent = "Download FLAC";
  $("result").hidden = false;
  $("result").scrollIntoView({ block: "nearest" });
}

/** Adds a line to the list of what newer results and errors replaced. */
function remember(...parts) {
  const item = element("li", {});
  item.append(...parts);
  $("earlier-list").prepend(item);
  $("earlier").hidden = false;
}

function showError(file, error) {
  failed = { name: file.name, text: error.message };
  $("status").textContent = `${file.name} was not converted`;
  $("error-title").textContent = `${error.title ?? "Something went wrong"}: ${file.name}`;
  $("error-detail").textContent = error.message;
  $("error-id").textContent = error.requestId ? `Request ${error.requestId}` : "";
  $("error").hidden = false;
  $("error").scrollIntoView({ block: "nearest" });
}

function saved(ratio) {
  const percent = Math.round((1 - ratio) * 100);
  return percent >= 0 ? `${percent} % smaller` : `${-percent} % larger`;
}

function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
