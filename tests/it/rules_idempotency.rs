//! rules.md, "Idempotency".

use futures::future::join_all;
use serde_json::{Value, json};
use tests::cards::{OVERAGE, card_with_plan, per_second};
use tests::test_app::{Reply, TestApp, on_each_database, text, usage, work};

/// A call with its key and what it was answered at first.
pub(crate) struct Called {
    path: String,
    key: String,
    body: Value,
    first: Reply,
}

#[tokio::test]
async fn the_same_key_and_body_get_the_first_answer_byte_for_byte_whatever_happened_since() {
    on_each_database(async |app| {
        let calls = every_kind_of_call(app).await;
        let wallet = app.wallet("c").await;
        for call in &calls {
            call.assert_replayed_by(app).await;
        }
        assert_eq!(app.wallet("c").await, wallet, "{}: a replay moves nothing", app.name);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_and_body_get_the_first_answer_also_after_a_restart_and_for_90_days() {
    on_each_database(async |app| {
        let calls = every_kind_of_call(app).await;
        let lines = app.postings("c").await.len();
        app.clock.advance_seconds(90 * 86_400);
        let later = app.restarted().await;
        for call in &calls {
            call.assert_replayed_by(&later).await;
        }
        // The open hold lapsed; nothing else is new.
        let new: Vec<Value> = later.postings("c").await.split_off(lines);
        assert!(new.iter().all(|line| line["kind"] == "lapse" && line["is_posted"] == false), "{new:?}");
    })
    .await;
}

#[tokio::test]
async fn another_body_or_path_under_the_same_key_is_a_422_and_changes_nothing() {
    on_each_database(async |app| {
        let calls = every_kind_of_call(app).await;
        let (wallet, lines) = (app.wallet("c").await, app.postings("c").await);
        for Called { path, key, body, .. } in calls.iter().filter(|call| call.path != "/v1/usage/batch") {
            // The hash is over the bytes: white space makes another body.
            let other = app.call("POST", path).by(&app.key).key(key).raw_json(format!("{body} "));
            other.send().await.problem(422, "idempotency_key_reused");
        }
        app.post_with(
            "/v1/grants",
            "key-of-usage",
            &json!({"customer": "c", "credits": "1", "kind": "promo"}),
        )
        .await
        .problem(422, "idempotency_key_reused");
        assert_eq!((app.wallet("c").await, app.postings("c").await), (wallet, lines));
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_not_stored_and_is_decided_anew() {
    on_each_database(async |app| {
        app.customer("c").await;
        let hold = json!({"customer": "c", "credits": "10"});
        for (path, body) in [("/v1/holds", &hold), ("/v1/usage", &usage("c", 10))] {
            for _ in 0..2 {
                app.post_with(path, path, body).await.problem(402, "insufficient_credits");
            }
        }
        // Not even the input of a refusal is kept: another body may follow under its key.
        app.grant("c", "30", &json!({})).await;
        let smaller = json!({"customer": "c", "credits": "9"});
        assert!(!app.post_with("/v1/holds", "/v1/holds", &smaller).await.is_replayed());
        app.post_with("/v1/usage", "/v1/usage", &usage("c", 10)).await.success(201);
        app.assert_wallet("c", ["11", "9", "0"]).await;

        let publish = "/v1/rate-cards/card_2/publish";
        app.post_with(publish, "p", &json!({})).await.problem(404, "not_found");
        app.post("/v1/rate-cards", &json!({"document": OVERAGE})).await.success(201);
        app.post_with(publish, "p", &json!({})).await.success(200);
    })
    .await;
}

#[tokio::test]
async fn a_key_of_a_credit_call_belongs_to_its_wallet_whoever_calls() {
    on_each_database(async |app| {
        app.funded("a", "10").await;
        app.funded("b", "10").await;
        let colleague = app.merchants_key(&["usage"]).await;
        let first = app.post_with("/v1/usage", "k", &usage("a", 1)).await;
        let theirs = app.call("POST", "/v1/usage").by(&colleague).key("k").json(&usage("a", 1)).send().await;
        assert!(theirs.is_replayed(), "{theirs}");
        assert_eq!(theirs.body, first.body);
        assert!(!app.post_with("/v1/usage", "k", &usage("b", 1)).await.is_replayed());
        let hold = json!({"customer": "a", "credits": "1"});
        app.post_with("/v1/holds", "k", &hold).await.problem(422, "idempotency_key_reused");
        app.assert_wallet("a", ["9", "0", "0"]).await;
        app.assert_wallet("b", ["9", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_key_of_another_call_belongs_to_its_owner_and_route() {
    on_each_database(async |app| {
        app.customer("c").await;
        let colleague = app.merchants_key(&["usage", "catalogue"]).await;
        let first = app.post_with("/v1/quotes", "k", &usage("c", 1)).await;
        let theirs = app.call("POST", "/v1/quotes").by(&colleague).key("k").json(&usage("c", 2)).send().await;
        assert!(!theirs.is_replayed(), "{theirs}");
        assert_ne!(theirs.success(201)["id"], first.success(201)["id"]);
        for document in [OVERAGE.to_owned(), per_second(1)] {
            app.post("/v1/rate-cards", &json!({"document": document})).await.success(201);
        }
        // Another route; and its paths are one route, told apart by the hash.
        app.post_with("/v1/rate-cards/card_2/publish", "k", &json!({})).await.success(200);
        let other_path = app.post_with("/v1/rate-cards/card_3/publish", "k", &json!({})).await;
        other_path.problem(422, "idempotency_key_reused");
    })
    .await;
}

#[tokio::test]
async fn only_what_needs_no_wallet_state_is_answered_before_the_key_is_looked_up() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let reader = app.merchants_key(&["read"]).await;
        let body = json!({"customer": "c", "credits": "10"});
        app.post_with("/v1/holds", "k", &body).await.success(201);
        let call = || app.call("POST", "/v1/holds").key("k");
        call().by(&app.key).raw_json("{").send().await.problem(400, "invalid_request");
        call().raw_json(body.to_string()).send().await.problem(401, "unauthenticated");
        call().by(&reader).json(&body).send().await.problem(403, "forbidden");
        call()
            .by(&app.key)
            .raw("text/plain", body.to_string())
            .send()
            .await
            .problem(415, "unsupported_media_type");
        let put = app.call("PUT", "/v1/holds").by(&app.key).key("k").json(&body);
        put.send().await.problem(405, "method_not_allowed");
        let long = call().by(&app.key).raw_json(" ".repeat(9 * 1024 * 1024));
        long.send().await.problem(413, "body_too_large");
        // The wallet is empty now, but that is asked after the key.
        let again = app.post_with("/v1/holds", "k", &body).await;
        assert!(again.status == 201 && again.is_replayed(), "{again}");
    })
    .await;
}

#[tokio::test]
async fn verdict_entitlement_concurrency_and_price_are_judged_after_the_key() {
    on_each_database(async |app| {
        app.publish(&per_second(1)).await;
        app.funded("c", "10").await;
        let calls = [
            ("/v1/holds", "h", work("c", "work.do", 1)),
            ("/v1/usage", "u", work("c", "work.do", 2)),
            ("/v1/quotes", "q", work("c", "work.do", 3)),
        ];
        let mut first = Vec::new();
        for (path, key, body) in &calls {
            first.push(app.post_with(path, key, body).await);
        }
        // One open hold is all that the plan allows, the model is entitled no more, and then it is gone.
        let model = "rates = [{ driver = \"seconds\", credits = 1 }]\n[features.other]\nname = \"Other\"\n\
                     [features.other.models.m]\nrates = [{ driver = \"seconds\", credits = 1 }]";
        let denying = card_with_plan("0.000001", model, "entitles = [\"other/*\"]\nmax_open_holds = 1");
        for (document, refused) in [(denying, "not_entitled"), (OVERAGE.to_owned(), "invalid_request")] {
            app.publish(&document).await;
            for ((path, key, body), first) in calls.iter().zip(&first) {
                let again = app.post_with(path, key, body).await;
                assert!(again.is_replayed(), "{again}");
                assert_eq!(again.body, first.body, "{again}");
            }
            let fresh = app.post("/v1/usage", &calls[1].2).await.any_problem();
            assert_eq!(fresh["code"], refused, "{fresh}");
        }
    })
    .await;
}

#[tokio::test]
async fn whether_a_quote_is_valid_is_judged_after_the_key() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let quote = text(&app.post("/v1/quotes", &usage("c", 1)).await.success(201), "/id");
        let body = json!({"customer": "c", "quote": quote});
        let first = app.post_with("/v1/holds", "k", &body).await;
        first.success(201);
        app.clock.advance_seconds(100_000);
        let again = app.post_with("/v1/holds", "k", &body).await;
        assert!(again.is_replayed(), "{again}");
        assert_eq!(again.body, first.body);
        app.post("/v1/holds", &body).await.problem(400, "quote_expired");
    })
    .await;
}

#[tokio::test]
async fn a_duplicate_in_flight_waits_for_the_first_answer() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        let customer =
            json!({"external_id": "d", "kind": "individual", "name": "D", "email": "d@example.com"});
        let calls = [
            ("/v1/usage", usage("c", 5)),
            ("/v1/holds", json!({"customer": "c", "credits": "5"})),
            ("/v1/quotes", usage("c", 5)),
            ("/v1/customers", customer),
        ];
        for (path, body) in &calls {
            let replies = join_all((0..16).map(|_| app.post_with(path, path, body))).await;
            assert!(
                replies.iter().all(|reply| reply.status == 201 && reply.body == replies[0].body),
                "{replies:?}"
            );
            let firsts = replies.iter().filter(|reply| !reply.is_replayed()).count();
            assert_eq!(firsts, 1, "{path}");
        }
        app.assert_wallet("c", ["90", "5", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_vendor_transaction_is_unique_for_ever_in_its_wallet() {
    on_each_database(async |app| {
        app.publish(&per_second(1)).await;
        app.funded("a", "20").await;
        app.funded("b", "20").await;
        let call = |customer: &str| {
            let mut call = work(customer, "work.do", 1);
            call["vendor_transaction"] = json!("v-1");
            call
        };
        let first = app.post_with("/v1/usage", "k", &call("a")).await;
        let receipt = text(&first.success(201), "/id");
        assert_eq!(first.document()["vendor_transaction"], "v-1");
        assert!(app.post_with("/v1/usage", "k", &call("a")).await.is_replayed());
        app.post("/v1/usage", &call("a")).await.problem(400, "vendor_transaction_taken");
        app.post("/v1/usage", &call("b")).await.success(201);
        let hold = text(&app.hold("a", "5").await, "/id");
        let capture = json!({"credits": "1", "vendor_transaction": "v-1"});
        let path = format!("/v1/holds/{hold}/capture");
        app.post(&path, &capture).await.problem(400, "vendor_transaction_taken");
        app.post(&path, &json!({"credits": "1", "vendor_transaction": "v-2"})).await.success(200);
        app.post(&format!("/v1/receipts/{receipt}/reverse"), &json!({})).await.success(201);
        app.clock.advance_seconds(400 * 86_400);
        let later = app.restarted().await;
        later.post("/v1/usage", &call("a")).await.problem(400, "vendor_transaction_taken");
        later.assert_wallet("a", ["19", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_key_is_required_where_credits_move_and_taken_elsewhere() {
    on_each_database(async |app| {
        for Called { path, body, .. } in every_kind_of_call(app).await {
            let moves = ["/v1/grants", "/v1/holds", "/v1/usage"].iter().any(|start| path.starts_with(start))
                || path.ends_with("/reverse");
            let reply = app.call("POST", &path).by(&app.key).json(&body).send().await;
            if moves {
                reply.problem(400, "idempotency_key_required");
            } else {
                assert_ne!(reply.document()["code"], "idempotency_key_required", "{reply}");
            }
            for bad in ["", "with space", &"k".repeat(256)] {
                let reply = app.call("POST", &path).by(&app.key).key(bad).json(&body).send().await;
                reply.names("Idempotency-Key");
            }
        }
    })
    .await;
}

/// One success of every route, on a customer `c`.
pub(crate) async fn every_kind_of_call(app: &TestApp) -> Vec<Called> {
    let mut calls = Vec::new();
    let mut call = async |path: &str, body: Value| {
        let key = format!("key-{}", calls.len());
        let key = if path == "/v1/usage" { "key-of-usage".to_owned() } else { key };
        let first = app.post_with(path, &key, &body).await;
        assert!((200..300).contains(&first.status) && !first.is_replayed(), "{first}");
        let answer = first.document();
        calls.push(Called { path: path.to_owned(), key, body, first });
        answer
    };
    let id = |answer: Value| text(&answer, "/id");
    call(
        "/v1/customers",
        json!({"external_id": "c", "kind": "individual", "name": "C", "email": "c@example.com"}),
    )
    .await;
    let card = id(call("/v1/rate-cards", json!({"document": catalog::DEMO})).await);
    call(&format!("/v1/rate-cards/{card}/publish"), json!({})).await;
    let grant = |credits: &str| json!({"customer": "c", "credits": credits, "kind": "promo"});
    call("/v1/grants", grant("100")).await;
    let second = id(call("/v1/grants", grant("50")).await);
    call(&format!("/v1/grants/{second}/void"), json!({})).await;
    let quote = id(call("/v1/quotes", usage("c", 4)).await);
    let hold = id(call("/v1/holds", json!({"customer": "c", "quote": quote})).await);
    call(&format!("/v1/holds/{hold}/extend"), json!({"credits": "2", "ttl_seconds": 1_000})).await;
    let partly = json!({"quantities": {"input_tokens": 200}, "final": false});
    call(&format!("/v1/holds/{hold}/capture"), partly).await;
    call(&format!("/v1/holds/{hold}/capture"), json!({"quantities": {"input_tokens": 400}})).await;
    let work = id(call("/v1/holds", usage("c", 3)).await);
    call(&format!("/v1/holds/{work}/void"), json!({})).await;
    call("/v1/holds", json!({"customer": "c", "credits": "7"})).await;
    let receipt = id(call("/v1/usage", usage("c", 5)).await);
    call("/v1/usage/batch", json!({"items": [usage("c", 1), usage("c", 2)]})).await;
    call(&format!("/v1/receipts/{receipt}/deliveries"), json!({})).await;
    call(&format!("/v1/receipts/{receipt}/reverse"), json!({})).await;
    calls
}

impl Called {
    pub(crate) async fn assert_replayed_by(&self, app: &TestApp) {
        let again = app.post_with(&self.path, &self.key, &self.body).await;
        assert_eq!(
            (again.status, &again.body),
            (self.first.status, &self.first.body),
            "{again}\n{}",
            self.first
        );
        assert!(again.is_replayed(), "{again}");
    }
}
