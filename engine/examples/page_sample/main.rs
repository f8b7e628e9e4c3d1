//! Writes a report page to look at: `page_sample OUT.html [REPORT.json]`.
//!
//! Without a report a plausible one is made up, the same at every run; `page_sample OUT.json`
//! writes that one, to be changed by hand.

mod plausible;

use std::{env, error::Error, fs};

use tgs_engine::{
    page,
    random::{Purpose, Stream},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let into = arguments.next().ok_or("name the HTML file to write")?;
    let report = match arguments.next() {
        Some(path) => serde_json::from_slice(&fs::read(path)?)?,
        None => plausible::report(),
    };
    if into.ends_with(".json") {
        fs::write(into, serde_json::to_vec_pretty(&report)?)?;
    } else {
        fs::write(into, page::render(&report))?;
    }
    Ok(())
}
