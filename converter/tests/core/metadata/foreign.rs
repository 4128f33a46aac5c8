//! Foreign metadata against `flac`'s own, file by file.

use std::path::Path;

use converter::meta::Metadata;
use converter::restore::{Proof, restore};
use converter::wav::{Length, Rules, ValidBits};

use super::{convert, run};
use crate::support::{Place, Wave64, extensible_body, fmt_fields, pack};
use crate::support::{Wav, fmt_body, music, wav_pcm};

/// The file that `flac` makes of a WAV file, and the WAV file that it makes of a FLAC file, where it does.
struct Reference<'a> {
    folder: &'a Path,
    /// The name of the WAV file tells `flac` 1.4 what to write.
    output: &'static str,
}

impl Reference<'_> {
    fn encode(&self, wav: &[u8]) -> Option<Vec<u8>> {
        let _ = std::fs::remove_file(self.folder.join("theirs.flac"));
        std::fs::write(self.folder.join("in.wav"), wav).unwrap();
        let args = ["--silent", "--lax", "--keep-foreign-metadata", "-o", "theirs.flac", "in.wav"];
        let output = run("flac", &args, self.folder);
        output.status.success().then(|| std::fs::read(self.folder.join("theirs.flac")).unwrap())
    }

    fn decode(&self, flac: &[u8]) -> Option<Vec<u8>> {
        std::fs::write(self.folder.join("some.flac"), flac).unwrap();
        let args = ["--silent", "-d", "-f", "--keep-foreign-metadata", "-o", self.output, "some.flac"];
        let output = run("flac", &args, self.folder);
        output.status.success().then(|| std::fs::read(self.folder.join(self.output)).unwrap())
    }
}

/// What `flac` 1.4.2 does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theirs {
    /// Its round trip gives the same file.
    Same,
    /// It gives another file, or none.
    NotSame,
}
use Theirs::{NotSame, Same};

fn check(name: &str, wav: &[u8], output: &'static str, rules: Rules, expected: Theirs) {
    let folder = tempfile::tempdir().unwrap();
    let flac = Reference { folder: folder.path(), output };
    let theirs = flac.encode(wav);
    let their_trip = theirs.as_ref().and_then(|theirs| flac.decode(theirs));
    let found = if their_trip.as_deref() == Some(wav) { Same } else { NotSame };
    assert_eq!(found, expected, "{name}: what flac does");

    let ours = convert(wav, rules, Metadata::Foreign).unwrap_or_else(|error| panic!("{name}: {error}"));
    let by_flac = ours.collected.foreign.as_ref().unwrap().by_flac;
    assert_eq!(by_flac, expected == Same, "{name}: what is foreseen of flac");
    let through_flac = flac.decode(&ours.flac);
    if by_flac {
        assert!(through_flac.as_deref() == Some(wav), "{name}: flac -d of ours");
    } else {
        // it must not build a wrong file from what it finds
        assert_eq!(through_flac, None, "{name}: flac -d of ours");
    }
    let test = run("flac", &["--silent", "--test", "some.flac"], folder.path());
    assert!(test.status.success(), "{name}: {}", String::from_utf8_lossy(&test.stderr));

    let mut again = Vec::new();
    let restored = restore(&ours.flac[..], &mut again).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(again == wav, "{name}: our restore");
    assert_eq!((restored.bytes, restored.proof), (wav.len() as u64, Proof::Digest), "{name}");

    if let Some(theirs) = theirs {
        let mut again = Vec::new();
        match restore(&theirs[..], &mut again) {
            Ok(restored) => {
                assert!(again == wav, "{name}: our restore of theirs");
                assert_eq!(restored.proof, Proof::Lengths);
            }
            Err(error) => {
                assert_eq!((error.code(), expected), ("not_provable", NotSame), "{name}: our restore of theirs");
            }
        }
    }
}

fn riff(name: &str, wav: &[u8], expected: Theirs) {
    check(name, wav, "out.wav", Rules::default(), expected);
}

/// A file with a `fmt ` chunk of any body, and chunks around it.
fn with_fmt(fmt: &[u8], pcm: &[u8]) -> Vec<u8> {
    Wav::new().chunk(b"fmt ", fmt).chunk(b"data", pcm).build()
}

fn pcm(channels: usize, bits: u32) -> Vec<u8> {
    wav_pcm(&music(999, channels, bits, 5), bits)
}

#[test]
fn plain_files_come_back_through_flac() {
    for (channels, bits, expected) in
        [(1, 8, Same), (2, 8, Same), (1, 16, Same), (2, 16, Same), (1, 24, NotSame), (2, 24, NotSame), (3, 16, NotSame)]
    {
        let wav = Wav::pcm(channels, 44_100, bits, &pcm(channels.into(), bits.into()));
        riff(&format!("plain {channels} x {bits}"), &wav, expected);
    }
}

#[test]
fn extensible_files_come_back_through_flac_where_its_mask_can_be_told() {
    for (channels, bits, mask, expected) in [
        (1, 16, 0x4, NotSame),
        (1, 16, 0x1, Same),
        (2, 16, 0x3, NotSame),
        (2, 24, 0x3, Same),
        (1, 24, 0x4, Same),
        (2, 24, 0x0, NotSame),
        (3, 16, 0x7, Same),
        (4, 16, 0x33, Same),
        (4, 16, 0x603, Same),
        (5, 24, 0x37, Same),
        (5, 24, 0x607, Same),
        (6, 16, 0x3F, Same),
        (6, 16, 0x60F, Same),
        (8, 24, 0x63F, Same),
        (6, 16, 0x0, NotSame),
    ] {
        let wav = Wav::new().extensible(channels, 48_000, bits, mask);
        let wav = wav.chunk(b"data", &pcm(channels.into(), bits.into())).build();
        riff(&format!("extensible {channels} x {bits}, {mask:#x}"), &wav, expected);
    }
}

#[test]
fn odd_depths_come_back_through_flac() {
    for (bits, bytes) in [(12, 2), (20, 3), (4, 1), (7, 1)] {
        let samples = music(999, 2, bits, 3);
        let body = extensible_body(2, 44_100, bytes * 8, bits as u16, 3, 1);
        let wav = with_fmt(&body, &pack(&samples, bits, bytes.into(), Place::High));
        riff(&format!("{bits} bits in {bytes} bytes"), &wav, Same);
    }
}

#[test]
fn wider_containers_come_back_through_restore() {
    for (bits, bytes, place) in [
        (24, 4, Place::High),
        (16, 4, Place::High),
        (12, 4, Place::High),
        (24, 4, Place::Low),
        (24, 4, Place::LowZeros),
    ] {
        let low = place != Place::High;
        let samples = music(999, 2, bits, 3);
        let body = extensible_body(2, 44_100, bytes * 8, bits as u16, 3, 1);
        let wav = with_fmt(&body, &pack(&samples, bits, bytes.into(), place));
        let valid_bits = if low { ValidBits::Low } else { ValidBits::Declared };
        check(
            &format!("{bits} in {bytes}, {place:?}"),
            &wav,
            "wave",
            Rules { valid_bits, ..Rules::default() },
            NotSame,
        );
    }
}

#[test]
fn chunks_around_the_audio_come_back() {
    let info = b"INFOINAM\x03\0\0\0ab\0\0";
    for odd in [0, 1] {
        let wav = Wav::new()
            .chunk(b"JUNK", &[1; 27])
            .fmt(2, 44_100, 16)
            .chunk(b"bext", &[0; 602])
            .chunk(b"LIST", info)
            .chunk(b"data", &pcm(1, 8)[odd..])
            .build();
        // an odd number of bytes is no whole number of samples
        let whole = (999 - odd) % 4 == 0;
        riff("chunks before, cut sample", &wav, if whole { Same } else { NotSame });
    }
    for length in [998, 999] {
        let wav = Wav::new()
            .chunk(b"JUNK", &[1; 27])
            .fmt(1, 8_000, 8)
            .chunk(b"LIST", info)
            .chunk(b"data", &pcm(1, 8)[..length])
            .chunk(b"LIST", info)
            .chunk(b"odd_", b"abc")
            .chunk(b"none", b"")
            .build();
        riff(&format!("chunks around {length} bytes"), &wav, Same);
    }
    let many =
        (0..500).fold(Wav::new().fmt(1, 8_000, 16), |wav, number: u16| wav.chunk(b"tiny", &number.to_le_bytes()));
    riff("many chunks", &many.chunk(b"data", &pcm(1, 16)).build(), Same);
    let padded = Wav::new().fmt(1, 8_000, 16).chunk(b"data", &pcm(1, 16));
    riff("pad byte of another value", &padded.head(b"LIST", 3).raw(b"abc\x07").build(), Same);
}

#[test]
fn unusual_fmt_chunks_come_back_through_restore() {
    let sound = pcm(2, 16);
    let mut rate = fmt_body(1, 2, 44_100, 16);
    rate[8..12].copy_from_slice(&12_345_u32.to_le_bytes());
    riff("odd byte rate", &with_fmt(&rate, &sound), NotSame);
    riff("fmt of 18 bytes", &with_fmt(&[&fmt_body(1, 2, 44_100, 16)[..], &[0, 0]].concat(), &sound), NotSame);
    riff("fmt of 40 bytes, plain", &with_fmt(&[&fmt_body(1, 2, 44_100, 16)[..], &[0; 24]].concat(), &sound), NotSame);
    let mut zero_valid = extensible_body(2, 44_100, 16, 16, 3, 1);
    zero_valid[18] = 0;
    riff("no valid bits", &with_fmt(&zero_valid, &sound), NotSame);
    let long = [&extensible_body(2, 44_100, 24, 24, 3, 1)[..], &[9; 6]].concat();
    riff("long fmt", &with_fmt(&long, &pcm(2, 24)), NotSame);
    let body = fmt_fields(1, 1, 8_000, 2, 12);
    riff("12 bits, plain", &with_fmt(&body, &pack(&music(99, 1, 12, 1), 12, 2, Place::High)), NotSame);
}

#[test]
fn lengths_that_lie_come_back_through_restore() {
    let sound = pcm(2, 16);
    let start = || Wav::new().fmt(2, 44_100, 16);
    riff("length 0xFFFFFFFF", &start().head(b"data", u32::MAX).raw(&sound).build(), NotSame);
    riff("length 0", &start().head(b"data", 0).raw(&sound).build(), NotSame);
    riff("truncated", &start().head(b"data", 50_000).raw(&sound).build(), NotSame);
    riff("cut sample at the end", &start().head(b"data", 50_000).raw(&sound[..1001]).build(), NotSame);
    riff("no pad byte", &Wav::new().fmt(1, 8_000, 8).head(b"data", 5).raw(b"abcde").build(), NotSame);
    riff("no pad byte, a chunk", &start().chunk(b"data", &sound).head(b"LIST", 3).raw(b"abc").build(), NotSame);
    riff("cut chunk", &start().chunk(b"data", &sound).head(b"LIST", 300).raw(b"abc").build(), NotSame);
    let mut wrong = start().chunk(b"data", &sound).build();
    wrong[4..8].copy_from_slice(&[0; 4]);
    riff("RIFF length 0", &wrong, NotSame);
    let tail = [&start().chunk(b"data", &sound).build()[..], b"\x01\x02junk\xFF"].concat();
    let header = Rules { length: Length::Header, ..Rules::default() };
    check("junk at the end", &tail, "out.wav", header, NotSame);
    riff("no samples", &start().chunk(b"data", b"").build(), NotSame);
    let id3v1 = [&start().chunk(b"data", &sound).build()[..], b"TAG", &[0; 125]].concat();
    riff("ID3v1 at the end", &id3v1, NotSame);
}

#[test]
fn rf64_comes_back_through_flac() {
    let sound = pcm(2, 16);
    let rf64 = |riff_size: u64, samples: u64, tail: &[u8]| {
        let mut wav = b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0".to_vec();
        for number in [riff_size, sound.len() as u64, samples] {
            wav.extend(number.to_le_bytes());
        }
        wav.extend([0; 4]);
        wav.extend(b"fmt \x10\0\0\0");
        wav.extend(fmt_body(1, 2, 44_100, 16));
        wav.extend(b"data\xFF\xFF\xFF\xFF");
        wav.extend(&sound);
        wav.extend(tail);
        wav
    };
    let size = (rf64(0, 0, b"").len() - 8) as u64;
    let rules = Rules::default();
    check("RF64", &rf64(size, 999, b""), "out.rf64", rules, Same);
    check("RF64 with a chunk", &rf64(size + 12, 999, b"LIST\x04\0\0\0abcd"), "out.rf64", rules, Same);
    check("RF64, no samples told", &rf64(size, 0, b""), "out.rf64", rules, NotSame);
    let mut bw64 = rf64(size, 999, b"");
    bw64[..2].copy_from_slice(b"BW");
    check("BW64", &bw64, "out.rf64", rules, NotSame);
}

#[test]
fn wave64_comes_back_through_flac() {
    for (bits, expected) in [(16, Same), (8, Same), (24, NotSame)] {
        for length in [999, 1000] {
            let sound = wav_pcm(&music(length, 1, bits, 2), bits);
            let wav = Wave64::new().chunk(b"junk", &[3; 13]).fmt(1, 44_100, bits as u16);
            let wav = wav.chunk(b"data", &sound).chunk(b"levl", &[1; 20]).build();
            check(&format!("Wave64, {bits} bits, {length}"), &wav, "out.w64", Rules::default(), expected);
        }
    }
}

#[test]
fn floating_point_cannot_be_kept() {
    let float = Wav::new().chunk(b"fmt ", &fmt_body(3, 1, 8_000, 32)).chunk(b"data", &[0; 40]).build();
    let rules = Rules { float: converter::wav::Float::To24, ..Rules::default() };
    let error = convert(&float, rules, Metadata::Foreign).err().unwrap().to_string();
    assert!(error.contains("floating-point") && error.contains("--metadata tags"), "{error}");
    assert!(convert(&float, rules, Metadata::Tags).is_ok());
}

#[test]
fn mixed_high_bits_cannot_be_kept() {
    let body = extensible_body(1, 8_000, 32, 24, 4, 1);
    let wav = with_fmt(&body, b"\xFE\xFF\xFF\xFF\xFE\xFF\xFF\0");
    let rules = Rules { valid_bits: ValidBits::Low, ..Rules::default() };
    let error = convert(&wav, rules, Metadata::Foreign).err().unwrap().to_string();
    assert!(error.contains("repeat the sign"), "{error}");
}
