//! The product as the tests start it: the same as `scrip` unless `SCRIP_TEST_FAULT` breaks it on purpose,
//! so that a test can show that it would notice. Faults are separated by commas;
//! `dies=before_commit:3` ends the process with SIGKILL when it comes there for the third time.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scrip::{Faults, Place};
use tests::places::PLACES;

const VARIABLE: &str = "SCRIP_TEST_FAULT";

/// Where the process dies, and at which visit.
static DEATH: OnceLock<(Place, u32)> = OnceLock::new();
static VISITS: AtomicU32 = AtomicU32::new(0);

fn main() -> ExitCode {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    let mut faults = Faults::default();
    for fault in asked.split(',').filter(|fault| !fault.is_empty()) {
        if add(&mut faults, fault).is_none() {
            eprintln!("{VARIABLE}={asked}: there is no such fault");
            return ExitCode::FAILURE;
        }
    }
    scrip::run(faults)
}

fn add(faults: &mut Faults, fault: &str) -> Option<()> {
    match fault {
        "ignores_fence" => faults.ignores_fence = true,
        "ignores_keys" => faults.ignores_keys = true,
        "answers_early" => faults.answers_early = true,
        "stops_the_clock" => faults.stops_the_clock = true,
        "syncs_lazily" => faults.syncs_lazily = true,
        other => {
            let (place, visit) = other.strip_prefix("dies=")?.split_once(':')?;
            let (_, place) = PLACES.iter().find(|(name, _)| *name == place)?;
            DEATH.set((*place, visit.parse().ok()?)).ok()?;
            faults.at = Some(die_there);
        }
    }
    Some(())
}

/// SIGKILL from the very place: no destructor, no last write, and nobody can catch it.
fn die_there(place: Place) {
    let Some((deadly, visit)) = DEATH.get() else { return };
    if place == *deadly && VISITS.fetch_add(1, Ordering::SeqCst) + 1 == *visit {
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}
