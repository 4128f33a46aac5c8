//! A volume whose files the test sees: a folder of the node, which is this machine, behind a PersistentVolume and a
//! claim, as restricted namespaces ask for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Namespace, converter, kubectl};

/// A folder with a PersistentVolume; both go away with it.
pub struct Volume {
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

    /// Makes a volume for a claim of this name that nobody has made yet.
    pub fn without_claim(namespace: &Namespace, claim: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("e2e-").tempdir_in(volumes()).expect("make a folder");
        let root = folder.path().join("volume");
        fs::create_dir(&root).expect("make the volume's folder");
        let name = format!("{}-{claim}", namespace.name());
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": { "name": name },
            "spec": {
                "capacity": { "storage": "1Gi" },
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
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
        Self { _folder: folder, root, name, namespace: namespace.name().to_owned(), claim: claim.to_owned() }
    }

    /// Makes the claim.
    pub fn claim(&self, namespace: &Namespace) {
        namespace.apply(&json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": self.claim },
            "spec": {
                "accessModes": ["ReadWriteMany"],
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
