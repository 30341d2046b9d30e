//! Calls that come when they come, whether or not earlier ones were answered.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ::tests::random::SplitMix64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::case::Peer;
use crate::client::{Connection, Template};
use crate::http::{Target, request_of};
use crate::stats::percentile;

/// Calls that wait for an answer at once; the server takes twice as many connections.
const MOST_WAITING: usize = 4_000;
const TICK: Duration = Duration::from_millis(1);
const LOOKS_AT_LIVEZ_EVERY: Duration = Duration::from_millis(50);
/// Of each phase, not counted.
const WARMS_UP_FOR: Duration = Duration::from_secs(1);

/// One kind of caller.
#[derive(Clone, Debug)]
pub struct Stream {
    pub customers: Range<usize>,
    pub per_second: f64,
}

/// What became of a stream's calls, in the measured part of its time.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub seconds: f64,
    /// Calls of the whole time whose success was told.
    pub acknowledged: u64,
    pub good: usize,
    pub refused: usize,
    /// Refusals that do not say when to come back, and answers of any other status.
    pub wrong: usize,
    pub broken: usize,
    /// No place to send it from: more than [`MOST_WAITING`] had no answer.
    pub unsent: usize,
    good_us: Vec<u32>,
    refused_us: Vec<u32>,
}

/// A whole phase.
pub struct Phase {
    pub outcomes: Vec<Outcome>,
    pub livez_us: Vec<u32>,
    pub livez_failed: usize,
    pub ended: Instant,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.good as f64 / self.seconds
    }

    /// Milliseconds from when the call was due to its answer.
    pub fn good_ms(&self, percent: usize) -> f64 {
        sorted_ms(&self.good_us, percent)
    }

    pub fn refused_ms(&self, percent: usize) -> f64 {
        sorted_ms(&self.refused_us, percent)
    }
}

pub fn sorted_ms(micros: &[u32], percent: usize) -> f64 {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    f64::from(percentile(&sorted, percent)) / 1e3
}

/// Sends for `lasting`, then waits for every answer.
pub fn run(target: &Target, tag: &str, streams: &[Stream], seed: u64, lasting: Duration) -> Phase {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, phase(target.clone(), tag.to_owned(), streams.to_vec(), seed, lasting))
}

async fn phase(target: Target, tag: String, streams: Vec<Stream>, seed: u64, lasting: Duration) -> Phase {
    let start = Instant::now();
    let idle: Rc<RefCell<Vec<Connection>>> = Rc::default();
    let livez = tokio::task::spawn_local(watch_livez(target.port, start + lasting));
    let mut outcomes = Vec::new();
    for (n, stream) in streams.into_iter().enumerate() {
        let request = request_of(Peer::Scrip, &target, &format!("{tag}{n}"));
        let sender = Sender { port: target.port, idle: idle.clone(), request, start, lasting };
        outcomes.push(tokio::task::spawn_local(sender.send_all(stream, seed + n as u64)));
    }
    let mut done = Vec::new();
    for outcome in outcomes {
        done.push(outcome.await.expect("a sender does not panic"));
    }
    let (livez_us, livez_failed) = livez.await.expect("the watch does not panic");
    Phase { outcomes: done, livez_us, livez_failed, ended: start + lasting }
}

struct Sender {
    port: u16,
    idle: Rc<RefCell<Vec<Connection>>>,
    request: Template,
    start: Instant,
    lasting: Duration,
}

enum Answer {
    Good,
    Refused,
    Wrong,
}

impl Sender {
    async fn send_all(mut self, stream: Stream, seed: u64) -> Outcome {
        let mut random = SplitMix64::seeded(seed);
        let mut outcome =
            Outcome { seconds: (self.lasting - WARMS_UP_FOR).as_secs_f64(), ..Outcome::default() };
        let mut calls = JoinSet::new();
        let (mut sent, mut tick) = (0_usize, tokio::time::interval(TICK));
        while self.start.elapsed() < self.lasting {
            tick.tick().await;
            while (sent as f64) < self.start.elapsed().as_secs_f64() * stream.per_second {
                let due = self.start + Duration::from_secs_f64(sent as f64 / stream.per_second);
                sent += 1;
                if calls.len() >= MOST_WAITING {
                    outcome.unsent += 1;
                    continue;
                }
                self.request.set_key(sent);
                self.request.set_customers(|| stream.customers.start + random.below(stream.customers.len()));
                let (port, idle, request) = (self.port, self.idle.clone(), self.request.clone());
                calls.spawn_local(async move { (due, call(port, idle, request).await, Instant::now()) });
            }
            while let Some(done) = calls.try_join_next() {
                self.note(done.expect("a call does not panic"), &mut outcome);
            }
        }
        while let Some(done) = calls.join_next().await {
            self.note(done.expect("a call does not panic"), &mut outcome);
        }
        outcome
    }

    fn note(&self, (due, answer, ended): (Instant, io::Result<Answer>, Instant), outcome: &mut Outcome) {
        let took_us = u32::try_from((ended - due).as_micros()).unwrap_or(u32::MAX);
        let is_measured = (self.start + WARMS_UP_FOR..self.start + self.lasting).contains(&ended);
        outcome.acknowledged += u64::from(matches!(answer, Ok(Answer::Good)));
        match answer {
            Ok(Answer::Wrong) => outcome.wrong += 1,
            Err(_) => outcome.broken += 1,
            Ok(Answer::Good) if is_measured => {
                outcome.good += 1;
                outcome.good_us.push(took_us);
            }
            Ok(Answer::Refused) if is_measured => {
                outcome.refused += 1;
                outcome.refused_us.push(took_us);
            }
            Ok(_) => {}
        }
    }
}

async fn call(port: u16, idle: Rc<RefCell<Vec<Connection>>>, request: Template) -> io::Result<Answer> {
    let waiting = idle.borrow_mut().pop();
    let mut connection = match waiting {
        Some(connection) => connection,
        None => Connection::open(port).await?,
    };
    let reply = connection.call(&request).await?;
    let answer = match reply.status {
        200..=299 => Answer::Good,
        429 | 503 if reply.has("\r\nretry-after: ") => Answer::Refused,
        _ => Answer::Wrong,
    };
    if !reply.has("\r\nconnection: close") {
        idle.borrow_mut().push(connection);
    }
    Ok(answer)
}

/// Asks on a new connection each time, as a supervisor does: micros of each answer, and how many failed.
async fn watch_livez(port: u16, until: Instant) -> (Vec<u32>, usize) {
    let (mut took, mut failed) = (Vec::new(), 0);
    while Instant::now() < until {
        let began = Instant::now();
        match tokio::time::timeout(Duration::from_secs(5), livez(port)).await {
            Ok(Ok(true)) => took.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)),
            _ => failed += 1,
        }
        tokio::time::sleep(LOOKS_AT_LIVEZ_EVERY).await;
    }
    (took, failed)
}

async fn livez(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
