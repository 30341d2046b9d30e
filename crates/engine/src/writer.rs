//! One lane's writer: drain, attempt, retry, answer.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock, new_uuid};
use store::{Fence, Forerunner, Lane, LaneConnection, Store, StoreError, Uuid};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::batch::{self, Attempt, Decided, Keys};
use crate::config::{EngineConfig, Place};
use crate::flight::{Cargo, Flight, Landing, landed};
use crate::memory::{Behind, Memory};
use crate::request::{Answer, EngineError, Request};

/// Tries of a whole batch after a stale fence, a serialization failure or a lost connection.
const BATCH_TRIES: u32 = 6;
/// How often a writer lets other tasks run before it takes what waits.
const TURNS_BEFORE_WRITING: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// How often a lane that is never idle writes some projections all the same: what time owes a wallet, and
/// sealing, go by them.
const BUSY_BEFORE_PROJECTING: Duration = Duration::from_secs(1);
/// A lane without commands for this long writes its projections.
const IDLE_BEFORE_PROJECTING: Duration = Duration::from_millis(50);

/// Batches after a failed flight that are written one by one: each can find its repeats without losing the
/// lane's memory.
const GROUNDED_FOR: u32 = 64;

pub(crate) struct Pending {
    pub request: Request,
    pub answer: oneshot::Sender<Outcome>,
}

pub(crate) enum Outcome {
    Done(Result<Answer, EngineError>),
    /// The lane map changed: the request comes back and goes to its new lane.
    LaneGone(Box<Request>),
}

/// Why a writer goes on.
enum Woken {
    Commands,
    Landed,
    Idle,
}

pub(crate) struct Writer {
    pub id: Uuid,
    pub lane: Lane,
    pub store: Store,
    pub clock: Clock,
    pub config: EngineConfig,
    pub memory: Memory,
    /// That are not in use; at most two are.
    pub connections: Vec<LaneConnection>,
    /// The batch that is being written.
    flying: Option<Flight>,
    /// Batches that do not fly after one failed: its repeat may be one of many.
    grounded: u32,
    /// The batch at hand was tried before, and its rows may have been committed then.
    is_unsure: bool,
}

impl Writer {
    pub fn new(lane: Lane, store: Store, clock: Clock, config: EngineConfig) -> Writer {
        Writer {
            id: new_uuid(),
            lane,
            store,
            clock,
            config,
            memory: Memory::default(),
            connections: Vec::new(),
            flying: None,
            grounded: 0,
            is_unsure: false,
        }
    }

    /// Ends when the queue is closed and empty, with every projection at its head.
    pub async fn run(mut self, mut waiting: mpsc::Receiver<Pending>) {
        let mut batch = Vec::with_capacity(self.config.batch);
        let mut projected = Instant::now();
        while let Some(woken) = self.wait(&mut waiting, &mut batch).await {
            match woken {
                Woken::Landed => continue,
                Woken::Idle => {
                    self.project(Behind::Any).await;
                    projected = Instant::now();
                    continue;
                }
                Woken::Commands => {}
            }
            self.gather(&mut waiting, &mut batch).await;
            let taken = batch.len();
            metrics::histogram!("scrip_engine_batch_commands").record(f64::from(small(taken)));
            let pending = std::mem::take(&mut batch);
            self.settle(pending).await;
            if self.memory.is_far_behind() {
                self.project(Behind::Far).await;
            }
            if projected.elapsed() >= BUSY_BEFORE_PROJECTING {
                self.project(Behind::Any).await;
                projected = Instant::now();
            }
            if self.memory.wallets.len() > self.config.remembered_wallets {
                while self.memory.is_behind() && self.project(Behind::Any).await {}
                self.memory.shrink(self.config.remembered_wallets);
            }
        }
        self.land().await;
        while self.memory.is_behind() && self.project(Behind::Any).await {}
    }

    /// For commands, for the flight's landing, or for long enough without either. `None` when no command
    /// will come.
    async fn wait(
        &mut self,
        waiting: &mut mpsc::Receiver<Pending>,
        batch: &mut Vec<Pending>,
    ) -> Option<Woken> {
        let drained = waiting.recv_many(batch, self.config.batch);
        let taken = match self.flying.take() {
            Some(mut flight) => {
                tokio::select! {
                    biased;
                    landing = &mut flight.landing => {
                        self.touch_down(flight, landing).await;
                        return Some(Woken::Landed);
                    }
                    taken = drained => {
                        self.flying = Some(flight);
                        taken
                    }
                }
            }
            None if self.memory.is_behind() => {
                match tokio::time::timeout(IDLE_BEFORE_PROJECTING, drained).await {
                    Ok(taken) => taken,
                    Err(_) => return Some(Woken::Idle),
                }
            }
            None => drained.await,
        };
        (taken > 0).then_some(Woken::Commands)
    }

    /// Lets callers who are on their way to the queue arrive: the same commit carries them too. Whoever is
    /// alone waits for nobody.
    async fn gather(&self, waiting: &mut mpsc::Receiver<Pending>, batch: &mut Vec<Pending>) {
        for _ in 0..TURNS_BEFORE_WRITING {
            tokio::task::yield_now().await;
            while batch.len() < self.config.batch
                && let Ok(pending) = waiting.try_recv()
            {
                batch.push(pending);
            }
        }
    }

    /// Brings projections up to their wallets' heads. False when none were.
    async fn project(&mut self, which: Behind) -> bool {
        self.land().await;
        match batch::project(self, which).await {
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
        let keys = Keys::of(&requests);
        if self.flying.as_ref().is_some_and(|flight| flight.uses_any(&keys)) {
            self.land().await;
        }
        let Some((gsn, decided)) = self.decide_ahead(&requests, &keys).await else {
            self.land().await;
            return self.write_and_answer(requests, callers).await;
        };
        if decided.writes() && decided.has_only_entries() {
            return self.take_off(requests, callers, keys, (gsn, decided)).await;
        }
        if self.land().await
            && let Ok(Some(answers)) = batch::finish(self, gsn, &requests, &keys, decided).await
        {
            return self.answer(&requests, callers, answers);
        }
        self.is_unsure = true;
        self.write_and_answer(requests, callers).await;
    }

    /// Decides with the memory as it is after what flies. `None` when the lane has to be claimed first, or
    /// has to be looked at key by key.
    async fn decide_ahead(&mut self, requests: &[Request], keys: &Keys) -> Option<(i64, Decided)> {
        let gsn = self.memory.gsn?;
        let faults = &self.config.faults;
        if faults.ignores_fence || faults.ignores_keys || !self.store.appends_at_once() {
            return None;
        }
        if self.grounded > 0 {
            self.grounded -= 1;
            return None;
        }
        faults.reach(Place::BeforeFence);
        Some((gsn, batch::decide_warm(self, requests, keys).await.ok()?))
    }

    /// Sends a batch on its way and waits for the one before it.
    async fn take_off(
        &mut self,
        requests: Vec<Request>,
        callers: Vec<oneshot::Sender<Outcome>>,
        keys: Keys,
        (gsn, decided): (i64, Decided),
    ) {
        let is_second = self.flying.is_some();
        let cargo = Cargo {
            store: self.store.clone(),
            connection: self.connections.pop().unwrap_or_default(),
            forerunner: if is_second { Forerunner::Flying } else { Forerunner::Landed },
            fence: Fence { lane: self.lane, gsn, writer: self.id },
            entries: decided.entries(),
        };
        let landing = cargo.fly();
        let answers = batch::remember(self, gsn + 1, &requests, &keys, decided);
        let flight = Flight { requests, callers, answers, keys, landing };
        if let Some(mut earlier) = self.flying.replace(flight) {
            let landing = (&mut earlier.landing).await;
            self.touch_down(earlier, landing).await;
        }
    }

    /// Waits until nothing flies. False when what flew was not written, so that the memory is another.
    async fn land(&mut self) -> bool {
        let Some(mut flight) = self.flying.take() else { return true };
        let landing = (&mut flight.landing).await;
        self.touch_down(flight, landing).await
    }

    /// A flight that wrote is answered. After one that did not, the memory is wrong, and so is what flies
    /// behind it: both are done anew, in order, by the keys of what was written all the same.
    async fn touch_down(&mut self, flight: Flight, landing: Result<Landing, JoinError>) -> bool {
        let (connection, written) = landed(landing);
        self.connections.push(connection);
        let Flight { requests, callers, answers, .. } = flight;
        if matches!(written, Ok(true)) {
            self.config.faults.reach(Place::AfterCommit);
            self.answer(&requests, callers, answers);
            return true;
        }
        let second = match self.flying.take() {
            Some(mut second) => {
                let landing = (&mut second.landing).await;
                Some((second, landed(landing)))
            }
            None => None,
        };
        self.memory.forget();
        self.grounded = GROUNDED_FOR;
        self.is_unsure = true;
        match written {
            Err(error) => {
                tracing::warn!(error = chain(&error), lane = self.lane.id, "a batch is tried again")
            }
            Ok(_) => metrics::counter!("scrip_engine_lost_fences_total").increment(1),
        }
        self.write_and_answer(requests, callers).await;
        if let Some((second, (connection, written))) = second {
            self.connections.push(connection);
            match written {
                Ok(true) => self.answer(&second.requests, second.callers, second.answers),
                _ => {
                    self.is_unsure = true;
                    self.write_and_answer(second.requests, second.callers).await;
                }
            }
        }
        false
    }

    async fn write_and_answer(&mut self, requests: Vec<Request>, callers: Vec<oneshot::Sender<Outcome>>) {
        match self.persist(&requests).await {
            Some(answers) => {
                self.answer(&requests, callers, answers);
                self.is_unsure = false;
            }
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
        if let Some(tap) = &self.config.tap {
            tap.offer(requests.iter().map(|request| request.wallet).zip(&answers), self.is_unsure);
        }
        for (caller, answer) in callers.into_iter().zip(answers) {
            // A caller that went away has its answer kept under its key.
            let _ = caller.send(Outcome::Done(answer));
        }
    }

    /// The answers in order; `None` when the lane is gone.
    async fn persist(&mut self, requests: &[Request]) -> Option<Vec<Result<Answer, EngineError>>> {
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
