//! Counts of categories and texts.

use std::collections::BTreeMap;

use arrow::array::{Array, StringArray, UInt32Array};
use tgs_protocol::profile::TopValue;

use crate::ingest::dictionary::hash;

/// Distinct levels that occur, and the most frequent ones.
pub fn of_levels(codes: &UInt32Array, levels: &StringArray, most: usize) -> (u64, Vec<TopValue>) {
    let mut counts = vec![0_u64; levels.len()];
    for code in codes.iter().flatten() {
        if let Some(count) = counts.get_mut(code as usize) {
            *count += 1;
        }
    }
    let distinct = counts.iter().filter(|count| **count > 0).count() as u64;
    let found = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let top = found.map(|(code, count)| (levels.value(code).to_owned(), *count)).collect();
    (distinct, most_frequent(top, most))
}

/// Distinct texts, and the most frequent ones. Texts are told apart by 64-bit hashes: two of a
/// hundred million differing ones are taken for the same with a chance of three in ten thousand.
pub fn of_texts(texts: &StringArray, most: usize) -> (u64, Vec<TopValue>) {
    let mut hashes: Vec<(u64, u32)> = texts
        .iter()
        .enumerate()
        .filter_map(|(row, text)| text.map(|text| (hash(text.as_bytes()), row as u32)))
        .collect();
    hashes.sort_unstable();
    let mut distinct = 0;
    // Only counts matter until the texts of the frequent ones are looked up.
    let mut by_count: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    let mut kept = 0;
    for run in hashes.chunk_by(|a, b| a.0 == b.0) {
        distinct += 1;
        let count = run.len() as u64;
        if kept >= 4 * most && by_count.first_key_value().is_some_and(|(least, _)| count < *least) {
            continue;
        }
        by_count.entry(count).or_default().push(run[0].1);
        kept += 1;
        while kept > 4 * most && by_count.len() > 1 {
            let Some((_, dropped)) = by_count.pop_first() else { break };
            kept -= dropped.len();
        }
    }
    let found =
        by_count.iter().rev().flat_map(|(count, rows)| rows.iter().map(|row| (*row, *count)));
    let top = found.map(|(row, count)| (texts.value(row as usize).to_owned(), count)).collect();
    (distinct, most_frequent(top, most))
}

fn most_frequent(mut found: Vec<(String, u64)>, most: usize) -> Vec<TopValue> {
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    found.truncate(most);
    found.into_iter().map(|(value, count)| TopValue { value, count }).collect()
}
