//! Whether the worker program starts in its cage and lists tools: started by the broker's own machinery, with a gateway that has no
//! credential to give.

use std::sync::Arc;
use std::time::Duration;

use bridge::access::AccessIssuer as _;
use bridge::bridge::Bridge;
use bridge::config::BridgeConfig;
use bridge::observer::Observer;
use bridge::process::{ExitReport, ProcessRequest};
use bridge::reply::{PostHead, Principal, Reply, ReplyBody};
use bridge::session_store::NoSessionStore;
use bridge::spawn::{SpawnConfig, Spawner};
use bytes::Bytes;
use forgejo::gateway::{Gateway, GatewayEvent, GatewayObserver};
use forgejo::token_source::{After401, CredentialError, KnownIdentity, TokenSource};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::cage;
use super::finding::Finding;
use super::patient::Patient;
use crate::app::build;
use crate::live_grants::LiveGrants;
use crate::worker_access::{GatewayAccessIssuer, WorkerListeners};

const CHECK: &str = "worker";
/// A program of a scripting language on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(2);
const LIST_TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// How the last worker ended, if it did by itself.
#[derive(Default)]
struct Ends(Arc<Mutex<Option<ExitReport>>>);

/// Nobody has logged in, nothing is remembered.
struct Nobody;

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let cancel = CancellationToken::new();
    let findings = match prepare(patient, &cancel).await {
        Ok((gateway, spawner)) => {
            let cage = cage::examine(patient.config.worker.cage, &spawner);
            let worker = start(patient, &gateway, &spawner).await;
            spawner.shutdown(STOP).await;
            vec![cage, worker]
        }
        Err(error) => {
            let remedy = "set worker-command to the program (in the image it is there already), or correct the other worker-… settings";
            vec![
                Finding::skip(cage::CHECK, "no worker can be started"),
                Finding::fail(CHECK, format!("{error:#}"), remedy),
            ]
        }
    };
    cancel.cancel();
    findings
}

async fn prepare(patient: &Patient, cancel: &CancellationToken) -> anyhow::Result<(Gateway, Spawner)> {
    let config = &patient.config;
    let gateway = Gateway::bind(
        build::gateway_config(config)?,
        &patient.outbound,
        Arc::new(Nobody),
        Arc::new(LiveGrants::default()),
        Arc::new(Nobody),
    )
    .await?;
    tokio::spawn(gateway.serve(cancel.clone()));
    // Without the run file: what is in there belongs to the running broker, whose workers would be swept away.
    let spawn = SpawnConfig {
        state_dir: None,
        listeners: Some(Arc::new(WorkerListeners(gateway.clone()))),
        ..build::spawn_config(config, &gateway)
    };
    let spawner = Spawner::start(config.worker.to_profile()?, spawn)?;
    Ok((gateway, spawner))
}

/// Starts it once bare, because the system's own words tell most, and once to speak with it.
async fn start(patient: &Patient, gateway: &Gateway, spawner: &Spawner) -> Finding {
    let program = spawner.program().display().to_string();
    let access = GatewayAccessIssuer {
        forgejo_url: gateway.public_url().into(),
        gateway: gateway.clone(),
        grants: LiveGrants::default(),
    };
    let bare = access.open();
    let request =
        ProcessRequest { url: bare.url().to_owned(), token: bare.token().to_owned(), label: "doctor".to_owned() };
    match spawner.spawn(request).await {
        Ok(mut process) => {
            drop(process.stdin.take());
            process.stop(STOP).await;
        }
        Err(error) => return Finding::fail(CHECK, error.to_string(), "see whether this user may execute the program"),
    }
    let ends = Ends::default();
    let end = Arc::clone(&ends.0);
    let bridge = Bridge::start(
        // One worker, for one question.
        BridgeConfig { warm_workers: 0, ..build::bridge_config(&patient.config) },
        spawner.clone(),
        Arc::new(access),
        Arc::new(NoSessionStore),
        Arc::new(ends),
    );
    let answer = tokio::time::timeout(PATIENCE, list_tools(&bridge)).await;
    bridge.drain(STOP).await;
    let last_words = end.lock().take().map(|report| in_words(&report)).unwrap_or_default();
    let remedy = "run the program by hand and see what it says; with worker-cage=off you learn whether the cage is what it does not bear \
                  (then name what it needs with worker-allowed-paths or worker-may-fork)";
    match answer {
        Err(_) => Finding::fail(
            CHECK,
            format!("{program} started but listed no tools within {} s{last_words}", PATIENCE.as_secs()),
            remedy,
        ),
        Ok(Err(reason)) => Finding::fail(CHECK, format!("{program}: {reason}{last_words}"), remedy),
        Ok(Ok(0)) => Finding::fail(CHECK, format!("{program} starts, but has no tools"), remedy),
        Ok(Ok(number)) => Finding::ok(CHECK, format!("{program} starts in its cage and lists {number} tools")),
    }
}

fn in_words(report: &ExitReport) -> String {
    let how = match (report.code, report.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    };
    let said = report.last_stderr_line.as_ref().map(|line| format!(", its last words: {line}")).unwrap_or_default();
    format!("; it ended with {how}{said}")
}

async fn list_tools(bridge: &Bridge) -> Result<usize, String> {
    let name: Arc<str> = "doctor".into();
    let who = Principal { user: Arc::clone(&name), client: Arc::clone(&name), grant: name };
    let reply = bridge.post(&who, PostHead::default(), Bytes::from_static(LIST_TOOLS.as_bytes())).await;
    let status = reply.status;
    let answer = read(reply).await.ok_or_else(|| format!("it gave no answer to tools/list (status {status})"))?;
    if let Some(error) = answer.get("error") {
        return Err(error["message"].as_str().unwrap_or("it answered tools/list with an error").to_owned());
    }
    answer["result"]["tools"]
        .as_array()
        .map(Vec::len)
        .ok_or_else(|| "its answer to tools/list has no list of tools".to_owned())
}

/// The answer, plain or the last of a stream of events.
async fn read(reply: Reply) -> Option<Value> {
    match reply.body {
        ReplyBody::Json(body) => serde_json::from_slice(&body).ok(),
        ReplyBody::Events(mut events) => {
            let mut text = Vec::new();
            while let Some(chunk) = events.next().await {
                text.extend_from_slice(&chunk);
                let lines = text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: "));
                let answers = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
                if let Some(answer) = answers.into_iter().find(|answer| answer["id"] == 1) {
                    return Some(answer);
                }
            }
            None
        }
        _ => None,
    }
}

impl Observer for Ends {
    fn worker_ended(&self, report: &ExitReport, expected: bool) {
        if !expected {
            *self.0.lock() = Some(report.clone());
        }
    }
}

// === impl Nobody ===

impl TokenSource for Nobody {
    fn access_token(&self, _: Arc<str>) -> BoxFuture<'_, Result<SecretString, CredentialError>> {
        Box::pin(async { Err(CredentialError::Unknown) })
    }

    fn after_401(&self, _: Arc<str>, _: SecretString) -> BoxFuture<'_, Result<After401, CredentialError>> {
        Box::pin(async { Err(CredentialError::Unknown) })
    }

    fn identity(&self, _: Arc<str>) -> BoxFuture<'_, Option<KnownIdentity>> {
        Box::pin(async { None })
    }
}

impl GatewayObserver for Nobody {
    fn event(&self, _: GatewayEvent) {}
}
