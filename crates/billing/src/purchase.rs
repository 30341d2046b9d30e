//! One purchase of credits, from the open checkout to the last refund.
//!
//! What the gateway said so far is kept as facts that only grow: every fact has an order in which it may
//! move, and a read that is older than what is known changes nothing. So all orders of one life cycle end
//! in the same facts, and the credits that follow from them are computed from their sum: duplicates add
//! nothing, n partial refunds take back what one refund of their sum takes back, and a dispute that was
//! won gives back exactly what no refund has taken since.

use std::collections::BTreeMap;

use kernel::{Credits, Money, Timestamp};
use serde::{Deserialize, Serialize};

use crate::share::{plus_months, share};
use crate::{
    Checkout, CheckoutRef, CheckoutState, DisputeRef, DisputeState, Payment, PaymentRef, PaymentState,
    RefundRef, RefundState,
};

/// What was agreed before the customer went to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Our id of the purchase.
    pub reference: String,
    pub credits: Credits,
    /// The total to pay; positive.
    pub price: Money,
    /// Months from payment to expiry.
    pub expires_after_months: u32,
}

/// What is known about a purchase. Stored as it is; only [`observe`] changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    pub terms: Terms,
    pub checkout: Option<CheckoutRef>,
    pub state: CheckoutState,
    pub payment: Option<PaymentRef>,
    /// Set when the money came; the credits were granted in the same change.
    pub paid_at: Option<Timestamp>,
    refunds: BTreeMap<RefundRef, (i64, RefundState)>,
    disputes: BTreeMap<DisputeRef, (i64, DisputeState)>,
    /// Credits taken back so far, less what was given back.
    pub clawed_back: Credits,
    /// How often `clawed_back` moved; makes each step's key.
    steps: u32,
}

/// What a gateway said at one read. Either part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub checkout: Option<Checkout>,
    pub payment: Option<Payment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub purchase: Purchase,
    /// In the order in which they must be carried out; empty when nothing is new.
    pub effects: Vec<Effect>,
}

/// What must happen to the customer's wallet. Each `key` stands for one effect for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    Grant {
        key: String,
        credits: Credits,
        paid: Money,
        expires_at: Timestamp,
    },
    /// Take credits of this purchase back; what is already spent becomes debt.
    Clawback {
        key: String,
        credits: Credits,
        causes: Vec<Cause>,
    },
    /// Give credits back that a clawback took: a dispute was won, a refund failed.
    Restore {
        key: String,
        credits: Credits,
        causes: Vec<Cause>,
    },
}

/// What moved credits after the purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Refund(RefundRef),
    Dispute(DisputeRef),
}

/// What a customer reads on the return page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The customer has not paid, or the gateway has not said so.
    Waiting,
    Done {
        credits: Credits,
    },
    Failed {
        reason: String,
    },
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillingError {
    #[error("purchase {reference} was told about {told}, which belongs to another purchase")]
    Foreign { reference: String, told: String },
    /// Money came, but not what was agreed: a person must look.
    #[error(
        "payment {payment} brought {} {} where {} {} were agreed",
        got.amount, got.currency, agreed.amount, agreed.currency
    )]
    WrongAmount { payment: String, agreed: Money, got: Money },
}

impl Purchase {
    pub fn new(terms: Terms) -> Purchase {
        Purchase {
            terms,
            checkout: None,
            state: CheckoutState::Open,
            payment: None,
            paid_at: None,
            refunds: BTreeMap::new(),
            disputes: BTreeMap::new(),
            clawed_back: Credits::ZERO,
            steps: 0,
        }
    }

    pub fn progress(&self) -> Progress {
        match (&self.paid_at, &self.state) {
            (Some(_), _) => Progress::Done { credits: self.terms.credits },
            (None, CheckoutState::Failed { reason }) => Progress::Failed { reason: reason.clone() },
            (None, CheckoutState::Expired) => Progress::Expired,
            (None, _) => Progress::Waiting,
        }
    }

    /// The bank holds money back at this moment, or has taken it.
    pub fn is_disputed(&self) -> bool {
        self.disputes.values().copied().any(is_taken)
    }

    /// The bank has decided this dispute, named by the gateway's id, for us.
    pub fn has_won(&self, dispute: &str) -> bool {
        let won = |(id, (_, state)): (&DisputeRef, &(i64, DisputeState))| {
            id.0 == dispute && *state == DisputeState::Won
        };
        self.disputes.iter().any(won)
    }

    /// What the refunds among `causes` gave back, at most all that was paid.
    pub fn refunded_minor(&self, causes: &[Cause]) -> i64 {
        let given = |cause: &Cause| match cause {
            Cause::Refund(id) => self.refunds.get(id).copied().filter(|fact| is_refunded(*fact)),
            Cause::Dispute(_) => None,
        };
        let sum = causes.iter().filter_map(given).map(|fact| fact.0).fold(0i64, i64::saturating_add);
        sum.clamp(0, self.terms.price.amount)
    }

    /// Money that is no longer with us, at most all of it.
    pub fn returned_minor(&self) -> i64 {
        let refunded = self.refunds.values().copied().filter(|fact| is_refunded(*fact));
        let disputed = self.disputes.values().copied().filter(|fact| is_taken(*fact));
        let sum = refunded.map(|r| r.0).chain(disputed.map(|d| d.0)).fold(0i64, i64::saturating_add);
        sum.clamp(0, self.terms.price.amount)
    }
}

/// Takes in one read of the gateway. The same report again, or an older one, has no effects.
///
/// # Errors
/// [`BillingError::Foreign`] when the report is about something else, [`BillingError::WrongAmount`] when
/// the money is not what was agreed. Neither changes anything.
pub fn observe(purchase: &Purchase, report: &Report) -> Result<Change, BillingError> {
    let mut next = purchase.clone();
    if let Some(checkout) = &report.checkout {
        learn_checkout(&mut next, checkout)?;
    }
    let mut causes = Vec::new();
    if let Some(payment) = &report.payment {
        learn_payment(&mut next, payment)?;
        causes = learn_returns(&mut next, payment);
    }
    let mut effects = Vec::new();
    effects.extend(grant(purchase, &next));
    effects.extend(settle_returns(&mut next, causes));
    Ok(Change { purchase: next, effects })
}

fn learn_checkout(next: &mut Purchase, told: &Checkout) -> Result<(), BillingError> {
    belongs(next, told.reference.as_deref(), &told.id.0)?;
    same(next, next.checkout.as_ref().map(|c| &c.0), &told.id.0)?;
    next.checkout = Some(told.id.clone());
    // Money counts when the payment says so; until then a paid checkout is money on its way.
    let state =
        if told.state == CheckoutState::Paid { CheckoutState::Processing } else { told.state.clone() };
    next.state = state.max(next.state.clone());
    if let Some(payment) = &told.payment {
        same(next, next.payment.as_ref().map(|p| &p.0), &payment.0)?;
        next.payment = Some(payment.clone());
    }
    Ok(())
}

fn learn_payment(next: &mut Purchase, told: &Payment) -> Result<(), BillingError> {
    belongs(next, told.reference.as_deref(), &told.id.0)?;
    same(next, next.payment.as_ref().map(|p| &p.0), &told.id.0)?;
    next.payment = Some(told.id.clone());
    if let PaymentState::Succeeded { paid_at } = told.state {
        if told.amount != next.terms.price {
            let payment = told.id.0.clone();
            return Err(BillingError::WrongAmount { payment, agreed: next.terms.price, got: told.amount });
        }
        next.state = CheckoutState::Paid;
        next.paid_at = Some(next.paid_at.unwrap_or(paid_at));
    }
    Ok(())
}

/// Keeps what moved forward and answers what of it moved money.
fn learn_returns(next: &mut Purchase, told: &Payment) -> Vec<Cause> {
    let mut causes = Vec::new();
    for refund in &told.refunds {
        let (known, fact) = (next.refunds.get(&refund.id).copied(), (refund.amount_minor, refund.state));
        if moves(known, fact) {
            next.refunds.insert(refund.id.clone(), fact);
            if known.is_some_and(is_refunded) != is_refunded(fact) {
                causes.push(Cause::Refund(refund.id.clone()));
            }
        }
    }
    for dispute in &told.disputes {
        let (known, fact) = (next.disputes.get(&dispute.id).copied(), (dispute.amount_minor, dispute.state));
        if moves(known, fact) {
            next.disputes.insert(dispute.id.clone(), fact);
            if known.is_some_and(is_taken) != is_taken(fact) {
                causes.push(Cause::Dispute(dispute.id.clone()));
            }
        }
    }
    causes
}

/// A refund's money is on its way back until the gateway says that it failed.
fn is_refunded((_, state): (i64, RefundState)) -> bool {
    state != RefundState::Failed
}

/// The bank holds a dispute's money back, or has taken it.
fn is_taken((_, state): (i64, DisputeState)) -> bool {
    matches!(state, DisputeState::Open | DisputeState::Lost)
}

fn moves<S: Ord>(known: Option<(i64, S)>, told: (i64, S)) -> bool {
    known.is_none_or(|known| told.1 > known.1)
}

fn grant(before: &Purchase, next: &Purchase) -> Option<Effect> {
    let (None, Some(paid_at)) = (before.paid_at, next.paid_at) else { return None };
    Some(Effect::Grant {
        key: format!("{}/grant", name(next)),
        credits: next.terms.credits,
        paid: next.terms.price,
        expires_at: plus_months(paid_at, next.terms.expires_after_months),
    })
}

/// Brings the credits taken back to what follows from the money that is gone.
fn settle_returns(next: &mut Purchase, causes: Vec<Cause>) -> Option<Effect> {
    next.paid_at?;
    let due = share(next.terms.credits, next.returned_minor(), next.terms.price.amount);
    let (take, give) = (due.minus_or_zero(next.clawed_back), next.clawed_back.minus_or_zero(due));
    if take.is_zero() && give.is_zero() {
        return None;
    }
    next.clawed_back = due;
    next.steps += 1;
    let key = format!("{}/return/{}", name(next), next.steps);
    if take.is_positive() {
        Some(Effect::Clawback { key, credits: take, causes })
    } else {
        Some(Effect::Restore { key, credits: give, causes })
    }
}

/// Effects are named by the payment, which is unique at the gateway.
fn name(purchase: &Purchase) -> &str {
    purchase.payment.as_ref().map_or(purchase.terms.reference.as_str(), |payment| &payment.0)
}

fn belongs(purchase: &Purchase, reference: Option<&str>, told: &str) -> Result<(), BillingError> {
    match reference {
        Some(reference) if reference != purchase.terms.reference => Err(foreign(purchase, told)),
        _ => Ok(()),
    }
}

fn same(purchase: &Purchase, known: Option<&String>, told: &str) -> Result<(), BillingError> {
    match known {
        Some(known) if known != told => Err(foreign(purchase, told)),
        _ => Ok(()),
    }
}

fn foreign(purchase: &Purchase, told: &str) -> BillingError {
    BillingError::Foreign { reference: purchase.terms.reference.clone(), told: told.to_owned() }
}
