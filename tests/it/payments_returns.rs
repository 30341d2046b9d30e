//! Money goes back: refunds and disputes made at the gateway, in every order, told or not told.

use sandbox::{Knobs, sign};
use serde_json::{Value, json};
use tests::shop::{SUCCESS, Shop, WEBHOOK_SECRET, in_each_shop};

/// The reconciler's period.
const PERIOD_SECONDS: i64 = 61;
/// Longer than a piece of work waits for another.
const LATER_SECONDS: i64 = 5;
const HOUR_SECONDS: i64 = 3_600;

/// A purchase of 500 credits for 45.00 USD, and its payment.
struct Bought {
    customer: &'static str,
    checkout: String,
    payment: String,
}

impl Bought {
    async fn by(shop: &Shop, customer: &'static str) -> Bought {
        shop.customer(customer).await;
        let opened = shop.checkout(customer).await;
        shop.pay(&opened, SUCCESS).await;
        settle(shop).await;
        let checkout = format!("/v1/checkouts/{}", opened["id"].as_str().unwrap());
        let payment = shop.get(&checkout).await.document()["payment"].as_str().unwrap().to_owned();
        assert_eq!(shop.balances(customer).await, ["500", "0", "0"]);
        Bought { customer, checkout, payment }
    }

    async fn refund(&self, shop: &Shop, amount_minor: i64) {
        let form = format!("payment_intent={}&amount={amount_minor}", self.payment);
        shop.at_gateway("POST", "/v1/refunds", &form).await;
    }

    /// Answers the path of the dispute.
    async fn dispute(&self, shop: &Shop) -> String {
        let body = json!({"payment_intent": self.payment}).to_string();
        let dispute = shop.at_gateway("POST", "/_disputes", &body).await;
        format!("/v1/disputes/{}", dispute["id"].as_str().unwrap())
    }

    async fn spend(&self, shop: &Shop, credits: i64) {
        // gpt-4 in the demo's catalogue: 5 credits for 1,000 input tokens.
        let usage = json!({"customer": self.customer, "feature": "text.generate", "model": "gpt-4",
            "quantities": {"input_tokens": credits * 200}});
        let answer = shop.post("/v1/usage", &usage).await;
        assert_eq!((answer.status, &answer.document()["credits"]), (201, &json!(credits.to_string())));
    }

    /// Available, held, debt; then what the purchase says was returned, and whether it is disputed.
    async fn is(&self, shop: &Shop, balances: [&str; 3], (returned_minor, is_disputed): (i64, bool)) {
        settle(shop).await;
        assert_eq!(shop.balances(self.customer).await, balances, "{}: {}", shop.name, self.customer);
        let shown = shop.get(&self.checkout).await.document();
        assert_eq!(shown["returned"]["amount"], returned_minor, "{}: {shown}", shop.name);
        assert_eq!(shown["is_disputed"], is_disputed, "{}: {shown}", shop.name);
    }

    async fn kinds(&self, shop: &Shop) -> Vec<String> {
        let page = shop.get(&format!("/v1/customers/{}/postings", self.customer)).await.document();
        let mut kinds: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|posting| posting["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.reverse();
        kinds
    }
}

async fn settle(shop: &Shop) {
    shop.settle().await;
    shop.wait_and_settle(LATER_SECONDS).await;
}

async fn decide(shop: &Shop, dispute: &str, evidence: &str) {
    let form = format!("evidence[uncategorized_text]={evidence}&submit=true");
    shop.at_gateway("POST", dispute, &form).await;
}

/// A refund and a dispute made at the gateway whose webhooks are lost: found by the reconciler, once, and
/// the webhooks that come after all change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_and_a_dispute_that_no_webhook_told_are_found_within_the_period() {
    in_each_shop(async |shop| {
        let refunded = Bought::by(shop, "lost-refund").await;
        let disputed = Bought::by(shop, "lost-dispute").await;
        shop.wait_and_settle(HOUR_SECONDS).await;
        shop.sandbox.set_knobs(Knobs { drop: true, ..Knobs::default() });
        refunded.refund(shop, 900).await;
        let dispute = disputed.dispute(shop).await;
        assert_eq!(shop.available("lost-refund").await, "500");
        shop.wait_and_settle(PERIOD_SECONDS).await;
        refunded.is(shop, ["400", "0", "0"], (900, false)).await;
        disputed.is(shop, ["0", "0", "0"], (4_500, true)).await;
        // The outcome of the dispute is not told either.
        decide(shop, &dispute, "winning_evidence").await;
        shop.wait_and_settle(PERIOD_SECONDS).await;
        disputed.is(shop, ["500", "0", "0"], (0, false)).await;
        // Every lost webhook arrives after all, twice, the last one first.
        let listed = shop.at_gateway("GET", "/v1/events?limit=100", "").await;
        for event in listed["data"].as_array().unwrap() {
            let body = event.to_string();
            for _ in 0..2 {
                let signature = sign(body.as_bytes(), WEBHOOK_SECRET, shop.app.now());
                assert_eq!(shop.webhook(&body, &signature).await.status, 200);
            }
        }
        shop.wait_and_settle(PERIOD_SECONDS).await;
        refunded.is(shop, ["400", "0", "0"], (900, false)).await;
        disputed.is(shop, ["500", "0", "0"], (0, false)).await;
        assert_eq!(refunded.kinds(shop).await, ["grant", "clawback"], "{}", shop.name);
        assert_eq!(disputed.kinds(shop).await, ["grant", "clawback", "grant"], "{}", shop.name);
        let events = shop.events().await;
        let returns = ["refund.created", "charge.dispute.created", "charge.dispute.closed"];
        let fetched = events.iter().filter(|e| returns.iter().any(|kind| e["kind"] == *kind));
        let fetched: Vec<&Value> = fetched.collect();
        assert_eq!(fetched.len(), 3, "{}: {events:?}", shop.name);
        assert!(fetched.iter().all(|e| e["deliveries"] == 2 && e["state"] == "done"), "{fetched:?}");
    })
    .await;
}

/// While the bank decides, what is left of the purchase cannot be spent and what was spent is owed.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_freezes_the_purchase_until_it_is_won_or_lost() {
    in_each_shop(async |shop| {
        let (won, lost) = (Bought::by(shop, "winner").await, Bought::by(shop, "loser").await);
        for bought in [&won, &lost] {
            bought.spend(shop, 200).await;
        }
        let disputes = [won.dispute(shop).await, lost.dispute(shop).await];
        for bought in [&won, &lost] {
            bought.is(shop, ["0", "0", "200"], (4_500, true)).await;
            let hold = json!({"customer": bought.customer, "credits": "1"});
            let refused = shop.post("/v1/holds", &hold).await;
            assert_eq!((refused.status, &refused.document()["code"]), (402, &json!("insufficient_credits")));
        }
        decide(shop, &disputes[0], "winning_evidence").await;
        decide(shop, &disputes[1], "losing_evidence").await;
        won.is(shop, ["300", "0", "0"], (0, false)).await;
        lost.is(shop, ["0", "0", "200"], (4_500, true)).await;
        // What was won lives as long as what was bought, and costs what it cost.
        let wallet = shop.get("/v1/customers/winner/wallet").await.document();
        let lot = &wallet["lots"][0];
        assert_eq!(
            (&lot["kind"], &lot["cost_basis"]["amount"]),
            (&json!("purchase"), &json!(4_500)),
            "{wallet}"
        );
        assert_eq!(lot["expires_at"], "2027-03-01T12:00:00Z");
        // The debt of a lost dispute is paid by the next purchase first.
        let next = shop.checkout("loser").await;
        shop.pay(&next, SUCCESS).await;
        settle(shop).await;
        assert_eq!(shop.balances("loser").await, ["300", "0", "0"], "{}", shop.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_before_and_after_a_dispute_take_each_cent_once() {
    in_each_shop(async |shop| {
        // Won, then refunded: in part, then the rest.
        let first = Bought::by(shop, "won-then-refund").await;
        let dispute = first.dispute(shop).await;
        first.is(shop, ["0", "0", "0"], (4_500, true)).await;
        decide(shop, &dispute, "winning_evidence").await;
        first.is(shop, ["500", "0", "0"], (0, false)).await;
        first.refund(shop, 900).await;
        first.is(shop, ["400", "0", "0"], (900, false)).await;
        first.refund(shop, 3_600).await;
        first.is(shop, ["0", "0", "0"], (4_500, false)).await;
        // Refunded in part, then disputed about the rest: won.
        let second = Bought::by(shop, "refund-then-won").await;
        second.refund(shop, 900).await;
        second.is(shop, ["400", "0", "0"], (900, false)).await;
        let dispute = second.dispute(shop).await;
        second.is(shop, ["0", "0", "0"], (4_500, true)).await;
        decide(shop, &dispute, "winning_evidence").await;
        second.is(shop, ["400", "0", "0"], (900, false)).await;
        // The same, lost; nothing is left to refund.
        let third = Bought::by(shop, "refund-then-lost").await;
        third.refund(shop, 900).await;
        let dispute = third.dispute(shop).await;
        decide(shop, &dispute, "losing_evidence").await;
        third.is(shop, ["0", "0", "0"], (4_500, true)).await;
        // Many small refunds take what one of their sum takes, with everything spent before.
        let fourth = Bought::by(shop, "many").await;
        fourth.spend(shop, 500).await;
        for _ in 0..9 {
            fourth.refund(shop, 100).await;
        }
        fourth.is(shop, ["0", "0", "100"], (900, false)).await;
    })
    .await;
}

/// All of it happens before anybody is told, and then everything is told at once, backwards and twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_told_at_once_backwards_and_twice_ends_the_same() {
    in_each_shop(async |shop| {
        let told_late = Bought::by(shop, "late").await;
        let knobs = Knobs { duplicate: 1, delay_seconds: 30, reorder: true, ..Knobs::default() };
        shop.sandbox.set_knobs(knobs);
        told_late.refund(shop, 450).await;
        let dispute = told_late.dispute(shop).await;
        decide(shop, &dispute, "winning_evidence").await;
        told_late.refund(shop, 450).await;
        shop.wait_and_settle(PERIOD_SECONDS).await;
        told_late.is(shop, ["400", "0", "0"], (900, false)).await;
    })
    .await;
}
