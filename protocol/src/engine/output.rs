//! Formats of output files, told from their names before any work begins.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{code::Code, refusal::Refusal};

/// Format of an output file, from its name: `x.csv`, `x.csv.gz`, `x.parquet`, `x.jsonl.zst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFormat {
    /// How rows are written.
    pub rows: RowFormat,
    /// How the file is compressed.
    pub compression: Compression,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowFormat {
    /// Comma-separated values, RFC 4180.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object per line.
    JsonLines,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl OutputFormat {
    /// Every pair that can be written.
    pub const ALL: [Self; 7] = [
        Self { rows: RowFormat::Csv, compression: Compression::None },
        Self { rows: RowFormat::Csv, compression: Compression::Gzip },
        Self { rows: RowFormat::Csv, compression: Compression::Zstd },
        Self { rows: RowFormat::JsonLines, compression: Compression::None },
        Self { rows: RowFormat::JsonLines, compression: Compression::Gzip },
        Self { rows: RowFormat::JsonLines, compression: Compression::Zstd },
        Self { rows: RowFormat::Parquet, compression: Compression::None },
    ];

    /// Reads the format off the end of a file name, upper or lower case; folders before it are
    /// allowed. Parquet compresses inside, so it has no outer compression.
    pub fn of_name(name: &str) -> Result<Self, Refusal> {
        let refuse = |what: &str| {
            let message = format!(
                "cannot tell the output format from the name `{name}`: {what}; end the name in \
                 .csv, .jsonl or .parquet (.csv and .jsonl also with .gz or .zst)"
            );
            Err(Refusal::new(Code::BadOutputName, message))
        };
        let file = name.rsplit('/').next().unwrap_or_default().to_lowercase();
        let (plain, compression) = match file.rsplit_once('.') {
            Some((plain, "gz")) => (plain, Compression::Gzip),
            Some((plain, "zst")) => (plain, Compression::Zstd),
            _ => (file.as_str(), Compression::None),
        };
        let rows = match plain.rsplit_once('.') {
            Some(("", _)) => return refuse("nothing stands before the ending"),
            Some((_, "csv")) => RowFormat::Csv,
            Some((_, "jsonl" | "ndjson")) => RowFormat::JsonLines,
            Some((_, "parquet")) if compression == Compression::None => RowFormat::Parquet,
            Some((_, "parquet")) => return refuse("parquet is compressed inside"),
            Some(_) => return refuse("this ending is not known"),
            None => return refuse("it has no ending"),
        };
        Ok(Self { rows, compression })
    }
}

/// The ending of a name: `.csv.gz`.
impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.rows {
            RowFormat::Csv => ".csv",
            RowFormat::Parquet => ".parquet",
            RowFormat::JsonLines => ".jsonl",
        })?;
        f.write_str(match self.compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_told_from_the_name_it_prints() {
        for format in OutputFormat::ALL {
            for name in [format!("x{format}"), format!("/a.b/c d{format}"), format!("x.y{format}")]
            {
                assert_eq!(OutputFormat::of_name(&name), Ok(format), "{name}");
                assert_eq!(OutputFormat::of_name(&name.to_uppercase()), Ok(format), "{name}");
            }
        }
        let ndjson = OutputFormat { rows: RowFormat::JsonLines, compression: Compression::Zstd };
        assert_eq!(OutputFormat::of_name("x.ndjson.zst"), Ok(ndjson));
    }

    #[test]
    fn other_names_are_refused_with_their_reason() {
        let cases = [
            ("", "it has no ending"),
            ("synthetic", "it has no ending"),
            ("csv", "it has no ending"),
            ("x.csv/y", "it has no ending"),
            (".csv", "nothing stands before the ending"),
            ("out/.parquet", "nothing stands before the ending"),
            ("x.tsv", "this ending is not known"),
            ("x.xlsx", "this ending is not known"),
            ("x.csv.bz2", "this ending is not known"),
            ("x.gz", "it has no ending"),
            ("x.csv.gz.zst", "this ending is not known"),
            ("x.parquet.gz", "parquet is compressed inside"),
        ];
        for (name, reason) in cases {
            let refusal = OutputFormat::of_name(name).expect_err(name);
            assert_eq!(refusal.code, Code::BadOutputName, "{name}");
            assert!(refusal.message.contains(reason), "{name}: {refusal}");
        }
    }
}
