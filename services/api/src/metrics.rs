//! `/metrics`: what this process counted, in Prometheus' text format.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::problem::Problem;

/// Upper bounds in seconds: from an answer out of memory to our deadline.
const LATENCY_BUCKETS: [f64; 13] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0];

/// The process has one recorder; several routers (in tests) share it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts to count. Called when the router is made; call it earlier to count what happens before.
pub fn install() {
    RECORDER.get_or_init(|| match recorder() {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::error!(%error, "nothing will be counted: another recorder of metrics is installed");
            None
        }
    });
}

fn recorder() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(seconds, &LATENCY_BUCKETS)?.install_recorder()
}

/// Sums up what was counted since the last time: until then every single value is kept.
pub fn tidy() {
    if let Some(Some(recorder)) = RECORDER.get() {
        recorder.run_upkeep();
    }
}

/// GET /metrics
pub async fn render() -> Response {
    let Some(Some(recorder)) = RECORDER.get() else {
        return Problem::unavailable("Nothing is counted in this process.").into_response();
    };
    recorder.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render()).into_response()
}
