//! What the first bytes say: a WAV file, which relative of it, or something else that people send by mistake.

use super::WavError;

/// Bytes of the header of RIFF, RF64 and BW64: `RIFF`, a length, `WAVE`. They also tell Wave64.
pub(super) const RIFF_HEADER: usize = 12;
/// Bytes of the header of Wave64: the GUID `riff`, a length, the GUID `wave`.
pub(super) const WAVE64_HEADER: usize = 40;
/// The GUID that begins a Wave64 file.
const RIFF_GUID: [u8; 16] =
    [b'r', b'i', b'f', b'f', 0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];
/// The GUID of Wave64's form type, after its length.
const WAVE_GUID: [u8; 16] =
    [b'w', b'a', b'v', b'e', 0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];

/// How a file's chunks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// 32-bit sizes, even alignment.
    Riff,
    /// RF64 and BW64: as RIFF, with 64-bit sizes in a `ds64` chunk (EBU Tech 3306, ITU-R BS.2088).
    Rf64,
    /// GUIDs for names, 64-bit sizes that include the header, alignment to eight bytes (Sony Wave64).
    Wave64,
}

/// Which container an input is that starts with these bytes: twelve, or fewer if it ends there.
pub(super) fn sniff(head: &[u8]) -> Result<Container, WavError> {
    let kind = head.get(8..);
    match head.get(..4) {
        Some(tag @ (b"RIFF" | b"RF64" | b"BW64")) => match kind {
            Some(b"WAVE") if tag == b"RIFF" => Ok(Container::Riff),
            Some(b"WAVE") => Ok(Container::Rf64),
            Some(kind) if b"WAVE".starts_with(kind) => Err(cut_off(RIFF_HEADER)),
            None => Err(cut_off(RIFF_HEADER)),
            Some(_) => Err(not_wav("is a RIFF file of another kind (no WAVE)")),
        },
        Some(b"riff") if RIFF_GUID.starts_with(head) => {
            if head.len() < RIFF_HEADER {
                Err(cut_off(WAVE64_HEADER))
            } else {
                Ok(Container::Wave64)
            }
        }
        Some(b"RIFX") => Err(container("RIFX (big-endian WAV)")),
        Some(b"fLaC") => Err(not_wav("is a FLAC file already")),
        Some(b"FORM") => Err(not_wav("looks like AIFF")),
        Some(b"caff") => Err(not_wav("looks like Apple's CAF")),
        Some(b"OggS") => Err(not_wav("looks like Ogg")),
        Some(b"wvpk") => Err(not_wav("looks like WavPack")),
        Some(b"MAC ") => Err(not_wav("looks like Monkey's Audio")),
        Some(b".snd") => Err(not_wav("looks like Sun audio (AU)")),
        Some([b'I', b'D', b'3', _] | [0xFF, 0xE2..=0xFF, ..]) => Err(not_wav("looks like MP3")),
        Some([b'P', b'K', 3, 4]) => Err(not_wav("looks like a ZIP archive")),
        Some([0x1A, 0x45, 0xDF, 0xA3]) => Err(not_wav("looks like Matroska or WebM")),
        Some(_) if head.get(4..8) == Some(b"ftyp") => Err(not_wav("looks like MP4")),
        None if head.is_empty() => Err(WavError::Empty),
        None if [b"RIFF", b"RF64", b"BW64", b"riff"].iter().any(|tag| tag.starts_with(head)) => {
            Err(cut_off(RIFF_HEADER))
        }
        Some(_) | None => Err(not_wav("does not begin with RIFF")),
    }
}

/// Checks the whole header of a Wave64 file, or says where it was cut off.
pub(super) fn check_wave64(head: &[u8]) -> Result<(), WavError> {
    if head.len() < WAVE64_HEADER {
        Err(cut_off(WAVE64_HEADER))
    } else if head.starts_with(&RIFF_GUID) && head.get(24..WAVE64_HEADER) == Some(&WAVE_GUID) {
        Ok(())
    } else {
        Err(not_wav("looks like Wave64, but its header holds no wave"))
    }
}

fn cut_off(header: usize) -> WavError {
    WavError::TruncatedHeader { place: format!("inside its first {header} bytes") }
}

fn not_wav(found: &'static str) -> WavError {
    WavError::NotWav { found }
}

fn container(container: &'static str) -> WavError {
    WavError::UnsupportedContainer { container }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_containers() {
        assert_eq!(sniff(b"RIFF\x24\0\0\0WAVE"), Ok(Container::Riff));
        assert_eq!(sniff(b"RF64\xFF\xFF\xFF\xFFWAVE"), Ok(Container::Rf64));
        assert_eq!(sniff(b"BW64\xFF\xFF\xFF\xFFWAVE"), Ok(Container::Rf64));
        assert_eq!(sniff(b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB"), Ok(Container::Wave64));
        let header = [RIFF_GUID.as_slice(), &[0; 8], &WAVE_GUID].concat();
        assert_eq!(check_wave64(&header), Ok(()));
        assert_eq!(check_wave64(&header[..39]).map_err(|error| error.code()), Err("truncated_header"));
        let other = [RIFF_GUID.as_slice(), &[0; 8], &RIFF_GUID].concat();
        assert_eq!(check_wave64(&other).map_err(|error| error.code()), Err("not_wav"));
    }

    #[test]
    fn refuses_everything_else() {
        let table: [(&[u8], &str); 17] = [
            (b"", "empty_input"),
            (b"R", "truncated_header"),
            (b"ri", "truncated_header"),
            (b"RIFF", "truncated_header"),
            (b"RIFF\x24\0\0\0WA", "truncated_header"),
            (b"RF64\xFF\xFF\xFF\xFFWAV", "truncated_header"),
            (b"RIFF\x24\0\0\0AVI ", "not_wav"),
            (b"RIFF\x24\0\0\0AV", "not_wav"),
            (b"RIFX\0\0\0\x24WAVE", "unsupported_encoding"),
            (b"riff\x2E\x91\xCF\x11\xA5\xD6\x28", "truncated_header"),
            (b"riffraff is no audio", "not_wav"),
            (b"fLaC\0\0\0\x22", "not_wav"),
            (b"ID3\x03\0\0\0\0\0\0\0\0", "not_wav"),
            (b"\0\0\0\x18ftypmp42", "not_wav"),
            (b"hello, world", "not_wav"),
            (b"he", "not_wav"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", "not_wav"),
        ];
        for (head, code) in table {
            assert_eq!(sniff(head).map_err(|error| error.code()), Err(code), "{head:?}");
        }
    }

    #[test]
    fn names_what_it_found() {
        let text = sniff(b"fLaC\0\0\0\x22\0\0\0\0").map_err(|error| error.to_string());
        assert_eq!(text, Err("this is no WAV file, it is a FLAC file already: send a WAV file (RIFF WAVE)".to_owned()));
    }
}
