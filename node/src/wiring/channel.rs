//! The ways on which notices leave, from the settings.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tgs_actors::Channels;
use tgs_adapters::{
    mail::{Mail, MailSettings},
    webhook::{Webhook, address::Reach},
};
use tgs_protocol::{code::Code, notification::Channel};

use crate::{configuration::Settings, failure::Failure};

/// Holds the password of the server of mail. It is no setting: `tgs config` shows those.
const PASSWORD_VARIABLE: &str = "TGS_SMTP_PASSWORD";

/// Webhooks always, mail where a server of it is set.
pub fn all(settings: &Settings) -> Result<Channels, Failure> {
    let reach = if settings.notify_private { Reach::Private } else { Reach::Public };
    let webhook = Webhook::new(reach, roots(settings).as_deref()).map_err(refused)?;
    Ok(Channels { webhook: Arc::new(webhook), mail: mail(settings)? })
}

fn mail(settings: &Settings) -> Result<Option<Arc<dyn Channel>>, Failure> {
    if settings.smtp_url.is_empty() {
        return Ok(None);
    }
    let mail = Mail::new(&MailSettings {
        url: settings.smtp_url.clone(),
        password: password(settings)?,
        from: settings.mail_from.clone(),
        public_url: Some(settings.public_url.clone()).filter(|url| !url.is_empty()),
        more_roots: roots(settings),
    });
    Ok(Some(Arc::new(mail.map_err(refused)?)))
}

fn password(settings: &Settings) -> Result<Option<String>, Failure> {
    if let Ok(password) = env::var(PASSWORD_VARIABLE) {
        return Ok(Some(password));
    }
    if settings.smtp_password_file.is_empty() {
        return Ok(None);
    }
    let file = Path::new(&settings.smtp_password_file);
    let text = fs::read_to_string(file).map_err(|error| {
        refused(format!(
            "read the password of mail from {}: {error}; check the setting smtp_password_file",
            file.display()
        ))
    })?;
    Ok(text.lines().next().map(str::to_owned))
}

fn roots(settings: &Settings) -> Option<PathBuf> {
    Some(&settings.notify_ca).filter(|file| !file.is_empty()).map(PathBuf::from)
}

fn refused(message: String) -> Failure {
    Failure::new(Code::BadRequest, message)
}
