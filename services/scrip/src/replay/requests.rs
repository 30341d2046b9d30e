use std::sync::Arc;

use client::{Answer, Client, ClientError, Hold, HoldRequest, Problem, QuoteRequest};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::funds::Funds;
use super::keys::Keys;
use super::progress::Progress;
use super::summary::Tally;
use super::trace::{Rows, Trace, TraceRow};
use super::{ReplayError, ReplayOptions};

/// Rows that were read and wait for a worker.
const MAX_ROWS_AHEAD: usize = 256;
/// Quotes one row may use up: one, and one per interruption that outlived a quote.
const MAX_QUOTES_PER_ROW: u32 = 8;

/// What every worker shares.
pub(super) struct Sender {
    pub client: Client,
    pub keys: Keys,
    pub customer: String,
    pub funds: Funds,
    pub options: ReplayOptions,
}

type Queue = Mutex<mpsc::Receiver<Result<TraceRow, ReplayError>>>;

/// Sends all rows, `concurrency` at a time. The first row that fails stops the others.
pub(super) async fn send_all(
    sender: Sender,
    trace: &Trace,
    progress: &Arc<Progress>,
) -> Result<Tally, ReplayError> {
    let queue = Arc::new(read_ahead(trace.read()?));
    let sender = Arc::new(sender);
    let mut workers = JoinSet::new();
    for _ in 0..sender.options.concurrency {
        workers.spawn(work(Arc::clone(&sender), Arc::clone(&queue), Arc::clone(progress)));
    }
    let mut total = Tally::default();
    while let Some(worker) = workers.join_next().await {
        total.merge(&worker??)?;
    }
    Ok(total)
}

/// Reads the file on a thread of its own, never further ahead than the queue holds.
fn read_ahead(rows: Rows) -> Queue {
    let (rows_in, rows_out) = mpsc::channel(MAX_ROWS_AHEAD);
    tokio::task::spawn_blocking(move || {
        for row in rows {
            if rows_in.blocking_send(row).is_err() {
                break;
            }
        }
    });
    Mutex::new(rows_out)
}

async fn work(sender: Arc<Sender>, queue: Arc<Queue>, progress: Arc<Progress>) -> Result<Tally, ReplayError> {
    let mut tally = Tally::default();
    loop {
        let next = queue.lock().await.recv().await;
        let Some(row) = next.transpose()? else { return Ok(tally) };
        sender.send(row, &mut tally).await?;
        progress.row_done();
    }
}

impl Sender {
    /// One request of the trace: what it will cost, the credits set aside, what it did cost.
    async fn send(&self, row: TraceRow, tally: &mut Tally) -> Result<(), ReplayError> {
        let quantities = json!({ "input_tokens": row.input_tokens, "output_tokens": row.output_tokens });
        let hold = self.quote_and_hold(row.row, &quantities, tally).await?;
        let receipt = self
            .client
            .capture(&self.keys.capture(row.row), &hold, &quantities)
            .await
            .map_err(|source| ReplayError::Row { row: row.row, step: "capture", source })?;
        tally.answered(receipt.replayed);
        tally.captured(row, receipt.value.credits)
    }

    /// The hold's id. A quote that ran out before its hold is replaced by the next one; a key that
    /// was used with a later quote says so, and the same way leads to that quote.
    async fn quote_and_hold(
        &self,
        row: u64,
        quantities: &Value,
        tally: &mut Tally,
    ) -> Result<String, ReplayError> {
        for number in 1..=MAX_QUOTES_PER_ROW {
            let quote = self.quote(row, number, quantities, tally).await?;
            match self.hold(row, &quote, tally).await {
                Err(ReplayError::Row { source: ClientError::Refused(problem), .. })
                    if is_stale_quote(&problem) => {}
                other => return other,
            }
        }
        Err(ReplayError::StaleQuotes { row, quotes: MAX_QUOTES_PER_ROW })
    }

    async fn quote(
        &self,
        row: u64,
        number: u32,
        quantities: &Value,
        tally: &mut Tally,
    ) -> Result<String, ReplayError> {
        let request = QuoteRequest {
            customer: &self.customer,
            feature: &self.options.feature,
            model: &self.options.model,
            quantities: quantities.clone(),
        };
        let answer = self
            .client
            .quote(&self.keys.quote(row, number), &request)
            .await
            .map_err(|source| ReplayError::Row { row, step: "quote", source })?;
        tally.answered(answer.replayed);
        Ok(answer.value.id)
    }

    async fn hold(&self, row: u64, quote: &str, tally: &mut Tally) -> Result<String, ReplayError> {
        let hold = match self.try_hold(row, quote).await? {
            Some(hold) => hold,
            None => {
                let funded = self.funds.until_enough(row, || self.try_hold(row, quote)).await?;
                funded.grants_replayed.into_iter().for_each(|replayed| tally.answered(replayed));
                funded.hold
            }
        };
        tally.answered(hold.replayed);
        Ok(hold.value.id)
    }

    /// `None`: the wallet has too little.
    async fn try_hold(&self, row: u64, quote: &str) -> Result<Option<Answer<Hold>>, ReplayError> {
        let request = HoldRequest { customer: &self.customer, quote };
        match self.client.hold(&self.keys.hold(row), &request).await {
            Ok(hold) => Ok(Some(hold)),
            Err(ClientError::Refused(p)) if p.status == 402 && p.code == "insufficient_credits" => Ok(None),
            Err(source) => Err(ReplayError::Row { row, step: "hold", source }),
        }
    }
}

fn is_stale_quote(problem: &Problem) -> bool {
    ["quote_expired", "idempotency_key_reused"].contains(&problem.code.as_str())
}
