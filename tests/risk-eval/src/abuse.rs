//! A set of accounts, payments and usage events with labels, replayed in the order in which things became known.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;

use chrono::DateTime;
use flate2::read::GzDecoder;
use risk::signal::{Address, Mail, Millis, Opinion, Payment, PaymentKind, SignUp, Signal, Use, What};
use risk::text::{Print, short_hash};
use serde::Deserialize;

pub struct Set {
    pub accounts: Vec<Account>,
    /// In the order in which they became known.
    pub signals: Vec<Signal>,
}

pub struct Account {
    pub id: String,
    pub is_abuse: bool,
    pub archetype: String,
    pub first_abuse_at: Option<Millis>,
}

#[derive(Deserialize)]
pub struct AccountRow {
    pub account_id: String,
    pub plan: String,
    pub created_at: String,
    pub monthly_credits: u32,
    pub email_class: String,
    pub signup_ip: IpAddr,
}

#[derive(Deserialize)]
struct LabelRow {
    account_id: String,
    is_abuse: u8,
    archetype: String,
    first_abuse_at: String,
}

#[derive(Deserialize)]
struct PaymentRow {
    account_id: String,
    occurred_at: String,
    kind: String,
    credits: u32,
    status: String,
    card_fingerprint: String,
    card_country_matches_ip: String,
}

#[derive(Deserialize)]
struct EventRow<'a> {
    event_id: &'a str,
    account_id: &'a str,
    occurred_at: &'a str,
    feature: &'a str,
    model: &'a str,
    units: Units,
    credits: f32,
    #[serde(borrow)]
    prompt: std::borrow::Cow<'a, str>,
    ip: IpAddr,
    #[serde(borrow)]
    user_agent: std::borrow::Cow<'a, str>,
    downloaded_at: Option<&'a str>,
}

/// The parameters of a request. Tokens follow from the prompt and the answer, so they are none.
#[derive(Deserialize)]
struct Units {
    images: Option<u32>,
    width: Option<u32>,
    height: Option<u32>,
    steps: Option<u32>,
}

/// What happens at one instant happens in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    SignUp,
    Payment,
    Fetch,
    Use,
}

impl Set {
    pub fn open(folder: &Path) -> Result<Set, String> {
        let accounts: Vec<Account> = rows::<LabelRow>(folder, "labels.csv")?
            .into_iter()
            .map(|row| {
                let first_abuse_at =
                    (!row.first_abuse_at.is_empty()).then(|| millis(&row.first_abuse_at)).transpose()?;
                Ok(Account {
                    id: row.account_id,
                    is_abuse: row.is_abuse == 1,
                    archetype: row.archetype,
                    first_abuse_at,
                })
            })
            .collect::<Result<_, String>>()?;
        let positions: HashMap<String, u128> = (0..).zip(&accounts).map(|(i, a)| (a.id.clone(), i)).collect();
        let wallet = |id: &str| positions.get(id).copied().ok_or_else(|| format!("{id} has no label"));

        let mut signals: Vec<(Millis, Order, usize, Signal)> = Vec::new();
        let mut push = |order: Order, signal: Signal| {
            let number = signals.len();
            signals.push((signal.at, order, number, signal));
        };
        for row in rows::<AccountRow>(folder, "accounts.csv")? {
            let (wallet, at, sign_up) = (wallet(&row.account_id)?, millis(&row.created_at)?, row.sign_up()?);
            push(Order::SignUp, Signal { wallet, at, what: What::SignedUp(sign_up) });
        }
        for row in rows::<PaymentRow>(folder, "payments.csv")? {
            let (wallet, at) = (wallet(&row.account_id)?, millis(&row.occurred_at)?);
            push(Order::Payment, Signal { wallet, at, what: What::Paid(row.payment()) });
        }
        let file = std::fs::File::open(folder.join("events.jsonl.gz"))
            .map_err(|e| format!("events.jsonl.gz: {e}"))?;
        for line in BufReader::new(GzDecoder::new(file)).lines() {
            let line = line.map_err(|e| format!("events.jsonl.gz: {e}"))?;
            let row: EventRow = serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))?;
            let wallet = wallet(row.account_id)?;
            let used = row.used();
            push(Order::Use, Signal { wallet, at: millis(row.occurred_at)?, what: What::Used(used) });
            if let Some(at) = row.downloaded_at {
                push(
                    Order::Fetch,
                    Signal { wallet, at: millis(at)?, what: What::Fetched { output: used.output } },
                );
            }
        }
        signals.sort_by_key(|(at, order, number, _)| (*at, *order, *number));
        Ok(Set { accounts, signals: signals.into_iter().map(|(_, _, _, signal)| signal).collect() })
    }
}

impl Set {
    /// As a running installation hears of sign-ups: the first use tells where from, and what a period brings tells the
    /// plan. A trial's credits are known, because they are granted as such.
    pub fn forget_sign_ups(&mut self) {
        for signal in &mut self.signals {
            if let What::SignedUp(sign_up) = &mut signal.what {
                sign_up.address = Address::UNKNOWN;
                if !sign_up.is_trial {
                    sign_up.allotment = 0;
                }
            }
        }
    }
}

impl AccountRow {
    fn sign_up(&self) -> Result<SignUp, String> {
        Ok(SignUp {
            signed_up_at: millis(&self.created_at)?,
            address: Address::of(self.signup_ip),
            mail: match self.email_class.as_str() {
                "corporate" => Mail::Corporate,
                "freemail" => Mail::Free,
                "relay" => Mail::Relay,
                "disposable" => Mail::Disposable,
                _ => Mail::Unknown,
            },
            is_trial: self.plan == "trial",
            allotment: self.monthly_credits,
        })
    }
}

impl PaymentRow {
    fn payment(&self) -> Payment {
        Payment {
            kind: if self.kind == "subscription" { PaymentKind::Subscription } else { PaymentKind::Pack },
            succeeded: self.status == "succeeded",
            card: short_hash(self.card_fingerprint.as_bytes()),
            country_matches: self.card_country_matches_ip != "0",
            opinion: Opinion::Normal,
            credits: self.credits,
        }
    }
}

impl EventRow<'_> {
    fn used(&self) -> Use {
        let Units { images, width, height, steps } = self.units;
        let parameters = format!("{} {} {images:?} {width:?} {height:?} {steps:?}", self.feature, self.model);
        Use {
            output: short_hash(self.event_id.as_bytes()),
            credits: self.credits,
            print: Print::of(&self.prompt),
            parameters: short_hash(parameters.as_bytes()),
            address: Address::of(self.ip),
            agent: short_hash(self.user_agent.as_bytes()),
        }
    }
}

pub fn rows<T: for<'a> Deserialize<'a>>(folder: &Path, name: &str) -> Result<Vec<T>, String> {
    let mut reader = csv::Reader::from_path(folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    reader.deserialize().map(|row| row.map_err(|e| format!("{name}: {e}"))).collect()
}

pub fn millis(text: &str) -> Result<Millis, String> {
    DateTime::parse_from_rfc3339(text).map(|t| t.timestamp_millis()).map_err(|e| format!("{text}: {e}"))
}
