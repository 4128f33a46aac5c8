//! WAVs whose headers lie, contradict themselves, or claim what nobody has.

use crate::{
    case::{Case, Expect, post},
    support::{Wav, Wave64, extensible_body, fmt_body, fmt_fields, noise, wav_pcm},
};

use Expect::{Flac, Problem};

/// A WAV of one channel with 16 bits of noise: so many samples.
pub fn wav(samples: usize) -> Vec<u8> {
    Wav::pcm(1, 44_100, 16, &audio(samples))
}

/// Its audio.
pub fn audio(samples: usize) -> Vec<u8> {
    wav_pcm(&noise(samples, 1, 16, 9), 16)
}

fn whole(samples: u64) -> Expect {
    Flac(samples, String::from("audio.flac"))
}

fn contradicts() -> Expect {
    Problem(422, "contradicting_header")
}

fn cut_off() -> Expect {
    Problem(400, "truncated_header")
}

fn encoding() -> Expect {
    Problem(415, "unsupported_encoding")
}

/// The WAV of 500 samples with these bytes in it.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut wav = wav(500);
    wav[at..at + bytes.len()].copy_from_slice(bytes);
    wav
}

pub fn cases() -> Vec<Case> {
    [lengths(), formats(), chunks(), rf64(), wave64()]
        .into_iter()
        .flatten()
        .map(|(name, body, expect)| Case::bytes(name, post("", "", &body), expect))
        .collect()
}

type Row = (String, Vec<u8>, Expect);

fn row(name: impl Into<String>, body: Vec<u8>, expect: Expect) -> Row {
    (name.into(), body, expect)
}

/// The lengths of a RIFF and of its data.
fn lengths() -> Vec<Row> {
    let riff = [0, 1, 36, 1_000, 2_000, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff]
        .map(|size: u32| row(format!("a RIFF length of {size:#x}"), patched(4, &size.to_le_bytes()), whole(500)));
    let data = [1_000_u32, 1_001, 1_002, 2_000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_fffe, 0xffff_ffff, 0]
        .map(|size| row(format!("a data length of {size:#x}"), patched(40, &size.to_le_bytes()), whole(500)));
    let short = [1_u32, 2, 499, 900, 990].map(|size| {
        let name = format!("a data length of {size} with more behind it");
        row(name, patched(40, &size.to_le_bytes()), Problem(422, "contradicting_header"))
    });
    riff.into_iter().chain(data).chain(short).collect()
}

/// What a `fmt ` chunk may claim.
fn formats() -> Vec<Row> {
    let fmt = |name: &str, body: &[u8], expect: Expect| {
        row(name, Wav::new().chunk(b"fmt ", body).chunk(b"data", &audio(500)).build(), expect)
    };
    let pcm = |channels: u16, rate: u32, bits: u16| fmt_body(1, channels, rate, bits);
    let channels = || Problem(415, "unsupported_channels");
    let rate = || Problem(415, "unsupported_rate");
    let bits = || Problem(415, "unsupported_bits");
    let tags = [0_u16, 2, 6, 7, 0x11, 0x55, 0x161, 0xf1ac, 0xffff]
        .map(|tag| fmt(&format!("format tag {tag:#x}"), &fmt_body(tag, 1, 44_100, 16), encoding()));
    let mut guid = extensible_body(1, 44_100, 16, 16, 4, 1);
    guid[30] ^= 0xff;
    tags.into_iter()
        .chain([
            fmt("0 channels", &pcm(0, 44_100, 16), channels()),
            fmt("9 channels", &pcm(9, 44_100, 16), channels()),
            fmt("65535 channels", &pcm(65_535, 44_100, 16), channels()),
            fmt("a rate of 0", &pcm(1, 0, 16), rate()),
            fmt("a rate of 2^20", &pcm(1, 1 << 20, 16), rate()),
            fmt("a rate of 2^32-1", &pcm(1, u32::MAX, 16), rate()),
            fmt("0 bits", &pcm(1, 44_100, 0), contradicts()),
            fmt("3 bits", &pcm(1, 44_100, 3), bits()),
            fmt("33 bits", &pcm(1, 44_100, 33), bits()),
            fmt("64 bits", &pcm(1, 44_100, 64), bits()),
            fmt("65535 bits", &pcm(1, 44_100, 65_535), contradicts()),
            fmt("floating point", &fmt_body(3, 1, 44_100, 32), encoding()),
            fmt("floating point of 7 bits", &fmt_body(3, 1, 44_100, 7), encoding()),
            fmt("an align of 0", &fmt_fields(1, 1, 44_100, 0, 16), contradicts()),
            fmt("an align of 65535", &fmt_fields(1, 1, 44_100, 65_535, 16), contradicts()),
            fmt("an align of 3", &fmt_fields(1, 2, 44_100, 3, 16), contradicts()),
            fmt("an empty fmt", &[], contradicts()),
            fmt("a fmt of 14 bytes", &pcm(1, 44_100, 16)[..14], contradicts()),
            fmt("a fmt of 15 bytes", &pcm(1, 44_100, 16)[..15], contradicts()),
            fmt("a fmt of 17 bytes", &[pcm(1, 44_100, 16), vec![0]].concat(), whole(500)),
            fmt("a fmt of 1 kB", &[pcm(1, 44_100, 16), vec![0; 1_000]].concat(), whole(500)),
            fmt("extensible without its extension", &fmt_body(0xfffe, 1, 44_100, 16), contradicts()),
            fmt("extensible, half of its extension", &extensible_body(1, 44_100, 16, 16, 4, 1)[..30], contradicts()),
            fmt("extensible with another GUID", &guid, encoding()),
            fmt("extensible ADPCM", &extensible_body(1, 44_100, 16, 16, 4, 2), encoding()),
            fmt("more valid bits than the container has", &extensible_body(1, 44_100, 16, 24, 4, 1), contradicts()),
            fmt("65535 valid bits", &extensible_body(1, 44_100, 16, 65_535, 4, 1), contradicts()),
        ])
        .collect()
}

/// Chunks in odd places, of odd lengths, and too many.
fn chunks() -> Vec<Row> {
    let fmt = || Wav::new().fmt(1, 44_100, 16);
    let tiny = (0..20_000).fold(fmt(), |wav, _| wav.chunk(b"junk", &[]));
    let listed = (0..2_000).fold(Vec::from(*b"INFO"), |list, n: u32| {
        [list, b"ICMT".to_vec(), 8_u32.to_le_bytes().to_vec(), format!("{n:08}").into_bytes()].concat()
    });
    vec![
        row("data before fmt", Wav::new().chunk(b"data", &audio(500)).fmt(1, 44_100, 16).build(), contradicts()),
        row("no fmt", Wav::new().chunk(b"LIST", b"INFO").build(), cut_off()),
        row("no data", fmt().build(), cut_off()),
        row("only RIFF and WAVE", Wav::new().build(), cut_off()),
        row("two fmts that differ", fmt().fmt(2, 48_000, 24).chunk(b"data", &audio(500)).build(), contradicts()),
        row("two datas", fmt().chunk(b"data", &audio(500)).chunk(b"data", &audio(500)).build(), contradicts()),
        row("20,000 empty chunks", tiny.chunk(b"data", &audio(500)).build(), whole(500)),
        row("a chunk of 4 GiB before fmt", Wav::new().head(b"LIST", u32::MAX).raw(&audio(500)).build(), cut_off()),
        row("a chunk of 4 GiB before data", fmt().head(b"junk", u32::MAX).raw(&audio(500)).build(), cut_off()),
        row("a fmt of 4 GiB", Wav::new().head(b"fmt ", u32::MAX).raw(&audio(500)).build(), cut_off()),
        row("a fmt of 500 kB", Wav::new().chunk(b"fmt ", &vec![1; 500_000]).chunk(b"data", &[]).build(), encoding()),
        row("a LIST of 2,000 comments", fmt().chunk(b"LIST", &listed).chunk(b"data", &audio(500)).build(), whole(500)),
        row(
            "a LIST whose parts lie",
            fmt().chunk(b"LIST", b"INFOINAM\xff\xff\xff\xffabc").chunk(b"data", &audio(500)).build(),
            whole(500),
        ),
        row("a bext of 3 bytes", fmt().chunk(b"bext", &[1; 3]).chunk(b"data", &audio(500)).build(), whole(500)),
        row(
            "a cue chunk that claims 2^32-1 points",
            fmt().chunk(b"cue ", &[255; 28]).chunk(b"data", &audio(500)).build(),
            whole(500),
        ),
        row(
            "an id3 chunk that lies",
            fmt()
                .chunk(b"id3 ", b"ID3\x04\0\x80\x7f\x7f\x7f\x7fAPIC\x7f\x7f\x7f\x7f\0\0")
                .chunk(b"data", &audio(500))
                .build(),
            whole(500),
        ),
        row(
            "chunks with names of NUL",
            fmt().chunk(b"\0\0\0\0", &[0; 8]).chunk(b"data", &audio(500)).build(),
            contradicts(),
        ),
    ]
}

/// RF64, whose real sizes stand in a chunk of their own.
fn rf64() -> Vec<Row> {
    let data = |wav: Wav, size: u32| wav.fmt(1, 44_100, 16).head(b"data", size).raw(&audio(500)).build();
    let sized =
        |name: &str, size: u64, expect: Expect| row(name, data(Wav::rf64(b"RF64", size, &[]), u32::MAX), expect);
    let table: Vec<_> = (0..50).map(|_| (*b"junk", u64::MAX)).collect();
    // Where the number of rows stands.
    let mut claims = data(Wav::rf64(b"RF64", 1_000, &[]), u32::MAX);
    claims[44..48].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut without = data(Wav::new(), u32::MAX);
    without[..4].copy_from_slice(b"RF64");
    vec![
        sized("ds64: the right size", 1_000, whole(500)),
        sized("ds64: 2^64-1", u64::MAX, whole(500)),
        sized("ds64: 2^63", 1 << 63, whole(500)),
        sized("ds64: 1 TB", 1_000_000_000_000, whole(500)),
        sized("ds64: too short", 900, contradicts()),
        row("ds64 that nobody asks for", data(Wav::rf64(b"RF64", 7, &[]), 1_000), whole(500)),
        row("RF64 without ds64", without, contradicts()),
        row("a ds64 of 3 bytes", data(Wav::rf64_of(b"RF64", &[0; 3]), u32::MAX), contradicts()),
        row("a ds64 of 27 bytes", data(Wav::rf64_of(b"RF64", &[0; 27]), u32::MAX), whole(500)),
        row("a ds64 whose table claims 2^32-1 rows", claims, whole(500)),
        row("a ds64 whose table is of no use", data(Wav::rf64(b"BW64", 1_000, &table), u32::MAX), whole(500)),
        row("two ds64", data(Wav::rf64(b"RF64", 1_000, &[]).chunk(b"ds64", &[255; 28]), u32::MAX), whole(500)),
    ]
}

/// Sony Wave64, whose sizes count their own headers.
fn wave64() -> Vec<Row> {
    let sized = |size: u64, expect: Expect| {
        let file = Wave64::new().fmt(1, 44_100, 16).head(b"data", size).raw(&audio(500)).build();
        row(format!("a Wave64 data size of {size}"), file, expect)
    };
    let claimed = |size: u64| {
        let mut file = Wave64::new().fmt(1, 44_100, 16).chunk(b"data", &audio(500)).build();
        file[16..24].copy_from_slice(&size.to_le_bytes());
        row(format!("a Wave64 size of {size}"), file, whole(500))
    };
    let junk = |size: u64, expect: Expect| {
        let file = Wave64::new().head(b"junk", size).fmt(1, 44_100, 16).chunk(b"data", &audio(500)).build();
        row(format!("a Wave64 chunk of {size}"), file, expect)
    };
    let mut guid = Wave64::new().fmt(1, 44_100, 16).chunk(b"data", &audio(500)).build();
    guid[20] ^= 0xff;
    guid[30] ^= 0xff;
    vec![
        sized(1_024, whole(500)),
        sized(u64::MAX, whole(500)),
        sized(1 << 63, whole(500)),
        sized(0, whole(500)),
        sized(23, whole(500)),
        claimed(0),
        claimed(23),
        claimed(u64::MAX),
        junk(0, contradicts()),
        junk(23, contradicts()),
        junk(u64::MAX, cut_off()),
        row("a Wave64 with another GUID", guid, Problem(415, "not_wav")),
        row("the first bytes of a Wave64", Wave64::new().build()[..30].to_vec(), cut_off()),
    ]
}
