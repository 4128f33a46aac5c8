//! The collector: takes the parser's pieces, keeps what can be used, and says in the end what the file said.

use super::foreign::Recorder;
use super::said::Said;
use super::store::{Full, Part, Store};
use super::tags::merge;
use super::{Collected, MetaError, MetaWarning, Metadata, bext, cue, id3, info};
use crate::flac::MAX_CUE_TRACKS;
use crate::wav::{Format, Piece};

/// Collects what a WAV file says beside its audio.
#[derive(Debug)]
pub struct Collector {
    store: Store,
    /// Whether the latest chunk's body is wanted.
    state: State,
    format: Option<Format>,
    recorder: Option<Recorder>,
    /// What was said before this collector began.
    earlier: Said,
    warnings: Vec<MetaWarning>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its body is kept.
    Keep,
    /// A list, whose type has not come yet.
    List,
    /// Its body is passed over.
    Pass,
}

impl Collector {
    /// A collector that keeps at most `limit` bytes, what its chunks cost beside their bytes included.
    pub fn new(mode: Metadata, limit: u64) -> Self {
        Self {
            store: Store::new(limit),
            state: State::Pass,
            format: None,
            recorder: (mode == Metadata::Foreign).then(Recorder::default),
            earlier: Said::default(),
            warnings: Vec::new(),
        }
    }

    /// A collector of tags that goes on within the audio of an input.
    pub(crate) fn resume(earlier: &Said, format: &Format, limit: u64) -> Self {
        let mut earlier = earlier.clone();
        let warnings = std::mem::take(&mut earlier.warnings);
        Self { format: Some(*format), earlier, warnings, ..Self::new(Metadata::Tags, limit) }
    }

    /// Takes the next piece. After an error nothing that comes out means anything.
    pub fn take(&mut self, piece: &Piece<'_>) -> Result<(), MetaError> {
        if let Piece::Format(format) = piece {
            self.format = Some(*format);
        }
        let Some(recorder) = &mut self.recorder else {
            self.keep_readable(piece);
            return Ok(());
        };
        let limit = self.store.limit();
        recorder.hash(piece);
        recorder.take(&mut self.store, piece)?.map_err(|Full| MetaError::TooLarge { limit })
    }

    /// So many bytes of audio were passed over: their digest stays unknown. For a first look at a file that is read
    /// again.
    pub fn skip_audio(&mut self, bytes: u64) {
        if let Some(recorder) = &mut self.recorder {
            recorder.skip(bytes);
        }
    }

    /// Without the foreign metadata, only the chunks that can be read are kept.
    fn keep_readable(&mut self, piece: &Piece<'_>) {
        match *piece {
            Piece::Chunk { name, .. } => {
                self.state = match &name {
                    // in lower case it is Wave64's
                    b"LIST" | b"list" => State::List,
                    b"cue " | b"bext" | b"id3 " | b"ID3 " => State::Keep,
                    _ => State::Pass,
                };
                if self.state != State::Pass && self.store.chunk(name).is_err() {
                    self.too_large(name);
                }
            }
            Piece::Body(bytes) if self.state != State::Pass => {
                if self.store.keep(Part::Body, bytes).is_err() {
                    let name = self.store.chunks().last().map_or(*b"LIST", |chunk| chunk.name);
                    self.store.forget();
                    self.too_large(name);
                    return;
                }
                self.decide_on_list();
            }
            _ => {}
        }
    }

    fn decide_on_list(&mut self) {
        let latest = self.store.chunks().last().map(|chunk| chunk.body.clone());
        let Some(body) = latest.filter(|body| self.state == State::List && body.len() >= 4) else {
            return;
        };
        if matches!(self.store.get(body).first_chunk(), Some(b"INFO" | b"adtl")) {
            self.state = State::Keep;
        } else {
            self.store.forget();
            self.state = State::Pass;
        }
    }

    fn too_large(&mut self, name: [u8; 4]) {
        self.state = State::Pass;
        self.warnings.push(MetaWarning::TooLarge { chunk: printed(name), limit: self.store.limit() });
    }

    /// What the input has said up to here that players can show.
    pub fn so_far(&self) -> Collected {
        // Told in the end, when all of it is there.
        let mut warnings = Vec::new();
        let sources = Sources::read(&self.store, self.earlier.clone(), &mut warnings);
        Collected { tags: merge(sources.said.tags), pictures: sources.pictures, ..Collected::default() }
    }

    /// The same for a collector that is to go on elsewhere; also whether there are pictures, which stay behind.
    pub(crate) fn said(&self) -> (Said, bool) {
        let mut warnings = self.warnings.clone();
        let Sources { mut said, pictures } = Sources::read(&self.store, self.earlier.clone(), &mut warnings);
        said.warnings = warnings;
        (said, !pictures.is_empty())
    }

    /// What the input said. To be called once all of it has been taken.
    pub fn finish(self) -> Result<Collected, MetaError> {
        let Self { store, format, recorder, earlier, mut warnings, .. } = self;
        let Sources { said, pictures } = Sources::read(&store, earlier, &mut warnings);
        let cue_points = cue::cue_points(&said.points, &said.labels);
        if cue_points.len() > MAX_CUE_TRACKS {
            warnings.push(MetaWarning::CuePoints { points: cue_points.len() });
        }
        let [id3, mut info, bext] = said.tags;
        info.extend(cue::chapters(&cue_points, format.map_or(0, |format| format.sample_rate)));
        let foreign = match (recorder, &format) {
            (Some(recorder), Some(format)) => Some(recorder.finish(&store, format)?),
            _ => None,
        };
        let tags = merge([id3, info, bext]);
        Ok(Collected { tags, pictures, cue_points, foreign, warnings })
    }
}

/// What the chunks say, by kind.
#[derive(Debug, Default)]
struct Sources {
    said: Said,
    pictures: Vec<crate::flac::Picture>,
}

impl Sources {
    /// Reads the chunks, after those that were read earlier.
    fn read(store: &Store, earlier: Said, warnings: &mut Vec<MetaWarning>) -> Self {
        let mut sources = Self { said: earlier, pictures: Vec::new() };
        let Said { tags: [id3_tags, info_tags, bext_tags], points, labels, .. } = &mut sources.said;
        for chunk in store.chunks() {
            let body = store.get(chunk.body.clone());
            match (&chunk.name, body.split_first_chunk()) {
                (b"LIST" | b"list", Some((b"INFO", list))) => info_tags.extend(info::read_info(list)),
                (b"LIST" | b"list", Some((b"adtl", list))) => labels.extend(cue::read_adtl(list)),
                (b"cue ", _) => points.extend(cue::read_cue(body)),
                (b"bext", _) => bext_tags.extend(bext::read_bext(body)),
                (b"id3 " | b"ID3 ", _) => {
                    let id3 = id3::read_id3(body);
                    id3_tags.extend(id3.tags);
                    sources.pictures.extend(id3.pictures);
                    if let Some(what) = id3.damaged {
                        warnings.push(MetaWarning::Unreadable { chunk: printed(chunk.name), what: what.into() });
                    }
                }
                _ => {}
            }
        }
        sources
    }
}

/// A chunk's name for messages.
fn printed(name: [u8; 4]) -> String {
    name.escape_ascii().to_string().trim_end().to_owned()
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
