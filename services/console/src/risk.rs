//! The risk panel of a customer's page: what the watch thinks, and what an operator does about it.

use app::risk::cases::{self, Case, Day};
use app::risk::exceptions::{self, Snooze};
use app::risk::score::{self, Scored};
use app::risk::settings::StepUp;
use app::wallets::WalletView;
use app::{App, CustomerRef, Principal, restrictions};
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::{CustomerId, Timestamp};
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Tone, instant, render};

use crate::acts::{AdjustFields, GrantFields, ReasonFields, customer_path, explain};
use crate::charts::{Chart, day_charts};
use crate::customer;
use crate::list::ListQuery;
use crate::review::CaseRow;
use crate::{Console, by, review};

const HOURS_MAX: i64 = 24 * 365;
const HOUR_SECONDS: i64 = 3_600;

/// As the customer's page shows it.
pub struct Panel {
    pub score: String,
    pub verdict: String,
    pub reasons: Vec<(String, String)>,
    pub as_of: String,
    pub hold: Option<HoldFacts>,
    pub is_allowed: bool,
    pub snoozes: Vec<SnoozeRow>,
    pub cases: Vec<CaseRow>,
    pub charts: Vec<Chart>,
    /// One act for each form of the panel.
    pub acts: [String; 3],
}

/// Of the restriction in force.
pub struct HoldFacts {
    pub sentence: String,
    /// For operators.
    pub reason: String,
}

pub struct SnoozeRow {
    pub rule: String,
    pub sentence: String,
    pub act: String,
}

/// What the panel is made from.
pub struct Standing {
    pub scored: Scored,
    pub cases: Vec<Case>,
    pub days: Vec<Day>,
    pub snoozes: Vec<Snooze>,
    /// Of the restriction in force: (reason, who decided it).
    pub decided: Option<(String, String)>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct HoldFields {
    act: String,
    reason: String,
    /// Whole hours; empty: until it is released.
    #[serde(default)]
    hours: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct AllowFields {
    act: String,
    reason: String,
    is_allowed: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SnoozeFields {
    act: String,
    rule: String,
}

pub async fn restrict(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<HoldFields>,
) -> Result<Response, Failure> {
    let id: CustomerId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let Some(until) = until(app.now(), &fields.hours) else {
        let said = format!("Hours must be a whole number from 1 to {HOURS_MAX}, or empty.");
        return refused(app, &member, id, said).await;
    };
    let act = ReasonFields { act: fields.act, reason: fields.reason }.act()?;
    let asked = (until, StepUp::Review);
    match restrictions::restrict_as_operator(app, &member.session, id, &act, asked).await {
        Ok(_) => Ok(member.visitor.redirect(&customer_path(id), Some("held"))),
        Err(error) => refused(app, &member, id, explain(error)?).await,
    }
}

pub async fn release(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<ReasonFields>,
) -> Result<Response, Failure> {
    let id: CustomerId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    match restrictions::release_as_operator(app, &member.session, id, &fields.act()?).await {
        Ok(_) => Ok(member.visitor.redirect(&customer_path(id), Some("released"))),
        Err(error) => refused(app, &member, id, explain(error)?).await,
    }
}

/// Puts the customer on the list of those who are never acted on, or takes them off it.
pub async fn allow(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<AllowFields>,
) -> Result<Response, Failure> {
    let id: CustomerId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let act = ReasonFields { act: fields.act, reason: fields.reason }.act()?;
    match exceptions::allow(app, &member.session, id, &act, fields.is_allowed).await {
        Ok(()) => Ok(member.visitor.redirect(&customer_path(id), Some("allowed"))),
        Err(error) => refused(app, &member, id, explain(error)?).await,
    }
}

pub async fn end_snooze(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<SnoozeFields>,
) -> Result<Response, Failure> {
    let id: CustomerId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let reason = format!("{} counts again", fields.rule);
    let act = ReasonFields { act: fields.act, reason }.act()?;
    match exceptions::snooze_rule(app, &member.session, id, &act, (&fields.rule, 0)).await {
        Ok(()) => Ok(member.visitor.redirect(&customer_path(id), Some("awake"))),
        Err(error) => refused(app, &member, id, explain(error)?).await,
    }
}

async fn refused(app: &App, member: &Member, id: CustomerId, said: String) -> Result<Response, Failure> {
    let dossier = customer::load(app, &by(member), id, &ListQuery::default()).await?;
    let mut page = customer::page(member, &dossier, GrantFields::fresh(), AdjustFields::fresh());
    page.shell.flash = Some(Flash::new(Tone::Bad, said));
    Ok(member.visitor.refused_page(render(&page)?))
}

pub async fn load(app: &App, by: &Principal, id: CustomerId) -> Result<Standing, Failure> {
    let customer = CustomerRef::Id(id);
    let (cases, days) = cases::of_customer(app, by, id).await?;
    let decided = restrictions::of(app, by, &customer).await?;
    Ok(Standing {
        scored: score::score(app, by, &customer).await?,
        cases,
        days,
        snoozes: exceptions::snoozes_of(app, by, id).await?,
        decided: decided.map(|made| (made.reason, made.actor)),
    })
}

pub fn panel(of: &Standing, wallet: &WalletView) -> Panel {
    let hold = wallet.restriction.map(|restriction| {
        let until = restriction
            .until
            .map_or_else(|| "until it is released".to_owned(), |at| format!("until {}", instant(at)));
        let (reason, actor) = of.decided.clone().unwrap_or_default();
        HoldFacts { sentence: format!("Since {} {until}, by {actor}:", instant(restriction.since)), reason }
    });
    let snooze = |snooze: &Snooze| SnoozeRow {
        rule: snooze.rule.clone(),
        sentence: format!("until {} by {}: {}", instant(snooze.until), snooze.author, snooze.reason),
        act: customer::new_act(),
    };
    let scored = &of.scored;
    Panel {
        score: format!("{:.2}", scored.score),
        verdict: scored.verdict.clone(),
        reasons: scored.reasons.iter().map(|r| (r.name.clone(), r.sentence.clone())).collect(),
        as_of: instant(scored.as_of),
        hold,
        is_allowed: scored.is_allowed,
        snoozes: of.snoozes.iter().map(snooze).collect(),
        cases: of.cases.iter().map(review::row).collect(),
        charts: day_charts(&of.days),
        acts: [customer::new_act(), customer::new_act(), customer::new_act()],
    }
}

/// `None` when the text is no number of hours; `Some(None)` without an end.
fn until(now: Timestamp, hours: &str) -> Option<Option<Timestamp>> {
    match hours.trim() {
        "" => Some(None),
        text => {
            let hours = text.parse().ok().filter(|hours| (1..=HOURS_MAX).contains(hours))?;
            Some(Some(now.plus_seconds(hours * HOUR_SECONDS)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_whole_and_at_most_a_year() {
        let now = Timestamp::EPOCH;
        assert_eq!(until(now, " "), Some(None));
        assert_eq!(until(now, " 2 "), Some(Some(now.plus_seconds(7_200))));
        for wrong in ["0", "-1", "1.5", "8761", "x"] {
            assert_eq!(until(now, wrong), None, "{wrong}");
        }
    }
}
