//! The ways on which notices leave, from the settings.

use std::{path::PathBuf, sync::Arc};

use tgs_actors::Channels;
use tgs_adapters::{
    mail::{Mail, MailSettings},
    webhook::{Webhook, address::Reach},
};
use tgs_protocol::{code::Code, notification::Channel};

use crate::{configuration::Settings, failure::Failure, secret};

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
        password: secret::of("mail", PASSWORD_VARIABLE, &settings.smtp_password_file)?,
        from: settings.mail_from.clone(),
        public_url: Some(settings.public_url.clone()).filter(|url| !url.is_empty()),
        more_roots: roots(settings),
    });
    Ok(Some(Arc::new(mail.map_err(refused)?)))
}

fn roots(settings: &Settings) -> Option<PathBuf> {
    Some(&settings.notify_ca).filter(|file| !file.is_empty()).map(PathBuf::from)
}

fn refused(message: String) -> Failure {
    Failure::new(Code::BadRequest, message)
}
