//! What is said on a stream: texts that are none of ours, the right ones in the wrong order, tokens that nobody gave.

use std::net::SocketAddr;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    answer::Stream,
    case::{Case, Expect, Kind, Step, binary, end, frame, handshake, named, post, text},
    play::play,
    probe::Probe,
    sounds::{audio, wav},
};

use Expect::{Done, Error};

/// The stream key of the server.
pub const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// Where the parts of a token are: version, key's id, expiry, beginning.
const EXPIRY: usize = 5;
const CHECKPOINT: usize = 21;

/// A stream of our protocol that sends these frames.
fn case(name: impl Into<String>, frames: &[Vec<u8>], expect: Expect) -> Case {
    Case::bytes(name, [named(), frames.concat()].concat(), expect)
}

fn start(rest: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"start"{rest}}}"#))
}

fn resume(token: &str) -> Vec<u8> {
    text(&serde_json::json!({"type": "resume", "token": token}).to_string())
}

fn malformed() -> Expect {
    Error("malformed_message", 1007)
}

fn late() -> Expect {
    Error("late_start", 1008)
}

pub fn cases(token: &str) -> Vec<Case> {
    [texts(), starts(), order(token), audio_cases(), tokens(token), slow()].into_iter().flatten().collect()
}

fn texts() -> Vec<Case> {
    let deep = |open: &str, count: usize| format!(r#"{{"type":"start","a":{}"#, open.repeat(count));
    [
        String::new(),
        String::from("hello?"),
        String::from("{"),
        String::from("{}"),
        String::from("[]"),
        String::from("null"),
        String::from("7"),
        String::from(r#""start""#),
        String::from(r#"{"type":"start"}{"type":"start"}"#),
        String::from(r#"{"type":"start",}"#),
        String::from(r#"{"type":7}"#),
        String::from(r#"{"type":null}"#),
        String::from(r#"{"type":["start"]}"#),
        String::from(r#"{"type":"stop"}"#),
        String::from(r#"{"type":"START"}"#),
        String::from(r#"{"type":"start\u0000"}"#),
        String::from(r#"{"Type":"start"}"#),
        String::from(r#"{"type":"\ud800"}"#),
        String::from("{\"type\":\"start\u{0}\"}"),
        String::from(r#"{"type":"resume"}"#),
        String::from(r#"{"type":"resume","token":null}"#),
        String::from(r#"{"type":"resume","token":{"a":1}}"#),
        String::from("\u{feff}{\"type\":\"end\"}"),
        deep("[", 60_000),
        deep(r#"{"a":"#, 10_000),
        format!(r#"{{"type":"{}"}}"#, "x".repeat(60_000)),
        format!(r#"{{{}"type":"stop"}}"#, r#""a":1,"#.repeat(8_000)),
        format!(r#"{{"type":"start","level":{}}}"#, "9".repeat(10_000)),
        String::from("GET / HTTP/1.1\r\n\r\n"),
    ]
    .into_iter()
    .map(|words| {
        let shown: String = words.escape_debug().take(50).collect();
        case(format!("the text `{shown}`, {} bytes", words.len()), &[text(&words)], malformed())
    })
    .chain([Case::bytes(
        "a text that would be large as JSON, as an old client may send it",
        [handshake("/ws", ""), text(&format!(r#"{{"type":"end","a":[{}1]}}"#, "1,".repeat(200_000)))].concat(),
        Error("message_too_large", 1009),
    )])
    .chain(
        [&b"\xff\xfe"[..], b"\xc3\x28", b"\xed\xa0\x80", b"{\"type\":\"end\"}\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"]
            .map(|bytes| case(format!("the text {bytes:x?}, which is no UTF-8"), &[frame(0x81, bytes)], malformed())),
    )
    .collect()
}

fn starts() -> Vec<Case> {
    let invalid = || Error("invalid_option", 1007);
    let pcm = |rate: i64, channels: i64, bits: i64| {
        format!(r#","format":"pcm","sample_rate":{rate},"channels":{channels},"bits_per_sample":{bits}"#)
    };
    [
        (String::from(r#","speed":1"#), malformed()),
        (String::from(r#","level":"high""#), malformed()),
        (String::from(r#","level":-1"#), malformed()),
        (String::from(r#","level":1.5"#), malformed()),
        (String::from(r#","level":256"#), malformed()),
        (String::from(r#","level":9"#), invalid()),
        (String::from(r#","block_size":0"#), invalid()),
        (String::from(r#","block_size":15"#), invalid()),
        (String::from(r#","block_size":65536"#), invalid()),
        (String::from(r#","block_size":4294967295"#), invalid()),
        (String::from(r#","block_size":4294967296"#), malformed()),
        (String::from(r#","verify":"yes""#), malformed()),
        (String::from(r#","metadata":"all""#), invalid()),
        (String::from(r#","float":"32""#), invalid()),
        (String::from(r#","length":"long""#), invalid()),
        (String::from(r#","valid_bits":"some""#), invalid()),
        (String::from(r#","subset":"none""#), invalid()),
        (String::from(r#","format":"ogg""#), malformed()),
        (String::from(r#","format":"pcm""#), invalid()),
        (String::from(r#","format":"wav","channels":2"#), invalid()),
        (String::from(r#","level":1,"level":2"#), Done(100)),
        (pcm(0, 1, 16), Error("unsupported_rate", 1003)),
        (pcm(1 << 20, 1, 16), Error("unsupported_rate", 1003)),
        (pcm(4_294_967_295, 1, 16), Error("unsupported_rate", 1003)),
        (pcm(4_294_967_296, 1, 16), malformed()),
        (pcm(-1, 1, 16), malformed()),
        (pcm(48_000, 0, 16), Error("unsupported_channels", 1003)),
        (pcm(48_000, 9, 16), Error("unsupported_channels", 1003)),
        (pcm(48_000, 65_535, 16), Error("unsupported_channels", 1003)),
        (pcm(48_000, 65_536, 16), malformed()),
        (pcm(48_000, 1, 0), Error("unsupported_bits", 1003)),
        (pcm(48_000, 1, 33), Error("unsupported_bits", 1003)),
        (pcm(48_000, 1, 65_535), Error("unsupported_bits", 1003)),
    ]
    .into_iter()
    .map(|(rest, expect)| case(format!("start{rest}"), &[start(&rest), binary(&wav(100), 1_000), end()], expect))
    .collect()
}

fn order(token: &str) -> Vec<Case> {
    let audio = || binary(&wav(3_000), 1_000);
    vec![
        case("start twice", &[start(""), start("")], late()),
        case("start behind audio", &[audio(), start("")], late()),
        case("start behind one byte", &[binary(b"R", 1), start("")], late()),
        case("resume behind start", &[start(""), resume(token)], late()),
        case("resume behind audio", &[audio(), resume(token)], late()),
        case("start behind resume", &[resume(token), start("")], late()),
        case("resume twice", &[resume(token), resume(token)], late()),
        case("an end before anything", &[end()], Error("empty_input", 1007)),
        case("an end behind start", &[start(""), end()], Error("empty_input", 1007)),
        case("an empty message before anything", &[frame(0x82, b"")], Error("empty_input", 1007)),
        case("an old client's end before anything", &[text(r#"{"eof":1}"#)], Error("empty_input", 1007)),
        case("a bad text in the audio", &[audio(), text("{{{")], malformed()),
        case("two ends", &[binary(&wav(100), 1_000), end(), end()], Done(100)),
        case("audio behind the end", &[binary(&wav(100), 1_000), end(), audio()], Done(100)),
        case("a broken frame behind the end", &[binary(&wav(100), 1_000), end(), vec![0xff; 100]], Done(100)),
    ]
}

/// Audio that is none.
fn audio_cases() -> Vec<Case> {
    let end_of = |bytes: &[u8], size: usize| [binary(bytes, size), end()];
    let nine = crate::support::Wav::pcm(9, 44_100, 16, &[0; 180]);
    let mut align = wav(100);
    align[32] = 3;
    let header: Vec<_> = (1..44)
        .step_by(6)
        .map(|length| {
            case(
                format!("a stream of {length} bytes of a WAV"),
                &end_of(&wav(9)[..length], 50),
                Error("truncated_header", 1007),
            )
        })
        .collect();
    [
        case("text as audio", &end_of(b"hello, world: no WAV at all", 50), Error("not_wav", 1003)),
        case("FLAC as audio", &end_of(b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0", 50), Error("not_wav", 1003)),
        case("text as audio, byte by byte", &end_of(b"hello, world: no WAV at all", 1), Error("not_wav", 1003)),
        case("nine channels", &end_of(&nine, 50), Error("unsupported_channels", 1003)),
        case("an align that contradicts the rest", &end_of(&align, 50), Error("padding_not_zero", 1007)),
        case("a WAV in messages of a byte", &end_of(&wav(1_100), 1), Done(1_100)),
        case("a whole WAV twice", &end_of(&[wav(100), wav(100)].concat(), 1_000), Done(100)),
        case(
            "messages of text that are sent on and on",
            &[binary(&vec![b'x'; 2_000_000], 60_000)],
            Error("not_wav", 1003),
        ),
    ]
    .into_iter()
    .chain(header)
    .collect()
}

fn tokens(honest: &str) -> Vec<Case> {
    let bytes = URL_SAFE_NO_PAD.decode(honest).unwrap();
    let length = bytes.len();
    let forged = || Error("token_forged", 1008);
    let no_token = || Error("token_malformed", 1008);
    let version = || Error("token_version", 1008);
    let changed = |at: usize, bit: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << bit;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let resigned = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut signed = bytes[..length - 32].to_vec();
        change(&mut signed);
        sign(&signed)
    };
    let flips = (0..24).map(|number| {
        let at = number * (length - 1) / 23;
        let expect = if at == 0 { version() } else { forged() };
        case(format!("a token with bit {number} of byte {at} changed"), &[resume(&changed(at, number % 8))], expect)
    });
    let cuts = (0..12).map(|number| {
        let end = number * length / 12;
        let expect = if end < CHECKPOINT + 32 { no_token() } else { forged() };
        case(format!("a token cut at byte {end}"), &[resume(&URL_SAFE_NO_PAD.encode(&bytes[..end]))], expect)
    });
    let others = [
        ("a token of words", String::from("no token, but words"), no_token()),
        ("a token of 60 kB", "A".repeat(60_000), no_token()),
        ("a token in the other base64", STANDARD.encode(&bytes) + "=", no_token()),
        ("a token with a blank", format!("{honest} "), no_token()),
        ("a token twice", honest.repeat(2), forged()),
        (
            "a token that has expired",
            resigned(&|bytes| bytes[EXPIRY..EXPIRY + 8].fill(0)),
            Error("token_expired", 1008),
        ),
        ("a token that holds for ever and is not signed", changed(EXPIRY + 7, 6), forged()),
        ("a token of another release", resigned(&|bytes| bytes[0] = 9), version()),
        ("a token under another key's name", resigned(&|bytes| bytes[1] ^= 1), forged()),
        (
            "a token of a stream that began in 1970",
            resigned(&|bytes| bytes[13..21].fill(0)),
            Error("stream_too_long", 1008),
        ),
        ("a token without a checkpoint", resigned(&|bytes| bytes.truncate(CHECKPOINT)), no_token()),
        ("a token with half a checkpoint", resigned(&|bytes| bytes.truncate(CHECKPOINT + 40)), no_token()),
        ("a token with a checkpoint and more", resigned(&|bytes| bytes.push(7)), no_token()),
        ("a token with a checkpoint of another release", resigned(&|bytes| bytes[CHECKPOINT] = 99), version()),
        ("a token with a checkpoint of 0xff", resigned(&|bytes| bytes[CHECKPOINT + 1..].fill(0xff)), no_token()),
    ]
    .map(|(name, token, expect)| case(name, &[resume(&token)], expect));
    flips.chain(cuts).chain(others).collect()
}

fn slow() -> Vec<Case> {
    let idle = || Error("idle", 4408);
    vec![
        case("a stream without a word", &[], idle()),
        case("a stream that stops behind start", &[start("")], idle()),
        case("a stream that stops in its header", &[binary(&wav(9)[..20], 20)], idle()),
        case("a stream that stops in the audio", &[binary(&wav(3_000), 1_000)], idle()),
        Case::bytes("an old client without a word", handshake("/ws", ""), idle()),
        Case::new(
            "frames that are not read",
            vec![
                Step::Send(handshake("/ws?format=pcm&sample_rate=44100&channels=1&bits_per_sample=16", "")),
                Step::Repeat(binary(&audio(30_000), 60_000), 400),
            ],
            Expect::Counted(Kind::Stream, "aborted"),
        ),
    ]
}

/// A token with these claims, signed as the server does.
fn sign(claims: &[u8]) -> String {
    let key: Vec<u8> = (0..KEY.len()).step_by(2).map(|at| u8::from_str_radix(&KEY[at..at + 2], 16).unwrap()).collect();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(claims).finalize().into_bytes();
    URL_SAFE_NO_PAD.encode([claims, &mac].concat())
}

/// The token of a stream that has its first frames.
pub async fn honest_token(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[named(), binary(&wav(3_000), 1_000)].concat()).await.unwrap();
    let mut came = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut came).await.unwrap(), 0, "the stream ended early");
        let Ok(read) = Stream::read(&came) else { continue };
        if let Some(last) = read.said.iter().find(|said| said["type"] == "checkpoint") {
            return last["token"].as_str().unwrap().to_owned();
        }
    }
}

/// Fails unless the server takes an upload and a stream as ever.
pub async fn still_serves(probe: &Probe) {
    for case in [
        Case::bytes("an upload", post("", "", &wav(20_000)), Expect::Flac(20_000, String::from("audio.flac"))),
        case("a stream", &[start(""), binary(&wav(20_000), 1_000), end()], Done(20_000)),
    ] {
        play(&case, probe).await.unwrap();
    }
}
