//! The form of the risk settings: from settings to fields, and back.

use std::collections::BTreeMap;

use app::AppError;
use app::risk::settings::{RuleState, Settings, StepUp, Velocity};
use kernel::Credits;

/// What lifts a hold: as it is stored, and in words.
const STEP_UPS: [(StepUp, &str, &str); 4] = [
    (StepUp::VerifyMail, "verify_mail", "confirming the mail address"),
    (StepUp::ConfirmCard, "confirm_card", "confirming a card"),
    (StepUp::Wait, "wait", "waiting"),
    (StepUp::Review, "review", "a reviewer"),
];

pub struct Choice {
    pub value: &'static str,
    pub label: &'static str,
    pub is_chosen: bool,
}

pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
    pub value: String,
}

/// As the browser sends it: every field by its name.
pub type Sent = BTreeMap<String, String>;

/// What lifts a hold, in words.
pub fn step_up_words(stored: &str) -> &str {
    STEP_UPS.iter().find(|(_, name, _)| *name == stored).map_or(stored, |(_, _, words)| words)
}

pub fn step_ups(chosen: StepUp) -> Vec<Choice> {
    STEP_UPS.map(|(of, value, label)| Choice { value, label, is_chosen: of == chosen }).into()
}

pub fn fields(of: &Settings) -> Vec<Field> {
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

pub fn parsed(sent: &Sent) -> Result<Settings, AppError> {
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
}
