//! What breaks, and how it is mended.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use scrip::Place;

use crate::places::PLACES;
use crate::process::{Server, ServerOptions};
use crate::random::SplitMix64;

const FAULT_VARIABLE: &str = "SCRIP_TEST_FAULT";
/// Kills come at a random moment of this span after the first write.
const LONGEST_LIFE_MS: u64 = 500;
/// A server dies at the latest at this visit of its place. A busy one comes to its batches many times a
/// second, to its projections seldom.
const LAST_VISIT: i64 = 20;
const LAST_VISIT_OF_PROJECTIONS: i64 = 2;

/// Strikes while the tellers work.
pub trait Fault {
    /// Breaks something and mends it; after it, writes must be possible again.
    fn strike(&mut self, servers: &mut Servers, random: &mut SplitMix64);

    /// How long everything works before the next strike.
    fn life(&self, random: &mut SplitMix64) -> Duration {
        Duration::from_millis(random.draw() % LONGEST_LIFE_MS)
    }

    /// Whether a server that loses its database in a commit asks again itself, and may find that it
    /// happened.
    fn server_retries(&self) -> bool {
        false
    }
}

/// The servers of one database.
pub struct Servers {
    options: Vec<ServerOptions>,
    running: Vec<Server>,
    turned_away: Arc<AtomicU64>,
}

/// Only time passes.
pub struct NoFault;

/// SIGKILL of one of the servers at any moment.
pub struct Kills;

/// The server kills itself at a named place of its writing path, at each in turn.
#[derive(Default)]
pub struct Places {
    /// Deaths at each place, in the order of [`PLACES`].
    pub deaths: [usize; PLACES.len()],
    strikes: usize,
    only: Option<usize>,
}

impl Places {
    /// Always at the same place.
    pub fn only(name: &str) -> Places {
        let place = PLACES.iter().position(|(known, _)| *known == name);
        assert!(place.is_some(), "there is no place {name}");
        Places { only: place, ..Places::default() }
    }
}

impl Fault for NoFault {
    fn strike(&mut self, _: &mut Servers, _: &mut SplitMix64) {}
}

impl Fault for Kills {
    fn strike(&mut self, servers: &mut Servers, random: &mut SplitMix64) {
        let victim = random.below(servers.running.len());
        servers.kill9(victim);
        servers.restart(victim);
    }
}

impl Fault for Places {
    fn strike(&mut self, servers: &mut Servers, random: &mut SplitMix64) {
        let place = self.only.unwrap_or(self.strikes % PLACES.len());
        self.strikes += 1;
        let asked = servers.options[0].environment.get(FAULT_VARIABLE).cloned().unwrap_or_default();
        let last =
            if PLACES[place].1 == Place::InProjections { LAST_VISIT_OF_PROJECTIONS } else { LAST_VISIT };
        let death = format!("{asked},dies={}:{}", PLACES[place].0, random.amount(last));
        servers.kill9(0);
        let mortal = servers.options[0].clone().env(FAULT_VARIABLE, death);
        let mut server = Server::spawn(&mortal);
        // It may come to its place before anybody saw it ready.
        server.wait_until_killed_by_itself();
        self.deaths[place] += 1;
        servers.restart(0);
    }
}

impl Servers {
    pub(super) fn start(options: Vec<ServerOptions>) -> Servers {
        let running = options.iter().map(Server::start).collect();
        Servers { options, running, turned_away: Arc::default() }
    }

    pub(super) fn api_key(&self) -> String {
        self.running[0].api_key().expect("the first start prints a key")
    }

    pub(super) fn options(&self, number: usize) -> &ServerOptions {
        &self.options[number]
    }

    pub(super) fn port(&self, number: usize) -> u16 {
        self.options[number].port
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        self.options.iter().map(|options| options.port).collect()
    }

    pub(super) fn stop_all(&mut self) {
        for server in &mut self.running {
            server.stop();
        }
    }

    pub(super) fn start_first(&mut self) {
        self.restart(0);
    }

    /// Answers 503 so far.
    pub fn turned_away(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.turned_away)
    }

    /// Stopped properly, and started with one more variable from now on.
    pub fn restart_with(&mut self, number: usize, name: &str, value: &str) {
        self.running[number].stop();
        self.options[number].environment.insert(name.to_owned(), value.to_owned());
        self.restart(number);
    }

    pub fn kill9(&mut self, number: usize) {
        self.running[number].kill9();
    }

    /// On the same data and port.
    pub fn restart(&mut self, number: usize) {
        self.running[number].kill9();
        self.running[number] = Server::start(&self.options[number]);
    }
}
