//! A decided case that was decided wrongly: all decisions about it, and the form for another one.

use app::risk::cases::{self, Case, Decided, Decision, Ruling, SNOOZED_AFTER_DISMISSAL_DAYS};
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::{CaseId, new_uuid};
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Tone, instant, render};

use crate::acts::explain;
use crate::review::{PATH, act, load, release};
use crate::{Console, by};

/// A decided case can be decided otherwise.
pub struct Correction {
    pub act: String,
    /// What it says now, and what it would say.
    pub from: &'static str,
    pub to: &'static str,
    /// The button.
    pub button: &'static str,
    /// What follows, in sentences.
    pub follows: Vec<String>,
    /// What may become of the wallet, with the form's words for it; the first goes with the decision.
    pub choices: [(&'static str, &'static str); 2],
    /// Decisions that the page shows.
    pub seen: usize,
    /// Of a form that was refused, which is shown again.
    pub reason: String,
    pub is_open: bool,
}

pub struct DecisionRow {
    pub decision: &'static str,
    pub by: String,
    pub at: String,
    pub note: String,
    /// Others came after it.
    pub is_corrected: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct CorrectFields {
    act: String,
    decision: String,
    seen: usize,
    reason: String,
    /// `hold`, `release`, or what goes with the decision.
    #[serde(default)]
    wallet: String,
}

/// Decides anew and stays with the case.
pub async fn correct(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<CorrectFields>,
) -> Result<Response, Failure> {
    let id: CaseId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    cases::get(app, &by(&member), id).await?;
    let act = act(&fields.act, fields.reason.trim().to_owned())?;
    match cases::review(app, &member.session, id, &act, fields.ruling()?).await {
        Ok(_) => Ok(member.visitor.redirect(&format!("{PATH}/{id}"), Some("corrected"))),
        Err(error) => {
            let mut page = load(app, &member, id).await?;
            page.shell.flash = Some(Flash::new(Tone::Bad, explain(error)?));
            if let Some(correction) = &mut page.correction {
                correction.reason = fields.reason;
                correction.is_open = true;
            }
            Ok(member.visitor.refused_page(render(&page)?))
        }
    }
}

impl CorrectFields {
    fn ruling(&self) -> Result<Ruling, Failure> {
        Ok(Ruling {
            decision: self.decision.parse().map_err(|()| Failure::UnreadableForm)?,
            note: Some(self.reason.trim().to_owned()).filter(|reason| !reason.is_empty()),
            release: release(&self.wallet)?,
            seen: Some(self.seen),
        })
    }
}

pub fn of(case: &Case) -> Option<Correction> {
    let to = case.decision?.other();
    let (button, choices, follows) = match to {
        Decision::Confirmed => ("Confirm: it is abuse", [("", "on hold"), ("release", "free")], confirmed()),
        Decision::Dismissed => {
            ("Dismiss: it is in order", [("", "free"), ("hold", "stays as it is")], dismissed(case))
        }
    };
    Some(Correction {
        act: new_uuid().to_string(),
        from: to.other().as_str(),
        to: to.as_str(),
        button,
        follows: follows.into_iter().chain(taught(to)).collect(),
        choices,
        seen: case.decisions.len(),
        reason: String::new(),
        is_open: false,
    })
}

fn dismissed(case: &Case) -> Vec<String> {
    let hold = if case.is_restricted {
        "The hold of this case ends, and the customer is told that they can go on, unless you choose “stays as it is”."
    } else {
        "Nothing is on hold because of this case, so nothing of that changes."
    };
    let silence = format!(
        "What spoke in this case is silent about this customer for {SNOOZED_AFTER_DISMISSAL_DAYS} days."
    );
    vec![hold.to_owned(), silence]
}

fn confirmed() -> Vec<String> {
    vec![
        "New work of the customer is on hold until somebody releases them, unless you choose “free”."
            .to_owned(),
        "What the dismissal silenced counts for this customer again.".to_owned(),
    ]
}

fn taught(to: Decision) -> [String; 2] {
    [
        format!(
            "The case counts as {to} only, wherever decisions count. A model that learnt from the old one is followed by \
             one without it: the next night fits it from the lessons that are left, if they are enough, and a day later \
             it speaks, unless it is worse."
        ),
        "The old decision stays on this page and in the audit log.".to_owned(),
    ]
}

/// The newest first.
pub fn rows(decisions: &[Decided]) -> Vec<DecisionRow> {
    let row = |(n, decided): (usize, &Decided)| DecisionRow {
        decision: decided.decision.as_str(),
        by: decided.by.clone(),
        at: instant(decided.at),
        note: decided.note.clone().unwrap_or_default(),
        is_corrected: n + 1 < decisions.len(),
    };
    decisions.iter().enumerate().rev().map(row).collect()
}
