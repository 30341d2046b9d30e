//! `/on-hold`: why nothing new can begin, what to do about it, and a word of one's own. Nobody is accused.

use app::risk::appeals::{self, APPEAL_MAX_CHARS};
use app::risk::on_hold::{self, OnHold};
use app::risk::settings::StepUp;
use app::{AppError, FieldError, wallets};
use askama::Template;
use axum::extract::State;
use kernel::Timestamp;
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Nothing, Shell, Site, Tone, instant, render};

use crate::Answer;
use crate::frame::{ON_HOLD, me, shell_with};

#[derive(Template)]
#[template(path = "portal/on_hold.html")]
pub struct OnHoldPage {
    pub shell: Shell,
    /// `None`: nothing is on hold.
    pub hold: Option<HoldView>,
    pub text: String,
    pub text_max: usize,
    pub errors: Vec<FieldError>,
}

pub struct HoldView {
    pub why: &'static str,
    /// What lifts it, in a sentence.
    pub what_to_do: &'static str,
    /// A mail's link lifts it.
    pub by_mail: bool,
    /// A card does that its bank confirms.
    pub by_card: bool,
    /// When it ends by itself, in a sentence.
    pub until: String,
    /// Nothing was written about it before.
    pub may_write: bool,
    /// What was written before, with when.
    pub written: Option<(String, String)>,
    /// What was answered, with when.
    pub answer: Option<(String, String)>,
}

#[derive(Deserialize)]
pub struct Appeal {
    text: String,
}

pub async fn page(State(site): State<Site>, member: Member) -> Answer {
    let page = load(&site, &member).await?;
    Ok(member.visitor.page(render(&page)?))
}

pub async fn send_link(State(site): State<Site>, member: Member, _form: Form<Nothing>) -> Answer {
    match on_hold::send_link(site.app(), &member.session).await {
        Ok(()) => Ok(member.visitor.redirect(ON_HOLD, Some("hold-link-sent"))),
        // It was lifted meanwhile: the page says so.
        Err(AppError::Conflict { .. }) => Ok(member.visitor.redirect(ON_HOLD, None)),
        Err(error) => Err(error.into()),
    }
}

pub async fn appeal(State(site): State<Site>, member: Member, form: Form<Appeal>) -> Answer {
    let text = form.fields.text;
    let (errors, flash) = match appeals::appeal(site.app(), &member.session, &text).await {
        Ok(()) => return Ok(member.visitor.redirect(ON_HOLD, Some("appealed"))),
        Err(AppError::Invalid { errors }) => (errors, None),
        Err(AppError::Conflict { detail, .. }) => (Vec::new(), Some(Flash::new(Tone::Bad, detail))),
        Err(error) => return Err(error.into()),
    };
    let mut page = load(&site, &member).await?;
    (page.text, page.errors) = (text, errors);
    page.shell.flash = flash.or(page.shell.flash);
    Ok(member.visitor.refused_page(render(&page)?))
}

async fn load(site: &Site, member: &Member) -> Result<OnHoldPage, Failure> {
    let (app, me) = (site.app(), me(member)?);
    let wallet = wallets::view(app, &me.principal, &me.customer, None).await?;
    let hold = on_hold::on_hold(app, &member.session).await?;
    let shell = shell_with(&member.visitor, "On hold", ON_HOLD, &wallet);
    Ok(view(shell, hold.map(shown)))
}

pub fn view(shell: Shell, hold: Option<HoldView>) -> OnHoldPage {
    let title = if hold.is_some() { "New work is on hold" } else { "Nothing is on hold" };
    let shell = Shell { title: title.to_owned(), ..shell };
    OnHoldPage { shell, hold, text: String::new(), text_max: APPEAL_MAX_CHARS, errors: Vec::new() }
}

pub fn shown(hold: OnHold) -> HoldView {
    let has_written = hold.written.is_some();
    let what_to_do = match hold.step_up {
        StepUp::VerifyMail => {
            "Show that you still read the mails of your address: we send you a link, and once you have confirmed behind it, you go on at once."
        }
        StepUp::ConfirmCard => {
            "Show that your card is yours: buy credits with the card that you paid with before, and your bank asks \
             you to confirm the payment. Then you go on at once; if you paid with more than one lately, after you \
             confirmed each. Another card, or one whose bank does not ask, is charged all the same, but cannot end \
             this. If you never paid here, any card will do."
        }
        StepUp::Wait => "You need not do anything. It ends by itself.",
        StepUp::Review if has_written => "Somebody looks at it and reads what you wrote.",
        StepUp::Review => "Somebody looks at it. If there is something that we should know, write it below.",
    };
    HoldView {
        why: hold.why,
        what_to_do,
        by_mail: hold.step_up == StepUp::VerifyMail,
        by_card: hold.step_up == StepUp::ConfirmCard,
        until: ends(hold.until, matches!(hold.step_up, StepUp::VerifyMail | StepUp::ConfirmCard)),
        may_write: !has_written,
        written: hold.written.as_ref().map(|written| (written.text.clone(), instant(written.at))),
        answer: hold
            .written
            .and_then(|written| written.answer)
            .map(|answer| (answer.text, instant(answer.at))),
    }
}

/// The customer may have a way to end it at once; this is what happens without.
fn ends(until: Option<Timestamp>, has_a_way: bool) -> String {
    let it = if has_a_way { "Otherwise it" } else { "It" };
    until.map_or_else(
        || format!("{it} ends when somebody has looked at it."),
        |until| format!("{it} ends by itself at {}.", instant(until)),
    )
}
