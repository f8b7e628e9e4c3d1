//! Networks that lose what is sent over them, without anybody being told: each host is a network
//! namespace of this machine with one virtual cable to it, and stands for a machine of its own.
//! Hosts reach each other over this machine, and the servers that stand on it.
//!
//! What is lost is addressed to a card that is not there, so it arrives nowhere: no program on
//! either side sees an error, only that nothing comes.

use std::{
    ffi::OsString,
    fs, io,
    net::Ipv4Addr,
    path::Path,
    process::{self, Command, Stdio},
};

use crate::services::addresses::Addresses;

mod far;

pub use far::Far;

/// How the namespaces of this machine begin that are ours.
const PREFIX: &str = "tgs-test-";
/// How far the addresses of one cable are from those of the next.
const STEP: u32 = 4;
/// A card that nobody has.
const NOWHERE: &str = "02:00:00:00:00:ff";

/// Which way a cable loses what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// What the host sends arrives nowhere.
    Sent,
    /// What is sent to the host does not arrive.
    Received,
    /// Neither.
    Both,
}

/// Hosts, each with a cable of its own. They are gone when it is dropped.
#[derive(Debug)]
pub struct Network {
    hosts: Vec<Host>,
    _addresses: Addresses,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    /// Our end of the cable.
    cable: String,
    outside: Ipv4Addr,
    inside: Ipv4Addr,
    no: usize,
}

impl Network {
    /// So many hosts.
    ///
    /// # Panics
    /// Without the rights of root, or without the program `ip`.
    pub fn of(hosts: usize) -> Self {
        sweep();
        let addresses = Addresses::take();
        let made = (0..hosts).map(|no| Host::make(&addresses, no));
        Self { hosts: made.collect(), _addresses: addresses }
    }

    /// Where its hosts reach servers of this machine, each over its own cable: as many as there are
    /// hosts.
    ///
    /// # Panics
    /// Without a host.
    pub fn addresses(&self) -> Addresses {
        Addresses::kept(self.hosts.first().expect("a network has a host").outside, STEP)
    }

    /// Its hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            remove(&host.name);
        }
    }
}

impl Host {
    fn make(addresses: &Addresses, no: usize) -> Self {
        let block = u32::from(addresses.of(0)) & 0x003f_ff00;
        let base = u32::from(Ipv4Addr::new(10, 64, 0, 0)) + block + STEP * no as u32;
        let name = format!("{PREFIX}{}-{block:x}-{no}", process::id());
        let cable = format!("tgs{:x}n{no}", block >> 8);
        let (outside, inside) = (Ipv4Addr::from(base + 1), Ipv4Addr::from(base + 2));
        let host = Self { name, cable, outside, inside, no };
        let Self { name, cable, .. } = &host;
        ip(&format!("netns add {name}"));
        ip(&format!(
            "link add {cable} address {} type veth peer name wire address {} netns {name}",
            host.card(Loss::Sent),
            host.card(Loss::Received)
        ));
        ip(&format!("addr add {outside}/30 dev {cable}"));
        ip(&format!("link set {cable} up"));
        // Of what comes over this cable alone: what else this machine does is not ours.
        let forwarding = format!("/proc/sys/net/ipv4/conf/{cable}/forwarding");
        fs::write(&forwarding, "1").unwrap_or_else(|error| {
            panic!("let hosts reach each other: write {forwarding}: {error}; run the test as root")
        });
        ip(&format!("-n {name} addr add {inside}/30 dev wire"));
        ip(&format!("-n {name} link set wire up"));
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} route add default via {outside}"));
        host.mend();
        host
    }

    /// Its address.
    pub const fn address(&self) -> Ipv4Addr {
        self.inside
    }

    /// The same program, run there.
    pub fn run(&self, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.name]).arg(command.get_program());
        there.args(command.get_args().map(OsString::from));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        there.stdin(Stdio::null());
        there
    }

    /// From now on this is lost.
    pub fn lose(&self, loss: Loss) {
        for way in [Loss::Sent, Loss::Received] {
            if loss == way || loss == Loss::Both {
                self.send(way, NOWHERE);
            }
        }
    }

    /// From now on nothing is.
    pub fn mend(&self) {
        for way in [Loss::Sent, Loss::Received] {
            self.send(way, &self.card(way));
        }
    }

    /// What goes this way goes to this card.
    fn send(&self, way: Loss, card: &str) {
        let Self { name, cable, outside, inside, .. } = self;
        let to = format!("lladdr {card} nud permanent");
        match way {
            Loss::Sent => ip(&format!("-n {name} neigh replace {outside} {to} dev wire")),
            _ => ip(&format!("neigh replace {inside} {to} dev {cable}")),
        }
    }

    /// The card at which that arrives which goes this way.
    fn card(&self, way: Loss) -> String {
        format!("02:00:00:00:{:02x}:{:02x}", self.no, 1 + u8::from(way == Loss::Received))
    }
}

/// Removes what tests left that were killed.
fn sweep() {
    let Ok(names) = fs::read_dir("/run/netns") else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    let _ = Command::new("ip").args(["netns", "del", name]).output();
}

fn ip(words: &str) {
    let said = Command::new("ip").args(words.split_whitespace()).output();
    let why = match &said {
        Ok(said) if said.status.success() => return,
        Ok(said) => String::from_utf8_lossy(&said.stderr).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "it is not there".to_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "cut a network: `ip {words}`: {why}; run the test as root, with the package iproute2 \
         installed"
    );
}

/// Each way alone, and both; afterwards all is as before.
#[test]
fn what_is_lost_arrives_nowhere() {
    use std::{
        net::{SocketAddrV4, TcpStream, UdpSocket},
        time::Duration,
    };
    let network = Network::of(2);
    let [host, other] = network.hosts() else { panic!("two hosts") };
    assert_ne!(host.address(), other.address());
    // The kernel of the host answers to an echo by itself, so only our side must be a program.
    let ours = UdpSocket::bind((host.outside, 0)).expect("a port");
    ours.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
    let port = ours.local_addr().expect("it has one").port();
    let mut send = Command::new("bash");
    send.args(["-c", &format!("echo hello > /dev/udp/{}/{port}", host.outside)]);
    let arrives = || {
        let sent = host.run(&send).output().expect("it runs");
        assert!(sent.status.success(), "{sent:?}");
        ours.recv(&mut [0; 9]).is_ok()
    };
    let reaches = |from: &Host, to: &Host| {
        let mut call = Command::new("bash");
        call.args(["-c", &format!("exec 3<> /dev/tcp/{}/9", to.address())]);
        let said = from.run(&call).output().expect("it runs").stderr;
        String::from_utf8_lossy(&said).contains("Connection refused")
    };
    assert!(reaches(host, other) && reaches(other, host), "hosts reach each other");
    let is_heard = || {
        let answer = TcpStream::connect_timeout(
            &SocketAddrV4::new(host.inside, 9).into(),
            Duration::from_millis(300),
        );
        // Nobody listens there; that this is said is an answer.
        answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    assert!(arrives() && is_heard());
    for (loss, sent) in [(Loss::Sent, false), (Loss::Received, true), (Loss::Both, false)] {
        host.lose(loss);
        assert_eq!((arrives(), is_heard()), (sent, false), "{loss:?}");
        host.mend();
        assert!(arrives() && is_heard(), "{loss:?}");
    }
}
