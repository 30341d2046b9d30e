//! rules.md, "Idempotency": whose key is whose, within one wallet.

use serde_json::json;
use tests::cards::per_second;
use tests::test_app::{on_each_database, work};

/// The digest of `k` (SHA-256, by coreutils).
const DIGEST_OF_K: &str = "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a";

#[tokio::test]
async fn nobody_can_take_the_key_of_a_customers_own_call_or_of_an_operators_act() {
    on_each_database(async |app| {
        app.publish(&per_second(1)).await;
        app.funded("c", "10").await;
        let theirs = app.customers_key("c").await;
        let call = work("c", "work.do", 1);
        let customers = format!("customer-key/{DIGEST_OF_K}");
        for taken in [customers.as_str(), "console-019a2b3c4d5e6f708192a3b4c5d6e7f8"] {
            let grant = json!({"customer": "c", "credits": "1", "kind": "promo"});
            for (path, body) in [("/v1/usage", &call), ("/v1/holds", &call), ("/v1/grants", &grant)] {
                app.post_with(path, taken, body).await.names("Idempotency-Key");
            }
            let mut item = call.clone();
            item["idempotency_key"] = json!(taken);
            let batch = app.post("/v1/usage/batch", &json!({"items": [item]})).await.success(200);
            assert_eq!(batch["results"][0]["errors"][0]["field"], "items[0].idempotency_key", "{batch}");
        }
        let own = app.call("POST", "/v1/usage").by(&theirs).key("k").json(&call).send().await;
        own.success(201);
        assert!(!own.is_replayed(), "{own}");
        // What only looks alike is a caller's.
        for free in ["k", "customer-key/1", "console-7", &format!("{customers}0")] {
            let mine = app.post_with("/v1/usage", free, &call).await;
            mine.success(201);
            assert!(!mine.is_replayed(), "{mine}");
        }
        app.assert_wallet("c", ["5", "0", "0"]).await;
    })
    .await;
}
