//! `scrip replay FILE`: sends a real trace of LLM requests through a running server, over HTTP, and
//! compares the receipts it was given with the journal the server keeps.
//!
//! Every key is made of the file's hash and the row, so a second run repeats nothing, and a run that
//! was interrupted goes on where it stopped.

mod error;
mod funds;
mod journal;
mod keys;
mod progress;
mod requests;
mod summary;
mod trace;

#[cfg(test)]
mod fake_server;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use client::{Client, ClientError, NewCustomer};

pub use error::ReplayError;
pub use journal::JournalTotals;
pub use summary::{ReplaySummary, Tally};

use funds::Funds;
use keys::Keys;
use progress::Progress;
use requests::Sender;
use trace::Trace;

pub const DEFAULT_FEATURE: &str = "text.generate";
pub const DEFAULT_MODEL: &str = "gpt-4";
/// How many requests are under way at once.
pub const DEFAULT_CONCURRENCY: usize = 16;
pub const MAX_CONCURRENCY: usize = 256;

#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// An Azure CSV or a Mooncake JSONL, plain or gzipped.
    pub file: PathBuf,
    /// The running server, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// A merchant key that may create customers, grant and use.
    pub api_key: String,
    pub feature: String,
    pub model: String,
    /// `organisation` or `individual`.
    pub customer_kind: String,
    pub concurrency: usize,
}

impl ReplayOptions {
    pub fn new(
        file: impl Into<PathBuf>,
        url: impl Into<String>,
        api_key: impl Into<String>,
    ) -> ReplayOptions {
        ReplayOptions {
            file: file.into(),
            url: url.into(),
            api_key: api_key.into(),
            feature: DEFAULT_FEATURE.to_owned(),
            model: DEFAULT_MODEL.to_owned(),
            customer_kind: "organisation".to_owned(),
            concurrency: DEFAULT_CONCURRENCY,
        }
    }
}

/// Sends the whole trace, then reads the journal. Progress goes to stderr; the caller prints the
/// summary and fails when it is not [exact](ReplaySummary::is_exact).
pub async fn replay(options: ReplayOptions) -> Result<ReplaySummary, ReplayError> {
    if !(1..=MAX_CONCURRENCY).contains(&options.concurrency) {
        return Err(ReplayError::Concurrency { asked: options.concurrency, max: MAX_CONCURRENCY });
    }
    let file = options.file.clone();
    let trace = tokio::task::spawn_blocking(move || Trace::survey(&file)).await??;
    let keys = Keys::new(trace.hash());
    let progress = Arc::new(Progress::start(trace.rows()));
    let watcher = Arc::clone(&progress);
    let client = Client::new(&options.url, &options.api_key)?.announcing(move |pause| watcher.waiting(pause));

    let mut tally = Tally::default();
    let customer = open_customer(&client, &keys, &options.customer_kind, &mut tally).await?;
    let funds = Funds::new(client.clone(), customer.clone(), keys.clone());
    tally.answered(funds.first_grant().await?);
    let sender =
        Sender { client: client.clone(), keys: keys.clone(), customer: customer.clone(), funds, options };
    tally.merge(&requests::send_all(sender, &trace, &progress).await?)?;
    progress.finish();

    let journal = JournalTotals::read(&client, &customer).await?;
    Ok(ReplaySummary { trace_hash: keys.hash().to_owned(), customer, tally, journal })
}

/// The trace's own customer: everything in its journal comes from this trace.
async fn open_customer(
    client: &Client,
    keys: &Keys,
    kind: &str,
    tally: &mut Tally,
) -> Result<String, ReplayError> {
    let external_id = keys.external_id();
    match client.customer(&external_id).await {
        Ok(customer) => return Ok(customer.id),
        Err(ClientError::Refused(problem)) if problem.status == 404 => {}
        Err(source) => return Err(ReplayError::Call { doing: "looking for the replay's customer", source }),
    }
    let new = NewCustomer {
        external_id: &external_id,
        kind,
        name: &keys.label(),
        email: &format!("{external_id}@example.com"),
    };
    let answer = client
        .create_customer(&keys.customer(), &new)
        .await
        .map_err(|source| ReplayError::Call { doing: "creating the replay's customer", source })?;
    tally.answered(answer.replayed);
    Ok(answer.value.id)
}
