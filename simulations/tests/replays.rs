//! Faults that the simulator found, as small worlds: with the old behaviour a promise breaks in
//! them, without it all hold.

use tgs_simulations::{
    scenario::Scenario,
    world::{Flaw, simulate},
};

/// What was found, and the flaw that behaves as the program did before; none where the old
/// behaviour cannot be switched on any more.
const FOUND: [(&str, Option<Flaw>); 7] = [
    (include_str!("../replays/late-write.json"), Some(Flaw::TakesLateWrites)),
    (include_str!("../replays/taken-back-once.json"), Some(Flaw::TakesBackOnce)),
    (include_str!("../replays/pruned-beyond.json"), Some(Flaw::PrunesBeyond)),
    (include_str!("../replays/early-try.json"), None),
    (include_str!("../replays/read-apart.json"), None),
    (include_str!("../replays/blamed-again.json"), Some(Flaw::ForgetsWhoIsAtFault)),
    (include_str!("../replays/set-aside.json"), Some(Flaw::CountsAside)),
];

#[test]
fn what_was_found_stays_mended() {
    for (text, flaw) in FOUND {
        let json = serde_json::from_str(text).expect("it is JSON");
        let scenario = Scenario::from_json(&json).expect(text);
        assert_eq!(scenario.flaw, flaw, "{text}");
        if let Some(flaw) = flaw {
            let violation = simulate(&scenario).violation.expect("make this replay anew");
            assert_eq!(violation.invariant, flaw.breaks(), "{flaw}: {violation:?}");
        }
        let mended = simulate(&scenario.with_flaw(None));
        assert_eq!(mended.violation, None, "{text}");
    }
}
