//! The month of use that a first start writes, seen from outside.

use std::collections::BTreeMap;

use kernel::Credits;
use serde_json::Value;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;
use tests::wire::Wire;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const MAX_PAGES: usize = 50;

#[test]
fn a_first_start_has_a_month_of_use_and_a_second_one_adds_nothing() {
    let folder = ScratchDir::new("demo");
    let options = ServerOptions::serve(EXECUTABLE, folder.path()).as_shipped();
    let mut server = Server::start(&options);
    let mut wire = Wire::new(server.port(), &server.api_key().expect("the banner has a key"));
    let customers = all(&mut wire, "/v1/customers");
    let names: Vec<&str> = customers.iter().filter_map(|c| c["external_id"].as_str()).collect();
    for name in ["demo", "northlight", "tallow-legal", "kestrel"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert_eq!(names.len(), 6, "and two who signed up by themselves: {names:?}");

    let statements = statements(&mut wire, &customers);
    for (name, lines) in &statements {
        assert!(name == "demo" || lines.len() > 5, "{name} has {} lines", lines.len());
    }
    let kinds = count(statements.values().flatten(), "kind");
    for kind in
        ["grant", "hold", "capture", "debit", "void", "lapse", "expire", "reverse", "clawback", "unrated"]
    {
        assert!(kinds.contains_key(kind), "nothing of the kind {kind} happened: {kinds:?}");
    }
    assert_eq!(balance(&statements["demo"]), "1000".parse().unwrap(), "the tour's customer is untouched");

    let events = all(&mut wire, "/v1/gateway-events");
    let states = count(events.iter(), "state");
    assert_eq!(states.get("failed"), Some(&1), "one dead letter: {states:?}");
    let paid = events.iter().filter(|e| e["kind"] == "checkout.session.completed" && e["state"] == "done");
    let purchases = statements.values().flatten().filter(|line| {
        line["kind"] == "grant" && line["reason"].as_str().is_some_and(|r| r.starts_with("Purchase of"))
    });
    assert_eq!(paid.count(), purchases.count(), "each purchase came with its webhook");
    assert!(server.stop().success());

    let mut server = Server::start(&options);
    let mut wire = Wire::new(server.port(), &server.api_key().expect("the banner has the same key"));
    assert_eq!(all(&mut wire, "/v1/customers"), customers);
    assert_eq!(self::statements(&mut wire, &customers), statements);
    server.stop();
    let verified = options.run("verify");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Every line of every wallet, by the customer's name.
fn statements(wire: &mut Wire, customers: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let of = |customer: &Value| {
        let id = customer["id"].as_str().expect("a customer has an id");
        (
            customer["external_id"].as_str().unwrap().to_owned(),
            all(wire, &format!("/v1/customers/{id}/postings")),
        )
    };
    customers.iter().map(of).collect()
}

/// Available, by adding up.
fn balance(lines: &[Value]) -> Credits {
    let signed = |line: &Value| {
        let micros = line["amount"].as_str().unwrap().parse::<Credits>().unwrap().micros();
        let sign = |side: &str| i64::from(line[side] == "available");
        micros * (sign("to") - sign("from"))
    };
    Credits::from_micros(lines.iter().map(signed).sum())
}

fn count<'a>(rows: impl Iterator<Item = &'a Value>, member: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row[member].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

/// All items of a list, page by page.
fn all(wire: &mut Wire, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    for _ in 0..MAX_PAGES {
        let reply = wire.get(&format!("{path}?limit=100{cursor}")).expect("an answer");
        assert!(reply.is_success(), "{path}: {reply:?}");
        let page: Value = serde_json::from_str(&reply.body).expect("a document");
        items.extend(page["data"].as_array().expect("a list").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
    panic!("{path} has no end")
}
