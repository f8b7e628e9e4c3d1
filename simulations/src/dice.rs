//! Made-up chance: SplitMix64 (Steele, Lea and Flood, 2014). The same seed, the same throws, for as
//! long as this repository lives.

/// A stream of throws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The stream of this seed.
    pub fn of_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Another stream, which depends on this one's seed and on `purpose` only.
    #[must_use]
    pub fn apart(&self, purpose: u64) -> Self {
        Self { state: mix(self.state ^ mix(purpose.wrapping_add(GOLDEN))) }
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of the multiplication is below 2⁻³² for ends below 2³².
        ((u128::from(self.any()) * u128::from(end.max(1))) >> 64) as u64
    }

    /// A number from `low` to `high`, both possible.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True so many times in a million.
    pub fn happens(&mut self, in_a_million: u32) -> bool {
        self.below(1_000_000) < u64::from(in_a_million)
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        let at = self.below(among.len() as u64) as usize;
        among.get(at)
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first throws of the published C code (Vigna) for seed 1234567.
    #[test]
    fn throws_are_the_published_ones() {
        let mut dice = Dice::of_seed(1_234_567);
        let throws: Vec<u64> = (0..5).map(|_| dice.any()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(throws, published);
    }

    #[test]
    fn throws_stay_within_and_streams_differ() {
        let mut dice = Dice::of_seed(1);
        assert!((0..1_000).all(|_| dice.below(7) < 7 && (3..=5).contains(&dice.within(3, 5))));
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&dice.share())));
        assert_eq!((dice.below(0), dice.pick::<u8>(&[])), (0, None));
        assert_ne!(dice.apart(1).any(), dice.apart(2).any());
        let often = (0..100_000).filter(|_| dice.happens(250_000)).count();
        assert!((24_000..26_000).contains(&often), "{often}");
    }
}
