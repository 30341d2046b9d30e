//! Databases of older versions become those of this one with what is in them.

use kernel::{Credits, new_uuid};
use ledger::{CaptureCharge, Command, GrantKind, LotTerms, WhenShort};
use migrations::Migrator;
use sea_orm::ConnectionTrait;
use sea_orm_migration::MigratorTrait;
use store::Store;
use store::cold::risk::{cases, days, former};
use tests::databases::{Bench, authorize, benches, command, debit, grant, terms_of};

/// Goes back to before the migration of this name.
async fn undo(store: &Store, name: &str) {
    let all = Migrator::migrations();
    let at = all.iter().position(|migration| migration.name() == name).expect(name);
    let steps = u32::try_from(all.len() - at).expect("a few");
    Migrator::down(store.writer(), Some(steps)).await.expect("it goes back");
}

/// (seq, remaining, held) of open lots, as they stood in the rows of lots.
async fn lots_of_before(bench: &Bench) -> Vec<(i64, i64, i64)> {
    let sql = "SELECT seq, remaining, held FROM lots WHERE is_open ORDER BY bucket, wallet, seq";
    let rows = bench
        .store
        .reader()
        .query_all_raw(sea_orm::Statement::from_string(bench.store.reader().get_database_backend(), sql));
    let rows = rows.await.expect("the columns are back");
    let number = |row: &sea_orm::QueryResult, column| row.try_get::<i64>("", column).expect(column);
    rows.iter().map(|row| (number(row, "seq"), number(row, "remaining"), number(row, "held"))).collect()
}

#[tokio::test]
async fn what_is_left_of_open_lots_moves_into_their_wallets_row_and_back() {
    for mut bench in benches().await {
        let wallet = bench.new_wallet().await;
        let soon = bench.clock.now().plus_seconds(3_600);
        let trial = LotTerms { kind: GrantKind::Trial, expires_at: Some(soon), ..terms_of(grant(3)) };
        for (key, next) in [
            ("pack", grant(10)),
            ("trial", Command::Grant(trial)),
            ("gone", grant(1)),
            ("void", Command::VoidGrant { grant: 3 }),
            ("debit", debit(2)),
            ("hold", authorize(4)),
        ] {
            bench.engine.submit(command(wallet, key, next)).await.expect(key);
        }
        bench.engine.stop().await; // every projection is written
        let before = store::wallets::read(&bench.store, wallet).await.expect("a read");
        let left: Vec<_> = before.iter().flat_map(|wallet| &wallet.lots).collect();
        let left: Vec<_> =
            left.iter().map(|(seq, l)| (**seq, l.remaining.micros(), l.held.micros())).collect();
        assert_eq!(left.len(), 2, "{}: {left:?}", bench.name);
        assert!(left.iter().any(|(_, _, held)| *held > 0), "{}: {left:?}", bench.name);

        undo(&bench.store, "m0037_lots_in_wallets").await;
        assert_eq!(lots_of_before(&bench).await, left, "{}", bench.name);
        migrations::migrate(&bench.store).await.expect("it migrates");
        // Connections of before know the tables as they were.
        bench.store = Store::connect(&bench.url).await.expect("it opens again");
        bench.assert_verified().await;
        assert_eq!(
            store::wallets::read(&bench.store, wallet).await.expect("a read"),
            before,
            "{}",
            bench.name
        );

        let engine = bench.another_engine(::engine::EngineConfig::default()).await;
        let capture = Command::Capture {
            hold: 6,
            charge: CaptureCharge::Credits(Credits::whole(4)),
            is_final: true,
            when_short: WhenShort::Refuse,
        };
        engine.submit(command(wallet, "capture", capture)).await.expect("a capture");
        engine.stop().await;
        bench.assert_verified().await;
    }
}

/// Newer columns and tables go and come again; what the older version knew stays.
#[tokio::test]
async fn cases_and_wallet_days_go_back_before_holds_had_a_day_and_on_again() {
    for mut bench in benches().await {
        let held = cases::Model {
            holds: 1,
            held_at: Some(77),
            state: cases::CLOSED.to_owned(),
            decision: Some(cases::CONFIRMED.to_owned()),
            decided_by: Some("olga".to_owned()),
            closed_at: Some(99),
            ..cases::Model::opened(new_uuid(), (new_uuid(), new_uuid()), 55)
        };
        let never = cases::Model::opened(new_uuid(), (new_uuid(), new_uuid()), 56);
        let day = days::Model {
            day: 3,
            wallet: new_uuid(),
            score: 0.5,
            features: vec![1, 2, 3],
            used_at: 44,
            draw: -9,
        };
        let wrong = former::Model {
            case_id: held.id,
            number: 1,
            decision: cases::DISMISSED.to_owned(),
            note: None,
            decided_by: "otto".to_owned(),
            decided_at: 88,
        };
        let txn = bench.store.write().await.expect("a transaction");
        for case in [&held, &never] {
            assert!(cases::open(&txn, case.clone()).await.expect("a row"));
        }
        former::insert(&txn, wrong).await.expect("a row");
        txn.commit().await.expect("a commit");
        days::put(&bench.store, vec![day.clone()]).await.expect("a row");

        undo(&bench.store, "m0070_risk_days_and_holds").await;
        for gone in ["held_at FROM risk_cases", "draw FROM risk_days", "number FROM risk_former_decisions"] {
            let asked = bench.store.reader().execute_unprepared(&format!("SELECT {gone}")).await;
            assert!(asked.is_err(), "{}: {gone}", bench.name);
        }
        migrations::migrate(&bench.store).await.expect("it migrates");
        migrations::migrate(&bench.store).await.expect("and once more");
        assert!(migrations::pending(&bench.store).await.expect("a list").is_empty(), "{}", bench.name);
        bench.store = Store::connect(&bench.url).await.expect("it opens again");
        let db = bench.store.reader();
        let back = cases::Model { held_at: Some(held.opened_at), ..held.clone() };
        assert_eq!(cases::by_id(db, held.id).await.expect("a read"), Some(back), "{}", bench.name);
        assert_eq!(cases::by_id(db, never.id).await.expect("a read"), Some(never), "{}", bench.name);
        let kept = days::of_wallet(db, day.wallet, 10).await.expect("a read");
        assert_eq!(kept, [days::Model { used_at: 0, draw: 0, ..day }], "{}", bench.name);
        assert_eq!(former::of_cases(db, [held.id]).await.expect("a read"), [], "{}", bench.name);
    }
}
