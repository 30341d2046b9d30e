//! CPU time of processes, from `/proc`. Elsewhere all of it is 0 and the tables say so.

use std::fs;

/// Linux counts in hundredths of a second, on every architecture that it runs on.
const MICROS_PER_TICK: u64 = 10_000;

struct Stat {
    name: String,
    parent: u32,
    ticks: u64,
    ticks_of_ended_children: u64,
}

/// User and system time of this process.
pub fn own_micros() -> u64 {
    stat(std::process::id()).map_or(0, |s| s.ticks * MICROS_PER_TICK)
}

/// The time of our child of this name (the first 15 letters of it).
pub fn child_micros(name: &str) -> u64 {
    let own = std::process::id();
    let children = pids().filter_map(stat).filter(|s| s.parent == own && s.name == name);
    children.map(|s| s.ticks * MICROS_PER_TICK).sum()
}

/// The most memory that our child of this name ever had, in MiB.
pub fn child_peak_mib(name: &str) -> u64 {
    let own = std::process::id();
    let child = pids().find(|pid| stat(*pid).is_some_and(|s| s.parent == own && s.name == name));
    let status =
        child.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok()).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// The time of a process and all its children, those that ended included.
pub fn family_micros(parent: u32) -> u64 {
    let children: u64 = pids().filter_map(stat).filter(|s| s.parent == parent).map(|s| s.ticks).sum();
    let own = stat(parent).map_or(0, |s| s.ticks + s.ticks_of_ended_children);
    (own + children) * MICROS_PER_TICK
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `pid (name) state ppid …`; the name may have blanks and brackets in it.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some(Stat {
        name: head.split_once('(')?.1.to_owned(),
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
        ticks_of_ended_children: number(13)? + number(14)?,
    })
}
