use std::time::Duration;

use crate::transport::Reply;

/// How long one attempt and all of them together may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the first byte sent to the last byte read.
    pub attempt_timeout: Duration,
    /// Attempts that end without an answer or with 503, the first one included.
    pub attempts: u32,
    pub first_backoff: Duration,
    pub max_backoff: Duration,
    /// The longest single wait that a server's `Retry-After` may ask for.
    pub max_retry_after: Duration,
    /// The sum of all waits for 429 in one call. A rate limit is not a failure, so it has a budget of its own.
    pub rate_limit_wait: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            attempt_timeout: Duration::from_secs(30),
            attempts: 8,
            first_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(5),
            max_retry_after: Duration::from_secs(120),
            rate_limit_wait: Duration::from_secs(15 * 60),
        }
    }
}

/// Why a call waits before its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    NoAnswer,
    Unavailable,
    RateLimited,
}

/// A wait that is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    pub reason: PauseReason,
    pub wait: Duration,
}

/// What one attempt told: an answer, or nothing at all.
pub(crate) type Outcome = Result<Reply, Box<dyn std::error::Error + Send + Sync>>;

/// The end of a call: the last outcome and how many attempts it took.
pub(crate) struct Finished {
    pub outcome: Outcome,
    pub attempts: u32,
}

/// Repeats `attempt` until it has an answer worth handing out or a limit is reached.
/// `repeatable` says that the call may be sent again although it might have happened.
pub(crate) async fn repeat<F: Future<Output = Outcome>>(
    limits: &Limits,
    repeatable: bool,
    announce: impl Fn(Pause),
    mut attempt: impl FnMut() -> F,
) -> Finished {
    let mut spent = Spent::default();
    loop {
        let outcome = attempt().await;
        spent.attempts += 1;
        match spent.next_pause(limits, repeatable, &outcome) {
            None => return Finished { outcome, attempts: spent.attempts },
            Some(pause) => {
                announce(pause);
                tokio::time::sleep(pause.wait).await;
            }
        }
    }
}

#[derive(Default)]
struct Spent {
    attempts: u32,
    failures: u32,
    rate_limited: Duration,
}

impl Spent {
    /// The wait before the next attempt; `None` when `outcome` is the last word.
    fn next_pause(&mut self, limits: &Limits, repeatable: bool, outcome: &Outcome) -> Option<Pause> {
        match outcome {
            Err(_) if repeatable => self.after_failure(limits, PauseReason::NoAnswer, None),
            // 503 and 429 say that nothing happened, so even a call without a key may be sent again.
            Ok(reply) if reply.status == 503 => {
                self.after_failure(limits, PauseReason::Unavailable, reply.retry_after())
            }
            Ok(reply) if reply.status == 429 => self.after_rate_limit(limits, reply.retry_after()),
            _ => None,
        }
    }

    fn after_failure(
        &mut self,
        limits: &Limits,
        reason: PauseReason,
        asked: Option<Duration>,
    ) -> Option<Pause> {
        self.failures += 1;
        let wait = asked.unwrap_or_else(|| backoff(limits, self.failures));
        let again = self.failures < limits.attempts && wait <= limits.max_retry_after;
        again.then_some(Pause { reason, wait })
    }

    fn after_rate_limit(&mut self, limits: &Limits, asked: Option<Duration>) -> Option<Pause> {
        // Never zero: a server that answers `Retry-After: 0` must not be hammered.
        let wait = asked.unwrap_or(limits.max_backoff).max(limits.first_backoff);
        self.rate_limited += wait;
        let again = wait <= limits.max_retry_after && self.rate_limited <= limits.rate_limit_wait;
        again.then_some(Pause { reason: PauseReason::RateLimited, wait })
    }
}

/// Doubles with every failure.
fn backoff(limits: &Limits, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    limits.first_backoff.saturating_mul(1 << doublings).min(limits.max_backoff)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use hyper::HeaderMap;
    use hyper::header::{HeaderValue, RETRY_AFTER};
    use serde_json::Value;
    use tokio::time::Instant;

    use super::*;

    fn answered(status: u16, retry_after: Option<&'static str>) -> Outcome {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        }
        Ok(Reply { status, headers, body: Value::Null })
    }

    fn cut() -> Outcome {
        Err("connection cut".into())
    }

    /// Runs a call against a server that answers with `script`, one entry per attempt.
    async fn call(
        limits: &Limits,
        repeatable: bool,
        script: Vec<Outcome>,
    ) -> (Finished, Vec<Pause>, Duration) {
        let (pauses, script) = (RefCell::new(Vec::new()), RefCell::new(script.into_iter()));
        let begin = Instant::now();
        let finished = repeat(
            limits,
            repeatable,
            |pause| pauses.borrow_mut().push(pause),
            || std::future::ready(script.borrow_mut().next().expect("no attempt beyond the script")),
        )
        .await;
        assert!(script.borrow_mut().next().is_none(), "an attempt is missing");
        (finished, pauses.into_inner(), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_obeyed_to_the_second() {
        for status in [429, 503] {
            let script = vec![answered(status, Some("7")), answered(201, None)];
            let (finished, pauses, took) = call(&Limits::default(), false, script).await;
            assert_eq!(finished.outcome.map(|r| r.status).ok(), Some(201));
            assert_eq!(pauses.len(), 1);
            assert_eq!(pauses[0].wait, Duration::from_secs(7));
            assert_eq!(took.as_secs(), 7);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_until_the_attempts_are_used_up() {
        let limits = Limits { attempts: 4, ..Limits::default() };
        let (finished, pauses, _) = call(&limits, true, vec![cut(), cut(), cut(), cut()]).await;
        assert!(finished.outcome.is_err());
        assert_eq!(finished.attempts, 4);
        assert_eq!(pauses.iter().map(|p| p.wait.as_millis()).collect::<Vec<_>>(), [50, 100, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_key_is_not_repeated_when_it_may_have_happened() {
        let (finished, pauses, _) = call(&Limits::default(), false, vec![cut()]).await;
        assert!(finished.outcome.is_err());
        assert!(pauses.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn rate_limits_do_not_use_up_the_attempts_but_their_own_budget() {
        let limits = Limits { attempts: 2, rate_limit_wait: Duration::from_secs(180), ..Limits::default() };
        let waits = Cell::new(0u32);
        let begin = Instant::now();
        let finished = repeat(
            &limits,
            true,
            |_| waits.set(waits.get() + 1),
            || std::future::ready(answered(429, Some("60"))),
        )
        .await;
        assert_eq!(finished.outcome.map(|r| r.status).ok(), Some(429));
        assert_eq!(waits.get(), 3);
        assert_eq!(begin.elapsed().as_secs(), 180);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_beyond_the_limit_is_handed_to_the_caller_at_once() {
        for status in [429, 503] {
            let (finished, pauses, _) =
                call(&Limits::default(), true, vec![answered(status, Some("86400"))]).await;
            assert_eq!(finished.outcome.map(|r| r.status).ok(), Some(status));
            assert!(pauses.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn other_refusals_are_answers_and_not_repeated() {
        for status in [200, 400, 402, 403, 404, 422, 500] {
            let (finished, _, _) = call(&Limits::default(), true, vec![answered(status, Some("1"))]).await;
            assert_eq!(finished.attempts, 1, "{status}");
        }
    }
}
