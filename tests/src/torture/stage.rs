use std::path::Path;

use crate::bank::{self, Fault, Flaw, Kills, NoFault, Places, Plan, Report};
use crate::breaking::{Cuts, DatabaseKills, DiskFull, ForgetfulDisk, PowerCuts, Proxy, SmallDisk};
use crate::cluster::{Cluster, postgres};
use crate::free_port;
use crate::process::ServerOptions;
use crate::random::SplitMix64;
use crate::scratch::ScratchDir;

#[derive(Clone, Copy, Debug)]
pub struct Stage {
    pub name: &'static str,
    pub wanted: usize,
    pub counts: Counts,
    /// Strikes and operations of one round.
    round: (usize, usize),
    broken: Broken,
    /// What a machine may lack.
    pub needs: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    Strikes,
    /// Those of every other stage as well.
    OperationsOfAll,
}

#[derive(Clone, Copy, Debug)]
enum Broken {
    Nothing,
    Sqlite,
    Postgres,
    PlacesOnSqlite,
    PlacesOnPostgres,
    Twins,
    Database,
    Cuts,
    Power,
    SmallSqlite,
    SmallPostgres,
}

type Outcome = Result<Report, Vec<Flaw>>;

const POSTGRESQL: &str = "PostgreSQL's programs";
const ROOT: &str = "the right to mount a small file system";

/// 1,000 kills per engine in sum, at random moments and at named places.
pub static STAGES: [Stage; 11] = [
    stage("SQLite: server killed at random", 800, (20, 0), Broken::Sqlite, ""),
    stage("SQLite: server dies at each named place", 200, (20, 0), Broken::PlacesOnSqlite, ""),
    stage("PostgreSQL: server killed at random", 700, (20, 0), Broken::Postgres, POSTGRESQL),
    stage("PostgreSQL: one of two servers killed", 100, (20, 0), Broken::Twins, POSTGRESQL),
    stage("PostgreSQL: server dies at each named place", 200, (20, 0), Broken::PlacesOnPostgres, POSTGRESQL),
    stage("PostgreSQL itself killed or stopped at once", 50, (5, 0), Broken::Database, POSTGRESQL),
    stage("Connection to PostgreSQL cut at COMMIT", 1_000, (100, 0), Broken::Cuts, POSTGRESQL),
    stage("SQLite: power cut", 500, (20, 0), Broken::Power, "FUSE and the right to mount"),
    stage("SQLite: disk full", 20, (4, 0), Broken::SmallSqlite, ROOT),
    stage("PostgreSQL: disk full", 20, (4, 0), Broken::SmallPostgres, ROOT),
    Stage {
        counts: Counts::OperationsOfAll,
        ..stage("Operations in all", 1_000_000, (0, 50_000), Broken::Nothing, "")
    },
];

const fn stage(
    name: &'static str,
    wanted: usize,
    round: (usize, usize),
    broken: Broken,
    needs: &'static str,
) -> Stage {
    Stage { name, wanted, counts: Counts::Strikes, round, broken, needs }
}

impl Stage {
    /// With rounds of one strike or a hundred operations.
    #[must_use]
    pub fn briefly(&self) -> Stage {
        Stage { round: (self.round.0.min(1), self.round.1.min(100)), ..*self }
    }

    /// One round on a new database; `None` where the machine lacks what it needs.
    pub fn run(&self, server: &Path, random: SplitMix64) -> Option<Outcome> {
        let folder = ScratchDir::new("torture");
        let embedded = || ServerOptions::serve(server, folder.path());
        let at = |url: String| embedded().env("SCRIP_DATABASE_URL", url);
        let on_postgres = || Some(at(postgres()?.fresh_database()));
        let on_file = |folder: &Path| at(format!("sqlite://{}/scrip.db", folder.display()));
        let run = |fault: &mut dyn Fault, servers| Some(self.round_of(fault, servers, random));
        match self.broken {
            Broken::Nothing => run(&mut NoFault, vec![embedded()]),
            Broken::Sqlite => run(&mut Kills, vec![embedded()]),
            Broken::Postgres => run(&mut Kills, vec![on_postgres()?]),
            Broken::PlacesOnSqlite => run(&mut Places::default(), vec![embedded()]),
            Broken::PlacesOnPostgres => run(&mut Places::default(), vec![on_postgres()?]),
            Broken::Twins => {
                let first = on_postgres()?;
                let second = ServerOptions { port: free_port(), ..first.clone() };
                run(&mut Kills, vec![first, second])
            }
            Broken::Database => {
                let cluster = Cluster::start()?;
                let server = at(cluster.fresh_database());
                run(&mut DatabaseKills { cluster: &cluster, strikes: 0 }, vec![server])
            }
            Broken::Cuts => {
                let cluster = postgres()?;
                let proxy = Proxy::start(cluster.port());
                let server = at(proxy.in_front_of(&cluster.fresh_database()));
                run(&mut Cuts { proxy: &proxy }, vec![server])
            }
            Broken::Power => {
                let mut disk = ForgetfulDisk::mount()?;
                let server = at(disk.database());
                run(&mut PowerCuts { disk: &mut disk, canary: None }, vec![server])
            }
            Broken::SmallSqlite => {
                let disk = SmallDisk::mount()?;
                let server = on_file(disk.path());
                run(&mut DiskFull { disk: &disk, cluster: None, refuses: true }, vec![server])
            }
            Broken::SmallPostgres => {
                let disk = SmallDisk::mount()?;
                let cluster = Cluster::start_in(disk.path())?;
                let server = at(cluster.fresh_database());
                run(&mut DiskFull { disk: &disk, cluster: Some(&cluster), refuses: true }, vec![server])
            }
        }
    }

    /// What one round adds, in the unit in which the aim is counted.
    pub fn size(&self) -> usize {
        match self.counts {
            Counts::Strikes => self.round.0,
            Counts::OperationsOfAll => self.round.1,
        }
    }

    fn round_of(&self, fault: &mut dyn Fault, servers: Vec<ServerOptions>, random: SplitMix64) -> Outcome {
        let (strikes, operations) = self.round;
        bank::run(Plan { servers, fault, random, strikes, operations, repeats: true })
    }
}
