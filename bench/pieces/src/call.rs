//! One whole call through the bridge: a session's POST, the worker's pipe, the answer. The worker is in memory, so that no other process's
//! and no kernel's work is counted; all on one thread, so that its order is always the same.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bridge::bridge::Bridge;
use bridge::config::BridgeConfig;
use bridge::observer::NoObserver;
use bridge::pieces::Access;
use bridge::process::{Exit, ExitReport, ExitTeller, ProcessRequest, SpawnError};
use bridge::reply::{PostHead, Principal, ReplyBody};
use bridge::session_store::NoSessionStore;
use bridge::starter::{RunningWorker, StartWorker, StopWorker};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::{REQUEST, counted};

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"pieces","version":"1"}}}"#
);
/// Calls before those that count.
const WARMING: usize = 20;

struct Starter;
struct Handle(ExitTeller);

/// So many calls of one session, after those that start its worker and everything that is made at a first call.
pub(crate) fn repeat(times: usize) -> Result<()> {
    // Its clock stands still, so that nothing is done at one call and not at another because a second has passed.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let bridge = runtime.block_on(async {
        Bridge::start(
            BridgeConfig::default(),
            Starter,
            Arc::new(Access),
            Arc::new(NoSessionStore),
            Arc::new(NoObserver),
        )
    });
    let who = Principal { user: "alice".into(), client: "client".into(), grant: "grant".into() };
    let session = runtime.block_on(begin(&bridge, &who))?;
    runtime.block_on(calls(&bridge, &who, &session, WARMING))?;
    counted(|| runtime.block_on(calls(&bridge, &who, &session, times)))
}

async fn begin(bridge: &Bridge, who: &Principal) -> Result<String> {
    let begun = bridge.post(who, PostHead::default(), Bytes::from_static(INITIALIZE.as_bytes())).await;
    begun.session_id.context("no session")
}

async fn calls(bridge: &Bridge, who: &Principal, session: &str, times: usize) -> Result<()> {
    for _ in 0..times {
        let head = PostHead {
            session_id: Some(session.to_owned()),
            protocol_version: Some("2025-11-25".to_owned()),
            ..PostHead::default()
        };
        let reply = bridge.post(who, head, Bytes::from_static(REQUEST.as_bytes())).await;
        let ReplyBody::Json(body) = reply.body else { bail!("no plain answer, status {}", reply.status) };
        ensure!(reply.status == 200 && body.starts_with(br#"{"jsonrpc":"2.0","id":17,"result":"#), "a wrong answer");
    }
    Ok(())
}

/// A worker in memory that answers everything at once.
async fn answer(stdin: tokio::io::DuplexStream, mut stdout: tokio::io::DuplexStream) {
    let mut lines = BufReader::new(stdin).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(id) = line.strip_prefix(r#"{"jsonrpc":"2.0","id":"#).and_then(|rest| rest.split(',').next()) else {
            continue;
        };
        let result = if line.contains("\"initialize\"") {
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"memory","version":"1"}}"#
        } else {
            r#"{"content":[{"type":"text","text":"the quick brown fox jumps over the lazy dog, and the lazy dog lets it"}]}"#
        };
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n");
        if stdout.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl StartWorker for Starter {
    fn start(&self, _: ProcessRequest) -> BoxFuture<'_, Result<RunningWorker, SpawnError>> {
        Box::pin(async {
            let (stdin, their_stdin) = tokio::io::duplex(64 * 1024);
            let (their_stdout, stdout) = tokio::io::duplex(64 * 1024);
            tokio::spawn(answer(their_stdin, their_stdout));
            let (tell, exit) = Exit::awaited();
            Ok(RunningWorker {
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                exit,
                pid: 1,
                handle: Box::new(Handle(tell)),
            })
        })
    }
}

impl StopWorker for Handle {
    fn stop(&self, _: Duration) -> BoxFuture<'_, ExitReport> {
        let report = ExitReport { code: Some(0), signal: None, last_stderr_line: None };
        self.0.tell(report.clone());
        Box::pin(async { report })
    }
}
