//! Object storage that speaks as S3 does: moto, as a server.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use ureq::Agent;

use super::{
    process::{Process, Program},
    set_up,
    site::Site,
};

/// Longer than a healthy server takes for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The bucket that is there from the start.
pub const BUCKET: &str = "tgs";

/// One server with a bucket; ended when dropped. It keeps nothing beyond its process.
#[derive(Debug)]
pub struct Objects {
    // Before what it writes to: fields are dropped in order.
    process: Process,
    address: Ipv4Addr,
    port: u16,
    _site: Arc<Site>,
}

impl Objects {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let site = Arc::new(Site::new());
        let (address, port) = (site.addresses.of(0), site.addresses.free_port(1, 5000));
        let folder = site.folder.path().join("objects");
        std::fs::create_dir(&folder).expect("a folder in a new folder");
        let words = format!("-m moto.server -H {address} -p {port}");
        let arguments = words.split(' ').map(Into::into).collect();
        let path = set_up("TGS_MOTO_PYTHON");
        let name = "moto".to_owned();
        let process = Process::start(Program { name, path, arguments, folder });
        let server = Self { process, address, port, _site: site };
        server.process.wait_until("answering", || server.ask("PUT", "").is_some());
        server
    }

    /// What a client needs to know: where it is, and names of nobody.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", format!("http://{}", self.at())),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "nobody".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "nothing".to_owned()),
        ]
    }

    /// How many objects there are whose names begin so, at most a thousand.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn count(&self, prefix: &str) -> usize {
        let list = self.ask("GET", &format!("?list-type=2&prefix={prefix}")).expect("it answers");
        list.matches("<Key>").count()
    }

    /// SIGSTOP: it keeps its connections and says nothing.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// When it does not run.
    pub fn go_on(&self) {
        self.process.go_on();
    }

    const fn at(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port)
    }

    fn ask(&self, method: &str, of_bucket: &str) -> Option<String> {
        let agent: Agent = Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        let url = format!("http://{}/{BUCKET}{of_bucket}", self.at());
        let request = ureq::http::Request::builder().method(method).uri(url).body(()).ok()?;
        agent.run(request).ok()?.body_mut().read_to_string().ok()
    }
}
