//! The canonical dataset folder: agreed columns, training rows, holdout rows.
//!
//! | file | holds |
//! |---|---|
//! | `dataset.json` | columns, target, row counts, notices, digests of the two tables |
//! | `train.arrow` | rows that may train |
//! | `holdout.arrow` | rows kept aside for every measure that needs strangers |
//!
//! `dataset.json` is written last, so a folder that has one is whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tgs_protocol::{
    code::Code,
    column::ColumnSpec,
    digest::Digest,
    engine::{DatasetFacts, EngineError},
    unit::Rows,
};

use crate::table::{
    Cells, Table,
    ipc::{RESTORE, read_sealed, write_ipc},
};

const VERSION: u32 = 1;
const INDEX: &str = "dataset.json";
const TRAIN: &str = "train.arrow";
const HOLDOUT: &str = "holdout.arrow";

/// An opened dataset folder. Rows are read when they are asked for.
#[derive(Debug, Clone)]
pub struct Dataset {
    folder: PathBuf,
    index: Index,
    facts: DatasetFacts,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Index {
    version: u32,
    columns: Vec<Arc<ColumnSpec>>,
    target: Option<String>,
    train: Part,
    holdout: Part,
    notices: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Part {
    rows: u64,
    digest: Digest,
}

impl Dataset {
    /// Opens a folder that [`write_dataset`] wrote.
    ///
    /// # Errors
    /// `STORE-0002` when its index is missing or damaged, `STORE-0006` when a newer version wrote
    /// it.
    pub fn open(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join(INDEX);
        let damaged = |cause: Box<dyn std::error::Error + Send + Sync>| {
            let message = format!("read dataset index {}: {cause}; {RESTORE}", path.display());
            EngineError::because(Code::StoreCorrupt, message, cause)
        };
        let bytes = fs::read(&path).map_err(|cause| damaged(cause.into()))?;
        let version: OnlyVersion =
            serde_json::from_slice(&bytes).map_err(|cause| damaged(cause.into()))?;
        if version.version > VERSION {
            let message = format!(
                "dataset {} has version {}, this program reads up to {VERSION}: use a newer one",
                folder.display(),
                version.version
            );
            return Err(EngineError::new(Code::StoreTooNew, message));
        }
        let index: Index = serde_json::from_slice(&bytes).map_err(|cause| damaged(cause.into()))?;
        let facts = facts_of(folder, &index)?;
        Ok(Self { folder: folder.to_owned(), index, facts })
    }
    /// Agreed columns, in source order.
    pub fn columns(&self) -> &[Arc<ColumnSpec>] {
        &self.index.columns
    }
    /// Column to predict in the utility measure, if the user named one.
    pub fn target(&self) -> Option<&str> {
        self.index.target.as_deref()
    }
    /// Rows that may train.
    ///
    /// # Errors
    /// `STORE-0002` when the file is missing, damaged or not the one that was written.
    pub fn train(&self) -> Result<Table, EngineError> {
        self.read(TRAIN, &self.index.train)
    }
    /// Rows kept aside.
    ///
    /// # Errors
    /// As [`Dataset::train`].
    pub fn holdout(&self) -> Result<Table, EngineError> {
        self.read(HOLDOUT, &self.index.holdout)
    }
    /// Counts, digest, notices.
    pub fn facts(&self) -> &DatasetFacts {
        &self.facts
    }

    fn read(&self, file: &str, part: &Part) -> Result<Table, EngineError> {
        let path = self.folder.join(file);
        let (table, digest) = read_sealed(&path)?;
        let same_columns = table.columns().len() == self.index.columns.len()
            && table.columns().iter().zip(&self.index.columns).all(|(a, b)| a.spec == *b);
        if digest != part.digest || table.rows() as u64 != part.rows || !same_columns {
            let message = format!(
                "read {}: it is not the table its dataset names; {RESTORE}",
                path.display()
            );
            return Err(EngineError::new(Code::StoreCorrupt, message));
        }
        Ok(table)
    }
}

/// Writes a dataset folder. Both tables must have the same columns and, per column, the same
/// levels;
/// `folder` must exist.
///
/// # Errors
/// `STORE-0003` on a full disk, `STORE-0004` when a file cannot be written, `DATA-0010` when the
/// tables do not share their columns.
pub fn write_dataset(
    folder: &Path,
    train: &Table,
    holdout: &Table,
    target: Option<String>,
    notices: Vec<String>,
) -> Result<DatasetFacts, EngineError> {
    check_alike(folder, train, holdout)?;
    let part = |file: &str, table: &Table| -> Result<Part, EngineError> {
        let digest = write_ipc(table, &folder.join(file))?;
        Ok(Part { rows: table.rows() as u64, digest })
    };
    let columns = train.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let (train, holdout) = std::thread::scope(|scope| {
        let aside = scope.spawn(|| part(HOLDOUT, holdout));
        let train = part(TRAIN, train);
        (train, aside.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault)))
    });
    let index =
        Index { version: VERSION, columns, target, train: train?, holdout: holdout?, notices };
    write_index(folder, &index)?;
    facts_of(folder, &index)
}

fn write_index(folder: &Path, index: &Index) -> Result<(), EngineError> {
    let path = folder.join(INDEX);
    let failed = |cause: io::Error| {
        let full = cause.kind() == io::ErrorKind::StorageFull;
        let code = if full { Code::DiskFull } else { Code::CannotWrite };
        EngineError::because(code, format!("cannot write dataset index {}", path.display()), cause)
    };
    let json = serde_json::to_vec_pretty(index).map_err(|cause| failed(cause.into()))?;
    let staged = folder.join("dataset.json.part");
    fs::write(&staged, json).map_err(failed)?;
    fs::File::open(&staged).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::rename(&staged, &path).map_err(failed)
}

fn check_alike(folder: &Path, train: &Table, holdout: &Table) -> Result<(), EngineError> {
    let alike = train.columns().len() == holdout.columns().len()
        && train.columns().iter().zip(holdout.columns()).all(|(a, b)| {
            a.spec == b.spec
                && match (&a.cells, &b.cells) {
                    (Cells::Level { levels: a, .. }, Cells::Level { levels: b, .. }) => a == b,
                    (Cells::Number(_), Cells::Number(_)) | (Cells::Text(_), Cells::Text(_)) => true,
                    _ => false,
                }
        });
    if alike {
        return Ok(());
    }
    let message = format!(
        "write dataset {}: training and holdout rows do not share their columns and levels; export \
         both tables with the same columns",
        folder.display()
    );
    Err(EngineError::new(Code::TablesDiffer, message))
}

fn facts_of(folder: &Path, index: &Index) -> Result<DatasetFacts, EngineError> {
    let columns = u32::try_from(index.columns.len()).map_err(|_| {
        let message = format!(
            "read dataset {}: it names more columns than can be counted; {RESTORE}",
            folder.display()
        );
        EngineError::new(Code::StoreCorrupt, message)
    })?;
    // The digests of the two tables cover cells, levels and kinds; the target changes no cell but
    // what is measured, so it counts too.
    let named = format!(
        "tgs dataset {VERSION}\n{}\n{}\n{}",
        index.train.digest,
        index.holdout.digest,
        index.target.as_deref().unwrap_or("")
    );
    Ok(DatasetFacts {
        digest: Digest::of(named.as_bytes()),
        train_rows: Rows(index.train.rows),
        holdout_rows: Rows(index.holdout.rows),
        columns,
        notices: index.notices.clone(),
    })
}

#[derive(Deserialize)]
struct OnlyVersion {
    version: u32,
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, StringArray, UInt32Array};
    use tgs_protocol::column::{ColumnKind, ValueFormat};

    use super::*;
    use crate::table::Column;

    fn table(rows: usize) -> Table {
        let spec = |name: &str, kind| {
            let (name, reason) = (name.to_owned(), String::new());
            let format = ValueFormat::Verbatim;
            Arc::new(ColumnSpec { name, kind, reason, format, missing_token: None })
        };
        let levels = Arc::new(StringArray::from(vec!["a", "b"]));
        let codes = UInt32Array::from_iter_values((0..rows).map(|row| (row % 2) as u32));
        let numbers = Float64Array::from_iter_values((0..rows).map(|row| row as f64));
        Table::new(vec![
            Column { spec: spec("n", ColumnKind::Integer), cells: Cells::Number(numbers) },
            Column { spec: spec("l", ColumnKind::Category), cells: Cells::Level { codes, levels } },
        ])
    }

    #[test]
    fn a_folder_gives_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let notices = vec!["line 3: odd".to_owned()];
        let target = Some("l".to_owned());
        let written = write_dataset(folder.path(), &table(5), &table(0), target, notices).unwrap();
        let dataset = Dataset::open(folder.path()).unwrap();
        assert_eq!(dataset.facts(), &written);
        assert_eq!(
            (written.train_rows, written.holdout_rows, written.columns),
            (Rows(5), Rows(0), 2)
        );
        assert_eq!(dataset.target(), Some("l"));
        assert_eq!(dataset.columns()[1].name, "l");
        assert_eq!(dataset.train().unwrap().rows(), 5);
        assert_eq!(dataset.holdout().unwrap().columns().len(), 2);
    }

    #[test]
    fn the_digest_follows_the_content() {
        let digest = |rows, target: Option<&str>| {
            let folder = tempfile::tempdir().unwrap();
            let target = target.map(str::to_owned);
            let facts = write_dataset(folder.path(), &table(rows), &table(1), target, Vec::new());
            facts.unwrap().digest
        };
        assert_eq!(digest(4, None), digest(4, None));
        assert_ne!(digest(4, None), digest(5, None));
        assert_ne!(digest(4, None), digest(4, Some("n")));
    }

    #[test]
    fn damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Dataset::open(folder.path()).unwrap_err();
        assert_eq!(missing.code(), Some(Code::StoreCorrupt));
        write_dataset(folder.path(), &table(5), &table(2), None, Vec::new()).unwrap();
        let dataset = Dataset::open(folder.path()).unwrap();
        fs::copy(folder.path().join(HOLDOUT), folder.path().join(TRAIN)).unwrap();
        assert_eq!(dataset.train().unwrap_err().code(), Some(Code::StoreCorrupt));
        fs::write(folder.path().join(HOLDOUT), b"ARROW1").unwrap();
        assert_eq!(dataset.holdout().unwrap_err().code(), Some(Code::StoreCorrupt));
        let index = fs::read_to_string(folder.path().join(INDEX)).unwrap();
        fs::write(folder.path().join(INDEX), &index[..index.len() / 2]).unwrap();
        assert_eq!(Dataset::open(folder.path()).unwrap_err().code(), Some(Code::StoreCorrupt));
        let newer = index.replacen("\"version\": 1", "\"version\": 2", 1);
        fs::write(folder.path().join(INDEX), newer).unwrap();
        assert_eq!(Dataset::open(folder.path()).unwrap_err().code(), Some(Code::StoreTooNew));
        let other = Table::new(table(5).columns()[..1].to_vec());
        let error = write_dataset(folder.path(), &table(5), &other, None, Vec::new());
        assert_eq!(error.unwrap_err().code(), Some(Code::TablesDiffer));
    }
}
