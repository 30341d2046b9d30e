//! Walks the ledger and the model side by side and says where they part.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use kernel::{Credits, Seq, Timestamp, WalletId};
use ledger::{
    Account, CaptureCharge, Change, Command, Entry, EntryKind, LotTerms, Refusal, Wallet, audit, check, due,
    fold, settled,
};

use crate::model::{Flaw, Model, ModelHold, ModelLot};
use crate::steps::{Act, Charge, Step};

pub type Decide = fn(&Wallet, &Command, Timestamp) -> Result<Change, Refusal>;
/// `Err` says in one line what differs.
pub type Verdict = Result<(), String>;

/// A seq that no lot, hold or receipt has.
const UNKNOWN: Seq = 999_999_999;
/// Further ahead than any lifetime in the steps.
const FAR: i64 = 1_000_000_000;

pub struct Harness {
    decide: Decide,
    clock: i64,
    model: Model,
    wallet: Wallet,
    /// The same wallet as a writer keeps it: without closed lots and holds.
    lean: Wallet,
    journal: Vec<Entry>,
    /// Each account as the sum of its lines, a debit being negative.
    books: BTreeMap<Account, i128>,
    free_by_lot: BTreeMap<Seq, i128>,
    probes: Vec<Probe>,
    pub accepted: usize,
}

/// What the model said would be there at an instant, to be asked again once history has gone on.
struct Probe {
    at: Timestamp,
    available: i128,
    held: i128,
    debt: i128,
}

impl Harness {
    pub fn new(decide: Decide, flaw: Option<Flaw>) -> Harness {
        let wallet = Wallet::new("wal_00000000000000000000000001".parse::<WalletId>().expect("an id"));
        let clock = 1_000_000_000_000;
        Harness {
            decide,
            clock,
            model: Model::new(flaw),
            lean: wallet.clone(),
            wallet,
            journal: Vec::new(),
            books: BTreeMap::new(),
            free_by_lot: BTreeMap::new(),
            probes: Vec::new(),
            accepted: 0,
        }
    }

    pub fn walk(&mut self, steps: &[Step]) -> Verdict {
        for (n, step) in steps.iter().enumerate() {
            self.step(step).map_err(|what| format!("step {n}, {:?}: {what}", step.act))?;
        }
        self.the_past_has_not_changed()
    }

    fn step(&mut self, step: &Step) -> Verdict {
        self.look_ahead(step.wait)?;
        self.clock += step.wait;
        let Some(command) = self.command(&step.act) else { return Ok(()) };
        let decided = (self.decide)(&self.wallet, &command, at(self.clock));
        match (decided, self.model.apply(&command, self.clock)) {
            (Ok(change), Ok(model)) => self.accept(&command, change, model),
            (Err(refusal), Err(why)) => same("the refusal", name(&refusal), why),
            (Ok(_), Err(why)) => Err(format!("the ledger accepts, the model says {why}")),
            (Err(refusal), Ok(_)) => Err(format!("the model accepts, the ledger says {refusal}")),
        }
    }

    fn accept(&mut self, command: &Command, change: Change, model: Model) -> Verdict {
        entries_follow(&self.wallet, &change, at(self.clock))?;
        fold_agrees(&self.wallet, &change)?;
        self.lean_agrees(command, &change)?;
        self.lines_balance(&change)?;
        check(&change.wallet).map_err(|broken| broken.to_string())?;
        wallet_agrees(&model, &change.wallet)?;
        self.books_agree(&model)?;
        // A clock that was set back writes before what was only read; that read is history no more.
        self.probes.retain(|probe| probe.at < change.wallet.recorded_at);
        self.journal.extend(change.entries);
        self.wallet = change.wallet;
        self.model = model;
        self.accepted += 1;
        if self.accepted.is_multiple_of(8) { reads_back(&self.wallet) } else { Ok(()) }
    }

    /// A writer that forgot closed lots and holds decides the same and folds to the same.
    fn lean_agrees(&mut self, command: &Command, change: &Change) -> Verdict {
        if self.lean_knows(command) {
            let decided = (self.decide)(&self.lean, command, at(self.clock)).map(|lean| lean.entries);
            same("the entries of a compacted wallet", &decided, &Ok(change.entries.clone()))?;
        }
        for entry in &change.entries {
            fold(&mut self.lean, entry).map_err(|r| format!("the compacted wallet: {r}"))?;
        }
        check(&self.lean).map_err(|broken| format!("the compacted wallet: {broken}"))?;
        let mut expected = change.wallet.clone();
        expected.compact();
        self.lean.compact();
        same("the compacted wallet", &self.lean, &expected)
    }

    fn lean_knows(&self, command: &Command) -> bool {
        match command {
            Command::VoidGrant { grant } | Command::Clawback { grant, .. } => {
                self.lean.lots.contains_key(grant)
            }
            Command::Extend { hold, .. } | Command::Capture { hold, .. } | Command::VoidHold { hold } => {
                self.lean.holds.contains_key(hold)
            }
            _ => true,
        }
    }

    /// Books every line twice and compares the figures that are stored with it.
    fn lines_balance(&mut self, change: &Change) -> Verdict {
        for entry in &change.entries {
            for line in &entry.lines {
                let micros = i128::from(line.amount.micros());
                let moves_nothing = entry.lines.len() == 1 && line.lot.is_none();
                if micros < 0 || (micros == 0 && !moves_nothing) {
                    return Err(format!("a line of {} in {entry:?}", line.amount));
                }
                *self.books.entry(line.from).or_default() -= micros;
                *self.books.entry(line.to).or_default() += micros;
                if let Some(lot) = line.lot {
                    let free = self.free_by_lot.entry(lot).or_default();
                    *free -= if line.from == Account::Available { micros } else { 0 };
                    *free += if line.to == Account::Available { micros } else { 0 };
                    same("lot_remaining", line.lot_remaining.map(micros_of), Some(*free))?;
                }
                same("available_after", micros_of(line.available_after), self.book(Account::Available))?;
                same("held_after", micros_of(line.held_after), self.book(Account::Held))?;
                same("debt_after", micros_of(line.debt_after), -self.book(Account::Debt))?;
            }
        }
        Ok(())
    }

    fn books_agree(&self, model: &Model) -> Verdict {
        same("issued", -self.book(Account::Issued), model.issued())?;
        same("spent", self.book(Account::Spent), model.spent())?;
        same("expired", self.book(Account::Expired), model.expired())?;
        same("revoked", self.book(Account::Revoked), model.revoked())?;
        same("uncovered", -self.book(Account::Uncovered), model.uncovered())?;
        let in_wallet = model.available() + model.held() - model.debt;
        let gone = model.spent() + model.expired() + model.revoked() - model.uncovered();
        same("issued, as the sum of all others", in_wallet + gone, model.issued())
    }

    fn book(&self, account: Account) -> i128 {
        self.books.get(&account).copied().unwrap_or(0)
    }

    /// What time alone does is the same whether it is posted early, late or never, and as the model
    /// says; one instant before the next command is kept to be asked again at the end.
    fn look_ahead(&mut self, wait: i64) -> Verdict {
        let last = self.wallet.recorded_at.micros().max(self.clock);
        let soon = last + wait.max(0) / 2;
        let figures = self.time_alone_agrees(soon)?;
        if soon < self.clock + wait {
            let (available, held, debt) = figures;
            self.probes.push(Probe { at: at(soon), available, held, debt });
        }
        self.time_alone_agrees(last + FAR).map(|_| ())
    }

    fn time_alone_agrees(&self, instant: i64) -> Result<(i128, i128, i128), String> {
        let between = at((self.clock + instant) / 2);
        let once = settle(&self.wallet, at(instant))?;
        let mut posted_early = settle(&settle(&self.wallet, between)?, at(instant))?;
        posted_early.recorded_at = once.recorded_at;
        same("a wallet settled in two parts", &posted_early, &once)?;
        let entries = due(&self.wallet, at(instant)).map_err(|r| r.to_string())?;
        fold_agrees(&self.wallet, &Change { entries, wallet: once.clone() })?;
        let mut model = self.model.clone();
        model.settle(instant);
        wallet_agrees(&model, &once)?;
        Ok((model.available(), model.held(), model.debt))
    }

    /// `as_of` an instant: the rows recorded until then, then time facts at it.
    fn the_past_has_not_changed(&self) -> Verdict {
        let mut wallet = Wallet::new(self.wallet.id);
        let mut rows = self.journal.iter().peekable();
        let mut probes: Vec<&Probe> = self.probes.iter().collect();
        probes.sort_by_key(|probe| probe.at);
        for probe in probes {
            while let Some(entry) = rows.next_if(|e| e.recorded_at <= probe.at) {
                fold(&mut wallet, entry).map_err(|r| r.to_string())?;
            }
            let then = settle(&wallet, probe.at)?;
            let figures = [then.available, then.held, then.debt].map(micros_of);
            same("as_of", figures, [probe.available, probe.held, probe.debt])
                .map_err(|what| format!("{what}, at {}", probe.at))?;
        }
        rows.try_for_each(|entry| fold(&mut wallet, entry)).map_err(|r| r.to_string())?;
        same("the journal from its beginning", &wallet, &self.wallet)
    }

    // --- from steps to commands --------------------------------------------------------------------

    /// `None` for what the engine never hands on: the second reversal of a receipt.
    fn command(&self, act: &Act) -> Option<Command> {
        let credits = |micros: &i64| Credits::from_micros(*micros);
        Some(match act {
            Act::Grant { terms, lifetime } => Command::Grant(LotTerms {
                expires_at: lifetime.map(|micros| at(self.clock + micros)),
                ..terms.clone()
            }),
            Act::VoidGrant { pick } => Command::VoidGrant { grant: self.lot(*pick) },
            Act::Clawback { pick, credits: asked } => {
                Command::Clawback { grant: self.lot(*pick), credits: credits(asked) }
            }
            Act::Authorize { credits: asked, ttl_seconds, gate } => Command::Authorize {
                credits: credits(asked),
                ttl_seconds: *ttl_seconds,
                gate: gate.gate(self.clock),
            },
            Act::Extend { pick, credits: asked, ttl_seconds } => {
                Command::Extend { hold: self.hold(*pick), credits: credits(asked), ttl_seconds: *ttl_seconds }
            }
            Act::Capture { pick, charge, is_final, when_short } => {
                let hold = self.hold(*pick);
                let charge = self.charge(hold, charge);
                Command::Capture { hold, charge, is_final: *is_final, when_short: *when_short }
            }
            Act::VoidHold { pick } => Command::VoidHold { hold: self.hold(*pick) },
            Act::Debit { price, gate, when_short } => {
                Command::Debit { price: credits(price), gate: gate.gate(self.clock), when_short: *when_short }
            }
            Act::Unrated => Command::Unrated,
            Act::Reverse { pick } => return self.reversal(*pick),
            Act::Restrict { lifetime, step_up } => {
                Command::Restrict { until: lifetime.map(|micros| at(self.clock + micros)), step_up: *step_up }
            }
            Act::Release { named } => Command::Release {
                restriction: named.map(|is_it| match &self.model.restriction {
                    Some(known) if is_it => known.seq,
                    _ => UNKNOWN,
                }),
            },
        })
    }

    fn lot(&self, pick: usize) -> Seq {
        latest(&self.model.lots, pick).map_or(UNKNOWN, |lot: &ModelLot| lot.seq)
    }

    fn hold(&self, pick: usize) -> Seq {
        latest(&self.model.holds, pick).map_or(UNKNOWN, |hold: &ModelHold| hold.seq)
    }

    fn charge(&self, hold: Seq, charge: &Charge) -> CaptureCharge {
        match charge {
            Charge::Credits(micros) => CaptureCharge::Credits(Credits::from_micros(*micros)),
            Charge::Cumulative { more, is_stale } => {
                let known = self.wallet.holds.get(&hold);
                let before = known.map_or(0, |h| h.terms.captured.micros());
                let captures_seen = known.map_or(0, |h| h.terms.captures) + u32::from(*is_stale);
                // An odd surplus is taken off instead: a corrected report may be below the last one.
                let total = if more % 7 == 3 { before / 2 } else { before.saturating_add(*more) };
                CaptureCharge::Cumulative {
                    total: Credits::from_micros(total),
                    captures_seen,
                    progress: total.to_string(),
                }
            }
        }
    }

    fn reversal(&self, pick: usize) -> Option<Command> {
        // One pick in eight names an entry that is no receipt.
        let is_asked_for =
            |e: &&Entry| pick % 8 == 7 || matches!(e.kind, EntryKind::Capture | EntryKind::Debit);
        let receipts: Vec<&Entry> = self.journal.iter().filter(is_asked_for).collect();
        let receipt = (*latest(&receipts, pick)?).clone();
        if self.model.is_reversed(receipt.seq) {
            return None;
        }
        let lots = receipt
            .lines
            .iter()
            .filter_map(|line| Some((line.lot?, self.wallet.lots.get(&line.lot?)?.terms.clone())))
            .collect();
        Some(Command::Reverse { receipt: Box::new(receipt), lots })
    }
}

/// The change leads from the wallet to the wallet after it, and by no other way.
pub fn fold_agrees(before: &Wallet, change: &Change) -> Verdict {
    let mut folded = before.clone();
    for entry in &change.entries {
        fold(&mut folded, entry).map_err(|refusal| format!("folding {}: {refusal}", entry.seq))?;
    }
    same("the folded wallet", &folded, &change.wallet)?;
    let mut audited = before.clone();
    change.entries.iter().try_for_each(|entry| audit(&mut audited, entry)).map_err(|b| b.to_string())?;
    same("the audited wallet", &audited, &change.wallet)
}

/// Seqs without gaps, time never backwards, settled rows first.
pub fn entries_follow(before: &Wallet, change: &Change, clock: Timestamp) -> Verdict {
    let now = clock.max(before.recorded_at);
    let mut effective = Timestamp::EPOCH;
    let Some((own, settled)) = change.entries.split_last() else { return Err("no entry".to_owned()) };
    for entry in settled {
        if !matches!(entry.kind, EntryKind::Lapse | EntryKind::Expire) || entry.effective_at > now {
            return Err(format!("{entry:?} is not what time did"));
        }
        if entry.effective_at < effective {
            return Err(format!("{} is out of the order of instants", entry.seq));
        }
        effective = entry.effective_at;
    }
    if matches!(own.kind, EntryKind::Lapse | EntryKind::Expire) {
        return Err(format!("the command's own entry is {own:?}"));
    }
    same("effective_at", own.effective_at, now)?;
    for (entry, seq) in change.entries.iter().zip(before.seq + 1..) {
        same("seq", entry.seq, seq)?;
        same("recorded_at", entry.recorded_at, now)?;
        if entry.lines.is_empty() || entry.key.is_some() {
            return Err(format!("{entry:?} has no line, or a key"));
        }
    }
    let rows: usize = change.entries.iter().map(|e| e.lines.len()).sum();
    same("rows", change.wallet.rows, before.rows + rows as i64)
}

pub fn wallet_agrees(model: &Model, wallet: &Wallet) -> Verdict {
    same("seq", wallet.seq, model.seq)?;
    same("available", micros_of(wallet.available), model.available())?;
    same("held", micros_of(wallet.held), model.held())?;
    same("debt", micros_of(wallet.debt), model.debt)?;
    let expected = model.restriction.as_ref().map(|r| (r.seq, at(r.since), r.until.map(at), r.step_up));
    let found = wallet.restriction.map(|r| (r.seq, r.since, r.until, r.step_up));
    same("the restriction", found, expected)?;
    same("the number of lots", wallet.lots.len(), model.lots.len())?;
    same("the number of holds", wallet.holds.len(), model.holds.len())?;
    model.lots.iter().try_for_each(|lot| lot_agrees(model, lot, wallet))?;
    model.holds.iter().try_for_each(|hold| hold_agrees(model, hold, wallet))
}

fn lot_agrees(model: &Model, expected: &ModelLot, wallet: &Wallet) -> Verdict {
    let seq = expected.seq;
    let lot = wallet.lots.get(&seq).ok_or_else(|| format!("lot {seq} is missing"))?;
    let terms = &lot.terms;
    let figures = (micros_of(lot.remaining), micros_of(lot.held), micros_of(terms.clawed_back));
    same(
        format_args!("lot {seq}: remaining, held, clawed back"),
        figures,
        (model.free_of(seq), model.held_of(seq), expected.clawed),
    )?;
    same(
        format_args!("the terms of lot {seq}"),
        (terms.kind, micros_of(terms.granted), terms.priority, terms.expires_at, terms.voided),
        (expected.kind, expected.granted, expected.priority, expected.expires.map(at), expected.voided),
    )
}

fn hold_agrees(model: &Model, expected: &ModelHold, wallet: &Wallet) -> Verdict {
    let seq = expected.seq;
    let hold = wallet.holds.get(&seq).ok_or_else(|| format!("hold {seq} is missing"))?;
    let parts: Vec<(Seq, i128)> = hold.lots.iter().map(|(lot, c)| (*lot, micros_of(*c))).collect();
    same(format_args!("the lots of hold {seq}"), &parts, &model.parts_of(seq))?;
    let terms = &hold.terms;
    same(
        format_args!("the terms of hold {seq}"),
        (terms.state, terms.expires_at, micros_of(terms.authorized), micros_of(terms.captured)),
        (expected.state, at(expected.expires), expected.authorized, expected.captured),
    )?;
    same(
        format_args!("the captures of hold {seq}"),
        (terms.captures, &terms.progress),
        (expected.captures, &expected.progress),
    )
}

/// A snapshot is the wallet as JSON.
fn reads_back(wallet: &Wallet) -> Verdict {
    let text = serde_json::to_string(wallet).map_err(|e| e.to_string())?;
    same("the wallet from its JSON", &serde_json::from_str(&text).map_err(|e| e.to_string())?, wallet)
}

fn settle(wallet: &Wallet, instant: Timestamp) -> Result<Wallet, String> {
    settled(wallet, instant).map_err(|refusal| format!("settling at {instant}: {refusal}"))
}

fn same<T: PartialEq + Debug>(what: impl Display, found: T, expected: T) -> Verdict {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} is {found:?}, expected {expected:?}"))
}

fn latest<T>(all: &[T], pick: usize) -> Option<&T> {
    if pick == usize::MAX {
        return None;
    }
    all.iter().rev().nth(pick % all.len().max(1))
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros_saturating(micros)
}

fn micros_of(credits: Credits) -> i128 {
    credits.micros().into()
}

fn name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Short { .. } => "short",
        Refusal::Restricted { .. } => "restricted",
        Refusal::RestrictedLonger { .. } => "restricted longer",
        Refusal::NotRestricted => "not restricted",
        Refusal::QuoteExpired { .. } => "quote expired",
        Refusal::NotEntitled => "not entitled",
        Refusal::RateLimited { .. } => "rate limited",
        Refusal::TooManyHolds { .. } => "too many holds",
        Refusal::TooManyLots { .. } => "too many lots",
        Refusal::UnknownGrant => "unknown grant",
        Refusal::GrantVoided => "grant voided",
        Refusal::ClawbackTooLarge { .. } => "clawback too large",
        Refusal::UnknownHold => "unknown hold",
        Refusal::HoldNotOpen { .. } => "hold not open",
        Refusal::HoldMoved => "hold moved",
        Refusal::UnknownReceipt => "unknown receipt",
        Refusal::AlreadyReversed => "already reversed",
        Refusal::ExpiryPassed { .. } => "expiry passed",
        Refusal::TooLarge => "too large",
    }
}
