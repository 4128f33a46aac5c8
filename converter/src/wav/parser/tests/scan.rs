//! Properties: any split, and a scan that passes over the audio, find the same.

use super::*;

/// Everything but the audio: pieces named, joined where a split could fall; the format; how it ended; the audio's
/// length.
type Scan = (Vec<(&'static str, Vec<u8>)>, Option<Format>, Result<Vec<WavWarning>, WavError>, u64);

/// What an input holds beside its audio. A seeking scan reads `read` bytes at a time and passes over whatever it may.
fn scan(input: &[u8], rules: Rules, read: usize, seek: bool) -> Scan {
    let mut parser = Parser::new(rules);
    let (mut pieces, mut format) = (Vec::<(&'static str, Vec<u8>)>::new(), None);
    let mut sink = |piece: Piece<'_>| -> Result<(), WavError> {
        let name = match piece {
            Piece::Header(_) => "header",
            Piece::Chunk { .. } => "chunk",
            Piece::Body(_) => "body",
            Piece::Format(found) => {
                format = Some(found);
                "format"
            }
            Piece::Audio(_) => return Ok(()),
            Piece::Padding(_) => "padding",
            Piece::Junk(_) => "junk",
        };
        match pieces.last_mut() {
            Some((last, bytes)) if *last == name && name != "chunk" => bytes.extend(bytes_of(piece)),
            _ => pieces.push((name, bytes_of(piece).to_vec())),
        }
        Ok(())
    };
    let mut at = 0;
    while at < input.len() {
        match parser.skippable().filter(|_| seek) {
            Some(Skip::ToEnd) => {
                parser.skip((input.len() - at) as u64);
                at = input.len();
            }
            Some(Skip::Bytes(bytes)) => {
                assert!(bytes > 0, "a scan comes to an end");
                let there = bytes.min((input.len() - at) as u64);
                parser.skip(there);
                at += usize::try_from(there).unwrap();
            }
            None => {
                let end = (at + read).min(input.len());
                if let Err(error) = parser.push(&input[at..end], &mut sink) {
                    return (pieces, format, Err(error), 0);
                }
                at = end;
            }
        }
    }
    let before = parser.audio_bytes();
    let end = parser.finish(&mut sink);
    (pieces, format, end, before)
}

/// Files around every rule: a plausible start, a declared size, a tail of anything.
fn files() -> impl Strategy<Value = Vec<u8>> {
    let declared = prop_oneof![
        3 => Just(PCM.len() as u64),
        1 => Just(0_u64),
        1 => Just(u64::from(u32::MAX)),
        1 => Just(u64::MAX),
        1 => Just(11),
        1 => Just(4),
        1 => any::<u64>(),
    ];
    let tails = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(prop_oneof![Just(b'T'), Just(b'A'), Just(b'G'), Just(0)], 0..300),
        prop::collection::vec(prop_oneof![Just(0_u8), Just(24)], 0..200),
        Just(id3v1(b"A song")),
        Just(b"LIST\x04\0\0\0INFO".to_vec()),
        Just(b"\0LIST\x03\0\0\0INFid3 \x02\0\0\0ab".to_vec()),
    ];
    (0..10_u8, declared, tails.clone(), tails).prop_map(|(start, declared, first, second)| {
        let short = u32::try_from(declared).unwrap_or(u32::MAX);
        let tail = [first, second].concat();
        match start {
            0 => Wav::new().raw(&tail).build(),
            1 => header().raw(&tail).build(),
            2 => header().head(b"data", short).raw(PCM).raw(&tail).build(),
            3 => header().chunk(b"LIST", b"abc").head(b"data", short).raw(PCM).raw(&tail).build(),
            4 => Wav::new().extensible(2, 48_000, 24, 0x30).head(b"data", short).raw(PCM).raw(&tail).build(),
            5 => header().chunk(b"data", PCM).head(b"fmt ", short).raw(&tail).build(),
            6 => header().chunk(b"data", PCM).head(b"LIST", short).raw(&tail).build(),
            7 => {
                let file = Wav::rf64(b"RF64", declared, &[(*b"LIST", declared)]).fmt(2, 44_100, 16);
                file.head(b"data", u32::MAX).raw(PCM).head(b"LIST", u32::MAX).raw(&tail).build()
            }
            8 => Wave64::new().fmt(2, 44_100, 16).head(b"data", declared).raw(PCM).raw(&tail).build(),
            _ => Wave64::new().fmt(2, 44_100, 16).chunk(b"data", PCM).head(b"list", declared).raw(&tail).build(),
        }
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    prop_oneof![2 => Just(Length::Auto), 1 => Just(Length::Header), 1 => Just(Length::Eof)]
        .prop_map(|length| Rules { length, ..Rules::default() })
}

proptest! {
    /// The same format, audio, warnings or error as whole, byte by byte and in any other split; nothing is lost.
    #[test]
    fn every_split_gives_the_same(
        file in files(),
        rules in rules(),
        cuts in prop::collection::vec(1..40_usize, 1..60),
    ) {
        let mut rest = file.as_slice();
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        pieces.push(rest);
        let whole = parse_both(&file, rules.length);
        prop_assert_eq!(parse(pieces, rules.length), whole);
    }

    /// Whoever passes over the audio learns the same as whoever reads it.
    #[test]
    fn a_scan_that_seeks_finds_the_same(file in files(), rules in rules(), read in 1..100_usize) {
        let whole = scan(&file, rules, file.len(), false);
        prop_assert_eq!(scan(&file, rules, read, false), whole.clone());
        prop_assert_eq!(scan(&file, rules, read, true), whole);
    }

    /// Bytes that nobody wrote as a WAV file never panic.
    #[test]
    fn any_bytes_are_taken_or_refused(
        start in prop_oneof![Just(0_usize), Just(12), Just(36), Just(80)],
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        container in 0..3_usize,
    ) {
        let file = match container {
            0 => header().head(b"data", 9).build(),
            1 => Wav::rf64(b"RF64", 9, &[]).fmt(1, 8_000, 8).build(),
            _ => Wave64::new().fmt(1, 8_000, 8).build(),
        };
        let file = [&file[..start.min(file.len())], &bytes].concat();
        for length in [Length::Auto, Length::Header, Length::Eof] {
            let _ = parse_both(&file, length);
        }
    }
}

#[test]
fn sizes_near_the_end_of_numbers_do_not_overflow() {
    let huge = Wave64::new().fmt(2, 44_100, 16).head(b"data", u64::MAX - 1).build();
    let mut parser = Parser::new(Rules::default());
    let mut ignore = |_: Piece<'_>| -> Result<(), WavError> { Ok(()) };
    parser.push(&huge, &mut ignore).unwrap();
    assert_eq!(parser.skippable(), Some(Skip::Bytes(u64::MAX - 25)));
    parser.skip(u64::MAX);
    assert_eq!((parser.skippable(), parser.audio_bytes()), (None, u64::MAX - 25));
    parser.push(&[0; 200], &mut ignore).unwrap_err();
    let mut rf64 = Parser::new(Rules::default());
    let five_gib = Wav::rf64(b"RF64", 5 << 30, &[]).fmt(2, 44_100, 16).head(b"data", u32::MAX).build();
    rf64.push(&five_gib, &mut ignore).unwrap();
    assert_eq!(rf64.skippable(), Some(Skip::Bytes(5 << 30)));
    rf64.skip(5 << 30);
    rf64.push(b"LIST\x04\0\0\0INFO", &mut ignore).unwrap();
    assert_eq!((rf64.audio_bytes(), rf64.finish(&mut ignore)), (5 << 30, Ok(vec![])));
}
