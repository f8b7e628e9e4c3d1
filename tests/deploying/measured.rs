//! What is measured: rules that call when they should, a dashboard, and nothing that nobody tells.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    deployment::{ask, file, measures, prepared, promtool, promtool_at, text},
    program::{Finished, in_repository},
    server::Server,
    tables::numbers,
};

use super::{
    chart::{of_kind, rendered, two_regions},
    list, table,
};

/// The rules, with what each of them names.
fn rules() -> Vec<Value> {
    let groups = ask(&["yaml", &file("prometheus/alerts.yaml").display().to_string()]);
    list(&groups["groups"]).flat_map(|group| list(&group["rules"]).cloned()).collect()
}

#[test]
fn alerts_call_when_they_should() {
    let path = |name: &str| file(&format!("prometheus/{name}")).display().to_string();
    let checked = promtool(&["check", "rules", &path("alerts.yaml")]).expect_status(0);
    assert!(checked.stdout.contains("SUCCESS"), "{}", checked.stdout);
    let _ = promtool(&["test", "rules", &path("alerts.test.yaml")]).expect_status(0);
    let folder = TempDir::new().expect("a temporary folder");
    let copy = prepared(folder.path());
    let configuration = copy.join("prometheus/prometheus.yaml");
    let text = fs::read_to_string(&configuration).expect("a file");
    let token = copy.join("secrets/token").display().to_string();
    fs::write(&configuration, text.replace("/run/secrets/token", &token)).expect("our own copy");
    let _ = promtool(&["check", "config", &configuration.display().to_string()]).expect_status(0);

    let cases = ask(&["yaml", &path("alerts.test.yaml")]);
    let cases: Vec<_> = list(&cases["tests"]).flat_map(|it| list(&it["alert_rule_test"])).collect();
    let runbook = fs::read_to_string(in_repository("docs/guide/runbook.md")).expect("a page");
    for rule in rules() {
        let name = rule["alert"].as_str().expect("a name");
        let is_of = |case: &&&Value| case["alertname"] == name;
        let calls = |case: &&Value| list(&case["exp_alerts"]).count() > 0;
        assert!(cases.iter().filter(is_of).any(calls), "{name}: no case in which it calls");
        assert!(!cases.iter().filter(is_of).all(calls), "{name}: no case in which it does not");
        let place = format!("docs/guide/runbook.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"], json!(place));
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no part in the runbook");
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
    }
    // The chart hands the same rules to the operator of Prometheus.
    let all = rendered(&two_regions());
    let given = of_kind(&all, "PrometheusRule").next().expect("it is asked for");
    assert_eq!(given["spec"], ask(&["yaml", &path("alerts.yaml")]));
    let monitor = of_kind(&all, "ServiceMonitor").next().expect("it is asked for");
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!((&endpoint["path"], &endpoint["port"]), (&json!("/v1/metrics"), &json!("http")));
    assert_eq!(
        endpoint["authorization"]["credentials"],
        json!({"name": "tabgraphsyn-token", "key": "token"})
    );
    let chosen = &monitor["spec"]["selector"]["matchLabels"];
    let services = of_kind(&all, "Service").filter(|service| {
        table(chosen).all(|(key, value)| service["metadata"]["labels"][key] == *value)
    });
    assert_eq!(services.count(), 3, "both regions and the front are measured");
}

/// Its panels with their expressions.
fn panels(dashboard: &Value) -> Vec<(&str, Vec<&str>)> {
    let panels = list(&dashboard["panels"]).filter(|panel| panel["type"] != "row");
    let asked = |panel: &'_ Value| list(&panel["targets"]).count();
    panels
        .map(|panel| {
            assert!(asked(panel) > 0, "{panel}");
            let targets = list(&panel["targets"]);
            let all = targets.map(|it| it["expr"].as_str().expect("text")).collect();
            (panel["title"].as_str().expect("a title"), all)
        })
        .collect()
}

#[test]
fn the_dashboard_is_one() {
    let path = file("grafana/tabgraphsyn.json");
    assert_eq!(ask(&["dashboard", &path.display().to_string()]), json!([]), "nothing is lost");
    let dashboard: Value = serde_json::from_str(&text("grafana/tabgraphsyn.json")).expect("JSON");
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in list(&dashboard["panels"]) {
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{panel}");
        let at = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
        assert!(at("x") + at("w") <= 24, "{panel}");
        for place in (at("x")..at("x") + at("w"))
            .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert(place), "two panels stand at {place:?}: {}", panel["title"]);
        }
    }
    let provided = ask(&[
        "yaml",
        &file("grafana/provisioning/dashboards/tabgraphsyn.yaml").display().to_string(),
    ]);
    let folder = provided["providers"][0]["options"]["path"].as_str().expect("a folder");
    assert!(text("compose.yaml").contains(&format!("target: {folder}/tabgraphsyn.json")));
    let source = ask(&[
        "yaml",
        &file("grafana/provisioning/datasources/prometheus.yaml").display().to_string(),
    ]);
    assert_eq!(source["datasources"][0]["type"], "prometheus");
}

/// What rules and panels ask for is told by a real server from its start on.
#[test]
fn all_that_is_asked_for_is_measured() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    server.upload("small", "small.csv", &numbers(40), 100);
    let told = server.get("/v1/metrics").body;
    let told = told.as_str().expect("text");
    let mut command = Command::new(promtool_at());
    let command = command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(told.as_bytes()).expect("it reads");
    let linted = Finished::from(child.wait_with_output().expect("it ends"));
    assert_eq!((linted.status, linted.stderr.as_str()), (Some(0), ""), "{}\n{told}", linted.stdout);
    let is_told = |name: &str| {
        told.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
    };
    let dashboard: Value = serde_json::from_str(&text("grafana/tabgraphsyn.json")).expect("JSON");
    let rules = rules();
    let asked = panels(&dashboard).into_iter().flat_map(|(_, all)| all);
    let asked: Vec<_> =
        asked.chain(rules.iter().map(|it| it["expr"].as_str().expect("text"))).collect();
    let names: BTreeSet<_> = asked.iter().flat_map(|it| measures(it)).collect();
    assert!(names.len() > 15, "{names:?}");
    let missing = names.iter().filter(|name| !is_told(name));
    // A cluster tells more; `deployed.rs` asks one.
    let of_clusters = ["tgs_nodes_in_trouble", "tgs_certificate_expiration_timestamp_seconds"];
    let missing: Vec<_> = missing.filter(|name| !of_clusters.contains(&name.as_str())).collect();
    assert_eq!(missing, [""; 0], "asked for and not told:\n{told}");
}
