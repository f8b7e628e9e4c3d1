//! What lets a node have links to others, and others to it: judged before it is used, and changed
//! while links stand. Every handshake is made with what is in use then.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tgs_protocol::{
    digest::Digest,
    peer::keys::{Dates, KeySet},
    unit::Timestamp,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        CertificateError, ClientConfig, Error, RootCertStore, ServerConfig,
        client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
        crypto::{CryptoProvider, ring::default_provider},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
        server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
        version::TLS13,
    },
};

/// Every node of a cluster has this name in its certificate: which one it is, it says itself.
pub const CERTIFIED_NAME: &str = "node.tgs";

/// What shows that a node belongs to its cluster.
#[derive(Clone)]
pub struct LinkKeys {
    /// Tells clusters apart whose certificates are of one authority. It stays what it was when the
    /// node began.
    pub(super) secret: String,
    in_use: Arc<Mutex<Judged>>,
}

/// A set that is whole: key, certificate and authority belong together, and to a node.
pub(crate) struct Judged {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    dates: Dates,
    digest: Digest,
}

/// Why files are no keys.
#[derive(Debug, thiserror::Error)]
pub enum LinkKeysError {
    /// Text that holds no certificate or no key.
    #[error("what should be PEM is none: {0}")]
    NoPem(String),
    /// They do not belong together.
    #[error("certificate, key and authority do not go together: {0}")]
    Unfit(String),
    /// They are of another cluster.
    #[error(
        "the secret is another one, and nodes of one cluster have one; copy that of the earlier \
         authority, or give all nodes the new one and start them again"
    )]
    AnotherSecret,
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkKeys").finish_non_exhaustive()
    }
}

impl LinkKeys {
    /// From the files of a node. A certificate that has run out is none to be refused here: a node
    /// works without links, too.
    ///
    /// # Errors
    /// Where a file is none, or they do not belong together.
    pub fn of(set: &KeySet, now: Timestamp) -> Result<Self, LinkKeysError> {
        let in_use = Arc::new(Mutex::new(Judged::of(set, now)?));
        Ok(Self { secret: set.secret.clone(), in_use })
    }

    /// What these files are; none if they are in use.
    ///
    /// # Errors
    /// As [`LinkKeys::of`], and where they are of another cluster.
    pub(crate) fn judge(
        &self,
        set: &KeySet,
        now: Timestamp,
    ) -> Result<Option<Judged>, LinkKeysError> {
        if set.digest() == self.in_use().digest {
            return Ok(None);
        }
        if set.secret != self.secret {
            return Err(LinkKeysError::AnotherSecret);
        }
        Judged::of(set, now).map(Some)
    }

    /// From the next handshake on these are in use.
    pub(crate) fn change_to(&self, judged: Judged) {
        drop(mem::replace(&mut *self.in_use(), judged));
    }

    /// Of the certificate in use.
    pub(crate) fn dates(&self) -> Dates {
        self.in_use().dates
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.in_use().acceptor.clone()
    }

    pub(super) fn connector(&self) -> TlsConnector {
        self.in_use().connector.clone()
    }

    fn in_use(&self) -> MutexGuard<'_, Judged> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judged {
    /// Of its certificate.
    pub(crate) const fn dates(&self) -> Dates {
        self.dates
    }

    fn of(set: &KeySet, now: Timestamp) -> Result<Self, LinkKeysError> {
        let mut roots = RootCertStore::empty();
        for root in certificates(&set.authority)? {
            roots.add(root).map_err(unfit)?;
        }
        let (roots, chain) = (Arc::new(roots), certificates(&set.certificate)?);
        let key = PrivateKeyDer::from_pem_slice(&set.key);
        let key = key.map_err(|error| LinkKeysError::NoPem(format!("the key: {error}")))?;
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        let verifier = verifier.map_err(unfit)?;
        let dates = dates(&roots, &provider, &*verifier, &chain, now)?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unfit)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(unfit)?;
        // Whoever goes on with a session shows no certificate again. Links are few and stand long.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        client.resumption = Resumption::disabled();
        let (acceptor, connector) = (Arc::new(server).into(), Arc::new(client).into());
        Ok(Self { acceptor, connector, dates, digest: set.digest() })
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, LinkKeysError> {
    let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| LinkKeysError::NoPem(format!("a certificate: {error}")))?;
    match all.is_empty() {
        true => Err(LinkKeysError::NoPem("it holds no certificate".to_owned())),
        false => Ok(all),
    }
}

fn unfit(error: impl fmt::Display) -> LinkKeysError {
    LinkKeysError::Unfit(error.to_string())
}

/// The dates of a node's certificate, which others will accept within them: at either end of a
/// link, under its name.
fn dates(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    clients: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<Dates, LinkKeysError> {
    let [own, above @ ..] = chain else {
        return Err(LinkKeysError::NoPem("it holds no certificate".to_owned()));
    };
    let name = ServerName::try_from(CERTIFIED_NAME).map_err(unfit)?;
    let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone());
    let servers = servers.build().map_err(unfit)?;
    let moment = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verify = |at| servers.verify_server_cert(own, above, &name, &[], at);
    // Whoever is asked at either end of time names the dates, before all else.
    let from = match verify(moment(0)) {
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
            not_before, ..
        })) => not_before.as_secs(),
        _ => 0,
    };
    let until = match verify(moment(u64::MAX)) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            not_after.as_secs()
        }
        Err(error) => return Err(unfit(error)),
        Ok(_) => u64::MAX,
    };
    let refused = |error: Error| unfit(format!("the authority vouches for no such node ({error})"));
    // When it is good, or was: others judge that by their clocks.
    let within = moment((now.get() / 1_000).max(from).min(until));
    verify(within).map_err(refused)?;
    clients.verify_client_cert(own, above, within).map_err(refused)?;
    let millis = |seconds: u64| Timestamp(seconds.saturating_mul(1_000));
    Ok(Dates { from: millis(from), until: millis(until) })
}

#[cfg(test)]
mod tests;
