//! Where the gateway sends the browser back to. Nothing is granted here: the page reads what the
//! verified event brought.

use app::PageRequest;
use app::payments::{self, Checkout, CheckoutState};
use askama::Template;
use axum::extract::{Path, State};
use site::{Failure, Member, Shell, Site, credits, money, render};

use crate::Answer;
use crate::frame::{me, shell};

/// Purchases among which the one of this page is looked for.
const LATEST: u64 = 50;

#[derive(Template)]
#[template(path = "portal/return.html")]
pub struct ReturnPage {
    pub shell: Shell,
    pub text: String,
    pub credits: Option<String>,
    pub is_waiting: bool,
    pub may_retry: bool,
    pub path: String,
}

pub async fn page(State(site): State<Site>, member: Member, Path(once): Path<String>) -> Answer {
    let me = me(&member)?;
    let latest = PageRequest { limit: Some(LATEST), cursor: None };
    let latest = payments::list(site.app(), &me.principal, &me.customer, &latest).await?;
    let url = format!("{}/buy/return/{once}", site.base_url());
    let checkout = latest.data.iter().find(|checkout| checkout.success_url == url);
    let shell = shell(&member, &me, "", "/buy").await?;
    let page = view(shell, checkout.ok_or(Failure::NotFound)?, format!("/buy/return/{once}"));
    Ok(member.visitor.page(render(&page)?))
}

pub async fn cancelled(member: Member) -> Answer {
    let shell = shell(&member, &me(&member)?, "Purchase cancelled", "/buy").await?;
    let text = "You went back before paying. Nothing was charged.".to_owned();
    let page = ReturnPage {
        shell,
        text,
        credits: None,
        is_waiting: false,
        may_retry: true,
        path: "/buy/cancelled".to_owned(),
    };
    Ok(member.visitor.page(render(&page)?))
}

pub fn view(shell: Shell, checkout: &Checkout, path: String) -> ReturnPage {
    let (title, text) = words(checkout);
    let is_done = checkout.grant.is_some();
    let is_over =
        matches!(checkout.state, CheckoutState::Failed | CheckoutState::Expired | CheckoutState::Refused);
    ReturnPage {
        shell: Shell { title: title.to_owned(), ..shell },
        text,
        credits: is_done.then(|| credits(checkout.credits)),
        is_waiting: !is_done && !is_over,
        may_retry: is_over,
        path,
    }
}

fn words(checkout: &Checkout) -> (&'static str, String) {
    let amount = money(checkout.amount);
    match checkout.state {
        _ if checkout.grant.is_some() => {
            ("Thank you", format!("Your payment of {amount} arrived, and the credits are in your balance."))
        }
        CheckoutState::Creating | CheckoutState::Open | CheckoutState::Paid => (
            "Waiting for the payment",
            format!(
                "We are waiting for the word of the payment service about {amount}. This takes a few seconds."
            ),
        ),
        CheckoutState::Processing => (
            "The payment is on its way",
            format!(
                "Your bank has {amount} under way. The credits come as soon as the money is here; you may close this page."
            ),
        ),
        CheckoutState::Failed | CheckoutState::Refused => (
            "The payment failed",
            format!(
                "{} Nothing was charged.",
                checkout.error.as_deref().unwrap_or("The payment service refused it.")
            ),
        ),
        CheckoutState::Expired => {
            ("The payment page was closed", "It was open for too long. Nothing was charged.".to_owned())
        }
    }
}
