//! How much a worker does at the same time in the memory that it may use: a pod on a machine of many cores has no more of it
//! than on a small one.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

/// What a file takes that is converted, beside its blocks and its metadata: buffers, and the decoder that verifies.
///
/// Measured, as are the next, with 8 channels of noise at 32 threads: 32 files took 395 MiB with blocks of 4096 samples and
/// 1,184 MiB with 65535; 20 files 271 MiB with 4096; 4 files 506 MiB and one file 155 MiB with 65535.
const FILE: u64 = 12 << 20;
/// Channels of the widest file.
const CHANNELS: u64 = 8;
/// What a file takes for each sample of a block that has a thread of its own,
const FILE_SAMPLE: u64 = 60;
/// and one that has more where there are some to share: blocks wait for all of them.
const SHARED_SAMPLE: u64 = 230;
/// What one more thread takes for each sample of a block.
const THREAD_SAMPLE: u64 = 10;
/// What a thread takes beside that.
const THREAD: u64 = 128 << 10;
/// What the process takes, for as many records as a shard often has.
const PROCESS: u64 = 32 << 20;

/// Threads that encode, and files that they work on at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crew {
    /// Threads, of all files together.
    pub threads: NonZeroUsize,
    /// Files at the same time.
    pub files: NonZeroUsize,
}

impl Crew {
    /// As much of this crew as the memory is for, with blocks of so many samples and so many bytes of a file's metadata. One
    /// file by one thread is always possible.
    #[must_use]
    pub fn within(self, memory: u64, block_size: u16, metadata: u64) -> Self {
        let block = u64::from(block_size) * CHANNELS;
        let file = |sample: u64| FILE + metadata + block * sample;
        let room = memory.saturating_sub(PROCESS);
        if self.files == self.threads && room / file(FILE_SAMPLE) >= self.files.get() as u64 {
            return self;
        }
        let (file, thread) = (file(SHARED_SAMPLE), THREAD + block * THREAD_SAMPLE);
        let so_many = |room: u64, each: u64, most: NonZeroUsize| {
            let fit = usize::try_from(room / each).unwrap_or(usize::MAX);
            NonZeroUsize::new(fit.min(most.get())).unwrap_or(NonZeroUsize::MIN)
        };
        // Threads come first: several work on one file if they have to, but none stands idle.
        let threads = so_many(room.saturating_sub(file), thread, self.threads);
        let files = so_many(room.saturating_sub(thread.saturating_mul(threads.get() as u64)), file, self.files);
        Self { threads, files }
    }
}

/// The memory that this process may use: most of what its control group has, as the rest goes to what the kernel keeps for
/// it. None where there is no bound.
///
/// A container sees its own control group at the root
/// (<https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files>; of version 1, `memory.limit_in_bytes`).
pub fn allowed() -> Option<u64> {
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .into_iter()
        .find_map(|file| bound(file.as_ref()))
}

fn bound(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    // `max`, or in version 1 a number that no machine has.
    let bytes: u64 = text.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes / 5 * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(threads: usize, files: usize) -> Crew {
        let some = |count| NonZeroUsize::new(count).unwrap();
        Crew { threads: some(threads), files: some(files) }
    }

    #[test]
    fn as_many_as_there_is_memory_for() {
        // The pods of a ConversionJob have 512 MiB.
        let pod = (512 << 20) / 5 * 4;
        for (asked, memory, block_size, expected) in [
            (crew(2, 2), pod, 4096, crew(2, 2)),
            (crew(21, 21), pod, 4096, crew(21, 21)),
            (crew(8, 8), pod, 65535, crew(8, 8)),
            (crew(32, 32), pod, 4096, crew(32, 15)),
            (crew(128, 128), pod, 4096, crew(128, 13)),
            (crew(32, 32), pod, 65535, crew(32, 1)),
            (crew(128, 128), pod, 65535, crew(48, 1)),
            (crew(32, 1), pod, 4096, crew(32, 1)),
            (crew(32, 32), 4 << 30, 65535, crew(32, 32)),
            (crew(32, 32), 0, 4096, crew(1, 1)),
            (crew(32, 32), u64::MAX, 65535, crew(32, 32)),
        ] {
            assert_eq!(asked.within(memory, block_size, 4 << 20), expected, "{asked:?} in {memory}, {block_size}");
        }
    }

    #[test]
    fn bounds_are_read_as_the_kernel_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.max");
        assert_eq!(bound(&file), None);
        for (text, expected) in
            [("max\n", None), ("9223372036854771712\n", None), ("536870912\n", Some(536_870_912 / 5 * 4)), ("", None)]
        {
            fs::write(&file, text).unwrap();
            assert_eq!(bound(&file), expected, "{text:?}");
        }
    }
}
