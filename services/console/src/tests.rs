//! Every page, rendered with samples whose every text is a script.

use app::accounts::{Role, Session, User};
use app::audit::AuditRow;
use app::customers::{Customer, CustomerKind};
use app::history::History;
use app::mails::{MailState, SentMail};
use app::overview::Overview;
use app::payments::{Checkout, CheckoutState};
use app::problems::Problem;
use app::queues::{Event, Progress, Schedule, Work};
use app::risk::appeals::{Answer, Written};
use app::risk::cases;
use app::risk::exceptions::Snooze;
use app::risk::models::{Metrics, Model};
use app::risk::score::Scored;
use app::risk::settings::{RuleState, Settings, Version};
use app::risk::shadow;
use app::statements::{Row, Statement};
use app::unpaid::Unpaid;
use app::verification::{Found, Verification};
use app::wallets::{LotView, WalletView};
use app::{EventIdentity, FieldError, Page};
use askama::Template;
use kernel::{CheckoutId, Credits, Currency, CustomerId, GrantId, Money, ReceiptId, Timestamp, WalletId};
use ledger::{EntryKind, GrantKind};
use site::{Flash, Shell, Tone};
use uuid::Uuid;

use crate::acts::{self, AdjustFields, GrantFields, ReasonFields};
use crate::list::ListQuery;
use crate::risk::Standing;
use crate::{
    audit, customer, customers, door, mails, overview, problems, queues, review, risk_settings, unpaid,
};

const SCRIPT: &str = "<script>alert(\"x\")</script>";

fn text() -> String {
    SCRIPT.to_owned()
}

fn at() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn wallet() -> WalletId {
    WalletId::from_uuid(Uuid::from_u128(7))
}

fn customer_id() -> CustomerId {
    CustomerId::from_uuid(Uuid::from_u128(8))
}

fn shell() -> Shell {
    Shell { flash: Some(Flash::new(Tone::Bad, SCRIPT)), user: Some(text()), ..Shell::plain(SCRIPT) }
}

/// Renders and checks what holds for every page.
fn check(name: &str, page: &impl Template) -> String {
    let html = page.render().unwrap();
    assert!(html.starts_with("<!doctype html>"), "{name}");
    assert!(!html.contains("<script"), "{name}: a script came through");
    assert!(html.contains("&#60;script&#62;"), "{name}: shows the text");
    assert_eq!(html.matches("<h1>").count(), 1, "{name}: one heading");
    let posts = html.matches("method=\"post\"").count();
    assert_eq!(
        html.matches("name=\"form_token\"").count(),
        posts,
        "{name}: each form that posts has a token"
    );
    html
}

fn progress() -> Progress {
    Progress {
        state: "failed".to_owned(),
        attempts: 3,
        next_attempt_at: at(),
        done_at: Some(at()),
        error: Some(text()),
    }
}

fn audit_row() -> AuditRow {
    AuditRow {
        id: Uuid::from_u128(1),
        actor: text(),
        action: "grant.create".to_owned(),
        subject: text(),
        customer: Some(customer_id()),
        reason: text(),
        state: "done".to_owned(),
        input: text(),
        before: Some(text()),
        after: Some(text()),
        created_at: at(),
    }
}

fn bought() -> Checkout {
    Checkout {
        id: CheckoutId::from_uuid(Uuid::from_u128(9)),
        customer: customer_id(),
        pack: Some(text()),
        quantity: 1,
        credits: Credits::whole(500),
        amount: Money { amount: 45_000, currency: Currency::USD },
        state: CheckoutState::Paid,
        url: None,
        success_url: text(),
        cancel_url: text(),
        error: Some(text()),
        grant: None,
        returned_minor: 0,
        is_disputed: false,
        gateway: "stripe".to_owned(),
        gateway_id: Some(text()),
        payment: None,
        created_at: at(),
        settled_at: None,
    }
}

fn a_reason() -> cases::Reason {
    cases::Reason { name: "scraper".to_owned(), strength: 0.75, sentence: text() }
}

fn a_case(is_open: bool) -> cases::Case {
    cases::Case {
        id: kernel::CaseId::from_uuid(Uuid::from_u128(9)),
        customer: customer_id(),
        wallet: wallet(),
        is_open,
        verdict: "restrict".to_owned(),
        score: 0.914,
        reasons: vec![a_reason(), cases::Reason { name: "unusual".to_owned(), ..a_reason() }],
        features: [(text(), 3.25)].into(),
        model: Some(text()),
        settings: 3,
        at_risk: Credits::whole(4_321),
        is_restricted: is_open,
        restricted_until: Some(at()),
        holds: 2,
        lifted_at: (!is_open).then(at),
        step_up: "verify_mail".to_owned(),
        opened_at: at(),
        seen_at: at(),
        decision: (!is_open).then_some(cases::Decision::Confirmed),
        note: Some(text()),
        decided_by: Some(text()),
        closed_at: Some(at()),
        decisions: if is_open { Vec::new() } else { vec![a_decision("dismissed"), a_decision("confirmed")] },
        appeal: Some(text()),
        appealed_at: Some(at()),
    }
}

fn a_decision(decision: &str) -> cases::Decided {
    let decision = decision.parse().expect("a decision");
    cases::Decided { decision, note: Some(text()), by: text(), at: at() }
}

fn a_day() -> cases::Day {
    cases::Day { day: at(), score: 0.5, features: [("credits_day".to_owned(), 2.0)].into() }
}

fn a_snooze() -> Snooze {
    Snooze {
        customer: customer_id(),
        rule: "scraper".to_owned(),
        until: at(),
        author: text(),
        reason: text(),
        created_at: at(),
    }
}

fn standing() -> Standing {
    Standing {
        scored: Scored {
            customer: customer_id(),
            score: 0.875,
            verdict: "restrict".to_owned(),
            reasons: vec![a_reason()],
            features: Default::default(),
            model: None,
            settings: 1,
            is_allowed: false,
            as_of: at(),
        },
        cases: vec![a_case(true)],
        days: vec![a_day()],
        snoozes: vec![a_snooze()],
        decided: Some((text(), text())),
    }
}

fn dossier() -> customer::Dossier {
    let grant = GrantId { wallet: wallet(), seq: 1 };
    let lot = LotView {
        grant,
        kind: GrantKind::Purchase,
        remaining: Credits::whole(1_234),
        held: Credits::whole(6),
        granted: Credits::whole(5_000),
        priority: 50,
        expires_at: Some(at()),
        paid: Some(Money { amount: 45_000, currency: Currency::USD }),
    };
    let row = Row {
        seq: 2,
        kind: EntryKind::Debit,
        at: at(),
        credits: Credits::whole(-5),
        held: Credits::ZERO,
        uncovered: Credits::ZERO,
        balance: Credits::whole(1_240),
        receipt: Some(ReceiptId { wallet: wallet(), seq: 2 }),
        hold: None,
        grant: None,
        grant_kind: None,
        feature: Some(text()),
        model: Some(text()),
        subject: Some(text()),
        job: Some(text()),
        reason: Some(text()),
        is_reversed: false,
        is_posted: true,
        restriction: None,
    };
    customer::Dossier {
        customer: Customer {
            id: customer_id(),
            external_id: text(),
            wallet: wallet(),
            kind: CustomerKind::Individual,
            name: text(),
            email: text(),
            currency: Currency::USD,
            timezone: text(),
            created_at: at(),
        },
        wallet: WalletView {
            wallet: wallet(),
            customer: customer_id(),
            available: Credits::whole(1_234),
            held: Credits::whole(6),
            debt: Credits::ZERO,
            lots: vec![lot],
            open_holds: 1,
            restriction: Some(ledger::Restriction {
                seq: 3,
                since: at(),
                until: None,
                step_up: ledger::StepUp::Review,
            }),
            as_of: at(),
        },
        standing: standing(),
        holds: Vec::new(),
        purchases: vec![bought()],
        statement: Statement {
            opening: Credits::ZERO,
            granted: Credits::whole(5_000),
            used: Credits::whole(3_760),
            expired: Credits::ZERO,
            adjusted: Credits::ZERO,
            closing: Credits::whole(1_240),
            rows: Page { data: vec![row], next_cursor: Some("2".to_owned()) },
        },
        query: text(),
        audit: vec![audit_row()],
    }
}

#[test]
fn the_overview_shows_a_broken_check_in_words() {
    let run = Verification {
        started_at: at(),
        finished_at: at(),
        breaks: 1,
        found: Found { sold: 500_000_000, unrated: 2, described: vec![text()], ..Found::default() },
    };
    let numbers = Overview {
        as_of: at(),
        customers: 3,
        outstanding: Credits::whole(12_345),
        open_holds: 1,
        failed_events: 2,
        failed_work: 0,
        failed_mails: 0,
        open_problems: 1,
        open_cases: 4,
        is_verifying: false,
        verified: Some(run.clone()),
        history: History {
            days: vec![at(), at()],
            open_problems: vec![0, 1],
            checks: vec![None, Some(run.clone())],
            check_before: Some(Verification {
                found: Found { sold: 300_000_000, ..run.found.clone() },
                ..run
            }),
            ..History::default()
        },
    };
    let html = check("overview", &overview::page(shell(), &numbers));
    for shown in [">red<", "12,345", "Cases to review: 4", "/console/webhooks?state=failed", "attention"] {
        assert!(html.contains(shown), "{shown}");
    }
    for told in [
        "Reported problems, by the day they came, 1 Mar 2026 to 1 Mar 2026: 0, 1",
        "Credits sold from check to check, 1 Mar 2026 to 1 Mar 2026: none, 200",
    ] {
        assert!(html.contains(told), "{told}");
    }
    assert_eq!(html.matches("class=\"spark\"").count(), 2, "only numbers with a history have a picture");
    let never = overview::page(shell(), &Overview { verified: None, ..numbers.clone() });
    assert!(check("overview", &never).contains("No check has run yet."));
    let running = overview::page(shell(), &Overview { is_verifying: true, ..numbers });
    let html = check("overview", &running);
    assert!(html.contains("A worker is recomputing every balance") && !html.contains("Verify now"));
}

#[test]
fn a_customer_is_shown_with_their_statement_and_what_can_be_done() {
    let grant = GrantFields { reason: text(), credits: text(), ..GrantFields::fresh() };
    let adjust = AdjustFields { reason: text(), ..AdjustFields::fresh() };
    let html = check("customer", &customer::view(shell(), &dossier(), grant, adjust));
    for shown in [
        "1,234",
        "\u{2212}5",
        "$450.00",
        "/void\"",
        "/reversal\"",
        "/refund\"",
        "/release\"",
        "/allowance\"",
        "cursor=2&#38;q=%3Cscript",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
}

#[test]
fn a_customer_without_a_summed_up_day_is_told_when_there_is_a_chart() {
    let page = |dossier: &customer::Dossier| {
        check("customer", &customer::view(shell(), dossier, GrantFields::fresh(), AdjustFields::fresh()))
    };
    let (sentence, chart) =
        ("from the night after the first use on", "<summary>Score and use by day</summary>");
    let drawn = page(&dossier());
    assert!(drawn.contains(chart) && !drawn.contains(sentence), "{drawn}");
    let mut new = dossier();
    new.standing.days.clear();
    let told = page(&new);
    assert!(told.contains(sentence) && !told.contains(chart), "{told}");
}

#[test]
fn the_queue_shows_what_is_at_stake_and_how_often_rules_were_right() {
    let precision = cases::Precision { rule: text(), confirmed: 7, dismissed: 2 };
    let page = review::QueuePage {
        shell: shell(),
        open: 2,
        rows: vec![review::row_with(&a_case(true), Some(&"Ada Lovelace".to_owned()))],
        decided: vec![review::row_with(&a_case(false), Some(&text()))],
        precision: vec![review::precision(&precision)],
    };
    let html = check("review", &page);
    for shown in [
        "4,321",
        "0.91",
        "7 of 9, 78 %",
        "the customer wrote",
        "Decided lately",
        "confirmed",
        ">Ada Lovelace</a>",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
}

#[test]
fn a_case_is_decided_while_it_is_open_and_shows_its_evidence() {
    let evidence = |is_open| cases::Evidence {
        case: a_case(is_open),
        customer_name: text(),
        customer_email: text(),
        days: vec![a_day()],
        earlier: vec![a_case(false)],
        snoozed: vec![a_snooze()],
        appealed: vec![kernel::CaseId::from_uuid(Uuid::from_u128(8))],
        appeals: vec![
            Written {
                text: text(),
                at: at(),
                answer: (!is_open).then(|| Answer { text: text(), author: text(), at: at() }),
            },
            Written { text: text(), at: at(), answer: None },
        ],
    };
    let next = Some("/console/review/cas_1".to_owned());
    let html = check("case", &review::view(shell(), &evidence(true), next.clone()));
    for shown in
        ["accesskey=\"c\"", "accesskey=\"d\"", "4,321", "<svg", "/snooze\"", "/answer\"", "on hold until"]
    {
        assert!(html.contains(shown), "{shown}");
    }
    assert_eq!(html.matches("/snooze\"").count(), 1, "what is no rule cannot be silenced");
    let closed = check("case", &review::view(shell(), &evidence(false), next));
    assert!(!closed.contains("/decision\"") && closed.contains("Next case"), "{closed}");
    assert!(html.contains("also corrects") && !html.contains("/correction\""), "{html}");
    for shown in ["Correct this decision", "/correction\"", "name=\"seen\" value=\"2\"", "corrected</span>"] {
        assert!(closed.contains(shown), "{shown} in {closed}");
    }
}

#[test]
fn rules_thresholds_and_models_are_shown_with_what_they_did() {
    let mut settings = Settings::default();
    settings.rules.insert("scraper".to_owned(), RuleState::Shadow);
    let version = Version { version: 1, settings, author: text(), reason: text(), created_at: Some(at()) };
    let rule = shadow::Rule {
        rule: "scraper",
        state: RuleState::Shadow,
        flagged: 17,
        alone: 5,
        confirmed: 3,
        dismissed: 1,
    };
    let report = shadow::Report {
        from: at(),
        until: at(),
        wallets: 40,
        days: 200,
        flagged: 9,
        rules: vec![rule],
        suggested: shadow::Suggested { review: 0.456, restrict: 0.871, is_by_scores: true },
    };
    let model = |state: &str| Model {
        id: text(),
        kind: "ensemble".to_owned(),
        state: state.to_owned(),
        metrics: Metrics { rows: 2_000, retired_because: Some(text()), ..Metrics::default() },
        created_at: at(),
        promoted_at: Some(at()),
    };
    let models = [model("active"), model("retired")];
    let page = risk_settings::view(shell(), &version, std::slice::from_ref(&version), &report, &models);
    let html = check("risk", &page);
    for shown in ["rules scraper on \u{2192} shadow", "17", "0.46", "0.87", "3 confirmed, 1 dismissed"] {
        assert!(html.contains(shown), "{shown}");
    }
    assert_eq!(html.matches("Use it").count(), 1, "only to a model that was in use before");
}

#[test]
fn lists_show_what_they_list() {
    let row = customers::Row {
        path: "/console/customers/1".to_owned(),
        name: text(),
        email: text(),
        external_id: text(),
        note: text(),
    };
    let page = customers::CustomersPage { shell: shell(), query: text(), rows: vec![row], next: None };
    check("customers", &page);
    let unpaid = Unpaid {
        receipt: ReceiptId { wallet: wallet(), seq: 3 },
        customer: customer_id(),
        customer_name: text(),
        kind: EntryKind::Unrated,
        recorded_at: at(),
        feature: None,
        model: None,
        reason: Some(text()),
        event: Some(EventIdentity { source: text(), id: text() }),
    };
    let rows = vec![unpaid::row(&unpaid)];
    check("unpaid", &unpaid::UnpaidPage { shell: shell(), rows, next: None });
    let problem = Problem {
        id: Uuid::from_u128(6),
        customer: customer_id(),
        customer_name: text(),
        receipt: text(),
        reporter: text(),
        text: text(),
        is_open: true,
        created_at: at(),
        closed_at: None,
        closed_by: None,
        answer: None,
    };
    let closed = Problem {
        is_open: false,
        closed_at: Some(at()),
        closed_by: Some(text()),
        answer: Some(text()),
        ..problem.clone()
    };
    for (problem, is_open) in [(&problem, true), (&closed, false)] {
        let errors = vec![FieldError::new("answer", text())];
        let page = problems::ProblemPage { answer: text(), errors, ..problems::view(shell(), problem) };
        let html = check("problem", &page);
        assert_eq!(html.contains("name=\"answer\""), is_open, "{html}");
    }
    let rows = vec![problems::row(&problem), problems::row(&closed)];
    check("problems", &problems::ProblemsPage { shell: shell(), filters: Vec::new(), rows, next: None });
    let rows = vec![audit::row(&audit_row())];
    check(
        "audit",
        &audit::AuditPage { shell: shell(), rows, next: Some("/console/audit?cursor=1".to_owned()) },
    );
}

#[test]
fn queues_show_state_attempts_and_effect() {
    let event = Event {
        id: text(),
        gateway: text(),
        kind: text(),
        api_version: Some(text()),
        body: text(),
        deliveries: 2,
        received_at: at(),
        effect: None,
        progress: progress(),
    };
    let html = check("event", &queues::event_page(shell(), &event));
    assert!(html.contains("Replay"));
    let waiting = Progress { state: "waiting".to_owned(), ..progress() };
    let html = check("event", &queues::event_page(shell(), &Event { progress: waiting, ..event.clone() }));
    assert!(!html.contains("Replay"));
    let work = Work {
        id: Uuid::from_u128(4),
        key: text(),
        kind: text(),
        payload: text(),
        created_at: at(),
        progress: progress(),
    };
    check("work", &queues::work_page(shell(), &work));
    let page = queues::QueuePage {
        shell: shell(),
        about: "Events.",
        filters: ListQuery::default().filters("/console/webhooks", &["failed"]),
        rows: vec![queues::event_row(&event), queues::work_row(&work)],
        next: None,
    };
    check("queue", &page);
    let schedule = Schedule {
        name: text(),
        cron: "0 * * * *".to_owned(),
        next_run_at: at(),
        last_run_at: None,
        has_failed: Some(true),
        last_result: Some(text()),
        runs: 4,
        is_running: false,
    };
    check("schedules", &queues::SchedulesPage { shell: shell(), rows: vec![queues::run(&schedule)] });
}

#[test]
fn mails_are_shown_as_text() {
    let mail = SentMail {
        id: Uuid::from_u128(5),
        key: text(),
        recipient: text(),
        subject: text(),
        text: text(),
        html: "<p>never shown</p>".to_owned(),
        state: MailState::Failed,
        attempts: 10,
        next_attempt_at: at(),
        created_at: at(),
        sent_at: None,
        error: Some(text()),
    };
    let html = check("mail", &mails::page(shell(), &mail));
    assert!(!html.contains("never shown") && html.contains("Try again"));
    let page =
        mails::MailsPage { shell: shell(), filters: Vec::new(), rows: vec![mails::row(&mail)], next: None };
    check("mails", &page);
}

#[test]
fn small_forms_have_their_tokens() {
    let confirm = acts::ConfirmPage {
        shell: shell(),
        sentence: text(),
        facts: vec![("Grant", text())],
        action: "/console/grants/1/void".to_owned(),
        button: "Void",
        back: "/console".to_owned(),
        fields: ReasonFields { act: String::new(), reason: text() },
    };
    check("confirm", &confirm);
    let page = door::DOOR.sign_in_page(shell(), text(), text());
    check("sign-in", &page);
    check("forgot", &door::DOOR.forgot_page(shell()));
    let errors = vec![FieldError::new("password", text())];
    check("reset", &door::DOOR.reset_page(shell(), text(), errors));
}

#[test]
fn an_operator_may_everything_and_a_customer_nothing() {
    let user = |role, customer| User {
        id: Uuid::nil(),
        email: String::new(),
        name: String::new(),
        role,
        customer,
        verified_at: None,
        created_at: at(),
    };
    let session = |user| Session { id: Uuid::nil(), user, created_at: at() };
    let operator = crate::principal(&session(user(Role::Operator, None)));
    assert!(operator.require(app::Scope::Admin).is_ok());
    let customer = crate::principal(&session(user(Role::Customer, Some(customer_id()))));
    assert!(customer.require(app::Scope::Admin).is_err());
}
