//! What a leader tells nodes: plain writes at QUORUM whose timestamp is the leader's word. Of two
//! words the later one stands, whichever came first; so nobody need look before he writes.

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use tgs_protocol::{
    id::Incarnation,
    limits::BOARD_TTL_MS,
    placement::board::{AssignmentBoard, Assignments, Notice, Word},
    store::StoreError,
};

use super::{Scylla, json, lease::whole, trouble::Patience};

/// The row of what all are told. No node is called so.
const ALL: &str = "*";

#[async_trait]
impl AssignmentBoard for Scylla {
    async fn assign(&self, node: &Incarnation, told: &Assignments) -> Result<(), StoreError> {
        self.tell_board(node.as_str(), told.word, told).await
    }

    async fn assigned(&self, node: &Incarnation) -> Result<Option<Assignments>, StoreError> {
        self.told_on_board(node.as_str()).await
    }

    async fn post(&self, notice: &Notice) -> Result<(), StoreError> {
        self.tell_board(ALL, notice.word, notice).await
    }

    async fn notice(&self) -> Result<Option<Notice>, StoreError> {
        self.told_on_board(ALL).await
    }
}

impl Scylla {
    async fn tell_board(
        &self,
        row: &str,
        word: Word,
        body: &(impl Serialize + Sync),
    ) -> Result<(), StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("tell what is to run"));
        let ttl = i32::try_from(BOARD_TTL_MS / 1_000).unwrap_or(i32::MAX);
        let body = json::encode(body, "what is to run")?;
        let values = (row, body, ttl, timestamp(word));
        database.write(&mut patience, &database.say.tell_assignment, values).await
    }

    async fn told_on_board<T: DeserializeOwned>(&self, row: &str) -> Result<Option<T>, StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("look what is to run"));
        let say = &database.say.assignment;
        let rows: Vec<(Option<Vec<u8>>,)> = database.rows(&mut patience, say, (row,)).await?;
        // What a later version says in other words is not heard, and no error.
        let body = rows.into_iter().find_map(|(body,)| body);
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
    }
}

/// Words in their order, as long as a leader has fewer than 2⁴⁰ of them: it says two a second.
fn timestamp(word: Word) -> i64 {
    const BEATS: u64 = 1 << 40;
    whole(word.epoch.get().saturating_mul(BEATS).saturating_add(word.beat.min(BEATS - 1)))
}

#[cfg(test)]
mod tests {
    use tgs_protocol::unit::Epoch;

    use super::*;

    #[test]
    fn later_words_have_later_timestamps() {
        let words = [(0, 0), (1, 0), (1, 1), (1, u64::MAX), (2, 0), (1 << 22, 7)];
        let words = words.map(|(epoch, beat)| timestamp(Word { epoch: Epoch(epoch), beat }));
        assert!(words.is_sorted_by(|a, b| a < b), "{words:?}");
    }
}
