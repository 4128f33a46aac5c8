//! Where the audio begins and ends, in every split of the input.

use proptest::prelude::*;

use super::*;
use crate::support::{Wav, Wave64, fmt_body};

mod containers;
mod scan;

const PCM: &[u8] = b"\x01\x02\x03\x04\x05\x06\x07\x08\x81\x82\x83\x84";

/// Audio and the warnings' codes, or the refusal's code.
type Outcome = Result<(Vec<u8>, Vec<&'static str>), &'static str>;

#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    format: Option<Format>,
    audio: Vec<u8>,
    warnings: Vec<WavWarning>,
}

/// Parses pieces of an input one after the other, and checks that everything put in comes out.
fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, length: Length) -> Result<Parsed, WavError> {
    let mut parser = Parser::new(Rules { length, ..Rules::default() });
    let (mut format, mut audio, mut all, mut input) = (None, Vec::new(), Vec::new(), Vec::new());
    let mut sink = |piece: Piece<'_>| -> Result<(), WavError> {
        match piece {
            Piece::Format(found) => {
                assert_eq!(format.replace(found), None, "the format comes once");
                assert!(audio.is_empty(), "and before any audio");
            }
            Piece::Audio(bytes) => audio.extend_from_slice(bytes),
            _ => {}
        }
        all.extend_from_slice(bytes_of(piece));
        Ok(())
    };
    for piece in pieces {
        input.extend_from_slice(piece);
        parser.push(piece, &mut sink)?;
    }
    let warnings = parser.finish(&mut sink)?;
    assert!(all == input, "every byte is in one piece, in order");
    Ok(Parsed { format, audio, warnings })
}

/// The bytes of the input that a piece has.
fn bytes_of(piece: Piece<'_>) -> &[u8] {
    match piece {
        Piece::Header(bytes)
        | Piece::Chunk { header: bytes, .. }
        | Piece::Body(bytes)
        | Piece::Audio(bytes)
        | Piece::Padding(bytes)
        | Piece::Junk(bytes) => bytes,
        Piece::Format(_) => &[],
    }
}

/// Parses an input whole and byte by byte, which must agree.
fn parse_both(input: &[u8], length: Length) -> Result<Parsed, WavError> {
    let whole = parse([input], length);
    assert_eq!(parse(input.chunks(1), length), whole, "byte by byte");
    whole
}

/// What becomes of the audio, in short.
fn outcome(input: &[u8], length: Length) -> Outcome {
    parse_both(input, length)
        .map(|parsed| (parsed.audio, parsed.warnings.iter().map(WavWarning::code).collect()))
        .map_err(|error| error.code())
}

fn header() -> Wav {
    Wav::new().fmt(2, 44_100, 16)
}

/// The whole audio and nothing to say about it.
#[allow(clippy::unnecessary_wraps)] // what it is compared with
fn fine() -> Outcome {
    Ok((PCM.to_vec(), vec![]))
}

#[test]
fn finds_the_audio_among_chunks_in_any_order() {
    let list = b"INFOIART\x05\0\0\0Meee\0\0";
    for file in [
        header().chunk(b"data", PCM),
        Wav::new().chunk(b"JUNK", &[0; 28]).fmt(2, 44_100, 16).chunk(b"data", PCM),
        Wav::new().chunk(b"bext", &[7; 603]).fmt(2, 44_100, 16).chunk(b"fact", &[3, 0, 0, 0]).chunk(b"data", PCM),
        header().chunk(b"LIST", list).chunk(b"data", PCM).chunk(b"LIST", list).chunk(b"id3 ", b"odd"),
        header().chunk(b"data", PCM).chunk(b"zzz9", &[0xEE; 5]),
        header().chunk(b"data", PCM).chunk(b"LIST", b""),
        header().chunk(b"none", b"").chunk(b"data", PCM),
        Wav::new().extensible(2, 44_100, 16, 3).chunk(b"data", PCM),
        header().fmt(2, 44_100, 16).chunk(b"data", PCM).fmt(2, 44_100, 16),
    ] {
        let file = file.build();
        assert_eq!(outcome(&file, Length::Auto), fine(), "{}", file.escape_ascii());
        assert_eq!(outcome(&file, Length::Header), fine(), "{}", file.escape_ascii());
    }
}

#[test]
fn takes_odd_chunks_with_and_without_their_pad_byte() {
    let unpadded = header().head(b"LIST", 3).raw(b"odd").chunk(b"data", PCM).build();
    assert_eq!(outcome(&unpadded, Length::Auto), fine());
    let padded_with_junk = header().head(b"LIST", 3).raw(b"odd\xFF").chunk(b"data", PCM).build();
    assert_eq!(outcome(&padded_with_junk, Length::Auto), fine());
    let odd_audio = || Wav::new().fmt(1, 8_000, 8).head(b"data", 3).raw(b"abc");
    for rest in [b"\0".as_slice(), b"", b"\0LIST\x02\0\0\0hi", b"LIST\x02\0\0\0hi", b"\x80LIST\x02\0\0\0hi"] {
        let file = odd_audio().raw(rest).build();
        assert_eq!(outcome(&file, Length::Auto), Ok((b"abc".to_vec(), vec![])), "{}", rest.escape_ascii());
    }
}

#[test]
fn ignores_the_riff_length() {
    for length in [0, 1, 36, u32::MAX] {
        let mut file = header().chunk(b"data", PCM).build();
        file[4..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(outcome(&file, Length::Auto), fine());
    }
}

#[test]
fn reads_to_the_end_if_the_length_is_unknown_or_past_it() {
    for (declared, warning) in
        [(u32::MAX, "unknown_length"), (0, "unknown_length"), (0x7FFF_FFFF, "truncated_audio"), (13, "truncated_audio")]
    {
        let file = header().head(b"data", declared).raw(PCM).build();
        assert_eq!(outcome(&file, Length::Auto), Ok((PCM.to_vec(), vec![warning])), "{declared}");
    }
    let warned = parse_both(&header().head(b"data", 100).raw(PCM).build(), Length::Auto).unwrap().warnings;
    assert_eq!(warned, [WavWarning::Truncated { declared: 100, actual: 12 }]);
    assert!(warned[0].to_string().contains("declares 100 bytes of audio, but the input ends after 12"));
}

#[test]
fn a_length_of_zero_is_true_only_if_chunks_or_nothing_follow() {
    let empty = || header().head(b"data", 0);
    let nothing = Ok((vec![], vec![]));
    assert_eq!(outcome(&empty().build(), Length::Auto), nothing);
    assert_eq!(outcome(&empty().chunk(b"LIST", b"INFO").build(), Length::Auto), nothing);
    let short = empty().raw(b"LIST").build();
    assert_eq!(outcome(&short, Length::Auto), Ok((b"LIST".to_vec(), vec!["unknown_length"])));
    // Audio that begins like a chunk's name: in doubt, so refused, and both ways out work.
    let doubtful = empty().raw(b"aaaa\x00\x10\0\0").raw(PCM).build();
    assert_eq!(outcome(&doubtful, Length::Auto), Err("contradicting_header"));
    assert_eq!(outcome(&doubtful, Length::Eof).unwrap().0.len(), 8 + PCM.len());
    assert_eq!(outcome(&doubtful, Length::Header), Ok((vec![], vec!["truncated_chunk"])));
}

#[test]
fn refuses_audio_that_goes_on_after_its_declared_length() {
    let file = header().head(b"data", 4).raw(PCM).build();
    assert_eq!(outcome(&file, Length::Auto), Err("contradicting_header"));
    let message = parse_both(&file, Length::Auto).unwrap_err().to_string();
    assert!(message.contains("after the 4 bytes of audio"), "{message}");
    assert!(message.contains("--length header") && message.contains("--length eof"), "{message}");
    assert_eq!(outcome(&file, Length::Header), Ok((PCM[..4].to_vec(), vec!["ignored_bytes"])));
    assert_eq!(outcome(&file, Length::Eof), fine());
    let unknown_cut_off = header().chunk(b"data", PCM).head(b"zzz9", 9).raw(b"abc").build();
    assert_eq!(outcome(&unknown_cut_off, Length::Auto), Err("contradicting_header"));
}

#[test]
fn forgives_small_damage_after_the_audio() {
    let file = || header().chunk(b"data", PCM);
    let warned = |code| Ok((PCM.to_vec(), vec![code]));
    for tail in [b"\0".as_slice(), b"1234567", b"LIST\x05\0\0"] {
        assert_eq!(outcome(&file().raw(tail).build(), Length::Auto), warned("trailing_bytes"));
    }
    for tail in [b"LIST\xFF\0\0\0INFO".as_slice(), b"id3 \x09\0\0\0ID3", b"fmt \x10\0\0\0\x01\0"] {
        assert_eq!(outcome(&file().raw(tail).build(), Length::Auto), warned("truncated_chunk"));
    }
}

#[test]
fn a_header_cut_off_anywhere_before_the_audio_is_refused() {
    let file = Wav::new().chunk(b"JUNK", &[0; 9]).fmt(2, 44_100, 16).chunk(b"fact", &[1, 2, 3, 4]).build();
    let whole = [file.clone(), b"data\x0C\0\0\0".to_vec(), PCM.to_vec()].concat();
    for end in 1..=whole.len() - PCM.len() {
        let error = parse_both(&whole[..end], Length::Auto).unwrap_err();
        assert_eq!(error.code(), "truncated_header", "cut at {end}: {error}");
        assert!(error.to_string().contains("send the whole file"), "{error}");
    }
    assert_eq!(outcome(&[], Length::Auto), Err("empty_input"));
    let no_data = parse_both(&file, Length::Auto).unwrap_err().to_string();
    assert!(no_data.contains("after its last chunk, with no data chunk"), "{no_data}");
    let in_chunk = parse_both(&file[..25], Length::Auto).unwrap_err().to_string();
    assert!(in_chunk.contains("inside its JUNK chunk"), "{in_chunk}");
    let claims_4_gib = header().head(b"JUNK", u32::MAX).raw(&[0; 100]).build();
    assert_eq!(outcome(&claims_4_gib, Length::Auto), Err("truncated_header"));
}

#[test]
fn refuses_files_that_contradict_themselves() {
    for (file, words) in [
        (Wav::new().chunk(b"data", PCM).fmt(2, 44_100, 16), "before any fmt chunk"),
        (header().fmt(1, 44_100, 16).chunk(b"data", PCM), "two fmt chunks that differ"),
        (header().chunk(b"data", PCM).fmt(1, 44_100, 16), "two fmt chunks that differ"),
        (header().chunk(b"data", PCM).chunk(b"data", PCM), "two data chunks"),
        (header().chunk(b"data", b"").chunk(b"data", PCM), "two data chunks"),
        (header().raw(&[0; 64]), "at byte 36 there should be a chunk"),
        (Wav::new().chunk(b"fmt ", b""), "0 bytes instead of at least 16"),
    ] {
        let error = parse_both(&file.build(), Length::Auto).unwrap_err();
        assert_eq!(error.code(), "contradicting_header", "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("write"), "says what to do: {error}");
    }
}

#[test]
fn declared_samples_are_those_of_the_header() {
    let declared = |file: Wav| parse_both(&file.build(), Length::Auto).unwrap().format.unwrap().declared_samples;
    assert_eq!(declared(header().chunk(b"data", PCM)), Some(3));
    assert_eq!(declared(header().head(b"data", 1000).raw(PCM)), Some(250));
    assert_eq!(declared(header().head(b"data", u32::MAX).raw(PCM)), None);
    assert_eq!(declared(header().head(b"data", 0).raw(PCM)), None);
}

#[test]
fn holds_no_more_than_a_fmt_chunk() {
    assert!(size_of::<Parser>() < 512, "the parser keeps no buffer that a claim could size");
    let body = [[0; 100].as_slice(), PCM].concat();
    let long_fmt = Wav::new().head(b"fmt ", 116).raw(&fmt_body(1, 2, 44_100, 16)).raw(&body[..100]);
    assert_eq!(outcome(&long_fmt.chunk(b"data", PCM).build(), Length::Auto), fine());
}

/// The last 128 bytes of many files that went through an MP3 tool.
fn id3v1(title: &[u8]) -> Vec<u8> {
    let mut tag = [b"TAG", title].concat();
    tag.resize(ID3V1, 0);
    tag
}

#[test]
fn an_id3v1_tag_at_the_end_is_left_out() {
    let file = || header().chunk(b"data", PCM);
    let warned = Ok((PCM.to_vec(), vec!["id3v1"]));
    for title in [b"A song".as_slice(), b"", b"A", b"TAGTAGTAG", b"\xFF"] {
        for length in [Length::Auto, Length::Header] {
            assert_eq!(outcome(&file().raw(&id3v1(title)).build(), length), warned, "{}", title.escape_ascii());
            let behind_list = file().chunk(b"LIST", b"INFO").raw(&id3v1(title)).build();
            assert_eq!(outcome(&behind_list, length), warned, "{}", title.escape_ascii());
        }
    }
    let twice = file().raw(&id3v1(b"A song")).raw(&id3v1(b"A song")).build();
    assert_eq!(outcome(&twice, Length::Auto), Err("contradicting_header"));
    let cut_off = file().raw(&id3v1(b"A song")[..127]).build();
    assert_eq!(outcome(&cut_off, Length::Auto), Err("contradicting_header"));
    let few = file().raw(b"TAG").build();
    assert_eq!(outcome(&few, Length::Auto), Ok((PCM.to_vec(), vec!["trailing_bytes"])));
}

#[test]
fn chunks_that_begin_like_an_id3v1_tag_are_chunks() {
    let file = header().chunk(b"data", PCM).chunk(b"TAGS", b"four").chunk(b"TAGS", &[0; 200]).chunk(b"TAG ", b"");
    assert_eq!(outcome(&file.build(), Length::Auto), fine());
    let mut many = header().chunk(b"data", PCM);
    for _ in 0..100 {
        many = many.chunk(b"TAGS", b"");
    }
    assert_eq!(outcome(&many.raw(&id3v1(b"A song")).build(), Length::Auto), Ok((PCM.to_vec(), vec!["id3v1"])));
    let before = header().chunk(b"TAGS", &[1; 120]).chunk(b"data", PCM).build();
    assert_eq!(outcome(&before, Length::Auto), fine());
}

#[test]
fn thousands_of_tiny_chunks_and_a_huge_claim_cost_nothing() {
    let mut many = header();
    for number in 0..5000_u32 {
        many = many.chunk(b"tiny", &number.to_le_bytes()[..(number % 4) as usize]);
    }
    assert_eq!(outcome(&many.chunk(b"data", PCM).build(), Length::Auto), fine());
    let claims = header().chunk(b"data", PCM).head(b"zzz9", u32::MAX).raw(&[0; 50]).build();
    assert_eq!(outcome(&claims, Length::Auto), Err("contradicting_header"));
    assert_eq!(outcome(&claims, Length::Header), Ok((PCM.to_vec(), vec!["truncated_chunk"])));
    let known = header().chunk(b"data", PCM).head(b"LIST", u32::MAX).raw(&[0; 50]).build();
    assert_eq!(outcome(&known, Length::Auto), Ok((PCM.to_vec(), vec!["truncated_chunk"])));
}
