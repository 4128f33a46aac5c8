//! The head of a FLAC file: everything before the first frame, put together and made to fit.

use std::fmt;

use super::application::Application;
use super::block::{BlockHeader, BlockType, HEADER, LARGEST_BODY, MARKER, length32};
use super::comment::{VENDOR, check_field_name, field_bytes, vorbis_comment};
use super::cuesheet::CueSheet;
use super::picture::Picture;
use super::seektable::{POINT, SeekTable};
use super::streaminfo::{STREAM_INFO_AT, StreamInfo};

/// Bytes of a head with nothing but STREAMINFO and the writer's name; none is smaller.
pub const SMALLEST_HEAD: usize = STREAM_INFO_AT.end + HEADER + COMMENT_BYTES;
/// Bytes of a Vorbis comment without fields: two counts and the writer's name.
const COMMENT_BYTES: usize = 8 + VENDOR.len();

/// What a head tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadParts {
    /// The stream's shape and counts.
    pub info: StreamInfo,
    /// Where frames begin.
    pub seek_table: Option<SeekTable>,
    /// The tags: names and values, the most important first. One with a name that no field may have is not written.
    pub comments: Vec<(String, String)>,
    /// Blocks of other programs; they belong together.
    pub applications: Vec<Application>,
    /// Cue points.
    pub cue_sheet: Option<CueSheet>,
    /// Pictures, the most important first.
    pub pictures: Vec<Picture>,
}

impl HeadParts {
    /// The head of a stream of which nothing else is known.
    pub fn of(info: StreamInfo) -> Self {
        Self {
            info,
            seek_table: None,
            comments: Vec::new(),
            applications: Vec::new(),
            cue_sheet: None,
            pictures: Vec::new(),
        }
    }
}

/// How long a head shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// As long as it gets, with so many bytes of padding after all else; 0: no such block.
    Padding(u32),
    /// Exactly so many bytes: padding fills, or parts are left out. Less than [`SMALLEST_HEAD`] is taken for that.
    Exactly(usize),
}

/// What a head has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Some or all seek points.
    SeekTable,
    /// Some or all pictures.
    Pictures,
    /// What is needed to restore the WAV file.
    ForeignMetadata,
    /// The cue points.
    CueSheet,
    /// Some or all tags.
    Tags,
}

impl LeftOut {
    /// A stable name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeekTable => "seek_table",
            Self::Pictures => "pictures",
            Self::ForeignMetadata => "foreign_metadata",
            Self::CueSheet => "cue_sheet",
            Self::Tags => "tags",
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its bytes, from the marker to the last byte before the first frame.
    pub bytes: Vec<u8>,
    /// What it had no room for, each once.
    pub left_out: Vec<LeftOut>,
}

/// Puts a head together. What no block can hold (16 MiB) is left out, and with [`Fit::Exactly`] what there is no room
/// for: first the seek table is thinned, then dropped, then go pictures, the other programs' blocks, the cue sheet, and
/// tags, the last ones first.
pub fn build_head(parts: &HeadParts, fit: Fit) -> Head {
    let mut plan = Plan::of(parts);
    plan.drop_what_no_block_holds();
    let (padding, spaces) = match fit {
        Fit::Padding(0) => (0, 0),
        Fit::Padding(bytes) => (usize::try_from(bytes).unwrap_or(LARGEST_BODY).min(LARGEST_BODY) + HEADER, 0),
        Fit::Exactly(bytes) => plan.shrink_to(bytes.max(SMALLEST_HEAD)),
    };
    plan.write(padding, spaces)
}

/// What of the parts goes into the head.
struct Plan<'a> {
    info: &'a StreamInfo,
    seek_table: Option<SeekTable>,
    comments: Vec<(String, String)>,
    applications: &'a [Application],
    cue_sheet: Option<Vec<u8>>,
    pictures: Vec<&'a Picture>,
    left_out: Vec<LeftOut>,
}

impl<'a> Plan<'a> {
    fn of(parts: &'a HeadParts) -> Self {
        Self {
            info: &parts.info,
            seek_table: parts.seek_table.clone().filter(|table| !table.points().is_empty()),
            comments: parts.comments.iter().filter(|(name, _)| check_field_name(name).is_ok()).cloned().collect(),
            applications: &parts.applications,
            cue_sheet: parts.cue_sheet.as_ref().map(CueSheet::to_body),
            pictures: parts.pictures.iter().collect(),
            left_out: Vec::new(),
        }
    }

    fn drop_what_no_block_holds(&mut self) {
        if self.applications.iter().any(|block| block.data.len() > Application::MAX_DATA) {
            self.drop_applications();
        }
        let pictures = self.pictures.len();
        self.pictures.retain(|picture| picture.body_bytes() <= LARGEST_BODY);
        if self.pictures.len() < pictures {
            self.leave_out(LeftOut::Pictures);
        }
        // The longest goes first: one value of many MiB shall not take the others with it.
        while self.comment_bytes() > LARGEST_BODY {
            let longest = self.comments.iter().enumerate().max_by_key(|(_, (_, value))| value.len());
            let Some((longest, _)) = longest else {
                break;
            };
            self.comments.remove(longest);
            self.leave_out(LeftOut::Tags);
        }
    }

    /// Leaves out what has no room in a head of so many bytes; returns the bytes of padding that are missing then and
    /// the spaces, up to three, that fill what is too small for a padding block.
    fn shrink_to(&mut self, bytes: usize) -> (usize, usize) {
        let excess = self.bytes().saturating_sub(bytes);
        if excess > 0 {
            self.shrink_seek_table(excess);
        }
        while self.bytes() > bytes && self.pictures.pop().is_some() {
            self.leave_out(LeftOut::Pictures);
        }
        if self.bytes() > bytes && !self.applications.is_empty() {
            self.drop_applications();
        }
        if self.bytes() > bytes && self.cue_sheet.take().is_some() {
            self.leave_out(LeftOut::CueSheet);
        }
        while self.bytes() > bytes && self.comments.pop().is_some() {
            self.leave_out(LeftOut::Tags);
        }
        let missing = bytes.saturating_sub(self.bytes());
        if missing < HEADER { (0, missing) } else { (missing, 0) }
    }

    fn shrink_seek_table(&mut self, excess: usize) {
        let Some(table) = &self.seek_table else {
            return;
        };
        let points = table.points().len().saturating_sub(excess.div_ceil(POINT));
        let thinned = Some(table.thinned(points)).filter(|table| !table.points().is_empty());
        self.seek_table = thinned;
        self.leave_out(LeftOut::SeekTable);
    }

    fn drop_applications(&mut self) {
        self.applications = &[];
        self.leave_out(LeftOut::ForeignMetadata);
    }

    fn leave_out(&mut self, what: LeftOut) {
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    fn comment_bytes(&self) -> usize {
        COMMENT_BYTES + self.comments.iter().map(|(name, value)| field_bytes(name, value)).sum::<usize>()
    }

    /// Bytes of the head without padding.
    fn bytes(&self) -> usize {
        let block = |body: usize| HEADER + body;
        STREAM_INFO_AT.end
            + self.seek_table.as_ref().map_or(0, |table| block(table.points().len() * POINT))
            + block(self.comment_bytes())
            + self.applications.iter().map(|application| block(4 + application.data.len())).sum::<usize>()
            + self.cue_sheet.as_ref().map_or(0, |body| block(body.len()))
            + self.pictures.iter().map(|picture| block(picture.body_bytes())).sum::<usize>()
    }

    fn write(self, mut padding: usize, spaces: usize) -> Head {
        let mut writer = Writer { bytes: MARKER.to_vec(), last: 0 };
        writer.block(BlockType::StreamInfo, &self.info.to_bytes());
        if let Some(table) = &self.seek_table {
            writer.block(BlockType::SeekTable, &table.to_body());
        }
        // Before the comments: ffmpeg makes chapters of both, and only so the comments' names stay.
        if let Some(body) = &self.cue_sheet {
            writer.block(BlockType::CueSheet, body);
        }
        writer.block(BlockType::VorbisComment, &vorbis_comment(&self.comments, spaces));
        for application in self.applications {
            writer.block(BlockType::Application, &application.to_body());
        }
        for picture in &self.pictures {
            writer.block(BlockType::Picture, &picture.to_body());
        }
        while padding >= HEADER {
            let mut body = (padding - HEADER).min(LARGEST_BODY);
            if (1..HEADER).contains(&(padding - HEADER - body)) {
                // what is left must be able to be a block of its own
                body -= HEADER;
            }
            writer.block(BlockType::Padding, &vec![0; body]);
            padding -= HEADER + body;
        }
        Head { bytes: writer.finish(), left_out: self.left_out }
    }
}

struct Writer {
    bytes: Vec<u8>,
    /// Where the latest block begins.
    last: usize,
}

impl Writer {
    fn block(&mut self, kind: BlockType, body: &[u8]) {
        self.last = self.bytes.len();
        self.bytes.extend(BlockHeader { kind, last: false, length: length32(body) }.to_bytes());
        self.bytes.extend(body);
    }

    fn finish(mut self) -> Vec<u8> {
        if let Some(kind) = self.bytes.get_mut(self.last) {
            *kind |= 0x80;
        }
        self.bytes
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
