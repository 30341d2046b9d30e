//! rules.md, "Idempotency": a retry that comes while its first try still waits in the lane.

use std::future::Future;
use std::pin::{Pin, pin};

use ::engine::{Answer, EngineError};
use app::{CustomerRef, Principal, customers};
use futures::FutureExt;
use futures::future::{MaybeDone, join_all, maybe_done};
use kernel::{WalletId, bucket_of};
use serde_json::{Value, json};
use store::{LaneTx, lanes};
use tests::cards::{OVERAGE, per_second};
use tests::databases::{command, grant};
use tests::test_app::{Reply, TestApp, on_each_database, work};

const HOUR_SECONDS: i64 = 3_600;

type Call<'a> = (&'a str, &'a str, Value);

/// The lane of a wallet stands still until this is dropped: its writer has taken a command and waits for
/// the lane's row.
struct Jam {
    _fence: LaneTx,
}

impl Jam {
    async fn of(app: &TestApp, wallet: WalletId) -> (Jam, impl Future<Output = Result<Answer, EngineError>>) {
        let store = app.app.store();
        let map = lanes::read_map(store).await.expect("the lane map");
        let fence = store.begin_lane().await.expect("a transaction");
        fence
            .claim(map.of_bucket[&bucket_of(wallet)])
            .await
            .expect("a statement")
            .expect("the lane is there");
        let engine = app.app.engine().clone();
        let mut taken = Box::pin(async move { engine.submit(command(wallet, "jam", grant(1))).await });
        assert!((&mut taken).now_or_never().is_none());
        until(async || app.app.engine().waiting().await == 0).await;
        (Jam { _fence: fence }, taken)
    }
}

async fn until(is_so: impl AsyncFn() -> bool) {
    while !is_so().await {
        tokio::task::yield_now().await;
    }
}

/// Goes on with `work` until it is done or `is_so`.
async fn work_until<F: Future>(mut work: Pin<&mut MaybeDone<F>>, is_so: impl AsyncFn() -> bool) {
    tokio::select! {
        () = work.as_mut() => {}
        () = until(is_so) => {}
    }
}

async fn send(app: &TestApp, calls: &[Call<'_>]) -> Vec<Reply> {
    join_all(calls.iter().map(|(path, key, body)| app.post_with(path, key, body))).await
}

/// What the first tries were priced with is gone when the retries come.
#[tokio::test]
async fn a_retry_that_cannot_be_prepared_any_more_waits_for_its_first_try() {
    on_each_database(async |app| {
        app.publish(&per_second(1)).await;
        app.funded("c", "100").await;
        app.clock.advance_seconds(HOUR_SECONDS);
        app.publish(OVERAGE).await;
        app.clock.advance_seconds(-HOUR_SECONDS);
        let calls: [Call<'_>; 3] = [
            ("/v1/usage", "u", work("c", "work.do", 2)),
            ("/v1/holds", "h", work("c", "work.do", 3)),
            ("/v1/usage/batch", "b", json!({"items": [work("c", "work.do", 4), work("c", "work.do", 5)]})),
        ];
        let commands = 4;
        let wallet = customers::get(&app.app, &Principal::system(), &CustomerRef::from("c")).await;
        let (jam, taken) = Jam::of(app, wallet.expect("the customer").wallet).await;

        let mut firsts = pin!(maybe_done(send(app, &calls)));
        work_until(firsts.as_mut(), async || app.app.engine().waiting().await == commands).await;
        app.clock.advance_seconds(2 * HOUR_SECONDS);
        let mut retries = pin!(maybe_done(send(app, &calls)));
        work_until(retries.as_mut(), async || app.app.engine().waiting().await == 2 * commands).await;
        drop(jam);
        taken.await.expect("a grant");
        tokio::join!(firsts.as_mut(), retries.as_mut());

        let firsts = firsts.take_output().expect("answers");
        for (first, again) in firsts.into_iter().zip(retries.take_output().expect("answers")) {
            assert!((200..300).contains(&first.status) && !first.is_replayed(), "{first}");
            assert!(again.is_replayed() && again.body == first.body, "{again}");
        }
        app.assert_wallet("c", ["87", "3", "0"]).await;
        // Without a first try there is nothing to wait for.
        for (path, _, body) in &calls[..2] {
            app.post(path, body).await.problem(400, "invalid_request");
        }
        let refused = app.post(calls[2].0, &calls[2].2).await.success(200);
        assert_eq!(
            (&refused["results"][0]["status"], &refused["results"][1]["status"]),
            (&json!(400), &json!(400))
        );
    })
    .await;
}
