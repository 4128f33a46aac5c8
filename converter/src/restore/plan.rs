//! What a FLAC file's blocks say about the file that it was made from.

use std::io::{self, Read};

use super::RestoreError;
use crate::flac::{BlockHeader, BlockType, MARKER, StreamInfo};
use crate::meta::foreign::{ID, Identity, Part, Place, RIFF_ID, WAVE64_ID};
use crate::wav::{Format, Length, Packing, Parser, Piece, Rules, Spare, WavError};

/// The file that is to be built.
pub(super) struct Plan {
    pub before: Vec<u8>,
    pub after: Vec<Vec<u8>>,
    pub packing: Packing,
    /// Bytes of audio.
    pub audio: u64,
    /// Bytes of the whole file.
    pub length: u64,
    pub digest: Option<[u8; 32]>,
}

/// The blocks that matter.
#[derive(Default)]
struct Blocks {
    identity: Option<Identity>,
    before: Vec<u8>,
    after: Vec<u8>,
    /// `flac`'s blocks: whether they are of Wave64, and their data.
    flac: Vec<(bool, Vec<u8>)>,
    unknown: bool,
}

impl Plan {
    /// Reads all blocks. What follows in `flac` are the frames.
    pub fn read(flac: &mut impl Read) -> Result<(StreamInfo, Self), RestoreError> {
        let mut marker = [0; 4];
        read_exact(flac, &mut marker, RestoreError::NotFlac)?;
        if marker != MARKER {
            return Err(RestoreError::NotFlac);
        }
        let mut info = None;
        let mut blocks = Blocks::default();
        loop {
            let mut header = [0; 4];
            read_exact(flac, &mut header, RestoreError::Damaged("its blocks end too early"))?;
            let header = BlockHeader::read(header);
            let mut body = flac.by_ref().take(header.length.into());
            match header.kind {
                BlockType::StreamInfo => {
                    let mut bytes = [0; 34];
                    read_exact(&mut body, &mut bytes, RestoreError::Damaged("its STREAMINFO ends too early"))?;
                    info = Some(StreamInfo::from_bytes(&bytes));
                }
                BlockType::Application => blocks.take(&mut body)?,
                _ => {}
            }
            io::copy(&mut body, &mut io::sink()).map_err(RestoreError::Input)?;
            if body.limit() > 0 {
                return Err(RestoreError::Damaged("its blocks end too early"));
            }
            if header.last {
                break;
            }
        }
        let info = info.ok_or(RestoreError::Damaged("it has no STREAMINFO"))?;
        Ok((info, blocks.plan(&info)?))
    }
}

/// Fills `bytes`; if there are not so many, it fails with `short`.
fn read_exact(from: &mut impl Read, bytes: &mut [u8], short: RestoreError) -> Result<(), RestoreError> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => short,
        _ => RestoreError::Input(error),
    })
}

impl Blocks {
    /// Takes an APPLICATION block's body. No more memory is taken than there are bytes.
    fn take(&mut self, body: &mut impl Read) -> Result<(), RestoreError> {
        let mut id = [0; 4];
        read_exact(body, &mut id, RestoreError::Damaged("one of its blocks is too short"))?;
        if ![ID, RIFF_ID, WAVE64_ID].contains(&id) {
            return Ok(());
        }
        let mut data = Vec::new();
        body.read_to_end(&mut data).map_err(RestoreError::Input)?;
        if id != ID {
            self.flac.push((id == WAVE64_ID, data));
            return Ok(());
        }
        match Part::read(&data).ok_or(RestoreError::Damaged("one of its blocks makes no sense"))? {
            Part::Identity(identity) => self.identity = Some(identity),
            Part::Before(bytes) => self.before.extend_from_slice(bytes),
            Part::After(bytes) => self.after.extend_from_slice(bytes),
            Part::Unknown => self.unknown = true,
        }
        Ok(())
    }

    fn plan(mut self, info: &StreamInfo) -> Result<Plan, RestoreError> {
        let samples = info.total_samples;
        let audio_of = |packing: Packing| {
            let step = u64::from(info.channels) * u64::from(packing.encoding.container_bytes);
            samples.checked_mul(step).ok_or(RestoreError::Damaged("it claims more samples than any file has"))
        };
        let Some(identity) = self.identity else {
            if self.unknown {
                return Err(RestoreError::LaterVersion);
            }
            if self.flac.is_empty() {
                return Err(RestoreError::NoForeignMetadata);
            }
            return self.plan_of_flac(info);
        };
        let (before, after) = match identity.place {
            Place::Own => (self.before, vec![self.after]),
            Place::Riff => self.flac_parts(false, identity.audio)?,
            Place::Wave64 => self.flac_parts(true, identity.audio)?,
        };
        let after_bytes: u64 = after.iter().map(|bytes| bytes.len() as u64).sum();
        if (before.len() as u64, after_bytes) != (identity.before, identity.after) {
            return Err(RestoreError::Damaged("some of its foreign metadata is missing"));
        }
        if samples != 0 && audio_of(identity.packing)? != identity.audio {
            return Err(RestoreError::Damaged("it does not have as many samples as the file had"));
        }
        Ok(Plan {
            before,
            after,
            packing: identity.packing,
            audio: identity.audio,
            length: identity.length,
            digest: identity.digest,
        })
    }

    /// The bytes before the audio and after it, in `flac`'s form.
    fn flac_parts(&mut self, wave64: bool, audio: u64) -> Result<(Vec<u8>, Vec<Vec<u8>>), RestoreError> {
        let mut blocks = std::mem::take(&mut self.flac).into_iter().filter(|block| block.0 == wave64);
        let mut before = Vec::new();
        loop {
            let Some((_, block)) = blocks.next() else {
                return Err(RestoreError::Damaged("some of its foreign metadata is missing"));
            };
            before.extend_from_slice(&block);
            if block.starts_with(b"data") {
                break;
            }
        }
        let alignment = if wave64 { 8 } else { 2 };
        let padding = audio.checked_next_multiple_of(alignment).map_or(0, |end| end - audio);
        let padding = vec![0; usize::try_from(padding).unwrap_or(0)];
        Ok((before, std::iter::once(padding).chain(blocks.map(|block| block.1)).collect()))
    }

    /// What `flac` stored. It has no digest: all lengths that it has must agree.
    fn plan_of_flac(mut self, info: &StreamInfo) -> Result<Plan, RestoreError> {
        let wave64 = self.flac.first().is_some_and(|block| block.0);
        let (before, _) = self.clone_flac().flac_parts(wave64, 0)?;
        let format = format_of(&before).ok_or(RestoreError::NotProvable)?;
        let packing = Packing { encoding: format.encoding, spare: Spare::Sign };
        let audio = info.total_samples.checked_mul(format.block_align() as u64).ok_or(RestoreError::NotProvable)?;
        let (before, after) = self.flac_parts(wave64, audio)?;
        let length = after.iter().fold(before.len() as u64, |length, bytes| length.saturating_add(bytes.len() as u64));
        let length = length.saturating_add(audio);
        let agrees = format.declared_samples == Some(info.total_samples)
            && info.total_samples != 0
            && (format.channels, format.sample_rate) == (info.channels, info.sample_rate)
            && format.bits_per_sample == info.bits_per_sample
            && claimed_length(&before) == Some(length);
        if !agrees {
            return Err(RestoreError::NotProvable);
        }
        Ok(Plan { before, after, packing, audio, length, digest: None })
    }

    fn clone_flac(&self) -> Self {
        Self { flac: self.flac.clone(), ..Self::default() }
    }
}

/// The format that a WAV file's bytes up to its audio tell.
fn format_of(before: &[u8]) -> Option<Format> {
    let mut found = None;
    let mut parser = Parser::new(Rules { length: Length::Header, ..Rules::default() });
    let pushed: Result<(), WavError> = parser.push(before, &mut |piece| {
        if let Piece::Format(format) = piece {
            found = Some(format);
        }
        Ok(())
    });
    pushed.ok()?;
    found
}

/// The length of the file that its header claims.
fn claimed_length(before: &[u8]) -> Option<u64> {
    let at = |start: usize| before.get(start..)?.first_chunk().copied();
    match before.first_chunk()? {
        b"riff" => at(16).map(u64::from_le_bytes),
        b"RF64" => at(20).map(u64::from_le_bytes)?.checked_add(8),
        _ => before.get(4..)?.first_chunk().map(|size| u64::from(u32::from_le_bytes(*size)) + 8),
    }
}
