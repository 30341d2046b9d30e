//! The trait stays small, and the contract leaves nothing of it out: read from the source.
#![allow(clippy::expect_used, reason = "helpers of tests, which clippy does not see as tests")]

use std::collections::BTreeSet;

const TRAIT: &str = include_str!("../src/gateway.rs");
const CONTRACT: [&str; 2] =
    [include_str!("../src/contract/mod.rs"), include_str!("../src/contract/events.rs")];
const METHODS_MAX: usize = 9;

/// Names of the functions of `pub trait Gateway`, those with a body of their own included.
fn methods() -> BTreeSet<&'static str> {
    let body = TRAIT.split("pub trait Gateway").nth(1).and_then(|rest| rest.split("\n}").next());
    let lines = body.expect("the trait is there").lines();
    let names = lines.filter_map(|line| line.strip_prefix("    fn ")?.split(['<', '(']).next());
    names.collect()
}

#[test]
fn the_trait_has_fewer_than_ten_methods() {
    let methods = methods();
    assert!(methods.contains("verify_event") && methods.contains("create_checkout"), "{methods:?}");
    assert!(methods.len() <= METHODS_MAX, "{methods:?}");
}

#[test]
fn the_contract_calls_every_method() {
    let is_called = |name: &&str| CONTRACT.iter().any(|source| source.contains(&format!("gateway.{name}(")));
    let forgotten: Vec<&str> = methods().into_iter().filter(|name| !is_called(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}
