//! CloudEvents 1.0 in, checked events out. Fixtures follow the specification's JSON format.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use metering::{ATTRIBUTE_MAX_CHARS, EVENTS_MAX, Event, parse_events};
use proptest::prelude::*;
use serde_json::{Value, json};

fn minimal() -> Value {
    json!({ "specversion": "1.0", "type": "request", "id": "00001", "source": "service-0", "subject": "customer-1" })
}

fn with(name: &str, value: Value) -> Value {
    let mut event = minimal();
    event[name] = value;
    event
}

fn parse(body: &Value) -> Result<Vec<Event>, Vec<String>> {
    parse_events(body.to_string().as_bytes()).map_err(|e| e.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn refused(body: &Value, field: &str, message: &str) {
    let errors = parse_events(body.to_string().as_bytes()).unwrap_err();
    let found: Vec<_> = errors.iter().map(|e| (e.field.as_str(), e.message.as_str())).collect();
    assert!(matches!(found.as_slice(), [(f, m)] if *f == field && m.contains(message)), "{found:?}");
}

#[test]
fn a_full_event_is_read_as_it_stands() {
    let event = json!({
        "specversion": "1.0",
        "type": "request",
        "id": "00001",
        "time": "2024-01-01T00:00:00.001Z",
        "source": "service-0",
        "subject": "customer-1",
        "datacontenttype": "application/json; charset=utf-8",
        "dataschema": "https://example.com/schema",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "data": { "duration_seconds": "12" }
    });
    let events = parse(&event).unwrap();
    let expected = Event {
        id: "00001".to_owned(),
        source: "service-0".to_owned(),
        subject: "customer-1".to_owned(),
        kind: "request".to_owned(),
        time: "2024-01-01T00:00:00.001Z".parse().ok(),
        data: json!({ "duration_seconds": "12" }),
    };
    assert_eq!(events, [expected]);
    let stored = serde_json::to_value(&events[0]).unwrap();
    assert_eq!(stored["type"], "request");
    assert_eq!(serde_json::from_value::<Event>(stored).unwrap(), events[0]);
}

#[test]
fn time_and_data_may_be_left_out_or_null() {
    for event in [minimal(), with("time", Value::Null), with("data", Value::Null), with("ext", Value::Null)] {
        let events = parse(&event).unwrap();
        assert_eq!((events[0].time, &events[0].data), (None, &Value::Null));
    }
}

#[test]
fn a_time_without_an_offset_is_utc() {
    let events = parse(&with("time", json!("2024-05-01T10:00:00.123456"))).unwrap();
    assert_eq!(events[0].time.unwrap().to_string(), "2024-05-01T10:00:00.123456Z");
    let events = parse(&with("time", json!("2024-05-01T10:00:00.123456+02:00"))).unwrap();
    assert_eq!(events[0].time.unwrap().to_string(), "2024-05-01T08:00:00.123456Z");
}

#[test]
fn required_attributes_are_asked_for_by_name() {
    for name in ["specversion", "id", "source", "type", "subject"] {
        let mut event = minimal();
        event.as_object_mut().unwrap().remove(name);
        refused(&event, name, "is missing");
        refused(&with(name, Value::Null), name, "is missing");
        refused(&with(name, json!("")), name, "must");
        refused(&with(name, json!(1.0)), name, "must");
        refused(&with(name, json!(["user"])), name, "must");
        refused(&with(name, json!("a\u{0}b")), name, "must");
        refused(&with(name, json!("x".repeat(ATTRIBUTE_MAX_CHARS + 1))), name, "must");
    }
    let longest = "é".repeat(ATTRIBUTE_MAX_CHARS);
    assert!(parse(&with("id", json!(longest))).is_ok());
}

#[test]
fn other_attributes_are_checked_too() {
    refused(&with("specversion", json!("0.3")), "specversion", "must be \"1.0\"");
    for time in [json!("yesterday"), json!(1_700_000_000), json!(""), json!("2024-13-01T00:00:00Z")] {
        refused(&with("time", time), "time", "RFC 3339");
    }
    refused(&with("datacontenttype", json!("application/xml")), "datacontenttype", "JSON");
    refused(&with("data_base64", json!("AAAA")), "data_base64", "send JSON");
    refused(&with("data", json!({ "a": [{ "b": "x\u{0}" }] })), "data", "U+0000");
    refused(&with("data", json!({ "a\u{0}": 1 })), "data", "U+0000");
    refused(&with("Subject", json!("x")), "Subject", "not an attribute");
    refused(&with("trace_parent", json!("x")), "trace_parent", "not an attribute");
    assert!(parse(&with("datacontenttype", json!("application/vnd.acme+json"))).is_ok());
}

#[test]
fn one_bad_event_refuses_the_batch_and_says_where() {
    let batch = json!([minimal(), with("subject", Value::Null), 7, with("time", json!("x"))]);
    let errors = parse_events(batch.to_string().as_bytes()).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(fields, ["[1].subject", "[2]", "[3].time"]);
    assert_eq!(parse(&json!([minimal(), minimal()])).map(|events| events.len()), Ok(2));
}

#[test]
fn a_body_that_holds_no_events_is_refused_as_a_whole() {
    refused(&json!([]), "body", "at least one");
    refused(&json!("event"), "body", "CloudEvents object");
    refused(&Value::Null, "body", "CloudEvents object");
    refused(&Value::Array(vec![minimal(); EVENTS_MAX + 1]), "body", "more than 1000");
    assert_eq!(parse(&Value::Array(vec![minimal(); EVENTS_MAX])).map(|e| e.len()), Ok(EVENTS_MAX));
    let deep = "[".repeat(100_000);
    for body in [&b"{"[..], b"", b"\xff", b"{} {}", deep.as_bytes()] {
        let errors = parse_events(body).unwrap_err();
        assert!(errors[0].to_string().starts_with("body is not JSON"), "{errors:?}");
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200), value in "\\PC{0,30}") {
        let _ = parse_events(&body);
        for name in ["specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype"] {
            let _ = parse(&with(name, json!(value)));
        }
    }
}
