//! Links between the nodes of a cluster: where, and with which keys.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
};

use tgs_actors::mesh::{CERTIFIED_NAME, LinkConfig, LinkKeys};
use tgs_adapters::{
    certificate::{self, Folder, SECRET},
    system::host_name,
};
use tgs_protocol::{code::Code, peer::keys::KeyFolder as _, presence::check_name, unit::Timestamp};

use crate::{configuration::Settings, failure::Failure, secret};

/// What `tgs cert` makes is longer.
const SECRET_BYTES_MIN: usize = 32;

/// How a node has links, and where others reach it; none where the settings name no place.
pub fn of(
    settings: &Settings,
    is_alone: bool,
    now: Timestamp,
) -> Result<Option<(LinkConfig, String)>, Failure> {
    if settings.links.is_empty() {
        return Ok(None);
    }
    let wrong = |why: &str| {
        let message = format!("read the setting `links` ({}): {why}", settings.links);
        Failure::new(Code::BadRequest, message)
    };
    if is_alone {
        let why = "a server that is alone has no links; leave it empty, or start nodes of a \
                   cluster (`tgs node`)";
        return Err(wrong(why));
    }
    let listen: SocketAddr = settings
        .links
        .parse()
        .map_err(|_| wrong("write an address of this machine and a port, such as 0.0.0.0:7401"))?;
    let listener = TcpListener::bind(listen);
    let listener = listener.map_err(|error| wrong(&format!("{error}; name a free port")))?;
    let at = match settings.links_address.as_str() {
        "" if listen.ip().is_unspecified() => format!("{}:{}", host_name(), listen.port()),
        "" => listen.to_string(),
        named => named.to_owned(),
    };
    let folder = Arc::new(Folder::at(Path::new(&settings.links_folder)));
    let keys = keys(&settings.links_folder, &folder, now)?;
    Ok(Some((LinkConfig { listener: Arc::new(listener), keys, folder }, at)))
}

/// What shows over the bus that this node belongs to its cluster; none where no keys are named.
pub fn secret(settings: &Settings, is_alone: bool) -> Result<Option<String>, Failure> {
    if is_alone || settings.links_folder.is_empty() {
        return Ok(None);
    }
    let file = Path::new(&settings.links_folder).join(SECRET);
    let secret = secret::in_file("the links", &file)?;
    if secret.len() < SECRET_BYTES_MIN {
        let message = format!(
            "read the secret of the links from {}: it is too short to keep strangers out; take the \
             one that `tgs cert authority` made",
            file.display()
        );
        return Err(Failure::new(Code::BadRequest, message));
    }
    Ok(Some(secret))
}

fn keys(named: &str, folder: &Folder, now: Timestamp) -> Result<LinkKeys, Failure> {
    let failed = |why: String| {
        let message = format!(
            "read the keys of the setting `links_folder`: {why}; name the folder that `tgs cert \
             node` made for this node"
        );
        Failure::new(Code::BadRequest, message)
    };
    if named.is_empty() {
        return Err(failed("it names none".to_owned()));
    }
    let set = folder.read().map_err(failed)?;
    LinkKeys::of(&set, now).map_err(|error| failed(error.to_string()))
}

/// Makes an authority for the links of a cluster.
pub fn make_authority(folder: &Path) -> Result<(), Failure> {
    Ok(certificate::make_authority(folder)?)
}

/// Issues a certificate to a node, in a folder of its own or in the place of what it has.
pub fn issue(node: &str, authority: &Path, folder: &Path, is_renewal: bool) -> Result<(), Failure> {
    check_name(node)?;
    let issue = if is_renewal { certificate::renew } else { certificate::issue };
    Ok(issue(node, CERTIFIED_NAME, authority, folder)?)
}
