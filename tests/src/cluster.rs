//! A throwaway PostgreSQL cluster, started from the server programs that the machine has.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::guard::Guard;
use crate::scratch::ScratchDir;
use crate::{free_port, missing};

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Somebody may take the free port first; after a kill the old children hold the memory for a moment.
const MAX_STARTS: u32 = 20;
const START_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// PostgreSQL refuses to run as root; one of these runs it then.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
const MAX_CONNECTIONS: u32 = 300;

/// `$1` is the cluster's folder. The first line of the pid file is the server's process.
const CLEAN_UP: &str = r#"
    pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
    if [ -n "$pid" ] && [ "$pid" = "$(cat "$1/pid" 2>/dev/null)" ]; then
        kill -QUIT "$pid" 2>/dev/null
        tries=0
        while [ -e "$1/data/postmaster.pid" ] && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
    fi
    rm -rf "$1""#;

/// The cluster that all tests of this process share; `None`, and one line that says so, on a machine
/// without PostgreSQL. With `CI=true` that is a failure.
pub fn postgres() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(Cluster::start).as_ref()
}

#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    account: Option<Account>,
    port: u16,
    server: Mutex<Option<Child>>,
    guard: Guard,
    /// Dropped last: the guard has stopped the server by then.
    dir: ScratchDir,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// A cluster of the caller's own, to be killed at will; see [`postgres`] for the shared one.
    pub fn start() -> Option<Cluster> {
        Cluster::start_in(&std::env::temp_dir())
    }

    /// The same with its data below `parent`.
    pub fn start_in(parent: &Path) -> Option<Cluster> {
        let Some(programs) = find_programs() else {
            missing("PostgreSQL not found: its tests did not run");
            return None;
        };
        let account = is_root().then(unprivileged_account);
        let dir = ScratchDir::inside(parent, "pg");
        if let Some(Account { uid, gid }) = account {
            std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid)).expect("root may give folders away");
        }
        let guard = Guard::new(CLEAN_UP, [dir.path()]);
        let mut cluster = Cluster { programs, account, port: 0, server: Mutex::new(None), guard, dir };
        cluster.init();
        cluster.start_on_a_free_port();
        Some(cluster)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of the database `name`.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// The address of a new, empty database that nobody else uses.
    pub fn fresh_database(&self) -> String {
        let name = format!("t_{}", kernel::new_uuid().simple());
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The address of a copy of the database `name`, which nobody may be connected to.
    pub fn copy_of_database(&self, name: &str) -> String {
        let copy = format!("t_{}", kernel::new_uuid().simple());
        self.sql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE {name}"));
        self.url(&copy)
    }

    /// Runs statements in `database` and returns what they select, unaligned, without headers.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = self
            .program("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements, &self.url(database)])
            .stdin(Stdio::null())
            .output();
        checked("psql", output)
    }

    /// The server is gone from one moment to the next, as in a crash: also the processes that serve the
    /// connections, which else would finish what they do before they see that their parent died.
    pub fn kill9(&self) {
        let mut server = self.server();
        if let Some(mut child) = server.take() {
            let serving = children_of(child.id());
            child.kill().expect("our own child can be killed");
            // Some may have ended by themselves meanwhile; kill says so and kills the others.
            let _ = Command::new("kill").arg("-9").args(serving).stderr(Stdio::null()).status();
            let status = child.wait().expect("a killed child ends");
            assert_eq!(status.signal(), Some(9), "PostgreSQL had ended before: {}", self.log());
        }
    }

    /// What `pg_ctl stop -m immediate` does: the server ends without a checkpoint, as after a power cut.
    pub fn stop_immediately(&self) {
        if let Some(mut child) = self.server().take() {
            let asked = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            assert!(asked.is_ok_and(|status| status.success()), "SIGQUIT could not be sent");
            child.wait().expect("a stopped child ends");
        }
    }

    /// Starts a server again that ended by itself.
    pub fn restart_if_ended(&self) {
        let has_ended = match &mut *self.server() {
            Some(child) => child.try_wait().expect("our own child can be asked").is_some(),
            None => true,
        };
        if has_ended {
            self.server().take();
            self.restart();
        }
    }

    /// Kills the server if it runs, starts it on the same data and port and waits until it answers.
    pub fn restart(&self) {
        self.kill9();
        for _ in 0..MAX_STARTS {
            if self.start_server() {
                return;
            }
            std::thread::sleep(START_AGAIN_AFTER);
        }
        panic!("PostgreSQL does not come up again: {}", self.log());
    }

    fn init(&self) {
        let output = self
            .program("initdb")
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(self.data())
            .stdin(Stdio::null())
            .output();
        checked("initdb", output);
    }

    fn start_on_a_free_port(&mut self) {
        for _ in 0..MAX_STARTS {
            self.port = free_port();
            if self.start_server() {
                return;
            }
        }
        panic!("PostgreSQL does not start: {}", self.log());
    }

    /// `false` when the server ended before it was ready.
    fn start_server(&self) -> bool {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log opens");
        let mut child = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", &format!("max_connections={MAX_CONNECTIONS}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be shared"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("postgres can be started");
        std::fs::write(self.dir.path().join("pid"), child.id().to_string()).expect("the folder is ours");
        let is_ready = self.wait_until_ready(&mut child);
        if is_ready {
            *self.server() = Some(child);
        }
        is_ready
    }

    fn wait_until_ready(&self, child: &mut Child) -> bool {
        let begin = Instant::now();
        loop {
            if child.try_wait().expect("our own child can be asked").is_some() {
                return false;
            }
            if self.says_ready(child.id()) && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if begin.elapsed() > READY_WITHIN {
                let _ = child.kill();
                let _ = child.wait();
                panic!("PostgreSQL is not ready after {READY_WITHIN:?}: {}", self.log());
            }
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
    }

    /// What `pg_ctl -w` looks at: line 1 of the pid file is the process, line 8 its state.
    fn says_ready(&self, pid: u32) -> bool {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6).is_some_and(|s| s.trim() == "ready")
    }

    /// One of PostgreSQL's programs, run as the account that the server runs as.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.dir.path()).env_remove("PGOPTIONS").env_remove("PGDATA").env("LC_ALL", "C");
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.guard.run();
        if let Some(mut child) = self.server().take() {
            let _ = child.wait();
        }
    }
}

/// Where `/proc` does not tell, none; the server then ends a little less abruptly.
fn children_of(pid: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The folder that holds `initdb`, `postgres` and `psql`: where PATH leads, or where Debian puts them.
fn find_programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter_map(|dir| {
        // A link in PATH leads to the folder where the other programs are.
        Some(dir.join("initdb").canonicalize().ok()?.parent()?.to_owned())
    });
    on_path
        .chain(debian_folders())
        .find(|dir| ["initdb", "postgres", "psql"].iter().all(|p| dir.join(p).is_file()))
}

/// Newest version first.
fn debian_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    folders.sort();
    folders.into_iter().rev().map(|(_, folder)| folder).collect()
}

fn is_root() -> bool {
    checked("id", Command::new("id").arg("-u").output()).trim() == "0"
}

fn unprivileged_account() -> Account {
    let text = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    UNPRIVILEGED
        .iter()
        .find_map(|wanted| text.lines().find_map(|line| account_of(line, wanted)))
        .unwrap_or_else(|| {
            panic!("PostgreSQL needs one of the accounts {UNPRIVILEGED:?} when root runs the tests")
        })
}

/// `name:password:uid:gid:...`
fn account_of(line: &str, wanted: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    match fields[..] {
        [name, _, uid, gid, ..] if name == wanted => {
            Some(Account { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
        }
        _ => None,
    }
}

/// What a program printed; fails with all it said when it failed.
fn checked(name: &str, output: io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name} failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}
