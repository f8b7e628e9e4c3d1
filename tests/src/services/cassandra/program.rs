//! What a node of Cassandra is started with: its files and its words for Java.

use std::{
    ffi::OsString,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use super::Ports;
use crate::{program::in_repository, services::process::Program, services::set_up};

/// Tokens of one node.
const TOKENS: u128 = 4;

/// One node's place in its ring.
pub struct Place<'a> {
    pub no: usize,
    /// Of all nodes.
    pub addresses: &'a [Ipv4Addr],
    pub ports: Ports,
    pub data_centre: &'a str,
}

impl Place<'_> {
    /// Writes the node's files into a folder of its own; gives what is to be run.
    pub fn program(&self, site: &Path) -> Program {
        let name = format!("cassandra-{}", self.no + 1);
        let folder = site.join(&name);
        fs::create_dir(&folder).expect("a folder in a new folder");
        fs::create_dir(folder.join("temporary")).expect("a folder in a new folder");
        let write = |name: &str, text: String| {
            fs::write(folder.join(name), text).expect("a file in a new folder");
        };
        write("cassandra.yaml", self.configuration());
        write("rack.properties", format!("dc={}\nrack=r1\n", self.data_centre));
        let (path, arguments) = (set_up("TGS_JAVA"), self.arguments(&folder));
        Program { name, path, arguments, folder }
    }

    fn configuration(&self) -> String {
        let shared = fs::read_to_string(ours("cassandra.yaml")).expect("a file of the repository");
        let Ports { native, storage } = self.ports;
        let address = self.addresses[self.no];
        let seeds: Vec<_> = self.addresses.iter().map(|it| format!("{it}:{storage}")).collect();
        let (seeds, tokens) = (seeds.join(","), self.tokens());
        format!(
            "{shared}
listen_address: {address}
rpc_address: {address}
native_transport_port: {native}
storage_port: {storage}
num_tokens: {TOKENS}
initial_token: {tokens}
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seeds}\"
"
        )
    }

    /// Evenly over the whole circle, the nodes in turns.
    fn tokens(&self) -> String {
        let nodes = self.addresses.len() as u128;
        let token = |turn: u128| {
            let place = turn * nodes + self.no as u128 + 1;
            let way = (1_u128 << 64) * place / (nodes * TOKENS + 1);
            i128::from(i64::MIN) + way as i128
        };
        (0..TOKENS).map(|turn| token(turn).to_string()).collect::<Vec<_>>().join(",")
    }

    fn arguments(&self, folder: &Path) -> Vec<OsString> {
        let jars = set_up("TGS_CASSANDRA_LIB");
        let (jars, folder) = (jars.display(), folder.display());
        let words = [
            format!("@{}", ours("jvm.options").display()),
            // It measures what tables hold in memory.
            format!("-javaagent:{jars}/jamm-0.4.0.jar"),
            // Libraries that are unpacked at the start go with the folder.
            format!("-Djava.io.tmpdir={folder}/temporary"),
            format!("-Djna.tmpdir={folder}/temporary"),
            format!("-Dlogback.configurationFile={}", ours("logback.xml").display()),
            format!("-Dcassandra.config=file:{folder}/cassandra.yaml"),
            format!("-Dcassandra-rackdc.properties=file:{folder}/rack.properties"),
            format!("-Dcassandra.storagedir={folder}/data"),
            "-cp".to_owned(),
            format!("{jars}/*"),
            "org.apache.cassandra.service.CassandraDaemon".to_owned(),
        ];
        words.map(Into::into).into()
    }
}

fn ours(name: &str) -> PathBuf {
    let path = in_repository("tests/services/cassandra").join(name);
    path.canonicalize().expect("a file of the repository")
}

#[test]
fn tokens_are_spread_over_the_circle() {
    let addresses = [Ipv4Addr::LOCALHOST; 3];
    let ports = Ports { native: 9042, storage: 7000 };
    let mut all: Vec<i64> = Vec::new();
    for no in 0..3 {
        let place = Place { no, addresses: &addresses, ports, data_centre: "eu" };
        all.extend(place.tokens().split(',').map(|token| token.parse::<i64>().expect("a token")));
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 12);
    assert!(all.windows(2).all(|pair| pair[1].abs_diff(pair[0]).abs_diff(u64::MAX / 13) < 3));
}
