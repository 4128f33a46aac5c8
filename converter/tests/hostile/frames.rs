//! WebSocket frames that break RFC 6455.

use crate::{
    case::{Case, Expect, Step, binary, end, frame, handshake, head, named, random_bytes, text},
    sounds::wav,
};

use Expect::{Close, Done, Error};

/// A stream of our protocol that sends these bytes behind its handshake.
fn case(name: impl Into<String>, bytes: &[u8], expect: Expect) -> Case {
    Case::bytes(name, [&named(), bytes].concat(), expect)
}

fn broken() -> Expect {
    Error("protocol", 1002)
}

pub fn cases() -> Vec<Case> {
    [heads(), control(), fragments(), sizes(), garbage()].into_iter().flatten().collect()
}

/// First bytes that nobody may send.
fn heads() -> Vec<Case> {
    let opcodes = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
        .map(|opcode: u8| case(format!("opcode {opcode}"), &frame(0x80 | opcode, b"abc"), broken()));
    let reserved = [0x40, 0x20, 0x10, 0x70]
        .map(|bits: u8| case(format!("reserved bits {bits:#x}"), &frame(0x82 | bits, b"abc"), broken()));
    let unmasked = [0x81, 0x82, 0x88, 0x89, 0x8a].map(|first: u8| {
        case(format!("an unmasked frame {first:#x}"), &[head(first, 0, 3), b"abc".to_vec()].concat(), broken())
    });
    opcodes.into_iter().chain(reserved).chain(unmasked).collect()
}

/// Pings, pongs and closes.
fn control() -> Vec<Case> {
    let codes = [0_u16, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 1_100, 2_999, 5_000, 65_535]
        .map(|code| case(format!("a close with code {code}"), &frame(0x88, &code.to_be_bytes()), Close(1_002)));
    let ping_then_end = |count: usize| [frame(0x89, b"ping").repeat(count), binary(&wav(100), 1_000), end()].concat();
    codes
        .into_iter()
        .chain([
            case("a close of one byte", &frame(0x88, &[3]), broken()),
            case(
                "a close whose reason is no UTF-8",
                &frame(0x88, b"\x03\xe8\xff\xfe"),
                Error("malformed_message", 1007),
            ),
            case("a close before anything", &frame(0x88, &[]), Close(1005)),
            case("a close in the audio", &[binary(&wav(3_000), 1_000), frame(0x88, b"\x03\xe8")].concat(), Close(1000)),
            case("a ping of 126 bytes", &frame(0x89, &[0; 126]), broken()),
            case("a pong of 1 MB", &[head(0x8a, 0x80, 1 << 20), vec![0; 4]].concat(), Error("message_too_large", 1009)),
            case("a ping in fragments", &frame(0x09, b"abc"), broken()),
            case("a close in fragments", &frame(0x08, b"\x03\xe8"), broken()),
            case("2,000 pings", &ping_then_end(2_000), Done(100)),
            case(
                "pongs that nobody asked for",
                &[frame(0x8a, b"what").repeat(500), binary(&wav(100), 1_000), end()].concat(),
                Done(100),
            ),
            case("audio behind a close", &[frame(0x88, b"\x03\xe8"), binary(&wav(3_000), 1_000)].concat(), Close(1000)),
        ])
        .collect()
}

/// Messages in pieces.
fn fragments() -> Vec<Case> {
    let tiny: Vec<u8> =
        wav(100).iter().enumerate().flat_map(|(at, byte)| frame(if at == 0 { 0x02 } else { 0 }, &[*byte])).collect();
    vec![
        case("a continuation of nothing", &frame(0x80, b"abc"), broken()),
        case(
            "a continuation behind a whole message",
            &[binary(&wav(100), 1_000), frame(0x80, b"abc")].concat(),
            broken(),
        ),
        case("a message within another", &[frame(0x02, b"RIFF"), frame(0x82, b"RIFF")].concat(), broken()),
        case("a text within a message", &[frame(0x02, b"RIFF"), text("{}")].concat(), broken()),
        case(
            "a message of bytes, with pings between them",
            &[tiny, frame(0x89, b"p"), frame(0x80, &[]), end()].concat(),
            Done(100),
        ),
        case(
            "10,000 empty fragments",
            &[frame(0x02, &[]), frame(0x00, &[]).repeat(10_000), frame(0x80, &wav(100)), end()].concat(),
            Done(100),
        ),
        case(
            "a text that is cut within a letter",
            &[frame(0x01, b"\xc3"), frame(0x80, b"(")].concat(),
            Error("malformed_message", 1007),
        ),
        case(
            "fragments that are too large together",
            &[frame(0x02, &[0; 40_000]), frame(0x80, &[0; 40_000])].concat(),
            Error("message_too_large", 1009),
        ),
        case(
            "a text of fragments that is too large",
            &[frame(0x01, &[b' '; 40_000]), frame(0x80, &[b' '; 40_000])].concat(),
            Error("message_too_large", 1009),
        ),
    ]
}

/// Lengths that lie.
fn sizes() -> Vec<Case> {
    let large = || Error("message_too_large", 1009);
    let claim = |name: &str, first: u8, length: u64, expect: Expect| {
        case(name, &[head(first, 0x80, length), vec![1, 2, 3, 4]].concat(), expect)
    };
    vec![
        claim("a message of 2^64-1", 0x82, u64::MAX, large()),
        claim("a message of 2^63", 0x82, 1 << 63, large()),
        claim("a message of 2^63-1", 0x82, (1 << 63) - 1, large()),
        claim("a message of 1 TB", 0x82, 1_000_000_000_000, large()),
        claim("a text of 1 GB", 0x81, 1_000_000_000, large()),
        claim("a message that is a byte too large", 0x82, 65_537, large()),
        case("a message of 1 MB", &binary(&vec![0; 1 << 20], 1 << 20), large()),
        case("a message as large as may be", &[binary(&wav(32_746), 65_536), end()].concat(), Done(32_746)),
        case(
            "a length in more bytes than it needs",
            &[&[0x82, 0xfe, 0, 3, 0, 0, 0, 0], &b"RIF"[..], &end()].concat(),
            Error("truncated_header", 1007),
        ),
        Case::new(
            "a frame that never ends",
            vec![Step::Send(named()), Step::Send(head(0x82, 0x80, 60_000)), Step::Send(vec![0; 10_000])],
            Error("idle", 4408),
        ),
        Case::new(
            "a message that never ends",
            vec![Step::Send(named()), Step::Repeat(frame(0x02, b"abc"), 1), Step::Repeat(frame(0x00, b"abc"), 100)],
            Error("idle", 4408),
        ),
        Case::bytes(
            "a whole WAV that is too large for the old way",
            [handshake("/ws", ""), head(0x82, 0x80, 600_000), vec![0; 4]].concat(),
            large(),
        ),
        Case::bytes(
            "a message over a stream's bound that is no WAV",
            [handshake("/ws", ""), frame(0x82, &vec![b'x'; 100_000])].concat(),
            Error("not_wav", 1003),
        ),
    ]
}

/// What is no frame at all.
fn garbage() -> Vec<Case> {
    let others = [
        case("HTTP behind the handshake", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", broken()),
        case("zeros behind the handshake", &[0; 1_000], broken()),
        case("0xff behind the handshake", &[0xff; 1_000], broken()),
        case("text behind the handshake", &b"hello, hello, is anybody there? ".repeat(10), broken()),
    ];
    // With a first byte that is reserved, the rest does not matter.
    let random = (0..8).map(|seed| {
        let bytes = [vec![0xf3], random_bytes(3_000, 200 + seed)].concat();
        case(format!("random bytes behind the handshake, seed {seed}"), &bytes, broken())
    });
    others.into_iter().chain(random).collect()
}
