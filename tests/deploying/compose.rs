//! compose.yaml: a cluster that is locked, watched, and what the tests start.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    deployment::{ask, compose, prepared},
    program::in_repository,
};

use super::{NODES, assert_pinned, list, settings, table, words};

#[test]
fn compose_describes_a_cluster_that_is_locked_and_watched() {
    let folder = TempDir::new().expect("a temporary folder");
    let copy = prepared(folder.path());
    let whole = compose(&copy, &["compose.yaml"]);
    let token = fs::read_to_string(copy.join("secrets/token")).expect("a secret");
    let mut lasting = 0;
    for (name, service) in table(&whole["services"]) {
        assert_pinned(service["image"].as_str().expect("an image"));
        assert!(service["mem_limit"].is_string(), "{name}: memory has a limit");
        assert!(service["privileged"].is_null() && service["pid"].is_null(), "{name}");
        for port in list(&service["ports"]) {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: a door to this machine alone");
        }
        assert!(!service["environment"].to_string().contains(token.trim()), "{name}");
        let ours = service["image"] == "tabgraphsyn:local";
        if ours {
            assert_eq!(service["user"], "10001:10001", "{name}");
        }
        if ours || service["image"].as_str().is_some_and(|it| it.starts_with("nats:")) {
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
            assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        }
        if service["restart"] == "unless-stopped" {
            assert!(service["healthcheck"]["test"].is_array(), "{name}: its health is looked at");
            lasting += 1;
        }
    }
    assert_eq!(lasting, 3 + 3 + 1 + NODES.len() + 2, "databases, NATS, objects, nodes, watchers");
    assert_eq!(whole["networks"]["inside"]["internal"], true);
    for name in NODES {
        let node = &whole["services"][name];
        for (needed, how) in table(&node["depends_on"]) {
            let ends = ["keys", "bucket"].contains(&needed);
            let condition = if ends { "service_completed_successfully" } else { "service_healthy" };
            assert_eq!(how["condition"], condition, "{name} waits for {needed}");
        }
        // The first one makes the tables.
        let first = usize::from(name != "eu-1");
        let needed = table(&node["depends_on"]).count();
        assert_eq!(needed, 2 + 3 + 3 + first, "{name} waits for all that it needs");
        let path = whole["configs"][name]["file"].as_str().expect("a file");
        let settings = settings(&fs::read_to_string(path).expect("its settings"));
        assert_eq!(settings["node_name"].as_str(), Some(name));
        let limit: i64 = node["mem_limit"].as_str().expect("bytes").parse().expect("a number");
        let allowed = settings.get("memory_mib").map_or(0, |it| it.as_integer().expect("a number"));
        assert!(allowed << 20 < limit, "{name}: jobs may take more than the container has");
        assert_eq!(settings["roles"].as_str() == Some("all"), allowed > 0, "{name}: it is said");
    }
}

/// Versions and places of what the tests start, and who is measured.
#[test]
fn compose_is_what_the_tests_start() {
    let folder = TempDir::new().expect("a temporary folder");
    let copy = prepared(folder.path());
    let whole = compose(&copy, &["compose.yaml"]);
    let dev = fs::read_to_string(in_repository("dev")).expect("a file of the repository");
    let nats = dev.split("setup_nats()").nth(1).and_then(|it| it.split("version=").nth(1));
    let nats = nats.and_then(|it| it.split(' ').next()).expect("its version");
    let image = format!("nats:{nats}-alpine");
    let centres = |whole: &Value| -> BTreeSet<String> {
        let names = table(&whole["services"]).filter_map(|(name, _)| name.strip_prefix("db-"));
        names.map(str::to_owned).collect()
    };
    let of_regions = BTreeSet::from(["ap", "eu", "us"].map(str::to_owned));
    assert_eq!(centres(&whole), of_regions);
    for centre in &of_regions {
        let content = whole["configs"][format!("dc-{centre}")]["content"].as_str();
        assert_eq!(content, Some(format!("dc={centre}\nrack=r1\n").as_str()));
        let database = &whole["services"][format!("db-{centre}")];
        assert!(database["image"].as_str().is_some_and(|it| it.starts_with("scylladb/scylla:")));
    }
    for no in 1..=3 {
        assert_eq!(whole["services"][format!("nats-{no}")]["image"], json!(image));
    }
    let pom = fs::read_to_string(in_repository("tests/services/cassandra/pom.xml"));
    let pom = pom.expect("a file of the repository");
    let version = pom.split("<cassandra.version>").nth(1).and_then(|it| it.split('<').next());
    let other = compose(&copy, &["compose.yaml", "compose.cassandra.yaml"]);
    for centre in &of_regions {
        let database = &other["services"][format!("db-{centre}")];
        assert_eq!(database["image"], json!(format!("cassandra:{}", version.expect("a version"))));
        assert_eq!(database["environment"]["CASSANDRA_DC"], json!(centre));
        assert_eq!(database["configs"], json!(null), "Scylla's files are none of Cassandra's");
    }
    let measured = ask(&["yaml", &copy.join("prometheus/prometheus.yaml").display().to_string()]);
    let targets = list(&measured["scrape_configs"][0]["static_configs"]);
    let targets: BTreeSet<_> = targets.flat_map(|it| words(&it["targets"])).collect();
    let wanted = NODES.map(|name| format!("{name}:7400"));
    assert_eq!(targets, wanted.iter().map(String::as_str).collect::<BTreeSet<_>>());
    let keys = whole["services"]["keys"]["command"].to_string();
    assert!(NODES.iter().all(|name| keys.contains(name)), "each node has keys: {keys}");
}
