// The two stores of a live stream: what may have to be sent again, and what has come back.

/** Sent audio that the server has not yet put into a checkpoint, and audio that waits to be sent. Positions are bytes from the stream's start. */
export class Unsure {
  #pieces = [];
  /** The position of the first byte that is still here. */
  from = 0;
  /** The position after the last. */
  to = 0;

  /** Takes new audio in. */
  add(bytes) {
    this.#pieces.push(bytes);
    this.to += bytes.length;
  }

  get size() {
    return this.to - this.from;
  }

  /** Forgets what lies before a position. */
  forget(position) {
    while (this.#pieces.length > 0 && this.from + this.#pieces[0].length <= position) {
      this.from += this.#pieces.shift().length;
    }
    if (position > this.from && this.#pieces.length > 0) {
      this.#pieces[0] = this.#pieces[0].slice(position - this.from);
      this.from = position;
    }
  }

  /** At most `most` bytes from a position on, or null if there are none. */
  read(position, most) {
    let at = this.from;
    for (const piece of this.#pieces) {
      if (position < at + piece.length) return piece.subarray(position - at, position - at + most);
      at += piece.length;
    }
    return null;
  }
}

/** The FLAC as it comes back. What a checkpoint covers goes into blobs, which browsers keep on disk when they grow. */
export class Saved {
  #sure = [];
  #sureSize = 0;
  #loose = [];
  #looseSize = 0;

  add(bytes) {
    this.#loose.push(bytes);
    this.#looseSize += bytes.length;
  }

  get size() {
    return this.#sureSize + this.#looseSize;
  }

  /** What lies before a position will not be cut any more. */
  settle(position) {
    const bytes = Math.min(position, this.size) - this.#sureSize;
    if (bytes <= 0) return;
    const loose = new Blob(this.#loose);
    this.#sure.push(loose.slice(0, bytes));
    this.#sureSize += bytes;
    this.#looseSize -= bytes;
    // A checkpoint mostly covers all that is here; what it does not is less than a second's frames.
    this.#loose = this.#looseSize > 0 ? [loose.slice(bytes)] : [];
    // One blob of many, so that the list stays short over hours.
    if (this.#sure.length >= 64) this.#sure = [new Blob(this.#sure)];
  }

  /** Throws away what lies after a position; false if that would be what was settled, or is not here. */
  cut(position) {
    if (position < this.#sureSize || position > this.size) return false;
    this.#loose = [new Blob(this.#loose).slice(0, position - this.#sureSize)];
    this.#looseSize = position - this.#sureSize;
    return true;
  }

  /** All of it as a file, with `head` in the place of its first bytes. */
  file(head = new Uint8Array()) {
    const all = new Blob([...this.#sure, ...this.#loose]);
    return new Blob([head, all.slice(head.length)], { type: "audio/flac" });
  }
}
