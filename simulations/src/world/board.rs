//! Where nodes of the world say that they are there, and a leader what they are to take up: as the
//! tables of a cluster's store. A word that comes late stands where no later one does.

use std::{collections::BTreeMap, rc::Rc};

use tgs_protocol::{
    id::Incarnation,
    job::JobRow,
    lease::{
        Lease, LeaseCell,
        fence::{Fenced, admit, claim, release, renew, unclaimed},
    },
    limits::PRESENCE_TTL_MS,
    placement::{board::Assignments, leadership::office},
    presence::Presence,
    unit::Epoch,
};

use super::{
    flaw::Flaw,
    store::{JobNo, Store},
};

/// A call about the lead of a cluster.
#[derive(Debug, Clone)]
pub enum BoardOp {
    /// Say that a node is there.
    Say(Rc<Presence>),
    /// Look who leads.
    Look,
    /// Take the lead.
    Claim(Rc<Incarnation>, LeaseCell),
    /// Say that the leader lives.
    Renew(Rc<Lease>),
    /// Give the lead back.
    Release(Rc<Lease>),
    /// Read who is there, who waits or has begun, and these leases.
    Muster(Rc<[JobNo]>),
    /// Tell nodes what to take up.
    Assign(Rc<[(Incarnation, Assignments)]>),
    /// Read what a node is told.
    Told(Rc<Incarnation>),
}

impl BoardOp {
    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        !matches!(self, Self::Look | Self::Muster(_) | Self::Told(_))
    }

    /// A number for each kind of call.
    pub fn number(&self) -> u8 {
        match self {
            Self::Say(_) => 0,
            Self::Look => 1,
            Self::Claim(..) => 2,
            Self::Renew(_) => 3,
            Self::Release(_) => 4,
            Self::Muster(_) => 5,
            Self::Assign(_) => 6,
            Self::Told(_) => 7,
        }
    }

    /// What is asked, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Say(said) => format!("say that {} is there", said.incarnation),
            Self::Look => "look who leads".to_owned(),
            Self::Claim(owner, _) => format!("take the lead for {owner}"),
            Self::Renew(lease) => format!("keep the lead in epoch {}", lease.epoch),
            Self::Release(lease) => format!("give the lead of epoch {} back", lease.epoch),
            Self::Muster(asked) => format!("look who is there, who waits, {} leases", asked.len()),
            Self::Assign(rows) => format!("tell {} nodes what to take up", rows.len()),
            Self::Told(node) => format!("look what {node} is to take up"),
        }
    }
}

/// What it came to.
#[derive(Debug, Clone)]
pub enum BoardReply {
    /// It is done.
    Done,
    /// The lead is another's.
    Overtaken,
    /// Who leads.
    Cell(LeaseCell),
    /// The lead is ours, or somebody else's.
    Claimed(Option<Lease>),
    /// Who is there, who waits, and leases that were asked for.
    Mustered(Muster),
    /// What a node is told.
    Told(Option<Assignments>),
}

/// What a leader reads.
#[derive(Debug, Clone, Default)]
pub struct Muster {
    /// Who is there.
    pub nodes: Vec<Rc<Presence>>,
    /// Who waits or has begun, as it stands.
    pub line: Vec<(JobNo, Rc<JobRow>)>,
    /// Leases that were asked for.
    pub cells: Vec<(JobNo, LeaseCell)>,
}

/// The tables.
#[derive(Debug)]
pub struct Board {
    lead: LeaseCell,
    present: BTreeMap<Incarnation, (Rc<Presence>, u64)>,
    rows: BTreeMap<Incarnation, Assignments>,
}

impl Default for Board {
    fn default() -> Self {
        Self { lead: unclaimed(), present: BTreeMap::new(), rows: BTreeMap::new() }
    }
}

impl Store {
    /// In which epoch of the lead a node was last told what stands there; none if it was not.
    pub fn told_in(&self, node: &Incarnation) -> Option<Epoch> {
        self.board.rows.get(node).map(|told| told.word.epoch)
    }

    /// Carries a call about the lead out.
    pub fn council(&mut self, op: &BoardOp, now_ms: u64, flaw: Option<Flaw>) -> BoardReply {
        let board = &mut self.board;
        match op {
            BoardOp::Say(said) => {
                board.present.insert(said.incarnation.clone(), (said.clone(), now_ms));
                BoardReply::Done
            }
            BoardOp::Look => BoardReply::Cell(board.lead.clone()),
            BoardOp::Claim(owner, seen) => {
                let Some(cell) = claim(&board.lead, seen, owner) else {
                    return BoardReply::Claimed(None);
                };
                let (owner, epoch) = (owner.as_ref().clone(), cell.epoch);
                board.lead = cell;
                BoardReply::Claimed(Some(Lease { job: office(), owner, epoch }))
            }
            BoardOp::Renew(lease) => match admit(&board.lead, lease) {
                Fenced::Held(()) => {
                    board.lead = renew(board.lead.clone());
                    BoardReply::Done
                }
                Fenced::Overtaken(_) => BoardReply::Overtaken,
            },
            BoardOp::Release(lease) => match release(&board.lead, lease) {
                Fenced::Held(cell) => {
                    board.lead = cell;
                    BoardReply::Done
                }
                Fenced::Overtaken(_) => BoardReply::Overtaken,
            },
            BoardOp::Assign(rows) => {
                let takes_all = flaw == Some(Flaw::TakesStaleWords);
                let is_later = |stands: &Assignments, told: &Assignments| stands.word < told.word;
                for (node, told) in rows.iter() {
                    let stands = board.rows.get(node);
                    if takes_all || stands.is_none_or(|stands| is_later(stands, told)) {
                        board.rows.insert(node.clone(), told.clone());
                    }
                }
                BoardReply::Done
            }
            BoardOp::Told(node) => BoardReply::Told(board.rows.get(node).cloned()),
            BoardOp::Muster(asked) => BoardReply::Mustered(self.muster(asked, now_ms, flaw)),
        }
    }

    fn muster(&self, asked: &[JobNo], now_ms: u64, flaw: Option<Flaw>) -> Muster {
        let is_there =
            |said_ms: u64| now_ms < said_ms + PRESENCE_TTL_MS || flaw == Some(Flaw::AssignsForEver);
        let present = self.board.present.values().filter(|(_, at_ms)| is_there(*at_ms));
        let open = self.open.iter().map(|no| (*no, &self.jobs[no.at()]));
        let known = asked.iter().map(|no| (*no, &self.jobs[no.at()]));
        Muster {
            nodes: present.map(|(said, _)| said.clone()).collect(),
            line: open.map(|(no, it)| (no, it.row.clone())).collect(),
            cells: known
                .filter(|(_, it)| !it.is_forgotten)
                .map(|(no, it)| (no, it.cell.clone()))
                .collect(),
        }
    }
}
