//! The API as Stripe's clients expect it.

mod common;

use common::{KEY, send, world};

#[tokio::test]
async fn only_test_keys_are_let_in() {
    let world = world().await;
    let url = format!("{}/v1/customers", world.url);
    for headers in [vec![], vec![("authorization", "Bearer sk_live_1")], vec![("authorization", "Bearer x")]]
    {
        let refused = send("GET", &url, "", &headers).await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
        assert!(refused.header("request-id").is_some_and(|id| id.starts_with("req_")));
    }
    let live = send("GET", &url, "", &[("authorization", "Bearer sk_live_1")]).await;
    assert!(live.json()["error"]["message"].as_str().is_some_and(|m| m.contains("live")));
    assert_eq!(send("POST", &format!("{}/_knobs", world.url), "{}", &[]).await.status, 401);
    let bearer = format!("Bearer {KEY}");
    assert_eq!(send("GET", &url, "", &[("authorization", &bearer)]).await.status, 200);
}

#[tokio::test]
async fn errors_come_in_stripes_envelope() {
    let world = world().await;
    for (method, path, form, status, code, param) in [
        ("GET", "/v1/customers/cus_1", "", 404, "resource_missing", "id"),
        ("GET", "/v1/nothing", "", 404, "", ""),
        ("DELETE", "/v1/charges/ch_1", "", 404, "", ""),
        ("POST", "/v1/customers", "nickname=x", 400, "parameter_unknown", "nickname"),
        ("POST", "/v1/checkout/sessions", "success_url=http://x", 400, "parameter_missing", "mode"),
        ("POST", "/v1/checkout/sessions", "mode=subscription", 400, "parameter_invalid", "mode"),
        ("POST", "/v1/checkout/sessions", "mode=payment&success_url=x", 400, "url_invalid", "success_url"),
        (
            "POST",
            "/v1/checkout/sessions",
            "mode=payment&success_url=http://x",
            400,
            "parameter_missing",
            "line_items",
        ),
        (
            "POST",
            "/v1/checkout/sessions",
            "mode=payment&payment_method_types[]=paypal",
            400,
            "parameter_invalid",
            "payment_method_types",
        ),
        ("POST", "/v1/prices", "currency=usd&unit_amount=x", 400, "parameter_invalid_integer", "unit_amount"),
        ("POST", "/v1/refunds", "payment_intent=pi_1", 404, "resource_missing", "id"),
        ("POST", "/v1/webhook_endpoints", "url=http://example.org/", 400, "url_invalid", "url"),
        ("GET", "/v1/customers?limit=0", "", 400, "parameter_invalid", "limit"),
        ("GET", "/v1/customers?starting_after=cus_1", "", 400, "resource_missing", "starting_after"),
        ("GET", "/v1/customers?what=1", "", 400, "parameter_unknown", "what"),
    ] {
        let refused = world.call(method, path, form, &[]).await;
        let error = &refused.json()["error"];
        assert_eq!(refused.status, status, "{method} {path}: {error}");
        assert_eq!(error["type"], "invalid_request_error", "{path}");
        assert_eq!(error["code"].as_str().unwrap_or_default(), code, "{path}");
        assert_eq!(error["param"].as_str().unwrap_or_default(), param, "{path}");
    }
}

#[tokio::test]
async fn a_key_replays_the_first_success_and_refuses_other_parameters() {
    let world = world().await;
    let keyed = [("idempotency-key", "k1")];
    let first = world.call("POST", "/v1/customers", "email=a@example.org", &keyed).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, None));
    let again = world.call("POST", "/v1/customers", "email=a@example.org", &keyed).await;
    assert_eq!((&again.body, again.header("idempotent-replayed")), (&first.body, Some("true")));
    let other = world.call("POST", "/v1/customers", "email=b@example.org", &keyed).await;
    assert_eq!((other.status, &other.json()["error"]["type"]), (400, &"idempotency_error".into()));
    let elsewhere = world.call("POST", "/v1/products", "email=a@example.org", &keyed).await;
    assert_eq!(elsewhere.status, 400);
    assert_eq!(world.get("/v1/customers").await.json()["data"].as_array().map(Vec::len), Some(1));
    // A refusal is not kept.
    let keyed = [("idempotency-key", "k2")];
    assert_eq!(world.call("POST", "/v1/products", "", &keyed).await.status, 400);
    assert_eq!(world.call("POST", "/v1/products", "name=x", &keyed).await.status, 200);
    // Parameters in another order are the same parameters.
    let keyed = [("idempotency-key", "k4")];
    let first =
        world.call("POST", "/v1/customers", "email=d@e.org&metadata[x]=1&metadata[y]=2", &keyed).await;
    let again =
        world.call("POST", "/v1/customers", "metadata[y]=2&metadata[x]=1&email=d@e.org", &keyed).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    // Many at once make one.
    let calls = (0..20)
        .map(|_| world.call("POST", "/v1/customers", "email=c@example.org", &[("idempotency-key", "k3")]));
    let ids: std::collections::BTreeSet<String> =
        futures::future::join_all(calls).await.iter().map(|reply| reply.json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    // After a day it is nobody's key, as at Stripe.
    world.clock.advance_seconds(86_399);
    let late = world.call("POST", "/v1/customers", "email=a@example.org", &[("idempotency-key", "k1")]).await;
    assert_eq!(late.header("idempotent-replayed"), Some("true"));
    world.clock.advance_seconds(1);
    for replayed in [None, Some("true")] {
        let other = [("idempotency-key", "k1")];
        let anew = world.call("POST", "/v1/customers", "email=b@example.org", &other).await;
        assert_eq!((anew.status, anew.header("idempotent-replayed")), (200, replayed));
    }
}

#[tokio::test]
async fn lists_page_newest_first_and_filter() {
    let world = world().await;
    let mut made = Vec::new();
    for n in 0..7 {
        let reply = world.post("/v1/customers", &format!("email=c{}@example.org", n % 2)).await;
        made.push(reply.json()["id"].as_str().unwrap_or_default().to_owned());
        if n == 3 {
            world.clock.advance_seconds(100);
        }
    }
    made.reverse();
    let (mut seen, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = world.get(&format!("/v1/customers?{query}")).await.json();
        assert_eq!(page["object"], "list");
        let ids: Vec<String> = page["data"]
            .as_array()
            .expect("data")
            .iter()
            .map(|c| c["id"].as_str().unwrap_or_default().to_owned())
            .collect();
        query = format!("limit=3&starting_after={}", ids.last().expect("not empty"));
        seen.extend(ids);
        if page["has_more"] != true {
            break;
        }
    }
    assert_eq!(seen, made);
    let count = |reply: common::Reply| reply.json()["data"].as_array().map(Vec::len);
    let now = world.clock.now().unix_seconds();
    for (filter, expected) in [
        (format!("created[gte]={now}"), 3),
        (format!("created[gt]={now}"), 0),
        (format!("created[lt]={now}"), 4),
        (format!("created[lte]={}", now - 100), 4),
        (format!("created={now}"), 3),
        ("email=c0@example.org".to_owned(), 4),
        (format!("email=c0@example.org&created[gte]={now}"), 2),
    ] {
        assert_eq!(count(world.get(&format!("/v1/customers?{filter}")).await), Some(expected), "{filter}");
    }
}

#[tokio::test]
async fn ids_are_expanded_on_paths_and_nothing_private_is_shown() {
    let world = world().await;
    let (id, page) = world.checkout().await;
    world.pay(&page, "4242424242424242").await;
    let bare = world.get(&format!("/v1/checkout/sessions/{id}")).await;
    assert!(bare.json()["payment_intent"].is_string() && !bare.body.contains("\"_"), "{}", bare.body);
    let list = world.get("/v1/checkout/sessions?expand[]=data.payment_intent.latest_charge").await.json();
    assert_eq!(list["data"][0]["payment_intent"]["latest_charge"]["object"], "charge");
    let with_lines = world.get(&format!("/v1/checkout/sessions/{id}?expand[]=line_items")).await.json();
    assert_eq!(with_lines["line_items"]["data"][0]["amount_total"], 4_500);
    let lines = world.get(&format!("/v1/checkout/sessions/{id}/line_items")).await.json();
    assert_eq!(lines["data"], with_lines["line_items"]["data"]);
    for path in ["status", "nothing", "payment_intent.amount", "line_items.payment_intent"] {
        let refused = world.get(&format!("/v1/checkout/sessions/{id}?expand[]={path}")).await;
        assert_eq!(refused.status, 400, "{path}");
    }
}

#[tokio::test]
async fn customers_products_and_prices_are_kept() {
    let world = world().await;
    let customer = world.post("/v1/customers", "email=a@b.c&metadata[x]=1&metadata[y]=2").await.json();
    let path = format!("/v1/customers/{}", customer["id"].as_str().unwrap_or_default());
    let changed = world.post(&path, "name=Ada&metadata[x]=&metadata[z]=3").await.json();
    assert_eq!((&changed["name"], &changed["email"]), (&"Ada".into(), &"a@b.c".into()));
    assert_eq!(changed["metadata"], serde_json::json!({ "y": "2", "z": "3" }));
    assert_eq!(world.call("DELETE", &path, "", &[]).await.json()["deleted"], true);
    assert_eq!(world.get(&path).await.status, 404);
    let product = world.post("/v1/products", "name=Credits").await.json();
    let product = product["id"].as_str().unwrap_or_default();
    let form = format!("currency=usd&unit_amount=1500&product={product}");
    let price = world.post("/v1/prices", &form).await.json();
    let price = price["id"].as_str().unwrap_or_default();
    let form =
        format!("mode=payment&success_url=http://x/&line_items[0][price]={price}&line_items[0][quantity]=3");
    assert_eq!(world.post("/v1/checkout/sessions", &form).await.json()["amount_total"], 4_500);
}

#[tokio::test]
async fn refunds_stop_at_what_was_paid_and_disputes_end_as_the_evidence_says() {
    let world = world().await;
    let (id, page) = world.checkout().await;
    world.pay(&page, "4242424242424242").await;
    let intent = world.session(&id).await["payment_intent"]["id"].as_str().unwrap_or_default().to_owned();
    let refund = |amount: &str| format!("payment_intent={intent}{amount}");
    assert_eq!(world.post("/v1/refunds", &refund("&amount=1000")).await.json()["status"], "succeeded");
    assert_eq!(world.post("/v1/refunds", &refund("&amount=3501")).await.status, 400);
    assert_eq!(world.post("/v1/refunds", &refund("")).await.json()["amount"], 3_500);
    let over = world.post("/v1/refunds", &refund("")).await;
    assert_eq!(over.json()["error"]["code"], "charge_already_refunded");
    let listed = world.get(&format!("/v1/refunds?payment_intent={intent}")).await.json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2));
    assert!(
        world.get("/v1/refunds?payment_intent=pi_x").await.json()["data"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );

    for (evidence, status) in [("winning_evidence", "won"), ("losing_evidence", "lost"), ("", "lost")] {
        let (_, page) = world.checkout().await;
        world.pay(&page, "4000000000000259").await;
        let dispute = world.get("/v1/disputes?limit=1").await.json()["data"][0].clone();
        assert_eq!((&dispute["status"], &dispute["amount"]), (&"needs_response".into(), &4_500.into()));
        let path = format!("/v1/disputes/{}", dispute["id"].as_str().unwrap_or_default());
        let closed = if evidence.is_empty() {
            world.post(&format!("{path}/close"), "").await
        } else {
            world.post(&path, &format!("evidence[uncategorized_text]={evidence}&submit=true")).await
        };
        assert_eq!(closed.json()["status"], status, "{}", closed.body);
        assert_eq!(world.post(&format!("{path}/close"), "").await.status, 400);
    }
    let events = world.events().await;
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!((count("refund.created"), count("charge.refunded")), (2, 2));
    assert_eq!((count("charge.dispute.created"), count("charge.dispute.closed")), (3, 3));
    assert_eq!(count("charge.dispute.funds_reinstated"), 1);
}

#[tokio::test]
async fn an_open_checkout_can_be_expired_once() {
    let world = world().await;
    let (id, page) = world.checkout().await;
    world.pay(&page, "4000000000000002").await;
    let path = format!("/v1/checkout/sessions/{id}/expire");
    assert_eq!(world.post(&path, "").await.json()["status"], "expired");
    assert_eq!(world.post(&path, "").await.status, 400);
    assert_eq!(world.session(&id).await["payment_intent"]["status"], "canceled");
    assert!(world.pay(&page, "4242424242424242").await.location().contains("/pay/"));
    assert_eq!(world.session(&id).await["payment_status"], "unpaid");
}

#[tokio::test]
async fn the_clock_and_the_knobs_obey_the_key() {
    let world = world().await;
    let before = world.clock.now();
    assert_eq!(world.post("/_clock", r#"{"advance_seconds": 60}"#).await.status, 200);
    assert_eq!(world.clock.now(), before.plus_seconds(60));
    for wrong in ["{}", r#"{"advance_seconds": -1}"#, "x"] {
        assert_eq!(world.post("/_clock", wrong).await.status, 400, "{wrong}");
    }
    let set = world.post("/_knobs", r#"{"duplicate": 2, "reorder": true}"#).await;
    assert_eq!((set.status, &set.json()["drop"]), (200, &false.into()));
    assert_eq!(world.get("/_knobs").await.json()["duplicate"], 2);
    for wrong in [r#"{"duplicate": 21}"#, r#"{"dupe": 1}"#, "7"] {
        assert_eq!(world.post("/_knobs", wrong).await.status, 400, "{wrong}");
    }
}
