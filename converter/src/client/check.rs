//! Whether a saved file holds what was sent: decoded again from the disk, by our own decoder.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use md5::{Digest as _, Md5};

use super::meant::Sound;
use crate::flac::decode::Decoder;

/// Decodes the FLAC file and compares it with what was sent; the error says what differs.
pub fn check_file(path: &Path, sound: &Sound) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut decoder = Decoder::new(BufReader::with_capacity(1 << 18, file), 0).map_err(|error| error.to_string())?;
    while decoder.next_metadata().map_err(|error| error.to_string())?.is_some() {}
    if decoder.info().md5 != Some(sound.md5) {
        return Err("the MD5 in its head is not that of what was sent".to_owned());
    }
    let mut md5 = Md5::new();
    let mut pcm = Vec::new();
    while let Some(block) = decoder.next_block().map_err(|error| error.to_string())? {
        pcm.clear();
        block.append_pcm(&mut pcm);
        md5.update(&pcm);
    }
    if <[u8; 16]>::from(md5.finalize()) == sound.md5 {
        Ok(())
    } else {
        Err("its samples are not what was sent".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::client::meant::Meant;
    use crate::file::{Existing, FileOptions, Times, Verify, convert_file};
    use crate::support::{Wav, music, wav_pcm};
    use crate::wav::Rules;

    #[test]
    fn a_file_of_other_or_spoiled_audio_is_told_from_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let (wav, flac) = (folder.path().join("a.wav"), folder.path().join("a.flac"));
        let bytes = Wav::pcm(2, 44_100, 16, &wav_pcm(&music(9_000, 2, 16, 1), 16));
        fs::write(&wav, &bytes).unwrap();
        let (verify, existing, times) = (Verify::No, Existing::Refuse, Times::Own);
        let options = FileOptions { convert: crate::convert::Options::default(), verify, existing, times };
        convert_file(&wav, &flac, &options, &mut |_| ()).unwrap();
        let mut meant = Meant::new(None, Rules::default());
        meant.take(0, &bytes).unwrap();
        let sound = meant.finish().unwrap();
        assert_eq!(check_file(&flac, &sound), Ok(()));
        assert!(check_file(&flac, &Sound { md5: [0; 16], ..sound.clone() }).is_err());
        let mut spoiled = fs::read(&flac).unwrap();
        let place = spoiled.len() - 1_000;
        spoiled[place] ^= 1;
        fs::write(&flac, &spoiled).unwrap();
        assert!(check_file(&flac, &sound).is_err());
        assert!(check_file(&wav, &sound).is_err());
    }
}
