//! What to do with one file: a pure function of what was asked, the source, the record and what is at the destination.

use super::records::Stamp;

/// What to do where a FLAC exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Overwrite {
    /// Convert again if the source's size or time differs from this run's record of it; without a record, if the
    /// source is newer than the FLAC. Where sources are deleted a FLAC that is older stays: it may be all that is left
    #[default]
    IfNewer,
    /// Leave whatever exists
    Never,
    /// Convert every file, but each only once in a run
    Always,
}

/// What is at the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Missing,
    /// A file.
    File(Stamp),
    /// A folder or the like.
    Other,
}

/// What to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The record of an earlier try holds.
    Keep,
    /// Record it as skipped, for this reason.
    Skip(SkipReason),
    /// Convert; if a FLAC appears meanwhile, it stays.
    Create,
    /// Convert and replace the FLAC.
    Replace,
    /// What is at the destination is no file.
    Refuse,
    /// Leave it for now: somebody is still writing the source.
    Wait,
}

/// Why a file is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// The FLAC is as new as the source.
    UpToDate,
    /// The FLAC exists, and nothing that exists is touched.
    Exists,
}

impl SkipReason {
    /// The word for records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "up_to_date",
            Self::Exists => "exists",
        }
    }
}

/// Decides. `seen` is the source as it was when it was looked at before: by the plan, or by a try that failed. `recorded` is
/// the source as this run's record says it was converted or skipped.
///
/// A source that is not as it was seen is still being written, or was a moment ago: half a recording must not become a
/// FLAC, let alone be deleted. The next try takes it if it has stayed as it is.
///
/// A FLAC carries the time of its source, so equal times are a FLAC that is up to date, and a source of which an older
/// state was converted is newer. Times are compared to the nanosecond: on a destination that keeps coarser times a
/// source can look newer and be converted once more, which costs time; the other way round would keep a stale FLAC.
pub fn decide(overwrite: Overwrite, source: Stamp, seen: Stamp, recorded: Option<Stamp>, target: Target) -> Decision {
    match settle(overwrite, source, recorded, target) {
        Decision::Create | Decision::Replace if recorded.is_none() && source != seen => Decision::Wait,
        decision => decision,
    }
}

/// Decides on a source that nobody is writing.
fn settle(overwrite: Overwrite, source: Stamp, recorded: Option<Stamp>, target: Target) -> Decision {
    let Target::File(flac) = target else {
        return if target == Target::Missing { Decision::Create } else { Decision::Refuse };
    };
    match (overwrite, recorded) {
        (_, Some(recorded)) if recorded == source => Decision::Keep,
        (Overwrite::Never, Some(_)) => Decision::Keep,
        (Overwrite::Never, None) => Decision::Skip(SkipReason::Exists),
        (Overwrite::IfNewer, None) if source.mtime_ns <= flac.mtime_ns => Decision::Skip(SkipReason::UpToDate),
        (Overwrite::IfNewer | Overwrite::Always, _) => Decision::Replace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    const fn stamp(size: u64, mtime_ns: i64) -> Stamp {
        Stamp { size, mtime_ns }
    }

    #[test]
    fn table() {
        use Overwrite::{Always, IfNewer, Never};
        let source = stamp(100, 50);
        let flac = |mtime| Target::File(stamp(60, mtime));
        let (same, resized, moved) = (Some(source), Some(stamp(99, 50)), Some(stamp(100, 70)));
        let (up_to_date, exists) = (Decision::Skip(SkipReason::UpToDate), Decision::Skip(SkipReason::Exists));
        for (overwrite, recorded, target, wanted) in [
            (IfNewer, None, Target::Missing, Decision::Create),
            (Never, None, Target::Missing, Decision::Create),
            (Always, None, Target::Missing, Decision::Create),
            // A record does not stand for a FLAC that somebody removed.
            (IfNewer, same, Target::Missing, Decision::Create),
            (Never, same, Target::Missing, Decision::Create),
            (IfNewer, None, flac(49), Decision::Replace),
            (IfNewer, None, flac(50), up_to_date),
            (IfNewer, None, flac(51), up_to_date),
            (IfNewer, same, flac(50), Decision::Keep),
            (IfNewer, same, flac(49), Decision::Keep),
            // The record knows of changes that the times do not show.
            (IfNewer, resized, flac(50), Decision::Replace),
            (IfNewer, moved, flac(70), Decision::Replace),
            (Never, None, flac(49), exists),
            (Never, None, flac(51), exists),
            (Never, moved, flac(50), Decision::Keep),
            (Always, None, flac(51), Decision::Replace),
            (Always, same, flac(50), Decision::Keep),
            (Always, moved, flac(50), Decision::Replace),
            (IfNewer, None, Target::Other, Decision::Refuse),
            (Never, same, Target::Other, Decision::Refuse),
            (Always, None, Target::Other, Decision::Refuse),
        ] {
            let decision = decide(overwrite, source, source, recorded, target);
            assert_eq!(decision, wanted, "{overwrite:?} {recorded:?} {target:?}");
            // Only what would be read for the first time has to have stayed as it was.
            let reads = recorded.is_none() && matches!(wanted, Decision::Create | Decision::Replace);
            for seen in [stamp(99, 50), stamp(100, 49)] {
                let decision = decide(overwrite, source, seen, recorded, target);
                assert_eq!(decision, if reads { Decision::Wait } else { wanted }, "{overwrite:?} {seen:?} {target:?}");
            }
        }
    }

    #[test]
    fn spelled_as_in_the_api() {
        for (text, value) in
            [("IfNewer", Overwrite::IfNewer), ("Never", Overwrite::Never), ("Always", Overwrite::Always)]
        {
            assert_eq!(Overwrite::from_str(text, false), Ok(value));
        }
    }
}
