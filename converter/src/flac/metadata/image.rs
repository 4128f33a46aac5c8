//! What an image file says of itself: PNG, JPEG, GIF and WebP. Reads headers only; whether the picture can be shown is
//! not looked at.

/// What PICTURE tells of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Image {
    pub mime: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Bits of a pixel.
    pub depth: u32,
    /// Colours of the palette; 0 where there is none.
    pub colors: u32,
}

/// Why a file is no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoImage {
    /// It is none of the known formats.
    Unknown,
    /// It begins like one, but its header is cut off or makes no sense.
    Damaged(&'static str),
}

/// Reads an image's header.
pub(super) fn read_image(data: &[u8]) -> Result<Image, NoImage> {
    let (name, image) = if data.starts_with(b"\x89PNG\r\n\x1A\n") {
        ("PNG", png(data))
    } else if data.starts_with(&[0xFF, 0xD8, 0xFF]) {
        ("JPEG", jpeg(data))
    } else if data.starts_with(b"GIF87a") || data.starts_with(b"GIF89a") {
        ("GIF", gif(data))
    } else if data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
        ("WebP", webp(data))
    } else {
        return Err(NoImage::Unknown);
    };
    image.filter(|image| image.width > 0 && image.height > 0).ok_or(NoImage::Damaged(name))
}

/// The bytes from `at` on.
fn take<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

/// PNG: IHDR comes first; the palette's size is the length of PLTE.
fn png(data: &[u8]) -> Option<Image> {
    if take(data, 8)? != *b"\0\0\0\x0DIHDR" {
        return None;
    }
    let [bits, color] = take(data, 24)?;
    let bits = u32::from(bits);
    let (depth, colors) = match color {
        0 => (bits, 0),
        2 => (bits * 3, 0),
        // a palette's colours have 8 bits of each of three
        3 => (24, png_colors(data)?),
        4 => (bits * 2, 0),
        6 => (bits * 4, 0),
        _ => return None,
    };
    let (width, height) = (u32::from_be_bytes(take(data, 16)?), u32::from_be_bytes(take(data, 20)?));
    Some(Image { mime: "image/png", width, height, depth, colors })
}

fn png_colors(data: &[u8]) -> Option<u32> {
    let mut at = 8_usize;
    loop {
        let length = u32::from_be_bytes(take(data, at)?);
        if take(data, at.checked_add(4)?)? == *b"PLTE" {
            return Some(length / 3);
        }
        at = at.checked_add(12)?.checked_add(usize::try_from(length).ok()?)?;
    }
}

/// JPEG: segments up to the first frame header (SOF).
fn jpeg(data: &[u8]) -> Option<Image> {
    let mut at = 2_usize;
    loop {
        // any number of 0xFF may stand before a marker
        while take(data, at)? == [0xFF, 0xFF] {
            at += 1;
        }
        let [0xFF, marker] = take(data, at)? else {
            return None;
        };
        at += 2;
        match marker {
            // markers without a segment
            0x01 | 0xD0..=0xD8 => {}
            // every frame header but those that are none: huffman tables, an extension, arithmetic coding
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                let [_, _, bits, height1, height0, width1, width0, components] = take(data, at)?;
                return Some(Image {
                    mime: "image/jpeg",
                    width: u16::from_be_bytes([width1, width0]).into(),
                    height: u16::from_be_bytes([height1, height0]).into(),
                    depth: u32::from(bits) * u32::from(components),
                    colors: 0,
                });
            }
            _ => at = at.checked_add(u16::from_be_bytes(take(data, at)?).max(2).into())?,
        }
    }
}

/// GIF: the logical screen; it always has a palette.
fn gif(data: &[u8]) -> Option<Image> {
    let [width0, width1, height0, height1, flags] = take(data, 6)?;
    Some(Image {
        mime: "image/gif",
        width: u16::from_le_bytes([width0, width1]).into(),
        height: u16::from_le_bytes([height0, height1]).into(),
        depth: 24,
        colors: 2 << (flags & 7),
    })
}

/// WebP: its first chunk is lossy (RFC 6386 §9.1), lossless (RFC 9649 §3.4) or extended (RFC 9649 §2.7).
fn webp(data: &[u8]) -> Option<Image> {
    let (width, height, alpha) = match &take::<4>(data, 12)? {
        b"VP8 " => {
            if take(data, 23)? != [0x9D, 0x01, 0x2A] {
                return None;
            }
            let [width0, width1, height0, height1] = take(data, 26)?;
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            (side(width0, width1), side(height0, height1), false)
        }
        b"VP8L" => {
            if take(data, 20)? != [0x2F] {
                return None;
            }
            let bits = u32::from_le_bytes(take(data, 21)?);
            ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1 == 1)
        }
        b"VP8X" => {
            let [flags, _, _, _, w0, w1, w2, h0, h1, h2] = take(data, 20)?;
            let side = |bytes| u32::from_le_bytes(bytes) + 1;
            (side([w0, w1, w2, 0]), side([h0, h1, h2, 0]), flags & 0x10 != 0)
        }
        _ => return None,
    };
    Some(Image { mime: "image/webp", width, height, depth: if alpha { 32 } else { 24 }, colors: 0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn webp_file(chunk: &[u8]) -> Vec<u8> {
        [b"RIFF\x40\0\0\0WEBP", chunk].concat()
    }

    #[test]
    fn reads_the_three_kinds_of_webp() {
        let lossy = webp_file(b"VP8 \x20\0\0\0\x10\0\0\x9D\x01\x2A\x40\x01\xF0\x40");
        let expected = Image { mime: "image/webp", width: 320, height: 240, depth: 24, colors: 0 };
        assert_eq!(read_image(&lossy), Ok(expected));
        let bits = 0x13F_u32 | 0xEF << 14 | 1 << 28;
        let lossless = webp_file(&[b"VP8L\x20\0\0\0\x2F".as_slice(), &bits.to_le_bytes()].concat());
        assert_eq!(read_image(&lossless), Ok(Image { depth: 32, ..expected }));
        let extended = webp_file(b"VP8X\x0A\0\0\0\0\0\0\0\x3F\x01\0\xEF\0\0");
        assert_eq!(read_image(&extended), Ok(expected));
    }

    #[test]
    fn headers_that_end_early_are_damaged() {
        for (whole, name) in [
            (b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x01\0\0\0\x01\x08\x02".to_vec(), "PNG"),
            (b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xC0\0\x11\x08\0\x01\0\x01\x03".to_vec(), "JPEG"),
            (b"GIF89a\x01\0\x01\0\x80".to_vec(), "GIF"),
            (webp_file(b"VP8L\x20\0\0\0\x2F\0\0\0\0"), "WebP"),
        ] {
            assert!(read_image(&whole).is_ok(), "{name}");
            assert_eq!(read_image(&whole[..whole.len() - 1]), Err(NoImage::Damaged(name)));
        }
        assert_eq!(read_image(b"BM"), Err(NoImage::Unknown));
        assert_eq!(read_image(b""), Err(NoImage::Unknown));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            start in prop::sample::select(vec![
                &b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR"[..], &[0xFF, 0xD8, 0xFF], b"GIF89a", b"RIFF\0\0\0\0WEBPVP8X",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = read_image(&[start, &rest].concat());
        }
    }
}
