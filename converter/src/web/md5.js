// MD5 (RFC 1321) of bytes that come in pieces. FLAC keeps this sum of the samples: with it the page knows that what was
// encoded is what it sent. Browsers' own crypto has no MD5.

const BLOCK = 64;
const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);

export class Md5 {
  #state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  #pending = new Uint8Array(BLOCK);
  #length = 0;
  #words = new Int32Array(16);

  /** Takes the next bytes in. */
  update(bytes) {
    let at = 0;
    const begun = this.#length % BLOCK;
    this.#length += bytes.length;
    if (begun > 0) {
      at = Math.min(BLOCK - begun, bytes.length);
      this.#pending.set(bytes.subarray(0, at), begun);
      if (begun + at < BLOCK) return this;
      this.#block(this.#pending, 0);
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.#block(bytes, at);
    this.#pending.set(bytes.subarray(at));
    return this;
  }

  /** The sum of all bytes so far as 32 hexadecimal digits; no more may come. */
  hex() {
    const bits = this.#length * 8;
    const padding = new Uint8Array(BLOCK - ((this.#length + 8) % BLOCK) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, bits % 2 ** 32, true);
    view.setUint32(padding.length - 4, Math.floor(bits / 2 ** 32), true);
    this.update(padding);
    const sum = new DataView(new ArrayBuffer(16));
    this.#state.forEach((word, i) => sum.setInt32(i * 4, word, true));
    return Array.from(new Uint8Array(sum.buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  #block(bytes, at) {
    const words = this.#words;
    for (let i = 0, b = at; i < 16; i += 1, b += 4) {
      words[i] = bytes[b] | (bytes[b + 1] << 8) | (bytes[b + 2] << 16) | (bytes[b + 3] << 24);
    }
    let [a, b, c, d] = this.#state;
    for (let i = 0; i < 64; i += 1) {
      const round = i >> 4;
      let mix;
      let word;
      if (round === 0) {
        mix = (b & c) | (~b & d);
        word = i;
      } else if (round === 1) {
        mix = (d & b) | (~d & c);
        word = (5 * i + 1) & 15;
      } else if (round === 2) {
        mix = b ^ c ^ d;
        word = (3 * i + 5) & 15;
      } else {
        mix = c ^ (b | ~d);
        word = (7 * i) & 15;
      }
      const sum = (a + mix + SINES[i] + words[word]) | 0;
      const shift = SHIFTS[(round << 2) | (i & 3)];
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
    }
    this.#state[0] += a;
    this.#state[1] += b;
    this.#state[2] += c;
    this.#state[3] += d;
  }
}
