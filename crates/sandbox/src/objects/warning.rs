use serde_json::{Value, json};
use store::StoreError;

use crate::ids;
use crate::work::Work;

/// The card's network says that the holder calls the charge fraud; whether a dispute follows is open.
pub(crate) async fn create(work: &Work<'_>, charge: &Value) -> Result<(), StoreError> {
    let warning = json!({
        "id": ids::new("issfr_"),
        "object": "radar.early_fraud_warning",
        "actionable": true,
        "charge": charge["id"],
        "created": work.unix_now(),
        "fraud_type": "unauthorized_use_of_card",
        "livemode": false,
        "payment_intent": charge["payment_intent"],
    });
    work.put(&warning).await?;
    work.emit("radar.early_fraud_warning.created", &warning).await?;
    Ok(())
}
