//! Reads `/proc/self/mountinfo` and unmounts what lies below our own folders.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

/// One mount, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is.
    pub point: PathBuf,
    /// File system type, for example `cgroup2`.
    pub kind: String,
    /// Options of the superblock, for example the controllers of a cgroup v1 hierarchy.
    pub options: String,
}

/// All mounts, in the order in which they were made.
pub fn read() -> Result<Vec<Mount>> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    Ok(parse(&text))
}

/// proc(5): `36 35 98:0 /root /point opts [tags…] - type source superopts`.
fn parse(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let (mount, filesystem) = line.split_once(" - ")?;
            let mut filesystem = filesystem.split(' ');
            Some(Mount {
                point: unescape(mount.split(' ').nth(4)?).into(),
                kind: filesystem.next()?.to_owned(),
                options: filesystem.nth(1).unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

/// Mounts at or below `folder`.
pub fn below<'a>(mounts: &'a [Mount], folder: &'a Path) -> impl DoubleEndedIterator<Item = &'a Mount> {
    mounts.iter().filter(move |mount| mount.point.starts_with(folder))
}

/// Unmounts everything at or below `folder`, the latest first. Busy ones are detached: what uses them was ended before.
pub fn unmount_below(folder: &Path) -> Result<usize> {
    let mounts = read()?;
    let mut count = 0;
    for mount in below(&mounts, folder).rev() {
        match umount2(&mount.point, MntFlags::UMOUNT_NOFOLLOW) {
            Err(Errno::EBUSY) => umount2(&mount.point, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH),
            // Gone with the one it was on, or with the process that held it.
            Err(Errno::EINVAL | Errno::ENOENT) => continue,
            other => other,
        }
        .with_context(|| format!("unmount {}", mount.point.display()))?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct
90 27 0:50 / /var/lib/a/with\\040space rw,relatime - tmpfs tmpfs rw
91 27 0:51 / /var/lib/ab rw,relatime - tmpfs tmpfs rw
";

    #[test]
    fn fields_are_found_with_and_without_tags() {
        let mounts = parse(SAMPLE);
        assert_eq!(mounts.len(), 4);
        assert_eq!(mounts[1].kind, "cgroup");
        assert_eq!(mounts[1].options, "rw,cpu,cpuacct");
        assert_eq!(mounts[2].point, Path::new("/var/lib/a/with space"));
    }

    #[test]
    fn a_longer_name_is_not_below() {
        let mounts = parse(SAMPLE);
        let found: Vec<_> = below(&mounts, Path::new("/var/lib/a")).collect();
        assert_eq!(found, [&mounts[2]]);
    }
}
