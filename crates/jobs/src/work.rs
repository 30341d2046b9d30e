use kernel::{Timestamp, new_uuid};
use store::cold::queue;
use store::{Queue, Store, StoreError, Uuid, Value};

use crate::retry::{Backoff, Next};

#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A row that is ours until the lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<T> {
    pub id: T,
    /// Guards every later write to the row.
    pub token: Uuid,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Nothing had to be done.
    Ignored,
    /// Useless to try again.
    Failed {
        error: String,
    },
    /// Try again after a while.
    Retry {
        error: String,
    },
    /// Something else must happen first; not an attempt that failed.
    Later {
        why: String,
        seconds: i64,
    },
}

/// Claims what is due, the longest waiting first; what another process claims meanwhile is left out.
pub async fn claim_due<T>(
    store: &Store,
    queue: Queue,
    (now, lease_seconds): (Timestamp, i64),
    limit: u64,
) -> Result<Vec<Claim<T>>, JobError>
where
    T: store::TryGetable + Into<Value> + Clone,
{
    let mut claims = Vec::new();
    let until = now.plus_seconds(lease_seconds).micros();
    for id in queue::due::<T>(store, queue, now.micros(), limit).await? {
        let token = new_uuid();
        if queue::claim(store, queue, id.clone(), token, (now.micros(), until)).await? {
            claims.push(Claim { id, token });
        }
    }
    Ok(claims)
}

/// Writes how an attempt ended. Answers the state of the row; a lost lease changes nothing.
pub async fn conclude(
    store: &Store,
    queue: Queue,
    token: Uuid,
    outcome: &Outcome,
    (attempts, backoff, now): (u32, Backoff, Timestamp),
) -> Result<&'static str, JobError> {
    let at = now.micros();
    let (state, error) = match outcome {
        Outcome::Done => (queue::DONE, None),
        Outcome::Ignored => (queue::IGNORED, None),
        Outcome::Failed { error } => (queue::FAILED, Some(error.as_str())),
        Outcome::Later { why, seconds } => {
            queue::retry(store, queue, token, why, now.plus_seconds(*seconds).micros()).await?;
            return Ok(queue::WAITING);
        }
        Outcome::Retry { error } => match backoff.next(attempts, now, seed(token)) {
            Next::At(next) => {
                queue::retry(store, queue, token, error, next.micros()).await?;
                return Ok(queue::WAITING);
            }
            Next::DeadLetter => (queue::FAILED, Some(error.as_str())),
        },
    };
    queue::end(store.writer(), queue, token, state, error, at).await?;
    Ok(state)
}

fn seed(token: Uuid) -> u64 {
    token.as_u64_pair().1
}
