// Runs beside the page, on the browser's audio thread: takes the microphone's samples as they come and hands them on as
// interleaved 16-bit PCM, a twentieth of a second at a time.

const PER_SECOND = 20;

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.channels = processorOptions.channels;
    this.length = Math.ceil(sampleRate / PER_SECOND) * this.channels;
    this.running = true;
    this.begin();
    this.port.onmessage = () => {
      // The last samples, and that they are the last.
      this.hand();
      this.port.postMessage(null);
      this.running = false;
    };
  }

  begin() {
    this.piece = new Int16Array(this.length);
    this.filled = 0;
  }

  hand() {
    const piece = this.piece.slice(0, this.filled);
    this.port.postMessage(piece, [piece.buffer]);
    this.begin();
  }

  process([input]) {
    // No channels: nothing is connected, or the microphone gives nothing yet.
    if (this.running && input.length > 0) {
      for (let frame = 0; frame < input[0].length; frame += 1) {
        for (let channel = 0; channel < this.channels; channel += 1) {
          const value = (input[channel] ?? input[0])[frame];
          // 16-bit microphones come back exactly: the browser divided by 32768.
          this.piece[this.filled] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
          this.filled += 1;
        }
        if (this.filled === this.length) this.hand();
      }
    }
    return this.running;
  }
}

registerProcessor("capture", Capture);
