//! The pages of operators, under `/console`. A handler extracts, calls one use case and renders or
//! redirects; what a page shows is a struct of ready texts.

mod acts;
mod audit;
mod charts;
mod correction;
mod customer;
mod customers;
mod door;
mod list;
mod mails;
mod overview;
mod problems;
mod purchases;
mod queues;
mod review;
mod risk;
mod risk_form;
mod risk_settings;
mod risk_versions;
mod tiles;
mod unpaid;

#[cfg(test)]
mod tests;

use app::App;
use app::accounts::{Role, Session};
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use site::{Flash, Member, NavItem, Shell, Site, Tone, Visitor};

/// Where operators sign in.
const SIGN_IN: &str = "/console/sign-in";

/// What every handler can reach.
#[derive(Clone)]
struct Console {
    site: Site,
}

/// All pages of operators. `base_url` is what browsers call the address that serves them.
pub fn router(app: App, base_url: &str) -> Router {
    pages(Site::new(app, base_url, Role::Operator, SIGN_IN))
}

/// The same on an address of its own; prices and reference are under `public_pages`.
pub fn router_alone(app: App, base_url: &str, public_pages: &str) -> Router {
    pages(Site::beside(app, (base_url, public_pages), Role::Operator, SIGN_IN))
}

fn pages(site: Site) -> Router {
    let pages = Router::new()
        .route("/console", get(overview::show))
        .route("/console/verification", post(overview::verify))
        .route(SIGN_IN, get(door::sign_in_form).post(door::sign_in))
        .route("/console/sign-out", post(door::sign_out))
        .route(door::FORGOT, get(door::forgot_form).post(door::forgot))
        .route(door::RESET, get(door::reset_form).post(door::reset))
        .route("/console/problems", get(problems::list))
        .route("/console/problems/{id}", get(problems::one))
        .route("/console/problems/{id}/answer", post(problems::answer))
        .route(review::PATH, get(review::list))
        .route("/console/review/{id}", get(review::show))
        .route("/console/review/{id}/decision", post(review::decide))
        .route("/console/review/{id}/correction", post(correction::correct))
        .route("/console/review/{id}/answer", post(review::answer))
        .route("/console/review/{id}/snooze", post(review::snooze))
        .route(risk_settings::PATH, get(risk_settings::show).post(risk_settings::change))
        .route("/console/risk/models/{id}/use", post(risk_settings::use_model))
        .route("/console/customers", get(customers::list))
        .route("/console/customers/{id}", get(customer::show))
        .route("/console/customers/{id}/grants", post(acts::grant))
        .route("/console/customers/{id}/adjustments", post(acts::adjust))
        .route("/console/customers/{id}/restriction", post(risk::restrict))
        .route("/console/customers/{id}/release", post(risk::release))
        .route("/console/customers/{id}/allowance", post(risk::allow))
        .route("/console/customers/{id}/snoozes", post(risk::end_snooze))
        .route("/console/grants/{id}/void", get(acts::ask_void).post(acts::void))
        .route("/console/purchases/{id}/refund", get(purchases::ask_refund).post(purchases::refund))
        .route("/console/receipts/{id}/reversal", get(acts::ask_reverse).post(acts::reverse))
        .route("/console/webhooks", get(queues::events))
        .route("/console/webhooks/{id}", get(queues::event))
        .route("/console/webhooks/{id}/replay", post(queues::replay_event))
        .route("/console/outbox", get(queues::work))
        .route("/console/outbox/{id}", get(queues::one_work))
        .route("/console/outbox/{id}/replay", post(queues::replay_work))
        .route("/console/schedules", get(queues::schedules))
        .route("/console/mails", get(mails::list))
        .route("/console/mails/{id}", get(mails::show))
        .route("/console/mails/{id}/retry", post(mails::retry))
        .route("/console/unpaid", get(unpaid::list))
        .route("/console/audit", get(audit::list))
        .with_state(Console { site });
    site::frame(pages)
}

impl FromRef<Console> for Site {
    fn from_ref(console: &Console) -> Site {
        console.site.clone()
    }
}

/// Each part of the navigation with its pages; the first is where the part begins.
const NAV: [(&str, &[(&str, &str)]); 7] = [
    ("Overview", &[("Overview", "/console")]),
    ("Customers", &[("Customers", "/console/customers")]),
    ("Review", &[("Queue", review::PATH), ("Rules and models", risk_settings::PATH)]),
    ("Problems", &[("Problems", "/console/problems")]),
    (
        "Webhooks & jobs",
        &[
            ("Webhooks", "/console/webhooks"),
            ("Work", "/console/outbox"),
            ("Schedules", "/console/schedules"),
            ("Mails", "/console/mails"),
        ],
    ),
    ("Unpaid", &[("Unpaid", "/console/unpaid")]),
    ("Audit log", &[("Audit log", "/console/audit")]),
];

/// The frame of an operator's page; `section` is the path of its entry in the navigation.
fn shell(title: &str, section: &str, member: &Member) -> Shell {
    let (nav, tabs) = navigation(section);
    Shell { nav, tabs, ..bare_shell(title, &member.visitor) }
}

/// The parts, and the pages of the part that `section` is in when it has several.
fn navigation(section: &str) -> (Vec<NavItem>, Vec<NavItem>) {
    let has = |pages: &[(&str, &str)]| pages.iter().any(|(_, path)| *path == section);
    let parts = NAV.iter().filter_map(|(label, pages)| {
        let (_, path) = pages.first()?;
        Some(NavItem { label, path, is_current: has(pages) })
    });
    let of_part = NAV.iter().map(|(_, pages)| *pages).find(|pages| pages.len() > 1 && has(pages));
    let tab =
        |(label, path): &(&'static str, &'static str)| NavItem { label, path, is_current: *path == section };
    (parts.collect(), of_part.unwrap_or_default().iter().map(tab).collect())
}

/// Without navigation: signing in.
fn bare_shell(title: &str, visitor: &Visitor) -> Shell {
    Shell {
        brand: "Scrip console",
        home: "/console",
        sign_out_path: "/console/sign-out",
        flash: visitor.flash.as_deref().and_then(flash),
        ..Shell::of(title, visitor)
    }
}

/// What the page before did.
fn flash(code: &str) -> Option<Flash> {
    let (tone, text) = match code {
        "granted" => (Tone::Good, "The credits are in the wallet."),
        "adjusted" => (Tone::Good, "The balance is corrected."),
        "voided" => (Tone::Good, "What was left of the grant is taken back."),
        "reversed" => (Tone::Good, "The charge is undone; its credits are back in their lots."),
        "verifying" => (Tone::Good, "The check begins within moments."),
        "refunding" => (
            Tone::Good,
            "The gateway is asked for the refund; credits follow when it has given the money back.",
        ),
        "again" => (Tone::Good, "It will be handled again within moments."),
        "waiting" => (Tone::Note, "It waits for its next attempt already."),
        "done-already" => (Tone::Note, "It is done, and nothing is done twice."),
        "no-credits" => (Tone::Note, "Events of this kind move no credits: there is nothing to handle."),
        "answered" => (Tone::Good, "The answer is on its way to the customer, and on their page."),
        "decided" => (Tone::Good, "The case is decided."),
        "corrected" => (Tone::Good, "The decision is corrected; what follows from it is done."),
        "snoozed" => (Tone::Good, "The rule is silent about this customer."),
        "held" => (Tone::Good, "New work of this customer waits. What runs already goes on."),
        "released" => (Tone::Good, "The customer may begin new work."),
        "allowed" => (Tone::Good, "The list of those who are never acted on is changed."),
        "awake" => (Tone::Good, "The rule counts for this customer again."),
        "risk-saved" => (Tone::Good, "The new version is in force; every process follows within seconds."),
        "model-used" => (Tone::Good, "This model speaks now; the one before has retired."),
        "reset-sent" => (
            Tone::Good,
            "If there is an operator with this address, a link to a new password is on its way. It works for \
             an hour.",
        ),
        "reset-done" => (Tone::Good, "Your password is changed. Sign in with it."),
        "reset-unknown" => (Tone::Bad, "This link is not valid any more. Ask for another."),
        "signed-out" => (Tone::Good, "You are signed out."),
        _ => return None,
    };
    Some(Flash::new(tone, text))
}

/// In whose name use cases are called.
fn by(member: &Member) -> app::Principal {
    principal(&member.session)
}

fn principal(session: &Session) -> app::Principal {
    session.user.principal()
}
