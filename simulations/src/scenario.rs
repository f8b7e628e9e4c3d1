//! What decides a world, as data: so that it can be written down, made smaller and lived again.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tgs_protocol::invariant::Invariant;

use crate::world::{Fault, Flaw, Weather};

/// A world that is to be lived.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// All chance comes from it.
    pub seed: u64,
    /// How large and how bad it is.
    pub weather: Weather,
    /// A rule that is broken on purpose.
    pub flaw: Option<Flaw>,
    /// A promise that is not looked for.
    pub overlooks: Option<Invariant>,
    /// The orders that are sent; they keep their numbers where others are left out.
    pub orders: Vec<u32>,
    /// The nodes that are there.
    pub nodes: Vec<u32>,
    /// The people who follow events.
    pub watchers: Vec<u32>,
    /// The people who are sent notices.
    pub subscribers: Vec<u32>,
    /// The only faults that may strike; none: all may.
    pub faults: Option<BTreeSet<Fault>>,
}

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoScenario(String);

impl Scenario {
    /// The world of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self::in_weather(seed, Weather::of_seed(seed))
    }

    /// The world of a seed with so many nodes.
    pub fn of_size(seed: u64, nodes: u32) -> Self {
        Self::in_weather(seed, Weather::of_size(seed, nodes))
    }

    /// The world of a seed in this weather.
    pub fn in_weather(seed: u64, weather: Weather) -> Self {
        Self {
            seed,
            flaw: None,
            overlooks: None,
            orders: (0..weather.orders).collect(),
            nodes: (0..weather.nodes).collect(),
            watchers: (0..weather.watchers).collect(),
            subscribers: (0..weather.subscribers).collect(),
            faults: None,
            weather,
        }
    }

    /// The same with a broken rule.
    #[must_use]
    pub fn with_flaw(self, flaw: Option<Flaw>) -> Self {
        Self { flaw, ..self }
    }

    /// As JSON. The weather is that of the seed, but for what is named.
    pub fn to_json(&self) -> Value {
        let faults = self.faults.as_ref();
        let faults = faults.map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>());
        let weather = &self.weather;
        json!({
            "seed": self.seed, "size": weather.nodes, "flaw": self.flaw.map(Flaw::name),
            "orders": self.orders, "nodes": self.nodes, "watchers": self.watchers,
            "subscribers": self.subscribers, "calm_at_ms": weather.calm_at_ms,
            "orders_until_ms": weather.orders_until_ms, "drift": weather.drift, "faults": faults,
        })
    }

    /// Reads what [`Scenario::to_json`] wrote.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn from_json(json: &Value) -> Result<Self, NoScenario> {
        let wrong = |field: &str| NoScenario(format!("`{field}` is missing or wrong"));
        let number = |field: &str| json[field].as_u64().ok_or_else(|| wrong(field));
        let numbers = |field: &str, end: u32| -> Result<Vec<u32>, NoScenario> {
            let read = |it: &Value| it.as_u64().filter(|no| *no < u64::from(end));
            let read = |list: &Vec<Value>| list.iter().map(read).collect::<Option<Vec<u64>>>();
            let list = json[field].as_array().and_then(read).ok_or_else(|| wrong(field))?;
            Ok(list.into_iter().map(|no| no as u32).collect())
        };
        let seed = number("seed")?;
        let mut weather = Weather::of_seed(seed);
        // A world that was written down before there were large ones says nothing of its size.
        if json["size"] != Value::Null {
            let size = u32::try_from(number("size")?).map_err(|_| wrong("size"))?;
            weather = Weather::of_size(seed, size);
        }
        weather.calm_at_ms = number("calm_at_ms")?;
        weather.orders_until_ms = number("orders_until_ms")?;
        weather.drift = u32::try_from(number("drift")?).map_err(|_| wrong("drift"))?;
        let said = |error: &dyn std::fmt::Display| NoScenario(error.to_string());
        let flaw = match &json["flaw"] {
            Value::Null => None,
            Value::String(name) => Some(name.parse().map_err(|error| said(&error))?),
            _ => return Err(wrong("flaw")),
        };
        let fault = |it: &Value| -> Result<Fault, NoScenario> {
            it.as_str().ok_or_else(|| wrong("faults"))?.parse().map_err(|error| said(&error))
        };
        let faults = match &json["faults"] {
            Value::Null => None,
            Value::Array(list) => Some(list.iter().map(fault).collect::<Result<_, _>>()?),
            _ => return Err(wrong("faults")),
        };
        let orders = numbers("orders", weather.orders)?;
        let nodes = numbers("nodes", weather.nodes)?;
        let watchers = numbers("watchers", weather.watchers)?;
        // A world that was written down before there were any has none.
        let subscribers = match &json["subscribers"] {
            Value::Null => Vec::new(),
            _ => numbers("subscribers", weather.subscribers)?,
        };
        let overlooks = None;
        Ok(Self { seed, weather, flaw, overlooks, orders, nodes, watchers, subscribers, faults })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_reads_back_as_it_was_written() {
        for seed in 0..50 {
            let mut scenario = Scenario::of_seed(seed).with_flaw(Flaw::ALL.first().copied());
            assert_eq!(Scenario::from_json(&scenario.to_json()), Ok(scenario.clone()));
            scenario.faults = Some(["crash/0/255.1".parse().expect("a fault")].into());
            scenario.weather.calm_at_ms = 7;
            assert_eq!(Scenario::from_json(&scenario.to_json()), Ok(scenario));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (field, value) in [
            ("seed", json!("x")),
            ("flaw", json!("x")),
            ("flaw", json!(1)),
            ("orders", json!([99])),
            ("nodes", json!(1)),
            ("faults", json!(["crash"])),
            ("faults", json!({})),
            ("calm_at_ms", json!(-1)),
        ] {
            let mut json = Scenario::of_seed(1).to_json();
            json[field] = value.clone();
            assert!(Scenario::from_json(&json).is_err(), "{field}: {value}");
        }
    }
}
