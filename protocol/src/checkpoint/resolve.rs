//! Which checkpoint to continue from.

use crate::checkpoint::CheckpointFacts;

/// Where training begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// The committed checkpoint is whole; continue from it.
    From(CheckpointFacts),
    /// The committed checkpoint is torn; an older whole one exists, some steps are done again.
    Behind(CheckpointFacts),
    /// Nothing whole exists; begin again. The result is the same, only later.
    Afresh,
}

/// Chooses among checkpoints found whole, in any order. Steps decide, then the epoch. What lies
/// beyond the committed one was never promised and is not used.
pub fn resume(committed: Option<CheckpointFacts>, whole: &[CheckpointFacts]) -> Resume {
    let Some(committed) = committed else { return Resume::Afresh };
    if whole.contains(&committed) {
        return Resume::From(committed);
    }
    whole
        .iter()
        .filter(|found| found.step <= committed.step)
        .max_by_key(|found| (found.step, found.epoch))
        .map_or(Resume::Afresh, |found| Resume::Behind(*found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        digest::Digest,
        unit::{ByteCount, Epoch, Steps},
    };

    fn facts(step: u64, epoch: u64) -> CheckpointFacts {
        let digest = Digest::of(&[step.to_le_bytes(), epoch.to_le_bytes()].concat());
        CheckpointFacts { epoch: Epoch(epoch), step: Steps(step), digest, size: ByteCount(1) }
    }

    #[test]
    fn where_training_goes_on() {
        let committed = facts(20, 2);
        let other_bytes = CheckpointFacts { digest: Digest::of(b"other"), ..committed };
        let cases: [(Option<CheckpointFacts>, &[CheckpointFacts], Resume); 9] = [
            (None, &[], Resume::Afresh),
            (None, &[facts(10, 1)], Resume::Afresh),
            (Some(committed), &[committed], Resume::From(committed)),
            (Some(committed), &[facts(10, 1), committed, facts(30, 2)], Resume::From(committed)),
            (Some(committed), &[], Resume::Afresh),
            (Some(committed), &[facts(30, 3)], Resume::Afresh),
            (Some(committed), &[facts(5, 1), facts(10, 1)], Resume::Behind(facts(10, 1))),
            (Some(committed), &[facts(10, 1), facts(10, 2)], Resume::Behind(facts(10, 2))),
            (Some(committed), &[other_bytes], Resume::Behind(other_bytes)),
        ];
        for (at, (committed, whole, expected)) in cases.into_iter().enumerate() {
            assert_eq!(resume(committed, whole), expected, "case {at}");
        }
    }

    proptest! {
        /// Never beyond what was committed, never torn, and no whole one between it and the best.
        #[test]
        fn the_best_whole_checkpoint_is_chosen(
            committed in (0..20_u64, 0..4_u64),
            whole in prop::collection::vec((0..20_u64, 0..4_u64), 0..12),
        ) {
            let committed = facts(committed.0, committed.1);
            let whole: Vec<_> = whole.into_iter().map(|(step, epoch)| facts(step, epoch)).collect();
            let usable = || whole.iter().filter(|found| found.step <= committed.step);
            match resume(Some(committed), &whole) {
                Resume::From(chosen) => prop_assert_eq!(chosen, committed),
                Resume::Behind(chosen) => {
                    prop_assert!(!whole.contains(&committed));
                    prop_assert!(whole.contains(&chosen));
                    prop_assert!(usable().all(|found| found.step <= chosen.step));
                }
                Resume::Afresh => prop_assert_eq!(usable().count(), 0),
            }
            prop_assert!(matches!(resume(Some(committed), &whole), Resume::From(_))
                == whole.contains(&committed));
        }
    }
}
