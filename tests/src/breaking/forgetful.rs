//! A disk that forgets what was not synced: a FUSE file system in memory. A power cut puts every page that
//! was written since the last sync of its file back to what it was, all of them or those that chance
//! picks: real disks keep some of what was not synced, in any order.

mod contents;
mod serving;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption, spawn_mount};

use crate::bank::{Fault, Servers};
use crate::guard::Guard;
use crate::random::SplitMix64;
use crate::say;
use crate::scratch::ScratchDir;
use contents::Contents;

const MAX_UNMOUNTS: u32 = 100;
const UNMOUNT_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Mounted until the value goes, and however the tests end. It has files, no folders.
pub struct ForgetfulDisk {
    dir: ScratchDir,
    contents: Arc<Mutex<Contents>>,
    mounted: Option<BackgroundSession>,
    guard: Guard,
}

/// The server dies, the disk forgets, the server starts again.
pub struct PowerCuts<'a> {
    pub disk: &'a mut ForgetfulDisk,
    /// Breaks the server from the first strike on, which then only stops and starts it.
    pub canary: Option<(&'static str, &'static str)>,
}

impl ForgetfulDisk {
    /// `None`, and a line that says so, where there is no FUSE or this user may not mount.
    pub fn mount() -> Option<ForgetfulDisk> {
        let dir = ScratchDir::new("forgetful-disk");
        let contents: Arc<Mutex<Contents>> = Arc::default();
        match mount(&dir, &contents) {
            Ok(session) => {
                let guard = Guard::new("umount -l \"$1\"; rmdir \"$1\"", [dir.path()]);
                Some(ForgetfulDisk { dir, contents, mounted: Some(session), guard })
            }
            Err(error) => {
                say(&format!("not run: power cuts need FUSE and the right to mount ({error})"));
                None
            }
        }
    }

    /// The address of a database file on it.
    pub fn database(&self) -> String {
        format!("sqlite://{}/scrip.db", self.dir.path().display())
    }

    /// Nobody may have a file open any more. The kernel's memory of the files goes with the mount.
    pub fn cut_power(&mut self, random: &mut SplitMix64) {
        self.unmount();
        self.contents().forget(random);
        self.mounted = Some(mount(&self.dir, &self.contents).expect("what was mounted before"));
    }

    fn unmount(&mut self) {
        let Some(session) = self.mounted.take() else { return };
        let mut tries = 0;
        let mut result = session.umount_and_join();
        while let Err(error) = result {
            tries += 1;
            assert!(tries < MAX_UNMOUNTS, "the disk is still in use: {error}");
            thread::sleep(UNMOUNT_AGAIN_AFTER);
            result = nix::mount::umount(self.dir.path()).map_err(Into::into);
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ForgetfulDisk {
    fn drop(&mut self) {
        drop(self.mounted.take());
        self.guard.run();
    }
}

impl Fault for PowerCuts<'_> {
    fn strike(&mut self, servers: &mut Servers, random: &mut SplitMix64) {
        if let Some((name, value)) = self.canary.take() {
            servers.restart_with(0, name, value);
            return;
        }
        servers.kill9(0);
        self.disk.cut_power(random);
        servers.restart(0);
    }
}

fn mount(dir: &ScratchDir, contents: &Arc<Mutex<Contents>>) -> std::io::Result<BackgroundSession> {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("forgetful".to_owned()), MountOption::NoAtime];
    spawn_mount(serving::Disk(Arc::clone(contents)), dir.path(), &config)
}
