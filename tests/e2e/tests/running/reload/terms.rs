//! What a reload changes for sessions, workers and users that are there already.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::events::Events;
use e2e::mcp::Mcp;
use e2e::processes::exists;
use e2e::stack::{Stack, eventually, until_ok};
use e2e::through_worker::{WorkerProcess, WorkerRequest};
use forgejo_sim::SimConfig;
use reqwest::StatusCode;
use serde_json::json;

use super::reload;

/// A stack whose configuration file can be changed, with the child that does what it is told to.
struct House {
    stack: Stack,
    file: PathBuf,
}

// === impl House ===

impl House {
    async fn with(text: &str) -> Result<Self> {
        Self::with_settings(text, Settings::default()).await
    }

    async fn with_settings(text: &str, settings: Settings) -> Result<Self> {
        let file = tempfile::tempdir()?.keep().join("broker.toml");
        std::fs::write(&file, text)?;
        let settings = settings.with("CONFIG", file.display().to_string());
        Ok(Self { stack: Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), settings).await?, file })
    }

    /// Another file from now on, in effect when this returns.
    async fn reload(&self, text: &str) -> Result<()> {
        std::fs::write(&self.file, text)?;
        let before = self.reloads();
        reload(&self.stack.broker, "configuration reloaded").await?;
        eventually("the reload is told", || self.reloads() > before).await?;
        ensure!(!self.stack.broker.log().contains("needs a restart"), "{}", self.stack.broker.log());
        Ok(())
    }

    fn reloads(&self) -> usize {
        self.stack.broker.log().matches("configuration reloaded").count()
    }
}

async fn status(mcp: &Mcp) -> Result<StatusCode> {
    Ok(mcp.send("ping", &json!({})).await?.status)
}

#[tokio::test]
async fn whoever_is_taken_from_the_list_is_refused_at_once_and_goes_on_when_he_is_back() -> Result<()> {
    let house = House::with("allowed-users = [\"alice\", \"bob\"]\n").await?;
    let (alice, _, _) = house.stack.session("alice").await?;
    let (bob, _, _) = house.stack.session("bob").await?;
    let worker = WorkerProcess::of(&bob).await?.pid;

    house.reload("allowed-users = [\"alice\"]\n").await?;
    ensure!(status(&bob).await? == StatusCode::FORBIDDEN, "he is still let in");
    ensure!(status(&alice).await? == StatusCode::OK);
    ensure!(house.stack.log_in("bob").await.is_err(), "he can log in");

    house.reload("allowed-users = [\"alice\", \"bob\"]\n").await?;
    ensure!(WorkerRequest::get("/api/v1/user").send(&bob).await?.status == 200);
    ensure!(WorkerProcess::of(&bob).await?.pid == worker, "his worker was ended");

    house.reload("allowed-users = [\"alice\"]\n").await?;
    ensure!(status(&bob).await? == StatusCode::FORBIDDEN);
    house.reload("").await?;
    ensure!(WorkerRequest::get("/api/v1/user").send(&bob).await?.status == 200, "without lists everybody may");
    Ok(())
}

#[tokio::test]
async fn a_name_that_left_the_list_at_a_reload_is_bound_anew() -> Result<()> {
    let house = House::with("allowed-users = [\"alice\", \"bob\"]\n").await?;
    house.stack.log_in("alice").await?;
    ensure!(house.stack.sim.rename_user("alice", "gone"));
    house.stack.sim.create_user(forgejo_sim::NewUser::new("alice", "alice-password"));
    ensure!(house.stack.log_in("alice").await.is_err(), "another alice has the name");
    house.reload("allowed-users = [\"bob\"]\n").await?;
    house.reload("allowed-users = [\"bob\", \"alice\"]\n").await?;
    house.stack.log_in("alice").await.context("the alice of today")?;
    Ok(())
}

#[tokio::test]
async fn a_door_opens_and_shuts_for_the_worker_that_runs_and_its_tools_come_and_go() -> Result<()> {
    let house = House::with("").await?;
    let (mcp, _, _) = house.stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    let behind = WorkerRequest::get("/api/v1/repos/alice/hello/hooks");
    ensure!(behind.send(&mcp).await?.status == 403);
    let all = mcp.tools().await?.len();
    let mut stream = Events::of(mcp.open_stream().await?)?;

    house.reload("open-doors = [\"hooks\"]\n").await?;
    ensure!(behind.send(&mcp).await?.status == 200, "the door is still shut");
    let told = stream.message().await?;
    ensure!(told["method"] == "notifications/tools/list_changed", "{told}");

    house.reload("tools-deny = [\"create_issue\"]\n").await?;
    ensure!(behind.send(&mcp).await?.status == 403, "the door stands open");
    let tools = mcp.tools().await?;
    ensure!(tools.len() + 1 == all && !tools.iter().any(|tool| tool == "create_issue"), "{tools:?}");
    let refused = mcp.send_call("create_issue", &json!({})).await?;
    ensure!(refused.error()?["message"].as_str().is_some_and(|text| text.contains("switched it off")));
    house.reload("").await?;
    ensure!(mcp.tools().await?.len() == all);
    ensure!(WorkerProcess::of(&mcp).await?.pid == worker, "it is another worker");
    Ok(())
}

#[tokio::test]
async fn storage_is_followed_as_the_list_of_the_moment_says() -> Result<()> {
    let house = House::with("").await?;
    std::fs::write(&house.file, "storage-origins = [\"ftp://storage.example\"]\n")?;
    let line = reload(&house.stack.broker, "the configuration was not reloaded").await?;
    ensure!(line.contains("storage-origins"), "{line}");
    house.reload("storage-origins = [\"https://storage.example\"]\n").await
}

#[tokio::test]
async fn living_sessions_take_the_new_times_and_connections_the_new_rate() -> Result<()> {
    let house = House::with_settings("", Settings::default().without("WARM_WORKERS")).await?;
    let (mcp, _, _) = house.stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    house.reload("session-idle-timeout = \"1s\"\n").await?;
    eventually("the idle worker is stopped", || !exists(worker)).await?;
    WorkerProcess::of(&mcp).await.context("the session stays")?;

    house.reload("rate-limit-grant = \"2/h\"\n").await?;
    ensure!(status(&mcp).await? == StatusCode::OK && status(&mcp).await? == StatusCode::OK);
    ensure!(status(&mcp).await? == StatusCode::TOO_MANY_REQUESTS, "the connection keeps its old rate");
    house.reload("").await?;
    ensure!(status(&mcp).await? == StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn warm_workers_are_started_and_dismissed() -> Result<()> {
    let settings = Settings::default().with("WARM_WORKERS", "");
    let house = House::with_settings("warm-workers = 0\n", settings).await?;
    house.reload("warm-workers = 2\n").await?;
    eventually("two wait", || house.stack.broker.workers().len() == 2).await?;
    house.reload("warm-workers = 0\n").await?;
    eventually("none waits", || house.stack.broker.workers().is_empty()).await
}

#[tokio::test]
async fn the_log_takes_another_form() -> Result<()> {
    let house = House::with("").await?;
    house.reload("log-format = \"text\"\n").await?;
    until_ok("a line is in the other form", || async {
        status(&Mcp::new(&house.stack.broker.url, "nobody")?).await?;
        let log = house.stack.broker.log();
        ensure!(log.lines().any(|line| line.contains("http.status=401") && !line.starts_with('{')));
        Ok(())
    })
    .await
}
