//! Makes Flacship's images without a Docker engine: the root file systems are those that `make binaries` built, the
//! way a container starts is what the `Dockerfile` says. The archive format is [`crate::oci`]'s; loading the archives
//! into the local cluster is `cluster load`'s.

pub mod dockerfile;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::oci::{self, Entry, Image};

/// Registry host of every image name; no server answers there, so an image is never pulled by mistake.
pub const REGISTRY: &str = "flacship.dev";
/// Tag of the latest local build, which the manifests name.
pub const LOCAL_TAG: &str = "dev";
/// Folder of the build stage in which the Dockerfile has `make binaries` put its results.
const BUILD_STAGE_DIST: &str = "/out/";
/// Hex digits of the content's digest in the second tag.
const DIGEST_TAG_LENGTH: usize = 12;

/// An image that lies in archives now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Name of its stage in the Dockerfile, for example `operator`.
    pub stage: String,
    /// Full name with the tag [`LOCAL_TAG`].
    pub local_name: String,
    /// Full name whose tag is the content's: it changes exactly if the image does, so that a Deployment which names it
    /// rolls over to a new build.
    pub content_name: String,
    /// One archive a name.
    pub archives: [PathBuf; 2],
    /// Bytes of its files.
    pub bytes: u64,
}

/// Makes every final stage of `dockerfile` from the root file systems in `dist`, as `out/STAGE.tar` (tag
/// [`LOCAL_TAG`]) and `out/STAGE-content.tar` (tag by content).
///
/// # Errors
/// If the Dockerfile has an instruction that is not known, or a file cannot be read or written.
pub fn make(dockerfile: &Path, dist: &Path, out: &Path) -> Result<Vec<Made>> {
    let text = std::fs::read_to_string(dockerfile).with_context(|| format!("read {}", dockerfile.display()))?;
    dockerfile::parse(&text)?.into_iter().map(|stage| make_one(stage, dist, out)).collect()
}

fn make_one(stage: dockerfile::Stage, dist: &Path, out: &Path) -> Result<Made> {
    let mut entries = Vec::new();
    for tree in &stage.trees {
        let below_dist = tree
            .strip_prefix(BUILD_STAGE_DIST)
            .with_context(|| format!("stage {}: {tree} is not below {BUILD_STAGE_DIST}", stage.name))?;
        add_tree(&dist.join(below_dist), "", &mut entries)?;
    }
    let name = |tag: &str| format!("{REGISTRY}/{}:{tag}", stage.name);
    let mut image = Image { name: name(LOCAL_TAG), entries, config: stage.config };

    let local_archive = out.join(format!("{}.tar", stage.name));
    let written = oci::write(&image, &local_archive)?;
    let digest = written.digest.strip_prefix("sha256:").unwrap_or(&written.digest);
    let local_name = std::mem::replace(&mut image.name, name(digest.get(..DIGEST_TAG_LENGTH).unwrap_or(digest)));
    let content_archive = out.join(format!("{}-content.tar", stage.name));
    oci::write(&image, &content_archive)?;
    Ok(Made {
        local_name,
        content_name: image.name,
        archives: [local_archive, content_archive],
        bytes: written.layer_bytes,
        stage: stage.name,
    })
}

/// Adds what lies in `folder` as `prefix/…`.
fn add_tree(folder: &Path, prefix: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let context = || format!("read {}: run `make binaries` first", folder.display());
    for item in std::fs::read_dir(folder).with_context(context)? {
        let item = item.with_context(context)?;
        let source = item.path();
        let name = item.file_name();
        let name = name.to_str().with_context(|| format!("{}: the name is not UTF-8", source.display()))?;
        let path = format!("{prefix}/{name}");
        let metadata = item.metadata().with_context(|| format!("read {}", source.display()))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            entries.push(Entry::Folder { path: path.clone(), mode });
            add_tree(&source, &path, entries)?;
        } else if metadata.is_file() {
            entries.push(Entry::copy(&source, path, mode)?);
        } else {
            bail!("{}: an image holds files and folders only", source.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    /// A folder with the repository's own Dockerfile and root file systems as `make binaries` lays them out.
    fn checkout() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let dist = folder.path().join("dist");
        for program in ["operator", "converter"] {
            let root = dist.join(program);
            fs::create_dir_all(root.join("tmp")).unwrap();
            fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
            fs::write(root.join(program), program).unwrap();
            fs::set_permissions(root.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Dockerfile");
        (folder, dist, dockerfile)
    }

    #[test]
    fn the_dockerfile_gives_the_two_images() {
        let (folder, dist, dockerfile) = checkout();
        let made = make(&dockerfile, &dist, folder.path()).unwrap();
        let names: Vec<&str> = made.iter().map(|image| image.local_name.as_str()).collect();
        assert_eq!(names, ["flacship.dev/operator:dev", "flacship.dev/converter:dev"]);
        let stages = dockerfile::parse(&fs::read_to_string(&dockerfile).unwrap()).unwrap();
        for (image, stage) in made.iter().zip(&stages) {
            assert_eq!(stage.config.user, "65532:65532");
            assert_eq!(stage.config.entrypoint, [format!("/{}", image.stage)]);
            assert!(image.archives.iter().all(|archive| archive.is_file()));
        }
    }

    #[test]
    fn the_content_name_changes_exactly_with_the_content() {
        let (folder, dist, dockerfile) = checkout();
        let names = || {
            let made = make(&dockerfile, &dist, folder.path()).unwrap();
            made.into_iter().map(|image| image.content_name).collect::<Vec<_>>()
        };
        let first = names();
        assert!(
            first[0].starts_with("flacship.dev/operator:") && first[0].len() == "flacship.dev/operator:".len() + 12
        );
        assert_eq!(names(), first);
        fs::write(dist.join("operator/operator"), "another").unwrap();
        let second = names();
        assert_ne!(second[0], first[0]);
        assert_eq!(second[1], first[1]);
    }

    #[test]
    fn files_keep_their_modes_and_links_are_refused() {
        let (folder, dist, dockerfile) = checkout();
        let mut entries = Vec::new();
        add_tree(&dist.join("converter"), "", &mut entries).unwrap();
        let tmp = Entry::Folder { path: "/tmp".into(), mode: 0o1777 };
        let program = Entry::File { path: "/converter".into(), bytes: b"converter".to_vec(), mode: 0o755 };
        assert_eq!(entries.len(), 2);
        assert!(entries.contains(&tmp) && entries.contains(&program));

        std::os::unix::fs::symlink("converter", dist.join("converter/link")).unwrap();
        let error = make(&dockerfile, &dist, folder.path()).unwrap_err();
        assert!(error.to_string().contains("files and folders only"), "{error}");
        let error = make(&dockerfile, &folder.path().join("none"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("make binaries"), "{error}");
    }
}
