//! Which servers of NATS, and the names that are used there; read from an address such as
//! `nats://tgs@bus-1:4222,bus-2:4222,bus-3:4222/tgs?copies=3`.

use tgs_protocol::{code::Code, id::Incarnation, refusal::Refusal};

use crate::host::with_port;

/// A majority of three bears the loss of one.
const COPIES_MAX: usize = 5;
const PORT: &str = "4222";
const PREFIX: &str = "tgs";
/// The version of subjects: another form of messages gets another one.
const VERSION: &str = "v1";

/// Which servers, and which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Servers, as `nats://host:port`, or `tls://host:port`.
    pub servers: Vec<String>,
    /// First word of every subject and stream: letters, digits, `-` and `_`.
    pub prefix: String,
    /// Servers that keep each message; as many as are named, three at most, if not said.
    pub copies: usize,
    /// Who connects.
    pub user: Option<String>,
}

impl Contact {
    /// From an address. The password of its user stands elsewhere.
    ///
    /// # Errors
    /// `BadRequest` with what is wrong and what would be right.
    pub fn at(address: &str) -> Result<Self, Refusal> {
        let refused = |why: &str| {
            let message = format!(
                "read the setting nats: {why}; write nats://user@host:port,host:port/prefix"
            );
            Refusal::new(Code::BadRequest, message)
        };
        let (scheme, rest) =
            address.split_once("://").ok_or_else(|| refused("it is no address of NATS"))?;
        if !matches!(scheme, "nats" | "tls") {
            return Err(refused(&format!("{scheme} is not nats or tls")));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (rest, prefix) = rest.split_once('/').unwrap_or((rest, PREFIX));
        let (user, hosts) = match rest.rsplit_once('@') {
            Some((user, hosts)) => (Some(user.to_owned()), hosts),
            None => (None, rest),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err(refused(
                "it holds a password, which `tgs config` would show (put it in TGS_NATS_PASSWORD \
                 or in the file that nats_password_file names)",
            ));
        }
        if hosts.split(',').any(|host| host.is_empty() || host.starts_with(':')) {
            return Err(refused("it names no host"));
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if prefix.is_empty() || !prefix.bytes().all(is_name) {
            return Err(refused("its prefix is not made of letters, digits, - and _"));
        }
        let servers: Vec<_> =
            hosts.split(',').map(|host| format!("{scheme}://{}", with_port(host, PORT))).collect();
        let mut copies = if servers.len() < 3 { 1 } else { 3 };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let named = pair.strip_prefix("copies=").and_then(|number| number.parse().ok());
            copies = named
                .filter(|copies| (1..=COPIES_MAX).contains(copies))
                .ok_or_else(|| refused(&format!("`{pair}` is not known (copies=1 to 5)")))?;
        }
        Ok(Self { servers, prefix: prefix.to_owned(), copies, user })
    }

    /// The stream of orders.
    pub fn orders(&self) -> String {
        format!("{}_orders", self.prefix)
    }

    /// Where an order is published.
    pub fn order_subject(&self) -> String {
        format!("{}.{VERSION}.orders", self.prefix)
    }

    /// The stream of orders that were refused.
    pub fn dead_letters(&self) -> String {
        format!("{}_dead_letters", self.prefix)
    }

    /// Where they are put.
    pub fn dead_letter_subject(&self) -> String {
        format!("{}.{VERSION}.dead_letters.orders", self.prefix)
    }

    /// The stream of events.
    pub fn events(&self) -> String {
        format!("{}_events", self.prefix)
    }

    /// Where an event of this job is told; `*` stands for all.
    pub fn event_subject(&self, job: &str, happening: &str) -> String {
        format!("{}.{VERSION}.events.{job}.{happening}", self.prefix)
    }

    /// Where other nodes speak to this one, or to all.
    pub fn peer_subject(&self, peer: Option<&Incarnation>) -> String {
        match peer {
            Some(peer) => format!("{}.{VERSION}.peers.one.{peer}", self.prefix),
            None => format!("{}.{VERSION}.peers.all", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read() {
        let contact = Contact::at("nats://ada@bus-1,bus-2:5222,[::1]:4223/lab-2?copies=1");
        let servers =
            ["nats://bus-1:4222", "nats://bus-2:5222", "nats://[::1]:4223"].map(str::to_owned);
        let (prefix, user) = ("lab-2".to_owned(), Some("ada".to_owned()));
        assert_eq!(contact, Ok(Contact { servers: servers.into(), prefix, copies: 1, user }));
        let contact = Contact::at("tls://a,b,c").expect("an address");
        assert_eq!((contact.copies, contact.prefix.as_str()), (3, "tgs"));
        assert_eq!(contact.order_subject(), "tgs.v1.orders");
        assert_eq!(contact.event_subject("j", "ended"), "tgs.v1.events.j.ended");
        assert_eq!(contact.peer_subject(None), "tgs.v1.peers.all");
        let peer = Incarnation::new("p");
        assert_eq!(contact.peer_subject(Some(&peer)), "tgs.v1.peers.one.p");
        assert_eq!(Contact::at("nats://a").expect("an address").copies, 1);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_would_be_right() {
        for (address, why) in [
            ("", "no address of NATS"),
            ("bus:4222", "no address of NATS"),
            ("http://bus", "http is not nats or tls"),
            ("nats://", "no host"),
            ("nats://a,,b", "no host"),
            ("nats://:4222", "no host"),
            ("nats://ada:secret@bus", "TGS_NATS_PASSWORD"),
            ("nats://bus/a.b", "prefix"),
            ("nats://bus/", "prefix"),
            ("nats://bus?copies=0", "`copies=0` is not known"),
            ("nats://bus?far=1", "`far=1` is not known"),
        ] {
            let refused = Contact::at(address).expect_err(address);
            assert!(refused.message.contains(why), "{address}: {}", refused.message);
            assert!(!refused.message.contains("secret"), "{}", refused.message);
        }
    }
}
