// Sizes, times and names in words for people. Knows nothing of the page.

/** Bytes for people: 1234567 → "1.23 MB". */
export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  // No line ends before a unit or a sign.
  return `${unit === 0 ? count : value.toPrecision(3)}\u00a0${units[unit]}`;
}

/** A limit as the server words it: 2147483648 → "2 GiB". */
export function limitText(count) {
  for (const [unit, size] of [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (count >= size && count % size === 0) return `${count / size}\u00a0${unit}`;
  }
  return bytes(count);
}

/** Seconds for people: 3725 → "1:02:05". */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** How much smaller the FLAC is than what went in. */
export function saved(before, after) {
  if (before <= 0) return "";
  const percent = Math.round((1 - after / before) * 100);
  return percent >= 0 ? `${percent}\u00a0% smaller` : `${-percent}\u00a0% larger`;
}

/** "1 file", "3 files". */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/** What the samples are like: "44.1 kHz, 16 bits, stereo". */
export function formatText({ sampleRate, bits, channels, float = false }) {
  const places = { 1: "mono", 2: "stereo" };
  return `${sampleRate / 1000} kHz, ${bits} bits${float ? " float" : ""}, ${places[channels] ?? `${channels} channels`}`;
}

export function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
