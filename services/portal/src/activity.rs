//! `/activity`: the statement of a month, its rows, and the same rows as CSV.

use app::PageRequest;
use app::statements::{self, Filter, Kind, Period, Statement};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use kernel::Timestamp;
use serde::Deserialize;
use site::{Failure, Member, Shell, Site, credits, escaped, instant, render, signed_credits};

use crate::Answer;
use crate::frame::{Me, me, shell};
use crate::rows::{self, ActivityRow};
use crate::words::Names;

const ROWS: u64 = 50;
const CSV_PAGE: u64 = 100;
/// Pages of rows in one file; a month with more is read by the API.
const CSV_PAGES_MAX: usize = 1_000;
const MONTHS_SHOWN: u16 = 24;
const ALL: &str = "all";

#[derive(Template)]
#[template(path = "portal/activity.html")]
pub struct ActivityPage {
    pub shell: Shell,
    pub months: Vec<Choice>,
    pub kinds: Vec<Choice>,
    pub works: Vec<Choice>,
    pub query: String,
    /// Not all rows of the period are shown.
    pub is_narrowed: bool,
    pub period: String,
    pub boundaries: String,
    pub identity: Vec<Part>,
    pub has_debt: bool,
    pub rows: Vec<ActivityRow>,
    pub older: Option<String>,
    pub csv_path: String,
}

/// An option of a select.
pub struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

pub struct Part {
    pub label: &'static str,
    pub credits: String,
}

#[derive(Clone, Default, Deserialize)]
pub struct Asked {
    pub month: Option<String>,
    pub before: Option<String>,
    /// The name of a [`Kind`].
    pub kind: Option<String>,
    /// `feature` or `feature/model`.
    pub work: Option<String>,
    pub q: Option<String>,
}

/// A calendar month in UTC, or all time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Month {
    All,
    Of { year: i32, month: u32 },
}

pub async fn page(State(site): State<Site>, member: Member, Query(asked): Query<Asked>) -> Answer {
    let (app, me) = (site.app(), me(&member)?);
    let month = Month::asked(asked.month.as_deref(), app.now())?;
    let request = PageRequest { limit: Some(ROWS), cursor: asked.before.clone() };
    let statement = found(&site, &me, (month.period(), &asked.filter()?), &request).await?;
    let names = Names::load(app).await?;
    let shell = shell(&member, &me, "Activity", "/activity").await?;
    Ok(member.visitor.page(render(&view(shell, (month, &asked), &statement, &names, app.now()))?))
}

pub async fn csv(State(site): State<Site>, member: Member, Query(asked): Query<Asked>) -> Answer {
    let (app, me) = (site.app(), me(&member)?);
    let month = Month::asked(asked.month.as_deref(), app.now())?;
    let names = Names::load(app).await?;
    let filter = asked.filter()?;
    let text = as_csv(&all_rows(&site, &me, (month.period(), &filter)).await?, filter.is_empty(), &names)?;
    let name = format!("attachment; filename=\"scrip-activity-{}.csv\"", month.value());
    let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned());
    Ok(([kind, (header::CONTENT_DISPOSITION, name)], text).into_response())
}

/// The whole period's identity, with the rows that are wanted.
async fn found(
    site: &Site,
    me: &Me,
    (period, filter): (Period, &Filter),
    request: &PageRequest,
) -> Result<Statement, Failure> {
    let (app, by, of) = (site.app(), &me.principal, &me.customer);
    if filter.is_empty() {
        return Ok(statements::statement(app, by, of, period, request).await?);
    }
    let whole = PageRequest { limit: Some(1), cursor: None };
    let whole = statements::statement(app, by, of, period, &whole).await?;
    let rows = statements::search(app, by, of, (period, filter), request).await?;
    Ok(Statement { rows, ..whole })
}

/// The period's identity with all its rows that are wanted.
async fn all_rows(site: &Site, me: &Me, asked: (Period, &Filter)) -> Result<Statement, Failure> {
    let mut all: Option<Statement> = None;
    for _ in 0..CSV_PAGES_MAX {
        let cursor = all.as_ref().and_then(|statement| statement.rows.next_cursor.clone());
        if all.is_some() && cursor.is_none() {
            break;
        }
        let part = found(site, me, asked, &PageRequest { limit: Some(CSV_PAGE), cursor }).await?;
        all = Some(match all {
            None => part,
            Some(mut statement) => {
                statement.rows.data.extend(part.rows.data);
                statement.rows.next_cursor = part.rows.next_cursor;
                statement
            }
        });
    }
    all.ok_or_else(|| Failure::Broken("a statement without a page".to_owned()))
}

impl Asked {
    fn filter(&self) -> Result<Filter, Failure> {
        let text = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let kind = text(&self.kind).map(|name| {
            let known = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            known.ok_or_else(|| Failure::Invalid(format!("{name:?} is not a kind of activity.")))
        });
        let (feature, model) = match text(&self.work) {
            Some(work) => match work.split_once('/') {
                Some((feature, model)) => (Some(feature.to_owned()), Some(model.to_owned())),
                None => (Some(work), None),
            },
            None => (None, None),
        };
        Ok(Filter { kind: kind.transpose()?, feature, model, text: text(&self.q) })
    }

    /// The same question as a query, without the page.
    fn query(&self, month: Month) -> String {
        let mut query = format!("month={}", month.value());
        for (name, value) in [("kind", &self.kind), ("work", &self.work), ("q", &self.q)] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                query += &format!("&{name}={}", escaped(value));
            }
        }
        query
    }
}

pub fn view(
    shell: Shell,
    (month, asked): (Month, &Asked),
    statement: &Statement,
    names: &Names,
    now: Timestamp,
) -> ActivityPage {
    let period = month.period();
    let older = statement.rows.next_cursor.as_ref();
    let part = |label, credits| Part { label, credits };
    ActivityPage {
        shell,
        months: months(month, now),
        kinds: kinds(asked),
        works: works(asked, names),
        query: asked.q.clone().unwrap_or_default(),
        is_narrowed: [&asked.kind, &asked.work, &asked.q]
            .into_iter()
            .flatten()
            .any(|text| !text.trim().is_empty()),
        period: month.label(),
        boundaries: match month {
            Month::All => format!("everything up to {}", instant(now)),
            Month::Of { .. } => {
                format!("{} up to, not including, {}", instant(period.from), instant(period.to))
            }
        },
        identity: vec![
            part("Opening", credits(statement.opening)),
            part("+ Granted", credits(statement.granted)),
            part("\u{2212} Used", credits(statement.used)),
            part("\u{2212} Expired", credits(statement.expired)),
            part("± Adjusted", signed_credits(statement.adjusted)),
            part("= Closing", credits(statement.closing)),
        ],
        has_debt: statement.closing.is_negative() || statement.opening.is_negative(),
        rows: statement.rows.data.iter().map(|row| ActivityRow::of(row, names)).collect(),
        older: older.map(|cursor| format!("/activity?{}&before={cursor}", asked.query(month))),
        csv_path: format!("/activity.csv?{}", asked.query(month)),
    }
}

fn kinds(asked: &Asked) -> Vec<Choice> {
    let chosen = asked.kind.as_deref().unwrap_or_default();
    let choice = |value: &str, label: &str| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen: value == chosen,
    };
    let label = |kind: Kind| match kind {
        Kind::Used => "Charges",
        Kind::Received => "Credits received",
        Kind::Held => "Set aside and given back",
        Kind::Expired => "Expired",
        Kind::Corrected => "Corrections",
        Kind::Account => "Account on hold",
    };
    let all = std::iter::once(choice("", "Everything"));
    all.chain(Kind::ALL.map(|kind| choice(kind.name(), label(kind)))).collect()
}

fn works(asked: &Asked, names: &Names) -> Vec<Choice> {
    let chosen = asked.work.as_deref().unwrap_or_default();
    let choice = |value: String, label: String| Choice { is_chosen: value == chosen, value, label };
    let mut choices = vec![choice(String::new(), "All features".to_owned())];
    for feature in names.menu() {
        choices.push(choice(feature.id.clone(), feature.name.clone()));
        let model =
            |m: &catalog::Model| choice(format!("{}/{}", feature.id, m.id), format!("\u{2003}{}", m.name));
        choices.extend(feature.models.values().map(model));
    }
    choices
}

fn months(chosen: Month, now: Timestamp) -> Vec<Choice> {
    let mut months = vec![Month::All];
    let mut month = Month::of(now);
    for _ in 0..MONTHS_SHOWN {
        months.push(month);
        month = month.before();
    }
    if !months.contains(&chosen) {
        months.push(chosen);
    }
    let option =
        |month: Month| Choice { value: month.value(), label: month.label(), is_chosen: month == chosen };
    months.into_iter().map(option).collect()
}

/// One line a row, newest first. All rows of a period stand between its closing and its opening balance.
pub fn as_csv(statement: &Statement, is_whole: bool, names: &Names) -> Result<String, Failure> {
    let broken = |e: &dyn std::error::Error| Failure::Broken(e.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head =
        ["time", "what", "feature", "model", "for", "credits", "balance_after", "state", "receipt", "reason"];
    writer.write_record(head).map_err(|e| broken(&e))?;
    let bound = |what: &str, balance: kernel::Credits| {
        let mut record = [const { String::new() }; 10];
        (record[1], record[6]) = (what.to_owned(), balance.to_string());
        record
    };
    if is_whole {
        writer.write_record(bound("Closing balance", statement.closing)).map_err(|e| broken(&e))?;
    }
    for row in &statement.rows.data {
        let text = |text: &Option<String>| harmless(text.as_deref().unwrap_or_default());
        let record = [
            row.at.to_string(),
            rows::what(row, names),
            text(&row.feature),
            text(&row.model),
            harmless(&rows::who(row)),
            row.credits.to_string(),
            row.balance.to_string(),
            rows::state(row).0.to_owned(),
            row.receipt.map(|id| id.to_string()).unwrap_or_default(),
            text(&row.reason),
        ];
        writer.write_record(record).map_err(|e| broken(&e))?;
    }
    if is_whole {
        writer.write_record(bound("Opening balance", statement.opening)).map_err(|e| broken(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| broken(&e))?;
    String::from_utf8(bytes).map_err(|e| broken(&e))
}

/// Spreadsheets run cells that begin like a formula; what callers wrote must not.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

impl Month {
    fn asked(text: Option<&str>, now: Timestamp) -> Result<Month, Failure> {
        match text {
            None => Ok(Month::of(now)),
            Some(ALL) => Ok(Month::All),
            Some(text) => Month::parse(text)
                .ok_or_else(|| Failure::Invalid(format!("{text:?} is not a month such as 2026-11."))),
        }
    }

    fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let month = Month::Of { year: year.parse().ok()?, month: month.parse().ok()? };
        // One spelling per month, and an instant at which it begins.
        (month.value() == text && month.begins_at().is_some()).then_some(month)
    }

    fn of(at: Timestamp) -> Month {
        let text = at.to_string();
        Month::parse(&text[..7]).unwrap_or(Month::All)
    }

    fn before(self) -> Month {
        match self {
            Month::Of { year, month: 1 } => Month::Of { year: year - 1, month: 12 },
            Month::Of { year, month } => Month::Of { year, month: month - 1 },
            Month::All => Month::All,
        }
    }

    fn after(self) -> Month {
        match self {
            Month::Of { year, month: 12 } => Month::Of { year: year + 1, month: 1 },
            Month::Of { year, month } => Month::Of { year, month: month + 1 },
            Month::All => Month::All,
        }
    }

    fn begins_at(self) -> Option<Timestamp> {
        format!("{}-01T00:00:00Z", self.value()).parse().ok()
    }

    pub fn period(self) -> Period {
        Period {
            from: self.begins_at().unwrap_or(Timestamp::EPOCH),
            to: self.after().begins_at().unwrap_or(Timestamp::MAX),
        }
    }

    fn value(self) -> String {
        match self {
            Month::All => ALL.to_owned(),
            Month::Of { year, month } => format!("{year:04}-{month:02}"),
        }
    }

    fn label(self) -> String {
        const NAMES: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        match self {
            Month::All => "All time".to_owned(),
            Month::Of { year, month } => {
                let name = usize::try_from(month).ok().and_then(|n| NAMES.get(n.wrapping_sub(1)));
                format!("{} {year}", name.unwrap_or(&""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_tile_time() {
        let month = Month::parse("2026-12").unwrap();
        assert_eq!(month.period().to, month.after().period().from);
        assert_eq!(month.after().value(), "2027-01");
        assert_eq!(month.after().before(), month);
        assert_eq!(month.label(), "December 2026");
        assert_eq!(Month::of("2026-11-30T23:59:59Z".parse().unwrap()).value(), "2026-11");
    }

    #[test]
    fn what_is_not_a_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-00", "2026-1", "+2026-01", "1969-12", "all-time"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_cell_of_a_callers_is_a_formula() {
        assert_eq!(harmless("=1+1"), "'=1+1");
        assert_eq!(harmless("job-1"), "job-1");
    }
}
