//! A name for the content of a row: equal rows have equal keys, and unequal ones differ in all but
//! 2⁻¹²⁸ of the cases. Keys never leave the process, and no order of keys is told.

use crate::measure::frame::{Side, Values};

/// 128 bits of a row.
pub type RowKey = (u64, u64);

/// Bits of a number that are rounded away: forty of its fraction stay, which is twelve digits.
const BITS_ROUNDED: u32 = 12;

/// Key of every row over all cells. Zero and minus zero are the same; numbers are compared after
/// rounding to twelve digits, so that text and binary copies of a row agree, in any unit.
pub fn of_rows(side: &Side) -> Vec<RowKey> {
    keys(side, |value| {
        if value.is_nan() {
            return u64::MAX;
        }
        ((value + 0.0).to_bits() + (1 << (BITS_ROUNDED - 1))) >> BITS_ROUNDED
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_apart_in_any_unit_and_not_by_their_last_bits() {
        let keys = |values: &[f64]| {
            let columns = vec![Values::Number(values.to_vec().into())];
            of_rows(&Side { rows: values.len(), columns })
        };
        for unit in [1.0, 1e-12, 1e12] {
            let [a, b, noisy] = [0.3, 0.4, 0.1 + 0.2].map(|value| keys(&[value * unit])[0]);
            assert!(a != b, "{unit}");
            assert!(a == noisy, "{unit}");
        }
        let [zero, minus, missing] = [0.0, -0.0, f64::NAN].map(|value| keys(&[value])[0]);
        assert!(zero == minus && zero != missing);
    }
}
