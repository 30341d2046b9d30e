//! Which cases a run has, in which order, and how long.

use std::time::{Duration, Instant};

use ::tests::say;

use crate::bed::Bed;
use crate::case::{Case, Peer};
use crate::machine::Machine;
use crate::report::{Report, Results};
use crate::spread::Spread;
use crate::stage::Stage;

const CALLERS: [usize; 4] = [1, 8, 64, 512];
const BULK_CALLERS: [usize; 3] = [1, 8, 64];

/// All of a quick run has to fit in 50 s: so much is left for its end on a slow machine.
const QUICK_MEASURES_UNTIL: Duration = Duration::from_secs(33);
const QUICK_WALLETS: usize = 2_000;
const QUICK_ROUNDS: usize = 3;
/// Beside its measured time: warming up, connecting, counting.
const QUICK_CASE_OVERHEAD: f64 = 1.6;
const QUICK_LONGEST: Duration = Duration::from_millis(1_500);
const QUICK_SHORTEST: Duration = Duration::from_millis(250);
pub const HEADLINE_CALLERS: usize = 64;
pub const CROWD: usize = 512;

/// Everything, and the page that shows it.
pub fn full(seed: u64, wallets: usize, rounds: usize, measured: Duration) {
    let begin = Instant::now();
    let mut results = Results::default();
    let mut proofs = Vec::new();
    let postgres = Bed::postgres(wallets);
    let machine = Machine::look(&postgres);
    say(&format!("{wallets} wallets loaded after {:.0} s; {machine}", begin.elapsed().as_secs_f64()));
    let sqlite = Bed::sqlite(wallets);
    for round in 1..=rounds {
        for (bed, cases) in [(&postgres, postgres_cases()), (&sqlite, sqlite_cases())] {
            let mut stage = Stage::new(bed, &format!("r{round}"), seed + round as u64);
            for case in cases {
                measure(&mut stage, case, measured, &mut results);
            }
            results.add_first_debits(bed.is_sqlite(), stage.first_debits());
            proofs.extend(stage.prove());
        }
        say(&format!("round {round} of {rounds} is verified after {:.0} s", begin.elapsed().as_secs_f64()));
    }
    let report = Report { machine, seed, wallets, rounds, measured, proofs };
    let path = report.write(&results);
    say(&format!("written to {}", path.display()));
    println!("{}", results.headlines());
}

/// The headline ratios. Fewer wallets, shorter cases, the same rules.
pub fn quick(seed: u64) {
    let begin = Instant::now();
    let mut results = Results::default();
    let (postgres, sqlite) = (Bed::postgres(QUICK_WALLETS), Bed::sqlite(QUICK_WALLETS));
    say(&format!("{QUICK_WALLETS} wallets loaded after {:.1} s", begin.elapsed().as_secs_f64()));
    let mut on_postgres = Stage::new(&postgres, "q", seed);
    let mut on_sqlite = Stage::new(&sqlite, "q", seed);
    let mut left = QUICK_ROUNDS * quick_cases().len();
    for _ in 0..QUICK_ROUNDS {
        for case in quick_cases() {
            let stage = if case.is_sqlite { &mut on_sqlite } else { &mut on_postgres };
            measure(stage, case, quick_measured(begin.elapsed(), left), &mut results);
            left -= 1;
        }
    }
    for proof in [on_postgres.prove(), on_sqlite.prove()].concat() {
        say(&proof);
    }
    drop((postgres, sqlite));
    println!("{}", results.table());
    say(&format!("done after {:.1} s", begin.elapsed().as_secs_f64()));
    println!("{}", results.headlines());
}

/// A case without its peer: for looking into, not for comparing.
pub fn alone(seed: u64, case: Case, wallets: usize, measured: Duration) {
    let bed = if case.is_sqlite { Bed::sqlite(wallets) } else { Bed::postgres(wallets) };
    let mut results = Results::default();
    let mut stage = Stage::new(&bed, "alone", seed);
    measure(&mut stage, case, measured, &mut results);
    stage.prove().iter().for_each(|proof| say(proof));
    println!("{}", results.table());
}

fn measure(stage: &mut Stage<'_>, case: Case, measured: Duration, results: &mut Results) {
    let sample = stage.run(case, measured);
    say(&format!("{case}: {:.0}/s", sample.pace.per_second));
    results.add(case, sample);
}

/// What a case may take so that all that are left end in time.
fn quick_measured(elapsed: Duration, cases_left: usize) -> Duration {
    let left = QUICK_MEASURES_UNTIL.saturating_sub(elapsed).as_secs_f64();
    let each = Duration::from_secs_f64(left / cases_left as f64 / QUICK_CASE_OVERHEAD);
    each.clamp(QUICK_SHORTEST, QUICK_LONGEST)
}

/// Peers first: what projections our cases leave is written afterwards, and not beside a peer's.
fn quick_cases() -> Vec<Case> {
    vec![
        Case::postgres(Peer::NaiveHttp, Spread::Uniform, HEADLINE_CALLERS),
        Case::postgres(Peer::NaiveHttp, Spread::Hot, HEADLINE_CALLERS),
        Case::postgres(Peer::NaivePgbench, Spread::Uniform, HEADLINE_CALLERS),
        Case::sqlite(Peer::Naive, Spread::Uniform, HEADLINE_CALLERS),
        Case::postgres(Peer::Scrip, Spread::Uniform, HEADLINE_CALLERS),
        Case::postgres(Peer::Scrip, Spread::Hot, HEADLINE_CALLERS),
        Case::postgres(Peer::ScripBulk, Spread::Uniform, HEADLINE_CALLERS),
        Case::sqlite(Peer::Engine, Spread::Uniform, HEADLINE_CALLERS),
    ]
}

/// A round has its own servers, and ours start with our first case; the engine in process ends before Scrip starts.
fn ours_last(cases: &mut [Case]) {
    cases.sort_by_key(|case| match case.peer.baseline(case.is_sqlite) {
        None => 0,
        Some(_) if case.peer == Peer::Engine => 1,
        Some(_) => 2,
    });
}

fn postgres_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for spread in Spread::ALL {
        for callers in CALLERS {
            for peer in [Peer::NaiveHttp, Peer::Scrip] {
                cases.push(Case::postgres(peer, spread, callers));
            }
            if callers <= crate::pgbench::MAX_CLIENTS {
                cases.push(Case::postgres(Peer::NaivePgbench, spread, callers));
            }
            cases.push(Case::postgres(Peer::Engine, spread, callers));
        }
        cases.extend(BULK_CALLERS.map(|callers| Case::postgres(Peer::ScripBulk, spread, callers)));
    }
    for spread in [Spread::Uniform, Spread::Hot] {
        cases.push(Case::postgres(Peer::ScripHolds, spread, HEADLINE_CALLERS));
    }
    cases.push(Case::postgres(Peer::ScripReplays, Spread::Uniform, HEADLINE_CALLERS));
    ours_last(&mut cases);
    cases
}

fn sqlite_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for spread in [Spread::Uniform, Spread::Hot] {
        for callers in CALLERS {
            for peer in [Peer::Naive, Peer::Engine] {
                cases.push(Case::sqlite(peer, spread, callers));
            }
        }
        for peer in [Peer::NaiveHttp, Peer::Scrip] {
            cases.push(Case::sqlite(peer, spread, HEADLINE_CALLERS));
        }
    }
    ours_last(&mut cases);
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_ours_has_its_peer_in_the_same_run() {
        for cases in [quick_cases(), [postgres_cases(), sqlite_cases()].concat()] {
            for case in &cases {
                let Some(baseline) = case.peer.baseline(case.is_sqlite) else { continue };
                let is_peer = |c: &&Case| {
                    c.peer == baseline && c.spread == case.spread && c.is_sqlite == case.is_sqlite
                };
                assert!(cases.iter().any(|c| is_peer(&c)), "{case}");
            }
        }
    }

    #[test]
    fn a_quick_run_shortens_its_cases_when_the_machine_is_slow() {
        let cases = quick_cases().len() * QUICK_ROUNDS;
        assert!(quick_measured(Duration::ZERO, cases) <= QUICK_LONGEST);
        assert_eq!(quick_measured(Duration::from_secs(60), cases), QUICK_SHORTEST);
    }
}
