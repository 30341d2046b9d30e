use app::overview::{self, Overview};
use app::verification::{self, Verification};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use site::{Failure, Form, Member, Nothing, Shell, instant, render};

use crate::tiles::{self, Tile, whole};
use crate::{Console, by, shell};

#[derive(Template)]
#[template(path = "console/overview.html")]
pub struct OverviewPage {
    pub shell: Shell,
    pub as_of: String,
    pub check: Check,
    pub tiles: Vec<Tile>,
    /// Of the last check, all of one walk through the journal.
    pub checked: Vec<Tile>,
}

pub struct Check {
    /// `green`, `red`, or `none` before the first.
    pub state: &'static str,
    pub sentence: String,
    pub described: Vec<String>,
    /// Another one was asked for or is under way.
    pub is_running: bool,
}

pub async fn show(State(console): State<Console>, member: Member) -> Result<Response, Failure> {
    let overview = overview::overview(console.site.app(), &by(&member)).await?;
    let page = page(shell("Overview", "/console", &member), &overview);
    Ok(member.visitor.page(render(&page)?))
}

/// Has everything recomputed in the background.
pub async fn verify(
    State(console): State<Console>,
    member: Member,
    Form { visitor, .. }: Form<Nothing>,
) -> Result<Response, Failure> {
    verification::ask(console.site.app(), &by(&member)).await?;
    Ok(visitor.redirect("/console", Some("verifying")))
}

pub fn page(shell: Shell, overview: &Overview) -> OverviewPage {
    OverviewPage {
        shell,
        as_of: instant(overview.as_of),
        check: Check { is_running: overview.is_verifying, ..check(overview.verified.as_ref()) },
        tiles: tiles::now(overview),
        checked: overview
            .verified
            .as_ref()
            .map(|run| tiles::checked(run, &overview.history))
            .unwrap_or_default(),
    }
}

fn check(verified: Option<&Verification>) -> Check {
    let Some(run) = verified else {
        let sentence = "No check has run yet.".to_owned();
        return Check { state: "none", sentence, described: Vec::new(), is_running: false };
    };
    let (at, found) = (instant(run.finished_at), &run.found);
    let (state, sentence) = match run.breaks {
        0 => {
            let parts = [(found.postings, "posting"), (found.lots, "lot"), (found.holds, "hold")];
            let counts = parts.map(|(count, unit)| counted(count, unit)).join(", ");
            // A customer who never had credits has no row of a wallet.
            let wallets = counted(found.wallets, "wallet");
            (
                "green",
                format!(
                    "Every balance followed from the journal on {at}: {wallets} that ever had credits, {counts}."
                ),
            )
        }
        breaks => {
            let breaks = counted(breaks, "difference");
            ("red", format!("{breaks} between balances and the journal on {at}."))
        }
    };
    Check { state, sentence, described: found.described.clone(), is_running: false }
}

/// `1 wallet`, `2 wallets`
fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{} {unit}s", whole(count)) }
}
