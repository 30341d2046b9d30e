//! contract.md, "HTTP API": lists and query parameters; rules.md, "Errors".

use serde_json::{Value, json};
use tests::cards::OVERAGE;
use tests::test_app::{on_each_database, text, usage};

#[tokio::test]
async fn an_unknown_repeated_or_malformed_query_parameter_is_a_400_that_names_it() {
    on_each_database(async |app| {
        for path in [
            "/v1/customers",
            "/v1/customers/demo",
            "/v1/customers/demo/wallet",
            "/v1/customers/demo/postings",
            "/v1/features",
            "/v1/packs",
            "/v1/plans",
            "/v1/rate-cards",
            "/v1/rate-cards/card_1",
        ] {
            app.get(path).await.success(200);
            app.get(&format!("{path}?colour=red")).await.names("colour");
            app.get(&format!("{path}?Limit=1")).await.names("Limit");
        }
        for list in ["/v1/customers", "/v1/customers/demo/postings", "/v1/features", "/v1/rate-cards"] {
            for limit in ["0", "101", "-1", "x", "", "1.5", "99999999999999999999"] {
                app.get(&format!("{list}?limit={limit}")).await.names("limit");
            }
            app.get(&format!("{list}?limit=1&limit=2")).await.names("limit");
            for cursor in ["x", "1.x", "cus_1", "%00"] {
                app.get(&format!("{list}?cursor={cursor}")).await.names("cursor");
            }
        }
        for as_of in ["yesterday", "", "2026-13-01T00:00:00Z"] {
            app.get(&format!("/v1/customers/demo/wallet?as_of={as_of}")).await.names("as_of");
        }
        app.post("/v1/usage?dry_run=1", &usage("demo", 1)).await.names("dry_run");
    })
    .await;
}

#[tokio::test]
async fn the_pages_of_a_list_hold_every_posting_once_also_while_new_ones_arrive() {
    on_each_database(async |app| {
        app.customer("c").await;
        app.grant("c", "50", &json!({})).await;
        app.grant("c", "50", &json!({"priority": 1})).await;
        for _ in 0..4 {
            app.use_credits("c", 20).await; // the third is a line for each lot
        }
        let all = keys(&app.pages("/v1/customers/c/postings", 100).await);
        assert_eq!(all, [(6, 0), (5, 1), (5, 0), (4, 0), (3, 0), (2, 0), (1, 0)]);
        for limit in 1..=8 {
            assert_eq!(keys(&app.pages("/v1/customers/c/postings", limit).await), all, "{limit} a page");
        }
        let first = app.get("/v1/customers/c/postings?limit=3").await.success(200);
        app.use_credits("c", 1).await;
        app.hold("c", "1").await;
        let path = format!("/v1/customers/c/postings?limit=100&cursor={}", text(&first, "/next_cursor"));
        let rest = app.get(&path).await.success(200);
        let walked: Vec<_> =
            [&first, &rest].iter().flat_map(|page| keys(page["data"].as_array().unwrap())).collect();
        assert_eq!(walked, all);
        assert_eq!((&rest["has_more"], &rest["next_cursor"]), (&json!(false), &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn every_list_is_read_page_by_page() {
    on_each_database(async |app| {
        for i in 0..5 {
            app.customer(&format!("c{i}")).await;
        }
        for name in ["backend", "jobs", "reports"] {
            app.post("/v1/api-keys", &json!({"name": name, "scopes": ["read"]})).await.success(201);
        }
        app.publish(OVERAGE).await;
        app.publish(catalog::DEMO).await;
        for (path, count) in [
            ("/v1/api-keys", 4),
            ("/v1/customers", 6),
            ("/v1/rate-cards", 3),
            ("/v1/features", 6),
            ("/v1/packs", 3),
            ("/v1/plans", 5),
        ] {
            let whole = app.pages(path, 100).await;
            assert_eq!(whole.len(), count, "{path}");
            for limit in 1..=count {
                assert_eq!(app.pages(path, limit).await, whole, "{path}: {limit} a page");
            }
        }
        let found = app.get("/v1/customers?external_id=c3").await.success(200);
        assert_eq!(
            (found["data"].as_array().map(Vec::len), text(&found, "/data/0/external_id")),
            (Some(1), "c3".to_owned())
        );
    })
    .await;
}

fn keys(lines: &[Value]) -> Vec<(i64, i64)> {
    lines.iter().map(|line| (line["seq"].as_i64().unwrap(), line["line"].as_i64().unwrap())).collect()
}
