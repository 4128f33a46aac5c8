// Drives a `Stream` over WebSockets: opens them, sends what the stream has as fast as the connection takes it, and connects
// again, after a pause that grows, while the stream says so.

import { askForToken, protocols } from "./token.js";

/** The browser's own queue is kept this short, so that little is lost with a connection. */
const QUEUED = 256 * 1024;
/** How soon a full queue is looked at again. */
const LOOK_AGAIN = 20;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5000;

export class Link {
  #stream;
  #changed;
  #socket = null;
  #timer = null;
  #pause = FIRST_PAUSE;
  #over;

  /** "connecting", "open", "waiting" (for the next try), "over". */
  state = "connecting";
  /** Resolves when the stream is over, one way or the other. */
  over = new Promise((resolve) => (this.#over = resolve));

  /** `changed` is called whenever there is something new to show. */
  constructor(stream, changed = () => {}) {
    this.#stream = stream;
    this.#changed = changed;
    this.#connect();
    addEventListener("online", this.#online);
  }

  /** There is more to send. */
  pump() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    while (socket.bufferedAmount < QUEUED) {
      const message = this.#stream.next();
      if (message === null) return;
      socket.send(message);
    }
    this.#timer = setTimeout(() => this.pump(), LOOK_AGAIN);
  }

  /** Ends with what has arrived. */
  giveUp() {
    this.#stream.giveUp();
    this.#socket?.close();
    this.#end();
  }

  #connect = () => {
    clearTimeout(this.#again);
    this.#set("connecting");
    const address = new URL("ws", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, protocols());
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(this.#stream.opened());
    socket.onmessage = ({ data }) => {
      this.#stream.receive(typeof data === "string" ? data : new Uint8Array(data));
      if (this.#stream.isOpen && this.state !== "open") {
        this.#pause = FIRST_PAUSE;
        this.#set("open");
      }
      this.pump();
      if (this.#stream.done || this.#stream.error) socket.close();
      this.#changed();
    };
    socket.onclose = ({ code }) => this.#closed(code);
  };

  #again = null;

  #closed(code) {
    clearTimeout(this.#timer);
    this.#socket = null;
    if (this.state === "over") return;
    const verdict = this.#stream.closed(code);
    if (verdict === "over") {
      this.#end();
      return;
    }
    this.#set("waiting");
    if (verdict === "token") {
      askForToken().then((given) => (given ? this.#connect() : this.giveUp()));
      return;
    }
    // Not all at the same moment, if a server that many use ends.
    this.#again = setTimeout(this.#connect, this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  #online = () => {
    if (this.state === "waiting" && this.#socket === null && this.#again !== null) this.#connect();
  };

  #end() {
    clearTimeout(this.#again);
    removeEventListener("online", this.#online);
    this.#set("over");
    this.#over();
  }

  #set(state) {
    this.state = state;
    this.#changed();
  }
}
