//! Counter-based random numbers: (seed, purpose, index) → an endless stream, the same on every
//! machine.
//!
//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A stream
//! has no state that must be saved: whoever knows the three numbers can open it again anywhere.
//! Only IEEE basic operations and the software logarithm of `libm` are used, so the bits do not
//! depend on the processor or on the C library.

/// What random numbers are drawn for. Streams of different purposes never overlap.
/// A number is never reused for another purpose: stored models depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Which rows are kept aside.
    Split = 1,
    /// Initial parameters; index: tensor.
    Init = 2,
    /// Order of rows; index: pass over the data.
    Order = 3,
    /// Noise of a training step; index: step and shard.
    TrainNoise = 4,
    /// Noise levels of a training step; index: step and shard.
    TrainLevel = 5,
    /// Uniform dequantisation of ranks; index: step and shard.
    Dequantise = 6,
    /// Latents of a chunk; index: chunk.
    SampleLatent = 7,
    /// Categories drawn in a chunk; index: chunk.
    SampleLevel = 8,
    /// Numbers drawn in a chunk; index: chunk.
    SampleNumber = 9,
    /// Ids and texts of a chunk; index: chunk.
    SampleText = 10,
    /// Which training rows choose and do not learn (0), which others are looked at beside them (1),
    /// then the noise of their loss, the same at each look.
    Validation = 11,
    /// Rows of a tree, trees of a forest; index: tree.
    Tree = 12,
    /// Subsamples of a report; index: which measure.
    Subsample = 13,
    /// Dropout masks; index: step and shard.
    Dropout = 15,
    /// Where a number that is one person's own goes; index: column and place.
    OwnNumber = 16,
    /// Latents that shares are calibrated on; index: batch.
    Calibration = 17,
    /// Rows that columns are compared on before some are drawn once more; index: which.
    RedrawRows = 18,
    /// Rows and columns of the trees that columns are drawn from; index: which, and round.
    RedrawTree = 19,
    /// Columns of a chunk that are drawn once more; index: which, and chunk.
    Redraw = 20,
    /// In which order a training step knows columns; index: step and shard.
    ColumnOrder = 21,
    /// Latents that noise levels are fitted on; index: batch.
    NoiseLevels = 22,
    /// Seeds of rows under conditions; index: chunk and attempt, or group from the end.
    Given = 23,
    /// In which order the groups of a chunk stand; index: chunk.
    GivenOrder = 24,
    /// In which order rows that choose are looked at beside that in which rows are drawn; index:
    /// their part.
    ValidationOrder = 25,
    /// Noise of the loss of rows that choose, where their cells are drawn as well; index: their
    /// part.
    ValidationNoise = 26,
    /// The seed of a contest between models, from that of the job.
    Contest = 27,
    /// Anything a test draws.
    Test = 99,
}

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// Opens the stream of (seed, purpose, index). After 2³⁴ numbers it would run into that of
    /// another index.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        // The lowest counter word counts blocks; the others keep streams apart.
        #[expect(clippy::cast_possible_truncation, reason = "split in halves on purpose")]
        let counter = [0, (index >> 32) as u32, index as u32, purpose as u32];
        #[expect(clippy::cast_possible_truncation, reason = "split in halves on purpose")]
        let key = [seed as u32, (seed >> 32) as u32];
        Self { key, counter, block: [0; 4], used: 4 }
    }

    /// 32 uniform bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.used = 0;
            let (low, carry) = self.counter[0].overflowing_add(1);
            self.counter[0] = low;
            self.counter[1] = self.counter[1].wrapping_add(u32::from(carry));
        }
        let bits = self.block[self.used];
        self.used += 1;
        bits
    }

    /// 64 uniform bits.
    pub fn long_bits(&mut self) -> u64 {
        u64::from(self.bits()) << 32 | u64::from(self.bits())
    }

    /// Uniform in the open interval (0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        ((self.long_bits() >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in 0 .. `below`, without bias (Lemire, 2019).
    ///
    /// # Panics
    /// When `below` is zero.
    pub fn below(&mut self, below: u64) -> u64 {
        assert!(below > 0, "an empty range has no member to draw");
        loop {
            let wide = u128::from(self.long_bits()) * u128::from(below);
            #[expect(clippy::cast_possible_truncation, reason = "the low half on purpose")]
            let low = wide as u64;
            if low >= below || low >= below.wrapping_neg() % below {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Standard normal, from 32 bits by the inverse distribution function.
    pub fn normal(&mut self) -> f64 {
        inverse_normal((f64::from(self.bits()) + 0.5) * (1.0 / 4_294_967_296.0))
    }

    /// Fills with standard normals.
    pub fn fill_normal(&mut self, into: &mut [f32]) {
        #[expect(clippy::cast_possible_truncation, reason = "single precision is what models use")]
        into.iter_mut().for_each(|cell| *cell = self.normal() as f32);
    }

    /// Fills with uniforms in (0, 1).
    pub fn fill_uniform(&mut self, into: &mut [f32]) {
        // 23 bits and a half keep the largest value below one in single precision.
        into.iter_mut()
            .for_each(|cell| *cell = ((self.bits() >> 9) as f32 + 0.5) * (1.0 / 8_388_608.0));
    }

    /// Brings items into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }

    /// The numbers 0 .. `count` in a random order.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        self.shuffle(&mut order);
        order
    }

    /// `take` distinct numbers of 0 .. `from`, ascending; all of them when `take ≥ from`.
    pub fn subsample(&mut self, from: usize, take: usize) -> Vec<usize> {
        let mut picked = self.permutation(from);
        picked.truncate(take);
        picked.sort_unstable();
        picked
    }
}

/// The share of a standard normal distribution that lies below.
pub fn normal_share(below: f64) -> f64 {
    0.5 * libm::erfc(-below * std::f64::consts::FRAC_1_SQRT_2)
}

/// Φ⁻¹(p) for p in (0, 1): algorithm AS 241, PPND16 (Wichura, 1988), relative error 1e-16.
pub fn inverse_normal(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(&CENTRE, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-libm::log(tail)).sqrt();
    let size = if r <= 5.0 { ratio(&MIDDLE, r - 1.6) } else { ratio(&FAR, r - 5.0) };
    if q < 0.0 { -size } else { size }
}

fn ratio((above, below): &([f64; 8], [f64; 8]), x: f64) -> f64 {
    let horner = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
    horner(above) / horner(below)
}

#[expect(clippy::excessive_precision, reason = "as printed in the paper")]
const CENTRE: ([f64; 8], [f64; 8]) = (
    [
        3.387_132_872_796_366_608_0,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_083_0e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061_0e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561_0e3,
    ],
);

#[expect(clippy::excessive_precision, reason = "as printed in the paper")]
const MIDDLE: ([f64; 8], [f64; 8]) = (
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_90,
        5.769_497_221_460_691_405_50,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        2.417_807_251_774_506_117_70e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_40e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_40,
        6.897_673_349_851_000_045_50e-1,
        1.481_039_764_274_800_745_90e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946_00e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
);

#[expect(clippy::excessive_precision, reason = "as printed in the paper")]
const FAR: ([f64; 8], [f64; 8]) = (
    [
        6.657_904_643_501_103_777_20,
        5.463_784_911_164_114_369_90,
        1.784_826_539_917_291_335_80,
        2.965_605_718_285_048_912_30e-1,
        2.653_218_952_657_612_309_30e-2,
        1.242_660_947_388_078_438_60e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879_376_90e-1,
        1.369_298_809_227_358_053_10e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591_00e-4,
        1.846_318_317_510_054_681_80e-5,
        1.421_511_758_316_445_888_70e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
);

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let (high0, low0) = halves(0xD251_1F53, counter[0]);
        let (high1, low1) = halves(0xCD9E_8D57, counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
    }
    counter
}

#[expect(clippy::cast_possible_truncation, reason = "split in halves on purpose")]
fn halves(a: u32, b: u32) -> (u32, u32) {
    let wide = u64::from(a) * u64::from(b);
    ((wide >> 32) as u32, wide as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of Random123 (`kat_vectors`).
    #[test]
    fn philox_known_answers() {
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        for (counter, key, answer) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ] {
            assert_eq!(philox(counter, key), answer);
        }
    }

    #[test]
    fn normal_quantiles_match_published_values() {
        for (p, z) in [(0.25, -0.674_489_750_196_081_7), (0.001, -3.090_232_306_167_813_5)] {
            assert!((inverse_normal(p) - z).abs() < 1e-14);
            assert!((inverse_normal(1.0 - p) + z).abs() < 1e-12);
        }
        assert!((inverse_normal(1e-20) + 9.262_340_089_798_408).abs() < 1e-13);
    }

    #[test]
    fn normals_have_the_moments_of_normals() {
        let mut stream = Stream::new(7, Purpose::Test, 0);
        let draws: Vec<f64> = (0..200_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.01 && (square - 1.0).abs() < 0.02, "{mean} {square}");
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_index() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).long_bits();
        let one = first(1, Purpose::Test, 0);
        assert_eq!(one, first(1, Purpose::Test, 0));
        assert_ne!(one, first(2, Purpose::Test, 0));
        assert_ne!(one, first(1, Purpose::Split, 0));
        assert_ne!(one, first(1, Purpose::Test, 1));
    }

    #[test]
    fn a_subsample_is_distinct_and_ascending() {
        let picked = Stream::new(3, Purpose::Test, 0).subsample(100, 30);
        assert_eq!(picked.len(), 30);
        assert!(picked.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
