// A file or a recording on the page: its picture, how far it is, what came of it, and what one can do with it.

import { everyFrame } from "./dom.js";
import { Player } from "./player.js";
import { draw } from "./wave.js";
import { bytes, clock, saved } from "./words.js";

let cards = 0;

export class Card {
  #root = document.getElementById("card").content.firstElementChild.cloneNode(true);
  #name;
  #peaks = null;
  #share = 0;
  #player = null;
  #url = null;
  #resized;
  #seconds = 0;

  /** The button in the corner: cancels what is under way, takes away what is over. */
  oncorner = () => {};
  onagain = () => {};

  constructor(name, about) {
    this.#name = name;
    cards += 1;
    const heading = this.#part(".name");
    heading.id = `card-${cards}`;
    heading.textContent = name;
    this.#root.setAttribute("aria-labelledby", heading.id);
    for (const radio of this.#root.querySelectorAll(".which input")) radio.name = `which-${cards}`;
    this.about(about);
    this.#part(".drop-it").onclick = () => this.oncorner();
    this.#part(".again").onclick = () => this.onagain();
    this.#part("progress").setAttribute("aria-label", `Progress of ${name}`);
    // A line, until the picture is known: so nothing jumps when it is.
    this.picture({ low: [0], high: [0] }, 0);
    this.#resized = new ResizeObserver(this.#draw);
    this.#resized.observe(this.#part("canvas"));
  }

  get element() {
    return this.#root;
  }

  about(text) {
    this.#part(".about").textContent = text;
  }

  /** Shows the sound's picture; null where there is none. */
  picture(peaks, seconds) {
    this.#peaks = peaks;
    this.#seconds = seconds;
    if (this.#player !== null) {
      this.#player.seconds = seconds;
      this.#played();
    }
    this.#part(".wave").hidden = peaks === null;
    this.#draw();
  }

  /** On its way: a share from 0 to 1, or null where none can be told. */
  going(state, share) {
    this.#root.dataset.state = "going";
    this.#show("going");
    this.#part(".state").textContent = state;
    const bar = this.#part("progress");
    if (share === null) bar.removeAttribute("value");
    else bar.value = share * 100;
    this.#share = share ?? 0;
    this.#corner("Cancel");
    this.#draw();
  }

  /** A word instead of a result. */
  ended(state, again) {
    this.#root.dataset.state = "ended";
    this.#show("trouble");
    this.#trouble(state, "", "");
    this.#part(".again").hidden = !again;
    this.#share = 0;
    this.#corner("Remove");
    this.#draw();
  }

  failed({ title, detail, requestId = "" }, again) {
    this.ended(title, again);
    this.#root.dataset.state = "failed";
    this.#trouble(title, detail, requestId);
  }

  /** All there: `after` is the FLAC's blob; `before` the original's, if it can be listened to. */
  done({ name, sizeBefore, before, after, note = "", warnings = [] }) {
    this.#root.dataset.state = "done";
    this.#show("outcome");
    this.#part(".name").textContent = name;
    this.#part(".before").textContent = bytes(sizeBefore);
    this.#part(".after").textContent = bytes(after.size);
    this.#part(".bar span").style.setProperty("--share", Math.min(1, after.size / Math.max(sizeBefore, 1)));
    const badge = this.#part(".row .saved");
    badge.textContent = saved(sizeBefore, after.size);
    badge.hidden = badge.textContent === "";
    this.#part(".note").textContent = note;
    this.#part(".note").hidden = note === "";
    const list = this.#part(".warnings");
    list.replaceChildren(...warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    list.hidden = warnings.length === 0;
    this.#url = URL.createObjectURL(after);
    Object.assign(this.#part(".download"), { href: this.#url, download: name });
    this.#part(".download").setAttribute("aria-label", `Download ${name}`);
    this.#share = 0;
    this.#corner("Remove");
    this.#listen(name, before === undefined ? { after } : { before, after });
    this.#draw();
  }

  close() {
    this.#player?.close();
    this.#resized.disconnect();
    if (this.#url !== null) URL.revokeObjectURL(this.#url);
    this.#root.remove();
  }

  #listen(name, sides) {
    this.#player = new Player(sides, this.#played);
    const player = this.#player;
    player.seconds = this.#seconds;
    this.#part(".play .unseen").textContent = `Play ${name}`;
    this.#part(".play").onclick = () => player.toggle();
    this.#part(".which").hidden = sides.before === undefined;
    for (const radio of this.#root.querySelectorAll(".which input")) {
      radio.onchange = () => player.listenTo(radio.value);
    }
    const seek = this.#part(".seek");
    seek.setAttribute("aria-label", `Position in ${name}`);
    seek.oninput = () => player.seek((seek.value / seek.max) * player.length);
    seek.hidden = false;
    this.#played();
  }

  #played = () => {
    const player = this.#player;
    this.#part(".play").setAttribute("aria-pressed", player.isPlaying);
    this.#part(".position").textContent =
      player.error === null ? player.text : "This browser cannot play it";
    const seek = this.#part(".seek");
    this.#share = player.length > 0 ? player.time / player.length : 0;
    seek.value = this.#share * seek.max;
    seek.classList.toggle("at-start", this.#share === 0);
    seek.setAttribute("aria-valuetext", `${clock(player.time)} of ${clock(player.length)}`);
    this.#draw();
  };

  #draw = everyFrame(() => {
    if (this.#peaks !== null) draw(this.#part("canvas"), this.#peaks, this.#share);
  });

  #show(part) {
    for (const name of ["going", "outcome", "trouble"]) this.#part(`.${name}`).hidden = name !== part;
  }

  #trouble(what, why, id) {
    this.#part(".what").textContent = what;
    this.#part(".why").textContent = why;
    this.#part(".id").textContent = id === "" ? "" : `Request ${id}`;
    this.#part(".why").hidden = why === "";
    this.#part(".id").hidden = id === "";
    this.#part(".again").setAttribute("aria-label", `Try ${this.#name} again`);
  }

  #corner(word) {
    const button = this.#part(".drop-it");
    button.textContent = word;
    button.setAttribute("aria-label", `${word} ${this.#name}`);
  }

  #part(selector) {
    return this.#root.querySelector(selector);
  }
}
