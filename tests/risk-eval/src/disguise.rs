//! Copies of an abuse set in which the abusers are harder to see, to learn how much of the scores is left when they try
//! to hide. The same seed gives the same copy, and what a weaker disguise does to an event a stronger one does too.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};
use clap::Args;
use csv::StringRecord;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use risk::model::Seed;
use risk::signal::Millis;
use serde_json::{Map, Value, json};

use crate::abuse::millis;

#[derive(Args)]
pub struct Order {
    /// The set that is copied: accounts.csv, payments.csv, events.jsonl.gz and labels.csv.
    from: PathBuf,
    /// The folder for the copy; it is made, or empty.
    into: PathBuf,
    /// How much the abusers hide: 1 is mild, 2 is strong, up to 4.
    #[arg(long, default_value_t = 1.0)]
    strength: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const STRENGTH_MAX: f64 = 4.0;
/// Of all accounts, honest or not, at any strength: a copy has others in it than the set that a score was made with.
const ACCOUNTS_KEPT: f64 = 0.85;
/// The rest at a strength of 1; it grows with the strength. Requests that are not made; how much longer a burst takes;
/// requests with an honest customer's prompt; outputs fetched that were not; requests from the account's first address.
const DROPPED: f64 = 0.25;
const SLOWER: f64 = 0.75;
const WITH_HONEST_PROMPT: f64 = 1.0 / 6.0;
const FETCHED: f64 = 1.0 / 8.0;
const FROM_ONE_ADDRESS: f64 = 0.2;
/// A longer pause begins another burst.
const BURST_PAUSE: Millis = 6 * 3_600_000;

type Event = Map<String, Value>;

/// What honest customers ask for and how long they take to fetch it, by feature.
#[derive(Default)]
struct Honest {
    prompts: HashMap<String, Vec<(Value, Value)>>,
    fetches_after: HashMap<String, Vec<Millis>>,
}

/// Writes the copy. The answer tells what is in it.
pub fn run(order: &Order) -> Result<String, String> {
    if !(0.0..=STRENGTH_MAX).contains(&order.strength) {
        return Err(format!("--strength is between 0 and {STRENGTH_MAX}"));
    }
    make_room(&order.into)?;
    let labels = Labels::kept(order)?;
    let events = read_events(&order.from, &labels.kept)?;
    let told = disguised(events, &labels.begins, order)?;
    write_events(&order.into, &told)?;
    labels.write(&order.into, &told)?;
    for name in ["accounts.csv", "payments.csv"] {
        let (rows, header) = table(&order.from, name)?;
        let id = position(&header, name, "account_id")?;
        let of_kept = rows.into_iter().filter(|row| labels.kept.contains(&row[id]));
        write_table(&order.into, name, &header, of_kept)?;
    }
    let (accounts, abusive) = (labels.kept.len(), labels.begins.len());
    let (strength, seed) = (order.strength, order.seed);
    let made = json!({"accounts": accounts, "abusive": abusive, "events": told.len(), "strength": strength, "seed": seed});
    Ok(made.to_string())
}

/// A folder that is there and empty: no set is written over, the copied one least of all.
fn make_room(into: &Path) -> Result<(), String> {
    let at = |e: std::io::Error| format!("{}: {e}", into.display());
    std::fs::create_dir_all(into).map_err(at)?;
    match std::fs::read_dir(into).map_err(at)?.next() {
        None => Ok(()),
        Some(_) => Err(format!("{}: holds files; name a folder that is empty or not there", into.display())),
    }
}

/// The labels of the accounts that are in the copy.
struct Labels {
    rows: Vec<StringRecord>,
    header: StringRecord,
    kept: HashSet<String>,
    /// When each abuser begins.
    begins: HashMap<String, Millis>,
}

impl Labels {
    fn kept(order: &Order) -> Result<Labels, String> {
        let (mut rows, header) = table(&order.from, "labels.csv")?;
        let column = |name: &str| position(&header, "labels.csv", name);
        let (id, bad, first) = (column("account_id")?, column("is_abuse")?, column("first_abuse_at")?);
        let mut dice = Seed::of(&order.seed.to_string(), "accounts");
        rows.retain(|_| dice.unit() < ACCOUNTS_KEPT);
        let kept = rows.iter().map(|row| row[id].to_owned()).collect();
        let mut begins = HashMap::new();
        for row in rows.iter().filter(|row| &row[bad] == "1") {
            begins.insert(row[id].to_owned(), millis(&row[first])?);
        }
        Ok(Labels { rows, header, kept, begins })
    }

    /// With the numbers of events that are left.
    fn write(&self, into: &Path, events: &[(Millis, Event)]) -> Result<(), String> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (_, event) in events {
            *counts.entry(text(event, "account_id")?).or_default() += 1;
        }
        let column = |name: &str| position(&self.header, "labels.csv", name);
        let (id, count) = (column("account_id")?, column("n_events")?);
        let rows = self.rows.iter().map(|row| {
            let left = counts.get(&row[id]).copied().unwrap_or(0).to_string();
            let cells = row.iter().enumerate();
            cells.map(|(i, cell)| if i == count { left.as_str() } else { cell }).collect::<StringRecord>()
        });
        write_table(into, "labels.csv", &self.header, rows)
    }
}

/// All events of the copy, in the order of their instants.
fn disguised(
    events: Vec<Event>,
    begins: &HashMap<String, Millis>,
    order: &Order,
) -> Result<Vec<(Millis, Event)>, String> {
    let honest = Honest::of(&events, begins)?;
    let mut timed = Vec::with_capacity(events.len());
    for event in events {
        timed.push((millis(text(&event, "occurred_at")?)?, event));
    }
    let end = timed.iter().map(|(at, _)| *at).max().unwrap_or_default();
    let mut told = Vec::with_capacity(timed.len());
    let mut bursts = Bursts::default();
    for (at, event) in timed {
        let account = text(&event, "account_id")?;
        if begins.get(account).is_some_and(|begin| at >= *begin) {
            let burst = bursts.of(account, at, text(&event, "ip")?);
            told.extend(hidden(event, (at, end), burst, &honest, order)?);
        } else {
            told.push((at, event));
        }
    }
    told.sort_by_key(|(at, _)| *at);
    Ok(told)
}

/// The burst that an abusive request belongs to.
struct Burst {
    begins_at: Millis,
    /// Where the account's first abuse came from.
    address: String,
    /// A first request is made at any strength, so that every abuser has begun when the labels say so.
    is_first: bool,
}

/// Where each account is, event by event: begin of the burst, last event, address of the first.
#[derive(Default)]
struct Bursts(HashMap<String, (Millis, Millis, String)>);

impl Bursts {
    fn of(&mut self, account: &str, at: Millis, ip: &str) -> Burst {
        let known = self.0.remove(account);
        let is_first = known.is_none();
        let (begin, before, address) = known.unwrap_or_else(|| (at, at, ip.to_owned()));
        let begins_at = if at - before > BURST_PAUSE { at } else { begin };
        self.0.insert(account.to_owned(), (begins_at, at, address.clone()));
        Burst { begins_at, address, is_first }
    }
}

/// One abusive request as it is made in the copy; `None` when it is not made, or only after the set's `end`.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn hidden(
    mut event: Event,
    (at, end): (Millis, Millis),
    burst: Burst,
    honest: &Honest,
    order: &Order,
) -> Result<Option<(Millis, Event)>, String> {
    let mut dice = Seed::of(&order.seed.to_string(), text(&event, "event_id")?);
    let mut falls = |share: f64| dice.unit() < share * order.strength;
    let (is_dropped, asks_honestly, is_fetched, comes_from_one) =
        (falls(DROPPED), falls(WITH_HONEST_PROMPT), falls(FETCHED), falls(FROM_ONE_ADDRESS));
    let into_burst = (at - burst.begins_at) as f64 * SLOWER.mul_add(order.strength, 1.0);
    let new_at = burst.begins_at + into_burst as Millis;
    if (is_dropped && !burst.is_first) || new_at > end {
        return Ok(None);
    }
    let feature = text(&event, "feature")?.to_owned();
    let fetched_after = match event.get("downloaded_at").and_then(Value::as_str) {
        Some(fetched) => Some(millis(fetched)? - at),
        None if is_fetched => one_of(honest.fetches_after.get(&feature), &mut dice).copied(),
        None => None,
    };
    if let Some(after) = fetched_after {
        event.insert("downloaded".to_owned(), Value::Bool(true));
        event.insert("downloaded_at".to_owned(), rfc3339(new_at + after)?);
    }
    let prompt = asks_honestly.then(|| one_of(honest.prompts.get(&feature), &mut dice)).flatten();
    if let Some((prompt, hash)) = prompt {
        event.insert("prompt".to_owned(), prompt.clone());
        event.insert("prompt_hash".to_owned(), hash.clone());
    }
    if comes_from_one {
        event.insert("ip".to_owned(), Value::String(burst.address));
    }
    event.insert("occurred_at".to_owned(), rfc3339(new_at)?);
    Ok(Some((new_at, event)))
}

impl Honest {
    fn of(events: &[Event], begins: &HashMap<String, Millis>) -> Result<Honest, String> {
        let mut honest = Honest::default();
        for event in events {
            if begins.contains_key(text(event, "account_id")?) {
                continue;
            }
            let feature = text(event, "feature")?;
            let of = |name: &str| event.get(name).cloned().unwrap_or_default();
            let prompts = honest.prompts.entry(feature.to_owned()).or_default();
            prompts.push((of("prompt"), of("prompt_hash")));
            if let Some(fetched) = event.get("downloaded_at").and_then(Value::as_str) {
                let after = millis(fetched)? - millis(text(event, "occurred_at")?)?;
                honest.fetches_after.entry(feature.to_owned()).or_default().push(after);
            }
        }
        Ok(honest)
    }
}

fn one_of<'a, T>(all: Option<&'a Vec<T>>, dice: &mut Seed) -> Option<&'a T> {
    let all = all?;
    all.get(dice.below(all.len()))
}

fn text<'a>(event: &'a Event, name: &str) -> Result<&'a str, String> {
    event.get(name).and_then(Value::as_str).ok_or_else(|| format!("an event without {name}"))
}

fn rfc3339(at: Millis) -> Result<Value, String> {
    let at = DateTime::from_timestamp_millis(at).ok_or_else(|| format!("{at} is no instant"))?;
    Ok(Value::String(at.to_rfc3339_opts(SecondsFormat::Millis, true)))
}

fn read_events(folder: &Path, kept: &HashSet<String>) -> Result<Vec<Event>, String> {
    let failed = |e: std::io::Error| format!("events.jsonl.gz: {e}");
    let file = std::fs::File::open(folder.join("events.jsonl.gz")).map_err(failed)?;
    let mut events = Vec::new();
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let line = line.map_err(failed)?;
        let event: Event = serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))?;
        if kept.contains(text(&event, "account_id")?) {
            events.push(event);
        }
    }
    Ok(events)
}

fn write_events(folder: &Path, events: &[(Millis, Event)]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("events.jsonl.gz: {e}");
    let file = std::fs::File::create(folder.join("events.jsonl.gz")).map_err(failed)?;
    let mut out = GzEncoder::new(file, Compression::default());
    for (_, event) in events {
        serde_json::to_writer(&mut out, event).map_err(|e| format!("events.jsonl.gz: {e}"))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    out.finish().map(drop).map_err(failed)
}

type Table = (Vec<StringRecord>, StringRecord);

fn table(folder: &Path, name: &str) -> Result<Table, String> {
    let failed = |e: csv::Error| format!("{name}: {e}");
    let mut reader = csv::Reader::from_path(folder.join(name)).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    Ok((reader.records().collect::<Result<_, _>>().map_err(failed)?, header))
}

fn write_table(
    folder: &Path,
    name: &str,
    header: &StringRecord,
    mut rows: impl Iterator<Item = StringRecord>,
) -> Result<(), String> {
    let failed = |e: csv::Error| format!("{name}: {e}");
    let mut writer = csv::Writer::from_path(folder.join(name)).map_err(failed)?;
    writer.write_record(header).map_err(failed)?;
    rows.try_for_each(|row| writer.write_record(&row)).map_err(failed)?;
    writer.flush().map_err(|e| format!("{name}: {e}"))
}

fn position(header: &StringRecord, table: &str, name: &str) -> Result<usize, String> {
    header.iter().position(|column| column == name).ok_or_else(|| format!("{table} has no column {name}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const BEGIN: Millis = 1_767_600_000_000;
    const MINUTE: Millis = 60_000;

    /// An honest customer and an abuser, who is honest before `BEGIN`; 400 requests each, one a minute, never fetched by
    /// the abuser.
    fn events() -> Vec<Event> {
        let mut events = Vec::new();
        for n in -200..200 {
            for (account, fetches) in [("honest", true), ("abuser", n < 0)] {
                let at = BEGIN + n * MINUTE;
                let fetched = if fetches { rfc3339(at + 5_000).unwrap() } else { Value::Null };
                let event = json!({"event_id": format!("{account}{n}"), "account_id": account, "feature": "chat",
                    "occurred_at": rfc3339(at).unwrap(), "prompt": format!("{account} asks {n}"), "prompt_hash": "0",
                    "ip": format!("10.0.0.{}", n.rem_euclid(250)), "downloaded": fetches, "downloaded_at": fetched});
                events.push(event.as_object().unwrap().clone());
            }
        }
        events
    }

    /// What the copy of this strength has, by the event's id.
    fn copy(strength: f64) -> BTreeMap<String, Event> {
        let order = Order { from: PathBuf::new(), into: PathBuf::new(), strength, seed: 7 };
        let begins = HashMap::from([("abuser".to_owned(), BEGIN)]);
        let told = disguised(events(), &begins, &order).unwrap();
        assert!(told.is_sorted_by_key(|(at, _)| *at));
        told.into_iter().map(|(_, event)| (text(&event, "event_id").unwrap().to_owned(), event)).collect()
    }

    #[test]
    fn only_abuse_is_disguised_and_a_stronger_disguise_hides_all_that_a_weaker_one_does() {
        let (plain, mild, strong) = (copy(0.0), copy(1.0), copy(2.0));
        let told = events().into_iter().map(|e| (text(&e, "event_id").unwrap().to_owned(), e));
        assert_eq!(plain, told.collect(), "a strength of nothing changes nothing");
        let is_abuse = |id: &str| id.starts_with("abuser") && !id.contains('-');
        for (id, event) in plain.iter().filter(|(id, _)| !is_abuse(id)) {
            assert_eq!((mild.get(id), strong.get(id)), (Some(event), Some(event)));
        }
        let changed = |of: &BTreeMap<String, Event>, name: &str| -> HashSet<String> {
            let is_other = |id: &str, event: &Event| is_abuse(id) && event[name] != plain[id][name];
            of.iter().filter(|(id, event)| is_other(id, event)).map(|(id, _)| id.clone()).collect()
        };
        for name in ["prompt", "downloaded"] {
            let (weak, more) = (changed(&mild, name), changed(&strong, name));
            assert!(!weak.is_empty() && weak.iter().all(|id| more.contains(id) || !strong.contains_key(id)));
        }
        assert!(strong.keys().all(|id| mild.contains_key(id)) && strong.len() < mild.len());
        assert!(mild.contains_key("abuser0") && strong.contains_key("abuser0"), "the first is made");
    }

    #[test]
    fn a_folder_that_holds_files_is_not_written_to() {
        let folder = std::env::temp_dir().join(format!("risk-eval-disguise-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let labels = folder.join("labels.csv");
        std::fs::write(&labels, "account_id\n").unwrap();
        let order = Order { from: folder.clone(), into: folder.clone(), strength: 1.0, seed: 1 };
        let refused = run(&order).unwrap_err();
        assert!(refused.contains("name a folder that is empty or not there"), "{refused}");
        assert_eq!(std::fs::read_to_string(&labels).unwrap(), "account_id\n");
        std::fs::remove_file(&labels).unwrap();
        assert_eq!(make_room(&folder), Ok(()), "an empty one is free");
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_burst_is_drawn_out_from_its_first_request() {
        let strong = copy(2.0);
        // Five halves of the time, as far as the set goes.
        for (id, event) in strong.iter().filter(|(id, _)| id.starts_with("abuser") && !id.contains('-')) {
            let minutes: Millis = id["abuser".len()..].parse().unwrap();
            assert_eq!(event["occurred_at"], rfc3339(BEGIN + minutes * MINUTE * 5 / 2).unwrap());
            assert!(minutes <= 79, "199 minutes are the end of the set: {minutes}");
        }
    }
}
