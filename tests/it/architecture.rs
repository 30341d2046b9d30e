//! Which crate may know which, and what may be built at all, read from `cargo metadata`.
//! A new arrow needs a line here and a sentence in `crates/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Every arrow between our crates; no other is allowed and none of these may be missing, so that the
/// table stays a true map.
const ARROWS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("ledger", &["kernel"]),
    ("catalog", &["kernel"]),
    ("metering", &["kernel"]),
    ("billing", &["kernel"]),
    ("risk", &[]),
    ("client", &["kernel"]),
    ("mail", &["kernel"]),
    ("store", &["kernel", "ledger"]),
    ("migrations", &["store"]),
    ("engine", &["kernel", "ledger", "store"]),
    ("jobs", &["kernel", "store"]),
    ("gateways", &["billing", "kernel"]),
    ("sandbox", &["kernel", "store"]),
    (
        "app",
        &[
            "billing", "catalog", "engine", "gateways", "jobs", "kernel", "ledger", "mail", "metering",
            "risk", "store",
        ],
    ),
    ("site", &["app", "kernel"]),
    ("api", &["app", "catalog", "kernel", "ledger"]),
    ("portal", &["app", "catalog", "kernel", "ledger", "site"]),
    ("console", &["app", "kernel", "ledger", "site"]),
    ("worker", &["app", "mail"]),
    (
        "scrip",
        &[
            "api",
            "app",
            "client",
            "console",
            "engine",
            "gateways",
            "kernel",
            "mail",
            "metering",
            "migrations",
            "portal",
            "sandbox",
            "site",
            "store",
            "worker",
        ],
    ),
];

/// These may know everybody, and nobody else may know them.
const TESTS: [&str; 3] = ["tests", "bench", "risk-eval"];

/// What a crate knows in its own tests only.
const TEST_ARROWS: &[(&str, &str)] =
    &[("sandbox", "billing"), ("sandbox", "gateways"), ("sandbox", "migrations")];

/// They decide and never act: no database, no runtime, no server in anything they are built with.
const PURE: &[&str] = &["kernel", "ledger", "catalog", "metering", "billing", "risk"];
const IMPURE: &[&str] = &["sea-orm", "sqlx", "tokio", "axum", "hyper", "mio"];

/// Two versions of one of these would double the build or split a type in two. Not among them: `thiserror`, of
/// which linfa 0.8 brings its own version 1; no type of it reaches our code.
const ONE_VERSION: &[&str] = &[
    "askama",
    "axum",
    "chrono",
    "clap",
    "http",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "metrics",
    "ring",
    "rustls",
    "sea-orm",
    "sea-orm-migration",
    "sea-query",
    "serde",
    "serde_json",
    "sqlx",
    "sqlx-core",
    "tokio",
    "tower",
    "tracing",
    "utoipa",
    "uuid",
];

const BANNED: &[(&str, &str)] = &[
    ("openssl", "one TLS stack: rustls with ring"),
    ("openssl-sys", "one TLS stack: rustls with ring"),
    ("native-tls", "one TLS stack: rustls with ring"),
    ("aws-lc-rs", "one TLS stack: rustls with ring"),
    ("aws-lc-sys", "one TLS stack: rustls with ring"),
    ("reqwest", "crates/client speaks HTTP with hyper"),
];

/// Licences that let anybody use, change and sell the whole under Apache-2.0.
const LICENCES: &[(&str, &str)] = &[
    ("Apache-2.0", "our own"),
    ("MIT", "permissive"),
    ("BSD-2-Clause", "permissive"),
    ("BSD-3-Clause", "permissive, no endorsement"),
    ("ISC", "MIT in fewer words"),
    ("0BSD", "no conditions"),
    ("Zlib", "permissive, marks changed sources"),
    ("Unicode-3.0", "permissive; the tables of the Unicode crates"),
    ("CC0-1.0", "public domain; no patent grant, so it stays rare"),
    ("CDLA-Permissive-2.0", "data: Mozilla's list of root certificates in webpki-roots"),
    ("MPL-2.0", "only changes of its own files must stay open; we change none"),
];

#[derive(Default)]
struct Graph {
    packages: BTreeMap<String, Package>,
    arrows: Vec<Arrow>,
}

struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    is_ours: bool,
}

struct Arrow {
    from: String,
    to: String,
    is_for_tests: bool,
}

#[test]
fn crates_know_only_whom_the_map_allows() {
    assert_none(wrong_arrows(&built(), ARROWS, TEST_ARROWS));
}

#[test]
fn pure_crates_are_built_without_database_runtime_and_server() {
    assert_none(impurities(&built()));
}

#[test]
fn every_licence_is_one_we_may_ship() {
    assert_none(wrong_licences(&built()));
}

#[test]
fn heavy_crates_have_one_version_and_banned_ones_none() {
    assert_none(wrong_packages(&built()));
}

#[test]
fn every_crate_has_its_paragraph_on_the_map_and_no_other_has_one() {
    let map = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/README.md");
    let map = std::fs::read_to_string(map).expect("crates/README.md is there");
    let described: BTreeSet<&str> =
        map.lines().filter_map(|line| line.strip_prefix("**`")?.split('`').next()).collect();
    let graph = built();
    let ours = graph.packages.values().filter(|p| p.is_ours).map(|p| p.name.as_str());
    assert_eq!(described, ours.collect::<BTreeSet<_>>());
}

fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn wrong_arrows(
    graph: &Graph,
    allowed: &[(&str, &[&str])],
    allowed_in_tests: &[(&str, &str)],
) -> Vec<String> {
    let allowed: BTreeSet<(&str, &str)> =
        allowed.iter().flat_map(|(from, tos)| tos.iter().map(move |to| (*from, *to))).collect();
    let allowed_in_tests = allowed_in_tests.iter().copied().collect();
    let of_kind = |is_for_tests: bool| -> BTreeSet<(&str, &str)> {
        let ours = graph.our_arrows().filter(|a| a.is_for_tests == is_for_tests);
        ours.map(|a| (graph.name(&a.from), graph.name(&a.to)))
            .filter(|(from, _)| !TESTS.contains(from))
            .collect()
    };
    let mut found = differences("", &of_kind(false), &allowed);
    // An arrow that the crate has anyway is no news in its tests.
    let in_tests = of_kind(true).difference(&allowed).copied().collect();
    found.extend(differences(" (in tests)", &in_tests, &allowed_in_tests));
    found
}

fn differences(kind: &str, drawn: &BTreeSet<(&str, &str)>, allowed: &BTreeSet<(&str, &str)>) -> Vec<String> {
    let forbidden = drawn.difference(allowed).map(|(from, to)| format!("{from} → {to}{kind} is not allowed"));
    let stale = allowed
        .difference(drawn)
        .map(|(from, to)| format!("{from} → {to}{kind} is in the map, but nobody draws it"));
    forbidden.chain(stale).collect()
}

fn impurities(graph: &Graph) -> Vec<String> {
    let pure = graph.packages.iter().filter(|(_, p)| p.is_ours && PURE.contains(&p.name.as_str()));
    pure.flat_map(|(id, package)| {
        let reached = graph.reached_from([id.as_str()]);
        let names: BTreeSet<&str> = reached.iter().map(|id| graph.name(id)).collect();
        IMPURE
            .iter()
            .filter(move |name| names.contains(**name))
            .map(|name| format!("{} is pure, but is built with {name}", package.name))
    })
    .collect()
}

fn wrong_licences(graph: &Graph) -> Vec<String> {
    let shipped = graph.shipped();
    shipped
        .iter()
        .filter(|p| !p.licence.as_deref().is_some_and(is_allowed_licence))
        .map(|p| format!("{} {} has licence {:?}", p.name, p.version, p.licence))
        .collect()
}

fn wrong_packages(graph: &Graph) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in graph.shipped() {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let doubled = ONE_VERSION.iter().filter_map(|name| {
        versions.get(name).filter(|v| v.len() > 1).map(|v| format!("{name} has versions {v:?}"))
    });
    let banned = BANNED
        .iter()
        .filter(|(name, _)| versions.contains_key(name))
        .map(|(name, reason)| format!("{name} is banned: {reason}"));
    doubled.chain(banned).collect()
}

/// An SPDX expression, or the slash that crates wrote before there was SPDX.
/// `OR` needs one allowed side, `AND` binds tighter and needs both.
fn is_allowed_licence(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allowed = any_of(&words, &mut at);
    allowed && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(words, at);
    }
    allowed
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(words, at);
    }
    allowed
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word != "(" {
        // This exception only takes a condition away.
        if words[*at..].starts_with(&["WITH", "LLVM-exception"]) {
            *at += 2;
        }
        return LICENCES.iter().any(|(name, _)| name == word);
    }
    let allowed = any_of(words, at);
    let is_closed = words.get(*at) == Some(&")");
    *at += 1;
    allowed && is_closed
}

impl Graph {
    fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.packages.get(id).map_or(id, |p| p.name.as_str())
    }

    fn our_arrows(&self) -> impl Iterator<Item = &Arrow> {
        let is_ours = |id: &str| self.packages.get(id).is_some_and(|p| p.is_ours);
        self.arrows.iter().filter(move |a| is_ours(&a.from) && is_ours(&a.to))
    }

    /// Everything that `starts` are built with, themselves included; not what only their tests need.
    fn reached_from<'a>(&'a self, starts: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for arrow in self.arrows.iter().filter(|a| !a.is_for_tests) {
            next.entry(&arrow.from).or_default().push(&arrow.to);
        }
        let mut waiting: Vec<&str> = starts.into_iter().collect();
        let mut reached = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if reached.insert(id) {
                waiting.extend(next.get(id).into_iter().flatten());
            }
        }
        reached
    }

    /// What is built for others, on this platform: everything but what only tests need.
    fn shipped(&self) -> Vec<&Package> {
        let ours = self.packages.iter().filter(|(_, p)| p.is_ours).map(|(id, _)| id.as_str());
        self.reached_from(ours).into_iter().filter_map(|id| self.packages.get(id)).collect()
    }

    fn from_metadata(metadata: &Value) -> Graph {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let members: BTreeSet<String> = list(&metadata["workspace_members"]).map(text).collect();
        let packages = list(&metadata["packages"]).map(|p| {
            let id = text(&p["id"]);
            let is_ours = members.contains(&id);
            let licence = p["license"].as_str().map(str::to_owned);
            (id, Package { name: text(&p["name"]), version: text(&p["version"]), licence, is_ours })
        });
        let arrows = list(&metadata["resolve"]["nodes"]).flat_map(|node| {
            list(&node["deps"]).flat_map(move |dep| {
                list(&dep["dep_kinds"]).map(move |kind| Arrow {
                    from: text(&node["id"]),
                    to: text(&dep["pkg"]),
                    is_for_tests: kind["kind"] == "dev",
                })
            })
        });
        Graph { packages: packages.collect(), arrows: arrows.collect() }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The graph of what this machine builds. Without the network first: everything that was built is here.
fn built() -> Graph {
    let metadata =
        metadata(&["--offline"]).or_else(|_| metadata(&[])).unwrap_or_else(|error| panic!("{error}"));
    let graph = Graph::from_metadata(&metadata);
    assert!(
        graph.packages.len() > 100 && graph.our_arrows().count() > 10,
        "cargo metadata was not understood"
    );
    graph
}

fn metadata(more: &[&str]) -> Result<Value, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host()])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata wrote no JSON: {error}"))
}

/// Packages of other platforms were never downloaded, and are not what is built here.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc tells its version");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    host.to_owned()
}

/// The checks must be able to fail: made-up graphs with one thing wrong each.
mod canaries {
    use super::*;

    const MAP: &[(&str, &[&str])] = &[("store", &["ledger"]), ("ledger", &["kernel"])];

    /// Our crates are those without a `@`; the others are `name@version@licence`.
    fn graph(arrows: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in arrows {
            let (from, is_for_tests) =
                from.strip_suffix("[test]").map_or((*from, false), |name| (name, true));
            for id in [from, *to] {
                let mut parts = id.split('@');
                let mut part = || parts.next().map(str::to_owned);
                let (name, version, licence) = (part().unwrap(), part(), part());
                let is_ours = version.is_none();
                let version = version.unwrap_or_else(|| "1.0.0".to_owned());
                let licence = licence.or_else(|| is_ours.then(|| "Apache-2.0".to_owned()));
                graph.packages.insert(id.to_owned(), Package { name, version, licence, is_ours });
            }
            graph.arrows.push(Arrow { from: from.to_owned(), to: (*to).to_owned(), is_for_tests });
        }
        graph
    }

    #[test]
    fn a_forbidden_arrow_is_found() {
        let drawn = graph(&[("store", "ledger"), ("ledger", "kernel"), ("kernel", "store")]);
        assert_eq!(wrong_arrows(&drawn, MAP, &[]), ["kernel → store is not allowed"]);
    }

    #[test]
    fn an_arrow_to_the_tests_is_found_and_arrows_from_them_are_free() {
        let drawn =
            graph(&[("store", "ledger"), ("ledger", "kernel"), ("tests", "store"), ("store", "tests")]);
        assert_eq!(wrong_arrows(&drawn, MAP, &[]), ["store → tests is not allowed"]);
    }

    #[test]
    fn an_arrow_that_nobody_draws_is_found() {
        assert_eq!(
            wrong_arrows(&graph(&[("store", "ledger")]), MAP, &[]),
            ["ledger → kernel is in the map, but nobody draws it"]
        );
    }

    #[test]
    fn an_arrow_of_tests_has_a_table_of_its_own() {
        let drawn = graph(&[("store", "ledger"), ("ledger", "kernel"), ("ledger[test]", "store")]);
        assert_eq!(wrong_arrows(&drawn, MAP, &[]), ["ledger → store (in tests) is not allowed"]);
        assert!(wrong_arrows(&drawn, MAP, &[("ledger", "store")]).is_empty());
    }

    #[test]
    fn a_pure_crate_that_reaches_a_runtime_is_found_but_its_tests_may() {
        let drawn = graph(&[("ledger", "helper@1.0.0@MIT"), ("helper@1.0.0@MIT", "tokio@1.0.0@MIT")]);
        assert_eq!(impurities(&drawn), ["ledger is pure, but is built with tokio"]);
        assert!(impurities(&graph(&[("ledger[test]", "tokio@1.0.0@MIT")])).is_empty());
    }

    #[test]
    fn a_licence_that_binds_us_is_found() {
        for (licence, count) in
            [("GPL-3.0-only", 1), ("MIT AND GPL-3.0-only", 1), ("MIT OR GPL-3.0-only", 0), ("", 1)]
        {
            let id = format!("thing@1.0.0@{licence}");
            assert_eq!(wrong_licences(&graph(&[("store", &id)])).len(), count, "{licence}");
        }
        assert_eq!(wrong_licences(&graph(&[("store", "thing@1.0.0")])).len(), 1, "no licence at all");
    }

    #[test]
    fn licence_expressions_are_read_as_spdx_says() {
        let with = "Apache-2.0 WITH LLVM-exception OR X";
        for good in
            ["MIT/Apache-2.0", "Apache-2.0 / MIT", "(MIT OR X) AND Unicode-3.0", "X AND X OR MIT", with]
        {
            assert!(is_allowed_licence(good), "{good}");
        }
        for bad in [
            "(MIT OR X) AND X",
            "X WITH LLVM-exception",
            "MIT WITH X",
            "MIT AND",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "OR MIT",
        ] {
            assert!(!is_allowed_licence(bad), "{bad}");
        }
    }

    #[test]
    fn a_second_version_and_a_banned_crate_are_found() {
        let drawn = graph(&[
            ("store", "tokio@1.0.0@MIT"),
            ("store", "tokio@2.0.0@MIT"),
            ("store", "openssl@1.0.0@MIT"),
            ("store[test]", "reqwest@1.0.0@MIT"),
        ]);
        assert_eq!(
            wrong_packages(&drawn),
            [
                "tokio has versions {\"1.0.0\", \"2.0.0\"}",
                "openssl is banned: one TLS stack: rustls with ring"
            ]
        );
    }
}
