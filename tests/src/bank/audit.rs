//! The check: the journal and the balances by what the clients themselves wrote down.

use std::collections::BTreeMap;

use kernel::{Credits, GrantId, HoldId, ReceiptId, Seq, WalletId};
use serde_json::Value;

use super::operation::{Effect, Record};
use super::{Flaw, FlawKind, Holder};
use crate::process::ServerOptions;
use crate::wire::Wire;

/// The largest that the contract allows.
const PAGE: usize = 100;
const MAX_PAGES: usize = 5_000;

/// One command as the journal has it.
#[derive(Default)]
struct Entry {
    kind: String,
    hold: Option<String>,
    effect: Effect,
    /// The key of the acknowledged operation that it is.
    claimed_by: Option<String>,
}

type Journal = BTreeMap<Seq, Entry>;

/// Every acknowledged operation is there exactly once, as it was asked for, nothing else is, and the
/// balances are what they add up to. The number of entries.
pub fn journal(wire: &mut Wire, holders: &[Holder], records: &[Record], flaws: &mut Vec<Flaw>) -> usize {
    let mut entries = 0;
    for (number, holder) in holders.iter().enumerate() {
        let mut journal = read_journal(wire, &holder.customer);
        let own: Vec<&Record> = records.iter().filter(|record| record.operation.wallet == number).collect();
        for record in &own {
            if let Err(flaw) = claim(&mut journal, holder.wallet, record) {
                flaws.push(flaw);
            }
        }
        flaws.extend(unclaimed(&holder.customer, &journal));
        flaws.extend(gap(&holder.customer, &journal));
        flaws.extend(wrong_balance(wire, holder, &own));
        entries += journal.len();
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
    let found = match operation.kind {
        "void" => journal.iter_mut().find(|(_, e)| e.kind == "void" && e.hold.as_ref() == Some(&id)),
        _ => seq_of(&id, wallet).and_then(|seq| journal.range_mut(seq..=seq).next()),
    };
    let (seq, entry) = found.ok_or_else(|| lost("the journal has no such entry"))?;
    if let Some(other) = &entry.claimed_by {
        return Err(lost(&format!("entry {seq} is already that of {other}")));
    }
    entry.claimed_by = Some(operation.key.clone());
    if entry.kind != operation.kind || entry.effect != operation.effect {
        let (kind, effect) = (&entry.kind, entry.effect);
        let what = format!("{} {operation:?}, but entry {seq} is a {kind} of {effect:?}", operation.key);
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
    let left = journal.iter().filter(|(_, entry)| entry.claimed_by.is_none());
    left.map(|(seq, entry)| {
        let what = format!("entry {seq} of {customer} ({} {:?}) is nobody's", entry.kind, entry.effect);
        Flaw::new(FlawKind::ChargedTwice, what)
    })
    .collect()
}

fn gap(customer: &str, journal: &Journal) -> Option<Flaw> {
    let (seq, _) = (1..).zip(journal.keys()).find(|(expected, seq)| expected != *seq)?;
    Some(Flaw::new(FlawKind::Lost, format!("the journal of {customer} has no entry {seq}")))
}

fn wrong_balance(wire: &mut Wire, holder: &Holder, own: &[&Record]) -> Option<Flaw> {
    let mut expected = Effect::default();
    own.iter().for_each(|record| expected += record.operation.effect);
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
    let mut journal = Journal::new();
    let mut cursor = String::new();
    for _ in 0..MAX_PAGES {
        let page = read(wire, &format!("/v1/customers/{customer}/postings?limit={PAGE}{cursor}"));
        for line in page["data"].as_array().expect("a page has its data") {
            add(&mut journal, line);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return journal,
        }
    }
    panic!("{customer} has more than {MAX_PAGES} pages");
}

fn add(journal: &mut Journal, line: &Value) {
    let entry = journal.entry(line["seq"].as_i64().expect("a posting has a seq")).or_default();
    entry.kind = line["kind"].as_str().unwrap_or_default().to_owned();
    entry.hold = line["hold"].as_str().map(str::to_owned);
    let amount = micros(&line["amount"]);
    for (account, sign) in [(&line["from"], -1), (&line["to"], 1)] {
        match account.as_str() {
            Some("available") => entry.effect.available += sign * amount,
            Some("held") => entry.effect.held += sign * amount,
            _ => {}
        }
    }
}

fn read(wire: &mut Wire, path: &str) -> Value {
    let reply = wire.get(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()
}

fn micros(credits: &Value) -> i64 {
    let credits: Credits = serde_json::from_value(credits.clone()).expect("credits are decimal strings");
    credits.micros()
}
