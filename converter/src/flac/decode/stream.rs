//! Whole streams: the marker, metadata blocks, frames, the end (RFC 9639 §6, §8).

use std::io::Read;

use super::buffer::Window;
use super::error::{DecodeError, FrameError};
use super::frame::FrameDecoder;
use super::info::ReadInfo;
use super::order::Order;

/// The largest frame that is read: as large as STREAMINFO can tell (§8.2: 24 bits).
const MAX_FRAME_BYTES: usize = (1 << 24) - 1;
/// Frames are far from random, and the next is about as large as those before.
const FIRST_FRAME_BYTES: usize = 16 * 1024;

/// Decodes a native FLAC stream.
///
/// Memory is bounded by the largest block that STREAMINFO allows, the largest frame met and the metadata limit. Every
/// checksum is checked but the MD5 of STREAMINFO, which belongs to whoever has all samples; so is that frames are
/// complete and in order.
#[derive(Debug)]
pub struct Decoder<R> {
    window: Window<R>,
    info: ReadInfo,
    /// The largest body of a metadata block that is handed out.
    metadata_limit: u32,
    /// No metadata block follows.
    metadata_over: bool,
    frames: FrameDecoder,
    order: Order,
    largest_frame: usize,
    failed: bool,
}

/// A metadata block (§8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataBlock<'a> {
    /// Its type, 0 to 126.
    pub kind: u8,
    /// Bytes of its body.
    pub length: u32,
    /// Its body; none if it is larger than the limit.
    pub body: Option<&'a [u8]>,
}

/// A block of samples.
#[derive(Debug, Clone, Copy)]
pub struct DecodedBlock<'a> {
    /// The number of its first sample.
    pub first_sample: u64,
    /// Samples per channel.
    pub block_size: u16,
    /// Bytes of its frame.
    pub frame_bytes: usize,
    frames: &'a FrameDecoder,
}

impl DecodedBlock<'_> {
    /// The samples of a channel; empty if there is no such channel.
    pub fn channel(&self, channel: usize) -> &[i32] {
        self.frames.channel(channel)
    }

    /// Appends the samples in the form of [`Block::pcm`](crate::flac::Block::pcm), which is what the MD5 is over.
    pub fn append_pcm(&self, pcm: &mut Vec<u8>) {
        self.frames.append_pcm(pcm);
    }
}

impl<R: Read> Decoder<R> {
    /// Reads the marker and STREAMINFO. An ID3v2 tag before them is passed over, as other decoders do. Of metadata
    /// blocks with more than `metadata_limit` bytes only the length is told.
    pub fn new(reader: R, metadata_limit: u32) -> Result<Self, DecodeError> {
        let mut window = Window::new(reader);
        skip_id3(&mut window)?;
        window.fill(4)?;
        match window.bytes().first_chunk() {
            Some(b"fLaC") => window.use_up(4),
            Some(b"OggS") => return Err(DecodeError::Ogg),
            _ => return Err(DecodeError::NotFlac),
        }
        let (last, kind, length) = metadata_header(&mut window)?;
        if kind != 0 || length != ReadInfo::BYTES {
            return Err(DecodeError::Metadata("it does not begin with a STREAMINFO of 34 bytes"));
        }
        let info = ReadInfo::parse(body(&mut window, length)?)?;
        window.use_up(length as usize);
        Ok(Self {
            window,
            info,
            metadata_limit,
            metadata_over: last,
            frames: FrameDecoder::new(info.shape()),
            order: Order::default(),
            largest_frame: FIRST_FRAME_BYTES,
            failed: false,
        })
    }

    /// What STREAMINFO tells.
    pub fn info(&self) -> &ReadInfo {
        &self.info
    }

    /// The next metadata block after STREAMINFO; none when they are over.
    pub fn next_metadata(&mut self) -> Result<Option<MetadataBlock<'_>>, DecodeError> {
        let result = self.metadata();
        self.failed |= result.is_err();
        let Some((kind, length)) = result? else { return Ok(None) };
        if length > self.metadata_limit {
            return Ok(Some(MetadataBlock { kind, length, body: None }));
        }
        // The body stays in the window's used part until the window moves on.
        let body = self.window.last_used(length as usize);
        Ok(Some(MetadataBlock { kind, length, body: Some(body) }))
    }

    /// Reads a metadata block and passes it.
    fn metadata(&mut self) -> Result<Option<(u8, u32)>, DecodeError> {
        if self.metadata_over || self.failed {
            return Ok(None);
        }
        let (last, kind, length) = metadata_header(&mut self.window)?;
        self.metadata_over = last;
        match kind {
            0 => return Err(DecodeError::Metadata("it holds a second STREAMINFO")),
            127 => return Err(DecodeError::Metadata("a block has the forbidden type 127")),
            _ => {}
        }
        if length > self.metadata_limit {
            if !self.window.skip(length.into())? {
                return Err(DecodeError::MetadataCut);
            }
        } else {
            body(&mut self.window, length)?;
            self.window.use_up(length as usize);
        }
        Ok(Some((kind, length)))
    }

    /// The next block of samples; none at the end of the stream. Metadata blocks that were not asked for are passed
    /// over. After an error none comes either.
    pub fn next_block(&mut self) -> Result<Option<DecodedBlock<'_>>, DecodeError> {
        if self.failed {
            return Ok(None);
        }
        match self.block() {
            Ok(None) => Ok(None),
            Ok(Some((first_sample, block_size, frame_bytes))) => {
                Ok(Some(DecodedBlock { first_sample, block_size, frame_bytes, frames: &self.frames }))
            }
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    fn block(&mut self) -> Result<Option<(u64, u16, usize)>, DecodeError> {
        while self.metadata()?.is_some() {}
        let mut wanted = self.largest_frame;
        let facts = loop {
            self.window.fill(wanted)?;
            if self.window.ended() && self.at_the_end() {
                self.order.end(&self.info)?;
                return Ok(None);
            }
            match self.frames.decode(self.window.bytes()) {
                Ok(facts) => break facts,
                Err(FrameError::Incomplete) if !self.window.ended() && wanted < MAX_FRAME_BYTES => {
                    wanted = (wanted * 2).max(self.window.bytes().len() + 1).min(MAX_FRAME_BYTES);
                }
                Err(error) => {
                    let longer = error == FrameError::Incomplete && !self.window.ended();
                    let error = if longer { FrameError::Contradiction("it is longer than 16 MiB") } else { error };
                    return Err(DecodeError::Frame { frame: self.order.frames, error });
                }
            }
        };
        let first_sample = self.order.samples;
        self.order.next(&facts.header, &self.info)?;
        // A few more bytes than the largest frame, so that hardly any is decoded in vain.
        self.largest_frame = self.largest_frame.max(facts.bytes + facts.bytes / 8).min(MAX_FRAME_BYTES);
        self.window.use_up(facts.bytes);
        Ok(Some((first_sample, facts.header.block_size, facts.bytes)))
    }

    /// Bytes of the buffer for frames and metadata.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.window.capacity()
    }

    /// Whether what is left, the reader having ended, is nothing, or the ID3v1 tag that some writers leave there.
    fn at_the_end(&self) -> bool {
        let rest = self.window.bytes();
        rest.is_empty() || (rest.len() == 128 && rest.starts_with(b"TAG"))
    }
}

/// Passes an ID3v2 tag: its length stands in 4 times 7 bits.
fn skip_id3<R: Read>(window: &mut Window<R>) -> Result<(), DecodeError> {
    const HEADER: usize = 10;
    const HAS_FOOTER: u8 = 0x10;
    window.fill(HEADER)?;
    let Some([b'I', b'D', b'3', _, _, flags, size @ ..]) = window.bytes().first_chunk::<HEADER>() else {
        return Ok(());
    };
    let size = size.iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7F));
    let ends = if flags & HAS_FOOTER == 0 { 1 } else { 2 };
    if window.skip(size + ends * HEADER as u64)? { Ok(()) } else { Err(DecodeError::NotFlac) }
}

/// Whether a block is the last, its type, the length of its body (§8.1).
fn metadata_header<R: Read>(window: &mut Window<R>) -> Result<(bool, u8, u32), DecodeError> {
    window.fill(4)?;
    let Some([kind, size @ ..]) = window.bytes().first_chunk::<4>() else { return Err(DecodeError::MetadataCut) };
    let length = size.iter().fold(0, |size, byte| size << 8 | u32::from(*byte));
    let header = (kind & 0x80 != 0, kind & 0x7F, length);
    window.use_up(4);
    Ok(header)
}

fn body<R: Read>(window: &mut Window<R>, length: u32) -> Result<&[u8], DecodeError> {
    window.fill(length as usize)?;
    window.bytes().get(..length as usize).ok_or(DecodeError::MetadataCut)
}
