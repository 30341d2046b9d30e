//! The review queue: cases by what is at stake, one after the other, with their evidence; decided with a key
//! or a click.

use app::App;
use app::audit::Act;
use app::risk::appeals::{self, APPEAL_MAX_CHARS, Written};
use app::risk::cases::{self, Case, Decision, Evidence, Precision, Ruling};
use app::risk::exceptions;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::{CaseId, new_uuid};
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Shell, Tone, credits, instant, render};

use crate::acts::explain;
use crate::charts::{Chart, day_charts};
use crate::correction::{self, Correction, DecisionRow};
use crate::risk_form::step_up_words;
use crate::{Console, by, shell};

pub const PATH: &str = "/console/review";
/// Cases of the queue's page.
const SHOWN: u64 = 50;
const DECIDED_SHOWN: u64 = 10;
/// Of a rule that is silenced on the case's page.
const SNOOZE_DAYS: i64 = 30;

#[derive(Template)]
#[template(path = "console/review.html")]
pub struct QueuePage {
    pub shell: Shell,
    pub open: u64,
    pub rows: Vec<CaseRow>,
    /// What may have to be corrected, the newest decision first.
    pub decided: Vec<CaseRow>,
    pub precision: Vec<PrecisionRow>,
}

pub struct CaseRow {
    pub path: String,
    /// What they are called and where they are; `None` where all cases are of one.
    pub customer: Option<(String, String)>,
    pub score: String,
    pub verdict: String,
    pub at_risk: String,
    pub reasons: Vec<String>,
    pub opened: String,
    /// What became of it, or that the customer wrote.
    pub note: String,
}

pub struct PrecisionRow {
    pub rule: String,
    pub confirmed: u64,
    pub dismissed: u64,
    /// `7 of 9, 78 %`
    pub share: String,
}

#[derive(Template)]
#[template(path = "console/case.html")]
pub struct CasePage {
    pub shell: Shell,
    pub path: String,
    pub customer: String,
    pub customer_path: String,
    pub is_open: bool,
    pub facts: Vec<(&'static str, String)>,
    pub reasons: Vec<ReasonRow>,
    pub features: Vec<(String, String)>,
    pub charts: Vec<Chart>,
    /// What the customer wrote and when, the newest first.
    pub appeals: Vec<AppealRow>,
    /// The newest waits for an answer.
    pub may_answer: bool,
    pub answer_act: String,
    /// An answer that was refused.
    pub text: String,
    pub text_max: usize,
    pub decisions: Vec<DecisionRow>,
    pub correction: Option<Correction>,
    /// Confirmed cases that a dismissal corrects as well, with their pages.
    pub appealed: Vec<(String, String)>,
    pub earlier: Vec<CaseRow>,
    pub snoozed: Vec<String>,
    pub act: String,
    pub note: String,
    pub snooze_days: i64,
    /// The next of the queue.
    pub next: Option<String>,
}

pub struct AppealRow {
    pub text: String,
    pub at: String,
    /// What was answered, and by whom and when.
    pub answer: Option<(String, String)>,
}

pub struct ReasonRow {
    pub name: String,
    pub strength: String,
    pub sentence: String,
    /// Names the forms of this rule; `None` for what is no rule.
    pub act: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct DecideFields {
    act: String,
    decision: String,
    /// Why, for those who read it later; the reasons of the case when it is empty.
    #[serde(default)]
    note: String,
    /// `hold`, `release`, or what goes with the decision.
    #[serde(default)]
    wallet: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct AnswerFields {
    act: String,
    text: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SnoozeFields {
    act: String,
    rule: String,
}

pub async fn list(State(console): State<Console>, member: Member) -> Result<Response, Failure> {
    let (app, by) = (console.site.app(), by(&member));
    let queue = cases::queue(app, &by, SHOWN).await?;
    let decided = cases::decided_lately(app, &by, DECIDED_SHOWN).await?;
    let customers = queue.iter().chain(&decided).map(|case| case.customer);
    let names = app::customers::names(app, &by, customers).await?;
    let row = |case: &Case| row_with(case, names.get(&case.customer));
    let page = QueuePage {
        shell: shell("Review queue", PATH, &member),
        open: cases::open_count(app, &by).await?,
        rows: queue.iter().map(row).collect(),
        decided: decided.iter().map(row).collect(),
        precision: cases::precision(app, &by).await?.iter().map(precision).collect(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub async fn show(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: CaseId = id.parse().map_err(|_| Failure::NotFound)?;
    let page = load(console.site.app(), &member, id).await?;
    Ok(member.visitor.page(render(&page)?))
}

/// Decides and opens the next case of the queue.
pub async fn decide(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<DecideFields>,
) -> Result<Response, Failure> {
    let id: CaseId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let case = cases::get(app, &by(&member), id).await?;
    let (act, ruling) = fields.parse(&case)?;
    match cases::review(app, &member.session, id, &act, ruling).await {
        Ok(_) => {
            let next = next(app, &member, id).await?;
            Ok(member.visitor.redirect(next.as_deref().unwrap_or(PATH), Some("decided")))
        }
        Err(error) => refused(app, &member, id, explain(error)?, fields.note).await,
    }
}

/// Answers what the customer wrote; the case stays as it is.
pub async fn answer(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<AnswerFields>,
) -> Result<Response, Failure> {
    let id: CaseId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let act = act(&fields.act, format!("answer to the appeal of case {id}"))?;
    match appeals::answer(app, &member.session, id, &act, &fields.text).await {
        Ok(()) => Ok(member.visitor.redirect(&format!("{PATH}/{id}"), Some("answered"))),
        Err(error) => {
            let mut page = load(app, &member, id).await?;
            page.shell.flash = Some(Flash::new(Tone::Bad, explain(error)?));
            page.text = fields.text;
            Ok(member.visitor.refused_page(render(&page)?))
        }
    }
}

/// The rule stays silent about this customer; the case stays open.
pub async fn snooze(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<SnoozeFields>,
) -> Result<Response, Failure> {
    let id: CaseId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let case = cases::get(app, &by(&member), id).await?;
    let act = act(&fields.act, format!("snoozed at case {id}"))?;
    let rule = (fields.rule.as_str(), SNOOZE_DAYS);
    match exceptions::snooze_rule(app, &member.session, case.customer, &act, rule).await {
        Ok(()) => Ok(member.visitor.redirect(&format!("{PATH}/{id}"), Some("snoozed"))),
        Err(error) => refused(app, &member, id, explain(error)?, String::new()).await,
    }
}

async fn refused(
    app: &App,
    member: &Member,
    id: CaseId,
    said: String,
    note: String,
) -> Result<Response, Failure> {
    let mut page = load(app, member, id).await?;
    page.shell.flash = Some(Flash::new(Tone::Bad, said));
    page.note = note;
    Ok(member.visitor.refused_page(render(&page)?))
}

pub async fn load(app: &App, member: &Member, id: CaseId) -> Result<CasePage, Failure> {
    let evidence = cases::evidence(app, &by(member), id).await?;
    let next = next(app, member, id).await?;
    Ok(view(shell("Case", PATH, member), &evidence, next))
}

/// The first of the queue that is not this one.
async fn next(app: &App, member: &Member, id: CaseId) -> Result<Option<String>, Failure> {
    let queue = cases::queue(app, &by(member), 2).await?;
    Ok(queue.iter().find(|case| case.id != id).map(|case| format!("{PATH}/{}", case.id)))
}

pub fn view(shell: Shell, evidence: &Evidence, next: Option<String>) -> CasePage {
    let case = &evidence.case;
    let until = match (case.is_restricted, case.restricted_until) {
        (true, Some(until)) => {
            format!("on hold until {}, lifted by {}", instant(until), step_up_words(&case.step_up))
        }
        (true, None) => "on hold until somebody releases it".to_owned(),
        (false, until) => match (case.lifted_at, until) {
            (Some(at), _) => format!("released {}", instant(at)),
            (None, Some(until)) => format!("the hold ended by itself {}", instant(until)),
            (None, None) => "never held".to_owned(),
        },
    };
    let reason = |reason: &cases::Reason| ReasonRow {
        name: reason.name.clone(),
        strength: format!("{:.2}", reason.strength),
        sentence: reason.sentence.clone(),
        act: is_rule(&reason.name).then(|| new_uuid().to_string()),
    };
    CasePage {
        shell: Shell { title: format!("Case of {}", evidence.customer_name), ..shell },
        path: format!("{PATH}/{}", case.id),
        customer: format!("{} ({})", evidence.customer_name, evidence.customer_email),
        customer_path: format!("/console/customers/{}", case.customer),
        is_open: case.is_open,
        facts: vec![
            ("Case", case.id.to_string()),
            ("Score", format!("{:.2}", case.score)),
            ("Verdict", case.verdict.clone()),
            ("Credits at risk", credits(case.at_risk)),
            ("Wallet", until),
            ("Holds by the watch", case.holds.to_string()),
            ("Opened", instant(case.opened_at)),
            ("Score was highest", instant(case.seen_at)),
            ("Model", case.model.clone().unwrap_or_else(|| "rules only".to_owned())),
            ("Settings", format!("version {}", case.settings)),
            ("Decision", case.decision.map_or_else(|| "open".to_owned(), |decision| decision.to_string())),
        ],
        reasons: case.reasons.iter().map(reason).collect(),
        features: case.features.iter().map(|(name, value)| (name.clone(), format!("{value:.3}"))).collect(),
        charts: day_charts(&evidence.days),
        may_answer: evidence.appeals.first().is_some_and(|appeal| appeal.answer.is_none()),
        appeals: evidence.appeals.iter().map(appeal).collect(),
        answer_act: new_uuid().to_string(),
        text: String::new(),
        text_max: APPEAL_MAX_CHARS,
        decisions: correction::rows(&case.decisions),
        correction: correction::of(case),
        appealed: evidence.appealed.iter().map(|id| (id.to_string(), format!("{PATH}/{id}"))).collect(),
        earlier: evidence.earlier.iter().map(row).collect(),
        snoozed: evidence.snoozed.iter().map(|s| format!("{} until {}", s.rule, instant(s.until))).collect(),
        act: new_uuid().to_string(),
        note: String::new(),
        snooze_days: SNOOZE_DAYS,
        next,
    }
}

fn appeal(of: &Written) -> AppealRow {
    AppealRow {
        text: of.text.clone(),
        at: instant(of.at),
        answer: of.answer.as_ref().map(|a| (a.text.clone(), format!("{} {}", a.author, instant(a.at)))),
    }
}

/// What speaks in a case and cannot be silenced: the ensemble, and people.
fn is_rule(name: &str) -> bool {
    !matches!(name, "unusual" | "held_by_hand")
}

pub fn row(case: &Case) -> CaseRow {
    let note = match (case.decision, &case.appeal, case.is_restricted) {
        (Some(decision), ..) => decision.to_string(),
        (None, Some(_), _) => "the customer wrote".to_owned(),
        (None, None, true) => "on hold".to_owned(),
        (None, None, false) => "works on".to_owned(),
    };
    CaseRow {
        path: format!("{PATH}/{}", case.id),
        customer: None,
        score: format!("{:.2}", case.score),
        verdict: case.verdict.clone(),
        at_risk: credits(case.at_risk),
        reasons: case.reasons.iter().map(|reason| reason.sentence.clone()).collect(),
        opened: instant(case.opened_at),
        note,
    }
}

/// Of a list that has cases of many customers.
pub fn row_with(case: &Case, name: Option<&String>) -> CaseRow {
    let (name, path) = (name.cloned().unwrap_or_default(), format!("/console/customers/{}", case.customer));
    CaseRow { customer: Some((name, path)), ..row(case) }
}

pub fn precision(of: &Precision) -> PrecisionRow {
    let all = of.confirmed + of.dismissed;
    let percent = (of.confirmed * 100 + all / 2).checked_div(all).unwrap_or(0);
    PrecisionRow {
        rule: if of.rule == "all" { "all cases".to_owned() } else { of.rule.clone() },
        confirmed: of.confirmed,
        dismissed: of.dismissed,
        share: format!("{} of {all}, {percent} %", of.confirmed),
    }
}

impl DecideFields {
    fn parse(&self, case: &Case) -> Result<(Act, Ruling), Failure> {
        let decision: Decision = self.decision.parse().map_err(|()| Failure::UnreadableForm)?;
        let release = release(&self.wallet)?;
        let note = self.note.trim();
        let names: Vec<&str> = case.reasons.iter().map(|reason| reason.name.as_str()).collect();
        let why = if note.is_empty() { format!("{decision}: {}", names.join(", ")) } else { note.to_owned() };
        let note = (!note.is_empty()).then(|| note.to_owned());
        Ok((act(&self.act, why)?, Ruling { decision, note, release, seen: Some(0) }))
    }
}

/// Whether the wallet is let go on, of a form.
pub fn release(wallet: &str) -> Result<Option<bool>, Failure> {
    match wallet {
        "" => Ok(None),
        "hold" => Ok(Some(false)),
        "release" => Ok(Some(true)),
        _ => Err(Failure::UnreadableForm),
    }
}

pub fn act(id: &str, reason: String) -> Result<Act, Failure> {
    Ok(Act { id: id.parse().map_err(|_| Failure::UnreadableForm)?, reason })
}
