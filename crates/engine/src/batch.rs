//! One attempt at a batch: load what is not remembered, decide in order, write, commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::{Seq, Timestamp, WalletId};
use ledger::{Change, Command, Entry, Key, LotTerms, Refusal, Wallet, check, decide, settle};
use store::{Batch, Known, LaneTx, StoreError, UsedKey};

use crate::config::Place;
use crate::request::{Answer, EngineCommand, EngineError, KeyedInput, Request};
use crate::writer::Writer;

/// What a writer knows of its lane while the fence is at `gsn`.
#[derive(Default)]
pub(crate) struct Memory {
    gsn: Option<i64>,
    wallets: HashMap<WalletId, Known>,
    /// Wallets whose projections are behind their journals.
    behind: BTreeSet<WalletId>,
    /// Those of them that a reader has to fold too much onto.
    far_behind: BTreeSet<WalletId>,
}

/// Journal rows that a reader folds at most while a lane is busy: then its wallet's projection is written.
const ROWS_BEFORE_PROJECTING: i64 = 256;

/// Which projections to write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behind {
    Any,
    /// By [`ROWS_BEFORE_PROJECTING`] or more.
    Far,
}

/// Wallets whose projections one transaction writes.
const WALLETS_PER_PROJECTION: usize = 1_000;

pub(crate) enum Attempt {
    Done(Vec<Result<Answer, EngineError>>),
    LaneGone,
}

/// Everything a batch reads before it decides.
struct Loaded {
    wallets: BTreeMap<WalletId, Known>,
    used: BTreeMap<(WalletId, String), UsedKey>,
    entries: BTreeMap<(WalletId, Seq), Entry>,
    taken: BTreeSet<(WalletId, String)>,
    reversed: BTreeSet<(WalletId, Seq)>,
}

/// The decisions of one batch, made in order on a working copy.
struct Deciding<'a> {
    loaded: &'a Loaded,
    wallets: BTreeMap<WalletId, Wallet>,
    entries: BTreeMap<WalletId, Vec<Entry>>,
    answered: HashMap<(WalletId, String), (Entry, ledger::InputHash)>,
    vendor_transactions: Vec<(WalletId, String, Seq)>,
    reversals: Vec<(WalletId, Seq, Seq)>,
    /// Decisions that would break an invariant.
    broken: Vec<String>,
    ignores_keys: bool,
}

impl Memory {
    pub fn forget(&mut self) {
        *self = Memory::default();
    }

    pub fn wallets(&self) -> usize {
        self.wallets.len()
    }

    pub fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    fn to_project(&self, which: Behind) -> Vec<WalletId> {
        let wallets = match which {
            Behind::Any => &self.behind,
            Behind::Far => &self.far_behind,
        };
        wallets.iter().take(WALLETS_PER_PROJECTION).copied().collect()
    }
}

/// `None` when the fence was lost: nothing was written, the memory is stale.
pub(crate) async fn attempt(
    writer: &mut Writer,
    requests: &[Request],
) -> Result<Option<Attempt>, StoreError> {
    let txn = writer.store.begin_lane().await?;
    writer.config.faults.reach(Place::BeforeFence);
    let is_claimed = writer.memory.gsn.is_none();
    let gsn = match writer.memory.gsn {
        Some(gsn) => gsn,
        None => match txn.claim(writer.lane).await? {
            Some(gsn) => gsn,
            None => return Ok(Some(Attempt::LaneGone)),
        },
    };
    let loaded = load(&txn, &mut writer.memory, requests).await?;
    let mut deciding = Deciding::new(&loaded, writer.config.faults.ignores_keys);
    let answers: Vec<_> = requests.iter().map(|r| deciding.answer(r, writer.clock.now())).collect();

    let ignores_fence = writer.config.faults.ignores_fence;
    let writes = !deciding.entries.is_empty();
    let is_ours = match (is_claimed || ignores_fence, writes) {
        (true, _) => true,
        (false, true) => txn.advance(writer.lane, gsn).await?,
        (false, false) => txn.is_at(writer.lane, gsn).await?,
    };
    if !is_ours {
        return Ok(None);
    }
    for broken in &deciding.broken {
        tracing::error!(%broken, "a decision would break an invariant and was refused");
    }
    if writes {
        writer.config.faults.reach(Place::AfterFence);
        txn.append(&deciding.batch()).await?;
        writer.config.faults.reach(Place::BeforeCommit);
    }
    let touched = std::mem::take(&mut deciding.wallets);
    txn.commit().await?;
    writer.config.faults.reach(Place::AfterCommit);
    let moved = writes && !is_claimed && !ignores_fence;
    remember(writer, if moved { gsn + 1 } else { gsn }, loaded, touched);
    Ok(Some(Attempt::Done(answers)))
}

/// Decides without writing, for the fault `answers_early`.
pub(crate) async fn rehearse(
    writer: &mut Writer,
    requests: &[Request],
) -> Result<Vec<Result<Answer, EngineError>>, StoreError> {
    let txn = writer.store.begin_lane().await?;
    let loaded = load(&txn, &mut Memory::default(), requests).await?;
    let mut deciding = Deciding::new(&loaded, false);
    Ok(requests.iter().map(|r| deciding.answer(r, writer.clock.now())).collect())
}

fn remember(writer: &mut Writer, gsn: i64, loaded: Loaded, touched: BTreeMap<WalletId, Wallet>) {
    let memory = &mut writer.memory;
    memory.gsn = Some(gsn);
    let mut wallets = loaded.wallets;
    for (id, after) in touched {
        if let Some(known) = wallets.get_mut(&id) {
            known.advance(after);
        }
    }
    for (id, known) in wallets {
        if known.is_ahead() {
            memory.behind.insert(id);
            if known.rows_ahead() >= ROWS_BEFORE_PROJECTING {
                memory.far_behind.insert(id);
            }
        }
        memory.wallets.insert(id, known);
    }
}

/// Writes projections of remembered wallets that are behind, in one transaction. True when there may be more. A lost fence or an error only drops the memory: the journal
/// has everything.
pub(crate) async fn project(writer: &mut Writer, which: Behind) -> Result<bool, StoreError> {
    let Some(gsn) = writer.memory.gsn else { return Ok(false) };
    let ids = writer.memory.to_project(which);
    if ids.is_empty() {
        return Ok(false);
    }
    let txn = writer.store.begin_lane().await?;
    let wallets: Vec<&Known> = ids.iter().filter_map(|id| writer.memory.wallets.get(id)).collect();
    if !txn.advance(writer.lane, gsn).await? || !txn.project(&wallets).await? {
        writer.memory.forget();
        return Ok(false);
    }
    writer.config.faults.reach(Place::InProjections);
    txn.commit().await?;
    writer.memory.gsn = Some(gsn + 1);
    for id in &ids {
        writer.memory.behind.remove(id);
        writer.memory.far_behind.remove(id);
        if let Some(known) = writer.memory.wallets.get_mut(id) {
            *known = Known::projected(known.wallet.clone());
        }
    }
    Ok(true)
}

/// Takes the wallets out of the memory; whoever fails after it forgets the memory as a whole.
async fn load(txn: &LaneTx, memory: &mut Memory, requests: &[Request]) -> Result<Loaded, StoreError> {
    let ids: BTreeSet<WalletId> = requests.iter().map(|r| r.wallet).collect();
    let unknown: Vec<WalletId> = ids.iter().copied().filter(|id| !memory.wallets.contains_key(id)).collect();
    let mut wallets = txn.wallets(&unknown).await?;
    wallets.extend(ids.iter().filter_map(|id| Some((*id, memory.wallets.remove(id)?))));

    let keys = requests.iter().map(|r| (r.wallet, r.key.stored_text())).collect();
    let used = txn.used_keys(&keys).await?;
    let receipts: BTreeSet<(WalletId, Seq)> =
        requests.iter().filter_map(|r| Some((r.wallet, r.command.receipt()?))).collect();
    let at = used.iter().map(|((wallet, _), key)| (*wallet, key.seq)).chain(receipts.iter().copied());
    let entries = txn.entries(&at.collect()).await?;

    let of_receipts = receipts.iter().filter_map(|at| Some((at.0, entries.get(at)?)));
    let lots = of_receipts.flat_map(|(wallet, e)| e.lines.iter().filter_map(move |l| Some((wallet, l.lot?))));
    let named = requests.iter().filter_map(|r| Some((r.wallet, r.command.names()?)));
    txn.name(&mut wallets, &lots.chain(named).collect()).await?;

    let vendor = requests.iter().filter_map(|r| Some((r.wallet, r.vendor_transaction.clone()?)));
    let taken = txn.taken_vendor_transactions(&vendor.collect()).await?;
    let reversed = txn.reversed(&receipts).await?;
    Ok(Loaded { wallets, used, entries, taken, reversed })
}

impl<'a> Deciding<'a> {
    fn new(loaded: &'a Loaded, ignores_keys: bool) -> Deciding<'a> {
        Deciding {
            loaded,
            wallets: BTreeMap::new(),
            entries: BTreeMap::new(),
            answered: HashMap::new(),
            vendor_transactions: Vec::new(),
            reversals: Vec::new(),
            broken: Vec::new(),
            ignores_keys,
        }
    }

    /// The key first; then what the wallet's state allows.
    fn answer(&mut self, request: &Request, now: Timestamp) -> Result<Answer, EngineError> {
        if matches!(request.command, EngineCommand::Settle) {
            return self.settle(request.wallet, now);
        }
        let key = (request.wallet, request.key.stored_text());
        if !self.ignores_keys
            && let Some((entry, hash)) = self.earlier(&key)
        {
            let same = request.key.is_event() || hash == request.key.hash();
            return if same { Ok(Answer { entry, replayed: true }) } else { Err(EngineError::KeyReused) };
        }
        self.vendor_transaction_is_free(request)?;
        let loaded = || self.loaded.wallets.get(&request.wallet).map(|known| &known.wallet);
        let wallet = self.wallets.get(&request.wallet).or_else(loaded).ok_or(EngineError::UnknownWallet)?;
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
        let loaded = || self.loaded.wallets.get(&id).map(|known| &known.wallet);
        let wallet = self.wallets.get(&id).or_else(loaded);
        let Change { mut entries, wallet } = settle(wallet.ok_or(EngineError::UnknownWallet)?, now)?;
        let entry = entries.last().cloned().ok_or(EngineError::NothingDue)?;
        self.entries.entry(id).or_default().append(&mut entries);
        self.wallets.insert(id, wallet);
        Ok(Answer { entry, replayed: false })
    }

    fn earlier(&self, key: &(WalletId, String)) -> Option<(Entry, ledger::InputHash)> {
        if let Some((entry, hash)) = self.answered.get(key) {
            return Some((entry.clone(), *hash));
        }
        let used = self.loaded.used.get(key)?;
        let entry = self.loaded.entries.get(&(key.0, used.seq))?;
        Some((entry.clone(), used.hash))
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

    fn command(&self, request: &Request, wallet: &Wallet) -> Result<Command, EngineError> {
        let receipt = match &request.command {
            EngineCommand::Ledger(command) => return Ok(command.clone()),
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
        Ok(Command::Reverse { receipt: Box::new(entry.clone()), lots: lots.into_iter().collect() })
    }

    fn keep(
        &mut self,
        request: &Request,
        change: Change,
        key: (WalletId, String),
    ) -> Result<Answer, EngineError> {
        let Change { mut entries, wallet } = change;
        let own = wallet.seq;
        let none = || StoreError::Corrupt("a decision without an entry".to_owned());
        let entry = entries.last_mut().ok_or_else(|| EngineError::Unavailable(none().into()))?;
        let text = if self.ignores_keys { format!("{}#{own}", key.1) } else { key.1.clone() };
        entry.key = Some(Key { text, hash: request.key.hash() });
        entry.about.clone_from(&request.about);
        if let Some(name) = &request.vendor_transaction {
            self.vendor_transactions.push((request.wallet, name.clone(), own));
        }
        if let EngineCommand::Reverse { receipt } = request.command {
            self.reversals.push((request.wallet, receipt, own));
        }
        let entry = entry.clone();
        self.answered.insert(key, (entry.clone(), request.key.hash()));
        self.entries.entry(request.wallet).or_default().append(&mut entries);
        self.wallets.insert(request.wallet, wallet);
        Ok(Answer { entry, replayed: false })
    }

    fn batch(&self) -> Batch<'_> {
        let entries = self.entries.iter().flat_map(|(id, entries)| entries.iter().map(|entry| (*id, entry)));
        let vendor = self.vendor_transactions.iter().map(|(w, name, seq)| (*w, name.as_str(), *seq));
        Batch {
            entries: entries.collect(),
            vendor_transactions: vendor.collect(),
            reversals: self.reversals.clone(),
        }
    }
}

impl EngineCommand {
    fn receipt(&self) -> Option<Seq> {
        match self {
            EngineCommand::Reverse { receipt } => Some(*receipt),
            EngineCommand::Ledger(_) | EngineCommand::Settle => None,
        }
    }

    /// The lot or hold that the command names.
    fn names(&self) -> Option<Seq> {
        match self {
            EngineCommand::Ledger(
                Command::VoidGrant { grant: seq }
                | Command::Clawback { grant: seq, .. }
                | Command::Extend { hold: seq, .. }
                | Command::Capture { hold: seq, .. }
                | Command::VoidHold { hold: seq },
            ) => Some(*seq),
            _ => None,
        }
    }
}

impl KeyedInput {
    /// How the key stands in the journal: callers' keys and events never collide.
    pub(crate) fn stored_text(&self) -> String {
        match self {
            KeyedInput::Key { key, .. } => format!("k:{key}"),
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
