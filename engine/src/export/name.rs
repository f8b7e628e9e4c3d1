//! What an output file should be, from its name.

use std::path::Path;

use tgs_protocol::{
    code::Code,
    engine::{Compression, EngineError, OutputFormat, RowFormat},
};

const ROW_ENDINGS: [(&str, RowFormat); 4] = [
    (".csv", RowFormat::Csv),
    (".jsonl", RowFormat::JsonLines),
    (".ndjson", RowFormat::JsonLines),
    (".parquet", RowFormat::Parquet),
];
const COMPRESSION_ENDINGS: [(&str, Compression); 2] =
    [(".gz", Compression::Gzip), (".zst", Compression::Zstd)];
const KNOWN: &str = ".csv, .jsonl or .ndjson (each also with .gz or .zst), or .parquet";

/// The format that a file name asks for; capitals do not matter.
///
/// # Errors
/// [`Code::BadOutputName`] for any other name, listing the known endings.
pub fn format_of(path: &Path) -> Result<OutputFormat, EngineError> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    let compressed = COMPRESSION_ENDINGS
        .into_iter()
        .find_map(|(ending, compression)| Some((name.strip_suffix(ending)?, compression)));
    let (stem, compression) = compressed.unwrap_or((&name, Compression::None));
    let rows = ROW_ENDINGS.into_iter().find_map(|(ending, rows)| {
        stem.strip_suffix(ending).filter(|s| !s.is_empty()).map(|_| rows)
    });
    let Some(rows) = rows else {
        let message =
            format!("tell the format of {} from its name: end it in {KNOWN}", path.display());
        return Err(EngineError::new(Code::BadOutputName, message));
    };
    let format = OutputFormat { rows, compression };
    refuse_nonsense(path, format)?;
    Ok(format)
}

/// Parquet compresses its own pages; readers do not look into a compressed one.
pub(super) fn refuse_nonsense(path: &Path, format: OutputFormat) -> Result<(), EngineError> {
    if format.rows == RowFormat::Parquet && format.compression != Compression::None {
        let message = format!(
            "write {}: a Parquet file is compressed inside; end its name in .parquet",
            path.display()
        );
        return Err(EngineError::new(Code::BadOutputName, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        use {Compression as C, RowFormat as R};
        for (name, rows, compression) in [
            ("a.csv", R::Csv, C::None),
            ("dir.parquet/A.CSV.GZ", R::Csv, C::Gzip),
            ("a.b.csv.zst", R::Csv, C::Zstd),
            ("a.jsonl", R::JsonLines, C::None),
            ("a.ndjson.gz", R::JsonLines, C::Gzip),
            ("a.parquet", R::Parquet, C::None),
        ] {
            let format = format_of(Path::new(name)).expect("a known name");
            assert_eq!(format, OutputFormat { rows, compression }, "{name}");
        }
    }

    #[test]
    fn other_names_are_refused_with_the_known_ones() {
        for name in ["a", "a.txt", ".csv", "a.gz", "a.parquet.gz", "a.csv.gz.zst", "", "a.xlsx"] {
            let refused = format_of(Path::new(name)).expect_err(name);
            assert_eq!(refused.code(), Some(Code::BadOutputName));
            assert!(refused.to_string().contains(".parquet"), "{refused}");
        }
    }
}
