//! Which texts mean yes and no, for formats that have a type for it.

use arrow::array::StringArray;

const YES: [&str; 6] = ["true", "yes", "t", "y", "1", "1.0"];
const NO: [&str; 6] = ["false", "no", "f", "n", "0", "0.0"];

/// True or false per level; none unless every level is one of them and no two are the same.
pub(super) fn meanings(levels: &StringArray) -> Option<Vec<bool>> {
    let meaning = |level: Option<&str>| {
        let level = level?.to_lowercase();
        match (YES.contains(&level.as_str()), NO.contains(&level.as_str())) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    };
    let meanings = levels.iter().map(meaning).collect::<Option<Vec<bool>>>()?;
    let distinct = match meanings[..] {
        [one, other] => one != other,
        [_] | [] => true,
        _ => false,
    };
    distinct.then_some(meanings)
}
