//! One process on stdio, its calls told apart by ids of our own.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use e2e::children::Child;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// A running worker. It gets the end of its stdin when the last handle is dropped.
pub(super) struct Worker {
    stdin: mpsc::UnboundedSender<Value>,
    calls: Calls,
    numbers: AtomicU64,
}

type Calls = Arc<Mutex<BTreeMap<u64, Open>>>;

/// A call that has no response yet.
struct Open {
    client_id: Value,
    messages: mpsc::UnboundedSender<Value>,
    is_listen: bool,
}

/// What the worker says to one call. Dropped before its end, it cancels the call.
pub(super) struct Call {
    number: u64,
    messages: mpsc::UnboundedReceiver<Value>,
    worker: Arc<Worker>,
    is_over: bool,
}

// === impl Worker ===

impl Worker {
    pub(super) fn start(child: &Child) -> Result<Arc<Self>> {
        let mut process = Command::new(&child.command)
            .args(&child.args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("the worker cannot be started")?;
        let mut pipe = process.stdin.take().context("no stdin")?;
        let mut lines = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let (stdin, mut outgoing) = mpsc::unbounded_channel::<Value>();
        tokio::spawn(async move {
            while let Some(message) = outgoing.recv().await {
                if pipe.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        let calls = Calls::default();
        let routes = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(message) = serde_json::from_str(&line) {
                    route(&routes, message);
                }
            }
            routes.lock().clear();
            // The pipes are closed, so it ends soon; nobody cares how.
            let _ = process.wait().await;
        });
        Ok(Arc::new(Self { stdin, calls, numbers: AtomicU64::new(1) }))
    }

    /// Writes a message as it is.
    pub(super) fn write(&self, message: &Value) {
        // A worker that has ended is noticed by whoever waits for an answer.
        let _ = self.stdin.send(message.clone());
    }

    /// Writes a request under an id of ours.
    pub(super) fn call(self: &Arc<Self>, mut message: Value) -> Call {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (sender, messages) = mpsc::unbounded_channel();
        let is_listen = message["method"] == "subscriptions/listen";
        let open = Open { client_id: message["id"].clone(), messages: sender, is_listen };
        self.calls.lock().insert(number, open);
        message["id"] = number.into();
        self.write(&message);
        Call { number, messages, worker: Arc::clone(self), is_over: false }
    }
}

/// Gives a message of the worker to the call that it belongs to.
fn route(calls: &Calls, mut message: Value) {
    let mut calls = calls.lock();
    if message.get("method").is_none() {
        if let Some(open) = message["id"].as_u64().and_then(|number| calls.remove(&number)) {
            if message.get("result").is_some_and(|result| result["_meta"].get(SUBSCRIPTION_KEY).is_some()) {
                message["result"]["_meta"][SUBSCRIPTION_KEY] = open.client_id.clone();
            }
            message["id"] = open.client_id;
            // The client may have gone.
            let _ = open.messages.send(message);
        }
        return;
    }
    let subscription = message["params"]["_meta"].get(SUBSCRIPTION_KEY).and_then(Value::as_u64);
    let open = match subscription {
        Some(number) => calls.get(&number),
        None => calls.values().rfind(|open| !open.is_listen),
    };
    let Some(open) = open else { return };
    if subscription.is_some() {
        message["params"]["_meta"][SUBSCRIPTION_KEY] = open.client_id.clone();
    }
    let _ = open.messages.send(message);
}

// === impl Call ===

impl Call {
    /// The next message; `None` after the response, or if the worker has ended.
    pub(super) async fn next(&mut self) -> Option<Value> {
        let message = self.messages.recv().await;
        self.is_over = message.as_ref().is_none_or(|message| message.get("method").is_none());
        message
    }

    /// Whether the last message was the response.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.worker.calls.lock().remove(&self.number).is_some() {
            let params = json!({ "requestId": self.number });
            self.worker.write(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }));
        }
    }
}
