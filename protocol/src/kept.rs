//! Files that the house keeps, by names that are the same on every node.
//!
//! Requests name files by paths. A path that begins with [`HOUSE`] is of no machine: whoever reads
//! it asks the stores for a file of its own with the same bytes.
//!
//! | path | what |
//! |---|---|
//! | `house:/datasets/trial@3/9f86d081884c.csv` | a version of a dataset, and its digest |
//! | `house:/models/01J…` | the model that a job left |
//! | `house:/results/01J…/table.csv` | what a job of a server delivers |

use std::path::{Component, Path, PathBuf};

use crate::{
    dataset::{DatasetName, DatasetVersion, TableEnding},
    id::JobId,
};

/// What such a path begins with.
pub const HOUSE: &str = "house:";
const DATASETS: &str = "datasets";
const MODELS: &str = "models";
const RESULTS: &str = "results";

/// A file that the house keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// A version of a dataset.
    Dataset {
        /// Which dataset.
        dataset: DatasetName,
        /// Which version.
        version: u32,
        /// What the digest of its bytes begins with: a number may be given again.
        digest: String,
        /// How its file's name ends, which says what it holds.
        ending: TableEnding,
    },
    /// The model of a job.
    Model(JobId),
    /// What a job delivered: the path from the folder of all results.
    Result(PathBuf),
}

impl Kept {
    /// What a path names, if it names something that the house keeps.
    pub fn of(path: &Path) -> Option<Self> {
        let mut parts = path.components().map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        });
        let mut next = || parts.next().flatten();
        if next()? != HOUSE {
            return None;
        }
        let (kind, name) = (next()?, next()?);
        let kept = match kind {
            DATASETS => {
                let (dataset, version) = name.rsplit_once('@')?;
                let (dataset, version) = (dataset.parse().ok()?, version.parse().ok()?);
                let (digest, ending) = next()?.split_once('.')?;
                let ending = TableEnding::try_from(ending.to_owned()).ok()?;
                Self::Dataset { dataset, version, digest: digest.to_owned(), ending }
            }
            MODELS => Self::Model(JobId::new(name)),
            RESULTS => {
                let rest = path.strip_prefix(results()).ok()?;
                let is_plain = |part| matches!(part, Component::Normal(_));
                return rest.components().all(is_plain).then(|| Self::Result(rest.to_owned()));
            }
            _ => return None,
        };
        parts.next().is_none().then_some(kept)
    }

    /// The path that names it.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Dataset { dataset, version, digest, ending } => {
                let folder = Path::new(HOUSE).join(DATASETS).join(format!("{dataset}@{version}"));
                folder.join(format!("{digest}.{}", ending.as_str()))
            }
            Self::Model(job) => Path::new(HOUSE).join(MODELS).join(job.as_str()),
            Self::Result(file) => results().join(file),
        }
    }

    /// The path that names a version of a dataset.
    pub fn dataset(version: &DatasetVersion) -> PathBuf {
        let DatasetVersion { dataset, version, digest, ending, .. } = version.clone();
        Self::Dataset { dataset, version, digest: digest.short(), ending }.path()
    }
}

/// The folder of all results.
pub fn results() -> PathBuf {
    Path::new(HOUSE).join(RESULTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_file_is_found_by_its_path() {
        let dataset = |version, name| Kept::Dataset {
            dataset: "trial-7.v2".parse().expect("a name"),
            version,
            digest: "9f86d081884c".to_owned(),
            ending: TableEnding::of_name(name).expect("a table"),
        };
        for kept in [
            dataset(1, "a.csv"),
            dataset(u32::MAX, "a.csv.gz"),
            Kept::Model(JobId::new("01J")),
            Kept::Result("01J/table.csv.gz".into()),
            Kept::Result("01J/report/report.html".into()),
        ] {
            assert_eq!(Kept::of(&kept.path()), Some(kept));
        }
    }

    #[test]
    fn other_paths_name_nothing_that_the_house_keeps() {
        for path in [
            "",
            "/data/table.csv",
            "table.csv",
            "/house:/datasets/trial@1/9f86d081884c.csv",
            "./house:/models/01J",
            "house:",
            "house:/models",
            "house:/models/01J/model",
            "house:/models/..",
            "house:/datasets/trial/9f86d081884c.csv",
            "house:/datasets/trial@one/9f86d081884c.csv",
            "house:/datasets/-trial@1/9f86d081884c.csv",
            "house:/datasets/trial@1",
            "house:/datasets/trial@1/9f86d081884c.csv/more",
            "house:/datasets/trial@1/9f86d081884c",
            "house:/datasets/trial@1/9f86d081884c.exe",
            "house:/results/../lock",
            "house:/results/01J/../../lock",
            "house:/else/01J",
        ] {
            assert_eq!(Kept::of(Path::new(path)), None, "{path:?}");
        }
    }
}
