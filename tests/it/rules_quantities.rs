//! rules.md, "Quantities, context, options".

use serde_json::{Value, json};
use tests::cards::card;
use tests::test_app::{Reply, TestApp, on_each_database, text};

const NAMES: [&str; 21] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "characters",
    "images",
    "width",
    "height",
    "steps",
    "guidance",
    "seconds",
    "frames",
    "fps",
    "bytes",
    "pages",
    "dimensions",
    "vectors",
    "batch_size",
];

#[tokio::test]
async fn quantities_are_numbers_of_these_names_and_no_others() {
    on_each_database(async |app| {
        app.customer("c").await;
        for name in NAMES {
            for number in [json!(1), json!(1.5), json!(0), json!(0.000001)] {
                let quantities = json!({"images": 1, name: number});
                quote(app, "image.generate", "sdxl", quantities).await.success(201);
            }
            for wrong in [json!("1"), json!(-1), json!(null), json!(true), json!([1]), json!({}), json!(1e13)]
            {
                let reply = quote(app, "image.generate", "sdxl", json!({"images": 1, name: wrong})).await;
                let problem = reply.problem(400, "invalid_request");
                assert!(text(&problem, "/errors/0/field").starts_with("quantities"), "{reply}");
            }
        }
        for unknown in ["tokens", "Images", "images ", ""] {
            let reply = quote(app, "image.generate", "sdxl", json!({"images": 1, unknown: 1})).await;
            let problem = reply.problem(400, "invalid_request");
            assert!(text(&problem, "/errors/0/field").starts_with("quantities"), "{reply}");
        }
    })
    .await;
}

#[tokio::test]
async fn missing_width_height_and_steps_are_the_cards_default() {
    on_each_database(async |app| {
        app.customer("c").await;
        // 5 for one picture of 1024 × 1024 with 30 steps.
        for (quantities, credits) in [
            (json!({"images": 1}), "5"),
            (json!({"images": 3}), "15"),
            (json!({"images": 1, "width": 512, "height": 512}), "1.25"),
            (json!({"images": 1, "width": 2048}), "10"),
            (json!({"images": 1, "steps": 60}), "10"),
            (json!({"images": 2, "width": 512, "height": 1024, "steps": 15}), "2.5"),
            (json!({"images": 0}), "0"),
        ] {
            let quote = quote(app, "image.generate", "sdxl", quantities.clone()).await.success(201);
            assert_eq!(quote["credits"], credits, "{quantities}");
            for (name, default) in [("width", 1024), ("height", 1024), ("steps", 30)] {
                let expected = quantities.get(name).cloned().unwrap_or(json!(default));
                assert_eq!(quote["quantities"][name], expected, "{quantities}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_driver_is_a_400_that_names_it() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        for (feature, model, quantities, missing) in [
            ("image.generate", "sdxl", json!({}), "quantities.images"),
            ("image.generate", "sdxl", json!({"width": 512, "steps": 30}), "quantities.images"),
            ("text.embed", "text-embedding-3-small", json!({"output_tokens": 5}), "quantities.input_tokens"),
            ("video.render", "standard", json!({"frames": 100, "fps": 10}), "quantities.seconds"),
        ] {
            quote(app, feature, model, quantities.clone()).await.names(missing);
            let work = json!({"customer": "c", "feature": feature, "model": model, "quantities": quantities});
            app.post("/v1/holds", &work).await.names(missing);
            app.post("/v1/usage", &work).await.names(missing);
        }
        app.assert_wallet("c", ["100", "0", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn the_demo_prices_are_those_of_the_contract() {
    on_each_database(async |app| {
        app.customer("c").await;
        for (feature, model, quantities, credits) in [
            ("image.generate", "sdxl", json!({"images": 1}), "5"),
            ("image.generate", "dall-e-3", json!({"images": 1}), "10"),
            ("image.generate", "dall-e-3-hd", json!({"images": 1}), "25"),
            ("image.generate", "midjourney", json!({"images": 1}), "15"),
            ("text.generate", "gpt-4", json!({"input_tokens": 1_500, "output_tokens": 500}), "10"),
            ("video.render", "standard", json!({"seconds": 10}), "5"),
        ] {
            assert_eq!(
                quote(app, feature, model, quantities).await.success(201)["credits"],
                credits,
                "{model}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn tiers_count_within_one_request() {
    on_each_database(async |app| {
        app.funded("c", "1000").await;
        // The first 100 pages for 0.5 each, further ones for 0.4, every time.
        for (pages, credits) in [(60, "30"), (60, "30"), (100, "50"), (150, "70"), (150, "70")] {
            let quantities = json!({"pages": pages});
            let work =
                json!({"customer": "c", "feature": "document.process", "model": "reader", "quantities": quantities});
            assert_eq!(app.post("/v1/usage", &work).await.success(201)["credits"], credits, "{pages}");
        }
    })
    .await;
}

#[tokio::test]
async fn input_tokens_are_without_cached_ones_and_the_litellm_mapping_subtracts() {
    on_each_database(async |app| {
        app.funded("c", "10").await;
        let data = json!({
            "model": "anthropic/claude-sonnet", "prompt_tokens": 1_000, "completion_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 400},
        });
        let event = json!({
            "specversion": "1.0", "id": "1", "source": "litellm-proxy", "type": "litellm_tokens", "subject": "c",
            "data": data,
        });
        app.report(&event).await.success(204);
        // Per 1,000: 600 at 1, 400 at 0.1, 100 at 5.
        app.assert_wallet("c", ["8.86", "0", "0"]).await;
        let receipt = text(app.postings("c").await.last().unwrap(), "/receipt");
        let quantities = app.get(&format!("/v1/receipts/{receipt}")).await.success(200)["quantities"].clone();
        assert_eq!((&quantities["input_tokens"], &quantities["cached_input_tokens"]), (&json!(600), &json!(400)));
    })
    .await;
}

#[tokio::test]
async fn options_are_codec_style_quality_and_operation() {
    on_each_database(async |app| {
        app.customer("c").await;
        let speech = |options: Value| {
            json!({"customer": "c", "feature": "speech.synthesize", "model": "tts-1",
                "quantities": {"characters": 1_000}, "options": options})
        };
        // 1.5 per 1,000 characters, times 1.2 for wav; options without a table change nothing.
        for (options, credits) in [
            (json!({}), "1.5"),
            (json!({"codec": "mp3"}), "1.5"),
            (json!({"codec": "wav"}), "1.8"),
            (json!({"style": "calm", "quality": "hd", "operation": "read"}), "1.5"),
            (Value::Null, "1.5"),
        ] {
            let quote = app.post("/v1/quotes", &speech(options.clone())).await.success(201);
            assert_eq!(quote["credits"], credits, "{options}");
        }
        app.post("/v1/quotes", &speech(json!({"codec": "flac"}))).await.names("options.codec");
        app.post("/v1/quotes", &speech(json!({"voice": "x"}))).await.names("options.voice");
        app.post("/v1/quotes", &speech(json!({"codec": 1}))).await.names("options.codec");
        app.post("/v1/quotes", &speech(json!(["mp3"]))).await.names("options");
    })
    .await;
}

#[tokio::test]
async fn the_contexts_prompt_feeds_complexity() {
    on_each_database(async |app| {
        let model = "rates = [{ driver = \"seconds\", credits = 1 }]\ncomplexity = [{ from = 0, factor = 2 }]";
        app.publish(&card(model)).await;
        app.customer("c").await;
        let work = |context: Value| {
            json!({"customer": "c", "feature": "work.do", "model": "m", "quantities": {"seconds": 3}, "context": context})
        };
        let elsewhere = json!({"ip": "192.0.2.1", "user_agent": "curl", "device": "phone"});
        for (context, credits, multiplier) in
            [(json!({}), "3", "1"), (elsewhere, "3", "1"), (json!({"prompt": "Draw a cat"}), "6", "2")]
        {
            let quote = app.post("/v1/quotes", &work(context)).await.success(201);
            assert_eq!((&quote["credits"], &quote["multiplier"]), (&json!(credits), &json!(multiplier)));
        }
        app.post("/v1/quotes", &work(json!({"referer": "x"}))).await.names("context.referer");
    })
    .await;
}

async fn quote(app: &TestApp, feature: &str, model: &str, quantities: Value) -> Reply {
    let ask = json!({"customer": "c", "feature": feature, "model": model, "quantities": quantities});
    app.post("/v1/quotes", &ask).await
}
