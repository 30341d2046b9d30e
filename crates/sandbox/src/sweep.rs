//! What the sandbox does by itself: deliver webhooks, let checkouts expire.

use std::collections::BTreeMap;
use std::time::Duration;

use store::StoreError;
use store::cold::sandbox_objects::{self as table, Model};

use crate::Sandbox;
use crate::deliver;
use crate::objects::session;
use crate::work::{DELIVERY, Work, parse};

const BATCH: u64 = 200;
/// How often the clock is looked at when nobody rings.
const TICK: Duration = Duration::from_millis(500);

pub(crate) async fn run(sandbox: &Sandbox, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        if let Err(error) = round(sandbox).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a round of the sandbox failed");
        }
        tokio::select! {
            () = &mut stop => return,
            () = sandbox.0.bell.notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Endpoints in parallel, what goes to one of them in order.
pub(crate) async fn round(sandbox: &Sandbox) -> Result<usize, StoreError> {
    expire_checkouts(sandbox).await?;
    let now = sandbox.0.clock.now().micros();
    let mut due = table::due(sandbox.0.store.reader(), DELIVERY, now, BATCH).await?;
    if sandbox.knobs().reorder {
        due.reverse();
    }
    let attempts = due.len();
    let mut queues: BTreeMap<String, Vec<Model>> = BTreeMap::new();
    for row in due {
        let endpoint = parse(&row)?["endpoint"].as_str().unwrap_or_default().to_owned();
        queues.entry(endpoint).or_default().push(row);
    }
    let sent = queues.values().map(|queue| send_in_order(sandbox, queue));
    futures::future::try_join_all(sent).await?;
    Ok(attempts)
}

async fn send_in_order(sandbox: &Sandbox, queue: &[Model]) -> Result<(), StoreError> {
    for row in queue {
        deliver::attempt(sandbox, row).await?;
    }
    Ok(())
}

async fn expire_checkouts(sandbox: &Sandbox) -> Result<(), StoreError> {
    let now = sandbox.0.clock.now().micros();
    let due = table::due(sandbox.0.store.reader(), "checkout.session", now, BATCH).await?;
    for row in due {
        let work = Work::write(sandbox).await?;
        // An error here says that somebody else has closed it.
        if session::expire(&work, &row.id).await.is_ok() {
            work.commit().await?;
        }
    }
    Ok(())
}
