//! One client's way through: discovery, registration, login, tools, a call, a refresh, another call, each as seen on the wire.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, free_port};
use e2e::browser::Person;
use e2e::children::{Call, Child};
use e2e::clients::{Client, Errand, Report};
use e2e::mcp::Mcp;
use e2e::stack::Stack;
use e2e::witness::{Seen, Witness};
use forgejo_sim::SimConfig;
use reqwest::{Method, StatusCode};

use super::table::Row;

const MODERN: &str = "2026-07-28";

/// A broker that clients reach through a witness.
pub(crate) struct Station {
    stack: Stack,
    witness: Witness,
    call: Call,
}

/// The eras that a client can be asked for, its own choice first.
pub(crate) fn modes(client: &str) -> &'static [&'static str] {
    match client {
        // It knows no other.
        "ts-v1" => &["legacy"],
        "ts-v2" | "mcp-remote" | "inspector" => &["legacy", "auto", MODERN],
        _ => &["auto", "legacy", MODERN],
    }
}

// === impl Station ===

impl Station {
    pub(crate) async fn open(child: &Child) -> Result<Self> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let witness = Witness::before(listen.parse()?).await?;
        let settings = Settings::default().with("LISTEN", listen);
        let stack = Stack::start_on(witness.port, child, SimConfig::default(), settings).await?;
        Ok(Self { stack, witness, call: child.words.whoami("") })
    }

    /// Sends a client through, and checks what it says and what was seen.
    pub(crate) async fn visit(&self, client: &Client, mode: &'static str, person: &Person) -> Result<Row> {
        let expected = self.tools(person).await?;
        drop(self.witness.take());
        let errand = Errand { broker: &self.stack.broker.url, person, call: &self.call, mode: Some(mode) };
        let report = client.run(errand).await.with_context(|| format!("{mode}; {}", self.stack.broker.log()))?;
        let seen = self.witness.take();
        let row = judge(client, mode, person, &expected, &report, &seen);
        row.with_context(|| format!("{}, {mode}: {report:?}\n{}", client.name, listing(&seen)))
    }

    async fn tools(&self, person: &Person) -> Result<Vec<String>> {
        let (_, tokens) = self.stack.log_in_as(person).await?;
        let mut own = Mcp::new(&self.stack.broker.url, &tokens.access_token)?;
        own.initialize("2025-11-25").await?;
        own.tools().await
    }
}

/// What the client says, and what was seen of it.
fn judge(
    client: &Client,
    mode: &'static str,
    person: &Person,
    expected: &[String],
    report: &Report,
    seen: &[Seen],
) -> Result<Row> {
    ensure!(report.tool_names == expected, "other tools than ours");
    ensure!(report.call_text.contains(&person.login), "the call was not made as {}", person.login);
    let scope = if person.read_only { "read" } else { "read write" };
    ensure!(report.scope.as_deref().is_none_or(|told| told == scope), "another scope than {scope}");
    ensure!(report.refreshed == Some(true), "no refresh");
    ensure!(report.same_session != Some(false), "the session did not outlive the refresh");
    let after = report.call_text_after_refresh.as_deref().unwrap_or_default();
    ensure!(after.contains(&person.login), "no call after the refresh");

    let done = |method: Method, path: &str, asked: Option<&str>, status: StatusCode| {
        let is_it = |seen: &&Seen| {
            seen.method == method
                && seen.path.starts_with(path)
                && asked.is_none_or(|asked| seen.asked.as_deref() == Some(asked))
                && seen.status == status
        };
        seen.iter().filter(is_it).count()
    };
    let ok = StatusCode::OK;
    let mcp = |asked| done(Method::POST, "/mcp", Some(asked), ok);
    ensure!(
        done(Method::GET, "/.well-known/oauth-protected-resource", None, ok) > 0,
        "it did not read who guards the resource"
    );
    ensure!(
        done(Method::GET, "/.well-known/oauth-authorization-server", None, ok) > 0,
        "it did not discover the authorization server"
    );
    ensure!(done(Method::POST, "/oauth/register", None, StatusCode::CREATED) > 0, "it did not register");
    ensure!(
        done(Method::POST, "/oauth/token", Some("authorization_code"), ok) == 1,
        "it did not redeem exactly one code"
    );
    ensure!(done(Method::POST, "/oauth/token", Some("refresh_token"), ok) > 0, "it did not refresh");
    ensure!(mcp("tools/list") > 0 && mcp("tools/call") > 1, "it did not list and call twice");

    let calls: Vec<&Seen> = seen.iter().filter(|seen| seen.asked.as_deref() == Some("tools/call")).collect();
    let is_modern = calls.iter().all(|call| call.revision.as_deref() == Some(MODERN) && !call.has_session);
    let is_legacy = calls.iter().all(|call| call.revision.as_deref() != Some(MODERN) && call.has_session);
    ensure!(is_modern || is_legacy, "neither one era nor the other");
    let wanted = if mode == "legacy" { is_legacy } else { is_modern };
    ensure!(wanted, "not the era that was asked for");
    let era = if is_modern { "modern" } else { "legacy" };
    ensure!(report.era.as_deref().is_none_or(|told| told == era), "it takes the era for another");
    let probed = done(Method::POST, "/mcp", Some("server/discover"), ok) > 0;
    let revision = calls.first().and_then(|call| call.revision.clone()).context("no revision on the wire")?;
    Ok(Row {
        client: client.name.clone(),
        version: report.version.clone(),
        mode,
        probed,
        revision,
        tools: report.tool_names.len(),
        scope: report.scope.clone(),
    })
}

fn listing(seen: &[Seen]) -> String {
    let line = |seen: &Seen| {
        let Seen { method, path, revision, asked, has_session, status } = seen;
        format!("{status} {method} {path} {asked:?} {revision:?} session: {has_session}")
    };
    seen.iter().map(line).collect::<Vec<_>>().join("\n")
}
