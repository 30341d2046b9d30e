//! A server as its own process: started, waited for, read from, killed.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::free_port;
use crate::guard::Guard;
use crate::patience::Patience;

/// The contract says 5 s on an idle machine; tests share theirs.
const READY_WITHIN: Duration = Duration::from_secs(120);
const STOPS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const READ_ALONG_WITHIN: Duration = Duration::from_secs(20);
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// What is kept of the output; the banner is kept whatever follows it.
const MAX_LINES_KEPT: usize = 2_000;
const KEY_PREFIX: &str = "sk_test_";

/// How to start a server; the same value starts it again on the same data and port.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub executable: PathBuf,
    pub arguments: Vec<String>,
    /// Beside these the server sees the environment of the tests, but none of its `SCRIP_` variables.
    pub environment: BTreeMap<String, String>,
    pub working_dir: PathBuf,
    pub port: u16,
}

impl ServerOptions {
    /// `scrip serve` in `working_dir`, on a free port.
    pub fn serve(executable: impl Into<PathBuf>, working_dir: impl Into<PathBuf>) -> ServerOptions {
        ServerOptions {
            executable: executable.into(),
            // Play money on every database; without it a server on PostgreSQL asks for a gateway. The
            // demo's customer and key, without the month of use that a first start writes.
            arguments: ["serve", "--sandbox", "--demo=bare"].map(str::to_owned).to_vec(),
            environment: BTreeMap::new(),
            working_dir: working_dir.into(),
            port: free_port(),
        }
    }

    /// As somebody starts it who has read the README.
    #[must_use]
    pub fn as_shipped(mut self) -> ServerOptions {
        self.arguments = vec!["serve".to_owned()];
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> ServerOptions {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// A short command of the same executable, on the same data: what it printed, and how it ended.
    pub fn run(&self, command: &str) -> Output {
        self.command()
            .arg(command)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{} could not be started: {error}", self.executable.display()))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        for (name, _) in std::env::vars_os() {
            // What the developer's shell is set to must not decide what is tested.
            if name.to_str().is_some_and(|n| n.starts_with("SCRIP_")) {
                command.env_remove(name);
            }
        }
        command
            .env("SCRIP_LISTEN", format!("127.0.0.1:{}", self.port))
            .envs(&self.environment)
            .current_dir(&self.working_dir);
        command
    }
}

/// A running server. Dropping it kills it, and so does the end of the tests, however they end.
#[derive(Debug)]
pub struct Server {
    child: Child,
    guard: Guard,
    port: u16,
    printed: Arc<Mutex<Printed>>,
    status: Option<ExitStatus>,
}

#[derive(Debug, Default)]
struct Printed {
    api_key: Option<String>,
    lines: VecDeque<String>,
}

impl Server {
    /// Starts the server and waits until `/readyz` answers 200; fails with its output when it does not.
    pub fn start(options: &ServerOptions) -> Server {
        let mut server = Server::spawn(options);
        server.wait_until_ready();
        server
    }

    /// Starts the server without waiting: for tests of the start itself.
    pub fn spawn(options: &ServerOptions) -> Server {
        let mut child = options
            .command()
            .args(&options.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} could not be started: {error}", options.executable.display()));
        let guard = Guard::new("kill -9 \"$1\"", [child.id().to_string()]);
        let printed = Arc::default();
        read_along(child.stdout.take(), &printed);
        read_along(child.stderr.take(), &printed);
        Server { child, guard, port: options.port, printed, status: None }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The `sk_test_` key of the banner; only a first start prints one. The banner is written before
    /// the server is ready, but the thread that reads along may be a moment behind.
    pub fn api_key(&self) -> Option<String> {
        let mut patience = Patience::of(READ_ALONG_WITHIN);
        loop {
            let key = self.printed().api_key.clone();
            if key.is_some() || !patience.wait(LOOK_AGAIN_AFTER) {
                return key;
            }
        }
    }

    /// What the server printed so far, its last lines at least.
    pub fn output(&self) -> String {
        self.printed().lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Whether `/readyz` answers 200 right now.
    pub fn is_ready(&self) -> bool {
        status_of(self.port, "/readyz").is_some_and(|status| status == 200)
    }

    pub fn wait_until_ready(&mut self) {
        let mut patience = Patience::of(READY_WITHIN);
        while !self.is_ready() {
            if let Some(status) = self.ended() {
                panic!("the server ended with {status} before it was ready:\n{}", self.output());
            }
            assert!(patience.wait(LOOK_AGAIN_AFTER), "the server is not ready:\n{}", self.output());
        }
    }

    /// `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("our own child can be asked");
        }
        self.status
    }

    /// The power is gone: no destructor, no last write.
    pub fn kill9(&mut self) {
        if self.ended().is_none() {
            self.child.kill().expect("our own child can be killed");
            self.status = self.child.wait().ok();
        }
    }

    /// For a server that was told to kill itself: waits until it has done so.
    pub fn wait_until_killed_by_itself(&mut self) {
        let status = self.wait_until_ended();
        assert_eq!(status.signal(), Some(9), "it ended with {status}:\n{}", self.output());
    }

    /// Waits until it has ended by itself.
    pub fn wait_until_ended(&mut self) -> ExitStatus {
        self.await_end(READY_WITHIN, "the server does not end")
    }

    /// Waits until it has said `text`.
    pub fn wait_until_printed(&mut self, text: &str) {
        let mut patience = Patience::of(READY_WITHIN);
        while !self.output().contains(text) {
            let goes_on = self.ended().is_none() && patience.wait(LOOK_AGAIN_AFTER);
            assert!(goes_on, "never said {text:?}:\n{}", self.output());
        }
    }

    /// Asks politely, as an init system does, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        if self.ended().is_none() {
            let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
            assert!(asked.is_ok_and(|status| status.success()), "SIGTERM could not be sent");
        }
        self.await_end(STOPS_WITHIN, "the server does not stop")
    }

    fn await_end(&mut self, time: Duration, otherwise: &str) -> ExitStatus {
        let mut patience = Patience::of(time);
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(patience.wait(LOOK_AGAIN_AFTER), "{otherwise}:\n{}", self.output());
        }
    }

    fn printed(&self) -> std::sync::MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.guard.disarm();
    }
}

/// The status that a plain GET of `path` is answered with; `None` when nobody answers.
pub fn status_of(port: u16, path: &str) -> Option<u16> {
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), ANSWERS_WITHIN).ok()?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).take(1024).read_line(&mut line).ok()?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn read_along(stream: Option<impl Read + Send + 'static>, printed: &Arc<Mutex<Printed>>) {
    let Some(stream) = stream else { return };
    let printed = Arc::clone(printed);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            printed.lock().unwrap_or_else(PoisonError::into_inner).add(line);
        }
    });
}

impl Printed {
    fn add(&mut self, line: String) {
        if self.api_key.is_none() {
            self.api_key = key_in(&line);
        }
        if self.lines.len() == MAX_LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

fn key_in(line: &str) -> Option<String> {
    let from = line.find(KEY_PREFIX)?;
    let key: String =
        line[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    (key.len() > KEY_PREFIX.len()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::key_in;

    #[test]
    fn the_banners_key_is_found_among_other_words() {
        assert_eq!(key_in("API key   sk_test_01ab_Cd-9 (test)"), Some("sk_test_01ab_Cd-9".to_owned()));
        assert_eq!(key_in("keys begin with sk_test_"), None);
        assert_eq!(key_in("ready"), None);
    }
}
