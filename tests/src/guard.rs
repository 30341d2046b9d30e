use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Cleans up after this process, however it ends. Destructors do not run for a static, nor after
/// `kill -9`; but the pipe to this little shell closes always, and then it runs its script.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    /// `script` sees `arguments` as `$1`, `$2`, ...
    pub fn new<S: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = S>) -> Guard {
        let waits = format!("trap '' INT TERM HUP; cat >/dev/null; {script}");
        let child = Command::new("sh")
            .args(["-c", &waits, "guard"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // A group of its own: what ends the tests from a terminal must not end the guard.
            .process_group(0)
            .spawn()
            .expect("a shell can be started");
        Guard(child)
    }

    /// Nothing is left to clean up.
    pub fn disarm(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Runs the script now.
    pub fn run(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
