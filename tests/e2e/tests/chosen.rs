//! A connection of chosen repositories (gateway.md §3): the person allows `alice/hello`, and a worker that does what it likes tries everything else.
//!
//! What is not chosen holds a word that must not come out. Each thing that is tried is first done by a credential of Forgejo's own, so that a
//! door that is shut for another reason can't pass for one that the gateway shut.

mod attacks;
mod reading;
mod renames;
mod tools;
mod writing;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::browser::Person;
use e2e::children::{self, Child};
use e2e::mcp::Mcp;
use e2e::stack::Stack;
use e2e::through_worker::{WorkerAnswer, WorkerRequest};
use forgejo_sim::SimConfig;
use serde_json::{Value, json};

/// In everything that is not chosen.
const SECRET: &str = "canary-7f3a";

/// A stack with a forge of two halves, and a worker that may reach the one.
struct Limited {
    stack: Stack,
    worker: Mcp,
    /// An Authorization header that Forgejo itself takes for the same person, with all rights she has.
    direct: String,
    vault: i64,
    /// The UUID of a file attached to an issue of the vault.
    attachment: String,
    /// A pull request in `alice/hello` that comes from a fork which is not chosen.
    pull: i64,
}

// === impl Limited ===

impl Limited {
    async fn start() -> Result<Self> {
        Self::with(&children::fixture("2.34.1")?).await
    }

    async fn with(child: &Child) -> Result<Self> {
        // Under a read-only connection too the worker sends what it is told: what is tried here is the gateway.
        let settings = Settings::default().with("TOOLS_READ_ONLY", "raw_request");
        let stack = Stack::start_with(child, SimConfig::default(), settings).await?;
        let (vault, attachment, pull) = fill(&stack).context("the forge could not be filled")?;
        let token = stack.sim.create_personal_token("alice", &["all"]).context("no such person")?;
        let direct = format!("token {token}");
        let person = Person::named("alice").choosing(&["alice/hello"]);
        let (_, tokens) = stack.log_in_as(&person).await?;
        let mut worker = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        worker.initialize("2025-11-25").await?;
        let limited = Self { stack, worker, direct, vault, attachment, pull };
        limited.cross().await?;
        Ok(limited)
    }

    /// What both halves have to do with each other, done by the person herself at Forgejo.
    async fn cross(&self) -> Result<()> {
        let vault = "/api/v1/repos/alice/vault";
        let hello = "/api/v1/repos/alice/hello";
        let pointing = json!({"title": SECRET, "body": "Like alice/hello#1"});
        let commit = json!({"content": "", "message": format!("{SECRET}, see alice/hello#1")});
        let issue = json!({"owner": "alice", "repo": "vault", "index": 1});
        for (method, target, body) in [
            ("POST", format!("{vault}/issues"), pointing),
            ("POST", format!("{vault}/contents/more.txt"), commit),
            ("POST", format!("{hello}/issues/1/dependencies"), issue.clone()),
            ("POST", format!("{hello}/issues/1/blocks"), json!({"owner": "alice", "repo": "vault", "index": 2})),
            ("POST", format!("{vault}/issues/1/times"), json!({"time": 60})),
            ("POST", format!("{hello}/issues/1/times"), json!({"time": 60})),
            ("POST", format!("{vault}/issues/1/stopwatch/start"), json!({})),
            ("PUT", "/api/v1/user/starred/alice/vault".to_owned(), json!({})),
            ("PUT", "/api/v1/user/starred/alice/hello".to_owned(), json!({})),
        ] {
            let answer = self.directly(&WorkerRequest::new(method, &target).json(&body)).await?;
            ensure!((200..300).contains(&answer.status), "{method} {target}: {} {}", answer.status, answer.body);
        }
        Ok(())
    }

    /// What Forgejo answers to the same request when nobody stands between.
    async fn directly(&self, request: &WorkerRequest) -> Result<WorkerAnswer> {
        request.send_to(self.stack.sim.address(), &self.direct).await
    }

    async fn see(&self, target: &str) -> Result<Value> {
        let answer = self.directly(&WorkerRequest::get(target)).await?;
        ensure!(answer.status == 200, "{target}: {} {}", answer.status, answer.body);
        answer.json()
    }

    async fn send(&self, request: &WorkerRequest) -> Result<WorkerAnswer> {
        request.send(&self.worker).await
    }

    async fn get(&self, target: &str) -> Result<WorkerAnswer> {
        self.send(&WorkerRequest::get(target)).await
    }

    /// Has it refused by the gateway, in Forgejo's form and with the reason. The text comes back.
    async fn refused(&self, request: &WorkerRequest) -> Result<String> {
        let answer = self.send(request).await?;
        let message = answer.message();
        ensure!(answer.status == 403, "{request}: {} {}", answer.status, answer.body);
        ensure!(message.contains("limited to chosen repositories"), "{request}: {message}");
        ensure!(!answer.body.contains(SECRET), "{request} tells: {}", answer.body);
        Ok(message)
    }
}

/// The half that is not chosen: `alice/vault`, and `outside/hello`, a fork with a pull request to `alice/hello`.
fn fill(stack: &Stack) -> Option<(i64, String, i64)> {
    let sim = &stack.sim;
    let vault = sim.create_repo("alice", "vault", true)?;
    sim.describe_repo("alice", "vault", SECRET, &[SECRET]);
    sim.write_file("alice", "vault", "main", "secret.txt", SECRET)?;
    sim.write_file("alice", "vault", SECRET, "secret.txt", SECRET)?;
    sim.create_issue("alice", "vault", "alice", SECRET, SECRET)?;
    sim.comment("alice", "vault", 1, "root", SECRET)?;
    sim.create_label("alice", "vault", SECRET, "ee0701", &[1])?;
    let attachment = sim.attach_to_issue("alice", "vault", 1, "secret.txt", SECRET)?;
    let release = sim.create_release("alice", "vault", "alice", "v1", SECRET)?;
    sim.add_release_asset("alice", "vault", release, "secret.txt", SECRET)?;
    sim.create_org("outside", "alice")?;
    let fork = sim.fork_repo("alice", "hello", "outside")?;
    sim.describe_repo("outside", "hello", SECRET, &[]);
    sim.write_file("outside", "hello", "topic", "new.txt", "new\n")?;
    let pull = sim.create_pull_from("alice", "hello", "alice", "From elsewhere", (fork, "topic", "main"))?;
    Some((vault, attachment, pull))
}
