//! Our broker, as it is shipped: login, bearer check, limits that do not bind, workers in the cage, the log at its usual level.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use e2e::broker::Settings;
use e2e::children::Child;
use e2e::oauth_client::Tokens;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;

use super::{Running, Way, child, name};
use crate::cost;
use crate::target::Door;

/// A broker with the echo child as its worker, and more settings.
///
/// # Errors
/// When it does not start.
pub async fn broker(more: Settings) -> Result<Stack> {
    let child = Child::new("bench-echo".to_owned(), "custom", child()?);
    Stack::start_with(&child, SimConfig::default(), settings(more)).await
}

/// Shipped defaults, but for limits that a load generator would run into.
#[must_use]
pub fn settings(more: Settings) -> Settings {
    let mut settings = Settings::default()
        .with("LOG_LEVEL", "info")
        .with("WARM_WORKERS", "2")
        .with("WORKER_ERA", "legacy")
        .with("MAX_CONNECTIONS", "4096")
        .with("MAX_SESSIONS", "300")
        .with("MAX_SESSIONS_PER_USER", "300");
    for limit in ["REGISTER", "AUTHORIZE", "TOKEN", "UNAUTHENTICATED", "GRANT"] {
        settings.set(&format!("RATE_LIMIT_{limit}"), "off");
    }
    settings.extend(more);
    settings
}

/// The way into a stack for whoever has these tokens.
///
/// # Errors
/// When the broker's address is none.
pub fn door(stack: &Stack, tokens: &Tokens) -> Result<Door> {
    let host = stack.broker.url.strip_prefix("http://").context("no http address")?.to_owned();
    let address = host.parse().with_context(|| host.clone())?;
    Ok(Door { address, host, path: "/mcp", token: Some(tokens.access_token.clone()), prefix: "" })
}

/// The subjects on a worker of the legacy era.
///
/// # Errors
/// When anything does not start.
pub(super) async fn legacy(nginx: Option<&str>) -> Result<Vec<Running>> {
    let stack = Arc::new(broker(Settings::default()).await?);
    let (roots, rest) = at_rest(&stack)?;
    let (_, tokens) = stack.log_in("alice").await?;
    let door = || door(&stack, &tokens);
    let running = |name, way, roots: &Vec<u32>, door| Running {
        name,
        roots: roots.clone(),
        way,
        rest,
        door,
        alive: Box::new(Arc::clone(&stack)),
    };
    let session = door()?.session().await?;
    let mut subjects = vec![running(name::LEGACY, Way::Http(session.clone()), &roots, Some(door()?))];
    subjects.push(running(name::TRANSLATED, Way::Http(door()?.modern()), &roots, None));
    if let Some(program) = nginx {
        let proxy = super::rivals::Nginx::start(program, session.address).await?;
        let through = door()?.at(proxy.address).session().await?;
        let mut subject = running(name::NGINX, Way::Http(through), &roots, None);
        subject.alive = Box::new((Arc::clone(&stack), proxy));
        subjects.push(subject);
    }
    Ok(subjects)
}

/// The one on a modern worker.
///
/// # Errors
/// When anything does not start.
pub(super) async fn modern() -> Result<Running> {
    let stack = broker(Settings::default().with("WORKER_ERA", "modern")).await?;
    let (roots, rest) = at_rest(&stack)?;
    let (_, tokens) = stack.log_in("alice").await?;
    let way = Way::Http(door(&stack, &tokens)?.modern());
    Ok(Running { name: name::NATIVE, roots, way, rest, door: None, alive: Box::new(stack) })
}

fn at_rest(stack: &Stack) -> Result<(Vec<u32>, Option<u64>)> {
    let roots = vec![stack.broker.pid];
    let rest = cost::memory(&cost::bridge(&roots))?;
    Ok((roots, Some(rest)))
}
