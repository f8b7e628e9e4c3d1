//! A receiver of webhooks on this machine that fails as a test says, and keeps what it got.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How one request is answered.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// With this status.
    Status(u16),
    /// With this status, after a while.
    Late(Duration, u16),
    /// Not at all.
    HangUp,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Got {
    /// Its first line and headers.
    pub head: Vec<String>,
    /// Its body.
    pub body: String,
}

impl Got {
    /// Reads one from a connection; none if it breaks off, or is no text.
    pub fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let got = Self { head, body: String::new() };
        let mut body = vec![0; got.header("content-length").parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        Some(Self { body: String::from_utf8(body).ok()?, ..got })
    }

    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.iter().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value).unwrap_or_default()
    }

    fn path(&self) -> &str {
        self.head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default()
    }
}

/// A receiver; it lives as long as the test's process.
pub struct Receiver {
    port: u16,
    kept: Arc<Mutex<Vec<Got>>>,
    knocks: Arc<AtomicUsize>,
}

impl Receiver {
    /// Starts one on a free port; `reply` is told how many requests of the same name came before.
    ///
    /// # Panics
    /// When this machine has no port.
    pub fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it has one").port();
        let (kept, knocks) = (Arc::<Mutex<Vec<Got>>>::default(), Arc::<AtomicUsize>::default());
        let (keeping, counting, reply) = (kept.clone(), knocks.clone(), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counting.fetch_add(1, Ordering::SeqCst);
                let (keeping, reply) = (keeping.clone(), reply.clone());
                thread::spawn(move || {
                    let Some(got) = Got::read(&stream) else { return };
                    let earlier = {
                        let mut kept = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                        let name = |got: &Got| got.header("webhook-id").to_owned();
                        let is_same = |it: &&Got| name(it) == name(&got);
                        let earlier = kept.iter().filter(is_same).count();
                        kept.push(got);
                        earlier
                    };
                    answer(stream, reply(earlier));
                });
            }
        });
        Self { port, kept, knocks }
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Connections so far.
    pub fn knocks(&self) -> usize {
        self.knocks.load(Ordering::SeqCst)
    }

    /// What came to a path, in order.
    pub fn got(&self, path: &str) -> Vec<Got> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|got| got.path() == path).cloned().collect()
    }
}

fn answer(mut stream: TcpStream, reply: Reply) {
    let status = match reply {
        Reply::HangUp => return,
        Reply::Late(pause, status) => {
            thread::sleep(pause);
            status
        }
        Reply::Status(status) => status,
    };
    let _ = write!(stream, "HTTP/1.1 {status} As Told\r\nContent-Length: 0\r\n\r\n");
}
