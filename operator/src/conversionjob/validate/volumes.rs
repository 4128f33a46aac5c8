//! Which volumes a job has, and what is contradictory about them.

use crds::conversionjob::VolumeSource;

use super::{Invalid, OnSource};

/// The volumes of a job: a pod volume for each distinct one.
#[derive(Clone, Debug, PartialEq)]
pub struct Volumes {
    /// Where the WAV files are.
    pub source: VolumeSource,
    /// Where the FLAC files go, if that is another volume.
    pub destination: Option<VolumeSource>,
    /// What the pods do to the source's volume.
    pub on_source: SourceUse,
}

/// What the pods do to the source's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceUse {
    /// They only read it.
    Read,
    /// They write FLAC files to it, or take sources away.
    Write,
}

impl Volumes {
    /// The volumes and what is done to each, the source first.
    pub fn iter(&self) -> impl Iterator<Item = (&VolumeSource, SourceUse)> {
        std::iter::once((&self.source, self.on_source))
            .chain(self.destination.iter().map(|destination| (destination, SourceUse::Write)))
    }
}

/// The distinct volumes of `source` and `destination`, where sources are handled by `policy`.
pub fn volumes(
    source: &VolumeSource,
    destination: Option<&VolumeSource>,
    policy: &OnSource,
) -> Result<Volumes, Invalid> {
    check(source, "source.volume")?;
    let one =
        |source: &VolumeSource| Volumes { source: source.clone(), destination: None, on_source: SourceUse::Write };
    let Some(destination) = destination else {
        if read_only(source) {
            return Err(Invalid::ReadOnlyDestination("source.volume"));
        }
        return Ok(one(source));
    };
    check(destination, "destination.volume")?;
    if read_only(destination) {
        return Err(Invalid::ReadOnlyDestination("destination.volume"));
    }
    if writable(source) == writable(destination) {
        // The destination's own words: the source's may say readOnly.
        return Ok(one(destination));
    }
    let on_source = match policy {
        OnSource::Keep => SourceUse::Read,
        OnSource::Delete | OnSource::MoveTo(_) if read_only(source) => return Err(Invalid::ReadOnlySource),
        OnSource::Delete | OnSource::MoveTo(_) => SourceUse::Write,
    };
    Ok(Volumes { source: source.clone(), destination: Some(destination.clone()), on_source })
}

fn check(volume: &VolumeSource, field: &'static str) -> Result<(), Invalid> {
    let VolumeSource { persistent_volume_claim, csi, nfs, host_path } = volume;
    let set = [persistent_volume_claim.is_some(), csi.is_some(), nfs.is_some(), host_path.is_some()];
    let found = set.into_iter().filter(|set| *set).count();
    if found != 1 {
        return Err(Invalid::VolumeCount { field, found });
    }
    if persistent_volume_claim.as_ref().is_some_and(|claim| claim.claim_name.is_empty()) {
        return Err(Invalid::NoClaimName(field));
    }
    Ok(())
}

/// Whether the volume's own words keep every pod from writing.
fn read_only(volume: &VolumeSource) -> bool {
    let VolumeSource { persistent_volume_claim, csi, nfs, host_path: _ } = volume;
    persistent_volume_claim.as_ref().and_then(|claim| claim.read_only).unwrap_or(false)
        || csi.as_ref().and_then(|csi| csi.read_only).unwrap_or(false)
        || nfs.as_ref().and_then(|nfs| nfs.read_only).unwrap_or(false)
}

/// The volume without a word about readOnly, to tell whether two are the same one.
fn writable(volume: &VolumeSource) -> VolumeSource {
    let mut volume = volume.clone();
    if let Some(claim) = &mut volume.persistent_volume_claim {
        claim.read_only = None;
    }
    if let Some(csi) = &mut volume.csi {
        csi.read_only = None;
    }
    if let Some(nfs) = &mut volume.nfs {
        nfs.read_only = None;
    }
    volume
}
