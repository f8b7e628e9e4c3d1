//! `tgs up` and `tgs node` as real processes: started, asked over HTTP, killed, started again on
//! the same port.

use std::{
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use ureq::{Agent, Body, http::Response};

use crate::{network::Host, program::tgs, starting, waiting::Looks};

/// Longer than anything takes that a test waits for.
const LONG: Duration = Duration::from_secs(120);
/// Longer than a job of a test takes on a slow machine.
const VERY_LONG: Duration = Duration::from_secs(300);

/// A server with its data folder. Ended when it is dropped.
pub struct Server {
    command: &'static str,
    home: PathBuf,
    /// The host that it runs on, if not this machine itself.
    host: Option<Host>,
    port: u16,
    token: String,
    agent: Agent,
    child: Mutex<Option<Child>>,
    /// Settings, as variables of its environment.
    settings: Vec<(String, String)>,
}

/// An address of this machine that nobody has just now.
///
/// # Panics
/// When there is none.
pub fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("it has one")
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

/// A request in detail.
pub struct Asked {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    is_stranger: bool,
}

/// An answer in detail.
#[derive(Debug)]
pub struct Heard {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Asked {
    /// With this method.
    pub fn of(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), body: None, is_stranger: false }
    }

    /// With GET.
    pub fn get(path: &str) -> Self {
        Self::of("GET", path)
    }

    /// Without the token.
    #[must_use]
    pub fn stranger(mut self) -> Self {
        self.is_stranger = true;
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self.header("Content-Type", "application/json")
    }
}

impl Heard {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }
}

impl Server {
    /// Starts one on a data folder, on a free port of this machine.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(home: &Path) -> Self {
        Self::start_with(home, &[])
    }

    /// The same with settings, as variables of its environment; each start has them.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(home: &Path, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepared("up", home, settings);
        let listening = server.go_up();
        server.token = listening["token"].as_str().expect("a new folder has a new token").into();
        server
    }

    /// Starts a node of a cluster, with settings that name its stores and the file of its token.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn node(home: &Path, settings: &[(&str, &str)], token: &str) -> Self {
        let mut node = Self::prepared("node", home, settings);
        node.token = token.to_owned();
        node.go_up();
        node
    }

    /// The same on a host of a network.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn node_on(host: &Host, home: &Path, settings: &[(&str, &str)], token: &str) -> Self {
        let mut node = Self::prepared("node", home, settings);
        (node.host, node.token) = (Some(host.clone()), token.to_owned());
        node.go_up();
        node
    }

    fn prepared(command: &'static str, home: &Path, settings: &[(&str, &str)]) -> Self {
        let port = free_address().port();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(LONG))
            .build()
            .into();
        let child = Mutex::new(None);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings = settings.iter().map(owned).collect();
        let (home, token) = (home.to_owned(), String::new());
        Self { command, home, host: None, port, token, agent, child, settings }
    }

    /// Starts it again after it was killed.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_again(&self) {
        let listening = self.go_up();
        assert_eq!(listening["token"], Value::Null, "a token is shown once");
    }

    /// Kills it and starts it again with other settings.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_anew(mut self, settings: &[(&str, &str)]) -> Self {
        self.kill();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.settings = settings.iter().map(owned).collect();
        self.start_again();
        self
    }

    /// Starts it; gives what it says of where it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn go_up(&self) -> Value {
        let listen = self.address();
        let words = [self.command, "--listen", &listen, "--json"];
        let mut command = tgs(&self.home, &words);
        command.envs(self.settings.iter().cloned());
        if let Some(host) = &self.host {
            command = host.run(&command);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = starting::start(command).expect("the binary can be started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let listening = lines.next().and_then(|line| serde_json::from_str::<Value>(&line).ok());
        thread::spawn(move || lines.for_each(drop));
        *self.child() = Some(child);
        let listening = listening.expect("it says where it listens");
        let is_up = ["listening", "working"].iter().any(|word| listening["event"] == *word);
        assert!(is_up, "{listening}");
        listening
    }

    /// SIGKILL; returns when it is dead.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; gives the exit status.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&self) -> Option<i32> {
        let mut child = self.child().take().expect("it runs");
        let id = child.id().to_string();
        std::process::Command::new("kill").args(["-s", "TERM", &id]).status().expect("kill runs");
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("our own child") {
                return status.code();
            }
            assert!(began.elapsed() < LONG, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The address itself, for tests that speak to it byte by byte.
    pub fn address(&self) -> String {
        let host = self.host.as_ref().map_or(Ipv4Addr::LOCALHOST, Host::address);
        SocketAddrV4::new(host, self.port).to_string()
    }

    /// Its process; none while it is down.
    pub fn id(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// What lets a client in.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Asks for something; none if the server was not there or went away.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        let asked = self.agent.get(self.url(path)).header("Authorization", self.bearer());
        answer(asked.call())
    }

    /// Asks for something that must be answered.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).expect("the server runs")
    }

    /// One number of the metrics; none while the server is away, or has not measured it.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let answer = self.try_get("/v1/metrics")?;
        let text = answer.body.as_str().unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|count| count.parse().ok())
    }

    /// Waits until a job is like this, whatever happens to the server meanwhile; gives its view.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn wait_for(&self, job: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let looks = Looks::begin();
        loop {
            let view = self.try_get(&format!("/v1/jobs/{job}")).map(|answer| answer.body);
            if let Some(view) = view.as_ref().filter(|view| is_so(view)) {
                return view.clone();
            }
            assert!(looks.waited() < VERY_LONG, "in vain: {view:?}");
            looks.rest();
        }
    }

    /// Waits until a job has ended; gives its view.
    ///
    /// # Panics
    /// When it does not end.
    pub fn ended(&self, job: &str) -> Value {
        let is_open = |view: &Value| matches!(view["state"].as_str(), Some("waiting" | "running"));
        self.wait_for(job, |view| view["state"].is_string() && !is_open(view))
    }

    /// Sends something; none if the server was not there or went away.
    pub fn try_post(&self, path: &str, body: &Value, key: Option<&str>) -> Option<Answer> {
        let mut asked = self.agent.post(self.url(path)).header("Authorization", self.bearer());
        if let Some(key) = key {
            asked = asked.header("Idempotency-Key", key);
        }
        answer(asked.content_type("application/json").send(body.to_string()))
    }

    /// Sends something that must be answered.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body, None).expect("the server runs")
    }

    /// Orders a job; gives its name.
    ///
    /// # Panics
    /// When it is refused.
    pub fn submit(&self, order: &Value) -> String {
        let taken = self.post("/v1/jobs", order);
        assert_eq!(taken.status, 201, "{taken:?}");
        taken.body["id"].as_str().expect("a name").to_owned()
    }

    /// Asks for something that must be answered, in detail.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn ask(&self, asked: &Asked) -> Heard {
        let mut request =
            ureq::http::Request::builder().method(&*asked.method).uri(self.url(&asked.path));
        if !asked.is_stranger {
            request = request.header("Authorization", self.bearer());
        }
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        let request = request.body(asked.body.clone().unwrap_or_default()).expect("a request");
        let mut answer = self.agent.run(request).expect("the server runs");
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let (status, headers) = (answer.status().as_u16(), headers.collect());
        // A stream of events has no end: of one only its head is looked at.
        let is_endless =
            answer.headers().get("content-type").is_some_and(|it| it == "text/event-stream");
        let bytes = match is_endless {
            true => Vec::new(),
            false => answer.body_mut().read_to_vec().expect("a whole body"),
        };
        Heard { status, headers, bytes }
    }

    /// Changes something that is there.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        let asked = self.agent.patch(self.url(path)).header("Authorization", self.bearer());
        let answered = asked.content_type("application/json").send(body.to_string());
        answer(answered).expect("the server runs")
    }

    /// Removes something.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn delete(&self, path: &str) -> Answer {
        let asked = self.agent.delete(self.url(path)).header("Authorization", self.bearer());
        answer(asked.call()).expect("the server runs")
    }

    /// A stream of events from a number on; none if the server is not there.
    pub fn events(&self, path: &str, after: u64) -> Option<impl BufRead + use<>> {
        let endless: Agent = Agent::config_builder().http_status_as_error(false).build().into();
        let asked = endless.get(self.url(path)).header("Authorization", self.bearer());
        let answer = asked.header("Last-Event-ID", after.to_string()).call().ok()?;
        Some(BufReader::new(answer.into_body().into_reader()))
    }

    /// Hands a table in, in pieces of so many bytes; gives the dataset's version.
    ///
    /// # Panics
    /// When the server does not take it.
    pub fn upload(&self, dataset: &str, file: &str, bytes: &[u8], piece: usize) -> String {
        let place = self.begin(dataset, file, bytes.len());
        let mut version = None;
        for (no, part) in bytes.chunks(piece).enumerate() {
            let answer = self.append(&place, (no * piece) as u64, part).expect("the server runs");
            assert_eq!(answer.status(), 204);
            version = answer.headers().get("Dataset-Version").cloned();
        }
        let version = version.expect("the last piece makes it a dataset");
        version.to_str().expect("a name").to_owned()
    }

    /// Begins an upload; gives its place.
    ///
    /// # Panics
    /// When the server does not take it.
    pub fn begin(&self, dataset: &str, file: &str, size: usize) -> String {
        let begun = self.ask_for_upload(dataset, file, size).expect("the server runs");
        assert_eq!(begun.status(), 201);
        begun.headers()["Location"].to_str().expect("an address").to_owned()
    }

    /// Begins an upload and does no more.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn begin_upload(&self, dataset: &str, file: &str, length: usize) -> Answer {
        answer(self.ask_for_upload(dataset, file, length)).expect("the server runs")
    }

    fn ask_for_upload(
        &self,
        dataset: &str,
        file: &str,
        length: usize,
    ) -> Result<Response<Body>, ureq::Error> {
        let url = self.url(&format!("/v1/uploads?dataset={dataset}&file={file}"));
        let begun = self.agent.post(url).header("Authorization", self.bearer());
        begun.header("Upload-Length", length.to_string()).send_empty()
    }

    /// Appends to an upload.
    ///
    /// # Errors
    /// When the server is not there.
    pub fn append(&self, place: &str, at: u64, part: &[u8]) -> Result<Response<Body>, ureq::Error> {
        self.agent
            .patch(self.url(place))
            .header("Authorization", self.bearer())
            .header("Upload-Offset", at.to_string())
            .header("Content-Type", "application/offset+octet-stream")
            .send(part)
    }

    /// Where an upload goes on; none if the server is not there.
    ///
    /// # Panics
    /// When it knows no such upload.
    pub fn offset(&self, place: &str) -> Option<u64> {
        let asked = self.agent.head(self.url(place)).header("Authorization", self.bearer());
        let answer = asked.call().ok()?;
        let offset = answer.headers()["Upload-Offset"].to_str().expect("a number");
        Some(offset.parse().expect("a number"))
    }

    /// Asks for a file from a byte on; none if the server was not there. What came may be less than
    /// was asked for, if it went away.
    pub fn bytes(&self, path: &str, from: usize) -> Option<(u16, Vec<u8>)> {
        let asked = self.agent.get(self.url(path)).header("Authorization", self.bearer());
        let mut answer = asked.header("Range", format!("bytes={from}-")).call().ok()?;
        let (status, mut bytes) = (answer.status().as_u16(), Vec::new());
        // A connection that broke is no error here: what came before counts.
        let _ = answer.body_mut().as_reader().read_to_end(&mut bytes);
        Some((status, bytes))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn answer(answered: Result<Response<Body>, ureq::Error>) -> Option<Answer> {
    let mut answered = answered.ok()?;
    let status = answered.status().as_u16();
    let text = answered.body_mut().read_to_string().ok()?;
    Some(Answer { status, body: serde_json::from_str(&text).unwrap_or(json!(text)) })
}
