//! The thread of the lanes' writers.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Where writers run: beside the threads that talk to callers, so that the database never waits for its next
/// batch behind a row of them. Dropped, it drops the writers where they wait.
pub(crate) struct LaneThread(Option<Runtime>);

impl LaneThread {
    pub fn start() -> io::Result<LaneThread> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("lanes").enable_all().build()?;
        Ok(LaneThread(Some(runtime)))
    }

    /// `None` only while it is dropped.
    pub fn spawn(&self, writer: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        self.0.as_ref().map(|runtime| runtime.spawn(writer))
    }
}

impl Drop for LaneThread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
