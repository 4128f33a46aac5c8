//! Writes one-layer container images as OCI image layout archives, without a Docker engine.
//!
//! The same input gives the same bytes: entries are sorted, owned by root and carry no time. The layer is an
//! uncompressed tar, so its digest is its diff ID. What goes into which image is decided elsewhere; loading an
//! archive into the local cluster is `cluster::images`.
//!
//! Formats: OCI image layout, manifest and config (`opencontainers/image-spec` v1.1). containerd's importer names
//! the image after the annotation [`NAME_ANNOTATION`] in `index.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Annotation in `index.json` from which containerd takes the full name of an imported image.
pub const NAME_ANNOTATION: &str = "io.containerd.image.name";

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// One path of the image's file system. Parent folders are made as needed, mode 0755.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File {
        /// Path in the image, with or without the leading slash.
        path: String,
        /// What the file holds.
        bytes: Vec<u8>,
        /// Permission bits, for example `0o755`.
        mode: u32,
    },
    /// A folder, where the default mode will not do (for example `/tmp`, `0o1777`).
    Folder {
        /// Path in the image, with or without the leading slash.
        path: String,
        /// Permission bits.
        mode: u32,
    },
}

impl Entry {
    /// A file with the content of `source` on this machine.
    pub fn copy(source: &Path, path: impl Into<String>, mode: u32) -> Result<Self> {
        let bytes = std::fs::read(source).with_context(|| format!("read {}", source.display()))?;
        Ok(Self::File { path: path.into(), bytes, mode })
    }

    fn path(&self) -> &str {
        let (Self::File { path, .. } | Self::Folder { path, .. }) = self;
        path.trim_matches('/')
    }
}

/// How a container of the image starts, as in the OCI image config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Command that always runs.
    pub entrypoint: Vec<String>,
    /// Default arguments, replaced by a pod's `args`.
    pub cmd: Vec<String>,
    /// `uid` or `uid:gid`; a numeric one, or Kubernetes cannot check `runAsNonRoot`. Empty: root.
    pub user: String,
    /// Environment, in order.
    pub env: Vec<(String, String)>,
    /// Ports as `8080/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// Image labels (`org.opencontainers.image.*`).
    pub labels: BTreeMap<String, String>,
    /// Folder in which the command starts. Empty: `/`.
    pub working_dir: String,
}

/// An image to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Full name with registry host and tag: `flacship.dev/converter:0.1.0`. The CRI looks images up by their full
    /// name, so a short one would be imported and never found.
    pub name: String,
    /// What is in it.
    pub entries: Vec<Entry>,
    /// How it starts.
    pub config: Config,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Digest of the manifest, `sha256:…`.
    pub digest: String,
    /// Bytes of the layer, that is, of the unpacked image.
    pub layer_bytes: u64,
}

/// Writes `image` as an archive to `file`, by way of a neighbour that is renamed, so that a reader never sees half of it.
///
/// # Errors
/// If the image's name or an entry's path is not valid, or the file cannot be written.
pub fn write(image: &Image, file: &Path) -> Result<Written> {
    let (bytes, written) = archive(image)?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let partial = file.with_extension("partial");
    std::fs::write(&partial, bytes).with_context(|| format!("write {}", partial.display()))?;
    std::fs::rename(&partial, file).with_context(|| format!("rename to {}", file.display()))?;
    Ok(written)
}

/// The archive's bytes.
///
/// # Errors
/// If the image's name or an entry's path is not valid.
pub fn archive(image: &Image) -> Result<(Vec<u8>, Written)> {
    check_name(&image.name)?;
    let layer = Blob::new(layer(&image.entries)?);
    let config = Blob::new(serde_json::to_vec(&config_json(&image.config, &layer.digest))?);
    let manifest = Blob::new(serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(CONFIG_TYPE),
        "layers": [layer.descriptor(LAYER_TYPE)],
    }))?);
    let mut named = manifest.descriptor(MANIFEST_TYPE);
    let tag = image.name.rsplit(':').next().unwrap_or_default();
    named["annotations"] = json!({ NAME_ANNOTATION: image.name, "org.opencontainers.image.ref.name": tag });
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [named],
    }))?;
    let marker = br#"{"imageLayoutVersion":"1.0.0"}"#;

    let mut tar = tar::Builder::new(Vec::new());
    append_file(&mut tar, "oci-layout", marker, 0o644)?;
    append_file(&mut tar, "index.json", &index, 0o644)?;
    for blob in [&manifest, &config, &layer] {
        append_file(&mut tar, &blob.path(), &blob.bytes, 0o644)?;
    }
    let written = Written { digest: manifest.digest, layer_bytes: layer.bytes.len() as u64 };
    Ok((tar.into_inner()?, written))
}

/// A content-addressed piece of the image; its digest is taken once, because layers are large.
struct Blob {
    bytes: Vec<u8>,
    /// `sha256:…`.
    digest: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", hex(&Sha256::digest(&bytes)));
        Self { bytes, digest }
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.bytes.len() })
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }
}

fn layer(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut by_path: BTreeMap<String, Option<&Entry>> = BTreeMap::new();
    for entry in entries {
        let path = entry.path();
        ensure!(
            !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | "..")),
            "`{path}` is no path in an image: give one like `/bin/tool`"
        );
        for (end, _) in path.match_indices('/') {
            by_path.entry(path[..end].to_owned()).or_insert(None);
        }
        let before = by_path.insert(path.to_owned(), Some(entry));
        ensure!(!matches!(before, Some(Some(_))), "`{path}` is given twice");
    }
    let mut tar = tar::Builder::new(Vec::new());
    // A sorted map lists a folder before what is in it.
    for (path, entry) in &by_path {
        match entry {
            Some(Entry::File { bytes, mode, .. }) => append_file(&mut tar, path, bytes, *mode)?,
            Some(Entry::Folder { mode, .. }) => append_folder(&mut tar, path, *mode)?,
            None => append_folder(&mut tar, path, 0o755)?,
        }
    }
    Ok(tar.into_inner()?)
}

fn append_file(tar: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let mut header = header(tar::EntryType::Regular, mode);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, path, bytes).with_context(|| format!("pack {path}"))
}

fn append_folder(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32) -> Result<()> {
    let mut header = header(tar::EntryType::Directory, mode);
    header.set_size(0);
    tar.append_data(&mut header, format!("{path}/"), std::io::empty()).with_context(|| format!("pack {path}"))
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn config_json(config: &Config, layer_digest: &str) -> Value {
    let mut inner = json!({});
    let mut put = |key: &str, value: Value, empty: bool| {
        if !empty {
            inner[key] = value;
        }
    };
    let env: Vec<String> = config.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let ports: BTreeMap<&String, Value> = config.exposed_ports.iter().map(|port| (port, json!({}))).collect();
    put("User", json!(config.user), config.user.is_empty());
    put("ExposedPorts", json!(ports), ports.is_empty());
    put("Env", json!(env), env.is_empty());
    put("Entrypoint", json!(config.entrypoint), config.entrypoint.is_empty());
    put("Cmd", json!(config.cmd), config.cmd.is_empty());
    put("WorkingDir", json!(config.working_dir), config.working_dir.is_empty());
    put("Labels", json!(config.labels), config.labels.is_empty());
    json!({
        "architecture": architecture(),
        "os": "linux",
        "config": inner,
        "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
    })
}

/// The name that Go, and so every container tool, has for this machine's processor.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn check_name(name: &str) -> Result<()> {
    let (host, rest) = name.split_once('/').unwrap_or(("", name));
    let full = (host == "localhost" || host.contains(['.', ':'])) && rest.contains(':') && !rest.ends_with(':');
    ensure!(full, "image name `{name}`: give the full one with registry host and tag, like flacship.dev/converter:dev");
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Read as _;

    fn image() -> Image {
        Image {
            name: "example.test/tool:7".into(),
            entries: vec![
                Entry::File { path: "/usr/bin/tool".into(), bytes: b"#!".to_vec(), mode: 0o755 },
                Entry::Folder { path: "/tmp".into(), mode: 0o1777 },
            ],
            config: Config {
                entrypoint: vec!["/usr/bin/tool".into()],
                user: "65532:65532".into(),
                env: vec![("A".into(), "b".into())],
                exposed_ports: ["8080/tcp".to_owned()].into(),
                ..Config::default()
            },
        }
    }

    fn unpack(bytes: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mode = entry.header().mode().unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, (mode, content));
        }
        files
    }

    #[test]
    fn same_input_gives_same_bytes_whatever_the_order() {
        let mut turned = image();
        turned.entries.reverse();
        assert_eq!(archive(&image()).unwrap(), archive(&turned).unwrap());
    }

    #[test]
    fn the_index_leads_to_the_files() {
        let (bytes, written) = archive(&image()).unwrap();
        let files = unpack(&bytes);
        let json = |path: &str| serde_json::from_slice::<Value>(&files[path].1).unwrap();
        let blob = |descriptor: &Value| {
            let path = format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"));
            assert_eq!(files[&path].1.len() as u64, descriptor["size"].as_u64().unwrap());
            path
        };
        let index = json("index.json");
        let manifest_descriptor = &index["manifests"][0];
        assert_eq!(manifest_descriptor["annotations"][NAME_ANNOTATION], "example.test/tool:7");
        assert_eq!(manifest_descriptor["digest"], written.digest);
        let manifest = json(&blob(manifest_descriptor));
        let config = json(&blob(&manifest["config"]));
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        assert_eq!(
            config["config"],
            json!({"User": "65532:65532", "Env": ["A=b"], "Entrypoint": ["/usr/bin/tool"], "ExposedPorts": {"8080/tcp": {}}})
        );
        let layer = unpack(&files[&blob(&manifest["layers"][0])].1);
        let listed: Vec<(&str, u32)> = layer.iter().map(|(path, (mode, _))| (path.as_str(), *mode)).collect();
        assert_eq!(listed, [("tmp/", 0o1777), ("usr/", 0o755), ("usr/bin/", 0o755), ("usr/bin/tool", 0o755)]);
    }

    #[test]
    fn short_names_and_stray_paths_are_refused() {
        for name in ["tool", "tool:7", "example.test/tool", "library/tool:7", "example.test/tool:"] {
            assert!(archive(&Image { name: name.into(), ..image() }).is_err(), "{name}");
        }
        for path in ["", "/", "a/../b", "a//b"] {
            let entries = vec![Entry::Folder { path: path.into(), mode: 0o755 }];
            assert!(archive(&Image { entries, ..image() }).is_err(), "{path}");
        }
        let mut twice = image();
        twice.entries.push(Entry::Folder { path: "tmp/".into(), mode: 0o755 });
        assert!(archive(&twice).is_err());
    }
}
