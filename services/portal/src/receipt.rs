//! `/receipts/{id}`: the proof of one charge, with the formula that made its price.

use app::holds::{self, Hold};
use app::problems::{self, Problem};
use app::receipts::{self, Receipt};
use app::statements::Row;
use app::{App, AppError, FieldError, grants};
use askama::Template;
use axum::extract::{Path, State};
use kernel::{Credits, GrantId, ReceiptId};
use ledger::{Account, EntryKind};
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Shell, Site, Tone, credits, date, instant, render, signed_credits};

use crate::Answer;
use crate::frame::{Me, me, shell};
use crate::words::{Names, When, grant_kind};

/// What a customer writes about a receipt.
#[derive(Deserialize)]
pub struct Report {
    text: String,
}

/// The form under a receipt, or what became of it.
#[derive(Default)]
pub struct ProblemForm {
    /// The last report, in a sentence.
    pub told: Option<String>,
    /// What an operator wrote back.
    pub answer: Option<String>,
    pub is_open: bool,
    pub text: String,
    pub errors: Vec<FieldError>,
}

#[derive(Template)]
#[template(path = "portal/receipt.html")]
pub struct ReceiptPage {
    pub shell: Shell,
    pub heading: String,
    pub credits: String,
    pub credits_words: &'static str,
    pub notes: Vec<Flash>,
    pub formula: Option<String>,
    pub lines: Vec<Line>,
    pub price: String,
    pub lots_heading: &'static str,
    pub lots: Vec<LotPart>,
    pub timeline: Vec<Step>,
    pub facts: Vec<Fact>,
    pub problem: ProblemForm,
    pub problem_path: String,
    pub text_max: usize,
}

pub struct Line {
    pub label: String,
    pub detail: String,
    pub credits: String,
}

pub struct LotPart {
    pub name: String,
    pub credits: String,
}

pub struct Step {
    pub at: When,
    pub text: String,
    /// The receipt of another capture.
    pub path: Option<String>,
    /// The step that this receipt proves.
    pub is_this: bool,
}

pub struct Fact {
    pub name: &'static str,
    pub text: String,
    pub path: Option<String>,
}

pub async fn page(State(site): State<Site>, member: Member, Path(id): Path<String>) -> Answer {
    let id: ReceiptId = id.parse().map_err(|_| Failure::NotFound)?;
    let page = load(&site, &member, id).await?;
    Ok(member.visitor.page(render(&page)?))
}

/// Tells operators that something is wrong with it.
pub async fn report(
    State(site): State<Site>,
    member: Member,
    Path(id): Path<String>,
    form: Form<Report>,
) -> Answer {
    let id: ReceiptId = id.parse().map_err(|_| Failure::NotFound)?;
    let text = form.fields.text;
    let errors = match problems::report(site.app(), &member.session, id, &text).await {
        Ok(()) => return Ok(member.visitor.redirect(&format!("/receipts/{id}"), Some("reported"))),
        Err(AppError::Invalid { errors }) => errors,
        Err(AppError::Conflict { detail, .. }) => vec![FieldError::new("text", detail)],
        Err(error) => return Err(error.into()),
    };
    let mut page = load(&site, &member, id).await?;
    (page.problem.text, page.problem.errors) = (text, errors);
    Ok(member.visitor.refused_page(render(&page)?))
}

async fn load(site: &Site, member: &Member, id: ReceiptId) -> Result<ReceiptPage, Failure> {
    let (app, me) = (site.app(), me(member)?);
    let receipt = receipts::get(app, &me.principal, id).await?;
    let hold = match receipt.hold {
        Some(hold) => {
            let steps = holds::steps(app, &me.principal, hold, receipt.id.seq).await?;
            Some((holds::get(app, &me.principal, hold).await?, steps))
        }
        None => None,
    };
    let lots = lots(app, &me, &receipt).await?;
    let shell = shell(member, &me, "Receipt", "/activity").await?;
    let names = Names::load(app).await?;
    let problem = problems::of_receipt(app, &me.principal, id).await?;
    let problem = problem.as_ref().map(problem_form).unwrap_or_default();
    Ok(ReceiptPage { lots, problem, ..view(shell, &receipt, hold.as_ref(), &names) })
}

pub fn problem_form(problem: &Problem) -> ProblemForm {
    let told = match problem.closed_at {
        None => format!(
            "You reported a problem with it {}. Somebody will look at it.",
            instant(problem.created_at)
        ),
        Some(at) => format!("You reported a problem with it; we answered {}.", instant(at)),
    };
    let (answer, is_open) = (problem.answer.clone(), problem.is_open);
    ProblemForm { told: Some(told), answer, is_open, ..ProblemForm::default() }
}

pub fn view(shell: Shell, receipt: &Receipt, hold: Option<&(Hold, Vec<Row>)>, names: &Names) -> ReceiptPage {
    let price = receipt.priced.as_ref().map(|priced| &priced.price);
    let work = receipt.priced.as_ref().map(|priced| names.work(&priced.feature, &priced.model));
    let is_reversal = receipt.kind == EntryKind::Reverse;
    let heading = if is_reversal { "Charge undone".to_owned() } else { work.unwrap_or("Charge".to_owned()) };
    ReceiptPage {
        shell,
        heading,
        credits: credits(receipt.credits),
        credits_words: match (is_reversal, receipt.reversed_by) {
            (true, _) => "credits given back",
            (false, Some(_)) => "credits charged, then given back",
            (false, None) => "credits charged",
        },
        notes: notes(receipt),
        formula: price.map(|price| price.formula.clone()),
        lines: price.map(|price| price.breakdown.iter().map(line).collect()).unwrap_or_default(),
        price: price.map(|price| credits(price.credits)).unwrap_or_default(),
        lots_heading: if is_reversal { "Lots that got credits back" } else { "Lots that paid" },
        lots: Vec::new(),
        timeline: hold.map(|(hold, steps)| timeline(receipt, hold, steps)).unwrap_or_default(),
        facts: facts(receipt),
        problem: ProblemForm::default(),
        problem_path: format!("/receipts/{}/problem", receipt.id),
        text_max: problems::TEXT_MAX_CHARS,
    }
}

/// Steps of a price, on the calculator's page too.
pub fn line(line: &catalog::PriceLine) -> Line {
    Line { label: line.label.clone(), detail: line.detail.clone(), credits: credits(line.credits) }
}

fn notes(receipt: &Receipt) -> Vec<Flash> {
    let mut notes = Vec::new();
    if receipt.uncovered.is_positive() {
        let text =
            format!("{} more were needed than you had. They were not charged.", credits(receipt.uncovered));
        notes.push(Flash::new(Tone::Note, text));
    }
    if receipt.kind == EntryKind::Unbilled {
        notes.push(Flash::new(
            Tone::Note,
            "This work was reported but not charged: there were too few credits.",
        ));
    }
    if let Some(why) = &receipt.unrated {
        notes.push(Flash::new(Tone::Note, format!("This work was reported but has no price yet: {why}.")));
    }
    if receipt.reversed_by.is_some() {
        notes.push(Flash::new(
            Tone::Good,
            "This charge was undone and no longer counts as use. Its credits went back to their very lots.",
        ));
    }
    notes
}

/// Every step of the hold; this receipt's own is marked.
fn timeline(receipt: &Receipt, hold: &Hold, rows: &[Row]) -> Vec<Step> {
    let mut steps: Vec<Step> = rows.iter().map(|row| step(receipt, row)).collect();
    if hold.state == ledger::HoldState::Open {
        let text = format!("{} still set aside are given back at the latest", credits(hold.remaining));
        let (at, path) = (When::at(hold.expires_at), None);
        steps.push(Step { at, text, path, is_this: false });
    }
    steps
}

fn step(receipt: &Receipt, row: &Row) -> Step {
    let (charged, held) = (Credits::from_micros(-row.credits.micros()), row.held);
    let given_back = Credits::from_micros(-held.micros() - charged.micros());
    let mut text = match row.kind {
        EntryKind::Hold => format!("{} set aside", credits(held)),
        EntryKind::Extend if held.is_positive() => format!("{} more set aside", credits(held)),
        EntryKind::Extend => "Given more time".to_owned(),
        EntryKind::Lapse => format!("Time was over, {} given back", credits(given_back)),
        EntryKind::Void => format!("Not used, {} given back", credits(given_back)),
        _ => format!("{} charged", credits(charged)),
    };
    if row.kind == EntryKind::Capture && given_back.is_positive() {
        text += &format!(", {} given back", credits(given_back));
    }
    let is_this = row.receipt == Some(receipt.id);
    let path = row.receipt.filter(|_| !is_this).map(|id| format!("/receipts/{id}"));
    Step { at: When::at(row.at), text, path, is_this }
}

fn facts(receipt: &Receipt) -> Vec<Fact> {
    let fact = |name, text: String| Some(Fact { name, text, path: None });
    let other = |name, id: ReceiptId| {
        Some(Fact { name, text: id.to_string(), path: Some(format!("/receipts/{id}")) })
    };
    let priced = receipt.priced.as_ref();
    let card = priced.map(|p| format!("{}, version {}", p.rate_card.name, p.rate_card.version));
    [
        fact("Time", instant(receipt.created_at)),
        receipt.occurred_at.and_then(|at| fact("Work done", instant(at))),
        card.and_then(|card| fact("Rate card", card)),
        priced.and_then(|p| fact("Multiplier", p.price.multiplier.clone())),
        receipt.job.clone().and_then(|job| fact("Job", job)),
        receipt.subject.clone().and_then(|subject| fact("For", subject)),
        receipt.vendor_transaction.clone().and_then(|id| fact("Vendor transaction", id)),
        receipt.event.as_ref().and_then(|e| fact("Event", format!("{} from {}", e.id, e.source))),
        receipt.quote.and_then(|id| fact("Quote", id.to_string())),
        receipt.hold.and_then(|id| fact("Hold", id.to_string())),
        receipt.reverses.and_then(|id| other("Undoes", id)),
        receipt.reversed_by.and_then(|id| other("Undone by", id)),
        fact("Available after it", credits(receipt.available)),
        fact("Receipt", receipt.id.to_string()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn lots(app: &App, me: &Me, receipt: &Receipt) -> Result<Vec<LotPart>, Failure> {
    let mut lots = Vec::new();
    for (grant, part) in parts(receipt) {
        lots.push(LotPart { name: lot_name(app, me, grant).await?, credits: signed_credits(part) });
    }
    Ok(lots)
}

/// What each lot paid or got back, in the order in which it did.
fn parts(receipt: &Receipt) -> Vec<(GrantId, Credits)> {
    let mut parts: Vec<(GrantId, Credits)> = Vec::new();
    for line in &receipt.lines {
        let micros = match (line.from, line.to) {
            (_, Account::Spent) => -line.credits.micros(),
            (Account::Spent, _) => line.credits.micros(),
            _ => continue,
        };
        let Some(grant) = line.grant else { continue };
        match parts.iter_mut().find(|(known, _)| *known == grant) {
            Some((_, sum)) => *sum = Credits::from_micros(sum.micros() + micros),
            None => parts.push((grant, Credits::from_micros(micros))),
        }
    }
    parts
}

async fn lot_name(app: &App, me: &Me, id: GrantId) -> Result<String, Failure> {
    match grants::get(app, &me.principal, id).await {
        Ok(grant) => Ok(format!("{} of {}", grant_kind(grant.kind), date(grant.created_at))),
        // A reversal makes a lot when the old one is gone.
        Err(AppError::NotFound { .. }) => Ok("Credits given back".to_owned()),
        Err(error) => Err(error.into()),
    }
}
