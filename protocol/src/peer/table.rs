//! Which nodes are there, which links to them stand, and what is due.
//!
//! A link that closes is no proof that a node is gone: networks close links, too. That nobody
//! listens any more where the node did is one, since a process that is killed, however that
//! happens, leaves its port in the same moment, and its machine says so. Where nothing is said
//! nobody knows, and the lease decides after its time.
//!
//! Sessions have no detector of failures of their own, so every link is asked again and again
//! whether anybody is there. Of two nodes the one with the smaller name dials.

use std::collections::BTreeMap;

use crate::{
    id::Incarnation,
    limits::{LINK_MISSES_MAX, LINK_OPEN_MS, LINK_REST_MAX_MS, LINK_REST_MS, PRESENCE_TTL_MS},
    unit::Millis,
};

/// A connection, by a number that is never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkNo(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// These nodes say that they are there, and where each listens. This one may be among them.
    Peers(BTreeMap<Incarnation, String>),
    /// Time has gone by.
    Tick,
    /// A connection was made.
    Opened(LinkNo),
    /// It has become a link to this node.
    Ready(LinkNo, Incarnation),
    /// It is no more.
    Closed(LinkNo),
    /// This node was dialled: a connection was made, or not.
    Dialled(Incarnation, bool),
    /// Whether anybody answered over this link.
    Asked(LinkNo, bool),
    /// Whether it is certain that nobody listens where this node did.
    Probed(Incarnation, bool),
    /// Whether somebody listens where this node says that it does.
    Tried(Incarnation, bool),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAction {
    /// Connect to this node, there.
    Dial(Incarnation, String),
    /// Look whether anybody listens there, where this node did.
    Probe(Incarnation, String),
    /// Look whether this node can be reached there at all: what never worked proves nothing when it
    /// fails.
    Try(Incarnation, String),
    /// Ask whether anybody is there.
    Ask(LinkNo),
    /// End this connection, and why.
    End(LinkNo, &'static str),
    /// The process of this node is gone.
    Bury(Incarnation),
    /// It was an error: the node lives.
    Unbury(Incarnation),
}

/// One node's links.
#[derive(Debug, Clone)]
pub struct PeerTable {
    own: Incarnation,
    peers: BTreeMap<Incarnation, Peer>,
    links: BTreeMap<LinkNo, Link>,
    /// Gone since then, but still among those who are said to be there.
    buried: BTreeMap<Incarnation, Millis>,
}

#[derive(Debug, Clone)]
struct Peer {
    address: String,
    is_tried: bool,
    /// Somebody was seen to listen at the address.
    is_reached: bool,
    is_dialled: bool,
    failures: u32,
    dial_at: Millis,
}

#[derive(Debug, Clone)]
struct Link {
    opened_at: Millis,
    /// None until it is ready.
    peer: Option<Incarnation>,
    is_asked: bool,
    misses: u32,
}

impl PeerTable {
    /// Of this node, without any link.
    pub fn new(own: Incarnation) -> Self {
        Self { own, peers: BTreeMap::new(), links: BTreeMap::new(), buried: BTreeMap::new() }
    }

    /// The nodes to which a link stands, each with its newest one.
    pub fn linked(&self) -> BTreeMap<Incarnation, LinkNo> {
        let ready = self.links.iter();
        ready.filter_map(|(no, link)| Some((link.peer.clone()?, *no))).collect()
    }

    /// Takes in what happened; gives what is to be done.
    pub fn step(&mut self, now: Millis, event: PeerEvent) -> Vec<PeerAction> {
        match event {
            PeerEvent::Peers(all) => self.take_in(all, now),
            PeerEvent::Tick => return self.due(now),
            PeerEvent::Opened(no) => {
                let link = Link { opened_at: now, peer: None, is_asked: false, misses: 0 };
                self.links.entry(no).or_insert(link);
            }
            PeerEvent::Ready(no, peer) => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.failures = 0;
                }
                let was_buried = self.buried.remove(&peer).is_some();
                if let Some(link) = self.links.get_mut(&no) {
                    link.peer = Some(peer.clone());
                }
                return was_buried.then_some(PeerAction::Unbury(peer)).into_iter().collect();
            }
            PeerEvent::Closed(no) => return self.closed(no, now).into_iter().collect(),
            PeerEvent::Dialled(peer, is_open) => self.dialled(&peer, is_open, now),
            PeerEvent::Asked(no, is_heard) => {
                return self.asked(no, is_heard).into_iter().collect();
            }
            PeerEvent::Probed(peer, is_gone) => {
                // One that is linked again was not gone.
                if is_gone && !self.is_linked(&peer) {
                    self.peers.remove(&peer);
                    self.buried.insert(peer.clone(), now);
                    return vec![PeerAction::Bury(peer)];
                }
            }
            PeerEvent::Tried(peer, is_reached) => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.is_reached |= is_reached;
                }
            }
        }
        Vec::new()
    }

    fn is_linked(&self, peer: &Incarnation) -> bool {
        self.links.values().any(|link| link.peer.as_ref() == Some(peer))
    }

    /// Who is not said to be there any more is known as long as a link stands.
    fn take_in(&mut self, mut all: BTreeMap<Incarnation, String>, now: Millis) {
        all.remove(&self.own);
        // Who still says that it is there, long after its last word would have run out, lives.
        let is_late = |since: &Millis| now.get().saturating_sub(since.get()) >= 2 * PRESENCE_TTL_MS;
        self.buried.retain(|peer, since| all.contains_key(peer) && !is_late(since));
        all.retain(|peer, _| !self.buried.contains_key(peer));
        let links = &self.links;
        let is_linked =
            |peer: &Incarnation| links.values().any(|link| link.peer.as_ref() == Some(peer));
        self.peers.retain(|peer, _| all.contains_key(peer) || is_linked(peer));
        for (peer, address) in all {
            let known = self.peers.entry(peer).or_insert_with(|| Peer::at(now));
            if known.address != address {
                *known = Peer { address, is_tried: false, is_reached: false, ..known.clone() };
            }
        }
    }

    fn due(&mut self, now: Millis) -> Vec<PeerAction> {
        let mut due = Vec::new();
        for (no, link) in &mut self.links {
            if link.peer.is_none() {
                if now.get().saturating_sub(link.opened_at.get()) >= LINK_OPEN_MS {
                    due.push(PeerAction::End(*no, "it did not become a link"));
                }
            } else if !std::mem::replace(&mut link.is_asked, true) {
                due.push(PeerAction::Ask(*no));
            }
        }
        let linked = self.linked();
        for (name, peer) in &mut self.peers {
            let is_linked = linked.contains_key(name);
            if is_linked && !std::mem::replace(&mut peer.is_tried, is_linked) {
                due.push(PeerAction::Try(name.clone(), peer.address.clone()));
            }
            let is_ours = self.own < *name && !is_linked;
            if is_ours && !peer.is_dialled && now >= peer.dial_at {
                peer.is_dialled = true;
                due.push(PeerAction::Dial(name.clone(), peer.address.clone()));
            }
        }
        due
    }

    fn closed(&mut self, no: LinkNo, now: Millis) -> Option<PeerAction> {
        let name = self.links.remove(&no)?.peer?;
        if self.is_linked(&name) {
            return None; // It was one of two.
        }
        let peer = self.peers.get_mut(&name)?;
        peer.dial_at = now;
        peer.is_reached.then(|| PeerAction::Probe(name, peer.address.clone()))
    }

    fn dialled(&mut self, peer: &Incarnation, is_open: bool, now: Millis) {
        let Some(peer) = self.peers.get_mut(peer) else { return };
        peer.is_dialled = false;
        peer.is_reached |= is_open;
        // A connection has its time to become a link.
        let rest = match is_open {
            true => LINK_OPEN_MS,
            false => LINK_REST_MAX_MS.min(LINK_REST_MS << peer.failures.min(16)),
        };
        peer.failures = peer.failures.saturating_add(1);
        peer.dial_at = Millis(now.get().saturating_add(rest));
    }

    fn asked(&mut self, no: LinkNo, is_heard: bool) -> Option<PeerAction> {
        let link = self.links.get_mut(&no)?;
        link.is_asked = false;
        link.misses = if is_heard { 0 } else { link.misses + 1 };
        (link.misses >= LINK_MISSES_MAX).then_some(PeerAction::End(no, "nobody answers"))
    }
}

impl Peer {
    fn at(now: Millis) -> Self {
        let address = String::new();
        let (is_tried, is_reached, is_dialled) = (false, false, false);
        Self { address, is_tried, is_reached, is_dialled, failures: 0, dial_at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Incarnation {
        Incarnation::new(name)
    }

    fn peers(names: &[&str]) -> PeerEvent {
        let all = names.iter().map(|it| (name(it), format!("{it}:7401")));
        PeerEvent::Peers(all.collect())
    }

    /// The table of node `b`, and a clock in seconds.
    struct Node(PeerTable);

    impl Node {
        fn new() -> Self {
            Self(PeerTable::new(name("b")))
        }
        fn at(&mut self, second: u64, event: PeerEvent) -> Vec<PeerAction> {
            self.0.step(Millis(second * 1_000), event)
        }
        /// With a link to `peer`, of this number.
        fn linked_to(peer: &str, no: LinkNo) -> Self {
            let mut node = Self::new();
            assert_eq!(node.at(0, peers(&["b", peer])), []);
            assert_eq!(node.at(0, PeerEvent::Opened(no)), []);
            assert_eq!(node.at(0, PeerEvent::Ready(no, name(peer))), []);
            assert_eq!(node.0.linked(), BTreeMap::from([(name(peer), no)]));
            let at = PeerAction::Try(name(peer), format!("{peer}:7401"));
            assert_eq!(node.at(0, PeerEvent::Tick), [PeerAction::Ask(no), at]);
            assert_eq!(node.at(0, PeerEvent::Asked(no, true)), []);
            assert_eq!(node.at(0, PeerEvent::Tried(name(peer), true)), []);
            node
        }
    }

    fn dial(peer: &str) -> PeerAction {
        PeerAction::Dial(name(peer), format!("{peer}:7401"))
    }

    fn probe(peer: &str) -> PeerAction {
        PeerAction::Probe(name(peer), format!("{peer}:7401"))
    }

    #[test]
    fn of_two_nodes_one_dials_once_and_then_ever_more_seldom() {
        let mut node = Node::new();
        assert_eq!(node.at(0, peers(&["a", "b", "c"])), []);
        assert_eq!(node.at(0, PeerEvent::Tick), [dial("c")]);
        assert_eq!(node.at(1, PeerEvent::Tick), [], "it is being dialled");
        let (mut at, mut rests) = (1, Vec::new());
        for _ in 0..8 {
            assert_eq!(node.at(at, PeerEvent::Dialled(name("c"), false)), []);
            let next = (at..at + 100).find(|second| !node.at(*second, PeerEvent::Tick).is_empty());
            rests.push(next.expect("it is dialled again") - at);
            at = next.expect("likewise");
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn a_connection_that_does_not_become_a_link_is_ended_and_dialled_again() {
        let mut node = Node::new();
        node.at(0, peers(&["c"]));
        assert_eq!(node.at(0, PeerEvent::Tick), [dial("c")]);
        node.at(0, PeerEvent::Opened(LinkNo(1)));
        node.at(0, PeerEvent::Dialled(name("c"), true));
        let open = LINK_OPEN_MS / 1_000;
        assert_eq!(node.at(open - 1, PeerEvent::Tick), []);
        let end = PeerAction::End(LinkNo(1), "it did not become a link");
        assert_eq!(node.at(open, PeerEvent::Tick), [end, dial("c")]);
        assert_eq!(node.at(open, PeerEvent::Closed(LinkNo(1))), [], "nobody was linked");
    }

    #[test]
    fn a_node_whose_link_closed_and_that_listens_no_more_is_gone() {
        for peer in ["a", "c"] {
            let mut node = Node::linked_to(peer, LinkNo(1));
            assert_eq!(node.at(1, PeerEvent::Closed(LinkNo(1))), [probe(peer)]);
            let bury = PeerAction::Bury(name(peer));
            assert_eq!(node.at(1, PeerEvent::Probed(name(peer), true)), [bury]);
            // It is said to be there for a while; nobody dials it.
            assert_eq!(node.at(2, peers(&["b", peer])), []);
            assert_eq!(node.at(2, PeerEvent::Tick), []);
            node.at(3, peers(&["b"]));
            assert!(node.0.buried.is_empty(), "nor is it remembered for ever");
        }
    }

    /// As behind a gateway that translates addresses: a link may stand all the same.
    #[test]
    fn what_was_never_reached_proves_nothing_when_it_refuses() {
        let mut node = Node::new();
        node.at(0, peers(&["a"]));
        node.at(0, PeerEvent::Opened(LinkNo(1)));
        node.at(0, PeerEvent::Ready(LinkNo(1), name("a")));
        assert_eq!(node.at(0, PeerEvent::Tick).len(), 2);
        node.at(0, PeerEvent::Tried(name("a"), false));
        assert_eq!(node.at(1, PeerEvent::Closed(LinkNo(1))), []);
        // At another address it is tried anew.
        node.at(2, PeerEvent::Opened(LinkNo(2)));
        node.at(2, PeerEvent::Ready(LinkNo(2), name("a")));
        node.at(2, PeerEvent::Peers([(name("a"), "gate:7401".to_owned())].into()));
        let at_gate = PeerAction::Try(name("a"), "gate:7401".to_owned());
        assert!(node.at(2, PeerEvent::Tick).contains(&at_gate));
    }

    #[test]
    fn who_was_buried_in_error_is_taken_back_when_it_is_linked_or_speaks_for_long() {
        let buried = || {
            let mut node = Node::linked_to("a", LinkNo(1));
            node.at(1, PeerEvent::Closed(LinkNo(1)));
            node.at(1, PeerEvent::Probed(name("a"), true));
            node
        };
        let mut node = buried();
        node.at(2, PeerEvent::Opened(LinkNo(2)));
        let unbury = [PeerAction::Unbury(name("a"))];
        assert_eq!(node.at(2, PeerEvent::Ready(LinkNo(2), name("a"))), unbury);
        let mut node = buried();
        for second in 2..40 {
            node.at(second, peers(&["a"]));
            let is_late = second > 2 * PRESENCE_TTL_MS / 1_000;
            assert_eq!(node.0.peers.contains_key(&name("a")), is_late, "{second}");
        }
    }

    #[test]
    fn a_node_that_still_listens_or_of_which_nothing_is_known_is_dialled_again() {
        let mut node = Node::linked_to("c", LinkNo(1));
        assert_eq!(node.at(1, PeerEvent::Closed(LinkNo(1))), [probe("c")]);
        assert_eq!(node.at(2, PeerEvent::Probed(name("c"), false)), []);
        assert_eq!(node.at(2, PeerEvent::Tick), [dial("c")]);
        let mut node = Node::linked_to("a", LinkNo(1));
        assert_eq!(node.at(1, PeerEvent::Closed(LinkNo(1))), [probe("a")]);
        assert_eq!(node.at(2, PeerEvent::Tick), [], "the other one dials");
    }

    #[test]
    fn one_that_is_linked_again_was_not_gone() {
        let mut node = Node::linked_to("c", LinkNo(1));
        node.at(1, PeerEvent::Closed(LinkNo(1)));
        node.at(1, PeerEvent::Opened(LinkNo(2)));
        node.at(1, PeerEvent::Ready(LinkNo(2), name("c")));
        assert_eq!(node.at(1, PeerEvent::Probed(name("c"), true)), []);
        // And the end of one of two links is none of the node.
        node.at(2, PeerEvent::Opened(LinkNo(3)));
        node.at(2, PeerEvent::Ready(LinkNo(3), name("c")));
        assert_eq!(node.at(2, PeerEvent::Closed(LinkNo(2))), []);
        assert_eq!(node.0.linked(), BTreeMap::from([(name("c"), LinkNo(3))]));
    }

    #[test]
    fn a_link_over_which_nobody_answers_is_ended() {
        let mut node = Node::linked_to("c", LinkNo(1));
        let missed = |node: &mut Node, at: u64| {
            assert_eq!(node.at(at, PeerEvent::Tick), [PeerAction::Ask(LinkNo(1))]);
            assert_eq!(node.at(at, PeerEvent::Tick), [], "one question at a time");
            node.at(at, PeerEvent::Asked(LinkNo(1), false))
        };
        assert_eq!(missed(&mut node, 1), []);
        assert_eq!(node.at(1, PeerEvent::Asked(LinkNo(1), true)), []);
        for at in 2..u64::from(LINK_MISSES_MAX) + 1 {
            assert_eq!(missed(&mut node, at), []);
        }
        let end = PeerAction::End(LinkNo(1), "nobody answers");
        assert_eq!(missed(&mut node, 9), [end]);
        assert_eq!(node.at(9, PeerEvent::Closed(LinkNo(1))), [probe("c")]);
    }

    #[test]
    fn who_says_nothing_more_is_known_while_the_link_stands() {
        let mut node = Node::linked_to("c", LinkNo(1));
        node.at(1, peers(&["b"]));
        assert_eq!(node.at(2, PeerEvent::Closed(LinkNo(1))), [probe("c")]);
        node.at(3, peers(&["b"]));
        assert_eq!(node.at(3, PeerEvent::Tick), [], "it is forgotten");
    }
}
