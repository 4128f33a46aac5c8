// As much of a WAV as a picture of it needs: its format, where its samples lie, and the peaks over time. Read from the
// file in slices, so that a file of any size costs little memory. The server alone decides what a WAV is: what cannot be
// read here just has no picture.

const MOST_CHUNKS = 1000;
const SLICE = 1 << 20;
/** Up to here every sample is looked at; in longer files a piece of each stretch. */
const ALL_OF = 64 << 20;
const PIECE = 48 << 10;

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
const UNKNOWN = 0xffffffff;

/** Reads the chunks up to the samples; null if this is no WAV that can be pictured. */
export async function readHead(file) {
  const riff = await view(file, 0, 12);
  if (riff === null || !["RIFF", "RF64", "BW64"].includes(text(riff, 0)) || text(riff, 8) !== "WAVE") return null;
  let format = null;
  let long = null;
  let at = 12;
  for (let n = 0; n < MOST_CHUNKS; n += 1) {
    const head = await view(file, at, 8);
    if (head === null) return null;
    const id = text(head, 0);
    const length = head.getUint32(4, true);
    at += 8;
    if (id === "ds64") {
      const body = await view(file, at, 16);
      long = body && Number(body.getBigUint64(8, true));
    } else if (id === "fmt ") {
      const body = await view(file, at, Math.min(length, 40));
      format = body && readFormat(body);
      if (format === null) return null;
    } else if (id === "data") {
      if (format === null) return null;
      const left = file.size - at;
      const declared = length === UNKNOWN ? (long ?? left) : length;
      const size = Math.min(declared === 0 ? left : declared, left);
      const frames = Math.floor(size / format.frameBytes);
      return { ...format, start: at, frames, seconds: frames / format.sampleRate };
    }
    at += length + (length % 2);
  }
  return null;
}

function readFormat(body) {
  if (body.byteLength < 16) return null;
  let kind = body.getUint16(0, true);
  const channels = body.getUint16(2, true);
  const sampleRate = body.getUint32(4, true);
  const container = body.getUint16(14, true);
  let bits = container;
  if (kind === EXTENSIBLE && body.byteLength >= 26) {
    bits = body.getUint16(18, true) || container;
    kind = body.getUint16(24, true);
  }
  const width = Math.ceil(container / 8);
  const float = kind === FLOAT;
  const known = float ? [4, 8].includes(width) : kind === PCM && width >= 1 && width <= 4;
  if (!known || channels === 0 || sampleRate === 0) return null;
  return { channels, sampleRate, bits, width, float, frameBytes: width * channels };
}

/**
 * The lowest and highest sample, −1 to 1, of each of `count` stretches of the file, over all channels:
 * { low, high }, or null where there is nothing to see.
 */
export async function peaks(file, head, count, signal) {
  const low = new Float32Array(count);
  const high = new Float32Array(count);
  if (head.frames === 0) return null;
  const stretch = head.frames / count;
  const all = head.frames * head.frameBytes <= ALL_OF;
  const most = Math.max(1, Math.floor((all ? SLICE : PIECE) / head.frameBytes));
  // Of a file that is read whole, one slice serves many stretches: each read of a file takes its time.
  let kept = null;
  const read = async (at, frames) => {
    if (kept === null || at + frames > kept.to) {
      const ahead = all ? Math.min(most, head.frames - at) : frames;
      const body = await view(file, head.start + at * head.frameBytes, ahead * head.frameBytes);
      if (body === null) return null;
      kept = { from: at, to: at + ahead, buffer: body.buffer };
    }
    return new DataView(kept.buffer, (at - kept.from) * head.frameBytes, frames * head.frameBytes);
  };
  for (let n = 0; n < count; n += 1) {
    const from = Math.floor(n * stretch);
    const to = all ? Math.max(from + 1, Math.floor((n + 1) * stretch)) : from + Math.min(most, Math.ceil(stretch));
    for (let at = from; at < Math.min(to, head.frames); at += most) {
      signal?.throwIfAborted();
      const frames = Math.min(most, to - at, head.frames - at);
      const body = await read(at, frames);
      if (body === null) return null;
      scan(body, head, n, low, high);
    }
  }
  return { low, high };
}

function scan(body, { width, float }, n, low, high) {
  let least = low[n];
  let most = high[n];
  for (let at = 0; at + width <= body.byteLength; at += width) {
    const value = sample(body, at, width, float);
    if (value < least) least = value;
    if (value > most) most = value;
  }
  low[n] = Math.max(-1, least);
  high[n] = Math.min(1, most);
}

function sample(body, at, width, float) {
  if (float) return width === 4 ? body.getFloat32(at, true) : body.getFloat64(at, true);
  if (width === 1) return (body.getUint8(at) - 128) / 128;
  if (width === 2) return body.getInt16(at, true) / 32768;
  if (width === 3) return (body.getUint16(at, true) | (body.getInt8(at + 2) << 16)) / 8388608;
  return body.getInt32(at, true) / 2147483648;
}

/** The bytes there, or null if the file has fewer. */
async function view(file, at, length) {
  if (at + length > file.size) return null;
  return new DataView(await file.slice(at, at + length).arrayBuffer());
}

function text(bytes, at) {
  return String.fromCharCode(...new Uint8Array(bytes.buffer, at, 4));
}
