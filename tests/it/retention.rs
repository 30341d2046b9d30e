//! rules.md, "Idempotency": keys replay for 90 days at least; what has had its time is forgotten.

use app::accounts;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use store::cold::{mailed_links, outbox, quotes, requests, sessions};
use tests::shop::{Answer, Shop, in_each_shop};

const DAY_SECONDS: i64 = 86_400;

/// Rows of first answers, quotes, sessions and links.
async fn kept(shop: &Shop) -> [u64; 4] {
    let db = shop.app.store().reader();
    [
        requests::Entity::find().count(db).await.unwrap(),
        quotes::Entity::find().count(db).await.unwrap(),
        sessions::Entity::find().count(db).await.unwrap(),
        mailed_links::Entity::find().count(db).await.unwrap(),
    ]
}

/// Somebody with a proven address and one session.
async fn sign_up(shop: &Shop, name: &str) {
    let email = format!("{name}@example.com");
    tests::shop::account(&shop.app, name, &email, "correct horse battery").await;
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed").as_deref() == Some("true")
}

#[tokio::test]
async fn answers_replay_for_90_days_and_what_has_had_its_time_is_forgotten() {
    in_each_shop(async |shop| {
        shop.settle().await;
        let before = kept(shop).await[0];
        let work = json!({"customer": "demo", "feature": "text.generate", "model": "gpt-4",
            "quantities": {"input_tokens": 1000, "output_tokens": 0}});
        let quote = shop.post_with("/v1/quotes", "q-1", &work).await;
        let on_hold = json!({"customer": "demo", "quote": quote.document()["id"]});
        let hold = shop.post_with("/v1/holds", "h-1", &on_hold).await;
        let capture = format!("/v1/holds/{}/capture", hold.document()["id"].as_str().unwrap());
        let captured = shop.post_with(&capture, "c-1", &json!({"credits": "4"})).await;
        assert_eq!((quote.status, hold.status, captured.status), (201, 201, 200), "{captured:?}");
        sign_up(shop, "ada").await;
        assert_eq!(kept(shop).await, [before + 1, 1, 1, 1], "{}", shop.name);

        shop.wait_and_settle(8 * DAY_SECONDS).await;
        assert_eq!(kept(shop).await, [before + 1, 1, 1, 0], "{}: the link worked for 7 days", shop.name);
        shop.wait_and_settle(7 * DAY_SECONDS).await;
        assert_eq!(kept(shop).await, [before + 1, 1, 0, 0], "{}: 14 days without use", shop.name);
        sign_up(shop, "bob").await;
        shop.wait_and_settle(74 * DAY_SECONDS).await;
        assert_eq!(kept(shop).await[1], 0, "{}: the quote is long over", shop.name);
        for (path, key, body, first) in [
            ("/v1/quotes", "q-1", &work, &quote),
            ("/v1/holds", "h-1", &on_hold, &hold),
            (capture.as_str(), "c-1", &json!({"credits": "4"}), &captured),
        ] {
            let again = shop.post_with(path, key, body).await;
            assert_eq!((&again.body, again.status), (&first.body, first.status), "{}: {path}", shop.name);
            assert!(is_replayed(&again), "{}: {path} {again:?}", shop.name);
            let other = shop.post_with(path, key, &json!({"customer": "demo", "credits": "1"})).await;
            assert_ne!(other.status, 201, "{}: {path}", shop.name);
        }

        shop.wait_and_settle(2 * DAY_SECONDS).await;
        assert_eq!(kept(shop).await, [0, 0, 0, 0], "{}: 91 days", shop.name);
        let anew = shop.post_with("/v1/quotes", "q-1", &work).await;
        assert!(anew.status == 201 && !is_replayed(&anew) && anew.body != quote.body, "{anew:?}");
        // What moved credits stands in the journal for ever, and so does its key.
        let late = shop.post_with("/v1/holds", "h-1", &on_hold).await;
        assert!(late.body == hold.body && is_replayed(&late), "{}: {late:?}", shop.name);
        let row = schedule(shop).await;
        assert_eq!(row["failed"], json!(false), "{row}");
    })
    .await;
}

#[tokio::test]
async fn who_forgot_a_password_is_forgotten_in_days() {
    in_each_shop(async |shop| {
        let kept = async || {
            let db = shop.app.store().reader();
            let asked = outbox::Entity::find().filter(outbox::Column::Kind.eq("password_reset"));
            let links = mailed_links::Entity::find()
                .filter(mailed_links::Column::Purpose.eq(mailed_links::CHOOSE_PASSWORD));
            [asked.count(db).await.unwrap(), links.count(db).await.unwrap()]
        };
        sign_up(shop, "ada").await;
        for email in ["ada@example.com", "nobody@example.com"] {
            accounts::forgot_password(&shop.app, accounts::Role::Customer, email, None).await.unwrap();
        }
        shop.settle().await;
        assert_eq!(kept().await, [2, 1], "{}", shop.name);
        shop.wait_and_settle(2 * DAY_SECONDS).await;
        assert_eq!(kept().await, [0, 0], "{}", shop.name);
    })
    .await;
}

async fn schedule(shop: &Shop) -> Value {
    let rows = app::queues::schedules(&shop.app, &app::Principal::system()).await.unwrap();
    let row = rows.into_iter().find(|row| row.name == "forget").unwrap();
    json!({"failed": row.has_failed, "said": row.last_result})
}
