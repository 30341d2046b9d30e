//! rules.md, "Who".

use serde_json::{Value, json};
use store::cold::{api_keys, requests};
use tests::test_app::{TestApp, on_each_database, text, usage};

const SCOPES: [&str; 4] = ["read", "usage", "catalogue", "admin"];

/// What every key may read; a customer's sees only itself in the list.
const SHARED: [&str; 5] = ["/v1/features", "/v1/packs", "/v1/plans", "/v1/rate-cards", "/v1/customers"];

/// What a customer's key may begin; the holds of [`Owned`] are the merchant's.
const JOBS: [&str; 4] = ["/v1/quotes", "/v1/holds", "/v1/usage", "/v1/usage/batch"];

/// A customer with one of everything that has an id.
#[derive(Clone)]
struct Owned {
    customer: String,
    grant: String,
    hold: String,
    receipt: String,
    quote: String,
    checkout: String,
}

/// Webhooks are signed and know no keys; every other route is called with every kind of key.
#[test]
fn no_route_of_the_document_is_missing_from_the_calls() {
    let [customer, grant, hold, receipt, quote, checkout] = ["1"; 6].map(str::to_owned);
    let calls = Owned { customer, grant, hold, receipt, quote, checkout }.calls();
    let document = api::openapi();
    let mut routes = 0;
    for (path, item) in document["paths"].as_object().expect("a document has paths") {
        let methods = item.as_object().expect("a path has methods").keys();
        for method in methods.filter(|_| !path.starts_with("/webhooks/")) {
            let is_called = |(of, at, ..): &(&str, String, Value, &str)| {
                of.eq_ignore_ascii_case(method) && fits(at, path)
            };
            assert!(calls.iter().any(is_called), "{method} {path}");
            routes += 1;
        }
    }
    assert!(routes > 30, "{routes}");
}

/// Whether a path, its query aside, is one of a route.
fn fits(path: &str, route: &str) -> bool {
    let path: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    let route: Vec<&str> = route.split('/').collect();
    path.len() == route.len() && path.iter().zip(route).all(|(p, r)| r.starts_with('{') || *p == r)
}

#[tokio::test]
async fn a_customers_key_sees_and_quotes_what_is_their_own() {
    on_each_database(async |app| {
        let own = Owned::make(app, "own").await;
        Owned::make(app, "other").await;
        let key = app.customers_key("own").await;
        assert!(key.starts_with("ck_"), "{key}");
        for path in own.reads() {
            app.call("GET", &path).by(&key).send().await.success(200);
        }
        let listed = app.call("GET", "/v1/customers").by(&key).send().await.success(200);
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
        assert_eq!(text(&listed, "/data/0/external_id"), "own");
        app.call("POST", "/v1/quotes").by(&key).json(&image("own")).send().await.success(201);
    })
    .await;
}

#[tokio::test]
async fn a_foreign_id_is_a_404_for_a_customers_key_as_if_it_were_not_there() {
    on_each_database(async |app| {
        Owned::make(app, "own").await;
        let other = Owned::make(app, "other").await;
        let key = app.customers_key("own").await;
        for path in other.reads() {
            app.call("GET", &path).by(&key).send().await.problem(404, "not_found");
        }
        for customer in ["other", &other.customer, "nobody"] {
            let quote = app.call("POST", "/v1/quotes").by(&key).json(&image(customer)).send().await;
            quote.problem(404, "not_found");
        }
        let found = app.call("GET", "/v1/customers?external_id=other").by(&key).send().await.success(200);
        assert_eq!(found["data"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn anything_else_is_a_403_for_a_customers_key() {
    on_each_database(async |app| {
        let own = Owned::make(app, "own").await;
        let key = app.customers_key("own").await;
        let before = app.postings("own").await;
        for (method, path, body, scope) in own.calls() {
            if scope == "read" || JOBS.contains(&path.as_str()) {
                continue;
            }
            let call = app.call(method, &path).by(&key).key(&app.new_key());
            let call = if method == "POST" { call.json(&body) } else { call };
            call.send().await.problem(403, "forbidden");
        }
        app.call("GET", "/v1/rate-cards/card_1").by(&key).send().await.problem(403, "forbidden");
        assert_eq!(app.postings("own").await, before);
    })
    .await;
}

#[tokio::test]
async fn a_customers_key_runs_jobs_of_its_own() {
    on_each_database(async |app| {
        app.funded("own", "100").await;
        let key = app.customers_key("own").await;
        let post = async |path: &str, body: &Value| {
            app.call("POST", path).by(&key).key(&app.new_key()).json(body).send().await
        };
        let quote = text(&post("/v1/quotes", &image("own")).await.success(201), "/id");
        let held = post("/v1/holds", &json!({"customer": "own", "quote": quote})).await.success(201);
        let path = format!("/v1/holds/{}", text(&held, "/id"));
        post(&format!("{path}/extend"), &json!({"credits": "5"})).await.success(200);
        let part = json!({"quantities": {"images": 1}, "final": false});
        post(&format!("{path}/capture"), &part).await.success(200);
        app.assert_wallet("own", ["90", "5", "0"]).await;
        post(&format!("{path}/void"), &json!({})).await.success(200);
        let receipt = post("/v1/usage", &usage("own", 2)).await.success(201);
        post(&format!("/v1/receipts/{}/reverse", text(&receipt, "/id")), &json!({}))
            .await
            .problem(403, "forbidden");
        let items = json!({"items": [usage("own", 1), usage("own", 1)]});
        let batch = post("/v1/usage/batch", &items).await.success(200);
        assert_eq!(batch["results"][1]["kind"], "debit", "{batch}");
        app.assert_wallet("own", ["91", "0", "0"]).await;
        // The merchant may end what the customer began.
        let held = post("/v1/holds", &json!({"customer": "own", "credits": "10"})).await.success(201);
        let path = format!("/v1/holds/{}/capture", text(&held, "/id"));
        app.post(&path, &json!({"credits": "4"})).await.success(200);
        app.assert_wallet("own", ["87", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_customers_key_cannot_touch_the_merchants_jobs_nor_vouch_for_vendors_and_times() {
    on_each_database(async |app| {
        let own = Owned::make(app, "own").await;
        let key = app.customers_key("own").await;
        let post = async |path: &str, name: &str, body: &Value| {
            app.call("POST", path).by(&key).key(name).json(body).send().await
        };
        let before = app.postings("own").await;
        for (act, body) in [
            ("extend", json!({"ttl_seconds": 900})),
            ("capture", json!({"credits": "0"})),
            ("void", json!({})),
        ] {
            let path = format!("/v1/holds/{}/{act}", own.hold);
            post(&path, &app.new_key(), &body).await.problem(403, "forbidden");
        }
        for (member, value) in [("vendor_transaction", "v-1"), ("occurred_at", "2026-03-01T11:00:00Z")] {
            let mut work = usage("own", 1);
            work[member] = json!(value);
            post("/v1/usage", "u", &work).await.names(member);
        }
        assert_eq!(app.postings("own").await, before);
        let held = post("/v1/holds", "h", &json!({"customer": "own", "credits": "1"})).await.success(201);
        let capture = format!("/v1/holds/{}/capture", text(&held, "/id"));
        let vouched = json!({"credits": "1", "vendor_transaction": "v-1"});
        post(&capture, "c", &vouched).await.names("vendor_transaction");
        // A name that the customer used first is still free for the merchant, and the other way round.
        for (name, first, second) in [("job-1", &key, &app.key), ("job-2", &app.key, &key)] {
            let of = |by: &str, credits: u64| {
                app.call("POST", "/v1/usage").by(by).key(name).json(&usage("own", credits))
            };
            let (one, two) = (of(first, 1).send().await, of(second, 2).send().await);
            let (one, two) = (one.success(201), two.success(201));
            assert_eq!((&one["credits"], &two["credits"]), (&json!("1"), &json!("2")), "{}", app.name);
            for (by, credits, told) in [(first, 1, &one), (second, 2, &two)] {
                let again = of(by, credits).send().await;
                assert!(again.is_replayed() && again.document()["id"] == told["id"], "{again}");
            }
            of(&key, 3).send().await.problem(422, "idempotency_key_reused");
        }
    })
    .await;
}

#[tokio::test]
async fn a_customers_key_can_do_nothing_to_another_customer() {
    on_each_database(async |app| {
        Owned::make(app, "own").await;
        let other = Owned::make(app, "other").await;
        let (key, theirs) = (app.customers_key("own").await, app.customers_key("other").await);
        let begun = json!({"customer": "other", "credits": "1"});
        let begun = app.call("POST", "/v1/holds").by(&theirs).key("theirs").json(&begun).send().await;
        let begun = Owned { hold: text(&begun.success(201), "/id"), ..other.clone() };
        let (before, own_before) = (app.postings("other").await, app.postings("own").await);
        let name = || app.new_key();
        for owned in [&other, &begun] {
            for (method, path, body, _) in owned.calls() {
                // The keys under which they were called before tell nothing either.
                for key_of_call in [name(), "theirs".to_owned()] {
                    let call = app.call(method, &path).by(&key).key(&key_of_call);
                    let call = if method == "POST" { call.json(&body) } else { call };
                    let reply = call.send().await;
                    if path == "/v1/usage/batch" {
                        assert_eq!(reply.success(200)["results"][0]["status"], 404, "{reply}");
                    } else {
                        let is_shared = method == "GET" && SHARED.contains(&path.as_str());
                        assert_eq!(![403, 404].contains(&reply.status), is_shared, "{reply}");
                        let told = String::from_utf8_lossy(&reply.body);
                        assert!(!told.contains(&other.customer), "{reply}");
                    }
                }
            }
        }
        let quote = json!({"customer": "own", "quote": other.quote});
        app.call("POST", "/v1/holds").by(&key).key(&name()).json(&quote).send().await.names("quote");
        assert_eq!(app.postings("other").await, before, "{}", app.name);
        assert_eq!(app.postings("own").await, own_before, "{}", app.name);
    })
    .await;
}

#[tokio::test]
async fn a_merchants_key_does_what_its_scopes_say_and_nothing_else() {
    on_each_database(async |app| {
        let own = Owned::make(app, "own").await;
        for scope in SCOPES {
            let key = app.merchants_key(&[scope]).await;
            assert!(key.starts_with("sk_test_"), "{key}");
            for (method, path, body, needed) in own.calls() {
                let call = app.call(method, &path).by(&key).key(&app.new_key());
                let call = if method == "POST" { call.json(&body) } else { call };
                let reply = call.send().await;
                if scope == needed {
                    assert!(![401, 403].contains(&reply.status), "{scope}: {reply}");
                } else {
                    reply.problem(403, "forbidden");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_customer_is_a_person_or_an_organisation_with_one_wallet() {
    on_each_database(async |app| {
        let mut wallets = Vec::new();
        for kind in ["individual", "organisation"] {
            let new = json!({"external_id": kind, "kind": kind, "name": "C", "email": "c@example.com"});
            let customer = app.post("/v1/customers", &new).await.success(201);
            let wallet = app.wallet(kind).await;
            assert_eq!((&wallet["id"], &wallet["customer"]), (&customer["wallet"], &customer["id"]));
            wallets.push(text(&wallet, "/id"));
        }
        assert_ne!(wallets[0], wallets[1]);
        let new = json!({"external_id": "c", "kind": "robot", "name": "C", "email": "c@example.com"});
        app.post("/v1/customers", &new).await.names("kind");
    })
    .await;
}

#[tokio::test]
async fn an_external_id_may_not_look_like_one_of_our_ids() {
    on_each_database(async |app| {
        let prefixes =
            ["cus_", "wal_", "grt_", "hld_", "rct_", "quo_", "sub_", "inv_", "chk_", "evt_", "cas_", "key_"];
        for prefix in prefixes {
            let new = json!({"external_id": format!("{prefix}1"), "kind": "individual", "name": "C", "email": "c@example.com"});
            app.post("/v1/customers", &new).await.names("external_id");
        }
        app.customer("customer_1").await;
        app.customer("Cus 1/ü?").await;
    })
    .await;
}

#[tokio::test]
async fn every_call_that_takes_a_customer_takes_the_id_or_the_external_id() {
    on_each_database(async |app| {
        let id = text(&app.customer("theirs").await, "/id");
        for name in [id.as_str(), "theirs"] {
            app.grant(name, "10", &json!({})).await;
            app.hold(name, "1").await;
            app.use_credits(name, 1).await;
            let quote = app.post("/v1/quotes", &image(name)).await.success(201);
            assert_eq!(text(&quote, "/customer"), id);
            let batch = json!({"items": [usage(name, 1)]});
            let batch = app.post("/v1/usage/batch", &batch).await.success(200);
            assert_eq!(text(&batch, "/results/0/customer"), id);
            let tokens = json!({"model": "gpt-4", "prompt_tokens": 200});
            let event = json!({"specversion": "1.0", "id": name, "source": "s", "subject": name, "type": "litellm_tokens", "data": tokens});
            app.report(&event).await.success(204);
            app.customers_key(name).await;
            assert_eq!(text(&app.get(&format!("/v1/customers/{name}")).await.success(200), "/id"), id);
        }
        // Twice: granted 10, held 1, used three times 1.
        app.assert_wallet("theirs", ["12", "2", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn without_a_valid_key_every_call_is_a_401_that_says_how_to_authenticate() {
    on_each_database(async |app| {
        let own = Owned::make(app, "own").await;
        for (method, path, body, _) in own.calls() {
            let bad = ["", "Bearer", "Bearer ", "Bearer sk_test_0", "Bearer ck_0", "Basic c2s6", &app.key];
            for authorization in bad {
                let call = app.call(method, &path).key("k").header("authorization", authorization);
                let reply = call.json(&body).send().await;
                reply.problem(401, "unauthenticated");
                assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{reply}");
            }
            app.call(method, &path).key("k").json(&body).send().await.problem(401, "unauthenticated");
            let twice = app.call(method, &path).by(&app.key).by(&app.key).key("k").json(&body);
            twice.send().await.problem(401, "unauthenticated");
        }
    })
    .await;
}

#[tokio::test]
async fn an_api_key_is_stored_hashed_and_shown_once() {
    on_each_database(async |app| {
        let new = json!({"name": "backend", "scopes": ["read"]});
        let made = app.post_with("/v1/api-keys", "make", &new).await.success(201);
        let secret = text(&made, "/secret");
        app.call("GET", "/v1/packs").by(&secret).send().await.success(200);

        let id: kernel::ApiKeyId = text(&made, "/id").parse().unwrap();
        let db = app.app.store().reader();
        let row = api_keys::by_id(db, id.uuid()).await.unwrap().unwrap();
        assert_eq!(row.secret_hash.len(), 32, "SHA-256");
        let random_part = &secret["sk_test_".len()..];
        let bytes: Vec<u8> = (0..random_part.len() / 2)
            .map(|i| u8::from_str_radix(&random_part[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        assert_ne!(row.secret_hash, bytes, "the randomness itself is no hash");
        assert!(!format!("{row:?}").contains(random_part));
        let owner = owner(app).await;
        let kept = requests::find(db, &owner, "POST /v1/api-keys", "make").await.unwrap().unwrap();
        assert!(!kept.body.contains(random_part), "a first answer is kept without the secret");

        let again = app.post_with("/v1/api-keys", "make", &new).await;
        assert!(again.is_replayed(), "{again}");
        assert_eq!(
            (again.success(201)["secret"].clone(), text(&again.document(), "/id")),
            (Value::Null, text(&made, "/id"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_in_other_processes_within_a_second() {
    on_each_database(async |app| {
        let new = json!({"name": "backend", "scopes": ["read"]});
        let made = app.post("/v1/api-keys", &new).await.success(201);
        let (id, secret) = (text(&made, "/id"), text(&made, "/secret"));
        let elsewhere = app.another_process().await;
        for process in [app, &elsewhere] {
            process.call("GET", "/v1/packs").by(&secret).send().await.success(200);
        }
        let revoked = std::time::Instant::now();
        for _ in 0..2 {
            let done = app.call("DELETE", &format!("/v1/api-keys/{id}")).by(&app.key).send().await;
            done.success(204);
        }
        app.call("GET", "/v1/packs").by(&secret).send().await.problem(401, "unauthenticated");
        let listed = app.get("/v1/api-keys?limit=1").await.success(200);
        assert_eq!(text(&listed, "/data/0/id"), id);
        assert!(listed["data"][0]["revoked_at"].is_string() && !listed.to_string().contains(&secret));
        while elsewhere.call("GET", "/v1/packs").by(&secret).send().await.status != 401 {
            let took = revoked.elapsed();
            assert!(took.as_secs_f64() < 1.1, "{}: still taken after {took:?}", app.name);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

impl Owned {
    async fn make(app: &TestApp, name: &str) -> Owned {
        app.customer(name).await;
        let grant = app.grant(name, "100", &json!({})).await;
        Owned {
            customer: text(&grant, "/customer"),
            grant: text(&grant, "/id"),
            hold: text(&app.hold(name, "10").await, "/id"),
            receipt: text(&app.use_credits(name, 5).await, "/id"),
            quote: text(&app.post("/v1/quotes", &image(name)).await.success(201), "/id"),
            checkout: text(&app.post("/v1/checkouts", &order(name)).await.success(201), "/id"),
        }
    }

    /// What a customer may look at.
    fn reads(&self) -> Vec<String> {
        let Owned { customer, hold, receipt, checkout, .. } = self;
        vec![
            format!("/v1/customers/{customer}"),
            format!("/v1/customers/{customer}/wallet"),
            format!("/v1/customers/{customer}/postings"),
            format!("/v1/customers/{customer}/usage"),
            format!("/v1/holds/{hold}"),
            format!("/v1/receipts/{receipt}"),
            format!("/v1/checkouts/{checkout}"),
        ]
    }

    /// Calls that are fine in themselves, with the scope that they need.
    fn calls(&self) -> Vec<(&'static str, String, Value, &'static str)> {
        let Owned { customer, grant, hold, receipt, quote, .. } = self;
        let person =
            json!({"external_id": "new", "kind": "individual", "name": "N", "email": "n@example.com"});
        let grants = json!({"customer": customer, "credits": "1", "kind": "promo"});
        let card = json!({"document": catalog::DEMO});
        let event = json!({"specversion": "1.0", "id": "1", "source": "s", "subject": customer, "type": "t"});
        let mut calls: Vec<_> =
            self.reads().into_iter().map(|path| ("GET", path, Value::Null, "read")).collect();
        calls.extend([
            ("GET", "/v1/rate-cards/card_1".to_owned(), Value::Null, "read"),
            ("GET", "/v1/api-keys".to_owned(), Value::Null, "read"),
            ("GET", "/v1/gateway-events".to_owned(), Value::Null, "read"),
            ("POST", "/v1/gateway-events/evt_none/replay".to_owned(), json!({}), "admin"),
            ("POST", "/v1/checkouts".to_owned(), order(customer), "usage"),
            ("POST", "/v1/quotes".to_owned(), image(customer), "usage"),
            ("POST", "/v1/holds".to_owned(), json!({"customer": customer, "quote": quote}), "usage"),
            ("POST", format!("/v1/holds/{hold}/extend"), json!({"ttl_seconds": 900}), "usage"),
            ("POST", format!("/v1/holds/{hold}/capture"), json!({"credits": "1", "final": false}), "usage"),
            ("POST", format!("/v1/holds/{hold}/void"), json!({}), "usage"),
            ("POST", "/v1/usage".to_owned(), usage(customer, 1), "usage"),
            ("POST", "/v1/usage/batch".to_owned(), json!({"items": [usage(customer, 1)]}), "usage"),
            ("POST", "/api/v1/events".to_owned(), event, "usage"),
            ("POST", format!("/v1/receipts/{receipt}/reverse"), json!({}), "usage"),
            ("POST", format!("/v1/receipts/{receipt}/deliveries"), json!({}), "usage"),
            ("POST", "/v1/rate-cards".to_owned(), card, "catalogue"),
            ("POST", "/v1/rate-cards/card_1/publish".to_owned(), json!({}), "catalogue"),
            ("POST", "/v1/customers".to_owned(), person, "admin"),
            ("POST", "/v1/risk/score".to_owned(), json!({"customer": customer}), "read"),
            ("GET", "/v1/risk/cases".to_owned(), Value::Null, "read"),
            ("GET", format!("/v1/risk/cases/{}", no_case()), Value::Null, "read"),
            ("GET", "/v1/risk/settings".to_owned(), Value::Null, "read"),
            ("GET", "/v1/risk/shadow".to_owned(), Value::Null, "read"),
            ("POST", "/v1/risk/settings".to_owned(), risk_settings(), "admin"),
            ("GET", format!("/v1/risk/exceptions?customer={customer}"), Value::Null, "admin"),
            ("GET", "/v1/risk/allowances".to_owned(), Value::Null, "admin"),
            ("POST", "/v1/risk/allowances".to_owned(), allowance(customer), "admin"),
            ("POST", "/v1/risk/snoozes".to_owned(), snooze(customer), "admin"),
            (
                "POST",
                format!("/v1/risk/cases/{}/verdict", no_case()),
                json!({"verdict": "dismissed"}),
                "admin",
            ),
            ("POST", format!("/v1/customers/{customer}/restrict"), json!({"reason": "r"}), "admin"),
            ("POST", format!("/v1/customers/{customer}/release"), json!({"reason": "r"}), "admin"),
            ("POST", "/v1/grants".to_owned(), grants, "admin"),
            ("POST", format!("/v1/grants/{grant}/void"), json!({}), "admin"),
            ("POST", "/v1/api-keys".to_owned(), json!({"name": "n", "scopes": ["read"]}), "admin"),
            ("DELETE", format!("/v1/api-keys/{}", no_key()), Value::Null, "admin"),
        ]);
        calls.extend(SHARED.map(|path| ("GET", path.to_owned(), Value::Null, "read")));
        calls
    }
}

/// The id of an API key that nobody has.
fn no_key() -> String {
    kernel::ApiKeyId::from_uuid(kernel::new_uuid()).to_string()
}

/// The id of a case that nobody opened.
fn no_case() -> String {
    kernel::CaseId::from_uuid(kernel::new_uuid()).to_string()
}

fn risk_settings() -> Value {
    json!({"settings": {"review": 0.5, "restrict": 0.9, "block": 1.0, "release": 0.6, "restrict_minutes": 60,
        "step_up": "wait", "mail_above": "0"}, "reason": "r"})
}

fn allowance(customer: &str) -> Value {
    json!({"customer": customer, "is_allowed": true, "reason": "r"})
}

fn snooze(customer: &str) -> Value {
    json!({"customer": customer, "rule": "scraper", "days": 1, "reason": "r"})
}

async fn owner(app: &TestApp) -> String {
    app::keys::authenticate(&app.app, &app.key).await.unwrap().owner
}

fn order(customer: &str) -> Value {
    let (success, cancel) = ("https://a.example/thanks", "https://a.example/prices");
    json!({"customer": customer, "pack": "pack_500", "success_url": success, "cancel_url": cancel})
}

fn image(customer: &str) -> Value {
    json!({"customer": customer, "feature": "image.generate", "model": "sdxl", "quantities": {"images": 1}})
}
