/// Why a mail was not made or not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("{0:?} is not a mail address")]
    NotAnAddress(String),
    #[error("the SMTP URL is not usable; write smtps://USER:PASSWORD@HOST or smtp://HOST:PORT")]
    BadUrl(#[source] lettre::transport::smtp::Error),
    #[error("the template failed")]
    Template(#[from] askama::Error),
    #[error("the mail could not be put together")]
    Unbuildable(#[from] lettre::error::Error),
    /// The server will not take this mail, however often it is tried.
    #[error("the mail server refused it for good")]
    Refused(#[source] lettre::transport::smtp::Error),
    /// The same mail may pass later.
    #[error("the mail server did not take it")]
    Smtp(#[source] lettre::transport::smtp::Error),
    #[error("the mail could not be written to its folder")]
    Folder(#[from] std::io::Error),
}

impl MailError {
    /// Whether another try has a chance.
    pub fn is_final(&self) -> bool {
        !matches!(self, MailError::Smtp(_) | MailError::Folder(_))
    }
}
