use std::ops::AddAssign;

use kernel::{Credits, Timestamp};
use serde_json::{Value, json};

use crate::linear::What;
use crate::random::SplitMix64;
use crate::wire::Reply;

/// Every fifth operation is on this wallet.
pub const HOT: usize = 0;
/// Its grants are small and it is put on hold now and then, so that refusals happen among the faults.
pub const POOR: usize = 1;
/// The wallets from here on also have lots that expire and holds that lapse. In the others only clients
/// move credits, so that their histories can be judged.
pub const FIRST_TIMED: usize = 2;
pub const RICH_GRANT: i64 = 1_000_000_000_000;
const POOR_GRANT: i64 = 3_000_000;
const LARGEST_HOLD: i64 = 5_000_000;
const LARGEST_USAGE_TOKENS: i64 = 1_000;
/// `text.generate`, `gpt-4`: 5 credits per 1,000 tokens.
const MICROS_PER_TOKEN: i64 = 5_000;
/// Longer than any run: such a hold does not lapse.
const LONG_TTL_SECONDS: i64 = 86_400;
pub const LONGEST_SHORT_TTL_SECONDS: i64 = 2;
const LONGEST_LOT_SECONDS: i64 = 3;
/// Before the lots of everybody else, and after them (rules.md, "Grants": 50 is the default).
const BURNS_FIRST: i16 = 10;
const BURNS_LAST: i16 = 90;

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
    pub due: Due,
    /// Of a batch, whose own `kind` and `effect` say nothing.
    pub items: Vec<Operation>,
}

/// Micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Effect {
    pub available: i64,
    pub held: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Makes {
    Nothing,
    /// A hold of so many micro-credits.
    Hold(i64),
    /// A hold of so many micro-credits that nobody touches before it lapses.
    ShortHold(i64),
    /// A charge of so many micro-credits that can be reversed.
    Charge(i64),
}

/// What time must do with it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Nothing,
    /// The hold gives back so many micro-credits, once.
    Lapse(i64),
    /// All of the lot expires, once.
    ExpiryOfAll(i64),
    /// What is left of the lot expires: at most so many micro-credits.
    ExpiryOfRest(i64),
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
            due: Due::Nothing,
            items: Vec::new(),
        }
    }

    pub fn grant(wallet: usize, customer: &str, micros: i64) -> Operation {
        let body = json!({ "customer": customer, "credits": credits(micros), "kind": "promo" });
        let effect = Effect { available: micros, held: 0 };
        Operation { effect, ..Operation::new(wallet, "grant", "/v1/grants", &body) }
    }

    /// A lot that expires whole, because it burns after everybody else's, or what is left of one that
    /// burns first. The wallet is never short.
    fn expiring_grant(
        wallet: usize,
        customer: &str,
        micros: i64,
        burns_last: bool,
        at: Timestamp,
    ) -> Operation {
        let priority = if burns_last { BURNS_LAST } else { BURNS_FIRST };
        let body = json!({
            "customer": customer, "credits": credits(micros), "kind": "promo",
            "priority": priority, "expires_at": at.to_string(),
        });
        Operation {
            effect: Effect { available: micros, held: 0 },
            due: if burns_last { Due::ExpiryOfAll(micros) } else { Due::ExpiryOfRest(micros) },
            ..Operation::new(wallet, "grant", "/v1/grants", &body)
        }
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

    /// Many debits in one call; each is written down by itself.
    pub fn batch(items: Vec<Operation>) -> Operation {
        let bodies: Vec<&str> = items.iter().map(|item| item.body.as_str()).collect();
        let body = format!(r#"{{"items": [{}]}}"#, bodies.join(","));
        let first = items.first().map_or(0, |item| item.wallet);
        Operation { body, items, ..Operation::new(first, "batch", "/v1/usage/batch", &json!({})) }
    }

    fn hold(wallet: usize, customer: &str, micros: i64, ttl_seconds: i64) -> Operation {
        let body = json!({ "customer": customer, "credits": credits(micros), "ttl_seconds": ttl_seconds });
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

    /// After its lapse a capture is a debit (rules.md, "Holds").
    pub fn late_capture(hold: OpenHold, micros: i64) -> Operation {
        Operation {
            effect: Effect { available: -micros, held: 0 },
            ..Operation::capture(OpenHold { remaining: micros, ..hold }, micros, true)
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

    /// Until it is released.
    pub fn restrict(wallet: usize, customer: &str) -> Operation {
        let path = format!("/v1/customers/{customer}/restrict");
        Operation::new(wallet, "restrict", path, &json!({ "reason": "the bank looks at it" }))
    }

    pub fn release(wallet: usize, customer: &str) -> Operation {
        let path = format!("/v1/customers/{customer}/release");
        Operation::new(wallet, "release", path, &json!({ "reason": "all is well" }))
    }

    /// As a success stands in its wallet's history.
    pub fn what(&self) -> What {
        match self.kind {
            "restrict" => What::PutOnHold,
            "release" => What::Released,
            _ => What::Moved { needs: self.needs(), by: self.effect },
        }
    }

    pub fn random_grant(random: &mut SplitMix64, wallet: usize, customer: &str, now: Timestamp) -> Operation {
        let micros = random.amount(if wallet == POOR { POOR_GRANT } else { RICH_GRANT });
        if wallet < FIRST_TIMED || random.below(2) == 0 {
            return Operation::grant(wallet, customer, micros);
        }
        let burns_last = random.below(2) == 0;
        // Small ones, so that some of those that burn first are used up before.
        let micros = if burns_last { micros } else { random.amount(LARGEST_HOLD) };
        let at = now.plus_seconds(random.amount(LONGEST_LOT_SECONDS));
        Operation::expiring_grant(wallet, customer, micros, burns_last, at)
    }

    pub fn random_usage(random: &mut SplitMix64, wallet: usize, customer: &str) -> Operation {
        Operation::usage(wallet, customer, random.amount(LARGEST_USAGE_TOKENS))
    }

    pub fn random_hold(random: &mut SplitMix64, wallet: usize, customer: &str) -> Operation {
        let micros = random.amount(LARGEST_HOLD);
        if wallet < FIRST_TIMED || random.below(3) > 0 {
            return Operation::hold(wallet, customer, micros, LONG_TTL_SECONDS);
        }
        let ttl = random.amount(LONGEST_SHORT_TTL_SECONDS);
        Operation {
            makes: Makes::ShortHold(micros),
            due: Due::Lapse(micros),
            ..Operation::hold(wallet, customer, micros, ttl)
        }
    }

    pub fn random_capture(random: &mut SplitMix64, hold: OpenHold) -> Operation {
        let micros = random.amount(hold.remaining);
        let is_final = micros == hold.remaining || random.below(2) == 0;
        Operation::capture(hold, micros, is_final)
    }

    /// Micro-credits that must be available for it.
    pub fn needs(&self) -> i64 {
        match self.kind {
            "debit" | "hold" => -self.effect.available,
            _ => 0,
        }
    }

    /// Whether a first attempt that came too late may be told so.
    pub fn can_be_too_late(&self) -> bool {
        matches!(self.due, Due::ExpiryOfAll(_) | Due::ExpiryOfRest(_))
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
