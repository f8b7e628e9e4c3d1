//! Prometheus: asks what is measured, keeps it, and evaluates rules.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use ureq::Agent;

use super::{
    process::{Process, Program},
    set_up,
    site::Site,
};

/// Longer than a healthy server takes for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One server; ended when dropped.
#[derive(Debug)]
pub struct Prometheus {
    // Before what it writes to: fields are dropped in order.
    process: Process,
    address: Ipv4Addr,
    port: u16,
    _site: Arc<Site>,
}

impl Prometheus {
    /// Starts one with this configuration.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(configuration: &Path) -> Self {
        let site = Arc::new(Site::new());
        let (address, port) = (site.addresses.of(0), site.addresses.free_port(1, 9090));
        let folder = site.folder.path().join("prometheus");
        std::fs::create_dir(&folder).expect("a folder in a new folder");
        let words = [
            format!("--config.file={}", configuration.display()),
            format!("--web.listen-address={address}:{port}"),
            "--storage.tsdb.path=data".to_owned(),
        ];
        let arguments = words.into_iter().map(Into::into).collect();
        let path = set_up("TGS_PROMETHEUS").join("prometheus");
        let name = "prometheus".to_owned();
        let process = Process::start(Program { name, path, arguments, folder });
        let server = Self { process, address, port, _site: site };
        server.process.wait_until("answering", || server.query("vector(1)").is_ok());
        server
    }

    /// What an expression gives now.
    ///
    /// # Errors
    /// When it cannot be evaluated, or nobody answers: with what was said.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let config = Agent::config_builder().http_status_as_error(false);
        let agent: Agent = config.timeout_global(Some(PATIENCE)).build().into();
        let at = SocketAddrV4::new(self.address, self.port);
        let asked = agent.post(format!("http://{at}/api/v1/query"));
        let answer = asked.send_form([("query", expression)]).map_err(|error| error.to_string());
        let text = answer?.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let said: Value = serde_json::from_str(&text).map_err(|_| text.clone())?;
        match (&said["status"], &said["data"]["result"]) {
            (Value::String(status), Value::Array(found)) if status == "success" => {
                Ok(found.clone())
            }
            _ => Err(text),
        }
    }
}
