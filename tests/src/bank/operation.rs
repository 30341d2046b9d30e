use std::ops::AddAssign;

use kernel::Credits;
use serde_json::{Value, json};

use crate::random::SplitMix64;
use crate::wire::Reply;

/// Every second operation is on this wallet.
pub const HOT: usize = 0;
/// Its grants are small, so that refusals happen among the kills.
pub const POOR: usize = 1;
pub const RICH_GRANT: i64 = 1_000_000_000_000;
const POOR_GRANT: i64 = 3_000_000;
const LARGEST_HOLD: i64 = 5_000_000;
const LARGEST_USAGE_TOKENS: i64 = 1_000;
/// `text.generate`, `gpt-4`: 5 credits per 1,000 tokens.
const MICROS_PER_TOKEN: i64 = 5_000;
/// Longer than any run: no hold lapses.
const TTL_SECONDS: i64 = 86_400;

/// One change, exactly as every attempt sends it, and what it must do by the client's own reckoning.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The holder's number.
    pub wallet: usize,
    /// The kind of its journal entry.
    pub kind: &'static str,
    pub key: String,
    pub path: String,
    pub body: String,
    pub effect: Effect,
    /// The hold that it captures or voids.
    pub hold: Option<OpenHold>,
    /// What the answer's id can be used for.
    pub makes: Makes,
}

/// Micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    pub available: i64,
    pub held: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Makes {
    Nothing,
    /// A hold of so many micro-credits.
    Hold(i64),
    /// A charge of so many micro-credits that can be reversed.
    Charge(i64),
}

#[derive(Clone, Debug)]
pub struct OpenHold {
    pub id: String,
    pub wallet: usize,
    pub remaining: i64,
}

#[derive(Clone, Debug)]
pub struct Charge {
    pub id: String,
    pub wallet: usize,
    pub credits: i64,
}

/// An acknowledged operation.
#[derive(Clone, Debug)]
pub struct Record {
    pub operation: Operation,
    /// What every later answer must repeat.
    pub first: Reply,
    /// Attempts before it that had no answer.
    pub unanswered: u32,
}

impl Operation {
    fn new(wallet: usize, kind: &'static str, path: impl Into<String>, body: &Value) -> Operation {
        Operation {
            wallet,
            kind,
            key: String::new(),
            path: path.into(),
            body: body.to_string(),
            effect: Effect::default(),
            hold: None,
            makes: Makes::Nothing,
        }
    }

    pub fn grant(wallet: usize, customer: &str, micros: i64) -> Operation {
        let body = json!({ "customer": customer, "credits": credits(micros), "kind": "promo" });
        let effect = Effect { available: micros, held: 0 };
        Operation { effect, ..Operation::new(wallet, "grant", "/v1/grants", &body) }
    }

    pub fn usage(wallet: usize, customer: &str, tokens: i64) -> Operation {
        let quantities = json!({ "input_tokens": tokens });
        let body = json!({ "customer": customer, "feature": "text.generate", "model": "gpt-4", "quantities": quantities });
        let micros = tokens * MICROS_PER_TOKEN;
        Operation {
            effect: Effect { available: -micros, held: 0 },
            makes: Makes::Charge(micros),
            ..Operation::new(wallet, "debit", "/v1/usage", &body)
        }
    }

    pub fn hold(wallet: usize, customer: &str, micros: i64) -> Operation {
        let body = json!({ "customer": customer, "credits": credits(micros), "ttl_seconds": TTL_SECONDS });
        Operation {
            effect: Effect { available: -micros, held: micros },
            makes: Makes::Hold(micros),
            ..Operation::new(wallet, "hold", "/v1/holds", &body)
        }
    }

    /// At most what remains of the hold.
    pub fn capture(hold: OpenHold, micros: i64, is_final: bool) -> Operation {
        let body = json!({ "credits": credits(micros), "final": is_final });
        let released = if is_final { hold.remaining - micros } else { 0 };
        Operation {
            effect: Effect { available: released, held: -micros - released },
            makes: Makes::Charge(micros),
            hold: Some(OpenHold { remaining: hold.remaining - micros - released, ..hold.clone() }),
            ..Operation::new(hold.wallet, "capture", format!("/v1/holds/{}/capture", hold.id), &body)
        }
    }

    pub fn void(hold: OpenHold) -> Operation {
        Operation {
            effect: Effect { available: hold.remaining, held: -hold.remaining },
            hold: Some(OpenHold { remaining: 0, ..hold.clone() }),
            ..Operation::new(hold.wallet, "void", format!("/v1/holds/{}/void", hold.id), &json!({}))
        }
    }

    pub fn reverse(charge: &Charge) -> Operation {
        let path = format!("/v1/receipts/{}/reverse", charge.id);
        let effect = Effect { available: charge.credits, held: 0 };
        Operation { effect, ..Operation::new(charge.wallet, "reverse", path, &json!({})) }
    }

    pub fn random_grant(random: &mut SplitMix64, wallet: usize, customer: &str) -> Operation {
        let most = if wallet == POOR { POOR_GRANT } else { RICH_GRANT };
        Operation::grant(wallet, customer, random.amount(most))
    }

    pub fn random_usage(random: &mut SplitMix64, wallet: usize, customer: &str) -> Operation {
        Operation::usage(wallet, customer, random.amount(LARGEST_USAGE_TOKENS))
    }

    pub fn random_hold(random: &mut SplitMix64, wallet: usize, customer: &str) -> Operation {
        Operation::hold(wallet, customer, random.amount(LARGEST_HOLD))
    }

    pub fn random_capture(random: &mut SplitMix64, hold: OpenHold) -> Operation {
        let micros = random.amount(hold.remaining);
        let is_final = micros == hold.remaining || random.below(2) == 0;
        Operation::capture(hold, micros, is_final)
    }
}

impl AddAssign for Effect {
    fn add_assign(&mut self, other: Effect) {
        self.available += other.available;
        self.held += other.held;
    }
}

fn credits(micros: i64) -> String {
    Credits::from_micros(micros).to_string()
}
