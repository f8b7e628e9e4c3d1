//! Object storage as real servers, each of which speaks as one provider does.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
    sync::Arc,
    time::Duration,
};

use ureq::Agent;

use super::{
    process::{Process, Program},
    set_up,
    site::Site,
};
use crate::small_disk::SmallDisk;

/// Longer than a healthy server takes for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The bucket that is there from the start; Azure calls it a container.
pub const BUCKET: &str = "tgs";
/// Azurite's own account, and its key, which its makers publish.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Lets whoever says so make containers there and list them, until the year 2999: a shared access
/// signature of the account, which that key made of these words and which therefore never changes.
const PASS: &str = "sv=2023-11-03&ss=b&srt=c&sp=lc&se=2999-12-31\
                    &sig=VM7%2BO39um%2F5C11pHr7FmTxfXLdUNIEA3aJr7VerUWuU%3D";

/// As which provider a server speaks, and which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// S3, by moto.
    Moto,
    /// S3, by s3rver. An upload in parts cannot be given up there.
    S3rver,
    /// Azure, by Azurite, which looks at the signature of every request.
    Azurite,
    /// Google Cloud Storage. What a client of it says here are the requests of its XML API, which
    /// are those of S3, and moto takes them: no emulator of Google's knows uploads in parts.
    Google,
}

impl Provider {
    /// Every one that there is a server for.
    pub const ALL: [Self; 4] = [Self::Moto, Self::S3rver, Self::Azurite, Self::Google];

    /// Scheme of addresses.
    const fn scheme(self) -> &'static str {
        match self {
            Self::Moto | Self::S3rver => "s3",
            Self::Azurite => "az",
            Self::Google => "gs",
        }
    }

    /// What is run, at this address; data goes into the folder where it runs.
    fn program(self, at: SocketAddrV4) -> (&'static str, &'static str, Vec<OsString>) {
        let (host, port) = (at.ip(), at.port());
        let (name, path, script, words) = match self {
            Self::Moto | Self::Google => {
                ("moto", "TGS_MOTO_PYTHON", None, format!("-m moto.server -H {host} -p {port}"))
            }
            Self::S3rver => {
                let words = format!("--directory data --address {host} --port {port}");
                let words = format!("{words} --no-vhost-buckets");
                ("s3rver", "TGS_NODE", Some("TGS_S3RVER"), words)
            }
            Self::Azurite => {
                let words = format!("--blobHost {host} --blobPort {port} --location data");
                let words = format!("{words} --disableProductStyleUrl --disableTelemetry");
                ("azurite", "TGS_NODE", Some("TGS_AZURITE"), words)
            }
        };
        let script = script.map(|variable| set_up(variable).into_os_string());
        (name, path, script.into_iter().chain(words.split(' ').map(Into::into)).collect())
    }
}

/// One server with a bucket; ended when dropped. What it keeps goes with it.
#[derive(Debug)]
pub struct Objects {
    // Before what it writes to: fields are dropped in order.
    process: Process,
    provider: Provider,
    at: SocketAddrV4,
    _site: Arc<Site>,
}

impl Objects {
    /// Starts the one that takes least: moto.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        Self::of(Provider::Moto)
    }

    /// Starts one that speaks as this provider does.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn of(provider: Provider) -> Self {
        Self::start_with(provider, |folder| {
            std::fs::create_dir_all(folder.join("data")).expect("a folder in a new folder");
        })
    }

    /// Starts one whose disk is small: Azurite, since s3rver falls over when it is full, and moto
    /// keeps all in memory.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn on(disk: &SmallDisk) -> Self {
        Self::start_with(Provider::Azurite, |folder| {
            let data = folder.join("data");
            std::os::unix::fs::symlink(disk.path(), data).expect("a link in a new folder");
        })
    }

    fn start_with(provider: Provider, make_data: impl FnOnce(&Path)) -> Self {
        let site = Arc::new(Site::new());
        let address: Ipv4Addr = site.addresses.of(0);
        let at = SocketAddrV4::new(address, site.addresses.free_port(1, 5000));
        let folder = site.folder.path().join("objects");
        std::fs::create_dir(&folder).expect("a folder in a new folder");
        make_data(&folder);
        let (name, path, arguments) = provider.program(at);
        let (name, path) = (name.to_owned(), set_up(path));
        let process = Process::start(Program { name, path, arguments, folder });
        let server = Self { process, provider, at, _site: site };
        let has_bucket = || {
            // Refused where it is there already: by a request whose answer came too late.
            let _ = server.ask("PUT", &server.bucket(""));
            server.list("").is_some()
        };
        server.process.wait_until("answering", has_bucket);
        server
    }

    /// Whom it speaks as.
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// The setting `objects` for a folder of its bucket.
    pub fn address(&self, folder: &str) -> String {
        format!("{}://{BUCKET}/{folder}", self.provider.scheme())
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.at)
    }

    /// What a client needs to know: where it is, and names of nobody.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let s3 = |name: &str, secret: &str| {
            vec![
                ("AWS_ENDPOINT", self.endpoint()),
                ("AWS_ALLOW_HTTP", "true".to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ACCESS_KEY_ID", name.to_owned()),
                ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
            ]
        };
        match self.provider {
            Provider::Moto => s3("nobody", "nothing"),
            // The one that it knows.
            Provider::S3rver => s3("S3RVER", "S3RVER"),
            Provider::Azurite => vec![
                ("AZURE_STORAGE_ENDPOINT", format!("{}/{ACCOUNT}", self.endpoint())),
                ("AZURE_ALLOW_HTTP", "true".to_owned()),
                ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
                ("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY.to_owned()),
            ],
            Provider::Google => vec![
                ("GOOGLE_BASE_URL", self.endpoint()),
                ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
                ("GOOGLE_BEARER_TOKEN", "nobody".to_owned()),
            ],
        }
    }

    /// How many objects there are whose names begin so, at most a thousand.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn count(&self, prefix: &str) -> usize {
        let name = if self.provider == Provider::Azurite { "<Name>" } else { "<Key>" };
        self.list(prefix).expect("it answers").matches(name).count()
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

    fn list(&self, prefix: &str) -> Option<String> {
        let list = if self.provider == Provider::Azurite { "comp=list" } else { "list-type=2" };
        self.ask("GET", &self.bucket(&format!("{list}&prefix={prefix}")))
    }

    /// The bucket with a question about it.
    fn bucket(&self, query: &str) -> String {
        match self.provider {
            Provider::Azurite => format!("{ACCOUNT}/{BUCKET}?restype=container&{PASS}&{query}"),
            _ => format!("{BUCKET}?{query}"),
        }
    }

    fn ask(&self, method: &str, place: &str) -> Option<String> {
        let agent: Agent = Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        let url = format!("{}/{place}", self.endpoint());
        let request = ureq::http::Request::builder().method(method).uri(url).body(()).ok()?;
        agent.run(request).ok()?.body_mut().read_to_string().ok()
    }
}
