//! rules.md, "Rounding".

use kernel::Credits;
use serde_json::{Value, json};
use tests::cards::{card_rounded_to, per_second};
use tests::test_app::{TestApp, on_each_database, text, work};

#[tokio::test]
async fn a_price_is_rounded_once_at_the_total_half_away_from_zero_to_the_micro_credit() {
    on_each_database(async |app| {
        app.customer("c").await;
        // 5 credits per 10 seconds: half a micro-credit per micro-second.
        for (seconds, credits) in [
            ("0.000001", "0.000001"),
            ("0.000002", "0.000001"),
            ("0.000003", "0.000002"),
            ("0.000005", "0.000003"),
        ] {
            let quote = quote(app, "video.render", "standard", "seconds", seconds).await;
            assert_eq!(quote["credits"], credits, "{seconds}");
            assert_adds_up(&quote);
        }
        // 5 × 1/1024 × 1/1024 × 1/30: 0.000000158…, to the nearest.
        let tiny = json!({"customer": "c", "feature": "image.generate", "model": "sdxl",
            "quantities": {"images": 1, "width": 1, "height": 1, "steps": 1}});
        let quote = app.post("/v1/quotes", &tiny).await.success(201);
        assert_eq!(quote["credits"], "0");
        assert_adds_up(&quote);
    })
    .await;
}

#[tokio::test]
async fn a_card_may_round_to_a_coarser_step() {
    on_each_database(async |app| {
        app.publish(&card_rounded_to("0.5", "rates = [{ driver = \"seconds\", credits = \"0.1\" }]")).await;
        app.funded("c", "100").await;
        for (seconds, credits) in [
            ("2", "0"),
            ("2.5", "0.5"),
            ("7", "0.5"),
            ("7.5", "1"),
            ("12.4", "1"),
            ("12.5", "1.5"),
            ("10", "1"),
        ] {
            let quote = quote(app, "work.do", "m", "seconds", seconds).await;
            assert_eq!(quote["credits"], credits, "{seconds}");
            assert_adds_up(&quote);
        }
        // The sum of all captures is rounded, not each: 2 + 2 seconds are 0.4, which is 0.5.
        let hold = text(&app.post("/v1/holds", &work("c", "work.do", 30)).await.success(201), "/id");
        for (seconds, credits) in [(2, "0"), (2, "0.5"), (2, "0"), (2, "0.5")] {
            let body = json!({"quantities": {"seconds": seconds}, "final": false});
            let receipt = app.post(&format!("/v1/holds/{hold}/capture"), &body).await.success(200);
            assert_eq!(receipt["credits"], credits);
            assert_adds_up_to(&receipt["breakdown"], &total(&receipt["breakdown"]));
        }
        app.assert_wallet("c", ["97", "2", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn only_the_total_is_rounded_and_the_rounding_is_the_last_line() {
    on_each_database(async |app| {
        let model = "rates = [{ driver = \"seconds\", credits = \"0.25\" }, { driver = \"images\", credits = \"0.25\" }]\n\
                     defaults = { images = 0 }";
        app.publish(&card_rounded_to("0.5", model)).await;
        app.customer("c").await;
        let ask = async |seconds: u32, images: u32| {
            let mut work = work("c", "work.do", seconds);
            work["quantities"]["images"] = json!(images);
            app.post("/v1/quotes", &work).await.success(201)
        };
        // Each line rounded by itself would make 1.
        let exact = ask(1, 1).await;
        assert_eq!(exact["credits"], "0.5");
        assert!(exact["breakdown"].as_array().unwrap().iter().all(|line| line["label"] != "Rounding"), "{exact}");
        let rounded = ask(1, 2).await;
        assert_eq!(rounded["credits"], "1");
        let lines: Vec<Value> =
            rounded["breakdown"].as_array().unwrap().iter().map(|l| json!([l["label"], l["credits"]])).collect();
        let expected = [json!(["Seconds", "0.25"]), json!(["Images", "0.5"]), json!(["Rounding", "0.25"])];
        assert_eq!(lines, expected);
    })
    .await;
}

#[tokio::test]
async fn the_lines_of_a_receipt_add_up_to_what_was_charged() {
    on_each_database(async |app| {
        app.funded("c", "1000").await;
        for (width, height, steps) in [(1, 1, 1), (333, 777, 7), (1023, 1025, 31), (640, 480, 29), (3, 7, 11)]
        {
            let work = json!({"customer": "c", "feature": "image.generate", "model": "sdxl",
                "quantities": {"images": 3, "width": width, "height": height, "steps": steps}});
            let receipt = app.post("/v1/usage", &work).await.success(201);
            assert_adds_up(&receipt);
        }
        for pages in ["0.001", "0.3", "99.999999", "100.000001", "333.333333"] {
            let receipt = receipt(app, pages).await;
            assert_adds_up(&receipt);
        }
    })
    .await;
}

#[tokio::test]
async fn a_price_above_what_one_call_may_move_is_a_400() {
    on_each_database(async |app| {
        app.publish(&per_second(1_000)).await;
        app.customer("c").await;
        let mut large = work("c", "work.do", 1_000_000);
        app.post("/v1/quotes", &large).await.success(201);
        large["quantities"]["seconds"] = json!(1_000_001);
        for path in ["/v1/quotes", "/v1/holds", "/v1/usage"] {
            app.post(path, &large).await.names("quantities");
        }
    })
    .await;
}

async fn quote(app: &TestApp, feature: &str, model: &str, driver: &str, amount: &str) -> Value {
    let amount: f64 = amount.parse().unwrap();
    let ask = json!({"customer": "c", "feature": feature, "model": model, "quantities": {driver: amount}});
    app.post("/v1/quotes", &ask).await.success(201)
}

async fn receipt(app: &TestApp, pages: &str) -> Value {
    let pages: f64 = pages.parse().unwrap();
    let work = json!({"customer": "c", "feature": "document.process", "model": "reader",
        "quantities": {"pages": pages}, "options": {"operation": "translate"}});
    app.post("/v1/usage", &work).await.success(201)
}

fn assert_adds_up(priced: &Value) {
    assert_adds_up_to(&priced["breakdown"], &text(priced, "/credits"));
}

fn assert_adds_up_to(breakdown: &Value, credits: &str) {
    assert_eq!(total(breakdown), credits, "{breakdown}");
    let lines = breakdown.as_array().unwrap();
    let rounding = lines.iter().position(|line| line["label"] == "Rounding");
    assert!(rounding.is_none_or(|at| at == lines.len() - 1), "not the last line: {breakdown}");
}

fn total(breakdown: &Value) -> String {
    let lines = breakdown.as_array().unwrap().iter();
    Credits::from_micros(lines.map(|l| text(l, "/credits").parse::<Credits>().unwrap().micros()).sum())
        .to_string()
}
