// The cases of `stream.js`, run by `modules.rs` in the page; gives what failed.
const fails = [];
const same = (what, got, wanted) => {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) fails.push(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
};
const fresh = () => new it.Stream({ sample_rate: 8000, channels: 1, bits_per_sample: 16 });
const say = (stream, message) => stream.receive(JSON.stringify(message));
const ready = { type: "ready", id: "x", max_message_bytes: 4, resumable: true };
const sent = (stream) => {
  const all = [];
  for (let one = stream.next(); one !== null; one = stream.next()) all.push(typeof one === "string" ? JSON.parse(one).type : [...one]);
  return all;
};
const pcm = Uint8Array.of(1, 2, 3, 4, 5, 6);
const md5 = (await import("/md5.js")).Md5;
const sum = (bytes) => new md5().update(bytes).hex();
const base64 = (text) => btoa(text);

// Without a break: start, audio in pieces that the server takes, end, and the head in its place.
let stream = fresh();
stream.add(pcm);
same("nothing before a connection", sent(stream), []);
same("start", JSON.parse(stream.opened()), { type: "start", format: "pcm", sample_rate: 8000, channels: 1, bits_per_sample: 16 });
same("nothing before ready", sent(stream), []);
say(stream, ready);
same("audio", sent(stream), [[1, 2, 3, 4], [5, 6]]);
stream.receive(Uint8Array.of(70, 70, 7, 8));
stream.end();
same("end, once", [sent(stream), sent(stream)], [["end"], []]);
say(stream, { type: "done", samples: 3, bytes_in: 6, bytes_out: 4, md5: sum(pcm), head: base64("OK") });
same("done", [stream.done.samples, stream.error], [3, null]);
same("file", await stream.file().text(), "OK\u0007\u0008");
same("over", stream.closed(1000), "over");

// A break after a checkpoint: what it covers is neither sent nor kept again.
stream = fresh();
stream.add(pcm);
stream.opened();
say(stream, ready);
sent(stream);
stream.receive(Uint8Array.of(1, 1, 1));
say(stream, { type: "checkpoint", token: "T", samples: 2, bytes_in: 4, bytes_out: 2 });
stream.receive(Uint8Array.of(9, 9));
same("goes on", stream.closed(1006), "again");
same("nothing meanwhile", sent(stream), []);
stream.add(Uint8Array.of(7, 8));
same("resume", JSON.parse(stream.opened()), { type: "resume", token: "T" });
say(stream, ready);
same("nothing before resumed", sent(stream), []);
say(stream, { type: "resumed", samples: 2, bytes_in: 4, bytes_out: 2 });
same("cut", stream.received, 2);
same("sent again", sent(stream), [[5, 6], [7, 8]]);
same("resumes", stream.resumes, 1);
stream.receive(Uint8Array.of(3, 3));
stream.end();
same("end after it", sent(stream), ["end"]);
// The last connection is lost too, with everything sent: the end is said again.
same("again at the end", stream.closed(1012), "again");
stream.opened();
say(stream, ready);
say(stream, { type: "resumed", samples: 2, bytes_in: 4, bytes_out: 2 });
same("all of it again", sent(stream), [[5, 6], [7, 8], "end"]);
stream.receive(Uint8Array.of(3, 3));
say(stream, { type: "done", samples: 4, bytes_in: 8, bytes_out: 4, md5: sum(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)), head: "" });
same("its bytes", [...new Uint8Array(await stream.file().arrayBuffer())], [1, 1, 3, 3]);

// A break before any checkpoint: from the beginning.
stream = fresh();
stream.add(pcm);
stream.opened();
say(stream, ready);
sent(stream);
stream.receive(Uint8Array.of(1));
same("from the beginning", [stream.closed(1006), JSON.parse(stream.opened()).type], ["again", "start"]);
say(stream, ready);
same("all again", [sent(stream), stream.received], [[[1, 2, 3, 4], [5, 6]], 0]);

// What was encoded is not what was sent.
stream = fresh();
stream.add(pcm);
stream.end();
stream.opened();
say(stream, ready);
sent(stream);
say(stream, { type: "done", samples: 3, bytes_in: 6, bytes_out: 0, md5: "0".repeat(32), head: "" });
same("other audio", [stream.done, stream.error.code], [null, "other_audio"]);

// Some FLAC is missing.
stream = fresh();
stream.opened();
say(stream, ready);
stream.end();
sent(stream);
say(stream, { type: "done", samples: 0, bytes_in: 0, bytes_out: 5, md5: sum(new Uint8Array()), head: "" });
same("incomplete", stream.error.code, "incomplete");

// Which ends are for ever.
for (const [code, close, verdict] of [
  ["draining", 1012, "again"], ["too_many_streams", 1013, "again"], ["reserved", 1013, "again"], ["idle", 4408, "again"], ["unauthorized", 1008, "token"],
  ["token_expired", 1008, "over"], ["token_forged", 1008, "over"], ["stream_too_long", 1008, "over"], ["malformed_message", 1007, "over"],
]) {
  stream = fresh();
  stream.opened();
  say(stream, { type: "error", code, message: "words" });
  same(code, stream.closed(close), verdict);
  same(`${code}'s words`, stream.error, verdict === "over" ? { code, message: "words" } : null);
}
for (const [close, verdict] of [[1001, "again"], [1006, "again"], [1012, "again"], [1008, "over"], [1003, "over"]]) {
  stream = fresh();
  stream.opened();
  same(`closed with ${close}`, stream.closed(close), verdict);
}
// A server that never lets one in is not asked for ever; one that did once is.
stream = fresh();
let first = 1;
while (first < 100 && stream.closed(1006) === "again") first += 1;
same("first tries", [first, stream.error.code], [6, "unreachable"]);
stream = fresh();
stream.opened();
say(stream, ready);
same("later tries", new Set(Array.from({ length: 100 }, () => stream.closed(1006))).size, 1);
// A server that fails at everything is not asked for ever.
stream = fresh();
stream.opened();
say(stream, ready);
let tries = 0;
while (tries < 100 && (stream.opened(), stream.closed(1011)) === "again") tries += 1;
same("faults", tries, 5);

// A server that wants what is gone.
stream = fresh();
stream.add(pcm);
stream.opened();
say(stream, ready);
sent(stream);
stream.receive(Uint8Array.of(1, 1, 1));
say(stream, { type: "checkpoint", token: "T", samples: 2, bytes_in: 4, bytes_out: 2 });
stream.closed(1006);
stream.opened();
say(stream, { type: "resumed", samples: 1, bytes_in: 2, bytes_out: 1 });
same("gone", stream.error.code, "cannot_resume");
stream.receive("what?");
same("only one reason", stream.error.code, "cannot_resume");
same("what had come", stream.file().size, 3);
return fails;
