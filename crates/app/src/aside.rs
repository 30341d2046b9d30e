//! Long reckoning beside the calls.

use std::thread;

use tokio::sync::oneshot;

use crate::AppError;

/// How much its processor time weighs, as `nice` counts: a tenth of a call's.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Runs `work` on a thread of its own, which gets what calls leave of the processors. On systems without
/// priorities of threads it has the same as they.
pub(crate) async fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    let (tell, told) = oneshot::channel();
    let run = move || {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::debug!(%error, "a thread keeps its priority");
        }
        // Nobody waits for it any more: the process ends.
        let _ = tell.send(work());
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(unavailable)?;
    told.await.map_err(unavailable)
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> AppError {
    AppError::Unavailable { retry_after_seconds: 1, cause: Some(Box::new(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_is_an_error_and_what_does_not_comes_back() {
        assert_eq!(aside("adds", || 2 + 2).await.unwrap(), 4);
        let failed = aside("fails", || -> u8 { std::panic::panic_any("on purpose") }).await;
        assert!(matches!(failed, Err(AppError::Unavailable { cause: Some(_), .. })));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn it_is_nice_and_its_caller_stays_as_it_is() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        assert_eq!(aside("nice", priority).await.unwrap(), NICENESS.max(before));
        assert_eq!(priority(), before);
    }
}
