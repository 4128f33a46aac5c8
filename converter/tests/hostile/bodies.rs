//! Bodies of `/convert` that are no WAV, not all of one, too much, too slow, or come with options that mean nothing.

use std::time::Duration;

use crate::{
    case::{Case, Expect, Step, post, post_chunks, random_bytes, request},
    sounds::wav,
};

use Expect::{Flac, Problem};

pub fn cases() -> Vec<Case> {
    [other_formats(), compressed(), cut(), too_much(), options(), slow()].into_iter().flatten().collect()
}

fn not_wav() -> Expect {
    Problem(415, "not_wav")
}

/// What other programs write.
fn other_formats() -> Vec<Case> {
    let zeros = [0; 600];
    [
        ("text", &b"hello, world: no WAV at all"[..]),
        ("FLAC", b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0"),
        ("MP3", b"ID3\x04\0\0\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0"),
        ("Ogg", b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("AIFF", b"FORM\0\0\0\x2eAIFFCOMM\0\0\0\x12\0\x01"),
        ("AVI", b"RIFF\x24\0\0\0AVI LIST\x10\0\0\0hdrl"),
        ("WebP", b"RIFF\x24\0\0\0WEBPVP8 \x10\0\0\0"),
        ("PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01"),
        ("PDF", b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n"),
        ("an ELF program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("a ZIP", b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0"),
        ("a ZIP bomb's directory", b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("XML with entities", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a/>"),
        ("JSON", b"{\"file\":\"UklGRg==\"}     "),
        ("zeros", &zeros),
    ]
    .into_iter()
    .map(|(name, body)| Case::bytes(format!("a body of {name}"), post("", "", body), not_wav()))
    .chain([Case::bytes(
        "a body of big-endian RIFX",
        post("", "", b"RIFX\0\0\0\x24WAVEfmt \0\0\0\x10"),
        Problem(415, "unsupported_encoding"),
    )])
    .chain((0..8).map(|seed| {
        let body = random_bytes(2_000, 100 + seed);
        Case::bytes(format!("a body of random bytes, seed {seed}"), post("", "", &body), not_wav())
    }))
    .collect()
}

/// Codings of the content.
fn compressed() -> Vec<Case> {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x0b\xf2\x74\x73\x63\0\0\xc3\xc3\xc3\xc3\x04\0\0\0";
    let coding = |coding: &str| {
        let body = post("", &format!("Content-Encoding: {coding}\r\n"), gzip);
        Case::bytes(format!("Content-Encoding {coding:.20}"), body, Problem(415, "content_encoding"))
    };
    vec![
        coding("gzip"),
        coding("x-gzip, identity"),
        coding("br"),
        coding("zstd"),
        coding("aws-chunked"),
        coding(&"gzip, ".repeat(1_000)),
        Case::bytes("gzip that is not told", post("", "", gzip), not_wav()),
    ]
}

/// A header that ends at every byte, and audio that ends within a sample.
fn cut() -> Vec<Case> {
    let whole = wav(500);
    (0..=44)
        .map(|end| {
            let expect = if end == 0 { Problem(400, "empty_input") } else { Problem(400, "truncated_header") };
            (end, expect)
        })
        .chain([45, 46, 47, 48, 49, 1_043].map(|end| (end, Flac((end as u64 - 44) / 2, String::from("audio.flac")))))
        .map(|(end, expect)| Case::bytes(format!("a WAV cut at byte {end}"), post("", "", &whole[..end]), expect))
        .collect()
}

/// More than is taken.
fn too_much() -> Vec<Case> {
    let large = || Problem(413, "too_large");
    let noise = wav(7_000_000);
    // More than the sockets hold, even where the system lets them grow.
    let unread = wav(6_000_000);
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let form = "Content-Type: multipart/form-data; boundary=b\r\n";
    let part = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n";
    vec![
        Case::bytes("more than is taken, as it says", post("", "", &noise), large()),
        Case::bytes(
            "more than is taken, in chunks",
            post_chunks("", &[chunk(&noise), b"0\r\n\r\n".to_vec()].concat()),
            large(),
        ),
        Case::bytes(
            "more than is taken, in tiny chunks",
            post_chunks("", &noise.chunks(400).flat_map(chunk).collect::<Vec<_>>()),
            large(),
        ),
        Case::bytes("more than is taken, in a form", post("", form, &[&part[..], &noise].concat()), large()),
        Case::bytes(
            "much more than is taken, sent before anything is read",
            [request("POST /convert", "Content-Length: 40000000\r\n", &wav(1)), vec![b'x'; 40_000_000]].concat(),
            large(),
        ),
        Case::bytes(
            "text that is sent on and on",
            [request("POST /convert", "Transfer-Encoding: chunked\r\n", &[]), chunk(&vec![b'x'; 900_000])].concat(),
            not_wav(),
        ),
        Case::new(
            "too much is refused before it is asked for",
            vec![
                Step::Send(request("POST /convert", "Content-Length: 20000000\r\nExpect: 100-continue\r\n", &[])),
                Step::Await(b"HTTP/1.1 413"),
            ],
            large(),
        ),
        Case::new(
            "too much behind an answer that has begun",
            vec![
                Step::Send(request(
                    "POST /convert?progressive=true",
                    "Transfer-Encoding: chunked\r\n",
                    &chunk(&noise[..12_000_000]),
                )),
                Step::Await(b"fLaC"),
                Step::Send(chunk(&noise[12_000_000..])),
            ],
            Expect::BrokenOff,
        ),
        Case::new(
            "an answer that is not read",
            vec![Step::Send(post("", "", &unread)), Step::UntilDropped],
            Expect::GivenUp,
        ),
        Case::new(
            "a progressive answer that is not read",
            vec![Step::Send(post("?progressive=true", "", &unread)), Step::UntilDropped],
            Expect::GivenUp,
        ),
    ]
}

/// What stands in the address.
fn options() -> Vec<Case> {
    let invalid = [
        "level=9",
        "level=-1",
        "level=4294967296",
        "level=",
        "level=five",
        "block_size=0",
        "block_size=15",
        "block_size=65536",
        "block_size=99999999999999999999",
        "block_size=1e3",
        "verify=perhaps",
        "metadata=all",
        "float=32",
        "length=long",
        "valid_bits=99",
        "subset=none",
        "padding=4294967295",
        "padding=-1",
        "tag=Dawn",
        "tag==",
        "pcm=48000",
        "pcm=48000:2:16:1:1",
        "pcm=::",
        "progressive=soon",
    ]
    .map(|query| (query.to_owned(), Problem(400, "invalid_option")));
    let others = [
        (String::from("speed=9"), Problem(400, "unknown_option")),
        (String::from("__proto__=1"), Problem(400, "unknown_option")),
        (String::from("Level=5"), Problem(400, "unknown_option")),
        (format!("{}=1", "x".repeat(10_000)), Problem(400, "unknown_option")),
        (String::from("=1"), Problem(400, "unknown_option")),
        (String::from("level=1&level=2"), Problem(400, "repeated_option")),
        (String::from("level=5%00"), Problem(400, "invalid_option")),
        (String::from("level=%ff"), Problem(400, "invalid_option")),
        (String::from("pcm=48000:0:16"), Problem(415, "unsupported_channels")),
        (String::from("pcm=48000:65535:16"), Problem(415, "unsupported_channels")),
        (String::from("pcm=0:2:16"), Problem(415, "unsupported_rate")),
        (String::from("pcm=4294967295:2:16"), Problem(415, "unsupported_rate")),
        (String::from("pcm=48000:2:99"), Problem(400, "invalid_option")),
        (String::from("filename=..%2f..%2fetc%2fpasswd"), Flac(500, String::from("passwd.flac"))),
        (String::from("filename=%00%0d%0aX-Evil:1.wav"), Flac(500, String::from("X-Evil_1.flac"))),
        (String::from("filename="), Flac(500, String::from("audio.flac"))),
        (format!("filename={}", "a".repeat(50_000)), Flac(500, format!("{}.flac", "a".repeat(250)))),
    ];
    invalid
        .into_iter()
        .chain(others)
        .map(|(query, expect)| Case::bytes(format!("?{query:.60}"), post(&format!("?{query}"), "", &wav(500)), expect))
        .collect()
}

/// Bodies that come too slowly.
fn slow() -> Vec<Case> {
    let declared = || Step::Send(request("POST /convert", "Content-Length: 100000\r\n", &[]));
    let continued = "Content-Length: 100000\r\nExpect: 100-continue\r\n";
    let trickle = || Step::Trickle(wav(5_000), Duration::from_millis(50));
    let idle = || Problem(408, "idle");
    vec![
        Case::new("a body that does not come", vec![declared()], idle()),
        Case::new(
            "a body that is asked for and does not come",
            vec![Step::Send(request("POST /convert", continued, &[]))],
            idle(),
        ),
        Case::new("a body that stops", vec![declared(), Step::Send(wav(1_000))], idle()),
        Case::new("a body that comes byte by byte", vec![declared(), trickle()], Problem(408, "too_slow")),
        Case::new(
            "chunks of one byte that trickle",
            vec![
                Step::Send(post_chunks("", &[])),
                Step::Trickle(
                    wav(5_000).iter().flat_map(|byte| [b"1\r\n", &[*byte][..], b"\r\n"].concat()).collect(),
                    Duration::from_millis(20),
                ),
            ],
            Problem(408, "too_slow"),
        ),
        Case::new(
            "a form that trickles",
            vec![
                Step::Send(request(
                    "POST /convert",
                    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n",
                    b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
                )),
                trickle(),
            ],
            Problem(408, "too_slow"),
        ),
        Case::new(
            "a progressive upload that stops before the audio",
            vec![Step::Send(request("POST /convert?progressive=true", "Content-Length: 100000\r\n", b"RIFF"))],
            idle(),
        ),
        Case::new(
            "a progressive upload that stops in the audio",
            vec![Step::Send(request("POST /convert?progressive=true", "Content-Length: 100000\r\n", &wav(5_000)))],
            Expect::BrokenOff,
        ),
    ]
}
