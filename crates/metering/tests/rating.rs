//! Events to usage, by the mappings that ship and by an operator's own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use kernel::{Amount, Driver, Quantities};
use metering::{DEFAULT_MAPPINGS, Event, Mapping, Usage, parse_events, parse_mappings, usage_of};
use proptest::prelude::*;
use serde_json::{Value, json};

fn shipped() -> Vec<Mapping> {
    parse_mappings(DEFAULT_MAPPINGS).unwrap_or_else(|error| panic!("{error}"))
}

fn event(kind: &str, data: Value) -> Event {
    let body = json!({
        "specversion": "1.0", "type": kind, "id": "chatcmpl-1", "source": "litellm-proxy",
        "subject": "user-1", "time": "2026-03-04T12:00:00.123456+00:00", "data": data,
    });
    parse_events(body.to_string().as_bytes()).unwrap().remove(0)
}

fn litellm(data: Value) -> Result<Usage, String> {
    usage_of(&event("litellm_tokens", data), &shipped()).map_err(|unrated| unrated.to_string())
}

fn own(data: Value) -> Result<Usage, String> {
    usage_of(&event("scrip.usage", data), &shipped()).map_err(|unrated| unrated.to_string())
}

fn quantities(pairs: &[(Driver, &str)]) -> Quantities {
    pairs.iter().map(|(driver, amount)| (*driver, amount.parse::<Amount>().unwrap())).collect()
}

#[test]
fn litellms_event_is_text_generation_with_its_tokens() {
    let usage = litellm(json!({
        "model": "gpt-4", "cost": 0.0123, "prompt_tokens": 1200, "completion_tokens": 345, "total_tokens": 1545,
    }))
    .unwrap();
    assert_eq!((usage.feature.as_str(), usage.model.as_str()), ("text.generate", "gpt-4"));
    assert_eq!(usage.quantities, quantities(&[(Driver::InputTokens, "1200"), (Driver::OutputTokens, "345")]));
    assert_eq!(usage.occurred_at, "2026-03-04T12:00:00.123456Z".parse().ok());
    assert!(usage.options.is_empty());
}

#[test]
fn rule_input_tokens_are_without_cached_ones() {
    let details = json!({ "cached_tokens": 1000, "cache_creation_tokens": 150, "audio_tokens": null });
    let usage = litellm(json!({
        "model": "claude-sonnet", "prompt_tokens": 1200, "completion_tokens": 1, "prompt_tokens_details": details,
    }))
    .unwrap();
    let expected = [
        (Driver::InputTokens, "50"),
        (Driver::CachedInputTokens, "1000"),
        (Driver::CacheWriteTokens, "150"),
        (Driver::OutputTokens, "1"),
    ];
    assert_eq!(usage.quantities, quantities(&expected));
    let details = json!({ "cached_tokens": 11 });
    let error = litellm(json!({ "model": "gpt-4", "prompt_tokens": 10, "prompt_tokens_details": details }));
    assert_eq!(error, Err("data.prompt_tokens is less than what is to be taken off it".to_owned()));
}

#[test]
fn vendors_prefixes_go_and_dated_names_are_known() {
    let model = |name: &str| litellm(json!({ "model": name, "prompt_tokens": 1 })).unwrap().model;
    assert_eq!(model("openai/gpt-4"), "gpt-4");
    assert_eq!(model("openrouter/openai/gpt-4o-mini"), "gpt-4o-mini");
    assert_eq!(model("gpt-4-0613"), "gpt-4");
    assert_eq!(model("anthropic/claude-3-5-sonnet-20241022"), "claude-sonnet");
    assert_eq!(model("mistral/large"), "large", "whether it is sold is the catalogue's matter");
}

#[test]
fn embeddings_are_told_by_their_model() {
    let usage = litellm(json!({
        "model": "openai/text-embedding-3-small", "prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8,
    }))
    .unwrap();
    assert_eq!((usage.feature.as_str(), usage.model.as_str()), ("text.embed", "text-embedding-3-small"));
    assert_eq!(usage.quantities, quantities(&[(Driver::InputTokens, "8")]));
}

#[test]
fn an_explicit_zero_is_not_missing() {
    let usage = litellm(json!({ "model": "gpt-4", "prompt_tokens": 0, "completion_tokens": "0" })).unwrap();
    assert_eq!(usage.quantities, quantities(&[(Driver::InputTokens, "0"), (Driver::OutputTokens, "0")]));
    let none = "the event holds none of the quantities of its mapping";
    assert_eq!(litellm(json!({ "model": "gpt-4", "cost": null })), Err(none.to_owned()));
    assert_eq!(litellm(json!({ "model": "gpt-4", "prompt_tokens": null })), Err(none.to_owned()));
    assert_eq!(own(json!({ "feature": "f", "model": "m", "quantities": {} })), Err(none.to_owned()));
}

#[test]
fn numbers_may_come_as_text() {
    let usage = own(json!({
        "feature": "video.render", "model": "standard", "quantities": { "seconds": "12.5", "fps": 24, "width": null },
    }))
    .unwrap();
    assert_eq!(usage.quantities, quantities(&[(Driver::Seconds, "12.5"), (Driver::Fps, "24")]));
}

#[test]
fn our_own_shape_carries_everything() {
    let usage = own(json!({
        "feature": "image.generate", "model": "acme/painter",
        "quantities": { "images": 2 }, "options": { "style": "vivid", "codec": null },
    }))
    .unwrap();
    assert_eq!((usage.feature.as_str(), usage.model.as_str()), ("image.generate", "acme/painter"));
    assert_eq!(usage.options.into_iter().collect::<Vec<_>>(), [("style".to_owned(), "vivid".to_owned())]);
}

#[test]
fn what_cannot_be_rated_says_why() {
    let cases = [
        (json!({ "model": "m", "quantities": {} }), "the event has no text at data.feature"),
        (json!({ "feature": "f", "model": 4, "quantities": {} }), "the event has no text at data.model"),
        (json!({ "feature": "f", "model": "m" }), "the event has no object at data.quantities"),
        (
            json!({ "feature": "f", "model": "m", "quantities": [1] }),
            "the event has no object at data.quantities",
        ),
        (
            json!({ "feature": "f", "model": "m", "quantities": { "images": -1 } }),
            "data.quantities.images is negative",
        ),
        (
            json!({ "feature": "f", "model": "m", "quantities": { "images": "two" } }),
            "data.quantities.images is not a decimal number such as \"12.5\"",
        ),
        (
            json!({ "feature": "f", "model": "m", "quantities": { "images": 1 }, "options": { "size": "xl" } }),
            "data.options.size is not an option with a text",
        ),
        (
            json!({ "feature": "f", "model": "m", "quantities": { "images": 1 }, "options": { "style": 1 } }),
            "data.options.style is not an option with a text",
        ),
        (Value::Null, "the event has no text at data.model"),
    ];
    for (data, reason) in cases {
        assert_eq!(own(data.clone()), Err(reason.to_owned()), "{data}");
    }
    let unknown = own(json!({ "feature": "f", "model": "m", "quantities": { "tokens": 1 } })).unwrap_err();
    assert!(unknown.starts_with("data.quantities.tokens is not a quantity; known are requests"), "{unknown}");
    let other = usage_of(&event("page.viewed", Value::Null), &shipped()).unwrap_err();
    assert_eq!(other.to_string(), "no mapping is for events of type \"page.viewed\"");
    let tokens = litellm(json!({ "model": "gpt-4", "prompt_tokens": true })).unwrap_err();
    assert_eq!(tokens, "data.prompt_tokens is not a decimal number such as \"12.5\"");
}

#[test]
fn an_operators_mapping_reads_lists_attributes_and_constants() {
    let mappings = parse_mappings(
        r#"
        [[mappings]]
        type = "render.done"
        models = ["fast"]
        feature = { path = "source" }
        model = { path = "data.jobs.0.model" }
        [mappings.quantities]
        seconds = { path = "data.jobs.0.seconds" }

        [[mappings]]
        type = "render.done"
        feature = { constant = "video.render" }
        model = { constant = "standard" }
        quantities_at = "data.counts"
        [mappings.quantities]
        seconds = { path = "data.jobs.1.seconds" }
        "#,
    )
    .unwrap();
    let rate = |data| usage_of(&event("render.done", data), &mappings);
    let first = rate(json!({ "jobs": [{ "model": "fast", "seconds": 3.25 }] })).unwrap();
    assert_eq!((first.feature.as_str(), first.model.as_str()), ("litellm-proxy", "fast"));
    assert_eq!(first.quantities, quantities(&[(Driver::Seconds, "3.25")]));
    let second =
        rate(json!({ "jobs": [{}, { "seconds": 4 }], "counts": { "seconds": 9, "frames": 96 } })).unwrap();
    assert_eq!(second.model, "standard", "the first mapping finds no model, the second needs none");
    assert_eq!(second.quantities, quantities(&[(Driver::Seconds, "4"), (Driver::Frames, "96")]));
    let only_first =
        usage_of(&event("render.done", json!({ "jobs": [{ "model": "slow" }] })), &mappings[..1]);
    assert_eq!(only_first.unwrap_err().to_string(), "no mapping of this event's type is for model \"slow\"");
}

#[test]
fn a_wrong_setting_is_refused() {
    let mapping =
        |rest: &str| format!("[[mappings]]\ntype = \"t\"\nfeature = {{ constant = \"f\" }}\n{rest}");
    assert!(parse_mappings(&mapping("model = { path = \"data.model\" }")).is_ok());
    let wrong = [
        "",
        "model = \"gpt-4\"",
        "model = { path = \"model\" }",
        "model = { path = \"data..model\" }",
        "model = { path = \"data.model\" }\nmodle = 1",
        "model = { path = \"data.model\" }\nquantities_at = \"quantities\"",
        "model = { path = \"data.model\" }\n[mappings.quantities]\ntokens = { path = \"data.n\" }",
        "model = { path = \"data.model\" }\n[mappings.quantities]\nimages = { path = \"data.n\", plus = [] }",
    ];
    for rest in wrong {
        assert!(parse_mappings(&mapping(rest)).is_err(), "{rest}");
    }
    assert!(parse_mappings("").is_err());
}

#[test]
fn mappings_are_written_as_they_are_read() {
    for mapping in shipped() {
        let text = toml::to_string(&mapping).unwrap();
        assert_eq!(toml::from_str::<Mapping>(&text).unwrap(), mapping);
    }
}

proptest! {
    #[test]
    fn no_numbers_panic_and_tokens_are_never_lost(
        prompt in 0u64..2_000_000_000_000, cached in 0u64..2_000_000_000_000, written in 0u64..1000,
    ) {
        let details = json!({ "cached_tokens": cached, "cache_creation_tokens": written });
        let data = json!({ "model": "gpt-4", "prompt_tokens": prompt, "prompt_tokens_details": details });
        let limit = 1_000_000_000_000;
        match litellm(data) {
            Ok(usage) => {
                let sum: i64 = usage.quantities.iter().map(|(_, amount)| amount.millionths()).sum();
                prop_assert_eq!(i128::from(sum), i128::from(prompt) * 1_000_000);
            }
            Err(_) => prop_assert!(prompt > limit || cached > limit || cached + written > prompt),
        }
    }
}
