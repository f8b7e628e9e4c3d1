//! Markets from recorded traces: comma-separated tables, a column a zone and a row a tick.

use std::{collections::BTreeMap, path::Path};

use tgs_protocol::spot::{ZONES_MAX, Zones};

use super::Market;

/// Dollars a gigabyte within a region.
const EGRESS_WITHIN: f64 = 0.0;
/// Dollars a gigabyte between the two eastern regions of one provider.
const EGRESS_NEAR: f64 = 0.01;
/// Dollars a gigabyte between any two other regions.
const EGRESS_FAR: f64 = 0.02;

/// Why a trace cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("read the trace {file}: {problem}")]
pub struct TraceError {
    file: String,
    problem: String,
}

/// A table of numbers; an empty cell is the number above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// Names of the columns, without the first one, which counts ticks.
    pub names: Vec<String>,
    /// Row by row.
    pub rows: Vec<Vec<f64>>,
}

/// Reads a table of numbers.
///
/// # Errors
/// When the file cannot be read, holds no number where one belongs, or begins with an empty cell.
pub fn columns(file: &Path) -> Result<Columns, TraceError> {
    let refuse = |problem: String| TraceError { file: file.display().to_string(), problem };
    let mut reader = csv::Reader::from_path(file).map_err(|error| refuse(error.to_string()))?;
    let header = reader.headers().map_err(|error| refuse(error.to_string()))?;
    let names: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
    if names.is_empty() || names.len() > ZONES_MAX {
        return Err(refuse(format!("{} zones; 1 to {ZONES_MAX} are possible", names.len())));
    }
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| refuse(error.to_string()))?;
        let above = rows.last();
        let cell = |(column, text): (usize, &str)| match text.is_empty() {
            true => above.map(|row| row[column]),
            false => text.parse().ok(),
        };
        let row: Option<Vec<f64>> = record.iter().skip(1).enumerate().map(cell).collect();
        rows.push(row.ok_or_else(|| refuse(format!("row {}: a cell is no number", at + 2)))?);
    }
    Ok(Columns { names, rows })
}

/// AWS p3.2xlarge in nine zones, ticks of 195 s, at the spot price of each tick.
///
/// # Errors
/// As [`columns`].
pub fn v100(folder: &Path) -> Result<Market, TraceError> {
    let up = columns(&folder.join("v100_availability.csv"))?;
    let prices = columns(&folder.join("v100_spot_price.csv"))?;
    let on_demand = vec![3.06; up.names.len()];
    Ok(market(&up, 1.0, prices.rows.concat(), on_demand, 195.0))
}

/// GCP a3-highgpu in thirteen zones, ticks of 600 s; a zone is up if it has so many machines of
/// sixteen.
///
/// # Errors
/// As [`columns`], and when a zone has no price.
pub fn h100(folder: &Path, gang: u32) -> Result<Market, TraceError> {
    priced(folder, &columns(&folder.join("h100_up_of_16.csv"))?, f64::from(gang))
}

/// The same for one machine, as the artifact of SkyNomad merged its probes.
///
/// # Errors
/// As [`h100`].
pub fn h100_merged(folder: &Path) -> Result<Market, TraceError> {
    priced(folder, &columns(&folder.join("h100_merged_gang1.csv"))?, 1.0)
}

fn priced(folder: &Path, up: &Columns, least: f64) -> Result<Market, TraceError> {
    let file = folder.join("h100_price.csv");
    let refuse = |problem: String| TraceError { file: file.display().to_string(), problem };
    let mut reader = csv::Reader::from_path(&file).map_err(|error| refuse(error.to_string()))?;
    let mut prices: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let wanted = ["zone", "spot_usd_per_hour", "on_demand_usd_per_hour"];
    let header = reader.headers().map_err(|error| refuse(error.to_string()))?.clone();
    let at = wanted.map(|name| header.iter().position(|known| known == name));
    let [Some(zone), Some(spot), Some(on_demand)] = at else {
        return Err(refuse(format!("columns {} are expected", wanted.join(", "))));
    };
    for record in reader.records() {
        let record = record.map_err(|error| refuse(error.to_string()))?;
        let price = |at: usize| record.get(at).and_then(|text| text.parse().ok());
        let (Some(spot), Some(on_demand)) = (price(spot), price(on_demand)) else {
            return Err(refuse("a price is no number".to_owned()));
        };
        prices.insert(record.get(zone).unwrap_or_default().to_owned(), (spot, on_demand));
    }
    let price = |name: &String| {
        prices.get(name).copied().ok_or_else(|| refuse(format!("no price of the zone {name}")))
    };
    let of_zones = up.names.iter().map(price).collect::<Result<Vec<_>, _>>()?;
    let spot: Vec<f64> = of_zones.iter().map(|(spot, _)| *spot).collect();
    let on_demand = of_zones.iter().map(|(_, on_demand)| *on_demand).collect();
    Ok(market(up, least, spot.repeat(up.rows.len()), on_demand, 600.0))
}

fn market(up: &Columns, least: f64, spot: Vec<f64>, on_demand: Vec<f64>, tick_s: f64) -> Market {
    let bits = |row: &Vec<f64>| {
        row.iter().enumerate().fold(0, |bits, (at, have)| bits | u64::from(*have >= least) << at)
    };
    let names = up.names.clone();
    let mut known: Vec<&str> = names.iter().map(|name| region(name)).collect();
    known.sort_unstable();
    known.dedup();
    let number = |name: &String| known.binary_search(&region(name)).unwrap_or_default();
    let regions = names.iter().map(number).collect();
    let pairs = names.iter().flat_map(|from| names.iter().map(move |to| egress(from, to)));
    let egress = pairs.collect();
    let zones = Zones { names: names.clone(), regions, on_demand, egress, tick_s };
    Market { zones, up: up.rows.iter().map(bits).collect(), spot }
}

/// `us-east-1c` → `us-east-1`, `us-central1-a` → `us-central1`.
fn region(zone: &str) -> &str {
    let region = &zone[..zone.len().saturating_sub(1)];
    region.strip_suffix('-').unwrap_or(region)
}

/// Dollars a gigabyte, as SkyNomad's artifact has them for the regions of these traces.
fn egress(from: &str, to: &str) -> f64 {
    let is_near = |a: &str, b: &str| (a, b) == ("us-east-1", "us-east-2");
    match (region(from), region(to)) {
        (from, to) if from == to => EGRESS_WITHIN,
        (from, to) if is_near(from, to) || is_near(to, from) => EGRESS_NEAR,
        _ => EGRESS_FAR,
    }
}
