//! Where customers sign up from: their network as a keyed hash, the first that is told.

use kernel::{CustomerId, WalletId};
use risk::record::{Place, Record, Source};
use risk::signal::{Address, Mail, SignUp, What};
use store::cold::{customers, risk::origins};
use store::{DatabaseTransaction, Uuid};

use super::log;
use crate::{App, AppError};

pub(crate) type Origin = origins::Model;

/// Rows that are read at once.
const PAGE: u64 = 1_000;
/// The sign-up itself is 0.
const NUMBER: i64 = 1;

/// Of a wallet that is made now.
pub(crate) fn origin(app: &App, wallet: WalletId, network: Option<u32>) -> Option<Origin> {
    let network = network?.into();
    Some(Origin { wallet: wallet.uuid(), network, told_at: app.now().micros() })
}

/// The customer comes from there, if nothing is known yet; answers what was written.
pub(crate) async fn came(
    app: &App,
    txn: &DatabaseTransaction,
    customer: Option<CustomerId>,
    network: Option<u32>,
) -> Result<Option<Origin>, AppError> {
    let (Some(customer), Some(network)) = (customer, network) else { return Ok(None) };
    let Some(row) = customers::by_id(txn, customer.uuid()).await? else { return Ok(None) };
    let told = Origin { wallet: row.wallet, network: network.into(), told_at: app.now().micros() };
    Ok(origins::insert_once(txn, told.clone()).await?.then_some(told))
}

/// That is committed here.
pub(crate) fn came_from(app: &App, origin: &Origin) {
    log::say(app, of_origin(origin));
}

/// Everything from `since` on and before `until` (microseconds).
pub(super) async fn between(app: &App, (since, until): (i64, i64)) -> Result<Vec<Record>, AppError> {
    let (mut records, mut after) = (Vec::new(), (since, Uuid::nil()));
    loop {
        let page = origins::since(app.store().reader(), after, until, PAGE).await?;
        let Some(last) = page.last() else { return Ok(records) };
        after = (last.told_at, last.wallet);
        records.extend(page.iter().map(of_origin));
    }
}

fn of_origin(origin: &Origin) -> Record {
    let network = u32::try_from(origin.network).unwrap_or_default();
    let what = What::SignedUp(SignUp {
        signed_up_at: origin.told_at.div_euclid(1_000),
        address: Address { network, host: network },
        mail: Mail::Unknown,
        is_trial: false,
        allotment: 0,
    });
    let place = Place {
        at: origin.told_at,
        wallet: origin.wallet.as_u128(),
        source: Source::Customers,
        number: NUMBER,
    };
    Record { place, what }
}
