//! The recorder: keeps every byte that is no audio, and what proves a restored file to be the same.

use sha2::{Digest as _, Sha256};

use super::super::MetaError;
use super::super::store::{Full, Part, Store};
use super::flac_form::{self, Facts};
use super::identity::{Identity, Place, to_blocks};
use super::{Foreign, RIFF_ID, WAVE64_ID};
use crate::flac::Application;
use crate::wav::{Format, Kind, Packing, Piece, SpareBits};

/// Records a file's rest.
#[derive(Debug, Default)]
pub(in crate::meta) struct Recorder {
    digest: Sha256,
    length: u64,
    /// Bytes of audio, and bytes of one sample of every channel.
    audio: u64,
    step: usize,
    /// Audio was passed over, so that there is no digest.
    skipped: bool,
    /// The end of the audio that makes no whole sample of every channel.
    partial: Vec<u8>,
    /// What is above samples that are in the lowest bits.
    spare: Option<SpareBits>,
    /// Where among the other bytes the audio stands.
    split: usize,
}

impl Recorder {
    /// Adds a piece's bytes to the digest.
    pub fn hash(&mut self, piece: &Piece<'_>) {
        if let Some(bytes) = bytes_of(piece) {
            self.length = self.length.saturating_add(bytes.len() as u64);
            if !self.skipped {
                self.digest.update(bytes);
            }
        }
    }

    /// So many bytes of audio were passed over.
    pub fn skip(&mut self, bytes: u64) {
        self.skipped = true;
        self.length = self.length.saturating_add(bytes);
        self.audio = self.audio.saturating_add(bytes);
        // what they were does not matter without a digest, how many does
        self.partial.resize(usize::try_from(self.audio % self.step.max(1) as u64).unwrap_or(0), 0);
    }

    /// Keeps a piece, but for audio.
    pub fn take(&mut self, store: &mut Store, piece: &Piece<'_>) -> Result<Result<(), Full>, MetaError> {
        Ok(match piece {
            Piece::Header(bytes) | Piece::Padding(bytes) | Piece::Junk(bytes) => store.keep(Part::Other, bytes),
            Piece::Chunk { name, header, .. } => store.keep(Part::Other, header).and_then(|()| store.chunk(*name)),
            Piece::Body(bytes) => store.keep(Part::Body, bytes),
            Piece::Format(format) => {
                let encoding = format.encoding;
                if encoding.kind == Kind::Float {
                    return Err(MetaError::Float);
                }
                self.step = format.block_align();
                self.spare = SpareBits::new(encoding, format.bits_per_sample);
                self.split = store.bytes().len();
                Ok(())
            }
            Piece::Audio(bytes) => {
                self.audio(bytes);
                Ok(())
            }
        })
    }

    fn audio(&mut self, bytes: &[u8]) {
        self.audio = self.audio.saturating_add(bytes.len() as u64);
        if let Some(spare) = &mut self.spare {
            spare.look_at(bytes);
        }
        let step = self.step.max(1);
        let rest = (self.partial.len() + bytes.len()) % step;
        if let Some(whole) = bytes.len().checked_sub(rest) {
            self.partial.clear();
            self.partial.extend_from_slice(bytes.get(whole..).unwrap_or_default());
        } else {
            // It does not complete what is held.
            self.partial.extend_from_slice(bytes);
        }
    }

    /// The blocks that hold it all.
    pub fn finish(self, store: &Store, format: &Format) -> Result<Foreign, MetaError> {
        let spare = match &self.spare {
            None => crate::wav::Spare::Sign,
            Some(spare) => spare.found().ok_or(MetaError::MixedHighBits)?,
        };
        let packing = Packing { encoding: format.encoding, spare };
        let (before, after) = store.bytes().split_at_checked(self.split).unwrap_or((store.bytes(), &[]));
        let audio = self.audio.saturating_sub(self.partial.len() as u64);
        let facts = Facts { format, packing, audio };
        let whole = self.partial.is_empty();
        let by_flac = if whole { flac_form::by_flac(store.bytes(), self.split, &facts) } else { None };
        let mut identity = Identity {
            place: Place::Own,
            packing,
            length: self.length,
            audio,
            before: before.len() as u64,
            after: (self.partial.len() + after.len()) as u64,
            digest: (!self.skipped).then(|| self.digest.finalize().into()),
        };
        let mut applications = Vec::new();
        let mut channel_mask = None;
        if let Some(form) = &by_flac {
            identity.place = if form.wave64 { Place::Wave64 } else { Place::Riff };
            channel_mask = form.channel_mask;
            applications.push(identity.to_block());
            let id = if form.wave64 { WAVE64_ID } else { RIFF_ID };
            applications
                .extend(form.blocks.iter().map(|range| Application { id, data: store.get(range.clone()).to_vec() }));
        } else {
            applications.push(identity.to_block());
            to_blocks(before, [&self.partial, after], &mut applications);
        }
        Ok(Foreign { applications, by_flac: by_flac.is_some(), channel_mask })
    }
}

fn bytes_of<'a>(piece: &Piece<'a>) -> Option<&'a [u8]> {
    match piece {
        Piece::Header(bytes)
        | Piece::Body(bytes)
        | Piece::Audio(bytes)
        | Piece::Padding(bytes)
        | Piece::Junk(bytes)
        | Piece::Chunk { header: bytes, .. } => Some(bytes),
        Piece::Format(_) => None,
    }
}
