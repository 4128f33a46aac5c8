//! WebSocket handshakes that are none, that come from where none may, or that bring a wrong token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::case::{AUTH, Case, Expect, TOKEN, end, handshake, request};

use Expect::{Answers, Error, Problem};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub fn cases() -> Vec<Case> {
    [upgrades(), origins(), tokens(), options()].into_iter().flatten().collect()
}

fn upgrades() -> Vec<Case> {
    let refused =
        |name: &str, headers: &str| Case::bytes(name, request("GET /ws", headers, &[]), Problem(426, "no_upgrade"));
    let keyed = |name: &str, key: &str| refused(name, &format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: {key}\r\n"));
    vec![
        refused("no upgrade", ""),
        refused("an upgrade to h2c", &format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{VERSION}{KEY}")),
        refused("an upgrade to websocket2", &format!("Connection: Upgrade\r\nUpgrade: websocket2\r\n{VERSION}{KEY}")),
        refused("an upgrade that the connection does not tell", &format!("Upgrade: websocket\r\n{VERSION}{KEY}")),
        refused(
            "a connection that is kept alive",
            &format!("Connection: keep-alive\r\nUpgrade: websocket\r\n{VERSION}{KEY}"),
        ),
        refused("no WebSocket version", &format!("{UPGRADE}{KEY}")),
        refused("WebSocket version 12", &format!("{UPGRADE}Sec-WebSocket-Version: 12\r\n{KEY}")),
        refused("WebSocket version 8", &format!("{UPGRADE}Sec-WebSocket-Version: 8\r\n{KEY}")),
        refused("WebSocket version 13, 8", &format!("{UPGRADE}Sec-WebSocket-Version: 13, 8\r\n{KEY}")),
        refused("WebSocket version 999999", &format!("{UPGRADE}Sec-WebSocket-Version: 999999\r\n{KEY}")),
        refused("no key", &format!("{UPGRADE}{VERSION}")),
        keyed("an empty key", ""),
        keyed("a short key", "c2hvcnQ="),
        keyed("a long key", "dGhlIHNhbXBsZSBub25jZSB0aGF0IGlzIGxvbmc="),
        keyed("a key that is no base64", "!!!!!!!!!!!!!!!!!!!!!!=="),
        keyed("a key of 50 kB", &"A".repeat(50_000)),
        Case::bytes(
            "an upgrade in HTTP/1.0",
            format!("GET /ws HTTP/1.0\r\nHost: test\r\n{AUTH}{UPGRADE}{VERSION}{KEY}\r\n"),
            Problem(426, "no_upgrade"),
        ),
        Case::bytes(
            "an upgrade with POST",
            request("POST /ws", &format!("{UPGRADE}{VERSION}{KEY}"), &[]),
            Problem(405, "method"),
        ),
        Case::bytes(
            "an upgrade of another address",
            request("GET /convert", &format!("{UPGRADE}{VERSION}{KEY}"), &[]),
            Problem(405, "method"),
        ),
        Case::bytes(
            "frames behind a refused upgrade",
            [request("GET /ws", &format!("{UPGRADE}{KEY}"), &[]), end()].concat(),
            Answers(vec![Problem(426, "no_upgrade"), Expect::Bare(400)]),
        ),
        Case::bytes(
            "an upgrade with a body",
            [handshake("/ws", "Content-Length: 5\r\n"), b"hello".to_vec(), end()].concat(),
            Error("empty_input", 1007),
        ),
        Case::bytes(
            "an upgrade with chunks",
            [handshake("/ws", "Transfer-Encoding: chunked\r\n"), b"5\r\nhello\r\n0\r\n\r\n".to_vec(), end()].concat(),
            Error("empty_input", 1007),
        ),
        Case::bytes(
            "extensions that nobody knows",
            [handshake("/ws", &format!("Sec-WebSocket-Extensions: {}\r\n", "x-made-up; a=b, ".repeat(500))), end()]
                .concat(),
            Error("empty_input", 1007),
        ),
    ]
}

fn origins() -> Vec<Case> {
    [
        "https://evil.example",
        "null",
        "",
        "http://",
        "http://test.evil.example",
        "http://test@evil.example",
        "http://evil.example#http://test",
        "http://test:81",
        "file://",
        "javascript:alert(1)",
        "http://test http://evil.example",
        "\u{ff}\u{fe}",
    ]
    .into_iter()
    .chain([&*"x".repeat(20_000)])
    .map(|origin| {
        let shown: String = origin.chars().take(40).collect();
        Case::bytes(
            format!("a page of the origin `{shown}`"),
            handshake("/ws", &format!("Origin: {origin}\r\n")),
            Problem(403, "origin"),
        )
    })
    .collect()
}

fn tokens() -> Vec<Case> {
    let bearer = |token: &str| format!("flacship.bearer.{}", URL_SAFE_NO_PAD.encode(token));
    let offers = [
        ("no offer of a token", String::from("flacship.v1")),
        ("an offer without a token", String::from("flacship.v1, flacship.bearer.")),
        ("an offer of another token", format!("flacship.v1, {}", bearer("let-me-out"))),
        ("an offer of a token that is not encoded", format!("flacship.v1, flacship.bearer.{TOKEN}")),
        ("an offer of a token in capitals", format!("flacship.v1, {}", bearer(TOKEN).to_uppercase())),
        ("an offer that is no base64", String::from("flacship.v1, flacship.bearer.!!!!")),
        ("an offer of a token of 20 kB", format!("flacship.v1, {}", bearer(&"x".repeat(20_000)))),
        ("5,000 offers", "flacship.v9, ".repeat(5_000)),
        ("an offer of commas", ",".repeat(1_000)),
        ("two tokens, the wrong one first", format!("flacship.v1, {}, {}", bearer("let-me-out"), bearer(TOKEN))),
    ];
    let handshake = |headers: &str| {
        [format!("GET /ws HTTP/1.1\r\nHost: test\r\n{UPGRADE}{VERSION}{KEY}{headers}\r\n").into_bytes(), end()].concat()
    };
    let refused = || Error("unauthorized", 1008);
    offers
        .into_iter()
        .map(|(name, offer)| Case::bytes(name, handshake(&format!("Sec-WebSocket-Protocol: {offer}\r\n")), refused()))
        .chain([
            Case::bytes("a stream without a token", handshake(""), refused()),
            Case::bytes("a stream with another token", handshake("Authorization: Bearer let-me-out\r\n"), refused()),
            Case::bytes(
                "a stream with its token in the address",
                {
                    let request =
                        format!("GET /ws?token={TOKEN} HTTP/1.1\r\nHost: test\r\n{UPGRADE}{VERSION}{KEY}\r\n");
                    [request.into_bytes(), end()].concat()
                },
                refused(),
            ),
        ])
        .collect()
}

fn options() -> Vec<Case> {
    [
        ("speed=9", "unknown_option", 1007),
        ("token=secret", "unknown_option", 1007),
        ("level=9", "invalid_option", 1007),
        ("level=1&level=2", "repeated_option", 1007),
        ("block_size=99999999999", "invalid_option", 1007),
        ("format=ogg", "invalid_option", 1007),
        ("format=pcm", "invalid_option", 1007),
        ("format=wav&channels=2", "invalid_option", 1007),
        ("sample_rate=-1", "invalid_option", 1007),
        ("metadata=%ff", "invalid_option", 1007),
        ("format=pcm&sample_rate=0&channels=1&bits_per_sample=16", "unsupported_rate", 1003),
        ("format=pcm&sample_rate=48000&channels=65535&bits_per_sample=16", "unsupported_channels", 1003),
        ("format=pcm&sample_rate=48000&channels=2&bits_per_sample=65535", "unsupported_bits", 1003),
    ]
    .map(|(query, code, close)| {
        Case::bytes(
            format!("/ws?{query}"),
            [handshake(&format!("/ws?{query}"), ""), end()].concat(),
            Error(code, close),
        )
    })
    .into()
}
