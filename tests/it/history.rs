//! A random life of the customer `c`: use, purchases, refunds, disputes, corrections. It counts by itself
//! what each command did, from what was asked and what the wallet was before and after.

use std::collections::BTreeSet;

use app::accounts::Session;
use app::audit::Act;
use app::corrections::{Adjustment, adjust};
use app::{AppError, CustomerRef, Principal, customers};
use kernel::{Credits, CustomerId, new_uuid};
use serde_json::{Value, json};
use tests::random::SplitMix64;
use tests::shop::{SUCCESS, Shop, operator};

pub const DAY_SECONDS: i64 = 86_400;
/// `pack_500` costs 45.00 USD: a credit is nine cents.
const MINOR_PER_CREDIT: i64 = 9;
const PACK_CREDITS: i64 = 500;
/// Longer than a piece of work waits for another.
const LATER_SECONDS: i64 = 5;
const CREDIT: i64 = Credits::whole(1).micros();
/// Kinds of steps, by how often each is taken.
const STEPS: [Step; 16] = [
    Step::Grant,
    Step::Grant,
    Step::Hold,
    Step::Hold,
    Step::Capture,
    Step::Capture,
    Step::VoidHold,
    Step::Reverse,
    Step::VoidGrant,
    Step::Use,
    Step::Use,
    Step::Buy,
    Step::Refund,
    Step::Dispute,
    Step::Decide,
    Step::Adjust,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Grant,
    Hold,
    Capture,
    VoidHold,
    Reverse,
    VoidGrant,
    Use,
    Buy,
    Refund,
    Dispute,
    Decide,
    Adjust,
}

/// In micro-credits, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Grants, purchases, what operators added and what came back after a dispute that was won.
    pub granted: i64,
    /// Charged, whatever happened to the charge later.
    pub used: i64,
    /// Everything else, what time has taken included.
    pub others: i64,
}

/// A payment of 45.00 USD.
struct Purchase {
    payment: String,
    left_credits: i64,
    /// While the bank decides.
    dispute: Option<String>,
}

pub struct History<'s> {
    shop: &'s Shop,
    operator: Session,
    customer: CustomerId,
    receipts: Vec<String>,
    holds: Vec<String>,
    grants: Vec<String>,
    purchases: Vec<Purchase>,
    /// Available + held - debt after the last step.
    total: i64,
    counted: Counted,
    taken: BTreeSet<Step>,
}

impl History<'_> {
    /// Of `c`, who has nothing yet.
    pub async fn of(shop: &Shop) -> History<'_> {
        let operator = operator(&shop.app, "Olga", "olga@example.com", "correct horse battery").await.session;
        let customer = customers::get(&shop.app, &Principal::system(), &CustomerRef::from("c")).await;
        History {
            shop,
            operator,
            customer: customer.expect("the customer").id,
            receipts: Vec::new(),
            holds: Vec::new(),
            grants: Vec::new(),
            purchases: Vec::new(),
            total: 0,
            counted: Counted::default(),
            taken: BTreeSet::new(),
        }
    }

    /// One command of any kind; a refusal is an answer, too.
    pub async fn step(&mut self, random: &mut SplitMix64) {
        self.shop.clock.advance_seconds(random.amount(3 * DAY_SECONDS));
        self.look().await;
        let step = STEPS[random.below(STEPS.len())];
        match step {
            Step::Grant => self.grant(random).await,
            Step::Hold => self.hold(random).await,
            Step::Capture => self.capture(random).await,
            Step::VoidHold => self.void_hold(random).await,
            Step::Reverse => self.reverse(random).await,
            Step::VoidGrant => self.void_grant(random).await,
            Step::Use => self.use_some(random).await,
            Step::Buy => self.buy().await,
            Step::Refund => self.refund(random).await,
            Step::Dispute => self.dispute(random).await,
            Step::Decide => self.decide(random).await,
            Step::Adjust => self.adjust(random).await,
        }
        self.look().await;
    }

    /// What it counted; with what time has taken until now.
    pub async fn counted(&mut self) -> Counted {
        self.look().await;
        self.counted
    }

    /// Whether money came, went back, was fought over and won, and an operator gave and took.
    pub fn had_everything(&self) -> bool {
        [Step::Buy, Step::Refund, Step::Dispute, Step::Decide, Step::Adjust]
            .iter()
            .all(|step| self.taken.contains(step))
    }

    /// Counts what nobody has counted yet.
    async fn look(&mut self) {
        let total = total(self.shop).await;
        self.counted.others += total - self.total;
        self.total = total;
    }

    /// The last command gave or took exactly this.
    async fn moved(&mut self, step: Step, credits: i64) {
        let total = total(self.shop).await;
        let moved = total - self.total;
        assert_eq!(moved, credits * CREDIT, "{}: {step:?}", self.shop.name);
        self.taken.insert(step);
        self.total = total;
        if credits > 0 {
            self.counted.granted += moved;
        } else {
            self.counted.others += moved;
        }
    }

    async fn grant(&mut self, random: &mut SplitMix64) {
        let credits = random.amount(40);
        let expires_at = self.shop.clock.now().plus_seconds(random.amount(40 * DAY_SECONDS)).to_string();
        let grant = json!({
            "customer": "c", "credits": credits.to_string(), "kind": "promo", "expires_at": expires_at,
        });
        let id = self.post("/v1/grants", grant).await.expect("a grant");
        self.grants.push(id);
        self.moved(Step::Grant, credits).await;
    }

    async fn hold(&mut self, random: &mut SplitMix64) {
        let (credits, ttl) = (random.amount(40).to_string(), random.amount(DAY_SECONDS));
        let hold = json!({"customer": "c", "credits": credits, "ttl_seconds": ttl});
        let id = self.post("/v1/holds", hold).await;
        self.holds.extend(id);
    }

    async fn capture(&mut self, random: &mut SplitMix64) {
        let Some(hold) = pick(&mut self.holds, random) else { return };
        let credits = random.amount(40).to_string();
        let id = self.post(&format!("/v1/holds/{hold}/capture"), json!({"credits": credits})).await;
        self.charged(id).await;
    }

    async fn void_hold(&mut self, random: &mut SplitMix64) {
        let Some(hold) = pick(&mut self.holds, random) else { return };
        self.post(&format!("/v1/holds/{hold}/void"), json!({})).await;
    }

    async fn reverse(&mut self, random: &mut SplitMix64) {
        let Some(receipt) = pick(&mut self.receipts, random) else { return };
        self.post(&format!("/v1/receipts/{receipt}/reverse"), json!({})).await;
    }

    async fn void_grant(&mut self, random: &mut SplitMix64) {
        let Some(grant) = pick(&mut self.grants, random) else { return };
        self.post(&format!("/v1/grants/{grant}/void"), json!({})).await;
    }

    async fn use_some(&mut self, random: &mut SplitMix64) {
        let work = json!({
            "customer": "c", "feature": "video.render", "model": "standard",
            "quantities": {"seconds": random.amount(60)},
        });
        let id = self.post("/v1/usage", work).await;
        self.charged(id).await;
    }

    /// What the receipt says was charged; a hold may give back the rest, which may expire at once.
    async fn charged(&mut self, receipt: Option<String>) {
        let Some(receipt) = receipt else { return };
        let shown = self.shop.get(&format!("/v1/receipts/{receipt}")).await.document();
        let charged = micros(&shown["credits"]);
        self.counted.used += charged;
        self.total -= charged;
        self.receipts.push(receipt);
    }

    async fn buy(&mut self) {
        let opened = self.shop.checkout("c").await;
        self.shop.pay(&opened, SUCCESS).await;
        settle(self.shop).await;
        let checkout = format!("/v1/checkouts/{}", opened["id"].as_str().expect("an id"));
        let paid = self.shop.get(&checkout).await.document();
        let payment = paid["payment"].as_str().expect("it is paid").to_owned();
        self.purchases.push(Purchase { payment, left_credits: PACK_CREDITS, dispute: None });
        self.moved(Step::Buy, PACK_CREDITS).await;
    }

    async fn refund(&mut self, random: &mut SplitMix64) {
        let Some(purchase) = undisputed(&mut self.purchases, random) else { return };
        let credits = random.amount(purchase.left_credits);
        purchase.left_credits -= credits;
        let form = format!("payment_intent={}&amount={}", purchase.payment, credits * MINOR_PER_CREDIT);
        self.shop.at_gateway("POST", "/v1/refunds", &form).await;
        settle(self.shop).await;
        self.moved(Step::Refund, -credits).await;
    }

    async fn dispute(&mut self, random: &mut SplitMix64) {
        let Some(purchase) = undisputed(&mut self.purchases, random) else { return };
        let body = json!({"payment_intent": purchase.payment}).to_string();
        let dispute = self.shop.at_gateway("POST", "/_disputes", &body).await;
        purchase.dispute = Some(format!("/v1/disputes/{}", dispute["id"].as_str().expect("an id")));
        let credits = purchase.left_credits;
        settle(self.shop).await;
        self.moved(Step::Dispute, -credits).await;
    }

    async fn decide(&mut self, random: &mut SplitMix64) {
        let Some(at) = self.purchases.iter().position(|purchase| purchase.dispute.is_some()) else { return };
        let is_won = random.below(3) > 0;
        let purchase = &mut self.purchases[at];
        let dispute = purchase.dispute.take().expect("it is disputed");
        let given_back = if is_won { purchase.left_credits } else { 0 };
        // The bank hears of a payment once.
        self.purchases.remove(at);
        let evidence = if is_won { "winning_evidence" } else { "losing_evidence" };
        let form = format!("evidence[uncategorized_text]={evidence}&submit=true");
        self.shop.at_gateway("POST", &dispute, &form).await;
        settle(self.shop).await;
        self.moved(Step::Decide, given_back).await;
    }

    async fn adjust(&mut self, random: &mut SplitMix64) {
        let (sign, adjustment) = match pick(&mut self.grants, random) {
            Some(grant) if random.below(2) == 0 => {
                self.grants.push(grant.clone());
                let (credits, grant) = (random.amount(10), grant.parse().expect("the id of a grant"));
                (-credits, Adjustment::Take { credits: Credits::whole(credits), grant })
            }
            _ => {
                let credits = random.amount(10);
                (credits, Adjustment::Add { credits: Credits::whole(credits) })
            }
        };
        let act = Act { id: new_uuid(), reason: "the random history".to_owned() };
        match adjust(&self.shop.app, &self.operator, self.customer, &act, adjustment).await {
            Ok(()) => self.moved(Step::Adjust, sign).await,
            // More than the lot still has.
            Err(AppError::Invalid { .. }) => {}
            Err(error) => panic!("{}: {error}", self.shop.name),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Option<String> {
        let answer = self.shop.post(path, &body).await;
        assert!(answer.status < 500, "{path}: {answer:?}");
        (answer.status < 300).then(|| answer.document()["id"].as_str().unwrap_or_default().to_owned())
    }
}

/// Some purchase of which there is something left and which nobody fights over.
fn undisputed<'p>(purchases: &'p mut [Purchase], random: &mut SplitMix64) -> Option<&'p mut Purchase> {
    let mut open: Vec<&mut Purchase> =
        purchases.iter_mut().filter(|p| p.dispute.is_none() && p.left_credits > 0).collect();
    (!open.is_empty()).then(|| open.swap_remove(random.below(open.len())))
}

async fn settle(shop: &Shop) {
    shop.settle().await;
    shop.wait_and_settle(LATER_SECONDS).await;
}

/// Available + held - debt as the API tells it.
async fn total(shop: &Shop) -> i64 {
    let wallet = shop.get("/v1/customers/c/wallet").await.document();
    micros(&wallet["available"]) + micros(&wallet["held"]) - micros(&wallet["debt"])
}

fn micros(credits: &Value) -> i64 {
    credits.as_str().and_then(|text| text.parse::<Credits>().ok()).expect("credits").micros()
}

fn pick(from: &mut Vec<String>, random: &mut SplitMix64) -> Option<String> {
    (!from.is_empty()).then(|| from.swap_remove(random.below(from.len())))
}
