//! One lane's writer: drain, attempt, retry, answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kernel::Clock;
use store::{Lane, LaneConnection, Store, StoreError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::batch::{self, Attempt};
use crate::config::EngineConfig;
use crate::memory::{Behind, Memory, WALLETS_PER_PROJECTION};
use crate::queue::Waiting;
use crate::request::{Answer, EngineError, Request};
use crate::tap::Followers;

/// Tries of a whole batch after a stale fence, a serialization failure or a lost connection.
const BATCH_TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// How often a lane that is never idle writes some projections all the same: what time owes a wallet, and
/// sealing, go by them.
const BUSY_BEFORE_PROJECTING: Duration = Duration::from_secs(1);
/// A lane without commands for this long writes the projections that are due, and some of the others each time
/// it was idle for so long again: a wallet that is debited often is then written once for many debits.
const IDLE_BEFORE_PROJECTING: Duration = Duration::from_millis(50);
const WALLETS_PER_IDLENESS: usize = 50;
/// Half of what they write makes room for other wallets in a full memory.
const PROJECTIONS_PER_SHRINKING: usize = 10;
/// How long a lane that ends writes projections: what comes after it must not wait for ever.
const LAST_PROJECTIONS: Duration = Duration::from_secs(2);

pub(crate) struct Pending {
    pub request: Request,
    pub answer: oneshot::Sender<Outcome>,
}

pub(crate) enum Outcome {
    Done(Result<Answer, EngineError>),
    /// The lane map changed: the request comes back and goes to its new lane.
    LaneGone(Box<Request>),
}

pub(crate) struct Writer {
    pub lane: Lane,
    pub store: Store,
    pub clock: Clock,
    pub config: EngineConfig,
    followers: Followers,
    pub memory: Memory,
    pub connection: LaneConnection,
    /// The batch at hand was tried before, and its rows may have been committed then.
    is_unsure: bool,
}

impl Writer {
    pub fn new(lane: Lane, store: Store, clock: Clock, config: EngineConfig, followers: Followers) -> Writer {
        Writer {
            lane,
            store,
            clock,
            config,
            followers,
            memory: Memory::default(),
            connection: LaneConnection::default(),
            is_unsure: false,
        }
    }

    /// Ends when the queue is closed and empty, with every projection at its head if that takes no longer than
    /// [`LAST_PROJECTIONS`]: [`crate::Engine::bring_up`] finds the others. After a panic it goes on
    /// with nothing remembered, unless that was the end: the callers of that batch do not hear what became of it,
    /// their keys tell.
    pub async fn run(mut self, mut waiting: Waiting) {
        while AssertUnwindSafe(self.work_off(&mut waiting)).catch_unwind().await.is_err() {
            metrics::counter!("scrip_engine_panics_total").increment(1);
            tracing::error!(lane = self.lane.id, "a lane's writer panicked; it begins anew");
            self.memory.forget();
            self.connection = LaneConnection::default();
            if waiting.is_over() {
                // Of the projections at the end: readers fold the journal, and the next start brings them up.
                return;
            }
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }

    async fn work_off(&mut self, waiting: &mut Waiting) {
        let mut projected = Instant::now();
        loop {
            let drained = waiting.take(self.config.batch);
            let batch = if self.memory.is_behind() {
                match tokio::time::timeout(IDLE_BEFORE_PROJECTING, drained).await {
                    Ok(batch) => batch,
                    Err(_) => {
                        // Taking a lane from another process costs that one its memory: then all at once.
                        let which = if self.memory.gsn.is_none() { Behind::Any } else { Behind::Due };
                        while self.project(which, WALLETS_PER_PROJECTION).await && waiting.is_empty() {}
                        if waiting.is_empty() {
                            self.project(Behind::Any, WALLETS_PER_IDLENESS).await;
                        }
                        continue;
                    }
                }
            } else {
                drained.await
            };
            if batch.is_empty() {
                let began = Instant::now();
                while began.elapsed() < LAST_PROJECTIONS
                    && self.project(Behind::Any, WALLETS_PER_PROJECTION).await
                {}
                return;
            }
            metrics::histogram!("scrip_engine_batch_commands").record(f64::from(small(batch.len())));
            self.settle(batch).await;
            self.project(Behind::Far, WALLETS_PER_PROJECTION).await;
            if projected.elapsed() >= BUSY_BEFORE_PROJECTING {
                self.project(Behind::Due, WALLETS_PER_PROJECTION).await;
                self.project(Behind::Any, WALLETS_PER_PROJECTION).await;
                projected = Instant::now();
            }
            while self.memory.wallets.len() > self.config.remembered_wallets {
                for _ in 0..PROJECTIONS_PER_SHRINKING {
                    self.project(Behind::Any, WALLETS_PER_PROJECTION).await;
                }
                self.memory.shrink(self.config.remembered_wallets);
            }
        }
    }

    /// Brings projections up to their wallets' heads. False when none were.
    async fn project(&mut self, which: Behind, at_most: usize) -> bool {
        match batch::project(self, which, at_most).await {
            Ok(is_done) => is_done,
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    lane = self.lane.id,
                    "projections are behind; readers fold the journal"
                );
                self.memory.forget();
                false
            }
        }
    }

    async fn settle(&mut self, pending: Vec<Pending>) {
        let (requests, callers): (Vec<Request>, Vec<_>) =
            pending.into_iter().map(|p| (p.request, p.answer)).unzip();
        if self.config.faults.answers_early {
            return self.settle_carelessly(requests, callers).await;
        }
        match self.persist(&requests).await {
            Some(answers) => self.answer(&requests, callers, answers),
            None => {
                for (caller, request) in callers.into_iter().zip(requests) {
                    let _ = caller.send(Outcome::LaneGone(Box::new(request)));
                }
            }
        }
    }

    /// After the commit.
    fn answer(
        &self,
        requests: &[Request],
        callers: Vec<oneshot::Sender<Outcome>>,
        answers: Vec<Result<Answer, EngineError>>,
    ) {
        self.followers.tell(requests.iter().map(|request| request.wallet).zip(&answers), self.is_unsure);
        for (caller, answer) in callers.into_iter().zip(answers) {
            // A caller that went away has its answer kept under its key.
            let _ = caller.send(Outcome::Done(answer));
        }
    }

    /// The answers in order; `None` when the lane is gone.
    async fn persist(&mut self, requests: &[Request]) -> Option<Vec<Result<Answer, EngineError>>> {
        self.is_unsure = false;
        match self.retry(requests).await {
            Ok(Attempt::LaneGone) => None,
            Ok(Attempt::Done(answers)) => Some(answers),
            Err(error) if requests.len() > 1 && !error.is_transient() => self.one_by_one(requests).await,
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    lane = self.lane.id,
                    commands = requests.len(),
                    "a batch was not written"
                );
                let error = Arc::new(error);
                Some(requests.iter().map(|_| Err(EngineError::Unavailable(error.clone()))).collect())
            }
        }
    }

    /// One command that the database refuses must not take the others with it.
    async fn one_by_one(&mut self, requests: &[Request]) -> Option<Vec<Result<Answer, EngineError>>> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            match self.retry(std::slice::from_ref(request)).await {
                Ok(Attempt::LaneGone) => return None,
                Ok(Attempt::Done(mut answer)) => answers.append(&mut answer),
                Err(error) => {
                    tracing::error!(error = chain(&error), wallet.id = %request.wallet, "a command was not written");
                    answers.push(Err(EngineError::Unavailable(Arc::new(error))));
                }
            }
        }
        Some(answers)
    }

    async fn retry(&mut self, requests: &[Request]) -> Result<Attempt, StoreError> {
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let was_warm = self.memory.gsn.is_some();
            match batch::attempt(self, requests).await {
                Ok(Some(attempt)) => return Ok(attempt),
                Ok(None) => {
                    // Another process moved the lane; the redone batch claims it first, so this ends.
                    metrics::counter!("scrip_engine_lost_fences_total").increment(1);
                    self.memory.forget();
                }
                Err(error) => {
                    self.memory.forget();
                    self.is_unsure = true;
                    // What a warm lane reads is no snapshot: another process may have moved rows in between.
                    if tries >= BATCH_TRIES || !(was_warm || error.is_transient()) {
                        return Err(error);
                    }
                    tracing::warn!(
                        error = chain(&error),
                        lane = self.lane.id,
                        tries,
                        "a batch is tried again"
                    );
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
    }

    /// The fault `answers_early`: success is told before anything is durable.
    async fn settle_carelessly(&mut self, requests: Vec<Request>, callers: Vec<oneshot::Sender<Outcome>>) {
        let Ok(decided) = batch::rehearse(self, &requests).await else { return };
        for (caller, answer) in callers.into_iter().zip(decided) {
            let _ = caller.send(Outcome::Done(answer));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.persist(&requests).await;
    }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}
