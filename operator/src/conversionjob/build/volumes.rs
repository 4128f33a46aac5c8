//! Which volumes a job's pods get, where they are mounted, and the folders below the mounts.

use crds::conversionjob::VolumeSource;
use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use crate::conversionjob::validate::{SourceUse, ValidatedJob, Volumes};

/// Name and mount of the source volume.
const SOURCE: &str = "source";
const SOURCE_MOUNT: &str = "/source";
/// Name and mount of the destination volume, where it is another.
const DESTINATION: &str = "destination";
const DESTINATION_MOUNT: &str = "/destination";
/// Folder of the records on the destination volume; below it, one folder a job.
const RECORDS: &str = ".flacship";

/// The volumes of a job's pods.
#[derive(Clone, Debug, PartialEq)]
pub struct PodVolumes {
    /// A pod volume for each distinct volume.
    pub volumes: Vec<Volume>,
    /// A mount for each.
    pub mounts: Vec<VolumeMount>,
    /// Where the worker finds the WAV files.
    pub source_dir: String,
    /// Where it writes the FLAC files.
    pub destination_dir: String,
    /// Where it keeps the job's records.
    pub records_dir: String,
}

/// The volumes of a job's pods. The source is mounted read-only only where the destination is another volume and nothing is
/// done to sources.
pub fn build_volumes(job: &ValidatedJob) -> PodVolumes {
    let Volumes { source, destination, on_source } = &job.volumes;
    let read_only = (*on_source == SourceUse::Read).then_some(true);
    let (volumes, mounts, destination_mount) = match destination {
        None => (vec![pod_volume(SOURCE, source)], vec![mount(SOURCE, SOURCE_MOUNT, read_only)], SOURCE_MOUNT),
        Some(destination) => (
            vec![pod_volume(SOURCE, source), pod_volume(DESTINATION, destination)],
            vec![mount(SOURCE, SOURCE_MOUNT, read_only), mount(DESTINATION, DESTINATION_MOUNT, None)],
            DESTINATION_MOUNT,
        ),
    };
    PodVolumes {
        volumes,
        mounts,
        source_dir: below(SOURCE_MOUNT, &job.source_path),
        destination_dir: below(destination_mount, &job.destination_path),
        records_dir: format!("{destination_mount}/{RECORDS}/{}", job.uid),
    }
}

/// A folder of the source's volume as the path in the pod that it is.
pub fn on_source_volume(path: &str) -> String {
    below(SOURCE_MOUNT, path)
}

/// A path in the pod as the path on the destination volume that it is.
pub fn on_destination_volume(path: &str) -> &str {
    [SOURCE_MOUNT, DESTINATION_MOUNT]
        .iter()
        .find_map(|mount| path.strip_prefix(mount)?.strip_prefix('/'))
        .unwrap_or(path)
}

fn below(mount: &str, path: &str) -> String {
    if path.is_empty() { mount.to_owned() } else { format!("{mount}/{path}") }
}

fn mount(name: &str, path: &str, read_only: Option<bool>) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), read_only, ..VolumeMount::default() }
}

fn pod_volume(name: &str, volume: &VolumeSource) -> Volume {
    // Without `..`: a kind of volume that joins the API does not compile until it is here.
    let VolumeSource { persistent_volume_claim, csi, nfs, host_path } = volume.clone();
    Volume { name: name.to_owned(), persistent_volume_claim, csi, nfs, host_path, ..Volume::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversionjob::fixtures::validated;

    fn built(spec: &str) -> PodVolumes {
        build_volumes(&validated(spec))
    }

    const NFS: &str = "{nfs: {server: nas, path: /flac}}";
    const TAPE: &str = "{persistentVolumeClaim: {claimName: tape}}";
    const TAPE_READ_ONLY: &str = "{persistentVolumeClaim: {claimName: tape, readOnly: true}}";

    #[test]
    fn each_combination_has_its_mounts() {
        let keep = "";
        let delete = ", encoding: {metadata: Foreign}, sourcePolicy: {type: DeleteAfterVerify}";
        let move_to = ", sourcePolicy: {type: MoveTo, path: done}";
        let with = |volume: &str| format!(", destination: {{volume: {volume}}}");
        let with_path = |volume: &str| format!(", destination: {{volume: {volume}, path: out}}");
        let one = |folder: &'static str| (folder, "/source", vec![("source", "/source", None)]);
        let two = |folder: &'static str, read_only| {
            let mounts = vec![("source", "/source", read_only), ("destination", "/destination", None)];
            (folder, "/destination", mounts)
        };
        for (source, destination, policy, (folder, on, mounts)) in [
            // Beside the source, or elsewhere on its volume: one writable mount, whatever becomes of sources.
            (TAPE, String::new(), keep, one("/source/shows")),
            (TAPE, String::new(), delete, one("/source/shows")),
            (TAPE, String::new(), move_to, one("/source/shows")),
            (TAPE, ", destination: {path: out}".to_owned(), keep, one("/source/out")),
            (TAPE, ", destination: {path: out}".to_owned(), delete, one("/source/out")),
            (TAPE, ", destination: {path: out}".to_owned(), move_to, one("/source/out")),
            // The same volume by name.
            (TAPE, with(TAPE), keep, one("/source")),
            (TAPE, with_path(TAPE), delete, one("/source/out")),
            (TAPE, with_path(TAPE), move_to, one("/source/out")),
            (TAPE_READ_ONLY, with_path(TAPE), keep, one("/source/out")),
            (TAPE_READ_ONLY, with_path(TAPE), move_to, one("/source/out")),
            (NFS, with_path(NFS), keep, one("/source/out")),
            // Another volume: the source is read-only where nothing is done to it.
            (TAPE, with(NFS), keep, two("/destination", Some(true))),
            (TAPE, with_path(NFS), keep, two("/destination/out", Some(true))),
            (TAPE, with_path(NFS), delete, two("/destination/out", None)),
            (TAPE, with_path(NFS), move_to, two("/destination/out", None)),
            (TAPE_READ_ONLY, with_path(NFS), keep, two("/destination/out", Some(true))),
            (NFS, with_path(TAPE), keep, two("/destination/out", Some(true))),
            (NFS, with_path(TAPE), delete, two("/destination/out", None)),
        ] {
            let pod = built(&format!("{{source: {{volume: {source}, path: shows}}{destination}{policy}}}"));
            let what = format!("{source}{destination}{policy}");
            let found: Vec<_> = pod
                .mounts
                .iter()
                .map(|mount| (mount.name.as_str(), mount.mount_path.as_str(), mount.read_only))
                .collect();
            assert_eq!(found, mounts, "{what}");
            let volumes: Vec<_> = pod.volumes.iter().map(|volume| volume.name.as_str()).collect();
            assert_eq!(volumes, mounts.iter().map(|mount| mount.0).collect::<Vec<_>>(), "{what}");
            assert_eq!((pod.source_dir.as_str(), pod.destination_dir.as_str()), ("/source/shows", folder), "{what}");
            assert_eq!(pod.records_dir, format!("{on}/.flacship/0c1d-uid"), "{what}");
            // A volume that is written to is not read-only by its own words.
            if mounts.len() == 1 && source != NFS {
                let claim = pod.volumes[0].persistent_volume_claim.as_ref().unwrap();
                assert_eq!((claim.claim_name.as_str(), claim.read_only), ("tape", None), "{what}");
            }
        }
    }

    #[test]
    fn each_kind_of_volume_reaches_the_pod() {
        let kind = |volume: &str| built(&format!("{{source: {{volume: {volume}}}}}")).volumes.remove(0);
        assert!(kind("{csi: {driver: smb.csi.k8s.io}}").csi.is_some());
        assert!(kind("{nfs: {server: nas, path: /}}").nfs.is_some());
        assert!(kind("{hostPath: {path: /srv}}").host_path.is_some());
        assert!(kind("{persistentVolumeClaim: {claimName: c}}").persistent_volume_claim.is_some());
    }

    #[test]
    fn sources_are_moved_to_a_folder_of_their_volume() {
        assert_eq!(on_source_volume("done/2026"), "/source/done/2026");
        assert_eq!(on_source_volume(""), "/source");
    }

    #[test]
    fn the_report_is_named_by_its_place_on_the_volume() {
        assert_eq!(on_destination_volume("/destination/.flacship/u/report.json"), ".flacship/u/report.json");
        assert_eq!(on_destination_volume("/source/.flacship/u/report.json"), ".flacship/u/report.json");
        assert_eq!(on_destination_volume("/sources/report.json"), "/sources/report.json");
    }
}
