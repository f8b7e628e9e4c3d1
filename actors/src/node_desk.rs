//! Shows the nodes of a cluster to its fronts, and passes on what operators want of them.

use std::sync::Arc;

use async_trait::async_trait;
use tgs_protocol::{
    code::Code,
    desk::DeskError,
    id::Incarnation,
    lease::Lease,
    placement::leadership::office,
    presence::{NodeDesk, NodeOrder, NodeView, PresenceBoard, check_name, views},
    store::StoreError,
};

use crate::{peer_keeper::Card, store_call::answer};

/// The desk of one node.
pub(crate) struct NodeCounter {
    pub(crate) card: Card,
    /// None where there are no other nodes.
    pub(crate) board: Option<Arc<dyn PresenceBoard>>,
}

impl NodeCounter {
    /// Says that this node is no more; else others learn it when its last word runs out.
    pub(crate) async fn leave(&self) {
        let Some(board) = &self.board else { return };
        if let Err(error) = self.give_lead_back().await {
            tracing::debug!(%error, "others learn later that this node leads no more");
        }
        if let Err(error) = answer("say that this node leaves", board.leave(self.card.own())).await
        {
            tracing::debug!(%error, "others learn later that this node left");
        }
    }

    /// Whoever places jobs next need not wait for its lease.
    async fn give_lead_back(&self) -> Result<(), StoreError> {
        let (leases, own) = (&self.card.ports.leases, self.card.own());
        let cell = answer("look who leads", leases.look(&office())).await?;
        if cell.owner.as_ref() == Some(own) {
            let lease = Lease { job: office(), owner: own.clone(), epoch: cell.epoch };
            let _ = answer("give the lead back", leases.release(&lease)).await?;
        }
        Ok(())
    }

    /// Who places jobs, if anybody does.
    async fn leader(&self) -> Result<Option<Incarnation>, StoreError> {
        let Some(board) = &self.card.ports.assignments else { return Ok(None) };
        let notice = answer("look who places jobs", board.notice()).await?;
        Ok(notice.map(|it| it.leader))
    }
}

#[async_trait]
impl NodeDesk for NodeCounter {
    async fn nodes(&self) -> Result<Vec<NodeView>, DeskError> {
        let mut all = match &self.board {
            Some(board) => answer("list nodes", board.all()).await?,
            None => Vec::new(),
        };
        // Of the one that answers nothing is older than it must be.
        if let Some(own) = self.card.presence().await {
            all.retain(|presence| presence.incarnation != own.incarnation);
            all.push(own);
        }
        let leader = self.leader().await?;
        let mut views = views(all, self.card.own(), self.card.ports.clock.now());
        for view in &mut views {
            view.leads = leader.as_ref() == Some(&view.presence.incarnation);
        }
        Ok(views)
    }

    async fn node(&self, node: &str) -> Result<NodeView, DeskError> {
        check_name(node)?;
        let mut all = self.nodes().await?.into_iter();
        let found = all.find(|view| view.presence.node == node);
        found.ok_or_else(|| DeskError::not_found("node", node))
    }

    async fn order(&self, node: &str, order: NodeOrder) -> Result<NodeView, DeskError> {
        let Some(board) = &self.board else {
            let message = "order something of a node: this server is no node of a cluster; stop it \
                           instead (SIGTERM), and it goes on later where it was";
            return Err(DeskError::new(Code::BadRequest, message));
        };
        let view = self.node(node).await?;
        answer("order something of a node", board.order(node, order)).await?;
        Ok(view)
    }
}
