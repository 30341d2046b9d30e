//! What a customer bought, and giving the money back.

use app::payments::{self, Checkout, CheckoutState};
use app::{App, corrections};
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::CheckoutId;
use site::{Failure, Form, Member, credits, instant, money, render};

use crate::acts::{ConfirmPage, ReasonFields, customer_path, explain, not_done};
use crate::{Console, by, shell};

/// One purchase on its customer's page.
pub struct Purchase {
    pub at: String,
    pub what: String,
    pub amount: String,
    pub state: &'static str,
    /// Why the money did not come, or what of it went back.
    pub note: Option<String>,
    pub id: String,
    /// The gateway's id of the payment, or of the checkout before there is one.
    pub gateway_id: String,
    pub refund_path: Option<String>,
}

pub async fn ask_refund(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: CheckoutId = id.parse().map_err(|_| Failure::NotFound)?;
    let page = refund_page(console.site.app(), &member, id, ReasonFields::fresh()).await?;
    Ok(member.visitor.page(render(&page)?))
}

pub async fn refund(
    State(console): State<Console>,
    member: Member,
    Path(id): Path<String>,
    Form { fields, .. }: Form<ReasonFields>,
) -> Result<Response, Failure> {
    let id: CheckoutId = id.parse().map_err(|_| Failure::NotFound)?;
    let app = console.site.app();
    match corrections::refund(app, &member.session, id, &fields.act()?).await {
        Ok(customer) => Ok(member.visitor.redirect(&customer_path(customer), Some("refunding"))),
        Err(error) => {
            let said = explain(error)?;
            not_done(&member, refund_page(app, &member, id, fields.again()).await?, said)
        }
    }
}

async fn refund_page(
    app: &App,
    member: &Member,
    id: CheckoutId,
    fields: ReasonFields,
) -> Result<ConfirmPage, Failure> {
    let purchase = payments::get(app, &by(member), id).await?;
    Ok(ConfirmPage {
        shell: shell("Refund a purchase", "/console/customers", member),
        sentence:
            "The gateway gives back what is left of the payment. Its credits are then taken back; what \
                   was used of them becomes debt."
                .to_owned(),
        facts: vec![
            ("Purchase", id.to_string()),
            ("Credits", credits(purchase.credits)),
            ("Paid", money(purchase.amount)),
            ("At", instant(purchase.settled_at.unwrap_or(purchase.created_at))),
        ],
        action: format!("/console/purchases/{id}/refund"),
        button: "Refund the purchase",
        back: customer_path(purchase.customer),
        fields,
    })
}

pub fn purchase(purchase: &Checkout) -> Purchase {
    let is_paid = purchase.state == CheckoutState::Paid;
    let is_returned = purchase.returned_minor >= purchase.amount.amount;
    let returned = kernel::Money { amount: purchase.returned_minor, ..purchase.amount };
    let returned = (purchase.returned_minor > 0).then(|| format!("{} given back", money(returned)));
    let disputed = purchase.is_disputed.then(|| "disputed".to_owned());
    let pack = purchase.pack.as_ref().map(|pack| format!("{pack}, "));
    Purchase {
        at: instant(purchase.settled_at.unwrap_or(purchase.created_at)),
        what: format!("{}{} credits", pack.unwrap_or_default(), credits(purchase.credits)),
        amount: money(purchase.amount),
        state: purchase.state.as_str(),
        note: disputed.or(returned).or_else(|| purchase.error.clone()),
        id: purchase.id.to_string(),
        gateway_id: purchase.payment.clone().or_else(|| purchase.gateway_id.clone()).unwrap_or_default(),
        refund_path: (is_paid && !is_returned).then(|| format!("/console/purchases/{}/refund", purchase.id)),
    }
}
