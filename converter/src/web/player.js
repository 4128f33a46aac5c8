// Plays the sound before and after, from the same place: changing sides goes on where the other was. One card plays at a time.

import { clock } from "./words.js";

let playing = null;

export class Player {
  #blobs;
  #sides = {};
  #side = "after";
  #moved;
  #urls = [];

  /** How long the sound is, in seconds, for as long as the browser has not looked itself. */
  seconds = 0;

  /** `sides` are blobs: { before?, after }. `moved` is called when time, side or play has changed. */
  constructor(sides, moved) {
    this.#blobs = sides;
    this.#moved = moved;
  }

  /** Made when it is first needed: browsers have only so many players, and a list may be long. */
  get #audio() {
    const side = this.#side;
    if (this.#sides[side] === undefined) {
      const url = URL.createObjectURL(this.#blobs[side]);
      this.#urls.push(url);
      const audio = new Audio(url);
      for (const event of ["timeupdate", "play", "pause", "ended", "loadedmetadata", "seeked", "error"]) {
        audio.addEventListener(event, () => side === this.#side && this.#moved());
      }
      this.#sides[side] = audio;
    }
    return this.#sides[side];
  }

  get #made() {
    return this.#sides[this.#side];
  }

  get side() {
    return this.#side;
  }

  get isPlaying() {
    return this.#made !== undefined && !this.#made.paused && !this.#made.ended;
  }

  /** Seconds, or 0 where nobody knows. A FLAC without a length in its head has an endless one. */
  get length() {
    const own = this.#made?.duration;
    return Number.isFinite(own) ? own : this.seconds;
  }

  get time() {
    return this.#made?.currentTime ?? 0;
  }

  /** What the browser says if it cannot play this side. */
  get error() {
    return this.#made?.error?.message ?? null;
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
    this.#made?.pause();
  }

  seek(seconds) {
    this.#audio.currentTime = seconds;
    this.#moved();
  }

  /** Changes sides in the middle of the sound. */
  listenTo(side) {
    const [goesOn, at] = [this.isPlaying, this.time];
    this.pause();
    this.#side = side;
    if (goesOn || at > 0) this.#audio.currentTime = at;
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
