// The protocol of a live stream (`flacship.v1`) as a state machine: what to say next, what a message means, whether a lost
// connection can be gone on with. It knows neither sockets nor the page: `link.js` drives it, and tests can.

import { Saved, Unsure } from "./kept.js";
import { Md5 } from "./md5.js";

/** Audio in one message, at most. The server may allow less. */
const MESSAGE = 64 * 1024;
/** Without checkpoints, and while there is no connection, this much is kept to be sent again. */
const MOST_KEPT = 256 * 1024 * 1024;
/** The server's own faults are tried again this often without a step forward. */
const MOST_FAULTS = 5;

/** So often the first connection of all is tried; later ones without end. */
const FIRST_TRIES = 6;

/** Errors that pass: another try, perhaps at another server, can go on. The machine keeps all it needs for it. */
const PASSING = new Set(["draining", "too_many_streams", "reserved", "idle", "slow_reader", "internal"]);
/** Close codes that say the same where no error came before them. */
const PASSING_CLOSES = new Set([1001, 1005, 1006, 1011, 1012, 1013, 4408]);

export class Stream {
  /** What the server says the samples are. */
  format = null;
  /** The server's name for the connection, for whoever looks into its log. */
  id = "";
  /** How often the stream was gone on with after its connection was lost. */
  resumes = 0;
  /** `done`, once all is there: { samples, bytes_in, bytes_out, md5, warnings… }. */
  done = null;
  /** Why it failed: { code, message }. */
  error = null;

  #start;
  #unsure = new Unsure();
  #saved = new Saved();
  #md5 = new Md5();
  #token = null;
  #checkpoint = { in: 0, out: 0 };
  #phase = "closed"; // closed, opening, open, over
  #resuming = false;
  #sentTo = 0;
  #message = MESSAGE;
  #ended = false;
  #endSaid = false;
  #refusal = null;
  #faults = 0;
  #triesLeft = FIRST_TRIES;
  #resumable = true;

  /** `start` is what the audio is: { sample_rate, channels, bits_per_sample, level? }. */
  constructor(start) {
    this.#start = { type: "start", format: "pcm", ...start };
  }

  /** Audio that was taken up so far, in bytes. */
  get taken() {
    return this.#unsure.to;
  }

  /** Audio that has not been sent yet, in bytes. */
  get waiting() {
    return this.#unsure.to - this.#sentTo;
  }

  /** FLAC that is here, in bytes. */
  get received() {
    return this.#saved.size;
  }

  /** The code of what the server last refused a connection with, or null. */
  get refusal() {
    return this.#refusal?.code ?? null;
  }

  get isOpen() {
    return this.#phase === "open";
  }

  get isEnded() {
    return this.#ended;
  }

  /** No room to keep more until the server has settled some of it. */
  get isFull() {
    return this.#unsure.size >= MOST_KEPT;
  }

  /** Takes up audio; it is sent when there is a connection. */
  add(pcm) {
    if (this.#ended || pcm.length === 0) return;
    this.#unsure.add(pcm);
    this.#md5.update(pcm);
  }

  /** No more audio comes. */
  end() {
    this.#ended = true;
  }

  /** A connection is there: what to say first. */
  opened() {
    this.#phase = "opening";
    this.#refusal = null;
    this.#endSaid = false;
    this.#resuming = this.#token !== null;
    if (this.#resuming) return JSON.stringify({ type: "resume", token: this.#token });
    // Nothing is settled yet, so all audio is still here, and the stream can begin anew.
    this.#rewind(0, 0);
    return JSON.stringify(this.#start);
  }

  /** The next message to send, text or bytes, or null when there is none now. */
  next() {
    if (this.#phase !== "open") return null;
    const bytes = this.#unsure.read(this.#sentTo, this.#message);
    if (bytes !== null) {
      this.#sentTo += bytes.length;
      // A server that gives no checkpoints can take nothing a second time, so after a while nothing is kept for it.
      if (!this.#resumable && this.#unsure.size > MOST_KEPT / 4) this.#unsure.forget(this.#sentTo);
      return bytes;
    }
    if (this.#ended && !this.#endSaid) {
      this.#endSaid = true;
      return JSON.stringify({ type: "end" });
    }
    return null;
  }

  /** Takes a message in: a string, or bytes. */
  receive(message) {
    if (this.#phase === "over") return;
    if (typeof message !== "string") {
      this.#saved.add(message);
      this.#faults = 0;
      return;
    }
    let said;
    try {
      said = JSON.parse(message);
    } catch {
      this.#fail("malformed_answer", "The server said something that this page does not understand.");
      return;
    }
    switch (said?.type) {
      case "ready":
        this.id = String(said.id ?? "");
        this.#triesLeft = Infinity;
        if (said.max_message_bytes > 0) this.#message = Math.min(MESSAGE, said.max_message_bytes);
        this.#resumable = said.resumable === true;
        if (!this.#resuming) this.#phase = "open";
        break;
      case "format":
        this.format = { sampleRate: said.sample_rate, channels: said.channels, bits: said.bits_per_sample };
        break;
      case "resumed":
        if (this.#rewind(said.bytes_in, said.bytes_out)) {
          this.resumes += 1;
          this.#phase = "open";
        } else {
          this.#fail("cannot_resume", "The server wants to go on from a place that this page no longer has.");
        }
        break;
      case "checkpoint":
        this.#token = said.token;
        this.#checkpoint = { in: said.bytes_in, out: said.bytes_out };
        this.#unsure.forget(said.bytes_in);
        this.#saved.settle(said.bytes_out);
        break;
      case "done":
        this.#finish(said);
        break;
      case "error":
        this.#refusal = { code: String(said.code), message: String(said.message) };
        break;
      default: // What later servers may say beside this.
    }
  }

  /** The connection is gone: "over", "again" (connect once more) or "token" (ask for one, then connect once more). */
  closed(code) {
    if (this.#phase === "over") return "over";
    this.#phase = "closed";
    const refusal = this.#refusal;
    if (refusal?.code === "unauthorized") return "token";
    const passing = refusal ? PASSING.has(refusal.code) || code === 1012 || code === 1013 : PASSING_CLOSES.has(code);
    if (code === 1011) this.#faults += 1;
    if (refusal === null) this.#triesLeft -= 1;
    if (this.#triesLeft <= 0) {
      this.#fail("unreachable", "No stream could be opened: the server cannot be reached, or it does not let this page in.");
      return "over";
    }
    if (!passing || this.#faults > MOST_FAULTS) {
      this.#fail(refusal?.code ?? `closed_${code}`, refusal?.message ?? `The server ended the stream (${code}).`);
    } else if (this.#token === null && this.#unsure.from > 0) {
      this.#fail("cannot_resume", "The connection was lost, and this server cannot go on with a stream.");
    } else {
      return "again";
    }
    return "over";
  }

  /** Ends here with what has arrived. */
  giveUp() {
    if (this.#phase !== "over") this.#fail("given_up", "You ended it before all had arrived.");
  }

  /** The FLAC as far as it is here: whole and seekable after `done`, else playable up to its last frame. */
  file() {
    return this.done ? this.#saved.file(decoded(this.done.head)) : this.#saved.file();
  }

  #rewind(bytesIn, bytesOut) {
    if (!(bytesIn >= this.#unsure.from && bytesIn <= this.#unsure.to && this.#saved.cut(bytesOut))) return false;
    this.#sentTo = bytesIn;
    return true;
  }

  #finish(done) {
    const head = decoded(done.head);
    const md5 = this.#md5.hex();
    if (done.bytes_in !== this.#unsure.to || done.md5 !== md5) {
      this.#fail("other_audio", "What the server encoded is not what was recorded: its checksum is another.");
    } else if (done.bytes_out !== this.#saved.size || head.length > this.#saved.size) {
      this.#fail("incomplete", "Some of the FLAC did not arrive.");
    } else {
      this.done = done;
      this.#phase = "over";
    }
  }

  #fail(code, message) {
    this.error = { code, message };
    this.#phase = "over";
  }
}

function decoded(base64) {
  return Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));
}
