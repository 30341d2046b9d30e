//! What reviewers taught speaks only after a day in shadow, and a night's step that fails keeps no other from its turn.

use std::sync::atomic::{AtomicUsize, Ordering};

use app::Principal;
use app::risk::models::{self, Model};
use risk::stored::taught_to_bytes;
use risk::training::{Judged, Row, Taught, teach};
use store::cold::risk::models as rows;
use tests::shop::{Shop, in_each_shop};

use crate::risk_models::{night, ordinary, replace_days, said, vectors, watching};

/// Reviewers who confirm whoever spent more than so much in a day.
fn taught(weight: f64) -> Taught {
    let judged = |row: Row| {
        let is_confirmed = row[1] > 2.0;
        Judged { row, score: 0.3, is_confirmed }
    };
    let verdicts: Vec<Judged> = vectors(400, ordinary).into_iter().map(judged).collect();
    let taught = teach(&verdicts).expect("a fit").expect("enough verdicts");
    assert!(taught.weight <= 0.4, "never more: {}", taught.weight);
    Taught { weight, ..taught }
}

static MADE: AtomicUsize = AtomicUsize::new(0);

async fn in_shadow(shop: &Shop, taught: &Taught) -> String {
    let id = format!("feedback-test-{}", MADE.fetch_add(1, Ordering::Relaxed));
    let row = rows::Model {
        id: id.clone(),
        kind: "feedback".to_owned(),
        state: rows::SHADOW.to_owned(),
        metrics: "{\"rows\":400}".to_owned(),
        created_at: shop.clock.now().micros(),
        promoted_at: None,
        bytes: taught_to_bytes(taught).expect("bytes"),
        rows: Vec::new(),
    };
    let txn = shop.app.store().write().await.expect("a transaction");
    assert!(rows::insert(&txn, row).await.expect("a row"));
    txn.commit().await.expect("a commit");
    id
}

async fn model(shop: &Shop, id: &str) -> Model {
    let list = models::list(&shop.app, &Principal::system()).await.expect("a list");
    list.into_iter().find(|model| model.id == id).expect("it is kept")
}

#[tokio::test]
async fn what_was_taught_is_watched_for_a_day_and_retired_when_it_would_flood_the_reviewers() {
    in_each_shop(async |shop| {
        watching(shop).await;
        replace_days(&shop.app, vectors(300, ordinary)).await;
        let loud = in_shadow(shop, &taught(0.9)).await;
        night(&shop.app, &shop.clock).await;
        let judged = model(shop, &loud).await;
        assert_eq!((judged.state.as_str(), judged.promoted_at), ("retired", None), "{judged:?}");
        let why = judged.metrics.retired_because.expect("a reason");
        assert!(why.contains("of 300 wallet-days to a reviewer"), "{why}");

        replace_days(&shop.app, vectors(300, ordinary)).await;
        let quiet = in_shadow(shop, &taught(0.4)).await;
        assert_eq!(model(shop, &quiet).await.state, "shadow");
        night(&shop.app, &shop.clock).await;
        let judged = model(shop, &quiet).await;
        assert_eq!((judged.state.as_str(), judged.metrics.retired_because), ("active", None));
    })
    .await;
}

#[tokio::test]
async fn a_step_that_fails_keeps_no_other_from_its_turn() {
    in_each_shop(async |shop| {
        watching(shop).await;
        replace_days(&shop.app, vectors(300, ordinary)).await;
        night(&shop.app, &shop.clock).await;
        let db = shop.app.store().reader();
        let shadow = async || rows::id_in(db, "ensemble", rows::SHADOW).await.expect("a read").expect("one");
        let broken = shadow().await;
        let txn = shop.app.store().write().await.expect("a transaction");
        rows::set_metrics(&txn, &broken, "no JSON".to_owned()).await.expect("it is written");
        txn.commit().await.expect("a commit");
        let quiet = in_shadow(shop, &taught(0.1)).await;
        replace_days(&shop.app, vectors(300, ordinary)).await;
        night(&shop.app, &shop.clock).await;
        assert_ne!(
            shadow().await,
            broken,
            "{}: a candidate was fitted: {}",
            shop.name,
            said(&shop.app).await
        );
        let state = rows::id_in(db, "feedback", rows::ACTIVE).await.expect("a read");
        assert_eq!(state.as_deref(), Some(quiet.as_str()), "{}: and what was taught speaks", shop.name);
    })
    .await;
}
