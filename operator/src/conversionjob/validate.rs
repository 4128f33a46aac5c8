//! Step 1: from the resource as it was written to a job that can be built. Pure.
//!
//! The CRD's schema and CEL rules say most of this at `kubectl apply`; it is said again here, because a cluster may hold
//! an older CRD than this operator, and an endless retry is no answer to a contradiction.

use std::time::Duration;

use crds::conditions::JobReason;
use crds::conversionjob::{
    ConversionJob, ConversionJobSpec, Destination, Layout, Overwrite, Source, SourcePolicy, SourcePolicyType,
    VolumeSource,
};
use crds::podtemplate::PodTemplate;
use crds::shared::{Encoding, ImageSource, Metadata};

use crate::context::Config;
use crate::pods;

mod volumes;

pub use volumes::{SourceUse, Volumes};

/// A spec that contradicts itself. The text says what to change.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The apiserver sets these fields; without them nothing can be built.
    #[error("metadata.{0} is missing")]
    Metadata(&'static str),
    /// No volume, or several in one.
    #[error("{field} names {found} volumes: name exactly one of persistentVolumeClaim, csi, nfs and hostPath")]
    VolumeCount {
        /// Where in the spec.
        field: &'static str,
        /// How many are named.
        found: usize,
    },
    /// A claim without a name.
    #[error("{0}.persistentVolumeClaim.claimName is empty: name a claim in the job's namespace")]
    NoClaimName(&'static str),
    /// The FLAC files would go to a volume that is mounted read-only.
    #[error("{0} is readOnly, and the FLAC files go there: leave readOnly out, or name another destination.volume")]
    ReadOnlyDestination(&'static str),
    /// Sources would be taken away from a volume that is mounted read-only.
    #[error(
        "source.volume is readOnly, and sourcePolicy takes files away from it: leave readOnly out, or choose sourcePolicy Keep"
    )]
    ReadOnlySource,
    /// Sources would be moved to where they are.
    #[error(
        "sourcePolicy.path is the source folder itself: name another folder on the source's volume, or choose sourcePolicy Keep"
    )]
    MoveToSource,
    /// `sourcePolicy.path` without `MoveTo`, or the other way round.
    #[error("sourcePolicy.path goes with sourcePolicy MoveTo and with no other: give both or neither")]
    PolicyPath,
    /// Sources would be deleted that could not be made again.
    #[error(
        "sourcePolicy DeleteAfterVerify needs encoding.metadata Foreign, so that the identical WAV file can be made again: set it, or choose Keep or MoveTo"
    )]
    DeleteWithoutForeign,
    /// Two sources of one setting.
    #[error("converterRef takes the encoding of that AudioConverter: leave encoding or converterRef out")]
    TwoEncodings,
    /// The operator may not make pods that run as somebody else.
    #[error(
        "podTemplate.serviceAccountName is not allowed here: leave it out, or have the operator started with --allow-service-account-name=true"
    )]
    ServiceAccountName,
    /// The operator may not make pods that have a ServiceAccount's token.
    #[error(
        "podTemplate.volumes: {0:?} holds a token of a ServiceAccount, which is not allowed here: leave the volume out, or have the operator started with --allow-service-account-name=true"
    )]
    Token(String),
    /// The operator may not make pods that see a node's folders.
    #[error(
        "{0} is a hostPath, which is not allowed here: use another kind of volume, or have the operator started with --allow-host-path=true"
    )]
    HostPath(String),
    /// A path that leaves the volume, or none that a process can be given.
    #[error("{field} is {path:?}: write a path relative to the volume, without a leading /, .. or a NUL character")]
    Path {
        /// Where in the spec.
        field: &'static str,
        /// What is there.
        path: String,
    },
    /// A glob that no process can be given.
    #[error("{0} holds an empty glob or one with a NUL character: take it out")]
    Glob(&'static str),
    /// A number out of its bounds.
    #[error("{field} is {value}: write a number from {least} to {most}")]
    Number {
        /// Where in the spec.
        field: &'static str,
        /// What is there.
        value: i64,
        /// Smallest that is right.
        least: i64,
        /// Largest that is right.
        most: i64,
    },
}

impl Invalid {
    /// The reason of the conditions that tell of it.
    pub const fn reason(&self) -> JobReason {
        match self {
            Self::ServiceAccountName | Self::Token(_) | Self::HostPath(_) => JobReason::NotAllowed,
            _ => JobReason::InvalidSpec,
        }
    }
}

/// What the operator was started to allow.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// A podTemplate may name a ServiceAccount.
    pub service_account_name: bool,
    /// Pods may mount folders of a node.
    pub host_path: bool,
}

impl Allowed {
    /// What an operator with `config` allows.
    pub const fn by(config: &Config) -> Self {
        Self { service_account_name: config.allow_service_account_name, host_path: config.allow_host_path }
    }
}

/// A job that can be built.
#[derive(Clone, Debug)]
pub struct ValidatedJob {
    /// Name of the resource.
    pub name: String,
    /// Its namespace, where everything of it lives.
    pub namespace: String,
    /// Its unique id, which names the folder of its records.
    pub uid: String,
    /// The image as the resource asks for it.
    pub image: ImageSource,
    /// The volumes.
    pub volumes: Volumes,
    /// Folder on the source volume, without a slash at either end; empty for the whole volume.
    pub source_path: String,
    /// Folder on the destination volume, likewise.
    pub destination_path: String,
    /// Globs of the files to convert.
    pub include: Vec<String>,
    /// Globs of the files to leave out.
    pub exclude: Vec<String>,
    /// Where in the destination folder a FLAC lies.
    pub layout: Layout,
    /// What happens to a FLAC that exists.
    pub overwrite: Overwrite,
    /// What becomes of a source whose FLAC is safe.
    pub on_source: OnSource,
    /// How the FLAC is made, where the resource says so itself.
    pub encoding: Option<Encoding>,
    /// The AudioConverter whose settings the run takes.
    pub converter: Option<String>,
    /// Whether each FLAC is decoded and compared.
    pub verify: Verify,
    /// Pods at once.
    pub parallelism: i32,
    /// Pieces of work.
    pub shards: i32,
    /// How often a piece is tried again.
    pub retries: i32,
    /// Files that may fail.
    pub max_failed_files: Option<i64>,
    /// Longest time of the run, in seconds.
    pub deadline_seconds: Option<i64>,
    /// Whether the run is held.
    pub suspend: bool,
    /// How long the records stay after the report.
    pub records_ttl: Option<Duration>,
    /// What the user adds to the pods.
    pub pod_template: PodTemplate,
    /// What of it the operator was started not to allow. A run that has begun keeps what it has until it is allowed again.
    pub forbidden: Option<Invalid>,
}

/// What becomes of a source whose FLAC is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnSource {
    /// Nothing.
    Keep,
    /// It is deleted.
    Delete,
    /// It is moved to this folder of its volume; without a slash at either end, empty for the volume's root.
    MoveTo(String),
}

impl OnSource {
    /// Its spelling in the API and on the worker's command line.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Keep => SourcePolicyType::Keep.as_str(),
            Self::Delete => SourcePolicyType::DeleteAfterVerify.as_str(),
            Self::MoveTo(_) => SourcePolicyType::MoveTo.as_str(),
        }
    }
}

/// Whether each FLAC is decoded and compared with its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Bounds of `parallelism` and `shards`, as in the CRD.
const MOST_SHARDS: i32 = 1000;
/// Most tries of a shard after the first, as in the CRD.
const MOST_RETRIES: i32 = 100;

/// Checks a resource. What is not allowed is no error: the switches of an operator change, and a run may have begun before.
pub fn validate(job: &ConversionJob, allowed: Allowed) -> Result<ValidatedJob, Invalid> {
    // Destructured without `..`, so that a new field of the API does not compile until it is taken up here.
    let ConversionJobSpec {
        image,
        source: Source { volume: source_volume, path: source_path },
        destination,
        include,
        exclude,
        overwrite,
        source_policy,
        encoding,
        converter_ref,
        verify,
        parallelism,
        shards: _,
        retries: _,
        max_failed_files,
        active_deadline_seconds,
        suspend,
        // What becomes of the resource after its run: `ttl`.
        ttl_seconds_after_finished: _,
        records_ttl,
        pod_template,
    } = &job.spec;
    let name = job.metadata.name.clone().ok_or(Invalid::Metadata("name"))?;
    let namespace = job.metadata.namespace.clone().ok_or(Invalid::Metadata("namespace"))?;
    let uid = job.metadata.uid.clone().ok_or(Invalid::Metadata("uid"))?;

    let parallelism = number("parallelism", *parallelism, 1, MOST_SHARDS)?;
    let source_path = path("source.path", source_path.as_deref())?;
    let (destination_volume, destination_path, layout) = match destination {
        // Beside the source.
        None => (None, source_path.clone(), Layout::default()),
        Some(Destination { volume, path: folder, layout }) => {
            (volume.as_ref(), path("destination.path", folder.as_deref())?, *layout)
        }
    };
    let on_source = on_source(source_policy.as_ref(), &source_path)?;
    match (converter_ref, encoding) {
        (Some(_), Some(_)) => return Err(Invalid::TwoEncodings),
        // What the AudioConverter says is seen when the run begins.
        (Some(_), None) => {}
        (None, encoding) => {
            let metadata = encoding.as_ref().map(|encoding| encoding.metadata).unwrap_or_default();
            if on_source == OnSource::Delete && metadata != Metadata::Foreign {
                return Err(Invalid::DeleteWithoutForeign);
            }
        }
    }
    let pod_template = pod_template.clone().unwrap_or_default();
    let volumes = volumes::volumes(source_volume, destination_volume, &on_source)?;
    let forbidden = forbidden(&pod_template, source_volume, destination_volume, allowed);
    Ok(ValidatedJob {
        name,
        namespace,
        uid,
        image: image.clone(),
        volumes,
        source_path,
        destination_path,
        include: globs("include", include)?,
        exclude: globs("exclude", exclude)?,
        layout,
        overwrite: *overwrite,
        on_source,
        encoding: encoding.as_ref().map(checked).transpose()?,
        converter: converter_ref.as_ref().map(|converter| converter.name.clone()),
        verify: if *verify { Verify::Yes } else { Verify::No },
        parallelism,
        shards: number("shards", job.spec.shard_count(), parallelism, MOST_SHARDS)?,
        retries: number("retries.perShard", job.spec.retries_per_shard(), 0, MOST_RETRIES)?,
        max_failed_files: max_failed_files.map(|most| number("maxFailedFiles", most, 0, i64::MAX)).transpose()?,
        deadline_seconds: active_deadline_seconds
            .map(|seconds| number("activeDeadlineSeconds", seconds, 1, i64::MAX))
            .transpose()?,
        suspend: *suspend,
        records_ttl: records_ttl.as_ref().map(crds::Time::duration),
        pod_template,
        forbidden,
    })
}

fn on_source(policy: Option<&SourcePolicy>, source_path: &str) -> Result<OnSource, Invalid> {
    let Some(SourcePolicy { type_, path: folder }) = policy else { return Ok(OnSource::Keep) };
    match (type_, folder) {
        (SourcePolicyType::Keep, None) => Ok(OnSource::Keep),
        (SourcePolicyType::DeleteAfterVerify, None) => Ok(OnSource::Delete),
        (SourcePolicyType::MoveTo, Some(folder)) => {
            let folder = path("sourcePolicy.path", Some(folder))?;
            if folder == source_path {
                return Err(Invalid::MoveToSource);
            }
            Ok(OnSource::MoveTo(folder))
        }
        _ => Err(Invalid::PolicyPath),
    }
}

/// The first thing that is not allowed.
fn forbidden(
    template: &PodTemplate,
    source: &VolumeSource,
    destination: Option<&VolumeSource>,
    allowed: Allowed,
) -> Option<Invalid> {
    if template.service_account_name.is_some() && !allowed.service_account_name {
        return Some(Invalid::ServiceAccountName);
    }
    // The pods run as the namespace's own ServiceAccount, which may have been given rights.
    if let Some(volume) = pods::token_volume(template)
        && !allowed.service_account_name
    {
        return Some(Invalid::Token(volume.to_owned()));
    }
    if allowed.host_path {
        return None;
    }
    let added = template.volumes.iter().find(|volume| volume.host_path.is_some());
    let field = if let Some(volume) = added {
        format!("podTemplate.volumes: {:?}", volume.name)
    } else if source.host_path.is_some() {
        "source.volume".to_owned()
    } else if destination.is_some_and(|volume| volume.host_path.is_some()) {
        "destination.volume".to_owned()
    } else {
        return None;
    };
    Some(Invalid::HostPath(field))
}

/// The schema bounds these numbers too; an object may be older than a bound.
fn checked(encoding: &Encoding) -> Result<Encoding, Invalid> {
    number("encoding.compressionLevel", encoding.compression_level, 0, 8)?;
    if let Some(block_size) = encoding.block_size {
        number("encoding.blockSize", block_size, 16, 65_535)?;
    }
    Ok(encoding.clone())
}

fn number<N: Copy + PartialOrd + Into<i64>>(field: &'static str, value: N, least: N, most: N) -> Result<N, Invalid> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Invalid::Number { field, value: value.into(), least: least.into(), most: most.into() })
}

/// A path in its shortest spelling: no empty parts, no `.`, no slash at either end.
fn path(field: &'static str, path: Option<&str>) -> Result<String, Invalid> {
    let path = path.unwrap_or_default();
    if path.starts_with('/') || path.contains('\0') || path.split('/').any(|part| part == "..") {
        return Err(Invalid::Path { field, path: path.to_owned() });
    }
    Ok(path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/"))
}

fn globs(field: &'static str, globs: &[String]) -> Result<Vec<String>, Invalid> {
    if globs.iter().any(|glob| glob.is_empty() || glob.contains('\0')) {
        return Err(Invalid::Glob(field));
    }
    Ok(globs.to_vec())
}

#[cfg(test)]
mod tests;
