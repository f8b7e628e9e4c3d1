//! The few frames of CQL that the harness speaks itself (version 4 of the binary protocol), and the
//! database that tests use: the one that a variable names, or one of ours.

use std::{
    env, fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    str::FromStr,
    time::Duration,
};

use super::cassandra::{Cassandra, CassandraRing};

/// Longer than a healthy database takes for one answer; it gives up itself after ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// Version 4, asked.
const VERSION: u8 = 4;
/// "Do not describe the columns": whoever asks knows them.
const SKIP_METADATA: u8 = 2;
const KIND_ROWS: i32 = 2;

/// Where a CQL database is. As text: `cql://host:port,host:port?data_centres=eu:2,us:1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// `host:port` of nodes to begin with.
    pub contact_points: Vec<String>,
    /// Each data centre with how many nodes it has.
    pub data_centres: Vec<(String, usize)>,
}

/// Kinds of frames, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// What went wrong.
    Error = 0,
    /// Begins a connection.
    Startup = 1,
    /// It may be used.
    Ready = 2,
    /// Asks what there is.
    Options = 5,
    /// What there is.
    Supported = 6,
    /// A statement.
    Query = 7,
    /// What it gave.
    Result = 8,
}

/// How many replicas must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Consistency {
    /// One.
    One = 1,
    /// Two.
    Two = 2,
    /// Three.
    Three = 3,
    /// Most of them.
    Quorum = 4,
}

/// A row: its values as bytes, none for null.
pub type Row = Vec<Option<Vec<u8>>>;

/// A connection that sends one frame at a time.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Database {
    /// The one that TGS_CQL_URI names; else a node of Cassandra that this process shares.
    ///
    /// # Panics
    /// When the variable cannot be read, or the node does not come up.
    pub fn shared() -> Self {
        Self::named().unwrap_or_else(|| Cassandra::shared().database())
    }

    /// The one that TGS_CQL_URI names; else three nodes in two data centres that this process
    /// shares.
    ///
    /// # Panics
    /// When the variable cannot be read, or the nodes do not come up.
    pub fn shared_ring() -> Self {
        Self::named().unwrap_or_else(|| CassandraRing::shared().database())
    }

    /// Says something to it beside the program under test; gives the rows of the answer.
    ///
    /// # Panics
    /// When it cannot be reached or refuses.
    pub fn say(&self, statement: &str) -> Vec<Row> {
        let points = self.contact_points[0].to_socket_addrs();
        let at = points.ok().and_then(|mut all| all.next()).expect("an address");
        let said =
            Connection::start(at).and_then(|mut it| it.query(statement, Consistency::Quorum));
        said.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    fn named() -> Option<Self> {
        let uri = env::var("TGS_CQL_URI").ok().filter(|uri| !uri.is_empty())?;
        Some(uri.parse().unwrap_or_else(|why| panic!("read TGS_CQL_URI: {why}")))
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (points, centres) = uri.strip_prefix("cql://")?.split_once("?data_centres=")?;
            let contact_points: Vec<_> = points.split(',').map(str::to_owned).collect();
            let is_place =
                |it: &String| it.rsplit_once(':').is_some_and(|(host, _)| !host.is_empty());
            let centre = |text: &str| {
                let (name, nodes) = text.split_once(':')?;
                Some((name.to_owned(), nodes.parse().ok()?))
            };
            let data_centres = centres.split(',').map(centre).collect::<Option<Vec<_>>>()?;
            let is_whole = contact_points.iter().all(is_place);
            is_whole.then_some(Self { contact_points, data_centres })
        };
        read().ok_or_else(|| {
            format!("{uri:?} is not like cql://host:9042,other:9042?data_centres=eu:2,us:1")
        })
    }
}

impl fmt::Display for Database {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let centres = self.data_centres.iter().map(|(name, nodes)| format!("{name}:{nodes}"));
        let centres = centres.collect::<Vec<_>>().join(",");
        write!(to, "cql://{}?data_centres={centres}", self.contact_points.join(","))
    }
}

impl Connection {
    /// Connects, and no more.
    ///
    /// # Errors
    /// When nobody accepts.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Connects, so that statements can be sent.
    ///
    /// # Errors
    /// When nobody accepts, or a password is wanted.
    pub fn start(to: SocketAddr) -> io::Result<Self> {
        let mut connection = Self::open(to)?;
        let mut map = 1_u16.to_be_bytes().to_vec();
        for word in ["CQL_VERSION", "3.0.0"] {
            map.extend((word.len() as u16).to_be_bytes());
            map.extend(word.as_bytes());
        }
        match connection.exchange(Opcode::Startup, &map)? {
            (Opcode::Ready, _) => Ok(connection),
            (other, _) => Err(io::Error::other(format!("{other:?} instead of READY"))),
        }
    }

    /// Sends a statement; gives its rows, none if it gives none.
    ///
    /// # Errors
    /// When the database refuses it, with its words; or does not answer.
    pub fn query(&mut self, statement: &str, consistency: Consistency) -> io::Result<Vec<Row>> {
        let mut body = (statement.len() as u32).to_be_bytes().to_vec();
        body.extend(statement.as_bytes());
        body.extend((consistency as u16).to_be_bytes());
        body.push(SKIP_METADATA);
        match self.exchange(Opcode::Query, &body)? {
            (Opcode::Result, body) => rows(&body).ok_or_else(|| io::Error::other("a torn result")),
            (other, _) => Err(io::Error::other(format!("{other:?} instead of RESULT"))),
        }
    }

    /// Sends a frame and reads the one that answers it.
    ///
    /// # Errors
    /// When it is an error, with its words; or none comes.
    pub fn exchange(&mut self, opcode: Opcode, body: &[u8]) -> io::Result<(Opcode, Vec<u8>)> {
        let mut frame = vec![VERSION, 0, 0, 0, opcode as u8];
        frame.extend((body.len() as u32).to_be_bytes());
        frame.extend(body);
        self.0.write_all(&frame)?;
        let mut head = [0; 9];
        self.0.read_exact(&mut head)?;
        let [_, _, _, _, opcode, length @ ..] = head;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut body)?;
        let known = [Opcode::Ready, Opcode::Supported, Opcode::Result];
        match known.into_iter().find(|it| *it as u8 == opcode) {
            Some(opcode) => Ok((opcode, body)),
            None if opcode == Opcode::Error as u8 => Err(io::Error::other(refusal(&body))),
            None => Err(io::Error::other(format!("a frame of kind {opcode}"))),
        }
    }
}

fn refusal(body: &[u8]) -> String {
    let mut left = body;
    let code = integer(&mut left).unwrap_or_default();
    let words = String::from_utf8_lossy(left.get(2..).unwrap_or_default());
    format!("refused with {code:#06x}: {words}")
}

/// The rows of a result whose columns are not described; none if it is torn.
fn rows(mut left: &[u8]) -> Option<Vec<Row>> {
    if integer(&mut left)? != KIND_ROWS {
        return Some(Vec::new());
    }
    let _flags = integer(&mut left)?;
    let columns = integer(&mut left)?;
    let rows = integer(&mut left)?;
    let mut value = || match usize::try_from(integer(&mut left)?) {
        Ok(length) => {
            let (value, rest) = left.split_at_checked(length)?;
            left = rest;
            Some(Some(value.to_vec()))
        }
        // A negative length is null.
        Err(_) => Some(None),
    };
    (0..rows).map(|_| (0..columns).map(|_| value()).collect()).collect()
}

fn integer(left: &mut &[u8]) -> Option<i32> {
    let (number, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(i32::from_be_bytes(*number))
}

#[test]
fn a_database_is_read_as_it_is_written() {
    let text = "cql://127.64.0.1:9042,127.64.0.2:9042?data_centres=eu:2,us:1";
    let read: Database = text.parse().expect("as the page says");
    assert_eq!(read.contact_points.len(), 2);
    assert_eq!(read.data_centres, [("eu".to_owned(), 2), ("us".to_owned(), 1)]);
    assert_eq!(read.to_string(), text);
    for broken in ["", "127.64.0.1:9042", "cql://a:1", "cql://a?data_centres=eu:1", "cql://a:1?x"] {
        assert!(broken.parse::<Database>().is_err(), "{broken}");
    }
}
