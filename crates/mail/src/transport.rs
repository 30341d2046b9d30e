use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport, Tokio1Executor};

use crate::{Mail, MailError, Sender};

/// How long one SMTP conversation may take.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);

/// The ways a mail leaves.
#[derive(Clone, Debug)]
pub enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// Writes one `.eml` file a mail, named by its id: for development.
    Folder(PathBuf),
    /// Keeps what was sent: for tests.
    Memory(Arc<Mutex<Vec<Mail>>>),
}

impl Transport {
    /// `smtps://USER:PASSWORD@HOST[:PORT]`, `smtp://HOST[:PORT]?tls=required`, `smtp://HOST:PORT`.
    pub fn smtp(url: &str) -> Result<Transport, MailError> {
        let smtp = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(MailError::BadUrl)?;
        Ok(Transport::Smtp(smtp.timeout(Some(SMTP_TIMEOUT)).build()))
    }

    pub fn memory() -> (Transport, Arc<Mutex<Vec<Mail>>>) {
        let sent = Arc::default();
        (Transport::Memory(Arc::clone(&sent)), sent)
    }

    pub async fn send(&self, sender: &Sender, mail: &Mail) -> Result<(), MailError> {
        let message = mail.message(sender)?;
        match self {
            Transport::Smtp(smtp) => smtp.send(message).await.map(|_| ()).map_err(refused),
            Transport::Folder(folder) => {
                tokio::fs::create_dir_all(folder).await?;
                let file = folder.join(format!("{}.eml", mail.id.hyphenated()));
                Ok(tokio::fs::write(file, message.formatted()).await?)
            }
            Transport::Memory(sent) => {
                sent.lock().unwrap_or_else(PoisonError::into_inner).push(mail.clone());
                Ok(())
            }
        }
    }
}

fn refused(error: lettre::transport::smtp::Error) -> MailError {
    if error.is_permanent() { MailError::Refused(error) } else { MailError::Smtp(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_no_mail_server_is_refused() {
        for url in ["", "http://example.com", "mail.example.com"] {
            assert!(matches!(Transport::smtp(url), Err(MailError::BadUrl(_))), "{url}");
        }
    }
}
