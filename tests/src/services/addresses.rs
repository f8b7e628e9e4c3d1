//! Loopback addresses that one service has for itself.
//!
//! Linux answers on all of 127.0.0.0/8. A service takes a block 127.a.b.0/24 with an abstract
//! socket of that name, which the kernel gives back when the process that holds it dies. So tests
//! of several processes never meet on a port, a server that comes back finds its port free, and no
//! connection of a client, which comes from 127.0.0.1, takes it meanwhile.

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    process,
};

/// Blocks in 127.64.0.0/10, far from what other programs use.
const BLOCKS: u32 = 1 << 14;

/// A block of addresses; free again when dropped.
#[derive(Debug)]
pub struct Addresses {
    /// That of the first server.
    first: Ipv4Addr,
    /// How far the next one's is from it.
    step: u32,
    /// None where somebody else sees to it that nobody has them.
    _taken: Option<UnixDatagram>,
}

impl Addresses {
    /// Takes a block that nobody has.
    ///
    /// # Panics
    /// When all are taken.
    pub fn take() -> Self {
        // Where a process begins to look only makes it likely that the first one is free.
        let first = process::id().wrapping_mul(7);
        let mut blocks = (0..BLOCKS).map(|step| (first + step) % BLOCKS);
        let taken = blocks.find_map(|block| {
            let name = format!("tgs-services-{}", address(block, 0));
            let name = SocketAddr::from_abstract_name(name).expect("a short name");
            let taken = UnixDatagram::bind_addr(&name).ok()?;
            Some(Self { first: address(block, 1), step: 1, _taken: Some(taken) })
        });
        taken.expect("take loopback addresses: all of 127.64.0.0/10 are taken by running tests")
    }

    /// Those that somebody else keeps for us: the first one, and more at this distance.
    pub const fn kept(first: Ipv4Addr, step: u32) -> Self {
        Self { first, step, _taken: None }
    }

    /// The address of a server, counted from 0.
    pub fn of(&self, no: usize) -> Ipv4Addr {
        let no = u32::from(u8::try_from(no).expect("a service has few servers"));
        Ipv4Addr::from(u32::from(self.first) + self.step * no)
    }

    /// The first port, from this one on, that is free on the addresses of so many servers.
    ///
    /// # Panics
    /// When none of a hundred is.
    pub fn free_port(&self, servers: usize, from: u16) -> u16 {
        let is_free = |port: &u16| {
            let places = (0..servers).map(|no| SocketAddrV4::new(self.of(no), *port));
            places.into_iter().all(|place| TcpListener::bind(place).is_ok())
        };
        let free = (from..from + 100).find(is_free);
        free.unwrap_or_else(|| panic!("choose a port: {from} and the 99 after it are taken"))
    }
}

fn address(block: u32, no: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 64, 0, 0)) + (block << 8) + u32::from(no))
}

#[test]
fn no_two_services_share_an_address() {
    let (one, other) = (Addresses::take(), Addresses::take());
    assert_ne!(one.of(0), other.of(0));
    let port = one.free_port(2, 9042);
    let _listening = TcpListener::bind((one.of(1), port)).expect("it is free");
    assert_ne!(one.free_port(2, 9042), port);
}
