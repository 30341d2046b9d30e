use std::str::FromStr;
use std::time::{Duration, SystemTime};

use kernel::Timestamp;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use uuid::Uuid;

use crate::MailError;

/// Longer subjects are cut; no message of ours comes near.
const SUBJECT_MAX_CHARS: usize = 200;

/// A rendered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A letter on its way. Sent twice, it is the same mail: `id` makes its Message-ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub id: Uuid,
    /// A bare address.
    pub recipient: String,
    pub letter: Letter,
    pub created_at: Timestamp,
}

/// Who mails come from: an address, or a name and an address as in `Scrip <no-reply@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// The name that a reader sees; the address's domain when there is none.
    pub fn name(&self) -> &str {
        self.0.name.as_deref().unwrap_or_else(|| self.0.email.domain())
    }

    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl Default for Sender {
    /// For development: mail that says so leaves no house.
    fn default() -> Sender {
        let localhost = Address::new_dangerous("scrip", "localhost");
        Sender(Mailbox::new(Some("Scrip".to_owned()), localhost))
    }
}

impl FromStr for Sender {
    type Err = MailError;

    fn from_str(text: &str) -> Result<Sender, MailError> {
        if text.chars().any(breaks_a_line) {
            return Err(MailError::NotAnAddress(text.to_owned()));
        }
        text.parse().map(Sender).map_err(|_| MailError::NotAnAddress(text.to_owned()))
    }
}

/// Whether a mail server could take this address: one bare address, nothing around it.
pub fn check_recipient(address: &str) -> Result<(), MailError> {
    parse(address).map(|_| ())
}

impl Mail {
    /// The mail as it goes over the wire. Text that came from outside stands in the subject (encoded,
    /// on one line) and in the bodies, in no other header.
    pub(crate) fn message(&self, sender: &Sender) -> Result<Message, MailError> {
        let letter = &self.letter;
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        let micros = u64::try_from(self.created_at.micros()).unwrap_or(0);
        let message = Message::builder()
            .from(sender.0.clone())
            .to(Mailbox::new(None, parse(&self.recipient)?))
            .subject(one_line(&letter.subject))
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            .message_id(Some(format!("<{}@{}>", self.id.hyphenated(), sender.domain())))
            .raw_header(HeaderValue::new(auto, "auto-generated".to_owned()));
        let body = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
        Ok(message.multipart(body)?)
    }
}

fn parse(address: &str) -> Result<Address, MailError> {
    address.parse().map_err(|_| MailError::NotAnAddress(address.to_owned()))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if breaks_a_line(c) { ' ' } else { c }).take(SUBJECT_MAX_CHARS).collect()
}

fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(recipient: &str, subject: &str) -> Mail {
        let letter =
            Letter { subject: subject.to_owned(), text: "Hi".to_owned(), html: "<p>Hi</p>".to_owned() };
        let id = Uuid::from_u128(7);
        Mail { id, recipient: recipient.to_owned(), letter, created_at: Timestamp::EPOCH }
    }

    fn headers(mail: &Mail) -> String {
        let sender: Sender = "Scrip <no-reply@example.com>".parse().unwrap();
        let raw = String::from_utf8(mail.message(&sender).unwrap().formatted()).unwrap();
        raw.split_once("\r\n\r\n").unwrap().0.to_owned()
    }

    #[test]
    fn a_mail_has_a_stable_id_and_says_that_a_machine_wrote_it() {
        let headers = headers(&mail("ada@example.com", "500 credits"));
        for line in [
            "From: Scrip <no-reply@example.com>",
            "To: ada@example.com",
            "Subject: 500 credits",
            "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>",
            "Auto-Submitted: auto-generated",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000",
        ] {
            assert!(headers.lines().any(|l| l == line), "{line} is not in\n{headers}");
        }
    }

    #[test]
    fn nothing_from_outside_makes_a_header() {
        for break_ in ["\r\n", "\n", "\r", "\u{2028}", "\u{85}", "\0"] {
            let headers = headers(&mail("ada@example.com", &format!("Hi{break_}Bcc: eve@example.com")));
            assert!(!headers.lines().any(|l| l.starts_with("Bcc:")), "{headers}");
            let recipient = format!("ada@example.com{break_}Bcc: eve@example.com");
            assert!(check_recipient(&recipient).is_err(), "{recipient:?}");
            assert!(format!("x{break_} <a@example.com>").parse::<Sender>().is_err());
        }
        for two in ["ada@example.com, eve@example.com", "Ada <ada@example.com>", "", "ada"] {
            assert!(check_recipient(two).is_err(), "{two:?}");
        }
    }

    #[test]
    fn a_sender_without_a_name_shows_its_domain() {
        assert_eq!("a@example.com".parse::<Sender>().unwrap().name(), "example.com");
        assert_eq!("Pixel <a@example.com>".parse::<Sender>().unwrap().name(), "Pixel");
    }
}
