use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

const THREADS: usize = 2;

/// Threads that only the lanes' writers run on. Beside the callers' tasks a writer would wait for all of
/// them at each of its steps, so the more came in, the less would be done.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub fn start() -> Threads {
        let built =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("lane").enable_all().build();
        match built {
            Ok(runtime) => Threads(Some(runtime)),
            Err(error) => {
                tracing::warn!(%error, "writers get no threads of their own");
                Threads(None)
            }
        }
    }

    pub fn spawn(&self, writer: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match &self.0 {
            Some(runtime) => runtime.spawn(writer),
            None => tokio::spawn(writer),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting for threads is not allowed where an engine may be dropped.
            runtime.shutdown_background();
        }
    }
}
