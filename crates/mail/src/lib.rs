//! Mails: one struct and two templates (text and HTML) a message, and the ways they leave the house.
//!
//! Data is passed in; this crate knows neither the database nor the clock. A [`Letter`] is a rendered
//! message, a [`Mail`] is a letter with its id, sender and recipient, a [`Transport`] sends it.

mod error;
mod fold;
mod letter;
mod messages;
mod transport;

pub use error::MailError;
pub use letter::{Letter, Mail, Sender, check_recipient};
pub use messages::{
    Answered, Appeal, CaseAlert, Digest, Expiring, Fact, Held, HoldLink, KnownAddress, LowBalance,
    PasswordReset, Problem, ProblemAnswer, Receipt, ReceiptLine, Refunded, Released, Welcome,
};
pub use transport::Transport;
