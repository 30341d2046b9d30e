//! Medians, ratios, and the page that shows them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::case::{Case, Peer, Sample};
use crate::machine::{self, Machine};
use crate::runs::{CROWD, HEADLINE_CALLERS};
use crate::spread::Spread;
use crate::stats::median;

const PAGE: &str = "web/docs/benchmarks.md";

/// All samples, in the order of the rounds.
#[derive(Default)]
pub struct Results {
    samples: BTreeMap<Case, Vec<Sample>>,
    /// (SQLite?, per second)
    first_debits: Vec<(bool, f64)>,
}

pub struct Report {
    pub machine: Machine,
    pub seed: u64,
    pub wallets: usize,
    pub rounds: usize,
    pub measured: Duration,
    /// What each `scrip verify` counted.
    pub proofs: Vec<String>,
}

/// A promise of `hot-path.md`.
struct Goal {
    what: &'static str,
    value: f64,
    floor: f64,
    aim: f64,
}

impl Results {
    pub fn add(&mut self, case: Case, sample: Sample) {
        self.samples.entry(case).or_default().push(sample);
    }

    pub fn add_first_debits(&mut self, is_sqlite: bool, per_second: Option<f64>) {
        self.first_debits.extend(per_second.map(|rate| (is_sqlite, rate)));
    }

    /// Of wallets that the server did not know.
    fn first_debits(&self, is_sqlite: bool) -> f64 {
        let of = self.first_debits.iter().filter(|(of, _)| *of == is_sqlite);
        median(&of.map(|(_, rate)| *rate).collect::<Vec<_>>())
    }

    fn median_of(&self, case: Case, value: impl Fn(&Sample) -> f64) -> f64 {
        let values: Vec<f64> = self.samples.get(&case).into_iter().flatten().map(value).collect();
        median(&values)
    }

    fn rate(&self, case: Case) -> f64 {
        self.median_of(case, |s| s.pace.per_second)
    }

    /// The median of the rounds' own ratios: what slows a round down slows both of its sides.
    fn ratio(&self, ours: Case, theirs: Case) -> f64 {
        let of = |case| self.samples.get(&case).into_iter().flatten().map(|s| s.pace.per_second);
        median(&of(ours).zip(of(theirs)).map(|(a, b)| a / b).collect::<Vec<_>>())
    }

    /// With as many callers, or as many as the peer can have.
    fn ratio_to_baseline(&self, case: Case) -> Option<f64> {
        let peer = case.peer.baseline(case.is_sqlite)?;
        let callers = match case.peer {
            // The peer has no bulk, so few callers in bulk stand beside as many of it as the goals name.
            Peer::ScripBulk => HEADLINE_CALLERS,
            _ if peer == Peer::NaivePgbench => case.callers.min(crate::pgbench::MAX_CLIENTS),
            _ => case.callers,
        };
        Some(self.ratio(case, Case { peer, callers, ..case })).filter(|ratio| *ratio > 0.0)
    }

    /// One JSON object: the ratios by which a change is judged.
    pub fn headlines(&self) -> String {
        let naive_http = |spread| Case::postgres(Peer::NaiveHttp, spread, HEADLINE_CALLERS);
        let scrip = |spread| Case::postgres(Peer::Scrip, spread, HEADLINE_CALLERS);
        let pgbench = Case::postgres(Peer::NaivePgbench, Spread::Uniform, HEADLINE_CALLERS);
        let bulk = Case::postgres(Peer::ScripBulk, Spread::Uniform, HEADLINE_CALLERS);
        let sqlite = |peer| Case::sqlite(peer, Spread::Uniform, HEADLINE_CALLERS);
        let ratios = [
            ("http_single_vs_naive_http", self.ratio(scrip(Spread::Uniform), naive_http(Spread::Uniform))),
            ("http_hot_vs_naive_http", self.ratio(scrip(Spread::Hot), naive_http(Spread::Hot))),
            ("http_hot_vs_uniform", self.ratio(scrip(Spread::Hot), scrip(Spread::Uniform))),
            ("http_bulk_vs_naive_pgbench", self.ratio(bulk, pgbench)),
            ("sqlite_vs_naive", self.ratio(sqlite(Peer::Engine), sqlite(Peer::Naive))),
        ];
        let members = ratios.map(|(name, ratio)| format!("\"{name}\": {ratio:.2}"));
        format!("{{{}}}", members.join(", "))
    }

    pub fn table(&self) -> String {
        let mut table = String::from(
            "| database | who | wallets | callers | per second | × naive | p50 ms | p99 ms | CPU µs: database | server | generator |\n\
             | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for case in self.samples.keys() {
            let database = if case.is_sqlite { "SQLite" } else { "PostgreSQL" };
            let ratio = self.ratio_to_baseline(*case).map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let _ = writeln!(
                table,
                "| {database} | {} | {} | {} | {:.0} | {ratio} | {} | {} | {} | {} | {} |",
                case.peer.name(),
                case.spread.name(),
                case.callers,
                self.rate(*case),
                digits(self.median_of(*case, |s| s.pace.p50_us / 1_000.0), 2),
                digits(self.median_of(*case, |s| s.pace.p99_us / 1_000.0), 2),
                digits(self.median_of(*case, |s| s.database_us), 1),
                digits(self.median_of(*case, |s| s.server_us), 1),
                digits(self.median_of(*case, |s| s.generator_us), 1),
            );
        }
        table
    }

    /// What the headline cases could reach at most if no core ever waited: every operation has its processor time.
    fn ceilings(&self, cores: usize) -> String {
        let mut table = String::from(
            "| case | CPU µs of one | fit into a second | measured | of those | naive | × naive at most |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        let cases = [
            Case::postgres(Peer::Scrip, Spread::Uniform, HEADLINE_CALLERS),
            Case::postgres(Peer::Scrip, Spread::Hot, HEADLINE_CALLERS),
            Case::postgres(Peer::ScripBulk, Spread::Uniform, HEADLINE_CALLERS),
        ];
        for case in cases {
            let cpu_us = self.median_of(case, |s| s.database_us + s.server_us + s.generator_us);
            let (fits, measured) = (cores as f64 * 1e6 / cpu_us, self.rate(case));
            let peer = case.peer.baseline(case.is_sqlite).unwrap_or(case.peer);
            let naive = self.rate(Case { peer, callers: HEADLINE_CALLERS, ..case });
            let _ = writeln!(
                table,
                "| {}, {} | {cpu_us:.1} | {fits:.0} | {measured:.0} | {:.0} % | {naive:.0} | {:.1} |",
                case.peer.name(),
                case.spread.name(),
                100.0 * measured / fits,
                fits / naive,
            );
        }
        table
    }

    fn goals(&self) -> Vec<Goal> {
        let naive = |spread, callers| Case::postgres(Peer::NaiveHttp, spread, callers);
        let scrip = |spread, callers| Case::postgres(Peer::Scrip, spread, callers);
        let engine = |spread| Case::postgres(Peer::Engine, spread, CROWD);
        let pgbench = |spread| Case::postgres(Peer::NaivePgbench, spread, HEADLINE_CALLERS);
        let bulk = Case::postgres(Peer::ScripBulk, Spread::Uniform, HEADLINE_CALLERS);
        let replays = Case::postgres(Peer::ScripReplays, Spread::Uniform, HEADLINE_CALLERS);
        let sqlite = |peer| Case::sqlite(peer, Spread::Uniform, HEADLINE_CALLERS);
        let (uniform, hot) = (Spread::Uniform, Spread::Hot);
        let naive_p50 = self.median_of(naive(uniform, HEADLINE_CALLERS), |s| s.pace.p50_us);
        let our_p99 = self.median_of(scrip(uniform, HEADLINE_CALLERS), |s| s.pace.p99_us);
        let goal = |what, value, floor, aim| Goal { what, value, floor, aim };
        vec![
            goal(
                "single debits over HTTP, 64 callers, to naive over HTTP",
                self.ratio(scrip(uniform, 64), naive(uniform, 64)),
                4.0,
                7.0,
            ),
            goal("the same on a hot wallet", self.ratio(scrip(hot, 64), naive(hot, 64)), 20.0, 45.0),
            goal("hot to uniform, over HTTP", self.ratio(scrip(hot, 64), scrip(uniform, 64)), 0.9, 1.2),
            goal(
                "engine in process, 512 callers, to naive pgbench",
                self.ratio(engine(uniform), pgbench(uniform)),
                15.0,
                25.0,
            ),
            goal("the same on a hot wallet", self.ratio(engine(hot), pgbench(hot)), 60.0, 100.0),
            goal(
                "bulk over HTTP, 64 callers, to naive pgbench with 64 connections",
                self.ratio(bulk, pgbench(uniform)),
                15.0,
                25.0,
            ),
            goal("naive's p50 to our p99, over HTTP, 64 callers", naive_p50 / our_p99, 1.0, 3.0),
            goal("1 caller, to naive over HTTP", self.ratio(scrip(uniform, 1), naive(uniform, 1)), 0.8, 1.0),
            goal("8 callers, to naive over HTTP", self.ratio(scrip(uniform, 8), naive(uniform, 8)), 0.8, 1.0),
            goal("3 % replays, to none", self.ratio(replays, scrip(uniform, 64)), 0.65, 0.9),
            goal(
                "SQLite, synchronous=FULL, in process, to naive",
                self.ratio(sqlite(Peer::Engine), sqlite(Peer::Naive)),
                5.0,
                10.0,
            ),
        ]
    }
}

impl Report {
    /// Writes the page and answers where.
    pub fn write(&self, results: &Results) -> PathBuf {
        let path = machine::repository().join(PAGE);
        std::fs::write(&path, self.page(results)).expect("the page can be written");
        path
    }

    fn page(&self, results: &Results) -> String {
        let mut goals =
            String::from("| ratio | measured | floor | aim | |\n| --- | ---: | ---: | ---: | --- |\n");
        for Goal { what, value, floor, aim } in results.goals() {
            let verdict = if value >= aim {
                "aim"
            } else if value >= floor {
                "floor"
            } else {
                "missed"
            };
            let _ = writeln!(goals, "| {what} | {value:.2} | {floor} | {aim} | {verdict} |");
        }
        format!(
            "# Benchmarks\n\n\
             Made by `just bench` in one run: {} wallets, {} rounds of {:.1} s a case after a quarter of it to warm up, \
             seed {}, commit {}. Servers, database and load generator share the machine, so only ratios count: \
             each is the median of the ratios within a round.\n\n{}\n\n\
             *Naive* is what a founder writes by hand: one transaction per debit, with a row lock, a lot update and an \
             entry with a unique key, by PostgreSQL's pgbench (prepared statements, 64 connections at most) or behind a \
             small HTTP server with 16 connections. Scrip is the shipped executable over its real API, with limits, \
             idempotency and receipts, and logs at `warn`; projections of wallets \
             whose amounts alone changed are written little by little, and what is left of them after a case of \
             Scrip's beside the next one; a round's peers are measured before Scrip starts. The cluster has used \
             its buffers and has log segments to write on again, as one that runs for a while: both cost most \
             whoever writes most. SQLite is `synchronous=FULL` on both sides. After each case \
             the journal had grown by exactly what was acknowledged, and after each round `scrip verify` agreed:\n\n{}\n\n\
             ## Goals\n\n{goals}\n## What the machine allows\n\n\
             The peer is bound by row locks and round trips, Scrip by processor time: that of the database, of the \
             server and of the load generator, on the same cores. So many operations would fit if no core ever waited. \
             [Where the time goes](hot-path.md) has the profile.\n\n{}\n## All cases\n\n\
             Bulk is counted in items, hold + capture in pairs, and compared with one naive debit. CPU is per operation. \
             A server knows the wallets that it wrote to before, and these cases begin when it knows all of them. After a \
             start it has to read each first: so went {:.0} debits a second of one caller in bulk on PostgreSQL, \
             {:.0} on SQLite.\n\n{}",
            self.wallets,
            self.rounds,
            self.measured.as_secs_f64(),
            self.seed,
            machine::commit(),
            self.machine,
            self.proofs.iter().map(|proof| format!("- {proof}")).collect::<Vec<_>>().join("\n"),
            results.ceilings(self.machine.cores),
            results.first_debits(false),
            results.first_debits(true),
            results.table(),
        )
    }
}

/// Nothing where nothing was measured.
fn digits(value: f64, decimals: usize) -> String {
    if value == 0.0 { String::new() } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Pace;

    fn results(rates: &[(Case, &[f64])]) -> Results {
        let mut results = Results::default();
        for (case, per_second) in rates {
            for per_second in *per_second {
                let pace = Pace { per_second: *per_second, ..Pace::default() };
                results.add(*case, Sample { pace, ..Sample::default() });
            }
        }
        results
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let ours = Case::postgres(Peer::Scrip, Spread::Hot, 64);
        let theirs = Case::postgres(Peer::NaiveHttp, Spread::Hot, 64);
        // The second round ran on a machine that was half as fast.
        let results = results(&[(ours, &[100.0, 40.0, 90.0]), (theirs, &[10.0, 5.0, 10.0])]);
        assert!((results.ratio(ours, theirs) - 9.0).abs() < 1e-9);
        assert!(results.table().contains("| Scrip, HTTP | hot | 64 | 90 | 9.00 |"), "{}", results.table());
    }

    #[test]
    fn a_ceiling_is_the_processor_time_of_all_cores_over_that_of_one_operation() {
        let mut results = results(&[(Case::postgres(Peer::NaiveHttp, Spread::Hot, 64), &[1_000.0])]);
        let pace = Pace { per_second: 15_000.0, ..Pace::default() };
        let sample = Sample { pace, database_us: 20.0, server_us: 50.0, generator_us: 10.0 };
        results.add(Case::postgres(Peer::Scrip, Spread::Hot, 64), sample);
        let ceilings = results.ceilings(2);
        assert!(ceilings.contains("hot | 80.0 | 25000 | 15000 | 60 % | 1000 | 25.0 |"), "{ceilings}");
    }

    #[test]
    fn the_headlines_are_one_json_object() {
        let parsed: serde_json::Value = serde_json::from_str(&Results::default().headlines()).unwrap();
        let names: Vec<&str> = parsed.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), 5);
        assert!(names.contains(&"http_bulk_vs_naive_pgbench"));
    }
}
