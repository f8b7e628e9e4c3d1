//! Where notices go: an address of the web with secrets that sign, or a mailbox.
//!
//! Only the form is checked here. Whether a name leads to a machine that may be reached is checked
//! for every attempt anew, by whoever connects.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    code::Code,
    limits::{MAIL_ADDRESS_BYTES_MAX, NOTICE_URL_BYTES_MAX, SIGNING_KEY_BYTES, SIGNING_KEYS_MAX},
    refusal::Refusal,
    unit::Timestamp,
};

/// Where the notices of a subscription go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "snake_case")]
pub enum Target {
    /// A POST, signed.
    Webhook {
        /// To this address.
        url: WebhookUrl,
        /// By each of these that is in force; the newest first.
        keys: Vec<SigningKey>,
    },
    /// A mail.
    Mail {
        /// To this mailbox.
        to: MailAddress,
    },
}

impl Target {
    /// One word: `webhook`, `mail`.
    pub const fn channel(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Mail { .. } => "mail",
        }
    }

    /// Secrets that sign at this time, the newest first.
    pub fn secrets(&self, now: Timestamp) -> Vec<&SigningSecret> {
        let Self::Webhook { keys, .. } = self else { return Vec::new() };
        let in_force = keys.iter().filter(|key| key.until.is_none_or(|until| now < until));
        in_force.map(|key| &key.secret).collect()
    }

    /// Signs with a fresh secret from now on, and with the ones before it until `until`.
    pub fn sign_with(&mut self, secret: SigningSecret, until: Timestamp) {
        if let Self::Webhook { keys, .. } = self {
            for key in &mut *keys {
                key.until = Some(key.until.map_or(until, |sooner| sooner.min(until)));
            }
            keys.insert(0, SigningKey { secret, until: None });
            keys.truncate(SIGNING_KEYS_MAX);
        }
    }
}

/// A secret and how long it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// The secret.
    pub secret: SigningSecret,
    /// From then on it signs no more; none while no newer one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An address of the web: http or https, without a name and password in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// The address, taken apart.
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for WebhookUrl {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str| {
            let message = format!(
                "cannot send webhooks to {text:?}: {why}; name an address such as \
                 https://example.org/hook"
            );
            Err(Refusal::new(Code::BadRequest, message))
        };
        if text.len() > NOTICE_URL_BYTES_MAX {
            return refuse(&format!("it has more than {NOTICE_URL_BYTES_MAX} bytes"));
        }
        match Url::parse(text) {
            Err(error) => refuse(&error.to_string()),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => refuse("it is not of the web"),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                refuse("it holds a name or a password, which logs would show")
            }
            Ok(url) if url.fragment().is_some() => refuse("a part after # is never sent"),
            Ok(url) if url.port() == Some(0) => refuse("nobody listens on port 0"),
            Ok(url) => Ok(Self(url)),
        }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> Self {
        url.0.into()
    }
}

/// A secret that signs, as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SigningSecret(String);

const SECRET_PREFIX: &str = "whsec_";

impl SigningSecret {
    /// Of these bytes.
    ///
    /// # Errors
    /// `BadRequest` if they are too few to be safe or more than others take.
    pub fn of_key(key: &[u8]) -> Result<Self, Refusal> {
        Self::check(format!("{SECRET_PREFIX}{}", STANDARD.encode(key)))
    }

    /// As it is shown to the one who must verify.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes that sign.
    pub fn key(&self) -> Vec<u8> {
        STANDARD.decode(&self.0[SECRET_PREFIX.len()..]).unwrap_or_default()
    }

    fn check(text: String) -> Result<Self, Refusal> {
        let encoded = text.strip_prefix(SECRET_PREFIX);
        let key = encoded.and_then(|it| STANDARD.decode(it).ok());
        if key.is_some_and(|key| SIGNING_KEY_BYTES.contains(&key.len())) {
            return Ok(Self(text));
        }
        let (least, most) = (SIGNING_KEY_BYTES.start(), SIGNING_KEY_BYTES.end());
        let message = format!(
            "cannot sign with this secret: send {SECRET_PREFIX} and {least} to {most} bytes in \
             base64, or none and one is made"
        );
        Err(Refusal::new(Code::BadRequest, message))
    }
}

/// Shown nowhere: what prints a subscription must not print its secret.
impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_…")
    }
}

impl TryFrom<String> for SigningSecret {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::check(text)
    }
}

impl From<SigningSecret> for String {
    fn from(secret: SigningSecret) -> Self {
        secret.0
    }
}

/// A mailbox: `name@example.org`. Quoted names and comments are refused; nothing of it can end a
/// line or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailAddress(String);

impl MailAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailAddress {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let is_named =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
        let is_hosted = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_dotted = |text: &str, is_fine: &dyn Fn(u8) -> bool| {
            text.split('.').all(|part| !part.is_empty() && part.bytes().all(is_fine))
        };
        let is_address = text
            .split_once('@')
            .is_some_and(|(name, host)| is_dotted(name, &is_named) && is_dotted(host, &is_hosted));
        if is_address && text.len() <= MAIL_ADDRESS_BYTES_MAX {
            return Ok(Self(text.to_owned()));
        }
        let message = format!("cannot send mail to {text:?}: name a mailbox as name@example.org");
        Err(Refusal::new(Code::BadRequest, message))
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MailAddress {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<MailAddress> for String {
    fn from(address: MailAddress) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fill: u8) -> SigningSecret {
        SigningSecret::of_key(&[fill; 32]).expect("a secret")
    }

    #[test]
    fn only_plain_addresses_of_the_web_are_taken() {
        let long = format!("https://example.org/{}", "x".repeat(NOTICE_URL_BYTES_MAX));
        for (text, is_fine) in [
            ("https://example.org/hook?a=1", true),
            ("http://10.0.0.7:8080", true),
            ("http://[::1]/", true),
            ("ftp://example.org", false),
            ("example.org/hook", false),
            ("https://user:pass@example.org/", false),
            ("https://user@example.org/", false),
            ("https://example.org/#part", false),
            ("https://", false),
            ("http://a:0/", false),
            ("", false),
            (&long, false),
        ] {
            let parsed = text.parse::<WebhookUrl>();
            assert_eq!(parsed.is_ok(), is_fine, "{text:?}");
            if let Ok(url) = parsed {
                let json = serde_json::to_value(&url).expect("is written");
                assert_eq!(serde_json::from_value::<WebhookUrl>(json).expect("is read"), url);
            }
        }
    }

    #[test]
    fn a_mailbox_cannot_smuggle_headers() {
        for (text, is_fine) in [
            ("ada@example.org", true),
            ("ada.b+jobs@mail.example.org", true),
            ("root@localhost", true),
            ("ada@", false),
            ("@example.org", false),
            ("ada", false),
            ("a@b@c", false),
            ("ada..b@example.org", false),
            ("ada@example.org\r\nBcc: eve@example.org", false),
            ("ada@example.org,eve@example.org", false),
            ("Ada <ada@example.org>", false),
            ("\"a b\"@example.org", false),
            ("ädä@example.org", false),
        ] {
            assert_eq!(text.parse::<MailAddress>().is_ok(), is_fine, "{text:?}");
        }
    }

    #[test]
    fn secrets_have_a_length_and_are_not_printed() {
        for (length, is_fine) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            let made = SigningSecret::of_key(&vec![7; length]);
            assert_eq!(made.is_ok(), is_fine, "{length}");
        }
        let secret = secret(7);
        assert_eq!(secret.key(), [7; 32]);
        let keys = vec![SigningKey { secret: secret.clone(), until: None }];
        let url = "https://example.org".parse().expect("an address");
        let printed = format!("{:?}", Target::Webhook { url, keys });
        assert!(!printed.contains(&secret.as_str()[6..]), "{printed}");
        for text in ["", "whsec_", "whsec_!!", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"] {
            assert!(serde_json::from_value::<SigningSecret>(text.into()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_that_was_replaced_signs_for_a_while() {
        let url = "https://example.org".parse().expect("an address");
        let keys = vec![SigningKey { secret: secret(0), until: None }];
        let mut target = Target::Webhook { url, keys };
        target.sign_with(secret(1), Timestamp(100));
        assert_eq!(target.secrets(Timestamp(99)), [&secret(1), &secret(0)]);
        assert_eq!(target.secrets(Timestamp(100)), [&secret(1)]);
        for fill in 2..9 {
            target.sign_with(secret(fill), Timestamp(200));
        }
        let signing = target.secrets(Timestamp(99));
        assert_eq!(signing.len(), SIGNING_KEYS_MAX);
        assert_eq!(signing[0], &secret(8));
    }
}
