//! Who is there, in memory. Nothing runs out here: who says nothing more is there until he leaves.

use async_trait::async_trait;
use tgs_protocol::{
    id::Incarnation,
    presence::{NodeOrder, Presence, PresenceBoard},
    store::StoreError,
};

use super::Memory;

#[async_trait]
impl PresenceBoard for Memory {
    async fn say(&self, presence: &Presence) -> Result<(), StoreError> {
        self.state().present.insert(presence.incarnation.clone(), presence.clone());
        Ok(())
    }

    async fn leave(&self, incarnation: &Incarnation) -> Result<(), StoreError> {
        self.state().present.remove(incarnation);
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Presence>, StoreError> {
        Ok(self.state().present.values().cloned().collect())
    }

    async fn order(&self, node: &str, order: NodeOrder) -> Result<(), StoreError> {
        self.state().node_orders.insert(node.to_owned(), order);
        Ok(())
    }

    async fn order_of(&self, node: &str) -> Result<NodeOrder, StoreError> {
        Ok(self.state().node_orders.get(node).copied().unwrap_or_default())
    }
}
