//! HTTP that is none, or that two readers could read in two ways.

use std::time::Duration;

use crate::case::{AUTH, Case, Expect, Step, post, random_bytes, request};

use Expect::{Answer, Answers, Bare, Problem, Silence};

/// A `GET` of this address with these further lines.
fn get(path: &str, headers: &str) -> Vec<u8> {
    request(&format!("GET {path}"), headers, &[])
}

pub fn cases() -> Vec<Case> {
    [no_http(), lines(), sizes(), lengths(), encodings(), pipelines(), routes(), slow()].into_iter().flatten().collect()
}

/// Other protocols, and none.
fn no_http() -> Vec<Case> {
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &random_bytes(502, 3)].concat();
    vec![
        Case::bytes("TLS hello on the plain port", hello, Bare(400)),
        Case::bytes("HTTP/2 preface", *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", Silence),
        Case::bytes("zeros", [0; 4_096], Bare(400)),
        Case::bytes("0xff", [0xff; 4_096], Bare(400)),
        Case::bytes("random bytes", random_bytes(10_000, 1), Bare(400)),
        Case::bytes("a WAV without HTTP", *b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", Bare(400)),
        Case::bytes("SSH", *b"SSH-2.0-OpenSSH_9.9\r\n\r\n", Bare(400)),
        Case::bytes("SMTP", *b"EHLO mail.example\r\nMAIL FROM:<a@example>\r\n\r\n", Bare(400)),
        Case::bytes("SOCKS 5", [5, 1, 0], Bare(400)),
        Case::new("PROXY v2", vec![Step::Send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec())], Bare(400)),
        Case::new("a bare end", vec![Step::Finish], Silence),
        Case::new("half a method", vec![Step::Send(b"POS".to_vec()), Step::Finish], Silence),
        Case::new("half a head", vec![Step::Send(b"GET / HTTP/1.1\r\nHost: te".to_vec()), Step::Finish], Silence),
    ]
}

/// Broken lines of a head.
fn lines() -> Vec<Case> {
    let line = |name: &str, line: &str| Case::bytes(name, format!("{line}\r\nHost: test\r\n\r\n"), Bare(400));
    let header = |name: &str, header: &[u8]| {
        let head = format!("GET /status HTTP/1.1\r\nHost: test\r\n{AUTH}");
        Case::bytes(name, [head.as_bytes(), header, b"\r\n\r\n"].concat(), Bare(400))
    };
    vec![
        line("no version", "GET /"),
        line("no address", "GET HTTP/1.1"),
        line("no method", " / HTTP/1.1"),
        line("HTTP/3.0", "GET / HTTP/3.0"),
        line("HTTP/1.2", "GET / HTTP/1.2"),
        line("http in small letters", "GET / http/1.1"),
        line("a method with a colon", "GE:T / HTTP/1.1"),
        line("a control character in the address", "GET /\x07 HTTP/1.1"),
        line("a space in the address", "GET /a b HTTP/1.1"),
        header("a header without a colon", b"nothing here"),
        header("a space before the colon", b"X-A : 1"),
        header("a folded header", b"X-A: 1\r\n folded: 2"),
        header("NUL in a header", b"X-A: a\0b"),
        header("NUL in a header's name", b"X\0A: b"),
        header("a header without a name", b": b"),
        header("a lone CR in a header", b"X-A: a\rX-B: b"),
    ]
}

/// Too much of a head.
fn sizes() -> Vec<Case> {
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect::<Vec<_>>().concat();
    vec![
        Case::bytes("10,000 headers", get("/status", &many(10_000)), Bare(431)),
        Case::bytes("101 headers", get("/status", &many(101)), Bare(431)),
        Case::bytes(
            "one header of 200 kB",
            get("/status", &format!("X-A: {}\r\n", "a".repeat(200_000))),
            Problem(431, "head_too_large"),
        ),
        Case::bytes("one header of 1 MB", get("/status", &format!("X-A: {}\r\n", "a".repeat(1_000_000))), Bare(431)),
        Case::bytes(
            "one header of 60 kB",
            get("/status", &format!("X-A: {}\r\n", "a".repeat(60_000))),
            Answer(200, "flacship"),
        ),
        Case::bytes("a header's name of 70 kB", get("/status", &format!("{}: a\r\n", "a".repeat(70_000))), Bare(431)),
        Case::bytes("an address of 100 kB", get(&format!("/{}", "a".repeat(100_000)), ""), Bare(414)),
        Case::bytes("an address of 200 kB", get(&format!("/{}", "a".repeat(200_000)), ""), Bare(414)),
        Case::bytes("an address of 60 kB", get(&format!("/{}", "a".repeat(60_000)), ""), Problem(404, "not_found")),
        Case::bytes(
            "a method of 200 kB",
            format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(200_000)),
            Problem(431, "head_too_large"),
        ),
        Case::bytes("a method of 60 kB", format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(60_000)), Problem(405, "method")),
        Case::bytes("an endless line", "A".repeat(1_000_000), Bare(431)),
        Case::bytes("200,000 empty lines before a request", "\r\n".repeat(200_000), Bare(431)),
        Case::bytes(
            "an id of 10 kB",
            get("/nowhere", &format!("X-Request-Id: {}\r\n", "x".repeat(10_000))),
            Problem(404, "not_found"),
        ),
    ]
}

/// Lengths that lie, contradict themselves, or are none.
fn lengths() -> Vec<Case> {
    let length = |name: &str, lines: &str, expect: Expect| {
        let head = request("POST /convert", lines, b"hello");
        Case::bytes(name, head, expect)
    };
    vec![
        length("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", Bare(400)),
        length("two lengths in one line", "Content-Length: 5, 6\r\n", Bare(400)),
        length("one length twice in a line", "Content-Length: 5, 5\r\n", Bare(400)),
        length("a length with a plus", "Content-Length: +5\r\n", Bare(400)),
        length("a negative length", "Content-Length: -5\r\n", Bare(400)),
        length("a hexadecimal length", "Content-Length: 0x5\r\n", Bare(400)),
        length("a length in two words", "Content-Length: 5 5\r\n", Bare(400)),
        length("no length at all", "Content-Length: \r\n", Bare(400)),
        length("a length of 20 digits", "Content-Length: 99999999999999999999\r\n", Bare(400)),
        length("a length of 2^64-1", "Content-Length: 18446744073709551615\r\n", Bare(431)),
        length("a length of 2^63-1", "Content-Length: 9223372036854775807\r\n", Problem(413, "too_large")),
        length("a length of 1 TB", "Content-Length: 1000000000000\r\n", Problem(413, "too_large")),
        length("the same length in two lines", "Content-Length: 5\r\nContent-Length: 5\r\n", Problem(415, "not_wav")),
        length("a length that is too short", "Content-Length: 3\r\n", Problem(415, "not_wav")),
        Case::new(
            "a length that is too long, and the end",
            vec![Step::Send(request("POST /convert", "Content-Length: 500\r\n", b"RIFF")), Step::Finish],
            Problem(400, "client_gone"),
        ),
        Case::new(
            "a length that is too long, and a pause",
            vec![Step::Send(request("POST /convert", "Content-Length: 500\r\n", b"RIFF"))],
            Problem(408, "idle"),
        ),
        Case::bytes(
            "what is behind the length is no request",
            [post("", "", b"hello"), b"more than was said\r\n\r\n".to_vec()].concat(),
            Answers(vec![Problem(415, "not_wav"), Bare(400)]),
        ),
    ]
}

/// Transfer codings, and chunks that are none.
fn encodings() -> Vec<Case> {
    let coded = |name: &str, lines: &str, body: &[u8], expect: Expect| {
        Case::bytes(name, request("POST /convert", lines, body), expect)
    };
    let chunked =
        |name: &str, body: &[u8], expect: Expect| Case::bytes(name, crate::case::post_chunks("", body), expect);
    let broken = || Problem(400, "malformed_body");
    let smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    // One answer and the end: nothing that follows is taken for a request.
    let closed = || Answers(vec![Problem(400, "empty_input")]);
    vec![
        coded("a length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", smuggled, closed()),
        coded("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", smuggled, closed()),
        coded(
            "two lengths and chunks",
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            smuggled,
            closed(),
        ),
        coded("chunked is not the last coding", "Transfer-Encoding: chunked, gzip\r\n", smuggled, Bare(400)),
        coded("identity", "Transfer-Encoding: identity\r\n", smuggled, Bare(400)),
        coded("an unknown coding", "Transfer-Encoding: xchunked\r\n", smuggled, Bare(400)),
        coded(
            "chunked with a tab before it",
            "Transfer-Encoding:\tchunked\r\n",
            b"0\r\n\r\n",
            Problem(400, "empty_input"),
        ),
        coded("chunked with a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", smuggled, Bare(400)),
        coded("chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n", smuggled, Bare(400)),
        Case::bytes(
            "chunks in HTTP/1.0",
            [format!("POST /convert HTTP/1.0\r\n{AUTH}Transfer-Encoding: chunked\r\n\r\n").as_bytes(), smuggled]
                .concat(),
            Bare(400),
        ),
        chunked("a size that is no number", b"zz\r\nhello\r\n0\r\n\r\n", broken()),
        chunked("a negative size", b"-5\r\nhello\r\n0\r\n\r\n", broken()),
        chunked("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n", broken()),
        chunked("a size of 17 digits", b"10000000000000000\r\nhello\r\n", broken()),
        chunked("a size of 2^64-1", b"ffffffffffffffff\r\nhello, world, hello", Problem(415, "not_wav")),
        chunked("an empty size", b"\r\nhello\r\n0\r\n\r\n", broken()),
        chunked("a chunk longer than its size", b"3\r\nhello\r\n0\r\n\r\n", broken()),
        chunked("a chunk with LF alone", b"5\nhello\n0\n\n", broken()),
        chunked(
            "an extension of 100 kB",
            &[b"5;a=", vec![b'x'; 100_000].as_slice(), b"\r\nhello\r\n0\r\n\r\n"].concat(),
            broken(),
        ),
        chunked("a trailer without a colon", b"5\r\nhello\r\n0\r\nnothing\r\n\r\n", broken()),
        chunked("trailers of 100 kB", &[b"0\r\nX-A: ", vec![b'x'; 100_000].as_slice(), b"\r\n\r\n"].concat(), broken()),
        Case::new(
            "no last chunk, and the end",
            vec![Step::Send(crate::case::post_chunks("", b"4\r\nRIFF\r\n")), Step::Finish],
            Problem(400, "client_gone"),
        ),
    ]
}

/// Requests one after the other without waiting.
fn pipelines() -> Vec<Case> {
    let ok = || Answer(200, "ok\n");
    vec![
        Case::bytes(
            "garbage behind a request",
            [get("/healthz", ""), b"\x01\x02\x03\x04 garbage\r\n\r\n".to_vec()].concat(),
            Answers(vec![ok(), Bare(400)]),
        ),
        Case::bytes("50 requests at once", get("/healthz", "").repeat(50), Answers((0..50).map(|_| ok()).collect())),
        Case::bytes(
            "a request behind a refused upload",
            [post("?level=99", "", b"hello"), get("/healthz", "")].concat(),
            Answers(vec![Problem(400, "invalid_option")]),
        ),
        Case::bytes(
            "a request behind close",
            [get("/healthz", "Connection: close\r\n"), get("/healthz", "")].concat(),
            Answers(vec![ok()]),
        ),
        Case::bytes(
            "a request behind two words about the connection",
            [get("/healthz", "Connection: close\r\nConnection: keep-alive\r\n"), get("/healthz", "")].concat(),
            Answers(vec![ok()]),
        ),
    ]
}

/// Addresses and methods that nobody takes.
fn routes() -> Vec<Case> {
    let missing = || Problem(404, "not_found");
    let method = || Problem(405, "method");
    let line = |name: &str, line: &str, expect: Expect| Case::bytes(name, request(line, "", &[]), expect);
    vec![
        line("a path out of the root", "GET /../../../etc/passwd", missing()),
        line("the same, encoded", "GET /%2e%2e/%2e%2e/etc/passwd", missing()),
        line("the same, with backslashes", "GET /..%5c..%5cwindows", missing()),
        line("the same below a module", "GET /app.js/../../etc/passwd", missing()),
        line("NUL in a path", "GET /%00", missing()),
        line("bad UTF-8 in a path", "GET /%ff%fe", missing()),
        line("half a percent sign", "GET /%", missing()),
        line("a whole address", "GET http://elsewhere.example/nowhere", missing()),
        line("many slashes", "GET //convert", missing()),
        line("CONNECT without a host", "CONNECT /", method()),
        line("CONNECT", "CONNECT elsewhere.example:443", missing()),
        line("TRACE", "TRACE /convert", method()),
        line("DELETE", "DELETE /convert", method()),
        line("an unknown method", "BREW /convert", method()),
        line("a method in small letters", "get /status", method()),
        line("POST /ws", "POST /ws", method()),
        line("GET /convert", "GET /convert", method()),
        line("OPTIONS *", "OPTIONS *", missing()),
        Case::bytes(
            "an id with words in it",
            get("/nowhere", "X-Request-Id: a\" level=ERROR b=\"\r\n"),
            Answer(404, "\"request_id\":\""),
        ),
        Case::bytes(
            "no token",
            b"POST /convert HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
            Problem(401, "unauthorized"),
        ),
        Case::bytes(
            "no token for the status",
            b"GET /status HTTP/1.1\r\nHost: test\r\n\r\n",
            Problem(401, "unauthorized"),
        ),
    ]
    .into_iter()
    .chain(
        [
            ("an empty token", "Bearer "),
            ("another token", "Bearer let-me-in-pleasf"),
            ("a part of the token", "Bearer let-me-in"),
            ("two tokens", "Bearer let-me-in-please, let-me-in-please"),
            ("another scheme", "Basic bGV0LW1lLWluLXBsZWFzZQ=="),
            ("a token of 50 kB", &format!("Bearer {}", "x".repeat(50_000))),
            ("a token that is no text", "Bearer \u{ff}\u{fe}"),
        ]
        .map(|(name, value)| {
            let head = format!("GET /status HTTP/1.1\r\nHost: test\r\nAuthorization: {value}\r\n\r\n");
            Case::bytes(name, head, Problem(401, "unauthorized"))
        }),
    )
    .collect()
}

/// Heads that never end.
fn slow() -> Vec<Case> {
    let pause = Duration::from_millis(100);
    let head = format!("GET /healthz HTTP/1.1\r\nHost: test\r\nX-Slow: {}", "a".repeat(10_000));
    vec![
        Case::new("a connection without a word", vec![], Silence),
        Case::new("a head that stops", vec![Step::Send(head.as_bytes()[..60].to_vec())], Silence),
        Case::new("a head that comes byte by byte", vec![Step::Trickle(head.into_bytes(), pause)], Silence),
        Case::new("empty lines for ever", vec![Step::Trickle(vec![b'\n'; 10_000], pause)], Silence),
        Case::new("nothing after an answer", vec![Step::Send(get("/healthz", ""))], Answers(vec![Answer(200, "ok\n")])),
    ]
}
