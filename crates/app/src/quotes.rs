use catalog::Alternative;
use kernel::{Credits, CustomerId, QuoteId, Timestamp, bucket_of};
use serde::{Deserialize, Serialize};
use store::cold::quotes;

use crate::about::{from_json, to_json};
use crate::catalogue::Version;
use crate::cold::{Route, first_answer, once};
use crate::customers::Known;
use crate::prints::CallPrint;
use crate::text::Checks;
use crate::{
    App, AppError, Context, CustomerRef, Done, Keyed, Priced, Principal, Scope, Work, customers, pricing,
    prints, risk, secret, wallets,
};

const CREATE: Route = Route("POST /v1/quotes");
/// How long a price is promised.
pub const QUOTE_VALID_SECONDS: i64 = 900;

#[derive(Clone, Debug)]
pub struct NewQuote {
    pub customer: CustomerRef,
    pub work: Work,
    pub context: Context,
}

/// A price before the work, with everything that made it frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    pub id: QuoteId,
    pub customer: CustomerId,
    pub priced: Priced,
    /// Exclusive.
    pub valid_until: Timestamp,
    /// Cheaper models of the same feature, cheapest first.
    pub alternatives: Vec<Alternative>,
    pub admission: Admission,
    /// Of the call that asked for it; the hold that names it has it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print: Option<CallPrint>,
    pub created_at: Timestamp,
}

/// Whether the work would be let in at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    pub verdict: Verdict,
    /// The plan includes the feature and model.
    pub entitled: bool,
    /// The wallet can set `credits` aside.
    pub affordable: bool,
    pub available: Credits,
    /// When a restriction ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    /// Somebody will look at how the customer works; nothing is refused.
    Review,
    /// No new work for now: a hold would be refused.
    Restrict,
    /// No new work until a person has looked.
    Block,
}

pub async fn create(
    app: &App,
    by: &Principal,
    new: NewQuote,
    keyed: Option<&Keyed>,
) -> Result<Done<Quote>, AppError> {
    by.require_own(Scope::Usage)?;
    let mut checks = Checks::default();
    new.context.check(&mut checks);
    checks.done()?;
    let known = customers::in_body(app, by, &new.customer).await?;
    let quote = match quote(app, known, &new).await {
        Ok(quote) => quote,
        // Its model may have left the card since the first try.
        Err(error) => return first_answer(app, by, CREATE, keyed, error).await,
    };
    let row = row(&quote)?;
    once(app, by, CREATE, keyed, move |txn| {
        let (row, quote) = (row.clone(), quote.clone());
        Box::pin(async move {
            quotes::insert(txn, row).await?;
            Ok(quote)
        })
    })
    .await
}

/// A quote that a body names: another customer's is none.
pub(crate) async fn in_body(app: &App, known: Known, id: QuoteId) -> Result<Quote, AppError> {
    let unknown = || AppError::invalid("quote", "is not a quote of this customer");
    if id.wallet != known.wallet {
        return Err(unknown());
    }
    let row = quotes::find(app.store().reader(), id).await?;
    from_json(&row.ok_or_else(unknown)?.about)
}

async fn quote(app: &App, known: Known, new: &NewQuote) -> Result<Quote, AppError> {
    let now = app.now();
    let (version, priced) = pricing::price_at(app, &new.work, &new.context, now).await?;
    Ok(Quote {
        id: QuoteId { wallet: known.wallet, nonce: secret::random_i64()? },
        customer: known.id,
        valid_until: now.plus_seconds(QUOTE_VALID_SECONDS),
        alternatives: alternatives(&version, &priced, new),
        admission: admission(app, known, &priced).await?,
        print: prints::of(app, &new.context, Some(&new.work)).await?,
        created_at: now,
        priced,
    })
}

fn alternatives(version: &Version, priced: &Priced, new: &NewQuote) -> Vec<Alternative> {
    catalog::alternatives(&version.catalog, &priced.ask(&new.work.quantities), &priced.price)
}

async fn admission(app: &App, known: Known, priced: &Priced) -> Result<Admission, AppError> {
    let gate = pricing::gate(app, Some((&priced.feature, &priced.model))).await?;
    let wallet = wallets::current(app, known.wallet).await?;
    let restriction = wallet.restriction_at(app.now().max(wallet.recorded_at));
    Ok(Admission {
        verdict: match (risk::verdict_of(app, known.wallet, restriction.is_some()), restriction) {
            (risk::Verdict::Block, _) => Verdict::Block,
            (risk::Verdict::Restrict, _) | (_, Some(_)) => Verdict::Restrict,
            (risk::Verdict::Review, None) => Verdict::Review,
            (risk::Verdict::Allow, None) => Verdict::Allow,
        },
        entitled: !gate.is_denied,
        affordable: priced.price.credits <= wallet.available,
        available: wallet.available,
        restricted_until: restriction.and_then(|restriction| restriction.until),
    })
}

fn row(quote: &Quote) -> Result<quotes::Model, AppError> {
    Ok(quotes::Model {
        bucket: bucket_of(quote.id.wallet),
        wallet: quote.id.wallet.uuid(),
        nonce: quote.id.nonce,
        credits: quote.priced.price.credits.micros(),
        valid_until: quote.valid_until.micros(),
        about: to_json(quote)?,
        created_at: quote.created_at.micros(),
    })
}
