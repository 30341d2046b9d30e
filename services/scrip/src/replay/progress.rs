use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::{Pause, PauseReason};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a line, where there is no bar, may say that the replay waits.
const WAIT_LINE_EVERY: Duration = Duration::from_secs(15);
const LINES: u64 = 10;

/// A bar on a terminal, a line per tenth elsewhere; always on stderr, so that stdout holds results only.
pub(super) struct Progress {
    total: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
    last_wait_line: Mutex<Option<Instant>>,
}

impl Progress {
    pub fn start(total: u64) -> Progress {
        let bar = stderr().is_terminal().then(|| ProgressBar::new(total).with_style(style()));
        Progress { total, done: AtomicU64::new(0), bar, last_wait_line: Mutex::new(None) }
    }

    pub fn row_done(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message("");
                bar.inc(1);
            }
            None if is_tenth(done, self.total) => {
                eprintln!("{:>3} %  {done} of {} requests", done * 100 / self.total, self.total);
            }
            None => {}
        }
    }

    pub fn waiting(&self, pause: Pause) {
        let reason = match pause.reason {
            PauseReason::RateLimited => "waiting for the rate limit",
            PauseReason::Unavailable => "the server is busy, waiting",
            PauseReason::NoAnswer => "no answer, trying again",
        };
        let text = format!("{reason} ({:.0} s)", pause.wait.as_secs_f64().ceil());
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if self.may_say_that_it_waits() => eprintln!("       {text}"),
            None => {}
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn may_say_that_it_waits(&self) -> bool {
        let Ok(mut last) = self.last_wait_line.lock() else { return false };
        let due = last.is_none_or(|at| at.elapsed() >= WAIT_LINE_EVERY);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// Whether `done` is the first count that reaches another tenth of `total`.
fn is_tenth(done: u64, total: u64) -> bool {
    let tenth = |n: u64| n.saturating_mul(LINES) / total.max(1);
    tenth(done) > tenth(done - 1)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} requests  {per_sec}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::is_tenth;

    #[test]
    fn without_a_terminal_every_tenth_has_one_line() {
        for (total, lines) in [(8819, 10), (10, 10), (3, 3), (1, 1)] {
            assert_eq!((1..=total).filter(|done| is_tenth(*done, total)).count(), lines, "{total}");
        }
        assert!(is_tenth(8819, 8819));
    }
}
