//! Archives of recordings for ConversionJobs, and what has to be true of one after a run: every good recording is there as
//! FLAC, no half file has a final name, and the records say that each was converted once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::volume::{Volume, own};
use super::wait::{self, STEP};
use e2e::audio::{Audio, Shape, check_flac_files};

/// User and group of the pods that convert.
const WORKER: (u32, u32) = (65532, 65532);

/// The formats that recordings come in.
const SHAPES: [Shape; 4] = [Shape::CD, Shape::VOICE, Shape::STUDIO, Shape { channels: 6, rate: 48_000, bits: 16 }];

/// How large an archive is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Folders.
    pub folders: usize,
    /// Recordings, over all folders.
    pub files: usize,
    /// Playing time of the longest; others are shorter.
    pub seconds: f64,
}

/// The good recordings below a folder.
pub struct Archive {
    root: PathBuf,
    sounds: Arc<Sounds>,
    /// What lay below the root once it was recorded.
    recorded: BTreeMap<PathBuf, Identity>,
}

/// Recordings by their names below the folder.
type Sounds = BTreeMap<String, Audio>;

impl Archive {
    /// Records it below `folder` of the volume, where anybody may write.
    pub fn record(volume: &Volume, folder: &str, size: Size) -> Self {
        let root = volume.folder(folder, 0o777, None);
        let sounds = sounds(size);
        for (path, audio) in &*sounds {
            let (below, _) = path.rsplit_once('/').expect("all lie in folders");
            volume.folder(&format!("{folder}/{below}"), 0o777, None);
            fs::write(root.join(path), audio.wav().expect("a WAV file")).expect("write a recording");
        }
        let recorded = identities(&root);
        Self { root, sounds, recorded }
    }

    /// The folder of the recordings.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How many recordings there are.
    pub fn len(&self) -> usize {
        self.sounds.len()
    }

    /// The names of the recordings, below the folder.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sounds.keys().map(String::as_str)
    }

    /// Panics unless every recording is a FLAC of exactly its samples below `root`, where no other file is a FLAC or a part of
    /// one.
    pub fn is_converted_at(&self, root: &Path) {
        let flacs: BTreeMap<PathBuf, &Audio> =
            self.sounds.iter().map(|(path, audio)| (root.join(path).with_extension("flac"), audio)).collect();
        let files: Vec<(&Audio, &Path)> = flacs.iter().map(|(path, audio)| (*audio, path.as_path())).collect();
        check_flac_files(&files).unwrap();
        let odd: Vec<PathBuf> = files_below(root)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|ending| ending == "flac" || ending == "part"))
            .filter(|path| !flacs.contains_key(path))
            .collect();
        assert!(odd.is_empty(), "nobody asked for {odd:?}");
    }

    /// From now on it is to be found below another folder of its volume.
    pub fn has_moved_to(&mut self, root: PathBuf) {
        let moved = |path: &Path| root.join(path.strip_prefix(&self.root).expect("it lay below the root"));
        self.recorded = self.recorded.iter().map(|(path, identity)| (moved(path), *identity)).collect();
        self.root = root;
    }

    /// Panics unless the files below the archive's folder are still the very files that were recorded, untouched.
    pub fn is_untouched(&self) {
        assert_eq!(identities(&self.root), self.recorded);
        for (path, audio) in &*self.sounds {
            let bytes = fs::read(self.root.join(path)).expect("read a recording");
            assert!(bytes == audio.wav().expect("a WAV file"), "{path} has other bytes");
        }
    }

    /// [`Self::is_converted_at`] `root`, and each recording once by the records of all runs on the volume.
    pub fn is_converted_once_at(&self, root: &Path, volume: &Volume) {
        self.is_converted_at(root);
        let conversions = conversions(&records(volume));
        let twice: Vec<_> = conversions.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "converted more than once: {twice:?}");
        assert_eq!(conversions.len(), self.len());
    }
}

/// The recordings of an archive of this size: the same each time, so they are made once.
fn sounds(size: Size) -> Arc<Sounds> {
    static MADE: Mutex<Vec<(Size, Arc<Sounds>)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, sounds)) = made.iter().find(|(of, _)| *of == size) {
        return Arc::clone(sounds);
    }
    let one = |number: usize| {
        let folder = format!("series {}/reel {:03}", number % size.folders % 7, number % size.folders);
        let ending = ["wav", "WAV", "wave"][number % 3];
        let part = [1.0, 0.25, 0.5, 0.1, 0.75][number % 5];
        let audio = Audio::music(SHAPES[number % SHAPES.len()], size.seconds * part, number as u64);
        (format!("{folder}/take {number:04}.{ending}"), audio)
    };
    let sounds: Arc<Sounds> = Arc::new((0..size.files).map(one).collect());
    made.push((size, Arc::clone(&sounds)));
    sounds
}

/// What a run must not change about a file that it only reads: inode, owner, group, mode, time and size.
type Identity = (u64, u32, u32, u32, i64, i64, u64);

/// See [`Identity`].
pub fn identity(path: &Path) -> Identity {
    let meta = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (meta.ino(), meta.uid(), meta.gid(), meta.mode(), meta.mtime(), meta.mtime_nsec(), meta.len())
}

fn identities(folder: &Path) -> BTreeMap<PathBuf, Identity> {
    files_below(folder).into_iter().map(|path| (path.clone(), identity(&path))).collect()
}

/// Every file below a folder, records left out.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("read a folder").path();
            if path.file_name().is_some_and(|name| name == ".flacship") {
                continue;
            }
            // Not through links.
            let is_folder = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir());
            if is_folder { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The records of all runs on a volume, a line of `results/` each. What is pending there is none yet.
pub fn records(volume: &Volume) -> Vec<Value> {
    let mut all = Vec::new();
    for run in entries(&volume.root().join(".flacship")) {
        for shard in shards(&run.join("results")) {
            let text = fs::read_to_string(&shard).unwrap_or_default();
            all.extend(super::json_lines(&text));
        }
    }
    all
}

/// Takes the last file of the last shard into the test's hands, as soon as the only run on the volume is planned: a worker
/// that comes to it waits, as for another run that is writing it, for a minute at most. So the run is not over before this
/// is dropped. `destination` is the folder of the FLACs.
pub fn hold_last(volume: &Volume, destination: &str) -> File {
    let plan = wait::until("the run is planned", STEP, || {
        let mut plans = entries(&volume.root().join(".flacship")).into_iter().map(|run| run.join("plan"));
        plans.find(|plan| plan.join("plan.json").is_file()).ok_or("there is no plan.json")
    });
    let last = shards(&plan).pop().expect("the plan has shards");
    let files = fs::read_to_string(&last).expect("read the last shard");
    let file = super::json_lines(&files).last().expect("the last shard has files");
    let flac = Path::new(destination).join(file["path"].as_str().expect("a path")).with_extension("flac");
    let folder = flac.parent().and_then(Path::to_str).expect("it lies in a folder");
    let part = volume.folder(folder, 0o777, None).join(flac.file_name().expect("a name")).with_extension("flac.part");
    let held = File::create(&part).expect("make a partial file");
    held.lock().expect("lock it");
    own(&part, 0o644, Some(WORKER));
    held
}

/// How often the records say that a file was converted, by its path.
fn conversions(records: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    // A source that goes is told by a further record of the same conversion.
    for record in records.iter().filter(|record| record["outcome"] == "converted" && record["source"].is_null()) {
        *counts.entry(record["path"].as_str().expect("a path").to_owned()).or_default() += 1;
    }
    counts
}

/// The files of shards in a folder of records, in their order.
fn shards(folder: &Path) -> Vec<PathBuf> {
    let mut shards = entries(folder);
    shards.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    shards.sort();
    shards
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    // None before the run has made it.
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
