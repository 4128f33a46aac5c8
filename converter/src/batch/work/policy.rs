//! What becomes of a source whose FLAC is safe: nothing, or it is deleted or moved.
//!
//! Before a source goes, its FLAC is on the disk under its final name and so is the record of it. Then the FLAC is read
//! back, decoded and compared with the source as it is now: with its samples, or with every byte of it where the FLAC
//! keeps those. Neither may have changed in the meantime. Who made the FLAC, and when, does not matter, so skipped files
//! are no exception. A worker that dies before a source has gone leaves a record without its fate, and the next one takes
//! it up there.
//!
//! A source that cannot go stays, and its record has a warning: the conversion is not lost.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::convert::Metadata as Keep;
use crate::file::{Difference, is_being_written, rename_to_new, same_bytes, same_samples};
use crate::wav::Rules;

use super::super::atomic::{self, sync_folder};
use super::super::error::{ConfigReason, Error};
use super::super::globs::Globs;
use super::super::layout::Layout;
use super::super::records::{Done, Notice, Order, SourceFate, Stamp};

/// How long another job may have a partial file to find that its FLAC is there by now.
const LOOKS: Duration = Duration::from_secs(1);

/// The code of the warning of a source that did not go.
pub const KEPT: &str = "source_kept";

/// What becomes of a source once its FLAC is safe
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum SourcePolicy {
    /// It stays
    #[default]
    Keep,
    /// It is deleted; needs --metadata foreign, so that every byte of it can be restored
    DeleteAfterVerify,
    /// It is moved to the folder of --move-to
    MoveTo,
}

/// The same with all that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Keep,
    Delete,
    /// To below this folder.
    Move(PathBuf),
}

/// What becomes of the sources of a run.
#[derive(Debug)]
pub struct Sources {
    act: Act,
    root: PathBuf,
    destination: PathBuf,
    layout: Layout,
    rules: Rules,
    keep: Keep,
}

/// Why a source stays, in words that follow its name.
type Stays = String;

impl Sources {
    /// Checks that what is asked for can be done. `root` and `destination` have no links in them.
    pub fn new(
        (policy, move_to): (SourcePolicy, Option<&Path>),
        (root, destination): (&Path, &Path),
        order: &Order,
        (rules, keep): (Rules, Keep),
    ) -> Result<Self, Error> {
        let act = match (policy, move_to) {
            (SourcePolicy::Keep, _) => Act::Keep,
            (SourcePolicy::DeleteAfterVerify, _) if keep == Keep::Foreign => Act::Delete,
            (SourcePolicy::DeleteAfterVerify, _) => {
                return Err(Error::config(
                    ConfigReason::DeleteNeedsForeign,
                    "sources are only deleted if every byte of them can be restored: add --metadata foreign (in a \
                     ConversionJob: encoding.metadata Foreign), or keep or move them",
                ));
            }
            (SourcePolicy::MoveTo, Some(folder)) => Act::Move(usable(folder, root, order)?),
            (SourcePolicy::MoveTo, None) => return Err(not_usable("MoveTo needs --move-to, a folder")),
        };
        let (root, destination) = (root.to_path_buf(), destination.to_path_buf());
        Ok(Self { act, root, destination, layout: order.layout, rules, keep })
    }

    /// Whether all stay.
    pub fn stay(&self) -> bool {
        self.act == Act::Keep
    }

    /// Whether those go for ever whose FLAC is safe.
    pub fn are_deleted(&self) -> bool {
        self.act == Act::Delete
    }

    /// What became of a source that is not there any more, though the record of its file says nothing of that: a worker
    /// died just then. None if that cannot be, because there is no FLAC or the source is not where it would be.
    pub fn gone(&self, done: &Done) -> Option<SourceFate> {
        let flac = self.destination.join(done.path.flac(self.layout).as_path());
        if !flac.is_file() {
            return None;
        }
        match &self.act {
            Act::Keep => None,
            // Where its folder is away too, the volume may be: nobody knows.
            Act::Delete => {
                let source = self.root.join(done.path.as_path());
                source.parent().is_some_and(Path::is_dir).then_some(SourceFate::Deleted)
            }
            Act::Move(folder) => {
                let there = fs::symlink_metadata(folder.join(done.path.as_path())).ok()?;
                (Stamp::of(&there) == done.stamp()).then_some(SourceFate::Moved)
            }
        }
    }

    /// Lets a source go, or says in its record why it stays. Returns the folders in which names have changed, which are to
    /// be synced before the record is written.
    pub fn act(&self, done: &mut Done) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        done.warnings.retain(|warning| warning.code != KEPT);
        let source = self.root.join(done.path.as_path());
        let fate = self.let_go(done, &mut changed).or_else(|why| {
            // Another job with the same policy may have been faster, at any moment.
            let is_there =
                fs::symlink_metadata(&source).map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true);
            if is_there { Err(why) } else { self.gone(done).ok_or(why) }
        });
        match fate {
            Ok(fate) => done.source = Some(fate),
            Err(why) => {
                let path = done.path.text();
                tracing::warn!(path, "the source stays: {why}");
                done.warnings.push(Notice { code: KEPT.to_owned(), message: format!("the source stays: {why}") });
            }
        }
        changed
    }

    fn let_go(&self, done: &Done, changed: &mut BTreeSet<PathBuf>) -> Result<SourceFate, Stays> {
        let source = self.root.join(done.path.as_path());
        let flac = self.destination.join(done.path.flac(self.layout).as_path());
        let looked = |error: io::Error| format!("it cannot be looked at: {error}");
        if fs::symlink_metadata(&source).map_err(looked)?.is_symlink() {
            return Err("it is a link; remove it yourself".to_owned());
        }
        let opened = File::open(&source).map_err(looked)?;
        let before = opened.metadata().map_err(looked)?;
        if Stamp::of(&before) != done.stamp() {
            return Err("it has changed since its FLAC was made or found".to_owned());
        }
        let no_flac = |error: io::Error| format!("{} cannot be read: {error}", flac.display());
        let written = File::open(&flac).map_err(no_flac)?;
        let written_before = written.metadata().map_err(no_flac)?;
        if (before.dev(), before.ino()) == (written_before.dev(), written_before.ino()) {
            return Err("its FLAC is the same file".to_owned());
        }
        // Whoever wrote it may not have waited for the disk.
        written.sync_all().and_then(|()| flac.parent().map_or(Ok(()), sync_folder)).map_err(no_flac)?;
        self.compare(&written, &opened).map_err(|difference| difference.to_string())?;
        // Opened, since a network file system looks at the file anew only then (NFS: close-to-open consistency).
        let is_same = |path: &Path, then: &Metadata| {
            let now = File::open(path).and_then(|file| file.metadata());
            now.is_ok_and(|now| identity(&now) == identity(then))
        };
        if !comes_to_rest(&flac) {
            return Err(format!("another job is making {} anew", flac.display()));
        }
        if !is_same(&flac, &written_before) {
            return Err(format!("{} was changed just now", flac.display()));
        }
        if !is_same(&source, &before) {
            return Err("it was changed just now".to_owned());
        }
        let fate = match &self.act {
            Act::Keep => return Err("the policy is to keep it".to_owned()),
            Act::Delete => {
                fs::remove_file(&source).map_err(|error| cannot_go(&error))?;
                SourceFate::Deleted
            }
            Act::Move(folder) => {
                self.move_below(folder, done.path.as_path(), changed)?;
                SourceFate::Moved
            }
        };
        changed.extend(source.parent().map(Path::to_path_buf));
        Ok(fate)
    }

    fn compare(&self, flac: &File, source: &File) -> Result<(), Difference> {
        match self.keep {
            Keep::Foreign => same_bytes(flac, source),
            Keep::Tags => same_samples(flac, source, self.rules),
        }
    }

    /// Moves the file at `path` below the root to the same path below `folder`.
    fn move_below(&self, folder: &Path, path: &Path, changed: &mut BTreeSet<PathBuf>) -> Result<(), Stays> {
        let target = folder.join(path);
        let mut made = folder.to_path_buf();
        for part in path.parent().into_iter().flat_map(Path::components) {
            let above = made.clone();
            made.push(part);
            match DirBuilder::new().mode(0o777).create(&made) {
                Ok(()) => _ = changed.insert(above),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !fs::symlink_metadata(&made).is_ok_and(|found| found.is_dir()) {
                        return Err(format!("{} is in the way and is no folder: move it away", made.display()));
                    }
                }
                Err(error) => return Err(format!("the folder {} cannot be made: {error}", made.display())),
            }
        }
        let source = self.root.join(path);
        let renamed = match rename_to_new(&source, &target) {
            // A try that died where a rename takes two steps has left both names.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && are_two_names(&source, &target) => {
                fs::remove_file(&source)
            }
            renamed => renamed,
        };
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{} is there already and is not replaced: move one of the two away", target.display())
            }
            io::ErrorKind::Unsupported => {
                "this file system cannot move a file and promise that none is replaced: move it yourself".to_owned()
            }
            io::ErrorKind::CrossesDevices => {
                format!("{} is on another volume: choose a folder on the source's", target.display())
            }
            _ => cannot_go(&error),
        })?;
        changed.insert(made);
        Ok(())
    }
}

/// Whether nobody makes this FLAC anew, or who seemed to only looked whether it is there.
fn comes_to_rest(flac: &Path) -> bool {
    let begin = Instant::now();
    while is_being_written(flac) {
        if begin.elapsed() > LOOKS {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Whether these are two names of one file. Where upper and lower case are the same, they may be one name.
fn are_two_names(one: &Path, other: &Path) -> bool {
    let place = |path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino(), found.nlink()));
    place(one).is_ok_and(|one| one.2 > 1 && place(other).is_ok_and(|other| one == other))
}

/// What tells one state of one file from all others.
fn identity(metadata: &Metadata) -> (u64, u64, Stamp) {
    (metadata.dev(), metadata.ino(), Stamp::of(metadata))
}

fn cannot_go(error: &io::Error) -> Stays {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
            "it may not be taken away ({error}): let the user or group of this run write in its folder, and mount the \
             volume writable"
        ),
        _ => format!("it cannot be taken away: {error}"),
    }
}

/// The folder for moved sources without links, made if it is missing.
fn usable(folder: &Path, root: &Path, order: &Order) -> Result<PathBuf, Error> {
    let failed = |error: io::Error| {
        not_usable(&format!("{} cannot be used ({error}): choose a folder on the source's volume", folder.display()))
    };
    atomic::make_folder(folder).map_err(failed)?;
    let folder = fs::canonicalize(folder).map_err(failed)?;
    let place = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).map_err(failed);
    let of_root = place(root)?;
    if place(&folder)?.0 != of_root.0 {
        return Err(not_usable(&format!(
            "{} is on another volume than the source, so nothing can be moved there in one step: choose a folder on the \
             source's volume",
            folder.display()
        )));
    }
    // By what the folders are, not by their names, which may differ in case on a volume that tells no difference.
    let in_root = folder.ancestors().find(|above| place(above).is_ok_and(|above| above == of_root));
    if let Some(Ok(below)) = in_root.map(|root| folder.strip_prefix(root))
        && !is_left_out(below, order)
    {
        return Err(not_usable(&format!(
            "{} is in the source folder, so a later run would take what was moved there for new sources: choose a folder \
             beside the source folder, or exclude it, or give it a name that begins with a dot",
            folder.display()
        )));
    }
    Ok(folder)
}

/// Whether a plan leaves a folder below the source out.
fn is_left_out(below: &Path, order: &Order) -> bool {
    let globs = Globs::new(&order.include, &order.exclude).ok();
    let mut folders = below.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    folders.any(|folder| {
        let hidden = folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        hidden || globs.as_ref().is_some_and(|globs| globs.prunes(folder))
    })
}

fn not_usable(message: &str) -> Error {
    Error::config(ConfigReason::MoveToNotUsable, message)
}
