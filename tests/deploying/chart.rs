//! The chart: rendered by Helm's engine, read by the schemas of Kubernetes, the same as compose.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    deployment::{ask, file, text},
    program::{Finished, tgs},
};

use super::{NODES, assert_pinned, list, settings, words};

const CHART: &str = "helm/tabgraphsyn";
/// Values of the chart that only name a database of one's own.
const OWN: &str = r#"{"store": "cql://db-1:9042,db-2/science"}"#;

fn chart() -> String {
    file(CHART).display().to_string()
}

pub fn rendered(values: &str) -> Vec<Value> {
    let answer = ask(&["render", &chart(), values]);
    assert_eq!((&answer["error"], &answer["refused"]), (&Value::Null, &json!([])), "{answer}");
    // Of the Prometheus operator; what they say is looked at below.
    let known = ["PrometheusRule", "ServiceMonitor"];
    let unknown = words(&answer["unknown"]);
    assert!(unknown.iter().all(|kind| known.contains(kind)), "{unknown:?}");
    list(&answer["documents"]).cloned().collect()
}

pub fn two_regions() -> String {
    file(CHART).join("values.two-regions.yaml").display().to_string()
}

pub fn of_kind<'a>(all: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    all.iter().filter(move |it| it["kind"] == kind)
}

#[test]
fn the_chart_is_one() {
    for values in [OWN.to_owned(), two_regions()] {
        let found = ask(&["lint", &chart(), &values]);
        assert_eq!(found, json!({"charts": 1, "messages": [], "errors": []}), "{values}");
    }
    let all = rendered(OWN);
    assert_eq!(of_kind(&all, "StatefulSet").count(), 1, "no databases, and one region");
    let all = rendered(&two_regions());
    assert_eq!(
        of_kind(&all, "StatefulSet").count(),
        2 + 3 + 2,
        "regions, databases, NATS, objects"
    );
    let pods = all.iter().filter(|it| it["spec"]["template"]["spec"]["containers"].is_array());
    for owner in pods {
        let name = &owner["metadata"]["name"];
        let pod = &owner["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for container in list(&pod["containers"]).chain(list(&pod["initContainers"])) {
            assert_pinned(container["image"].as_str().expect("an image"));
            assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            if container["name"] == "tgs" {
                for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                    let path = container[probe]["httpGet"]["path"].as_str().unwrap_or_default();
                    assert!(path.starts_with("/health/"), "{name}: {probe}");
                }
                assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
                assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
                assert!(pod["terminationGracePeriodSeconds"].as_u64() >= Some(30));
            }
        }
    }
    let budgets: BTreeSet<_> =
        of_kind(&all, "PodDisruptionBudget").map(|it| it["metadata"]["name"].to_string()).collect();
    assert_eq!(budgets.len(), 3, "two regions and the front");
    let claims = all.iter().map(Value::to_string).filter(|it| it.contains("authority")).count();
    assert_eq!(claims, 3, "each pod of nodes gets keys: {claims}");
}

/// The schema of the values says no where a cluster would be built that cannot be meant.
#[test]
fn the_chart_refuses_what_cannot_be_meant() {
    for (values, why) in [
        (r#"{}"#, "name the database"),
        (r#"{"store": "cql://ada:secret@db/k"}"#, "store"),
        (r#"{"store": "postgres://db/k"}"#, "store"),
        (r#"{"store": "cql://db/k", "regions": []}"#, "regions"),
        (r#"{"store": "cql://db/k", "drainSeconds": 5}"#, "drainSeconds"),
        (r#"{"store": "cql://db/k", "sotre": 1}"#, "sotre"),
        (r#"{"store": "cql://db/k", "settings": {"region": "eu"}}"#, "region"),
        (
            r#"{"store": "cql://db/k", "objectsVariables": {"AWS_SECRET_ACCESS_KEY": "x"}}"#,
            "AWS_SECRET",
        ),
        (r#"{"store": "cql://db/k", "ingress": {"enabled": true}}"#, "host"),
    ] {
        let answer = ask(&["render", &chart(), values]);
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{values} is taken"));
        assert!(error.contains(why), "{values}: {error}");
    }
}

/// The settings that pods read, of the chart with the values that stand for compose.yaml.
fn settings_of_chart() -> BTreeMap<String, toml::Table> {
    let all = rendered(&two_regions());
    let maps = of_kind(&all, "ConfigMap").filter_map(|map| {
        let name = map["metadata"]["name"].as_str()?.strip_prefix("tabgraphsyn-")?;
        Some((name.to_owned(), settings(map["data"]["node.toml"].as_str()?)))
    });
    maps.collect()
}

/// Both say the same of a node but for where things are.
#[test]
fn chart_and_compose_agree() {
    let maps = settings_of_chart();
    assert_eq!(maps.keys().collect::<Vec<_>>(), ["front", "node-eu", "node-us"]);
    let all = rendered(&two_regions());
    let compose = text("compose.yaml");
    for owner in of_kind(&all, "StatefulSet")
        .filter(|it| !it["metadata"]["name"].to_string().contains("-node-"))
    {
        for container in list(&owner["spec"]["template"]["spec"]["containers"]) {
            let image = container["image"].as_str().expect("an image");
            assert!(
                compose.contains(&format!("image: {image}\n")),
                "{image} is not in compose.yaml"
            );
        }
    }
    for (name, of_compose) in [("front", "front"), ("node-eu", "eu-1"), ("node-us", "us-1")] {
        let there = settings(&text(&format!("nodes/{of_compose}.toml")));
        let here = &maps[name];
        // Where things are, and what a pod is told by its variables or by where it runs.
        let places =
            ["store", "nats", "token_file", "links_folder", "links_address", "node_name", "home"];
        let of_machine = ["spot", "lost_after_minutes"];
        let is_said =
            |key: &&String| !places.contains(&key.as_str()) && !of_machine.contains(&key.as_str());
        let keys: BTreeSet<_> = there.keys().chain(here.keys()).filter(is_said).collect();
        for key in keys {
            assert_eq!(here.get(key), there.get(key), "{key} of {name} and {of_compose}");
        }
    }
}

/// Every key of every configuration is one that `tgs node` takes: it gets as far as its database.
#[test]
fn nodes_take_their_settings() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut all: Vec<_> = settings_of_chart().into_iter().collect();
    all.extend(NODES.map(|name| (name.to_owned(), settings(&text(&format!("nodes/{name}.toml"))))));
    for (name, mut table) in all {
        // Nobody listens there. What is looked for before, `deployed.rs` really uses.
        table.remove("objects");
        table.insert("store".to_owned(), "cql://127.0.0.1:9/nowhere".into());
        let (status, said) = refused(&folder.path().join(&name), &table);
        assert!(said.contains("127.0.0.1:9"), "{name}: {status:?} {said}");
        table.insert("regoin".to_owned(), "eu".into());
        let (_, said) = refused(&folder.path().join(&name), &table);
        assert!(said.contains("regoin"), "{name}: {said}");
    }
}

fn refused(home: &Path, table: &toml::Table) -> (Option<i32>, String) {
    let path = home.with_extension("toml");
    fs::write(&path, table.to_string()).expect("our own folder");
    let settings = path.display().to_string();
    let mut program = tgs(home, &["node", "--json", "--config", &settings]);
    let ended = Finished::from(program.output().expect("it runs"));
    (ended.status, ended.stdout + &ended.stderr)
}
