//! What the gateway tells of the risk of payments reaches the risk rules: once, whatever the cards do.

use app::payments::signals::{PaymentSignal, since};
use gateways::{RiskLevel, SignKind};
use kernel::Timestamp;
use risk::signal::{PaymentKind, What};
use tests::shop::{Shop, in_each_shop};

async fn told(shop: &Shop) -> Vec<PaymentSignal> {
    since(&shop.app, None, Timestamp::MAX, 100).await.expect("a read")
}

#[tokio::test]
async fn every_attempt_warning_and_dispute_is_told_once() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        for card in [
            "4100000000000019",
            "4000000000000002",
            "4242424242424242",
            "4000000000009235",
            "4000000000005423",
            "4000000000000259",
        ] {
            let checkout = shop.checkout("c").await;
            shop.pay(&checkout, card).await;
            shop.wait_and_settle(5).await;
        }
        let signals = told(shop).await;
        let mut said: Vec<_> = signals.iter().map(|s| (s.kind.as_str(), s.risk_level)).collect();
        said.sort_unstable();
        let expected = [
            (SignKind::Disputed, None),
            (SignKind::Failed, Some(RiskLevel::Normal)),
            (SignKind::Failed, Some(RiskLevel::Highest)),
            (SignKind::Succeeded, Some(RiskLevel::Normal)),
            (SignKind::Succeeded, Some(RiskLevel::Normal)),
            (SignKind::Succeeded, Some(RiskLevel::Normal)),
            (SignKind::Succeeded, Some(RiskLevel::Elevated)),
            (SignKind::Warned, None),
        ];
        assert_eq!(said, expected.map(|(kind, level)| (kind.as_str(), level)));
        let charges = signals.iter().filter(|s| matches!(s.kind, SignKind::Succeeded | SignKind::Failed));
        let mut cards: Vec<_> = charges.map(|s| s.card.expect("a card")).collect();
        cards.sort_unstable();
        cards.dedup();
        assert_eq!(cards.len(), 6, "each card is one of its own");
        for signal in &signals {
            let What::Paid(payment) = signal.what() else { panic!("{signal:?}") };
            let is_bad_news = matches!(signal.kind, SignKind::Warned | SignKind::Disputed);
            assert_eq!(payment.kind == PaymentKind::Dispute, is_bad_news, "{signal:?}");
            assert!(payment.country_matches, "an unknown country counts as the right one");
            assert_eq!((payment.credits, signal.credits), (0, 500), "its grant says them");
        }

        // All events once more, and a page that goes on where the last one ended.
        for event in shop.events().await {
            let id = event["id"].as_str().expect("an id");
            shop.post(&format!("/v1/gateway-events/{id}/replay"), &serde_json::json!({})).await;
        }
        shop.settle().await;
        assert_eq!(told(shop).await, signals);
        let third = &signals[2];
        let after = Some((third.recorded_at, third.wallet, third.id.clone()));
        let rest = since(&shop.app, after, Timestamp::MAX, 100).await.expect("a read");
        assert_eq!(rest, signals[3..]);
        let none = since(&shop.app, None, signals[0].recorded_at, 100).await.expect("a read");
        assert_eq!(none, []);
    })
    .await;
}
