//! What a node of a cluster says of itself, and what its operators want of it.
//!
//! What a node says is a hint: it is shown, and nothing is decided on it. What operators order is
//! durable, and heeded by whichever process has the node's name, now or after a restart.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    code::Code,
    desk::DeskError,
    engine::NumericsClass,
    id::{Incarnation, JobId, is_plain},
    limits::{CLOCKS_APART_MAX_MS, NODE_NAME_BYTES_MAX, PRESENCE_TTL_MS},
    queue::{DeviceClass, Use},
    refusal::Refusal,
    residency::Ground,
    store::StoreError,
    unit::{ByteCount, Timestamp},
};

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Presence {
    /// What its operators call it.
    pub node: String,
    /// This run of it.
    pub incarnation: Incarnation,
    /// Of the program.
    pub version: String,
    /// Where it stands.
    pub region: String,
    /// Where in the region; empty if not said.
    #[serde(default)]
    pub zone: String,
    /// What it does: `web`, `worker`.
    pub roles: Vec<String>,
    /// Where it answers over HTTP; none if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Milliseconds since 1970, by its own clock.
    pub started_at: Timestamp,
    /// When it said this, likewise.
    pub said_at: Timestamp,
    /// Whether it takes up jobs.
    pub standing: Standing,
    /// Its devices, in order.
    pub devices: Vec<DeviceAt>,
    /// Jobs that it works at.
    pub running: Vec<JobId>,
    /// Jobs that wait there for their turn.
    pub waiting: u64,
    /// Room on the disk of its folder, in bytes.
    pub disk_free: ByteCount,
    /// Where other nodes reach it directly; none where they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links_at: Option<String>,
    /// To how many other nodes it has a link.
    #[serde(default)]
    pub links: u64,
    /// Other nodes reach it over the message bus.
    #[serde(default)]
    pub on_bus: bool,
    /// What it warned of in the last minutes, the newest first; its log has the whole of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// It takes up what a leader assigns to it.
    #[serde(default)]
    pub is_led: bool,
    /// Its machine may be taken away.
    #[serde(default)]
    pub is_spot: bool,
    /// Nothing begins there for now: its disk is full.
    #[serde(default)]
    pub is_full: bool,
    /// Memory that its jobs share, in bytes.
    #[serde(default)]
    pub memory: ByteCount,
    /// Memory of it that no job has.
    #[serde(default)]
    pub free_memory: ByteCount,
    /// In which numerics classes its devices compute, with as many threads as running jobs have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numerics: BTreeMap<DeviceClass, BTreeSet<NumericsClass>>,
}

impl Presence {
    /// Of a node that has nothing to say yet.
    pub fn of(incarnation: Incarnation) -> Self {
        Self {
            node: incarnation.as_str().to_owned(),
            incarnation,
            version: String::new(),
            region: String::new(),
            zone: String::new(),
            roles: Vec::new(),
            address: None,
            started_at: Timestamp(0),
            said_at: Timestamp(0),
            standing: Standing::Working,
            devices: Vec::new(),
            running: Vec::new(),
            waiting: 0,
            disk_free: ByteCount(0),
            links_at: None,
            links: 0,
            on_bus: false,
            warnings: Vec::new(),
            is_led: false,
            is_spot: false,
            is_full: false,
            memory: ByteCount(0),
            free_memory: ByteCount(0),
            numerics: BTreeMap::new(),
        }
    }

    /// What it stands on.
    pub fn ground(&self) -> Ground {
        Ground { region: self.region.clone(), is_spot: self.is_spot }
    }

    /// Whether a job that wants this kind of device would compute in this numerics class here, as
    /// far as that is known.
    pub fn computes_in(&self, class: DeviceClass, numerics: &NumericsClass) -> bool {
        let has = |it: &DeviceAt| it.class == class && it.used != Use::Aside;
        let serving = if self.devices.iter().any(has) { class } else { class.other() };
        self.numerics.get(&serving).is_some_and(|known| known.contains(numerics))
    }
}

/// One device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceAt {
    /// What it is.
    pub class: DeviceClass,
    /// What it does.
    #[serde(rename = "use")]
    pub used: Use,
}

/// Whether a node takes up jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Standing {
    /// It does.
    #[default]
    Working,
    /// It ends what it has begun, and takes up nothing.
    Cordoned,
    /// It hands over what it has begun, and takes up nothing.
    Draining,
    /// It stops.
    Leaving,
}

/// What operators want of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NodeOrder {
    /// To work.
    #[default]
    Work,
    /// To take up nothing more.
    Cordon,
    /// To hand over what it has begun as well.
    Drain,
}

/// Where nodes say that they are there, and read who is.
#[async_trait]
pub trait PresenceBoard: Send + Sync {
    /// Says it; it stands there for [`PRESENCE_TTL_MS`].
    async fn say(&self, presence: &Presence) -> Result<(), StoreError>;
    /// Takes it back.
    async fn leave(&self, incarnation: &Incarnation) -> Result<(), StoreError>;
    /// What stands there, by name.
    async fn all(&self) -> Result<Vec<Presence>, StoreError>;
    /// Orders something of the nodes of this name; the last order holds.
    async fn order(&self, node: &str, order: NodeOrder) -> Result<(), StoreError>;
    /// What was ordered last; to work, if nothing was.
    async fn order_of(&self, node: &str) -> Result<NodeOrder, StoreError>;
}

/// How a front shows nodes and passes on what operators want.
#[async_trait]
pub trait NodeDesk: Send + Sync {
    /// All nodes that are there, by name, each with what is wrong with it.
    async fn nodes(&self) -> Result<Vec<NodeView>, DeskError>;
    /// The node of this name.
    ///
    /// # Errors
    /// `NoSuchThing` where none is there.
    async fn node(&self, node: &str) -> Result<NodeView, DeskError>;
    /// Orders something of a node; returns it once that stands where the node reads it.
    ///
    /// # Errors
    /// `NoSuchThing` where none of this name is there, `BadRequest` where there is no cluster.
    async fn order(&self, node: &str, order: NodeOrder) -> Result<NodeView, DeskError>;
}

/// A node as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeView {
    /// What it says of itself.
    #[serde(flatten)]
    pub presence: Presence,
    /// It is the one that answers.
    pub is_here: bool,
    /// It places the jobs of the cluster.
    #[serde(default)]
    pub leads: bool,
    /// What is wrong with it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}

/// Refuses a name that would not be easy to type.
///
/// # Errors
/// `BadRequest` with what is wrong and what would be right.
pub fn check_name(node: &str) -> Result<(), Refusal> {
    if is_plain(node, NODE_NAME_BYTES_MAX) {
        return Ok(());
    }
    let message = format!(
        "look up node {node:?}: a node's name has 1 to {NODE_NAME_BYTES_MAX} letters, digits, -, _ \
         and ."
    );
    Err(Refusal::new(Code::BadRequest, message))
}

/// All nodes as they are shown by one of them, at a time of its clock.
pub fn views(mut all: Vec<Presence>, own: &Incarnation, now: Timestamp) -> Vec<NodeView> {
    all.sort_by(|a, b| (&a.node, &a.incarnation).cmp(&(&b.node, &b.incarnation)));
    let same_names = all.windows(2).filter(|pair| pair[0].node == pair[1].node);
    let shared: BTreeSet<String> = same_names.map(|pair| pair[0].node.clone()).collect();
    let versions: BTreeSet<String> = all.iter().map(|it| it.version.clone()).collect();
    all.into_iter()
        .map(|presence| {
            let mut troubles = Vec::new();
            if shared.contains(&presence.node) {
                troubles.push(format!(
                    "another node is called {}, and both heed what is ordered of either; give each \
                     a name of its own (`node_name`)",
                    presence.node
                ));
            }
            troubles.extend(clock_trouble(presence.said_at, now));
            if versions.len() > 1 {
                troubles.push(format!(
                    "it runs version {}, and not all others do; go on with the upgrade",
                    presence.version
                ));
            }
            let is_here = presence.incarnation == *own;
            NodeView { presence, is_here, leads: false, troubles }
        })
        .collect()
}

/// What a node said is at most as old as it may stand there; more is the clock's.
fn clock_trouble(said: Timestamp, now: Timestamp) -> Option<String> {
    let behind = now.get().saturating_sub(said.get()).saturating_sub(PRESENCE_TTL_MS);
    let ahead = said.get().saturating_sub(now.get());
    let told = |by: u64, word: &str| {
        format!(
            "its clock is {} s {word} ours; jobs are safe, but times in lists and turns in line \
             are wrong; set the clocks",
            by / 1_000
        )
    };
    match (behind > CLOCKS_APART_MAX_MS, ahead > CLOCKS_APART_MAX_MS) {
        (true, _) => Some(told(behind, "behind")),
        (_, true) => Some(told(ahead, "ahead of")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node: &str, incarnation: &str, said_at: u64) -> Presence {
        Presence {
            node: node.to_owned(),
            version: "1.0.0".to_owned(),
            said_at: Timestamp(said_at),
            devices: vec![DeviceAt { class: DeviceClass::Cpu, used: Use::Free }],
            ..Presence::of(Incarnation::new(incarnation))
        }
    }

    fn troubles(all: Vec<Presence>, now: u64) -> Vec<Vec<String>> {
        let views = views(all, &Incarnation::new("1"), Timestamp(now));
        views.into_iter().map(|view| view.troubles).collect()
    }

    #[test]
    fn nodes_are_shown_by_name_and_the_own_one_is_marked() {
        let all = vec![node("b", "1", 1_000), node("a", "2", 1_000)];
        let views = views(all, &Incarnation::new("1"), Timestamp(1_500));
        let shown: Vec<_> =
            views.iter().map(|it| (it.presence.node.as_str(), it.is_here)).collect();
        assert_eq!(shown, [("a", false), ("b", true)]);
        assert!(views.iter().all(|view| view.troubles.is_empty()));
    }

    #[test]
    fn what_is_wrong_with_a_node_is_said_of_it() {
        let twice = troubles(vec![node("a", "1", 0), node("a", "2", 0), node("b", "3", 0)], 0);
        assert!(twice[0][0].contains("another node is called a"), "{twice:?}");
        assert_eq!((twice[1].len(), twice[2].len()), (1, 0), "{twice:?}");
        let minutes = 600_000;
        let behind = troubles(vec![node("a", "1", 0)], minutes + PRESENCE_TTL_MS);
        assert!(behind[0][0].contains("600 s behind ours"), "{behind:?}");
        let ahead = troubles(vec![node("a", "1", minutes)], 0);
        assert!(ahead[0][0].contains("600 s ahead of ours"), "{ahead:?}");
        let old = troubles(vec![node("a", "1", 0)], PRESENCE_TTL_MS);
        assert!(old[0].is_empty(), "it may have said it a while ago: {old:?}");
        let newer = Presence { version: "2.0.0".to_owned(), ..node("b", "2", 0) };
        let mixed = troubles(vec![node("a", "1", 0), newer], 0);
        assert!(mixed[1][0].contains("version 2.0.0"), "{mixed:?}");
    }

    #[test]
    fn names_are_easy_to_type() {
        for name in ["a", "gpu-1.eu_west", &"x".repeat(NODE_NAME_BYTES_MAX)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", &"x".repeat(NODE_NAME_BYTES_MAX + 1)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_job_computes_on_whatever_serves_it_and_in_its_class() {
        let class = |name: &str| NumericsClass(name.to_owned());
        let known = |kind, names: &[&str]| (kind, names.iter().map(|name| class(name)).collect());
        let mut node = node("a", "1", 0);
        assert!(!node.computes_in(DeviceClass::Cpu, &class("x")), "nothing was measured");
        node.numerics =
            [known(DeviceClass::Cpu, &["x", "y"]), known(DeviceClass::Gpu, &["z"])].into();
        let computes = |kind, name: &str| node.computes_in(kind, &class(name));
        assert!(computes(DeviceClass::Cpu, "x") && computes(DeviceClass::Gpu, "y"));
        assert!(!computes(DeviceClass::Gpu, "z"), "it has none");
        node.devices.push(DeviceAt { class: DeviceClass::Gpu, used: Use::Busy });
        let computes = |kind, name: &str| node.computes_in(kind, &class(name));
        assert!(computes(DeviceClass::Gpu, "z") && !computes(DeviceClass::Gpu, "x"));
    }

    #[test]
    fn a_node_is_one_flat_object() {
        let classes = [NumericsClass("x".to_owned())].into();
        let numerics = [(DeviceClass::Cpu, classes)].into();
        let all = vec![Presence { numerics, ..node("a", "1", 5) }];
        let view = &views(all, &Incarnation::new("1"), Timestamp(5))[0];
        let json = serde_json::to_value(view).expect("is written");
        assert_eq!((&json["node"], &json["is_here"]), (&"a".into(), &true.into()), "{json}");
        assert_eq!(json["devices"][0], serde_json::json!({"class": "cpu", "use": "free"}));
        assert_eq!(json["numerics"], serde_json::json!({"cpu": ["x"]}));
        assert_eq!(serde_json::from_value::<NodeView>(json).expect("is read back"), *view);
    }
}
