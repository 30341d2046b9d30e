//! The thread of the lanes' writers.

use std::io;
use std::sync::{Arc, LazyLock};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// One for the process and until its end: the database's pool keeps connections that were opened here.
static LANES: LazyLock<Result<Runtime, Arc<io::Error>>> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("lanes").enable_all().build();
    runtime.map_err(Arc::new)
});

/// Runs a writer beside the threads that talk to callers, so that the database never waits for its next batch
/// behind a row of them.
pub(crate) fn spawn(
    writer: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, Arc<io::Error>> {
    LANES.as_ref().map(|runtime| runtime.spawn(writer)).map_err(Clone::clone)
}
