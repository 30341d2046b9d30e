use client::{Answer, Client, GrantRequest, Hold};
use kernel::Credits;
use tokio::sync::Mutex;

use super::ReplayError;
use super::keys::Keys;

/// Credits per grant. All grants of all traces are alike, because a key must always carry the same body.
const GRANT_STEP: Credits = Credits::whole(100_000);
/// How many grants one row may need: its price may be this many steps.
const MAX_GRANTS_PER_ROW: u32 = 20;

/// Keeps the replay's customer in credits.
pub(super) struct Funds {
    client: Client,
    customer: String,
    keys: Keys,
    /// One worker grants at a time; the others find the credits when their turn comes.
    turn: Mutex<()>,
}

/// A hold that was made in the end, and what its grants answered: `true` for a replayed one.
pub(super) struct Funded {
    pub hold: Answer<Hold>,
    pub grants_replayed: Vec<bool>,
}

impl Funds {
    pub fn new(client: Client, customer: String, keys: Keys) -> Funds {
        Funds { client, customer, keys, turn: Mutex::new(()) }
    }

    /// Whether the first grant was there already.
    pub async fn first_grant(&self) -> Result<bool, ReplayError> {
        let key = self.keys.first_grant();
        self.grant(&key).await.map_err(|source| ReplayError::Call { doing: "granting credits", source })
    }

    /// Grants until `hold` finds enough credits. The keys count from 1 for every row, so a run that
    /// was interrupted here repeats its own grants first and goes on with new ones only then.
    pub async fn until_enough<F>(&self, row: u64, mut hold: impl FnMut() -> F) -> Result<Funded, ReplayError>
    where
        F: Future<Output = Result<Option<Answer<Hold>>, ReplayError>>,
    {
        let _turn = self.turn.lock().await;
        let mut grants_replayed = Vec::new();
        for number in 1..=MAX_GRANTS_PER_ROW {
            if let Some(hold) = hold().await? {
                return Ok(Funded { hold, grants_replayed });
            }
            let granted = self.grant(&self.keys.grant(row, number)).await;
            grants_replayed.push(granted.map_err(|source| ReplayError::Row {
                row,
                step: "grant",
                source,
            })?);
        }
        match hold().await? {
            Some(hold) => Ok(Funded { hold, grants_replayed }),
            None => {
                Err(ReplayError::OutOfFunds { row, grants: MAX_GRANTS_PER_ROW, step: GRANT_STEP.to_string() })
            }
        }
    }

    async fn grant(&self, key: &str) -> Result<bool, client::ClientError> {
        let label = self.keys.label();
        let request = GrantRequest {
            customer: &self.customer,
            credits: GRANT_STEP,
            kind: "adjustment",
            reason: Some(&label),
        };
        Ok(self.client.grant(key, &request).await?.replayed)
    }
}
