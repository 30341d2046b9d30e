//! What needs no database: the edges of every call, and the documents.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::amount::TtlSeconds;
use crate::body::{BODY_MAX_BYTES, Changing, Input, Moving, Nothing};
use crate::list::Paging;
use crate::observe::X_REQUEST_ID;
use crate::path::Id;
use crate::problem::{KINDS, Links, Problem};
use crate::query::Strict;
use crate::{docs, document, observed, openapi, pages, routes};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[allow(dead_code)]
    ttl_seconds: TtlSeconds,
}

impl Input for Order {}

/// Routes with every extractor, under the layer that all routes have.
fn server() -> Router {
    observed(
        Router::new()
            .route("/orders", post(|_: Changing<Order>| async { StatusCode::CREATED }))
            .route("/charges", post(|_: Moving<Order>| async { StatusCode::CREATED }))
            .route("/ends", post(|_: Moving<Nothing>| async { StatusCode::OK }))
            .route("/list", get(|_: Strict<Paging>| async { StatusCode::OK }))
            .route("/holds/{id}", get(|_: Id<kernel::HoldId>| async { StatusCode::OK }))
            .route("/short", get(|| async { Problem::from(short()) }))
            .route("/panic", get(panics)),
        Links { buy: "https://example.com/buy".into(), appeal: "https://example.com/on-hold".into() },
    )
}

fn short() -> ledger::Refusal {
    ledger::Refusal::Short { needed: kernel::Credits::whole(5), available: kernel::Credits::ZERO }
}

async fn panics() -> StatusCode {
    panic!("on purpose")
}

async fn call(request: Request<Body>) -> (StatusCode, Response<()>, Value) {
    let response = server().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let document = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    (parts.status, Response::from_parts(parts, ()), document)
}

fn post_json(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

fn get_of(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// Sends the request and answers (status, code, first field at fault) of its problem.
async fn problem(request: Request<Body>) -> (u16, String, String) {
    let (status, response, document) = call(request).await;
    let text = |pointer| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{document}");
    assert_eq!(document["status"], status.as_u16(), "{document}");
    assert_eq!(document["request_id"], response.headers()[X_REQUEST_ID].to_str().unwrap());
    (status.as_u16(), text("/code"), text("/errors/0/field"))
}

fn invalid(field: &str) -> (u16, String, String) {
    (400, "invalid_request".to_owned(), field.to_owned())
}

#[tokio::test]
async fn a_body_that_is_not_as_expected_is_a_400_that_names_the_member() {
    let cases: [(&str, &str); 10] = [
        ("", ""),
        ("null", ""),
        ("[]", ""),
        ("[900]", ""),
        ("{", ""),
        ("{}", "ttl_seconds"),
        (r#"{"ttl_seconds": "900"}"#, "ttl_seconds"),
        (r#"{"ttl_seconds": 0}"#, "ttl_seconds"),
        (r#"{"ttl_seconds": 900, "size": 1}"#, "size"),
        (r#"{"ttl_seconds": 900} 1"#, ""),
    ];
    for (body, field) in cases {
        assert_eq!(problem(post_json("/orders", body)).await, invalid(field), "{body}");
    }
    let (status, ..) = call(post_json("/orders", r#"{"ttl_seconds": 900.0}"#)).await;
    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_wrong_content_type_is_a_415_and_a_long_body_a_413() {
    let wrong =
        Request::post("/orders").header(header::CONTENT_TYPE, "text/plain").body("{}".into()).unwrap();
    assert_eq!(problem(wrong).await.0, 415);
    assert_eq!(problem(Request::post("/orders").body("{}".into()).unwrap()).await.0, 415);
    let long = " ".repeat(BODY_MAX_BYTES + 1);
    assert_eq!(problem(post_json("/orders", long.clone())).await.0, 413);
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(long)]);
    assert_eq!(problem(post_json("/orders", Body::from_stream(chunks))).await.0, 413);
}

#[tokio::test]
async fn credits_move_only_with_an_idempotency_key() {
    let charge = |key: Option<&str>| {
        let mut request = post_json("/charges", r#"{"ttl_seconds": 1}"#);
        if let Some(key) = key {
            request.headers_mut().append("idempotency-key", key.parse().unwrap());
        }
        request
    };
    assert_eq!(problem(charge(None)).await.1, "idempotency_key_required");
    for key in ["", "a b", &"k".repeat(256)] {
        assert_eq!(problem(charge(Some(key))).await, invalid("Idempotency-Key"), "{key}");
    }
    assert_eq!(call(charge(Some("order-1"))).await.0, StatusCode::CREATED);
    let mut twice = charge(Some("a"));
    twice.headers_mut().append("idempotency-key", "b".parse().unwrap());
    assert_eq!(problem(twice).await, invalid("Idempotency-Key"));
}

#[tokio::test]
async fn a_call_without_members_takes_no_body_or_an_empty_object() {
    let end = |body: &'static str| {
        let mut request = post_json("/ends", body);
        request.headers_mut().append("idempotency-key", "k".parse().unwrap());
        request
    };
    assert_eq!(call(end("")).await.0, StatusCode::OK);
    assert_eq!(call(end("{}")).await.0, StatusCode::OK);
    assert_eq!(problem(end(r#"{"why": 1}"#)).await, invalid("why"));
    assert_eq!(problem(end("[]")).await, invalid(""));
}

#[tokio::test]
async fn a_query_is_read_strictly() {
    assert_eq!(call(get_of("/list?limit=5&cursor=x")).await.0, StatusCode::OK);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=", "limit"),
        ("limit=5&limit=6", "limit"),
        ("cursor=%00", "cursor"),
        ("page=2", "page"),
    ] {
        assert_eq!(problem(get_of(&format!("/list?{query}"))).await, invalid(field), "{query}");
    }
    assert_eq!(problem(post_json("/orders?dry=1", r#"{"ttl_seconds": 1}"#)).await, invalid("dry"));
}

#[tokio::test]
async fn what_is_not_there_is_a_404_and_a_wrong_method_a_405_with_allow() {
    for path in ["/nothing", "/holds/hld_1", "/holds/%ff", "/holds/cus_01abc"] {
        assert_eq!(problem(get_of(path)).await.0, 404, "{path}");
    }
    let (status, response, _) = call(Request::put("/orders").body(Body::empty()).unwrap()).await;
    assert_eq!((status.as_u16(), response.headers()[header::ALLOW].to_str().unwrap()), (405, "POST"));
}

#[tokio::test]
async fn a_panic_is_a_500_and_a_shortage_a_402_that_says_how_much() {
    assert_eq!(problem(get_of("/panic")).await.1, "internal");
    let (status, _, document) = call(get_of("/short")).await;
    assert_eq!(status.as_u16(), 402);
    assert_eq!((&document["required"], &document["available"]), (&json!("5"), &json!("0")));
    assert_eq!(document["buy_url"], "https://example.com/buy");
}

#[tokio::test]
async fn no_request_id_is_taken_from_outside() {
    let mut request = get_of("/list");
    request.headers_mut().append(X_REQUEST_ID, "mine".parse().unwrap());
    let (_, response, _) = call(request).await;
    assert!(response.headers()[X_REQUEST_ID].to_str().unwrap().starts_with("req_"));
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| -> Vec<(String, Value)> {
        let name = |method: &String| format!("{} {path}", method.to_uppercase());
        item.as_object().unwrap().iter().map(|(method, op)| (name(method), op.clone())).collect()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn the_document_is_openapi_3_1_and_names_every_route() {
    let document = openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let named: BTreeSet<String> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "DELETE /v1/api-keys/{id}",
        "GET /v1/api-keys",
        "GET /v1/checkouts/{id}",
        "GET /v1/customers",
        "GET /v1/customers/{id}",
        "GET /v1/customers/{id}/postings",
        "GET /v1/customers/{id}/usage",
        "GET /v1/customers/{id}/wallet",
        "GET /v1/features",
        "GET /v1/gateway-events",
        "GET /v1/holds/{id}",
        "GET /v1/packs",
        "GET /v1/plans",
        "GET /v1/rate-cards",
        "GET /v1/rate-cards/{id}",
        "GET /v1/receipts/{id}",
        "GET /v1/risk/allowances",
        "GET /v1/risk/cases",
        "GET /v1/risk/cases/{id}",
        "GET /v1/risk/exceptions",
        "GET /v1/risk/settings",
        "GET /v1/risk/shadow",
        "POST /api/v1/events",
        "POST /v1/api-keys",
        "POST /v1/checkouts",
        "POST /v1/customers",
        "POST /v1/customers/{id}/release",
        "POST /v1/customers/{id}/restrict",
        "POST /v1/gateway-events/{id}/replay",
        "POST /v1/grants",
        "POST /v1/grants/{id}/void",
        "POST /v1/holds",
        "POST /v1/holds/{id}/capture",
        "POST /v1/holds/{id}/extend",
        "POST /v1/holds/{id}/void",
        "POST /v1/quotes",
        "POST /v1/rate-cards",
        "POST /v1/rate-cards/{id}/publish",
        "POST /v1/receipts/{id}/deliveries",
        "POST /v1/receipts/{id}/reverse",
        "POST /v1/risk/allowances",
        "POST /v1/risk/cases/{id}/verdict",
        "POST /v1/risk/score",
        "POST /v1/risk/settings",
        "POST /v1/risk/snoozes",
        "POST /v1/usage",
        "POST /v1/usage/batch",
        "POST /webhooks/stripe",
    ];
    assert_eq!(named, expected.map(str::to_owned).into());
}

#[test]
fn every_operation_says_what_it_does_and_how_it_can_fail() {
    let document = openapi();
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<&str> = document::TAGS.iter().map(|(name, _)| *name).collect();
    for (name, operation) in operations(&document) {
        let text = |member: &str| operation[member].as_str().unwrap_or_default().to_owned();
        assert!(!text("summary").is_empty() && !text("description").is_empty(), "{name}");
        assert!(ids.insert(text("operationId")), "{name}");
        assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{name}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{name} {status}");
            let is_problem = response.pointer("/content/application~1problem+json").is_some();
            assert_eq!(is_problem, !status.starts_with('2'), "{name} {status}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_body_is_closed() {
    let document = openapi();
    let mut values = vec![&document];
    while let Some(value) = values.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        values.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        values.extend(value.as_array().into_iter().flatten());
    }
    for name in [
        "NewCustomer",
        "NewGrant",
        "NewQuote",
        "NewHold",
        "Extension",
        "Capture",
        "NewUsage",
        "UsageBatch",
        "NewCheckout",
        "NewRestriction",
        "NewRelease",
    ] {
        assert_eq!(document["components"]["schemas"][name]["additionalProperties"], json!(false), "{name}");
    }
    assert!(document["components"]["schemas"]["NewHold"]["oneOf"].is_array());
}

#[tokio::test]
async fn the_address_alone_leads_to_the_page() {
    let pages = pages::routes(&routes().into_openapi());
    let response = pages.oneshot(get_of("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers()[header::LOCATION], "/docs");
}

#[test]
fn the_page_needs_no_script_and_nothing_from_elsewhere() {
    let document = openapi();
    let page = docs::render(&document).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<html lang=\"en\">"));
    for foreign in ["<script", "onclick", "src=", "@import", "<style", "style=\""] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let links: Vec<&str> = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let anchors: BTreeSet<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(anchors.len(), page.matches(" id=\"").count(), "an id stands twice");
    for link in links {
        let is_here = link.strip_prefix('#').map_or(link.starts_with('/'), |anchor| anchors.contains(anchor));
        assert!(is_here, "{link}");
    }
    for kind in KINDS {
        assert!(anchors.contains(kind.code), "{}", kind.code);
    }
    // A shell that follows the examples must still be able to start `scrip`, which refuses unknown ones.
    assert!(!page.contains("SCRIP_"));
    for (name, operation) in operations(&document) {
        let summary = operation["summary"].as_str().unwrap().replace('\'', "&#39;");
        assert!(page.contains(&summary), "{name}");
    }
    assert!(!docs::STYLE.contains("url("));
}

#[test]
fn a_description_of_the_document_is_text_on_the_page() {
    let mut document = openapi();
    let written = "</code><script>alert(1)</script> and `<img src=x>`";
    document["info"]["description"] = json!(written);
    for operation in document["paths"].as_object_mut().unwrap().values_mut() {
        for (_, operation) in operation.as_object_mut().unwrap() {
            (operation["summary"], operation["description"]) = (json!(written), json!(written));
        }
    }
    let page = docs::render(&document).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img") && page.contains("&#60;script&#62;"));
}
