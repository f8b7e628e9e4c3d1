//! A keyed one-to-one shuffling of 0 .. space, so that consecutive row numbers look random and stay
//! unique.
//!
//! A balanced Feistel network of eight rounds with cycle walking (Black and Rogaway, "Ciphers with
//! arbitrary finite domains", CT-RSA 2002). It hides nothing: it only scatters.

use crate::random::{Purpose, Stream};

const ROUNDS: usize = 8;

/// A permutation of 0 .. space.
#[derive(Debug, Clone)]
pub(super) struct Mixer {
    keys: [u64; ROUNDS],
    space: u64,
    half_bits: u32,
}

impl Mixer {
    /// The permutation of 0 .. `space` (at least 1; `u64::MAX` stands for all 64 bits) of this
    /// seed.
    pub(super) fn new(seed: u64, space: u64) -> Self {
        // Index 2³² − 1 is no chunk number: 10⁸ rows are 10⁴ chunks.
        let mut stream = Stream::new(seed, Purpose::SampleText, u64::from(u32::MAX));
        let keys = std::array::from_fn(|_| stream.long_bits());
        let bits = 64 - (space - 1).leading_zeros();
        Self { keys, space, half_bits: bits.div_ceil(2).max(1) }
    }

    /// Where `number` (below the space) goes.
    pub(super) fn mix(&self, number: u64) -> u64 {
        let mut at = self.once(number);
        // The walk stays on the cycle of `number`, which holds a member of the space: `number`.
        while self.space != u64::MAX && at >= self.space {
            at = self.once(at);
        }
        at
    }

    fn once(&self, number: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits & mask, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (scatter(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn scatter(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixer_is_a_permutation() {
        for space in [1, 2, 3, 10, 1_000, 4_097] {
            let mixer = Mixer::new(5, space);
            let mut met = vec![false; space as usize];
            (0..space).for_each(|number| met[mixer.mix(number) as usize] = true);
            assert!(met.iter().all(|met| *met), "space {space}");
        }
    }
}
