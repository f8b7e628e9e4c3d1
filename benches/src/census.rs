//! A made table like the census table `adult`, from a fixed seed: columns independent of each
//! other.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use tgs_engine::random::{Purpose, Stream};

const WORK: [&str; 8] = [
    "Private",
    "Self-emp-not-inc",
    "Local-gov",
    "?",
    "State-gov",
    "Self-emp-inc",
    "Federal-gov",
    "Without-pay",
];
const SCHOOL: [&str; 8] =
    ["HS-grad", "Some-college", "Bachelors", "Masters", "Assoc-voc", "11th", "Assoc-acdm", "10th"];
const MARITAL: [&str; 5] =
    ["Married-civ-spouse", "Never-married", "Divorced", "Separated", "Widowed"];
const JOB: [&str; 8] = [
    "Prof-specialty",
    "Craft-repair",
    "Exec-managerial",
    "Adm-clerical",
    "Sales",
    "Other-service",
    "Machine-op-inspct",
    "?",
];
const RELATION: [&str; 5] = ["Husband", "Not-in-family", "Own-child", "Unmarried", "Wife"];
const RACE: [&str; 4] = ["White", "Black", "Asian-Pac-Islander", "Other"];
const LAND: [&str; 5] = ["United-States", "Mexico", "?", "Philippines", "Germany"];

/// When a table is long enough.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// The file has so many bytes; without an id column.
    Bytes(usize),
    /// It has so many rows, each with an id.
    Rows(usize),
}

/// Writes rows like those of `adult`; gives their number.
///
/// # Errors
/// Those of the file.
pub fn write(path: &Path, until: Until) -> io::Result<usize> {
    let mut dice = Stream::new(7, Purpose::Test, 0);
    let has_id = matches!(until, Until::Rows(_));
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut bytes = 0;
    let mut text = String::from(if has_id { "id," } else { "" });
    text.push_str(
        "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,\
         sex,capital_gain,capital_loss,hours_per_week,native_country,income\n",
    );
    let mut rows = 0;
    while match until {
        Until::Bytes(most) => bytes + text.len() < most,
        Until::Rows(most) => rows < most,
    } {
        bytes += text.len();
        file.write_all(text.as_bytes())?;
        text.clear();
        if has_id {
            let _ = write!(text, "{},", rows + 1);
        }
        let mut below = |count: usize| dice.below(count as u64) as usize;
        let gain = if below(12) == 0 { below(99_999) } else { 0 };
        let loss = if below(20) == 0 { below(4_356) } else { 0 };
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{gain},{loss},{},{},{}",
            17 + below(74),
            WORK[below(8)],
            12_285 + below(1_478_115),
            SCHOOL[below(8)],
            1 + below(16),
            MARITAL[below(5)],
            JOB[below(8)],
            RELATION[below(5)],
            RACE[below(4)],
            if below(3) == 0 { "Female" } else { "Male" },
            1 + below(99),
            LAND[below(5)],
            if below(4) == 0 { ">50K" } else { "<=50K" },
        );
        rows += 1;
    }
    file.write_all(text.as_bytes())?;
    file.flush()?;
    Ok(rows)
}
