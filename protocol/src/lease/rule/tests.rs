//! Sighting and holding, moment by moment.

use super::*;
use crate::{id::Incarnation, unit::Epoch};

fn cell(owner: Option<&str>, epoch: u64, renewals: u64) -> LeaseCell {
    LeaseCell { owner: owner.map(Incarnation::new), epoch: Epoch(epoch), renewals }
}

#[test]
fn when_a_claim_is_permitted() {
    let ttl = LEASE_TTL_MS;
    // (owner, first seen, now, holder is gone, may claim)
    let cases = [
        (None, 0, 0, false, true),
        (None, 500, 500, false, true),
        (Some("a"), 0, 0, false, false),
        (Some("a"), 0, ttl - 1, false, false),
        (Some("a"), 0, ttl, false, true),
        (Some("a"), 700, ttl, false, false),
        (Some("a"), 700, ttl + 700, false, true),
        (Some("a"), 700, 0, false, false),
        (Some("a"), 0, 0, true, true),
        (Some("a"), 0, u64::MAX, false, true),
    ];
    for (at, (owner, since, now, holder_is_gone, may)) in cases.into_iter().enumerate() {
        let sighting = Sighting::first(cell(owner, 3, 4), Millis(since));
        assert_eq!(sighting.may_claim(Millis(now), holder_is_gone), may, "case {at}");
    }
}

#[test]
fn any_change_of_the_cell_starts_its_age_anew() {
    let seen = Sighting::first(cell(Some("a"), 3, 4), Millis(10));
    assert_eq!(seen.clone().look(cell(Some("a"), 3, 4), Millis(90)), seen);
    let changed = [
        cell(Some("a"), 3, 5),
        cell(Some("a"), 4, 4),
        cell(Some("b"), 3, 4),
        cell(None, 3, 4),
        cell(Some("a"), 3, 3),
    ];
    for cell in changed {
        let anew = Sighting { cell: cell.clone(), since: Millis(90) };
        assert_eq!(seen.clone().look(cell, Millis(90)), anew);
    }
}

#[test]
fn what_a_holder_owes_by_the_age_of_its_last_renewal() {
    let (renew, down) = (LEASE_RENEW_MS, LEASE_STAND_DOWN_MS);
    // (sent, now, duty)
    let cases = [
        (0, 0, Duty::WaitUntil(Millis(renew))),
        (100, 50, Duty::WaitUntil(Millis(100 + renew))),
        (100, 99 + renew, Duty::WaitUntil(Millis(100 + renew))),
        (100, 100 + renew, Duty::Renew),
        (100, 99 + down, Duty::Renew),
        (100, 100 + down, Duty::StandDown),
        (100, u64::MAX, Duty::StandDown),
        (u64::MAX, u64::MAX, Duty::WaitUntil(Millis(u64::MAX))),
    ];
    for (at, (sent, now, duty)) in cases.into_iter().enumerate() {
        assert_eq!(Holding { sent: Millis(sent) }.duty(Millis(now)), duty, "case {at}");
    }
}

/// What the limits promise together: two renewals may be missed, and whoever stands down last is
/// done before whoever waits shortest, for clocks that differ by a tenth in their speed.
#[test]
fn the_margin_between_standing_down_and_claiming() {
    const { assert!(LEASE_STAND_DOWN_MS >= 2 * LEASE_RENEW_MS) };
    const { assert!(LEASE_STAND_DOWN_MS * 11 < LEASE_TTL_MS * 10) };
}
