//! What the stages write down: the lines of the plan, the lines of the results, and `plan.json`. How they are written
//! and read back is in `journal` and `atomic`; where they lie is in `store`.

use std::fs::Metadata;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::path::RecordPath;
use crate::file::Seen;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Time of the last change in nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl Stamp {
    /// The stamp of a file.
    pub fn of(metadata: &Metadata) -> Self {
        let Seen { size, mtime_ns } = Seen::of(metadata);
        Self { size, mtime_ns }
    }

    /// The same for who writes files.
    pub fn seen(self) -> Seen {
        Seen { size: self.size, mtime_ns: self.mtime_ns }
    }
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word in `snake_case`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Failure {
    /// A failure of that reason.
    pub fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into() }
    }
}

/// A line of `plan/shard-….jsonl`: one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The source, below the source root.
    #[serde(flatten)]
    pub path: RecordPath,
    /// The source when it was planned.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// Set for a file that the plan already knows cannot be converted, `name_collision` say. The worker copies it
    /// into the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Failure>,
}

/// `plan/plan.json`: written last, so where it is the plan is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What was planned.
    pub order: Order,
    /// Files, refused ones included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of each shard.
    pub shard_files: Vec<u64>,
    /// Bytes of each shard.
    pub shard_bytes: Vec<u64>,
    /// When, RFC 3339.
    pub planned_at: String,
}

/// What decides a plan: the same order gives the same plan of the same source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The source root, as asked for.
    pub source: String,
    /// Globs of files to take.
    pub include: Vec<String>,
    /// Globs of files to leave out.
    pub exclude: Vec<String>,
    /// Number of shards.
    pub shards: usize,
    /// Where FLACs go at the destination.
    pub layout: Layout,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its FLAC was written.
    Converted,
    /// Its FLAC was there.
    Skipped,
    /// There is no FLAC of it; `reason` and `message` say why.
    Failed,
}

/// Something odd about a file that was converted all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// A stable word in `snake_case`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// What became of a source after its FLAC was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceFate {
    /// It was deleted.
    Deleted,
    /// It was moved to where the source policy says.
    Moved,
}

/// A line of `results/shard-….jsonl`. A later line of the same file replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Which file: the number of its line in the shard's plan, from 0.
    pub n: u64,
    /// The source, below the source root.
    #[serde(flatten)]
    pub path: RecordPath,
    /// What became of it.
    pub outcome: Outcome,
    /// Size of the source in bytes.
    pub input_bytes: u64,
    /// Time of the source's last change when it was read, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Size of the FLAC in bytes; 0 if there is none.
    pub output_bytes: u64,
    /// Samples of each channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// MD5 of the samples, in hex, as in STREAMINFO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// Why it failed or was skipped: a stable word in `snake_case`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What was odd about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Notice>,
    /// How long it took.
    pub seconds: f64,
    /// What the source policy has done with the source; absent while it is where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceFate>,
}

impl Done {
    /// A record of a file that has no FLAC.
    pub fn failed(n: u64, path: RecordPath, source: Stamp, failure: Failure) -> Self {
        Self {
            reason: Some(failure.reason),
            message: Some(failure.message),
            ..Self::blank(n, path, source, Outcome::Failed)
        }
    }

    /// A record with only the source filled in.
    pub fn blank(n: u64, path: RecordPath, source: Stamp, outcome: Outcome) -> Self {
        Self {
            n,
            path,
            outcome,
            input_bytes: source.size,
            mtime_ns: source.mtime_ns,
            output_bytes: 0,
            samples: None,
            md5: None,
            reason: None,
            message: None,
            warnings: Vec::new(),
            seconds: 0.0,
            source: None,
        }
    }

    /// The source as it was read.
    pub fn stamp(&self) -> Stamp {
        Stamp { size: self.input_bytes, mtime_ns: self.mtime_ns }
    }
}

/// Files by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Files whose FLAC was written.
    pub converted: u64,
    /// Files whose FLAC was there.
    pub skipped: u64,
    /// Files without a FLAC.
    pub failed: u64,
}

impl Counts {
    /// Counts one more file.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Converted => self.converted += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Failed => self.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn lines_read_as_the_protocol_says() {
        let path = RecordPath::new(Path::new("a/b.wav")).unwrap();
        let stamp = Stamp { size: 44, mtime_ns: -5 };
        let planned = Planned { path: path.clone(), stamp, refused: None };
        let line = serde_json::to_string(&planned).unwrap();
        assert_eq!(line, r#"{"path":"a/b.wav","size":44,"mtime_ns":-5}"#);
        assert_eq!(serde_json::from_str::<Planned>(&line).unwrap(), planned);

        let failed = Done::failed(7, path, stamp, Failure::new("not_wav", "no RIFF"));
        let line = serde_json::to_string(&failed).unwrap();
        assert_eq!(
            line,
            r#"{"n":7,"path":"a/b.wav","outcome":"failed","input_bytes":44,"mtime_ns":-5,"output_bytes":0,"reason":"not_wav","message":"no RIFF","seconds":0.0}"#
        );
        assert_eq!(serde_json::from_str::<Done>(&line).unwrap(), failed);

        for (fate, word) in [(SourceFate::Deleted, "deleted"), (SourceFate::Moved, "moved")] {
            let done = Done { source: Some(fate), ..failed.clone() };
            let line = serde_json::to_string(&done).unwrap();
            assert!(line.ends_with(&format!(r#","source":"{word}"}}"#)), "{line}");
            assert_eq!(serde_json::from_str::<Done>(&line).unwrap(), done);
        }
    }
}
