//! `tgs config`: every setting, and where its value comes from.

use std::path::Path;

use serde_json::json;

use crate::{
    command_line::Voice,
    configuration::{self, Origin, Settings},
    failure::Failure,
    home,
    leaving::ExitCode,
    voice::say,
};

pub fn run(flag: Option<&Path>, settings: &Settings, voice: Voice) -> Result<ExitCode, Failure> {
    let folder = home::folder(flag, settings)?;
    let mut explained = configuration::explained()?;
    if let Some((value, origin)) = explained.get_mut("home") {
        if value.is_empty() || flag.is_some() {
            *value = folder.display().to_string();
        }
        if flag.is_some() {
            *origin = Origin::Flag;
        }
    }
    for (key, (value, origin)) in explained {
        let origin = match origin {
            Origin::Default => "default".to_owned(),
            Origin::File(path) => path.display().to_string(),
            Origin::Environment(variable) => variable,
            Origin::Flag => "flag".to_owned(),
        };
        match voice {
            Voice::Json => {
                say!("{}", json!({"event": "setting", "key": key, "value": value, "from": origin}))
            }
            Voice::Words | Voice::Quiet => say!("{key:<10} {value:<40} # {origin}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}
