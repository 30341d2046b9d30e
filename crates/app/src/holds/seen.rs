//! Holds as this process last saw them, so that what comes after an authorization needs no look-up.

use std::sync::Arc;

use kernel::HoldId;
use ledger::{Entry, HoldTerms, Terms};
use store::holds::HoldRecord;

use crate::about::{HoldFacts, facts};
use crate::{App, AppError};

/// Holds of one generation of the map that keeps them, each with the facts of its authorization.
pub(crate) const SEEN_ROOM: usize = 10_000;

/// What was authorized never changes. The terms may be behind: whoever prices by them lets the ledger compare
/// their captures, and reads the hold when it moved on.
pub(crate) struct Seen {
    pub authorized: Arc<Entry>,
    pub terms: HoldTerms,
}

impl Seen {
    /// The facts that a later entry of the hold carries on.
    pub fn later_facts(&self) -> Result<HoldFacts, AppError> {
        let authorized: HoldFacts = facts(&self.authorized)?;
        Ok(HoldFacts { created_at: Some(self.authorized.recorded_at), print: None, ..authorized })
    }
}

/// The hold as it was last seen here; read when this process does not know it.
pub(crate) async fn last_seen(app: &App, id: HoldId) -> Result<Arc<Seen>, AppError> {
    match app.inner.holds.get(&id) {
        Some(seen) => Ok(seen),
        None => read(app, id).await,
    }
}

/// The hold as it is now.
pub(crate) async fn read(app: &App, id: HoldId) -> Result<Arc<Seen>, AppError> {
    let record = store::holds::read(app.store(), id.wallet, id.seq).await?;
    let HoldRecord { hold, authorized } = record.ok_or(AppError::not_found("hold"))?;
    let seen = Arc::new(Seen { authorized: Arc::new(authorized), terms: hold.terms });
    app.inner.holds.set(id, seen.clone());
    Ok(seen)
}

/// Takes note of an entry of the hold. One that is told again, from before what is known, says nothing new.
pub(super) fn note(app: &App, id: HoldId, entry: &Arc<Entry>) {
    let Terms::Hold(terms) = &entry.terms else { return };
    let known = app.inner.holds.get(&id);
    let authorized = match &known {
        Some(known) if known.terms.captures > terms.captures => return,
        Some(known) => known.authorized.clone(),
        None if entry.seq == id.seq => entry.clone(),
        None => return,
    };
    app.inner.holds.set(id, Arc::new(Seen { authorized, terms: terms.clone() }));
}
