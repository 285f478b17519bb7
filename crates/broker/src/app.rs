//! Wires the rooms together.

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;

use crate::config::Config;
use crate::serve::{Limits, Server, Stop};

/// Runs the broker until it is told to stop.
pub async fn run(config: Config, stop: Stop) -> Result<(), anyhow::Error> {
    let limits = Limits::new(config.http.max_connections, config.shutdown_grace);
    let server = Server::bind(config.http.listen, limits).await.context("cannot listen")?;
    server.run(Router::new().route("/healthz", get(|| async { "ok" })), stop, async {}).await
}
