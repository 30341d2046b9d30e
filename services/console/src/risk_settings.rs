//! `/console/risk`: thresholds and rules as versions, what each rule would have done last month, models.

use app::risk::models::{self, Model};
use app::risk::settings::{self, REVIEWERS, RuleState, Settings, Version};
use app::risk::shadow::{self, Report, Suggested};
use app::{App, PageRequest};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use site::{Failure, Flash, Form, Member, Shell, Tone, date, instant, render};

use crate::acts::{ReasonFields, explain};
use crate::customer::new_act;
use crate::risk_form::{Choice, Field, Sent, fields, parsed, step_ups};
use crate::risk_versions::{VersionRow, version_rows};
use crate::{Console, by, shell};

pub const PATH: &str = "/console/risk";
/// Versions of the page.
const VERSIONS: u64 = 20;
#[derive(Template)]
#[template(path = "console/risk.html")]
pub struct RiskPage {
    pub shell: Shell,
    pub version: String,
    pub fields: Vec<Field>,
    pub step_ups: Vec<Choice>,
    pub rules: Vec<RuleRow>,
    pub about: String,
    pub suggested: String,
    pub versions: Vec<VersionRow>,
    pub models: Vec<ModelRow>,
    pub act: String,
    pub reason: String,
}

pub struct RuleRow {
    pub name: &'static str,
    pub states: Vec<(&'static str, bool)>,
    pub flagged: usize,
    pub alone: usize,
    pub judged: String,
}

pub struct ModelRow {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub facts: Vec<String>,
    /// Where it is put in use.
    pub use_path: Option<String>,
    pub use_label: &'static str,
    pub act: String,
}

pub async fn show(State(console): State<Console>, member: Member) -> Result<Response, Failure> {
    let page = load(console.site.app(), &member).await?;
    Ok(member.visitor.page(render(&page)?))
}

pub async fn change(
    State(console): State<Console>,
    member: Member,
    Form { fields, .. }: Form<Sent>,
) -> Result<Response, Failure> {
    let app = console.site.app();
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let act = ReasonFields { act: text("act"), reason: text("reason") }.act()?;
    let done = match parsed(&fields) {
        Ok(mut settings) => {
            let current = settings::current(app, &by(&member)).await?.settings;
            settings.rules.extend(of_reviewers(&current));
            settings::change_as_operator(app, &member.session, &act, settings).await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(member.visitor.redirect(PATH, Some("risk-saved"))),
        Err(error) => {
            let said = explain(error)?;
            let mut page = load(app, &member).await?;
            page.fill(&fields);
            page.shell.flash = Some(Flash::new(Tone::Bad, said));
            Ok(member.visitor.refused_page(render(&page)?))
        }
    }
}

/// A model that speaks from now on.
pub async fn use_model(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<ReasonFields>,
) -> Result<Response, Failure> {
    let app = console.site.app();
    match models::put_in_use(app, &member.session, &id, &fields.act()?).await {
        Ok(()) => Ok(member.visitor.redirect(PATH, Some("model-used"))),
        Err(error) => {
            let said = explain(error)?;
            let mut page = load(app, &member).await?;
            page.shell.flash = Some(Flash::new(Tone::Bad, said));
            Ok(member.visitor.refused_page(render(&page)?))
        }
    }
}

/// The form has no field for what reviewers taught: it stays as it is. In shadow, as versions before could say, it was off.
fn of_reviewers(current: &Settings) -> Option<(String, RuleState)> {
    let name = REVIEWERS.to_owned();
    let state = *current.rules.get(&name)?;
    Some((name, if state == RuleState::On { state } else { RuleState::Off }))
}

async fn load(app: &App, member: &Member) -> Result<RiskPage, Failure> {
    let by = by(member);
    let current = settings::current(app, &by).await?;
    let page = PageRequest { limit: Some(VERSIONS), cursor: None };
    let versions = settings::history(app, &by, &page).await?.data;
    let report = shadow::report(app, &by).await?;
    let models = models::list(app, &by).await?;
    Ok(view(shell("Risk", PATH, member), &current, &versions, &report, &models))
}

pub fn view(
    shell: Shell,
    current: &Version,
    versions: &[Version],
    report: &Report,
    models: &[Model],
) -> RiskPage {
    let settings = &current.settings;
    let rule = |rule: &shadow::Rule| RuleRow {
        name: rule.rule,
        states: RuleState::ALL.map(|state| (state.as_str(), state == rule.state)).to_vec(),
        flagged: rule.flagged,
        alone: rule.alone,
        judged: format!("{} confirmed, {} dismissed", rule.confirmed, rule.dismissed),
    };
    RiskPage {
        shell,
        version: match current.created_at {
            None => "Version 0 is in force: the defaults, which nobody has changed.".to_owned(),
            Some(at) => format!(
                "Version {} is in force since {}, by {}: {}",
                current.version,
                instant(at),
                current.author,
                current.reason
            ),
        },
        fields: fields(settings),
        step_ups: step_ups(settings.step_up),
        rules: report.rules.iter().map(rule).collect(),
        about: about(report),
        suggested: suggested(report),
        versions: version_rows(versions),
        models: models.iter().map(model_row).collect(),
        act: new_act(),
        reason: String::new(),
    }
}

fn suggested(report: &Report) -> String {
    let Suggested { review, restrict, is_by_scores } = report.suggested;
    if !is_by_scores {
        return format!(
            "Too few wallets used something in the last week to suggest others; the defaults are {review:.2} and \
             {restrict:.2}."
        );
    }
    format!(
        "By the scores of the last week we suggest to review from {review:.2} and to hold from {restrict:.2}, so that at \
         most about 1 % of the wallets come to a reviewer and 0.2 % are held."
    )
}

fn about(report: &Report) -> String {
    let days = format!("{} to {}", date(report.from), date(report.until));
    if report.wallets == 0 {
        return format!("No use was summed up from {days}; that happens each night (UTC).");
    }
    format!(
        "{} wallets used something from {days}, on {} days together. The rules that count would have brought {} \
         of them to a reviewer.",
        report.wallets, report.days, report.flagged
    )
}

fn model_row(model: &Model) -> ModelRow {
    let metrics = &model.metrics;
    let mut facts = vec![format!("{} rows", metrics.rows), format!("fitted {}", instant(model.created_at))];
    facts.extend(model.promoted_at.map(|at| format!("in use since {}", instant(at))));
    facts.extend(metrics.precision.map(|precision| {
        let before =
            metrics.precision_before.map(|before| format!(", before {before:.2}")).unwrap_or_default();
        format!("average precision {precision:.2}{before}")
    }));
    facts.extend(metrics.weight.map(|weight| format!("weight {weight:.2}")));
    facts.extend(metrics.drift.iter().map(|(feature, psi)| format!("drift of {feature}: {psi:.2}")));
    facts.extend(metrics.retired_because.clone());
    let is_usable = model.state != "active";
    ModelRow {
        id: model.id.clone(),
        kind: model.kind.clone(),
        state: model.state.clone(),
        facts,
        use_path: is_usable.then(|| format!("/console/risk/models/{}/use", site::escaped(&model.id))),
        use_label: if model.promoted_at.is_some() { "Go back to it…" } else { "Let it speak…" },
        act: new_act(),
    }
}

impl RiskPage {
    /// What was sent and refused.
    fn fill(&mut self, sent: &Sent) {
        for field in &mut self.fields {
            field.value = sent.get(field.name).cloned().unwrap_or_default();
        }
        for choice in &mut self.step_ups {
            choice.is_chosen = sent.get("step_up").is_some_and(|sent| sent == choice.value);
        }
        for rule in &mut self.rules {
            let state = sent.get(&format!("rule_{}", rule.name));
            for (name, is_chosen) in &mut rule.states {
                *is_chosen = state.is_some_and(|sent| sent == name);
            }
        }
        self.reason = sent.get("reason").cloned().unwrap_or_default();
    }
}
