//! rules.md, "Idempotency": items of batches, and events.

use serde_json::{Value, json};
use tests::cards::OVERAGE;
use tests::test_app::{event, on_each_database, usage};

#[tokio::test]
async fn an_item_of_a_batch_has_the_batchs_key_and_its_index_and_is_hashed_as_if_sent_alone() {
    on_each_database(async |app| {
        app.funded("a", "10").await;
        app.funded("b", "10").await;
        // White space belongs to the item: its own JSON is what it would be alone.
        let items = [usage("a", 1).to_string(), format!("{{ {}", &usage("b", 2).to_string()[1..])];
        let batch = format!(r#"{{"items": [{}]}}"#, items.join(", "));
        let done = app.call("POST", "/v1/usage/batch").by(&app.key).key("b").raw_json(batch).send().await;
        let results = done.success(200)["results"].clone();
        for (i, item) in items.iter().enumerate() {
            let call = app.call("POST", "/v1/usage").by(&app.key).key(&format!("b/{i}"));
            let alone = call.raw_json(item.clone()).send().await;
            assert!(alone.is_replayed(), "{alone}");
            assert_eq!(alone.success(201), results[i]);
        }
        app.post_with("/v1/usage", "b/0", &usage("a", 3)).await.problem(422, "idempotency_key_reused");
        app.assert_wallet("a", ["9", "0", "0"]).await;
        app.assert_wallet("b", ["8", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_item_of_a_batch_may_bring_its_own_key() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let item = |key: &str, credits| {
            let mut item = usage("c", credits);
            item["idempotency_key"] = json!(key);
            item
        };
        let batch = |items: &[Value]| json!({"items": items});
        let first = app.post_with("/v1/usage/batch", "b1", &batch(&[item("mine", 1)])).await;
        let second =
            app.post_with("/v1/usage/batch", "b2", &batch(&[item("other", 2), item("mine", 1)])).await;
        assert_eq!(second.success(200)["results"][1], first.success(200)["results"][0]);
        let third = app.post_with("/v1/usage/batch", "b3", &batch(&[item("mine", 3)])).await.success(200);
        assert_eq!(third["results"][0]["code"], "idempotency_key_reused");
        for bad in ["", "a b", &"k".repeat(256)] {
            let refused = app.post("/v1/usage/batch", &batch(&[item(bad, 1)])).await.success(200);
            assert_eq!(refused["results"][0]["errors"][0]["field"], "items[0].idempotency_key", "{refused}");
        }
        app.assert_wallet("c", ["7", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_stores_nothing_itself_and_is_a_replay_only_if_all_its_items_are() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let batch =
            |credits: &[u64]| json!({"items": credits.iter().map(|n| usage("c", *n)).collect::<Vec<_>>()});
        let first = app.post_with("/v1/usage/batch", "b", &batch(&[1, 2])).await;
        assert!(!first.is_replayed());
        let again = app.post_with("/v1/usage/batch", "b", &batch(&[1, 2])).await;
        assert!(again.is_replayed(), "{again}");
        assert_eq!(again.body, first.body);
        let longer = app.post_with("/v1/usage/batch", "b", &batch(&[1, 2, 3])).await;
        assert!(!longer.is_replayed(), "{longer}");
        let results = longer.success(200)["results"].clone();
        assert_eq!(json!([results[0], results[1]]), first.document()["results"]);
        // Another item under the same index fails alone.
        let changed = app.post_with("/v1/usage/batch", "b", &batch(&[1, 9, 3])).await;
        assert!(!changed.is_replayed(), "{changed}");
        let changed = changed.success(200);
        assert_eq!((&changed["results"][0], &changed["results"][2]), (&results[0], &results[2]));
        assert_eq!(changed["results"][1]["status"], 422);
        app.assert_wallet("c", ["4", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_events_key_is_its_source_and_id_in_the_subjects_wallet_without_a_look_at_its_body() {
    on_each_database(async |app| {
        app.publish(OVERAGE).await;
        app.funded("a", "10").await;
        app.funded("b", "10").await;
        for seconds in [1, 1, 2] {
            app.report(&event("a", "1", "work.absorb", seconds)).await.success(204);
        }
        // Twice in one request, for somebody else, and from elsewhere.
        app.report(&json!([event("a", "2", "work.absorb", 2), event("a", "2", "work.absorb", 3)]))
            .await
            .success(204);
        app.report(&event("b", "1", "work.absorb", 4)).await.success(204);
        let mut elsewhere = event("a", "1", "work.absorb", 5);
        elsewhere["source"] = json!("elsewhere");
        app.report(&elsewhere).await.success(204);
        app.assert_wallet("a", ["2", "0", "0"]).await;
        app.assert_wallet("b", ["6", "0", "0"]).await;
        let later = app.restarted().await;
        later.report(&event("a", "1", "work.absorb", 1)).await.success(204);
        later.assert_wallet("a", ["2", "0", "0"]).await;
    })
    .await;
}
