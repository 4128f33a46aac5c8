// Level meters, one a channel: how loud the last moment was, and the loudest of the last seconds, in dB below full scale.

import { element } from "./dom.js";

const FLOOR = -60;
const HOLD = 1500;

/** The peak of each channel of interleaved 16-bit samples, from 0 to 1. */
export function levels(samples, channels) {
  const peaks = new Array(channels).fill(0);
  for (let i = 0; i < samples.length; i += 1) {
    const value = Math.abs(samples[i]) / 32768;
    if (value > peaks[i % channels]) peaks[i % channels] = value;
  }
  return peaks;
}

export class Meters {
  #rows = [];

  constructor(root, channels) {
    const names = channels === 1 ? ["Level"] : channels === 2 ? ["Left", "Right"] : Array.from({ length: channels }, (_, n) => `Channel ${n + 1}`);
    this.#rows = names.map((name) => {
      const fill = element("span", { className: "fill" });
      const hold = element("span", { className: "hold" });
      const bar = element("div", { className: "meter", role: "meter" }, fill, hold);
      bar.setAttribute("aria-label", `${name} in dB below full scale`);
      bar.setAttribute("aria-valuemin", FLOOR);
      bar.setAttribute("aria-valuemax", 0);
      const value = element("span", { className: "db", textContent: "−∞ dB" });
      const row = element("div", { className: "meter-row" }, element("span", { className: "side", textContent: name }), bar, value);
      return { row, bar, fill, hold, value, level: 0, held: 0, heldAt: 0 };
    });
    root.replaceChildren(...this.#rows.map(({ row }) => row));
    this.show([]);
  }

  /** Nothing is heard any more. */
  clear() {
    for (const row of this.#rows) Object.assign(row, { level: 0, held: 0 });
    this.show([]);
  }

  /** `peaks` as `levels` gives them. */
  show(peaks, now = performance.now()) {
    this.#rows.forEach((row, channel) => {
      const peak = peaks[channel] ?? 0;
      // Up at once, down slowly, so that the eye can follow.
      row.level = Math.max(peak, row.level * 0.82);
      if (peak >= row.held || now - row.heldAt > HOLD) Object.assign(row, { held: peak, heldAt: now });
      row.fill.style.setProperty("--level", share(row.level));
      row.hold.style.setProperty("--level", share(row.held));
      row.hold.hidden = row.held === 0;
      row.bar.dataset.hot = row.held >= 0.99;
      const decibels = inDecibels(row.held);
      row.bar.setAttribute("aria-valuenow", Math.max(FLOOR, Math.round(decibels)));
      row.value.textContent = row.held >= 0.99 ? "too loud" : `${decibels > FLOOR ? decibels.toFixed(0).replace("-", "−") : "−∞"} dB`;
    });
  }
}

function inDecibels(peak) {
  return peak > 0 ? 20 * Math.log10(peak) : -Infinity;
}

function share(peak) {
  return Math.max(0, Math.min(1, 1 - inDecibels(peak) / FLOOR));
}
