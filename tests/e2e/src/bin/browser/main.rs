//! `make browser`: the broker and the stand-in behind TLS, with names of their own, and a real Chromium that uses their pages.
//!
//! The tests themselves are `tests/browser/*.test.mjs`; this program gives them the world that they run in and ends with their result.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use e2e::broker::{Broker, Settings, database, free_port, http_client};
use e2e::children;
use e2e::stack::{KEY, until_ok};
use forgejo_sim::{Fault, FaultRule, NewApp, RunningSim, Seed, SimConfig, Simulator};
use tokio::net::TcpListener;
use tokio::process::Command;

mod tls;

use tls::Authority;

/// Where the tests are, seen from the repository.
const TESTS: &str = "tests/browser";
/// All tests together; a browser that hangs must not hang whoever waits for it.
const LONGEST: Duration = Duration::from_mins(10);

#[tokio::main]
async fn main() -> Result<()> {
    let authority = Authority::new(&["mcp.test", "git.test", "app.test"])?;
    let (broker_port, sim_port) = (free_port()?, free_port()?);
    let git = authority.front(format!("127.0.0.1:{sim_port}")).await?;
    let mcp = authority.front(format!("127.0.0.1:{broker_port}")).await?;
    let (git_url, mcp_url) = (format!("https://git.test:{git}"), format!("https://mcp.test:{mcp}"));

    let sim = Simulator::start(SimConfig {
        seed: Seed::Demo,
        listen: ([127, 0, 0, 1], sim_port).into(),
        root_url: Some(format!("{git_url}/")),
        ..SimConfig::default()
    })
    .await?;
    people_the_forge(&sim);
    let application = sim.create_app(NewApp::new("fjmcp-broker", format!("{mcp_url}/oauth/callback")).owner("root"));
    let state = tempfile::tempdir().context("no folder for state")?;
    let child = children::fixture("2.34.1")?;
    let settings = Settings::default()
        .with("PUBLIC_URL", &mcp_url)
        .with("LISTEN", format!("127.0.0.1:{broker_port}"))
        .with("FORGEJO_URL", &git_url)
        .with("FORGEJO_INTERNAL_URL", format!("http://127.0.0.1:{sim_port}"))
        .with("FORGEJO_OAUTH_CLIENT_ID", &application.client_id)
        .with("FORGEJO_OAUTH_CLIENT_SECRET", &application.client_secret)
        .with("ENCRYPTION_KEYS", KEY)
        .with("STORE_PATH", database(state.path()).display().to_string())
        .with("WORKER_PROFILE", &child.profile)
        .with("WORKER_COMMAND", child.command.display().to_string())
        .with("WORKER_ARGS", child.args.join(" "));
    let mut broker = Broker::spawn(&settings)?;
    let direct = format!("http://127.0.0.1:{broker_port}");
    let health = format!("{direct}/healthz");
    until_ok("the broker answers", async || {
        ensure!(http_client()?.get(&health).send().await?.status().is_success());
        Ok(())
    })
    .await?;

    let levers = levers(Arc::new(sim)).await?;
    // The client's web address, and a program on the same machine: both are answered by the tests.
    let app_port = free_port()?;
    let app = authority.front(format!("127.0.0.1:{app_port}")).await?;
    let tests = Command::new("node")
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        // Such as --test-name-pattern=account.
        .args(std::env::args().skip(1))
        .args(test_files()?)
        .current_dir(TESTS)
        .env("MCP_URL", &mcp_url)
        .env("MCP_DIRECT", &direct)
        .env("GIT_URL", &git_url)
        .env("APP_URL", format!("https://app.test:{app}"))
        .env("APP_PORT", app_port.to_string())
        .env("LEVERS_URL", levers)
        .kill_on_drop(true)
        .status();
    let status = tokio::time::timeout(LONGEST, tests).await.context("the tests did not end")?;
    let status = status.context("node cannot be started")?;
    if !status.success() && std::env::var_os("E2E_SHOW_LOG").is_none() {
        std::fs::write(Path::new(TESTS).join("screenshots/broker.log"), broker.log())?;
    }
    broker.terminate().await?;
    ensure!(
        status.success(),
        "the tests in a browser failed: {status}; the broker's log is in {TESTS}/screenshots/broker.log"
    );
    Ok(())
}

/// More repositories than fit on a page, some with names and descriptions that a page must bear.
fn people_the_forge(sim: &RunningSim) {
    for (name, description) in [
        ("website", "The pages of our little company, with a blog that nobody updates"),
        ("a-repository-with-a-very-long-name-that-does-not-fit-on-the-screen-of-a-telephone", "Long names wrap"),
        ("dotfiles", "\u{202e}txet desrever <img src=x onerror=alert(1)>"),
    ] {
        sim.create_repo("alice", name, name == "dotfiles");
        sim.describe_repo("alice", name, description, &[]);
    }
    for number in 1..=25 {
        sim.create_repo("alice", &format!("experiment-{number:02}"), number % 3 == 0);
    }
}

fn test_files() -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(TESTS).context("run this in the repository's folder")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}

/// What the tests can do to the stand-in, by HTTP.
async fn levers(sim: Arc<RunningSim>) -> Result<String> {
    let down = async |State(sim): State<Arc<RunningSim>>| sim.add_fault(FaultRule::on("/api/", Fault::Status(503)));
    let up = async |State(sim): State<Arc<RunningSim>>| sim.clear_faults();
    let routes = Router::new().route("/down", post(down)).route("/up", post(up)).with_state(sim);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}
