//! Takes away the records of other runs whose time is over: folders beside this run's records whose `report.json` has an
//! `expires_at` that has passed. Nothing else is touched, nor such a folder if anything but records lies in it.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use super::super::clearing;
use super::super::store::Store;

/// What matters of a report.
#[derive(Deserialize)]
struct Expiry {
    expires_at: Timestamp,
}

/// Sweeps. What cannot be read or removed is left for another time: it is not this run's.
pub fn sweep(records: &Path, now: Timestamp) {
    let Ok(own) = fs::canonicalize(records) else { return };
    let Some(above) = own.parent() else { return };
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        let folder = entry.path();
        // No link: what it leads to is not beside this run's records.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || folder == own || !is_over(&Store::new(&folder), now) {
            continue;
        }
        match clearing::remove_all(&Store::new(&folder)) {
            Ok(()) => tracing::info!(records = %folder.display(), "removed the records of a run whose time is over"),
            Err(error) => {
                tracing::warn!(records = %folder.display(), %error, "the records of a run whose time is over stay");
            }
        }
    }
}

/// Whether there is a report and its time has passed.
fn is_over(store: &Store, now: Timestamp) -> bool {
    let path = store.report();
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let Ok(file) = File::open(path) else { return false };
    // A report can be long; the reader holds a value at a time.
    serde_json::from_reader::<_, Expiry>(BufReader::new(file)).is_ok_and(|report| report.expires_at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const NOW: &str = "2026-11-30T12:00:00Z";
    const PAST: &str = r#"{"title":"t","expires_at":"2026-11-30T12:00:00Z","failures":[{"path":"a"}]}"#;
    const FUTURE: &str = r#"{"expires_at":"2026-11-30T12:00:00.000000001Z"}"#;

    fn run(folder: &Path, report: &str) {
        for name in ["plan", "results"] {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("shard-00000.jsonl"), "").unwrap();
        }
        for name in ["failed.count", "order.json", "report.html"] {
            fs::write(folder.join(name), "").unwrap();
        }
        if !report.is_empty() {
            fs::write(folder.join("report.json"), report).unwrap();
        }
    }

    /// Every file and folder below.
    fn tree(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = walkdir::WalkDir::new(folder)
            .into_iter()
            .map(|entry| entry.unwrap().path().strip_prefix(folder).unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_records_whose_time_is_over_go() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["all/own", "all/over", "all/below/over", "elsewhere", "over"] {
            run(&at(name), PAST);
        }
        run(&at("all/future"), FUTURE);
        run(&at("all/kept"), r#"{"files":{}}"#);
        run(&at("all/null"), r#"{"expires_at":null}"#);
        run(&at("all/odd"), r#"{"expires_at":"yesterday"}"#);
        run(&at("all/torn"), &PAST[..PAST.len() - 1]);
        run(&at("all/unfinished"), "");
        fs::write(at("all/report.json"), PAST).unwrap();
        symlink(at("elsewhere"), at("all/link")).unwrap();
        run(&at("all/linked report"), "");
        symlink(at("elsewhere/report.json"), at("all/linked report/report.json")).unwrap();
        fs::create_dir(at("all/recordings")).unwrap();
        fs::write(at("all/recordings/a.flac"), "music").unwrap();

        let before = tree(folder.path());
        sweep(&at("all/own"), NOW.parse().unwrap());
        let after = tree(folder.path());
        let gone: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
        assert!(gone.iter().all(|name| name.starts_with("all/over")), "{gone:?}");
        assert_eq!(gone.len(), 9, "{gone:?}");
        assert!(!at("all/over").exists());
    }

    #[test]
    fn what_is_no_record_stays_and_the_folder_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let over = folder.path().join("over");
        run(&over, PAST);
        fs::write(over.join("notes.txt"), "mine").unwrap();
        sweep(&folder.path().join("over"), NOW.parse().unwrap());
        assert_eq!(tree(&over).len(), 10, "not its own records");
        fs::create_dir(folder.path().join("own")).unwrap();
        for _ in 0..2 {
            sweep(&folder.path().join("own"), NOW.parse().unwrap());
            assert_eq!(tree(&over).len(), 10, "all of it");
        }
        fs::remove_file(over.join("notes.txt")).unwrap();
        sweep(&folder.path().join("own"), NOW.parse().unwrap());
        assert!(!over.exists(), "what a sweep left another one takes");
    }

    #[test]
    fn a_link_in_records_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (over, music) = (folder.path().join("over"), folder.path().join("music"));
        run(&over, PAST);
        fs::create_dir(&music).unwrap();
        fs::write(music.join("a.flac"), "music").unwrap();
        fs::remove_dir_all(over.join("plan")).unwrap();
        symlink(&music, over.join("plan")).unwrap();
        fs::create_dir(folder.path().join("own")).unwrap();
        sweep(&folder.path().join("own"), NOW.parse().unwrap());
        assert!(over.join("results/shard-00000.jsonl").exists(), "no run makes a link");
        assert_eq!(fs::read(music.join("a.flac")).unwrap(), b"music");
    }
}
