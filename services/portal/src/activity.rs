//! `/activity`: the statement of a month, its rows, and the same rows as CSV.

use app::PageRequest;
use app::statements::{self, Period, Row, Statement};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use kernel::Timestamp;
use serde::Deserialize;
use site::{Failure, Member, Shell, Site, credits, instant, render, signed_credits};

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
    pub months: Vec<MonthOption>,
    pub period: String,
    pub boundaries: String,
    pub identity: Vec<Part>,
    pub has_debt: bool,
    pub rows: Vec<ActivityRow>,
    pub older: Option<String>,
    pub csv_path: String,
}

pub struct MonthOption {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

pub struct Part {
    pub label: &'static str,
    pub credits: String,
}

#[derive(Deserialize)]
pub struct Asked {
    month: Option<String>,
    before: Option<String>,
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
    let request = PageRequest { limit: Some(ROWS), cursor: asked.before };
    let statement = statements::statement(app, &me.principal, &me.customer, month.period(), &request).await?;
    let names = Names::load(app).await?;
    let shell = shell(&member, &me, "Activity", "/activity").await?;
    Ok(member.visitor.page(render(&view(shell, month, &statement, &names, app.now()))?))
}

pub async fn csv(State(site): State<Site>, member: Member, Query(asked): Query<Asked>) -> Answer {
    let (app, me) = (site.app(), me(&member)?);
    let month = Month::asked(asked.month.as_deref(), app.now())?;
    let names = Names::load(app).await?;
    let text = as_csv(&all_rows(&site, &me, month.period()).await?, &names)?;
    let name = format!("attachment; filename=\"scrip-activity-{}.csv\"", month.value());
    let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned());
    Ok(([kind, (header::CONTENT_DISPOSITION, name)], text).into_response())
}

async fn all_rows(site: &Site, me: &Me, period: Period) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut cursor = None;
    for _ in 0..CSV_PAGES_MAX {
        let request = PageRequest { limit: Some(CSV_PAGE), cursor };
        let part =
            statements::statement(site.app(), &me.principal, &me.customer, period, &request).await?.rows;
        rows.extend(part.data);
        cursor = part.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(rows)
}

pub fn view(
    shell: Shell,
    month: Month,
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
        older: older.map(|cursor| format!("/activity?month={}&before={cursor}", month.value())),
        csv_path: format!("/activity.csv?month={}", month.value()),
    }
}

fn months(chosen: Month, now: Timestamp) -> Vec<MonthOption> {
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
        |month: Month| MonthOption { value: month.value(), label: month.label(), is_chosen: month == chosen };
    months.into_iter().map(option).collect()
}

pub fn as_csv(rows: &[Row], names: &Names) -> Result<String, Failure> {
    let broken = |e: &dyn std::error::Error| Failure::Broken(e.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head =
        ["time", "what", "feature", "model", "for", "credits", "balance_after", "state", "receipt", "reason"];
    writer.write_record(head).map_err(|e| broken(&e))?;
    for row in rows {
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
