//! Chunks of other nodes' jobs: sampled where a node has nothing else to do.

use ractor::RpcReplyPort;
use tgs_protocol::peer::{ChunkTask, PeerAnswer};

use super::Floor;
use crate::chunk_sampler::message::{ChunkOrder, Whose};

impl Floor {
    /// Takes a chunk in, unless there is work of the node's own; the sampler answers.
    pub(super) fn help(&mut self, task: ChunkTask, answer: RpcReplyPort<PeerAnswer>) {
        if let Err(why) = self.may_help(&task) {
            let _ = answer.send(PeerAnswer::NotDone { why });
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

    /// Whether anything of this job may be done here, whatever there is time for.
    fn may_help(&self, task: &ChunkTask) -> Result<(), String> {
        let about = &self.config.about;
        if task.version != about.version {
            return Err(format!("it is of version {}", about.version));
        }
        if task.stays_off_spot && about.is_spot {
            return Err("its machine may be taken away, and the job stays off such".to_owned());
        }
        task.regions.check(&about.region, "sample a chunk").map_err(|outside| outside.message)
    }
}
