use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::bank::{Fault, Servers};
use crate::cluster::Cluster;
use crate::guard::Guard;
use crate::random::SplitMix64;
use crate::say;
use crate::scratch::ScratchDir;

const TURNS_AWAY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);
const SHORTAGE_MS: u64 = 800;
const BLOCK: [u8; 4096] = [1; 4096];
/// Room for the bank of a few strikes beside what an engine keeps for itself: SQLite writes ahead by 80 MB,
/// PostgreSQL begins with 40 MB and writes ahead by 16 MB at once.
const SMALL_DISK_MB: u32 = 256;

/// A file system in memory that can be filled up. Unmounted with the value, and however the tests end.
pub struct SmallDisk {
    dir: ScratchDir,
    guard: Guard,
}

/// The disk is full until somebody is turned away, and then has space again. Nothing is restarted but a
/// PostgreSQL that ended.
pub struct DiskFull<'a> {
    pub disk: &'a SmallDisk,
    pub cluster: Option<&'a Cluster>,
    /// Whether somebody must be turned away; a server that is wrong on purpose may tell nobody.
    pub refuses: bool,
}

impl SmallDisk {
    /// `None`, and a line that says so, where this user may not mount.
    pub fn mount() -> Option<SmallDisk> {
        let dir = ScratchDir::new("small-disk");
        let size = format!("size={SMALL_DISK_MB}m,mode=0755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => {
                let guard = Guard::new("umount -l \"$1\"", [dir.path()]);
                Some(SmallDisk { dir, guard })
            }
            _ => {
                say("not run: a disk that is full needs root to mount a small one");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Until not one block more fits.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a new file");
        while ballast.write_all(&BLOCK).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("our own file");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.guard.run();
    }
}

impl Fault for DiskFull<'_> {
    fn strike(&mut self, servers: &mut Servers, random: &mut SplitMix64) {
        let turned_away = servers.turned_away();
        let before = turned_away.load(Ordering::SeqCst);
        self.disk.fill();
        let begin = Instant::now();
        while self.refuses && turned_away.load(Ordering::SeqCst) == before {
            assert!(begin.elapsed() < TURNS_AWAY_WITHIN, "a full disk turns nobody away");
            thread::sleep(LOOK_AGAIN_AFTER);
        }
        thread::sleep(Duration::from_millis(SHORTAGE_MS / 2 + random.draw() % SHORTAGE_MS));
        self.disk.free();
        if let Some(cluster) = self.cluster {
            cluster.restart_if_ended();
        }
    }

    fn server_retries(&self) -> bool {
        self.cluster.is_some()
    }
}
