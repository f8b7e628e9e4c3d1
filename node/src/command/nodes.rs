//! `tgs node list|show|cordon|drain|uncordon`: asks any node of a cluster about all of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tgs_protocol::{
    figure::{bytes, span},
    presence::{NodeView, Standing, check_name},
    queue::{DeviceClass, Use},
    unit::Timestamp,
    wire::PageView,
};

use crate::{
    client::{Ask, Client},
    command_line::{NamedNode, NodeAct, Voice},
    failure::Failure,
    leaving::ExitCode,
    voice::say,
};

pub fn run(act: &NodeAct, voice: Voice) -> Result<ExitCode, Failure> {
    match act {
        NodeAct::List { server } => {
            let client = Client::new(&server.server)?;
            let page: PageView<NodeView> = client.ask("/v1/nodes", Ask::Get)?;
            page.items.iter().for_each(|view| show(view, voice));
        }
        NodeAct::Show(named) => show(&ask(named, None)?, voice),
        NodeAct::Cordon(named) => show(&ask(named, Some("cordon"))?, voice),
        NodeAct::Drain(named) => show(&ask(named, Some("drain"))?, voice),
        NodeAct::Uncordon(named) => show(&ask(named, Some("uncordon"))?, voice),
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(named: &NamedNode, act: Option<&str>) -> Result<NodeView, Failure> {
    let NamedNode { node, server } = named;
    check_name(node)?;
    let client = Client::new(&server.server)?;
    match act {
        None => client.ask(&format!("/v1/nodes/{node}"), Ask::Get),
        Some(act) => client.ask(&format!("/v1/nodes/{node}:{act}"), Ask::Post(b"", None)),
    }
}

fn show(view: &NodeView, voice: Voice) {
    if voice == Voice::Json {
        let mut told = json!(view);
        told["event"] = "node".into();
        return say!("{told}");
    }
    let node = &view.presence;
    let standing = match node.standing {
        Standing::Working => "working",
        Standing::Cordoned => "cordoned",
        Standing::Draining => "draining",
        Standing::Leaving => "leaving",
    };
    let place = match node.zone.as_str() {
        "" => node.region.clone(),
        zone => format!("{}/{zone}", node.region),
    };
    let here = match (view.is_here, view.leads) {
        (true, true) => "  (answers, places jobs)",
        (true, false) => "  (answers)",
        (false, true) => "  (places jobs)",
        (false, false) => "",
    };
    say!("{:<20}  {standing:<8}  {:<10}  {:<12}{here}", node.node, place, node.roles.join(","));
    let devices = devices(view);
    let jobs = format!("{} running, {} waiting", node.running.len(), node.waiting);
    let disk = format!("{} of disk free", bytes(node.disk_free.get()));
    let up = format!("up {}", span(since(node.started_at)));
    say!("  {devices}; {jobs}; {disk}; {up}; version {}", node.version);
    if node.is_spot {
        say!("  its machine may be taken away");
    }
    let classes: Vec<_> = node.numerics.values().flatten().map(ToString::to_string).collect();
    if !classes.is_empty() {
        say!("  computes in numerics class {}", classes.join(", "));
    }
    if let Some(address) = &node.address {
        say!("  answers at {address}");
    }
    if let Some(at) = &node.links_at {
        say!("  linked to {} other nodes, which reach it at {at}", node.links);
    }
    node.running.iter().for_each(|job| say!("  works at {job}"));
    if node.on_bus {
        say!("  reached by other nodes over the message bus as well");
    }
    view.troubles.iter().for_each(|trouble| say!("  trouble: {trouble}"));
    node.warnings.iter().for_each(|warning| say!("  warned lately: {warning}"));
}

/// `2 of 3 cpu busy, 1 gpu aside`
fn devices(view: &NodeView) -> String {
    let of = |class: DeviceClass, word: &str| {
        let all: Vec<_> = view.presence.devices.iter().filter(|it| it.class == class).collect();
        let count = |used: Use| all.iter().filter(|it| it.used == used).count();
        let aside = match count(Use::Aside) {
            0 => String::new(),
            aside => format!(" ({aside} aside)"),
        };
        (!all.is_empty())
            .then(|| format!("{} of {} {word} busy{aside}", count(Use::Busy), all.len()))
    };
    let parts: Vec<_> =
        [of(DeviceClass::Cpu, "cpu"), of(DeviceClass::Gpu, "gpu")].into_iter().flatten().collect();
    if parts.is_empty() { "computes nothing".to_owned() } else { parts.join(", ") }
}

fn since(at: Timestamp) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(at.get()))
}
