//! Step 1: from the resource as it was written to a job that can be built. Pure.
//!
//! The CRD's schema and CEL rules say most of this at `kubectl apply`; it is said again here, because a cluster may hold
//! an older CRD than this operator, and an endless retry is no answer to a contradiction.

use crds::conversionjob::{ConversionJob, Overwrite, VolumeSource};
use crds::podtemplate::PodTemplate;
use crds::shared::{Encoding, ImageSource};

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
        value: i32,
        /// Smallest that is right.
        least: i32,
        /// Largest that is right.
        most: i32,
    },
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
    /// What happens to a FLAC that exists.
    pub overwrite: Overwrite,
    /// How the FLAC is made.
    pub encoding: Encoding,
    /// Whether each FLAC is decoded and compared.
    pub verify: Verify,
    /// Pods at once.
    pub parallelism: i32,
    /// Pieces of work.
    pub shards: i32,
    /// What the user adds to the pods.
    pub pod_template: PodTemplate,
}

/// Whether each FLAC is decoded and compared with its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// The volumes of a job: a pod volume for each distinct one.
#[derive(Clone, Debug, PartialEq)]
pub struct Volumes {
    /// Where the WAV files are.
    pub source: VolumeSource,
    /// Where the FLAC files go, if that is another volume.
    pub destination: Option<VolumeSource>,
}

impl Volumes {
    /// The volumes, the source first.
    pub fn iter(&self) -> impl Iterator<Item = &VolumeSource> {
        std::iter::once(&self.source).chain(&self.destination)
    }
}

/// Bounds of `parallelism` and `shards`, as in the CRD.
const MOST_SHARDS: i32 = 1000;

/// Checks a resource.
pub fn validate(job: &ConversionJob) -> Result<ValidatedJob, Invalid> {
    let spec = &job.spec;
    let name = job.metadata.name.clone().ok_or(Invalid::Metadata("name"))?;
    let namespace = job.metadata.namespace.clone().ok_or(Invalid::Metadata("namespace"))?;
    let uid = job.metadata.uid.clone().ok_or(Invalid::Metadata("uid"))?;

    let parallelism = number("parallelism", spec.parallelism, 1, MOST_SHARDS)?;
    let destination = spec.destination.as_ref();
    Ok(ValidatedJob {
        name,
        namespace,
        uid,
        image: spec.image.clone(),
        volumes: volumes(&spec.source.volume, destination.and_then(|destination| destination.volume.as_ref()))?,
        source_path: path("source.path", spec.source.path.as_deref())?,
        destination_path: match destination {
            // Beside the source.
            None => path("source.path", spec.source.path.as_deref())?,
            Some(destination) => path("destination.path", destination.path.as_deref())?,
        },
        include: globs("include", &spec.include)?,
        exclude: globs("exclude", &spec.exclude)?,
        overwrite: spec.overwrite,
        encoding: encoding(&spec.encoding)?,
        verify: if spec.verify { Verify::Yes } else { Verify::No },
        parallelism,
        shards: number("shards", spec.shard_count(), parallelism, MOST_SHARDS)?,
        pod_template: spec.pod_template.clone().unwrap_or_default(),
    })
}

/// The schema bounds these numbers too; an object may be older than a bound.
fn encoding(encoding: &Encoding) -> Result<Encoding, Invalid> {
    number("encoding.compressionLevel", encoding.compression_level, 0, 8)?;
    if let Some(block_size) = encoding.block_size {
        number("encoding.blockSize", block_size, 16, 65_535)?;
    }
    Ok(encoding.clone())
}

fn number(field: &'static str, value: i32, least: i32, most: i32) -> Result<i32, Invalid> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(Invalid::Number { field, value, least, most }) }
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

fn volumes(source: &VolumeSource, destination: Option<&VolumeSource>) -> Result<Volumes, Invalid> {
    check(source, "source.volume")?;
    let Some(destination) = destination else {
        if read_only(source) {
            return Err(Invalid::ReadOnlyDestination("source.volume"));
        }
        return Ok(Volumes { source: source.clone(), destination: None });
    };
    check(destination, "destination.volume")?;
    if read_only(destination) {
        return Err(Invalid::ReadOnlyDestination("destination.volume"));
    }
    if writable(source) == writable(destination) {
        // The destination's own words: the source's may say readOnly.
        return Ok(Volumes { source: destination.clone(), destination: None });
    }
    Ok(Volumes { source: source.clone(), destination: Some(destination.clone()) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversionjob::fixtures::job;

    const MINIMAL: &str = "source: {volume: {persistentVolumeClaim: {claimName: tape}}}";

    fn invalid(spec: &str) -> String {
        validate(&job(spec)).unwrap_err().to_string()
    }

    #[test]
    fn a_minimal_job_is_whole() {
        let job = validate(&job(MINIMAL)).unwrap();
        assert_eq!((job.name.as_str(), job.namespace.as_str()), ("night.shift-7", "attic"));
        assert_eq!((job.parallelism, job.shards, job.encoding.compression_level), (1, 1, 5));
        assert_eq!((job.source_path.as_str(), job.destination_path.as_str()), ("", ""));
        assert_eq!((job.verify, job.overwrite), (Verify::Yes, Overwrite::IfNewer));
        assert_eq!(job.volumes.destination, None);
    }

    #[test]
    fn paths_are_brought_to_one_spelling() {
        for (written, clean) in
            [("a", "a"), ("a//b/./c/", "a/b/c"), (".", ""), ("./-x y/$(HOME)", "-x y/$(HOME)"), ("..a/b..", "..a/b..")]
        {
            assert_eq!(path("source.path", Some(written)).unwrap(), clean);
        }
        for refused in ["/a", "a/../b", "..", "a\0b", "a/.."] {
            let text = path("source.path", Some(refused)).unwrap_err().to_string();
            assert!(text.contains("relative to the volume"), "{text}");
        }
    }

    #[test]
    fn without_a_destination_the_flac_lies_beside_its_source() {
        let validated = validate(&job("source: {volume: {nfs: {server: nas, path: /x}}, path: in/}")).unwrap();
        assert_eq!((validated.source_path.as_str(), validated.destination_path.as_str()), ("in", "in"));
        let validated =
            validate(&job("{source: {volume: {nfs: {server: nas, path: /x}}, path: in/}, destination: {path: out}}"))
                .unwrap();
        assert_eq!((validated.source_path.as_str(), validated.destination_path.as_str()), ("in", "out"));
        assert_eq!(validated.volumes.destination, None);
    }

    #[test]
    fn two_names_of_one_volume_are_one() {
        let with = |source: &str, destination: &str| {
            let spec = format!("{{source: {{volume: {source}}}, destination: {{volume: {destination}}}}}");
            validate(&job(&spec)).unwrap().volumes
        };
        let tape = "{persistentVolumeClaim: {claimName: tape}}";
        let tape_read_only = "{persistentVolumeClaim: {claimName: tape, readOnly: true}}";
        let nfs = "{nfs: {server: nas, path: /x}}";
        for (source, destination, distinct) in [
            (tape, tape, 1),
            (tape_read_only, tape, 1),
            (nfs, nfs, 1),
            ("{nfs: {server: nas, path: /x, readOnly: true}}", nfs, 1),
            (tape, "{persistentVolumeClaim: {claimName: flac}}", 2),
            (tape, nfs, 2),
            ("{nfs: {server: nas, path: /y}}", nfs, 2),
        ] {
            assert_eq!(with(source, destination).iter().count(), distinct, "{source} and {destination}");
        }
        let one = with(tape_read_only, tape);
        assert_eq!(one.source.persistent_volume_claim.unwrap().read_only, None, "the one volume is written to");
    }

    #[test]
    fn a_contradiction_says_what_to_change() {
        for (spec, words) in [
            ("source: {volume: {}}", "source.volume names 0 volumes: name exactly one"),
            (
                "source: {volume: {hostPath: {path: /a}, nfs: {server: nas, path: /x}}}",
                "source.volume names 2 volumes: name exactly one",
            ),
            ("source: {volume: {persistentVolumeClaim: {claimName: ''}}}", "claimName is empty"),
            (
                "source: {volume: {persistentVolumeClaim: {claimName: tape, readOnly: true}}}",
                "source.volume is readOnly",
            ),
            (
                "{source: {volume: {hostPath: {path: /a}}}, destination: {volume: {csi: {driver: d, readOnly: true}}}}",
                "destination.volume is readOnly",
            ),
            ("{source: {volume: {hostPath: {path: /a}}}, destination: {volume: {}}}", "destination.volume names 0"),
            ("{source: {volume: {hostPath: {path: /a}}, path: ../b}}", "source.path is \"../b\""),
            ("{source: {volume: {hostPath: {path: /a}}}, destination: {path: /b}}", "destination.path is \"/b\""),
            ("{source: {volume: {hostPath: {path: /a}}}, include: ['']}", "include holds an empty glob"),
            ("{source: {volume: {hostPath: {path: /a}}}, exclude: [\"a\\0b\"]}", "exclude holds"),
            ("{source: {volume: {hostPath: {path: /a}}}, parallelism: 0}", "parallelism is 0"),
            (
                "{source: {volume: {hostPath: {path: /a}}}, parallelism: 4, shards: 2}",
                "shards is 2: write a number from 4",
            ),
            ("{source: {volume: {hostPath: {path: /a}}}, encoding: {compressionLevel: 9}}", "compressionLevel is 9"),
        ] {
            let text = invalid(spec);
            assert!(text.contains(words), "{spec}\n{text}");
        }
    }
}
