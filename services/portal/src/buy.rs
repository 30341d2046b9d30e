//! `/buy`: packs and custom amounts, each one button to the gateway's hosted page.

use app::payments::{self, Buying, NewCheckout};
use app::{AppError, CustomerRef, FieldError, Keyed, prices};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use kernel::{Credits, new_uuid};
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Shell, Site, Tone, render};

use crate::Answer;
use crate::developers::once;
use crate::frame::{me, shell};
use crate::packs::{PackCard, cards};
use crate::prices::volume;

/// A page that was left open, changed and sent again.
const SENT_BEFORE: &str = "This page already began another purchase. Nothing new was bought. Choose again \
                           here to buy something else.";

#[derive(Template)]
#[template(path = "portal/buy.html")]
pub struct BuyPage {
    pub shell: Shell,
    pub packs: Vec<PackCard>,
    /// Makes the form for several packs one purchase.
    pub several: String,
    pub quantity: String,
    pub custom: Option<Custom>,
    pub errors: Vec<FieldError>,
    pub takes_play_money: bool,
}

pub struct Custom {
    pub terms: String,
    pub value: String,
    pub once: String,
}

#[derive(Deserialize)]
pub struct Order {
    once: String,
    pack: Option<String>,
    quantity: Option<String>,
    credits: Option<String>,
}

pub async fn page(State(site): State<Site>, member: Member) -> Answer {
    if !payments::is_configured(site.app()) {
        return Err(Failure::NotFound);
    }
    let page = load(&site, &member, Vec::new()).await?;
    Ok(member.visitor.page(render(&page)?))
}

/// Opens the purchase and sends the browser to the gateway. The same form twice is one purchase.
pub async fn check_out(State(site): State<Site>, member: Member, form: Form<Order>) -> Answer {
    let order = form.fields;
    let buying = match buying(&order) {
        Ok(buying) => buying,
        Err(error) => return refused(&site, &member, vec![error], None).await,
    };
    let input = match &buying {
        Buying::Pack { id, quantity } => format!("{quantity} of {id}"),
        Buying::Credits(credits) => format!("{credits} credits"),
    };
    let customer = me(&member)?.id;
    let new = NewCheckout {
        customer: CustomerRef::Id(customer),
        buying,
        success_url: format!("{}/buy/return/{}", site.base_url(), order.once),
        cancel_url: format!("{}/buy/cancelled", site.base_url()),
    };
    let keyed = Keyed::form(once(&order.once)?, &input);
    match payments::create_own(site.app(), customer, new, &keyed).await {
        Ok(done) => {
            let url = done.value.url.ok_or(Failure::BUSY)?;
            Ok(Redirect::to(&url).into_response())
        }
        Err(error @ AppError::NotPayable { .. }) => {
            refused(&site, &member, Vec::new(), Some(sentence(&error))).await
        }
        Err(AppError::KeyReused) => refused(&site, &member, Vec::new(), Some(SENT_BEFORE.to_owned())).await,
        Err(AppError::Invalid { errors }) => refused(&site, &member, errors, None).await,
        Err(AppError::Conflict { detail, .. }) => refused(&site, &member, Vec::new(), Some(detail)).await,
        Err(error) => Err(error.into()),
    }
}

/// An error as a sentence on a page.
fn sentence(error: &AppError) -> String {
    let says = error.to_string();
    let mut rest = says.chars();
    let first = rest.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(rest).chain(['.']).collect()
}

fn buying(order: &Order) -> Result<Buying, FieldError> {
    match (&order.pack, &order.credits) {
        (Some(pack), None) => Ok(Buying::Pack { id: pack.clone(), quantity: quantity(order)? }),
        (None, Some(text)) => {
            let text: String = text.chars().filter(|c| !matches!(c, ',' | ' ')).collect();
            let credits: Result<Credits, _> = text.parse();
            credits.map(Buying::Credits).map_err(|error| FieldError::new("credits", error.to_string()))
        }
        _ => Err(FieldError::new("credits", "must be said")),
    }
}

fn quantity(order: &Order) -> Result<u32, FieldError> {
    let said = order.quantity.as_deref().unwrap_or("1").trim();
    said.parse().map_err(|_| FieldError::new("quantity", "must be a number such as 3"))
}

async fn refused(site: &Site, member: &Member, errors: Vec<FieldError>, why: Option<String>) -> Answer {
    let mut page = load(site, member, errors).await?;
    page.shell.flash = why.map(|why| Flash::new(Tone::Bad, why));
    Ok(member.visitor.refused_page(render(&page)?))
}

async fn load(site: &Site, member: &Member, errors: Vec<FieldError>) -> Result<BuyPage, Failure> {
    let shell = shell(member, &me(member)?, "Buy credits", "/buy").await?;
    let version = prices::in_force(site.app()).await?.ok_or(Failure::NotFound)?;
    let custom = version.catalog.volume().first().map(|first| Custom {
        terms: version.catalog.volume().iter().map(volume).collect::<Vec<_>>().join(" "),
        value: first.from.to_string(),
        once: new_uuid().to_string(),
    });
    Ok(BuyPage {
        shell,
        packs: cards(site.app(), &version).await?,
        several: new_uuid().to_string(),
        quantity: "2".to_owned(),
        custom,
        errors,
        takes_play_money: payments::takes_play_money(site.app()),
    })
}
