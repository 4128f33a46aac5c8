// The bearer token, on servers that want one: asked for when a server refuses, kept for this tab only, and sent as a header
// or as a subprotocol, never in an address, where logs and histories would keep it.

const KEY = "flacship.token";
const PROTOCOL = "flacship.v1";

let ask = () => Promise.resolve(false);
let asked = null;

/** Who asks the person: a function that gives a promise of the token, or of null. */
export function onAsk(question) {
  ask = question;
}

export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function authorization() {
  return token() === "" ? {} : { Authorization: `Bearer ${token()}` };
}

/** The subprotocols of a stream: a browser can give a WebSocket no header. */
export function protocols() {
  const bytes = new TextEncoder().encode(token());
  const base64 = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return base64 === "" ? [PROTOCOL] : [PROTOCOL, `flacship.bearer.${base64}`];
}

/** Asks the person, once for all who need it at the same time; true if there is a new token to try. */
export function askForToken() {
  asked ??= ask(token() !== "")
    .then((given) => {
      if (given === null) return false;
      sessionStorage.setItem(KEY, given);
      return true;
    })
    .finally(() => (asked = null));
  return asked;
}
