//! `/`: the landing page for strangers, the balance for customers.

use app::holds::{self, Hold};
use app::pace::{self, Pace};
use app::statements::{self, Period};
use app::wallets::{self, LotView, WalletView};
use app::{PageRequest, payments};
use askama::Template;
use axum::extract::State;
use kernel::{Credits, Timestamp};
use site::{Bars, Member, Meter, SERIES_MAX, Shell, Site, Stack, Visitor, credits, date, money, render};

use crate::Answer;
use crate::frame::{me, open_shell, shell_with};
use crate::rows::ActivityRow;
use crate::words::{Names, When, grant_kind};

const DAYS: u16 = 30;
const RECENT_ROWS: u64 = 5;
const HOLDS_SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "portal/landing.html")]
pub struct LandingPage {
    pub shell: Shell,
}

#[derive(Template)]
#[template(path = "portal/balance.html")]
pub struct BalancePage {
    pub shell: Shell,
    pub available: String,
    pub held: String,
    pub used: String,
    pub debt: Option<String>,
    pub meter: Meter,
    pub pace: String,
    pub can_buy: bool,
    pub is_used: bool,
    pub bars: Bars,
    pub most: String,
    pub first_day: String,
    pub last_day: String,
    pub series: Vec<Series>,
    pub days: Vec<DayRow>,
    pub lots: Vec<LotRow>,
    pub holds: Vec<HoldRow>,
    pub rows: Vec<ActivityRow>,
}

/// A feature in the chart.
pub struct Series {
    pub name: String,
    pub class: String,
    pub charged: String,
}

pub struct DayRow {
    pub date: String,
    pub parts: Vec<String>,
    pub charged: String,
}

pub struct LotRow {
    pub kind: &'static str,
    pub paid: Option<String>,
    pub remaining: String,
    pub held: String,
    pub granted: String,
    pub expires_at: Option<When>,
}

pub struct HoldRow {
    pub what: String,
    pub note: Option<String>,
    pub remaining: String,
    pub captured: String,
    pub expires_at: When,
}

pub async fn start(State(site): State<Site>, visitor: Visitor) -> Answer {
    let Some(session) = visitor.session.clone() else {
        let shell = open_shell(&visitor, "Credits for AI work");
        return Ok(visitor.page(render(&LandingPage { shell })?));
    };
    let member = Member { visitor, session };
    let page = load(&site, &member).await?;
    Ok(member.visitor.page(render(&page)?))
}

async fn load(site: &Site, member: &Member) -> Result<BalancePage, site::Failure> {
    let (app, me) = (site.app(), me(member)?);
    let wallet = wallets::view(app, &me.principal, &me.customer, None).await?;
    let pace = pace::pace(app, &me.principal, &me.customer, DAYS).await?;
    let names = Names::load(app).await?;
    let holds = holds::open(app, &me.principal, &me.customer, HOLDS_SHOWN).await?;
    let all = Period { from: Timestamp::EPOCH, to: Timestamp::MAX };
    let recent = PageRequest { limit: Some(RECENT_ROWS), cursor: None };
    let recent = statements::statement(app, &me.principal, &me.customer, all, &recent).await?;
    let shell = shell_with(&member.visitor, "Balance", "/", &wallet);
    let rows = recent.rows.data.iter().map(|row| ActivityRow::of(row, &names)).collect();
    let holds = holds.iter().map(|hold| hold_row(hold, &names)).collect();
    Ok(BalancePage {
        can_buy: payments::is_configured(app),
        rows,
        holds,
        ..page(shell, &wallet, &pace, &names)
    })
}

pub fn page(shell: Shell, wallet: &WalletView, pace: &Pace, names: &Names) -> BalancePage {
    let used = used(&wallet.lots);
    BalancePage {
        shell,
        available: credits(wallet.available),
        held: credits(wallet.held),
        used: credits(used),
        debt: wallet.debt.is_positive().then(|| credits(wallet.debt)),
        meter: meter(wallet, used),
        pace: pace_sentence(wallet.available, pace),
        can_buy: false,
        is_used: pace.days.iter().any(|day| day.charged.is_positive()),
        bars: bars(pace, names),
        series: series(pace, names),
        most: credits(pace.days.iter().map(|day| day.charged).max().unwrap_or_default()),
        first_day: pace.days.first().map(|day| date(day.begins_at)).unwrap_or_default(),
        last_day: pace.days.last().map(|day| date(day.begins_at)).unwrap_or_default(),
        days: pace.days.iter().rev().filter(|day| day.charged.is_positive()).map(day_row).collect(),
        lots: wallet.lots.iter().map(lot_row).collect(),
        holds: Vec::new(),
        rows: Vec::new(),
    }
}

/// Of the lots that still have something.
fn used(lots: &[LotView]) -> Credits {
    let used = |lot: &LotView| lot.granted.micros() - lot.remaining.micros() - lot.held.micros();
    Credits::from_micros(lots.iter().map(used).sum())
}

fn meter(wallet: &WalletView, used: Credits) -> Meter {
    let description = format!(
        "{} available, {} held, {} used of the lots that still have something",
        credits(wallet.available),
        credits(wallet.held),
        credits(used)
    );
    let parts = [("available", wallet.available), ("held", wallet.held), ("used", used)];
    Meter::new("Credits available, held and used", &description, &parts)
}

fn pace_sentence(available: Credits, pace: &Pace) -> String {
    match pace.days_left {
        _ if pace.per_day.is_zero() => {
            "No use in the last seven days, so nothing says how long they last.".to_owned()
        }
        _ if !available.is_positive() => {
            "Nothing is available: new jobs are refused until there is.".to_owned()
        }
        Some(0) => format!("At {} a day lately, this lasts less than a day.", roughly(pace.per_day)),
        Some(1) => format!("At {} a day lately, this lasts about a day.", roughly(pace.per_day)),
        Some(days) => format!("At {} a day lately, this lasts about {days} days.", roughly(pace.per_day)),
        None => format!("At {} a day lately, this lasts for more than a year.", roughly(pace.per_day)),
    }
}

/// A day's use is an average: whole credits say as much as it knows.
fn roughly(per_day: Credits) -> String {
    const CREDIT: i64 = Credits::whole(1).micros();
    if per_day.micros() % CREDIT == 0 {
        return credits(per_day);
    }
    match (per_day.micros() + CREDIT / 2) / CREDIT {
        0 => "less than 1".to_owned(),
        whole => format!("about {}", credits(Credits::whole(whole))),
    }
}

/// What the chart calls a feature.
fn feature_name(feature: Option<&String>, names: &Names) -> String {
    feature.map_or_else(|| "Plain credits".to_owned(), |feature| names.feature(feature).to_owned())
}

fn series(pace: &Pace, names: &Names) -> Vec<Series> {
    let sum = |i: usize| {
        let parts = pace.days.iter().filter_map(|day| day.by_feature.get(i));
        credits(Credits::from_micros(parts.map(|part| part.micros()).sum()))
    };
    let one = |(i, feature): (usize, &Option<String>)| Series {
        name: feature_name(feature.as_ref(), names),
        class: format!("series-{}", i.min(SERIES_MAX - 1)),
        charged: sum(i),
    };
    pace.features.iter().enumerate().map(one).collect()
}

fn bars(pace: &Pace, names: &Names) -> Bars {
    let total: i64 = pace.days.iter().map(|day| day.charged.micros()).sum();
    let most = pace.days.iter().max_by_key(|day| day.charged);
    let most = most.filter(|day| day.charged.is_positive());
    let most = most.map(|day| format!(", the most on {} ({})", date(day.begins_at), credits(day.charged)));
    let description = format!(
        "{} credits charged in the last {} days{}. Days are UTC; as of {}.",
        credits(Credits::from_micros(total)),
        pace.days.len(),
        most.unwrap_or_default(),
        site::instant(pace.as_of)
    );
    let named: Vec<String> = pace.features.iter().map(|f| feature_name(f.as_ref(), names)).collect();
    let stack = |day: &pace::Day| Stack {
        label: date(day.begins_at),
        parts: named.iter().cloned().zip(day.by_feature.iter().copied()).collect(),
    };
    let stacks: Vec<Stack> = pace.days.iter().map(stack).collect();
    Bars::new("Credits charged per day and feature", &description, &stacks)
}

fn day_row(day: &pace::Day) -> DayRow {
    let parts = day.by_feature.iter().map(|part| credits(*part)).collect();
    DayRow { date: date(day.begins_at), parts, charged: credits(day.charged) }
}

fn lot_row(lot: &LotView) -> LotRow {
    LotRow {
        kind: grant_kind(lot.kind),
        paid: lot.paid.map(money),
        remaining: credits(lot.remaining),
        held: credits(lot.held),
        granted: credits(lot.granted),
        expires_at: lot.expires_at.map(When::at),
    }
}

fn hold_row(hold: &Hold, names: &Names) -> HoldRow {
    let work = hold.priced.as_ref().map(|priced| names.work(&priced.feature, &priced.model));
    let job = hold.job.clone();
    HoldRow {
        note: work.is_some().then_some(job.clone()).flatten(),
        what: work.or(job).unwrap_or_else(|| "Credits".to_owned()),
        remaining: credits(hold.remaining),
        captured: credits(hold.captured),
        expires_at: When::at(hold.expires_at),
    }
}
