//! Which checkpoints are kept when one is committed. All others may be removed.

use crate::checkpoint::CheckpointFacts;

/// The committed one, the one committed before it (should the newer one be damaged), and whatever
/// was written beyond it: its pointer may be on its way, and several may be while rows cannot be
/// written.
pub fn kept(
    committed: CheckpointFacts,
    before: Option<CheckpointFacts>,
    written: &[CheckpointFacts],
) -> Vec<CheckpointFacts> {
    let place = |facts: &CheckpointFacts| (facts.step, facts.epoch);
    let beyond = written.iter().copied().filter(|facts| place(facts) > place(&committed));
    [Some(committed), before].into_iter().flatten().chain(beyond).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        unit::{ByteCount, Epoch, Steps},
    };

    #[test]
    fn what_may_still_be_pointed_to_is_kept() {
        let facts = |step, epoch| CheckpointFacts {
            epoch: Epoch(epoch),
            step: Steps(step),
            digest: Digest::of(b"checkpoint"),
            size: ByteCount(1),
        };
        let written = [facts(5, 1), facts(10, 1), facts(15, 1), facts(10, 2), facts(20, 2)];
        let keep = kept(facts(10, 1), Some(facts(5, 1)), &written);
        let beyond = [facts(15, 1), facts(10, 2), facts(20, 2)];
        assert_eq!(keep, [&[facts(10, 1), facts(5, 1)], &beyond[..]].concat());
        assert_eq!(kept(facts(20, 2), None, &written), [facts(20, 2)]);
        assert_eq!(kept(facts(30, 2), Some(facts(10, 1)), &[]), [facts(30, 2), facts(10, 1)]);
    }
}
