//! Chunks of other nodes' jobs: sampled where a node has nothing else to do.

use ractor::RpcReplyPort;
use tgs_protocol::peer::{ChunkTask, PeerAnswer};

use super::Floor;
use crate::chunk_sampler::message::{ChunkOrder, Whose};

impl Floor {
    /// Takes a chunk in, unless there is work of the node's own; the sampler answers.
    pub(super) fn help(&mut self, task: ChunkTask, answer: RpcReplyPort<PeerAnswer>) {
        if task.version != self.config.about.version {
            let why = format!("it is of version {}", self.config.about.version);
            let _ = answer.send(PeerAnswer::NotDone { why });
            return;
        }
        if let Err(outside) = task.regions.check(&self.config.about.region, "sample a chunk") {
            let _ = answer.send(PeerAnswer::NotDone { why: outside.message });
            return;
        }
        let is_busy = self.is_closed() || !self.progress.is_empty() || self.room.is_low;
        let place = self.places.clone().try_acquire_owned().ok().filter(|_| !is_busy);
        let Some(place) = place else {
            let _ = answer.send(PeerAnswer::NotDone { why: "it has other work".to_owned() });
            return;
        };
        let ChunkTask { lease, model, threads, class, seed, chunk, rows, .. } = task;
        let whose = Whose::Anothers { class, answer, place };
        let order = ChunkOrder { lease, model, threads, seed, chunk, rows, whose };
        let samplers = &self.keeper.crew().samplers;
        let _ = samplers[self.helped % samplers.len()].cast(order);
        self.helped = self.helped.wrapping_add(1);
    }
}
