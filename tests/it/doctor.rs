//! `scrip doctor` says whether customers could pay, and what to do when they could not.

use std::process::Output;

use tests::cluster::postgres;
use tests::process::{Server, ServerOptions};
use tests::scratch::ScratchDir;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const KEY: &str = "SCRIP_STRIPE_SECRET_KEY";
const SECRET: &str = "SCRIP_STRIPE_WEBHOOK_SECRET";
const BASE: &str = "SCRIP_STRIPE_API_BASE";

/// What is said of a gateway that did not answer in time.
const NO_ANSWER: &str = "gave no answer";
const TRIES: usize = 5;

fn ask(options: &ServerOptions) -> (Output, String) {
    let done = options.run("doctor");
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done, said)
}

/// What the doctor says with these variables: each of `lines` begins one of its lines.
fn check(options: &ServerOptions, variables: &[(&str, &str)], is_well: bool, lines: &[&str]) {
    let mut options = options.clone();
    for (name, value) in variables {
        options = options.env(name, *value);
    }
    let awaits_silence = lines.iter().any(|line| line.contains(NO_ANSWER));
    let (mut done, mut said) = ask(&options);
    // A machine that stands still for longer than the doctor listens is no finding of his.
    for _ in 0..TRIES {
        if awaits_silence || !said.contains(NO_ANSWER) {
            break;
        }
        (done, said) = ask(&options);
    }
    for line in lines {
        assert!(
            said.lines().any(|l| l.trim_start().starts_with(line)),
            "{variables:?}: no {line:?} in\n{said}"
        );
    }
    assert_eq!(done.status.success(), is_well, "{variables:?}:\n{said}");
    let secrets = variables.iter().filter(|(name, _)| *name != BASE).flat_map(|(_, texts)| texts.split(','));
    for secret in secrets {
        assert!(!said.contains(secret), "it prints {secret}:\n{said}");
    }
}

#[test]
fn the_doctor_looks_at_the_gateway() {
    let folder = ScratchDir::new("doctor");
    let options = ServerOptions::serve(EXECUTABLE, folder.path());
    let server = Server::start(&options.clone().env("SCRIP_LOG", "warn"));
    let stripe = format!("{}/sandbox/", server.url());
    let ours = |key| [(KEY, key), (SECRET, "whsec_new,whsec_old"), (BASE, stripe.as_str())];

    check(&options, &[], true, &["ok    payments: no key of Stripe, so the sandbox", "0 to look at"]);
    let well = [
        "ok    payments: Stripe with a test key",
        "ok    Stripe's events are verified; its endpoint is http://",
        "ok    Stripe answers",
        "note  Scrip retries failed payments by its own plan: turn Stripe's automatic retries off",
        "0 to look at",
    ];
    check(&options, &ours("sk_test_sandbox"), true, &well);
    let wrong =
        ["FAIL  Stripe: the gateway does not accept our key (401", "The key is wrong", "1 to look at"];
    check(&options, &ours("sk_test_wrong"), false, &wrong);
    check(&options, &ours("pk_test_1234"), false, &["FAIL  SCRIP_STRIPE_SECRET_KEY is a publishable key"]);
    check(&options, &ours("whatever-it-is"), false, &["FAIL  SCRIP_STRIPE_SECRET_KEY is no key of Stripe's"]);
    let live = [
        "FAIL  Stripe: the gateway's settings are wrong: a live key is never sent to",
        "FAIL  live payments, and the pages have no https address",
        "2 to look at",
    ];
    check(&options, &ours("sk_live_1234"), false, &live);

    let without_secret = [(KEY, "sk_test_sandbox"), (BASE, stripe.as_str())];
    let missing =
        ["FAIL  SCRIP_STRIPE_WEBHOOK_SECRET is missing", "Add the endpoint http://", "1 to look at"];
    check(&options, &without_secret, false, &missing);
    let no_secret = [(KEY, "sk_test_sandbox"), (SECRET, "whsec_a,sk_test_b"), (BASE, stripe.as_str())];
    check(&options, &no_secret, false, &["FAIL  SCRIP_STRIPE_WEBHOOK_SECRET is not a signing secret"]);
    let closed = format!("http://127.0.0.1:{}/", tests::free_port());
    let nobody = [(KEY, "sk_test_sandbox"), (SECRET, "whsec_a"), (BASE, closed.as_str())];
    check(
        &options,
        &nobody,
        false,
        &["FAIL  Stripe: the gateway gave no answer after 1 attempt", "Can this"],
    );

    let fresh = ScratchDir::new("doctor-fresh");
    let fresh = ServerOptions::serve(EXECUTABLE, fresh.path());
    check(
        &fresh,
        &[],
        true,
        &["note  no database yet; the first start (scrip serve) makes it at", "0 to look at"],
    );

    let public = [("SCRIP_CONSOLE_LISTEN", "0.0.0.0:0")];
    check(&options, &public, false, &["FAIL  payments: no gateway", "Set SCRIP_STRIPE_SECRET_KEY and"]);
}

#[test]
fn the_doctor_knows_a_database_that_was_served_with_play_money() {
    let Some(cluster) = postgres() else { return };
    let folder = ScratchDir::new("doctor-sandbox");
    let options = ServerOptions::serve(EXECUTABLE, folder.path());
    let mut options = options.env("SCRIP_DATABASE_URL", cluster.fresh_database());
    assert!(options.run("migrate").status.success());
    check(&options, &[], false, &["FAIL  payments: no gateway", "Set SCRIP_STRIPE_SECRET_KEY and"]);
    options.arguments = ["serve", "--sandbox", "--only", "portal"].map(str::to_owned).to_vec();
    let mut server = Server::start(&options);
    let banner = server.output();
    let only_portal =
        banner.contains("  Portal ") && !banner.contains("  API  ") && !banner.contains("  Console");
    assert!(only_portal, "{banner}");
    server.stop();
    check(&options, &[], true, &["note  payments: no key of Stripe; scrip serve --sandbox", "0 to look at"]);
}
