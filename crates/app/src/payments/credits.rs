//! The job that moves credits in the engine, once per key of ours.

use std::collections::BTreeSet;

use billing::{Cause, Effect};
use engine::{Answer, EngineCommand, EngineError, KeyedInput, Request};
use jobs::Outcome;
use kernel::{CheckoutId, Credits, CustomerId, IdempotencyKey, Money, Seq, Timestamp, WalletId, text};
use ledger::{Account, Command, DEFAULT_PRIORITY, GrantKind, LotTerms, Refusal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::StoreError;
use store::cold::checkouts::{self, Model};
use store::cold::outbox;

use crate::about::{GrantFacts, from_json, to_json};
use crate::mails::NewMail;
use crate::payments::receipt_mail;
use crate::{App, AppError};

pub(crate) const CREDIT_COMMAND: &str = "credit_command";

/// Tries against others that note a lot on the same purchase.
const NOTE_TRIES: u32 = 8;
/// What comes back after the pack's own end is not lost at once.
const GRACE_SECONDS: i64 = 30 * 86_400;
/// How soon to look again for what must happen first.
const LATER_SECONDS: i64 = 2;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CreditCommand {
    pub checkout: CheckoutId,
    pub effect: Effect,
}

pub(crate) async fn move_credits(app: &App, work: &outbox::Model) -> Result<Outcome, AppError> {
    let command: CreditCommand = from_json(&work.payload)?;
    let Some(row) = checkouts::by_id(app.store().reader(), command.checkout.uuid()).await? else {
        return Ok(Outcome::Failed { error: format!("{} is not there", command.checkout) });
    };
    let moving = Moving { app, row: &row, hash: Sha256::digest(work.payload.as_bytes()).into() };
    let done = carry_out(app, &row, &moving, &command.effect).await;
    done.or_else(outcome_of)
}

async fn carry_out(
    app: &App,
    row: &Model,
    moving: &Moving<'_>,
    effect: &Effect,
) -> Result<Outcome, AppError> {
    match effect {
        Effect::Grant { key, credits, paid, expires_at } => {
            let bought = moving.bought();
            let given = moving.give(key, lot(*credits, Some(*paid), *expires_at), &bought).await?;
            let mail = receipt_mail::letter(app, row, &bought, *expires_at).await?;
            moving.note(given, mail.as_ref()).await
        }
        Effect::Restore { key, credits, causes } => moving.restore(key, *credits, causes).await,
        Effect::Clawback { key, credits, causes } => moving.claw_back(key, *credits, causes).await,
    }
}

/// An engine that is busy or stopping may take it later; a refusal stays one until a person looks.
fn outcome_of(error: AppError) -> Result<Outcome, AppError> {
    match error {
        AppError::Refused(refusal) => Ok(Outcome::Retry { error: refusal.to_string() }),
        AppError::NotFound { .. } | AppError::KeyReused => Ok(Outcome::Failed { error: error.to_string() }),
        error => Err(error),
    }
}

struct Moving<'a> {
    app: &'a App,
    row: &'a Model,
    hash: ledger::InputHash,
}

impl Moving<'_> {
    fn wallet(&self) -> WalletId {
        WalletId::from_uuid(self.row.wallet)
    }

    fn bought(&self) -> String {
        let credits = text::credits(Credits::from_micros(self.row.credits));
        match &self.row.pack {
            Some(pack) if self.row.quantity > 1 => {
                format!("Purchase of {credits} credits ({} × {pack})", self.row.quantity)
            }
            Some(pack) => format!("Purchase of {credits} credits ({pack})"),
            None => format!("Purchase of {credits} credits"),
        }
    }

    /// Answers the lot.
    async fn give(&self, key: &str, terms: LotTerms, reason: &str) -> Result<Seq, AppError> {
        let command = Command::Grant(terms.clone());
        let given = match self.submit(key, command, reason).await {
            Err(EngineError::Refused(Refusal::ExpiryPassed { .. })) => {
                let expires_at = Some(self.app.now().plus_seconds(GRACE_SECONDS));
                self.submit(key, Command::Grant(LotTerms { expires_at, ..terms }), reason).await?
            }
            given => given?,
        };
        Ok(given.entry.seq)
    }

    /// A lot of its own, with the share of the price that was paid for these credits; it pays debt first.
    async fn restore(&self, key: &str, credits: Credits, causes: &[Cause]) -> Result<Outcome, AppError> {
        let Some(first) = self.lots()?.first().copied() else {
            return Ok(later("the grant is not written yet"));
        };
        let bought = store::wallets::lot(self.app.store(), self.wallet(), first).await?;
        // The projection of lots may be behind the journal for a moment.
        let Some(bought) = bought.map(|lot| lot.terms) else {
            return Ok(later("the lot is not written yet"));
        };
        let paid = bought.paid.map(|paid| share(paid, credits, bought.granted));
        let terms = LotTerms { clawed_back: Credits::ZERO, voided: false, granted: credits, paid, ..bought };
        let given = self.give(key, terms, &format!("Given back: {}", reasons(causes))).await?;
        self.note(given, None).await
    }

    /// From the newest lot of the purchase to the oldest; a lot that was done before says how much it gave.
    async fn claw_back(&self, key: &str, credits: Credits, causes: &[Cause]) -> Result<Outcome, AppError> {
        let lots = self.lots()?;
        if lots.is_empty() {
            return Ok(later("the grant is not written yet"));
        }
        let reason = format!("Taken back: {}", reasons(causes));
        let (mut needed, mut is_voided) = (credits, false);
        for lot in lots.iter().rev().copied() {
            let key = format!("{key}/{lot}");
            if let Some(before) = self.app.engine().first_answer(self.wallet(), &self.keyed(&key)?).await? {
                needed = needed.minus_or_zero(revoked(&before));
                continue;
            }
            let state = store::wallets::lot(self.app.store(), self.wallet(), lot).await?;
            let Some(terms) = state.map(|state| state.terms) else { continue };
            is_voided |= terms.voided;
            let left = terms.granted.minus_or_zero(terms.clawed_back);
            let part = if terms.voided { Credits::ZERO } else { left.min(needed) };
            if part.is_positive() {
                let taken =
                    self.submit(&key, Command::Clawback { grant: lot, credits: part }, &reason).await?;
                needed = needed.minus_or_zero(revoked(&taken));
            }
        }
        // A voided grant has nothing left to take; otherwise credits that were given back must come first.
        if !needed.is_zero() && !is_voided {
            return Ok(later("credits of this purchase are still to be given back"));
        }
        let taken = credits.minus_or_zero(needed);
        if let Some(mail) = receipt_mail::refunded(self.app, self.row, (key, taken, causes)).await? {
            crate::mails::post(self.app, mail).await?;
            self.app.bells().mails.notify_one();
        }
        Ok(Outcome::Done)
    }

    async fn submit(&self, key: &str, command: Command, reason: &str) -> Result<Answer, EngineError> {
        let facts = GrantFacts {
            customer: CustomerId::from_uuid(self.row.customer),
            reason: Some(reason.to_owned()),
            created_at: None,
        };
        let unavailable =
            |e: AppError| EngineError::Unavailable(std::sync::Arc::new(StoreError::Corrupt(e.to_string())));
        let request = Request {
            wallet: self.wallet(),
            key: self.keyed(key).map_err(unavailable)?,
            command: EngineCommand::Ledger(command),
            about: Some(to_json(&facts).map_err(unavailable)?.into()),
            vendor_transaction: None,
        };
        self.app.engine().submit(request).await
    }

    fn keyed(&self, key: &str) -> Result<KeyedInput, AppError> {
        let key = IdempotencyKey::new(format!("{}/{key}", self.row.gateway));
        let key = key.map_err(|e| StoreError::Corrupt(format!("an effect's key {e}")))?;
        Ok(KeyedInput::System { key, hash: self.hash })
    }

    fn lots(&self) -> Result<Vec<Seq>, AppError> {
        from_json(&self.row.lots)
    }

    /// Notes on the purchase which lot it made, together with the mail about it.
    async fn note(&self, lot: Seq, mail: Option<&NewMail>) -> Result<Outcome, AppError> {
        for _ in 0..NOTE_TRIES {
            let row = checkouts::by_id(self.app.store().reader(), self.row.id).await?;
            let Some(row) = row else { break };
            let mut lots: BTreeSet<Seq> = from_json(&row.lots)?;
            if !lots.insert(lot) {
                return Ok(Outcome::Done);
            }
            let txn = self.app.store().write().await?;
            if checkouts::update(&txn, &Model { lots: to_json(&lots)?, ..row }).await? {
                receipt_mail::put(self.app, &txn, mail).await?;
                txn.commit().await.map_err(StoreError::from)?;
                self.app.bells().mails.notify_one();
                return Ok(Outcome::Done);
            }
        }
        Ok(later("the purchase moves all the time"))
    }
}

fn later(why: &str) -> Outcome {
    Outcome::Later { why: why.to_owned(), seconds: LATER_SECONDS }
}

fn lot(granted: Credits, paid: Option<Money>, expires_at: Timestamp) -> LotTerms {
    LotTerms {
        kind: GrantKind::Purchase,
        granted,
        priority: DEFAULT_PRIORITY,
        expires_at: Some(expires_at),
        paid: paid.filter(|money| money.amount > 0),
        clawed_back: Credits::ZERO,
        voided: false,
    }
}

fn revoked(answer: &Answer) -> Credits {
    crate::charge::sum(&answer.entry, |line| line.to == Account::Revoked)
}

/// What was paid for `part` of `whole`, rounded down.
fn share(paid: Money, part: Credits, whole: Credits) -> Money {
    let exact = i128::from(paid.amount) * i128::from(part.micros()) / i128::from(whole.micros().max(1));
    Money { amount: i64::try_from(exact).unwrap_or(paid.amount), ..paid }
}

fn reasons(causes: &[Cause]) -> String {
    let said: Vec<String> = causes
        .iter()
        .map(|cause| match cause {
            Cause::Refund(id) => format!("refund {}", id.0),
            Cause::Dispute(id) => format!("dispute {}", id.0),
        })
        .collect();
    said.join(", ")
}
