//! rules.md, "Ids".

use kernel::{CustomerId, GrantId, HoldId, QuoteId, ReceiptId, WalletId};
use serde_json::{Value, json};
use tests::test_app::{on_each_database, text, usage};

#[tokio::test]
async fn customers_wallets_and_api_keys_are_uuids_of_version_7_behind_a_prefix() {
    on_each_database(async |app| {
        let customer = app.customer("c").await;
        let key = app.post("/v1/api-keys", &json!({"name": "k", "scopes": ["read"]})).await.success(201);
        let id: CustomerId = text(&customer, "/id").parse().unwrap();
        let wallet: WalletId = text(&customer, "/wallet").parse().unwrap();
        let key: kernel::ApiKeyId = text(&key, "/id").parse().unwrap();
        for uuid in [id.uuid(), wallet.uuid(), key.uuid()] {
            assert_eq!(uuid.get_version_num(), 7);
        }
    })
    .await;
}

#[tokio::test]
async fn ids_of_grants_holds_and_receipts_are_their_wallet_and_the_seq_that_made_them() {
    on_each_database(async |app| {
        let wallet: WalletId = text(&app.customer("c").await, "/wallet").parse().unwrap();
        let grant = app.grant("c", "100", &json!({})).await;
        let hold = app.hold("c", "10").await;
        let hold_path = format!("/v1/holds/{}", text(&hold, "/id"));
        let capture = app.post(&format!("{hold_path}/capture"), &json!({"credits": "1"})).await.success(200);
        let debit = app.use_credits("c", 1).await;
        let reverse_path = format!("/v1/receipts/{}/reverse", text(&debit, "/id"));
        let reversal = app.post(&reverse_path, &json!({})).await.success(201);

        assert_eq!(text(&grant, "/id").parse(), Ok(GrantId { wallet, seq: 1 }));
        assert_eq!(text(&hold, "/id").parse(), Ok(HoldId { wallet, seq: 2 }));
        for (receipt, seq) in [(capture, 3), (debit, 4), (reversal, 5)] {
            assert_eq!(text(&receipt, "/id").parse(), Ok(ReceiptId { wallet, seq }));
        }
    })
    .await;
}

#[tokio::test]
async fn a_quotes_id_is_its_wallet_and_random() {
    on_each_database(async |app| {
        let wallet: WalletId = text(&app.customer("c").await, "/wallet").parse().unwrap();
        let quote = async || {
            let quote = app.post("/v1/quotes", &usage("c", 1)).await.success(201);
            text(&quote, "/id").parse::<QuoteId>().unwrap()
        };
        let (first, second) = (quote().await, quote().await);
        assert_eq!((first.wallet, second.wallet), (wallet, wallet));
        assert!(first.nonce.abs_diff(second.nonce) > 1, "{first:?} {second:?}");
    })
    .await;
}

#[tokio::test]
async fn an_id_resolves_without_its_customer_being_named_also_after_a_restart() {
    on_each_database(async |app| {
        app.funded("c", "100").await;
        let hold = app.hold("c", "10").await;
        let receipt = app.use_credits("c", 1).await;
        let later = app.restarted().await;
        let hold_path = format!("/v1/holds/{}", text(&hold, "/id"));
        assert_eq!(later.get(&hold_path).await.success(200), hold);
        let receipt_path = format!("/v1/receipts/{}", text(&receipt, "/id"));
        assert_eq!(later.get(&receipt_path).await.success(200), receipt);
        later.post(&format!("{hold_path}/void"), &json!({})).await.success(200);
    })
    .await;
}

#[tokio::test]
async fn a_command_made_one_object_and_no_other_prefix_finds_it() {
    on_each_database(async |app| {
        let wallet: WalletId = text(&app.customer("c").await, "/wallet").parse().unwrap();
        app.grant("c", "100", &json!({})).await;
        app.hold("c", "10").await;
        app.use_credits("c", 1).await;
        let (grant, hold, receipt) = (1, 2, 3);
        let missing = [
            format!("/v1/receipts/{}", ReceiptId { wallet, seq: grant }),
            format!("/v1/receipts/{}", ReceiptId { wallet, seq: hold }),
            format!("/v1/holds/{}", HoldId { wallet, seq: grant }),
            format!("/v1/holds/{}", HoldId { wallet, seq: receipt }),
            format!("/v1/holds/{}", HoldId { wallet, seq: 4 }),
            format!("/v1/holds/{}", HoldId { wallet, seq: -1 }),
        ];
        for path in missing {
            app.get(&path).await.problem(404, "not_found");
        }
        for seq in [hold, receipt, 0, i64::MAX] {
            let path = format!("/v1/grants/{}/void", GrantId { wallet, seq });
            app.post(&path, &json!({})).await.problem(404, "not_found");
        }
        for seq in [grant, receipt, 9] {
            let path = format!("/v1/holds/{}", HoldId { wallet, seq });
            let (no_body, credits) = (json!({}), json!({"credits": "1"}));
            app.post(&format!("{path}/void"), &no_body).await.problem(404, "not_found");
            app.post(&format!("{path}/capture"), &credits).await.problem(404, "not_found");
            app.post(&format!("{path}/extend"), &credits).await.problem(404, "not_found");
        }
        for seq in [grant, hold, 9] {
            let path = format!("/v1/receipts/{}", ReceiptId { wallet, seq });
            app.post(&format!("{path}/reverse"), &json!({})).await.problem(404, "not_found");
            app.post(&format!("{path}/deliveries"), &json!({})).await.problem(404, "not_found");
        }
        app.assert_wallet("c", ["89", "10", "0"]).await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_an_id_of_this_kind_is_not_found() {
    on_each_database(async |app| {
        let customer = text(&app.funded("c", "100").await, "/id");
        let hold = text(&app.hold("c", "10").await, "/id");
        let upper = hold.to_uppercase();
        let cut = &hold[..hold.len() - 1];
        for id in [&customer, "1", "hld_", cut, &upper, "hld_%00", "%ff", &hold.replace("hld_", "rct_")] {
            app.get(&format!("/v1/holds/{id}")).await.problem(404, "not_found");
        }
        for id in [&hold, "rct_", "rct_1"] {
            app.get(&format!("/v1/receipts/{id}")).await.problem(404, "not_found");
        }
        for id in ["card_0", "card_99", "card_-1", "card_01", "1"] {
            app.get(&format!("/v1/rate-cards/{id}")).await.problem(404, "not_found");
        }
        let nobody: Value = app.get("/v1/customers/nobody").await.problem(404, "not_found");
        assert_eq!(nobody["errors"], json!([]));
    })
    .await;
}
