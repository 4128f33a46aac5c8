//! What a `fmt ` chunk may say.

use super::*;

fn parse(body: &[u8]) -> Result<Format, WavError> {
    parse_fmt(body, Rules::default())
}

fn fmt(tag: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend(12345_u32.to_le_bytes()); // average bytes per second: wrong, and ignored
    body.extend(align.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

fn extensible(channels: u16, align: u16, bits: u16, valid: u16, mask: u32, tag: u16) -> Vec<u8> {
    let mut body = fmt(TAG_EXTENSIBLE, channels, 48_000, align, bits);
    body.extend(22_u16.to_le_bytes());
    body.extend(valid.to_le_bytes());
    body.extend(mask.to_le_bytes());
    body.extend(tag.to_le_bytes());
    body.extend(TAG_GUID);
    body
}

fn refusal(body: &[u8]) -> (&'static str, String) {
    let error = parse(body).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn reads_plain_pcm_of_every_size_and_channel_count() {
    for bits in [8_u16, 16, 24] {
        for channels in 1..=8_u16 {
            let format = parse(&fmt(TAG_PCM, channels, 44_100, channels * bits / 8, bits)).unwrap();
            assert_eq!(u16::from(format.channels), channels);
            assert_eq!(u16::from(format.bits_per_sample), bits);
            assert_eq!(format.channel_mask, None);
            assert_eq!(format.block_align(), usize::from(channels * bits / 8));
        }
    }
}

#[test]
fn reads_extensible_and_its_mask() {
    let format = parse(&extensible(6, 18, 24, 24, 0x3F, TAG_PCM)).unwrap();
    assert_eq!((format.channels, format.bits_per_sample, format.channel_mask), (6, 24, Some(0x3F)));
    let zero_valid_bits = parse(&extensible(2, 4, 16, 0, 3, TAG_PCM)).unwrap();
    assert_eq!(zero_valid_bits.bits_per_sample, 16);
    let too_many_speakers = parse(&extensible(2, 4, 16, 16, 0x3F, TAG_PCM)).unwrap();
    assert_eq!(too_many_speakers.channel_mask, Some(0x3));
}

#[test]
fn accepts_the_whole_range_of_rates() {
    for rate in [1, 8_000, 96_000, 192_000, 655_350, 1_048_575] {
        assert_eq!(parse(&fmt(TAG_PCM, 1, rate, 2, 16)).unwrap().sample_rate, rate);
    }
    for rate in [0, 1_048_576, u32::MAX] {
        let (code, message) = refusal(&fmt(TAG_PCM, 1, rate, 2, 16));
        assert_eq!(code, "unsupported_rate");
        assert!(message.contains(&format!("{rate} Hz")) && message.contains("resample"), "{message}");
    }
}

#[test]
fn refuses_other_encodings_by_name() {
    for (tag, name) in [
        (0x0002, "Microsoft ADPCM"),
        (0x0006, "A-law"),
        (0x0007, "\u{b5}-law"),
        (0x0011, "IMA ADPCM"),
        (0x0055, "MP3"),
        (0x1234, "format tag 0x1234"),
        (0x0000, "format tag 0x0000"),
    ] {
        let (code, message) = refusal(&fmt(tag, 2, 44_100, 8, 32));
        assert_eq!(code, "unsupported_encoding");
        assert!(message.contains(name) && message.contains("pcm_s24le"), "{message}");
    }
    assert!(refusal(&extensible(2, 8, 32, 32, 3, 0x0006)).1.contains("A-law"));
    let mut ambisonic = extensible(4, 8, 16, 16, 0, TAG_PCM);
    ambisonic.truncate(26);
    ambisonic.extend([0, 0, 0x21, 0x07, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0]);
    assert_eq!(refusal(&ambisonic).0, "unsupported_encoding");
}

#[test]
fn reads_every_size_in_every_container() {
    for bytes in 1..=8_u16 {
        for bits in 4..=(bytes * 8).min(32) {
            let kind = if bytes == 1 { Kind::Unsigned } else { Kind::Signed };
            let container_bytes = u8::try_from(bytes).unwrap();
            let expected = Encoding { container_bytes, kind, endian: Endian::Little };
            let plain = parse(&fmt(TAG_PCM, 3, 44_100, 3 * bytes, bits)).unwrap();
            let valid = parse(&extensible(3, 3 * bytes, bytes * 8, bits, 0, TAG_PCM)).unwrap();
            let narrow = parse(&extensible(3, 3 * bytes, bits, 0, 0, TAG_PCM)).unwrap();
            for format in [plain, valid, narrow] {
                assert_eq!((u16::from(format.bits_per_sample), format.encoding), (bits, expected));
                assert_eq!(format.block_align(), usize::from(3 * bytes));
            }
        }
    }
}

#[test]
fn the_caller_says_which_bits_are_the_sample() {
    let with = |valid_bits, body: &[u8]| parse_fmt(body, Rules { valid_bits, ..Rules::default() });
    let s24 = extensible(2, 8, 32, 24, 3, TAG_PCM);
    let container = with(ValidBits::Container, &s24).unwrap();
    assert_eq!((container.bits_per_sample, container.encoding.kind), (32, Kind::Signed));
    let low = with(ValidBits::Low, &s24).unwrap();
    assert_eq!((low.bits_per_sample, low.encoding.kind), (24, Kind::SignedLow));
    let six_low = with(ValidBits::Low, &fmt(TAG_PCM, 1, 8_000, 1, 6)).unwrap();
    assert_eq!((six_low.bits_per_sample, six_low.encoding.kind), (6, Kind::UnsignedLow));
    for rule in [ValidBits::Container, ValidBits::Low] {
        let full = with(rule, &fmt(TAG_PCM, 2, 44_100, 4, 16)).unwrap();
        assert_eq!(full, parse(&fmt(TAG_PCM, 2, 44_100, 4, 16)).unwrap());
    }
    let wide = with(ValidBits::Container, &fmt(TAG_PCM, 1, 44_100, 5, 24)).unwrap_err();
    assert_eq!(wide.code(), "unsupported_bits");
}

#[test]
fn floating_point_is_read_only_when_it_is_to_be_rounded() {
    let (single, double) = (fmt(TAG_FLOAT, 2, 44_100, 8, 32), extensible(2, 16, 64, 64, 3, TAG_FLOAT));
    for body in [&single, &double] {
        let (code, message) = refusal(body);
        assert_eq!(code, "unsupported_encoding");
        assert!(message.contains("floating point") && message.contains("--float 16|24"), "{message}");
    }
    for (float, bits) in [(Float::To16, 16), (Float::To24, 24)] {
        let rules = Rules { float, ..Rules::default() };
        for (body, bytes) in [(&single, 4), (&double, 8)] {
            let format = parse_fmt(body, rules).unwrap();
            assert_eq!((format.bits_per_sample, format.encoding.container_bytes), (bits, bytes));
            assert_eq!(format.encoding.kind, Kind::Float);
        }
        for body in [fmt(TAG_FLOAT, 2, 44_100, 4, 16), extensible(2, 8, 32, 24, 3, TAG_FLOAT)] {
            assert_eq!(parse_fmt(&body, rules).unwrap_err().code(), "unsupported_encoding");
        }
        assert_eq!(parse_fmt(&fmt(TAG_PCM, 2, 44_100, 4, 16), rules), parse(&fmt(TAG_PCM, 2, 44_100, 4, 16)));
    }
}

#[test]
fn refuses_sizes_that_flac_cannot_hold() {
    for (body, words) in [
        (fmt(TAG_PCM, 1, 44_100, 1, 3), "3 bits"),
        (fmt(TAG_PCM, 1, 44_100, 1, 0), "0 bits"),
        (fmt(TAG_PCM, 1, 44_100, 5, 33), "33 bits"),
        (fmt(TAG_PCM, 1, 44_100, 8, 64), "64 bits"),
        (extensible(2, 16, 64, 48, 3, TAG_PCM), "48 bits"),
    ] {
        let (code, message) = refusal(&body);
        assert_eq!(code, "unsupported_bits", "{message}");
        assert!(message.contains(words) && message.contains("convert the file first"), "{message}");
    }
}

#[test]
fn refuses_channel_counts_outside_flac() {
    for (channels, align) in [(0, 0), (9, 18), (255, 510), (65_535, 65_535)] {
        let (code, message) = refusal(&fmt(TAG_PCM, channels, 44_100, align, if channels == 65_535 { 8 } else { 16 }));
        assert_eq!(code, "unsupported_channels", "{message}");
        assert!(message.contains(&format!("{channels} channels")), "{message}");
    }
}

#[test]
fn refuses_headers_that_contradict_themselves() {
    for (body, words) in [
        (fmt(TAG_PCM, 2, 44_100, 4, 16)[..15].to_vec(), "15 bytes"),
        (fmt(TAG_PCM, 2, 44_100, 3, 16), "3 bytes for one sample"),
        (fmt(TAG_PCM, 2, 44_100, 0, 16), "0 bytes for one sample"),
        (fmt(TAG_PCM, 2, 44_100, 2, 16), "2 bytes for one sample"),
        (fmt(TAG_PCM, 2, 44_100, 18, 16), "18 bytes for one sample"),
        (fmt(TAG_PCM, 1, 44_100, 65_535, 16), "65535 bytes for one sample"),
        (extensible(2, 4, 24, 16, 3, TAG_PCM), "4 bytes for one sample"),
        (extensible(2, 4, 16, 17, 3, TAG_PCM), "17 bits of each 16-bit sample"),
        (extensible(2, 4, 16, 16, 3, TAG_PCM)[..39].to_vec(), "40 bytes"),
        (fmt(TAG_EXTENSIBLE, 2, 44_100, 4, 16), "40 bytes"),
    ] {
        let (code, message) = refusal(&body);
        assert_eq!(code, "contradicting_header", "{message}");
        assert!(message.contains(words) && message.contains("write the file again"), "{message}");
    }
}
