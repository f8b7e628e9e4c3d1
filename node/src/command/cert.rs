//! `tgs cert`: what nodes show each other, so that both ends of a link are of one cluster.

use serde_json::json;

use crate::{
    command_line::{CertAct, Voice},
    failure::Failure,
    leaving::ExitCode,
    voice::say,
    wiring::links,
};

pub fn run(act: &CertAct, voice: Voice) -> Result<ExitCode, Failure> {
    let (event, folder, next) = match act {
        CertAct::Authority { out } => {
            links::make_authority(out)?;
            let next = "keep ca.key where no node is; `tgs cert node` issues to each node";
            ("authority", out, next)
        }
        CertAct::Node { name, authority, out, renew } => {
            links::issue(name, authority, out, *renew)?;
            let next = match renew {
                true => "bring its files to the node, which uses them within seconds",
                false => "bring the folder to the node, and name it in `links_folder`",
            };
            ("certificate", out, next)
        }
    };
    match voice {
        Voice::Json => say!("{}", json!({"event": event, "folder": folder})),
        Voice::Words => say!("{}: {next}", folder.display()),
        Voice::Quiet => {}
    }
    Ok(ExitCode::SUCCESS)
}
