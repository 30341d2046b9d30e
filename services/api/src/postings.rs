use app::postings;
use axum::extract::State;
use kernel::{Credits, GrantId, HoldId, ReceiptId, Timestamp};
use ledger::{Account, EntryKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, SignedCredits};
use crate::answer::{Answer, ok};
use crate::caller::Caller;
use crate::list::{List, Paging};
use crate::path::Id;
use crate::query::Strict;
use crate::receipt;
use crate::text::{self, CustomerRef, one_of};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One line of the journal: `amount` leaves `from` and enters `to`.
#[derive(Serialize, ToSchema)]
pub struct Posting {
    /// The command's number in its wallet, from 1.
    seq: i64,
    /// The line's number in its command, from 0.
    line: i16,
    #[schema(schema_with = kind)]
    kind: &'static str,
    #[schema(schema_with = account)]
    from: &'static str,
    #[schema(schema_with = account)]
    to: &'static str,
    /// Never negative.
    #[schema(value_type = SignedCredits)]
    amount: Credits,
    /// The grant whose lot it moved.
    #[schema(value_type = Option<text::GrantId>)]
    lot: Option<GrantId>,
    #[schema(value_type = Option<text::HoldId>)]
    hold: Option<HoldId>,
    /// The receipt of what was charged, could not be charged, or was given back.
    #[schema(value_type = Option<text::ReceiptId>)]
    receipt: Option<ReceiptId>,
    /// What it was for; on the first line of a command only, as is `reason`.
    feature: Option<String>,
    model: Option<String>,
    /// Why a grant was made.
    reason: Option<String>,
    /// Available after this line.
    #[schema(value_type = SignedCredits)]
    balance_after: Credits,
    #[schema(value_type = SignedCredits)]
    held_after: Credits,
    #[schema(value_type = SignedCredits)]
    debt_after: Credits,
    #[schema(value_type = Instant)]
    recorded_at: Timestamp,
    /// The instant of an expiry or a lapse, else `recorded_at`.
    #[schema(value_type = Instant)]
    effective_at: Timestamp,
    /// `false` for what time has done and nobody has written yet.
    is_posted: bool,
}

/// List a customer's postings
///
/// The statement, newest first. The amounts that enter and leave `available` add up to the balance.
#[utoipa::path(get, path = "/v1/customers/{id}/postings", tag = "Customers", operation_id = "list_postings",
    params(("id" = CustomerRef, Path, description = "The customer's `id` or `external_id`."), Paging),
    responses((status = 200, description = "A page of postings.", body = List<Posting>)))]
async fn list(
    caller: Caller,
    State(api): State<Api>,
    Id(customer): Id<CustomerRef>,
    Strict(paging): Strict<Paging>,
) -> Answer {
    let page = postings::list(&api.app, &caller.0, &customer.named(), &paging.request()).await?;
    ok(List::<Posting>::of(page))
}

impl From<postings::Posting> for Posting {
    fn from(posting: postings::Posting) -> Posting {
        let has_receipt = receipt::KINDS.contains(&posting.kind);
        Posting {
            seq: posting.seq,
            line: posting.line,
            kind: posting.kind.as_str(),
            from: posting.from.as_str(),
            to: posting.to.as_str(),
            amount: posting.credits,
            lot: posting.grant,
            hold: posting.hold,
            receipt: has_receipt.then_some(ReceiptId { wallet: posting.wallet, seq: posting.seq }),
            feature: posting.feature,
            model: posting.model,
            reason: posting.reason,
            balance_after: posting.available,
            held_after: posting.held,
            debt_after: posting.debt,
            recorded_at: posting.recorded_at,
            effective_at: posting.effective_at,
            is_posted: posting.is_posted,
        }
    }
}

fn kind() -> Schema {
    one_of("What the command did.", EntryKind::ALL.iter().map(|kind| kind.as_str()))
}

fn account() -> Schema {
    one_of("One side of the posting.", Account::ALL.iter().map(|account| account.as_str()))
}
