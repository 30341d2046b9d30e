//! Every order and every duplicate of a purchase's events ends in the same facts and the same credits.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

use billing::{
    BillingError, Change, Checkout, CheckoutRef, CheckoutState, Dispute, DisputeRef, DisputeState, Effect,
    Payment, PaymentRef, PaymentState, Progress, Purchase, Refund, RefundRef, RefundState, Report, Terms,
    observe,
};
use kernel::{Credits, Currency, Money, Timestamp};
use proptest::prelude::*;

const PRICE_MINOR: i64 = 4_500;
const CREDITS: Credits = Credits::whole(500);

fn usd(amount: i64) -> Money {
    Money { amount, currency: Currency::USD }
}

fn paid_at() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().expect("an instant")
}

fn purchase() -> Purchase {
    let terms = Terms {
        reference: "chk_1".to_owned(),
        credits: CREDITS,
        price: usd(PRICE_MINOR),
        expires_after_months: 12,
    };
    Purchase::new(terms)
}

fn checkout(state: CheckoutState, has_payment: bool) -> Checkout {
    Checkout {
        id: CheckoutRef("cs_1".to_owned()),
        reference: Some("chk_1".to_owned()),
        url: None,
        state,
        payment: has_payment.then(|| PaymentRef("pi_1".to_owned())),
        amount: usd(PRICE_MINOR),
        created: Timestamp::EPOCH,
        metadata: Default::default(),
    }
}

fn payment(state: PaymentState) -> Payment {
    Payment {
        id: PaymentRef("pi_1".to_owned()),
        reference: Some("chk_1".to_owned()),
        state,
        amount: usd(PRICE_MINOR),
        refunds: Vec::new(),
        disputes: Vec::new(),
        metadata: Default::default(),
    }
}

fn succeeded() -> Payment {
    payment(PaymentState::Succeeded { paid_at: paid_at() })
}

fn refunded(refunds: &[(&str, i64, RefundState)]) -> Payment {
    let mut payment = succeeded();
    for (id, amount_minor, state) in refunds {
        let refund = Refund { id: RefundRef((*id).to_owned()), amount_minor: *amount_minor, state: *state };
        payment.refunds.push(refund);
    }
    payment
}

fn disputed(mut payment: Payment, state: DisputeState) -> Payment {
    let id = DisputeRef("dp_1".to_owned());
    payment.disputes.push(Dispute { id, amount_minor: PRICE_MINOR, state });
    payment
}

fn of_checkout(checkout: Checkout) -> Report {
    Report { checkout: Some(checkout), payment: None }
}

fn of_payment(payment: Payment) -> Report {
    Report { checkout: None, payment: Some(payment) }
}

fn both(checkout: Checkout, payment: Payment) -> Report {
    Report { checkout: Some(checkout), payment: Some(payment) }
}

/// A wallet that knows each key once, as the engine does.
#[derive(Default)]
struct Wallet {
    keys: Vec<String>,
    granted: Credits,
    taken: i64,
    grants: u32,
}

impl Wallet {
    fn apply(&mut self, effect: &Effect) {
        let (key, delta) = match effect {
            Effect::Grant { key, credits, .. } => {
                self.grants += 1;
                self.granted = *credits;
                (key, 0)
            }
            Effect::Clawback { key, credits, .. } => (key, credits.micros()),
            Effect::Restore { key, credits, .. } => (key, -credits.micros()),
        };
        assert!(!self.keys.contains(key), "{key} twice");
        self.keys.push(key.clone());
        self.taken += delta;
        assert!((0..=self.granted.micros()).contains(&self.taken), "over-deducted: {}", self.taken);
    }
}

fn play(reports: &[Report]) -> (Purchase, Wallet) {
    let (mut state, mut wallet) = (purchase(), Wallet::default());
    for report in reports {
        let Change { purchase, effects } = observe(&state, report).expect("a report of this purchase");
        effects.iter().for_each(|effect| wallet.apply(effect));
        state = purchase;
    }
    (state, wallet)
}

/// The reads behind: payment_intent.created, payment_intent.payment_failed, charge.failed,
/// payment_intent.succeeded, charge.succeeded, checkout.session.completed, async_payment_succeeded,
/// refund.created, charge.refunded twice, dispute created, closed; each as old as its event.
fn life_cycle() -> Vec<Report> {
    let declined = payment(PaymentState::Failed { reason: "card_declined".to_owned() });
    let first = ("re_1", 1_000, RefundState::Pending);
    let first_done = ("re_1", 1_000, RefundState::Succeeded);
    let second = ("re_2", 777, RefundState::Succeeded);
    vec![
        of_checkout(checkout(CheckoutState::Open, false)),
        of_payment(payment(PaymentState::Pending)),
        both(checkout(CheckoutState::Open, true), declined),
        both(checkout(CheckoutState::Processing, true), payment(PaymentState::Pending)),
        of_payment(succeeded()),
        both(checkout(CheckoutState::Paid, true), succeeded()),
        of_checkout(checkout(CheckoutState::Paid, true)),
        of_payment(refunded(&[first])),
        of_payment(refunded(&[first_done])),
        of_payment(disputed(refunded(&[first_done]), DisputeState::Open)),
        of_payment(disputed(refunded(&[first_done, second]), DisputeState::Open)),
        of_payment(disputed(refunded(&[first_done, second]), DisputeState::Won)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn all_orders_and_duplicates_of_one_life_cycle_end_in_the_same_state(
        order in proptest::collection::vec(0usize..12, 0..40),
        shuffled in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let reads = life_cycle();
        let (expected, _) = play(&reads);
        // Any noise first, then every read once in any order, as with late and doubled webhooks.
        let told: Vec<Report> = order.iter().chain(&shuffled).map(|i| reads[*i].clone()).collect();
        let (state, wallet) = play(&told);
        prop_assert_eq!(wallet.grants, 1);
        prop_assert_eq!(wallet.granted, CREDITS);
        prop_assert_eq!(wallet.taken, state.clawed_back.micros());
        prop_assert_eq!(state.clawed_back, expected.clawed_back);
        prop_assert_eq!(state.returned_minor(), 1_777);
        prop_assert_eq!((state.state, state.paid_at), (expected.state, expected.paid_at));
    }

    #[test]
    fn partial_refunds_take_back_what_one_refund_of_their_sum_takes_back(
        amounts in proptest::collection::vec(1i64..900, 1..12),
    ) {
        let mut refunds: Vec<(String, i64)> = Vec::new();
        let mut reports = vec![of_payment(succeeded())];
        for (i, amount) in amounts.iter().enumerate() {
            refunds.push((format!("re_{i}"), *amount));
            let all: Vec<_> =
                refunds.iter().map(|(id, a)| (id.as_str(), *a, RefundState::Succeeded)).collect();
            reports.push(of_payment(refunded(&all)));
        }
        let (_, wallet) = play(&reports);
        let sum: i64 = amounts.iter().sum::<i64>().min(PRICE_MINOR);
        let (_, once) = play(&[of_payment(refunded(&[("re", sum, RefundState::Succeeded)]))]);
        prop_assert_eq!(wallet.taken, once.taken);
        if sum == PRICE_MINOR {
            prop_assert_eq!(wallet.taken, CREDITS.micros());
        }
    }
}

#[test]
fn every_event_five_times_credits_once() {
    let reads = life_cycle();
    let told: Vec<Report> = (0..5).flat_map(|_| reads.clone()).collect();
    let (_, wallet) = play(&told);
    assert_eq!(wallet.grants, 1);
}

#[test]
fn a_grant_is_named_by_its_payment_and_lives_from_the_payment_on() {
    let change = observe(&purchase(), &of_payment(succeeded())).expect("ours");
    let expires_at = "2027-01-31T12:00:00Z".parse().expect("an instant");
    let grant =
        Effect::Grant { key: "pi_1/grant".to_owned(), credits: CREDITS, paid: usd(PRICE_MINOR), expires_at };
    assert_eq!(change.effects, vec![grant]);
    assert_eq!(change.purchase.progress(), Progress::Done { credits: CREDITS });
}

#[test]
fn a_checkout_alone_grants_nothing() {
    let change = observe(&purchase(), &of_checkout(checkout(CheckoutState::Paid, true))).expect("ours");
    assert_eq!(change.effects, vec![]);
    assert_eq!(change.purchase.payment, Some(PaymentRef("pi_1".to_owned())), "which payment to read");
    assert_eq!(change.purchase.progress(), Progress::Waiting);
}

#[test]
fn money_that_comes_after_the_checkout_failed_or_expired_still_counts() {
    let failed = CheckoutState::Failed { reason: "the bank refused".to_owned() };
    for state in [failed, CheckoutState::Expired] {
        let (purchase, _) = play(&[of_checkout(checkout(state.clone(), true))]);
        assert_ne!(purchase.progress(), Progress::Waiting);
        let (purchase, wallet) = play(&[of_checkout(checkout(state, true)), of_payment(succeeded())]);
        assert_eq!((wallet.grants, purchase.state), (1, CheckoutState::Paid));
    }
}

#[test]
fn a_dispute_takes_all_and_a_won_one_gives_back_what_no_refund_took() {
    let opened = of_payment(disputed(succeeded(), DisputeState::Open));
    let (state, wallet) = play(&[of_payment(succeeded()), opened.clone()]);
    assert!(state.is_disputed());
    assert_eq!(wallet.taken, CREDITS.micros());

    let won = of_payment(disputed(succeeded(), DisputeState::Won));
    assert_eq!(play(&[of_payment(succeeded()), opened.clone(), won.clone()]).1.taken, 0);

    let refund = [("re_1", PRICE_MINOR / 2, RefundState::Succeeded)];
    let then_refunded = of_payment(disputed(refunded(&refund), DisputeState::Won));
    let reports = [of_payment(succeeded()), opened.clone(), won, then_refunded];
    assert_eq!(play(&reports).1.taken, CREDITS.micros() / 2);

    let lost = of_payment(disputed(succeeded(), DisputeState::Lost));
    assert_eq!(play(&[of_payment(succeeded()), opened, lost]).1.taken, CREDITS.micros());
}

#[test]
fn an_inquiry_takes_nothing_and_a_failed_refund_gives_back() {
    let asked = of_payment(disputed(succeeded(), DisputeState::Inquiry));
    assert_eq!(play(&[of_payment(succeeded()), asked]).1.taken, 0);
    let pending = of_payment(refunded(&[("re_1", 900, RefundState::Pending)]));
    let failed = of_payment(refunded(&[("re_1", 900, RefundState::Failed)]));
    assert_eq!(play(std::slice::from_ref(&pending)).1.taken, CREDITS.micros() / 5);
    assert_eq!(play(&[pending.clone(), failed.clone()]).1.taken, 0);
    assert_eq!(play(&[failed, pending]).1.taken, 0, "an older read changes nothing");
}

#[test]
fn another_amount_currency_or_purchase_is_an_error_and_changes_nothing() {
    for got in [usd(PRICE_MINOR - 1), Money { amount: PRICE_MINOR, currency: "eur".parse().expect("eur") }] {
        let payment = Payment { amount: got, ..succeeded() };
        let error = observe(&purchase(), &of_payment(payment)).expect_err("not what was agreed");
        assert!(matches!(error, BillingError::WrongAmount { .. }), "{error}");
    }
    let theirs = Payment { reference: Some("chk_2".to_owned()), ..succeeded() };
    assert!(matches!(observe(&purchase(), &of_payment(theirs)), Err(BillingError::Foreign { .. })));
    let (known, _) = play(&[of_payment(succeeded())]);
    let second = Payment { id: PaymentRef("pi_2".to_owned()), ..succeeded() };
    assert!(matches!(observe(&known, &of_payment(second)), Err(BillingError::Foreign { .. })));
}

#[test]
fn a_stored_purchase_reads_back() {
    let (state, _) = play(&life_cycle());
    let text = serde_json::to_string(&state).expect("plain data");
    assert_eq!(serde_json::from_str::<Purchase>(&text).expect("what we wrote"), state);
}
