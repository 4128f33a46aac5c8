// The microphone, as it is: no echo cancellation, no noise suppression, no automatic gain, at its own rate.

/** A suspended browser hands on nothing any more; it is not waited for longer than this. */
const LAST_PIECE = 2000;

/** Why there can be no microphone here, in words, or null. */
export function obstacle() {
  if (!isSecureContext) return "insecure";
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) return "unsupported";
  return null;
}

/** The microphones by name; the names are there once one was allowed. */
export async function microphones() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind, label }) => kind === "audioinput" && label !== "");
}

export class Microphone {
  #context;
  #track;
  #node;
  #last;

  sampleRate;
  channels;
  /** Called with each piece, an Int16Array of interleaved samples. */
  onpiece = () => {};
  /** Called when it is gone: unplugged, or taken away by the person. */
  onlost = () => {};

  /** Asks for it and begins; throws what `trouble` words. */
  static async open(deviceId = "") {
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const audio = deviceId === "" ? raw : { ...raw, deviceId: { exact: deviceId } };
    const media = await navigator.mediaDevices.getUserMedia({ audio });
    const microphone = new Microphone();
    try {
      await microphone.#begin(media);
    } catch (error) {
      for (const track of media.getTracks()) track.stop();
      throw error;
    }
    return microphone;
  }

  async #begin(media) {
    [this.#track] = media.getAudioTracks();
    const settings = this.#track.getSettings();
    // Firefox does not tell the rate, and runs all of a page's audio at one.
    this.#context = new AudioContext(settings.sampleRate ? { sampleRate: settings.sampleRate } : {});
    await this.#context.audioWorklet.addModule("capture.js");
    this.sampleRate = this.#context.sampleRate;
    this.channels = Math.min(2, Math.max(1, settings.channelCount ?? 1));
    this.#node = new AudioWorkletNode(this.#context, "capture", {
      // Silence: but some browsers run only what leads somewhere.
      outputChannelCount: [1],
      channelCount: this.channels,
      channelCountMode: "explicit",
      channelInterpretation: "discrete",
      processorOptions: { channels: this.channels },
    });
    this.#last = new Promise((resolve) => {
      this.#node.port.onmessage = ({ data }) => (data === null ? resolve() : this.onpiece(data));
    });
    this.#track.onended = () => this.onlost();
    this.#context.createMediaStreamSource(media).connect(this.#node).connect(this.#context.destination);
    await this.#context.resume();
  }

  /** Ends; the last piece has been handed on when it resolves. */
  async close() {
    this.#node.port.postMessage(null);
    await Promise.race([this.#last, new Promise((resolve) => setTimeout(resolve, LAST_PIECE))]);
    this.#track.stop();
    await this.#context.close();
  }
}

/** What to tell a person whose microphone could not be opened. */
export function trouble(error) {
  switch (error.name) {
    case "NotAllowedError":
      return "The browser was not allowed to use the microphone. Allow it in the address bar, then try again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No microphone was found. Connect one, then try again.";
    case "NotReadableError":
      return "The microphone is in use by another program, or the system does not give it.";
    default:
      return `The microphone could not be opened: ${error.message}`;
  }
}
