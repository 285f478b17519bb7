//! The doors of a Forgejo that a token opens by accident, tried by a worker that does what it likes: shut (gateway.md).
//!
//! Where the stand-in shows a door standing open, a test first walks through it with a credential of Forgejo's own, so that
//! a door that is shut for another reason can't pass for one that the gateway shut.

mod answers;
mod assets;
mod capabilities;
mod credentials;
mod identity;
mod paths;
mod read_only;

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::browser::Person;
use e2e::children;
use e2e::mcp::Mcp;
use e2e::stack::Stack;
use e2e::through_worker::{WorkerAnswer, WorkerRequest};
use forgejo_sim::{LoggedRequest, SimConfig};

/// A stack, and a worker of somebody that sends whatever it is told to.
struct Intruder {
    stack: Stack,
    worker: Mcp,
    /// An Authorization header that Forgejo itself takes for the same person, with all rights he has.
    direct: String,
}

// === impl Intruder ===

impl Intruder {
    async fn is(login: &str) -> Result<Self> {
        Self::with(&Person::named(login)).await
    }

    async fn with(person: &Person) -> Result<Self> {
        let child = children::fixture("2.34.1")?;
        // Under a read-only connection too the worker sends what it is told: what is tried here is the gateway.
        let settings = Settings::default().with("TOOLS_READ_ONLY", "raw_request");
        let stack = Stack::start_with(&child, SimConfig::default(), settings).await?;
        let (_, tokens) = stack.log_in_as(person).await?;
        let mut worker = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        worker.initialize("2025-11-25").await?;
        let token = stack.sim.create_personal_token(&person.login, &["all"]).context("no such person")?;
        let intruder = Self { stack, worker, direct: format!("token {token}") };
        // The gateway learns Forgejo's version with the first success; that request is not to be taken for a leak.
        let answer = WorkerRequest::get("/api/v1/user").send(&intruder.worker).await?;
        ensure!(answer.status == 200 && answer.json()?["login"] == person.login.as_str(), "{answer:?}");
        Ok(intruder)
    }

    fn forgejo(&self) -> SocketAddr {
        self.stack.sim.address()
    }

    /// What Forgejo answers to the same request when nobody stands between.
    async fn directly(&self, request: &WorkerRequest) -> Result<WorkerAnswer> {
        request.send_to(self.forgejo(), &self.direct).await
    }

    /// What reached Forgejo while the worker sent this request.
    async fn send(&self, request: &WorkerRequest) -> Result<(WorkerAnswer, Vec<LoggedRequest>)> {
        let before = self.stack.sim.requests().len();
        let answer = request.send(&self.worker).await?;
        let mut arrived = self.stack.sim.requests().split_off(before);
        arrived.retain(|request| request.path != "/api/v1/version");
        Ok((answer, arrived))
    }

    /// Has it refused with this status, before anything reaches Forgejo. The text of the refusal comes back.
    async fn refused(&self, request: &WorkerRequest, status: u16) -> Result<String> {
        let (answer, arrived) = self.send(request).await?;
        ensure!(answer.status == status, "{request}: {} {}, expected {status}", answer.status, answer.body);
        ensure!(arrived.is_empty(), "{request} reached Forgejo: {arrived:?}");
        let message = answer.message();
        ensure!(!message.is_empty(), "{request}: the refusal is not shaped like Forgejo's errors: {}", answer.body);
        Ok(message)
    }
}
