//! One whole call through the bridge: a session's POST, the worker's pipe, the answer. The worker is in memory, so that no other process's
//! and no kernel's work is counted; all on one thread, so that its order is always the same.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bridge::access::{AccessIssuer, WorkerAccess};
use bridge::bridge::Bridge;
use bridge::config::BridgeConfig;
use bridge::observer::Observer;
use bridge::process::{ExitReport, ProcessRequest, SpawnError};
use bridge::reply::{PostHead, Principal, ReplyBody};
use bridge::session_store::{Holding, Kept, Peer, SessionRecord, SessionStore, SessionStoreUnavailable};
use bridge::starter::{RunningWorker, StartWorker, StopWorker};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::watch;

use crate::REQUEST;

struct Starter;
struct Handle(watch::Sender<Option<ExitReport>>);
struct Issuer;
struct Access;
struct Nothing;

/// So many calls of one session, after a first one that starts its worker.
pub(crate) fn repeat(times: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let bridge = Bridge::start(BridgeConfig::default(), Starter, Arc::new(Issuer), Arc::new(Nothing), Arc::new(Nothing));
        let who = Principal { user: "alice".into(), client: "client".into(), grant: "grant".into() };
        let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"pieces","version":"1"}}}"#;
        let begun = bridge.post(&who, PostHead::default(), Bytes::from_static(initialize.as_bytes())).await;
        let session = begun.session_id.context("no session")?;
        for _ in 0..times {
            let head = PostHead { session_id: Some(session.clone()), protocol_version: Some("2025-11-25".to_owned()), ..PostHead::default() };
            let reply = bridge.post(&who, head, Bytes::from_static(REQUEST.as_bytes())).await;
            let ReplyBody::Json(body) = reply.body else { anyhow::bail!("no plain answer, status {}", reply.status) };
            ensure!(reply.status == 200 && body.starts_with(br#"{"jsonrpc":"2.0","id":17,"#), "a wrong answer");
        }
        Ok(())
    })
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
            let (tell, exit) = watch::channel(None);
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
        self.0.send_replace(Some(report.clone()));
        Box::pin(async { report })
    }
}

impl AccessIssuer for Issuer {
    fn open(&self) -> Arc<dyn WorkerAccess> {
        Arc::new(Access)
    }
}

impl WorkerAccess for Access {
    fn url(&self) -> &'static str {
        "http://127.0.0.1:40123"
    }
    fn token(&self) -> &'static str {
        "fjb_wk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
    }
    fn public_url(&self) -> &'static str {
        "https://forge.example"
    }
    fn assign(&self, _: &Principal) {}
    fn ready(&self) {}
}

impl Observer for Nothing {}

impl SessionStore for Nothing {
    fn insert(&self, _: SessionRecord) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async { Ok(()) })
    }
    fn take(&self, _: [u8; 32]) -> BoxFuture<'_, Result<Holding, SessionStoreUnavailable>> {
        Box::pin(async { Ok(Holding::Absent) })
    }
    fn update(&self, _: SessionRecord) -> BoxFuture<'_, Result<bool, SessionStoreUnavailable>> {
        Box::pin(async { Ok(true) })
    }
    fn release(&self, _: [u8; 32], _: i64) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async { Ok(()) })
    }
    fn delete(&self, _: [u8; 32], _: Option<i64>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async { Ok(()) })
    }
    fn delete_of_grant(&self, _: Arc<str>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(async { Ok(()) })
    }
    fn trim(
        &self,
        _: Arc<str>,
        _: Arc<str>,
        _: Kept,
        _: Vec<[u8; 32]>,
    ) -> BoxFuture<'_, Result<Vec<[u8; 32]>, SessionStoreUnavailable>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn peer(&self, _: Arc<str>) -> BoxFuture<'_, Result<Option<Peer>, SessionStoreUnavailable>> {
        Box::pin(async { Ok(None) })
    }
    fn now(&self) -> i64 {
        1_700_000_000_000
    }
}
