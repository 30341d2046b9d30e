//! Charges summed by what they were for agree with what the caller was told of each.

use std::collections::BTreeMap;

use app::{App, AppConfig};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use kernel::Credits;
use serde_json::{Value, json};
use tests::shop::{Answer, Shop, in_each_shop};
use tower::ServiceExt;

const DAY_SECONDS: i64 = 86_400;
const HOUR_SECONDS: i64 = 3_600;

/// A charge as its caller knows it: its members, and its credits in millionths.
struct Told {
    members: Value,
    micros: i64,
}

/// What each group has: millionths of a credit, and charges.
type Sums = BTreeMap<String, (i64, u64)>;

impl Told {
    fn of(shop: &Shop, answer: &Answer, work: &Value) -> Told {
        let now = shop.clock.now().to_string();
        let mut members = work.clone();
        members["day"] = format!("{}T00:00:00Z", &now[..10]).into();
        members["hour"] = format!("{}:00:00Z", &now[..13]).into();
        Told { members, micros: micros(&answer.document()) }
    }
}

fn micros(document: &Value) -> i64 {
    let text = document["credits"].as_str().unwrap_or_else(|| panic!("no charge: {document}"));
    text.parse::<Credits>().unwrap().micros()
}

async fn work(shop: &Shop, more: Value) -> (Told, Answer) {
    let mut body = json!({"customer": "c"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = shop.post("/v1/usage", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    (Told::of(shop, &answer, &more), answer)
}

/// A captured hold of plain credits: it has no feature.
async fn plain(shop: &Shop, job: &str) -> Told {
    let hold = shop.post("/v1/holds", &json!({"customer": "c", "credits": "9", "job": job})).await.document();
    let path = format!("/v1/holds/{}/capture", hold["id"].as_str().unwrap());
    let captured = shop.post(&path, &json!({"credits": "4"})).await;
    assert_eq!(captured.status, 200, "{captured:?}");
    Told::of(shop, &captured, &json!({"job": job}))
}

/// What the client's own log says.
fn expected<'a>(told: impl Iterator<Item = &'a Told>, by: &[&str]) -> Sums {
    let mut sums = Sums::new();
    for told in told {
        let key: Vec<String> = by.iter().map(|member| told.members[member].to_string()).collect();
        let sum = sums.entry(key.join(" ")).or_default();
        *sum = (sum.0 + told.micros, sum.1 + 1);
    }
    sums
}

async fn answered(shop: &Shop, more: &str, by: &[&str]) -> Sums {
    let path = format!("/v1/customers/c/usage?group_by={}{more}", by.join(","));
    let document = shop.get(&path).await.document();
    let mut sums = Sums::new();
    for group in document["data"].as_array().unwrap_or_else(|| panic!("{path}: {document}")) {
        let member = |name: &&str| &group[if matches!(*name, "day" | "hour") { "begins_at" } else { name }];
        let key: Vec<String> = by.iter().map(|name| member(name).to_string()).collect();
        let named = ["feature", "model", "subject", "job"].iter().filter(|name| !by.contains(name));
        assert!(named.map(|name| &group[*name]).all(Value::is_null), "{path}: {group}");
        let sum = (micros(group), group["charges"].as_u64().unwrap());
        assert_eq!(sums.insert(key.join(" "), sum), None, "{path}: {document}");
    }
    let total = sums.values().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    assert_eq!(total, (micros(&document), document["charges"].as_u64().unwrap()), "{path}: {document}");
    sums
}

#[tokio::test]
async fn charges_are_summed_by_what_they_were_for() {
    in_each_shop(async |shop| {
        shop.customer("c").await;
        shop.post("/v1/grants", &json!({"customer": "c", "credits": "500", "kind": "promo"})).await;
        let begin = shop.clock.now();
        let image = |job: &str| json!({"feature": "image.generate", "model": "sdxl", "quantities": {"images": 1}, "job": job});
        let chat = |model: &str| json!({"feature": "text.generate", "model": model, "quantities": {"input_tokens": 1_000, "output_tokens": 0}, "subject": "ada"});
        let mut told = vec![work(shop, image("poster")).await.0, work(shop, image("poster")).await.0];
        let (_, undone) = work(shop, image("undone")).await;
        let path = format!("/v1/receipts/{}/reverse", undone.document()["id"].as_str().unwrap());
        assert_eq!(shop.post(&path, &json!({})).await.status, 201);
        shop.clock.advance_seconds(HOUR_SECONDS);
        told.push(work(shop, chat("gpt-4")).await.0);
        told.push(plain(shop, "poster").await);
        let later = told.len();
        shop.clock.advance_seconds(2 * DAY_SECONDS);
        let second = shop.clock.now();
        told.push(work(shop, chat("gpt-4")).await.0);
        told.push(work(shop, chat("claude-sonnet")).await.0);
        shop.clock.advance_seconds(1);

        for by in [
            vec!["feature"],
            vec!["feature", "model"],
            vec!["day"],
            vec!["hour", "feature", "model"],
            vec!["subject", "job"],
        ] {
            assert_eq!(answered(shop, "", &by).await, expected(told.iter(), &by), "{}: {by:?}", shop.name);
            let first = answered(shop, &format!("&from={begin}&to={second}"), &by).await;
            assert_eq!(first, expected(told[..later].iter(), &by), "{}: {by:?}", shop.name);
            let rest = answered(shop, &format!("&from={second}"), &by).await;
            assert_eq!(rest, expected(told[later..].iter(), &by), "{}: {by:?}", shop.name);
            assert_eq!(answered(shop, &format!("&to={begin}"), &by).await, Sums::new());
        }
        let by_feature = shop.get("/v1/customers/c/usage").await.document();
        assert_eq!(by_feature["data"].as_array().map(Vec::len), Some(3), "{by_feature}");
        for wrong in ["group_by=colour", "group_by=", "group_by=feature,,model", "from=yesterday", "limit=3"] {
            assert_eq!(shop.get(&format!("/v1/customers/c/usage?{wrong}")).await.status, 400, "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_call_sums_so_many_entries_and_asks_for_a_shorter_period_beyond_them() {
    const MOST: i64 = 5;
    let image = || json!({"feature": "image.generate", "model": "sdxl", "quantities": {"images": 1}});
    in_each_shop(async |shop| {
        shop.customer("c").await;
        let gift = json!({"customer": "c", "credits": "100", "kind": "promo"});
        assert_eq!(shop.post("/v1/grants", &gift).await.status, 201);
        let config = AppConfig { usage_entries_max: MOST, ..AppConfig::default() };
        let app = App::open(shop.app.store().clone(), shop.clock.clone(), shop.app.engine().clone(), config);
        let router = api::router(app, "/buy");
        let ask = async |from: &str| {
            let request = Request::get(format!("/v1/customers/c/usage?group_by=feature{from}"))
                .header("authorization", format!("Bearer {}", shop.key));
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (status, serde_json::from_slice::<Value>(&body).unwrap())
        };
        // The grant is one entry.
        for charges in 1..MOST {
            work(shop, image()).await;
            shop.clock.advance_seconds(HOUR_SECONDS);
            let (status, told) = ask("").await;
            assert_eq!((status, told["charges"].as_i64()), (200, Some(charges)), "{}: {told}", shop.name);
        }
        let since = shop.clock.now();
        work(shop, image()).await;
        shop.clock.advance_seconds(HOUR_SECONDS);
        let (status, told) = ask("").await;
        let rule = &told["errors"][0];
        assert_eq!((status, rule["field"].as_str()), (400, Some("from")), "{}: {told}", shop.name);
        assert!(rule["message"].as_str().unwrap().contains("more than 5 entries"), "{rule}");
        let (status, told) = ask(&format!("&from={since}")).await;
        assert_eq!((status, told["charges"].as_i64()), (200, Some(1)), "{}: {told}", shop.name);
    })
    .await;
}
