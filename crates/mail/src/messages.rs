//! The messages. A field is what a reader sees; what is money, credits or an instant comes typed and is
//! printed by the same functions as on the pages.

use askama::Template;
use kernel::text::{credits, instant, money};
use kernel::{Credits, Money, Timestamp};

use crate::fold::{folded, quoted};
use crate::{Letter, MailError};

/// The first mail: proves that the address is the reader's.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Whose product it is: [`crate::Sender::name`]. The same in every message.
    pub sender: String,
    pub verify_url: String,
    pub link_expires_at: Timestamp,
}

/// A link that lifts a hold.
#[derive(Clone, Debug)]
pub struct HoldLink {
    pub sender: String,
    pub name: String,
    pub confirm_url: String,
    pub link_expires_at: Timestamp,
    /// Where a password is changed.
    pub settings_url: String,
}

/// Proof of a purchase, sent once the credits are in the wallet.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub sender: String,
    pub name: String,
    pub credits: Credits,
    pub paid: Money,
    pub bought_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// The number that both sides can name: the purchase's id.
    pub reference: String,
    pub lines: Vec<ReceiptLine>,
    pub available: Credits,
    pub receipt_url: String,
}

/// One line of what was bought.
#[derive(Clone, Debug)]
pub struct ReceiptLine {
    pub what: String,
    pub amount: Money,
}

/// Money was given back, and credits were taken back in return.
#[derive(Clone, Debug)]
pub struct Refunded {
    pub sender: String,
    pub name: String,
    pub amount: Money,
    pub bought_at: Timestamp,
    /// What was taken back, spent or not.
    pub credits: Credits,
    pub available: Credits,
    /// What was spent and is owed now.
    pub debt: Credits,
    /// The purchase's id.
    pub reference: String,
    pub activity_url: String,
}

/// Credits of one lot run out of time.
#[derive(Clone, Debug)]
pub struct Expiring {
    pub sender: String,
    pub name: String,
    pub credits: Credits,
    /// What they came from: `purchase`, `promotion`, …
    pub kind: String,
    pub expires_at: Timestamp,
    /// Whole days left, rounded up.
    pub days_left: i64,
    pub available: Credits,
    pub balance_url: String,
}

/// The wallet is nearly empty.
#[derive(Clone, Debug)]
pub struct LowBalance {
    pub sender: String,
    pub name: String,
    pub available: Credits,
    /// What the last purchase gave.
    pub last_purchase: Credits,
    pub buy_url: String,
}

/// A link to choose a new password.
#[derive(Clone, Debug)]
pub struct PasswordReset {
    pub sender: String,
    pub name: String,
    pub reset_url: String,
    pub link_expires_at: Timestamp,
}

/// To the owner of an address with which somebody wanted to sign up again.
#[derive(Clone, Debug)]
pub struct KnownAddress {
    pub sender: String,
    pub name: String,
    pub sign_in_url: String,
    /// Where a new password is asked for.
    pub forgot_url: String,
}

/// For operators: what a customer reported about a receipt.
#[derive(Clone, Debug)]
pub struct Problem {
    pub sender: String,
    pub customer: String,
    /// Who wrote it.
    pub reporter: String,
    pub receipt: String,
    /// Of the receipt.
    pub credits: Credits,
    pub text: String,
    pub console_url: String,
}

/// What an operator says to a report about a receipt.
#[derive(Clone, Debug)]
pub struct ProblemAnswer {
    pub sender: String,
    pub name: String,
    /// Of the receipt.
    pub credits: Credits,
    /// What the customer wrote.
    pub text: String,
    pub answer: String,
    pub receipt_url: String,
}

/// New work is on hold; what to do about it.
#[derive(Clone, Debug)]
pub struct Held {
    pub sender: String,
    pub name: String,
    /// In plain words, accusing nobody.
    pub why: String,
    /// What lifts it; may speak of "that page", which is `page_url`.
    pub step_up: String,
    /// When it ends by itself; `None` when somebody ends it.
    pub until: Option<Timestamp>,
    pub page_url: String,
}

/// New work is possible again.
#[derive(Clone, Debug)]
pub struct Released {
    pub sender: String,
    pub name: String,
    pub balance_url: String,
}

/// What an operator writes back to a customer on hold.
#[derive(Clone, Debug)]
pub struct Answered {
    pub sender: String,
    pub name: String,
    /// What the customer wrote.
    pub appeal: String,
    pub text: String,
    pub page_url: String,
}

/// For operators: a customer was put on hold, and much is at stake.
#[derive(Clone, Debug)]
pub struct CaseAlert {
    pub sender: String,
    pub customer: String,
    /// `restrict` or `block`.
    pub verdict: String,
    /// Sentences with numbers.
    pub reasons: Vec<String>,
    /// What the customer can still spend.
    pub at_risk: Credits,
    /// When it ends by itself; `None` when somebody ends it.
    pub until: Option<Timestamp>,
    pub console_url: String,
}

/// For operators: a customer on hold has something to say.
#[derive(Clone, Debug)]
pub struct Appeal {
    pub sender: String,
    pub customer: String,
    /// Who wrote it.
    pub from: String,
    pub text: String,
    pub console_url: String,
}

/// What operators should know of a period.
#[derive(Clone, Debug)]
pub struct Digest {
    pub sender: String,
    pub title: String,
    pub from: Timestamp,
    pub until: Timestamp,
    pub facts: Vec<Fact>,
    pub console_url: String,
}

#[derive(Clone, Debug)]
pub struct Fact {
    pub label: String,
    pub value: String,
    /// Somebody should look at it.
    pub needs_attention: bool,
}

/// A message's two templates, and how both become a [`Letter`].
macro_rules! message {
    ($message:ident, $text:literal, $html:literal) => {
        const _: () = {
            #[derive(Template)]
            #[template(path = $text)]
            struct Text<'a> {
                mail: &'a $message,
            }

            #[derive(Template)]
            #[template(path = $html)]
            struct Html<'a> {
                mail: &'a $message,
                subject: &'a str,
            }

            impl $message {
                pub fn letter(&self) -> Result<Letter, MailError> {
                    let subject = self.subject();
                    let text = folded(&Text { mail: self }.render()?);
                    let html = Html { mail: self, subject: &subject }.render()?;
                    Ok(Letter { subject, text, html })
                }
            }
        };
    };
}

message!(Welcome, "mail/welcome.txt", "mail/welcome.html");
message!(HoldLink, "mail/hold_link.txt", "mail/hold_link.html");
message!(Receipt, "mail/receipt.txt", "mail/receipt.html");
message!(Refunded, "mail/refunded.txt", "mail/refunded.html");
message!(Expiring, "mail/expiring.txt", "mail/expiring.html");
message!(LowBalance, "mail/low_balance.txt", "mail/low_balance.html");
message!(PasswordReset, "mail/password_reset.txt", "mail/password_reset.html");
message!(KnownAddress, "mail/known_address.txt", "mail/known_address.html");
message!(Problem, "mail/problem.txt", "mail/problem.html");
message!(ProblemAnswer, "mail/problem_answer.txt", "mail/problem_answer.html");
message!(Held, "mail/held.txt", "mail/held.html");
message!(Released, "mail/released.txt", "mail/released.html");
message!(Answered, "mail/answered.txt", "mail/answered.html");
message!(CaseAlert, "mail/case_alert.txt", "mail/case_alert.html");
message!(Appeal, "mail/appeal.txt", "mail/appeal.html");
message!(Digest, "mail/digest.txt", "mail/digest.html");

impl Welcome {
    fn subject(&self) -> String {
        format!("Open your account at {}", self.sender)
    }
}

impl HoldLink {
    fn subject(&self) -> String {
        format!("Go on at {}: confirm your address", self.sender)
    }
}

impl Receipt {
    fn subject(&self) -> String {
        format!("Receipt: {} credits for {}", credits(self.credits), money(self.paid))
    }
}

impl Refunded {
    fn subject(&self) -> String {
        format!("{} given back", money(self.amount))
    }
}

impl Expiring {
    fn subject(&self) -> String {
        format!("{} credits expire {}", credits(self.credits), self.when())
    }

    fn when(&self) -> String {
        match self.days_left {
            ..=1 => "within a day".to_owned(),
            days => format!("in {days} days"),
        }
    }
}

impl LowBalance {
    fn subject(&self) -> String {
        format!("{} credits left", credits(self.available))
    }
}

impl PasswordReset {
    fn subject(&self) -> String {
        format!("Choose a new password for {}", self.sender)
    }
}

impl KnownAddress {
    fn subject(&self) -> String {
        format!("You already have an account at {}", self.sender)
    }
}

impl Problem {
    fn subject(&self) -> String {
        format!("{} reports a problem with a receipt", self.customer)
    }
}

impl ProblemAnswer {
    fn subject(&self) -> String {
        format!("Our answer about a charge of {} credits", credits(self.credits))
    }
}

impl Held {
    fn subject(&self) -> String {
        format!("New work on your account at {} is on hold", self.sender)
    }

    fn lasts(&self) -> String {
        match self.until {
            Some(until) => format!("until {} at the latest", instant(until)),
            None => "until somebody has looked at it".to_owned(),
        }
    }
}

impl Released {
    fn subject(&self) -> String {
        format!("You can go on at {}", self.sender)
    }
}

impl Answered {
    fn subject(&self) -> String {
        format!("Our answer to what you wrote to {}", self.sender)
    }
}

impl CaseAlert {
    fn subject(&self) -> String {
        format!("{} was {}: {} credits at stake", self.customer, self.what(), credits(self.at_risk))
    }

    fn what(&self) -> &'static str {
        if self.verdict == "block" { "blocked" } else { "put on hold" }
    }

    fn lasts(&self) -> String {
        match self.until {
            Some(until) => format!("until {}", instant(until)),
            None => "until somebody ends it".to_owned(),
        }
    }
}

impl Appeal {
    fn subject(&self) -> String {
        format!("{} is on hold and writes", self.customer)
    }
}

impl Digest {
    fn subject(&self) -> String {
        match self.facts.iter().filter(|fact| fact.needs_attention).count() {
            0 => self.title.clone(),
            1 => format!("{}: 1 matter needs attention", self.title),
            count => format!("{}: {count} matters need attention", self.title),
        }
    }
}

#[cfg(test)]
mod tests;
