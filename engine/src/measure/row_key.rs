//! A name for the content of a row: equal rows have equal keys, and unequal ones differ in all but
//! 2⁻¹²⁸ of the cases. Keys never leave the process, and no order of keys is told.

use crate::measure::frame::{Side, Values};

/// 128 bits of a row.
pub type RowKey = (u64, u64);

/// Key of every row over all cells. Zero and minus zero are the same; numbers are compared after
/// rounding to nine decimals, so that text and binary copies of a row agree.
pub fn of_rows(side: &Side) -> Vec<RowKey> {
    keys(side, |value| {
        let rounded = (value * 1e9).round_ties_even() / 1e9;
        let value = if rounded.is_finite() { rounded } else { value };
        if value.is_nan() { u64::MAX } else { (value + 0.0).to_bits() }
    })
}

/// Key of every row over its levels and over which of its numbers are missing.
pub fn of_levels(side: &Side) -> Vec<RowKey> {
    keys(side, |value| u64::from(value.is_nan()))
}

fn keys(side: &Side, bits: impl Fn(f64) -> u64) -> Vec<RowKey> {
    let mut keys = vec![(0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F); side.rows];
    for column in &side.columns {
        match column {
            Values::Number(values) => {
                keys.iter_mut().zip(values).for_each(|(key, value)| absorb(key, bits(*value)));
            }
            Values::Level(codes) => {
                keys.iter_mut().zip(codes).for_each(|(key, code)| absorb(key, u64::from(*code)));
            }
        }
    }
    keys
}

fn absorb(key: &mut RowKey, word: u64) {
    key.0 = mix(key.0 ^ word, 0xBF58_476D_1CE4_E5B9);
    key.1 = mix(key.1.rotate_left(23) ^ word, 0x94D0_49BB_1331_11EB);
}

/// A bijection of 64 bits that spreads every input bit (the finaliser of SplitMix64).
fn mix(word: u64, factor: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(factor);
    let word = (word ^ (word >> 27)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    word ^ (word >> 31)
}
