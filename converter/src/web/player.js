// Plays the sound before and after, from the same place: changing sides goes on where the other was. One card plays at a time.

import { clock } from "./words.js";

let playing = null;

export class Player {
  #sides = {};
  #side = "after";
  #moved;
  #urls = [];

  /** `sides` are blobs: { before?, after }. `moved` is called when time, side or play has changed. */
  constructor(sides, moved) {
    this.#moved = moved;
    for (const [side, blob] of Object.entries(sides)) {
      const url = URL.createObjectURL(blob);
      this.#urls.push(url);
      const audio = new Audio(url);
      audio.preload = side === "after" ? "metadata" : "none";
      for (const event of ["timeupdate", "play", "pause", "ended", "loadedmetadata", "seeked", "error"]) {
        audio.addEventListener(event, () => side === this.#side && moved());
      }
      this.#sides[side] = audio;
    }
  }

  get #audio() {
    return this.#sides[this.#side];
  }

  get side() {
    return this.#side;
  }

  get isPlaying() {
    return !this.#audio.paused && !this.#audio.ended;
  }

  /** Seconds, or 0 while they are not known. A FLAC without a length in its head has an endless one. */
  get length() {
    return Number.isFinite(this.#audio.duration) ? this.#audio.duration : 0;
  }

  get time() {
    return this.#audio.currentTime;
  }

  /** What the browser says if it cannot play this side. */
  get error() {
    return this.#audio.error?.message ?? null;
  }

  get text() {
    return this.length > 0 ? `${clock(this.time)} / ${clock(this.length)}` : clock(this.time);
  }

  toggle() {
    if (this.isPlaying) {
      this.#audio.pause();
      return;
    }
    if (playing !== this) playing?.pause();
    playing = this;
    this.#play();
  }

  pause() {
    this.#audio.pause();
  }

  seek(seconds) {
    this.#audio.currentTime = seconds;
    this.#moved();
  }

  /** Changes sides in the middle of the sound. */
  listenTo(side) {
    const [goesOn, at] = [this.isPlaying, this.time];
    this.#audio.pause();
    this.#side = side;
    this.#audio.currentTime = at;
    if (goesOn) this.#play();
    this.#moved();
  }

  close() {
    for (const audio of Object.values(this.#sides)) {
      audio.pause();
      audio.removeAttribute("src");
    }
    for (const url of this.#urls) URL.revokeObjectURL(url);
  }

  #play() {
    // Refused only where the browser cannot play it, which `error` says.
    this.#audio.play().catch(() => this.#moved());
  }
}
