//! Real clients, with the OAuth and MCP code of their own packages; one that is not installed is printed as skipped.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::Person;
use e2e::children::{Child, fixture};
use e2e::clients::{Client, Clients, Errand, Report};
use e2e::mcp::Mcp;
use e2e::stack::Stack;
use futures_util::future::try_join_all;

#[tokio::test]
async fn every_real_client_finds_its_way_in_calls_a_tool_and_goes_on_after_a_refresh() -> Result<()> {
    let installed = Clients::installed()?;
    let (child, alice) = (fixture("2.18.0")?, Person::named("alice"));
    try_join_all(installed.clients.iter().map(|client| succeeds(client, &child, &alice, "read write"))).await?;
    for absent in &installed.skipped {
        say(&format!("{}: skipped: {}", absent.name, absent.reason))?;
    }
    Ok(())
}

#[tokio::test]
async fn every_real_client_takes_less_than_it_asked_for() -> Result<()> {
    // The user lowers the grant at consent (design §5); the newer habits have more tools
    let installed = Clients::installed()?;
    let (child, bob) = (fixture("2.34.1")?, Person::named("bob").read_only());
    try_join_all(installed.clients.iter().map(|client| succeeds(client, &child, &bob, "read"))).await?;
    Ok(())
}

/// A client through the whole way, in its package's own mode and in the one with sessions.
async fn succeeds(client: &Client, child: &Child, person: &Person, scope: &str) -> Result<()> {
    let stack = Stack::start(child).await?;
    let call = child.words.whoami("");
    let (_, tokens) = stack.log_in_as(person).await?;
    let mut own = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    own.initialize("2025-11-25").await?;
    let tools = own.tools().await?;
    for mode in [None, Some("legacy")] {
        let errand = Errand { broker: &stack.broker.url, person, call: &call, mode };
        let report = client.run(errand).await?;
        check(&report, person, scope, &tools).with_context(|| format!("{}: {report:?}", client.name))?;
        if mode == Some("legacy") {
            ensure!(report.era == "legacy", "{}: {report:?}", client.name);
        }
        say(&format!(
            "{} {}: {} ({}), {} tools, scope {scope}, called {} before and after a refresh",
            client.name,
            report.version,
            report.protocol_version,
            report.era,
            report.tool_names.len(),
            call.tool,
        ))?;
    }
    Ok(())
}

fn check(report: &Report, person: &Person, scope: &str, tools: &[String]) -> Result<()> {
    ensure!(report.tool_names == tools, "other tools than ours");
    ensure!(report.call_text.contains(&person.login), "the call was not made as {}", person.login);
    ensure!(report.scope.as_deref().is_none_or(|told| told == scope), "another scope than {scope}");
    ensure!(report.refreshed == Some(true), "no refresh");
    ensure!(report.same_session != Some(false), "the session did not outlive the refresh");
    let after = report.call_text_after_refresh.as_deref().unwrap_or_default();
    ensure!(after.contains(&person.login), "no call after the refresh");
    Ok(())
}

/// Past the test harness, which keeps what a successful test prints.
fn say(line: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "{line}").context("cannot write to stderr")
}
