//! The check: the journal and the balances by what the clients themselves wrote down.

use std::collections::BTreeMap;

use kernel::{Credits, GrantId, HoldId, ReceiptId, Seq, WalletId};
use serde_json::Value;

use super::operation::{Effect, Record};
use super::shared::Holder;
use super::{Flaw, FlawKind, due};
use crate::process::ServerOptions;
use crate::wire::Wire;

/// The largest that the contract allows.
const PAGE: usize = 100;
const MAX_PAGES: usize = 50_000;

/// One command as the journal has it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub kind: String,
    pub hold: Option<String>,
    pub effective_at: String,
    /// As if nothing that came back to an expired lot had expired at once.
    pub effect: Effect,
    /// The lot of its first line.
    pub lot: Option<String>,
    /// What time has done and nobody has written yet.
    pub is_unwritten: bool,
    /// The key of the acknowledged operation that it is or follows from.
    pub claimed_by: Option<String>,
}

/// What is left of a lot at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lot {
    pub left: Effect,
    pub expired: i64,
}

#[derive(Default)]
pub struct Journal {
    pub entries: BTreeMap<Seq, Entry>,
    pub lots: BTreeMap<String, Lot>,
    /// By kind and hold: only a void and a lapse are looked up so, and a hold has one of them at most.
    pub of_holds: BTreeMap<(String, String), Vec<Seq>>,
}

/// Every acknowledged operation is there exactly once, as it was asked for, time has done what it must,
/// nothing else is there, and the balances are what they add up to. The number of entries.
pub fn journal(wire: &mut Wire, holders: &[Holder], records: &[Record], flaws: &mut Vec<Flaw>) -> usize {
    let mut entries = 0;
    for (number, holder) in holders.iter().enumerate() {
        let mut journal = read_journal(wire, &holder.customer);
        let own: Vec<&Record> = records.iter().filter(|record| record.operation.wallet == number).collect();
        for record in &own {
            let claimed = claim(&mut journal, holder.wallet, record);
            let claimed = claimed.and_then(|()| due::claim(&mut journal, record));
            flaws.extend(claimed.err());
        }
        flaws.extend(unclaimed(&holder.customer, &journal));
        flaws.extend(gap(&holder.customer, &journal));
        flaws.extend(wrong_balance(wire, holder, &own, &journal));
        entries += journal.entries.len();
    }
    entries
}

/// The first line of `scrip verify`, which must succeed and must have counted at least `entries`.
pub fn verify(options: &ServerOptions, entries: usize, flaws: &mut Vec<Flaw>) -> String {
    let output = options.run("verify");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = said.lines().next().unwrap_or_default().to_owned();
    let counted = first.split(", ").find_map(|part| part.strip_suffix(" entries")?.parse::<usize>().ok());
    if !output.status.success() || counted.is_none_or(|counted| counted < entries) {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        flaws.push(Flaw::new(
            FlawKind::Verify,
            format!("{}, {entries} entries: {said}{errors}", output.status),
        ));
    }
    first
}

/// Finds the entry that the answer names; nobody else may have it, and it did what was asked for.
fn claim(journal: &mut Journal, wallet: WalletId, record: &Record) -> Result<(), Flaw> {
    let operation = &record.operation;
    let lost = |what: &str| {
        let what = format!(
            "{} ({}) was acknowledged, but {what}: {}",
            operation.key, operation.kind, record.first.body
        );
        Flaw::new(FlawKind::Lost, what)
    };
    let id = record.first.text("id");
    let seq = match operation.kind {
        "void" => journal.of_holds.get(&("void".to_owned(), id)).and_then(|seqs| seqs.first().copied()),
        "restrict" | "release" => record.first.json()["seq"].as_i64(),
        _ => seq_of(&id, wallet),
    };
    let found = seq.and_then(|seq| journal.entries.get_mut(&seq));
    let entry = found.ok_or_else(|| lost("the journal has no such entry"))?;
    if let Some(other) = &entry.claimed_by {
        return Err(lost(&format!("its entry is already that of {other}")));
    }
    entry.claimed_by = Some(operation.key.clone());
    if entry.kind != operation.kind || entry.effect != operation.effect {
        let what = format!("{} {operation:?}, but the journal has {entry:?}", operation.key);
        return Err(Flaw::new(FlawKind::WrittenDifferently, what));
    }
    Ok(())
}

/// An id names its wallet and the seq of the command that made it (rules.md, "Ids").
fn seq_of(id: &str, wallet: WalletId) -> Option<Seq> {
    let (owner, seq) = match id.split('_').next()? {
        "grt" => id.parse().map(|GrantId { wallet, seq }| (wallet, seq)).ok()?,
        "hld" => id.parse().map(|HoldId { wallet, seq }| (wallet, seq)).ok()?,
        "rct" => id.parse().map(|ReceiptId { wallet, seq }| (wallet, seq)).ok()?,
        _ => return None,
    };
    (owner == wallet).then_some(seq)
}

fn unclaimed(customer: &str, journal: &Journal) -> Vec<Flaw> {
    let left = journal.entries.iter().filter(|(_, entry)| entry.claimed_by.is_none());
    left.map(|(seq, entry)| {
        let by_time = matches!(entry.kind.as_str(), "lapse" | "expire");
        let kind = if by_time { FlawKind::NotInTime } else { FlawKind::ChargedTwice };
        Flaw::new(kind, format!("entry {seq} of {customer} is nobody's: {entry:?}"))
    })
    .collect()
}

fn gap(customer: &str, journal: &Journal) -> Option<Flaw> {
    let (seq, _) = (1..).zip(journal.entries.keys()).find(|(expected, seq)| expected != *seq)?;
    Some(Flaw::new(FlawKind::Lost, format!("the journal of {customer} has no entry {seq}")))
}

/// By the clients' log, and by what time has taken from it.
fn wrong_balance(wire: &mut Wire, holder: &Holder, own: &[&Record], journal: &Journal) -> Option<Flaw> {
    let mut expected = Effect::default();
    own.iter().for_each(|record| expected += record.operation.effect);
    own.iter().for_each(|record| expected += due::given_back(record));
    expected.available -= journal.lots.values().map(|lot| lot.expired).sum::<i64>();
    let wallet = read(wire, &format!("/v1/customers/{}/wallet", holder.customer));
    let found = Effect { available: micros(&wallet["available"]), held: micros(&wallet["held"]) };
    let debt = micros(&wallet["debt"]);
    if found == expected && debt == 0 {
        return None;
    }
    let what =
        format!("{}: {expected:?} by the clients' log, {found:?} and {debt} debt read", holder.customer);
    Some(Flaw::new(FlawKind::Balance, what))
}

fn read_journal(wire: &mut Wire, customer: &str) -> Journal {
    let mut journal = Journal::default();
    let mut cursor = String::new();
    for _ in 0..MAX_PAGES {
        let page = read(wire, &format!("/v1/customers/{customer}/postings?limit={PAGE}{cursor}"));
        for line in page["data"].as_array().expect("a page has its data") {
            journal.add(line);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                journal.index();
                return journal;
            }
        }
    }
    panic!("{customer} has more than {MAX_PAGES} pages");
}

impl Journal {
    fn add(&mut self, line: &Value) {
        let text = |member: &str| line[member].as_str().map(str::to_owned);
        let entry = self.entries.entry(line["seq"].as_i64().expect("a posting has a seq")).or_default();
        entry.kind = text("kind").unwrap_or_default();
        entry.effective_at = text("effective_at").unwrap_or_default();
        entry.hold = text("hold");
        entry.is_unwritten = line["is_posted"].as_bool() != Some(true);
        entry.lot = text("lot");
        let (from, to) = (text("from").unwrap_or_default(), text("to").unwrap_or_default());
        let amount = micros(&line["amount"]);
        // What comes back to a lot that is gone is seen as available for no time.
        let by_the_way = to == "expired" && from != "available";
        let moved = Effect {
            available: part(&to, "available", amount) - part(&from, "available", amount),
            held: part(&to, "held", amount) - part(&from, "held", amount),
        };
        entry.effect += moved;
        if by_the_way {
            entry.effect.available += amount;
        }
        if let Some(lot) = text("lot") {
            let lot = self.lots.entry(lot).or_default();
            lot.left += moved;
            lot.expired += part(&to, "expired", amount);
        }
    }

    fn index(&mut self) {
        for (seq, entry) in &self.entries {
            if let (Some(hold), "void" | "lapse") = (&entry.hold, entry.kind.as_str()) {
                self.of_holds.entry((entry.kind.clone(), hold.clone())).or_default().push(*seq);
            }
        }
    }
}

fn part(account: &str, wanted: &str, amount: i64) -> i64 {
    if account == wanted { amount } else { 0 }
}

fn read(wire: &mut Wire, path: &str) -> Value {
    let reply = wire.get(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()
}

pub fn micros(credits: &Value) -> i64 {
    let credits: Credits = serde_json::from_value(credits.clone()).expect("credits are decimal strings");
    credits.micros()
}
