//! Servers that are far away from one host: whatever it sends them and they send it takes a while
//! each way, as between regions.
//!
//! The host believes that their addresses are its own. Whoever it connects to there is a relay of
//! this process, which passes everything on to the server, later. So it hears nothing that such a
//! server begins to say by itself: what comes from an address of one's own is thrown away.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddrV4, TcpListener, TcpStream},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{Host, ip};

/// How often a relay looks whether it is still wanted.
const PERIOD: Duration = Duration::from_millis(20);
/// Bytes that are passed on at once.
const PIECE: usize = 64 << 10;
/// Pieces on their way, after which the sender waits as for a full line.
const ON_THE_WAY: usize = 256;

/// Relays between a host and servers. New connections are made by nobody once it is dropped.
#[derive(Debug)]
pub struct Far {
    is_over: Arc<AtomicBool>,
}

impl Host {
    /// From now on these servers are so far away. Connections that stand already are not slower.
    ///
    /// # Panics
    /// Without the rights of root; when an address is the host's own.
    pub fn move_away(&self, servers: &[SocketAddrV4], each_way: Duration) -> Far {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut known = Vec::new();
        for server in servers {
            if !known.contains(server.ip()) {
                known.push(*server.ip());
                ip(&format!("-n {} addr add {}/32 dev lo", self.name, server.ip()));
            }
            let listener = self.listen(*server);
            listener.set_nonblocking(true).expect("a listener of ours");
            let (server, is_over) = (*server, is_over.clone());
            thread::spawn(move || relay(&listener, server, each_way, &is_over));
        }
        Far { is_over }
    }

    /// A listener of this process that only the host can reach.
    fn listen(&self, at: SocketAddrV4) -> TcpListener {
        let place = format!("/run/netns/{}", self.name);
        let there = File::open(&place).unwrap_or_else(|error| panic!("enter {place}: {error}"));
        // A thread cannot come back, so it is one of its own; the listener stays there.
        let listening = thread::spawn(move || {
            #[expect(unsafe_code, reason = "no library that is here says it to the kernel")]
            // SAFETY: one system call, on a file that is open; it concerns this thread alone.
            let entered = unsafe { libc::setns(there.as_raw_fd(), libc::CLONE_NEWNET) };
            match entered {
                0 => TcpListener::bind(at),
                _ => Err(io::Error::last_os_error()),
            }
        });
        let listening = listening.join().expect("it does not panic");
        listening.unwrap_or_else(|error| panic!("listen at {at} in {place}: {error}"))
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn relay(at: &TcpListener, server: SocketAddrV4, each_way: Duration, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        match at.accept() {
            // One that nobody answers is closed, as a far router would.
            Ok((client, _)) => drop(thread::spawn(move || connect(client, server, each_way))),
            Err(_) => thread::sleep(PERIOD),
        }
    }
}

fn connect(client: TcpStream, server: SocketAddrV4, each_way: Duration) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    thread::sleep(each_way);
    let server = TcpStream::connect(server)?;
    server.set_nodelay(true)?;
    pass_on(client.try_clone()?, server.try_clone()?, each_way);
    pass_on(server, client, each_way);
    Ok(())
}

/// What one says the other hears later, the end as well.
fn pass_on(mut from: TcpStream, mut to: TcpStream, later: Duration) {
    let (send, pieces) = mpsc::sync_channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if send.send((Instant::now() + later, piece[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Both ways take their time; others reach the same server as before.
#[test]
fn what_is_far_away_answers_later() {
    use std::process::Command;
    let network = super::Network::of(1);
    let host = &network.hosts()[0];
    let server = TcpListener::bind((host.outside, 0)).expect("a port");
    let at = match server.local_addr().expect("it has one") {
        std::net::SocketAddr::V4(at) => at,
        std::net::SocketAddr::V6(at) => panic!("{at}"),
    };
    thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.expect("a connection");
            let mut letter = [0];
            stream.read_exact(&mut letter).expect("a letter");
            stream.write_all(&letter).expect("it is taken");
        }
    });
    let mut call = Command::new("bash");
    let talk = format!("exec 3<> /dev/tcp/{}/{}; echo -n a >&3; head -c 1 <&3", at.ip(), at.port());
    call.args(["-c", &talk]);
    let took = || {
        let began = Instant::now();
        let said = host.run(&call).output().expect("it runs");
        assert_eq!(said.stdout, b"a", "{said:?}");
        began.elapsed()
    };
    let each_way = Duration::from_millis(300);
    assert!(took() < each_way);
    let far = host.move_away(&[at], each_way);
    assert!(took() >= 3 * each_way, "to connect, to say and to hear");
    drop(far);
}
