// The panel that converts files: takes them by choice or drop, sends them, shows a card for each and one line for all.

import { Card } from "./card.js";
import { $, say } from "./dom.js";
import { Jobs } from "./jobs.js";
import { Refusal, convert, limits } from "./server.js";
import { askForToken } from "./token.js";
import { peaks, readHead } from "./wav.js";
import { bytes, capitalised, count, formatText, clock, limitText, saved } from "./words.js";
import { zip } from "./zip.js";

const ENDINGS = /\.(wav|wave|bwf|rf64|w64)$/i;
/** Points of a picture: as many bars as the widest card shows. */
const POINTS = 300;
/** Encoding and receiving take little beside sending. */
const SHARES = { sending: [0, 0.92], encoding: [0.92, 0.92], receiving: [0.92, 1] };

const cards = new Map();
const jobs = new Jobs(send, changed);
let limit = Infinity;
let pictures = Promise.resolve();

export function begin() {
  $("options").hidden = false;
  $("curl").textContent = `curl -F file=@take.wav ${new URL("convert", document.baseURI)} -o take.flac`;
  $("file").addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = ""; // So that the same file can be chosen again.
  });
  $("form").addEventListener("submit", (event) => event.preventDefault());
  $("cancel-all").addEventListener("click", () => {
    for (const job of jobs.all) jobs.cancel(job);
    say("All were cancelled");
  });
  $("clear").addEventListener("click", clear);
  $("zip").addEventListener("click", downloadAll);
  takeDrops();
  learnLimits();
  addEventListener("beforeunload", (event) => {
    if (!jobs.isIdle) event.preventDefault();
  });
}

async function learnLimits() {
  const known = await limits();
  if (known === null) return;
  limit = known.max_upload_bytes;
  $("limit").textContent = `, up to ${limitText(limit)} each`;
  $("level").options[0].textContent = `Recommended (${known.level})`;
}

/** A file may be dropped anywhere: beside the field, the browser would leave the page for it. */
function takeDrops() {
  let inside = 0;
  const calm = () => {
    inside = 0;
    $("drop").classList.remove("over");
  };
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
  addEventListener("drop", async (event) => {
    event.preventDefault();
    calm();
    $("tab-files").click();
    // The list is only good during the event; what it leads to is good later.
    const items = [...(event.dataTransfer.items ?? [])];
    const entries = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) {
      add(event.dataTransfer.files);
      return;
    }
    for (const entry of entries) {
      for await (const file of filesIn(entry)) {
        // What someone drops by itself is meant; in a folder, only the WAVs are.
        if (!entry.isDirectory || ENDINGS.test(file.name)) add([file]);
      }
    }
  });
}

async function* filesIn(entry) {
  if (entry.isFile) {
    yield await new Promise((resolve, reject) => entry.file(resolve, reject));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // It gives them in portions, and an empty one at the end.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const inner of entries) yield* filesIn(inner);
  }
}

function add(files) {
  for (const file of files) {
    const card = new Card(file.name, bytes(file.size));
    const job = jobs.add(file);
    cards.set(job, card);
    card.oncorner = () => corner(job, card);
    card.onagain = () => jobs.retry(job);
    $("files").append(card.element);
    show(job, card);
    // One after another: the disk is the same for all.
    pictures = pictures.then(() => picture(job, card)).catch(() => card.picture(null, 0));
  }
  showTotal();
}

async function picture({ file }, card) {
  const head = await readHead(file);
  if (head === null) {
    card.picture(null, 0);
    return;
  }
  card.about([bytes(file.size), clock(head.seconds), formatText(head)].join(" · "));
  card.picture(await peaks(file, head, POINTS), head.seconds);
}

function corner(job, card) {
  if (!job.isOver) {
    jobs.cancel(job);
    return;
  }
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling ?? $("file");
  jobs.remove(job);
  cards.delete(job);
  card.close();
  next.focus();
  showTotal();
}

function clear() {
  for (const [job, card] of cards) {
    jobs.remove(job);
    card.close();
  }
  cards.clear();
  showTotal();
  $("file").focus();
}

/** Converts one file; what `Jobs` runs. */
async function send(job, moved) {
  if (job.file.size > limit) {
    throw new Refusal("This file is too large", `It has ${bytes(job.file.size)}; this server takes up to ${limitText(limit)}.`);
  }
  const progress = (done, total, phase) => {
    const [from, to] = SHARES[phase];
    moved(from + (to - from) * (total > 0 ? done / total : 0), phase);
  };
  for (;;) {
    try {
      return await convert(job.file, { options: options(), progress, signal: job.abort.signal });
    } catch (error) {
      if (error.status !== 401 || !(await askForToken())) throw error;
      learnLimits();
    }
  }
}

/** What was chosen, in the words of `POST /convert`. */
function options() {
  const chosen = { level: $("level").value, float: $("float").value };
  if ($("verify").checked) chosen.verify = "true";
  if ($("foreign").checked) chosen.metadata = "foreign";
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== ""));
}

function changed(job) {
  const card = cards.get(job);
  if (card) show(job, card);
  showTotal();
}

function show(job, card) {
  const percent = `${Math.floor(job.share * 100)} %`;
  switch (job.state) {
    case "waiting":
      card.going("Waits for its turn", 0);
      break;
    case "busy":
      card.going(`The server is busy: next try in ${count(job.error.retryAfter, "second")}`, job.share);
      break;
    case "sending": {
      const words = { encoding: "Encoding the rest", receiving: "Receiving the FLAC" };
      card.going(words[job.phase] ?? `Sending, ${percent}`, job.share);
      break;
    }
    case "cancelled":
      card.ended("Cancelled", true);
      break;
    case "failed": {
      const { title = "Something went wrong", message, requestId } = job.error;
      card.failed({ title, detail: capitalised(message), requestId }, true);
      say(`${job.file.name}: ${title}. ${message}`);
      break;
    }
    default: {
      const { blob, name, warnings } = job.result;
      card.done({ name, sizeBefore: job.file.size, before: job.file, after: blob, warnings });
      say(`${name} is ready, ${saved(job.file.size, blob.size)}`);
    }
  }
}

function showTotal() {
  const all = jobs.all;
  $("total").hidden = all.length === 0;
  const of = (state) => all.filter((job) => job.state === state);
  const done = of("done");
  const before = done.reduce((sum, { file }) => sum + file.size, 0);
  const after = done.reduce((sum, { result }) => sum + result.blob.size, 0);
  const left = all.filter((job) => !job.isOver).length;
  const parts = [left > 0 ? `${done.length} of ${count(all.length, "file")} ready` : `${count(done.length, "file")} ready`];
  if (of("failed").length > 0) parts.push(`${of("failed").length} not converted`);
  if (of("cancelled").length > 0) parts.push(`${of("cancelled").length} cancelled`);
  if (done.length > 0) parts.push(`${bytes(before)} → ${bytes(after)}, ${saved(before, after)}`);
  $("summary").textContent = parts.join(" · ");
  $("progress").value = jobs.share * 100;
  $("progress").hidden = left === 0;
  $("cancel-all").hidden = left === 0;
  $("clear").hidden = left > 0;
  $("zip").hidden = left > 0 || done.length < 2;
}

async function downloadAll() {
  const button = $("zip");
  button.disabled = true;
  say("The ZIP is being made");
  try {
    const done = jobs.all.filter((job) => job.state === "done");
    save(await zip(done.map(({ result }) => ({ name: result.name, blob: result.blob }))), "flacship.zip");
  } finally {
    button.disabled = false;
  }
}

/** Hands a blob to the browser's downloads. */
function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  // The browser has taken it up by then; at once would be too early for some.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
