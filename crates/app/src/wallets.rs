use kernel::{Credits, CustomerId, GrantId, Money, Timestamp, WalletId};
use ledger::{GrantKind, Lot, Restriction, Wallet, settled};
use serde::{Deserialize, Serialize};

use crate::customers::{self, Known};
use crate::{App, AppError, CustomerRef, Principal, Scope};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletView {
    pub wallet: WalletId,
    pub customer: CustomerId,
    pub available: Credits,
    pub held: Credits,
    pub debt: Credits,
    /// Lots that still have something, in burn order; those with held credits only come last.
    pub lots: Vec<LotView>,
    pub open_holds: usize,
    /// What keeps new work out at that instant.
    pub restriction: Option<Restriction>,
    /// The instant that this is true for.
    pub as_of: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotView {
    pub grant: GrantId,
    pub kind: GrantKind,
    /// Available part.
    pub remaining: Credits,
    pub held: Credits,
    pub granted: Credits,
    pub priority: i16,
    pub expires_at: Option<Timestamp>,
    /// Money paid for all of `granted`: the cost basis is `paid` / `granted`.
    pub paid: Option<Money>,
}

/// The wallet now, or as it was known at `as_of`.
pub async fn view(
    app: &App,
    by: &Principal,
    customer: &CustomerRef,
    as_of: Option<Timestamp>,
) -> Result<WalletView, AppError> {
    by.require_own(Scope::Read)?;
    let known = customers::in_path(app, by, customer).await?;
    let now = app.now();
    if as_of.is_some_and(|at| at > now) {
        return Err(AppError::invalid("as_of", "must not be in the future"));
    }
    match as_of {
        Some(at) => {
            let wallet = store::wallets::read_as_of(app.store(), known.wallet, at).await?;
            Ok(shown(known, &at_instant(known.wallet, wallet, at)?, at))
        }
        None => {
            let wallet = current(app, known.wallet).await?;
            // The journal's time never runs back, even when a clock does.
            let at = now.max(wallet.recorded_at);
            Ok(shown(known, &wallet, at))
        }
    }
}

/// The wallet with everything that is due.
pub(crate) async fn current(app: &App, wallet: WalletId) -> Result<Wallet, AppError> {
    let now = app.now();
    at_instant(wallet, store::wallets::read(app.store(), wallet).await?, now)
}

pub(crate) async fn of_customer(app: &App, customer: CustomerId) -> Result<Option<WalletId>, AppError> {
    Ok(customers::find(app, &CustomerRef::Id(customer)).await?.map(|known| known.wallet))
}

fn at_instant(id: WalletId, wallet: Option<Wallet>, at: Timestamp) -> Result<Wallet, AppError> {
    Ok(settled(&wallet.unwrap_or_else(|| Wallet::new(id)), at)?)
}

fn shown(known: Known, wallet: &Wallet, as_of: Timestamp) -> WalletView {
    let burning = wallet.burn_order();
    let held_only = wallet.lots.iter().filter(|(_, lot)| lot.is_open() && !lot.remaining.is_positive());
    let order = burning.into_iter().chain(held_only.map(|(seq, _)| *seq));
    let lots = order
        .filter_map(|seq| wallet.lots.get(&seq).map(|lot| lot_view(GrantId { wallet: wallet.id, seq }, lot)));
    WalletView {
        wallet: wallet.id,
        customer: known.id,
        available: wallet.available,
        held: wallet.held,
        debt: wallet.debt,
        lots: lots.collect(),
        open_holds: wallet.open_holds(),
        restriction: wallet.restriction_at(as_of).copied(),
        as_of,
    }
}

fn lot_view(grant: GrantId, lot: &Lot) -> LotView {
    LotView {
        grant,
        kind: lot.terms.kind,
        remaining: lot.remaining,
        held: lot.held,
        granted: lot.terms.granted,
        priority: lot.terms.priority,
        expires_at: lot.terms.expires_at,
        paid: lot.terms.paid,
    }
}
