//! What may be asked of a worker, beside where and which shard.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use crate::bytesize::ByteSize;
use crate::convert::{self, Engine, Float, Level, Metadata};
use crate::file::{Existing, FileOptions, Times, Verify};
use crate::flac::BLOCK_SIZE;

use super::super::decide::Overwrite;
use super::memory::{self, Crew};
use super::policy::SourcePolicy;

/// How files are converted, and what becomes of their sources.
#[derive(Clone, Debug, clap::Args)]
pub struct Choices {
    /// What to do where a FLAC exists
    #[arg(long, value_name = "WHEN", default_value = "IfNewer")]
    pub overwrite: Overwrite,

    /// Compression level, 0 (fastest) to 8 (smallest)
    #[arg(long, value_name = "0-8", default_value_t)]
    pub level: Level,

    /// Which encoder makes the frames: native, portable or flacenc
    ///
    /// native is Flacship's own with the vector instructions of this CPU, and portable is the same one without them: it
    /// makes the same bytes, only more slowly. flacenc is the Rust crate of that name: other bytes, the same audio.
    #[arg(long, value_name = "ENGINE", default_value_t)]
    pub engine: Engine,

    /// Samples per channel in each FLAC frame, 16 to 65535
    #[arg(long, value_name = "N", default_value_t = BLOCK_SIZE, value_parser = clap::value_parser!(u16).range(16..))]
    pub block_size: u16,

    /// What is kept of a WAV file beside its audio: tags, or foreign for every byte of it
    #[arg(long, value_name = "tags|foreign", default_value_t)]
    pub metadata: Metadata,

    /// Most of one WAV file's metadata that is held in memory: bytes, or with Ki, Mi, Gi, Ti, k, M, G, T
    #[arg(long, value_name = "SIZE", default_value = "4Mi")]
    pub max_metadata: ByteSize,

    /// What becomes of floating-point samples: refuse, or quantise to 16 or 24 bits
    #[arg(long, value_name = "refuse|16|24", default_value_t)]
    pub float: Float,

    /// Threads that encode, of all files together; 0 is one for each core, or as many as --max-memory is for
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: u16,

    /// Files that are converted at the same time; 0 is one for each of the threads, or as many as --max-memory is for. While
    /// fewer are left, several threads encode one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub files_at_once: u16,

    /// Memory that the number of threads and files is chosen for, where they are not given; without it, most of what the
    /// control group (the container) may use, if that is bounded
    #[arg(long, value_name = "SIZE")]
    pub max_memory: Option<ByteSize>,

    /// Decode each FLAC and compare it with its source before it gets its name
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set, default_value_t = true)]
    pub verify: bool,

    /// What becomes of a source once its FLAC is safe
    #[arg(long, value_name = "POLICY", default_value = "Keep")]
    pub source_policy: SourcePolicy,

    /// Folder on the source's volume for the sources that MoveTo moves, in the same subfolders; made if it is missing
    #[arg(long, value_name = "DIR")]
    pub move_to: Option<PathBuf>,

    /// Give the run up when more files than this have failed, in all shards together
    #[arg(long, value_name = "N")]
    pub max_failed_files: Option<u64>,

    /// How long the files at hand may take to finish after SIGTERM; after that they are given up, to be converted by the
    /// next try
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub grace_seconds: u32,

    /// Address for GET /livez and GET /progress; without it there is none
    #[arg(long, value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
}

impl Choices {
    /// Threads, and files at the same time.
    pub fn crew(&self) -> Crew {
        let all = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (threads, files) = (NonZeroUsize::new(self.threads.into()), NonZeroUsize::new(self.files_at_once.into()));
        let most = threads.unwrap_or_else(all);
        let asked = Crew { threads: most, files: files.unwrap_or(most) };
        let memory = self.max_memory.map(|size| size.0).or_else(memory::allowed);
        let fits = memory.map_or(asked, |memory| asked.within(memory, self.block_size, self.max_metadata.0));
        Crew { threads: threads.unwrap_or(fits.threads), files: files.unwrap_or(fits.files) }
    }

    /// How one file is converted, by one thread.
    pub fn options(&self) -> FileOptions {
        let mut convert = convert::Options {
            level: self.level,
            engine: self.engine,
            block_size: self.block_size,
            ..convert::Options::default()
        };
        convert.metadata.keep = self.metadata;
        convert.metadata.limit = self.max_metadata.0;
        convert.rules.float = self.float;
        FileOptions {
            convert,
            verify: if self.verify { Verify::Yes } else { Verify::No },
            existing: Existing::Refuse,
            times: Times::Source,
        }
    }
}
