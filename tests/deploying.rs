//! What `deploy/` holds, read by the tools that exist for it, and held to what the tests start.
//! What compose describes is started for real in `deployed.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

#[path = "deploying/chart.rs"]
mod chart;
#[path = "deploying/compose.rs"]
mod compose;
#[path = "deploying/image.rs"]
mod image;
#[path = "deploying/measured.rs"]
mod measured;
#[path = "deploying/unit.rs"]
mod unit;

/// What `tgs node` says of itself in compose.yaml.
const NODES: [&str; 4] = ["eu-1", "eu-2", "front", "us-1"];

fn table(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn words(value: &Value) -> BTreeSet<&str> {
    list(value).filter_map(Value::as_str).collect()
}

fn settings(text: &str) -> toml::Table {
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An image with a version that says which one it is.
fn assert_pinned(image: &str) {
    let version = image.rsplit_once(':').map_or("", |(_, version)| version);
    let is_pinned =
        version.contains('.') && version.starts_with(|it: char| it.is_ascii_digit() || it == 'v');
    assert!(is_pinned || image == "tabgraphsyn:local", "{image} has no version");
}
