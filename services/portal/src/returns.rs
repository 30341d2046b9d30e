//! Where the gateway sends the browser back to. Nothing is granted here: the page reads what the
//! verified event brought.

use std::time::{Duration, Instant};

use app::PageRequest;
use app::payments::{self, Checkout, CheckoutState};
use askama::Template;
use axum::extract::{Path, State};
use site::{Failure, Member, Shell, credits, money, render};
use tokio::sync::Semaphore;

use crate::frame::{Me, me, shell};
use crate::{Answer, Portal};

/// Purchases among which the one of this page is looked for.
const LATEST: u64 = 50;
/// How often a page that waits looks at its purchase, one row by its id.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Pages that wait at one time; the others say at once that the payment is awaited.
static PLACES: Semaphore = Semaphore::const_new(200);

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

pub async fn page(State(portal): State<Portal>, member: Member, Path(once): Path<String>) -> Answer {
    let (site, me) = (&portal.site, me(&member)?);
    let latest = PageRequest { limit: Some(LATEST), cursor: None };
    let latest = payments::list(site.app(), &me.principal, &me.customer, &latest).await?;
    let url = format!("{}/buy/return/{once}", site.base_url());
    let checkout = latest.data.into_iter().find(|checkout| checkout.success_url == url);
    let checkout = settled(&portal, &me, checkout.ok_or(Failure::NotFound)?).await?;
    let shell = shell(&member, &me, "", "/buy").await?;
    let page = view(shell, &checkout, format!("/buy/return/{once}"));
    Ok(member.visitor.page(render(&page)?))
}

/// The purchase once its event came, or as it stands when the time is over: mostly the event is here within
/// a second, and a page that came too early would have to be opened again by hand.
async fn settled(portal: &Portal, me: &Me, mut checkout: Checkout) -> Result<Checkout, Failure> {
    let Ok(_place) = PLACES.try_acquire() else { return Ok(checkout) };
    let until = Instant::now() + portal.payment_wait;
    while is_expected(&checkout) && Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
        checkout = payments::get(portal.site.app(), &me.principal, checkout.id).await?;
    }
    Ok(checkout)
}

/// Its event may come any moment; a bank's transfer takes days.
fn is_expected(checkout: &Checkout) -> bool {
    let is_under_way =
        matches!(checkout.state, CheckoutState::Creating | CheckoutState::Open | CheckoutState::Paid);
    checkout.grant.is_none() && is_under_way
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
                "The payment service has not confirmed {amount} yet. If you have paid, this takes a few seconds \
                 more; nothing is lost when you leave this page."
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
