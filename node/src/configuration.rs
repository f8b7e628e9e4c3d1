//! Settings of a node: one home for their keys (`default.toml`), and where each value came from.

use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use config::{Config, ConfigError, Environment, File, FileFormat};
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    id::TenantId,
    placement::{Share, shares},
};
use tracing::level_filters::LevelFilter;

use crate::failure::Failure;

/// Every key with its default and its comment.
pub const DEFAULTS: &str = include_str!("default.toml");

/// The settings in force.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Data folder; empty: the user's.
    pub home: String,
    /// Threads that sample chunks; 0: one per core.
    pub samplers: usize,
    /// Which kernels compute.
    pub numerics: Numerics,
    /// Address of the stores of a cluster; empty: none.
    pub store: String,
    /// Where the password of its user stands; empty: in no file.
    pub store_password_file: String,
    /// Where large bytes lie; empty: in the stores.
    pub objects: String,
    /// Address of the message bus; empty: none.
    pub nats: String,
    /// Where the password of its user stands; empty: in no file.
    pub nats_password_file: String,
    /// Credentials of NATS; empty: none.
    pub nats_credentials: String,
    /// Certificates that are trusted beside the usual ones; empty: none.
    pub nats_ca: String,
    /// What operators call a node; empty: as its host.
    pub node_name: String,
    /// Where a node stands.
    pub region: String,
    /// Where in the region; empty if it does not matter.
    pub zone: String,
    /// What tenants of a cluster are entitled to; empty: all the same.
    pub tenants: String,
    /// Who says that the machine will be taken away; empty: nobody.
    pub spot: String,
    /// When this machine is usually lost; 0: as machines of its kind are.
    pub lost_after_minutes: f64,
    /// Where it listens for links of other nodes; empty: it has none.
    pub links: String,
    /// Where other nodes reach it; empty: as it listens.
    pub links_address: String,
    /// The keys that nodes show each other.
    pub links_folder: String,
    /// What a node of a cluster does.
    pub roles: String,
    /// Where the token stands that lets clients in; empty: it is made.
    pub token_file: String,
    /// Where `tgs up` and `tgs node` listen.
    pub listen: SocketAddr,
    /// Jobs that it computes at the same time.
    pub devices: usize,
    /// Compute threads of a job that does not say; 0: the cores, shared between devices.
    pub threads: u32,
    /// Memory that jobs share; 0: four fifths of the machine's.
    pub memory_mib: u64,
    /// Programs that jobs may run; commas between.
    pub external_programs: String,
    /// Room on the disk that is kept free.
    pub disk_floor_mib: u64,
    /// Jobs that have ended and are kept.
    pub history: usize,
    /// Of one table that is handed in.
    pub upload_max_mib: u64,
    /// Connections at one time.
    pub connections_max: usize,
    /// Whether webhooks may go to private networks.
    pub notify_private: bool,
    /// Certificates that are trusted beside the usual ones; empty: none.
    pub notify_ca: String,
    /// Factor on the pauses between attempts at a notice.
    pub notify_pause_factor: f64,
    /// Server of mail; empty: none.
    pub smtp_url: String,
    /// Where its password stands; empty: in no file.
    pub smtp_password_file: String,
    /// Whom mail is from.
    pub mail_from: String,
    /// Where people find this server; empty: nobody knows.
    pub public_url: String,
    /// Filter of the log.
    pub log: String,
    /// Log lines as JSON.
    pub log_json: bool,
}

impl Settings {
    /// Whether a node computes.
    pub fn computes(&self) -> bool {
        self.has_role("worker")
    }

    /// Whether a node answers over HTTP.
    pub fn answers(&self) -> bool {
        self.has_role("web")
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.split(',').map(str::trim).any(|named| named == role || named == "all")
    }

    /// What tenants are entitled to.
    pub fn shares(&self) -> Result<BTreeMap<TenantId, Share>, Failure> {
        shares::parse(&self.tenants).map_err(|refusal| {
            let message = format!("read the setting `tenants`: {}", refusal.message);
            Failure::new(refusal.code, message)
        })
    }

    /// Programs that jobs may run.
    pub fn external_programs(&self) -> Vec<PathBuf> {
        let listed = self.external_programs.split(',').map(str::trim);
        listed.filter(|path| !path.is_empty()).map(PathBuf::from).collect()
    }
}

/// Which kernels compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numerics {
    /// The fastest of the processor.
    Native,
    /// The same on every processor.
    Portable,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag,
}

/// Reads defaults, file and environment, in this order; the file is the one that is named, or else
/// the usual one.
pub fn read(named: Option<&Path>) -> Result<Settings, Failure> {
    let file = named.map(Path::to_owned).or_else(file);
    let refused = |error: &ConfigError| refused(error, file.as_deref());
    let layers = layered(file.as_deref()).map_err(|error| refused(&error))?;
    let settings: Settings = layers.try_deserialize().map_err(|error| refused(&error))?;
    check_log(&settings.log)?;
    check_programs(&settings)?;
    check_roles(&settings)?;
    settings.shares()?;
    Ok(settings)
}

fn check_roles(settings: &Settings) -> Result<(), Failure> {
    let mut named = settings.roles.split(',').map(str::trim);
    match named.find(|role| !["all", "web", "worker"].contains(role)) {
        None => Ok(()),
        Some(role) => {
            let message =
                format!("read the setting `roles`: `{role}` is none; name web, worker or all");
            Err(Failure::new(Code::BadRequest, message))
        }
    }
}

/// A program without a folder would be looked for in whichever folder comes first.
fn check_programs(settings: &Settings) -> Result<(), Failure> {
    match settings.external_programs().iter().find(|path| !path.is_absolute()) {
        None => Ok(()),
        Some(path) => {
            let message = format!(
                "read the setting `external_programs`: {} is no absolute path; write it out",
                path.display()
            );
            Err(Failure::new(Code::BadRequest, message))
        }
    }
}

/// A level, or levels of parts as `warn,tgs_engine=debug`. The filter would take any word for the
/// name of a part.
fn check_log(log: &str) -> Result<(), Failure> {
    let level = |part: &str| part.rsplit('=').next().unwrap_or_default().trim().to_owned();
    // The reader of levels takes no word at all for `error`.
    let is_none = |level: &String| level.is_empty() || level.parse::<LevelFilter>().is_err();
    match log.split(',').map(level).find(is_none) {
        None => Ok(()),
        Some(level) => {
            let remedy = "set it to off, error, warn, info, debug or trace";
            let message = format!("read the setting `log`: `{level}` is no level; {remedy}");
            Err(Failure::new(Code::BadRequest, message))
        }
    }
}

/// Each key with its effective value and where it came from.
pub fn explained() -> Result<BTreeMap<String, (String, Origin)>, Failure> {
    let file = file();
    let effective = layered(file.as_deref()).map_err(|error| refused(&error, file.as_deref()))?;
    let in_file = match &file {
        Some(path) => std::fs::read_to_string(path)
            .ok()
            .and_then(|text| text.parse::<toml::Table>().ok())
            .unwrap_or_default(),
        None => toml::Table::new(),
    };
    let defaults: toml::Table = DEFAULTS.parse().expect("the built-in defaults are valid");
    let origin = |key: &str| {
        let variable = format!("TGS_{}", key.to_uppercase());
        if env::var_os(&variable).is_some() {
            Origin::Environment(variable)
        } else if in_file.contains_key(key) {
            Origin::File(file.clone().unwrap_or_default())
        } else {
            Origin::Default
        }
    };
    let explain = |key: &String| {
        let value = effective.get_string(key).unwrap_or_default();
        (key.clone(), (without_password(&value), origin(key)))
    };
    Ok(defaults.keys().map(explain).collect())
}

/// As it may be shown: `tgs up` refuses an address with a password in it, but this is shown before.
fn without_password(value: &str) -> String {
    let hidden = value.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.rsplit_once('@')?;
        let (user, _password) = user.split_once(':')?;
        Some(format!("{scheme}://{user}:…@{host}"))
    });
    hidden.unwrap_or_else(|| value.to_owned())
}

fn layered(file: Option<&Path>) -> Result<Config, ConfigError> {
    let mut layers = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(path) = file {
        layers = layers.add_source(File::from(path).format(FileFormat::Toml));
    }
    // Only known keys are taken: TGS_HOME is also a flag, TGS_CONFIG names the file.
    let keys: toml::Table = DEFAULTS.parse().expect("the built-in defaults are valid");
    // Names and values of others need not be Unicode.
    let known = env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let key = name.strip_prefix("TGS_")?.to_lowercase();
        keys.contains_key(&key).then(|| (name, value.to_string_lossy().into_owned()))
    });
    // Texts stay texts: a folder may be called 0123. Numbers are read where one is wanted.
    let source = Environment::with_prefix("TGS").source(Some(known.collect()));
    layers.add_source(source).build()
}

fn file() -> Option<PathBuf> {
    if let Some(named) = env::var_os("TGS_CONFIG") {
        return Some(PathBuf::from(named));
    }
    let folder = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    let path = folder.join("tgs/config.toml");
    path.is_file().then_some(path)
}

fn refused(error: &ConfigError, file: Option<&Path>) -> Failure {
    let place = match file {
        Some(file) => format!("{} or the TGS_ variables", file.display()),
        None => "the TGS_ variables".to_owned(),
    };
    Failure::new(Code::BadRequest, format!("read the configuration: {error}; mend {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_levels_only() {
        for log in ["warn", "off", "DEBUG", "warn,tgs_engine=debug", "tgs=trace"] {
            assert!(check_log(log).is_ok(), "{log}");
        }
        for log in ["loud", "", "warn,tgs=loud", "tgs"] {
            let failure = check_log(log).expect_err(log);
            assert!(failure.message.contains("is no level"), "{}", failure.message);
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (value, shown) in [
            ("smtps://ada:p@ss@mail.example.org", "smtps://ada:…@mail.example.org"),
            ("smtps://ada@mail.example.org:465", "smtps://ada@mail.example.org:465"),
            ("https://tgs.example.org:8443/a", "https://tgs.example.org:8443/a"),
            ("127.0.0.1:7400", "127.0.0.1:7400"),
        ] {
            assert_eq!(without_password(value), shown);
        }
    }

    #[test]
    fn the_defaults_are_complete() {
        let settings: Settings = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()
            .and_then(Config::try_deserialize)
            .expect("every field of `Settings` has a default and no other key stands there");
        assert_eq!(settings.log, "warn,tgs_actors::notifier=off,scylla=off");
    }
}
