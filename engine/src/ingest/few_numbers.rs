//! Numbers with few distinct values as categories, each written as in the source.

use std::sync::Arc;

use arrow::array::{StringArray, UInt32Array};

use crate::{
    ingest::{gather::Gathered, numbers::Numbers},
    table::Cells,
};

/// How each of a few values is written; where one is written in several ways, the longest.
pub fn texts_of(values: &[f64], gathered: &Gathered, numbers: &Numbers) -> Vec<String> {
    let mut texts = vec![Vec::new(); values.len()];
    let mut take = |value: f64, text: &[u8]| {
        if let Some(at) = values.iter().position(|known| *known == value) {
            let known: &mut Vec<u8> = &mut texts[at];
            if (text.len(), text) > (known.len(), known.as_slice()) {
                *known = text.to_vec();
            }
        }
    };
    if let Gathered::Levels(levels) = gathered {
        for text in levels.dictionary.iter() {
            if let Some(number) = numbers.numeral(text) {
                take(number.value, text.trim_ascii());
            }
        }
    } else {
        let mut row = 0;
        let mut last = (f64::NAN, Vec::new());
        gathered.each_text(|text| {
            let value = numbers.values[row];
            if numbers.is_present(row) && !(value == last.0 && text == last.1.as_slice()) {
                take(value, text);
                last = (value, text.to_vec());
            }
            row += 1;
            true
        });
    }
    texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// The cells as levels of those texts.
pub fn numbers_as_levels(numbers: &Numbers, values: &[f64], texts: &[String]) -> Cells {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| texts[*a].as_bytes().cmp(texts[*b].as_bytes()));
    let mut code_of = vec![0; values.len()];
    order.iter().enumerate().for_each(|(code, &at)| code_of[at] = code as u32);
    let codes = numbers.values.iter().enumerate().map(|(row, value)| {
        let at = values.iter().position(|known| known == value);
        at.filter(|_| numbers.is_present(row)).map(|at| code_of[at])
    });
    let codes: UInt32Array = codes.collect();
    let levels = order.iter().map(|&at| texts[at].as_str());
    Cells::Level { codes, levels: Arc::new(StringArray::from_iter_values(levels)) }
}
