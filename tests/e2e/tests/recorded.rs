//! Every request that the children's tools make, sent to Forgejo once straight and once by a worker through the gateway: the
//! answers are the same, save for what is named here.
//!
//! A child of the table runs without a broker against a stand-in of its own, which writes down what arrives. Two more
//! stand-ins with the same content then get these requests in the same order, one from somebody with a token of Forgejo's, one
//! from a worker.

mod arguments;
mod compare;

use std::collections::BTreeSet;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::{self, Child};
use e2e::stack::Stack;
use e2e::stdio::Program;
use e2e::through_worker::WorkerRequest;
use forgejo_sim::{LoggedRequest, NewApp, Seed, SimClock, SimConfig, Simulator};
use serde_json::json;

use self::compare::{Difference, compare};

/// What the broker asks of Forgejo by default.
const SCOPE: &str = "write:repository write:issue write:organization write:user write:notification";

/// 2026-01-01, at which all stand-ins stand still, so that what they write down is the same.
const NOW_MS: i64 = 1_767_225_600_000;

/// The least number of requests that a real program of this name makes, so that a run that drove nothing fails.
const EXPECTED: &[(&str, usize)] = &[("forgejo-mcp ", 80), ("forgejo-mcp-rs", 40), ("fixture-child", 10)];

#[tokio::test]
async fn what_the_tools_ask_for_is_answered_through_the_gateway_as_without_it() -> Result<()> {
    let (mut present, absent) = children::table()?;
    // Others send the token in other ways, or print what is no protocol.
    present.retain(|child| EXPECTED.iter().any(|(label, _)| child.label.starts_with(label)));
    let mut faults = Vec::new();
    for child in &present {
        let (tools, requests) = record(child).await.with_context(|| child.label.clone())?;
        let least = EXPECTED.iter().find(|(label, _)| child.label.starts_with(label)).map_or(1, |(_, least)| *least);
        ensure!(requests.len() >= least, "{}: only {} requests from {tools} tools", child.label, requests.len());
        let differences = replay(&requests).await.with_context(|| child.label.clone())?;
        let named = differences.iter().filter(|difference| difference.is_named()).count();
        say(&format!(
            "{}: {tools} tools, {} different requests compared, {named} with a named difference",
            child.label,
            requests.len()
        ))?;
        faults.extend(
            differences
                .iter()
                .filter(|difference| !difference.is_named())
                .map(|difference| format!("{}: {difference}", child.label)),
        );
    }
    for child in &absent {
        say(&format!("{}: skipped: {}", child.label, child.reason))?;
    }
    ensure!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

fn standing() -> SimConfig {
    SimConfig { seed: Seed::Demo, clock: SimClock::standing_at(NOW_MS), ..SimConfig::default() }
}

/// Calls every tool twice, with what it must have and with all it takes, and gives what Forgejo was asked for by that: each
/// request once, in order.
async fn record(child: &Child) -> Result<(usize, Vec<LoggedRequest>)> {
    let sim = Simulator::start(standing()).await?;
    let token = |name: &str| sim.create_personal_token(name, &["all"]).context("no alice");
    let mut program = Program::start(child, sim.url(), &token("alice")?, &token("alice")?).await?;
    let mut tools = program.tools().await?;
    tools.retain(|tool| arguments::is_for_forgejo(child, tool));
    tools.sort_by_key(arguments::turn);
    if tools.iter().any(|tool| tool["name"] == "enable_write_mode") {
        program.call("enable_write_mode", &json!({"minutes": 60})).await?;
    }
    sim.clear_requests();
    for tool in &tools {
        let name = tool["name"].as_str().context("a tool without a name")?;
        for everything in [false, true] {
            let arguments = arguments::of(tool, everything);
            // A refusal is an answer too: what counts is what Forgejo was asked for.
            program.call(name, &arguments).await.with_context(|| format!("{name} {arguments}"))?;
        }
    }
    let mut known = BTreeSet::new();
    let mut requests = sim.requests();
    requests.retain(|request| {
        let again = request.method == "GET" && !known.insert((request.target.clone(), request.body.clone()));
        !again && request.path != "/api/v1/version"
    });
    Ok((tools.len(), requests))
}

/// Sends the requests to one stand-in straight and to another through the gateway.
async fn replay(requests: &[LoggedRequest]) -> Result<Vec<Difference>> {
    let straight = Simulator::start(standing()).await?;
    let application = straight.create_app(NewApp::new("straight", "http://127.0.0.1/").owner("root"));
    let tokens = straight.grant_tokens("alice", &application.client_id, SCOPE).context("no alice")?;
    let authorization = format!("token {}", tokens.access_token);

    let child = children::fixture("2.34.1")?;
    let stack = Stack::start_with(&child, standing(), Settings::default()).await?;
    let (worker, _, _) = stack.session("alice").await?;
    let mut differences = Vec::new();
    for recorded in requests {
        let request = anew(recorded);
        let without = request.send_to(straight.address(), &authorization).await?;
        let with = request.send(&worker).await?;
        differences.extend(compare(recorded, (&without, &straight), (&with, &stack.sim)));
    }
    Ok(differences)
}

/// The request as it was, without what each connection says of itself.
fn anew(recorded: &LoggedRequest) -> WorkerRequest {
    const OF_THE_CONNECTION: &[&str] = &["host", "authorization", "connection", "content-length", "transfer-encoding"];
    let mut request = WorkerRequest::new(&recorded.method, &recorded.target);
    for (name, value) in &recorded.headers {
        if !OF_THE_CONNECTION.contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    request.with_body(&recorded.body)
}

/// Past the test harness, which keeps what a successful test prints.
fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "{text}")?)
}
