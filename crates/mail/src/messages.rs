//! The messages. A field is what a reader sees; what is money, credits or an instant comes typed and is
//! printed by the same functions as on the pages.

use askama::Template;
use kernel::text::{credits, instant, money};
use kernel::{Credits, Money, Timestamp};

use crate::{Letter, MailError};

/// The first mail: proves that the address is the reader's.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Whose product it is: [`crate::Sender::name`]. The same in every message.
    pub sender: String,
    pub name: String,
    pub verify_url: String,
    pub link_expires_at: Timestamp,
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

/// New work is on hold; what to do about it.
#[derive(Clone, Debug)]
pub struct Held {
    pub sender: String,
    pub name: String,
    /// In plain words, accusing nobody.
    pub why: String,
    /// What lifts it.
    pub step_up: String,
    /// When it ends by itself.
    pub until: Timestamp,
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
    pub until: Timestamp,
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
                    let text = Text { mail: self }.render()? + "\n";
                    let html = Html { mail: self, subject: &subject }.render()?;
                    Ok(Letter { subject, text, html })
                }
            }
        };
    };
}

message!(Welcome, "mail/welcome.txt", "mail/welcome.html");
message!(Receipt, "mail/receipt.txt", "mail/receipt.html");
message!(Expiring, "mail/expiring.txt", "mail/expiring.html");
message!(LowBalance, "mail/low_balance.txt", "mail/low_balance.html");
message!(PasswordReset, "mail/password_reset.txt", "mail/password_reset.html");
message!(KnownAddress, "mail/known_address.txt", "mail/known_address.html");
message!(Problem, "mail/problem.txt", "mail/problem.html");
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

impl Receipt {
    fn subject(&self) -> String {
        format!("Receipt: {} credits for {}", credits(self.credits), money(self.paid))
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

impl Held {
    fn subject(&self) -> String {
        format!("New work on your account at {} is on hold", self.sender)
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
        let what = if self.verdict == "block" { "blocked" } else { "put on hold" };
        format!("{} was {what}: {} credits at stake", self.customer, credits(self.at_risk))
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
mod tests {
    use super::*;

    const PAYLOAD: &str = "<script>alert(\"x\")</script>";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Every message, with `name` wherever text comes from outside.
    fn samples(name: &str) -> Vec<(&'static str, Letter)> {
        let sender = || "Pixel Works".to_owned();
        let name = || name.to_owned();
        let welcome = Welcome {
            sender: sender(),
            name: name(),
            verify_url: "https://credits.example.com/verify?token=3q2-7w".to_owned(),
            link_expires_at: at("2026-03-02T12:00:00Z"),
        };
        let receipt = Receipt {
            sender: sender(),
            name: name(),
            credits: Credits::whole(500),
            paid: Money { amount: 4500, currency: kernel::Currency::USD },
            bought_at: at("2026-03-01T12:00:00Z"),
            expires_at: Some(at("2027-03-01T12:00:00Z")),
            reference: "chk_01hx5zzkbkactav9wevgemmvrz".to_owned(),
            lines: vec![ReceiptLine {
                what: format!("500 credits {}", name()),
                amount: Money { amount: 4500, currency: kernel::Currency::USD },
            }],
            available: Credits::from_micros(512_500_000),
            receipt_url: "https://credits.example.com/activity".to_owned(),
        };
        let expiring = Expiring {
            sender: sender(),
            name: name(),
            credits: Credits::from_micros(120_250_000),
            kind: "purchase".to_owned(),
            expires_at: at("2026-03-08T12:00:00Z"),
            days_left: 7,
            available: Credits::whole(300),
            balance_url: "https://credits.example.com/".to_owned(),
        };
        let low = LowBalance {
            sender: sender(),
            name: name(),
            available: Credits::whole(42),
            last_purchase: Credits::whole(500),
            buy_url: "https://credits.example.com/buy".to_owned(),
        };
        let fact = |label: &str, value: &str, needs_attention| Fact {
            label: label.to_owned(),
            value: value.to_owned(),
            needs_attention,
        };
        let digest = Digest {
            sender: sender(),
            title: "Caught up after 3 hours".to_owned(),
            from: at("2026-03-01T00:00:00Z"),
            until: at("2026-03-02T00:00:00Z"),
            facts: vec![
                fact("Expiries posted", "1,204", false),
                fact("Failed gateway events", "2", true),
                fact(&name(), "0", false),
            ],
            console_url: "https://credits.example.com/console".to_owned(),
        };
        let reset = PasswordReset {
            sender: sender(),
            name: name(),
            reset_url: "https://credits.example.com/reset?token=3q2-7w".to_owned(),
            link_expires_at: at("2026-03-01T13:00:00Z"),
        };
        let known = KnownAddress {
            sender: sender(),
            name: name(),
            sign_in_url: "https://credits.example.com/sign-in".to_owned(),
            forgot_url: "https://credits.example.com/forgot".to_owned(),
        };
        let problem = Problem {
            sender: sender(),
            customer: name(),
            reporter: "ada@example.com".to_owned(),
            receipt: "rct_00t4150gq674qxpb8qnc09gvhpg00000000007h".to_owned(),
            credits: Credits::whole(18),
            text: format!("Both pictures are black. {}", name()),
            console_url: "https://credits.example.com/console/problems".to_owned(),
        };
        let held = Held {
            sender: sender(),
            name: name(),
            why: format!("Your credits were used much faster than usual. {}", name()),
            step_up: "Confirm your mail address on that page.".to_owned(),
            until: at("2026-03-02T12:00:00Z"),
            page_url: "https://credits.example.com/on-hold".to_owned(),
        };
        let released = Released {
            sender: sender(),
            name: name(),
            balance_url: "https://credits.example.com/".to_owned(),
        };
        let answered = Answered {
            sender: sender(),
            name: name(),
            appeal: format!("It was my own batch. {}", name()),
            text: format!("Thank you, we see it now. {}", name()),
            page_url: "https://credits.example.com/on-hold".to_owned(),
        };
        let case = CaseAlert {
            sender: sender(),
            customer: name(),
            verdict: "restrict".to_owned(),
            reasons: vec![format!("About 40 requests follow one template. {}", name())],
            at_risk: Credits::whole(1_200),
            until: at("2026-03-02T12:00:00Z"),
            console_url: "https://credits.example.com/console/risk/cas_1".to_owned(),
        };
        let appeal = Appeal {
            sender: sender(),
            customer: name(),
            from: "ada@example.com".to_owned(),
            text: format!("It was my own batch. {}", name()),
            console_url: "https://credits.example.com/console/risk/cas_1".to_owned(),
        };
        vec![
            ("held", held.letter().unwrap()),
            ("released", released.letter().unwrap()),
            ("answered", answered.letter().unwrap()),
            ("case_alert", case.letter().unwrap()),
            ("appeal", appeal.letter().unwrap()),
            ("password_reset", reset.letter().unwrap()),
            ("known_address", known.letter().unwrap()),
            ("problem", problem.letter().unwrap()),
            ("welcome", welcome.letter().unwrap()),
            ("receipt", receipt.letter().unwrap()),
            ("expiring", expiring.letter().unwrap()),
            ("low_balance", low.letter().unwrap()),
            ("digest", digest.letter().unwrap()),
        ]
    }

    #[test]
    fn every_message_says_the_same_in_text_and_html() {
        for (name, letter) in samples("Ada") {
            assert!(letter.text.contains("Ada") && letter.html.contains("Ada"), "{name}");
            assert!(letter.text.contains("https://credits.example.com/"), "{name}");
            assert!(letter.html.contains("href=\"https://credits.example.com/"), "{name}");
            assert!(letter.html.starts_with("<!doctype html>"), "{name}");
            assert!(!letter.subject.is_empty() && !letter.text.contains('<'), "{name}");
            if let Some(folder) = std::env::var_os("SCRIP_TEST_MAIL_DIR") {
                std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), &letter.html)
                    .unwrap();
                std::fs::write(std::path::Path::new(&folder).join(format!("{name}.txt")), &letter.text)
                    .unwrap();
            }
        }
    }

    #[test]
    fn a_script_in_a_name_is_shown_as_text() {
        for (name, letter) in samples(PAYLOAD) {
            assert!(!letter.html.contains("<script"), "{name}");
            assert!(letter.html.contains("&#60;script&#62;"), "{name}");
            assert!(letter.text.contains(PAYLOAD), "{name}: text is not HTML");
        }
    }

    #[test]
    fn no_mail_loads_anything() {
        for (name, letter) in samples("Ada") {
            for part in ["<img", "src=", "url(", "<link", "@import"] {
                assert!(!letter.html.contains(part), "{name}: {part}");
            }
        }
    }

    #[test]
    fn the_last_day_is_named_as_such() {
        let subject = |days_left| {
            let mail = Expiring {
                sender: String::new(),
                name: String::new(),
                credits: Credits::whole(5),
                kind: String::new(),
                expires_at: Timestamp::EPOCH,
                days_left,
                available: Credits::ZERO,
                balance_url: String::new(),
            };
            mail.subject()
        };
        assert_eq!(subject(1), "5 credits expire within a day");
        assert_eq!(subject(30), "5 credits expire in 30 days");
    }
}
