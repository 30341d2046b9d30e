//! `/console/risk`: thresholds and rules as versions, what each rule would have done last month, models.

use std::collections::BTreeMap;

use app::risk::models::{self, Model};
use app::risk::settings::{self, RuleState, Settings, StepUp, Velocity, Version};
use app::risk::shadow::{self, Report};
use app::{App, AppError, PageRequest};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::Credits;
use serde_json::Value;
use site::{Failure, Flash, Form, Member, Shell, Tone, date, instant, render};

use crate::acts::{ReasonFields, explain};
use crate::customer::new_act;
use crate::{Console, by, shell};

pub const PATH: &str = "/console/risk";
/// Versions of the page.
const VERSIONS: u64 = 20;
/// What lifts a hold: as it is stored, and in words.
const STEP_UPS: [(StepUp, &str, &str); 4] = [
    (StepUp::VerifyMail, "verify_mail", "confirming the mail address"),
    (StepUp::ConfirmCard, "confirm_card", "confirming a card"),
    (StepUp::Wait, "wait", "waiting"),
    (StepUp::Review, "review", "a reviewer"),
];

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

pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
    pub value: String,
}

pub struct Choice {
    pub value: &'static str,
    pub label: &'static str,
    pub is_chosen: bool,
}

pub struct RuleRow {
    pub name: &'static str,
    pub states: Vec<(&'static str, bool)>,
    pub flagged: usize,
    pub alone: usize,
    pub judged: String,
}

pub struct VersionRow {
    pub version: i64,
    pub at: String,
    pub author: String,
    pub reason: String,
    pub changes: Vec<String>,
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

/// As the browser sends it: every field by its name.
type Sent = BTreeMap<String, String>;

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
        Ok(settings) => settings::change_as_operator(app, &member.session, &act, settings).await,
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
        step_ups: STEP_UPS
            .map(|(of, value, label)| Choice { value, label, is_chosen: of == settings.step_up })
            .into(),
        rules: report.rules.iter().map(rule).collect(),
        about: about(report),
        suggested: format!(
            "By the scores of the last week, {:.2} would bring 1 % of the wallets to review and {:.2} would hold 0.2 %.",
            report.suggested.review, report.suggested.restrict
        ),
        versions: version_rows(versions),
        models: models.iter().map(model_row).collect(),
        act: new_act(),
        reason: String::new(),
    }
}

/// What lifts a hold, in words.
pub fn step_up_words(stored: &str) -> &str {
    STEP_UPS.iter().find(|(_, name, _)| *name == stored).map_or(stored, |(_, _, words)| words)
}

fn about(report: &Report) -> String {
    let days = format!("{} to {}", date(report.from), date(report.until));
    if report.wallets == 0 {
        return format!("No use was summed up from {days}; that happens each midnight.");
    }
    format!(
        "{} wallets used something from {days}, on {} days together. The rules that count would have brought {} \
         of them to a reviewer.",
        report.wallets, report.days, report.flagged
    )
}

fn fields(of: &Settings) -> Vec<Field> {
    let field = |name, label, hint, value| Field { name, label, hint, value };
    let velocity = &of.velocity;
    let times = velocity.times_usual_hour.map(|times| times.to_string());
    vec![
        field("review", "Review from", "Score from 0 to 1 that opens a case.", of.review.to_string()),
        field("restrict", "Hold from", "New work waits for a while.", of.restrict.to_string()),
        field("block", "Block from", "1 is never reached.", of.block.to_string()),
        field(
            "release",
            "Calm below",
            "A verdict ends when the score falls below this part of its threshold.",
            of.release.to_string(),
        ),
        field(
            "restrict_minutes",
            "Minutes of a hold",
            "1 to 43200; then it ends by itself.",
            of.restrict_minutes.to_string(),
        ),
        field(
            "credits_per_hour",
            "Most credits in an hour",
            "For everybody. Empty: no limit.",
            velocity.credits_per_hour.map(|c| c.to_string()).unwrap_or_default(),
        ),
        field(
            "times_usual_hour",
            "Most times the usual hour",
            "50: fifty times a usual hour. From the eighth day on. Empty: no limit.",
            times.unwrap_or_default(),
        ),
        field(
            "least_credits",
            "Allowed in any hour",
            "Credits; the limit of the usual hour begins above this.",
            velocity.least_credits.to_string(),
        ),
        field(
            "mail_above",
            "Mail at once above",
            "Credits at stake; smaller ones come with the daily digest.",
            of.mail_above.to_string(),
        ),
    ]
}

fn parsed(sent: &Sent) -> Result<Settings, AppError> {
    let text = |name: &str| sent.get(name).map(|text| text.trim()).unwrap_or_default();
    let number =
        |name: &str| text(name).parse::<f64>().map_err(|_| AppError::invalid(name, "must be a number"));
    let credits = |name: &str| {
        let text = text(name).replace(',', "");
        text.parse::<Credits>().map_err(|error| AppError::invalid(name, error.to_string()))
    };
    let times = match text("times_usual_hour") {
        "" => None,
        times => {
            Some(times.parse().map_err(|_| AppError::invalid("times_usual_hour", "must be a whole number"))?)
        }
    };
    let step_up = STEP_UPS.into_iter().find(|(_, name, _)| *name == text("step_up"));
    let rules = sent.iter().filter_map(|(name, state)| Some((name.strip_prefix("rule_")?, state)));
    let rule = |(name, state): (&str, &String)| {
        let known = RuleState::ALL.into_iter().find(|known| known.as_str() == state);
        known
            .map(|state| (name.to_owned(), state))
            .ok_or_else(|| AppError::invalid(name, "must be on, shadow or off"))
    };
    Ok(Settings {
        review: number("review")?,
        restrict: number("restrict")?,
        block: number("block")?,
        release: number("release")?,
        rules: rules.map(rule).collect::<Result<_, _>>()?,
        velocity: Velocity {
            credits_per_hour: (!text("credits_per_hour").is_empty())
                .then(|| credits("credits_per_hour"))
                .transpose()?,
            times_usual_hour: times,
            least_credits: credits("least_credits")?,
        },
        restrict_minutes: text("restrict_minutes")
            .parse()
            .map_err(|_| AppError::invalid("restrict_minutes", "must be a whole number"))?,
        step_up: step_up.ok_or_else(|| AppError::invalid("step_up", "is not one of the list"))?.0,
        mail_above: credits("mail_above")?,
    })
}

/// The newest first, each with what it changed; the last of the page only tells itself.
fn version_rows(versions: &[Version]) -> Vec<VersionRow> {
    let defaults = Settings::default();
    let row = |(i, version): (usize, &Version)| {
        let before = match versions.get(i + 1) {
            Some(before) => Some(&before.settings),
            None if version.version == 1 => Some(&defaults),
            None => None,
        };
        VersionRow {
            version: version.version,
            at: version.created_at.map(instant).unwrap_or_default(),
            author: version.author.clone(),
            reason: version.reason.clone(),
            changes: before.map(|before| differences(before, &version.settings)).unwrap_or_default(),
        }
    };
    versions.iter().enumerate().map(row).collect()
}

/// `review 0.5 → 0.6`, a line for each value that differs. A rule that nobody named is on.
fn differences(before: &Settings, after: &Settings) -> Vec<String> {
    let (old, new) = (leaves(before), leaves(after));
    let names = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
    let line = |name: &&String| {
        let is_rule = name.starts_with("rules ");
        let value = |of: &BTreeMap<String, String>| {
            let absent = if is_rule { "on" } else { "none" };
            of.get(*name).cloned().unwrap_or_else(|| absent.to_owned())
        };
        let (was, is) = (value(&old), value(&new));
        (was != is).then(|| format!("{name} {was} \u{2192} {is}"))
    };
    names.iter().filter_map(line).collect()
}

fn leaves(settings: &Settings) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(Value::Object(members)) = serde_json::to_value(settings) else { return found };
    for (name, value) in members {
        match value {
            Value::Object(inner) => {
                found.extend(inner.into_iter().map(|(leaf, value)| (format!("{name} {leaf}"), text(&value))));
            }
            value => drop(found.insert(name, text(&value))),
        }
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_settings_reads_back_as_the_same_settings() {
        let mut settings = Settings::default();
        settings.rules.insert("scraper".to_owned(), RuleState::Shadow);
        settings.velocity.credits_per_hour = Some(Credits::whole(1_200));
        let mut sent: Sent = fields(&settings).into_iter().map(|f| (f.name.to_owned(), f.value)).collect();
        sent.insert("step_up".to_owned(), "verify_mail".to_owned());
        sent.insert("rule_scraper".to_owned(), "shadow".to_owned());
        assert_eq!(parsed(&sent).unwrap(), settings);
        for (name, wrong) in
            [("review", "high"), ("restrict_minutes", "1.5"), ("rule_scraper", "loud"), ("step_up", "")]
        {
            let mut sent = sent.clone();
            sent.insert(name.to_owned(), wrong.to_owned());
            assert!(parsed(&sent).is_err(), "{name}");
        }
    }

    #[test]
    fn a_version_tells_what_it_changed() {
        let before = Settings::default();
        let mut after = before.clone();
        after.review = before.review / 2.0;
        after.rules.insert("scraper".to_owned(), RuleState::Shadow);
        after.rules.insert("disputed".to_owned(), RuleState::On);
        after.velocity.times_usual_hour = None;
        let lines = differences(&before, &after);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.contains(&"rules scraper on \u{2192} shadow".to_owned()), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("velocity times_usual_hour 50 ")), "{lines:?}");
        assert!(differences(&before, &before).is_empty());
    }
}
