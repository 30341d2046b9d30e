//! Bad input gets a problem of the 4xx kind, on every route of the OpenAPI document and never a 5xx.

use app::payments;
use serde_json::{Map, Value, json};
use tests::test_app::{Reply, TestApp, fields_of, on_each_database, text, usage};
use tests::till::GOOD;

/// Bodies that no route takes.
const NO_BODIES: [&[u8]; 26] = [
    b" ",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e400",
    b"\"text\"",
    b"[]",
    b"[[]]",
    b"[null]",
    b"{",
    b"{}}",
    b"{} {}",
    b"{\"a\"}",
    b"{\"a\": }",
    b"{\"a\": 1,}",
    b"{a: 1}",
    b"{'a': 1}",
    b"{\"a\": 01}",
    b"{\"a\": NaN}",
    b"{\"a\": \"\xff\xfe\"}",
    b"{\"a\": \"\\ud800\"}",
    b"{\"\\u0000\": 1}",
    b"{\"a\": 1, \"a\": 1}",
    b"\xef\xbb\xbf{}",
    b"\x00",
];

/// Values in place of a good one, as JSON writes them, each with its JSON type.
const VALUES: [(&str, &str); 33] = [
    ("null", "null"),
    ("true", "boolean"),
    ("0", "integer"),
    ("-1", "integer"),
    ("9007199254740993", "integer"),
    ("1.5", "number"),
    ("-0.000001", "number"),
    ("1e308", "number"),
    ("1e-308", "number"),
    ("18446744073709551616", "number"),
    ("-9223372036854775809", "number"),
    (r#""""#, "string"),
    (r#"" ""#, "string"),
    (r#""\u0000""#, "string"),
    (r#""a\u0000b""#, "string"),
    (r#""a\nb""#, "string"),
    (r#""\u202e\u0301😀""#, "string"),
    (r#""-1""#, "string"),
    (r#""0""#, "string"),
    (r#""1e400""#, "string"),
    (r#""NaN""#, "string"),
    (r#""99999999999999999999999999""#, "string"),
    (r#""0.0000001""#, "string"),
    (r#""2026-02-30T00:00:00Z""#, "string"),
    (r#""0000-01-01T00:00:00Z""#, "string"),
    (r#""9999-12-31T23:59:59.999999Z""#, "string"),
    (r#""'; DROP TABLE postings; --""#, "string"),
    (r#""../../etc/passwd""#, "string"),
    ("[]", "array"),
    ("[1, [2]]", "array"),
    ("{}", "object"),
    (r#"{"a": {"b": []}}"#, "object"),
    (r#"{"$ref": "x"}"#, "object"),
];

/// Ids that nothing has.
const NO_IDS: [&str; 10] =
    ["0", "-1", "null", "%00", "%FF", "%2e%2e%2f", "hld_", "cus_%0a", "%F0%9F%98%80", "1e400"];

const STRING_CHARS: usize = 70_000;
const LEVELS: usize = 20_000;
/// Where a value is put in the text of a body.
const HERE: &str = "\"@here@\"";

/// A route with a call that is fine.
struct Route {
    template: String,
    path: String,
    /// One for each way to say what is meant.
    bodies: Vec<Value>,
    /// What the document says of the body; `None` when the route takes none.
    schema: Option<Value>,
}

#[tokio::test]
async fn a_body_that_no_route_takes_is_refused_by_each() {
    on_each_database(async |app| {
        let document = document(app).await;
        for route in routes(app, &document).await {
            for good in &route.bodies {
                route.post(app, good.to_string()).await.assert_done();
            }
            let deep = [("[", "]"), ("{\"a\":", "}")].map(|(open, close)| {
                format!("{}0{}", open.repeat(LEVELS), close.repeat(LEVELS)).into_bytes()
            });
            let mut bodies: Vec<Vec<u8>> = NO_BODIES.iter().map(|body| body.to_vec()).chain(deep).collect();
            if route.schema.is_some() {
                bodies.push(Vec::new());
                bodies.push(b"{}".to_vec());
            }
            bodies.extend(route.with_a_flaw());
            for body in bodies {
                let reply = route.post(app, body).await;
                assert_eq!(reply.status, 400, "{reply}");
                reply.any_problem();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_value_of_any_member_is_a_4xx_that_names_it_when_its_type_is_wrong() {
    on_each_database(async |app| {
        let document = document(app).await;
        let mut tried = 0;
        for route in routes(app, &document).await {
            let Some(schema) = &route.schema else { continue };
            for member in members(&document, schema) {
                let with = route.bodies.iter().filter(|body| body.pointer(member.parent()).is_some());
                let bodies: Vec<&Value> = with.collect();
                assert!(!bodies.is_empty(), "no good body of {} has {}", route.template, member.parent());
                for good in bodies {
                    tried += route.try_values(app, &document, good, &member).await;
                }
            }
        }
        assert!(tried > 1_000, "{tried} values");
    })
    .await;
}

#[tokio::test]
async fn a_bad_item_of_a_batch_is_a_4xx_of_its_own() {
    on_each_database(async |app| {
        let document = document(app).await;
        let schema = &document["components"]["schemas"]["NewUsage"];
        let good = || bodies_of("/v1/usage").remove(0);
        for member in members(&document, schema) {
            let items: Vec<String> =
                VALUES.iter().map(|(value, _)| put(&good(), &member.path, value)).collect();
            let batch = format!("{{\"items\": [{}]}}", items.join(","));
            let call = app.call("POST", "/v1/usage/batch").by(&app.key).key(&app.new_key());
            let done = call.raw_json(batch).send().await.success(200);
            let results = done["results"].as_array().unwrap();
            assert_eq!(results.len(), items.len());
            for (result, (value, type_)) in results.iter().zip(VALUES) {
                let status = result["status"].as_u64();
                assert!(status.is_none_or(|status| (400..500).contains(&status)), "{value}: {result}");
                if !allows(&document, &member.schema, type_) {
                    assert_eq!(status, Some(400), "{}: {value}: {result}", member.path);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_id_that_nothing_has_is_a_404_on_every_route_with_one() {
    on_each_database(async |app| {
        let document = document(app).await;
        let long = "x".repeat(5_000);
        for (template, method) in operations(&document).into_iter().filter(|(path, _)| path.contains("{id}"))
        {
            for id in NO_IDS.into_iter().chain([long.as_str()]) {
                let path = template.replace("{id}", id);
                let call = app.call(&method.to_uppercase(), &path).by(&app.key).key("k");
                let call = if method == "post" { call.json(&bodies_of(&template)[0]) } else { call };
                call.send().await.problem(404, "not_found");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_query_is_a_400_on_every_route() {
    on_each_database(async |app| {
        let document = document(app).await;
        let ids = Ids::make(app).await;
        for (template, method) in operations(&document) {
            for query in ["nothing=1", "%00=1", "x=%FF", "=", "a[]=1", "limit=%00"] {
                let path = format!("{}?{query}", ids.path(&template));
                let call = app.call(&method.to_uppercase(), &path).by(&app.key).key("k");
                let call = if method == "post" { call.json(&bodies_of(&template)[0]) } else { call };
                call.send().await.problem(400, "invalid_request");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn headers_that_are_no_text_are_refused() {
    on_each_database(async |app| {
        let hold = json!({"customer": "demo", "credits": "1"});
        let call = || app.call("POST", "/v1/holds");
        call()
            .header_bytes("authorization", b"Bearer \xff")
            .json(&hold)
            .send()
            .await
            .problem(401, "unauthenticated");
        let key = call().by(&app.key).header_bytes("idempotency-key", b"\xff\xfe").json(&hold);
        key.send().await.names("Idempotency-Key");
        let twice = call().by(&app.key).key("a").key("b").json(&hold);
        twice.send().await.names("Idempotency-Key");
        let typed = call().by(&app.key).key("k").header_bytes("content-type", b"\xff");
        typed.send().await.problem(415, "unsupported_media_type");
        let long = "k".repeat(60_000);
        call().by(&long).key("k").json(&hold).send().await.problem(401, "unauthenticated");
    })
    .await;
}

/// Objects for the paths.
struct Ids {
    grant: String,
    hold: String,
    receipt: String,
    card: String,
    key: String,
    checkout: String,
    event: String,
    /// A customer that nothing else needs.
    on_hold: String,
}

impl Ids {
    async fn make(app: &TestApp) -> Ids {
        let id = |made: Value| text(&made, "/id");
        let event = json!({"id": format!("evt_{}", kernel::new_uuid().simple()), "object": "pi_1"});
        payments::receive(&app.app, event.to_string().as_bytes(), GOOD).await.expect("the till's own");
        app::work::inbox_round(&app.app).await.expect("only what has ended is replayed");
        let on_hold = text(&app.customer(&kernel::new_uuid().to_string()).await, "/id");
        let path = "/v1/customers/{id}/restrict";
        app.post(&path.replace("{id}", &on_hold), &bodies_of(path)[0]).await.success(200);
        Ids {
            on_hold,
            grant: id(app.grant("demo", "1000000", &json!({})).await),
            hold: id(app.post("/v1/holds", &usage("demo", 100)).await.success(201)),
            receipt: id(app.use_credits("demo", 1).await),
            card: id(app.post("/v1/rate-cards", &json!({"document": catalog::DEMO})).await.success(201)),
            checkout: id(app.post("/v1/checkouts", &bodies_of("/v1/checkouts")[0]).await.success(201)),
            event: text(&event, "/id"),
            key: id(app.post("/v1/api-keys", &json!({"name": "k", "scopes": ["read"]})).await.success(201)),
        }
    }

    fn path(&self, template: &str) -> String {
        let id = match template.split('/').nth(2).unwrap_or_default() {
            "grants" => &self.grant,
            "holds" => &self.hold,
            "receipts" => &self.receipt,
            "rate-cards" => &self.card,
            "api-keys" => &self.key,
            "checkouts" => &self.checkout,
            "gateway-events" => &self.event,
            "risk" => {
                return template.replace("{id}", &kernel::CaseId::from_uuid(kernel::new_uuid()).to_string());
            }
            _ if template.ends_with("/restrict") || template.ends_with("/release") => &self.on_hold,
            _ => "demo",
        };
        template.replace("{id}", id)
    }
}

/// Every POST route of the document; its call is fine once, as each route has objects of its own.
async fn routes(app: &TestApp, document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (template, method) in operations(document) {
        if method == "post" {
            let ids = Ids::make(app).await;
            let mut path = ids.path(&template);
            if template == "/v1/risk/cases/{id}/verdict" {
                path = template.replace("{id}", &crate::risk::case_of_a_dispute(app).await);
            }
            let mut bodies = bodies_of(&template);
            if template == "/v1/holds" {
                let quote = app.post("/v1/quotes", &usage("demo", 1)).await.success(201);
                bodies.push(json!({"customer": "demo", "quote": quote["id"]}));
            }
            let content = &document["paths"][&template]["post"]["requestBody"]["content"];
            let schema = content.as_object().and_then(|types| Some(types.values().next()?["schema"].clone()));
            routes.push(Route { path, bodies, schema, template });
        }
    }
    assert!(routes.len() >= 16, "{} routes", routes.len());
    routes
}

/// Bodies that are fine, with as many members as go together.
fn bodies_of(template: &str) -> Vec<Value> {
    let context = json!({"ip": "192.0.2.1", "user_agent": "curl", "device": "phone", "prompt": "A cat"});
    let options = json!({"codec": "mp3", "style": "calm", "quality": "hd", "operation": "read"});
    let work = json!({
        "customer": "demo", "feature": "image.generate", "model": "sdxl",
        "quantities": {"images": 1, "width": 64, "height": 64, "steps": 1}, "options": options, "context": context,
    });
    let with = |more: Value| {
        let mut body = work.clone();
        tests::test_app::merge(&mut body, &more);
        body
    };
    let one = match template {
        "/v1/customers" => json!({
            "external_id": kernel::new_uuid().to_string(), "kind": "individual", "name": "C", "email": "c@example.com",
            "currency": "usd", "timezone": "UTC", "context": {"ip": "203.0.113.9"},
        }),
        "/v1/grants" => json!({
            "customer": "demo", "credits": "10", "kind": "promo", "expires_at": "2030-01-01T00:00:00Z",
            "priority": 5, "reason": "welcome", "paid": {"amount": 1, "currency": "usd"},
        }),
        "/v1/customers/{id}/restrict" => {
            json!({"until": "2030-01-01T00:00:00Z", "reason": "stolen", "step_up": "review"})
        }
        "/v1/customers/{id}/release" => json!({"reason": "found"}),
        "/v1/risk/score" => json!({"customer": "demo"}),
        "/v1/risk/settings" => json!({
            "settings": {
                "review": 0.5, "restrict": 0.9, "block": 1, "release": 0.6, "rules": {"scraper": "shadow"},
                "velocity": {"credits_per_hour": "1000", "times_usual_hour": 50, "least_credits": "0"},
                "restrict_minutes": 60, "step_up": "wait", "mail_above": "0",
            },
            "reason": "a trial",
        }),
        "/v1/risk/snoozes" => json!({"customer": "demo", "rule": "scraper", "days": 30, "reason": "a shop"}),
        "/v1/risk/allowances" => json!({"customer": "demo", "is_allowed": true, "reason": "a load test"}),
        "/v1/risk/cases/{id}/verdict" => json!({"verdict": "dismissed", "note": "n", "release": true}),
        "/v1/quotes" => work,
        "/v1/holds" => {
            let credits = json!({"customer": "demo", "credits": "1", "context": context});
            return vec![with(json!({"ttl_seconds": 60, "job": "j", "subject": "s"})), credits];
        }
        "/v1/holds/{id}/extend" => json!({"credits": "1", "ttl_seconds": 60}),
        "/v1/holds/{id}/capture" => {
            let vendor_transaction = kernel::new_uuid().to_string();
            let credits = json!({"credits": "1", "final": false, "vendor_transaction": vendor_transaction});
            return vec![credits, json!({"quantities": {"input_tokens": 1}, "final": false})];
        }
        "/v1/usage" => with(json!({
            "job": "j", "subject": "s", "vendor_transaction": kernel::new_uuid().to_string(),
            "occurred_at": "2026-03-01T11:00:00Z",
        })),
        "/v1/usage/batch" => json!({"items": [usage("demo", 1)]}),
        "/api/v1/events" => json!({
            "specversion": "1.0", "id": "1", "source": "s", "subject": "demo", "type": "litellm_tokens",
            "time": "2026-03-01T11:00:00Z", "datacontenttype": "application/json",
            "data": {"model": "gpt-4", "prompt_tokens": 10},
        }),
        "/v1/checkouts" => {
            let with = |more: Value| {
                let mut body = json!({
                    "customer": "demo", "success_url": "https://shop.example/thanks?s={CHECKOUT_SESSION_ID}",
                    "cancel_url": "http://127.0.0.1:9/prices",
                });
                tests::test_app::merge(&mut body, &more);
                body
            };
            return vec![with(json!({"pack": "pack_500", "quantity": 2})), with(json!({"credits": "20000"}))];
        }
        "/v1/rate-cards" => json!({"document": catalog::DEMO}),
        "/v1/api-keys" => json!({"name": "n", "scopes": ["read"], "customer": null, "livemode": false}),
        "/v1/grants/{id}/void"
        | "/v1/holds/{id}/void"
        | "/v1/receipts/{id}/reverse"
        | "/v1/receipts/{id}/deliveries"
        | "/v1/gateway-events/{id}/replay"
        | "/v1/rate-cards/{id}/publish" => json!({}),
        other => panic!("{other} is new: say here what a good body of it is"),
    };
    vec![one]
}

impl Route {
    async fn post(&self, app: &TestApp, body: impl Into<Vec<u8>>) -> Reply {
        let call = app.call("POST", &self.path).by(&app.key).key(&app.new_key());
        call.raw_json(body.into()).send().await
    }

    /// Puts every bad value into the member of a good body; answers how many it were.
    async fn try_values(&self, app: &TestApp, document: &Value, good: &Value, member: &Member) -> usize {
        for (value, type_) in VALUES {
            let reply = self.post(app, put(good, &member.path, value)).await;
            reply.assert_never_fails();
            if !allows(document, &member.schema, type_) {
                assert_eq!(reply.status, 400, "{}: {value}: {reply}", member.path);
                assert!(!fields_of(&reply.any_problem()).is_empty(), "{}: {value}: {reply}", member.path);
            }
        }
        let text = format!("\"{}\"", "x".repeat(STRING_CHARS));
        self.post(app, put(good, &member.path, &text)).await.assert_never_fails();
        let number = self.post(app, put(good, &member.path, "1e400")).await;
        assert_eq!(number.any_problem()["status"], 400, "{number}");
        VALUES.len() + 2
    }

    /// Good bodies with one thing wrong.
    fn with_a_flaw(&self) -> Vec<Vec<u8>> {
        let body = &self.bodies[0];
        let good = body.to_string();
        let start = &good[..good.len() - 1];
        let comma = if start.len() > 1 { "," } else { "" };
        let with = |more: &str| format!("{start}{comma}{more}}}").into_bytes();
        let mut bodies = vec![
            with(r#""Not_A_Member": 1"#),
            with(r#""a": 1e400"#),
            with(r#""a": 1, "a": 2"#),
            with(r#""a": "\u0000""#),
            format!("{good} {good}").into_bytes(),
            format!("{good}\u{0}").into_bytes(),
            start.as_bytes().to_vec(),
        ];
        if self.template != "/api/v1/events" {
            bodies.push(format!("[{good}]").into_bytes());
        }
        if let Some(name) = body.as_object().and_then(|members| members.keys().next()) {
            bodies.push(with(&format!("{}: {}", json!(name), body[name])));
        }
        bodies
    }
}

/// A member of a body, at any depth.
struct Member {
    /// A JSON pointer.
    path: String,
    schema: Value,
}

impl Member {
    fn parent(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }
}

fn members(document: &Value, schema: &Value) -> Vec<Member> {
    let mut members = Vec::new();
    let mut open = vec![(String::new(), schema.clone())];
    while let Some((at, schema)) = open.pop() {
        for choice in choices(document, &schema) {
            for (name, schema) in choice["properties"].as_object().unwrap_or(&Map::new()) {
                let path = format!("{at}/{name}");
                open.push((path.clone(), schema.clone()));
                members.push(Member { path, schema: schema.clone() });
            }
        }
    }
    assert!(!members.is_empty(), "{schema}");
    members
}

/// The schemas of which one must hold, without references.
fn choices(document: &Value, schema: &Value) -> Vec<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            document.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere");
        return choices(document, target);
    }
    let listed = ["oneOf", "anyOf"].iter().find_map(|word| schema[*word].as_array());
    match listed {
        Some(choices_) if schema["properties"].is_null() => {
            choices_.iter().flat_map(|choice| choices(document, choice)).collect()
        }
        _ => vec![schema.clone()],
    }
}

/// Whether the document allows a value of this JSON type.
fn allows(document: &Value, schema: &Value, type_: &str) -> bool {
    choices(document, schema).iter().any(|choice| match &choice["type"] {
        Value::Null => true,
        Value::String(one) => fits(one, type_),
        many => many.as_array().is_some_and(|many| many.iter().any(|one| fits(one.as_str().unwrap(), type_))),
    })
}

fn fits(allowed: &str, type_: &str) -> bool {
    allowed == type_ || (allowed == "number" && type_ == "integer")
}

/// The body's text with this value at the pointer.
fn put(body: &Value, path: &str, value: &str) -> String {
    let mut body = body.clone();
    let (parent, name) = path.rsplit_once('/').expect("a pointer to a member");
    let parent = body.pointer_mut(parent).unwrap_or_else(|| panic!("the good body has no {parent}"));
    parent[name] = json!(HERE.trim_matches('"'));
    body.to_string().replace(HERE, value)
}

async fn document(app: &TestApp) -> Value {
    app.call("GET", "/openapi.json").send().await.success(200)
}

/// Its body is the gateway's own and is judged by its signature: `payments.rs` forges and alters it.
const WEBHOOK: &str = "/webhooks/stripe";

/// (path, method)
fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().expect("a document has paths");
    let of = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
        let methods = item.as_object().into_iter().flat_map(Map::keys);
        methods
            .filter(|m| ["get", "post", "delete"].contains(&m.as_str()))
            .map(|m| (path.clone(), m.clone()))
            .collect()
    };
    let is_ours = |(path, _): &(String, String)| path != WEBHOOK;
    paths.iter().flat_map(of).filter(is_ours).collect()
}

trait Judged {
    fn assert_done(&self);
    fn assert_never_fails(&self);
}

impl Judged for Reply {
    fn assert_done(&self) {
        assert!((200..300).contains(&self.status), "{self}");
    }

    /// A success, or a complete problem that is the caller's to mend.
    fn assert_never_fails(&self) {
        assert!((200..500).contains(&self.status), "{self}");
        if self.status >= 300 {
            self.any_problem();
        }
    }
}
