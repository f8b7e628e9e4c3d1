//! Which database, and what is made there; read from an address such as
//! `cql://tgs@db-1:9042,db-2:9042/tabgraphsyn?near=eu`.

use tgs_protocol::{code::Code, refusal::Refusal, unit::ByteCount};

use crate::host::with_port;

/// A quorum of three bears the loss of one; more only cost.
const COPIES_MAX: u8 = 3;
const PORT: &str = "9042";
/// A request to object storage costs more than so few bytes in the database.
const OBJECT_BYTES_MIN: u64 = 4 << 20;

/// Which database, and what is made there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Nodes that are asked first, as `host:port`.
    pub nodes: Vec<String>,
    /// The keyspace: letters, digits and `_`.
    pub keyspace: String,
    /// Copies in each data centre; none named: as many as it has nodes, three at most.
    pub copies: Vec<(String, u8)>,
    /// The data centre whose nodes are preferred.
    pub near: Option<String>,
    /// Where large bytes lie, such as `s3://bucket/folder`; none: in the database.
    pub objects: Option<String>,
    /// What is smaller lies in the database.
    pub objects_from: ByteCount,
    /// Where whoever opens it stands; empty if that is not said.
    pub region: String,
    /// User and password.
    pub user: Option<(String, String)>,
}

impl Contact {
    /// A database whose data centres have so many nodes each: a copy on every node, three at most
    /// in one data centre.
    pub fn of(nodes: Vec<String>, centres: Vec<(String, usize)>, keyspace: String) -> Self {
        let (copies, region) = (copies(centres), String::new());
        let (objects, objects_from) = (None, ByteCount(OBJECT_BYTES_MIN));
        Self { nodes, keyspace, copies, near: None, objects, objects_from, region, user: None }
    }

    /// From an address, with the password of its user, which no address holds.
    ///
    /// # Errors
    /// `BadRequest` with what is wrong and what would be right.
    pub fn at(address: &str, password: Option<String>) -> Result<Self, Refusal> {
        let refused = |why: &str| {
            let message = format!(
                "read the setting store: {why}; write cql://user@host:port,host:port/keyspace"
            );
            Refusal::new(Code::BadRequest, message)
        };
        let rest = address.strip_prefix("cql://").ok_or_else(|| refused("it is no cql address"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, keyspace) = rest.split_once('/').ok_or_else(|| refused("no keyspace"))?;
        let (user, hosts) = match hosts.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, hosts),
        };
        let user = match (user, password) {
            (Some(user), _) if user.contains(':') => {
                return Err(refused(
                    "it holds a password, which `tgs config` would show (put it in \
                     TGS_STORE_PASSWORD or in the file that store_password_file names)",
                ));
            }
            (Some(user), Some(password)) => Some((user.to_owned(), password)),
            (Some(_), None) => {
                return Err(refused(
                    "it names a user without a password (put it in TGS_STORE_PASSWORD or in the \
                     file that store_password_file names)",
                ));
            }
            (None, Some(_)) => return Err(refused("there is a password and no user")),
            (None, None) => None,
        };
        let nodes: Vec<String> = hosts.split(',').map(|host| with_port(host, PORT)).collect();
        if hosts.is_empty() || nodes.iter().any(|node| node.starts_with(':')) {
            return Err(refused("it names no host"));
        }
        if keyspace.is_empty() {
            return Err(refused("it names no keyspace"));
        }
        let mut contact = Self { user, ..Self::of(nodes, Vec::new(), keyspace.to_owned()) };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("near", centre)) => contact.near = Some(centre.to_owned()),
                Some(("copies", list)) => {
                    contact.copies = copies_named(list)
                        .ok_or_else(|| refused("copies are named as copies=eu:3,us:3"))?;
                }
                _ => return Err(refused(&format!("`{pair}` is not known (near, copies)"))),
            }
        }
        Ok(contact)
    }
}

/// A copy on every node, three at most in one data centre.
pub(super) fn copies(centres: Vec<(String, usize)>) -> Vec<(String, u8)> {
    let copies = |nodes: usize| u8::try_from(nodes).unwrap_or(u8::MAX).min(COPIES_MAX);
    centres.into_iter().map(|(name, nodes)| (name, copies(nodes))).collect()
}

fn copies_named(list: &str) -> Option<Vec<(String, u8)>> {
    let one = |named: &str| {
        let (centre, copies) = named.rsplit_once(':')?;
        Some((centre.to_owned(), copies.parse().ok().filter(|copies| *copies > 0)?))
    };
    list.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        let contact = Contact::at(
            "cql://tgs@db-1,db-2:9043,[::1]:9044/tabgraphsyn?near=eu&copies=eu:3,us-east:1",
            Some("secret".to_owned()),
        );
        let user = Some(("tgs".to_owned(), "secret".to_owned()));
        let copies = vec![("eu".to_owned(), 3), ("us-east".to_owned(), 1)];
        let nodes = ["db-1:9042", "db-2:9043", "[::1]:9044"].map(str::to_owned).into();
        let (keyspace, near) = ("tabgraphsyn".to_owned(), Some("eu".to_owned()));
        let wanted = Contact { copies, near, user, ..Contact::of(nodes, Vec::new(), keyspace) };
        assert_eq!(contact, Ok(wanted));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_would_be_right() {
        for (address, password, why) in [
            ("", None, "no cql address"),
            ("http://db/tgs", None, "no cql address"),
            ("cql://db", None, "no keyspace"),
            ("cql://db/", None, "no keyspace"),
            ("cql:///tgs", None, "no host"),
            ("cql://:9042/tgs", None, "no host"),
            ("cql://ada@db/tgs", None, "TGS_STORE_PASSWORD"),
            ("cql://ada:secret@db/tgs", None, "holds a password"),
            ("cql://db/tgs", Some("secret"), "no user"),
            ("cql://db/tgs?copies=eu", None, "copies=eu:3"),
            ("cql://db/tgs?copies=eu:0", None, "copies=eu:3"),
            ("cql://db/tgs?far=eu", None, "`far=eu` is not known"),
        ] {
            let refused = Contact::at(address, password.map(str::to_owned)).expect_err(address);
            assert!(refused.message.contains(why), "{address}: {}", refused.message);
            assert!(!refused.message.contains("secret"), "{}", refused.message);
        }
    }
}
