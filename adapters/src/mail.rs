//! Notices by mail: one message per attempt over SMTP, with TLS unless the operator says otherwise.
//!
//! A mail leaves the house and stays in mailboxes, so it says how a job ended and nothing of its
//! data: no path, no message of an error, no reason of a gate. Its Message-ID is the name of the
//! delivery; most mailboxes show a mail that comes twice under one ID once.

mod letter;

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use tgs_protocol::{
    limits::NOTICE_ANSWER_MS,
    notification::{Channel, Notice, Receipt, Target, Undelivered, channel::Again},
};
use url::Url;

/// How mail leaves.
pub struct MailSettings {
    /// `smtps://user@host:465` or `smtp://user@host:587`; `?tls=none` at its end sends in clear.
    pub url: String,
    /// Of that user; none where the server asks for none.
    pub password: Option<String>,
    /// Whom it is from: `TabGraphSyn <jobs@example.org>`.
    pub from: String,
    /// Where this server is found, for the link; none where nobody knows.
    pub public_url: Option<String>,
    /// Certificates that are trusted beside those of Mozilla's list.
    pub more_roots: Option<PathBuf>,
}

/// Sends notices to mailboxes.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    public_url: Option<String>,
}

/// Servers of mail that are sent to in clear without a word: this machine's own.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Mail {
    /// Checks the settings; connects to nothing yet.
    ///
    /// # Errors
    /// In words, with the name of the setting.
    pub fn new(settings: &MailSettings) -> Result<Self, String> {
        let url = Url::parse(&settings.url).map_err(|error| {
            format!("read the setting smtp_url: {error}; write smtps://user@host")
        })?;
        let from = settings.from.parse::<Mailbox>().map_err(|error| {
            format!("read the setting mail_from: {error}; write Name <name@example.org>")
        })?;
        let transport = transport(&url, settings)?;
        Ok(Self { transport, from, public_url: settings.public_url.clone() })
    }
}

#[async_trait]
impl Channel for Mail {
    async fn send(&self, notice: &Notice) -> Result<Receipt, Undelivered> {
        let Target::Mail { to } = &notice.target else {
            return Err(never("send a mail: the notice is not for one; please report it".into()));
        };
        let mail = letter::of(notice, to.as_str(), &self.from, self.public_url.as_deref());
        let mail = mail.map_err(|error| never(format!("write the mail: {error}")))?;
        match self.transport.send(mail).await {
            Ok(response) => Ok(Receipt { status: Some(response.code().into()) }),
            Err(error) => {
                let again = if error.is_permanent() { Again::Never } else { Again::Later(None) };
                let status = error.status().map(Into::into);
                Err(Undelivered { status, why: told(&error), again })
            }
        }
    }
}

fn transport(
    url: &Url,
    settings: &MailSettings,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let refuse = |why: &str| Err(format!("read the setting smtp_url: {why}"));
    let Some(host) = url.host_str() else { return refuse("it names no host") };
    if url.password().is_some() {
        return refuse(
            "it holds a password, which `tgs config` would show; put it in TGS_SMTP_PASSWORD or \
             in the file that smtp_password_file names",
        );
    }
    let is_clear = match url.query() {
        None | Some("tls=required") => false,
        Some("tls=none") => true,
        Some(other) => {
            return refuse(&format!("`{other}` is not known; write tls=none or nothing"));
        }
    };
    let credentials = credentials(url, settings)?;
    if is_clear && credentials.is_some() && !LOCAL_HOSTS.contains(&host) {
        return refuse("a password would go in clear; leave tls=none out");
    }
    let (usual_port, tls) = match (url.scheme(), is_clear) {
        ("smtps", false) => (465, Tls::Wrapper(tls(host, settings)?)),
        ("smtp", false) => (587, Tls::Required(tls(host, settings)?)),
        ("smtp", true) => (25, Tls::None),
        ("smtps", true) => return refuse("smtps without TLS is none; write smtp"),
        _ => return refuse("write smtps://user@host or smtp://user@host"),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(url.port().unwrap_or(usual_port))
        .tls(tls)
        .timeout(Some(Duration::from_millis(NOTICE_ANSWER_MS)));
    if let Some(credentials) = credentials {
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

fn credentials(url: &Url, settings: &MailSettings) -> Result<Option<Credentials>, String> {
    match (url.username(), &settings.password) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err("read the setting smtp_url: there is a password and no user; write \
                 smtps://user@host"
            .to_owned()),
        (_, None) => Err("read the setting smtp_url: it names a user without a password; put it \
                          in TGS_SMTP_PASSWORD or in the file that smtp_password_file names"
            .to_owned()),
        (user, Some(password)) => {
            // A user may be a mailbox itself: `jobs%40example.org`.
            let user =
                url::form_urlencoded::parse(format!("u={}", user.replace('+', "%2B")).as_bytes())
                    .next()
                    .map(|(_, user)| user.into_owned())
                    .unwrap_or_default();
            Ok(Some(Credentials::new(user, password.clone())))
        }
    }
}

fn tls(host: &str, settings: &MailSettings) -> Result<TlsParameters, String> {
    let mut parameters = TlsParameters::builder(host.trim_matches(['[', ']']).to_owned());
    if let Some(file) = &settings.more_roots {
        let pem = std::fs::read(file).map_err(|error| {
            format!("read certificates from {}: {error}; name a PEM file", file.display())
        })?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| {
            format!("read certificates from {}: {error}; name a PEM file", file.display())
        })?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build().map_err(|error| format!("make TLS ready for mail: {error}"))
}

fn told(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut deeper = error.source();
    while let Some(cause) = deeper {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            said = format!("{said}: {cause_said}");
        }
        deeper = cause.source();
    }
    said
}

fn never(why: String) -> Undelivered {
    Undelivered { status: None, why, again: Again::Never }
}

#[cfg(test)]
mod tests;
