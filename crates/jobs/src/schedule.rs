use std::str::FromStr;

use croner::Cron;
use kernel::{Timestamp, new_uuid};
use store::cold::schedules;
use store::{Store, StoreError, Uuid};

/// Work that recurs, by a cron expression in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub name: &'static str,
    pub cron: &'static str,
    /// A run that takes longer may begin a second time elsewhere.
    pub lease_seconds: i64,
}

/// One run that is ours.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    schedule: Schedule,
    token: Uuid,
    began_at: Timestamp,
    /// When it should have begun; long before now after an outage.
    pub due_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error("{cron:?} is not a cron expression with a next time: {reason}")]
    NotCron { cron: &'static str, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Schedule {
    /// The first time after `at`.
    pub fn next(&self, at: Timestamp) -> Result<Timestamp, ScheduleError> {
        let not_cron =
            |e: croner::errors::CronError| ScheduleError::NotCron { cron: self.cron, reason: e.to_string() };
        let cron = Cron::from_str(self.cron).map_err(not_cron)?;
        let next = cron.find_next_occurrence(&at.to_utc(), false).map_err(not_cron)?;
        Ok(Timestamp::from_micros_saturating(next.timestamp_micros()))
    }
}

/// Makes the row of a schedule that is new.
pub async fn prepare(store: &Store, schedule: Schedule, now: Timestamp) -> Result<(), ScheduleError> {
    let next = schedule.next(now)?;
    Ok(schedules::ensure(store, schedule.name, schedule.cron, next.micros()).await?)
}

/// Runs it as soon as a worker looks, instead of at its next time.
pub async fn hasten(store: &Store, schedule: Schedule, now: Timestamp) -> Result<(), ScheduleError> {
    schedules::ensure(store, schedule.name, schedule.cron, now.micros()).await?;
    Ok(schedules::hasten(store, schedule.name, now.micros()).await?)
}

/// The run that is due, if no other process has it.
pub async fn begin(store: &Store, schedule: Schedule, now: Timestamp) -> Result<Option<Turn>, ScheduleError> {
    let token = new_uuid();
    let until = now.plus_seconds(schedule.lease_seconds);
    let due_at = schedules::claim(store, schedule.name, token, (now.micros(), until.micros())).await?;
    let due_at = due_at.map(Timestamp::from_micros_saturating);
    Ok(due_at.map(|due_at| Turn { schedule, token, began_at: now, due_at }))
}

/// However many times were missed, the next run is the first one after now: an outage catches up once.
pub async fn finish(
    store: &Store,
    turn: Turn,
    result: Result<String, String>,
    now: Timestamp,
) -> Result<(), ScheduleError> {
    let next_run_at = turn.schedule.next(now)?.micros();
    let run = schedules::Run { started_at: turn.began_at.micros(), next_run_at, result };
    Ok(schedules::finish(store, turn.schedule.name, turn.token, run).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_after_now_whatever_was_missed() {
        let every = |cron| Schedule { name: "x", cron, lease_seconds: 60 };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let next = |cron, now: &str| every(cron).next(at(now)).unwrap().to_string();
        assert_eq!(next("* * * * *", "2026-03-01T12:00:00Z"), "2026-03-01T12:01:00Z");
        assert_eq!(next("* * * * *", "2026-03-01T12:00:59.9Z"), "2026-03-01T12:01:00Z");
        assert_eq!(next("15 3 * * *", "2026-03-01T12:00:00Z"), "2026-03-02T03:15:00Z");
        assert!(every("every day").next(Timestamp::EPOCH).is_err());
    }
}
