//! Clients of 2026-07-28 through the built broker (mcp.md §3.8 to §3.11), on workers that want a handshake.

mod every_child;
mod headers;
mod listening;
mod questions;
mod requests;

use anyhow::Result;
use e2e::children;
use e2e::modern::Modern;
use e2e::stack::Stack;

/// A stack with a fixture child as worker, and alice.
async fn house() -> Result<(Stack, Modern)> {
    let stack = Stack::start(&children::fixture("2.34.1")?).await?;
    let alice = client(&stack, "alice").await?;
    Ok((stack, alice))
}

async fn client(stack: &Stack, login: &str) -> Result<Modern> {
    let (_, tokens) = stack.log_in(login).await?;
    Modern::new(&stack.broker.url, &tokens.access_token)
}
