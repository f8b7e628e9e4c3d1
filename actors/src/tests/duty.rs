//! What one node of a cluster does for all.

use tgs_protocol::{
    id::Incarnation,
    limits::{LEASE_RENEW_MS, LEASE_STAND_DOWN_MS, LEASE_TTL_MS},
};

use crate::{duty::Duty, tests::world::World};

/// One of two has it; the other one takes it a TTL after the first was last heard of, and the
/// first notices when it comes back.
#[tokio::test]
async fn one_node_has_it_and_another_one_takes_it_over() {
    let world = World::new();
    let duty = |own| Duty::new("duty", &world.ports("class"), Incarnation::new(own));
    let (mut first, mut second) = (duty("a"), duty("b"));
    assert!(first.is_ours().await);
    for _ in 0..10 {
        assert!(!second.is_ours().await);
        world.clock.advance(LEASE_RENEW_MS);
        assert!(first.is_ours().await);
    }
    assert!(!second.is_ours().await);
    world.clock.advance(LEASE_TTL_MS);
    assert!(second.is_ours().await);
    assert!(!first.is_ours().await);
    world.clock.advance(LEASE_STAND_DOWN_MS);
    assert!(second.is_ours().await, "nobody took it meanwhile");
    let mut again = Duty::new("duty", &world.ports("class"), Incarnation::new("b"));
    assert!(again.is_ours().await, "the same boot need not wait for itself");
}
