//! Random steps: what a caller might do next, in words that do not depend on what happened before,
//! so that proptest can leave steps out when it looks for the smallest failure.

use kernel::{Credits, Currency, Money, Timestamp};
use ledger::{Gate, GrantKind, LotTerms, StepUp, WhenShort};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

const SECOND: i64 = 1_000_000;

#[derive(Clone, Debug)]
pub struct Step {
    /// Microseconds that pass before it; negative when the clock is set back.
    pub wait: i64,
    pub act: Act,
}

/// `pick` chooses among the lots, holds or receipts there are, the latest first.
#[derive(Clone, Debug)]
pub enum Act {
    Grant {
        terms: LotTerms,
        lifetime: Option<i64>,
    },
    VoidGrant {
        pick: usize,
    },
    Clawback {
        pick: usize,
        credits: i64,
    },
    Authorize {
        credits: i64,
        ttl_seconds: i64,
        gate: Limits,
    },
    Extend {
        pick: usize,
        credits: i64,
        ttl_seconds: Option<i64>,
    },
    Capture {
        pick: usize,
        charge: Charge,
        is_final: bool,
        when_short: WhenShort,
    },
    VoidHold {
        pick: usize,
    },
    Debit {
        price: i64,
        gate: Limits,
        when_short: WhenShort,
    },
    Unrated,
    Reverse {
        pick: usize,
    },
    /// `lifetime` in microseconds.
    Restrict {
        lifetime: Option<i64>,
        step_up: StepUp,
    },
    /// Of the restriction that is there, of another one, or of whichever.
    Release {
        named: Option<bool>,
    },
}

#[derive(Clone, Debug)]
pub enum Charge {
    Credits(i64),
    /// What was captured before and this on top; `is_stale` names a capture that is not the latest.
    Cumulative {
        more: i64,
        is_stale: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub is_done: bool,
    pub quote_lifetime: Option<i64>,
    pub is_denied: bool,
    pub calls_per_minute: Option<u32>,
    pub max_open_holds: Option<u32>,
}

/// How the random wallets differ.
#[derive(Clone, Copy, Debug)]
pub struct Flavour {
    /// Micro-credits in the unit of all amounts: a large one reaches the end of the range.
    pub unit: i64,
    /// Seconds that one wait may last.
    pub longest_wait: i64,
    /// How likely a grant is, among about 60.
    pub grants: u32,
}

impl Limits {
    pub fn gate(&self, now: i64) -> Gate {
        Gate {
            is_done: self.is_done,
            valid_until: self.quote_lifetime.map(|micros| Timestamp::from_micros_saturating(now + micros)),
            is_denied: self.is_denied,
            calls_per_minute: self.calls_per_minute,
            max_open_holds: self.max_open_holds,
        }
    }
}

pub fn step(flavour: Flavour) -> impl Strategy<Value = Step> {
    (wait(flavour.longest_wait), act(flavour)).prop_map(|(wait, act)| Step { wait, act })
}

fn wait(longest: i64) -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => Just(0),
        8 => (0..=longest).prop_map(|s| s * SECOND),
        2 => 0..=3 * SECOND,
        1 => Just(90 * SECOND),
        1 => Just(-4 * SECOND),
    ]
}

fn act(flavour: Flavour) -> impl Strategy<Value = Act> {
    let unit = flavour.unit;
    prop_oneof![
        flavour.grants => grant(unit),
        1 => pick().prop_map(|pick| Act::VoidGrant { pick }),
        2 => (pick(), amount(unit)).prop_map(|(pick, credits)| Act::Clawback { pick, credits }),
        10 => (amount(unit), ttl(), limits())
            .prop_map(|(credits, ttl_seconds, gate)| Act::Authorize { credits, ttl_seconds, gate }),
        5 => (pick(), amount(unit), proptest::option::of(ttl()))
            .prop_map(|(pick, credits, ttl_seconds)| Act::Extend { pick, credits, ttl_seconds }),
        12 => (pick(), charge(unit), any::<bool>(), when_short(unit))
            .prop_map(|(pick, charge, is_final, when_short)| Act::Capture { pick, charge, is_final, when_short }),
        4 => pick().prop_map(|pick| Act::VoidHold { pick }),
        10 => (amount(unit), limits(), when_short(unit))
            .prop_map(|(price, gate, when_short)| Act::Debit { price, gate, when_short }),
        1 => Just(Act::Unrated),
        5 => pick().prop_map(|pick| Act::Reverse { pick }),
        2 => restrict(),
        3 => proptest::option::of(proptest::bool::weighted(0.7)).prop_map(|named| Act::Release { named }),
    ]
}

fn grant(unit: i64) -> impl Strategy<Value = Act> {
    let priority = prop_oneof![3 => Just(50), 1 => select(vec![-1, 10, 49, 51])];
    let paid = proptest::option::of(prop_oneof![0..=4i64, Just(i64::MAX)]);
    let lifetime = weighted(0.7, prop_oneof![9 => 0..=40 * SECOND, 1 => Just(-SECOND)]);
    let whole = prop_oneof![Just(1), Just(SECOND)];
    (select(GrantKind::ALL.to_vec()), amount(unit), priority, paid, lifetime, whole).prop_map(
        |(kind, credits, priority, paid, lifetime, whole)| Act::Grant {
            terms: LotTerms {
                kind,
                granted: Credits::from_micros(credits),
                priority,
                expires_at: None,
                paid: paid.map(|amount| Money { amount, currency: Currency::USD }),
                clawed_back: Credits::ZERO,
                voided: false,
            },
            lifetime: lifetime.map(|micros| micros / whole * whole),
        },
    )
}

/// Small numbers, so that amounts often meet exactly.
fn amount(unit: i64) -> impl Strategy<Value = i64> {
    prop_oneof![12 => 0..=30i64, 1 => Just(0), 2 => 0..=400i64].prop_map(move |n| n.saturating_mul(unit))
}

fn restrict() -> impl Strategy<Value = Act> {
    let lifetime = weighted(0.8, prop_oneof![9 => 0..=20 * SECOND, 1 => Just(-SECOND)]);
    let whole = prop_oneof![Just(1), Just(SECOND)];
    (lifetime, whole, select(StepUp::ALL.to_vec())).prop_map(|(lifetime, whole, step_up)| Act::Restrict {
        lifetime: lifetime.map(|micros| micros / whole * whole),
        step_up,
    })
}

fn pick() -> impl Strategy<Value = usize> {
    prop_oneof![12 => 0..4usize, 4 => 0..40usize, 1 => Just(usize::MAX)]
}

fn ttl() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1..=30i64, 1 => Just(0), 1 => Just(900)]
}

fn charge(unit: i64) -> impl Strategy<Value = Charge> {
    prop_oneof![
        2 => amount(unit).prop_map(Charge::Credits),
        1 => (amount(unit), proptest::bool::weighted(0.1))
            .prop_map(|(more, is_stale)| Charge::Cumulative { more, is_stale }),
    ]
}

fn when_short(unit: i64) -> impl Strategy<Value = WhenShort> {
    prop_oneof![
        Just(WhenShort::Refuse),
        Just(WhenShort::Absorb),
        Just(WhenShort::Unbilled),
        amount(unit).prop_map(|limit| WhenShort::Overdraft { limit: Credits::from_micros(limit) }),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        proptest::bool::weighted(0.3),
        weighted(0.1, -2 * SECOND..=2 * SECOND),
        proptest::bool::weighted(0.03),
        weighted(0.2, 0..12u32),
        weighted(0.2, 0..6u32),
    )
        .prop_map(|(is_done, quote_lifetime, is_denied, calls_per_minute, max_open_holds)| Limits {
            is_done,
            quote_lifetime,
            is_denied,
            calls_per_minute,
            max_open_holds,
        })
}
