//! Who is there, and what operators want of whom: plain writes at QUORUM. A node's row runs out by
//! itself; of two orders at one time either may hold.

use async_trait::async_trait;
use tgs_protocol::{
    id::Incarnation,
    limits::PRESENCE_TTL_MS,
    presence::{NodeOrder, Presence, PresenceBoard},
    store::StoreError,
};

use super::{Scylla, json, trouble::Patience};

#[async_trait]
impl PresenceBoard for Scylla {
    async fn say(&self, presence: &Presence) -> Result<(), StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("say that a node is there"));
        let ttl = i32::try_from(PRESENCE_TTL_MS / 1_000).unwrap_or(i32::MAX);
        let values = (
            presence.incarnation.as_str(),
            json::encode(presence, "what a node says of itself")?,
            ttl,
        );
        database.write(&mut patience, &database.say.say_presence, values).await
    }

    async fn leave(&self, incarnation: &Incarnation) -> Result<(), StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("say that a node leaves"));
        let values = (incarnation.as_str(),);
        database.write(&mut patience, &database.say.drop_presence, values).await
    }

    async fn all(&self) -> Result<Vec<Presence>, StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("list nodes"));
        let rows: Vec<(Vec<u8>,)> =
            database.rows(&mut patience, &database.say.presences, ()).await?;
        // One of a version that says other things is left out, not an error of the list.
        Ok(rows.iter().filter_map(|(said,)| serde_json::from_slice(said).ok()).collect())
    }

    async fn order(&self, node: &str, order: NodeOrder) -> Result<(), StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("order something of a node"));
        let values = (node, json::encode(&order, "an order for a node")?);
        database.write(&mut patience, &database.say.order_node, values).await
    }

    async fn order_of(&self, node: &str) -> Result<NodeOrder, StoreError> {
        let (database, mut patience) =
            (self.database(), Patience::of("read what is ordered of us"));
        let say = &database.say.node_order;
        let rows: Vec<(Option<Vec<u8>>,)> = database.rows(&mut patience, say, (node,)).await?;
        match rows.into_iter().find_map(|(ordered,)| ordered) {
            Some(ordered) => json::decode(&ordered, "what is ordered of us"),
            None => Ok(NodeOrder::Work),
        }
    }
}
