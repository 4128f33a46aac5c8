//! Which volumes a job's pods get, where they are mounted, and the folders below the mounts.

use crds::conversionjob::VolumeSource;
use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use crate::conversionjob::validate::{ValidatedJob, Volumes};

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

/// The volumes of a job's pods. The source is mounted read-only only where the destination is another volume.
pub fn build_volumes(job: &ValidatedJob) -> PodVolumes {
    let Volumes { source, destination } = &job.volumes;
    let (volumes, mounts, destination_mount) = match destination {
        None => (vec![pod_volume(SOURCE, source)], vec![mount(SOURCE, SOURCE_MOUNT, None)], SOURCE_MOUNT),
        Some(destination) => (
            vec![pod_volume(SOURCE, source), pod_volume(DESTINATION, destination)],
            vec![mount(SOURCE, SOURCE_MOUNT, Some(true)), mount(DESTINATION, DESTINATION_MOUNT, None)],
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

    fn built(source: &str, destination: Option<&str>) -> PodVolumes {
        let destination = destination.map(|destination| format!(", destination: {destination}")).unwrap_or_default();
        build_volumes(&validated(&format!("{{source: {source}{destination}}}")))
    }

    const TAPE: &str = "{volume: {persistentVolumeClaim: {claimName: tape}}, path: shows/2026}";

    #[test]
    fn one_volume_for_both_is_one_writable_mount() {
        for (destination, folder) in [
            (None, "/source/shows/2026"),
            (Some("{path: flac}"), "/source/flac"),
            (Some("{volume: {persistentVolumeClaim: {claimName: tape}}}"), "/source"),
        ] {
            let pod = built(TAPE, destination);
            assert_eq!(pod.volumes.len(), 1, "{destination:?}");
            assert_eq!(pod.volumes[0].persistent_volume_claim.as_ref().unwrap().claim_name, "tape");
            assert_eq!(pod.mounts.len(), 1);
            assert_eq!((pod.mounts[0].mount_path.as_str(), pod.mounts[0].read_only), ("/source", None));
            assert_eq!((pod.source_dir.as_str(), pod.destination_dir.as_str()), ("/source/shows/2026", folder));
            assert_eq!(pod.records_dir, "/source/.flacship/0c1d-uid");
        }
    }

    #[test]
    fn two_volumes_are_two_mounts_and_the_source_is_read_only() {
        let pod = built(TAPE, Some("{volume: {nfs: {server: nas, path: /flac}}, path: out}"));
        let names: Vec<_> = pod.volumes.iter().map(|volume| volume.name.as_str()).collect();
        assert_eq!(names, ["source", "destination"]);
        assert_eq!(pod.volumes[1].nfs.as_ref().unwrap().server, "nas");
        let mounts: Vec<_> =
            pod.mounts.iter().map(|mount| (mount.name.as_str(), mount.mount_path.as_str(), mount.read_only)).collect();
        assert_eq!(mounts, [("source", "/source", Some(true)), ("destination", "/destination", None)]);
        assert_eq!(pod.destination_dir, "/destination/out");
        assert_eq!(pod.records_dir, "/destination/.flacship/0c1d-uid");
    }

    #[test]
    fn each_kind_of_volume_reaches_the_pod() {
        let kind = |volume: &str| built(&format!("{{volume: {volume}}}"), None).volumes.remove(0);
        assert!(kind("{csi: {driver: smb.csi.k8s.io}}").csi.is_some());
        assert!(kind("{nfs: {server: nas, path: /}}").nfs.is_some());
        assert!(kind("{hostPath: {path: /srv}}").host_path.is_some());
        assert!(kind("{persistentVolumeClaim: {claimName: c}}").persistent_volume_claim.is_some());
    }

    #[test]
    fn the_report_is_named_by_its_place_on_the_volume() {
        assert_eq!(on_destination_volume("/destination/.flacship/u/report.json"), ".flacship/u/report.json");
        assert_eq!(on_destination_volume("/source/.flacship/u/report.json"), ".flacship/u/report.json");
        assert_eq!(on_destination_volume("/sources/report.json"), "/sources/report.json");
    }
}
