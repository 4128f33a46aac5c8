//! A volume whose files the test sees: a folder of the node, which is this machine, behind a PersistentVolume and a
//! claim, as restricted namespaces ask for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Namespace, converter, kubectl};

/// A folder with a PersistentVolume; both go away with it.
pub struct Volume {
    /// A file system of its own, if it has one. It goes before the folder that it is mounted in.
    _mount: Option<Mount>,
    /// Outer folder: only root looks into it.
    _folder: TempDir,
    root: PathBuf,
    name: String,
    namespace: String,
    claim: String,
}

impl Volume {
    /// Makes a volume for a claim of this name and the claim itself.
    pub fn with_claim(namespace: &Namespace, claim: &str) -> Self {
        let volume = Self::without_claim(namespace, claim);
        volume.claim(namespace);
        volume
    }

    /// Makes a volume that holds so many bytes and no more, and its claim.
    pub fn of_size(namespace: &Namespace, claim: &str, bytes: u64) -> Self {
        let volume = Self::make(namespace, claim, Some(bytes), &["ReadWriteOnce", "ReadWriteMany"]);
        volume.claim(namespace);
        volume
    }

    /// Makes a volume with these access modes and a claim of them.
    pub fn with_modes(namespace: &Namespace, claim: &str, modes: &[&str]) -> Self {
        let volume = Self::make(namespace, claim, None, modes);
        volume.claim_with(namespace, modes);
        volume
    }

    /// Makes a volume for a claim of this name that nobody has made yet.
    pub fn without_claim(namespace: &Namespace, claim: &str) -> Self {
        Self::make(namespace, claim, None, &["ReadWriteOnce", "ReadWriteMany"])
    }

    /// Makes a volume and a claim that gets it once a pod needs it: its class waits for the first consumer.
    pub fn waiting(namespace: &Namespace, claim: &str) -> Self {
        let volume = Self::without_claim(namespace, claim);
        // The volume's name, as both are of the whole cluster.
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": volume.name },
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
        });
        kubectl::run("create -f -", Some(&class.to_string())).unwrap();
        let in_class = json!({ "spec": { "storageClassName": volume.name, "claimRef": null } });
        let patch = in_class.to_string();
        kubectl::run_words(&["patch", "pv", &volume.name, "--type=merge", "-p", &patch], None).unwrap();
        namespace.apply(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": claim },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": volume.name,
                "resources": { "requests": { "storage": "1Gi" } },
            },
        }));
        volume
    }

    fn make(namespace: &Namespace, claim: &str, bytes: Option<u64>, modes: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("e2e-").tempdir_in(volumes()).expect("make a folder");
        let root = folder.path().join("volume");
        fs::create_dir(&root).expect("make the volume's folder");
        let mount = bytes.map(|bytes| Mount::of_size(&root, bytes));
        let name = format!("{}-{claim}", namespace.name());
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": { "name": name },
            "spec": {
                "capacity": { "storage": "1Gi" },
                "accessModes": modes,
                "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": { "namespace": namespace.name(), "name": claim },
                "local": { "path": root },
                "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [{
                    "key": "kubernetes.io/hostname", "operator": "In", "values": [converter::node().name],
                }] }] } },
            },
        });
        kubectl::run("create -f -", Some(&manifest.to_string())).unwrap();
        Self {
            _mount: mount,
            _folder: folder,
            root,
            name,
            namespace: namespace.name().to_owned(),
            claim: claim.to_owned(),
        }
    }

    /// Makes the claim.
    pub fn claim(&self, namespace: &Namespace) {
        self.claim_with(namespace, &["ReadWriteMany"]);
    }

    fn claim_with(&self, namespace: &Namespace, modes: &[&str]) {
        namespace.apply(&json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": self.claim },
            "spec": {
                "accessModes": modes,
                "storageClassName": "",
                "volumeName": self.name,
                "resources": { "requests": { "storage": "1Gi" } },
            },
        }));
    }

    /// The volume's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a folder of the volume (and those above it) with this mode and owner.
    pub fn folder(&self, path: &str, mode: u32, owner: Option<(u32, u32)>) -> PathBuf {
        let mut at = self.root.clone();
        own(&at, mode, owner);
        for part in Path::new(path).components() {
            at.push(part);
            if !at.exists() {
                fs::create_dir(&at).expect("make a folder");
                own(&at, mode, owner);
            }
        }
        at
    }

    /// A ConversionJob's `volume` of this claim.
    pub fn source(&self) -> Value {
        json!({ "persistentVolumeClaim": { "claimName": self.claim } })
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // The volume outlives its claim, which the namespace takes with it a moment later.
        println!("volume {} of {}", self.name, self.namespace);
        kubectl::run(&format!("delete pv {} --wait=false", self.name), None);
        kubectl::run(&format!("delete storageclass {} --ignore-not-found", self.name), None);
    }
}

/// A file system in memory; dropping it unmounts it.
struct Mount(PathBuf);

impl Mount {
    fn of_size(at: &Path, bytes: u64) -> Self {
        let options = format!("size={bytes},mode=777");
        mount(Some("flacship-e2e"), at, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .expect("mount a tmpfs");
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A pod may still have it; then it goes with the pod.
        if let Err(error) = umount2(&self.0, MntFlags::MNT_DETACH) {
            println!("{} stays mounted: {error}", self.0.display());
        }
    }
}

/// The folder for volumes of the local cluster, beside its kubeconfig, which goes with the cluster whatever happens.
fn volumes() -> PathBuf {
    let kubeconfig = std::env::var_os("KUBECONFIG").expect("`make e2e` sets KUBECONFIG");
    let folder = PathBuf::from(kubeconfig).with_file_name("volumes");
    assert!(folder.is_dir(), "{} is no folder: is this the local cluster?", folder.display());
    folder
}

/// Sets the mode and the owner (user and group) of a file or folder.
pub fn own(path: &Path, mode: u32, owner: Option<(u32, u32)>) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set the mode");
    if let Some((user, group)) = owner {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("set the owner");
    }
}
