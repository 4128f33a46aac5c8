//! What the first twelve bytes say: a WAV file, a relative of it, or something else that people send by mistake.

use super::WavError;

/// Bytes of the RIFF header: `RIFF`, a length, `WAVE`.
pub const RIFF_HEADER: usize = 12;

/// Whether an input that starts with these bytes (twelve, or fewer if it ends there) is a RIFF WAVE file.
pub fn sniff(head: &[u8]) -> Result<(), WavError> {
    let kind = head.get(8..);
    match head.get(..4) {
        Some(b"RIFF") => match kind {
            Some(b"WAVE") => Ok(()),
            Some(kind) if b"WAVE".starts_with(kind) => Err(cut_off()),
            None => Err(cut_off()),
            Some(_) => Err(not_wav("is a RIFF file of another kind (no WAVE)")),
        },
        Some(b"RF64" | b"BW64") => Err(container("RF64")),
        Some(b"RIFX") => Err(container("RIFX (big-endian WAV)")),
        Some(b"riff") => Err(container("Wave64")),
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
        None if b"RIFF".starts_with(head) => Err(cut_off()),
        Some(_) | None => Err(not_wav("does not begin with RIFF")),
    }
}

fn cut_off() -> WavError {
    WavError::TruncatedHeader { place: format!("inside its first {RIFF_HEADER} bytes") }
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
    fn takes_only_riff_wave() {
        assert_eq!(sniff(b"RIFF\x24\0\0\0WAVE"), Ok(()));
        let table: [(&[u8], &str); 15] = [
            (b"", "empty_input"),
            (b"R", "truncated_header"),
            (b"RIFF", "truncated_header"),
            (b"RIFF\x24\0\0\0WA", "truncated_header"),
            (b"RIFF\x24\0\0\0AVI ", "not_wav"),
            (b"RIFF\x24\0\0\0AV", "not_wav"),
            (b"RF64\xFF\xFF\xFF\xFFWAVE", "unsupported_encoding"),
            (b"RIFX\0\0\0\x24WAVE", "unsupported_encoding"),
            (b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB", "unsupported_encoding"),
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
