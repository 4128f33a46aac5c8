//! The three folders that every stage is given, and the checks that they are what they should be.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::atomic;
use super::error::{ConfigReason, Error};
use super::records::Plan;
use super::store::Store;

/// The three folders of a run.
#[derive(Clone, Debug, clap::Args)]
pub struct Places {
    /// Folder that holds the WAV files, searched with all its subfolders; only ever read
    #[arg(long, value_name = "DIR")]
    pub source: PathBuf,

    /// Folder for the FLAC files, in the same subfolders; may be the source itself; made if it is missing
    #[arg(long, value_name = "DIR")]
    pub destination: PathBuf,

    /// Folder for the records of this run: plan, results, report. Use a new one for each run, the same for its stages
    #[arg(long, value_name = "DIR")]
    pub records: PathBuf,
}

impl Places {
    /// Where the records lie.
    pub fn store(&self) -> Store {
        Store::new(&self.records)
    }

    /// The source folder without links, after a look into it.
    pub fn open_source(&self) -> Result<PathBuf, Error> {
        let shown = self.source.display();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::config(
                ConfigReason::SourceNotFound,
                format!(
                    "the source folder {shown} does not exist: correct the path of the source, or mount its volume"
                ),
            ),
            io::ErrorKind::NotADirectory => Error::config(
                ConfigReason::SourceNotFound,
                format!("the source {shown} is not a folder: name the folder that holds the WAV files"),
            ),
            io::ErrorKind::PermissionDenied => Error::config(
                ConfigReason::SourceNotReadable,
                format!(
                    "the source folder {shown} may not be read: let the user or group that this runs as read it (in a \
                     ConversionJob: podTemplate.securityContext, supplementalGroups or fsGroup)"
                ),
            ),
            _ => Error::io("reading", &self.source)(error),
        };
        let root = fs::canonicalize(&self.source).map_err(failed)?;
        fs::read_dir(&root).map_err(failed)?;
        Ok(root)
    }

    /// The destination folder without links, made if it is missing.
    pub fn make_destination(&self) -> Result<PathBuf, Error> {
        make_folder(&self.destination)?;
        fs::canonicalize(&self.destination).map_err(Error::making(&self.destination))
    }

    /// The plan of this run.
    pub fn read_plan(&self) -> Result<Plan, Error> {
        let path = self.store().plan();
        let none = |why: String| Error::config(ConfigReason::PlanNotFound, why);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => none(format!(
                "there is no plan at {}: run `converter batch plan` first, with the same --records",
                path.display()
            )),
            _ => Error::io("reading", &path)(error),
        })?;
        serde_json::from_slice(&text).map_err(|error| {
            none(format!("{} is no plan ({error}): remove it and run `converter batch plan` again", path.display()))
        })
    }
}

/// Makes a folder and those above it, durably.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    atomic::make_folder(path).map_err(Error::making(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> (ConfigReason, String) {
        match result.unwrap_err() {
            Error::Config { reason, message } => (reason, message),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn mistakes_say_what_to_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), b"").unwrap();
        let places = |source: &str, destination: &str| Places {
            source: at(source),
            destination: at(destination),
            records: at("records"),
        };

        let (why, message) = reason(places("none", "d").open_source());
        assert_eq!(why, ConfigReason::SourceNotFound);
        assert!(message.contains("none does not exist"), "{message}");
        let (why, message) = reason(places("file", "d").open_source());
        assert_eq!(why, ConfigReason::SourceNotFound);
        assert!(message.contains("is not a folder"), "{message}");
        for blocked in ["file", "file/below"] {
            let (why, _) = reason(places("s", blocked).make_destination());
            assert_eq!(why, ConfigReason::DestinationNotWritable, "{blocked}");
        }

        assert_eq!(reason(places("s", "d").read_plan()).0, ConfigReason::PlanNotFound);
        fs::create_dir_all(at("records/plan")).unwrap();
        fs::write(at("records/plan/plan.json"), b"{}").unwrap();
        let (why, message) = reason(places("s", "d").read_plan());
        assert_eq!(why, ConfigReason::PlanNotFound);
        assert!(message.contains("is no plan"), "{message}");
    }
}
