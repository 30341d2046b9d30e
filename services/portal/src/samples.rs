//! Every page rendered with samples: it has its title, no template is left in it, and what callers wrote
//! is text.

use app::accounts::{Role, SessionView, User};
use app::catalogue::Version;
use app::holds::Hold;
use app::keys::ApiKey;
use app::pace::{Day, Pace};
use app::payments::{Checkout, CheckoutState};
use app::receipts::{Receipt, ReceiptLine};
use app::risk::appeals::{Answer, Written};
use app::risk::on_hold::OnHold;
use app::risk::settings::StepUp;
use app::statements::{Row, Statement};
use app::wallets::{LotView, WalletView};
use app::{EventIdentity, FieldError, Page, Priced};
use askama::Template;
use catalog::{Ask, Catalog, Options, Plan};
use kernel::{
    Amount, ApiKeyId, CaseId, CheckoutId, Credits, Currency, CustomerId, Driver, GrantId, HoldId, Money,
    ReceiptId, Timestamp, WalletId, new_uuid,
};
use ledger::{Account, EntryKind, GrantKind, HoldState};
use site::{Flash, NavItem, Shell, Tone};

use crate::words::Names;
use crate::{
    activity, balance, buy, calculator, developers, door, on_hold, packs, prices, receipt, returns, settings,
    sign,
};

/// In every text that somebody can write.
const PAYLOADS: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 7 }}</title><svg onload=alert(1)>",
];

fn hostile() -> String {
    PAYLOADS.join(" ")
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn shell(title: &str) -> Shell {
    let item = |label, path, is_current| NavItem { label, path, is_current };
    Shell {
        nav: vec![item("Balance", "/", true), item("Settings", "/settings", false)],
        balance: Some("1,234.5".to_owned()),
        user: Some(hostile()),
        flash: Some(Flash::new(Tone::Bad, hostile())),
        form_token: "token".to_owned(),
        ..Shell::plain(title)
    }
}

fn errors(field: &str) -> Vec<FieldError> {
    vec![FieldError::new(field, hostile())]
}

/// The page is whole, and nothing of the payloads is markup.
fn check(page: &impl Template, title: &str) {
    let html = page.render().unwrap();
    assert!(html.contains(&format!("<title>{title} · Scrip</title>")), "{title}: {html:.400}");
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{title}");
    for mark in ["<script", "<img", "<svg onload", "' autofocus", "\"><img"] {
        let found = html.find(mark).map(|at| html.chars().skip(at.saturating_sub(80)).take(160));
        assert!(found.is_none(), "{title} has {mark}: {:?}", found.map(String::from_iter));
    }
    let own_words = html.replace("{{ 7 * 7 }}", "");
    assert!(!own_words.contains("{{") && !own_words.contains("{%"), "{title} has a rest of a template");
    assert!(!html.contains("style=\"") && !html.contains(" onclick"), "{title}: the policy forbids it");
}

fn version() -> Version {
    Version { version: 7, catalog: Catalog::demo().unwrap() }
}

fn priced() -> Priced {
    let version = version();
    let one = Amount::whole(1).unwrap();
    let (quantities, options) = ([(Driver::Images, one)].into_iter().collect(), Options::default());
    let ask = Ask {
        feature: "image.generate",
        model: "sdxl",
        quantities: &quantities,
        options: &options,
        plan: Plan::DEFAULT,
        at: now(),
        prompt_complexity: None,
    };
    let mut price = catalog::price(&version.catalog, &ask).unwrap();
    price.formula = format!("{} {}", price.formula, hostile());
    Priced {
        rate_card: version.reference(),
        plan: Plan::DEFAULT.to_owned(),
        priced_at: now(),
        feature: hostile(),
        model: hostile(),
        options,
        complexity: None,
        price,
    }
}

fn wallet() -> WalletId {
    WalletId::from_uuid(new_uuid())
}

fn lot() -> LotView {
    LotView {
        grant: GrantId { wallet: wallet(), seq: 1 },
        kind: GrantKind::Purchase,
        remaining: Credits::whole(400),
        held: Credits::whole(5),
        granted: Credits::whole(500),
        priority: 50,
        expires_at: Some(now()),
        paid: Some(Money { amount: 4500, currency: Currency::USD }),
    }
}

fn hold() -> Hold {
    Hold {
        id: HoldId { wallet: wallet(), seq: 2 },
        customer: CustomerId::from_uuid(new_uuid()),
        state: HoldState::Open,
        authorized: Credits::whole(10),
        captured: Credits::whole(5),
        captures: 1,
        remaining: Credits::whole(5),
        expires_at: now(),
        quote: None,
        priced: Some(priced()),
        job: Some(hostile()),
        subject: Some(hostile()),
        created_at: now(),
    }
}

fn row(kind: EntryKind) -> Row {
    Row {
        seq: 3,
        kind,
        at: now(),
        credits: Credits::whole(-5),
        held: Credits::whole(5),
        uncovered: Credits::ZERO,
        balance: Credits::whole(1000),
        receipt: Some(ReceiptId { wallet: wallet(), seq: 3 }),
        hold: None,
        grant: None,
        grant_kind: Some(GrantKind::Promo),
        feature: Some(hostile()),
        model: Some(hostile()),
        subject: Some(hostile()),
        job: Some(hostile()),
        reason: Some(hostile()),
        restriction: None,
        is_reversed: false,
        is_posted: true,
    }
}

fn a_receipt() -> Receipt {
    let id = ReceiptId { wallet: wallet(), seq: 3 };
    Receipt {
        id,
        customer: CustomerId::from_uuid(new_uuid()),
        kind: EntryKind::Capture,
        credits: Credits::whole(5),
        uncovered: Credits::whole(1),
        released: Credits::whole(2),
        lines: vec![ReceiptLine {
            from: Account::Held,
            to: Account::Spent,
            credits: Credits::whole(5),
            grant: Some(GrantId { wallet: id.wallet, seq: 1 }),
        }],
        priced: Some(priced().into()),
        hold: Some(HoldId { wallet: id.wallet, seq: 2 }),
        quote: None,
        job: Some(hostile()),
        subject: Some(hostile()),
        vendor_transaction: Some(hostile()),
        occurred_at: Some(now()),
        event: Some(EventIdentity { source: hostile(), id: hostile() }),
        unrated: Some(hostile()),
        reverses: Some(id),
        reversed_by: Some(id),
        available: Credits::whole(1),
        held: Credits::ZERO,
        debt: Credits::ZERO,
        created_at: now(),
    }
}

fn a_user() -> User {
    User {
        id: new_uuid(),
        email: hostile(),
        name: hostile(),
        role: Role::Customer,
        customer: Some(CustomerId::from_uuid(new_uuid())),
        verified_at: None,
        created_at: now(),
    }
}

fn a_session(is_this: bool) -> SessionView {
    SessionView { id: new_uuid(), user_agent: hostile(), created_at: now(), last_seen: now(), is_this }
}

fn cards() -> Vec<packs::PackCard> {
    vec![packs::PackCard {
        id: "pack_500".to_owned(),
        name: hostile(),
        price: "$45.00".to_owned(),
        per_credit: "$0.09 per credit".to_owned(),
        saving: Some("Save 10 %".to_owned()),
        examples: Some(hostile()),
        expiry: "Valid for 12 months".to_owned(),
        once: "once".to_owned(),
    }]
}

fn a_checkout(state: CheckoutState) -> Checkout {
    Checkout {
        id: CheckoutId::from_uuid(new_uuid()),
        customer: CustomerId::from_uuid(new_uuid()),
        pack: None,
        quantity: 1,
        credits: Credits::whole(500),
        amount: Money { amount: 4500, currency: Currency::USD },
        state,
        url: None,
        success_url: String::new(),
        cancel_url: String::new(),
        error: Some(hostile()),
        grant: None,
        returned_minor: 0,
        is_disputed: false,
        gateway: "stripe".to_owned(),
        gateway_id: None,
        payment: None,
        created_at: now(),
        settled_at: None,
    }
}

#[test]
fn pages_for_strangers() {
    check(&balance::LandingPage { shell: shell("Credits") }, "Credits");
    check(&door::DOOR.sign_in_page(shell("Sign in"), hostile(), hostile()), "Sign in");
    check(&door::DOOR.forgot_page(shell("Forgotten password")), "Forgotten password");
    check(&door::DOOR.reset_page(shell("New password"), hostile(), errors("password")), "New password");
    check(
        &sign::SignUpPage { shell: shell("Sign up"), email: hostile(), errors: errors("email") },
        "Sign up",
    );
    for field in ["name", "password"] {
        let page = sign::OpenAccountPage {
            shell: shell("Open your account"),
            token: hostile(),
            email: hostile(),
            name: hostile(),
            errors: errors(field),
            password_min: 10,
        };
        check(&page, "Open your account");
    }
    for link in [None, Some(hostile())] {
        let page = sign::SignedUpPage { shell: shell("Look into your mail"), email: hostile(), link };
        check(&page, "Look into your mail");
    }
    check(&prices::view(shell("Prices"), cards(), &version()), "Prices");
}

#[test]
fn the_balance() {
    let wallet = WalletView {
        wallet: wallet(),
        customer: CustomerId::from_uuid(new_uuid()),
        available: Credits::whole(400),
        held: Credits::whole(5),
        debt: Credits::whole(3),
        lots: vec![lot()],
        open_holds: 1,
        restriction: None,
        as_of: now(),
    };
    let days =
        vec![Day { begins_at: now(), charged: Credits::whole(95), by_feature: vec![Credits::whole(95)] }];
    let features = vec![Some(hostile())];
    let mut pace = Pace { days, features, per_day: Credits::whole(45), days_left: Some(9), as_of: now() };
    for (micros, said) in [(49_142_857, "about 49"), (400_000, "less than 1"), (45_000_000, "45")] {
        pace.per_day = Credits::from_micros(micros);
        let page = balance::page(shell("Balance"), &wallet, &pace, &Names::of(None));
        assert_eq!(page.pace, format!("At {said} a day lately, this lasts about 9 days."));
    }
    let page = balance::page(shell("Balance"), &wallet, &pace, &Names::of(None));
    assert_eq!(page.used, "95");
    check(&page, "Balance");
}

#[test]
fn activity_of_every_kind() {
    let kinds = EntryKind::ALL.iter().map(|kind| row(*kind));
    let statement = Statement {
        opening: Credits::ZERO,
        granted: Credits::whole(10),
        used: Credits::whole(5),
        expired: Credits::ZERO,
        adjusted: Credits::whole(-1),
        closing: Credits::whole(4),
        rows: Page { data: kinds.collect(), next_cursor: Some("3".to_owned()) },
    };
    let names = Names::of(Some(version()));
    let asked = activity::Asked {
        kind: Some(hostile()),
        work: Some(hostile()),
        q: Some(hostile()),
        ..Default::default()
    };
    let view = |month| activity::view(shell("Activity"), (month, &asked), &statement, &names, now());
    check(&view(activity::Month::All), "Activity");
    check(&view(activity::Month::Of { year: 2026, month: 11 }), "Activity");
    let csv = activity::as_csv(&statement, true, &names).unwrap();
    assert_eq!(csv.lines().count(), 3 + EntryKind::ALL.len());
    let csv = activity::as_csv(&statement, false, &names).unwrap();
    assert_eq!(csv.lines().count(), 1 + EntryKind::ALL.len());
}

#[test]
fn a_receipt_with_everything() {
    let page = receipt::view(
        shell("Receipt"),
        &a_receipt(),
        Some(&(hold(), EntryKind::ALL.iter().map(|kind| row(*kind)).collect())),
        &Names::of(None),
    );
    let answer = Some(hostile());
    let problem =
        receipt::ProblemForm { text: hostile(), answer, errors: errors("text"), ..Default::default() };
    check(&receipt::ReceiptPage { problem, ..page }, "Receipt");
    let undone = Receipt { kind: EntryKind::Reverse, priced: None, ..a_receipt() };
    check(&receipt::view(shell("Receipt"), &undone, None, &Names::of(None)), "Receipt");
}

#[test]
fn keys_and_settings() {
    let key = ApiKey {
        id: ApiKeyId::from_uuid(new_uuid()),
        name: hostile(),
        scopes: Vec::new(),
        customer: None,
        livemode: false,
        created_at: now(),
    };
    let page = developers::view(shell("Developers"), hostile(), vec![key]);
    let page = developers::DevelopersPage { secret: Some("ck_1".to_owned()), errors: errors("name"), ..page };
    check(&page, "Developers");
    let sessions = vec![a_session(true), a_session(false)];
    let page = settings::view(shell("Settings"), &a_user(), sessions);
    check(&settings::SettingsPage { errors: errors("current"), ..page }, "Settings");
}

#[test]
fn the_calculator() {
    let version = version();
    let said = [("images".to_owned(), hostile()), ("codec".to_owned(), hostile())].into_iter().collect();
    for feature in version.catalog.features() {
        for model in feature.models.values() {
            let page = calculator::view(shell("Price"), feature, model, &said);
            let result = Some(calculator::calculated(&priced()));
            check(&calculator::CalculatorPage { result, errors: errors("images"), ..page }, "Price");
        }
    }
}

#[test]
fn on_hold_in_every_way() {
    for step_up in [StepUp::VerifyMail, StepUp::ConfirmCard, StepUp::Wait, StepUp::Review] {
        for (until, appeal) in [(Some(now()), None), (None, Some(hostile()))] {
            let case = OnHold {
                case: Some(CaseId::from_uuid(new_uuid())),
                why: "The way your account was used looks unusual.",
                step_up,
                until,
                written: appeal.map(|text| Written {
                    text,
                    at: now(),
                    answer: Some(Answer { text: hostile(), author: hostile(), at: now() }),
                }),
            };
            let may_write = case.written.is_none();
            let page = on_hold::view(shell(""), Some(on_hold::shown(case)));
            let page = on_hold::OnHoldPage { text: hostile(), errors: errors("text"), ..page };
            let html = page.render().unwrap();
            assert_eq!(html.contains("/on-hold/link\""), step_up == StepUp::VerifyMail);
            assert_eq!(html.contains("button\" href=\"/buy\""), step_up == StepUp::ConfirmCard);
            assert_eq!(html.contains("/on-hold/appeal\""), may_write);
            for word in ["abuse", "fraud", "suspicious", "violat"] {
                assert!(!html.contains(word), "nobody is accused: {word}");
            }
            check(&page, "New work is on hold");
        }
    }
    check(&on_hold::view(shell(""), None), "Nothing is on hold");
    let shell_of = shell("Confirm your address");
    check(
        &sign::ConfirmAddressPage { shell: shell_of, token: hostile(), email: hostile() },
        "Confirm your address",
    );
    let banner = site::Banner { text: "New work waits.", path: "/on-hold", label: "Why" };
    let page = balance::LandingPage { shell: Shell { banner: Some(banner), ..shell("Credits") } };
    assert!(page.render().unwrap().contains("<a href=\"/on-hold\">Why</a>"));
}

#[test]
fn buying_and_coming_back() {
    for (field, takes_play_money) in [("credits", false), ("quantity", true)] {
        let page = buy::BuyPage {
            shell: shell("Buy credits"),
            packs: cards(),
            several: "once".to_owned(),
            quantity: hostile(),
            custom: Some(buy::Custom { terms: hostile(), value: hostile(), once: "once".to_owned() }),
            errors: errors(field),
            takes_play_money,
        };
        check(&page, "Buy credits");
        let html = page.render().unwrap();
        assert_eq!(html.contains("Test mode"), takes_play_money);
        assert_eq!(html.contains("Paid through Stripe"), !takes_play_money);
    }
    let cases = [
        (CheckoutState::Open, "Waiting for the payment", true),
        (CheckoutState::Paid, "Waiting for the payment", true),
        (CheckoutState::Processing, "The payment is on its way", true),
        (CheckoutState::Failed, "The payment failed", false),
        (CheckoutState::Expired, "The payment page was closed", false),
    ];
    for (state, title, is_waiting) in cases {
        let page = returns::view(shell(""), &a_checkout(state), "/buy/return/x".to_owned());
        assert_eq!(page.is_waiting, is_waiting, "{state:?}");
        assert!(page.credits.is_none(), "nothing is granted on a redirect");
        assert_eq!(page.render().unwrap().contains("Check again"), is_waiting);
        check(&page, title);
    }
    let grant = Some(GrantId { wallet: wallet(), seq: 1 });
    let done = Checkout { grant, ..a_checkout(CheckoutState::Paid) };
    let page = returns::view(shell(""), &done, String::new());
    assert_eq!(page.credits.as_deref(), Some("500"));
    check(&page, "Thank you");
}
