//! What a [`tgs_protocol::store::LeaseStore`] owes: LEASE-1, LEASE-2.

use tgs_protocol::{id::Incarnation, lease::LeaseCell, store::Written, unit::Epoch};
use tokio::task::JoinSet;

use crate::{
    conformance::sample::{claim, job, overtaken},
    fence::unclaimed,
    ports::Ports,
};

/// Claims at a time and rounds of them: enough that a check followed by a write is caught.
const CLAIMANTS: usize = 16;
const ROUNDS: u64 = 8;

/// Also for a job that nobody heard of.
pub async fn the_first_look_is_epoch_zero(ports: &Ports) {
    assert_eq!(ports.leases.look(&job("a")).await.expect("look"), unclaimed());
}

/// Through claims, releases and renewals.
pub async fn epochs_only_grow(ports: &Ports) {
    for epoch in 1..=6 {
        let lease = claim(ports, &job("a"), "me").await;
        assert_eq!(lease.epoch, Epoch(epoch));
        assert_eq!(ports.leases.renew(&lease).await.expect("renew"), Written::Done);
        if epoch % 2 == 0 {
            assert_eq!(ports.leases.release(&lease).await.expect("release"), Written::Done);
        }
        let cell = ports.leases.look(&job("a")).await.expect("look");
        assert_eq!(cell.epoch, Epoch(epoch));
    }
}

/// Of all who saw the same cell, one wins; the others are told so.
pub async fn one_winner_among_concurrent_claims(ports: &Ports) {
    for round in 0..ROUNDS {
        let seen = ports.leases.look(&job("a")).await.expect("look");
        let mut claims = JoinSet::new();
        for claimant in 0..CLAIMANTS {
            let (leases, seen) = (ports.leases.clone(), seen.clone());
            claims.spawn(async move {
                let owner = Incarnation::new(format!("owner-{claimant}"));
                leases.claim(&job("a"), &owner, &seen).await.expect("claim")
            });
        }
        let won: Vec<_> = claims.join_all().await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(won[0].epoch, Epoch(round + 1));
        let cell = ports.leases.look(&job("a")).await.expect("look");
        assert_eq!(cell.owner, Some(won[0].owner.clone()));
    }
}

/// What was renewed or claimed since is not what the claimant saw.
pub async fn a_claim_on_an_old_sighting_is_refused(ports: &Ports) {
    let (job, other) = (job("a"), Incarnation::new("other"));
    let before = ports.leases.look(&job).await.expect("look");
    let lease = claim(ports, &job, "me").await;
    assert_eq!(ports.leases.claim(&job, &other, &before).await.expect("claim"), None);
    let seen = ports.leases.look(&job).await.expect("look");
    assert_eq!(ports.leases.renew(&lease).await.expect("renew"), Written::Done);
    assert_eq!(ports.leases.claim(&job, &other, &seen).await.expect("claim"), None);
    let seen = ports.leases.look(&job).await.expect("look");
    assert_eq!(ports.leases.release(&lease).await.expect("release"), Written::Done);
    assert_eq!(ports.leases.claim(&job, &other, &seen).await.expect("claim"), None);
    assert_eq!(claim(ports, &job, "other").await.epoch, Epoch(2));
}

/// A renewal changes the cell, so that claimants see life.
pub async fn a_renewal_is_seen_and_a_stale_one_refused(ports: &Ports) {
    let (stale, newest) = overtaken(ports, &job("a")).await;
    let refused = Written::Overtaken { by: Epoch(2) };
    assert_eq!(ports.leases.renew(&stale).await.expect("renew"), refused);
    assert_eq!(ports.leases.release(&stale).await.expect("release"), refused);
    for renewals in 1..=3 {
        assert_eq!(ports.leases.renew(&newest).await.expect("renew"), Written::Done);
        let owner = Some(newest.owner.clone());
        let cell = LeaseCell { owner, epoch: Epoch(2), renewals };
        assert_eq!(ports.leases.look(&job("a")).await.expect("look"), cell);
    }
}

/// A release whose outcome was unknown may be sent again; nothing else is let through after it.
pub async fn a_release_frees_and_may_be_repeated(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    assert_eq!(ports.leases.release(&lease).await.expect("release"), Written::Done);
    assert_eq!(ports.leases.release(&lease).await.expect("release"), Written::Done);
    let refused = Written::Overtaken { by: Epoch(1) };
    assert_eq!(ports.leases.renew(&lease).await.expect("renew"), refused);
    let cell = ports.leases.look(&job("a")).await.expect("look");
    assert_eq!((cell.owner, cell.epoch), (None, Epoch(1)));
    let _ = claim(ports, &job("a"), "other").await;
    let refused = Written::Overtaken { by: Epoch(2) };
    assert_eq!(ports.leases.release(&lease).await.expect("release"), refused);
}
