//! RF64, BW64 and Wave64.

use super::*;

fn rf64(declared: u64) -> Wav {
    Wav::rf64(b"RF64", declared, &[]).fmt(2, 44_100, 16)
}

fn wave64() -> Wave64 {
    Wave64::new().fmt(2, 44_100, 16)
}

#[test]
fn rf64_takes_its_sizes_from_ds64() {
    for tag in [b"RF64", b"BW64"] {
        let file = Wav::rf64(tag, 12, &[]).fmt(2, 44_100, 16).head(b"data", u32::MAX).raw(PCM).chunk(b"LIST", b"INFO");
        let parsed = parse_both(&file.build(), Length::Auto).unwrap();
        assert_eq!((parsed.audio.as_slice(), parsed.warnings.as_slice()), (PCM, [].as_slice()));
        assert_eq!(parsed.format.unwrap().declared_samples, Some(3));
    }
    let odd = Wav::rf64(b"RF64", 3, &[]).fmt(1, 8_000, 8).head(b"data", u32::MAX).raw(b"abc\0").chunk(b"LIST", b"INFO");
    assert_eq!(outcome(&odd.build(), Length::Auto), Ok((b"abc".to_vec(), vec![])));
    let table = [(*b"bext", 5), (*b"LIST", 4)];
    let others = Wav::rf64(b"RF64", 12, &table).fmt(2, 44_100, 16).head(b"bext", u32::MAX).raw(b"12345\0");
    let others = others.head(b"data", u32::MAX).raw(PCM).head(b"LIST", u32::MAX).raw(b"INFO").build();
    assert_eq!(outcome(&others, Length::Auto), fine());
}

#[test]
fn rf64_uses_32_bit_sizes_where_they_are_given() {
    let file = rf64(999).chunk(b"data", PCM).chunk(b"LIST", b"INFO").build();
    assert_eq!(outcome(&file, Length::Auto), fine());
    let never_set = rf64(12).head(b"data", 0).raw(PCM).chunk(b"LIST", b"INFO").build();
    assert_eq!(outcome(&never_set, Length::Auto), fine());
    let empty = rf64(0).chunk(b"data", b"").chunk(b"LIST", b"INFO").build();
    assert_eq!(outcome(&empty, Length::Auto), Ok((vec![], vec![])));
}

#[test]
fn rf64_from_a_pipe_goes_to_the_end() {
    for unknown in [0, u64::MAX] {
        let file = rf64(unknown).head(b"data", u32::MAX).raw(PCM).build();
        assert_eq!(outcome(&file, Length::Auto), Ok((PCM.to_vec(), vec!["unknown_length"])));
    }
    for past in [13, 5 << 32, u64::MAX - 1] {
        let file = rf64(past).head(b"data", u32::MAX).raw(PCM).build();
        assert_eq!(outcome(&file, Length::Auto), Ok((PCM.to_vec(), vec!["truncated_audio"])));
    }
}

#[test]
fn rf64_without_its_sizes_first_is_refused() {
    let plain = Wav::rf64(b"RF64", 12, &[]).build()[..12].to_vec();
    let fmt_first = [plain.as_slice(), &header().chunk(b"data", PCM).build()[12..]].concat();
    let short = [plain.as_slice(), b"ds64\x10\0\0\0", &[0; 16]].concat();
    let junk_first = [plain.as_slice(), b"JUNK\0\0\0\0", &rf64(12).chunk(b"data", PCM).build()[12..]].concat();
    for (file, words) in [(fmt_first, "but this one with fmt"), (short, "24 bytes"), (junk_first, "JUNK")] {
        let error = parse_both(&file, Length::Auto).unwrap_err();
        assert_eq!(error.code(), "contradicting_header");
        assert!(error.to_string().contains(words) && error.to_string().contains("write the file again"), "{error}");
    }
    for end in 1..60 {
        let error = parse_both(&rf64(12).build()[..end], Length::Auto).unwrap_err();
        assert_eq!(error.code(), "truncated_header", "cut at {end}");
    }
}

#[test]
fn a_ds64_in_a_plain_riff_file_means_nothing() {
    let body = &Wav::rf64(b"RF64", 4, &[]).build()[20..];
    let file = Wav::new().chunk(b"ds64", body).fmt(2, 44_100, 16);
    assert_eq!(outcome(&file.chunk(b"data", PCM).build(), Length::Auto), fine());
    let pipe = Wav::new().chunk(b"ds64", body).fmt(2, 44_100, 16).head(b"data", u32::MAX).raw(PCM).build();
    assert_eq!(outcome(&pipe, Length::Auto), Ok((PCM.to_vec(), vec!["unknown_length"])));
}

#[test]
fn wave64_chunks_come_in_any_order() {
    for file in [
        wave64().chunk(b"data", PCM),
        Wave64::new().chunk(b"junk", &[1; 3]).fmt(2, 44_100, 16).chunk(b"fact", &[3; 8]).chunk(b"data", PCM),
        wave64().chunk(b"data", PCM).chunk(b"list", b"INFO").chunk(b"bext", &[7; 602]),
        wave64().head(b"data", 36).raw(PCM),
        wave64().head(b"data", 36).raw(PCM).chunk(b"list", b"no padding before"),
        wave64().raw(&[0x99; 16]).raw(&32_u64.to_le_bytes()).raw(b"a vendor").chunk(b"data", PCM),
        wave64().chunk(b"data", PCM).raw(&[0x99; 16]).raw(&32_u64.to_le_bytes()).raw(b"a vendor"),
    ] {
        let file = file.build();
        assert_eq!(outcome(&file, Length::Auto), fine(), "{}", file.escape_ascii());
    }
    let parsed = parse_both(&wave64().chunk(b"data", PCM).build(), Length::Auto).unwrap();
    assert_eq!(parsed.format.unwrap().declared_samples, Some(3));
}

#[test]
fn wave64_ends_its_audio_by_the_same_rules() {
    let warned = |code| Ok((PCM.to_vec(), vec![code]));
    for (size, code) in [
        (0, "unknown_length"),
        (24, "unknown_length"),
        (u64::MAX, "unknown_length"),
        (u64::MAX >> 1, "unknown_length"),
        (37, "truncated_audio"),
        (u64::MAX - 1, "truncated_audio"),
    ] {
        let file = wave64().head(b"data", size).raw(PCM).build();
        assert_eq!(outcome(&file, Length::Auto), warned(code), "{size}");
        let longer = wave64().head(b"data", size).raw(&[PCM, PCM, PCM].concat()).build();
        let audio = outcome(&longer, Length::Eof).unwrap();
        assert_eq!(audio, ([PCM, PCM, PCM].concat(), vec![]), "{size}");
    }
    let empty = wave64().chunk(b"data", b"").chunk(b"list", b"INFO").build();
    assert_eq!(outcome(&empty, Length::Auto), Ok((vec![], vec![])));
    let too_short = wave64().head(b"data", 28).raw(&[PCM, PCM, PCM].concat()).build();
    assert_eq!(outcome(&too_short, Length::Auto), Err("contradicting_header"));
    assert_eq!(outcome(&too_short, Length::Header), Ok((PCM[..4].to_vec(), vec!["ignored_bytes"])));
    let tail = wave64().chunk(b"data", PCM).raw(&[9; 23]).build();
    assert_eq!(outcome(&tail, Length::Auto), warned("trailing_bytes"));
    let tagged = wave64().chunk(b"data", PCM).raw(&id3v1(b"A song")).build();
    assert_eq!(outcome(&tagged, Length::Auto), warned("id3v1"));
    let cut_off = wave64().chunk(b"data", PCM).head(b"list", 100).raw(b"INFO").build();
    assert_eq!(outcome(&cut_off, Length::Auto), warned("truncated_chunk"));
    let silence = wave64().chunk(b"data", PCM).raw(&[0; 64]).build();
    assert_eq!(outcome(&silence, Length::Auto), Err("contradicting_header"));
}

#[test]
fn wave64_headers_that_make_no_sense_are_refused() {
    let small = wave64().head(b"fact", 23).raw(PCM).build();
    assert_eq!(outcome(&small, Length::Auto), Err("contradicting_header"));
    let whole = wave64().head(b"data", 36).build();
    for end in 1..=whole.len() {
        let error = parse_both(&whole[..end], Length::Auto).unwrap_err();
        assert_eq!(error.code(), "truncated_header", "cut at {end}");
    }
    let mut avi = whole;
    avi[24] = b'x';
    assert_eq!(outcome(&avi, Length::Auto), Err("not_wav"));
}
