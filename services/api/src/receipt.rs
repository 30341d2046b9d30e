//! A receipt as it is answered.

use app::receipts::{self, ReceiptLine};
use catalog::Price;
use kernel::{Credits, GrantId, ReceiptId, Timestamp};
use ledger::{Account, EntryKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

use crate::amount::{Instant, QuantitiesInput, SignedCredits};
use crate::text::{self, one_of};
use crate::work::{BreakdownLine, QuantityMap, RateCardRef, breakdown, rate_card};

/// What a receipt can be the proof of.
pub const KINDS: [EntryKind; 5] =
    [EntryKind::Debit, EntryKind::Capture, EntryKind::Unbilled, EntryKind::Unrated, EntryKind::Reverse];

/// The proof of one charge, of a report that was not charged, or of a reversal.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    #[schema(value_type = text::ReceiptId)]
    id: ReceiptId,
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    #[schema(schema_with = kind)]
    kind: &'static str,
    /// Charged to the wallet, debt included; of a reversal: given back.
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    /// The part of `credits` that the wallet owes; of a reversal: no longer owes.
    #[schema(value_type = SignedCredits)]
    debt: Credits,
    /// Work that nobody paid for; of a reversal: no longer uncovered.
    #[schema(value_type = SignedCredits)]
    uncovered: Credits,
    /// Given back from the hold by its final capture.
    #[schema(value_type = SignedCredits)]
    released: Credits,
    /// The lots that paid, in the order in which they did; of a reversal: that got credits back.
    lots: Vec<LotPart>,
    /// Null when credits were charged without a price, as are the price's other members.
    feature: Option<String>,
    model: Option<String>,
    /// Of all captures of the hold so far, with the rate card's defaults filled in.
    #[schema(value_type = Option<QuantitiesInput>)]
    quantities: Option<QuantityMap>,
    formula: Option<String>,
    /// Adds up to the price of `quantities`.
    breakdown: Vec<BreakdownLine>,
    rate_card: Option<RateCardRef>,
    multiplier: Option<String>,
    #[schema(value_type = Option<text::HoldId>)]
    hold: Option<kernel::HoldId>,
    #[schema(value_type = Option<text::QuoteId>)]
    quote: Option<kernel::QuoteId>,
    job: Option<String>,
    subject: Option<String>,
    vendor_transaction: Option<String>,
    /// The event that reported it.
    event: Option<EventRef>,
    /// Why a report has no price.
    unrated: Option<String>,
    /// The receipt that this reversal undoes.
    #[schema(value_type = Option<text::ReceiptId>)]
    reverses: Option<ReceiptId>,
    /// The reversal that undid this one. Known when a receipt is read, never in the answer that made it.
    #[schema(value_type = Option<text::ReceiptId>)]
    reversed_by: Option<ReceiptId>,
    balance_after: Balance,
    #[schema(value_type = Option<Instant>)]
    occurred_at: Option<Timestamp>,
    #[schema(value_type = Instant)]
    recorded_at: Timestamp,
}

/// What one lot paid.
#[derive(Serialize, ToSchema)]
pub struct LotPart {
    #[schema(value_type = text::GrantId)]
    grant: GrantId,
    #[schema(value_type = SignedCredits)]
    credits: Credits,
}

/// A wallet's balances.
#[derive(Serialize, ToSchema)]
pub struct Balance {
    #[schema(value_type = SignedCredits)]
    available: Credits,
    #[schema(value_type = SignedCredits)]
    held: Credits,
    #[schema(value_type = SignedCredits)]
    debt: Credits,
}

/// The identity of a reported event.
#[derive(Serialize, ToSchema)]
pub struct EventRef {
    source: String,
    id: String,
}

impl From<receipts::Receipt> for Receipt {
    fn from(receipt: receipts::Receipt) -> Receipt {
        let rate_card = receipt.priced.as_deref().map(rate_card);
        let (feature, model, price) = match receipt.priced.map(|priced| *priced) {
            Some(priced) => (Some(priced.feature), Some(priced.model), Some(priced.price)),
            None => (None, None, None),
        };
        let (quantities, formula, multiplier, breakdown) = match price {
            Some(Price { quantities, formula, multiplier, breakdown: lines, .. }) => {
                (Some(QuantityMap(quantities)), Some(formula), Some(multiplier), breakdown(lines))
            }
            None => (None, None, None, Vec::new()),
        };
        Receipt {
            id: receipt.id,
            customer: receipt.customer,
            kind: receipt.kind.as_str(),
            credits: receipt.credits,
            debt: owed(&receipt.lines),
            uncovered: receipt.uncovered,
            released: receipt.released,
            lots: lots(&receipt.lines),
            feature,
            model,
            quantities,
            formula,
            breakdown,
            rate_card,
            multiplier,
            hold: receipt.hold,
            quote: receipt.quote,
            job: receipt.job,
            subject: receipt.subject,
            vendor_transaction: receipt.vendor_transaction,
            event: receipt.event.map(|event| EventRef { source: event.source, id: event.id }),
            unrated: receipt.unrated,
            reverses: receipt.reverses,
            reversed_by: receipt.reversed_by,
            balance_after: Balance { available: receipt.available, held: receipt.held, debt: receipt.debt },
            occurred_at: receipt.occurred_at,
            recorded_at: receipt.created_at,
        }
    }
}

/// A charge runs into `spent`, a reversal out of it; nothing else is the wallet's payment.
fn is_payment(line: &ReceiptLine) -> bool {
    line.to == Account::Spent || line.from == Account::Spent
}

fn owed(lines: &[ReceiptLine]) -> Credits {
    let is_debt = |l: &&ReceiptLine| is_payment(l) && (l.from == Account::Debt || l.to == Account::Debt);
    Credits::from_micros(lines.iter().filter(is_debt).map(|l| l.credits.micros()).sum())
}

/// One item per lot, also when it paid from the hold and from what was available.
fn lots(lines: &[ReceiptLine]) -> Vec<LotPart> {
    let mut parts: Vec<LotPart> = Vec::new();
    for line in lines.iter().filter(|l| is_payment(l)) {
        let Some(grant) = line.grant else { continue };
        match parts.iter_mut().find(|part| part.grant == grant) {
            Some(part) => part.credits = Credits::from_micros(part.credits.micros() + line.credits.micros()),
            None => parts.push(LotPart { grant, credits: line.credits }),
        }
    }
    parts
}

fn kind() -> Schema {
    one_of("What it is the proof of.", KINDS.map(EntryKind::as_str))
}
