//! One attempt at a batch: load what is not remembered, decide in order, write, commit.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kernel::{Seq, Timestamp, WalletId, bucket_of};
use ledger::{Change, Command, Entry, Key, LotTerms, Refusal, Wallet, check, decide, settle};
use store::{Batch, ConnectionTrait, KeysIn, Known, Lane, LaneConnection, Reads, Store, StoreError, UsedKey};

use crate::config::{Faults, Place};
use crate::memory::{Behind, Memory, Recent};
use crate::request::{Answer, EngineCommand, EngineError, KeyedInput, Request};
use crate::writer::Writer;

pub(crate) enum Attempt {
    Done(Vec<Result<Answer, EngineError>>),
    LaneGone,
}

/// What a batch reads before it decides, beside its wallets.
struct Loaded {
    used: BTreeMap<(WalletId, String), UsedKey>,
    entries: BTreeMap<(WalletId, Seq), Arc<Entry>>,
    taken: BTreeSet<(WalletId, String)>,
    reversed: BTreeSet<(WalletId, Seq)>,
}

/// The keys of a batch as the journal has them, one per request.
struct Keys {
    each: Vec<(WalletId, String)>,
    /// Which of them are stored.
    is_stored: Vec<bool>,
}

/// The keys that are looked up before a batch is decided.
struct LookUp {
    keys: BTreeSet<(WalletId, String)>,
    place: KeysIn,
}

/// The decisions of one batch, made in order on working copies of its wallets.
struct Deciding<'a> {
    known: &'a HashMap<WalletId, Known>,
    loaded: &'a Loaded,
    wallets: HashMap<WalletId, Wallet>,
    entries: Vec<(WalletId, Arc<Entry>)>,
    answered: HashMap<&'a (WalletId, String), (Arc<Entry>, ledger::InputHash)>,
    vendor_transactions: Vec<(WalletId, String, Seq)>,
    reversals: Vec<(WalletId, Seq, Seq)>,
    /// Decisions that would break an invariant.
    broken: Vec<String>,
    ignores_keys: bool,
}

/// `None` when the fence was lost: nothing was written, the memory is stale.
pub(crate) async fn attempt(
    writer: &mut Writer,
    requests: &[Request],
) -> Result<Option<Attempt>, StoreError> {
    writer.config.faults.reach(Place::BeforeFence);
    let keys = Keys::of(requests);
    let Some(gsn) = writer.memory.gsn else { return claim(writer, requests, &keys).await };
    let seen_before = keys.seen_before(&writer.memory.recent);
    let look_up = match (writer.memory.has_sealed, seen_before.is_empty()) {
        (false, _) => LookUp { keys: seen_before, place: KeysIn::Journal },
        (true, true) => LookUp { keys: keys.all(), place: KeysIn::Sealed },
        (true, false) => keys.everywhere(),
    };
    match go_on(writer, gsn, requests, &keys, look_up).await {
        // One of the keys was used before the memory's time.
        Err(error) if error.is_unique_violation() => {
            go_on(writer, gsn, requests, &keys, keys.everywhere()).await
        }
        attempted => attempted,
    }
}

/// With an empty memory: one transaction that takes the lane first, so that nobody else can commit to it.
async fn claim(
    writer: &mut Writer,
    requests: &[Request],
    keys: &Keys,
) -> Result<Option<Attempt>, StoreError> {
    let txn = writer.store.begin_lane().await?;
    let Some(claimed) = txn.claim(writer.lane).await? else { return Ok(Some(Attempt::LaneGone)) };
    writer.memory.has_sealed = claimed.has_sealed;
    writer.config.faults.reach(Place::AfterFence);
    let loaded = load(txn.reads(), &mut writer.memory, requests, &keys.everywhere()).await?;
    let mut deciding = Deciding::new(&writer.memory.wallets, &loaded, writer.config.faults.ignores_keys);
    let answers = deciding.answer_all(requests, keys, writer.clock.now());
    deciding.report_broken();
    if deciding.writes() {
        txn.append(&deciding.batch()).await?;
    }
    let touched = deciding.touched();
    writer.config.faults.reach(Place::BeforeCommit);
    txn.commit().await?;
    writer.config.faults.reach(Place::AfterCommit);
    writer.memory.remember(claimed.gsn, touched, keys.stored());
    writer.memory.compact(requests.iter().filter(|r| r.command.names().is_some()).map(|r| r.wallet));
    Ok(Some(Attempt::Done(answers)))
}

/// With a memory that is true as long as the fence is at `gsn`: reads only what the memory lacks, and
/// leaves it to the journal's unique key to find a repeat that was not looked up.
async fn go_on(
    writer: &mut Writer,
    gsn: i64,
    requests: &[Request],
    keys: &Keys,
    look_up: LookUp,
) -> Result<Option<Attempt>, StoreError> {
    let (store, lane, now) = (writer.store.clone(), writer.lane, writer.clock.now());
    let faults = writer.config.faults.clone();
    let mut loaded = load(store.lane_reads(), &mut writer.memory, requests, &look_up).await?;
    let mut deciding = Deciding::new(&writer.memory.wallets, &loaded, faults.ignores_keys);
    let mut answers = deciding.answer_all(requests, keys, now);
    // What is refused may be the repeat of a success, and no unique key would tell.
    let doubtful = keys.refused(&answers).filter(|key| !look_up.tells_all_of(key)).cloned().collect();
    let used = store.lane_reads().used_keys(&doubtful, KeysIn::Journal).await?;
    if !used.is_empty() {
        drop(deciding);
        let at = used.iter().map(|((wallet, _), key)| (*wallet, key.seq)).collect();
        let entries = store.lane_reads().entries(&at).await?;
        loaded.entries.extend(entries.into_iter().map(|(at, entry)| (at, Arc::new(entry))));
        loaded.used.extend(used);
        deciding = Deciding::new(&writer.memory.wallets, &loaded, faults.ignores_keys);
        answers = deciding.answer_all(requests, keys, now);
    }
    let writes = deciding.writes();
    let is_ours = match (writes, faults.ignores_fence) {
        (true, false) => {
            append(&store, &mut writer.connection, &faults, (lane, gsn), &deciding.batch()).await?
        }
        (true, true) => {
            let txn = store.begin_lane().await?;
            txn.append(&deciding.batch()).await?;
            txn.commit().await?;
            true
        }
        (false, _) => faults.ignores_fence || store.lane_reads().is_at(lane, gsn).await?,
    };
    if !is_ours {
        return Ok(None);
    }
    faults.reach(Place::AfterCommit);
    deciding.report_broken();
    let touched = deciding.touched();
    let moved = writes && !faults.ignores_fence;
    writer.memory.remember(if moved { gsn + 1 } else { gsn }, touched, keys.stored());
    writer.memory.compact(requests.iter().filter(|r| r.command.names().is_some()).map(|r| r.wallet));
    Ok(Some(Attempt::Done(answers)))
}

/// Moves the fence from `gsn` to the next and appends the batch, durably. False when another process moved
/// the fence first: then nothing is written.
async fn append(
    store: &Store,
    own: &mut LaneConnection,
    faults: &Faults,
    (lane, gsn): (Lane, i64),
    batch: &Batch<'_>,
) -> Result<bool, StoreError> {
    if let Some(done) = store.append_at_once(own, (lane, gsn), batch).await? {
        return Ok(done);
    }
    let txn = store.begin_lane().await?;
    if !txn.advance(lane, gsn).await? {
        return Ok(false);
    }
    faults.reach(Place::AfterFence);
    txn.append(batch).await?;
    faults.reach(Place::BeforeCommit);
    txn.commit().await?;
    Ok(true)
}

/// Decides without writing, for the fault `answers_early`.
pub(crate) async fn rehearse(
    writer: &mut Writer,
    requests: &[Request],
) -> Result<Vec<Result<Answer, EngineError>>, StoreError> {
    let (keys, mut memory) = (Keys::of(requests), Memory::default());
    let loaded = load(writer.store.lane_reads(), &mut memory, requests, &keys.everywhere()).await?;
    let mut deciding = Deciding::new(&memory.wallets, &loaded, false);
    Ok(deciding.answer_all(requests, &keys, writer.clock.now()))
}

/// Writes projections of so many wallets that are behind, in one transaction; claims the lane where the memory
/// was lost. True when there may be more.
pub(crate) async fn project(writer: &mut Writer, which: Behind, at_most: usize) -> Result<bool, StoreError> {
    let ids = writer.memory.next_to_project(which, at_most);
    if ids.is_empty() {
        return Ok(false);
    }
    if let Some(is_ours) = project_at_once(writer, &ids).await? {
        if !is_ours {
            writer.memory.forget();
        }
        return Ok(true);
    }
    let txn = writer.store.begin_lane().await?;
    let gsn = match writer.memory.gsn {
        Some(gsn) if txn.advance(writer.lane, gsn).await? => gsn + 1,
        Some(_) => {
            writer.memory.forget();
            return Ok(true);
        }
        None => {
            let Some(claimed) = txn.claim(writer.lane).await? else {
                writer.memory = Memory::default();
                return Ok(false);
            };
            writer.memory.has_sealed = claimed.has_sealed;
            claimed.gsn
        }
    };
    let lost = ids.iter().filter(|id| !writer.memory.wallets.contains_key(id)).copied();
    writer.memory.learn(txn.reads().wallets(&lost.collect::<Vec<_>>()).await?);
    let known = ids.iter().filter_map(|id| writer.memory.wallets.get(id));
    let wallets: Vec<&Known> = known.filter(|known| known.is_ahead()).collect();
    if !txn.project(&wallets).await? {
        writer.memory.forget();
        return Ok(false);
    }
    writer.config.faults.reach(Place::InProjections);
    txn.commit().await?;
    writer.memory.projected(gsn, &ids);
    Ok(true)
}

/// In one statement where the database and the wallets allow it: `None` where they do not. False when the fence was
/// lost.
async fn project_at_once(writer: &mut Writer, ids: &[WalletId]) -> Result<Option<bool>, StoreError> {
    let Writer { lane, store, config, memory, connection, .. } = writer;
    let Some(gsn) = memory.gsn else { return Ok(None) };
    let wallets: Option<Vec<&Known>> = ids.iter().map(|id| memory.wallets.get(id)).collect();
    let Some(wallets) = wallets.filter(|wallets| store.projects_at_once(wallets)) else { return Ok(None) };
    config.faults.reach(Place::InProjections);
    let is_ours = store.project_at_once(connection, (*lane, gsn), &wallets).await?;
    if is_ours {
        memory.projected(gsn + 1, ids);
    }
    Ok(Some(is_ours))
}

/// Puts the wallets of the requests into the memory, as far as they exist, and reads what else a decision
/// needs.
async fn load<C: ConnectionTrait>(
    reads: Reads<'_, C>,
    memory: &mut Memory,
    requests: &[Request],
    look_up: &LookUp,
) -> Result<Loaded, StoreError> {
    let ids = requests.iter().map(|r| r.wallet).filter(|id| !memory.wallets.contains_key(id));
    let unknown: BTreeSet<WalletId> = ids.collect();
    memory.learn(reads.wallets(&unknown.into_iter().collect::<Vec<_>>()).await?);

    let used = reads.used_keys(&look_up.keys, look_up.place).await?;
    let receipts: BTreeSet<(WalletId, Seq)> =
        requests.iter().filter_map(|r| Some((r.wallet, r.command.receipt()?))).collect();
    let at = used.iter().map(|((wallet, _), key)| (*wallet, key.seq)).chain(receipts.iter().copied());
    let entries = reads.entries(&at.collect()).await?;

    let of_receipts = receipts.iter().filter_map(|at| Some((at.0, entries.get(at)?)));
    let lots = of_receipts.flat_map(|(wallet, e)| e.lines.iter().filter_map(move |l| Some((wallet, l.lot?))));
    let named = requests.iter().filter_map(|r| Some((r.wallet, r.command.names()?)));
    reads.name(&mut memory.wallets, &lots.chain(named).collect()).await?;

    let vendor = requests.iter().filter_map(|r| Some((r.wallet, r.vendor_transaction.clone()?)));
    let taken = reads.taken_vendor_transactions(&vendor.collect()).await?;
    let reversed = reads.reversed(&receipts).await?;
    let entries = entries.into_iter().map(|(at, entry)| (at, Arc::new(entry))).collect();
    Ok(Loaded { used, entries, taken, reversed })
}

impl Keys {
    fn of(requests: &[Request]) -> Keys {
        let is_stored = |r: &Request| !matches!(r.command, EngineCommand::Settle);
        Keys {
            each: requests.iter().map(|r| (r.wallet, r.key.stored_text())).collect(),
            is_stored: requests.iter().map(is_stored).collect(),
        }
    }

    fn stored(&self) -> impl Iterator<Item = &(WalletId, String)> {
        self.each.iter().zip(&self.is_stored).filter(|(_, is_stored)| **is_stored).map(|(key, _)| key)
    }

    fn all(&self) -> BTreeSet<(WalletId, String)> {
        self.stored().cloned().collect()
    }

    fn everywhere(&self) -> LookUp {
        LookUp { keys: self.all(), place: KeysIn::Journal }
    }

    fn seen_before(&self, recent: &Recent) -> BTreeSet<(WalletId, String)> {
        self.stored().filter(|key| recent.has(key)).cloned().collect()
    }

    fn refused<'a>(
        &'a self,
        answers: &'a [Result<Answer, EngineError>],
    ) -> impl Iterator<Item = &'a (WalletId, String)> {
        let refused =
            self.each.iter().zip(&self.is_stored).zip(answers).filter(|(_, answer)| answer.is_err());
        refused.filter(|((_, is_stored), _)| **is_stored).map(|((key, _), _)| key)
    }
}

impl LookUp {
    /// Whether no other use of the key can be found.
    fn tells_all_of(&self, key: &(WalletId, String)) -> bool {
        self.place == KeysIn::Journal && self.keys.contains(key)
    }
}

impl<'a> Deciding<'a> {
    fn new(known: &'a HashMap<WalletId, Known>, loaded: &'a Loaded, ignores_keys: bool) -> Deciding<'a> {
        Deciding {
            known,
            loaded,
            wallets: HashMap::new(),
            entries: Vec::new(),
            answered: HashMap::new(),
            vendor_transactions: Vec::new(),
            reversals: Vec::new(),
            broken: Vec::new(),
            ignores_keys,
        }
    }

    fn answer_all(
        &mut self,
        requests: &[Request],
        keys: &'a Keys,
        now: Timestamp,
    ) -> Vec<Result<Answer, EngineError>> {
        self.entries.reserve(requests.len());
        self.answered.reserve(requests.len());
        requests.iter().zip(&keys.each).map(|(request, key)| self.answer(request, key, now)).collect()
    }

    fn writes(&self) -> bool {
        !self.entries.is_empty()
    }

    fn touched(self) -> HashMap<WalletId, Wallet> {
        self.wallets
    }

    fn report_broken(&self) {
        for broken in &self.broken {
            tracing::error!(%broken, "a decision would break an invariant and was refused");
        }
    }

    /// The wallet as the batch has it so far.
    fn wallet(&self, id: WalletId) -> Result<&Wallet, EngineError> {
        let known = || self.known.get(&id).map(|known| &known.wallet);
        self.wallets.get(&id).or_else(known).ok_or(EngineError::UnknownWallet)
    }

    /// The key first; then what the wallet's state allows.
    fn answer(
        &mut self,
        request: &Request,
        key: &'a (WalletId, String),
        now: Timestamp,
    ) -> Result<Answer, EngineError> {
        if matches!(request.command, EngineCommand::Settle) {
            return self.settle(request.wallet, now);
        }
        if !self.ignores_keys
            && let Some((entry, hash)) = self.earlier(key)?
        {
            let same = request.key.is_event() || hash == request.key.hash();
            return if same { Ok(Answer { entry, replayed: true }) } else { Err(EngineError::KeyReused) };
        }
        self.vendor_transaction_is_free(request)?;
        let wallet = self.wallet(request.wallet)?;
        let command = self.command(request, wallet)?;
        let change = decide(wallet, &command, now)?;
        if let Err(broken) = check(&change.wallet) {
            // A defect of ours, unless the fence turns out to be lost: refuse the write rather than store it.
            self.broken.push(broken.to_string());
            return Err(EngineError::Unavailable(StoreError::Corrupt(broken.to_string()).into()));
        }
        self.keep(request, change, key)
    }

    /// Answers the last entry that time owed the wallet.
    fn settle(&mut self, id: WalletId, now: Timestamp) -> Result<Answer, EngineError> {
        let Change { entries, wallet } = settle(self.wallet(id)?, now)?;
        let entries: Vec<_> = entries.into_iter().map(|entry| (id, Arc::new(entry))).collect();
        let (_, entry) = entries.last().cloned().ok_or(EngineError::NothingDue)?;
        self.entries.extend(entries);
        self.wallets.insert(id, wallet);
        Ok(Answer { entry, replayed: false })
    }

    fn earlier(
        &self,
        key: &(WalletId, String),
    ) -> Result<Option<(Arc<Entry>, ledger::InputHash)>, EngineError> {
        if let Some((entry, hash)) = self.answered.get(key) {
            return Ok(Some((entry.clone(), *hash)));
        }
        let Some(used) = self.loaded.used.get(key) else { return Ok(None) };
        let Some(entry) = self.loaded.entries.get(&(key.0, used.seq)) else {
            let what = format!("entry {} of wallet {} has a key and no lines", used.seq, key.0);
            return Err(EngineError::Unavailable(StoreError::Corrupt(what).into()));
        };
        Ok(Some((entry.clone(), used.hash)))
    }

    fn vendor_transaction_is_free(&self, request: &Request) -> Result<(), EngineError> {
        let Some(name) = &request.vendor_transaction else { return Ok(()) };
        let in_batch =
            self.vendor_transactions.iter().any(|(wallet, n, _)| *wallet == request.wallet && n == name);
        if in_batch || self.loaded.taken.contains(&(request.wallet, name.clone())) {
            return Err(EngineError::VendorTransactionTaken(name.clone()));
        }
        Ok(())
    }

    fn command<'r>(&self, request: &'r Request, wallet: &Wallet) -> Result<Cow<'r, Command>, EngineError> {
        let receipt = match &request.command {
            EngineCommand::Ledger(command) => return Ok(Cow::Borrowed(command)),
            EngineCommand::Reverse { receipt } => (request.wallet, *receipt),
            EngineCommand::Settle => return Err(EngineError::NothingDue),
        };
        let in_batch = self.reversals.iter().any(|(w, r, _)| (*w, *r) == receipt);
        if in_batch || self.loaded.reversed.contains(&receipt) {
            return Err(Refusal::AlreadyReversed.into());
        }
        let entry = self.loaded.entries.get(&receipt).ok_or(Refusal::UnknownReceipt)?;
        let lots: BTreeMap<Seq, LotTerms> = entry
            .lines
            .iter()
            .filter_map(|line| Some((line.lot?, wallet.lots.get(&line.lot?)?.terms.clone())))
            .collect();
        let receipt = Box::new(Entry::clone(entry));
        Ok(Cow::Owned(Command::Reverse { receipt, lots: lots.into_iter().collect() }))
    }

    fn keep(
        &mut self,
        request: &Request,
        change: Change,
        key: &'a (WalletId, String),
    ) -> Result<Answer, EngineError> {
        let Change { mut entries, wallet } = change;
        let own = wallet.seq;
        let none = || StoreError::Corrupt("a decision without an entry".to_owned());
        let mut entry = entries.pop().ok_or_else(|| EngineError::Unavailable(none().into()))?;
        let text = if self.ignores_keys { format!("{}#{own}", key.1) } else { key.1.clone() };
        entry.key = Some(Key { text, hash: request.key.hash() });
        entry.about.clone_from(&request.about);
        if let Some(name) = &request.vendor_transaction {
            self.vendor_transactions.push((request.wallet, name.clone(), own));
        }
        if let EngineCommand::Reverse { receipt } = request.command {
            self.reversals.push((request.wallet, receipt, own));
        }
        let entry = Arc::new(entry);
        self.answered.insert(key, (entry.clone(), request.key.hash()));
        self.entries.extend(entries.into_iter().map(|due| (request.wallet, Arc::new(due))));
        self.entries.push((request.wallet, entry.clone()));
        self.wallets.insert(request.wallet, wallet);
        Ok(Answer { entry, replayed: false })
    }

    fn batch(&self) -> Batch<'_> {
        let vendor = self.vendor_transactions.iter().map(|(w, name, seq)| (*w, name.as_str(), *seq));
        let mut entries: Vec<_> = self.entries.iter().map(|(id, entry)| (*id, &**entry)).collect();
        // In the order of the journal's key, so that neighbours in its index are written one after the other.
        entries.sort_by_cached_key(|(id, _)| (bucket_of(*id), *id));
        Batch { entries, vendor_transactions: vendor.collect(), reversals: self.reversals.clone() }
    }
}

impl EngineCommand {
    fn receipt(&self) -> Option<Seq> {
        match self {
            EngineCommand::Reverse { receipt } => Some(*receipt),
            EngineCommand::Ledger(_) | EngineCommand::Settle => None,
        }
    }

    /// The lot or hold that the command names; seqs begin with 1.
    fn names(&self) -> Option<Seq> {
        match self {
            EngineCommand::Ledger(
                Command::VoidGrant { grant: seq }
                | Command::Clawback { grant: seq, .. }
                | Command::Extend { hold: seq, .. }
                | Command::Capture { hold: seq, .. }
                | Command::VoidHold { hold: seq },
            ) => Some(*seq).filter(|seq| *seq > 0),
            _ => None,
        }
    }
}

impl KeyedInput {
    /// How the key stands in the journal: callers' keys and events never collide.
    pub(crate) fn stored_text(&self) -> String {
        match self {
            KeyedInput::Key { key, .. } => ["k:", key.as_str()].concat(),
            KeyedInput::Event { source, id, .. } => format!("e:{}:{source}{id}", source.len()),
            KeyedInput::System { key, .. } => format!("s:{key}"),
            // Looked up like every other, never stored.
            KeyedInput::Time => "t:".to_owned(),
        }
    }

    pub(crate) fn hash(&self) -> ledger::InputHash {
        match self {
            KeyedInput::Key { hash, .. }
            | KeyedInput::Event { hash, .. }
            | KeyedInput::System { hash, .. } => *hash,
            KeyedInput::Time => ledger::InputHash::default(),
        }
    }

    pub(crate) fn is_event(&self) -> bool {
        matches!(self, KeyedInput::Event { .. })
    }
}
