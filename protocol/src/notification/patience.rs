//! When a notice that did not arrive is tried again: soon, then ever later, over three days.

use crate::{
    digest::Digest,
    limits::{NOTICE_JITTER_INVERSE, NOTICE_PAUSE_ASKED_MAX_MS, NOTICE_PAUSES_MS},
    notification::delivery::DeliveryKey,
    unit::Millis,
};

/// How long a pause is, as a share of the usual one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    factor: f64,
}

impl Patience {
    /// The schedule of Standard Webhooks.
    pub const USUAL: Self = Self { factor: 1.0 };

    /// All pauses so many times as long: for tests that cannot wait for days. A factor that is no
    /// number or negative counts as 0.
    pub fn times(factor: f64) -> Self {
        Self { factor: if factor.is_finite() { factor.max(0.0) } else { 0.0 } }
    }

    /// The pause after this many attempts; none once all were made. A receiver that asked for a
    /// longer one gets it. Spread by the key, so that receivers that were away are not met by all
    /// their notices at one moment, and the same however often it is computed.
    pub fn pause(self, key: &DeliveryKey, tries: u32, asked: Option<Millis>) -> Option<Millis> {
        let usual = *NOTICE_PAUSES_MS.get(usize::try_from(tries).ok()?)?;
        let asked = asked.map_or(0, |asked| asked.get().min(NOTICE_PAUSE_ASKED_MAX_MS));
        let pause = usual + spread(key, tries, usual / NOTICE_JITTER_INVERSE);
        let pause = pause.max(asked);
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a day has far fewer than 2^53 milliseconds"
        )]
        let scaled = (pause as f64 * self.factor) as u64;
        Some(Millis(scaled))
    }
}

/// Something from 0 up to `most`, decided by the key and the number of the attempt.
fn spread(key: &DeliveryKey, tries: u32, most: u64) -> u64 {
    let digest = Digest::of(format!("{key}/{tries}").as_bytes());
    let first = digest.as_bytes().first_chunk::<8>().map_or(0, |it| u64::from_be_bytes(*it));
    first % (most + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{id::SubscriptionId, unit::EventNo};

    fn key(event: u64) -> DeliveryKey {
        DeliveryKey { subscription: SubscriptionId::new("s"), event: EventNo(event) }
    }

    #[test]
    fn pauses_grow_to_a_day_and_end() {
        let minute = 60_000;
        let hour = 60 * minute;
        let usual =
            [5_000, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour]
                .into_iter()
                .chain([24 * hour]);
        for (tries, least) in (1..).zip(usual) {
            let pause = Patience::USUAL.pause(&key(1), tries, None).expect("one more").get();
            assert!((least..=least + least / 10).contains(&pause), "after {tries}: {pause} ms");
        }
        assert_eq!(Patience::USUAL.pause(&key(1), 10, None), None, "ten attempts");
        assert_eq!(Patience::USUAL.pause(&key(1), u32::MAX, None), None);
    }

    #[test]
    fn a_receiver_may_ask_for_more_and_not_for_less() {
        let pause = |asked| Patience::USUAL.pause(&key(1), 1, Some(Millis(asked))).expect("more");
        assert_eq!(pause(60_000), Millis(60_000));
        assert!(pause(1) >= Millis(5_000));
        assert_eq!(pause(u64::MAX), Millis(NOTICE_PAUSE_ASKED_MAX_MS));
    }

    #[test]
    fn the_spread_is_the_keys_own() {
        let pause = |event| Patience::USUAL.pause(&key(event), 2, None);
        assert_eq!(pause(1), pause(1));
        let all: BTreeSet<_> = (0..100).map(pause).collect();
        assert!(all.len() > 90, "{}", all.len());
    }

    #[test]
    fn a_factor_shortens_all() {
        let quick = Patience::times(0.001).pause(&key(1), 1, None).expect("one more");
        assert!((5..=6).contains(&quick.get()), "{quick}");
        for odd in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            assert_eq!(Patience::times(odd).pause(&key(1), 1, None), Some(Millis(0)));
        }
    }
}
