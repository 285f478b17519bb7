//! What every child is asked to do, one task after the other, behind one broker.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::broker::{http_client, zombies_of};
use e2e::browser::Person;
use e2e::children::Child;
use e2e::mcp::{Answer, Mcp};
use e2e::oauth_client::Tokens;
use e2e::processes::{exists, kill_9};
use e2e::stack::{Stack, eventually};
use futures_util::future::{BoxFuture, try_join_all};
use serde_json::{Value, json};

/// A task and what it is called in the summary.
pub(super) struct Task {
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a mut Scene) -> BoxFuture<'a, Result<Verdict>>,
}

/// How a child did.
pub(super) enum Verdict {
    Done,
    /// This release has no tool for it.
    NotOffered,
    Failed(String),
}

/// A child behind a broker, with alice logged in.
pub(super) struct Scene {
    stack: Stack,
    child: Child,
    alice: Tokens,
}

/// In this order; the last one ends the broker.
pub(super) const ALL: &[Task] = &[
    Task { name: "initializes in 2025-03-26", run: |scene| Box::pin(initializes(scene, "2025-03-26")) },
    Task { name: "initializes in 2025-06-18", run: |scene| Box::pin(initializes(scene, "2025-06-18")) },
    Task { name: "initializes in 2025-11-25", run: |scene| Box::pin(initializes(scene, "2025-11-25")) },
    Task { name: "lists its tools", run: |scene| Box::pin(lists_its_tools(scene)) },
    Task { name: "reads as the user", run: |scene| Box::pin(reads(scene)) },
    Task { name: "reads a file", run: |scene| Box::pin(reads_a_file(scene)) },
    Task { name: "makes an issue", run: |scene| Box::pin(makes_an_issue(scene)) },
    Task { name: "read-only: the write is refused", run: |scene| Box::pin(is_refused_a_write(scene)) },
    Task { name: "answers 20 calls at once", run: |scene| Box::pin(answers_many_calls(scene)) },
    Task { name: "shows Forgejo's address only", run: |scene| Box::pin(shows_forgejos_address(scene)) },
    Task { name: "shows its downloads' address", run: |scene| Box::pin(shows_the_address_of_downloads(scene)) },
    Task { name: "is killed, the session goes on", run: |scene| Box::pin(is_killed(scene)) },
    Task { name: "stops with the broker", run: |scene| Box::pin(stops_with_the_broker(scene)) },
];

// === impl Verdict ===

impl Verdict {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::NotOffered => "-",
            Self::Failed(_) => "FAILED",
        }
    }
}

// === impl Scene ===

impl Scene {
    pub(super) async fn set(stack: Stack, child: Child) -> Result<Self> {
        let (_, alice) = stack.log_in("alice").await?;
        Ok(Self { stack, child, alice })
    }

    async fn session(&self, version: &str) -> Result<(Mcp, Value)> {
        const TRIES: usize = 5;
        let mut mcp = Mcp::new(&self.stack.broker.url, &self.alice.access_token)?;
        let mut greeting = mcp.initialize(version).await;
        for _ in 1..TRIES {
            match &greeting {
                // A program that takes seconds to start takes more on a busy machine: 503 says to try again.
                Err(error) if error.to_string().contains("did not start in time") => {}
                _ => break,
            }
            greeting = mcp.initialize(version).await;
        }
        Ok((mcp, greeting?))
    }

    async fn newest_session(&self) -> Result<Mcp> {
        Ok(self.session("2025-11-25").await?.0)
    }

    /// A session, and the process that works for it.
    async fn session_and_worker(&self) -> Result<(Mcp, u32)> {
        let before: BTreeSet<u32> = self.stack.broker.workers().into_iter().collect();
        let mcp = self.newest_session().await?;
        let fresh = self.stack.broker.workers().into_iter().find(|pid| !before.contains(pid));
        Ok((mcp, fresh.context("initialize started no worker")?))
    }

    /// The titles of the open issues of `alice/hello`, as anybody sees them at Forgejo.
    async fn issue_titles(&self) -> Result<Vec<String>> {
        let url = format!("{}/api/v1/repos/alice/hello/issues?type=issues&limit=50", self.stack.sim.url());
        let issues: Vec<Value> = http_client()?.get(url).send().await?.json().await?;
        Ok(issues.iter().filter_map(|issue| issue["title"].as_str().map(str::to_owned)).collect())
    }
}

/// T71: the version that was asked for, and what the program can do.
async fn initializes(scene: &mut Scene, version: &str) -> Result<Verdict> {
    let (mcp, greeting) = scene.session(version).await?;
    ensure!(mcp.session.is_some(), "no session id");
    ensure!(greeting["protocolVersion"] == version, "{greeting}");
    ensure!(greeting["capabilities"]["tools"].is_object(), "{greeting}");
    ensure!(!mcp.tools().await?.is_empty(), "no tools");
    ensure!(mcp.delete().await? == 204, "the session did not end");
    Ok(Verdict::Done)
}

async fn lists_its_tools(scene: &mut Scene) -> Result<Verdict> {
    let tools = scene.newest_session().await?.tools().await?;
    let words = scene.child.words;
    let expected = words.reading().into_iter().chain([words.create_issue("")]).map(|call| call.tool);
    for tool in expected {
        // The fixture has only some of the tools of the program that it stands for.
        ensure!(tools.iter().any(|known| known == tool), "{tool} is not among {} tools", tools.len());
    }
    Ok(Verdict::Done)
}

async fn reads(scene: &mut Scene) -> Result<Verdict> {
    let mcp = scene.newest_session().await?;
    for call in scene.child.words.reading() {
        let text = mcp.call_text(call.tool, &call.arguments).await.with_context(|| call.tool)?;
        ensure!(text.contains(call.expect), "{}: no {:?} in {text}", call.tool, call.expect);
    }
    Ok(Verdict::Done)
}

async fn reads_a_file(scene: &mut Scene) -> Result<Verdict> {
    if scene.child.label.starts_with("fixture-child") {
        // It lists the tool for its size only.
        return Ok(Verdict::NotOffered);
    }
    let Some(call) = scene.child.words.file() else { return Ok(Verdict::NotOffered) };
    let mcp = scene.newest_session().await?;
    let text = mcp.call_text(call.tool, &call.arguments).await?;
    let in_base64 = STANDARD.encode(format!("# hello\n\n{}", call.expect));
    // The last group of four depends on what follows.
    let in_base64 = &in_base64[..in_base64.len() - 4];
    ensure!(text.contains(call.expect) || text.contains(in_base64), "{text}");
    Ok(Verdict::Done)
}

async fn makes_an_issue(scene: &mut Scene) -> Result<Verdict> {
    let mcp = scene.newest_session().await?;
    let call = scene.child.words.create_issue("Made through the broker");
    let text = mcp.call_text(call.tool, &call.arguments).await?;
    let titles = scene.issue_titles().await?;
    ensure!(titles.iter().any(|title| title == call.expect), "Forgejo has only {titles:?}; the tool said {text}");
    Ok(Verdict::Done)
}

/// gateway.md §3: the text that reaches the model says which limit it was and what the user can do.
async fn is_refused_a_write(scene: &mut Scene) -> Result<Verdict> {
    let (_, tokens) = scene.stack.log_in_as(&Person::named("alice").read_only()).await?;
    ensure!(tokens.scope == "read", "granted {}", tokens.scope);
    let mut mcp = Mcp::new(&scene.stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    let words = scene.child.words;
    let read = words.whoami("alice");
    mcp.call_text(read.tool, &read.arguments).await.context("reading under a read-only grant")?;
    let write = words.create_issue("Must not be made");
    let text = refusal(&mcp.send_call(write.tool, &write.arguments).await?)?;
    ensure!(text.contains("read-only") && text.contains("choose write access"), "the refusal says only {text}");
    ensure!(!scene.issue_titles().await?.iter().any(|title| title == write.expect), "it was made");
    Ok(Verdict::Done)
}

/// A tool's failure, whether the program tells it as a JSON-RPC error or in the result.
fn refusal(answer: &Answer) -> Result<String> {
    let message = answer.messages()?.pop().context("no answer")?;
    let failed = message["error"].is_object() || message["result"]["isError"] == json!(true);
    ensure!(failed, "the call succeeded: {message}");
    Ok(message.to_string())
}

/// Traps 1 and 2: every call gets its own answer, in whatever order the worker gives them.
async fn answers_many_calls(scene: &mut Scene) -> Result<Verdict> {
    const ISSUES: [(i64, &str); 4] = [
        (1, "Greet people by name"),
        (2, "Write a manual page"),
        (3, "Typo in the README"),
        (4, "Greet people by name"),
    ];
    let mcp = &scene.newest_session().await?;
    let words = scene.child.words;
    let calls = (0..20).map(|number| async move {
        let (index, title) = ISSUES[number % ISSUES.len()];
        let call = words.issue(index, title);
        let text = mcp.call_text(call.tool, &call.arguments).await?;
        let wrong = ISSUES.iter().find(|(_, other)| *other != title && text.contains(other));
        ensure!(text.contains(title) && wrong.is_none(), "call {number} for issue {index}: {text}");
        Ok(())
    });
    try_join_all(calls).await?;
    Ok(Verdict::Done)
}

/// gateway.md §2: in what the worker prints, the gateway's origin is Forgejo's.
async fn shows_forgejos_address(scene: &mut Scene) -> Result<Verdict> {
    let (mcp, pid) = scene.session_and_worker().await?;
    let gateway = gateway_of(pid)?;
    let call = scene.child.words.issue(1, "");
    let answer = mcp.send_call(call.tool, &call.arguments).await?;
    let address = format!("{}/alice/hello/issues/1", scene.stack.sim.url());
    ensure!(answer.body.contains(&address), "no {address} in {}", answer.body);
    ensure!(!answer.body.contains(&gateway), "{gateway} is in {}", answer.body);
    Ok(Verdict::Done)
}

/// The same for addresses that the gateway itself turned inwards before the worker saw them.
async fn shows_the_address_of_downloads(scene: &mut Scene) -> Result<Verdict> {
    let (mcp, pid) = scene.session_and_worker().await?;
    let gateway = gateway_of(pid)?;
    let tools = mcp.tools().await?;
    let Some(tool) = ["list_releases", "get_release"].into_iter().find(|tool| tools.iter().any(|known| known == tool))
    else {
        return Ok(Verdict::NotOffered);
    };
    let mut arguments = json!({"owner": "alice", "repo": "hello"});
    // Some take no argument that they do not know.
    if tool == "get_release" {
        arguments["tag"] = json!("v1.0.0");
    } else {
        arguments["page"] = json!(1);
        arguments["limit"] = json!(5);
    }
    let answer = mcp.send_call(tool, &arguments).await?;
    let address = format!("{}/alice/hello/releases/", scene.stack.sim.url());
    ensure!(answer.body.contains(&address), "{tool}: no {address} in {}", answer.body);
    ensure!(!answer.body.contains(&gateway), "{tool}: {gateway} is in {}", answer.body);
    Ok(Verdict::Done)
}

/// Host and port of the gateway, out of the worker's environment.
fn gateway_of(pid: u32) -> Result<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ"))?;
    let environment = String::from_utf8_lossy(&environment);
    let variables = ["FORGEJO_URL", "GITEA_HOST", "GITEA_URL", "GITEA_SERVER_URL"];
    let address = environment.split('\0').filter_map(|entry| entry.split_once("=http://"));
    let address = address.filter(|(name, _)| variables.contains(name)).map(|(_, address)| address.to_owned()).next();
    address.context("the worker has no address of Forgejo")
}

/// A session outlives its worker (W24).
async fn is_killed(scene: &mut Scene) -> Result<Verdict> {
    let (mcp, pid) = scene.session_and_worker().await?;
    let call = scene.child.words.whoami("alice");
    mcp.call_text(call.tool, &call.arguments).await?;
    kill_9(pid)?;
    eventually("the killed worker is gone", || !exists(pid)).await?;
    let text = mcp.call_text(call.tool, &call.arguments).await.context("after the kill")?;
    ensure!(text.contains(call.expect), "{text}");
    ensure!(zombies_of(scene.stack.broker.pid).is_empty(), "a zombie is left");
    Ok(Verdict::Done)
}

async fn stops_with_the_broker(scene: &mut Scene) -> Result<Verdict> {
    let workers = scene.stack.broker.workers();
    ensure!(!workers.is_empty(), "no worker is left to stop");
    let status = scene.stack.broker.terminate().await?;
    ensure!(status.success(), "the broker ended with {status}");
    let left: Vec<_> = workers.into_iter().filter(|pid| exists(*pid)).collect();
    ensure!(left.is_empty(), "workers {left:?} are left");
    Ok(Verdict::Done)
}
