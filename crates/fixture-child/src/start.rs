//! What happens before stdin is read: the API calls that decide whether the process lives.

use reqwest::Method;

use crate::api::{Api, ApiError, Request};
use crate::habits::Habits;
use crate::journal::{self, Journal};
use crate::options::Options;

/// Calls Forgejo twice with the token, as a start of forgejo-mcp does. There is no timeout: a server that accepts and
/// never answers holds the start for ever.
pub(crate) async fn probe(api: &Api, options: &Options, journal: &Journal) -> Result<(), ApiError> {
    let version = options.habits.version();
    journal.info("cmd/cmd.go:240", &format!("Starting Forgejo MCP Server {version}"));
    journal.info("operation/operation.go:101", "Testing connection to Forgejo instance");
    for path in ["/api/v1/version", options.habits.second_probe()] {
        if let Err(error) = get(api, path).await {
            report(&error, options.habits, journal);
            return Err(error);
        }
    }
    journal.info("operation/operation.go:111", "Successfully connected to Forgejo instance");
    Ok(())
}

async fn get(api: &Api, path: &str) -> Result<(), ApiError> {
    let segments = path.trim_start_matches("/api/v1/").split('/').collect();
    let request = Request { method: Method::GET, path: segments, query: Vec::new(), body: None };
    api.call(&request).await.map(drop)
}

fn report(error: &ApiError, habits: Habits, journal: &Journal) {
    let stack = habits.start_stack();
    journal.error(
        "forgejo/forgejo.go:36",
        &format!("Failed to create Forgejo client\t{{\"error\": \"{error}\"}}"),
        stack,
    );
    journal::stack_trace(stack);
}
