//! `/metrics`, on its own listener, and the middleware that counts requests.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bridge::bridge::Bridge;
use http::{HeaderValue, StatusCode, header};
use store::Store;

use super::Metrics;
use super::process::real;
use super::words::{limit_of, method, route, status};
use crate::readiness::Readiness;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Where gauges are read.
pub(crate) struct Scrape {
    pub(crate) metrics: Metrics,
    pub(crate) bridge: Bridge,
    pub(crate) store: Store,
    pub(crate) readiness: Arc<Readiness>,
    /// 0 to 3.
    pub(crate) cage_rung: u8,
}

/// All that the listener for metrics serves.
pub(crate) fn routes(scrape: Scrape) -> Router {
    Router::new().route("/metrics", get(answer)).with_state(Arc::new(scrape))
}

async fn answer(State(scrape): State<Arc<Scrape>>) -> Response {
    scrape.read().await;
    match scrape.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

// === impl Scrape ===

impl Scrape {
    async fn read(&self) {
        let (metrics, figures) = (&self.metrics, self.bridge.figures());
        metrics.calls.set([], real(figures.calls as u64));
        metrics.streams.set([], real(figures.streams as u64));
        metrics.workers.set([], real(figures.workers as u64));
        metrics.cage_rung.set([], f64::from(self.cage_rung));
        let live = figures.awake_sessions as u64;
        metrics.sessions.set(["live"], real(live));
        // Without the store the last number stands.
        if let Ok(stored) = self.store.session_count().await {
            metrics.sessions.set(["hibernated"], real(stored.saturating_sub(live)));
        }
        for (part, fault) in self.readiness.look().await.parts() {
            metrics.ready.set([part], if fault.is_none() { 1.0 } else { 0.0 });
        }
        if let Some(pool) = self.store.pool_figures() {
            metrics.database_connections.set(["used"], f64::from(pool.used));
            metrics.database_connections.set(["idle"], f64::from(pool.idle));
            metrics.database_waits.set(real(pool.requests));
            metrics.database_wait_seconds.set(pool.waited.as_secs_f64());
        }
        metrics.read_process();
    }
}

/// Counts and times every request of the router. Apply outside of all that may answer.
pub(crate) fn measure<S>(router: Router<S>, metrics: Metrics) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(metrics, async |State(metrics): State<Metrics>, request: Request, next: Next| {
        let route = route(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
        measured(&metrics, route, request, async |request| next.run(request).await).await
    }))
}

/// The same for one request of a route, as the catalogue spells it.
pub(crate) async fn measured(
    metrics: &Metrics,
    route: &'static str,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let mut open = Open { route, method: method(request.method()), status: "none", metrics };
    let began = Instant::now();
    let response = answer(request).await;
    open.status = status(response.status());
    metrics.http_duration.note([route], began.elapsed());
    match response.status() {
        StatusCode::TOO_MANY_REQUESTS => {
            if let Some(limit) = limit_of(route) {
                metrics.limit_hits.add([limit]);
            }
        }
        StatusCode::PAYLOAD_TOO_LARGE => metrics.limit_hits.add(["max-body-bytes"]),
        _ => {}
    }
    response
}

/// A request without an answer; counted when dropped, also if its client has left.
struct Open<'m> {
    route: &'static str,
    method: &'static str,
    status: &'static str,
    metrics: &'m Metrics,
}

// === impl Open ===

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.metrics.http_requests.add([self.route, self.method, self.status]);
    }
}
