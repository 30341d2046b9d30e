//! What an operator does to a customer's credits: a form with a reason, an act, a redirect.

use app::audit::Act;
use app::corrections::{self, Adjustment, Gift};
use app::{App, AppError, receipts};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::{Credits, CustomerId, GrantId, ReceiptId, Timestamp};
use ledger::GrantKind;
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Shell, Tone, credits, instant, render};

use crate::customer::{self, new_act};
use crate::list::ListQuery;
use crate::{Console, by, shell};

/// What an operator may give; purchases come from payments only.
pub const KINDS: [GrantKind; 4] =
    [GrantKind::Promo, GrantKind::Trial, GrantKind::Refund, GrantKind::Allotment];

#[derive(Clone, Debug, Default, Deserialize)]
pub struct GrantFields {
    pub act: String,
    pub credits: String,
    pub kind: String,
    /// A day, or empty.
    #[serde(default)]
    pub expires_on: String,
    pub reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct AdjustFields {
    pub act: String,
    pub credits: String,
    /// `add`, or the lot to take from.
    pub from: String,
    pub reason: String,
}

/// Of a confirmation.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ReasonFields {
    pub act: String,
    pub reason: String,
}

/// Asks for the reason of an act that needs nothing else.
#[derive(Template)]
#[template(path = "console/confirm.html")]
pub struct ConfirmPage {
    pub shell: Shell,
    pub sentence: String,
    pub facts: Vec<(&'static str, String)>,
    pub action: String,
    pub button: &'static str,
    pub back: String,
    pub fields: ReasonFields,
}

pub async fn grant(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<GrantFields>,
) -> Result<Response, Failure> {
    let id: CustomerId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let done = match fields.parse() {
        Ok((act, gift)) => corrections::grant(app, &member.session, id, &act, gift).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(member.visitor.redirect(&customer_path(id), Some("granted"))),
        Err(error) => refused(app, &member, id, explain(error)?, fields, AdjustFields::fresh()).await,
    }
}

pub async fn adjust(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<AdjustFields>,
) -> Result<Response, Failure> {
    let id: CustomerId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    let done = match fields.parse() {
        Ok((act, adjustment)) => corrections::adjust(app, &member.session, id, &act, adjustment).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(member.visitor.redirect(&customer_path(id), Some("adjusted"))),
        Err(error) => refused(app, &member, id, explain(error)?, GrantFields::fresh(), fields).await,
    }
}

pub async fn ask_void(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: GrantId = id.parse().map_err(|_| Failure::NotFound)?;
    let page = void_page(console.site.app(), &member, id, ReasonFields::fresh()).await?;
    Ok(member.visitor.page(render(&page)?))
}

pub async fn void(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<ReasonFields>,
) -> Result<Response, Failure> {
    let id: GrantId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    match corrections::void_grant(app, &member.session, id, &fields.act()?).await {
        Ok(customer) => Ok(member.visitor.redirect(&customer_path(customer), Some("voided"))),
        Err(error) => {
            let said = explain(error)?;
            not_done(&member, void_page(app, &member, id, fields.again()).await?, said)
        }
    }
}

pub async fn ask_reverse(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: ReceiptId = id.parse().map_err(|_| Failure::NotFound)?;
    let page = reverse_page(console.site.app(), &member, id, ReasonFields::fresh()).await?;
    Ok(member.visitor.page(render(&page)?))
}

pub async fn reverse(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<ReasonFields>,
) -> Result<Response, Failure> {
    let id: ReceiptId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    match corrections::reverse(app, &member.session, id, &fields.act()?).await {
        Ok(customer) => Ok(member.visitor.redirect(&customer_path(customer), Some("reversed"))),
        Err(error) => {
            let said = explain(error)?;
            not_done(&member, reverse_page(app, &member, id, fields.again()).await?, said)
        }
    }
}

async fn void_page(
    app: &App,
    member: &Member,
    id: GrantId,
    fields: ReasonFields,
) -> Result<ConfirmPage, Failure> {
    let grant = corrections::grant_of(app, &by(member), id).await?;
    Ok(ConfirmPage {
        shell: shell("Void a grant", "/console/customers", member),
        sentence: "What is left of this grant is taken back. What is held follows when its hold ends; \
                   what was used stays used."
            .to_owned(),
        facts: vec![
            ("Grant", id.to_string()),
            ("Kind", grant.kind.to_string()),
            ("Granted", credits(grant.credits)),
            ("Made", instant(grant.created_at)),
        ],
        action: format!("/console/grants/{id}/void"),
        button: "Void the grant",
        back: customer_path(grant.customer),
        fields,
    })
}

async fn reverse_page(
    app: &App,
    member: &Member,
    id: ReceiptId,
    fields: ReasonFields,
) -> Result<ConfirmPage, Failure> {
    let receipt = receipts::get(app, &by(member), id).await?;
    let work = receipt.priced.as_ref().map(|p| format!("{} {}", p.feature, p.model));
    Ok(ConfirmPage {
        shell: shell("Reverse a charge", "/console/customers", member),
        sentence: "The credits of this charge go back to the very lots they came from. A charge is undone \
                   once."
            .to_owned(),
        facts: vec![
            ("Receipt", id.to_string()),
            ("For", work.unwrap_or_else(|| "plain credits".to_owned())),
            ("Charged", credits(receipt.credits)),
            ("At", instant(receipt.created_at)),
        ],
        action: format!("/console/receipts/{id}/reversal"),
        button: "Reverse the charge",
        back: customer_path(receipt.customer),
        fields,
    })
}

async fn refused(
    app: &App,
    member: &Member,
    id: CustomerId,
    said: String,
    grant: GrantFields,
    adjust: AdjustFields,
) -> Result<Response, Failure> {
    let dossier = customer::load(app, &by(member), id, &ListQuery::default()).await?;
    let mut page = customer::page(member, &dossier, grant.again(), adjust.again());
    page.shell.flash = Some(Flash::new(Tone::Bad, said));
    Ok(member.visitor.refused_page(render(&page)?))
}

pub fn not_done(member: &Member, mut page: ConfirmPage, said: String) -> Result<Response, Failure> {
    page.shell.flash = Some(Flash::new(Tone::Bad, said));
    Ok(member.visitor.refused_page(render(&page)?))
}

/// What an operator can do something about stands on the page; the rest is an error page.
pub fn explain(error: AppError) -> Result<String, Failure> {
    match error {
        AppError::Invalid { errors } => {
            Ok(errors.iter().map(|e| format!("{} {}.", e.field, e.message)).collect::<Vec<_>>().join(" "))
        }
        AppError::Conflict { .. } | AppError::Refused(_) | AppError::KeyReused => Ok(format!("{error}.")),
        error => Err(error.into()),
    }
}

pub fn customer_path(id: CustomerId) -> String {
    format!("/console/customers/{id}")
}

impl GrantFields {
    pub fn fresh() -> GrantFields {
        GrantFields { act: new_act(), kind: GrantKind::Promo.to_string(), ..GrantFields::default() }
    }

    pub fn kinds(&self) -> Vec<(&'static str, bool)> {
        KINDS.iter().map(|kind| (kind.as_str(), kind.as_str() == self.kind)).collect()
    }

    /// What was refused changed nothing; the corrected form is a new act.
    fn again(self) -> GrantFields {
        GrantFields { act: new_act(), ..self }
    }

    fn parse(&self) -> Result<(Act, Gift), AppError> {
        let kind = KINDS.into_iter().find(|kind| kind.as_str() == self.kind);
        let gift = Gift {
            credits: amount(&self.credits)?,
            kind: kind.ok_or_else(|| AppError::invalid("kind", "is not one of the list"))?,
            expires_at: day(&self.expires_on)?,
        };
        Ok((act(&self.act, &self.reason)?, gift))
    }
}

impl AdjustFields {
    pub fn fresh() -> AdjustFields {
        AdjustFields { act: new_act(), from: "add".to_owned(), ..AdjustFields::default() }
    }

    fn again(self) -> AdjustFields {
        AdjustFields { act: new_act(), ..self }
    }

    fn parse(&self) -> Result<(Act, Adjustment), AppError> {
        let credits = amount(&self.credits)?;
        let adjustment = match self.from.as_str() {
            "add" => Adjustment::Add { credits },
            lot => {
                let unknown = |_| AppError::invalid("lot", "is not a lot of this customer");
                Adjustment::Take { credits, grant: lot.parse().map_err(unknown)? }
            }
        };
        Ok((act(&self.act, &self.reason)?, adjustment))
    }
}

impl ReasonFields {
    pub fn fresh() -> ReasonFields {
        ReasonFields { act: new_act(), reason: String::new() }
    }

    pub fn again(self) -> ReasonFields {
        ReasonFields { act: new_act(), ..self }
    }

    pub fn act(&self) -> Result<Act, Failure> {
        Ok(act(&self.act, &self.reason)?)
    }
}

fn act(id: &str, reason: &str) -> Result<Act, AppError> {
    let id = id.parse().map_err(|_| AppError::invalid("act", "is not one of our forms"))?;
    Ok(Act { id, reason: reason.trim().to_owned() })
}

fn amount(text: &str) -> Result<Credits, AppError> {
    let text = text.trim().replace(',', "");
    text.parse().map_err(|e: kernel::AmountError| AppError::invalid("credits", e.to_string()))
}

/// The end of a lot: the beginning of that day, UTC.
fn day(text: &str) -> Result<Option<Timestamp>, AppError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let at = format!("{text}T00:00:00Z").parse();
    at.map(Some).map_err(|_| AppError::invalid("expiry", "is not a day such as 2027-01-31"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_an_act() {
        let fields = GrantFields {
            credits: " 1,000.5 ".to_owned(),
            expires_on: "2027-01-31".to_owned(),
            reason: " late delivery ".to_owned(),
            ..GrantFields::fresh()
        };
        let (act, gift) = fields.parse().unwrap();
        assert_eq!(act.reason, "late delivery");
        assert_eq!(gift.credits.to_string(), "1000.5");
        assert_eq!(gift.expires_at.unwrap().to_string(), "2027-01-31T00:00:00Z");
        for wrong in ["", "x", "1e3"] {
            assert!(GrantFields { credits: wrong.to_owned(), ..fields.clone() }.parse().is_err(), "{wrong}");
        }
        assert!(GrantFields { kind: "purchase".to_owned(), ..fields }.parse().is_err());
    }
}
