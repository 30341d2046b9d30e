//! What callers count while they call.

use std::time::{Duration, Instant};

use crate::stats::percentile;

/// When a case warms up and when it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    from: Instant,
    until: Instant,
}

#[derive(Debug, Default)]
pub struct Tally {
    /// Commands whose success was told: the journal must have grown by exactly these.
    pub acknowledged: u64,
    /// Operations from beginning to end of the case.
    pub done: u64,
    /// Operations that ended inside of the measured part.
    measured: u64,
    latencies_us: Vec<u32>,
}

/// One operation, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub operations: u64,
    pub commands: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    pub per_second: f64,
    /// 0 where only a rate is known.
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Window {
    /// Warms up for a quarter of what is measured.
    pub fn opening_now(measured: Duration) -> Window {
        let from = Instant::now() + measured / 4;
        Window { from, until: from + measured }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

impl Tally {
    pub fn note(&mut self, window: Window, began: Instant, counted: Counted) {
        let ended = Instant::now();
        self.acknowledged += counted.commands;
        self.done += counted.operations;
        if (window.from..window.until).contains(&ended) {
            self.measured += counted.operations;
            self.latencies_us.push(u32::try_from((ended - began).as_micros()).unwrap_or(u32::MAX));
        }
    }

    pub fn add(&mut self, other: Tally) {
        self.acknowledged += other.acknowledged;
        self.done += other.done;
        self.measured += other.measured;
        self.latencies_us.extend(other.latencies_us);
    }

    pub fn pace(&mut self, window: Window) -> Pace {
        self.latencies_us.sort_unstable();
        let seconds = (window.until - window.from).as_secs_f64();
        Pace {
            per_second: self.measured as f64 / seconds,
            p50_us: f64::from(percentile(&self.latencies_us, 50)),
            p99_us: f64::from(percentile(&self.latencies_us, 99)),
        }
    }
}
