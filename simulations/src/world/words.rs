//! What events, calls and letters are called in the log.

use tgs_protocol::submission::Inserted;

use super::{
    World,
    event::{Asker, Call, Event, Letter, LetterNo, ShellNo},
    fault::Site,
    receivers::Attempt,
    store::{Op, Reply},
};

impl World<'_> {
    pub(super) fn words_of(&self, event: Event) -> String {
        let shell = |shell: ShellNo| match self.shells.get(shell.at()) {
            Some(Some(it)) => format!("node {}, {}", it.node, self.name(it.job)),
            _ => "nobody".to_owned(),
        };
        match event {
            Event::Reach(call) => match self.calls.get(call.0) {
                Some(call) => {
                    format!("node {} reaches the store: {}", call.from.0, self.asks(call))
                }
                None => "a call of nobody".to_owned(),
            },
            Event::Answer(call) => match self.calls.get(call.0) {
                Some(call) => format!("node {} is answered: {}", call.from.0, self.asks(call)),
                None => "an answer to nobody".to_owned(),
            },
            Event::Letter(to, LetterNo(no)) => {
                format!("{} hears {}", shell(to), self.letters.get(no).map_or("nothing", heard))
            }
            Event::Toil(of, _) => format!("{} works", shell(of)),
            Event::Tick { node, .. } => format!("node {node} looks at its leases"),
            Event::Find { node, .. } => format!("node {node} looks for jobs"),
            Event::Lead { node, .. } => format!("node {node} looks who leads"),
            Event::Speak { node, .. } => format!("node {node} says what it had decided"),
            Event::Say { node, .. } => format!("node {node} says that it is there"),
            Event::Heed { node, .. } => format!("node {node} asks its operators"),
            Event::Interrupt { node, stays: false, .. } => {
                format!("node {node} hears that its machine will be taken away")
            }
            Event::Interrupt { node, .. } => format!("node {node} hears that its machine stays"),
            Event::Upgrade(node) => format!("node {node} is asked to leave for a newer one"),
            Event::Boot(node) => format!("node {node} is started"),
            Event::Kill { node, .. } => format!("the time of node {node} is over"),
            Event::Trouble(fault) if fault.site == Site::RegionLost => {
                format!("region {}: {}", fault.of, fault.site.what())
            }
            Event::Trouble(fault) => format!("node {}: {}", fault.of, fault.site.what()),
            Event::Send { sender } => self.people.sender_in_words(sender),
            Event::Cancel { order, .. } => format!("order {order} is to be cancelled"),
            Event::Forget { order, .. } => format!("order {order} is to be forgotten"),
            Event::Poll { watcher, .. } => format!("watcher {watcher} asks for events"),
            Event::Look { node, .. } => format!("who sends notices at node {node} is woken"),
            Event::Alarm { node, .. } => format!("who sends notices at node {node} looks"),
            Event::Arrival(_) => "a notice arrives".to_owned(),
            Event::AttemptEnd(attempt) => match self.attempts.get(attempt.0) {
                Some(Attempt { from, of, event, .. }) => {
                    format!("node {} knows of event {event} for subscription {}", from.0, of.0)
                }
                None => "an attempt of nobody ends".to_owned(),
            },
            Event::Wish { subscriber, wish } => format!("subscriber {subscriber} asks to {wish}"),
        }
    }

    /// What a call asks, for the log.
    pub(super) fn asks(&self, call: &Call) -> String {
        if matches!(call.op, Op::Notice(_) | Op::Board(_)) {
            return op_words(&call.op);
        }
        let job = call.job.map_or_else(|| format!("order {}", call.of), |job| self.name(job));
        match call.asker {
            Asker::Finder if call.job.is_none() => op_words(&call.op),
            _ => format!("{job}: {}", op_words(&call.op)),
        }
    }
}

/// What a letter says, for the log.
fn heard(letter: &Letter) -> &'static str {
    match letter {
        Letter::Claim => "that it may claim",
        Letter::Cancel => "a cancel",
        Letter::Drain => "a drain",
        Letter::Move => "that it must move",
        Letter::Fact { .. } => "a fact",
        Letter::RetryDue => "that the next try is due",
        Letter::SaveAgain => "that the row is to be saved again",
        Letter::StandDown => "that the lease may be lost",
    }
}

/// What a call asks.
pub fn op_words(op: &Op) -> String {
    match op {
        Op::Insert(row) => format!("insert {}", row.id),
        Op::Unfinished => "list what has not ended".to_owned(),
        Op::Leases(jobs) => format!("look at {} leases", jobs.len()),
        Op::Orders(jobs) => format!("look whether {} jobs are to end", jobs.len()),
        Op::Glance => "look at the row".to_owned(),
        Op::End => "order it to end".to_owned(),
        Op::Look => "look at the lease".to_owned(),
        Op::Claim(owner, _) => format!("claim for {owner}"),
        Op::Renew(lease) => format!("renew epoch {}", lease.epoch),
        Op::Release(lease) => format!("release epoch {}", lease.epoch),
        Op::Read => "read".to_owned(),
        Op::Save(lease, row) => format!("save {} in epoch {}", row.state, lease.epoch),
        Op::Seal(_, artifact, _) => format!("seal the {artifact:?}").to_lowercase(),
        Op::Put(_, facts, bytes) => format!("put step {}, {bytes:?}", facts.step).to_lowercase(),
        Op::Prune(..) => "prune checkpoints".to_owned(),
        Op::SealChunk(_, chunk) => format!("seal chunk {}", chunk.chunk),
        Op::Deliver(..) => "deliver the table".to_owned(),
        Op::TakeBack(_) => "take back the table".to_owned(),
        Op::Sweep => "sweep".to_owned(),
        Op::Empty => "remove all files".to_owned(),
        Op::DropResult => "remove what was delivered".to_owned(),
        Op::Forget => "forget".to_owned(),
        Op::Events(after, ..) => format!("events after {after}"),
        Op::Notice(op) => op.words(),
        Op::Board(op) => op.words(),
    }
}

/// What it came to.
pub fn reply_words(reply: &Reply) -> String {
    match reply {
        Reply::Inserted(Inserted::New) => "taken".to_owned(),
        Reply::Inserted(Inserted::Known(job)) => format!("known as {job}"),
        Reply::Inserted(Inserted::KeyTaken(job)) => format!("the key is that of {job}"),
        Reply::Inserted(Inserted::NameTaken) => "the name is taken".to_owned(),
        Reply::Cell(cell) => match &cell.owner {
            Some(owner) => format!("{owner} holds epoch {}", cell.epoch),
            None => format!("nobody holds it after epoch {}", cell.epoch),
        },
        Reply::Claimed(Some(_)) => "it is ours".to_owned(),
        Reply::Claimed(None) => "it is another's".to_owned(),
        Reply::Unfinished(rows) => format!("{} jobs", rows.len()),
        Reply::Cells(cells) => format!("{} leases", cells.len()),
        Reply::Ordered(jobs) => format!("{} are", jobs.len()),
        Reply::Glanced(row, _) => format!("in {}", row.state),
        Reply::Row(row, chunks, _) => format!("in {}, {} chunks", row.state, chunks.len()),
        Reply::Events(numbers) => format!("{} events", numbers.len()),
        Reply::Notice(reply) => reply.words(),
        Reply::Board(reply) => format!("{reply:?}").chars().take(80).collect(),
        Reply::Done => "done".to_owned(),
        Reply::Overtaken => "overtaken".to_owned(),
        Reply::Failed(code) => format!("failed, {code}"),
    }
}
