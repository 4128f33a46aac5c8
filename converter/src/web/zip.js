// A ZIP file of blobs, stored: FLAC does not get smaller by being compressed again. The blobs are read once, in slices, for
// their checksums, and are never in memory as a whole: the ZIP is a blob made of them. ZIP64 where a size asks for it.

const LARGEST = 0xffffffff;
const MOST_ENTRIES = 0xffff;
const SLICE = 1 << 20;
const UTF8_NAMES = 0x0800;

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of a blob. */
export async function crc32(blob) {
  let crc = LARGEST;
  for (let at = 0; at < blob.size; at += SLICE) {
    for (const byte of new Uint8Array(await blob.slice(at, at + SLICE).arrayBuffer())) {
      crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
    }
  }
  return (crc ^ LARGEST) >>> 0;
}

/** Makes one ZIP of `[{ name, blob }]`; names that are there twice get a number. */
export async function zip(files, now = new Date()) {
  const taken = new Set();
  const parts = [];
  const directory = [];
  let offset = 0;
  const [date, time] = dosTime(now);
  for (const { name, blob } of files) {
    const entry = { name: new TextEncoder().encode(unused(name, taken)), size: blob.size, crc: await crc32(blob), offset, date, time };
    const head = localHead(entry);
    parts.push(head, blob);
    offset += head.length + blob.size;
    directory.push(centralHead(entry));
  }
  const size = directory.reduce((sum, head) => sum + head.length, 0);
  return new Blob([...parts, ...directory, end(directory.length, size, offset)], { type: "application/zip" });
}

/** "take.flac", then "take (2).flac"; case does not tell names apart everywhere. */
export function unused(name, taken) {
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  let free = name;
  for (let n = 2; taken.has(free.toLowerCase()); n += 1) free = `${stem} (${n})${ending}`;
  taken.add(free.toLowerCase());
  return free;
}

function localHead({ name, size, crc, date, time }) {
  const large = size >= LARGEST;
  const extra = large ? fields([2, 1], [2, 16], [8, size], [8, size]) : new Uint8Array();
  const shown = large ? LARGEST : size;
  const head = fields(
    [4, 0x04034b50], [2, large ? 45 : 20], [2, UTF8_NAMES], [2, 0], [2, time], [2, date], [4, crc],
    [4, shown], [4, shown], [2, name.length], [2, extra.length],
  );
  return joined(head, name, extra);
}

function centralHead({ name, size, crc, offset, date, time }) {
  const wide = [];
  if (size >= LARGEST) wide.push([8, size], [8, size]);
  if (offset >= LARGEST) wide.push([8, offset]);
  const extra = wide.length > 0 ? fields([2, 1], [2, wide.length * 8], ...wide) : new Uint8Array();
  const shown = Math.min(size, LARGEST);
  const version = wide.length > 0 ? 45 : 20;
  const head = fields(
    [4, 0x02014b50], [2, version], [2, version], [2, UTF8_NAMES], [2, 0], [2, time], [2, date], [4, crc],
    [4, shown], [4, shown], [2, name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0],
    [4, Math.min(offset, LARGEST)],
  );
  return joined(head, name, extra);
}

function end(entries, size, offset) {
  const short = fields(
    [4, 0x06054b50], [2, 0], [2, 0], [2, Math.min(entries, MOST_ENTRIES)], [2, Math.min(entries, MOST_ENTRIES)],
    [4, Math.min(size, LARGEST)], [4, Math.min(offset, LARGEST)], [2, 0],
  );
  if (entries < MOST_ENTRIES && size < LARGEST && offset < LARGEST) return short;
  const long = fields(
    [4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, entries], [8, entries], [8, size], [8, offset],
  );
  const locator = fields([4, 0x07064b50], [4, 0], [8, offset + size], [4, 1]);
  return joined(long, locator, short);
}

/** Numbers one after another, little-endian, each as [width in bytes, value]. */
function fields(...list) {
  const bytes = new Uint8Array(list.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of list) {
    let rest = value;
    for (let i = 0; i < width; i += 1) {
      bytes[at + i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    at += width;
  }
  return bytes;
}

function joined(...parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function dosTime(now) {
  const date = ((Math.max(1980, now.getFullYear()) - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  return [date, (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1)];
}
