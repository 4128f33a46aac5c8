// The panel that records: microphone → stream → FLAC, with a meter, the time, and what is saved.

import { Card } from "./card.js";
import { $, element, everyFrame, say } from "./dom.js";
import { Link } from "./link.js";
import { Meters, levels } from "./meter.js";
import { Microphone, microphones, obstacle, trouble } from "./microphone.js";
import { Stream } from "./stream.js";
import { bytes, clock, formatText, saved } from "./words.js";
import { bars, draw } from "./wave.js";

/** Peaks of a whole recording; when there are more, every two become one. */
const MOST_PEAKS = 2048;

const words = {
  connecting: "Connecting",
  open: "Recording",
  waiting: "Connection lost: recording goes on, trying again",
  finishing: "Sending the rest",
  lost: "Connection lost: trying again to send the rest",
};

/** Why there is no connection, where the server said it. */
const reasons = {
  too_many_streams: "All places are taken",
  reserved: "This server takes nothing new for now",
  draining: "The server is being changed for another",
  unauthorized: "The server asks for a token",
};

let session = null;

export function begin() {
  const why = obstacle();
  if (why !== null) {
    explain(why);
    return;
  }
  $("record").addEventListener("click", () => (session ? session.stop() : start()));
  $("give-up").addEventListener("click", () => session?.giveUp());
  new Meters($("meters"), 1);
  new ResizeObserver(() => session ?? draw($("live-wave"), bothWays([0]), 1)).observe($("live-wave"));
  listMicrophones();
  navigator.mediaDevices.addEventListener?.("devicechange", listMicrophones);
  addEventListener("beforeunload", (event) => {
    if (session) event.preventDefault();
  });
}

function explain(why) {
  $("desk").hidden = true;
  $("insecure").hidden = false;
  if (why === "unsupported") {
    $("insecure-text").textContent = "This browser cannot give a page the microphone's plain samples. A current Firefox, Chrome, Edge or Safari can.";
    return;
  }
  $("insecure-text").textContent =
    `Browsers give the microphone only to pages that came over an encrypted connection, and this one came from ${location.origin}. What helps:`;
  const local = new URL(location.href);
  local.hostname = "localhost";
  const code = (text) => element("code", { textContent: text });
  $("insecure-ways").append(
    element("li", {}, "If the server runs on this machine, open ", element("a", { href: local.href, textContent: local.origin }), "."),
    element("li", {}, "Give the server a certificate (", code("converter serve --tls-cert FILE --tls-key FILE"), "), or put a proxy with one before it, and open the page by https."),
    element("li", {}, "In Kubernetes, put an Ingress or a Gateway with TLS before the Service."),
    element("li", {}, "Converting files works here as it is; so does ", code("converter stream"), " from the command line."),
  );
}

async function listMicrophones() {
  const known = await microphones();
  const chosen = $("microphone").value;
  $("microphone").replaceChildren(...known.map(({ deviceId, label }) => element("option", { value: deviceId, textContent: label })));
  if (known.some(({ deviceId }) => deviceId === chosen)) $("microphone").value = chosen;
  $("microphone-option").hidden = known.length < 2;
}

async function start() {
  $("record").disabled = true;
  $("live-error").hidden = true;
  try {
    const microphone = await Microphone.open($("microphone").value);
    session = new Session(microphone);
    listMicrophones();
  } catch (error) {
    fail("The recording could not begin", trouble(error));
  } finally {
    $("record").disabled = false;
  }
}

function fail(title, text, id = "") {
  $("live-error-title").textContent = title;
  $("live-error-text").textContent = text;
  $("live-error-id").textContent = id === "" ? "" : `Stream ${id}`;
  $("live-error").hidden = false;
  $("live-error").scrollIntoView({ block: "nearest" });
}

/** One recording, from the button to the card. */
class Session {
  #microphone;
  #stream;
  #link;
  #meters;
  #began = new Date();
  #frames = 0;
  #peaks = [];
  #group = 1;
  #inGroup = 0;
  #lastLevels = [];
  #isRecording = true;
  #light = null;
  #said = "";

  constructor(microphone) {
    const { sampleRate, channels } = microphone;
    const level = $("level").value;
    const format = { sample_rate: sampleRate, channels, bits_per_sample: 16 };
    this.#microphone = microphone;
    this.#stream = new Stream(level === "" ? format : { ...format, level: Number(level) });
    this.#meters = new Meters($("meters"), channels);
    this.#link = new Link(this.#stream, this.#show);
    this.#link.over.then(() => this.#finish());
    microphone.onpiece = (piece) => this.#take(piece);
    microphone.onlost = () => this.stop();
    $("live-hint").textContent = `${formatText({ sampleRate, channels, bits: 16 })}; echo cancellation, noise suppression and automatic gain are off.`;
    this.#keepAwake();
    say("Recording");
    this.#show();
  }

  /** No more sound; what is left is sent. */
  async stop() {
    if (!this.#isRecording) return;
    this.#isRecording = false;
    this.#show();
    await this.#microphone.close();
    this.#stream.end();
    this.#link.pump();
  }

  giveUp() {
    this.#link.giveUp();
  }

  #take(piece) {
    this.#frames += piece.length / this.#microphone.channels;
    this.#stream.add(new Uint8Array(piece.buffer));
    this.#link.pump();
    this.#lastLevels = levels(piece, this.#microphone.channels);
    this.#addPeak(Math.max(...this.#lastLevels));
    this.#show();
    if (this.#stream.isFull && this.#isRecording) {
      fail("The recording was stopped", "The connection has been gone for so long that no more can be kept here. What was recorded is sent as soon as it is back.");
      this.stop();
    }
  }

  #addPeak(peak) {
    if (this.#inGroup === 0) this.#peaks.push(peak);
    else this.#peaks.push(Math.max(peak, this.#peaks.pop()));
    this.#inGroup = (this.#inGroup + 1) % this.#group;
    if (this.#peaks.length > MOST_PEAKS) {
      this.#peaks = Array.from({ length: this.#peaks.length >> 1 }, (_, i) => Math.max(this.#peaks[2 * i], this.#peaks[2 * i + 1]));
      this.#group *= 2;
      this.#inGroup = 0;
    }
  }

  #show = everyFrame(() => {
    if (session !== this) return;
    const { state } = this.#link;
    const key = this.#isRecording ? state : state === "waiting" ? "lost" : "finishing";
    $("link").dataset.state = key;
    const reason = reasons[this.#stream.refusal] ?? "Connection lost";
    $("link-text").textContent = (words[key] ?? words.finishing).replace("Connection lost", reason);
    if (this.#said !== key && (key === "waiting" || this.#said === "waiting")) say($("link-text").textContent);
    this.#said = key;
    $("desk").dataset.state = this.#isRecording ? "recording" : "finishing";
    $("record-text").textContent = this.#isRecording ? "Stop" : "Finishing";
    $("record").disabled = !this.#isRecording;
    $("give-up").hidden = this.#isRecording || state === "open";
    $("elapsed").textContent = clock(this.#frames / this.#microphone.sampleRate);
    $("live-in").textContent = bytes(this.#stream.taken);
    $("live-out").textContent = bytes(this.#stream.received);
    const sent = this.#stream.taken - this.#stream.waiting;
    $("live-saved").textContent = this.#stream.received > 8192 ? saved(sent, this.#stream.received) : "–";
    this.#meters.show(this.#isRecording ? this.#lastLevels : []);
    const canvas = $("live-wave");
    const last = this.#peaks.slice(-bars(canvas.clientWidth));
    const empty = new Array(Math.max(0, bars(canvas.clientWidth) - last.length)).fill(0);
    draw(canvas, bothWays([...empty, ...last]), 1);
  });

  async #finish() {
    if (this.#isRecording) {
      this.#isRecording = false;
      await this.#microphone.close();
    }
    this.#light?.release().catch(() => {});
    const stream = this.#stream;
    if (stream.error !== null) {
      const partial = stream.received > 0 ? " What had arrived is below, and can be played." : "";
      fail("The recording is not complete", `${stream.error.message}${partial}`, stream.id);
    }
    if (stream.done !== null || stream.received > 0) this.#present();
    session = null;
    this.#rest();
  }

  /** The desk as it was before. */
  #rest() {
    $("desk").dataset.state = "idle";
    $("link").dataset.state = "idle";
    $("link-text").textContent = "Ready to record";
    $("record-text").textContent = "Record";
    $("record").disabled = false;
    $("give-up").hidden = true;
    $("elapsed").textContent = clock(0);
    $("live-in").textContent = $("live-out").textContent = bytes(0);
    $("live-saved").textContent = "–";
    draw($("live-wave"), bothWays([0]), 1);
    this.#meters.clear();
  }

  #present() {
    const stream = this.#stream;
    const { done } = stream;
    const file = stream.file();
    const { sampleRate, channels } = this.#microphone;
    const seconds = (done ? done.samples : this.#frames) / sampleRate;
    const name = `Recording ${stamp(this.#began)}${done ? "" : " (incomplete)"}.flac`;
    const card = new Card(name, [clock(seconds), formatText({ sampleRate, channels, bits: 16 })].join(" · "));
    $("recordings").prepend(card.element);
    card.picture(bothWays(this.#peaks), seconds);
    const resumed = stream.resumes > 0 ? ` The connection was lost ${stream.resumes === 1 ? "once" : `${stream.resumes} times`}; nothing is missing.` : "";
    const note = done ? `Complete: the FLAC's checksum is that of the ${done.samples.toLocaleString("en")} samples recorded.${resumed}` : "Only what arrived before the end; players show no length for it.";
    const warnings = (done?.warnings ?? []).map(({ message }) => message);
    card.done({ name, sizeBefore: done ? done.bytes_in : stream.taken, after: file, note, warnings });
    card.oncorner = () => {
      card.close();
      $("record").focus();
    };
    card.element.scrollIntoView({ block: "nearest" });
    if (done) say(`${name} is ready, ${saved(done.bytes_in, file.size)}`);
  }

  /** A phone whose screen goes dark stops the page. */
  async #keepAwake() {
    try {
      this.#light = await navigator.wakeLock.request("screen");
    } catch {
      // Not every browser has it, and it is refused where the battery is low.
    }
  }
}

function bothWays(peaks) {
  return { low: peaks.map((peak) => -peak), high: peaks };
}

/** "2026-01-31 14.05.09": colons are no part of a file's name everywhere. */
function stamp(date) {
  const two = (number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[two(date.getHours()), two(date.getMinutes()), two(date.getSeconds())].join(".")}`;
}
