//! A WAV file of more than 4 GiB: RF64 (EBU Tech 3306), sparse, silence with islands of sound.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::wav::{Wav, format_fields};

/// Bytes of audio, 4.5 GiB: whole samples of 2 channels of 16 bits.
pub const AUDIO_BYTES: u64 = 9 << 29;
/// From one island to the next.
const DISTANCE: u64 = 256 << 20;
/// Of each island.
const ISLAND_SECONDS: usize = 5;

/// Everything before the audio.
fn header(channels: u16, rate: u32, bits: u16, audio: u64) -> Vec<u8> {
    let unknown = [0xFF; 4];
    let mut header = b"RF64".to_vec();
    header.extend(unknown);
    header.extend(b"WAVEds64\x1C\0\0\0");
    // All after the first 8 bytes: `WAVE`, the headers and bodies of `ds64` and `fmt `, the header of `data`.
    header.extend((4 + 8 + 28 + 8 + 16 + 8 + audio).to_le_bytes());
    header.extend(audio.to_le_bytes());
    header.extend((audio / u64::from(channels * (bits / 8))).to_le_bytes());
    header.extend([0; 4]);
    header.extend(b"fmt \x10\0\0\0\x01\0");
    header.extend(format_fields(channels, rate, bits));
    header.extend(b"data");
    header.extend(unknown);
    header
}

/// Writes such a file with islands of this sound; only they take room on the disk.
pub fn write(path: &Path, sound: &Wav) -> std::io::Result<()> {
    let header = header(sound.channels, sound.rate, sound.bits, AUDIO_BYTES);
    let start = header.len() as u64;
    let file = File::create(path)?;
    file.set_len(start + AUDIO_BYTES)?;
    file.write_all_at(&header, 0)?;
    let length = sound.step() * sound.rate as usize * ISLAND_SECONDS;
    let islands = sound.pcm.chunks_exact(length).cycle();
    for (at, island) in
        (0..AUDIO_BYTES - DISTANCE).step_by(usize::try_from(DISTANCE).unwrap_or(usize::MAX)).zip(islands)
    {
        file.write_all_at(island, start + at)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_how_long_the_file_is() {
        let header = header(2, 44_100, 16, AUDIO_BYTES);
        assert_eq!(header.len(), 80);
        assert_eq!(header[20..28], (header.len() as u64 - 8 + AUDIO_BYTES).to_le_bytes());
        assert_eq!(header[28..36], AUDIO_BYTES.to_le_bytes());
        assert_eq!(header[36..44], (AUDIO_BYTES / 4).to_le_bytes());
        assert_eq!(&header[72..76], b"data");
    }

    #[test]
    fn the_file_is_long_but_takes_no_room() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.wav");
        let sound = Wav { channels: 2, rate: 100, bits: 16, pcm: vec![7; 4 * 100 * ISLAND_SECONDS] };
        write(&path, &sound).unwrap();
        let file = path.metadata().unwrap();
        assert_eq!(file.len(), 80 + AUDIO_BYTES);
        assert!(file.blocks() * 512 < 1 << 20, "{} blocks", file.blocks());
    }
}
