//! The last outputs of a wallet: are they alike, and does anybody fetch them?

use serde::{Deserialize, Serialize};

use crate::signal::{Millis, Use};
use crate::text::Print;
use crate::window::{DAY, Daily, MINUTE};

/// How many outputs are remembered one by one.
const KEPT: usize = 32;
/// An output that nobody fetched for so long counts as not fetched; a later fetch takes that back.
const PATIENCE: Millis = 4 * MINUTE;
/// Bits of simhash up to which two prompts are one with small changes.
const NEAR: u32 = 8;
/// Bits up to which two prompts come from one template.
const ALIKE: u32 = 19;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Output {
    simhash: u64,
    at: Millis,
    id: u32,
    /// Distance to the nearest prompt of the day before it.
    nearest: u8,
    judged: Judged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Judged {
    /// No output was kept here yet.
    Nothing,
    NotYet,
    Fetched,
    Unfetched,
}

impl Output {
    const NONE: Output = Output { simhash: 0, at: 0, id: 0, nearest: 64, judged: Judged::Nothing };
}

/// Evidence that a customer does not want what is generated, as log-likelihood ratios that start anew whenever
/// they fall below zero (CUSUM, Page 1954): the quickest way to notice a change whose moment is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    kept: [Output; KEPT],
    next: usize,
    /// Index of the oldest output not judged yet, counted from the first of all.
    unjudged: u64,
    count: u64,
    /// Of all outputs, and of those that are alike. Nats.
    pub unfetched: f64,
    pub unfetched_alike: f64,
    /// Outputs near to an earlier one, and of the template of an earlier one, fading over a day.
    pub near: Daily,
    pub alike: Daily,
    pub made: Daily,
    /// Share of recent outputs that were alike, 0 to 1.
    pub likeness: f64,
}

/// What an output teaches: (not fetched, fetched), in nats.
#[derive(Debug, Clone, Copy)]
struct Lesson(f64, f64);

impl Lesson {
    /// From the shares of outputs that abusers and reluctant honest customers fetch.
    const ALL: Lesson = Lesson(0.380, -1.946); // ln(.95/.65), ln(.05/.35)
    const ALIKE: Lesson = Lesson(0.435, -1.099); // ln(.85/.55), ln(.15/.45)
}

/// Evidence beyond this is not collected, so that a customer who changes is believed soon.
const MOST: f64 = 25.0;

impl Default for Outputs {
    fn default() -> Self {
        Outputs {
            kept: [Output::NONE; KEPT],
            next: 0,
            unjudged: 0,
            count: 0,
            unfetched: 0.0,
            unfetched_alike: 0.0,
            near: Daily::default(),
            alike: Daily::default(),
            made: Daily::default(),
            likeness: 0.0,
        }
    }
}

impl Outputs {
    pub fn made(&mut self, used: &Use, now: Millis) {
        self.judge(now);
        let nearest = self.nearest(used.print, now);
        if nearest <= NEAR {
            self.near.add(1.0, now);
        }
        if nearest <= ALIKE {
            self.alike.add(1.0, now);
        }
        self.made.add(1.0, now);
        self.likeness += 0.1 * (f64::from(u8::from(nearest <= ALIKE)) - self.likeness);
        let leaving = self.kept[self.next];
        if leaving.judged == Judged::NotYet {
            // Pushed out by a burst before its time was over. Most fetches come within a minute.
            self.unjudged += 1;
            if now - leaving.at >= MINUTE {
                self.learn(u32::from(leaving.nearest) <= ALIKE, |lesson| lesson.0 / 2.0);
            }
        }
        self.kept[self.next] = Output {
            simhash: used.print.simhash,
            at: now,
            id: used.output,
            nearest: u8::try_from(nearest).unwrap_or(u8::MAX),
            judged: Judged::NotYet,
        };
        self.next = (self.next + 1) % KEPT;
        self.count += 1;
    }

    pub fn fetched(&mut self, id: u32) {
        let is_this = |o: &&mut Output| o.id == id && o.judged != Judged::Nothing;
        let Some(output) = self.kept.iter_mut().find(is_this) else { return };
        let (was, is_alike) = (output.judged, u32::from(output.nearest) <= ALIKE);
        output.judged = Judged::Fetched;
        if was != Judged::Fetched {
            self.learn(is_alike, |lesson| lesson.1 - if was == Judged::Unfetched { lesson.0 } else { 0.0 });
        }
    }

    /// Decides about outputs whose time is over.
    pub fn judge(&mut self, now: Millis) {
        while self.unjudged < self.count {
            let position = usize::try_from(self.unjudged % KEPT as u64).unwrap_or_default();
            let output = &mut self.kept[position];
            let is_alike = u32::from(output.nearest) <= ALIKE;
            match output.judged {
                Judged::NotYet if now - output.at < PATIENCE => break,
                Judged::NotYet => {
                    output.judged = Judged::Unfetched;
                    self.learn(is_alike, |lesson| lesson.0);
                }
                Judged::Nothing | Judged::Fetched | Judged::Unfetched => {}
            }
            self.unjudged += 1;
        }
    }

    fn learn(&mut self, is_alike: bool, change: impl Fn(Lesson) -> f64) {
        self.unfetched = (self.unfetched + change(Lesson::ALL)).clamp(0.0, MOST);
        if is_alike {
            self.unfetched_alike = (self.unfetched_alike + change(Lesson::ALIKE)).clamp(0.0, MOST);
        }
    }

    fn nearest(&self, print: Print, now: Millis) -> u32 {
        let of_today = self.kept.iter().filter(|o| o.judged != Judged::Nothing && now - o.at <= DAY);
        of_today.map(|o| (o.simhash ^ print.simhash).count_ones()).min().unwrap_or(64)
    }
}
