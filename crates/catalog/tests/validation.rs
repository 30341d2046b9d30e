//! What is wrong with a document is said with the path of its field and what to do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use catalog::{Catalog, DEMO, FieldError, MAX_DOCUMENT_BYTES};

fn errors(toml: &str) -> Vec<FieldError> {
    Catalog::parse(toml).err().unwrap_or_default()
}

/// Replaces the first `from` in the demo and expects exactly one error.
fn check(from: &str, to: &str, field: &str, message: &str) {
    assert!(DEMO.contains(from), "{from:?} is not in the demo");
    let errors = errors(&DEMO.replacen(from, to, 1));
    let found: Vec<_> = errors.iter().map(|e| (e.field.as_str(), e.message.as_str())).collect();
    match found.as_slice() {
        [(f, m)] if *f == field && m.contains(message) => {}
        _ => panic!("{from:?} → {to:?}: expected {field}: …{message}…, found {found:#?}"),
    }
}

#[test]
fn a_wrong_rate_names_its_field() {
    let sdxl = "rates = [{ driver = \"images\", credits = 5, factors";
    let rate = "features.image.generate.models.sdxl.rates[0]";
    let with = |rate: &str| format!("rates = [{{ {rate}, factors");
    let cases = [
        ("driver = \"images\", credits = -5", "credits", "must not be negative"),
        ("driver = \"images\", credits = 0.5", "credits", "write it as text"),
        ("driver = \"images\", credits = true", "credits", "must be a number"),
        ("driver = \"images\", credits = \"5,0\"", "credits", "is not a decimal number"),
        ("driver = \"images\", credits = \"0.0000001\"", "credits", "more than six digits"),
        ("driver = \"images\", credits = 1000000001", "credits", "is larger than"),
        (
            "driver = \"images\", credit = 5, credits = 5",
            "credit",
            "known here are driver, per, tiers, credits, factors",
        ),
        ("driver = \"images\", credits = 5, tiers = []", "tiers", "keep one of them"),
        ("driver = \"images\"", "credits", "is missing"),
        ("driver = \"images\", tiers = []", "tiers", "none in the last tier only"),
        ("driver = \"images\", tiers = [{ up_to = 5, credits = 1 }]", "tiers", "none in the last tier only"),
        ("driver = \"images\", tiers = [{ credits = 1 }, { credits = 2 }]", "tiers", "rising up_to"),
        (
            "driver = \"images\", tiers = [{ up_to = 5, credits = 1 }, { up_to = 5, credits = 1 }, { credits = 2 }]",
            "tiers",
            "rising up_to",
        ),
        ("driver = \"images\", tiers = [{ credits = -1 }]", "tiers[0].credits", "must not be negative"),
        ("driver = \"images\", per = 0, credits = 5", "per", "must be more than zero"),
        ("driver = \"pictures\", credits = 5", "driver", "known are requests"),
        ("driver = \"width\", credits = 5", "factors", "must not repeat"),
        ("credits = 5", "driver", "is missing"),
    ];
    for (changed, field, message) in cases {
        check(sdxl, &with(changed), &format!("{rate}.{field}"), message);
    }
}

#[test]
fn a_wrong_factor_or_default_names_its_field() {
    let sdxl = "features.image.generate.models.sdxl";
    let factor = "{ steps = 30 }] }]";
    let factors = format!("{sdxl}.rates[0].factors");
    check(factor, "{ steps = 0 }] }]", &factors, "has steps, which must be more than zero");
    check(factor, "{ step = 30 }] }]", &factors, "names \"step\", which is not a quantity");
    check(factor, "{}] }]", &factors, "{ steps = 30 }");
    check(factor, "30] }]", &factors, "{ steps = 30 }");
    let defaults = "defaults = { width = 1024, height = 1024, steps = 30 }";
    check(
        defaults,
        "defaults = { width = 1024, height = 1024, steps = 30, fps = 1 }",
        &format!("{sdxl}.defaults.fps"),
        "is not used by any rate",
    );
    check(defaults, "defaults = { widht = 1024 }", &format!("{sdxl}.defaults"), "names \"widht\"");
    check(defaults, "max = { pages = 3 }", &format!("{sdxl}.max.pages"), "is not used by any rate");
    check(defaults, "max_factor = \"0.9\"", &format!("{sdxl}.max_factor"), "must be 1 or more");
    check(defaults, "minimum = -1", &format!("{sdxl}.minimum"), "must not be negative");
    check(defaults, "options.colour = { red = 1 }", &format!("{sdxl}.options.colour"), "known are codec");
    check(defaults, "options.style = {}", &format!("{sdxl}.options.style"), "table of factors");
    check(
        defaults,
        "options.style = { x = -1 }",
        &format!("{sdxl}.options.style"),
        "has x, which is negative",
    );
    check(
        defaults,
        "complexity = [{ from = 101, factor = 1 }]",
        &format!("{sdxl}.complexity[0].from"),
        "0 to 100",
    );
    check(
        defaults,
        "complexity = [{ from = 9, factor = 1 }, { from = 9, factor = 2 }]",
        &format!("{sdxl}.complexity"),
        "rising",
    );
}

#[test]
fn a_wrong_feature_names_its_field() {
    let feature = "description = \"Pictures from text\"";
    let at = "features.image.generate";
    check(feature, "overage = \"forgive\"", &format!("{at}.overage"), "{ overdraft = 50 }");
    check(feature, "overage = { overdraft = 0 }", &format!("{at}.overage"), "more than zero");
    check(feature, "price = 1", &format!("{at}.price"), "is not a known field");
    check("name = \"Image generation\"", "", &format!("{at}.name"), "is missing");
    check("name = \"Image generation\"", "name = \" \"", &format!("{at}.name"), "1 to 500 characters");
    check("name = \"Image generation\"", "name = 7", &format!("{at}.name"), "must be text");
    check(
        ".models.midjourney]\n",
        ".models.\"mid journey\"]\n",
        &format!("{at}.models.mid journey"),
        "must be named with",
    );
}

#[test]
fn wrong_windows_packs_volumes_and_plans_name_their_fields() {
    let cases = [
        ("from_hour = 9", "from_hour = 24", "windows[0].from_hour", "from 0 to 23"),
        ("to_hour = 17", "to_hour = 9", "windows[0].to_hour", "two windows"),
        ("days = [\"mon\",", "days = [\"monday\",", "windows[0].days", "\"mon\", \"tue\""),
        ("utc_offset = \"+00:00\"", "utc_offset = \"CET\"", "windows[0].utc_offset", "\"+01:00\""),
        ("utc_offset = \"+00:00\"", "utc_offset = \"+14:01\"", "windows[0].utc_offset", "14 hours"),
        ("active = false", "active = 0", "windows[0].active", "true or false"),
        ("active = false", "active = false\nfeatures = [\"x\"]", "windows[0].features", "names \"x\""),
        ("round_to = \"0.000001\"", "round_to = 0", "rate_card.round_to", "more than zero"),
        ("credits = 100\n", "credits = 0\n", "packs.pack_100.credits", "more than zero"),
        (
            "price = { amount = 1000, currency = \"usd\" }",
            "price = 1000",
            "packs.pack_100.price",
            "minor units",
        ),
        ("amount = 1000,", "amount = -1,", "packs.pack_100.price", "minor units"),
        (
            "amount = 1000, currency = \"usd\"",
            "amount = 1000, currency = \"USD\"",
            "packs.pack_100.price",
            "minor units",
        ),
        (
            "expires_after_months = 12",
            "expires_after_months = 0",
            "packs.pack_100.expires_after_months",
            "1 to 120",
        ),
        ("per = 1\n", "per = 0\n", "volume[0].per", "more than zero"),
        ("from = 10000", "", "volume[0].from", "is missing"),
        ("calls_per_minute = 6000", "calls_per_minute = 0", "plans.payg.calls_per_minute", "no limit"),
        ("entitles = [\"*\"]", "entitles = [\"sdxl\"]", "plans.payg.entitles", "\"feature/*\""),
        ("entitles = [\"*\"]", "entitles = [\"image/*\"]", "plans.payg.entitles", "names no feature"),
        (
            "\"image.generate/sdxl\", \"text",
            "\"image.generate/sd\", \"text",
            "plans.free.entitles",
            "names no model",
        ),
        ("[plans.payg]", "[plans.pay]", "plans", "needs a plan `payg`"),
        ("[rate_card]\nname = \"demo\"\nround_to = \"0.000001\"", "", "rate_card", "is missing"),
        ("name = \"demo\"", "name = \"demo\"\nversion = 2", "rate_card.version", "is not a known field"),
        ("[rate_card]", "title = 1\n[rate_card]", "title", "is not a known field"),
    ];
    for (from, to, field, message) in cases {
        check(from, to, field, message);
    }
}

#[test]
fn all_errors_come_at_once() {
    let text = DEMO.replace("currency = \"usd\"", "currency = \"dollars\"");
    assert_eq!(errors(&text).len(), DEMO.matches("currency = \"usd\"").count());
}

#[test]
fn a_document_that_is_no_catalogue_is_refused_as_a_whole() {
    let fields = |toml: &str| errors(toml).into_iter().map(|e| e.field).collect::<Vec<_>>();
    assert_eq!(fields("a = ["), ["document"]);
    assert_eq!(fields(&" ".repeat(MAX_DOCUMENT_BYTES + 1)), ["document"]);
    assert_eq!(fields(&format!("a = {}", "[".repeat(100_000))), ["document"]);
    assert_eq!(fields(&format!("a{} = 1", ".a".repeat(100_000))), ["document"]);
    assert_eq!(fields(""), ["rate_card", "features", "plans"]);
    assert_eq!(
        fields("rate_card = 1\nfeatures = []\nplans = {}\nwindows = 3\nvolume = [1]"),
        ["rate_card", "features", "features", "windows", "volume[0]", "plans"]
    );
    assert!(errors("a = [")[0].to_string().starts_with("document is not TOML: "));
}

#[test]
fn a_plan_is_checked_even_when_its_features_are_wrong() {
    let text = DEMO
        .replace("credits = 5, factors", "credits = -5, factors")
        .replace("\"image.generate/sdxl\"", "\"nothing/x\"");
    let fields: Vec<_> = errors(&text).into_iter().map(|e| e.field).collect();
    assert!(
        fields.contains(&"features.image.generate.models.sdxl.rates[0].credits".to_owned()),
        "{fields:?}"
    );
    assert!(fields.contains(&"plans.free.entitles".to_owned()), "{fields:?}");
}
