//! The broker is killed in the middle of a refresh.

use std::time::Duration;

use anyhow::Result;
use e2e::stack::{eventually, until_ok};
use forgejo_sim::{Fault, FaultRule};

use super::{ensure_served, house, whoami};

const TOKEN_ENDPOINT: &str = "/login/oauth/access_token";

/// The lease of the dead life runs for 30 s more, which is longer than this test waits.
#[tokio::test]
async fn a_broker_killed_in_the_middle_of_a_refresh_takes_its_lease_back() -> Result<()> {
    let mut stack = house().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let (bob, _, _) = stack.session("bob").await?;
    stack.sim.add_fault(FaultRule::on(TOKEN_ENDPOINT, Fault::Hang));
    stack.sim.advance(Duration::from_hours(2));
    let call = tokio::spawn({
        let mcp = mcp.clone();
        async move { whoami(&mcp).await }
    });
    eventually("the refresh is under way", || stack.sim.refreshes() == 1).await?;
    stack.broker.kill().await?;
    // It is cut with the broker.
    let _ = call.await?;
    stack.sim.clear_faults();
    stack.restart().await?;
    until_ok("alice is served", || ensure_served(&mcp, "alice")).await?;
    until_ok("bob is served", || ensure_served(&bob, "bob")).await
}
