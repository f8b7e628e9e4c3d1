//! Formats of tables as orders name them.

use serde::{Deserialize, Serialize};

use crate::engine::{Compression, OutputFormat, RowFormat};

/// What a job's table is to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TableFormat {
    /// Comma-separated values.
    #[default]
    #[serde(rename = "csv")]
    Csv,
    /// The same, by gzip.
    #[serde(rename = "csv.gz")]
    CsvGzip,
    /// The same, by Zstandard.
    #[serde(rename = "csv.zst")]
    CsvZstd,
    /// One JSON object per line.
    #[serde(rename = "jsonl")]
    JsonLines,
    /// The same, by gzip.
    #[serde(rename = "jsonl.gz")]
    JsonLinesGzip,
    /// The same, by Zstandard.
    #[serde(rename = "jsonl.zst")]
    JsonLinesZstd,
    /// Apache Parquet.
    #[serde(rename = "parquet")]
    Parquet,
}

impl TableFormat {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Csv,
        Self::CsvGzip,
        Self::CsvZstd,
        Self::JsonLines,
        Self::JsonLinesGzip,
        Self::JsonLinesZstd,
        Self::Parquet,
    ];

    /// The name of a format; none of one that cannot be written.
    pub fn of(format: OutputFormat) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.output() == format)
    }

    /// How rows are written, and how the file is compressed.
    pub const fn output(self) -> OutputFormat {
        use Compression::{Gzip, None, Zstd};
        let (rows, compression) = match self {
            Self::Csv => (RowFormat::Csv, None),
            Self::CsvGzip => (RowFormat::Csv, Gzip),
            Self::CsvZstd => (RowFormat::Csv, Zstd),
            Self::JsonLines => (RowFormat::JsonLines, None),
            Self::JsonLinesGzip => (RowFormat::JsonLines, Gzip),
            Self::JsonLinesZstd => (RowFormat::JsonLines, Zstd),
            Self::Parquet => (RowFormat::Parquet, None),
        };
        OutputFormat { rows, compression }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_has_one_name_which_is_its_ending() {
        assert_eq!(TableFormat::ALL.map(TableFormat::output), OutputFormat::ALL);
        for format in TableFormat::ALL {
            let ending = format.output().to_string();
            assert_eq!(serde_json::json!(format), ending.trim_start_matches('.'));
        }
    }
}
