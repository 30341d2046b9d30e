//! Where a run was made.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::bed::Bed;

pub struct Machine {
    pub cores: usize,
    memory_gib: f64,
    kernel: String,
    postgres: String,
    /// Of the last minute, when the run began.
    load: String,
}

impl Machine {
    pub fn look(bed: &Bed) -> Machine {
        let kib = first_number(&read("/proc/meminfo"));
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            postgres: bed.cluster().sql("postgres", "SHOW server_version").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cores, memory_gib, kernel, postgres, load } = self;
        write!(
            f,
            "Machine: {cores} cores, {memory_gib:.0} GiB of memory, Linux {kernel}, PostgreSQL {postgres} \
             (fsync on), load average {load} at the beginning."
        )
    }
}

/// The checkout that this program was built from.
pub fn repository() -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    path.canonicalize().unwrap_or(path)
}

/// The commit, and whether the checkout has changes beside it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(repository()).args(arguments).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
    };
    let changes = if git(&["status", "--porcelain"]).is_empty() { "" } else { " with changes" };
    format!("{}{changes}", git(&["rev-parse", "--short=12", "HEAD"]))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn first_number(text: &str) -> f64 {
    text.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or(0.0)
}
