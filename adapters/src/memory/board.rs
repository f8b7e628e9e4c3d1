//! What a leader tells nodes, in memory: it stands there for ever, and is heard for a while.

use async_trait::async_trait;
use tgs_protocol::{
    id::Incarnation,
    placement::board::{AssignmentBoard, Assignments, Notice},
    store::StoreError,
};

use super::Memory;

#[async_trait]
impl AssignmentBoard for Memory {
    async fn assign(&self, node: &Incarnation, told: &Assignments) -> Result<(), StoreError> {
        let mut state = self.state();
        let stands = state.assigned.get(node).is_some_and(|it| it.word >= told.word);
        if !stands {
            state.assigned.insert(node.clone(), told.clone());
        }
        Ok(())
    }

    async fn assigned(&self, node: &Incarnation) -> Result<Option<Assignments>, StoreError> {
        Ok(self.state().assigned.get(node).cloned())
    }

    async fn post(&self, notice: &Notice) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.notice.as_ref().is_none_or(|it| it.word < notice.word) {
            state.notice = Some(notice.clone());
        }
        Ok(())
    }

    async fn notice(&self) -> Result<Option<Notice>, StoreError> {
        Ok(self.state().notice.clone())
    }
}
