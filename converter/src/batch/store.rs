//! Where the records lie below the records folder: `plan/shard-00000.jsonl` …, `plan/plan.json`,
//! `results/shard-00000.jsonl` …, `failed.count`, `order.json`, `report.json`, `report.html`.

use std::path::{Path, PathBuf};

/// The files of one run.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

impl Store {
    /// The files below a records folder.
    pub fn new(records: &Path) -> Self {
        Self(records.to_owned())
    }

    /// The records folder.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// What a run on a laptop was asked for.
    pub fn order(&self) -> PathBuf {
        self.0.join("order.json")
    }

    /// Folder of the plan.
    pub fn plan_folder(&self) -> PathBuf {
        self.0.join("plan")
    }

    /// The file that says that the plan is whole.
    pub fn plan(&self) -> PathBuf {
        self.plan_folder().join("plan.json")
    }

    /// The files that a shard is to convert.
    pub fn planned(&self, shard: usize) -> PathBuf {
        self.plan_folder().join(name(shard))
    }

    /// The file that whoever plans has locked. It stays.
    pub fn lock(&self) -> PathBuf {
        self.plan_folder().join("lock")
    }

    /// Folder of the results.
    pub fn results_folder(&self) -> PathBuf {
        self.0.join("results")
    }

    /// What became of the files of a shard.
    pub fn results(&self, shard: usize) -> PathBuf {
        self.results_folder().join(name(shard))
    }

    /// What a worker is about to give names to, for the next one in case it dies just then.
    pub fn pending(&self, shard: usize) -> PathBuf {
        self.results_folder().join(format!("shard-{shard:05}.pending"))
    }

    /// The count of failed files of all shards: a byte for each.
    pub fn failed_count(&self) -> PathBuf {
        self.0.join("failed.count")
    }

    /// The report for people.
    pub fn page(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.0.join("report.json")
    }
}

fn name(shard: usize) -> String {
    format!("shard-{shard:05}.jsonl")
}

/// Whether it has the name of a shard's file: its plan, its results, what is pending of it.
pub fn is_of_shard(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let number = name.strip_prefix("shard-").and_then(|rest| rest.split_once('.'));
    number.is_some_and(|(number, ending)| {
        let digits = number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
        digits && ["jsonl", "pending"].contains(&ending)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let store = Store::new(Path::new("/d/.flacship/u"));
        assert_eq!(store.planned(0), Path::new("/d/.flacship/u/plan/shard-00000.jsonl"));
        assert_eq!(store.results(123), Path::new("/d/.flacship/u/results/shard-00123.jsonl"));
    }
}
