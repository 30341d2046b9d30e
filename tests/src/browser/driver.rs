//! chromedriver as its own process, and the Chromium that it starts.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::free_port;
use crate::guard::Guard;
use crate::process::status_of;
use crate::scratch::ScratchDir;

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// `$1` is the process group: chromedriver, and every process of its Chromium.
const CLEAN_UP: &str = r#"kill -s KILL -- "-$1"; rm -rf "$2""#;

/// Both are packages of Debian, and of one version.
#[derive(Clone, Debug)]
pub struct Programs {
    chromium: PathBuf,
    chromedriver: PathBuf,
}

impl Programs {
    pub fn find() -> Option<Programs> {
        Some(Programs { chromium: find("chromium")?, chromedriver: find("chromedriver")? })
    }
}

/// Dropping it ends the browser and forgets what it knew.
#[derive(Debug)]
pub struct Driver {
    port: u16,
    chromium: PathBuf,
    child: Child,
    guard: Guard,
    profile: ScratchDir,
}

impl Driver {
    pub fn start(programs: &Programs) -> Driver {
        let profile = ScratchDir::new("browser");
        let port = free_port();
        let mut child = Command::new(&programs.chromedriver)
            .arg(format!("--port={port}"))
            // Chromium keeps more than its profile under these.
            .env("HOME", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .env("XDG_CACHE_HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", programs.chromedriver.display()));
        let group = child.id().to_string();
        let guard = Guard::new(CLEAN_UP, [group.as_ref(), profile.path().as_os_str()]);
        let begin = Instant::now();
        while status_of(port, "/status") != Some(200) {
            let has_ended = child.try_wait().expect("our own child can be asked").is_some();
            assert!(!has_ended && begin.elapsed() < READY_WITHIN, "chromedriver is not ready");
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
        Driver { port, chromium: programs.chromium.clone(), child, guard, profile }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A browser without a past that talks to nobody but the pages it is sent to.
    pub fn chrome_options(&self) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.path().join("profile").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox", // CI runs as root, and the only pages are ours
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-domain-reliability",
            "--disable-sync",
            "--disable-crash-reporter",
            "--disable-features=AutofillServerCommunication,OptimizationHints,MediaRouter,Translate",
            "--no-proxy-server",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--lang=en-GB",
            &profile,
        ];
        json!({"binary": self.chromium, "args": arguments})
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.guard.run();
        let _ = self.child.wait();
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
