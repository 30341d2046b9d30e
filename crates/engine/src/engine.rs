use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::{Bucket, Clock, WalletId, bucket_of};
use ledger::EntryKind;
use store::{Lane, Store, due, journal, lanes};
use tokio::sync::{Mutex, RwLock, oneshot};
use tokio::task::JoinHandle;

use crate::config::EngineConfig;
use crate::queue::{Queue, queue};
use crate::request::{Answer, EngineCommand, EngineError, KeyedInput, Request};
use crate::tap::{Followers, Keeps, Tap};
use crate::thread;
use crate::writer::{Outcome, Pending, Writer};

/// How often a command follows a lane map that changes under it.
const MAX_MOVES: u32 = 4;
const BROUGHT_UP_AT_ONCE: u64 = 500;

/// A handle on the writers of all lanes.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    config: EngineConfig,
    followers: Followers,
    routes: RwLock<Routes>,
    writers: Mutex<Vec<JoinHandle<()>>>,
    is_stopping: AtomicBool,
}

/// One reading of the lane map, with a queue per lane.
#[derive(Default)]
struct Routes {
    version: u64,
    queues: BTreeMap<Lane, Queue>,
    of_bucket: BTreeMap<Bucket, Lane>,
}

impl Routes {
    fn queue_of(&self, request: &Request) -> Result<(Lane, &Queue), EngineError> {
        let lane = self.of_bucket.get(&bucket_of(request.wallet)).ok_or(EngineError::Stopping)?;
        Ok((*lane, self.queues.get(lane).ok_or(EngineError::Stopping)?))
    }
}

impl Engine {
    /// Reads the lane map, which `migrate` made, and starts a writer for each lane.
    pub async fn start(store: Store, clock: Clock, config: EngineConfig) -> Result<Engine, EngineError> {
        let clock = if config.faults.stops_the_clock { Clock::manual(clock.now()) } else { clock };
        if config.faults.syncs_lazily {
            store.sync_lazily().await.map_err(|error| EngineError::Unavailable(Arc::new(error)))?;
        }
        let inner = Inner {
            store,
            clock,
            config,
            followers: Followers::default(),
            routes: RwLock::default(),
            writers: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        };
        let engine = Engine { inner: Arc::new(inner) };
        engine.read_routes(0).await?;
        Ok(engine)
    }

    /// Decides and durably writes one command; returns after the commit. The work goes on when the
    /// caller goes away.
    pub async fn submit(&self, request: Request) -> Result<Answer, EngineError> {
        let mut request = request;
        for _ in 0..MAX_MOVES {
            let (version, answered) = self.queue(request).await?;
            match answered.await {
                Ok(Outcome::Done(answer)) => return answer,
                Ok(Outcome::LaneGone(returned)) => {
                    request = *returned;
                    Box::pin(self.read_routes(version)).await?;
                }
                Err(_) => return Err(EngineError::Stopping),
            }
        }
        Err(EngineError::Overloaded)
    }

    /// As [`Engine::submit`] for each, in order; all of them wait in their lanes before the first is answered,
    /// so that few commits carry them.
    pub async fn submit_all(&self, requests: Vec<Request>) -> Vec<Result<Answer, EngineError>> {
        let mut answers = Vec::with_capacity(requests.len());
        for queued in self.queue_all(requests).await {
            let answered = match queued {
                Ok(answered) => answered.await,
                Err(error) => Ok(Outcome::Done(Err(error))),
            };
            answers.push(match answered {
                Ok(Outcome::Done(answer)) => answer,
                Ok(Outcome::LaneGone(returned)) => self.submit(*returned).await,
                Err(_) => Err(EngineError::Stopping),
            });
        }
        answers
    }

    /// Puts a command into its lane. Answers the version of the lane map, and where the answer will come.
    async fn queue(&self, request: Request) -> Result<(u64, oneshot::Receiver<Outcome>), EngineError> {
        if self.inner.is_stopping.load(Ordering::SeqCst) {
            return Err(EngineError::Stopping);
        }
        let routes = self.inner.routes.read().await;
        let (answer, answered) = oneshot::channel();
        routes.queue_of(&request)?.1.put(vec![Pending { request, answer }])?;
        Ok((routes.version, answered))
    }

    /// Those of one lane go there as one, so that a batch has all of them.
    async fn queue_all(
        &self,
        requests: Vec<Request>,
    ) -> Vec<Result<oneshot::Receiver<Outcome>, EngineError>> {
        if self.inner.is_stopping.load(Ordering::SeqCst) {
            return requests.iter().map(|_| Err(EngineError::Stopping)).collect();
        }
        let routes = self.inner.routes.read().await;
        let (mut queued, mut of_lanes) = (Vec::with_capacity(requests.len()), BTreeMap::new());
        for request in requests {
            let (answer, answered) = oneshot::channel();
            queued.push(routes.queue_of(&request).map(|(lane, queue)| {
                let (_, group) = of_lanes.entry(lane).or_insert_with(|| (queue, Vec::new()));
                group.push(Pending { request, answer });
                (lane, answered)
            }));
        }
        let mut full = BTreeSet::new();
        for (lane, (queue, group)) in of_lanes {
            // Where nobody writes any more, the answers do not come.
            if let Err(EngineError::Overloaded) = queue.put(group) {
                full.insert(lane);
            }
        }
        let has_room = |(lane, answered)| match full.contains(&lane) {
            true => Err(EngineError::Overloaded),
            false => Ok(answered),
        };
        queued.into_iter().map(|place| place.and_then(has_room)).collect()
    }

    /// What a key was answered before, without deciding anything.
    pub async fn first_answer(
        &self,
        wallet: WalletId,
        key: &KeyedInput,
    ) -> Result<Option<Answer>, EngineError> {
        let entry = journal::entry_by_key(&self.inner.store, wallet, &key.stored_text()).await;
        let Some(entry) = entry.map_err(|e| EngineError::Unavailable(Arc::new(e)))? else {
            return Ok(None);
        };
        if !key.is_event() && entry.key.as_ref().is_some_and(|stored| stored.hash != key.hash()) {
            return Err(EngineError::KeyReused);
        }
        Ok(Some(Answer { entry: Arc::new(entry), replayed: true }))
    }

    /// From now on the writers leave what is kept of what they commit at a tap with so many places: of entries of
    /// these kinds, those of one wallet in their order. What time did (lapses, expiries) is not among them. After a
    /// broken connection an entry may be there twice: wallet and seq tell. Other processes' entries, and dropped
    /// ones, only the journal tells.
    pub fn follow<T: Send + 'static>(
        &self,
        kinds: &'static [EntryKind],
        places: usize,
        keeps: Keeps<T>,
    ) -> Arc<Tap<T>> {
        self.inner.followers.add(kinds, places, keeps)
    }

    /// Finds projections that a process which ended badly left behind, and has them brought up; answers how many.
    /// Looks at every wallet's row, so it is for a start.
    pub async fn bring_up(&self) -> Result<usize, EngineError> {
        let (mut after, mut found) = (None, 0);
        loop {
            let behind = due::behind(&self.inner.store, after, BROUGHT_UP_AT_ONCE).await;
            let behind = behind.map_err(|error| EngineError::Unavailable(Arc::new(error)))?;
            let Some(last) = behind.last() else { return Ok(found) };
            (after, found) = (Some(*last), found + behind.len());
            // Whoever reads a wallet notes that it is behind.
            let settle = |wallet| Request {
                wallet,
                key: KeyedInput::Time,
                command: EngineCommand::Settle,
                about: None,
                vendor_transaction: None,
            };
            for answer in self.submit_all(behind.into_iter().map(settle).collect()).await {
                if let Err(error @ (EngineError::Stopping | EngineError::Unavailable(_))) = answer {
                    return Err(error);
                }
            }
        }
    }

    /// Takes no more commands, finishes those that wait and ends the writers.
    pub async fn stop(&self) {
        self.inner.is_stopping.store(true, Ordering::SeqCst);
        self.inner.routes.write().await.queues.clear();
        for writer in self.inner.writers.lock().await.drain(..) {
            if let Err(error) = writer.await {
                tracing::error!(%error, "a lane's writer ended with a panic");
            }
        }
    }

    /// True while commands are taken.
    pub fn is_running(&self) -> bool {
        !self.inner.is_stopping.load(Ordering::SeqCst)
    }

    /// True while every lane has a living writer.
    pub async fn is_ready(&self) -> bool {
        let routes = self.inner.routes.read().await;
        self.is_running() && !routes.queues.is_empty() && routes.queues.values().all(|q| !q.is_closed())
    }

    /// Commands that wait, in all lanes.
    pub async fn waiting(&self) -> usize {
        let routes = self.inner.routes.read().await;
        routes.queues.values().map(Queue::waiting).sum()
    }

    /// Reads the lane map anew unless somebody did since `seen`.
    async fn read_routes(&self, seen: u64) -> Result<(), EngineError> {
        let mut routes = self.inner.routes.write().await;
        if routes.version != seen || !self.is_running() {
            return Ok(());
        }
        let unavailable = |error| EngineError::Unavailable(Arc::new(error));
        let map = lanes::read_map(&self.inner.store).await.map_err(unavailable)?;
        let mut writers = self.inner.writers.lock().await;
        let mut queues = BTreeMap::new();
        for lane in map.lanes {
            let (queue, waiting) = queue(self.inner.config.queue);
            let writer = Writer::new(
                lane,
                self.inner.store.clone(),
                self.inner.clock.clone(),
                self.inner.config.clone(),
                self.inner.followers.clone(),
            );
            writers.push(thread::spawn(writer.run(waiting)).map_err(EngineError::NoThread)?);
            queues.insert(lane, queue);
        }
        *routes = Routes { version: seen + 1, queues, of_bucket: map.of_bucket };
        Ok(())
    }
}
